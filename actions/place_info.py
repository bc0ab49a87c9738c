"""Questions about the place being talked about: hours, address, telephone, parking, rating, how far."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar

from actions import wording
from actions.ground import Focus, car_position, opening_moment
from actions.search import SearchSkill, card
from actions.skill import Done, Outcome, Skill, Turn, join
from backends.errors import BackendError
from backends.model import Place, PlaceHit, RouteRequest

MOST = 3
"""attributes answered at once"""
DEFAULT = ("hours", "address")
"""what is told when nothing particular is asked"""
FLAGS = ("cards", "wheelchair", "on_site_restaurant", "child_friendly", "non_smoking", "private_room")
OLD = timedelta(minutes=30)
"""a vacancy older than this is said with its time as old"""
WORTHLESS = timedelta(hours=6)
"""a vacancy older than this says nothing"""


def ended(turn: Turn, fact: str) -> str:
    """A fact as the end of a sentence: 「評価は4.4」 takes です, 「駐車場はありません」 stands as it is."""
    return fact if turn.language == "en" or fact.endswith(("ます", "ません", "です")) else f"{fact}です"


class AskPlaceAction(SearchSkill):
    """Answers from what the map knows of the place; what it does not know it says."""

    action_name: ClassVar[str] = "action_ask_place"

    async def perform(self, turn: Turn) -> Outcome:
        asked = self._asked(turn)
        state = self.state(turn)
        hit = await self.meant(turn, state) if turn.all("ordinal", "number", "pick", "place_name") else None
        focus = Focus.from_json(turn.slots.get("focus"))
        if hit is None and turn.first("place_name"):
            hit = await self._named(turn)
            if hit is None:
                name = turn.first("place_name")
                return Outcome(
                    self.say(turn, "place.unknown", name=name), "gives_info", {"pending": turn.slots.get("pending")}
                )
        if hit is None and focus is not None and focus.id:
            hit = PlaceHit(await self.world.places.get(focus.id), None)
        if hit is None and focus is None and len(state.shown) > 1:
            return await self._of_all(turn, asked[0])
        if hit is None and len(state.shown) == 1:
            hit = next(iter(await self.candidates(turn, state)), None)
        if hit is None:
            key = "place.only_position" if focus is not None else "place.which"
            name = focus.name if focus is not None else ""
            return Outcome(self.say(turn, key, name=name), "asks_place", {"pending": turn.slots.get("pending")})
        return await self._of(turn, hit, asked)

    def _asked(self, turn: Turn) -> list[str]:
        asked = [str(e.value) for e in turn.all("attribute")]
        if not asked:
            # 「駐車場はありますか」 may come as the condition it names.
            asked = [e.type for e in turn.all("parking", "wifi", "charging", "vacancy", *FLAGS)]
        return list(dict.fromkeys(asked))[:MOST] or list(DEFAULT)

    async def _named(self, turn: Turn) -> PlaceHit | None:
        hits = await self.world.places.find(str(turn.first("place_name")), near=await car_position(self.world), limit=1)
        return hits[0] if hits and hits[0].score >= 0.6 else None

    async def _of(self, turn: Turn, hit: PlaceHit, asked: list[str]) -> Outcome:
        place = hit.place
        name = wording.name_of(place, turn.language)
        facts = [await self.fact(turn, place, a) for a in asked]
        known = [f for f in facts if f is not None]
        unknown = [self.say(turn, f"attribute.{a}") for a, f in zip(asked, facts, strict=True) if f is None]
        sentences = [self.say(turn, "place.fact", name=name, fact=ended(turn, known[0]))] if known else []
        sentences += [self.say(turn, "place.more", fact=ended(turn, f)) for f in known[1:]]
        if unknown:
            sentences.append(
                self.say(turn, "place.not_known", what=wording.listed(unknown, turn.language, last="or"), name=name)
            )
        note, slots = self.demo(turn, [place])
        pending = turn.slots.get("pending")
        keep = (
            pending
            if isinstance(pending, dict) and pending.get("kind") in ("set_destination", "add_waypoint")
            else None
        )
        return Outcome(
            join(turn.language, *sentences, note),
            "gives_info",
            {"focus": Focus.of(place, name).to_json(), "pending": keep or {"kind": "set_destination"}, **slots},
            (Done("ask_place", {"id": place.id, "attributes": asked}),),
            (card(hit, self.world.clock()),),
        )

    async def _of_all(self, turn: Turn, attribute: str) -> Outcome:
        """A question right after a list, with nothing pointed at: answered for each of them."""
        state = self.state(turn)
        items = []
        for number, hit in enumerate(await self.candidates(turn, state), 1):
            fact = await self.fact(turn, hit.place, attribute) or self.say(turn, "place.unclear")
            items.append(self.say(turn, "place.item", number=number, fact=ended(turn, fact)))
        return Outcome(
            join(turn.language, *items, self.say(turn, "search.ask_which")),
            "offers_list",
            {"pending": turn.slots.get("pending")},
            (Done("ask_place", {"ids": list(state.shown), "attributes": [attribute]}),),
        )

    async def fact(self, turn: Turn, place: Place, attribute: str) -> str | None:
        """One fact as a clause; None when the map does not know it."""
        now = self.world.clock()
        match attribute:
            case "hours" | "open" | "close" | "closed_day":
                return await self._hours(turn, place, attribute, now)
            case "address":
                return place.address and self.say(turn, "fact.address", address=self._address(turn, place))
            case "phone":
                return place.phone and self.say(turn, "fact.phone", phone=place.phone)
            case "rating":
                return None if place.rating is None else self.say(turn, "fact.rating", rating=f"{place.rating:.1f}")
            case "price":
                return self._price(turn, place)
            case "parking" | "parking_fee" | "vacancy":
                return self._parking(turn, place, attribute, now)
            case "station":
                station = place.nearest_station
                return station and self.say(turn, "fact.station", station=self._local(turn, station))
            case "wifi":
                return place.wifi and self.say(turn, f"fact.wifi_{place.wifi}")
            case "charging":
                kw = place.charging_kw
                return None if kw is None else self.say(turn, "fact.charging", kw=f"{kw:.0f}")
            case "distance" | "duration":
                return await self._distance(turn, place)
            case "name":
                return self.say(turn, "fact.name", name=wording.name_of(place, turn.language))
            case _ if attribute in FLAGS:
                value = getattr(place, attribute)
                return None if value is None else self.say(turn, f"fact.{attribute}_{'yes' if value else 'no'}")
        return None

    def _address(self, turn: Turn, place: Place) -> str:
        """The address; in English in the order of English, as far as the names are known."""
        address = place.address or ""
        if turn.language == "ja":
            return address
        rest = address.removeprefix(place.prefecture or "").removeprefix(place.city or "")
        parts = [rest, *(self._local(turn, name) for name in (place.city, place.prefecture) if name)]
        return ", ".join(p for p in parts if p) if all(p.isascii() for p in parts) else address

    async def _hours(self, turn: Turn, place: Place, attribute: str, now: datetime) -> str | None:
        hours = place.hours
        if hours is None:
            return None
        if attribute == "closed_day":
            closed = [d for d in range(7) if not hours.week[d]]
            if not closed:
                return self.say(turn, "fact.no_closed_day")
            days = wording.listed([self.say(turn, f"weekday.{d}") for d in closed], turn.language)
            return self.say(turn, "fact.closed_day", days=days)
        asked: Any = turn.first("open_at") or turn.first("time")
        at = await opening_moment(self.world, asked, place.position, await car_position(self.world)) or now
        rows = hours.week[at.weekday()]
        rest = hours.closes_at(at)
        today = at.date() == now.date()
        weekday = self.say(turn, f"weekday.{at.weekday()}")
        day = self.say(turn, "day.today") if today else self.say(turn, "day.on", day=weekday)
        if not rows and rest is None:
            return self.say(turn, "fact.closed_all_day", day=day)
        spans = wording.listed(
            [
                self.say(
                    turn, "fact.span",
                    opens=wording.minute_of_day(a, turn.language), closes=wording.minute_of_day(b, turn.language),
                )
                for a, b in rows
            ],
            turn.language,
        )  # fmt: skip
        if asked is not None and at > now:
            key = "fact.open_then" if rest is not None else "fact.closed_then"
            return self.say(turn, key, day=day, at=wording.clock(at, turn.language), spans=spans)
        if rest is not None:
            until = wording.minute_of_day((at.hour * 60 + at.minute + rest) % 1440 or 1440, turn.language)
            return self.say(
                turn, "fact.open_now", until=until, left=wording.duration(rest * 60, turn.language), spans=spans
            )
        return self.say(turn, "fact.closed_now", day=day, spans=spans)

    def _price(self, turn: Turn, place: Place) -> str | None:
        if place.budget_yen is not None:
            return self.say(turn, "fact.budget", yen=f"{place.budget_yen:,}")
        return place.price and self.say(turn, f"fact.price_{place.price}")

    def _parking(self, turn: Turn, place: Place, attribute: str, now: datetime) -> str | None:
        parking = place.parking
        if parking is None:
            if place.has_parking is None:
                return None
            return self.say(turn, "fact.parking_yes" if place.has_parking else "fact.parking_no")
        said: list[str] = []
        if attribute != "vacancy":
            if parking.fee == "free":
                said.append(self.say(turn, "fact.parking_free"))
            elif parking.fee_yen_per_hour is not None:
                said.append(self.say(turn, "fact.parking_fee", yen=f"{parking.fee_yen_per_hour:,}"))
            else:
                said.append(self.say(turn, "fact.parking_paid"))
            if not parking.own and parking.distance_m:
                said.append(
                    self.say(turn, "fact.parking_walk", distance=wording.distance(parking.distance_m, turn.language))
                )
        at = parking.vacancy_at
        known = parking.vacancy is not None and (at is None or now - at < WORTHLESS)
        if attribute != "parking_fee" and known:
            key = "fact.vacancy" if at is None else "fact.vacancy_at" if now - at < OLD else "fact.vacancy_old"
            state = self.say(turn, f"fact.vacancy_{parking.vacancy}")
            at_text = wording.clock(at.astimezone(now.tzinfo), turn.language) if at else ""
            said.append(self.say(turn, key, state=state, at=at_text))
        return wording.listed(said, turn.language) if said else None

    async def _distance(self, turn: Turn, place: Place) -> str | None:
        """By road where a road is known, else as the crow flies, and said which."""
        car = await car_position(self.world)
        if car is None:
            return None
        try:
            route = (await self.world.routes.route(RouteRequest(car, place.position, language=turn.language)))[0]
        except (BackendError, IndexError):
            return self.say(
                turn, "fact.straight", distance=wording.distance(car.distance_to(place.position), turn.language)
            )
        return self.say(
            turn, "fact.distance",
            distance=wording.distance(route.distance_m, turn.language), duration=wording.duration(route.duration_s, turn.language),
        )  # fmt: skip


SKILLS: tuple[type[Skill], ...] = (AskPlaceAction,)
