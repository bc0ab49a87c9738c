"""One open page: its WebSocket's messages in (docs/protocol.md), the session's events and sound out."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Literal, TypeAlias, cast

from aiohttp import WSMsgType, web

from agent.composition import System
from agent.errors import AgentError
from agent.events import said_unasked, to_json
from agent.web.voice_stream import VoiceStream, VoiceStreams
from backends.model import Language

PROTOCOL = 1
Work: TypeAlias = Coroutine[Any, Any, None] | Literal[False] | None
"""what a message leads to: something to wait for, nothing more, or False: it is not as the protocol says"""
Handler: TypeAlias = Callable[[Mapping[str, Any]], Work]


class Connection:
    """One open page."""

    def __init__(self, system: System, ws: web.WebSocketResponse, session: str, voices: VoiceStreams) -> None:
        self._system, self._ws, self._session = system, ws, session
        self._voice = VoiceStream(voices, session, self._send_sound)
        self._language: Language | None = None
        self._turns: set[asyncio.Task[None]] = set()
        self._switching = asyncio.Lock()
        self._handlers: dict[str, Handler] = {
            "say": self._say,
            "language": self._speak,
            "drive": self._drive,
            "car": lambda _: self._car(),
            "voice": self._voice_switch,
            "press": lambda message: self._voice.press(str(message.get("source"))),
            "release": lambda _: self._voice.release(),
            "line": self._line,
            "push": self._push,
            "reset": lambda _: self._reset(),
        }

    async def run(self) -> None:
        conversation = self._system.conversation
        welcome = {"type": "welcome", "protocol": PROTOCOL, "session": self._session}
        await self._send({**welcome, "owner": conversation.owner(self._session)})
        if conversation.handoffs is not None and (shown := conversation.handoffs.shown(self._session)):
            await self._send({"type": "handoff_so_far", "events": [to_json(event) for event in shown]})
        with self._system.stream.listen(self._session) as events:

            async def forward() -> None:
                async for event in events:
                    await self._send(to_json(event))
                    if (words := said_unasked(event)) is not None:
                        self._voice.announce(*words)

            forwarder = asyncio.create_task(forward())
            try:
                async for message in self._ws:
                    if message.type is WSMsgType.TEXT:
                        await self._receive(message.data)
                    elif message.type is WSMsgType.BINARY and (reason := self._voice.hear(message.data)) is not None:
                        await self._refuse(reason)
            finally:
                # Turns under way go on: what was said is worked on and remembered, whoever listens.
                self._voice.close_soon()
                forwarder.cancel()
                with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                    await forwarder

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
        elif isinstance(work, Coroutine):
            await work

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
        return self._car()

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

    async def _reset(self) -> None:
        try:
            await self._system.conversation.reset(self._session)
            await self._send({"type": "reset"})
        except AgentError as error:
            await self._refuse(error.code)

    # ── what they lead to ───────────────────────────────────────────────────────────────────────────────────────────

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._turns.add(task)
        task.add_done_callback(self._turns.discard)

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

    async def _car(self) -> None:
        simulation = self._system.simulation
        status = simulation.navigation.now()
        position = simulation.vehicle.position
        car: dict[str, Any] = {
            "type": "car",
            "time": simulation.clock().isoformat(timespec="seconds"),
            "latitude": position.latitude,
            "longitude": position.longitude,
            "speed_kmh": round(simulation.vehicle.speed_kmh, 1),
            "factor": simulation.vehicle.factor,
            "guiding": bool(status["guiding"]),
        }
        if status["guiding"]:
            car |= {
                "destination": str(status["name"]),
                "remaining_m": round(cast(float, status["remaining_m"])),
                "eta": cast(Any, status["eta"]).isoformat(timespec="minutes"),
            }
        await self._send(car)

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
        if not self._ws.closed:
            with contextlib.suppress(ConnectionError):
                await self._ws.send_json(message, dumps=lambda m: json.dumps(m, ensure_ascii=False))
