"""The port to the dialogue model, and the two ways of reaching it.

`InThreadDialogue` runs the engine in a thread of its own with its own event loop, because inference would block the loop
that serves the driver. `RemoteDialogue` talks to dialogue workers: child processes with the same engine behind a thin
loopback HTTP app (`agent.dialogue_worker`), kept alive by `agent.supervisor`.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import aiohttp

from agent.errors import DialogueTimeout, DialogueUnavailable
from backends.model import Language

T = TypeVar("T")

Stages = dict[str, float]
"""milliseconds by stage: understanding, policy, action, backend (within action), store"""

STAGES: ContextVar[Stages | None] = ContextVar("STAGES", default=None)
"""the stage clock of the turn being worked on in this task"""


def spend(stage: str, milliseconds: float) -> None:
    """Adds to the stage clock of the current turn, if there is one."""
    stages = STAGES.get()
    if stages is not None:
        stages[stage] = stages.get(stage, 0.0) + milliseconds


@dataclass(frozen=True, slots=True)
class Understanding:
    """What a sentence means, apart from any conversation."""

    intent: str
    confidence: float
    """0 … 1"""
    entities: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class DialogueReply:
    """What the dialogue model made of one message."""

    texts: tuple[str, ...]
    """sentences to say; empty when no action answered"""
    payload: Mapping[str, Any]
    """`context`, `actions`, `cards`, `quick_replies` (see `actions.skill.payload`)"""
    understanding: Understanding
    slots: Mapping[str, Any]
    """dialogue slots after the turn, None ones left out"""
    timings: Mapping[str, float] = field(default_factory=dict)
    """milliseconds by stage"""
    others: tuple[Understanding, ...] = ()
    """what further requests of the same message mean (`agent.several`)"""


class Dialogue(Protocol):
    """Decides what to do and say. Every coroutine ends with a value, or raises an `AgentError`."""

    async def turn(
        self, session: str, text: str, *, language: Language, metadata: Mapping[str, Any] | None = None
    ) -> DialogueReply:
        """One user message. Messages of one session are worked on one after the other."""

    async def parse(self, text: str, *, language: Language, metadata: Mapping[str, Any] | None = None) -> Understanding:
        """The meaning alone; nothing is remembered or done."""

    async def reset(self, session: str) -> None:
        """Forgets the conversation."""

    async def forget(self, driver: str) -> None:
        """Erases every turn of a driver, in every conversation, from the files as well."""

    async def slots(self, session: str) -> Mapping[str, Any]:
        """Dialogue slots of a session, {} for an unknown one."""

    async def close(self) -> None: ...


class InThreadDialogue:
    """A `Dialogue` that lives in a thread and event loop of its own."""

    def __init__(self, create: Callable[[], Awaitable[Dialogue]]) -> None:
        """`create` builds the engine; it is awaited inside the new thread's loop."""
        self._create = create
        self._loop: asyncio.AbstractEventLoop | None = None
        self._engine: Dialogue | None = None
        self._thread: threading.Thread | None = None

    async def start(self) -> None:
        """Returns once the engine is ready. Raises what `create` raises."""
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        caller = asyncio.get_running_loop()

        def settle(error: BaseException | None) -> None:
            def act() -> None:
                if ready.done():
                    return
                if error is None:
                    ready.set_result(None)
                else:
                    ready.set_exception(error)

            caller.call_soon_threadsafe(act)

        def run() -> None:
            loop = asyncio.new_event_loop()
            asyncio.set_event_loop(loop)
            self._loop = loop
            try:
                self._engine = loop.run_until_complete(_awaited(self._create()))
            except BaseException as error:
                settle(error)
                loop.close()
                return
            settle(None)
            try:
                loop.run_forever()
            finally:
                for task in asyncio.all_tasks(loop):
                    task.cancel()
                loop.run_until_complete(loop.shutdown_asyncgens())
                loop.close()

        self._thread = threading.Thread(target=run, name="dialogue", daemon=True)
        self._thread.start()
        await ready

    async def run(self, coroutine: Callable[[], Awaitable[T]]) -> T:
        """Awaits `coroutine()` inside the engine's loop (the world's clients live there)."""
        if self._loop is None or self._engine is None:
            raise DialogueUnavailable("not started")
        future = asyncio.run_coroutine_threadsafe(_awaited(coroutine()), self._loop)
        return await asyncio.wrap_future(future)

    async def turn(
        self, session: str, text: str, *, language: Language, metadata: Mapping[str, Any] | None = None
    ) -> DialogueReply:
        engine = self._ready()
        return await self.run(lambda: engine.turn(session, text, language=language, metadata=metadata))

    async def parse(self, text: str, *, language: Language, metadata: Mapping[str, Any] | None = None) -> Understanding:
        engine = self._ready()
        return await self.run(lambda: engine.parse(text, language=language, metadata=metadata))

    async def reset(self, session: str) -> None:
        engine = self._ready()
        await self.run(lambda: engine.reset(session))

    async def forget(self, driver: str) -> None:
        engine = self._ready()
        await self.run(lambda: engine.forget(driver))

    async def slots(self, session: str) -> Mapping[str, Any]:
        engine = self._ready()
        return await self.run(lambda: engine.slots(session))

    async def close(self) -> None:
        if self._loop is None or self._thread is None or self._engine is None:
            return
        engine = self._engine
        await self.run(engine.close)
        self._engine = None
        self._loop.call_soon_threadsafe(self._loop.stop)
        await asyncio.to_thread(self._thread.join, 5.0)

    def _ready(self) -> Dialogue:
        if self._engine is None:
            raise DialogueUnavailable("not started")
        return self._engine


