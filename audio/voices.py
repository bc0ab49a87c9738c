"""Voices behind pyttsx3: OpenJTalk for Japanese, espeak-ng or Piper for English, as drivers that make sound and do not play it.

pyttsx3's own drivers play what they say and cannot be stopped reliably; a driver that is done at once meets its engine's
`endLoop` before its `startLoop` (from the second `runAndWait` on) and would wait for ever. `SoundDriver` is made for both.
Runs in the speech worker's process only (`audio.speech_worker`).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from audio.errors import NoVoice, SynthesisFailed
from audio.frames import RATE
from audio.ports import SpeechLanguage

NORMAL_RATE: Final = 200
"""pyttsx3's words a minute of a voice at its own speed"""
LEVEL: Final = 0.09
"""root mean square of a spoken clause at volume 1, of full scale: both languages equally loud"""
LEAD_S: Final = 0.01
"""silence left before the first sound of a clause"""

Render = Callable[[str, float], bytes]
"""(text, speed with 1 as usual) → 16 kHz mono s16le, as loud as it comes"""


class SoundDriver:
    """A pyttsx3 driver that hands its sound to `sink` instead of playing it. All of it happens within `say`."""

    def __init__(self, proxy: Any, voice: str, render: Render, sink: Callable[[bytes], None]) -> None:
        self._proxy, self._render, self._sink = proxy, render, sink
        self._properties: dict[str, Any] = {"rate": NORMAL_RATE, "volume": 1.0, "voice": voice, "voices": []}
        self._ended = False

    def destroy(self) -> None: ...

    def say(self, text: str) -> None:
        self._proxy.setBusy(True)
        self._proxy.notify("started-utterance")
        completed = False
        try:
            sound = self._render(text, self._properties["rate"] / NORMAL_RATE)
            self._sink(levelled(sound, self._properties["volume"]))
            completed = True
        finally:
            self._proxy.notify("finished-utterance", completed=completed)
            self._proxy.setBusy(False)

    def stop(self) -> None:
        """Nothing is under way outside `say`; what must end at once ends with the process."""

    def startLoop(self) -> None:
        # In the first loop the queue runs here; in later ones it has run already, `endLoop` included.
        if not self._ended:
            self._proxy.setBusy(False)
        self._ended = False

    def endLoop(self) -> None:
        self._ended = True

    def iterate(self) -> Any:
        self._proxy.setBusy(False)
        yield

    def getProperty(self, name: str) -> Any:
        return self._properties[name]

    def setProperty(self, name: str, value: Any) -> None:
        if name not in self._properties:
            raise KeyError(f"unknown property {name}")
        if name == "rate":
            value = min(2.5 * NORMAL_RATE, max(0.4 * NORMAL_RATE, float(value)))
        if name == "volume":
            value = min(1.0, max(0.0, float(value)))
        self._properties[name] = value


class Voice:
    """One voice through pyttsx3: text in, sound out."""

    def __init__(self, name: str, render: Render) -> None:
        """`name`: of the pyttsx3 driver, `concierge_…`."""
        import pyttsx3  # type: ignore[import-untyped]

        self.name = name
        self._sound: list[bytes] = []
        self._errors: list[BaseException] = []
        module = ModuleType(f"pyttsx3.drivers.{name}")
        module.buildDriver = lambda proxy: SoundDriver(proxy, name, render, self._sound.append)  # type: ignore[attr-defined]
        sys.modules[module.__name__] = module
        self._engine = pyttsx3.init(name)
        self._engine.connect("error", lambda name, exception: self._errors.append(exception))

    def say(self, text: str, *, rate: float = 1.0, volume: float = 1.0) -> bytes:
        """16 kHz mono s16le. `rate` 1 is the voice's own speed; `volume` 0 … 1. Raises `SynthesisFailed`."""
        self._sound.clear()
        self._errors.clear()
        self._engine.setProperty("rate", rate * NORMAL_RATE)
        self._engine.setProperty("volume", volume)
        self._engine.say(text)
        self._engine.runAndWait()
        if self._errors:
            error = self._errors[0]
            raise SynthesisFailed("speaker", f"The voice failed: {type(error).__name__}: {error}.") from error
        return b"".join(self._sound)


@dataclass(frozen=True)
class VoiceChoice:
    """What the voices are made with."""

    english: str = "en-gb"
    """an espeak-ng voice, or the path of a Piper voice (.onnx)"""


