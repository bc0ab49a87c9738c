"""The commands round hearing, as typed: sentences and exit codes, never a traceback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent import cli
from agent.doctor import _speech
from agent.settings import Settings
from audio.wav import write_wav


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CONCIERGE_HOME", str(tmp_path))
    monkeypatch.setenv("CONCIERGE_ONLINE", "false")
    return tmp_path


def test_a_wake_word_is_chosen_shown_and_reset(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["wakeword", "ハロー プリウス！"]) == 0
    assert "ハロー プリウス" in capsys.readouterr().out
    assert json.loads((home / "state" / "wake_words.json").read_text(encoding="utf-8")) == {"owner": "ハロー プリウス"}
    assert cli.main(["wakeword", "hello concierge", "--driver", "second"]) == 0
    assert cli.main(["wakeword"]) == 0
    assert "ハロー プリウス" in capsys.readouterr().out
    assert cli.main(["wakeword", "--reset"]) == 0
    assert "ヘイ、レクサス" in capsys.readouterr().out
    assert "second" in (home / "state" / "wake_words.json").read_text(encoding="utf-8")


def test_a_refused_wake_word_changes_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["wakeword", "はい"]) == 1
    assert "too short" in capsys.readouterr().out
    assert not (home / "state" / "wake_words.json").exists()


def test_it_answers_in_japanese_where_japanese_is_set(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONCIERGE_LANGUAGE", "ja")
    assert cli.main(["wakeword", "エアコン"]) == 0
    assert "反応することがあります" in capsys.readouterr().out


@pytest.mark.parametrize("command", [["transcribe"], ["wake", "--phrase", "ヘイ、レクサス"]])
def test_without_a_model_there_is_a_sentence(
    home: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    write_wav(home / "a.wav", bytes(32000))
    assert cli.main([*command, str(home / "a.wav")]) == 1
    error = capsys.readouterr().err
    assert "concierge models install faster-whisper-base" in error
    assert len(error.strip().splitlines()) == 1


def test_what_cannot_wake_is_not_listened_for(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["wake", "--phrase", "はい", str(home / "a.wav")]) == 1
    assert "cannot be a wake word" in capsys.readouterr().err


def test_the_doctor_tells_of_speech_models(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert {(f.what, f.mark) for f in _speech(settings)} >= {("faster-whisper-base", "hint")}
    folder = tmp_path / "models" / "speech" / "faster-whisper-base"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}", encoding="utf-8")
    (broken,) = [f for f in _speech(settings) if f.what == "faster-whisper-base"]
    assert broken.mark == "missing"
    assert "--again" in broken.todo
