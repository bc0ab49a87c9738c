"""Hours of sound through the voice loop at speed: silence, speech, noise, echo, devices that fail. Memory, frames, threads.

    python -m benchmarks.soak [--hours 8]

Real: voice activity (Silero), echo guard, state machine, threads, queues, the frame queue of a sound card that overflows now and then and
is pulled out now and then. Made up: what is recognised and answered, and the voices' sound. Prints a row a tenth of the time, and fails
when memory grows, a frame is lost uncounted, or a thread is left.
"""

from __future__ import annotations

import argparse
import random
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np

from agent.listener import Listener, State
from agent.voice import SettledWork, Voice
from agent.voice_ports import Answer, Parts
from audio.devices import FrameQueue, Lasting, Microphone
from audio.endpointing import Endpointing
from audio.errors import AudioError, DeviceLost, NoDevice
from audio.frames import FRAME_BYTES, FRAME_S, RATE, Frame, frames
from audio.noise import car_noise, mix
from audio.player import Player
from audio.ports import Hypothesis, SpeechLanguage, Wake
from backends.model import Language
from tests.fakes_voice import WORDS, ScriptedTalk

GROWTH_MB = 25.0
"""more than this after the first tenth is a leak"""


class Recogniser:
    """Hears a request in whatever was loud enough for long enough."""

    def __init__(self) -> None:
        self._frames = 0

    def start(self, *, phrases: Sequence[str] | None = None) -> None:
        self._frames = 0

    def accept(self, frame: Frame) -> str | None:
        self._frames += 1
        return None

    def finish(self) -> Hypothesis:
        return Hypothesis("近くの駐車場" if self._frames > 40 else "", 0.9)

    def close(self) -> None: ...


class Knocked:
    """Wakes at three loud frames in a row, once in ten seconds at most."""

    def __init__(self) -> None:
        self._fed = self._loud = 0
        self._last = -500

    def accept(self, frame: Frame) -> Wake | None:
        self._fed += 1
        loud = float(np.mean(np.abs(np.frombuffer(frame, "<i2")))) > 4000
        self._loud = self._loud + 1 if loud else 0
        if self._loud >= 3 and self._fed - self._last > 500:
            self._last = self._fed
            return Wake("knock", 1.0, self._fed * FRAME_S)
        return None

    def reset(self) -> None: ...


class Prompt(ScriptedTalk):
    """Answers at once: time stands still while somebody waits for an answer."""

    def ask(
        self, text: str, language: Language, metadata: Mapping[str, Any], alternatives: Sequence[str] = ()
    ) -> Future[Answer]:
        future = super().ask(text, language, metadata, alternatives)
        for _ in range(self.delay):
            self.tick()
        return future


class Tone:
    """A voice that hums for as long as the text would take."""

    def speak(self, text: str, language: SpeechLanguage) -> Iterator[bytes]:
        at = np.arange(round(len(text) * 0.08 * RATE)) / RATE
        yield (np.sin(2 * np.pi * 180 * at) * (1 + np.sin(2 * np.pi * 4 * at)) * 4000).astype("<i2").tobytes()

    def stop(self) -> None: ...

    def close(self) -> None: ...


class FailingMicrophone:
    """A sound card that overflows, and goes away."""

    def __init__(self, source: Source) -> None:
        self._source, self._queue = source, FrameQueue(50)
        self.gone = False

    @property
    def lost(self) -> int:
        return self._queue.lost

    def read(self, timeout_s: float) -> Frame | None:
        if self.gone:
            raise DeviceLost("device", "The microphone has gone.")
        if (frame := self._queue.get(0.0)) is not None:
            return frame
        event = self._source.dice.random()
        if event < 0.00005:
            self.gone = True
            raise DeviceLost("device", "The microphone has gone.")
        # Now and then the loop was busy and more came than the queue holds.
        for _ in range(60 if event < 0.0002 else 1):
            self._queue.put(self._source.next())
        return self._queue.get(0.0)

    def close(self) -> None:
        # What nobody took any more before it went is lost, and counted.
        while self._queue.get(0.0) is not None:
            self._source.left += 1


