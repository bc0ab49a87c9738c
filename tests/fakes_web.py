"""A gateway on a real port over a scripted dialogue model, for tests of what goes over the line."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from aiohttp import ClientWebSocketResponse, web

from agent import settings as settings_module
from agent.composition import System, join, load_phrases, open_simulation
from agent.web.gateway import Gateway
from simulator.vehicle import SimulatedClock
from tests.fakes import FakeDialogue, VirtualTime


@dataclass
class WebFront:
    gateway: Gateway
    system: System
    dialogue: FakeDialogue
    time: VirtualTime
    url: str
    """http://127.0.0.1:PORT"""

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])


@asynccontextmanager
async def open_web(
    home: Path, *, port: int = 0, dialogue: FakeDialogue | None = None, **changes: Any
) -> AsyncIterator[WebFront]:
    """`changes` are settings. The car's state is kept in `home`, as the real gateway keeps it."""
    settings = replace(settings_module.load(environment={"CONCIERGE_HOME": str(home)}), **changes)
    now = VirtualTime()
    state = settings.state / "car.json"
    async with open_simulation(settings, clock=SimulatedClock(now), state=state) as simulation:
        fake = dialogue or FakeDialogue()
        system = join(settings, simulation, fake, load_phrases())
        gateway = Gateway(system)
        runner = web.AppRunner(gateway.app(), access_log=None, handle_signals=False, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port, reuse_address=True).start()
            gateway.port = runner.addresses[0][1]
            yield WebFront(gateway, system, fake, now, f"http://127.0.0.1:{gateway.port}")
        finally:
            await gateway.close()
            await runner.cleanup()


async def until(ws: ClientWebSocketResponse, kind: str, **fields: Any) -> dict[str, Any]:
    """The next message of a kind (with these fields); what comes before is passed over."""
    while True:
        message: dict[str, Any] = await ws.receive_json(timeout=30)
        if message["type"] == kind and all(message.get(key) == value for key, value in fields.items()):
            return message


async def main(home: Path, port: int) -> None:
    """Serves until killed; prints its address."""
    async with open_web(home, port=port) as front:
        print(front.url, flush=True)
        while True:
            await asyncio.sleep(0.2)
            front.system.simulation.save(front.system.settings.state / "car.json")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
