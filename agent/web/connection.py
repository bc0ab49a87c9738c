"""One open page: its WebSocket's messages in (docs/protocol.md), the session's events and sound out."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import secrets
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeAlias

from aiohttp import WSMsgType, web

from agent.composition import System
from agent.errors import AgentError
from agent.events import said_unasked, to_json
from agent.web.car_state import CarState
from agent.web.guard import Allowance
from agent.web.outbox import Outbox
from agent.web.shown import Shown
from agent.web.signals import Signals
from agent.web.unit_messages import UnitMessages
from agent.web.voice_stream import VoiceStream, VoiceStreams
from agent.web.world_messages import WorldMessages, WorldRoom
from backends.model import Language

log = logging.getLogger(__name__)

PROTOCOL = 1
SERVER = secrets.token_urlsafe(6)
"""of this process: turns are counted anew after a restart, and a page must not take a new one for an old one"""
MESSAGES_A_SECOND, MESSAGES_AT_ONCE = 25, 120
"""of text; a finger on a slider sends 10 a second"""
SOUNDS_A_SECOND, SOUNDS_AT_ONCE = 120, 600
"""of binary messages; a microphone sends 50 a second, and more at once after a pause"""
IN_ORDER_S = 0.2
"""the next message waits so long for what the one before leads to"""
REFUSED_BEFORE_CLOSING = 300
"""so many too many without a calm moment, and the line is closed (1008)"""
Work: TypeAlias = Coroutine[Any, Any, Any] | bool | None
"""what a message leads to: something to wait for, nothing more, or False: it is not as the protocol says"""
Handler: TypeAlias = Callable[[Mapping[str, Any]], Work]


class Connection:
    """One open page."""

    def __init__(
        self, system: System, ws: web.WebSocketResponse, session: str, voices: VoiceStreams, shown: Shown,
        worlds: WorldRoom,
    ) -> None:  # fmt: skip
        self._system, self._ws, self._session, self._shown = system, ws, session, shown
        self._outbox = Outbox()
        self._allowance = Allowance(MESSAGES_A_SECOND, MESSAGES_AT_ONCE)
        self._sound_allowance = Allowance(SOUNDS_A_SECOND, SOUNDS_AT_ONCE)
        self._signals = Signals(system, session, self._send, shown)
        self._car = CarState(system, session, self._send)
        self._worlds, self._world = worlds, WorldMessages(worlds, session, self._send, self._reset)
        self._voice = VoiceStream(voices, session, self._send_sound)
        self._language: Language | None = None
        self._turns: set[asyncio.Task[None]] = set()
        self._switching = asyncio.Lock()
        self._handlers: dict[str, Handler] = {
            "say": self._say,
            "language": self._speak,
            "drive": self._drive,
            "voice": self._voice_switch,
            "press": lambda message: self._voice.press(str(message.get("source"))),
            "release": lambda _: self._voice.release(),
            "line": self._line,
            "push": self._push,
            "reset": lambda _: self._reset(),
        }
        self._handlers |= self._car.handlers
        self._handlers |= self._world.handlers
        self._handlers |= self._signals.handlers
        self._handlers |= UnitMessages(system, session, self._send).handlers

    async def run(self) -> None:
        conversation = self._system.conversation
        sender = asyncio.create_task(self._outbox.run(self._send_text))
        welcome = {"type": "welcome", "protocol": PROTOCOL, "session": self._session, "server": SERVER}
        await self._send({**welcome, "owner": conversation.owner(self._session)})
        if conversation.handoffs is not None and (shown := conversation.handoffs.shown(self._session)):
            await self._send({"type": "handoff_so_far", "events": [to_json(event) for event in shown]})
        with self._system.stream.listen(self._session) as events:

            async def forward() -> None:
                lost = 0
                async for event in events:
                    self._outbox.missed(events.lost - lost)
                    lost = events.lost
                    await self._send(to_json(event))
                    if (words := said_unasked(event)) is not None:
                        self._voice.announce(*words)

            forwarder = asyncio.create_task(forward())
            try:
                async for message in self._ws:
                    if message.type in (WSMsgType.TEXT, WSMsgType.BINARY) and not await self._allowed(message.type):
                        continue
                    if message.type is WSMsgType.TEXT:
                        await self._receive(message.data)
                    elif message.type is WSMsgType.BINARY and (reason := self._voice.hear(message.data)) is not None:
                        await self._refuse(reason)
            finally:
                # Turns under way go on: what was said is worked on and remembered, whoever listens.
                self._voice.close_soon()
                self._signals.close()
                self._car.close()
                self._world.close()
                for task in (forwarder, sender):
                    task.cancel()
                    with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                        await task

    async def _allowed(self, kind: WSMsgType) -> bool:
        """Whether a message is within what one page may send; a flood is refused, told once, and ends the line."""
        allowance = self._allowance if kind is WSMsgType.TEXT else self._sound_allowance
        if allowance.take():
            return True
        if allowance.refused == 1:
            await self._refuse("too many messages")
        # What came at once is read without a pause; others, and the answers, have their turn as well.
        await asyncio.sleep(0)
        if allowance.refused > REFUSED_BEFORE_CLOSING:
            await self._ws.close(code=1008, message=b"too many messages")
        return False

    async def _receive(self, data: str) -> None:
        try:
            message = json.loads(data)
            kind = message["type"]
        except (ValueError, KeyError, TypeError, RecursionError):
            await self._refuse("not a message")
            return
        handle = self._handlers.get(kind) if isinstance(kind, str) else None
        if handle is None or (work := handle(message)) is False:
            await self._refuse("unknown message")
            return
        if isinstance(work, Coroutine):
            # In order, but what takes long holds up nothing: least of all distress.
            task = self._in_background(work)
            await asyncio.wait({task}, timeout=IN_ORDER_S)
        self._worlds.saw(message)

    # ── one method a message; False: it is not as the protocol says ────────────────────────────────────────────────

    def _say(self, message: Mapping[str, Any]) -> Work:
        text = message.get("text")
        if not isinstance(text, str):
            return False

        # The events come back through the stream; the socket stays free for the next message (and for distress).
        async def turn() -> None:
            result = await self._system.conversation.turn(self._session, text, language=self._language)
            # Typed while the voice is on: answered aloud as well.
            self._voice.announce(result.spoke.text, result.spoke.language)

        self._in_background(turn())
        return None

    def _speak(self, message: Mapping[str, Any]) -> Work:
        language = message.get("language")
        if language not in ("ja", "en", "auto"):
            return False
        self._language = None if language == "auto" else language
        return None

    def _drive(self, message: Mapping[str, Any]) -> Work:
        factor = message.get("factor")
        if isinstance(factor, bool) or not isinstance(factor, int | float) or not 0 <= factor <= 600:
            return False
        self._system.simulation.vehicle.drive(float(factor))
        return self._car.tell_car()

    def _voice_switch(self, message: Mapping[str, Any]) -> Work:
        on = message.get("on")
        if not isinstance(on, bool):
            return False
        # Engines take seconds to load; the socket stays free meanwhile.
        self._in_background(self._switch_voice(on, message.get("language")))
        return None

    def _line(self, message: Mapping[str, Any]) -> Work:
        if message.get("do") != "back":
            return False
        self._touch(None)
        return None

    def _push(self, message: Mapping[str, Any]) -> Work:
        number, accept = message.get("id"), message.get("accept")
        if not isinstance(number, str) or not isinstance(accept, bool):
            return False
        self._touch((number, accept))
        return None

    async def _reset(self) -> bool:
        """Whether the conversation is forgotten."""
        try:
            await self._system.conversation.reset(self._session)
        except AgentError as error:
            await self._refuse(error.code)
            return False
        self._shown.forget(self._session)
        await self._send({"type": "reset"})
        return True

    # ── what they lead to ───────────────────────────────────────────────────────────────────────────────────────────

    def _in_background(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._turns.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._turns.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a page's message broke", exc_info=error)

    def _touch(self, push: tuple[str, bool] | None) -> None:
        """A button about the line: back to the agent, or the answer to something the operator sent."""
        handoffs = self._system.conversation.handoffs
        if handoffs is None:
            return
        if push is None:
            handoffs.cancel(self._session)
            return
        task = asyncio.create_task(handoffs.answer_push(self._session, push[1], push[0]))
        self._turns.add(task)
        task.add_done_callback(self._turns.discard)

    async def _switch_voice(self, on: bool, language: Any) -> None:
        async with self._switching:
            if on and not self._voice.is_open:
                from agent.composition_voice import language_of

                wanted = language if language in ("ja", "en") else self._language
                reason = await self._voice.start(language_of(self._system.settings, wanted))
                if reason is not None:
                    await self._refuse(reason)
            elif not on:
                await self._voice.close()
            if self._ws.closed:
                # The page left while its engines were loaded.
                self._voice.close_soon()
            await self._send({"type": "voice_on" if self._voice.is_open else "voice_off"})

    async def _send_sound(self, frame: bytes) -> None:
        if not self._ws.closed:
            with contextlib.suppress(ConnectionError):
                await self._ws.send_bytes(frame)

    async def _refuse(self, reason: str) -> None:
        await self._send({"type": "refused", "reason": reason})

    async def _send(self, message: Mapping[str, Any]) -> None:
        """Puts a message on its way; never waits for a page that reads slowly."""
        self._outbox.put(message)

    async def _send_text(self, text: str) -> None:
        if not self._ws.closed:
            with contextlib.suppress(ConnectionError):
                await self._ws.send_str(text)
