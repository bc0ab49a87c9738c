"""Recordings: by driver, listed, erased; none without the setting."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent import settings as settings_module
from agent.cli import main
from agent.recognizer_thread import RecognizerThread
from agent.recordings import Recordings
from tests.fakes_voice import ScriptedRecognizer, VirtualWork, speech


@pytest.fixture
def recordings(tmp_path: Path) -> Recordings:
    return Recordings(settings_module.load(environment={"CONCIERGE_HOME": str(tmp_path)}))


def test_kept_by_driver_and_erased(recordings: Recordings) -> None:
    recordings.keep("owner", bytes(32_000))
    recordings.keep("owner", bytes(64_000))
    recordings.keep("../花子", bytes(32_000))
    assert [r.seconds for r in recordings.list("owner")] == [1.0, 2.0]
    assert len(recordings.list()) == 3
    assert all(r.path.stat().st_mode & 0o077 == 0 for r in recordings.list())
    assert all(r.path.parent.parent.name == "recordings" for r in recordings.list()), "no way out of the folder"
    assert recordings.erase("owner") == 2
    assert [r.driver for r in recordings.list()] == [recordings.list("../花子")[0].driver]
    assert recordings.erase() == 1
    assert recordings.list() == []


def test_an_utterance_is_kept_whole_once_and_only_if_wanted() -> None:
    kept: list[bytes] = []
    heard = speech("近くの駐車場")
    for keep in (kept.append, None):
        ears = RecognizerThread(ScriptedRecognizer(), VirtualWork(), keep)
        ears.start()
        for frame in heard:
            ears.accept(frame)
        ears.finish()
    assert kept == [b"".join(heard)]
    ears = RecognizerThread(ScriptedRecognizer(), VirtualWork(), kept.append)
    ears.start()
    ears.accept(heard[0])
    ears.forget()
    assert len(kept) == 1, "what nobody wanted to hear is not kept"


def test_privacy_command(
    recordings: Recordings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CONCIERGE_HOME", str(tmp_path))
    recordings.keep("owner", bytes(32_000))
    assert main(["privacy", "list"]) == 0
    assert "owner" in capsys.readouterr().out
    assert main(["privacy", "erase"]) == 2, "whose is to be said"
    assert main(["privacy", "erase", "--driver", "owner"]) == 0
    assert "1" in capsys.readouterr().out
    assert main(["privacy", "list"]) == 0
    assert "off" in capsys.readouterr().out
