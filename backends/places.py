"""The places of the installed map: one SQLite file, read by many, written by `build_places` only.

    places    one row a place: its JSON, and beside it the columns conditions look at; x, y, z is the position on the
              unit sphere, so that distance is plain arithmetic inside SQL
    box       R*Tree: latitude, longitude and, as third dimension, the kind
    names     every key of every name (spelling, reading, Latin; `readings.py`)
    grams     FTS5 over the bigrams of the spelling and the reading (FTS5's own trigrams find nothing for two letters)
    spans     opening hours, each different week once, as rows to be asked for a minute of the week
    genres    which place has which genre

Totals are exact up to 1,000 and stop there: nobody is told "1,204 places", and counting on costs time.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from backends.errors import BackendError, BackendTimeout, BackendUnavailable, NotFound
from backends.model import (
    EARTH_RADIUS_M,
    MatchQuality,
    OpeningHours,
    Parking,
    Place,
    PlaceHit,
    PlacePage,
    PlaceQuery,
    Position,
    RegionInfo,
)
from backends.readings import NameKeys, Readings, fold, is_latin, kana_to_romaji, latin_key, reading_key, romaji_to_kana

SCHEMA_VERSION = 1
TOTAL_CAP = 1_000
"""totals are exact up to here"""
STATION_RADIUS_M = 800
"""ten minutes' walk: "near the station" for places that do not say which station is theirs"""
_STAGE = "places"
_T = TypeVar("_T")

_CANDIDATES = 4_000
"""how many rows a name search looks at before ranking"""
_FUZZY_CUTOFF = 62.0
_QUALITY_RANK: dict[MatchQuality, int] = {"exact": 0, "reading": 1, "part": 2, "fuzzy": 3, "attributes": 4}
_KINDS_WITH_OWN_PARKING = frozenset({"parking"})

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE kinds (number INTEGER PRIMARY KEY, kind TEXT NOT NULL UNIQUE);
CREATE TABLE places (
    n INTEGER PRIMARY KEY, kind INTEGER NOT NULL, x REAL NOT NULL, y REAL NOT NULL, z REAL NOT NULL,
    lat REAL NOT NULL, lon REAL NOT NULL,
    rating REAL, price INTEGER, budget INTEGER, own_parking INTEGER, fee TEXT, park_m INTEGER, fee_yen INTEGER,
    vacancy INTEGER, wifi TEXT, cards INTEGER, wheelchair INTEGER, child_friendly INTEGER, non_smoking INTEGER,
    private_room INTEGER, on_site_restaurant INTEGER, charging_kw REAL, hours INTEGER,
    prefecture TEXT, city TEXT, city_bare TEXT, station TEXT, address TEXT, id TEXT NOT NULL
);
CREATE TABLE data (n INTEGER PRIMARY KEY, json TEXT NOT NULL);
CREATE TABLE keys (n INTEGER PRIMARY KEY, folded TEXT, reading TEXT, latin TEXT);
CREATE VIRTUAL TABLE box USING rtree(n, south, north, west, east, kind_low, kind_high);
CREATE TABLE names (key TEXT, n INTEGER, what INTEGER, PRIMARY KEY (key, what, n)) WITHOUT ROWID;
CREATE VIRTUAL TABLE grams USING fts5(
    gram, content='', columnsize=0, detail=none, tokenize="unicode61 remove_diacritics 0");
