"""The voice loop while an operator holds the line: an open call.

Every frame of the driver goes to the operator as it is heard. Beside it the words are recognised, utterance by utterance, and asked
of the conversation, which passes them on (`agent/conversation.py`): the transcript, distress and words about the line come from
there. Nothing is asked again and nothing is called for by name; what the car has to say about the line, and what an operator
typed, is spoken in between. Time is counted in frames, as in `agent/listener.py`, whose thread calls this.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final

from agent.events import Event, Partial, Recognised, SoundLost
from agent.mouth import Mouth
from agent.recognizer_thread import RecognizerThread
from agent.voice_ports import Answer, Limits, Parts
from audio.endpointing import Endpointing
from audio.frames import FRAME_S, Frame
from audio.ports import Hypothesis
from backends.model import Language

log = logging.getLogger(__name__)

KEPT_S: Final = 30.0
"""speech kept while the words before it are still being recognised"""
Out = Callable[[Frame], None]


class Call:
    """One talk with an operator, seen from the driver's microphone and loudspeaker."""

    def __init__(
        self,
        session: str,
        parts: Parts,
        limits: Limits,
        ears: RecognizerThread,
        mouth: Mouth,
        announcements: deque[tuple[str, Language]],
        language: Language,
        out: Out,
        *,
        emit: Callable[[Event], None],
        failed: Callable[[str, BaseException], None],
    ) -> None:
        """`out` gets each frame for the operator; it never waits."""
        self._session, self._parts, self._limits, self._language = session, parts, limits, language
        self._ears, self._mouth, self._announcements = ears, mouth, announcements
        self._out, self._emit, self._failed = out, emit, failed
        # Whether words are a whole request matters to nobody here: only pauses count.
        self._endpointing: Endpointing = parts.endpointing(lambda _: "unknown")
        self._waiting: deque[tuple[Frame, float]] = deque(maxlen=Limits.frames(KEPT_S))
        self._hypothesis: Future[Hypothesis] | None = None
        self._asked_at = 0
        self._partial = ""
        self._now = 0
        self._listen()

    def frame(self, frame: Frame, probability: float, own: float, time: float) -> None:
        """The next 20 ms of the microphone; `own`: the share of what the loudspeaker played; `time`: seconds since the start."""
        self._now += 1
        self._out(frame)
        self._speak()
        self._keep(frame, 0.0 if own >= self._limits.own else probability, time)
        self._recognise(time)

    def end(self) -> None:
        """The line is the agent's again."""
        self._ears.forget()
        self._mouth.stop()

    # ── what is said to the driver ──────────────────────────────────────────────────────────────────────────────

    def _speak(self) -> None:
        self._mouth.poll()
        if (error := self._mouth.failed) is not None:
            self._failed("speaker", error)
            self._mouth.stop()
        if self._announcements and self._mouth.done and not self._parts.player.line_sounds:
            self._mouth.say(*self._announcements.popleft())

    # ── what the driver says ────────────────────────────────────────────────────────────────────────────────────

    def _listen(self) -> None:
        self._partial = ""
        self._ears.start()
        self._endpointing.start()

    def _keep(self, frame: Frame, probability: float, time: float) -> None:
        if len(self._waiting) == self._waiting.maxlen:
            self._emit(SoundLost(self._session, 1, time))
        self._waiting.append((frame, probability))

    def _recognise(self, time: float) -> None:
        if self._hypothesis is not None and not self._is_known(time):
            return
        while self._waiting and self._hypothesis is None:
            frame, probability = self._waiting.popleft()
            self._ears.accept(frame)
            end = self._endpointing.accept(probability, self._news(time))
            if end == "nothing":
                self._ears.forget()
                self._listen()
            elif end is not None:
                self._hypothesis, self._asked_at = self._ears.finish(), self._now

    def _news(self, time: float) -> str | None:
        if self._ears.partial == self._partial:
            return None
        self._partial = self._ears.partial
        self._emit(Partial(self._session, self._partial, self._language, time))
        return self._partial

    def _is_known(self, time: float) -> bool:
        """Whether what was said last has been recognised, or will not be any more."""
        assert self._hypothesis is not None
        if self._hypothesis.done():
            future, self._hypothesis = self._hypothesis, None
            self._said(future, time)
        elif (self._now - self._asked_at) * FRAME_S > self._limits.recognition:
            self._hypothesis = None
            self._failed("recognizer", TimeoutError("no result in time"))
        else:
            return False
        self._listen()
        return True

    def _said(self, future: Future[Hypothesis], time: float) -> None:
        if (error := future.exception()) is not None:
            # The operator has heard it; only the transcript has a gap.
            self._failed("recognizer", error)
            return
        heard = future.result()
        text = heard.text.strip()
        taken = "request" if text else "nothing"
        self._emit(Recognised(self._session, text, self._language, heard.confidence, taken, time, heard.alternatives))
        if text:
            asked = self._parts.talk.ask(text, self._language, {"confidence": heard.confidence})
            asked.add_done_callback(self._answered)

    def _answered(self, future: Future[Answer]) -> None:
        """Most of what is said goes to the operator and has no answer; words about the line and distress have one."""
        if future.cancelled():
            return
        if (error := future.exception()) is not None:
            log.warning("what was said on the line: %r", error)
            return
        answer = future.result()
        if answer.text.strip():
            self._announcements.append((answer.text, answer.language))
