"""Routes on Valhalla: in process (`ValhallaRoutes`) or from a farm of servers (`ValhallaHttpRoutes`).

Both send the request `request_body` builds and read the answer with `read_answer`, so that what is tested on one holds
for the other. The pure functions at the end (`position_along`, `remaining`, `RouteLine`) walk a route by distance; the
simulated car and the ETA live on them.

Valhalla's routing API: https://valhalla.github.io/valhalla/api/turn-by-turn/api-reference/
"""

from __future__ import annotations

import asyncio
import bisect
import itertools
import json
import math
import re
import tempfile
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import aiohttp

from backends.errors import BackendError, BackendTimeout, BackendUnavailable, BadAnswer, NoMap, NotFound
from backends.model import Language, Maneuver, Position, Route, RouteRequest

STAGE: Final = "routes"
SNAP_LIMIT_M: Final = 5_000
"""A position further than this from every road of the map counts as outside of it."""
GUIDANCE: Final[Mapping[Language, str]] = {"ja": "ja-JP", "en": "en-US"}
MANEUVER_KINDS: Final = [
    "none",
    "start",
    "start_right",
    "start_left",
    "destination",
    "destination_right",
    "destination_left",
    "becomes",
    "continue",
    "slight_right",
    "right",
    "sharp_right",
    "uturn_right",
    "uturn_left",
    "sharp_left",
    "left",
    "slight_left",
    "ramp_straight",
    "ramp_right",
    "ramp_left",
    "exit_right",
    "exit_left",
    "stay_straight",
    "stay_right",
    "stay_left",
    "merge",
    "roundabout_enter",
    "roundabout_exit",
    "ferry_enter",
    "ferry_exit",
    "transit",
    "transit_transfer",
    "transit_remain_on",
    "transit_connection_start",
    "transit_connection_transfer",
    "transit_connection_destination",
    "post_transit_connection_destination",
    "merge_right",
    "merge_left",
    "elevator_enter",
    "steps_enter",
    "escalator_enter",
    "building_enter",
    "building_exit",
]
"""Valhalla's maneuver types in the order of their numbers."""
MATCH_POINTS: Final = 500
"""of one line to be matched"""
ROAD_NAMES_FILE: Final = "road_names.json"
"""Beside the tiles: local road name → {"en": …}. Valhalla keeps one name of a road, in the local language."""


class RoadNames:
    """Road names in the driver's language."""

    def __init__(self, english: Mapping[str, str] | None = None) -> None:
        self._english = dict(english or {})

    @classmethod
    def beside(cls, tiles: Path) -> RoadNames:
        """Reads the names the map builder left; a map without them keeps its local names."""
        try:
            names = json.loads((tiles.parent / ROAD_NAMES_FILE).read_text("utf-8"))
        except (OSError, ValueError):
            return cls()
        return cls({str(k): str(v["en"]) for k, v in names.items() if isinstance(v, dict) and v.get("en")})

    def translate(self, name: str, language: Language) -> str:
        return self._english.get(name, name) if language == "en" else name

    def choose(self, names: Sequence[str], language: Language) -> str | None:
        """One of a road's names (local, English and reference together) for a driver of that language."""
        proper = [name for name in names if not _REFERENCE.match(name)]
        if not proper:
            return names[0] if names else None
        if language == "en":
            translated = next((self._english[name] for name in proper if name in self._english), None)
            return translated or next((name for name in proper if name.isascii()), proper[0])
        return next((name for name in proper if not name.isascii()), proper[0])

    def tidy(self, text: str, groups: Sequence[Sequence[str]], language: Language) -> str:
        """Guidance with each group of names, which Valhalla writes joined by strokes, cut to the one to be said."""
        for names in sorted(
            {tuple(group) for group in groups if group}, key=lambda group: (-len("/".join(group)), group)
        ):
            chosen = self.choose(names, language)
            if chosen is not None:
                text = text.replace("/".join(names), chosen)
        return text


