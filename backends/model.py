"""The words every room shares: places, routes, signals, forecasts, news, traffic.

Frozen dataclasses that depend on nothing. Units stand in the attribute docstrings; limits are checked on construction, so
that a value that exists is a value that makes sense. Distances are metres, durations seconds, money yen, angles degrees,
temperatures °C, times timezone-aware `datetime`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Language = Literal["ja", "en"]
SignalValue = bool | int | float | str
EARTH_RADIUS_M = 6_371_008.8


@dataclass(frozen=True, slots=True)
class Position:
    """A point on the ground, WGS 84."""

    latitude: float
    """degrees north, -90 … 90"""
    longitude: float
    """degrees east, -180 … 180"""

    def __post_init__(self) -> None:
        if not (-90 <= self.latitude <= 90 and -180 <= self.longitude <= 180):
            raise ValueError(f"not a position: {self.latitude}, {self.longitude}")

    def distance_to(self, other: Position) -> float:
        """Great-circle distance in metres (haversine)."""
        lat1, lat2 = math.radians(self.latitude), math.radians(other.latitude)
        dlat, dlon = lat2 - lat1, math.radians(other.longitude - self.longitude)
        h = math.sin(dlat / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin(dlon / 2) ** 2
        return 2 * EARTH_RADIUS_M * math.asin(min(1.0, math.sqrt(h)))

    def bearing_to(self, other: Position) -> float:
        """Initial bearing in degrees, 0 = north, clockwise, 0 ≤ b < 360."""
        lat1, lat2 = math.radians(self.latitude), math.radians(other.latitude)
        dlon = math.radians(other.longitude - self.longitude)
        y = math.sin(dlon) * math.cos(lat2)
        x = math.cos(lat1) * math.sin(lat2) - math.sin(lat1) * math.cos(lat2) * math.cos(dlon)
        return math.degrees(math.atan2(y, x)) % 360


@dataclass(frozen=True, slots=True)
class OpeningHours:
    """Weekly opening hours."""

    week: tuple[tuple[tuple[int, int], ...], ...]
    """Monday … Sunday, then public holidays (eight rows); each row holds (opens, closes) in minutes after midnight,
    0 ≤ opens < 1440, opens < closes ≤ 2880 (past midnight counts on from 1440)."""

    def __post_init__(self) -> None:
        if len(self.week) != 8:
            raise ValueError("eight rows: Monday to Sunday and public holidays")
        for row in self.week:
            for opens, closes in row:
                if not (0 <= opens < 1440 and opens < closes <= 2880):
                    raise ValueError(f"not opening hours: {opens}-{closes}")

    def is_open(self, at: datetime, *, holiday: bool = False, yesterday_holiday: bool = False) -> bool:
        """Whether it is open at the local time `at`."""
        return self.closes_at(at, holiday=holiday, yesterday_holiday=yesterday_holiday) is not None

    def closes_at(self, at: datetime, *, holiday: bool = False, yesterday_holiday: bool = False) -> int | None:
        """Minutes from `at` until closing, None when closed at `at`."""
        minute = at.hour * 60 + at.minute
        today = self.week[7 if holiday else at.weekday()]
        yesterday = self.week[7 if yesterday_holiday else (at.weekday() - 1) % 7]
        rests = [closes - minute for opens, closes in today if opens <= minute < closes]
        rests += [closes - 1440 - minute for _, closes in yesterday if minute < closes - 1440]
        return max(rests, default=None)


@dataclass(frozen=True, slots=True)
class Parking:
    """Where one can leave the car at a place (or the car park itself)."""

    fee: Literal["free", "paid"]
    own: bool = True
    """False: a car park nearby that is not the place's own"""
    distance_m: int = 0
    """walk from the car park to the place"""
    spaces: int | None = None
    fee_yen_per_hour: int | None = None
    vacancy: Literal["vacant", "crowded", "full"] | None = None
    vacancy_at: datetime | None = None
    """when the vacancy was reported"""


PriceBand = Literal["low", "middle", "high"]


