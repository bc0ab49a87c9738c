"""Yes, no, cancel, back, repeat, help, thanks, small talk, and what lies outside the car's job."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from actions import all_skills, wording
from actions.agentplus import answers_notice, notice_answer
from actions.ground import Focus
from actions.narrowing import SearchState
from actions.reading import CALENDAR, CLOCK, fresh
from actions.search import SearchSkill, trip_of
from actions.skill import Context, Entity, Outcome, Skill, Turn


class AnswerSkill(SearchSkill):
    """What these skills share: a city mentioned in passing is kept for the search that may follow."""

    def answer(self, turn: Turn, key: str, context: Context, **slots: Any) -> Outcome:
        city = trip_of(turn)
        return Outcome(self.say(turn, key), context, {**({"trip": city} if city else {}), **slots})

    def pending(self, turn: Turn) -> Mapping[str, Any] | None:
        pending = turn.slots.get("pending")
        return pending if isinstance(pending, Mapping) and "kind" in pending else None

    async def resolve(self, turn: Turn, yes: bool) -> Outcome | None:
        """What yes or no means for the question that was asked; None when none was."""
        pending = self.pending(turn)
        if pending is None:
            return None
        for skill in all_skills():
            if pending["kind"] in skill.pending_kinds:
                return await skill(self.world, self.phrases).resolve_pending(turn, pending, yes)
        return None

    def on_the_table(self, turn: Turn) -> Context:
        """The context in which a sentence about nothing leaves the conversation: the question asked before still stands."""
        before = turn.slots.get("context")
        open_ = (
            "asks_condition",
            "no_results",
            "offers_one",
            "offers_list",
            "asks_choice",
            "asks_place",
            "asks_slot",
            "asks_yesno",
        )
        return next((c for c in _QUESTIONS if c == before), "gives_info") if before in open_ else "gives_info"


_QUESTIONS: tuple[Context, ...] = (
    "asks_condition", "no_results", "offers_one", "offers_list", "asks_choice", "asks_place", "asks_slot", "asks_yesno",
)  # fmt: skip


class AffirmAction(AnswerSkill):
    """はい, yes, そうして."""

    action_name: ClassVar[str] = "action_affirm"

    async def perform(self, turn: Turn) -> Outcome:
        if answers_notice(turn):
            return notice_answer(self, turn, "yes")
        resolved = await self.resolve(turn, True)
        if resolved is not None:
            return resolved
        context = turn.slots.get("context")
        if context in ("asks_condition", "no_results"):
            return Outcome(self.say(turn, "answer.which_wish"), "asks_condition")
        return self.answer(turn, "answer.yes_to_nothing", "greeting")


class DenyAction(AnswerSkill):
    """いいえ, no, 特にない."""

    action_name: ClassVar[str] = "action_deny"

    async def perform(self, turn: Turn) -> Outcome:
        if answers_notice(turn):
            return notice_answer(self, turn, "no")
        state = self.state(turn)
        if turn.slots.get("context") == "asks_condition" and state.shown:
            # 「特にありません」 after "any wishes?": then one of those found is proposed.
            hits = await self.candidates(turn, state)
            if hits:
                return await self._one(turn, state, hits[0], (), "")
        resolved = await self.resolve(turn, False)
        if resolved is not None:
            return resolved
        return self.answer(turn, "answer.all_right", "done")


WHO = re.compile(r"誰|だれ|何者|名前|\b(who are you|your name|what are you)\b", re.IGNORECASE)
ONLY_THAT = re.compile(
    r"いま(の|さっきの)|今の|さっきの|直前|最後の|ひとつ前|一つ前|取り?消|とりけ|なかったこと|"
    r"\b(that|last|just now|previous|undo|take (it|that) back)\b",
    re.IGNORECASE,
)
"""words that take back one thing"""
EVERYTHING = re.compile(
    r"全部|ぜんぶ|すべて|全て|検索|案内|ナビ|ルート|目的地|やめ|もういい|もう大丈夫|最初から|中止|終わり|"
    r"\b(all|everything|search|guidance|route|destination|never ?mind|forget|stop|start over)\b",
    re.IGNORECASE,
)
"""words that end what is under way"""


class CancelAction(AnswerSkill):
    """Stop what we are doing: the question or the search; guidance only when there is nothing else. 「いまのは取り消し」 takes
    back the last change alone."""

    action_name: ClassVar[str] = "action_cancel"

    async def perform(self, turn: Turn) -> Outcome:
        from actions.search import UndoAction, car_came_last, car_undone

        state = self.state(turn)
        one_thing = ONLY_THAT.search(turn.text) and not EVERYTHING.search(turn.text)
        if one_thing and car_came_last(turn) and (undone := await car_undone(self, turn)) is not None:
            return undone
        if one_thing and len(state.history) > 1 and not fresh(turn, "guidance"):
            return await UndoAction(self.world, self.phrases).perform(turn)
        just_set = turn.slots.get("context") == "done" and turn.slots.get("guidance") and not self.pending(turn)
        if not just_set and (not state.empty or self.pending(turn)):
            reset = SearchState(history=())
            return self.answer(turn, "answer.cancelled", "done", search=reset.to_json(), focus=None)
        if (await self.world.navigation.status()).get("guiding"):
            from actions.route import CancelRouteAction

            return await CancelRouteAction(self.world, self.phrases).perform(turn)
        return self.answer(turn, "answer.nothing_to_cancel", "done", search=SearchState().to_json(), focus=None)


class BackAction(AnswerSkill):
    """One step back: the search's last change, or the question before."""

    action_name: ClassVar[str] = "action_back"

    async def perform(self, turn: Turn) -> Outcome:
        from actions.search import UndoAction, car_came_last, car_undone

        if car_came_last(turn) and (undone := await car_undone(self, turn)) is not None:
            return undone
        state = self.state(turn)
        pending = self.pending(turn)
        if pending is not None and pending["kind"] == "set_destination" and len(state.shown) > 1:
            # From one of the list back to the list.
            return await self.look(turn, state)
        if state.history:
            return await UndoAction(self.world, self.phrases).perform(turn)
        return self.answer(turn, "undo.nothing", "gives_info")


