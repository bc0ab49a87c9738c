"""Times as said, on a calendar."""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.times import PARTS, UnresolvableTime, resolve, spoken

JST = timezone(timedelta(hours=9))
WEDNESDAY = datetime(2026, 6, 3, 10, 20, tzinfo=JST)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=JST)


@pytest.mark.parametrize(
    ("value", "start", "end", "granularity"),
    [
        ({"day_offset": 1}, "2026-06-04", "2026-06-05", "day"),
        ({"day_offset": 2}, "2026-06-05", "2026-06-06", "day"),
        ({"day_offset": 1, "part_of_day": "evening"}, "2026-06-04T16:00", "2026-06-04T20:00", "part"),
        ({"day_offset": 0, "part_of_day": "night"}, "2026-06-03T18:00", "2026-06-04", "part"),
        ({"special": "weekend"}, "2026-06-06", "2026-06-08", "weekend"),
        ({"special": "weekend", "week_offset": 1}, "2026-06-13", "2026-06-15", "weekend"),
        ({"weekday": 4, "week_offset": 2}, "2026-06-19", "2026-06-20", "day"),  # 再来週の金曜
        ({"weekday": "friday", "week_offset": 1}, "2026-06-12", "2026-06-13", "day"),
        ({"weekday": 6}, "2026-06-07", "2026-06-08", "day"),  # 今度の日曜
        ({"weekday": 2}, "2026-06-03", "2026-06-04", "day"),  # today is a Wednesday
        ({"weekday": 0}, "2026-06-08", "2026-06-09", "day"),
        ({"week_offset": 1}, "2026-06-08", "2026-06-15", "week"),
        ({"week_offset": 0}, "2026-06-03", "2026-06-08", "week"),
        ({"month": 7, "day": 3}, "2026-07-03", "2026-07-04", "day"),
        ({"month": 6, "day": 3}, "2026-06-03", "2026-06-04", "day"),
        ({"month": 3, "day": 22}, "2027-03-22", "2027-03-23", "day"),  # over: next year
        ({"month": 2, "day": 29}, "2028-02-29", "2028-03-01", "day"),
        ({"day": 2}, "2026-07-02", "2026-07-03", "day"),
        ({"day": 31}, "2026-07-31", "2026-08-01", "day"),  # June has none
        ({"month": 8}, "2026-08-01", "2026-09-01", "month"),
        ({"month": 5}, "2027-05-01", "2027-06-01", "month"),
        ({"hour": 15}, "2026-06-03T15:00", "2026-06-03T16:00", "hour"),
        ({"hour": 9}, "2026-06-03T21:00", "2026-06-03T22:00", "hour"),  # nine in the morning is over
        ({"hour": 3}, "2026-06-03T15:00", "2026-06-03T16:00", "hour"),
        ({"hour": 10}, "2026-06-03T10:00", "2026-06-03T11:00", "hour"),  # going on
        ({"hour": 25}, "2026-06-04T01:00", "2026-06-04T02:00", "hour"),
        ({"hour": 25, "day_offset": 1}, "2026-06-05T01:00", "2026-06-05T02:00", "hour"),
        ({"day_offset": 1, "hour": 3}, "2026-06-04T15:00", "2026-06-04T16:00", "hour"),
        ({"day_offset": 1, "hour": 7}, "2026-06-04T07:00", "2026-06-04T08:00", "hour"),
        ({"day_offset": 0, "hour": 8}, "2026-06-03T20:00", "2026-06-03T21:00", "hour"),
        ({"hour": 7, "part_of_day": "evening"}, "2026-06-03T19:00", "2026-06-03T20:00", "hour"),
        ({"hour": 1, "part_of_day": "night"}, "2026-06-04T01:00", "2026-06-04T02:00", "hour"),
        ({"hour": 12, "part_of_day": "night"}, "2026-06-04T00:00", "2026-06-04T01:00", "hour"),
        ({"hour": 11, "part_of_day": "night"}, "2026-06-03T23:00", "2026-06-04T00:00", "hour"),
        ({"hour": 3, "minute": 30, "part_of_day": "pm"}, "2026-06-03T15:30", "2026-06-03T15:31", "minute"),
        ({"part_of_day": "morning"}, "2026-06-03T06:00", "2026-06-03T11:00", "part"),
        ({"minutes_from_now": 90}, "2026-06-03T11:50", "2026-06-03T11:51", "minute"),
        ({"special": "now"}, "2026-06-03T10:20", "2026-06-03T11:20", "moment"),
        ({}, "2026-06-03T10:20", "2026-06-03T11:20", "moment"),
        ({"hour": 15, "until": {"hour": 17}}, "2026-06-03T15:00", "2026-06-03T17:00", "range"),
        ({"hour": 22, "until": {"hour": 2}}, "2026-06-03T22:00", "2026-06-04T02:00", "range"),
        ({"day_offset": 1, "until": {"weekday": 4}}, "2026-06-04", "2026-06-06", "range"),
    ],
)
def test_meaning_on_a_wednesday_morning(value: dict[str, Any], start: str, end: str, granularity: str) -> None:
    span = resolve(value, WEDNESDAY)
    assert (span.start, span.end, span.granularity) == (at(start), at(end), granularity)


def test_on_sunday_this_weekend_is_what_is_left_of_it() -> None:
    span = resolve({"special": "weekend"}, at("2026-06-07T09:00"))
    assert (span.start, span.end) == (at("2026-06-07"), at("2026-06-08"))


