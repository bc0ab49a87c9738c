"""A person is wanted, or something only people do: what the desk needs is collected first, then the conversation is handed over.

The action reports `handoff_request`; whoever runs the conversation calls the Owner's Desk and says what came of it. Where
there is no desk to call, what the action itself says stands: the desk's number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import yaml

from actions.reading import BOOKING, LEFT_WORD, NO, YES
from actions.search import trip_of
from actions.skill import Context, Done, Outcome, Skill, Turn, join

TOPICS = frozenset(
    {"operator", "restaurant_booking", "hotel_booking", "rental_car", "flight", "taxi", "roadside", "call", "other"}
)
REQUEST = "handoff_request"
FORMS_FILE = Path(__file__).with_name("handoff_forms.yml")
MAX_WORDS = 200
"""characters of an answer kept as it was said"""

_OPEN = re.compile(
    r"未定|決まって(い)?な|決めて(い)?な|わからな|分からな|特に(は)?(な|ござ)|とくにな|なし|ない(です)?[。!]?$|任せ|まかせ|お任せ|おまかせ|何でも|なんでも|どれでも|いつでも|どちらでも|"
    r"\b(no preference|don'?t (know|mind|care)|not sure|any(thing|time| is fine)?|whatever|none|up to (you|them)|undecided|no (limit|budget))\b",
    re.IGNORECASE,
)
"""the driver leaves it to the desk"""
_NOT_HURT = re.compile(
    r"(けが|怪我|ケガ|負傷)(人|者|した人|をした人)?(は|も|を|が)?(し(て(い)?)?(ない|ません)|いな(い|く)|いません|おりません|な(い|し|く)|ありません)|痛(く|みは?)(は)?(ない|ありません|なし)|"
    r"\b(no(body|t| one)?('?s| is| was| are| were)?|nobody'?s?|without|isn'?t|aren'?t|wasn'?t) ?(any(one|body)? )?(is |was |are |been )?(hurt|injur(ed|y|ies)|bleeding|in pain)\b",
    re.IGNORECASE,
)
"""injuries spoken of and denied: taken out before injuries are looked for"""
_HURT = re.compile(
    r"(けが|怪我|ケガ|負傷)(を)?(し(た|まし|て(い)?(る|ます)|ちゃ)|人が|者が)|痛(い|が|む|め)|血が|出血|骨折|動けな|意識|"
    r"\b(hurt|injured|injury|bleeding|pain|unconscious|broken (arm|leg|bone)|can'?t move)\b",
    re.IGNORECASE,
)
_FINE = re.compile(
    r"大丈夫|だいじょうぶ|無事|誰もいま?せ?ん?|いません|いない|ありません|平気|元気|"
    r"\b(no(body| one)?|nope|none|fine|ok(ay)?|all (right|good)|unhurt|uninjured)\b",
    re.IGNORECASE,
)
_SOMEBODY = re.compile(
    r"^(はい|ええ|うん|yes|yeah|yep)\b|^(はい|ええ|うん)|(い|お)(る|ます|ります)[。!！]?$", re.IGNORECASE
)
_COUNT = {word: n for n, word in enumerate(("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"), 2)}
_PARTY = re.compile(rf"\b(?:table|seats?|dinner|lunch|room) for ({'|'.join(_COUNT)})\b", re.IGNORECASE)
"""「a table for two」: understanding takes it for part of the booking"""
_VALUES = frozenset({"people", "time", "nights", "budget", "price", "number", "duration", "open_at"})
_BOOKINGS = {"restaurant": "restaurant_booking", "hotel": "hotel_booking"}


class HandoffAction(Skill):
    """A person is wanted, a booking, a call, help by the road."""

    action_name: ClassVar[str] = "action_handoff"
    pending_kinds: ClassVar[tuple[str, ...]] = ("handoff", "handoff_form", "handoff_injury")

    async def perform(self, turn: Turn) -> Outcome:
        pending = turn.slots.get("pending")
        kind = pending.get("kind") if isinstance(pending, Mapping) else None
        if isinstance(pending, Mapping) and kind == "handoff_injury":
            return self._injury(turn, pending)
        if isinstance(pending, Mapping) and kind == "handoff_form":
            return self._filled(turn, pending)
        if (word := self._word_left(turn)) is not None:
            return word
        if turn.entities and not turn.all("handoff_topic") and {e.type for e in turn.entities} <= _VALUES:
            # 「2名」 with no question before it: nobody is called for a number.
            pending = {"kind": "handoff", "asked": True}
            return Outcome(self.say(turn, "handoff.offer"), "asks_yesno", {"pending": pending})
        return self._begin(turn, topic_of(turn))

    async def resolve_pending(self, turn: Turn, pending: Mapping[str, Any], yes: bool) -> Outcome:
        if pending.get("kind") == "handoff_injury":
            return self._injury(turn, pending)
        if pending.get("kind") == "handoff_form":
            return self._filled(turn, pending)
        if not yes:
            return Outcome(self.say(turn, "answer.all_right"), "done")
        return self._request(turn, "operator", {}, (), offered=not pending.get("asked"))

    # ── what is needed first ────────────────────────────────────────────────────────────────────────────────────

    def _begin(self, turn: Turn, topic: str) -> Outcome:
        if topic == "roadside":
            return self._ask_injury(turn, "handoff.injury")
        form = forms().get(topic)
        if form is None:
            return self._request(turn, topic, {}, ())
        intro = self.say(turn, f"handoff.limit.{topic}" if form["limit"] else "handoff.form")
        return self._next(turn, topic, given(turn, form["fields"], None), (), intro)

    def _filled(self, turn: Turn, pending: Mapping[str, Any]) -> Outcome:
        """One more answer."""
        topic, asked = str(pending["topic"]), str(pending["asked"])
        fields, left_open = dict(pending.get("fields") or {}), tuple(pending.get("left_open") or ())
        said = given(turn, forms()[topic]["fields"], asked)
        # An answer to something else that is needed as well leaves the question open.
        if asked not in said and not said:
            if _OPEN.search(turn.text) or NO.match(turn.text):
                left_open = (*left_open, asked)
            else:
                # Whatever it is, an operator can read it: nothing is asked a second time.
                said[asked] = turn.text.strip()[:MAX_WORDS]
        return self._next(turn, topic, {**fields, **said}, left_open, "")

    def _next(
        self, turn: Turn, topic: str, fields: Mapping[str, Any], left_open: tuple[str, ...], intro: str
    ) -> Outcome:
        """Asks for the next thing the desk needs, or calls it."""
        missing = [f for f in forms()[topic]["fields"] if f not in fields and f not in left_open]
        if not missing:
            return self._request(turn, topic, fields, left_open)
        asked = missing[0]
        pending = {
            "kind": "handoff_form",
            "topic": topic,
            "asked": asked,
            "fields": dict(fields),
            "left_open": list(left_open),
        }
        context: Context = "asks_date" if asked == "date" else "asks_slot"
        return Outcome(
            join(turn.language, intro, self.say(turn, f"handoff.ask.{asked}")), context, {"pending": pending}
        )

    def _ask_injury(self, turn: Turn, key: str, again: int = 0) -> Outcome:
        return Outcome(self.say(turn, key), "asks_yesno", {"pending": {"kind": "handoff_injury", "again": again}})

    def _injury(self, turn: Turn, pending: Mapping[str, Any]) -> Outcome:
        """Somebody hurt is a matter for Helpnet; only otherwise the desk sends help."""
        hurt = injured(turn.text)
        if hurt is False:
            return self._request(turn, "roadside", {"injured": False}, ())
        if hurt:
            return Outcome(
                self.say(turn, "safety.injury"), "gives_info", done=(Done("helpnet_advice", {"kind": "injury"}),)
            )
        if int(pending.get("again") or 0) < 1:
            return self._ask_injury(turn, "handoff.injury_again", 1)
        return self._request(turn, "roadside", {"injured": turn.text.strip()[:MAX_WORDS]}, ())

    # ── the request ─────────────────────────────────────────────────────────────────────────────────────────────

    def _request(
        self, turn: Turn, topic: str, fields: Mapping[str, Any], left_open: tuple[str, ...], *, offered: bool = False
    ) -> Outcome:
        phone = self.world.desk_phone
        slots: dict[str, Any] = {}
        if (city := trip_of(turn)) is not None:
            slots["trip"] = city
        arguments = {
            "topic": topic,
            "fields": dict(fields),
            "left_open": list(left_open),
            "offered": offered,
            "phone": phone,
        }
        return Outcome(
            self.say(turn, f"handoff.{topic}", phone=phone),
            "gives_info",
            slots,
            (Done(REQUEST, arguments),),
            ({"type": "phone", "name": self.say(turn, "handoff.name"), "phone": phone},),
        )

    def _word_left(self, turn: Turn) -> Outcome | None:
        """「オペレーターは何て言ってた？」: the note the operator handed back with."""
        desk = turn.metadata.get("desk")
        if not isinstance(desk, Mapping) or not LEFT_WORD.search(turn.text):
            return None
        note, operator = desk.get("note"), desk.get("operator") or self.say(turn, "handoff.name")
        if not note:
            return Outcome(self.say(turn, "handoff.no_note"), "gives_info")
        return Outcome(
            self.say(turn, "handoff.note", operator=str(operator).rsplit(":", 1)[-1], note=note), "gives_info"
        )


def topic_of(turn: Turn) -> str:
    """What the desk is wanted for; a booking of what is being searched for is of that kind."""
    topic = str(turn.first("handoff_topic") or ("other" if BOOKING.search(turn.text) else "operator"))
    if topic not in TOPICS:
        return "other"
    search = turn.slots.get("search")
    conditions = search.get("conditions") if isinstance(search, Mapping) else None
    kind = conditions.get("kind") if isinstance(conditions, Mapping) else None
    return _BOOKINGS.get(str(kind), topic) if topic == "other" else topic


def injured(text: str) -> bool | None:
    """Whether somebody is hurt by the answer to that question; None when it does not tell. Injuries named weigh most: "my wife
    is hurt, nobody else" is a yes."""
    text = text.strip()
    if _HURT.search(_NOT_HURT.sub(" ", text)):
        return True
    if _NOT_HURT.search(text) or _FINE.search(text) or NO.match(text):
        return False
    return True if _SOMEBODY.search(text) or YES.match(text) else None