@dataclass(frozen=True, slots=True)
class Place:
    """A place one can drive to. None means unknown, never "no"."""

    id: str
    name: str
    """as written locally (Japanese in Japan)"""
    position: Position
    kind: str
    """coarse: restaurant, hotel, sight, shop, parking, fuel, charging, … (nlu_data/inventories/genres.yml lists them)"""
    genres: tuple[str, ...] = ()
    """fine: italian, ramen, museum, … ids of the same inventory"""
    name_kana: str | None = None
    """reading in katakana"""
    name_en: str | None = None
    prefecture: str | None = None
    city: str | None = None
    """municipality with its suffix: 渋谷区, 横浜市, 箱根町"""
    address: str | None = None
    phone: str | None = None
    """digits and hyphens"""
    nearest_station: str | None = None
    hours: OpeningHours | None = None
    rating: float | None = None
    """0 … 5 stars"""
    price: PriceBand | None = None
    budget_yen: int | None = None
    """usual spending a head"""
    parking: Parking | None = None
    has_parking: bool | None = None
    """False: known to have none"""
    wifi: Literal["free", "paid", "none"] | None = None
    cards: bool | None = None
    wheelchair: bool | None = None
    child_friendly: bool | None = None
    non_smoking: bool | None = None
    private_room: bool | None = None
    on_site_restaurant: bool | None = None
    charging_kw: float | None = None
    demo: bool = False
    """True: attributes (for restaurants the name too) are invented for the demo region"""
    demo_attributes: bool = False
    """True: a real place whose hours, prices, … are invented"""

    def __post_init__(self) -> None:
        if self.rating is not None and not 0 <= self.rating <= 5:
            raise ValueError(f"not a rating: {self.rating}")


ParkingWish = Literal["any", "free", "paid", "none"]
WifiWish = Literal["any", "free", "paid", "none"]
SortKey = Literal["relevance", "distance", "rating", "price", "price_desc", "detour", "parking_fee"]


@dataclass(frozen=True, slots=True)
class PlaceQuery:
    """The conditions in force of one search. A field left None asks for nothing."""

    text: str | None = None
    """name or part of it, in any spelling"""
    kind: str | None = None
    genres: tuple[str, ...] = ()
    """any of these"""
    exclude_genres: tuple[str, ...] = ()
    exclude_ids: tuple[str, ...] = ()
    phone: str | None = None
    near: Position | None = None
    """centre of the search; distances are measured from it"""
    radius_m: int | None = None
    along: tuple[Position, ...] | None = None
    """route geometry to stay near"""
    corridor_m: int = 1_000
    prefecture: str | None = None
    city: str | None = None
    """with or without suffix"""
    area: str | None = None
    """ward, town or district within the city"""
    station: str | None = None
    price: PriceBand | None = None
    budget_max_yen: int | None = None
    parking: ParkingWish | None = None
    parking_within_m: int | None = None
    vacancy: bool | None = None
    wifi: WifiWish | None = None
    on_site_restaurant: bool | None = None
    rating_min: float | None = None
    open_at: datetime | None = None
    cards: bool | None = None
    wheelchair: bool | None = None
    child_friendly: bool | None = None
    non_smoking: bool | None = None
    private_room: bool | None = None
    charging: bool | None = None
    charging_min_kw: float | None = None
    sort: SortKey = "relevance"
    offset: int = 0
    limit: int = 3


MatchQuality = Literal["exact", "reading", "part", "fuzzy", "attributes"]


@dataclass(frozen=True, slots=True)
class PlaceHit:
    """One result of a search."""

    place: Place
    distance_m: float | None
    """straight line from the query's `near`; None when the query had none"""
    match: MatchQuality = "attributes"
    score: float = 1.0
    """0 … 1, how well the name fits"""
    detour_m: float | None = None
    """distance from the route for searches along it"""


@dataclass(frozen=True, slots=True)
class PlacePage:
    """A page of results."""

    hits: tuple[PlaceHit, ...]
    total: int
    """how many places satisfy the query in all"""


LocalityKind = Literal["prefecture", "city", "ward", "town", "station", "landmark", "airport", "interchange"]


@dataclass(frozen=True, slots=True)
class Locality:
    """A named part of the country, whether or not a map is installed there."""

    name: str
    """with suffix: 北海道, 札幌市, 板橋区, 小禄駅"""
    kind: LocalityKind
    reading: str
    """katakana, without suffix where the suffix can be left out"""
    position: Position
    name_en: str | None = None
    prefecture: str | None = None
    city: str | None = None
    """the municipality it lies in, None for prefectures and municipalities themselves"""
    population: int | None = None
    """people, or for stations any figure that orders them; ties between equal names go to the larger or the nearer"""


@dataclass(frozen=True, slots=True)
class RegionInfo:
    """What map is installed."""

    name: str
    name_ja: str
    south_west: Position
    north_east: Position
    places: int
    built_at: datetime
    source: str
    demo: bool

    def contains(self, position: Position) -> bool:
        return (
            self.south_west.latitude <= position.latitude <= self.north_east.latitude
            and self.south_west.longitude <= position.longitude <= self.north_east.longitude
        )


