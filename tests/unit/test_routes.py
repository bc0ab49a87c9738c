"""Routes on Valhalla: real tiles of a town made here, answers of a server replayed, a route walked by distance."""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import osmium
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st
from osmium.osm.mutable import Node, Way

from backends.errors import BackendTimeout, BackendUnavailable, BadAnswer, NoMap, NotFound
from backends.maps import build_map
from backends.model import Maneuver, Position, Route, RouteRequest
from backends.routes import (
    RoadNames,
    RouteLine,
    ValhallaHttpRoutes,
    ValhallaRoutes,
    decode_polyline6,
    open_actor,
    position_along,
    remaining,
    request_body,
)

SIZE = 21


def corner(i: int, j: int) -> Position:
    return Position(round(35.60 + 0.0018 * j, 7), round(139.60 + 0.0022 * i, 7))


HOME, OFFICE = corner(1, 10), corner(19, 10)


@pytest.fixture(scope="session")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """4 km × 4 km of streets; a tolled expressway runs through the middle, an island lies apart in the south."""
    home = tmp_path_factory.mktemp("town")
    pbf = home / "town.osm.pbf"
    nodes: list[Node] = []
    ways: list[Way] = []

    def add_node(position: Position) -> int:
        nodes.append(Node(id=len(nodes) + 1, version=1, location=(position.longitude, position.latitude), tags={}))
        return len(nodes)

    def add_way(refs: list[int], **tags: str) -> None:
        ways.append(
            Way(id=len(ways) + 1, version=1, nodes=refs, tags={k.replace("__", ":"): v for k, v in tags.items()})
        )

    lattice = {(i, j): add_node(corner(i, j)) for i in range(SIZE) for j in range(SIZE)}
    for k in range(SIZE):
        name = (
            {"name": "本町通り", "name__en": "Honcho Street"}
            if k == 5
            else {"name": f"{k}条通り", "name__en": f"Street {k}"}
        )
        add_way(
            [lattice[i, k] for i in range(SIZE)],
            highway="secondary" if k in (5, 15) else "residential",
            maxspeed="40",
            **name,
        )
        add_way(
            [lattice[k, j] for j in range(SIZE)],
            highway="residential",
            maxspeed="30",
            name=f"西{k}丁目",
            name__en=f"West {k}",
        )
    expressway = [add_node(Position(corner(i, 10).latitude + 0.0009, corner(i, 10).longitude)) for i in range(2, 19)]
    fast = {
        "highway": "motorway",
        "name": "中央高速",
        "name__en": "Central Expressway",
        "ref": "E1",
        "toll": "yes",
        "oneway": "yes",
        "maxspeed": "100",
    }
    add_way(expressway, **fast)
    back = [add_node(Position(corner(i, 10).latitude + 0.0011, corner(i, 10).longitude)) for i in range(18, 1, -1)]
    add_way(back, **fast)
    for at, (i, j) in ((0, (2, 10)), (-1, (18, 10))):
        add_way([lattice[i, j], expressway[at]], highway="motorway_link", toll="yes")
        add_way([back[-1 if at == 0 else 0], lattice[i, j]], highway="motorway_link", toll="yes")
    island = [add_node(Position(35.58, 139.60 + 0.001 * k)) for k in range(60)]
    for a, b in itertools.pairwise(island):
        add_way([a, b], highway="residential")
    with osmium.SimpleWriter(str(pbf)) as writer:
        for node in nodes:
            writer.add_node(node)
        for way in ways:
            writer.add_way(way)
    build_map(pbf, home, name="town", name_ja="町", places=[])
    return home / "maps" / "town" / "tiles"


@pytest.fixture
async def routes(tiles: Path) -> AsyncIterator[ValhallaRoutes]:
    adapter = ValhallaRoutes(tiles, deadline_s=10)
    yield adapter
    await adapter.close()


