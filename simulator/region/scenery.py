"""What lies between the roads: sea, lakes, rivers, woods, parks, towns, railways, and the names of places.

Only to be looked at: none of it is searched or driven on. Shapes come from `scenery.yml`, railways from the stations in the
order of their lines, towns from where stations are; edges are roughened by dice of the seed, the same every time.
"""

from __future__ import annotations

import itertools
import json
import math
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from backends.model import Position
from simulator.region.facts import Box, Facts, metres, package_folder, position_at

Point = tuple[float, float]
"""(east, north) in metres of the region's origin"""
Degrees = tuple[float, float]
"""(longitude, latitude)"""

ROUGH_STEP_M: Final = 260.0
SUBWAYS: Final = frozenset({28, 99})
"""thousands of the line codes of companies that run below ground, but for the lines that are named otherwise"""
LONGEST_HOP_M: Final = 25_000.0
MARGIN_DEG: Final = 0.15
"""scenery reaches so far beyond the region's roads"""


@dataclass(slots=True)
class Scenery:
    """OSM objects to be: nodes, and ways with nodes of their own (an area's last point is its first)."""

    spots: list[tuple[Position, dict[str, str]]] = field(default_factory=list)
    ways: list[tuple[list[Position], dict[str, str]]] = field(default_factory=list)


def generate_scenery(facts: Facts, bays: Sequence[Sequence[Degrees]], seed: int = 20) -> Scenery:
    """`bays`: the outlines no road crosses, Tokyo Bay and Sagami Bay."""
    return _Painter(facts, bays, seed).paint()


