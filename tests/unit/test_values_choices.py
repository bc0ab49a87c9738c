"""Choosing among what was offered, taking back what was just said: which values stay."""

from __future__ import annotations

from typing import Any

import pytest

from agent.nlu.values.extractor import extract
from tests.unit.test_values_extract import SmallGazetteer


def read(text: str, *entities: str) -> list[tuple[str, Any]]:
    found = extract(text, None, SmallGazetteer())
    return [(e["entity"], e["value"]) for e in found if e["entity"] in entities]


@pytest.mark.parametrize(
    ("text", "ordinal"),
    [
        ("最初に紹介してくれたお店にする", 1), ("いま最後に読んだホテルで", -1), ("さいごのやつにする", -1), ("さいしょのがええ", 1),
        ("いちばん上のにしよう", 1), ("一番下の店", -1), ("いっこめで", 1), ("にけんめのおみせ", 2), ("さん ばん め に し て", 3),
        ("四番がいい", 4), ("下から二番目", -2), ("まんなかのやつ", 2), ("後者で", 2), ("みっつめ", 3),
        ("the one you suggested last", -1), ("what you said first", 1), ("number too", 2), ("option for please", 4),
        ("the second of those", 2), ("i'd go with the third i think", 3), ("that last hotel", -1), ("the second soba place", 2),
        ("the one at the top of the list", 1), ("bottom one then", -1), ("the fourth would be lovely", 4), ("um the first", 1),
    ],
)  # fmt: skip
def test_ordinals(text: str, ordinal: int) -> None:
    assert read(text, "ordinal", "number") == [("ordinal", ordinal)]


@pytest.mark.parametrize(
    "text",
    [
        "最後に足した条件を消して", "最初からやり直したい", "一番早い道で", "朝一番で行きたい", "三番ホームで待ってる", "もう一度言って",
        "ラストオーダーは何時", "ここにこめた思い", "the first of June", "what's the phone number for the hotel", "that one is fine",
        "one with a view", "which one is it", "no one told me",
    ],
)  # fmt: skip
def test_what_is_no_place_in_the_list(text: str) -> None:
    assert not read(text, "ordinal", "number")


@pytest.mark.parametrize(
    ("text", "ordinal"),
    [
        ("二番、いや待って、三番で", 3), ("一番目じゃなくて二番目", 2), ("最後の、ごめん、最初のやつ", 1), ("二つ目はやめて三つ目", 3),
        ("一つ目と二つ目で悩むけど、やっぱり一つ目", 1), ("the second, sorry, the first", 1), ("number one, i mean number three", 3),
        ("not the last one, the second", 2), ("the third, no, the fourth", 4), ("uh the first no wait the last one", -1),
    ],
)  # fmt: skip
def test_the_last_one_said_wins(text: str, ordinal: int) -> None:
    assert read(text, "ordinal") == [("ordinal", ordinal)]


def test_places_named_side_by_side_all_stay() -> None:
    assert read("一番目と三番目", "ordinal") == [("ordinal", 1), ("ordinal", 3)]
    assert read("the first and the second", "ordinal") == [("ordinal", 1), ("ordinal", 2)]


def test_a_place_refused_is_none() -> None:
    assert read("not the first one", "ordinal", "number") == []


@pytest.mark.parametrize(
    ("text", "by", "order"),
    [
        ("高いほうでお願い", "price", "desc"), ("いちばん高いのにする", "price", "desc"), ("お値段が安いほう", "price", "asc"),
        ("一番安いホテルで", "price", "asc"), ("遠いほうでもいいよ", "distance", "desc"), ("駅に一番近いのはどれ", "distance", "asc"),
        ("手前のほうがいい", "distance", "asc"), ("口コミがいいほう", "rating", "desc"), ("星が一番多いやつ", "rating", "desc"),
        ("一番人気の店で", "rating", "desc"), ("奮発して一番高級なとこで", "price", "desc"),
        ("the dearest one please", "price", "desc"), ("let's splurge on the most expensive", "price", "desc"),
        ("whichever's nearest", "distance", "asc"), ("give me the furthest", "distance", "desc"), ("which is cheapest", "price", "asc"),
        ("the highest rated of those", "rating", "desc"), ("the one with the best reviews", "rating", "desc"),
    ],
)  # fmt: skip
def test_choices_by_quality_are_no_conditions(text: str, by: str, order: str) -> None:
    found = read(text, "pick", "price", "rating_min", "attribute", "number", "budget")
    assert found == [("pick", {"by": by, "order": order})]


