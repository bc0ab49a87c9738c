"""The sound between a driver and the operator who holds the line.

As long as an operator holds the line of a session with a voice, its frames go to the desk and the operator's are played. The line
decides (`agent/handoff.py`), never the sound: it begins when the line was taken, ends when it is the agent's again, and is opened
again as long as that lasts. What cannot get through is dropped and counted: sound that comes late is of no use.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, Final, Protocol

from agent.events import Event, EventStream, Handoff, LineSound
from agent.handoff_state import Owner
from backends.errors import BackendError
from backends.model import DeskSoundNote
from backends.ports import Desk

log = logging.getLogger(__name__)

WAITING: Final = 50
"""frames that may wait for the desk: a second"""
RETRY_S: Final = 0.5
TELL_LOST: Final = 50
"""frames lost until it is told (and at the end)"""


class Line(Protocol):
    """Who holds a session's line (`agent.handoff.Handoffs`)."""

    def owner(self, session: str) -> Owner: ...
    def handoff_of(self, session: str) -> str: ...


class Voice(Protocol):
    """The driver's end."""

    def call(self, out: Callable[[bytes], None] | None) -> None:
        """Every frame of the microphone goes to `out` from now on; None: no longer."""

    def hear(self, frame: bytes) -> None:
        """A frame of the operator, to be played."""


class LineSounds:
    """The calls of all sessions. Everything happens in the loop it was made for, but for what a voice hands to `out`."""

    def __init__(self, desk: Desk, line: Line, stream: EventStream, *, retry_s: float = RETRY_S) -> None:
        self._desk, self._line, self._stream, self._retry_s = desk, line, stream, retry_s
        self._voices: dict[str, list[Voice]] = {}
        self._calls: dict[str, _Running] = {}
        self._ending: set[asyncio.Task[None]] = set()
        stream.add_sink(self._take)

    def join(self, session: str, voice: Voice) -> Callable[[], None]:
        """A voice of the session is there; of several the latest is on the line. Call the result when it goes."""
        voices = self._voices.setdefault(session, [])
        voices.append(voice)
        self._look(session)

        def leave() -> None:
            if voice in voices:
                voices.remove(voice)
            if not voices and self._voices.get(session) is voices:
                del self._voices[session]
            self._look(session)

        return leave

    async def close(self) -> None:
        for session in list(self._calls):
            self._stop(session)
        await asyncio.gather(*self._ending, return_exceptions=True)

    # ── who is on the line ──────────────────────────────────────────────────────────────────────────────────────

    def _take(self, event: Event) -> None:
        if isinstance(event, Handoff):
            self._look(event.session)

    def _look(self, session: str) -> None:
        voices = self._voices.get(session)
        held = self._line.owner(session) == "operator"
        wanted = (self._line.handoff_of(session), voices[-1]) if held and voices else None
        running = self._calls.get(session)
        if running is not None and (running.handoff, running.voice) != wanted:
            self._stop(session)
            running = None
        if wanted is not None and running is None:
            self._calls[session] = _Running(self, session, *wanted)

    def _stop(self, session: str) -> None:
        running = self._calls.pop(session)
        running.end()
        self._ending.add(running.task)
        running.task.add_done_callback(self._ending.discard)


class _Running:
    """One call."""

    def __init__(self, sounds: LineSounds, session: str, handoff: str, voice: Voice) -> None:
        self._sounds, self._session = sounds, session
        self.handoff, self.voice = handoff, voice
        self._waiting: deque[bytes] = deque()
        self._come = asyncio.Event()
        self._lost = 0
        self._on: bool | None = None
        self._ended = False
        loop = asyncio.get_running_loop()

        def out(frame: bytes) -> None:
            # From the voice's thread; a loop that has ended needs no sound any more.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._put, frame)

        voice.call(out)
        self.task = asyncio.create_task(self._run())

    def _put(self, frame: bytes) -> None:
        if self._ended:
            return
        self._waiting.append(frame)
        self._come.set()
        while len(self._waiting) > WAITING:
            self._waiting.popleft()
            self._lose(1)

    def _lose(self, frames: int) -> None:
        self._lost += frames
        if self._lost >= TELL_LOST:
            self._tell_lost()

    def _tell_lost(self) -> None:
        if self._lost:
            self._tell("lost", self._lost)
            self._lost = 0

    def _tell(self, state: str, frames: int = 0) -> None:
        self._sounds._stream.emit(LineSound(self._session, self.handoff, state, frames))

    def _is(self, on: bool) -> None:
        if self._on is not on and not self._ended:
            self._on = on
            self._tell("on" if on else "off")

    async def _run(self) -> None:
        """Until cancelled: a channel as long as one can be had, and another after it."""
        while True:
            try:
                async with self._sounds._desk.sound(self.handoff) as channel:
                    # What was said while nobody could hear it is not said now.
                    self._lose(len(self._waiting))
                    self._waiting.clear()
                    self._is(True)
                    await _both(self._send(channel.send), self._receive(channel.received()))
            except BackendError as error:
                log.info("no sound to the desk: %s", error.code)
            except Exception:
                log.exception("the sound to the desk broke")
            self._is(False)
            await asyncio.sleep(self._sounds._retry_s)

    def end(self) -> None:
        """The line is no longer this call's."""
        self.voice.call(None)
        self.task.cancel()
        self._tell_lost()
        if self._on:
            self._is(False)
        self._ended = True

    async def _send(self, send: Callable[[bytes], Awaitable[None]]) -> None:
        while True:
            while self._waiting:
                await send(self._waiting.popleft())
            self._come.clear()
            await self._come.wait()

    async def _receive(self, received: AsyncIterator[bytes | DeskSoundNote]) -> None:
        async for item in received:
            if isinstance(item, bytes):
                self.voice.hear(item)
            elif item.type == "talk":
                self._tell("talking" if item.data.get("on") is True else "quiet")


async def _both(*work: Coroutine[Any, Any, None]) -> None:
    """Runs both until one ends, then ends the other. Raises what it raised."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