CREATE TABLE gram_counts (gram TEXT PRIMARY KEY, places INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE weeks (hours INTEGER PRIMARY KEY, week TEXT NOT NULL UNIQUE);
CREATE TABLE spans (day INTEGER, opens INTEGER, closes INTEGER, hours INTEGER,
    PRIMARY KEY (day, opens, closes, hours)) WITHOUT ROWID;
CREATE TABLE genres (genre TEXT, n INTEGER, PRIMARY KEY (genre, n)) WITHOUT ROWID;
CREATE TABLE phones (digits TEXT, n INTEGER, PRIMARY KEY (digits, n)) WITHOUT ROWID;
"""
_INDEXES = """
CREATE UNIQUE INDEX places_id ON places (id);
CREATE INDEX places_rating ON places (kind, rating DESC);
CREATE INDEX places_city ON places (city_bare, kind);
CREATE INDEX places_prefecture ON places (prefecture, kind);
CREATE INDEX places_station ON places (station, kind);
CREATE INDEX genres_of ON genres (n, genre);
"""

_SPELLING, _READING, _LATIN = 0, 1, 2
_PRICE = {"low": 0, "middle": 1, "high": 2}


# --- a place as JSON and back -----------------------------------------------------------------------------------------


def place_to_json(place: Place) -> str:
    """Every field of a place, losslessly; unknown ones left out."""
    data = {
        key: value for key, value in asdict(place).items() if value is not None and value != () and value is not False
    }
    for key in (
        "has_parking",
        "cards",
        "wheelchair",
        "child_friendly",
        "non_smoking",
        "private_room",
        "on_site_restaurant",
    ):
        if getattr(place, key) is False:
            data[key] = False
    if place.parking is not None and place.parking.vacancy_at is not None:
        data["parking"]["vacancy_at"] = place.parking.vacancy_at.isoformat()
    if place.hours is not None:
        data["hours"] = place.hours.week
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def place_from_json(text: str) -> Place:
    """The inverse of `place_to_json`. Raises ValueError, KeyError or TypeError for anything else."""
    data: dict[str, Any] = json.loads(text)
    data["position"] = Position(**data["position"])
    data["genres"] = tuple(data.get("genres", ()))
    if "hours" in data:
        data["hours"] = OpeningHours(tuple(tuple((span[0], span[1]) for span in row) for row in data["hours"]))
    if "parking" in data:
        parking = data["parking"]
        if parking.get("vacancy_at"):
            parking["vacancy_at"] = datetime.fromisoformat(parking["vacancy_at"])
        data["parking"] = Parking(**parking)
    return Place(**data)


# --- building ---------------------------------------------------------------------------------------------------------


def build_places(
    path: Path,
    places: Iterable[Place],
    info: RegionInfo,
    *,
    readings: Readings | None = None,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Writes the file at `path` anew and returns how many places it holds; `info.places` is set to that number.

    Atomic: written beside it and renamed, so a reader sees the old map or the new one. Of places with the same id the
    first is kept. Raises OSError when the disk refuses.
    """
    readings = readings or Readings()
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=path.name, suffix=".tmp", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        db = sqlite3.connect(temporary)
        try:
            db.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA page_size=4096;" + _SCHEMA)
            count = _Builder(db, readings).add(places, progress)
            _write_meta(db, replace(info, places=count))
            db.executescript(_INDEXES)
            db.execute("INSERT INTO grams(grams) VALUES('optimize')")
            db.execute("ANALYZE")
            db.commit()
        finally:
            db.close()
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return count


def _write_meta(db: sqlite3.Connection, info: RegionInfo) -> None:
    data = asdict(info) | {"built_at": info.built_at.isoformat()}
    db.execute("INSERT INTO meta VALUES ('info', ?)", (json.dumps(data, ensure_ascii=False),))
    db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")


def _read_meta(text: str) -> RegionInfo:
    data = json.loads(text)
    data["built_at"] = datetime.fromisoformat(data["built_at"])
    data["south_west"], data["north_east"] = Position(**data["south_west"]), Position(**data["north_east"])
    return RegionInfo(**data)


class _Builder:
    def __init__(self, db: sqlite3.Connection, readings: Readings) -> None:
        self._db, self._readings = db, readings
        self._kinds: dict[str, int] = {}
        self._weeks: dict[str, int] = {}
        self._counts: dict[str, int] = {}
        self._seen: set[str] = set()
        self._n = 0

    def add(self, places: Iterable[Place], progress: Callable[[int], None] | None) -> int:
        batch: list[Place] = []
        for place in places:
            if place.id in self._seen:
                continue
            self._seen.add(place.id)
            batch.append(place)
            if len(batch) == 5_000:
                self._write(batch)
                batch = []
                if progress:
                    progress(self._n)
        self._write(batch)
        db = self._db
        db.executemany("INSERT INTO kinds VALUES (?, ?)", [(number, kind) for kind, number in self._kinds.items()])
        db.executemany("INSERT INTO weeks VALUES (?, ?)", [(number, week) for week, number in self._weeks.items()])
        db.executemany("INSERT INTO gram_counts VALUES (?, ?)", sorted(self._counts.items()))
        return self._n

    def _write(self, batch: Sequence[Place]) -> None:
        rows, boxes, data, spelt, names, grams, genres, phones = [], [], [], [], [], [], [], []
        for place in batch:
            self._n += 1
            n = self._n
            kind = self._kinds.setdefault(place.kind, len(self._kinds) + 1)
            keys = self._readings.name_keys(place.name, kana=place.name_kana, name_en=place.name_en)
            rows.append(self._row(n, kind, place))
            at = place.position
            boxes.append((n, at.latitude, at.latitude, at.longitude, at.longitude, kind, kind))
            data.append((n, place_to_json(place)))
            spelt.append((n, *keys))
            names += [(key, n, what) for key, what in sorted(_name_rows(place, keys)) if key]
            of_place = _grams(keys.folded) | _grams(keys.reading) | _grams(keys.latin)
            for gram in of_place:
                self._counts[gram] = self._counts.get(gram, 0) + 1
            grams.append((n, " ".join(sorted(of_place))))
            genres += [(genre, n) for genre in dict.fromkeys(place.genres)]
            if place.phone:
                phones.append((_digits(place.phone), n))
        db = self._db
        db.executemany(f"INSERT INTO places VALUES ({','.join('?' * 30)})", rows)
        db.executemany("INSERT INTO box VALUES (?,?,?,?,?,?,?)", boxes)
        db.executemany("INSERT INTO data VALUES (?,?)", data)
        db.executemany("INSERT INTO keys VALUES (?,?,?,?)", spelt)
        db.executemany("INSERT OR IGNORE INTO names VALUES (?,?,?)", names)
        db.executemany("INSERT INTO grams (rowid, gram) VALUES (?,?)", grams)
        db.executemany("INSERT INTO genres VALUES (?,?)", genres)
        db.executemany("INSERT OR IGNORE INTO phones VALUES (?,?)", phones)

    def _row(self, n: int, kind: int, place: Place) -> tuple[Any, ...]:
        parking = place.parking
        own: bool | None = place.has_parking
        if place.kind in _KINDS_WITH_OWN_PARKING or (parking is not None and parking.own):
            own = True
        vacancy = None if parking is None or parking.vacancy is None else parking.vacancy != "full"
        city = fold(place.city or "") or None
        return (
            n,
            kind,
            *_on_sphere(place.position),
            place.position.latitude,
            place.position.longitude,
            place.rating,
            None if place.price is None else _PRICE[place.price],
            place.budget_yen,
            own,
            parking.fee if parking else None,
            parking.distance_m if parking else None,
            (0 if parking.fee == "free" else parking.fee_yen_per_hour) if parking else None,
            vacancy,
            place.wifi,
            place.cards,
            place.wheelchair,
            place.child_friendly,
            place.non_smoking,
            place.private_room,
            place.on_site_restaurant,
            place.charging_kw,
            None if place.hours is None else self._hours(place.hours),
            _bare_prefecture(place.prefecture),
            city,
            _bare_city(city) if city else None,
            _bare_station(place.nearest_station),
            fold(place.address or "") or None,
            place.id,
        )

    def _hours(self, hours: OpeningHours) -> int:
        week = json.dumps(hours.week)
        if week not in self._weeks:
            number = self._weeks[week] = len(self._weeks) + 1
            spans = [(day, opens, closes, number) for day, row in enumerate(hours.week) for opens, closes in row]
            self._db.executemany("INSERT OR IGNORE INTO spans VALUES (?,?,?,?)", spans)
        return self._weeks[week]


def _name_rows(place: Place, keys: NameKeys) -> set[tuple[str, int]]:
    rows = {(keys.folded, _SPELLING), (keys.reading, _READING), (keys.latin, _LATIN)}
    if place.name_en:
        rows |= {(fold(place.name_en), _SPELLING)}
        if place.name_kana:
            rows |= {(latin_key(kana_to_romaji(place.name_kana)), _LATIN)}
    return rows


def _grams(key: str) -> set[str]:
    return {key[i : i + 2] for i in range(len(key) - 1)} or ({key} if key else set())


def _digits(text: str) -> str:
    digits = "".join(c for c in fold(text) if c in "0123456789")
    # +81 3-… is 03-…
    return "0" + digits[2:] if digits.startswith("81") and text.lstrip().startswith(("+", "＋")) else digits


def _on_sphere(position: Position) -> tuple[float, float, float]:
    lat, lon = math.radians(position.latitude), math.radians(position.longitude)
    return math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat)


