"""The agent's own voice taken out of what the microphone hears: what is played is known, so its echo can be foretold.

A partitioned adaptive filter in the frequency domain (Kalman), 20 ms blocks, long enough for the way through amplifier,
cabin and microphone. What it cannot take out yet (the first words after something moved) is told apart by how much of the
frame its prediction explains.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from audio.frames import FRAME_SAMPLES, Frame

PARTITIONS: Final = 12
"""blocks of filter: echoes may come up to 240 ms late"""
_FORGET: Final = 0.8
_STAYS: Final = 0.9995
"""how steady the way is, from frame to frame"""
_LEAK: Final = 0.35
"""share of an echo's power the filter may leave, before it has shown how well it does"""
_FLOOR_FRAMES: Final = 100
"""the quietest of so many frames is the noise: speech pauses sooner or later"""
_QUIET: Final = 1e-5
"""power below which nothing is played"""
_FLOOR: Final = 1e-6


class AdaptiveEchoGuard:
    """One microphone, one loudspeaker; frames in order, none left out."""

    def __init__(self) -> None:
        import numpy as np

        self._np: Any = np
        bins = FRAME_SAMPLES + 1
        self._filter = np.zeros((PARTITIONS, bins), dtype=complex)
        self._played = np.zeros((PARTITIONS, bins), dtype=complex)
        self._block = np.zeros(2 * FRAME_SAMPLES)
        self._doubt = np.full((PARTITIONS, bins), 1.0)
        """variance of each coefficient: large until it has been heard"""
        self._others = np.zeros(bins)
        """power of what is no echo"""
        self._recent = 0
        """frames in which an echo may still come"""
        self._echo = 0.0
        """power of the foretold echo, its tail included"""
        self._leak = _LEAK
        self._levels: deque[float] = deque([1.0], maxlen=_FLOOR_FRAMES)

    def clean(self, heard: Frame, played: Frame) -> tuple[Frame, float]:
        """The frame without the echo, and how likely what is left of it is echo and noise, 0 … 1 (0.5: as loud as those may be)."""
        np = self._np
        microphone = np.frombuffer(heard, "<i2") / 32768
        reference = np.frombuffer(played, "<i2") / 32768
        loud = float(np.mean(microphone**2))
        self._levels.append(loud)
        if float(np.mean(reference**2)) > _QUIET:
            self._recent = PARTITIONS + 5
        elif self._recent == 0:
            return heard, 0.0
        else:
            self._recent -= 1
        self._block = np.concatenate([self._block[FRAME_SAMPLES:], reference])
        self._played = np.roll(self._played, 1, axis=0)
        self._played[0] = np.fft.rfft(self._block)
        foretold = np.fft.irfft(np.sum(self._filter * self._played, axis=0))[FRAME_SAMPLES:]
        rest = microphone - foretold
        self._learn(rest)
        left = float(np.mean(rest**2))
        if left > loud:
            # A filter that has not found its way yet must not add to it.
            rest, left = microphone, loud
        self._echo = max(float(np.mean(foretold**2)), 0.7 * self._echo)
        return (np.clip(rest, -1, 1 - 1 / 32768) * 32768).astype("<i2").tobytes(), self._own(left)

    def _own(self, left: float) -> float:
        """How likely what is left is nobody's voice: by what echo leaves behind, and the noise."""
        noise = min(self._levels)
        own = min(1.0, (self._leak * self._echo + noise) / (left + 1e-9))
        if own >= 0.5 and self._echo > 2 * noise:
            # Taken for echo: shows how well the filter does by now.
            self._leak = 0.97 * self._leak + 0.03 * min(_LEAK, 1.5 * left / self._echo)
        return own

    def _learn(self, rest: Any) -> None:
        """A Kalman step in each frequency: what is known of the way is trusted as far as it has proved itself, and frames in which
        somebody else speaks teach little."""
        np = self._np
        error = np.fft.rfft(np.concatenate([np.zeros(FRAME_SAMPLES), rest]))
        self._others = _FORGET * self._others + (1 - _FORGET) * np.abs(error) ** 2
        power = np.abs(self._played) ** 2
        expected = np.sum(power * self._doubt, axis=0)
        gain = self._doubt * np.conj(self._played) / (expected + 2 * self._others + _FLOOR)
        change = np.fft.irfft(gain * error, axis=1)
        change[:, FRAME_SAMPLES:] = 0
        self._filter = self._filter + np.fft.rfft(change, axis=1)
        learnt = np.real(gain * self._played)
        self._doubt = _STAYS * (1 - 0.5 * learnt) * self._doubt + (1 - _STAYS) * np.abs(self._filter) ** 2
