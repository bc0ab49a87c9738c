"""The road a predicted drive takes: the one taken before, else the one the map says.

Earlier drives keep their geometry only as long as raw positions may be kept; then the map answers alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from agent.prediction.geometry import Points, distances, onto_lines, plane, resample
from agent.prediction.model import Situation
from agent.prediction.predictor import Predictor
from backends.errors import BackendError
from backends.model import Language, Position, Route, RouteRequest
from backends.ports import Routes

SAME_ROAD_M = 150.0
"""mean distance from an earlier drive at which it still is the same road"""
RECENT_DRIVES = 40


def likely_route(predictor: Predictor, place: int, situation: Situation) -> tuple[Position, ...]:
    """What is left of the earlier drive to the place (or, backwards, from it) that fits the path so far best, the newest of
    equals; () when none passed here."""
    habits = predictor.habits
    there = np.flatnonzero((habits.destination == place) & habits.shaped)[-RECENT_DRIVES:]
    back = np.flatnonzero((habits.origin == place) & habits.shaped)[-RECENT_DRIVES:]
    shapes = np.concatenate((habits.shapes[back][:, ::-1], habits.shapes[there])).astype(np.float64)
    if not len(shapes):
        return ()
    origin = situation.path[0]
    path = resample(situation.path, 10) if len(situation.path) > 1 else situation.path
    lines = plane(shapes, *origin)
    off, along = onto_lines(plane(path, *origin), lines)
    # Rounded, so that among drives on the same road the newest is taken.
    fit = np.round(off.mean(axis=1) / 40) - np.arange(len(shapes)) / 1000
    best = int(fit.argmin())
    if off[best].mean() > SAME_ROAD_M or off[best, -1] > 2 * SAME_ROAD_M:
        return ()
    rest = shapes[best][int(np.ceil(along[best, -1] + 1e-6)) :]
    return _positions(np.concatenate((situation.path[-1:], rest)))


class Roads(Routes, Protocol):
    """Routes that can match a measured line to the road (`backends.routes.ValhallaRoutes`)."""

    async def match(self, points: Sequence[Position], language: Language = "ja") -> Route: ...


async def road_to(
    roads: Roads, predictor: Predictor, place: int, situation: Situation, *, language: Language = "ja",
    heading: float | None = None, alternatives: int = 0,
) -> tuple[Route, ...]:  # fmt: skip
    """The likely drive as a route of the map, then other ways there: the earlier drive matched to the roads, else the map's
    best; () without a map there. The map gives what habit cannot: times and manoeuvres."""
    here = Position(*map(float, situation.path[-1]))
    goal = predictor.places.places[place].position
    request = RouteRequest(here, goal, alternatives=alternatives, heading=heading, language=language)
    before = likely_route(predictor, place, situation)
    matched: tuple[Route, ...] = ()
    with contextlib.suppress(BackendError):
        if len(before) >= 2:
            matched = (await roads.match(before, language),)
            if not alternatives:
                return matched
    with contextlib.suppress(BackendError):
        found = await roads.route(request)
        return (*matched, *found)
    return matched


def _positions(points: Points) -> tuple[Position, ...]:
    kept = [points[0]]
    for point in points[1:]:
        if distances(np.array([point]), *kept[-1])[0] > 5:
            kept.append(point)
    return tuple(Position(float(a), float(b)) for a, b in kept)
