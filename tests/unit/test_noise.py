"""The synthesised noise of a car."""

from __future__ import annotations

import math

import numpy as np
import pytest

from audio.frames import RATE
from audio.noise import LEVEL, car_noise, mix


def floats(pcm: bytes) -> np.ndarray:
    return np.frombuffer(pcm, "<i2").astype(float) / 32768


def rms(sound: np.ndarray) -> float:
    return float(np.sqrt(np.mean(sound**2)))


def tone(seconds: float, level: float = 0.1) -> bytes:
    at = np.arange(round(seconds * RATE)) / RATE
    return (np.sin(2 * np.pi * 440 * at) * level * math.sqrt(2) * 32768).astype("<i2").tobytes()


def test_length_level_and_seed() -> None:
    noise = car_noise(2.5, 7)
    assert len(noise) == round(2.5 * RATE) * 2
    assert rms(floats(noise)) == pytest.approx(LEVEL, rel=0.02)
    assert noise == car_noise(2.5, 7)
    assert noise != car_noise(2.5, 8)
    assert car_noise(0, 1) == b""
    assert len(car_noise(0.01, 1)) == 320


def test_most_energy_is_low_and_some_hiss_is_left() -> None:
    sound = floats(car_noise(10, 3))
    power = np.abs(np.fft.rfft(sound)) ** 2
    hertz = np.fft.rfftfreq(len(sound), 1 / RATE)
    low = power[hertz < 300].sum() / power.sum()
    hiss = power[(hertz > 1000) & (hertz < 4000)].sum() / power.sum()
    assert 0.7 < low < 0.98
    assert 0.005 < hiss < 0.2
    assert power[hertz > 7000].sum() / power.sum() < 0.01
    # The engine's tones stand out of the road (looked at briefly: they wander).
    pieces = sound.reshape(20, -1) * np.hanning(RATE // 2)
    spectra = np.abs(np.fft.rfft(pieces, axis=1))[:, 10:80]
    assert np.mean(spectra.max(axis=1) / np.median(spectra, axis=1)) > 5


@pytest.mark.parametrize("snr", [20, 10, 5, 0, -5])
def test_mix_keeps_the_ratio(snr: float) -> None:
    speech, noise = tone(2.0), car_noise(3.0, 1)
    mixed = floats(mix(speech, noise, snr))
    assert len(mixed) == len(floats(speech))
    added = mixed - floats(speech)
    assert 20 * math.log10(rms(floats(speech)) / rms(added)) == pytest.approx(snr, abs=0.2)


def test_pauses_do_not_count_as_speech() -> None:
    spoken = tone(1.0)
    with_pause = spoken + bytes(RATE * 2 * 4)
    added = floats(mix(with_pause, car_noise(5, 2), 10)) - floats(with_pause)
    assert 20 * math.log10(rms(floats(spoken)) / rms(added)) == pytest.approx(10, abs=0.3)


def test_short_noise_goes_round_and_nothing_clips() -> None:
    loud = tone(1.0, level=0.6)
    mixed = floats(mix(loud, car_noise(0.3, 1), -10))
    assert len(mixed) == RATE
    assert np.max(np.abs(mixed)) <= 0.995
    assert mix(b"", car_noise(1, 1), 10) == b""
    assert mix(loud, b"", 10) == loud
    assert rms(floats(mix(bytes(RATE * 2), car_noise(1, 1), 10))) == pytest.approx(LEVEL, rel=0.1)
