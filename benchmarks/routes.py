"""Routes on the demo region: how long the adapter takes, beside the bare Valhalla call in the same run.

    uv run python -m benchmarks.routes [--data FOLDER] [--count N]

Without `--data` (a data folder with an installed map) the demo region is built in a temporary folder first. Goal: p50 ≤ 20 ms
for a route with two alternatives.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import quantiles

from backends.errors import NotFound
from backends.maps import current
from backends.model import Position, RouteRequest
from backends.routes import ValhallaRoutes, open_actor, request_body

PLACES = {
    "東京": (35.6814, 139.7660),
    "渋谷": (35.6589, 139.7015),
    "新宿": (35.6900, 139.7000),
    "横浜": (35.4662, 139.6223),
    "川崎": (35.5313, 139.6970),
    "羽田": (35.5494, 139.7798),
    "千葉": (35.6130, 140.1130),
    "大宮": (35.9060, 139.6240),
    "川越": (35.9070, 139.4828),
    "八王子": (35.6556, 139.3389),
    "厚木": (35.4390, 139.3640),
    "鎌倉": (35.3189, 139.5504),
    "小田原": (35.2560, 139.1550),
    "箱根湯本": (35.2336, 139.1037),
    "木更津": (35.3817, 139.9266),
}


def trips(count: int) -> list[tuple[Position, Position]]:
    dice = random.Random(7)
    names = sorted(PLACES)
    pairs = [dice.sample(names, 2) for _ in range(count)]
    return [(Position(*PLACES[a]), Position(*PLACES[b])) for a, b in pairs]


def row(label: str, seconds: Sequence[float]) -> str:
    cuts = quantiles(seconds, n=100)
    return f"| {label} | {len(seconds)} | {cuts[49] * 1e3:.1f} | {cuts[94] * 1e3:.1f} | {max(seconds) * 1e3:.1f} |"


async def measure(tiles: Path, count: int) -> list[str]:
    routes = ValhallaRoutes(tiles, deadline_s=10)
    actor = open_actor(tiles)
    table = ["| what | n | p50 ms | p95 ms | max ms |", "|---|---|---|---|---|"]
    for alternatives in (0, 2):
        bare: list[float] = []
        ours: list[float] = []
        for at, (origin, destination) in enumerate(trips(count + 10)):
            request = RouteRequest(origin, destination, alternatives=alternatives)
            body = json.dumps(request_body(request))
            try:
                began = time.perf_counter()
                actor.route(body)
                between = time.perf_counter()
                await routes.route(request)
                ended = time.perf_counter()
            except NotFound:
                continue
            if at >= 10:  # the first ones read the tiles from disk
                bare.append(between - began)
                ours.append(ended - between)
        kind = "route" if alternatives == 0 else f"route + {alternatives} alternatives"
        table += [row(f"{kind}: bare Valhalla call", bare), row(f"{kind}: ValhallaRoutes", ours)]
    await routes.close()
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="data folder with an installed map")
    parser.add_argument("--count", type=int, default=200)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        data = arguments.data
        if data is None:
            from simulator.region.build import build_demo_region

            data = Path(scratch)
            began = time.perf_counter()
            info = build_demo_region(data)
            print(f"demo region built in {time.perf_counter() - began:.1f} s, {info.places} places")
        found = current(data)
        if found is None:
            parser.error(f"no map is installed in {data}")
        print(f"{found.info.name} on {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
        print("\n".join(asyncio.run(measure(found.tiles_path, arguments.count))))


if __name__ == "__main__":
    main()