class RepeatAction(AnswerSkill):
    """もう一度言って."""

    action_name: ClassVar[str] = "action_repeat"

    async def perform(self, turn: Turn) -> Outcome:
        last = turn.slots.get("last_reply")
        if not last:
            return self.answer(turn, "answer.nothing_said", "greeting")
        return Outcome(str(last), self.on_the_table(turn), {"pending": turn.slots.get("pending")})


class HelpAction(AnswerSkill):
    """What can you do."""

    action_name: ClassVar[str] = "action_help"

    async def perform(self, turn: Turn) -> Outcome:
        return self.answer(turn, "answer.help", "greeting", pending=turn.slots.get("pending"))


class ThanksAction(AnswerSkill):
    """ありがとう: never an order."""

    action_name: ClassVar[str] = "action_thanks"

    async def perform(self, turn: Turn) -> Outcome:
        return self.answer(turn, "answer.thanks", "greeting", pending=turn.slots.get("pending"))


class GreetAction(AnswerSkill):
    action_name: ClassVar[str] = "action_greet"

    async def perform(self, turn: Turn) -> Outcome:
        city = trip_of(turn)
        if city is not None:
            name = self._local(turn, str(city.get("city") or city.get("prefecture")))
            return Outcome(
                self.say(turn, "answer.greet_trip", name=name),
                "asks_slot",
                {"trip": city, "pending": {"kind": "ask_kind"}},
            )
        hour = self.world.clock().hour
        part = "morning" if 4 <= hour < 11 else "day" if hour < 18 else "evening"
        return self.answer(turn, f"answer.greet_{part}", "greeting")


class GoodbyeAction(AnswerSkill):
    action_name: ClassVar[str] = "action_goodbye"

    async def perform(self, turn: Turn) -> Outcome:
        return self.answer(turn, "answer.goodbye", "done")


