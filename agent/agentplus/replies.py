"""What a driver's words do after a notice, and the few that mean Agent+ itself."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from agent.agentplus.model import Answered, Pending
from agent.agentplus.requests import Requests, named
from agent.notices import answers, wording
from agent.prediction.errors import HistoryError
from backends.errors import BackendError
from backends.model import Language, Position, RouteRequest, SavedPlace

if TYPE_CHECKING:
    from agent.agentplus.service import AgentPlus

log = logging.getLogger(__name__)

REMEMBERED = timedelta(minutes=15)
"""so long after a notice 「もうその話はいい」 still means it"""
LASTING = frozenset({"later", "enough", "confine", "detail"})
"""answers that still mean something some minutes after a notice"""
QUESTIONED = timedelta(minutes=2)
"""a question of Agent+'s own may be answered so long"""


class Replies:
    """The answers to one car's notices."""

    def __init__(self, plus: AgentPlus) -> None:
        self._plus = plus
        self.pending: Pending | None = None
        """the notice that may be answered"""
        self.latest: Pending | None = None
        """the last notice of this drive, answered or not"""
        self.requests = Requests(plus)

    def open(self, now: datetime) -> Pending | None:
        """The notice, or the question, that words said now may answer."""
        pending = self.pending
        if pending is None:
            return None
        lasts = QUESTIONED if pending.question else timedelta(seconds=self._plus.manager.policy.answer_s)
        return pending if now - pending.at <= lasts else None

    async def answer(self, session: str, words: str, language: Language) -> Answered | None:
        """What the driver's words mean to the last notice; None when they are not plainly an answer to one."""
        if (command := answers.command(words, language)) is not None:
            return await self.requests.perform(_request(command), language)
        pending = self.open(self._plus.clock())
        if pending is None:
            return None
        if pending.question == "who":
            return await self._who(words, language)
        answer = answers.read(words, language)
        if answer is None or not self._belongs(answer, pending):
            return None
        return await self.take(answer, language)

    def _belongs(self, answer: answers.Answer, pending: Pending) -> bool:
        """Whether a plain answer can be one to this; otherwise it answers whatever the dialogue asked before."""
        if answer.meaning in ("yes", "no"):
            return pending.asks
        if answer.meaning == "go_there":
            return pending.candidate.kind == "offer" or (pending.ahead is not None and pending.ahead.predicted)
        return not pending.question

    async def take(self, answer: answers.Answer, language: Language) -> Answered:
        """The driver's answer to what was said last."""
        now = self._plus.clock()
        pending = self.open(now)
        if pending is None and answer.meaning in LASTING and self.latest is not None:
            pending = self.latest if now - self.latest.at <= REMEMBERED else None
        if pending is None:
            return Answered(self._plus.voice.say(language, "notice.none_open"), ok=True)
        if pending.question:
            return await self._settle(pending, answer.meaning, language)
        done = await self._act(pending, answer, language, now)
        if not done.asks:
            self.pending = None
        await self._plus.keep()
        return done

    async def _settle(self, pending: Pending, meaning: str, language: Language) -> Answered:
        """A question of Agent+'s own is answered."""
        if pending.question == "who" or meaning not in ("yes", "no"):
            return Answered(pending.text or self._plus.voice.say(language, "notice.none_open"), asks=True)
        self.pending = None
        if pending.question in ("home", "work"):
            return await self._remember(pending, meaning, language)
        if meaning == "no":
            key = "profile.key_not_kept" if pending.question == "key" else "profile.not_erased"
            return Answered(self._plus.voice.say(language, key))
        if pending.question == "key":
            return await self.requests.keep_key(pending.subject, language)
        confirmed: dict[str, dict[str, Any]] = {
            "initialise": {"do": "initialise", "confirm": True},
            "erase": {"do": "erase", "item": pending.subject},
            "remove": {"do": "remove_driver", "id": pending.subject, "confirm": True},
        }
        return await self.requests.perform(confirmed[pending.question], language)

    async def _who(self, words: str, language: Language) -> Answered | None:
        """Who drives, in answer to that question; None when nobody is named, or only as part of a wish."""
        if len(words) > answers.MOST:
            return None
        profiles = await asyncio.to_thread(self._plus.profiles.all)
        found = await asyncio.to_thread(named, words, profiles)
        if found is None:
            return None
        self.pending = None
        return await self.requests.take_wheel(found, language)

    async def _act(self, pending: Pending, answer: answers.Answer, language: Language, now: datetime) -> Answered:
        candidate, say = pending.candidate, self._plus.voice.say
        if answer.meaning == "later":
            self._plus.manager.feedback(candidate, "later", now)
            return Answered(say(language, "notice.later"), "notice_later")
        if answer.meaning == "enough":
            self._plus.manager.feedback(candidate, "enough", now)
            return Answered(say(language, "notice.enough"), "notice_enough", arguments={"class": candidate.kind})
        if answer.meaning == "confine":
            self._plus.manager.confine(candidate.kind, answer.confinement)
            when = self._plus.learnt.when(answer.confinement, language)
            return Answered(
                say(language, "notice.confined", when=when), "notice_confine", arguments={"class": candidate.kind}
            )
        if answer.meaning == "detail":
            self._plus.manager.feedback(candidate, "heard", now)
            return self._detail(pending, language, now)
        if answer.meaning == "no":
            self._plus.manager.feedback(candidate, "heard", now)
            return Answered(say(language, "notice.declined"))
        self._plus.manager.feedback(candidate, "taken", now)
        if answer.meaning == "other_way":
            return await self._other_way(pending, language)
        if candidate.kind == "offer" and candidate.place is not None:
            return await self._go(candidate.place, candidate.place_name, language)
        if answer.meaning == "yes" and candidate.detour is not None and pending.ahead is not None:
            return await self._detour(pending, language)
        known = pending.ahead is not None and pending.ahead.onward is None
        if known and pending.ahead is not None and (answer.meaning == "go_there" or candidate.kind == "destination"):
            return await self._go(pending.ahead.destination, pending.ahead.name, language)
        return Answered(say(language, "notice.no_goal" if answer.meaning == "go_there" else "notice.heard"))

    async def _detour(self, pending: Pending, language: Language) -> Answered:
        assert pending.candidate.detour is not None
        assert pending.ahead is not None
        route, ahead = pending.candidate.detour.route, pending.ahead
        try:
            await self._plus.senses.navigation.set_route(ahead.name, route, ahead.destination)
        except BackendError:
            return Answered(self._plus.voice.say(language, "notice.detour_failed"), "set_route", False)
        self._plus.look_again()
        minutes = wording.duration(route.duration_s, language)
        return Answered(
            self._plus.voice.say(language, "notice.detour_taken", minutes=minutes), "set_route",
            arguments={"destination": ahead.name, "distance_m": round(route.distance_m)},
        )  # fmt: skip

    async def _other_way(self, pending: Pending, language: Language) -> Answered:
        candidate = pending.candidate
        if pending.ahead is not None and pending.ahead.onward is not None:
            return Answered(self._plus.voice.say(language, "notice.no_goal"), asks=True)
        if candidate.detour is None:
            return Answered(self._plus.voice.say(language, "notice.no_detour"))
        return Answered(self._plus.voice.say(language, candidate.sentence, **candidate.values[language]), asks=True)

    async def _go(self, goal: Position, name: str, language: Language) -> Answered:
        failed = Answered(self._plus.voice.say(language, "notice.destination_failed"), "set_route", False)
        if self._plus.last is None:
            return failed
        try:
            found = await self._plus.senses.roads.route(RouteRequest(self._plus.last.position, goal, language=language))
            if not found:
                return failed
            await self._plus.senses.navigation.set_route(name, found[0], goal)
        except BackendError:
            return failed
        self._plus.look_again()
        minutes = wording.duration(found[0].duration_s, language)
        text = self._plus.voice.say(language, "notice.destination_set", destination=wording.safe(name), minutes=minutes)
        return Answered(text, "set_route", arguments={"destination": name})

    async def _remember(self, pending: Pending, meaning: str, language: Language) -> Answered:
        if meaning == "no" or pending.place is None:
            return Answered(self._plus.voice.say(language, "notice.not_kept"))
        place = self._plus.predictor.places.places[pending.place]
        name = self._plus.voice.say(language, f"notice.place_{pending.question}")
        place.name = pending.question
        try:
            await asyncio.to_thread(self._plus.history.name_place, self._plus.profile.id, place.id, pending.question)
            await self._plus.senses.memory.put(
                self._plus.profile.id, SavedPlace(pending.question, name, place.position)
            )
        except (BackendError, HistoryError):
            return Answered(self._plus.voice.say(language, "notice.not_kept"), "remember", False)
        return Answered(
            self._plus.voice.say(language, "notice.kept"), "remember", arguments={"label": pending.question}
        )

    def _detail(self, pending: Pending, language: Language, now: datetime) -> Answered:
        candidate = pending.candidate
        key = _DETAIL.get(candidate.kind, "notice.detail")
        at = f"{now.hour}時{now.minute}分" if language == "ja" else f"{now:%H:%M}"
        return Answered(self._plus.voice.say(language, key, **{"at": at, **candidate.values[language]}), asks=True)


_DETAIL = {
    "weather": "notice.detail_weather", "offer": "notice.detail_place", "destination": "notice.destination",
}  # fmt: skip


def _request(command: answers.Command) -> dict[str, Any]:
    """A whole message that means Agent+ itself, as the request it is."""
    if command.name in ("switch_on", "switch_off"):
        return {"do": "set", "classes": {command.kind: command.name == "switch_on"}}
    if command.name in ("less", "more"):
        return {"do": "set", "frequency": command.name}
    return {"do": command.name}
