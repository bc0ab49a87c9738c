"""The demo region, on a small part of it: a square of Tokyo round Shibuya and Meguro."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from backends.maps import current
from backends.model import Place, Position, RouteRequest
from backends.routes import ValhallaRoutes
from simulator.region.build import GENRES, SEED, build_demo_region, kinds_of_genres
from simulator.region.facts import Box, Facts, load_facts, metres
from simulator.region.roads import SAGAMI_BAY, TOKYO_BAY, Network, generate, write_pbf
from simulator.region.scenery import Scenery, generate_scenery
from simulator.region.venues import generate_places, load_styles

SMALL = Box(south=35.620, west=139.680, north=35.672, east=139.745)


@pytest.fixture(scope="module")
def facts() -> Facts:
    return load_facts(SMALL)


@pytest.fixture(scope="module")
def network(facts: Facts) -> Network:
    return generate(facts, SEED)


@pytest.fixture(scope="module")
def places(facts: Facts, network: Network) -> list[Place]:
    return list(generate_places(facts, network, load_styles(kinds_of_genres(GENRES).__getitem__), SEED))


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data_dir = tmp_path_factory.mktemp("home")
    build_demo_region(data_dir, box=SMALL)
    return data_dir


def test_stations_are_read_once_each_with_their_reading(facts: Facts) -> None:
    shibuya = [station for station in facts.stations if station.name == "渋谷"]
    assert len(shibuya) == 1
    assert (shibuya[0].reading, shibuya[0].name_en, shibuya[0].city) == ("シブヤ", "Shibuya", "渋谷区")
    assert shibuya[0].lines >= 8
    assert {s.name: s.reading for s in facts.stations}["表参道"] == "オモテサンドウ"


def test_expressways_are_cut_at_the_edge_of_the_box(facts: Facts) -> None:
    points = {road.name: [point.name for point in road.points] for road in facts.expressways}
    assert points["首都高速3号渋谷線"] == ["谷町", "高樹町", "渋谷", "大橋"]
    assert "東名高速道路" not in points


def test_the_network_is_one_piece(network: Network) -> None:
    neighbours: dict[int, set[int]] = {}
    for way in network.ways:
        for a, b in zip(way.nodes, way.nodes[1:], strict=False):
            neighbours.setdefault(a, set()).add(b)
            neighbours.setdefault(b, set()).add(a)
    reached, todo = set(), [next(iter(neighbours))]
    while todo:
        node = todo.pop()
        if node not in reached:
            reached.add(node)
            todo += neighbours[node] - reached
    assert len(reached) >= 0.995 * len(neighbours)


def test_the_same_facts_give_the_same_files(facts: Facts, network: Network, tmp_path: Path) -> None:
    write_pbf(network, tmp_path / "one.osm.pbf")
    write_pbf(generate(facts, SEED), tmp_path / "two.osm.pbf")
    assert (tmp_path / "one.osm.pbf").read_bytes() == (tmp_path / "two.osm.pbf").read_bytes()
    styles = load_styles(kinds_of_genres(GENRES).__getitem__)
    assert list(generate_places(facts, network, styles, SEED)) == list(generate_places(facts, network, styles, SEED))


def test_every_place_lies_within_150_m_of_a_road(network: Network, places: list[Place]) -> None:
    far = [(place.name, round(distance)) for place in places if (distance := _to_road(network, place.position)) > 150]
    assert far == []


def test_places_carry_what_a_driver_asks_for(places: list[Place]) -> None:
    assert len({place.id for place in places}) == len(places)
    assert all(place.name_kana and place.name_en and place.city and place.prefecture for place in places)
    diners = [place for place in places if place.kind == "restaurant"]
    assert len(diners) > 100
    for place in diners:
        assert place.demo
        assert place.hours is not None
        assert place.rating is not None
        assert place.budget_yen is not None
        assert place.phone is not None
        assert "-0000-" in place.phone
    assert any(place.parking and place.parking.fee == "free" for place in diners)
    assert any(place.has_parking is False for place in diners)
    assert any(place.parking and place.parking.vacancy for place in places if place.kind == "parking")
    assert any(place.charging_kw for place in places if place.kind == "charging")


def test_real_names_are_not_called_invented(places: list[Place]) -> None:
    station = next(place for place in places if place.name == "渋谷駅")
    assert (station.demo, station.demo_attributes) == (False, False)
    sight = next(place for place in places if place.name == "渋谷ヒカリエ")
    assert (sight.demo, sight.demo_attributes) == (False, True)


def test_kana_is_katakana(places: list[Place]) -> None:
    odd = [place.name_kana for place in places if not set(place.name_kana or "") <= KATAKANA]
    assert odd == []


KATAKANA = {chr(code) for code in range(0x30A1, 0x30FD)} | set(" ー・0123456789")


def test_every_style_names_a_genre_of_the_inventory() -> None:
    styles = load_styles(kinds_of_genres(GENRES).__getitem__)  # KeyError for a genre the inventory does not have
    counts = Counter(style.genre for style in styles if style.genre)
    assert set(counts.values()) == {1}
    assert len(counts) >= 100


def test_the_tables_name_known_stations_and_genres() -> None:
    facts = load_facts()
    assert facts.unknown_via == ()
    genres = kinds_of_genres(GENRES)
    unknown = {genre for landmark in facts.landmarks for genre in landmark.genres if genre not in genres}
    assert unknown == set()
    assert len(facts.stations) > 1_300
    assert len(facts.landmarks) > 250
    assert sum(len(road.points) for road in facts.expressways) > 300


async def test_the_map_is_driven_on(data_dir: Path) -> None:
    installed = current(data_dir)
    assert installed is not None
    assert installed.info.demo
    assert installed.info.places > 300
    assert installed.places_path.is_file()
    routes = ValhallaRoutes(installed.tiles_path, deadline_s=10)
    try:
        shibuya, shinagawa = Position(35.6589, 139.7015), Position(35.6285, 139.7387)
        best, *others = await routes.route(RouteRequest(shibuya, shinagawa, alternatives=2))
        (free,) = await routes.route(RouteRequest(shibuya, shinagawa, avoid_tolls=True))
    finally:
        await routes.close()
    assert 4_000 < best.distance_m < 9_000
    assert 5 * 60 < best.duration_s < 40 * 60
    assert not free.has_toll
    vias = [route.via for route in (best, *others)]
    assert len(set(vias)) == len(vias)


def _to_road(network: Network, position: Position) -> float:
    """Metres to the nearest piece of road."""
    x, y = metres(position, network.origin)
    return min(
        (_off(x, y, a, b) for way in network.ways for a, b in _pieces(network, way.nodes) if _near(x, y, a, b)),
        default=math.inf,
    )


def _pieces(network: Network, nodes: tuple[int, ...]) -> Iterator[tuple[tuple[float, float], tuple[float, float]]]:
    points = [network.point(node) for node in nodes]
    return itertools.pairwise(points)


def _near(x: float, y: float, a: tuple[float, float], b: tuple[float, float]) -> bool:
    return min(a[0], b[0]) - 200 < x < max(a[0], b[0]) + 200 and min(a[1], b[1]) - 200 < y < max(a[1], b[1]) + 200


def _off(x: float, y: float, a: tuple[float, float], b: tuple[float, float]) -> float:
    dx, dy = b[0] - a[0], b[1] - a[1]
    square = dx * dx + dy * dy
    part = min(1.0, max(0.0, ((x - a[0]) * dx + (y - a[1]) * dy) / square)) if square else 0.0
    return math.hypot(a[0] + part * dx - x, a[1] + part * dy - y)


# ── what is drawn and not driven on ───────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def scenery(facts: Facts) -> Scenery:
    return generate_scenery(facts, (TOKYO_BAY, SAGAMI_BAY), SEED)


def test_scenery_leaves_the_roads_as_they_are(network: Network, scenery: Scenery, tmp_path: Path) -> None:
    import osmium

    write_pbf(network, tmp_path / "bare.osm.pbf")
    write_pbf(network, tmp_path / "painted.osm.pbf", scenery)
    ways: list[dict[int, tuple[int, ...]]] = []
    for name in ("bare", "painted"):
        file = osmium.FileProcessor(str(tmp_path / f"{name}.osm.pbf"), osmium.osm.WAY)
        ways.append({way.id: tuple(node.ref for node in way.nodes) for way in file})
    bare, painted = ways
    assert painted.items() >= bare.items()
    assert len(painted) == len(bare) + len(scenery.ways)


def test_scenery_is_the_same_every_time(facts: Facts, scenery: Scenery) -> None:
    assert generate_scenery(facts, (TOKYO_BAY, SAGAMI_BAY), SEED) == scenery


def test_no_station_lies_in_the_sea_and_the_bays_do(scenery: Scenery, facts: Facts) -> None:
    (shore,) = [line for line, tags in scenery.ways if tags.get("natural") == "bay"]
    ring = [(point.longitude, point.latitude) for point in shore]
    assert all(_within(station.position, ring) is False for station in facts.stations)
    for latitude, longitude in ((35.55, 139.87), (35.20, 139.35), (35.05, 139.65)):
        assert _within(Position(latitude, longitude), ring)
    for latitude, longitude in ((35.69, 139.75), (35.45, 139.60), (35.25, 139.67), (35.40, 140.10), (35.33, 139.35)):
        assert not _within(Position(latitude, longitude), ring)


def test_what_is_named_has_both_languages(scenery: Scenery) -> None:
    named = [tags for _, tags in (*scenery.spots, *scenery.ways) if "name" in tags and "railway" not in tags]
    assert named
    assert [tags for tags in named if not tags.get("name:en")] == []
    assert any(tags.get("place") == "city" and tags["name"] == "渋谷区" for tags in named)


def _within(position: Position, ring: list[tuple[float, float]]) -> bool:
    x, y, inside = position.longitude, position.latitude, False
    for (ax, ay), (bx, by) in zip(ring, (*ring[1:], ring[0]), strict=True):
        if (ay > y) != (by > y) and x < ax + (y - ay) / (by - ay) * (bx - ax):
            inside = not inside
    return inside
