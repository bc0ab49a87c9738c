"""What the commands share: what must be there first, progress, lines in and out."""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO, TypeVar

from agent.errors import StartError
from agent.settings import Settings, check_home

T = TypeVar("T")
Handler = Callable[[Settings, argparse.Namespace], int]
Command = Callable[[str, Handler, str], argparse.ArgumentParser]
"""makes a command: its name, what runs it, what it is for"""


def help_of(parser: argparse.ArgumentParser) -> int:
    parser.print_help()
    return 2


def prepare(settings: Settings) -> None:
    """Builds the demo map and trains the model where they are missing, with visible progress."""
    from agent.composition import ensure_map, map_is_ready
    from agent.training import model_path, train

    check_home(settings)
    if not map_is_ready(settings):
        print("Building the map of the demo region, Tokyo to Hakone (about half a minute).", file=sys.stderr)
        seconds = with_progress(lambda progress: ensure_map(settings, progress))
        print(f"The map was built in {seconds:.0f} s.", file=sys.stderr)
    if not model_path(settings).exists():
        print("Training the dialogue model (at most 4 minutes; later starts reuse it).", file=sys.stderr)
        _, seconds = with_progress(lambda progress: train(settings, progress))
        print(f"The model was trained in {seconds:.0f} s.", file=sys.stderr)


def prepare_speech(settings: Settings) -> None:
    """At the first start gets the speech models that can be had, and says what works; text works without."""
    from agent.speech_models import ensure_models

    told: list[str] = []
    with_progress(lambda progress: ensure_models(settings, progress, told.append))
    for line in told:
        print(line, file=sys.stderr)


def with_progress(work: Callable[[Callable[[str, float], None]], T]) -> T:
    """Runs `work` with a progress bar on standard error (plain lines where that is no terminal)."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        told: list[str] = []

        def plain(step: str, done: float) -> None:
            if not told or told[-1] != step:
                told.append(step)
                print(f"  {done:4.0%} {step}", file=sys.stderr)

        return work(plain)
    columns = (
        SpinnerColumn(),
        BarColumn(),
        TextColumn("{task.percentage:3.0f}%"),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=1.0)
        return work(lambda step, done: bar.update(task, completed=done, description=step))


def lines_out() -> TextIO:
    """Standard output for JSON lines: UTF-8, whatever the terminal's own character set is."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    return sys.stdout


@contextlib.contextmanager
def input_of(path: Path | None) -> Any:
    if path is None:
        yield sys.stdin.buffer
        return
    try:
        with path.open("rb") as lines:
            yield lines
    except OSError as error:
        raise StartError(f"{path} cannot be read: {error.strerror}.") from error
