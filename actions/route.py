"""Destinations and routes: take me there, waypoints, arrival, alternatives, cancelling; home and work."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, cast

from actions import wording
from actions.ground import Focus, car_position, heading, on_map, spoken_name
from actions.hearing import Meant, mended
from actions.narrowing import Add, Choose, SearchState, apply
from actions.search import HISTORY_WORDS, SearchSkill, trip_of
from actions.skill import Done, Outcome, Skill, Turn, join
from backends.errors import BackendError, BackendUnavailable, NotFound
from backends.model import Locality, PlaceHit, Position, Route, RouteRequest, SavedPlace

LOCALITY_TYPES = ("station", "area", "city", "prefecture")
OPTIONS = ("avoid_tolls", "avoid_highways", "shortest")
"""route options kept for the next routes too"""
EVENTS: Mapping[str, str] = {
    "route.set": "set_destination",
    "route.waypoint_set": "add_waypoint",
}
"""sentence said when guidance starts → the event; the others change the route under way"""
REGISTER_WORDS = re.compile(r"登録|覚えて|\b(register|save|remember)\b", re.IGNORECASE)
SURE = 0.6
"""a name fitting less well than this is not the one said"""
SAME_PLACE_M = 2_000
"""localities of one name nearer than this are one place"""
SAME_TOWN_M = 10_000
"""the same within one municipality"""


class RouteSkill(SearchSkill):
    """What the skills that guide share."""

    async def guide(
        self,
        turn: Turn,
        target: Focus,
        *,
        waypoints: tuple[Focus, ...] = (),
        options: Mapping[str, bool] | None = None,
        key: str = "route.set",
    ) -> Outcome:
        """Routes to `target`, has the head unit guide there and says what it confirmed."""
        kept: dict[str, Any] = dict(turn.slots.get("guidance") or {})
        chosen = kept.get("options") or {} if options is None else options
        wanted = {o: bool(chosen.get(o)) for o in OPTIONS}
        origin = await car_position(self.world)
        if origin is None:
            raise BackendUnavailable("vehicle", "no position")
        routes = await self.world.routes.route(
            RouteRequest(
                origin,
                target.position,
                tuple(w.position for w in waypoints),
                heading=await heading(self.world),
                departure=self.world.clock(),
                avoid_tolls=wanted["avoid_tolls"],
                avoid_highways=wanted["avoid_highways"],
                shortest=wanted["shortest"],
                language=turn.language,
            )
        )
        if not routes:
            raise NotFound("routes", target.name)
        return await self.start(turn, target, routes[0], waypoints, wanted, key)

    async def _note_taste(self, turn: Turn, target: Focus) -> None:
        """A restaurant taken from a list tells what the driver likes."""
        shown = [str(i) for i in (turn.slots.get("search") or {}).get("shown") or ()]
        if self.world.taste is None or not target.id:
            return
        hits: list[PlaceHit] = []
        for place_id in dict.fromkeys((target.id, *shown)):
            with contextlib.suppress(BackendError):
                place = await self.world.places.get(place_id)
                if place.kind == "restaurant":
                    hits.append(PlaceHit(place, None))
        chosen = next((hit for hit in hits if hit.place.id == target.id), None)
        if chosen is not None:
            passed = [hit for hit in hits if hit is not chosen]
            await asyncio.to_thread(self.world.taste.note, turn.driver, chosen, passed, self.world.clock())

    async def start(
        self,
        turn: Turn,
        target: Focus,
        route: Route,
        waypoints: tuple[Focus, ...],
        options: Mapping[str, bool],
        key: str,
    ) -> Outcome:
        await self.world.navigation.set_route(target.name, route, target.position, tuple(w.position for w in waypoints))
        status = await self.world.navigation.status()
        if not status.get("guiding"):
            raise BackendUnavailable("navigation", "not guiding")
        event = EVENTS.get(key, "change_route")
        if event == "set_destination":
            saved = SavedPlace("history", target.name, target.position, target.id or None, self.world.clock())
            await self.world.memory.put(turn.driver, saved)
            await self._note_taste(turn, target)
        figures = self.figures(turn, status)
        via = waypoints[-1].name if waypoints else ""
        text = self.say(turn, key, name=target.name, via=via, **figures)
        if options.get("avoid_tolls") and route.has_toll:
            text = join(turn.language, text, self.say(turn, "route.toll_left"))
        guidance = {
            "target": target.to_json(),
            "waypoints": [w.to_json() for w in waypoints],
            "options": {k: v for k, v in options.items() if v},
            "turn": turn.number,
        }
        state = self.state(turn)
        if target.id and not state.empty:
            state = replace(state, chosen=(target.id, target.name))
        return Outcome(
            text,
            "done",
            {"guidance": guidance, "focus": target.to_json(), "search": state.to_json()},
            (
                Done(
                    event,
                    {
                        "name": target.name,
                        "id": target.id,
                        "distance_m": round(route.distance_m),
                        "duration_s": round(route.duration_s),
                        "waypoints": [w.name for w in waypoints],
                        **{k: True for k, v in options.items() if v},
                    },
                ),
            ),
            (
                {
                    "type": "route",
                    "name": target.name,
                    "lat": target.position.latitude,
                    "lon": target.position.longitude,
                    "distance_m": round(route.distance_m),
                    "duration_s": round(route.duration_s),
                    "via": route.via,
                },
            ),
        )

    def figures(self, turn: Turn, status: Mapping[str, object]) -> dict[str, str]:
        """Distance, time and arrival as the head unit reports them, in words."""
        eta = cast(datetime, status["eta"])
        return {
            "distance": wording.distance(cast(float, status["remaining_m"]), turn.language),
            "duration": wording.duration(cast(float, status["remaining_s"]), turn.language),
            "eta": wording.clock(eta.astimezone(self.world.clock().tzinfo), turn.language),
        }

    async def target(self, turn: Turn) -> Focus | Outcome | None:
        """The one place a turn names as its goal; an `Outcome` when something has to be said or asked first; None when it
        names none."""
        where = turn.first("where")
        if where in ("home", "work"):
            saved = await self.world.memory.get(turn.driver, str(where))
            if saved is None:
                return Outcome(
                    self.say(turn, f"missing.no_{where}"), "asks_yesno",
                    {"pending": {"kind": "save_here", "label": where}},
                )  # fmt: skip
            return Focus(saved.place_id or "", self.say(turn, f"route.{where}"), saved.position)
        state = self.state(turn)
        points = turn.all("ordinal", "pick") or (state.shown and turn.all("number", "place_name"))
        if points and (hit := await self.meant(turn, state)) is not None:
            return Focus.of(hit.place, wording.name_of(hit.place, turn.language))
        if turn.all("place_name") or turn.all("kind", "genre", "phone_number"):
            return None
        return await self._locality(turn)

    async def _locality(self, turn: Turn) -> Focus | Outcome | None:
        """A station, district or municipality named as the goal."""
        named = [(t, e) for t in LOCALITY_TYPES for e in (*turn.all(t), *turn.all(t, role="near"))]
        if not named:
            return None
        type_, entity = named[0]
        car = await car_position(self.world)
        found = self.world.gazetteer.lookup(str(entity.value), near=car)
        if type_ == "station":
            found = tuple(f for f in found if f.kind == "station") or found
        inside = [f for f in found if await on_map(self.world, f.position)]
        outer = [str(e.value) for t, e in named[1:]]
        if outer:
            inside = [
                f for f in inside if any(o in (f.city or "") or o in (f.prefecture or "") for o in outer)
            ] or inside
        if not inside:
            if not found:
                return Outcome(self.say(turn, "missing.unknown", name=entity.value), "asks_place")
            name = spoken_name(found[0], turn.language)
            return Outcome(
                self.say(turn, "route.no_map", name=name), "no_results",
                done=(Done("set_destination", {"missing": "no_map", "name": found[0].name}, False),),
            )  # fmt: skip
        rivals = distinct(inside)
        if len(rivals) > 1:
            return self._which_locality(turn, rivals[:3])
        place = inside[0]
        return Focus("", spoken_name(place, turn.language), place.position)

    def _which_locality(self, turn: Turn, rivals: list[Locality]) -> Outcome:
        choices = [Focus("", spoken_name(r, turn.language), r.position) for r in rivals]
        items = [
            self.say(
                turn, "search.which_item", number=n, name=c.name, place=self._local(turn, r.city or r.prefecture or "")
            )
            for n, (c, r) in enumerate(zip(choices, rivals, strict=True), 1)
        ]
        text = self.say(turn, "search.which", name=choices[0].name, items=join(turn.language, *items))
        pending = {"kind": "which_goal", "choices": [c.to_json() for c in choices]}
        return Outcome(
            text, "asks_choice", {"pending": pending}, quick_replies=tuple(str(n + 1) for n in range(len(rivals)))
        )


def distinct(found: list[Locality]) -> list[Locality]:
    """Those with the first one's name and kind that are not the same place, when none of them clearly comes first."""
    first = found[0]
    rivals = [first]
    for other in found[1:]:
        same_name = other.name == first.name and other.kind == first.kind
        if same_name and all(_apart(other, r) for r in rivals):
            rivals.append(other)
    return rivals


