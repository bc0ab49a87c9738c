"""A call centre in a second process takes a handoff over the API, from the webhook to the note."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from agent.desk.server import open_desk
from agent.events import Event, Handoff, OperatorSaid, Pushed
from tests.desk_system import PATIENCE, open_front
from tests.fakes_desk import SECRET

ROOT = Path(__file__).resolve().parents[2]


async def test_a_call_centre_in_another_process(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        desk = await stack.enter_async_context(open_desk("sqlite://", patience=PATIENCE, car=SECRET))
        service = desk.service
        secret = await service.read(lambda db: service.accounts.add_client(db, "centre", "connector"))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "agent.desk.connector", "--desk", desk.url, "--key", "centre", "--name", "tanaka",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=ROOT, env={**os.environ, "DESK_SECRET": secret},
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        told: list[dict[str, Any]] = []

        async def listen() -> None:
            while line := await process.stdout.readline():  # type: ignore[union-attr]
                told.append(json.loads(line))

        async def until(true: Any) -> None:
            for _ in range(1200):
                if true():
                    return
                await asyncio.sleep(0.05)
            raise AssertionError(told)

        def order(**what: Any) -> None:
            process.stdin.write((json.dumps(what) + "\n").encode())  # type: ignore[union-attr]

        stack.callback(asyncio.create_task(listen()).cancel)
        try:
            await until(lambda: told)
            await service.read(
                lambda db: service.accounts.add_client(db, "centre", "connector", secret, webhook=told[0]["listening"])
            )
            front = await stack.enter_async_context(open_front(tmp_path, desk.url))
            conversation = front.gateway.system.conversation
            heard: list[Event] = []
            conversation.stream.add_sink(heard.append)
            await conversation.turn("s", "4人で予約して")
            await until(lambda: any(t.get("claimed") for t in told))
            claimed = next(t for t in told if t.get("claimed"))
            assert {"ja": "人数：4名", "en": "People: 4"} in claimed["known"]
            await until(lambda: conversation.owner("s") == "operator")
            handoff = claimed["handoff"]
            order(handoff=handoff, say="田中です。承知しました")
            await until(lambda: any(isinstance(e, OperatorSaid) and e.author == "tanaka" for e in heard))
            await conversation.turn("s", "7時でお願いします")
            await until(lambda: any(t.get("text") == "7時でお願いします" for t in told))
            order(handoff=handoff, push={"kind": "notice", "data": {"text": "予約しました"}})
            await until(lambda: any(isinstance(e, Pushed) for e in heard))
            await conversation.turn("s", "はい")
            await until(lambda: any(t.get("push") and t["state"] == "accepted" for t in told))
            order(handoff=handoff, say=5)
            await until(lambda: any(t.get("problem") == "unfit" for t in told))
            process.stdin.write(b"nonsense\n")
            order(**{"handoff": handoff, "return": "19時に予約済み"})
            await until(lambda: any(isinstance(e, Handoff) and e.state == "returned" for e in heard))
            assert conversation.owner("s") == "agent"
            assert heard[-1].note == "19時に予約済み"  # type: ignore[union-attr]
            # Whoever else calls its webhook is refused.
            import aiohttp

            async with aiohttp.ClientSession() as http, http.post(told[0]["listening"], json={"seq": 1}) as response:
                assert response.status == 401
            process.stdin.write_eof()
            await asyncio.wait_for(process.wait(), 20)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
