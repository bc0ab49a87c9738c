"""The Owner's Desk: what it is offered for and its number. Handing a conversation over is a matter of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from actions.search import trip_of
from actions.skill import Done, Outcome, Skill, Turn

TOPICS = frozenset(
    {"operator", "restaurant_booking", "hotel_booking", "rental_car", "flight", "taxi", "roadside", "call", "other"}
)


class HandoffAction(Skill):
    """A person is wanted, or something only people do: a booking, a call, help by the road."""

    action_name: ClassVar[str] = "action_handoff"
    pending_kinds: ClassVar[tuple[str, ...]] = ("handoff",)

    async def perform(self, turn: Turn) -> Outcome:
        topic = turn.first("handoff_topic") or "operator"
        topic = str(topic) if topic in TOPICS else "other"
        slots: dict[str, Any] = {}
        if (city := trip_of(turn)) is not None:
            slots["trip"] = city
        phone = self.world.desk_phone
        return Outcome(
            self.say(turn, f"handoff.{topic}", phone=phone),
            "gives_info",
            slots,
            (Done("handoff_offer", {"topic": topic, "phone": phone}),),
            ({"type": "phone", "name": self.say(turn, "handoff.name"), "phone": phone},),
        )

    async def resolve_pending(self, turn: Turn, pending: Mapping[str, Any], yes: bool) -> Outcome:
        if not yes:
            return Outcome(self.say(turn, "answer.all_right"), "done")
        phone = self.world.desk_phone
        return Outcome(
            self.say(turn, "handoff.operator", phone=phone),
            "gives_info",
            done=(Done("handoff_offer", {"topic": "operator", "phone": phone}),),
            cards=({"type": "phone", "name": self.say(turn, "handoff.name"), "phone": phone},),
        )


SKILLS: tuple[type[Skill], ...] = (HandoffAction,)
