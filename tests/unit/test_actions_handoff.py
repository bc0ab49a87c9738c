"""A person is wanted: what the desk needs is asked first, each thing once; injuries before everything by the roadside."""

from __future__ import annotations

from typing import Any

import pytest

from actions.handoff import REQUEST, TOPICS, HandoffAction, forms
from actions.skill import Done, Outcome
from tests.fakes_world import Talk, phrases

ITALIAN: dict[str, Any] = {"near__station": "渋谷駅", "genre": "italian"}
TOMORROW_EVENING = {"day_offset": 1, "hour": 19}


def request(outcome: Outcome) -> dict[str, Any]:
    """Arguments of the request the action reports."""
    assert [d.name for d in outcome.done] == [REQUEST], outcome
    return dict(outcome.done[0].arguments)


def test_each_topic_has_a_sentence_and_each_field_a_question() -> None:
    for language in ("ja", "en"):
        known = phrases().ids(language)
        assert {f"handoff.{topic}" for topic in TOPICS} <= known
        assert {f"handoff.ask.{f}" for form in forms().values() for f in form["fields"]} <= known
        assert {f"handoff.limit.{topic}" for topic, form in forms().items() if form["limit"]} <= known
        # The operator reads every field by name.
        assert {f"desk.field.{f}" for form in forms().values() for f in form["fields"]} <= known
        assert {f"desk.reason.{topic}" for topic in TOPICS | {"failures"}} <= known


@pytest.mark.parametrize("topic", sorted(TOPICS - set(forms()) - {"roadside"}))
@pytest.mark.parametrize("language", ["ja", "en"])
async def test_where_nothing_is_needed_the_desk_is_called_at_once(topic: str, language: Any) -> None:
    reply = await Talk(language=language).say(HandoffAction, "…", "handoff", handoff_topic=topic)
    # What is said where there is no desk to call.
    assert "0800-300-0365" in reply.text
    assert request(reply)["topic"] == topic


async def test_a_table_is_booked_with_what_was_said_and_what_was_asked() -> None:
    talk = Talk()
    reply = await talk.hear(
        "明日の19時にレストランを予約して",
        "handoff",
        handoff_topic=("restaurant_booking", "予約"),
        time=(TOMORROW_EVENING, "明日の19時"),
    )
    assert reply.text == "予約はオーナーズデスクが承ります。先にいくつか伺います。何名さまですか。"
    assert (reply.done, reply.context) == ((), "asks_slot")
    assert (await talk.hear("4名です", "handoff", people=(4, "4名"))).text == "ご予算はおいくらくらいですか。"
    reply = await talk.hear("特にないです", "human_talk")
    assert request(reply) == {
        "topic": "restaurant_booking", "fields": {"date": {"day_offset": 1}, "time": {"hour": 19}, "people": 4}, "left_open": ["budget"],
        "offered": False, "phone": "0800-300-0365",
    }  # fmt: skip


async def test_what_cannot_be_read_is_kept_as_it_was_said_and_never_asked_twice() -> None:
    talk = Talk(language="en")
    asked = [(await talk.hear("book me a flight", "handoff", handoff_topic=("flight", "book me a flight"))).text]
    for words in (
        "Haneda to Fukuoka",
        "some time in spring",
        "in the morning, rather early",
        "just me and the dog",
        "I collect with JAL",
        "not much",
    ):
        asked.append((await talk.hear(words, "human_talk")).text)
    assert len(set(asked)) == 7
    assert "JAL and ANA only" in asked[0]
    assert "mileage card" in asked[0]


async def test_a_whole_flight_is_collected() -> None:
    talk = Talk()
    await talk.hear("飛行機を予約して", "handoff", handoff_topic=("flight", "飛行機を予約"))
    await talk.hear("羽田から福岡まで", "navigate_to", city=("福岡", "福岡"))
    await talk.hear("来週の土曜", "ask_weather", time=({"week_offset": 1, "weekday": 5}, "来週の土曜"))
    await talk.hear("朝9時", "handoff", time=({"hour": 9}, "9時"))
    await talk.hear("2", "choose_option", number=(2, "2"))
    await talk.hear("はい", "affirm")
    reply = await talk.hear("3万円まで", "narrow", budget=({"max_yen": 30000}, "3万円まで"))
    assert request(reply)["fields"] == {
        "route": "羽田から福岡まで", "date": {"week_offset": 1, "weekday": 5}, "time": {"hour": 9}, "people": 2, "mileage_card": True,
        "budget": {"max_yen": 30000},
    }  # fmt: skip


async def test_only_toyota_rental_cars_and_no_search_for_the_shop() -> None:
    talk = Talk()
    reply = await talk.hear("レンタカーを借りたい", "search_place", handoff_topic=("rental_car", "レンタカー"))
    assert "トヨタレンタリース" in reply.text
    assert talk.heard_as == "handoff"


async def test_it_books_what_was_being_looked_for() -> None:
    from actions.search import SearchAction

    talk = Talk()
    await talk.say(SearchAction, "…", "search_place", **ITALIAN)
    reply = await talk.say(HandoffAction, "予約しておいて", "handoff", handoff_topic="other")
    assert reply.slots["pending"]["topic"] == "restaurant_booking"


