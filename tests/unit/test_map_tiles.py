"""The map's vector tiles: what is cut, what is written, what of an extract is in them."""

from __future__ import annotations

import gzip
import itertools
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends import coastline
from backends.map_tiles import FIRST_ZOOM, TileFile, build_tiles, rules
from backends.model import Position
from backends.vector_tiles import (
    BUFFER,
    DETAIL,
    EXTENT,
    LINE,
    POINT,
    POLYGON,
    Feature,
    Point,
    area,
    cut,
    encode_tile,
    simplify,
    world,
)
from tests.map_town import FAST_ROW, SIZE, SOUTH, STEP, WEST, write_town
from tests.vector_tile_reader import ReadLayer, read_tile

BOUNDS = (Position(SOUTH, WEST), Position(SOUTH + (SIZE - 1) * STEP, WEST + (SIZE - 1) * STEP))
points = st.tuples(st.integers(-300, 9000), st.integers(-300, 9000))


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> TileFile:
    folder = tmp_path_factory.mktemp("town")
    write_town(folder / "town.osm.pbf")
    count = build_tiles(folder / "town.osm.pbf", folder / "map.mbtiles", name="港町", attribution="©", bounds=BOUNDS)
    assert count > 20
    return TileFile(folder / "map.mbtiles")


