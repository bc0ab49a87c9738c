"""Finding places: search, narrow, page, choose, undo, and what is read out of a list."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

from actions import wording
from actions.choosing import sought
from actions.ground import AROUND_CAR_M, WIDER_M, Focus, Missing, driving, resolve
from actions.hearing import mended
from actions.inventory import Inventory, load
from actions.narrowing import (
    NEARBY,
    PLACES_OF_WORLD,
    REFERENCES,
    SEARCH_INTENTS,
    Add,
    Choose,
    Drop,
    Ground,
    NextPage,
    Operation,
    Reject,
    Replace,
    Reset,
    SearchState,
    Sort,
    Undo,
    apply,
    conditions_of,
    from_turn,
    to_query,
)
from actions.pointing import figure, point
from actions.skill import Context, Done, Entity, Outcome, Skill, Turn, join
from backends.errors import BackendError, NotFound
from backends.model import Place, PlaceHit, PlacePage, PlaceQuery
from backends.places import is_holiday
from backends.times import UnresolvableTime, spoken
from backends.times import resolve as resolve_time

log = logging.getLogger(__name__)

TASTED = 12
"""candidates a driver's taste puts in order"""
PAGE = 3
"""candidates read at a time"""
DETAILS_DRIVING, DETAILS_STOPPED = 2, 3
MANY = 8
"""from so many on a search with no wishes asks for some"""
HISTORY_WORDS = re.compile(
    r"履歴|(前|まえ|この間|こないだ|以前)に?(も)?(行った|いった|設定した)|前回の(場所|ところ|目的地)|"
    r"\b(history|recent destinations?|where (we|i) went|been before|previous destinations?)\b",
    re.IGNORECASE,
)
"""the wish for destinations set before; understanding has no entity for it"""
OTHERS = re.compile(r"他に|ほかに|他の|ほかの|別の|次の|\b(others?|else|more|next)\b", re.IGNORECASE)
"""a change of conditions that names none but asks for others is the wish for the next page"""
START_OVER = re.compile(
    r"最初から|はじめから|初めから|一から|やり直|白紙|\b(start (over|again|from scratch)|from scratch|new search)\b",
    re.IGNORECASE,
)
SUPERLATIVE = re.compile(
    r"一番|いちばん|1番|最も|もっとも|最寄り|最安|最高|\b(most|best|nearest|closest|cheapest|\w{3,}est)\b",
    re.IGNORECASE,
)
FEELING_KINDS: Mapping[str, str] = {"hungry": "restaurant", "tired": "rest_area", "sleepy": "rest_area"}
QUERY_FIELDS: Mapping[str, tuple[str, ...]] = {
    "genres": ("genre",), "budget_max_yen": ("budget_max",), "parking_within_m": ("parking_within",), "text": ("name",),
    "radius_m": ("distance_max", "station", "near", "where"), "near": ("station", "near", "where"), "along": ("where",),
    "prefecture": ("prefecture", "city"), "city": ("area", "city"),
}  # fmt: skip
"""field of `PlaceQuery` → the conditions it may stand for, likeliest first"""
LAST_GIVEN_UP = ("area", "station", "near", "where", "genre", "name", "phone", "city", "prefecture")
"""what the search is about: suggested only when no other condition stands in the way, in this order"""


def trip_of(turn: Turn) -> dict[str, Any] | None:
    """The city a turn speaks of, for searches that say none; None when it names none."""
    city, prefecture = turn.first("city"), turn.first("prefecture")
    if city is None and prefecture is None:
        return None
    return {k: v for k, v in (("city", city), ("prefecture", prefecture)) if v is not None}


