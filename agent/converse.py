"""`concierge converse` and `concierge speak`: the voice loop's twins for files.

`converse` plays a sound file to the loop as if it came from the microphone and writes what happened as JSON lines; with a folder
the answers go there as WAV files, and the whole dialogue in stereo (driver left, agent right). Sound runs as fast as the engines
allow: while something is recognised or answered, the file waits.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

from agent.events import to_json
from agent.listener import State
from agent.parse import write_line
from agent.voice import Voice
from audio.frames import FRAME_S, Frame, frames
from audio.player import SILENCE

if TYPE_CHECKING:
    from agent.composition import System

TAIL_S: Final = 90.0
"""longest the loop goes on after the end of the file"""


class Tape:
    """What was heard and played, frame by frame, and the answers cut out of it."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self.played = bytearray()
        self.answers: list[bytes] = []
        self._answer = bytearray()

    def add(self, heard: Frame, played: Frame, *, speaking: bool) -> None:
        self.heard += heard
        self.played += played
        if speaking:
            self._answer += played
        elif self._answer:
            self.answers.append(bytes(self._answer))
            self._answer.clear()

    def write(self, folder: Path) -> list[str]:
        """The answers and the dialogue as WAV files; returns their names."""
        from audio.wav import write_wav

        folder.mkdir(parents=True, exist_ok=True)
        names = []
        for number, sound in enumerate(self.answers, 1):
            names.append(f"answer-{number:02}.wav")
            write_wav(folder / names[-1], sound)
        write_stereo(folder / "dialogue.wav", bytes(self.heard), bytes(self.played))
        return [*names, "dialogue.wav"]


def write_stereo(path: Path, left: bytes, right: bytes) -> None:
    """Two sounds of equal length, 16 kHz s16le, as the two channels of a file."""
    import wave

    import numpy as np

    both = np.stack([np.frombuffer(left, "<i2"), np.frombuffer(right, "<i2")], axis=1)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(both.tobytes())


async def converse(
    system: System,
    voice: Voice,
    sound: bytes,
    out: TextIO,
    folder: Path | None,
    *,
    called: bool = False,
    real_time: bool = False,
) -> int:
    """Plays `sound` (16 kHz mono s16le) to the loop until it is idle again. `called`: the line is open from the start. `real_time`:
    no faster than it would be spoken."""
    system.stream.add_sink(lambda event: write_line(out, to_json(event)))
    tape = Tape()
    if called:
        voice.listener.press()
    await asyncio.to_thread(run, voice, sound, tape, real_time=real_time)
    # The last events are on their way into this loop.
    await asyncio.sleep(0.05)
    if folder is not None:
        for name in tape.write(folder):
            write_line(out, {"type": "file", "file": str(folder / name)})
    return 0


def run(voice: Voice, sound: bytes, tape: Tape, *, real_time: bool = False) -> None:
    """The sound, then silence until nothing is said, heard or thought any more."""
    step: Callable[[Frame], Frame] = voice.step if real_time else voice.settled_step
    started, count = time.monotonic(), 0

    def one(frame: Frame) -> None:
        nonlocal count
        count += 1
        if real_time:
            time.sleep(max(0.0, started + count * FRAME_S - time.monotonic()))
        played = step(frame)
        tape.add(frame, played, speaking=voice.listener.state is State.SPEAKING)

    for frame in frames(sound):
        one(frame)
    quiet = 0
    for _ in range(round(TAIL_S / FRAME_S)):
        one(SILENCE)
        quiet = quiet + 1 if voice.listener.state is State.IDLE and voice.player.silent else 0
        # A wake word may still be judged for a second after its end.
        if quiet * FRAME_S > 1.5:
            break


def speak(synthesizer: Any, text: str, language: Any, path: Path | None, play: Callable[[bytes], None] | None) -> str:
    """Speaks `text` into a file, or through `play`; returns a JSON line: {"file", "language", "seconds", "clauses": [{"text",
    "seconds", "ready_s"}]}. `ready_s`: seconds from the start until that clause could have been heard. Raises `AudioError`."""
    from audio.clauses import clauses
    from audio.wav import write_wav

    started, rows, whole = time.perf_counter(), [], bytearray()
    for clause, piece in zip(clauses(text, language), synthesizer.speak(text, language), strict=False):
        ready = time.perf_counter() - started
        rows.append({"text": clause, "seconds": round(len(piece) / 32_000, 3), "ready_s": round(ready, 3)})
        whole += piece
        if play is not None:
            play(piece)
    if path is not None:
        write_wav(path, bytes(whole))
    row = {
        "file": str(path) if path is not None else None,
        "language": language,
        "seconds": round(len(whole) / 32_000, 3),
        "clauses": rows,
    }
    return json.dumps(row, ensure_ascii=False)
