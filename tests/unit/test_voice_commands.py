"""`concierge speak`, `converse` and `listen` from the command line: what they print, and what they say when something is missing."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from agent.cli import main
from agent.converse import Tape, speak
from audio.frames import FRAME_BYTES
from audio.wav import read_wav, write_wav
from tests.fakes_voice import ScriptedSynthesizer


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONCIERGE_HOME", str(tmp_path))


def test_speak_into_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.wav"
    assert main(["speak", "渋谷駅の近くで、3件見つかりました。", "-o", str(out)]) == 0
    row = json.loads(capsys.readouterr().out)
    assert [clause["text"] for clause in row["clauses"]] == ["渋谷駅の近くで、", "3件見つかりました。"]
    assert row["language"] == "ja"
    assert row["seconds"] == pytest.approx(len(read_wav(out)) / 32_000, abs=0.01)
    assert row["seconds"] == pytest.approx(sum(clause["seconds"] for clause in row["clauses"]), abs=0.01)


def test_speak_through_a_loudspeaker_goes_clause_by_clause() -> None:
    played: list[bytes] = []
    row = json.loads(
        speak(ScriptedSynthesizer(), "The first one. The second one is longer.", "en", None, played.append)
    )
    assert len(played) == len(row["clauses"]) == 2
    assert row["file"] is None


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (["speak", "  "], "nothing to say"),
        (["speak", "a", "--rate", "9"], "speech_rate"),
        (["converse", "nothing.wav"], "nothing.wav cannot be read"),
    ],
)
def test_mistakes_are_sentences(command: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command) != 0
    told = capsys.readouterr().err
    assert sentence in told
    assert "Traceback" not in told


def test_speak_without_a_sound_system(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    assert main(["speak", "hello"]) == 1
    assert "PortAudio" in capsys.readouterr().err


def test_converse_a_file_that_is_no_sound(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(b"RIFF nothing of the kind")
    assert main(["converse", str(path)]) == 1
    assert "WAV" in capsys.readouterr().err


def test_tape_cuts_the_answers_out(tmp_path: Path) -> None:
    tape = Tape()
    loud, quiet = b"\x01\x10" * 320, bytes(FRAME_BYTES)
    for speaking in (False, True, True, False, False, True, False):
        tape.add(quiet, loud if speaking else quiet, speaking=speaking)
    names = tape.write(tmp_path / "out")
    assert names == ["answer-01.wav", "answer-02.wav", "dialogue.wav"]
    assert len(read_wav(tmp_path / "out" / "answer-01.wav")) == 2 * FRAME_BYTES
    write_wav(tmp_path / "mono.wav", bytes(7 * FRAME_BYTES))
    assert len(read_wav(tmp_path / "out" / "dialogue.wav")) == 7 * FRAME_BYTES


def test_the_terminal_shows_what_is_heard_and_said() -> None:
    from rich.console import Console

    from agent.events import Failed, Heard, Partial, SoundLost, Speaking, VoiceState
    from agent.listen import View
    from tests.fakes import MONDAY_MORNING
    from tests.fakes_voice import PHRASES

    out = io.StringIO()
    system = SimpleNamespace(phrases=PHRASES, stream=SimpleNamespace(add_sink=lambda sink: None))
    console = Console(file=out, force_terminal=True, width=100, markup=False, highlight=False)
    view = View(system, console, "ja")  # type: ignore[arg-type]
    view.tell("voice.speaker_lost")
    with view:
        view.show(VoiceState("a", "listening", "wake_word", 1.0))
        view.show(Partial("a", "[red]近くの", "ja", 1.2))
        view.show(Heard("a", 1, "[red]近くの駐車場", "ja", MONDAY_MORNING))
        view.show(Speaking("a", "三件あります。", "ja", 1, 1, 2.0))
        view.show(SoundLost("a", 5, 2.0))
        view.show(Failed("a", 0, "speaker", "synthesis_failed", False))
        view.tell("voice.device_lost")
    shown = out.getvalue()
    for text in ("聞いています", "[red]近くの駐車場", "三件あります。", PHRASES.say("ja", "voice.device_lost"),
                 PHRASES.say("ja", "voice.speaker_lost"), "− 100 ms", "speaker: synthesis_failed"):  # fmt: skip
        assert text in shown, text
