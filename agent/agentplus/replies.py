"""What a driver's words do after a notice, and the few that mean Agent+ itself."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from agent.agentplus.model import Answered, Pending
from agent.notices import answers, wording
from agent.notices.manager import Confinement
from agent.notices.model import Candidate
from agent.notices.policy import FREQUENCIES, Wishes
from agent.prediction.errors import HistoryError
from agent.profile import ProfileError
from backends.errors import BackendError
from backends.model import Language, Position, RouteRequest, SavedPlace

if TYPE_CHECKING:
    from agent.agentplus.service import AgentPlus

log = logging.getLogger(__name__)


class Replies:
    """The answers to one car's notices."""

    def __init__(self, plus: AgentPlus) -> None:
        self._plus = plus
        self.pending: Pending | None = None
        """the notice that may be answered"""

    async def answer(self, session: str, words: str, language: Language) -> Answered | None:
        """What the driver's words mean to the last notice; None when they are not an answer to one."""
        pending, now = self.pending, self._plus.clock()
        if (command := answers.command(words, language)) is not None:
            return await self._command(command, language, now)
        if pending is None or (now - pending.at).total_seconds() > self._plus.manager.policy.answer_s:
            return None
        answer = answers.read(words, language)
        if answer is None:
            return None
        if pending.question == "initialise":
            return await self._erase(answer.meaning, language)
        if pending.question:
            return await self._remember(pending, answer.meaning, language)
        done = await self._act(pending, answer, language, now)
        if done is not None and not done.asks:
            self.pending = None
        await self._plus.keep()
        return done

    async def _act(
        self, pending: Pending, answer: answers.Answer, language: Language, now: datetime
    ) -> Answered | None:
        candidate, say = pending.candidate, self._plus.voice.say
        if answer.meaning == "later":
            self._plus.manager.feedback(candidate, "later", now)
            return Answered(say(language, "notice.later"), "notice_later")
        if answer.meaning == "enough":
            self._plus.manager.feedback(candidate, "enough", now)
            return Answered(say(language, "notice.enough"), "notice_enough", arguments={"class": candidate.kind})
        if answer.meaning == "confine":
            self._plus.manager.confine(candidate.kind, answer.confinement)
            when = self._when(answer.confinement, language)
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
        if pending.ahead is not None and (answer.meaning == "go_there" or candidate.kind == "destination"):
            return await self._go(pending.ahead.destination, pending.ahead.name, language)
        return None

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

    async def _remember(self, pending: Pending, meaning: str, language: Language) -> Answered | None:
        if meaning not in ("yes", "no") or pending.place is None:
            return None
        self.pending = None
        if meaning == "no":
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

    async def _command(self, command: answers.Command, language: Language, now: datetime) -> Answered:
        """Agent+ itself, by voice: paused, gone on with, initialised (after a question); notices switched."""
        say = self._plus.voice.say
        if self._plus.profile.role == "guest":
            return Answered(say(language, "profile.guest"))
        if command.name == "initialise":
            question = Candidate(
                "destination", "ask:initialise", 1, 1, 0, now + timedelta(minutes=1), "profile.ask_erase"
            )
            self.pending = Pending(question, now, None, "initialise")
            return Answered(say(language, question.sentence), asks=True)
        if command.name in ("pause", "resume"):
            await self._plus.change_profile(paused=command.name == "pause")
            key = "profile.paused" if command.name == "pause" else "profile.resumed"
            return Answered(say(language, key), f"agentplus_{command.name}")
        wishes = _switched(self._plus.manager.wishes, command)
        await self._plus.change_profile(notices=wishes.to_json())
        return Answered(say(language, f"notice.{command.name}"), "notice_wishes", arguments=wishes.to_json())

    async def _erase(self, meaning: str, language: Language) -> Answered | None:
        if meaning not in ("yes", "no"):
            return None
        self.pending = None
        if meaning == "no":
            return Answered(self._plus.voice.say(language, "profile.not_erased"))
        try:
            await self._plus.initialise()
        except (BackendError, HistoryError, ProfileError) as error:
            log.warning("not everything could be erased: %s", error)
            return Answered(self._plus.voice.say(language, "profile.erase_failed"), "agentplus_initialise", False)
        return Answered(self._plus.voice.say(language, "profile.erased"), "agentplus_initialise")

    def _detail(self, pending: Pending, language: Language, now: datetime) -> Answered:
        candidate = pending.candidate
        key = {"weather": "notice.detail_weather", "offer": "notice.detail_place"}.get(candidate.kind, "notice.detail")
        at = f"{now.hour}時{now.minute}分" if language == "ja" else f"{now:%H:%M}"
        return Answered(self._plus.voice.say(language, key, **{"at": at, **candidate.values[language]}), asks=True)

    def _when(self, confinement: Confinement, language: Language) -> str:
        parts = [
            self._plus.voice.say(language, f"notice.{name}_{value}")
            for name, value in (("days", confinement.days), ("part", confinement.part))
            if value != "all"
        ]
        return ("" if language == "ja" else " ").join(part.strip() for part in parts)


def _switched(wishes: Wishes, command: answers.Command) -> Wishes:
    """The wishes with a class more or less, or another frequency."""
    if command.name in ("switch_on", "switch_off"):
        kept = [kind for kind in wishes.classes if kind != command.kind]
        return replace(wishes, classes=(*kept, command.kind) if command.name == "switch_on" else tuple(kept))
    step = 1 if command.name == "more" else -1
    place = FREQUENCIES.index(wishes.frequency) + step
    return replace(wishes, frequency=FREQUENCIES[max(0, min(len(FREQUENCIES) - 1, place))])
