"""What habit alone expects, before a metre is driven.

Five views of the same record, from "it is the hour" to "it is the place I leave from"; each narrows step by step and leans on
the wider step as long as it has seen little (Dirichlet smoothing). Which view is believed, the driver's own record decides.
"A place never driven to" is one of the outcomes and is counted like them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agent.prediction.geometry import Vector, distances
from agent.prediction.habits import Habits, Moment
from agent.prediction.places import JOIN_M
from agent.prediction.tuning import Tuning

DAY_S = 86_400.0
RECENT = 60
"""drives that tell a driver's usual length of drives"""
VIEWS = 5
BELIEF = np.log((1.0, 1.0, 0.3, 1.0, 1.0))
"""how far each view is believed before it has a record: what happens once a week takes weeks to be seen"""


@dataclass(frozen=True, slots=True)
class Contexts:
    """Weight of each earlier drive, (n,), by what it has in common with now."""

    all: Vector
    about: Vector
    """part of the day, working or free day"""
    then: Vector
    """this hour on this kind of day"""
    origin: Vector
    origin_about: Vector
    origin_then: Vector
    origin_weekly: Vector
    """from here at this hour on this day of the week"""

    @classmethod
    def of(cls, habits: Habits, now: Moment, here: Vector, role: Vector, tuning: Tuning) -> Contexts:
        """`role` (places,): how far the place the drive begins at has taken over the role of another, 0 … 1."""
        age = np.maximum(0.0, now.seconds - habits.end) / DAY_S
        slow = 0.5 ** (age / tuning.slow_days)
        fade = 0.5 * 0.5 ** (age / tuning.fast_days) + 0.5 * slow
        apart = np.abs(habits.hour - now.hour)
        apart = np.minimum(apart, 24 - apart)
        same = habits.weekday == now.weekday
        alike = (habits.kind > 0) == (now.kind > 0)
        day = np.where(alike, np.where(same, 1.0, np.where(habits.kind == now.kind, 0.75, 0.4)), 0.1)
        about = np.exp(-0.5 * (apart / tuning.part_of_day) ** 2) * np.where(alike, 1.0, 0.4)
        then = np.exp(-0.5 * (apart / tuning.hour_width) ** 2) * day
        away = distances(np.stack((habits.origin_lat, habits.origin_lon), axis=-1), *here)
        from_here = np.exp(-0.5 * (away / tuning.origin_width_m) ** 2)
        from_here = np.maximum(from_here, role[habits.origin])
        origin = fade * from_here
        # What happens once a week needs a longer memory.
        weekly = slow * from_here * then * np.where(same & (habits.kind == now.kind), 1.0, 0.02)
        return cls(fade, fade * about, fade * then, origin, origin * about, origin * then, weekly)


@dataclass(frozen=True, slots=True)
class Living:
    """Which places are still gone to, and who has taken over from those that are not."""

    alive: Vector
    """(places,) chance that the place has not been given up"""
    heirs: tuple[tuple[int, int, float], ...] = ()
    """(place, heir, share): so much of what was the place's is the heir's now"""

    def count(self, destination: Vector, weights: Vector, places: int) -> Vector:
        """Weight of the drives to each place; those to places given up count for their heirs."""
        counts = np.bincount(destination, weights, places)
        living: Vector = counts * self.alive
        for place, heir, share in self.heirs:
            living[heir] += counts[place] * (1 - self.alive[place]) * share
        return living


def views(
    habits: Habits, places: int, contexts: Contexts, living: Living, now: Moment, away: Vector, tuning: Tuning
) -> Vector:
    """(VIEWS, places + 1): chance of each place, and last of a new one; each row sums up to 1. `away`: metres to each place."""
    every = contexts.all
    known = _base(habits, places, every, living, now, away, tuning)
    # Half of the early novelty is only that the record is young.
    first = 0.5 * habits.first
    new = (float((every * first).sum()) + tuning.new_places) / (float(every.sum()) + 2 * tuning.new_places)
    stay = np.where(away < JOIN_M, tuning.stay, 1.0)
    lean, trusting = tuning.lean, tuning.lean * tuning.trusting
    chains: tuple[tuple[float, tuple[Vector, ...]], ...] = (
        (lean, (contexts.about, contexts.origin, contexts.origin_about, contexts.origin_then)),
        (trusting, (contexts.about, contexts.origin, contexts.origin_then)),
        (trusting, (contexts.origin, contexts.origin_then, contexts.origin_weekly)),
        (lean, (contexts.origin,)),
        (lean, (contexts.about, contexts.then)),
    )
    rows = []
    for weight, chain in chains:
        narrow, fresh = known, new
        for context in chain:
            counts = living.count(habits.destination, context, places)
            total = float(counts.sum()) + weight
            narrow = (counts + weight * narrow) / total
            fresh = (float((context * first).sum()) + weight * fresh) / total
        narrow = narrow * stay
        rows.append(np.append(narrow * ((1 - fresh) / narrow.sum()), fresh))
    return np.array(rows)


def _base(
    habits: Habits, places: int, every: Vector, living: Living, now: Moment, away: Vector, tuning: Tuning
) -> Vector:
    """How likely each place is when nothing is known of the hour and the place: they sum up to 1."""
    wide = living.count(habits.destination, every, places)
    # Where drives begin is a place one may come back to; most of all where the last one began, and home.
    wide = wide + tuning.began * living.count(habits.origin, every, places)
    wide[habits.origin[-1]] += tuning.back
    spent = nights(habits, places, every, now) * living.alive
    if spent.sum() > 0:
        wide += tuning.home * spent / spent.sum()
    # Everybody has a usual length of drives.
    lengths = np.log(np.maximum(JOIN_M, habits.straight[-RECENT:]))
    apart = np.log(np.maximum(JOIN_M, away))[:, None] - lengths[None]
    wide *= (every[-RECENT:] * np.exp(-0.5 * (apart / 0.8) ** 2)).sum(axis=1) + 0.5
    out: Vector = wide / wide.sum()
    return out


def nights(habits: Habits, places: int, weights: Vector, now: Moment) -> Vector:
    """Per place: weight of the nights the car stood there (the last drive of a day ended, the first one began there)."""
    begins = np.concatenate(([True], habits.day[1:] != habits.day[:-1]))
    ends = np.concatenate((begins[1:], [bool(habits.day[-1] != now.day)]))
    began: Vector = np.bincount(habits.origin, weights * begins, places).astype(np.float64)
    ended: Vector = np.bincount(habits.destination, weights * ends, places).astype(np.float64)
    return began + ended
