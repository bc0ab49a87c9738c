"""`python -m benchmarks.names [--spoken 540] [--corrupted 500]`: are places found by names as recognizers write them?

`--spoken N`: N Japanese station and landmark names and 100 English ones, said by the TTS in a sentence and alone, heard by Whisper base (kept,
so that only the first run takes long; `--model` is the folder of the recognizer). `--corrupted N`: N names damaged in one way each.

Counted is whether the place comes first, within 500 m (a station's namesake town within 5 km counts for a name said without 駅), asked as the
dialogue asks: the sentence is read (`agent.nlu.values`), the goal looked for on the installed map and in the gazetteer (`actions.hearing`). The
car stands up to 30 km away. Beside it: the map's own name search alone, and each means by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import random
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from actions.ground import LATITUDE, LONGITUDE
from actions.hearing import Meant, meant, mended
from actions.skill import Entity, Turn
from agent.nlu.values.extractor import reader
from backends import sounds
from backends.gazetteer import JapanGazetteer
from backends.model import Position
from backends.places import SqlitePlaces
from backends.readings import Readings, fold, is_latin, reading_key
from benchmarks.names_corrupt import ENGLISH, Damage, japanese
from benchmarks.names_speech import Said, far_stations, heard, listen, named_places, sample

SAME_M, NAMESAKE_M = 500, 5_000
SEED = 11


class _Car:
    """Vehicle: stands where it is put."""

    def __init__(self) -> None:
        self.at = Position(35.68, 139.76)

    async def get(self, path: str) -> Any:
        return SimpleNamespace(value={LATITUDE: self.at.latitude, LONGITUDE: self.at.longitude}[path])


@dataclass(frozen=True)
class Answer:
    """What one sentence led to."""

    said: Said
    rank: int | None
    """place of the right one among those that may be meant, from 1; None when it is not there"""
    did: str
    """set right, set wrong, asked with it, asked without it, not understood"""
    cause: str
    """why it is not first"""
    ms: float


class Bench:
    """The installed map, the gazetteer and the reading of sentences, as the dialogue has them."""

    def __init__(self, home: Path) -> None:
        self.readings = Readings()
        self.map = home / "maps" / (home / "maps" / "current").read_text(encoding="utf-8").strip() / "places.sqlite"
        self.gazetteer_file = home / "gazetteer.sqlite"
        self.gazetteer = JapanGazetteer.load(home, readings=self.readings)
        self.places = SqlitePlaces(self.map, readings=self.readings, deadline_s=30)
        self.car = _Car()
        self.world: Any = SimpleNamespace(places=self.places, gazetteer=self.gazetteer, vehicle=self.car)
        self.read = reader().read

    def turn(self, text: str, language: Any, alone: bool) -> Turn:
        entities = tuple(
            Entity(e["entity"], e["value"], e.get("role"), e["start"], e["end"], text[e["start"] : e["end"]])
            for e in self.read(text, language, self.gazetteer)
        )
        return Turn(
            text, "navigate_to", 1.0, entities, language, "owner", {"context": "asks_place" if alone else "done"}, 1, {}
        )

    async def answer(self, said: Said, text: str) -> Answer:
        self.car.at = Position(*said.car)
        turn = self.turn(text, said.language, said.form == "alone" and text == said.heard)
        start = time.perf_counter()
        found = await meant(self.world, turn, self.car.at)
        ms = (time.perf_counter() - start) * 1_000
        rank = next((i for i, m in enumerate(found, 1) if right(m, said)), None)
        return Answer(said, rank, await self._did(turn, found, said), _cause(found, rank, text), ms)

    async def _did(self, turn: Turn, found: Sequence[Meant], said: Said) -> str:
        """What the dialogue does with it: what is not mended is looked up by the words that were read."""
        result = await mended(self.world, turn)
        if result.rivals:
            return "asked with it" if any(right(m, said) for m in result.rivals) else "asked without it"
        names = [e for e in result.turn.entities if e.type in ("place_name", "station", "area", "city", "prefecture")]
        if not names:
            return "not understood"
        plain = replace(result.turn, text=str(names[-1].value), entities=(names[-1],))
        known = await meant(self.world, plain, self.car.at)
        return "set right" if known and right(known[0], said) else "set wrong"


def right(found: Meant, said: Said) -> bool:
    away = found.position.distance_to(said.position)
    return away < SAME_M or (said.group != "landmark" and away < NAMESAKE_M and _bare(found.name) == _bare(said.name))


def _bare(name: str) -> str:
    return fold(name).rstrip("駅市区町村")


def _cause(found: Sequence[Meant], rank: int | None, text: str) -> str:
    if rank == 1:
        return ""
    if not found:
        return "nothing found"
    if rank is None:
        return "not among the candidates"
    return (
        "nearer one preferred" if found[rank - 1].likeness >= found[0].likeness else "another name sounds more like it"
    )


# --- tables -----------------------------------------------------------------------------------------------------------------


def table(rows: Sequence[Answer], by: Callable[[Answer], str], head: str) -> None:
    """One line for each value of `by`, and one for all."""
    parts: dict[str, list[Answer]] = defaultdict(list)
    for row in rows:
        parts[by(row)].append(row)
    print(
        f"\n| {head} | sentences | first | among three | set right | asked, it is among them | set wrong | p50 ms | p95 ms |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for name, part in [*parts.items(), ("**all**", list(rows))]:
        count, did = len(part), Counter(row.did for row in part)
        times = sorted(row.ms for row in part)
        share = [
            sum(row.rank == 1 for row in part), sum((row.rank or 99) <= 3 for row in part),
            did["set right"], did["asked with it"], did["set wrong"],
        ]  # fmt: skip
        figures = " | ".join(f"{n / count:.3f}" for n in share)
        print(f"| {name} | {count} | {figures} | {statistics.median(times):.1f} | {times[int(count * 0.95)]:.1f} |")


def causes(rows: Iterable[Answer]) -> None:
    counted = Counter(row.cause for row in rows if row.cause)
    print("\n| why it is not first | sentences |\n|---|---|")
    for cause, count in counted.most_common():
        print(f"| {cause} | {count} |")


class Means:
    """The names alone, by each means of telling them apart: what each of them brings."""

    def __init__(self, bench: Bench, everything: Iterable[tuple[str, str, str | None, Position]]) -> None:
        self._bench = bench
        self._rows = list(everything)
        self._spelling: dict[str, list[int]] = defaultdict(list)
        self._reading: dict[str, list[int]] = defaultdict(list)
        builder = sounds.SoundIndexBuilder()
        for i, (name, kana, name_en, _) in enumerate(self._rows):
            for text in (name, name.removesuffix("駅")):
                self._spelling[fold(text)].append(i)
            for text in (kana, kana.removesuffix("エキ")):
                self._reading[reading_key(text)].append(i)
            for sound in sounds.sounds_of(name, kana, name_en):
                builder.add(i, sound)
        self._sounds = sounds.SoundIndex(builder.arrays())
        self._keys = [reading_key(kana) for _, kana, _, _ in self._rows]

    def table(self, rows: Sequence[Said]) -> None:
        means: dict[str, Callable[[Said], list[int]]] = {
            "the same spelling": lambda s: self._spelling[fold(s.heard or "")],
            "the same reading": self._by_reading,
            "edit distance of the kana": self._by_kana,
            "sound, one reading": lambda s: self._by_sound(s, 1, near=False),
            "sound, several readings": lambda s: self._by_sound(s, 16, near=False),
            "sound, one reading, nearer first": lambda s: self._by_sound(s, 1, near=True),
            "sound, several readings, nearer first": lambda s: self._by_sound(s, 16, near=True),
        }
        print(
            f"\n| means (names said alone, {len(rows)}; {len(self._rows):,} names) | first | among three |\n|---|---|---|"
        )
        for name, find in means.items():
            found = [find(said)[:3] for said in rows]
            first = sum(self._right(f[:1], s) for f, s in zip(found, rows, strict=True))
            three = sum(self._right(f, s) for f, s in zip(found, rows, strict=True))
            print(f"| {name} | {first / len(rows):.3f} | {three / len(rows):.3f} |")

    def _right(self, found: Sequence[int], said: Said) -> bool:
        return any(self._rows[i][3].distance_to(said.position) < SAME_M for i in found)

    def _by_reading(self, said: Said) -> list[int]:
        return (
            self._spelling[fold(said.heard or "")]
            or self._reading[reading_key(self._bench.readings.reading(said.heard or ""))]
        )

    def _by_kana(self, said: Said) -> list[int]:
        from rapidfuzz import process
        from rapidfuzz.distance import Levenshtein

        key = reading_key(self._bench.readings.reading(said.heard or ""))
        best = process.extract(key, self._keys, scorer=Levenshtein.normalized_similarity, limit=3)
        return [i for _, _, i in best]

    def _by_sound(self, said: Said, readings: int, *, near: bool) -> list[int]:
        import numpy as np

        heard_, car = said.heard or "", Position(*said.car)
        kana = self._bench.readings.spoken(heard_, readings)
        said_as = [sounds.english_phonemes(heard_)] if is_latin(heard_) else [sounds.phonemes(k) for k in kana]

        def metres(owners: Any) -> Any:
            return np.array([self._rows[i][3].distance_to(car) for i in owners.tolist()])

        return [a.owner for a in self._sounds.alike(said_as, metres=metres if near else None, limit=3, least=0.0)]


async def map_alone(bench: Bench, rows: Iterable[tuple[Said, str]]) -> tuple[int, int, int, list[float]]:
    """(names, first, among three, ms) of the map's own name search."""
    first = three = count = 0
    times = []
    for said, text in rows:
        if said.group == "far":
            continue
        start = time.perf_counter()
        hits = await bench.places.find(text, near=Position(*said.car), limit=3)
        times.append((time.perf_counter() - start) * 1_000)
        where = [i for i, hit in enumerate(hits) if hit.place.position.distance_to(said.position) < SAME_M]
        count += 1
        first += bool(where) and where[0] == 0
        three += bool(where)
    return count, first, three, times


