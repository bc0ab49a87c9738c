"""A car to try the concierge in: a small physical model in simulated time, with the signals of the catalogue.

The model moves along a route at the speed of its roads, burns fuel (or charge), warms its tyres and its cabin. It is the
`Vehicle` port in memory; `simulator.viss_server` puts the same car behind a VISSv2 socket. It belongs to one event loop.
"""

from __future__ import annotations

import asyncio
import bisect
import contextlib
import math
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Literal

from backends.errors import NotFound, Rejected
from backends.model import EARTH_RADIUS_M, Position, Route, Signal, SignalSpec, SignalValue
from backends.navigation import route_from_json, route_to_json
from backends.vehicle import STAGE, Catalogue, checked, load_catalogue

JAPAN = timezone(timedelta(hours=9), "JST")

SPEED = "Vehicle.Speed"
LATITUDE = "Vehicle.CurrentLocation.Latitude"
LONGITUDE = "Vehicle.CurrentLocation.Longitude"
HEADING = "Vehicle.CurrentLocation.Heading"
FUEL = "Vehicle.Powertrain.FuelSystem"
BATTERY = "Vehicle.Powertrain.TractionBattery"
MEDIA = "Vehicle.Cabin.Infotainment.Media"
PRIVATE_MEDIA = "Vehicle.Private.Media"
HVAC = "Vehicle.Cabin.HVAC"
STATIONS = ("Row1.Driver", "Row1.Passenger", "Row2.Driver", "Row2.Passenger")
WHEELS = tuple(f"Row{row}.Wheel.{side}" for row in (1, 2) for side in ("Left", "Right"))

ACCELERATION_MS2 = 1.8
BRAKING_MS2 = 2.5
SUBSTEP_S = 1.0
TYRE_COLD_KPA = 230.0
"""set at 20 °C"""
TYRE_LOW_KPA = 190
BEV_CAPACITY_KWH = 71.4
QUEUE_LENGTH = 1024
TEXT_LIMIT = 200
"""characters of a media query"""

BROADCAST: Mapping[str, tuple[str, ...]] = {
    "FM": ("デモFM 80.0", "デモFM 81.3", "デモFM 82.5"),
    "AM": ("デモAM 594", "デモAM 954", "デモAM 1242"),
    "DAB": ("Demo DAB 1", "Demo DAB 2"),
    "TV": ("デモテレビ 1", "デモテレビ 2"),
}
"""invented stations a tuner steps through"""
ALBUM = (("デモ曲 1", "デモ楽団"), ("デモ曲 2", "デモ楽団"), ("デモ曲 3", "デモ合唱団"))
"""invented tracks on every other source: title, artist"""


class SimulatedClock:
    """The car's time: real time that can run ahead of itself, or a time of its own in tests."""

    def __init__(self, source: Callable[[], datetime] | None = None) -> None:
        """`source` gives timezone-aware real time; by default the machine's, in Japan's zone."""
        self._source = source or (lambda: datetime.now(JAPAN))
        self._ahead = timedelta()

    @classmethod
    def frozen(cls, at: datetime) -> SimulatedClock:
        """A clock that only `advance` moves."""
        return cls(lambda: at)

    def __call__(self) -> datetime:
        return self._source() + self._ahead

    def advance(self, seconds: float) -> None:
        self._ahead += timedelta(seconds=seconds)

    @property
    def ahead_s(self) -> float:
        """How far it runs ahead of its source, in seconds."""
        return self._ahead.total_seconds()

    @ahead_s.setter
    def ahead_s(self, seconds: float) -> None:
        self._ahead = timedelta(seconds=seconds)


