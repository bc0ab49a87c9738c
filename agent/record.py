"""What was said and done in a conversation, kept from its events: what a handoff packet is made of."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from agent.events import Acted, Event, Handoff, Heard, Notice, OperatorSaid, Pushed, Spoke, Understood
from backends.model import Language
from backends.packet import Line

MAX_LINES = 300
MAX_ACTIONS = 150
MAX_CANDIDATES = 80
MAX_SESSIONS = 1_000
ASKING = frozenset({"asks_condition", "asks_choice", "asks_place", "asks_date", "asks_slot", "asks_yesno"})
"""contexts of the agent's questions (docs/understanding-contract.md)"""


@dataclass(frozen=True, slots=True)
class Question:
    """A question of the agent's and what the driver said next."""

    question: str
    answer: str
    context: str


@dataclass
class Record:
    """One conversation."""

    lines: list[Line] = field(default_factory=list)
    actions: list[tuple[Acted, datetime | None]] = field(default_factory=list)
    cards: OrderedDict[str, Mapping[str, Any]] = field(default_factory=OrderedDict)
    """place cards shown, by id, oldest first"""
    questions: list[Question] = field(default_factory=list)
    intent: str | None = None
    language: Language = "ja"
    _asked: tuple[str, str] | None = None
    _count: int = 0

    def say(self, speaker: Any, text: str, language: Language, at: datetime, **more: Any) -> Line:
        self._count += 1
        line = Line(self._count, at, speaker, text, language, **more)
        self.lines.append(line)
        del self.lines[:-MAX_LINES]
        return line

    def last_driver_line(self) -> Line | None:
        return next((line for line in reversed(self.lines) if line.speaker == "driver"), None)


class Records:
    """The records of every session; an event sink."""

    def __init__(self, corrects: Callable[[str], bool], clock: Callable[[], datetime]) -> None:
        """`corrects`: whether a driver takes back with these words what was said before."""
        self._corrects = corrects
        self._clock = clock
        self._records: OrderedDict[str, Record] = OrderedDict()

    def of(self, session: str) -> Record:
        record = self._records.setdefault(session, Record())
        self._records.move_to_end(session)
        while len(self._records) > MAX_SESSIONS:
            self._records.popitem(last=False)
        return record

    def forget(self, session: str) -> None:
        self._records.pop(session, None)

    def forget_all(self, *, keep: Collection[str]) -> None:
        """Forgets every session but those in `keep`."""
        for session in [s for s in self._records if s not in keep]:
            del self._records[session]

    def take(self, event: Event) -> None:
        if isinstance(event, Heard):
            self._heard(event)
        elif isinstance(event, Understood):
            self._understood(event)
        elif isinstance(event, Acted):
            record = self.of(event.session)
            record.actions.append((event, self._clock()))
            del record.actions[:-MAX_ACTIONS]
        elif isinstance(event, Spoke):
            self._spoke(event)
        elif isinstance(event, Notice):
            self.of(event.session).say("agent", event.text, event.language, event.at)
        elif isinstance(event, OperatorSaid):
            self.of(event.session).say("operator", event.text, event.language, event.at)
        elif isinstance(event, (Handoff, Pushed)) and event.text:
            self.of(event.session).say("line", event.text, event.language, event.at)

    def _heard(self, event: Heard) -> None:
        record = self.of(event.session)
        record.language = event.language
        before = record.last_driver_line()
        corrects = before.n if before is not None and self._corrects(event.text) else None
        record.say("driver", event.text, event.language, event.at, corrects=corrects)
        if record._asked is not None:
            question, context = record._asked
            record.questions.append(Question(question, event.text, context))
            record._asked = None

    def _understood(self, event: Understood) -> None:
        record = self.of(event.session)
        record.intent = event.intent
        for place in range(len(record.lines) - 1, -1, -1):
            if record.lines[place].speaker == "driver":
                confidence = min(1.0, max(0.0, event.confidence))
                record.lines[place] = replace(record.lines[place], confidence=round(confidence, 3))
                return

    def _spoke(self, event: Spoke) -> None:
        record = self.of(event.session)
        if not event.text:
            return
        record.say("agent", event.text, event.language, self._clock())
        record._asked = (event.text, event.context) if event.context in ASKING else None
        for card in event.cards:
            if card.get("type") == "place" and card.get("id"):
                record.cards[str(card["id"])] = card
                record.cards.move_to_end(str(card["id"]))
        while len(record.cards) > MAX_CANDIDATES:
            record.cards.popitem(last=False)
