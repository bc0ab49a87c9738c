"""The road ahead: is what lies on the way told in time, and is what does not lie on it left out, whatever the destination?

    uv run python -m benchmarks.road_ahead [--drives 30] [--seed 1]

On the demo map: a driver with three weeks of known drives goes to the usual place, to a known place at an unusual hour, and to places
never driven to. Spots lie on the road really driven and on others: on the straight continuation of the road at each junction, on the
roads of other destinations, anywhere near. Every 30 seconds each way of foreseeing says how likely each spot is passed; a spot is
told when that reaches a threshold and it lies 20 seconds to 20 minutes ahead. Milliseconds are CPU of the whole look, the map's
answers included.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median

import numpy as np

from agent import settings as settings_module
from agent.prediction.model import Prediction, Situation
from agent.prediction.onward import Fan, Onward, ahead_of, chances
from agent.prediction.predictor import Predictor
from backends.errors import BackendError
from backends.maps import current
from backends.model import Position, Route, RouteRequest
from backends.routes import RouteLine, ValhallaRoutes
from simulator.vehicle import JAPAN, offset
from tests.fakes_drive import trip_along

MIDDLE = Position(35.675, 139.70)
EVERY_S = 30.0
TOLD = (0.5, 0.6, 0.7, 0.8)
EARLIEST_S, LATEST_S = 1200.0, 20.0
NEAR_M = 150.0
NO_DETOUR: dict[str, float] = {"detour_m": 0.0, "detour_share": 0.0}
MEANS = {
    "the likeliest destination alone": Fan(turns=(), known=1, votes=0, **NO_DETOUR),
    "three destinations together": Fan(turns=(), known=3, votes=0, **NO_DETOUR),
    "three, and straight on": Fan(turns=((0, 1.0),), votes=0, **NO_DETOUR),
    "three, and a fan of five goals": Fan(votes=0, **NO_DETOUR),
    "three, checked by the map, and straight on": Fan(turns=((0, 1.0),), votes=0),
    "three, checked by the map, and a fan": Fan(votes=0),
    "the same, and earlier drives that came by": Fan(),
    "the same, known ones believed no more than 0.8": Fan(most_known=0.8),
}


@dataclass
class Tally:
    own: list[float] = field(default_factory=list)
    """of each spot that was passed, two minutes or more after the start: the highest chance given to it in time"""
    other: list[float] = field(default_factory=list)
    """of each spot that was not"""
    hours: float = 0.0
    ms: list[float] = field(default_factory=list)
    sure: list[tuple[float, bool]] = field(default_factory=list)


@dataclass(frozen=True)
class Case:
    """One drive to be foreseen."""

    kind: str
    start: datetime
    route: Route
    spots: tuple[Position, ...]
    passed_s: tuple[float | None, ...]
    """when each spot is passed, None: never"""


async def taught(roads: ValhallaRoutes, rng: random.Random) -> tuple[Predictor, dict[str, Position]]:
    """A commuter's three weeks."""
    names = ("home", "work", "gym", "shop")
    spots: dict[str, Position] = {}
    while len(spots) < len(names):
        spot = offset(MIDDLE, rng.uniform(-7000, 7000), rng.uniform(-7000, 7000))
        if all(spot.distance_to(other) > 4000 for other in spots.values()):
            spots[names[len(spots)]] = spot
    predictor, day = Predictor(), datetime(2026, 4, 6, tzinfo=JAPAN)
    for number in range(35):
        at = day + timedelta(days=number)
        legs = [("home", "work", 8.0), ("work", "home", 18.2)]
        if at.weekday() >= 5:
            legs = [("home", "shop", 10.5), ("shop", "home", 12.0)]
        elif at.weekday() == 2:
            legs = [("home", "work", 8.0), ("work", "gym", 18.0), ("gym", "home", 20.0)]
        if number % 4 == 3:
            # Now and then somewhere new.
            spots["new"] = await on_the_map(roads, rng, spots["home"])
            legs = [*legs[:-1], (legs[-1][0], "new", 14.0 + number % 5), ("new", "home", 20.5)]
        for a, b, hour in legs:
            start = at.replace(hour=int(hour), minute=int(hour % 1 * 60) + number % 7)
            route = (await roads.route(RouteRequest(spots[a], spots[b])))[0]
            predictor.learn(trip_along(route, start))
    spots.pop("new", None)
    return predictor, spots


async def on_the_map(roads: ValhallaRoutes, rng: random.Random, near: Position) -> Position:
    """Somewhere a road leads to."""
    while True:
        spot = offset(near, rng.uniform(-8000, 8000), rng.uniform(-8000, 8000))
        try:
            await roads.route(RouteRequest(near, spot))
            return spot
        except BackendError:
            continue


