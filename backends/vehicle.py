"""The car: its signal catalogue and the adapter that reaches it over VISSv2.

The catalogue (`signals.yml`) lists every signal by its COVESA VSS path with type, unit, limits and names. `VissVehicle`
speaks the W3C Vehicle Information Service Specification version 2 over WebSocket (sub-protocol `VISSv2`):

    → {"action": "get", "path": "Vehicle.Speed", "requestId": "7"}
    ← {"action": "get", "requestId": "7", "data": {"path": "Vehicle.Speed", "dp": {"value": "42.0", "ts": "…Z"}}, "ts": "…Z"}
    ← {"action": "get", "requestId": "7", "error": {"number": "404", "reason": "invalid_path", "message": "…"}, "ts": "…Z"}

Values travel as strings, as the specification has it. The specification also asks for `wss`; a car's own head unit on the
loopback interface is reached by `ws`, anything else should be given a `wss` URL.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import math
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, cast

import aiohttp
import yaml

from backends.errors import BackendError, BackendTimeout, BackendUnavailable, BadAnswer, NotFound, Rejected
from backends.model import Signal, SignalSpec, SignalValue

STAGE = "vehicle"
SUBPROTOCOL = "VISSv2"
PRIVATE_BRANCH = "Vehicle.Private."
"""Signals VSS has no path for."""
MESSAGE_LIMIT = 8 * 2**20
"""bytes; a guided route travels as one value"""
HEARTBEAT_S = 10.0
"""a connection that answers no ping is given up, so that the next call opens a new one"""

Access = Literal["voice", "body", "none"]


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """A signal of this car: what VSS says of it, who may set it, what it is called."""

    spec: SignalSpec
    access: Access
    """voice: the concierge may set it; body: only key, switch or remote service; none: read only"""
    initial: SignalValue
    ja: str
    en: str


Catalogue = Mapping[str, CatalogueEntry]


def load_catalogue(path: Path | None = None) -> Catalogue:
    """Reads the catalogue. Raises `ValueError` naming the path of a signal that makes no sense."""
    text = (path or Path(__file__).with_name("signals.yml")).read_text(encoding="utf-8")
    document = yaml.safe_load(text)
    entries: dict[str, CatalogueEntry] = {}
    for row in document["signals"]:
        table = document["tables"][row["each"]] if "each" in row else {"": {"ja": "", "en": ""}}
        for key, names in table.items():
            entry = _entry(row, row["path"].replace("{}", key), names)
            if entry.spec.path in entries:
                raise ValueError(f"{entry.spec.path}: listed twice")
            entries[entry.spec.path] = entry
    return entries


def _entry(row: Mapping[str, Any], path: str, names: Mapping[str, str]) -> CatalogueEntry:
    spec = SignalSpec(
        path=path,
        datatype=row["type"],
        kind=row["kind"],
        unit=row.get("unit"),
        minimum=row.get("minimum"),
        maximum=row.get("maximum"),
        step=row.get("step"),
        allowed=tuple(row.get("allowed", ())),
        description=row["en"].replace("{}", names["en"]),
    )
    initial = row["initial"]
    if checked(spec, initial) != initial:
        raise ValueError(f"{path}: {initial!r} is not a value of it")
    return CatalogueEntry(
        spec, row.get("access", "none"), initial, row["ja"].replace("{}", names["ja"]), spec.description
    )


def checked(spec: SignalSpec, value: SignalValue) -> SignalValue:
    """`value` in the signal's type, on its step. Raises `Rejected` with the nearest limit when it cannot be one."""
    if spec.datatype == "boolean":
        if not isinstance(value, bool):
            raise Rejected(STAGE, f"{spec.path}: not a boolean")
        return value
    if spec.datatype == "string":
        if not isinstance(value, str):
            raise Rejected(STAGE, f"{spec.path}: not a string")
        if spec.allowed and value not in spec.allowed:
            raise Rejected(STAGE, f"{spec.path}: not one of {', '.join(spec.allowed)}")
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Rejected(STAGE, f"{spec.path}: not a number")
    if spec.minimum is not None and value < spec.minimum:
        raise Rejected(STAGE, f"{spec.path}: below {spec.minimum}", spec.minimum)
    if spec.maximum is not None and value > spec.maximum:
        raise Rejected(STAGE, f"{spec.path}: above {spec.maximum}", spec.maximum)
    if spec.step:
        base = spec.minimum or 0.0
        value = base + round((value - base) / spec.step) * spec.step
    return round(value) if spec.datatype == "int" else float(value)


