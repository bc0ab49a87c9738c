"""Times as drivers say them, turned into spans of real time, and back into words.

The input is the value of the entity `time` (docs/understanding-contract.md): a mapping with any of

    month 1 … 12 · day 1 … 31 · weekday 0 (Monday) … 6, or an English name · day_offset (0 today, 1 tomorrow) ·
    week_offset (0 this week, 1 the next) · hour 0 … 29 (25 is one o'clock past midnight) · minute 0 … 59 ·
    part_of_day (`PARTS`) · special `now` `arrival` `closing` `weekend` · minutes_from_now · until (a value like this one)

Everything is arithmetic on the `now` handed in: no clock is read here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Literal, cast

from backends.model import Language

Granularity = Literal["moment", "minute", "hour", "part", "day", "weekend", "week", "month", "range"]

PARTS: Mapping[str, tuple[int, int]] = {
    "dawn": (4, 6), "early_morning": (4, 8), "morning": (6, 11), "am": (0, 12), "noon": (11, 14), "lunch": (11, 14),
    "midday": (11, 14), "day": (9, 18), "daytime": (9, 18), "afternoon": (12, 18), "pm": (12, 24),
    "evening": (16, 20), "night": (18, 24), "tonight": (18, 24), "late_night": (23, 27), "midnight": (23, 27),
}  # fmt: skip
"""Hours [from, to) of the parts of a day; beyond 24 they belong to the night that began the day before."""

_PM_PARTS = frozenset({"noon", "lunch", "midday", "afternoon", "pm", "evening", "night", "tonight"})
_NIGHT_PARTS = frozenset({"night", "tonight", "late_night", "midnight"})
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY_KEYS = frozenset({"month", "day", "weekday", "day_offset", "week_offset"})
_SMALL_HOURS_END = 5
"""Before five in the morning "tonight" and 「25時」 still mean the night that is going on."""


class UnresolvableTime(ValueError):
    """The value names no time: 30 February, hour 77, or an anchor (`arrival`, `closing`) that is not known."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time [start, end)."""

    start: datetime
    """timezone-aware, in the zone of the `now` it was resolved with"""
    end: datetime
    granularity: Granularity
    part: str | None = None
    """the part of the day that was named, a key of `PARTS`"""

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end <= self.start:
            raise ValueError(f"not a span: {self.start} … {self.end}")


def resolve(value: Mapping[str, Any], now: datetime, *, anchors: Mapping[str, datetime] | None = None) -> Span:
    """The span that `value` means to somebody who says it at `now` (timezone-aware local time).

    `anchors` gives the moments behind `special` words that depend on the car: `arrival`, `closing`.
    Raises `UnresolvableTime`.
    """
    span = _without_until(value, now, anchors or {})
    until = value.get("until")
    if not isinstance(until, Mapping) or not until:
        return span
    # 「3時から5時まで」: the end is the first such time after the start, "until Friday" includes Friday.
    last = _without_until(until, span.start, anchors or {})
    if last.granularity in ("moment", "minute", "hour"):
        end = last.start
        if end <= span.start and not _DAY_KEYS & until.keys():
            end += timedelta(days=1)
    else:
        end = last.end
    if end <= span.start:
        raise UnresolvableTime("ends before it begins")
    return Span(span.start, end, "range")


def names_day(value: Mapping[str, Any]) -> bool:
    """Whether the value says which day it means (and not only an hour or a part of the day)."""
    return bool(_DAY_KEYS & value.keys()) or value.get("special") == "weekend"


def _without_until(value: Mapping[str, Any], now: datetime, anchors: Mapping[str, datetime]) -> Span:
    value = {k: v for k, v in value.items() if v is not None}
    if (minutes := _number(value, "minutes_from_now", -1_000_000, 1_000_000)) is not None:
        start = now + timedelta(minutes=minutes)
        return Span(start, start + timedelta(minutes=1), "minute")
    special = value.get("special")
    if special in ("arrival", "closing"):
        if special not in anchors:
            raise UnresolvableTime(f"no {special} is known")
        return Span(anchors[special], anchors[special] + timedelta(hours=1), "moment")
    hour = _number(value, "hour", 0, 29)
    part = value.get("part_of_day")
    part = part if isinstance(part, str) and part in PARTS else None
    if special == "now" or not (names_day(value) or part or hour is not None):
        return Span(now, now + timedelta(hours=1), "moment")
    days = _days(value, now)
    if hour is not None:
        return _at_hour(value, hour, _number(value, "minute", 0, 59), part, days, now)
    if part is not None:
        return _in_part(value, part, days, now)
    assert days is not None
    return days