class SearchSkill(Skill):
    """What the skills that look for places share."""

    @property
    def inventory(self) -> Inventory:
        return load()

    def state(self, turn: Turn) -> SearchState:
        return SearchState.from_json(turn.slots.get("search"))

    def change(self, turn: Turn, state: SearchState) -> SearchState:
        """The state after what the turn says."""
        return apply(state, from_turn(turn, state, self.inventory, turn.slots.get("trip")))

    def kept(self, turn: Turn, state: SearchState, **slots: Any) -> dict[str, Any]:
        """The slots every outcome of a search writes."""
        city = {k: state.conditions[k] for k in ("city", "prefecture") if k in state.conditions}
        trip = trip_of(turn) or city or turn.slots.get("trip")
        if "where" in state.conditions or "near" in state.conditions:
            trip = {}
        return {"search": {**state.to_json(), "turn": turn.number}, "trip": trip or None, **slots}

    async def look(self, turn: Turn, state: SearchState, lead: str = "") -> Outcome:
        """Searches with the conditions of `state` and says what was found; `lead` is said first.

        When the world does not answer, what was said is kept all the same: the search can be taken up again.
        """
        state = anchored(turn, state)
        try:
            return await self._look(turn, state, lead)
        except BackendError as error:
            log.warning("%s: %s failed: %s", self.action_name, error.stage, error.code)
            failed = self._failed(turn, error.stage, error.code)
            return replace(failed, slots=self.kept(turn, replace(state, shown=())))

    async def _look_or_take(self, turn: Turn, state: SearchState, changed: SearchState, lead: str = "") -> Outcome:
        """Searches with the conditions of `changed`. 「ゲストハウスがいい」: where there is no such kind, but one of those read out is
        called so, that one is taken."""
        hits = await self.candidates(turn, state) if turn.all("genre", "kind") else ()
        outcome = await self.look(turn, changed, lead)
        if outcome.context != "no_results":
            return outcome
        named = point(turn.text, turn.language, hits, turn.entities, sought(turn))
        if named is None or not named.named:
            return outcome
        hit = hits[named.index]
        return await self._one(turn, apply(state, [choice(hit)]), hit, (), "", "search.chosen")

    async def _look(self, turn: Turn, state: SearchState, lead: str) -> Outcome:
        ground = await resolve(self.world, turn, state)
        if isinstance(ground, Missing):
            return self._missing(turn, state, ground, lead)
        query = to_query(state, ground, limit=PAGE)
        tastes = self._tastes(state)
        if tastes:
            query = replace(query, offset=0, limit=TASTED)
        page, ground = await self._search(query, ground, state)
        page = merged(page)
        if tastes:
            page, why = await self._tasted(turn, page, state.offset)
            lead = lead or why
        elif self.world.taste is not None and not {"name", "phone"} & state.conditions.keys():
            page = without(page, await asyncio.to_thread(self.world.taste.never, turn.driver))
        if not page.hits and state.offset:
            return await self._no_more(turn, state)
        if not page.hits:
            return await self._none(turn, state, replace(query, radius_m=ground.radius_m), lead)
        state = replace(state, shown=tuple(hit.place.id for hit in page.hits))
        done = (Done("search", {"total": page.total, "kind": state.kind or ""}),)
        if ambiguous(state, page):
            return await self._which(turn, state, page, done, lead)
        if len(page.hits) == 1 and page.total == 1:
            return await self._one(turn, state, page.hits[0], done, lead)
        return await self._list(turn, state, page, done, lead)

    def _tastes(self, state: SearchState) -> bool:
        """Whether the driver's taste orders what is found: restaurants nobody asked for by name or in an order of his own."""
        free = state.sort is None and not {"name", "phone"} & state.conditions.keys()
        return self.world.taste is not None and state.kind == "restaurant" and free and state.offset < TASTED - PAGE

    async def _tasted(self, turn: Turn, page: PlacePage, offset: int) -> tuple[PlacePage, str]:
        """The page of the first `TASTED` places in the driver's own order, and why the first of them stands there."""
        assert self.world.taste is not None
        hits, why = await asyncio.to_thread(self.world.taste.order, turn.driver, page.hits, self.world.clock())
        gone = len(page.hits) - len(hits)
        said = ""
        if why is not None and not offset and hits:
            name = wording.name_of(hits[0].place, turn.language)
            genre = self.inventory.genre_label(why[1], turn.language) if why[1] else ""
            reason = self.say(turn, f"taste.why_{why[0]}", genre=genre)
            said = self.say(turn, "taste.first", name=name, reason=reason)
        return PlacePage(hits[offset : offset + PAGE], page.total - gone), said

    async def _search(self, query: PlaceQuery, ground: Ground, state: SearchState) -> tuple[PlacePage, Ground]:
        page = await self.world.places.search(query)
        if not page.total and query.radius_m == AROUND_CAR_M and "distance_max" not in state.conditions:
            wider = replace(query, radius_m=WIDER_M)
            return await self.world.places.search(wider), replace(ground, radius_m=WIDER_M)
        return page, ground

    async def earlier(self, turn: Turn) -> Outcome:
        """Destinations set before, newest first, to choose from."""
        seen: dict[str, Focus] = {}
        for saved in await self.world.memory.history(turn.driver, limit=12):
            seen.setdefault(saved.name, Focus(saved.place_id or "", saved.name, saved.position))
        found = list(seen.values())[:PAGE]
        if not found:
            return Outcome(self.say(turn, "history.empty"), "asks_slot", {"pending": {"kind": "ask_kind"}})
        if len(found) == 1:
            return Outcome(
                self.say(turn, "history.one", name=found[0].name), "offers_one",
                {"focus": found[0].to_json(), "pending": {"kind": "set_destination"}}, (Done("history", {"count": 1}),),
            )  # fmt: skip
        items = [self.say(turn, "search.item_bare", number=n, name=f.name) for n, f in enumerate(found, 1)]
        return Outcome(
            join(turn.language, self.say(turn, "history.some"), *items, self.say(turn, "search.ask_which")), "offers_list",
            {"pending": {"kind": "which_goal", "choices": [f.to_json() for f in found]}},
            (Done("history", {"count": len(found)}),), quick_replies=tuple(str(n) for n in range(1, len(found) + 1)),
        )  # fmt: skip

    # --- replies ---

    def _missing(self, turn: Turn, state: SearchState, missing: Missing, lead: str) -> Outcome:
        context: Context = "no_results" if missing.reason in ("no_map", "unknown") else "asks_place"
        pending = None
        if missing.reason in ("no_home", "no_work"):
            pending = {"kind": "save_here", "label": missing.reason.removeprefix("no_")}
            context = "asks_yesno"
        state = replace(state, shown=())
        wishes = self.wishes(turn, state)
        key = "missing.no_map_wishes" if missing.reason == "no_map" and wishes else f"missing.{missing.reason}"
        text = self.say(turn, key, name=missing.name, wishes=wishes)
        return Outcome(
            join(turn.language, lead, text),
            context,
            self.kept(turn, state, pending=pending),
            (Done("search", {"missing": missing.reason, "name": missing.name}, False),),
        )

    async def _no_more(self, turn: Turn, state: SearchState) -> Outcome:
        back = replace(state, offset=max(0, state.offset - PAGE))
        context: Context = "offers_list" if back.shown else "no_results"
        return Outcome(self.say(turn, "search.no_more"), context, self.kept(turn, back))

    async def _none(self, turn: Turn, state: SearchState, query: PlaceQuery, lead: str) -> Outcome:
        state = replace(state, shown=())
        counts = await self.world.places.count_without(query)
        suggested = to_drop(state, query, counts)
        where, what = self.where(turn, state), self.what(turn, state)
        wishes = self.wishes(turn, state)
        text = self.say(turn, "search.none_wishes" if wishes else "search.none", where=where, what=what, wishes=wishes)
        if suggested is None:
            ask = self.say(turn, "search.none_change")
            return Outcome(
                join(turn.language, lead, text, ask),
                "no_results",
                self.kept(turn, state),
                (Done("search", {"total": 0}),),
            )
        condition, count = suggested
        label = self.condition(turn, condition, state.conditions[condition])
        ask = self.say(turn, "search.none_drop", condition=label, count=count)
        return Outcome(
            join(turn.language, lead, text, ask),
            "no_results",
            self.kept(turn, state, pending={"kind": "drop_condition", "condition": condition}),
            (Done("search", {"total": 0}),),
            quick_replies=self._quick(turn, "yes", "no"),
        )

    async def _one(
        self, turn: Turn, state: SearchState, hit: PlaceHit, done: tuple[Done, ...], lead: str, key: str = "search.one"
    ) -> Outcome:
        focus = Focus.of(hit.place, wording.name_of(hit.place, turn.language))
        rows = wording.telling_apart([hit], self.phrases, turn.language, self.world.clock(), await self._details(turn))
        stop = await self._is_stop(turn, state)
        text = self.say(
            turn, f"{key}_stop" if stop else key, name=focus.name, details=self._details_text(turn, rows[0])
        )  # fmt: skip
        note, slots = self.demo(turn, [hit.place])
        return Outcome(
            join(turn.language, lead, text, note),
            "offers_one",
            self.kept(
                turn,
                state,
                focus=focus.to_json(),
                pending={"kind": "add_waypoint" if stop else "set_destination"},
                **slots,
            ),
            done,
            (card(hit, self.world.clock()),),
            self._quick(turn, "yes", "other"),
        )

    async def _list(
        self, turn: Turn, state: SearchState, page: PlacePage, done: tuple[Done, ...], lead: str
    ) -> Outcome:
        language = turn.language
        most = await self._details(turn)
        rows = wording.telling_apart(page.hits, self.phrases, language, self.world.clock(), most)
        items = [
            self.say(
                turn,
                "search.item" if row else "search.item_bare",
                number=number,
                name=wording.name_of(hit.place, language),
                details=wording.listed(row, language, last=""),
            )
            for number, (hit, row) in enumerate(zip(page.hits, rows, strict=True), 1)
        ]
        where, what, wishes = self.where(turn, state), self.what(turn, state), self.wishes(turn, state)
        if state.offset:
            head = self.say(turn, "search.next_page")
        else:
            key = "search.found_wishes" if wishes else "search.found"
            head = self.say(
                turn, key, where=where, what=what, wishes=wishes, count=page.total, s="s" * (page.total != 1)
            )
        bare = not wishes and "genre" not in state.conditions and state.sort is None and not state.offset
        asks = bare and page.total >= MANY
        wish = "search.ask_wishes_food" if state.kind == "restaurant" else "search.ask_wishes"
        tail = self.say(turn, wish if asks else "search.ask_which")
        note, slots = self.demo(turn, [hit.place for hit in page.hits])
        pending = {"kind": "list", "then": "waypoint"} if await self._is_stop(turn, state) else {"kind": "list"}
        return Outcome(
            join(language, lead, head, *items, note, tail),
            "asks_condition" if asks else "offers_list",
            self.kept(turn, state, focus=None, pending=pending, **slots),
            done,
            tuple(card(hit, self.world.clock()) for hit in page.hits),
            tuple(str(n) for n in range(1, len(page.hits) + 1)) + self._quick(turn, "other"),
        )

    async def _is_stop(self, turn: Turn, state: SearchState) -> bool:
        """Whether what is looked for is a stop on the way rather than a place to go to."""
        if turn.intent != "add_waypoint" and state.conditions.get("where") != "along_route":
            return False
        return bool((await self.world.navigation.status()).get("guiding"))

    async def _which(
        self, turn: Turn, state: SearchState, page: PlacePage, done: tuple[Done, ...], lead: str
    ) -> Outcome:
        items = [
            self.say(
                turn, "search.which_item", number=n, name=wording.name_of(hit.place, turn.language),
                place=self._local(turn, hit.place.city or hit.place.prefecture or hit.place.address or ""),
            )
            for n, hit in enumerate(page.hits, 1)
        ]  # fmt: skip
        text = self.say(turn, "search.which", name=state.conditions.get("name", ""), items=join(turn.language, *items))
        then = "navigate" if turn.intent in ("navigate_to", "set_destination") else "offer"
        return Outcome(
            join(turn.language, lead, text),
            "asks_choice",
            self.kept(turn, state, focus=None, pending={"kind": "list", "then": then}),
            done,
            tuple(card(hit, self.world.clock()) for hit in page.hits),
            tuple(str(n) for n in range(1, len(page.hits) + 1)),
        )

    async def _details(self, turn: Turn) -> int:
        return DETAILS_DRIVING if await driving(self.world) else DETAILS_STOPPED

    def _details_text(self, turn: Turn, row: Sequence[str]) -> str:
        return wording.listed(row, turn.language, last="") if row else self.say(turn, "detail.nothing")

    def _quick(self, turn: Turn, *ids: str) -> tuple[str, ...]:
        return tuple(self.say(turn, f"quick.{i}") for i in ids)

    def demo(self, turn: Turn, places: Sequence[Place]) -> tuple[str, dict[str, Any]]:
        """The sentence that says the data is invented, once in a conversation, and the slot that remembers it."""
        if turn.slots.get("demo_said") or not any(p.demo or p.demo_attributes for p in places):
            return "", {}
        return self.say(turn, "search.demo"), {"demo_said": True}

    # --- conditions in words ---

    def where(self, turn: Turn, state: SearchState) -> str:
        """「渋谷駅の近くの」, " near Shibuya Station"; the car's surroundings when nothing else is said."""
        held = state.conditions
        if "station" in held:
            return self.say(turn, "where.near", name=self._local(turn, held["station"]))
        if "near" in held:
            return self.say(turn, "where.near", name=held["near"])
        if "where" in held:
            return self.say(turn, f"where.{held['where']}")
        for key in ("area", "city", "prefecture"):
            if key in held:
                return self.say(turn, "where.in", name=self._local(turn, held[key]))
        return "" if {"name", "phone"} & held.keys() else self.say(turn, "where.here")

    def _local(self, turn: Turn, name: str) -> str:
        if turn.language == "ja":
            return name
        found = self.world.gazetteer.lookup(name)
        return (found[0].name_en or name) if found else name

    def what(self, turn: Turn, state: SearchState) -> str:
        held = state.conditions
        if "name" in held:
            return str(held["name"])
        if held.get("genre"):
            labels = [self.inventory.genre_label(g, turn.language) for g in held["genre"]]
        elif state.kind:
            labels = [self.inventory.kind_label(state.kind, turn.language)]
        else:
            labels = []
        if labels and turn.language == "en":
            return wording.listed([wording.sought(label, state.kind) for label in labels], "en", last="or")
        if labels:
            return "・".join(labels)
        return self.say(turn, "what.phone", phone=held["phone"]) if "phone" in held else self.say(turn, "what.place")

    def wishes(self, turn: Turn, state: SearchState) -> str:
        """The wishes in force in words, without place, kind and genre; empty when there are none."""
        skipped = {"genre", "area", "station", "near", "where", "name", "phone"}
        said = [self.condition(turn, k, v) for k, v in state.wishes().items() if k not in skipped]
        return wording.listed(said, turn.language)

    def condition(self, turn: Turn, name: str, value: Any) -> str:
        """One condition in words: 「無料駐車場」, "free parking"."""
        language = turn.language
        match name:
            case "genre":
                return self.inventory.genres_label(value, language)
            case "area" | "city" | "prefecture":
                return self._local(turn, str(value))
            case "station" | "near":
                return self.say(turn, "condition.near", name=self._local(turn, str(value)))
            case "name" | "phone":
                return str(value)
            case "where":
                return self.say(turn, f"condition.{value}")
            case "price" | "parking" | "wifi":
                return self.say(turn, f"condition.{name}_{value}")
            case "budget_max" | "budget_min":
                return self.say(turn, f"condition.{name}", yen=f"{int(value):,}")
            case "parking_within" | "distance_max":
                limit = wording.distance(float(value), language).removeprefix("約")
                return self.say(turn, f"condition.{name}", distance=limit)
            case "rating_min":
                return self.say(turn, "condition.rating_min", rating=f"{float(value):g}")
            case "open_at" if isinstance(value, Mapping):
                return self.say(turn, "condition.open_time", time=self._time(turn, value))
            case "open_at":
                return self.say(turn, f"condition.open_{value if value == 'arrival' else 'now'}")
            case _:
                return self.say(turn, f"condition.{name}_{'yes' if value else 'no'}")

    def _time(self, turn: Turn, value: Mapping[str, Any]) -> str:
        now = self.world.clock()
        try:
            return spoken(resolve_time(value, now), now, turn.language)
        except UnresolvableTime:
            return self.say(turn, "condition.arrival")

    # --- candidates ---

    async def candidates(self, turn: Turn, state: SearchState) -> tuple[PlaceHit, ...]:
        """The places read out last, with their distance from where the search is centred."""
        ground = await resolve(self.world, turn, state)
        near = None if isinstance(ground, Missing) else ground.near
        hits = []
        for place_id in state.shown:
            try:
                place = await self.world.places.get(place_id)
            except NotFound:
                continue
            hits.append(PlaceHit(place, near.distance_to(place.position) if near else None))
        return tuple(hits)

    async def meant(self, turn: Turn, state: SearchState) -> PlaceHit | None:
        """Which of the candidates the turn points at, None when it points at none of them."""
        hits = await self.candidates(turn, state)
        if not hits:
            return None
        ordinal = turn.first("ordinal")
        if ordinal is None and turn.intent in ("choose_option", "set_destination", "ask_place"):
            ordinal = turn.first("number")
        if isinstance(ordinal, int | float):
            index = int(ordinal) - 1 if ordinal > 0 else int(ordinal)
            return hits[index] if -len(hits) <= index < len(hits) else None
        if isinstance(pick := turn.first("pick"), Mapping):
            return picked(hits, pick)
        if name := turn.first("place_name"):
            return named(hits, str(name))
        if (parking := turn.first("parking")) is not None:
            having = [h for h in hits if has(h, "parking", parking)]
            return having[0] if len(having) == 1 else None
        for type_ in ("genre", "area", "city", "station"):
            if (value := turn.first(type_)) is not None:
                having = [h for h in hits if has(h, type_, value)]
                return having[0] if len(having) == 1 else None
        return None


