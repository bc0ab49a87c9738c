"""One turn of a conversation, from a driver's words to the sentence the driver hears.

In this order: clean the words; look for distress (answered at once, without the dialogue model); wait for the session's
earlier turn; ask the dialogue model within the turn's deadline; say what it answers, or a sentence that says why not. A turn
always ends with exactly one `Spoke` event, or, while an operator holds the line (agent/handoff.py), with one `Relayed`: then
the agent is mute, and only the safety lane and words about the line itself are answered here.
"""

from __future__ import annotations

import asyncio
import logging
import re
import sqlite3
import time
import unicodedata
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

from agent.dialogue import Dialogue, DialogueReply, Understanding
from agent.errors import AgentError, DialogueTimeout
from agent.events import Acted, Event, EventStream, Failed, Forgotten, Heard, Notice, Relayed, Spoke, Understood
from agent.forgetting import ForgettingError
from agent.handoff import Handoffs
from agent.handoff_state import Command, Owner
from agent.packet import Request
from agent.safety import Distress, Safety
from backends.errors import BackendError
from backends.model import Equipment, Language

log = logging.getLogger(__name__)

MAX_CHARACTERS = 500
"""longest message: two minutes of speech"""
MAX_SESSIONS = 1_000
"""sessions whose language and failure count are remembered"""
MAX_WAITING = 8
"""messages of one session that may wait"""

REQUEST = "handoff_request"
"""what an action reports that wants the conversation handed over"""
PLUS_REQUEST = "agentplus_request"
"""what an action reports that wants something of Agent+: its arguments are the request"""
Line = Literal["ok", "no_contract", "no_connection"]


class Sentences(Protocol):
    """The sentences of both languages (`actions.phrases.Phrases`, handed in)."""

    def say(self, language: Language, key: str, /, *, turn: int = 0, **values: object) -> str: ...


class NoticeAnswer(Protocol):
    """What words said after a notice led to (`agent.agentplus.Answered`)."""

    @property
    def text(self) -> str: ...
    @property
    def action(self) -> str: ...
    @property
    def ok(self) -> bool: ...
    @property
    def arguments(self) -> Mapping[str, Any]: ...
    @property
    def asks(self) -> bool: ...
    @property
    def cards(self) -> tuple[Mapping[str, Any], ...]: ...


class Companion(Protocol):
    """Agent+ as a conversation sees it (`agent.agentplus.AgentPlus`)."""

    async def answer(self, session: str, words: str, language: Language) -> NoticeAnswer | None:
        """What the words led to; None when they are not plainly an answer to a notice."""

    async def perform(self, request: Mapping[str, Any], language: Language) -> NoticeAnswer:
        """Does what an action asks of it."""

    def open_notice(self, session: str) -> Mapping[str, Any] | None:
        """The notice, or the `question` of Agent+'s own, that may be answered now: `kind`, whether it `asks` for yes or no."""


LONGEST_ANSWER = timedelta(minutes=10)
WORDS_A_SECOND = 7.0
"""characters a second a voice speaks; what was said last is still being said for so long"""


@dataclass(frozen=True, slots=True)
class TurnResult:
    """A finished turn."""

    events: tuple[Event, ...]
    """in order; the last is the `Spoke`, or the `Relayed` of a turn that went to an operator"""
    slots: Mapping[str, Any]
    """dialogue slots after the turn; {} when the dialogue model was not asked"""

    @property
    def spoke(self) -> Spoke:
        """What the agent says; of a turn that went to an operator nothing (a `Spoke` without text, which is no event)."""
        last = self.events[-1]
        if isinstance(last, Relayed):
            return Spoke(last.session, last.turn, "", "ja", "none")
        assert isinstance(last, Spoke)
        return last

    @property
    def understood(self) -> Understood | None:
        return next((e for e in self.events if isinstance(e, Understood)), None)

    @property
    def acted(self) -> tuple[Acted, ...]:
        return tuple(e for e in self.events if isinstance(e, Acted))


