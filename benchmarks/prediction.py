"""Next destination: real tracks (--tracks FILE), simulated commuters, time per drive, beside simple baselines.

    uv run python -m benchmarks.prediction --tracks TRIPS.jsonl
    uv run python -m benchmarks.prediction --commuters --days 365

Top-1 and top-3: a guess within 300 m of where the drive ended, counted on repeated destinations (within 300 m of one the person
had driven to before). Silent: nothing would be said, counted on the other drives.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median

import numpy as np

from agent.prediction.geometry import distances, plane
from agent.prediction.lines import SHARES
from agent.prediction.model import Situation, Trip
from agent.prediction.places import PlaceBook
from agent.prediction.predictor import Predictor
from agent.prediction.tracks import trip_from_json
from simulator.commuters import Commuter, Drive, population

HIT_M = 300.0
Ranked = list[tuple[float, float]]


@dataclass
class Baseline:
    """Counts over the same places: the whole record, or from each place."""

    places: PlaceBook = field(default_factory=PlaceBook)
    visits: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    pairs: defaultdict[tuple[int | None, int], int] = field(default_factory=lambda: defaultdict(int))

    def learn(self, trip: Trip) -> None:
        origin = self.places.find(*map(float, trip.track[0]))
        place, _ = self.places.stop(*map(float, trip.track[-1]), arrived=True)
        self.visits[place] += 1
        self.pairs[origin, place] += 1

    def frequent(self, _: Situation) -> Ranked:
        return self._ranked(lambda place: self.visits[place])

    def markov(self, situation: Situation) -> Ranked:
        origin = self.places.find(*map(float, situation.path[0]))
        return self._ranked(lambda place: (self.pairs[origin, place], self.visits[place]))

    def direction(self, situation: Situation) -> Ranked:
        """Frequency × how well the heading so far points there."""
        if not len(self.places):
            return []
        here = situation.path[-1]
        goals = plane(self.places.centres, *here)
        moved = -plane(situation.path[:1], *here)[0]
        turn = np.arctan2(goals[:, 1], goals[:, 0]) - np.arctan2(moved[1], moved[0])
        fit = np.exp(2 * np.cos(turn)) if np.hypot(*moved) > 30 else np.ones(len(goals))
        start = distances(self.places.centres, *situation.path[0])
        return self._ranked(lambda place: self.visits[place] * fit[place] * (0.05 if start[place] < 200 else 1.0))

    def _ranked(self, key: Callable[[int], object]) -> Ranked:
        order = sorted(range(len(self.places)), key=key, reverse=True)  # type: ignore[arg-type]
        return [(self.places.places[i].latitude, self.places.places[i].longitude) for i in order[:3]]


@dataclass
class Row:
    """One drive at one share seen."""

    repeated: bool
    top1: bool
    top3: bool
    p: float
    silent: bool
    day: int = 0
    purpose: str = ""


def hits(ranked: Iterable[tuple[float, float]], trip: Trip) -> tuple[bool, bool]:
    found = [bool(distances(trip.track[-1:], *point)[0] <= HIT_M) for point in ranked]
    return bool(found[:1] and found[0]), any(found[:3])


def ece(rows: Sequence[Row], bins: int = 10) -> float:
    """Expected calibration error of the first guess's probability."""
    p, hit = np.array([r.p for r in rows]), np.array([r.top1 for r in rows], dtype=float)
    which = np.minimum((p * bins).astype(int), bins - 1)
    return float(
        sum(
            (which == b).mean() * abs(p[which == b].mean() - hit[which == b].mean())
            for b in range(bins)
            if (which == b).any()
        )
    )


def score(rows: Sequence[Row]) -> str:
    repeated, others = [r for r in rows if r.repeated], [r for r in rows if not r.repeated]
    spoken = [r for r in rows if not r.silent]
    return " | ".join(
        [
            f"{fmean(r.top1 for r in repeated):.3f}",
            f"{fmean(r.top3 for r in repeated):.3f}",
            f"{fmean(r.silent for r in others):.2f}" if others else "–",
            f"{fmean(not r.silent for r in repeated):.2f}",
            f"{fmean(r.top1 for r in spoken):.2f}" if spoken else "–",
            f"{ece(rows):.3f}",
        ]
    )