def test_a_quality_orders_what_is_looked_for() -> None:
    assert read("take me to the nearest one", "sort") == [("sort", "distance")]
    assert read("一番評価の高いところで", "sort") == [("sort", "rating")]


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("もっと安いのがいい", "price", "low"), ("全部ちょっと高いなあ", "price", "low"), ("これじゃ高すぎる", "price", "low"),
        ("ちょっと高いお店に行きたい", "price", "high"), ("評価が高いところに絞って", "rating_min", 4),
        ("those are a bit pricey", "price", "low"), ("put the best rated places first", "sort", "rating"),
        ("近所のラーメン屋", "where", "here"), ("a fancy hotel", "price", "high"),
    ],
)  # fmt: skip
def test_conditions_are_no_choices(text: str, key: str, value: Any) -> None:
    assert (key, value) in read(text, key)
    assert not read(text, "pick")


def test_fancying_something_is_no_price() -> None:
    assert not read("i fancy some noodles", "price")
    assert not read("do you fancy a coffee", "price")


@pytest.mark.parametrize(
    ("text", "pick"),
    [
        ("駐車場があるって聞いたとこにする", {"has": "parking"}), ("カードが使えるって言ってたほう", {"has": "cards"}),
        ("個室があるやつで", {"has": "private_room"}), ("夜遅くまでやってるほうで", {"has": "open"}),
        ("蕎麦のほうにする", {"has": "genre", "value": "soba"}), ("無料の駐車場がある方で", {"has": "parking", "value": "free"}),
        ("the one you said has wifi", {"has": "wifi"}), ("the place that takes cards", {"has": "cards"}),
        ("the one that's open late", {"has": "open"}), ("the thai one", {"has": "genre", "value": "thai"}),
        ("the hotel with the restaurant", {"has": "on_site_restaurant"}),
        ("whichever has wifi", {"has": "wifi"}),
        ("any one will do", {"any": True}),
        ("whatever", {"any": True}), ("どっちでもええよ", {"any": True}), ("you just pick", {"any": True}), ("お任せします", {"any": True}),
    ],
)  # fmt: skip
def test_choices_by_what_a_place_has(text: str, pick: dict[str, Any]) -> None:
    assert read(text, "pick") == [("pick", pick)]


@pytest.mark.parametrize("text", ["i don't like any of them", "are any of those open", "only the ones with free parking", "山のほうへ行く"])  # fmt: skip
def test_what_chooses_nothing(text: str) -> None:
    assert not read(text, "pick")


@pytest.mark.parametrize(
    ("text", "entity", "value"),
    [
        ("札幌、じゃなかった、東京で", "city", "東京"), ("ramen, no wait, sushi", "genre", "sushi"), ("うどんっていうよりそばかな", "genre", "soba"),
        ("六時、ごめん、七時に", "time", {"hour": 7}), ("tomorrow, i mean sunday", "time", {"weekday": 6}),
        ("自宅、いや、会社まで", "where", "work"), ("breakfast place, actually a bakery", "genre", "bakery"),
    ],
)  # fmt: skip
def test_corrections_leave_what_is_meant(text: str, entity: str, value: Any) -> None:
    assert read(text, entity) == [(entity, value)]


def test_no_correction_no_loss() -> None:
    assert read("ramen or sushi", "genre") == [("genre", "ramen"), ("genre", "sushi")]
    assert read("そばかうどん", "genre") == [("genre", "soba"), ("genre", "udon")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Wi-Fiじゃなくて駐車場", [("drop", "wifi"), ("parking", "any")]),
        ("not wifi, parking", [("drop", "wifi"), ("parking", "any")]),
        ("no wifi or parking needed", [("drop", "wifi"), ("drop", "parking")]),
        ("not ramen, soba", [("genre", "soba")]),
        ("french instead of chinese", [("genre", "french")]),
        ("dinner not lunch", [("kind", "restaurant")]),
        ("i don't want sushi", [("genre", "sushi")]),
    ],
)
def test_one_instead_of_the_other(text: str, expected: list[tuple[str, Any]]) -> None:
    assert sorted(read(text, "drop", "wifi", "parking", "genre", "kind")) == sorted(expected)