@dataclass(frozen=True, slots=True)
class Track:
    """A route prepared for driving: distance and time at each point of its geometry."""

    route: Route
    metres: tuple[float, ...]
    """from the start to each point along the geometry"""
    seconds: tuple[float, ...]
    """planned time to each point"""

    @classmethod
    def of(cls, route: Route) -> Track:
        metres = [0.0]
        for before, after in zip(route.geometry, route.geometry[1:]):  # noqa: B905 – the last has no successor
            metres.append(metres[-1] + before.distance_to(after))
        seconds = [0.0]
        speeds = _speeds(route, len(metres))
        for index in range(1, len(metres)):
            seconds.append(seconds[-1] + (metres[index] - metres[index - 1]) / speeds[index - 1])
        return cls(route, tuple(metres), tuple(seconds))

    @property
    def length(self) -> float:
        return self.metres[-1]

    def at(self, along: float) -> tuple[Position, float, float]:
        """Position, heading (degrees) and planned speed (m/s) at `along` metres."""
        points = self.route.geometry
        index = min(bisect.bisect_right(self.metres, along), len(points) - 1)
        before, after = points[max(0, index - 1)], points[index]
        span = self.metres[index] - self.metres[index - 1] if index else 0.0
        share = 0.0 if span <= 0 else min(1.0, max(0.0, (along - self.metres[index - 1]) / span))
        position = Position(
            before.latitude + share * (after.latitude - before.latitude),
            before.longitude + share * (after.longitude - before.longitude),
        )
        duration = self.seconds[index] - self.seconds[index - 1] if index else 0.0
        return position, before.bearing_to(after), span / duration if duration > 0 else 0.0

    def seconds_at(self, along: float) -> float:
        """Planned time to `along` metres."""
        index = min(bisect.bisect_right(self.metres, along), len(self.metres) - 1)
        if index == 0:
            return 0.0
        span = self.metres[index] - self.metres[index - 1]
        share = 1.0 if span <= 0 else min(1.0, (along - self.metres[index - 1]) / span)
        return self.seconds[index - 1] + share * (self.seconds[index] - self.seconds[index - 1])


def _speeds(route: Route, points: int) -> list[float]:
    """Metres a second from each point to the next: the manoeuvre's own where there is one, else the route's mean."""
    mean = max(1.0, route.distance_m / max(1.0, route.duration_s))
    speeds = [mean] * points
    starts = [m.begin_index for m in route.maneuvers] + [points]
    for maneuver, begin, end in zip(route.maneuvers, starts, starts[1:]):  # noqa: B905
        if maneuver.duration_s > 0 and maneuver.distance_m > 0:
            speed = min(45.0, max(1.0, maneuver.distance_m / maneuver.duration_s))
            speeds[begin:end] = [speed] * (max(0, min(end, points) - begin))
    return speeds


@dataclass(slots=True)
class _Listener:
    paths: frozenset[str]
    queue: asyncio.Queue[Signal]


