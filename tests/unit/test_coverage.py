"""What is left without a connection, and how full car parks are."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from backends.coverage import CachedArea, Coverage, CoveredNews, CoveredWeather
from backends.errors import BackendUnavailable, NotFound
from backends.http import open_session
from backends.model import Parking, Place, PlaceHit, PlacePage, PlaceQuery, Position
from backends.parking import CentreParking, LivePlaces
from simulator.centre import CentreServer
from simulator.vehicle import SimulatedClock, SimulatedVehicle
from simulator.world import SimulatedWorld
from tests.fakes import MONDAY_MORNING, VirtualTime

HERE = Position(35.6586, 139.7454)
NEAR, FAR = Position(35.66, 139.70), Position(35.23, 139.02)


def park(name: str, where: Position = NEAR, vacancy: Any = "vacant") -> Place:
    parking = Parking("paid", True, 0, 20, 400, vacancy, MONDAY_MORNING - timedelta(days=30) if vacancy else None)
    return Place(name, f"駐車場{name}", where, "parking", parking=parking)


class Shelf:
    """A places port over a list; keeps what it was asked."""

    def __init__(self, *places: Place) -> None:
        self.places, self.asked = places, []  # type: ignore[var-annotated]

    async def search(self, query: PlaceQuery) -> PlacePage:
        self.asked.append(query)
        hits = tuple(PlaceHit(p, HERE.distance_to(p.position)) for p in self.places)
        return PlacePage(hits[query.offset : query.offset + query.limit], len(hits))

    async def find(self, name: str, *, near: Any = None, limit: int = 5) -> tuple[PlaceHit, ...]:
        return tuple(PlaceHit(p, None) for p in self.places if p.name == name)[:limit]

    async def get(self, place_id: str) -> Place:
        return next(p for p in self.places if p.id == place_id)

    async def info(self) -> None:
        return None

    async def count_without(self, query: PlaceQuery) -> dict[str, int]:
        return {"kind": 3}


class Online:
    async def forecast(self, *_: Any) -> Any:
        return "forecast"

    async def headlines(self, *_: Any) -> Any:
        return "headlines"


def car(*, connected: bool = True, equipment: str = "NAVI") -> Coverage:
    vehicle = SimulatedVehicle(SimulatedClock(VirtualTime()), position=HERE)
    vehicle.sense("Vehicle.Connectivity.IsConnectivityAvailable", connected)
    vehicle.sense("Vehicle.Private.Navigation.Equipment", equipment)
    return Coverage(vehicle)


async def test_nothing_online_is_asked_without_a_connection() -> None:
    there, gone = car(), car(connected=False)
    now: Any = MONDAY_MORNING
    assert await CoveredWeather(Online(), there).forecast("札幌", HERE, now, now) == "forecast"  # type: ignore[comparison-overlap]
    assert await CoveredNews(Online(), there).headlines("general", "ja") == "headlines"  # type: ignore[comparison-overlap]
    with pytest.raises(BackendUnavailable):
        await CoveredWeather(Online(), gone).forecast("札幌", HERE, now, now)
    with pytest.raises(BackendUnavailable):
        await CoveredNews(Online(), gone).headlines("general", "ja")


async def test_a_car_that_does_not_answer_is_taken_to_have_a_connection() -> None:
    class Silent:
        async def get(self, path: str) -> Any:
            raise BackendUnavailable("vehicle")

    coverage = Coverage(Silent())  # type: ignore[arg-type]
    assert await coverage.connected()
    assert await coverage.kept_around() is None


@pytest.mark.parametrize("coverage", [car(), car(connected=False), car(equipment="DISPLAY_AUDIO")])
async def test_what_is_not_limited(coverage: Coverage) -> None:
    area = CachedArea(Shelf(park("near"), park("far", FAR)), coverage)
    assert (await area.search(PlaceQuery(near=FAR))).total == 2
    assert (await area.get("far")).id == "far"
    assert await area.count_without(PlaceQuery()) == {"kind": 3}


async def test_a_head_unit_without_navigation_keeps_forty_kilometres() -> None:
    area = CachedArea(Shelf(park("near"), park("far", FAR)), car(connected=False, equipment="DISPLAY_AUDIO"))
    page = await area.search(PlaceQuery(near=HERE))
    assert ([hit.place.id for hit in page.hits], page.total) == (["near"], 1)
    assert await area.count_without(PlaceQuery()) == {}
    with pytest.raises(BackendUnavailable):
        await area.search(PlaceQuery(near=FAR))
    with pytest.raises(BackendUnavailable):
        await CachedArea(Shelf(park("far", FAR)), car(connected=False, equipment="DISPLAY_AUDIO")).search(
            PlaceQuery(city="箱根町")
        )
    with pytest.raises(BackendUnavailable):
        await area.find("駐車場far")
    with pytest.raises(NotFound):
        await area.get("far")
    # Nothing found is not the same as nothing kept.
    assert (await CachedArea(Shelf(), car(connected=False, equipment="DISPLAY_AUDIO")).search(PlaceQuery())).total == 0


async def test_car_parks_are_as_full_as_the_centre_says() -> None:
    time = VirtualTime()
    world = SimulatedWorld(1, time)
    # One without a word of how full it is: the centre is not asked about it.
    shelf = Shelf(park("a"), park("b"), park("c"), park("silent", vacancy=None), Place("d", "店", NEAR, "shop"))
    world.set_vacancy("a", "full")
    world.set_vacancy("b", "crowded")
    world.set_vacancy("c", "vacant")
    async with CentreServer(world) as centre, open_session() as session:
        places = LivePlaces(shelf, CentreParking(centre.base_url, session, clock=time))

        async def states() -> dict[str, Any]:
            page = await places.search(PlaceQuery(limit=5))
            return {
                h.place.id: h.place.parking and (h.place.parking.vacancy, h.place.parking.vacancy_at) for h in page.hits
            }

        now = time()
        assert await states() == {
            "a": ("full", now),
            "b": ("crowded", now),
            "c": ("vacant", now),
            "silent": (None, None),
            "d": None,
        }
        parking = (await places.get("a")).parking
        assert parking is not None
        assert parking.vacancy == "full"
        free = await places.search(PlaceQuery(vacancy=True, limit=1))
        assert ([h.place.id for h in free.hits], free.total) == (["b"], 2)
        assert shelf.asked[-1].vacancy is None
        second = await places.search(PlaceQuery(vacancy=True, limit=1, offset=1))
        assert [h.place.id for h in second.hits] == ["c"]
        assert [h.place.id for h in (await places.search(PlaceQuery(vacancy=False))).hits] == ["a"]
        # Out of coverage: what was heard last, with its time; nothing of what never was.
        world.network_lost = True
        time.advance(600)
        assert (await states())["a"] == ("full", now)
        fresh = LivePlaces(shelf, CentreParking(centre.base_url, session, clock=time))
        unknown = (await fresh.get("a")).parking
        assert unknown is not None
        assert (unknown.vacancy, unknown.vacancy_at) == (None, None)


@pytest.mark.parametrize("body", ["{}", "[]", "no json", '{"time": "soon", "vacancy": {}}', '{"time": "2026-05-11T10:00:00", "vacancy": {"a": "full"}}',
                                  '{"time": "2026-05-11T10:00:00+09:00", "vacancy": []}',
                                  '{"time": "2026-05-11T10:00:00+09:00", "vacancy": {"a": ["<img>"]}}'])  # fmt: skip
async def test_a_centre_that_talks_nonsense_is_a_centre_that_says_nothing(body: str) -> None:
    from aiohttp import web

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=body)

    app = web.Application()
    app.router.add_get("/parking/v1/vacancy", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with open_session() as session:
        parking = CentreParking(f"http://127.0.0.1:{runner.addresses[0][1]}", session, clock=VirtualTime())
        assert await parking.vacancies(["a"]) == {}
        place = await LivePlaces(Shelf(replace(park("a"), name="甲")), parking).get("a")
        assert place.parking is not None
        assert place.parking.vacancy is None
    await runner.cleanup()