def request_body(request: RouteRequest, *, without_tolls: bool = False) -> dict[str, Any]:
    """The body of Valhalla's `/route`. `without_tolls`: no toll road at all, instead of as few as may be. `request.departure` changes nothing: the tiles carry no traffic by time of day."""
    stops = [request.origin, *request.waypoints, request.destination]
    locations: list[dict[str, Any]] = [
        {
            "lat": round(stop.latitude, 6),
            "lon": round(stop.longitude, 6),
            "type": "break",
            "search_cutoff": SNAP_LIMIT_M,
        }
        for stop in stops
    ]
    if request.heading is not None:
        locations[0]["heading"] = round(request.heading) % 360
    costing: dict[str, Any] = {}
    if request.avoid_tolls:
        # The weight alone still takes a bridge that saves an hour.
        costing |= {"use_tolls": 0.0, "exclude_tolls": True} if without_tolls else {"use_tolls": 0.0}
    if request.avoid_highways:
        costing["use_highways"] = 0.0
    if request.avoid_ferries:
        costing["use_ferry"] = 0.0
    if request.shortest:
        costing["shortest"] = True
    body: dict[str, Any] = {
        "locations": locations,
        "costing": "auto",
        "costing_options": {"auto": costing},
        "language": GUIDANCE[request.language],
        "units": "kilometers",
    }
    # Valhalla offers alternatives between two places only.
    if request.alternatives and not request.waypoints:
        body["alternates"] = min(2, request.alternatives)
    if request.exclude:
        body["exclude_locations"] = [{"lat": p.latitude, "lon": p.longitude} for p in request.exclude]
    return body


def match_body(points: Sequence[Position], language: Language) -> dict[str, Any]:
    """The body of Valhalla's `/trace_route` for measured positions."""
    if not 2 <= len(points) <= MATCH_POINTS:
        raise BadAnswer(STAGE, f"{len(points)} points to match, not 2 to {MATCH_POINTS}")
    return {
        "shape": [{"lat": round(p.latitude, 6), "lon": round(p.longitude, 6)} for p in points],
        "costing": "auto",
        "shape_match": "map_snap",
        "trace_options": {"search_radius": 60, "gps_accuracy": 20, "breakage_distance": 6000},
        "language": GUIDANCE[language],
        "units": "kilometers",
    }


def request_bodies(request: RouteRequest) -> list[dict[str, Any]]:
    """What to ask, one after the other while the answer is "no path": a place on a toll road is still reached."""
    if request.avoid_tolls:
        return [request_body(request, without_tolls=True), request_body(request)]
    return [request_body(request)]


def read_answer(answer: object, request: RouteRequest, names: RoadNames) -> tuple[Route, ...]:
    """Valhalla's answer as routes, best first. Raises `BadAnswer`."""
    if not isinstance(answer, dict):
        raise BadAnswer(STAGE, "not a JSON object")
    try:
        trips = [answer["trip"], *(alternate["trip"] for alternate in answer.get("alternates", ()))]
        routes = [_read_trip(trip, request.language, names) for trip in trips[: 1 + max(0, request.alternatives)]]
        vias = _characteristic_roads(trips[: len(routes)], request.language, names)
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise BadAnswer(STAGE, f"unexpected answer of Valhalla: {error!r}") from error
    return tuple(replace(route, via=via) for route, via in zip(routes, vias, strict=True))


def read_error(text: str, code: int | None = None) -> BackendError:
    """What Valhalla's refusal means, by its code (HTTP only) or its words."""
    lowered = text.lower()
    if code == 171 or "no suitable edges" in lowered or code == 154 or "max distance limit" in lowered:
        # Beyond the distance limit of 5,000 km no map of ours reaches either.
        return NoMap(STAGE, text)
    if code in (170, 442) or "no path could be found" in lowered or "unconnected regions" in lowered:
        return NotFound(STAGE, text)
    return BadAnswer(STAGE, text)


