"""The road ahead, whatever the destination: ways the drive may go on, each with a probability.

Known destinations bring their own roads; what is left (a place never driven to) is spread over a fan of goals ahead of the car,
straight on more than aside. Ways that share a stretch add up on it: on an expressway, or before the next junction, the road is near
certain although the destination is not. Earlier drives that came by here the same way vote for where they went on to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from agent.prediction.geometry import METRES_PER_DEGREE, Points, Vector, onto_lines, plane, resample
from agent.prediction.model import Prediction, Situation
from agent.prediction.predictor import Predictor
from agent.prediction.route import Roads, road_to
from backends.errors import BackendError
from backends.model import Language, Position, Route, RouteRequest
from backends.routes import RouteLine

STARTED_M = 150.0
"""driven less than this, the direction tells nothing"""
LEFT_M = 120.0
"""so far off a way, it is no longer one"""
NEAR_M = 150.0
"""an event so near to a way lies on it"""


@dataclass(frozen=True, slots=True)
class Fan:
    """Where somebody may go of whom nothing is known: goals ahead."""

    turns: tuple[tuple[float, float], ...] = ((0, 0.44), (-35, 0.16), (35, 0.16), (-75, 0.12), (75, 0.12))
    """(degrees off the heading, share)"""
    reach_m: float = 5_000.0
    known: int = 3
    """learnt destinations whose roads are looked at"""
    most_known: float = 1.0
    """share of the learnt destinations together: there is always a chance of somewhere new"""
    least: float = 0.08
    """less likely ones are left out, and count as unknown"""
    votes: float = 2.0
    """earlier drives' worth of belief in the fan"""
    again_m: float = 800.0
    """driven on so far, the fan is made anew"""
    most_routes: int = 4
    """asked of the map in one look; the rest at the next ones"""
    detour_m: float = 200.0
    detour_share: float = 0.1
    """farther driven than the direct way to a destination by more than so many metres and so much of what was driven speaks
    against it; 0 and 0: nothing does"""


@dataclass(frozen=True, slots=True)
class Way:
    """One way the drive may go on."""

    route: Route
    p: float
    line: RouteLine
    """of the route: made once"""
    place: int | None = None
    """the learnt place it leads to"""

    def meets(self, spot: Position) -> bool:
        return self.line.project(spot)[1] <= NEAR_M


@dataclass
class _Kept:
    """A route asked for before."""

    route: Route
    line: RouteLine
    made_at: Position
    driven_m: float


@dataclass
class Onward:
    """The ways of one drive; keeps the routes it has asked for as long as the car is on them."""

    roads: Roads
    fan: Fan = field(default_factory=Fan)
    _kept: dict[str, _Kept] = field(default_factory=dict)
    _direct: dict[str, float] = field(default_factory=dict)
    """metres of the whole way there when the drive had just begun"""
    _asked: int = 0

    def forget(self) -> None:
        """Another drive."""
        self._kept.clear()
        self._direct.clear()

    async def ways(
        self, predictor: Predictor, prediction: Prediction | None, situation: Situation, heading: float,
        language: Language = "ja",
    ) -> tuple[Way, ...]:  # fmt: skip
        """Likeliest first; their probabilities sum up to at most 1. () before the drive has shown where it heads."""
        driven = situation.driven_m
        if driven < STARTED_M:
            return ()
        here = Position(*map(float, situation.path[-1]))
        known = {
            f"place:{guess.place}": (guess.p, guess.place)
            for guess in (prediction.guesses if prediction is not None else ())[: self.fan.known]
            if guess.p >= self.fan.least and guess.position.distance_to(here) > NEAR_M
        }
        self._asked = 0
        believed = min(1.0, self.fan.most_known / max(1e-9, sum(p for p, _ in known.values())))
        out: list[Way] = []
        rest = 1.0
        for key, (p, place) in known.items():
            kept = await self._way(key, place, predictor, situation, here, heading, driven, language)
            if kept is not None:
                p *= believed * self._on_the_way(key, kept, here, driven)
                out.append(Way(kept.route, p, kept.line, place))
                rest -= p
        for turn, share in self.fan.turns:
            kept = await self._way(f"fan:{turn:g}", None, predictor, situation, here, heading, driven, language)
            if kept is not None:
                out.append(Way(kept.route, rest * share, kept.line))
        out.sort(key=lambda way: -way.p)
        return tuple(out)

    async def _way(
        self, key: str, place: int | None, predictor: Predictor, situation: Situation, here: Position, heading: float,
        driven: float, language: Language,
    ) -> _Kept | None:  # fmt: skip
        if self._stale(key, here) and self._asked < self.fan.most_routes:
            self._asked += 1
            self._kept.pop(key, None)
            found = await self._route(key, place, predictor, situation, here, heading, language)
            if found is not None:
                self._kept[key] = _Kept(found, RouteLine(found), here, driven)
                self._direct.setdefault(key, driven + found.distance_m)
        kept = self._kept.get(key)
        # One that was left and could not be asked for anew is no way any more.
        return kept if kept is not None and kept.line.project(here)[1] <= LEFT_M else None

    def _on_the_way(self, key: str, kept: _Kept, here: Position, driven: float) -> float:
        """How far the drive so far can be one to there: 1 on the direct way, less the farther round it has come."""
        width = self.fan.detour_m + self.fan.detour_share * driven
        if width <= 0:
            return 1.0
        rest = kept.route.distance_m - kept.line.project(here)[0]
        excess = max(0.0, driven + rest - self._direct[key])
        return 0.05 + 0.95 * float(np.exp(-0.5 * (excess / width) ** 2))

    def _stale(self, key: str, here: Position) -> bool:
        kept = self._kept.get(key)
        if kept is None or kept.line.project(here)[1] > LEFT_M:
            return True
        return key.startswith("fan:") and kept.made_at.distance_to(here) > self.fan.again_m

    async def _route(
        self, key: str, place: int | None, predictor: Predictor, situation: Situation, here: Position, heading: float,
        language: Language,
    ) -> Route | None:  # fmt: skip
        try:
            if place is not None:
                found = await road_to(self.roads, predictor, place, situation, language=language, heading=heading)
            else:
                goal = ahead_of(here, heading + float(key.partition(":")[2]), self.fan.reach_m)
                found = await self.roads.route(RouteRequest(here, goal, heading=heading, language=language))
        except BackendError:
            return None
        return found[0] if found else None