async def test_the_expressway_is_the_fastest(routes: ValhallaRoutes) -> None:
    (route,) = await routes.route(RouteRequest(HOME, OFFICE))
    assert route.has_toll
    assert route.has_highway
    assert route.via == "中央高速"
    assert route.distance_m == pytest.approx(HOME.distance_to(OFFICE), rel=0.25)
    assert route.geometry[0].distance_to(HOME) < 50
    assert route.geometry[-1].distance_to(OFFICE) < 50
    assert sum(m.distance_m for m in route.maneuvers) == pytest.approx(route.distance_m, abs=20)
    assert sum(m.duration_s for m in route.maneuvers) == pytest.approx(route.duration_s, abs=2)
    assert route.maneuvers[-1].kind.startswith("destination")
    assert all(route.geometry[m.begin_index] == m.position for m in route.maneuvers)


async def test_alternatives_have_names_of_their_own(routes: ValhallaRoutes) -> None:
    found = await routes.route(RouteRequest(corner(1, 2), corner(19, 17), alternatives=2, avoid_tolls=True))
    assert 2 <= len(found) <= 3
    assert found[0].duration_s <= 1.2 * min(route.duration_s for route in found)  # best by cost: turns count, too
    vias = [route.via for route in found]
    assert None not in vias
    assert len(set(vias)) == len(vias)


@pytest.mark.parametrize("wish", [{"avoid_tolls": True}, {"avoid_highways": True}])
async def test_tolls_and_highways_are_avoided(routes: ValhallaRoutes, wish: dict[str, bool]) -> None:
    fast, slow = (
        (await routes.route(RouteRequest(HOME, OFFICE)))[0],
        (await routes.route(RouteRequest(HOME, OFFICE, **wish)))[0],
    )
    assert not slow.has_toll
    assert slow.duration_s > fast.duration_s


async def test_shortest_is_no_longer_than_fastest(routes: ValhallaRoutes) -> None:
    a, b = corner(1, 9), corner(19, 14)
    (fastest,) = await routes.route(RouteRequest(a, b))
    (shortest,) = await routes.route(RouteRequest(a, b, shortest=True))
    assert shortest.distance_m <= fastest.distance_m


async def test_waypoints_are_passed_and_legs_joined(routes: ValhallaRoutes) -> None:
    detour = corner(10, 18)
    (route,) = await routes.route(RouteRequest(HOME, OFFICE, waypoints=(detour,), alternatives=2))
    assert min(point.distance_to(detour) for point in route.geometry) < 30
    assert [m.kind.split("_")[0] for m in route.maneuvers].count("destination") == 2
    assert all(a != b for a, b in zip(route.geometry, route.geometry[1:], strict=False))
    assert all(route.geometry[m.begin_index] == m.position for m in route.maneuvers)


async def test_a_closed_point_is_not_passed(routes: ValhallaRoutes) -> None:
    (before,) = await routes.route(RouteRequest(HOME, OFFICE))
    closed = RouteLine(before).position_at(before.distance_m / 2)
    (after,) = await routes.route(RouteRequest(HOME, OFFICE, exclude=(closed,)))
    assert RouteLine(after).project(closed)[1] > 50


async def test_a_car_under_way_starts_in_its_heading(routes: ValhallaRoutes) -> None:
    start = Position(corner(10, 5).latitude, (corner(10, 5).longitude + corner(11, 5).longitude) / 2)
    for heading, sign in ((90.0, 1), (270.0, -1)):
        (route,) = await routes.route(RouteRequest(start, corner(10, 18), heading=heading))
        assert math.copysign(1, route.geometry[1].longitude - route.geometry[0].longitude) == sign


async def test_guidance_speaks_both_languages(routes: ValhallaRoutes) -> None:
    (ja,) = await routes.route(RouteRequest(HOME, OFFICE, language="ja"))
    (en,) = await routes.route(RouteRequest(HOME, OFFICE, language="en"))
    assert en.via == "Central Expressway"
    assert "です" in ja.maneuvers[0].instruction
    assert all(m.instruction.isascii() for m in en.maneuvers)
    assert not any("/" in m.instruction for m in (*ja.maneuvers, *en.maneuvers))
    assert "Central Expressway" in {m.street for m in en.maneuvers}
    assert [m.kind for m in ja.maneuvers] == [m.kind for m in en.maneuvers]


async def test_a_place_only_a_toll_road_leads_to_is_still_reached(routes: ValhallaRoutes) -> None:
    on_the_expressway = Position(corner(10, 10).latitude + 0.0009, corner(10, 10).longitude + 0.0003)
    (route,) = await routes.route(RouteRequest(HOME, on_the_expressway, avoid_tolls=True))
    assert route.geometry[-1].distance_to(on_the_expressway) < 150


