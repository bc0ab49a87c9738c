"""Traffic: the centre's feed of events, and which of them lie on a route.

The feed (docs/traffic-feed.md) is GeoJSON with the property names of DATEX II v3:
GET {base}/traffic/v1/events?bbox=west,south,east,north → FeatureCollection of Point and LineString features. A line runs in the
direction of travel: what happens on the opposite carriageway does not touch a route.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import aiohttp

from backends import http
from backends.errors import BackendTimeout, BackendUnavailable, BadAnswer
from backends.model import Position, TrafficEvent, TrafficKind

STAGE = "traffic"
VALIDITY = timedelta(minutes=20)
"""Events last updated longer ago are called old when they are spoken."""
MAX_EVENTS = 2_000
MAX_POINTS = 2_000
"""of one event's line"""

KINDS: Mapping[str, TrafficKind] = {
    "AbnormalTraffic": "jam",
    "Accident": "accident",
    "RoadOrCarriagewayOrLaneManagement": "restriction",
    "MaintenanceWorks": "roadworks",
    "ConstructionWorks": "roadworks",
}
"""DATEX II record types; `roadOrCarriagewayOrLaneManagementType` = `roadClosed` makes a restriction a closure."""


def local_clock() -> datetime:
    """The machine's own time with its zone."""
    return datetime.now().astimezone()


@dataclass(frozen=True, slots=True)
class Match:
    """An event on a line."""

    event: TrafficEvent
    along_m: float
    """metres from the line's start to where the event begins"""
    off_m: float
    """metres between the line and the event"""


class CentreTraffic:
    """The centre's traffic feed."""

    def __init__(
        self,
        base_url: str,
        session: aiohttp.ClientSession,
        deadline_s: float = 1.5,
        *,
        clock: Callable[[], datetime] = local_clock,
        fresh_s: float = 30,
        stale_s: float = 120,
    ) -> None:
        self._url = base_url.rstrip("/") + "/traffic/v1/events"
        self._session = session
        self._deadline_s = deadline_s
        self._clock = clock
        self._fresh = timedelta(seconds=fresh_s)
        self._stale = timedelta(seconds=stale_s)
        self._kept: tuple[datetime, tuple[TrafficEvent, ...]] | None = None

    async def along(self, geometry: Sequence[Position], corridor_m: float = 150) -> tuple[TrafficEvent, ...]:
        events = await self._events()
        return tuple(m.event for m in match_along(geometry, events, corridor_m))

    async def around(self, position: Position, radius_m: float) -> tuple[TrafficEvent, ...]:
        near = [(distance_to_line(position, e.geometry), e) for e in await self._events()]
        return tuple(e for d, e in sorted(near, key=lambda pair: pair[0]) if d <= radius_m)

    async def _events(self) -> tuple[TrafficEvent, ...]:
        """What is going on now anywhere; events whose end has passed are gone even from a kept answer."""
        now = self._clock()
        kept = self._kept
        if kept is None or not timedelta() <= now - kept[0] < self._fresh:
            try:
                answer = await http.get(self._session, self._url, stage=STAGE, deadline_s=self._deadline_s)
                kept = (now, parse_events(http.parse_json(answer, STAGE), now, demo=answer.demo))
                self._kept = kept
            except (BackendUnavailable, BackendTimeout, BadAnswer):
                if kept is None or not timedelta() <= now - kept[0] < self._stale:
                    raise
        return tuple(e for e in kept[1] if e.until is None or e.until > now)


def parse_events(data: Any, now: datetime, *, demo: bool) -> tuple[TrafficEvent, ...]:
    """The events of a feed. One broken or unknown feature is left out; a broken feed raises `BadAnswer`."""
    if not isinstance(data, dict) or not isinstance(data.get("features"), list):
        raise BadAnswer(STAGE, "not a feature collection")
    source = _short(data.get("generator")) or "centre"
    events = []
    for feature in data["features"][:MAX_EVENTS]:
        try:
            event = _event(feature, now, source, demo)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            continue
        if event is not None:
            events.append(event)
    return tuple(events)