def _read_trip(trip: Mapping[str, Any], language: Language, names: RoadNames) -> Route:
    geometry: list[Position] = []
    maneuvers: list[Maneuver] = []
    for leg in trip["legs"]:
        points = decode_polyline6(leg["shape"])
        # Legs meet in the waypoint: its point is kept once.
        offset = len(geometry) - 1 if geometry else 0
        geometry.extend(points[1:] if geometry else points)
        for step in leg["maneuvers"]:
            index = offset + int(step["begin_shape_index"])
            groups = [
                [str(name) for name in step.get("begin_street_names") or ()],
                [str(name) for name in step.get("street_names") or ()],
                *([str(element["text"]) for element in elements] for elements in step.get("sign", {}).values()),
            ]
            number = int(step["type"])
            maneuvers.append(
                Maneuver(
                    instruction=_one_stop(names.tidy(str(step["instruction"]), groups, language)),
                    position=geometry[index],
                    begin_index=index,
                    distance_m=float(step["length"]) * 1000,
                    duration_s=float(step["time"]),
                    kind=MANEUVER_KINDS[number] if 0 <= number < len(MANEUVER_KINDS) else "none",
                    street=names.choose(groups[0] or groups[1], language),
                )
            )
    summary = trip["summary"]
    return Route(
        geometry=tuple(geometry),
        distance_m=float(summary["length"]) * 1000,
        duration_s=float(summary["time"]),
        maneuvers=tuple(maneuvers),
        has_toll=bool(summary.get("has_toll")),
        has_highway=bool(summary.get("has_highway")),
        language=language,
    )


def _one_stop(instruction: str) -> str:
    """The Japanese guidance doubles its full stops where it joins two phrases."""
    return re.sub(r"。{2,}", "。", instruction)


_REFERENCE = re.compile(r"^(?=.{1,6}$)[A-Z]{0,3}\d*[A-Z]?$")
"""246, E1A, C2, B: the number of a road, not its name"""


def _characteristic_roads(trips: Sequence[Mapping[str, Any]], language: Language, names: RoadNames) -> list[str | None]:
    """For each trip the road a driver would tell it by: long on this trip, short on the others, expressways first."""
    lengths = [_road_lengths(trip, language, names) for trip in trips]
    scores: list[list[tuple[str | None, float]]] = []
    for index, roads in enumerate(lengths):
        others = [other for at, other in enumerate(lengths) if at != index]
        scored = [
            (road, km - max((other.get(road, 0.0) for other in others), default=0.0)) for road, km in roads.items()
        ]
        best = sorted(scored, key=lambda item: (-item[1], item[0]))[:6]
        # No name at all is worse than any; a trip of unnamed roads has no choice.
        scores.append([*best, (None, -1e6)])
    # At most 7 × 7 × 7 ways to give each trip a road of its own.
    distinct = (
        choice
        for choice in itertools.product(*scores)
        if len(named := [road for road, _ in choice if road is not None]) == len(set(named))
    )
    return [road for road, _ in max(distinct, key=lambda choice: sum(score for _, score in choice))]


def _road_lengths(trip: Mapping[str, Any], language: Language, names: RoadNames) -> dict[str, float]:
    roads: dict[str, float] = {}
    for leg in trip["legs"]:
        for step in leg["maneuvers"]:
            road = names.choose([str(name) for name in step.get("street_names") or ()], language)
            if road is not None:
                weight = 1.5 if step.get("highway") or step.get("toll") else 1.0
                roads[road] = roads.get(road, 0.0) + weight * float(step["length"])
    return roads


def decode_polyline6(encoded: str) -> list[Position]:
    """Decodes Google's polyline format with six decimals, as Valhalla writes it. Raises `ValueError`."""
    # A long route has thousands of points: one flat loop, local names.
    points: list[Position] = []
    latitude = longitude = shift = value = 0
    is_latitude = True
    for code in encoded.encode("ascii", "replace"):
        bits = code - 63
        if not 0 <= bits < 64:
            raise ValueError(f"not a polyline: {code:#x}")
        value |= (bits & 0x1F) << shift
        if bits & 0x20:
            shift += 5
            continue
        step = ~(value >> 1) if value & 1 else value >> 1
        if is_latitude:
            latitude += step
        else:
            longitude += step
            points.append(Position(latitude / 1e6, longitude / 1e6))
        is_latitude = not is_latitude
        shift = value = 0
    if shift or not is_latitude:
        raise ValueError("a polyline that breaks off")
    return points


