"""People who drive: a seeded year of drives of somebody with an office, shifts, children, or time to spare.

Each person lives on a grid of streets of their own town, keeps hours with some slack, goes to new places now and then, is ill,
takes a week off, moves house, changes jobs. Public holidays are Japan's. It is a test person for what learns from drives: what
they do is plausible, and nobody's.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from typing import Literal

from backends.model import EARTH_RADIUS_M, Position

JAPAN = timezone(timedelta(hours=9), "JST")
Persona = Literal["office", "shift", "parent", "retired", "night"]
PERSONAS: tuple[Persona, ...] = ("office", "shift", "parent", "retired", "night")
STREET_M = 350.0
"""between two streets of the grid"""
SAMPLE_M = 90.0
"""between two recorded positions"""
MIDDLE = Position(35.70, 139.60)
Spot = tuple[float, float]
"""metres east and north of the town's middle"""


@dataclass(frozen=True, slots=True)
class Drive:
    """One drive with its positions."""

    start: datetime
    end: datetime
    points: tuple[Position, ...]
    seconds: tuple[float, ...]
    purpose: str
    """home, work, school, …; "new" for a place never driven to before"""


@dataclass
class Commuter:
    """One person. `drives()` is the same for the same seed."""

    persona: Persona
    seed: int
    first_day: date = date(2025, 4, 1)
    days: int = 365
    moves_on: int | None = None
    """day of moving house"""
    new_job_on: int | None = None
    middle: Position = MIDDLE
    spots: dict[str, Spot] = field(default_factory=dict)

    def drives(self) -> Iterator[Drive]:
        """All drives, in order of time."""
        rng = random.Random(f"{self.persona}:{self.seed}")
        self._settle(rng)
        here, free_at = "home", datetime.combine(self.first_day, datetime.min.time(), JAPAN)
        ill_until = away_until = -1
        for number in range(self.days):
            day = self.first_day + timedelta(days=number)
            if number == self.moves_on:
                self.spots["home"] = self._spot(rng, 9000)
                here = "home"
            if number == self.new_job_on:
                self.spots["work"] = self._spot(rng, 12000)
            if rng.random() < 0.006:
                ill_until = number + rng.randint(0, 2)
            if rng.random() < 0.004:
                away_until = number + rng.randint(3, 7)
            if number <= max(ill_until, away_until):
                continue
            for at, purpose in self._plan(rng, number, day):
                start = max(at, free_at + timedelta(minutes=4))
                if purpose == here or start.date() > day + timedelta(days=1):
                    continue
                drive = self._drive(rng, here, purpose, start)
                if drive is None:
                    continue
                yield drive
                here, free_at = purpose, drive.end

    # ── what a day looks like ───────────────────────────────────────────────────────────────────────────────────

    def _plan(self, rng: random.Random, number: int, day: date) -> list[tuple[datetime, str]]:
        free = day.weekday() >= 5 or _holiday(day)
        plan: list[tuple[float, float, str]] = []
        if self.persona == "shift":
            plan = self._shift(rng, number, day)
        elif self.persona == "night":
            plan = [] if free else [(21.2, 0.2, "work"), (30.6, 0.3, "home")]
        elif free:
            plan = []
        elif self.persona == "office":
            plan = [(8.0, 0.15, "work"), *self._after_work(rng, day, 18.4)]
        elif self.persona == "parent":
            plan = [(8.05, 0.08, "school"), (8.35, 0.1, "work"), (15.2, 0.15, "school"), (15.7, 0.1, "home")]
            if day.weekday() in (1, 3):
                plan += [(16.5, 0.1, "lesson"), (18.0, 0.1, "home")]
        elif self.persona == "retired":
            plan = [(9.8, 0.5, {0: "clinic", 2: "golf"}.get(day.weekday(), "market")), (13.0, 1.2, "home")]
        if (free and self.persona != "shift") or (self.persona in ("retired", "night") and rng.random() < 0.3):
            plan += self._leisure(rng, day)
        if rng.random() < 0.06 and plan:
            plan.append((plan[-1][0] + 1.5, 0.8, "new"))
            plan.append((plan[-1][0] + 2.0, 0.5, "home"))
        midnight = datetime.combine(day, datetime.min.time(), JAPAN)
        out = [(midnight + timedelta(hours=max(0.0, rng.gauss(at, slack))), purpose) for at, slack, purpose in plan]
        return sorted(out, key=lambda row: row[0])

    def _after_work(self, rng: random.Random, day: date, at: float) -> list[tuple[float, float, str]]:
        if day.weekday() == 2 and rng.random() < 0.85:
            return [(at, 0.3, "gym"), (at + 2, 0.2, "home")]
        if rng.random() < 0.15:
            return [(at, 0.4, "shop"), (at + 0.8, 0.2, "home")]
        return [(at, 0.5, "home")]

    def _shift(self, rng: random.Random, number: int, day: date) -> list[tuple[float, float, str]]:
        """Six-day rounds: two early, two late, two free; every second round nights instead of late."""
        place = number % 6
        if place >= 4:
            return self._leisure(rng, day)
        if place < 2:
            return [(5.4, 0.1, "work"), (14.3, 0.2, "home")]
        if (number // 6) % 2:
            return [(21.4, 0.1, "work"), (30.3, 0.2, "home")]
        return [(13.3, 0.1, "work"), (22.3, 0.2, "home")]

    def _leisure(self, rng: random.Random, day: date) -> list[tuple[float, float, str]]:
        plan: list[tuple[float, float, str]] = []
        if rng.random() < 0.7:
            plan += [(10.5, 0.6, "shop"), (12.0, 0.5, "home")]
        if day.weekday() == 6 and rng.random() < 0.5:
            plan += [(13.5, 0.5, "parents"), (18.5, 0.7, "home")]
        elif rng.random() < 0.35:
            where = "new" if rng.random() < 0.5 else rng.choice(("park", "mall", "friend"))
            plan += [(14.0, 1.0, where), (17.5, 1.0, "home")]
        return plan

    # ── how a drive looks ───────────────────────────────────────────────────────────────────────────────────────

    def _settle(self, rng: random.Random) -> None:
        self.spots = {"home": self._spot(rng, 5000), "work": self._spot(rng, 11000)}
        for purpose in ("school", "lesson", "shop", "gym", "clinic", "market", "park"):
            self.spots[purpose] = self._spot(rng, 4500)
        for purpose in ("golf", "parents", "mall", "friend"):
            self.spots[purpose] = self._spot(rng, 15000)

    def _spot(self, rng: random.Random, within_m: float) -> Spot:
        turn, away = rng.random() * math.tau, within_m * math.sqrt(rng.uniform(0.1, 1.0))
        return round(away * math.cos(turn), 1), round(away * math.sin(turn), 1)

    def _drive(self, rng: random.Random, here: str, purpose: str, start: datetime) -> Drive | None:
        if purpose == "new":
            self.spots["new"] = self._spot(rng, 14000)
        a, b = self.spots[here], self.spots[purpose]
        if math.dist(a, b) < 400:
            return None
        # The usual road, and now and then another.
        variant = 0 if rng.random() < 0.85 else rng.randint(1, 2)
        line = _streets(a, b, f"{self.seed}:{variant}")
        parked = (b[0] + rng.gauss(0, 18), b[1] + rng.gauss(0, 18))
        line[-1] = parked
        speed = rng.uniform(6.5, 10.0)
        points, seconds, at = [], [], 0.0
        for index, (x, y) in enumerate(_dense(line)):
            if index:
                at += SAMPLE_M / speed * rng.uniform(0.6, 1.7)
            points.append(self._position(x + rng.gauss(0, 7), y + rng.gauss(0, 7)))
            seconds.append(round(at, 1))
        return Drive(start, start + timedelta(seconds=at), tuple(points), tuple(seconds), purpose)

    def _position(self, east_m: float, north_m: float) -> Position:
        return Position(
            self.middle.latitude + math.degrees(north_m / EARTH_RADIUS_M),
            self.middle.longitude
            + math.degrees(east_m / (EARTH_RADIUS_M * math.cos(math.radians(self.middle.latitude)))),
        )


def population(seed: int, days: int = 365) -> tuple[Commuter, ...]:
    """Ten people, two of each kind; half of them move house, half change jobs."""
    out = []
    for index, persona in enumerate(PERSONAS * 2):
        out.append(
            Commuter(
                persona,
                seed * 100 + index,
                days=days,
                moves_on=days * 2 // 5 if index % 2 == 0 else None,
                new_job_on=days * 7 // 10 if index % 2 == 1 and persona != "retired" else None,
            )
        )
    return tuple(out)


def _streets(a: Spot, b: Spot, seed: str) -> list[Spot]:
    """From a to b along the grid, the turns always at the same corners for the same seed."""
    line, (x, y) = [a], a
    dx, dy = b[0] - x, b[1] - y
    across = max(1, round(abs(dx) / STREET_M))
    up = max(1, round(abs(dy) / STREET_M))
    # Arterial roads: few turns, at corners the seed picks.
    digest = hashlib.blake2b(f"{seed}:{round(a[0], -2)}:{round(b[0], -2)}".encode(), digest_size=8).digest()
    corners = sorted({digest[0] % (across + 1), digest[1] % (across + 1)})
    levels = sorted({digest[2] % (up + 1), digest[3] % (up + 1)})
    for corner, level in zip(corners, levels, strict=False):
        line.append((a[0] + dx * corner / across, y))
        x, y = line[-1][0], a[1] + dy * level / up
        line.append((x, y))
    line += [(b[0], y), b]
    return line


def _dense(line: list[Spot]) -> Iterator[Spot]:
    """Points every `SAMPLE_M` metres, both ends among them."""
    yield line[0]
    left = SAMPLE_M
    for (ax, ay), (bx, by) in itertools.pairwise(line):
        length = math.dist((ax, ay), (bx, by))
        at = left
        while at < length:
            yield ax + (bx - ax) * at / length, ay + (by - ay) * at / length
            at += SAMPLE_M
        left = at - length
    yield line[-1]


def _holiday(day: date) -> bool:
    import jpholiday

    return bool(jpholiday.is_holiday(day)) or (day.month, day.day) in {(12, 30), (12, 31), (1, 2), (1, 3)}
