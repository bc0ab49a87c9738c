"""Values of the other jobs, kinds of places, amounts and small hours."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from agent.nlu.values.extractor import extract
from agent.nlu.values.numbers import parse_number
from backends.times import resolve
from tests.unit.test_values_extract import SmallGazetteer

WEDNESDAY_NOON = datetime(2025, 6, 4, 12, 30, tzinfo=ZoneInfo("Asia/Tokyo"))


def values(text: str, entity: str) -> list[Any]:
    return [e["value"] for e in extract(text, None, SmallGazetteer()) if e["entity"] == entity]


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("play some bossa nova", "bossa nova"), ("could you play bohemian rhapsody please", "bohemian rhapsody"),
        ("play the rolling stones on spotify", "the rolling stones"), ("i fancy a bit of blues", "blues"),
        ("put my summer playlist on", "summer playlist"), ("tune to nhk fm", "nhk fm"), ("宇多田ヒカルの曲流して", "宇多田ヒカル"),
        ("静かなクラシックかけて", "クラシック"), ("サザンが聴きたいな", "サザン"), ("FMヨコハマつけて", "FMヨコハマ"),
        ("となりのトトロの歌！", "となりのトトロ"), ("演歌がいい", "演歌"), ("80.0に合わせて", "80.0"),
    ],
)  # fmt: skip
def test_what_to_play(text: str, query: str) -> None:
    assert values(text, "media_query") == [query]


@pytest.mark.parametrize(
    "text",
    [
        "play music", "play it again", "play a game with me", "音楽かけて", "エンジンかけて", "電話かけて", "さっきの曲もう一回流して", "ニュース聞きたい",
        "ラジオが聞きたい", "put the heater on", "next song", "天気予報を聞かせて", "i fancy some noodles", "アラームかけて",
    ],
)  # fmt: skip
def test_nothing_to_play(text: str) -> None:
    assert values(text, "media_query") == []


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("今夜六時に三名で席を押さえて", "restaurant_booking"), ("get us a table for six", "restaurant_booking"),
        ("明日から一泊で部屋を予約して", "hotel_booking"), ("reserve a double room", "hotel_booking"),
        ("福岡行きの飛行機取って", "flight"), ("タイヤがパンクした", "roadside"), ("i've got a flat tyre", "roadside"),
        ("locked my keys in the car", "roadside"), ("call my brother", "call"), ("妻に電話して", "call"), ("人に代わってよ", "operator"),
        ("let me speak with a real person", "operator"), ("デスクにつないで", "operator"), ("予約しておいて", "other"), ("book it", "other"),
        ("get me a cab", "taxi"), ("レンタカーを手配して", "rental_car"),
    ],
)  # fmt: skip
def test_what_the_desk_is_wanted_for(text: str, topic: str) -> None:
    assert values(text, "handoff_topic") == [topic]


@pytest.mark.parametrize(
    "text",
    [
        "call me when we get there",
        "予約なしで入れる店",
        "今あの人と喋ってる",
        "a room with a view",
        "i read a book",
        "人気の店",
    ],
)
def test_nothing_for_the_desk(text: str) -> None:
    assert values(text, "handoff_topic") == []


@pytest.mark.parametrize(
    ("text", "device"),
    [
        ("オートにして", "auto"), ("put it on auto", "auto"), ("turn everything off", "off"), ("フロントガラスが曇った", "defrost_front"),
        ("clear the rear window", "defrost_rear"), ("リアの曇りを取って", "defrost_rear"), ("シートをあっためて", "seat_heater"),
        ("cool my seat down", "seat_ventilation"), ("ハンドル冷たい", "steering_heater"), ("warm up the wheel", "steering_heater"),
    ],
)  # fmt: skip
def test_climate(text: str, device: str) -> None:
    assert device in values(text, "climate_device")


@pytest.mark.parametrize(
    ("text", "attribute"),
    [
        ("何時に閉まるん", "close"), ("when does the third one close", "close"), ("what time does this place open", "open"),
        ("評価はいくつ", "rating"), ("how's it rated", "rating"), ("停めるのにいくら", "parking_fee"), ("how much to park", "parking_fee"),
        ("is it expensive", "price"), ("部屋は空いてますか", "vacancy"), ("any tables free", "vacancy"), ("日曜は休みですか", "closed_day"),
    ],
)  # fmt: skip
def test_what_is_asked(text: str, attribute: str) -> None:
    assert attribute in values(text, "attribute")
    assert not values(text, "price")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("横浜で車を停めたい", "parking"),
        ("駐車できるところを教えて", "parking"),
        ("仮眠したい", "rest_area"), ("コインパーキングない？", "parking"), ("where could we park", "parking"),
        ("is there a car park round here", "parking"), ("find parking near here", "parking"), ("今日泊まりたいんだけど", "hotel"),
        ("a bed for the night", "hotel"), ("somewhere to sleep", "hotel"), ("wash my car", "carwash"), ("need some cash", "bank"),
    ],
)  # fmt: skip
def test_kinds(text: str, kind: str) -> None:
    assert values(text, "kind") == [kind]
    assert not values(text, "genre")


def test_parking_wished_at_another_place_is_a_condition() -> None:
    for text in ("車を停められる店", "somewhere with a car park", "a hotel with parking", "Wi-Fiじゃなくて駐車場"):
        assert values(text, "parking") == ["any"]


@pytest.mark.parametrize(
    ("text", "entity", "value"),
    [
        ("under three thousand yen", "budget", {"max_yen": 3000}), ("less than 1800", "budget", {"max_yen": 1800}),
        ("not more than two and a half thousand", "budget", {"max_yen": 2500}), ("at least ten thousand yen", "budget", {"min_yen": 10000}),
        ("2000以内", "budget", {"max_yen": 2000}), ("rated three and a half or better", "rating_min", 3.5),
        ("at least four and a half stars", "rating_min", 4.5), ("星4つ半以上", "rating_min", 4.5), ("3.8以上", "rating_min", 3.8),
        ("no more than five minutes walk", "distance_max", 400), ("a couple of hours", "duration", 7200),
    ],
)  # fmt: skip
def test_amounts(text: str, entity: str, value: Any) -> None:
    assert values(text, entity) == [value]
    assert not values(text, "drop")


def test_a_year_or_a_small_number_is_no_price() -> None:
    assert not values("since 1987 or less than 5", "budget")
    assert not values("under ten minutes", "budget")


@pytest.mark.parametrize(
    ("words", "number"),
    [
        ("two million", 2_000_000), ("one million two hundred thousand", 1_200_000), ("half a million", 500_000),
        ("fifteen hundred", 1500), ("two and a half thousand", 2500), ("three and a half", 3.5), ("four point two", 4.2),
        ("nine hundred and ninety nine thousand", 999_000),
    ],
)  # fmt: skip
def test_english_number_words(words: str, number: float) -> None:
    assert parse_number(words) == number


@pytest.mark.parametrize(
    ("text", "day", "hour"),
    [
        ("深夜1時に", 5, 1), ("夜中の2時", 5, 2), ("夜の1時", 5, 1), ("25時に", 5, 1), ("深夜0時", 5, 0), ("未明の4時", 5, 4), ("早朝5時", 5, 5),
        ("朝7時", 5, 7), ("午前9時", 5, 9), ("明日の朝8時", 5, 8), ("夜11時", 4, 23), ("今夜の12時", 5, 0), ("土曜の25時", 8, 1),
        ("1 am", 5, 1), ("3 am tomorrow", 5, 3), ("7 a.m.", 5, 7), ("two in the morning", 5, 2), ("12 pm", 4, 12), ("at half seven", 4, 19),
        ("eleven at night", 4, 23), ("next friday at 9 p.m.", 13, 21), ("friday at seven in the evening", 6, 19),
    ],
)  # fmt: skip
def test_hours_keep_their_half_of_the_day(text: str, day: int, hour: int) -> None:
    [value] = values(text, "time")
    start = resolve(value, WEDNESDAY_NOON).start
    assert (start.day, start.hour) == (day, hour)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [("saturday evening", (7, 16), (7, 20)), ("this weekend", (7, 0), (9, 0)), ("next friday", (13, 0), (14, 0)), ("3時から5時まで", (4, 15), (4, 17))],
)  # fmt: skip
def test_stretches(text: str, first: tuple[int, int], last: tuple[int, int]) -> None:
    [value] = values(text, "time")
    span = resolve(value, WEDNESDAY_NOON)
    assert ((span.start.day, span.start.hour), (span.end.day, span.end.hour)) == (first, last)


def test_still_open_at_an_hour_is_not_now() -> None:
    assert values("still open at eleven pm", "open_at") == [{"hour": 23}]
    assert values("夜の十時過ぎても開いてる店", "open_at") == [{"hour": 22}]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("find ikea", "ikea"), ("take me to the blue lagoon museum", "blue lagoon museum"), ("himeji castle", "himeji castle"),
        ("uh, the rainbow bridge please", "rainbow bridge"), ("スタバに寄って", "スタバ"), ("風の森美術館に行きたい", "風の森美術館"),
        ("こもれびの森美術館までお願い", "こもれびの森美術館"), ("星の王子記念館に行きたい", "星の王子記念館"),
    ],
)  # fmt: skip
def test_names(text: str, name: str) -> None:
    assert values(text, "place_name") == [name]


@pytest.mark.parametrize(
    "text",
    [
        "i'll take the last one you mentioned", "looking for um a bakery", "sushi bar", "science museum", "anything good on netflix",
        "too hot for the baby", "友達の家に行きたい", "ドライブに行こう", "add milk to the shopping list", "at least three stars",
    ],
)  # fmt: skip
def test_no_names(text: str) -> None:
    assert values(text, "place_name") == []
    assert values(text, "where") == []


@pytest.mark.parametrize(
    ("text", "entity"),
    [
        ("a hot spring", "feeling"), ("post office", "where"), ("how does it work", "where"), ("そのうち温泉も", "where"),
        ("あまり高くない店", "direction"), ("two hours from now", "attribute"), ("anything good on tonight", "drop"),
    ],
)  # fmt: skip
def test_words_of_longer_words_mean_nothing_by_themselves(text: str, entity: str) -> None:
    assert values(text, entity) == []