def to_wire(value: SignalValue) -> str:
    """A value as VISSv2 carries it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def from_wire(spec: SignalSpec, text: object) -> SignalValue:
    """The value a VISSv2 data point carries, in the signal's type. Raises `ValueError`."""
    if not isinstance(text, str):
        raise ValueError(f"{spec.path}: values travel as strings")
    if spec.datatype == "boolean":
        return text == "true" if text in ("true", "false") else _no(spec, text)
    if spec.datatype in ("int", "float"):
        try:
            number = int(text) if spec.datatype == "int" else float(text)
        except ValueError:
            return _no(spec, text)
        return number if math.isfinite(number) else _no(spec, text)
    if spec.allowed and text not in spec.allowed:
        return _no(spec, text)
    return text


def _no(spec: SignalSpec, text: str) -> SignalValue:
    raise ValueError(f"{spec.path}: {text[:40]!r} is not a {spec.datatype} of it")


def timestamp(at: datetime) -> str:
    """ISO 8601 with offset, to the millisecond."""
    return at.isoformat(timespec="milliseconds")


class VissVehicle:
    """The `Vehicle` port over one VISSv2 WebSocket, opened when first needed and again after it broke.

    Every call ends within `deadline_s` seconds: with the car's answer, `BackendTimeout`, `BackendUnavailable` (not reachable,
    connection lost), `BadAnswer` (not VISSv2), `NotFound` or `Rejected`.
    """

    def __init__(self, url: str, *, deadline_s: float = 1.0) -> None:
        self._url = url
        self._deadline_s = deadline_s
        self._numbers = itertools.count(1)
        self._session: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._reader: asyncio.Task[None] | None = None
        self._opening = asyncio.Lock()
        self._heard = 0
        """messages heard so far"""
        self._given_up: set[asyncio.Task[None]] = set()
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._subscriptions: dict[str, asyncio.Queue[dict[str, Any] | None]] = {}
        self._specs: dict[str, SignalSpec] = {}

    async def get(self, path: str) -> Signal:
        spec = await self.spec(path)
        answer = await self._ask({"action": "get", "path": path})
        return self._signal(spec, answer.get("data"))

    async def set(self, path: str, value: SignalValue) -> Signal:
        """Sets, then reads back: what is returned is what the car reports, not what was asked."""
        spec = await self.spec(path)
        try:
            await self._ask({"action": "set", "path": path, "value": to_wire(value)})
        except Rejected as refused:
            raise Rejected(STAGE, refused.detail, _nearest(spec, value)) from None
        return await self.get(path)

    async def spec(self, path: str) -> SignalSpec:
        """Static metadata of the leaf; the car's tree does not change under way, so it is asked for once."""
        known = self._specs.get(path)
        if known is None:
            request = {"action": "get", "path": path, "filter": {"type": "static-metadata", "parameter": ""}}
            known = self._specs[path] = _spec(path, (await self._ask(request)).get("metadata"))
        return known

    async def subscribe(self, paths: Sequence[str]) -> AsyncIterator[Signal]:
        """Yields changes of `paths`. The stream ends when the connection does; subscribe again to go on."""
        specs = {path: await self.spec(path) for path in paths}
        request = {
            "action": "subscribe",
            "path": "Vehicle",
            "filter": [
                {"type": "paths", "parameter": [path.removeprefix("Vehicle.") for path in paths]},
                {"type": "change", "parameter": {"logic-op": "ne", "diff": "0"}},
            ],
        }
        answer = await self._ask(request)
        number = answer.get("subscriptionId")
        if not isinstance(number, str):
            raise BadAnswer(STAGE, "no subscriptionId")
        queue = self._subscriptions.setdefault(number, asyncio.Queue())
        try:
            while (event := await queue.get()) is not None:
                data = event.get("data")
                for point in data if isinstance(data, list) else [data]:
                    path = point.get("path") if isinstance(point, dict) else None
                    if path not in specs:
                        raise BadAnswer(STAGE, "event for a path not subscribed to")
                    yield self._signal(specs[path], point)
        finally:
            self._subscriptions.pop(number, None)
            if self._socket is not None and not self._socket.closed:
                with contextlib.suppress(BackendError):
                    await self._ask({"action": "unsubscribe", "subscriptionId": number})

    async def close(self) -> None:
        """Ends the connection; waiting calls get `BackendUnavailable`."""
        if self._reader is not None:
            self._reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reader
        if self._socket is not None:
            await self._socket.close()
        if self._session is not None:
            await self._session.close()
        self._session = self._socket = self._reader = None

    async def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        asked_at, heard = asyncio.get_running_loop().time(), self._heard
        try:
            return await asyncio.wait_for(self._exchange(request), self._deadline_s)
        except (TimeoutError, asyncio.TimeoutError):
            self._give_up(heard)
            raise BackendTimeout(STAGE, f"{request['action']} not answered in {self._deadline_s} s") from None
        except asyncio.CancelledError:
            # The turn that asked was given up; the next one is not to wait behind its question.
            if asyncio.get_running_loop().time() - asked_at > self._deadline_s / 2:
                self._give_up(heard)
            raise

    def _give_up(self, heard: int) -> None:
        """Leaves a connection on which nothing was heard since a question that was not answered (`heard`: messages until
        then): what is asked next would only wait behind it."""
        if self._heard != heard:
            return
        reader, self._reader, self._socket = self._reader, None, None
        if reader is not None:
            self._given_up.add(reader)
            reader.add_done_callback(self._given_up.discard)
            reader.cancel()

    async def _exchange(self, request: dict[str, Any]) -> dict[str, Any]:
        number = str(next(self._numbers))
        socket = await self._connected()
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            await socket.send_json({**request, "requestId": number})
            message = await answer
        except (aiohttp.ClientError, ConnectionError, RuntimeError) as error:
            raise BackendUnavailable(STAGE, str(error)) from error
        finally:
            self._waiting.pop(number, None)
        if message.get("action") != request["action"]:
            raise BadAnswer(STAGE, "answer to another action")
        if "error" in message:
            raise _error(message["error"])
        return message

    async def _connected(self) -> aiohttp.ClientWebSocketResponse:
        async with self._opening:
            if self._socket is None or self._socket.closed:
                if self._session is None:
                    self._session = aiohttp.ClientSession()
                try:
                    socket = await self._session.ws_connect(
                        self._url, protocols=(SUBPROTOCOL,), max_msg_size=MESSAGE_LIMIT, heartbeat=HEARTBEAT_S
                    )
                except (aiohttp.ClientError, OSError) as error:
                    raise BackendUnavailable(STAGE, str(error)) from error
                if socket.protocol != SUBPROTOCOL:
                    await socket.close()
                    raise BadAnswer(STAGE, "the server does not speak VISSv2")
                self._socket = socket
                self._reader = asyncio.create_task(self._read(socket))
            return self._socket

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        failure: BackendError = BackendUnavailable(STAGE, "connection lost")
        try:
            async for frame in socket:
                if frame.type is not aiohttp.WSMsgType.TEXT:
                    continue
                self._heard += 1
                try:
                    message = json.loads(frame.data)
                except (ValueError, RecursionError):
                    message = None
                if not isinstance(message, dict):
                    # No request id to hold on to: whatever was asked on this line cannot be trusted to be answered.
                    failure = BadAnswer(STAGE, "not a JSON object")
                    break
                self._sort(message)
        finally:
            self._fail(failure)
            await socket.close()

    def _sort(self, message: dict[str, Any]) -> None:
        if message.get("action") == "subscription":
            number = message.get("subscriptionId")
            if isinstance(number, str):
                self._subscriptions.setdefault(number, asyncio.Queue()).put_nowait(message)
            return
        waiting = self._waiting.get(str(message.get("requestId")))
        if waiting is not None and not waiting.done():
            if message.get("action") == "subscribe" and isinstance(message.get("subscriptionId"), str):
                # The first event may follow before the subscriber has run again.
                self._subscriptions.setdefault(message["subscriptionId"], asyncio.Queue())
            waiting.set_result(message)

    def _fail(self, failure: BackendError) -> None:
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(failure)
        for queue in self._subscriptions.values():
            queue.put_nowait(None)

    def _signal(self, spec: SignalSpec, data: object) -> Signal:
        try:
            point = cast("Mapping[str, Any]", data)
            if point["path"] != spec.path:
                raise ValueError("data of another path")
            return Signal(spec.path, from_wire(spec, point["dp"]["value"]), _moment(point["dp"]["ts"]))
        except (KeyError, TypeError, ValueError) as error:
            raise BadAnswer(STAGE, f"{spec.path}: {error}") from error


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if moment.tzinfo is None:
        raise ValueError("time without offset")
    return moment


