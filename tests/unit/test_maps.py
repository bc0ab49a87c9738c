"""Maps from OSM extracts: a few streets written here, hostile files, and the shared real extracts where they are."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import osmium
import pytest
from osmium.osm.mutable import Node, Way

from agent.settings import Settings
from backends.maps import MapError, build_map, choose, current, installed, simplify
from backends.model import Place, Position, RouteRequest
from backends.routes import ValhallaRoutes


def write_streets(path: Path, *, shuffled: bool = False, size: int = 8) -> Path:
    """A lattice of streets in Japan, 100 m apart, `size` × `size`."""
    nodes = {
        (i, j): Node(id=1 + i * size + j, version=1, location=(139.70 + 0.0011 * i, 35.65 + 0.0009 * j), tags={})
        for i in range(size)
        for j in range(size)
    }
    tags = {"highway": "residential", "name": "桜通り", "name:en": "Sakura Street"}
    ways = [Way(id=1 + i, version=1, nodes=[nodes[i, j].id for j in range(size)], tags=tags) for i in range(size)]
    plain = {"highway": "tertiary"}
    ways += [Way(id=100 + j, version=1, nodes=[nodes[i, j].id for i in range(size)], tags=plain) for j in range(size)]
    with osmium.SimpleWriter(str(path), overwrite=True) as writer:
        if shuffled:
            for way in ways:
                writer.add_way(way)
        for node in reversed(list(nodes.values())) if shuffled else nodes.values():
            writer.add_node(node)
        if not shuffled:
            for way in ways:
                writer.add_way(way)
    return path


def a_place() -> Place:
    return Place(
        id="p1", name="喫茶 月見", name_kana="キッサ ツキミ", position=Position(35.652, 139.702), kind="restaurant"
    )


def build(pbf: Path, home: Path, name: str = "town") -> None:
    build_map(pbf, home, name=name, name_ja="町", places=[a_place()], demo=False)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the map `town`; tests that change it take a copy."""
    home = tmp_path_factory.mktemp("built")
    build(write_streets(home / "town.osm.pbf"), home)
    return home


async def route_across(home: Path) -> float:
    found = current(home)
    assert found is not None
    routes = ValhallaRoutes(found.tiles_path, deadline_s=10)
    try:
        (route,) = await routes.route(RouteRequest(Position(35.650, 139.700), Position(35.656, 139.707)))
    finally:
        await routes.close()
    return route.distance_m


@pytest.mark.parametrize("shuffled", [False, True], ids=["sorted", "unsorted"])
async def test_a_map_is_built_whole(tmp_path: Path, shuffled: bool) -> None:
    steps: list[tuple[str, float]] = []
    info = build_map(
        write_streets(tmp_path / "town.osm.pbf", shuffled=shuffled),
        tmp_path,
        name="town",
        name_ja="町",
        places=[a_place()],
        demo=False,
        progress=lambda step, done: steps.append((step, done)),
    )
    assert info.places == 1
    assert info.source == "town.osm.pbf"
    assert info.south_west == Position(35.65, 139.7)
    assert [done for _, done in steps] == sorted(done for _, done in steps)
    assert steps[-1][1] == 1.0
    (found,) = installed(tmp_path)
    assert found == current(tmp_path)
    assert found.info == info
    assert sorted(p.name for p in found.folder.iterdir()) == [
        "info.json",
        "map.mbtiles",
        "places.sqlite",
        "road_names.json",
        "roads.geojson",
        "tiles",
        "valhalla.json",
    ]
    config = json.loads((found.folder / "valhalla.json").read_text())
    assert config["mjolnir"]["tile_dir"] == str(found.tiles_path.resolve())
    assert 1_000 < await route_across(tmp_path) < 2_000


def test_other_osm_formats_are_converted(tmp_path: Path) -> None:
    write_streets(tmp_path / "town.osm.pbf")
    xml = tmp_path / "town.osm"
    with osmium.SimpleWriter(str(xml)) as writer:
        for item in osmium.FileProcessor(str(tmp_path / "town.osm.pbf")):
            writer.add(item)
    build(xml, tmp_path)
    assert current(tmp_path) is not None


def test_road_lines_carry_class_and_names(built: Path) -> None:
    (found,) = installed(built)
    features = json.loads(found.roads_path.read_text("utf-8"))["features"]
    assert {f["properties"]["class"] for f in features} == {"residential", "tertiary"}
    named = next(f for f in features if "name" in f["properties"])
    assert named["properties"] == {"class": "residential", "name": "桜通り", "name_en": "Sakura Street"}
    assert len(named["geometry"]["coordinates"]) == 2  # straight: the points between go


def test_simplify_keeps_the_corner() -> None:
    line = [(139.0, 35.0), (139.001, 35.0), (139.002, 35.0), (139.002, 35.001)]
    assert simplify(line, 5) == [(139.0, 35.0), (139.002, 35.0), (139.002, 35.001)]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"not a map at all" * 50, "not a readable OpenStreetMap file"),
        (b"\xff\xff\xff\xff" + bytes(2000), "not a readable OpenStreetMap file"),
        (b"\x00\x00\x00\x0d\x0a\x09OSMHeader\x18\xff\xff\xff\xff\x0f", "not a readable OpenStreetMap file"),
    ],
    ids=["empty", "text", "noise", "huge blob"],
)
def test_bad_input_is_one_sentence(tmp_path: Path, content: bytes, says: str) -> None:
    bad = tmp_path / "bad.osm.pbf"
    bad.write_bytes(content)
    with pytest.raises(MapError, match=says) as caught:
        build(bad, tmp_path)
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "maps").iterdir()) == []


