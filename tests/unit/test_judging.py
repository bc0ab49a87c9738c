"""What is made of something heard."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.judging import Situation, judge, without_wake_phrase
from agent.manner import changed
from agent.voice import SettledWork
from agent.voice_words import MannerChange
from audio.speaker import Manner
from tests.fakes_voice import WORDS

CALLED = Situation(
    called=True, wake_phrase="", into_an_answer=False, question_heard=False, said="", own=None, meaning="", unsure=0.25
)
SAID = "渋谷駅の近くで、三件見つかりました。"
INTO = replace(CALLED, called=False, into_an_answer=True, said=SAID)


@pytest.mark.parametrize(
    ("heard", "left"),
    [
        ("ヘイ、レクサス、近くの駐車場", "近くの駐車場"),
        ("平、レクサス、エアコンの22度にして", "エアコンの22度にして"),
        ("へーレクサス近くの駐車場", "近くの駐車場"),
        ("それでねヘイレクサス音量を上げて", "音量を上げて"),
        ("ヘイ、レクサス", ""),
        ("ヘイ、レ", ""),
        ("近くの駐車場", "近くの駐車場"),
        ("エアコンの22度にして", "エアコンの22度にして"),
        ("レストランを探して", "レストランを探して"),
    ],
)
def test_the_wake_phrase_is_left_out_however_it_was_written(heard: str, left: str) -> None:
    assert without_wake_phrase(heard, "ヘイ、レクサス", WORDS["ja"]) == left


@pytest.mark.parametrize(
    ("heard", "left"),
    [
        ("hey lexus find a parking lot", "find a parking lot"),
        ("Hey, Lexus! What's the weather?", "What's the weather?"),
        ("find a parking lot", "find a parking lot"),
        ("okay hey lexus", ""),
    ],
)
def test_the_wake_phrase_in_english(heard: str, left: str) -> None:
    assert without_wake_phrase(heard, "hey lexus", WORDS["en"]) == left


@given(st.text(max_size=40), st.sampled_from(["ヘイ、レクサス", "ハロー", "", "…"]))
def test_whatever_was_heard_only_its_beginning_goes(text: str, phrase: str) -> None:
    left = without_wake_phrase(text, phrase, WORDS["ja"])
    assert text.endswith(left)


@pytest.mark.parametrize(
    ("text", "situation", "taken"),
    [
        ("", CALLED, "nothing"),
        ("", replace(CALLED, wake_phrase="ヘイ"), "wake_word"),
        ("近くの駐車場", CALLED, "request"),
        ("はい", CALLED, "request"),
        (SAID, CALLED, "request"),
        (SAID, INTO, "own_voice"),
        ("渋谷駅の近くで三軒見つ", INTO, "own_voice"),
        (SAID, replace(INTO, own=0.6), "own_voice"),
        (SAID, replace(INTO, own=0.02), "request"),
        ("はい", INTO, "backchannel"),
        ("はい", replace(INTO, question_heard=True), "request"),
        ("あつい", INTO, "aside"),
        ("違う", INTO, "request"),
        ("うるさい", INTO, "hush"),
        ("やっぱり横浜にして", INTO, "request"),
        ("やっぱり横浜にして", replace(INTO, meaning="human_talk"), "aside"),
    ],
)
def test_taken(text: str, situation: Situation, taken: str) -> None:
    assert judge(text, 0.9, WORDS["ja"], situation) == taken


def test_unsure() -> None:
    assert judge("近くの駐車場", 0.1, WORDS["ja"], CALLED) == "unsure"


@pytest.mark.parametrize(
    ("language", "text", "change"),
    [
        ("ja", "もっとゆっくり話して", "slower"),
        ("ja", "もう少し早く喋って", "faster"),
        ("ja", "声を大きくして", "louder"),
        ("ja", "もうちょっと小さな声で話して", "softer"),
        ("ja", "普通に話して", "usual"),
        ("ja", "音量を上げて", None),
        ("ja", "ゆっくり行って", None),
        ("en", "speak more slowly please", "slower"),
        ("en", "You're talking too slow", "faster"),
        ("en", "speak up", "louder"),
        ("en", "lower your voice", "softer"),
        ("en", "turn the volume up", None),
    ],
)
def test_manner_of_speaking_by_voice(language: str, text: str, change: MannerChange | None) -> None:
    assert WORDS[language].manner_of(text) == change  # type: ignore[index]
    if change is not None:
        before = Manner(1.2, 0.5)
        after = changed(before, change)
        wanted = {"slower": after.rate < 1.2, "faster": after.rate > 1.2, "louder": after.volume > 0.5,
                  "softer": after.volume < 0.5, "usual": after == Manner()}  # fmt: skip
        assert wanted[change]


async def test_manner_is_changed_in_a_conversation_with_a_voice_only() -> None:
    from agent.manner import MannerDialogue
    from tests.fakes import FakeDialogue
    from tests.fakes_voice import PHRASES, ScriptedSynthesizer

    class Speaker(ScriptedSynthesizer):
        manner = Manner()

    below, speaker = FakeDialogue(), Speaker()
    dialogue = MannerDialogue(below, WORDS, PHRASES.say)
    await dialogue.turn("a", "もっとゆっくり話して", language="ja")
    assert below.heard, "without a voice it is the dialogue's matter"
    dialogue.join("a", speaker)
    reply = await dialogue.turn("a", "もっとゆっくり話して", language="ja")
    assert speaker.manner.rate == pytest.approx(0.8)
    assert reply.texts == (PHRASES.say("ja", "voice.slower"),)
    assert reply.payload["actions"][0]["ok"]
    for _ in range(4):
        reply = await dialogue.turn("a", "もっとゆっくり話して", language="ja")
    assert reply.texts == (PHRASES.say("ja", "voice.slowest"),)
    assert not reply.payload["actions"][0]["ok"]
    dialogue.leave("a")


def test_settled_work_waits_for_what_was_handed_in() -> None:
    import time

    work = SettledWork()
    done: list[int] = []
    place = work("slow")
    for n in range(3):
        place.submit(lambda n=n: (time.sleep(0.01), done.append(n)))
    work.settle("slow")
    assert done == [0, 1, 2]
    work.close()
