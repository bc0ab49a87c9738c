"""A call centre beside the desk, as small as it can be: `python -m agent.desk.connector --desk URL --key KEY --name NAME`.

Receives the desk's webhooks on loopback, claims what is queued and speaks for its person. What happens is written to standard
output, a JSON object a line; what the person does is read from standard input the same way:

    {"handoff": ID, "say": "…"}    {"handoff": ID, "push": {"kind": "notice", "data": {"text": "…"}}}    {"handoff": ID, "hold": true}
    {"handoff": ID, "return": "note"}    {"handoff": ID, "decline": "reason"}

The secret (from `concierge desk addclient`) is read from the environment: DESK_SECRET. To attach another system, put its own
calls where this one reads and writes lines.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import secrets
import sys
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp
from aiohttp import web

from backends.signing import BadSignature, sign, verify

SEEN = 10_000
"""nonces and events remembered against repeats"""


class Connector:
    def __init__(self, desk: str, key: str, secret: str, name: str, *, claims: bool = True) -> None:
        self._desk, self._key, self._secret, self._name, self._claims = desk.rstrip("/"), key, secret, name, claims
        self._http: aiohttp.ClientSession | None = None
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, port: int) -> None:
        """Serves webhooks and reads standard input until it ends."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as self._http:
            app = web.Application(client_max_size=1024 * 1024)
            app.router.add_post("/webhook", self._webhook)
            runner = web.AppRunner(app, access_log=None, handle_signals=False)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", port).start()
            tell({"listening": f"http://127.0.0.1:{runner.addresses[0][1]}/webhook"})
            while line := await asyncio.to_thread(sys.stdin.readline):
                with contextlib.suppress(aiohttp.ClientError, asyncio.TimeoutError):
                    await self._order(line)
            await runner.cleanup()

    # ── from the desk ───────────────────────────────────────────────────────────────────────────────────────────

    async def _webhook(self, request: web.Request) -> web.Response:
        body = await request.read()
        try:
            nonce = verify(self._secret, "POST", request.path_qs, request.headers, body)
        except BadSignature as error:
            tell({"refused": str(error)})
            return web.Response(status=401)
        if self._known(f"nonce {nonce}"):
            tell({"refused": "replayed"})
            return web.Response(status=401)
        event = json.loads(body)
        # Delivered at least once: an event that is known is only confirmed.
        if not self._known(f"event {event['seq']}"):
            task = asyncio.create_task(self._event(event))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return web.Response()

    def _known(self, what: str) -> bool:
        known = what in self._seen
        self._seen[what] = None
        while len(self._seen) > SEEN:
            self._seen.popitem(last=False)
        return known

    async def _event(self, event: Mapping[str, Any]) -> None:
        handoff, data = event["handoff"], event["data"]
        if event["type"] == "message" and data["speaker"] != "operator":
            tell({"handoff": handoff, "speaker": data["speaker"], "text": data["text"], "urgent": data["urgent"]})
        elif event["type"] == "push":
            tell({"handoff": handoff, "push": data["id"], "state": data["state"]})
        elif event["type"] == "state":
            tell({"handoff": handoff, "state": data["state"], "by": data["by"]})
            if data["state"] == "queued" and self._claims:
                await self._claim(handoff)

    async def _claim(self, handoff: str) -> None:
        status, _ = await self._call("POST", f"{_path(handoff)}/claim", {"operator": self._name})
        if status != 200:
            # Somebody at the desk was quicker: that is theirs then.
            tell({"handoff": handoff, "claimed": False})
            return
        _, whole = await self._call("GET", _path(handoff))
        packet = whole["packet"]
        tell(
            {
                "handoff": handoff,
                "claimed": True,
                "summary": packet["summary"],
                "known": [i["label"] for i in packet["already_asked"]],
            }
        )

    # ── from the person ─────────────────────────────────────────────────────────────────────────────────────────

    async def _order(self, line: str) -> None:
        try:
            order = json.loads(line)
            handoff = str(order.pop("handoff"))
            (what, value), *_ = order.items()
        except (ValueError, KeyError, AttributeError, TypeError):
            tell({"problem": "not an order"})
            return
        path, new = _path(handoff), f"{self._key}-{secrets.token_urlsafe(9)}"
        calls: dict[str, tuple[str, Any]] = {
            "say": ("messages", {"id": new, "text": value}),
            "push": ("pushes", {"id": new, **(value if isinstance(value, Mapping) else {})}),
            "hold": ("hold", {"on": value}),
            "return": ("return", {"note": value}),
            "decline": ("decline", {"reason": value}),
        }
        if what not in calls:
            tell({"problem": f"unknown order {what}"})
            return
        step, body = calls[what]
        status, answer = await self._call("POST", f"{path}/{step}", {**body, "operator": self._name})
        if status >= 400:
            tell({"handoff": handoff, "problem": answer.get("error"), "detail": answer.get("detail")})

    async def _call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        assert self._http is not None
        data = json.dumps(body, ensure_ascii=False).encode() if body is not None else b""
        headers = sign(self._key, self._secret, method, urlsplit(self._desk).path + path, data)
        async with self._http.request(
            method, self._desk + path, data=data, headers={**headers, "Content-Type": "application/json"}
        ) as response:
            return response.status, await response.json()


def tell(what: Mapping[str, Any]) -> None:
    print(json.dumps(what, ensure_ascii=False), flush=True)


def _path(handoff: str) -> str:
    return f"/api/v1/handoffs/{quote(handoff, safe='')}"


def main() -> int:
    parser = argparse.ArgumentParser(description="A call centre beside the Owner's Desk; JSON lines in and out.")
    parser.add_argument("--desk", required=True, help="address of the desk: http://127.0.0.1:8766")
    parser.add_argument("--key", required=True, help="the key of `concierge desk addclient`")
    parser.add_argument("--name", default="operator", help="how the person is called in the car")
    parser.add_argument("--port", type=int, default=0, help="port the webhooks come to (0: a free one)")
    arguments = parser.parse_args()
    secret = os.environ.get("DESK_SECRET", "")
    if not secret:
        print("DESK_SECRET is not set.", file=sys.stderr)
        return 2
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(Connector(arguments.desk, arguments.key, secret, arguments.name).run(arguments.port))
    return 0


if __name__ == "__main__":
    sys.exit(main())
