"""WAV files of any rate, width and number of channels, as the sound this room works with.

Read by ourselves rather than by the standard library, which knows neither floats nor the extensible header that
recorders write for 24 bits and for more than two channels.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from audio.errors import UnreadableSound
from audio.frames import RATE

Samples = npt.NDArray[np.float32]

_PCM: Final = 1
_FLOAT: Final = 3
_EXTENSIBLE: Final = 0xFFFE
LONGEST_S: Final = 4 * 3600
"""seconds of sound read from one file at most: a header may promise anything"""


class _Format(NamedTuple):
    kind: int
    channels: int
    rate: int
    """Hertz"""
    bits: int


def read_wav(path: Path) -> bytes:
    """The sound of a file, 16 kHz mono s16le; channels are averaged. Raises `UnreadableSound` with a sentence."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UnreadableSound("file", f"{path} cannot be read: {error.strerror or 'no such file'}.") from error
    return decode_wav(data, str(path))


def decode_wav(data: bytes, name: str = "the sound") -> bytes:
    """As `read_wav`, from the bytes of a file; `name` stands in the error's sentence."""
    format_, body = _chunks(data, name)
    samples = _samples(body, format_, name)
    if len(samples) > LONGEST_S * format_.rate:
        raise UnreadableSound("file", f"{name} is longer than {LONGEST_S // 3600} hours.")
    return to_pcm(resample(samples, format_.rate))


def write_wav(path: Path, pcm: bytes, rate: int = RATE) -> None:
    """Writes s16le mono sound."""
    header = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(pcm), b"WAVE", b"fmt ", 16, _PCM, 1, rate, rate * 2, 2,
                         16, b"data", len(pcm))  # fmt: skip
    path.write_bytes(header + pcm)


def to_samples(pcm: bytes) -> Samples:
    """s16le as floats, −1 … 1; an odd last byte is dropped."""
    return np.frombuffer(pcm[: len(pcm) // 2 * 2], dtype="<i2").astype(np.float32) / 32768


def to_pcm(samples: Samples) -> bytes:
    """Floats as s16le, what is too loud clipped."""
    return (np.clip(samples, -1.0, 1.0) * 32767).astype("<i2").tobytes()


def resample(samples: Samples, rate: int, wanted: int = RATE) -> Samples:
    """The same sound at another rate, without the tones the new rate cannot carry."""
    if rate == wanted or not len(samples):
        return samples
    from scipy.signal import resample_poly

    ratio = Fraction(wanted, rate)
    if ratio.numerator > 1000 or ratio.denominator > 1000:
        # An odd rate would want a filter of millions of taps; a thousandth of a semitone does not matter here.
        ratio = ratio.limit_denominator(1000)
    changed: Samples = resample_poly(samples, ratio.numerator, ratio.denominator).astype(np.float32)
    return changed


def _chunks(data: bytes, name: str) -> tuple[_Format, bytes]:
    if len(data) < 12 or data[:4] not in (b"RIFF", b"RF64") or data[8:12] != b"WAVE":
        raise UnreadableSound("file", f"{name} is not a WAV file.")
    format_: _Format | None = None
    for kind, body in _walk(data):
        if kind == b"fmt ":
            format_ = _format(body, name)
        elif kind == b"data":
            if format_ is None:
                break
            return format_, body
    raise UnreadableSound("file", f"{name} is a WAV file without sound in it.")


def _walk(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 12
    while at + 8 <= len(data):
        kind, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        # A recorder that was cut off leaves 0 or the largest number as the size of what it was still writing.
        if kind == b"data" and (size in (0, 0xFFFFFFFF) or at + 8 + size > len(data)):
            size = len(data) - at - 8
        yield kind, data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def _format(body: bytes, name: str) -> _Format:
    if len(body) < 16:
        raise UnreadableSound("file", f"{name} has a broken WAV header.")
    kind, channels, rate, _, _, bits = struct.unpack("<HHIIHH", body[:16])
    if kind == _EXTENSIBLE and len(body) >= 26:
        kind = int.from_bytes(body[24:26], "little")
    known = (kind == _PCM and bits in (8, 16, 24, 32)) or (kind == _FLOAT and bits in (32, 64))
    if not known:
        raise UnreadableSound("file", f"{name} holds compressed or unusual sound (format {kind}, {bits} bits).")
    if not 1 <= channels <= 64 or not 1000 <= rate <= 768_000:
        raise UnreadableSound("file", f"{name} says it has {channels} channels at {rate} Hz.")
    return _Format(kind, channels, rate, bits)


def _samples(body: bytes, format_: _Format, name: str) -> Samples:
    width = format_.bits // 8
    whole = len(body) // (width * format_.channels) * (width * format_.channels)
    body = body[:whole]
    if format_.kind == _FLOAT:
        values = np.nan_to_num(np.frombuffer(body, dtype=f"<f{width}")).astype(np.float32)
    elif width == 1:
        values = (np.frombuffer(body, dtype=np.uint8).astype(np.float32) - 128) / 128
    elif width == 3:
        bytes_ = np.frombuffer(body, dtype=np.uint8).reshape(-1, 3).astype(np.int32)
        whole_numbers = (bytes_[:, 0] | bytes_[:, 1] << 8 | bytes_[:, 2] << 16) << 8 >> 8
        values = whole_numbers.astype(np.float32) / 2**23
    else:
        values = np.frombuffer(body, dtype=f"<i{width}").astype(np.float32) / float(2 ** (format_.bits - 1))
    mono: Samples = values.reshape(-1, format_.channels).mean(axis=1, dtype=np.float32)
    return mono
