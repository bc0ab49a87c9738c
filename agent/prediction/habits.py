"""The drives of one driver as columns, so that thousands are looked at in a millisecond.

A row a drive, oldest first as they came; grows by doubling. Geometry is kept in `SHAPE` points a drive and only as long as
raw positions may be kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from agent.prediction.calendar import day_kind
from agent.prediction.geometry import distances, resample
from agent.prediction.model import Trip, local

SHAPE = 32
"""points kept of a drive's geometry"""

_COLUMNS: dict[str, Any] = {
    "start": np.float64,  # seconds since 1970
    "end": np.float64,
    "hour": np.float64,  # local, 0 … 24
    "day": np.int32,  # a day lasts from four in the morning to four in the morning
    "weekday": np.int8,
    "kind": np.int8,  # calendar.DayKind
    "origin_lat": np.float64,
    "origin_lon": np.float64,
    "origin": np.int32,  # place id
    "destination": np.int32,
    "first": np.bool_,  # the first time there
    "straight": np.float64,  # metres from origin to destination
    "seconds": np.float64,
    "shaped": np.bool_,
}


def columns() -> dict[str, str]:
    """Columns that are kept, with what they hold: int, float, bool."""
    kinds = {np.float64: "float", np.bool_: "bool"}
    return {name: kinds.get(kind, "int") for name, kind in _COLUMNS.items() if name != "shaped"}


@dataclass(frozen=True, slots=True)
class Moment:
    """A time of day on a kind of day."""

    seconds: float
    """since 1970"""
    hour: float
    day: int
    """number of the day, which begins at four in the morning"""
    weekday: int
    kind: int

    @classmethod
    def of(cls, at: datetime, latitude: float, longitude: float) -> Moment:
        at = local(at, longitude)
        hour = at.hour + at.minute / 60 + at.second / 3600
        day = (at - timedelta(hours=4)).toordinal()
        return cls(at.timestamp(), hour, day, at.weekday(), day_kind(at, latitude, longitude))


class Habits:
    """Columns by name (`habits.hour` …), each of shape (n,)."""

    def __init__(self) -> None:
        self.count = 0
        self._data: dict[str, npt.NDArray[Any]] = {name: np.zeros(64, kind) for name, kind in _COLUMNS.items()}
        self._shapes = np.zeros((64, SHAPE, 2), np.float32)

    def __len__(self) -> int:
        return self.count

    def __getattr__(self, name: str) -> npt.NDArray[Any]:
        try:
            return self.__dict__["_data"][name][: self.count]  # type: ignore[no-any-return]
        except KeyError:
            raise AttributeError(name) from None

    @property
    def shapes(self) -> npt.NDArray[np.float32]:
        """(n, SHAPE, 2) latitude and longitude."""
        return self._shapes[: self.count]

    def add(self, trip: Trip, origin: int, destination: int, first: bool) -> dict[str, Any]:
        """Appends a drive; returns its row."""
        latitude, longitude = trip.track[0]
        moment = Moment.of(trip.start, latitude, longitude)
        row = {
            "start": moment.seconds,
            "end": trip.end.timestamp(),
            "hour": moment.hour,
            "day": moment.day,
            "weekday": moment.weekday,
            "kind": moment.kind,
            "origin_lat": latitude,
            "origin_lon": longitude,
            "origin": origin,
            "destination": destination,
            "first": first,
            "straight": float(distances(trip.track[-1:], latitude, longitude)[0]),
            "seconds": (trip.end - trip.start).total_seconds(),
        }
        self.restore(row, resample(trip.track, SHAPE))
        return row

    def restore(self, row: dict[str, Any], shape: npt.NDArray[Any] | None) -> None:
        """Appends a row as `add` made it."""
        if self.count == len(self._shapes):
            for name, column in self._data.items():
                self._data[name] = np.concatenate((column, np.zeros_like(column)))
            self._shapes = np.concatenate((self._shapes, np.zeros_like(self._shapes)))
        for name, value in row.items():
            self._data[name][self.count] = value
        self._data["shaped"][self.count] = shape is not None
        if shape is not None:
            self._shapes[self.count] = shape
        self.count += 1

    def row(self, n: int) -> tuple[dict[str, Any], npt.NDArray[np.float32] | None]:
        """Row `n` (negative: from the end) as plain values, and its geometry."""
        n %= max(1, self.count)
        values = {name: self._data[name][n].item() for name in columns()}
        return values, (self.shapes[n].copy() if self.shaped[n] else None)

    def fade(self, before: float) -> None:
        """Forgets the geometry of drives that ended before a time (seconds since 1970)."""
        old = self.end < before
        self.shaped[old] = False
        self.shapes[old] = 0.0
