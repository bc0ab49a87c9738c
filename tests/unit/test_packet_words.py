"""How an operator reads what is known: every condition has a name in both languages, and no line needs to be puzzled over."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, get_args

import pytest

from actions.narrowing import CONDITIONS
from actions.phrases import Phrases
from agent.composition import NLU_DATA
from agent.packet import Car, PacketMaker, Request
from agent.record import Record
from backends.model import Language
from backends.packet import CarFacts
from tests.fakes import MONDAY_MORNING

PHRASES = Phrases.load(NLU_DATA / "responses")
VALUES: dict[str, Any] = {
    "kind": "restaurant", "genre": {"ja": "イタリアン", "en": "Italian"}, "station": "渋谷駅", "budget_max": 5000, "budget_min": 3000, "parking": "free",
    "non_smoking": True, "child_friendly": True, "wheelchair": True, "cards": True, "private_room": True, "vacancy": True, "on_site_restaurant": True,
    "charging": True, "parking_within": 300, "distance_max": 5000, "rating_min": 4, "sort": "price", "chosen": "トラットリア青山", "wifi": "any", "price": "low",
    "where": "along_route", "near": "東京タワー", "open_at": "now",
}  # fmt: skip


def made(state: Mapping[str, Any], fields: Mapping[str, Any] | None = None, left_open: tuple[str, ...] = ()) -> Any:
    def report(_: Mapping[str, Any], language: Language) -> Mapping[str, Any]:
        return {k: v[language] if isinstance(v, dict) and set(v) == {"ja", "en"} else v for k, v in state.items()}

    maker = PacketMaker(PHRASES, report, lambda: Car(CarFacts("品川", "V", "M", "hybrid"), None, None), lambda: MONDAY_MORNING)  # fmt: skip
    return maker.make(Record(), {}, Request("operator", fields or {}, left_open), driver="owner", language="ja")


def labels(packet: Any, language: Language) -> list[str]:
    return [item["label"][language] for item in (*packet["already_asked"], *packet["slots"])]


def test_each_condition_reads_well_in_japanese() -> None:
    assert labels(made(VALUES), "ja") == [
        "種類：飲食店", "ジャンル：イタリアン", "駅：渋谷駅", "予算：5,000円まで", "予算：3,000円から", "駐車場：無料", "禁煙：希望", "子連れでの利用：できるところ",
        "車椅子での利用：できるところ", "カード払い：できるところ", "個室：あり", "空き：あり", "館内レストラン：あり", "充電設備：あり", "駐車場までの距離：300mまで",
        "距離：5,000mまで", "評価：4以上", "並び順：安い順", "選んだところ：トラットリア青山", "Wi-Fi：あり", "価格帯：手頃", "場所：ルート沿い", "この近く：東京タワー",
        "この時間に営業：いま",
    ]  # fmt: skip


def test_and_in_english() -> None:
    assert labels(made(VALUES), "en") == [
        "Looking for: restaurant", "Genre: Italian", "Station: 渋谷駅", "Budget: up to 5,000 yen", "Budget: from 3,000 yen", "Parking: free",
        "Non-smoking: wanted", "Good for children: yes", "Wheelchair access: wanted", "Card payment: wanted", "Private room: yes", "Vacancies: yes",
        "Restaurant on site: yes", "Charger: yes", "Parking within: 300 m", "Distance: up to 5,000 m", "Rating: 4 or more", "Sorted: cheapest first",
        "Chosen place: トラットリア青山", "Wi-Fi: yes", "Price: low", "Where: along the route", "Near: 東京タワー", "Open: now",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("weather", "ja", "en"),
    [
        ({"name_spoken": "箱根湯本", "place_name": "箱根湯本", "day_offset": 1}, "尋ねた天気：箱根湯本、明日", "Weather asked about: 箱根湯本, tomorrow"),
        ({"name_spoken": "横浜", "city": "横浜市", "prefecture": "神奈川県"}, "尋ねた天気：横浜（横浜市、神奈川県）", "Weather asked about: 横浜 (横浜市, 神奈川県)"),
        ({"prefecture": "神奈川県", "item": "umbrella"}, "尋ねた天気：神奈川県、傘がいるか", "Weather asked about: 神奈川県, whether to take an umbrella"),
        ({"where": "destination"}, "尋ねた天気：目的地", "Weather asked about: the destination"),
        ({"station": "渋谷駅", "special": "arrival"}, "尋ねた天気：渋谷駅、到着時", "Weather asked about: 渋谷駅, on arrival"),
        ({"item": "rain"}, "尋ねた天気：雨", "Weather asked about: rain"),
    ],
)  # fmt: skip
def test_a_question_about_the_weather_is_one_line(weather: dict[str, Any], ja: str, en: str) -> None:
    packet = made({"weather": weather})
    assert labels(packet, "ja") == [ja]
    assert labels(packet, "en") == [en]
    assert ja in packet["summary"]["ja"]


def test_the_answers_to_the_desks_questions_read_well() -> None:
    fields = {"injured": False, "people": 4, "nights": 2, "mileage_card": True, "route": "羽田から福岡"}
    packet = made({}, fields, ("budget",))
    assert labels(packet, "ja") == ["けが人：いない", "人数：4名", "泊数：2泊", "マイレージカード：持っている", "区間：羽田から福岡", "予算：お任せ"]  # fmt: skip
    assert labels(packet, "en") == ["Injured: no", "People: 4", "Nights: 2", "Mileage card: yes", "From and to: 羽田から福岡", "Budget: left to the desk"]  # fmt: skip


@pytest.mark.parametrize("language", get_args(Language))
def test_every_condition_and_value_has_words(language: Language) -> None:
    known = PHRASES.ids(language)
    assert [c for c in (*CONDITIONS, "sort", "chosen", "focus", "weather") if f"desk.condition.{c}" not in known] == []
    packet = made({**VALUES, **{name: False for name, value in VALUES.items() if value is True}})
    for label in labels(packet, language):
        name, value = re.split("：|: ", label, maxsplit=1)
        # No key of ours, no half-width or full-width colon of the other language, nothing empty.
        assert not re.search(r"[a-z]+_[a-z]+", label), label
        assert name
        assert value
