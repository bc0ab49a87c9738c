"""The car on the page's map: where it is, the roads before it, what happens on them; and what a hand on the map does.

`watch` pushes instead of being asked: `car` while something changes, `route`, `traffic` and `prediction` when they do
(docs/protocol.md). The touches of the map (`place_car`, `go_to`, `choose_route`) are refused with a sentence.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Final, cast

from agent.composition import System
from agent.web.daylight import light
from agent.web.routes_offered import RoutesOffered
from backends.errors import BackendError
from backends.model import Language, Position, Route, RouteRequest, TrafficEvent

log = logging.getLogger(__name__)
Send = Callable[[Mapping[str, Any]], Awaitable[None]]

SLOWLY_EVERY_S: Final = 2.0
"""traffic, predictions and other ways are looked for so often"""
AROUND_M: Final = 25_000.0
"""traffic is shown so far round the car, wherever the route goes"""
MOST_EVENTS: Final = 200
NAME_LIMIT: Final = 60
ROAD_WITHIN_M: Final = 2_000.0
"""a point farther from every road is no place for a car"""


class CarState:
    """One page's view of the car."""

    def __init__(self, system: System, session: str, send: Send) -> None:
        self._system, self._session, self._send = system, session, send
        self._simulation = system.simulation
        self._task: asyncio.Task[None] | None = None
        self._shown: dict[str, Any] = {}
        """the last message of each type, so that nothing is said twice"""
        self._anew = asyncio.Event()
        self._hands: set[asyncio.Task[None]] = set()
        self.handlers: dict[str, Callable[[Mapping[str, Any]], Any]] = {
            "watch": self._watch,
            "car": lambda _: self.tell_car(),
            "place_car": self._place_car,
            "go_to": self._go_to,
            "choose_route": self._choose_route,
            "end_guidance": lambda _: self._end_guidance(),
        }

    @property
    def _offered(self) -> RoutesOffered:
        # One for all pages of a car: two pages agree on the ids.
        if self._system.routes_offered is None:
            self._system.routes_offered = RoutesOffered(self._simulation)
        return self._system.routes_offered

    def close(self) -> None:
        for task in (self._task, *self._hands):
            if task is not None:
                task.cancel()
        self._task = None

    async def tell_car(self) -> None:
        await self._send(self._car())

    # ── watching ────────────────────────────────────────────────────────────────────────────────────────────────

    def _watch(self, message: Mapping[str, Any]) -> Any:
        hz = message.get("hz")
        if isinstance(hz, bool) or not isinstance(hz, int | float) or not (hz == 0 or 1 <= hz <= 10):
            return False
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._shown.clear()
        if hz:
            self._task = asyncio.create_task(self._look(1 / hz))
        return None

    async def _look(self, pause_s: float) -> None:
        slowly = asyncio.create_task(self._look_slowly())
        try:
            while True:
                try:
                    await self._tell("car", self._car(), _still)
                    await self._tell_route()
                except Exception:
                    log.exception("the car cannot be shown")
                await asyncio.sleep(pause_s)
        finally:
            slowly.cancel()

    async def _look_slowly(self) -> None:
        while True:
            try:
                await self._find_others()
                await self._tell("traffic", await self._traffic())
                await self._tell("prediction", self._prediction())
            except Exception:
                log.exception("what the map shows of the road cannot be told")
            # A route set asks for its other ways and its traffic at once.
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._anew.wait(), SLOWLY_EVERY_S)
            self._anew.clear()

    async def _tell(
        self, kind: str, message: dict[str, Any], alike: Callable[[dict[str, Any]], object] = lambda message: message
    ) -> None:
        """Sends what is not as it was sent last."""
        key = alike(message)
        if self._shown.get(kind) != key:
            self._shown[kind] = key
            await self._send(message)

    # ── what is shown ───────────────────────────────────────────────────────────────────────────────────────────

    def _car(self) -> dict[str, Any]:
        simulation = self._simulation
        vehicle, status = simulation.vehicle, simulation.navigation.now()
        here = vehicle.position
        moment = simulation.world.now()
        car: dict[str, Any] = {
            "type": "car",
            "time": moment.isoformat(timespec="seconds"),
            "at_ms": round(vehicle.position_at.timestamp() * 1000),
            "latitude": round(here.latitude, 6),
            "longitude": round(here.longitude, 6),
            "heading": round(vehicle.heading, 1),
            "speed_kmh": round(vehicle.speed_kmh, 1),
            "factor": vehicle.factor,
            "light": light(moment, here),
            "guiding": bool(status["guiding"]),
        }
        if status["guiding"]:
            route = status["route"]
            assert isinstance(route, Route)
            eta, left = status["eta"], status["remaining_m"]
            assert isinstance(eta, datetime)
            assert isinstance(left, float)
            car |= {
                "destination": str(status["name"]),
                "remaining_m": round(left),
                "remaining_s": round(float(str(status["remaining_s"]))),
                "eta": eta.isoformat(timespec="minutes"),
                "along_m": round(vehicle.along, 1),
                "next": self._next(route, vehicle.along),
            }
        return car

    def _next(self, route: Route, along_m: float) -> dict[str, Any] | None:
        """The next manoeuvre: what, where to, how far."""
        track = self._simulation.vehicle.track
        if track is None or track.route is not route:
            return None
        last = len(track.metres) - 1
        for step in route.maneuvers:
            in_m = track.metres[min(step.begin_index, last)] - along_m
            if step.begin_index and in_m > 0:
                return {"kind": step.kind, "in_m": round(in_m), "street": step.street, "text": step.instruction}
        return None

    async def _tell_route(self) -> None:
        offers = self._offered.now()
        key = tuple(offer.id for offer in offers)
        if self._shown.get("route") == key:
            return
        if key[:1] != (self._shown.get("route") or ())[:1]:
            self._anew.set()
        self._shown["route"] = key
        message: dict[str, Any] = {"type": "route", "routes": []}
        if offers:
            status = self._simulation.navigation.now()
            goal, stops = status["destination"], status["waypoints"]
            assert isinstance(goal, Position)
            assert isinstance(stops, tuple)
            message["destination"] = {"name": str(status["name"]), "at": _point(goal)}
            message["waypoints"] = [_point(stop) for stop in stops]
        for offer in offers:
            route = offer.route
            message["routes"].append(
                {
                    "id": offer.id, "chosen": offer.chosen, "name": route.via, "length_m": round(route.distance_m),
                    "duration_s": round(route.duration_s), "has_toll": route.has_toll,
                    "line": [_point(point) for point in route.geometry],
                }
            )  # fmt: skip
        await self._send(message)

    async def _find_others(self) -> None:
        if self._system.car_map is not None:
            self._offered.now()
            await self._offered.ask(self._system.car_map)

    async def _traffic(self) -> dict[str, Any]:
        car_map, simulation = self._system.car_map, self._simulation
        if car_map is None:
            return {"type": "traffic", "known": False, "events": []}
        status = simulation.navigation.now()
        route = status["route"] if status["guiding"] else None
        try:
            near = await car_map.traffic.around(simulation.vehicle.position, AROUND_M)
            on_it = await car_map.traffic.along(route.geometry) if isinstance(route, Route) else ()
        except BackendError:
            return {"type": "traffic", "known": False, "events": []}
        ids = {event.id for event in on_it}
        events = {event.id: event for event in (*on_it, *near)}
        shown = [_event(event, event.id in ids) for event in list(events.values())[:MOST_EVENTS]]
        return {"type": "traffic", "known": True, "events": shown}

    def _prediction(self) -> dict[str, Any]:
        car_map = self._system.car_map
        guiding = self._simulation.navigation.now()["guiding"]
        found = car_map.foreseen(self._language({})) if car_map is not None and not guiding else None
        if found is None:
            return {"type": "prediction", "p": 0, "line": []}
        return {
            "type": "prediction", "name": found.name, "at": _point(found.position), "p": round(found.p, 2),
            "line": [_point(point) for point in found.route.geometry],
        }  # fmt: skip

    # ── a hand on the map ───────────────────────────────────────────────────────────────────────────────────────

    def _place_car(self, message: Mapping[str, Any]) -> Any:
        where, heading = _position(message), message.get("heading")
        if where is None or not (heading is None or _finite(heading)):
            return False
        return self._by_hand(self._put(where, heading, self._language(message)))

    def _go_to(self, message: Mapping[str, Any]) -> Any:
        where, name = _position(message), message.get("name", "")
        if where is None or not isinstance(name, str):
            return False
        return self._by_hand(self._guide(where, _plain(name), self._language(message)))

    def _choose_route(self, message: Mapping[str, Any]) -> Any:
        id_ = message.get("id")
        if not isinstance(id_, str):
            return False
        return self._by_hand(self._choose(id_, self._language(message)))

    def _by_hand(self, work: Any) -> None:
        # A road is asked for meanwhile: the socket stays free.
        task = asyncio.create_task(work)
        self._hands.add(task)
        task.add_done_callback(self._hands.discard)

    async def _put(self, where: Position, heading: float | None, language: Language) -> None:
        simulation, car_map = self._simulation, self._system.car_map
        status = simulation.navigation.now()
        if car_map is not None:
            nearest = await self._road_at(where)
            if nearest is None:
                await self._refuse("map.no_road", language)
                return
            where, heading = nearest[0], nearest[1] if heading is None else heading
        simulation.vehicle.place(where, heading)
        if status["guiding"] and car_map is not None:
            goal, stops = status["destination"], status["waypoints"]
            assert isinstance(goal, Position)
            assert isinstance(stops, tuple)
            with contextlib.suppress(BackendError):
                found = await car_map.roads.route(RouteRequest(where, goal, stops, language=language))
                await simulation.navigation.set_route(str(status["name"]), found[0], goal, stops)
        await self.tell_car()

    async def _road_at(self, where: Position) -> tuple[Position, float] | None:
        """The point of the nearest road and the direction it runs in; None without one."""
        car_map = self._system.car_map
        assert car_map is not None
        aside = Position(where.latitude, where.longitude + (0.001 if where.longitude < 179 else -0.001))
        try:
            line = (await car_map.roads.route(RouteRequest(where, aside)))[0].geometry
        except BackendError:
            return None
        if not line or line[0].distance_to(where) > ROAD_WITHIN_M:
            return None
        ahead = next((point for point in line if point.distance_to(line[0]) > 3), line[-1])
        return line[0], line[0].bearing_to(ahead)

    async def _guide(self, where: Position, name: str, language: Language) -> None:
        car_map, simulation = self._system.car_map, self._simulation
        if car_map is None:
            await self._refuse("map.no_way", language)
            return
        here = simulation.vehicle.position
        heading = simulation.vehicle.heading if simulation.vehicle.speed_kmh > 5 else None
        try:
            found = await car_map.roads.route(RouteRequest(here, where, heading=heading, language=language))
            if not name and car_map.name_of is not None:
                name = await car_map.name_of(where, language)
            name = name or self._system.conversation.say(language, "map.point")
            await simulation.navigation.set_route(name, found[0], where)
        except BackendError:
            await self._refuse("map.no_way", language)

    async def _choose(self, id_: str, language: Language) -> None:
        if id_ != self._offered.chosen_id and not await self._offered.choose(id_):
            await self._refuse("map.route_gone", language)

    async def _end_guidance(self) -> None:
        await self._simulation.navigation.cancel()

    def _language(self, message: Mapping[str, Any]) -> Language:
        wanted = message.get("language")
        if wanted in ("ja", "en"):
            return "ja" if wanted == "ja" else "en"
        return self._system.conversation.language_of(self._session) or "ja"

    async def _refuse(self, key: str, language: Language) -> None:
        await self._send({"type": "refused", "reason": self._system.conversation.say(language, key), "of": "map"})


def _still(car: dict[str, Any]) -> object:
    """What must change for a standing car to be told anew: not the seconds of its clock."""
    return {key: value[:16] if key == "time" else value for key, value in car.items()}


def _event(event: TrafficEvent, on_route: bool) -> dict[str, Any]:
    return {
        "id": event.id, "kind": event.kind, "road": event.road, "road_en": event.road_en, "on_route": on_route,
        "delay_s": event.delay_s, "length_m": event.length_m, "demo": event.demo,
        "until": event.until.isoformat(timespec="minutes") if event.until else None,
        "line": [_point(point) for point in event.geometry],
    }  # fmt: skip


def _point(position: Position) -> list[float]:
    """As GeoJSON has it: longitude first."""
    return [round(position.longitude, 6), round(position.latitude, 6)]


def _position(message: Mapping[str, Any]) -> Position | None:
    latitude, longitude = message.get("latitude"), message.get("longitude")
    if not _finite(latitude) or not _finite(longitude):
        return None
    try:
        return Position(float(cast(float, latitude)), float(cast(float, longitude)))
    except ValueError:
        return None


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _plain(name: str) -> str:
    return "".join(c for c in name if c.isprintable() and c not in "<>")[:NAME_LIMIT].strip()