def valhalla_config(tiles: Path, *, cache_bytes: int = 256 * 1024 * 1024) -> dict[str, Any]:
    """Valhalla's configuration for a directory of tiles (or a tar of them), silent, with a bounded cache."""
    from valhalla.config import get_config

    packed = tiles.suffix == ".tar"
    config: dict[str, Any] = get_config(tile_extract=tiles if packed else "", tile_dir="" if packed else tiles)
    config["mjolnir"]["max_cache_size"] = cache_bytes
    # Files this machine does not have: Valhalla warns of each.
    for key in ("traffic_extract", "admin", "landmarks", "timezone", "transit_dir", "transit_feeds_dir"):
        config["mjolnir"].pop(key, None)
    config.pop("additional_data", None)
    config["service_limits"]["allow_hard_exclusions"] = True
    for part in ("loki", "thor", "odin", "meili"):
        config[part]["logging"]["type"] = ""
    return config


class ValhallaRoutes:
    """Valhalla inside this process, on the tiles of one map.

    An `Actor` may serve one thread at a time, so each worker thread has its own; Valhalla works outside the interpreter
    lock, the event loop goes on. A request that has not started when its deadline passes is never started.
    """

    def __init__(self, tiles: Path, *, deadline_s: float = 3.0, workers: int = 1) -> None:
        """`tiles`: the directory the map builder made (or a tar of it). Nothing is opened before the first request."""
        self._tiles = tiles
        self._deadline_s = deadline_s
        self._names = RoadNames.beside(tiles)
        self._local = threading.local()
        self._pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="valhalla")

    async def route(self, request: RouteRequest) -> tuple[Route, ...]:
        """The best route and up to two others. Raises `NoMap`, `NotFound`, `BackendTimeout`, `BackendUnavailable`."""
        work = asyncio.get_running_loop().run_in_executor(self._pool, self._route, request)
        try:
            return await asyncio.wait_for(work, self._deadline_s)
        except (asyncio.TimeoutError, TimeoutError) as error:
            raise BackendTimeout(STAGE, f"no route within {self._deadline_s} s") from error

    async def match(self, points: Sequence[Position], language: Language = "ja") -> Route:
        """Map matching: the road a line of measured positions ran along (2 to `MATCH_POINTS` of them), as a route. Raises as
        `route` does; `NotFound` when the line follows no road."""
        work = asyncio.get_running_loop().run_in_executor(self._pool, self._match, tuple(points), language)
        try:
            return await asyncio.wait_for(work, self._deadline_s)
        except (asyncio.TimeoutError, TimeoutError) as error:
            raise BackendTimeout(STAGE, f"no match within {self._deadline_s} s") from error

    async def close(self) -> None:
        """Gives the threads back; requests under way still end."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _route(self, request: RouteRequest) -> tuple[Route, ...]:
        text = self._ask(self._actor(), request)
        try:
            answer = json.loads(text)
        except ValueError as error:
            raise BadAnswer(STAGE, "not JSON") from error
        return read_answer(answer, request, self._names)

    def _match(self, points: tuple[Position, ...], language: Language) -> Route:
        body = match_body(points, language)
        try:
            text = str(self._actor().trace_route(json.dumps(body)))
        except RuntimeError as error:
            refusal = read_error(str(error))
            raise refusal if isinstance(refusal, NoMap) else NotFound(STAGE, str(error)) from error
        try:
            answer = json.loads(text)
        except ValueError as error:
            raise BadAnswer(STAGE, "not JSON") from error
        return read_answer(answer, RouteRequest(points[0], points[-1], language=language), self._names)[0]

    def _ask(self, actor: Any, request: RouteRequest) -> str:
        for body in request_bodies(request):
            try:
                return str(actor.route(json.dumps(body)))
            except RuntimeError as error:
                refusal = read_error(str(error))
                if not isinstance(refusal, NotFound):
                    break
        raise refusal

    def _actor(self) -> Any:
        actor = getattr(self._local, "actor", None)
        if actor is None:
            actor = self._local.actor = open_actor(self._tiles)
        return actor


def open_actor(tiles: Path) -> Any:
    """Valhalla's own `Actor` on these tiles, for one thread. Raises `BackendUnavailable`, `NoMap` for a map without roads."""
    if not tiles.exists():
        raise BackendUnavailable(STAGE, f"there is no {tiles}")
    if tiles.is_dir() and not any(tiles.rglob("*.gph")):
        raise NoMap(STAGE, "the installed map has no roads")
    try:
        from valhalla import Actor

        # The binding reads its configuration from a file, once, while it is being constructed.
        with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
            json.dump(valhalla_config(tiles.resolve()), file)
            file.flush()
            return Actor(file.name)
    except (ImportError, OSError, RuntimeError) as error:
        raise BackendUnavailable(STAGE, str(error)) from error


