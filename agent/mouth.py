"""An answer being spoken: made clause by clause in a thread, played, and known at every frame as far as it has been heard."""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import Future
from typing import Final

from agent.recognizer_thread import Work
from audio.clauses import clauses
from audio.frames import FRAME_BYTES, RATE
from audio.player import Player
from audio.ports import SpeechLanguage, Synthesizer

GO_BACK_S: Final = 0.5
"""an answer that was held goes on from so far before"""


class Mouth:
    """Speaks one text at a time."""

    def __init__(self, synthesizer: Synthesizer, player: Player, work: Work) -> None:
        self._synthesizer, self._player, self._work = synthesizer, player, work
        self._made: deque[tuple[int, bytes]] = deque()
        self._number = 0
        self._making: Future[None] | None = None
        self._sound = bytearray()
        self._ends: list[int] = []
        self.clauses: list[str] = []
        self.language: SpeechLanguage = "ja"

    def say(self, text: str, language: SpeechLanguage) -> None:
        """Begins; what was being spoken ends."""
        self.stop()
        self._number += 1
        self._made.clear()
        self._sound, self._ends = bytearray(), []
        self.clauses, self.language = clauses(text, language), language
        self._player.begin()
        self._making = self._work.submit(self._make, self._number, text, language)

    def poll(self) -> list[int]:
        """Hands over what has been made; returns the numbers (from 0) of clauses whose sound is there now."""
        arrived = []
        while self._made:
            number, piece = self._made.popleft()
            if number == self._number:
                self._sound += piece
                self._ends.append(len(self._sound))
                self._player.play(piece)
                arrived.append(len(self._ends) - 1)
        return arrived

    @property
    def failed(self) -> BaseException | None:
        """What kept it from being spoken, once everything made before has been played."""
        if self._making is None or not self._making.done() or self._made or self._player.pending:
            return None
        return self._making.exception()

    @property
    def done(self) -> bool:
        """Everything has been played (or could not be made)."""
        return (self._making is None or self._making.done()) and not self._made and not self._player.pending

    @property
    def sounding(self) -> int:
        """Number of the clause that sounds now (from 0); of the first one not made yet while nothing sounds."""
        spoken = self._player.spoken
        return next((n for n, end in enumerate(self._ends) if spoken < end), len(self._ends))

    def heard(self) -> tuple[str, str]:
        """What of the text has been heard, and what not. A clause counts once three quarters of it sounded."""
        spoken, start, count = self._player.spoken, 0, 0
        for end in self._ends:
            if spoken < start + 0.75 * (end - start):
                break
            count, start = count + 1, end
        return "".join(self.clauses[:count]), "".join(self.clauses[count:])

    def recent(self) -> str:
        """The text of the last clauses that sounded and of the one that does."""
        now = min(self.sounding, max(0, len(self.clauses) - 1))
        return "".join(self.clauses[max(0, now - 2) : now + 1])

    def wait(self, seconds: float) -> None:
        """Waits until there is something to play, or nothing will come."""
        deadline = time.monotonic() + seconds
        while self._player.pending == 0 and not self._made and self._making is not None and not self._making.done():
            if time.monotonic() > deadline:
                return
            time.sleep(0.001)

    def hold(self) -> None:
        self._player.hold()

    def go_on(self) -> None:
        """After `hold`: from a little before, and not from before the clause."""
        spoken = self._player.spoken
        start = max((end for end in self._ends if end <= spoken), default=0)
        back = min(spoken - start, round(GO_BACK_S * RATE) * 2) // FRAME_BYTES * FRAME_BYTES
        if back > 0:
            self._player.again(bytes(self._sound[spoken - back : spoken]))
        self._player.go_on()

    def stop(self) -> None:
        """At once; what was not spoken is forgotten."""
        if self._making is not None and not self._making.done():
            self._synthesizer.stop()
        self._number += 1
        self._making = None
        self._made.clear()
        self._player.stop()

    def _make(self, number: int, text: str, language: SpeechLanguage) -> None:
        """In the speaking thread."""
        if number != self._number:
            return
        for piece in self._synthesizer.speak(text, language):
            if number != self._number:
                return
            self._made.append((number, piece))