def _bare_prefecture(text: str | None) -> str | None:
    key = fold(text or "")
    if key in ("東京都", "大阪府", "京都府") or key.endswith("県"):
        return key[:-1]
    return key or None


def _bare_city(key: str) -> str:
    """ "横浜市" → "横浜"; wards, towns and villages keep their suffix (府中町 is not 府中市)."""
    return key[:-1] if len(key) > 1 and key.endswith("市") else key


def _bare_station(text: str | None) -> str | None:
    key = fold(text or "")
    for suffix in ("駅", "station"):
        if key.endswith(suffix) and len(key) > len(suffix):
            return key[: -len(suffix)]
    return key or None


# --- searching: the SQL of the conditions -----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Where:
    """Conditions in SQL on the row `p` of places."""

    clauses: tuple[str, ...]
    values: dict[str, Any]

    @property
    def sql(self) -> str:
        return " AND ".join(self.clauses) or "1"


def _conditions(query: PlaceQuery) -> _Where:
    clauses: list[str] = []
    values: dict[str, Any] = {}

    def add(clause: str, **named: Any) -> None:
        clauses.append(clause)
        values.update(named)

    if query.kind is not None:
        # "+": the optimizer must start from the box or the candidates, not from every place of a kind
        add("+p.kind = (SELECT number FROM kinds WHERE kind = :kind)", kind=query.kind)
    for what, genres in (("EXISTS", query.genres), ("NOT EXISTS", query.exclude_genres)):
        if genres:
            names = {f"{'g' if what == 'EXISTS' else 'h'}{i}": genre for i, genre in enumerate(genres[:50])}
            listed = ",".join(":" + name for name in names)
            add(f"{what} (SELECT 1 FROM genres WHERE genres.n = p.n AND genre IN ({listed}))", **names)
    if query.exclude_ids:
        ids = {f"x{i}": place_id for i, place_id in enumerate(query.exclude_ids[:500])}
        add(f"p.id NOT IN ({','.join(':' + name for name in ids)})", **ids)
    if query.phone is not None:
        add("p.n IN (SELECT n FROM phones WHERE digits = :phone)", phone=_digits(query.phone))
    if query.prefecture is not None:
        add("p.prefecture = :prefecture", prefecture=_bare_prefecture(query.prefecture))
    if query.city is not None:
        _city(query.city, add)
    if query.area is not None:
        area = fold(query.area)
        add("(p.city = :area OR instr(p.address, :area) > 0)", area=area)
    if query.station is not None:
        near_station = " OR " + _within("p", "origin", STATION_RADIUS_M) if query.near is not None else ""
        add(f"(p.station = :station{near_station})", station=_bare_station(query.station))
    if query.price is not None:
        add("p.price = :price", price=_PRICE.get(query.price, -1))
    if query.budget_max_yen is not None:
        add("p.budget <= :budget", budget=query.budget_max_yen)
    _parking(query, add)
    if query.wifi is not None:
        add("p.wifi IN ('free', 'paid')" if query.wifi == "any" else "p.wifi = :wifi", wifi=query.wifi)
    if query.rating_min is not None:
        add("p.rating >= :rating_min", rating_min=query.rating_min)
    for flag in ("on_site_restaurant", "cards", "wheelchair", "child_friendly", "non_smoking", "private_room"):
        if getattr(query, flag) is not None:
            add(f"p.{flag} = :{flag}", **{flag: bool(getattr(query, flag))})
    if query.charging is not None:
        charger = "(p.charging_kw > 0 OR p.kind = (SELECT number FROM kinds WHERE kind = 'charging'))"
        add(charger if query.charging else "p.charging_kw = 0")
    if query.charging_min_kw is not None:
        add("p.charging_kw >= :charging_min_kw", charging_min_kw=query.charging_min_kw)
    if query.open_at is not None:
        minute, day, yesterday = _week_minute(query.open_at)
        add(
            "p.hours IN (SELECT hours FROM spans WHERE day = :day AND opens <= :minute AND closes > :minute"
            " UNION ALL SELECT hours FROM spans WHERE day = :yesterday AND closes > :minute + 1440)",
            minute=minute,
            day=day,
            yesterday=yesterday,
        )
    if query.near is not None:
        values.update(dict(zip(("ox", "oy", "oz"), _on_sphere(query.near), strict=True)))
        if query.radius_m is not None:
            add(_within("p", "origin", query.radius_m))
    return _Where(tuple(clauses), {name: _bound(value) for name, value in values.items()})


def _bound(value: Any) -> Any:
    """A value SQLite can bind, whatever came in."""
    if isinstance(value, str):
        return _storable(value)
    if isinstance(value, int):
        return max(-(2**62), min(2**62, value))
    return value


