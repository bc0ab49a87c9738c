"""A handoff on paper: facts and transcript as PDF.

Text is drawn character by character, never parsed: nothing in it can become markup, a link or a script. The letters come from the
Japanese fonts every PDF reader brings along (Adobe-Japan1), so no font is needed here and none is copied into the file. A character they do
not have is written as its number, `[U+1F600]`: nothing is left out silently.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

FONT: Final = "HeiseiKakuGo-W5"
ENCODING: Final = "UniJIS-UTF16-H"
SIZE: Final = 9.5
LEADING: Final = 14.0
MARGIN: Final = 48.0
GUTTER: Final = 10.0
_NEVER_FIRST: Final = frozenset("、。，．」』）〕］｝〉》】？！ー々ぁぃぅぇぉっゃゅょァィゥェォッャュョ,.;:!?)]}%％")
"""what does not stand at the beginning of a line"""


def as_pdf(handoff: Mapping[str, Any], facts: list[tuple[str, str]]) -> bytes:
    """One handoff, A4; `facts` stand before the talk."""
    sheet = _Sheet(str(handoff["id"]))
    sheet.heading(str(handoff["id"]))
    for name, value in facts:
        sheet.row(name, value, name_width=110)
    sheet.rule()
    for line in handoff["messages"]:
        who = f"{line['speaker']}: {line['author']}" if line["author"] else str(line["speaker"])
        sheet.row(f"{line['at']}\n{who}", str(line["text"]), name_width=165)
    return sheet.done()


class _Sheet:
    """Rows on as many pages as they need."""

    def __init__(self, title: str) -> None:
        from reportlab.lib.pagesizes import A4
        from reportlab.pdfgen.canvas import Canvas

        _register()
        self._out = io.BytesIO()
        self._width, self._height = A4
        self._canvas = Canvas(self._out, pagesize=A4, invariant=1, pageCompression=1, pdfVersion=(1, 5))
        self._canvas.setTitle(plain(title))
        self._page = 0
        self._begin()

    def heading(self, text: str) -> None:
        self._text(MARGIN, text, size=13)
        self._y -= 2 * LEADING

    def row(self, name: str, value: str, *, name_width: float) -> None:
        """A name on the left, its text beside it, both as long as they want."""
        left = list(_wrapped(name, name_width - GUTTER))
        right = list(_wrapped(value, self._width - 2 * MARGIN - name_width))
        for number in range(max(len(left), len(right))):
            if self._y < MARGIN + LEADING:
                self._next()
            if number < len(left):
                self._text(MARGIN, left[number])
            if number < len(right):
                self._text(MARGIN + name_width, right[number])
            self._y -= LEADING
        self._y -= 3

    def rule(self) -> None:
        self._canvas.line(MARGIN, self._y + LEADING / 2, self._width - MARGIN, self._y + LEADING / 2)
        self._y -= LEADING

    def done(self) -> bytes:
        self._end()
        self._canvas.save()
        return self._out.getvalue()

    def _text(self, x: float, text: str, size: float = SIZE) -> None:
        self._canvas.setFont(FONT, size)
        self._canvas.drawString(x, self._y, text)

    def _next(self) -> None:
        self._end()
        self._begin()

    def _begin(self) -> None:
        self._page += 1
        self._y = self._height - MARGIN

    def _end(self) -> None:
        self._canvas.setFont(FONT, 8)
        self._canvas.drawRightString(self._width - MARGIN, MARGIN / 2, str(self._page))
        self._canvas.showPage()


def plain(text: str) -> str:
    """The text with its characters the font has; others as their numbers. Line ends stay."""
    return "".join(c if c == "\n" or _has(c) else f"[U+{ord(c):04X}]" for c in text.replace("\r\n", "\n").replace("\t", " "))  # fmt: skip


@lru_cache(maxsize=8192)
def _has(character: str) -> bool:
    """Whether Adobe-Japan1 has it: what Japanese character sets have."""
    if not character.isprintable() or character in "⦅⦆":
        return False
    for charset in ("cp932", "euc_jis_2004"):
        try:
            character.encode(charset)
        except UnicodeEncodeError:
            continue
        return True
    return False


def _wrapped(text: str, width: float) -> Iterator[str]:
    """Lines no wider than `width`: broken between words where there are any, otherwise between characters."""
    for paragraph in plain(text).split("\n"):
        line, used = "", 0.0
        for character in paragraph:
            used += _breadth(character)
            if line and used > width and character not in _NEVER_FIRST:
                kept, line = _break(line) if _is_word(character) else (line, "")
                yield kept
                line = line.lstrip(" ") if line else ""
                used = sum(map(_breadth, line)) + _breadth(character)
            line += character
        yield line


def _break(line: str) -> tuple[str, str]:
    """The line up to its last space, and the word begun after it; a word without one is broken where it is."""
    place = line.rfind(" ")
    rest = line[place + 1 :]
    return (line[: place + 1], rest) if place > 0 and all(map(_is_word, rest)) else (line, "")


def _is_word(character: str) -> bool:
    return character.isascii() and character != " "


@lru_cache(maxsize=8192)
def _breadth(character: str) -> float:
    from reportlab.pdfbase.pdfmetrics import stringWidth

    return float(stringWidth(character, FONT, SIZE))


@lru_cache(maxsize=1)
def _register() -> None:
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont
    from reportlab.pdfbase.pdfmetrics import registerFont

    font = UnicodeCIDFont(FONT)
    # The library's own choice ends with the kanji of 1990 and cannot tell 髙 or 𠮷.
    font.encodingName = ENCODING
    registerFont(font)