def _apart(a: Locality, b: Locality) -> bool:
    """A town has no two quarters or stations of one name, but a quarter may be known by two of its points."""
    distance = a.position.distance_to(b.position)
    return distance > (SAME_TOWN_M if a.city is not None and a.city == b.city else SAME_PLACE_M)


UNCONFIRMED: Mapping[str, Any] = {"pending": {"kind": "destination_set"}}


def unconfirmed(outcome: Outcome) -> Outcome:
    """A destination set without asking first: a plain no right after it takes it back."""
    return replace(outcome, slots={**outcome.slots, **UNCONFIRMED})


class NavigateAction(RouteSkill):
    """Take me to a named place, home, work, a station, a kind of place."""

    action_name: ClassVar[str] = "action_navigate"
    pending_kinds: ClassVar[tuple[str, ...]] = ("save_here", "which_goal", "ask_goal")

    async def perform(self, turn: Turn) -> Outcome:
        if (label := turn.first("where")) in ("home", "work") and REGISTER_WORDS.search(turn.text):
            return await self.save_here(turn, str(label), Focus.from_json(turn.slots.get("focus")))
        if HISTORY_WORDS.search(turn.text):
            return await self.earlier(turn)
        heard = await mended(self.world, turn)
        if heard.rivals:
            return self._which_heard(turn, heard.rivals)
        turn = heard.turn
        goal = await self.target(turn)
        if isinstance(goal, Outcome):
            return replace(goal, slots={"trip": trip_of(turn) or turn.slots.get("trip"), **goal.slots})
        if goal is not None and not goal.id and _only_broad(turn):
            landmark = await self._landmark(turn, goal)
            if landmark is None:
                return self._whereabouts(turn, goal)
            goal = landmark
        if goal is not None:
            return unconfirmed(await self.guide(turn, goal))
        if turn.all("place_name", "kind", "genre", "phone_number") or turn.first("feeling"):
            return await self._searched(turn)
        focus = Focus.from_json(turn.slots.get("focus"))
        if focus is not None and (turn.first("where") in ("there", "candidate") or not turn.entities):
            return await self.guide(turn, focus)
        return Outcome(
            self.say(turn, "route.ask_goal"), "asks_place",
            {"pending": {"kind": "ask_goal"}, "trip": trip_of(turn) or turn.slots.get("trip")},
        )  # fmt: skip

    def _which_heard(self, turn: Turn, rivals: Sequence[Meant]) -> Outcome:
        """A name that was not understood: what it sounds like is asked about, never just taken."""
        choices = [Focus.of(m.place, wording.name_of(m.place, turn.language)) if m.place is not None
                   else Focus("", self._local(turn, m.name), m.position) for m in rivals]  # fmt: skip
        if len(choices) == 1:
            return Outcome(
                self.say(turn, "heard.one", name=choices[0].name), "offers_one",
                {"focus": choices[0].to_json(), "pending": {"kind": "set_destination"}}, quick_replies=self._quick(turn, "yes", "no"),
            )  # fmt: skip
        items = [self.say(turn, "heard.item", number=n, name=c.name) for n, c in enumerate(choices, 1)]
        return Outcome(
            self.say(turn, "heard.which", items=join(turn.language, *items)), "asks_choice",
            {"pending": {"kind": "which_goal", "choices": [c.to_json() for c in choices]}},
            quick_replies=tuple(str(n + 1) for n in range(len(choices))),
        )  # fmt: skip

    async def _landmark(self, turn: Turn, goal: Focus) -> Focus | None:
        """The place that bears a quarter's name: to 江の島 one drives, not to its middle."""
        area = turn.first("area")
        if area is None or turn.all("city"):
            return None
        hits = await self.world.places.find(str(area), near=goal.position, limit=1)
        place = hits[0].place if hits and hits[0].match == "exact" else None
        near = place is not None and place.position.distance_to(goal.position) < SAME_TOWN_M
        return Focus.of(place, wording.name_of(place, turn.language)) if place is not None and near else None

    def _whereabouts(self, turn: Turn, goal: Focus) -> Outcome:
        """A town is no address: its centre is offered, and a search there is made easy."""
        return Outcome(
            self.say(turn, "route.whereabouts", name=goal.name), "asks_yesno",
            {"focus": goal.to_json(), "pending": {"kind": "set_destination"}, "trip": trip_of(turn) or turn.slots.get("trip")},
        )  # fmt: skip

    async def _searched(self, turn: Turn) -> Outcome:
        """Looks the goal up: one that is certain is set, one that is likely offered, several are read out."""
        from actions.search import with_feeling

        turn = with_feeling(turn)
        state = self.change(turn, self.state(turn))
        found = await self.look(turn, state)
        if found.context == "no_results" and (place := await self._locality_called(turn, state)) is not None:
            return unconfirmed(await self.guide(turn, place))
        single = found.context == "offers_one" and found.cards
        if not single or "name" not in state.conditions:
            return found
        card = found.cards[0]
        said, name = str(state.conditions["name"]), str(card["name"])
        certain = _plain(said) in (_plain(name), _plain(str(card.get("name_en") or "")))
        if not certain:
            return found
        shown = str(card["name_en"]) if turn.language == "en" and card.get("name_en") else name
        outcome = await self.guide(turn, Focus(str(card["id"]), shown, Position(card["lat"], card["lon"])))
        chosen = apply(SearchState.from_json(found.slots["search"]), [Choose(str(card["id"]), name)])
        return replace(
            outcome,
            slots={**found.slots, **outcome.slots, "search": chosen.to_json(), **UNCONFIRMED},
            done=(*found.done, *outcome.done),
        )

    async def _locality_called(self, turn: Turn, state: SearchState) -> Focus | None:
        """A name no place has may be a station's, an airport's or a town's."""
        if state.conditions.keys() - {"name", "city", "prefecture"} or "name" not in state.conditions:
            return None
        found = self.world.gazetteer.lookup(str(state.conditions["name"]), near=await car_position(self.world))
        for locality in found:
            if await on_map(self.world, locality.position):
                return Focus("", spoken_name(locality, turn.language), locality.position)
        return None

    async def resolve_pending(self, turn: Turn, pending: Mapping[str, Any], yes: bool) -> Outcome:
        if pending["kind"] == "save_here":
            if not yes:
                return Outcome(self.say(turn, "route.not_saved"), "asks_place", {"pending": {"kind": "ask_goal"}})
            return await self.save_here(turn, str(pending["label"]))
        if pending["kind"] == "which_goal":
            return Outcome(self.say(turn, "choose.which"), "asks_choice", {"pending": dict(pending)})
        key = "route.ask_goal" if yes else "answer.all_right"
        return Outcome(
            self.say(turn, key), "asks_place" if yes else "done", {"pending": dict(pending) if yes else None}
        )

    async def save_here(self, turn: Turn, label: str, place: Focus | None = None) -> Outcome:
        """Registers `place`, or where the car is, as home or work."""
        position = place.position if place is not None else await car_position(self.world)
        if position is None:
            raise BackendUnavailable("vehicle", "no position")
        name = self.say(turn, f"route.{label}")
        place_id = (place.id or None) if place is not None else None
        await self.world.memory.put(turn.driver, SavedPlace(label, name, position, place_id, self.world.clock()))
        if place is None:
            text = self.say(turn, "route.saved", name=name)
        else:
            text = self.say(turn, "route.saved_place", name=name, place=place.name)
        return Outcome(text, "done", done=(Done("save_place", {"label": label}),))


