"""The voice loop while an operator holds the line, in virtual time over scripted engines."""

from __future__ import annotations

from typing import Any

from agent.listener import State
from audio.frames import FRAME_BYTES
from audio.line_sound import AHEAD, LIMIT, LineSound
from audio.player import SILENCE
from tests.fakes_voice import WAKE, Line, content, frame, silence, speech, wake

RELAYED = ("", "none")
FAR = b"\x22\x22" * (FRAME_BYTES // 2)


def on_call(script: dict[str, Any] | None = None, **options: Any) -> tuple[Line, list[bytes]]:
    """A line whose operator gets the frames of the list."""
    line, sent = Line({"もしもし": RELAYED, "七時でお願いします": RELAYED, **(script or {})}, **options), list[bytes]()
    line.hear(silence(0.1))
    line.listener.call(sent.append)
    line.hear(silence(0.1))
    sent.clear()
    return line, sent


def test_every_frame_goes_to_the_operator_and_the_words_to_the_conversation() -> None:
    line, sent = on_call()
    said = [*speech("もしもし"), *silence(1), *speech("七時でお願いします"), *silence(1)]
    line.hear(said, silence(0.3))
    assert sent[: len(said)] == said
    assert line.asked == ["もしもし", "七時でお願いします"]
    assert [metadata for _, metadata in line.talk.asked] == [{"confidence": 0.9}] * 2
    assert [e.taken for e in line.events("recognised")] == ["request", "request"]
    # Nothing is said to it, and no sound of the loop's own comes between the two people.
    assert line.synthesizer.said == []
    assert set(line.played) == {SILENCE}
    assert line.states == ["call"]


def test_nobody_is_asked_again_and_the_wake_word_calls_nobody() -> None:
    line, _ = on_call({WAKE: RELAYED})
    line.hear(silence(60), wake(), silence(1))
    line.listener.press("button")
    line.listener.release()
    line.hear(silence(10))
    assert line.listener.state is State.CALL
    assert line.events("prompt") == []
    assert line.events("wake") == []
    assert line.synthesizer.said == []
    assert line.asked == [WAKE]


def test_words_said_while_the_ones_before_are_recognised_are_kept() -> None:
    line, sent = on_call(recognition=150)
    line.hear(speech("もしもし"), silence(1), speech("七時でお願いします"), silence(8))
    assert line.asked == ["もしもし", "七時でお願いします"]
    assert line.events("sound_lost") == []
    assert len(sent) == len(speech("もしもし") + silence(1) + speech("七時でお願いします") + silence(8))


def test_a_recognizer_that_never_answers_is_given_up_and_the_sound_goes_on() -> None:
    line, sent = on_call(recognition=10**6)
    line.hear(speech("もしもし"), silence(15))
    assert [e.code for e in line.events("error")] == ["error"]
    assert sum(e.frames for e in line.events("sound_lost")) == 0
    line.works["recognizer"].delay = 2
    line.hear(silence(8), speech("七時でお願いします"), silence(2))
    assert line.asked == ["七時でお願いします"]
    assert len(sent) > 1300


def test_a_broken_recognizer_leaves_the_sound_and_says_nothing_into_the_talk() -> None:
    line, sent = on_call()
    line.recognizer.broken = "finish"
    line.hear(speech("もしもし"), silence(1))
    line.recognizer.broken = None
    line.hear(speech("もしもし"), silence(1))
    assert line.asked == ["もしもし"]
    assert [(e.stage, e.code) for e in line.events("error")] == [("recognizer", "engine_failed")]
    assert line.synthesizer.said == []
    assert [content(f).get("add") for f in sent].count("も") == 4


def test_an_operator_takes_over_in_the_middle_of_an_answer() -> None:
    line = Line({"今日の天気": ("晴れです。" * 20, "gives_info")})
    line.hear(silence(0.5), wake(), silence(0.2), speech("今日の天気")).sounding(1)
    sent: list[bytes] = []
    line.listener.call(sent.append)
    line.hear(silence(0.5))
    assert line.listener.state is State.CALL
    assert line.events("interrupted")[-1].reason == "call"
    assert line.played[-10:] == [SILENCE] * 10
    assert len(sent) == 25


def test_what_the_car_and_a_typing_operator_have_to_say_is_said_in_between() -> None:
    line, _ = on_call()
    line.listener.announce("オペレーターの鈴木につながりました。", "ja")
    line.listener.announce("何時がよろしいですか。", "ja")
    line.hear(silence(6))
    assert line.synthesizer.said == ["オペレーターの鈴木につながりました。", "何時がよろしいですか。"]
    # It does not begin while the operator speaks.
    line.player.line(FAR)
    line.listener.announce("お待たせしました。", "ja")
    line.hear(silence(0.02))
    assert len(line.synthesizer.said) == 2
    line.hear(silence(1))
    assert line.synthesizer.said[-1] == "お待たせしました。"


def test_the_way_back_is_said_and_the_agent_listens_as_before() -> None:
    line, sent = on_call({"エージェントに戻して": ("エージェントに戻りました。", "done")})
    line.hear(speech("エージェントに戻して"), silence(0.9))
    line.listener.call(None)
    line.hear(silence(3))
    assert line.synthesizer.said == ["エージェントに戻りました。"]
    assert line.listener.state is State.IDLE
    before = len(sent)
    line.hear(wake(), silence(0.2), speech("近くの駐車場")).until(State.IDLE)
    assert line.asked[-1] == "近くの駐車場"
    assert line.synthesizer.said[-1] == "「近くの駐車場」ですね。"
    assert len(sent) == before


def test_the_operators_own_voice_from_the_loudspeaker_is_not_the_drivers() -> None:
    line, _ = on_call(echo=True)
    line.hear(speech("もしもし", own=0.9), silence(9))
    assert line.asked == []
    line.hear(speech("もしもし", own=0.1), silence(1))
    assert line.asked == ["もしもし"]


# ── the operator's sound ────────────────────────────────────────────────────────────────────────────────────────────


def numbered(count: int) -> list[bytes]:
    return [bytes([n % 250 + 1]) * FRAME_BYTES for n in range(count)]


def test_sound_of_the_line_is_played_as_it_was_spoken() -> None:
    line, _ = on_call()
    sent = numbered(40)
    for each in sent:
        line.player.line(each)
        line.one(frame())
    line.hear(silence(0.4))
    heard = [f for f in line.played if f != SILENCE]
    assert heard == sent


def test_bursts_are_evened_out_and_what_comes_too_fast_is_counted() -> None:
    sound = LineSound()
    for each in numbered(AHEAD - 1):
        sound.put(each)
    assert sound.take() is None
    sound.put(numbered(AHEAD)[-1])
    assert [sound.take() for _ in range(AHEAD + 1)] == [*numbered(AHEAD), None]
    for each in numbered(LIMIT + 20):
        sound.put(each)
    assert sound.lost == 20
    assert sound.take() == numbered(21)[-1]


def test_a_single_frame_is_heard_too() -> None:
    sound = LineSound()
    sound.put(b"\x01\x01")
    got = [sound.take() for _ in range(10)]
    assert [g for g in got if g] == [b"\x01\x01".ljust(FRAME_BYTES, b"\0")]
