"""Joins a system's conversation to an Owner's Desk: the second half of the composition root (agent/composition.py)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from agent.car_hands import CarHands
from agent.composition import NLU_DATA, Simulation, System, open_system, reported_state
from agent.errors import StartError
from agent.handoff import Handoffs
from agent.handoff_state import CarryOut, Waits
from agent.handoff_store import HandoffStore
from agent.line_sound import LineSounds
from agent.line_words import LineDataError, LineWords
from agent.packet import Car, PacketMaker
from agent.record import Records
from agent.settings import Settings
from backends.model import Position
from backends.packet import CarFacts, CarPosition, Point, RouteFacts
from backends.ports import Desk


def load_line_words() -> LineWords:
    """The phrases about the line to an operator. Raises `StartError`."""
    try:
        return LineWords.load(NLU_DATA / "line")
    except LineDataError as error:
        raise StartError(f"The phrases in nlu_data/line cannot be read: {error}.") from error


class CarWatch:
    """The car as a handoff packet tells it; remembers where it was a moment ago."""

    EVERY_S = 10.0

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._earlier: list[Point] = []

    async def run(self) -> None:
        """Until cancelled: a position now and then."""
        while True:
            place = self._simulation.vehicle.position
            self._earlier = [Point(place.latitude, place.longitude, self._simulation.clock()), *self._earlier][:3]
            await asyncio.sleep(self.EVERY_S)

    def __call__(self) -> Car:
        simulation = self._simulation
        read = simulation.vehicle.read
        place, now = simulation.vehicle.position, simulation.clock()
        specs = simulation.vehicle.catalogue
        lamps = tuple(p for p in specs if p.endswith(("Low", "IsWarning", "IsLow")) and read(p).value is True)
        seats = [p for p in specs if p.endswith(".OccupancyStatus")]
        tank = "Vehicle.Powertrain.FuelSystem.TankCapacity" in specs
        position = CarPosition(
            place.latitude, place.longitude, now, True, float(read("Vehicle.CurrentLocation.Heading").value) % 360,
            round(simulation.vehicle.speed_kmh, 1), tuple(self._earlier[:2]),
        )  # fmt: skip
        vehicle = CarFacts(
            str(read("Vehicle.VehicleIdentification.LicensePlate").value),
            str(read("Vehicle.VehicleIdentification.VIN").value),
            str(read("Vehicle.VehicleIdentification.Model").value),
            "hybrid" if tank else "battery",
            lamps,
            sum(read(p).value == "OCCUPIED" for p in seats),
        )
        contract = "cancelled" if simulation.world.contract_cancelled else "active"
        return Car(vehicle, position, self._route(), contract, test=True)

    def _route(self) -> RouteFacts | None:
        status: Mapping[str, Any] = self._simulation.navigation.now()
        if not status["guiding"]:
            return None
        goal = status.get("destination")
        where = goal if isinstance(goal, Position) else None
        return RouteFacts(
            str(status["name"]),
            where.latitude if where is not None else None,
            where.longitude if where is not None else None,
            float(status["remaining_m"]),
            float(status["remaining_s"]),
            status["eta"],
        )


@asynccontextmanager
async def open_hands(settings: Settings, simulation: Simulation) -> AsyncIterator[CarryOut]:
    """Does in the car what operators send; routes and the car's line are opened at the first use."""
    from backends.maps import current
    from backends.navigation import VissNavigation
    from backends.routes import ValhallaRoutes
    from backends.vehicle import VissVehicle

    installed = current(settings.home)
    folder = installed.folder if installed is not None else settings.maps / "none"
    routes, vehicle = ValhallaRoutes(folder / "tiles"), VissVehicle(simulation.viss.url)

    async def position() -> Position | None:
        latitude = (await vehicle.get("Vehicle.CurrentLocation.Latitude")).value
        longitude = (await vehicle.get("Vehicle.CurrentLocation.Longitude")).value
        return Position(float(latitude), float(longitude))

    try:
        yield CarHands(routes, VissNavigation(vehicle), position).carry_out
    finally:
        await vehicle.close()
        await routes.close()


