"""Yes, no, cancel, back, repeat, small talk, the Owner's Desk; and that data and code name the same things."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from rasa_sdk import Tracker
from rasa_sdk.executor import CollectingDispatcher

from actions import all_skills
from actions.answers import (
    AffirmAction,
    BackAction,
    CancelAction,
    ChitchatAction,
    DenyAction,
    FallbackAction,
    GoodbyeAction,
    GreetAction,
    HelpAction,
    HumanTalkAction,
    OutOfScopeAction,
    RepeatAction,
    ScheduleAction,
    ThanksAction,
)
from actions.search import ChooseAction, NarrowAction, SearchAction
from actions.skill import Done, Skill
from tests.fakes_world import RESPONSES, Talk, phrases

DATA = RESPONSES.parent
ITALIAN: dict[str, Any] = {"near__station": "渋谷駅", "genre": "italian"}
SPOKEN_AT_MOST = {"ja": 90, "en": 160}
"""characters of a sentence's fixed words: what can be listened to while driving"""


async def offered(language: Any = "ja") -> Talk:
    talk = Talk(language=language)
    await talk.say(SearchAction, "…", "search_place", **ITALIAN)
    await talk.say(ChooseAction, "…", "choose_option", ordinal=1)
    return talk


async def test_yes_drops_the_condition_that_was_suggested() -> None:
    talk = Talk()
    await talk.say(SearchAction, "…", "search_place", **ITALIAN)
    await talk.say(NarrowAction, "…", "narrow", parking="free", rating_min=4)
    reply = await talk.say(AffirmAction, "はい", "affirm")
    assert reply.text.startswith("渋谷駅の近くのイタリアンは、評価4以上の条件で2件あります。")
    assert "parking" not in talk.conditions


async def test_no_keeps_it_and_asks_on() -> None:
    talk = Talk()
    await talk.say(SearchAction, "…", "search_place", **ITALIAN)
    await talk.say(NarrowAction, "…", "narrow", parking="free", rating_min=4)
    reply = await talk.say(DenyAction, "いいえ", "deny")
    assert (reply.text, reply.context) == ("条件を変えてお探ししましょうか。", "asks_condition")
    assert talk.conditions["parking"] == "free"


async def test_yes_after_a_list_asks_which() -> None:
    talk = Talk()
    await talk.say(SearchAction, "…", "search_place", **ITALIAN)
    reply = await talk.say(AffirmAction, "はい", "affirm")
    assert (reply.text, reply.context, talk.slots["pending"]) == (
        "何番目がよろしいですか。",
        "offers_list",
        {"kind": "list"},
    )


async def test_no_after_an_offer_sets_nothing() -> None:
    talk = await offered()
    reply = await talk.say(DenyAction, "いいえ", "deny")
    assert (reply.text, reply.done) == ("わかりました。ほかの候補や条件があれば教えてください。", ())
    assert talk.head_unit.route is None


async def test_yes_and_no_to_nothing() -> None:
    assert (await Talk().say(AffirmAction, "はい", "affirm")).text == "はい。何をいたしましょうか。"
    assert (await Talk().say(DenyAction, "いいえ", "deny")).context == "done"


@pytest.mark.parametrize(
    "skill", [HumanTalkAction, ChitchatAction, OutOfScopeAction, ThanksAction, HelpAction, ScheduleAction]
)
async def test_talk_in_between_leaves_the_offer_standing_and_does_nothing(skill: type[Skill]) -> None:
    talk = await offered()
    before = talk.slots["search"]
    reply = await talk.say(skill, "…", "…")
    assert reply.done == ()
    assert talk.slots["search"] == before
    assert (await talk.say(AffirmAction, "はい", "affirm")).done[0].name == "set_destination"


async def test_cancel_ends_the_question_or_the_search_and_leaves_the_guidance() -> None:
    talk = await offered()
    await talk.say(AffirmAction, "はい", "affirm")
    await talk.say(SearchAction, "…", "search_place", kind="parking", where="destination")
    reply = await talk.say(CancelAction, "やめて", "cancel")
    assert (reply.text, reply.done, talk.conditions) == ("取りやめました。", (), {})
    assert talk.head_unit.route is not None


async def test_cancel_right_after_the_destination_was_set_ends_the_guidance() -> None:
    talk = await offered()
    await talk.say(AffirmAction, "はい", "affirm")
    assert (await talk.say(CancelAction, "やっぱりやめて", "cancel")).done == (Done("cancel_route"),)
    assert talk.head_unit.route is None
    await talk.say(CancelAction, "やめて", "cancel")
    assert (await talk.say(CancelAction, "やめて", "cancel")).text == "取りやめるものはありません。"


async def test_back_goes_from_one_to_the_list_and_then_to_the_conditions_before() -> None:
    talk = await offered()
    reply = await talk.say(BackAction, "戻って", "go_back")
    assert reply.text.startswith("渋谷駅の近くのイタリアンは3件あります。")


async def test_said_again_word_for_word_with_its_question() -> None:
    talk = await offered()
    said = talk.slots["last_reply"]
    reply = await talk.say(RepeatAction, "もう一度", "repeat")
    assert (reply.text, reply.context) == (said, "offers_one")
    assert (await talk.say(AffirmAction, "はい", "affirm")).done[0].name == "set_destination"


async def test_a_greeting_with_a_journey_in_it_is_remembered() -> None:
    talk = Talk()
    reply = await talk.say(GreetAction, "こんにちは、横浜に旅行に行くんです", "greet", city="横浜")
    assert reply.text == "横浜ですね。何をお探ししましょうか。"
    await talk.say(SearchAction, "ホテル", "search_place", kind="hotel")
    assert talk.conditions == {"city": "横浜", "kind": "hotel"}


