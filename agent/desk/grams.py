"""Search by pairs of characters: finds Japanese words of two characters, which word indexes and trigrams do not."""

from __future__ import annotations

import re
import unicodedata

MAX_TEXT = 4_000


def fold(text: str) -> str:
    """The form texts are compared in: width, case and kana made equal, white space single."""
    text = unicodedata.normalize("NFKC", text[:MAX_TEXT]).lower()
    text = "".join(chr(ord(c) - 0x60) if "ァ" <= c <= "ヶ" else c for c in text)
    return re.sub(r"\s+", " ", text).strip()


def grams(folded: str) -> frozenset[str]:
    """Every pair of neighbouring characters, white space left out of them."""
    return frozenset(folded[i : i + 2] for i in range(len(folded) - 1) if not folded[i : i + 2].count(" "))


def like(folded: str) -> str:
    """The text as a LIKE pattern (escape character "\\")."""
    return "%" + re.sub(r"([\\%_])", r"\\\1", folded) + "%"
