"""The set route and the other ways there, as the map offers them.

The alternatives are asked once when a route is set, from where the car stands, and anew when the car has passed the fork of the
last one. A way is offered as long as the car still is on it; choosing it begins where the car is.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from agent.car_map import CarMap
from agent.composition import Simulation
from backends.errors import BackendError, BackendTimeout, BackendUnavailable
from backends.model import Maneuver, Position, Route, RouteRequest
from backends.routes import RouteLine

ON_IT_M: Final = 70.0
"""so near to a way the car still drives on it"""
SAME_SHARE: Final = 0.9
"""a way that shares so much with the set route is no other"""
CELL_DEG: Final = 0.0012
"""about 130 m: two ways through the same cells are the same road"""
ANEW_AFTER_M: Final = 3_000.0
ANEW_AFTER: Final = timedelta(minutes=3)
"""of the car's time"""
NEAR_THE_END_M: Final = 3_000.0
"""so near to the destination no other way is looked for"""


@dataclass(frozen=True, slots=True)
class Offer:
    """One way to the destination."""

    id: str
    route: Route
    chosen: bool


class RoutesOffered:
    """One car's ways to where it is going."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._serial = 0
        self._set: Route | None = None
        self._others: tuple[tuple[str, Route, RouteLine], ...] = ()
        self._asked_at: Position | None = None
        self._asked: datetime | None = None

    @property
    def chosen_id(self) -> str:
        return f"r{self._serial}-0"

    def now(self) -> tuple[Offer, ...]:
        """The set route first; () without one."""
        status = self._simulation.navigation.now()
        if not status["guiding"]:
            self._set, self._others = None, ()
            return ()
        route = status["route"]
        assert isinstance(route, Route)
        if route is not self._set:
            self._serial += 1
            self._set, self._others, self._asked_at = route, (), None
        here = self._simulation.vehicle.position
        self._others = tuple(other for other in self._others if other[2].project(here)[1] <= ON_IT_M)
        others = (Offer(id_, other, False) for id_, other, _ in self._others)
        return (Offer(self.chosen_id, route, True), *others)

    async def ask(self, car_map: CarMap) -> None:
        """Looks for other ways when it is time to."""
        route = self._set
        status = self._simulation.navigation.now()
        here = self._simulation.vehicle.position
        if route is None or not status["guiding"] or status["waypoints"] or not self._due(here):
            return
        left = status["remaining_m"]
        assert isinstance(left, float)
        if self._asked_at is not None and left < NEAR_THE_END_M:
            return
        self._asked_at, self._asked = here, self._simulation.clock()
        destination = status["destination"]
        assert isinstance(destination, Position)
        heading = self._simulation.vehicle.heading if self._simulation.vehicle.speed_kmh > 5 else None
        request = RouteRequest(here, destination, alternatives=2, heading=heading, language=route.language)
        kept: list[Route] = []
        # Where the roads give no second way by themselves, the one without expressways is one.
        for asked in (request, replace(request, alternatives=0, avoid_highways=True)):
            if kept:
                break
            try:
                found = await car_map.roads.route(asked)
            except (BackendTimeout, BackendUnavailable):
                self._asked_at = None  # asked again at the next look
                return
            except BackendError:
                continue
            for other in found:
                if all(shared(other.geometry, known.geometry) < SAME_SHARE for known in (route, *kept)):
                    kept.append(other)
        if self._set is not route:
            return  # another route was set meanwhile
        self._others = tuple(
            (f"r{self._serial}-{number}", other, RouteLine(other)) for number, other in enumerate(kept[:2], 1)
        )

    def _due(self, here: Position) -> bool:
        if self._asked_at is None or self._asked is None:
            return True
        passed = self._simulation.clock() - self._asked
        return not self._others and passed >= ANEW_AFTER and self._asked_at.distance_to(here) >= ANEW_AFTER_M

    async def choose(self, id_: str) -> bool:
        """Guides along the way of that id from here on; False when it is not offered (any more)."""
        self.now()
        found = next(((route, line) for known, route, line in self._others if known == id_), None)
        status = self._simulation.navigation.now()
        if found is None or not status["guiding"]:
            return False
        route, line = found
        along, off = line.project(self._simulation.vehicle.position)
        destination = status["destination"]
        assert isinstance(destination, Position)
        if off > ON_IT_M:
            return False
        await self._simulation.navigation.set_route(str(status["name"]), rest_of(route, along), destination)
        return True


def rest_of(route: Route, along_m: float) -> Route:
    """What is left of a route after its first metres; at least its last piece."""
    passed, at = 0.0, 0
    pieces = [a.distance_to(b) for a, b in itertools.pairwise(route.geometry)]
    while at < len(pieces) - 1 and passed + pieces[at] <= along_m:
        passed += pieces[at]
        at += 1
    if along_m <= 1.0:
        return route
    part = min(1.0, max(0.0, (along_m - passed) / pieces[at])) if pieces[at] else 0.0
    a, b = route.geometry[at], route.geometry[at + 1]
    start = Position(a.latitude + part * (b.latitude - a.latitude), a.longitude + part * (b.longitude - a.longitude))
    gone = sum(pieces[:at]) + part * pieces[at]
    share = max(0.0, 1 - gone / max(1.0, sum(pieces)))
    maneuvers = [replace(m, begin_index=m.begin_index - at) for m in route.maneuvers if m.begin_index > at]
    before = [m for m in route.maneuvers if m.begin_index <= at]
    if before:
        maneuvers.insert(0, _rest_of_step(before[-1], route, at, gone, pieces, start))
    return replace(
        route,
        geometry=(start, *route.geometry[at + 1 :]),
        distance_m=route.distance_m * share,
        duration_s=sum(m.duration_s for m in maneuvers) if maneuvers else route.duration_s * share,
        maneuvers=tuple(maneuvers),
    )


def _rest_of_step(
    step: Maneuver, route: Route, at: int, gone: float, pieces: Sequence[float], start: Position
) -> Maneuver:
    begun = sum(pieces[: step.begin_index])
    length = max(1.0, step.distance_m)
    share = min(1.0, max(0.0, 1 - (gone - begun) / length))
    return replace(
        step, position=start, begin_index=0, distance_m=step.distance_m * share, duration_s=step.duration_s * share
    )


def shared(way: Sequence[Position], other: Sequence[Position]) -> float:
    """How much of a way runs where the other does, 0 … 1."""
    cells = _cells(other)
    wide = {(r + i, c + j) for r, c in cells for i in (-1, 0, 1) for j in (-1, 0, 1)}
    mine = _cells(way)
    return len(mine & wide) / max(1, len(mine))


def _cells(way: Sequence[Position]) -> set[tuple[int, int]]:
    found: set[tuple[int, int]] = set()
    for a, b in itertools.pairwise(way):
        far = max(abs(b.latitude - a.latitude), abs(b.longitude - a.longitude))
        steps = max(1, math.ceil(far / CELL_DEG))
        for step in range(steps + 1):
            part = step / steps
            found.add(
                (
                    math.floor((a.latitude + part * (b.latitude - a.latitude)) / CELL_DEG),
                    math.floor((a.longitude + part * (b.longitude - a.longitude)) / CELL_DEG),
                )
            )
    return found
