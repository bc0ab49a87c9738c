"""Processes that die: the dialogue worker in the middle of a turn, the whole gateway, the actions server of the stock form."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from tests.faults.breaking import ROOT, assert_plain, environment, until

START_S = 150.0
"""the longest a start may take on a busy machine"""
DEADLINE_S = 5.0


class Gateway:
    """`concierge` as a process of its own."""

    def __init__(self, home: Path, **settings: str) -> None:
        self._log = (home / "gateway.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "agent.cli", "--port", "0"],
            cwd=ROOT, env=environment(home, **settings), stdout=subprocess.PIPE, stderr=self._log, start_new_session=True,
        )  # fmt: skip
        self.me = psutil.Process(self.process.pid)
        self.log = home / "gateway.log"
        assert self.process.stdout is not None
        line = self.process.stdout.readline().decode()
        assert "http://127.0.0.1:" in line, (line, self.log.read_text(encoding="utf-8"))
        self.url = line.split()[3].rstrip("/")

    def worker(self) -> psutil.Process | None:
        with contextlib.suppress(psutil.NoSuchProcess):
            return next((c for c in self.me.children() if "agent.dialogue_worker" in c.cmdline()), None)
        return None

    def children(self) -> list[psutil.Process]:
        return self.me.children(recursive=True)

    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(self.url + "/healthz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def end(self, number: int = signal.SIGTERM, seconds: float = 30) -> int:
        self.process.send_signal(number)
        code = self.process.wait(seconds)
        self._log.close()
        return code


class Page:
    """A page's socket."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self._ws = ws

    async def receive(self, kind: str, timeout: float = DEADLINE_S + 1.5) -> dict[str, Any]:
        async def wait() -> dict[str, Any]:
            while True:
                message: dict[str, Any] = json.loads(await self._ws.receive_str())
                if message["type"] == kind:
                    return message

        return await asyncio.wait_for(wait(), timeout)

    async def send(self, **message: Any) -> None:
        await self._ws.send_json(message)

    async def say(self, text: str) -> dict[str, Any]:
        await self.send(type="say", text=text)
        return await self.receive("spoke")

    async def car(self) -> dict[str, Any]:
        await self.send(type="car")
        return await self.receive("car")


@contextlib.asynccontextmanager
async def page(gateway: Gateway, session: str) -> AsyncIterator[Page]:
    # Without Origin, as a program's client.
    async with (
        aiohttp.ClientSession() as client,
        client.ws_connect(f"{gateway.url}/ws?session={session}", max_msg_size=0) as ws,
    ):
        made = Page(ws)
        assert (await made.receive("welcome"))["session"] == session
        yield made


def gone(processes: list[psutil.Process]) -> bool:
    def alive(process: psutil.Process) -> bool:
        try:
            return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    return not any(alive(p) for p in processes)


@pytest.fixture(scope="module")
def home(own_homes: Any) -> Path:
    made: Path = own_homes("gateway")
    return made


@pytest.fixture(scope="module")
def first(home: Path) -> Iterator[Gateway]:
    """The gateway of the tests down to the one that kills it."""
    gateway = Gateway(home, CONCIERGE_TURN_DEADLINE_S=str(DEADLINE_S))
    yield gateway
    if gateway.process.poll() is None:
        gateway.end()


