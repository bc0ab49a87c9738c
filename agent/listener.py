"""The voice loop: an explicit state machine fed with 20 ms frames. Time is counted in frames, never read from a clock.

    IDLE       waits for the wake word, the button or the talk switch; says what is to be said unasked
    LISTENING  hears an utterance out; asks once more after silence, then closes the line
    THINKING   recognises it, asks the dialogue
    SPEAKING   says the answer; may be held when somebody speaks into it, and goes on when that was not meant

Everything slow happens elsewhere (`Work`) and is looked at once a frame, so that a frame is never late and nothing waits for
ever: every state has a longest time. `frame` is called by one thread; `press`, `release`, `announce` by any.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent import futures
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Final, Literal, TypeVar

from agent.ahead import Ahead
from agent.events import (
    Event,
    Failed,
    Held,
    Interrupted,
    Latency,
    Partial,
    Prompted,
    Recognised,
    Resumed,
    SoundLost,
    Speaking,
    VoiceState,
    Woke,
)
from agent.judging import Situation, Taken, judge, without_wake_phrase
from agent.mouth import Mouth
from agent.recognizer_thread import RecognizerThread, Work
from agent.spotter import Spotter
from agent.voice_ports import OPEN_CONTEXTS, Answer, Limits, Parts, Source
from audio.earcons import earcon
from audio.errors import AudioError
from audio.frames import FRAME_S, Frame
from audio.ports import Hypothesis, Wake
from backends.model import Language

log = logging.getLogger(__name__)
T = TypeVar("T")


LIMITS: Final = Limits()


class State(str, Enum):
    IDLE = "idle"
    LISTENING = "listening"
    THINKING = "thinking"
    SPEAKING = "speaking"


_WAYS: Final[dict[State, frozenset[State]]] = {
    State.IDLE: frozenset({State.LISTENING, State.SPEAKING}),
    State.LISTENING: frozenset({State.LISTENING, State.THINKING, State.SPEAKING, State.IDLE}),
    State.THINKING: frozenset({State.SPEAKING, State.LISTENING, State.IDLE}),
    State.SPEAKING: frozenset({State.LISTENING, State.THINKING, State.SPEAKING, State.IDLE}),
}


@dataclass
class _Utterance:
    """An utterance being heard."""

    origin: Literal["called", "open", "barge_in"]
    wake_phrase: str = ""
    own: list[float] = field(default_factory=list)
    """share of the agent's own voice in each frame of speech"""


