"""WAV files as recorders write them, and `concierge transcribe` over them with a scripted recognizer."""

from __future__ import annotations

import io
import json
import math
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from agent.transcribe import transcribe
from audio.errors import UnreadableSound
from audio.frames import RATE, Frame
from audio.ports import Hypothesis
from audio.segments import utterances
from audio.text import normalise, without_repetition
from audio.wav import decode_wav, read_wav, to_samples, write_wav


def wav(
    samples: np.ndarray, rate: int, bits: int, *, kind: int = 1, extensible: bool = False, size: int | None = None
) -> bytes:
    """`samples`: (n, channels), −1 … 1."""
    channels = samples.shape[1]
    flat = samples.reshape(-1)
    if kind == 3:
        body = flat.astype(f"<f{bits // 8}").tobytes()
    elif bits == 8:
        body = (flat * 127 + 128).astype(np.uint8).tobytes()
    elif bits == 24:
        body = b"".join(int(v * (2**23 - 1)).to_bytes(3, "little", signed=True) for v in flat)
    else:
        body = (flat * (2 ** (bits - 1) - 1)).astype(f"<i{bits // 8}").tobytes()
    frame = channels * bits // 8
    head = struct.pack("<HHIIHH", 0xFFFE if extensible else kind, channels, rate, rate * frame, frame, bits)
    if extensible:
        head += struct.pack("<HHIH14s", 22, bits, 0, kind, b"\0" * 14)
    chunks = b"LIST" + struct.pack("<I", 5) + b"notes\0" + b"fmt " + struct.pack("<I", len(head)) + head
    chunks += b"data" + struct.pack("<I", len(body) if size is None else size) + body
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WAVE" + chunks


def tone(rate: int, channels: int = 1, seconds: float = 0.5) -> np.ndarray:
    one = 0.5 * np.sin(2 * math.pi * 440 * np.arange(int(rate * seconds)) / rate)
    return np.stack([one] * channels, axis=1)


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000, 96000])
@pytest.mark.parametrize(
    ("bits", "kind", "channels", "extensible"),
    [(8, 1, 1, False), (16, 1, 2, False), (24, 1, 2, True), (32, 1, 1, False), (32, 3, 2, False), (64, 3, 1, True)],
)
def test_any_form_becomes_ours(rate: int, bits: int, kind: int, channels: int, extensible: bool) -> None:
    heard = to_samples(decode_wav(wav(tone(rate, channels), rate, bits, kind=kind, extensible=extensible)))
    assert len(heard) == pytest.approx(0.5 * RATE, abs=RATE // 1000)
    middle = heard[2000:6000]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    assert np.argmax(spectrum) * RATE / len(middle) == pytest.approx(440, abs=5)
    assert np.abs(middle).max() == pytest.approx(0.5, abs=0.03)


def test_a_recording_that_was_cut_off_is_read_to_its_end() -> None:
    for size in (0, 0xFFFFFFFF, 10**6):
        assert len(decode_wav(wav(tone(RATE), RATE, 16, size=size))) == RATE


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not a WAV"),
        (b"ID3\x03" + b"x" * 100, "not a WAV"),
        (b"RIFF\x04\0\0\0WAVE", "without sound"),
        (wav(tone(RATE), RATE, 16, kind=0x55), "compressed"),
        (wav(tone(RATE), RATE, 16)[:30], "broken|without"),
        (wav(tone(RATE), 10, 16), "10 Hz"),
    ],
)
def test_what_is_no_sound_is_told_in_a_sentence(data: bytes, why: str) -> None:
    with pytest.raises(UnreadableSound, match=why):
        decode_wav(data, "clip.wav")


def test_written_sound_reads_back(tmp_path: Path) -> None:
    pcm = struct.pack("<4h", 0, 1, -32768, 32767)
    write_wav(tmp_path / "a.wav", pcm)
    assert np.allclose(to_samples(read_wav(tmp_path / "a.wav")), to_samples(pcm), atol=1e-4)


class LoudActivity:
    """Whatever is not silence is speech."""

    def probability(self, frame: Frame) -> float:
        return 1.0 if any(frame) else 0.0

    def reset(self) -> None: ...


class CountingRecognizer:
    """Hears how long it was spoken to."""

    def start(self, *, phrases: Sequence[str] | None = None) -> None:
        self.frames = 0

    def accept(self, frame: Frame) -> str | None:
        self.frames += 1
        return None

    def finish(self) -> Hypothesis:
        return Hypothesis(f"{self.frames}コマ", 1.0)

    def close(self) -> None: ...


def test_transcribe_writes_a_line_a_file(tmp_path: Path) -> None:
    speech = tone(RATE, seconds=1.0)
    pause = np.zeros((RATE, 1))
    (tmp_path / "good.wav").write_bytes(wav(np.concatenate([pause, speech, pause, speech]), RATE, 16))
    (tmp_path / "silent.wav").write_bytes(wav(pause, RATE, 16))
    (tmp_path / "bad.wav").write_bytes(b"nothing")
    out = io.StringIO()
    files = [tmp_path / name for name in ("good.wav", "bad.wav", "silent.wav", "none.wav")]
    code = transcribe(files, lambda sound: (CountingRecognizer(), "scripted", "ja"), LoudActivity(), out)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert code == 1
    assert [line["file"] for line in lines] == [str(file) for file in files]
    assert lines[0]["text"] == "99コマ、64コマ"
    assert set(lines[0]) == {"file", "text", "engine", "seconds"}
    assert lines[2]["text"] == ""
    assert all("error" in line and "text" not in line for line in (lines[1], lines[3]))
    assert transcribe(files[:1], lambda sound: (CountingRecognizer(), "scripted", "ja"), LoudActivity(), out) == 0


def test_long_speech_is_cut() -> None:
    frame = b"\1\1" * 320
    lengths = [len(part) for part in utterances([frame] * 3000, LoudActivity(), longest_s=20)]
    assert lengths == [1000, 1000, 1000]


@pytest.mark.parametrize(
    ("heard", "text"),
    [
        ("渋谷 の 近く で <unk> ラーメン", "渋谷の近くでラーメン"),
        ("エアコン を 22 度 に", "エアコンを22度に"),
        ("ＪＲ 渋谷 駅 、 ハチ公 口 。", "JR 渋谷駅、ハチ公口"),
        ("Hey Lexus の 店", "Hey Lexus の店"),
        ("[音楽] はい\u200b", "はい"),
    ],
)
def test_one_form_for_what_was_heard(heard: str, text: str) -> None:
    assert normalise(heard, "ja") == text


def test_english_keeps_its_spaces() -> None:
    assert normalise("  find   coffee [MUSIC] near Shibuya. ", "en") == "find coffee near Shibuya"


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("Turn the temperature up a bit Turn the temperature up a bit Turn", "Turn the temperature up a bit"),
        (
            "Find me a ramen place near Shinjuku Station. Find me a ramen place",
            "Find me a ramen place near Shinjuku Station",
        ),
        ("エアコンをつけてエアコンをつけてエアコンを", "エアコンをつけて"),
        ("Hey, Lexus!Hey, Lexus!Hey, Lexus", "Hey, Lexus"),
    ],
)
def test_going_round_in_circles_is_cut(text: str, rest: str) -> None:
    assert without_repetition(text) == (rest, True)


@pytest.mark.parametrize(
    "text", ["はいはいはい", "もっともっと", "no no no", "渋谷から渋谷まで", "go to the station near the stadium"]
)
def test_people_may_repeat_themselves(text: str) -> None:
    assert without_repetition(text) == (text, False)