class ValhallaHttpRoutes:
    """A farm of Valhalla servers behind one URL (`valhalla_service`, or a balancer before several)."""

    def __init__(self, url: str, *, deadline_s: float = 3.0, names: RoadNames | None = None) -> None:
        """`url`: the root of the service, `http://valhalla:8002`."""
        self._url = url.rstrip("/") + "/route"
        self._deadline_s = deadline_s
        self._names = names or RoadNames()
        self._session: aiohttp.ClientSession | None = None

    async def route(self, request: RouteRequest) -> tuple[Route, ...]:
        """As `ValhallaRoutes.route`."""
        try:
            return await asyncio.wait_for(self._route(request), self._deadline_s)
        except (asyncio.TimeoutError, TimeoutError) as error:
            raise BackendTimeout(STAGE, f"no answer within {self._deadline_s} s") from error
        except aiohttp.ClientError as error:
            raise BackendUnavailable(STAGE, str(error)) from error

    async def _route(self, request: RouteRequest) -> tuple[Route, ...]:
        for body in request_bodies(request):
            try:
                return read_answer(await self._post(body), request, self._names)
            except NotFound as error:
                refusal = error
        raise refusal

    async def _post(self, body: dict[str, Any]) -> object:
        if self._session is None:
            self._session = aiohttp.ClientSession()
        async with self._session.post(self._url, json=body) as response:
            status, raw = response.status, await response.read()
        try:
            answer: object = json.loads(raw)
        except ValueError as error:
            if status >= 500:
                raise BackendUnavailable(STAGE, f"HTTP {status}") from error
            raise BadAnswer(STAGE, f"HTTP {status}, not JSON") from error
        if status == 200:
            return answer
        refusal = answer if isinstance(answer, dict) else {}
        code = refusal.get("error_code")
        if status >= 500 and code is None:
            raise BackendUnavailable(STAGE, f"HTTP {status}")
        raise read_error(str(refusal.get("error", f"HTTP {status}")), code if isinstance(code, int) else None)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


