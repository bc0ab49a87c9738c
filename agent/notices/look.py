"""What lies ahead on a route: traffic, weather at the time of passing, offers; each as a candidate for a notice."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from agent.notices import wording
from agent.notices.model import Candidate, Detour, NoticeClass
from backends.errors import BackendError
from backends.model import Forecast, Language, PlaceQuery, Position, Route, RouteRequest, TrafficEvent
from backends.ports import Places, Routes, Traffic, Weather
from backends.routes import RouteLine
from backends.traffic import Match, match_along
from backends.weather import SNOWY, WET, group_of

FULL_DELAY_S = 900.0
"""a delay of this much is worth saying in any case"""
WORTH_S = 180.0
"""a detour is offered when it saves this much"""
EXPECTED_DELAY_S: Mapping[str, float] = {
    "accident": 600,
    "closure": 1200,
    "restriction": 180,
    "roadworks": 120,
    "jam": 300,
}
"""when a report gives none"""
KINDS: Mapping[str, NoticeClass] = {
    "accident": "accident", "closure": "closure", "restriction": "regulation", "roadworks": "regulation", "jam": "jam",
}  # fmt: skip
WEATHER_EVERY_S = 900.0
GRID = 0.05
"""degrees between two places the weather is asked for"""
LIVES = timedelta(minutes=30)
DETOUR_POINTS = 5
"""points of an event the detour must not pass"""
REACH_M = 8_000.0
"""how far ahead events are looked for on the road one goes on by"""
MEET = 0.75
"""without a known destination, an event is spoken of from this chance on that it is passed"""
FALSE_ALARM = 0.95
"""that a fresh report is true"""


@dataclass(frozen=True, slots=True)
class Onwards:
    """The road ahead without a destination."""

    here: Position
    routes: tuple[Route, ...]
    """likeliest first"""
    chance: Callable[[Sequence[Position]], Sequence[float]]
    """how likely the drive goes on past each spot, 0 … 1"""


@dataclass(frozen=True, slots=True)
class Ahead:
    """The road that will be driven."""

    route: Route
    along_m: float
    """where the car is on it"""
    confidence: float
    """1 for a set route, else the probability of the predicted one"""
    destination: Position
    name: str = ""
    """what the destination is called"""
    predicted: bool = False
    reason: Mapping[str, str] | None = None
    """language → why this destination (predicted ones)"""
    usual_s: float | None = None
    """how long the rest of this drive usually takes the driver at this hour"""
    onward: Onwards | None = None
    """the ways the drive may go on, where the destination is not known; `route` is the likeliest of them then"""


class Offers(Protocol):
    async def offers(self, ahead: Ahead, now: datetime) -> Sequence[Candidate]:
        """Places the driver may like on the way; [] when it is not the time for it."""


class Lookout:
    """Asks the backends; what does not answer is left out, and asked again at the next look."""

    def __init__(
        self,
        traffic: Traffic,
        weather: Weather,
        routes: Routes,
        places: Places | None = None,
        offers: Offers | None = None,
    ) -> None:
        self._traffic, self._weather, self._routes, self._places = traffic, weather, routes, places
        self._offers = offers

    async def look(self, ahead: Ahead, now: datetime) -> list[Candidate]:
        if ahead.onward is not None:
            # Where it goes is not known: what lies on the road it goes on by, and nothing else.
            return await self._on_the_road(ahead, ahead.onward, now)
        line = RouteLine(ahead.route)
        found = await self._roads(ahead, line, now)
        found += await self._skies(ahead, line, now)
        if self._offers is not None:
            found += await self._offers.offers(ahead, now)
        return found

    # ── roads ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def _roads(self, ahead: Ahead, line: RouteLine, now: datetime) -> list[Candidate]:
        try:
            events = await self._traffic.along(ahead.route.geometry)
        except BackendError:
            return []
        matches = [m for m in match_along(ahead.route.geometry, events, from_m=ahead.along_m) if m.event.id]
        _, rest_s = line.remaining_at(ahead.along_m)
        expected = rest_s + sum(delay_of(m.event) for m in matches)
        # What it takes longer than usual on this road at this hour; a jam one is in every day is no news.
        late = expected - max(rest_s, ahead.usual_s) if ahead.usual_s is not None else expected - rest_s
        out = []
        for match in matches:
            gap_m = max(0.0, match.along_m - ahead.along_m)
            here_s = line.seconds_at(ahead.along_m)
            passing_s = max(0.0, line.seconds_at(match.along_m) - here_s)
            out.append(self._event(ahead, match, gap_m, passing_s, min(delay_of(match.event), max(0.0, late)), now))
        worst = max(out, key=lambda c: c.relevance, default=None)
        if worst is not None and (worst.delay_s >= WORTH_S or worst.kind == "closure"):
            event = next(m.event for m in matches if m.event.id == worst.key)
            detour = await self._detour(ahead, line, event, expected)
            if detour is not None:
                out[out.index(worst)] = with_detour(worst, detour)
        return out

    async def _on_the_road(self, ahead: Ahead, onward: Onwards, now: datetime) -> list[Candidate]:
        try:
            events = [e for e in await self._traffic.around(onward.here, REACH_M) if e.id]
        except BackendError:
            return []
        p = dict(zip((e.id for e in events), onward.chance([e.geometry[0] for e in events]), strict=True))
        likely = [e for e in events if p[e.id] >= MEET]
        out: dict[str, Candidate] = {}
        for route in onward.routes if likely else ():
            line = RouteLine(route)
            along, _ = line.project(onward.here)
            way = replace(ahead, route=route, along_m=along)
            for match in match_along(route.geometry, likely, from_m=along):
                gap_m = max(0.0, match.along_m - along)
                passing_s = max(0.0, line.seconds_at(match.along_m) - line.seconds_at(along))
                on_it = replace(way, confidence=p[match.event.id])
                found = self._event(on_it, match, gap_m, passing_s, delay_of(match.event), now)
                out.setdefault(match.event.id, found)
        return list(out.values())

    def _event(
        self, ahead: Ahead, match: Match, gap_m: float, passing_s: float, delay_s: float, now: datetime
    ) -> Candidate:
        event = match.event
        kind = KINDS[event.kind]
        cost = min(1.0, delay_s / FULL_DELAY_S)
        relevance = {"closure": 1.0, "accident": max(0.6, cost), "regulation": max(0.2, cost)}.get(kind, cost)
        age = (now - event.updated_at).total_seconds()
        values: dict[Language, dict[str, str]] = {}
        for lang in wording.LANGUAGES:
            road = (event.road_en or event.road) if lang == "en" else event.road
            values[lang] = {
                "distance": wording.distance(gap_m, lang),
                "road": wording.road(road, lang),
                "delay": wording.duration(delay_s, lang),
                "destination": ahead.name,
            }
        return Candidate(
            kind=kind,
            key=event.id,
            relevance=relevance,
            # An old report may be over by the time one is there.
            confidence=ahead.confidence * FALSE_ALARM * (1.0 if age < 1200 else 0.6),
            ahead_s=passing_s,
            until=min(event.until or now + LIVES, now + LIVES),
            sentence=f"notice.{kind}" + ("_delay" if delay_s >= 60 and kind != "closure" else ""),
            values=values,
            delay_s=delay_s,
            place=event.geometry[0],
        )

    async def _detour(self, ahead: Ahead, line: RouteLine, event: TrafficEvent, expected_s: float) -> Detour | None:
        here = line.position_at(ahead.along_m)
        step = max(1, len(event.geometry) // DETOUR_POINTS)
        request = RouteRequest(
            here, ahead.destination, heading=line.heading_at(ahead.along_m), language=ahead.route.language,
            exclude=event.geometry[::step][:DETOUR_POINTS],
        )  # fmt: skip
        try:
            found = await self._routes.route(request)
            if not found:
                return None
            others = await self._traffic.along(found[0].geometry)
        except BackendError:
            return None
        # The router was told to leave the event's road: a point of it that another road passes near is no matter.
        point = event.id if len(event.geometry) == 1 else None
        met = [m.event for m in match_along(found[0].geometry, others) if m.event.id != point]
        delays = sum(delay_of(e) for e in met)
        if any(e.kind == "closure" for e in met):
            return None
        saves = expected_s - found[0].duration_s - delays
        return Detour(found[0], saves) if saves >= WORTH_S or event.kind == "closure" else None

    # ── skies ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def _skies(self, ahead: Ahead, line: RouteLine, now: datetime) -> list[Candidate]:
        """The first change for the worse on the way, at the hour it is passed."""
        here_s = line.seconds_at(ahead.along_m)
        rest_s = line.remaining_at(ahead.along_m)[1]
        before: str | None = None
        for passing in (*_every(WEATHER_EVERY_S, rest_s), rest_s):
            metres = line.metres_at(here_s + passing)
            spot = line.position_at(metres)
            hour = (now + timedelta(seconds=passing)).replace(minute=0, second=0, microsecond=0)
            try:
                forecast = await self._weather.forecast("", coarse(spot), hour, hour + timedelta(hours=1))
            except BackendError:
                return []
            kind, relevance = severity(forecast)
            if before is not None and relevance > 0 and kind != before:
                return [self._sky(ahead, kind, relevance, passing, metres - ahead.along_m, spot, now)]
            before = kind
        return []

    def _sky(
        self, ahead: Ahead, kind: str, relevance: float, passing_s: float, gap_m: float, spot: Position, now: datetime
    ) -> Candidate:
        values = {
            lang: {"distance": wording.distance(gap_m, lang), "minutes": wording.duration(passing_s, lang)}
            for lang in wording.LANGUAGES
        }
        return Candidate(
            kind="weather",
            key=f"weather:{kind}:{now:%Y%m%d}{now.hour // 6}",
            relevance=relevance,
            confidence=ahead.confidence * 0.85,
            ahead_s=passing_s,
            until=now + LIVES,
            sentence=f"notice.weather_{kind}",
            values=values,
            place=spot,
        )


def coarse(spot: Position) -> Position:
    """The point of a grid of some five kilometres: near enough for the weather, and all that leaves the car of where one
    is going."""
    return Position(round(round(spot.latitude / GRID) * GRID, 4), round(round(spot.longitude / GRID) * GRID, 4))


def _every(step: float, until: float) -> list[float]:
    return [n * step for n in range(math.ceil(until / step))]


def delay_of(event: TrafficEvent) -> float:
    """Seconds; what such an event usually costs when the report does not say."""
    return event.delay_s if event.delay_s is not None else EXPECTED_DELAY_S[event.kind]


def severity(forecast: Forecast) -> tuple[str, float]:
    """(snow, heavy_rain, storm, rain, dry) and how much it matters to a driver, 0 … 1."""
    group = group_of(forecast.weather_code)
    if group in SNOWY or group == "heavy_snow":
        return "snow", 0.95
    if (forecast.wind_ms or 0.0) >= 20 or group == "thunder":
        return "storm", 0.8
    if group == "heavy_rain" or (forecast.precipitation_mm or 0.0) >= 10:
        return "heavy_rain", 0.7
    if group in WET and group != "drizzle":
        return "rain", 0.3 if (forecast.precipitation_probability or 0) >= 60 else 0.0
    return "dry", 0.0


def with_detour(candidate: Candidate, detour: Detour) -> Candidate:
    saves = {
        lang: {**values, "saves": wording.duration(max(60.0, detour.saves_s), lang), "via": detour.route.via or ""}
        for lang, values in candidate.values.items()
    }
    suffix = "_detour" if detour.saves_s >= WORTH_S else "_way"
    base = candidate.sentence.removesuffix("_delay")
    return replace(candidate, detour=detour, values=saves, sentence=base + suffix)


@dataclass
class MealOffers:
    """A place the driver likes on the way, at meal times; only for who asked for offers."""

    places: Places
    liked: Sequence[str] = ()
    """genres, best first"""
    hours: tuple[tuple[int, int], ...] = ((11, 13), (17, 20))

    async def offers(self, ahead: Ahead, now: datetime) -> Sequence[Candidate]:
        if not self.liked or not any(begin <= now.hour < end for begin, end in self.hours):
            return []
        line = RouteLine(ahead.route)
        query = PlaceQuery(
            kind="restaurant", genres=tuple(self.liked[:3]), along=ahead.route.geometry, corridor_m=500,
            near=line.position_at(ahead.along_m), open_at=now, limit=5, sort="rating",
        )  # fmt: skip
        try:
            page = await self.places.search(query)
        except BackendError:
            return []
        for hit in page.hits:
            along, _ = line.project(hit.place.position)
            passing = line.seconds_at(along) - line.seconds_at(ahead.along_m)
            if passing < 240:
                continue
            values = {
                lang: {
                    "name": wording.safe((hit.place.name_en or hit.place.name) if lang == "en" else hit.place.name),
                    "minutes": wording.duration(passing, lang),
                }
                for lang in wording.LANGUAGES
            }
            return [
                Candidate(
                    "offer", f"offer:{hit.place.id}", 0.4, ahead.confidence, passing, now + LIVES, "notice.offer",
                    values, place=hit.place.position, place_name=hit.place.name,
                )
            ]  # fmt: skip
        return []
