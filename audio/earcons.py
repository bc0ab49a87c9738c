"""Short sounds that say what no words need to: I listen, I heard, I work on it, closed, something is wrong. Synthesised."""

from __future__ import annotations

import functools
from typing import Final, Literal

from audio.frames import RATE

Earcon = Literal["listening", "heard", "thinking", "closed", "trouble"]

_NOTES: Final[dict[Earcon, tuple[tuple[float, float, float], ...]]] = {
    "listening": ((659.3, 0.0, 0.09), (987.8, 0.07, 0.13)),
    "heard": ((880.0, 0.0, 0.07),),
    "thinking": ((523.3, 0.0, 0.05), (523.3, 0.14, 0.05)),
    "closed": ((987.8, 0.0, 0.09), (659.3, 0.07, 0.13)),
    "trouble": ((311.1, 0.0, 0.16), (233.1, 0.16, 0.24)),
}
"""(hertz, starts after s, lasts s) of each note"""
_LEVEL: Final[dict[Earcon, float]] = {
    "listening": 0.12,
    "heard": 0.06,
    "thinking": 0.05,
    "closed": 0.10,
    "trouble": 0.15,
}
"""peak, of full scale"""


@functools.cache
def earcon(name: Earcon) -> bytes:
    """16 kHz mono s16le, shorter than half a second."""
    import numpy as np

    notes = _NOTES[name]
    whole = np.zeros(round(max(start + length for _, start, length in notes) * RATE) + 1)
    for hertz, start, length in notes:
        at = np.arange(round(length * RATE)) / RATE
        # A bell: quick in, dying away; a little of the octave makes it less of a test tone.
        shape = np.minimum(1, at / 0.006) * np.exp(-at / (length / 3)) * np.minimum(1, (length - at) / 0.01)
        note = (np.sin(2 * np.pi * hertz * at) + 0.25 * np.sin(4 * np.pi * hertz * at)) * shape
        whole[round(start * RATE) : round(start * RATE) + len(note)] += note
    whole *= _LEVEL[name] / np.max(np.abs(whole))
    return (whole * 32767).astype("<i2").tobytes()
