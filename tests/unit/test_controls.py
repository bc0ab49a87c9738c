"""The tester's controls: each does to the simulated car and world what it says, and nothing it was not told rightly."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.composition import Simulation
from backends.model import Maneuver, Position, Route
from simulator.centre import CentreServer
from simulator.controls import LAMPS, MAX_EVENTS, ControlError, Controls
from simulator.navigation import SimulatedNavigation
from simulator.vehicle import SimulatedClock, SimulatedVehicle, offset
from simulator.viss_server import VissServer
from simulator.world import SimulatedWorld
from tests.fakes import MONDAY_MORNING, VirtualTime

HERE = Position(35.6586, 139.7454)


@dataclass
class Rig:
    time: VirtualTime
    clock: SimulatedClock
    vehicle: SimulatedVehicle
    navigation: SimulatedNavigation
    world: SimulatedWorld
    controls: Controls
    simulation: Simulation

    def do(self, do: str, **values: Any) -> dict[str, Any]:
        self.controls.apply({"do": do, **values})
        return self.controls.state()


def make() -> Rig:
    now = VirtualTime()
    clock = SimulatedClock(now)
    vehicle = SimulatedVehicle(clock, position=HERE)
    navigation = SimulatedNavigation(vehicle)
    world = SimulatedWorld(1, clock)
    simulation = Simulation(clock, vehicle, navigation, world, VissServer(vehicle), CentreServer(world))
    return Rig(now, clock, vehicle, navigation, world, simulation.controls, simulation)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    made = make()
    yield made
    await made.vehicle.stop()


async def guide(rig: Rig, length_m: float = 10_000) -> Route:
    line = tuple(offset(HERE, north, 0) for north in (0, length_m / 2, length_m))
    steps = (
        Maneuver("直進", line[0], 0, length_m / 2, 400, "start", "桜田通り"),
        Maneuver("直進", line[1], 1, length_m / 2, 400, "continue", "中央通り"),
    )
    route = Route(line, length_m, 800, steps)
    await rig.navigation.set_route("王子", route, line[-1])
    return route


# ── time ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_clock_is_put_forward(rig: Rig) -> None:
    rig.do("clock", time="13:30")
    assert rig.clock() == MONDAY_MORNING.replace(hour=13, minute=30)
    # A time of day that is over comes again tomorrow.
    rig.do("clock", time="07:00")
    assert rig.clock() == MONDAY_MORNING.replace(day=12, hour=7)
    rig.do("clock", advance_s=3600)
    assert rig.clock() == MONDAY_MORNING.replace(day=12, hour=8)
    rig.do("clock", at="2026-05-20T09:00")
    assert rig.clock() == MONDAY_MORNING.replace(day=20, hour=9)
    assert rig.do("clock", real=True)["ahead_s"] == 0
    assert rig.clock() == MONDAY_MORNING
    assert rig.do("clock", rate=10)["rate"] == 10
    assert rig.do("clock", rate=0)["rate"] == 0


@pytest.mark.parametrize(
    "values",
    [{}, {"time": "25:00"}, {"time": 7}, {"advance_s": -1}, {"advance_s": 1e9}, {"advance_s": True}, {"at": "2020-01-01"}, {"at": "soon"},
     {"rate": 601}, {"rate": float("nan")}, {"time": "07:00", "rate": 1}, {"real": "yes"}],
)  # fmt: skip
async def test_a_clock_that_cannot_be(rig: Rig, values: dict[str, Any]) -> None:
    with pytest.raises(ControlError) as caught:
        rig.do("clock", **values)
    assert caught.value.code == "bad_value"
    assert rig.clock() == MONDAY_MORNING


async def test_time_passes_at_once_and_the_car_drives_on(rig: Rig) -> None:
    await guide(rig)
    rig.do("pass", seconds=120)
    assert rig.clock() == MONDAY_MORNING + timedelta(seconds=120)
    assert 1_000 < rig.vehicle.along < 2_000
    rig.do("pass", seconds=1200)
    assert not rig.navigation.now()["guiding"]


async def test_the_car_is_put_somewhere(rig: Rig) -> None:
    rig.do("place", latitude=35.0, longitude=139.0, heading=90)
    assert rig.vehicle.position == Position(35.0, 139.0)
    with pytest.raises(ControlError):
        rig.do("place", latitude=91, longitude=0)


# ── the world ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_weather_here_and_elsewhere(rig: Rig) -> None:
    state = rig.do("weather", scenario="snow")
    assert state["here"]["code"] in (71, 73, 75)
    # The thermometer knows it as well.
    assert float(rig.vehicle.read("Vehicle.Exterior.AirTemperature").value) <= 0
    state = rig.do("weather", scenario="sunny", prefecture="東京都")
    assert state["here"]["code"] in (0, 1)
    assert {"prefecture": "東京都", "scenario": "sunny"} in state["weather"]
    rig.do("weather", scenario=None, prefecture="東京都")
    assert rig.do("weather", scenario=None)["weather"] == []
    for bad in ({"scenario": "hail"}, {"scenario": "rain", "prefecture": "Atlantis"}, {}):
        with pytest.raises(ControlError):
            rig.do("weather", **bad)


async def test_something_on_the_route_ahead(rig: Rig) -> None:
    with pytest.raises(ControlError) as caught:
        rig.do("road", kind="jam")
    assert caught.value.code == "no_route"
    route = await guide(rig)
    rig.do("pass", seconds=60)
    before = rig.vehicle.along
    state = rig.do("road", kind="jam", ahead_m=2_000, length_m=1_000)
    (event,) = rig.world.events()
    assert event.road == "桜田通り"
    assert event.geometry[0].distance_to(route.geometry[0]) == pytest.approx(before + 2_000, abs=5)
    assert event.length_m == pytest.approx(1_000, abs=5)
    assert state["events"][0]["delay_s"] == 900
    rig.do("road", kind="closure", ahead_m=6_000)
    assert rig.world.events()[1].road == "中央通り"
    assert rig.do("clear_road", id=event.id)["events"][0]["kind"] == "closure"
    with pytest.raises(ControlError) as caught:
        rig.do("clear_road", id=event.id)
    assert caught.value.code == "not_there"
    with pytest.raises(ControlError) as caught:
        rig.do("road", kind="jam", ahead_m=50_000)
    assert caught.value.code == "no_route"
    assert rig.do("clear_road")["events"] == []
    for _ in range(MAX_EVENTS):
        rig.do("road", kind="accident", ahead_m=100)
    with pytest.raises(ControlError) as caught:
        rig.do("road", kind="accident", ahead_m=100)
    assert caught.value.code == "too_many"


async def test_car_parks(rig: Rig) -> None:
    state = rig.do("vacancy", place="p1", state="full", name="中央駐車場")
    assert state["vacancies"] == [{"place": "p1", "name": "中央駐車場", "state": "full"}]
    assert rig.world.vacancy("p1") == "full"
    assert rig.do("vacancy", place="p1", state=None)["vacancies"] == []
    with pytest.raises(ControlError):
        rig.do("vacancy", place="p1", state="empty")


async def test_the_line_and_the_head_unit(rig: Rig) -> None:
    assert rig.simulation.line() == "ok"
    rig.do("network", lost=True)
    assert rig.simulation.line() == "no_connection"
    assert rig.vehicle.read("Vehicle.Connectivity.IsConnectivityAvailable").value is False
    rig.do("network", lost=False)
    assert rig.vehicle.read("Vehicle.Connectivity.IsConnectivityAvailable").value is True
    await guide(rig)
    rig.do("contract", cancelled=True)
    assert rig.simulation.line() == "no_contract"
    # A navigation unit goes on guiding; a Display Audio has neither map nor guidance then.
    assert rig.navigation.now()["guiding"]
    rig.do("equipment", unit="display_audio")
    assert rig.vehicle.read("Vehicle.Private.Navigation.Equipment").value == "DISPLAY_AUDIO"
    assert not rig.navigation.now()["guiding"]


# ── the car ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_lamps_doors_seats_tyres_fuel(rig: Rig) -> None:
    for lamp in LAMPS:
        assert rig.do("lamp", lamp=lamp, on=True)["lamps"][lamp]
    assert rig.vehicle.read(LAMPS["oil"]).value == "LOW"
    assert not any(rig.do("lamp", lamp=lamp, on=False)["lamps"][lamp] for lamp in LAMPS)
    assert rig.do("door", door="Row2.PassengerSide", open=True)["doors"]["Row2.PassengerSide"]
    assert rig.vehicle.read("Vehicle.Cabin.Door.Row2.PassengerSide.IsOpen").value is True
    assert rig.do("seat", seat="Row1.PassengerSide", occupied=True)["seats"]["Row1.PassengerSide"]
    rig.do("tyre", wheel="Row1.Wheel.Left", loss_kpa=60)
    assert rig.vehicle.read("Vehicle.Chassis.Axle.Row1.Wheel.Left.Tire.IsPressureLow").value is True
    rig.do("tyre", wheel="Row1.Wheel.Left", loss_kpa=0)
    assert rig.vehicle.read("Vehicle.Chassis.Axle.Row1.Wheel.Left.Tire.IsPressureLow").value is False
    assert rig.do("fuel", percent=4)["fuel_percent"] == 4
    assert rig.vehicle.read("Vehicle.Powertrain.FuelSystem.IsFuelLevelLow").value is True
    rig.do("signal", path="Vehicle.Cabin.Infotainment.Media.Volume", value=12)
    assert rig.vehicle.read("Vehicle.Cabin.Infotainment.Media.Volume").value == 12
    for bad in (
        {"do": "signal", "path": "Vehicle.Speed", "value": 90},
        {"do": "signal", "path": "Vehicle.Cabin.Infotainment.Media.Volume", "value": 999},
        {"do": "lamp", "lamp": "disco", "on": True},
        {"do": "lamp", "lamp": "abs", "on": 1},
        {"do": "seat", "seat": "Row1.DriverSide", "occupied": False},
        {"do": "fuel", "percent": 101},
        {"do": "fuel", "percent": 5, "extra": 1},
    ):
        with pytest.raises(ControlError) as caught:
            rig.controls.apply(bad)
        assert caught.value.code == "bad_value"
    for unknown in ({"do": "explode"}, {"do": None}, {}):
        with pytest.raises(ControlError) as caught:
            rig.controls.apply(unknown)
        assert caught.value.code == "unknown"


async def arrange_everything(rig: Rig) -> None:
    await guide(rig)
    rig.do("clock", advance_s=7_200)
    rig.do("weather", scenario="rain")
    rig.do("weather", scenario="typhoon", prefecture="沖縄県")
    rig.do("road", kind="jam", ahead_m=1_000)
    rig.do("vacancy", place="p1", state="crowded", name="甲")
    rig.do("equipment", unit="display_audio")
    rig.do("network", lost=True)
    rig.do("news", on=False)
    rig.do("lamp", lamp="brake", on=True)
    rig.do("door", door="trunk", open=True)
    rig.do("seat", seat="Row2.DriverSide", occupied=True)
    rig.do("tyre", wheel="Row2.Wheel.Right", loss_kpa=50)
    rig.do("fuel", percent=30)


CHANGING = ("time", "ahead_s", "guiding", "route_ahead_m", "events")


async def test_the_state_as_controls_brings_another_car_to_it(rig: Rig) -> None:
    await arrange_everything(rig)
    other = make()
    for control in json.loads(json.dumps(rig.controls.as_controls())):
        other.controls.apply(control)
    mine, theirs = rig.controls.state(), other.controls.state()
    here = [key for key in mine if key not in (*CHANGING, "here")]
    assert {key: mine[key] for key in here} == {key: theirs[key] for key in here}
    assert other.world.events()[0].geometry == rig.world.events()[0].geometry


async def test_it_survives_a_restart(rig: Rig, tmp_path: Path) -> None:
    await arrange_everything(rig)
    rig.simulation.save(tmp_path / "car.json")
    other = make()
    other.simulation.load(tmp_path / "car.json")
    mine, theirs = rig.controls.state(), other.controls.state()
    for row in mine["vacancies"]:
        row["name"] = ""
    assert mine == theirs
    # The next one placed does not take an old one's name.
    other.do("road", kind="accident", ahead_m=100)
    assert len({event.id for event in other.world.events()}) == 2
    # What is broken, and what an earlier version wrote, is no reason not to start.
    state = json.loads((tmp_path / "car.json").read_text(encoding="utf-8"))
    for broken in (
        {**state, "world": {"equipment": "sofa"}},
        {k: v for k, v in state.items() if k not in ("world", "ahead_s")},
    ):
        (tmp_path / "car.json").write_text(json.dumps(broken), encoding="utf-8")
        third = make()
        third.simulation.load(tmp_path / "car.json")
        assert third.controls.state()["equipment"] == "navi"


async def test_everything_back(rig: Rig) -> None:
    first = rig.controls.state()
    await arrange_everything(rig)
    rig.do("reset")
    state = rig.controls.state()
    assert {k: v for k, v in state.items() if k not in ("guiding", "route_ahead_m")} == {
        k: v for k, v in first.items() if k not in ("guiding", "route_ahead_m")
    }


async def test_who_watches_is_told_of_what_was_done_only(rig: Rig) -> None:
    seen: list[Any] = []
    end = rig.controls.on_control(seen.append)
    rig.do("news", on=False)
    with pytest.raises(ControlError):
        rig.do("news", on="maybe")
    end()
    rig.do("news", on=True)
    assert seen == [{"do": "news", "on": False}]