@dataclass(frozen=True, slots=True)
class Maneuver:
    """One step of guidance."""

    instruction: str
    position: Position
    begin_index: int
    """index into the route's geometry"""
    distance_m: float
    duration_s: float
    kind: str
    """Valhalla's maneuver type, lower-case: left, right, ramp_right, destination, …"""
    street: str | None = None


@dataclass(frozen=True, slots=True)
class RouteRequest:
    origin: Position
    destination: Position
    waypoints: tuple[Position, ...] = ()
    alternatives: int = 0
    """how many besides the best one, 0 … 2"""
    avoid_tolls: bool = False
    avoid_highways: bool = False
    avoid_ferries: bool = False
    shortest: bool = False
    heading: float | None = None
    """degrees, for a car under way"""
    departure: datetime | None = None
    language: Language = "ja"
    exclude: tuple[Position, ...] = ()
    """points the route must not pass (closures)"""


@dataclass(frozen=True, slots=True)
class Route:
    geometry: tuple[Position, ...]
    distance_m: float
    duration_s: float
    maneuvers: tuple[Maneuver, ...]
    has_toll: bool = False
    has_highway: bool = False
    via: str | None = None
    """the road that tells this route from its alternatives, in the request's language"""
    language: Language = "ja"


@dataclass(frozen=True, slots=True)
class SignalSpec:
    """What the car's catalogue says of a signal (COVESA VSS)."""

    path: str
    """Vehicle.Cabin.Infotainment.Media.Volume"""
    datatype: Literal["boolean", "int", "float", "string"]
    kind: Literal["sensor", "actuator", "attribute"]
    unit: str | None = None
    """VSS unit: celsius, percent, km/h, …"""
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    allowed: tuple[str, ...] = ()
    description: str = ""


@dataclass(frozen=True, slots=True)
class Signal:
    """A value the car reported."""

    path: str
    value: SignalValue
    at: datetime


@dataclass(frozen=True, slots=True)
class Forecast:
    """Weather of one place and span of time."""

    place: str
    position: Position
    start: datetime
    end: datetime
    weather_code: int
    """WMO 4677 code as Open-Meteo uses it, 0 … 99"""
    high_c: float | None
    low_c: float | None
    precipitation_probability: int | None
    """percent"""
    precipitation_mm: float | None
    wind_ms: float | None
    issued_at: datetime
    source: str
    """Open-Meteo, 気象庁"""
    demo: bool = False
    humidity_percent: int | None = None
    """highest relative humidity"""
    uv_index: float | None = None
    """highest of the span, 0 … about 12"""


@dataclass(frozen=True, slots=True)
class Headline:
    """A news item; all text is plain text, tags removed."""

    id: str
    title: str
    summary: str
    topic: str
    published: datetime
    source: str
    link: str | None = None
    language: Language = "ja"
    demo: bool = False


TrafficKind = Literal["jam", "accident", "closure", "restriction", "roadworks"]

Equipment = Literal["navi", "display_audio"]
"""the head unit: with a navigation unit of its own, or one that lives on the connection"""


@dataclass(frozen=True, slots=True)
class TrafficEvent:
    """Something on the road."""

    id: str
    kind: TrafficKind
    geometry: tuple[Position, ...]
    """a point or a line"""
    road: str
    road_en: str | None
    delay_s: float | None
    length_m: float | None
    updated_at: datetime
    until: datetime | None = None
    source: str = ""
    demo: bool = False


@dataclass(frozen=True, slots=True)
class SavedPlace:
    """A place a driver keeps: home, work, a favourite, or a destination set before."""

    label: str
    """home, work, favourite, history"""
    name: str
    position: Position
    place_id: str | None = None
    at: datetime | None = None
    """when it was last set as destination"""
    extra: Mapping[str, str] = field(default_factory=dict)


HandoffState = Literal[
    "requested", "queued", "accepted", "active", "returned", "declined", "no_answer", "dropped", "cancelled"
]


@dataclass(frozen=True, slots=True)
class DeskReceipt:
    """The desk keeps a handoff."""

    id: str
    state: HandoffState
    seq: int
    """number of the desk's last event about it; events after it follow by `Desk.events`"""
    position: int
    """place in the queue, from 1; 0 when no longer queued"""


@dataclass(frozen=True, slots=True)
class DeskEvent:
    """Something that happened at the desk."""

    seq: int
    """rises with every event; 0 for the sign of life that comes when nothing else does"""
    handoff: str
    type: str
    """state, message, push, hold, operator, alive"""
    data: Mapping[str, object]
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DeskLine:
    """Something said while a handoff is open; `id` makes its delivery idempotent."""

    id: str
    speaker: Literal["driver", "agent", "line"]
    text: str
    language: Language
    at: datetime
    confidence: float | None = None
    urgent: bool = False
    """distress was told in it"""