def to_drop(state: SearchState, query: PlaceQuery, counts: Mapping[str, int]) -> tuple[str, int] | None:
    """Which condition to suggest giving up, and how many places there are without it: of the wishes the one that gives
    most, else what the search is about."""
    found: dict[str, int] = {}
    for name, count in counts.items():
        candidates = QUERY_FIELDS.get(name, (name,))
        if name == "city" and query.area is not None:
            candidates = ("city",)
        condition = next((c for c in candidates if c in state.conditions), None)
        if condition is not None and condition != "kind" and count > 0:
            found[condition] = max(count, found.get(condition, 0))
    wishes = {c: n for c, n in found.items() if c not in LAST_GIVEN_UP}
    if wishes:
        return max(wishes.items(), key=lambda item: item[1])
    return next(((c, found[c]) for c in LAST_GIVEN_UP if c in found), None)


SAME_PLACE_M = 500
"""two rows of one name nearer to each other than this are one place"""


def without(page: PlacePage, never: Collection[str]) -> PlacePage:
    """The page without places the driver does not want to hear of again."""
    kept = tuple(hit for hit in page.hits if hit.place.id not in never)
    return PlacePage(kept, page.total - (len(page.hits) - len(kept))) if len(kept) < len(page.hits) else page


def merged(page: PlacePage) -> PlacePage:
    """The page without rows that are one place named twice (an island and its landmark)."""
    kept: list[PlaceHit] = []
    for hit in page.hits:
        twin = any(
            _folded(k.place.name) == _folded(hit.place.name)
            and k.place.position.distance_to(hit.place.position) < SAME_PLACE_M
            for k in kept
        )
        if not twin:
            kept.append(hit)
    return (
        page
        if len(kept) == len(page.hits)
        else replace(page, hits=tuple(kept), total=page.total - len(page.hits) + len(kept))
    )


