"""How well strangers' sentences are understood: `python -m benchmarks.understanding [--fast] [--calibrate] [--profile NAME]`.

Trains the NLU pipelines of nlu_data/config*.yml on nlu_data/nlu, runs them over the sentences in ../shared/evaluation (or
$CONCIERGE_SHARED), which nobody here wrote and nothing here is trained on, and over our own held-out half; prints the tables
and writes them to docs/understanding.md. `--fast`: the sparse profile on a fifth of the lines, nothing written.
`--calibrate`: prints the temperature that fits the held-out half best.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml

PROJECT: Final = Path(__file__).resolve().parents[1]
CORPORA: Final = ("jmultiwoz_dev_ja", "kvret_dev_en", "slurp_devel_en", "topv2_validation_en", "bsd_chatter_dev_ja_en")
FOUR: Final = ("destination_search", "filter_results", "weather", "chitchat_oos")
EIGHT: Final = (*FOUR, "news", "traffic_route", "audio_vehicle_control", "climate")
TELLING: Final = frozenset(
    {"ask_weather", "ask_news", "ask_traffic", "ask_eta", "ask_place", "ask_vehicle", "ask_prediction", "show_learnt"}
)
"""intents that only tell something: no search, setting, vehicle or handoff"""
HARMLESS: Final = ("dialogue_control", "schedule_other")
"""answers to a line that asks nothing of the car that count as right: nothing was done"""


@dataclass(frozen=True, slots=True)
class Line:
    text: str
    language: str
    gold: str
    """function; for our own held-out lines the intent"""
    source: str
    metadata: Mapping[str, Any]


@dataclass
class Answers:
    lines: list[Line]
    functions: list[str] = field(default_factory=list)
    intents: list[str] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)


class Pipeline:
    """The components of a Rasa configuration, run one after the other without the rest of Rasa round them."""

    def __init__(self, config: Path, folder: Path, *, without: Sequence[str] = ()) -> None:
        from rasa.engine.graph import ExecutionContext, GraphSchema
        from rasa.engine.storage.local_model_storage import LocalModelStorage
        from rasa.engine.storage.resource import Resource

        storage = LocalModelStorage(folder)
        context = ExecutionContext(GraphSchema({}))
        self.components: list[Any] = []
        for number, entry in enumerate(yaml.safe_load(config.read_text(encoding="utf-8"))["pipeline"]):
            path = entry["name"]
            if path.rsplit(".", 1)[-1] in without:
                continue
            module, name = path.rsplit(".", 1)
            cls = getattr(importlib.import_module(module), name)
            options = {**cls.get_default_config(), **{k: v for k, v in entry.items() if k != "name"}}
            context.node_name = f"{number}_{name}"
            self.components.append(cls.create(options, storage, Resource(context.node_name), context))

    def train(self, nlu: Path) -> float:
        """Trains on every file of `nlu`; seconds it took."""
        from rasa.shared.nlu.training_data.loading import load_data

        return self.train_on(load_data(str(nlu)))

    def train_on(self, data: Any) -> float:
        """Trains on Rasa's training data; seconds it took."""
        started = time.perf_counter()
        for component in self.components:
            if hasattr(component, "train"):
                component.train(data)
            component.process_training_data(data)
        return time.perf_counter() - started

    def parse(self, text: str, metadata: Mapping[str, Any]) -> Any:
        """One message through every component."""
        from rasa.shared.nlu.training_data.message import Message

        message = Message({"text": text, "metadata": dict(metadata)})
        for component in self.components:
            component.process([message])
        return message


def corpus_lines(shared: Path, *, every: int = 1) -> list[Line]:
    """Scored lines (map_conf high and medium) of the evaluation folder, each with what the system had said."""
    lines = []
    for name in CORPORA:
        rows = [json.loads(row) for row in (shared / "evaluation" / f"{name}.jsonl").open(encoding="utf-8")]
        for row in rows[::every]:
            if row["function"] is None or row["map_conf"] not in ("high", "medium"):
                continue
            language = row.get("lang") or "ja"
            metadata = {"language": language, "context_text": row.get("context") or ""}
            lines.append(Line(row["text"], language, row["function"], name, metadata))
    return lines


def held_out_lines() -> list[Line]:
    lines = []
    for language in ("ja", "en"):
        for row in (PROJECT / "nlu_data" / "heldout" / f"{language}.jsonl").open(encoding="utf-8"):
            data = json.loads(row)
            metadata = {"language": language, "context": data["context"]}
            lines.append(Line(data["text"], language, data["intent"], "own held-out half", metadata))
    return lines


