"""How well the path so far fits each place, as a ratio to "a place anywhere".

Two witnesses: the direction (nobody drives away from where they go, much), and the roads taken on earlier drives there, or
back from there. Whom to believe is learnt per driver: somebody on rails always takes the same road, a walker does not.
"""

from __future__ import annotations

import numpy as np

from agent.prediction.expectation import Contexts
from agent.prediction.geometry import Points, Vector, onto_lines, plane, resample
from agent.prediction.habits import Habits
from agent.prediction.model import Situation
from agent.prediction.tuning import Tuning

STARTED_M = 30.0
"""less than this tells nothing"""
_TURN = np.arange(16) * (np.pi / 8)
_ROUND = np.stack((np.cos(_TURN), np.sin(_TURN)), axis=-1)


def witnesses(
    situation: Situation, habits: Habits, contexts: Contexts, centres: Points, here: int | None, tuning: Tuning
) -> tuple[Vector, Vector, Vector]:
    """Per place: ratio by direction, ratio by earlier roads, and how many drives' worth the latter rests on. `here`: place the
    drive began at."""
    driven = situation.driven_m
    if driven < STARTED_M:
        one = np.ones(len(centres))
        return one, one, np.zeros(len(centres))
    origin = situation.path[0]
    path = plane(situation.path, *origin)
    similar, evidence = _same_road(path, driven, origin, habits, contexts, len(centres), here, tuning)
    return _direction(path[-1], plane(centres, *origin), driven, tuning), similar, evidence


def _direction(at: Vector, goals: Points, driven: float, tuning: Tuning) -> Vector:
    reach = np.hypot(goals[:, 0], goals[:, 1])
    anywhere = reach[:, None, None] * _ROUND
    there = np.maximum(0.0, driven + np.hypot(*(goals - at).T) - reach)
    elsewhere = np.maximum(0.0, driven + np.hypot(*np.moveaxis(anywhere - at, -1, 0)) - reach[:, None])
    out: Vector = _detour(there, driven, tuning) / np.maximum(_detour(elsewhere, driven, tuning).mean(axis=1), 1e-6)
    return out


def _detour(metres: Vector, driven: float, tuning: Tuning) -> Vector:
    """How usual it is to have come `metres` farther than straight: mostly little, now and then much."""
    width = tuning.detour_m + tuning.detour_share * driven
    out: Vector = tuning.direct * np.exp(-metres / (0.5 * width)) + (1 - tuning.direct) * np.exp(-metres / (2 * width))
    return out


def _same_road(
    path: Points, driven: float, origin: Vector, habits: Habits, contexts: Contexts, places: int, here: int | None,
    tuning: Tuning,
) -> tuple[Vector, Vector]:  # fmt: skip
    similar, evidence = np.zeros(places), np.zeros(places)
    # Drives from here, and drives that came here, first: they are the ones that can have the same road.
    came = contexts.all * (habits.destination == (-1 if here is None else here))
    usable = np.where(habits.shaped, contexts.origin + 0.5 * came + 0.1 * contexts.all, 0.0)
    chosen = np.argsort(-usable, kind="stable")[: tuning.candidates]
    chosen = chosen[usable[chosen] > 0]
    if not len(chosen):
        return similar, evidence
    lines = plane(habits.shapes[chosen].astype(np.float64), *origin)
    off, along = onto_lines(resample(path, 10)[1:], lines)
    deviation = np.minimum(off, 1000.0).mean(axis=1)
    backwards = along[:, -1] < along[:, 0]
    fit = min(tuning.branches, 1 + driven / tuning.branch_m) * np.exp(-deviation / tuning.path_off_m)
    weight = contexts.all[chosen]
    np.add.at(similar, habits.destination[chosen], weight * fit * np.where(backwards, 0.05, 1.0))
    np.add.at(evidence, habits.destination[chosen], weight)
    # The way back is often the same road.
    weight = tuning.way_back * weight
    np.add.at(similar, habits.origin[chosen], weight * fit * np.where(backwards, 1.0, 0.05))
    np.add.at(evidence, habits.origin[chosen], weight)
    return similar / np.maximum(evidence, 1e-9), evidence