class RouteLine:
    """A route laid out by distance, for whoever walks it step by step (the simulated car).

    Straight pieces between the points are stretched so that the whole is `route.distance_m` long; time runs evenly
    within a maneuver.
    """

    def __init__(self, route: Route) -> None:
        self._points = route.geometry
        pieces = [a.distance_to(b) for a, b in zip(self._points, self._points[1:], strict=False)]
        drawn = sum(pieces)
        stretch = route.distance_m / drawn if drawn > 0 and route.distance_m > 0 else 1.0
        self._metres = [0.0]
        for piece in pieces:
            self._metres.append(self._metres[-1] + piece * stretch)
        self.length_m: float = self._metres[-1]
        """metres, as driven"""
        # Knots (metres, seconds): where each maneuver begins, and the end.
        self._knot_metres: list[float] = []
        self._knot_seconds: list[float] = []
        seconds = 0.0
        for maneuver in route.maneuvers:
            self._knot_metres.append(self._metres[min(maneuver.begin_index, len(self._metres) - 1)])
            self._knot_seconds.append(seconds)
            seconds += maneuver.duration_s
        self._knot_metres.append(self.length_m)
        self._knot_seconds.append(seconds)
        # The maneuvers' times are rounded one by one; the trip's own sum is the one that was promised.
        if seconds > 0 and route.duration_s > 0:
            self._knot_seconds = [s * route.duration_s / seconds for s in self._knot_seconds]
        elif route.duration_s > 0:
            self._knot_metres, self._knot_seconds = [0.0, self.length_m], [0.0, route.duration_s]

    def position_at(self, metres: float) -> Position:
        """The point `metres` along, held at both ends."""
        metres = min(max(metres, 0.0), self.length_m)
        at = bisect.bisect_right(self._metres, metres) - 1
        if at >= len(self._points) - 1:
            return self._points[-1]
        span = self._metres[at + 1] - self._metres[at]
        part = (metres - self._metres[at]) / span if span > 0 else 0.0
        a, b = self._points[at], self._points[at + 1]
        return Position(a.latitude + part * (b.latitude - a.latitude), a.longitude + part * (b.longitude - a.longitude))

    def heading_at(self, metres: float) -> float:
        """Direction of travel there, degrees."""
        if len(self._points) < 2:
            return 0.0
        at = min(max(bisect.bisect_right(self._metres, metres) - 1, 0), len(self._points) - 2)
        return self._points[at].bearing_to(self._points[at + 1])

    def seconds_at(self, metres: float) -> float:
        """Seconds from the start to the point `metres` along."""
        metres = min(max(metres, 0.0), self.length_m)
        at = min(bisect.bisect_right(self._knot_metres, metres) - 1, len(self._knot_metres) - 2)
        if at < 0:
            return 0.0
        span = self._knot_metres[at + 1] - self._knot_metres[at]
        part = (metres - self._knot_metres[at]) / span if span > 0 else 1.0
        return self._knot_seconds[at] + part * (self._knot_seconds[at + 1] - self._knot_seconds[at])

    def metres_at(self, seconds: float) -> float:
        """Metres from the start after that many seconds, held at both ends: the inverse of `seconds_at`."""
        if seconds <= 0:
            return 0.0
        if seconds >= self._knot_seconds[-1]:
            return self.length_m
        at = bisect.bisect_right(self._knot_seconds, seconds) - 1
        span = self._knot_seconds[at + 1] - self._knot_seconds[at]
        part = (seconds - self._knot_seconds[at]) / span if span > 0 else 0.0
        return self._knot_metres[at] + part * (self._knot_metres[at + 1] - self._knot_metres[at])

    def project(self, position: Position, *, after_m: float = 0.0) -> tuple[float, float]:
        """(metres along, metres off) of the point of the route nearest to `position`, looking from `after_m` on.

        `after_m` tells the two passes of a route that crosses itself apart.
        """
        best, best_off = min(after_m, self.length_m), math.inf
        lat_m = 111_195.0
        lon_m = lat_m * math.cos(math.radians(position.latitude))
        if len(self._points) == 1:
            return 0.0, self._points[0].distance_to(position)
        for at in range(max(0, bisect.bisect_right(self._metres, after_m) - 1), len(self._points) - 1):
            a, b = self._points[at], self._points[at + 1]
            ax, ay = (a.longitude - position.longitude) * lon_m, (a.latitude - position.latitude) * lat_m
            bx, by = (b.longitude - position.longitude) * lon_m, (b.latitude - position.latitude) * lat_m
            dx, dy = bx - ax, by - ay
            square = dx * dx + dy * dy
            length = self._metres[at + 1] - self._metres[at]
            earliest = min(1.0, max(0.0, (after_m - self._metres[at]) / length)) if length > 0 else 0.0
            part = min(1.0, max(earliest, -(ax * dx + ay * dy) / square)) if square > 0 else 0.0
            off = math.hypot(ax + part * dx, ay + part * dy)
            if off < best_off:
                best_off = off
                best = self._metres[at] + part * length
        return best, best_off

    def remaining_at(self, metres: float) -> tuple[float, float]:
        """(metres, seconds) still to go from the point `metres` along."""
        metres = min(max(metres, 0.0), self.length_m)
        return self.length_m - metres, max(0.0, self._knot_seconds[-1] - self.seconds_at(metres))


def position_along(route: Route, metres: float) -> Position:
    """The point `metres` along the route, held at both ends."""
    return RouteLine(route).position_at(metres)


def remaining(route: Route, position: Position) -> tuple[float, float]:
    """(metres, seconds) still to go from the point of the route nearest to `position`."""
    line = RouteLine(route)
    return line.remaining_at(line.project(position)[0])
