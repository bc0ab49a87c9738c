"""`concierge transcribe` and `concierge wake`: what is said in sound files, a JSON line a file."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

from audio.errors import AudioError
from audio.frames import FRAME_S, RATE, frames
from audio.ports import Recognizer, SpeechLanguage, VoiceActivity, WakeWord
from audio.segments import utterances
from audio.wav import read_wav

Hearing = Callable[[bytes], tuple[Recognizer, str, SpeechLanguage]]
"""for a sound: what hears it, the engine's name, and the language it is heard in"""


def transcribe(paths: Sequence[Path], hearing: Hearing, activity: VoiceActivity, out: TextIO) -> int:
    """Writes a line a file: {"file", "text", "engine", "seconds"}, or {"file", "error"} where it could not be heard; `seconds` is
    the time it took. 1 when there was such a file."""
    failed = False
    for path in paths:
        line: dict[str, object] = {"file": str(path)}
        try:
            sound = read_wav(path)
            started = time.perf_counter()
            recognizer, engine, language = hearing(sound)
            text = hear(sound, recognizer, activity, language)
            line |= {"text": text, "engine": engine, "seconds": round(time.perf_counter() - started, 3)}
        except AudioError as error:
            line |= {"error": str(error)}
            failed = True
        print(json.dumps(line, ensure_ascii=False), file=out, flush=True)
    return 1 if failed else 0


def wake(paths: Sequence[Path], spotter: WakeWord, out: TextIO) -> int:
    """Writes a line a file: {"file", "detections": [{"t", "score"}]}, `t` in seconds from its beginning, or {"file", "error"}. 1 when
    there was such a file."""
    failed = False
    for path in paths:
        line: dict[str, object] = {"file": str(path)}
        try:
            line |= {"detections": detections(read_wav(path), spotter)}
        except AudioError as error:
            line |= {"error": str(error)}
            failed = True
        print(json.dumps(line, ensure_ascii=False), file=out, flush=True)
    return 1 if failed else 0


def detections(sound: bytes, spotter: WakeWord) -> list[dict[str, float]]:
    """Where the spotter's phrase is said in a sound."""
    spotter.reset()
    found = []
    # A phrase that ends with the file still wants its moment of silence.
    for count, frame in enumerate(frames(sound + bytes(RATE)), start=1):
        heard = spotter.accept(frame)
        if heard is not None:
            found.append({"t": round(count * FRAME_S, 2), "score": round(heard.score, 3)})
    return found


def hear(sound: bytes, recognizer: Recognizer, activity: VoiceActivity, language: SpeechLanguage) -> str:
    """Everything said in a sound of any length. Raises `AudioError`."""
    texts = []
    for utterance in utterances(frames(sound), activity):
        recognizer.start()
        for frame in utterance:
            recognizer.accept(frame)
        texts.append(recognizer.finish().text)
    return (" " if language == "en" else "、").join(text for text in texts if text)