def _only_broad(turn: Turn) -> bool:
    """Whether the goal is a municipality or a prefecture and nothing nearer."""
    exact = (
        turn.all("station") or turn.all("station", role="near") or turn.first("where") or turn.all("ordinal", "pick")
    )
    return not exact and any(e.type in ("area", "city", "prefecture") for e in turn.entities)


def _plain(text: str) -> str:
    return "".join(text.lower().split())


class SetDestinationAction(RouteSkill):
    """Makes what was offered the destination."""

    action_name: ClassVar[str] = "action_set_destination"
    pending_kinds: ClassVar[tuple[str, ...]] = ("set_destination", "destination_set")

    async def perform(self, turn: Turn) -> Outcome:
        if turn.first("where") in ("home", "work") and REGISTER_WORDS.search(turn.text):
            return await NavigateAction(self.world, self.phrases).perform(turn)
        goal = await self.target(turn)
        if isinstance(goal, Outcome):
            return goal
        if goal is None and turn.all("place_name", "kind", "genre", "phone_number"):
            return await NavigateAction(self.world, self.phrases).perform(turn)
        goal = goal or Focus.from_json(turn.slots.get("focus"))
        if goal is not None:
            return await self.guide(turn, goal)
        state = self.state(turn)
        if state.shown:
            return Outcome(
                self.say(turn, "choose.which"), "offers_list",
                self.kept(turn, state, pending={"kind": "list", "then": "navigate"}),
            )  # fmt: skip
        return Outcome(self.say(turn, "route.ask_goal"), "asks_place", {"pending": {"kind": "ask_goal"}})

    async def resolve_pending(self, turn: Turn, pending: Mapping[str, Any], yes: bool) -> Outcome:
        focus = Focus.from_json(turn.slots.get("focus"))
        if yes:
            if focus is None:
                return Outcome(self.say(turn, "route.ask_goal"), "asks_place", {"pending": {"kind": "ask_goal"}})
            return await self.guide(turn, focus)
        if pending["kind"] == "destination_set":
            await self.world.navigation.cancel()
            return Outcome(
                self.say(turn, "route.taken_back"), "asks_place",
                {"guidance": None, "pending": {"kind": "ask_goal"}}, (Done("cancel_route"),),
            )  # fmt: skip
        return Outcome(
            self.say(turn, "search.not_that_one"),
            "asks_condition",
            self.kept(turn, self.state(turn), focus=turn.slots.get("focus")),
        )


