"""Text turns through the whole system: latency by stage, turns a second, start, memory; beside them the floor, a bare Rasa parse.

    python -m benchmarks.turns [--turns 300] [--lasting] [--remembered] [--profile sparse] [--workers N]

Needs the trained model and a map (`concierge train`, `concierge maps demo`). Prints a table and the machine it ran on. The
sentence encoder's memory of the last sentences is off, as if every sentence were heard for the first time; `--remembered`
leaves it on. `--workers N`: turns a second through N supervised dialogue workers, as `concierge` runs them, instead.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import statistics
import time
from collections import defaultdict
from collections.abc import Sequence

from agent import settings as settings_module
from agent.settings import Settings
from agent.training import find_model, prepare_environment

DIALOGUE: tuple[tuple[str, str], ...] = (
    ("ja", "渋谷で駐車場のあるイタリアン"), ("ja", "もっと安いところ"), ("ja", "二番目"), ("ja", "そこに行く"), ("ja", "あとどれぐらいで着く？"),
    ("ja", "明日の横浜の天気は？"), ("ja", "エアコン22度にして"), ("ja", "音量を下げて"), ("ja", "ニュースを聞かせて"), ("ja", "ありがとう"),
    ("en", "find sushi near Shinjuku station"), ("en", "with free parking"), ("en", "the nearest one"), ("en", "take me there"),
    ("en", "how long will it take"), ("en", "will it rain tomorrow in Yokohama"), ("en", "it's too hot in here"), ("en", "next song"),
    ("en", "tell me the news"), ("en", "thanks"),
)  # fmt: skip
STAGES = ("cleaning", "safety", "waiting", "understanding", "policy", "action", "backend", "store", "other")


def quantile(values: Sequence[float], q: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def row(name: str, values: Sequence[float]) -> str:
    return f"| {name:<28} | {statistics.median(values):8.2f} | {quantile(values, 0.95):8.2f} | {statistics.fmean(values):8.2f} |"


async def run_workers(settings: Settings, turns: int) -> None:
    """Turns a second through the gateway's own parts: worker processes, conversations in SQLite."""
    from agent.web.gateway import open_gateway

    async with open_gateway(settings) as gateway:
        rates = {n: await _rate(gateway.system, n, max(64, turns)) for n in (1, 8, 32)}
    print(f"{settings.workers} workers, profile {settings.profile}, load {os.getloadavg()[0]:.1f} at the end: "
          + " · ".join(f"{rate:.0f} turns/s at {sessions} sessions" for sessions, rate in rates.items()))  # fmt: skip


async def run(settings: Settings, turns: int, lasting: bool) -> None:
    import psutil

    started = time.perf_counter()
    from agent.composition import open_parser, open_system

    async with open_system(settings, lasting=lasting) as system:
        start_s = time.perf_counter() - started
        loaded = psutil.Process().memory_info().rss / 2**20
        first = await system.conversation.turn("first", "近くのカフェ")
        totals: list[float] = []
        stages: dict[str, list[float]] = defaultdict(list)
        for n in range(turns):
            language, text = DIALOGUE[n % len(DIALOGUE)]
            session = f"bench-{started}-{n // len(DIALOGUE)}"
            turn = await system.conversation.turn(
                session, text, language="en" if language == "en" else "ja", driver=session
            )
            totals.append(turn.spoke.total_ms)
            for stage in STAGES:
                stages[stage].append(turn.spoke.timings.get(stage, 0.0))
        rates = {}
        for sessions in (1, 8, 32):
            rates[sessions] = await _rate(system, sessions, max(32, turns // 2))
        memory = psutil.Process().memory_info().rss / 2**20
    floor: list[float] = []
    async with open_parser(settings) as dialogue:
        for n in range(turns):
            language, text = DIALOGUE[n % len(DIALOGUE)]
            at = time.perf_counter()
            await dialogue.parse(text, language="en" if language == "en" else "ja", metadata={"context": "none"})
            floor.append((time.perf_counter() - at) * 1000)
    model = find_model(settings)
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
          f"load {os.getloadavg()[0]:.1f} at the end; profile {settings.profile}, model {model.stat().st_size / 2**20:.1f} MB, "
          f"conversations {'in SQLite' if lasting else 'in memory'}\n")  # fmt: skip
    print(f"| {'ms a turn (' + str(turns) + ' turns)':<28} | {'p50':>8} | {'p95':>8} | {'mean':>8} |")
    print("|---|---|---|---|")
    print(row("whole turn", totals))
    for stage in STAGES:
        print(row(f"· {stage}", stages[stage]))
    print(row("floor: bare Rasa parse", floor))
    print(
        f"\nfirst turn {first.spoke.total_ms:.0f} ms · start {start_s:.1f} s (imports and model) · memory {loaded:.0f} MB after start, {memory:.0f} MB at the end"
    )
    print(" · ".join(f"{rate:.0f} turns/s at {sessions} sessions" for sessions, rate in rates.items()))


async def _rate(system: object, sessions: int, turns: int) -> float:
    from agent.composition import System

    assert isinstance(system, System)
    each = max(1, turns // sessions)

    async def one(number: int) -> None:
        session = f"rate-{sessions}-{number}-{time.perf_counter()}"
        for n in range(each):
            language, text = DIALOGUE[(n + number) % len(DIALOGUE)]
            await system.conversation.turn(session, text, language="en" if language == "en" else "ja", driver=session)

    at = time.perf_counter()
    await asyncio.gather(*(one(n) for n in range(sessions)))
    return each * sessions / (time.perf_counter() - at)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--turns", type=int, default=300)
    parser.add_argument("--lasting", action="store_true", help="conversations in SQLite, as in the car")
    parser.add_argument("--remembered", action="store_true", help="sentences said before need no encoding again")
    parser.add_argument("--profile", choices=("e5", "sparse"))
    parser.add_argument("--workers", type=int, default=0, help="through so many worker processes")
    arguments = parser.parse_args(argv)
    prepare_environment(settings_module.default_home(os.environ))
    overrides = {"online": False, "port": 0, "profile": arguments.profile, "workers": arguments.workers or None}
    settings = settings_module.load(overrides=overrides)
    if arguments.workers:
        asyncio.run(run_workers(settings, arguments.turns))
        return
    if not arguments.remembered:
        from agent.nlu.encoder import SentenceEncoder

        SentenceEncoder.REMEMBERED = 0
    asyncio.run(run(settings, arguments.turns, arguments.lasting))


if __name__ == "__main__":
    main()
