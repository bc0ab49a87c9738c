"""A small world for the dialogue's tests: some places in Tokyo, a gazetteer, straight roads, a car that stands or drives.

Each fake keeps its port's promises on a few rows in memory; nothing is scripted per test.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import yaml

from actions import skill_of
from actions.phrases import Phrases
from actions.skill import Entity, Outcome, Skill, Turn, World
from backends.errors import BackendError, BackendUnavailable, NoMap, NotFound
from backends.model import (
    Forecast,
    Headline,
    Language,
    Locality,
    OpeningHours,
    Parking,
    Place,
    PlaceHit,
    PlacePage,
    PlaceQuery,
    Position,
    RegionInfo,
    Route,
    RouteRequest,
    SavedPlace,
    Signal,
    SignalSpec,
    SignalValue,
    TrafficEvent,
)
from backends.ports import Preferences

JST = timezone(timedelta(hours=9))
NOON = datetime(2026, 6, 1, 12, 0, tzinfo=JST)
"""a Monday"""
RESPONSES = Path(__file__).resolve().parent.parent / "nlu_data" / "responses"
SHIBUYA = Position(35.6580, 139.7016)
YOKOHAMA = Position(35.4660, 139.6220)
SAPPORO = Position(43.0686, 141.3507)
NAHA = Position(26.2124, 127.6792)
CAR = Position(35.6600, 139.7000)

DAILY = OpeningHours((((660, 1320),),) * 8)
"""11:00–22:00 every day"""
CLOSED_MONDAYS = OpeningHours(((),) + (((600, 1080),),) * 7)
NIGHT = OpeningHours((((1080, 1560),),) * 8)
"""18:00–2:00"""


def near(position: Position, north_m: float, east_m: float = 0) -> Position:
    return Position(position.latitude + north_m / 111_195, position.longitude + east_m / 90_300)


def restaurant(id_: str, name: str, north_m: float, **more: Any) -> Place:
    base: dict[str, Any] = {
        "id": id_, "name": name, "position": near(SHIBUYA, north_m), "kind": "restaurant", "city": "渋谷区",
        "prefecture": "東京都", "hours": DAILY, "nearest_station": "渋谷駅", "demo": True,
    }  # fmt: skip
    return Place(**{**base, **more})


PLACES: tuple[Place, ...] = (
    restaurant(
        "r1", "トラットリア青山", 300, genres=("italian",), rating=4.3, price="middle", name_en="Trattoria Aoyama",
        parking=Parking("paid", spaces=10, fee_yen_per_hour=600, vacancy="vacant", vacancy_at=NOON - timedelta(minutes=5)),
        has_parking=True, address="東京都渋谷区神南1-1-1", phone="03-5555-0101", budget_yen=3500,
    ),
    restaurant(
        "r2", "ピッツェリア道玄坂", 700, genres=("italian",), rating=3.9, price="low", name_en="Pizzeria Dogenzaka",
        parking=Parking("free", spaces=4), has_parking=True, budget_yen=1800,
    ),
    restaurant(
        "r3", "オステリア松濤", 1100, genres=("italian",), rating=4.6, price="high", name_en="Osteria Shoto",
        has_parking=False, hours=NIGHT, budget_yen=9000,
    ),
    restaurant("r4", "ビストロ桜丘", 1300, genres=("french",), rating=4.1, price="middle", has_parking=False),
    restaurant("r5", "麺屋つばめ", 500, genres=("ramen",), rating=4.0, price="low", has_parking=False, budget_yen=1000),
    Place(
        "p1", "渋谷中央駐車場", near(SHIBUYA, 200), "parking", city="渋谷区", prefecture="東京都",
        parking=Parking("paid", fee_yen_per_hour=800, vacancy="full", vacancy_at=NOON), demo_attributes=True,
    ),
    Place(
        "p2", "宮下公園駐車場", near(SHIBUYA, 450), "parking", city="渋谷区", prefecture="東京都",
        parking=Parking("paid", fee_yen_per_hour=500, vacancy="vacant", vacancy_at=NOON - timedelta(hours=2)), demo_attributes=True,
    ),
    Place(
        "t1", "東京タワー", Position(35.6586, 139.7454), "sight", ("tower",), name_kana="トウキョウタワー", name_en="Tokyo Tower",
        city="港区", prefecture="東京都", rating=4.5, hours=CLOSED_MONDAYS, demo_attributes=True,
    ),
    Place("s1", "さくら食堂", near(SHIBUYA, 900), "restaurant", ("japanese",), city="渋谷区", prefecture="東京都", demo=True),
    Place("s2", "さくら食堂", near(YOKOHAMA, 100), "restaurant", ("japanese",), city="横浜市", prefecture="神奈川県", demo=True),
    Place("h1", "みなとホテル", near(YOKOHAMA, 400), "hotel", ("city_hotel",), city="横浜市", prefecture="神奈川県", wifi="free", rating=4.2, demo=True),
)  # fmt: skip

LOCALITIES: tuple[Locality, ...] = (
    Locality("東京都", "prefecture", "トウキョウ", SHIBUYA, "Tokyo", population=13_000_000),
    Locality("渋谷区", "city", "シブヤ", SHIBUYA, "Shibuya", "東京都", population=230_000),
    Locality("渋谷駅", "station", "シブヤ", SHIBUYA, "Shibuya Station", "東京都", "渋谷区", 700_000),
    Locality("恵比寿駅", "station", "エビス", near(SHIBUYA, -1600), "Ebisu Station", "東京都", "渋谷区", 200_000),
    Locality("横浜市", "city", "ヨコハマ", YOKOHAMA, "Yokohama", "神奈川県", population=3_700_000),
    Locality("横浜駅", "station", "ヨコハマ", YOKOHAMA, "Yokohama Station", "神奈川県", "横浜市", 800_000),
    Locality("みどり駅", "station", "ミドリ", near(SHIBUYA, 4000), "Midori Station", "東京都", "新宿区", 1000),
    Locality("みどり駅", "station", "ミドリ", near(YOKOHAMA, 4000), "Midori Station", "神奈川県", "横浜市", 1000),
    Locality("札幌市", "city", "サッポロ", SAPPORO, "Sapporo", "北海道", population=1_900_000),
    Locality("那覇市", "city", "ナハ", NAHA, "Naha", "沖縄県", population=310_000),
    Locality("小禄駅", "station", "オロク", near(NAHA, -2000), "Oroku Station", "沖縄県", "那覇市", 5000),
)


@dataclass
class FewPlaces:
    """Places: the rows above, filtered the plain way."""

    rows: tuple[Place, ...] = PLACES
    down: bool = False
    installed: bool = True

    async def search(self, query: PlaceQuery) -> PlacePage:
        self._up()
        hits = [self._hit(p, query) for p in self.rows if self._fits(p, query)]
        hits.sort(key=lambda h: self._order(h, query))
        return PlacePage(tuple(hits[query.offset : query.offset + query.limit]), len(hits))

    async def find(self, name: str, *, near: Position | None = None, limit: int = 5) -> tuple[PlaceHit, ...]:
        return (await self.search(PlaceQuery(text=name, near=near, limit=limit))).hits

    async def get(self, place_id: str) -> Place:
        self._up()
        for place in self.rows:
            if place.id == place_id:
                return place
        raise NotFound("places", place_id)

    async def info(self) -> RegionInfo | None:
        self._up()
        if not self.installed:
            return None
        return RegionInfo(
            "Tokyo", "東京", Position(34.9, 138.8), Position(36.2, 140.5), len(self.rows), NOON, "test", True
        )

    async def count_without(self, query: PlaceQuery) -> Mapping[str, int]:
        blank = PlaceQuery()
        counted = {}
        for f in fields(PlaceQuery):
            if f.name in ("near", "sort", "offset", "limit", "corridor_m", "kind", "exclude_ids"):
                continue
            if getattr(query, f.name) != getattr(blank, f.name):
                page = await self.search(replace(query, **{f.name: getattr(blank, f.name)}))
                counted[f.name] = page.total
        return counted

    def _up(self) -> None:
        if self.down:
            raise BackendUnavailable("places")

    def _fits(self, p: Place, q: PlaceQuery) -> bool:
        fee = p.parking.fee if p.parking else None
        return all(
            (
                q.kind is None or p.kind == q.kind,
                not q.genres or bool(set(q.genres) & set(p.genres)),
                not set(q.exclude_genres) & set(p.genres),
                p.id not in q.exclude_ids,
                q.text is None or any(_key(q.text) in _key(n) for n in (p.name, p.name_kana, p.name_en) if n),
                q.phone is None or (p.phone or "").replace("-", "") == q.phone.replace("-", ""),
                q.near is None or q.radius_m is None or p.position.distance_to(q.near) <= q.radius_m,
                q.along is None or min(p.position.distance_to(a) for a in q.along) <= q.corridor_m,
                q.prefecture is None or p.prefecture == q.prefecture,
                q.city is None or (p.city or "").removesuffix("市") == q.city.removesuffix("市"),
                q.area is None or q.area in (p.address or p.city or ""),
                q.price is None or p.price == q.price,
                q.budget_max_yen is None or (p.budget_yen or 10**9) <= q.budget_max_yen,
                q.parking is None or (fee is not None if q.parking == "any" else fee == q.parking),
                q.vacancy is None or bool(p.parking and p.parking.vacancy == "vacant"),
                q.wifi is None or (p.wifi in ("free", "paid") if q.wifi == "any" else p.wifi == q.wifi),
                q.rating_min is None or (p.rating or 0) >= q.rating_min,
                q.open_at is None or bool(p.hours and p.hours.is_open(q.open_at)),
            )
        )  # fmt: skip

    def _hit(self, p: Place, q: PlaceQuery) -> PlaceHit:
        exact = q.text is not None and _key(q.text) in [_key(n) for n in (p.name, p.name_kana, p.name_en) if n]
        detour = min(p.position.distance_to(a) for a in q.along) if q.along else None
        distance = p.position.distance_to(q.near) if q.near else None
        return PlaceHit(p, distance, "exact" if exact else "part" if q.text else "attributes", detour_m=detour)

    def _order(self, h: PlaceHit, q: PlaceQuery) -> float:
        match q.sort:
            case "rating":
                return -(h.place.rating or 0)
            case "price":
                return float(h.place.budget_yen or 10**9)
            case "detour":
                return h.detour_m or 0
        return h.distance_m or 0


def _key(text: str) -> str:
    return "".join(text.lower().split())


@dataclass
class FewLocalities:
    """Gazetteer: the rows above by name with or without suffix, by reading or by English name."""

    rows: tuple[Locality, ...] = LOCALITIES

    def lookup(self, name: str, *, near: Position | None = None) -> tuple[Locality, ...]:
        said = _key(name)
        return tuple(r for r in self.rows if said in {_key(n) for n in _names(r)})

    def alike(
        self, name: str, *, near: Position | None = None, kinds: Collection[str] | None = None, limit: int = 5
    ) -> tuple[tuple[Locality, float, float], ...]:
        return ()

    def scan(self, text: str) -> tuple[tuple[int, int, tuple[Locality, ...]], ...]:
        return ()


def _names(row: Locality) -> set[str]:
    bare = row.name[:-1] if row.name[-1] in "都道府県市区駅" else row.name
    return {row.name, bare, row.reading, row.name_en or row.name, (row.name_en or row.name).removesuffix(" Station")}


@dataclass
class StraightRoads:
    """Routes: a straight road at 36 km/h; the toll road is a fifth faster; the other way is a tenth longer."""

    down: bool = False
    asked: list[RouteRequest] = field(default_factory=list)

    async def route(self, request: RouteRequest) -> tuple[Route, ...]:
        self.asked.append(request)
        if self.down:
            raise BackendUnavailable("routes")
        if not 34 < request.destination.latitude < 37:
            raise NoMap("routes")
        points = (request.origin, *request.waypoints, request.destination)
        metres = sum(a.distance_to(b) for a, b in pairwise(points))
        toll = not request.avoid_tolls and metres > 5_000
        first = Route(
            points,
            metres,
            metres / (12 if toll else 10),
            (),
            toll,
            toll,
            "首都高速" if toll else "明治通り",
            request.language,
        )
        other = replace(first, distance_m=metres * 1.1, duration_s=metres / 8, has_toll=False, via="青山通り")
        return (first, other)[: 1 + min(request.alternatives, 1)]


@dataclass
class HeadUnit:
    """Navigation: remembers the route it was given and reports it."""

    now: datetime = NOON
    route: Route | None = None
    name: str = ""
    destination: Position | None = None
    waypoints: tuple[Position, ...] = ()

    async def set_route(
        self, name: str, route: Route, destination: Position, waypoints: Sequence[Position] = ()
    ) -> None:
        self.name, self.route, self.destination, self.waypoints = name, route, destination, tuple(waypoints)

    async def cancel(self) -> bool:
        guiding, self.route = self.route is not None, None
        return guiding

    async def status(self) -> Mapping[str, object]:
        if self.route is None:
            return {"guiding": False}
        return {
            "guiding": True, "name": self.name, "destination": self.destination, "waypoints": self.waypoints,
            "route": self.route, "remaining_m": self.route.distance_m, "remaining_s": self.route.duration_s,
            "eta": self.now + timedelta(seconds=self.route.duration_s),
        }  # fmt: skip


@dataclass
class ParkedCar:
    """Vehicle: position, heading and speed."""

    position: Position = CAR
    speed: float = 0.0

    async def get(self, path: str) -> Signal:
        values: dict[str, SignalValue] = {
            "Vehicle.CurrentLocation.Latitude": self.position.latitude,
            "Vehicle.CurrentLocation.Longitude": self.position.longitude,
            "Vehicle.CurrentLocation.Heading": 90.0,
            "Vehicle.Speed": self.speed,
        }
        if path not in values:
            raise NotFound("vehicle", path)
        return Signal(path, values[path], NOON)

    async def set(self, path: str, value: SignalValue) -> Signal:
        raise NotFound("vehicle", path)

    async def spec(self, path: str) -> SignalSpec:
        raise NotFound("vehicle", path)

    async def subscribe(self, paths: Sequence[str]) -> AsyncIterator[Signal]:
        for path in paths:
            yield await self.get(path)


@dataclass
class Notebook:
    """Memory: rows by driver."""

    rows: dict[str, list[SavedPlace]] = field(default_factory=dict)

    async def get(self, driver: str, label: str) -> SavedPlace | None:
        return next((r for r in reversed(self.rows.get(driver, [])) if r.label == label), None)

    async def put(self, driver: str, place: SavedPlace) -> None:
        self.rows.setdefault(driver, []).append(place)

    async def history(self, driver: str, limit: int = 10) -> tuple[SavedPlace, ...]:
        return tuple(r for r in reversed(self.rows.get(driver, [])) if r.label == "history")[:limit]

    async def forget(self, driver: str, label: str | None = None) -> int:
        before = self.rows.get(driver, [])
        kept = [r for r in before if label is not None and r.label != label]
        self.rows[driver] = kept
        return len(before) - len(kept)


class NoCentre:
    """Weather, news and traffic: out of reach."""

    async def forecast(self, place: str, position: Position, start: datetime, end: datetime) -> Forecast:
        raise BackendUnavailable("weather")

    async def headlines(self, topic: str, language: Language, limit: int = 10) -> tuple[Headline, ...]:
        raise BackendUnavailable("news")

    async def along(self, geometry: Sequence[Position], corridor_m: float = 150) -> tuple[TrafficEvent, ...]:
        raise BackendUnavailable("traffic")

    async def around(self, position: Position, radius_m: float) -> tuple[TrafficEvent, ...]:
        raise BackendUnavailable("traffic")


@dataclass
class Talk:
    """A conversation with the actions, intents and entities given by the test as understanding would give them.

    `say(skill, text, intent, entity=value, …)`: an entity named `near__station` has the role near; a list gives several.
    """

    language: Language = "ja"
    places: FewPlaces = field(default_factory=FewPlaces)
    routes: StraightRoads = field(default_factory=StraightRoads)
    head_unit: HeadUnit = field(default_factory=HeadUnit)
    car: ParkedCar = field(default_factory=ParkedCar)
    memory: Notebook = field(default_factory=Notebook)
    taste: Preferences | None = None
    now: datetime = NOON
    slots: dict[str, Any] = field(default_factory=dict)
    number: int = 0
    heard_as: str = ""
    """the intent the last line was answered as"""

    @property
    def world(self) -> World:
        centre = NoCentre()
        return World(
            places=self.places, gazetteer=FewLocalities(), routes=self.routes, vehicle=self.car, navigation=self.head_unit,
            weather=centre, news=centre, traffic=centre, memory=self.memory, clock=lambda: self.now,
            taste=self.taste,
        )  # fmt: skip

    async def say(self, skill: type[Skill], text: str, intent: str, **entities: Any) -> Outcome:
        """One turn; the slots are kept as the frame keeps them. A backend's error is answered as the frame answers it."""
        self.number += 1
        turn = Turn(
            text, intent, 0.9, tuple(_entities(entities)), self.language, "owner", dict(self.slots), self.number,
            {"context": self.slots.get("context") or "none"},
        )  # fmt: skip
        doer = skill(self.world, phrases())
        try:
            outcome = await doer.perform(turn)
        except BackendError as error:
            outcome = doer._failed(turn, error.stage, error.code)
        self.slots |= {"pending": None, **outcome.slots, "last_reply": outcome.text, "context": outcome.context}
        return outcome

    async def hear(
        self,
        text: str,
        intent: str,
        confidence: float = 0.9,
        ranking: Mapping[str, float] | None = None,
        **entities: Any,
    ) -> Outcome:
        """One turn as the frame takes it: whatever skill answers it where it stands (`actions.reading`). Entities cover the
        words given as their text (`entity=(value, "words")`) where it matters what is left over."""
        number = self.number + 1
        turn = Turn(
            text, intent, confidence, tuple(_placed(text, _entities(entities))), self.language, "owner", dict(self.slots),
            number, {"context": self.slots.get("context") or "none"}, ranking or {intent: confidence},
        )  # fmt: skip
        skill = skill_of(_RULES[intent])
        doer, meant = skill(self.world, phrases())._answering(turn, turn.intent)
        self.number = number
        self.heard_as = meant.intent
        try:
            outcome = await doer.perform(meant)
        except BackendError as error:
            outcome = doer._failed(meant, error.stage, error.code)
        self.slots |= {"pending": None, **outcome.slots, "last_reply": outcome.text, "context": outcome.context}
        return outcome

    @property
    def conditions(self) -> dict[str, Any]:
        return cast("dict[str, Any]", (self.slots.get("search") or {}).get("conditions") or {})


@lru_cache
def phrases() -> Phrases:
    return Phrases.load(RESPONSES)


def _entities(given: Mapping[str, Any]) -> list[Entity]:
    out: list[Entity] = []
    for key, value in given.items():
        role, _, type_ = key.rpartition("__")
        for one in value if isinstance(value, list) else [value]:
            one, words = one if isinstance(one, tuple) else (one, str(one))
            out.append(Entity(type_, one, role or None, text=words))
    return out


def _placed(text: str, entities: Sequence[Entity]) -> list[Entity]:
    """Entities with the place of their words in the text."""
    out = []
    for entity in entities:
        start = text.find(entity.text)
        out.append(replace(entity, start=max(start, 0), end=start + len(entity.text) if start >= 0 else 0))
    return out


def _rules() -> Mapping[str, str]:
    """intent → action, as nlu_data/rules has them."""
    found: dict[str, str] = {}
    for path in (RESPONSES.parent / "rules").glob("*.yml"):
        for rule in yaml.safe_load(path.read_text(encoding="utf-8"))["rules"]:
            intent, action = rule["steps"]
            found[intent["intent"]] = action["action"]
    return found


_RULES = _rules()