@dataclass
class _Session:
    """What is remembered of one conversation outside the dialogue model."""

    language: Language | None = None
    turns: int = 0
    failures: int = 0
    """turns in a row that did not work out"""
    desk_known: str = ""
    """the handoff whose outcome the dialogue has been told"""
    drivers: set[str] = field(default_factory=set)
    """who has said something here"""
    waiting: int = 0
    speaking_until: datetime | None = None
    """by the car's clock, about"""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Conversation:
    """Conversations with any number of sessions over one dialogue model."""

    def __init__(
        self,
        dialogue: Dialogue,
        sentences: Sentences,
        safety: Safety,
        *,
        function_of: Callable[[str | None], str],
        clock: Callable[[], datetime],
        stream: EventStream | None = None,
        deadline_s: float = 5.0,
        language: Language | None = None,
        driver: str = "owner",
        desk_phone: str = "0800-300-0365",
        line: Callable[[], Line] = lambda: "ok",
        equipment: Callable[[], Equipment] = lambda: "navi",
        handoffs: Handoffs | None = None,
    ) -> None:
        """`language` None: by the script of each message. `clock` is the car's. `line` says whether the centre can be
        reached and may be used, `equipment` what the head unit can do without it. `handoffs` None: there is no desk; its number
        is said instead. `companion`, once set, is asked first whether words answer a notice, and does what actions ask of Agent+."""
        self.companion: Companion | None = None
        self.stream = stream or EventStream()
        self._dialogue = dialogue
        self._sentences = sentences
        self._safety = safety
        self.function_of = function_of
        self._clock = clock
        self._deadline_s = deadline_s
        self._language = self._usual_language = language
        self._driver = driver
        self._desk_phone = desk_phone
        self._line = line
        self._equipment = equipment
        self.observers: list[Callable[[TurnResult], None]] = []
        """told of each turn that has ended"""
        self.handoffs = handoffs
        self._sessions: OrderedDict[str, _Session] = OrderedDict()

    async def turn(
        self,
        session: str,
        text: str,
        *,
        language: Language | None = None,
        metadata: Mapping[str, Any] | None = None,
        driver: str | None = None,
    ) -> TurnResult:
        """One user message; never raises for what a driver can cause, and ends by the deadline."""
        turn = _Turn(self, session, self._session(session), time.perf_counter())
        words = clean(text)
        turn.driver = driver
        turn.state.drivers.add(driver or self._driver)
        turn.language = language or self._language or detect(words, turn.state.language)
        turn.state.language = turn.language
        turn.mark("cleaning")
        turn.emit(Heard(session, turn.number, words[:MAX_CHARACTERS], turn.language, self._clock()))
        distress = self._safety.check(words)
        turn.mark("safety")
        if distress is not None:
            return self._helpnet(turn, distress)
        if self.handoffs is not None and (command := self.handoffs.command(session, words)) is not None:
            return await self._about_the_line(turn, self.handoffs, command)
        if self.owner(session) == "operator":
            return await turn.relay()
        if problem := _problem(words):
            return turn.apologise(f"conversation.{problem}", "cleaning", problem, limit=MAX_CHARACTERS)
        line = self._line()
        if line == "no_contract":
            return turn.speak(self._without(turn.language, line), "apology")
        if self.companion is not None and (answered := await self._answered(turn, words)) is not None:
            return answered
        if turn.state.waiting >= MAX_WAITING:
            return turn.apologise("conversation.busy", "conversation", "busy")
        told: dict[str, Any] = {"driver": driver or self._driver, **(metadata or {})}
        if self.companion is not None and (open_ := self.companion.open_notice(session)) is not None:
            told.setdefault("notice", dict(open_))
            told.setdefault("context", "asks_yesno" if open_["question"] else "notice")
        if self.handoffs is not None and (known := self.handoffs.known(session)) is not None:
            # In the first turn after it the dialogue takes over what the operator left behind.
            told.setdefault("desk", {**known, "fresh": turn.state.desk_known != known["id"]})
            turn.state.desk_known = known["id"]
        return await self._ask(turn, words, told, line)

    def _without(self, language: Language, line: Line) -> str:
        """Why it cannot be done without contract or connection, and what this head unit can do all the same."""
        return self.say(language, f"conversation.{line}_{self._equipment()}")

    def owner(self, session: str) -> Owner:
        """Who holds the line: the agent or an operator."""
        return self.handoffs.owner(session) if self.handoffs is not None else "agent"

    async def parse(self, text: str, language: Language, context: str | None = None) -> Understanding:
        """The meaning of a message alone, safety lane included. Raises `AgentError`."""
        if self._safety.check(text) is not None:
            return Understanding("emergency", 1.0, ())
        return await self._dialogue.parse(text, language=language, metadata=parse_metadata(context))

    async def reset(self, session: str) -> None:
        """Forgets a conversation. Raises `AgentError`."""
        await self._dialogue.reset(session)
        if self.handoffs is not None:
            self.handoffs.cancel(session)
        self._sessions.pop(session, None)

    async def forget(self, driver: str) -> None:
        """Everything a driver said is gone, from the files as well; pages that show it are told. Raises `AgentError`."""
        await self._dialogue.forget(driver)
        if self.handoffs is not None:
            try:
                self.handoffs.forget(driver)
            except sqlite3.DatabaseError as error:
                raise ForgettingError(f"handoffs: {error}") from error
        for session, state in self._sessions.items():
            if driver in state.drivers:
                state.drivers.discard(driver)
                state.failures, state.desk_known = 0, ""
                self.stream.emit(Forgotten(session, driver))

    async def notice(self, session: str, kind: str, key: str, *, data: Mapping[str, str] | None = None) -> Notice:
        """Says something unasked in a session: sentence `key` filled from `data`. While an operator holds the line it is not
        said: the head unit shows it."""
        language = self._session(session).language or self._language or "ja"
        text = self._sentences.say(language, key, turn=0, **(data or {}))
        self._speaks(self._session(session), text)
        event = Notice(session, kind, text, language, self._clock(), data or {})
        if self.owner(session) == "agent":
            self.stream.emit(event)
        return event

    async def _answered(self, turn: _Turn, words: str) -> TurnResult | None:
        """Words that answer a notice never reach the dialogue model, which knows nothing of it."""
        assert self.companion is not None
        if turn.state.waiting:
            return None
        try:
            answering = self.companion.answer(turn.session, words, turn.language)
            done = await asyncio.wait_for(answering, self._deadline_s - 0.2)
        except (asyncio.TimeoutError, TimeoutError):
            return turn.apologise("conversation.timeout", "notice", "timeout")
        except Exception:
            log.exception("an answer to a notice broke")
            return turn.apologise("conversation.error", "notice", "error")
        if done is None:
            return None
        turn.emit(Understood(turn.session, turn.number, "notice_answer", "dialogue_control", 1.0, ()))
        if done.action:
            turn.emit(Acted(turn.session, turn.number, done.action, done.arguments, done.ok))
        return turn.speak(done.text, "asks_yesno" if done.asks else "done", cards=done.cards, failed=not done.ok)

    async def _carry_out(self, turn: _Turn, reply: DialogueReply) -> DialogueReply:
        """The reply of an action that asks something of Agent+, with what came of it. Without Agent+ what the action said stands."""
        actions = list(reply.payload.get("actions") or ())
        wanted = next((a for a in actions if a["name"] == PLUS_REQUEST), None)
        if wanted is None:
            return reply
        if self.companion is None:
            actions[actions.index(wanted)] = {**wanted, "ok": False}
            return replace(reply, payload={**reply.payload, "actions": actions, "context": "gives_info"})
        done = await asyncio.wait_for(self.companion.perform(wanted["arguments"], turn.language), self._deadline_s)
        at = actions.index(wanted)
        actions[at : at + 1] = (
            [{"name": done.action, "arguments": dict(done.arguments), "ok": done.ok}] if done.action else []
        )
        context = "asks_yesno" if done.asks else "done" if done.action else "gives_info"
        # In a sentence with several requests the words of the others stay, and so does what they asked.
        texts: tuple[str, ...] = (done.text,)
        own = self.say(turn.language, "agentplus.off")
        if len(reply.texts) > 1 and own in reply.texts:
            texts = tuple(done.text if text == own else text for text in reply.texts)
            context = context if done.asks else str(reply.payload.get("context") or context)
        cards = (*(reply.payload.get("cards") or ()), *done.cards)
        return replace(
            reply, texts=texts, payload={**reply.payload, "actions": actions, "context": context, "cards": cards}
        )

    def engaged(self, session: str, now: datetime) -> bool:
        """Whether a turn is under way there, or its answer is still being spoken."""
        state = self._sessions.get(session)
        if state is None:
            return False
        if state.waiting > 0:
            return True
        left = state.speaking_until - now if state.speaking_until is not None else timedelta()
        # A clock that was put back does not make an answer last for hours.
        return timedelta() < left < LONGEST_ANSWER

    @property
    def driver(self) -> str:
        """Who is at the wheel."""
        return self._driver

    def drive(self, driver: str, language: Language | None) -> None:
        """Somebody else is at the wheel: turns are theirs from now on; `language` None: as the settings say."""
        self._driver = driver
        self._language = language or self._usual_language

    def _speaks(self, state: _Session, text: str) -> None:
        state.speaking_until = self._clock() + timedelta(seconds=1.5 + len(text) / WORDS_A_SECOND)

    def say(self, language: Language, key: str, **values: object) -> str:
        return self._sentences.say(language, key, turn=0, **values)

    def language_of(self, session: str) -> Language | None:
        """The language the session spoke last."""
        known = self._sessions.get(session)
        return known.language if known is not None else None

    def _session(self, session: str) -> _Session:
        state = self._sessions.setdefault(session, _Session())
        self._sessions.move_to_end(session)
        while len(self._sessions) > MAX_SESSIONS:
            self._sessions.popitem(last=False)
        return state

    def _helpnet(self, turn: _Turn, distress: Distress) -> TurnResult:
        # Neither the dialogue model nor its state is touched: whatever was going on can be gone on with.
        turn.emit(Understood(turn.session, turn.number, "emergency", "safety", 1.0, ()))
        turn.emit(Acted(turn.session, turn.number, "helpnet_advice", {"kind": distress.kind}, True))
        return turn.speak(self.say(turn.language, f"safety.{distress.kind}"), "gives_info", safety=True)

    async def _about_the_line(self, turn: _Turn, handoffs: Handoffs, command: Command) -> TurnResult:
        """The driver wants the agent back, or answers what the operator sent."""
        if command in ("back", "cancel"):
            return turn.speak(handoffs.cancel(turn.session, quiet=True), "done")
        await handoffs.answer_push(turn.session, command == "accept")
        return await turn.relay()

    async def _hand_over(self, turn: _Turn, words: str, reply: DialogueReply) -> DialogueReply:
        """The reply of an action that wants a person, with what came of it: an operator is called, or the number is said."""
        actions = list(reply.payload.get("actions") or ())
        wanted = next((a for a in actions if a["name"] == REQUEST and a.get("ok", True)), None)
        if wanted is None or self.handoffs is None:
            return reply
        if self.handoffs.unwanted(words):
            # 「オペレーターはもういい」 names one as well; nobody is called for it.
            actions.remove(wanted)
            payload = {**reply.payload, "actions": actions, "cards": (), "context": "done"}
            return replace(reply, texts=(self.say(turn.language, "answer.all_right"),), payload=payload)
        arguments = wanted.get("arguments") or {}
        text, ok, context = await self._call(turn, reply.slots, Request.of(arguments))
        actions[actions.index(wanted)] = {**wanted, "ok": ok}
        payload = {**reply.payload, "actions": actions, "context": context}
        return replace(reply, texts=text, payload=payload)

    async def _call(self, turn: _Turn, slots: Mapping[str, Any], request: Request) -> tuple[tuple[str, ...], bool, str]:
        """Calls an operator: (what is said, whether one was called, context)."""
        assert self.handoffs is not None
        try:
            new = await self.handoffs.request(
                turn.session, turn.language, slots, request, driver=turn.driver or self._driver
            )
        except BackendError as error:
            log.warning("the desk does not take the handoff: %s", error.code)
            sorry = self.say(turn.language, "desk.unreachable", phone=self._desk_phone)
            return (sorry,), False, "gives_info"
        return (self.say(turn.language, "desk.requested" if new else "desk.waiting"),), True, "done"

    async def _ask(self, turn: _Turn, words: str, metadata: Mapping[str, Any], line: Line) -> TurnResult:
        state = turn.state
        state.waiting += 1
        remaining = self._deadline_s - (time.perf_counter() - turn.started)
        # `wait_for` would wait on for a task that does not let itself be cancelled; the driver does not.
        asking = asyncio.create_task(self._in_order(turn, words, metadata))
        asking.add_done_callback(_seen)
        try:
            done, _ = await asyncio.wait({asking}, timeout=max(0.05, remaining))
            if not done:
                raise DialogueTimeout("no answer in time")
            reply = await self._carry_out(turn, asking.result())
            return self._answer(turn, await self._hand_over(turn, words, reply), line)
        except (asyncio.TimeoutError, DialogueTimeout):
            log.warning("no answer within the turn's deadline of %.1f s", self._deadline_s)
            if (called := await self._without_dialogue(turn, words)) is not None:
                return called
            return turn.apologise("conversation.timeout", "dialogue", "timeout")
        except AgentError as error:
            log.warning("dialogue: %s: %s", error.code, error)
            if (called := await self._without_dialogue(turn, words)) is not None:
                return called
            return turn.apologise("conversation.dialogue_unavailable", "dialogue", error.code)
        except Exception:
            # Whatever broke, a sentence is said and the log has the trace.
            log.exception("a turn broke")
            return turn.apologise("conversation.error", "dialogue", "error")
        finally:
            asking.cancel()
            state.waiting -= 1

    async def _without_dialogue(self, turn: _Turn, words: str) -> TurnResult | None:
        """A person can be had although the dialogue model cannot be asked."""
        if self.handoffs is None or not self.handoffs.wants_person(words):
            return None
        texts, ok, context = await self._call(turn, {}, Request("operator", {}))
        turn.emit(Acted(turn.session, turn.number, REQUEST, {"topic": "operator"}, ok))
        return turn.speak(_joined(texts, turn.language), context)

    async def _in_order(self, turn: _Turn, words: str, metadata: Mapping[str, Any]) -> DialogueReply:
        async with turn.state.lock:
            turn.mark("waiting")
            return await self._dialogue.turn(turn.session, words, language=turn.language, metadata=metadata)

    def _answer(self, turn: _Turn, reply: DialogueReply, line: Line) -> TurnResult:
        turn.model(reply.timings)
        understanding, payload = reply.understanding, reply.payload
        turn.slots = reply.slots
        for meant in (understanding, *reply.others):
            turn.emit(
                Understood(
                    turn.session,
                    turn.number,
                    meant.intent,
                    self.function_of(meant.intent),
                    meant.confidence,
                    meant.entities,
                )
            )
        actions = [
            Acted(turn.session, turn.number, a["name"], a.get("arguments") or {}, bool(a.get("ok", True)))
            for a in payload.get("actions") or ()
        ]
        for action in actions:
            turn.emit(action)
        if not any(text.strip() for text in reply.texts):
            return turn.apologise("conversation.silent", "dialogue", "silent")
        text = _joined(reply.texts, turn.language)
        context = str(payload.get("context") or "gives_info")
        if line == "no_connection" and any(not a.ok and a.arguments.get("code") in _LOST for a in actions):
            text = self._without(turn.language, line)
        return turn.speak(
            text,
            context,
            quick_replies=tuple(payload.get("quick_replies") or ()),
            cards=tuple(payload.get("cards") or ()),
            failed=context == "apology",
        )