def _event(feature: Any, now: datetime, source: str, demo: bool) -> TrafficEvent | None:
    properties, shape = feature["properties"], feature["geometry"]
    kind = KINDS.get(properties["situationRecordType"])
    if kind is None:
        return None
    if properties.get("roadOrCarriagewayOrLaneManagementType") == "roadClosed":
        kind = "closure"
    points = [shape["coordinates"]] if shape["type"] == "Point" else shape["coordinates"]
    if shape["type"] not in ("Point", "LineString") or not 1 <= len(points) <= MAX_POINTS:
        return None
    names = properties.get("roadName") or {}
    road = _short(names.get("ja")) or _short(names.get("en")) or _short(properties.get("roadNumber")) or ""
    until = properties.get("overallEndTime")
    return TrafficEvent(
        id=_short(feature["id"]) or "",
        kind=kind,
        geometry=tuple(Position(float(p[1]), float(p[0])) for p in points),
        road=road,
        road_en=_short(names.get("en")),
        delay_s=_amount(properties.get("delayTimeValue")),
        length_m=_amount(properties.get("queueLength")),
        updated_at=min(_time(properties["situationRecordVersionTime"]), now),
        until=_time(until) if until else None,
        source=source,
        demo=demo,
    )


def _short(value: Any) -> str | None:
    """A name from outside: printable, at most 60 characters."""
    if not isinstance(value, (str, int)):
        return None
    return "".join(c for c in str(value) if c.isprintable() and c not in "<>")[:60].strip() or None


def _amount(value: Any) -> float | None:
    if value is None:
        return None
    number = float(value)
    return number if math.isfinite(number) and 0 <= number < 1e7 else None


def _time(text: str) -> datetime:
    found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if found.tzinfo is None:
        raise ValueError("a time without zone")
    return found


# ---- geometry: small distances on a plane that touches the ground where the line is

_METRES_PER_DEGREE = 111_195.0


def _project(positions: Iterable[Position], origin: Position) -> list[tuple[float, float]]:
    scale = math.cos(math.radians(origin.latitude)) * _METRES_PER_DEGREE
    return [
        ((p.longitude - origin.longitude) * scale, (p.latitude - origin.latitude) * _METRES_PER_DEGREE)
        for p in positions
    ]


