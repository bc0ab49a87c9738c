"""A world with a simulated car in frozen time, for the car's tests. Ports the car skills never touch are left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from actions.phrases import Phrases
from actions.skill import Context, Done, Entity, Outcome, Skill, Turn, World
from backends.errors import BackendError
from backends.model import Language, Maneuver, Position, Route, Signal, SignalSpec, SignalValue
from backends.ports import Navigation, Vehicle
from backends.vehicle import Catalogue, load_catalogue
from simulator.navigation import SimulatedNavigation
from simulator.vehicle import JAPAN, SimulatedClock, SimulatedVehicle, offset

NOON = datetime(2026, 6, 1, 12, 0, tzinfo=JAPAN)
TOKYO = Position(35.681236, 139.767125)
RESPONSES = Path(__file__).resolve().parent.parent / "nlu_data" / "responses"


@lru_cache
def catalogue() -> Catalogue:
    return load_catalogue()


@lru_cache
def phrases() -> Phrases:
    return Phrases.load(RESPONSES)


def car(**options: Any) -> SimulatedVehicle:
    return SimulatedVehicle(SimulatedClock.frozen(NOON), position=TOKYO, catalogue=catalogue(), **options)


def straight_route(metres: float = 2_000, *, speed_kmh: float = 36, language: Language = "ja", legs: int = 2) -> Route:
    """North from Tokyo station in `legs` equal parts, a point every 50 m."""
    points = tuple(offset(TOKYO, north, 0) for north in range(0, int(metres) + 1, 50))
    per_leg = (len(points) - 1) // legs
    seconds = metres / (speed_kmh / 3.6)
    maneuvers = tuple(
        Maneuver(f"step {leg}", points[leg * per_leg], leg * per_leg, metres / legs, seconds / legs, "right" if leg else "start")
        for leg in range(legs)
    )  # fmt: skip
    end = Maneuver("arrive", points[-1], len(points) - 1, 0, 0, "destination")
    return Route(points, metres, seconds, (*maneuvers, end), language=language)


def world(vehicle: Vehicle, navigation: Navigation | None = None) -> World:
    absent = cast(Any, None)
    return World(
        places=absent, gazetteer=absent, routes=absent, vehicle=vehicle,
        navigation=navigation or (SimulatedNavigation(vehicle) if isinstance(vehicle, SimulatedVehicle) else absent),
        weather=absent, news=absent, traffic=absent, memory=absent, clock=lambda: NOON,
    )  # fmt: skip


def entities(text: str, *rows: tuple[Any, ...]) -> tuple[Entity, ...]:
    """Entities as (words, type, value[, role]); their place is looked up in `text`, left to right."""
    found: list[Entity] = []
    searched: dict[str, int] = {}
    for words, kind, value, *role in rows:
        start = text.index(words, searched.get(words, 0))
        searched[words] = start + 1
        found.append(Entity(kind, value, role[0] if role else None, start, start + len(words), words))
    return tuple(found)


class Dialogue:
    """Says lines to the car skills, keeping the slots between them as the dialogue model would."""

    def __init__(self, skills: Mapping[str, type[Skill]], vehicle: Vehicle, language: Language) -> None:
        self.vehicle = vehicle
        self.language = language
        self.world = world(vehicle)
        self._skills = {intent: skill(self.world, phrases()) for intent, skill in skills.items()}
        self._slots: dict[str, Any] = {}
        self._turns = 0

    async def say(self, intent: str, text: str, *rows: tuple[Any, ...]) -> Outcome:
        return self._keep(await self._skills[intent].perform(self._turn(intent, text, rows)))

    async def answer(self, yes: bool) -> Outcome | None:
        """yes or no to what is pending, as the answering skill hands it on."""
        pending = self._slots.get("pending") or {}
        turn = self._turn("affirm" if yes else "deny", "", ())
        for skill in self._skills.values():
            if pending.get("kind") in getattr(skill, "pending_kinds", ()):
                outcome = await cast(Any, skill).resolve_pending(turn, pending, yes)
                return None if outcome is None else self._keep(outcome)
        return None

    def skill(self, intent: str) -> Skill:
        return self._skills[intent]

    def turn(self, intent: str, text: str, *rows: tuple[Any, ...]) -> Turn:
        return self._turn(intent, text, rows)

    def _turn(self, intent: str, text: str, rows: tuple[tuple[Any, ...], ...]) -> Turn:
        return Turn(text, intent, 0.9, entities(text, *rows), self.language, "owner", dict(self._slots), 0, {})

    def _keep(self, outcome: Outcome) -> Outcome:
        self._slots |= {"pending": None, **outcome.slots}
        return outcome

    async def value(self, path: str) -> SignalValue:
        return (await self.vehicle.get(path)).value


class FailingVehicle:
    """A car whose signals below some branches answer with an error."""

    def __init__(self, inner: SimulatedVehicle, error: BackendError, *branches: str) -> None:
        self._inner, self._error, self._branches = inner, error, branches

    def _guard(self, path: str) -> None:
        if not self._branches or path.startswith(self._branches):
            raise self._error

    async def get(self, path: str) -> Signal:
        self._guard(path)
        return await self._inner.get(path)

    async def set(self, path: str, value: SignalValue) -> Signal:
        self._guard(path)
        return await self._inner.set(path, value)

    async def spec(self, path: str) -> SignalSpec:
        self._guard(path)
        return await self._inner.spec(path)

    def subscribe(self, paths: Any) -> Any:
        return self._inner.subscribe(paths)


class RoundingVehicle(FailingVehicle):
    """A car that takes temperatures in whole degrees only: what it confirms is not what was asked."""

    def __init__(self, inner: SimulatedVehicle) -> None:
        super().__init__(inner, BackendError("vehicle"), "Nowhere")

    async def set(self, path: str, value: SignalValue) -> Signal:
        if path.endswith(".Temperature"):
            value = float(int(value))
        signal = await super().set(path, value)
        return replace(signal)


def done(outcome: Outcome) -> list[tuple[str, Any]]:
    """The settings an outcome reports: last two parts of the path, value."""
    return [
        (".".join(str(d.arguments["path"]).split(".")[-2:]), d.arguments["value"])
        for d in outcome.done
        if d.name == "set_signal" and d.ok
    ]


__all__ = ["Context", "Dialogue", "Done", "FailingVehicle", "RoundingVehicle", "car", "done", "straight_route", "world"]
