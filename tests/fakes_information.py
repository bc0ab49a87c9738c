"""A small world for the information skills and servers that misbehave on purpose."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, cast

from aiohttp import web

from actions.phrases import Phrases
from actions.skill import Entity, Outcome, Skill, Turn, World
from backends.errors import BackendError, NoMap, NotFound
from backends.model import (
    Forecast,
    Headline,
    Language,
    Locality,
    LocalityKind,
    Place,
    PlaceHit,
    Position,
    Route,
    RouteRequest,
    SavedPlace,
    Signal,
    TrafficEvent,
)
from backends.traffic import distance_to_line, match_along

JST = timezone(timedelta(hours=9))
MORNING = datetime(2026, 6, 3, 10, 20, tzinfo=JST)
"""a Wednesday"""
RESPONSES = Path(__file__).resolve().parent.parent / "nlu_data" / "responses"
SHIBUYA = Position(35.658, 139.7016)


@dataclass
class VirtualClock:
    """Time that stands still until it is moved."""

    now: datetime = MORNING

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **delta: float) -> None:
        self.now += timedelta(**delta)


# ---- servers


@dataclass
class BrokenServer:
    """Answers every request with one body, after a while, or not at all."""

    body: bytes = b"garbage"
    status: int = 200
    delay_s: float = 0.0
    repeat: int = 1
    """how many times the body is sent, without saying so beforehand"""
    abort: bool = False
    requests: int = 0
    base_url: str = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        if self.abort:
            assert request.transport is not None
            request.transport.abort()
        response = web.StreamResponse(status=self.status)
        await response.prepare(request)
        for _ in range(self.repeat):
            await response.write(self.body)
        return response


@asynccontextmanager
async def serving(server: BrokenServer) -> AsyncIterator[BrokenServer]:
    app = web.Application()
    app.router.add_get("/{path:.*}", server.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.base_url = "http://{}:{}".format(*runner.addresses[0][:2])
    try:
        yield server
    finally:
        await runner.cleanup()


# ---- ports


@dataclass
class ScriptedWeather:
    """Forecasts by hand: `kinds` by date, the rest like `usual`; a horizon of `days`."""

    clock: VirtualClock
    usual: Mapping[str, Any] = field(default_factory=lambda: {"weather_code": 0, "precipitation_probability": 0})
    by_day: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    days: int = 10
    age: timedelta = timedelta()
    demo: bool = False
    error: BackendError | None = None
    asked: list[tuple[str, Position, datetime, datetime]] = field(default_factory=list)

    async def forecast(self, place: str, position: Position, start: datetime, end: datetime) -> Forecast:
        self.asked.append((place, position, start, end))
        if self.error:
            raise self.error
        if start >= self.clock() + timedelta(days=self.days):
            raise NotFound("weather", "beyond")
        values: dict[str, Any] = {
            "high_c": 25.2, "low_c": 18.4, "precipitation_mm": 0.0, "wind_ms": 3.0, "humidity_percent": 60,
            "uv_index": 4.0, **self.usual, **self.by_day.get(f"{start:%m-%d}", {}),
        }  # fmt: skip
        return Forecast(
            place=place, position=position, start=start, end=end, issued_at=self.clock() - self.age, source="test",
            demo=self.demo, **values,
        )  # fmt: skip


@dataclass
class ScriptedNews:
    items: tuple[Headline, ...] = ()
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def headlines(self, topic: str, language: Language, limit: int = 10) -> tuple[Headline, ...]:
        self.asked.append((topic, language))
        return self.items[:limit]


@dataclass
class ScriptedTraffic:
    events: tuple[TrafficEvent, ...] = ()

    async def along(self, geometry: Sequence[Position], corridor_m: float = 150) -> tuple[TrafficEvent, ...]:
        return tuple(m.event for m in match_along(geometry, self.events, corridor_m))

    async def around(self, position: Position, radius_m: float) -> tuple[TrafficEvent, ...]:
        return tuple(e for e in self.events if distance_to_line(position, e.geometry) <= radius_m)


class FewPlaces:
    """A gazetteer and a map of a handful of names."""

    def __init__(self) -> None:
        rows: tuple[tuple[str, LocalityKind, float, float, str | None, str | None, str | None], ...] = (
            ("東京都", "prefecture", 35.69, 139.69, None, None, "Tokyo"),
            ("横浜市", "city", 35.444, 139.638, "神奈川県", None, "Yokohama"),
            ("大阪市", "city", 34.694, 135.502, "大阪府", None, "Osaka"),
            ("仙台市", "city", 38.268, 140.872, "宮城県", None, "Sendai"),
            ("札幌市", "city", 43.062, 141.354, "北海道", None, "Sapporo"),
            ("西区", "ward", 43.074, 141.301, "北海道", "札幌市", "Nishi Ward"),
            ("西区", "ward", 34.676, 135.486, "大阪府", "大阪市", "Nishi Ward"),
            ("青葉区", "ward", 35.553, 139.537, "神奈川県", "横浜市", "Aoba Ward"),
            ("青葉区", "ward", 38.269, 140.870, "宮城県", "仙台市", "Aoba Ward"),
            ("箱根町", "town", 35.232, 139.107, "神奈川県", None, "Hakone"),
        )
        self._localities = tuple(
            Locality(n, k, n, Position(lat, lon), en, prefecture, city) for n, k, lat, lon, prefecture, city, en in rows
        )
        self._place = Place("p1", "浅草寺", Position(35.7148, 139.7967), "sight", name_en="Senso-ji")

    def lookup(self, name: str, *, near: Position | None = None) -> tuple[Locality, ...]:
        found = [x for x in self._localities if name in (x.name, x.name[:-1]) or name == x.name_en]
        return tuple(sorted(found, key=lambda x: near.distance_to(x.position) if near else 0))

    def scan(self, text: str) -> tuple[tuple[int, int, tuple[Locality, ...]], ...]:
        return ()

    async def find(self, name: str, *, near: Position | None = None, limit: int = 5) -> tuple[PlaceHit, ...]:
        return (PlaceHit(self._place, 1.0, "exact"),) if name in ("浅草寺", "Senso-ji") else ()


@dataclass
class StandingCar:
    position: Position | None = SHIBUYA

    async def get(self, path: str) -> Signal:
        if self.position is None:
            raise NotFound("vehicle", path)
        value = self.position.latitude if path.endswith("Latitude") else self.position.longitude
        return Signal(path, 0.0 if path.endswith("Speed") else value, MORNING)


@dataclass
class Guidance:
    values: Mapping[str, object] = field(default_factory=lambda: {"guiding": False})

    async def status(self) -> Mapping[str, object]:
        return self.values


@dataclass
class StraightRoutes:
    """A straight road to anywhere, or no map at all."""

    mapped: bool = True

    async def route(self, request: RouteRequest) -> tuple[Route, ...]:
        if not self.mapped:
            raise NoMap("routes")
        line = (request.origin, request.destination)
        length = request.origin.distance_to(request.destination)
        return (Route(line, length, length / 10, ()),)


@dataclass
class KnownHome:
    home: Position | None = None

    async def get(self, driver: str, label: str) -> SavedPlace | None:
        return SavedPlace(label, label, self.home) if self.home and label == "home" else None


class Dialogue:
    """Says lines to the information skills and keeps the slots between them."""

    def __init__(self, skills: Sequence[type[Skill]], language: Language = "ja", **ports: Any) -> None:
        self.clock = VirtualClock()
        self.language = language
        few = FewPlaces()
        defaults: dict[str, Any] = {
            "places": few, "gazetteer": few, "routes": StraightRoutes(), "vehicle": StandingCar(),
            "navigation": Guidance(), "weather": ScriptedWeather(self.clock), "news": ScriptedNews(),
            "traffic": ScriptedTraffic(), "memory": KnownHome(),
        }  # fmt: skip
        self.world = World(**{**defaults, **ports}, clock=self.clock)
        phrases = Phrases.load(RESPONSES)
        self._skills = {skill.action_name: skill(self.world, phrases) for skill in skills}
        self.slots: dict[str, Any] = {}
        self.turns = 0

    @property
    def weather(self) -> ScriptedWeather:
        return cast(ScriptedWeather, self.world.weather)

    async def say(self, action: str, text: str, *entities: tuple[Any, ...], intent: str = "") -> Outcome:
        """`entities`: (type, value[, role])."""
        found = tuple(Entity(e[0], e[1], e[2] if len(e) > 2 else None) for e in entities)
        turn = Turn(text, intent, 0.9, found, self.language, "owner", dict(self.slots), self.turns, {})
        outcome = await self._skills[action].perform(turn)
        self.slots |= outcome.slots
        self.turns += 1
        return outcome
