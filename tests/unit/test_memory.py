"""A driver's places survive restarts and broken files."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from backends.errors import BackendUnavailable
from backends.memory import HISTORY_KEPT, SqlMemory
from backends.model import Position, SavedPlace

NOON = datetime(2026, 5, 1, 12, 0, tzinfo=timezone.utc)
HOME = SavedPlace("home", "家", Position(35.6581, 139.7017), at=NOON, extra={"note": "裏口"})


def url(folder: Path) -> str:
    return f"sqlite:///{folder / 'state' / 'memory.db'}"


async def test_what_was_kept_is_there_after_a_restart(tmp_path: Path) -> None:
    first = SqlMemory(url(tmp_path))
    await first.put("d1", HOME)
    first.close()
    second = SqlMemory(url(tmp_path))
    assert await second.get("d1", "home") == HOME
    assert await second.get("d2", "home") is None
    second.close()


async def test_a_second_home_replaces_the_first(tmp_path: Path) -> None:
    memory = SqlMemory(url(tmp_path))
    await memory.put("d1", HOME)
    await memory.put("d1", SavedPlace("home", "新しい家", Position(35.0, 139.0)))
    found = await memory.get("d1", "home")
    assert found is not None
    assert found.name == "新しい家"
    assert await memory.forget("d1") == 1
    memory.close()


async def test_history_is_newest_first_without_repeats_and_bounded(tmp_path: Path) -> None:
    memory = SqlMemory(url(tmp_path))
    for day in range(4):
        await memory.put("d1", SavedPlace("history", f"店{day % 3}", Position(35, 139), at=NOON + timedelta(days=day)))
    assert [place.name for place in await memory.history("d1")] == ["店0", "店2", "店1"]
    assert [place.name for place in await memory.history("d1", limit=1)] == ["店0"]
    for i in range(HISTORY_KEPT + 5):
        await memory.put(
            "d1", SavedPlace("history", f"n{i}", Position(35, 139), at=NOON + timedelta(days=10, minutes=i))
        )
    assert len(await memory.history("d1", limit=1_000)) == HISTORY_KEPT
    memory.close()


async def test_forgetting_one_label_keeps_the_rest_and_other_drivers(tmp_path: Path) -> None:
    memory = SqlMemory(url(tmp_path))
    await memory.put("d1", HOME)
    await memory.put("d1", SavedPlace("history", "駅", Position(35, 139)))
    await memory.put("d2", HOME)
    assert await memory.forget("d1", "history") == 1
    assert await memory.get("d1", "home") == HOME
    assert await memory.forget("d1") == 1
    assert await memory.get("d2", "home") == HOME
    memory.close()


async def test_a_broken_file_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "state" / "memory.db"
    path.parent.mkdir()
    path.write_bytes(b"this is no database, though it is long enough to be looked at " * 40)
    memory = SqlMemory(url(tmp_path))
    await memory.put("d1", HOME)
    assert await memory.get("d1", "home") == HOME
    assert memory.set_aside is not None
    assert memory.set_aside.read_bytes().startswith(b"this is no database")
    memory.close()


async def test_a_folder_in_the_way_is_unavailable_not_lost(tmp_path: Path) -> None:
    (tmp_path / "state" / "memory.db").mkdir(parents=True)
    memory = SqlMemory(url(tmp_path))
    with pytest.raises(BackendUnavailable):
        await memory.get("d1", "home")
    memory.close()


async def test_hostile_text_is_only_text(tmp_path: Path) -> None:
    memory = SqlMemory(url(tmp_path))
    name = "'); DROP TABLE saved_places; -- \u202e<b>&amp;\x07"
    await memory.put("d'1", SavedPlace("favourite", name, Position(0, 0)))
    assert [place.name for place in await memory.favourites("d'1")] == [name]
    memory.close()
