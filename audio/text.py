"""What recognizers write, brought into one form. Only spelling; what the words mean is nobody's business here."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from audio.ports import SpeechLanguage

_JAPANESE: Final = r"\u3005-\u3007\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uff66-\uff9f"
_BETWEEN_JAPANESE = re.compile(rf"(?<=[{_JAPANESE}、。])\s+(?=[{_JAPANESE}、。])")
_BESIDE_DIGITS = re.compile(rf"(?<=[{_JAPANESE}])\s+(?=[0-9])|(?<=[0-9])\s+(?=[{_JAPANESE}])")
_TAG = re.compile(r"<[^<>]{1,20}>|\[[^\[\]]{1,20}\]")
"""`<unk>`, `[unk]`, `[音楽]`, `[MUSIC]`: what an engine says about sounds rather than words"""
_BEGINNING: Final = 12
"""characters of a beginning that nobody says twice in an utterance"""
_CONTROL = re.compile(r"[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\ufeff\ufffd]")


def normalise(text: str, language: SpeechLanguage) -> str:
    """One form for what was heard: no spaces between Japanese words (Vosk puts them), NFKC, no tags, no characters that
    cannot be seen, no punctuation at the ends. Kanji stay as the engine chose them; names meet on their readings later."""
    text = unicodedata.normalize("NFKC", _CONTROL.sub(" ", _TAG.sub(" ", text)))
    text = " ".join(text.split())
    if language == "ja":
        text = re.sub(r"\s*([、。])\s*", r"\1", text.replace(", ", "、"))
        text = _BESIDE_DIGITS.sub("", _BETWEEN_JAPANESE.sub("", text))
    return text.strip(" 、。,.!?！？…・「」\"'")


def without_repetition(text: str) -> tuple[str, bool]:
    """The text before it began to go round in circles, and whether it did: "up a bit up a bit up a bit" → "up a bit".

    A generating recognizer that has run out of sound repeats itself; a driver who says 「はいはいはい」 does not go on
    for as long, so short texts are left alone."""
    found = [
        match
        for size in range(4, len(text) // 2 + 1)
        if (match := re.search(rf"(.{{{size}}})(?:[\s、。,.!?]*\1){{{1 if size >= 8 else 2},}}", text)) is not None
    ]
    if found:
        first = min(found, key=lambda match: match.start())
        return (text[: first.start()] + first.group(1)).strip(), True
    # Starting over: the beginning comes again, and may break off where the tokens ended.
    again = text.find(text[:_BEGINNING], _BEGINNING)
    return (text[:again].rstrip(" 、。,."), True) if again > 0 else (text, False)
