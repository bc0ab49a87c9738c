"""The world round the simulated car: time of day, weather, the state of the roads, the network.

A tester controls it; the simulated centre (centre.py) tells the car about it in the formats of real services. Everything is
worked out from the seed, the place and the time: the same world gives the same weather, however often it is asked.
Weather that nobody forced is plausible for the season: monthly means between measured cities, winter snow on the Sea of Japan
side, a rainy season, systems that move from west to east. It is not a forecast of anything.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

from backends import jma
from backends.model import Equipment, Position, TrafficEvent, TrafficKind

Scenario = Literal["sunny", "rain", "snow", "typhoon"]
Vacancy = Literal["vacant", "crowded", "full"]


@dataclass(frozen=True, slots=True)
class HourOfWeather:
    """The weather of one place and hour."""

    code: int
    """WMO 4677"""
    temperature_c: float
    humidity_percent: int
    precipitation_mm: float
    """within the hour"""
    precipitation_probability: int
    """percent"""
    wind_ms: float
    uv_index: float


# Monthly mean temperatures, °C (JMA normals 1991–2020), by latitude of the city.
_MEANS: tuple[tuple[float, tuple[float, ...]], ...] = (
    (26.2, (17.3, 17.5, 19.1, 21.5, 24.2, 27.2, 29.1, 29.0, 27.9, 25.5, 22.5, 19.0)),  # Naha
    (31.6, (8.7, 9.9, 12.8, 17.1, 21.0, 24.0, 28.1, 28.8, 26.3, 21.6, 16.2, 10.9)),  # Kagoshima
    (35.7, (5.4, 6.1, 9.4, 14.3, 18.8, 21.9, 25.7, 26.9, 23.3, 18.0, 12.5, 7.7)),  # Tokyo
    (38.3, (2.0, 2.4, 5.5, 10.7, 15.6, 19.2, 22.9, 24.4, 21.2, 15.7, 9.8, 4.5)),  # Sendai
    (43.1, (-3.2, -2.7, 1.1, 7.3, 13.0, 17.0, 21.1, 22.3, 18.6, 12.1, 5.2, -0.9)),  # Sapporo
)
# Share of hours with precipitation by month: Pacific side and Sea of Japan side.
_WET_PACIFIC = (0.08, 0.10, 0.15, 0.15, 0.15, 0.25, 0.18, 0.14, 0.20, 0.17, 0.12, 0.08)
_WET_SEA_OF_JAPAN = (0.42, 0.36, 0.26, 0.16, 0.14, 0.18, 0.20, 0.14, 0.19, 0.20, 0.30, 0.42)
_SEA_OF_JAPAN = frozenset({
    "北海道", "青森県", "秋田県", "山形県", "新潟県", "富山県", "石川県", "福井県", "鳥取県", "島根県",
})  # fmt: skip


class SimulatedWorld:
    """What happens outside the car. All times are the car's local time, timezone-aware."""

    def __init__(self, seed: int, clock: Callable[[], datetime]) -> None:
        """`clock` gives the time the world's own offset is added to."""
        self._seed = seed
        self._clock = clock
        self._offices = jma.offices()
        self.time_offset = timedelta()
        self._network_lost = False
        self._equipment: Equipment = "navi"
        self._observers: list[Callable[[], None]] = []
        self.contract_cancelled = False
        """True: the centre refuses"""
        self.news_on = True
        self._forced: dict[str | None, Scenario] = {}
        self._events: dict[str, TrafficEvent] = {}
        self._vacancies: dict[str, Vacancy] = {}
        self._placed = 0
        self._drawn: dict[str, float] = {}

    def now(self) -> datetime:
        return self._clock() + self.time_offset

    # ---- the car's line to it

    @property
    def network_lost(self) -> bool:
        """True: neither the centre nor anything online can be reached."""
        return self._network_lost

    @network_lost.setter
    def network_lost(self, lost: bool) -> None:
        self._network_lost = lost
        self._tell()

    @property
    def equipment(self) -> Equipment:
        """What the car's head unit is."""
        return self._equipment

    @equipment.setter
    def equipment(self, equipment: Equipment) -> None:
        self._equipment = equipment
        self._tell()

    def on_line(self, observer: Callable[[], None]) -> None:
        """`observer` is called when the network or the equipment changes: the car has signals of them."""
        self._observers.append(observer)
        observer()

    def _tell(self) -> None:
        for observer in self._observers:
            observer()

    # ---- weather

    def force_weather(self, scenario: Scenario | None, prefecture: str | None = None) -> None:
        """Makes it rain (or clears the wish with None) in one prefecture (渋谷区 lies in 東京都) or everywhere."""
        if scenario is None:
            self._forced.pop(prefecture, None)
        else:
            self._forced[prefecture] = scenario

    @property
    def forced_weather(self) -> Mapping[str | None, Scenario]:
        """By prefecture; None: everywhere else."""
        return dict(self._forced)

    def prefecture_of(self, position: Position) -> str:
        """The prefecture whose forecast covers the position."""
        return jma.nearest_office(position, self._offices).prefecture

    def weather(self, position: Position, at: datetime) -> HourOfWeather:
        """The weather of the hour that `at` lies in."""
        return self.weather_hours(position, at.replace(minute=0, second=0, microsecond=0), 1)[0]

    def weather_hours(self, position: Position, first: datetime, count: int) -> tuple[HourOfWeather, ...]:
        """The weather of `count` hours from `first` on (a full hour)."""
        prefecture = self.prefecture_of(position)
        scenario = self._forced.get(prefecture, self._forced.get(None))
        return tuple(
            self._weather_hour(position, prefecture, scenario, first + timedelta(hours=i)) for i in range(count)
        )

    def _weather_hour(
        self, position: Position, prefecture: str, scenario: Scenario | None, at: datetime
    ) -> HourOfWeather:
        month = at.month - 1
        # A system takes about a day from Fukuoka (130° E) to Sapporo (141° E).
        hours = at.timestamp() / 3600 - (position.longitude - 135) * 2.2
        cell = f"{round(position.latitude / 1.5)}"
        wet_share = (_WET_SEA_OF_JAPAN if prefecture in _SEA_OF_JAPAN else _WET_PACIFIC)[month]
        # Two noises of different period: three-day systems and showers within them.
        moisture = 0.75 * self._noise(f"system{cell}", hours / 40) + 0.25 * self._noise(f"shower{cell}", hours / 5)
        threshold = 0.5 + 0.34 * (1 - wet_share / 0.5)
        excess = (moisture - threshold) / (1 - threshold)
        cloud = min(1.0, max(0.0, (moisture - 0.3) / 0.35))
        wind = 1.5 + 4.0 * self._noise(f"wind{cell}", hours / 20) + (2.0 if 11 <= at.hour < 18 else 0.0)
        temperature = self._mean(position.latitude, at) + 4.0 * (self._noise(f"warm{cell}", hours / 60) - 0.5)
        if scenario == "sunny":
            excess, cloud = -0.6, 0.0
        elif scenario == "rain":
            excess, cloud = 0.35, 1.0
        elif scenario == "snow":
            excess, cloud, temperature = 0.4, 1.0, min(temperature, -1.0)
        elif scenario == "typhoon":
            excess, cloud, wind = 1.0, 1.0, 24.0 + 6.0 * self._noise("gust", hours)
        swing = 4.5 - 3.0 * cloud
        temperature += swing * math.cos((at.hour - 14) / 24 * 2 * math.pi)
        if scenario == "snow":
            temperature = min(temperature, 0.0)
        wet = excess > 0
        snow = wet and temperature < 1.5
        amount = round(0.3 + 9.0 * excess**1.5, 1) if wet else 0.0
        sun = max(0.0, math.sin((at.hour - 6) / 12 * math.pi)) if 6 <= at.hour <= 18 else 0.0
        season = 0.5 - 0.5 * math.cos((at.timetuple().tm_yday + 10) / 365 * 2 * math.pi)
        return HourOfWeather(
            code=_wmo(cloud, amount, snow=snow, thunder=scenario == "typhoon" and at.hour % 6 == 0),
            temperature_c=round(temperature, 1),
            humidity_percent=round(min(98, 45 + 25 * cloud + (20 if wet else 0) + 10 * season)),
            precipitation_mm=amount,
            precipitation_probability=round(min(100, max(0, 50 + 90 * excess)) / 10) * 10,
            wind_ms=round(wind, 1),
            uv_index=round(sun * (2.5 + 7.5 * season) * (1 - 0.7 * cloud), 1),
        )

    @staticmethod
    def _mean(latitude: float, at: datetime) -> float:
        """The season's mean temperature at a latitude, °C, between months and cities."""
        position = at.month - 1 + (at.day - 15) / 30.4
        first = math.floor(position)
        share = position - first

        def of(means: tuple[float, ...]) -> float:
            return means[first % 12] * (1 - share) + means[(first + 1) % 12] * share

        latitude = min(max(latitude, _MEANS[0][0]), _MEANS[-1][0])
        for (south, low), (north, high) in itertools.pairwise(_MEANS):
            if latitude <= north:
                part = (latitude - south) / (north - south)
                return of(low) * (1 - part) + of(high) * part
        return of(_MEANS[-1][1])

    def _noise(self, name: str, x: float) -> float:
        """Smooth noise in 0 … 1 over `x`, one new value at each whole number."""
        first = math.floor(x)
        share = x - first
        share = share * share * (3 - 2 * share)
        return self._random(f"{name}:{first}") * (1 - share) + self._random(f"{name}:{first + 1}") * share

    def _random(self, name: str) -> float:
        found = self._drawn.get(name)
        if found is None:
            digest = hashlib.blake2b(f"{self._seed}:{name}".encode(), digest_size=8).digest()
            found = int.from_bytes(digest, "big") / 2**64
            if len(self._drawn) > 20_000:
                self._drawn.clear()
            self._drawn[name] = found
        return found

    # ---- roads

    def place_event(
        self,
        kind: TrafficKind,
        geometry: Sequence[Position],
        road: str,
        road_en: str | None = None,
        *,
        delay_s: float | None = None,
        lasts: timedelta | None = None,
    ) -> TrafficEvent:
        """Puts a jam, an accident, … on a road. A line runs in the direction of travel."""
        self._placed += 1
        line = tuple(geometry)
        length = sum(a.distance_to(b) for a, b in itertools.pairwise(line))
        event = TrafficEvent(
            id=f"sim-{self._placed}",
            kind=kind,
            geometry=line,
            road=road,
            road_en=road_en,
            delay_s=delay_s,
            length_m=round(length) if length else None,
            updated_at=self.now(),
            until=self.now() + lasts if lasts else None,
            source="simulator",
            demo=True,
        )
        self._events[event.id] = event
        return event

    def place_on_route(
        self,
        kind: TrafficKind,
        route: Sequence[Position],
        road: str,
        road_en: str | None = None,
        *,
        from_m: float,
        length_m: float = 0.0,
        delay_s: float | None = None,
        lasts: timedelta | None = None,
    ) -> TrafficEvent:
        """Puts an event on a route's geometry, `from_m` metres after its start, `length_m` long (0: a point)."""
        line = _cut(route, from_m, from_m + length_m)
        return self.place_event(kind, line, road, road_en, delay_s=delay_s, lasts=lasts)

    def clear_event(self, event_id: str) -> bool:
        return self._events.pop(event_id, None) is not None

    def clear_events(self) -> None:
        self._events.clear()

    def events(self) -> tuple[TrafficEvent, ...]:
        """What is on the roads now; what has ended is gone. Running events are reported anew every five minutes."""
        now = self.now()
        self._events = {i: e for i, e in self._events.items() if e.until is None or e.until > now}
        fresh = timedelta(minutes=5)
        for i, event in self._events.items():
            if now - event.updated_at >= fresh:
                self._events[i] = replace(event, updated_at=now - (now - event.updated_at) % fresh)
        return tuple(self._events.values())

    # ---- car parks

    def set_vacancy(self, place_id: str, state: Vacancy | None) -> None:
        """Forces a car park's state, or with None leaves it to the time of day again."""
        if state is None:
            self._vacancies.pop(place_id, None)
        else:
            self._vacancies[place_id] = state

    @property
    def forced_vacancies(self) -> Mapping[str, Vacancy]:
        return dict(self._vacancies)

    def vacancy(self, place_id: str) -> Vacancy:
        """How full a car park is now: busiest in the early afternoon and at weekends, each in its own way."""
        if place_id in self._vacancies:
            return self._vacancies[place_id]
        now = self.now()
        hour = now.hour + now.minute / 60
        busy = math.exp(-(((hour - 14) / 4.5) ** 2)) * (1.15 if now.weekday() >= 5 else 0.9)
        level = busy + 0.7 * (self._noise(f"parking:{place_id}", now.timestamp() / 5400) - 0.5)
        return "full" if level > 0.95 else "crowded" if level > 0.65 else "vacant"

    # ---- state

    def export_state(self) -> dict[str, Any]:
        """What was arranged, as JSON, for a restart."""
        return {
            "network_lost": self.network_lost,
            "contract_cancelled": self.contract_cancelled,
            "equipment": self.equipment,
            "news_on": self.news_on,
            "weather": [[prefecture, scenario] for prefecture, scenario in self._forced.items()],
            "vacancies": dict(self._vacancies),
            "events": [_event_to_json(e) for e in self.events()],
            "placed": self._placed,
        }

    def import_state(self, state: Mapping[str, Any]) -> None:
        """Takes back what `export_state` gave. Raises `ValueError`, `KeyError` or `TypeError` for anything else, and then has
        changed nothing."""
        forced = {row[0]: row[1] for row in state["weather"]}
        vacancies = dict(state["vacancies"])
        events = [_event_from_json(row) for row in state["events"]]
        if not all(isinstance(s, str) and s in get_args(Scenario) for s in forced.values()):
            raise ValueError("not a weather")
        if not all(isinstance(s, str) and s in get_args(Vacancy) for s in vacancies.values()):
            raise ValueError("not a vacancy")
        if state["equipment"] not in get_args(Equipment):
            raise ValueError("not an equipment")
        placed = int(state["placed"])
        self._forced, self._vacancies, self._placed = forced, vacancies, placed
        self._events = {event.id: event for event in events}
        self.contract_cancelled, self.news_on = bool(state["contract_cancelled"]), bool(state["news_on"])
        self.equipment = state["equipment"]
        self.network_lost = bool(state["network_lost"])


