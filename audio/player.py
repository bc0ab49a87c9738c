"""What is played: speech that can be held, gone on with and stopped within a frame, and earcons over it.

`Player` is a queue whose other end asks for 20 ms at a time: a sound card's callback (`audio.devices`), a WAV file, a
WebSocket. What was taken is also the reference for telling the agent's own voice from the driver's (`audio.echo`).
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Final

from audio.frames import FRAME_BYTES, Frame
from audio.line_sound import LineSound

SILENCE: Final = bytes(FRAME_BYTES)
_REFERENCES: Final = 25
"""frames of reference kept at most: half a second"""


class Player:
    """Thread-safe; never blocks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._speech = bytearray()
        self._earcons = bytearray()
        self._held = False
        self._fading = b""
        self._played: deque[Frame] = deque(maxlen=_REFERENCES)
        self._line = LineSound()
        self.spoken = 0
        """bytes of speech taken since `begin`"""

    def begin(self) -> None:
        """A new reply: nothing of it is spoken yet."""
        with self._lock:
            self._speech.clear()
            self._held, self.spoken = False, 0

    def play(self, speech: bytes) -> None:
        """Adds to the end of the speech."""
        with self._lock:
            self._speech += speech

    def earcon(self, sound: bytes) -> None:
        """Plays over whatever is spoken."""
        with self._lock:
            self._earcons += sound

    def line(self, frame: Frame) -> None:
        """A frame of somebody on the line; played over whatever is spoken."""
        with self._lock:
            self._line.put(frame)

    @property
    def line_sounds(self) -> bool:
        """Whether somebody on the line is heard, or about to be."""
        with self._lock:
            return self._line.pending

    @property
    def line_lost(self) -> int:
        """Frames of the line that came too fast to be played."""
        with self._lock:
            return self._line.lost

    def hold(self) -> None:
        """Silence from the next frame on, to be gone on with."""
        with self._lock:
            if not self._held:
                self._fading = bytes(self._speech[:FRAME_BYTES])
            self._held = True

    def go_on(self) -> None:
        """After `hold`: from where it was held (see `again`)."""
        with self._lock:
            self._held, self._fading = False, b""

    def again(self, speech: bytes) -> None:
        """Puts already spoken sound in front of the rest."""
        with self._lock:
            self._speech[:0] = speech
            self.spoken -= len(speech)

    def stop(self) -> None:
        """The speech ends with the next frame; what was not spoken is thrown away."""
        with self._lock:
            if not self._held:
                self._fading = bytes(self._speech[:FRAME_BYTES])
            self._speech.clear()
            self._held = False

    @property
    def pending(self) -> int:
        """Bytes of speech not yet taken."""
        with self._lock:
            return len(self._speech)

    @property
    def silent(self) -> bool:
        with self._lock:
            quiet = not self._earcons and not self._fading and not self._line.pending
            return quiet and (self._held or not self._speech)

    def take(self) -> Frame:
        """The next 20 ms; silence when there is nothing to play."""
        with self._lock:
            frame = self._next()
            if (far := self._line.take()) is not None:
                frame = _mixed(frame, far) if frame != SILENCE else far
            if self._earcons:
                frame = _mixed(frame, bytes(self._earcons[:FRAME_BYTES]))
                del self._earcons[:FRAME_BYTES]
            self._played.append(frame)
            return frame

    def reference(self) -> Frame:
        """The earliest frame taken and not yet given here: what the microphone may hear now, or soon."""
        with self._lock:
            return self._played.popleft() if self._played else SILENCE

    def _next(self) -> Frame:
        if self._fading:
            # A cut in the middle of a wave clicks.
            frame, self._fading = _faded(self._fading), b""
            return frame
        if self._held or not self._speech:
            return SILENCE
        frame = bytes(self._speech[:FRAME_BYTES])
        del self._speech[:FRAME_BYTES]
        self.spoken += len(frame)
        return frame.ljust(FRAME_BYTES, b"\0")


def _mixed(one: Frame, other: bytes) -> Frame:
    import numpy as np

    a = np.frombuffer(one, "<i2").astype(np.int32)
    b = np.frombuffer(other[: len(other) // 2 * 2].ljust(FRAME_BYTES, b"\0"), "<i2")
    return bytes(np.clip(a + b, -32768, 32767).astype("<i2").tobytes())


def _faded(frame: bytes) -> Frame:
    import numpy as np

    wave = np.frombuffer(frame[: len(frame) // 2 * 2].ljust(FRAME_BYTES, b"\0"), "<i2").astype(np.float64)
    return bytes((wave * np.linspace(1, 0, len(wave))).astype("<i2").tobytes())
