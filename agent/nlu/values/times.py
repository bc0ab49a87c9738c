"""Times as said, in Japanese and English → time values.

A time value has any of: `month` 1–12, `day` 1–31, `weekday` 0 (Monday) – 6 (Sunday), `day_offset` (0 today), `week_offset` (0 this week),
`hour` 0–29, `minute` 0–59, `part_of_day` (a key of `backends.times.PARTS`), `special` (now arrival closing weekend),
`minutes_from_now`, `until` (a time value). An hour of the afternoon or evening is 24-hour; before one o'clock in the afternoon the part of the
day stays beside the hour (深夜1時, "3 am"), since seven by itself may be either. 25時 stays 25.

Pieces (a date, a weekday, a part of the day, a clock time) are found one by one and joined where only particles stand between them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from agent.nlu.values.model import Found
from agent.nlu.values.numbers import NUMBER_EN, NUMBER_JA, parse_number, to_kanji

TimeValue = dict[str, Any]

_N = r"(\d{1,2}|[〇零一二三四五六七八九十]{1,3})"
_WEEKDAYS_JA = "月火水木金土日"
_PARTS_JA = {
    "未明": "dawn", "明け方": "dawn", "早朝": "early_morning", "朝一番": "early_morning", "朝一": "early_morning", "朝いち": "early_morning",
    "朝方": "early_morning", "朝": "morning",
    "午前中": "morning", "午前": "morning", "お昼": "noon", "昼過ぎ": "afternoon", "昼すぎ": "afternoon", "昼頃": "noon", "昼間": "noon",
    "昼": "noon", "午後": "afternoon", "夕方": "evening", "夕刻": "evening", "日中": "afternoon", "夜中": "late_night", "真夜中": "late_night",
    "深夜": "late_night", "夜遅く": "late_night", "夜": "night", "晩": "night",
}  # fmt: skip
_DAYS_JA = {
    "今日": 0, "きょう": 0, "本日": 0, "当日": None, "明日": 1, "あした": 1, "あす": 1, "明後日": 2, "あさって": 2, "明明後日": 3, "明々後日": 3,
    "しあさって": 3, "昨日": -1, "きのう": -1, "一昨日": -2, "おととい": -2, "翌日": 1,
}  # fmt: skip
_TONIGHT_JA = {"今夜": (0, "night"), "今晩": (0, "night"), "今朝": (0, "morning"), "けさ": (0, "morning"), "明晩": (1, "night"), "明朝": (1, "morning"), "今夕": (0, "evening"), "昨夜": (-1, "night"), "昨晩": (-1, "night")}  # fmt: skip
_WEEKS_JA = {"今週": 0, "来週": 1, "再来週": 2, "さ来週": 2, "先週": -1}
_MONTHS_EN = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
_WEEKDAYS_EN = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_WEEKDAY_FORMS_EN = {
    **{name: i for i, name in enumerate(_WEEKDAYS_EN)},
    "mon": 0, "tue": 1, "tues": 1, "wed": 2, "weds": 2, "thu": 3, "thur": 3, "thurs": 3, "fri": 4,
}  # fmt: skip
_ORDINALS_EN = {
    "first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9, "tenth": 10,
    "eleventh": 11, "twelfth": 12, "thirteenth": 13, "fourteenth": 14, "fifteenth": 15, "sixteenth": 16, "seventeenth": 17,
    "eighteenth": 18, "nineteenth": 19, "twentieth": 20, "twenty first": 21, "twenty-first": 21, "twenty second": 22, "twenty-second": 22,
    "twenty third": 23, "twenty-third": 23, "twenty fourth": 24, "twenty-fourth": 24, "twenty fifth": 25, "twenty-fifth": 25,
    "twenty sixth": 26, "twenty-sixth": 26, "twenty seventh": 27, "twenty-seventh": 27, "twenty eighth": 28, "twenty-eighth": 28,
    "twenty ninth": 29, "twenty-ninth": 29, "thirtieth": 30, "thirty first": 31, "thirty-first": 31,
}  # fmt: skip
_HOURS_EN = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12}  # fmt: skip
_MINUTES_EN = {"fifteen": 15, "twenty": 20, "thirty": 30, "forty": 40, "forty five": 45, "forty-five": 45, "fifty": 50, "ten": 10, "oh five": 5, "five": 5, "twenty five": 25, "twenty-five": 25, "fifty five": 55, "thirty five": 35}  # fmt: skip


def _alternatives(words: Mapping[str, Any] | tuple[str, ...]) -> str:
    return "|".join(sorted((re.escape(w) for w in words), key=len, reverse=True))


_MD = rf"{_N}月(?:の)?{_N}日?(?![時点])"
_JA = re.compile(
    "|".join(
        (
            rf"(?P<md>{_MD.replace('(', '(?:').replace('(?:?:', '(?:').replace('(?:?!', '(?!')})",
            r"(?P<slash>(?<![\d/])(?:1[0-2]|0?[1-9])/(?:3[01]|[12]\d|0?[1-9])(?![\d/]))",
            rf"(?P<rel>(?:あと|今から)?(?:{NUMBER_JA}|数)(?:時間半|時間|分|分間)(?:後|くらい後|ぐらい後|ほど後|したら|経ったら|以内に|で着))",
            rf"(?P<daysafter>(?:{NUMBER_JA})(?:日後|週間後))",
            rf"(?P<tonight>{_alternatives(_TONIGHT_JA)})",
            rf"(?P<day>{_alternatives(_DAYS_JA)})",
            r"(?P<weekend>(?:(?:今度の|次の|この)?(?:今週|来週|再来週|さ来週)?(?:の)?週末|今週末|来週末|土日))",
            r"(?P<nextweekday>(?:今度の|次の|この)[月火水木金土日](?:曜日?|(?=[、。にのはで]|$)))",
            rf"(?P<week>{_alternatives(_WEEKS_JA)})(?:の(?P<weekofday>[月火水木金土日])(?:曜日?)?(?![一-龯]))?",
            r"(?P<weekday>(?<![一-龯])[月火水木金土日]曜日?)",
            rf"(?P<clock>(?:{NUMBER_JA})時(?!間)(?:半|(?:{NUMBER_JA})分|ちょうど)?|(?<![\d:])(?:[01]?\d|2[0-9]):[0-5]\d(?![\d:]))",
            r"(?P<noonclock>正午|零時)",
            rf"(?P<dom>(?<![\d月/.])(?:{_N.replace('(', '(?:')})日(?!間|後|以|本|帰|数|目|中|程|当|替|常|語|曜|前|分))",
            rf"(?P<part>(?:(?:お)?昼(?:過ぎ|すぎ)|{_alternatives(_PARTS_JA)})(?!ご飯|ごはん|飯|食|景|市|ごろ飯|中華|モード|画面|営業許|型|表示|間モード|間の表示|間料金))",
            r"(?P<arrival>(?:到着|着)(?:時刻|予定)?(?:く|いた)?(?:時|頃|ころ|ごろ)(?!間|刻)|着くころ|着く頃|到着する(?:頃|ころ|時)|着いた(?:時|頃|とき)|着く時間|到着時)",
            r"(?P<closing>閉店(?:時間|時刻)?(?=まで|ぎりぎり|間際|前))",
            r"(?P<now>(?:今すぐ|たった今|現在(?!地)|ただいま|ただ今|いますぐ|今から|これから|この後|このあと|(?<![一-龯])今(?=、|も|開|空|やって|の時間|の天気|は|営業)|(?<![ぁ-ん])いま(?=開|空|やって)))",
        )
    )
)
_GLUE_JA = re.compile(r"(?:の|に|、|\(|\)|は|[ ・]|ごろの|頃の|\([月火水木金土日]\))*")
_UNTIL_JA = re.compile(r"(?:ごろ|頃|くらい|ぐらい|ころ)?(?:まで(?!に?行|お願|案内|どの|の(?:道|ルート|距離|所要)))")
_AROUND_JA = re.compile(r"(?:ごろ|頃|くらい|ぐらい|ころ|過ぎ|すぎ)")

_NUM_EN = "(?:" + NUMBER_EN.replace(r"\b(?:(?:", r"(?:(?:", 1) + ")"
_MONTH_EN = "|".join((*_MONTHS_EN, "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sept", "sep", "oct", "nov", "dec"))
_ORD_EN = rf"(?:\d{{1,2}}(?:st|nd|rd|th)|{_alternatives(_ORDINALS_EN)})"
_DAYNUM_EN = rf"(?:{_ORD_EN}|\d{{1,2}})(?!\d|:| ?(?:p\.?m|a\.?m)\b)"
_AMPM = r"(?: ?(?:a\. ?m\b\.?|p\. ?m\b\.?|a\.?m\b\.?|p\.?m\b\.?)| o'?clock(?: (?:a\.?m\b\.?|p\.?m\b\.?))?)"
_HOUR_EN = rf"(?:\d{{1,2}}|{_alternatives(_HOURS_EN)})"
_EN = re.compile(
    r"\b(?:"
    + "|".join(
        (
            rf"(?P<md>(?:{_MONTH_EN})\.? (?:the )?{_DAYNUM_EN}|(?:the )?{_DAYNUM_EN} (?:of )?(?:{_MONTH_EN})(?![a-z]))",
            r"(?P<slash>(?<![\d/])(?:1[0-2]|0?[1-9])/(?:3[01]|[12]\d|0?[1-9])(?![\d/]))",
            rf"(?P<rel>(?:in|within) (?:about |around |the next )?(?:half an hour|an hour and a half|an? (?:hour|minute|couple of hours)|(?:{_NUM_EN}|a few|a couple of) ?(?:minutes?|mins?|hours?|hrs?)(?: and a half)?)|(?:{_NUM_EN}|an?|half an) (?:minutes?|hours?) from now)",
            rf"(?P<daysafter>in (?:a|{_NUM_EN}|a couple of|a few) (?:days?|weeks?)\b|(?:a|{_NUM_EN}) (?:days?|weeks?) from (?:now|today))",
            r"(?P<dayafter>the day after tomorrow|day after tomorrow|(?<=and )the day after(?= *(?:[.?!]|$)))",
            r"(?P<tonight>tonight|tonite|last night)",
            r"(?P<day>today|tomorrow|yesterday|tomorow|tmrw|tomorrow's|today's)",
            r"(?P<weekend>(?:this|next|the|coming|this coming|over the|on the|following)? ?weekend(?:s)?)",
            rf"(?P<weekday>(?:(?:this|next|on|coming|this coming|the following) )?(?:{_alternatives(_WEEKDAY_FORMS_EN)})(?:s|'s)?(?: (?:after next|next week|this week))?)",
            r"(?P<week>(?:this|next|the following|the coming|the week after next) ?week(?: after next)?)",
            rf"(?P<clock>(?:at |by |around |about |for |until |till |before |after |from |past )(?P<bare>{_HOUR_EN})(?:(?: ?: ?|[ .])(?P<baremin>[0-5]\d|{_alternatives(_MINUTES_EN)}))?(?P<barehalf>{_AMPM})?(?!\d|[ -]?(?:miles?|km|minutes?|mins?|hours?|stars?|people|persons?|dollars?|yen|percent|degrees?|k\b|meters?|thousand|hundred|star\b|%|kilomet|nights?|guests?|or|adults|of us|days?|weeks?|/))|{_HOUR_EN}(?: ?: ?[0-5]\d)(?:{_AMPM})?|{_HOUR_EN}(?: (?:{_alternatives(_MINUTES_EN)}))?{_AMPM}|{_HOUR_EN}(?= (?:in the (?:morning|afternoon|evening)|at night)\b)|(?:half past|half(?= (?:{_alternatives(_HOURS_EN)}))|quarter past|quarter to|a quarter past|a quarter to|{_NUM_EN} (?:minutes )?(?:past|to)) {_HOUR_EN}(?:{_AMPM})?)",
            r"(?P<noonclock>noon|midday|midnight)",
            r"(?P<part>(?<!\ba )(?<!\bper )(?:(?:this|in the|early|late|during the|at|early in the|later this|for|all) )?(?:morning|afternoon|evening|night|lunchtime|lunch time|dinnertime|dinner time|evenings?|nights?)(?! (?:view|mode|club)))",
            r"(?P<arrival>(?:when|by the time|the time|once) (?:i|we) (?:arrive|get there|get to|reach|'?ll arrive)|on arrival|at arrival|upon arrival|(?:at )?(?:my|our|the) (?:eta|arrival time|time of arrival|arrival))",
            r"(?P<closing>(?:closing time|they close|it closes|close))(?<=until closing time|.until they close|.until it closes|....until close|till closing time|..till they close|..till it closes|.....till close)",
            r"(?P<now>right now|now|at the moment|currently|at this time|presently|immediately|at present|this minute|right away)",
            rf"(?P<dom>(?:on )?the {_ORD_EN}(?= *(?:$|[,.?!]|of (?:this|next) month|at|in the)))",
        )
    ).replace(
        r"|(?P<closing>(?:closing time|they close|it closes|close))(?<=until closing time|.until they close|.until it closes|....until close|till closing time|..till they close|..till it closes|.....till close)",
        r"|(?P<closing>(?<=until )(?:closing(?: time)?|they close|it closes|close)|(?<=till )(?:closing(?: time)?|they close|it closes|close))",
    )
    + r")(?![a-z0-9])"
)
_GLUE_EN = re.compile(r"(?:,| |at|on|in|of|the|for|around|about|early|late|by)*")
_UNTIL_EN = re.compile(r"(?:until|till|til|through|by) *$")


def find_times(text: str, language: str) -> list[Found]:
    """Time values in folded text, pieces joined."""
    pieces = _pieces_en(text) if language == "en" else _pieces_ja(text)
    glue = _GLUE_EN if language == "en" else _GLUE_JA
    joined: list[tuple[int, int, TimeValue]] = []
    for start, end, value in pieces:
        if joined:
            last_start, last_end, last = joined[-1]
            if glue.fullmatch(text, last_end, start) and _compatible(last, value):
                joined[-1] = (last_start, end, {**last, **value})
                continue
        joined.append((start, end, value))
    found: list[Found] = []
    for start, end, value in joined:
        value = settle(value)
        if not value:
            continue
        if language == "en":
            before = _UNTIL_EN.search(text[:start])
            if (before and "special" not in value) or value.get("special") == "closing":
                value = {"until": value}
                start = before.start() if before else start
        else:
            around = _AROUND_JA.match(text, end)
            end = around.end() if around else end
            until = _UNTIL_JA.match(text, end)
            if until and ({"hour", "part_of_day"} & set(value) or value.get("special") == "closing"):
                value, end = {"until": value}, until.end()
        before_it = found[-1] if found else None
        if (
            before_it
            and "until" in value
            and before_it.value.get("hour") is not None
            and text[before_it.end : start].strip() == "から"
        ):
            # 「3時から5時まで」 is one stretch of time.
            found[-1] = Found(before_it.start, end, "time", {**before_it.value, **value})
            continue
        found.append(Found(start, end, "time", value))
    return found


def _compatible(one: TimeValue, other: TimeValue) -> bool:
    if "special" in one and one["special"] != "weekend":
        return False
    shared = (set(one) & set(other)) - {"_half"}
    if shared == {"week_offset"} and one["week_offset"] == other["week_offset"]:
        return True
    return not shared and not ({"minutes_from_now"} & (set(one) | set(other)))


def settle(value: TimeValue) -> TimeValue:
    """An hour is put into its half of the day; up to noon its part of the day stays, for `backends.times` to tell seven from nineteen."""
    value = dict(value)
    half = value.pop("_half", None)
    hour = value.get("hour")
    part = value.get("part_of_day")
    if hour is not None:
        if half == "pm" and hour < 12:
            hour += 12
        elif half == "am" and hour == 12:
            hour = 0
        elif (
            (half is None and part in ("afternoon", "evening") and hour < 12)
            or (half is None and part == "noon" and hour <= 3)
            or (half is None and part in ("night", "late_night") and (5 <= hour < 12))
        ):
            hour += 12
        if hour > 29:
            value.pop("hour")
            value.pop("minute", None)
            return value
        value["hour"] = hour
        if half is not None:
            part = value["part_of_day"] = half
        if hour > 12 or (hour == 0 and part not in ("late_night", "night")):
            value.pop("part_of_day", None)
    return value


def _pieces_ja(text: str) -> list[tuple[int, int, TimeValue]]:
    pieces: list[tuple[int, int, TimeValue]] = []
    for match in _JA.finditer(text):
        kind = match.lastgroup
        said = match.group(0)
        value: TimeValue | None = None
        if match.group("week"):
            value = {"week_offset": _WEEKS_JA[match["week"]]}
            if match.group("weekofday"):
                value["weekday"] = _WEEKDAYS_JA.index(match["weekofday"])
        elif kind == "md":
            numbers = re.fullmatch(rf"{_N}月の?{_N}日?", said)
            value = _month_day(numbers[1], numbers[2]) if numbers else None
        elif kind == "slash":
            month, _, day = said.partition("/")
            value = _month_day(month, day)
        elif kind == "rel":
            value = _relative_ja(said)
        elif kind == "daysafter":
            amount = parse_number(re.sub(r"(?:日後|週間後)$", "", said))
            if amount is not None:
                value = {"day_offset": int(amount) * (7 if said.endswith("週間後") else 1)}
        elif kind == "tonight":
            offset, part = _TONIGHT_JA[said]
            value = {"day_offset": offset, "part_of_day": part}
        elif kind == "day":
            days = _DAYS_JA[said]
            value = None if days is None else {"day_offset": days}
        elif kind == "weekend":
            value = {"special": "weekend"}
            for word, weeks in _WEEKS_JA.items():
                if said.startswith(word) or word in said:
                    value["week_offset"] = weeks if not said.startswith(("再来週", "さ来週")) else 2
        elif kind in ("nextweekday", "weekday"):
            name = re.search(r"([月火水木金土日])(?:曜日?)?$", said)
            value = {"weekday": _WEEKDAYS_JA.index(name[1])} if name else None
        elif kind == "clock":
            value = _clock_ja(said)
        elif kind == "noonclock":
            value = {"hour": 12, "part_of_day": "noon"} if said == "正午" else {"hour": 0}
        elif kind == "dom":
            number = parse_number(said[:-1])
            value = {"day": int(number)} if number and 1 <= number <= 31 else None
        elif kind == "part":
            value = {"part_of_day": _PARTS_JA.get(said) or "afternoon"}
            if said in ("午前",):
                value["_half"] = "am"
            elif said == "午後":
                value["_half"] = "pm"
        elif kind in ("arrival", "closing", "now"):
            value = {"special": kind}
        if value:
            pieces.append((match.start(), match.end(), value))
    return pieces


def _month_day(month: str, day: str) -> TimeValue | None:
    m, d = parse_number(month), parse_number(day)
    if m is None or d is None or not (1 <= m <= 12 and 1 <= d <= 31):
        return None
    return {"month": int(m), "day": int(d)}


def _clock_ja(said: str) -> TimeValue | None:
    if ":" in said:
        hour, _, minute = said.partition(":")
        return {"hour": int(hour), "minute": int(minute)}
    left, _, right = said.partition("時")
    hours = parse_number(left)
    if hours is None or hours > 30 or hours != int(hours):
        return None
    value: TimeValue = {"hour": int(hours)}
    if right == "半":
        value["minute"] = 30
    elif right.endswith("分"):
        minutes = parse_number(right[:-1])
        if minutes is None or not 0 <= minutes < 60:
            return None
        value["minute"] = int(minutes)
    return value


def _relative_ja(said: str) -> TimeValue | None:
    match = re.match(rf"(?:あと|今から)?({NUMBER_JA}|数)(時間半|時間|分)", said)
    if not match:
        return None
    amount = 3.0 if match[1] == "数" else parse_number(match[1])
    if amount is None:
        return None
    factor = 1 if match[2] == "分" else 60
    return {"minutes_from_now": round(amount * factor + (30 if match[2] == "時間半" else 0))}


def _pieces_en(text: str) -> list[tuple[int, int, TimeValue]]:
    pieces: list[tuple[int, int, TimeValue]] = []
    for match in _EN.finditer(text):
        said = match.group(0)
        kind = next(
            (k for k in match.groupdict() if match.group(k) is not None and k not in ("bare", "baremin", "barehalf")),
            "",
        )
        start = match.start()
        value: TimeValue | None = None
        if kind == "md":
            value = _month_day_en(said)
        elif kind == "slash":
            month, _, day = said.partition("/")
            value = _month_day(month, day)
        elif kind == "rel":
            value = _relative_en(said)
        elif kind == "daysafter":
            amount = 2.0 if "couple" in said else 3.0 if "few" in said else parse_number(re.sub(r"^in |^a (?=day|week)|(?: days?| weeks?).*$", "", said)) or 1.0  # fmt: skip
            value = {"day_offset": round(amount * (7 if "week" in said else 1))}
        elif kind == "dayafter":
            value = {"day_offset": 2}
        elif kind == "tonight":
            value = {"day_offset": -1 if said.startswith("last") else 0, "part_of_day": "night"}
        elif kind == "day":
            value = {"day_offset": 0 if "today" in said else -1 if "yesterday" in said else 1}
        elif kind == "weekend":
            value = {"special": "weekend"}
            if said.startswith("this"):
                value["week_offset"] = 0
            elif said.startswith("next"):
                value["week_offset"] = 1
        elif kind == "weekday":
            value = _weekday_en(said)
            if value and said.startswith("on "):
                start += 3
        elif kind == "week":
            value = {"week_offset": 2 if "after next" in said else 0 if said.startswith("this") else 1}
        elif kind == "clock":
            value = _clock_en(said)
            lead = re.match(r"(?:at|by|around|about|for|until|till|before|after|from|past) ", said)
            start += lead.end() if lead else 0
        elif kind == "noonclock":
            value = {"hour": 0} if said == "midnight" else {"hour": 12, "part_of_day": "noon"}
        elif kind == "part":
            value = _part_en(said)
        elif kind in ("arrival", "closing", "now"):
            value = {"special": kind}
        elif kind == "dom":
            number = re.search(rf"{_ORD_EN}", said)
            date = _ordinal_en(number[0]) if number else None
            value = {"day": date} if date and date <= 31 else None
        if value:
            pieces.append((start, match.end(), value))
    return pieces


def _ordinal_en(said: str) -> int | None:
    if said in _ORDINALS_EN:
        return _ORDINALS_EN[said]
    digits = re.match(r"\d+", said)
    return int(digits[0]) if digits else None


def _month_day_en(said: str) -> TimeValue | None:
    month = re.search(rf"({_MONTH_EN})", said)
    rest = re.search(rf"({_ORD_EN}|\d{{1,2}})", re.sub(rf"({_MONTH_EN})\.?", " ", said, count=1))
    if not month or not rest:
        return None
    number = next(i for i, name in enumerate(_MONTHS_EN, 1) if name.startswith(month[1][:3]))
    day = _ordinal_en(rest[1])
    return {"month": number, "day": day} if day and 1 <= day <= 31 else None


def _weekday_en(said: str) -> TimeValue | None:
    name = re.search(rf"({_alternatives(_WEEKDAY_FORMS_EN)})", said)
    if not name:
        return None
    value: TimeValue = {"weekday": _WEEKDAY_FORMS_EN[name[1]]}
    if "after next" in said:
        value["week_offset"] = 2
    elif said.startswith("next") or "next week" in said:
        value["week_offset"] = 1
    elif said.startswith("this") or "this week" in said:
        value["week_offset"] = 0
    return value


def _part_en(said: str) -> TimeValue:
    parts = {
        "morning": "morning",
        "afternoon": "afternoon",
        "evening": "evening",
        "dinner": "evening",
        "lunch": "noon",
        "night": "night",
    }
    value: TimeValue = {"part_of_day": next(part for word, part in parts.items() if word in said)}
    if said.startswith(("this", "later this")):
        value["day_offset"] = 0
    return value


def _clock_en(said: str) -> TimeValue | None:
    said = re.sub(r"^(?:at|by|around|about|for|until|till|before|after|from|past) ", "", said)
    said = re.sub(rf"^half (?=(?:{_alternatives(_HOURS_EN)})\b)", "half past ", said)
    half = "pm" if re.search(r"p\.? ?m\b", said) else "am" if re.search(r"(?:\d| )a\.? ?m\b", said) else None
    past = re.match(rf"(half|(?:a )?quarter|(?:{_NUM_EN})(?: minutes)?) (past|to) ({_HOUR_EN})", said)
    if past:
        amount = (
            30.0
            if past[1] == "half"
            else 15.0
            if "quarter" in past[1]
            else parse_number(past[1].replace(" minutes", ""))
        )
        hour = _HOURS_EN.get(past[3]) or int(past[3]) if past[3] in _HOURS_EN or past[3].isdigit() else None
        if amount is None or hour is None or hour > 24 or amount >= 60:
            return None
        value: TimeValue = {"hour": hour, "minute": int(amount)}
        if past[2] == "to":
            value = {"hour": (hour - 1) % 24 or 12, "minute": 60 - int(amount)}
    else:
        match = re.match(rf"({_HOUR_EN})(?:(?: ?: ?|[ .])([0-5]\d|{_alternatives(_MINUTES_EN)}))?", said)
        if not match:
            return None
        hour = _HOURS_EN[match[1]] if match[1] in _HOURS_EN else int(match[1])
        if hour > 24:
            return None
        value = {"hour": hour}
        if match[2]:
            value["minute"] = _MINUTES_EN[match[2]] if match[2] in _MINUTES_EN else int(match[2])
    if half:
        value["_half"] = half
    return value


def _relative_en(said: str) -> TimeValue | None:
    if "half an hour" in said:
        return {"minutes_from_now": 30}
    if "hour and a half" in said:
        return {"minutes_from_now": 90}
    match = re.search(rf"({_NUM_EN}|a few|a couple of|an?) ?(minute|min|hour|hr|couple of hours)", said)
    if not match:
        return None
    amount = 2.0 if "couple" in said else parse_number(match[1])
    if amount is None:
        return None
    factor = 1 if match[2].startswith("min") else 60
    return {
        "minutes_from_now": round(
            amount * factor + (30 if "and a half" in said.replace(match[1], "") and factor == 60 else 0)
        )
    }


def render(value: TimeValue, language: str) -> str:
    """A time value as it could be said; `find_times` of it gives the value back. For speech and for tests."""
    if "until" in value:
        inner = render(value["until"], language)
        return f"until {inner}" if language == "en" else f"{inner}まで"
    return " ".join(_words_en(value)) if language == "en" else "の".join(_words_ja(value))


def _words_ja(value: TimeValue) -> list[str]:
    words: list[str] = []
    if "minutes_from_now" in value:
        return [f"{value['minutes_from_now']}分後"]
    if "month" in value:
        words.append(f"{value['month']}月{value['day']}日")
    if "day_offset" in value:
        names = {0: "今日", 1: "明日", 2: "明後日", 3: "明々後日", -1: "昨日", -2: "一昨日"}
        words.append(names.get(value["day_offset"]) or f"{value['day_offset']}日後")
    if "week_offset" in value:
        words.append({0: "今週", 1: "来週", 2: "再来週", -1: "先週"}[value["week_offset"]])
    if "weekday" in value:
        words.append(f"{_WEEKDAYS_JA[value['weekday']]}曜日")
    special = value.get("special")
    if special:
        words.append({"now": "今すぐ", "arrival": "到着時", "closing": "閉店", "weekend": "週末"}[special])
    if "part_of_day" in value:
        words.append(
            {
                "morning": "朝",
                "noon": "昼",
                "afternoon": "午後",
                "evening": "夕方",
                "night": "夜",
                "late_night": "深夜",
                "am": "午前",
                "pm": "午後",
                "dawn": "明け方",
                "early_morning": "早朝",
            }[value["part_of_day"]]
        )
    if "hour" in value:
        words.append(f"{value['hour']}時" + (f"{to_kanji(value['minute'])}分" if value.get("minute") else ""))
    return words


def _words_en(value: TimeValue) -> list[str]:
    words: list[str] = []
    if "minutes_from_now" in value:
        return [f"in {value['minutes_from_now']} minutes"]
    if "month" in value:
        words.append(f"{_MONTHS_EN[value['month'] - 1].capitalize()} {value['day']}")
    if "day_offset" in value:
        names = {0: "today", 1: "tomorrow", 2: "the day after tomorrow", -1: "yesterday"}
        words.append(names.get(value["day_offset"]) or f"in {value['day_offset']} days")
    if "weekday" in value:
        lead = {None: "on", 0: "this", 1: "next"}[value.get("week_offset")]
        words.append(f"{lead} {_WEEKDAYS_EN[value['weekday']].capitalize()}")
    elif value.get("special") == "weekend":
        words.append({None: "the", 0: "this", 1: "next"}[value.get("week_offset")] + " weekend")
    elif "week_offset" in value:
        words.append({0: "this week", 1: "next week"}[value["week_offset"]])
    if value.get("special") in ("now", "arrival", "closing"):
        words.append({"now": "right now", "arrival": "on arrival", "closing": "closing time"}[value["special"]])
    if "part_of_day" in value:
        words.append({"morning": "in the morning", "noon": "at lunchtime", "afternoon": "in the afternoon", "evening": "in the evening", "night": "at night", "late_night": "at night", "am": "", "pm": ""}[value["part_of_day"]])  # fmt: skip
    if "hour" in value:
        hour, minute = value["hour"], value.get("minute")
        words = [word for word in words if word]
        words.append(
            f"at {hour % 12 or 12}" + (f":{minute:02d}" if minute else "") + (" p.m." if hour >= 12 else " a.m.")
        )
    return words
