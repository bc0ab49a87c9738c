"""The noise inside a moving car, synthesised: engine harmonics, road, blower. Seeded, for measurements and tests.

Levels lean on what cabin recordings show: most of the energy lies below 300 Hz, the blower adds a hiss up to some kHz that
hides consonants.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from audio.frames import FRAME_SAMPLES, RATE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Sound = NDArray[np.float64]

LEVEL: Final = 0.05
"""root mean square of what `car_noise` makes, of full scale"""
_ACTIVE_DB: Final = 35.0
"""a frame of speech counts as spoken when it is at most this far below the loudest one"""


def car_noise(seconds: float, seed: int) -> bytes:
    """Noise of a car on the road: 16 kHz mono s16le, the same for the same seed."""
    import numpy as np

    samples = round(seconds * RATE)
    if samples <= 0:
        return b""
    random = np.random.default_rng(seed)
    whole = _unit(_engine(samples, random)) + _unit(_road(samples, random)) + _unit(_blower(samples, random)) * 0.35
    return _pcm(_unit(whole) * LEVEL)


def mix(speech: bytes, noise: bytes, snr_db: float) -> bytes:
    """`speech` with `noise` below it by `snr_db`, as long as `speech`; both 16 kHz mono s16le.

    The level of speech is taken over its spoken frames, pauses left out. Noise that is too short goes round; what would clip
    is made softer as a whole."""
    import numpy as np

    voice, rest = _floats(speech), _floats(noise)
    if not len(voice) or not len(rest):
        return speech
    rest = np.resize(rest, len(voice))
    level, floor = _active_level(voice), float(np.sqrt(np.mean(rest**2)))
    if level > 0 and floor > 0:
        rest = rest * (level / floor / 10 ** (snr_db / 20))
    whole = voice + rest
    peak = float(np.max(np.abs(whole)))
    return _pcm(whole / peak * 0.99 if peak > 0.99 else whole)


def _engine(samples: int, random: np.random.Generator) -> Sound:
    """Four cylinders between 1,500 and 2,700 turns a minute: half orders of the firing frequency, falling off."""
    import numpy as np

    firing = 70.0 + _wander(samples, random, 0.15) * 15.0
    phase = 2 * np.pi * np.cumsum(firing) / RATE
    out: Sound = np.zeros(samples)
    for order in range(1, 17):
        # Half orders come from the cylinders' being unequal, and are weaker.
        strength = (0.35 if order % 2 else 1.0) / order**1.2
        out += strength * np.sin(phase * order / 2 + random.uniform(0, 2 * np.pi))
    return out * (1 + 0.25 * _wander(samples, random, 0.5))


def _road(samples: int, random: np.random.Generator) -> Sound:
    """Tyres and body: falls by 9 dB an octave above 60 Hz, a bump at the tyres' cavity resonance, swells and sinks."""
    import numpy as np

    def shape(hertz: Sound) -> Sound:
        fall = 1 / (1 + (hertz / 60.0) ** 1.5)
        rise = hertz / (hertz + 25.0)
        cavity = 1 + 1.5 * np.exp(-(((hertz - 215.0) / 25.0) ** 2))
        return np.asarray(fall * rise * cavity)

    return _shaped(samples, random, shape) * (1 + 0.4 * _wander(samples, random, 0.3))


def _blower(samples: int, random: np.random.Generator) -> Sound:
    """Air from the vents: broad, 300 Hz to 4 kHz, with the fan's own weak tone."""
    import numpy as np

    def shape(hertz: Sound) -> Sound:
        return np.asarray((hertz / 300.0) ** 2 / (1 + (hertz / 300.0) ** 2) / (1 + (hertz / 2500.0) ** 2))

    tone = np.sin(2 * np.pi * np.cumsum(620.0 + 8.0 * _wander(samples, random, 0.5)) / RATE)
    whole: Sound = _unit(_shaped(samples, random, shape)) + 0.15 * tone
    return whole


def _shaped(samples: int, random: np.random.Generator, shape: Callable[[Sound], Sound]) -> Sound:
    """White noise through a magnitude response over hertz."""
    import numpy as np

    spectrum = np.fft.rfft(random.standard_normal(samples)) * shape(np.fft.rfftfreq(samples, 1 / RATE))
    return np.asarray(np.fft.irfft(spectrum, samples))


def _wander(samples: int, random: np.random.Generator, hertz: float) -> Sound:
    """A smooth random curve within -1 … 1 that turns about `hertz` times a second."""
    import numpy as np

    points = max(4, int(samples / RATE * hertz) + 4)
    return np.asarray(np.interp(np.linspace(0, points - 1, samples), np.arange(points), random.uniform(-1, 1, points)))


def _active_level(sound: Sound) -> float:
    """Root mean square over the spoken frames; 0 for silence."""
    import numpy as np

    whole = sound[: len(sound) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    power = np.mean(whole**2, axis=1) if len(whole) else np.array([float(np.mean(sound**2))])
    loudest = float(np.max(power))
    if loudest <= 0:
        return 0.0
    return float(np.sqrt(np.mean(power[power >= loudest / 10 ** (_ACTIVE_DB / 10)])))


def _unit(sound: Sound) -> Sound:
    import numpy as np

    level = float(np.sqrt(np.mean(sound**2)))
    return sound / level if level > 0 else sound


def _floats(pcm: bytes) -> Sound:
    import numpy as np

    return np.frombuffer(pcm[: len(pcm) // 2 * 2], "<i2").astype(np.float64) / 32768


def _pcm(sound: Sound) -> bytes:
    import numpy as np

    return (np.clip(sound, -1, 1 - 1 / 32768) * 32768).astype("<i2").tobytes()
