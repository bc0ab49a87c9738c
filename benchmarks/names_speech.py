"""Names said and heard for `benchmarks.names`: which ones, in which sentences, spoken by the TTS, heard by Whisper base.

Both sounds and what was heard are kept under `<data>/benchmarks/names/`: hearing takes about a second a sentence, looking the heard up again
takes milliseconds.
"""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
import tempfile
import wave
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from backends.model import Place, Position
from backends.places import place_from_json
from backends.readings import reading_key

CARRIERS_JA = ("{}に行きたい", "{}までお願い", "{}を目的地にして", "{}の近くで駐車場を探して", "{}へ案内して")
CARRIERS_EN = ("take me to {}", "navigate to {}", "find parking near {}", "I want to go to {}")
RATE = 16_000
"""Hertz, as the recognizer wants it"""
SILENCE_S = 0.3
OTHER_VOICE_EN = "en-us"


@dataclass(frozen=True)
class Said:
    """One sentence about one place."""

    key: str
    language: str
    group: str
    """station, landmark, far (a station outside the installed map)"""
    form: str
    """carrier or alone"""
    name: str
    """the name as it is written"""
    spoken: str
    """the name as it is said: with or without 駅"""
    kana: str
    text: str
    """what the TTS reads"""
    carrier: str
    latitude: float
    longitude: float
    car: tuple[float, float]
    """where the car stands: up to 30 km away"""
    heard: str | None = None

    @property
    def position(self) -> Position:
        return Position(self.latitude, self.longitude)


def named_places(path: Path) -> list[Place]:
    """The stations and the real landmarks of the installed map."""
    kinds = ("sight", "shop", "airport", "rest_area", "station")
    with sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True) as db:
        places = [place_from_json(text) for (text,) in db.execute("SELECT json FROM data ORDER BY n")]
    return [p for p in places if p.kind in kinds and not p.demo and p.name_kana]


def far_stations(gazetteer_file: Path, places_file: Path) -> list[Place]:
    """Stations of the rest of the country, which the gazetteer alone knows."""
    with sqlite3.connect(f"{places_file.resolve().as_uri()}?mode=ro&immutable=1", uri=True) as db:
        info = json.loads(db.execute("SELECT value FROM meta WHERE key = 'info'").fetchone()[0])
    west, east = info["south_west"], info["north_east"]
    with sqlite3.connect(f"{gazetteer_file.resolve().as_uri()}?mode=ro&immutable=1", uri=True) as db:
        rows = db.execute("SELECT name, reading, lat, lon FROM localities WHERE kind = 'station' ORDER BY i").fetchall()
    return [
        Place(f"far-{i}", name, Position(lat, lon), "station", name_kana=reading + "エキ")
        for i, (name, reading, lat, lon) in enumerate(rows)
        if not (west["latitude"] < lat < east["latitude"] and west["longitude"] < lon < east["longitude"])
        and "(" not in name and "〈" not in name
    ]  # fmt: skip


def sample(
    stations: Sequence[Place], landmarks: Sequence[Place], far: Sequence[Place], count: int, seed: int
) -> list[Said]:
    """`count` Japanese names, each in a sentence and alone, and 100 English ones: six tenths stations, three tenths landmarks, a tenth far."""
    dice = random.Random(seed)
    parts = (
        ("station", stations, round(count * 0.55)),
        ("landmark", landmarks, round(count * 0.35)),
        ("far", far, round(count * 0.1)),
    )
    japanese: list[Said] = []
    for group, places, wanted in parts:
        for place in dice.sample(list(places), min(wanted, len(places))):
            japanese += _both(place, group, "ja", dice)
    english: list[Said] = []
    for group, places, wanted in (("station", stations, 60), ("landmark", landmarks, 40)):
        named = [p for p in places if p.name_en]
        for place in dice.sample(named, min(wanted, len(named))):
            english += _both(place, group, "en", dice)
    return japanese + english


