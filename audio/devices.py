"""Microphone and loudspeaker of the computer, through sounddevice (PortAudio); imported when a device is opened.

A device that is missing, unfit or pulled out raises an `AudioError`; `Lasting` tries again until it is back. The sound
thread hands frames to a bounded queue; what does not fit is counted in `lost`, never silently dropped.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

from audio.errors import AudioError, DeviceLost, NoDevice, UnfitDevice
from audio.frames import FRAME_BYTES, FRAME_S, FRAME_SAMPLES, RATE, Frame
from audio.player import Player

QUEUE_FRAMES: Final = 250
"""five seconds between the sound thread and whoever listens"""
QUIET_S: Final = 1.5
"""a microphone that gives nothing for so long is gone (a silent room still gives frames)"""
RETRY_S: Final = 1.0


class Microphone(Protocol):
    @property
    def lost(self) -> int:
        """Frames that were recorded and could not be taken in."""

    def read(self, timeout_s: float) -> Frame | None:
        """The next frame, None when none came in time. Raises `AudioError` when none will come any more."""

    def close(self) -> None: ...


class FrameQueue:
    """Frames from a sound thread to a listening one."""

    def __init__(self, limit: int = QUEUE_FRAMES) -> None:
        self._queue: queue.Queue[Frame] = queue.Queue(limit)
        self._rest = b""
        self.lost = 0

    def put(self, sound: bytes) -> None:
        """Sound in pieces of any length; called by the sound thread, never waits."""
        sound = self._rest + sound
        whole = len(sound) // FRAME_BYTES * FRAME_BYTES
        self._rest = sound[whole:]
        for start in range(0, whole, FRAME_BYTES):
            try:
                self._queue.put_nowait(sound[start : start + FRAME_BYTES])
            except queue.Full:
                self.lost += 1

    def get(self, timeout_s: float) -> Frame | None:
        try:
            return self._queue.get(timeout=timeout_s)
        except queue.Empty:
            return None


def sounddevice() -> Any:
    """The library. Raises `NoDevice` where the machine has no sound system."""
    try:
        import sounddevice as library  # type: ignore[import-untyped]
    except (ImportError, OSError) as error:
        raise NoDevice(
            "device", "Sound needs PortAudio (Debian: libportaudio2). Text works without it: concierge chat."
        ) from error
    return library


class SoundDeviceMicrophone:
    """The computer's microphone at 16 kHz, or at its own rate and brought to 16 kHz here."""

    def __init__(self, name: str = "") -> None:
        """`name`: part of the device's name; empty for the default one. Raises `NoDevice`, `UnfitDevice`."""
        self._library = sounddevice()
        self._frames = FrameQueue()
        self._overflows = 0
        self._ended = threading.Event()
        self._resampler: Resampler | None = None
        self._last = time.monotonic()
        self._stream = self._open(name or None)

    @property
    def lost(self) -> int:
        return self._frames.lost + self._overflows

    def read(self, timeout_s: float) -> Frame | None:
        frame = self._frames.get(timeout_s)
        now = time.monotonic()
        if frame is not None:
            self._last = now
        elif self._ended.is_set() or now - self._last > QUIET_S:
            raise DeviceLost("device", "The microphone has gone. It is used again as soon as it is back.")
        return frame

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self._stream.abort(ignore_errors=True)
            self._stream.close(ignore_errors=True)

    def _open(self, name: str | None) -> Any:
        return _open_stream(self._library, self._library.RawInputStream, "input", name, self._heard, self._ended.set,
                            self._own_rate)  # fmt: skip

    def _own_rate(self, rate: int) -> None:
        self._resampler = Resampler(rate) if rate != RATE else None

    def _heard(self, data: Any, frames: int, _: Any, status: Any) -> None:
        if status and status.input_overflow:
            # PortAudio does not say how much; at least this block is incomplete.
            self._overflows += 1
        sound = bytes(data)
        self._frames.put(self._resampler(sound) if self._resampler is not None else sound)


class SoundDeviceSpeaker:
    """The computer's loudspeaker, fed from a `Player`."""

    def __init__(self, player: Player, name: str = "") -> None:
        """Raises `NoDevice`, `UnfitDevice`."""
        self._library = sounddevice()
        self._player = player
        self._ended = threading.Event()
        self._rate = RATE
        self._rest = b""
        self.underflows = 0
        self._stream = _open_stream(self._library, self._library.RawOutputStream, "output", name or None, self._wanted,
                                    self._ended.set, self._own_rate)  # fmt: skip

    @property
    def alive(self) -> bool:
        return not self._ended.is_set()

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self._stream.abort(ignore_errors=True)
            self._stream.close(ignore_errors=True)

    def _own_rate(self, rate: int) -> None:
        self._rate = rate

    def _wanted(self, out: Any, frames: int, _: Any, status: Any) -> None:
        if status and status.output_underflow:
            self.underflows += 1
        while len(self._rest) < len(out):
            frame = self._player.take()
            self._rest += frame if self._rate == RATE else _stretched(frame, self._rate)
        out[:] = self._rest[: len(out)]
        self._rest = self._rest[len(out) :]


