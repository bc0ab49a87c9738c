"""The adapters against the real simulated centre on loopback, and against servers that misbehave."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from backends import http
from backends.errors import BackendError, BackendTimeout, BackendUnavailable, BadAnswer, NotFound, Rejected
from backends.model import Position
from backends.news import TOPICS, RssNews, centre_feeds
from backends.traffic import CentreTraffic
from backends.weather import JmaWeather, OpenMeteoWeather, group_of
from simulator.centre import CentreError, CentreServer
from simulator.world import SimulatedWorld
from tests.fakes_information import MORNING, BrokenServer, VirtualClock, serving

YOKOHAMA = Position(35.444, 139.638)
DAY = timedelta(days=1)
TODAY = MORNING.replace(hour=0, minute=0)
LINE = tuple(Position(35.60 + i * 0.01, 139.70) for i in range(21))


class Rig:
    """A centre, its world and adapters that ask it, all on one virtual clock."""

    def __init__(
        self, centre: CentreServer, world: SimulatedWorld, session: aiohttp.ClientSession, clock: VirtualClock
    ):
        self.centre, self.world, self.session, self.clock = centre, world, session, clock
        url = centre.base_url
        self.open_meteo = OpenMeteoWeather(url, session, clock=clock)
        self.jma = JmaWeather(url, session, clock=clock)
        self.news = RssNews(centre_feeds(url), session, clock=clock)
        self.traffic = CentreTraffic(url, session, clock=clock)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with http.open_session() as opened:
        yield opened


@pytest.fixture
async def rig(session: aiohttp.ClientSession) -> AsyncIterator[Rig]:
    clock = VirtualClock()
    world = SimulatedWorld(1, clock)
    async with CentreServer(world) as centre:
        yield Rig(centre, world, session, clock)


async def test_it_starts_in_a_moment_and_a_taken_port_is_one_clear_error() -> None:
    world = SimulatedWorld(1, VirtualClock())
    before = time.perf_counter()
    async with CentreServer(world) as centre:
        assert time.perf_counter() - before < 0.1
        port = int(centre.base_url.rsplit(":", 1)[1])
        with pytest.raises(CentreError, match=str(port)):
            await CentreServer(world, port=port).start()


@pytest.mark.parametrize(
    ("scenario", "groups"), [("sunny", {"clear"}), ("rain", {"rain", "heavy_rain"}), ("snow", {"snow", "heavy_snow"})]
)
async def test_both_formats_tell_the_worlds_weather(rig: Rig, scenario: Any, groups: set[str]) -> None:
    rig.world.force_weather(scenario, "神奈川県")
    for adapter in (rig.open_meteo, rig.jma):
        for day in range(1, 7):
            start = TODAY + day * DAY
            forecast = await adapter.forecast("横浜", YOKOHAMA, start, start + DAY)
            assert group_of(forecast.weather_code) in groups
            assert forecast.demo
            assert forecast.low_c is not None
            assert forecast.high_c is not None
            assert forecast.low_c <= forecast.high_c
            assert (forecast.precipitation_probability or 0) >= 70 or scenario == "sunny"


async def test_the_two_formats_agree_on_temperatures(rig: Rig) -> None:
    for day in range(1, 7):
        start = TODAY + day * DAY
        one = await rig.open_meteo.forecast("横浜", YOKOHAMA, start, start + DAY)
        two = await rig.jma.forecast("横浜", YOKOHAMA, start, start + DAY)
        assert two.high_c == pytest.approx(one.high_c, abs=1)
        assert two.low_c == pytest.approx(one.low_c, abs=1)


async def test_an_hour_is_the_worlds_hour(rig: Rig) -> None:
    at = TODAY + timedelta(hours=15)
    forecast = await rig.open_meteo.forecast("横浜", YOKOHAMA, at, at + timedelta(hours=1))
    truth = rig.world.weather(Position(35.45, 139.65), at)
    assert (forecast.weather_code, forecast.high_c, forecast.wind_ms) == (
        truth.code,
        truth.temperature_c,
        truth.wind_ms,
    )
    assert (forecast.humidity_percent, forecast.uv_index) == (truth.humidity_percent, truth.uv_index)


@pytest.mark.parametrize("days", [-3, 16, 400])
async def test_beyond_the_horizon(rig: Rig, days: int) -> None:
    start = TODAY + days * DAY
    for adapter in (rig.open_meteo, rig.jma):
        with pytest.raises(NotFound):
            await adapter.forecast("横浜", YOKOHAMA, start, start + DAY)


async def test_outside_japan_is_not_the_agencys(rig: Rig) -> None:
    with pytest.raises(NotFound):
        await rig.jma.forecast("Vaduz", Position(47.14, 9.52), TODAY, TODAY + DAY)


async def test_every_office_is_served(rig: Rig) -> None:
    from backends import jma

    for office in jma.offices():
        assert (await rig.jma.forecast(office.name, office.position, TODAY + DAY, TODAY + 2 * DAY)).high_c is not None


async def test_many_at_once_fetch_once_and_lost_network_leaves_what_is_known(rig: Rig) -> None:
    ask = [rig.open_meteo.forecast("横浜", YOKOHAMA, TODAY + d * DAY, TODAY + (d + 1) * DAY) for d in range(1, 8)]
    first = (await asyncio.gather(*ask))[0]
    rig.world.network_lost = True
    rig.clock.advance(hours=8)
    kept = await rig.open_meteo.forecast("横浜", YOKOHAMA, TODAY + DAY, TODAY + 2 * DAY)
    assert kept.issued_at == first.issued_at, "old data keeps its time"
    with pytest.raises(BackendUnavailable):
        await rig.open_meteo.forecast("札幌", Position(43.06, 141.35), TODAY + DAY, TODAY + 2 * DAY)
    rig.clock.advance(hours=20)
    with pytest.raises(BackendUnavailable):
        await rig.open_meteo.forecast("横浜", YOKOHAMA, TODAY + 2 * DAY, TODAY + 3 * DAY)
    rig.world.network_lost = False
    fresh = await rig.open_meteo.forecast("横浜", YOKOHAMA, TODAY + 2 * DAY, TODAY + 3 * DAY)
    assert fresh.issued_at == rig.clock()


async def test_cancelled_contract_is_refused_even_with_old_data_at_hand(rig: Rig) -> None:
    await rig.news.headlines("general", "ja")
    rig.world.contract_cancelled = True
    rig.clock.advance(hours=1)
    for call in (
        lambda: rig.news.headlines("general", "ja"),
        lambda: rig.traffic.around(YOKOHAMA, 1000),
        lambda: rig.open_meteo.forecast("横浜", YOKOHAMA, TODAY, TODAY + DAY),
    ):
        with pytest.raises(Rejected):
            await call()


async def test_open_meteo_errors_are_its_own(rig: Rig) -> None:
    url = rig.centre.base_url + "/v1/forecast"
    for query in (
        "",
        "?latitude=35&longitude=139&hourly=nonsense",
        "?latitude=99&longitude=0",
        "?latitude=1&longitude=1&forecast_days=99",
    ):
        async with rig.session.get(url + query) as response:
            assert response.status == 400
            assert (await response.json())["error"] is True


async def test_news_by_topic_and_language(rig: Rig) -> None:
    seen = set()
    for topic in TOPICS:
        for language in ("ja", "en"):
            items = await rig.news.headlines(topic, language)
            assert len(items) >= 6
            assert all(h.demo and h.title and h.summary and "{" not in h.title + h.summary for h in items)
            assert all(a.published >= b.published for a, b in itertools.pairwise(items))
            assert items[0].published > MORNING - timedelta(hours=4)
            seen |= {h.title for h in items}
    assert len(seen) == len(TOPICS) * 2 * 6
    with pytest.raises(NotFound):
        await rig.news.headlines("gossip", "ja")
    rig.world.news_on = False
    rig.clock.advance(minutes=10)
    assert await rig.news.headlines("general", "ja") == ()


async def test_traffic_on_a_route(rig: Rig) -> None:
    assert await rig.traffic.along(LINE) == ()
    rig.clock.advance(minutes=1)
    world = rig.world
    world.place_on_route(
        "jam", LINE, "国道1号", "Route 1", from_m=3000, length_m=1500, delay_s=600, lasts=timedelta(minutes=30)
    )
    world.place_on_route("closure", LINE, "国道1号", "Route 1", from_m=9000)
    world.place_on_route("accident", LINE[::-1], "国道1号", "Route 1", from_m=3000, length_m=500)
    jam, closure = await rig.traffic.along(LINE, 60)
    assert (jam.kind, jam.delay_s, jam.length_m, jam.road_en, jam.demo) == ("jam", 600, 1500, "Route 1", True)
    assert closure.kind == "closure"
    assert [e.kind for e in await rig.traffic.around(LINE[0], 4000)] == ["jam"]
    rig.clock.advance(minutes=31)
    assert [e.kind for e in await rig.traffic.along(LINE, 60)] == ["closure"], "the jam has ended"
    world.clear_events()
    rig.clock.advance(minutes=1)
    assert await rig.traffic.along(LINE) == ()


async def test_nothing_known_of_the_roads_is_not_a_clear_road(rig: Rig) -> None:
    await rig.traffic.along(LINE)
    rig.world.network_lost = True
    rig.clock.advance(minutes=1)
    assert await rig.traffic.along(LINE) == ()
    rig.clock.advance(minutes=5)
    with pytest.raises(BackendUnavailable):
        await rig.traffic.along(LINE)


async def test_bounding_box_and_vacancy(rig: Rig) -> None:
    rig.world.place_event("accident", [YOKOHAMA], "国道1号")
    url = rig.centre.base_url
    for box, count in (("139,35,140,36", 1), ("140,35,141,36", 0)):
        async with rig.session.get(f"{url}/traffic/v1/events?bbox={box}") as response:
            assert len((await response.json())["features"]) == count
    async with rig.session.get(f"{url}/traffic/v1/events?bbox=nan,0,1,2") as response:
        assert response.status == 400
    rig.world.set_vacancy("p1", "full")
    async with rig.session.get(f"{url}/parking/v1/vacancy?ids=p1,p2") as response:
        assert (await response.json())["vacancy"]["p1"] == "full"


# ---- servers that misbehave

Call = Callable[[], Awaitable[Any]]


def calls(url: str, session: aiohttp.ClientSession, deadline_s: float = 0.2) -> dict[str, Call]:
    clock = VirtualClock()
    open_meteo = OpenMeteoWeather(url, session, deadline_s, clock=clock)
    agency = JmaWeather(url, session, deadline_s, clock=clock)
    news = RssNews(centre_feeds(url), session, deadline_s, clock=clock)
    traffic = CentreTraffic(url, session, deadline_s, clock=clock)
    return {
        "open_meteo": lambda: open_meteo.forecast("横浜", YOKOHAMA, TODAY, TODAY + DAY),
        "jma": lambda: agency.forecast("横浜", YOKOHAMA, TODAY, TODAY + DAY),
        "news": lambda: news.headlines("general", "ja"),
        "traffic": lambda: traffic.around(YOKOHAMA, 1000),
    }


LAUGHS = (
    b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha">'
    + b"".join(f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">'.encode() for i in range(9))
    + b'<!ENTITY z "z">]><rss version="2.0"><channel><title>&j;</title></channel></rss>'
)

FAULTS: dict[str, tuple[dict[str, Any], type[BackendError]]] = {
    "slow": ({"delay_s": 5.0}, BackendTimeout),
    "garbage": ({"body": b"\x00\xff garbage"}, BadAnswer),
    "empty": ({"body": b""}, BadAnswer),
    "500": ({"status": 500}, BackendUnavailable),
    "429": ({"status": 429}, BackendUnavailable),
    "204": ({"status": 204, "body": b""}, BadAnswer),
    "403": ({"status": 403}, Rejected),
    "404": ({"status": 404}, NotFound),
    "huge": ({"body": b" " * 100_000, "repeat": 40}, BadAnswer),
    "cut": ({"abort": True}, BackendUnavailable),
    "xml bomb": ({"body": LAUGHS}, BadAnswer),
    "other json": ({"body": json.dumps({"hourly": [1, 2], "daily": None, "features": 3}).encode()}, BadAnswer),
    "json of lists": ({"body": b"[[[]]]"}, BadAnswer),
    "deep json": ({"body": b"[" * 100_000}, BadAnswer),
    "ragged forecast": (
        {
            "body": json.dumps(
                {
                    "utc_offset_seconds": 32400,
                    "hourly": {"time": ["2026-06-03T00:00"], "weather_code": []},
                    "daily": {"time": []},
                }
            ).encode()
        },
        BadAnswer,
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_is_one_backend_error_within_the_deadline(fault: str, session: aiohttp.ClientSession) -> None:
    options, expected = FAULTS[fault]
    async with serving(BrokenServer(**options)) as server:
        for name, call in calls(server.base_url, session, 0.2 if fault == "slow" else 2.0).items():
            before = time.perf_counter()
            with pytest.raises(expected):
                await call()
            assert time.perf_counter() - before < (0.6 if fault == "slow" else 2.5), name


async def test_nobody_listens(session: aiohttp.ClientSession) -> None:
    async with serving(BrokenServer()) as server:
        url = server.base_url
    for call in calls(url, session).values():
        with pytest.raises(BackendUnavailable):
            await call()