def _show_alone(result: tuple[int, int, int, list[float]], what: str) -> None:
    count, first, three, times = result
    times = sorted(times)
    print(
        f"\n{what}: {count} names, first {first / count:.3f}, among three {three / count:.3f},"
        f" p50 {statistics.median(times):.1f} ms, p95 {times[int(count * 0.95)]:.1f} ms"
    )


# --- the two measurements -----------------------------------------------------------------------------------------------------


def _sample(bench: Bench, count: int) -> list[Said]:
    named = named_places(bench.map)
    stations, landmarks = ([p for p in named if (p.kind == "station") is wanted] for wanted in (True, False))
    return sample(stations, landmarks, far_stations(bench.gazetteer_file, bench.map), count, SEED)


async def spoken(bench: Bench, count: int, model: Path | None, home: Path, failures: int, skip: int) -> None:
    kept = home / "benchmarks" / "names" / f"heard-{count}-{SEED}.jsonl"
    if model is not None:
        listen(sorted(_sample(bench, count), key=lambda s: (s.form != "carrier", s.language != "ja")), model, kept)
    rows = list(heard(kept).values())[skip:]
    if not rows:
        raise SystemExit("Nothing was heard yet: give the recognizer's folder with --model.")
    answers = [await bench.answer(said, said.heard or "") for said in rows if said.heard]
    for language in ("ja", "en"):
        of = [a for a in answers if a.said.language == language]
        if of:
            print(f"\n## Spoken, {language}: {len({a.said.key.rsplit('-', 1)[0] for a in of})} names")
            table(of, lambda a: f"{a.said.form}, {a.said.group}", "said")
            causes(of)
    alone = [s for s in rows if s.form == "alone" and s.language == "ja" and s.heard]
    if alone:
        _show_alone(
            await map_alone(bench, ((s, s.heard or "") for s in alone)), "The map's name search, names heard alone"
        )
        named = [(p.name, p.name_kana or "", p.name_en, p.position) for p in named_places(bench.map)]
        far = far_stations(bench.gazetteer_file, bench.map)
        Means(bench, [*named, *((p.name, p.name_kana or "", None, p.position) for p in far)]).table(alone)
    for answer in [a for a in answers if a.rank != 1][:failures]:
        print(f"{answer.said.text} | {answer.said.heard} | {answer.rank} {answer.did}: {answer.cause}")


