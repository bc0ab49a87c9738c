"""Guidance in simulated time: what remains, what is announced, what survives a restart."""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.errors import Rejected
from backends.model import Position, Route
from backends.navigation import (
    Guidance,
    NavigationEvent,
    decode_polyline,
    encode_polyline,
    route_from_json,
    route_to_json,
)
from simulator.navigation import SimulatedNavigation
from simulator.vehicle import SimulatedClock, SimulatedVehicle
from tests.fakes_car import NOON, TOKYO, car, straight_route

POSITIONS = st.lists(
    st.builds(Position, st.floats(-90, 90, allow_nan=False), st.floats(-180, 180, allow_nan=False)), max_size=30
)


@given(POSITIONS)
def test_polyline_there_and_back(points: list[Position]) -> None:
    back = decode_polyline(encode_polyline(points))
    assert len(back) == len(points)
    for before, after in zip(points, back, strict=True):
        assert abs(before.latitude - after.latitude) <= 5.1e-7
        assert abs(before.longitude - after.longitude) <= 5.1e-7


@pytest.mark.parametrize("text", ["あ", "_", "??_", "~" * 50])
def test_what_is_no_polyline(text: str) -> None:
    with pytest.raises(ValueError, match="polyline"):
        decode_polyline(text)


def test_routes_travel_as_json() -> None:
    route = straight_route(1_000, legs=4)
    back = route_from_json(json.loads(json.dumps(route_to_json(route))))
    assert back.maneuvers == route.maneuvers
    assert (back.distance_m, back.duration_s, back.language) == (route.distance_m, route.duration_s, route.language)
    assert back.geometry[-1].distance_to(route.geometry[-1]) < 0.2


def parts() -> tuple[SimulatedVehicle, SimulatedNavigation, SimulatedClock]:
    vehicle = car()
    return vehicle, SimulatedNavigation(vehicle), cast(SimulatedClock, vehicle.clock)


async def gather(navigation: SimulatedNavigation) -> tuple[list[NavigationEvent], asyncio.Task[None]]:
    events: list[NavigationEvent] = []

    async def listen() -> None:
        async for event in navigation.events():
            events.append(event)

    task = asyncio.create_task(listen())
    await asyncio.sleep(0)
    return events, task


async def test_remaining_and_arrival_time() -> None:
    vehicle, navigation, clock = parts()
    assert await navigation.status() == {"guiding": False}
    route = straight_route(3_000, speed_kmh=36)
    await navigation.set_route("東京駅", route, route.geometry[-1])
    status = await navigation.status()
    assert status["remaining_m"] == pytest.approx(3_000, abs=5)
    assert status["remaining_s"] == pytest.approx(300, abs=1)
    assert abs((cast(Any, status["eta"]) - NOON).total_seconds() - 300) < 1
    vehicle.step(100)
    clock.advance(100)
    status = await navigation.status()
    assert status["remaining_m"] == pytest.approx(3_000 - vehicle.along, abs=5)
    assert 300 < (cast(Any, status["eta"]) - NOON).total_seconds() < 306, "it had to get up to speed first"


async def test_what_is_told_on_the_way_each_once() -> None:
    vehicle, navigation, _ = parts()
    events, task = await gather(navigation)
    route = straight_route(3_000, legs=3)
    await navigation.set_route("箱根", route, route.geometry[-1])
    for _ in range(400):
        vehicle.step(1)
    await asyncio.sleep(0)
    for _ in range(10):
        await asyncio.sleep(0)
    assert [(e.kind, e.instruction) for e in events] == [
        ("guidance_started", ""), ("maneuver_ahead", "step 1"), ("maneuver_ahead", "step 2"), ("approaching", ""), ("arrived", ""),
    ]  # fmt: skip
    assert all(e.name == "箱根" for e in events)
    assert events[1].distance_m == pytest.approx(300, abs=12)
    assert events[3].distance_m == pytest.approx(300, abs=12)
    assert (await navigation.status())["guiding"] is False
    assert vehicle.read("Vehicle.Private.Navigation.Route").value == ""
    task.cancel()