def _at_hour(
    value: Mapping[str, Any], hour: int, minute: int | None, part: str | None, days: Span | None, now: datetime
) -> Span:
    length = timedelta(hours=1) if minute is None else timedelta(minutes=1)
    granularity: Granularity = "hour" if minute is None else "minute"
    twelve_hour = 1 <= hour <= 12
    if part is not None and hour <= 12:
        # "11 at night", 「夜の1時」: the part says which half of the clock; small hours belong to the next date.
        if part in _PM_PARTS and hour < 12 and not (part in _NIGHT_PARTS and hour < _SMALL_HOURS_END):
            hour += 12
        elif part in _NIGHT_PARTS:
            hour = hour + 12 if _SMALL_HOURS_END <= hour < 12 else hour % 12 + 24
        elif part not in _PM_PARTS and hour == 12:
            hour = 0
        twelve_hour = False

    def on(day: date, at: int) -> datetime:
        return _midnight(day, now) + timedelta(hours=at, minutes=minute or 0)

    today = now.date()
    if days is None:
        # Nothing said about the day: the next time the clock shows it.
        first = today - timedelta(days=1) if hour >= 24 and now.hour < _SMALL_HOURS_END else today
        hours = (hour, hour % 12 + 12) if twelve_hour else (hour,)
        if twelve_hour and hour == 12:
            hours = (0, 12)
        times = [on(first + timedelta(days=d), h) for d in (0, 1) for h in hours]
        start = min(t for t in times if t + length > now)
        return Span(start, start + length, granularity)
    day = days.start.date()
    if twelve_hour and hour < 12:
        if day == today and on(day, hour) + length <= now < on(day, hour + 12) + length:
            hour += 12
        elif day != today and hour < _SMALL_HOURS_END + 1:
            hour += 12  # 「明日の3時」 is not in the middle of the night
    start = on(day, hour)
    if start + length <= now and _recurs(value):
        start += timedelta(days=7)
    return Span(start, start + length, granularity)


def _in_part(value: Mapping[str, Any], part: str, days: Span | None, now: datetime) -> Span:
    first, last = PARTS[part]
    today = now.date()

    def on(day: date) -> tuple[datetime, datetime]:
        midnight = _midnight(day, now)
        return midnight + timedelta(hours=first), midnight + timedelta(hours=last)

    going_on = part in _NIGHT_PARTS and now.hour < _SMALL_HOURS_END
    if days is None or (going_on and days.start.date() == today):
        if going_on:
            return Span(now, _midnight(today, now) + timedelta(hours=_SMALL_HOURS_END), "part", part)
        start, end = on(today)
        if end <= now and days is None:
            start, end = on(today + timedelta(days=1))
        return Span(start, end, "part", part)
    start, end = on(days.start.date())
    if end <= now and _recurs(value):
        start, end = start + timedelta(days=7), end + timedelta(days=7)
    return Span(start, end, "part", part)