class AddWaypointAction(RouteSkill):
    """Somewhere on the way."""

    action_name: ClassVar[str] = "action_add_waypoint"
    pending_kinds: ClassVar[tuple[str, ...]] = ("add_waypoint",)

    async def perform(self, turn: Turn) -> Outcome:
        status = await self.world.navigation.status()
        if not status.get("guiding"):
            # Nothing to be on the way to: the stop itself is what is wanted.
            return await NavigateAction(self.world, self.phrases).perform(turn)
        turn = (await mended(self.world, turn)).turn
        goal = await self.target(turn)
        if isinstance(goal, Outcome):
            return goal
        if goal is None and turn.all("place_name", "kind", "genre", "phone_number"):
            return await self._searched(turn)
        goal = goal or Focus.from_json(turn.slots.get("focus"))
        if goal is None:
            return Outcome(self.say(turn, "route.ask_waypoint"), "asks_place", {"pending": {"kind": "ask_goal"}})
        return await self.add(turn, goal)

    async def _searched(self, turn: Turn) -> Outcome:
        state = self.change(turn, self.state(turn))
        if not {"city", "area", "station", "near", "where", "name"} & state.conditions.keys():
            state = apply(state, [Add("where", "along_route")])
        return await self.look(turn, state)

    async def add(self, turn: Turn, stop: Focus) -> Outcome:
        """Puts `stop` before the destination and has the route worked out again."""
        target, waypoints = await under_way(self, turn)
        if target is None:
            return await self.guide(turn, stop)
        if target.position.distance_to(stop.position) < 20:
            return Outcome(self.say(turn, "route.is_destination", name=stop.name), "gives_info")
        stops = tuple(w for w in waypoints if w.position.distance_to(stop.position) >= 20)
        return await self.guide(turn, target, waypoints=(*stops, stop), key="route.waypoint_set")

    async def resolve_pending(self, turn: Turn, pending: Mapping[str, Any], yes: bool) -> Outcome:
        focus = Focus.from_json(turn.slots.get("focus"))
        if yes and focus is not None:
            return await self.add(turn, focus)
        return Outcome(self.say(turn, "search.not_that_one"), "asks_condition", self.kept(turn, self.state(turn)))


