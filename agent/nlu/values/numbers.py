"""Numbers as said: digits, kanji, English words; all as regex fragments over folded text and a value.

`NUMBER_JA` and `NUMBER_EN` match a number; `parse_number` gives its value. `to_kanji` writes one, for tests and for speech.
"""

from __future__ import annotations

import re

_DIGITS = {c: i for i, c in enumerate("〇一二三四五六七八九")} | {"零": 0, "両": 2, "壱": 1, "弐": 2, "参": 3}
_UNITS = {"十": 10, "百": 100, "千": 1000}
_MYRIADS = {"万": 10_000, "億": 100_000_000}

_ONES = {
    "zero": 0, "oh": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
    "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17, "eighteen": 18,
    "nineteen": 19, "a": 1, "an": 1, "a couple of": 2, "a couple": 2, "a few": 3, "half": 0.5,
}  # fmt: skip
_TENS = {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}
_KANA = {
    "ひと": 1, "ふた": 2, "いち": 1, "に": 2, "さん": 3, "よん": 4, "ご": 5, "ろく": 6, "なな": 7, "しち": 7, "はち": 8, "きゅう": 9,
    "じゅう": 10, "いっ": 1, "ろっ": 6, "はっ": 8, "じゅっ": 10, "みっ": 3, "よっ": 4, "いつ": 5,
}  # fmt: skip

NUMBER_JA = r"(?:\d+(?:,\d{3})+|\d+(?:\.\d+)?)(?:[十百千万億](?:\d+)?)*|[〇零一二三四五六七八九十百千万億]+(?:点[〇零一二三四五六七八九]+)?"
_SMALL = "one|two|three|four|five|six|seven|eight|nine"
_TEEN = "ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen"
_TY = "twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety"
_UNDER_100 = rf"(?:(?:{_TY})(?:[ -](?:{_SMALL}))?|{_TEEN}|{_SMALL}|zero)"
_UNDER_1000 = rf"(?:(?:{_UNDER_100}|a) hundred(?: (?:and )?{_UNDER_100})?|{_UNDER_100})"
_UNDER_MILLION = rf"(?:(?:{_UNDER_1000}(?: and a half)?|a|half a|a couple of|a few) thousand(?: (?:and )?{_UNDER_1000})?|{_UNDER_1000})"
_FRACTION = rf" (?:point (?:{_SMALL}|zero|oh)|and a half)"
NUMBER_EN = (
    rf"(?:\d+(?:,\d{{3}})+|\d+(?:\.\d+)?)(?: ?(?:million|thousand|hundred)|k)?\b|"
    rf"\b(?:(?:{_UNDER_1000}(?:{_FRACTION})?|a|half a) million(?: (?:and )?{_UNDER_MILLION})?|(?:{_UNDER_MILLION})(?:{_FRACTION})?)\b(?!-[a-z])"
)
"""a number in English as regex: digits with or without `thousand`, or words up to millions, with halves and a decimal"""

MOST_DIGITS = 15
"""a longer numeral is no amount anybody means, and no number a float holds exactly"""

_MIXED = re.compile(r"(\d+(?:\.\d+)?|[〇零一二三四五六七八九]+)|([十百千])|([万億])")


def parse_number(text: str) -> float | None:
    """The value of a number in folded text; None when it is none."""
    text = text.strip().replace(",", "")
    if not text or sum(c.isdigit() or c in _DIGITS for c in text) > MOST_DIGITS:
        return None
    if re.fullmatch(r"\d+(?:\.\d+)?", text):
        return float(text)
    if text[0].isascii() and not text[0].isdigit():
        return _english(text)
    if scaled := re.fullmatch(r"(\d+(?:\.\d+)?) ?(million|thousand|hundred|k)", text):
        return float(scaled[1]) * {"million": 1_000_000, "hundred": 100}.get(scaled[2], 1000)
    if text in _KANA:
        return float(_KANA[text])
    return _japanese(text)


def _japanese(text: str) -> float | None:
    whole, point, fraction = text.partition("点")
    if point:
        left = _japanese(whole)
        digits = "".join(str(_DIGITS[c]) for c in fraction if c in _DIGITS)
        return None if left is None or not digits else float(f"{int(left)}.{digits}")
    total = section = 0.0
    number: float | None = None
    position = 0
    for match in _MIXED.finditer(text):
        if match.start() != position:
            return None
        position = match.end()
        digits, unit, myriad = match.groups()
        if digits:
            number = float(digits) if digits[0].isascii() else float("".join(str(_DIGITS[c]) for c in digits))
        elif unit:
            section += (1 if number is None else number) * _UNITS[unit]
            number = None
        else:
            total += (section + (number or 0) or 1) * _MYRIADS[myriad]
            section, number = 0.0, None
    if position != len(text):
        return None
    return total + section + (number or 0)


def _english(text: str) -> float | None:
    if text in _ONES:
        return float(_ONES[text])
    if " point " in text:
        whole, _, fraction = text.partition(" point ")
        left = _english(whole)
        return None if left is None or fraction not in _ONES else left + _ONES[fraction] / 10
    total = current = 0.0
    text = re.sub(r"\band a half\b", "+half", text)
    text = re.sub(r"^half a\b", "+half", text)
    text = re.sub(r"^a couple of\b", "two", text)
    text = re.sub(r"^a few\b", "three", text)
    for word in re.split(r"[ -]+", text):
        if word == "and":
            continue
        if word == "+half":
            current += 0.5
        elif word == "million":
            total = (total + (current or 1)) * 1_000_000
            current = 0
            continue
        elif word == "hundred":
            current = (current or 1) * 100
        elif word == "thousand":
            total += (current or 1) * 1000
            current = 0
        elif word in _TENS:
            current += _TENS[word]
        elif word in _ONES:
            current += _ONES[word]
        else:
            return None
    return total + current


def to_kanji(number: int) -> str:
    """A whole number below 10¹² in kanji: 22 → 二十二. Raises ValueError outside."""
    if not 0 <= number < 10**12:
        raise ValueError(f"not writable: {number}")
    if number == 0:
        return "零"
    parts: list[str] = []
    for value, name in ((100_000_000, "億"), (10_000, "万"), (1, "")):
        section, number = divmod(number, value)
        if section:
            parts.append(_section(section) + name)
    return "".join(parts)


def _section(number: int) -> str:
    text = ""
    for value, name in ((1000, "千"), (100, "百"), (10, "十")):
        digit, number = divmod(number, value)
        if digit:
            text += ("" if digit == 1 else "〇一二三四五六七八九"[digit]) + name
    return text + ("〇一二三四五六七八九"[number] if number else "")


def whole(value: float) -> int | float:
    """22.0 → 22; 22.5 stays."""
    return int(value) if value == int(value) else value