def ambiguous(state: SearchState, page: PlacePage) -> bool:
    """Whether several places of exactly the name said were found: the driver is asked which."""
    if "name" not in state.conditions or len(page.hits) < 2 or state.offset:
        return False
    first, second = page.hits[:2]
    return first.match in ("exact", "reading") and second.match == first.match and first.place.name == second.place.name


def picked(hits: Sequence[PlaceHit], pick: Mapping[str, Any]) -> PlaceHit | None:
    """The candidate a quality names: the nearest, the cheaper one, the one with parking, any."""
    if pick.get("any"):
        return hits[0]
    if "has" in pick:
        having = [h for h in hits if has(h, str(pick["has"]), pick.get("value", True))]
        return having[0] if having else None
    order = -1.0 if pick.get("order") == "desc" else 1.0
    measured = [(found, h) for h in hits if (found := figure(h, str(pick.get("by")))) is not None]
    return min(measured, key=lambda m: order * m[0])[1] if measured else None


def has(hit: PlaceHit, what: str, value: Any) -> bool:
    place = hit.place
    match what:
        case "parking":
            if value == "none":
                return place.has_parking is False
            if place.parking is None:
                return bool(place.has_parking) and value in ("any", True)
            return value in ("any", True) or place.parking.fee == value
        case "wifi":
            return place.wifi in ("free", "paid")
        case "open":
            return place.hours is not None
        case "genre":
            return value in place.genres
        case "area" | "city":
            return str(value) in (place.city or "") or str(value) in (place.address or "")
        case "station":
            return place.nearest_station is not None and str(value).removesuffix("駅") in place.nearest_station
        case "charging":
            return place.charging_kw is not None
    return getattr(place, what, None) is True


