"""The sound between driver and operator, as it goes through the desk (`GET /api/v1/handoffs/{id}/sound`, docs/desk.md).

20 ms frames of 16 kHz mono s16le, as they are spoken, in both directions; JSON beside them. Who may speak is what the store says of
the handoff: the operator who holds it and a supervisor who joined, while it is active and not on hold. A second connection of the
same end takes the place of the first, so nothing is ever heard twice; what an end does not take in time is dropped, oldest
first, and counted. Nothing of the sound is kept: only the words, where they can be recognised.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import WSCloseCode, WSMsgType, web

from agent.desk.accounts import Caller
from agent.desk.errors import Conflict, DeskError, Refused
from agent.desk.service import Service
from agent.desk.states import FINAL
from agent.desk.transcripts import Spoken, Transcripts
from backends.desk import SOUND_FRAME_BYTES, SOUND_PROTOCOL

log = logging.getLogger(__name__)

WAITING: Final = 50
"""frames that may wait for one end: a second"""
MAX_ENDS: Final = 8
"""people who may listen in one handoff at a time"""
HEARTBEAT_S: Final = 5.0
ENDED: Final = 4000
REPLACED: Final = 4001
"""close codes"""


class End:
    """One connection: what goes out waits here, no longer than a second of it."""

    def __init__(self, caller: Caller, name: str) -> None:
        self.caller, self.name = caller, name
        self.car = caller.role == "car"
        self.speaking = False
        self.lost = 0
        self.closing: tuple[int, bytes] | None = None
        self._frames: deque[bytes] = deque()
        self._notes: deque[str] = deque(maxlen=100)
        self._come = asyncio.Event()

    def frame(self, frame: bytes) -> None:
        self._frames.append(frame)
        if len(self._frames) > WAITING:
            self._frames.popleft()
            self.lost += 1
        self._come.set()

    def note(self, type_: str, **data: Any) -> None:
        self._notes.append(json.dumps({"type": type_, **data}, ensure_ascii=False))
        self._come.set()

    def close(self, code: int, why: bytes) -> None:
        self.closing = self.closing or (code, why)
        self._come.set()

    async def send(self, ws: web.WebSocketResponse) -> None:
        """Sends what comes; returns when it is to be closed. Raises `ConnectionError`."""
        told = 0
        while True:
            while self._notes or self._frames:
                if self._notes:
                    await ws.send_str(self._notes.popleft())
                if self._frames:
                    await ws.send_bytes(self._frames.popleft())
                if self.lost - told >= WAITING:
                    self.note("lost", frames=self.lost - told)
                    told = self.lost
            if self.closing is not None:
                return
            self._come.clear()
            await self._come.wait()


@dataclass
class Room:
    """The ends of one handoff, and what is allowed there now."""

    state: str = ""
    operator: str | None = None
    joined: str | None = None
    hold: bool = False
    car: End | None = None
    people: dict[str, End] = field(default_factory=dict)

    def allows(self, end: End) -> bool:
        """Whether this end may speak and hear."""
        if self.state != "active" or self.hold:
            return False
        return end.car or end.name in (self.operator, self.joined)

    def ends(self) -> list[End]:
        return [*self.people.values(), *([self.car] if self.car is not None else [])]

    def know(self, row: Any) -> None:
        self.state, self.operator, self.joined, self.hold = row.state, row.operator, row.joined, bool(row.hold)
        for end in self.ends():
            if self.state in FINAL or self.state == "queued":
                end.close(ENDED, b"the line is the agent's")
            elif not end.car and end.name not in (self.operator, self.joined):
                end.close(ENDED, b"another operator has it")
        self.tell()

    def tell(self) -> None:
        for end in self.people.values():
            end.note("state", open=self.allows(end), car=self.car is not None, hold=self.hold)
        if self.car is not None:
            self.car.note("people", count=sum(self.allows(end) for end in self.people.values()))

    def speak(self, end: End, on: bool) -> None:
        if end.speaking is not on:
            end.speaking = on
            if self.car is not None:
                self.car.note("talk", on=on, operator=end.name)


class Sounds:
    """The rooms of all handoffs whose sound is open."""

    def __init__(self, service: Service, transcripts: Transcripts) -> None:
        self._service, self.transcripts = service, transcripts
        self._rooms: dict[str, Room] = {}
        self.lost = 0
        """frames that were dropped, of all that have ended"""

    async def serve(self, request: web.Request, handoff: str, caller: Caller, name: str) -> web.WebSocketResponse:
        """One end, until it goes. Raises `Conflict` when nobody holds the line, `Refused` when it is another's."""
        with self._service.hub.read(handoff) as reader:
            # Read after listening has begun: no change falls in between.
            row = await self._service.read(lambda db: self._service.store.row(db, handoff))
            self._check(row, caller, name)
            ws = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=65_536, protocols=(SOUND_PROTOCOL,))
            await ws.prepare(request)
            room, end = self._enter(handoff, row, End(caller, name))
            end.note("ready", transcribed=self.transcripts.can(row.language))
            room.know(row)
            work = (
                self._receive(ws, handoff, room, end, row.language),
                end.send(ws),
                self._watch(handoff, room, reader),
            )
            tasks = [asyncio.create_task(one) for one in work]
            try:
                await asyncio.wait(tasks[:2], return_when=asyncio.FIRST_COMPLETED)
            finally:
                self._leave(handoff, room, end)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            code, why = end.closing or (WSCloseCode.OK, b"")
            await ws.close(code=code, message=why)
            return ws

    def _check(self, row: Any, caller: Caller, name: str) -> None:
        if row.state not in ("accepted", "active"):
            raise Conflict(row.state)
        if caller.role != "car" and name not in (row.operator, row.joined):
            raise Refused("another operator has it")
        room = self._rooms.get(row.id)
        if room is not None and caller.role != "car" and name not in room.people and len(room.people) >= MAX_ENDS:
            raise Conflict("too many listen")

    def _enter(self, handoff: str, row: Any, end: End) -> tuple[Room, End]:
        room = self._rooms.setdefault(handoff, Room())
        before = room.car if end.car else room.people.get(end.name)
        if before is not None:
            room.speak(before, False)
            before.close(REPLACED, b"opened elsewhere")
        if end.car:
            room.car = end
        else:
            room.people[end.name] = end
        return room, end

    def _leave(self, handoff: str, room: Room, end: End) -> None:
        room.speak(end, False)
        self.lost += end.lost
        if room.car is end:
            room.car = None
        elif room.people.get(end.name) is end:
            del room.people[end.name]
        if room.car is None and not room.people:
            self._rooms.pop(handoff, None)
        else:
            room.tell()

    async def _watch(self, handoff: str, room: Room, reader: Any) -> None:
        """Follows what the store says of the handoff."""
        while True:
            try:
                event = await reader.next(60.0)
            except (asyncio.TimeoutError, TimeoutError):
                continue
            except ConnectionError:
                # Too far behind to know what holds: the ends come again.
                self._send_away(room, WSCloseCode.TRY_AGAIN_LATER, b"behind")
                return
            if event["type"] in ("state", "hold", "operator"):
                try:
                    room.know(await self._service.read(lambda db: self._service.store.row(db, handoff)))
                except DeskError:
                    # Erased: nothing is left to talk about.
                    self._send_away(room, ENDED, b"erased")

    async def _receive(self, ws: web.WebSocketResponse, handoff: str, room: Room, end: End, language: Any) -> None:
        speech = Spoken(self.transcripts, handoff, end.name, language, end.note)
        try:
            async for message in ws:
                if message.type is WSMsgType.BINARY:
                    if len(message.data) != SOUND_FRAME_BYTES:
                        end.close(WSCloseCode.UNSUPPORTED_DATA, b"frames have 640 bytes")
                    elif end.closing is None and room.allows(end):
                        self._pass_on(room, end, message.data, speech)
                elif message.type is WSMsgType.TEXT and not end.car:
                    self._talk(room, end, message.data, speech)
        finally:
            speech.end()

    def _pass_on(self, room: Room, end: End, frame: bytes, speech: Spoken) -> None:
        if end.car:
            for other in room.people.values():
                if room.allows(other):
                    other.frame(frame)
        elif end.speaking:
            speech.frame(frame)
            if room.car is not None:
                room.car.frame(frame)

    def _talk(self, room: Room, end: End, text: str, speech: Spoken) -> None:
        try:
            data = json.loads(text)
            on = data["type"] == "talk" and data["on"] is True
        except (ValueError, KeyError, TypeError, RecursionError):
            end.note("refused", reason="not a message")
            return
        room.speak(end, on)
        if not on:
            speech.end()

    @staticmethod
    def _send_away(room: Room, code: int, why: bytes) -> None:
        for end in room.ends():
            end.close(code, why)

    def go_away(self) -> None:
        """The desk ends: everybody is told."""
        for room in self._rooms.values():
            self._send_away(room, WSCloseCode.GOING_AWAY, b"going away")
