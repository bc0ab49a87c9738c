"""What goes on outside: weather, news, traffic.

The slot `weather` keeps what was asked last (place and time as said, keys only while in force), so that 「じゃあ横浜は？」 and
"and on Sunday?" change one thing and keep the other. The slot `news` keeps the headlines that were read.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

from actions.ground import Focus, ahead, best, car_position, lies_in
from actions.skill import Done, Outcome, Skill, Turn
from actions.wording import distance, duration
from backends import news as news_port
from backends import traffic as traffic_port
from backends import weather as weather_port
from backends.errors import NoMap, NotFound
from backends.model import Forecast, Headline, Language, Locality, Position, Route, RouteRequest, TrafficEvent
from backends.times import Span, UnresolvableTime, names_day, resolve, spoken, tidy
from backends.traffic import Match, match_along
from backends.weather import SNOWY, WET, group_of

PLACE_KEYS = ("prefecture", "city", "area", "station", "name")
_KINDS: Mapping[str, tuple[str, ...]] = {
    "prefecture": ("prefecture",),
    "city": ("city", "prefecture", "town", "ward"),
    "area": ("ward", "town", "city", "landmark", "station"),
    "station": ("station", "landmark", "airport"),
}
_SAME_AREA_M = 60_000
"""A ward farther than this from the city being talked about belongs to another one."""
_REMEMBERED_TURNS = 4
"""How long 「明日」 stays in force for weather questions that name no time."""
_SPOKEN_ITEMS = 3
"""the longest list a driver can follow"""


@dataclass(frozen=True, slots=True)
class Spot:
    """A place an answer is about."""

    name: str
    """as it is spoken; empty for where the car is"""
    position: Position
    keys: Mapping[str, str] = field(default_factory=dict)
    """what of `PLACE_KEYS` the driver said"""
    arrival: datetime | None = None
    """when the car gets there, for the destination under guidance"""


@dataclass(frozen=True, slots=True)
class NoSpot:
    """There is no such place; `phrase` says why."""

    phrase: str
    name: str = ""
    keys: Mapping[str, str] = field(default_factory=dict)


class _PlaceSkill(Skill):
    """What weather and traffic share: places as they are said in passing."""

    async def where(self, turn: Turn) -> Spot | NoSpot | None:
        """The place of `where`: here, there, the destination, home; None when the turn has no such word."""
        where = turn.first("where")
        if where == "here":
            return await self.car()
        if where in ("destination", "along_route"):
            return await self.destination()
        if where in ("there", "candidate"):
            focus = Focus.from_json(turn.slots.get("focus"))
            return Spot(focus.name, focus.position) if focus else None
        if where in ("home", "work"):
            saved = await self.world.memory.get(turn.driver, where)
            if saved is None:
                return NoSpot(f"information.no_{where}")
            return Spot(self.say(turn, f"information.{where}"), saved.position)
        return None

    async def car(self) -> Spot | NoSpot:
        position = await car_position(self.world)
        return Spot("", position) if position else NoSpot("information.no_position")

    async def destination(self) -> Spot | NoSpot:
        status = await self.world.navigation.status()
        position, eta = status.get("destination"), status.get("eta")
        if not status.get("guiding") or not isinstance(position, Position):
            return NoSpot("information.no_destination")
        return Spot(str(status.get("name") or ""), position, arrival=eta if isinstance(eta, datetime) else None)

    async def named(self, turn: Turn, keys: Mapping[str, str]) -> Spot | NoSpot:
        """The position behind names: the narrowest of them, within the wider ones."""
        car = await car_position(self.world)
        outer: Locality | None = None
        found: Locality | None = None
        for key in ("prefecture", "city", "area", "station"):
            if key in keys:
                candidates = self.world.gazetteer.lookup(keys[key], near=outer.position if outer else car)
                found = best(candidates, kinds=_KINDS[key], within=outer) or (candidates[0] if candidates else None)
                if found is None and not (outer and key == "area"):
                    return NoSpot("information.unknown_place", keys[key], keys)
                # A district the gazetteer lacks: its city's weather is what there is to say.
                found = found or outer
                outer = found
        if "name" in keys and found is None:
            return await self._facility(turn, keys, car)
        if found is None:
            return NoSpot("information.unknown_place", "", keys)
        return Spot(self._called(found, turn.language), found.position, keys)

    def _called(self, locality: Locality, language: Language) -> str:
        """A ward by its city too, for wards of one name are many."""
        name = _spoken(locality, language)
        if language == "en" and locality.kind == "ward" and locality.city:
            city = next(iter(self.world.gazetteer.lookup(locality.city, near=locality.position)), None)
            return f"{name}, {_spoken(city, language)}" if city else name
        return name

    async def _facility(self, turn: Turn, keys: Mapping[str, str], car: Position | None) -> Spot | NoSpot:
        name = keys["name"]
        candidates = self.world.gazetteer.lookup(name, near=car)
        if candidates:
            return Spot(self._called(candidates[0], turn.language), candidates[0].position, keys)
        hits = await self.world.places.find(name, near=car, limit=1)
        if hits and hits[0].score >= 0.6:
            place = hits[0].place
            called = (place.name_en or place.name) if turn.language == "en" else place.name
            return Spot(called, place.position, keys)
        return NoSpot("information.unknown_place", name, keys)

    def said_keys(self, turn: Turn) -> dict[str, str]:
        """The names of places in this turn."""
        keys: dict[str, str] = {}
        for entity in turn.entities:
            key = "name" if entity.type == "place_name" else entity.type
            if key in PLACE_KEYS and entity.role != "exclude" and isinstance(entity.value, str) and entity.value:
                # Said back to the driver when nothing is found: a name, not a page of text.
                keys.setdefault(key, entity.value[:40])
        return keys

    def context_keys(self, turn: Turn) -> dict[str, str]:
        """The place the dialogue is about: the search under way, else the journey being planned."""
        search = turn.slots.get("search")
        conditions = search.get("conditions", search) if isinstance(search, Mapping) else {}
        for source in (conditions, turn.slots.get("trip")):
            if isinstance(source, Mapping):
                keys = {k: v for k in ("prefecture", "city", "area", "station") if isinstance(v := source.get(k), str)}
                # Weather is asked by town: a ward or a station only counts where nothing wider was said.
                wide = {k: v for k, v in keys.items() if k in ("prefecture", "city")}
                if keys:
                    return wide or keys
        return {}

    def within_context(self, keys: dict[str, str], context: Mapping[str, str]) -> dict[str, str]:
        """`keys` with the city being talked about, when a narrower name was said alone and may lie in it."""
        wider = {k: v for k, v in context.items() if k in ("prefecture", "city")}
        if not wider or {"prefecture", "city"} & keys.keys() or not {"area", "station"} & keys.keys():
            return keys
        city = next(iter(self.world.gazetteer.lookup(list(wider.values())[-1])), None)
        narrow = keys.get("area") or keys["station"]
        candidates = self.world.gazetteer.lookup(narrow, near=city.position if city else None)
        inside = city is None or not candidates
        inside = inside or any(
            lies_in(c, cast(Locality, city)) or c.position.distance_to(cast(Locality, city).position) < _SAME_AREA_M
            for c in candidates
        )
        return {**wider, **keys} if inside else keys


def _spoken(locality: Locality, language: Language) -> str:
    """大阪市西区, 渋谷区, 札幌市, 小禄駅; Nishi Ward."""
    if language == "en":
        return locality.name_en or locality.name
    city = locality.city or ""
    # The wards of Tokyo are known by themselves; 西区 and 北区 are many.
    if locality.kind in ("ward", "town") and not city.startswith("東京") and not locality.name.startswith(city):
        return city + locality.name
    return locality.name


# ---- weather


class AskWeather(_PlaceSkill):
    """The weather of a place and time; what was asked (umbrella? snow?) is answered first."""

    action_name = "action_ask_weather"

    async def perform(self, turn: Turn) -> Outcome:
        now = self.world.clock()
        held: dict[str, Any] = dict(turn.slots.get("weather") or {})
        spot = await self._spot(turn, held)
        value = self._time(turn, held, spot)
        item = self._item(turn, held)
        slot = self._slot(turn, spot, value, item)
        if isinstance(spot, NoSpot):
            return self._cannot(turn, slot, spot.phrase, name=spot.name)
        slot |= {"name_spoken": spot.name, "lat": spot.position.latitude, "lon": spot.position.longitude}
        if item == "pollen":
            return self._cannot(turn, slot, "weather.no_pollen")
        try:
            span = _from_now(self._resolve(value, spot, now), now)
        except UnresolvableTime as error:
            missing = "information.no_destination" if "arrival" in str(error) else "weather.no_such_day"
            return self._cannot(turn, slot, missing)
        if span is None:
            return self._cannot(turn, slot, "weather.past")
        if span.granularity == "month":
            return Outcome(self.say(turn, "weather.which_day"), "asks_date", {"weather": slot})
        place = spot.name or self.say(turn, "weather.here")
        when = spoken(span, now, turn.language)
        try:
            forecasts = await self._forecasts(place, spot.position, span)
        except NotFound:
            text = _sentence(self.say(turn, "weather.too_far", when=when, place=place))
            return Outcome(
                text, "gives_info", {"weather": slot}, (Done("weather", {"place": place, "found": False}, False),)
            )
        said = [*self._answer(turn, item, place, span, forecasts, now), *self._caveats(turn, forecasts, now)]
        return Outcome(
            _lines(said, turn.language),
            "gives_info",
            {"weather": slot, "focus": self._focus(turn, spot)},
            (Done("weather", {"place": place, "from": span.start.isoformat(), "to": span.end.isoformat()}),),
            tuple(_card(f) for f in forecasts),
        )

    # -- what is asked

    async def _spot(self, turn: Turn, held: Mapping[str, Any]) -> Spot | NoSpot:
        keys = self.said_keys(turn)
        if keys:
            earlier = {k: held[k] for k in ("prefecture", "city") if k in held} or self.context_keys(turn)
            return await self.named(turn, self.within_context(keys, earlier))
        if (found := await self.where(turn)) is not None:
            return found
        if any(tidy(e.value).get("special") == "arrival" for e in turn.all("time")):
            # "When we get there": wherever the search is, the car is on its way to the destination.
            return await self.destination()
        context = self.context_keys(turn)
        if held.get("lat") is not None and held.get("basis") == _basis(context):
            kept = {k: str(held[k]) for k in PLACE_KEYS if k in held}
            # "here" asked again further down the road is somewhere else.
            if kept or held.get("name_spoken"):
                return Spot(str(held.get("name_spoken") or ""), Position(held["lat"], held["lon"]), kept)
        elif context:
            return await self.named(turn, context)
        if any(k in held for k in PLACE_KEYS) and held.get("basis") == _basis(context):
            return await self.named(turn, {k: str(held[k]) for k in PLACE_KEYS if k in held})
        if context:
            return await self.named(turn, context)
        return await self.car()

    def _time(self, turn: Turn, held: Mapping[str, Any], spot: Spot | NoSpot) -> dict[str, Any]:
        said = tidy(turn.first("time"))
        for entity in turn.all("time")[1:]:
            # 「3時から」「5時まで」 may come in two pieces.
            if set(later := tidy(entity.value)) == {"until"}:
                said = {**later, **said}
        before = tidy(held.get("time"))
        lasting = "day" in before or turn.number - int(held.get("turn") or 0) <= _REMEMBERED_TURNS
        if not said:
            if before and lasting:
                return before
            return {"special": "arrival"} if isinstance(spot, Spot) and spot.arrival else {}
        if before and lasting and not names_day(said) and not {"special", "minutes_from_now"} & said.keys():
            # "And in the evening?": the day stays, the hour is new. Of a whole week or month no one day is meant.
            if not {"day", "weekday", "day_offset"} & before.keys():
                return said
            day = {k: v for k, v in before.items() if k in ("month", "day", "weekday", "day_offset", "week_offset")}
            return {**day, **said}
        if "day" in said and "month" not in said and "month" in before:
            return {"month": before["month"], **said}
        return said

    def _item(self, turn: Turn, held: Mapping[str, Any]) -> str | None:
        item = turn.first("weather_item")
        if isinstance(item, str):
            return item
        general = re.search(r"天気|天候|気候|予報|\b(?:weather|forecast)\b", turn.text, re.IGNORECASE)
        recent = turn.number - int(held.get("turn") or 0) <= _REMEMBERED_TURNS
        return None if general or not recent else cast("str | None", held.get("item"))

    def _slot(self, turn: Turn, spot: Spot | NoSpot, value: Mapping[str, Any], item: str | None) -> dict[str, Any]:
        slot: dict[str, Any] = dict(spot.keys)
        slot |= {k: value[k] for k in ("month", "day") if k in value}
        if value:
            slot["time"] = dict(value)
        if item:
            slot["item"] = item
        return {**slot, "basis": _basis(self.context_keys(turn)), "turn": turn.number}

    def _focus(self, turn: Turn, spot: Spot) -> Any:
        """The place named here becomes what "there" means, unless a facility is being talked about."""
        before = turn.slots.get("focus")
        if not spot.keys or (isinstance(before, Mapping) and before.get("id")):
            return before
        return Focus("", spot.name, spot.position).to_json()

    @staticmethod
    def _resolve(value: Mapping[str, Any], spot: Spot, now: datetime) -> Span:
        if not value:
            # "What's the weather?" means the day; late in the evening it means the night that is left.
            value = {"day_offset": 0}
        return resolve(value, now, anchors={"arrival": spot.arrival} if spot.arrival else {})

    async def _forecasts(self, place: str, position: Position, span: Span) -> list[Forecast]:
        """One forecast, or one a day for several days; those beyond the horizon are left out unless all are."""
        found: list[Forecast] = []
        start = span.start
        several = span.granularity in ("weekend", "week") or span.end - span.start > timedelta(days=1, hours=6)
        while start < span.end and len(found) < 8:
            midnight = start.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
            end = min(span.end, midnight) if several else span.end
            try:
                found.append(await self.world.weather.forecast(place, position, start, end))
            except NotFound:
                if not found:
                    raise
                break
            start = end
        return found

    # -- what is said

    def _cannot(self, turn: Turn, slot: Mapping[str, Any], phrase: str, **values: object) -> Outcome:
        return Outcome(
            self.say(turn, phrase, **values),
            "asks_place" if phrase.startswith("information.unknown") else "gives_info",
            {"weather": dict(slot)},
            (Done("weather", {"reason": phrase}, False),),
        )

    def _answer(
        self, turn: Turn, item: str | None, place: str, span: Span, forecasts: Sequence[Forecast], now: datetime
    ) -> list[str]:
        if len(forecasts) > 1:
            return self._several(turn, item, place, span, forecasts, now)
        forecast, when = forecasts[0], spoken(span, now, turn.language)
        lead = self._lead(turn, item, forecast)
        if lead is None:
            return [_sentence(self._general(turn, place, when, forecast))]
        if item in ("temperature", "high", "low"):
            return [_sentence(self.say(turn, "weather.about_temperature", place=place, when=when, what=lead))]
        if item in ("wind", "humidity", "uv"):
            return [_sentence(self.say(turn, "weather.about", place=place, when=when, what=lead))]
        return [lead, _sentence(self._general(turn, place, when, forecast))]

    def _lead(self, turn: Turn, item: str | None, f: Forecast) -> str | None:
        """The direct answer to what was asked; None when the question was general or the forecast does not say."""
        group, chance = group_of(f.weather_code), f.precipitation_probability or 0
        snowy = group in SNOWY
        wet = group in WET or chance >= 50
        if item in ("rain", "umbrella"):
            degree = "yes" if wet and not (snowy and item == "rain") else "maybe" if chance >= 30 else "no"
            return self.say(turn, "weather.rain.snow" if snowy and item == "rain" else f"weather.{item}.{degree}")
        if item == "snow":
            return self.say(turn, f"weather.snow.{'yes' if snowy else 'no'}")
        if item == "sun":
            return self.say(turn, f"weather.sun.{'yes' if group in ('clear', 'partly_cloudy') else 'no'}")
        if item == "fog":
            return self.say(turn, f"weather.fog.{'yes' if group == 'fog' else 'no'}")
        if item == "typhoon":
            stormy = (f.wind_ms or 0) >= 17
            return self.say(turn, f"weather.typhoon.{'yes' if stormy else 'no'}")
        if item in ("temperature", "high", "low") and f.high_c is not None:
            return self._temperature(turn, item, f)
        if item == "wind" and f.wind_ms is not None:
            force = "calm" if f.wind_ms < 5 else "some" if f.wind_ms < 10 else "strong" if f.wind_ms < 17 else "storm"
            return self.say(turn, f"weather.wind.{force}", speed=round(f.wind_ms))
        if item == "humidity" and f.humidity_percent is not None:
            return self.say(turn, "weather.humidity", percent=f.humidity_percent)
        if item == "uv" and f.uv_index is not None:
            level = (
                "low" if f.uv_index < 3 else "moderate" if f.uv_index < 6 else "high" if f.uv_index < 8 else "extreme"
            )
            return self.say(turn, f"weather.uv.{level}", index=round(f.uv_index))
        return None

    def _temperature(self, turn: Turn, item: str, f: Forecast) -> str:
        high, low = round(f.high_c or 0), None if f.low_c is None else round(f.low_c)
        if item == "low" and low is not None:
            return self.say(turn, "weather.low", low=_degrees(low, turn.language))
        if item == "high" or low is None:
            return self.say(turn, "weather.high", high=_degrees(high, turn.language))
        if high - low <= 1:
            return self.say(turn, "weather.degrees", degrees=_degrees(high, turn.language))
        return self.say(turn, "weather.high_low", high=_degrees(high, turn.language), low=_degrees(low, turn.language))

    def _general(self, turn: Turn, place: str, when: str, f: Forecast) -> str:
        parts = [self.say(turn, f"weather.sky.{group_of(f.weather_code)}")]
        if f.high_c is not None:
            parts.append(self._temperature(turn, "temperature", f))
        if f.precipitation_probability is not None:
            parts.append(self.say(turn, "weather.chance", percent=f.precipitation_probability))
        key = "weather.now" if when in ("いま", "now") else "weather.general"
        return self.say(turn, key, place=place, when=when, what=_joined(parts, turn.language))

    def _several(
        self, turn: Turn, item: str | None, place: str, span: Span, forecasts: Sequence[Forecast], now: datetime
    ) -> list[str]:
        when = spoken(span, now, turn.language)
        named = [(spoken(Span(f.start, f.end, "day"), now, turn.language), f) for f in forecasts]
        wet = [day for day, f in named if group_of(f.weather_code) in WET]
        said = []
        if item in ("rain", "umbrella", "snow"):
            hit = [day for day, f in named if group_of(f.weather_code) in (SNOWY if item == "snow" else WET)]
            said.append(self.say(turn, f"weather.{item}.{'yes' if hit else 'no'}"))
        if len(named) <= _SPOKEN_ITEMS:
            days = [self._day(turn, day, f) for day, f in named]
            what = _joined(days, turn.language)
            return [*said, _sentence(self.say(turn, "weather.days", place=place, when=when, what=what))]
        highs = [f.high_c for f in forecasts if f.high_c is not None]
        range_ = self.say(turn, "weather.highs", low=round(min(highs)), high=round(max(highs))) if highs else ""
        kind = "dry" if not wet else "some" if len(wet) <= _SPOKEN_ITEMS else "wet"
        said.append(
            _sentence(
                self.say(
                    turn,
                    f"weather.week_{kind}",
                    place=place,
                    when=when,
                    count=len(wet),
                    days=_joined(wet, turn.language) if wet else "",
                    highs=range_,
                )
            )
        )
        return said

    def _day(self, turn: Turn, day: str, f: Forecast) -> str:
        sky = self.say(turn, f"weather.sky.{group_of(f.weather_code)}")
        if f.high_c is None:
            return self.say(turn, "weather.day_sky", day=day, sky=sky)
        return self.say(turn, "weather.day", day=day, sky=sky, high=_degrees(round(f.high_c), turn.language))

    def _caveats(self, turn: Turn, forecasts: Sequence[Forecast], now: datetime) -> list[str]:
        """What has to be said of the data itself: how old it is, that it is invented."""
        said = []
        issued = min(f.issued_at for f in forecasts).astimezone(now.tzinfo)
        if now - issued > weather_port.VALIDITY:
            at = spoken(Span(issued, issued + timedelta(hours=1), "hour"), now, turn.language)
            said.append(self.say(turn, "information.old_forecast", at=at))
        if any(f.demo for f in forecasts):
            said.append(self.say(turn, "information.demo"))
        return said


def _basis(context: Mapping[str, str]) -> str:
    """What the dialogue's place was when the weather was asked: once it changes, the weather follows it."""
    return "|".join(f"{k}={context[k]}" for k in sorted(context))


