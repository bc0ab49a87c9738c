"""The voices through pyttsx3, and the worker process that can be killed."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from audio.clauses import clauses
from audio.errors import NoVoice, SynthesisFailed
from audio.speaker import Manner, WorkerSynthesizer, duration
from audio.voices import LEVEL, Voice, VoiceChoice, espeak, in_romaji, latin, levelled, open_voice, piper

needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")


def level(pcm: bytes) -> float:
    wave = np.frombuffer(pcm, "<i2") / 32768
    spoken = wave[np.abs(wave) > 0.004]
    return float(np.sqrt(np.mean(spoken**2)))


# ── pyttsx3 ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_pyttsx3_runs_again_and_again() -> None:
    """From the second `runAndWait` on, the loop is ended before it is started; a driver that waits then hangs."""
    said: list[tuple[str, float]] = []

    def render(text: str, speed: float) -> bytes:
        said.append((text, speed))
        return np.full(1600, 3000, "<i2").tobytes()

    voice = Voice("concierge_test", render)
    worker = threading.Thread(target=lambda: [voice.say(f"{n}", rate=0.5 + n / 4) for n in range(4)], daemon=True)
    worker.start()
    worker.join(10)
    assert not worker.is_alive(), "pyttsx3 hangs"
    assert said == [("0", 0.5), ("1", 0.75), ("2", 1.0), ("3", 1.25)]


def test_what_breaks_in_an_engine_comes_out_and_the_voice_goes_on() -> None:
    def render(text: str, speed: float) -> bytes:
        if text == "bad":
            raise RuntimeError("broken")
        return np.full(1600, 3000, "<i2").tobytes()

    voice = Voice("concierge_test_breaking", render)
    with pytest.raises(SynthesisFailed, match="broken"):
        voice.say("bad")
    assert duration(voice.say("good")) > 0.05


def test_one_loudness_whatever_the_engine_makes() -> None:
    wave = (np.sin(np.arange(16000) / 20) * 20000).astype("<i2").tobytes()
    silence = bytes(16000)
    loud = levelled(silence + wave + silence, 1.0)
    assert level(loud) == pytest.approx(LEVEL, rel=0.05)
    assert level(levelled(wave, 0.5)) == pytest.approx(LEVEL / 2, rel=0.05)
    assert duration(loud) == pytest.approx(1.04, abs=0.03), "the silence round it is gone"
    assert levelled(silence, 1.0) == b""


def test_japanese_voice_speaks_faster_on_request() -> None:
    voice = open_voice("ja", VoiceChoice())
    usual, fast = voice.say("渋谷の近くに三件あります。"), voice.say("渋谷の近くに三件あります。", rate=1.5)
    assert 1.5 < duration(usual) < 3.5
    assert duration(fast) == pytest.approx(duration(usual) / 1.5, rel=0.15)
    assert voice.say("…") == b""


@needs_espeak
def test_english_voice() -> None:
    voice = open_voice("en", VoiceChoice())
    assert 0.8 < duration(voice.say("I found three places near Shibuya.")) < 4
    assert 0.2 < duration(voice.say("--help -f /etc/passwd <break time='30s'/>")) < 8, (
        "text is neither option nor markup"
    )


def test_japanese_names_in_english_sentences() -> None:
    assert latin("Take me to 箱根湯本 station.") == "Take me to hakoneyumoto station."
    assert latin("plain") == "plain"
    assert in_romaji("シブヤ") == "shibuya"
    assert in_romaji("ニッポン") == "nippon"


def test_a_voice_that_is_not_there_says_what_to_install() -> None:
    with pytest.raises(NoVoice, match="install no-such-program"):
        espeak(program="no-such-program")
    with pytest.raises(NoVoice, match="Piper"):
        piper(Path("nothing.onnx"), program=sys.executable)


@needs_espeak
def test_piper_is_called_as_its_command_line_wants(tmp_path: Path) -> None:
    """A stand-in for the program: checks its arguments, and answers with the sound of espeak-ng."""
    program = tmp_path / "piper"
    program.write_text(
        '#!/bin/sh\n[ "$1" = --model ] && [ "$3" = --length_scale ] && [ "$4" = 0.50 ] && [ "$5" = --output_file ] || exit 3\n'
        f"exec {shutil.which('espeak-ng')} --stdin --stdout -v en\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    model = tmp_path / "voice.onnx"
    model.write_bytes(b"")
    assert duration(piper(model, program=str(program))("Hello there.", 2.0)) > 0.3


# ── the worker ──────────────────────────────────────────────────────────────────────────────────────────────────────

FAKE = """
import json, os, sys, time
out = sys.stdout.buffer
marker = sys.argv[1]
for line in sys.stdin:
    job = json.loads(line)
    text = job["text"]
    first = not os.path.exists(marker)
    if "hang" in text and (first or "always" in text):
        open(marker, "w").close()
        time.sleep(60)
    if "die" in text and (first or "always" in text):
        open(marker, "w").close()
        os._exit(1)
    if "slow" in text:
        time.sleep(0.3)
    if "wrong" in text:
        out.write(json.dumps({"id": job["id"], "error": "It is wrong.", "permanent": "for good" in text}).encode() + b"\\n")
    else:
        sound = len(text).to_bytes(2, "little") * round(100 * job["rate"])
        out.write(json.dumps({"id": job["id"], "bytes": len(sound)}).encode() + b"\\n" + sound)
    out.flush()
