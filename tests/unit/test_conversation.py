"""One turn: cleaning, the safety lane, the deadline, failures, order, events that add up."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from actions.phrases import Phrases
from agent.conversation import Conversation, Line, clean, detect
from agent.dialogue import DialogueReply
from agent.errors import DialogueTimeout, DialogueUnavailable
from agent.events import Acted, Failed, Heard, Spoke, Understood
from agent.nlu.functions import function_of
from agent.safety import Safety
from tests.fakes import FakeDialogue, VirtualTime, reply

NLU_DATA = Path(__file__).resolve().parents[2] / "nlu_data"
PHRASES = Phrases.load(NLU_DATA / "responses")
SAFETY = Safety.load(NLU_DATA / "safety")


def conversation(dialogue: FakeDialogue, *, deadline_s: float = 1.0, line: Line = "ok") -> Conversation:
    return Conversation(
        dialogue,
        PHRASES,
        SAFETY,
        function_of=function_of,
        clock=VirtualTime(),
        deadline_s=deadline_s,
        line=lambda: line,
    )


async def test_a_turn_tells_what_happened_in_order() -> None:
    done = {"name": "search", "arguments": {"genre": "italian"}, "ok": True}
    dialogue = FakeDialogue(
        {"イタリアン": reply("3件あります。", context="offers_list", actions=(done,), quick_replies=("1番",))}
    )
    turn = await conversation(dialogue).turn("s", "イタリアン")
    assert [type(e) for e in turn.events] == [Heard, Understood, Acted, Spoke]
    assert (turn.spoke.text, turn.spoke.context, turn.spoke.quick_replies) == ("3件あります。", "offers_list", ("1番",))
    assert turn.understood is not None
    assert turn.understood.function == "destination_search"
    assert dialogue.heard == [("s", "イタリアン", "ja", {"driver": "owner"})]


async def test_stage_timings_add_up() -> None:
    async def slow() -> DialogueReply:
        # Timers may ring a little early.
        await asyncio.sleep(0.06)
        return reply("はい。", timings={"understanding": 10.0, "action": 25.0, "backend": 20.0})

    turn = await conversation(FakeDialogue({"渋谷": slow})).turn("s", "渋谷")
    timings = turn.spoke.timings
    assert sum(timings.values()) == pytest.approx(turn.spoke.total_ms, abs=0.01)
    assert (timings["action"], timings["backend"]) == (pytest.approx(5.0), 20.0)
    assert turn.spoke.total_ms >= 50


@pytest.mark.parametrize(
    ("text", "key"),
    [("", "empty"), ("   \t\n", "empty"), ("\u202e\u200b\u0000", "empty"), ("😀🚗", "no_words"), ("！？…", "no_words"),
     ("あ" * 10_000, "too_long")],
)  # fmt: skip
async def test_what_is_no_request_gets_a_clear_answer(text: str, key: str) -> None:
    dialogue = FakeDialogue()
    turn = await conversation(dialogue).turn("s", text, language="ja")
    assert turn.spoke.text == PHRASES.say("ja", f"conversation.{key}", limit=500)
    assert dialogue.heard == []


async def test_controls_go_and_words_stay() -> None:
    dialogue = FakeDialogue()
    await conversation(dialogue).turn("s", "\u202e渋谷\u200bの\x07カフェ\u2028は  ？")
    assert dialogue.heard[0][1] == "渋谷のカフェ は ?" or dialogue.heard[0][1] == "渋谷のカフェ は ？"
    assert clean("a\ud800b") == "ab"


async def test_distress_is_answered_while_another_turn_hangs_and_without_the_model() -> None:
    hang = asyncio.Event()

    async def wait() -> DialogueReply:
        await hang.wait()
        return reply("遅い返事")

    dialogue = FakeDialogue({"渋谷": wait})
    talk = conversation(dialogue, deadline_s=5)
    hanging = asyncio.create_task(talk.turn("s", "渋谷"))
    await asyncio.sleep(0.01)
    turn = await asyncio.wait_for(talk.turn("s", "事故った"), 0.5)
    assert "ヘルプネット" in turn.spoke.text
    assert turn.understood is not None
    assert (turn.understood.intent, turn.understood.function) == ("emergency", "safety")
    assert [h[1] for h in dialogue.heard] == ["渋谷"]
    hang.set()
    assert (await hanging).spoke.text == "遅い返事"


async def test_asking_for_traffic_is_no_distress() -> None:
    dialogue = FakeDialogue()
    await conversation(dialogue).turn("s", "この先に事故の情報ある？")
    assert len(dialogue.heard) == 1


async def test_the_deadline_ends_in_a_sentence_and_the_next_turn_works() -> None:
    async def never() -> DialogueReply:
        await asyncio.sleep(60)
        raise AssertionError

    dialogue = FakeDialogue({"遅い": never, "速い": reply("はい。")})
    talk = conversation(dialogue, deadline_s=0.2)
    started = time.perf_counter()
    turn = await talk.turn("s", "遅い")
    assert time.perf_counter() - started < 0.5
    assert turn.spoke.text == PHRASES.say("ja", "conversation.timeout")
    assert [e.code for e in turn.events if isinstance(e, Failed)] == ["timeout"]
    assert (await talk.turn("s", "速い")).spoke.text == "はい。"


@pytest.mark.parametrize(
    ("failure", "key"),
    [
        (DialogueUnavailable("gone"), "dialogue_unavailable"),
        (DialogueTimeout("late"), "timeout"),
        (RuntimeError("broken"), "error"),
        (DialogueReply((), {}, reply("x").understanding, {}), "silent"),
    ],
)
async def test_never_silent(failure: object, key: str) -> None:
    dialogue = FakeDialogue({"hello there": failure})
    turn = await conversation(dialogue).turn("s", "hello there")
    assert turn.spoke.text == PHRASES.say("en", f"conversation.{key}")
    assert turn.spoke.context == "apology"


async def test_two_failures_running_offer_the_desk() -> None:
    dialogue = FakeDialogue({"?a": reply("すみません。", context="apology"), "b": reply("はい。")})
    talk = conversation(dialogue)
    first = await talk.turn("s", "?a", language="ja")
    await talk.turn("s", "b", language="ja")
    third = await talk.turn("s", "?a", language="ja")
    fourth = await talk.turn("s", "?a", language="ja")
    assert ["0800-300-0365" in t.spoke.text for t in (first, third, fourth)] == [False, False, True]
    assert fourth.spoke.text.startswith("すみません。")


async def test_messages_of_one_session_keep_their_order_and_sessions_run_beside_each_other() -> None:
    async def pause() -> DialogueReply:
        await asyncio.sleep(0.02)
        return reply("ok")

    dialogue = FakeDialogue({f"word {n}": pause for n in range(4)})
    talk = conversation(dialogue)
    await asyncio.gather(*(talk.turn("one", f"word {n}") for n in range(4)))
    assert [h[1] for h in dialogue.heard] == [f"word {n}" for n in range(4)]
    assert dialogue.most_running == 1
    await asyncio.gather(*(talk.turn(f"s{n}", f"word {n}") for n in range(4)))
    assert dialogue.most_running == 4


async def test_no_contract_and_no_connection_are_different_sentences() -> None:
    failed = {"name": "weather", "arguments": {"code": "unavailable"}, "ok": False}
    dialogue = FakeDialogue(
        {"天気": reply("だめでした。", context="apology", actions=(failed,)), "カフェ": reply("あります。")}
    )
    assert "契約" in (await conversation(dialogue, line="no_contract").turn("s", "天気")).spoke.text
    assert dialogue.heard == []
    offline = conversation(dialogue, line="no_connection")
    assert "通信" in (await offline.turn("s", "天気")).spoke.text
    assert (await offline.turn("s", "カフェ")).spoke.text == "あります。"
    assert "ヘルプネット" in (await conversation(dialogue, line="no_contract").turn("s", "助けて")).spoke.text


async def test_the_language_is_kept() -> None:
    dialogue = FakeDialogue()
    talk = conversation(dialogue)
    for text in ("渋谷のカフェ", "OK", "123", "find coffee", "42", "yes"):
        await talk.turn("s", text)
    assert [h[2] for h in dialogue.heard] == ["ja", "ja", "ja", "en", "en", "en"]
    assert detect("yes", None) == "en"
    assert detect("...", None) == "ja"


async def test_a_clock_that_is_put_back_does_not_make_an_answer_last_for_hours() -> None:
    clock = VirtualTime()
    conversation = Conversation(FakeDialogue(), PHRASES, SAFETY, function_of=function_of, clock=clock)
    clock.advance(86_400)
    await conversation.turn("s", "hello")
    assert conversation.engaged("s", clock())
    clock.advance(-86_400)
    assert not conversation.engaged("s", clock())