HEADER = "| | top-1 | top-3 | silent on others | spoken on repeated | right when spoken | ECE |\n|---|---|---|---|---|---|---|"


def tracks(path: Path) -> None:
    """Real tracks, in order of time per person."""
    people: defaultdict[str, list[Trip]] = defaultdict(list)
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        people[str(row.get("user"))].append(trip_from_json(row))
    table: defaultdict[str, list[Row]] = defaultdict(list)
    by_person: defaultdict[str, list[Row]] = defaultdict(list)
    for person, trips in people.items():
        predictor, simple, ended = Predictor(), Baseline(), np.zeros((0, 2))
        for trip in sorted(trips, key=lambda t: t.start):
            repeated = bool((distances(ended, *trip.track[-1]) <= HIT_M).any()) if len(ended) else False
            for share in SHARES:
                situation = Situation(trip.start, trip.track[: max(1, round(share * len(trip.track)))])
                got = predictor.predict(situation)
                row = Row(
                    repeated,
                    *hits(((g.position.latitude, g.position.longitude) for g in got.guesses), trip),
                    got.best.p if got.best else 0.0,
                    got.abstain,
                )
                table[f"{share:.0%} seen"].append(row)
                if share == 0.2:
                    by_person[person].append(row)
                    for name in ("frequent", "markov", "direction"):
                        ranked = getattr(simple, name)(situation)
                        table[f"baseline {name}, 20% seen"].append(Row(repeated, *hits(ranked, trip), 0.0, not ranked))
            predictor.learn(trip)
            simple.learn(trip)
            ended = np.concatenate((ended, trip.track[-1:]))
    every = table["20% seen"]
    print(f"{len(every)} drives of {len(people)} people, {sum(r.repeated for r in every)} to repeated destinations.\n")
    print(HEADER)
    for name, rows in table.items():
        print(
            f"| {name} | {score(rows)} |"
            if "baseline" not in name
            else f"| {name} | {' | '.join(score(rows).split(' | ')[:2])} | | | | |"
        )
    for person, rows in by_person.items():
        if any(r.repeated for r in rows):
            print(f"| person {person}, 20% seen | {score(rows)} |")


def as_trip(drive: Drive) -> Trip:
    return Trip(
        drive.start, drive.end, np.array([(p.latitude, p.longitude) for p in drive.points]), np.array(drive.seconds)
    )


def commuters(days: int, seed: int, people: int) -> None:
    """Simulated commuters: quality, calibration, learning curve, recovery."""
    rows: dict[float, list[Row]] = {0.0: [], 0.2: []}
    recovered: dict[float, list[str]] = {0.0: [], 0.2: []}
    slow: list[str] = []
    for commuter in population(seed, days)[:people]:
        mine = one_commuter(commuter)
        for share, found in mine.items():
            rows[share] += found
            for change, purpose in ((commuter.moves_on, "home"), (commuter.new_job_on, "work")):
                if change is not None:
                    took = recovery(found, change, purpose)
                    recovered[share].append(f"{commuter.persona} {purpose}: {took if took is not None else 'not'}")
                    if took is None or took > 10:
                        slow.append(f"{commuter.persona}/{purpose}/{share:.0%}: {took}")
    print(f"\n{len(rows[0.0])} drives of {people} simulated people, {days} days.\n")
    print(HEADER)
    for share, found in rows.items():
        print(f"| {share:.0%} seen | {score(found)} |")
    spans = ((0, 1), (1, 3), (3, 7), (7, 14), (14, 28), (28, 60), (60, 120), (120, days))
    spans = tuple(s for s in spans if s[0] < days)
    print("\n| learning curve: day | " + " | ".join(f"{a}–{b}" for a, b in spans) + " |")
    print("|---" * (len(spans) + 1) + "|")
    for share, found in rows.items():
        cells = [fmean([r.top1 for r in found if a <= r.day < b] or [0]) for a, b in spans]
        print(f"| top-1 of all drives, {share:.0%} seen | " + " | ".join(f"{c:.2f}" for c in cells) + " |")
    print("\nDays until 90 % of the former top-1 after a change (mean of the seven days from then):")
    for share, found_days in recovered.items():
        print(f"- {share:.0%} seen: {', '.join(found_days)}")
    if slow:
        print(f"- over 10 days: {', '.join(slow)}")


