"""A session recorded as a scenario file (docs/scenarios.md): what the tester arranged, what was said, what came of it.

Only on a tester's request, and only in memory: the text goes to the page that asked for it and is kept nowhere. A recording
begins with a new conversation, so that it can be played from the start.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import yaml

from agent.composition import System, reported_state
from agent.conversation import TurnResult
from agent.errors import AgentError
from agent.events import Heard
from backends.model import Position

MAX_TURNS: Final = 300
MAX_CONTROLS: Final = 1_000
MAX_NAME: Final = 80


class Recorder:
    """One session being recorded. `changed` is called whenever something was added."""

    def __init__(self, system: System, session: str, name: str, changed: Callable[[], None]) -> None:
        self._system, self._session, self._changed = system, session, changed
        self.name = " ".join(name.split())[:MAX_NAME] or "recorded"
        self._given = _given(system)
        self._steps: list[dict[str, Any]] = []
        self._world: list[dict[str, Any]] = []
        """arranged since the line before"""
        self._controls = 0
        self._languages: set[str] = set()
        self._reading: set[asyncio.Task[None]] = set()
        self._mark()
        system.conversation.observers.append(self._turn)
        self._end_controls = system.simulation.controls.on_control(self.control)

    @property
    def turns(self) -> int:
        return len(self._steps)

    @property
    def controls(self) -> int:
        return self._controls

    async def finish(self) -> str:
        """Ends the recording: the scenario file's text."""
        self.close()
        if self._reading:
            await asyncio.wait(self._reading, timeout=2.0)
        return self._text()

    def close(self) -> None:
        """Ends the recording; what was recorded is forgotten with it."""
        if self._turn in self._system.conversation.observers:
            self._system.conversation.observers.remove(self._turn)
            self._end_controls()

    def control(self, control: Mapping[str, Any]) -> None:
        """Something was arranged, by a control or by touch."""
        if self._controls >= MAX_CONTROLS:
            return
        if control.get("do") == "clock" and "rate" in control:
            # How fast time went shows in how far the car came.
            return
        if (seconds := self._driven()) and control.get("do") != "pass":
            self._world.append({"do": "pass", "seconds": seconds})
        self._world.append(dict(control))
        self._controls += 1
        self._mark()
        self._changed()

    # ── turns ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _turn(self, result: TurnResult) -> None:
        heard = result.events[0]
        if not isinstance(heard, Heard) or heard.session != self._session or len(self._steps) >= MAX_TURNS:
            return
        step: dict[str, Any] = {"say": heard.text}
        if result.events[-1].type != "spoke":
            # An operator held the line: what becomes of the words is not the dialogue's.
            return
        if self._world:
            step["world"], self._world = self._world, []
        if seconds := self._driven():
            step["drive"] = seconds
        self._mark()
        self._languages.add(heard.language)
        understood = result.understood
        expect: dict[str, Any] = {"function": understood.function} if understood is not None else {}
        expect["context"] = result.spoke.context
        if actions := [a.name if a.ok else f"!{a.name}" for a in result.acted]:
            expect["actions"] = list(dict.fromkeys(actions))
        if any(event.type == "error" for event in result.events):
            expect["events"] = ["error"]
        step |= {"expect": expect, "answer": result.spoke.text, "language": result.spoke.language}
        self._steps.append(step)
        if result.slots:
            self._state(len(self._steps) - 1, result.slots)
        else:
            task = asyncio.create_task(self._ask_state(len(self._steps) - 1))
            self._reading.add(task)
            task.add_done_callback(self._reading.discard)
        self._changed()

    async def _ask_state(self, number: int) -> None:
        # Without the engine nothing is expected of the state.
        with contextlib.suppress(AgentError):
            self._state(number, await self._system.dialogue.slots(self._session))

    def _state(self, number: int, slots: Mapping[str, Any]) -> None:
        step = self._steps[number]
        now = _plain(reported_state(slots, step["language"]))
        step["state"] = now
        if now:
            step["expect"]["state"] = now
        before = self._steps[number - 1].get("state", {}) if number else {}
        if gone := sorted(set(before) - set(now)):
            step["expect"]["absent"] = gone

    # ── time and place ──────────────────────────────────────────────────────────────────────────────────────────

    def _mark(self) -> None:
        simulation = self._system.simulation
        self._at, self._jumped = simulation.clock(), simulation.controls.jumped_s
        self._place = simulation.vehicle.position

    def _driven(self) -> int:
        """Whole seconds of car time the car has driven since the mark; 0 when it stood."""
        simulation = self._system.simulation
        if simulation.vehicle.position == self._place:
            return 0
        passed = (simulation.clock() - self._at).total_seconds() - (simulation.controls.jumped_s - self._jumped)
        return max(0, round(passed))

    # ── the file ────────────────────────────────────────────────────────────────────────────────────────────────

    def _text(self) -> str:
        head: dict[str, Any] = {"name": self.name}
        if len(self._languages) == 1:
            head["lang"] = next(iter(self._languages))
        head["given"] = self._given
        out = [_indented(_dump([head]), "")]
        out.append("  turns:\n")
        for step in self._steps:
            row = {key: step[key] for key in ("say", "world", "drive", "expect") if key in step}
            answer = "".join(c for c in " ".join(step["answer"].split()) if c.isprintable())
            out.append(_indented(f"# {answer}\n{_dump([row])}", "    "))
        if not self._steps:
            out.append("    []\n")
        return "".join(out)


def _given(system: System) -> dict[str, Any]:
    """The present state of car and world, as a scenario takes it for given."""
    simulation = system.simulation
    place = simulation.vehicle.position
    given: dict[str, Any] = {
        "position": [round(place.latitude, 6), round(place.longitude, 6)],
        "time": simulation.clock().replace(tzinfo=None).isoformat(timespec="seconds"),
    }
    status = simulation.navigation.now()
    goal = status.get("destination")
    if status["guiding"] and isinstance(goal, Position):
        given["guide"] = {"name": str(status["name"]), "position": [goal.latitude, goal.longitude]}
    if world := simulation.controls.as_controls():
        given["world"] = _plain(world)
    return given


def _plain(value: Any) -> Any:
    """Only what YAML has words for."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _dump(value: Any) -> str:
    return yaml.safe_dump(value, allow_unicode=True, sort_keys=False, default_flow_style=None, width=120)


def _indented(text: str, by: str) -> str:
    return "".join(f"{by}{line}\n" for line in text.splitlines())
