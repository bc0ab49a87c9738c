"""Words of the inventories in folded text, by a trie; and their word boundaries.

English words end at word boundaries. Japanese writes none, so a short word must stand where a word can stand: 「ナンバー」 has no バー,
「宮城」 no 城, 「いいですし」 no すし.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from agent.nlu.values.folding import Folded, fold_plain, is_kanji, is_katakana

T = TypeVar("T")

_PARTICLES = frozenset("のがをにでとはもへやか、。・,.!?「」『』()[]<>/&〜~-:; \"'")
# Hiragana that may follow a kanji word: particles and the beginnings of です, だ, って, など, ください, よ, ね, お, あ, な, い, ら, し, さ, く, じ, ほ.
_KANJI_SUFFIXES = frozenset("系店屋内行街付側等横前的風派類料専")


class Lexicon(Generic[T]):
    """Folded surface forms → payloads."""

    def __init__(self) -> None:
        self._root: dict[str, Any] = {}
        self.size = 0

    def add(self, form: str, payload: T) -> None:
        """`form` as written in an inventory."""
        folded = fold_plain(form)
        if not folded:
            return
        node = self._root
        for char in folded:
            node = node.setdefault(char, {})
        node.setdefault("", []).append((form, payload))
        self.size += 1

    def add_all(self, forms: Iterable[str], payload: T) -> None:
        for form in forms:
            self.add(form, payload)

    def scan(
        self, folded: Folded, boundary: Callable[[int, int], bool] | None = None, *, single: bool = False
    ) -> Iterator[tuple[int, int, T]]:
        """Every form standing as a word in the text: start, end, payload. `boundary` tells Japanese token boundaries; with
        `single` they are enough for one kanji between others (「明日雨降る」)."""
        text = folded.text
        for start in range(len(text)):
            node = self._root.get(text[start])
            end = start + 1
            while node is not None:
                if "" in node:
                    for form, payload in node[""]:
                        lone = single and boundary is not None and end - start == 1 and is_kanji(form[0])
                        if (
                            boundary(start, end)
                            if lone and boundary
                            else stands_as_word(folded, start, end, form, boundary)
                        ):
                            yield start, end, payload
                if end >= len(text):
                    break
                node = node.get(text[end])
                end += 1


def stands_as_word(
    folded: Folded, start: int, end: int, form: str, boundary: Callable[[int, int], bool] | None = None
) -> bool:
    """Whether [start, end) can be the word `form`."""
    text = folded.text
    before = text[start - 1] if start else ""
    after = text[end] if end < len(text) else ""
    if _latin(text[start]) and _latin(before):
        return False
    if _latin(text[end - 1]) and _latin(after):
        return False
    if text[start].isascii() and text[end - 1].isascii():
        return True
    length = end - start
    wide = folded.wide
    if is_katakana(form[0]) and is_katakana(form[-1]) and length <= 3:
        left, right = (wide[start - 1] if start else ""), (wide[end] if end < len(wide) else "")
        if (left and is_katakana(left)) or (right and is_katakana(right)):
            return False
        if not is_katakana(wide[start]):
            return False
    if length == 1 and is_kanji(form[0]):
        if (before and is_kanji(before)) or (after and is_kanji(after) and after not in _KANJI_SUFFIXES):
            return False
        return not (before and is_katakana(wide[start - 1]))
    if length <= 4 and boundary is not None:
        # A form that stops inside a verb (「地図に戻」 of 戻して) need only begin a word.
        stem = length >= 3 and is_kanji(form[-1]) and not all(map(is_kanji, form)) and "ぁ" <= after <= "ん"
        return boundary(start, start) if stem else boundary(start, end)
    return True


def _latin(char: str) -> bool:
    return bool(char) and char.isascii() and char.isalnum()