"""


@pytest.fixture
def fake(tmp_path: Path):  # type: ignore[no-untyped-def]
    """A synthesizer over a scripted worker: hangs, dies or fails where its text says so."""
    script = tmp_path / "worker.py"
    script.write_text(FAKE)
    made = WorkerSynthesizer(
        command=[sys.executable, str(script), str(tmp_path / "marker")], deadline_s=1.5, start_s=0.0
    )
    yield made
    made.close()


def test_a_piece_for_each_clause_in_order(fake: WorkerSynthesizer) -> None:
    text = "The first sentence. The second one is longer than it. And a third."
    pieces = list(fake.speak(text, "en"))
    assert [int.from_bytes(p[:2], "little") for p in pieces] == [len(c) for c in clauses(text, "en")]
    assert list(fake.speak("  ", "en")) == []
    assert fake.restarts == 0


def test_manner_goes_with_each_clause(fake: WorkerSynthesizer) -> None:
    fake.manner = Manner(rate=2.0)
    assert len(next(iter(fake.speak("fast", "en")))) == 400
    with pytest.raises(ValueError, match="rate"):
        Manner(rate=3.0)
    assert Manner().changed(rate=-5).rate == 0.5
    assert Manner().changed(volume=5).volume == 1.0


@pytest.mark.parametrize("trouble", ["hang", "die"])
def test_a_worker_that_is_in_trouble_is_replaced_in_mid_sentence(fake: WorkerSynthesizer, trouble: str) -> None:
    pieces = list(fake.speak(f"The first sentence. Now {trouble} in the second. And a third.", "en"))
    assert len(pieces) == 3
    assert fake.restarts == 1
    assert len(list(fake.speak("Again.", "en"))) == 1


def test_one_that_is_always_in_trouble_is_given_up(fake: WorkerSynthesizer) -> None:
    with pytest.raises(SynthesisFailed, match="does not answer"):
        list(fake.speak("die always", "en"))
    with pytest.raises(SynthesisFailed, match="wrong"):
        list(fake.speak("wrong", "en"))
    with pytest.raises(NoVoice):
        list(fake.speak("wrong for good", "en"))


def test_a_clause_said_before_sounds_at_once_and_in_the_present_manner(fake: WorkerSynthesizer) -> None:
    first = list(fake.speak("Slow ones are slow.", "en"))
    fake._running().end()
    assert list(fake.speak("Slow ones are slow.", "en")) == first, "no worker is asked"
    fake.manner = Manner(rate=2.0)
    again = list(fake.speak("Slow ones are slow.", "en"))
    assert len(again[0]) == 2 * len(first[0])
    for number in range(300):
        list(fake.speak(f"{number}.", "en"))
    assert len(fake._made) == 100


def test_what_is_made_ahead_gives_way(fake: WorkerSynthesizer) -> None:
    ahead = threading.Thread(
        target=fake.prepare, args=(["a slow one", "a slow two", "a slow three", "a slow four"], "en")
    )
    ahead.start()
    time.sleep(0.4)
    assert len(list(fake.speak("Now this one is wanted.", "en"))) == 1
    ahead.join(5)
    assert not ahead.is_alive()
    assert ("a slow four", "en", fake.manner) not in fake._made


def test_stop_from_another_thread_ends_it_at_once(fake: WorkerSynthesizer) -> None:
    next(iter(fake.speak("warm", "en")))
    speaking = fake.speak("A slow beginning of it. Then hang in the middle of it.", "en")
    assert next(speaking)
    started = time.monotonic()
    threading.Timer(0.1, fake.stop).start()
    assert list(speaking) == []
    assert time.monotonic() - started < 1.0
    assert fake.restarts == 0


def test_nothing_is_left_behind(fake: WorkerSynthesizer) -> None:
    list(fake.speak("Hello.", "en"))
    worker = fake._worker
    assert worker is not None
    before = threading.active_count()
    fake.close()
    assert threading.active_count() == before - 1
    with pytest.raises(ProcessLookupError):
        os.kill(worker._process.pid, 0)


def test_the_real_worker_speaks_japanese() -> None:
    speaker = WorkerSynthesizer()
    try:
        text = "渋谷駅の近くで、3件見つかりました。行きますか？"
        pieces = list(speaker.speak(text, "ja"))
        assert len(pieces) == len(clauses(text, "ja"))
        assert 2.0 < sum(map(duration, pieces)) < 8.0
    finally:
        speaker.close()