def test_a_file_cut_off_is_refused(tmp_path: Path) -> None:
    whole = write_streets(tmp_path / "whole.osm.pbf", size=30).read_bytes()
    (tmp_path / "cut.osm.pbf").write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(MapError, match="not a readable"):
        build(tmp_path / "cut.osm.pbf", tmp_path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MapError, match="There is no file"):
        build(tmp_path / "none.osm.pbf", tmp_path)


def test_nothing_in_the_extract(tmp_path: Path) -> None:
    with osmium.SimpleWriter(str(tmp_path / "bare.osm.pbf")) as writer:
        writer.add_node(Node(id=1, version=1, location=(139.7, 35.6), tags={}))
    with pytest.raises(MapError, match="neither roads nor places"):
        build_map(tmp_path / "bare.osm.pbf", tmp_path, name="bare", name_ja="無", places=[])


@pytest.mark.parametrize("name", ["", "../up", "a/b", "Town", "x" * 65, "current\n"])
def test_names_that_could_leave_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(MapError, match="name"):
        build(write_streets(tmp_path / "town.osm.pbf"), tmp_path, name)


def test_a_failed_build_leaves_the_old_map(built: Path, tmp_path: Path) -> None:
    shutil.copytree(built / "maps", tmp_path / "maps")
    before = installed(tmp_path)
    (tmp_path / "bad.osm.pbf").write_bytes(b"noise" * 100)
    with pytest.raises(MapError):
        build(tmp_path / "bad.osm.pbf", tmp_path)
    assert installed(tmp_path) == before


def test_a_map_is_replaced(built: Path, tmp_path: Path) -> None:
    shutil.copytree(built / "maps", tmp_path / "maps")
    (tmp_path / "maps" / "town" / "stale").touch()
    build(built / "town.osm.pbf", tmp_path)
    assert not (tmp_path / "maps" / "town" / "stale").exists()
    assert [path.name for path in sorted((tmp_path / "maps").iterdir())] == ["current", "town"]


def test_another_map_is_chosen(built: Path, tmp_path: Path) -> None:
    for name in ("town", "village"):
        shutil.copytree(built / "maps" / "town", tmp_path / "maps" / name)
    info = tmp_path / "maps" / "village" / "info.json"
    info.write_text(info.read_text("utf-8").replace('"town"', '"village"'), "utf-8")
    (tmp_path / "maps" / "half").mkdir()
    assert [found.name for found in installed(tmp_path)] == ["town", "village"]
    assert current(tmp_path) is None
    choose(tmp_path, "town")
    active = current(tmp_path)
    assert active is not None
    assert active.name == "town"
    with pytest.raises(MapError, match="no map called"):
        choose(tmp_path, "atlantis")


def test_no_map_at_all(tmp_path: Path) -> None:
    assert installed(tmp_path) == []
    assert current(tmp_path) is None


@pytest.mark.parametrize("text", ["../../etc", "gone", "", "\x00"])
def test_a_broken_choice_is_no_map(tmp_path: Path, text: str) -> None:
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "current").write_text(text)
    assert current(tmp_path) is None


SHARED = Path(os.environ.get("CONCIERGE_SHARED", Path(__file__).parents[3] / "shared")) / "data"


@pytest.mark.parametrize("name", ["liechtenstein", "shibuya", "tokyo-center"])
def test_real_extracts(tmp_path: Path, name: str) -> None:
    pbf = SHARED / f"{name}.osm.pbf"
    if not pbf.is_file():
        pytest.skip(f"the shared extract {pbf.name} is not there (CONCIERGE_SHARED)")
    info = build_map(pbf, tmp_path, name=name, name_ja=name)
    found = current(tmp_path)
    assert found is not None
    assert info.places > (3 if name == "shibuya" else 50)
    assert found.roads_path.stat().st_size <= 3_000_000
    # The extract of central Tokyo holds points only: it is searched, not driven on.
    assert any(found.tiles_path.rglob("*.gph")) == (name != "tokyo-center")


async def test_a_car_left_on_another_map_starts_on_the_present_one(built: Path, tmp_path: Path) -> None:
    from agent.composition import open_simulation

    settings, state = Settings(home=built), tmp_path / "car.json"
    inside, outside = Position(35.652, 139.702), Position(47.14, 9.52)
    for left, stays in ((inside, True), (outside, False)):
        async with open_simulation(settings, state=state) as simulation:
            simulation.vehicle.place(left)
        async with open_simulation(settings, state=state) as simulation:
            assert (simulation.vehicle.position.distance_to(left) < 100) == stays
            assert current(built).info.contains(simulation.vehicle.position)  # type: ignore[union-attr]