async def test_bad_messages_leave_the_line_open(first: Gateway) -> None:
    async with page(first, "bad-input-1") as open_page:
        hostile: list[Any] = [
            "",
            "  ",
            "\x00\x07",
            "\ud800",
            "\u202e\u200b",
            "😀",
            "あ" * 10_000,
            "<script>alert(1)</script>",
            "{0}",
            "'; DROP TABLE places;--",
        ]
        for text in hostile:
            spoke = await open_page.say(text)
            assert_plain(spoke["text"])
        for raw in (
            "{",
            "[" * 30_000,
            '{"type": {}}',
            '{"type": "say", "text": {"a": 1}}',
            '{"type": "drive", "factor": NaN}',
            "\x00",
        ):
            await open_page._ws.send_str(raw)
            assert (await open_page.receive("refused"))["reason"]
        await open_page._ws.send_bytes(b"\xff" * 1000)
        assert (await open_page.receive("refused"))["reason"]
        assert (await open_page.say("渋谷のカフェ"))["context"] != "apology"
    with_too_much = json.dumps({"type": "say", "text": "a" * 100_000})
    async with page(first, "bad-input-1") as open_page:
        await open_page._ws.send_str(with_too_much)
        assert_plain((await open_page.receive("spoke"))["text"])
        # The search of before is still there.
        assert (await open_page.say("駐車場ありで"))["context"] not in ("apology", "greeting")
    async with page(first, "bad-input-1") as open_page:
        # Far beyond any message the line is closed, and only that.
        await open_page._ws.send_str("x" * 3_000_000)
        closed = await open_page._ws.receive(timeout=5)
        assert closed.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
        assert open_page._ws.close_code == 1009
    async with page(first, "bad-input-1") as open_page:
        assert_plain((await open_page.say("ありがとう"))["text"])


async def test_the_worker_is_killed_in_mid_turn(first: Gateway) -> None:
    async with page(first, "worker-killed") as open_page, page(first, "worker-killed-en") as english:
        await open_page.say("渋谷のイタリアン")
        await english.say("Italian restaurants in Shibuya")
        before = first.worker()
        assert before is not None
        # Stopped first, so that the turns are surely under way when it dies.
        before.suspend()
        for text in ("駐車場ありで", "安い順に"):
            await open_page.send(type="say", text=text)
        await english.send(type="say", text="with parking")
        await asyncio.sleep(0.3)
        started = time.monotonic()
        before.kill()
        for one, kana in ((open_page, True), (open_page, True), (english, False)):
            spoke = await one.receive("spoke")
            assert spoke["context"] == "apology"
            assert_plain(spoke["text"])
            assert any("ぁ" <= c <= "ん" for c in spoke["text"]) == kana
        assert time.monotonic() - started < 2
        # While it is down, each turn says so at once; distress is answered as ever.
        again = await open_page.say("駐車場ありで")
        assert again["context"] == "apology"
        assert again["total_ms"] < 1000
        assert "ヘルプネット" in (await open_page.say("事故に遭った、助けて"))["text"]
        assert not first.ready()
        # A new one comes by itself and knows the conversation.
        await asyncio.to_thread(until, first.ready, START_S, "a new worker")
        assert first.worker() is not None
        assert first.worker() != before
        narrowed = await open_page.say("駐車場ありで")
        assert narrowed["context"] not in ("apology", "greeting"), narrowed["text"]
        assert narrowed["context"] == "offers_list" or "渋谷" in narrowed["text"] or "イタリアン" in narrowed["text"]
        assert (await english.say("with parking"))["context"] not in ("apology", "greeting")


async def test_the_whole_gateway_is_killed(first: Gateway, home: Path) -> None:
    """Conversation, guidance and saved places outlast `kill -9`; no process is left over."""
    async with page(first, "gateway-killed") as open_page:
        assert (await open_page.say("自宅に帰りたい"))["context"] == "asks_yesno"
        assert (await open_page.say("はい"))["context"] != "apology"
        await open_page.say("東京タワーまで案内して")
        car = await open_page.car()
        if not car["guiding"]:
            await open_page.say("はい")
            car = await open_page.car()
        assert car["guiding"]
        await open_page.say("渋谷のイタリアン")
        # The car is saved every ten seconds.
        await asyncio.sleep(10.5)
    family = first.children()
    assert family
    first.end(signal.SIGKILL)
    until(lambda: gone(family), 20, "the end of the worker")
    second = Gateway(home, CONCIERGE_TURN_DEADLINE_S=str(DEADLINE_S))
    try:
        async with page(second, "gateway-killed") as open_page:
            again = await open_page.car()
            assert again["guiding"]
            assert again["destination"] == car["destination"]
            narrowed = await open_page.say("駐車場ありで")
            assert narrowed["context"] not in ("apology", "greeting"), narrowed["text"]
            home_again = await open_page.say("自宅に帰りたい")
            assert home_again["context"] != "apology"
            assert "登録されていません" not in home_again["text"]
        family = second.children()
        second.process.send_signal(signal.SIGINT)
        # Impatience does not leave anything behind either.
        await asyncio.sleep(0.2)
        assert second.end(signal.SIGINT) in (0, 130)
        until(lambda: gone(family), 20, "the end of the worker")
    finally:
        if second.process.poll() is None:
            second.end()
    said = second.log.read_text(encoding="utf-8")
    assert "Traceback" not in said, said


