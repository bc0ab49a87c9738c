"""A routable road network for the region, written as OSM PBF; the same facts and seed give the same file.

Three layers share their nodes where they meet. Streets: a lattice round every anchor (station, landmark, interchange …).
Main roads: the table's national roads, then a Gabriel graph over the anchors, kept off the sea. Expressways: a pair of
oneway carriageways each, ramps to the streets at interchanges, ramps between carriageways at junctions.
"""

from __future__ import annotations

import itertools
import math
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from backends.model import Position
from simulator.region.facts import Expressway, ExpresswayPoint, Facts, metres, position_at
from simulator.region.scenery import Scenery

CELL_M: Final = 130.0
"""mesh of the street lattice"""
JITTER_M: Final = 16.0
SNAP_M: Final = 60.0
"""a main road passing this near to a street corner goes through it"""
SAMPLE_M: Final = 400.0

Point = tuple[float, float]
"""(east, north) in metres of the region's origin"""
Cell = tuple[int, int]

# Coarse outlines of the bays, (longitude, latitude): no generated road crosses them; the table's bridges and tunnels do.
TOKYO_BAY: Final = (
    (139.745, 35.255), (139.72, 35.288), (139.668, 35.295), (139.66, 35.33), (139.657, 35.38), (139.672, 35.41), (139.685, 35.435),
    (139.665, 35.455), (139.69, 35.475), (139.74, 35.485), (139.79, 35.50), (139.805, 35.53), (139.815, 35.56), (139.79, 35.58),
    (139.785, 35.605), (139.80, 35.615), (139.84, 35.625), (139.87, 35.625), (139.91, 35.63), (139.94, 35.66), (139.98, 35.665),
    (140.015, 35.645), (140.05, 35.63), (140.085, 35.60), (140.085, 35.57), (140.06, 35.54), (140.03, 35.51), (140.00, 35.485),
    (139.95, 35.46), (139.92, 35.45), (139.895, 35.42), (139.89, 35.39), (139.86, 35.35), (139.82, 35.325), (139.785, 35.312),
    (139.82, 35.29), (139.845, 35.26), (139.825, 35.22), (139.81, 35.17), (139.81, 35.05), (139.69, 35.05), (139.685, 35.14),
    (139.675, 35.18), (139.685, 35.195), (139.715, 35.21), (139.745, 35.225),
)  # fmt: skip
SAGAMI_BAY: Final = (
    (139.62, 35.125), (139.60, 35.15), (139.60, 35.20), (139.57, 35.255), (139.565, 35.29), (139.54, 35.302), (139.50, 35.296),
    (139.44, 35.309), (139.40, 35.310), (139.35, 35.306), (139.30, 35.295), (139.26, 35.286), (139.22, 35.271), (139.18, 35.253),
    (139.16, 35.238), (139.155, 35.21), (139.15, 35.18), (139.175, 35.142), (139.135, 35.138), (139.105, 35.12), (139.09, 35.09),
    (139.09, 35.0), (139.62, 35.0),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Street:
    """One OSM way."""

    nodes: tuple[int, ...]
    tags: dict[str, str]


@dataclass(slots=True)
class Network:
    """Nodes by id (1, 2, 3 …) and the ways over them."""

    origin: Position
    points: list[Point] = field(default_factory=list)
    node_tags: dict[int, dict[str, str]] = field(default_factory=dict)
    ways: list[Street] = field(default_factory=list)
    corners: dict[Cell, int] = field(default_factory=dict)
    """street corners by lattice cell"""

    def add(self, point: Point) -> int:
        self.points.append(point)
        return len(self.points)

    def point(self, node: int) -> Point:
        return self.points[node - 1]

    def nearest_corner(self, point: Point) -> int | None:
        """The street corner next to the point, looking four cells round."""
        column, row = _cell(point)
        best: tuple[float, int] | None = None
        for i in range(column - 4, column + 5):
            for j in range(row - 4, row + 5):
                node = self.corners.get((i, j))
                if node is not None:
                    distance = math.dist(self.point(node), point)
                    if best is None or (distance, node) < best:
                        best = (distance, node)
        return best[1] if best else None


@dataclass(frozen=True, slots=True)
class _Anchor:
    name: str
    name_en: str
    point: Point
    radius_m: float
    rank: int
    """0 the most important; decides whose vertex stands for a neighbourhood"""
    named: bool = False
    """gives its name to the streets that meet in it"""


def generate(facts: Facts, seed: int = 20) -> Network:
    """The network of the facts' box."""
    origin = Position((facts.box.south + facts.box.north) / 2, (facts.box.west + facts.box.east) / 2)
    network = Network(origin)
    sea = _Sea(origin)
    anchors = list(_anchors(facts, origin))
    _lay_streets(network, anchors, sea, seed)
    _lay_main_roads(network, facts, anchors, sea)
    _lay_expressways(network, facts)
    return network


def write_pbf(network: Network, path: Path, scenery: Scenery | None = None) -> None:
    """Nodes by id, then ways by id, with the roads' bounding box in the header; the scenery's come after the roads'."""
    import osmium
    from osmium.osm.mutable import Node, Way

    used = {node for way in network.ways for node in way.nodes}
    positions = [position_at(east, north, network.origin) for east, north in network.points]
    header = osmium.io.Header()
    header.set("sorting", "Type_then_ID")
    header.set("generator", "demo region")
    box = osmium.osm.Box(
        min(p.longitude for p in positions),
        min(p.latitude for p in positions),
        max(p.longitude for p in positions),
        max(p.latitude for p in positions),
    )
    header.add_box(box)
    with osmium.SimpleWriter(str(path), header=header, overwrite=True) as writer:
        for number, position in enumerate(positions, 1):
            if number in used:
                tags = network.node_tags.get(number, {})
                writer.add_node(Node(id=number, version=1, location=(position.longitude, position.latitude), tags=tags))
        painted = scenery or Scenery()
        number = len(positions)
        for position, tags in painted.spots:
            number += 1
            writer.add_node(Node(id=number, version=1, location=(position.longitude, position.latitude), tags=tags))
        shapes: list[Street] = []
        for line, tags in painted.ways:
            nodes = list(range(number + 1, number + 1 + len(line)))
            if line[0] == line[-1]:
                nodes[-1] = nodes[0]
            for node, position in zip(nodes, line, strict=True):
                if node > number:
                    writer.add_node(Node(id=node, version=1, location=(position.longitude, position.latitude)))
                    number = node
            shapes.append(Street(tuple(nodes), tags))
        for number, way in enumerate([*network.ways, *shapes], 1):
            writer.add_way(Way(id=number, version=1, nodes=list(way.nodes), tags=way.tags))


# --- anchors and streets -----------------------------------------------------------------------------------------


def _anchors(facts: Facts, origin: Position) -> Iterator[_Anchor]:
    areas = [point for road in facts.expressways for point in road.points if point.kind in ("SA", "PA")]
    for station in facts.stations:
        radius = min(660.0, 270.0 + 60.0 * station.lines)
        yield _Anchor(station.name, station.name_en, metres(station.position, origin), radius, 20 - station.lines, True)
    for landmark in facts.landmarks:
        # A sight on a service area (海ほたる) is reached from the expressway only.
        if all(landmark.position.distance_to(area.position) > 250 for area in areas):
            yield _Anchor(landmark.name, landmark.name_en, metres(landmark.position, origin), 200.0, 40)
    for road in facts.expressways:
        for point in road.points:
            if point.kind == "IC":
                label = (f"{point.name}インター", f"{point.name_en} Interchange")
                yield _Anchor(*label, metres(point.position, origin), 200.0, 30)
    for main_road in facts.main_roads:
        for at, position in enumerate(main_road.via):
            yield _Anchor(f"{main_road.name}{at}", f"{main_road.name_en} {at}", metres(position, origin), 180.0, 50)


def _cell(point: Point) -> Cell:
    return round(point[0] / CELL_M), round(point[1] / CELL_M)


def _lay_streets(network: Network, anchors: Sequence[_Anchor], sea: _Sea, seed: int) -> None:
    cells: set[Cell] = set()
    for anchor in anchors:
        column, row = _cell(anchor.point)
        cells.add((column, row))
        reach = math.ceil(anchor.radius_m / CELL_M)
        for i in range(column - reach, column + reach + 1):
            for j in range(row - reach, row + reach + 1):
                corner = (i * CELL_M, j * CELL_M)
                near = math.dist(corner, anchor.point)
                if near <= anchor.radius_m and (near < 240 or not sea.covers(corner)):
                    cells.add((i, j))
    for i, j in sorted(cells):
        # A generator of its own for each corner: a smaller box gives the same streets.
        dice = random.Random(seed * 1_000_003 + i * 7_919 + j)
        east, north = i * CELL_M + dice.uniform(-JITTER_M, JITTER_M), j * CELL_M + dice.uniform(-JITTER_M, JITTER_M)
        network.corners[i, j] = network.add((east, north))
    names = _street_names(anchors)
    for direction, (di, dj) in enumerate(((1, 0), (0, 1))):
        for i, j in sorted(cells):
            if (i - di, j - dj) in cells:
                continue
            run = [(i, j)]
            while (run[-1][0] + di, run[-1][1] + dj) in cells:
                run.append((run[-1][0] + di, run[-1][1] + dj))
            for at in range(0, len(run) - 1, 12):
                piece = run[at : at + 13]
                _add_street(network, piece, names[direction])


def _street_names(anchors: Sequence[_Anchor]) -> tuple[dict[Cell, tuple[str, str]], dict[Cell, tuple[str, str]]]:
    """Names by cell of the streets running east, and of those running north, through a station."""
    east: dict[Cell, tuple[str, str]] = {}
    north: dict[Cell, tuple[str, str]] = {}
    for anchor in sorted(anchors, key=lambda a: (a.rank, a.name)):
        if anchor.named:
            cell = _cell(anchor.point)
            east.setdefault(cell, (f"{anchor.name}駅前通り", f"{anchor.name_en} Ekimae-dori"))
            north.setdefault(cell, (f"{anchor.name}中央通り", f"{anchor.name_en} Chuo-dori"))
    return east, north


def _add_street(network: Network, cells: Sequence[Cell], names: dict[Cell, tuple[str, str]]) -> None:
    if len(cells) < 2:
        return
    name = next((names[cell] for cell in cells if cell in names), None)
    tags = {"highway": "residential", "maxspeed": "30", "maxspeed:practical": "18"}
    if name:
        tags |= {"highway": "unclassified", "name": name[0], "name:en": name[1], "maxspeed": "40"}
    network.ways.append(Street(tuple(network.corners[cell] for cell in cells), tags))


# --- main roads --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Vertex:
    node: int
    point: Point
    name: str
    name_en: str
    rank: int


def _lay_main_roads(network: Network, facts: Facts, anchors: Sequence[_Anchor], sea: _Sea) -> None:
    vertices = _vertices(network, anchors)
    grid = _Grid(vertices)
    taken: set[tuple[int, int]] = set()
    joined = _UnionFind(len(vertices))

    def lay(a: int, b: int, tags: dict[str, str]) -> None:
        if a != b and (min(a, b), max(a, b)) not in taken:
            taken.add((min(a, b), max(a, b)))
            joined.union(a, b)
            _lay_road(network, vertices[a], vertices[b], tags)

    for road in facts.main_roads:
        stops = [grid.nearest(metres(position, network.origin)) for position in road.via]
        for a, b in itertools.pairwise(stops):
            urban = grid.dense(vertices[a].point)
            lay(a, b, _main_tags(road.name, road.name_en, road.ref, road.road_class, road.speed_kmh, urban))
    for a, b in _gabriel_edges(vertices, grid):
        if not sea.crossed(vertices[a].point, vertices[b].point):
            lay(a, b, _local_tags(vertices[a], vertices[b], grid))
    # What the sea or distance left apart is joined by the shortest road to the rest.
    for a, b in _bridges(vertices, joined):
        lay(a, b, _local_tags(vertices[a], vertices[b], grid))


def _vertices(network: Network, anchors: Sequence[_Anchor]) -> list[_Vertex]:
    vertices: list[_Vertex] = []
    kept: dict[Cell, list[Point]] = defaultdict(list)
    for anchor in sorted(anchors, key=lambda a: (a.rank, a.name, a.point)):
        column, row = round(anchor.point[0] / 350), round(anchor.point[1] / 350)
        around = (p for i in (-1, 0, 1) for j in (-1, 0, 1) for p in kept[column + i, row + j])
        if any(math.dist(point, anchor.point) < 300 for point in around):
            continue
        node = network.nearest_corner(anchor.point)
        if node is not None:
            kept[column, row].append(anchor.point)
            vertices.append(_Vertex(node, network.point(node), anchor.name, anchor.name_en, anchor.rank))
    return vertices


class _Grid:
    """Vertices by place."""

    _SIZE = 2_000.0

    def __init__(self, vertices: Sequence[_Vertex]) -> None:
        self._vertices = vertices
        self._cells: dict[Cell, list[int]] = defaultdict(list)
        for at, vertex in enumerate(vertices):
            self._cells[self._key(vertex.point)].append(at)

    def _key(self, point: Point) -> Cell:
        return int(point[0] // self._SIZE), int(point[1] // self._SIZE)

    def around(self, point: Point, rings: int) -> list[int]:
        i, j = self._key(point)
        return [
            at
            for di in range(-rings, rings + 1)
            for dj in range(-rings, rings + 1)
            for at in self._cells.get((i + di, j + dj), ())
        ]

    def nearest(self, point: Point) -> int:
        for rings in (1, 3, 40):
            found = self.around(point, rings)
            if found:
                return min(found, key=lambda at: (math.dist(self._vertices[at].point, point), at))
        raise ValueError("no vertices")

    def neighbours(self, at: int, count: int = 24) -> list[int]:
        point = self._vertices[at].point
        found: list[int] = []
        for rings in (1, 2, 4, 8):
            found = [other for other in self.around(point, rings) if other != at]
            if len(found) >= count:
                break
        return sorted(found, key=lambda other: (math.dist(self._vertices[other].point, point), other))[:count]

    def dense(self, point: Point) -> bool:
        return len(self.around(point, 1)) >= 14


def _gabriel_edges(vertices: Sequence[_Vertex], grid: _Grid) -> Iterator[tuple[int, int]]:
    """Pairs with no third vertex in the circle over them, among each one's 24 neighbours; roads up to 14 km."""
    for a, vertex in enumerate(vertices):
        near = grid.neighbours(a)
        for b in near:
            other = vertices[b].point
            length = math.dist(vertex.point, other)
            if length > 14_000 or (a > b and a in grid.neighbours(b)):
                continue
            middle = ((vertex.point[0] + other[0]) / 2, (vertex.point[1] + other[1]) / 2)
            if all(c == b or math.dist(vertices[c].point, middle) >= length / 2 for c in near):
                yield a, b


class _UnionFind:
    def __init__(self, size: int) -> None:
        self._parent = list(range(size))

    def find(self, at: int) -> int:
        while self._parent[at] != at:
            self._parent[at] = self._parent[self._parent[at]]
            at = self._parent[at]
        return at

    def union(self, a: int, b: int) -> None:
        self._parent[self.find(a)] = self.find(b)


def _bridges(vertices: Sequence[_Vertex], joined: _UnionFind) -> Iterator[tuple[int, int]]:
    """Shortest roads that make one network of all; the caller lays each before the next is asked for."""
    while True:
        groups: dict[int, list[int]] = defaultdict(list)
        for at in range(len(vertices)):
            groups[joined.find(at)].append(at)
        if len(groups) <= 1:
            return
        smallest = min(groups.values(), key=lambda group: (len(group), group))
        inside = set(smallest)
        outside = [at for at in range(len(vertices)) if at not in inside]
        yield min(
            ((a, b) for a in smallest for b in outside),
            key=lambda pair: math.dist(vertices[pair[0]].point, vertices[pair[1]].point),
        )


_PRACTICAL: Final = {
    "trunk": (50, 28, 60, 46),
    "primary": (50, 25, 50, 42),
    "secondary": (40, 22, 50, 38),
    "tertiary": (40, 20, 40, 32),
}
"""class → (limit, usual speed) in dense areas, then outside, km/h: signals are not modelled one by one"""


def _main_tags(
    name: str, name_en: str, ref: str | None, road_class: str, speed: int | None, urban: bool
) -> dict[str, str]:
    limits = _PRACTICAL[road_class]
    limit, usual = limits[:2] if urban else limits[2:]
    if speed is not None:
        limit, usual = speed, speed - 5
    tags = {
        "highway": road_class,
        "name": name,
        "name:en": name_en,
        "maxspeed": str(limit),
        "maxspeed:practical": str(usual),
    }
    if ref:
        tags["ref"] = ref
    return tags


def _local_tags(a: _Vertex, b: _Vertex, grid: _Grid) -> dict[str, str]:
    first, second = sorted((a, b), key=lambda vertex: (vertex.rank, vertex.name))
    road_class = "secondary" if first.rank <= 18 or second.rank < 20 else "tertiary"
    name, name_en = f"{first.name}{second.name}線", f"{first.name_en}-{second.name_en} Road"
    return _main_tags(name, name_en, None, road_class, None, grid.dense(a.point))


def _lay_road(network: Network, a: _Vertex, b: _Vertex, tags: dict[str, str]) -> None:
    length = math.dist(a.point, b.point)
    steps = max(1, round(length / SAMPLE_M))
    # Longer roads bow a little, to the same side every time.
    bow = min(180.0, length * 0.035) * (1 if (a.node + b.node) % 2 else -1)
    dx, dy = (b.point[0] - a.point[0]) / length, (b.point[1] - a.point[1]) / length
    nodes = [a.node]
    for step in range(1, steps):
        part = step / steps
        side = bow * math.sin(math.pi * part)
        point = (a.point[0] + dx * length * part - dy * side, a.point[1] + dy * length * part + dx * side)
        corner = network.corners.get(_cell(point))
        if corner is not None and math.dist(network.point(corner), point) <= SNAP_M:
            if corner not in nodes:
                nodes.append(corner)
        else:
            nodes.append(network.add(point))
    if nodes[-1] != b.node:
        nodes.append(b.node)
    if len(nodes) >= 2:
        network.ways.append(Street(tuple(nodes), tags))


class _Sea:
    def __init__(self, origin: Position) -> None:
        self._rings = [
            [metres(Position(latitude, longitude), origin) for longitude, latitude in ring]
            for ring in (TOKYO_BAY, SAGAMI_BAY)
        ]

    def covers(self, point: Point) -> bool:
        return any(_inside(point, ring) for ring in self._rings)

    def crossed(self, a: Point, b: Point) -> bool:
        """Whether the straight line runs through the sea for more than 700 m in all."""
        length = math.dist(a, b)
        steps = max(2, round(length / 200))
        wet = sum(
            self.covers((a[0] + (b[0] - a[0]) * at / steps, a[1] + (b[1] - a[1]) * at / steps))
            for at in range(1, steps)
        )
        return wet * length / steps > 700


def _inside(point: Point, ring: Sequence[Point]) -> bool:
    x, y = point
    inside = False
    for (ax, ay), (bx, by) in zip(ring, (*ring[1:], ring[0]), strict=True):
        if (ay > y) != (by > y) and x < ax + (y - ay) / (by - ay) * (bx - ax):
            inside = not inside
    return inside


# --- expressways -------------------------------------------------------------------------------------------------

_OFFSET_M: Final = 11.0
_RAMP_M: Final = 240.0


@dataclass(frozen=True, slots=True)
class _Exit:
    """Where one carriageway can be left and joined at a point of its road."""

    leave: int | None
    join: int | None
    heading: float
    """radians"""
    road: Expressway


def _lay_expressways(network: Network, facts: Facts) -> None:
    exits: dict[tuple[str, str], list[_Exit]] = defaultdict(list)
    points: dict[tuple[str, str], ExpresswayPoint] = {}
    ends: set[tuple[str, str]] = set()
    for road in facts.expressways:
        for point in road.points:
            points[point.name, point.kind] = point
        for backward in (False, True):
            _lay_carriageway(network, road, backward, exits)
        if not road.ring:
            ends |= {(end.name, end.kind) for end in (road.points[0], road.points[-1])}
    for key, at_point in exits.items():
        point = points[key]
        roads = {found.road.name for found in at_point}
        if len(roads) > 1:
            _join_roads(network, at_point)
        # An expressway that would end in nothing (its partner lies outside the box) ends in the streets.
        if point.kind == "IC" or (len(roads) == 1 and key in ends):
            _lay_ramps(network, point, at_point)


def _lay_carriageway(
    network: Network, road: Expressway, backward: bool, exits: dict[tuple[str, str], list[_Exit]]
) -> None:
    stops = list(reversed(road.points)) if backward else list(road.points)
    where = [metres(stop.position, network.origin) for stop in stops]
    if road.ring:
        stops, where = [*stops, stops[0]], [*where, where[0]]
    curve = _Curve(where, ring=road.ring)
    tags = _expressway_tags(road)
    spans = len(where) - 1
    leaves: list[int | None] = [None] * len(where)
    joins: list[int | None] = [None] * len(where)
    previous: int | None = None
    for at in range(spans):
        length = math.dist(where[at], where[at + 1])
        ramp = min(_RAMP_M, 0.3 * length) / length
        steps = max(1, round(length / 600))
        parts = [ramp + (1 - 2 * ramp) * step / steps for step in range(steps + 1)]
        nodes = [network.add(curve.at(at + part, _OFFSET_M)) for part in parts]
        joins[at], leaves[at + 1] = nodes[0], nodes[-1]
        if previous is not None:
            network.ways.append(Street((previous, nodes[0]), tags))
        network.ways.append(Street(tuple(nodes), tags))
        previous = nodes[-1]
    if road.ring and previous is not None and joins[0] is not None:
        network.ways.append(Street((previous, joins[0]), tags))
        leaves[0] = leaves[-1]
        stops, leaves, joins = stops[:-1], leaves[:-1], joins[:-1]
    for at, stop in enumerate(stops):
        exits[stop.name, stop.kind].append(_Exit(leaves[at], joins[at], curve.heading(at), road))
        leave = leaves[at]
        if leave is not None and stop.kind in ("IC", "JCT"):
            suffix = ("", "") if stop.kind == "IC" else ("ジャンクション", " Junction")
            network.node_tags[leave] = {
                "highway": "motorway_junction",
                "name": stop.name + suffix[0],
                "name:en": stop.name_en + suffix[1],
            }


def _expressway_tags(road: Expressway) -> dict[str, str]:
    # Free expressways (バイパス) are trunk roads for motor vehicles only.
    usual = round(road.speed_kmh * (0.88 if road.speed_kmh > 60 else 0.75))
    return {
        "highway": "motorway" if road.toll else "trunk",
        "oneway": "yes",
        "lanes": "2",
        "name": road.name,
        "name:en": road.name_en,
        "ref": road.ref,
        "toll": "yes" if road.toll else "no",
        "maxspeed": str(road.speed_kmh),
        "maxspeed:practical": str(usual),
    }


def _link_tags(roads: Iterable[Expressway], destination: tuple[str, str]) -> dict[str, str]:
    toll = any(road.toll for road in roads)
    tags = {
        "highway": "motorway_link" if toll else "trunk_link",
        "oneway": "yes",
        "maxspeed": "40",
        "toll": "yes" if toll else "no",
    }
    return tags | {"destination": destination[0], "destination:en": destination[1]}


def _lay_ramps(network: Network, point: ExpresswayPoint, at_point: Sequence[_Exit]) -> None:
    corner = network.nearest_corner(metres(point.position, network.origin))
    if corner is None:
        return
    for carriageway in at_point:
        if carriageway.leave is not None:
            network.ways.append(
                Street((carriageway.leave, corner), _link_tags([carriageway.road], (point.name, point.name_en)))
            )
        if carriageway.join is not None:
            onto = (carriageway.road.name, carriageway.road.name_en)
            network.ways.append(Street((corner, carriageway.join), _link_tags([carriageway.road], onto)))


def _join_roads(network: Network, at_point: Sequence[_Exit]) -> None:
    for origin in at_point:
        for target in at_point:
            if origin.road is target.road or origin.leave is None or target.join is None:
                continue
            turn = abs((target.heading - origin.heading + math.pi) % (2 * math.pi) - math.pi)
            if turn <= math.radians(155):  # nobody turns back in a junction
                tags = _link_tags([origin.road, target.road], (target.road.name, target.road.name_en))
                straight = origin.join is None or turn < math.radians(35)
                tags["maxspeed"] = str(min(60, target.road.speed_kmh)) if straight else "40"
                network.ways.append(Street((origin.leave, target.join), tags))


class _Curve:
    """A Catmull-Rom curve through points; parameter k + t lies between points k and k + 1."""

    def __init__(self, points: Sequence[Point], *, ring: bool) -> None:
        self._points = points
        self._ring = ring

    def _control(self, at: int) -> Point:
        last = len(self._points) - 1
        if self._ring:
            return self._points[at % last]
        return self._points[min(max(at, 0), last)]

    def _plain(self, parameter: float) -> Point:
        at = min(int(parameter), len(self._points) - 2)
        t = parameter - at
        a, b, c, d = (self._control(at + k) for k in (-1, 0, 1, 2))
        # Tangents are cut to the span's length: uneven spacing would make the curve loop.
        span = math.dist(b, c)
        start, end = _tangent(a, c, span), _tangent(b, d, span)
        h00, h10 = 2 * t**3 - 3 * t**2 + 1, t**3 - 2 * t**2 + t
        h01, h11 = -2 * t**3 + 3 * t**2, t**3 - t**2
        return (
            h00 * b[0] + h10 * start[0] + h01 * c[0] + h11 * end[0],
            h00 * b[1] + h10 * start[1] + h01 * c[1] + h11 * end[1],
        )

    def at(self, parameter: float, left_m: float) -> Point:
        """The point, moved to the left of the way on (traffic keeps left)."""
        here = self._plain(parameter)
        angle = self.heading(parameter)
        return here[0] - math.sin(angle) * left_m, here[1] + math.cos(angle) * left_m

    def heading(self, parameter: float) -> float:
        """Direction of travel, radians, counter-clockwise from east."""
        limit = float(len(self._points) - 1)
        before, after = self._plain(max(0.0, parameter - 0.01)), self._plain(min(limit, parameter + 0.01))
        return math.atan2(after[1] - before[1], after[0] - before[0])


def _tangent(before: Point, after: Point, length: float) -> Point:
    distance = math.dist(before, after) or 1.0
    return (after[0] - before[0]) / distance * length, (after[1] - before[1]) / distance * length