def _event_to_json(event: TrafficEvent) -> dict[str, Any]:
    return {
        "id": event.id,
        "kind": event.kind,
        "geometry": [[p.latitude, p.longitude] for p in event.geometry],
        "road": event.road,
        "road_en": event.road_en,
        "delay_s": event.delay_s,
        "length_m": event.length_m,
        "updated_at": event.updated_at.isoformat(),
        "until": event.until.isoformat() if event.until else None,
    }


def _event_from_json(row: Mapping[str, Any]) -> TrafficEvent:
    if row["kind"] not in get_args(TrafficKind) or not row["geometry"]:
        raise ValueError("not an event")
    return TrafficEvent(
        id=str(row["id"]),
        kind=row["kind"],
        geometry=tuple(Position(*point) for point in row["geometry"]),
        road=str(row["road"]),
        road_en=row["road_en"],
        delay_s=row["delay_s"],
        length_m=row["length_m"],
        updated_at=datetime.fromisoformat(row["updated_at"]),
        until=datetime.fromisoformat(row["until"]) if row["until"] else None,
        source="simulator",
        demo=True,
    )


def _wmo(cloud: float, amount: float, *, snow: bool, thunder: bool) -> int:
    if thunder:
        return 95
    if amount > 0:
        heavy, moderate = amount >= 7.5, amount >= 2.5
        if snow:
            return 75 if heavy else 73 if moderate else 71
        return 65 if heavy else 63 if moderate else 61 if amount >= 0.6 else 51
    return 0 if cloud < 0.15 else 1 if cloud < 0.35 else 2 if cloud < 0.7 else 3


def _cut(line: Sequence[Position], from_m: float, to_m: float) -> tuple[Position, ...]:
    """The part of a line between two distances from its start; a single point when both are equal or beyond its end."""

    def at(a: Position, b: Position, share: float) -> Position:
        return Position(
            a.latitude + (b.latitude - a.latitude) * share, a.longitude + (b.longitude - a.longitude) * share
        )

    found: list[Position] = []
    passed = 0.0
    for a, b in itertools.pairwise(line):
        length = a.distance_to(b)
        if length > 0 and passed + length >= from_m and passed <= to_m:
            if not found:
                found.append(at(a, b, max(0.0, (from_m - passed) / length)))
            if to_m > from_m:
                found.append(at(a, b, min(1.0, (to_m - passed) / length)))
        passed += length
        if passed > to_m:
            break
    return tuple(found) or (line[-1],)
