"""What a driver said, taken out of the files it was written to: conversations, the event log, what was typed, recordings.

SQLite overwrites what is deleted (`secure_delete`), empties its write-ahead log and packs the file: no byte of it is left.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path

from agent.errors import AgentError
from agent.events import PERSONAL
from agent.recordings import Recordings
from agent.settings import Settings

LOCKED_S = 2.0
"""so long is waited for another process that writes"""
LOGS = "events.jsonl*"


class ForgettingError(AgentError):
    """Something could not be erased: the text says which file."""

    code = "forgetting"


def forget_turns(db: sqlite3.Connection, driver: str) -> set[str]:
    """Erases every turn of a driver from Rasa's table of events; returns the conversations that had any.

    A turn is a message of the driver's (its metadata names who drove) and all that followed from it up to the next message:
    what the dialogue remembered of it goes with it, and other drivers' turns in the same conversation stay whole.
    """
    touched: set[str] = set()
    gone: list[int] = []
    sender, mine = "", False
    rows = db.execute("SELECT id, sender_id, type_name, data FROM events ORDER BY sender_id, id")
    for number, conversation, kind, data in rows:
        if conversation != sender:
            sender, mine = conversation, False
        if kind == "user":
            mine = _driver_of(data) == driver
        if mine:
            gone.append(number)
            touched.add(conversation)
    db.executemany("DELETE FROM events WHERE id = ?", [(number,) for number in gone])
    return touched


def _driver_of(data: str) -> str:
    """Who drove when the message was said. What cannot be read is nobody's and goes with the next erasure of whomever."""
    try:
        metadata = json.loads(data).get("metadata") or {}
        return str(metadata.get("driver") or "owner")
    except (ValueError, AttributeError):
        return "owner"


def pack(db: sqlite3.Connection) -> None:
    """The file without the room of what was deleted, and an empty write-ahead log beside it."""
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    db.execute("VACUUM")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that overwrites. Raises `ForgettingError`."""
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=LOCKED_S, isolation_level=None)) as db:
            db.execute("PRAGMA secure_delete = ON")
            yield db
    except sqlite3.DatabaseError as error:
        raise ForgettingError(f"{path.name} cannot be erased from ({error})") from error


def forget_conversations(path: Path, driver: str) -> set[str]:
    """`forget_turns` on the file of the conversations, whoever else has it open. Raises `ForgettingError`."""
    if not path.is_file():
        return set()
    with _opened(path) as db:
        if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'events'").fetchone() is None:
            return set()
        db.execute("BEGIN IMMEDIATE")
        touched = forget_turns(db, driver)
        db.execute("COMMIT")
        if touched:
            pack(db)
    return touched


def forget_log(folder: Path, driver: str) -> None:
    """Takes what was said out of the event log: of this driver, and where it is not known of whom. What happened stays."""
    for path in folder.glob(LOGS):
        try:
            rows = path.read_text(encoding="utf-8", errors="replace").splitlines()
            kept = [_without_words(row, driver) for row in rows]
            if kept == rows:
                continue
            # Written over in place: a new file would leave the old one's bytes behind.
            with path.open("r+b") as file:
                size = file.seek(0, 2)
                file.seek(0)
                file.write(b"\0" * size)
                file.flush()
                file.seek(0)
                file.write("".join(f"{row}\n" for row in kept).encode())
                file.truncate()
        except OSError as error:
            raise ForgettingError(f"{path.name} cannot be erased from ({error.strerror})") from error


def _without_words(row: str, driver: str) -> str:
    try:
        data = json.loads(row)
    except ValueError:
        return "{}"
    if not isinstance(data, Mapping) or data.get("driver", driver) != driver or not PERSONAL & set(data):
        return row
    return json.dumps({k: v for k, v in data.items() if k not in PERSONAL}, ensure_ascii=False)


def forget_files(settings: Settings, driver: str) -> None:
    """Everything said by a driver that lies in files of ours and no running part holds open: recordings, what was typed, the
    log. Raises `ForgettingError`."""
    Recordings(settings).erase(driver)
    if driver == "guest":
        # Neither logged nor kept as typed lines in the first place.
        return
    forget_log(settings.home / "logs", driver)
    with contextlib.suppress(FileNotFoundError):
        # It names no driver.
        (settings.state / "chat-history").unlink()


def forget_handoffs(path: Path, driver: str) -> None:
    """A driver's ended handoffs in a file nobody has open. Raises `ForgettingError`."""
    from agent.handoff_store import HandoffStore

    if path.is_file():
        try:
            store = HandoffStore(path)
            with contextlib.closing(store):
                store.forget(driver)
        except sqlite3.DatabaseError as error:
            raise ForgettingError(f"{path.name} cannot be erased from ({error})") from error
