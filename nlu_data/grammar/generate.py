"""Writes `nlu_data/nlu/{ja,en}/*.yml` (trained on) and `nlu_data/heldout/{ja,en}.jsonl` (never trained on) from the grammars
and from the lines written one by one in `nlu_data/written/{ja,en}/*.tsv` (intent, context, text).

`python -m nlu_data.grammar` writes and prints size and coverage; `--check` only says whether the files are up to date.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import zlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal

from nlu_data.grammar.engine import Example, Grammar, GrammarError, Noise, normal

FOLDER: Final = Path(__file__).parent
NLU_DATA: Final = FOLDER.parent
LANGUAGES: Final = ("ja", "en")
SEED: Final = 20240229

MOST_PER_INTENT: Final = {
    "search_place": 520,
    "narrow": 580,
    "ask_weather": 420,
    "human_talk": 760,
    "out_of_scope": 900,
    "schedule": 420,
    "choose_option": 260,
    "navigate_to": 190,
    "audio_source": 280,
    "ask_traffic": 200,
    "ask_eta": 200,
    "ask_news": 200,
}
"""lines an intent may have in one language, so that none drowns the others"""
MOST_PER_OTHER_INTENT: Final = 150
AFTER_A_NOTICE: Final = {False: 16, True: 5}
"""one line in so many is said after a notice; more of those that often answer one"""
WRITTEN_HELD_OUT: Final = 8
"""one written line in so many is held out"""

_FILLERS_JA: Final = (
    "えーと、",
    "えっと",
    "あのー",
    "あの、",
    "んー、",
    "ええと、",
    "すみません、",
    "ねえ、",
    "あ、",
    "じゃあ",
    "そうですね、",
    "なんか",
)
_FILLERS_EN: Final = ("um ", "uh ", "hey ", "okay ", "so ", "please ", "hey car ", "well ", "hi ", "hey lexus ")


def grammar_of(language: str) -> Grammar:
    """The grammar of one language. Raises `GrammarError`."""
    grammar = Grammar()
    for path in sorted((FOLDER / language).glob("*.txt")):
        grammar.read(path)
    grammar.check()
    return grammar


def _noise(language: str) -> Noise:
    if language == "ja":
        return Noise(_FILLERS_JA, particles="をはがにの", share=0.10)
    return Noise(_FILLERS_EN, share=0.10)


def written_lines(language: str, half: Literal["train", "heldout"]) -> list[Example]:
    """The lines of one half written one by one. Raises `GrammarError`."""
    out: list[Example] = []
    for path in sorted((NLU_DATA / "written" / language).glob("*.tsv")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            columns = line.split("\t")
            if len(columns) != 3 or not all(c.strip() for c in columns):
                raise GrammarError(f"{path.name}:{number}: not three columns: intent, context, text")
            intent, context, text = columns
            # By hash: a line stays in its half whatever is written beside it.
            held_out = zlib.crc32(normal(text).encode()) % WRITTEN_HELD_OUT == 0
            if held_out == (half == "heldout"):
                out.append(Example(intent, text, context))
    return out


def examples_of(language: str, half: Literal["train", "heldout"]) -> list[Example]:
    """The examples of one half, balanced, the same at every call."""
    grammar = grammar_of(language)
    held_out = half == "heldout"
    by_intent: dict[str, list[Example]] = defaultdict(list)
    for example in grammar.examples(seed=SEED + held_out, held_out=held_out, noise=_noise(language)):
        by_intent[example.intent].append(example)
    # What is trained on in another intent, or word for word held out, is left out of the held-out half.
    trained = set()
    if held_out:
        trained = {normal(e.text) for e in examples_of(language, "train")}
    chosen: list[Example] = []
    for intent in sorted(by_intent):
        lines = [e for e in by_intent[intent] if normal(e.text) not in trained]
        most = MOST_PER_INTENT.get(intent, MOST_PER_OTHER_INTENT)
        if held_out:
            most //= 6
        if len(lines) > most:
            # By hash, not by position, for the same reason.
            lines = sorted(lines, key=lambda e: zlib.crc32(f"{SEED}{e.text}".encode()))[:most]
        chosen.extend(lines)
    # The written lines come on top: each is of its own kind.
    generated = {normal(e.text) for e in chosen} | trained
    chosen += [e for e in written_lines(language, half) if normal(e.text) not in generated]
    return one_intent_each(sorted(map(_said_after_a_notice, chosen), key=lambda e: e.intent))


def _said_after_a_notice(example: Example) -> Example:
    """Some lines that need nothing before them stand after a notice, which comes unasked: it does not decide what is meant."""
    answered = example.intent in ("affirm", "deny", "cancel", "change_route", "set_destination", "thanks")
    if example.context not in (("none", "asks_yesno", "done") if answered else ("none", "done")):
        return example
    every = AFTER_A_NOTICE[answered]
    return replace(example, context="notice") if zlib.crc32(f"notice|{example.text}".encode()) % every == 0 else example


def one_intent_each(examples: Sequence[Example]) -> list[Example]:
    """Leaves every text under one intent only, for Rasa's validation: answers first, then by name. Context tells the rest apart."""
    first = {intent: rank for rank, intent in enumerate(("affirm", "deny", "repeat", "go_back"))}
    owner: dict[str, str] = {}
    for example in examples:
        held = owner.get(example.plain)
        if held is None or (first.get(example.intent, 9), example.intent) < (first.get(held, 9), held):
            owner[example.plain] = example.intent
    return [e for e in examples if owner[e.plain] == e.intent]