async def cases(roads: ValhallaRoutes, rng: random.Random, spots: dict[str, Position], count: int) -> list[Case]:
    out: list[Case] = []
    while len(out) < count:
        kind = ("usual place", "known place, unusual hour", "new place")[len(out) % 3]
        start = datetime(2026, 5, 11, 7, 58, tzinfo=JAPAN) + timedelta(days=rng.randrange(3))
        goal = spots["work"]
        if kind != "usual place":
            start = start.replace(hour=rng.choice((9, 11, 14, 21)))
            goal = spots[rng.choice(("gym", "shop"))]
        if kind == "new place":
            goal = offset(spots["home"], rng.uniform(-9000, 9000), rng.uniform(-9000, 9000))
        try:
            route = (await roads.route(RouteRequest(spots["home"], goal)))[0]
            others = [
                (await roads.route(RouteRequest(spots["home"], spots[name])))[0] for name in ("work", "gym", "shop")
            ]
            line = RouteLine(route)
            beyond = await straight_on(roads, line, rng)
        except BackendError:
            continue
        if route.distance_m < 4000:
            continue
        own = [line.position_at(rng.uniform(1200, route.distance_m - 100)) for _ in range(3)]
        decoys = [RouteLine(o).position_at(rng.uniform(1000, o.distance_m)) for o in others]
        placed = (*own, *decoys, *beyond)
        passed = [line.project(spot) for spot in placed]
        out.append(
            Case(kind, start, route, placed, tuple(line.seconds_at(m) if off <= NEAR_M else None for m, off in passed))
        )
    return out


async def straight_on(roads: ValhallaRoutes, line: RouteLine, rng: random.Random) -> list[Position]:
    """Spots where the road would have gone on from some point of the drive."""
    out = []
    for _ in range(4):
        along = rng.uniform(500, max(600.0, line.remaining_at(0)[0] - 500))
        here, heading = line.position_at(along), line.heading_at(along)
        goal = ahead_of(here, heading + rng.choice((0, 0, 30, -30)), 4000)
        found = (await roads.route(RouteRequest(here, goal, heading=heading)))[0]
        out.append(RouteLine(found).position_at(rng.uniform(600, min(3000, found.distance_m))))
    return out


async def foresee(roads: ValhallaRoutes, predictor: Predictor, case: Case, fan: Fan, tally: Tally) -> None:
    line, onward = RouteLine(case.route), Onward(roads, fan)
    highest = [0.0] * len(case.spots)
    path: list[tuple[float, float]] = []
    prediction: Prediction | None = None
    for second in np.arange(0.0, case.route.duration_s, EVERY_S / 3):
        here = line.position_at(line.metres_at(float(second)))
        path.append((here.latitude, here.longitude))
        if len(path) % 3:
            continue
        situation = Situation(case.start, np.array(path))
        heading = line.heading_at(line.metres_at(float(second)))
        began = time.process_time()
        prediction = predictor.predict(situation)
        ways = await onward.ways(predictor, prediction, situation, heading)
        p = chances(ways, case.spots, predictor, situation, fan)
        tally.ms.append((time.process_time() - began) * 1000)
        for number, chance in enumerate(p):
            met = case.passed_s[number]
            gap = (met - second) if met is not None else None
            if gap is not None and gap < LATEST_S:
                continue
            near = here.distance_to(case.spots[number]) < 3000
            if near:
                tally.sure.append((float(chance), met is not None))
            if gap is None or gap <= EARLIEST_S:
                highest[number] = max(highest[number], float(chance))
    for number, met in enumerate(case.passed_s):
        if met is None:
            tally.other.append(highest[number])
        elif met >= 120:
            tally.own.append(highest[number])
    tally.hours += case.route.duration_s / 3600


async def run(drives: int, seed: int, wanted: str | None) -> None:
    installed = current(settings_module.load().home)
    if installed is None:
        raise SystemExit("No map: concierge maps demo")
    rng = random.Random(seed)
    roads = ValhallaRoutes(installed.folder / "tiles", deadline_s=60.0)
    predictor, spots = await taught(roads, rng)
    todo = await cases(roads, rng, spots, drives)
    kinds = list(dict.fromkeys(case.kind for case in todo))
    print(
        "| foreseen by | drive to | missed, false an hour at "
        + " | at ".join(f"{t:g}" for t in TOLD)
        + " | ECE | ms median | p95 |"
    )
    print("|---" * (len(TOLD) + 5) + "|")
    for name, fan in MEANS.items():
        if wanted and wanted not in name:
            continue
        for kind in kinds:
            tally = Tally()
            for case in todo:
                if case.kind == kind:
                    await foresee(roads, predictor, case, fan, tally)
            own, other, ms = np.array(tally.own), np.array(tally.other), sorted(tally.ms)
            figures = [f"{(own < t).mean():.0%}, {(other >= t).sum() / tally.hours:.1f}" for t in TOLD]
            print(
                f"| {name} | {kind} ({len(own)}) | {' | '.join(figures)} | {_ece(tally.sure):.3f} | {median(ms):.1f} | "
                f"{ms[int(0.95 * len(ms))]:.1f} |",
                flush=True,
            )
    await roads.close()


def _ece(pairs: Sequence[tuple[float, bool]]) -> float:
    p, y = np.array([c for c, _ in pairs]), np.array([float(h) for _, h in pairs])
    bins = np.minimum(9, (p * 10).astype(int))
    return float(sum(abs(p[bins == b].mean() - y[bins == b].mean()) * (bins == b).mean() for b in set(bins.tolist())))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--drives", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", help="part of the name of one way of foreseeing")
    arguments = parser.parse_args()
    asyncio.run(run(arguments.drives, arguments.seed, arguments.only))


if __name__ == "__main__":
    main()
