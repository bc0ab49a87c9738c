"""The whole system, started once, to be broken and mended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent import settings as settings_module
from tests.faults.breaking import DEADLINE_S, FaultySystem, environment, own_home


@pytest.fixture(scope="session")
def own_homes(concierge_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Makes data folders with the trained model and the map, and no state."""
    return lambda name: own_home(tmp_path_factory.mktemp(name) / "home", concierge_home)


@pytest.fixture(scope="session")
def faulty_home(own_homes: Callable[[str], Path]) -> Path:
    return own_homes("faulty")


@pytest.fixture(scope="session")
def faulty_session(faulty_home: Path) -> Iterator[FaultySystem]:
    settings = settings_module.load(
        environment=environment(faulty_home), overrides={"online": False, "turn_deadline_s": DEADLINE_S}
    )
    system = FaultySystem(settings)
    system.start()
    yield system
    system.stop()


@pytest.fixture
def faulty(faulty_session: FaultySystem) -> Iterator[FaultySystem]:
    yield faulty_session
    for port in faulty_session.ports.values():
        port.fault = None
    simulation = faulty_session.system.simulation
    simulation.viss.faults.__init__()  # type: ignore[misc]
    simulation.world.network_lost = False
