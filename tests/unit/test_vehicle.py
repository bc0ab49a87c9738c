"""The signal catalogue against VSS, and the simulated car in simulated time."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.errors import NotFound, Rejected
from backends.model import SignalSpec
from backends.vehicle import PRIVATE_BRANCH, checked, from_wire, load_catalogue, to_wire
from simulator.vehicle import SimulatedVehicle, offset
from tests.fakes_car import NOON, TOKYO, car, catalogue, straight_route

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("CONCIERGE_SHARED", ROOT.parent / "shared"))
FUEL = "Vehicle.Powertrain.FuelSystem"


# ── the catalogue ───────────────────────────────────────────────────────────────────────────────────────────────────


def vss() -> dict[str, dict[str, Any]]:
    path = SHARED / "data" / "vss_master_2026-06.json"
    if not path.exists():
        pytest.skip("no VSS release to compare with: set CONCIERGE_SHARED")
    leaves: dict[str, dict[str, Any]] = {}

    def walk(nodes: dict[str, Any], prefix: str) -> None:
        for name, node in nodes.items():
            if "children" in node:
                walk(node["children"], prefix + name + ".")
            else:
                leaves[prefix + name] = node

    walk(json.loads(path.read_text(encoding="utf-8")), "")
    return leaves


def test_every_path_is_a_vss_path_or_openly_private() -> None:
    leaves = vss()
    for path, entry in catalogue().items():
        if path.startswith(PRIVATE_BRANCH):
            continue
        node = leaves[path]
        assert node["type"] == entry.spec.kind, path
        family = "int" if "int" in node["datatype"] else {"double": "float"}.get(node["datatype"], node["datatype"])
        assert family == entry.spec.datatype, path
        assert (node.get("unit") or "").lower() == (entry.spec.unit or "").lower(), path
        if node.get("allowed"):
            assert set(entry.spec.allowed) == set(node["allowed"]), path
        if node.get("min") is not None and entry.spec.minimum is not None:
            assert entry.spec.minimum >= node["min"], path
        if node.get("max") is not None and entry.spec.maximum is not None:
            assert entry.spec.maximum <= node["max"], path


def test_private_signals_are_really_missing_from_vss() -> None:
    leaves = vss()
    assert not [path for path in catalogue() if path.startswith(PRIVATE_BRANCH) and path in leaves]


def test_locks_windows_and_lights_are_not_the_voices() -> None:
    for path, entry in catalogue().items():
        if path.endswith((".IsLocked", ".IsOpen", ".Window.Position")) or path.startswith("Vehicle.Body.Lights"):
            assert entry.access == "body", path
        assert entry.ja
        assert entry.en


def test_a_catalogue_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    bad = tmp_path / "signals.yml"
    bad.write_text(
        "tables: {}\nsignals:\n- {path: A.B, type: int, kind: actuator, minimum: 0, maximum: 5, initial: 9, ja: あ, en: a}\n",
        encoding="utf-8",
    )
    with pytest.raises(Rejected, match=r"A\.B: above 5"):
        load_catalogue(bad)


@given(st.floats(allow_nan=True, allow_infinity=True) | st.integers() | st.booleans() | st.text(max_size=5))
def test_checked_gives_a_value_inside_or_refuses(value: Any) -> None:
    spec = SignalSpec("T", "float", "actuator", minimum=18, maximum=28, step=0.5)
    number = isinstance(value, int | float) and not isinstance(value, bool) and value == value
    if number and 18 <= value <= 28:
        result = float(checked(spec, value))
        assert 18 <= result <= 28
        assert (result * 2).is_integer()
        assert abs(result - value) <= 0.25
        return
    with pytest.raises(Rejected) as refused:
        checked(spec, value)
    infinite = number and value in (float("inf"), float("-inf"))
    assert refused.value.limit == (None if not number or infinite else 28 if value > 28 else 18)


@given(st.data())
def test_values_survive_the_wire(data: st.DataObject) -> None:
    entry = data.draw(st.sampled_from(list(catalogue().values())))
    assert from_wire(entry.spec, to_wire(entry.initial)) == entry.initial


@pytest.mark.parametrize(("datatype", "text"), [("boolean", "yes"), ("int", "1.5"), ("float", "nan"), ("float", "x"), ("int", 3)])  # fmt: skip
def test_nonsense_on_the_wire_is_no_value(datatype: Any, text: Any) -> None:
    with pytest.raises(ValueError, match="T: "):
        from_wire(SignalSpec("T", datatype, "sensor"), text)


# ── the port ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_limits_name_the_nearest_value() -> None:
    vehicle = car()
    path = "Vehicle.Cabin.HVAC.Station.Row1.Driver.Temperature"
    with pytest.raises(Rejected) as refused:
        await vehicle.set(path, 31.0)
    assert refused.value.limit == 28
    assert (await vehicle.set(path, 22.3)).value == 22.5, "on the step"
    assert (await vehicle.get(path)).at == NOON


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("Vehicle.Cabin.Door.Row1.DriverSide.IsLocked", False),
        ("Vehicle.Cabin.Door.Row1.DriverSide.Window.Position", 50),
        ("Vehicle.Speed", 10.0),
        ("Vehicle.Cabin.Infotainment.Media.Played.Source", "GRAMOPHONE"),
        ("Vehicle.Cabin.Infotainment.Media.Volume", True),
    ],
)
async def test_the_voice_side_may_not(path: str, value: Any) -> None:
    vehicle = car()
    before = (await vehicle.get(path)).value
    with pytest.raises(Rejected):
        await vehicle.set(path, value)
    assert (await vehicle.get(path)).value == before


async def test_key_and_switch_may() -> None:
    vehicle = car()
    assert vehicle.operate("Vehicle.Cabin.Door.Row1.DriverSide.IsLocked", False).value is False


async def test_unknown_signals() -> None:
    vehicle = car()
    for call in (vehicle.get("Vehicle.Nose"), vehicle.set("Vehicle.Nose", 1), vehicle.spec("Vehicle.Nose")):
        with pytest.raises(NotFound):
            await call
    with pytest.raises(NotFound):
        await vehicle.subscribe(["Vehicle.Nose"]).__anext__()


async def test_subscribers_hear_changes_of_their_signals_only() -> None:
    vehicle = car()
    changes = vehicle.subscribe(["Vehicle.Cabin.Infotainment.Media.Volume"])
    first = asyncio.ensure_future(changes.__anext__())
    await asyncio.sleep(0)
    await vehicle.set("Vehicle.Cabin.HVAC.IsRecirculationActive", True)
    await vehicle.set("Vehicle.Cabin.Infotainment.Media.Volume", 30)
    await vehicle.set("Vehicle.Cabin.Infotainment.Media.Volume", 31)
    assert (await first).value == 31, "30 was what it already was"


# ── the model ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_drives_the_route_at_the_roads_speed() -> None:
    vehicle = car()
    route = straight_route(2_000, speed_kmh=36)
    vehicle.follow(route)
    vehicle.step(60)
    assert vehicle.speed_kmh == pytest.approx(36, abs=0.1)
    assert vehicle.along == pytest.approx(600, abs=60)
    assert vehicle.position.distance_to(TOKYO) == pytest.approx(vehicle.along, abs=2)
    vehicle.step(200)
    assert vehicle.speed_kmh == 0
    assert vehicle.position.distance_to(route.geometry[-1]) < 1
    assert vehicle.track is None


def test_never_faster_than_the_road_and_smooth() -> None:
    vehicle = car()
    vehicle.follow(straight_route(3_000, speed_kmh=60))
    before = 0.0
    for _ in range(400):
        vehicle.step(1)
        speed = vehicle.speed_kmh
        assert speed <= 60.1
        assert abs(speed - before) <= 3.6 * 2.6 or speed == 0
        before = speed


def test_big_steps_and_small_steps_agree() -> None:
    ends = []
    for parts in (1, 10, 120):
        vehicle = car()
        vehicle.follow(straight_route(3_000))
        for _ in range(parts):
            vehicle.step(120 / parts)
        ends.append(vehicle.along)
    assert max(ends) - min(ends) < 1e-6


def test_fuel_odometer_and_range_move_together() -> None:
    vehicle = car()
    fuel = float(vehicle.read(f"{FUEL}.AbsoluteLevel").value)
    reach = int(vehicle.read("Vehicle.Powertrain.Range").value)
    odometer = int(vehicle.read("Vehicle.TraveledDistance").value)
    vehicle.follow(straight_route(50_000, speed_kmh=80))
    vehicle.step(3_600)
    assert int(vehicle.read("Vehicle.TraveledDistance").value) - odometer == pytest.approx(50_000, abs=20)
    burnt = fuel - float(vehicle.read(f"{FUEL}.AbsoluteLevel").value)
    assert 2.0 < burnt < 4.0, "4 to 8 litres on 100 km"
    assert reach - int(vehicle.read("Vehicle.Powertrain.Range").value) == pytest.approx(burnt / 5.0 * 100_000, rel=0.01)


def test_an_empty_tank_stops_the_car() -> None:
    vehicle = car()
    vehicle.refuel(-34.0)
    vehicle.follow(straight_route(50_000, speed_kmh=80))
    vehicle.step(3_600)
    assert vehicle.speed_kmh == 0
    assert 500 < vehicle.along < 5_000
    assert vehicle.read(f"{FUEL}.IsFuelLevelLow").value is True


def test_an_electric_car_uses_charge_not_fuel() -> None:
    vehicle = car(powertrain="ELECTRIC")
    fuel = vehicle.read(f"{FUEL}.AbsoluteLevel").value
    charge = float(vehicle.read("Vehicle.Powertrain.TractionBattery.StateOfCharge.Displayed").value)
    vehicle.follow(straight_route(50_000, speed_kmh=80))
    vehicle.step(3_600)
    assert vehicle.read(f"{FUEL}.AbsoluteLevel").value == fuel
    assert 8 < charge - float(vehicle.read("Vehicle.Powertrain.TractionBattery.StateOfCharge.Displayed").value) < 14


def test_tyres_warm_and_leak() -> None:
    vehicle = car()
    vehicle.step(1)
    path = "Vehicle.Chassis.Axle.Row1.Wheel.Left.Tire"
    cold = int(vehicle.read(path + ".Pressure").value)
    vehicle.follow(straight_route(60_000, speed_kmh=100))
    vehicle.step(1_800)
    warm = int(vehicle.read(path + ".Pressure").value)
    assert 8 < warm - cold < 30
    vehicle.puncture("Row1.Wheel.Left", 80)
    assert vehicle.read(path + ".IsPressureLow").value is True


async def test_cabin_follows_what_is_set() -> None:
    vehicle = car()
    for station in ("Row1.Driver", "Row1.Passenger", "Row2.Driver", "Row2.Passenger"):
        await vehicle.set(f"Vehicle.Cabin.HVAC.Station.{station}.Temperature", 20.0)
    vehicle.step(1_500)
    assert float(vehicle.read("Vehicle.Cabin.HVAC.AmbientAirTemperature").value) == pytest.approx(20, abs=0.1)
    await vehicle.set("Vehicle.Private.HVAC.IsOn", False)
    vehicle.step(7_200)
    assert float(vehicle.read("Vehicle.Cabin.HVAC.AmbientAirTemperature").value) == pytest.approx(24, abs=0.2)


async def test_the_front_defroster_dries_the_air() -> None:
    vehicle = car()
    await vehicle.set("Vehicle.Cabin.HVAC.IsRecirculationActive", True)
    await vehicle.set("Vehicle.Cabin.HVAC.IsAirConditioningActive", False)
    await vehicle.set("Vehicle.Cabin.HVAC.IsFrontDefrosterActive", True)
    assert (await vehicle.get("Vehicle.Cabin.HVAC.IsAirConditioningActive")).value is True
    assert (await vehicle.get("Vehicle.Cabin.HVAC.IsRecirculationActive")).value is False


async def test_what_is_asked_to_play_is_cleaned() -> None:
    vehicle = car()
    await vehicle.set("Vehicle.Cabin.Infotainment.Media.Played.Source", "INTERNET")
    await vehicle.set("Vehicle.Private.Media.Query", "a\u202eb\n" + "c" * 10_000)
    title = str((await vehicle.get("Vehicle.Cabin.Infotainment.Media.Played.Track")).value)
    assert title.startswith("abc")
    assert len(title) == 200


def test_state_survives_a_restart_in_the_middle_of_the_road() -> None:
    vehicle = car()
    vehicle.follow(straight_route(5_000))
    vehicle.operate("Vehicle.Cabin.Infotainment.Media.Volume", 55)
    vehicle.puncture("Row2.Wheel.Right", 70)
    vehicle.step(100)
    state = json.loads(json.dumps(vehicle.export_state()))
    other = car()
    other.import_state(state)
    vehicle.step(50)
    other.step(50)
    assert other.along == pytest.approx(vehicle.along, abs=0.5)
    assert other.position.distance_to(vehicle.position) < 1
    assert other.read("Vehicle.Cabin.Infotainment.Media.Volume").value == 55
    assert other.read("Vehicle.TraveledDistance").value == vehicle.read("Vehicle.TraveledDistance").value
    assert other.read("Vehicle.Chassis.Axle.Row2.Wheel.Right.Tire.IsPressureLow").value is True


@pytest.mark.parametrize("key", ["values", "odometer", "route", "leak"])
def test_a_broken_state_changes_nothing(key: str) -> None:
    vehicle = car()
    state = vehicle.export_state() | {key: [1]}
    vehicle.operate("Vehicle.Cabin.Infotainment.Media.Volume", 77)
    before = vehicle.export_state()
    with pytest.raises((KeyError, TypeError, ValueError)):
        vehicle.import_state(state)
    assert vehicle.export_state() == before


def test_reset_is_a_car_as_delivered() -> None:
    fresh, vehicle = car(), car()
    fresh.reset(TOKYO)
    vehicle.follow(straight_route(5_000))
    vehicle.operate("Vehicle.Cabin.Infotainment.Media.Volume", 77)
    vehicle.operate("Vehicle.Cabin.Infotainment.Media.Action", "SKIP_FORWARD")
    vehicle.puncture("Row1.Wheel.Left", 99)
    vehicle.step(300)
    vehicle.reset(TOKYO)
    own = {"Vehicle.TraveledDistance", "Vehicle.CurrentLocation.Heading", "Vehicle.Cabin.HVAC.AmbientAirTemperature"}
    for path in vehicle.catalogue:
        if path not in own:
            assert vehicle.read(path).value == fresh.read(path).value, path


async def test_driving_in_its_own_task() -> None:
    vehicle = car()
    vehicle.follow(straight_route(50_000, speed_kmh=60))
    vehicle.drive(60)
    await asyncio.sleep(0.5)
    await vehicle.stop()
    assert 20 < vehicle.along < 2_000
    assert (vehicle.clock() - NOON).total_seconds() > 5
    assert vehicle.speed_kmh == 0
    with pytest.raises(ValueError, match="speed-up"):
        vehicle.drive(-1)


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["step", "place", "follow", "puncture", "refuel"]), st.integers(1, 300)), max_size=8
    )
)
def test_signals_stay_values_of_their_kind(happenings: list[tuple[str, int]]) -> None:
    vehicle = car()
    for what, amount in happenings:
        if what == "step":
            vehicle.step(amount)
        elif what == "place":
            vehicle.place(offset(TOKYO, amount * 100, -amount * 50), amount * 7)
        elif what == "follow":
            vehicle.follow(straight_route(1_000 + amount * 100, speed_kmh=20 + amount / 3))
        elif what == "puncture":
            vehicle.puncture("Row1.Wheel.Right", amount)
        else:
            vehicle.refuel(amount)
    for path, entry in vehicle.catalogue.items():
        value = vehicle.read(path).value
        assert checked(entry.spec, value) == value or isinstance(value, float), path


def test_a_car_of_its_own_has_real_time() -> None:
    now = SimulatedVehicle(catalogue=catalogue()).clock()
    assert now.tzinfo is not None