def _both(place: Place, group: str, language: str, dice: random.Random) -> Iterator[Said]:
    car = Position(
        place.position.latitude + dice.uniform(-0.2, 0.2), place.position.longitude + dice.uniform(-0.25, 0.25)
    )
    if language == "ja":
        name, kana = place.name, place.name_kana or ""
        bare = place.kind == "station" and dice.random() < 0.3
        spoken = name.removesuffix("駅") if bare else name
        kana = kana.removesuffix("エキ") if bare else kana
        readable = spoken if _reads_as(spoken, kana) else kana
        carrier = dice.choice(CARRIERS_JA)
    else:
        name = place.name_en or ""
        spoken = readable = name.replace("-", " ")
        kana, carrier = place.name_kana or "", dice.choice(CARRIERS_EN)
    base = Said(
        "", language, group, "carrier", name, spoken, kana, carrier.format(readable), carrier,
        place.position.latitude, place.position.longitude, (car.latitude, car.longitude),
    )  # fmt: skip
    yield replace(base, key=f"{language}-{place.id}-carrier")
    yield replace(base, key=f"{language}-{place.id}-alone", form="alone", text=readable, carrier="{}")


def _reads_as(text: str, kana: str) -> bool:
    """Whether the TTS reads the kanji as the name is read; where not, it is given kana."""
    import pyopenjtalk

    return reading_key(str(pyopenjtalk.g2p(text, kana=True)).replace("’", "")) == reading_key(kana)


# --- speaking and hearing -----------------------------------------------------------------------------------------------


def sound(said: Said) -> Any:
    """16 kHz mono float32 of the sentence with a little silence around it."""
    import numpy as np
    from scipy.signal import resample_poly

    if said.language == "ja":
        import pyopenjtalk

        wave_, _ = pyopenjtalk.tts(said.text)
        samples = resample_poly(wave_, 1, 3) / 32768
    else:
        with tempfile.NamedTemporaryFile(suffix=".wav") as file:
            subprocess.run(
                ["espeak-ng", "-v", OTHER_VOICE_EN, "-s", "150", "-w", file.name, said.text], check=True, timeout=30
            )
            with wave.open(file.name) as read:
                rate = read.getframerate()
                raw = np.frombuffer(read.readframes(read.getnframes()), dtype="<i2").astype("f8")
        samples = resample_poly(raw, RATE, rate) / 32768
    quiet = np.zeros(int(SILENCE_S * RATE))
    return np.concatenate([quiet, samples, quiet]).astype("f4")


def listen(everything: Iterable[Said], model_folder: Path, kept: Path, *, beam: int = 5) -> None:
    """Appends what Whisper hears of each sentence not yet heard to `kept` (JSON lines)."""
    from faster_whisper import WhisperModel

    done = set(heard(kept))
    waiting = [said for said in everything if said.key not in done]
    if not waiting:
        return
    model = WhisperModel(str(model_folder), device="cpu", compute_type="int8", cpu_threads=1)
    kept.parent.mkdir(parents=True, exist_ok=True)
    with kept.open("a", encoding="utf-8") as out:
        for number, said in enumerate(waiting, 1):
            segments, _ = model.transcribe(
                sound(said), language=said.language, beam_size=beam, temperature=0.0,
                without_timestamps=True, condition_on_previous_text=False,
            )  # fmt: skip
            text = "".join(segment.text for segment in segments).strip()
            out.write(json.dumps(asdict(replace(said, heard=text)), ensure_ascii=False) + "\n")
            out.flush()
            if number % 50 == 0:
                print(f"heard {number} of {len(waiting)}", file=sys.stderr, flush=True)


def heard(kept: Path) -> dict[str, Said]:
    """What was heard so far, by key."""
    if not kept.is_file():
        return {}
    out = {}
    for line in kept.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        out[row["key"]] = Said(**{**row, "car": tuple(row["car"])})
    return out