class _Painter:
    def __init__(self, facts: Facts, bays: Sequence[Sequence[Degrees]], seed: int) -> None:
        self._facts, self._bays, self._seed = facts, bays, seed
        box = facts.box
        self._origin = Position((box.south + box.north) / 2, (box.west + box.east) / 2)
        self._around = Box(box.south - MARGIN_DEG, box.west - MARGIN_DEG, box.north + MARGIN_DEG, box.east + MARGIN_DEG)
        table: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("scenery.yml").read_text("utf-8"))
        self._table = table
        self._scenery = Scenery()

    def paint(self) -> Scenery:
        table = self._table
        for wood in table["woods"]:
            self._area(_smooth(self._metres(_degrees(wood["ring"])), 3), {"natural": "wood"} | _names(wood), 0.16)
        self._towns()
        self._parks()
        self._area(
            self._metres(self._sea()), {"natural": "bay", "name": "東京湾・相模湾", "name:en": "Sea"}, 0.05, named=False
        )
        for lake in table["lakes"]:
            line = _smooth(self._metres(_degrees(lake["line"])), 6, closed=False)
            self._area(_ribbon(line, lake["width"]), {"natural": "water", "water": "lake"} | _names(lake), 0.1)
        for river in table["rivers"]:
            line = _smooth(self._metres(_degrees(river["line"])), 8, closed=False)
            self._line(_rough(line, 0.07, self._dice(river["ja"])), {"waterway": "river"} | _names(river))
        for airport in table["airports"]:
            self._area(self._metres(_degrees(airport["ring"])), {"aeroway": "aerodrome"} | _names(airport), 0.0)
            for runway in airport["runways"]:
                self._line(self._metres(_degrees(runway)), {"aeroway": "runway"})
        self._railways()
        self._labels()
        return self._scenery

    # ── shapes ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _sea(self) -> list[Degrees]:
        tokyo, sagami = (list(bay) for bay in self._bays)
        # Sagami Bay's shore from west to east, then Tokyo Bay from Miura's tip round to Boso.
        shore = [point for point in reversed(sagami) if point[1] > 35.0]
        first = next(at for at, (_, latitude) in enumerate(tokyo) if latitude == 35.14)
        inner = [point for point in (*tokyo[first:], *tokyo[:first]) if point != (139.69, 35.05)]
        sea = self._table["sea"]
        return [*shore, *_degrees(sea["miura"]), *inner, *_degrees(sea["beyond"])]

    def _towns(self) -> None:
        for station in self._facts.stations:
            dice = self._dice(station.name)
            reach = min(2_000.0, 780.0 + 240.0 * station.lines)
            middle = metres(station.position, self._origin)
            self._blob(middle, reach, dice, {"landuse": "residential"})
            if station.lines >= 4:
                self._blob(middle, 240.0 + 45.0 * station.lines, dice, {"landuse": "commercial"})

    def _parks(self) -> None:
        large = self._table["parks"]
        for landmark in self._facts.landmarks:
            reach = large.get(landmark.name)
            if reach is None and {"park", "garden"} & set(landmark.genres):
                reach = 130
            names = {"name": landmark.name, "name:en": landmark.name_en}
            if reach is not None:
                middle = metres(landmark.position, self._origin)
                self._blob(middle, float(reach), self._dice(landmark.name), {"leisure": "park"} | names, corners=14)
            elif landmark.kind == "sight":
                self._scenery.spots.append((landmark.position, {"tourism": "attraction"} | names))

    def _blob(self, middle: Point, reach: float, dice: random.Random, tags: dict[str, str], corners: int = 20) -> None:
        ring = []
        for at in range(corners):
            angle, far = 2 * math.pi * at / corners, reach * dice.uniform(0.82, 1.12)
            ring.append((middle[0] + far * math.cos(angle), middle[1] + far * math.sin(angle)))
        self._add(_smooth(ring, 2), tags, closed=True)

    # ── railways ────────────────────────────────────────────────────────────────────────────────────────────────

    def _railways(self) -> None:
        """Each line through its stations in order; what two lines share is drawn once."""
        drawn: set[frozenset[tuple[int, int]]] = set()
        for name, stops in _railway_lines(self._facts.box):
            where = [metres(stop, self._origin) for stop in stops]
            curve = _smooth(where, 6, closed=False)
            run: list[Point] = []
            for at, (a, b) in enumerate(itertools.pairwise(where)):
                # Two lines' records of one station lie up to some hundred metres apart.
                pair = frozenset((round(p[0] / 600), round(p[1] / 600)) for p in (a, b))
                if pair in drawn or math.dist(a, b) > LONGEST_HOP_M:
                    self._railway(run, name)
                    run = []
                    continue
                drawn.add(pair)
                run += curve[at * 6 : at * 6 + 7] if not run else curve[at * 6 + 1 : at * 6 + 7]
            self._railway(run, name)

    def _railway(self, run: Sequence[Point], name: str) -> None:
        if len(run) > 1:
            self._line(run, {"railway": "rail", "name": name})

    # ── names ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _labels(self) -> None:
        spots = self._scenery.spots
        for station in self._facts.stations:
            tags = {"railway": "station", "platforms": str(2 * station.lines)}
            spots.append((station.position, tags | {"name": station.name, "name:en": station.name_en}))
        for road in self._facts.expressways:
            for point in road.points:
                if point.kind in ("SA", "PA"):
                    kind = "Service Area" if point.kind == "SA" else "Parking Area"
                    words = {"ja": f"{point.name}{point.kind}", "en": f"{point.name_en} {kind}"}
                    spots.append((point.position, {"highway": "services"} | _names(words)))
        wards: dict[str, list[tuple[Position, int]]] = defaultdict(list)
        english: dict[str, str] = {}
        for town in self._facts.municipalities:
            city, mark, ward = town.name.partition("市")
            if mark and ward.endswith("区"):
                wards[f"{city}市"].append((town.position, town.population))
                ward_en, _, city_en = town.name_en.partition(", ")
                english[f"{city}市"] = city_en
                words, place = {"ja": ward, "en": ward_en}, "suburb"
            else:
                place = {"町": "town", "村": "village"}.get(town.name[-1], "city")
                words = {"ja": town.name, "en": town.name_en.removesuffix(" City")}
            tags = {"place": place, "population": str(town.population)} | _names(words)
            spots.append((town.position, tags))
        for city, members in sorted(wards.items()):
            north = sum(p.latitude for p, _ in members) / len(members)
            east = sum(p.longitude for p, _ in members) / len(members)
            people = max(800_000, sum(count for _, count in members))
            tags = {"place": "city", "population": str(people)} | _names({"ja": city, "en": english[city]})
            spots.append((Position(round(north, 6), round(east, 6)), tags))
        for row in self._table["cities"]:
            longitude, latitude = map(float, row["at"].split())
            if self._facts.box.holds(Position(latitude, longitude)):
                tags = {"place": "city", "population": str(row["people"])} | _names(row)
                spots.append((Position(latitude, longitude), tags))

    # ── into the extract ────────────────────────────────────────────────────────────────────────────────────────

    def _area(self, ring: Sequence[Point], tags: dict[str, str], rough: float, *, named: bool = True) -> None:
        if not named:
            tags = {key: value for key, value in tags.items() if not key.startswith("name")}
        edge = _rough([*ring, ring[0]], rough, self._dice(str(tags)))[:-1] if rough else list(ring)
        self._add(edge, tags, closed=True)

    def _line(self, line: Sequence[Point], tags: dict[str, str]) -> None:
        self._add(line, tags, closed=False)

    def _add(self, points: Sequence[Point], tags: dict[str, str], *, closed: bool) -> None:
        """Leaves out what lies wholly outside of the region."""
        positions = [position_at(east, north, self._origin) for east, north in points]
        around = self._around
        if (
            max(p.latitude for p in positions) < around.south or min(p.latitude for p in positions) > around.north
            or max(p.longitude for p in positions) < around.west or min(p.longitude for p in positions) > around.east
        ):  # fmt: skip
            return
        self._scenery.ways.append(([*positions, positions[0]] if closed else positions, tags))

    def _metres(self, points: Iterable[Degrees]) -> list[Point]:
        return [metres(Position(latitude, longitude), self._origin) for longitude, latitude in points]

    def _dice(self, name: str) -> random.Random:
        """Of its own for each thing: a smaller box paints it the same."""
        return random.Random(f"{self._seed}:{name}")


