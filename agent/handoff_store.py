"""The car's side of handoffs on disk: what is open, what still has to be told to the desk, who held the line when.

Plain SQLite, a row or two a step: a car whose power goes takes its handoffs up again where they were.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

_TABLES = """
CREATE TABLE IF NOT EXISTS handoffs (
    id TEXT PRIMARY KEY, session TEXT NOT NULL, language TEXT NOT NULL, state TEXT NOT NULL, owner TEXT NOT NULL,
    operator TEXT, seq INTEGER NOT NULL DEFAULT 0, note TEXT, focus TEXT, at TEXT NOT NULL, ended TEXT, driver TEXT NOT NULL, packet TEXT
);
CREATE INDEX IF NOT EXISTS handoffs_of ON handoffs (session, at);
CREATE TABLE IF NOT EXISTS outbox (
    n INTEGER PRIMARY KEY AUTOINCREMENT, handoff TEXT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS owners (
    n INTEGER PRIMARY KEY AUTOINCREMENT, session TEXT NOT NULL, handoff TEXT NOT NULL, owner TEXT NOT NULL, why TEXT NOT NULL, at TEXT NOT NULL
);
"""
OUTBOX_LIMIT = 5_000
KEPT = 500
"""ended handoffs and changes of owner that are remembered"""


@dataclass(frozen=True, slots=True)
class Kept:
    """One handoff as it is on disk."""

    id: str
    session: str
    language: str
    state: str
    owner: str
    operator: str | None
    seq: int
    note: str | None
    focus: Mapping[str, Any] | None
    driver: str


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Something the desk has not yet confirmed."""

    n: int
    handoff: str
    kind: str
    body: Mapping[str, Any]


class HandoffStore:
    def __init__(self, path: Path | None) -> None:
        """`path` None: in memory."""
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._db = self._open(path)

    @staticmethod
    def _open(path: Path | None) -> sqlite3.Connection:
        def connect() -> sqlite3.Connection:
            db = sqlite3.connect(str(path) if path is not None else ":memory:", timeout=1.0, isolation_level=None)
            try:
                db.execute("PRAGMA journal_mode=WAL")
                db.execute("PRAGMA synchronous=NORMAL")
                db.execute("PRAGMA secure_delete=ON")
                db.executescript(_TABLES)
            except sqlite3.DatabaseError:
                db.close()
                raise
            return db

        try:
            return connect()
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            # A broken file costs its own contents, not the start.
            if path is None:
                raise
            for suffix in ("", "-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    part = path.with_name(path.name + suffix)
                    part.replace(part.with_name(f"{part.name}.broken-{datetime.now():%Y%m%dT%H%M%S}"))
            return connect()

    def close(self) -> None:
        self._db.close()

    def begin(self, packet: Mapping[str, Any], session: str, at: datetime) -> None:
        """A handoff the desk has not confirmed yet; the packet is kept until it has."""
        driver = packet["driver"]
        self._db.execute(
            "INSERT OR IGNORE INTO handoffs (id, session, language, state, owner, at, driver, packet) "
            "VALUES (?,?,?,'requested','agent',?,?,?)",
            (
                packet["id"],
                session,
                driver["language"],
                at.isoformat(),
                driver["id"],
                json.dumps(packet, ensure_ascii=False),
            ),
        )

    def packet_of(self, handoff: str) -> dict[str, Any] | None:
        """The packet of a handoff the desk has not confirmed."""
        row = self._db.execute("SELECT packet FROM handoffs WHERE id = ?", (handoff,)).fetchone()
        return json.loads(row[0]) if row is not None and row[0] else None

    def update(self, handoff: str, **columns: Any) -> None:
        names = ", ".join(f"{name} = ?" for name in columns)
        values = [json.dumps(v, ensure_ascii=False) if isinstance(v, Mapping) else v for v in columns.values()]
        self._db.execute(f"UPDATE handoffs SET {names} WHERE id = ?", (*values, handoff))

    def give_line(self, session: str, handoff: str, owner: str, why: str, at: datetime) -> None:
        """The line changes hands: written together with its place in the history."""
        with self._transaction():
            self._db.execute("UPDATE handoffs SET owner = ? WHERE id = ?", (owner, handoff))
            self._db.execute(
                "INSERT INTO owners (session, handoff, owner, why, at) VALUES (?,?,?,?,?)",
                (session, handoff, owner, why, at.isoformat()),
            )
            self._db.execute("DELETE FROM owners WHERE n <= (SELECT max(n) FROM owners) - ?", (KEPT * 4,))

    def owners(self, session: str) -> list[tuple[str, str, str]]:
        """(owner, why, time) from the first change on."""
        rows = self._db.execute("SELECT owner, why, at FROM owners WHERE session = ? ORDER BY n", (session,))
        return [(row[0], row[1], row[2]) for row in rows]

    def open_ones(self) -> list[Kept]:
        return [_kept(row) for row in self._db.execute(f"SELECT {_COLUMNS} FROM handoffs WHERE ended IS NULL")]

    def last_ended(self, session: str) -> Kept | None:
        row = self._db.execute(
            f"SELECT {_COLUMNS} FROM handoffs WHERE session = ? AND ended IS NOT NULL ORDER BY ended DESC LIMIT 1",
            (session,),
        ).fetchone()
        return _kept(row) if row is not None else None

    def end(self, handoff: str, state: str, at: datetime, note: str | None) -> None:
        """The end marker."""
        self._db.execute(
            "UPDATE handoffs SET state = ?, ended = ?, note = ?, packet = NULL WHERE id = ?",
            (state, at.isoformat(), note, handoff),
        )
        self._db.execute(
            "DELETE FROM handoffs WHERE ended IS NOT NULL AND id NOT IN "
            "(SELECT id FROM handoffs WHERE ended IS NOT NULL ORDER BY ended DESC LIMIT ?)",
            (KEPT,),
        )

    def enqueue(self, handoff: str, kind: str, body: Mapping[str, Any]) -> None:
        self._db.execute(
            "INSERT INTO outbox (handoff, kind, body) VALUES (?,?,?)",
            (handoff, kind, json.dumps(body, ensure_ascii=False)),
        )
        self._db.execute("DELETE FROM outbox WHERE n <= (SELECT max(n) FROM outbox) - ?", (OUTBOX_LIMIT,))

    def outgoing(self, limit: int = 50, handoff: str | None = None) -> list[Outgoing]:
        """The oldest first."""
        where, values = ("WHERE handoff = ?", (handoff,)) if handoff is not None else ("", ())
        rows = self._db.execute(
            f"SELECT n, handoff, kind, body FROM outbox {where} ORDER BY n LIMIT ?", (*values, limit)
        )
        return [Outgoing(row[0], row[1], row[2], json.loads(row[3])) for row in rows]

    def sent(self, n: int) -> None:
        self._db.execute("DELETE FROM outbox WHERE n = ?", (n,))

    def forget(self, driver: str) -> None:
        """Erases what is kept of a driver's ended handoffs, from the file as well."""
        ended = "SELECT id FROM handoffs WHERE driver = ? AND ended IS NOT NULL"
        with self._transaction():
            for table in ("outbox", "owners"):
                self._db.execute(f"DELETE FROM {table} WHERE handoff IN ({ended})", (driver,))
            gone = self._db.execute("DELETE FROM handoffs WHERE driver = ? AND ended IS NOT NULL", (driver,)).rowcount
        if not gone:
            return
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self._db.execute("VACUUM")
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    @contextlib.contextmanager
    def _transaction(self) -> Any:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


_COLUMNS = "id, session, language, state, owner, operator, seq, note, driver, focus"


def _kept(row: Any) -> Kept:
    id_, session, language, state, owner, operator, seq, note, driver, focus = row
    taken = json.loads(focus) if focus else None
    return Kept(id_, session, language, state, owner, operator, seq, note, taken, driver)
