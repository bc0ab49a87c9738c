"""The voice loop over scripted engines, in virtual time."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from agent.listener import State
from audio.frames import FRAME_S
from audio.player import SILENCE
from tests.fakes_voice import WAKE, Line, frame, silence, speech, wake

LIST = (
    "渋谷駅の近くで、三件見つかりました。一件目はトラットリア青山、二件目はバール神南、三件目はリストランテ松濤です。"
)
FOUND = {"近くのイタリアン": (LIST + "どれにしますか？", "asks_choice"), "今日の天気": (LIST, "gives_info")}


def talking(text: str = "今日の天気", **options: object) -> Line:
    """A line whose agent has begun to speak its answer to `text`."""
    line = Line(FOUND, **options)  # type: ignore[arg-type]
    line.hear(silence(0.5), wake(), silence(0.2), speech(text))
    return line.sounding(1)


# ── being called ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_wake_word_then_a_request_then_an_answer() -> None:
    line = Line()
    line.hear(silence(1), wake(), silence(0.3), speech("近くの駐車場")).until(State.IDLE)
    assert line.asked == ["近くの駐車場"]
    assert line.states == ["listening", "thinking", "speaking", "idle"]
    assert line.synthesizer.said == ["「近くの駐車場」ですね。"]
    assert [e.text for e in line.events("partial")][-1] == "近くの駐車場"
    assert line.events("wake")[0].source == "wake_word"


@pytest.mark.parametrize("delay", [0, 25, 60])
def test_a_command_in_one_breath_with_the_wake_word(delay: int) -> None:
    """The spotter may notice late; nothing of what was said since is lost, and the wake word is not part of it."""
    line = Line(wake_delay=delay)
    line.hear(silence(1), wake(), speech("近くの駐車場"), silence(0.7)).until(State.IDLE)
    assert line.asked == ["近くの駐車場"]


def test_wake_word_heard_again_by_the_recognizer_is_not_part_of_the_request() -> None:
    line = Line()
    line.hear(silence(1)).listener.press()
    line.hear(speech("ヘイ、レクサス、音量を上げて")).until(State.IDLE)
    # Pressed, not called by name: what was said is taken as it is …
    assert line.asked == ["ヘイ、レクサス、音量を上げて"]
    # … called by name, the name is left out however it was written down.
    line = Line()
    early = [*wake()[:-1], frame(p=0.9, add="ス", wake=WAKE)]
    line.hear(silence(1), early[:-3], [frame(p=0.9, wake=WAKE)], speech("ヘイ、レクサス、音量を上げて")).until(
        State.IDLE
    )
    assert line.asked == ["音量を上げて"]


@pytest.mark.parametrize("source", ["button", "talk_switch"])
def test_button_and_talk_switch_lead_to_the_same_listening(source: str) -> None:
    line = Line()
    line.hear(silence(1))
    line.listener.press(source)  # type: ignore[arg-type]
    line.hear(silence(0.5), speech("近くの駐車場")).until(State.IDLE)
    assert line.asked == ["近くの駐車場"]
    assert line.events("wake")[0].source == source


def test_a_word_begun_while_pressing_is_not_cut() -> None:
    line = Line()
    begun = speech("近くの駐車場")
    line.hear(silence(1), begun[:10])
    line.listener.press()
    line.hear(begun[10:]).until(State.IDLE)
    assert line.asked == ["近くの駐車場"]


def test_letting_the_talk_key_go_ends_the_utterance() -> None:
    line = Line()
    line.listener.press("talk_switch")
    line.hear(silence(0.2), speech("近くの駐車場"))
    line.listener.release()
    line.hear(silence(0.04))
    assert line.listener.state is State.THINKING
    line.until(State.IDLE)
    line.listener.press("talk_switch")
    line.hear(silence(0.2))
    line.listener.release()
    line.hear(silence(0.04))
    assert line.listener.state is State.IDLE


def test_pressing_again_closes_an_empty_line_and_ends_a_begun_utterance() -> None:
    line = Line()
    line.listener.press()
    line.hear(silence(0.5))
    line.listener.press()
    line.hear(silence(0.1))
    assert line.listener.state is State.IDLE
    line.listener.press()
    line.hear(silence(0.5), speech("近くの駐車場"))
    line.listener.press()
    line.hear(silence(0.02))
    assert line.listener.state is State.THINKING


def test_wake_word_alone_is_answered() -> None:
    line = Line()
    whole = wake()
    # The recognizer hears the wake word too, because the spotter's end is early by a little.
    line.hear(silence(1), whole[:-4], [frame(p=0.9, add="ク", wake=WAKE)], speech("ヘイレクサス", per_letter=0.05))
    line.until(State.SPEAKING)
    assert line.events("prompt")[0].key == "voice.go_ahead"
    line.until(State.LISTENING)
    line.hear(speech("近くの駐車場")).until(State.IDLE)
    assert line.asked == ["近くの駐車場"]


def test_without_a_wake_word_engine_buttons_work() -> None:
    line = Line()
    line.wake.broken = True
    line.hear(silence(1)).until(State.IDLE)
    assert line.events("prompt")[0].key == "voice.no_wake"
    assert len(line.events("error")) == 1, "told once"
    line.listener.press()
    line.hear(silence(0.3), speech("近くの駐車場")).until(State.IDLE)
    assert line.asked == ["近くの駐車場"]


# ── silence and what is not understood ──────────────────────────────────────────────────────────────────────────────


def test_asks_once_more_after_silence_then_closes_politely() -> None:
    line = Line()
    line.hear(silence(1), wake(), silence(40))
    assert [e.key for e in line.events("prompt")] == ["voice.reprompt", "voice.close"]
    assert line.listener.state is State.IDLE
    assert line.asked == []


def test_not_heard_twice_gives_up_politely() -> None:
    line = Line()
    line.recognizer.confidence = 0.1
    line.hear(silence(1), wake(), silence(0.2), speech("もごもごもご")).until(State.SPEAKING).until(State.LISTENING)
    line.hear(speech("もごもごもご")).until(State.IDLE)
    assert [e.key for e in line.events("prompt")] == ["voice.not_heard", "voice.give_up"]
    assert [e.taken for e in line.events("recognised")] == ["unsure", "unsure"]
    assert line.asked == []


def test_a_text_the_engine_took_back_is_better_than_none() -> None:
    line = Line()
    line.hear(silence(1), wake(), silence(0.2), speech("近くの駐車場"), silence(0.1))
    line.recognizer.takes_back = True
    line.until(State.IDLE)
    assert line.asked == ["近くの駐車場"]
    # Into an answer it counts for nothing.
    line = talking()
    line.recognizer.takes_back = True
    line.hear(silence(1), speech("キャンセ"), silence(1)).until(State.IDLE)
    assert line.asked == ["今日の天気"]


@pytest.mark.parametrize("where", ["accept", "finish"])
def test_a_recognizer_that_breaks_says_so_and_is_tried_again(where: str) -> None:
    line = Line()
    line.recognizer.broken = where
    line.hear(silence(1), wake(), silence(0.2), speech("近くの駐車場")).until(State.SPEAKING).until(State.IDLE)
    assert [e.key for e in line.events("prompt")] == ["voice.trouble_recognizer"]
    assert line.events("error")[0].stage == "recognizer"
    line.recognizer.broken = None
    line.hear(silence(1), wake(), silence(0.2), speech("近くの駐車場")).until(State.IDLE)
    assert line.asked == ["近くの駐車場"]


def test_a_recognizer_that_never_answers_is_not_waited_for() -> None:
    line = Line(recognition=10_000)
    line.hear(silence(1), wake(), silence(0.2), speech("近くの駐車場")).until(State.SPEAKING)
    assert line.events("prompt")[0].key == "voice.late"


@pytest.mark.parametrize("trouble", [None, RuntimeError("down")])
def test_a_conversation_in_trouble_is_told(trouble: object) -> None:
    line = Line({"近くの駐車場": trouble})
    line.hear(silence(1), wake(), silence(0.2), speech("近くの駐車場")).until(State.SPEAKING)
    assert line.events("prompt")[0].key == "voice.late"
    assert line.events("error")[0].stage == "dialogue"


def test_a_slow_answer_is_bridged_by_a_sound() -> None:
    line = Line()
    line.talk.delay = round(4 / FRAME_S)
    line.hear(silence(1), wake(), silence(0.2), speech("近くの駐車場")).until(State.THINKING)
    before = len(line.played)
    line.until(State.SPEAKING)
    heard = [n for n, f in enumerate(line.played[before:]) if f != SILENCE]
    gaps = [b - a for a, b in itertools.pairwise(heard)]
    assert max(gaps) * FRAME_S < 1.5


@pytest.mark.parametrize("clause", [0, 1])
def test_a_voice_that_breaks_is_a_sound_and_the_line_goes_on(clause: int) -> None:
    line = Line(FOUND)
    line.synthesizer.broken = clause
    line.hear(silence(1), wake(), silence(0.2), speech("近くのイタリアン")).until(State.SPEAKING)
    line.until(State.LISTENING)
    assert line.events("error")[0].stage == "speaker"
    assert line.silent_since() < 0.5 or any(f != SILENCE for f in line.played[-30:])
    line.synthesizer.broken = None
    line.hear(speech("近くの駐車場")).until(State.IDLE)
    assert line.asked == ["近くのイタリアン", "近くの駐車場"]


# ── the line stays open ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_question_keeps_the_line_open() -> None:
    line = talking("近くのイタリアン")
    line.until(State.LISTENING)
    line.hear(silence(1), speech("二番目")).until(State.IDLE)
    assert line.asked == ["近くのイタリアン", "二番目"]
    assert len(line.events("wake")) == 1


def test_after_a_statement_the_wake_word_is_needed() -> None:
    line = talking("今日の天気").until(State.IDLE)
    line.hear(silence(1), speech("それでね、昨日ね"), silence(3))
    assert line.asked == ["今日の天気"]


def test_notices_wait_until_the_line_is_free() -> None:
    line = talking("近くのイタリアン")
    line.listener.announce("まもなく目的地です。", "ja")
    line.until(State.LISTENING)
    line.hear(silence(0.5), speech("二番目")).until(State.IDLE)
    line.hear(silence(4))
    assert line.synthesizer.said[-1] == "まもなく目的地です。"
    assert line.asked == ["近くのイタリアン", "二番目"]


# ── speaking into an answer ─────────────────────────────────────────────────────────────────────────────────────────


def test_speaking_over_it_stops_it_within_200_ms() -> None:
    line = talking()
    line.hear(silence(1))
    at = len(line.played)
    line.hear(speech("やっぱり横浜にして"))
    sounding = [n for n, f in enumerate(line.played[at:]) if f != SILENCE]
    assert (max(sounding) + 1) * FRAME_S <= 0.2
    assert line.events("held")[0].after_ms <= 200
    line.until(State.IDLE)
    assert line.asked == ["今日の天気", "やっぱり横浜にして"]
    stopped = line.events("interrupted")[0]
    assert stopped.reason == "barge_in"
    assert stopped.heard + stopped.unheard == LIST
    assert "リストランテ" in stopped.unheard


def test_what_was_not_spoken_is_not_assumed_heard() -> None:
    line = talking()
    line.hear(silence(0.5), speech("やっぱり横浜にして")).until(State.IDLE)
    text, metadata = line.talk.asked[1]
    assert text == "やっぱり横浜にして"
    assert metadata["unheard"] == line.events("interrupted")[0].unheard
    assert LIST.endswith(metadata["unheard"])


@pytest.mark.parametrize("word", ["はい", "うん", "うんうん", "へえ", "なるほど", "そうなんだ"])
def test_aizuchi_do_not_interrupt(word: str) -> None:
    line = talking()
    line.hear(silence(1), speech(word), silence(1))
    assert line.listener.state is State.SPEAKING
    line.until(State.IDLE)
    assert line.asked == ["今日の天気"]
    assert line.events("interrupted") == []
    assert [e.reason for e in line.events("resumed")] == ["backchannel"]
    # All of it was said, and the place where it was held is said again.
    assert sum(f != SILENCE for f in line.played) * FRAME_S >= len(LIST) * 0.1


@pytest.mark.parametrize("word", ["uh-huh", "yeah", "okay", "I see", "right"])
def test_backchannels_in_english_do_not_interrupt(word: str) -> None:
    reply = "I found three places near the station. The first one is the nearest of them, and the second is cheaper."
    line = Line({"italian nearby": (reply, "gives_info")}, language="en")
    line.hear(silence(0.5), wake("hey car"), silence(0.2), speech(" italian nearby")).sounding(1)
    line.hear(silence(1), speech(word, per_letter=0.08), silence(1)).until(State.IDLE)
    assert line.asked == ["italian nearby"]
    assert line.events("interrupted") == []


@pytest.mark.parametrize("word", ["ねえ見て", "あつい", "くしゃみ"])
def test_short_words_of_passengers_do_not_interrupt(word: str) -> None:
    line = talking()
    line.hear(silence(1), speech(word), silence(1)).until(State.IDLE)
    assert line.asked == ["今日の天気"]
    assert [e.reason for e in line.events("resumed")] == ["aside"]


def test_people_who_talk_to_each_other_do_not_interrupt() -> None:
    line = talking()
    said = "昨日のドラマ見た、面白かったよね"
    line.talk.meanings[said] = "human_talk"
    line.hear(silence(1), speech(said), silence(1.5))
    line.until(State.SPEAKING).until(State.IDLE)
    assert line.asked == ["今日の天気"]
    assert [e.reason for e in line.events("resumed")] == ["aside"]


@pytest.mark.parametrize("word", ["二番", "違う", "キャンセル"])
def test_short_commands_do_interrupt(word: str) -> None:
    line = talking()
    line.hear(silence(1), speech(word), silence(1)).until(State.IDLE)
    assert line.asked == ["今日の天気", word]


def test_being_told_to_be_quiet_needs_no_answer() -> None:
    line = talking()
    line.hear(silence(1), speech("ストップ"), silence(1))
    assert line.listener.state is State.LISTENING
    assert line.silent_since() > 0.8
    line.hear(speech("近くの駐車場")).until(State.IDLE)
    assert line.asked == ["今日の天気", "近くの駐車場"]


def test_yes_is_an_answer_once_the_question_is_asked_and_not_before() -> None:
    question = {
        "箱根": ("箱根湯本駅まで一時間二十分かかります。途中で渋滞もあります。そこへ行きますか？", "asks_yesno")
    }
    early = Line(question)
    early.hear(silence(0.5), wake(), silence(0.2), speech("箱根")).sounding(1)
    early.hear(silence(0.5), speech("はい"), silence(1))
    assert early.asked == ["箱根"]
    late = Line(question)
    late.hear(silence(0.5), wake(), silence(0.2), speech("箱根")).sounding(3)
    late.hear(silence(0.5), speech("はい"), silence(1)).until(State.IDLE)
    assert late.asked == ["箱根", "はい"]


def test_wake_word_works_while_it_speaks() -> None:
    line = talking()
    line.hear(silence(1), wake(), speech("近くの駐車場")).until(State.IDLE)
    assert line.asked == ["今日の天気", "近くの駐車場"]
    assert line.events("interrupted")[0].reason in ("wake_word", "barge_in")


def test_wake_word_and_button_work_while_it_thinks() -> None:
    line = Line({"今日の天気": None})
    line.hear(silence(0.5), wake(), silence(0.2), speech("今日の天気")).until(State.THINKING)
    line.hear(silence(0.5), wake(), speech("近くの駐車場")).until(State.IDLE)
    assert line.asked == ["今日の天気", "近くの駐車場"]


def test_a_button_stops_it_and_listens() -> None:
    line = talking()
    line.hear(silence(1))
    line.listener.press()
    line.hear(silence(0.3), speech("近くの駐車場")).until(State.IDLE)
    assert line.events("interrupted")[0].reason == "button"
    assert line.asked == ["今日の天気", "近くの駐車場"]


def test_recognizers_without_partials_are_interrupted_by_length() -> None:
    line = talking()
    line.recognizer.partials = False
    line.hear(silence(1), speech("やっぱり横浜にして")).until(State.IDLE)
    assert line.asked == ["今日の天気", "やっぱり横浜にして"]
    line = talking()
    line.recognizer.partials = False
    line.hear(silence(1), speech("なるほどね"), silence(1)).until(State.IDLE)
    assert line.asked == ["今日の天気"]


# ── the agent's own voice ───────────────────────────────────────────────────────────────────────────────────────────


def test_own_words_heard_back_are_not_answered() -> None:
    line = talking()
    line.echoing(30).until(State.IDLE)
    assert line.asked == ["今日の天気"]
    assert line.events("interrupted") == []
    assert {e.reason for e in line.events("resumed")} <= {"own_voice", "nothing", "aside"}
    # It came to its end all the same.
    assert line.events("speaking")[-1].number == line.events("speaking")[-1].of


def test_own_words_misheard_are_still_own_words() -> None:
    line = talking()
    line.hear(silence(1.5), speech("渋谷液の近くで三剣見つ"), silence(2)).until(State.IDLE)
    assert line.asked == ["今日の天気"]
    assert {e.reason for e in line.events("resumed")} == {"own_voice"}


def test_own_words_at_the_end_of_a_question_are_not_its_answer() -> None:
    line = talking("近くのイタリアン")
    line.until(State.LISTENING)
    line.hear(speech("どれにしますか"), silence(1.5))
    assert line.asked == ["近くのイタリアン"]
    assert line.events("recognised")[-1].taken == "own_voice"
    line.until(State.LISTENING)
    line.hear(silence(0.5), speech("二番目")).until(State.IDLE)
    assert line.asked == ["近くのイタリアン", "二番目"]


def test_frames_the_echo_guard_knows_do_not_even_hold_it() -> None:
    line = talking(echo=True)
    line.hear(silence(0.4), speech("渋谷駅の近くで三件見つかりました", own=0.9)).until(State.IDLE)
    assert line.events("held") == []


def test_a_driver_who_repeats_our_words_is_told_from_an_echo_by_the_sound() -> None:
    line = talking("近くのイタリアン", echo=True)
    line.sounding(5)
    line.hear(speech("リストランテ松濤", own=0.02), silence(0.5)).until(State.IDLE)
    assert line.asked == ["近くのイタリアン", "リストランテ松濤"]


def test_saying_the_wake_word_itself_does_not_call_it() -> None:
    line = Line({"呼び方": ("いつでもヘイ、レクサスと呼んでください。お待ちしています。", "gives_info")})
    line.hear(silence(0.5), wake(), silence(0.2), speech("呼び方")).sounding(2)
    line.hear([frame(wake=WAKE)], silence(1)).until(State.IDLE)
    assert len(line.events("wake")) == 1


# ── ahead of time, and time itself ──────────────────────────────────────────────────────────────────────────────────


def test_a_stable_partial_is_understood_ahead_and_ends_sooner() -> None:
    def ends_after(meaning: str) -> float:
        line = Line()
        line.talk.meanings["近くの駐車場"] = meaning
        line.hear(silence(0.5), wake(), silence(0.2), speech("近くの駐車場"))
        at = line.fed
        line.until(State.THINKING)
        assert "近くの駐車場" in line.talk.understood
        return (line.fed - at) * FRAME_S

    assert ends_after("search_place") == pytest.approx(0.46, abs=0.03)
    assert ends_after("") == pytest.approx(0.8, abs=0.03)


def test_latency_parts_add_up() -> None:
    line = Line(recognition=10)
    line.talk.delay = 7
    line.hear(silence(0.5), wake(), silence(0.2), speech("近くの駐車場"))
    at = line.fed
    line.until(State.SPEAKING).hear(silence(0.1))
    told = line.events("latency")[0]
    parts = told.end_of_speech_ms + told.recognition_ms + told.dialogue_ms + told.first_audio_ms
    assert parts == pytest.approx(told.total_ms, abs=0.5)
    first = next(n for n, f in enumerate(line.played[at + 5 + 40 :]) if f != SILENCE) + at + 5 + 40
    assert told.recognition_ms == pytest.approx(200, abs=25)
    assert told.dialogue_ms == pytest.approx(140, abs=25)
    assert told.total_ms == pytest.approx((first - at) * 20, abs=60)


def test_lost_frames_are_counted() -> None:
    line = Line()
    line.listener.lost(7)
    line.hear(silence(0.1))
    assert [e.frames for e in line.events("sound_lost")] == [7]


def test_an_engine_that_breaks_is_told_once_and_done_without() -> None:
    line = Line()
    line.activity.broken = True
    line.hear(silence(2))
    assert [(e.stage, e.code) for e in line.events("error")] == [("vad", "engine_failed")]


# ── whatever comes ──────────────────────────────────────────────────────────────────────────────────────────────────

PIECES = st.one_of(
    st.builds(lambda n: ("silence", n), st.floats(0.02, 3.0)),
    st.builds(
        lambda t, p: ("speech", (t, p)),
        st.sampled_from(["はい", "近くの駐車場", "ストップ", "今日の天気", "うん", LIST[:9], "あの", "違う"]),
        st.sampled_from([0.04, 0.1, 0.2]),
    ),
    st.just(("wake", None)),
    st.builds(lambda s: ("press", s), st.sampled_from(["button", "talk_switch"])),
    st.just(("release", None)),
    st.just(("announce", None)),
    st.builds(lambda n: ("lost", n), st.integers(1, 50)),
    st.builds(
        lambda w: ("break", w), st.sampled_from(["recognizer", "finish", "speaker", "talk", "never", "vad", "none"])
    ),
)


@settings(max_examples=60, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate], derandomize=True)
@given(st.lists(PIECES, min_size=1, max_size=14), st.integers(0, 60), st.integers(0, 80))
def test_never_stuck_never_silent_no_frame_lost(pieces: list, wake_delay: int, recognition: int) -> None:  # type: ignore[type-arg]
    line = Line(dict(FOUND), wake_delay=wake_delay, recognition=recognition)
    lost = 0
    for kind, value in pieces:
        if kind == "silence":
            line.hear(silence(value))
        elif kind == "speech":
            line.hear(speech(value[0], per_letter=value[1]))
        elif kind == "wake":
            line.hear(wake())
        elif kind == "press":
            line.listener.press(value)
        elif kind == "release":
            line.listener.release()
        elif kind == "announce":
            line.listener.announce("まもなく目的地です。", "ja")
        elif kind == "lost":
            lost += value
            line.listener.lost(value)
        else:
            line.recognizer.broken = {"recognizer": "accept", "finish": "finish"}.get(value)
            line.synthesizer.broken = 0 if value == "speaker" else None
            line.activity.broken = value == "vad"
            line.talk.script["今日の天気"] = {"talk": RuntimeError("x"), "never": None}.get(value, FOUND["今日の天気"])
    line.hear(silence(75))
    assert line.listener.state is State.IDLE, "never stuck"
    assert line.player.silent
    assert not [e for e in line.events("error") if e.stage == "voice"], "the loop itself never breaks"
    assert line.listener.frames == line.fed
    assert sum(e.frames for e in line.events("sound_lost")) == lost
    for event in line.events("wake") + [e for e in line.events("recognised") if e.taken == "request"]:
        at = round(event.time / FRAME_S)
        assert any(f != SILENCE for f in line.played[max(0, at - 1) : at + 1000]), f"silent after {event}"
    for event in line.events("recognised"):
        assert event.taken != "request" or event.text in line.asked
