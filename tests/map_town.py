"""A small town as an OpenStreetMap extract: streets in a mesh, an expressway through it, a river, a park with a pond, a coast."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from backends.maps import build_map
from backends.model import Place, Position

SOUTH, WEST = 35.60, 139.60
STEP = 0.0025
"""degrees from street to street: about 250 m"""
SIZE = 13
"""streets each way"""
FAST_ROW = 4.5
"""where the expressway runs, in streets from the south"""
CORNER = Position(round(SOUTH + 2 * STEP, 6), WEST + STEP)
"""where a drive begins"""
FAR = Position(CORNER.latitude, round(WEST + 11 * STEP, 6))
"""where it goes: the expressway is the short way, the streets are another"""
HOSTILE_NAME = "港町<b>'\"&\u202e\u0007"


class _Extract:
    def __init__(self) -> None:
        self.nodes: list[tuple[float, float, dict[str, str]]] = []
        self.ways: list[tuple[list[int], dict[str, str]]] = []

    def node(self, latitude: float, longitude: float, **tags: str) -> int:
        self.nodes.append((latitude, longitude, {key.replace("__", ":"): value for key, value in tags.items()}))
        return len(self.nodes)

    def way(self, nodes: list[int], **tags: str) -> None:
        self.ways.append((nodes, {key.replace("__", ":"): value for key, value in tags.items()}))

    def area(self, points: list[tuple[float, float]], **tags: str) -> None:
        nodes = [self.node(*point) for point in points]
        self.way([*nodes, nodes[0]], **tags)


def write_town(path: Path) -> None:
    """Writes the extract, nodes before ways."""
    import osmium
    from osmium.osm.mutable import Node, Relation, Way

    town = _Extract()
    mesh = [[town.node(SOUTH + i * STEP, WEST + j * STEP) for j in range(SIZE)] for i in range(SIZE)]
    for i in range(SIZE):
        town.way(mesh[i], highway="residential", name=f"東西{i}条", name__en=f"East-West {i}", maxspeed="30")
        town.way([row[i] for row in mesh], highway="residential", name=f"南北{i}丁目", maxspeed="30")
    fast = [town.node(SOUTH + FAST_ROW * STEP, WEST + j * STEP) for j in range(1, SIZE - 1)]
    town.way(fast, highway="motorway", name="港高速", name__en="Port Expressway", ref="E9;C1", maxspeed="100")
    for end, corner in ((fast[0], mesh[4][1]), (fast[-1], mesh[4][11])):
        town.way([corner, end], highway="motorway_link", maxspeed="60")
    town.area(
        [(35.615, 139.615), (35.615, 139.620), (35.620, 139.620), (35.620, 139.615)],
        leisure="park",
        name="中央公園",
        name__en="Central Park",
    )
    town.way(
        [town.node(35.604, 139.59), town.node(35.604, 139.64)], waterway="river", name="長川", name__en="Long River"
    )
    town.way([town.node(35.60, 139.601), town.node(35.64, 139.601)], railway="rail")
    town.area([(35.61, 139.60), (35.61, 139.61), (35.614, 139.61), (35.614, 139.60)], landuse="residential")
    town.area([(35.6101, 139.6031), (35.6101, 139.6034), (35.6103, 139.6034), (35.6103, 139.6031)], building="yes")
    # Land to the north of it, on the left of a coast that runs west to east … so the sea lies to the south.
    town.way([town.node(35.598, longitude / 100) for longitude in range(13900, 14100, 5)], natural="coastline")
    town.node(35.615, 139.612, place="city", name="港市", name__en="Minato City", population="500000")
    town.node(35.612, 139.606, railway="station", name=HOSTILE_NAME, name__en="Harbour")
    for shift in (0.0, 0.0004):
        town.node(SOUTH + FAST_ROW * STEP + shift, WEST + 6 * STEP, highway="motorway_junction", name="港インター")
    header = osmium.io.Header()
    header.set("sorting", "Type_then_ID")
    outer = [
        town.node(*point) for point in ((35.622, 139.622), (35.622, 139.628), (35.628, 139.628), (35.628, 139.622))
    ]
    inner = [
        town.node(*point) for point in ((35.624, 139.624), (35.624, 139.626), (35.626, 139.626), (35.626, 139.624))
    ]
    town.way([*outer, outer[0]])
    town.way([*inner, inner[0]])
    with osmium.SimpleWriter(str(path), header=header, overwrite=True) as writer:
        for number, (latitude, longitude, tags) in enumerate(town.nodes, 1):
            writer.add_node(Node(id=number, version=1, location=(longitude, latitude), tags=tags))
        for number, (nodes, tags) in enumerate(town.ways, 1):
            writer.add_way(Way(id=number, version=1, nodes=nodes, tags=tags))
        last = len(town.ways)
        lake: dict[str, Any] = {"type": "multipolygon", "natural": "water", "name": "輪湖", "name:en": "Ring Lake"}
        members = [("w", last - 1, "outer"), ("w", last, "inner")]
        writer.add_relation(Relation(id=1, version=1, tags=lake, members=members))


def build_town(home: Path) -> None:
    """Makes the town the active map of a data folder."""
    pbf = home / "town.osm.pbf"
    write_town(pbf)
    cafe = Place(
        id="cafe", name="喫茶みなと", position=FAR, kind="restaurant", name_kana="キッサミナト", name_en="Cafe Minato"
    )
    build_map(pbf, home, name="town", name_ja="港町", places=[cafe])