async def corrupted(bench: Bench, count: int, failures: int, only: str) -> None:
    everything = _sample(bench, count)
    names = [p.name for p in named_places(bench.map)] + [p.name for p in far_stations(bench.gazetteer_file, bench.map)]
    for language, damages, carrier in (
        ("ja", japanese(names, bench.readings), "{}に行きたい"),
        ("en", ENGLISH, "take me to {}"),
    ):
        rows = [s for s in everything if s.language == language and s.form == "alone"]
        answers, alone = [], []
        for kind, damage in damages.items():
            if only not in kind:
                continue
            for said, text in _damaged(rows, damage, language):
                answer = await bench.answer(said, carrier.format(text))
                answers.append(replace(answer, said=replace(said, group=said.group, form=kind, heard=text)))
                alone.append((said, text))
        if not answers:
            continue
        print(f"\n## Corrupted, {language}: {len(rows)} names, those each damage can befall")
        table(answers, lambda a: a.said.form, f"damage (in 「{carrier}」)")
        causes(answers)
        _show_alone(await map_alone(bench, alone), "The map's name search, the damaged names alone")
        for answer in [a for a in answers if a.rank != 1][:failures]:
            print(f"{answer.said.spoken} | {answer.said.heard} | {answer.rank} {answer.did}: {answer.cause}")


def _damaged(rows: Iterable[Said], damage: Damage, language: str) -> list[tuple[Said, str]]:
    dice = random.Random(SEED)
    out = []
    for said in rows:
        name = said.spoken if language == "ja" else said.name
        text = damage(name, said.kana, dice)
        if text != name:
            out.append((said, text))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = Path(__file__).resolve().parents[1]
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("CONCIERGE_HOME", root / ".concierge")))
    parser.add_argument("--spoken", type=int, help="names to be said and heard")
    parser.add_argument("--corrupted", type=int, help="names to be damaged")
    parser.add_argument("--damage", default="", help="only the kinds of damage with these words in their name")
    parser.add_argument("--model", type=Path, help="folder of Whisper base (CTranslate2): hears what was not heard yet")
    parser.add_argument("--skip", type=int, default=0, help="leave out the first so many sentences heard")
    parser.add_argument("--failures", type=int, default=0, help="failures to list")
    options = parser.parse_args()
    bench = Bench(options.data)
    print(f"{platform.machine()}, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}")
    try:
        if options.spoken:
            asyncio.run(spoken(bench, options.spoken, options.model, options.data, options.failures, options.skip))
        if options.corrupted:
            asyncio.run(corrupted(bench, options.corrupted, options.failures, options.damage))
    finally:
        bench.places.close()


if __name__ == "__main__":
    main()