def at(tiles: TileFile, latitude: float, longitude: float, zoom: int = DETAIL) -> dict[str, ReadLayer]:
    x, y = world(longitude, latitude)
    shift = DETAIL - zoom
    data = tiles.tile(zoom, (x >> shift) // EXTENT, (y >> shift) // EXTENT)
    return read_tile(gzip.decompress(data)) if data else {}


# ── cutting and writing ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_tile_reads_back_as_it_was_written() -> None:
    ring = ((0, 0), (4000, 0), (4000, 4000), (0, 4000))
    hole = ((1000, 1000), (1000, 2000), (2000, 2000), (2000, 1000))
    written = {
        "road": [
            Feature(LINE, (((-96, 5), (300, 7), (4192, -90)), ((1, 1), (2, 2))), (("name", "国道1号"), ("bridge", 1)))
        ],
        "green": [Feature(POLYGON, (ring, hole), (("kind", "park"),))],
        "spot": [Feature(POINT, (((7, 8),), ((9, 10),)), ()), Feature(POINT, (((1, 2),),), (("name", "国道1号"),))],
        "empty": [],
    }
    read = read_tile(encode_tile(written))
    assert list(read) == ["road", "green", "spot"]
    for name, layer in read.items():
        assert (layer.version, layer.extent) == (2, EXTENT)
        for feature, expected in zip(layer.features, written[name], strict=True):
            assert feature.shape == expected.shape
            assert [tuple(part) for part in feature.parts] == list(expected.parts)
            assert feature.tags == dict(expected.tags)


@given(st.lists(points, min_size=2, max_size=12, unique=True))
@settings(max_examples=60, deadline=None)
def test_a_line_is_whole_over_its_tiles(line: list[Point]) -> None:
    pieces = list(cut(LINE, [line], 3))
    inside = [p for p in line if p[0] >= 0 and p[1] >= 0]
    for point in inside:
        column, row = point[0] // EXTENT, point[1] // EXTENT
        local = (point[0] - column * EXTENT, point[1] - row * EXTENT)
        assert any(local in part for tile, parts in pieces if tile == (3, column, row) for part in parts)
    for _, parts in pieces:
        assert all(-BUFFER <= value <= EXTENT + BUFFER for part in parts for point in part for value in point)


def test_a_large_area_fills_the_tiles_inside_it() -> None:
    ring = [(100, 100), (EXTENT * 9, 200), (EXTENT * 9 + 50, EXTENT * 8), (300, EXTENT * 8 + 99)]
    pieces = dict(cut(POLYGON, [ring], 5))
    assert len(pieces) == 90
    (whole,) = pieces[5, 4, 4]
    low, high = -BUFFER, EXTENT + BUFFER
    assert set(whole) == {(low, low), (high, low), (high, high), (low, high)}
    assert area(whole) > 0
    assert {tile[1] for tile in dict(cut(POLYGON, [ring], 5, (2, 3, 4, 5)))} == {2, 3, 4}


@given(st.lists(points, min_size=3, max_size=30), st.integers(0, 40))
@settings(max_examples=50, deadline=None)
def test_what_is_left_out_of_a_line_lies_near_it(line: list[Point], tolerance: int) -> None:
    kept = simplify(line, tolerance)
    assert (kept[0], kept[-1]) == (line[0], line[-1])
    for x, y in line:
        assert min(_off(x, y, a, b) for a, b in itertools.pairwise(kept)) <= tolerance + 1e-6


def _off(x: float, y: float, a: Point, b: Point) -> float:
    dx, dy = b[0] - a[0], b[1] - a[1]
    square = dx * dx + dy * dy
    part = min(1.0, max(0.0, ((x - a[0]) * dx + (y - a[1]) * dy) / square)) if square else 0.0
    return float(((x - a[0] - part * dx) ** 2 + (y - a[1] - part * dy) ** 2) ** 0.5)


# ── the sea ───────────────────────────────────────────────────────────────────────────────────────────────────────────

BOX = (0, 0, 1000, 1000)


def test_the_sea_lies_to_the_right_of_its_coast() -> None:
    ((ring,),) = coastline.sea([[(-50, 400), (500, 420), (1050, 400)]], BOX)
    assert {(1000, 1000), (0, 1000)} <= set(ring)
    assert area(ring) == pytest.approx(1000 * 590, rel=0.05)
    # The other way round the land is in the south.
    ((north,),) = coastline.sea([[(1050, 400), (500, 420), (-50, 400)]], BOX)
    assert area(north) == pytest.approx(1000 * 410, rel=0.05)


def test_pieces_of_coast_are_joined_and_islands_stay_land() -> None:
    island = [(500, 800), (500, 850), (550, 850), (550, 800), (500, 800)]
    pieces = [[(500, 420), (1050, 400)], [(-50, 400), (500, 420)], island]
    ((ring, hole),) = coastline.sea(pieces, BOX)
    assert area(ring) > 0 > area(hole)
    assert len(hole) == 4


def test_an_island_alone_is_in_open_sea_and_a_coast_cut_short_makes_none() -> None:
    island = [(500, 800), (500, 850), (550, 850), (550, 800), (500, 800)]
    ((ring, _),) = coastline.sea([island], BOX)
    assert area(ring) == 1_000_000
    assert coastline.sea([[(200, 400), (800, 400)]], BOX) == []
    assert coastline.sea([], BOX) == []


# ── an extract ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_rule_draws_what_it_names() -> None:
    assert {rule.layer for rule in rules()} >= {"water", "green", "built", "building", "road", "rail", "place", "spot"}


def test_roads_have_class_names_in_both_languages_and_number(tiles: TileFile) -> None:
    road = at(tiles, SOUTH + FAST_ROW * STEP, WEST + 6 * STEP)["road"]
    (fast,) = road.named(kind="motorway")
    assert fast.tags == {"kind": "motorway", "name": "港高速", "name_en": "Port Expressway", "ref": "E9"}
    assert {f.tags["name"] for f in road.named(kind="street")} >= {"東西2条", "東西3条"}
    assert not at(tiles, SOUTH, WEST, zoom=10)["road"].named(kind="street")
    assert at(tiles, SOUTH, WEST, zoom=6)["road"].named(kind="motorway")


def test_areas_keep_their_holes_and_are_named_in_their_middle(tiles: TileFile) -> None:
    found = at(tiles, 35.625, 139.625)
    (lake,) = found["water"].named(kind="lake")
    outer, hole = lake.parts
    assert area(outer) > 0 > area(hole)
    (name,) = found["spot"].named(name="輪湖")
    ((point,),) = name.parts
    for axis in (0, 1):
        assert min(p[axis] for p in outer) < point[axis] < max(p[axis] for p in outer)
    assert at(tiles, 35.6175, 139.6175)["spot"].named(name="中央公園", name_en="Central Park")


def test_land_is_north_of_the_coast(tiles: TileFile) -> None:
    south = at(tiles, 35.585, 139.615)["water"].named(kind="sea")
    assert south
    assert area(south[0].parts[0]) > 0.9 * EXTENT**2
    assert not at(tiles, 35.625, 139.605).get("water", ReadLayer()).named(kind="sea")


def test_the_small_is_left_out_where_it_would_not_be_seen(tiles: TileFile) -> None:
    assert at(tiles, 35.6102, 139.6032)["building"].features
    for zoom in range(FIRST_ZOOM, DETAIL):
        assert "building" not in at(tiles, 35.6102, 139.6032, zoom)
    assert "green" not in at(tiles, 35.6175, 139.6175, zoom=8)


def test_names_are_printable_and_an_exit_is_named_once(tiles: TileFile) -> None:
    spots = at(tiles, 35.612, 139.606)["spot"]
    (station,) = spots.named(kind="station")
    assert station.tags["name"].isprintable()
    assert station.tags["name_en"] == "Harbour"
    (city,) = at(tiles, 35.615, 139.612)["place"].named(kind="city")
    assert (city.tags["name"], city.tags["name_en"]) == ("港市", "Minato City")
    assert isinstance(city.tags["rank"], int)
    exits = [
        f
        for layers in (at(tiles, SOUTH + FAST_ROW * STEP, WEST + 6 * STEP),)
        for f in layers["spot"].named(kind="junction")
    ]
    assert len(exits) == 1


def test_the_file_is_mbtiles(tiles: TileFile) -> None:
    about = tiles.metadata()
    assert (about["format"], about["minzoom"], about["maxzoom"]) == ("pbf", str(FIRST_ZOOM), str(DETAIL))
    west, south, east, north = map(float, about["bounds"].split(","))
    assert (west, south) == (WEST, SOUTH)
    assert (east, north) == pytest.approx((BOUNDS[1].longitude, BOUNDS[1].latitude), abs=1e-5)
    assert tiles.tile(DETAIL, 0, 0) is None


def test_the_same_extract_gives_the_same_tiles(tmp_path: Path, tiles: TileFile) -> None:
    write_town(tmp_path / "town.osm.pbf")
    build_tiles(tmp_path / "town.osm.pbf", tmp_path / "again.mbtiles", name="港町", attribution="©", bounds=BOUNDS)
    rows = "SELECT * FROM tiles ORDER BY zoom_level, tile_column, tile_row"
    one, two = (sqlite3.connect(path).execute(rows).fetchall() for path in (tiles._path, tmp_path / "again.mbtiles"))
    assert one == two


def test_what_is_no_tile_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "broken").write_bytes(b"not a database, whatever it is called")
    with pytest.raises(sqlite3.Error):
        TileFile(tmp_path / "broken").tile(5, 0, 0)
