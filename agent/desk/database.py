"""The desk's database: SQLite by default, PostgreSQL by URL; brought up to date by Alembic when it is opened."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import queue
import threading
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

T = TypeVar("T")
MIGRATIONS = Path(__file__).with_name("migrations")
MEMORY = "sqlite://"


class Database:
    """One thread that works on the database, a transaction a job: writers of SQLite would wait for each other anyway."""

    def __init__(self, url: str) -> None:
        self._worker = Worker("desk-db")
        self.engine = connect(url)

    @classmethod
    async def open(cls, url: str) -> Database:
        """Connected, with every migration applied."""
        made = await asyncio.to_thread(cls, url)
        try:
            await made.run_plain(lambda: migrate(made.engine))
        except BaseException:
            made.close()
            raise
        return made

    async def run(self, job: Callable[[Any], T]) -> T:
        """`job(connection)` in one transaction; what it raises takes everything back."""

        def work() -> T:
            with self.engine.begin() as db:
                return job(db)

        return await self.run_plain(work)

    async def run_plain(self, work: Callable[[], T]) -> T:
        return await self._worker.run(work)

    def close(self) -> None:
        self._worker.close()
        self.engine.dispose()


class Worker:
    """A thread that does one job after the other. When many wait it hands their results over together: an event loop that is
    woken for each of them, and a thread that waits for the interpreter after each, would take turns instead of working."""

    TOGETHER_S = 0.005
    """how long results are held back at most while further jobs wait"""

    def __init__(self, name: str) -> None:
        self._jobs: queue.SimpleQueue[tuple[Callable[[], Any], asyncio.Future[Any]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def run(self, job: Callable[[], T]) -> T:
        """What `job` returns, or raises. Given up by its caller, it is done all the same."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._jobs.put((job, future))
        return await future

    def close(self) -> None:
        """Does what waits, then ends."""
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (found := self._jobs.get()) is not None:
            done: list[tuple[asyncio.Future[Any], Any, BaseException | None]] = []
            until = time.monotonic() + self.TOGETHER_S
            while found is not None:
                job, future = found
                try:
                    done.append((future, job(), None))
                except BaseException as error:
                    done.append((future, None, error))
                if self._jobs.empty() or time.monotonic() > until:
                    break
                found = self._jobs.get()
            _hand_over(done)
            if found is None:
                return


def _hand_over(done: list[tuple[asyncio.Future[Any], Any, BaseException | None]]) -> None:
    for loop, some in itertools.groupby(done, key=lambda one: one[0].get_loop()):
        # A loop that has ended waits for nothing any more.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_settle, list(some))


def _settle(done: list[tuple[asyncio.Future[Any], Any, BaseException | None]]) -> None:
    for future, result, error in done:
        if future.done():
            continue
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)


def connect(url: str) -> Any:
    options: dict[str, Any] = {}
    if url.startswith("sqlite"):
        options["connect_args"] = {"check_same_thread": False, "timeout": 5.0}
        # One connection, kept: there is one thread, and opening the file anew costs more than a claim.
        options["poolclass"] = sa.pool.StaticPool
        path = url.removeprefix("sqlite:///").partition("?")[0]
        if url != MEMORY:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(url, future=True, **options)
    if url.startswith("sqlite"):
        sa.event.listen(engine, "connect", _pragmas)
        # The driver would begin at the first write; two processes that have both read by then get in each other's way.
        sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


def migrate(engine: Any, revision: str = "head") -> None:
    """Applies the migrations up to `revision`."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        if revision == "base":
            command.downgrade(config, revision)
        else:
            command.upgrade(config, revision)


def utc_now() -> datetime:
    return datetime.now(timezone.utc)


def stored(at: datetime) -> datetime:
    """As the columns hold it: UTC without zone."""
    return at.astimezone(timezone.utc).replace(tzinfo=None)


def shown(at: datetime | None) -> str | None:
    """A column's time as the API writes it."""
    return at.replace(tzinfo=timezone.utc).isoformat(timespec="milliseconds") if at is not None else None


def _pragmas(connection: Any, _: Any) -> None:
    connection.isolation_level = None
    # WAL: a killed process loses nothing that was committed; readers do not wait.
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=5000"):
        connection.execute(f"PRAGMA {pragma}")