async def test_fast_roads_are_announced_earlier() -> None:
    vehicle, navigation, _ = parts()
    events, task = await gather(navigation)
    route = straight_route(10_000, speed_kmh=90, legs=2)
    await navigation.set_route("X", route, route.geometry[-1])
    vehicle.step(600)
    for _ in range(10):
        await asyncio.sleep(0)
    told = next(e for e in events if e.kind == "maneuver_ahead")
    assert 650 < told.distance_m <= 700
    task.cancel()


async def test_waypoints_are_crossed_off() -> None:
    vehicle, navigation, _ = parts()
    events, task = await gather(navigation)
    route = straight_route(3_000)
    middle = route.geometry[30]
    await navigation.set_route("X", route, route.geometry[-1], [middle])
    assert (await navigation.status())["waypoints"] == (middle,)
    vehicle.step(200)
    for _ in range(10):
        await asyncio.sleep(0)
    assert (await navigation.status())["waypoints"] == ()
    assert [e.kind for e in events].count("waypoint_reached") == 1
    task.cancel()


async def test_cancel_stops_guidance_and_the_car() -> None:
    vehicle, navigation, _ = parts()
    assert await navigation.cancel() is False
    route = straight_route(3_000)
    await navigation.set_route("X", route, route.geometry[-1])
    vehicle.step(60)
    assert await navigation.cancel() is True
    assert await navigation.status() == {"guiding": False}
    before = vehicle.along
    vehicle.step(30)
    assert vehicle.along == before
    assert vehicle.speed_kmh == 0


async def test_a_new_route_replaces_the_old() -> None:
    vehicle, navigation, _ = parts()
    for name in ("A", "B"):
        route = straight_route(3_000)
        await navigation.set_route(name, route, route.geometry[-1])
        vehicle.step(10)
    assert (await navigation.status())["name"] == "B"


async def test_moved_by_hand_is_not_arrival() -> None:
    vehicle, navigation, _ = parts()
    events, task = await gather(navigation)
    route = straight_route(3_000)
    await navigation.set_route("X", route, route.geometry[-1])
    vehicle.place(Position(36, 140))
    assert navigation.now() == {"guiding": False}
    for _ in range(5):
        await asyncio.sleep(0)
    assert [e.kind for e in events] == ["guidance_started", "cancelled"]
    task.cancel()


async def test_a_route_of_one_point_is_refused() -> None:
    _, navigation, _ = parts()
    with pytest.raises(Rejected):
        await navigation.set_route("X", Route((TOKYO,), 0, 0, ()), TOKYO)


async def test_a_restart_loses_nothing() -> None:
    vehicle, navigation, _ = parts()
    route = straight_route(3_000, legs=3)
    await navigation.set_route("箱根", route, route.geometry[-1], [route.geometry[50]])
    vehicle.step(90)
    state = json.loads(json.dumps({"car": vehicle.export_state(), "navigation": navigation.export_state()}))

    after = car()
    resumed = SimulatedNavigation(after)
    after.import_state(state["car"])
    resumed.import_state(state["navigation"])
    was, now = await navigation.status(), await resumed.status()
    assert now["name"] == "箱根"
    assert now["remaining_m"] == pytest.approx(was["remaining_m"], abs=1)
    assert now["waypoints"] == was["waypoints"]
    events, task = await gather(resumed)
    after.step(400)
    for _ in range(10):
        await asyncio.sleep(0)
    assert [e.kind for e in events] == ["maneuver_ahead", "waypoint_reached", "approaching", "arrived"], (
        "the first turn was told before"
    )
    task.cancel()


def test_nothing_to_take_up_again() -> None:
    vehicle, navigation, _ = parts()
    state = navigation.export_state()
    navigation.import_state(state)
    assert navigation.now() == {"guiding": False}
    assert vehicle.track is None


@pytest.mark.parametrize(
    "broken", [{}, {"name": "x"}, {"name": "x", "destination": [1], "waypoints": [], "route": {}}, []]
)
def test_a_broken_document_is_no_guidance(broken: Any) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        Guidance.from_json(broken)