class Listener:
    """One driver's line."""

    def __init__(
        self,
        session: str,
        parts: Parts,
        *,
        language: Language = "ja",
        limits: Limits = LIMITS,
        work: Callable[[str], Work],
        clock: Callable[[], float],
    ) -> None:
        """`work` makes a place for slow things, by name; `clock` (seconds) only measures how long they took."""
        self.session, self.language = session, language
        self.state = State.IDLE
        self._parts, self._limits, self._clock = parts, limits, clock
        self._player, self._talk = parts.player, parts.talk
        self._ears = RecognizerThread(parts.recognizer, work("recognizer"), parts.keep)
        self._mouth = Mouth(parts.synthesizer, parts.player, work("speaker"))
        self._spotter = Spotter(parts.wake, work("wake word"))
        self._ahead = Ahead(self._meaning, Limits.frames(limits.stable))
        self._endpointing = parts.endpointing(self._ahead.judge)
        self._asked_for: deque[tuple[str, Any]] = deque()
        self._announcements: deque[tuple[str, Language]] = deque(maxlen=8)
        self._now = 0
        """frames since the start"""
        self._since = 0
        """the frame this state began with"""
        self._ring: deque[tuple[Frame, float, float]] = deque(maxlen=Limits.frames(limits.pre_roll))
        self._evidence: deque[bool] = deque(maxlen=limits.onset_of)
        self._utterance = _Utterance("called")
        self._hypothesis: Future[Hypothesis] | None = None
        self._answer: Future[Answer] | None = None
        self._open_line = False
        self._reprompted = 0
        self._unsure = 0
        self._broken: set[str] = set()
        # an answer being spoken
        self._sounded = -(10**9)
        """the frame it last sounded at"""
        self._held_at: int | None = None
        self._resumable = False
        self._speech_run = self._silence_run = self._quiet = 0
        self._question = False
        self._told_speaking: set[int] = set()
        self._unheard = ""
        self._marks: dict[str, float] = {}
        self._lost_wake = 0

    # ── from outside ────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def time(self) -> float:
        """Seconds of sound since the start."""
        return round(self._now * FRAME_S, 3)

    @property
    def frames(self) -> int:
        """Frames taken in."""
        return self._now

    def press(self, source: Source = "button") -> None:
        """The microphone button or the talk switch: listens; while it listens and nothing is said: closes the line."""
        self._asked_for.append(("press", source))

    def release(self) -> None:
        """The talk key was let go: the utterance is over."""
        self._asked_for.append(("release", None))

    def announce(self, text: str, language: Language) -> None:
        """Says something unasked as soon as the line is free."""
        if text.strip():
            self._announcements.append((text, language))

    def lost(self, frames: int) -> None:
        """So many frames were recorded and did not get here."""
        self._asked_for.append(("lost", frames))

    def wait(self, seconds: float) -> None:
        """Waits for what is being recognised or answered (for sound that is there already, faster than it was spoken)."""
        pending: list[Future[Any]] = [*self._ahead.pending()]
        pending += [future for future in (self._hypothesis, self._answer) if future is not None]
        futures.wait(pending, seconds)

    def wait_for_sound(self, seconds: float) -> None:
        """Waits until there is something to play, or nothing will come."""
        self._mouth.wait(seconds)

    def close(self) -> None:
        """Ends what is being said and heard."""
        self._ears.forget()
        self._mouth.stop()

    def frame(self, frame: Frame) -> None:
        """The next 20 ms of the microphone."""
        try:
            # Before the frame is looked at: what is replayed from the ring must not hold it already.
            self._requests()
            self._noticed()
            self._now += 1
            frame, own = self._without_own_voice(frame)
            probability = self._guarded("vad", lambda: self._parts.activity.probability(frame), 0.0)
            self._ring.append((frame, probability, own))
            speech = probability >= self._limits.speech and own < self._limits.own
            self._evidence.append(speech)
            self._spotter.accept(frame, self._now)
            self._step(frame, probability, own, speech)
        except Exception as error:
            # Whatever broke: a sound says so, and the line can be called again.
            log.exception("the voice loop broke")
            self._recover(error)

    def _step(self, frame: Frame, probability: float, own: float, speech: bool) -> None:
        if self.state is State.IDLE:
            self._idle()
        elif self.state is State.LISTENING:
            self._listening(frame, probability, own)
        elif self.state is State.THINKING:
            self._thinking()
        else:
            self._speaking(frame, speech, own)

    # ── called ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _noticed(self) -> None:
        while (found := self._spotter.found()) is not None:
            ended, wake = found
            if not self._is_own_wake(wake):
                self._called("wake_word", wake.phrase, wake.score, since=ended)
        if (error := self._spotter.broken()) is not None:
            self._failed("wake", error)
            text = self._talk.say(self.language, "voice.no_wake")
            self._emit(Prompted(self.session, "voice.no_wake", text, self.language, self.time))
            self._announcements.append((text, self.language))
        if self._spotter.lost > self._lost_wake:
            self._emit(SoundLost(self.session, self._spotter.lost - self._lost_wake, self.time))
            self._lost_wake = self._spotter.lost

    def _is_own_wake(self, wake: Wake) -> bool:
        """Whether the agent itself has just said the wake word."""
        if self._now - self._sounded > Limits.frames(self._limits.own_wake):
            return False
        words = self._parts.words[self.language]
        return words.key(wake.phrase).replace(" ", "") in words.key(self._mouth.recent()).replace(" ", "")

    def _requests(self) -> None:
        while self._asked_for:
            kind, value = self._asked_for.popleft()
            if kind == "lost":
                self._emit(SoundLost(self.session, value, self.time))
            elif kind == "release":
                if self.state is State.LISTENING:
                    self._end_of_speech() if self._endpointing.said else self._close("released")
            elif self.state is State.LISTENING and not self._endpointing.said:
                self._close(value)
            elif self.state is State.LISTENING:
                self._end_of_speech()
            else:
                self._called(value, "", 1.0, since=self._now - Limits.frames(self._limits.press_roll))

    def _called(self, source: Source, phrase: str, score: float, since: int) -> None:
        self._emit(Woke(self.session, source, phrase, score, self.time))
        if self.state is State.SPEAKING:
            self._interrupt(source)
        elif self.state is State.LISTENING:
            self._ears.forget()
            self._give_up_held(source)
        elif self.state is State.THINKING:
            # A turn under way goes on and is remembered; its answer is on the page.
            self._hypothesis = self._answer = None
            self._give_up_held(source)
        self._reprompted = self._unsure = 0
        self._player.earcon(earcon("listening"))
        self._listen("called", since, phrase, source)

    # ── IDLE ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _idle(self) -> None:
        if self._announcements:
            text, language = self._announcements.popleft()
            self._say(text, language, open_line=False, reason="announcement")

    # ── LISTENING ───────────────────────────────────────────────────────────────────────────────────────────────

    def _listen(self, origin: Any, since: int, wake_phrase: str = "", reason: str = "") -> None:
        """Hears an utterance, beginning with what the ring has from frame `since` on. After the wake word the recognizer gets the
        wake word too: where exactly it ended is better told by the words (`without_wake_phrase`)."""
        self._utterance = _Utterance(origin, wake_phrase)
        self._ahead.start(self._now)
        self._go(State.LISTENING, reason or origin)
        self._ears.start(self._talk.expected(self.language))
        self._endpointing.start()
        count = min(max(0, self._now - since), len(self._ring))
        kept = list(self._ring)
        if wake_phrase:
            back = Limits.frames(self._limits.wake_back)
            for frame, _, _ in kept[max(0, len(kept) - count - back) : len(kept) - count]:
                self._ears.accept(frame)
        for frame, probability, own in kept[len(kept) - count :]:
            if self.state is State.LISTENING:
                self._listening(frame, probability, own)

    def _listening(self, frame: Frame, probability: float, own: float) -> None:
        self._ears.accept(frame)
        if own >= self._limits.own and self._utterance.origin != "called":
            probability = 0.0
        if probability >= self._limits.speech:
            self._utterance.own.append(own)
        self._quiet = 0 if probability >= self._limits.speech else self._quiet + 1
        end = self._endpointing.accept(probability, self._looked_at_partial())
        if end is None and self._said_with_the_wake_word():
            end = "pause"
        if end == "nothing":
            self._nothing_said()
        elif end is not None:
            self._end_of_speech()

    def _said_with_the_wake_word(self) -> bool:
        """Whether a request was over before the wake word in front of it was noticed: there are words, and no speech since."""
        if self._endpointing.said or not self._ahead.partial:
            return False
        return self._quiet * FRAME_S >= self._endpointing.wanted_s

    def _looked_at_partial(self) -> str | None:
        """The partial text when there is news about it: other words, or their meaning."""
        ahead = self._ahead
        if ahead.changed(self._after_wake_phrase(self._ears.partial), self._now):
            self._emit(Partial(self.session, ahead.partial, self.language, self.time))
            return ahead.partial
        return ahead.partial if ahead.understood(self._now) else None

    def _after_wake_phrase(self, text: str) -> str:
        phrase = self._utterance.wake_phrase
        return without_wake_phrase(text, phrase, self._parts.words[self.language]) if phrase else text

    def _meaning(self, text: str) -> Future[str] | None:
        return self._guarded("dialogue", lambda: self._talk.meaning(text, self.language), None)

    def _nothing_said(self) -> None:
        """Asked once more, then closed politely. An open line nobody speaks into closes with a sound."""
        self._ears.forget()
        if self._resumable:
            self._go_on("nothing")
        elif self._reprompted == 0:
            self._reprompted = 1
            self._prompt("voice.reprompt", open_line=True)
        else:
            self._prompt("voice.close")

    def _end_of_speech(self) -> None:
        self._marks = {"silence": self._endpointing.silence_s, "ended": self._clock()}
        if self._utterance.origin == "called" or not self._resumable:
            self._player.earcon(earcon("heard"))
        self._hypothesis, self._answer = self._ears.finish(), None
        self._go(State.THINKING, "end_of_speech")

    # ── THINKING ────────────────────────────────────────────────────────────────────────────────────────────────

    def _thinking(self) -> None:
        waited = (self._now - self._since) * FRAME_S
        every = Limits.frames(self._limits.thinking_earcon)
        if not self._resumable and self._now > self._since and (self._now - self._since) % every == 0:
            self._player.earcon(earcon("thinking"))
        if self._hypothesis is not None:
            if self._hypothesis.done():
                hypothesis, self._hypothesis = self._hypothesis, None
                self._marks["recognised"] = self._clock()
                self._recognised(hypothesis)
            elif waited > self._limits.recognition:
                self._hypothesis = None
                self._failed("recognizer", TimeoutError("no result in time"))
                self._prompt("voice.late", open_line=True)
        elif self._answer is not None:
            if self._answer.done():
                answer, self._answer = self._answer, None
                self._answered(answer)
            elif waited > self._limits.recognition + self._limits.answer:
                self._answer = None
                self._failed("dialogue", TimeoutError("no answer in time"))
                self._prompt("voice.late", open_line=True)
        else:
            self._prompt("voice.late", open_line=True)

    def _recognised(self, future: Future[Hypothesis]) -> None:
        error = future.exception()
        if error is not None:
            self._failed("recognizer", error)
            self._give_up_held("trouble")
            self._prompt("voice.trouble_recognizer")
            return
        hypothesis = future.result()
        text = self._after_wake_phrase(hypothesis.text.strip())
        if not hypothesis.text.strip() and not self._resumable and self._ahead.latest:
            # The engine took back what it had heard. Asked for a request, a doubtful one is better than none.
            text = self._ahead.latest
            hypothesis = replace(hypothesis, text=text, confidence=self._limits.unsure)
        taken = self._taken(text, hypothesis.confidence)
        self._emit(
            Recognised(
                self.session, text, self.language, hypothesis.confidence, taken, self.time, hypothesis.alternatives
            )
        )
        if taken == "hush":
            # Wanted silence, and has it; the line stays open for what comes next.
            self._give_up_held("barge_in")
            self._listen("open", self._now, reason=taken)
        elif taken == "request":
            self._give_up_held("barge_in")
            self._reprompted = self._unsure = 0
            self._ask(text, hypothesis.alternatives)
        elif self._resumable:
            self._go_on(taken)
        elif taken == "wake_word":
            self._prompt("voice.go_ahead", open_line=True)
        elif taken == "own_voice":
            # As if it had not been heard: the line stays as open as it was.
            self._listen("open", self._now, reason=taken)
        elif self._unsure == 0:
            self._unsure = 1
            self._prompt("voice.not_heard", open_line=True)
        else:
            self._prompt("voice.give_up")

    def _taken(self, text: str, confidence: float) -> Taken:
        utterance, own = self._utterance, self._utterance.own
        return judge(
            text,
            confidence,
            self._parts.words[self.language],
            Situation(
                called=utterance.origin == "called",
                wake_phrase=utterance.wake_phrase,
                into_an_answer=self._resumable,
                question_heard=self._question and self._at_the_end(),
                said=self._mouth.recent(),
                # Without an echo guard only the words tell.
                own=None if self._parts.echo is None or not own else sum(own) / len(own),
                meaning=self._ahead.meaning(text),
                unsure=self._limits.unsure,
            ),
        )

    def _ask(self, text: str, alternatives: Sequence[str] = ()) -> None:
        if self.state is not State.THINKING:
            self._go(State.THINKING, "request")
        metadata: dict[str, Any] = {"unheard": self._unheard} if self._unheard else {}
        others = tuple(filter(None, map(self._after_wake_phrase, alternatives)))
        self._unheard = ""
        self._ahead.forget()
        self._answer = self._guarded("dialogue", lambda: self._talk.ask(text, self.language, metadata, others), None)
        if self._answer is None:
            self._prompt("voice.late", open_line=True)

    def _answered(self, future: Future[Answer]) -> None:
        error = future.exception()
        if error is not None:
            self._failed("dialogue", error)
            self._prompt("voice.late", open_line=True)
            return
        answer = future.result()
        self._marks["answered"] = self._clock()
        self._say(answer.text, answer.language, open_line=answer.context in OPEN_CONTEXTS, reason="answer")

    # ── SPEAKING ────────────────────────────────────────────────────────────────────────────────────────────────

    def _say(self, text: str, language: Language, *, open_line: bool, reason: str) -> None:
        self._open_line, self._resumable, self._held_at = open_line, False, None
        self._question = open_line or text.rstrip().endswith(("？", "?", "か。"))
        self._told_speaking.clear()
        if reason != "answer":
            self._marks = {}
        self._mouth.say(text, language)
        self._go(State.SPEAKING, reason)

    def _prompt(self, key: str, *, open_line: bool = False) -> None:
        """Says a sentence of the loop's own."""
        self._give_up_held("prompt")
        text = self._talk.say(self.language, key)
        self._emit(Prompted(self.session, key, text, self.language, self.time))
        if not open_line:
            self._player.earcon(earcon("closed"))
        self._say(text, self.language, open_line=open_line, reason=key)

    def _speaking(self, frame: Frame, speech: bool, own: float) -> None:
        for number in self._mouth.poll():
            if number == 0:
                self._first_sound()
        self._tell_clause()
        if self._held_at is not None:
            self._while_held(frame, speech, own)
        elif self._mouth.failed is not None:
            self._cannot_speak(self._mouth.failed)
        elif self._mouth.done:
            self._spoken()
        elif self._player.pending == 0 and (self._now - self._since) * FRAME_S > self._limits.speaking:
            self._cannot_speak(TimeoutError("no sound in time"))
        elif sum(self._evidence) >= self._limits.onset and self._player.spoken > 0:
            self._hold()
        if self._player.pending and self._held_at is None:
            # Silence is counted from when it last sounded.
            self._since = self._sounded = self._now

    def _first_sound(self) -> None:
        marks = self._marks
        if not {"ended", "recognised", "answered"} <= marks.keys():
            return
        now = self._clock()
        parts = [
            marks["silence"] * 1000,
            (marks["recognised"] - marks["ended"]) * 1000,
            (marks["answered"] - marks["recognised"]) * 1000,
            (now - marks["answered"]) * 1000,
        ]
        silence, recognition, dialogue, sound = (round(part, 1) for part in parts)
        self._emit(Latency(self.session, silence, recognition, dialogue, sound, round(sum(parts), 1), self.time))
        self._marks = {}

    def _tell_clause(self) -> None:
        number = self._mouth.sounding
        if number not in self._told_speaking and number < len(self._mouth.clauses) and self._player.pending:
            self._told_speaking.add(number)
            clauses, language = self._mouth.clauses, self._mouth.language
            self._emit(Speaking(self.session, clauses[number], language, number + 1, len(clauses), self.time))

    def _spoken(self) -> None:
        """Everything was said."""
        if self._open_line:
            # What the driver began with while the last word sounded belongs to the answer.
            self._listen("open", self._now - (self._limits.onset_of if any(self._evidence) else 0), reason="open_line")
        else:
            self._go(State.IDLE, "spoken")

    def _cannot_speak(self, error: BaseException) -> None:
        """The answer is on the page; that something is wrong is heard."""
        self._failed("speaker", error)
        self._mouth.stop()
        self._player.earcon(earcon("trouble"))
        self._held_at, self._resumable = None, False
        self._spoken()

    # ── somebody speaks into an answer ──────────────────────────────────────────────────────────────────────────

    def _hold(self) -> None:
        self._mouth.hold()
        self._held_at, self._resumable = self._now, True
        run = list(self._evidence)
        self._speech_run, self._silence_run = sum(run), 0
        first = len(run) - run.index(True)
        self._emit(Held(self.session, first * FRAME_S * 1000, self.time))
        self._utterance = _Utterance("barge_in")
        self._ahead.start(self._now)
        self._ears.start(self._talk.expected(self.language))
        # A little from before: the first sounds of a word are soft.
        for frame, probability, own in list(self._ring)[-(first + 10) :]:
            self._ears.accept(frame)
            if probability >= self._limits.speech:
                self._utterance.own.append(own)

    def _while_held(self, frame: Frame, speech: bool, own: float) -> None:
        assert self._held_at is not None
        if self._hypothesis is not None:
            self._judging()
            return
        self._ears.accept(frame)
        if speech:
            self._utterance.own.append(own)
        self._speech_run += speech
        self._silence_run = 0 if speech else self._silence_run + 1
        self._looked_at_partial()
        if self._is_meant():
            self._hear_out()
        elif self._silence_run >= Limits.frames(self._limits.short_pause):
            self._marks = {"silence": self._silence_run * FRAME_S, "ended": self._clock()}
            self._hypothesis = self._ears.finish()
        elif (self._now - self._held_at) * FRAME_S > self._limits.judged:
            self._ears.forget()
            self._go_on("nothing")

    def _is_meant(self) -> bool:
        """Whether it is clear already that the driver wants the word."""
        words, partial = self._parts.words[self.language], self._ears.partial
        if partial and not words.is_short(partial) and not words.may_become_backchannel(partial):
            return self._taken(partial, 1.0) != "own_voice"
        if words.is_command(partial) or words.is_hush(partial):
            return True
        return self._speech_run >= Limits.frames(self._limits.meant)

    def _hear_out(self) -> None:
        """Goes on listening to an utterance that began in an answer; the answer may yet be gone on with."""
        count = self._speech_run + self._silence_run
        self._held_at = None
        self._go(State.LISTENING, "barge_in")
        self._endpointing.start()
        for _, probability, own in list(self._ring)[-count:]:
            self._endpointing.accept(0.0 if own >= self._limits.own else probability)
        self._endpointing.accept(self._ring[-1][1], self._ears.partial or None)

    def _judging(self) -> None:
        """The short sound has ended; what was it?"""
        assert self._hypothesis is not None
        assert self._held_at is not None
        if self._hypothesis.done():
            hypothesis, self._hypothesis = self._hypothesis, None
            self._held_at = None
            self._marks["recognised"] = self._clock()
            self._recognised(hypothesis)
        elif (self._now - self._held_at) * FRAME_S > self._limits.judged:
            self._hypothesis = None
            self._go_on("nothing")

    def _at_the_end(self) -> bool:
        """Whether the question has been heard, or is being asked right now."""
        return self._mouth.sounding >= len(self._mouth.clauses) - 1

    def _go_on(self, reason: str) -> None:
        """It was not meant: the answer goes on where it was."""
        self._held_at, self._resumable = None, False
        self._hypothesis = None
        self._marks = {}
        self._evidence.clear()
        self._mouth.go_on()
        self._emit(Resumed(self.session, reason, self.time))
        if self.state is not State.SPEAKING:
            self._go(State.SPEAKING, "resumed")

    def _interrupt(self, reason: str) -> None:
        """The answer ends here; what was not spoken is not taken for heard."""
        heard, unheard = self._mouth.heard()
        self._mouth.stop()
        self._ears.forget()
        self._hypothesis, self._held_at, self._resumable = None, None, False
        if unheard:
            self._unheard = unheard
            self._emit(Interrupted(self.session, reason, heard, unheard, self.time))

    def _give_up_held(self, reason: str) -> None:
        if self._resumable:
            started = self._ears.started
            heard, unheard = self._mouth.heard()
            self._mouth.stop()
            self._held_at, self._resumable = None, False
            if started and reason != "barge_in":
                self._ears.forget()
            self._unheard = unheard
            self._emit(Interrupted(self.session, reason, heard, unheard, self.time))

    # ── all over ────────────────────────────────────────────────────────────────────────────────────────────────

    def _close(self, reason: str) -> None:
        self._ears.forget()
        self._give_up_held(reason)
        self._player.earcon(earcon("closed"))
        self._go(State.IDLE, reason)

    def _recover(self, error: Exception) -> None:
        self._hypothesis = self._answer = None
        self._held_at, self._resumable = None, False
        self._mouth.stop()
        self._ears.started = False
        self._player.earcon(earcon("trouble"))
        self._failed("voice", error)
        if self.state is not State.IDLE:
            self._go(State.IDLE, "trouble")

    def _go(self, state: State, reason: str) -> None:
        assert state in _WAYS[self.state], f"{self.state} → {state}"
        self.state, self._since = state, self._now
        self._emit(VoiceState(self.session, state.value, reason, self.time))

    def _without_own_voice(self, frame: Frame) -> tuple[Frame, float]:
        played = self._player.reference()
        if self._parts.echo is None:
            return frame, 0.0
        echo = self._parts.echo
        return self._guarded("echo", lambda: echo.clean(frame, played), (frame, 0.0))

    def _guarded(self, stage: str, do: Callable[[], T], otherwise: T) -> T:
        """An engine that breaks is told of once, and done without."""
        try:
            return do()
        except Exception as error:
            if stage not in self._broken:
                self._broken.add(stage)
                self._failed(stage, error)
            return otherwise

    def _failed(self, stage: str, error: BaseException) -> None:
        known = isinstance(error, AudioError)
        log.warning("%s: %s", stage, error if known else repr(error))
        code = error.code if isinstance(error, AudioError) else "error"
        self._emit(Failed(self.session, 0, stage, code, isinstance(error, AudioError) and error.permanent))

    def _emit(self, event: Event) -> None:
        self._talk.emit(event)