@pytest.mark.parametrize("far", [Position(34.70, 135.50), Position(35.75, 139.62), Position(-40.0, -70.0)])
async def test_outside_the_map(routes: ValhallaRoutes, far: Position) -> None:
    with pytest.raises(NoMap):
        await routes.route(RouteRequest(HOME, far))
    with pytest.raises(NoMap):
        await routes.route(RouteRequest(far, HOME))


async def test_no_road_leads_to_the_island(routes: ValhallaRoutes) -> None:
    with pytest.raises(NotFound):
        await routes.route(RouteRequest(HOME, Position(35.58, 139.63)))


async def test_a_map_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BackendUnavailable):
        await ValhallaRoutes(tmp_path / "none").route(RouteRequest(HOME, OFFICE))
    (tmp_path / "tiles").mkdir()
    with pytest.raises(NoMap):
        await ValhallaRoutes(tmp_path / "tiles").route(RouteRequest(HOME, OFFICE))


async def test_the_deadline_is_kept_and_the_next_request_works(tiles: Path) -> None:
    routes = ValhallaRoutes(tiles, deadline_s=0.2)
    release = threading.Event()
    busy = routes._pool.submit(release.wait, 30)  # the one worker is held up by an earlier request
    with pytest.raises(BackendTimeout):
        await routes.route(RouteRequest(HOME, OFFICE))
    release.set()
    busy.result()
    routes._deadline_s = 10.0
    assert await routes.route(RouteRequest(HOME, OFFICE))
    await routes.close()


async def test_requests_at_once(tiles: Path) -> None:
    routes = ValhallaRoutes(tiles, deadline_s=20, workers=2)
    wishes = [RouteRequest(corner(k % SIZE, 3), corner((k * 7) % SIZE, 17)) for k in range(24)]
    found = await asyncio.gather(*(routes.route(wish) for wish in wishes))
    again = await asyncio.gather(*(routes.route(wish) for wish in wishes))
    assert found == again
    await routes.close()


# --- a farm of servers -------------------------------------------------------------------------------------------

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def serve(handler: Handler) -> TestServer:
    app = web.Application()
    app.router.add_post("/route", handler)
    server = TestServer(app)
    await server.start_server()
    return server


async def test_http_answers_as_in_process(tiles: Path) -> None:
    """The server replays what Valhalla itself answers to the body it receives."""
    actor = open_actor(tiles)
    bodies: list[dict[str, Any]] = []

    async def valhalla(request: web.Request) -> web.Response:
        bodies.append(await request.json())
        return web.Response(text=actor.route(json.dumps(bodies[-1])), content_type="application/json")

    server = await serve(valhalla)
    near, far = (
        ValhallaRoutes(tiles, deadline_s=10),
        ValhallaHttpRoutes(str(server.make_url("/")), names=RoadNames.beside(tiles)),
    )
    wish = RouteRequest(HOME, OFFICE, alternatives=2, language="en", avoid_tolls=True)
    assert await far.route(wish) == await near.route(wish)
    assert bodies == [request_body(wish, without_tolls=True)]
    await asyncio.gather(far.close(), near.close(), server.close())


@pytest.mark.parametrize(
    ("status", "text", "error"),
    [
        (400, '{"error_code":171,"error":"No suitable edges near location","status_code":400}', NoMap),
        (400, '{"error_code":442,"error":"No path could be found for input","status_code":400}', NotFound),
        (400, '{"error_code":170,"error":"Locations are in unconnected regions","status_code":400}', NotFound),
        (400, '{"error_code":110,"error":"Insufficiently specified required parameter","status_code":400}', BadAnswer),
        (502, "<html>Bad Gateway</html>", BackendUnavailable),
        (503, '{"error":"shutting down"}', BackendUnavailable),
        (200, "<html>hello</html>", BadAnswer),
        (200, "[]", BadAnswer),
        (200, '{"trip":{"legs":[{}]}}', BadAnswer),
        (200, '{"trip":{"legs":[{"shape":"\\u0001","maneuvers":[]}],"summary":{"length":1,"time":1}}}', BadAnswer),
        (
            200,
            '{"trip":{"legs":[{"shape":"","maneuvers":[{"type":1,"begin_shape_index":4}]}],"summary":{}}}',
            BadAnswer,
        ),
    ],
)
async def test_http_refusals_and_nonsense(status: int, text: str, error: type[Exception]) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, text=text)

    server = await serve(answer)
    routes = ValhallaHttpRoutes(str(server.make_url("/")))
    with pytest.raises(error):
        await routes.route(RouteRequest(HOME, OFFICE))
    await asyncio.gather(routes.close(), server.close())


