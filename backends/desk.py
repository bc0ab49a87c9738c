"""The Owner's Desk over HTTP: signed calls with a deadline, server-sent events with a sign of life, sound over a WebSocket
(docs/desk.md)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, cast
from urllib.parse import quote, urlsplit

import aiohttp

from backends import packet as packets
from backends.errors import BackendTimeout, BackendUnavailable, BadAnswer, NotFound, Rejected
from backends.model import DeskEvent, DeskLine, DeskReceipt, DeskSoundNote, HandoffState
from backends.ports import DeskSound
from backends.signing import sign

_STAGE = "desk"
_MAX_EVENT = 256 * 1024
SOUND_PROTOCOL = "desk.sound.v1"
SOUND_FRAME_BYTES = 640


class HttpDesk:
    """`Desk` at `url` (http://host:port), as the client `key` with its `secret`.

    Calls end within `deadline_s`; an event stream that shows no sign of life for `silence_s` counts as lost.
    """

    def __init__(self, url: str, key: str, secret: str, *, deadline_s: float = 2.0, silence_s: float = 4.0) -> None:
        self._url, self._key, self._secret = url.rstrip("/"), key, secret
        self._deadline_s, self._silence_s = deadline_s, silence_s
        self._prefix = urlsplit(self._url).path
        self._client: aiohttp.ClientSession | None = None

    async def submit(self, packet: Mapping[str, object]) -> DeskReceipt:
        packets.check(packet)
        return _receipt(await self._post("/api/v1/handoffs", packet))

    async def take_line(self, handoff: str) -> DeskReceipt:
        return _receipt(await self._post(f"{_path(handoff)}/active", {}))

    async def say(self, handoff: str, line: DeskLine) -> None:
        body = {
            "id": line.id,
            "speaker": line.speaker,
            "text": line.text,
            "language": line.language,
            "at": line.at.isoformat(),
            "confidence": line.confidence,
            "urgent": line.urgent,
        }
        await self._post(f"{_path(handoff)}/messages", body)

    async def end(self, handoff: str, outcome: str, reason: str) -> DeskReceipt:
        return _receipt(await self._post(f"{_path(handoff)}/end", {"outcome": outcome, "reason": reason}))

    async def answer_push(self, handoff: str, push: str, state: str, detail: str = "") -> None:
        await self._post(f"{_path(handoff)}/pushes/{quote(push, safe='')}/answer", {"state": state, "detail": detail})

    async def events(self, handoff: str, after: int) -> AsyncIterator[DeskEvent]:
        path = f"{_path(handoff)}/events?after={after}"
        headers = sign(self._key, self._secret, "GET", self._prefix + path)
        try:
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._deadline_s, sock_read=self._silence_s)
            async with self._session().get(self._url + path, headers=headers, timeout=timeout) as response:
                _check(response.status)
                async for event in _events(response.content):
                    yield event
        except (TimeoutError, asyncio.TimeoutError) as error:
            raise BackendTimeout(_STAGE, "no sign of life") from error
        except (aiohttp.ClientError, OSError) as error:
            raise BackendUnavailable(_STAGE, type(error).__name__) from error
        except ValueError as error:
            # A line longer than the reader takes.
            raise BadAnswer(_STAGE, "event too large") from error
        raise BackendUnavailable(_STAGE, "the stream ended")

    @asynccontextmanager
    async def sound(self, handoff: str) -> AsyncIterator[DeskSound]:
        path = f"{_path(handoff)}/sound"
        headers = sign(self._key, self._secret, "GET", self._prefix + path)
        try:
            opening = self._session().ws_connect(
                self._url + path, headers=headers, protocols=(SOUND_PROTOCOL,), heartbeat=self._silence_s, max_msg_size=65_536
            )  # fmt: skip
            ws = await asyncio.wait_for(opening, self._deadline_s)
        except (TimeoutError, asyncio.TimeoutError) as error:
            raise BackendTimeout(_STAGE, f"no sound within {self._deadline_s:g} s") from error
        except aiohttp.WSServerHandshakeError as error:
            _check(error.status)
            raise BadAnswer(_STAGE, f"HTTP {error.status}") from error
        except (aiohttp.ClientError, OSError) as error:
            raise BackendUnavailable(_STAGE, type(error).__name__) from error
        try:
            yield _Sound(ws)
        finally:
            await ws.close()

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def _post(self, path: str, body: Mapping[str, object]) -> Any:
        data = json.dumps(body, ensure_ascii=False).encode()
        headers = {
            **sign(self._key, self._secret, "POST", self._prefix + path, data),
            "Content-Type": "application/json",
        }
        try:
            async with self._session().post(
                self._url + path, data=data, headers=headers, timeout=aiohttp.ClientTimeout(total=self._deadline_s)
            ) as response:
                _check(response.status)
                answer = await response.content.read(_MAX_EVENT)
        except (TimeoutError, asyncio.TimeoutError) as error:
            raise BackendTimeout(_STAGE, f"no answer within {self._deadline_s:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise BackendUnavailable(_STAGE, type(error).__name__) from error
        try:
            return json.loads(answer) if answer else {}
        except ValueError as error:
            raise BadAnswer(_STAGE, "not JSON") from error

    def _session(self) -> aiohttp.ClientSession:
        if self._client is None:
            self._client = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        return self._client


class _Sound:
    """`DeskSound` over a WebSocket."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self._ws = ws

    async def send(self, frame: bytes) -> None:
        try:
            await self._ws.send_bytes(frame)
        except (ConnectionError, RuntimeError) as error:
            raise BackendUnavailable(_STAGE, "the sound ended") from error

    async def received(self) -> AsyncIterator[bytes | DeskSoundNote]:
        async for message in self._ws:
            if message.type is aiohttp.WSMsgType.BINARY and len(message.data) == SOUND_FRAME_BYTES:
                yield message.data
            elif message.type is aiohttp.WSMsgType.TEXT:
                yield _note(message.data)
        raise BackendUnavailable(_STAGE, "the sound ended")


def _note(text: str) -> DeskSoundNote:
    try:
        data = json.loads(text)
        return DeskSoundNote(str(data["type"]), {key: value for key, value in data.items() if key != "type"})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadAnswer(_STAGE, "not a note") from error


def _path(handoff: str) -> str:
    return f"/api/v1/handoffs/{quote(handoff, safe='')}"


def _check(status: int) -> None:
    if status in (200, 201, 202, 204):
        return
    if status in (404, 410):
        raise NotFound(_STAGE, f"HTTP {status}")
    if status >= 500 or status == 429:
        raise BackendUnavailable(_STAGE, f"HTTP {status}")
    if 400 <= status < 500:
        raise Rejected(_STAGE, f"HTTP {status}")
    raise BadAnswer(_STAGE, f"HTTP {status}")


async def _events(content: aiohttp.StreamReader) -> AsyncIterator[DeskEvent]:
    """Server-sent events: `data:` lines up to an empty line; a comment is a sign of life."""
    data: list[str] = []
    size = 0
    while raw := await content.readline():
        line = raw.decode("utf-8", "replace").rstrip("\r\n")
        size += len(line)
        if size > _MAX_EVENT:
            raise BadAnswer(_STAGE, "event too large")
        if line.startswith(":"):
            size = 0
            yield DeskEvent(0, "", "alive", {})
        elif line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif not line and data:
            yield _event("\n".join(data))
            data, size = [], 0


def _event(text: str) -> DeskEvent:
    try:
        row = json.loads(text)
        at = datetime.fromisoformat(row["at"]) if row.get("at") else None
        return DeskEvent(int(row["seq"]), str(row["handoff"]), str(row["type"]), dict(row["data"]), at)
    except (ValueError, KeyError, TypeError) as error:
        raise BadAnswer(_STAGE, "not an event") from error


def _receipt(answer: Any) -> DeskReceipt:
    try:
        return DeskReceipt(
            str(answer["id"]), cast(HandoffState, answer["state"]), int(answer["seq"]), int(answer["position"])
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadAnswer(_STAGE, "not a receipt") from error
