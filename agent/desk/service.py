"""The desk at work: every change is one transaction, its events go out after the commit; the watch ends what waits too long."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from agent.desk import tables as t
from agent.desk.accounts import Accounts
from agent.desk.archive import Archive
from agent.desk.database import Database, stored
from agent.desk.errors import DeskError
from agent.desk.states import FINAL
from agent.desk.store import Store

log = logging.getLogger(__name__)
T = TypeVar("T")

QUEUE_LIMIT = 1_000
"""events a reader may lag behind before it is cut off (it comes back with the number of its last one)"""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the desk waits, in seconds."""

    answer_s: float = 90.0
    """queued until nobody answered; counted anew when another operator is called"""
    take_s: float = 30.0
    """accepted until the car must have taken the line"""
    notice_s: float = 1.5
    """a side's line lost until the other side is told"""
    gone_s: float = 30.0
    """the car's line lost until the handoff is dropped; the operator's until another operator is called"""
    tick_s: float = 0.5
    alive_s: float = 1.0
    """between signs of life on an event stream"""


class Hub:
    """Hands events to the streams that are open, and knows who has one."""

    def __init__(self) -> None:
        self._readers: list[Reader] = []
        self.cars: Counter[str] = Counter()
        """open streams by handoff"""
        self.people: Counter[str] = Counter()
        """open streams by operator"""

    @contextlib.contextmanager
    def read(self, handoff: str | None) -> Iterator[Reader]:
        reader = Reader(handoff)
        self._readers.append(reader)
        try:
            yield reader
        finally:
            self._readers.remove(reader)

    @contextlib.contextmanager
    def present(self, who: Counter[str], name: str) -> Iterator[None]:
        who[name] += 1
        try:
            yield
        finally:
            who[name] -= 1
            if not who[name]:
                del who[name]

    def publish(self, events: list[dict[str, Any]]) -> None:
        for event in events:
            for reader in self._readers:
                reader.put(event)


class Reader:
    """The events one stream has not yet sent."""

    def __init__(self, handoff: str | None) -> None:
        self._handoff = handoff
        self._queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue(QUEUE_LIMIT + 1)
        self._cut = False

    def put(self, event: dict[str, Any]) -> None:
        if self._cut or (self._handoff is not None and event["handoff"] != self._handoff):
            return
        if self._queue.qsize() >= QUEUE_LIMIT:
            self._cut = True
            self._queue.put_nowait(None)
        else:
            self._queue.put_nowait(event)

    async def next(self, within_s: float) -> dict[str, Any]:
        """The next event. Raises `asyncio.TimeoutError` when there is none, `ConnectionResetError` when it lagged too far."""
        event = await asyncio.wait_for(self._queue.get(), within_s)
        if event is None:
            raise ConnectionResetError("lagged")
        return event


