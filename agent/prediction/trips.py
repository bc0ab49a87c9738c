"""Trips from positions: a drive begins when the car leaves where it stood and ends when it stays (or is switched off).

Works on a live feed and on a recorded track alike, in the track's own time; no clock is read.
"""

from __future__ import annotations

from datetime import datetime

import numpy as np

from agent.prediction.geometry import METRES_PER_DEGREE
from agent.prediction.model import Trip, local
from backends.model import Position

LEAVE_M = 60.0
"""farther than this from where it stood, the car is under way"""
STAY_M = 100.0
STAY_S = 300.0
"""within `STAY_M` for so long: arrived (a jam moves on, a long red light ends)"""
GAP_S = 900.0
"""no position for so long: the drive had ended before"""
FASTEST_MS = 100.0
"""positions that would need more are measuring errors"""
MAX_POINTS = 20_000
"""of one drive: five and a half hours of one position a second; then every second one is kept"""


class TripRecorder:
    """Feed it positions in order of time; it gives back a trip when one has ended."""

    def __init__(self) -> None:
        self._points: list[tuple[datetime, float, float]] = []
        self._driving = False
        self._anchor = 0
        """index of the earliest point of the stay that may be going on"""

    @property
    def driving(self) -> bool:
        return self._driving

    @property
    def path(self) -> tuple[tuple[datetime, float, float], ...]:
        """The drive so far: (time, latitude, longitude); where the car stands when it is not under way."""
        return tuple(self._points)

    def feed(self, at: datetime, position: Position) -> Trip | None:
        """`at` has a zone; a position that is older than the last or impossibly far is left out."""
        point = (at, position.latitude, position.longitude)
        if not self._points:
            self._points = [point]
            return None
        last = self._points[-1]
        passed = (at - last[0]).total_seconds()
        if passed <= 0 or _metres(last, point) > FASTEST_MS * passed + LEAVE_M:
            return None
        if passed > GAP_S:
            ended = self.finish()
            self._points = [point]
            return ended
        if not self._driving:
            self._stand(point)
            return None
        self._points.append(point)
        return self._move(point)

    def finish(self) -> Trip | None:
        """The car is switched off, or the track is over."""
        trip = self._trip(len(self._points)) if self._driving else None
        self._points = self._points[-1:]
        self._driving, self._anchor = False, 0
        return trip

    def _stand(self, point: tuple[datetime, float, float]) -> None:
        # The last one before leaving keeps its time: the drive begins there and then.
        stood = self._points[0]
        if _metres(stood, point) > LEAVE_M:
            self._points.append(point)
            self._driving, self._anchor = True, 1
        else:
            self._points = [(point[0], stood[1], stood[2])]

    def _move(self, point: tuple[datetime, float, float]) -> Trip | None:
        while _metres(self._points[self._anchor], point) > STAY_M:
            self._anchor += 1
        if (point[0] - self._points[self._anchor][0]).total_seconds() >= STAY_S:
            trip = self._trip(self._anchor + 1)
            self._points, self._driving, self._anchor = [point], False, 0
            return trip
        if len(self._points) > MAX_POINTS:
            self._points = self._points[:-1:2] + self._points[-1:]
            self._anchor = min(len(self._points) - 1, self._anchor // 2)
        return None

    def _trip(self, count: int) -> Trip | None:
        points = self._points[:count]
        if len(points) < 2:
            return None
        trip = trip_of(points)
        return trip if trip.is_drive else None


def trip_of(points: list[tuple[datetime, float, float]]) -> Trip:
    """One drive of these points. Raises `ValueError`."""
    longitude = points[0][2]
    start = local(points[0][0], longitude)
    return Trip(
        start,
        local(points[-1][0], longitude),
        np.array([p[1:] for p in points], dtype=np.float64),
        np.array([(p[0] - points[0][0]).total_seconds() for p in points]),
    )


def _metres(a: tuple[datetime, float, float], b: tuple[datetime, float, float]) -> float:
    """Distance on the plane: short ones only."""
    north = (a[1] - b[1]) * METRES_PER_DEGREE
    east = (a[2] - b[2]) * METRES_PER_DEGREE * float(np.cos(np.radians(a[1])))
    return float(np.hypot(north, east))
