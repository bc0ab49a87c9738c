"""The places of the installed map: one SQLite file, read by many, written by `build_places` only.

data      one row a place: its JSON; id and address beside it
keys      the keys of its name (spelling, reading, Latin; `readings.py`); `names` finds places by a whole key,
grams     for each of their bigrams the numbers of the places that have it, as one array (of FTS5's lists the long ones take tens of
          milliseconds to read); `address_grams` FTS5 over the bigrams of addresses
box       R*Tree of the positions, for whoever reads the file with SQL alone
columns   what conditions look at, as arrays ordered by kind and by cells of 0.01°: loaded once (165 bytes a place),
          so that any mix of conditions over a million places is a few milliseconds of arithmetic, and totals exact
spans     opening hours, each different week once, as rows to be asked for a minute of the week
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
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from backends.errors import BackendError, BackendTimeout, BackendUnavailable, NotFound
from backends.model import (
    EARTH_RADIUS_M,
    OpeningHours,
    Parking,
    Place,
    PlaceHit,
    PlacePage,
    PlaceQuery,
    Position,
    RegionInfo,
)
from backends.place_names import LATIN, NAME_CAP, READING, SPELLING, Named, PlaceNames, bigrams, quoted
from backends.readings import NameKeys, Readings, fold, kana_to_romaji, latin_key
from backends.sounds import SoundIndex, SoundIndexBuilder, sounds_of

SCHEMA_VERSION = 3
STATION_RADIUS_M = 800
"""ten minutes' walk: "near the station" for places that do not say which station is theirs"""
PARK_SEARCH_M = 2_000
"""how far from a place other car parks are known"""
_STAGE = "places"
_T = TypeVar("_T")
Rows: TypeAlias = Any
"""numpy array of int64: indices into the columns"""

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE data (n INTEGER PRIMARY KEY, json TEXT NOT NULL);
CREATE TABLE ids (id TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE addresses (n INTEGER PRIMARY KEY, address TEXT NOT NULL);
CREATE TABLE keys (n INTEGER PRIMARY KEY, folded TEXT, reading TEXT, latin TEXT);
CREATE VIRTUAL TABLE box USING rtree(n, south, north, west, east);
CREATE TABLE names (key TEXT, n INTEGER, what INTEGER, PRIMARY KEY (key, what, n)) WITHOUT ROWID;
CREATE TABLE grams (gram TEXT PRIMARY KEY, places INTEGER NOT NULL, numbers BLOB NOT NULL);
CREATE VIRTUAL TABLE address_grams USING fts5(
    gram, content='', columnsize=0, detail=none, tokenize="unicode61 remove_diacritics 0");
CREATE TABLE spans (day INTEGER, opens INTEGER, closes INTEGER, hours INTEGER,
    PRIMARY KEY (day, opens, closes, hours)) WITHOUT ROWID;
CREATE TABLE codes (what TEXT, text TEXT, code INTEGER, PRIMARY KEY (what, text)) WITHOUT ROWID;
CREATE TABLE phones (digits TEXT, n INTEGER, PRIMARY KEY (digits, n)) WITHOUT ROWID;
CREATE TABLE columns (name TEXT PRIMARY KEY, dtype TEXT NOT NULL, data BLOB NOT NULL) WITHOUT ROWID;
"""

_PRICE = {"low": 0, "middle": 1, "high": 2}
_FEE = {"free": 0, "paid": 1}
_WIFI = {"none": 0, "free": 1, "paid": 2}
_FLAGS = ("on_site_restaurant", "cards", "wheelchair", "child_friendly", "non_smoking", "private_room")
_UNKNOWN = -1
_GENRES_PER_COLUMN = 62
_CELLS_PER_DEGREE = 100
_CELLS_ROUND = 360 * _CELLS_PER_DEGREE + 1
_CELLS_OF_KIND = _CELLS_ROUND * (180 * _CELLS_PER_DEGREE + 1)


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
        with contextlib.closing(sqlite3.connect(temporary)) as db:
            db.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-200000;" + _SCHEMA)
            count = _Builder(db, readings).add(places, progress)
            data = asdict(replace(info, places=count)) | {"built_at": info.built_at.isoformat()}
            db.execute("INSERT INTO meta VALUES ('info', ?)", (json.dumps(data, ensure_ascii=False),))
            db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
            db.commit()
        temporary.chmod(0o644)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return count


def _read_meta(text: str) -> RegionInfo:
    data = json.loads(text)
    data["built_at"] = datetime.fromisoformat(data["built_at"])
    data["south_west"], data["north_east"] = Position(**data["south_west"]), Position(**data["north_east"])
    return RegionInfo(**data)


_DTYPES = {
    "n": "i4", "kind": "i2", "lat": "f8", "lon": "f8", "rating": "f8", "price": "i1", "budget": "i4", "own_parking": "i1", "fee": "i1",
    "park_m": "i4", "fee_yen": "i4", "vacancy": "i1", "wifi": "i1", **dict.fromkeys(_FLAGS, "i1"), "charging_kw": "f4", "hours": "i4",
    "prefecture": "i4", "city": "i4", "city_bare": "i4", "station": "i4",
}  # fmt: skip


class _Builder:
    def __init__(self, db: sqlite3.Connection, readings: Readings) -> None:
        self._db, self._readings = db, readings
        self._codes: dict[str, dict[str, int]] = {}
        self._grams: dict[str, Any] = {}
        self._seen: set[str] = set()
        types = {"i1": "b", "i2": "h", "i4": "i", "f8": "d", "f4": "f"}
        self._columns: dict[str, Any] = {name: array(types[dtype]) for name, dtype in _DTYPES.items()}
        self._genres: list[tuple[int, ...]] = []
        self._sounds = SoundIndexBuilder()
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
        db.executemany(
            "INSERT INTO grams VALUES (?, ?, ?)",
            ((gram, len(numbers), numbers.tobytes()) for gram, numbers in sorted(self._grams.items())),
        )
        db.executemany(
            "INSERT INTO codes VALUES (?, ?, ?)",
            [(what, text, code) for what, codes in self._codes.items() for text, code in codes.items()],
        )
        sounds = {f"sound_{name}": values for name, values in self._sounds.arrays().items()}
        for name, values in {**self._ordered(), **sounds}.items():
            db.execute("INSERT INTO columns VALUES (?, ?, ?)", (name, values.dtype.str, values.tobytes()))
        return self._n

    def _write(self, batch: Sequence[Place]) -> None:
        boxes, data, ids, spelt, names, phones, addresses, address_grams = [], [], [], [], [], [], [], []
        for place in batch:
            self._n += 1
            n = self._n
            keys = self._readings.name_keys(place.name, kana=place.name_kana, name_en=place.name_en)
            self._append(n, place)
            at = place.position
            boxes.append((n, at.latitude, at.latitude, at.longitude, at.longitude))
            data.append((n, place_to_json(place)))
            ids.append((place.id, n))
            spelt.append((n, *keys))
            for sound in sounds_of(place.name, place.name_kana or self._readings.reading(place.name), place.name_en):
                self._sounds.add(n, sound)
            names += [(key, n, what) for key, what in sorted(_name_rows(place, keys)) if key]
            for gram in bigrams(keys.folded) | bigrams(keys.reading) | bigrams(keys.latin):
                self._grams.setdefault(gram, array("i")).append(n)
            if place.phone:
                phones.append((_digits(place.phone), n))
            address = fold(place.address or "")
            if address:
                addresses.append((n, address))
                address_grams.append((n, " ".join(sorted(bigrams(address)))))
        for sql, rows in (
            ("box VALUES (?,?,?,?,?)", boxes),
            ("data VALUES (?,?)", data),
            ("ids VALUES (?,?)", ids),
            ("keys VALUES (?,?,?,?)", spelt),
            ("names VALUES (?,?,?)", names),
            ("phones VALUES (?,?)", phones),
            ("addresses VALUES (?,?)", addresses),
            ("address_grams (rowid, gram) VALUES (?,?)", address_grams),
        ):
            self._db.executemany(f"INSERT INTO {sql}", rows)

    def _append(self, n: int, place: Place) -> None:
        parking = place.parking
        own: bool | None = place.has_parking
        if place.kind == "parking" or (parking is not None and parking.own):
            own = True
        city = fold(place.city or "")
        fee_yen = None
        if parking is not None:
            fee_yen = 0 if parking.fee == "free" else parking.fee_yen_per_hour
        row: dict[str, float | None] = {
            "n": n,
            "kind": self._code("kind", place.kind),
            "lat": place.position.latitude,
            "lon": place.position.longitude,
            "rating": math.nan if place.rating is None else place.rating,
            "price": None if place.price is None else _PRICE[place.price],
            "budget": place.budget_yen,
            "own_parking": own,
            "fee": _FEE[parking.fee] if parking else None,
            "park_m": parking.distance_m if parking else None,
            "fee_yen": fee_yen,
            "vacancy": None if parking is None or parking.vacancy is None else parking.vacancy != "full",
            "wifi": None if place.wifi is None else _WIFI[place.wifi],
            **{flag: getattr(place, flag) for flag in _FLAGS},
            "charging_kw": math.nan if place.charging_kw is None else place.charging_kw,
            "hours": None if place.hours is None else self._hours(place.hours),
            "prefecture": self._code("prefecture", _bare_prefecture(place.prefecture)),
            "city": self._code("city", city),
            "city_bare": self._code("city", _bare_city(city)),
            "station": self._code("station", _bare_station(place.nearest_station)),
        }
        for name, value in row.items():
            self._columns[name].append(_UNKNOWN if value is None else value)
        self._genres.append(tuple(code for genre in place.genres if (code := self._code("genre", genre)) is not None))

    def _code(self, what: str, text: str | None) -> int | None:
        if not text:
            return None
        codes = self._codes.setdefault(what, {})
        return codes.setdefault(text, len(codes))

    def _hours(self, hours: OpeningHours) -> int:
        codes = self._codes.setdefault("hours", {})
        week = json.dumps(hours.week)
        if week not in codes:
            number = codes[week] = len(codes)
            spans = [(day, opens, closes, number) for day, row in enumerate(hours.week) for opens, closes in row]
            self._db.executemany("INSERT OR IGNORE INTO spans VALUES (?,?,?,?)", spans)
        return codes[week]

    def _ordered(self) -> dict[str, Any]:
        """The columns by kind and cell, with what is worked out from them."""
        import numpy as np

        out = {name: np.array(values, dtype=_DTYPES[name]) for name, values in self._columns.items()}
        per = _GENRES_PER_COLUMN
        columns = max(1, math.ceil(len(self._codes.get("genre", ())) / per))
        bits = np.zeros((columns, self._n), dtype=np.uint64)
        for i, codes in enumerate(self._genres):
            for code in codes:
                bits[code // per, i] |= np.uint64(1 << (code % per))
        out.update({f"genres{i}": bits[i] for i in range(columns)})
        out["cell"] = _cells(out["kind"], out["lat"], out["lon"])
        order = np.argsort(out["cell"], kind="stable")
        out = {name: np.ascontiguousarray(values[order]) for name, values in out.items()}
        where = np.zeros(self._n + 1, dtype=np.int32)
        where[out["n"]] = np.arange(self._n, dtype=np.int32)
        out["row_of_n"] = where
        lat, lon = np.radians(out["lat"]), np.radians(out["lon"])
        out["x"], out["y"], out["z"] = np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)
        out.update(self._car_parks(out))
        return out

    def _car_parks(self, columns: Mapping[str, Any]) -> dict[str, Any]:
        """Metres to the nearest car park of each sort, at most `PARK_SEARCH_M`: infinite beyond."""
        import numpy as np
        from scipy.spatial import cKDTree

        points = np.column_stack([columns[axis] for axis in "xyz"]) if self._n else np.zeros((0, 3))
        parks = columns["kind"] == self._codes.get("kind", {}).get("parking", -2)
        reach = math.sqrt(_chord2_of(PARK_SEARCH_M))
        out = {}
        for fee, of_fee in ((None, parks), *((fee, parks & (columns["fee"] == code)) for fee, code in _FEE.items())):
            for vacant, chosen in (
                (None, of_fee),
                (1, of_fee & (columns["vacancy"] == 1)),
                (0, of_fee & (columns["vacancy"] == 0)),
            ):
                metres = np.full(self._n, np.inf, dtype=np.float32)
                if chosen.any():
                    chord, _ = cKDTree(points[chosen]).query(points, distance_upper_bound=reach)
                    known = np.isfinite(chord)
                    metres[known] = 2 * EARTH_RADIUS_M * np.arcsin(np.minimum(1.0, chord[known] / 2))
                out[_park_column(fee, vacant)] = metres
        return out


def _park_column(fee: str | None, vacant: int | None) -> str:
    return f"near_park_{fee or 'any'}_{'any' if vacant is None else vacant}"


def _cells(kind: Any, lat: Any, lon: Any) -> Any:
    import numpy as np

    row = np.floor((lat + 90) * _CELLS_PER_DEGREE).astype(np.int64)
    column = np.floor((lon + 180) * _CELLS_PER_DEGREE).astype(np.int64)
    return kind.astype(np.int64) * _CELLS_OF_KIND + row * _CELLS_ROUND + column


def _name_rows(place: Place, keys: NameKeys) -> set[tuple[str, int]]:
    rows = {(keys.folded, SPELLING), (keys.reading, READING), (keys.latin, LATIN)}
    if place.name_en:
        rows |= {(fold(place.name_en), SPELLING)}
        if place.name_kana:
            rows |= {(latin_key(kana_to_romaji(place.name_kana)), LATIN)}
    return rows


def _digits(text: str) -> str:
    digits = "".join(c for c in fold(text) if c in "0123456789")
    # +81 3-… is 03-…
    return "0" + digits[2:] if digits.startswith("81") and text.lstrip().startswith(("+", "＋")) else digits


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


def _chord2_of(metres: float) -> float:
    """The squared straight line through the unit sphere between points `metres` apart on it."""
    return float((2 * math.sin(min(math.pi / 2, max(0.0, metres) / EARTH_RADIUS_M / 2))) ** 2)


def is_holiday(at: datetime) -> bool:
    """Whether the day is a public holiday in Japan."""
    return _is_holiday(at.year, at.month, at.day)


@lru_cache(maxsize=512)
def _is_holiday(year: int, month: int, day: int) -> bool:
    import jpholiday

    return bool(jpholiday.is_holiday(datetime(year, month, day).date()))


# --- searching: the columns -------------------------------------------------------------------------------------------


class _Columns:
    """The arrays of one file, shared by all threads; read-only."""

    def __init__(self, db: sqlite3.Connection) -> None:
        import numpy as np

        self._arrays: dict[str, Any] = {
            name: np.frombuffer(data, dtype=dtype) for name, dtype, data in db.execute("SELECT * FROM columns")
        }
        self.codes: dict[str, dict[str, int]] = {}
        for what, text, code in db.execute("SELECT what, text, code FROM codes WHERE what != 'hours'"):
            self.codes.setdefault(what, {})[text] = code
        self.size = len(self._arrays["n"])
        self.sounds = SoundIndex(
            {name.removeprefix("sound_"): values for name, values in self._arrays.items() if name.startswith("sound_")}
        )

    def __getitem__(self, name: str) -> Any:
        return self._arrays[name]

    def __contains__(self, name: str) -> bool:
        return name in self._arrays

    def code(self, what: str, text: str | None) -> int:
        """The number of a word; one that no place has when there is none."""
        return self.codes.get(what, {}).get(text or "", -2)

    def rows_of(self, numbers: Sequence[int]) -> Rows:
        import numpy as np

        return self["row_of_n"][np.array(numbers, dtype=np.int64)].astype(np.int64)

    def of_kind(self, kind: str | None) -> Rows:
        import numpy as np

        if kind is None:
            return np.arange(self.size, dtype=np.int64)
        code = self.code("kind", kind)
        low, high = np.searchsorted(self["cell"], (code * _CELLS_OF_KIND, (code + 1) * _CELLS_OF_KIND))
        return np.arange(low, high, dtype=np.int64)

    def in_box(self, box: _Box, kind: str | None) -> Rows:
        """Rows whose cells touch the box: a little more than those inside it."""
        import numpy as np

        south, north = (math.floor((max(-90.0, min(90.0, v)) + 90) * _CELLS_PER_DEGREE) for v in (box.south, box.north))
        west, east = (math.floor((max(-180.0, min(180.0, v)) + 180) * _CELLS_PER_DEGREE) for v in (box.west, box.east))
        kinds = [self.code("kind", kind)] if kind is not None else list(self.codes.get("kind", {}).values())
        if (north - south + 1) * len(kinds) > 3_000:
            rows = self.of_kind(kind)
            lat, lon = self["lat"][rows], self["lon"][rows]
            return rows[(lat >= box.south) & (lat <= box.north) & (lon >= box.west) & (lon <= box.east)]
        bands = np.arange(south, north + 1, dtype=np.int64) * _CELLS_ROUND
        starts = np.concatenate([bands + kind * _CELLS_OF_KIND for kind in kinds]) if kinds else bands[:0]
        low = np.searchsorted(self["cell"], starts + west, "left")
        lengths = np.searchsorted(self["cell"], starts + east, "right") - low
        return (
            np.repeat(low - np.concatenate(([0], np.cumsum(lengths)[:-1])), lengths) + np.arange(lengths.sum())
            if len(low)
            else low.astype(np.int64)
        )

    def distances(self, rows: Rows, origin: Position) -> Any:
        """Metres from a point, float64."""
        import numpy as np

        x, y, z = _on_sphere(origin)
        chord2 = (self["x"][rows] - x) ** 2 + (self["y"][rows] - y) ** 2 + (self["z"][rows] - z) ** 2
        return 2 * EARTH_RADIUS_M * np.arcsin(np.minimum(1.0, np.sqrt(chord2) / 2))


def _on_sphere(position: Position) -> tuple[float, float, float]:
    lat, lon = math.radians(position.latitude), math.radians(position.longitude)
    return math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat)


@dataclass(frozen=True)
class _Box:
    south: float
    north: float
    west: float
    east: float

    @classmethod
    def around(cls, centre: Position, metres: float) -> _Box:
        lat = math.degrees(min(metres, 2e7) / EARTH_RADIUS_M) * 1.0005 + 1e-6
        lon = lat / max(0.01, math.cos(math.radians(min(89.0, abs(centre.latitude) + lat))))
        return cls(centre.latitude - lat, centre.latitude + lat, centre.longitude - lon, centre.longitude + lon)


class _Conditions:
    """The conditions of a query as one filter over rows."""

    def __init__(self, db: sqlite3.Connection, columns: _Columns, query: PlaceQuery) -> None:
        self._db, self._columns, self._query = db, columns, query

    def filter(self, rows: Rows) -> Rows:
        """The rows that satisfy every condition but `text` and `along`."""
        for step in (self._region, self._kind, self._attributes, self._parking, self._listed):
            if not len(rows):
                break
            rows = step(rows)
        return rows

    def _keep(self, rows: Rows, name: str, value: object) -> Rows:
        return rows[self._columns[name][rows] == value] if len(rows) else rows

    def _region(self, rows: Rows) -> Rows:
        query, columns = self._query, self._columns
        if query.near is not None and query.radius_m is not None:
            rows = rows[columns.distances(rows, query.near) <= query.radius_m]
        if query.prefecture is not None:
            rows = self._keep(rows, "prefecture", columns.code("prefecture", _bare_prefecture(query.prefecture)))
        if query.city is not None:
            rows = self._city(rows, fold(query.city))
        if query.area is not None:
            rows = self._area(rows, fold(query.area))
        if query.station is not None:
            fits = columns["station"][rows] == columns.code("station", _bare_station(query.station))
            if query.near is not None:
                fits |= columns.distances(rows, query.near) <= STATION_RADIUS_M
            rows = rows[fits]
        return rows

    def _city(self, rows: Rows, key: str) -> Rows:
        import numpy as np

        columns = self._columns
        if key in ("東京", "東京都", "tokyo"):
            # The capital is no municipality: whoever says 東京 means its wards and cities.
            return self._keep(rows, "prefecture", columns.code("prefecture", "東京"))
        if key.endswith(("市", "区", "町", "村")) and len(key) > 1:
            return self._keep(rows, "city", columns.code("city", key))
        wanted = [columns.code("city", key + suffix) for suffix in ("", "区", "町", "村")]
        return rows[np.isin(columns["city_bare"][rows], wanted)]

    def _area(self, rows: Rows, area: str) -> Rows:
        """A ward as municipality (渋谷区), or any part of the address."""
        import numpy as np

        columns = self._columns
        fits = columns["city"][rows] == columns.code("city", area)
        match = " AND ".join(quoted(gram) for gram in sorted(bigrams(area))[:40])
        if len(area) > 1 and match:
            found = self._db.execute(
                "SELECT n, address FROM addresses WHERE n IN (SELECT rowid FROM address_grams WHERE address_grams MATCH ?)",
                (match,),
            )
            numbers = [n for n, address in found if area in address]
            fits |= np.isin(columns["n"][rows], numbers)
        return rows[fits]

    def _kind(self, rows: Rows) -> Rows:
        query, columns = self._query, self._columns
        if query.kind is not None:
            rows = self._keep(rows, "kind", columns.code("kind", query.kind))
        if query.genres:
            rows = rows[self._has_genre(rows, query.genres)]
        if query.exclude_genres:
            rows = rows[~self._has_genre(rows, query.exclude_genres)]
        return rows

    def _has_genre(self, rows: Rows, genres: Sequence[str]) -> Any:
        import numpy as np

        masks: dict[int, int] = {}
        for genre in genres:
            code = self._columns.code("genre", genre)
            if code >= 0:
                masks[code // _GENRES_PER_COLUMN] = (
                    masks.get(code // _GENRES_PER_COLUMN, 0) | 1 << code % _GENRES_PER_COLUMN
                )
        fits = np.zeros(len(rows), dtype=bool)
        for column, mask in masks.items():
            fits |= (self._columns[f"genres{column}"][rows] & np.uint64(mask)) != 0
        return fits

    def _attributes(self, rows: Rows) -> Rows:
        query, columns = self._query, self._columns
        if query.price is not None:
            rows = self._keep(rows, "price", _PRICE.get(query.price, -2))
        if query.budget_max_yen is not None:
            budget = columns["budget"][rows]
            rows = rows[(budget >= 0) & (budget <= query.budget_max_yen)]
        if query.wifi == "any":
            rows = rows[columns["wifi"][rows] >= 1]
        elif query.wifi is not None:
            rows = self._keep(rows, "wifi", _WIFI.get(query.wifi, -2))
        if query.rating_min is not None:
            rows = rows[columns["rating"][rows] >= query.rating_min]
        for flag in _FLAGS:
            wanted = getattr(query, flag)
            if wanted is not None:
                rows = self._keep(rows, flag, int(bool(wanted)))
        if query.charging is not None:
            power = columns["charging_kw"][rows]
            charger = columns["kind"][rows] == columns.code("kind", "charging")
            rows = rows[(power > 0) | charger if query.charging else (power == 0) & ~charger]
        if query.charging_min_kw is not None:
            rows = rows[columns["charging_kw"][rows] >= query.charging_min_kw]
        if query.open_at is not None:
            rows = self._open(rows, query.open_at)
        return rows

    def _open(self, rows: Rows, at: datetime) -> Rows:
        import numpy as np

        yesterday = at - timedelta(days=1)
        minute = at.hour * 60 + at.minute
        found = self._db.execute(
            "SELECT hours FROM spans WHERE day = :day AND opens <= :minute AND closes > :minute"
            " UNION SELECT hours FROM spans WHERE day = :yesterday AND closes > :minute + 1440",
            {
                "minute": minute,
                "day": 7 if is_holiday(at) else at.weekday(),
                "yesterday": 7 if is_holiday(yesterday) else yesterday.weekday(),
            },
        )
        return rows[np.isin(self._columns["hours"][rows], [hours for (hours,) in found])]

    def _parking(self, rows: Rows) -> Rows:
        query, columns = self._query, self._columns
        fee = query.parking if query.parking in ("free", "paid") else None
        vacant = None if query.vacancy is None else int(query.vacancy)
        if query.parking == "none":
            return self._keep(rows, "own_parking", 0)
        own = columns["own_parking"][rows] == 1
        if query.parking_within_m is not None:
            distance = columns["park_m"][rows]
            own |= (distance >= 0) & (distance <= query.parking_within_m)
        elif query.parking is None:
            own[:] = True
        if fee is not None:
            own &= columns["fee"][rows] == _FEE[fee]
        if vacant is not None:
            own &= columns["vacancy"][rows] == vacant
        if query.parking_within_m is not None:
            # Its own car park, one known to belong to it, or any car park near enough.
            own |= columns[_park_column(fee, vacant)][rows] <= query.parking_within_m
        return rows[own]

    def _listed(self, rows: Rows) -> Rows:
        import numpy as np

        query, columns = self._query, self._columns
        if query.exclude_ids:
            numbers = [n for place_id in query.exclude_ids[:1_000] for (n,) in self._numbers(place_id)]
            rows = rows[~np.isin(columns["n"][rows], numbers)]
        if query.phone is not None:
            found = self._db.execute("SELECT n FROM phones WHERE digits = ?", (_digits(query.phone),))
            rows = rows[np.isin(columns["n"][rows], [n for (n,) in found])]
        return rows

    def _numbers(self, place_id: str) -> list[tuple[int]]:
        return self._db.execute("SELECT n FROM ids WHERE id = ?", (_storable(place_id),)).fetchall()


def _storable(text: str) -> str:
    """Text SQLite can take: half characters (lone surrogates) replaced."""
    return text.encode("utf-8", "replace").decode("utf-8")


# --- searching: one query over one connection -------------------------------------------------------------------------


@dataclass
class _Found:
    """The rows that satisfy a query, with what ranks them; all arrays of one length."""

    rows: Rows
    distance: Any = None
    named: Mapping[int, Named] | None = None
    """by number of the place"""
    progress: Any = None
    """metres along the route"""
    detour: Any = None


class _Search:
    def __init__(self, db: sqlite3.Connection, columns: _Columns, readings: Readings, query: PlaceQuery) -> None:
        self._db, self._columns, self._readings, self._query = db, columns, readings, query
        self._conditions = _Conditions(db, columns, query)

    def page(self) -> PlacePage:
        query = self._query
        offset, limit = max(0, query.offset), max(0, query.limit)
        found = self._found()
        total = len(found.rows)
        if offset >= total or not limit:
            return PlacePage((), total)
        chosen = self._ordered(found, offset + limit)[offset : offset + limit]
        return PlacePage(tuple(self._hit(found, int(i)) for i in chosen), total)

    def count(self) -> int:
        """How many places satisfy the query."""
        return len(self._found().rows)

    def _found(self) -> _Found:
        import numpy as np

        query, columns = self._query, self._columns
        named: dict[int, Named] | None = None
        if query.text is not None:
            named = self._names().find(query.text)
            rows = columns.rows_of(sorted(named)) if named else np.zeros(0, dtype=np.int64)
        elif query.along is not None:
            rows = np.zeros(0, dtype=np.int64)
        elif query.near is not None and query.radius_m is not None:
            rows = columns.in_box(_Box.around(query.near, query.radius_m), query.kind)
        elif query.phone is not None:
            found = self._db.execute("SELECT n FROM phones WHERE digits = ?", (_digits(query.phone),)).fetchall()
            rows = columns.rows_of([n for (n,) in found])
        else:
            rows = columns.of_kind(query.kind)
        if query.along is not None:
            rows, progress, detour = self._along(query.along, rows if named is not None else None)
            return _Found(rows, self._distance(rows), named, progress, detour)
        rows = self._conditions.filter(rows)
        return _Found(rows, self._distance(rows), named)

    def _names(self) -> PlaceNames:
        near, columns = self._query.near, self._columns

        def metres(numbers: Any) -> Any:
            return columns.distances(columns["row_of_n"][numbers], near) if near is not None else None

        def allowed(numbers: Any) -> Any:
            import numpy as np

            rows = columns["row_of_n"][numbers]
            return np.isin(rows, self._conditions.filter(np.unique(rows)))

        narrowed = bool(_conditions_in(self._query))
        return PlaceNames(
            self._db, self._readings, columns.sounds, self._narrow,
            metres if near is not None else None, allowed if narrowed else None,
        )  # fmt: skip

    def _distance(self, rows: Rows) -> Any:
        return None if self._query.near is None else self._columns.distances(rows, self._query.near)

    def _narrow(self, numbers: Sequence[int]) -> list[int]:
        import numpy as np

        if not len(numbers):
            return []
        rows = self._conditions.filter(self._columns.rows_of(numbers))
        if len(rows) > NAME_CAP:
            distance = self._distance(rows)
            rows = rows[:NAME_CAP] if distance is None else rows[np.argpartition(distance, NAME_CAP)[:NAME_CAP]]
        return [int(n) for n in self._columns["n"][rows]]

    def _along(self, line: Sequence[Position], only: Rows | None) -> tuple[Rows, Any, Any]:
        """Places within the corridor that satisfy the conditions: rows, metres along the line, metres from it."""
        import numpy as np

        query, columns = self._query, self._columns
        none = np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0)
        if not line or (only is not None and not len(only)):
            return none
        corridor = max(0, query.corridor_m)
        lat = np.array([p.latitude for p in line] * (2 if len(line) == 1 else 1))
        lon = np.array([p.longitude for p in line] * (2 if len(line) == 1 else 1))
        metres = math.radians(1) * EARTH_RADIUS_M
        across = metres * np.cos(np.radians((lat[:-1] + lat[1:]) / 2))
        step = np.hypot(np.diff(lat) * metres, np.diff(lon) * across)
        start = np.concatenate(([0.0], np.cumsum(step)))
        parts = []
        for first, last in _chunks(start, max(4_000.0, 2.0 * corridor)):
            margin = corridor / metres * 1.001 + 1e-6
            south, north = float(lat[first : last + 1].min()) - margin, float(lat[first : last + 1].max()) + margin
            widest = max(0.01, math.cos(math.radians(min(89.0, max(abs(south), abs(north))))))
            west, east = float(lon[first : last + 1].min()), float(lon[first : last + 1].max())
            box = _Box(south, north, west - margin / widest, east + margin / widest)
            rows = columns.in_box(box, query.kind)
            if only is not None:
                rows = np.intersect1d(rows, only)
            if not len(rows):
                continue
            # A plane round each place: exact enough within a few kilometres.
            p_lat, p_lon = columns["lat"][rows][:, None], columns["lon"][rows][:, None]
            scale = metres * np.cos(np.radians(p_lat))
            ax, ay = (lon[first:last] - p_lon) * scale, (lat[first:last] - p_lat) * metres
            dx, dy = np.diff(lon[first : last + 1]) * scale, np.diff(lat[first : last + 1])[None, :] * metres
            squared = dx * dx + dy * dy
            t = np.clip(-(ax * dx + ay * dy) / np.where(squared == 0, 1.0, squared), 0.0, 1.0)
            apart = np.hypot(ax + t * dx, ay + t * dy)
            best = apart.argmin(axis=1)
            each = np.arange(len(rows))
            detour = apart[each, best]
            progress = start[first + best] + t[each, best] * step[first + best]
            near = detour <= corridor
            parts.append((rows[near], progress[near], detour[near]))
        if not parts:
            return none
        rows, progress, detour = (np.concatenate([part[i] for part in parts]) for i in range(3))
        if not len(rows):
            return none
        # Of a place near two stretches the nearer counts.
        order = np.lexsort((detour, rows))
        rows, progress, detour = rows[order], progress[order], detour[order]
        once = np.concatenate(([True], rows[1:] != rows[:-1]))
        rows, progress, detour = rows[once], progress[once], detour[once]
        kept = np.isin(rows, self._conditions.filter(rows))
        return rows[kept], progress[kept], detour[kept]

    def _ordered(self, found: _Found, wanted: int) -> Any:
        """Indices into `found`, best first; only the first `wanted` are in order."""
        import numpy as np

        query, columns, rows = self._query, self._columns, found.rows
        far = found.distance if found.distance is not None else np.zeros(len(rows))
        number = columns["n"][rows]
        if query.sort == "rating":
            keys = [-np.nan_to_num(columns["rating"][rows], nan=-1.0), far]
        elif query.sort in ("price", "price_desc"):
            price, budget = columns["price"][rows], columns["budget"][rows]
            money = np.where(budget >= 0, budget, np.take((np.inf, 1_000.0, 3_000.0, 8_000.0), price + 1))
            keys = [money if query.sort == "price" else np.where(np.isinf(money), 0.0, -money), far]
        elif query.sort == "parking_fee":
            fee = columns["fee_yen"][rows]
            keys = [np.where(fee >= 0, fee, np.inf), far]
        elif query.sort == "detour" and found.detour is not None:
            keys = [found.detour, found.progress]
        elif query.sort == "distance" and found.distance is not None:
            keys = [far]
        else:
            keys = []
            if found.named is not None:
                of = [found.named[int(n)] for n in number]
                keys.append(np.array([m.rank for m in of]))
                keys.append(np.array([-m.order for m in of]))
                if found.distance is None:
                    keys.append(np.array([-m.score for m in of]))
            keys.append(found.progress if found.progress is not None else far)
        keys.append(number)
        index = np.arange(len(rows))
        first = keys[0]
        if len(rows) > 4 * wanted + 50:
            index = index[first <= np.partition(first, wanted)[wanted]]
        return index[np.lexsort([key[index] for key in reversed(keys)])]

    def _hit(self, found: _Found, i: int) -> PlaceHit:
        n = int(self._columns["n"][found.rows[i]])
        (text,) = self._db.execute("SELECT json FROM data WHERE n = ?", (n,)).fetchone()
        named = found.named[n] if found.named is not None else None
        return PlaceHit(
            place=place_from_json(text),
            distance_m=None if found.distance is None else float(found.distance[i]),
            match=named.quality if named else "attributes",
            score=named.score if named else 1.0,
            detour_m=None if found.detour is None else float(found.detour[i]),
        )


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
        self._loading = threading.Lock()
        self._loaded: tuple[object, _Columns] | None = None

    async def search(self, query: PlaceQuery) -> PlacePage:
        """The page `query.offset`/`query.limit` of the places satisfying every condition. `total` is exact,
        but for names so common that `NAME_CAP` places bear them. Along a route hits come in the order they are met."""
        return await self._call(lambda db: _Search(db, self._columns(db), self._readings, query).page())

    async def find(self, name: str, *, near: Position | None = None, limit: int = 5) -> tuple[PlaceHit, ...]:
        """Places called `name` in any spelling; likeliest first, the nearer of equals first."""
        page = await self.search(PlaceQuery(text=name, near=near, limit=limit))
        return page.hits

    async def get(self, place_id: str) -> Place:
        def read(db: sqlite3.Connection) -> Place:
            row = db.execute(
                "SELECT json FROM ids JOIN data ON data.n = ids.n WHERE id = ?", (_storable(place_id),)
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
                name: _Search(db, self._columns(db), self._readings, dropped).count()
                for name, dropped in _each_condition_dropped(query)
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
        except (OSError, ValueError, TypeError, LookupError, ArithmeticError) as error:
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

    def _columns(self, db: sqlite3.Connection) -> _Columns:
        """The columns of the file this thread has open, shared by the threads."""
        with self._loading:
            if self._loaded is None or self._loaded[0] != self._local.stamp:
                self._loaded = (self._local.stamp, _Columns(db))
            return self._loaded[1]

    def _forget(self) -> None:
        db = getattr(self._local, "db", None)
        self._local.db = self._local.stamp = None
        if db is not None:
            with contextlib.suppress(sqlite3.Error):
                db.close()


def _conditions_in(query: PlaceQuery) -> dict[str, Any]:
    """The conditions in force, with the value that means none."""
    return {
        field.name: field.default
        for field in fields(PlaceQuery)
        if field.name not in _NOT_CONDITIONS and getattr(query, field.name) != field.default
    }


def _each_condition_dropped(query: PlaceQuery) -> Iterator[tuple[str, PlaceQuery]]:
    for name, default in _conditions_in(query).items():
        yield name, replace(query, **{name: default})
    if query.text is not None:
        yield "text", replace(query, text=None)
    if query.along is not None:
        yield "along", replace(query, along=None)