async def test_http_that_never_answers() -> None:
    async def hang(request: web.Request) -> web.Response:
        await asyncio.sleep(30)
        return web.Response()

    server = await serve(hang)
    routes = ValhallaHttpRoutes(str(server.make_url("/")), deadline_s=0.1)
    with pytest.raises(BackendTimeout):
        await routes.route(RouteRequest(HOME, OFFICE))
    await routes.close()
    await server.close()
    with pytest.raises(BackendUnavailable):  # nobody listens there any more
        await routes.route(RouteRequest(HOME, OFFICE))
    await routes.close()


# --- walking a route ---------------------------------------------------------------------------------------------


def straight() -> Route:
    """1 km east in 60 s, then 1 km north in 120 s."""
    a, b, c = Position(35.0, 139.0), Position(35.0, 139.010978), Position(35.0089932, 139.010978)
    maneuvers = (
        Maneuver("東へ", a, 0, 1000, 60, "start"),
        Maneuver("左へ", b, 1, 1000, 120, "left"),
        Maneuver("到着", c, 2, 0, 0, "destination"),
    )
    return Route((a, b, c), 2000, 180, maneuvers)


def test_the_way_along() -> None:
    route = straight()
    assert position_along(route, -5) == route.geometry[0]
    assert position_along(route, 99_999) == route.geometry[-1]
    middle = position_along(route, 500)
    assert middle.latitude == pytest.approx(35.0)
    assert middle.longitude == pytest.approx(139.005489, abs=1e-5)


def test_what_remains() -> None:
    route = straight()
    metres, seconds = remaining(route, position_along(route, 1500))
    assert metres == pytest.approx(500, abs=2)
    assert seconds == pytest.approx(60, abs=1)  # the slow half of the second kilometre
    assert remaining(route, route.geometry[0]) == (pytest.approx(2000, abs=1), pytest.approx(180, abs=1))
    assert remaining(route, route.geometry[-1]) == (pytest.approx(0, abs=1), pytest.approx(0, abs=1))


def test_a_route_of_one_point() -> None:
    here = Position(35.0, 139.0)
    route = Route((here,), 0, 0, ())
    assert position_along(route, 10) == here
    assert remaining(route, here) == (0, 0)
    assert RouteLine(route).heading_at(0) == 0


def test_a_crossing_passed_twice() -> None:
    a, b, c, d = Position(35.0, 139.0), Position(35.0, 139.01), Position(35.005, 139.005), Position(34.995, 139.005)
    route = Route((a, b, c, d), 3000, 300, (Maneuver("", a, 0, 3000, 300, "start"),))
    line = RouteLine(route)
    crossing = Position(35.0, 139.005)
    first, _ = line.project(crossing)
    second, off = line.project(crossing, after_m=first + 300)
    assert second > first + 300
    assert off < 5


@given(st.floats(0, 2000))
def test_time_and_way_are_inverse(metres: float) -> None:
    line = RouteLine(straight())
    assert line.metres_at(line.seconds_at(metres)) == pytest.approx(metres, abs=0.5)
    along, off = line.project(line.position_at(metres))
    assert off < 0.5
    assert along == pytest.approx(metres, abs=1)


def test_polylines() -> None:
    assert decode_polyline6("_izlhA~rlgdF_{geC~ywl@_kwzCn`{nI") == [
        Position(38.5, -120.2),
        Position(40.7, -120.95),
        Position(43.252, -126.453),
    ]
    for broken in ("_izlhA~rlgdF_", "\x01", "_izlhA"):
        with pytest.raises(ValueError, match="polyline"):
            decode_polyline6(broken)
