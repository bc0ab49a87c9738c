"""Weather: Open-Meteo, the Japan Meteorological Agency, and one after the other.

    OpenMeteoWeather   GET {base}/v1/forecast (https://open-meteo.com/en/docs): hourly and daily variables, 16 days
    JmaWeather         GET {base}/bosai/forecast/data/forecast/{office}.json: today to a week ahead, by prefecture
    FallbackWeather    the first that answers

Both adapters keep what they fetched: fresh for `fresh_s`, and when the server cannot be reached up to `stale_s` old.
`Forecast.issued_at` tells how old it is. The simulated centre speaks the same formats and marks its answers (`http.DEMO_HEADER`).
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Any, Literal

import aiohttp

from backends import http, jma
from backends.errors import BackendError, BackendTimeout, BackendUnavailable, BadAnswer, NotFound
from backends.model import Forecast, Position
from backends.ports import Weather

STAGE = "weather"
VALIDITY = timedelta(hours=6)
"""A forecast issued longer ago than this is called old when it is spoken."""

Group = Literal["clear", "partly_cloudy", "cloudy", "fog", "drizzle", "rain", "heavy_rain", "sleet", "snow",
                "heavy_snow", "thunder"]  # fmt: skip

_GROUPS: Mapping[Group, frozenset[int]] = {
    "clear": frozenset({0, 1}),
    "partly_cloudy": frozenset({2}),
    "cloudy": frozenset({3}),
    "fog": frozenset({45, 48}),
    "drizzle": frozenset({51, 53, 55, 56, 57}),
    "rain": frozenset({61, 63, 80, 81}),
    "heavy_rain": frozenset({65, 82}),
    "sleet": frozenset({66, 67, 68, 69}),
    "snow": frozenset({71, 73, 77, 85}),
    "heavy_snow": frozenset({75, 86}),
    "thunder": frozenset({95, 96, 99}),
}
WET: frozenset[Group] = frozenset({"drizzle", "rain", "heavy_rain", "sleet", "snow", "heavy_snow", "thunder"})
SNOWY: frozenset[Group] = frozenset({"snow", "heavy_snow", "sleet"})


def group_of(code: int) -> Group:
    """The word a driver would use for a WMO 4677 code."""
    for group, codes in _GROUPS.items():
        if code in codes:
            return group
    return "cloudy" if code < 50 else "rain"


class _Cache:
    """What was fetched, by key, with the time it was fetched at; fetches of one key are not doubled."""

    def __init__(self, clock: Callable[[], datetime], fresh_s: float, stale_s: float, size: int = 64) -> None:
        self._clock = clock
        self._fresh = timedelta(seconds=fresh_s)
        self._stale = timedelta(seconds=stale_s)
        self._size = size
        self._kept: dict[Any, tuple[datetime, Any]] = {}
        self._locks: dict[Any, asyncio.Lock] = {}

    async def get(self, key: Any, fetch: Callable[[], Any]) -> tuple[datetime, Any]:
        lock = self._locks.setdefault(key, asyncio.Lock())
        async with lock:
            now = self._clock()
            kept = self._kept.get(key)
            if kept is not None and timedelta() <= now - kept[0] < self._fresh:
                return kept
            try:
                value = await fetch()
            except (BackendUnavailable, BackendTimeout, BadAnswer):
                # The network is gone or talks nonsense: yesterday evening's forecast is better than none, with its time.
                if kept is not None and timedelta() <= now - kept[0] < self._stale:
                    return kept
                raise
            self._kept.pop(key, None)
            self._kept[key] = (now, value)
            while len(self._kept) > self._size:
                oldest = next(iter(self._kept))
                self._kept.pop(oldest)
                if not self._locks[oldest].locked():
                    self._locks.pop(oldest)
            return now, value


def local_clock() -> datetime:
    """The machine's own time with its zone."""
    return datetime.now().astimezone()


