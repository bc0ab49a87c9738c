"""Recorded tracks from outside: GPX, GeoLife PLT, and JSON lines of trips.

What a file says is checked, never believed: sizes are limited, entities in XML are refused, a broken line names itself.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from agent.prediction.errors import BadTrack
from agent.prediction.model import Trip
from agent.prediction.trips import TripRecorder, trip_of
from backends.model import Position

MAX_BYTES = 200_000_000
MAX_LINE_POINTS = 200_000
PLT_HEADER = 6
"""lines before the points of a PLT file"""
Stamped = tuple[datetime, float, float]


def read(path: Path) -> Iterator[Trip]:
    """The drives in a file, by its name's ending: .gpx, .plt, .jsonl. Raises `BadTrack`."""
    readers = {".gpx": gpx, ".plt": plt}
    ending = path.suffix.lower()
    try:
        if path.stat().st_size > MAX_BYTES:
            raise BadTrack(f"{path.name} is larger than {MAX_BYTES // 1_000_000} MB")
        if ending in readers:
            yield from split(readers[ending](path.read_bytes()))
        elif ending in (".jsonl", ".json"):
            with path.open("rb") as lines:
                for number, line in enumerate(lines, 1):
                    if line.strip():
                        try:
                            yield trip_from_json(json.loads(line))
                        except (ValueError, RecursionError) as error:
                            raise BadTrack(f"{path.name}, line {number}: {error}") from error
        else:
            raise BadTrack(f"{path.name}: not a .gpx, .plt or .jsonl file")
    except OSError as error:
        raise BadTrack(f"{path.name} cannot be read: {error.strerror}") from error


def split(points: Iterable[Stamped]) -> Iterator[Trip]:
    """A long track cut into drives at its stays."""
    recorder = TripRecorder()
    for at, latitude, longitude in points:
        if trip := recorder.feed(at, Position(latitude, longitude)):
            yield trip
    if trip := recorder.finish():
        yield trip


def gpx(data: bytes) -> list[Stamped]:
    """The points of a GPX 1.0 or 1.1 file, in order of time. Raises `BadTrack`."""
    from xml.etree.ElementTree import ParseError

    from defusedxml.ElementTree import fromstring

    try:
        root = fromstring(data)
    except (ParseError, ValueError) as error:
        raise BadTrack(f"not GPX: {error or type(error).__name__}") from error
    points = []
    for element in root.iter():
        if not str(element.tag).endswith("trkpt"):
            continue
        at = next((child.text for child in element if str(child.tag).endswith("time")), None)
        if at is not None:
            points.append(_point([at, element.get("lat"), element.get("lon")]))
    return sorted(points)


def plt(data: bytes) -> list[Stamped]:
    """The points of a GeoLife PLT file: latitude, longitude, 0, feet, days, date, time (UTC). Raises `BadTrack`."""
    points = []
    for number, line in enumerate(data.decode("ascii", "replace").splitlines(), 1):
        if number <= PLT_HEADER or not line.strip():
            continue
        cells = line.split(",")
        try:
            points.append(_point([f"{cells[5]}T{cells[6]}", cells[0], cells[1]]))
        except (IndexError, ValueError) as error:
            raise BadTrack(f"line {number}: {error}") from error
    return sorted(points)


def trip_from_json(row: Any) -> Trip:
    """One line: {"points": [[time, latitude, longitude], …], "start"?, "end"?}. Times without a zone are UTC. Raises
    `BadTrack`."""
    if not isinstance(row, Mapping):
        raise BadTrack("not a JSON object")
    points = row.get("points")
    if not isinstance(points, list) or not 2 <= len(points) <= MAX_LINE_POINTS:
        raise BadTrack("no list of at least two points under 'points'")
    stamped = [_point(point) for point in points]
    if any(a[0] > b[0] for a, b in itertools.pairwise(stamped)):
        raise BadTrack("points out of order")
    try:
        return trip_of(stamped)
    except (ValueError, OverflowError) as error:
        raise BadTrack(str(error)) from error


def _point(cells: Any) -> Stamped:
    """(time, latitude, longitude) of three cells. Raises `BadTrack`."""
    try:
        text, latitude, longitude = cells[0], float(cells[1]), float(cells[2])
        at = datetime.fromisoformat(str(text).strip().replace("Z", "+00:00"))
    except (TypeError, ValueError, IndexError, KeyError) as error:
        raise BadTrack(f"not a point: {str(cells)[:80]}") from error
    if not (math.isfinite(latitude) and abs(latitude) <= 90 and math.isfinite(longitude) and abs(longitude) <= 180):
        raise BadTrack(f"not a position: {latitude}, {longitude}")
    if not 1980 <= at.year <= 2200:
        raise BadTrack(f"not a time: {str(text)[:40]}")
    return (at if at.tzinfo else at.replace(tzinfo=timezone.utc)), latitude, longitude
