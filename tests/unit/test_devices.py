"""Microphone and loudspeaker over a scripted PortAudio, and their twins."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from audio.devices import (
    QUEUE_FRAMES,
    FrameQueue,
    Lasting,
    Resampler,
    SoundDeviceMicrophone,
    SoundDeviceSpeaker,
    WavMicrophone,
)
from audio.earcons import earcon
from audio.errors import AudioError, DeviceLost, NoDevice, UnfitDevice
from audio.frames import FRAME_BYTES, RATE
from audio.player import SILENCE, Player


class FakeSoundDevice:
    """As much of the library as is used: one device of given rates, that can be pulled out."""

    class PortAudioError(Exception):
        pass

    def __init__(self, rates: tuple[int, ...] = (16_000, 48_000), plugged: bool = True) -> None:
        self.rates, self.plugged = rates, plugged
        self.stream: Any = None
        library = self

        class Stream:
            def __init__(
                self, *, samplerate: int, blocksize: int, callback: Any, finished_callback: Any, **_: Any
            ) -> None:
                if samplerate not in library.rates:
                    raise library.PortAudioError("Invalid sample rate")
                self.rate, self.block = samplerate, blocksize
                self.callback, self.finished = callback, finished_callback
                self.running = False
                library.stream = self

            def start(self) -> None:
                self.running = True

            def abort(self, ignore_errors: bool = True) -> None:
                self.running = False

            def close(self, ignore_errors: bool = True) -> None:
                self.running = False

        self.RawInputStream = self.RawOutputStream = Stream

    def query_devices(self, name: str | None, kind: str) -> dict[str, Any]:
        if not self.plugged or name == "nothing of the kind":
            raise ValueError("No device")
        return {"name": "Fake", "index": 0, "default_samplerate": float(self.rates[-1])}

    def _terminate(self) -> None: ...

    def _initialize(self) -> None: ...

    # what the sound system does

    def record(self, samples: np.ndarray, *, overflow: bool = False) -> None:
        self.stream.callback(
            samples.astype("<i2").tobytes(), len(samples), None, SimpleNamespace(input_overflow=overflow)
        )

    def play(self, frames: int) -> bytes:
        out = bytearray(frames * 2)
        self.stream.callback(out, frames, None, SimpleNamespace(output_underflow=False))
        return bytes(out)

    def unplug(self) -> None:
        self.plugged = False
        self.stream.finished()


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> FakeSoundDevice:
    made = FakeSoundDevice()
    monkeypatch.setitem(sys.modules, "sounddevice", made)
    return made


def test_frames_come_out_of_blocks_of_any_size(library: FakeSoundDevice) -> None:
    microphone = SoundDeviceMicrophone()
    library.record(np.arange(500))
    library.record(np.arange(500, 640))
    first, second = microphone.read(0.1), microphone.read(0.1)
    assert first is not None
    assert second is not None
    assert np.frombuffer(first + second, "<i2").tolist() == list(range(640))
    assert microphone.read(0.01) is None
    microphone.close()
    assert not library.stream.running


def test_what_does_not_fit_and_what_the_system_lost_is_counted(library: FakeSoundDevice) -> None:
    microphone = SoundDeviceMicrophone()
    for _ in range(QUEUE_FRAMES + 7):
        library.record(np.zeros(320))
    library.record(np.zeros(320), overflow=True)
    assert microphone.lost == 9


def test_a_device_of_another_rate_is_brought_to_ours(library: FakeSoundDevice) -> None:
    library.rates = (48_000,)
    microphone = SoundDeviceMicrophone()
    assert library.stream.rate == 48_000
    tone = np.sin(2 * np.pi * 440 * np.arange(48_000) / 48_000) * 10_000
    for start in range(0, 48_000, 960):
        library.record(tone[start : start + 960])
    sound = b""
    while (frame := microphone.read(0.0)) is not None:
        sound += frame
    heard = np.frombuffer(sound, "<i2")
    assert len(heard) == pytest.approx(RATE, abs=400)
    spectrum = np.abs(np.fft.rfft(heard[2000:]))
    assert np.argmax(spectrum) * RATE / len(heard[2000:]) == pytest.approx(440, abs=3)


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000, 96_000])
def test_pieces_resampled_fit_together(rate: int) -> None:
    wave = (np.sin(2 * np.pi * 300 * np.arange(rate) / rate) * 8_000).astype("<i2")
    whole = Resampler(rate)(wave.tobytes())
    pieces, resampler = b"", Resampler(rate)
    for start in range(0, rate, 333):
        pieces += resampler(wave[start : start + 333].tobytes())
    a, b = np.frombuffer(whole, "<i2"), np.frombuffer(pieces, "<i2")
    assert abs(len(a) - len(b)) <= 2
    n = min(len(a), len(b))
    assert n == pytest.approx(RATE, abs=4)
    assert np.max(np.abs(a[:n].astype(int) - b[:n])) <= 2


def test_no_device_unfit_device_and_no_sound_system_say_so(
    library: FakeSoundDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NoDevice, match="nothing of the kind"):
        SoundDeviceMicrophone("nothing of the kind")
    library.plugged = False
    with pytest.raises(NoDevice, match="Text works"):
        SoundDeviceMicrophone()
    library.plugged, library.rates = True, ()
    library.query_devices = lambda name, kind: {"name": "Fake", "index": 0, "default_samplerate": 11_025.0}  # type: ignore[method-assign]
    with pytest.raises(UnfitDevice, match="11025"):
        SoundDeviceMicrophone()
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(NoDevice, match="PortAudio"):
        SoundDeviceMicrophone()


def test_pulled_out_and_back(library: FakeSoundDevice) -> None:
    told: list[AudioError | None] = []
    now = [0.0]
    microphone = Lasting(SoundDeviceMicrophone, told.append, clock=lambda: now[0])
    library.record(np.ones(320))
    assert microphone.read(0.1) is not None
    library.record(np.zeros(320), overflow=True)
    assert microphone.read(0.1) is not None
    library.unplug()
    assert microphone.read(0.01) is None
    assert isinstance(told[0], DeviceLost)
    assert microphone.read(0.0) is None
    now[0] = 1.1
    assert microphone.read(0.0) is None
    library.plugged = True
    assert microphone.read(0.0) is None, "not before the next try"
    now[0] = 2.2
    microphone.read(0.0)
    assert told[1:] == [None]
    library.record(np.ones(320))
    assert microphone.read(0.1) is not None
    assert microphone.lost == 1, "what was lost before is not forgotten"


@pytest.mark.parametrize("rate", [16_000, 48_000, 44_100])
def test_the_loudspeaker_asks_the_player(library: FakeSoundDevice, rate: int) -> None:
    library.rates = (rate,)
    player = Player()
    speaker = SoundDeviceSpeaker(player)
    player.begin()
    player.play(np.full(3200, 1000, "<i2").tobytes())
    played = np.frombuffer(b"".join(library.play(rate // 50) for _ in range(20)), "<i2")
    assert int((played == 1000).sum()) == pytest.approx(3200 * rate / RATE, rel=0.02)
    assert player.pending == 0
    assert speaker.alive
    library.stream.finished()
    assert not speaker.alive


# ── the player ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_speech_is_held_gone_on_with_and_stopped_within_a_frame() -> None:
    player = Player()
    player.begin()
    player.play(b"\x10\x10" * 3200)
    assert player.take() == b"\x10\x10" * 320
    player.hold()
    faded = np.frombuffer(player.take(), "<i2")
    assert faded[0] > faded[-1] == 0
    assert player.take() == SILENCE
    assert player.spoken == FRAME_BYTES
    player.go_on()
    assert player.take() == b"\x10\x10" * 320
    player.again(b"\x20\x20" * 320)
    assert player.take() == b"\x20\x20" * 320
    player.stop()
    player.take()
    assert player.take() == SILENCE
    assert player.silent


def test_earcons_sound_over_speech_and_are_short() -> None:
    player = Player()
    player.begin()
    player.play(np.full(320, 1000, "<i2").tobytes())
    player.earcon(earcon("listening"))
    assert np.frombuffer(player.take(), "<i2").std() > 0
    for name in ("listening", "heard", "thinking", "closed", "trouble"):
        sound = np.frombuffer(earcon(name), "<i2")  # type: ignore[arg-type]
        assert 0.04 < len(sound) / RATE < 0.5
        assert 1000 < np.max(np.abs(sound)) < 6000


def test_the_reference_is_what_was_played_in_order() -> None:
    player = Player()
    player.begin()
    player.play(b"\x01\x00" * 320 + b"\x02\x00" * 320)
    assert player.reference() == SILENCE
    first = player.take()
    second = player.take()
    assert [player.reference(), player.reference(), player.reference()] == [first, second, SILENCE]
    for _ in range(1000):
        player.take()
    assert sum(1 for _ in range(1000) if player.reference() is not SILENCE) <= 25


def test_wav_twin() -> None:
    microphone = WavMicrophone(bytes(1000), tail_s=0.04)
    frames = []
    while (frame := microphone.read(0)) is not None:
        frames.append(frame)
    assert [len(f) for f in frames] == [FRAME_BYTES] * 4
    queue = FrameQueue(1)
    queue.put(bytes(3 * FRAME_BYTES))
    assert queue.lost == 2