# ---- Open-Meteo

_HOURLY = ("temperature_2m", "relative_humidity_2m", "precipitation_probability", "precipitation", "weather_code",
           "wind_speed_10m", "uv_index")  # fmt: skip
_DAILY = ("weather_code", "temperature_2m_max", "temperature_2m_min", "precipitation_sum",
          "precipitation_probability_max", "wind_speed_10m_max", "uv_index_max")  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Hour:
    at: datetime
    temperature: float | None
    humidity: float | None
    probability: float | None
    precipitation: float | None
    code: int | None
    wind: float | None
    uv: float | None


@dataclass(frozen=True, slots=True)
class _OpenMeteo:
    hours: tuple[_Hour, ...]
    days: Mapping[date, Mapping[str, float | None]]
    demo: bool


class OpenMeteoWeather:
    """Forecasts of Open-Meteo or a server that speaks its format."""

    def __init__(
        self,
        base_url: str,
        session: aiohttp.ClientSession,
        deadline_s: float = 2.0,
        *,
        clock: Callable[[], datetime] = local_clock,
        source: str = "Open-Meteo",
        fresh_s: float = 1800,
        stale_s: float = 86_400,
    ) -> None:
        """`base_url` without path (https://api.open-meteo.com); `deadline_s` bounds each forecast; `clock` is the car's."""
        self._url = base_url.rstrip("/") + "/v1/forecast"
        self._session = session
        self._deadline_s = deadline_s
        self._source = source
        self._cache = _Cache(clock, fresh_s, stale_s)

    async def forecast(self, place: str, position: Position, start: datetime, end: datetime) -> Forecast:
        # A twentieth of a degree, 5 km: finer than the models' grid, coarse enough that a drive does not ask every minute.
        key = (round(position.latitude * 20) / 20, round(position.longitude * 20) / 20)
        fetched_at, data = await self._cache.get(key, lambda: self._fetch(*key))
        return _summary(data, place, position, start, end, fetched_at, self._source)

    async def _fetch(self, latitude: float, longitude: float) -> _OpenMeteo:
        params = {
            "latitude": f"{latitude:.2f}",
            "longitude": f"{longitude:.2f}",
            "hourly": ",".join(_HOURLY),
            "daily": ",".join(_DAILY),
            "timezone": "auto",
            "wind_speed_unit": "ms",
            "forecast_days": "16",
        }
        answer = await http.get(self._session, self._url, stage=STAGE, deadline_s=self._deadline_s, params=params)
        return _parse_open_meteo(http.parse_json(answer, STAGE), demo=answer.demo)


def _parse_open_meteo(data: Any, *, demo: bool) -> _OpenMeteo:
    try:
        zone = timezone(timedelta(seconds=int(data["utc_offset_seconds"])))
        hourly, daily = data["hourly"], data["daily"]
        times = [datetime.fromisoformat(t).replace(tzinfo=zone) for t in hourly["time"]]
        columns = [_column(hourly.get(name), len(times)) for name in _HOURLY]
        hours = tuple(
            _Hour(at, temperature, humidity, probability, precipitation, _code(code), wind, uv)
            for at, temperature, humidity, probability, precipitation, code, wind, uv in zip(
                times, *columns, strict=True
            )
        )
        dates = [date.fromisoformat(t) for t in daily["time"]]
        by_name = {name: _column(daily.get(name), len(dates)) for name in _DAILY}
        days = {day: {name: by_name[name][i] for name in _DAILY} for i, day in enumerate(dates)}
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise BadAnswer(STAGE, f"not an Open-Meteo forecast: {type(error).__name__}") from error
    if not hours:
        raise BadAnswer(STAGE, "a forecast without hours")
    return _OpenMeteo(hours, days, demo)


def _column(values: Any, length: int) -> list[float | None]:
    if values is None:
        return [None] * length
    if not isinstance(values, list) or len(values) != length:
        raise ValueError("ragged columns")
    return [_finite(v) for v in values]


