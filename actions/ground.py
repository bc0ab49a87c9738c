"""What the words of a search are on the ground: the car, here, there, home, the route, cities and stations as positions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from actions.narrowing import Ground, SearchState
from actions.skill import Turn, World
from backends.errors import BackendError, NotFound
from backends.model import Locality, Place, Position, RegionInfo, Route
from backends.times import UnresolvableTime
from backends.times import resolve as resolve_time

LATITUDE = "Vehicle.CurrentLocation.Latitude"
LONGITUDE = "Vehicle.CurrentLocation.Longitude"
HEADING = "Vehicle.CurrentLocation.Heading"
SPEED = "Vehicle.Speed"

AROUND_STATION_M = 1_500
AROUND_PLACE_M = 2_000
AROUND_CAR_M = 5_000
WIDER_M = 20_000
"""the second try when nothing lies near"""
AVERAGE_SPEED_MS = 7.0
"""for "open when I get there" before there is a route: city traffic, straight line"""

MissingReason = Literal["no_map", "no_home", "no_work", "no_destination", "no_focus", "unknown"]


@dataclass(frozen=True, slots=True)
class Missing:
    """The place the search is about is not known or not on the map."""

    reason: MissingReason
    name: str = ""


@dataclass(frozen=True, slots=True)
class Focus:
    """A place being talked about."""

    id: str
    """place id; empty for stations, municipalities, home and work"""
    name: str
    position: Position

    def to_json(self) -> dict[str, Any]:
        return {"id": self.id, "name": self.name, "lat": self.position.latitude, "lon": self.position.longitude}

    @classmethod
    def from_json(cls, data: Mapping[str, Any] | None) -> Focus | None:
        if not data or "lat" not in data:
            return None
        return cls(str(data.get("id") or ""), str(data.get("name") or ""), Position(data["lat"], data["lon"]))

    @classmethod
    def of(cls, place: Place, name: str) -> Focus:
        return cls(place.id, name, place.position)


async def car_position(world: World) -> Position | None:
    """Where the car is, None when it does not know."""
    try:
        latitude = (await world.vehicle.get(LATITUDE)).value
        longitude = (await world.vehicle.get(LONGITUDE)).value
    except BackendError:
        return None
    return Position(float(latitude), float(longitude))


async def heading(world: World) -> float | None:
    """Degrees; None when the car stands or does not say."""
    try:
        if not await driving(world):
            return None
        return float((await world.vehicle.get(HEADING)).value) % 360
    except BackendError:
        return None


async def driving(world: World) -> bool:
    """Whether the car moves. Unknown counts as moving: then less is said."""
    try:
        return float((await world.vehicle.get(SPEED)).value) > 1
    except NotFound:
        return False
    except BackendError:
        return True


async def ahead(world: World, car: Position | None) -> tuple[Position, ...] | None:
    """The route still to drive, None when there is no guidance."""
    status = await world.navigation.status()
    route = status.get("route")
    if not status.get("guiding") or not isinstance(route, Route):
        return None
    if car is None:
        return route.geometry
    nearest = min(range(len(route.geometry)), key=lambda i: route.geometry[i].distance_to(car))
    return route.geometry[nearest:]


def best(candidates: tuple[Locality, ...], *, kinds: tuple[str, ...], within: Locality | None) -> Locality | None:
    """The first of `kinds` that lies in `within`; failing that the first of `kinds`."""
    fitting = [c for c in candidates if c.kind in kinds]
    if within is not None:
        inside = [c for c in fitting if lies_in(c, within)]
        return inside[0] if inside else fitting[0] if fitting else None
    return fitting[0] if fitting else None


def lies_in(place: Locality, area: Locality) -> bool:
    if area.kind == "prefecture":
        return place.prefecture == area.name
    return place.city == area.name or place.position.distance_to(area.position) < 25_000


async def resolve(world: World, turn: Turn, state: SearchState) -> Ground | Missing:
    """The search's places as positions and municipalities."""
    held = state.conditions
    car = await car_position(world)
    info = await world.places.info()
    near, radius, along = car, None, None
    if not {"city", "prefecture", "area", "station", "near", "where", "name", "phone"} & held.keys():
        radius = AROUND_CAR_M
    city = _locality(world, held.get("city"), ("prefecture", "city", "ward", "town"), None, car)
    prefecture = _locality(world, held.get("prefecture"), ("prefecture",), None, car)
    outer = city or prefecture
    area = _locality(world, held.get("area"), ("ward", "city", "town", "station", "landmark"), outer, car)
    station = _locality(world, held.get("station"), ("station", "landmark", "airport"), area or outer, car)
    for found in (station, area, city, prefecture):
        if found is not None and _off_map(info, found.position):
            return Missing("no_map", spoken_name(found, turn.language))
    if area is not None and area.kind in ("town", "station", "landmark") and area.city is not None:
        # A quarter (銀座) is where its name is on the map: addresses need not carry it.
        near, radius = area.position, AROUND_STATION_M
    if station is not None:
        near, radius = station.position, AROUND_STATION_M
    if "near" in held:
        place = await _named(world, str(held["near"]), car)
        if place is None:
            return Missing("unknown", str(held["near"]))
        near, radius = place, AROUND_PLACE_M
    where = await _where(world, turn, held.get("where"), car, state)
    if isinstance(where, Missing):
        return where
    if isinstance(where, tuple):
        along = where
    elif where is not None:
        near, radius = where, (AROUND_CAR_M if held.get("where") == "here" else AROUND_PLACE_M)
    if (limit := held.get("distance_max")) is not None and near is not None:
        radius = int(limit)
    municipality, ward = _municipality(held, city, area)
    return Ground(
        near=near,
        radius_m=radius,
        along=along,
        prefecture=(city.name if city and city.kind == "prefecture" else held.get("prefecture")),
        city=municipality,
        area=None if area is not None and near == area.position else ward,
        station=held.get("station") if station is None else None,
        open_at=await opening_moment(world, held.get("open_at"), near, car),
    )


