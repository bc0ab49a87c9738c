"""Shared fixtures: the real model and map, built once and kept, and the whole system on them."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from agent import settings as settings_module
from agent.settings import Settings
from agent.training import prepare_environment

T = TypeVar("T")
ROOT = Path(__file__).resolve().parent.parent

# Before anything imports an engine: one thread each, no telemetry.
prepare_environment(settings_module.default_home(os.environ))


def pytest_configure() -> None:
    """Rasa's channels switch the process to uvloop when they are imported: done at once, so that every loop of a run is of one
    kind (a browser cannot be started from a loop of the other)."""
    import uvloop

    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())


@pytest.fixture(scope="session")
def concierge_home() -> Path:
    """The data folder with a trained model for the present nlu_data and a map; made when missing (about two minutes), found
    again on the next run."""
    from agent.composition import ensure_map
    from agent.training import train

    settings = settings_module.load()
    ensure_map(settings, lambda step, done: None)
    train(settings)
    return settings.home


@pytest.fixture(scope="session")
def tiny_model() -> Path:
    """A Rasa model of two intents (tests/data/tiny), trained in seconds when missing."""
    from agent.training import train

    settings = settings_module.load(overrides={"profile": "e5"})
    nlu_data = ROOT / "tests" / "data" / "tiny"
    path, _ = train(replace(settings, home=settings.home / "cache" / "tiny"), nlu_data=nlu_data)
    return path


class RunningSystem:
    """The whole system in an event loop of its own, for tests that are not coroutines."""

    def __init__(self, settings: Settings) -> None:
        from tests.fakes import VirtualTime

        self._settings = settings
        self.time = VirtualTime()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="system under test", daemon=True)
        self._sessions = 0
        self._plus: Any = None

    def start(self) -> None:
        from agent.composition import open_agentplus, open_system
        from simulator.vehicle import SimulatedClock

        self._thread.start()

        async def open_() -> None:
            self._context = open_system(self._settings, lasting=False, clock=SimulatedClock(self.time))
            self.system = await self._context.__aenter__()
            self._plus = open_agentplus(self.system, lambda: [], lasting=False)
            await self._plus.__aenter__()

        self.run(open_(), timeout=300.0)

    def stop(self) -> None:
        if self._plus is not None:
            self.run(self._plus.__aexit__(None, None, None))
        self.run(self._context.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def run(self, coroutine: Coroutine[Any, Any, T], timeout: float = 60.0) -> T:
        """Awaits in the system's loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout)

    def new_session(self) -> str:
        """A conversation nobody had yet, in a car as it was delivered that stands at its usual place."""
        from agent.composition import START
        from tests.fakes import MONDAY_MORNING

        self._sessions += 1
        self.time.now = MONDAY_MORNING

        async def restart() -> None:
            self.system.simulation.restart()
            self.system.simulation.vehicle.reset(START)
            self.system.simulation.controls.reset()

        self.run(restart())
        return f"test-{self._sessions}"


@pytest.fixture(scope="session")
def running(concierge_home: Path) -> Iterator[RunningSystem]:
    """The system, started once for all tests (loading Rasa takes ten seconds)."""
    running = RunningSystem(settings_module.load(overrides={"online": False, "turn_deadline_s": 10.0}))
    running.start()
    yield running
    running.stop()


@pytest.fixture
def system(running: RunningSystem) -> RunningSystem:
    """The running system; take `new_session()` for a fresh conversation."""
    return running