def test_stopped_while_it_starts(own_homes: Any) -> None:
    home = own_homes("starting")
    process = subprocess.Popen(
        [sys.executable, "-m", "agent.cli", "--port", "0"],
        cwd=ROOT, env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    family = until(lambda: psutil.Process(process.pid).children(recursive=True), START_S, "a worker")
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    # Not first when the engine is ready.
    out, said = process.communicate(timeout=8)
    assert process.returncode in (0, 143)
    assert b"Traceback" not in said, said.decode()
    assert out == b""
    until(lambda: gone(family), 10, "the end of the worker")


# ── the stock form ──────────────────────────────────────────────────────────────────────────────────────────────────


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def post(url: str, body: Any, timeout: float = 30) -> Any:
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        return json.loads(answer.read())


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_the_stock_form(own_homes: Any) -> None:
    """`concierge rasa` and `concierge actions` make an ordinary installation. When the actions server dies, stock Rasa answers
    `200 []` within its own time: that silence is why the concierge itself runs the actions in its worker and has a deadline of
    its own. When the server is back the next turn works."""
    home = own_homes("stock")
    actions_port, rasa_port = free_port(), free_port()
    log = (home / "stock.log").open("ab")

    def start(*command: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "agent.cli", *command],
            cwd=ROOT, env=environment(home), stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip

    actions = start("actions", "--port", str(actions_port))
    rasa = start("rasa", "--port", str(rasa_port), "--actions", f"http://127.0.0.1:{actions_port}/webhook")
    hook = f"http://127.0.0.1:{rasa_port}/webhooks/rest/webhook"
    said = {"sender": "stock", "message": "渋谷のイタリアン", "metadata": {"language": "ja"}}
    try:
        until(lambda: answers(f"http://127.0.0.1:{actions_port}/health"), START_S, "the actions server")
        until(lambda: answers(f"http://127.0.0.1:{rasa_port}/"), START_S, "the Rasa server")
        until(lambda: answers(f"http://127.0.0.1:{rasa_port}/status"), START_S, "the model")
        first = post(hook, said)
        assert any(m.get("text") for m in first), first
        assert "イタリアン" in "".join(m.get("text") or "" for m in first)
        english = post(hook, {"sender": "en", "message": "thank you", "metadata": {"language": "en"}})
        assert english[0]["text"].isascii()
        os.killpg(actions.pid, signal.SIGKILL)
        actions.wait(10)
        started = time.monotonic()
        silent = post(hook, {**said, "message": "駐車場ありで"})
        assert time.monotonic() - started < 10
        assert [m for m in silent if m.get("text")] == []
        actions = start("actions", "--port", str(actions_port))
        until(lambda: answers(f"http://127.0.0.1:{actions_port}/health"), START_S, "the actions server again")
        again = post(hook, {**said, "message": "駐車場ありで"})
        assert any(m.get("text") for m in again), again
        # What the webhook cannot read is refused, not a crash.
        with pytest.raises(urllib.error.HTTPError) as refused:
            post(f"http://127.0.0.1:{actions_port}/webhook", {"next_action": "action_no_such", "tracker": {}})
        assert refused.value.code == 404
        assert answers(f"http://127.0.0.1:{actions_port}/health")
    finally:
        for process in (rasa, actions):
            process.terminate()
        codes = [process.wait(30) for process in (rasa, actions)]
        log.close()
    assert codes[1] == 0
    assert gone([p for p in psutil.process_iter() if p.pid in (rasa.pid, actions.pid)])
