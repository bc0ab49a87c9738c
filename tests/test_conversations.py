"""Every scenario of tests/conversations, played as text through the whole system (docs/scenarios.md)."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from agent import settings as settings_module
from tests.fakes import JAPAN
from tests.scenarios import Outcome, Scenario, Step, load, problems

if TYPE_CHECKING:
    from tests.conftest import RunningSystem

SCENARIOS = load(Path(__file__).with_name("conversations"))
KNOWN: dict[str, str] = yaml.safe_load(Path(__file__).with_name("known_failures.yml").read_text(encoding="utf-8")) or {}
"""scenarios that fail at present, and why; what the dialogue gets wrong stays visible without holding up everything else"""


def test_known_failures_name_scenarios() -> None:
    assert set(KNOWN) <= {scenario.id for scenario in SCENARIOS}
    # Nine in ten are played through; a longer list would be a way of looking away.
    assert len(KNOWN) <= len(SCENARIOS) // 10


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.id)
def test_scenario(scenario: Scenario, system: RunningSystem) -> None:
    wrong, story = played_through(scenario, system)
    if wrong and scenario.id in KNOWN:
        pytest.xfail(KNOWN[scenario.id])
    assert not wrong, "\n".join([*wrong, "", *story])


def test_the_sparse_profile_holds_its_own(concierge_home: Path) -> None:
    """The same scenarios without the sentence encoder: nearly all of them, and those of distress without exception."""
    from agent.training import train
    from tests.conftest import RunningSystem

    settings = settings_module.load(overrides={"profile": "sparse", "online": False, "turn_deadline_s": 10.0})
    train(settings)
    running = RunningSystem(settings)
    running.start()
    try:
        failed = {s.id: wrong for s in SCENARIOS if (wrong := played_through(s, running)[0])}
    finally:
        running.stop()
    assert len(failed) <= len(SCENARIOS) // 10, f"{len(failed)} of {len(SCENARIOS)}: {failed}"
    distress = {s.id for s in SCENARIOS if any(step.expect.get("function") == "safety" for step in s.steps)}
    assert distress
    assert not distress & set(failed)


def played_through(scenario: Scenario, system: RunningSystem) -> tuple[list[str], list[str]]:
    """What came out otherwise than expected, and what was said on the way."""
    session = system.new_session()
    arrange(scenario, system)
    before: Outcome | None = None
    story: list[str] = []
    wrong: list[str] = []
    for step in scenario.steps:
        got = play(step, scenario, system, session)
        story += [f"  driver: {step.say}", f"  agent:  {got.reply}   [{got.intent}]"]
        found = problems(step, got, before)
        wrong += [f"after {step.say!r}: {p}" for p in found]
        story += [f"     !!  {p}" for p in found]
        before = got
    return wrong, story


def arrange(scenario: Scenario, system: RunningSystem) -> None:
    """Brings about what the scenario takes as given."""
    from agent.handoff_composition import open_hands
    from backends.model import Position

    given, simulation = scenario.given, system.system.simulation

    async def act() -> None:
        if given.get("agentplus"):
            await fresh_driver(system)
        if "position" in given:
            simulation.restart(Position(*given["position"]))
        if "weather" in given:
            simulation.world.force_weather(given["weather"])
        simulation.world.network_lost = given.get("network") == "lost"
        simulation.world.contract_cancelled = given.get("contract") == "cancelled"
        if guide := given.get("guide"):
            latitude, longitude = guide["position"]
            async with open_hands(system.system.settings, simulation) as carry_out:
                await carry_out(
                    "destination", {"name": guide["name"], "latitude": latitude, "longitude": longitude}, "ja"
                )
        for control in given.get("world", ()):
            simulation.controls.apply(control)

    if "time" in given:
        at = datetime.fromisoformat(str(given["time"]))
        system.time.now = at if at.tzinfo else at.replace(tzinfo=JAPAN)
    system.run(act())


async def fresh_driver(system: RunningSystem) -> None:
    """The owner at the wheel, of whom Agent+ knows nothing."""
    plus = system.system.plus
    assert plus is not None
    plus.key = None
    await plus.step()
    await plus.perform({"do": "initialise", "confirm": True}, "ja")
    plus.replies.pending = None


def play(step: Step, scenario: Scenario, system: RunningSystem, session: str) -> Outcome:
    from agent.composition import reported_state

    language = scenario.lang if scenario.lang in ("ja", "en") else None

    async def turn() -> Outcome:
        for control in step.world:
            system.system.simulation.controls.apply(control)
        if step.drive:
            system.time.advance(step.drive)
            system.system.simulation.vehicle.step(step.drive)
        started = time.perf_counter()
        result = await system.system.conversation.turn(session, step.say, language=language, driver=session)
        ms = (time.perf_counter() - started) * 1000
        understood = result.understood
        slots = result.slots or await system.system.dialogue.slots(session)
        return Outcome(
            function=understood.function if understood else "",
            intent=understood.intent if understood else "",
            context=result.spoke.context,
            reply=result.spoke.text,
            state=reported_state(slots, result.spoke.language),
            actions=tuple(a.name if a.ok else f"!{a.name}" for a in result.acted),
            events=tuple(e.type for e in result.events),
            ms=ms,
        )

    return system.run(turn())
