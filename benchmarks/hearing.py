"""`python -m benchmarks.hearing wake|recognition|table FOLDER`: how well and how fast it hears; FOLDER from benchmarks.voices.

`wake [--phrases …] [--talk ja en] [--snr …]` runs the spotter, as the car does, over calls (clean and in car noise) and over talk, and adds what it
judged to FOLDER/results; run it in pieces if time is short. `table` prints them, at the thresholds in use and at others.
`recognition` prints error rates, time and memory. The machine is described with the figures.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agent import settings as settings_module
from agent.composition import Ears
from agent.wakewords import Reading, japanese_reading, likeness_to, tidy, wake_phrase
from audio.frames import frames
from audio.noise import car_noise, mix
from audio.ports import SpeechLanguage
from audio.text import normalise
from audio.wake_word import COOLDOWN_S, THRESHOLDS, Thresholds, TypedWakeWord
from audio.wav import read_wav
from audio.whisper_recognizer import WhisperScorer
from backends.readings import latin_key, reading_key
from benchmarks.voices import places, wake_words

WIDE = Thresholds(look=Thresholds().look, unsure=-3.6, sure=0.0)
"""everything that might have woken it is judged closely and written down; what wakes is decided in `table`"""


def run_wake(ears: Ears, folder: Path, key: str, talk: Sequence[str], snrs: Sequence[float | None]) -> None:
    """Adds a line a file to FOLDER/results/KEY.jsonl; files that have one already are left out."""
    word = wake_words()[key]
    reading = japanese_reading()
    language: SpeechLanguage = "en" if word["lang"] == "en" else "ja"
    phrase = wake_phrase(tidy(word["text"]), language, reading)
    likeness = likeness_to(phrase, reading)
    results = folder / "results" / f"{key}.jsonl"
    results.parent.mkdir(parents=True, exist_ok=True)
    done = (
        {(row["file"], row["snr"]) for row in map(json.loads, results.read_text().splitlines())}
        if results.exists()
        else set()
    )
    jobs: list[tuple[Path, float | None]] = [
        (p, snr) for p in sorted((folder / "called" / key).glob("*.wav")) for snr in snrs
    ]
    jobs += [(path, None) for name in talk for path in sorted((folder / "talk" / name).glob("*.wav"))]
    for path, snr in jobs:
        name = path.relative_to(folder).as_posix()
        if (name, snr) in done:
            continue
        sound = read_wav(path)
        if snr is not None:
            sound = mix(sound, car_noise(len(sound) / 32000, seed=len(name)), snr)
        spotter = TypedWakeWord(
            phrase, WhisperScorer(ears.whisper(), phrase.spellings, language), ears.activity(), likeness, WIDE
        )
        started = time.process_time()
        for frame in frames(sound + bytes(16000)):
            spotter.accept(frame)
        row = {"file": name, "snr": snr, "seconds": len(sound) / 32000, "cpu": round(time.process_time() - started, 3),
               "judged": [[round(t, 2), round(score, 3), round(likeness(text), 2), text] for t, score, text in spotter.judged]}  # fmt: skip
        with results.open("a", encoding="utf-8") as out:
            print(json.dumps(row, ensure_ascii=False), file=out)


def woke(judged: Sequence[Sequence[Any]], limits: Thresholds) -> list[float]:
    """The times at which it would have woken with these thresholds."""
    times: list[float] = []
    for t, score, likeness, _ in judged:
        sure = score >= limits.sure or (score >= limits.unsure and likeness >= limits.likeness)
        if sure and (not times or t - times[-1] >= COOLDOWN_S):
            times.append(t)
    return times


def limits_of(key: str) -> Thresholds:
    return THRESHOLDS["en" if wake_words()[key]["lang"] == "en" else "ja"]


def wake_table(folder: Path) -> None:
    print(
        "| wake word | calls | missed: clean | 20 dB | 10 dB | 5 dB | 0 dB | talk, h | false alarms | per h | computing, share of a core while people talk |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for key, word in wake_words().items():
        results = folder / "results" / f"{key}.jsonl"
        if not results.exists():
            continue
        rows = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
        limits = limits_of(key)
        calls, talk = (
            [r for r in rows if r["file"].startswith("called")],
            [r for r in rows if r["file"].startswith("talk")],
        )
        by_snr: dict[float | None, list[bool]] = defaultdict(list)
        for row in calls:
            by_snr[row["snr"]].append(not woke(row["judged"], limits))
        missed = [f"{sum(by_snr[s])}/{len(by_snr[s])}" if by_snr[s] else "–" for s in (None, 20.0, 10.0, 5.0, 0.0)]
        hours = sum(r["seconds"] for r in talk) / 3600
        false = sum(len(woke(r["judged"], limits)) for r in talk)
        share = sum(r["cpu"] for r in talk) / (hours * 3600) if hours else 0.0
        rate = f"{false / hours:.2f}" if hours else "–"
        print(
            f"| {word['text']} | {len(by_snr[None])} | {' | '.join(missed)} | {hours:.2f} | {false} | {rate} | {share:.0%} |"
        )


def delay_table(folder: Path) -> None:
    """From the end of the phrase (the last sound of a clip that is only the phrase) to waking."""
    delays = []
    for results in sorted((folder / "results").glob("*.jsonl")):
        limits = limits_of(results.stem)
        for row in map(json.loads, results.read_text(encoding="utf-8").splitlines()):
            number = int(re.findall(r"\d+", row["file"])[-1]) if row["file"].startswith("called") else 2
            times = woke(row["judged"], limits)
            if number % 3 != 2 and row["snr"] is None and times:
                # Clips end with a second of silence.
                delays.append(times[0] - (row["seconds"] - 1.0))
    if delays:
        delays.sort()
        print(f"\nDelay from the last sound of the phrase: median {delays[len(delays) // 2]:.2f} s, 95 % within {delays[int(len(delays) * 0.95)]:.2f} s ({len(delays)} calls).")  # fmt: skip


def idle(ears: Ears, key: str) -> None:
    """Computing while nobody speaks: silence, and a car on the road."""
    word, reading = wake_words()[key], japanese_reading()
    phrase = wake_phrase(tidy(word["text"]), "ja", reading)
    for name, sound in (("silence", bytes(32000 * 60)), ("car noise", car_noise(60, seed=3))):
        spotter = TypedWakeWord(
            phrase, WhisperScorer(ears.whisper(), phrase.spellings, "ja"), ears.activity(), lambda _: 0.0
        )
        started = time.process_time()
        for frame in frames(sound):
            spotter.accept(frame)
        print(f"Idle in {name}: {(time.process_time() - started) / 60:.1%} of a core.")


# ── recognition ─────────────────────────────────────────────────────────────────────────────────────────────────────


def recognition(ears: Ears, folder: Path, snrs: Sequence[float | None], clips: Path | None) -> None:
    """`clips`: a folder with manifest.jsonl of recordings of people, used where it is."""
    import psutil

    before = psutil.Process().memory_info().rss
    rows = [json.loads(line) for line in (folder / "said" / "texts.jsonl").read_text(encoding="utf-8").splitlines()]
    rows = [row | {"path": folder / "said" / row["file"]} for row in rows]
    if clips is not None and (clips / "manifest.jsonl").exists():
        people = map(json.loads, (clips / "manifest.jsonl").read_text(encoding="utf-8").splitlines())
        rows += [{"path": clips / p["audio"], "text": p["text"], "lang": "ja", "voice": "people"} for p in people]
    reading = japanese_reading()
    errors: dict[tuple[str, str, float | None], list[tuple[float, float, int]]] = defaultdict(list)
    hits: dict[tuple[str, float | None], list[tuple[bool, bool, bool]]] = defaultdict(list)
    spent = heard = 0.0
    for row in rows:
        sound = read_wav(row["path"])
        for snr in snrs:
            noisy = sound if snr is None else mix(sound, car_noise(len(sound) / 32000, seed=len(row["text"])), snr)
            recognizer = ears.recognizer(row["lang"], partials=False)
            started = time.process_time()
            recognizer.start()
            for frame in frames(noisy):
                recognizer.accept(frame)
            text = recognizer.finish().text
            if "place" in row:
                hits[row["lang"], snr].append(_place_hit(row["place"], text, row["lang"], reading))
            spent, heard = spent + time.process_time() - started, heard + len(noisy) / 32000
            errors[row["lang"], row["voice"], snr].append(_errors(row["text"], text, row["lang"], reading))
    print(
        f"| {ears.engine('ja')}: language | voice | noise | sentences | character errors (ja), word errors (en) | errors in the reading |"
    )
    print("|---|---|---|---|---|---|")
    for (language, voice, snr), found in sorted(errors.items(), key=str):
        weight = sum(n for _, _, n in found)
        written, read = (sum(e[i] * e[2] for e in found) / weight for i in (0, 1))
        noise = "none" if snr is None else f"{snr:.0f} dB"
        print(
            f"| {language} | {voice} | {noise} | {len(found)} | {written:.1%} | {'–' if language == 'en' else f'{read:.1%}'} |"
        )
    print(
        f"\n{spent / heard:.3f} s of computing for a second of sound; {(psutil.Process().memory_info().rss - before) / 2**20:.0f} MB."
    )


def _place_hit(name: str, text: str, language: SpeechLanguage, reading: Reading) -> tuple[bool, bool, bool]:
    """Whether a place is in what was heard: as written, by its sound, as the nearest by sound of all places known."""

    def form(place: dict[str, str]) -> str:
        return latin_key(place["name_en"]) if language == "en" else reading_key(place["kana"])

    rows = {place["name"]: place for place in places()}
    right = rows[name]
    written = (right["name_en"].casefold() in text.casefold()) if language == "en" else name in text
    heard = latin_key(text) if language == "en" else reading_key(reading(text))
    nearest = max(rows.values(), key=lambda place: _within(form(place), heard))
    return written, form(right) in heard, nearest is right


def _within(name: str, heard: str) -> float:
    """How much of a name is somewhere in what was heard."""
    from rapidfuzz.fuzz import partial_ratio

    # A short name would be somewhere in anything.
    return float(partial_ratio(name, heard)) - (100 if len(name) > len(heard) + 2 else 0) + 0.1 * len(name)


def _errors(said: str, heard: str, language: SpeechLanguage, reading: Reading) -> tuple[float, float, int]:
    """Errors as written, errors as read, and how much there was to hear."""
    import jiwer

    said, heard = normalise(said, language), normalise(heard, language)
    if language == "en":
        a, b = (re.sub(r"[^a-z0-9' ]", "", text.casefold()) for text in (said, heard))
        return float(jiwer.wer(a, b or " ")), 0.0, len(a.split())
    a, b = (re.sub(r"[\s、。,.!?！？「」]", "", text) for text in (said, heard))
    kana_a, kana_b = (reading_key(reading(text)) for text in (a, b))
    return float(jiwer.cer(a, b or " ")), float(jiwer.cer(kana_a, kana_b or " ")), len(a)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("wake", "recognition", "table", "idle"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--phrases", nargs="*", default=list(wake_words()), choices=list(wake_words()))
    parser.add_argument("--talk", nargs="*", default=["ja", "en"])
    parser.add_argument("--snr", nargs="*", type=float, default=[20.0, 10.0, 5.0, 0.0])
    parser.add_argument("--clips", type=Path, help="recordings of people with a manifest.jsonl")
    arguments = parser.parse_args()
    snrs: list[float | None] = [None, *arguments.snr]
    ears = Ears(settings_module.load())
    print(f"{platform.machine()}, Python {platform.python_version()}, one thread\n")
    if arguments.what == "wake":
        for key in arguments.phrases:
            run_wake(ears, arguments.folder, key, arguments.talk, snrs)
    elif arguments.what == "recognition":
        recognition(ears, arguments.folder, snrs, arguments.clips)
    elif arguments.what == "idle":
        idle(ears, next(iter(wake_words())))
    if arguments.what in ("wake", "table"):
        wake_table(arguments.folder)
        delay_table(arguments.folder)


if __name__ == "__main__":
    main()
