"""How well each intent holds on lines left out of training: `python -m benchmarks.crossvalidation [--folds N] [--profile NAME]`.

Cuts nlu_data/nlu into folds (by a hash of each line, so that they stay the same), trains the pipeline of a profile on all but one
and has it understand that one. Prints precision, recall and F1 of every intent, and the failures by kind; the same goes into
docs/understanding.md. `rasa test nlu --cross-validation` does the like with Rasa's own runner (`concierge rasa` has its model), several
times slower. Grammar lines of one template stand in several folds; the lines written one by one, counted apart, are the harder ones.
"""

from __future__ import annotations

import argparse
import copy
import os
import sys
import tempfile
import time
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.understanding import PROJECT, Pipeline, compose, machine

PART: Final = PROJECT / "benchmarks" / "understanding_crossvalidation.md"
EXAMPLES = 2
KINDS: Final = (
    ("asks nothing, was acted on", lambda meant, got, acting: meant == "chitchat_oos" and got in acting),
    ("asks something, was taken for chatter", lambda meant, got, acting: meant in acting and got == "chitchat_oos"),
    ("another function that acts", lambda meant, got, acting: meant in acting and got in acting and meant != got),
    (
        "steering the dialogue, either way",
        lambda meant, got, acting: "dialogue_control" in (meant, got) and meant != got,
    ),
    ("right function, another intent", lambda meant, got, acting: meant == got),
    ("other", lambda meant, got, acting: True),
)
"""kinds of failures, the first that fits counts"""


@dataclass(frozen=True, slots=True)
class Judged:
    text: str
    language: str
    meant: str
    understood: str
    written: bool
    """written by hand, not made by a grammar"""


def fold_of(text: str, folds: int) -> int:
    return zlib.crc32(f"fold|{text}".encode()) % folds


def judged(profile: str, folds: int, data: Any, written: frozenset[str]) -> Iterator[Judged]:
    """Every training line, understood by a model that was not trained on it."""
    from rasa.shared.nlu.training_data.training_data import TrainingData

    config = PROJECT / "nlu_data" / ("config.yml" if profile == "e5" else f"config.{profile}.yml")
    examples = data.intent_examples
    for fold in range(folds):
        started = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            pipeline = Pipeline(config, Path(folder))
            # Training writes features into the messages: each fold has its own.
            kept = [copy.deepcopy(m) for m in examples if fold_of(m.get("text"), folds) != fold]
            pipeline.train_on(TrainingData(kept))
            for message in examples:
                text = message.get("text")
                if fold_of(text, folds) != fold:
                    continue
                metadata = message.get("metadata") or {}
                got = pipeline.parse(text, metadata.get("example", metadata))
                language = got.get("language") or "ja"
                yield Judged(text, language, message.get("intent"), got.get("intent")["name"] or "", text in written)
        print(f"fold {fold + 1} of {folds}: {time.perf_counter() - started:.0f} s", file=sys.stderr)


def scores(rows: Sequence[Judged]) -> Iterator[tuple[str, float, float, float, int]]:
    """Intent, precision, recall, F1, lines."""
    meant, got = Counter(r.meant for r in rows), Counter(r.understood for r in rows)
    right = Counter(r.meant for r in rows if r.meant == r.understood)
    for intent in sorted(meant):
        precision = right[intent] / max(1, got[intent])
        recall = right[intent] / meant[intent]
        f1 = 2 * precision * recall / (precision + recall) if right[intent] else 0.0
        yield intent, precision, recall, f1, meant[intent]


def report(rows: Sequence[Judged], profile: str, folds: int, seconds: float) -> Iterator[str]:
    from agent.nlu.functions import ACTING, function_of

    yield "## Cross-validation\n"
    yield (
        f"`python -m benchmarks.crossvalidation --folds {folds} --profile {profile}` took {seconds:.0f} s ({machine()}).\n"
        "Each line is understood by a model trained without it; rejection is on, as in the car."
    )
    for label, some in (("all lines", rows), ("lines written one by one", [r for r in rows if r.written])):
        table = list(scores(some))
        accuracy = sum(r.meant == r.understood for r in some) / max(1, len(some))
        macro = sum(f1 for *_, f1, _ in table) / max(1, len(table))
        yield f"\n{label}: {len(some)}, intent accuracy {accuracy:.3f}, macro-F1 {macro:.3f}"
    yield "\n| intent | precision | recall | F1 | lines | written: F1 | lines |\n|---|---|---|---|---|---|---|"
    by_hand = {i: (f1, n) for i, _, _, f1, n in scores([r for r in rows if r.written])}
    for intent, precision, recall, f1, count in scores(rows):
        own, lines = by_hand.get(intent, (0.0, 0))
        yield f"| {intent} | {precision:.2f} | {recall:.2f} | {f1:.2f} | {count} | {own:.2f} | {lines} |"
    wrong = [r for r in rows if r.meant != r.understood]
    kinds: dict[str, list[Judged]] = defaultdict(list)
    for row in wrong:
        meant, got = function_of(row.meant), function_of(row.understood)
        kinds[next(name for name, fits in KINDS if fits(meant, got, ACTING))].append(row)
    yield f"\nFailures by kind ({len(wrong)} of {len(rows)} lines; ja / en):\n"
    yield "| kind | ja | en | most of them (meant → understood) |\n|---|---|---|---|"
    for name, _ in KINDS:
        rows_of = kinds.get(name, [])
        pairs = Counter((r.meant, r.understood) for r in rows_of).most_common(4)
        said = ", ".join(f"{a} → {b} {n}" for (a, b), n in pairs)
        yield f"| {name} | {sum(r.language == 'ja' for r in rows_of)} | {sum(r.language == 'en' for r in rows_of)} | {said} |"
    yield "\nThe commonest confusions with examples from our own lines:\n"
    for (meant, got), count in Counter((r.meant, r.understood) for r in wrong).most_common(12):
        some = [r.text for r in wrong if (r.meant, r.understood) == (meant, got)][:EXAMPLES]
        yield f"- {meant} → {got} ({count}): " + "; ".join(f"“{text}”" for text in some)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crossvalidation", description=__doc__)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--profile", choices=("sparse", "e5"), default="sparse")
    arguments = parser.parse_args(argv)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from rasa.shared.nlu.training_data.loading import load_data

    from nlu_data.grammar.generate import LANGUAGES, written_lines

    written = frozenset(e.plain for language in LANGUAGES for e in written_lines(language, "train"))
    started = time.perf_counter()
    rows = list(judged(arguments.profile, arguments.folds, load_data(str(PROJECT / "nlu_data" / "nlu")), written))
    text = "\n".join(report(rows, arguments.profile, arguments.folds, time.perf_counter() - started)) + "\n"
    print(text)
    PART.write_text(text, encoding="utf-8")
    compose()
    return 0


if __name__ == "__main__":
    sys.exit(main())
