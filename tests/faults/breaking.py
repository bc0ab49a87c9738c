"""The whole system with its parts within reach, so that they can be broken and mended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from aiohttp import web

from agent.conversation import TurnResult
from agent.settings import Settings
from backends.model import Language
from tests.conftest import RunningSystem

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 6.0
"""of a turn; the longest an action waits is less"""

# What only engineers may read: traces, names of exceptions, paths, SQL, addresses.
_INTERNAL = re.compile(
    r"Traceback|\b\w*(?:Error|Exception)\b|\bNone\b|sqlite|SELECT |/tmp/|\.py\b|0x[0-9a-f]{6}|https?://|127\.0\.0\.1|[{}<>]|errno",
    re.I,
)
_KANA = re.compile(r"[\u3041-\u30ff]")


def assert_plain(text: str) -> None:
    """A sentence for a driver, nothing of the machinery in it."""
    assert text.strip()
    assert text[-1] in "。？！.?!", text
    assert not _INTERNAL.search(text), text


def environment(home: Path, **more: str) -> dict[str, str]:
    """Of a child process that has `home` for its data folder. A variable given as "" is left out."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("CONCIERGE_") or k == "CONCIERGE_PROFILE"}
    # Ports of its own: whoever runs a concierge on this machine is not in the way.
    free = {"CONCIERGE_PORT": "0", "CONCIERGE_DESK_PORT": "0"}
    given = {**kept, "CONCIERGE_HOME": str(home), "CONCIERGE_ONLINE": "false", **free, **more}
    return {name: value for name, value in given.items() if value}


def assert_speaks(turn: TurnResult, language: Language) -> None:
    """One spoken sentence in the driver's language, nothing of the machinery in it."""
    text = turn.spoke.text
    assert_plain(text)
    assert turn.spoke.language == language
    assert bool(_KANA.search(text)) == (language == "ja"), text


def assert_fails_well(turn: TurnResult, language: Language, *, within_s: float = DEADLINE_S) -> None:
    """The sentence for something that did not work: in time, and nothing is said to be done."""
    assert_speaks(turn, language)
    assert turn.spoke.context == "apology", turn.spoke.text
    assert turn.spoke.total_ms < within_s * 1000 + 300
    assert not [a for a in turn.acted if a.ok], turn.acted


def until(condition: Callable[[], Any], seconds: float = 30.0, what: str = "") -> Any:
    """Waits for something another process does."""
    ends = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < ends, f"did not come about: {what or condition}"
        time.sleep(0.05)


class Breakable:
    """A port that works until told otherwise: `fault` is raised, or hung on, in place of an answer."""

    def __init__(self, port: Any) -> None:
        self._port = port
        self.fault: BaseException | str | None = None

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._port, name)
        if not asyncio.iscoroutinefunction(attribute):
            return attribute

        async def call(*args: Any, **kwargs: Any) -> Any:
            if self.fault == "hang":
                await asyncio.sleep(3600)
            if isinstance(self.fault, BaseException):
                raise self.fault
            return await attribute(*args, **kwargs)

        return call


PORTS = ("places", "routes", "vehicle", "navigation", "weather", "news", "traffic", "memory")


class FaultySystem(RunningSystem):
    """A running system on files and servers of its own, each port of which can be broken."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.home = settings.home
        self.ports: dict[str, Breakable] = {}

    def start(self) -> None:
        from agent.composition import open_system
        from simulator.vehicle import SimulatedClock

        def alter(world: Any) -> Any:
            self.ports = {name: Breakable(getattr(world, name)) for name in PORTS}
            return replace(world, **self.ports)

        self._thread.start()

        async def open_() -> None:
            self._context = open_system(self._settings, lasting=True, clock=SimulatedClock(self.time), alter=alter)
            self.system = await self._context.__aenter__()

        self.run(open_())

    def say(
        self, session: str, text: str, language: Language | None = None, *, driver: str | None = None
    ) -> TurnResult:
        started = time.monotonic()
        turn = self.run(self.system.conversation.turn(session, text, language=language, driver=driver))
        # The clock of the turn itself is checked as well: by the wall it must have ended, too.
        assert time.monotonic() - started < DEADLINE_S + 1.5
        return turn

    def register_home(self, session: str) -> TurnResult:
        """「自宅に帰りたい」 without a home offers to register where the car stands; with one, it proposes to go there. Each
        session is a driver of its own."""
        self.say(session, "自宅に帰りたい", "ja", driver=session)
        return self.say(session, "はい", "ja", driver=session)

    def slots(self, session: str) -> dict[str, Any]:
        return dict(self.run(self.system.dialogue.slots(session)))

    @contextlib.contextmanager
    def fault(self, port: str, fault: BaseException | str) -> Iterator[None]:
        self.ports[port].fault = fault
        try:
            yield
        finally:
            self.ports[port].fault = None

    # ── servers that are stopped for real ───────────────────────────────────────────────────────────────────────

    @contextlib.contextmanager
    def centre_down(self, stand_in: Callable[[web.Request], Any] | None = None) -> Iterator[None]:
        """The centre is stopped; `stand_in` answers on its port instead."""
        centre = self.system.simulation.centre
        port = int(centre.base_url.rsplit(":", 1)[1])
        runner: list[web.AppRunner] = []

        async def stop() -> None:
            await centre.stop()
            if stand_in is not None:
                app = web.Application()
                app.router.add_route("*", "/{tail:.*}", stand_in)
                runner.append(web.AppRunner(app, access_log=None, shutdown_timeout=0.1))
                await runner[0].setup()
                await web.TCPSite(runner[0], "127.0.0.1", port).start()

        async def start() -> None:
            for each in runner:
                await each.cleanup()
            centre._port = port
            await centre.start()

        self.run(stop())
        try:
            yield
        finally:
            self.run(start())

    @contextlib.contextmanager
    def car_down(self) -> Iterator[None]:
        """The car's server is stopped and comes back on its port."""
        viss = self.system.simulation.viss
        self.run(viss.close())
        try:
            yield
        finally:
            self.run(viss.start())


def own_home(folder: Path, real: Path) -> Path:
    """A data folder of its own: the trained models of `real`, a copy of its maps, no state."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(real / "maps", folder / "maps")
    (folder / "models").symlink_to(real / "models")
    if (real / "gazetteer.sqlite").is_file():
        # Made anew it takes a quarter of a minute.
        shutil.copyfile(real / "gazetteer.sqlite", folder / "gazetteer.sqlite")
    if (real / "cache").is_dir():
        shutil.copytree(real / "cache", folder / "cache", ignore=shutil.ignore_patterns("rasa"))
    return folder
