"""Notices on simulated drives: how many were right, how many a nuisance per driving hour, what was missed.

    uv run python -m benchmarks.notices [--drives 40] [--seed 1] [--elsewhere] [--without-road-ahead]

A commuter with three known weeks drives (two thirds to the usual place, a third somewhere else; half of the drives guided). Up to
four events lie on the driven road or on others (the usual road, the straight continuation beyond a corner, anywhere), with delays of
1 to 25 minutes; some days it rains or snows.

Relevant: on the road really driven, met at least two minutes after the drive began, and an accident, a closure, or five minutes
of delay or more. Missed: relevant, and passed without a word. Nuisance: told of a road not driven, of less than three minutes
(accidents and closures apart), of something passed, or twice.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import tempfile
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from agent.notices import look
from agent.prediction.geometry import plane
from backends.model import Position, Route, TrafficEvent
from backends.routes import RouteLine
from backends.traffic import match_along
from simulator.vehicle import JAPAN
from tests.fakes_drive import GYM, HOME, MIDDLE, SHOP, WORK, Drive, at

MIDDLE_POINT = (MIDDLE.latitude, MIDDLE.longitude)
KINDS = ("jam", "jam", "jam", "accident", "restriction", "roadworks")
PLACES = {"work": WORK, "gym": GYM, "shop": SHOP, "elsewhere": at(-7000, -3000)}


@dataclass
class Tally:
    hours: float = 0.0
    said: int = 0
    nuisance: int = 0
    relevant: int = 0
    missed: int = 0
    weather: int = 0


async def one(
    folder: Path,
    rng: random.Random,
    tallies: dict[str, Tally],
    *,
    guided: bool,
    log: bool,
    elsewhere: bool,
    ahead: bool,
) -> None:
    start = datetime(2026, 5, 11, 7, 50, tzinfo=JAPAN) + timedelta(days=7 * rng.randrange(2) + rng.randrange(5))
    drive = Drive(folder, now=start)
    goal = "work" if rng.random() < 2 / 3 else rng.choice(("gym", "shop", "elsewhere"))
    if elsewhere:
        goal = rng.choice(("gym", "shop", "elsewhere"))
    if not ahead:
        drive.plus.road_ahead = False
    tally = tallies[
        "set route" if guided else "predicted, usual place" if goal == "work" else "predicted, another place"
    ]
    route = await drive.way(HOME, PLACES[goal])
    on_road = place_events(drive, rng, route, await drive.way(HOME, WORK))
    if rng.random() < 0.25:
        drive.world.force_weather(rng.choice(("rain", "snow")))
    told: dict[str, Position] = {}
    drive.conversation.stream.add_sink(
        lambda e: told.setdefault(e.text, drive.vehicle.position) if e.type == "notice" else None
    )
    await drive.stand(30)
    began = drive.clock()
    if guided:
        await drive.navigation.set_route(goal, route, PLACES[goal])
    else:
        drive.vehicle.follow(route)
    await drive.on(most_s=5400)
    tally.hours += (drive.clock() - began).total_seconds() / 3600
    judge(drive, route, on_road, told, tally, log)
    drive.close()


def place_events(drive: Drive, rng: random.Random, route: Route, usual: Route) -> list[TrafficEvent]:
    """Events on the driven road and on others; returns those on the driven one."""
    for number in range(rng.randrange(5)):
        kind: Any = rng.choice(KINDS)
        delay = rng.uniform(60, 1500)
        length = 0.0 if kind == "accident" else rng.uniform(200, 1200)
        if rng.random() < 0.5:
            from_m = rng.uniform(1000, max(1500, route.distance_m - 1500))
            drive.world.place_on_route(
                kind, route.geometry, f"道{number}", from_m=from_m, length_m=length, delay_s=delay
            )
        elif rng.random() < 0.3:
            from_m = rng.uniform(1000, usual.distance_m - 500)
            drive.world.place_on_route(
                kind, usual.geometry, f"道{number}", from_m=from_m, length_m=length, delay_s=delay
            )
        elif rng.random() < 0.4:
            # Where the street goes on and the drive turns off.
            corner = plane(np.array([[p.latitude, p.longitude] for p in route.geometry[38:40]]), *MIDDLE_POINT)
            on = (corner[1] - corner[0]) / max(1.0, float(np.hypot(*(corner[1] - corner[0]))))
            beyond = corner[1] + on * rng.uniform(300, 4000)
            drive.world.place_event(kind, (at(float(beyond[0]), float(beyond[1])),), f"道{number}", delay_s=delay)
        else:
            spot = at(rng.uniform(-9000, 9000), rng.uniform(-9000, 9000))
            drive.world.place_event(kind, (spot,), f"道{number}", delay_s=delay)
    return [match.event for match in match_along(route.geometry, drive.world.events())]


def judge(
    drive: Drive, route: Route, own: list[TrafficEvent], told: dict[str, Position], tally: Tally, log: bool
) -> None:
    line = RouteLine(route)
    for event in own:
        match = match_along(route.geometry, [event])
        if not match:
            continue
        matters = event.kind in ("accident", "closure") or (event.delay_s or 0) >= 300
        if matters and line.seconds_at(match[0].along_m) >= 120:
            tally.relevant += 1
            if not any(event.road in notice.text for notice in drive.notices):
                tally.missed += 1
                if log:
                    print(
                        "missed",
                        event.kind,
                        round(event.delay_s or 0),
                        round(match[0].along_m),
                        [n.text for n in drive.notices],
                    )
    seen: set[str] = set()
    for notice in drive.notices:
        if notice.kind in ("ask", "who", "history"):
            continue
        tally.said += 1
        if notice.kind == "weather":
            tally.weather += 1
            tally.nuisance += notice.text in seen
            seen.add(notice.text)
            continue
        event = next((e for e in own if e.road in notice.text), None)
        bad = event is None or event.id in seen
        if event is not None:
            passed = match_along(route.geometry, [event], from_m=line.project(told[notice.text])[0])
            bad = bad or not passed
            bad = bad or (event.kind not in ("accident", "closure") and (event.delay_s or 0) < 180)
            seen.add(event.id)
        tally.nuisance += bad
        if bad and log:
            print("nuisance", notice.kind, notice.text)


async def run(drives: int, seed: int, log: bool, elsewhere: bool, ahead: bool) -> None:
    names = ("set route", "predicted, usual place", "predicted, another place")
    tallies = {name: Tally() for name in names}
    with tempfile.TemporaryDirectory() as name:
        taught = Path(name) / "taught"
        taught.mkdir()
        teacher = Drive(taught)
        await teacher.teach("owner")
        teacher.close()
        rng = random.Random(seed)
        for number in range(drives):
            folder = Path(name) / str(number)
            shutil.copytree(taught, folder)
            await one(
                folder,
                rng,
                tallies,
                guided=bool(number % 2) and not elsewhere,
                log=log,
                elsewhere=elsewhere,
                ahead=ahead,
            )
    print("| | hours | said | precision | nuisance an hour | relevant | missed |\n|---|---|---|---|---|---|---|")
    for kind, t in tallies.items():
        if not t.hours:
            continue
        precision = 1 - t.nuisance / t.said if t.said else 1.0
        print(
            f"| {kind} | {t.hours:.1f} | {t.said} | {precision:.2f} | {t.nuisance / t.hours:.2f} | {t.relevant} | "
            f"{t.missed} ({t.missed / max(1, t.relevant):.0%}) |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--drives", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log", action="store_true", help="tell each miss and each nuisance")
    parser.add_argument(
        "--elsewhere", action="store_true", help="only drives that are not to the usual place, none guided"
    )
    parser.add_argument(
        "--without-road-ahead", action="store_true", help="only the likeliest destination, as a baseline"
    )
    parser.add_argument(
        "--meet", type=float, default=look.MEET, help="chance from which on the road ahead is spoken of"
    )
    arguments = parser.parse_args()
    look.MEET = arguments.meet
    asyncio.run(
        run(arguments.drives, arguments.seed, arguments.log, arguments.elsewhere, not arguments.without_road_ahead)
    )


if __name__ == "__main__":
    main()
