"""A dialogue worker process that dies, hangs or never starts: restarted, ended, said."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from agent.dialogue import RemoteDialogue
from agent.errors import DialogueUnavailable, StartError
from agent.supervisor import Worker

# A worker without Rasa: the same way of starting, the same answers, quick to start.
WORKER = """
import asyncio, json, sys
from aiohttp import web
config = json.loads(sys.stdin.buffer.readline())
if config.get("refuse"):
    print(json.dumps({"error": "no model"}), flush=True); sys.exit(1)
async def turn(request):
    data = await request.json()
    if data["text"] == "hang": await asyncio.sleep(60)
    return web.json_response({"texts": [data["text"]], "payload": {}, "slots": {}, "timings": {},
        "understanding": {"intent": "x", "confidence": 1, "entities": []}})
async def health(request):
    return web.json_response({}, status=200 if request.headers["Authorization"] == "Bearer t" else 401)
async def main():
    app = web.Application(); app.add_routes([web.post("/turn", turn), web.get("/health", health)])
    runner = web.AppRunner(app); await runner.setup(); await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(json.dumps({"port": runner.addresses[0][1]}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.read)
asyncio.run(main())
"""


def make(tmp_path: Path, **config: object) -> Worker:
    script = tmp_path / "worker.py"
    script.write_text(WORKER, encoding="utf-8")
    return Worker(
        {"token": "t", **config}, log_file=tmp_path / "log", command=(sys.executable, str(script)), health_every_s=0.2,
        pauses_s=(0.05,), start_deadline_s=20,
    )  # fmt: skip


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "did not come about"
        await asyncio.sleep(0.02)


async def test_killed_in_mid_turn_says_so_at_once_and_works_again(tmp_path: Path) -> None:
    worker = make(tmp_path)
    await worker.start()
    dialogue = RemoteDialogue([worker], deadline_s=5)
    try:
        assert (await dialogue.turn("s", "hi", language="en")).texts == ("hi",)
        hanging = asyncio.create_task(dialogue.turn("s", "hang", language="en"))
        await asyncio.sleep(0.2)
        first = worker.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        with pytest.raises(DialogueUnavailable):
            await asyncio.wait_for(hanging, 2)
        await until(lambda: worker.url is not None and worker.pid != first)
        assert worker.restarts == 1
        assert (await dialogue.turn("s", "again", language="en")).texts == ("again",)
    finally:
        await dialogue.close()
        await worker.stop()


async def test_stop_ends_the_process(tmp_path: Path) -> None:
    worker = make(tmp_path)
    await worker.start()
    pid = worker.pid
    assert pid is not None
    await worker.stop()
    assert not psutil.pid_exists(pid)
    assert worker.url is None


async def test_a_stopped_process_is_replaced(tmp_path: Path) -> None:
    worker = make(tmp_path)
    await worker.start()
    first = worker.pid
    assert first is not None
    os.kill(first, signal.SIGSTOP)
    try:
        await until(lambda: worker.pid not in (None, first), 15)
    finally:
        await worker.stop()
    assert not psutil.pid_exists(first)


async def test_a_worker_that_does_not_start_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="no model"):
        await make(tmp_path, refuse=True).start()


async def test_sessions_spread_and_stay(tmp_path: Path) -> None:
    dialogue = RemoteDialogue([make(tmp_path), make(tmp_path)], deadline_s=1)
    places = {f"s{n}": dialogue.worker_of(f"s{n}") for n in range(50)}
    assert set(places.values()) == {0, 1}
    assert all(dialogue.worker_of(s) == w for s, w in places.items())
    with pytest.raises(DialogueUnavailable):
        await dialogue.turn("s", "x", language="en")