def test_morning_said_in_the_afternoon_is_tomorrows() -> None:
    assert resolve({"part_of_day": "morning"}, at("2026-06-03T14:00")).start == at("2026-06-04T06:00")
    said = resolve({"day_offset": 0, "part_of_day": "morning"}, at("2026-06-03T14:00"))
    assert said.end < at("2026-06-03T14:00"), "this morning is over, and stays over"


def test_after_midnight_tonight_is_the_night_going_on() -> None:
    span = resolve({"day_offset": 0, "part_of_day": "night"}, at("2026-06-04T00:40"))
    assert (span.start, span.end) == (at("2026-06-04T00:40"), at("2026-06-04T05:00"))
    assert resolve({"hour": 25}, at("2026-06-04T00:40")).start == at("2026-06-04T01:00")


def test_a_weekday_whose_hour_is_over_today_is_next_weeks() -> None:
    assert resolve({"weekday": 2, "hour": 15}, at("2026-06-03T18:00")).start == at("2026-06-10T15:00")


@pytest.mark.parametrize(
    "value",
    [{"month": 2, "day": 30}, {"hour": 77}, {"month": 13}, {"weekday": "noday"}, {"special": "arrival"}, {"hour": "x"}],
)
def test_no_such_time(value: dict[str, Any]) -> None:
    with pytest.raises(UnresolvableTime):
        resolve(value, WEDNESDAY)


def test_arrival_is_given_by_the_navigation() -> None:
    eta = WEDNESDAY + timedelta(hours=2)
    assert resolve({"special": "arrival"}, WEDNESDAY, anchors={"arrival": eta}).start == eta


@pytest.mark.parametrize(
    ("value", "ja", "en"),
    [
        ({"day_offset": 1, "part_of_day": "evening"}, "明日の夕方", "tomorrow evening"),
        ({"weekday": 5, "part_of_day": "evening"}, "土曜日の夕方", "Saturday evening"),
        ({"day_offset": 0, "part_of_day": "night"}, "今夜", "tonight"),
        ({"day_offset": 0}, "今日", "today"),
        ({"special": "weekend"}, "今週末", "this weekend"),
        ({"special": "weekend", "week_offset": 1}, "来週末", "next weekend"),
        ({"week_offset": 2}, "再来週", "the week of June 15"),
        ({"month": 7, "day": 3}, "7月3日", "July 3"),
        ({"month": 8}, "8月", "August"),
        ({"day_offset": 1, "hour": 15}, "明日の午後3時", "tomorrow at 3 p.m."),
        ({"hour": 12}, "今日の午後0時", "today at 12 p.m."),
        ({"special": "now"}, "いま", "now"),
        ({"hour": 15, "until": {"hour": 17}}, "今日の午後3時から午後5時まで", "today from 3 p.m. to 5 p.m."),
        ({"day_offset": 1, "until": {"weekday": 4}}, "明日から明後日まで", "tomorrow to Friday"),
    ],
)
def test_spoken(value: dict[str, Any], ja: str, en: str) -> None:
    span = resolve(value, WEDNESDAY)
    assert spoken(span, WEDNESDAY, "ja") == ja
    assert spoken(span, WEDNESDAY, "en") == en


_days = st.one_of(
    st.fixed_dictionaries({"day_offset": st.integers(0, 30)}),
    st.fixed_dictionaries({"weekday": st.integers(0, 6)}),
    st.fixed_dictionaries({"weekday": st.integers(0, 6), "week_offset": st.integers(1, 4)}),
    st.fixed_dictionaries({"month": st.integers(1, 12), "day": st.integers(1, 28)}),
    st.fixed_dictionaries({"day": st.integers(1, 31)}),
    st.just({"special": "weekend"}),
)
_hours = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"hour": st.integers(0, 29)}),
    st.fixed_dictionaries({"part_of_day": st.sampled_from(sorted(PARTS))}),
    st.fixed_dictionaries({"hour": st.integers(1, 12), "part_of_day": st.sampled_from(sorted(PARTS))}),
)
_nows = st.datetimes(datetime(2024, 1, 1), datetime(2032, 12, 31)).map(lambda d: d.replace(tzinfo=JST))


@given(_days, _nows)
def test_days_lie_ahead_and_are_whole(days: dict[str, Any], now: datetime) -> None:
    span = resolve(days, now)
    assert span.end > now
    assert span.start.date() >= now.date()
    assert (span.start.hour, span.start.minute) == (0, 0)
    if "weekday" in days:
        assert span.start.weekday() == days["weekday"]
    if "day" in days:
        assert span.start.day == days["day"]


@given(_hours.filter(bool), _nows)
def test_times_without_a_day_lie_ahead_within_two_days(hours: dict[str, Any], now: datetime) -> None:
    span = resolve(hours, now)
    assert span.end > now
    assert span.start < now + timedelta(hours=53)
    if "hour" in hours and "part_of_day" not in hours:
        assert span.start.hour % 12 == hours["hour"] % 12


@given(_days, _hours, _nows)
def test_every_time_can_be_said(days: dict[str, Any], hours: dict[str, Any], now: datetime) -> None:
    span = resolve({**days, **hours}, now)
    assert span.start < span.end
    assert spoken(span, now, "ja")
    assert spoken(span, now, "en")


@given(st.dictionaries(st.sampled_from(["month", "day", "hour", "minute", "weekday", "part_of_day", "special", "until"]),
                       st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=5), st.booleans(), st.just({"hour": 3}))), _nows)  # fmt: skip
def test_nonsense_is_refused_in_one_way(value: dict[str, Any], now: datetime) -> None:
    with contextlib.suppress(UnresolvableTime):
        resolve(value, now)