async def _awaited(awaitable: Awaitable[T]) -> T:
    return await awaitable


class WorkerAddress(Protocol):
    """Where a worker listens now; changes when it is restarted."""

    @property
    def url(self) -> str | None:
        """None while it is down."""

    @property
    def token(self) -> str: ...


class RemoteDialogue:
    """A `Dialogue` spread over dialogue workers: a session always goes to the same one."""

    def __init__(
        self,
        workers: Sequence[WorkerAddress],
        *,
        deadline_s: float,
        clock: Callable[[], Mapping[str, Any]] = dict,
    ) -> None:
        """`clock` gives the car's time for each message: {"now": ISO 8601, "rate": simulated seconds a second}."""
        self._workers = workers
        self._deadline_s = deadline_s
        self._clock = clock
        self._client: aiohttp.ClientSession | None = None

    def worker_of(self, session: str) -> int:
        """Index of the worker that serves a session."""
        digest = hashlib.blake2b(session.encode(), digest_size=4).digest()
        return int.from_bytes(digest, "big") % len(self._workers)

    async def turn(
        self, session: str, text: str, *, language: Language, metadata: Mapping[str, Any] | None = None
    ) -> DialogueReply:
        answer = await self._ask(
            session,
            "/turn",
            {"session": session, "text": text, "language": language, "metadata": dict(metadata or {})},
        )
        return reply_from_json(answer)

    async def parse(self, text: str, *, language: Language, metadata: Mapping[str, Any] | None = None) -> Understanding:
        answer = await self._ask(text, "/parse", {"text": text, "language": language, "metadata": dict(metadata or {})})
        return understanding_from_json(answer)

    async def reset(self, session: str) -> None:
        await self._ask(session, "/reset", {"session": session})

    async def forget(self, driver: str) -> None:
        # Each worker holds its own conversations in memory.
        for number in range(len(self._workers)):
            await self._ask_worker(number, "/forget", {"driver": driver})

    async def slots(self, session: str) -> Mapping[str, Any]:
        slots: Mapping[str, Any] = (await self._ask(session, "/slots", {"session": session}))["slots"]
        return slots

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def _ask(self, key: str, path: str, body: dict[str, Any]) -> Any:
        return await self._ask_worker(self.worker_of(key), path, body)

    async def _ask_worker(self, number: int, path: str, body: dict[str, Any]) -> Any:
        worker = self._workers[number]
        if worker.url is None:
            raise DialogueUnavailable("the dialogue worker is starting")
        if self._client is None:
            self._client = aiohttp.ClientSession()
        body["clock"] = dict(self._clock())
        try:
            async with self._client.post(
                worker.url + path,
                json=body,
                headers={"Authorization": f"Bearer {worker.token}"},
                timeout=aiohttp.ClientTimeout(total=self._deadline_s),
            ) as response:
                if response.status != 200:
                    raise DialogueUnavailable(f"the dialogue worker answered {response.status}")
                return await response.json()
        except asyncio.TimeoutError as error:
            raise DialogueTimeout("no answer from the dialogue worker") from error
        except aiohttp.ClientError as error:
            raise DialogueUnavailable(str(error)) from error


def reply_to_json(reply: DialogueReply) -> dict[str, Any]:
    return {
        "texts": list(reply.texts),
        "payload": dict(reply.payload),
        "understanding": understanding_to_json(reply.understanding),
        "slots": dict(reply.slots),
        "timings": dict(reply.timings),
    }


def reply_from_json(data: Mapping[str, Any]) -> DialogueReply:
    return DialogueReply(
        tuple(data["texts"]),
        data["payload"],
        understanding_from_json(data["understanding"]),
        data["slots"],
        data["timings"],
    )


def understanding_to_json(understanding: Understanding) -> dict[str, Any]:
    return {
        "intent": understanding.intent,
        "confidence": understanding.confidence,
        "entities": [dict(entity) for entity in understanding.entities],
    }


def understanding_from_json(data: Mapping[str, Any]) -> Understanding:
    return Understanding(data["intent"], float(data["confidence"]), tuple(data["entities"]))