def _city(city: str, add: Callable[..., None]) -> None:
    key = fold(city)
    if key in ("東京", "東京都", "tokyo"):
        # The capital is no municipality: whoever says 東京 means its wards and cities.
        add("p.prefecture = '東京'")
    elif key.endswith(("市", "区", "町", "村")) and len(key) > 1:
        add("p.city = :city", city=key)
    else:
        bare = [key, *(key + suffix for suffix in ("区", "町", "村"))]
        add("p.city_bare IN (:city0, :city1, :city2, :city3)", **{f"city{i}": value for i, value in enumerate(bare)})


def _parking(query: PlaceQuery, add: Callable[..., None]) -> None:
    fee = query.parking if query.parking in ("free", "paid") else None
    if query.parking == "none":
        add("p.own_parking = 0")
        return
    free_place = "" if query.vacancy is None else f" AND {{row}}.vacancy = {int(query.vacancy)}"
    if query.parking_within_m is None:
        if query.parking is not None:
            add("p.own_parking = 1" + (" AND p.fee = :fee" if fee else ""), **({"fee": fee} if fee else {}))
        if query.vacancy is not None:
            add("p.vacancy = :vacancy", vacancy=bool(query.vacancy))
        return
    # Its own car park, one known to belong to it, or any car park near enough.
    within = max(0, query.parking_within_m)
    fee_sql = " AND {row}.fee = :fee" if fee else ""
    own = "(p.park_m <= :park_m OR p.own_parking = 1)" + (fee_sql + free_place).format(row="p")
    degrees = within / 111_000 * 1.02 + 1e-5
    nearby = (
        "EXISTS (SELECT 1 FROM box JOIN places c ON c.n = box.n WHERE"
        " box.kind_low <= (SELECT number FROM kinds WHERE kind = 'parking')"
        " AND box.kind_high >= (SELECT number FROM kinds WHERE kind = 'parking')"
        " AND box.north >= p.lat - :park_lat AND box.south <= p.lat + :park_lat"
        " AND box.east >= p.lon - :park_lat / max(0.05, sqrt(p.x * p.x + p.y * p.y))"
        " AND box.west <= p.lon + :park_lat / max(0.05, sqrt(p.x * p.x + p.y * p.y))"
        f" AND {_chord2('c', 'p')} <= :park_chord2" + (fee_sql + free_place).format(row="c") + ")"
    )
    add(
        f"(({own}) OR {nearby})",
        park_m=within,
        park_lat=degrees,
        park_chord2=_chord2_of(within),
        **({"fee": fee} if fee else {}),
    )


def _chord2(row: str, other: str) -> str:
    if other == "origin":
        return f"(({row}.x-:ox)*({row}.x-:ox)+({row}.y-:oy)*({row}.y-:oy)+({row}.z-:oz)*({row}.z-:oz))"
    return "(" + "+".join(f"({row}.{a}-{other}.{a})*({row}.{a}-{other}.{a})" for a in "xyz") + ")"


def _chord2_of(metres: float) -> float:
    """The squared straight line through the unit sphere between points `metres` apart on it."""
    return float((2 * math.sin(min(math.pi / 2, metres / EARTH_RADIUS_M / 2))) ** 2)


def _within(row: str, other: str, metres: float) -> str:
    return f"{_chord2(row, other)} <= {_chord2_of(max(0.0, metres))!r}"


def _week_minute(at: datetime) -> tuple[int, int, int]:
    """Minute of the day and the rows of the week (7 = public holiday) of the day and of the day before."""
    yesterday = at - timedelta(days=1)
    day = 7 if is_holiday(at) else at.weekday()
    return at.hour * 60 + at.minute, day, 7 if is_holiday(yesterday) else yesterday.weekday()


def is_holiday(at: datetime) -> bool:
    """Whether the day is a public holiday in Japan."""
    return _is_holiday(at.year, at.month, at.day)


@lru_cache(maxsize=512)
def _is_holiday(year: int, month: int, day: int) -> bool:
    import jpholiday

    return bool(jpholiday.is_holiday(datetime(year, month, day).date()))


@dataclass(frozen=True)
class _Box:
    south: float
    north: float
    west: float
    east: float

    @classmethod
    def around(cls, centre: Position, metres: float) -> _Box:
        # A little wide: the R*Tree stores 32-bit numbers.
        lat = math.degrees(metres / EARTH_RADIUS_M) * 1.0005 + 1e-4
        lon = lat / max(0.01, math.cos(math.radians(min(89.0, abs(centre.latitude) + lat))))
        return cls(centre.latitude - lat, centre.latitude + lat, centre.longitude - lon, centre.longitude + lon)

    @property
    def values(self) -> dict[str, float]:
        return {"south": self.south, "north": self.north, "west": self.west, "east": self.east}


_IN_BOX = "box.north >= :south AND box.south <= :north AND box.east >= :west AND box.west <= :east"
_KIND_BOX = (
    " AND box.kind_low <= (SELECT number FROM kinds WHERE kind = :kind)"
    " AND box.kind_high >= (SELECT number FROM kinds WHERE kind = :kind)"
)


# --- searching: names -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Named:
    """A place whose name fits."""

    n: int
    quality: MatchQuality
    score: float


