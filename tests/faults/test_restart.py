"""The system is ended and started again on the same data folder: what was going on goes on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent import settings as settings_module
from tests.faults.breaking import FaultySystem, assert_speaks, environment


@contextlib.contextmanager
def started(home: Path) -> Iterator[FaultySystem]:
    settings = settings_module.load(environment=environment(home), overrides={"online": False})
    system = FaultySystem(settings)
    system.start()
    try:
        yield system
    finally:
        system.stop()


@pytest.fixture(scope="module")
def home(own_homes: Any) -> Path:
    made: Path = own_homes("restart")
    return made


def test_a_restart_in_the_middle_of_narrowing(home: Path) -> None:
    with started(home) as system:
        system.register_home("driver")
        system.say("ja", "渋谷のイタリアン", "ja")
        system.say("en", "Italian restaurants in Shibuya", "en")
        before = {s: system.slots(s)["search"]["conditions"] for s in ("ja", "en")}
        assert before["ja"]
        assert before["en"]
    with started(home) as system:
        assert {s: system.slots(s)["search"]["conditions"] for s in ("ja", "en")} == before
        for session, text in (("ja", "駐車場ありで"), ("en", "with parking")):
            # The first message after the restart is in the language of the driver, by its script.
            turn = system.say(session, text)
            assert_speaks(turn, "ja" if session == "ja" else "en")
            now = system.slots(session)["search"]["conditions"]
            assert {k: v for k, v in now.items() if k in before[session]} == before[session]
            assert len(now) > len(before[session])
        home_again = system.say("driver", "自宅に帰りたい", "ja", driver="driver")
        assert "登録されていません" not in home_again.spoke.text
        assert home_again.spoke.context != "apology"


def test_files_that_broke_while_it_was_off(home: Path) -> None:
    """Each costs its own contents, and not the start."""
    state = home / "state"
    (state / "conversations.sqlite").write_bytes(b"garbage" * 3000)
    (state / "memory.sqlite").write_bytes(b"SQLite format 3\x00" + b"\xa5" * 20_000)
    (state / "car.json").write_text('{"vehicle": [' * 3000, encoding="utf-8")
    with started(home) as system:
        turn = system.say("ja", "渋谷のイタリアン", "ja")
        assert_speaks(turn, "ja")
        assert turn.spoke.context != "apology"
        # What was saved is lost with its file; it can be saved again.
        assert "登録されていません" in system.say("driver", "自宅に帰りたい", "ja", driver="driver").spoke.text
        assert system.say("driver", "はい", "ja", driver="driver").spoke.context != "apology"
        assert system.slots("ja")["search"]["conditions"]
    assert len(list(state.glob("conversations.sqlite.broken-*"))) == 1
    assert len(list(state.glob("memory.sqlite.broken-*"))) == 1
    with started(home) as system:
        assert system.slots("ja")["search"]["conditions"]


@pytest.mark.parametrize(
    "text",
    ["[]", "null", "3", "", '{"vehicle": null, "navigation": null}', '{"vehicle": {"values": {}, "leak": {}}, "navigation": {}}',
     '{"vehicle": {"values": {"Vehicle.Speed": "fast"}, "leak": {}, "route": {"geometry": 3}, "odometer": null}, "navigation": []}'],
)  # fmt: skip
async def test_a_car_s_state_that_makes_no_sense(tmp_path: Path, text: str) -> None:
    from agent.composition import open_simulation

    state = tmp_path / "car.json"
    state.write_text(text, encoding="utf-8")
    settings = settings_module.load(environment=environment(tmp_path))
    async with open_simulation(settings, state=state) as simulation:
        assert not simulation.navigation.now()["guiding"]
        assert simulation.vehicle.speed_kmh == 0
