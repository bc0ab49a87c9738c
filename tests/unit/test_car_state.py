"""The car on the map: what is pushed, and what a hand on the map does; with real roads."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from agent.car_map import Foreseen
from agent.composition_map import open_car_map
from agent.web.car_state import CarState, _still
from agent.web.daylight import light, sun_elevation
from agent.web.routes_offered import rest_of, shared
from backends.model import Position, RouteRequest
from simulator.vehicle import JAPAN
from tests.map_town import CORNER, FAR, STEP, build_town
from tests.web_front import Front, open_front

pytestmark = pytest.mark.asyncio
TOKYO = Position(35.68, 139.77)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    build_town(home)
    return home


class Page:
    """One page's line, read by kind."""

    def __init__(self, ws: Any) -> None:
        self.ws = ws

    async def send(self, **message: Any) -> None:
        await self.ws.send_json(message)

    async def get(self, kind: str, fits: Any = lambda message: True) -> dict[str, Any]:
        """The next message of that kind that fits."""
        while True:
            message: dict[str, Any] = await self.ws.receive_json(timeout=20)
            if message["type"] == kind and fits(message):
                return message


@pytest_asyncio.fixture
async def front(home: Path) -> AsyncIterator[Front]:
    async with open_front(home) as front, open_car_map(front.gateway.system, deadline_s=60):
        front.gateway.system.simulation.vehicle.place(CORNER, 90)
        yield front


@asynccontextmanager
async def page(front: Front) -> AsyncIterator[Page]:
    async with front.client.ws_connect("/ws", origin=front.origin) as ws:
        yield Page(ws)


async def guide(front: Front, to: Position = FAR) -> None:
    system = front.gateway.system
    assert system.car_map is not None
    found = await system.car_map.roads.route(RouteRequest(system.simulation.vehicle.position, to))
    await system.simulation.navigation.set_route("喫茶みなと", found[0], to)


# ── what is pushed ────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_who_watches_is_told_where_the_car_is(front: Front) -> None:
    async with page(front) as one:
        await one.send(type="watch", hz=10)
        car = await one.get("car")
        assert (car["latitude"], car["longitude"], car["heading"]) == (CORNER.latitude, CORNER.longitude, 90)
        assert (car["guiding"], car["speed_kmh"], car["light"]) == (
            False,
            0,
            light(datetime.fromisoformat(car["time"]), CORNER),
        )
        assert (await one.get("route"))["routes"] == []
        assert (await one.get("traffic")) == {"type": "traffic", "known": True, "events": []}
        assert (await one.get("prediction"))["p"] == 0
        front.gateway.system.simulation.vehicle.place(Position(35.61, 139.61))
        assert (await one.get("car"))["latitude"] == 35.61


async def test_what_has_not_changed_is_not_told_again() -> None:
    told: list[Mapping[str, Any]] = []

    async def send(message: Mapping[str, Any]) -> None:
        told.append(message)

    state = CarState.__new__(CarState)
    state._shown, state._send = {}, send
    car = {"type": "car", "time": "2026-11-26T21:05:01+09:00", "latitude": 35.0}
    for second in ("01", "02", "59"):
        await state._tell("car", car | {"time": f"2026-11-26T21:05:{second}+09:00"}, _still)
    assert len(told) == 1
    await state._tell("car", car | {"time": "2026-11-26T21:06:00+09:00"}, _still)
    await state._tell("car", car | {"time": "2026-11-26T21:06:00+09:00", "latitude": 35.1}, _still)
    assert len(told) == 3


async def test_the_route_comes_with_its_line_and_other_ways(front: Front) -> None:
    async with page(front) as one:
        await one.send(type="watch", hz=10)
        await one.get("car")
        await guide(front)
        # A car that stands is told once.
        car = await one.get("car", lambda m: m["guiding"])
        message = await one.get("route", lambda m: len(m["routes"]) > 1)
        chosen, *others = message["routes"]
        assert chosen["chosen"]
        assert not any(other["chosen"] for other in others)
        assert chosen["name"] == "港高速"
        assert message["destination"] == {"name": "喫茶みなと", "at": [FAR.longitude, FAR.latitude]}
        assert chosen["line"][0] == pytest.approx([CORNER.longitude, CORNER.latitude], abs=2e-3)
        assert all(other["duration_s"] > 0 and len(other["line"]) > 1 for other in others)
        assert (car["destination"], car["along_m"]) == ("喫茶みなと", 0)
        assert car["remaining_m"] == pytest.approx(chosen["length_m"], rel=0.05)
        assert car["next"]["in_m"] > 0