@asynccontextmanager
async def open_handoffs(
    system: System, desk: Desk, *, state: Path | None, waits: Waits | None = None, carry_out: CarryOut | None = None
) -> AsyncIterator[Handoffs]:
    """Joins the system's conversation to a desk; handoffs open in `state` (a SQLite file) are taken up again."""
    simulation = system.simulation
    words = load_line_words()
    async with contextlib.AsyncExitStack() as stack:
        hands = carry_out
        if hands is None:
            hands = await stack.enter_async_context(open_hands(system.settings, simulation))
        watch = CarWatch(simulation)
        records = Records(lambda text: words.says("correction", text), simulation.clock)
        # Before the line's own sink: the record knows what was said when a handoff asks for it.
        system.stream.add_sink(records.take)
        maker = PacketMaker(system.phrases, reported_state, watch, simulation.clock)
        await asyncio.to_thread(maker.warm)
        handoffs = Handoffs(
            desk,
            HandoffStore(state),
            records,
            maker,
            words,
            system.phrases,
            system.stream,
            clock=simulation.clock,
            carry_out=hands,
            reachable=lambda: simulation.line() == "ok",
            waits=waits,
            phone=system.settings.desk_phone,
        )
        stack.push_async_callback(handoffs.stop)
        stack.callback(asyncio.create_task(watch.run()).cancel)
        handoffs.start()
        system.conversation.handoffs = handoffs
        system.line_sounds = LineSounds(desk, handoffs, system.stream)
        stack.push_async_callback(system.line_sounds.close)
        yield handoffs
        system.conversation.handoffs = system.line_sounds = None


@asynccontextmanager
async def open_own_desk(
    settings: Settings, note: Callable[[str], None] = lambda text: None
) -> AsyncIterator[tuple[Desk, str]]:
    """The desk of the settings: the one that runs elsewhere, or one of our own; with the address of its page. `note` gets a
    sentence when its port is taken."""
    from agent.composition_hearing import DeskTranscriber
    from agent.desk import server
    from agent.desk.service import Patience
    from agent.errors import PortInUse
    from backends.desk import HttpDesk

    async with contextlib.AsyncExitStack() as stack:
        if settings.desk_url:
            url = settings.desk_url
            secret = settings.desk_secret or server.car_secret(settings)
        else:
            try:
                listener = server.bind(settings.desk_port)
            except PortInUse as error:
                # The car can do without the usual address; an operator is told the one it has.
                note(f"{error} Another port is used now.")
                listener = server.bind(0)
            secret = server.car_secret(settings)
            own = await stack.enter_async_context(
                server.open_desk(
                    server.database_url(settings),
                    listener=listener,
                    patience=Patience(answer_s=settings.desk_answer_s),
                    retention_days=settings.desk_retention_days,
                    car=secret,
                    transcriber=DeskTranscriber(settings),
                )
            )
            url = own.url
        desk = HttpDesk(url, settings.desk_client, secret)
        stack.push_async_callback(desk.close)
        yield desk, f"{url}/desk"


@asynccontextmanager
async def open_system_with_desk(
    settings: Settings, state: Path, note: Callable[[str], None] = lambda text: None
) -> AsyncIterator[System]:
    """Everything in this process, with a desk that can take over the line; what is under way there is kept in `state`.
    `note` gets the address of the operators' page. Raises `StartError`."""
    async with contextlib.AsyncExitStack() as stack:
        system = await stack.enter_async_context(open_system(settings, lasting=True))
        desk, page = await stack.enter_async_context(open_own_desk(settings, note))
        await stack.enter_async_context(open_handoffs(system, desk, state=state))
        note(f"Owner's Desk: {page}")
        yield system