class Source:
    """Endless sound in scenes, seeded."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.fed = self.left = 0
        self._noise = car_noise(60, seed)
        self._speech = self._voice()
        self._scene: list[Frame] = []

    def next(self) -> Frame:
        self.fed += 1
        if not self._scene:
            self._scene = self._another()[::-1]
        return self._scene.pop()

    def _another(self) -> list[Frame]:
        kind = self.dice.choice(("silence", "noise", "talk", "talk", "call"))
        start = self.dice.randrange(0, 40) * 32_000
        noise = self._noise[start : start + 32_000 * self.dice.randint(1, 15)]
        if kind == "silence":
            return list(frames(bytes(len(noise))))
        if kind == "noise":
            return list(frames(noise))
        speech = self._speech[: len(self._speech) - self.dice.randrange(0, 16_000) * 2]
        if kind == "call":
            knock = (
                (np.random.default_rng(1).standard_normal(2000) * 12_000).clip(-32000, 32000).astype("<i2").tobytes()
            )
            speech = knock + bytes(6400) + speech + bytes(32_000)
        return list(frames(mix(speech, self._noise, self.dice.choice((20, 10, 5, 0)))))

    def _voice(self) -> bytes:
        from audio.voices import levelled, openjtalk

        return levelled(openjtalk(-5)("渋谷で駐車場のあるイタリアンを探して、それから天気も教えて", 1.0), 0.8)


def run(hours: float) -> bool:
    import psutil

    from audio.echo import AdaptiveEchoGuard
    from audio.vad import SileroActivity

    process, source = psutil.Process(), Source(1)
    before = threading.active_count()
    player, work, talk = (
        Player(),
        SettledWork(),
        Prompt({"近くの駐車場": ("近くに三件あります。どれにしますか？", "asks_choice")}),
    )
    parts = Parts(
        Recogniser(), SileroActivity(), Tone(), player, talk, WORDS, lambda judge: Endpointing(judge, "ja"), Knocked(),
        AdaptiveEchoGuard(),
    )  # fmt: skip
    listener = Listener("soak", parts, work=work, clock=time.perf_counter)
    voice = Voice(listener, player, work, Tone(), lambda: None)
    now, losses, counts = [0.0], 0, dict.fromkeys(("wake", "recognised", "interrupted", "resumed", "error"), 0)

    def open_() -> Microphone:
        if source.dice.random() < 0.3:
            raise NoDevice("device", "There is no microphone.")
        return FailingMicrophone(source)

    def changed(error: AudioError | None) -> None:
        nonlocal losses
        losses += error is not None

    source.dice.seed(2)
    microphone: Lasting | None = None
    while microphone is None:
        try:
            microphone = Lasting(open_, changed, clock=lambda: now[0])
        except NoDevice:
            continue
    total, told, taken, lost = round(hours * 3600 / FRAME_S), 0, 0, 0
    print(
        "| hours | memory MB | threads | calls | heard | interrupted | went on | device gone | frames lost (counted) | x real time |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    started, first_mb, last_mb, silent = time.monotonic(), 0.0, 0.0, 0
    while taken < total:
        frame = microphone.read(0.0)
        now[0] += FRAME_S
        if microphone.lost != lost:
            listener.lost(microphone.lost - lost)
            lost = microphone.lost
        if frame is None:
            frame = bytes(FRAME_BYTES)
            silent += 1
        else:
            taken += 1
        talk.tick()
        voice.settled_step(frame)
        if taken >= (told + 1) * total // 10 and taken:
            told += 1
            for event in talk.events:
                counts[event.type] = counts.get(event.type, 0) + 1
            talk.events.clear()
            talk.asked.clear()
            talk.understood.clear()
            last_mb = process.memory_info().rss / 2**20
            first_mb = first_mb or last_mb
            speed = taken * FRAME_S / (time.monotonic() - started)
            print(f"| {taken * FRAME_S / 3600:.2f} | {last_mb:.0f} | {threading.active_count()} | {counts['wake']} | "
                  f"{counts['recognised']} | {counts['interrupted']} | {counts['resumed']} | {losses} | {lost} | {speed:.0f} |", flush=True)  # fmt: skip
    listener.press()
    listener.press()
    for _ in range(6000):
        talk.tick()
        voice.settled_step(bytes(FRAME_BYTES))
        if listener.state is State.IDLE and player.silent:
            break
    microphone.close()
    voice.close()
    uncounted = source.fed - taken - lost - source.left
    threads = threading.active_count() - before
    print(f"\nframes made {source.fed}, taken {taken}, lost and counted {lost}, left in a device that went {source.left}, uncounted {uncounted}; "
          f"threads left {threads}; memory {last_mb - first_mb:+.1f} MB after the first tenth; state {listener.state.value}")  # fmt: skip
    return uncounted == 0 and threads <= 0 and last_mb - first_mb < GROWTH_MB and listener.state is State.IDLE


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--hours", type=float, default=8.0)
    raise SystemExit(0 if run(parser.parse_args(argv).hours) else 1)


if __name__ == "__main__":
    main()