def _railway_lines(box: Box) -> Iterator[tuple[str, list[Position]]]:
    folder = package_folder("jp_stations") / "fixtures"
    names = {row["line_cd"]: row["line_name_h"] for row in json.loads((folder / "lines.json").read_text("utf-8"))
             if row["e_status"] == 0}  # fmt: skip
    stops: dict[int, list[Position]] = defaultdict(list)
    for row in json.loads((folder / "stations.json").read_text("utf-8")):
        position = Position(float(row["lat"]), float(row["lon"]))
        if row["e_status"] == 0 and row["line_cd"] in names and box.holds(position):
            stops[row["line_cd"]].append(position)
    for line, positions in sorted(stops.items()):
        underground = line // 1000 in SUBWAYS and ("メトロ" in names[line] or "都営" in names[line])
        if len(positions) > 1 and not underground:
            yield names[line], positions


def _degrees(points: Iterable[str]) -> list[Degrees]:
    return [(float(longitude), float(latitude)) for longitude, latitude in (point.split() for point in points)]


def _names(row: dict[str, Any]) -> dict[str, str]:
    return {"name": row["ja"], "name:en": row["en"]}


def _smooth(points: Sequence[Point], steps: int, *, closed: bool = True) -> list[Point]:
    """A Catmull–Rom curve through the points, `steps` pieces between two; open lines end where they end."""
    count = len(points)
    if count < 3:
        steps_only = [
            (a[0] + (b[0] - a[0]) * t / steps, a[1] + (b[1] - a[1]) * t / steps)
            for a, b in itertools.pairwise(points)
            for t in range(steps)
        ]
        return [*steps_only, points[-1]]
    out: list[Point] = []
    for at in range(count if closed else count - 1):
        a, b, c, d = (
            points[(at + k) % count] if closed else points[min(max(at + k, 0), count - 1)] for k in (-1, 0, 1, 2)
        )
        for step in range(steps):
            t = step / steps
            out.append(tuple(  # type: ignore[arg-type]
                0.5 * (2 * b[i] + (c[i] - a[i]) * t + (2 * a[i] - 5 * b[i] + 4 * c[i] - d[i]) * t * t
                       + (3 * b[i] - a[i] - 3 * c[i] + d[i]) * t**3)
                for i in (0, 1)
            ))  # fmt: skip
    return out if closed else [*out, points[-1]]


def _rough(line: Sequence[Point], share: float, dice: random.Random) -> list[Point]:
    """The line with its pieces halved and the middles moved aside by up to `share` of the piece, until pieces are short."""
    out = [line[0]]
    for a, b in itertools.pairwise(line):
        out += _roughened(a, b, share, dice)
    return out


def _roughened(a: Point, b: Point, share: float, dice: random.Random) -> list[Point]:
    length = math.dist(a, b)
    if length < ROUGH_STEP_M or length > 60_000:
        return [b]
    aside = dice.uniform(-share, share)
    middle = ((a[0] + b[0]) / 2 - (b[1] - a[1]) * aside, (a[1] + b[1]) / 2 + (b[0] - a[0]) * aside)
    return _roughened(a, middle, share, dice) + _roughened(middle, b, share, dice)


def _ribbon(line: Sequence[Point], width: float) -> list[Point]:
    """An area round a line, widest in its middle, tapering to its ends."""
    left: list[Point] = []
    right: list[Point] = []
    last = len(line) - 1
    for at, (x, y) in enumerate(line):
        ax, ay = line[max(0, at - 1)]
        bx, by = line[min(last, at + 1)]
        length = math.hypot(bx - ax, by - ay) or 1.0
        half = width / 2 * (0.25 + 0.75 * math.sin(math.pi * (0.5 + at) / (last + 1)))
        nx, ny = -(by - ay) / length * half, (bx - ax) / length * half
        left.append((x + nx, y + ny))
        right.append((x - nx, y - ny))
    return [*left, *reversed(right)]
