"""The simulated car behind a VISSv2 WebSocket (W3C Vehicle Information Service Specification version 2).

Actions: get (also with the filters `paths` and `static-metadata`), set, subscribe (filter `paths`, change), unsubscribe.
A client is the voice side unless its message carries the owner's authorization: locks, windows and the like answer 403 to
the voice side. Plain `ws`: bind it to the loopback interface only.
"""

from __future__ import annotations

import asyncio
import contextlib
import fnmatch
import hmac
import itertools
import json
from dataclasses import dataclass
from typing import Any

from aiohttp import WSMsgType, web

from backends.errors import BackendError, NotFound, Rejected
from backends.model import Signal, SignalValue
from backends.vehicle import MESSAGE_LIMIT, SUBPROTOCOL, from_wire, timestamp, to_metadata, to_wire
from simulator.vehicle import SimulatedVehicle

PATHS_LIMIT = 200
"""signals one request may name"""


class _Refusal(Exception):
    """A VISSv2 error object."""

    def __init__(self, number: str, reason: str, message: str) -> None:
        super().__init__(message)
        self.number, self.reason, self.message = number, reason, message


@dataclass
class Faults:
    """What goes wrong on purpose; read at every request."""

    delay_s: float = 0.0
    """every answer waits this long"""
    drop: bool = False
    """the connection is closed instead of answering"""
    silent: bool = False
    """requests are read and never answered"""
    garbage: str | None = None
    """sent as it is instead of an answer"""
    error: tuple[str, str, str] | None = None
    """number, reason, message of the error every request gets"""


