"""What the head unit shows and operates: the car's signals, what was said before, its settings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.recordings import Recordings
from agent.web.shown import EVENTS
from agent.web.signals import shown_signals
from tests.web_front import Front, open_front

HVAC = "Vehicle.Cabin.HVAC.Station.Row1.Driver.Temperature"
DOOR = "Vehicle.Cabin.Door.Row1.DriverSide.IsLocked"


@pytest.fixture
async def front(tmp_path: Path) -> AsyncIterator[Front]:
    async with open_front(tmp_path) as made:
        yield made


async def until(ws: Any, type_: str) -> dict[str, Any]:
    while True:
        message: dict[str, Any] = await ws.receive_json(timeout=5)
        if message["type"] == type_:
            return message


async def test_signals_come_whole_and_then_as_they_change(front: Front) -> None:
    vehicle = front.gateway.system.simulation.vehicle
    async with front.client.ws_connect("/ws", origin=front.origin) as ws:
        await ws.send_json({"type": "signals"})
        first = await until(ws, "signals")
        assert first["values"][HVAC] == 24.0
        assert first["specs"][HVAC] == {"unit": "celsius", "minimum": 18, "maximum": 28, "step": 0.5}
        assert first["centre"] == "ok"
        vehicle.operate(HVAC, 21.5)
        assert (await until(ws, "signal"))["values"] == {HVAC: 21.5}
        front.gateway.system.simulation.world.network_lost = True
        assert (await until(ws, "signal"))["centre"] == "no_connection"
        front.gateway.system.simulation.world.contract_cancelled = True
        assert (await until(ws, "signal"))["centre"] == "no_contract"


async def test_who_sits_there_and_what_runs_all_the_time_is_not_sent(front: Front) -> None:
    paths = set(shown_signals())
    assert len(paths) > 60
    assert not [p for p in paths if "Identifi" in p or "CurrentLocation" in p or "Navigation.Route" in p]


async def test_a_finger_is_answered_with_what_the_car_reports(front: Front) -> None:
    async with front.client.ws_connect("/ws", origin=front.origin) as ws:
        await ws.send_json({"type": "touch", "path": HVAC, "value": 22.3})
        assert await until(ws, "touched") == {"type": "touched", "path": HVAC, "ok": True, "text": "", "value": 22.5}
        for value in (99, "warm", True):
            await ws.send_json({"type": "touch", "path": HVAC, "value": value, "language": "en"})
            refused = await until(ws, "touched")
            assert (refused["ok"], refused["value"]) == (False, 22.5)
            assert "temperature" in refused["text"]
        # What only the key may do is refused to a finger as to the voice.
        await ws.send_json({"type": "touch", "path": DOOR, "value": False, "language": "ja"})
        locked = await until(ws, "touched")
        assert (locked["ok"], locked["value"]) == (False, True)
        assert "運転席のドアの施錠" in locked["text"]
        for message in (
            {"path": "Vehicle.Nothing", "value": 1},
            {"path": "Vehicle.VehicleIdentification.VIN", "value": "x"},
        ):
            await ws.send_json({"type": "touch", **message})
            assert (await until(ws, "touched"))["ok"] is False
        for broken in (
            {"path": 3, "value": 1},
            {"path": HVAC},
            {"path": HVAC, "value": [1]},
            {"path": HVAC, "value": None},
        ):
            await ws.send_json({"type": "touch", **broken})
            assert (await until(ws, "refused"))["reason"] == "unknown message"


async def test_a_page_that_comes_again_sees_what_was_said(front: Front) -> None:
    got = await front.talk({"type": "say", "text": "hello"})
    session = got[0]["session"]
    for _ in range(EVENTS):
        await front.gateway.system.conversation.notice(session, "arrived", "notice.arrived")
    again = await front.talk({"type": "shown"}, until="shown", path=f"/ws?session={session}")
    events = again[-1]["events"]
    assert len(events) == EVENTS
    async with front.client.ws_connect(f"/ws?session={session}", origin=front.origin) as ws:
        await ws.send_json({"type": "reset"})
        await until(ws, "reset")
        await ws.send_json({"type": "shown"})
        assert (await until(ws, "shown"))["events"] == []
    other = await front.talk({"type": "shown"}, until="shown")
    assert other[-1]["events"] == []


async def test_the_wake_word_is_chosen_checked_and_taken_back(front: Front) -> None:
    async with front.client.ws_connect("/ws", origin=front.origin) as ws:

        async def choose(phrase: str) -> dict[str, Any]:
            await ws.send_json({"type": "unit", "do": "wake_word", "phrase": phrase, "language": "ja"})
            return await until(ws, "unit")

        await ws.send_json({"type": "unit", "do": "show"})
        shown = await until(ws, "unit")
        assert shown["wake_word"] == {"phrase": "ヘイ、レクサス", "own": False, "usual": "ヘイ、レクサス"}
        taken = await choose("ハロー プリウス")
        assert (taken["wake_word"]["own"], taken["changed"]) == (True, "wake_word")
        assert "ハロー プリウス" in taken["said"]
        refused = await choose("あ")
        assert (refused["wake_word"]["phrase"], refused["changed"]) == ("ハロー プリウス", "")
        assert "短すぎ" in refused["said"]
        assert (await choose("<script>"))["changed"] == ""
        assert (await choose(""))["wake_word"]["own"] is False
        front.gateway.system.conversation.drive("guest", None)
        assert (await choose("ハロー プリウス"))["wake_word"]["own"] is False


async def test_recordings_are_counted_and_erased(front: Front, tmp_path: Path) -> None:
    settings = front.gateway.system.settings
    Recordings(settings).keep("owner", bytes(32_000))
    other = Recordings(replace(settings, driver="other"))
    other.keep("other", bytes(32_000))
    async with front.client.ws_connect("/ws", origin=front.origin) as ws:
        await ws.send_json({"type": "unit", "do": "show"})
        assert (await until(ws, "unit"))["recordings"] == {"on": False, "count": 1, "seconds": 1}
        await ws.send_json({"type": "unit", "do": "erase_recordings"})
        assert (await until(ws, "refused"))["reason"] == "unknown message"
        await ws.send_json({"type": "unit", "do": "erase_recordings", "confirm": True, "language": "en"})
        erased = await until(ws, "unit")
        assert (erased["recordings"]["count"], erased["said"]) == (0, "The recordings are erased.")
    assert len(other.list()) == 1