class SimulatedVehicle:
    """The `Vehicle` port of a simulated car. `set` is the voice side: what only key, switch or remote service may do is refused."""

    def __init__(
        self,
        clock: Callable[[], datetime] | None = None,
        *,
        catalogue: Catalogue | None = None,
        position: Position | None = None,
        powertrain: Literal["HYBRID", "ELECTRIC"] = "HYBRID",
    ) -> None:
        self.clock: Callable[[], datetime] = clock or SimulatedClock()
        self.catalogue = catalogue or load_catalogue()
        self.dropped = 0
        """changes a slow subscriber never saw"""
        now = self.clock()
        self._values = {path: Signal(path, entry.initial, now) for path, entry in self.catalogue.items()}
        self._listeners: list[_Listener] = []
        self._setters: dict[str, Callable[[str], str]] = {}
        self._observers: list[Callable[[], None]] = []
        self._track: Track | None = None
        self._along = 0.0
        self._odometer = float(self._number("Vehicle.TraveledDistance"))
        self._fuel = self._number(f"{FUEL}.AbsoluteLevel")
        self._fuel_at_start = self._fuel
        self._energy = 0.55 * BEV_CAPACITY_KWH
        self._tyre_warmth = 0.0
        self._leak = dict.fromkeys(WHEELS, 0.0)
        self._tuned = dict.fromkeys(BROADCAST, 0)
        self._song = 0
        self._driver: asyncio.Task[None] | None = None
        self.factor = 0.0
        self._electric = powertrain == "ELECTRIC"
        self._put("Vehicle.Powertrain.Type", powertrain)
        self._put("Vehicle.Cabin.Seat.Row1.DriverSide.OccupancyStatus", "OCCUPIED")
        if position is not None:
            self.place(position)
        self._report_energy()
        self._tune()

    # ── the port ────────────────────────────────────────────────────────────────────────────────────────────────

    async def get(self, path: str) -> Signal:
        return self.read(path)

    async def set(self, path: str, value: SignalValue) -> Signal:
        entry = self.catalogue.get(path)
        if entry is None:
            raise NotFound(STAGE, path)
        if entry.access != "voice":
            raise Rejected(STAGE, f"{path}: not by voice")
        return self.operate(path, value)

    async def spec(self, path: str) -> SignalSpec:
        entry = self.catalogue.get(path)
        if entry is None:
            raise NotFound(STAGE, path)
        return entry.spec

    async def subscribe(self, paths: Sequence[str]) -> AsyncIterator[Signal]:
        for path in paths:
            if path not in self.catalogue:
                raise NotFound(STAGE, path)
        listener = _Listener(frozenset(paths), asyncio.Queue(QUEUE_LENGTH))
        self._listeners.append(listener)
        try:
            while True:
                yield await listener.queue.get()
        finally:
            self._listeners.remove(listener)

    # ── what the simulator's own side may do ────────────────────────────────────────────────────────────────────

    def read(self, path: str) -> Signal:
        """The signal now. Raises `NotFound`."""
        try:
            return self._values[path]
        except KeyError:
            raise NotFound(STAGE, path) from None

    def operate(self, path: str, value: SignalValue) -> Signal:
        """Sets an actuator as key, switch or remote service would. Raises `NotFound`, `Rejected`."""
        entry = self.catalogue.get(path)
        if entry is None:
            raise NotFound(STAGE, path)
        if entry.spec.kind != "actuator" or entry.access == "none":
            raise Rejected(STAGE, f"{path}: read only")
        value = checked(entry.spec, value)
        setter = self._setters.get(path)
        if setter is not None:
            value = setter(str(value))
        self._put(path, value)
        self._react(path)
        return self._values[path]

    def sense(self, path: str, value: SignalValue) -> None:
        """Makes a sensor report `value` (a lamp, a person on a seat), as a test or a demonstration needs it."""
        entry = self.catalogue.get(path)
        if entry is None:
            raise NotFound(STAGE, path)
        self._put(path, checked(entry.spec, value))

    def on_set(self, path: str, setter: Callable[[str], str]) -> None:
        """`setter` decides what a string signal holds after it was set; it may raise `Rejected`."""
        self._setters[path] = setter

    def on_step(self, observer: Callable[[], None]) -> None:
        """`observer` is called after each step of the model."""
        self._observers.append(observer)

    def publish(self, path: str, value: SignalValue) -> None:
        """Reports a signal the head unit owns, without limits or reactions."""
        self._put(path, value)

    @property
    def position(self) -> Position:
        return Position(self._number(LATITUDE), self._number(LONGITUDE))

    @property
    def position_at(self) -> datetime:
        """When the car was there (its own time)."""
        return max(self._values[LATITUDE].at, self._values[LONGITUDE].at)

    @property
    def heading(self) -> float:
        """degrees, 0 = north, clockwise"""
        return self._number(HEADING)

    @property
    def speed_kmh(self) -> float:
        return self._number(SPEED)

    @property
    def track(self) -> Track | None:
        """The route being followed."""
        return self._track

    @property
    def along(self) -> float:
        """Metres driven along `track`."""
        return self._along

    def place(self, position: Position, heading: float | None = None) -> None:
        """Puts the car somewhere, standing, off any route; guidance under way ends with it."""
        self._put(LATITUDE, position.latitude)
        self._put(LONGITUDE, position.longitude)
        if heading is not None:
            self._put(HEADING, heading % 360)
        self.follow(None)
        for observer in self._observers:
            observer()

    def reset(self, position: Position) -> None:
        """A car as it was delivered, standing at `position`: for a test or a dialogue that must not see the last one."""
        self.place(position)
        for path, entry in self.catalogue.items():
            if entry.spec.kind == "actuator" and path not in self._setters:
                self._put(path, entry.initial)
        self._leak = dict.fromkeys(WHEELS, 0.0)
        self._tyre_warmth = 0.0
        self._tuned = dict.fromkeys(BROADCAST, 0)
        self._song = 0
        self.refuel(self._fuel_at_start - self._fuel)
        self._energy = 0.55 * BEV_CAPACITY_KWH
        self._report_energy()
        self._report_tyres()
        self._tune()

    def follow(self, route: Route | None, *, along: float = 0.0) -> None:
        """The route the car takes from now on, `along` metres from its start; None: it stays where it is.

        A car under way carries its speed over."""
        self._track = Track.of(route) if route is not None and len(route.geometry) > 1 else None
        self._along = min(along, self._track.length) if self._track else 0.0
        if self._track is None:
            self._put_speed(0.0)

    def refuel(self, litres: float | None = None) -> None:
        """Fills up (or adds `litres`); an electric car is charged full."""
        capacity = self._number(f"{FUEL}.TankCapacity")
        self._fuel = capacity if litres is None else min(capacity, self._fuel + litres)
        self._energy = BEV_CAPACITY_KWH
        self._report_energy()

    def fill(self, percent: float) -> None:
        """Leaves so much in the tank, or in the battery of an electric car."""
        self._fuel = self._number(f"{FUEL}.TankCapacity") * percent / 100
        self._energy = BEV_CAPACITY_KWH * percent / 100
        self._report_energy()

    def puncture(self, wheel: str, loss_kpa: float) -> None:
        """Lets air out of a tyre: `wheel` is Row1.Wheel.Left and so on."""
        self._leak[wheel] += loss_kpa
        self._report_tyres()

    def mend(self, wheel: str) -> None:
        """The tyre holds its air again."""
        self._leak[wheel] = 0.0
        self._report_tyres()

    def leak(self, wheel: str) -> float:
        """kPa a tyre has lost."""
        return self._leak[wheel]

    # ── time ────────────────────────────────────────────────────────────────────────────────────────────────────

    def step(self, dt_s: float) -> None:
        """Lets `dt_s` seconds pass in the model. The clock is the caller's business."""
        left = dt_s
        while left > 1e-9:
            dt = min(SUBSTEP_S, left)
            self._move(dt)
            self._consume(dt)
            self._warm(dt)
            left -= dt
            for observer in self._observers:
                observer()
        self._report_energy()
        self._report_tyres()

    def drive(self, factor: float = 1.0) -> None:
        """Runs the model in its event loop, `factor` times as fast as real time (0: it stands)."""
        if not 0 <= factor <= 600:
            raise ValueError(f"not a speed-up: {factor}")
        self.factor = factor
        if factor == 0:
            self._put_speed(0.0)
        if factor > 0 and (self._driver is None or self._driver.done()):
            self._driver = asyncio.get_running_loop().create_task(self._run(), name="simulated vehicle")

    async def stop(self) -> None:
        """Stands still and ends the running task."""
        self.factor = 0.0
        if self._driver is not None:
            self._driver.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._driver
            self._driver = None
        self._put_speed(0.0)

    async def _run(self, period_s: float = 0.2) -> None:
        loop = asyncio.get_running_loop()
        before = loop.time()
        while self.factor > 0:
            await asyncio.sleep(period_s)
            now = loop.time()
            # A machine that slept does not make the car jump.
            real = min(now - before, 5 * period_s)
            before = now
            if isinstance(self.clock, SimulatedClock):
                self.clock.advance(real * (self.factor - 1))
            self.step(real * self.factor)

    # ── the model ───────────────────────────────────────────────────────────────────────────────────────────────

    def _move(self, dt: float) -> None:
        track = self._track
        if track is None or self._empty():
            self._put_speed(max(0.0, self.speed_kmh / 3.6 - BRAKING_MS2 * dt))
            return
        _, _, planned = track.at(self._along)
        speed = self.speed_kmh / 3.6
        rest = track.length - self._along
        wanted = min(planned, math.sqrt(2 * BRAKING_MS2 * max(0.0, rest)))
        speed += max(-BRAKING_MS2 * dt, min(ACCELERATION_MS2 * dt, wanted - speed))
        moved = min(rest, max(0.0, speed) * dt)
        if rest < 1.0:
            moved, speed = rest, 0.0
        self._along += moved
        self._odometer += moved
        position, heading, _ = track.at(self._along)
        self._put(LATITUDE, position.latitude)
        self._put(LONGITUDE, position.longitude)
        self._put(HEADING, round(heading, 1) % 360)
        self._put("Vehicle.TraveledDistance", int(self._odometer))
        self._put_speed(speed)
        if self._along >= track.length:
            self._track = None
            self._put_speed(0.0)

    def _put_speed(self, metres_per_second: float) -> None:
        self._put(SPEED, round(metres_per_second * 3.6, 2))
        self._put("Vehicle.IsMoving", metres_per_second > 0)
        self._put("Vehicle.Powertrain.CombustionEngine.IsRunning", metres_per_second > 11 and not self._electric)

    def _consume(self, dt: float) -> None:
        """Fuel or charge: a speed-dependent part per metre and the climate's part per second."""
        metres = self.speed_kmh / 3.6 * dt
        climate = 1.0 if self._values["Vehicle.Private.HVAC.IsOn"].value else 0.0
        excess = (self.speed_kmh - 60) ** 2
        if self._electric:
            self._energy -= metres / 100_000 * (13.5 + 0.0016 * excess) + climate * dt * 1.0 / 3600
            self._energy = max(0.0, self._energy)
        else:
            self._fuel -= metres / 100_000 * (4.3 + 0.0005 * excess) + climate * dt * 0.35 / 3600
            self._fuel = max(0.0, self._fuel)

    def _empty(self) -> bool:
        return (self._energy if self._electric else self._fuel) <= 0

    def _report_energy(self) -> None:
        if self._electric:
            share, reach = self._energy / BEV_CAPACITY_KWH, self._energy / 15.0 * 100_000
            self._put(f"{BATTERY}.StateOfCharge.Displayed", round(100 * share, 1))
            self._put(f"{BATTERY}.StateOfCharge.CurrentEnergy", round(self._energy, 2))
            self._put(f"{BATTERY}.Range", int(reach))
            self._put(f"{FUEL}.Range", 0)
        else:
            share = self._fuel / self._number(f"{FUEL}.TankCapacity")
            reach = self._fuel / self._number(f"{FUEL}.AverageConsumption") * 100_000
            self._put(f"{FUEL}.AbsoluteLevel", round(self._fuel, 2))
            self._put(f"{FUEL}.RelativeLevel", round(100 * share))
            self._put(f"{FUEL}.Range", int(reach))
            self._put(f"{FUEL}.IsFuelLevelLow", reach < 50_000)
        self._put("Vehicle.Powertrain.Range", int(reach))

    def _warm(self, dt: float) -> None:
        target = 0.25 * self.speed_kmh
        self._tyre_warmth += (target - self._tyre_warmth) * (1 - math.exp(-dt / 600))
        outside = self._number("Vehicle.Exterior.AirTemperature")
        if self._values["Vehicle.Private.HVAC.IsOn"].value:
            wanted = sum(self._number(f"{HVAC}.Station.{s}.Temperature") for s in STATIONS) / len(STATIONS)
            pace = 300.0
        else:
            wanted, pace = outside, 1800.0
        cabin = self._number(f"{HVAC}.AmbientAirTemperature")
        self._put(f"{HVAC}.AmbientAirTemperature", cabin + (wanted - cabin) * (1 - math.exp(-dt / pace)))

    def _report_tyres(self) -> None:
        kelvin = self._number("Vehicle.Exterior.AirTemperature") + self._tyre_warmth + 273.15
        for wheel in WHEELS:
            pressure = max(0, round(TYRE_COLD_KPA * kelvin / 293.15 - self._leak[wheel]))
            self._put(f"Vehicle.Chassis.Axle.{wheel}.Tire.Pressure", pressure)
            self._put(f"Vehicle.Chassis.Axle.{wheel}.Tire.IsPressureLow", pressure < TYRE_LOW_KPA)

    # ── the head unit ───────────────────────────────────────────────────────────────────────────────────────────

    def _react(self, path: str) -> None:
        """What a real head unit and climate unit change by themselves when one thing is set."""
        value = self._values[path].value
        if path == f"{MEDIA}.Action":
            self._command(str(value))
        elif path == f"{MEDIA}.Played.Source":
            if value != "INTERNET":
                self._put(f"{PRIVATE_MEDIA}.Service", "NONE")
            self._put(f"{PRIVATE_MEDIA}.Query", "")
            self._put(f"{PRIVATE_MEDIA}.PlaybackState", "PLAYING")
            self._tune()
        elif path == f"{PRIVATE_MEDIA}.Query":
            text = "".join(c for c in str(value) if c.isprintable())[:TEXT_LIMIT]
            self._put(path, text)
            self._put(f"{PRIVATE_MEDIA}.PlaybackState", "PLAYING")
            self._tune()
        elif path == f"{MEDIA}.Volume":
            self._put(f"{PRIVATE_MEDIA}.IsMuted", False)
        elif path == f"{PRIVATE_MEDIA}.PlaybackState":
            self._put(f"{MEDIA}.Action", "PLAY" if value == "PLAYING" else "STOP")
        elif path == f"{HVAC}.IsFrontDefrosterActive" and value:
            # Clearing the windscreen needs dry outside air.
            self._put("Vehicle.Private.HVAC.IsOn", True)
            self._put(f"{HVAC}.IsAirConditioningActive", True)
            self._put(f"{HVAC}.IsRecirculationActive", False)
        elif path.endswith((".FanSpeed", ".IsAirConditioningActive", "HVAC.IsAutoActive")) and value:
            self._put("Vehicle.Private.HVAC.IsOn", True)
        if path.endswith(".FanSpeed"):
            self._put("Vehicle.Private.HVAC.IsAutoActive", False)
        if path == "Vehicle.Cabin.Infotainment.HMI.DayNightMode":
            self._put("Vehicle.Private.HMI.IsDayNightAuto", False)
        if path == "Vehicle.Private.HMI.IsDayNightAuto" and value:
            self._put("Vehicle.Cabin.Infotainment.HMI.DayNightMode", "DAY" if 6 <= self.clock().hour < 18 else "NIGHT")

    def _command(self, command: str) -> None:
        source = str(self._values[f"{MEDIA}.Played.Source"].value)
        step = {"SKIP_FORWARD": 1, "FAST_FORWARD": 1, "SKIP_BACKWARD": -1, "FAST_BACKWARD": -1}.get(command, 0)
        if source in BROADCAST:
            self._tuned[source] = (self._tuned[source] + step) % len(BROADCAST[source])
        else:
            self._song = (self._song + step) % len(ALBUM)
        if step:
            self._put(f"{PRIVATE_MEDIA}.Query", "")
        self._put(f"{PRIVATE_MEDIA}.PlaybackState", "STOPPED" if command == "STOP" else "PLAYING")
        self._tune()

    def _tune(self) -> None:
        """What is heard: a station, what was asked for, or the next invented track."""
        source = str(self._values[f"{MEDIA}.Played.Source"].value)
        asked = str(self._values[f"{PRIVATE_MEDIA}.Query"].value)
        if source in BROADCAST:
            station = asked or BROADCAST[source][self._tuned[source]]
            title, artist = "", ""
        else:
            station = ""
            title, artist = (asked, "") if asked else ALBUM[self._song]
        self._put(f"{PRIVATE_MEDIA}.Station", station)
        self._put(f"{MEDIA}.Played.Track", title)
        self._put(f"{MEDIA}.Played.Artist", artist)

    # ── state ───────────────────────────────────────────────────────────────────────────────────────────────────

    def export_state(self) -> dict[str, Any]:
        """The car as JSON, for a restart."""
        return {
            "values": {path: signal.value for path, signal in self._values.items()},
            "odometer": self._odometer,
            "fuel": self._fuel,
            "energy": self._energy,
            "electric": self._electric,
            "tyre_warmth": self._tyre_warmth,
            "leak": dict(self._leak),
            "route": route_to_json(self._track.route) if self._track else None,
            "along": self._along,
        }

    def import_state(self, state: Mapping[str, Any]) -> None:
        """Takes back what `export_state` gave. Signals that are no longer in the catalogue, or no longer fit, are left out.

        Raises `ValueError`, `KeyError` or `TypeError` for anything else, and then has changed nothing."""
        if not all(isinstance(state[key], dict) for key in ("values", "leak")):
            raise ValueError("not a car's state")
        track = Track.of(route_from_json(state["route"])) if state["route"] else None
        odometer, fuel, energy, warmth, along = (
            float(state[key]) for key in ("odometer", "fuel", "energy", "tyre_warmth", "along")
        )
        leak = {wheel: float(state["leak"].get(wheel, 0.0)) for wheel in WHEELS}
        for path, value in state["values"].items():
            entry = self.catalogue.get(path)
            if entry is not None:
                with contextlib.suppress(Rejected):
                    self._put(path, checked(entry.spec, value))
        self._odometer, self._fuel, self._energy, self._tyre_warmth = odometer, fuel, energy, warmth
        self._electric = bool(state["electric"])
        self._leak = leak
        self._track, self._along = track, min(along, track.length) if track else 0.0

    def _number(self, path: str) -> float:
        return float(self._values[path].value)

    def _put(self, path: str, value: SignalValue) -> None:
        if path not in self._values or self._values[path].value == value:
            return
        signal = self._values[path] = Signal(path, value, self.clock())
        for listener in self._listeners:
            if path in listener.paths:
                if listener.queue.full():
                    listener.queue.get_nowait()
                    self.dropped += 1
                listener.queue.put_nowait(signal)


def offset(position: Position, north_m: float, east_m: float) -> Position:
    """The point `north_m` and `east_m` metres away (for small distances)."""
    return Position(
        position.latitude + math.degrees(north_m / EARTH_RADIUS_M),
        position.longitude + math.degrees(east_m / (EARTH_RADIUS_M * math.cos(math.radians(position.latitude)))),
    )
