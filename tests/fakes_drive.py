"""A small town to drive in, in virtual time: streets as a grid, a simulated car, a world with events, Agent+ over all of it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from actions import skill_of
from actions.phrases import Phrases
from actions.skill import Entity, Turn, payload
from agent.agentplus import AgentPlus, Senses
from agent.composition import NLU_DATA, _taste, load_safety
from agent.conversation import Conversation
from agent.dialogue import DialogueReply, Understanding
from agent.events import Notice
from agent.notices.policy import Wishes
from agent.prediction.geometry import plane, resample
from agent.prediction.model import Trip
from agent.prediction.store import History
from agent.profile import Profiles
from backends.errors import NotFound
from backends.memory import SqlMemory
from backends.model import Forecast, Language, Maneuver, Position, Route, RouteRequest, TrafficEvent
from backends.ports import Preferences
from backends.traffic import distance_to_line, match_along
from simulator.navigation import SimulatedNavigation
from simulator.vehicle import JAPAN, SimulatedClock, SimulatedVehicle, offset
from simulator.world import SimulatedWorld
from tests.fakes import FakeDialogue
from tests.fakes_world import Talk

MIDDLE = Position(35.70, 139.60)
SPEED_MS = 11.0


def at(east_m: float, north_m: float) -> Position:
    """A spot in the town."""
    return offset(MIDDLE, north_m, east_m)


HOME, WORK, GYM, SHOP = at(0, 0), at(9000, 4000), at(-3000, 5000), at(1500, -2500)


@lru_cache(maxsize=1)
def sentences() -> Phrases:
    return Phrases.load(NLU_DATA / "responses")


class GridRoads:
    """Streets along the axes: east-west first, or north-south first where the first way is closed or the car heads there."""

    async def route(self, request: RouteRequest) -> tuple[Route, ...]:
        a, b = request.origin, request.destination
        north_first = request.heading is not None and abs((request.heading + 90) % 180 - 90) < 45
        ways = [
            self._way(a, Position(a.latitude, b.longitude), b, 1.0, request.language),
            self._way(a, Position(b.latitude, a.longitude), b, 1.08, request.language),
        ]
        if north_first:
            # Who drives north or south goes on, and turns later.
            ways.reverse()
        open_ways = [w for w in ways if not any(distance_to_line(p, w.geometry) < 120 for p in request.exclude)]
        if not open_ways:
            raise NotFound("routes", "no way")
        return tuple(open_ways[: 1 + request.alternatives])

    async def match(self, points: Sequence[Position], language: Language = "ja") -> Route:
        return route_along(points, language=language)

    def _way(self, a: Position, corner: Position, b: Position, slow: float, language: Language) -> Route:
        line = np.array([(p.latitude, p.longitude) for p in (a, corner, b)])
        return route_along(
            [Position(*map(float, p)) for p in (*resample(line[:2], 40)[:-1], *resample(line[1:], 40))],
            slow=slow, turn=39, language=language,
        )  # fmt: skip


EXIT_M = 12_000.0
"""the first exit of the expressway east of home"""


class ExpresswayRoads(GridRoads):
    """The town with an expressway from home to the east: who is on it goes on to its exit, wherever they are going."""

    async def route(self, request: RouteRequest) -> tuple[Route, ...]:
        here = plane(np.array([(request.origin.latitude, request.origin.longitude)]), *_point(MIDDLE))[0]
        if not (abs(here[1]) < 60 and 50 < here[0] < EXIT_M - 50) or request.heading is None:
            return await super().route(request)
        exit_ = at(EXIT_M, 0)
        rest = (await super().route(RouteRequest(exit_, request.destination, language=request.language)))[0]
        line = [Position(*map(float, p)) for p in resample(np.array([_point(request.origin), _point(exit_)]), 40)]
        return (route_along([*line[:-1], *rest.geometry], turn=39, language=request.language),)


def _point(p: Position) -> tuple[float, float]:
    return p.latitude, p.longitude


def route_along(
    points: Sequence[Position], *, slow: float = 1.0, turn: int | None = None, language: Language = "ja"
) -> Route:
    metres = [a.distance_to(b) for a, b in itertools.pairwise(points)]
    starts = [0, turn, len(points) - 1] if turn else [0, len(points) - 1]
    maneuvers = []
    for index, begin in enumerate(starts):
        end = starts[index + 1] if index + 1 < len(starts) else len(points) - 1
        length = sum(metres[begin:end])
        kind = "destination" if begin == len(points) - 1 else "right" if index else "start"
        maneuvers.append(Maneuver("", points[begin], begin, length, slow * length / SPEED_MS, kind))
    total = sum(metres)
    return Route(tuple(points), total, slow * total / SPEED_MS, tuple(maneuvers), language=language)


@dataclass
class WorldTraffic:
    """The `Traffic` port straight on the simulated world."""

    world: SimulatedWorld

    async def along(self, geometry: Sequence[Position], corridor_m: float = 150) -> tuple[TrafficEvent, ...]:
        return tuple(m.event for m in match_along(geometry, self.world.events(), corridor_m))

    async def around(self, position: Position, radius_m: float) -> tuple[TrafficEvent, ...]:
        return tuple(e for e in self.world.events() if distance_to_line(position, e.geometry) <= radius_m)


@dataclass
class WorldWeather:
    """The `Weather` port straight on the simulated world."""

    world: SimulatedWorld

    async def forecast(self, place: str, position: Position, start: datetime, end: datetime) -> Forecast:
        hour = self.world.weather(position, start)
        return Forecast(
            place, position, start, end, hour.code, hour.temperature_c, hour.temperature_c,
            hour.precipitation_probability, hour.precipitation_mm, hour.wind_ms, start, "simulator",
        )  # fmt: skip


class ActionsDialogue(FakeDialogue):
    """A dialogue model of the real actions, told what each message means."""

    def __init__(self, clock: Callable[[], datetime], taste: Preferences) -> None:
        super().__init__()
        self.means: dict[str, Mapping[str, Any]] = {}
        self.talk = Talk(taste=taste)
        self._clock = clock

    async def turn(
        self, session: str, text: str, *, language: Language, metadata: Mapping[str, Any] | None = None
    ) -> DialogueReply:
        if text not in self.means:
            return await super().turn(session, text, language=language, metadata=metadata)
        told = dict(metadata or {})
        meaning = dict(self.means[text])
        intent = str(meaning.pop("intent"))
        turn = Turn(
            text, intent, 0.9, tuple(Entity(name, value) for name, value in meaning.items()), language,
            str(told["driver"]), dict(self.talk.slots), 1, told,
        )  # fmt: skip
        self.talk.now = self._clock()
        skill = skill_of(f"action_{intent}")(self.talk.world, sentences())
        outcome = await skill.perform(turn)
        self.talk.slots |= {"pending": None, **outcome.slots, "context": outcome.context}
        return DialogueReply((outcome.text,), payload(outcome), Understanding(intent, 0.9, ()), dict(self.talk.slots))


@dataclass
class Drive:
    """One car, its drivers, the town."""

    folder: Path
    now: datetime = datetime(2026, 5, 11, 7, 55, tzinfo=JAPAN)
    wishes: Wishes = field(default_factory=Wishes)
    session: str = "car-session"
    default_driver: str = ""
    roads_given: GridRoads | None = None
    notices: list[Notice] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = SimulatedClock.frozen(self.now)
        self.vehicle = SimulatedVehicle(self.clock, position=HOME)
        self.navigation = SimulatedNavigation(self.vehicle)
        self.world = SimulatedWorld(1, self.clock)
        self.world.force_weather("sunny")
        self.history = History(f"sqlite:///{self.folder / 'agentplus.sqlite'}", now=self.clock)
        self.drivers = History(f"sqlite:///{self.folder / 'profiles.sqlite'}", now=self.clock)
        self.memory = SqlMemory(f"sqlite:///{self.folder / 'memory.sqlite'}", now=self.clock)
        self.dialogue = ActionsDialogue(self.clock, _taste(self.history, self.drivers))
        self.conversation = Conversation(
            self.dialogue, sentences(), load_safety(),
            function_of=lambda intent: "dialogue_control", clock=self.clock,
        )  # fmt: skip
        self.conversation.stream.add_sink(lambda e: self.notices.append(e) if isinstance(e, Notice) else None)
        self.roads: GridRoads = self.roads_given or GridRoads()
        self.plus = AgentPlus(
            Senses(
                self.vehicle, self.navigation, WorldTraffic(self.world), WorldWeather(self.world), self.roads,
                self.memory,
            ),
            self.history, Profiles(self.drivers), self.conversation, clock=self.clock, wishes=self.wishes,
            sessions=lambda: [self.session],
            default_driver=self.default_driver, elsewhere=self.conversation.forget,
        )  # fmt: skip
        self.conversation.companion = self.plus

    def close(self) -> None:
        self.memory.close()
        self.history.close()
        self.drivers.close()

    async def way(self, a: Position, b: Position) -> Route:
        return (await self.roads.route(RouteRequest(a, b)))[0]

    def sit(self, key: str) -> None:
        """Somebody gets in with this key."""
        self.vehicle.publish("Vehicle.Occupant.Row1.DriverSide.Identifier.Subject", key)

    async def stand(self, seconds: float) -> None:
        """The car stands; every half minute is enough."""
        for _ in range(max(1, round(seconds / 30))):
            self.clock.advance(30)
            await self.plus.step()

    async def go(self, route: Route, *, most_s: float = 7200, until_notices: int | None = None) -> None:
        """Drives the route (not guided) to its end, or until so many notices were said."""
        self.vehicle.follow(route)
        await self.on(most_s=most_s, until_notices=until_notices)

    async def on(self, *, most_s: float = 7200, until_notices: int | None = None) -> None:
        """Drives on."""
        for _ in range(round(most_s)):
            self.clock.advance(1)
            self.vehicle.step(1)
            await self.plus.step()
            if until_notices is not None and len(self.notices) >= until_notices:
                return
            if self.vehicle.track is None:
                return

    async def say(self, words: str, means: Mapping[str, Any] | None = None) -> Any:
        """`means`: what understanding would make of it, {"intent": …, entity: value, …}; None: the dialogue is not asked."""
        if means is not None:
            self.dialogue.means[words] = means
        return await self.conversation.turn(self.session, words)

    async def teach(self, driver: str, weeks: int = 3) -> None:
        """Weeks of commuting before now, learnt as they would have been."""
        predictor = await asyncio.to_thread(self.history.load, driver)
        for day in range(7 * weeks, 0, -1):
            date = self.now - timedelta(days=day)
            if date.weekday() >= 5:
                legs = [(HOME, SHOP, 10.5), (SHOP, HOME, 12.0)] if date.weekday() == 5 else []
            else:
                legs = [(HOME, WORK, 8.0), (WORK, HOME, 18.2)]
            for a, b, hour in legs:
                start = date.replace(hour=int(hour), minute=int(hour % 1 * 60) + day % 7, second=0, microsecond=0)
                predictor.learn(trip_along(await self.way(a, b), start))
        self.history.save(driver, predictor)


def trip_along(route: Route, start: datetime) -> Trip:
    track = resample(np.array([(p.latitude, p.longitude) for p in route.geometry]), 120)
    seconds = np.linspace(0, route.duration_s, len(track))
    return Trip(start, start + timedelta(seconds=route.duration_s), track, seconds)