def _open_stream(
    library: Any,
    kind: Any,
    direction: str,
    name: str | None,
    callback: Callable[..., None],
    ended: Callable[[], None],
    own_rate: Callable[[int], None],
) -> Any:
    """A started stream at 16 kHz, or at the device's own rate (told to `own_rate`)."""
    what = "microphone" if direction == "input" else "loudspeaker"
    try:
        device = library.query_devices(name, direction)
    except (ValueError, library.PortAudioError) as error:
        wanted = f" named {name!r}" if name else ""
        raise NoDevice("device", f"There is no {what}{wanted}. Text works without: concierge chat.") from error
    rates = [RATE, int(device["default_samplerate"])]
    for rate in rates:
        own_rate(rate)
        try:
            stream = kind(
                samplerate=rate,
                blocksize=round(rate * FRAME_S),
                device=device["index"],
                channels=1,
                dtype="int16",
                latency="low",
                callback=callback,
                finished_callback=ended,
            )
            stream.start()
        except library.PortAudioError as error:
            problem = error
        else:
            return stream
    raise UnfitDevice(
        "device", f"The {what} {device['name']} offers neither {RATE} nor {rates[1]} Hz with one channel ({problem})."
    ) from problem


class Lasting:
    """A microphone that is opened again when it went away: `read` then gives None meanwhile and goes on with the new one."""

    def __init__(
        self,
        open_: Callable[[], Microphone],
        changed: Callable[[AudioError | None], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`changed` hears of each loss (the error) and each return (None), once. The first `open_` must work: raises
        `AudioError`."""
        self._open, self._changed, self._clock = open_, changed, clock
        self._microphone: Microphone | None = open_()
        self._lost_before = 0
        self._retry_at = 0.0

    @property
    def lost(self) -> int:
        return self._lost_before + (self._microphone.lost if self._microphone is not None else 0)

    def read(self, timeout_s: float) -> Frame | None:
        if self._microphone is None and not self._reopened():
            time.sleep(min(timeout_s, 0.02))
            return None
        assert self._microphone is not None
        try:
            return self._microphone.read(timeout_s)
        except AudioError as error:
            self._lost_before += self._microphone.lost
            self._microphone.close()
            self._microphone = None
            self._retry_at = self._clock() + RETRY_S
            self._changed(error)
            return None

    def close(self) -> None:
        if self._microphone is not None:
            self._microphone.close()

    def _reopened(self) -> bool:
        if self._clock() < self._retry_at:
            return False
        self._retry_at = self._clock() + RETRY_S
        try:
            self._microphone = self._open()
        except AudioError:
            return False
        self._changed(None)
        return True


def rescan() -> None:
    """PortAudio lists devices once, at its start; what was plugged in later is seen only after another."""
    library = sounddevice()
    with contextlib.suppress(Exception):
        library._terminate()
        library._initialize()


class WavMicrophone:
    """The twin of a microphone: sound that is there already, frame by frame, then silence for `tail_s` seconds, then the end."""

    def __init__(self, pcm: bytes, tail_s: float = 0.0) -> None:
        from audio.frames import frames

        self._frames = frames(pcm + bytes(round(tail_s / FRAME_S) * FRAME_BYTES))

    @property
    def lost(self) -> int:
        return 0

    def read(self, timeout_s: float) -> Frame | None:
        """None after the end."""
        return next(self._frames, None)

    def close(self) -> None: ...


class Resampler:
    """Sound at another rate to 16 kHz, piece by piece, without clicks between the pieces."""

    def __init__(self, rate: int) -> None:
        from scipy.signal import firwin

        self._step = rate / RATE
        # Below half of the lower rate, so that nothing is mirrored into speech.
        self._taps = firwin(95, min(0.92, 0.92 * RATE / rate))
        self._state: Any = None
        self._left: Any = None
        self._at = 0.0

    def __call__(self, sound: bytes) -> bytes:
        import numpy as np
        from scipy.signal import lfilter

        wave = np.frombuffer(sound, "<i2").astype(np.float64)
        if self._state is None:
            self._state = np.zeros(len(self._taps) - 1)
            self._left = np.zeros(0)
        filtered, self._state = lfilter(self._taps, 1.0, wave, zi=self._state)
        have = np.concatenate([self._left, filtered])
        count = max(0, int((len(have) - 1 - self._at) // self._step) + 1) if len(have) > 1 else 0
        at = self._at + np.arange(count) * self._step
        out = np.interp(at, np.arange(len(have)), have) if count else np.zeros(0)
        next_at = self._at + count * self._step
        drop = min(int(next_at), max(0, len(have) - 1))
        self._left, self._at = have[drop:], next_at - drop
        return bytes(np.clip(out, -32768, 32767).astype("<i2").tobytes())


def _stretched(frame: Frame, rate: int) -> bytes:
    """20 ms at 16 kHz for a loudspeaker of another rate."""
    import numpy as np

    wave = np.frombuffer(frame, "<i2")
    at = np.linspace(0, FRAME_SAMPLES - 1, round(rate * FRAME_S))
    return bytes(np.interp(at, np.arange(FRAME_SAMPLES), wave).astype("<i2").tobytes())