def named(hits: Sequence[PlaceHit], name: str) -> PlaceHit | None:
    """The candidate whose name contains what was said, or the other way round."""
    said = _folded(name)
    for hit in hits:
        names = [_folded(n) for n in (hit.place.name, hit.place.name_kana, hit.place.name_en) if n]
        if said and any(said in n or (len(n) > 2 and n in said) for n in names):
            return hit
    return None


def _folded(text: str) -> str:
    return "".join(text.lower().split())


def card(hit: PlaceHit, now: datetime) -> dict[str, Any]:
    """A candidate for a page; `hours` are today's, in minutes after midnight (past it counted on), `closes_in` the minutes left from `now`, None while closed."""
    place = hit.place
    hours, lot = place.hours, place.parking
    holiday, yesterday = is_holiday(now), is_holiday(now - timedelta(days=1))
    rest = hours.closes_at(now, holiday=holiday, yesterday_holiday=yesterday) if hours else None
    return {
        "type": "place", "id": place.id, "name": place.name, "name_en": place.name_en,
        "lat": place.position.latitude, "lon": place.position.longitude, "kind": place.kind,
        "genres": list(place.genres), "rating": place.rating, "price": place.price,
        "parking": lot.fee if lot else None, "address": place.address, "phone": place.phone,
        "hours": [list(span) for span in hours.week[7 if holiday else now.weekday()]] if hours else None,
        "open": rest is not None if hours else None,
        "closes": None if rest is None else now.hour * 60 + now.minute + rest,
        "parking_lot": {
            "own": lot.own, "distance_m": lot.distance_m, "fee_yen_per_hour": lot.fee_yen_per_hour, "spaces": lot.spaces,
            "vacancy": lot.vacancy, "vacancy_at": lot.vacancy_at.isoformat() if lot.vacancy_at else None,
        } if lot else None,
        "distance_m": hit.distance_m, "demo": place.demo or place.demo_attributes,
    }  # fmt: skip