def rasa_yaml(examples: Sequence[Example]) -> str:
    """Rasa 3.1 training data; each line carries the context it is said in."""
    out = [
        'version: "3.1"',
        "# Generated by `python -m nlu_data.grammar` from nlu_data/grammar; not edited by hand.",
        "nlu:",
    ]
    intent = None
    for example in examples:
        if example.intent != intent:
            intent = example.intent
            out += [f"- intent: {intent}", "  examples:"]
        text = example.text.replace("\n", " ")
        out += ["  - text: |", f"      {text}"]
        if example.context != "none":
            out += ["    metadata:", f"      context: {example.context}"]
    return "\n".join(out) + "\n"


_FILES: Final = {
    "search": ("search_place", "navigate_to", "set_destination", "add_waypoint"),
    "narrow": ("narrow", "choose_option", "next_page", "undo_narrow"),
    "information": ("ask_place", "ask_traffic", "ask_eta", "change_route", "cancel_route", "ask_weather", "ask_news"),
    "car": (
        "audio_source",
        "audio_volume",
        "audio_track",
        "display_control",
        "ask_vehicle",
        "vehicle_refused",
        "climate",
    ),
    "control": (
        "affirm",
        "deny",
        "cancel",
        "go_back",
        "repeat",
        "help",
        "thanks",
        "greet",
        "goodbye",
        "handoff",
        "schedule",
    ),
    "agentplus": (
        "agentplus_control",
        "notice_settings",
        "notice_feedback",
        "forget_preference",
        "ask_prediction",
        "show_learnt",
        "who_drives",
    ),
    "rejected": ("out_of_scope", "chitchat", "human_talk"),
}


def files() -> dict[Path, str]:
    """Every generated file with its text."""
    out: dict[Path, str] = {}
    for language in LANGUAGES:
        examples = examples_of(language, "train")
        intents = {e.intent for e in examples}
        unknown = intents - {i for group in _FILES.values() for i in group}
        if unknown:
            raise GrammarError(f"no file for the intents {sorted(unknown)}")
        for name, group in _FILES.items():
            out[NLU_DATA / "nlu" / language / f"{name}.yml"] = rasa_yaml([e for e in examples if e.intent in group])
        lines = [
            json.dumps(
                {"text": e.plain, "lang": language, "intent": e.intent, "context": e.context}, ensure_ascii=False
            )
            for e in examples_of(language, "heldout")
        ]
        out[NLU_DATA / "heldout" / f"{language}.jsonl"] = "\n".join(lines) + "\n"
    return out


def report() -> str:
    """Size and coverage as text."""
    rows = []
    for language in LANGUAGES:
        grammar = grammar_of(language)
        train, held = examples_of(language, "train"), examples_of(language, "heldout")
        counted, held_counted = Counter(e.intent for e in train), Counter(e.intent for e in held)
        words = {w for e in train for w in re.findall(r"\w+", e.plain)}
        rows.append(
            f"{language}: {len(train)} lines trained on, {len(held)} held out; {len(grammar.templates)} templates "
            f"({sum(t.held_out for t in grammar.templates)} held out), {len(grammar.rules)} rules, "
            f"{len(written_lines(language, 'train'))} written lines, {len(words)} word forms, "
            f"{sum(e.context != 'none' for e in train)} lines with a context"
        )
        rows += [f"  {i:16} {counted[i]:5} {held_counted[i]:5}" for i in sorted(counted)]
    return "\n".join(rows)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m nlu_data.grammar", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file is out of date")
    arguments = parser.parse_args(argv)
    try:
        generated = files()
    except GrammarError as error:
        print(error, file=sys.stderr)
        return 2
    stale = [p for p, text in generated.items() if not p.is_file() or p.read_text(encoding="utf-8") != text]
    if arguments.check:
        for path in stale:
            print(f"out of date: {path.relative_to(NLU_DATA.parent)}")
        return 1 if stale else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(generated[path], encoding="utf-8")
    print(report())
    return 0