class _Names:
    """The name search over one connection."""

    def __init__(self, db: sqlite3.Connection, readings: Readings) -> None:
        self._db, self._readings = db, readings

    def candidates(self, text: str, near: Position | None) -> tuple[dict[int, _Named], bool]:
        """Places by name, exact, by reading or in part; when there are none at all, the fuzzy ones (True)."""
        keys = self._keys(text)
        if not any(keys):
            return {}, False
        found: dict[int, _Named] = {}
        for key, what in self._exact_keys(text, keys):
            quality: MatchQuality = "exact" if what == _SPELLING else "reading"
            for (n,) in self._db.execute(
                "SELECT n FROM names WHERE key = ? AND what = ? LIMIT ?", (key, what, 5 * _CANDIDATES)
            ):
                found.setdefault(n, _Named(n, quality, 1.0 if quality == "exact" else 0.95))
        for named in self._parts(keys, near):
            found.setdefault(named.n, named)
        if found:
            return found, False
        return {named.n: named for named in self._fuzzy(keys)}, True

    def _keys(self, text: str) -> NameKeys:
        return self._readings.name_keys(text[:200])

    def _exact_keys(self, text: str, keys: NameKeys) -> Iterator[tuple[str, int]]:
        yield keys.folded, _SPELLING
        if is_latin(text):
            yield keys.latin, _LATIN
            kana = romaji_to_kana(text)
            if kana:
                yield reading_key(kana), _READING
        elif keys.reading:
            yield keys.reading, _READING

    def _parts(self, keys: NameKeys, near: Position | None) -> Iterator[_Named]:
        wanted = [(keys.folded, _SPELLING)]
        if len(keys.reading) >= 3:
            wanted.append((keys.reading, _READING))
        if len(keys.latin) >= 5:
            wanted.append((keys.latin, _LATIN))
        for key, what in wanted:
            if not key:
                continue
            for n, name in self._holding(key, what, near):
                place = name.find(key)
                if place < 0:
                    continue
                share = len(key) / len(name)
                # A name that begins like this is likelier meant than one that has it somewhere.
                score = 0.6 + 0.2 * share + (0.1 if place == 0 else 0.0) - 0.02 * what
                yield _Named(n, "part", round(score, 4))

    def _holding(self, key: str, what: int, near: Position | None) -> list[tuple[int, str]]:
        grams = _grams(key)
        if len(key) == 1:
            return self._starting(key, what)
        match = " AND ".join(_quoted(gram) for gram in sorted(grams)[:40])
        # Names of one place are few: the key rows of a place are reached through the names of the candidates.
        rows = self._db.execute(
            "SELECT rowid FROM grams WHERE grams MATCH ? LIMIT ?", (match, _CANDIDATES + 1)
        ).fetchall()
        numbers = [row[0] for row in rows]
        if len(numbers) > _CANDIDATES and near is not None:
            numbers = self._nearest_matching(match, near) or numbers
        return self._names_of(numbers, what)

    def _nearest_matching(self, match: str, near: Position) -> list[int]:
        for metres in (3_000, 12_000, 50_000):
            rows = self._db.execute(
                "SELECT grams.rowid FROM grams CROSS JOIN places p ON p.n = grams.rowid WHERE grams MATCH :match"
                " AND p.lat BETWEEN :south AND :north AND p.lon BETWEEN :west AND :east LIMIT :most",
                {"match": match, "most": _CANDIDATES, **_Box.around(near, metres).values},
            ).fetchall()
            if len(rows) >= 20:
                return [row[0] for row in rows]
        return []

    def _starting(self, key: str, what: int) -> list[tuple[int, str]]:
        rows = self._db.execute(
            "SELECT n, key FROM names WHERE key >= ? AND key < ? AND what = ? LIMIT ?",
            (key, key + "\U0010ffff", what, _CANDIDATES),
        )
        return [(n, name) for n, name in rows]

    def _names_of(self, numbers: Sequence[int], what: int) -> list[tuple[int, str]]:
        return [(n, name) for n, names in self._all_names(numbers).items() for name in names[what : what + 1] if name]

    def _all_names(self, numbers: Sequence[int]) -> dict[int, tuple[str, str, str]]:
        out: dict[int, tuple[str, str, str]] = {}
        for start in range(0, len(numbers), 900):
            part = numbers[start : start + 900]
            rows = self._db.execute(
                f"SELECT n, folded, reading, latin FROM keys WHERE n IN ({','.join('?' * len(part))})", part
            )
            out.update((n, (folded, reading, latin)) for n, folded, reading, latin in rows)
        return out

    def _fuzzy(self, keys: NameKeys) -> list[_Named]:
        """Names that share the query's rarest bigrams, ranked by edit distance of spelling, sound and Latin."""
        grams = sorted(_grams(keys.folded) | _grams(keys.reading) | _grams(keys.latin))[:120]
        counts = self._db.execute(
            f"SELECT gram, places FROM gram_counts WHERE gram IN ({','.join('?' * len(grams))}) ORDER BY places", grams
        ).fetchall()
        votes: dict[int, int] = {}
        budget = _CANDIDATES
        for gram, places in counts:
            if votes and places > budget:
                break
            rows = self._db.execute("SELECT rowid FROM grams WHERE grams MATCH ? LIMIT ?", (_quoted(gram), budget))
            for (n,) in rows:
                votes[n] = votes.get(n, 0) + 1
            budget = max(200, budget - places)
        short = sorted(votes, key=lambda n: (-votes[n], n))[:400]
        return self._rank(keys, short)

    def _rank(self, keys: NameKeys, numbers: Sequence[int]) -> list[_Named]:
        from rapidfuzz import fuzz

        out = []
        for n, (folded, reading, latin) in self._all_names(numbers).items():
            score = fuzz.ratio(keys.folded, folded)
            if keys.reading and reading:
                score = max(score, fuzz.ratio(keys.reading, reading))
                if len(keys.reading) >= 4:
                    score = max(score, 0.9 * fuzz.partial_ratio(keys.reading, reading) - 4)
            if keys.latin and latin:
                score = max(score, 0.95 * fuzz.ratio(keys.latin, latin))
            if score >= _FUZZY_CUTOFF:
                out.append(_Named(n, "fuzzy", round(score / 100 * 0.85, 4)))
        best = max((named.score for named in out), default=0.0)
        # What is far behind the best is noise, not a second guess.
        return [named for named in out if named.score >= best - 0.12]


def _quoted(gram: str) -> str:
    """A string of FTS5's query language that can only be a string."""
    return '"' + gram.replace('"', '""') + '"'


# --- searching: one query over one connection --------------------------------------------------------------------------