# --- actions ----------------------------------------------------------------------------------------------------------


class SearchAction(SearchSkill):
    """A wish to find a place."""

    action_name: ClassVar[str] = "action_search"
    pending_kinds: ClassVar[tuple[str, ...]] = ("ask_kind",)

    async def perform(self, turn: Turn) -> Outcome:
        turn = with_feeling(turn)
        if HISTORY_WORDS.search(turn.text):
            return await self.earlier(turn)
        if is_goal(turn):
            from actions.route import NavigateAction

            return await NavigateAction(self.world, self.phrases).perform(turn)
        if (hit := await self._one_of_those(turn)) is not None:
            return await self._one(turn, apply(self.state(turn), [choice(hit)]), hit, (), "", "search.chosen")
        turn = (await mended(self.world, turn)).turn
        state = self.change(turn, self.state(turn))
        if not {"kind", "genre", "name", "phone"} & state.conditions.keys():
            return Outcome(
                self.say(turn, "search.ask_kind"), "asks_slot",
                self.kept(turn, state, pending={"kind": "ask_kind"}), quick_replies=self._quick(turn, "restaurant", "parking", "sight"),
            )  # fmt: skip
        return await self.look(turn, replace(state, offset=0))

    async def _one_of_those(self, turn: Turn) -> PlaceHit | None:
        """The candidate a bare name points at while a list is on the table."""
        listed = turn.slots.get("context") in ("offers_list", "asks_condition", "asks_choice")
        if not listed or not turn.all("place_name") or turn.all("kind", "genre"):
            return None
        return named(await self.candidates(turn, self.state(turn)), str(turn.first("place_name")))

    async def resolve_pending(self, turn: Turn, pending: Mapping[str, Any], yes: bool) -> Outcome:
        key = "search.ask_kind_again" if yes else "answer.all_right"
        return Outcome(self.say(turn, key), "asks_slot" if yes else "done", {"pending": dict(pending) if yes else None})


def is_goal(turn: Turn) -> bool:
    """Whether all that is said is one place to go to: home, work, or an answer to "where to?"."""
    if turn.all("kind", "genre", "place_name", "phone_number"):
        return False
    if turn.first("where") in ("home", "work") and turn.intent in SEARCH_INTENTS and not NEARBY.search(turn.text):
        return True
    asked = (turn.slots.get("pending") or {}).get("kind") == "ask_goal"
    return asked and any(e.type in PLACES_OF_WORLD for e in turn.entities)


def with_feeling(turn: Turn) -> Turn:
    """「おなかすいた」 asks for restaurants near the car: the feeling gives the kind when none is said."""

    feeling = turn.first("feeling")
    if feeling not in FEELING_KINDS or turn.first("kind") or turn.first("genre"):
        return turn
    implied = [Entity("kind", FEELING_KINDS[feeling])]
    if not any(e.type in PLACES_OF_WORLD or e.type == "place_name" for e in turn.entities):
        implied.append(Entity("where", "here", text="near here"))
    return replace(turn, entities=(*turn.entities, *implied))


