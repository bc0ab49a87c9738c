"""Places: where drives end, grouped as they come (leader clustering with a moving centre).

A stop within `JOIN_M` of a place's centre belongs to it; the centre follows the mean of its visits, later ones more.
Ids never change their meaning: they stand in the database.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from agent.prediction.geometry import Points, distances
from backends.model import Position

JOIN_M = 200.0
"""a car park's far end and a phone's error still belong to the same place"""
FOLLOW = 0.1
"""least share of a new visit in the centre: a place whose entrance has moved is followed"""


@dataclass(slots=True)
class LearntPlace:
    """One place the driver goes to."""

    id: int
    latitude: float
    longitude: float
    visits: int = 0
    """drives that ended there"""
    stops: int = 0
    """drives that ended or began there"""
    doubt: float = 0.0
    """evidence that it has been given up, in log-odds"""
    heirs: dict[int, float] = field(default_factory=dict)
    """places gone to instead, with how surely it was this one that was expected: who takes over its role"""
    name: str = ""
    """what the driver calls it; home and work are the labels of the two"""

    @property
    def position(self) -> Position:
        return Position(self.latitude, self.longitude)


class PlaceBook:
    """The places of one driver."""

    def __init__(self) -> None:
        self.places: list[LearntPlace] = []
        """at index `id`"""
        self._centres: Points = np.zeros((16, 2))

    def __len__(self) -> int:
        return len(self.places)

    @property
    def centres(self) -> Points:
        """(n, 2) latitude and longitude, by id."""
        return self._centres[: len(self.places)]

    def find(self, latitude: float, longitude: float, within_m: float = JOIN_M) -> int | None:
        """The nearest place within reach."""
        if not self.places:
            return None
        away = distances(self.centres, latitude, longitude)
        nearest = int(away.argmin())
        return nearest if away[nearest] <= within_m else None

    def stop(self, latitude: float, longitude: float, *, arrived: bool) -> tuple[int, bool]:
        """Counts a stop; returns the place's id and whether it is the first time the driver arrived there."""
        found = self.find(latitude, longitude)
        if found is None:
            found = len(self.places)
            self.restore(LearntPlace(found, latitude, longitude))
        place = self.places[found]
        first = arrived and place.visits == 0
        place.stops += 1
        place.visits += arrived
        share = max(FOLLOW, 1 / place.stops)
        place.latitude += share * (latitude - place.latitude)
        place.longitude += share * (longitude - place.longitude)
        self._centres[found] = place.latitude, place.longitude
        return found, first

    def restore(self, place: LearntPlace) -> None:
        """Appends a place whose id is the next one."""
        if place.id != len(self.places):
            raise ValueError(f"place {place.id} out of order")
        if len(self.places) == len(self._centres):
            self._centres = np.concatenate((self._centres, np.zeros_like(self._centres)))
        self.places.append(place)
        self._centres[place.id] = place.latitude, place.longitude
