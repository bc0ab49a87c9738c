"""Builds what the car's map asks (agent/car_map.py) over a system that is up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agent.agentplus import AgentPlus
from agent.car_map import CarMap, Foreseen
from agent.composition import System
from backends.model import Language, PlaceQuery, Position

AT_M = 60
"""a place so near to the point is what was pointed at"""


@asynccontextmanager
async def open_car_map(system: System, *, deadline_s: float = 3.0) -> AsyncIterator[CarMap]:
    """Roads and places of the installed map, traffic of the centre; attached to the system while open."""
    from backends.http import open_session
    from backends.maps import current
    from backends.places import SqlitePlaces
    from backends.routes import ValhallaRoutes
    from backends.traffic import CentreTraffic

    settings, simulation = system.settings, system.simulation
    installed = current(settings.home)
    folder = installed.folder if installed is not None else settings.maps / "none"
    places, roads = SqlitePlaces(folder / "places.sqlite"), ValhallaRoutes(folder / "tiles", deadline_s=deadline_s)
    session = open_session()

    async def name_of(position: Position, language: Language) -> str:
        found = await places.search(PlaceQuery(near=position, radius_m=AT_M, sort="distance", limit=1))
        if not found.hits:
            return ""
        place = found.hits[0].place
        return (place.name_en if language == "en" else None) or place.name

    traffic = CentreTraffic(simulation.centre.base_url, session, deadline_s / 2, clock=simulation.clock, fresh_s=2)
    system.car_map = CarMap(roads, traffic, name_of=name_of)
    try:
        yield system.car_map
    finally:
        system.car_map = None
        await session.close()
        await roads.close()
        places.close()


def foresee(system: System, plus: AgentPlus) -> None:
    """From now on the map shows where Agent+ believes the drive goes."""

    def foreseen(language: Language) -> Foreseen | None:
        ahead = plus.ahead
        if ahead is None or not ahead.predicted:
            return None
        return Foreseen(ahead.name, ahead.destination, ahead.route, ahead.confidence)

    if system.car_map is not None:
        system.car_map.foreseen = foreseen
