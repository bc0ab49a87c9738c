"""What is asked of Agent+ by voice, the actions called directly: which request each message becomes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from actions.agentplus import (
    REQUEST,
    AgentPlusControlAction,
    AskPredictionAction,
    ForgetPreferenceAction,
    NoticeFeedbackAction,
    NoticeSettingsAction,
    ShowLearntAction,
    WhoDrivesAction,
    settings_of,
)
from actions.reading import read
from actions.skill import Entity, Outcome, Turn
from agent.taste import KeptTaste, Taste
from backends.model import Language
from tests.fakes_world import Talk


class Drawer:
    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], str] = {}
        self.packed = 0

    def get(self, driver: str, key: str) -> Any:
        return json.loads(self.rows.get((driver, key), "null"))

    def put(self, driver: str, key: str, value: Any) -> None:
        self.rows[driver, key] = json.dumps(value)

    def pack(self) -> None:
        self.packed += 1


def asked(outcome: Outcome) -> Mapping[str, Any]:
    """The request an action made of Agent+."""
    (done,) = outcome.done
    assert done.name == REQUEST
    return done.arguments


def turn(
    text: str, intent: str, notice: Mapping[str, Any] | None = None, lang: Language = "ja", **entities: Any
) -> Turn:
    metadata = {} if notice is None else {"notice": dict(notice)}
    found = tuple(
        Entity(k, v) for k, values in entities.items() for v in (values if isinstance(values, list) else [values])
    )
    return Turn(text, intent, 0.9, found, lang, "owner", {}, 1, metadata)


@pytest.mark.parametrize("command", ["pause", "resume", "initialise"])
async def test_learning_is_paused_resumed_begun_anew(command: str) -> None:
    outcome = await Talk().say(AgentPlusControlAction, "…", "agentplus_control", agentplus_command=command)
    assert asked(outcome) == {"do": command}


async def test_control_that_says_not_what_is_asked_back() -> None:
    outcome = await Talk().say(AgentPlusControlAction, "エージェントプラスのことなんだけど", "agentplus_control")
    assert outcome.context == "asks_choice"
    assert not outcome.done


ALL = ["accident", "closure", "regulation", "jam", "weather", "offer", "destination"]


@pytest.mark.parametrize(
    ("entities", "wish"),
    [
        ({"notice_class": "jam", "notice_change": "off"}, {"classes": {"jam": False}}),
        (
            {"notice_class": ["offer", "weather"], "notice_change": "on"},
            {"classes": {"weather": True, "offer": True}, "kinds": ["weather", "offer"], "days": "all", "part": "all"},
        ),
        (
            {"notice_class": "accident", "notice_change": "only"},
            {"classes": {kind: kind == "accident" for kind in ALL}},
        ),
        (
            {"notice_class": "jam", "notice_days": "weekdays", "notice_part": "morning", "notice_change": "only"},
            {"kinds": ["jam"], "days": "weekdays", "part": "morning"},
        ),
        ({"notice_days": "weekends"}, {"kinds": ALL, "days": "weekends", "part": "all"}),
        ({"notice_change": "less"}, {"frequency": "less"}),
        ({"notice_change": "off"}, {"frequency": "off"}),
        ({"notice_change": "on"}, {"frequency": "normal"}),
        ({"quiet_hours": {"from": "21:30", "to": "06:00"}}, {"quiet": "21:30-06:00"}),
        ({"quiet_hours": {"from": "23:00"}}, {"quiet": "23:00-07:00"}),
        ({"quiet_hours": "off"}, {"quiet": ""}),
        ({}, {}),
    ],
)
def test_settings(entities: dict[str, Any], wish: dict[str, Any]) -> None:
    assert settings_of(turn("…", "notice_settings", **entities)) == wish


async def test_settings_without_a_wish_are_told() -> None:
    assert asked(await Talk().say(NoticeSettingsAction, "…", "notice_settings")) == {"do": "settings"}


@pytest.mark.parametrize("meaning", ["later", "enough", "detail", "other_way", "go_there"])
async def test_answers_to_a_notice(meaning: str) -> None:
    outcome = await Talk().say(NoticeFeedbackAction, "…", "notice_feedback", notice_answer=meaning)
    assert asked(outcome) == {"do": "answer", "meaning": meaning}


@pytest.mark.parametrize(
    ("text", "days", "part"),
    [
        ("平日の朝だけでいいよ", "weekdays", "morning"),
        ("そういうのは週末だけ", "weekends", "all"),
        ("only in the evening please", "all", "evening"),
        ("just on weekdays", "weekdays", "all"),
    ],
)
async def test_a_notice_is_confined_by_bare_words(text: str, days: str, part: str) -> None:
    outcome = await Talk().say(NoticeFeedbackAction, text, "notice_feedback")
    assert asked(outcome) == {"do": "answer", "meaning": "confine", "days": days, "part": part}


async def test_an_answer_that_says_nothing_is_asked_back() -> None:
    outcome = await Talk().say(NoticeFeedbackAction, "ふーん", "notice_feedback")
    assert (outcome.context, outcome.done) == ("asks_choice", ())


ASKS, TELLS, QUESTION = (
    {"kind": "accident", "asks": True, "question": False},
    {"kind": "weather", "asks": False, "question": False},
    {"kind": "initialise", "asks": True, "question": True},
)


@pytest.mark.parametrize(
    ("text", "intent", "notice", "entities", "meant"),
    [
        ("他に道はないの", "change_route", ASKS, {"notice_answer": "other_way"}, "notice_feedback"),
        ("もういいや", "cancel", TELLS, {}, "notice_feedback"),
        ("平日の朝だけ", "schedule", ASKS, {"notice_days": "weekdays", "notice_change": "only"}, "notice_feedback"),
        ("はい、消してください", "cancel", QUESTION, {}, "affirm"),
        ("いや、やめて", "cancel", QUESTION, {}, "deny"),
        ("yes, wipe it", "agentplus_control", QUESTION, {}, "affirm"),
        ("うん、そうして、遅れそうだから", "affirm", ASKS, {"notice_answer": "other_way"}, "affirm"),
        ("はい、ラーメン屋を探して", "search_place", ASKS, {"genre": "ramen"}, "search_place"),
        ("もういいや", "cancel", None, {}, "cancel"),
    ],
)
def test_what_words_mean_while_a_notice_is_open(
    text: str, intent: str, notice: Any, entities: dict[str, Any], meant: str
) -> None:
    assert read(turn(text, intent, notice, **entities)).intent == meant


async def test_what_is_known_and_expected() -> None:
    talk = Talk()
    assert asked(await talk.say(AskPredictionAction, "…", "ask_prediction")) == {"do": "predict"}
    assert asked(await talk.say(ShowLearntAction, "…", "show_learnt", learnt="places")) == {
        "do": "show",
        "about": "places",
    }
    assert asked(await talk.say(ShowLearntAction, "…", "show_learnt", learnt="notices")) == {"do": "settings"}


@pytest.mark.parametrize(
    ("text", "driver", "wanted"),
    [
        ("誰が運転してることになってる", None, {"do": "who"}),
        ("ゲストだよ", {"guest": True}, {"do": "driver", "id": "guest"}),
        ("ケンです", {"name": "ケン"}, {"do": "driver", "text": "ケンです", "name": "ケン", "me": False}),
        ("it's me", {"self": True}, {"do": "driver", "text": "it's me", "name": "", "me": True}),
        ("はなを登録して", {"name": "はな"}, {"do": "add_driver", "name": "はな"}),
    ],
)
async def test_who_drives(text: str, driver: Any, wanted: dict[str, Any]) -> None:
    entities = {} if driver is None else {"driver": driver}
    assert asked(await Talk().say(WhoDrivesAction, text, "who_drives", **entities)) == wanted


# ── forgetting ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def offered(taste: KeptTaste) -> Talk:
    """A conversation in which a restaurant is spoken of."""
    talk = Talk(taste=taste)
    place = talk.places.rows[1]
    talk.slots["focus"] = {
        "id": place.id,
        "name": place.name,
        "lat": place.position.latitude,
        "lon": place.position.longitude,
    }
    return talk


async def test_not_that_place_again_and_it_is_not_offered_again() -> None:
    drawer = Drawer()
    talk = await offered(KeptTaste(drawer, lambda driver: driver == "owner"))
    name = talk.slots["focus"]["name"]
    outcome = await talk.say(ForgetPreferenceAction, "その店はもう勧めないで", "forget_preference", forget="place")
    assert name in outcome.text
    assert outcome.done[0].name == "forget_preference"
    assert Taste.restore(drawer.get("owner", "taste")).never == [talk.places.rows[1].id]


async def test_that_a_place_was_chosen_is_forgotten_and_gone_from_the_file() -> None:
    drawer = Drawer()
    kept = KeptTaste(drawer, lambda driver: driver == "owner")
    talk = await offered(kept)
    from backends.model import PlaceHit

    for _ in range(3):
        kept.note("owner", PlaceHit(talk.places.rows[1], 500.0), [], talk.now)
    outcome = await talk.say(ForgetPreferenceAction, "それは忘れて", "forget_preference", forget="place")
    assert "忘れました" in outcome.text
    taste = Taste.restore(drawer.get("owner", "taste"))
    assert not taste.chosen
    assert not [t for t in taste.traits if t.startswith("genre:")]
    assert drawer.packed
    again = await talk.say(ForgetPreferenceAction, "それは忘れて", "forget_preference", forget="place")
    assert "何も覚えていません" in again.text


async def test_taste_as_a_whole_after_a_question_and_a_genre_without() -> None:
    drawer = Drawer()
    drawer.put(
        "owner", "taste", {"traits": {"genre:ramen@noon": [3, 0], "genre:soba@noon": [2, 0]}, "never": [], "chosen": {}}
    )
    talk = Talk(taste=KeptTaste(drawer, lambda driver: driver == "owner"), language="en")
    one = await talk.say(ForgetPreferenceAction, "forget that I like ramen", "forget_preference", forget="taste")
    assert "ramen" in one.text.lower()
    assert set(drawer.get("owner", "taste")["traits"]) == {"genre:soba@noon"}
    outcome = await talk.say(ForgetPreferenceAction, "forget my taste", "forget_preference", forget="taste")
    assert outcome.context == "asks_yesno"
    assert drawer.get("owner", "taste")["traits"]
    doer = ForgetPreferenceAction(talk.world, talk_phrases())
    heard = turn("yes", "affirm", lang="en")
    kept = await doer.resolve_pending(heard, {"kind": "forget_taste"}, False)
    assert not kept.done
    gone = await doer.resolve_pending(heard, {"kind": "forget_taste"}, True)
    assert gone.done
    assert drawer.get("owner", "taste")["traits"] == {}


def talk_phrases() -> Any:
    from tests.fakes_world import phrases

    return phrases()


@pytest.mark.parametrize(
    ("text", "entities", "wanted"),
    [
        ("自宅の場所を忘れて", {"forget": "place", "where": "home"}, {"do": "erase_place", "where": "home"}),
        ("forget where I work", {"forget": "place"}, {"do": "erase_place", "where": "work"}),
        ("実家を忘れて", {"forget": "place", "place_name": "実家"}, {"do": "erase_place", "name": "実家"}),
        ("今日の走行を消して", {"forget": "trips", "time": {"day_offset": 0}}, {"do": "erase_drives", "day": 0}),
        ("昨日のドライブは忘れて", {"forget": "trips", "time": {"day_offset": -1}}, {"do": "erase_drives", "day": 1}),
        ("さっきの寄り道は忘れて", {"forget": "trips"}, {"do": "erase_drives", "day": None}),
    ],
)
async def test_places_and_drives_are_asked_of_agentplus(
    text: str, entities: dict[str, Any], wanted: dict[str, Any]
) -> None:
    assert asked(await Talk().say(ForgetPreferenceAction, text, "forget_preference", **entities)) == wanted


async def test_of_a_guest_nothing_is_kept_and_that_is_said() -> None:
    talk = await offered(KeptTaste(Drawer(), lambda driver: False))
    outcome = await talk.say(ForgetPreferenceAction, "その店はもう勧めないで", "forget_preference", forget="place")
    assert "ゲスト" in outcome.text
    assert not outcome.done
