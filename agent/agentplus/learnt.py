"""What was learnt of the driver at the wheel: in words, and as a picture for the page (docs/protocol.md, "Agent+ on the page")."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from agent.agentplus.model import Snapshot
from agent.notices import wording
from agent.notices.answers import MEANINGS
from agent.notices.manager import Confinement
from agent.notices.model import CLASSES
from agent.notices.policy import is_safety
from agent.prediction.errors import HistoryError
from agent.prediction.habits import Habits
from agent.taste import Taste
from backends.errors import BackendError
from backends.model import Language, Route

if TYPE_CHECKING:
    from agent.agentplus.service import AgentPlus

PLACES = 40
HABITS = 20
DRIVES_OF_A_HABIT = 2
"""driven less often, it is none"""
SAID = 3
"""things listed in one spoken sentence"""
SURE = 0.75
"""from this probability on a destination is told without 「かもしれません」"""
MOSTLY = 0.7
"""share of drives on working days, or on free ones, that is worth saying"""


class Learnt:
    """The picture of what one car's Agent+ knows; nothing here changes anything."""

    def __init__(self, plus: AgentPlus) -> None:
        self._plus = plus

    # ── the picture ─────────────────────────────────────────────────────────────────────────────────────────────

    async def picture(self, language: Language) -> dict[str, Any]:
        """Everything as JSON; of a guest everything is empty."""
        plus, profile = self._plus, self._plus.profile
        guest = profile.role == "guest"
        drivers = await asyncio.to_thread(plus.profiles.all)
        return {
            "on": True,
            "driver": {
                "id": profile.id, "name": self.driver_name(profile.id, profile.name, language), "role": profile.role,
                "language": profile.language, "paused": profile.paused, "learns": profile.learns,
                "drives": len(plus.predictor.habits),
            },
            "drivers": [
                {"id": p.id, "name": self.driver_name(p.id, p.name, language), "role": p.role, "driving": p.id == profile.id} for p in drivers
            ],
            "places": [] if guest else self.places(language),
            "habits": [] if guest else self.habits(language),
            "taste": [] if guest else await self.taste(language),
            "notices": self.notices(language),
            "prediction": None if guest else self.prediction(language),
            "ahead": self.ahead(language),
            "last_notice": self.last_notice(),
            "keep_positions_days": plus.keep_days,
        }  # fmt: skip

    def places(self, language: Language) -> list[dict[str, Any]]:
        predictor = self._plus.predictor
        habits, drives = predictor.habits, max(1, len(predictor.habits))
        out = []
        for place in sorted(predictor.places.places, key=lambda p: (-p.visits, p.id))[:PLACES]:
            if not place.stops:
                continue
            out.append(
                {
                    "id": f"place:{place.id}",
                    "name": self._plus.place_name(place.id, language),
                    "role": self._role(place.id),
                    "confirmed": bool(place.name),
                    "latitude": round(place.latitude, 6),
                    "longitude": round(place.longitude, 6),
                    "visits": place.visits,
                    "share": round(place.visits / drives, 3),
                    "words": self._visits(habits, habits.destination == place.id, place.visits, language),
                }
            )
        return out

    def _role(self, place: int) -> str:
        predictor = self._plus.predictor
        label = predictor.places.places[place].name
        if label:
            return label if label in ("home", "work") else "named"
        return "home" if place == predictor.home() else "work" if place == predictor.work() else ""

    def _visits(self, habits: Habits, mine: Any, visits: int, language: Language) -> str:
        if not visits:
            return self._say(language, "learnt.begins_here")
        when = self._when(habits, mine, language)
        return self._say(language, "learnt.visits_when" if when else "learnt.visits", count=visits, when=when)

    def _when(self, habits: Habits, mine: Any, language: Language) -> str:
        """「平日の8時ごろ」, or "" when it is neither always such days nor about one hour."""
        if mine.sum() < DRIVES_OF_A_HABIT:
            return ""
        hours = habits.hour[mine]
        turned = np.exp(1j * hours * (2 * np.pi / 24)).mean()
        if abs(turned) < 0.7:
            return ""
        hour = round(float(np.angle(turned)) * 24 / (2 * np.pi)) % 24
        working = float((habits.kind[mine] == 0).mean())
        days = "weekdays" if working >= MOSTLY else "weekends" if working <= 1 - MOSTLY else "all"
        return self._say(language, f"learnt.about_{days}", hour=hour)

    def habits(self, language: Language) -> list[dict[str, Any]]:
        """The usual drives, most usual first."""
        habits = self._plus.predictor.habits
        pairs = Counter(zip(habits.origin.tolist(), habits.destination.tolist(), strict=True))
        out = []
        for (origin, goal), count in sorted(pairs.items(), key=lambda row: (-row[1], row[0]))[:HABITS]:
            if count < DRIVES_OF_A_HABIT:
                break
            mine = (habits.origin == origin) & (habits.destination == goal)
            when = self._when(habits, mine, language)
            line: Sequence[Any] = ()
            if (shaped := np.flatnonzero(mine & habits.shaped)).size:
                line = [[round(float(a), 5), round(float(b), 5)] for a, b in habits.shapes[shaped[-1]]]
            words = self._say(
                language, "learnt.habit_when" if when else "learnt.habit", when=when, count=count,
                origin=self._plus.place_name(origin, language), goal=self._plus.place_name(goal, language),
            )  # fmt: skip
            out.append(
                {"id": f"habit:{origin}-{goal}", "from": f"place:{origin}", "to": f"place:{goal}", "count": count,
                 "words": words, "line": list(line)}
            )  # fmt: skip
        return out

    async def taste(self, language: Language) -> list[dict[str, Any]]:
        """What is liked, and what is not to be suggested, liked first."""
        plus = self._plus
        try:
            taste = Taste.restore(await asyncio.to_thread(plus.history.get, plus.profile.id, "taste"))
        except HistoryError:
            return []
        rows = []
        for trait, liking in taste.likings().items():
            kind, _, value = trait.partition(":")
            key = f"learnt.taste_{kind}" + ("" if liking > 0 else "_not")
            label = plus.label(value, language) if kind == "genre" else value
            if kind == "price":
                key = f"learnt.taste_price_{value}" + ("" if liking > 0 else "_not")
            rows.append(
                {"id": f"taste:{trait}", "words": self._say(language, key, label=wording.safe(label)),
                 "liking": round(liking, 2)}
            )  # fmt: skip
        for place_id in taste.never:
            name = await self._name_of(place_id, language)
            words = self._say(language, "learnt.never", name=name)
            rows.append({"id": f"never:{place_id}", "words": words, "liking": -1.0})
        return sorted(rows, key=lambda row: -float(row["liking"]))

    async def _name_of(self, place_id: str, language: Language) -> str:
        places = self._plus.senses.places
        try:
            place = await places.get(place_id) if places is not None else None
        except BackendError:
            place = None
        name = "" if place is None else (place.name_en or place.name) if language == "en" else place.name
        return wording.safe(name) or self._say(language, "learnt.a_place")

    def notices(self, language: Language) -> dict[str, Any]:
        manager = self._plus.manager
        quiet = manager.wishes.to_json()["quiet"]
        classes = []
        for kind in CLASSES:
            on, only = kind in manager.wishes.classes, manager.confinement(kind)
            name = self._say(language, f"learnt.class_{kind}")
            when = self.when(only, language)
            key = "learnt.class_off" if not on else "learnt.class_only" if when else "learnt.class_on"
            classes.append(
                {"id": f"notice:{kind}", "class": kind, "name": name, "on": on, "safety": is_safety(kind),
                 "days": only.days, "part": only.part, "liking": round(manager.liking(kind), 2),
                 "words": self._say(language, key, name=name, when=when)}
            )  # fmt: skip
        return {
            "frequency": manager.wishes.frequency, "quiet": quiet, "words": self.settings(language), "classes": classes,
        }  # fmt: skip

    def prediction(self, language: Language) -> dict[str, Any] | None:
        plus = self._plus
        prediction = plus.foreseen()
        if prediction is None or not prediction.guesses:
            return None
        return {
            "abstain": prediction.abstain,
            "reason": plus.why(prediction, language),
            "words": self.expectation(language),
            "destinations": [
                {"place": f"place:{g.place}", "name": plus.place_name(g.place, language),
                 "latitude": round(g.position.latitude, 6), "longitude": round(g.position.longitude, 6),
                 "p": round(g.p, 3)}
                for g in prediction.guesses
            ],
            "route": _line(plus.predicted_route()),
        }  # fmt: skip

    def ahead(self, language: Language) -> dict[str, Any] | None:
        """The stretch that is driven in all likelihood, whatever the destination is."""
        return self._plus.sure_stretch(language)

    def last_notice(self) -> dict[str, Any] | None:
        pending = self._plus.replies.open(self._plus.clock())
        if pending is None or pending.question:
            return None
        return {
            "kind": pending.candidate.kind, "text": pending.text,
            "at": pending.at.isoformat(timespec="seconds"), "answers": list(MEANINGS),
        }  # fmt: skip

    # ── words ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def words(self, language: Language) -> str:
        """What was learnt, as two or three short sentences."""
        drives = len(self._plus.predictor.habits)
        taste = [row for row in await self.taste(language) if row["liking"] > 0]
        if not drives and not taste:
            return self._say(language, "learnt.nothing_paused" if self._plus.profile.paused else "learnt.nothing")
        parts = []
        if drives:
            places = sum(p.visits > 0 for p in self._plus.predictor.places.places)
            parts.append(self._say(language, "learnt.summary", drives=drives, places=places))
        parts += [self._say(language, "learnt.such_as", habit=row["words"]) for row in self.habits(language)[:1]]
        parts += [self._say(language, "learnt.sentence", words=row["words"]) for row in taste[:1]]
        return self._joined(parts, language)

    def settings(self, language: Language) -> str:
        """What is said unasked, how often, and when not."""
        manager = self._plus.manager
        if manager.wishes.frequency == "off":
            return self._say(language, "learnt.settings_off")
        on = [self._say(language, f"learnt.class_{kind}") for kind in CLASSES if kind in manager.wishes.classes]
        if not on:
            return self._say(language, "learnt.settings_none")
        often = self._say(language, f"learnt.frequency_{manager.wishes.frequency}")
        parts = [self._say(language, "learnt.settings", classes=self._listed(on, language), often=often)]
        for kind in CLASSES:
            if kind in manager.wishes.classes and (when := self.when(manager.confinement(kind), language)):
                name = self._say(language, f"learnt.class_{kind}")
                parts.append(self._say(language, "learnt.settings_only", name=name, when=when))
        if manager.wishes.quiet is not None:
            begin, end = (f"{t:%H:%M}" for t in manager.wishes.quiet)
            parts.append(self._say(language, "learnt.settings_quiet", begin=begin, end=end))
        return self._joined(parts[:SAID], language)

    def expectation(self, language: Language) -> str:
        """Where the car is probably going, as a sentence; that it is not known, too."""
        plus = self._plus
        prediction = plus.foreseen()
        if prediction is None or prediction.best is None:
            return self._say(language, "predict.nothing")
        best = prediction.best
        if prediction.abstain:
            return self._say(language, "predict.unsure")
        here: Snapshot | None = plus.last
        if here is not None and here.position.distance_to(best.position) < 150:
            return self._say(language, "predict.here")
        key = "predict.sure" if best.p >= SURE else "predict.perhaps"
        name, reason = plus.place_name(best.place, language), plus.why(prediction, language)
        sentence = self._say(language, key, reason=reason, destination=name)
        route = plus.predicted_route()
        if route is None or here is None:
            return sentence
        minutes = wording.duration(route.duration_s, language)
        return self._joined([sentence, self._say(language, "predict.minutes", minutes=minutes)], language)

    def when(self, only: Confinement, language: Language) -> str:
        """「平日の朝」, "" without a confinement."""
        days = "" if only.days == "all" else self._say(language, f"notice.days_{only.days}").strip()
        part = "" if only.part == "all" else self._say(language, f"notice.part_{only.part}").strip()
        if days and part:
            return self._say(language, "notice.when_both", days=days, part=part)
        return days or part

    def driver_name(self, id_: str, name: str, language: Language) -> str:
        if id_ in ("owner", "guest") and name in ("オーナー", "ゲスト"):
            return self._say(language, f"profile.name_{id_}")
        return wording.safe(name)

    def _say(self, language: Language, key: str, **values: object) -> str:
        return self._plus.voice.say(language, key, **values)

    def _listed(self, items: Sequence[str], language: Language) -> str:
        return listed(items, language)

    @staticmethod
    def _joined(parts: Sequence[str], language: Language) -> str:
        return ("" if language == "ja" else " ").join(part for part in parts if part)


def listed(items: Sequence[str], language: Language) -> str:
    """事故、渋滞; accidents, jams and weather."""
    if language == "ja" or len(items) < 2:
        return "、".join(items) if language == "ja" else "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def _line(route: Route | None) -> list[list[float]]:
    return [] if route is None else [[round(p.latitude, 5), round(p.longitude, 5)] for p in route.geometry]


def card(picture: Mapping[str, Any]) -> dict[str, Any]:
    """What a page shows beside the words."""
    return {"type": "learnt", **{key: picture[key] for key in ("places", "habits", "taste")}}