def _onto_segment(p: tuple[float, float], a: tuple[float, float], b: tuple[float, float]) -> tuple[float, float]:
    """(distance from p to the segment ab, fraction of ab at the nearest point)."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    square = dx * dx + dy * dy
    t = 0.0 if square == 0 else max(0.0, min(1.0, ((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / square))
    return math.hypot(p[0] - a[0] - t * dx, p[1] - a[1] - t * dy), t


def distance_to_line(position: Position, line: Sequence[Position]) -> float:
    """Metres from a point to a line (or to a single point)."""
    points = _project(line, position)
    if len(points) == 1:
        return math.hypot(*points[0])
    return min(_onto_segment((0.0, 0.0), a, b)[0] for a, b in itertools.pairwise(points))


class _Line:
    """A line prepared for many questions: segments in buckets of 0.004° (about 400 m), lengths summed up."""

    _BUCKET = 0.004

    def __init__(self, geometry: Sequence[Position]) -> None:
        self.origin = geometry[len(geometry) // 2]
        self.points = _project(geometry, self.origin)
        self.sums = [0.0]
        for a, b in zip(self.points, self.points[1:], strict=False):
            self.sums.append(self.sums[-1] + math.hypot(b[0] - a[0], b[1] - a[1]))
        self._buckets: dict[tuple[int, int], set[int]] = {}
        for i, (first, second) in enumerate(itertools.pairwise(geometry)):
            steps = 1 + int(
                max(abs(second.latitude - first.latitude), abs(second.longitude - first.longitude)) / self._BUCKET
            )
            for s in range(steps + 1):
                lat = first.latitude + (second.latitude - first.latitude) * s / steps
                lon = first.longitude + (second.longitude - first.longitude) * s / steps
                self._buckets.setdefault((int(lat // self._BUCKET), int(lon // self._BUCKET)), set()).add(i)

    def nearest(self, position: Position, corridor_m: float, after_m: float = 0.0) -> tuple[float, float] | None:
        """(metres along, metres off) of the nearest point at or beyond `after_m`, None when farther than the corridor."""
        # A degree of longitude is at least half a degree of latitude as far north as cars go.
        reach = 1 + int(corridor_m / (self._BUCKET * _METRES_PER_DEGREE * 0.5))
        row, column = int(position.latitude // self._BUCKET), int(position.longitude // self._BUCKET)
        near: set[int] = set()
        for r in range(row - reach, row + reach + 1):
            for c in range(column - reach, column + reach + 1):
                near |= self._buckets.get((r, c), set())
        p = _project([position], self.origin)[0]
        best: tuple[float, float] | None = None
        for i in sorted(near):
            if self.sums[i + 1] < after_m:
                continue
            off, t = _onto_segment(p, self.points[i], self.points[i + 1])
            if off <= corridor_m and (best is None or off < best[1]):
                best = (self.sums[i] + t * (self.sums[i + 1] - self.sums[i]), off)
        return best


def match_along(
    geometry: Sequence[Position], events: Iterable[TrafficEvent], corridor_m: float = 150, from_m: float = 0.0
) -> tuple[Match, ...]:
    """The events on the line `geometry` beyond its first `from_m` metres, in the order they are met.

    A point matches when it lies within the corridor. A line matches when a good part of it (a third, or 300 m) runs within
    the corridor in the direction of the route: a road that merely crosses and the opposite carriageway do not.
    """
    if len(geometry) < 2:
        return ()
    line = _Line(geometry)
    found = []
    for event in events:
        match = _match(line, event, corridor_m)
        # A jam the car is standing in still counts: its end lies ahead.
        if match is not None and match.along_m + (event.length_m or 0.0) >= from_m:
            found.append(match)
    return tuple(sorted(found, key=lambda m: (m.along_m, m.event.id)))


def _match(line: _Line, event: TrafficEvent, corridor_m: float) -> Match | None:
    samples, step_m = _sample(event.geometry)
    hits = [hit for p in samples if (hit := line.nearest(p, corridor_m)) is not None]
    if not hits:
        return None
    if len(samples) > 1:
        inside_m = (len(hits) - 1) * step_m
        if inside_m < min(300.0, step_m * (len(samples) - 1) / 3):
            return None
        forward = sum(1 if b[0] > a[0] else -1 for a, b in itertools.pairwise(hits) if a[0] != b[0])
        if forward <= 0:
            return None
    return Match(event, min(h[0] for h in hits), min(h[1] for h in hits))


def _sample(geometry: Sequence[Position]) -> tuple[list[Position], float]:
    """Points at even steps of about 50 m (at most 200 of them) along a line, and the step in metres."""
    lengths = [a.distance_to(b) for a, b in itertools.pairwise(geometry)]
    total = sum(lengths)
    if total == 0:
        return [geometry[0]], 0.0
    count = max(2, min(200, round(total / 50)))
    step = total / count
    samples, i, passed = [geometry[0]], 0, 0.0
    for n in range(1, count + 1):
        target = min(n * step, total)
        while i < len(lengths) - 1 and passed + lengths[i] < target:
            passed += lengths[i]
            i += 1
        t = 0.0 if lengths[i] == 0 else min(1.0, (target - passed) / lengths[i])
        a, b = geometry[i], geometry[i + 1]
        samples.append(
            Position(a.latitude + (b.latitude - a.latitude) * t, a.longitude + (b.longitude - a.longitude) * t)
        )
    return samples, step