def spoken_name(locality: Locality, language: str) -> str:
    return (locality.name_en or locality.name) if language == "en" else locality.name


def _municipality(
    held: Mapping[str, Any], city: Locality | None, area: Locality | None
) -> tuple[str | None, str | None]:
    """(city, area) as the places know them: Tokyo is a prefecture there, its wards are municipalities."""
    municipality = None if city is not None and city.kind == "prefecture" else held.get("city")
    ward = held.get("area")
    whole = area is not None and area.kind in ("city", "ward", "town") and area.city is None
    if ward is not None and municipality is None and area is not None and whole:
        return area.name, None
    return municipality, ward


def _locality(
    world: World, name: Any, kinds: tuple[str, ...], within: Locality | None, car: Position | None
) -> Locality | None:
    if not isinstance(name, str) or not name:
        return None
    return best(world.gazetteer.lookup(name, near=within.position if within else car), kinds=kinds, within=within)


def _off_map(info: RegionInfo | None, position: Position) -> bool:
    return info is None or not info.contains(position)


async def on_map(world: World, position: Position) -> bool:
    return not _off_map(await world.places.info(), position)


async def _named(world: World, name: str, car: Position | None) -> Position | None:
    hits = await world.places.find(name, near=car, limit=1)
    if hits and hits[0].score >= 0.7:
        return hits[0].place.position
    found = world.gazetteer.lookup(name, near=car)
    return found[0].position if found else hits[0].place.position if hits else None


async def _where(
    world: World, turn: Turn, where: Any, car: Position | None, state: SearchState
) -> Position | tuple[Position, ...] | Missing | None:
    if where in (None, "here"):
        return car if where == "here" else None
    if where in ("there", "candidate"):
        if state.anchor is not None:
            return Position(*state.anchor[1:])
        focus = Focus.from_json(turn.slots.get("focus"))
        return focus.position if focus else Missing("no_focus")
    if where in ("home", "work"):
        saved = await world.memory.get(turn.driver, str(where))
        return saved.position if saved else Missing("no_home" if where == "home" else "no_work")
    if where == "along_route":
        return await ahead(world, car) or Missing("no_destination")
    if where == "destination":
        status = await world.navigation.status()
        destination = status.get("destination") if status.get("guiding") else None
        return destination if isinstance(destination, Position) else Missing("no_destination")
    return None


async def opening_moment(world: World, value: Any, near: Position | None, car: Position | None) -> datetime | None:
    """When a place has to be open: now, on arrival or at a time said."""
    if value is None:
        return None
    now = world.clock()
    if value == "now" or value is True:
        return now
    if value == "arrival" or (isinstance(value, Mapping) and value.get("special") == "arrival"):
        eta = (await world.navigation.status()).get("eta")
        if isinstance(eta, datetime):
            return eta
        away = car.distance_to(near) if car and near else 0.0
        return now + timedelta(seconds=away / AVERAGE_SPEED_MS)
    if not isinstance(value, Mapping):
        return now
    try:
        span = resolve_time(value, now)
    except UnresolvableTime:
        return now
    # A whole day is asked about at noon, when anything that opens that day is open.
    return span.start + timedelta(hours=12) if span.granularity in ("day", "weekend") else span.start
