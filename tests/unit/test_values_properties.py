"""Laws of the value reader that hold for any text."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.nlu.values.extractor import extract, reader
from agent.nlu.values.folding import fold
from agent.nlu.values.numbers import parse_number, to_kanji
from agent.nlu.values.times import find_times, render

reader()  # made once, outside the measured examples
RELAXED = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])

NOUNS_JA = {
    "parking": "駐車場",
    "wifi": "Wi-Fi",
    "price": "予算",
    "genre": "イタリアン",
    "private_room": "個室",
    "rating_min": "評価",
}
DROPS_JA = [
    "はなくても大丈夫です",
    "は諦めます",
    "にはこだわりません",
    "は気にしないで",
    "の条件は外してください",
    "は要りません",
    "はどちらでもいいです",
]
NOUNS_EN = {
    "parking": "parking",
    "wifi": "wifi",
    "price": "the price",
    "private_room": "a private room",
    "genre": "italian",
}
WORDS = ["駐車場", "無料", "Wi-Fi", "は", "が", "で", "なくてもいい", "安め", "、", "。", "ラーメン", "以外", "渋谷駅", "の近く", "今", "開いてる", "3", "二", "時", "円以内", "というところ", "parking ", "free ", "near ", "not ", "two ", "at 7 ", "take me to "]  # fmt: skip


def check(text: str) -> list[dict[str, Any]]:
    entities = extract(text)
    for entity in entities:
        assert 0 <= entity["start"] < entity["end"] <= len(text)
        json.dumps(entity)
    return entities


@RELAXED
@given(st.text(max_size=200))
def test_any_text_is_read(text: str) -> None:
    check(text)


@RELAXED
@given(st.lists(st.sampled_from(WORDS), max_size=25))
def test_any_sequence_of_words_is_read(words: list[str]) -> None:
    check("".join(words))


@RELAXED
@given(st.sampled_from(sorted(NOUNS_JA)), st.sampled_from(DROPS_JA))
def test_a_condition_taken_back_is_only_a_drop_ja(key: str, cue: str) -> None:
    found = {(e["entity"], str(e["value"])) for e in check(NOUNS_JA[key] + cue)}
    assert ("drop", key) in found
    assert key not in {entity for entity, _ in found}


@RELAXED
@given(
    st.sampled_from(sorted(NOUNS_EN)),
    st.sampled_from(
        ["{} is not important", "forget {}", "i don't care about {}", "never mind {}", "{} doesn't matter"]
    ),
)
def test_a_condition_taken_back_is_only_a_drop_en(key: str, frame: str) -> None:
    found = {(e["entity"], str(e["value"])) for e in check(frame.format(NOUNS_EN[key]))}
    assert ("drop", key) in found
    assert key not in {entity for entity, _ in found}


@RELAXED
@given(st.lists(st.sampled_from(WORDS), max_size=20))
def test_a_drop_never_stands_on_its_own_condition(words: list[str]) -> None:
    entities = check("".join(words))
    for drop in (e for e in entities if e["entity"] == "drop"):
        for other in entities:
            if other["entity"] == drop["value"] and not other.get("role"):
                assert not (drop["start"] <= other["start"] and other["end"] <= drop["end"])


@RELAXED
@given(st.integers(min_value=0, max_value=10**12 - 1))
def test_numbers_round_trip_through_kanji(number: int) -> None:
    assert parse_number(to_kanji(number)) == number
    assert parse_number(str(number)) == number


def test_only_writable_numbers_are_written() -> None:
    with pytest.raises(ValueError, match="not writable"):
        to_kanji(-1)


CLOCK = st.fixed_dictionaries({"hour": st.integers(0, 23)}, optional={"minute": st.integers(1, 59)})
DATE = st.one_of(
    st.fixed_dictionaries({"month": st.integers(1, 12), "day": st.integers(1, 28)}),
    st.fixed_dictionaries({"day_offset": st.integers(0, 3)}),
    st.fixed_dictionaries({"weekday": st.integers(0, 6)}),
    st.just({"special": "weekend"}),
)


@RELAXED
@given(DATE, st.one_of(st.none(), CLOCK), st.sampled_from(["ja", "en"]))
def test_times_round_trip(date: dict[str, Any], clock: dict[str, Any] | None, language: str) -> None:
    value = {**date, **(clock or {})}
    said = fold(render(value, language)).text
    if clock and language == "en" and 1 <= clock["hour"] <= 12:
        # "7 a.m." says which seven, 「7時」 does not.
        value["part_of_day"] = "pm" if clock["hour"] == 12 else "am"
    assert [f.value for f in find_times(said, language)] == [value], said


@RELAXED
@given(st.integers(1, 600), st.sampled_from(["ja", "en"]))
def test_relative_times_round_trip(minutes: int, language: str) -> None:
    said = fold(render({"minutes_from_now": minutes}, language)).text
    assert [f.value for f in find_times(said, language)] == [{"minutes_from_now": minutes}]


@pytest.mark.parametrize(
    ("text", "language", "value"),
    [
        ("今週末", "ja", {"special": "weekend", "week_offset": 0}), ("再来週の金曜", "ja", {"week_offset": 2, "weekday": 4}),
        ("明後日の夕方", "ja", {"day_offset": 2, "part_of_day": "evening"}), ("6/4", "ja", {"month": 6, "day": 4}),
        ("午後3時半", "ja", {"hour": 15, "minute": 30}), ("25時", "ja", {"hour": 25}),
        ("閉店まで", "ja", {"until": {"special": "closing"}}), ("10時まで", "ja", {"until": {"hour": 10}}),
        ("来週の土曜日の午後", "ja", {"week_offset": 1, "weekday": 5, "part_of_day": "afternoon"}),
        ("tonight", "en", {"day_offset": 0, "part_of_day": "night"}), ("next friday at 7 p.m.", "en", {"week_offset": 1, "weekday": 4, "hour": 19}),
        ("in half an hour", "en", {"minutes_from_now": 30}), ("half past seven", "en", {"hour": 7, "minute": 30}),
        ("the 4th of june", "en", {"month": 6, "day": 4}), ("until closing time", "en", {"until": {"special": "closing"}}),
    ],
)  # fmt: skip
def test_times(text: str, language: str, value: dict[str, Any]) -> None:
    assert [f.value for f in find_times(fold(text).text, language)] == [value]


@pytest.mark.parametrize(
    "text",
    [
        "あ" * 10_000,
        "駐車場は" * 2_500,
        "(" * 10_000,
        "1時" * 5_000,
        "not " * 2_500,
        "a1 " * 3_333,
        "の、" * 5_000,
        "🚗" * 10_000,
    ],
)
def test_long_text_is_read_in_time(text: str) -> None:
    extract("温める")
    best = min(_timed(text) for _ in range(3))
    assert best < 0.05


def _timed(text: str) -> float:
    start = time.process_time()
    extract(text)
    return time.process_time() - start
