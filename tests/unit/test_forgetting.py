"""What was said is gone: conversations, log, recordings, handoffs, typed lines; tests look at the bytes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agent import settings as settings_module
from agent.event_log import EventLog
from agent.events import Heard
from agent.forgetting import ForgettingError, forget_conversations, forget_files, forget_log
from agent.handoff_store import HandoffStore
from agent.recordings import Recordings
from agent.settings import Settings

NOON = datetime(2026, 5, 11, 12, tzinfo=timezone.utc)
SECRET = "秘密の温泉"


def everywhere(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def written(word: str) -> list[bytes]:
    """A word as it may stand in a file: as UTF-8, and with JSON's escapes."""
    return [word.encode(), json.dumps(word)[1:-1].encode()]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    found = settings_module.load(environment={"CONCIERGE_HOME": str(tmp_path), "CONCIERGE_LOG_TEXT": "true"})
    found.state.mkdir(parents=True)
    return found


class Tracked:
    """Rasa's table as its SQL tracker store makes it, with turns of several drivers in one conversation."""

    def __init__(self, path: Path) -> None:
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute(
            "CREATE TABLE IF NOT EXISTS events (id INTEGER PRIMARY KEY, sender_id TEXT, type_name TEXT, timestamp FLOAT, "
            "intent_name TEXT, action_name TEXT, data TEXT)"
        )

    def say(self, session: str, driver: str | None, words: str) -> None:
        metadata = {} if driver is None else {"driver": driver}
        rows: list[tuple[str, dict[str, Any]]] = [
            ("user", {"text": words, "metadata": metadata}),
            ("slot", {"name": "focus", "value": words}),
            ("bot", {"text": f"{words}ですね"}),
            ("action", {"name": "action_listen"}),
        ]
        for kind, data in rows:
            self.db.execute(
                "INSERT INTO events (sender_id, type_name, data) VALUES (?,?,?)", (session, kind, json.dumps(data))
            )


@pytest.fixture
def tracked(tmp_path: Path) -> Iterator[Tracked]:
    made = Tracked(tmp_path / "conversations.sqlite")
    yield made
    made.db.close()


def test_a_drivers_turns_go_and_the_others_stay(tmp_path: Path, tracked: Tracked) -> None:
    for n in range(40):
        tracked.say("s1", "guest", f"{SECRET}{n}に行きたい")
        tracked.say("s1", "owner", f"会社{n}")
    tracked.say("s2", "guest", SECRET)
    tracked.say("s3", "owner", "会社")
    assert any(w in everywhere(tmp_path) for w in written(SECRET))
    assert forget_conversations(tmp_path / "conversations.sqlite", "guest") == {"s1", "s2"}
    assert not any(w in everywhere(tmp_path) for w in written(SECRET))
    left = [
        json.loads(r[0]) for r in tracked.db.execute("SELECT data FROM events WHERE type_name = 'user' ORDER BY id")
    ]
    assert [e["metadata"]["driver"] for e in left] == ["owner"] * 41
    assert tracked.db.execute("SELECT count(*) FROM events").fetchone() == (41 * 4,)


def test_turns_of_nobody_are_the_owners(tmp_path: Path, tracked: Tracked) -> None:
    tracked.say("s1", None, SECRET)
    forget_conversations(tmp_path / "conversations.sqlite", "guest")
    assert any(w in everywhere(tmp_path) for w in written(SECRET))
    forget_conversations(tmp_path / "conversations.sqlite", "owner")
    assert not any(w in everywhere(tmp_path) for w in written(SECRET))


def test_a_file_that_is_none_is_told_and_nothing_else_lost(tmp_path: Path) -> None:
    broken = tmp_path / "conversations.sqlite"
    broken.write_bytes(b"no database " * 900)
    with pytest.raises(ForgettingError, match=r"conversations\.sqlite"):
        forget_conversations(broken, "owner")
    assert forget_conversations(tmp_path / "none.sqlite", "owner") == set()


def test_the_log_keeps_what_happened_and_loses_what_was_said(settings: Settings) -> None:
    driver = ["owner"]
    log = EventLog(settings, lambda: driver[0])
    log.write(Heard("s", 1, SECRET, "ja", NOON))
    driver[0] = "driver-2"
    log.write(Heard("s", 2, "海に行きたい", "ja", NOON))
    driver[0] = "guest"
    log.write(Heard("s", 3, "ゲストの話", "ja", NOON))
    assert any(w in everywhere(settings.home / "logs") for w in written(SECRET))
    assert "ゲストの話".encode() not in everywhere(settings.home / "logs")
    log.forget("owner")
    assert not any(w in everywhere(settings.home / "logs") for w in written(SECRET))
    assert "海に行きたい".encode() in everywhere(settings.home / "logs")
    log.write(Heard("s", 4, "そのあと", "ja", NOON))
    rows = [json.loads(line) for line in (settings.home / "logs" / "events.jsonl").read_text("utf-8").splitlines()]
    assert [row["turn"] for row in rows] == [1, 2, 3, 4]
    log.close()


def test_rows_of_an_older_log_name_nobody_and_lose_their_words(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl.1").write_text(json.dumps({"type": "heard", "text": SECRET}) + "\nrubbish\n", "utf-8")
    forget_log(tmp_path, "owner")
    assert not any(w in everywhere(tmp_path) for w in written(SECRET))
    assert json.loads((tmp_path / "events.jsonl.1").read_text("utf-8").splitlines()[0]) == {"type": "heard"}


def test_recordings_and_typed_lines(settings: Settings) -> None:
    recordings = Recordings(settings)
    recordings.keep("owner", b"\1\2" * 16_000)
    recordings.keep("driver-2", b"\3\4" * 16_000)
    (settings.state / "chat-history").write_text(f"+{SECRET}\n", "utf-8")
    forget_files(settings, "owner")
    assert [r.driver for r in recordings.list()] == ["driver-2"]
    assert b"\1\2\1\2" not in everywhere(settings.home)
    assert not any(w in everywhere(settings.home) for w in written(SECRET))


def test_a_guests_voice_is_not_kept(settings: Settings) -> None:
    from agent.composition_voice import keeper

    talk: Any = SimpleNamespace(driver="guest")
    keep = keeper(settings, talk)
    keep(bytes(3200))
    assert Recordings(settings).list() == []
    talk.driver = "driver-2"
    keep(bytes(3200))
    assert [r.driver for r in Recordings(settings).list()] == ["driver-2"]


def test_ended_handoffs_of_a_driver(tmp_path: Path) -> None:
    store = HandoffStore(tmp_path / "handoffs.sqlite")
    for number, driver in enumerate(("guest", "owner")):
        packet = {"id": f"h{number}", "driver": {"id": driver, "language": "ja"}, "transcript": [f"{SECRET}{driver}"]}
        store.begin(packet, "s1", NOON)
        store.enqueue(f"h{number}", "line", {"text": f"{SECRET}{driver}"})
        if driver == "guest":
            store.end("h0", "cancelled", NOON, f"{SECRET}{driver}")
    store.forget("guest")
    data = everywhere(tmp_path)
    assert not any(w in data for w in written(f"{SECRET}guest"))
    # The one that is still open is needed until it ends.
    assert any(w in data for w in written(f"{SECRET}owner"))
    store.close()
