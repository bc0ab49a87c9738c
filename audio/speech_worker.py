"""The process that makes speech: `python -m audio.speech_worker [ENGLISH_VOICE]`, started and ended by `audio.speaker`.

A process of its own, because an engine cannot be stopped in the middle of a sentence: a process can. On standard input a JSON
line a clause: {"id", "text", "language", "rate", "volume"}. On standard output a JSON line each: {"id", "bytes"} and then so
many bytes of 16 kHz mono s16le, or {"id", "error", "permanent"}. Ends with its input.
"""

from __future__ import annotations

import json
import os
import re
import sys
from typing import Any, BinaryIO

from audio.errors import AudioError
from audio.frames import RATE
from audio.ports import SpeechLanguage
from audio.voices import Voice, VoiceChoice, open_voice

PAUSE_S = {"sentence": 0.30, "clause": 0.12}
"""silence after a clause, by what it ends with"""


def main(arguments: list[str]) -> None:
    # What an engine prints must not get between the sound.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    choice = VoiceChoice(*arguments[:1])
    voices: dict[SpeechLanguage, Voice] = {}
    for line in sys.stdin.buffer:
        job = json.loads(line)
        try:
            sound = _speak(job, voices, choice)
        except Exception as error:
            _fail(out, job["id"], error)
        else:
            _write(out, {"id": job["id"], "bytes": len(sound)}, sound)


def _speak(job: dict[str, Any], voices: dict[SpeechLanguage, Voice], choice: VoiceChoice) -> bytes:
    language: SpeechLanguage = job["language"]
    if language not in voices:
        voices[language] = open_voice(language, choice)
    text = job["text"]
    sound = voices[language].say(text, rate=job["rate"], volume=job["volume"])
    ends = re.search(r"[。！？!?.]\W*$", text)
    pause = PAUSE_S["sentence" if ends else "clause"] / job["rate"]
    return sound + bytes(2 * round(pause * RATE))


def _fail(out: BinaryIO, number: int, error: Exception) -> None:
    told = {
        "error": str(error) if isinstance(error, AudioError) else f"The voice failed: {type(error).__name__}: {error}.",
        "permanent": isinstance(error, AudioError) and error.permanent,
    }
    _write(out, {"id": number, **told}, b"")


def _write(out: BinaryIO, head: dict[str, Any], body: bytes) -> None:
    out.write(json.dumps(head).encode() + b"\n" + body)
    out.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
