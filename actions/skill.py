"""The frame every action hangs in: what it is given, what it gives back, what is said when a backend fails.

An action subclasses `Skill`, sets `action_name` and writes `perform`. It never talks to Rasa directly: it reads a `Turn` and
returns an `Outcome`. The frame holds the deadline, turns `BackendError` into a sentence and writes the slots.
"""

from __future__ import annotations

import asyncio
import logging
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar, Literal, cast

from rasa_sdk import Action, Tracker
from rasa_sdk.events import SlotSet
from rasa_sdk.executor import CollectingDispatcher

from actions.phrases import Phrases
from backends.errors import BackendError
from backends.model import Language
from backends.ports import Gazetteer, Memory, Navigation, News, Places, Preferences, Routes, Traffic, Vehicle, Weather

log = logging.getLogger(__name__)

Context = Literal[
    "none", "greeting", "asks_condition", "no_results", "offers_one", "offers_list", "asks_choice", "asks_place",
    "asks_date", "asks_yesno", "asks_slot", "gives_info", "done", "apology",
]  # fmt: skip
"""What the reply does, for understanding the next message (docs/understanding-contract.md)."""


FAILURES_BEFORE_DESK = 2
"""so many apologies running, and a person is offered"""


@dataclass(frozen=True)
class World:
    """Everything an action may ask, handed in by the composition root."""

    places: Places
    gazetteer: Gazetteer
    routes: Routes
    vehicle: Vehicle
    navigation: Navigation
    weather: Weather
    news: News
    traffic: Traffic
    memory: Memory
    clock: Callable[[], datetime]
    """timezone-aware local time of the car (simulated in the simulator)"""
    desk_phone: str = "0800-300-0365"
    taste: Preferences | None = None


@dataclass(frozen=True, slots=True)
class Entity:
    type: str
    value: Any
    role: str | None = None
    start: int = 0
    end: int = 0
    text: str = ""
    """the words themselves"""


@dataclass(frozen=True, slots=True)
class Turn:
    """One user message as an action sees it."""

    text: str
    intent: str
    confidence: float
    entities: tuple[Entity, ...]
    language: Language
    driver: str
    slots: Mapping[str, Any]
    number: int
    """how many user messages came before in this conversation"""
    metadata: Mapping[str, Any]
    ranking: Mapping[str, float] = field(default_factory=dict)
    """intent → probability, of the likeliest ones"""

    def all(self, *types: str, role: str | None = None) -> tuple[Entity, ...]:
        return tuple(e for e in self.entities if e.type in types and e.role == role)

    def first(self, *types: str, role: str | None = None) -> Any:
        """The value of the first entity of these types, None when there is none."""
        found = self.all(*types, role=role)
        return found[0].value if found else None

    @classmethod
    def from_tracker(cls, tracker: Tracker) -> Turn:
        message = tracker.latest_message or {}
        text = message.get("text") or ""
        metadata = message.get("metadata") or {}
        entities = tuple(
            Entity(e["entity"], e.get("value"), e.get("role"), int(e.get("start") or 0), int(e.get("end") or 0),
                   text[int(e.get("start") or 0) : int(e.get("end") or 0)])
            for e in message.get("entities") or ()
        )  # fmt: skip
        intent = message.get("intent") or {}
        language = metadata.get("language") or tracker.get_slot("language") or "ja"
        return cls(
            text=text,
            intent=intent.get("name") or "",
            confidence=float(intent.get("confidence") or 0.0),
            entities=entities,
            language="en" if language == "en" else "ja",
            driver=metadata.get("driver") or tracker.get_slot("driver") or "owner",
            slots={**tracker.slots, **_taken_over(metadata)},
            number=sum(1 for event in tracker.events if event.get("event") == "user"),
            metadata=metadata,
            ranking={r["name"]: float(r.get("confidence") or 0.0) for r in message.get("intent_ranking") or ()},
        )