_LOST = frozenset({"unavailable", "timeout"})


def _seen(task: asyncio.Task[Any]) -> None:
    """Takes note of how a task ended that nobody waits for any more."""
    if not task.cancelled():
        task.exception()


class _Turn:
    """One turn being worked on: its clock, its events, its end."""

    def __init__(self, conversation: Conversation, session: str, state: _Session, started: float) -> None:
        state.turns += 1
        self.conversation, self.session, self.state = conversation, session, state
        self.number = state.turns
        self.language: Language = state.language or "ja"
        self.started = started
        self.driver: str | None = None
        self.slots: Mapping[str, Any] = {}
        self._events: list[Event] = []
        self._timings: dict[str, float] = {}
        self._marked = started

    def mark(self, stage: str) -> None:
        """Everything since the last mark was `stage`."""
        now = time.perf_counter()
        self._timings[stage] = self._timings.get(stage, 0.0) + (now - self._marked) * 1000
        self._marked = now

    def model(self, timings: Mapping[str, float]) -> None:
        """Stages inside the dialogue model since the last mark; what is left of that time is `other`."""
        self.mark("other")
        stages = dict(timings)
        # Backends are asked from within actions: shown apart, so that the stages add up.
        stages["action"] = max(0.0, stages.get("action", 0.0) - stages.get("backend", 0.0))
        self._timings["other"] = max(0.0, self._timings["other"] - sum(stages.values()))
        self._timings.update(stages)

    def emit(self, event: Event) -> None:
        self._events.append(event)
        self.conversation.stream.emit(event)

    def apologise(self, key: str, stage: str, code: str, **values: object) -> TurnResult:
        self.emit(Failed(self.session, self.number, stage, code, False))
        return self.speak(self.conversation.say(self.language, key, **values), "apology", failed=True)

    def speak(
        self,
        text: str,
        context: str,
        *,
        quick_replies: tuple[str, ...] = (),
        cards: tuple[Mapping[str, Any], ...] = (),
        failed: bool = False,
        safety: bool = False,
    ) -> TurnResult:
        """Ends the turn. The second failure in a row offers a person. An operator who got the line meanwhile is not spoken
        into (but for `safety`)."""
        if not safety and self.conversation.owner(self.session) == "operator":
            return self._relayed(False)
        self.state.failures = self.state.failures + 1 if failed else 0
        if self.state.failures >= 2:
            offer = self.conversation.say(self.language, "conversation.offer_desk", phone=self.conversation._desk_phone)
            if self.conversation._desk_phone not in text:
                text = _joined((text, offer), self.language)
            self.state.failures = 0
        self.conversation._speaks(self.state, text)
        self.mark("other")
        total = (self._marked - self.started) * 1000
        self.emit(
            Spoke(self.session, self.number, text, self.language, context, quick_replies, cards, self._timings, total)
        )
        return self._ended()

    async def relay(self) -> TurnResult:
        """Ends the turn: the operator has what was said, or gets it as soon as the desk can be reached."""
        handoffs = self.conversation.handoffs
        assert handoffs is not None
        return self._relayed(await handoffs.delivered(self.session))

    def _relayed(self, delivered: bool) -> TurnResult:
        handoffs = self.conversation.handoffs
        assert handoffs is not None
        self.emit(Relayed(self.session, self.number, handoffs.handoff_of(self.session), delivered))
        return self._ended()

    def _ended(self) -> TurnResult:
        result = TurnResult(tuple(self._events), self.slots)
        for observer in list(self.conversation.observers):
            observer(result)
        return result


