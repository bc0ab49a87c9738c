"""The simulated centre: a loopback server that tells the car about the simulated world in the formats of real services.

    GET /v1/forecast                                    Open-Meteo's forecast API (the variables asked for, 1 … 16 days)
    GET /bosai/forecast/data/forecast/{office}.json     JMA's forecast files
    GET /rss/{language}/{topic}.xml                     RSS 2.0
    GET /traffic/v1/events?bbox=w,s,e,n                 docs/traffic-feed.md
    GET /parking/v1/vacancy?ids=a,b                     {"vacancy": {id: vacant|crowded|full}, "time": …}

Every answer carries `X-Demo: true`. With the world's network lost, connections are cut; with the contract cancelled the answer is 403.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from datetime import datetime, time, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from aiohttp import web

from backends import jma
from backends.http import DEMO_HEADER
from backends.model import Position, TrafficEvent, TrafficKind
from simulator.world import HourOfWeather, SimulatedWorld

DATA = Path(__file__).with_name("centre_data")
GENERATOR = "voice-concierge simulated centre (demo)"
MAX_DAYS = 16

_RECORDS: Mapping[TrafficKind, str] = {
    "jam": "AbnormalTraffic",
    "accident": "Accident",
    "closure": "RoadOrCarriagewayOrLaneManagement",
    "restriction": "RoadOrCarriagewayOrLaneManagement",
    "roadworks": "MaintenanceWorks",
}
_HOURLY = {
    "temperature_2m": ("°C", lambda h: h.temperature_c),
    "relative_humidity_2m": ("%", lambda h: h.humidity_percent),
    "precipitation_probability": ("%", lambda h: h.precipitation_probability),
    "precipitation": ("mm", lambda h: h.precipitation_mm),
    "weather_code": ("wmo code", lambda h: h.code),
    "wind_speed_10m": ("m/s", lambda h: h.wind_ms),
    "uv_index": ("", lambda h: h.uv_index),
}
_DAILY = {
    "weather_code": ("wmo code", lambda hours: max(h.code for h in hours)),
    "temperature_2m_max": ("°C", lambda hours: max(h.temperature_c for h in hours)),
    "temperature_2m_min": ("°C", lambda hours: min(h.temperature_c for h in hours)),
    "precipitation_sum": ("mm", lambda hours: round(sum(h.precipitation_mm for h in hours), 1)),
    "precipitation_probability_max": ("%", lambda hours: max(h.precipitation_probability for h in hours)),
    "wind_speed_10m_max": ("m/s", lambda hours: max(h.wind_ms for h in hours)),
    "uv_index_max": ("", lambda hours: max(h.uv_index for h in hours)),
}
_WIND_UNITS = {"ms": ("m/s", 1.0), "kmh": ("km/h", 3.6), "mph": ("mp/h", 2.23694), "kn": ("kn", 1.94384)}


class CentreError(RuntimeError):
    """The centre could not start (the port is taken) or its data is broken."""


class CentreServer:
    """The centre of one world. `async with CentreServer(world) as centre: centre.base_url`."""

    def __init__(self, world: SimulatedWorld, host: str = "127.0.0.1", port: int = 0) -> None:
        """`port` 0 takes a free one."""
        self._world = world
        self._host = host
        self._port = port
        self._runner: web.AppRunner | None = None
        self._news: dict[str, Any] = {}
        self._offices = {o.code: o for o in jma.offices()}
        self.base_url = ""
        """http://host:port once started"""

    async def start(self) -> str:
        """Listens and returns `base_url`. Raises `CentreError`."""
        app = web.Application(middlewares=[self._middleware])
        app.router.add_get("/v1/forecast", self._open_meteo)
        app.router.add_get("/bosai/forecast/data/forecast/{office}.json", self._jma)
        app.router.add_get("/rss/{language}/{topic}.xml", self._rss)
        app.router.add_get("/traffic/v1/events", self._traffic)
        app.router.add_get("/parking/v1/vacancy", self._parking)
        # Shutting down does not wait for connections that clients keep open.
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError as error:
            await self._runner.cleanup()
            self._runner = None
            raise CentreError(f"the simulated centre cannot listen on {self._host}:{self._port}") from error
        host, port = self._runner.addresses[0][:2]
        self.base_url = f"http://{host}:{port}"
        return self.base_url

    async def stop(self) -> None:
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def __aenter__(self) -> CentreServer:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    @web.middleware
    async def _middleware(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if self._world.network_lost:
            # What a tunnel does to a connection: it is gone, without a word.
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=503)
        if self._world.contract_cancelled:
            return web.json_response({"error": True, "reason": "contract cancelled"}, status=403)
        response: web.StreamResponse = await handler(request)
        response.headers[DEMO_HEADER] = "true"
        return response

    # ---- weather

    async def _open_meteo(self, request: web.Request) -> web.Response:
        query = request.query
        try:
            position = Position(float(query["latitude"]), float(query["longitude"]))
            days = int(query.get("forecast_days", "7"))
            hourly = [v for v in query.get("hourly", "").split(",") if v]
            daily = [v for v in query.get("daily", "").split(",") if v]
            wind_unit, wind_factor = _WIND_UNITS[query.get("wind_speed_unit", "kmh")]
            for name in [v for v in hourly if v not in _HOURLY] + [v for v in daily if v not in _DAILY]:
                raise ValueError(f"invalid variable {name[:40]}")
            if not 1 <= days <= MAX_DAYS:
                raise ValueError(f"Forecast days is invalid. Allowed range 0 to {MAX_DAYS}.")
        except (KeyError, ValueError) as error:
            return web.json_response({"error": True, "reason": f"{error}"}, status=400)
        now = self._world.now()
        first = datetime.combine(now.date(), time(), now.tzinfo)
        hours = self._world.weather_hours(position, first, days * 24)
        offset = now.utcoffset() or timedelta()
        body: dict[str, Any] = {
            "latitude": position.latitude,
            "longitude": position.longitude,
            "generationtime_ms": 0.1,
            "utc_offset_seconds": int(offset.total_seconds()),
            "timezone": "Asia/Tokyo" if offset == timedelta(hours=9) else str(now.tzinfo),
            "timezone_abbreviation": now.strftime("%Z") or "JST",
            "elevation": 10.0,
        }

        def value(name: str, raw: float) -> float:
            return round(raw * wind_factor, 1) if name.startswith("wind_speed") else raw

        def unit(name: str, own: str) -> str:
            return wind_unit if name.startswith("wind_speed") else own

        if hourly:
            times = [(first + timedelta(hours=i)).strftime("%Y-%m-%dT%H:%M") for i in range(len(hours))]
            body["hourly_units"] = {"time": "iso8601", **{n: unit(n, _HOURLY[n][0]) for n in hourly}}
            body["hourly"] = {
                "time": times,
                **{n: [value(n, _HOURLY[n][1](h)) for h in hours] for n in hourly},  # type: ignore[no-untyped-call]
            }
        if daily:
            rows = [hours[i * 24 : i * 24 + 24] for i in range(days)]
            body["daily_units"] = {"time": "iso8601", **{n: unit(n, _DAILY[n][0]) for n in daily}}
            body["daily"] = {
                "time": [(first + timedelta(days=i)).strftime("%Y-%m-%d") for i in range(days)],
                **{n: [value(n, _DAILY[n][1](row)) for row in rows] for n in daily},  # type: ignore[no-untyped-call]
            }
        return web.json_response(body)

    async def _jma(self, request: web.Request) -> web.Response:
        office = self._offices.get(request.match_info["office"])
        if office is None:
            raise web.HTTPNotFound
        areas = [(a.code, a.name, a.position) for a in office.areas] or [
            (office.code[:5] + "0", office.name, office.position)
        ]
        now = self._world.now()
        # JMA publishes at 5, 11 and 17 o'clock.
        issued = max(
            (t for d in (0, 1) for h in (5, 11, 17) if (t := _at(now, -d, h)) <= now),
            default=_at(now, -1, 17),
        )
        days = 8
        hours = {code: self._world.weather_hours(position, _at(issued, 0, 0), days * 24) for code, _, position in areas}

        def of(code: str, day: int, first: int = 0, after: int = 24) -> tuple[HourOfWeather, ...]:
            return hours[code][day * 24 + first : day * 24 + after]

        def area(code: str, name: str, **values: object) -> dict[str, object]:
            return {"area": {"name": name, "code": code}, **values}

        skies = [issued, _at(issued, 1, 0), _at(issued, 2, 0)]
        sixes = [t for i in range(8) if (t := _at(issued, i // 4, i % 4 * 6)) + timedelta(hours=6) > issued]
        temperatures = [_at(issued, 0, 9), _at(issued, 0, 0), _at(issued, 1, 0), _at(issued, 1, 9)]
        short = {
            "publishingOffice": "気象台（デモ）",
            "reportDatetime": issued.isoformat(timespec="seconds"),
            "timeSeries": [
                {
                    "timeDefines": [t.isoformat(timespec="seconds") for t in skies],
                    "areas": [
                        area(
                            c,
                            n,
                            weatherCodes=[_jma_code(of(c, d)) for d in range(3)],
                            weathers=[_JMA_WORDS[_jma_code(of(c, d))] for d in range(3)],
                            winds=["南の風"] * 3,
                        )
                        for c, n, _ in areas
                    ],
                },
                {
                    "timeDefines": [t.isoformat(timespec="seconds") for t in sixes],
                    "areas": [
                        area(
                            c,
                            n,
                            pops=[_chance(of(c, (t.date() - issued.date()).days, t.hour, t.hour + 6)) for t in sixes],
                        )
                        for c, n, _ in areas
                    ],
                },
                {
                    "timeDefines": [t.isoformat(timespec="seconds") for t in temperatures],
                    "areas": [
                        area(c, n, temps=[_high(of(c, 0)), _high(of(c, 0)), _low(of(c, 1)), _high(of(c, 1))])
                        for c, n, _ in areas
                    ],
                },
            ],
        }
        code, name, _ = areas[0]
        week = [t.isoformat(timespec="seconds") for t in (_at(issued, d, 0) for d in range(1, days))]
        later = range(1, days)
        weekly = {
            "publishingOffice": "気象台（デモ）",
            "reportDatetime": issued.isoformat(timespec="seconds"),
            "timeSeries": [
                {
                    "timeDefines": week,
                    "areas": [
                        area(
                            code,
                            name,
                            weatherCodes=[_jma_code(of(code, d)) for d in later],
                            # The first day's chances stand in the short forecast.
                            pops=["", *(_chance(of(code, d)) for d in range(2, days))],
                            reliabilities=["", "", *("A" for _ in range(3, days))],
                        )
                    ],
                },
                {
                    "timeDefines": week,
                    "areas": [
                        area(
                            code,
                            name,
                            tempsMin=["", *(_low(of(code, d)) for d in range(2, days))],
                            tempsMax=["", *(_high(of(code, d)) for d in range(2, days))],
                        )
                    ],
                },
            ],
        }
        return web.json_response([short, weekly])

    # ---- news

    async def _rss(self, request: web.Request) -> web.Response:
        language, topic = request.match_info["language"], request.match_info["topic"]
        if language not in ("ja", "en"):
            raise web.HTTPNotFound
        table = self._table(language)
        if topic not in table["topics"]:
            raise web.HTTPNotFound
        now = self._world.now()
        items = self._items(table, language, topic, now) if self._world.news_on else []
        body = (
            '<?xml version="1.0" encoding="UTF-8"?>\n<rss version="2.0"><channel>'
            f"<title>{escape(table['title'])}</title><link>{escape(self.base_url)}</link>"
            f"<description>{escape(table['description'])}</description><language>{language}</language>"
            f"<lastBuildDate>{format_datetime(now)}</lastBuildDate><generator>{GENERATOR}</generator>"
            + "".join(items)
            + "</channel></rss>"
        )
        return web.Response(body=body.encode(), content_type="application/rss+xml", charset="utf-8")

    def _table(self, language: str) -> Any:
        if language not in self._news:
            path = DATA / "news" / f"{language}.json"
            try:
                self._news[language] = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise CentreError(f"{path.name}: {error}") from error
        return self._news[language]

    @staticmethod
    def _items(table: Any, language: str, topic: str, now: datetime) -> list[str]:
        """The topic's items: one every three hours back from now, today's order chosen by the date."""
        rows = table["topics"][topic]
        slot = int(now.timestamp() // 10_800)
        items = []
        for i in range(len(rows)):
            title, summary = rows[(slot - i) % len(rows)]
            published = datetime.fromtimestamp((slot - i) * 10_800, now.tzinfo)
            day = f"{published.month}月{published.day}日" if language == "ja" else f"{published:%B} {published.day}"
            title, summary = title.replace("{date}", day), summary.replace("{date}", day)
            own = hashlib.blake2b(f"{language}:{topic}:{slot - i}".encode(), digest_size=8).hexdigest()
            items.append(
                f"<item><title>{escape(title)}</title><description><![CDATA[<p>{summary}</p>]]></description>"
                f'<pubDate>{format_datetime(published)}</pubDate><guid isPermaLink="false">demo-{own}</guid>'
                f"<category>{topic}</category></item>"
            )
        return items

    # ---- roads and car parks

    async def _traffic(self, request: web.Request) -> web.Response:
        box = None
        if "bbox" in request.query:
            try:
                west, south, east, north = (float(v) for v in request.query["bbox"].split(","))
            except ValueError:
                return web.json_response({"error": True, "reason": "bbox=west,south,east,north"}, status=400)
            if not all(math.isfinite(v) for v in (west, south, east, north)):
                return web.json_response({"error": True, "reason": "bbox=west,south,east,north"}, status=400)
            box = (west, south, east, north)
        events = [e for e in self._world.events() if box is None or _touches(e, box)]
        return web.json_response(
            {
                "type": "FeatureCollection",
                "generator": GENERATOR,
                "publicationTime": self._world.now().isoformat(timespec="seconds"),
                "features": [_feature(e) for e in events],
            }
        )

    async def _parking(self, request: web.Request) -> web.Response:
        ids = [i for i in request.query.get("ids", "").split(",") if i][:200]
        return web.json_response(
            {
                "time": self._world.now().isoformat(timespec="seconds"),
                "vacancy": {i: self._world.vacancy(i) for i in ids},
            }
        )


def _at(like: datetime, days: int, hour: int) -> datetime:
    return datetime.combine(like.date() + timedelta(days=days), time(hour), like.tzinfo)


_JMA_WORDS = {
    "100": "晴れ", "101": "晴れ　時々　くもり", "102": "晴れ　一時　雨", "104": "晴れ　一時　雪", "200": "くもり",
    "202": "くもり　一時　雨", "204": "くもり　一時　雪", "300": "雨", "306": "大雨", "400": "雪", "405": "大雪",
}  # fmt: skip


def _jma_code(hours: tuple[HourOfWeather, ...]) -> str:
    """JMA's code for a day: what falls for most of it, falls for a while, or the sky."""
    waking = hours[6:22] or hours
    wet = [h for h in waking if h.code >= 51]
    snow = sum(h.code in (71, 73, 75) for h in wet) * 2 > len(wet)
    if len(wet) * 2 > len(waking):
        heavy = sum(h.precipitation_mm for h in hours) > (30 if snow else 80)
        return ("405" if heavy else "400") if snow else ("306" if heavy else "300")
    sky = sorted(h.code for h in waking if h.code < 51)
    clear = sky[len(sky) // 2] < 3
    if len(wet) * 5 >= len(waking):
        return ("104" if snow else "102") if clear else ("204" if snow else "202")
    return "200" if not clear else "101" if sky[len(sky) // 2] == 2 else "100"


def _chance(hours: tuple[HourOfWeather, ...]) -> str:
    return str(max(h.precipitation_probability for h in hours))


def _high(hours: tuple[HourOfWeather, ...]) -> str:
    return str(round(max(h.temperature_c for h in hours)))


def _low(hours: tuple[HourOfWeather, ...]) -> str:
    return str(round(min(h.temperature_c for h in hours)))


def _touches(event: TrafficEvent, box: tuple[float, float, float, float]) -> bool:
    west, south, east, north = box
    latitudes = [p.latitude for p in event.geometry]
    longitudes = [p.longitude for p in event.geometry]
    return max(longitudes) >= west and min(longitudes) <= east and max(latitudes) >= south and min(latitudes) <= north


def _feature(event: TrafficEvent) -> dict[str, Any]:
    points = [[round(p.longitude, 6), round(p.latitude, 6)] for p in event.geometry]
    properties: dict[str, Any] = {
        "situationRecordType": _RECORDS[event.kind],
        "situationRecordVersionTime": event.updated_at.isoformat(timespec="seconds"),
        "roadName": {"ja": event.road, **({"en": event.road_en} if event.road_en else {})},
    }
    if event.kind in ("closure", "restriction"):
        closed = event.kind == "closure"
        properties["roadOrCarriagewayOrLaneManagementType"] = "roadClosed" if closed else "laneClosures"
    if event.delay_s is not None:
        properties["delayTimeValue"] = event.delay_s
    if event.length_m is not None:
        properties["queueLength"] = event.length_m
    if event.until is not None:
        properties["overallEndTime"] = event.until.isoformat(timespec="seconds")
    return {
        "type": "Feature",
        "id": event.id,
        "geometry": {"type": "Point", "coordinates": points[0]}
        if len(points) == 1
        else {"type": "LineString", "coordinates": points},
        "properties": properties,
    }
