"""Sound as it travels through this room: 20 ms frames of 16 kHz mono s16le."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

RATE: Final = 16_000
"""samples a second"""
FRAME_S: Final = 0.02
"""seconds a frame lasts; time in this room is counted in frames, never read from a clock"""
FRAME_SAMPLES: Final = int(RATE * FRAME_S)
FRAME_BYTES: Final = FRAME_SAMPLES * 2

Frame = bytes
"""`FRAME_BYTES` bytes of signed 16-bit little-endian samples"""


def frames(pcm: bytes) -> Iterator[Frame]:
    """`pcm` in frames; the last one is filled up with silence."""
    for start in range(0, len(pcm), FRAME_BYTES):
        yield pcm[start : start + FRAME_BYTES].ljust(FRAME_BYTES, b"\0")
