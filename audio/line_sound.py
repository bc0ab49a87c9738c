"""Sound of somebody far away: comes in bursts, is played evenly.

A little is kept back before it begins to sound, so that what comes late is not heard as a gap; what comes too fast (a line that
was held up) loses its oldest part and is counted.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from audio.frames import FRAME_BYTES, Frame

AHEAD: Final = 4
"""frames that are there before it begins to sound: 80 ms"""
LATEST: Final = 6
"""frames after which it begins although fewer have come: a word of one syllable is heard too"""
LIMIT: Final = 50
"""frames kept at most: a second"""


class LineSound:
    """A queue of frames between a line and a loudspeaker. Not thread-safe: `Player` guards it."""

    def __init__(self) -> None:
        self._frames: deque[Frame] = deque()
        self._waited = 0
        self._sounding = False
        self.lost = 0
        """frames that came too fast to be played"""

    def put(self, frame: Frame) -> None:
        """The next frame of the far end (shorter ones are filled up with silence)."""
        self._frames.append(frame[:FRAME_BYTES].ljust(FRAME_BYTES, b"\0"))
        while len(self._frames) > LIMIT:
            self._frames.popleft()
            self.lost += 1

    def take(self) -> Frame | None:
        """What sounds in the next 20 ms; None for nothing."""
        if not self._frames:
            self._sounding, self._waited = False, 0
            return None
        if not self._sounding:
            self._waited += 1
            if len(self._frames) < AHEAD and self._waited < LATEST:
                return None
            self._sounding = True
        return self._frames.popleft()

    @property
    def pending(self) -> bool:
        return bool(self._frames)