def parse_metadata(context: str | None) -> dict[str, Any]:
    """Message metadata for a context given from outside: one of the contract's kinds, or what the system said."""
    if not context:
        return {"context": "none"}
    return {"context": context} if re.fullmatch(r"[a-z_]{1,30}", context) else {"context_text": context}


def clean(text: str) -> str:
    """The words of a message: composed characters; control, bidi, private and unassigned characters and lone surrogates gone;
    white space single."""
    text = unicodedata.normalize("NFC", text[: MAX_CHARACTERS * 40])
    kept = (" " if c in "\t\r\n\v\f\u2028\u2029" else c for c in text)
    text = "".join(c for c in kept if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Cn"))
    return re.sub(r"\s+", " ", text).strip()


def _problem(words: str) -> str | None:
    """Why a cleaned message cannot be worked on: empty, no_words, too_long."""
    if not words:
        return "empty"
    if len(words) > MAX_CHARACTERS:
        return "too_long"
    return None if any(unicodedata.category(c)[0] in "LN" for c in words) else "no_words"


def detect(text: str, before: Language | None) -> Language:
    """Language of a message by its script; a message that does not tell keeps the language `before` it, ja at the start."""
    if re.search(r"[\u3040-\u30ff\u3400-\u9fff\uff66-\uff9d]", text):
        return "ja"
    latin = re.findall(r"[A-Za-z]+", text)
    # 「OK」, 「ETC」, 「B1」 are said in Japanese as well.
    if before == "ja" and len(latin) == 1 and len(latin[0]) <= 3:
        return "ja"
    return "en" if latin else before or "ja"


def _joined(texts: Iterable[str], language: Language) -> str:
    return ("" if language == "ja" else " ").join(texts)
