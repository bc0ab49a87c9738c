"""What the prediction works with: trips, places, predictions. Frozen; units beside the fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Literal

import numpy as np

from agent.prediction.geometry import Points, Vector, distances, steps
from backends.model import Position

MIN_TRIP_M = 200.0
"""shorter ones are manoeuvring in a car park"""


@dataclass(frozen=True, eq=False)
class Trip:
    """One drive from standing to standing."""

    start: datetime
    """local time, with its zone"""
    end: datetime
    track: Points
    """(n, 2) latitude, longitude in degrees; n ≥ 2"""
    seconds: Vector
    """(n,) seconds since `start`"""

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("a time without zone")
        if self.end < self.start:
            raise ValueError("the trip ends before it starts")
        if self.track.ndim != 2 or self.track.shape[1] != 2 or len(self.track) < 2:
            raise ValueError("a trip needs at least two points")
        if len(self.seconds) != len(self.track):
            raise ValueError("as many times as points are needed")
        if not np.isfinite(self.track).all() or (np.abs(self.track) > (90.0, 180.0)).any():
            raise ValueError("not positions")

    @property
    def origin(self) -> Position:
        return Position(float(self.track[0, 0]), float(self.track[0, 1]))

    @property
    def destination(self) -> Position:
        return Position(float(self.track[-1, 0]), float(self.track[-1, 1]))

    @property
    def length_m(self) -> float:
        return float(steps(self.track).sum())

    @property
    def is_drive(self) -> bool:
        """Whether the car came anywhere at all."""
        return bool(distances(self.track, *self.track[0]).max() >= MIN_TRIP_M)


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known at the moment of a prediction."""

    start: datetime
    """when the drive began (or now, before it), local time"""
    path: Points
    """(n, 2) the points so far, the first is where the drive began; n ≥ 1"""

    @property
    def driven_m(self) -> float:
        return float(steps(self.path).sum())


@dataclass(frozen=True, slots=True)
class Guess:
    """One possible destination."""

    place: int
    """id of the learnt place"""
    position: Position
    p: float
    """0 … 1, calibrated: of a hundred guesses with 0.7 about seventy come true"""


ReasonKey = Literal["weekday_time", "weekend_time", "same_weekday", "from_here", "same_road", "often"]


@dataclass(frozen=True, slots=True)
class Prediction:
    """Ranked destinations; `abstain`: not sure enough to be spoken of."""

    guesses: tuple[Guess, ...]
    """likeliest first"""
    p_new: float
    """that it is none of the learnt places"""
    abstain: bool
    reason: ReasonKey | None = None
    """what spoke most for the first guess (sentence `prediction.why_…`)"""
    reason_values: Mapping[str, str] = field(default_factory=dict)

    @property
    def best(self) -> Guess | None:
        return self.guesses[0] if self.guesses else None


def local(at: datetime, longitude: float) -> datetime:
    """The time on a clock there: trackers write UTC, habits follow the sun. A time with a zone of its own keeps it."""
    if at.tzinfo is None:
        at = at.replace(tzinfo=timezone.utc)
    if at.utcoffset():
        return at
    return at.astimezone(timezone(timedelta(hours=round(longitude / 15))))