async def test_the_car_drives_along_the_line_and_arrives(front: Front) -> None:
    system = front.gateway.system
    async with page(front) as one:
        await one.send(type="watch", hz=10)
        await guide(front)
        await one.get("car", lambda m: m["guiding"])
        # In the model's own time: nothing here waits for a clock.
        far = 0.0
        for _ in range(200):
            system.simulation.vehicle.step(5)
            if not system.simulation.navigation.now()["guiding"]:
                break
            assert system.simulation.vehicle.along >= far
            far = system.simulation.vehicle.along
        assert far > 1000
        car = await one.get("car", lambda m: not m["guiding"])
        assert Position(car["latitude"], car["longitude"]).distance_to(FAR) < 60
        assert await one.get("route", lambda m: m["routes"] == [])


async def test_traffic_on_the_route_and_near_it(front: Front) -> None:
    system = front.gateway.system
    await guide(front)
    route = system.simulation.navigation.now()["route"].geometry  # type: ignore[attr-defined]
    system.simulation.world.place_on_route(
        "jam", route, "港高速", "Port Expressway", from_m=300, length_m=800, delay_s=600
    )
    system.simulation.world.place_event("accident", [Position(35.625, 139.625)], "東西10条")
    async with page(front) as one:
        await one.send(type="watch", hz=10)
        events = {event["kind"]: event for event in (await one.get("traffic"))["events"]}
        assert events["jam"]["on_route"]
        assert not events["accident"]["on_route"]
        assert (events["jam"]["road"], events["jam"]["road_en"], events["jam"]["delay_s"]) == (
            "港高速",
            "Port Expressway",
            600,
        )
        assert len(events["jam"]["line"]) > 1
        assert len(events["accident"]["line"]) == 1


async def test_without_the_network_traffic_is_not_known(front: Front) -> None:
    front.gateway.system.simulation.world.network_lost = True
    async with page(front) as one:
        await one.send(type="watch", hz=10)
        assert (await one.get("traffic"))["known"] is False


async def test_what_agentplus_foresees_until_a_destination_is_set(front: Front) -> None:
    system = front.gateway.system
    assert system.car_map is not None
    found = await system.car_map.roads.route(RouteRequest(CORNER, FAR))
    system.car_map.foreseen = lambda language: Foreseen("会社" if language == "ja" else "work", FAR, found[0], 0.72)
    async with page(front) as one:
        await one.send(type="watch", hz=10)
        guess = await one.get("prediction", lambda m: m["p"] > 0)
        assert (guess["name"], guess["p"]) == ("会社", 0.72)
        assert len(guess["line"]) == len(found[0].geometry)
        await guide(front)
        assert (await one.get("prediction", lambda m: m["p"] == 0))["line"] == []


# ── a hand on the map ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_another_way_is_taken_from_where_the_car_is(front: Front) -> None:
    simulation = front.gateway.system.simulation
    async with page(front) as one:
        await one.send(type="watch", hz=10)
        await guide(front)
        message = await one.get("route", lambda m: len(m["routes"]) > 1)
        other = message["routes"][1]
        await one.send(type="choose_route", id=other["id"])
        taken = await one.get("route", lambda m: m["routes"] and m["routes"][0]["id"] != message["routes"][0]["id"])
        assert taken["routes"][0]["line"] == other["line"]
        assert simulation.navigation.now()["name"] == "喫茶みなと"
        await one.send(type="choose_route", id=other["id"], language="en")
        assert (await one.get("refused"))["reason"] == "That route can't be chosen any more."


async def test_the_car_is_put_on_the_nearest_road_and_still_guided(front: Front) -> None:
    simulation = front.gateway.system.simulation
    await guide(front)
    async with page(front) as one:
        await one.send(
            type="place_car", latitude=CORNER.latitude + 5 * STEP + 0.0004, longitude=CORNER.longitude + 0.4 * STEP
        )
        await one.get("car")
        here = simulation.vehicle.position
        assert here.latitude == pytest.approx(CORNER.latitude + 5 * STEP, abs=1e-5)
        assert simulation.navigation.now()["guiding"]
        assert simulation.navigation.now()["route"].geometry[0].distance_to(here) < 30  # type: ignore[attr-defined]
        before = here
        await one.send(type="place_car", latitude=36.5, longitude=140.5, language="en")
        assert (await one.get("refused")) == {
            "type": "refused",
            "reason": "There is no road there to put the car on.",
            "of": "map",
        }
        assert simulation.vehicle.position == before


