"""What a tester does to car and world from the page, and the recording of a session (docs/protocol.md).

One `WorldRoom` serves all pages of a gateway; one `WorldMessages` serves one page.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Final

from agent.composition import System, reported_state
from agent.web.recording import Recorder

MAX_RECORDINGS: Final = 4
LOOK_AGAIN_S: Final = 1.0
"""how often the state is looked at without being told of a change: what the driver does changes it as well"""
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Work = Coroutine[Any, Any, Any] | bool | None


class WorldRoom:
    """What the pages of one gateway share: who records, who is to be told."""

    def __init__(self, system: System) -> None:
        self.system = system
        self._recorders: dict[str, Recorder] = {}
        self._pages: set[WorldMessages] = set()

    def join(self, page: WorldMessages) -> None:
        self._pages.add(page)

    def leave(self, page: WorldMessages) -> None:
        self._pages.discard(page)

    def recorder(self, session: str) -> Recorder | None:
        return self._recorders.get(session)

    def record(self, session: str, name: str) -> bool:
        """Begins a recording; False when too many are under way."""
        if (old := self._recorders.pop(session, None)) is not None:
            old.close()
        if len(self._recorders) >= MAX_RECORDINGS:
            return False
        self._recorders[session] = Recorder(self.system, session, name, lambda: self.tell_recording(session))
        self.tell_recording(session)
        return True

    async def finish(self, session: str) -> tuple[Recorder, str] | None:
        """Ends a recording: what was recorded, and the file's text."""
        recorder = self._recorders.pop(session, None)
        if recorder is None:
            return None
        text = await recorder.finish()
        self.tell_recording(session, finished=True)
        return recorder, text

    def tell_recording(self, session: str, *, finished: bool = False) -> None:
        for page in self._pages:
            if page.session == session:
                page.recording_changed(finished)

    def saw(self, message: Mapping[str, Any]) -> None:
        """A page moved the car or touched something: recordings have it as a control."""
        kind = message.get("type")
        if kind == "place_car":
            control = {"do": "place", **{k: message[k] for k in ("latitude", "longitude", "heading") if k in message}}
        elif kind == "touch":
            control = {"do": "signal", "path": message.get("path"), "value": message.get("value")}
        else:
            return
        for recorder in self._recorders.values():
            recorder.control(control)

    def close(self) -> None:
        for recorder in self._recorders.values():
            recorder.close()
        self._recorders.clear()


class WorldMessages:
    """One page's messages about the world. `send` puts a message on its line."""

    def __init__(self, room: WorldRoom, session: str, send: Send, reset: Callable[[], Awaitable[bool]]) -> None:
        """`reset` forgets the conversation, and says so; False: it could not."""
        self._room, self.session, self._send, self._reset = room, session, send, reset
        self._controls = room.system.simulation.controls
        self._changed = asyncio.Event()
        self._pushing: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._end: Callable[[], None] = lambda: None
        self.handlers: dict[str, Callable[[Mapping[str, Any]], Work]] = {"world": self._world, "record": self._record}

    def close(self) -> None:
        self._room.leave(self)
        self._end()
        for task in (self._pushing, *self._tasks):
            if task is not None:
                task.cancel()

    def recording_changed(self, finished: bool) -> None:
        task = asyncio.create_task(self._tell_recording(finished))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _world(self, message: Mapping[str, Any]) -> Work:
        if not isinstance(message.get("do"), str):
            return False
        control = {key: value for key, value in message.items() if key != "type"}
        if control == {"do": "show"}:
            return self._show()
        try:
            self._controls.apply(control)
        except ValueError as error:
            # `ControlError` of the simulator; its text is for engineers, its code for the page.
            refused = {"type": "world_refused", "do": control["do"][:40], "code": getattr(error, "code", "bad_value")}
            return self._tell({**refused, "detail": str(error)[:200]})
        return self._follow()

    def _record(self, message: Mapping[str, Any]) -> Work:
        do, name = message.get("do"), message.get("name", "")
        if do not in ("start", "stop", "show") or not isinstance(name, str):
            return False
        if do == "start":
            return self._start(name)
        return self._stop() if do == "stop" else self._tell_recording()

    # ── what they lead to ───────────────────────────────────────────────────────────────────────────────────────

    async def _show(self) -> None:
        await self._send({"type": "world_options", **self._controls.options()})
        await self._follow()
        await self._tell_recording()
        await self._send({"type": "world_state", **self._controls.state()})

    async def _follow(self) -> None:
        """Tells this page of every change from now on."""
        if self._pushing is None:
            self._room.join(self)
            self._end = self._controls.on_control(lambda _: self._changed.set())
            self._pushing = asyncio.create_task(self._push())

    async def _push(self) -> None:
        known: dict[str, Any] | None = None
        while True:
            state = self._controls.state()
            new = {key: value for key, value in state.items() if key != "time"}
            if new != known:
                await self._send({"type": "world_state", **state})
                known = new
            with contextlib.suppress(asyncio.TimeoutError, TimeoutError):
                await asyncio.wait_for(self._changed.wait(), LOOK_AGAIN_S)
            self._changed.clear()

    async def _start(self, name: str) -> None:
        await self._follow()
        if not await self._reset():
            return
        # What reads the state is loaded beforehand: the loop is not held up by it in the middle of a turn.
        await asyncio.to_thread(reported_state, {}, "ja")
        if not self._room.record(self.session, name):
            await self._tell({"type": "world_refused", "do": "record", "code": "too_many", "detail": "recordings"})

    async def _stop(self) -> None:
        done = await self._room.finish(self.session)
        if done is None:
            await self._tell_recording()
            return
        recorder, text = done
        await self._send({"type": "recording_file", "name": recorder.name, "turns": recorder.turns, "text": text})

    async def _tell_recording(self, finished: bool = False) -> None:
        recorder = self._room.recorder(self.session)
        on = recorder is not None
        counts = {"turns": recorder.turns, "controls": recorder.controls, "name": recorder.name} if recorder else {}
        await self._send({"type": "recording", "on": on, "finished": finished, **counts})

    async def _tell(self, message: Mapping[str, Any]) -> None:
        await self._send(message)