class NarrowAction(SearchSkill):
    """A change of the conditions of the search under way."""

    action_name: ClassVar[str] = "action_narrow"
    pending_kinds: ClassVar[tuple[str, ...]] = ("drop_condition",)

    async def perform(self, turn: Turn) -> Outcome:
        turn = with_feeling(turn)
        if is_goal(turn):
            from actions.route import NavigateAction

            return await NavigateAction(self.world, self.phrases).perform(turn)
        state = self.state(turn)
        operations = from_turn(turn, state, self.inventory, turn.slots.get("trip"))
        if not operations and not state.empty:
            operations = self._from_pending(turn, state)
        if not operations and not state.empty and OTHERS.search(turn.text):
            return await NextPageAction(self.world, self.phrases).perform(turn)
        if not operations and turn.first("where") in REFERENCES and turn.slots.get("focus"):
            return await ChooseAction(self.world, self.phrases).perform(turn)
        if not operations and (hit := await self.meant(turn, state)) is not None:
            return await self._one(turn, apply(state, [choice(hit)]), hit, (), "", "search.chosen")
        changed = apply(state, operations)
        if START_OVER.search(turn.text) and turn.first("drop") == "all":
            return Outcome(
                self.say(turn, "undo.start"), "asks_slot",
                self.kept(turn, apply(state, [Reset()]), pending={"kind": "ask_kind"}, trip=None),
            )  # fmt: skip
        if changed == state and not state.empty and turn.slots.get("context") != "apology":
            # Nothing new was understood in it: the same list again would be no answer.
            key = "narrow.already" if any(e.role is None for e in turn.entities) else "narrow.what"
            return Outcome(
                self.say(turn, key, wishes=self.wishes(turn, state) or self.what(turn, state)),
                "asks_condition",
                self.kept(turn, state, pending=turn.slots.get("pending")),
            )
        if not {"kind", "genre", "name", "phone"} & changed.conditions.keys():
            return Outcome(
                self.say(turn, "search.ask_kind"), "asks_slot",
                self.kept(turn, changed, pending={"kind": "ask_kind"}), quick_replies=self._quick(turn, "restaurant", "parking", "sight"),
            )  # fmt: skip
        return await self._look_or_take(turn, state, changed, self._lead(turn, operations, state))

    def _from_pending(self, turn: Turn, state: SearchState) -> tuple[Operation, ...]:
        pending = turn.slots.get("pending") or {}
        if turn.first("pick") == {"any": True} and pending.get("kind") == "drop_condition":
            return (Drop(str(pending["condition"])),)
        return ()

    def _lead(self, turn: Turn, operations: Sequence[Operation], before: SearchState) -> str:
        """Says back what was given up, so that a misheard one is noticed."""
        gone = [o.condition for o in operations if isinstance(o, Drop) and o.condition in before.conditions]
        given = {o.condition for o in operations if isinstance(o, Add | Replace)}
        if not gone or given:
            return ""
        labels = [self.condition(turn, c, before.conditions[c]) for c in gone]
        return self.say(turn, "narrow.dropped", conditions=wording.listed(labels, turn.language))

    async def resolve_pending(self, turn: Turn, pending: Mapping[str, Any], yes: bool) -> Outcome:
        state = self.state(turn)
        if not yes:
            return Outcome(self.say(turn, "search.none_change"), "asks_condition", self.kept(turn, state))
        return await self.look(turn, apply(state, [Drop(str(pending["condition"]))]))


class NextPageAction(SearchSkill):
    """Others of what was found."""

    action_name: ClassVar[str] = "action_next_page"

    async def perform(self, turn: Turn) -> Outcome:
        state = self.state(turn)
        if state.empty:
            return Outcome(self.say(turn, "search.nothing_under_way"), "asks_slot", {"pending": {"kind": "ask_kind"}})
        pending = turn.slots.get("pending") or {}
        focus = Focus.from_json(turn.slots.get("focus"))
        changed = apply(state, from_turn(turn, state, self.inventory, turn.slots.get("trip")))
        if changed != state:
            return await self.look(turn, changed)
        if pending.get("kind") == "set_destination" and focus is not None and focus.id:
            # One place had been offered: it is put aside and the rest looked at again.
            return await self.look(turn, apply(replace(state, offset=0), [Reject((focus.id,))]))
        return await self.look(turn, apply(state, [NextPage(PAGE)]))


class ChooseAction(SearchSkill):
    """One of those offered."""

    action_name: ClassVar[str] = "action_choose"
    pending_kinds: ClassVar[tuple[str, ...]] = ("list",)

    async def perform(self, turn: Turn) -> Outcome:
        state = self.state(turn)
        if (turn.slots.get("pending") or {}).get("kind") == "which_goal":
            return await self._goal(turn, turn.slots["pending"])
        pick = turn.first("pick")
        hit = await self._best_of_all(turn, state, pick) or await self.meant(turn, state)
        sortable = {"kind", "genre", "name", "phone"} & state.conditions.keys()
        if hit is None and isinstance(pick, Mapping) and sortable and (order := _sort_key(pick)) is not None:
            return await self.look(turn, apply(state, [Sort(order)]))
        if hit is None:
            focus = Focus.from_json(turn.slots.get("focus"))
            pointed = focus is not None and not turn.all("ordinal", "number", "place_name")
            if pointed and (turn.slots.get("pending") or {}).get("kind") == "destination_set":
                from actions.route import SetDestinationAction

                return await SetDestinationAction(self.world, self.phrases).resolve_pending(
                    turn, turn.slots["pending"], True
                )
            if pointed and focus is not None and (turn.slots.get("pending") or {}).get("kind") == "set_destination":
                # 「じゃあそこで」 after "shall I set it?" is a yes.
                from actions.route import SetDestinationAction

                return await SetDestinationAction(self.world, self.phrases).guide(turn, focus)
            if pointed and focus is not None and focus.id:
                place = await self.world.places.get(focus.id)
                return await self._chosen(turn, state, PlaceHit(place, None))
            changed = self.change(turn, state)
            if changed != state and not changed.empty:
                return await self._look_or_take(turn, state, changed)
            if not state.shown:
                return Outcome(self.say(turn, "choose.nothing_offered"), "asks_slot", {"pending": {"kind": "ask_kind"}})
            return Outcome(
                self.say(turn, "choose.which"), "offers_list",
                self.kept(turn, state, pending={"kind": "list"}),
            )  # fmt: skip
        return await self._chosen(turn, state, hit)

    async def _chosen(self, turn: Turn, state: SearchState, hit: PlaceHit) -> Outcome:
        pending = turn.slots.get("pending") or {}
        changed = apply(state, [choice(hit)])
        then = pending.get("then")
        if then in ("navigate", "waypoint"):
            from actions.route import AddWaypointAction, SetDestinationAction

            focus = Focus.of(hit.place, wording.name_of(hit.place, turn.language))
            if then == "waypoint":
                return await AddWaypointAction(self.world, self.phrases).add(turn, focus)
            return await SetDestinationAction(self.world, self.phrases).guide(turn, focus)
        return await self._one(turn, changed, hit, (), "", "search.chosen")

    async def _best_of_all(self, turn: Turn, state: SearchState, pick: Any) -> PlaceHit | None:
        """「一番近いところ」 means all that was found, 「近い方」 only those read out."""
        if not isinstance(pick, Mapping) or not SUPERLATIVE.search(turn.text) or not state.shown:
            return None
        order = _sort_key(pick)
        ground = await resolve(self.world, turn, state) if order else None
        if order is None or ground is None or isinstance(ground, Missing):
            return None
        page, _ = await self._search(to_query(replace(state, sort=order, offset=0), ground, limit=1), ground, state)
        return page.hits[0] if page.hits else None

    async def _goal(self, turn: Turn, pending: Mapping[str, Any]) -> Outcome:
        """One of several stations or towns of one name, asked about before guiding there."""
        from actions.route import SetDestinationAction

        choices = [f for row in pending["choices"] if (f := Focus.from_json(row)) is not None]
        said = turn.first("ordinal") or turn.first("number")
        index = int(said) - 1 if isinstance(said, int | float) and said > 0 else -1 if said == -1 else None
        if turn.first("pick") is not None:
            index = 0
        if index is None or not -1 <= index < len(choices):
            return Outcome(self.say(turn, "choose.which"), "asks_choice", {"pending": dict(pending)})
        return await SetDestinationAction(self.world, self.phrases).guide(turn, choices[index])

    async def resolve_pending(self, turn: Turn, pending: Mapping[str, Any], yes: bool) -> Outcome:
        state = self.state(turn)
        if not yes:
            return await self.look(turn, apply(state, [NextPage(PAGE)]))
        if len(state.shown) == 1:
            hits = await self.candidates(turn, state)
            return await self._chosen(turn, state, hits[0])
        return Outcome(
            self.say(turn, "choose.which"),
            "offers_list",
            self.kept(turn, state, pending=dict(pending)),
        )