def answer(pipeline: Pipeline, lines: Sequence[Line], *, context: bool = True) -> Answers:
    from agent.nlu.functions import function_of

    answers = Answers(list(lines))
    for line in lines:
        metadata = line.metadata if context else {"language": line.language}
        started = time.perf_counter()
        message = pipeline.parse(line.text, metadata)
        answers.milliseconds.append((time.perf_counter() - started) * 1000)
        intent = message.get("intent")["name"]
        answers.intents.append(intent or "")
        answers.functions.append(function_of(intent))
    return answers


def pairs(answers: Answers, wanted: Callable[[Line], bool]) -> list[tuple[str, str]]:
    """(gold, answered) by the scoring rule: doing nothing is right where nothing was asked."""
    out = []
    for line, function in zip(answers.lines, answers.functions, strict=True):
        if wanted(line):
            right = line.gold == "chitchat_oos" and function in HARMLESS
            out.append((line.gold, "chitchat_oos" if right else function))
    return out


def scores(scored: Sequence[tuple[str, str]], functions: Sequence[str]) -> dict[str, tuple[float, float, float, int]]:
    """Precision (over all lines scored), recall, F1 and count for each function that occurs."""
    out = {}
    for function in functions:
        count = sum(gold == function for gold, _ in scored)
        if not count:
            continue
        hits = sum(gold == answered == function for gold, answered in scored)
        precision = hits / max(1, sum(answered == function for _, answered in scored))
        recall = hits / count
        f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
        out[function] = (precision, recall, f1, count)
    return out


def macro(table: Mapping[str, tuple[float, float, float, int]]) -> float:
    return float(np.mean([row[2] for row in table.values()])) if table else float("nan")


def action_rate(answers: Answers, language: str, source: str, *, doing: bool = False) -> tuple[float, int]:
    """Share of lines that ask nothing of the car and were answered with an action; `doing`: not counting what only tells."""
    from agent.nlu.functions import ACTING

    acted = [
        function in ACTING and not (doing and intent in TELLING)
        for line, function, intent in zip(answers.lines, answers.functions, answers.intents, strict=True)
        if line.language == language and line.source == source and line.gold == "chitchat_oos"
    ]
    return (float(np.mean(acted)) if acted else float("nan")), len(acted)


def tables(answers: Answers) -> Iterator[str]:
    for language in ("ja", "en"):
        scored = pairs(answers, lambda line, language=language: line.language == language)  # type: ignore[misc]
        yield f"\n### {'Japanese' if language == 'ja' else 'English'}: {len(scored)} lines\n"
        for label, functions in (("four functions", FOUR), ("all functions present", EIGHT)):
            yield f"macro-F1 over {label}: **{macro(scores(scored, functions)):.3f}**\n"
        yield "| function | precision | recall | F1 | lines |\n|---|---|---|---|---|"
        for function, (precision, recall, f1, count) in scores(scored, EIGHT).items():
            yield f"| {function} | {precision:.2f} | {recall:.2f} | {f1:.2f} | {count} |"
        yield "\nConfusion (rows: meant, columns: understood):\n"
        yield from confusion(scored)
        yield "\nActions on lines that ask nothing of the car (in brackets without those that only tell something):\n"
        for source in CORPORA:
            rate, count = action_rate(answers, language, source)
            if count:
                did, _ = action_rate(answers, language, source, doing=True)
                yield f"- {source}: {rate:.1%} ({did:.1%}) of {count}"


def confusion(scored: Sequence[tuple[str, str]]) -> Iterator[str]:
    counted = Counter(scored)
    golds = sorted({gold for gold, _ in scored})
    columns = sorted({answered for _, answered in scored} | set(golds))
    yield "| | " + " | ".join(columns) + " |"
    yield "|---" * (len(columns) + 1) + "|"
    for gold in golds:
        yield f"| {gold} | " + " | ".join(str(counted[gold, c] or "·") for c in columns) + " |"


def held_out_table(answers: Answers) -> Iterator[str]:
    from agent.nlu.functions import function_of

    for language in ("ja", "en"):
        rows = [
            (line.gold, intent)
            for line, intent in zip(answers.lines, answers.intents, strict=True)
            if line.language == language
        ]
        intents = float(np.mean([gold == got for gold, got in rows]))
        functions = float(np.mean([function_of(gold) == function_of(got) for gold, got in rows]))
        yield f"- {language}: intent {intents:.3f}, function {functions:.3f} of {len(rows)} lines"


def fitted_temperature(pipeline: Pipeline) -> float:
    from agent.nlu.rejection import fit_temperature

    classifier = pipeline.components[-1]
    lines = [line for line in held_out_lines() if line.gold in classifier.intents]
    messages = [pipeline.parse(line.text, line.metadata) for line in lines]
    return fit_temperature(classifier.scores(messages), [classifier.intents.index(line.gold) for line in lines])