def open_voice(language: SpeechLanguage, choice: VoiceChoice) -> Voice:
    """The voice of a language. Raises `NoVoice` where its engine is not installed."""
    if language == "ja":
        return Voice("concierge_ja", openjtalk())
    if choice.english.endswith(".onnx"):
        return Voice("concierge_en_piper", piper(Path(choice.english)))
    return Voice("concierge_en", espeak(choice.english))


# ── engines ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def openjtalk(half_tone: float = 0.0) -> Render:
    """Japanese, dictionary and voice included in pyopenjtalk-plus. `half_tone` shifts the pitch."""
    try:
        import pyopenjtalk
    except ImportError as error:
        raise NoVoice("speaker", "The Japanese voice is missing: pyopenjtalk-plus is not installed.") from error
    from audio.japanese import spoken
    from audio.wav import resample, to_pcm

    def render(text: str, speed: float) -> bytes:
        said = spoken(text)
        if not any(c.isalnum() for c in said):
            return b""
        wave, rate = pyopenjtalk.tts(said, speed=speed, half_tone=half_tone)
        return to_pcm(resample((wave / 32768).astype("float32"), rate))

    return render


def espeak(voice: str = "en-gb", *, pitch: int = 50, program: str = "espeak-ng") -> Render:
    """English by the espeak-ng program. `pitch` 0 … 99."""
    path = shutil.which(program)
    if path is None:
        raise NoVoice("speaker", f"The English voice is missing: install {program}.")

    def render(text: str, speed: float) -> bytes:
        # The text goes in as standard input: nothing in it is an option or markup.
        command = [path, "--stdin", "--stdout", "-b", "1", "-v", voice, "-s", str(round(165 * speed)), "-p", str(pitch)]
        return _program(command, latin(text))

    return render


def piper(voice: Path, program: str = "piper") -> Render:
    """English (or whatever `voice` speaks) by the Piper program."""
    path = shutil.which(program)
    if path is None or not voice.exists():
        missing = f"install {program}" if path is None else f"there is no file {voice}"
        raise NoVoice("speaker", f"The Piper voice is missing: {missing}.")

    def render(text: str, speed: float) -> bytes:
        command = [path, "--model", str(voice), "--length_scale", f"{1 / speed:.2f}", "--output_file", "-"]
        return _program(command, " ".join(latin(text).split()))

    return render


def _program(command: list[str], text: str) -> bytes:
    from audio.wav import decode_wav

    done = subprocess.run(command, input=text.encode(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=20)
    if done.returncode != 0 or not done.stdout.startswith(b"RIFF"):
        raise SynthesisFailed("speaker", f"{Path(command[0]).name} ended with {done.returncode}.")
    return decode_wav(done.stdout, "what the voice made")


def latin(text: str) -> str:
    """Japanese names in an English sentence, as the English voice can read them."""
    import re

    def romaji(match: re.Match[str]) -> str:
        import pyopenjtalk

        return f" {in_romaji(str(pyopenjtalk.g2p(match[0], kana=True)))} "

    text = re.sub("[\u3005\u3041-\u3096\u30a1-\u30fc\u4e00-\u9fff]+", romaji, text)
    return re.sub(r"\s+([.,!?;:])", r"\1", re.sub(r"[ \t]+", " ", text)).strip()


def in_romaji(kana: str) -> str:
    """Katakana in Latin letters."""
    from audio.japanese import pronunciations

    table = {said: written for written, said in reversed(list(pronunciations().romaji.items()))} | {"ン": "n"}
    out, i = "", 0
    while i < len(kana):
        two, one = kana[i : i + 2], kana[i]
        if two in table:
            out, i = out + table[two], i + 2
            continue
        if one == "ッ":
            following = table.get(kana[i + 1 : i + 3]) or table.get(kana[i + 1 : i + 2], "")
            out += following[:1]
        elif one != "ー":
            out += table.get(one, " ")
        i += 1
    return out.strip()


# ── sound ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def levelled(sound: bytes, volume: float) -> bytes:
    """Without the silence round it, at the common loudness times `volume`."""
    import numpy as np

    wave = np.frombuffer(sound, "<i2").astype(np.float64) / 32768
    loud = np.flatnonzero(np.abs(wave) > 0.004)
    if not len(loud):
        return b""
    wave = wave[max(0, loud[0] - round(LEAD_S * RATE)) : loud[-1] + round(0.03 * RATE)]
    spoken = wave[np.abs(wave) > 0.004]
    gain = LEVEL / float(np.sqrt(np.mean(spoken**2))) * volume
    gain = min(gain, 0.98 * volume / float(np.max(np.abs(wave)))) if volume else 0.0
    return (wave * gain * 32768).astype("<i2").tobytes()