class Service:
    def __init__(
        self,
        database: Database,
        *,
        patience: Patience | None = None,
        store: Store | None = None,
        accounts: Accounts | None = None,
        archive: Archive | None = None,
        retention_days: int = 90,
    ) -> None:
        self.database = database
        self.patience = patience or Patience()
        self.store = store or Store()
        self.accounts = accounts or Accounts()
        self.archive = archive or Archive()
        self.hub = Hub()
        self._retention_days = retention_days
        self._published = 0
        self._absent: dict[tuple[str, str], float] = {}
        """(who, handoff) → since when (monotonic)"""
        self._told: set[tuple[str, str]] = set()
        self.changed = asyncio.Event()
        """set when events went out: webhooks wait for it"""

    async def start(self) -> None:
        self._published = await self.read(self.store.last_event)
        await self.clean()

    async def read(self, job: Callable[[Any], T]) -> T:
        return await self.database.run(job)

    async def change(self, job: Callable[[Any], T]) -> T:
        """Runs `job(db)` in one transaction, then publishes the events it (or another desk process) made."""

        def work() -> tuple[T, list[dict[str, Any]]]:
            with self.database.engine.begin() as db:
                result = job(db)
                events = self.store.events_after(db, self._published)
            if events:
                self._published = events[-1]["seq"]
            return result, events

        result, events = await self.database.run_plain(work)
        if events:
            self.hub.publish(events)
            self.changed.set()
        return result

    async def clean(self) -> None:
        """Retention, and nonces nobody can use any more."""
        removed = await self.change(lambda db: self.archive.purge(db, self._retention_days))
        if removed:
            log.info("retention: %d handoffs removed", removed)
        await self.change(self.accounts.forget_nonces)

    async def erase(self, driver: str, by: str) -> int:
        """Ends what a driver has open, then removes everything about the driver."""

        def end(db: Any) -> None:
            for handoff in self.archive.open_of(db, driver):
                self.store.finish(db, handoff, "cancelled", by=by, reason="erased")

        await self.change(end)
        return await self.change(lambda db: self.archive.erase(db, driver))

    # ── the watch ───────────────────────────────────────────────────────────────────────────────────────────────

    async def watch(self) -> None:
        """Until cancelled."""
        cleaned = time.monotonic()
        while True:
            await asyncio.sleep(self.patience.tick_s)
            try:
                await self.look()
                if time.monotonic() - cleaned > 3600:
                    cleaned = time.monotonic()
                    await self.clean()
            except Exception:
                # The next look may find the database again; the desk goes on.
                log.exception("the desk's watch broke")

    async def look(self) -> None:
        """Ends what waited too long, tells a side that the other's line is lost."""
        rows = await self.read(lambda db: db.execute(t.handoffs.select().where(t.handoffs.c.state.notin_(FINAL))).all())
        open_ = {row.id for row in rows}
        for key in [key for key in self._absent if key[1] not in open_]:
            self._absent.pop(key, None)
            self._told.discard(key)
        for row in rows:
            with contextlib.suppress(DeskError):
                await self._look_at(row)
        # Events another desk process wrote into the same database.
        await self.change(lambda db: None)

    async def _look_at(self, row: Any) -> None:
        now = stored(self.store._now())
        limit = self.patience
        if row.state == "queued" and now - row.queued_at > timedelta(seconds=limit.answer_s):
            # Called a second time because its operator was lost: to the driver that is a talk that broke off.
            again = row.calls > 1
            await self._finish(row.id, *(("dropped", "operator_gone") if again else ("no_answer", "nobody answered")))
            return
        if row.state == "accepted" and now - row.accepted_at > timedelta(seconds=limit.take_s):
            await self._finish(row.id, "dropped", "car_gone")
            return
        if await self._side(row.id, "car", self.hub.cars[row.id] > 0):
            await self._finish(row.id, "dropped", "car_gone")
            return
        # A call centre (its operators have a colon in their names) answers for its own people.
        if row.state in ("accepted", "active") and ":" not in (row.operator or ""):
            there = self.hub.people[row.operator] > 0
            if await self._side(row.id, "operator", there):
                await self._call_again(row.id)

    async def _side(self, handoff: str, who: str, there: bool) -> bool:
        """Keeps count of how long a side is away and tells the other; True when it is gone for good."""
        key = (who, handoff)
        if there:
            self._absent.pop(key, None)
            if key in self._told:
                self._told.discard(key)
                await self.change(lambda db: self.store.presence(db, handoff, who, True))
            return False
        since = self._absent.setdefault(key, time.monotonic())
        away = time.monotonic() - since
        if away > self.patience.notice_s and key not in self._told:
            self._told.add(key)
            await self.change(lambda db: self.store.presence(db, handoff, who, False))
        return away > self.patience.gone_s

    async def _call_again(self, handoff: str) -> None:
        """The operator's page stays closed: the next operator who is free gets the talk."""
        await self.change(lambda db: self.store.call_again(db, handoff, "operator_gone"))
        self._absent.pop(("operator", handoff), None)
        self._told.discard(("operator", handoff))

    async def _finish(self, handoff: str, outcome: Any, reason: str) -> None:
        await self.change(lambda db: self.store.finish(db, handoff, outcome, by="desk", reason=reason))


def fields(body: Any, **wanted: type | tuple[type, ...]) -> Mapping[str, Any]:
    """The JSON object `body` with the fields it must have. Raises `Unfit`."""
    from agent.desk.errors import Unfit

    if not isinstance(body, Mapping):
        raise Unfit("not an object")
    for name, kind in wanted.items():
        if not isinstance(body.get(name), kind):
            raise Unfit(name)
    return body
