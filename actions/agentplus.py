"""Agent+ by voice: its learning, its notices, what it knows, who drives, and what is to be forgotten.

The record of drives and the notices live where the car is followed, not where the dialogue runs. So these actions say what is
wanted (`agentplus_request`, docs/agent-plus.md); whoever runs the conversation has it done and says what came of it. What an action
says itself stands only where Agent+ is switched off. Taste alone is kept where the dialogue runs, as a port.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from actions import inventory
from actions.ground import Focus
from actions.narrowing import SearchState
from actions.reading import CALLED_OFF
from actions.skill import Done, Outcome, Skill, Turn
from backends.model import PlaceHit

REQUEST = "agentplus_request"
COMMANDS = frozenset({"initialise", "pause", "resume"})
ANSWERS = frozenset({"later", "enough", "detail", "other_way", "go_there"})
WHERE = frozenset({"home", "work", "here"})
EVERY_CLASS = ("accident", "closure", "regulation", "jam", "weather", "offer", "destination")


class AgentPlusSkill(Skill):
    """What these skills share."""

    def request(self, turn: Turn, do: str, **arguments: Any) -> Outcome:
        return requested(self, turn, do, **arguments)


def requested(skill: Skill, turn: Turn, do: str, **arguments: Any) -> Outcome:
    """What Agent+ is asked for. A question of the search stays as it was."""
    kept = {"pending": turn.slots.get("pending")}
    return Outcome(skill.say(turn, "agentplus.off"), "done", kept, (Done(REQUEST, {"do": do, **arguments}),))


def answers_notice(turn: Turn) -> bool:
    """Whether a plain yes or no answers something Agent+ has just asked."""
    notice = turn.metadata.get("notice")
    return isinstance(notice, Mapping) and bool(notice.get("asks"))


def notice_answer(skill: Skill, turn: Turn, meaning: str) -> Outcome:
    """A yes or no in whatever words, to what Agent+ has just asked."""
    return requested(skill, turn, "answer", meaning=meaning)


class AgentPlusControlAction(AgentPlusSkill):
    """学習を止めて, resume learning, エージェント＋を初期化して."""

    action_name: ClassVar[str] = "action_agentplus_control"

    async def perform(self, turn: Turn) -> Outcome:
        command = turn.first("agentplus_command")
        if command in COMMANDS:
            return self.request(turn, str(command))
        return Outcome(self.say(turn, "agentplus.which"), "asks_choice")


class NoticeSettingsAction(AgentPlusSkill):
    """Which notices, how often, when, and when not."""

    action_name: ClassVar[str] = "action_notice_settings"

    async def perform(self, turn: Turn) -> Outcome:
        wish = settings_of(turn)
        return self.request(turn, "set", **wish) if wish else self.request(turn, "settings")


def settings_of(turn: Turn) -> dict[str, Any]:
    """The change a message asks for, {} for none: `classes` {class: on}, `frequency`, `quiet`, `kinds` with `days` and `part`."""
    quiet = turn.first("quiet_hours")
    if quiet == "off":
        return {"quiet": ""}
    if isinstance(quiet, Mapping):
        return {"quiet": f"{quiet.get('from') or EVENING}-{quiet.get('to') or MORNING}"}
    kinds = [kind for kind in EVERY_CLASS if any(e.value == kind for e in turn.all("notice_class"))]
    change = turn.first("notice_change")
    only = {key: when for key in ("days", "part") if (when := turn.first(f"notice_{key}")) is not None}
    if only and change != "off":
        # 「渋滞は平日の朝だけ」; without a class all of them are meant.
        return {"kinds": kinds or list(EVERY_CLASS), "days": "all", "part": "all", **only}
    if change in ("less", "more"):
        return {"frequency": change}
    if change == "only" and kinds:
        return {"classes": {kind: kind in kinds for kind in EVERY_CLASS}}
    if kinds and change in ("on", "off"):
        # Wanted again means at any time again.
        always = {"kinds": kinds, "days": "all", "part": "all"} if change == "on" else {}
        return {"classes": dict.fromkeys(kinds, change == "on"), **always}
    return {"frequency": "normal" if change == "on" else "off"} if change in ("on", "off") else {}


EVENING, MORNING = "22:00", "07:00"
"""quiet hours of which only one end was said"""


class NoticeFeedbackAction(AgentPlusSkill):
    """あとで, もういい, その話は平日の朝だけ, 詳しく, 他の道は？, そこを目的地に: to the notice said last."""

    action_name: ClassVar[str] = "action_notice_feedback"

    async def perform(self, turn: Turn) -> Outcome:
        if turn.first("notice_class") is not None and not turn.metadata.get("notice") and (wish := settings_of(turn)):
            # No notice is open: what is told of a class is a setting.
            return self.request(turn, "set", **wish)
        days, part = when_of(turn)
        meaning = turn.first("notice_answer")
        if (days or part) and (meaning is None or turn.first("notice_change") == "only"):
            return self.request(turn, "answer", meaning="confine", days=days or "all", part=part or "all")
        if meaning in ANSWERS:
            return self.request(turn, "answer", meaning=str(meaning))
        if turn.first("notice_change") in ("off", "less") or CALLED_OFF.search(turn.text):
            return self.request(turn, "answer", meaning="enough")
        return Outcome(self.say(turn, "agentplus.which_answer"), "asks_choice")


def when_of(turn: Turn) -> tuple[str | None, str | None]:
    """Days and part of the day of 「平日の朝だけ」, as values or, in answer to a notice, as the bare words."""
    days, part = turn.first("notice_days"), turn.first("notice_part")
    if days or part or not ONLY.search(turn.text):
        return days, part
    return (
        next((value for value, words in DAYS.items() if words.search(turn.text)), None),
        next((value for value, words in PARTS.items() if words.search(turn.text)), None),
    )


ONLY = re.compile(r"だけ|のみ|限定|限っ|\b(only|just)\b", re.IGNORECASE)
DAYS = {
    "weekdays": re.compile(r"平日|通勤|\b(week ?days?|workdays?)\b", re.IGNORECASE),
    "weekends": re.compile(r"休日|休み|週末|土日|祝日|\b(weekends?|days? off)\b", re.IGNORECASE),
}
PARTS = {
    "morning": re.compile(r"朝|午前|\bmornings?\b", re.IGNORECASE),
    "day": re.compile(r"昼|\b(daytime|afternoons?)\b", re.IGNORECASE),
    "evening": re.compile(r"夕方|\bevenings?\b", re.IGNORECASE),
    "night": re.compile(r"夜|\bnights?\b", re.IGNORECASE),
}
HERE = {
    "home": re.compile(r"自宅|我が家|うちの|(?<!実)家(?=の|は|を|が)|\b(home|where (i|we) live)\b", re.IGNORECASE),
    "work": re.compile(r"会社|職場|勤務先|\b(office|workplace|where (i|we) work)\b", re.IGNORECASE),
}
"""a learnt place that is named without being marked as one"""


class ForgetPreferenceAction(AgentPlusSkill):
    """それは忘れて, not that place again, ラーメンの好みを消して, 自宅を忘れて, 今日のドライブは忘れて."""

    action_name: ClassVar[str] = "action_forget_preference"
    pending_kinds: ClassVar[tuple[str, ...]] = ("forget_taste",)

    async def perform(self, turn: Turn) -> Outcome:
        what = turn.first("forget")
        named = (place for place, words in HERE.items() if words.search(turn.text))
        where = next((e.value for e in turn.all("where") if e.value in WHERE), None) or next(named, None)
        genre = turn.first("genre", role="exclude") or turn.first("genre")
        if genre is None and what != "place" and where is None:
            genre = (await asyncio.to_thread(inventory.load)).genre_named(turn.text)
        if genre is not None and what != "place":
            return await self._genre(turn, str(genre))
        if what == "taste":
            pending = {"pending": {"kind": "forget_taste"}}
            return Outcome(self.say(turn, "agentplus.ask_forget_taste"), "asks_yesno", pending)
        if what == "trips":
            return self.request(turn, "erase_drives", day=_day_of(turn))
        if where in WHERE:
            return self.request(turn, "erase_place", where=where)
        spot = Focus.from_json(turn.slots.get("focus"))
        if spot is None or not spot.id:
            name = str(turn.first("place_name") or (spot.name if spot is not None else ""))
            if name:
                return self.request(turn, "erase_place", name=name)
            if answers_notice(turn) or what is None:
                return self.request(turn, "answer", meaning="enough")
            return Outcome(self.say(turn, "agentplus.forget_what"), "asks_slot")
        return await self._place(turn, spot)

    async def resolve_pending(self, turn: Turn, pending: Mapping[str, Any], yes: bool) -> Outcome:
        if not yes:
            return Outcome(self.say(turn, "profile.not_erased"), "done")
        return await self._forgotten(turn, "taste", "", None, "agentplus.taste_forgotten")

    async def _place(self, turn: Turn, spot: Focus) -> Outcome:
        """「その店はもう勧めないで」 is not suggested again; 「それは忘れて」 takes back that it was chosen."""
        hit = PlaceHit(await self.world.places.get(spot.id), None)
        if not AGAIN.search(turn.text):
            return await self._forgotten(turn, "place", spot.id, hit, "agentplus.place_forgotten", name=spot.name)
        if self.world.taste is None:
            return Outcome(self.say(turn, "agentplus.off"))
        if not await asyncio.to_thread(self.world.taste.reject, turn.driver, hit, self.world.clock()):
            return Outcome(self.say(turn, "profile.guest_has_none"))
        state = SearchState.from_json(turn.slots.get("search"))
        left = replace(state, shown=tuple(i for i in state.shown if i != spot.id))
        done = (Done("forget_preference", {"what": "never", "value": spot.id}),)
        slots = {"focus": None, "search": left.to_json()}
        return Outcome(self.say(turn, "agentplus.not_again", name=spot.name), "done", slots, done)

    async def _genre(self, turn: Turn, genre: str) -> Outcome:
        label = (await asyncio.to_thread(inventory.load)).genre_label(genre, turn.language)
        return await self._forgotten(turn, "genre", f"genre:{genre}", None, "agentplus.genre_forgotten", genre=label)

    async def _forgotten(
        self, turn: Turn, what: str, value: str, hit: PlaceHit | None, key: str, **values: object
    ) -> Outcome:
        if self.world.taste is None:
            return Outcome(self.say(turn, "agentplus.off"))
        known = await asyncio.to_thread(self.world.taste.forget, turn.driver, value, hit)
        if known is None:
            return Outcome(self.say(turn, "profile.guest_has_none"))
        if not known:
            return Outcome(self.say(turn, "agentplus.nothing_known"))
        done = (Done("forget_preference", {"what": what, "value": value}),)
        return Outcome(self.say(turn, key, **values), "done", done=done)


AGAIN = re.compile(
    r"勧め|すすめ|おすすめ|紹介|提案|出さ|出てこ|二度と|もういい|もう行か|言わな|候補|外し|いらな|案内しない|出入り禁止|"
    r"\b(again|suggest\w*|recommend\w*|offer|propose|show|list|any ?more|ever|never|block|ban|blacklist|off|leave out)\b",
    re.IGNORECASE,
)
"""words that want a place not to be suggested, rather than what is known of it forgotten"""


def _day_of(turn: Turn) -> int | None:
    """How many days ago the drives were that are meant: 0 today; None: no day was said."""
    time = turn.first("time")
    offset = time.get("day_offset") if isinstance(time, Mapping) else None
    return -int(offset) if isinstance(offset, (int, float)) and -400 <= offset <= 0 else None


class AskPredictionAction(AgentPlusSkill):
    """どこに行くと思う？ Where do you think I am going?"""

    action_name: ClassVar[str] = "action_ask_prediction"

    async def perform(self, turn: Turn) -> Outcome:
        return self.request(turn, "predict")


class ShowLearntAction(AgentPlusSkill):
    """何を覚えてる？ What have you learnt about me?"""

    action_name: ClassVar[str] = "action_show_learnt"

    async def perform(self, turn: Turn) -> Outcome:
        about = turn.first("learnt")
        if about == "notices":
            return self.request(turn, "settings")
        return self.request(turn, "show", about=str(about) if about else "")


class WhoDrivesAction(AgentPlusSkill):
    """運転はケンです, it's a guest today, 誰が運転してることになってる？, はなを登録して."""

    action_name: ClassVar[str] = "action_who_drives"

    async def perform(self, turn: Turn) -> Outcome:
        said = turn.first("driver")
        said = said if isinstance(said, Mapping) else {}
        name = str(said.get("name") or "")
        if REGISTER.search(turn.text):
            return self.request(turn, "add_driver", name=name)
        if said.get("guest"):
            return self.request(turn, "driver", id="guest")
        if ASKS_WHO.search(turn.text) and not said:
            return self.request(turn, "who")
        return self.request(turn, "driver", text=turn.text, name=name, me=bool(said.get("self")))


REGISTER = re.compile(r"登録|追加|\b(register|add|sign up|enrol)\b", re.IGNORECASE)
ASKS_WHO = re.compile(r"誰|だれ|どなた|\b(who|whose|which)\b", re.IGNORECASE)

SKILLS: tuple[type[Skill], ...] = (
    AgentPlusControlAction, NoticeSettingsAction, NoticeFeedbackAction, ForgetPreferenceAction, AskPredictionAction,
    ShowLearntAction, WhoDrivesAction,
)  # fmt: skip
