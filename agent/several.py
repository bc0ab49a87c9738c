"""Several requests in one sentence: 「渋谷でイタリアンを探して、あとエアコンを22度にして」, "turn the heating up and find me a petrol station".

The sentence is cut where one may end and another begin (several.yml). A cut stays only when what stands on both sides is by itself
confidently a request, and not one that the second half only goes on with (a condition, an answer, "take me there"). Each is then a turn of
the dialogue model, in order; what is said is one answer, with a question that was asked at its end and still open.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Protocol

import yaml

from agent.dialogue import Dialogue, DialogueReply, Understanding
from agent.errors import AgentError
from backends.model import Language

log = logging.getLogger(__name__)

LONGEST = 240
"""characters: longer messages are stories"""
MOST_PIECES = 6
MOST_REQUESTS = 3
SHORTEST: Final[Mapping[Language, int]] = {"ja": 4, "en": 7}
"""characters of a request"""
CONFIDENT, WITH_A_GOAL = 0.7, 0.5
"""so probable a piece by itself must be what it is taken for; less is enough where it names what is looked for"""
CHATTER = 0.85
"""a sentence that as a whole is so probably chatter is left alone"""
SURE = 0.85
"""so probable a goal to drive to must be that follows a search: 「探して、博多駅で」 is none"""
STANDING: Final = frozenset(
    {
        "destination_search",
        "traffic_route",
        "weather",
        "news",
        "audio_vehicle_control",
        "climate",
        "agentplus",
        "schedule_other",
    }
)
"""functions whose requests stand by themselves"""
GOING_ON: Final = frozenset({"set_destination", "change_route", "notice_feedback"})
"""intents that go on with what was said before"""
TOGETHER: Final = frozenset({"climate", "weather", "news", "traffic_route", "agentplus", "schedule_other"})
"""functions whose actions take several wishes at once"""
ASKS: Final = frozenset(
    {
        "asks_condition",
        "no_results",
        "offers_one",
        "offers_list",
        "asks_choice",
        "asks_place",
        "asks_date",
        "asks_slot",
        "asks_yesno",
    }
)
"""contexts of replies that end in a question"""
REFERENCES: Final = frozenset({"there", "candidate", "destination"})


class Say(Protocol):
    def __call__(self, language: Language, key: str, /) -> str:
        """A sentence of ours."""


@dataclass(frozen=True, slots=True)
class Request:
    """A part of a sentence that is a request by itself."""

    text: str
    start: int
    """where it stands in the sentence"""
    understanding: Understanding


@dataclass(frozen=True, slots=True)
class _Piece:
    start: int
    end: int


@dataclass(frozen=True)
class _Words:
    joints: tuple[re.Pattern[str], ...]
    interjection: re.Pattern[str]
    corrects: re.Pattern[str]
    taken_back: re.Pattern[str]
    every: re.Pattern[str]
    pronoun: re.Pattern[str]
    reason: re.Pattern[str]


@lru_cache(maxsize=2)
def _words(language: Language) -> _Words:
    data = yaml.safe_load(Path(__file__).with_suffix(".yml").read_text(encoding="utf-8"))[language]

    def compiled(pattern: str) -> re.Pattern[str]:
        return re.compile(pattern, re.IGNORECASE)

    return _Words(
        tuple(compiled(p) for p in data["joints"]),
        compiled(data["interjection"]),
        compiled(data["corrects"]),
        compiled(data["taken_back"]),
        compiled(data["every"]),
        compiled(data["pronoun"]),
        compiled(data["reason"]),
    )


def pieces(text: str, language: Language) -> list[tuple[int, int]]:
    """Where the text may be cut: (start, end) of each piece without the words that join them; one for a sentence with no joint."""
    if len(text) > LONGEST:
        return [(0, len(text))]
    joints = sorted(
        {
            m.span("joint" if "joint" in pattern.groupindex else 0)
            for pattern in _words(language).joints
            for m in pattern.finditer(text)
        }
    )
    found: list[tuple[int, int]] = []
    start = at = 0
    for begin, end in joints:
        if begin < at:
            at = start = max(at, end) if begin <= start else at
            continue
        if text[start:begin].strip(" 、，,"):
            found.append((start, begin))
        start = at = max(end, begin)
    found.append((start, len(text)))
    found = [(s, e) for s, e in found if text[s:e].strip(" 、，,。.!?！？")]
    # 「あ」, "no wait" alone belong to what follows them.
    for i in range(len(found) - 2, -1, -1):
        if _words(language).interjection.fullmatch(text[slice(*found[i])].strip(" 、，,")):
            found[i : i + 2] = [(found[i][0], found[i + 1][1])]
    return found if 1 < len(found) <= MOST_PIECES else [(0, len(text))]


async def requests_of(
    dialogue: Dialogue,
    function_of: Callable[[str | None], str],
    text: str,
    language: Language,
    metadata: Mapping[str, Any] | None = None,
) -> list[Request]:
    """The requests of a sentence by themselves; empty when it is one, or none. Raises `AgentError`."""
    found, called_off = await Splitter(dialogue.parse, function_of).asked(text, language, metadata or {})
    return found if len(found) > 1 or called_off else []


class Parse(Protocol):
    async def __call__(
        self, text: str, *, language: Language, metadata: Mapping[str, Any] | None = None
    ) -> Understanding:
        """The meaning of a text alone."""


class SeveralRequests:
    """A `Dialogue` that takes the requests of a sentence one after the other; all else goes to the dialogue below."""

    def __init__(self, below: Dialogue, function_of: Callable[[str | None], str], say: Say) -> None:
        self._below, self._say = below, say
        self._splitter = Splitter(below.parse, function_of)
        self.parse, self.reset, self.slots, self.close = below.parse, below.reset, below.slots, below.close
        self.forget = below.forget

    async def turn(
        self, session: str, text: str, *, language: Language, metadata: Mapping[str, Any] | None = None
    ) -> DialogueReply:
        context = ""
        if len(pieces(text, language)) > 1:
            slots = await self._below.slots(session)
            context = str((metadata or {}).get("context") or slots.get("context") or "")
        requests, called_off = await self._splitter.asked(text, language, {"context": context} if context else {})
        if called_off and not requests:
            return await self._below.turn(session, called_off, language=language, metadata=metadata)
        if not requests or (len(requests) == 1 and not called_off):
            return await self._below.turn(session, text, language=language, metadata=metadata)
        reply = await self._below.turn(session, requests[0].text, language=language, metadata=metadata)
        for request in requests[1:]:
            reply = await self._then(reply, session, request, language, metadata or {})
        return reply

    async def _then(
        self, before: DialogueReply, session: str, request: Request, language: Language, metadata: Mapping[str, Any]
    ) -> DialogueReply:
        """The reply to the request after others, together with theirs."""
        told = {k: v for k, v in metadata.items() if k != "context"}
        asks = before.payload.get("context") in ASKS
        told["held"] = {
            "pending": before.slots.get("pending") if asks else None,
            "context": before.payload["context"] if asks else None,
            "said": " ".join(before.texts),
        }
        try:
            reply = await self._below.turn(session, request.text, language=language, metadata=told)
        except AgentError as error:
            # The first was done all the same, and is said.
            log.warning("the second request of a sentence: %s", error.code)
            return replace(before, texts=(*before.texts, self._say(language, "conversation.second_failed")))
        return together(before, reply, request)


class Splitter:
    """Decides which pieces of a sentence are requests."""

    def __init__(self, parse: Parse, function_of: Callable[[str | None], str]) -> None:
        self._parse, self._function_of = parse, function_of

    async def asked(self, text: str, language: Language, metadata: Mapping[str, Any]) -> tuple[list[Request], str]:
        """The requests of a sentence that stand, and the words that called others off."""
        cut = pieces(text, language)
        if len(cut) == 1:
            return [], ""
        words, called_off = _words(language), ""
        groups: list[Request] = []
        first = True
        for start, end in cut:
            said = text[start:end].strip(" 、，,")
            if not first and (back := words.taken_back.match(said)) is not None:
                left = _without(groups, back.groupdict().get("what") or "", bool(words.every.search(said)), words)
                if left is not None:
                    groups, called_off = left, said
                    continue
            understanding = await self._parse(
                said, language=language, metadata=metadata if first else {"context": "done"}
            )
            first = False
            if groups and (words.corrects.match(said) or not self._begins(groups[-1], said, understanding, language)):
                groups[-1] = replace(groups[-1], text=text[groups[-1].start : end])
                continue
            if not groups and not self._stands(said, understanding, language):
                # What the sentence begins with is no request: it is left as it is.
                return [], ""
            groups.append(Request(said, start, understanding))
        if len(groups) > MOST_REQUESTS or (not called_off and len(groups) < 2):
            return [], ""
        whole = await self._parse(text, language=language, metadata=metadata)
        chatter = self._function_of(whole.intent) == "chitchat_oos" and whole.confidence >= CHATTER
        return ([], "") if chatter else (groups, called_off)

    def _stands(self, said: str, understanding: Understanding, language: Language) -> bool:
        """Whether a piece is a request by itself."""
        function = self._function_of(understanding.intent)
        goal = function == "destination_search" and any(e["entity"] in _GOALS for e in understanding.entities)
        return (
            len(said) >= SHORTEST[language]
            and not _words(language).reason.search(said)
            and function in STANDING
            and understanding.intent not in GOING_ON
            and understanding.confidence >= (WITH_A_GOAL if goal else CONFIDENT)
        )

    def _begins(self, before: Request, said: str, understanding: Understanding, language: Language) -> bool:
        """Whether a piece begins another request than the one before it."""
        if not self._stands(said, understanding, language):
            return False
        intent, earlier = understanding.intent, before.understanding.intent
        function, previous = self._function_of(intent), self._function_of(earlier)
        types = {e["entity"] for e in understanding.entities}
        points_back = any(e["entity"] == "where" and e.get("value") in REFERENCES for e in understanding.entities)
        if (
            points_back
            and function in ("destination_search", "traffic_route", "weather")
            and types <= {"where", "kind"}
        ):
            return False
        if function == "destination_search":
            # 「駅の近くで」 goes on with a search; another kind of place, or a goal, begins one.
            if previous == function:
                return intent != earlier and (
                    intent == "add_waypoint" or (intent == "navigate_to" and understanding.confidence >= SURE)
                )
            return bool(types & _GOALS) or intent == "navigate_to"
        if function == previous:
            return function not in TOGETHER and intent != earlier
        return True


_GOALS = frozenset({"kind", "genre", "place_name", "station", "area", "city", "prefecture", "phone_number", "feeling"})


def _without(groups: list[Request], what: str, every: bool, words: _Words) -> list[Request] | None:
    """The requests without the one taken back: the one named, else the last. None when what is named is none of them: a
    condition that is refused is no request taken back."""
    if every:
        return []
    what = what.strip()
    if not what or words.pronoun.fullmatch(what):
        return groups[:-1]
    for group in reversed(groups):
        if what.lower() in group.text.lower() or _shared(what, group.text):
            return [g for g in groups if g is not group]
    return None


def _shared(what: str, text: str) -> bool:
    """Whether a word of three letters or more stands in both."""
    return any(word in text.lower() for word in re.findall(r"[a-z]{4,}|[ァ-ヶー]{3,}|[一-鿿]{2,}", what.lower()))


def together(first: DialogueReply, second: DialogueReply, request: Request) -> DialogueReply:
    """One reply for two requests: what was asked is said last, and stays asked."""
    asked = first.payload.get("context") in ASKS
    # The context of what was asked first is the second reply's as well, unless that asks something itself (`held`).
    asks = second.payload.get("context") in ASKS and second.payload.get("context") != first.payload.get("context")
    texts = (*second.texts, *first.texts) if asked and not asks else (*first.texts, *second.texts)
    context = first.payload.get("context") if asked and not asks else second.payload.get("context")
    payload = {
        "context": context,
        "actions": [*first.payload.get("actions", ()), *second.payload.get("actions", ())],
        "cards": [*first.payload.get("cards", ()), *second.payload.get("cards", ())],
        "quick_replies": (first if asked and not asks else second).payload.get("quick_replies", []),
    }
    timings = {k: first.timings.get(k, 0.0) + second.timings.get(k, 0.0) for k in {**first.timings, **second.timings}}
    moved: Sequence[Mapping[str, Any]] = [
        {**e, "start": e["start"] + request.start, "end": e["end"] + request.start} if "start" in e else e
        for e in second.understanding.entities
    ]
    later = replace(second.understanding, entities=tuple(moved))
    return replace(
        first, texts=texts, payload=payload, slots=second.slots, timings=timings, others=(*first.others, later)
    )