def one_commuter(commuter: Commuter) -> dict[float, list[Row]]:
    predictor, ended = Predictor(), np.zeros((0, 2))
    rows: dict[float, list[Row]] = {0.0: [], 0.2: []}
    for drive in commuter.drives():
        trip = as_trip(drive)
        repeated = bool((distances(ended, *trip.track[-1]) <= HIT_M).any()) if len(ended) else False
        for share, found in rows.items():
            got = predictor.predict(Situation(trip.start, trip.track[: max(1, round(share * len(trip.track)))]))
            guesses = ((g.position.latitude, g.position.longitude) for g in got.guesses)
            found.append(
                Row(
                    repeated,
                    *hits(guesses, trip),
                    got.best.p if got.best else 0.0,
                    got.abstain,
                    (drive.start.date() - commuter.first_day).days,
                    drive.purpose,
                )
            )
        predictor.learn(trip)
        ended = np.concatenate((ended, trip.track[-1:]))
    return rows


def recovery(rows: Sequence[Row], change: int, purpose: str) -> int | None:
    """Days after the change until drives there are foreseen nine tenths as well as in the 60 days before."""
    mine = [r for r in rows if r.purpose == purpose]
    before = fmean([r.top1 for r in mine if change - 60 <= r.day < change] or [0])
    for day in range(change, change + 60):
        week = [r.top1 for r in mine if day <= r.day < day + 7]
        if week and fmean(week) >= 0.9 * before:
            return day - change
    return None


def speed() -> None:
    """Three years of drives: what one drive costs."""
    trips = [as_trip(d) for d in Commuter("parent", 3, days=1095).drives()]
    predictor = Predictor()
    for trip in trips[:-200]:
        predictor.learn(trip)
    rows: dict[str, list[tuple[float, float]]] = {"floor: one exponential a drive": [], "predict": [], "update": []}
    for trip in trips[-200:]:
        situation = Situation(trip.start, trip.track[: max(1, len(trip.track) // 5)])
        works = (
            lambda: np.exp(-np.abs(np.arange(float(len(trips))))).sum(),
            lambda s=situation: predictor.predict(s),
            lambda t=trip: predictor.learn(t),
        )
        for kept, work in zip(rows.values(), works, strict=True):
            wall, cpu = time.perf_counter(), time.thread_time()
            work()
            kept.append(((time.thread_time() - cpu) * 1000, (time.perf_counter() - wall) * 1000))
    print(f"\n{len(trips)} drives in three years; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.\n")
    print("| ms | CPU median | CPU p95 | wall median | wall p95 |\n|---|---|---|---|---|")
    for name, times in rows.items():
        cpu_ms, wall_ms = np.array(times).T
        cells = (median(cpu_ms), np.percentile(cpu_ms, 95), median(wall_ms), np.percentile(wall_ms, 95))
        print(f"| {name} | " + " | ".join(f"{c:.2f}" for c in cells) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=Path, help="JSON lines of real trips")
    parser.add_argument("--commuters", action="store_true")
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--people", type=int, default=10)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--speed", action="store_true")
    arguments = parser.parse_args()
    if arguments.tracks:
        tracks(arguments.tracks)
    if arguments.commuters:
        commuters(arguments.days, arguments.seed, arguments.people)
    if arguments.speed:
        speed()


if __name__ == "__main__":
    main()
