"""What is read from a message: conditions, their polarity, places, names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from agent.nlu.values.extractor import extract
from backends.model import Locality, Position

TOKYO = Position(35.68, 139.76)


class SmallGazetteer:
    """A few real places with their real kinds; the Gazetteer protocol, found by plain search."""

    PLACES: Sequence[tuple[str, Locality]] = (
        ("札幌", Locality("札幌市", "city", "サッポロ", TOKYO)),
        ("東京", Locality("東京", "city", "トウキョウ", TOKYO)),
        ("厚別区", Locality("厚別区", "ward", "アツベツ", TOKYO, city="札幌市")),
        ("東区", Locality("東区", "ward", "ヒガシ", TOKYO, city="札幌市")),
        ("真和志", Locality("真和志", "town", "マワシ", TOKYO, city="那覇市")),
        ("北海道", Locality("北海道", "prefecture", "ホッカイドウ", TOKYO)),
        ("小禄", Locality("小禄", "town", "オロク", TOKYO, city="那覇市")),
        ("Shibuya station", Locality("渋谷駅", "station", "シブヤ", TOKYO)),
        ("Chuo ward", Locality("中央区", "ward", "チュウオウ", TOKYO)),
        ("Kita ward", Locality("北区", "ward", "キタ", TOKYO)),
    )
    STATIONS = ("小禄", "渋谷")

    def lookup(self, name: str, *, near: Position | None = None) -> tuple[Locality, ...]:
        return tuple(locality for form, locality in self.PLACES if form == name)

    def alike(self, name, *, near=None, kinds=None, limit=5):  # type: ignore[no-untyped-def]
        return ()

    def scan(self, text: str) -> tuple[tuple[int, int, tuple[Locality, ...]], ...]:
        hits = []
        for form, locality in self.PLACES:
            start = text.find(form)
            if start < 0:
                continue
            candidates = [locality]
            if form in self.STATIONS:
                candidates.append(Locality(form + "駅", "station", "", TOKYO))
            hits.append((start, start + len(form), tuple(candidates)))
        return tuple(sorted(hits, key=lambda hit: hit[0]))


def read(text: str) -> set[tuple[str, Any]]:
    return {
        (e["entity"] + (f":{e['role']}" if e.get("role") else ""), _hashable(e["value"]))
        for e in extract(text, None, SmallGazetteer())
    }


def _hashable(value: Any) -> Any:
    return tuple(sorted((k, _hashable(v)) for k, v in value.items())) if isinstance(value, dict) else value


CONDITIONS = [
    "genre",
    "city",
    "area",
    "station",
    "price",
    "parking",
    "wifi",
    "on_site_restaurant",
    "non_smoking",
    "drop",
    "open_at",
    "rating_min",
    "distance_max",
    "budget",
]


def conditions(text: str) -> set[tuple[str, Any]]:
    return {(e, v) for e, v in read(text) if e.partition(":")[0] in CONDITIONS}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("駐車場は諦めます", {("drop", "parking")}),
        ("駐車場はなくても構いません", {("drop", "parking")}),
        ("駐車場がなくてもいいので", {("drop", "parking")}),
        ("駐車場はどちらでもいいです", {("drop", "parking")}),
        ("駐車場の有無は気にしません", {("drop", "parking")}),
        ("駐車場は無くていいけどWi-Fiは欲しい", {("drop", "parking"), ("wifi", "any")}),
        ("Wi-Fiは欲しいけど駐車場は無くていい", {("drop", "parking"), ("wifi", "any")}),
        ("駐車場が無料ならどこでもいい", {("parking", "free"), ("drop", "area")}),
        ("駐車場があれば何でもいいです", {("parking", "any")}),
        ("ジャンルは問わないので駐車場が無料のところ", {("drop", "genre"), ("parking", "free")}),
        ("予算にはこだわりません", {("drop", "price")}),
        ("予算の条件を外してください", {("drop", "price")}),
        ("最寄り駅は考慮しなくて大丈夫です", {("drop", "station")}),
        (
            "エリアやジャンルの希望はないです。予算は普通で",
            {("drop", "area"), ("drop", "station"), ("drop", "genre"), ("price", "middle")},
        ),
        ("レストランはなくてもいいです", {("drop", "on_site_restaurant")}),
        ("禁煙じゃなくていい", {("drop", "non_smoking")}),
        ("厚別区じゃなくても大丈夫です", {("drop", "area")}),
        ("イタリアンじゃなくてもいいので", {("drop", "genre")}),
        ("別のジャンルでもかまいません", {("drop", "genre")}),
        ("絶景というジャンルは外して構いません", {("drop", "genre")}),
        ("ラーメン以外で", {("genre:exclude", "ramen")}),
        ("東区以外ならありますか", {("area:exclude", "東区")}),
        ("普通から安めに変えて", {("price", "low")}),
        ("シティホテルではなく旅館で", {("genre", "ryokan")}),
        ("厚別区ではなく東区で", {("area", "東区")}),
        ("有料の駐車場でも大丈夫です", {("parking:relaxed", "any")}),
        ("駐車場は有料でも構いません", {("parking:relaxed", "any")}),
        ("駐車場がない所", {("parking", "none")}),
        ("駐車場とWi-Fiが無料のところ", {("parking", "free"), ("wifi", "free")}),
        ("Wi-Fiが無料で駐車場もあるホテル", {("wifi", "free"), ("parking", "any")}),
        ("無料で車を停めるところがある店", {("parking", "free")}),
        ("高くないお店", {("price", "low")}),
        ("高すぎないお店", {("price", "middle")}),
        ("レストランが併設されていて駐車場が無料", {("on_site_restaurant", True), ("parking", "free")}),
        ("館内に食事処があるホテル", {("on_site_restaurant", True)}),
        ("最寄り駅が尾頭橋駅で", {("station", "尾頭橋駅")}),
        ("最寄りは小禄で", {("station", "小禄駅")}),
        ("真和志地区がいい", {("area", "真和志")}),
        ("札幌の近く", {("city:near", "札幌")}),
        ("徒歩5分以内", {("distance_max", 400)}),
        ("3000円以内で", {("budget", (("max_yen", 3000),))}),
        ("夜10時に開いている店", {("open_at", (("hour", 22),))}),
        ("今開いてるお店", {("open_at", "now")}),
        ("着く頃に開いてるところ", {("open_at", "arrival")}),
        ("星4つ以上", {("rating_min", 4)}),
    ],
)
def test_japanese_conditions(text: str, expected: set[tuple[str, Any]]) -> None:
    assert conditions(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("price doesn't matter", {("drop", "price")}),
        ("forget the parking", {("drop", "parking")}),
        ("it doesn't have to be Italian", {("drop", "genre")}),
        ("any genre is fine", {("drop", "genre")}),
        ("without parking is ok", {("drop", "parking")}),
        ("i don't need the hotel to have parking", {("drop", "parking")}),
        ("lets drop wifi and parking", {("drop", "wifi"), ("drop", "parking")}),
        ("wifi isn't important but free parking is a must", {("drop", "wifi"), ("parking", "free")}),
        ("I don't need wifi but parking would be nice", {("drop", "wifi"), ("parking", "any")}),
        ("it doesn't have to be non-smoking", {("drop", "non_smoking")}),
        ("it doesn't need a restaurant", {("drop", "on_site_restaurant")}),
        ("not too expensive", {("price", "middle")}),
        ("nothing expensive", {("price", "low")}),
        ("anything but ramen", {("genre:exclude", "ramen")}),
        ("no sushi please", {("genre:exclude", "sushi")}),
        ("not italian", {("genre:exclude", "italian")}),
        ("instead of ramen I'd like sushi", {("genre", "sushi")}),
        ("sushi rather than ramen", {("genre", "sushi")}),
        ("change it from cheap to expensive", {("price", "high")}),
        ("not in Kita ward but in Chuo ward", {("area", "中央区")}),
        ("paid parking is fine", {("parking:relaxed", "any")}),
        ("a hotel with a restaurant and free wifi", {("on_site_restaurant", True), ("wifi", "free")}),
        ("a cheap italian restaurant with free parking near Shibuya station", {("price", "low"), ("genre", "italian"), ("parking", "free"), ("station:near", "渋谷駅")}),
        ("something mid-range with at least four stars", {("price", "middle"), ("rating_min", 4)}),
        ("within a mile", {("distance_max", 1609)}),
        ("open at 10 pm", {("open_at", (("hour", 22),))}),
        ("open now", {("open_at", "now")}),
    ],
)  # fmt: skip
def test_english_conditions(text: str, expected: set[tuple[str, Any]]) -> None:
    assert conditions(text) == expected


@pytest.mark.parametrize(
    ("text", "genres"),
    [
        ("カフェ・スイーツのお店", {"cafe", "sweets"}),
        ("うどん・そば", {"udon", "soba"}),
        ("お好み焼き屋さん", {"okonomiyaki"}),
        ("イタメシが食べたい", {"italian"}),
        ("駅のそばにある店", set()),
        ("いいですし、そうします", set()),
        ("ナンバーを教えて", set()),
        ("a bite of ramen", {"ramen"}),
        ("bakeries nearby", {"bakery"}),
    ],
)
def test_genres(text: str, genres: set[str]) -> None:
    assert {v for e, v in read(text) if e == "genre"} == genres


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("青空珈琲本店というところはありますか", "青空珈琲本店"),
        ("ホテルレイクサイド 駅南店に泊まりたい", "ホテルレイクサイド 駅南店"),
        ("山鳥美術館に行きたいのですが", "山鳥美術館"),
        ("店名が森のくまさんという店です", "森のくまさん"),
        ("「風と木」までお願いします", "風と木"),
        ("take me to Maple Leaf Diner", "Maple Leaf Diner"),
        ("is there a place called Joe's Pizza", "Joe's Pizza"),
        ("directions to greenfield hospital please", "greenfield hospital"),
    ],
)
def test_names(text: str, name: str) -> None:
    assert name in {v for e, v in read(text) if e.startswith("place_name")}


@pytest.mark.parametrize(
    "text",
    [
        "イタリアンに行きたい", "近くのカフェを探して", "駐車場に行きたい", "安いお店を教えてください", "札幌に行きたい", "次の曲にして",
        "明日の天気を教えて", "そこに行きます", "ありがとうございます、大丈夫です", "take me to a good restaurant", "find me a cheap hotel",
        "take me home", "is it going to rain tomorrow", "take me to the nearest gas station", "turn it up please",
    ],
)  # fmt: skip
def test_what_is_no_name(text: str) -> None:
    assert not {v for e, v in read(text) if e.startswith("place_name")}


@pytest.mark.parametrize(
    ("text", "entity", "value"),
    [
        ("近くの駐車場を探して", "kind", "parking"),
        ("find me a parking lot nearby", "kind", "parking"),
        ("駐車場はありますか", "attribute", "parking"),
        ("does it have free wifi?", "attribute", "wifi"),
        ("駐車場があるって言ってたほうで", "pick", (("has", "parking"),)),
        ("the one with parking", "pick", (("has", "parking"),)),
        ("近い方にして", "pick", (("by", "distance"), ("order", "asc"))),
        ("一番評価の高いところで", "pick", (("by", "rating"), ("order", "desc"))),
        ("the cheaper one", "pick", (("by", "price"), ("order", "asc"))),
        ("二番目にして", "ordinal", 2),
        ("the last one", "ordinal", -1),
        ("二十二度にして", "degrees", 22),
        ("set it to twenty-two degrees", "degrees", 22),
        ("あと2度上げて", "degrees:relative", 2),
        ("two degrees cooler", "degrees:relative", -2),
        ("電話番号はゼロサンのイチニサンヨンのゴロクナナハチ", "phone_number", "0312345678"),
        ("call zero three one two three four five six seven eight", "phone_number", "0312345678"),
        ("二人で3泊", "people", 2),
        ("二人で3泊", "nights", 3),
        ("家に帰りたい", "where", "home"),
        ("along the way", "where", "along_route"),
        ("有料道路を避けて", "route_option", "avoid_tolls"),
        ("風と気温は", "weather_item", "wind"),
        ("駐車場まで200m以内", "parking_within", 200),
        ("北海道に行こう", "prefecture", "北海道"),
    ],
)
def test_other_values(text: str, entity: str, value: Any) -> None:
    assert (entity, value) in read(text)


def test_spaces_a_recognizer_put_in_do_not_matter() -> None:
    assert conditions("駐車 場 は なく て も いい です") == {("drop", "parking")}


def test_spans_index_the_text_as_received() -> None:
    text = "ｲﾀﾘｱﾝ で 駐車場 無料"
    spans = {e["entity"]: text[e["start"] : e["end"]] for e in extract(text)}
    assert spans["genre"] == "ｲﾀﾘｱﾝ"
