"""`python -m benchmarks.places [--sizes 3000 100000 1000000] [--calls 200] [--keep DIR]`: how fast places are found.

Invented places spread over Japan as people are (thick in a dozen cities, thin between), asked as drivers ask. Beside
each search stands the floor: what SQLite alone takes in the same run for one row by its key and for one box of the
R*Tree. `CPU` is what was computed, whatever else the machine did meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import platform
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path

from backends.model import OpeningHours, Parking, Place, PlaceQuery, Position, RegionInfo
from backends.places import SqlitePlaces, build_places
from backends.readings import Readings, kana_to_romaji

_CITIES = [
    ("東京", 35.68, 139.76, 30), ("横浜", 35.45, 139.63, 10), ("大阪", 34.69, 135.50, 14), ("名古屋", 35.17, 136.90, 9), ("札幌", 43.06, 141.35, 6),
    ("福岡", 33.59, 130.40, 6), ("京都", 35.01, 135.76, 5), ("仙台", 38.26, 140.87, 4), ("広島", 34.39, 132.45, 4), ("那覇", 26.21, 127.68, 2),
    ("金沢", 36.56, 136.65, 2), ("箱根", 35.23, 139.05, 1),
]  # fmt: skip
_SYLLABLES = "アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワ"
_KANJI = "山川田中村木本石井藤野原松竹梅桜花月星海空風林森金銀大小高新古東西南北上下春夏秋冬白黒赤青緑光福寿喜楽泉滝谷島浜崎橋"
_CHAINS = (
    "スターバックスコーヒー",
    "ドトールコーヒーショップ",
    "ガスト",
    "サイゼリヤ",
    "セブンイレブン",
    "ファミリーマート",
    "タイムズ",
    "エネオス",
)
_GENRES = ("italian", "ramen", "sushi", "cafe", "izakaya", "yakiniku", "soba", "curry", "chinese", "french")
_KINDS = (("restaurant", 40), ("shop", 25), ("parking", 12), ("hotel", 6), ("sight", 8), ("fuel", 4), ("hospital", 5))
_HOURS = tuple(OpeningHours(((((opens, closes),)) * 1,) * 8) for opens in (480, 540, 600, 660, 1020) for closes in (1080, 1260, 1320, 1500))  # fmt: skip


def places(count: int, seed: int = 7) -> Iterator[Place]:
    """Invented places, the same for the same seed."""
    dice = random.Random(seed)
    kinds, kind_weights = zip(*_KINDS, strict=True)
    weights = [city[3] for city in _CITIES]
    for number in range(count):
        city, lat, lon, _ = dice.choices(_CITIES, weights)[0]
        away = 0.1 * math.sqrt(dice.expovariate(0.5))
        angle = dice.uniform(0, 2 * math.pi)
        kind = dice.choices(kinds, kind_weights)[0]
        kana = "".join(dice.choice(_SYLLABLES) for _ in range(dice.randint(3, 6)))
        kanji = "".join(dice.choice(_KANJI) for _ in range(dice.randint(2, 3)))
        name = f"{dice.choice(_CHAINS)} {kanji}店" if dice.random() < 0.15 else f"{kanji}{kana}"
        paid = dice.random() < 0.7
        yield Place(
            id=f"s{number}",
            name=name,
            name_kana=None if name.startswith(_CHAINS) else kana,
            name_en=kana_to_romaji(kana).title() if dice.random() < 0.3 else None,
            position=Position(lat + away * math.sin(angle) * 0.8, lon + away * math.cos(angle)),
            kind=kind,
            genres=tuple(dice.sample(_GENRES, dice.randint(1, 2))) if kind == "restaurant" else (),
            city=city + "市",
            rating=round(dice.uniform(2.5, 4.9), 1) if dice.random() < 0.8 else None,
            price=dice.choice(("low", "middle", "high")) if dice.random() < 0.7 else None,
            hours=dice.choice(_HOURS) if dice.random() < 0.8 else None,
            parking=Parking("paid" if paid else "free", fee_yen_per_hour=400 if paid else None, vacancy="vacant")
            if kind == "parking" or dice.random() < 0.3
            else None,
            wifi=dice.choice(("free", "none")) if dice.random() < 0.5 else None,
            cards=dice.random() < 0.6,
            phone=f"0{dice.randint(10**8, 10**9 - 1)}",
        )


def _queries(sample: list[Place], dice: random.Random) -> dict[str, Callable[[], PlaceQuery]]:
    def somewhere() -> Position:
        return dice.choice(sample).position

    def misheard() -> str:
        name = dice.choice(sample).name
        at = dice.randrange(len(name))
        return name[:at] + dice.choice(_KANJI) + name[at + 1 :]

    def line(metres: float) -> tuple[Position, ...]:
        at, heading, points = somewhere(), dice.uniform(0, 2 * math.pi), []
        for _ in range(int(metres / 200)):
            points.append(at)
            heading += dice.uniform(-0.15, 0.15)
            north, east = 200 / 111_000 * math.sin(heading), 200 / 91_000 * math.cos(heading)
            at = Position(at.latitude + north, at.longitude + east)
        return tuple(points)

    noon = datetime(2026, 6, 10, 12, 30)
    return {
        "name, exact": lambda: PlaceQuery(text=dice.choice(sample).name, near=somewhere()),
        "name, part (chain)": lambda: PlaceQuery(text=dice.choice(_CHAINS)[:6], near=somewhere()),
        "name, misheard": lambda: PlaceQuery(text=misheard(), near=somewhere()),
        "kind, 3 km": lambda: PlaceQuery(kind="restaurant", near=somewhere(), radius_m=3_000),
        "kind, nearest anywhere": lambda: PlaceQuery(kind="fuel", near=somewhere()),
        "genre + parking + open, 5 km": lambda: PlaceQuery(
            kind="restaurant", genres=("italian",), parking="any", open_at=noon, near=somewhere(), radius_m=5_000
        ),
        "genre + rating, best, 10 km": lambda: PlaceQuery(
            kind="restaurant", genres=("ramen",), rating_min=3.5, near=somewhere(), radius_m=10_000, sort="rating"
        ),
        "car park within 300 m, 3 km": lambda: PlaceQuery(
            kind="restaurant", genres=("sushi",), parking_within_m=300, near=somewhere(), radius_m=3_000
        ),
        "narrow conditions, 50 km": lambda: PlaceQuery(
            kind="restaurant",
            genres=("french",),
            price="low",
            wifi="free",
            parking="free",
            near=somewhere(),
            radius_m=50_000,
        ),
        "city + genre": lambda: PlaceQuery(kind="restaurant", genres=("soba",), city="京都", near=somewhere()),
        "telephone": lambda: PlaceQuery(phone=dice.choice(sample).phone),
        "along 20 km": lambda: PlaceQuery(kind="fuel", along=line(20_000), corridor_m=500),
        "along 60 km": lambda: PlaceQuery(kind="fuel", along=line(60_000), corridor_m=1_000),
    }


async def _time(call: Callable[[], Awaitable[object]], calls: int) -> tuple[list[float], list[float]]:
    """Milliseconds by the clock and of computing, each sorted."""
    times, computing = [], []
    for _ in range(calls):
        start, start_cpu = time.perf_counter(), time.process_time()
        await call()
        computing.append((time.process_time() - start_cpu) * 1_000)
        times.append((time.perf_counter() - start) * 1_000)
    return sorted(times), sorted(computing)


def _show(name: str, measured: tuple[list[float], list[float]]) -> None:
    times, computing = measured
    at = max(0, math.ceil(len(times) * 0.95) - 1)
    print(
        f"| {name:32} | {statistics.median(times):8.2f} | {times[at]:8.2f} | {times[-1]:8.2f} | {statistics.median(computing):8.2f} |"
        f" {computing[at]:8.2f} |",
        flush=True,
    )


async def _run(size: int, folder: Path, calls: int, readings: Readings) -> None:
    path = folder / f"places-{size}.sqlite"
    if not path.exists():
        info = RegionInfo(
            "bench", "測定", Position(24, 122), Position(46, 146), 0, datetime.now(timezone.utc), "invented", True
        )
        start = time.perf_counter()
        build_places(path, places(size), info, readings=readings)
        print(f"\n{size:,} places: built in {time.perf_counter() - start:.1f} s, {path.stat().st_size / 1e6:.0f} MB\n")
    dice = random.Random(3)
    sample = [place for place in places(min(size, 20_000)) if place.kind != "parking"]
    store = SqlitePlaces(path, readings=readings, deadline_s=30)
    print(
        "| search                           |   p50 ms |   p95 ms |   max ms |  CPU p50 |  CPU p95 |\n|---|---|---|---|---|---|"
    )
    with sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True) as db:

        async def row() -> None:
            db.execute("SELECT * FROM data WHERE n = ?", (dice.randint(1, size),)).fetchone()

        async def box() -> None:
            at = dice.choice(sample).position
            db.execute(
                "SELECT n FROM box WHERE north >= ? AND south <= ? AND east >= ? AND west <= ? LIMIT 1000",
                (at.latitude - 0.01, at.latitude + 0.01, at.longitude - 0.01, at.longitude + 0.01),
            ).fetchall()

        await _time(row, 20)
        _show("(floor) SQLite: row by key", await _time(row, calls))
        _show("(floor) SQLite: box of 2 km", await _time(box, calls))
    for name, make in _queries(sample, dice).items():

        async def search(make: Callable[[], PlaceQuery] = make) -> None:
            await store.search(make())

        await _time(search, 5)
        _show(name, await _time(search, calls))
    store.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--sizes", type=int, nargs="+", default=[3_000, 100_000, 1_000_000])
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--keep", type=Path, help="keep the databases here and use them again")
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    print(f"{platform.machine()}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, load {load:.1f}")
    readings = Readings()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for size in arguments.sizes:
            asyncio.run(_run(size, folder, arguments.calls, readings))


if __name__ == "__main__":
    main()
