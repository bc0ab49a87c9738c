"""The navigation of the simulated head unit: guides the simulated car along its route and tells what happens on the way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from backends.errors import Rejected
from backends.model import Position, Route
from backends.navigation import (
    EVENT_PATH,
    ROUTE_PATH,
    STAGE,
    STATUS_PATH,
    EventKind,
    Guidance,
    NavigationEvent,
    status_to_json,
)
from simulator.vehicle import SimulatedVehicle, Track

APPROACHING_M = 300.0
"""how far before the destination the car says so"""
WAYPOINT_REACHED_M = 60.0
SHORT_ROUTE_M = 400.0
"""on a shorter route there is nothing to announce ahead"""
QUEUE_LENGTH = 256


@dataclass(slots=True)
class _Journey:
    """One guidance under way and what has been told of it."""

    guidance: Guidance
    track: Track
    told_maneuver: int = 0
    """index of the last manoeuvre announced"""
    told_approaching: bool = False
    waypoints_left: list[Position] = field(default_factory=list)


class SimulatedNavigation:
    """The `Navigation` port of the simulated head unit. The car follows what is set here."""

    def __init__(self, vehicle: SimulatedVehicle, clock: Callable[[], datetime] | None = None) -> None:
        self._vehicle = vehicle
        self._clock = clock or vehicle.clock
        self._journey: _Journey | None = None
        self._listeners: list[asyncio.Queue[NavigationEvent]] = []
        self._reported_s: float | None = None
        vehicle.on_step(self._watch)
        vehicle.on_set(ROUTE_PATH, self._route_was_set)

    # ── the port ────────────────────────────────────────────────────────────────────────────────────────────────

    async def set_route(
        self, name: str, route: Route, destination: Position, waypoints: Sequence[Position] = ()
    ) -> None:
        guidance = Guidance(name, destination, route, tuple(waypoints))
        self._start(guidance)
        self._vehicle.publish(ROUTE_PATH, _text(guidance))

    async def cancel(self) -> bool:
        guiding = self._journey is not None
        self._end("cancelled")
        return guiding

    async def status(self) -> Mapping[str, object]:
        return self.now()

    # ── beyond it ───────────────────────────────────────────────────────────────────────────────────────────────

    def now(self) -> dict[str, object]:
        """`status()` without waiting."""
        journey = self._journey
        if journey is None:
            return {"guiding": False}
        metres, seconds = self._remaining(journey)
        return {
            "guiding": True,
            "name": journey.guidance.name,
            "destination": journey.guidance.destination,
            "waypoints": tuple(journey.waypoints_left),
            "route": journey.guidance.route,
            "remaining_m": metres,
            "remaining_s": seconds,
            "eta": self._clock() + timedelta(seconds=seconds),
        }

    async def events(self) -> AsyncIterator[NavigationEvent]:
        """What happens from now on, in order; a listener that does not read loses the oldest."""
        queue: asyncio.Queue[NavigationEvent] = asyncio.Queue(QUEUE_LENGTH)
        self._listeners.append(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._listeners.remove(queue)

    def export_state(self) -> dict[str, Any]:
        """The guidance as JSON, for a restart; how far the car has come is the vehicle's state."""
        journey = self._journey
        if journey is None:
            return {"guidance": None}
        return {
            "guidance": journey.guidance.to_json(),
            "told_maneuver": journey.told_maneuver,
            "told_approaching": journey.told_approaching,
            "waypoints_left": [[w.latitude, w.longitude] for w in journey.waypoints_left],
            "along": self._vehicle.along,
        }

    def import_state(self, state: Mapping[str, Any]) -> None:
        """Takes up guidance again, silently, after `SimulatedVehicle.import_state`. Raises `ValueError`, `KeyError`."""
        if state["guidance"] is None:
            self._journey = None
            return
        guidance = Guidance.from_json(state["guidance"])
        if self._vehicle.track is None:
            self._vehicle.follow(guidance.route, along=float(state["along"]))
        if self._vehicle.track is None:
            raise ValueError("a route needs at least two points")
        self._journey = _Journey(
            guidance,
            self._vehicle.track,
            int(state["told_maneuver"]),
            bool(state["told_approaching"]),
            [Position(*w) for w in state["waypoints_left"]],
        )
        self._vehicle.publish(ROUTE_PATH, _text(guidance))
        self._report()

    # ── inside ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _route_was_set(self, text: str) -> str:
        """The route came by signal, as the dialogue worker sends it."""
        if not text:
            self._end("cancelled")
            return ""
        try:
            guidance = Guidance.from_json(json.loads(text))
        except (KeyError, TypeError, ValueError) as error:
            raise Rejected(STAGE, f"not a route: {error!r}") from error
        self._start(guidance)
        return text

    def _start(self, guidance: Guidance) -> None:
        if len(guidance.route.geometry) < 2:
            raise Rejected(STAGE, "a route needs at least two points")
        self._vehicle.follow(guidance.route)
        assert self._vehicle.track is not None
        self._journey = _Journey(guidance, self._vehicle.track, waypoints_left=list(guidance.waypoints))
        self._tell("guidance_started", self._vehicle.track.length)
        self._report()

    def _end(self, why: EventKind) -> None:
        if self._journey is not None:
            self._tell(why, 0.0)
        self._journey = None
        self._vehicle.follow(None)
        self._vehicle.publish(ROUTE_PATH, "")
        self._report()

    def _remaining(self, journey: _Journey) -> tuple[float, float]:
        track = journey.track
        along = self._vehicle.along if self._vehicle.track is track else track.length
        return track.length - along, track.seconds[-1] - track.seconds_at(along)

    def _watch(self) -> None:
        """Called after each step of the car."""
        journey = self._journey
        if journey is None:
            return
        if self._vehicle.track is not journey.track:
            # The car has left the track: at its end that is arrival, anywhere else it was moved by hand.
            arrived = self._vehicle.position.distance_to(journey.track.route.geometry[-1]) < 30
            self._end("arrived" if arrived else "cancelled")
            return
        rest, seconds = self._remaining(journey)
        here = self._vehicle.position
        for waypoint in [w for w in journey.waypoints_left if here.distance_to(w) < WAYPOINT_REACHED_M]:
            journey.waypoints_left.remove(waypoint)
            self._tell("waypoint_reached", 0.0)
        if not journey.told_approaching and rest <= APPROACHING_M and journey.track.length > SHORT_ROUTE_M:
            journey.told_approaching = True
            self._tell("approaching", rest)
        else:
            self._announce(journey)
        if self._reported_s is None or abs(self._reported_s - seconds) >= 10:
            self._report()

    def _announce(self, journey: _Journey) -> None:
        """The next manoeuvre, once, in time for the road's speed. The destination has its own announcement."""
        ahead = 700.0 if self._vehicle.speed_kmh >= 70 else 300.0
        last = len(journey.track.metres) - 1
        maneuvers = journey.guidance.route.maneuvers
        for index in range(journey.told_maneuver + 1, len(maneuvers)):
            begin = maneuvers[index].begin_index
            distance = journey.track.metres[min(begin, last)] - self._vehicle.along
            if distance > ahead or begin >= last:
                return
            journey.told_maneuver = index
            if distance > 0:
                self._tell("maneuver_ahead", distance, maneuvers[index].instruction)
                return

    def _tell(self, kind: EventKind, distance: float, instruction: str = "") -> None:
        assert self._journey is not None
        event = NavigationEvent(kind, self._journey.guidance.name, self._clock(), distance, instruction)
        for queue in self._listeners:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(event)
        self._vehicle.publish(EVENT_PATH, json.dumps(event.to_json(), ensure_ascii=False))

    def _report(self) -> None:
        status = self.now()
        self._reported_s = float(str(status["remaining_s"])) if status["guiding"] else None
        self._vehicle.publish(STATUS_PATH, json.dumps(status_to_json(status), ensure_ascii=False))


def _text(guidance: Guidance) -> str:
    return json.dumps(guidance.to_json(), ensure_ascii=False, separators=(",", ":"))
