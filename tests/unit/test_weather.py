"""What is made of forecasts: codes, spans, fallback, and weather that is plausible."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends import jma
from backends.errors import BackendUnavailable, NotFound
from backends.model import Position
from backends.weather import SNOWY, WET, FallbackWeather, group_of
from simulator.world import SimulatedWorld
from tests.fakes_information import JST, MORNING, ScriptedWeather, VirtualClock

TOKYO = Position(35.69, 139.69)
DAY = timedelta(days=1)


def test_offices_cover_the_country() -> None:
    offices = jma.offices()
    assert len({o.prefecture for o in offices}) == 47
    assert len({o.code for o in offices}) == len(offices)
    assert all(len(o.code) == 6 and o.code.isdigit() for o in offices)


@pytest.mark.parametrize(
    ("latitude", "longitude", "office"),
    [
        (35.232, 139.107, "140000"),  # Hakone
        (35.658, 139.702, "130000"),  # Shibuya
        (34.694, 135.502, "270000"),  # Osaka
        (42.923, 143.196, "014030"),  # Obihiro
        (24.341, 124.156, "474000"),  # Ishigaki
        (33.113, 139.790, "130000"),  # Hachijojima is Tokyo's
    ],
)
def test_nearest_office(latitude: float, longitude: float, office: str) -> None:
    assert jma.nearest_office(Position(latitude, longitude), jma.offices()).code == office


@pytest.mark.parametrize(
    ("code", "group"),
    [(100, "clear"), (101, "partly_cloudy"), (111, "partly_cloudy"), (200, "cloudy"), (202, "rain"), (214, "rain"),
     (209, "fog"), (204, "snow"), (300, "rain"), (306, "heavy_rain"), (303, "sleet"), (350, "thunder"), (400, "snow"),
     (405, "heavy_snow"), (409, "sleet")],
)  # fmt: skip
def test_agency_codes(code: int, group: str) -> None:
    wmo = jma.to_wmo(code)
    assert wmo is not None
    assert group_of(wmo) == group


def test_codes_that_do_not_exist() -> None:
    assert jma.to_wmo(99) is None
    assert jma.to_wmo(500) is None
    assert all(group_of(code) for code in range(100))


async def test_fallback_serves_when_the_first_fails_but_not_beyond_the_horizon() -> None:
    clock = VirtualClock()
    online = ScriptedWeather(clock, days=3, error=BackendUnavailable("weather"))
    centre = ScriptedWeather(clock, demo=True)
    weather = FallbackWeather(online, centre, online=True, clock=clock)
    assert (await weather.forecast("x", TOKYO, MORNING, MORNING + DAY)).demo
    await weather.forecast("x", TOKYO, MORNING, MORNING + DAY)
    assert len(online.asked) == 1, "the lost network is left alone for a while"
    clock.advance(minutes=2)
    online.error = None
    assert not (await weather.forecast("x", TOKYO, MORNING, MORNING + DAY)).demo
    with pytest.raises(NotFound):
        await weather.forecast("x", TOKYO, MORNING + 5 * DAY, MORNING + 6 * DAY)


async def test_not_online_means_not_asked() -> None:
    clock = VirtualClock()
    online, centre = ScriptedWeather(clock), ScriptedWeather(clock, demo=True)
    assert (
        await FallbackWeather(online, centre, online=False, clock=clock).forecast("x", TOKYO, MORNING, MORNING + DAY)
    ).demo
    assert not online.asked


# ---- the simulated world's weather


@settings(max_examples=40)
@given(st.floats(24, 45), st.floats(123, 145), st.datetimes(datetime(2025, 1, 1), datetime(2030, 1, 1)))
def test_weather_is_possible_anywhere_at_any_time(latitude: float, longitude: float, at: datetime) -> None:
    hour = SimulatedWorld(1, VirtualClock()).weather(Position(latitude, longitude), at.replace(tzinfo=JST))
    assert -30 < hour.temperature_c < 42
    assert 0 <= hour.precipitation_probability <= 100
    assert (hour.precipitation_mm > 0) == (group_of(hour.code) in WET)
    assert group_of(hour.code) not in SNOWY or hour.temperature_c < 1.5


def test_same_seed_same_weather() -> None:
    first, again, other = (SimulatedWorld(s, VirtualClock()).weather_hours(TOKYO, MORNING, 200) for s in (1, 1, 2))
    assert first == again
    assert first != other


def test_winter_snows_on_the_sea_of_japan_and_is_dry_in_tokyo() -> None:
    world = SimulatedWorld(3, VirtualClock())
    january = datetime(2027, 1, 1, tzinfo=JST)

    def wet(position: Position) -> float:
        hours = world.weather_hours(position, january, 24 * 31)
        return sum(h.precipitation_mm > 0 for h in hours) / len(hours)

    assert wet(Position(37.9, 139.04)) > 2 * wet(TOKYO)


@pytest.mark.parametrize(("scenario", "groups"), [("sunny", {"clear"}), ("rain", {"rain"}), ("snow", {"snow"}),
                                                  ("typhoon", {"heavy_rain", "thunder"})])  # fmt: skip
def test_forced_weather_holds_in_its_prefecture_only(scenario: str, groups: set[str]) -> None:
    world = SimulatedWorld(1, VirtualClock())
    plain = world.weather_hours(Position(34.69, 135.5), MORNING, 24)
    world.force_weather(scenario, "東京都")  # type: ignore[arg-type]
    assert {group_of(h.code) for h in world.weather_hours(TOKYO, MORNING, 24)} <= groups
    assert world.weather_hours(Position(34.69, 135.5), MORNING, 24) == plain
    world.force_weather(None, "東京都")
    world.force_weather("rain")
    assert {group_of(h.code) for h in world.weather_hours(Position(34.69, 135.5), MORNING, 24)} == {"rain"}


def test_car_parks_fill_in_the_afternoon_and_can_be_forced() -> None:
    clock = VirtualClock(datetime(2026, 6, 6, 14, 0, tzinfo=JST))
    world = SimulatedWorld(1, clock)
    busy = sum(world.vacancy(f"p{i}") == "vacant" for i in range(200))
    clock.now = datetime(2026, 6, 6, 4, 0, tzinfo=JST)
    assert sum(world.vacancy(f"p{i}") == "vacant" for i in range(200)) > busy + 50
    world.set_vacancy("p1", "full")
    assert world.vacancy("p1") == "full"