async def under_way(skill: RouteSkill, turn: Turn) -> tuple[Focus | None, tuple[Focus, ...]]:
    """Where the head unit guides to and its waypoints; names come from what was set by voice."""
    status = await skill.world.navigation.status()
    destination = status.get("destination")
    if not status.get("guiding") or not isinstance(destination, Position):
        return None, ()
    kept: Mapping[str, Any] = turn.slots.get("guidance") or {}
    target = Focus.from_json(kept.get("target"))
    if target is None or target.position.distance_to(destination) > 100:
        target = Focus("", str(status.get("name") or ""), destination)
    known = [f for row in kept.get("waypoints") or () if (f := Focus.from_json(row)) is not None]
    still = cast(Sequence[Position], status.get("waypoints") or ())
    waypoints = tuple(
        next((f for f in known if f.position.distance_to(p) < 100), Focus("", skill.say(turn, "route.stop"), p))
        for p in still
    )
    return target, waypoints


class AskEtaAction(RouteSkill):
    """How long, how far, when do we arrive: to the destination, or to a place named."""

    action_name: ClassVar[str] = "action_ask_eta"

    async def perform(self, turn: Turn) -> Outcome:
        goal = await self.target(turn)
        if isinstance(goal, Outcome):
            return goal
        status = await self.world.navigation.status()
        pending = turn.slots.get("pending") or {}
        if goal is None and (turn.first("where") in ("there", "candidate") or pending.get("kind") == "set_destination"):
            # 「そこまでどのくらい」 and a question about what was just offered, before it is the destination.
            goal = Focus.from_json(turn.slots.get("focus"))
        if goal is None and turn.all("place_name"):
            goal = await self._named(turn)
            if goal is None:
                return Outcome(self.say(turn, "missing.unknown", name=turn.first("place_name")), "asks_place")
        if goal is not None and not self._is_destination(goal, status):
            return await self.to(turn, goal)
        if not status.get("guiding"):
            focus = Focus.from_json(turn.slots.get("focus"))
            if focus is not None:
                return await self.to(turn, focus)
            return Outcome(self.say(turn, "route.none"), "asks_place", {"pending": {"kind": "ask_goal"}})
        text = self.say(turn, "route.eta", name=status.get("name") or "", **self.figures(turn, status))
        return Outcome(text, "gives_info", done=(Done("ask_eta", {"name": str(status.get("name"))}),))

    async def _named(self, turn: Turn) -> Focus | None:
        name, car = str(turn.first("place_name")), await car_position(self.world)
        hits = await self.world.places.find(name, near=car, limit=1)
        if hits and hits[0].score >= SURE:
            return Focus.of(hits[0].place, wording.name_of(hits[0].place, turn.language))
        found = self.world.gazetteer.lookup(name, near=car)
        return Focus("", spoken_name(found[0], turn.language), found[0].position) if found else None

    def _is_destination(self, goal: Focus, status: Mapping[str, object]) -> bool:
        destination = status.get("destination")
        return isinstance(destination, Position) and destination.distance_to(goal.position) < 50

    async def to(self, turn: Turn, goal: Focus) -> Outcome:
        """How far it is to a place that is not (yet) the destination; it stays the one talked about."""
        origin = await car_position(self.world)
        if origin is None:
            raise BackendUnavailable("vehicle", "no position")
        now = self.world.clock()
        request = RouteRequest(
            origin, goal.position, heading=await heading(self.world), departure=now, language=turn.language
        )
        route = (await self.world.routes.route(request))[0]
        text = self.say(
            turn,
            "route.eta_if",
            name=goal.name,
            distance=wording.distance(route.distance_m, turn.language),
            duration=wording.duration(route.duration_s, turn.language),
            eta=wording.clock(now + timedelta(seconds=route.duration_s), turn.language),
        )
        return Outcome(
            join(turn.language, text, self.say(turn, "route.offer")),
            "offers_one",
            {"focus": goal.to_json(), "pending": {"kind": "set_destination"}},
            (Done("ask_eta", {"name": goal.name, "distance_m": round(route.distance_m)}),),
        )


