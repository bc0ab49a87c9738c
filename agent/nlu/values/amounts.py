"""Amounts: money, distances, people, nights, durations, degrees, levels, ordinals, ratings, telephone numbers, choices."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from agent.nlu.values.folding import fold_kana
from agent.nlu.values.model import Found
from agent.nlu.values.numbers import NUMBER_EN, NUMBER_JA, parse_number, whole

WALKING_M_PER_MIN = 80
"""the speed Japanese property advertisements must use (Fair Competition Code on real estate)"""
DRIVING_M_PER_MIN = 500
"""30 km/h: town traffic"""


Made = tuple[str, Any, str | None] | None
"""entity, value, role; None: no amount after all"""
Make = Callable[[re.Match[str]], Made]


def _number(match: re.Match[str], group: str = "n") -> float | None:
    said = match.groupdict().get(group)
    return parse_number(said) if said else None


def _metres(value: float | None, unit: str) -> int | None:
    if value is None or value < 0:
        return None
    factor = {"m": 1, "k": 1000, "mi": 1609.344, "y": 0.9144, "ft": 0.3048, "b": 100}[unit]
    return round(value * factor)


def _distance_ja(match: re.Match[str]) -> Made:
    unit = "k" if match["unit"].startswith(("k", "き", "㎞")) else "m"
    metres = _metres(_number(match), unit)
    return None if metres is None else ("distance_max", metres, None)


def _walk_ja(match: re.Match[str]) -> Made:
    minutes = _number(match)
    if minutes is None:
        return None
    speed = DRIVING_M_PER_MIN if match["mode"].startswith(("車", "くるま")) else WALKING_M_PER_MIN
    return "distance_max", round(minutes * speed), None


def _distance_en(match: re.Match[str]) -> Made:
    said = match["unit"]
    unit = "mi" if said.startswith("mi") else "k" if said.startswith("k") else "y" if said.startswith("y") else "ft" if said.startswith("f") else "b" if said.startswith("block") else "m"  # fmt: skip
    number = 0.5 if match["n"].startswith("half") else 1.0 if match["n"] in ("a", "an") else _number(match)
    metres = _metres(number, unit)
    return None if metres is None else ("distance_max", metres, None)


def _walk_en(match: re.Match[str]) -> Made:
    minutes = _number(match)
    if minutes is None:
        return None
    speed = DRIVING_M_PER_MIN if re.search(r"driv|car", match[0]) else WALKING_M_PER_MIN
    return "distance_max", round(minutes * speed), None


def _budget(match: re.Match[str]) -> Made:
    value = _number(match, "m") or _number(match)
    if value is None:
        return None
    said = match[0]
    least = re.search(
        r"以上|より(?:上|高)|からの?|超え|\b(?:over|(?<!no )(?<!not )more than|at least|from|above)\b", said
    )
    currency = match.groupdict().get("cur") or ""
    if re.match(r"\$|dollar|buck|usd", currency):
        value *= 150
    return "budget", {"min_yen" if least else "max_yen": round(value)}, None


_LEAST_BARE_YEN = 300
"""below it a number without a currency is no price: "under five" """


def _budget_bare(match: re.Match[str]) -> Made:
    value = _number(match)
    year = value is not None and 1900 <= value < 2100 and value % 100
    return None if value is None or value < _LEAST_BARE_YEN or year else _budget(match)


def _counted(entity: str) -> Make:
    def make(match: re.Match[str]) -> Made:
        fixed = {
            "ひとり": 1,
            "一人": 1,
            "ふたり": 2,
            "二人": 2,
            "couple": 2,
            "just me": 1,
            "the two of us": 2,
            "two of us": 2,
        }
        for words, value in fixed.items():
            if match[0].startswith(words):
                return entity, value, None
        number = 1.0 if match.groupdict().get("a") else _number(match)
        return (entity, int(number), None) if number is not None and 0 < number < 1000 else None

    return make


def _duration(match: re.Match[str]) -> Made:
    fixed = {"half": 0.5, "a couple": 2.0, "a few": 3.0}
    said = match["n"]
    number = next((v for words, v in fixed.items() if said.startswith(words)), 1.0 if said in ("a", "an") else _number(match))  # fmt: skip
    if number is None:
        return None
    unit = match["unit"]
    factor = 3600 if unit.startswith(("時間", "hour", "hr")) else 60 if unit.startswith(("分", "min")) else 1 if unit.startswith(("秒", "sec")) else 86400  # fmt: skip
    seconds = number * factor
    if match.groupdict().get("half"):
        seconds += factor / 2
    extra = match.groupdict().get("extra")
    if extra:
        seconds += (parse_number(extra) or 0) * 60
    return "duration", round(seconds), None


_DOWN = re.compile(r"下|低|涼|冷|寒|cool|low|down|drop|decreas|reduc|colder|less|quieter|soft")


def _degrees(match: re.Match[str]) -> Made:
    number = _number(match)
    if number is None:
        return None
    value: float = number
    said = match[0]
    if match.groupdict().get("unit", "") and match["unit"] and match["unit"].startswith(("f", "華")):
        relative = bool(match.groupdict().get("rel"))
        value = value * 5 / 9 if relative else (value - 32) * 5 / 9
        value = round(value * 2) / 2
    elif _said_in_english(said) and value >= 50 and not match.groupdict().get("rel"):
        # Nobody sets a car to 72 °C.
        value = round((value - 32) * 5 / 9 * 2) / 2
    if match.groupdict().get("rel"):
        return "degrees", whole(-value if _DOWN.search(said) else value), "relative"
    return (
        "degrees",
        whole(-value if "マイナス" in said or "まいなす" in said or said.startswith("minus") else value),
        None,
    )


def _said_in_english(said: str) -> bool:
    return "度" not in said and "℃" not in said


def _level(match: re.Match[str]) -> Made:
    number = _number(match)
    if number is None:
        return None
    if match.groupdict().get("rel"):
        return "level", whole(-number if _DOWN.search(match[0]) else number), "relative"
    return "level", whole(number), None


def _ordinal(match: re.Match[str]) -> Made:
    """A place in the list by its word or its number; counted from the end with the group `back`."""
    if word := re.search(_ORDINAL_WORD, match.groupdict().get("w") or match[0]):
        return "ordinal", _ORDINALS[word[0]], None
    number = _number(match)
    if not number or not 1 <= number <= 100:
        return None
    return "ordinal", -int(number) if match.groupdict().get("back") else int(number), None


_ORDINALS = {
    "first": 1, "former": 1, "1st": 1, "second": 2, "latter": 2, "middle": 2, "2nd": 2, "third": 3, "3rd": 3, "fourth": 4,
    "4th": 4, "fifth": 5, "5th": 5, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9, "tenth": 10, "last": -1, "final": -1,
}  # fmt: skip
_ORDINAL_WORD = re.compile(r"\b(?:" + "|".join(_ORDINALS) + r")\b")


_SPOKEN_DIGITS = {
    "ぜろ": "0", "れい": "0", "まる": "0", "いち": "1", "に": "2", "にー": "2", "さん": "3", "よん": "4", "し": "4", "ご": "5", "ごー": "5", "ろく": "6",
    "なな": "7", "しち": "7", "はち": "8", "きゅう": "9", "きゅー": "9", "く": "9", "零": "0", "〇": "0", "一": "1", "二": "2", "三": "3", "四": "4",
    "五": "5", "六": "6", "七": "7", "八": "8", "九": "9",
}  # fmt: skip
_SPOKEN_EN = {"zero": "0", "oh": "0", "o": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8", "nine": "9"}  # fmt: skip
_PHONE = re.compile(
    r"(?<![\d-])(?:\+81[- ]?|0)\d{1,4}[-‐ (.)]{0,2}\d{1,4}[- ().]{0,2}\d{3,4}(?![\d-])|(?<!\d)0\d{9,10}(?!\d)"
)
_PHONE_JA = re.compile(
    "(?:(?:" + "|".join(sorted(_SPOKEN_DIGITS, key=len, reverse=True)) + r"|\d)(?:の|-|、| )?){9,12}"
)
_PHONE_EN = re.compile(
    r"\b(?:(?:double )?(?:" + "|".join(sorted(_SPOKEN_EN, key=len, reverse=True)) + r"|\d)(?:[- ,]+|\b)){9,12}"
)


def _phones(text: str, language: str) -> list[Found]:
    found: list[Found] = []
    for match in _PHONE.finditer(text):
        digits = re.sub(r"\D", "", match[0])
        if match[0].startswith("+81"):
            digits = "0" + digits[2:]
        if 10 <= len(digits) <= 11:
            found.append(Found(match.start(), match.end(), "phone_number", digits, priority=9))
    table, pattern = (_SPOKEN_EN, _PHONE_EN) if language == "en" else (_SPOKEN_DIGITS, _PHONE_JA)
    words = "|".join(sorted(table, key=len, reverse=True))
    for match in pattern.finditer(text):
        digits = "".join(table.get(piece, piece) for piece in re.findall(rf"{words}|\d", match[0]))
        if digits.startswith("0") and 10 <= len(digits) <= 11:
            end = match.end() - (len(match[0]) - len(match[0].rstrip("の-、 ,")))
            found.append(Found(match.start(), end, "phone_number", digits, priority=8))
    return found


def _ordinal_en(match: re.Match[str]) -> Made:
    # "number two" counts; "the two" does only with a word of choosing.
    if match.groupdict().get("n") and not re.search(r"option|number|choice|no\.?|item", match[0]):
        return None
    return _ordinal(match)


def _rating(match: re.Match[str]) -> Made:
    number = _number(match)
    digit = match.groupdict().get("d")
    if number is None:
        return None
    if digit:
        number = float(f"{int(number)}.{digit}")
    elif match.groupdict().get("half"):
        number += 0.5
    return ("rating_min", whole(number), None) if number <= 5 else None


def _rating_said(match: re.Match[str]) -> Made:
    """ "at least 4" is a rating only with its word."""
    return _rating(match) if _RATED.search(match[0]) else None


def _rating_beside(match: re.Match[str]) -> Made:
    """ "four or higher" is a rating beside its word, "4.2 or higher" by itself."""
    return _rating(match) if _RATED.search(match.string) or "." in match["n"] else None


_RATED = re.compile(r"\b(?:stars?|rated?|ratings?|reviews?|score)\b")
_STARS = r"(?:[0-5](?:\.\d)?|(?:one|two|three|four|five)(?: and a half| point (?:one|two|three|four|five|six|seven|eight|nine))?)"


def _degrees_said(match: re.Match[str]) -> Made:
    """ "two cooler" is no temperature without degrees; "two higher" may be anything."""
    spoken = "degree" in match[0] or match["unit"] or re.search("warm|hot|cool|cold", match[0])
    return _degrees(match) if spoken else None


def _level_change(match: re.Match[str]) -> Made:
    number = _number(match)
    if number is None:
        return None
    down = _DOWN.search(match.string[: match.end()]) or re.search("下げ|さげ|小さ|弱", match[0])
    return "level", whole(-number if down else number), "relative"


def _ordinal_ja(match: re.Match[str]) -> Made:
    return _ordinal(match)


_MAKERS: dict[str, dict[str, Make]] = {
    "ja": {"distance": _distance_ja, "walk": _walk_ja, "ordinal": _ordinal_ja},
    "en": {"distance": _distance_en, "walk": _walk_en, "ordinal": _ordinal_en},
}
_COMMON: dict[str, Make] = {
    "budget": _budget,
    "budget_bare": _budget_bare,
    "people": _counted("people"),
    "nights": _counted("nights"),
    "duration": _duration,
    "degrees": _degrees,
    "degrees_said": _degrees_said,
    "level": _level,
    "level_change": _level_change,
    "rating": _rating,
    "rating_said": _rating_said,
    "rating_beside": _rating_beside,
}


def _expanded(pattern: str, macros: Mapping[str, str]) -> str:
    """The pattern with its macros written out; macros may use others."""
    while "{" in (shorter := re.sub(r"\{([a-z]+)\}", lambda m: macros[m[1]], pattern)) and shorter != pattern:
        pattern = shorter
    return shorter


class Amounts:
    """Finds amounts and choices in folded text by the rules of `amounts.yml` and `choices.yml`."""

    def __init__(self, *tables: Mapping[str, Any]) -> None:
        self._rules: dict[str, list[tuple[re.Pattern[str], Make | None, str, Any, int]]] = {"ja": [], "en": []}
        for language, number in (("ja", NUMBER_JA), ("en", NUMBER_EN)):
            makers = {**_COMMON, **_MAKERS[language]}
            for table in tables:
                macros = {"number": f"(?:{number})", "stars": _STARS, **table.get("macros", {}).get(language, {})}
                for rule in table[language]:
                    pattern = re.compile(fold_kana(_expanded(rule["pattern"], macros)))
                    make = makers[rule["make"]] if "make" in rule else None
                    self._rules[language].append(
                        (pattern, make, rule.get("entity", ""), rule.get("value"), rule["priority"])
                    )
        self._bare = {"ja": re.compile(NUMBER_JA), "en": re.compile(NUMBER_EN)}

    def find(self, text: str, language: str) -> list[Found]:
        found = _phones(text, language)
        for pattern, make, entity, value, priority in self._rules[language]:
            for match in pattern.finditer(text):
                if match.end() == match.start():
                    continue
                made: Made = (entity, value, None) if make is None else make(match)
                if made is None:
                    continue
                entity_made, value_made, role = made
                start, end = match.span()
                if entity_made == "people" and language == "en" and match.groupdict().get("n"):
                    # "a private room for six people": the room is a condition of its own.
                    start = match.start("n")
                while end > start and text[end - 1] == " ":
                    end -= 1
                found.append(Found(start, end, entity_made, value_made, role, priority))
        return found

    def bare_numbers(self, text: str, language: str) -> list[Found]:
        """Numbers by themselves, for what nothing else took."""
        found = []
        for match in self._bare[language].finditer(text):
            value = parse_number(match[0])
            if value is None:
                continue
            if language == "ja" and not match[0][0].isascii():
                # 「一番」「三宮」: a kanji digit inside a word is no number.
                before = text[match.start() - 1] if match.start() else ""
                after = text[match.end()] if match.end() < len(text) else ""
                if "\u4e00" <= before <= "\u9fff" or "\u4e00" <= after <= "\u9fff":
                    continue
            found.append(Found(match.start(), match.end(), "number", whole(value), priority=-5))
        return found
