"""Both servers killed at every state of a handoff: nothing is lost, the driver is told, the line has one owner."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sqlite3
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from aiohttp import ClientError, ClientSession, CookieJar

from tests.desk_system import Lag
from tests.fakes_desk import Operator

ROOT = Path(__file__).resolve().parents[2]


class Server:
    """A server process on a port that stays the same."""

    def __init__(self, kind: str, home: Path, desk_url: str = "") -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.kind, self.home, self.desk_url = kind, home, desk_url
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: Any = None

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.desk_system", self.kind, str(self.home), str(self.port), self.desk_url,
            stdout=asyncio.subprocess.PIPE, cwd=ROOT, env={**os.environ, "CONCIERGE_HOME": str(self.home)},
        )  # fmt: skip
        line = await asyncio.wait_for(self.process.stdout.readline(), 120)
        assert line.decode().strip() == self.url

    async def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGKILL)
        await self.process.wait()

    async def restart(self) -> None:
        await self.kill()
        await self.start()


class Driver:
    """The driver's page, as far as the protocol goes: comes back by itself with its session."""

    def __init__(self, server: Server, http: ClientSession) -> None:
        self.server, self.http = server, http
        self.heard: list[dict[str, Any]] = []
        self.socket: Any = None
        self.session = "kill-test-session"

    async def run(self) -> None:
        while True:
            with contextlib.suppress(ClientError, OSError):
                async with self.http.ws_connect(
                    f"{self.server.url}/ws?session={self.session}", origin=self.server.url
                ) as ws:
                    self.socket = ws
                    async for message in ws:
                        event = message.json()
                        for one in event["events"] if event["type"] == "handoff_so_far" else [event]:
                            self.heard.append(
                                {**one, "when": time.monotonic(), "again": event["type"] == "handoff_so_far"}
                            )
            self.socket = None
            await asyncio.sleep(0.1)

    async def say(self, text: str) -> None:
        await until(lambda: self.socket is not None and not self.socket.closed)
        await self.socket.send_json({"type": "say", "text": text})

    def texts(self) -> list[str]:
        return [e["text"] for e in self.heard if e.get("text")]


async def until(true: Any, seconds: float = 40.0) -> None:
    for _ in range(int(seconds / 0.05)):
        if true():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("did not come about")


@contextlib.asynccontextmanager
async def processes(tmp_path: Path) -> AsyncIterator[tuple[Server, Server, Driver, Operator]]:
    async with contextlib.AsyncExitStack() as stack:
        desk = Server("desk", tmp_path)
        car = Server("car", tmp_path, desk.url)
        for server in (desk, car):
            stack.push_async_callback(server.kill)
        await asyncio.gather(desk.start(), car.start())
        http = await stack.enter_async_context(ClientSession(cookie_jar=CookieJar(unsafe=True)))
        driver = Driver(car, http)
        stack.callback(asyncio.create_task(driver.run()).cancel)
        operator = Operator(desk.url, await stack.enter_async_context(ClientSession(cookie_jar=CookieJar(unsafe=True))))
        assert await operator.login("suzuki") == 200
        yield desk, car, driver, operator


async def test_killed_at_every_state(tmp_path: Path) -> None:
    async with processes(tmp_path) as (desk, car, driver, operator):

        async def state(handoff: str) -> str:
            return str((await operator.call("GET", f"/api/v1/handoffs/{handoff}"))[1]["state"])

        await driver.say("4人で予約して")
        await until(lambda: any("お呼びします" in text for text in driver.texts()))
        handoff = (await operator.call("GET", "/api/v1/handoffs"))[1]["handoffs"][0]["id"]
        one = f"/api/v1/handoffs/{handoff}"
        # queued: either side.
        await desk.restart()
        assert await state(handoff) == "queued"
        await car.kill()
        # accepted, with the car dead; then the desk as well.
        assert (await operator.call("POST", f"{one}/claim", {}))[0] == 200
        await desk.restart()
        assert await state(handoff) == "accepted"
        await car.start()
        await until(lambda: any("suzukiにつながりました" in text for text in driver.texts()))
        for _ in range(800):
            if await state(handoff) == "active":
                break
            await asyncio.sleep(0.05)
        assert await state(handoff) == "active"
        assert (
            await operator.call("POST", f"{one}/messages", {"id": "message-0001", "text": "一言目", "language": "ja"})
        )[0] == 201
        await until(lambda: "一言目" in driver.texts())
        # active: the desk dies, the driver is told within five seconds, and what is said meanwhile arrives.
        await desk.kill()
        died = time.monotonic()
        async with Lag() as lag:
            await driver.say("もしもし")
            await until(lambda: any(e.get("state") == "line_lost" for e in driver.heard))
        # What a busy machine held back does not count.
        assert min(e["when"] for e in driver.heard if e.get("state") == "line_lost") - died - lag.lost < 5
        await until(lambda: any(e["type"] == "relayed" and e["delivered"] is False for e in driver.heard))
        await desk.start()
        await until(lambda: any(e.get("state") == "line_back" for e in driver.heard))
        # active: the car dies; the operator's words wait for it.
        await car.kill()
        assert (
            await operator.call("POST", f"{one}/messages", {"id": "message-0002", "text": "二言目", "language": "ja"})
        )[0] == 201
        await car.start()
        await until(lambda: "二言目" in driver.texts())
        await driver.say("聞こえます")
        await until(lambda: any(e["type"] == "relayed" and e["delivered"] for e in driver.heard))
        # returned, with the car dead; the desk dies after it.
        await car.kill()
        assert (await operator.call("POST", f"{one}/return", {"note": "19時に予約済み"}))[0] == 200
        await desk.restart()
        await car.start()
        await driver.say("何時だっけ")
        await until(lambda: "(何時だっけ)" in driver.texts())
        said = (await operator.call("GET", one))[1]["messages"]
        texts = [m["text"] for m in said]
        for text in ("4人で予約して", "一言目", "もしもし", "二言目", "聞こえます", "19時に予約済み"):
            assert texts.count(text) == 1, (text, texts)
        # Each of the operator's lines reached the driver once as news.
        for text in ("一言目", "二言目"):
            assert [e.get("text") for e in driver.heard if not e["again"]].count(text) <= 1
        with contextlib.closing(sqlite3.connect(tmp_path / "state" / "handoffs.sqlite")) as db:
            assert [row[0] for row in db.execute("SELECT owner FROM owners ORDER BY n")] == ["operator", "agent"]