class UndoAction(SearchSkill):
    """Takes back the last change of the search."""

    action_name: ClassVar[str] = "action_undo"

    async def perform(self, turn: Turn) -> Outcome:
        if car_came_last(turn) and (undone := await car_undone(self, turn)) is not None:
            return undone
        state = self.state(turn)
        wanted = conditions_of(turn, state, self.inventory)
        if wanted:
            return await self._as_it_was(turn, state, wanted)
        if not state.history:
            return Outcome(self.say(turn, "undo.nothing"), "asks_condition", self.kept(turn, state))
        before = apply(state, [Undo()])
        if before.empty:
            return Outcome(
                self.say(turn, "undo.start"), "asks_slot", self.kept(turn, before, pending={"kind": "ask_kind"})
            )
        return await self.look(turn, replace(before, chosen=None), self.say(turn, "undo.done"))

    async def _as_it_was(self, turn: Turn, state: SearchState, wanted: Mapping[str, Any]) -> Outcome:
        """「やっぱり最初の和食に戻して」: back to when that held; where it never did, it is a new wish."""
        before = state
        while before.history:
            before = apply(before, [Undo()])
            if all(before.conditions.get(k) == v for k, v in wanted.items()):
                return await self.look(turn, replace(before, chosen=None), self.say(turn, "undo.done"))
        return await NarrowAction(self.world, self.phrases).perform(turn)


def anchored(turn: Turn, state: SearchState) -> SearchState:
    """The state with what "there" means bound to the place talked about now, unless it was bound when it was said."""
    if state.conditions.get("where") not in REFERENCES:
        return replace(state, anchor=None)
    said = turn.first("where") or turn.first("where", role="near")
    focus = Focus.from_json(turn.slots.get("focus"))
    if focus is None or (state.anchor is not None and said not in REFERENCES):
        return state
    return replace(state, anchor=(focus.name, focus.position.latitude, focus.position.longitude))


def car_came_last(turn: Turn) -> bool:
    """Whether the car was set after the search was last changed: then that is what "undo" takes back."""

    def at(slot: str) -> int:
        held = turn.slots.get(slot)
        number = held.get("turn") if isinstance(held, Mapping) else None
        return number if isinstance(number, int) else -1

    return at("last_car") > max(at("search"), at("guidance"))


async def car_undone(skill: Skill, turn: Turn) -> Outcome | None:
    """Takes back the last setting of the car; None when there is none."""
    from actions.car import Climate

    return await Climate(skill.world, skill.phrases).undo(turn)


def _sort_key(pick: Mapping[str, Any]) -> str | None:
    """The order in which what `pick` means comes first; None when no order of the places has it first."""
    match pick.get("by"), pick.get("order"):
        case ("price", "desc"):
            return "price_desc"
        case ("rating", _):
            return "rating"
        case ("distance" | "price" | "parking_fee" as by, "asc" | None):
            return str(by)
    return None


def choice(hit: PlaceHit) -> Choose:
    return Choose(hit.place.id, hit.place.name)


SKILLS: tuple[type[Skill], ...] = (SearchAction, NarrowAction, NextPageAction, ChooseAction, UndoAction)

__all__ = ["SEARCH_INTENTS", "SKILLS", "SearchSkill", "card", "trip_of"]