def _from_now(span: Span, now: datetime) -> Span | None:
    """The part of the span that is still to come, by its name; None when it is over."""
    if span.end <= now:
        return None
    hour = now.replace(minute=0, second=0, microsecond=0)
    return Span(max(span.start, min(hour, span.end - timedelta(minutes=1))), span.end, span.granularity, span.part)


def _degrees(value: int, language: Language) -> str:
    if language == "ja":
        return f"マイナス{-value}度" if value < 0 else f"{value}度"
    return f"minus {-value}" if value < 0 else str(value)


def _joined(parts: Sequence[str], language: Language) -> str:
    if language == "ja":
        return "、".join(parts)
    return ", ".join(parts[:-1]) + (" and " if len(parts) > 1 else "") + parts[-1]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _card(f: Forecast) -> dict[str, Any]:
    return {
        "type": "weather", "place": f.place, "lat": f.position.latitude, "lon": f.position.longitude,
        "from": f.start.isoformat(), "to": f.end.isoformat(), "code": f.weather_code, "sky": group_of(f.weather_code),
        "high_c": f.high_c, "low_c": f.low_c, "chance": f.precipitation_probability, "wind_ms": f.wind_ms,
        "issued_at": f.issued_at.isoformat(), "source": f.source, "demo": f.demo,
    }  # fmt: skip


