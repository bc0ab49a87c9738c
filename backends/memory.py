"""What a driver keeps, in a database: home, work, favourites, earlier destinations.

SQLite by default, PostgreSQL by URL (SQLAlchemy). Survives restarts; a SQLite file that has become unreadable is set
aside under another name and a new one begun, so that one broken file costs its own contents and nothing else.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeVar

from backends.errors import BackendTimeout, BackendUnavailable
from backends.model import Position, SavedPlace

_STAGE = "memory"
_T = TypeVar("_T")
_LOG = logging.getLogger(__name__)
_ONE_OF_EACH = frozenset({"home", "work"})
"""labels of which a driver has one; putting another replaces it"""
HISTORY_KEPT = 200
"""earlier destinations kept per driver"""


class SqlMemory:
    """`Memory` in the database at `url` ("sqlite:///…/memory.db", "postgresql://…"), which is opened at first use.

    Calls run in one thread of its own and end within `deadline_s`. `set_aside` names the file a broken database was
    moved to, for the composition root to tell.
    """

    def __init__(self, url: str, *, deadline_s: float = 2.0, now: Callable[[], datetime] | None = None) -> None:
        self._url, self._deadline_s = url, deadline_s
        self._now = now or (lambda: datetime.now(timezone.utc))
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="memory")
        self._opening = threading.Lock()
        self._engine: Any = None
        self._table: Any = None
        self.set_aside: Path | None = None

    async def get(self, driver: str, label: str) -> SavedPlace | None:
        """The newest place of that label."""
        found = await self._call(lambda db: self._select(db, driver, label, 1))
        return found[0] if found else None

    async def put(self, driver: str, place: SavedPlace) -> None:
        """Keeps a place. Home and work replace the earlier one; a favourite or an earlier destination of the same name
        and position is renewed rather than kept twice."""
        await self._call(lambda db: self._put(db, driver, place))

    async def history(self, driver: str, limit: int = 10) -> tuple[SavedPlace, ...]:
        return await self._call(lambda db: self._select(db, driver, "history", max(0, limit)))

    async def favourites(self, driver: str, limit: int = 50) -> tuple[SavedPlace, ...]:
        """Favourites, newest first."""
        return await self._call(lambda db: self._select(db, driver, "favourite", max(0, limit)))

    async def forget(self, driver: str, label: str | None = None) -> int:
        """Erased means gone from the file as well: what was there is overwritten, and the file packed anew."""
        gone = await self._call(lambda db: self._forget(db, driver, label))
        if gone and self._url.startswith("sqlite"):
            await self._call(lambda db: None, after=self._pack)
        return gone

    def close(self) -> None:
        self._pool.shutdown(wait=True)
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    # --- in the thread

    def _select(self, db: Any, driver: str, label: str, limit: int) -> tuple[SavedPlace, ...]:
        table = self._table
        rows = db.execute(
            table.select()
            .where(table.c.driver == driver, table.c.label == label)
            .order_by(table.c.at.desc(), table.c.n.desc())
            .limit(limit)
        )
        return tuple(_place(row) for row in rows)

    def _put(self, db: Any, driver: str, place: SavedPlace) -> None:
        table = self._table
        same = (table.c.driver == driver) & (table.c.label == place.label)
        if place.label not in _ONE_OF_EACH:
            same &= (table.c.name == place.name) & (table.c.latitude == place.position.latitude)
            same &= table.c.longitude == place.position.longitude
        db.execute(table.delete().where(same))
        db.execute(
            table.insert().values(
                driver=driver,
                label=place.label,
                name=place.name,
                latitude=place.position.latitude,
                longitude=place.position.longitude,
                place_id=place.place_id,
                at=_utc(place.at or self._now()),
                extra=json.dumps(dict(place.extra), ensure_ascii=False),
            )
        )
        if place.label == "history":
            of_driver = (table.c.driver == driver) & (table.c.label == "history")
            kept = table.select().with_only_columns(table.c.n).where(of_driver)
            kept = kept.order_by(table.c.at.desc(), table.c.n.desc()).limit(HISTORY_KEPT)
            numbers = [row[0] for row in db.execute(kept)]
            if len(numbers) == HISTORY_KEPT:
                db.execute(table.delete().where(of_driver & table.c.n.notin_(numbers)))

    def _forget(self, db: Any, driver: str, label: str | None) -> int:
        table = self._table
        which = table.c.driver == driver
        if label is not None:
            which &= table.c.label == label
        return int(db.execute(table.delete().where(which)).rowcount)

    def _pack(self) -> None:
        with self._open().connect().execution_options(isolation_level="AUTOCOMMIT") as db:
            db.exec_driver_sql("VACUUM")

    async def _call(self, job: Callable[[Any], _T], *, after: Callable[[], None] | None = None) -> _T:
        """`after` runs in the same thread once the job's transaction is over."""
        future = asyncio.get_running_loop().run_in_executor(self._pool, self._run, job, after)
        try:
            return await asyncio.wait_for(asyncio.shield(future), self._deadline_s)
        except (asyncio.TimeoutError, TimeoutError):
            # A write under way is finished, not half done: nobody waits for it any more.
            future.add_done_callback(lambda done: done.cancelled() or done.exception())
            raise BackendTimeout(_STAGE, f"no answer in {self._deadline_s} s") from None

    def _run(self, job: Callable[[Any], _T], after: Callable[[], None] | None = None) -> _T:
        from sqlalchemy.exc import DatabaseError, SQLAlchemyError

        try:
            try:
                with self._open().begin() as db:
                    done = job(db)
                if after is not None:
                    after()
                return done
            except DatabaseError as error:
                if not self._broken(error):
                    raise
                self._put_aside(error)
                with self._open().begin() as db:
                    return job(db)
        except (SQLAlchemyError, OSError, ValueError) as error:
            raise BackendUnavailable(_STAGE, type(error).__name__) from error

    def _open(self) -> Any:
        with self._opening:
            if self._engine is None:
                self._engine = self._connect()
        return self._engine

    def _connect(self) -> Any:
        import sqlalchemy as sa

        path = self._sqlite_path()
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        memory_only = self._url in ("sqlite://", "sqlite:///:memory:")
        options: dict[str, Any] = {"poolclass": sa.pool.StaticPool} if memory_only else {}
        if self._url.startswith("sqlite"):
            # Given up before nobody waits any more: what is said not to be saved is not saved afterwards.
            options["connect_args"] = {"check_same_thread": False, "timeout": 0.75 * self._deadline_s}
        engine = sa.create_engine(self._url, future=True, **options)
        if self._url.startswith("sqlite"):
            sa.event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA secure_delete = ON"))
        meta = sa.MetaData()
        self._table = sa.Table(
            "saved_places",
            meta,
            sa.Column("n", sa.Integer, primary_key=True, autoincrement=True),
            sa.Column("driver", sa.String(200), nullable=False),
            sa.Column("label", sa.String(40), nullable=False),
            sa.Column("name", sa.Text, nullable=False),
            sa.Column("latitude", sa.Float(53), nullable=False),
            sa.Column("longitude", sa.Float(53), nullable=False),
            sa.Column("place_id", sa.Text),
            sa.Column("at", sa.DateTime, nullable=False),
            sa.Column("extra", sa.Text, nullable=False),
            sa.Index("saved_places_of", "driver", "label", "at"),
        )
        try:
            meta.create_all(engine)
        except Exception:
            engine.dispose()
            raise
        return engine

    def _sqlite_path(self) -> Path | None:
        if not self._url.startswith("sqlite:///") or self._url == "sqlite:///:memory:":
            return None
        return Path(self._url.removeprefix("sqlite:///").partition("?")[0])

    def _broken(self, error: Exception) -> bool:
        path = self._sqlite_path()
        said = str(getattr(error, "orig", error)).lower()
        return (
            path is not None and path.is_file() and any(w in said for w in ("malformed", "not a database", "corrupt"))
        )

    def _put_aside(self, error: Exception) -> None:
        path = self._sqlite_path()
        if path is None:
            return
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None
        aside = path.with_name(f"{path.name}.broken-{self._now():%Y%m%dT%H%M%S}")
        path.replace(aside)
        self.set_aside = aside
        _LOG.warning("%s could not be read (%s); set aside as %s", path.name, type(error).__name__, aside.name)


def _utc(at: datetime) -> datetime:
    return at.astimezone(timezone.utc).replace(tzinfo=None)


def _place(row: Any) -> SavedPlace:
    return SavedPlace(
        label=row.label,
        name=row.name,
        position=Position(row.latitude, row.longitude),
        place_id=row.place_id,
        at=row.at.replace(tzinfo=timezone.utc),
        extra=json.loads(row.extra),
    )
