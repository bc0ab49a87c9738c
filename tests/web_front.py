"""A gateway on a real port over a scripted dialogue model."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from aiohttp.test_utils import TestClient, TestServer

from agent import settings as settings_module
from agent.composition import join, load_phrases, open_simulation
from agent.web.gateway import Gateway
from simulator.vehicle import SimulatedClock
from tests.fakes import FakeDialogue, reply


class Front:
    """A gateway on a real port over a scripted dialogue model."""

    def __init__(self, client: TestClient[Any, Any], gateway: Gateway, dialogue: FakeDialogue) -> None:
        self.client, self.gateway, self.dialogue = client, gateway, dialogue
        self.origin = f"http://127.0.0.1:{client.port}"

    async def talk(self, *messages: dict[str, Any], until: str = "spoke", path: str = "/ws") -> list[dict[str, Any]]:
        got: list[dict[str, Any]] = []
        async with self.client.ws_connect(path, origin=self.origin) as ws:
            for message in messages:
                await ws.send_json(message)
            while not got or got[-1]["type"] != until:
                got.append(await ws.receive_json(timeout=3))
        return got


@asynccontextmanager
async def open_front(tmp_path: Path, *, clock: SimulatedClock | None = None, **changes: Any) -> AsyncIterator[Front]:
    """`changes`: settings that differ from the usual ones."""
    settings = replace(settings_module.load(environment={"CONCIERGE_HOME": str(tmp_path)}), **changes)
    async with open_simulation(settings, clock=clock) as simulation:
        dialogue = FakeDialogue({"hello": reply("Hi.", quick_replies=("yes",))})
        gateway = Gateway(join(settings, simulation, dialogue, load_phrases()))
        async with TestClient(TestServer(gateway.app(), host="127.0.0.1")) as client:
            yield Front(client, gateway, dialogue)