def _finite(value: Any) -> float | None:
    if value is None or isinstance(value, bool):
        return None
    number = float(value)
    return number if math.isfinite(number) and abs(number) < 1e6 else None


def _code(value: float | None) -> int | None:
    return int(value) if value is not None and 0 <= value <= 99 else None


def _summary(
    data: _OpenMeteo, place: str, position: Position, start: datetime, end: datetime, issued: datetime, source: str
) -> Forecast:
    """One forecast for the hours that overlap [start, end)."""
    last = data.hours[-1].at + timedelta(hours=1)
    hours = [h for h in data.hours if h.at < end and h.at + timedelta(hours=1) > start and h.code is not None]
    if start >= last or end <= data.hours[0].at or not hours:
        raise NotFound(STAGE, f"no forecast for {start:%Y-%m-%d}")
    days = _full_days(data, start, end)
    temperatures = [h.temperature for h in hours if h.temperature is not None]
    rain = [h.precipitation for h in hours if h.precipitation is not None]
    return Forecast(
        place=place,
        position=position,
        start=start,
        end=min(end, last),
        weather_code=_typical_code(hours),
        high_c=_highest([*(d["temperature_2m_max"] for d in days), *temperatures]),
        low_c=_lowest([*(d["temperature_2m_min"] for d in days), *temperatures]),
        precipitation_probability=_percent(
            _highest([*(d["precipitation_probability_max"] for d in days), *(h.probability for h in hours)])
        ),
        precipitation_mm=round(sum(rain), 1) if rain else None,
        wind_ms=_highest(h.wind for h in hours),
        issued_at=issued,
        source=source,
        demo=data.demo,
        humidity_percent=_percent(_highest(h.humidity for h in hours)),
        uv_index=_highest(h.uv for h in hours),
    )


def _full_days(data: _OpenMeteo, start: datetime, end: datetime) -> list[Mapping[str, float | None]]:
    """The daily rows of the dates that lie wholly within the span."""
    zone = data.hours[0].at.tzinfo
    first, after = start.astimezone(zone), end.astimezone(zone)
    return [
        row
        for day, row in data.days.items()
        if first <= datetime(day.year, day.month, day.day, tzinfo=zone)
        and datetime(day.year, day.month, day.day, tzinfo=zone) + timedelta(days=1) <= after
    ]