def _days(value: Mapping[str, Any], now: datetime) -> Span | None:
    """The day or days named, None when none are."""
    today = now.date()
    weeks = _number(value, "week_offset", -520, 520)
    if value.get("special") == "weekend":
        saturday = today - timedelta(days=today.weekday()) + timedelta(days=5, weeks=weeks or 0)
        return _whole_days(
            max(saturday, today) if not weeks else saturday, saturday + timedelta(days=2), "weekend", now
        )
    if (offset := _number(value, "day_offset", -3650, 3650)) is not None:
        return _one_day(today + timedelta(days=offset), now)
    month, day = _number(value, "month", 1, 12), _number(value, "day", 1, 31)
    if day is not None:
        return _one_day(_calendar_day(today, month, day), now)
    weekday = _weekday(value)
    monday = today - timedelta(days=today.weekday())
    if weekday is not None:
        if weeks is None:
            return _one_day(today + timedelta(days=(weekday - today.weekday()) % 7), now)
        return _one_day(monday + timedelta(days=weekday, weeks=weeks), now)
    if weeks is not None:
        start = monday + timedelta(weeks=weeks)
        return _whole_days(today if weeks == 0 else start, start + timedelta(days=7), "week", now)
    if month is not None:
        year = today.year + (month < today.month)
        first = date(year, month, 1)
        after = date(year + month // 12, month % 12 + 1, 1)
        return _whole_days(max(first, today), after, "month", now)
    return None


def _calendar_day(today: date, month: int | None, day: int) -> date:
    """The next such date, today included; without a month the next month that has the day."""
    for step in range(60):
        if month is not None:
            year, in_month = today.year + step, month
        else:
            year, in_month = today.year + (today.month - 1 + step) // 12, (today.month - 1 + step) % 12 + 1
        try:
            found = date(year, in_month, day)
        except ValueError:
            continue
        if found >= today:
            return found
    raise UnresolvableTime(f"no such day: {month}/{day}")


def _recurs(value: Mapping[str, Any]) -> bool:
    """A bare weekday comes again next week; a date or "this Friday" that is over stays over."""
    return "weekday" in value and "week_offset" not in value


def _one_day(day: date, now: datetime) -> Span:
    return _whole_days(day, day + timedelta(days=1), "day", now)


def _whole_days(first: date, after: date, granularity: Granularity, now: datetime) -> Span:
    return Span(_midnight(first, now), _midnight(after, now), granularity)


def _midnight(day: date, now: datetime) -> datetime:
    return datetime.combine(day, time(), now.tzinfo)


def _weekday(value: Mapping[str, Any]) -> int | None:
    said = value.get("weekday")
    if isinstance(said, str):
        matches = [i for i, name in enumerate(_WEEKDAYS) if len(said) >= 2 and name.startswith(said.lower())]
        if len(matches) != 1:
            raise UnresolvableTime(f"no such weekday: {said[:20]}")
        return matches[0]
    return _number(value, "weekday", 0, 6)


def _number(value: Mapping[str, Any], key: str, low: int, high: int) -> int | None:
    said = value.get(key)
    if said is None:
        return None
    if isinstance(said, bool) or not isinstance(said, (int, float)) or not low <= said <= high:
        raise UnresolvableTime(f"{key} out of range")
    return int(said)


# ---- into words

_JA_WEEKDAYS = "月火水木金土日"
_JA_PARTS = {
    "dawn": "明け方", "early_morning": "早朝", "morning": "朝", "am": "午前", "noon": "昼", "lunch": "昼", "midday": "昼",
    "day": "日中", "daytime": "日中", "afternoon": "午後", "pm": "午後", "evening": "夕方", "night": "夜",
    "tonight": "夜", "late_night": "深夜", "midnight": "深夜",
}  # fmt: skip
_EN_PARTS = {
    "dawn": "dawn", "early_morning": "early morning", "morning": "morning", "am": "morning", "noon": "midday",
    "lunch": "lunchtime", "midday": "midday", "day": "daytime", "daytime": "daytime", "afternoon": "afternoon",
    "pm": "afternoon", "evening": "evening", "night": "night", "tonight": "night", "late_night": "late night",
    "midnight": "late night",
}  # fmt: skip
_EN_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip


def spoken(span: Span, now: datetime, language: Language) -> str:
    """The span as a driver would say it at `now`: 「明日の夕方」, "Saturday evening"."""
    return _spoken_ja(span, now) if language == "ja" else _spoken_en(span, now)


def _days_ahead(moment: datetime, now: datetime) -> int:
    return (moment.date() - now.date()).days


def _weeks_ahead(moment: datetime, now: datetime) -> int:
    monday = now.date() - timedelta(days=now.weekday())
    return (moment.date() - monday).days // 7


def _named_day(span: Span) -> datetime:
    """A moment on the day the span is called by: the night of Saturday goes on past midnight."""
    if span.part in ("late_night", "midnight") and span.start.hour < _SMALL_HOURS_END:
        return span.start - timedelta(days=1)
    return span.start


def _day_ja(moment: datetime, now: datetime) -> str:
    ahead = _days_ahead(moment, now)
    near = {-1: "昨日", 0: "今日", 1: "明日", 2: "明後日"}.get(ahead)
    if near:
        return near
    if 0 < ahead < 7:
        return f"{_JA_WEEKDAYS[moment.weekday()]}曜日"
    year = f"{moment.year}年" if moment.year not in (now.year, now.year + 1) else ""
    return f"{year}{moment.month}月{moment.day}日"


def _clock_ja(moment: datetime, *, minutes: bool) -> str:
    half = "午前" if moment.hour < 12 else "午後"
    return f"{half}{moment.hour % 12}時" + (f"{moment.minute}分" if minutes and moment.minute else "")


def _spoken_ja(span: Span, now: datetime) -> str:
    weeks = _weeks_ahead(span.start, now)
    this = {0: "今", 1: "来", 2: "再来"}.get(weeks)
    if span.granularity == "moment" and abs((span.start - now).total_seconds()) < 120:
        return "いま"
    if span.granularity in ("weekend", "week") and this:
        return f"{this}週{'末' if span.granularity == 'weekend' else ''}"
    if span.granularity in ("weekend", "week"):
        return f"{span.start.month}月{span.start.day}日からの週{'末' if span.granularity == 'weekend' else ''}"
    if span.granularity == "month":
        return "今月" if (span.start.year, span.start.month) == (now.year, now.month) else f"{span.start.month}月"
    day = _day_ja(_named_day(span), now)
    if span.granularity == "day":
        return day
    if span.granularity == "part":
        part = _JA_PARTS[span.part or "day"]
        if day == "今日" and part in ("夜", "朝"):
            return {"夜": "今夜", "朝": "今朝"}[part]
        return f"{day}の{part}"
    if span.granularity == "range":
        first = _clock_ja(span.start, minutes=True)
        if span.end.date() == span.start.date():
            return f"{day}の{first}から{_clock_ja(span.end, minutes=True)}まで"
        last = span.end - timedelta(seconds=1)
        return f"{day}から{_day_ja(last, now)}まで"
    return f"{day}の{_clock_ja(span.start, minutes=True)}"


def _day_en(moment: datetime, now: datetime) -> str:
    ahead = _days_ahead(moment, now)
    near = {-1: "yesterday", 0: "today", 1: "tomorrow"}.get(ahead)
    if near:
        return near
    if 0 < ahead < 7:
        return _WEEKDAYS[moment.weekday()].capitalize()
    year = f", {moment.year}" if moment.year not in (now.year, now.year + 1) else ""
    return f"{_EN_MONTHS[moment.month - 1]} {moment.day}{year}"


def _clock_en(moment: datetime) -> str:
    hour = moment.hour % 12 or 12
    return f"{hour}" + (f":{moment.minute:02d}" if moment.minute else "") + (" a.m." if moment.hour < 12 else " p.m.")


def _spoken_en(span: Span, now: datetime) -> str:
    weeks = _weeks_ahead(span.start, now)
    this = {0: "this", 1: "next"}.get(weeks)
    if span.granularity == "moment" and abs((span.start - now).total_seconds()) < 120:
        return "now"
    if span.granularity in ("weekend", "week"):
        if this:
            return f"{this} {span.granularity}"
        return f"the {span.granularity} of {_EN_MONTHS[span.start.month - 1]} {span.start.day}"
    if span.granularity == "month":
        same = (span.start.year, span.start.month) == (now.year, now.month)
        return "this month" if same else _EN_MONTHS[span.start.month - 1]
    day = _day_en(_named_day(span), now)
    if span.granularity == "day":
        return day
    if span.granularity == "part":
        part = _EN_PARTS[span.part or "day"]
        if day == "today":
            return {"night": "tonight", "late night": "late tonight"}.get(part, f"this {part}")
        return f"{day} {part}"
    if span.granularity == "range":
        if span.end.date() == span.start.date():
            return f"{day} from {_clock_en(span.start)} to {_clock_en(span.end)}"
        return f"{day} to {_day_en(span.end - timedelta(seconds=1), now)}"
    return f"{day} at {_clock_en(span.start)}"


def tidy(value: Any) -> dict[str, Any]:
    """A copy of an entity's value with only the keys this page knows; {} for anything that is no mapping."""
    if not isinstance(value, Mapping):
        return {}
    known = _DAY_KEYS | {"hour", "minute", "part_of_day", "special", "minutes_from_now", "until"}
    return {cast(str, k): v for k, v in value.items() if k in known and v is not None}