class ChangeRouteAction(RouteSkill):
    """Without tolls, faster, another way."""

    action_name: ClassVar[str] = "action_change_route"
    pending_kinds: ClassVar[tuple[str, ...]] = ("alternative",)

    async def perform(self, turn: Turn) -> Outcome:
        target, waypoints = await under_way(self, turn)
        if target is None:
            return Outcome(self.say(turn, "route.none"), "asks_place", {"pending": {"kind": "ask_goal"}})
        option = str(turn.first("route_option") or "alternatives")
        kept: dict[str, bool] = dict((turn.slots.get("guidance") or {}).get("options") or {})
        match option:
            case "avoid_tolls" | "avoid_highways" | "shortest":
                kept[option] = True
            case "use_tolls":
                kept.pop("avoid_tolls", None)
                kept.pop("avoid_highways", None)
            case "fastest":
                kept = {}
            case _:
                return await self._alternatives(turn, target, waypoints, kept)
        return await self.guide(turn, target, waypoints=waypoints, options=kept, key=f"route.changed_{option}")

    async def _alternatives(
        self, turn: Turn, target: Focus, waypoints: tuple[Focus, ...], options: Mapping[str, bool]
    ) -> Outcome:
        routes = await self._routes(turn, target, waypoints, options)
        if len(routes) < 2:
            return Outcome(self.say(turn, "route.no_alternative"), "gives_info")
        best, other = routes[0], routes[1]
        slower = other.duration_s - best.duration_s
        text = self.say(
            turn,
            "route.alternative" if slower >= 30 else "route.alternative_same",
            via=other.via or self.say(turn, "route.other_road"),
            distance=wording.distance(other.distance_m, turn.language),
            duration=wording.duration(other.duration_s, turn.language),
            slower=wording.duration(max(slower, 0), turn.language),
        )
        return Outcome(
            text,
            "asks_yesno",
            {"pending": {"kind": "alternative", "via": other.via}},
            (Done("alternatives", {"count": len(routes) - 1}),),
            quick_replies=self._quick(turn, "yes", "no"),
        )

    async def _routes(
        self, turn: Turn, target: Focus, waypoints: tuple[Focus, ...], options: Mapping[str, bool]
    ) -> tuple[Route, ...]:
        origin = await car_position(self.world)
        if origin is None:
            raise BackendUnavailable("vehicle", "no position")
        return await self.world.routes.route(
            RouteRequest(
                origin,
                target.position,
                tuple(w.position for w in waypoints),
                alternatives=2,
                heading=await heading(self.world),
                departure=self.world.clock(),
                avoid_tolls=bool(options.get("avoid_tolls")),
                avoid_highways=bool(options.get("avoid_highways")),
                shortest=bool(options.get("shortest")),
                language=turn.language,
            )
        )

    async def resolve_pending(self, turn: Turn, pending: Mapping[str, Any], yes: bool) -> Outcome:
        if not yes:
            return Outcome(self.say(turn, "route.unchanged"), "done")
        target, waypoints = await under_way(self, turn)
        if target is None:
            return Outcome(self.say(turn, "route.none"), "asks_place", {"pending": {"kind": "ask_goal"}})
        options = {o: bool(((turn.slots.get("guidance") or {}).get("options") or {}).get(o)) for o in OPTIONS}
        routes = await self._routes(turn, target, waypoints, options)
        route = next((r for r in routes[1:] if r.via == pending.get("via")), routes[min(1, len(routes) - 1)])
        return await self.start(turn, target, route, waypoints, options, "route.changed_alternatives")


class CancelRouteAction(RouteSkill):
    """Ends guidance."""

    action_name: ClassVar[str] = "action_cancel_route"

    async def perform(self, turn: Turn) -> Outcome:
        ended = await self.world.navigation.cancel()
        if not ended:
            return Outcome(self.say(turn, "route.nothing_to_cancel"), "gives_info", {"guidance": None})
        return Outcome(self.say(turn, "route.cancelled"), "done", {"guidance": None}, (Done("cancel_route"),))


SKILLS: tuple[type[Skill], ...] = (
    NavigateAction,
    SetDestinationAction,
    AddWaypointAction,
    AskEtaAction,
    ChangeRouteAction,
    CancelRouteAction,
)