def _typical_code(hours: Sequence[_Hour]) -> int:
    """The weather that describes these hours: wet when a fifth of the waking hours is (the worst of it), else the sky."""
    waking = [h for h in hours if 6 <= h.at.hour < 22] or list(hours)
    codes = [h.code for h in waking if h.code is not None]
    wet = [c for c in codes if group_of(c) in WET]
    if wet and len(wet) * 5 >= len(codes):
        return max(wet)
    fog = [c for c in codes if group_of(c) == "fog"]
    if fog and len(fog) * 3 >= len(codes):
        return max(fog)
    dry = sorted(c for c in codes if group_of(c) not in WET and group_of(c) != "fog") or sorted(codes)
    return dry[len(dry) // 2]


def _highest(values: Iterable[float | None]) -> float | None:
    return max((v for v in values if v is not None), default=None)


def _lowest(values: Iterable[float | None]) -> float | None:
    return min((v for v in values if v is not None), default=None)


def _percent(value: float | None) -> int | None:
    return None if value is None else max(0, min(100, round(value)))


# ---- Japan Meteorological Agency


@dataclass(frozen=True, slots=True)
class _JmaDay:
    code: int
    high: float | None
    low: float | None


@dataclass(frozen=True, slots=True)
class _Jma:
    issued: datetime
    days: Mapping[date, _JmaDay]
    chances: tuple[tuple[datetime, datetime, int], ...]
    """(from, to, percent)"""
    demo: bool


class JmaWeather:
    """The agency's forecasts for the prefectures of Japan, up to a week ahead; wind only in words, so None here."""

    REACH_M = 250_000
    """Farther than this from every office is not Japan."""

    def __init__(
        self,
        base_url: str,
        session: aiohttp.ClientSession,
        deadline_s: float = 2.0,
        *,
        clock: Callable[[], datetime] = local_clock,
        fresh_s: float = 1800,
        stale_s: float = 86_400,
    ) -> None:
        """`base_url` without path (https://www.jma.go.jp)."""
        self._base_url = base_url.rstrip("/")
        self._session = session
        self._deadline_s = deadline_s
        self._offices = jma.offices()
        self._cache = _Cache(clock, fresh_s, stale_s)

    async def forecast(self, place: str, position: Position, start: datetime, end: datetime) -> Forecast:
        office = jma.nearest_office(position, self._offices)
        if office.distance_to(position) > self.REACH_M:
            raise NotFound(STAGE, "outside Japan")
        area = min(office.areas, key=lambda a: a.position.distance_to(position)).code if office.areas else None
        _, data = await self._cache.get((office.code, area), lambda: self._fetch(office.code, area))
        return self._summary(data, place, position, start, end)

    async def _fetch(self, office: str, area: str | None) -> _Jma:
        url = f"{self._base_url}/bosai/forecast/data/forecast/{office}.json"
        answer = await http.get(self._session, url, stage=STAGE, deadline_s=self._deadline_s)
        return _parse_jma(http.parse_json(answer, STAGE), area, demo=answer.demo)

    def _summary(self, data: _Jma, place: str, position: Position, start: datetime, end: datetime) -> Forecast:
        days = [
            row
            for day, row in sorted(data.days.items())
            if _day_start(day, data.issued) < end and _day_start(day, data.issued) + timedelta(days=1) > start
        ]
        if not days:
            raise NotFound(STAGE, f"no forecast for {start:%Y-%m-%d}")
        chances = [chance for first, after, chance in data.chances if first < end and after > start]
        last = _day_start(max(data.days), data.issued) + timedelta(days=1)
        return Forecast(
            place=place,
            position=position,
            start=start,
            end=min(end, last) if last > start else end,
            weather_code=max((d.code for d in days), key=lambda c: (group_of(c) in WET, c)),
            high_c=_highest(d.high for d in days),
            low_c=_lowest(d.low for d in days),
            precipitation_probability=max(chances, default=None),
            precipitation_mm=None,
            wind_ms=None,
            issued_at=data.issued,
            source="気象庁",
            demo=data.demo,
        )


def _day_start(day: date, like: datetime) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=like.tzinfo)


def _parse_jma(data: Any, area: str | None, *, demo: bool) -> _Jma:
    """Reads the short forecast (three days, chances by six hours) and the weekly one; the short one wins where both speak."""
    try:
        short = data[0]
        issued = datetime.fromisoformat(short["reportDatetime"])
        codes: dict[date, int] = {}
        highs: dict[date, float | None] = {}
        lows: dict[date, float | None] = {}
        chances: list[tuple[datetime, datetime, int]] = []
        if len(data) > 1:
            skies, temperatures = data[1]["timeSeries"][0], data[1]["timeSeries"][1]
            row = _area_row(skies, None)
            for at, code, chance in zip(_times(skies), row["weatherCodes"], row.get("pops") or [""] * 7, strict=False):
                if (wmo := _wmo(code)) is not None:
                    codes[at.date()] = wmo
                if (percent := _text_number(chance)) is not None:
                    midnight = at.replace(hour=0, minute=0)
                    chances.append((midnight, midnight + timedelta(days=1), int(percent)))
            row = _area_row(temperatures, None)
            for at, low, high in zip(_times(temperatures), row["tempsMin"], row["tempsMax"], strict=False):
                lows[at.date()], highs[at.date()] = _text_number(low), _text_number(high)
        series = short["timeSeries"]
        for at, code in zip(_times(series[0]), _area_row(series[0], area)["weatherCodes"], strict=False):
            if (wmo := _wmo(code)) is not None:
                codes[at.date()] = wmo
        six_hourly = [
            (at, at + timedelta(hours=6), int(percent))
            for at, chance in zip(_times(series[1]), _area_row(series[1], area)["pops"], strict=False)
            if (percent := _text_number(chance)) is not None
        ]
        if six_hourly:
            first, after = six_hourly[0][0], six_hourly[-1][1]
            chances = [c for c in chances if c[1] <= first or c[0] >= after] + six_hourly
        _short_temperatures(series[2], area, highs, lows)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        raise BadAnswer(STAGE, f"not a JMA forecast: {type(error).__name__}") from error
    if not codes or issued.tzinfo is None:
        raise BadAnswer(STAGE, "a forecast without days")
    days = {day: _JmaDay(code, highs.get(day), lows.get(day)) for day, code in codes.items()}
    return _Jma(issued, days, tuple(chances), demo)


