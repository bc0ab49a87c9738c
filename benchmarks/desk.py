"""The Owner's Desk under load: 200 handoffs at once, claim latency, delivery, nothing lost; beside it the floor, GET /healthz.

    python -m benchmarks.desk [--handoffs 200] [--rate 20] [--postgres URL]

The desk runs in a process of its own, with every car's event stream open. Handoffs come in all at once, operators claim them at
`--rate` a second (and once more all at the same moment), two operators for each handoff; then lines go both ways.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp

from backends.desk import HttpDesk
from backends.model import DeskLine
from backends.signing import sign
from tests.fakes_desk import SECRET, now, packet

CENTRE = "centre-secret-of-the-benchmark-0123"


def quantile(values: Sequence[float], q: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


class Load:
    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self.url, self.http = url, http
        self.car = HttpDesk(url, "car", SECRET, deadline_s=30, silence_s=30)
        self.heard: dict[str, list[str]] = {}
        self.open: set[str] = set()
        """handoffs whose stream has begun"""
        self.wanted = 0
        self.all_open = asyncio.Event()

    async def call(self, path: str, body: Any) -> tuple[int, float]:
        """(status, milliseconds) of one signed call of the call centre."""
        data = json.dumps(body).encode()
        headers = {**sign("centre", CENTRE, "POST", path, data), "Content-Type": "application/json"}
        at = time.perf_counter()
        async with self.http.post(self.url + path, data=data, headers=headers) as response:
            await response.read()
            return response.status, (time.perf_counter() - at) * 1000

    async def alive(self) -> float:
        """Milliseconds of one GET /healthz."""
        at = time.perf_counter()
        async with self.http.get(f"{self.url}/healthz") as response:
            await response.read()
        return (time.perf_counter() - at) * 1000

    async def listen(self, handoff: str) -> None:
        async for event in self.car.events(handoff, 0):
            self.open.add(handoff)
            if len(self.open) == self.wanted:
                self.all_open.set()
            if event.type == "message" and event.data.get("speaker") == "operator":
                self.heard.setdefault(handoff, []).append(str(event.data["id"]))
            if event.type == "state" and event.data["state"] == "accepted":
                await self.car.take_line(handoff)

    async def submit(self, count: int) -> tuple[list[str], list[float]]:
        """All at once."""
        times: list[float] = []

        async def one() -> str:
            made = packet("渋谷で駐車場のあるイタリアンを4人で予約したい")
            at = time.perf_counter()
            receipt = await self.car.submit(made)
            times.append((time.perf_counter() - at) * 1000)
            return receipt.id

        return list(await asyncio.gather(*(one() for _ in range(count)))), times

    async def claims(self, handoffs: Sequence[str], rate: float) -> tuple[list[float], int, int]:
        """Two operators for each handoff, `rate` handoffs a second (0: all at the same moment): (ms, won, too late)."""

        async def one(handoff: str, number: int) -> list[tuple[int, float]]:
            if rate:
                await asyncio.sleep(number / rate)
            path = f"/api/v1/handoffs/{handoff}/claim"
            return list(await asyncio.gather(*(self.call(path, {"operator": name}) for name in ("a", "b"))))

        answers = [a for pair in await asyncio.gather(*(one(h, n) for n, h in enumerate(handoffs))) for a in pair]
        statuses = [status for status, _ in answers]
        return [ms for _, ms in answers], statuses.count(200), statuses.count(409)


async def run(count: int, rate: float, database: str) -> None:
    import psutil

    async with AsyncExitStack() as stack:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks.desk", "--serve", database, stdout=asyncio.subprocess.PIPE
        )  # fmt: skip
        stack.callback(process.kill)
        assert process.stdout is not None
        url = (await process.stdout.readline()).decode().strip()
        http = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
        load = Load(url, http)
        stack.push_async_callback(load.car.close)
        # One client for all cars of the benchmark; each call a connection of its own, as cars have.
        load.car._client = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        floor = []
        for _ in range(200):
            floor.append(await load.alive())
        flood = list(await asyncio.gather(*(load.alive() for _ in range(2 * count))))
        load.wanted = count
        first, submits = await load.submit(count)
        listeners = [asyncio.create_task(load.listen(h)) for h in first]
        await load.all_open.wait()
        await asyncio.sleep(1)
        paced, won, late = await load.claims(first, rate)
        await asyncio.sleep(1)
        says, sent = [], {}
        for handoff in first:
            sent[handoff] = f"message-of-{handoff}"
            status, ms = await load.call(
                f"/api/v1/handoffs/{handoff}/messages", {"id": sent[handoff], "text": "承知しました", "operator": "a"}
            )
            if status == 403:
                status, ms = await load.call(
                    f"/api/v1/handoffs/{handoff}/messages",
                    {"id": sent[handoff], "text": "承知しました", "operator": "b"},
                )
            assert status == 201, status
            says.append(ms)
        lines = [DeskLine(f"line-of-{h}", "driver", "お願いします", "ja", now()) for h in first]
        await asyncio.gather(*(load.car.say(h, line) for h, line in zip(first, lines, strict=True)))
        await asyncio.sleep(1)
        delivered = sum(load.heard.get(h) == [sent[h]] for h in first)
        second, _ = await load.submit(count)
        burst, burst_won, burst_late = await load.claims(second, 0)
        memory = psutil.Process(process.pid).memory_info().rss / 2**20
        for task in listeners:
            task.cancel()
        await asyncio.gather(*listeners, return_exceptions=True)
    kind = "PostgreSQL" if database.startswith("postgresql") else "SQLite"
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f} at the end; {kind}\n"
    )
    print(f"| ms ({count} handoffs open, {count} streams) | p50 | p95 | most |")
    print("|---|---|---|---|")
    for name, values in (
        (f"claim, {rate:g} handoffs a second, two operators each", paced), ("claim, all at the same moment", burst), ("packet taken, all at once", submits),
        ("operator's line", says), ("floor: GET /healthz", floor), ("floor: as many GET /healthz at the same moment", flood),
    ):  # fmt: skip
        print(f"| {name} | {statistics.median(values):.1f} | {quantile(values, 0.95):.1f} | {max(values):.1f} |")
    print(f"\nclaims won {won} of {count} (too late {late}), at the same moment {burst_won} of {count} (too late {burst_late}); "
          f"operator's lines that reached their car once: {delivered} of {count}; memory of the desk {memory:.0f} MB")  # fmt: skip
    print(f"claim p95 / floor p95: {quantile(paced, 0.95) / quantile(floor, 0.95):.1f}")


async def serve(database: str) -> None:
    """The desk of the benchmark, until killed."""
    from agent.desk.server import open_desk

    async with open_desk(database, car=SECRET) as desk:
        await desk.service.read(lambda db: desk.service.accounts.add_client(db, "centre", "connector", CENTRE))
        print(desk.url, flush=True)
        await asyncio.Event().wait()


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--handoffs", type=int, default=200)
    parser.add_argument("--rate", type=float, default=20.0, help="claimed handoffs a second")
    parser.add_argument("--postgres", metavar="URL", help="instead of SQLite")
    parser.add_argument("--serve", metavar="URL", help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.serve:
        asyncio.run(serve(arguments.serve))
        return
    with tempfile.TemporaryDirectory() as folder:
        database = arguments.postgres or f"sqlite:///{Path(folder) / 'desk.sqlite'}"
        asyncio.run(run(arguments.handoffs, arguments.rate, database))


if __name__ == "__main__":
    main()