@dataclass(frozen=True)
class _Row:
    """A place that satisfies every condition, before it is read in full."""

    n: int
    distance_m: float | None
    quality: MatchQuality = "attributes"
    score: float = 1.0
    detour_m: float | None = None
    progress_m: float = 0.0
    rating: float = -1.0
    price: float = math.inf
    fee_yen: float = math.inf


_COLUMNS = "p.n, p.rating, p.price, p.budget, p.fee_yen, p.x, p.y, p.z, p.lat, p.lon"


class _Search:
    def __init__(self, db: sqlite3.Connection, readings: Readings, query: PlaceQuery) -> None:
        self._db, self._readings, self._query = db, readings, query
        self._where = _conditions(query)

    def page(self) -> PlacePage:
        query = self._query
        offset, limit = max(0, query.offset), max(0, query.limit)
        if query.text is not None or query.along is not None:
            rows = sorted(self._rows_in_memory(), key=self._order)
            return self._read(rows[offset : offset + limit], min(len(rows), TOTAL_CAP))
        total = self.count()
        if offset >= total or not limit:
            return PlacePage((), total)
        return self._read(self._rows_in_sql(offset, limit, total), total)

    def count(self) -> int:
        """How many places satisfy the query, at most `TOTAL_CAP`."""
        query = self._query
        if query.text is not None or query.along is not None:
            return min(len(self._rows_in_memory()), TOTAL_CAP)
        box = _Box.around(query.near, query.radius_m) if query.near and query.radius_m is not None else None
        return len(self._select("p.n", box, "", TOTAL_CAP))

    # Names and routes: few candidates, ranked here.

    def _rows_in_memory(self) -> list[_Row]:
        query = self._query
        named: dict[int, _Named] | None = None
        if query.text is not None:
            named, _ = _Names(self._db, self._readings).candidates(query.text, query.near)
        met: dict[int, tuple[float, float]] | None = None
        if query.along is not None:
            met = self._along(query.along, None if named is None else frozenset(named))
        numbers = list(met if met is not None else named or ())
        out = []
        for row in self._rows_of(numbers) if met is None or named is not None else self._rows_of(numbers, checked=True):
            n = row[0]
            match = named[n] if named is not None else None
            progress, detour = met[n] if met is not None else (0.0, None)
            base = self._row(row)
            out.append(
                replace(
                    base,
                    quality=match.quality if match else "attributes",
                    score=match.score if match else 1.0,
                    detour_m=detour,
                    progress_m=progress,
                )
            )
        return out

    def _rows_of(self, numbers: Sequence[int], *, checked: bool = False) -> Iterator[tuple[Any, ...]]:
        condition = "1" if checked else self._where.sql
        for start in range(0, len(numbers), 5_000):
            listed = ",".join(str(int(n)) for n in numbers[start : start + 5_000])
            yield from self._db.execute(
                f"SELECT {_COLUMNS} FROM places p WHERE p.n IN ({listed}) AND {condition}", self._where.values
            )

    def _row(self, row: tuple[Any, ...]) -> _Row:
        n, rating, price, budget, fee_yen, x, y, z, _lat, _lon = row
        distance = None
        if self._query.near is not None:
            ox, oy, oz = (self._where.values[name] for name in ("ox", "oy", "oz"))
            chord = math.sqrt((x - ox) ** 2 + (y - oy) ** 2 + (z - oz) ** 2)
            distance = 2 * EARTH_RADIUS_M * math.asin(min(1.0, chord / 2))
        unknown_low = -1.0 if self._query.sort == "price_desc" else math.inf
        money = budget if budget is not None else (unknown_low if price is None else (1_000, 3_000, 8_000)[int(price)])
        return _Row(
            n,
            distance,
            rating=-1.0 if rating is None else rating,
            price=money,
            fee_yen=math.inf if fee_yen is None else fee_yen,
        )

    def _order(self, row: _Row) -> tuple[float, ...]:
        query = self._query
        far = row.distance_m if row.distance_m is not None else 0.0
        name = (float(_QUALITY_RANK[row.quality]), 0.0 if row.quality == "part" and row.score >= 0.7 else 1.0)
        if query.sort == "distance":
            return (far, -row.score, row.n)
        if query.sort == "rating":
            return (-row.rating, far, row.n)
        if query.sort == "price":
            return (row.price, far, row.n)
        if query.sort == "price_desc":
            return (-row.price, far, row.n)
        if query.sort == "parking_fee":
            return (row.fee_yen, far, row.n)
        if query.sort == "detour" and row.detour_m is not None:
            return (row.detour_m, row.progress_m, row.n)
        if query.along is not None:
            return (*name, row.progress_m, row.n)
        if row.quality == "part" and row.distance_m is not None:
            return (*name, far, -row.score, row.n)
        return (*name, -row.score, far, row.n)

    # Along a route.

    def _along(self, line: Sequence[Position], only: frozenset[int] | None) -> dict[int, tuple[float, float]]:
        """Places within the corridor: number → (metres along the line, metres from it)."""
        import numpy as np

        if not line:
            return {}
        corridor = max(0, self._query.corridor_m)
        lat = np.array([p.latitude for p in line], dtype=np.float64)
        lon = np.array([p.longitude for p in line], dtype=np.float64)
        metres = math.radians(1) * EARTH_RADIUS_M
        middle = np.cos(np.radians((lat[:-1] + lat[1:]) / 2)) if len(line) > 1 else np.cos(np.radians(lat))
        if len(line) == 1:
            lat, lon = np.repeat(lat, 2), np.repeat(lon, 2)
        step = np.hypot(np.diff(lat) * metres, np.diff(lon) * metres * middle)
        start_m = np.concatenate(([0.0], np.cumsum(step)))
        out: dict[int, tuple[float, float]] = {}
        for first, last in _chunks(start_m, max(1_500.0, 3.0 * corridor)):
            a_lat, a_lon, b_lat, b_lon = (
                lat[first:last],
                lon[first:last],
                lat[first + 1 : last + 1],
                lon[first + 1 : last + 1],
            )
            margin = corridor / metres * 1.001 + 1e-4
            lat_lo, lat_hi = float(min(a_lat.min(), b_lat.min())), float(max(a_lat.max(), b_lat.max()))
            widest = max(0.01, math.cos(math.radians(min(89.0, max(abs(lat_lo), abs(lat_hi)) + margin))))
            box = _Box(
                lat_lo - margin,
                lat_hi + margin,
                float(min(a_lon.min(), b_lon.min())) - margin / widest,
                float(max(a_lon.max(), b_lon.max())) + margin / widest,
            )
            rows = self._select("p.n, p.lat, p.lon", box, "", -1)
            if only is not None:
                rows = [row for row in rows if row[0] in only]
            if not rows:
                continue
            numbers = [row[0] for row in rows]
            p_lat = np.array([row[1] for row in rows])[:, None]
            p_lon = np.array([row[2] for row in rows])[:, None]
            # A plane round each place: exact enough within a few kilometres.
            across = metres * np.cos(np.radians(p_lat))
            ax, ay = (a_lon - p_lon) * across, (a_lat - p_lat) * metres
            dx, dy = (b_lon - a_lon) * across, (b_lat - a_lat)[None, :] * metres
            squared = dx * dx + dy * dy
            t = np.clip(-(ax * dx + ay * dy) / np.where(squared == 0, 1.0, squared), 0.0, 1.0)
            distance = np.hypot(ax + t * dx, ay + t * dy)
            best = distance.argmin(axis=1)
            for i, n in enumerate(numbers):
                detour = float(distance[i, best[i]])
                if detour <= corridor and (n not in out or detour < out[n][1]):
                    segment = int(best[i])
                    out[n] = (float(start_m[first + segment] + t[i, segment] * step[first + segment]), detour)
        return out

    # Everything else: ranked by SQL.

    def _select(self, columns: str, box: _Box | None, order: str, limit: int, offset: int = 0) -> list[tuple[Any, ...]]:
        values = {**self._where.values, "limit": limit, "offset": offset}
        source, condition = "places p", self._where.sql
        if box is not None:
            source = "box CROSS JOIN places p ON p.n = box.n"
            condition = _IN_BOX + (_KIND_BOX if self._query.kind is not None else "") + " AND " + condition
            values.update(box.values)
        elif self._query.kind is not None:
            condition = condition.replace("+p.kind =", "p.kind =")
        sql = f"SELECT {columns} FROM {source} WHERE {condition} {order} LIMIT :limit OFFSET :offset"
        return self._db.execute(sql, values).fetchall()

    def _rows_in_sql(self, offset: int, limit: int, total: int) -> list[_Row]:
        query = self._query
        near = query.near
        by_distance = near is not None and query.sort in ("relevance", "distance", "detour")
        box = _Box.around(near, query.radius_m) if near is not None and query.radius_m is not None else None
        distance = f", {_chord2('p', 'origin')}" if near is not None else ""
        if by_distance and near is not None and (total >= TOTAL_CAP or box is None):
            return [self._row(row) for row in self._nearest(near, offset, limit, total)]
        if by_distance:
            order = f"ORDER BY {distance[2:]}, p.n"
        elif query.sort == "rating":
            if total >= TOTAL_CAP and box is not None:
                box = self._many(box)
            order = f"ORDER BY p.rating DESC{distance}, p.n"
        elif query.sort in ("price", "price_desc"):
            money = "coalesce(p.budget, CASE p.price WHEN 0 THEN 1000 WHEN 1 THEN 3000 WHEN 2 THEN 8000 END)"
            order = f"ORDER BY {money} {'ASC' if query.sort == 'price' else 'DESC'} NULLS LAST{distance}, p.n"
        elif query.sort == "parking_fee":
            order = f"ORDER BY p.fee_yen ASC NULLS LAST{distance}, p.n"
        else:
            order = "ORDER BY p.n"
        return [self._row(row) for row in self._select(_COLUMNS, box, order, limit, offset)]

    def _many(self, box: _Box) -> _Box | None:
        """A place to look for the best rated of very many: the box itself, or the index of ratings when the box holds
        a good part of the country anyway (the radius stays a condition in both)."""
        return None if box.north - box.south > 0.5 and self._query.kind is not None else box

    def _nearest(self, near: Position, offset: int, limit: int, total: int) -> list[tuple[Any, ...]]:
        """The nearest ones, looked for in growing circles, so that few rows are touched where places are dense."""
        wanted = min(offset + limit, total)
        order = f"ORDER BY {_chord2('p', 'origin')}, p.n"
        metres = 250.0
        while metres < 4_000_000:
            if self._query.radius_m is not None and metres >= self._query.radius_m:
                break
            inside = replace(self._query, radius_m=int(metres))
            narrowed = _Search(self._db, self._readings, inside)
            rows = narrowed._select(_COLUMNS, _Box.around(near, metres), order, limit, offset)
            if len(rows) >= limit or offset + len(rows) >= wanted:
                # Enough within the circle means that nothing outside it is nearer.
                return rows
            metres *= 2.0 if metres < 4_000 or rows else 4.0
        box = _Box.around(near, self._query.radius_m) if self._query.radius_m is not None else None
        return self._select(_COLUMNS, box, order, limit, offset)

    def _read(self, rows: Sequence[_Row], total: int) -> PlacePage:
        hits = []
        for row in rows:
            (text,) = self._db.execute("SELECT json FROM data WHERE n = ?", (row.n,)).fetchone()
            hits.append(
                PlaceHit(
                    place=place_from_json(text),
                    distance_m=row.distance_m,
                    match=row.quality,
                    score=row.score,
                    detour_m=row.detour_m,
                )
            )
        return PlacePage(tuple(hits), total)