def _short_temperatures(
    series: Any, area: str | None, highs: dict[date, float | None], lows: dict[date, float | None]
) -> None:
    """Pairs of (lowest, highest) a day; on the day itself JMA repeats the highest in both places."""
    by_day: dict[date, list[float]] = {}
    for at, text in zip(_times(series), _point_row(series, area)["temps"], strict=False):
        if (value := _text_number(text)) is not None:
            by_day.setdefault(at.date(), []).append(value)
    for day, values in by_day.items():
        highs[day] = max(values)
        if min(values) < max(values):
            lows[day] = min(values)


def _times(series: Any) -> list[datetime]:
    return [datetime.fromisoformat(t) for t in series["timeDefines"]]


def _area_row(series: Any, area: str | None) -> Any:
    rows = series["areas"]
    return next((r for r in rows if r["area"]["code"] == area), rows[0])


def _point_row(series: Any, area: str | None) -> Any:
    """Temperatures are given for points, in the areas' order; the first point stands for the main area."""
    rows = series["areas"]
    index = int(area[4]) - 1 if area and area[4].isdigit() else 0
    return rows[index] if 0 <= index < len(rows) else rows[0]


def _wmo(code: Any) -> int | None:
    return jma.to_wmo(int(code)) if str(code).isdigit() else None


def _text_number(text: Any) -> float | None:
    return None if text in (None, "") else _finite(text)


# ---- one after the other


class FallbackWeather:
    """Asks `first` within a short deadline when going online is allowed, else or on failure `second`.

    After a failure `first` is left alone for `retry_after_s` seconds, so that a lost network costs one deadline, not one a turn.
    """

    def __init__(
        self,
        first: Weather,
        second: Weather,
        *,
        online: bool,
        clock: Callable[[], datetime] = local_clock,
        deadline_s: float = 1.2,
        retry_after_s: float = 60.0,
    ) -> None:
        self._first = first
        self._second = second
        self._online = online
        self._clock = clock
        self._deadline_s = deadline_s
        self._retry_after = timedelta(seconds=retry_after_s)
        self._failed_at: datetime | None = None

    async def forecast(self, place: str, position: Position, start: datetime, end: datetime) -> Forecast:
        if self._online and not self._resting():
            try:
                answer = await asyncio.wait_for(self._first.forecast(place, position, start, end), self._deadline_s)
                self._failed_at = None
                return answer
            except NotFound:
                # A real "not yet" is an answer; demo data must not fill it in.
                raise
            except (BackendError, TimeoutError, asyncio.TimeoutError):
                self._failed_at = self._clock()
        return await self._second.forecast(place, position, start, end)

    def _resting(self) -> bool:
        failed = self._failed_at
        return failed is not None and timedelta() <= self._clock() - failed < self._retry_after
