"""The typed wake word: what may be one, who has which, and when the spotter looks and wakes (scripted engines, virtual time)."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from agent.transcribe import wake
from agent.wakewords import (
    WakeWordStore,
    check,
    commands_of,
    japanese_reading,
    language_of,
    likeness_to,
    spellings,
    syllables,
    tidy,
    wake_phrase,
)
from audio.frames import FRAME_BYTES, FRAME_S, RATE, Frame
from audio.wake_word import COOLDOWN_S, LEAD_S, Thresholds, TypedWakeWord, WakePhrase
from audio.wav import Samples, write_wav

READING = japanese_reading()
COMMANDS = {"ja": commands_of("ja"), "en": commands_of("en")}


def told(phrase: str, **more: object) -> list[str]:
    phrase = tidy(phrase)
    language = language_of(phrase)
    return [f.sentence for f in check(phrase, language, READING, commands=COMMANDS[language], **more)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "phrase",
    [
        "ヘイ、レクサス",
        "ハロー、プリウス",
        "ねえ、コンシェルジュ",
        "ミライちゃん、起きて",
        "hello concierge",
        "Okay, Navigator",
    ],
)
def test_good_wake_words_have_nothing_against_them(phrase: str) -> None:
    assert told(phrase) == []


@pytest.mark.parametrize(
    ("phrase", "sentence"),
    [
        ("はい", "wakeword.refused.short"),
        ("hey", "wakeword.refused.short"),
        ("寿限無寿限無五劫のすりきれ海砂利水魚の水行末", "wakeword.refused.long"),
        ("<script>alert(1)</script>", "wakeword.refused.letters"),
        ("レクサス5000", "wakeword.refused.letters"),
        ("", "wakeword.refused.letters"),
        ("🚗🚗🚗", "wakeword.refused.letters"),
        ("クロちゃん", "wakeword.warning.short"),
        ("今日もいい天気ですねコンシェルジュさん", "wakeword.warning.long"),
        ("お早うございます", "wakeword.warning.everyday"),
        ("good mourning", "wakeword.warning.everyday"),
        ("エアコン", "wakeword.warning.commands"),
        ("gas station near", "wakeword.warning.commands"),
    ],
)
def test_what_speaks_against_a_phrase(phrase: str, sentence: str) -> None:
    assert sentence in told(phrase)


def test_another_drivers_wake_word_and_an_unknown_word() -> None:
    assert "wakeword.warning.taken" in told("ハロープリウス", others=["ハロー、プリウス"])
    assert told("ハロー、プリウス", others=["ミライちゃん、起きて"]) == []
    assert told("ハロー、プリウス", vocabulary=frozenset({"ハロー"})) == ["wakeword.warning.vocabulary"]
    assert told("ハロー、プリウス", vocabulary=frozenset({"ハロー", "プリウス"})) == []


def test_sentences_exist_in_both_languages() -> None:
    from actions.phrases import Phrases
    from agent.composition import NLU_DATA

    phrases = Phrases.load(NLU_DATA / "responses")
    for text in ("はい", "エアコン", "お早うございます", "寿限無寿限無五劫のすりきれ海砂利水魚の水行末"):
        for finding in check(
            text, "ja", READING, commands=COMMANDS["ja"], vocabulary=frozenset({"x"}), others=["エアコン"]
        ):
            for language in ("ja", "en"):
                assert "{" not in phrases.say(language, finding.sentence, **finding.values)  # type: ignore[arg-type]


def test_length_is_counted_as_spoken() -> None:
    assert syllables("ヘイ、レクサス", "ja", READING) == 6
    assert syllables("ちゃんと", "ja", READING) == 3
    assert syllables("okay navigator", "en", READING) == 6
    assert tidy("  ヘイ ,レクサス！") == "ヘイ、レクサス"
    assert tidy("HEY ,  Lexus!") == "HEY, Lexus"


def test_spellings_cover_what_a_recognizer_may_write() -> None:
    assert spellings("ヘイ、レクサス", "ja", READING) == ("ヘイ、レクサス", "ヘイレクサス", "ヘイ レクサス")
    assert "ミライチャンオキテ" in spellings("ミライちゃん、起きて", "ja", READING)
    assert spellings("hey lexus", "en", READING)[:2] == (" Hey, Lexus", " Hey lexus")
    assert " Good morning, Sunny" in spellings("good morning sunny", "en", READING)


def test_likeness_is_by_sound_and_anywhere_in_the_text() -> None:
    likeness = likeness_to(wake_phrase("ヘイ、レクサス", "ja", READING), READING)
    assert likeness("あのね、へいれくさす、近くの駐車場") == 1.0
    assert likeness("ヘイレクサ") > 0.6 > 0.3 > likeness("今日の天気を教えて")
    assert likeness("") == 0.0


def test_each_driver_keeps_their_own(tmp_path: Path) -> None:
    store = WakeWordStore(tmp_path / "state" / "wake_words.json")
    assert store.get("owner") is None
    store.put("owner", "ハロー、プリウス")
    store.put("second", "hey lexus")
    assert WakeWordStore(tmp_path / "state" / "wake_words.json").all() == {
        "owner": "ハロー、プリウス",
        "second": "hey lexus",
    }
    assert store.forget("second")
    assert not store.forget("second")
    (tmp_path / "state" / "wake_words.json").write_text("[broken", encoding="utf-8")
    assert store.get("owner") is None


# ── the spotter ─────────────────────────────────────────────────────────────────────────────────────────────────────

PHRASE = WakePhrase("ヘイ、レクサス", "ja", ("ヘイ、レクサス", "ヘイレクサス"), 1.0)
SPEECH, SILENCE = b"\1\0" * (FRAME_BYTES // 2), b"\0\0" * (FRAME_BYTES // 2)
SPOKEN = b"\x09\0" * (FRAME_BYTES // 2)
"""speech that is the phrase"""


class LoudActivity:
    def probability(self, frame: Frame) -> float:
        return 1.0 if any(frame) else 0.0

    def reset(self) -> None: ...


class ScriptedScorer:
    """Scores a window by how much of it is the phrase; keeps what it was asked."""

    def __init__(self, score: float = -1.0, reading: str = "") -> None:
        self.windows: list[float] = []
        self.score, self.said, self.readings = score, reading, 0
        self._share = 0.0

    def quick(self, samples: Samples) -> float:
        self.windows.append(len(samples) / RATE)
        self._share = float((samples > 6 / 32768).sum()) / (0.9 * RATE)
        return -4.5 if self._share >= 1 else -6.0

    def full(self) -> float:
        return self.score if self._share >= 1 else -6.0

    def end(self) -> float:
        return self.windows[-1] - 0.2

    def reading(self) -> str:
        self.readings += 1
        return self.said


def spotter(scorer: ScriptedScorer, **more: object) -> TypedWakeWord:
    return TypedWakeWord(PHRASE, scorer, LoudActivity(), lambda text: 1.0 if text == "ヘイレクサス" else 0.2, **more)  # type: ignore[arg-type]


def feed(word: TypedWakeWord, script: Sequence[tuple[float, Frame]]) -> list[float]:
    """Seconds at which it woke."""
    woke, frames = [], 0
    for seconds, frame in script:
        for _ in range(round(seconds / FRAME_S)):
            frames += 1
            if word.accept(frame) is not None:
                woke.append(round(frames * FRAME_S, 2))
    return woke


def test_it_wakes_soon_after_the_phrase() -> None:
    (at,) = feed(spotter(ScriptedScorer()), [(2, SILENCE), (1.0, SPOKEN), (3, SILENCE)])
    assert 2.9 <= at <= 3.2


def test_it_says_where_the_phrase_ended() -> None:
    word = spotter(ScriptedScorer())
    frames = [
        frame for seconds, frame in [(2, SILENCE), (1.0, SPOKEN), (1, SILENCE)] for _ in range(round(seconds / FRAME_S))
    ]
    ((at, heard),) = [
        (n * FRAME_S, woke) for n, frame in enumerate(frames, start=1) if (woke := word.accept(frame)) is not None
    ]
    assert heard.end == pytest.approx(at - 0.2)


def test_a_pause_inside_the_phrase_is_bridged() -> None:
    (at,) = feed(
        spotter(ScriptedScorer()), [(2, SILENCE), (0.3, SPOKEN), (0.35, SILENCE), (0.65, SPOKEN), (3, SILENCE)]
    )
    assert at <= 3.5


def test_the_command_may_follow_in_one_breath() -> None:
    (at,) = feed(spotter(ScriptedScorer()), [(2, SILENCE), (1.0, SPOKEN), (3, SPEECH), (2, SILENCE)])
    assert at <= 3.2


def test_it_is_found_in_speech_that_goes_on_and_on() -> None:
    assert len(feed(spotter(ScriptedScorer()), [(1, SILENCE), (6, SPEECH), (1.0, SPOKEN), (4, SPEECH)])) == 1


def test_silence_costs_nothing_and_other_speech_one_look_at_a_time() -> None:
    quiet, talk = ScriptedScorer(), ScriptedScorer()
    assert feed(spotter(quiet), [(60, SILENCE)]) == []
    assert quiet.windows == []
    assert feed(spotter(talk), [(1, SILENCE), (20, SPEECH), (1, SILENCE)]) == []
    assert len(talk.windows) <= 20 / 0.5 + 3
    assert all(length <= 1.45 + 0.5 + 2 * LEAD_S for length in talk.windows)
    assert talk.readings == 0, "what is far off is not decoded"


def test_unsure_it_asks_for_the_reading() -> None:
    said = [(1, SILENCE), (1.0, SPOKEN), (2, SILENCE)]
    believed, doubted = ScriptedScorer(-2.9, "ヘイレクサス"), ScriptedScorer(-2.9, "平和です")
    assert len(feed(spotter(believed), said)) == 1
    assert feed(spotter(doubted), said) == []
    assert doubted.readings > 0
    assert feed(spotter(ScriptedScorer(-3.5, "ヘイレクサス")), said) == []


def test_once_for_one_call() -> None:
    twice = [
        (1, SILENCE),
        (1.0, SPOKEN),
        (0.3, SILENCE),
        (1.0, SPOKEN),
        (COOLDOWN_S + 1, SILENCE),
        (1.0, SPOKEN),
        (1, SILENCE),
    ]
    assert len(feed(spotter(ScriptedScorer()), twice)) == 2


def test_scores_grow_with_certainty() -> None:
    scores = []
    for score in (-2.1, -1.5, -0.5):
        word = spotter(ScriptedScorer(score))
        found = [
            w
            for s, f in [(1, SILENCE), (1.0, SPOKEN), (1, SILENCE)]
            for _ in range(round(s / FRAME_S))
            if (w := word.accept(f))
        ]
        scores += [wake.score for wake in found]
        assert found[0].phrase == "ヘイ、レクサス"
    assert scores == sorted(scores)
    assert 0.5 <= scores[0] < scores[-1] <= 1.0


def test_thresholds_can_be_set() -> None:
    strict = spotter(ScriptedScorer(-1.5), thresholds=Thresholds(unsure=-1.0, sure=-0.8))
    assert feed(strict, [(1, SILENCE), (1.0, SPOKEN), (1, SILENCE)]) == []


def test_wake_writes_a_line_a_file(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", SILENCE * 50 + SPOKEN * 50)
    write_wav(tmp_path / "b.wav", SILENCE * 50)
    (tmp_path / "c.wav").write_bytes(b"no sound")
    out = io.StringIO()
    assert wake([tmp_path / f"{n}.wav" for n in "abc"], spotter(ScriptedScorer()), out) == 1
    first, second, third = (json.loads(line) for line in out.getvalue().splitlines())
    assert set(first["detections"][0]) == {"t", "score"}
    assert 1.9 <= first["detections"][0]["t"] <= 2.2
    assert second == {"file": str(tmp_path / "b.wav"), "detections": []}
    assert "error" in third