# ---- news

_MORE = re.compile(
    r"次|つぎ|続き|つづき|ほか|他に|他の|もっと|以外|別の|\b(?:next|more|others?|another|else|continue|go on)\b",
    re.IGNORECASE,
)
_DETAIL = re.compile(
    r"詳し|くわし|詳細|内容|読んで|\b(?:details?|tell me more|more about|read (?:it|that|the|number)|what happened)\b",
    re.IGNORECASE,
)


class AskNews(Skill):
    """Headlines three at a time, more of them, one of them in full."""

    action_name = "action_ask_news"

    async def perform(self, turn: Turn) -> Outcome:
        held: dict[str, Any] = dict(turn.slots.get("news") or {})
        topic = turn.first("news_topic")
        items = held.get("items") or []
        if topic is None and items:
            ordinal = turn.first("ordinal", "number")
            if isinstance(ordinal, int) and not isinstance(ordinal, bool):
                return self._detail(turn, held, ordinal)
            if _DETAIL.search(turn.text):
                return self._detail(turn, held, 1)
            if turn.intent == "next_page" or _MORE.search(turn.text):
                return self._read(turn, held, int(held.get("offset") or 0))
        topic = topic if topic in news_port.TOPICS else "general" if topic is None else str(topic)
        if topic not in news_port.TOPICS:
            return Outcome(self.say(turn, "news.no_topic"), "gives_info", {"news": None})
        found = await self.world.news.headlines(topic, turn.language, 12)
        if not found:
            text = self.say(turn, "news.none", topic=self.say(turn, f"news.topic.{topic}"))
            return Outcome(text, "gives_info", {"news": None}, (Done("news", {"topic": topic, "count": 0}),))
        fresh = {"topic": topic, "items": [_kept(h) for h in found], "offset": 0}
        return self._read(turn, fresh, 0, _first=True)

    def _read(self, turn: Turn, held: Mapping[str, Any], offset: int, *, _first: bool = False) -> Outcome:
        items = held["items"]
        shown = items[offset : offset + _SPOKEN_ITEMS]
        topic = self.say(turn, f"news.topic.{held['topic']}")
        if not shown:
            return Outcome(
                self.say(turn, "news.no_more", topic=topic), "gives_info", {"news": {**held, "turn": turn.number}}
            )
        said = [self.say(turn, "news.intro" if _first else "news.more", topic=topic)]
        if _first and any(item["demo"] for item in items):
            said.append(self.say(turn, "news.demo"))
        now = self.world.clock()
        newest = datetime.fromisoformat(shown[0]["published"]).astimezone(now.tzinfo)
        if _first and now - newest > news_port.VALIDITY:
            day = spoken(Span(newest, newest + timedelta(hours=1), "day"), now, turn.language)
            said.append(self.say(turn, "news.old", day=day))
        said += [self.say(turn, "news.item", number=i + 1, title=item["title"]) for i, item in enumerate(shown)]
        after = offset + len(shown)
        if _first:
            said.append(self.say(turn, "news.offer"))
        return Outcome(
            _lines(said, turn.language),
            "gives_info",
            {"news": {**held, "offset": after, "first": offset, "turn": turn.number}},
            (Done("news", {"topic": held["topic"], "count": len(shown)}),),
            tuple({"type": "news", **item} for item in shown),
        )

    def _detail(self, turn: Turn, held: Mapping[str, Any], ordinal: int) -> Outcome:
        """Reads one of the headlines last read, by its number among them; -1 is the last."""
        first, after = int(held.get("first") or 0), int(held.get("offset") or 0)
        shown = held["items"][first:after]
        if ordinal == 0 or ordinal > len(shown) or ordinal < -len(shown):
            return Outcome(
                self.say(turn, "news.no_such", count=len(shown)), "gives_info", {"news": {**held, "turn": turn.number}}
            )
        item = shown[ordinal - 1 if ordinal > 0 else ordinal]
        said = [item["summary"] or self.say(turn, "news.no_summary", title=item["title"])]
        said.append(self.say(turn, "news.source", source=item["source"]))
        return Outcome(
            _lines(said, turn.language),
            "gives_info",
            {"news": {**held, "turn": turn.number}},
            (Done("news_detail", {"topic": held["topic"], "id": item["id"]}),),
            ({"type": "news", **item},),
        )


