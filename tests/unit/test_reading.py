"""What a line means where it stands; and that chatter stays chatter."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from actions.reading import ACTION_OF
from actions.route import NavigateAction
from actions.search import ChooseAction, NarrowAction, SearchAction
from tests.fakes_world import _RULES, Talk

LIST: dict[str, Any] = {"near__station": "渋谷駅", "genre": "italian"}


async def listed(language: Any = "ja") -> Talk:
    talk = Talk(language=language)
    await talk.say(SearchAction, "渋谷駅の近くのイタリアン", "search_place", **LIST)
    return talk


def test_readings_and_rules_agree() -> None:
    assert {intent: _RULES[intent] for intent in ACTION_OF} == dict(ACTION_OF)


@pytest.mark.parametrize(
    ("text", "intent", "entities"),
    [
        ("二番目のお店は評価どうですか", "choose_option", {"ordinal": (2, "二番目"), "attribute": ("rating", "評価")}),
        ("一番目、駐車場はついてますか", "narrow", {"ordinal": (1, "一番目"), "attribute": ("parking", "駐車場")}),
        ("how's the second one rated", "choose_option", {"ordinal": (2, "second"), "attribute": ("rating", "rated")}),
    ],
)
async def test_a_question_about_one_of_them_is_answered(text: str, intent: str, entities: dict[str, Any]) -> None:
    talk = await listed("en" if text.isascii() else "ja")
    reply = await talk.hear(text, intent, **entities)
    assert (talk.heard_as, reply.context) == ("ask_place", "gives_info")


@pytest.mark.parametrize(
    ("text", "entities", "expected"),
    [
        ("二番目で", {"ordinal": (2, "二番目")}, "ピッツェリア道玄坂ですね"),
        ("二番目にします", {"ordinal": (2, "二番目")}, "ピッツェリア道玄坂ですね"),
        ("三番目の店に連れてって", {"ordinal": (3, "三番目")}, "オステリア松濤を目的地に設定しました"),
    ],
)
async def test_a_number_chooses_and_with_a_word_of_going_sets(
    text: str, entities: dict[str, Any], expected: str
) -> None:
    for intent in (
        ("ask_place", "choose_option", "search_place") if "連れ" not in text else ("choose_option", "navigate_to")
    ):
        talk = await listed()
        reply = await talk.hear(text, intent, **entities)
        assert reply.text.startswith(expected), intent


@pytest.mark.parametrize(
    ("text", "entities"),
    [
        ("えーっと、うーん、三つ目でいいや", {"ordinal": (3, "三つ目")}),
        ("okay the second one", {"ordinal": (2, "second")}),
        ("let's take the dearest", {"pick": ({"by": "price", "order": "desc"}, "dearest")}),
    ],
)
async def test_taken_for_chatter_but_a_choice_all_the_same(text: str, entities: dict[str, Any]) -> None:
    talk = await listed("en" if text.isascii() else "ja")
    await talk.hear(text, "human_talk", 0.7, {"human_talk": 0.7, "choose_option": 0.2}, **entities)
    assert talk.heard_as == "choose_option"
    assert (talk.slots["search"] or {}).get("chosen")


@pytest.mark.parametrize(
    ("text", "entities"),
    [
        ("渋谷は混んでたね", {"city": ("渋谷区", "渋谷")}),
        ("うちの二番目の子が熱を出して", {"ordinal": (2, "二番目")}),
        ("昨日のパスタ高かったよね", {"price": ("high", "高かった")}),
        ("we loved Shibuya last year", {"city": ("渋谷区", "Shibuya")}),
        ("my second cousin is getting married", {"ordinal": (2, "second")}),
        ("yeah, that's what she said about it", {}),
        ("we had Chinese in Ginza yesterday", {"genre": ("chinese", "Chinese"), "area": ("銀座", "Ginza")}),
        ("銀座で中華を食べた", {"genre": ("chinese", "中華"), "area": ("銀座", "銀座")}),
    ],
)
async def test_chatter_with_a_number_or_a_name_in_it_stays_chatter(text: str, entities: dict[str, Any]) -> None:
    talk = await listed("en" if text.isascii() else "ja")
    before = talk.slots["search"]
    await talk.hear(text, "human_talk", 0.95, {"human_talk": 0.95, "narrow": 0.02}, **entities)
    assert talk.heard_as == "human_talk"
    assert talk.slots["search"] == before


async def test_a_condition_taken_for_chatter_narrows() -> None:
    talk = await listed()
    await talk.hear("で、安いところ", "human_talk", 0.6, {"human_talk": 0.6, "narrow": 0.3}, price=("low", "安い"))
    assert talk.conditions["price"] == "low"


async def test_the_destination_corrected_right_after_it_was_set() -> None:
    talk = Talk()
    await talk.say(NavigateAction, "渋谷駅まで", "navigate_to", station="渋谷駅")
    reply = await talk.hear("あ、ちがう、恵比寿駅だった", "human_talk", 0.8, station=("恵比寿駅", "恵比寿駅"))
    assert reply.text.startswith("恵比寿駅を目的地に設定しました。")


async def test_a_place_named_later_corrects_nothing() -> None:
    talk = Talk()
    await talk.say(NavigateAction, "渋谷駅まで", "navigate_to", station="渋谷駅")
    talk.number += 3
    await talk.hear("いや、恵比寿駅は遠いよ", "human_talk", 0.9, station=("恵比寿駅", "恵比寿駅"))
    assert talk.heard_as == "human_talk"


async def test_another_kind_near_the_one_chosen_is_a_search_of_its_own() -> None:
    talk = await listed()
    await talk.say(ChooseAction, "一番目", "choose_option", ordinal=1)
    await talk.hear(
        "そこの近くに停められる駐車場ある？",
        "ask_place",
        where=("there", "そこ"),
        kind=("parking", "駐車場"),
        parking=("any", "停められる"),
    )
    assert talk.heard_as == "search_place"
    assert (talk.conditions["kind"], "genre" in talk.conditions) == ("parking", False)
    assert talk.slots["search"]["shown"][0] == "p1"


async def test_one_change_is_taken_back_not_the_search() -> None:
    from actions.answers import CancelAction

    talk = await listed()
    await talk.say(NarrowAction, "安いところ", "narrow", price="low")
    await talk.say(CancelAction, "いまのは取り消し", "cancel")
    assert talk.conditions == {"genre": ["italian"], "kind": "restaurant", "station": "渋谷駅"}
    await talk.say(CancelAction, "検索は全部取り消して", "cancel")
    assert talk.conditions == {}


async def test_back_to_what_held_before() -> None:
    talk = await listed()
    await talk.say(NarrowAction, "フレンチ", "narrow", genre="french")
    await talk.say(NarrowAction, "安め", "narrow", price="low")
    await talk.hear("やっぱり最初のイタリアンに戻して", "undo_narrow", genre=("italian", "イタリアン"))
    assert talk.conditions == {"genre": ["italian"], "kind": "restaurant", "station": "渋谷駅"}


async def test_a_town_told_after_the_weather_is_the_weather_there() -> None:
    talk = Talk()
    talk.slots |= {"weather": {"turn": 1, "city": "横浜"}, "context": "gives_info"}
    talk.number = 1
    await talk.hear("明日は？", "out_of_scope", 0.4, time=({"day_offset": 1}, "明日"))
    assert talk.heard_as == "ask_weather"
    talk.number = 5
    await talk.hear("明日は仕事だ", "human_talk", 0.9, time=({"day_offset": 1}, "明日"))
    assert talk.heard_as == "human_talk"


@pytest.mark.parametrize(("text", "intent"), [("二番目", "choose_option"), ("次", "next_page"), ("more", "next_page")])
async def test_after_headlines_numbers_and_more_are_about_them(text: str, intent: str) -> None:
    talk = await listed("en" if text.isascii() else "ja")
    talk.slots |= {"news": {"turn": talk.number, "items": [], "topic": "general"}}
    number: dict[str, Any] = {"ordinal": (2, "二番目")} if text == "二番目" else {}
    await talk.hear(text, intent, **number)
    assert talk.heard_as == "ask_news"
    talk = await listed()
    talk.slots |= {"news": {"turn": talk.number, "items": [], "topic": "general"}}
    await talk.hear("で、さっきの店、二番目にします", "choose_option", ordinal=(2, "二番目"))
    assert talk.heard_as == "choose_option"


async def test_a_bit_more_after_the_climate_is_the_climate() -> None:
    talk = await listed()
    talk.slots |= {"last_car": {"turn": talk.number, "changes": [{"device": "temperature", "zone": "all"}]}}
    await talk.hear("もうちょっと下げて", "goodbye", 0.2, direction=("down", "下げて"))
    assert talk.heard_as == "climate"


def test_no_reply_uses_words_of_the_workshop() -> None:
    """Names of intents, slots, formats or programs are no speech."""
    from tests.fakes_world import RESPONSES

    jargon = re.compile(
        r"\b(intent|slot|entity|json|error|exception|database|sql|api|http|rasa|backend|server|query|timeout|"
        r"parameter|default|session)\b|_|インテント|スロット|エンティティ|エラー|データベース|サーバー|パラメータ|タイムアウト",
        re.IGNORECASE,
    )
    placeholder = re.compile(r"\{\w+\}")
    for path in sorted(RESPONSES.rglob("*.yml")):
        for key, said in yaml.safe_load(path.read_text(encoding="utf-8")).items():
            for variant in [said] if isinstance(said, str) else said:
                found = jargon.search(placeholder.sub("", variant))
                assert found is None, f"{path.name} {key}: {found}"


@pytest.mark.parametrize("language", ["ja", "en"])
def test_every_reply_can_be_spoken_in_one_breath_or_two(language: str) -> None:
    """A driver hears it: at most about nine seconds, at 7 characters (ja) or 14 (en) a second; refusals explain a little more."""
    from tests.fakes_world import RESPONSES

    longest = {"ja": 64, "en": 130}[language]
    explained = {"ja": 95, "en": 165}[language]
    for path in sorted((RESPONSES / language).glob("*.yml")):
        for key, said in yaml.safe_load(path.read_text(encoding="utf-8")).items():
            limit = explained if key.startswith(("car.refused.", "safety.")) else longest
            for variant in [said] if isinstance(said, str) else said:
                assert len(re.sub(r"\{\w+\}", "", variant)) <= limit, f"{path.name} {key}: {len(variant)}"


def test_both_languages_have_the_same_sentences() -> None:
    """Everywhere but in the car's per-device wordings, which fall back to the general one; values are those of the other
    language, or fewer (an English plural has its own)."""
    from tests.fakes_world import RESPONSES

    def rows(language: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for path in sorted((RESPONSES / language).glob("*.yml")):
            found |= yaml.safe_load(path.read_text(encoding="utf-8"))
        return found

    ja, en = rows("ja"), rows("en")
    device = re.compile(
        r"^car\.(?!ask|tell|refused|display|source|track|name|zone|value|unit|stage|reply|wheel|door|window|light|lamp)\w+\.\w+$"
    )
    different = {key for key in ja.keys() ^ en.keys() if not device.match(key)}
    assert not different
    grammar = {"what", "What", "Source", "source", "Things", "things", "be", "s"}
    for key in ja.keys() & en.keys():
        of = [
            set(re.findall(r"\{(\w+)\}", row if isinstance(row, str) else " ".join(row))) - grammar
            for row in (ja[key], en[key])
        ]
        assert of[0] == of[1] or key in {"fact.open_now", "weather.days"} or of[0] <= of[1] or of[1] <= of[0], key


@pytest.mark.parametrize(
    ("text", "meant"),
    [("はい", "affirm"), ("うん。", "affirm"), ("いいえ", "deny"), ("no thanks", "deny"), ("yes please", "affirm")],
)
async def test_one_plain_word_answers_the_question_asked(text: str, meant: str) -> None:
    talk = await listed("en" if text.isascii() else "ja")
    await talk.say(ChooseAction, "一番目", "choose_option", ordinal=1)
    await talk.hear(text, "repeat", 0.5)
    assert talk.heard_as == meant
    talk.slots["pending"] = None
    await talk.hear(text, "chitchat", 0.5)
    assert talk.heard_as == "chitchat"


async def test_there_stays_where_it_was_said() -> None:
    """「その近くのカフェ」, then sorted: "there" is still the tower, though the list put it out of focus."""
    talk = Talk()
    talk.slots["focus"] = {"id": "r1", "name": "トラットリア青山", "lat": 35.6607, "lon": 139.7016}
    await talk.say(
        SearchAction, "その近くの駐車場", "search_place", kind=("parking", "駐車場"), where=("there", "その近く")
    )
    assert talk.slots["focus"] is None
    reply = await talk.say(NarrowAction, "料金順で", "narrow", sort="parking_fee")
    assert (reply.context, set(talk.slots["search"]["shown"])) == ("offers_list", {"p1", "p2"})


async def test_a_stop_is_offered_as_a_stop() -> None:
    talk = Talk()
    await talk.say(NavigateAction, "横浜駅まで", "navigate_to", station="横浜駅")
    reply = await talk.hear(
        "途中でラーメン食べたい", "search_place", genre=("ramen", "ラーメン"), where=("along_route", "途中で")
    )
    assert (
        reply.text.endswith("経由地に追加しますか。なお、施設の情報はデモ用です。")
        or "経由地に追加しますか" in reply.text
    )
    assert talk.slots["pending"] == {"kind": "add_waypoint"}
    reply = await talk.hear("はい", "affirm")
    assert reply.text.startswith("麺屋つばめを経由地に追加しました。")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("actually I've been there and it was dreadful, something else please", "next_page"),
        ("we went last week. another one please", "next_page"),
        ("そこは先週行ったから、別のところにして", "next_page"),
        ("そこは先週行ったよね", "human_talk"),
        ("she said something else, please ignore her", "human_talk"),
    ],
)
async def test_asking_for_another_at_the_end_counts_whatever_was_said_before(text: str, expected: str) -> None:
    talk = await listed("en" if text.isascii() else "ja")
    await talk.hear(text, "human_talk")
    assert talk.heard_as == expected