class ChitchatAction(AnswerSkill):
    """Small talk with the agent: short and kind."""

    action_name: ClassVar[str] = "action_chitchat"

    pending_kinds: ClassVar[tuple[str, ...]] = ("rest",)

    async def perform(self, turn: Turn) -> Outcome:
        if turn.first("feeling") in ("tired", "sleepy") and not self.pending(turn):
            return self.answer(turn, "answer.tired", "asks_yesno", pending={"kind": "rest"})
        key = "answer.who" if WHO.search(turn.text) else "answer.chitchat"
        return self.answer(turn, key, self.on_the_table(turn), pending=turn.slots.get("pending"))

    async def resolve_pending(self, turn: Turn, pending: Mapping[str, Any], yes: bool) -> Outcome:
        """Somewhere to rest nearby, offered to a driver who says to be tired."""
        if not yes:
            return self.answer(turn, "answer.all_right", "done")
        near = (Entity("kind", "rest_area"), Entity("where", "here", text="near here"))
        state = self.change(replace(turn, intent="search_place", entities=near), self.state(turn))
        return await self.look(turn, state)


class OutOfScopeAction(AnswerSkill):
    """Something the car's concierge does not do: said, with what it can do."""

    action_name: ClassVar[str] = "action_out_of_scope"
    counts_as_failure: ClassVar[bool] = True

    async def perform(self, turn: Turn) -> Outcome:
        if (focus := Focus.from_json(turn.slots.get("focus"))) is not None and self.pending(turn):
            return Outcome(
                self.say(turn, "answer.out_of_scope_back", name=focus.name),
                self.on_the_table(turn),
                {"pending": turn.slots.get("pending")},
            )
        return self.answer(turn, "answer.out_of_scope", self.on_the_table(turn), pending=turn.slots.get("pending"))


class HumanTalkAction(AnswerSkill):
    """People talking to each other: nothing is done, and it is said so shortly that it does not disturb."""

    action_name: ClassVar[str] = "action_human_talk"

    async def perform(self, turn: Turn) -> Outcome:
        return self.answer(turn, "answer.human_talk", self.on_the_table(turn), pending=turn.slots.get("pending"))


class ScheduleAction(AnswerSkill):
    """Alarms, reminders, calendar: not the car's; the time of day and the date are said."""

    action_name: ClassVar[str] = "action_schedule"

    async def perform(self, turn: Turn) -> Outcome:
        now = self.world.clock()
        told = {"pending": turn.slots.get("pending")}
        if CLOCK.search(turn.text):
            at = self.say(turn, "answer.time", time=wording.clock(now, turn.language))
            return Outcome(at, self.on_the_table(turn), told)
        if CALENDAR.search(turn.text):
            weekday = self.say(turn, f"weekday.{now.weekday()}")
            month = self.say(turn, f"month.{now.month}")
            return Outcome(
                self.say(turn, "answer.date", month=month, day=now.day, weekday=weekday), self.on_the_table(turn), told
            )
        return self.answer(turn, "answer.schedule", self.on_the_table(turn), pending=turn.slots.get("pending"))


class FallbackAction(AnswerSkill):
    """Not understood. The frame counts it and offers the Owner's Desk at the second in a row."""

    action_name: ClassVar[str] = "action_fallback"

    async def perform(self, turn: Turn) -> Outcome:
        key = "answer.empty" if not turn.text.strip() else "answer.not_understood"
        city = trip_of(turn)
        return Outcome(self.say(turn, key), "apology", {"trip": city} if city else {})


SKILLS: tuple[type[Skill], ...] = (
    AffirmAction, DenyAction, CancelAction, BackAction, RepeatAction, HelpAction, ThanksAction, GreetAction,
    GoodbyeAction, ChitchatAction, OutOfScopeAction, HumanTalkAction, ScheduleAction, FallbackAction,
)  # fmt: skip
