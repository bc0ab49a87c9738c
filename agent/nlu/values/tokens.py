"""Japanese words and what they are, by Sudachi; English words by white space and marks."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from typing import Any

from agent.nlu.values.folding import Folded, is_kanji

_NOUNS = frozenset({"名詞", "接頭辞", "接尾辞", "形状詞", "代名詞"})


@dataclass(frozen=True, slots=True)
class Token:
    """A word of the folded text."""

    start: int
    end: int
    noun: bool
    """noun, prefix, suffix, symbol run or unknown Latin word: can be part of a name"""
    proper: bool
    """proper noun, or not in the dictionary"""
    place: bool
    """proper noun of a place"""
    generic: bool
    """time words, numbers, pronouns: never begin a name"""
    kanji: bool
    pos: str
    surface: str


class Tokens:
    """Sudachi, one tokenizer a thread (a tokenizer object must not be shared)."""

    def __init__(self, dictionary: str = "small") -> None:
        self._dictionary_name = dictionary
        self._dictionary: Any = None
        self._local = threading.local()
        self._lock = threading.Lock()

    def _tokenizer(self) -> Any:
        tokenizer = getattr(self._local, "tokenizer", None)
        if tokenizer is None:
            import sudachipy

            with self._lock:
                if self._dictionary is None:
                    self._dictionary = sudachipy.Dictionary(dict=self._dictionary_name)
                make = getattr(self._dictionary, "tokenizer", None) or self._dictionary.create
                tokenizer = make(mode=sudachipy.SplitMode.A)
            self._local.tokenizer = tokenizer
        return tokenizer

    def japanese(self, folded: Folded) -> list[Token]:
        """The words of folded Japanese text, index for index."""
        tokens: list[Token] = []
        for morpheme in self._tokenizer().tokenize(folded.wide):
            start, end = morpheme.begin(), morpheme.end()
            if end <= start:
                continue
            pos = morpheme.part_of_speech()
            surface = folded.wide[start:end]
            latin = bool(re.match(r"[A-Za-z]", surface))
            noun = pos[0] in _NOUNS or ((latin or is_kanji(surface[0])) and pos[0] in ("感動詞", "補助記号", "記号"))
            proper = pos[1] == "固有名詞" or (morpheme.is_oov() and pos[0] == "名詞")
            generic = (
                pos[0] == "代名詞"
                or pos[1] in ("数詞",)
                or (pos[0] == "名詞" and pos[2] == "助数詞可能" and len(surface) == 1 and False)
            )
            tokens.append(
                Token(
                    start,
                    end,
                    noun,
                    proper,
                    proper and pos[2] == "地名",
                    generic,
                    all(is_kanji(c) for c in surface),
                    pos[0],
                    surface,
                )
            )
        return tokens


_WORD_EN = re.compile(r"[a-z0-9&'+.-]*[a-z0-9]'?|[^\sa-z0-9]")


def english(folded: Folded) -> list[Token]:
    """Words of folded English text."""
    return [
        Token(
            m.start(), m.end(), m[0][0].isalnum(), folded.wide[m.start()].isupper(), False, False, False, "word", m[0]
        )
        for m in _WORD_EN.finditer(folded.text)
    ]
