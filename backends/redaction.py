"""Takes out of texts what an operator has no need to see: card numbers, secrets, the individual number.

A number is card-like when it has 13 to 19 digits (full-width and kanji digits count, spaces and hyphens between them do not)
and passes the Luhn check; telephone numbers are shorter. A secret is what follows the words for one.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from typing import Any

_KANJI_DIGITS = str.maketrans("〇零一二三四五六七八九", "00123456789")
_DIGITS = re.compile(r"\d(?:[\s\-‐‑–—ー.・]{0,2}\d){11,30}")
_MY_NUMBER = re.compile(r"(?:マイナンバー|個人番号|my ?number)\D{0,12}$", re.IGNORECASE)
_CVV = re.compile(
    r"(?:セキュリティ\s?コード|cvv2?|cvc2?|security code)\s?(?:は|が|is|[:：=])?\s?(\d(?:[\s\-]?\d){2,3})(?!\d)",
    re.IGNORECASE,
)
_SECRET = re.compile(
    r"(?:暗証番号|暗証|パスワード|パスコード|ピンコード|\bpin(?: ?code| number)?\b|\bpass(?:word|code|phrase)\b|\bapi[ _-]?key\b|\btoken\b)"
    r"\s?(?:は|が|って|を|is|are|[:：=])\s?([^\s、。,.!?！？]{3,80})",
    re.IGNORECASE,
)
_ASKS = re.compile(r"^(?:何|なん|忘れ|どこ|いくつ|what|where|forgot|wrong|変え|変更|教え)")


def redact(text: str) -> tuple[str, Counter[str]]:
    """The text with secrets replaced by their kind in brackets, and how many of each kind there were."""
    found: Counter[str] = Counter()
    # Each of these folds one character into one, so that positions stay.
    folded = "".join(_one(c) for c in text).translate(_KANJI_DIGITS)
    spans: list[tuple[int, int, str]] = []
    for match in _DIGITS.finditer(folded):
        spans += _cards(folded, match.start(), match.end())
    for pattern, kind in ((_CVV, "secret"), (_SECRET, "secret")):
        for match in pattern.finditer(folded):
            if kind == "secret" and pattern is _SECRET and _ASKS.match(match[1]):
                continue
            spans.append((match.start(1), match.end(1), kind))
    out, at = [], 0
    for start, end, kind in sorted(spans):
        if start < at:
            continue
        out += [text[at:start], f"[{kind}]"]
        found[kind] += 1
        at = end
    return "".join([*out, text[at:]]), found


def redact_all(value: Any, where: str = "") -> tuple[Any, list[tuple[str, str, int]]]:
    """Every string inside a JSON value redacted; with (path, kind, count) for each text that changed."""
    if isinstance(value, str):
        text, found = redact(value)
        return text, [(where, kind, count) for kind, count in sorted(found.items())]
    notes: list[tuple[str, str, int]] = []
    if isinstance(value, Mapping):
        out: dict[str, Any] = {}
        for key, inner in value.items():
            out[key], more = redact_all(inner, f"{where}/{key}")
            notes += more
        return out, notes
    if isinstance(value, (list, tuple)):
        rows = []
        for number, inner in enumerate(value):
            row, more = redact_all(inner, f"{where}/{number}")
            rows.append(row)
            notes += more
        return rows, notes
    return value, notes


def luhn(digits: str) -> bool:
    """Whether a string of digits passes the check of card numbers."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit)
        if place % 2:
            value = value * 2 - 9 if value > 4 else value * 2
        total += value
    return total % 10 == 0


def _cards(folded: str, start: int, end: int) -> list[tuple[int, int, str]]:
    positions = [i for i in range(start, end) if folded[i].isdigit()]
    digits = "".join(folded[i] for i in positions)
    if len(digits) == 12:
        return [(start, end, "my_number")] if _MY_NUMBER.search(folded[:start]) else []
    # The card may stand in a longer run ("3 4242 4242 4242 4242", an expiry behind it): between two gaps of the run, or
    # anywhere where there are no gaps.
    gaps = [0] + [n for n in range(1, len(digits)) if positions[n] - positions[n - 1] > 1] + [len(digits)]
    if len(gaps) == 2 and len(digits) > 19:
        gaps = list(range(len(digits) + 1))
    spans = [(a, b) for a in gaps for b in gaps if 13 <= b - a <= 19 and _card(digits[a:b])]
    taken: list[tuple[int, int, str]] = []
    for first, last in sorted(spans, key=lambda span: span[0] - span[1]):
        start, end = positions[first], positions[last - 1] + 1
        if all(end <= s or e <= start for s, e, _ in taken):
            taken.append((start, end, "card_number"))
    return taken


def _card(digits: str) -> bool:
    return luhn(digits) and len(set(digits)) > 1


def _one(character: str) -> str:
    folded = unicodedata.normalize("NFKC", character)
    return folded if len(folded) == 1 else character
