"""The tester's hand on the simulated car and its world: one control at a time, by name, with its values checked.

A control is a JSON object like `{"do": "weather", "scenario": "rain"}` (docs/page.md lists them all). The page sends them, scenario
files hold them (docs/scenarios.md): whatever plays them does the same to the same simulation. What is not as it must be is a
`ControlError`, and then nothing was changed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime, time, timedelta
from typing import Any, Final, cast, get_args

from backends import jma
from backends.errors import BackendError
from backends.model import Equipment, Position, Route, TrafficKind
from backends.navigation import ROUTE_PATH
from simulator.navigation import SimulatedNavigation
from simulator.vehicle import WHEELS, SimulatedClock, SimulatedVehicle
from simulator.world import Scenario, SimulatedWorld, Vacancy

CONNECTED: Final = "Vehicle.Connectivity.IsConnectivityAvailable"
EQUIPMENT: Final = "Vehicle.Private.Navigation.Equipment"
OUTSIDE: Final = "Vehicle.Exterior.AirTemperature"
OIL: Final = "Vehicle.Powertrain.CombustionEngine.EngineOil.Level"
FUEL_LEVEL: Final = "Vehicle.Powertrain.FuelSystem.RelativeLevel"
SEATS: Final = ("Row1.PassengerSide", "Row2.DriverSide", "Row2.PassengerSide")
"""where a passenger can sit; the driver's seat is the driver's"""
LAMPS: Final[Mapping[str, str]] = {
    "abs": "Vehicle.ADAS.ABS.IsError",
    "esc": "Vehicle.ADAS.ESC.IsError",
    "brake": "Vehicle.Chassis.Axle.Row1.Wheel.Left.Brake.IsFluidLevelLow",
    "washer": "Vehicle.Body.Windshield.Front.WasherFluid.IsLevelLow",
    "oil": OIL,
}
DOORS: Final[Mapping[str, str]] = {
    **{side: f"Vehicle.Cabin.Door.{side}.IsOpen" for side in ("Row1.DriverSide", *SEATS)},
    "trunk": "Vehicle.Body.Trunk.Rear.IsOpen",
    "hood": "Vehicle.Body.Hood.IsOpen",
}
UNNAMED: Final = "この先"
"""what a road without a name is called in the feed: ahead"""
MAX_EVENTS: Final = 50
MAX_POINTS: Final = 500
"""of one event's line"""
MAX_VACANCIES: Final = 200
MAX_AHEAD_S: Final = 31 * 86_400
"""how far the car's clock may be put forward"""
MAX_PASS_S: Final = 3_600


