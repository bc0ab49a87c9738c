"""Makes the handoff packet of a conversation: summary and lists are computed, in both languages, then all is redacted.

What is known comes from the dialogue's slots and the record; how it is worded for an operator from the sentences under
`desk.` (nlu_data/responses/<language>/desk.yml).
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, cast

from agent.record import Record
from backends import packet as p
from backends.model import Language
from backends.redaction import redact_all
from backends.times import UnresolvableTime, resolve, spoken

_WEATHER_KEYS = frozenset({"prefecture", "city", "area", "station", "place_name", "name_spoken", "where", "item"})
"""what the report says of a weather question beside its time"""
LANGUAGES: tuple[Language, ...] = ("ja", "en")


class Sentences(Protocol):
    def say(self, language: Language, key: str, /, *, turn: int = 0, **values: object) -> str: ...


@dataclass(frozen=True, slots=True)
class Car:
    """The car at the moment of the handoff."""

    vehicle: p.CarFacts
    position: p.CarPosition | None
    route: p.RouteFacts | None
    contract: Any = "active"
    test: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """What leads to a handoff."""

    topic: p.Reason
    fields: Mapping[str, Any]
    """what was collected, by field"""
    left_open: tuple[str, ...] = ()
    offered: bool = False
    """True: the agent offered it after failures"""

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Request:
        """From the arguments of the action `handoff_request`."""
        topic = arguments.get("topic")
        return cls(
            cast(p.Reason, topic if topic in p.REASONS else "other"),
            dict(arguments.get("fields") or {}),
            tuple(str(name) for name in arguments.get("left_open") or ()),
            bool(arguments.get("offered")),
        )


class PacketMaker:
    def __init__(
        self,
        sentences: Sentences,
        report: Callable[[Mapping[str, Any], Language], Mapping[str, Any]],
        car: Callable[[], Car],
        clock: Callable[[], datetime],
    ) -> None:
        """`report` says which conditions are in force, in a language (`concierge replay`'s state)."""
        self._sentences, self._report, self._car, self._clock = sentences, report, car, clock

    def warm(self) -> None:
        """Loads what is loaded at first use (a second's work), so that no driver waits for it."""
        self._report({}, "ja")
        p.problem_of({})

    def make(
        self, record: Record, slots: Mapping[str, Any], request: Request, *, driver: str, language: Language
    ) -> dict[str, Any]:
        """The sealed packet. Raises `BadAnswer` when something in it does not fit the schema."""
        now, car = self._clock(), self._car()
        conditions = self._conditions(slots)
        fields = tuple(self._item(name, value, "field") for name, value in request.fields.items())
        rejected = self._rejected(record, slots)
        reason: p.Reason = "failures" if request.offered else request.topic
        packet = p.HandoffPacket(
            id=f"ho-{secrets.token_urlsafe(12)}",
            created_at=now,
            reason=reason,
            trigger="automatic" if request.offered else "manual",
            test=car.test,
            vehicle=car.vehicle,
            position=car.position,
            route=car.route,
            driver=p.DriverFacts(driver, language, car.contract),
            summary=self._summary(reason, conditions, fields, record, car),
            intent=record.intent,
            slots=conditions,
            already_asked=(*fields, *(self._left_open(name) for name in request.left_open), *self._questions(record)),
            already_rejected=rejected,
            candidates=self._candidates(record, slots),
            actions=tuple(
                p.ActionDone(a.name, json.dumps(dict(a.arguments), ensure_ascii=False, default=str)[:4000], a.ok, at)
                for a, at in record.actions
            ),
            wish=p.Wish(request.topic, fields, request.left_open),
            transcript=tuple(record.lines),
            consent=p.Consent("offer" if request.offered else "request", now, True),
        )
        plain, found = redact_all(packet.to_json())
        plain["redactions"] = [{"where": where, "kind": kind, "count": count} for where, kind, count in found]
        return p.seal(_fitted(plain))

    # ── what is known ───────────────────────────────────────────────────────────────────────────────────────────

    def _conditions(self, slots: Mapping[str, Any]) -> tuple[p.Item, ...]:
        states = {language: self._report(slots, language) for language in LANGUAGES}
        flat = {language: self._flat(state, language) for language, state in states.items()}
        items = []
        for name in flat["ja"]:
            shown = {language: flat[language].get(name, flat["ja"][name]) for language in LANGUAGES}
            items.append(self._item(name, flat["ja"][name], "condition", shown))
        focus = slots.get("focus")
        if isinstance(focus, Mapping) and focus.get("name"):
            items.append(self._item("focus", str(focus["name"]), "condition"))
        return tuple(items)

    def _flat(self, state: Mapping[str, Any], language: Language) -> dict[str, Any]:
        """The report's conditions; the weather question as one of them, in words."""
        out = {key: value for key, value in state.items() if key != "weather"}
        weather = state.get("weather")
        if isinstance(weather, Mapping) and (asked := self._weather(weather, language)):
            out["weather"] = asked
        return out

    def _weather(self, weather: Mapping[str, Any], language: Language) -> str:
        """What was asked of the weather: 「横浜（神奈川県）、明日、雨」."""
        # The place as it was called; what it was found in stands behind it.
        called = [str(weather[key]) for key in ("name_spoken", "place_name", "station", "area") if weather.get(key)]
        within = [str(weather[key]) for key in ("city", "prefecture") if weather.get(key)]
        if not called and weather.get("where"):
            called = [self.value("where", weather["where"], language)]
        place, *more = [*called, *within] or [""]
        behind = [name for name in dict.fromkeys(within if called else more) if name not in place]
        if behind:
            place = self._say(language, "desk.place_in", place=place, within=self._listed(behind, language))
        time = {key: value for key, value in weather.items() if key not in _WEATHER_KEYS}
        when = self._composed("time_of_day", time, language) if time else ""
        item = self.value("weather_item", weather["item"], language) if weather.get("item") else ""
        return self._listed([part for part in (place, when, item) if part], language)

    def _listed(self, parts: Sequence[str], language: Language) -> str:
        return ("、" if language == "ja" else ", ").join(parts)

    def _item(self, name: str, value: Any, kind: str, shown: Mapping[Language, Any] | None = None) -> p.Item:
        labels = {}
        for language in LANGUAGES:
            label = self._text(language, f"desk.{kind}.{name}") or self._text(language, f"desk.field.{name}") or name
            labels[language] = self._say(
                language, "desk.item", name=label, value=self.value(name, (shown or {}).get(language, value), language)
            )
        plain = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
        return p.Item(name, plain, p.BothLanguages(**cast("dict[str, str]", labels)))

    def _left_open(self, name: str) -> p.Item:
        """Asked, and left to the desk."""
        labels = {
            language: self._say(
                language,
                "desk.item",
                name=self._text(language, f"desk.field.{name}") or name,
                value=self._say(language, "desk.value.open"),
            )
            for language in LANGUAGES
        }
        return p.Item(name, "", p.BothLanguages(**cast("dict[str, str]", labels)))

    def value(self, name: str, value: Any, language: Language) -> str:
        """A value in words."""
        if isinstance(value, bool):
            word = "yes" if value else "no"
            return self._text(language, f"desk.value.{name}.{word}") or self._say(language, f"desk.value.{word}")
        if isinstance(value, str):
            return self._text(language, f"desk.value.{name}.{value}") or value
        if isinstance(value, (list, tuple)):
            return ("・" if language == "ja" else ", ").join(self.value(name, v, language) for v in value)
        if isinstance(value, (int, float)):
            return self._text(language, f"desk.unit.{name}", value=f"{value:,}") or f"{value:,}"
        if isinstance(value, Mapping):
            return self._composed(name, value, language)
        return str(value)

    def _composed(self, name: str, value: Mapping[str, Any], language: Language) -> str:
        for bound in ("max_yen", "min_yen"):
            if bound in value:
                return self._say(language, f"desk.unit.{bound}", value=f"{value[bound]:,}")
        if name == "time" and isinstance(value.get("hour"), int):
            # Of a day that is told apart: not "today at seven".
            return f"{value['hour']}:{int(value.get('minute') or 0):02d}"
        if special := self._text(language, f"desk.value.open_at.{value.get('special')}"):
            return special
        try:
            now = self._clock()
            return spoken(resolve(value, now), now, language)
        except (UnresolvableTime, ValueError, TypeError, KeyError):
            return json.dumps(value, ensure_ascii=False)

    def _questions(self, record: Record) -> tuple[p.Item, ...]:
        """What the agent asked and what it was answered."""
        items = []
        for asked in record.questions[-40:]:
            label = {
                language: self._say(language, "desk.asked", question=asked.question, answer=asked.answer)[:1000]
                for language in LANGUAGES
            }
            items.append(p.Item("question", asked.answer, p.BothLanguages(**cast("dict[str, str]", label))))
        return tuple(items)

    def _rejected(self, record: Record, slots: Mapping[str, Any]) -> tuple[p.Item, ...]:
        search = slots.get("search") or {}
        items = []
        for place in search.get("rejected") or ():
            name = str((record.cards.get(str(place)) or {}).get("name") or place)
            labels = {language: self._say(language, "desk.rejected_place", name=name) for language in LANGUAGES}
            items.append(p.Item("place", name, p.BothLanguages(**cast("dict[str, str]", labels))))
        for condition, values in (search.get("excluded") or {}).items():
            for value in values:
                # The labels of a genre come from the same report as those in force.
                texts = {
                    language: str(
                        self._report({"search": {"conditions": {condition: [value]}}}, language).get(condition, value)
                        if condition == "genre"
                        else value
                    )
                    for language in LANGUAGES
                }
                labels = {
                    language: self._say(
                        language,
                        "desk.rejected",
                        name=self._text(language, f"desk.condition.{condition}") or condition,
                        value=texts[language],
                    )
                    for language in LANGUAGES
                }
                items.append(p.Item(condition, str(value), p.BothLanguages(**cast("dict[str, str]", labels))))
        return tuple(items)

    def _candidates(self, record: Record, slots: Mapping[str, Any]) -> tuple[p.Candidate, ...]:
        search = slots.get("search") or {}
        rejected = {str(place) for place in search.get("rejected") or ()}
        chosen = {str(search["chosen"][0])} if search.get("chosen") else set()
        out = []
        for place, card in record.cards.items():
            status: p.CandidateStatus = "chosen" if place in chosen else "rejected" if place in rejected else "shown"
            name = str(card.get("name") or "")
            address = str(card["address"]) if card.get("address") else None
            phone = str(card["phone"]) if card.get("phone") else None
            out.append(
                p.Candidate(place, name, _number(card.get("lat")), _number(card.get("lon")), phone, address, status)
            )
        return tuple(out)

    def _summary(
        self, reason: p.Reason, conditions: tuple[p.Item, ...], fields: tuple[p.Item, ...], record: Record, car: Car
    ) -> p.BothLanguages:
        """What it is about, in one line."""
        out = {}
        for language in LANGUAGES:
            known = [item.label for item in (*fields, *conditions) if item.name != "focus"]
            told = [label.ja if language == "ja" else label.en for label in known][:6]
            last = record.last_driver_line()
            # With nothing collected, the driver's own last words say most.
            if not told and last is not None:
                told = [self._say(language, "desk.last_words", text=last.text[:120])]
            parts = [self._say(language, f"desk.reason.{reason}"), *told]
            if car.route is not None:
                parts.append(self._say(language, "desk.on_the_way", name=car.route.destination))
            out[language] = ("、" if language == "ja" else "; ").join(parts)[:900]
        return p.BothLanguages(out["ja"], out["en"])

    def _say(self, language: Language, key: str, **values: object) -> str:
        return self._sentences.say(language, key, turn=0, **values)

    def _text(self, language: Language, key: str, **values: object) -> str | None:
        try:
            return self._say(language, key, **values)
        except ValueError:
            # No sentence of that name (PhraseError): the caller has something plainer.
            return None


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _fitted(packet: dict[str, Any]) -> dict[str, Any]:
    """The packet within the schema's limits: texts cut, the oldest rows of long lists left out."""

    def fit(value: Any, rule: Mapping[str, Any]) -> Any:
        for option in rule.get("anyOf", ()):
            if option.get("type") != "null" and value is not None:
                return fit(value, option)
        if "$ref" in rule:
            return fit(value, p.schema()["$defs"][rule["$ref"].rsplit("/", 1)[1]])
        if isinstance(value, str) and "pattern" not in rule and "enum" not in rule:
            return value[: rule.get("maxLength", len(value))]
        if isinstance(value, list):
            return [fit(v, rule["items"]) for v in value[-rule.get("maxItems", len(value)) :]] if value else []
        if isinstance(value, dict) and "properties" in rule:
            return {k: fit(v, rule["properties"].get(k, {})) for k, v in value.items()}
        return value

    fitted: dict[str, Any] = fit(packet, p.schema())
    return fitted
