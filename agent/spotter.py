"""The wake word's spotter in a thread of its own, seen from the voice loop: frames go in without waiting."""

from __future__ import annotations

import threading
from collections import deque
from typing import Final

from agent.recognizer_thread import Work
from audio.frames import FRAME_S, Frame
from audio.ports import Wake, WakeWord

LONGEST_QUEUE: Final = 500
"""frames that may wait: ten seconds. A spotter that is later than that is of no use, and must not fill the memory"""


class Spotter:
    """Gives back what was found with the number of the frame the phrase ended at."""

    def __init__(self, wake: WakeWord | None, work: Work) -> None:
        self._wake, self._work = wake, work
        self._found: deque[tuple[int, Wake]] = deque()
        self._lock = threading.Lock()
        self._waiting = 0
        self._fed = 0
        self._error: Exception | None = None
        self.lost = 0
        """frames the spotter was too slow for"""

    def accept(self, frame: Frame, number: int) -> None:
        """`number` of the frame, as the loop counts."""
        if self._wake is None:
            return
        with self._lock:
            if self._waiting >= LONGEST_QUEUE:
                self.lost += 1
                return
            self._waiting += 1
        self._work.submit(self._spot, self._wake, frame, number)

    def found(self) -> tuple[int, Wake] | None:
        """The next find: the frame its phrase ended at, and what it was."""
        return self._found.popleft() if self._found else None

    def broken(self) -> Exception | None:
        """What broke it, once; it is not asked any more then."""
        error, self._error = self._error, None
        return error

    def _spot(self, wake: WakeWord, frame: Frame, number: int) -> None:
        """In the spotter's thread."""
        with self._lock:
            self._waiting -= 1
        if self._wake is None:
            return
        try:
            found = wake.accept(frame)
        except Exception as error:
            self._wake, self._error = None, error
            return
        self._fed += 1
        if found is not None:
            # Its own time knows nothing of frames left out.
            self._found.append((number - self._fed + round(found.end / FRAME_S), found))
