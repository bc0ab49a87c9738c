"""Whatever is said: a turn never raises and always ends in a sentence."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from actions.phrases import Phrases
from agent.conversation import MAX_CHARACTERS, Conversation, clean
from agent.dialogue import DialogueReply, Understanding
from agent.errors import DialogueTimeout, DialogueUnavailable
from agent.events import Heard, Spoke, to_line
from agent.nlu.functions import function_of
from agent.safety import Safety
from tests.fakes import FakeDialogue, VirtualTime, reply
from tests.faults.breaking import FaultySystem, assert_speaks

NLU_DATA = Path(__file__).resolve().parents[2] / "nlu_data"
PHRASES = Phrases.load(NLU_DATA / "responses")
SAFETY = Safety.load(NLU_DATA / "safety")

PIECES = [
    "渋谷の", "カフェ", "駐車場", "安い方", "exit", "navigate to ", "Tokyo Tower", "22度", "1番", "いいえ", "/restart", "/inform{\"a\":1}",
    "<script>alert(1)</script>", "'; DROP TABLE places;--", "{{7*7}}", "${HOME}", "$(reboot)", "`id`", "%s%n%x", "{text}", "{0.__class__}",
    "**bold**", "[x](javascript:alert(1))", "\\u0000", "\x00", "\u202e", "\u200b", "\ufeff", "\ud800", "\udfff", "👨‍👩‍👧‍👦", "🏳️‍🌈", "é", "e\u0301\u0301\u0301",
    "\u0130", "ß", "ﷺ", "\U000e0041", "9" * 30, "-1", "1e309", "NaN", "午前25時", "０", "㍿", "①", "𠮷野家", "\r\n", "\t", "null", "true", "SELECT *",
]  # fmt: skip

anything = st.text(
    alphabet=st.one_of(
        st.characters(),
        st.characters(whitelist_categories=["Cs", "Cc", "Cf", "Co", "Cn", "Zl", "Zp"]),
        st.characters(min_codepoint=0x3040, max_codepoint=0x30FF),
        st.characters(min_codepoint=0x4E00, max_codepoint=0x4FFF),
    ),
    max_size=80,
)
sayings = st.one_of(anything, st.lists(st.one_of(st.sampled_from(PIECES), anything), max_size=8).map("".join))
languages = st.sampled_from(["ja", "en", None])


def conversation(dialogue: Any, *, deadline_s: float = 0.5) -> Conversation:
    return Conversation(
        dialogue, PHRASES, SAFETY, function_of=function_of, clock=VirtualTime(), deadline_s=deadline_s
    )  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(sayings, languages)
@example("\ud800", None)
@example("/" * 600, "en")
@example("\u0301" * 100, None)
def test_any_text_ends_in_one_sentence(text: str, language: Any) -> None:
    dialogue = FakeDialogue()
    turn = asyncio.run(conversation(dialogue).turn("s", text, language=language))
    assert [type(e) for e in turn.events].count(Spoke) == 1
    assert turn.spoke.text.strip()
    assert isinstance(turn.events[0], Heard)
    assert len(turn.events[0].text) <= MAX_CHARACTERS
    for event in turn.events:
        # Events go to pages, logs and other programs: as JSON, in UTF-8, on one line.
        line = to_line(event)
        line.encode("utf-8")
        assert "\n" not in line
        json.loads(line)
    for _, words, *_ in dialogue.heard:
        assert re.search(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", words) is None


@settings(max_examples=300, deadline=None)
@given(sayings)
def test_cleaning_is_stable_and_only_takes_away(text: str) -> None:
    once = clean(text)
    once.encode("utf-8")
    assert clean(once) == once


failures = st.sampled_from(
    [
        DialogueUnavailable("secret detail"),
        DialogueTimeout("secret detail"),
        RuntimeError("secret detail"),
        KeyError("secret detail"),
        asyncio.TimeoutError(),
        ConnectionResetError("secret detail"),
        RecursionError("secret detail"),
        MemoryError("secret detail"),
        UnicodeEncodeError("utf-8", "\ud800", 0, 1, "secret detail"),
    ]
)
odd_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
odd_replies = st.builds(
    lambda texts, payload, intent: DialogueReply(tuple(texts), payload, Understanding(intent, 0.5, ()), {}),
    st.lists(st.text(max_size=10), max_size=3),
    st.one_of(
        st.just({}),
        st.fixed_dictionaries({}, optional=dict.fromkeys(("context", "actions", "cards", "quick_replies"), odd_values)),
    ),
    st.sampled_from(["search_place", "", "never heard of"]),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(failures, odd_replies, st.none()), min_size=1, max_size=4), st.sampled_from(["ja", "en"]))
def test_whatever_the_dialogue_model_does(answers: list[Any], language: Any) -> None:
    dialogue = FakeDialogue()
    talk = conversation(dialogue)

    async def run() -> None:
        for answer in answers:
            dialogue.script["渋谷 Shibuya"] = answer or reply("はい。")
            turn = await talk.turn("s", "渋谷 Shibuya", language=language)
            assert turn.spoke.text.strip()
            assert turn.spoke.language == language
            assert "secret" not in turn.spoke.text
        # Nothing of it stays behind: the next turn is an ordinary one.
        assert (await talk.turn("s", "hello", language=language)).spoke.text.startswith("(hello)")

    asyncio.run(run())


async def test_one_session_in_trouble_does_not_hold_up_another() -> None:
    async def never() -> DialogueReply:
        await asyncio.sleep(60)
        raise AssertionError

    talk = conversation(FakeDialogue({"hang": never}), deadline_s=0.3)
    hanging = [asyncio.create_task(talk.turn("a", "hang", language="en")) for _ in range(12)]
    await asyncio.sleep(0)
    other = await talk.turn("b", "hello", language="en")
    assert other.spoke.text == "(hello)"
    turns = await asyncio.wait_for(asyncio.gather(*hanging), 2)
    assert all(t.spoke.text for t in turns)
    # Those who had to wait in the same session had the same time, and were told so.
    assert {t.spoke.context for t in turns} == {"apology"}
    assert (await talk.turn("a", "hello", language="en")).spoke.text == "(hello)"


async def test_a_dialogue_that_cannot_be_cancelled_does_not_hold_the_driver_up() -> None:
    async def stubborn() -> DialogueReply:
        for _ in range(40):
            try:
                await asyncio.sleep(0.1)
            except asyncio.CancelledError:
                continue
        return reply("late")

    talk = conversation(FakeDialogue({"hang": stubborn}), deadline_s=0.3)
    turn = await asyncio.wait_for(talk.turn("s", "hang", language="en"), 2)
    assert turn.spoke.context == "apology"
    assert turn.spoke.total_ms < 1000


# ── on the real system ──────────────────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(sayings, st.sampled_from(["ja", "en"]))
@example("{text} {0} %s {{x}}", "en")
@example("渋谷の" * 160, "ja")
@example("a" * 500, "en")
@example("9" * 400, "ja")
@example("第" + "9" * 20 + "番", "ja")
@example("in " + "9" * 15 + " days", "en")
@example("99999999999日後の天気", "ja")
@example("/restart", "en")
@example('/search_place{"genre": "cafe"}', "en")
def test_any_text_on_the_real_model(faulty: FaultySystem, text: str, language: Any) -> None:
    turn = faulty.say(faulty.new_session(), text, language)
    assert turn.spoke.text.strip()
    assert turn.spoke.language == language
    assert "conversation.error" not in [getattr(e, "code", "") for e in turn.events]
    assert not [e for e in turn.events if getattr(e, "code", "") in ("error", "silent", "timeout")], turn.spoke.text


@pytest.mark.parametrize("language", ["ja", "en"])
def test_a_command_of_the_engine_is_only_text(faulty: FaultySystem, language: Any) -> None:
    """`/restart`, `/intent{…}` are Rasa's own way past understanding; from a driver they are words like others."""
    session = faulty.new_session()
    faulty.say(session, "渋谷のイタリアン" if language == "ja" else "Italian restaurants in Shibuya", language)
    before = len(faulty.slots(session))
    for text in ("/restart", "/session_start", '/climate{"degrees": 30}', "/"):
        turn = faulty.say(session, text, language)
        assert_speaks(turn, language)
        if turn.understood is not None:
            assert turn.understood.intent not in ("restart", "session_start")
            assert turn.understood.confidence < 1.0
            assert not [e for e in turn.understood.entities if e["entity"] == "degrees"]
        assert not [a for a in turn.acted if a.ok and a.name in ("set_signal", "set_destination")]
    # A restart would have emptied them.
    assert len(faulty.slots(session)) >= before - 2