def machine() -> str:
    name = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ():
        if line.startswith("model name"):
            name = line.split(":", 1)[1].strip()
            break
    load = (
        f"load average {os.getloadavg()[0]:.1f} at the end of the run"  # others' work makes times longer than they are
    )
    return f"{name}, {os.cpu_count()} cores, Python {platform.python_version()}, {load}"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.understanding", description=__doc__)
    parser.add_argument(
        "--fast", action="store_true", help="the sparse profile on a fifth of the lines; writes nothing"
    )
    parser.add_argument("--calibrate", action="store_true", help="print the temperature that fits the held-out half")
    parser.add_argument("--profile", choices=("e5", "sparse"), help="only this profile; writes nothing")
    arguments = parser.parse_args(argv)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    shared = Path(os.environ.get("CONCIERGE_SHARED", PROJECT.parent / "shared"))
    have_corpora = (shared / "evaluation").is_dir()
    if not have_corpora:
        print(f"no evaluation folder at {shared}: only the own held-out half is measured", file=sys.stderr)
    profiles = [arguments.profile] if arguments.profile else ["sparse"] if arguments.fast else ["e5", "sparse"]
    lines = corpus_lines(shared, every=5 if arguments.fast else 1) if have_corpora else []
    report: list[str] = []
    summary: list[str] = []
    for profile in profiles:
        config = PROJECT / "nlu_data" / ("config.yml" if profile == "e5" else f"config.{profile}.yml")
        with tempfile.TemporaryDirectory() as folder:
            pipeline = Pipeline(config, Path(folder))
            seconds = pipeline.train(PROJECT / "nlu_data" / "nlu")
            if arguments.calibrate:
                print(f"{profile}: temperature {fitted_temperature(pipeline)}")
                continue
            pipeline.parse("こんにちは", {})
            answers = answer(pipeline, lines)
            own = answer(pipeline, held_out_lines())
            blind = (
                answer(pipeline, [x for x in lines if x.language == "ja"], context=False)
                if not arguments.fast
                else None
            )
        report += [f"\n## Profile `{profile}`\n", f"Trained in {seconds:.0f} s."]
        if lines:
            p50, p95 = np.percentile(answers.milliseconds, (50, 95))
            report += [f"A message takes {p50:.1f} ms (p50), {p95:.1f} ms (p95), values included.", *tables(answers)]
            cells = []
            for language in ("ja", "en"):
                scored = pairs(answers, lambda line, language=language: line.language == language)  # type: ignore[misc]
                cells += [f"{macro(scores(scored, FOUR)):.3f}", f"{macro(scores(scored, EIGHT)):.3f}"]
            cells += [f"{action_rate(answers, lang, CORPORA[-1])[0]:.1%}" for lang in ("ja", "en")]
            summary.append(f"| {profile} | " + " | ".join([*cells, f"{p50:.1f}", f"{p95:.1f}"]) + " |")
        if lines and blind is not None:
            scored = pairs(blind, lambda line: True)
            report.append(
                f"\nWithout knowing what the system had said, ja has {macro(scores(scored, FOUR)):.3f} over four functions."
            )
        report += ["\n### Own held-out half (templates and inventory values never trained on)\n", *held_out_table(own)]
    if arguments.calibrate:
        return 0
    head = [
        "# How well strangers are understood",
        "",
        "Written by `python -m benchmarks.understanding`; nothing of the corpora named here is trained on.",
        f"Machine: {machine()}.",
        "",
        "A dialogue_control or schedule_other answer to a line that asks nothing of the car counts as right: nothing was done.",
        "Precision counts every scored line of the language, whatever function it belongs to.",
        "These lines were also looked at while the grammars were written: see *What these figures are not* below.",
        "",
    ]
    if summary:
        head += [
            "| profile | ja, four functions | ja, all | en, four | en, all | actions on chatter ja | en | p50 ms | p95 ms |",
            "|---|---|---|---|---|---|---|---|---|",
            *summary,
        ]
    text = "\n".join(head + report) + "\n"
    print(text)
    if not arguments.fast and not arguments.profile and lines:
        compose(text)
    return 0


PARTS: Final = ("means", "choosing", "crossvalidation")
"""what follows the measured tables in docs/understanding.md: benchmarks/understanding_NAME.md"""


def compose(measured: str | None = None) -> None:
    """Writes docs/understanding.md: the tables measured here (None: those that stand in it) and the parts of other commands."""
    page = PROJECT / "docs" / "understanding.md"
    if measured is None:
        measured = page.read_text(encoding="utf-8").split("\n## Means tried", 1)[0] + "\n"
    parts = [PROJECT / "benchmarks" / f"understanding_{name}.md" for name in PARTS]
    page.write_text(
        "\n".join([measured, *(p.read_text(encoding="utf-8") for p in parts if p.exists())]), encoding="utf-8"
    )


if __name__ == "__main__":
    sys.exit(main())