def given(turn: Turn, wanted: list[str], asked: str | None) -> dict[str, Any]:
    """What a message says of the fields `wanted`; a bare number or name answers the one that was `asked`."""
    out: dict[str, Any] = {}
    for value in [e.value for e in turn.entities if e.type in ("time", "open_at") and isinstance(e.value, Mapping)]:
        day = {
            k: v for k, v in value.items() if k in ("month", "day", "weekday", "day_offset", "week_offset", "special")
        }
        hour = {k: v for k, v in value.items() if k in ("hour", "minute", "part_of_day")}
        if day and "date" in wanted:
            out["date"] = day
        if hour and "time" in wanted:
            out["time"] = hour
    for name in ("people", "nights", "budget"):
        if name in wanted and (value := turn.first(name)) is not None:
            out[name] = value
    if "budget" in wanted and "budget" not in out and (band := turn.first("price")) is not None:
        out["budget"] = band
    number = turn.first("number")
    if asked in ("people", "nights") and asked not in out and isinstance(number, (int, float)):
        out[asked] = int(number)
    if "people" in wanted and "people" not in out and (party := _PARTY.search(turn.text)) is not None:
        out["people"] = _COUNT.get(party[1].lower(), party[1])
    if asked == "mileage_card" and YES.match(turn.text):
        # Which one: an operator will hear it anyway.
        out["mileage_card"] = True
    if (
        "route" in wanted
        and asked is None
        and any(e.type in ("city", "prefecture", "area", "station") for e in turn.entities)
    ):
        out["route"] = turn.text.strip()[:MAX_WORDS]
    return out


@lru_cache(maxsize=1)
def forms() -> Mapping[str, Any]:
    """What is asked before a booking, by topic."""
    loaded: dict[str, Any] = yaml.safe_load(FORMS_FILE.read_text(encoding="utf-8"))
    return loaded


SKILLS: tuple[type[Skill], ...] = (HandoffAction,)