class ControlError(ValueError):
    """A control that cannot be carried out; `code` is stable: unknown, bad_value, no_route, not_there, too_many."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code


class Controls:
    """Every control over one simulation. It belongs to the simulation's event loop."""

    def __init__(
        self, clock: SimulatedClock, vehicle: SimulatedVehicle, navigation: SimulatedNavigation, world: SimulatedWorld
    ) -> None:
        self._clock, self._vehicle, self._navigation, self._world = clock, vehicle, navigation, world
        self.jumped_s = 0.0
        """car time that did not pass by itself: put forward, or let pass at once"""
        self._names: dict[str, str] = {}
        """of the car parks whose state was set"""
        self._observers: list[Callable[[Mapping[str, Any]], None]] = []
        self._prefectures = frozenset(office.prefecture for office in jma.offices())
        self._controls: dict[str, tuple[frozenset[str], Callable[[_Values], None]]] = {
            "clock": (frozenset({"time", "at", "advance_s", "real", "rate"}), self._set_clock),
            "pass": (frozenset({"seconds"}), self._pass),
            "place": (frozenset({"latitude", "longitude", "heading"}), self._place),
            "weather": (frozenset({"scenario", "prefecture"}), self._weather),
            "road": (
                frozenset({"kind", "ahead_m", "length_m", "delay_s", "minutes", "line", "road"}),
                self._road,
            ),
            "clear_road": (frozenset({"id"}), self._clear_road),
            "vacancy": (frozenset({"place", "state", "name"}), self._vacancy),
            "network": (frozenset({"lost"}), self._network),
            "contract": (frozenset({"cancelled"}), self._contract),
            "equipment": (frozenset({"unit"}), self._equipment),
            "news": (frozenset({"on"}), self._news),
            "lamp": (frozenset({"lamp", "on"}), self._lamp),
            "door": (frozenset({"door", "open"}), self._door),
            "seat": (frozenset({"seat", "occupied"}), self._seat),
            "tyre": (frozenset({"wheel", "loss_kpa"}), self._tyre),
            "fuel": (frozenset({"percent"}), self._fuel),
            "signal": (frozenset({"path", "value"}), self._signal),
            "reset": (frozenset(), lambda _: self.reset()),
        }
        world.on_line(self._line_changed)

    def apply(self, control: Mapping[str, Any]) -> None:
        """Carries one out. Raises `ControlError`."""
        name = control.get("do")
        known = self._controls.get(name) if isinstance(name, str) else None
        if known is None:
            raise ControlError("unknown", str(name)[:40])
        allowed, carry_out = known
        if extra := set(control) - allowed - {"do"}:
            raise ControlError("bad_value", f"{name} has no {sorted(map(str, extra))[0][:40]}")
        before = self._clock.ahead_s
        carry_out(_Values(control))
        self.jumped_s += self._clock.ahead_s - before
        for observer in list(self._observers):
            observer(control)

    def on_control(self, observer: Callable[[Mapping[str, Any]], None]) -> Callable[[], None]:
        """`observer` is called with each control carried out; returns what ends that."""
        self._observers.append(observer)
        return lambda: self._observers.remove(observer)

    def reset(self) -> None:
        """As on the first day: nothing forced, nothing on the roads, a sound car, the real time."""
        world, vehicle = self._world, self._vehicle
        for prefecture in list(world.forced_weather):
            world.force_weather(None, prefecture)
        world.clear_events()
        for place in list(world.forced_vacancies):
            world.set_vacancy(place, None)
        self._names.clear()
        world.network_lost = world.contract_cancelled = False
        world.news_on, world.equipment = True, "navi"
        for lamp, path in LAMPS.items():
            vehicle.sense(path, "NORMAL" if lamp == "oil" else False)
        for path in DOORS.values():
            vehicle.sense(path, False)
        for seat in SEATS:
            vehicle.sense(_seat_path(seat), "EMPTY")
        for wheel in WHEELS:
            vehicle.mend(wheel)
        vehicle.sense(OUTSIDE, vehicle.catalogue[OUTSIDE].initial)
        vehicle.fill(_number(vehicle.catalogue[FUEL_LEVEL].initial))
        self._clock.ahead_s = 0.0

    def as_controls(self) -> list[dict[str, Any]]:
        """What brings a car and a world as on the first day to the present state (but for place, time and route)."""
        state = self.state()
        out: list[dict[str, Any]] = [{"do": "weather", **row} for row in state["weather"]]
        for event in self._world.events():
            line = [[p.latitude, p.longitude] for p in event.geometry]
            left = round((event.until - self._world.now()).total_seconds() / 60) if event.until else 1_440
            wanted = {"delay_s": event.delay_s, "road": event.road, "minutes": min(1_440, max(1, left))}
            out.append({"do": "road", "kind": event.kind, "line": line, **{k: v for k, v in wanted.items() if v}})
        out += [{"do": "vacancy", **row} for row in state["vacancies"]]
        for row in out:
            if row["do"] == "vacancy" and not row["name"]:
                del row["name"]
        out += [{"do": "lamp", "lamp": k, "on": True} for k, on in state["lamps"].items() if on]
        out += [{"do": "door", "door": k, "open": True} for k, on in state["doors"].items() if on]
        out += [{"do": "seat", "seat": k, "occupied": True} for k, on in state["seats"].items() if on]
        out += [{"do": "tyre", "wheel": k, "loss_kpa": v} for k, v in state["tyres"].items() if v]
        out.append({"do": "fuel", "percent": state["fuel_percent"]})
        if state["equipment"] != "navi":
            out.append({"do": "equipment", "unit": state["equipment"]})
        if not state["news_on"]:
            out.append({"do": "news", "on": False})
        if state["network_lost"]:
            out.append({"do": "network", "lost": True})
        if state["contract_cancelled"]:
            out.append({"do": "contract", "cancelled": True})
        return out

    # ── what there is ───────────────────────────────────────────────────────────────────────────────────────────

    def options(self) -> dict[str, Any]:
        """What the controls can be set to, with the names of the car's parts in both languages."""

        def named(paths: Mapping[str, str]) -> list[dict[str, str]]:
            entries = self._vehicle.catalogue
            return [{"id": key, "ja": entries[path].ja, "en": entries[path].en} for key, path in paths.items()]

        return {
            "prefectures": sorted(self._prefectures),
            "scenarios": list(get_args(Scenario)),
            "kinds": list(get_args(TrafficKind)),
            "vacancies": list(get_args(Vacancy)),
            "equipments": list(get_args(Equipment)),
            "lamps": named(LAMPS),
            "doors": named(DOORS),
            "seats": named({seat: _seat_path(seat) for seat in SEATS}),
            "wheels": named({wheel: _pressure_path(wheel) for wheel in WHEELS}),
        }

    def state(self) -> dict[str, Any]:
        """Everything that can be controlled, as it is now; JSON-able."""
        world, vehicle = self._world, self._vehicle
        now, here = world.now(), vehicle.position
        weather = world.weather(here, now)
        guided = vehicle.track.route if vehicle.track is not None and self._navigation.now()["guiding"] else None
        return {
            "time": now.isoformat(timespec="seconds"),
            "ahead_s": round(self._clock.ahead_s),
            "rate": vehicle.factor,
            "weather": [{"prefecture": p, "scenario": s} for p, s in world.forced_weather.items()],
            "here": {
                "prefecture": world.prefecture_of(here),
                "code": weather.code,
                "temperature_c": weather.temperature_c,
            },
            "events": [
                {
                    "id": e.id, "kind": e.kind, "road": e.road, "road_en": e.road_en, "delay_s": e.delay_s,
                    "length_m": e.length_m, "until": e.until.isoformat(timespec="seconds") if e.until else None,
                    "latitude": e.geometry[0].latitude, "longitude": e.geometry[0].longitude,
                }
                for e in world.events()
            ],
            "vacancies": [
                {"place": place, "name": self._names.get(place, ""), "state": state}
                for place, state in world.forced_vacancies.items()
            ],
            "network_lost": world.network_lost,
            "contract_cancelled": world.contract_cancelled,
            "equipment": world.equipment,
            "news_on": world.news_on,
            "lamps": {lamp: self._is_lit(lamp) for lamp in LAMPS},
            "doors": {door: vehicle.read(path).value is True for door, path in DOORS.items()},
            "seats": {seat: vehicle.read(_seat_path(seat)).value == "OCCUPIED" for seat in SEATS},
            "tyres": {wheel: round(vehicle.leak(wheel)) for wheel in WHEELS},
            "fuel_percent": round(_number(vehicle.read(FUEL_LEVEL).value)),
            "guiding": guided is not None,
            "route_ahead_m": round(vehicle.track.length - vehicle.along, -2) if vehicle.track and guided else 0,
        }  # fmt: skip

    def _is_lit(self, lamp: str) -> bool:
        value = self._vehicle.read(LAMPS[lamp]).value
        return value in ("LOW", "CRITICALLY_LOW") if lamp == "oil" else value is True

    # ── time and place ──────────────────────────────────────────────────────────────────────────────────────────

    def _set_clock(self, values: _Values) -> None:
        if len(values) != 2:
            raise ControlError("bad_value", "clock takes one of time, at, advance_s, real, rate")
        now = self._clock()
        if values.has("rate"):
            self._vehicle.drive(values.number("rate", 0, 600))
        elif values.has("real"):
            if values.flag("real"):
                self._clock.ahead_s = 0.0
        elif values.has("advance_s"):
            self._forward(values.number("advance_s", 0, MAX_AHEAD_S))
        elif values.has("at"):
            at = values.moment("at", now)
            if at < now:
                # What the car has learnt and said lies behind it; it does not live a day twice.
                raise ControlError("bad_value", "the clock goes forward only")
            self._forward((at - now).total_seconds())
        else:
            wanted = values.time_of_day("time")
            at = datetime.combine(now.date(), wanted, now.tzinfo)
            self._forward(((at if at > now else at + timedelta(days=1)) - now).total_seconds())

    def _forward(self, seconds: float) -> None:
        if self._clock.ahead_s + seconds > MAX_AHEAD_S:
            raise ControlError("bad_value", "too far ahead")
        self._clock.advance(seconds)
        if self._world.forced_weather:
            self._feel_weather()

    def _pass(self, values: _Values) -> None:
        """Time that passes at once, the car driving on in it."""
        seconds = values.number("seconds", 0, MAX_PASS_S)
        # Second by second, so that what happens on the way happens at its time.
        while seconds > 0:
            step = min(1.0, seconds)
            self._clock.advance(step)
            self._vehicle.step(step)
            seconds -= step

    def _place(self, values: _Values) -> None:
        position = Position(values.number("latitude", -90, 90), values.number("longitude", -180, 180))
        heading = values.number("heading", 0, 360) if values.has("heading") else None
        self._vehicle.place(position, heading)

    # ── the world ───────────────────────────────────────────────────────────────────────────────────────────────

    def _weather(self, values: _Values) -> None:
        scenario = values.one_of("scenario", get_args(Scenario), or_none=True)
        prefecture = values.one_of("prefecture", self._prefectures, or_none=True) if values.has("prefecture") else None
        self._world.force_weather(cast("Scenario | None", scenario), prefecture)
        self._feel_weather()

    def _feel_weather(self) -> None:
        """The car's thermometer shows what the weather is."""
        here = self._world.weather(self._vehicle.position, self._world.now())
        self._vehicle.sense(OUTSIDE, here.temperature_c)

    def _road(self, values: _Values) -> None:
        kind = cast(TrafficKind, values.one_of("kind", get_args(TrafficKind)))
        ahead = values.number("ahead_m", 0, 1_000_000, default=2_000)
        length = values.number("length_m", 0, 50_000, default=1_000 if kind == "jam" else 0)
        delay = values.number("delay_s", 0, 86_400, default=_USUAL_DELAY_S.get(kind, 0))
        minutes = values.number("minutes", 1, 1_440, default=60)
        if len(self._world.events()) >= MAX_EVENTS:
            raise ControlError("too_many", "events")
        lasts = timedelta(minutes=minutes)
        if values.has("line"):
            road = values.text("road", 100) if values.has("road") else UNNAMED
            self._world.place_event(kind, values.line("line"), road, delay_s=delay or None, lasts=lasts)
            return
        track = self._vehicle.track
        if track is None or not self._navigation.now()["guiding"]:
            raise ControlError("no_route", "there is no route ahead")
        at = self._vehicle.along + ahead
        if at >= track.length:
            raise ControlError("no_route", "the route ends before")
        road = _road_at(track.route, track.metres, at)
        self._world.place_on_route(
            kind, track.route.geometry, road, from_m=at, length_m=min(length, track.length - at),
            delay_s=delay or None, lasts=lasts,
        )  # fmt: skip

    def _clear_road(self, values: _Values) -> None:
        if not values.has("id"):
            self._world.clear_events()
        elif not self._world.clear_event(values.text("id", 80)):
            raise ControlError("not_there", "no such event")

    def _vacancy(self, values: _Values) -> None:
        place = values.text("place", 200)
        state = cast("Vacancy | None", values.one_of("state", get_args(Vacancy), or_none=True))
        name = values.text("name", 200) if values.has("name") else ""
        if state is not None and place not in self._names and len(self._names) >= MAX_VACANCIES:
            raise ControlError("too_many", "car parks")
        self._world.set_vacancy(place, state)
        if state is None:
            self._names.pop(place, None)
        else:
            self._names[place] = name or self._names.get(place, "")

    def _news(self, values: _Values) -> None:
        self._world.news_on = values.flag("on")

    # ── the line ────────────────────────────────────────────────────────────────────────────────────────────────

    def _network(self, values: _Values) -> None:
        self._world.network_lost = values.flag("lost")

    def _contract(self, values: _Values) -> None:
        self._world.contract_cancelled = values.flag("cancelled")
        self._end_guidance_without_map()

    def _equipment(self, values: _Values) -> None:
        self._world.equipment = cast(Equipment, values.one_of("unit", get_args(Equipment)))
        self._end_guidance_without_map()

    def _end_guidance_without_map(self) -> None:
        """A head unit without a navigation unit of its own has neither map nor guidance once the contract has ended."""
        if self._world.contract_cancelled and self._world.equipment == "display_audio":
            self._vehicle.operate(ROUTE_PATH, "")

    def _line_changed(self) -> None:
        self._vehicle.publish(CONNECTED, not self._world.network_lost)
        self._vehicle.publish(EQUIPMENT, self._world.equipment.upper())

    # ── the car ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _lamp(self, values: _Values) -> None:
        lamp, on = values.one_of("lamp", LAMPS), values.flag("on")
        self._vehicle.sense(LAMPS[str(lamp)], ("LOW" if on else "NORMAL") if lamp == "oil" else on)

    def _door(self, values: _Values) -> None:
        self._vehicle.sense(DOORS[str(values.one_of("door", DOORS))], values.flag("open"))

    def _seat(self, values: _Values) -> None:
        seat = str(values.one_of("seat", SEATS))
        self._vehicle.sense(_seat_path(seat), "OCCUPIED" if values.flag("occupied") else "EMPTY")

    def _tyre(self, values: _Values) -> None:
        wheel = str(values.one_of("wheel", WHEELS))
        loss = values.number("loss_kpa", 0, 230)
        self._vehicle.mend(wheel)
        if loss:
            self._vehicle.puncture(wheel, loss)

    def _fuel(self, values: _Values) -> None:
        self._vehicle.fill(values.number("percent", 0, 100))

    def _signal(self, values: _Values) -> None:
        """An actuator, as its switch would set it."""
        try:
            self._vehicle.operate(values.text("path", 200), values.plain("value"))
        except BackendError as error:
            raise ControlError("bad_value", error.detail) from error


