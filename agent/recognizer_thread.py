"""The recognizer in a thread of its own, seen from the voice loop: frames go in without waiting, the text so far is there to be looked at."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from audio.frames import Frame
from audio.ports import Hypothesis, Recognizer

T = TypeVar("T")
log = logging.getLogger(__name__)


class Work(Protocol):
    """Where slow things are done, one after the other (`concurrent.futures.Executor`, or a scripted one)."""

    def submit(self, do: Callable[..., T], /, *arguments: Any) -> Future[T]: ...


def thread(name: str) -> ThreadPoolExecutor:
    """A thread that does one thing after the other."""
    return ThreadPoolExecutor(1, thread_name_prefix=name)


class RecognizerThread:
    """One utterance at a time. What breaks inside the engine comes out of `finish`'s future, once."""

    def __init__(self, recognizer: Recognizer, work: Work, keep: Callable[[bytes], object] | None = None) -> None:
        """`keep` gets the sound of each finished utterance, where recordings are on."""
        self._recognizer, self._work, self._keep = recognizer, work, keep
        self._sound = bytearray()
        self._lock = threading.Lock()
        self._utterance = 0
        self._partial = ""
        self._broken: Exception | None = None
        self.behind = 0
        """frames handed in and not yet worked on"""
        self.started = False

    @property
    def partial(self) -> str:
        return self._partial

    def start(self, phrases: Sequence[str] = ()) -> None:
        """Begins an utterance; one that was going on is forgotten. `phrases`: what may be expected."""
        with self._lock:
            self._utterance += 1
            self._partial, self._broken = "", None
            self.behind = 0
        self.started = True
        self._sound.clear()
        self._work.submit(self._begin, self._utterance, phrases)

    def accept(self, frame: Frame) -> None:
        if self._keep is not None:
            self._sound += frame
        with self._lock:
            self.behind += 1
        self._work.submit(self._hear, self._utterance, frame)

    def finish(self) -> Future[Hypothesis]:
        """Ends the utterance. The future raises what the engine raised."""
        self.started = False
        if self._keep is not None and self._sound:
            self._work.submit(self._kept, bytes(self._sound))
        return self._work.submit(self._end, self._utterance)

    def forget(self) -> None:
        """Ends the utterance; nobody wants to know it."""
        if self.started:
            self._sound.clear()
            self.finish().add_done_callback(_unwanted)

    # ── in the recognizer's thread ──────────────────────────────────────────────────────────────────────────────

    def _begin(self, utterance: int, phrases: Sequence[str]) -> None:
        if utterance == self._utterance:
            self._guarded(lambda: self._recognizer.start(phrases=phrases or None))

    def _hear(self, utterance: int, frame: Frame) -> None:
        if utterance != self._utterance:
            return
        partial = None
        if self._broken is None:
            partial = self._guarded(lambda: self._recognizer.accept(frame))
        with self._lock:
            if utterance == self._utterance:
                self.behind -= 1
                if partial is not None:
                    self._partial = partial

    def _end(self, utterance: int) -> Hypothesis:
        if utterance != self._utterance:
            return Hypothesis("", 0.0)
        if self._broken is not None:
            raise self._broken
        return self._recognizer.finish()

    def _kept(self, sound: bytes) -> None:
        assert self._keep is not None
        try:
            self._keep(sound)
        except OSError as error:
            log.warning("an utterance could not be kept: %s", error.strerror)

    def _guarded(self, do: Callable[[], T]) -> T | None:
        try:
            return do()
        except Exception as error:
            self._broken = error
            return None


def _unwanted(future: Future[Hypothesis]) -> None:
    """Takes note of a result nobody waits for."""
    if not future.cancelled():
        future.exception()
