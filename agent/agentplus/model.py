"""What Agent+ works with: the car's signals, what it may ask, what it is answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from agent.notices.look import Ahead
from agent.notices.model import Candidate
from agent.prediction.route import Roads
from backends.model import Language, Position, Route, Signal
from backends.ports import Memory, Navigation, Places, Traffic, Weather
from backends.routes import RouteLine


class Car(Protocol):
    """The car's signals (`backends.ports.Vehicle`, read only)."""

    async def get(self, path: str) -> Signal: ...


class Voice(Protocol):
    """What can be said, and whether the driver is being spoken with (`agent.conversation.Conversation`)."""

    async def notice(self, session: str, kind: str, key: str, *, data: Mapping[str, str] | None = None) -> Any: ...

    def say(self, language: Language, key: str, **values: object) -> str: ...

    def engaged(self, session: str, now: datetime) -> bool: ...

    def language_of(self, session: str) -> Language | None: ...

    def drive(self, driver: str, language: Language | None) -> None: ...


@dataclass(frozen=True)
class Senses:
    """What Agent+ may ask."""

    car: Car
    navigation: Navigation
    traffic: Traffic
    weather: Weather
    roads: Roads
    memory: Memory
    places: Places | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """What is answered to a driver's words, and what was done."""

    text: str
    action: str = ""
    ok: bool = True
    arguments: Mapping[str, Any] = field(default_factory=dict)
    asks: bool = False
    cards: tuple[Mapping[str, Any], ...] = ()
    """what a page may show beside it"""


@dataclass(frozen=True, slots=True)
class Snapshot:
    at: datetime
    position: Position
    heading: float
    speed_kmh: float
    ignition: bool
    key: str


@dataclass
class Pending:
    """A notice that may be answered."""

    candidate: Candidate
    at: datetime
    ahead: Ahead | None
    question: str = ""
    """home, work: to be remembered; initialise, erase, who, key: to be answered; empty: an ordinary notice"""
    place: int | None = None
    subject: str = ""
    """what a question is about: the item to be erased, the driver the key would belong to"""
    text: str = ""
    """what was said"""

    @property
    def asks(self) -> bool:
        """Whether yes and no answer it."""
        if self.question:
            return self.question != "who"
        return self.candidate.detour is not None or self.candidate.kind in ("offer", "destination")


class Course:
    """A route prepared for being asked every second."""

    def __init__(self, route: Route) -> None:
        self.route, self.line = route, RouteLine(route)
        self._along = 0.0
        self._maneuvers: list[float] = []
        for maneuver in route.maneuvers[1:]:
            after = self._maneuvers[-1] if self._maneuvers else 0.0
            self._maneuvers.append(self.line.project(maneuver.position, after_m=after)[0])

    def along(self, here: Position) -> float:
        """Metres to the point of the route nearest to the car, which does not go back."""
        self._along = self.line.project(here, after_m=max(0.0, self._along - 50))[0]
        return self._along

    def maneuver_s(self, at: Snapshot) -> float | None:
        """Seconds until the next manoeuvre at the present speed; just past one counts as in it."""
        along = self.along(at.position)
        gap = next((m - along for m in self._maneuvers if m - along >= -15), None)
        return None if gap is None else max(0.0, gap) / max(3.0, at.speed_kmh / 3.6)
