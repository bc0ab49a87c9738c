"""What a car can still do where it has no mobile connection.

Whether there is one, and what the head unit is, the car itself says (two of its signals). Without a connection nothing online is
asked; a head unit without a navigation unit of its own finds only what lies in the area it keeps, a square of about 80 km round
the car.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from backends.errors import BackendError, BackendUnavailable, NotFound
from backends.model import Forecast, Headline, Language, Place, PlaceHit, PlacePage, PlaceQuery, Position, RegionInfo
from backends.ports import News, Places, Vehicle, Weather

CONNECTED: Final = "Vehicle.Connectivity.IsConnectivityAvailable"
EQUIPMENT: Final = "Vehicle.Private.Navigation.Equipment"
KEPT_M: Final = 40_000
"""from the car to each side of the kept area"""


class Coverage:
    """What the car's signals say of its connection. A car that does not answer is taken to have one: the call shows it."""

    def __init__(self, vehicle: Vehicle) -> None:
        self._vehicle = vehicle

    async def connected(self) -> bool:
        try:
            return (await self._vehicle.get(CONNECTED)).value is not False
        except BackendError:
            return True

    async def kept_around(self) -> Position | None:
        """The middle of the kept area while nothing else can be searched; None: everything can."""
        if await self.connected():
            return None
        try:
            if (await self._vehicle.get(EQUIPMENT)).value != "DISPLAY_AUDIO":
                return None
            latitude = await self._vehicle.get("Vehicle.CurrentLocation.Latitude")
            longitude = await self._vehicle.get("Vehicle.CurrentLocation.Longitude")
        except BackendError:
            return None
        return Position(float(latitude.value), float(longitude.value))


class CoveredWeather:
    """An online source that is not asked without a connection."""

    def __init__(self, weather: Weather, coverage: Coverage) -> None:
        self._weather, self._coverage = weather, coverage

    async def forecast(self, place: str, position: Position, start: datetime, end: datetime) -> Forecast:
        if not await self._coverage.connected():
            raise BackendUnavailable("weather", "no connection")
        return await self._weather.forecast(place, position, start, end)


class CoveredNews:
    """An online source that is not asked without a connection."""

    def __init__(self, news: News, coverage: Coverage) -> None:
        self._news, self._coverage = news, coverage

    async def headlines(self, topic: str, language: Language, limit: int = 10) -> tuple[Headline, ...]:
        if not await self._coverage.connected():
            raise BackendUnavailable("news", "no connection")
        return await self._news.headlines(topic, language, limit)


class CachedArea:
    """Places as a head unit without a navigation unit finds them: all with a connection, the kept area's without.

    Raises `BackendUnavailable` when what was asked for lies outside the kept area."""

    def __init__(self, places: Places, coverage: Coverage) -> None:
        self._places, self._coverage = places, coverage

    async def search(self, query: PlaceQuery) -> PlacePage:
        around = await self._coverage.kept_around()
        if around is None:
            return await self._places.search(query)
        if query.near is not None and not _within(around, query.near):
            raise BackendUnavailable("places", "outside the kept area")
        page = await self._places.search(query)
        hits = _kept(page.hits, around)
        return replace(page, hits=hits, total=page.total - (len(page.hits) - len(hits)))

    async def find(self, name: str, *, near: Position | None = None, limit: int = 5) -> tuple[PlaceHit, ...]:
        hits = await self._places.find(name, near=near, limit=limit)
        around = await self._coverage.kept_around()
        return hits if around is None else _kept(hits, around)

    async def get(self, place_id: str) -> Place:
        place = await self._places.get(place_id)
        around = await self._coverage.kept_around()
        if around is not None and not _within(around, place.position):
            raise NotFound("places", "outside the kept area")
        return place

    async def info(self) -> RegionInfo | None:
        return await self._places.info()

    async def count_without(self, query: PlaceQuery) -> Mapping[str, int]:
        if await self._coverage.kept_around() is not None:
            # What is counted may lie outside: nothing is promised.
            return {}
        return await self._places.count_without(query)


def _within(around: Position, place: Position) -> bool:
    north = around.distance_to(Position(place.latitude, around.longitude))
    east = around.distance_to(Position(around.latitude, place.longitude))
    return north <= KEPT_M and east <= KEPT_M


def _kept(hits: tuple[PlaceHit, ...], around: Position) -> tuple[PlaceHit, ...]:
    kept = tuple(hit for hit in hits if _within(around, hit.place.position))
    if hits and not kept:
        raise BackendUnavailable("places", "outside the kept area")
    return kept