class VissServer:
    """Serves one `SimulatedVehicle`. `async with VissServer(vehicle) as server:` and connect to `server.url`."""

    def __init__(
        self, vehicle: SimulatedVehicle, host: str = "127.0.0.1", port: int = 0, *, owner_token: str | None = None
    ) -> None:
        """`port` 0: any free one. `owner_token`: what the remote service authorizes itself with; None: nobody can."""
        self.faults = Faults()
        self._vehicle = vehicle
        self._host, self._port = host, port
        self._owner_token = owner_token
        self._runner: web.AppRunner | None = None
        self._sockets: set[web.WebSocketResponse] = set()
        self._numbers = itertools.count(1)

    @property
    def url(self) -> str:
        return f"ws://{self._host}:{self._port}/"

    @property
    def port(self) -> int:
        return self._port

    async def start(self) -> None:
        """Raises `OSError` when the port is in use."""
        app = web.Application()
        app.router.add_get("/", self._serve)
        self._runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def close(self) -> None:
        await self.disconnect()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def disconnect(self) -> None:
        """Closes every open connection; the server stays up."""
        for socket in list(self._sockets):
            await socket.close()

    async def __aenter__(self) -> VissServer:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=(SUBPROTOCOL,), max_msg_size=MESSAGE_LIMIT)
        await socket.prepare(request)
        if socket.ws_protocol != SUBPROTOCOL:
            await socket.close(message=b"sub-protocol VISSv2 expected")
            return socket
        self._sockets.add(socket)
        subscriptions: dict[str, asyncio.Task[None]] = {}
        try:
            async for frame in socket:
                if frame.type is WSMsgType.TEXT and not await self._answer(socket, frame.data, subscriptions):
                    break
        finally:
            self._sockets.discard(socket)
            for task in subscriptions.values():
                task.cancel()
            await asyncio.gather(*subscriptions.values(), return_exceptions=True)
        return socket

    async def _answer(
        self, socket: web.WebSocketResponse, text: str, subscriptions: dict[str, asyncio.Task[None]]
    ) -> bool:
        """Answers one message; False ends the connection."""
        faults = self.faults
        if faults.delay_s:
            await asyncio.sleep(faults.delay_s)
        if faults.drop:
            await socket.close()
            return False
        if faults.silent:
            return True
        if faults.garbage is not None:
            await socket.send_str(faults.garbage)
            return True
        head: dict[str, Any] = {}
        start: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            message = _message(text)
            head = {key: message[key] for key in ("action", "requestId") if key in message}
            if faults.error is not None:
                raise _Refusal(*faults.error)
            body = await self._act(socket, message, subscriptions, start)
        except _Refusal as refusal:
            body = {"error": {"number": refusal.number, "reason": refusal.reason, "message": refusal.message}}
        except NotFound as error:
            body = {"error": {"number": "404", "reason": "invalid_path", "message": error.detail}}
        except Rejected as error:
            body = {"error": {"number": "400", "reason": "invalid_value", "message": error.detail}}
        except BackendError as error:
            body = {"error": {"number": "503", "reason": "service_unavailable", "message": error.detail}}
        await socket.send_json({**head, **body, "ts": timestamp(self._vehicle.clock())})
        if not start.done():
            start.set_result(None)
        return True

    async def _act(
        self,
        socket: web.WebSocketResponse,
        message: dict[str, Any],
        subscriptions: dict[str, asyncio.Task[None]],
        start: asyncio.Future[None],
    ) -> dict[str, Any]:
        action = message.get("action")
        if action == "unsubscribe":
            task = subscriptions.pop(str(message.get("subscriptionId")), None)
            if task is None:
                raise _Refusal("404", "invalid_subscriptionId", "no such subscription")
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            return {"subscriptionId": message["subscriptionId"]}
        path = message.get("path")
        if not isinstance(path, str):
            raise _Refusal("400", "bad_request", "no path")
        filters = _filters(message.get("filter"))
        if action == "get":
            if "static-metadata" in filters:
                return {"metadata": to_metadata(await self._vehicle.spec(path))}
            if "paths" in filters:
                return {"data": [_point(self._vehicle.read(p)) for p in self._paths(path, filters["paths"])]}
            return {"data": _point(self._vehicle.read(path))}
        if action == "set":
            await self._set(path, message)
            return {}
        if action == "subscribe":
            paths = self._paths(path, filters["paths"]) if "paths" in filters else [path]
            for leaf in paths:
                self._vehicle.read(leaf)
            number = str(next(self._numbers))
            changes = self._vehicle.subscribe(paths)
            # The listener is in place before the answer goes out, so that no change falls between them.
            first = asyncio.ensure_future(changes.__anext__())
            await asyncio.sleep(0)
            subscriptions[number] = asyncio.create_task(self._forward(socket, number, changes, first, start))
            return {"subscriptionId": number}
        raise _Refusal("400", "bad_request", "unknown action")

    async def _set(self, path: str, message: dict[str, Any]) -> None:
        spec = await self._vehicle.spec(path)
        try:
            value: SignalValue = from_wire(spec, message.get("value"))
        except ValueError as error:
            raise _Refusal("400", "invalid_value", str(error)) from error
        entry = self._vehicle.catalogue[path]
        if spec.kind != "actuator" or entry.access == "none":
            raise _Refusal("403", "read_only", "the signal cannot be set")
        if entry.access == "body":
            token = message.get("authorization")
            if self._owner_token is None or not hmac.compare_digest(str(token).encode(), self._owner_token.encode()):
                raise _Refusal("403", "forbidden_request", "the voice side may not set this signal")
            self._vehicle.operate(path, value)
        else:
            await self._vehicle.set(path, value)

    async def _forward(
        self,
        socket: web.WebSocketResponse,
        number: str,
        changes: Any,
        first: asyncio.Future[Signal],
        start: asyncio.Future[None],
    ) -> None:
        try:
            await start
            signal = await first
            while not socket.closed:
                event = {"action": "subscription", "subscriptionId": number, "data": _point(signal)}
                await socket.send_json({**event, "ts": timestamp(self._vehicle.clock())})
                signal = await changes.__anext__()
        except (ConnectionError, RuntimeError):
            # The client left between two changes.
            return
        finally:
            first.cancel()
            with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration):
                await first
            await changes.aclose()

    def _paths(self, root: str, parameter: object) -> list[str]:
        """The leaves a `paths` filter means; `*` stands for one or more levels."""
        patterns = [parameter] if isinstance(parameter, str) else parameter
        if not isinstance(patterns, list) or not patterns or len(patterns) > PATHS_LIMIT:
            raise _Refusal("400", "filter_invalid", "paths: a name or a list of names")
        leaves: list[str] = []
        for pattern in patterns:
            full = f"{root}.{pattern}"
            found = fnmatch.filter(self._vehicle.catalogue, full)
            if not found:
                raise _Refusal("404", "invalid_path", f"{full[:120]}: no such signal")
            leaves += found
        return list(dict.fromkeys(leaves))


def _message(text: str) -> dict[str, Any]:
    try:
        message = json.loads(text)
    except ValueError as error:
        raise _Refusal("400", "bad_request", "not JSON") from error
    if not isinstance(message, dict):
        raise _Refusal("400", "bad_request", "not a JSON object")
    return message


def _filters(value: object) -> dict[str, object]:
    """Filter expressions by kind; the key is `type` in the W3C drafts and `variant` in later ones."""
    if value is None:
        return {}
    found: dict[str, object] = {}
    for expression in value if isinstance(value, list) else [value]:
        if not isinstance(expression, dict):
            raise _Refusal("400", "filter_invalid", "a filter is an object or a list of them")
        kind = expression.get("type", expression.get("variant"))
        if kind not in ("paths", "change", "static-metadata"):
            raise _Refusal("400", "filter_invalid", "filters known here: paths, change, static-metadata")
        found[kind] = expression.get("parameter", expression.get("value"))
    return found


def _point(signal: Signal) -> dict[str, Any]:
    return {"path": signal.path, "dp": {"value": to_wire(signal.value), "ts": timestamp(signal.at)}}
