"""Text made comparable without losing where each character came from.

Recognizers choose kanji, width, case and kana themselves and put spaces between Japanese words. Folding takes these differences away
(NFKC, lower case, katakana as hiragana, no space between Japanese characters); the map leads every folded index back to the text as
received.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

MAX_CHARACTERS = 500
"""Only this much of a message is read: no utterance is longer, and time must not grow with hostile input."""

_DASHES = frozenset("‐‑‒–—―−－")
_APOSTROPHES = frozenset("’‘ʼ＇`´")


def is_japanese(char: str) -> bool:
    """Kana, kanji and the marks that live inside Japanese words."""
    code = ord(char)
    return (
        0x3040 <= code <= 0x30FF
        or 0x4E00 <= code <= 0x9FFF
        or 0x3400 <= code <= 0x4DBF
        or 0x20000 <= code <= 0x2FA1F
        or char in "々〆ヶ〇"
    )


def is_kanji(char: str) -> bool:
    code = ord(char)
    return 0x4E00 <= code <= 0x9FFF or 0x3400 <= code <= 0x4DBF or 0x20000 <= code <= 0x2FA1F or char == "々"


def is_katakana(char: str) -> bool:
    return 0x30A1 <= ord(char) <= 0x30FF and char != "・"


def fold_kana(text: str) -> str:
    """Katakana as hiragana, length kept."""
    return "".join(chr(ord(c) - 0x60) if 0x30A1 <= ord(c) <= 0x30F6 else c for c in text)


def fold_plain(text: str) -> str:
    """The folded form of a surface form in the inventories."""
    return fold(text).text


@dataclass(frozen=True, slots=True)
class Folded:
    """A text made comparable."""

    text: str
    """what patterns are matched against"""
    wide: str
    """the same characters before lower case and kana were folded, index for index: for tokenizers and for telling katakana apart"""
    starts: tuple[int, ...]
    """per folded character: where it starts in the text as received"""
    ends: tuple[int, ...]
    """per folded character: where it ends there"""

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The span of the text as received behind folded [start, end), start < end."""
        return self.starts[start], self.ends[end - 1]


def fold(text: str) -> Folded:
    """Folds the first `MAX_CHARACTERS` characters. Never raises on a `str`."""
    wide: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    length = min(len(text), MAX_CHARACTERS)
    index = 0
    while index < length:
        step = 1
        # Half-width katakana carries its voicing mark as a character of its own.
        if index + 1 < length and text[index + 1] in "ﾞﾟ\u3099\u309a":
            step = 2
        char = text[index : index + step]
        if char in _DASHES:
            char = "-"
        elif char in _APOSTROPHES:
            char = "'"
        elif char.isspace():
            char = " "
        normal = unicodedata.normalize("NFKC", char)
        for piece in normal:
            wide.append(piece)
            starts.append(index)
            ends.append(index + step)
        index += step
    keep = [i for i in range(len(wide)) if not _space_between_japanese(wide, i)]
    wide = [wide[i] for i in keep]
    plain = "".join(wide)
    # lower() may change the length of a few characters (İ); those are left alone.
    lowered = "".join(c.lower() if len(c.lower()) == 1 else c for c in plain)
    return Folded(fold_kana(lowered), plain, tuple(starts[i] for i in keep), tuple(ends[i] for i in keep))


def _space_between_japanese(chars: list[str], index: int) -> bool:
    if chars[index] != " ":
        return False
    left, right = index - 1, index + 1
    while left >= 0 and chars[left] == " ":
        left -= 1
    while right < len(chars) and chars[right] == " ":
        right += 1
    if left < 0 or right >= len(chars):
        return False
    return is_japanese(chars[left]) and is_japanese(chars[right])


def inside_katakana(folded: Folded, start: int, end: int) -> bool:
    """Whether [start, end) cuts a katakana word: 「ハイランド」 has no いらん."""
    wide = folded.wide
    cut_left = start > 0 and is_katakana(wide[start - 1]) and is_katakana(wide[start])
    cut_right = end < len(wide) and is_katakana(wide[end - 1]) and is_katakana(wide[end])
    return cut_left or cut_right


def language_of(text: str, hint: str | None = None) -> str:
    """`ja` or `en`, by script; the hint decides where there are no letters."""
    japanese = latin = 0
    for char in text[:MAX_CHARACTERS]:
        if is_japanese(char) or 0xFF66 <= ord(char) <= 0xFF9F:
            japanese += 1
        elif char.isascii() and char.isalpha():
            latin += 1
    if not japanese and not latin:
        return "en" if hint == "en" else "ja"
    # An English sentence may carry a Japanese name; a Japanese sentence carries Wi-Fi and brand names, and always its particles.
    if japanese and latin > 3 * japanese and " " in text:
        return "en"
    return "ja" if japanese else "en"