def _error(error: object) -> BackendError:
    """The VISSv2 error object as one of ours."""
    if not isinstance(error, dict) or "number" not in error:
        return BadAnswer(STAGE, "error without number")
    number, text = str(error["number"]), f"{error.get('reason', '')}: {error.get('message', '')}"[:200]
    if number == "404":
        return NotFound(STAGE, text)
    if number in ("400", "401", "403"):
        return Rejected(STAGE, text)
    if number in ("408", "504"):
        return BackendTimeout(STAGE, text)
    return BackendUnavailable(STAGE, text)


def _nearest(spec: SignalSpec, value: SignalValue) -> float | str | None:
    try:
        checked(spec, value)
    except Rejected as refused:
        return refused.limit
    return None


_DATATYPES: Mapping[str, Literal["boolean", "int", "float", "string"]] = {
    "boolean": "boolean", "string": "string", "float": "float", "double": "float",
    **{f"{sign}int{bits}": "int" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}  # fmt: skip
"""VSS datatypes in ours."""


def to_metadata(spec: SignalSpec) -> dict[str, Any]:
    """The leaf's VSS node, as `static-metadata` answers carry it."""
    node: dict[str, Any] = {
        "type": spec.kind,
        "datatype": {"int": "int32", "float": "double"}.get(spec.datatype, spec.datatype),
        "description": spec.description,
    }
    extra = {"unit": spec.unit, "min": spec.minimum, "max": spec.maximum, "step": spec.step}
    node |= {key: value for key, value in extra.items() if value is not None}
    if spec.allowed:
        node["allowed"] = list(spec.allowed)
    return {spec.path.rsplit(".", 1)[-1]: node}


def _spec(path: str, metadata: object) -> SignalSpec:
    try:
        node = cast("Mapping[str, Any]", metadata)[path.rsplit(".", 1)[-1]]
        if node["type"] not in ("sensor", "actuator", "attribute"):
            raise ValueError(f"a {node['type']} has no value")
        return SignalSpec(
            path=path,
            datatype=_DATATYPES[node["datatype"]],
            kind=node["type"],
            unit=node.get("unit"),
            minimum=None if node.get("min") is None else float(node["min"]),
            maximum=None if node.get("max") is None else float(node["max"]),
            step=None if node.get("step") is None else float(node["step"]),
            allowed=tuple(str(value) for value in node.get("allowed", ())),
            description=str(node.get("description", "")),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadAnswer(STAGE, f"metadata of {path}: {error!r}") from error
