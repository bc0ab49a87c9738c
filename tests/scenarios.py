"""Scenario files: conversations with what is expected of them (docs/scenarios.md). Read here, played by whoever can."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

SCENARIO_KEYS = {"name", "lang", "given", "turns"}
GIVEN_KEYS = {"position", "time", "weather", "network", "contract", "drive", "guide", "world"}
TURN_KEYS = {"say", "expect", "within_ms", "drive", "world"}
EXPECT_KEYS = {
    "function", "intent", "context", "reply_has", "reply_lacks", "same_reply", "state", "state_has", "absent",
    "actions", "no_actions", "events",
}  # fmt: skip


@dataclass(frozen=True)
class Step:
    """One line of the driver and what is expected after it."""

    say: str
    expect: Mapping[str, Any] = field(default_factory=dict)
    within_ms: float | None = None
    drive: float = 0.0
    """seconds the car drives before the line"""
    world: tuple[Mapping[str, Any], ...] = ()
    """controls (simulator/controls.py) carried out before that"""


@dataclass(frozen=True)
class Scenario:
    file: str
    name: str
    lang: str | None
    given: Mapping[str, Any]
    steps: tuple[Step, ...]

    @property
    def id(self) -> str:
        return f"{self.file}: {self.name}"


@dataclass(frozen=True)
class Outcome:
    """What a turn came to, as far as scenarios look."""

    function: str
    intent: str
    context: str
    reply: str
    state: Mapping[str, Any]
    actions: tuple[str, ...]
    """names of what was done, failed ones with a leading "!" """
    events: tuple[str, ...]
    ms: float


def load(folder: Path) -> list[Scenario]:
    """All scenarios, sorted. Raises `ValueError` naming file and scenario for an unknown key."""
    out: list[Scenario] = []
    for path in sorted(folder.glob("*.yml")):
        for row in yaml.safe_load(path.read_text(encoding="utf-8")) or []:
            where = f"{path.name}: {row.get('name')}"
            _known(where, row, SCENARIO_KEYS)
            _known(where, row.get("given") or {}, GIVEN_KEYS)
            steps = []
            for turn in row["turns"]:
                _known(where, turn, TURN_KEYS)
                expect = turn.get("expect") or {}
                _known(where, expect, EXPECT_KEYS)
                drive, world = float(turn.get("drive") or 0), tuple(turn.get("world") or ())
                steps.append(Step(str(turn["say"]), expect, turn.get("within_ms"), drive, world))
            out.append(Scenario(path.stem, row["name"], row.get("lang"), row.get("given") or {}, tuple(steps)))
    return out


def problems(step: Step, got: Outcome, before: Outcome | None) -> list[str]:
    """What is not as expected, in words."""
    expect = step.expect
    out: list[str] = []
    for key in ("function", "intent", "context"):
        wanted = expect.get(key)
        if wanted is not None and getattr(got, key) not in (wanted if isinstance(wanted, list) else [wanted]):
            out.append(f"{key} is {getattr(got, key)!r}, not {wanted!r}")
    out += [f"reply lacks {p!r}" for p in expect.get("reply_has", ()) if not re.search(str(p), got.reply)]
    out += [f"reply has {p!r}" for p in expect.get("reply_lacks", ()) if re.search(str(p), got.reply)]
    if expect.get("same_reply") and before is not None and got.reply != before.reply:
        out.append("reply is not the same as before")
    out += _state_problems("state", expect.get("state") or {}, got.state)
    out += [f"state has no {key}" for key in expect.get("state_has", ()) if key not in got.state]
    out += [f"state still has {key}={got.state[key]!r}" for key in expect.get("absent", ()) if key in got.state]
    out += [f"{name} was not done" for name in expect.get("actions", ()) if name not in got.actions]
    out += [f"{name} was done" for name in expect.get("no_actions", ()) if name in got.actions]
    out += [f"no event {name}" for name in expect.get("events", ()) if name not in got.events]
    if step.within_ms is not None and got.ms > step.within_ms:
        out.append(f"took {got.ms:.0f} ms, more than {step.within_ms}")
    if not got.reply.strip():
        out.append("silence")
    return out


def _state_problems(where: str, wanted: Mapping[str, Any], got: Mapping[str, Any]) -> list[str]:
    out: list[str] = []
    for key, value in wanted.items():
        if isinstance(value, dict) and isinstance(got.get(key), Mapping):
            out += _state_problems(f"{where}.{key}", value, got[key])
        elif not _same(got.get(key), value):
            out.append(f"{where}.{key} is {got.get(key)!r}, not {value!r}")
    return out


def _same(got: Any, wanted: Any) -> bool:
    """Equal; text without regard to capitals."""
    if isinstance(got, str) and isinstance(wanted, str):
        return got.casefold() == wanted.casefold()
    return bool(got == wanted)


def _known(where: str, row: Mapping[str, Any], keys: Sequence[str] | set[str]) -> None:
    if unknown := set(row) - set(keys):
        raise ValueError(f"{where}: unknown keys {sorted(unknown)}")