def _chunks(start_m: Any, longest: float) -> Iterator[tuple[int, int]]:
    """Ranges of segments [first, last) of about `longest` metres."""
    first, segments = 0, len(start_m) - 1
    for segment in range(segments):
        if segment + 1 == segments or start_m[segment + 2] - start_m[first] > longest:
            yield first, segment + 1
            first = segment + 1


# --- the port ---------------------------------------------------------------------------------------------------------

_NOT_CONDITIONS = frozenset({"near", "along", "corridor_m", "sort", "offset", "limit", "exclude_ids", "text"})


class SqlitePlaces:
    """`Places` over the file at `path`, which need not exist yet and may be replaced at any time.

    Every call runs in a small pool of threads of its own, each with its own read-only connection, and ends within
    `deadline_s`: `BackendTimeout`. A missing, foreign or broken file is `BackendUnavailable`. `clock` counts seconds.
    """

    def __init__(
        self,
        path: Path,
        *,
        deadline_s: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
        readings: Readings | None = None,
        threads: int = 2,
    ) -> None:
        self._path, self._deadline_s, self._clock = path, deadline_s, clock
        self._readings = readings or Readings()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="places")
        self._local = threading.local()

    async def search(self, query: PlaceQuery) -> PlacePage:
        """The page `query.offset`/`query.limit` of the places satisfying every condition. `total` is exact up to
        `TOTAL_CAP` and stays there. Along a route hits come in the order they are met."""
        return await self._call(lambda db: _Search(db, self._readings, query).page())

    async def find(self, name: str, *, near: Position | None = None, limit: int = 5) -> tuple[PlaceHit, ...]:
        """Places called `name` in any spelling; likeliest first, the nearer of equals first."""
        page = await self.search(PlaceQuery(text=name, near=near, limit=limit))
        return page.hits

    async def get(self, place_id: str) -> Place:
        def read(db: sqlite3.Connection) -> Place:
            row = db.execute(
                "SELECT json FROM places JOIN data ON data.n = places.n WHERE id = ?", (_storable(place_id),)
            ).fetchone()
            if row is None:
                raise NotFound(_STAGE, "no place of that id")
            return place_from_json(row[0])

        return await self._call(read)

    async def info(self) -> RegionInfo | None:
        if not await asyncio.to_thread(self._path.is_file):
            return None
        return await self._call(
            lambda db: _read_meta(db.execute("SELECT value FROM meta WHERE key = 'info'").fetchone()[0])
        )

    async def count_without(self, query: PlaceQuery) -> Mapping[str, int]:
        """For each condition in force (by its field's name in `PlaceQuery`) the total when it alone is dropped."""

        def count(db: sqlite3.Connection) -> dict[str, int]:
            return {
                name: _Search(db, self._readings, dropped).count() for name, dropped in _each_condition_dropped(query)
            }

        return await self._call(count)

    def close(self) -> None:
        """Ends the threads; calls under way finish."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _call(self, job: Callable[[sqlite3.Connection], _T]) -> _T:
        until = self._clock() + self._deadline_s
        given_up = threading.Event()
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._pool, self._run, job, until, given_up)
        try:
            # The connection stops itself; this guards against a disk that does not answer.
            return await asyncio.wait_for(future, self._deadline_s + 0.25)
        except (asyncio.TimeoutError, TimeoutError):
            raise BackendTimeout(_STAGE, f"no answer in {self._deadline_s} s") from None
        finally:
            given_up.set()

    def _run(self, job: Callable[[sqlite3.Connection], _T], until: float, given_up: threading.Event) -> _T:
        if self._clock() >= until or given_up.is_set():
            raise BackendTimeout(_STAGE, "waited for its turn too long")
        try:
            db = self._connection()
            db.set_progress_handler(lambda: int(given_up.is_set() or self._clock() >= until), 20_000)
            try:
                return job(db)
            finally:
                db.set_progress_handler(None, 0)
        except BackendError:
            raise
        except sqlite3.Error as error:
            if "interrupt" in str(error):
                raise BackendTimeout(_STAGE, f"no answer in {self._deadline_s} s") from None
            self._forget()
            raise BackendUnavailable(_STAGE, f"{type(error).__name__}: {error}") from error
        except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
            self._forget()
            raise BackendUnavailable(_STAGE, f"{type(error).__name__}: {error}") from error

    def _connection(self) -> sqlite3.Connection:
        """This thread's connection; opened again when the file was replaced."""
        status = self._path.stat()
        stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
        if getattr(self._local, "stamp", None) == stamp:
            db: sqlite3.Connection = self._local.db
            return db
        self._forget()
        uri = self._path.resolve().as_uri() + "?mode=ro&immutable=1"
        db = sqlite3.connect(uri, uri=True, check_same_thread=False, cached_statements=256)
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version != SCHEMA_VERSION:
            db.close()
            raise BackendUnavailable(_STAGE, f"the map has version {version}, not {SCHEMA_VERSION}: build it again")
        db.executescript("PRAGMA query_only=ON; PRAGMA mmap_size=1073741824; PRAGMA cache_size=-16000;")
        self._local.db, self._local.stamp = db, stamp
        return db

    def _forget(self) -> None:
        db = getattr(self._local, "db", None)
        self._local.db = self._local.stamp = None
        if db is not None:
            with contextlib.suppress(sqlite3.Error):
                db.close()


def _each_condition_dropped(query: PlaceQuery) -> Iterator[tuple[str, PlaceQuery]]:
    for field in fields(PlaceQuery):
        if field.name in _NOT_CONDITIONS:
            continue
        if getattr(query, field.name) != field.default:
            default: Any = field.default
            yield field.name, replace(query, **{field.name: default})
    if query.text is not None:
        yield "text", replace(query, text=None)
    if query.along is not None:
        yield "along", replace(query, along=None)


def _storable(text: str) -> str:
    """Text SQLite can take: half characters (lone surrogates) replaced."""
    return text.encode("utf-8", "replace").decode("utf-8")