def _kept(h: Headline) -> dict[str, Any]:
    return {
        "id": h.id, "title": h.title, "summary": h.summary, "published": h.published.isoformat(), "source": h.source,
        "link": h.link, "demo": h.demo,
    }  # fmt: skip


def _lines(said: Sequence[str], language: Language) -> str:
    return ("" if language == "ja" else " ").join(said)


# ---- traffic

_ROAD = re.compile(
    r"(?:道路|国道|県道|都道|高速|自動車道|バイパス|街道|環状|湾岸|横断道|道|線|号)$|\b(?:expressway|highway|route|road|bypass|motorway|line)\b",
    re.IGNORECASE,
)
_AROUND_M = 10_000
_AROUND_ROAD_M = 100_000
_CORRIDOR_M = 60
"""Half the width of an expressway and a map's error: a parallel street does not count."""


class AskTraffic(_PlaceSkill):
    """Jams, accidents and closures: on the route, towards a place, on a road, or round the car."""

    action_name = "action_ask_traffic"

    async def perform(self, turn: Turn) -> Outcome:
        now = self.world.clock()
        keys = self.said_keys(turn)
        road = keys.get("name")
        if road and (found := await self._on_road(turn, road)) is not None:
            return self._report(turn, "road", road, [Match(e, -1, 0) for e in found], now)
        where = turn.first("where")
        if keys:
            spot = await self.named(turn, keys)
        elif where in ("here", "home", "work", "there", "candidate"):
            spot = await self.where(turn) or await self.car()
        else:
            car = await car_position(self.world)
            line = await ahead(self.world, car)
            if line is not None:
                return self._report(turn, "route", "", await self._along(line), now)
            if where in ("destination", "along_route"):
                return self._cannot(turn, NoSpot("information.no_destination"))
            spot = await self.car()
        if isinstance(spot, NoSpot):
            return self._cannot(turn, spot)
        if not spot.name:
            events = await self.world.traffic.around(spot.position, _AROUND_M)
            return self._report(turn, "around", "", [Match(e, -1, 0) for e in events], now)
        return await self._towards(turn, spot, now)

    async def _on_road(self, turn: Turn, road: str) -> list[TrafficEvent] | None:
        """The events on a named road in reach of the car; None when the name is not a road's."""
        car = await self.car()
        if isinstance(car, NoSpot):
            return None
        events = await self.world.traffic.around(car.position, _AROUND_ROAD_M)
        wanted = _folded(road)
        found = [e for e in events if wanted in _folded(e.road) or wanted in _folded(e.road_en or "")]
        return found if found or _ROAD.search(road) else None

    async def _towards(self, turn: Turn, spot: Spot, now: datetime) -> Outcome:
        car = await self.car()
        if isinstance(car, Spot):
            request = RouteRequest(car.position, spot.position, language=turn.language)
            try:
                route: Route = (await self.world.routes.route(request))[0]
                return self._report(turn, "towards", spot.name, await self._along(route.geometry), now)
            except (NoMap, NotFound, IndexError):
                pass  # no map of it here: what is known there is still worth saying
        events = await self.world.traffic.around(spot.position, _AROUND_M)
        return self._report(turn, "near", spot.name, [Match(e, -1, 0) for e in events], now)

    async def _along(self, line: Sequence[Position]) -> list[Match]:
        return list(match_along(line, await self.world.traffic.along(line, _CORRIDOR_M), _CORRIDOR_M))

    def _cannot(self, turn: Turn, spot: NoSpot) -> Outcome:
        return Outcome(
            self.say(turn, spot.phrase, name=spot.name),
            "gives_info",
            {},
            (Done("traffic", {"reason": spot.phrase}, False),),
        )

    def _report(self, turn: Turn, scope: str, name: str, matches: Sequence[Match], now: datetime) -> Outcome:
        done = (Done("traffic", {"scope": scope, "count": len(matches)}),)
        at = self.say(turn, "traffic.at", clock=_clock(now, turn.language))
        if not matches:
            return Outcome(self.say(turn, f"traffic.none.{scope}", name=name, at=at), "gives_info", {}, done)
        said = [self.say(turn, f"traffic.found.{scope}", name=name, count=len(matches), s="" if len(matches) == 1 else "s",
                         be="is" if len(matches) == 1 else "are")]  # fmt: skip
        shown = matches if len(matches) <= _SPOKEN_ITEMS else sorted(matches, key=_weight)[:_SPOKEN_ITEMS]
        if len(shown) < len(matches):
            said.append(self.say(turn, "traffic.worst", count=len(shown)))
        said += [self._event(turn, m, now) for m in sorted(shown, key=lambda m: m.along_m)]
        if any(m.event.demo for m in shown):
            said.append(self.say(turn, "information.demo"))
        return Outcome(_lines(said, turn.language), "gives_info", {}, done, tuple(_traffic_card(m) for m in shown))

    def _event(self, turn: Turn, match: Match, now: datetime) -> str:
        event = match.event
        road = (event.road_en or event.road) if turn.language == "en" else event.road
        if match.along_m >= 200:
            where = self.say(turn, "traffic.ahead", distance=distance(match.along_m, turn.language), road=road)
        else:
            where = self.say(turn, "traffic.on", road=road)
        what = self.say(turn, f"traffic.kind.{event.kind}")
        if event.kind == "jam" and event.length_m and event.length_m >= 300:
            what = self.say(turn, "traffic.jam_length", length=distance(event.length_m, turn.language))
        parts = [self.say(turn, "traffic.event", where=where, what=what)]
        if event.delay_s and event.delay_s >= 60:
            parts.append(self.say(turn, "traffic.delay", delay=duration(event.delay_s, turn.language)))
        updated = event.updated_at.astimezone(now.tzinfo)
        if now - updated > traffic_port.VALIDITY:
            parts.append(self.say(turn, "traffic.old", at=_clock(updated, turn.language)))
        return _sentence(("、" if turn.language == "ja" else ", ").join(parts)) + (
            "。" if turn.language == "ja" else "."
        )


