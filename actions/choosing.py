"""A message said while a list of places is on the table, read as the choice it is: when `actions.pointing` says that it points at one
of them, and it is neither a wish for other places nor a question."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from actions.narrowing import NEARBY
from actions.pointing import point
from actions.reading import ANOTHER, QUESTION, RESTORE, TAKING
from actions.skill import Entity, Turn
from backends.model import PlaceHit

POINTED_FROM = frozenset({"offers_list", "asks_choice", "asks_condition"})
"""contexts in which a list has just been read out"""
_INTENTS = frozenset(
    {
        "search_place", "narrow", "choose_option", "next_page", "undo_narrow", "navigate_to", "set_destination", "add_waypoint",
        "human_talk", "out_of_scope", "chitchat", "nlu_fallback", "affirm", "deny", "audio_source", "repeat", "go_back", "goodbye", "ask_place",
    }
)  # fmt: skip
_SEARCHED = frozenset({"search_place", "narrow", "choose_option", "navigate_to", "set_destination", "add_waypoint", "undo_narrow", "next_page"})  # fmt: skip
_LONGEST_BESIDE = {"ja": 22, "en": 45}
"""letters of a message that was taken for something else: longer ones tell a story"""
ONE = re.compile(r"\b(?:the|that) (?:one\b|\w+est\b)|(?:ほう|方|やつ)(?:で|に|が|を|$)", re.IGNORECASE)
"""words for one of those, though a condition is given up in the same breath"""
_WISHES = (
    "price",
    "budget",
    "rating_min",
    "parking",
    "wifi",
    "cards",
    "non_smoking",
    "private_room",
    "open_at",
    "genre",
    "kind",
)
"""values that are conditions of a search as well"""
_FIGURE = re.compile(
    r"\d|[一二三四五六七八九十千万]|以上|以下|以内|\b(?:more|less|least|most|under|over|up|within)\b", re.IGNORECASE
)
_THRESHOLDS = ("rating_min", "budget", "distance_max", "parking_within")
"""values that bound a search: no quality of one place"""
_LETS = re.compile(r"\blet'?s\b", re.IGNORECASE)
_ORDER = re.compile(
    r"順|並べ|ならべ|ソート|\b(?:sort|order|rank|first|list)(?: them| it)? (?:by|first)\b|\bfirst$", re.IGNORECASE
)


def may_point(turn: Turn) -> bool:
    """Whether a turn may be one that takes something from a list."""
    search = turn.slots.get("search")
    shown = search.get("shown") if isinstance(search, Mapping) else None
    listed = isinstance(shown, (list, tuple)) and len(shown) > 1
    return listed and turn.slots.get("context") in POINTED_FROM and turn.intent in _INTENTS


def pointed(turn: Turn, hits: Sequence[PlaceHit]) -> Turn:
    """The turn as a choice by number when it points at one of the places read out, else as it was."""
    found = point(turn.text, turn.language, hits, turn.entities, sought(turn))
    settles = TAKING.search(turn.text) or _LETS.search(turn.text)
    if found is None or (QUESTION.search(turn.text) and not settles):
        return turn
    if _ORDER.search(turn.text) or RESTORE.search(turn.text):
        return turn
    taken = found.taken or (turn.intent == "choose_option" and not turn.all(*_WISHES))
    if not found.plain and not taken:
        return turn
    if not found.plain and (ANOTHER.search(turn.text) or _elsewhere(turn) or _bounded(turn)):
        return turn
    if _other_kind(turn) and not found.named:
        return turn
    if turn.all("drop") and not found.plain and not ONE.search(turn.text):
        return turn
    longest = _LONGEST_BESIDE[turn.language]
    if turn.intent not in _SEARCHED and len(turn.text) > (longest if found.taken else longest // 2):
        return turn
    if turn.intent == "ask_place" and not taken:
        return turn
    return replace(turn, intent="choose_option", entities=(Entity("ordinal", found.index + 1, text=turn.text),))


def _elsewhere(turn: Turn) -> bool:
    """Whether another kind of place is looked for, somewhere: "coffee near here"."""
    return _other_kind(turn) and bool(
        NEARBY.search(turn.text) or turn.all("where", "prefecture", "city", "area", "station")
    )


def _bounded(turn: Turn) -> bool:
    """Whether a figure bounds a search (「評価が4以上のところ」); the "one" of "the lower rated one" is none."""
    return any(_FIGURE.search(e.text) for e in turn.all(*_THRESHOLDS))


def _other_kind(turn: Turn) -> bool:
    known = sought(turn)
    return any(str(e.value) not in known for e in turn.all("genre", "kind"))


def sought(turn: Turn) -> list[str]:
    """Kind and genres of the search under way."""
    conditions = (turn.slots.get("search") or {}).get("conditions") or {}
    genres = conditions.get("genre") or ()
    return [str(conditions.get("kind")), *map(str, genres if isinstance(genres, (list, tuple)) else (genres,))]