def ahead_of(here: Position, heading: float, metres: float) -> Position:
    """The point so far away in a direction (degrees from north, clockwise)."""
    turned = np.radians(heading)
    north, east = metres * float(np.cos(turned)), metres * float(np.sin(turned))
    scale = METRES_PER_DEGREE * float(np.cos(np.radians(here.latitude)))
    return Position(here.latitude + north / METRES_PER_DEGREE, here.longitude + east / scale)


def chances(
    ways: Sequence[Way], spots: Sequence[Position], predictor: Predictor, situation: Situation, fan: Fan
) -> Vector:
    """(spots,) probability that the drive goes on past each."""
    if not ways or not spots:
        return np.zeros(len(spots))
    met = np.array([[way.meets(spot) for spot in spots] for way in ways], dtype=np.float64)
    p = np.array([way.p for way in ways])
    by_map: Vector = p @ met
    if fan.votes <= 0:
        return by_map
    votes, passed = voted(predictor, situation, np.array([(s.latitude, s.longitude) for s in spots]))
    if not votes:
        return by_map
    # Only what is not explained by a known destination is left to the votes.
    unknown = float(p[[way.place is None for way in ways]].sum())
    share = votes / (votes + fan.votes) * unknown
    known: Vector = p[[way.place is not None for way in ways]] @ met[[way.place is not None for way in ways]]
    fanned = (by_map - known) / max(unknown, 1e-9)
    out: Vector = known + share * passed / votes + (unknown - share) * fanned
    return out


def voted(predictor: Predictor, situation: Situation, spots: Points) -> tuple[float, Vector]:
    """How many earlier drives (faded) came by here the same way, and how much of them went on past each spot."""
    habits = predictor.habits
    rows = np.flatnonzero(habits.shaped)[-200:]
    if not len(rows) or len(situation.path) < 2:
        return 0.0, np.zeros(len(spots))
    origin = situation.path[-1]
    recent = plane(resample(_last(situation.path, 600.0), 4), *origin)
    lines = plane(habits.shapes[rows].astype(np.float64), *origin)
    off, along = onto_lines(recent, lines)
    same = (off.max(axis=1) < NEAR_M) & (along[:, -1] > along[:, 0])
    if not same.any():
        return 0.0, np.zeros(len(spots))
    weights = 0.5 ** (np.arange(int(same.sum()))[::-1] / 60.0)
    spot_off, spot_along = onto_lines(plane(spots, *origin), lines[same])
    passes = (spot_off < 2 * NEAR_M) & (spot_along > along[same, -1][:, None])
    return float(weights.sum()), weights @ passes


def _last(path: Points, metres: float) -> Points:
    """The end of a path."""
    away = np.hypot(*plane(path, *path[-1]).T)
    far = np.flatnonzero(away > metres)
    return path[far[-1] :] if len(far) else path
