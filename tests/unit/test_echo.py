"""The agent's own voice heard back, with its real voice and the real voice activity detector, from 0 to −20 dB."""

from __future__ import annotations

import numpy as np
import pytest

from audio.echo import AdaptiveEchoGuard
from audio.frames import FRAME_SAMPLES, RATE, frames
from audio.noise import car_noise

SENTENCE = "渋谷駅の近くで、三件見つかりました。一件目は、歩いて五分です。"


@pytest.fixture(scope="module")
def voices() -> tuple[np.ndarray, np.ndarray]:
    """(the agent's sentence, somebody else's), samples −1 … 1."""
    from audio.voices import levelled, openjtalk

    own = levelled(openjtalk()(SENTENCE, 1.0), 1.0)
    other = levelled(openjtalk(-6)("やっぱり横浜にしてください", 1.0), 1.0)
    return np.frombuffer(own, "<i2") / 32768, np.frombuffer(other, "<i2") / 32768


def cabin(sound: np.ndarray, db: float) -> np.ndarray:
    """What the microphone hears of it: 110 ms late, with reflections."""
    dice = np.random.default_rng(3)
    delay = round(0.11 * RATE)
    way = np.zeros(delay + 1200)
    way[delay] = 1
    way[delay + 1 :] = dice.standard_normal(1199) * np.exp(-np.arange(1199) / 300) * 0.06
    return np.convolve(sound, way)[: len(sound)] * 10 ** (db / 20)


def pcm(sound: np.ndarray) -> bytes:
    return (np.clip(sound, -1, 0.9999) * 32768).astype("<i2").tobytes()


@pytest.mark.parametrize("db", [0, -10, -20])
def test_own_voice_is_not_taken_for_speech_and_the_driver_is(voices: tuple[np.ndarray, np.ndarray], db: float) -> None:
    from audio.vad import SileroActivity

    own, other = voices
    noise = np.frombuffer(car_noise(len(own) / RATE + 1, 1), "<i2") / 32768 * 0.2
    alone = cabin(own, db) + noise[: len(own)]
    both = alone.copy()
    at = len(own) // 3
    both[at : at + len(other)] += other[: len(both) - at]
    guard, activity = AdaptiveEchoGuard(), SileroActivity()

    def evidence(heard: np.ndarray) -> np.ndarray:
        rows = []
        for microphone, played in zip(frames(pcm(heard)), frames(pcm(own)), strict=True):
            clean, share = guard.clean(microphone, played)
            rows.append(activity.probability(clean) >= 0.5 and share < 0.5)
        return np.array(rows)

    evidence(alone)  # the first sentence teaches it the cabin
    assert evidence(alone).mean() < 0.05
    spoken_into = evidence(both)[at // FRAME_SAMPLES : (at + len(other)) // FRAME_SAMPLES]
    assert spoken_into.mean() > 0.5


def test_it_takes_the_echo_out(voices: tuple[np.ndarray, np.ndarray]) -> None:
    own, _ = voices
    heard = cabin(own, -6)
    guard = AdaptiveEchoGuard()
    for _ in range(2):
        rest = b"".join(guard.clean(m, p)[0] for m, p in zip(frames(pcm(heard)), frames(pcm(own)), strict=True))
    left = np.frombuffer(rest, "<i2")[: len(heard)] / 32768
    assert np.mean(heard**2) / np.mean(left**2) > 10, "at least 10 dB"


def test_silence_passes_untouched() -> None:
    guard = AdaptiveEchoGuard()
    frame = car_noise(0.02, 1)
    assert guard.clean(frame, bytes(640)) == (frame, 0.0)
