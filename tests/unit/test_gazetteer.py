"""Names of the whole country: looked up in any spelling, found in running text only where they are names of places."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.gazetteer import JapanGazetteer
from backends.model import Position
from backends.readings import Readings


@pytest.fixture(scope="module")
def gazetteer(request: pytest.FixtureRequest) -> JapanGazetteer:
    cache = request.config.cache
    assert cache is not None
    return JapanGazetteer.load(Path(cache.mkdir("gazetteer")), readings=Readings())


CITIES = [
    "札幌",
    "仙台",
    "東京",
    "横浜",
    "川崎",
    "千葉",
    "さいたま",
    "新潟",
    "静岡",
    "浜松",
    "名古屋",
    "京都",
    "大阪",
    "堺",
    "神戸",
    "岡山",
    "広島",
    "北九州",
    "福岡",
    "熊本",
    "那覇",
    "金沢",
    "鎌倉",
    "箱根",
    "函館",
    "長崎",
    "松山",
    "奈良",
    "小樽",
    "軽井沢",
]


@pytest.mark.parametrize("name", CITIES)
def test_every_well_known_city_without_suffix(gazetteer: JapanGazetteer, name: str) -> None:
    best = gazetteer.lookup(name)[0]
    assert best.kind == "city"
    assert best.name.startswith(name)
    text = f"{name}で美味しいお店を探して"
    assert [text[start:end] for start, end, _ in gazetteer.scan(text)] == [name]


@pytest.mark.parametrize(
    ("said", "name", "kind"),
    [
        ("東京", "東京", "city"),
        ("東京都", "東京都", "prefecture"),
        ("沖縄", "沖縄県", "prefecture"),
        ("渋谷", "渋谷区", "ward"),
        ("渋谷駅", "渋谷駅", "station"),
        ("しぶやえき", "渋谷駅", "station"),
        ("しぶや", "渋谷区", "ward"),
        ("シブヤ", "渋谷区", "ward"),
        ("さっぽろ", "札幌市", "city"),
        ("Sapporo", "札幌市", "city"),
        ("Yokohama city", "横浜市", "city"),
        ("Shinjuku station", "新宿駅", "station"),
        ("shibuya-ku", "渋谷区", "ward"),
        ("kyoto prefecture", "京都府", "prefecture"),
        ("Ōsaka", "大阪市", "city"),
        ("霞ヶ関 駅", "霞ケ関駅", "station"),
        ("小禄", "小禄", "town"),
        ("真和志", "真和志", "town"),
        ("haneda airport", "羽田空港", "airport"),
        ("表参道駅", "表参道駅", "station"),
        ("おもてさんどうえき", "表参道駅", "station"),
        ("博多", "博多区", "ward"),
    ],
)
def test_lookup_in_any_spelling(gazetteer: JapanGazetteer, said: str, name: str, kind: str) -> None:
    best = gazetteer.lookup(said)[0]
    assert (best.name, best.kind) == (name, kind)


def test_a_ward_comes_with_every_city_that_has_it(gazetteer: JapanGazetteer) -> None:
    cities = {locality.city for locality in gazetteer.lookup("北区")}
    assert {"東京", "札幌市", "京都市", "大阪市", "名古屋市", "神戸市"} <= cities
    near_sapporo = gazetteer.lookup("中央区", near=Position(43.06, 141.35))
    assert near_sapporo[0].city == "札幌市"


def test_nearness_decides_between_equals(gazetteer: JapanGazetteer) -> None:
    assert gazetteer.lookup("府中市")[0].prefecture == "東京都"
    assert gazetteer.lookup("府中市", near=Position(34.5, 133.2))[0].prefecture == "広島県"


@pytest.mark.parametrize(
    ("heard", "name"),
    [("日の定期", "日の出駅"), ("形成縦石駅", "京成立石駅"), ("電脳大焼", "天王台駅"), ("サイタマシンとシーネキ", "さいたま新都心駅"), ("Ikabukero station", "池袋駅")],
)  # fmt: skip
def test_what_it_sounds_like(gazetteer: JapanGazetteer, heard: str, name: str) -> None:
    found = gazetteer.alike(heard, near=Position(35.68, 139.76))
    assert found[0][0].name == name
    assert [score for _, _, score in found] == sorted((score for _, _, score in found), reverse=True)


@pytest.mark.parametrize("said", ["恵比寿", "エビス", "えびす", "海老酢", "エビス 駅", "えびすえき", "Ebisu station"])
def test_however_it_is_written_it_is_one_place(gazetteer: JapanGazetteer, said: str) -> None:
    near_shibuya = Position(35.66, 139.70)
    assert gazetteer.lookup(said, near=near_shibuya)[0].position.distance_to(Position(35.647, 139.710)) < 1_000


def test_of_what_sounds_alike_only_the_kinds_wanted(gazetteer: JapanGazetteer) -> None:
    found = gazetteer.alike("ふちゅう", kinds=("city",))
    assert {locality.kind for locality, _, _ in found} == {"city"}
    assert found[0][0].name == "府中市"


@pytest.mark.parametrize(
    ("name", "latitude", "longitude", "within_m"),
    [
        ("札幌市", 43.062, 141.354, 8_000),
        ("渋谷駅", 35.658, 139.701, 600),
        ("那覇市", 26.212, 127.681, 8_000),
        ("板橋区", 35.751, 139.709, 5_000),
        ("箱根町", 35.232, 139.107, 12_000),
    ],
)
def test_positions(gazetteer: JapanGazetteer, name: str, latitude: float, longitude: float, within_m: float) -> None:
    assert gazetteer.lookup(name)[0].position.distance_to(Position(latitude, longitude)) < within_m


@pytest.mark.parametrize(
    ("text", "mentions"),
    [
        ("渋谷で駐車場のあるイタリアン", ["渋谷"]),
        ("渋谷 駅 の 近く の カフェ", ["渋谷 駅"]),
        ("しぶやえきの近く", ["しぶやえき"]),
        ("明日札幌の天気は", ["札幌"]),
        ("名古屋の中区で", ["名古屋", "中区"]),
        ("横浜市中区のレストラン", ["横浜市", "中区"]),
        ("福岡天神のラーメン", ["福岡", "天神"]),
        ("那覇市の小禄で", ["那覇市", "小禄"]),
        ("京都駅周辺のホテル", ["京都駅"]),
        ("東大阪市の図書館", ["東大阪市"]),
        ("北海道旅行", ["北海道"]),
        ("名古屋城の近く", ["名古屋城"]),
        ("京都水族館に行きたい", []),
        ("福岡市博物館まで", []),
        ("ホテル京都に泊まりたい", []),
        ("イオン板橋ショッピングセンターに行きたい", []),
        ("平和な世界", []),
        ("泉のほとり", []),
        ("港が見えるところ", []),
        ("大人二人で", []),
        ("千葉さんに電話して", []),
        ("今日とても暑い", []),
        ("やすいところがいいです", []),
        ("もう少し安い店", []),
        ("市内のホテル", []),
        ("find a restaurant in shibuya", ["shibuya"]),
        ("navigate to shinjuku station please", ["shinjuku station"]),
        ("what's the weather in kyoto tomorrow", ["kyoto"]),
        ("restaurants in Itabashi-ku", ["Itabashi-ku"]),
        ("nice restaurants near here", []),
        ("a gold mine in usa", []),
        ("kyoto aquarium", []),
        ("find me a date spot", []),
        ("set the temperature to two degrees", []),
    ],
)
def test_mentions_in_running_text(gazetteer: JapanGazetteer, text: str, mentions: list[str]) -> None:
    assert [text[start:end] for start, end, _ in gazetteer.scan(text)] == mentions


def test_a_name_inside_a_facility_is_flagged(gazetteer: JapanGazetteer) -> None:
    (mention,) = gazetteer.mentions("福岡市博物館まで")
    assert mention.inside
    assert mention.candidates[0].name == "福岡市"


def test_the_municipality_named_before_decides(gazetteer: JapanGazetteer) -> None:
    for city in ("札幌", "名古屋", "大阪"):
        text = f"{city}の北区に行きたい" if city != "名古屋" else "名古屋の中区に行きたい"
        _, (_, _, candidates) = gazetteer.scan(text)
        assert candidates[0].city == city + "市"


@settings(max_examples=150, deadline=None)
@given(text=st.text(max_size=120))
def test_whatever_is_said_mentions_do_not_overlap(gazetteer: JapanGazetteer, text: str) -> None:
    gazetteer.lookup(text)
    end_before = 0
    for mention in gazetteer.mentions(text):
        assert end_before <= mention.start < mention.end <= len(text)
        assert mention.candidates
        end_before = mention.end


@settings(max_examples=100, deadline=None)
@given(
    parts=st.lists(
        st.sampled_from(
            ["渋谷", "駅", "名古屋", "市", "中区", "の", " ", "が", "ｼﾌﾞﾔ", "㍿", "tokyo ", "station", "ヶ", "で"]
        ),
        max_size=12,
    )
)
def test_pieces_of_names_in_any_order(gazetteer: JapanGazetteer, parts: list[str]) -> None:
    text = "".join(parts)
    for start, end, candidates in gazetteer.scan(text):
        assert text[start:end].strip() == text[start:end] != ""
        assert candidates


def test_a_broken_cache_is_built_again_and_a_whole_one_opens_fast(
    gazetteer: JapanGazetteer, request: pytest.FixtureRequest
) -> None:
    assert request.config.cache is not None
    folder = Path(request.config.cache.mkdir("gazetteer"))
    start = time.perf_counter()
    JapanGazetteer.load(folder, readings=Readings())
    assert time.perf_counter() - start < 2.0  # 0.15 s on an idle machine


def test_scanning_is_fast(gazetteer: JapanGazetteer) -> None:
    text = "すみません、明日の午後から渋谷駅の近くで駐車場のあるイタリアンのお店を探しています"
    gazetteer.scan(text)
    best = min(_timed(gazetteer, text) for _ in range(30))
    assert best < 0.0015  # 0.1 ms on an idle machine


def _timed(gazetteer: JapanGazetteer, text: str) -> float:
    start = time.perf_counter()
    gazetteer.scan(text)
    return time.perf_counter() - start