@pytest.mark.parametrize(
    ("skill", "ja", "en"),
    [
        (GreetAction, "こんにちは。何をいたしましょうか。", "Hello. What can I do for you?"),
        (HumanTalkAction, "ご用のときは話しかけてください。", "I am here when you need me."),
        (
            ScheduleAction,
            "申し訳ありません、アラームや予定はこちらでは扱えません。スマートフォンをお使いください。",
            "Sorry, I cannot set alarms or keep a calendar. Please use your phone for that.",
        ),
        (
            OutOfScopeAction,
            "申し訳ありません、それはお手伝いできません。目的地探しや天気、音楽、エアコンならお任せください。",
            "That is outside what I can do. I can find destinations, tell the weather, or set music and climate.",
        ),
        (
            HelpAction,
            "たとえば「近くの駐車場を探して」「明日の横浜の天気は」「エアコンを22度にして」のように話しかけてください。",
            "For example, say: find a car park nearby; what is the weather in Yokohama tomorrow; set the air conditioning to 22 degrees.",
        ),
        (GoodbyeAction, "はい、お気をつけて。", "Goodbye, and drive safely."),
        (ThanksAction, "お役に立ててよかったです。", "Glad I could help."),
    ],
)
async def test_short_answers(skill: type[Skill], ja: str, en: str) -> None:
    assert (await Talk().say(skill, "…", "…")).text == ja
    assert (await Talk(language="en").say(skill, "…", "…")).text == en


async def test_two_failures_running_offer_the_desk_and_yes_calls_it() -> None:
    talk = Talk()
    skill = FallbackAction(talk.world, phrases())
    slots: dict[str, Any] = {}
    replies = []
    for _ in range(2):
        dispatcher = CollectingDispatcher()
        tracker = Tracker("t", slots, {"text": "あばば", "intent": {"name": "nlu_fallback"}}, [], False, None, {}, None)
        for event in await skill.run(dispatcher, tracker, {}):
            slots[event["name"]] = event["value"]
        replies.append(dispatcher.messages[0]["text"])
    assert "オーナーズデスク" not in replies[0]
    assert replies[1].endswith("オーナーズデスクのオペレーターにおつなぎしましょうか。")
    assert (slots["failures"], slots["pending"]) == (2, {"kind": "handoff"})
    talk.slots = slots
    reply = await talk.say(AffirmAction, "はい", "affirm")
    assert reply.text == "オーナーズデスクのオペレーターが24時間承ります。番号は0800-300-0365です。"
    assert [(d.name, d.arguments["offered"]) for d in reply.done] == [("handoff_request", True)]


# --- data and code ----------------------------------------------------------------------------------------------------


def yml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_the_domain_lists_the_actions_there_are() -> None:
    assert yml(DATA / "domain" / "actions.yml")["actions"] == sorted(s.action_name for s in all_skills())


def test_each_rule_leads_from_one_intent_to_one_action_that_exists() -> None:
    names = {s.action_name for s in all_skills()}
    seen: set[str] = set()
    for path in sorted((DATA / "rules").glob("*.yml")):
        for rule in yml(path)["rules"]:
            intent, action = rule["steps"]
            assert action["action"] in names, rule
            assert intent["intent"] not in seen, rule
            seen.add(intent["intent"])


def test_a_pending_question_is_answered_by_one_skill() -> None:
    kinds = [k for s in all_skills() for k in s.pending_kinds]
    assert sorted(set(kinds)) == sorted(kinds) or {k for k in kinds if kinds.count(k) > 1} <= {"set_signal"}


def test_slots_decide_no_rule() -> None:
    for name, slot in yml(DATA / "domain" / "slots.yml")["slots"].items():
        assert (slot["type"], slot["influence_conversation"]) == ("any", False), name


@pytest.mark.parametrize("name", ["search", "place", "route", "answers", "handoff"])
def test_both_languages_say_the_same_things_with_the_same_values(name: str) -> None:
    ja, en = (yml(RESPONSES / language / f"{name}.yml") for language in ("ja", "en"))
    assert ja.keys() == en.keys()

    def values(said: str | list[str]) -> set[str]:
        return set(re.findall(r"\{(\w+)\}", said if isinstance(said, str) else " ".join(said)))

    different = {k for k in ja if values(ja[k]) != values(en[k])}
    # 「明治通りを…」 names its figures in another order, never others; the day is already said in these.
    assert different <= {"fact.open_now", "place.more"}, different


@pytest.mark.parametrize("language", ["ja", "en"])
@pytest.mark.parametrize("name", ["search", "place", "route", "answers", "handoff"])
def test_sentences_are_short_enough_for_a_driver(name: str, language: str) -> None:
    for key, said in yml(RESPONSES / language / f"{name}.yml").items():
        for variant in [said] if isinstance(said, str) else said:
            assert len(re.sub(r"\{\w+\}", "", variant)) <= SPOKEN_AT_MOST[language], key


def test_every_sentence_the_code_asks_for_exists() -> None:
    known = phrases().ids("ja")
    for name in ("search", "place_info", "route", "answers", "handoff"):
        source = (DATA.parent / "actions" / f"{name}.py").read_text(encoding="utf-8")
        for key in re.findall(r'(?:say|answer)\(\s*turn, "([a-z_.]+)"', source):
            assert key in known, f"{name}: {key}"
