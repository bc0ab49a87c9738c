"""How often the place meant is taken from a list that was just read out.

    uv run python -m benchmarks.choosing [--show]

Plays the scenarios `tests/conversations/choice_*.yml` (written apart from the training data and the rules) through the whole
system and prints, for each file, how many times the place chosen is the one meant, and what went wrong.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from agent import settings as settings_module
from tests.conftest import RunningSystem
from tests.scenarios import Scenario, load, problems
from tests.test_conversations import arrange, play

ROOT = Path(__file__).resolve().parents[1]


def choose(scenario: Scenario, system: RunningSystem) -> tuple[bool, str]:
    """Whether the place meant was taken, and what came out instead."""
    session = system.new_session()
    arrange(scenario, system)
    got = None
    for step in scenario.steps:
        before, got = got, play(step, scenario, system, session)
    assert got is not None
    wrong = problems(scenario.steps[-1], got, before)
    return not wrong, f"{'; '.join(wrong)} [{got.intent}] {got.reply}"


def measure(files: Sequence[str], system: RunningSystem, *, show: bool) -> str:
    """A Markdown table, a row a file; with `show` a line for each failure after it."""
    rows, wrong = ["| set | lines | right |", "|---|---|---|"], []
    scenarios = load(ROOT / "tests" / "conversations")
    for file in files:
        played = [s for s in scenarios if s.file == file]
        right = 0
        for scenario in played:
            taken, instead = choose(scenario, system)
            right += taken
            if not taken:
                wrong.append(f"- {file}: {scenario.steps[-1].say!r}: {instead}")
        rows.append(f"| {file} | {len(played)} | {right / len(played):.3f} |")
    return "\n".join([*rows, *(["", *wrong] if show else [])])


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.choosing", description=__doc__)
    parser.add_argument("--show", action="store_true", help="list what went wrong")
    parser.add_argument("--sets", nargs="*", help="file names without .yml; all of them otherwise")
    arguments = parser.parse_args(argv)
    files = arguments.sets or sorted(p.stem for p in (ROOT / "tests" / "conversations").glob("choice_*.yml"))
    system = RunningSystem(settings_module.load(overrides={"online": False, "turn_deadline_s": 10.0}))
    system.start()
    try:
        table = measure(files, system, show=arguments.show)
    finally:
        system.stop()
    print(f"Load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.\n\n{table}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