@dataclass(frozen=True, slots=True)
class Done:
    """One thing that was done (or failed) in the world, for events, transcripts and `concierge replay`."""

    name: str
    """set_destination, set_signal, search, …"""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    ok: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an action gives back."""

    text: str
    """what is said; plain text, never empty"""
    context: Context = "gives_info"
    slots: Mapping[str, Any] = field(default_factory=dict)
    """dialogue slots to set; a pending question goes into `pending`, which is cleared unless named here"""
    done: tuple[Done, ...] = ()
    cards: tuple[Mapping[str, Any], ...] = ()
    """what a page may show: JSON-able, `type` place/route/weather/news/car"""
    quick_replies: tuple[str, ...] = ()


class Skill(Action):  # type: ignore[misc]  # rasa_sdk is untyped
    """Base class of all actions."""

    action_name: ClassVar[str]
    counts_as_failure: ClassVar[bool] = False
    """whether the driver did not get what was asked for, though nothing broke: two in a row offer the Owner's Desk"""
    deadline_s: ClassVar[float] = 4.0
    """the longest a driver waits for this action before hearing why"""
    pending_kinds: ClassVar[tuple[str, ...]] = ()
    """kinds of the slot `pending` whose 「はい」 and 「いいえ」 this skill answers (`resolve_pending`)"""

    def __init__(self, world: World, phrases: Phrases) -> None:
        self.world = world
        self.phrases = phrases

    def name(self) -> str:
        return self.action_name

    @abstractmethod
    async def perform(self, turn: Turn) -> Outcome:
        """Does the work. `BackendError`s may pass through: the frame says the sentence for them."""

    async def resolve_pending(self, turn: Turn, pending: Mapping[str, Any], yes: bool) -> Outcome | None:
        """What a plain yes or no means after this skill's question; `pending` is what the question left in the slot. None when
        it is not this skill's after all."""
        raise NotImplementedError(f"{self.action_name} asks nothing")

    def say(self, turn: Turn, key: str, /, **values: object) -> str:
        return self.phrases.say(turn.language, key, turn=turn.number, **values)

    async def run(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        heard = Turn.from_tracker(tracker)
        skill, turn = self._answering(await self._with_the_list_in_view(heard), heard.intent)
        try:
            outcome = await asyncio.wait_for(skill.perform(turn), skill.deadline_s)
        except BackendError as error:
            log.warning("%s: %s failed: %s", self.action_name, error.stage, error.code)
            outcome = self._failed(turn, error.stage, error.code)
        except (TimeoutError, asyncio.TimeoutError):
            log.warning("%s: no answer within %.1f s", self.action_name, self.deadline_s)
            outcome = self._failed(turn, "any", "timeout")
        except Exception:
            # The last wall before the driver: whatever broke, a sentence is said and the log has the trace.
            log.exception("%s broke", self.action_name)
            outcome = self._failed(turn, "any", "error")
        slots: dict[str, Any] = {"pending": None, "failures": 0, **_taken_over(turn.metadata), **outcome.slots}
        failed = outcome.context == "apology" or skill.counts_as_failure
        if failed and "failures" not in outcome.slots:
            slots["failures"] = int(turn.slots.get("failures") or 0) + 1
            if slots["failures"] >= FAILURES_BEFORE_DESK and slots["pending"] is None:
                offer = self.say(turn, "handoff.offer", phone=self.world.desk_phone)
                outcome = replace(outcome, text=join(turn.language, outcome.text, offer))
                slots["pending"] = {"kind": "handoff"}
        outcome = _with_held(turn, outcome, slots)
        slots["last_reply"] = _all_said(turn, outcome)
        message = payload(outcome)
        if turn.intent != heard.intent:
            message["intent"] = turn.intent
        dispatcher.utter_message(text=outcome.text, json_message=message)
        slots["context"] = outcome.context
        return [SlotSet(key, value) for key, value in slots.items()]

    async def _with_the_list_in_view(self, turn: Turn) -> Turn:
        """The turn as a choice by number when it points at one of the places just read out (`actions.choosing`)."""
        from actions.choosing import may_point, pointed

        if not may_point(turn):
            return turn
        from actions.search import ChooseAction

        choosing = ChooseAction(self.world, self.phrases)
        try:
            hits = await asyncio.wait_for(choosing.candidates(turn, choosing.state(turn)), self.deadline_s / 2)
        except (BackendError, TimeoutError, asyncio.TimeoutError):
            return turn
        return pointed(turn, hits)

    def _answering(self, turn: Turn, understood: str) -> tuple[Skill, Turn]:
        """The skill that answers the turn where it stands (`actions.reading`): nearly always this one."""
        from actions import skill_of
        from actions.reading import ACTION_OF, read

        meant = read(turn)
        name = ACTION_OF.get(meant.intent, self.action_name)
        if meant.intent == understood or name == self.action_name:
            return self, meant
        return skill_of(name)(self.world, self.phrases), meant

    def _failed(self, turn: Turn, stage: str, code: str) -> Outcome:
        known = self.phrases.ids(turn.language)
        key = next(
            k for k in (f"failed.{stage}.{code}", f"failed.{stage}", f"failed.{code}", "failed.error") if k in known
        )
        return Outcome(
            self.say(turn, key),
            context="apology",
            done=(Done(self.action_name, {"stage": stage, "code": code}, False),),
        )


def _with_held(turn: Turn, outcome: Outcome, slots: dict[str, Any]) -> Outcome:
    """The outcome of the second request of a sentence: what the first asked is still asked, unless this asks something itself."""
    held = turn.metadata.get("held")
    if not isinstance(held, Mapping) or not held.get("context") or outcome.context not in ("done", "gives_info"):
        return outcome
    if slots.get("pending") is None:
        slots["pending"] = held.get("pending")
    return replace(outcome, context=cast(Context, held["context"]))


def _all_said(turn: Turn, outcome: Outcome) -> str:
    """What is said again when asked to: with what the request before it in the same sentence was answered."""
    held = turn.metadata.get("held")
    said = held.get("said") if isinstance(held, Mapping) else None
    return join(turn.language, str(said), outcome.text) if said else outcome.text


def _taken_over(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """What an operator left behind that the dialogue goes on from, in the first turn after: the place the driver took."""
    desk = metadata.get("desk")
    if not isinstance(desk, Mapping) or not desk.get("fresh") or not isinstance(desk.get("focus"), Mapping):
        return {}
    return {"focus": desk["focus"]}


def join(language: Language, *sentences: str) -> str:
    """Sentences one after the other: with a space in English, without in Japanese."""
    return ("" if language == "ja" else " ").join(s for s in sentences if s)


def payload(outcome: Outcome) -> dict[str, Any]:
    """The machine-readable half of a reply (Rasa's `custom`)."""
    return {
        "context": outcome.context,
        "actions": [{"name": d.name, "arguments": dict(d.arguments), "ok": d.ok} for d in outcome.done],
        "cards": [dict(card) for card in outcome.cards],
        "quick_replies": list(outcome.quick_replies),
    }


def register(executor: Any, skills: Iterable[type[Skill]], world: World, phrases: Phrases) -> None:
    """Registers instances of `skills` with a rasa_sdk `ActionExecutor` (explicit: nothing is discovered by walking)."""
    for skill in skills:
        executor.register_action(skill(world, phrases))