async def test_a_point_is_gone_to_by_the_name_of_what_is_there(front: Front) -> None:
    simulation = front.gateway.system.simulation
    async with page(front) as one:
        await one.send(type="watch", hz=10)
        await one.send(type="go_to", latitude=FAR.latitude, longitude=FAR.longitude, language="en")
        assert (await one.get("route", lambda m: m["routes"]))["destination"]["name"] == "Cafe Minato"
        await one.send(type="go_to", latitude=35.625, longitude=139.605, name="<b>家\u0007")
        assert await one.get("route", lambda m: m.get("destination", {}).get("name") == "b家")
        await one.send(type="go_to", latitude=35.6, longitude=139.625)
        assert await one.get("route", lambda m: m.get("destination", {}).get("name") == "地図の地点")
        await one.send(type="go_to", latitude=10, longitude=10)
        assert (await one.get("refused"))["reason"] == "そこへの道が見つかりません。"
        await one.send(type="end_guidance")
        assert await one.get("route", lambda m: not m["routes"])
        assert not simulation.navigation.now()["guiding"]


@pytest.mark.parametrize(
    "message",
    [
        {"type": "watch"}, {"type": "watch", "hz": 1000}, {"type": "watch", "hz": True}, {"type": "watch", "hz": "10"},
        {"type": "place_car", "latitude": 91, "longitude": 0}, {"type": "place_car", "latitude": "35", "longitude": 139},
        {"type": "place_car", "latitude": 35, "longitude": 139, "heading": "north"}, {"type": "go_to", "latitude": 35},
        {"type": "go_to", "latitude": 35, "longitude": 139, "name": ["x"]}, {"type": "choose_route", "id": 3}, {"type": "choose_route"},
    ],
)  # fmt: skip
async def test_what_is_not_as_the_protocol_says_is_refused(front: Front, message: dict[str, Any]) -> None:
    async with page(front) as one:
        await one.send(**message)
        assert (await one.get("refused"))["reason"] == "unknown message"


async def test_without_roads_the_hand_is_told(tmp_path: Path) -> None:
    async with open_front(tmp_path) as front, page(front) as one:
        await one.send(type="watch", hz=10)
        assert (await one.get("traffic"))["known"] is False
        await one.send(type="go_to", latitude=35, longitude=139, language="en")
        assert (await one.get("refused"))["reason"] == "I can't find a way there."


# ── pieces ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_is_left_of_a_route_is_a_route(front: Front) -> None:
    car_map = front.gateway.system.car_map
    assert car_map is not None
    (route,) = await car_map.roads.route(RouteRequest(CORNER, FAR))
    length = sum(a.distance_to(b) for a, b in zip(route.geometry, route.geometry[1:], strict=False))
    for along in (0.0, 10.0, length / 3, length / 2, length - 5):
        rest = rest_of(route, along)
        left = sum(a.distance_to(b) for a, b in zip(rest.geometry, rest.geometry[1:], strict=False))
        assert left == pytest.approx(length - along, abs=1)
        assert rest.geometry[-1] == route.geometry[-1]
        assert rest.duration_s <= route.duration_s + 1
        assert all(0 <= m.begin_index < len(rest.geometry) for m in rest.maneuvers)
        assert rest.maneuvers[-1].kind == route.maneuvers[-1].kind
    assert shared(route.geometry, route.geometry) == 1
    aside = tuple(Position(p.latitude + 0.02, p.longitude) for p in route.geometry)
    assert shared(aside, route.geometry) == 0


@pytest.mark.parametrize(
    ("day", "rises", "sets"),
    [("2026-06-21", "04:25", "19:00"), ("2026-12-22", "06:47", "16:32"), ("2026-03-21", "05:44", "17:53")],
)
async def test_the_sun_rises_and_sets_as_the_almanac_says(day: str, rises: str, sets: str) -> None:
    for time in (rises, sets):
        at = datetime.fromisoformat(f"{day}T{time}").replace(tzinfo=JAPAN)
        assert sun_elevation(at, TOKYO) == pytest.approx(-0.85, abs=0.35)
        noonwards = timedelta(hours=1) if time == rises else timedelta(hours=-1)
        assert (light(at + noonwards, TOKYO), light(at - noonwards, TOKYO)) == ("day", "night")
