"""`VissVehicle` against the real VISSv2 socket of the simulated car, faults included."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from backends.errors import BackendTimeout, BackendUnavailable, BadAnswer, NotFound, Rejected
from backends.model import Route
from backends.navigation import VissNavigation
from backends.vehicle import VissVehicle
from simulator.navigation import SimulatedNavigation
from simulator.vehicle import SimulatedVehicle
from simulator.viss_server import Faults, VissServer
from tests.fakes_car import car, straight_route

VOLUME = "Vehicle.Cabin.Infotainment.Media.Volume"
TEMPERATURE = "Vehicle.Cabin.HVAC.Station.Row1.Driver.Temperature"
LOCK = "Vehicle.Cabin.Door.Row1.DriverSide.IsLocked"


@pytest.fixture
def simulated() -> SimulatedVehicle:
    return car()


@pytest.fixture
async def server(simulated: SimulatedVehicle) -> AsyncIterator[VissServer]:
    async with VissServer(simulated, owner_token="owner") as running:
        yield running


@pytest.fixture
async def vehicle(server: VissServer) -> AsyncIterator[VissVehicle]:
    client = VissVehicle(server.url, deadline_s=0.4)
    yield client
    await client.close()


async def test_get_set_spec(vehicle: VissVehicle, simulated: SimulatedVehicle) -> None:
    assert (await vehicle.get(VOLUME)).value == 30
    signal = await vehicle.set(VOLUME, 42)
    assert (signal.value, signal.path) == (42, VOLUME)
    assert signal.at.tzinfo is not None
    assert simulated.read(VOLUME).value == 42
    assert (await vehicle.set("Vehicle.Cabin.HVAC.IsRecirculationActive", True)).value is True
    assert (await vehicle.set("Vehicle.Private.Media.Query", "さくら <b>")).value == "さくら <b>"
    spec = await vehicle.spec(TEMPERATURE)
    assert (spec.minimum, spec.maximum, spec.step, spec.unit, spec.datatype) == (18, 28, 0.5, "celsius", "float")


async def test_every_signal_of_the_catalogue_reads_the_same_over_the_wire(
    vehicle: VissVehicle, simulated: SimulatedVehicle
) -> None:
    for path, entry in simulated.catalogue.items():
        assert (await vehicle.get(path)).value == simulated.read(path).value, path
        spec = await vehicle.spec(path)
        assert (spec.datatype, spec.allowed, spec.kind) == (entry.spec.datatype, entry.spec.allowed, entry.spec.kind)


async def test_what_the_server_refuses(vehicle: VissVehicle, simulated: SimulatedVehicle) -> None:
    with pytest.raises(Rejected) as out:
        await vehicle.set(TEMPERATURE, 35.0)
    assert out.value.limit == 28
    with pytest.raises(Rejected, match="voice side"):
        await vehicle.set(LOCK, False)
    with pytest.raises(Rejected, match="cannot be set"):
        await vehicle.set("Vehicle.Speed", 1.0)
    with pytest.raises(NotFound):
        await vehicle.get("Vehicle.Nose")
    with pytest.raises(NotFound):
        await vehicle.get("Vehicle.Cabin")
    assert simulated.read(LOCK).value is True


async def test_the_remote_service_may_lock(server: VissServer, simulated: SimulatedVehicle) -> None:
    async with aiohttp.ClientSession() as session, session.ws_connect(server.url, protocols=("VISSv2",)) as socket:
        message = {"action": "set", "path": LOCK, "value": "false", "requestId": "1"}
        await socket.send_json({**message, "authorization": "thief"})
        refused = await socket.receive_json()
        assert (refused["error"]["number"], refused["requestId"]) == ("403", "1")
        await socket.send_json({**message, "authorization": "owner"})
        assert "error" not in await socket.receive_json()
    assert simulated.read(LOCK).value is False


async def test_concurrent_questions_get_their_own_answers(vehicle: VissVehicle, simulated: SimulatedVehicle) -> None:
    paths = list(simulated.catalogue)[:40]
    signals = await asyncio.gather(*(vehicle.get(path) for path in paths))
    assert [signal.path for signal in signals] == paths


async def test_subscription(vehicle: VissVehicle, simulated: SimulatedVehicle) -> None:
    heard: list[Any] = []

    async def listen() -> None:
        async for signal in vehicle.subscribe([VOLUME, "Vehicle.Speed"]):
            heard.append((signal.path, signal.value))
            if len(heard) == 3:
                return

    task = asyncio.create_task(listen())
    await asyncio.sleep(0.1)
    simulated.operate(VOLUME, 1)
    simulated.operate("Vehicle.Cabin.HVAC.IsRecirculationActive", True)
    simulated.sense("Vehicle.Speed", 12.5)
    simulated.operate(VOLUME, 2)
    await asyncio.wait_for(task, 2)
    assert heard == [(VOLUME, 1), ("Vehicle.Speed", 12.5), (VOLUME, 2)]
    with pytest.raises(NotFound):
        await vehicle.subscribe(["Vehicle.Nose"]).__anext__()


async def test_a_subscription_ends_with_its_connection(vehicle: VissVehicle, server: VissServer) -> None:
    async def listen() -> int:
        return len([signal async for signal in vehicle.subscribe([VOLUME])])

    task = asyncio.create_task(listen())
    await asyncio.sleep(0.1)
    await server.disconnect()
    assert await asyncio.wait_for(task, 2) == 0
    assert (await vehicle.get(VOLUME)).value == 30, "and the next call opens a new one"


async def test_nobody_there() -> None:
    client = VissVehicle("ws://127.0.0.1:1/", deadline_s=0.3)
    with pytest.raises(BackendUnavailable):
        await client.get(VOLUME)
    await client.close()


async def test_silence_ends_at_the_deadline(vehicle: VissVehicle, server: VissServer) -> None:
    await vehicle.get(VOLUME)
    server.faults = Faults(silent=True)
    start = time.monotonic()
    with pytest.raises(BackendTimeout):
        await vehicle.get(VOLUME)
    assert time.monotonic() - start < 1.0
    server.faults = Faults()
    assert (await vehicle.get(VOLUME)).value == 30


async def test_a_late_answer_is_not_taken_for_the_next(vehicle: VissVehicle, server: VissServer) -> None:
    await vehicle.get(VOLUME)
    await vehicle.spec(TEMPERATURE)
    server.faults = Faults(delay_s=0.5)
    with pytest.raises(BackendTimeout):
        await vehicle.get(VOLUME)
    server.faults = Faults()
    assert (await vehicle.get(TEMPERATURE)).path == TEMPERATURE


async def test_a_dropped_line_is_opened_again(vehicle: VissVehicle, server: VissServer) -> None:
    await vehicle.get(VOLUME)
    server.faults = Faults(drop=True)
    with pytest.raises(BackendUnavailable):
        await vehicle.get(VOLUME)
    server.faults = Faults()
    assert (await vehicle.get(VOLUME)).value == 30


@pytest.mark.parametrize("garbage", ["", "no json", "[1, 2]", "null"])
async def test_garbage_is_a_bad_answer(vehicle: VissVehicle, server: VissServer, garbage: str) -> None:
    await vehicle.get(VOLUME)
    server.faults = Faults(garbage=garbage)
    with pytest.raises(BadAnswer):
        await vehicle.get(VOLUME)
    server.faults = Faults()
    assert (await vehicle.get(VOLUME)).value == 30


@pytest.mark.parametrize(
    "answer",
    [
        '"data": {"path": "%s", "dp": {"value": "loud", "ts": "2026-06-01T12:00:00Z"}}',
        '"data": {"path": "%s", "dp": {"value": "30", "ts": "noon"}}',
        '"data": {"path": "%s", "dp": {"value": "30", "ts": "2026-06-01T12:00:00"}}',
        '"data": {"path": "Vehicle.Speed", "dp": {"value": "30", "ts": "2026-06-01T12:00:00Z"}}',
        '"data": {"path": "%s", "dp": {"value": 30, "ts": "2026-06-01T12:00:00Z"}}',
        '"data": []',
        '"nothing": 1',
        '"error": "no"',
    ],
)
async def test_answers_are_checked(vehicle: VissVehicle, server: VissServer, answer: str) -> None:
    await vehicle.get(VOLUME)
    number = int(next(vehicle._numbers)) + 1
    text = answer.replace("%s", VOLUME)
    server.faults = Faults(garbage=f'{{"action": "get", "requestId": "{number}", {text}}}')
    with pytest.raises(BadAnswer):
        await vehicle.get(VOLUME)


@pytest.mark.parametrize(
    ("number", "error"),
    [("404", NotFound), ("400", Rejected), ("403", Rejected), ("503", BackendUnavailable), ("504", BackendTimeout)],
)
async def test_error_numbers(vehicle: VissVehicle, server: VissServer, number: str, error: type[Exception]) -> None:
    await vehicle.get(VOLUME)
    server.faults = Faults(error=(number, "reason", "message"))
    with pytest.raises(error):
        await vehicle.get(VOLUME)


@pytest.mark.parametrize(
    ("message", "number"),
    [
        ("{", "400"),
        ("7", "400"),
        ('{"action": "get"}', "400"),
        ('{"action": "dance", "path": "Vehicle.Speed"}', "400"),
        ('{"action": "get", "path": "Vehicle.Speed", "filter": {"type": "history", "parameter": "P1D"}}', "400"),
        ('{"action": "get", "path": "Vehicle", "filter": {"type": "paths", "parameter": "Nose"}}', "404"),
        ('{"action": "get", "path": "Vehicle", "filter": 3}', "400"),
        ('{"action": "set", "path": "%s", "value": 3}', "400"),
        ('{"action": "set", "path": "%s"}', "400"),
        ('{"action": "unsubscribe", "subscriptionId": "9"}', "404"),
    ],
)
async def test_the_server_answers_nonsense_with_an_error(server: VissServer, message: str, number: str) -> None:
    async with aiohttp.ClientSession() as session, session.ws_connect(server.url, protocols=("VISSv2",)) as socket:
        await socket.send_str(message.replace("%s", VOLUME))
        answer = await asyncio.wait_for(socket.receive_json(), 1)
        assert answer["error"]["number"] == number
        assert "ts" in answer
        await socket.send_json({"action": "get", "path": VOLUME, "requestId": "2"})
        assert (await socket.receive_json())["data"]["dp"]["value"] == "30"


async def test_reading_a_branch_by_wildcard(server: VissServer) -> None:
    async with aiohttp.ClientSession() as session, session.ws_connect(server.url, protocols=("VISSv2",)) as socket:
        request = {"action": "get", "path": "Vehicle.Cabin.Door", "requestId": "1"}
        await socket.send_json({**request, "filter": {"variant": "paths", "parameter": ["*.IsLocked"]}})
        assert len((await socket.receive_json())["data"]) == 4


async def test_a_client_of_another_protocol_is_turned_away(server: VissServer) -> None:
    async with aiohttp.ClientSession() as session, session.ws_connect(server.url) as socket:
        assert (await socket.receive()).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)


async def test_navigation_over_the_wire(vehicle: VissVehicle, simulated: SimulatedVehicle) -> None:
    head_unit = SimulatedNavigation(simulated)
    navigation = VissNavigation(vehicle)
    assert await navigation.status() == {"guiding": False}
    events: list[str] = []

    async def listen() -> None:
        async for event in navigation.events():
            events.append(event.kind)
            if event.kind == "arrived":
                return

    task = asyncio.create_task(listen())
    await asyncio.sleep(0.1)
    route = straight_route(2_000)
    await navigation.set_route("箱根湯本駅", route, route.geometry[-1])
    status = await navigation.status()
    assert (status["guiding"], status["name"]) == (True, "箱根湯本駅")
    assert status["remaining_m"] == pytest.approx(2_000, abs=5)
    assert status["route"] == route
    held = head_unit.now()["route"]
    assert isinstance(held, Route)
    assert held.maneuvers == route.maneuvers
    simulated.step(100)
    other = VissNavigation(vehicle)
    assert (await other.status())["remaining_m"] == pytest.approx(2_000 - simulated.along, abs=110)
    simulated.step(200)
    await asyncio.wait_for(task, 2)
    assert events == ["guidance_started", "maneuver_ahead", "approaching", "arrived"]
    assert await navigation.cancel() is False
    with pytest.raises(Rejected):
        await vehicle.set("Vehicle.Private.Navigation.Route", '{"name": 1}')


async def test_a_question_given_up_does_not_hold_up_the_next(server: VissServer) -> None:
    client = VissVehicle(server.url, deadline_s=4.0)
    try:
        await client.get("Vehicle.Speed")
        server.faults.delay_s = 30.0
        asking = asyncio.create_task(client.get("Vehicle.Speed"))
        await asyncio.sleep(0)  # asked now: however busy the machine, the wait below begins after it
        await asyncio.sleep(2.2)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        server.faults.delay_s = 0.0
        assert (await client.get("Vehicle.Speed")).value == 0.0
    finally:
        await client.close()