async def test_the_place_just_chosen_is_booked() -> None:
    talk = Talk(
        slots={
            "focus": {"id": "", "name": "すし処", "lat": 35.0, "lon": 139.0},
            "search": {"conditions": {"kind": "restaurant"}},
        }
    )
    reply = await talk.hear("予約しておいて", "human_talk", 0.58, handoff_topic=("other", "予約して"))
    assert talk.heard_as == "handoff"
    assert reply.slots["pending"]["topic"] == "restaurant_booking"


async def test_nobody_is_called_for_a_number() -> None:
    talk = Talk()
    reply = await talk.hear("2名", "handoff", people=(2, "2名"))
    assert (reply.done, reply.context) == ((), "asks_yesno")
    assert request(await talk.hear("はい", "affirm"))["offered"] is False


async def test_another_question_in_between_is_answered_and_ends_the_form() -> None:
    talk = Talk()
    await talk.hear("レストランを予約して", "handoff", handoff_topic=("restaurant_booking", "レストランを予約"))
    await talk.hear("やっぱりいいや", "cancel")
    assert talk.heard_as == "cancel"
    assert talk.slots["pending"] is None


@pytest.mark.parametrize(
    ("language", "answer", "intent", "injured"),
    [
        ("ja", "いいえ", "deny", False), ("ja", "大丈夫です、誰もけがしていません", "human_talk", False), ("ja", "はい", "affirm", True),
        ("ja", "妻が首を痛がっています", "human_talk", True), ("ja", "います", "human_talk", True), ("en", "no, we're all fine", "deny", False),
        ("en", "yes, my husband is hurt", "affirm", True), ("en", "nobody is hurt", "human_talk", False),
    ],
)  # fmt: skip
async def test_injuries_come_first_by_the_roadside(language: Any, answer: str, intent: str, injured: bool) -> None:
    talk = Talk(language=language)
    words = "パンク" if language == "ja" else "flat tyre"
    reply = await talk.hear(words, "human_talk", handoff_topic=("roadside", words))
    assert (talk.heard_as, reply.context, reply.done) == ("handoff", "asks_yesno", ())
    reply = await talk.hear(answer, intent)
    if injured:
        # That is Helpnet's, never the desk's.
        assert reply.done == (Done("helpnet_advice", {"kind": "injury"}),)
        assert ("ヘルプネット" if language == "ja" else "Helpnet") in reply.text
    else:
        assert request(reply)["fields"] == {"injured": False}


@pytest.mark.parametrize(
    ("text", "hurt"),
    [
        ("はい、大丈夫です", False), ("けが人はいません", False), ("けがはないです", False), ("怪我はしてません", False), ("大丈夫", False), ("みんな無事です", False),
        ("妻だけ痛がってます、ほかは大丈夫", True), ("助手席の人がけがをしました", True), ("血が出てる", True), ("はい", True), ("一人います", True), ("少し痛い", True),
        ("no injuries", False), ("no one is hurt", False), ("we're ok", False), ("nobody", False), ("not hurt", False), ("nobody's injured", False),
        ("my wife is hurt, nobody else", True), ("yes", True), ("he's bleeding", True), ("I'm fine but he can't move", True),
        ("えっと左の前輪が", None), ("the left tyre", None),
    ],
)  # fmt: skip
def test_who_is_hurt(text: str, hurt: bool | None) -> None:
    from actions.handoff import injured

    assert injured(text) is hurt


async def test_an_unclear_answer_about_injuries_is_asked_once_more() -> None:
    talk = Talk()
    await talk.hear("パンクした", "human_talk", handoff_topic=("roadside", "パンク"))
    assert (await talk.hear("えっと左の前輪が", "human_talk")).text == phrases().say("ja", "handoff.injury_again")
    assert request(await talk.hear("タイヤがね", "human_talk"))["fields"] == {"injured": "タイヤがね"}


async def test_what_the_operator_left_word_of_is_told() -> None:
    from dataclasses import replace

    from actions.skill import Turn

    skill = HandoffAction(Talk().world, phrases())
    turn = Turn(
        "オペレーターは何て言ってた？",
        "handoff",
        0.9,
        (),
        "ja",
        "owner",
        {},
        1,
        {"desk": {"operator": "suzuki", "note": "19時に予約済み"}},
    )
    assert (await skill.perform(turn)).text == "suzukiからの伝言です。19時に予約済み"
    nothing = await skill.perform(replace(turn, metadata={"desk": {"operator": "suzuki"}}))
    assert nothing.text == "オペレーターからの伝言はありません。"
    assert nothing.done == ()


async def test_the_dialogue_goes_on_from_the_place_the_operator_sent() -> None:
    from rasa_sdk import Tracker
    from rasa_sdk.executor import CollectingDispatcher

    focus = {"id": "", "name": "すし処", "lat": 35.66, "lon": 139.7}
    skill = HandoffAction(Talk().world, phrases())
    for fresh in (True, False):
        message = {"text": "…", "intent": {"name": "handoff"}, "metadata": {"desk": {"focus": focus, "fresh": fresh}}}
        tracker = Tracker("t", {"focus": None}, message, [], False, None, {}, None)
        slots = {e["name"]: e["value"] for e in await skill.run(CollectingDispatcher(), tracker, {})}
        assert slots.get("focus") == (focus if fresh else None)
