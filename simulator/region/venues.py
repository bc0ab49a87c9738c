"""The region's places: real ones from the facts, and invented venues round the stations.

Invented: every restaurant, shop, hotel and other venue made here (`demo`), and the hours, prices, ratings, parking and telephone
numbers of real sights (`demo_attributes`). Telephone numbers are of blocks that are not given out (…-0000-…).
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Final, Literal

from backends.model import OpeningHours, Parking, Place, Position, PriceBand
from simulator.region.facts import TABLES, Facts, Landmark, Station, metres, position_at
from simulator.region.roads import Network

JST: Final = timezone(timedelta(hours=9))
VACANCY_AT: Final = datetime(2026, 4, 1, 12, 0, tzinfo=JST)
"""when the invented vacancies were "reported"; a simulated car park overrides them"""
AREA_CODES: Final = {
    "東京都": "03", "神奈川県": "045", "千葉県": "043", "埼玉県": "048", "山梨県": "0554", "静岡県": "0550", "茨城県": "0297",
}  # fmt: skip
RESORTS: Final = frozenset(
    [
        "箱根湯本",
        "塔ノ沢",
        "大平台",
        "宮ノ下",
        "小涌谷",
        "彫刻の森",
        "強羅",
        "上強羅",
        "早雲山",
        "湯河原",
        "真鶴",
        "熱海",
        "来宮",
        "小田原",
        "鎌倉",
        "長谷",
        "片瀬江ノ島",
        "江ノ島",
        "逗子",
        "三崎口",
        "鶴巻温泉",
        "高尾山口",
        "奥多摩",
        "浜金谷",
        "御殿場",
        "相模湖",
        "川越",
        "桜木町",
    ]
)
"""stations where people go for the day or the night, beyond what their lines say"""

Span = tuple[int, int]


def _week(days: Sequence[Sequence[Span]]) -> OpeningHours:
    return OpeningHours(tuple(tuple(day) for day in days))


def _every_day(*spans: tuple[float, float], closed: int | None = None) -> OpeningHours:
    """The same hours (in hours of the day) all week and on holidays, but for the weekday `closed`."""
    row = tuple((round(opens * 60), round(closes * 60)) for opens, closes in spans)
    return _week([() if day == closed else row for day in range(8)])


def _weekdays(opens: float, closes: float, *, saturday: float | None = None) -> OpeningHours:
    row = ((round(opens * 60), round(closes * 60)),)
    half = ((round(opens * 60), round(saturday * 60)),) if saturday is not None else ()
    return _week([row, row, row, row, row, half, (), ()])


def _hours(profile: str, dice: random.Random) -> OpeningHours:
    closed = dice.choice((None, None, None, 0, 1, 2))
    early, late = dice.choice((-0.5, 0, 0, 0.5)), dice.choice((-1, -0.5, 0, 0, 0.5, 1))
    spans: dict[str, Callable[[], OpeningHours]] = {
        "meals": lambda: _every_day((11.5 + early, 14.5), (17.5, 22 + late), closed=closed),
        "long": lambda: _every_day((11 + early, 22 + late), closed=closed),
        "night": lambda: _every_day((17 + early, 24 + late), closed=closed),
        "allday": lambda: _every_day((10 + early, 21 + late)),
        "late": lambda: _every_day((9 + early, 23 + late)),
        "cafe": lambda: _every_day((8.5 + early, 19.5 + late), closed=closed),
        "early": lambda: _every_day((7 + early, 18 + late), closed=closed),
        "shop": lambda: _every_day((10 + early, 20 + late)),
        "museum": lambda: _every_day((9.5 + early, 17), closed=0),
        "spa": lambda: _every_day((10 + early, 23 + late), closed=closed),
        "day": lambda: _every_day((9, 17 + early)),
        "clinic": lambda: _weekdays(9, 18 + late / 2, saturday=13),
        "bank": lambda: _weekdays(9, 15),
        "office": lambda: _weekdays(9, 17),
        "always": lambda: _every_day((0, 24)),
        "stay": lambda: _every_day((0, 24)),
    }
    return spans[profile]()


# --- the naming table --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Form:
    ja: str
    kana: str
    en: str


@dataclass(frozen=True, slots=True)
class Style:
    """How venues of one genre are named and equipped."""

    genre: str | None
    kind: str
    words: Literal["J", "L"]
    forms: tuple[_Form, ...]
    budget: tuple[int, int]
    profile: str
    weight: int
    at_hubs: bool


@dataclass(frozen=True, slots=True)
class _Word:
    ja: str
    kana: str
    en: str


def load_styles(kind_of_genre: Callable[[str], str]) -> tuple[Style, ...]:
    """`kind_of_genre` gives the kind a genre belongs to."""
    styles: list[Style] = []
    for line in (TABLES / "venues.txt").read_text("utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        name, words, forms, budget, profile, weight = line.split("|")
        low, high = budget.split("-")
        kind = name.removeprefix("kind:") if name.startswith("kind:") else kind_of_genre(name)
        styles.append(
            Style(
                genre=None if name.startswith("kind:") else name,
                kind=kind,
                words="J" if words == "J" else "L",
                forms=tuple(_form(text) for text in forms.split(";")),
                budget=(int(low), int(high)),
                profile=profile,
                weight=int(weight.rstrip("!")),
                at_hubs=weight.endswith("!"),
            )
        )
    return tuple(styles)


def _form(text: str) -> _Form:
    ja, kana, en = text.split("/")
    return _Form(ja, kana or ja, en)


def _load_words() -> dict[str, tuple[_Word, ...]]:
    words: dict[str, tuple[_Word, ...]] = {}
    for line in (TABLES / "words.txt").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            entries = [entry.split() for entry in line[2:].split(";")]
            words[line[0]] = tuple(_Word(e[0], e[-2], e[-1]) for e in entries)
    return words


# --- places ------------------------------------------------------------------------------------------------------


def generate_places(facts: Facts, network: Network, styles: Sequence[Style], seed: int = 20) -> Iterator[Place]:
    """Every place of the region, real ones first; the same facts and seed give the same places."""
    finder = _NearestStation(facts)
    yield from _stations(facts)
    yield from _offices(facts, network, finder, seed)
    yield from _expressway_points(facts, network, finder)
    for landmark in facts.landmarks:
        yield _landmark(landmark, styles, finder, random.Random(f"{seed}:landmark:{landmark.name}"))
    yield from _Venues(facts, network, styles, seed).generate()


def _stations(facts: Facts) -> Iterator[Place]:
    seen: set[str] = set()
    for station in facts.stations:
        key = f"st-{station.city}-{station.name}"
        if key in seen:
            continue
        seen.add(key)
        yield Place(
            id=key,
            name=f"{station.name}駅",
            name_kana=f"{station.reading}エキ",
            name_en=f"{station.name_en} Station",
            position=station.position,
            kind="station",
            prefecture=station.prefecture,
            city=_city(station.city),
            address=f"{station.prefecture}{station.city}",
            nearest_station=f"{station.name}駅",
        )


def _city(name: str) -> str:
    """Wards of designated cities are searched by their city: 横浜市西区 → 横浜市."""
    return name[: name.index("市") + 1] if "市" in name[:-1] and name.endswith("区") else name


def _offices(facts: Facts, network: Network, finder: _NearestStation, seed: int) -> Iterator[Place]:
    for municipality in facts.municipalities:
        dice = random.Random(f"{seed}:office:{municipality.prefecture}:{municipality.name}")
        if municipality.name[-1] in "町村":
            word, kana, english = "役場", "ヤクバ", "Hall"
        else:
            word, kana, english = "役所", "ヤクショ", "Office" if municipality.name.endswith("区") else "Hall"
        corner = network.nearest_corner(metres(municipality.position, network.origin))
        where = _beside(network, corner, dice) if corner is not None else municipality.position
        yield Place(
            id=f"office-{municipality.prefecture}-{municipality.name}",
            name=municipality.name + word,
            name_kana=municipality.reading + kana,
            name_en=f"{municipality.name_en} {english}",
            position=where,
            kind="public_office",
            prefecture=municipality.prefecture,
            city=_city(municipality.name),
            address=f"{municipality.prefecture}{municipality.name}1-1",
            phone=_phone(municipality.prefecture, dice),
            nearest_station=finder.name(where),
            hours=_weekdays(8.5, 17.25),
            parking=Parking("free", spaces=dice.randrange(20, 120, 10)),
            has_parking=True,
            wheelchair=True,
            wifi=dice.choice(("free", "none")),
            demo_attributes=True,
        )


_AREA_WORDS: Final = {
    "SA": ("サービスエリア", "サービスエリア", "Service Area"),
    "PA": ("パーキングエリア", "パーキングエリア", "Parking Area"),
    "IC": ("インターチェンジ", "インターチェンジ", "Interchange"),
}


def _expressway_points(facts: Facts, network: Network, finder: _NearestStation) -> Iterator[Place]:
    seen: set[str] = set()
    for road in facts.expressways:
        for point in road.points:
            key = f"exp-{point.kind}-{point.name}"
            if point.kind not in _AREA_WORDS or key in seen:
                continue
            seen.add(key)
            word, kana, english = _AREA_WORDS[point.kind]
            station = finder.find(point.position)
            rest = point.kind != "IC"
            where = point.position
            if not rest:
                corner = network.nearest_corner(metres(where, network.origin))
                where = where if corner is None else _at(network, corner, 10, 10)
            yield Place(
                id=key,
                name=point.name + word,
                name_kana=point.reading + kana,
                name_en=f"{point.name_en} {english}",
                position=where,
                kind="rest_area" if rest else "other",
                prefecture=station.prefecture if station else None,
                city=_city(station.city) if station else None,
                address=f"{road.name} {point.name}{word}",
                hours=_every_day((0, 24)) if rest else None,
                parking=Parking("free", spaces=220 if point.kind == "SA" else 70) if rest else None,
                has_parking=True if rest else None,
                wifi="free" if rest else None,
                wheelchair=True if rest else None,
                child_friendly=True if rest else None,
                on_site_restaurant=True if rest else None,
                charging_kw=90.0 if point.kind == "SA" else 50.0 if rest else None,
                demo_attributes=rest,
            )


def _landmark(landmark: Landmark, styles: Sequence[Style], finder: _NearestStation, dice: random.Random) -> Place:
    style = next((s for s in styles if s.genre and s.genre in landmark.genres), None)
    station = finder.find(landmark.position)
    budget = _budget(style, dice) if style else None
    plain = Place(
        id=f"lm-{landmark.name}",
        name=landmark.name,
        name_kana=landmark.reading,
        name_en=landmark.name_en,
        position=landmark.position,
        kind=landmark.kind,
        genres=landmark.genres,
        prefecture=landmark.prefecture,
        city=_city(landmark.city),
        address=f"{landmark.prefecture}{landmark.city}{dice.randint(1, 9)}-{dice.randint(1, 30)}",
        phone=_phone(landmark.prefecture, dice),
        nearest_station=f"{station.name}駅" if station else None,
        hours=_hours("always" if landmark.kind == "airport" else style.profile if style else "day", dice),
        demo_attributes=True,
    )
    return _equip(plain, budget, style, dice, urban=station is not None and station.lines >= 3, rating_floor=3.3)


class _Venues:
    """Invented venues, in the streets round each station."""

    def __init__(self, facts: Facts, network: Network, styles: Sequence[Style], seed: int) -> None:
        self._facts = facts
        self._network = network
        self._styles = styles
        self._seed = seed
        self._words = _load_words()
        self._used: dict[str, int] = {}

    def generate(self) -> Iterator[Place]:
        for station in self._facts.stations:
            dice = random.Random(f"{self._seed}:{station.prefecture}:{station.city}:{station.name}")
            corners = self._corners(station)
            for number, style in enumerate(self._choose(station, dice)):
                yield self._venue(station, style, number, corners, dice)

    def _corners(self, station: Station) -> list[int]:
        """Street corners within 450 m of the station."""
        here = metres(station.position, self._network.origin)
        middle = self._network.nearest_corner(here)
        column, row = round(here[0] / 130), round(here[1] / 130)
        found = [
            node
            for i in range(column - 3, column + 4)
            for j in range(row - 3, row + 4)
            if (node := self._network.corners.get((i, j))) is not None
        ]
        return found or ([middle] if middle is not None else [])

    def _choose(self, station: Station, dice: random.Random) -> list[Style]:
        resort = station.name in RESORTS
        hub = station.lines >= 4
        weights = [float(style.weight) for style in self._styles]
        if resort:
            lift = {
                "ryokan": 14.0,
                "onsen": 8.0,
                "resort_hotel": 6.0,
                "minshuku": 4.0,
                "souvenirs": 8.0,
                "local_food": 8.0,
                "sweets": 8.0,
            }
            weights = [lift.get(style.genre or "", weight) for style, weight in zip(self._styles, weights, strict=True)]
        count = 1 + (dice.random() < 0.5) + 2 * (station.lines - 1) + (16 if resort else 0)
        chosen = [style for style in self._styles if style.at_hubs] if hub else []
        if hub or resort:
            chosen += [style for style in self._styles if style.genre is None and style.kind == "parking"] * 2
        # The rare ones (weight 0) stand somewhere, too: each at a few stations the dice choose.
        chosen += [style for style in self._styles if style.weight == 0 and dice.random() < 0.006]
        return chosen + dice.choices(self._styles, weights, k=min(count, 30))

    def _venue(self, station: Station, style: Style, number: int, corners: Sequence[int], dice: random.Random) -> Place:
        ja, kana, en = self._name(station, style, dice)
        corner = dice.choice(corners) if corners else None
        where = station.position if corner is None else _beside(self._network, corner, dice)
        budget = _budget(style, dice)
        plain = Place(
            id=f"demo-{station.city}-{station.name}-{number}",
            name=ja,
            name_kana=kana,
            name_en=en,
            position=where,
            kind=style.kind,
            genres=(style.genre,) if style.genre else (),
            prefecture=station.prefecture,
            city=_city(station.city),
            address=f"{station.prefecture}{station.city}{dice.randint(1, 6)}-{dice.randint(1, 28)}-{dice.randint(1, 20)}",
            phone=_phone(station.prefecture, dice),
            nearest_station=f"{station.name}駅",
            hours=_hours(style.profile, dice),
            demo=True,
        )
        return _equip(plain, budget, style, dice, urban=station.lines >= 3)

    def _name(self, station: Station, style: Style, dice: random.Random) -> tuple[str, str, str]:
        form, word = dice.choice(style.forms), dice.choice(self._words[style.words])
        ja = form.ja.replace("~", word.ja).replace("@", station.name)
        kana = form.kana.replace("~", word.kana).replace("@", station.reading)
        en = form.en.replace("~", word.en).replace("@", station.name_en)
        times = self._used[ja] = self._used.get(ja, 0) + 1
        if times > 1 and "@" not in form.ja:
            # A second house of the name says where it is.
            branch = f"{ja} {station.name}店"
            if branch not in self._used:
                self._used[branch] = 1
                return branch, f"{kana} {station.reading}テン", f"{en} {station.name_en}"
            ja = branch
            kana, en = f"{kana} {station.reading}テン", f"{en} {station.name_en}"
            times = self._used[branch] = self._used[branch] + 1
        if times > 1:
            ja, kana, en = f"{ja} {times}号館", f"{kana} {times}ゴウカン", f"{en} No. {times}"
        return ja, kana, en


# --- attributes --------------------------------------------------------------------------------------------------


def _budget(style: Style, dice: random.Random) -> int | None:
    low, high = style.budget
    if high == 0:
        return None
    # Cheap is more common than dear.
    return round((low + (high - low) * math.pow(dice.random(), 1.7)) / 50) * 50


def _band(style: Style | None, budget: int | None) -> PriceBand | None:
    if budget is None:
        return None
    bounds = {"hotel": (9_000, 18_000), "shop": (1_500, 5_000), "sight": (500, 1_800)}
    low, high = bounds.get(style.kind if style else "", (1_500, 4_000))
    return "low" if budget < low else "middle" if budget < high else "high"


def _parking(style_kind: str, urban: bool, dice: random.Random) -> tuple[Parking | None, bool | None]:
    vacancy: Literal["vacant", "crowded", "full"] = dice.choice(("vacant", "vacant", "vacant", "crowded", "full"))
    fee_steps = (300, 400, 500, 600, 800, 1000, 1200) if urban else (100, 200, 200, 300, 400)
    if style_kind == "parking":
        return Parking("paid", True, 0, dice.randrange(6, 260), dice.choice(fee_steps), vacancy, VACANCY_AT), True
    roll = dice.random()
    own = roll < (0.25 if urban else 0.62)
    if own:
        free = dice.random() < (0.25 if urban else 0.8)
        fee = None if free else dice.choice(fee_steps)
        return Parking("free" if free else "paid", True, 0, dice.randrange(2, 90), fee, vacancy, VACANCY_AT), True
    if roll < (0.65 if urban else 0.82):
        return Parking(
            "paid",
            False,
            dice.randrange(40, 320, 20),
            dice.randrange(5, 60),
            dice.choice(fee_steps),
            vacancy,
            VACANCY_AT,
        ), True
    return None, False if roll < 0.95 else None


def _equip(
    place: Place,
    budget: int | None,
    style: Style | None,
    dice: random.Random,
    *,
    urban: bool,
    rating_floor: float = 2.7,
) -> Place:
    kind = place.kind
    parking, has_parking = _parking(kind, urban, dice)
    dining, hotel = kind == "restaurant", kind == "hotel"
    chance: Callable[[float], bool] = lambda likely: dice.random() < likely  # noqa: E731
    dear = budget is not None and budget >= 5_000
    rated = dining or hotel or kind in ("sight", "shop")
    return replace(
        place,
        rating=round(min(4.9, rating_floor + (4.9 - rating_floor) * dice.betavariate(3, 2.2)), 1) if rated else None,
        price=_band(style, budget),
        budget_yen=budget,
        parking=parking,
        has_parking=has_parking,
        wifi=dice.choice(("free", "free", "free", "none") if hotel else ("free", "none", "none", "paid"))
        if rated
        else None,
        cards=chance(0.95 if hotel or dear else 0.7) if rated else None,
        wheelchair=chance(0.5),
        child_friendly=chance(0.25 if place.genres[:1] in (("bar",), ("izakaya",)) else 0.65) if rated else None,
        non_smoking=chance(0.8) if dining or hotel else None,
        private_room=chance(0.6 if dear else 0.25) if dining else None,
        on_site_restaurant=chance(
            {"business_hotel": 0.5, "hostel": 0.2, "simple_lodging": 0.2}.get(place.genres[0], 0.9)
        )
        if hotel
        else None,
        charging_kw=float(dice.choice((3, 6, 25, 50, 90, 150)))
        if kind == "charging"
        else dice.choice((3.0, 6.0, 50.0))
        if (hotel or kind == "parking") and chance(0.2)
        else None,
    )


def _phone(prefecture: str, dice: random.Random) -> str:
    return f"{AREA_CODES.get(prefecture, '0120')}-0000-{dice.randrange(10_000):04d}"


# --- where -------------------------------------------------------------------------------------------------------


def _beside(network: Network, corner: int, dice: random.Random) -> Position:
    """Off a street corner, a building's depth away."""
    return _at(network, corner, dice.choice((-1, 1)) * dice.uniform(8, 40), dice.choice((-1, 1)) * dice.uniform(8, 40))


def _at(network: Network, corner: int, east: float, north: float) -> Position:
    point = network.point(corner)
    return position_at(point[0] + east, point[1] + north, network.origin)


class _NearestStation:
    def __init__(self, facts: Facts) -> None:
        self._stations = facts.stations

    def find(self, position: Position) -> Station | None:
        return min(self._stations, key=lambda s: s.position.distance_to(position), default=None)

    def name(self, position: Position) -> str | None:
        station = self.find(position)
        return f"{station.name}駅" if station else None