_USUAL_DELAY_S: Mapping[TrafficKind, float] = {"jam": 900, "accident": 1_200, "roadworks": 300, "restriction": 300}


def _seat_path(seat: str) -> str:
    return f"Vehicle.Cabin.Seat.{seat}.OccupancyStatus"


def _pressure_path(wheel: str) -> str:
    return f"Vehicle.Chassis.Axle.{wheel}.Tire.Pressure"


def _number(value: Any) -> float:
    return float(value)


def _road_at(route: Route, metres: tuple[float, ...], along: float) -> str:
    """The road's name `along` metres down the route, as its manoeuvres have it."""
    name = ""
    for maneuver in route.maneuvers:
        if metres[min(maneuver.begin_index, len(metres) - 1)] > along:
            break
        name = maneuver.street or name
    return name or route.via or UNNAMED


class _Values:
    """The fields of one control, taken out with their checks."""

    def __init__(self, control: Mapping[str, Any]) -> None:
        self._control = control

    def __len__(self) -> int:
        return len(self._control)

    def has(self, key: str) -> bool:
        return key in self._control

    def number(self, key: str, low: float, high: float, *, default: float | None = None) -> float:
        value = self._control.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ControlError("bad_value", f"{key} must be a number")
        if not low <= value <= high:
            raise ControlError("bad_value", f"{key} must be {low:g} to {high:g}")
        return float(value)

    def flag(self, key: str) -> bool:
        value = self._control.get(key)
        if not isinstance(value, bool):
            raise ControlError("bad_value", f"{key} must be true or false")
        return value

    def text(self, key: str, longest: int) -> str:
        value = self._control.get(key)
        if not isinstance(value, str) or not 0 < len(value) <= longest:
            raise ControlError("bad_value", f"{key} must be text of at most {longest} characters")
        return value

    def plain(self, key: str) -> Any:
        value = self._control.get(key)
        if not isinstance(value, bool | int | float | str):
            raise ControlError("bad_value", f"{key} must be a number, text, true or false")
        return value

    def one_of(self, key: str, allowed: Any, *, or_none: bool = False) -> str | None:
        value = self._control.get(key)
        if value is None and or_none and self.has(key):
            return None
        if not isinstance(value, str) or value not in allowed:
            raise ControlError("bad_value", f"{key} must be one of {', '.join(allowed)}"[:200])
        return value

    def line(self, key: str) -> list[Position]:
        value = self._control.get(key)
        if not isinstance(value, list) or not 0 < len(value) <= MAX_POINTS:
            raise ControlError("bad_value", f"{key} must be a list of places")
        points = []
        for row in value:
            if not isinstance(row, list) or len(row) != 2:
                raise ControlError("bad_value", f"{key} must hold [latitude, longitude]")
            pair = _Values({"latitude": row[0], "longitude": row[1]})
            points.append(Position(pair.number("latitude", -90, 90), pair.number("longitude", -180, 180)))
        return points

    def time_of_day(self, key: str) -> time:
        try:
            return time.fromisoformat(self.text(key, 8)).replace(tzinfo=None)
        except ValueError as error:
            raise ControlError("bad_value", f"{key} must be like 07:30") from error

    def moment(self, key: str, like: datetime) -> datetime:
        try:
            at = datetime.fromisoformat(self.text(key, 40))
        except ValueError as error:
            raise ControlError("bad_value", f"{key} must be a date and time") from error
        return at if at.tzinfo else at.replace(tzinfo=like.tzinfo)