def _clock(at: datetime, language: Language) -> str:
    if language == "ja":
        return f"{at.hour}時{at.minute}分" if at.minute else f"{at.hour}時"
    return f"{at.hour % 12 or 12}:{at.minute:02d} {'a.m.' if at.hour < 12 else 'p.m.'}"


def _weight(match: Match) -> tuple[int, float]:
    """Closures first, then accidents, then the longest delays."""
    order = {"closure": 0, "accident": 1}
    return order.get(match.event.kind, 2), -(match.event.delay_s or 0)


def _folded(text: str) -> str:
    return re.sub(r"[\s号]|(?:自動車道|高速道路|高速)", "", unicodedata.normalize("NFKC", text)).lower()


def _traffic_card(match: Match) -> dict[str, Any]:
    e = match.event
    return {
        "type": "traffic", "id": e.id, "kind": e.kind, "road": e.road, "road_en": e.road_en, "delay_s": e.delay_s,
        "length_m": e.length_m, "ahead_m": match.along_m if match.along_m >= 0 else None,
        "line": [[p.latitude, p.longitude] for p in e.geometry[:200]], "updated_at": e.updated_at.isoformat(),
        "demo": e.demo,
    }  # fmt: skip


SKILLS: tuple[type[Skill], ...] = (AskWeather, AskNews, AskTraffic)
