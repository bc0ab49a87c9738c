"""Values of what is said about Agent+: notices, quiet hours, what to forget, who drives."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.nlu.values.extractor import extract


def values(text: str, language: str, *entities: str) -> list[tuple[str, Any]]:
    return sorted((e["entity"], e["value"]) for e in extract(text, language) if e["entity"] in entities)


@pytest.mark.parametrize(
    ("text", "language", "wanted"),
    [
        ("渋滞のお知らせは平日の朝だけにして", "ja", {"notice_class": "jam", "notice_change": "only", "notice_days": "weekdays", "notice_part": "morning"}),
        ("天気の通知は止めて", "ja", {"notice_class": "weather", "notice_change": "off"}),
        ("お知らせを減らして", "ja", {"notice_change": "less"}),
        ("事故があったら必ず教えて", "ja", {"notice_class": "accident", "notice_change": "on"}),
        ("stop telling me about jams", "en", {"notice_class": "jam", "notice_change": "off"}),
        ("only warn me about accidents at weekends", "en", {"notice_class": "accident", "notice_change": "only", "notice_days": "weekends"}),
        ("fewer notices please", "en", {"notice_change": "less"}),
    ],
)  # fmt: skip
def test_which_notices_and_when(text: str, language: str, wanted: dict[str, str]) -> None:
    keys = ("notice_class", "notice_change", "notice_days", "notice_part")
    assert values(text, language, *keys) == sorted(wanted.items())


@pytest.mark.parametrize(
    ("text", "language", "value"),
    [
        ("夜9時以降は話しかけないで", "ja", {"from": "21:00"}),
        ("夜の10時から朝6時半までは静かにして", "ja", {"from": "22:00", "to": "06:30"}),
        ("朝7時までは黙っていて", "ja", {"to": "07:00"}),
        ("夜は話しかけないで", "ja", {"from": "21:00", "to": "07:00"}),
        ("静かな時間は解除して", "ja", "off"),
        ("don't talk to me after nine", "en", {"from": "21:00"}),
        ("no notices between 10 at night and 7 in the morning", "en", {"from": "22:00", "to": "07:00"}),
        ("cancel quiet hours", "en", "off"),
    ],
)
def test_quiet_hours(text: str, language: str, value: Any) -> None:
    assert values(text, language, "quiet_hours") == [("quiet_hours", value)]


@given(st.integers(0, 23), st.integers(0, 23))
def test_hours_with_two_digits_are_what_was_said(begin: int, end: int) -> None:
    if 6 <= begin <= 11:
        begin += 12
    said = values(f"{begin}時から{end}時までは話しかけないで", "ja", "quiet_hours")
    assert said == [("quiet_hours", {"from": f"{begin:02d}:00", "to": f"{end:02d}:00"})]


@pytest.mark.parametrize(
    ("text", "language", "value"),
    [
        ("運転するのは妻です", "ja", {"relation": "wife"}),
        ("ドライバーは花子です", "ja", {"name": "花子"}),
        ("ゲストが運転します", "ja", {"guest": True}),
        ("私の設定に戻して", "ja", {"self": True}),
        ("my husband is driving", "en", {"relation": "husband"}),
        ("this is Anna driving today", "en", {"name": "Anna"}),
        ("switch to guest mode", "en", {"guest": True}),
    ],
)
def test_who_drives(text: str, language: str, value: dict[str, Any]) -> None:
    assert [v for _, v in values(text, language, "driver")] == [value]


@pytest.mark.parametrize(
    ("text", "language", "entity", "value"),
    [
        ("エージェントプラスを止めて", "ja", "agentplus_command", "pause"),
        ("学習を再開して", "ja", "agentplus_command", "resume"),
        ("reset agent plus", "en", "agentplus_command", "initialise"),
        ("もうその店は勧めないで", "ja", "forget", "place"),
        ("forget what I like", "en", "forget", "taste"),
        ("昨日のドライブは忘れて", "ja", "forget", "trips"),
        ("あとで教えて", "ja", "notice_answer", "later"),
        ("is there another way", "en", "notice_answer", "other_way"),
        ("覚えてる場所を見せて", "ja", "learnt", "places"),
    ],
)
def test_what_is_wished_of_it(text: str, language: str, entity: str, value: str) -> None:
    assert values(text, language, entity) == [(entity, value)]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("渋谷でイタリアンを探して", "ja"), ("明日の天気を教えて", "ja"), ("渋滞してる？", "ja"), ("エアコンを22度にして", "ja"),
        ("find a cheap hotel in yokohama", "en"), ("what's the traffic like", "en"), ("turn the volume down", "en"),
    ],
)  # fmt: skip
def test_other_sentences_hold_none_of_it(text: str, language: str) -> None:
    new = (
        "notice_class",
        "notice_change",
        "notice_days",
        "notice_part",
        "quiet_hours",
        "driver",
        "agentplus_command",
        "forget",
        "learnt",
    )
    assert values(text, language, *new) == []
