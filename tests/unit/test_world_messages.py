"""The tester's messages over the line: the world, what all pages are told of it, and a recording."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiohttp import ClientSession

from tests.fakes import FakeDialogue, reply
from tests.fakes_web import open_web, until
from tests.scenarios import load

SESSION = "session-one"


async def test_two_pages_on_one_car_are_told_the_same(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        front = await stack.enter_async_context(open_web(tmp_path))
        session = await stack.enter_async_context(ClientSession())
        one, two = [await stack.enter_async_context(session.ws_connect(f"{front.url}/ws")) for _ in range(2)]
        for page in (one, two):
            await page.send_json({"type": "world", "do": "show"})
            options = await until(page, "world_options")
            assert "東京都" in options["prefectures"]
            assert {"id": "abs", "ja": "ABS警告灯", "en": "the ABS lamp"} in options["lamps"]
            assert (await until(page, "world_state"))["network_lost"] is False
        await one.send_json({"type": "world", "do": "network", "lost": True})
        for page in (one, two):
            assert await until(page, "world_state", network_lost=True)
        # What the driver does is seen as well, without a control.
        front.system.simulation.vehicle.sense("Vehicle.ADAS.ABS.IsError", True)
        for page in (one, two):
            while not (await until(page, "world_state"))["lamps"]["abs"]:
                pass


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"do": "weather", "scenario": "frogs"}, "bad_value"),
        ({"do": "explode"}, "unknown"),
        ({"do": "road", "kind": "jam"}, "no_route"),
        ({"do": "clear_road", "id": "<img>"}, "not_there"),
        ({"do": "network", "lost": True, "session": "x"}, "bad_value"),
    ],
)
async def test_a_control_that_cannot_be_is_refused_with_a_reason(
    tmp_path: Path, message: dict[str, object], code: str
) -> None:
    async with open_web(tmp_path) as front, ClientSession() as session, session.ws_connect(f"{front.url}/ws") as ws:
        await ws.send_json({"type": "world", **message})
        refused = await until(ws, "world_refused")
        assert (refused["do"], refused["code"]) == (message["do"], code)
        await ws.send_json({"type": "world", "do": 3})
        await until(ws, "refused")


async def test_the_world_survives_the_gateway(tmp_path: Path) -> None:
    async with open_web(tmp_path) as front, ClientSession() as session, session.ws_connect(f"{front.url}/ws") as ws:
        for control in (
            {"do": "weather", "scenario": "snow"},
            {"do": "contract", "cancelled": True},
            {"do": "clock", "advance_s": 3600},
        ):
            await ws.send_json({"type": "world", **control})
        await until(ws, "world_state", ahead_s=3600)
    async with open_web(tmp_path) as front:
        state = front.system.simulation.controls.state()
        assert state["weather"] == [{"prefecture": None, "scenario": "snow"}]
        assert state["contract_cancelled"] is True
        assert state["ahead_s"] == 3600
        assert front.system.simulation.line() == "no_contract"


async def test_a_recording(tmp_path: Path) -> None:
    hostile = 'say: "}\n- name: injected # <b>'
    dialogue = FakeDialogue({
        "hello": reply("Hi.", context="greeting", intent="greet"),
        " ".join(hostile.split()): reply("No.\n- name: injected", context="apology", actions=({"name": "search", "ok": False},)),
    })  # fmt: skip
    async with AsyncExitStack() as stack:
        front = await stack.enter_async_context(open_web(tmp_path, dialogue=dialogue))
        session = await stack.enter_async_context(ClientSession())
        ws = await stack.enter_async_context(session.ws_connect(f"{front.url}/ws?session={SESSION}"))
        other = await stack.enter_async_context(session.ws_connect(f"{front.url}/ws?session={SESSION}"))
        stranger = await stack.enter_async_context(session.ws_connect(f"{front.url}/ws"))
        await other.send_json({"type": "world", "do": "show"})
        await until(other, "recording", on=False)
        await ws.send_json({"type": "world", "do": "lamp", "lamp": "abs", "on": True})
        await ws.send_json({"type": "record", "do": "start", "name": "  A\nname: yes  "})
        await until(ws, "reset")
        assert dialogue.forgotten == [SESSION]
        await until(ws, "recording", on=True)
        # Another page of the session sees that it is being recorded.
        await until(other, "recording", on=True)
        await ws.send_json({"type": "say", "text": "hello"})
        await until(ws, "spoke")
        await ws.send_json({"type": "world", "do": "weather", "scenario": "rain"})
        await stranger.send_json({"type": "say", "text": "not recorded"})
        await until(stranger, "spoke")
        # Another session moves the same car: that is part of what happened.
        await stranger.send_json({"type": "world", "do": "place", "latitude": 35.7, "longitude": 139.7})
        await until(ws, "recording", controls=2)
        await ws.send_json({"type": "say", "text": hostile})
        await until(ws, "spoke")
        await ws.send_json({"type": "record", "do": "stop"})
        file = await until(ws, "recording_file")
        await until(other, "recording", on=False, finished=True)
    assert file["turns"] == 2
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "recorded.yml").write_text(file["text"], encoding="utf-8")
    (scenario,) = load(tmp_path / "scenarios")
    assert scenario.name == "A name: yes"
    assert scenario.given["world"][0] == {"do": "lamp", "lamp": "abs", "on": True}
    assert scenario.given["position"] == [35.6586, 139.7454]
    first, second = scenario.steps
    assert (first.say, dict(first.expect)) == ("hello", {"function": "dialogue_control", "context": "greeting"})
    assert second.say == " ".join(hostile.split())
    assert second.world == (
        {"do": "weather", "scenario": "rain"}, {"do": "place", "latitude": 35.7, "longitude": 139.7},
    )  # fmt: skip
    assert second.expect["actions"] == ["!search"]
    assert "not recorded" not in file["text"]


async def test_nothing_is_recorded_unasked(tmp_path: Path) -> None:
    async with open_web(tmp_path) as front, ClientSession() as session, session.ws_connect(f"{front.url}/ws") as ws:
        await ws.send_json({"type": "say", "text": "hello"})
        await until(ws, "spoke")
        await ws.send_json({"type": "record", "do": "stop"})
        assert (await until(ws, "recording"))["on"] is False
        assert front.system.conversation.observers == []
        for bad in ({"do": "begin"}, {"do": "start", "name": 3}, {}):
            await ws.send_json({"type": "record", **bad})
            await until(ws, "refused")
    assert not [name for _, _, names in os.walk(tmp_path) for name in names if name.endswith(".yml")]
