"""A reply cut into the pieces it is spoken in: the first one short, so that it sounds soon, none so short that it sounds cut."""

from __future__ import annotations

import re
from typing import Final

from audio.ports import SpeechLanguage

FIRST: Final[dict[SpeechLanguage, int]] = {"ja": 6, "en": 12}
"""characters the first clause has at least"""
LATER: Final[dict[SpeechLanguage, int]] = {"ja": 18, "en": 40}
LONGEST: Final[dict[SpeechLanguage, int]] = {"ja": 60, "en": 160}
"""a clause without any mark is cut here all the same"""

_ENDS: Final = re.compile(r"""[。！？!?]+[」』）)"']*\s*|[.;]+["')]*(?:\s+|$)|\n+""")
_PAUSES: Final = re.compile(r"[、，]\s*|[,:](?=\s)\s*|—\s*")


def clauses(text: str, language: SpeechLanguage) -> list[str]:
    """The pieces of `text`, in order; joined they are `text` again. White space alone gives none."""
    if not text.strip():
        return []
    out: list[str] = []
    for sentence in _cut(text, _ENDS):
        for part in _cut(sentence, _PAUSES):
            for piece in _not_too_long(part, LONGEST[language]):
                if out and _belongs_to(out[-1], len(out) == 1, language):
                    out[-1] += piece
                else:
                    out.append(piece)
    if len(out) > 1 and len(out[-1].strip()) < 3:
        last = out.pop()
        out[-1] += last
    return out


def _belongs_to(before: str, first: bool, language: SpeechLanguage) -> bool:
    """Whether the clause before is too short to stand alone. Ends of sentences stand as soon as they may be a first clause."""
    size = len(before.strip())
    ended = bool(_ENDS.search(before[-4:]))
    return size < (FIRST if first or ended else LATER)[language]


def _cut(text: str, marks: re.Pattern[str]) -> list[str]:
    out, start = [], 0
    for match in marks.finditer(text):
        if match.end() > start:
            out.append(text[start : match.end()])
            start = match.end()
    return [*out, text[start:]] if start < len(text) else out


def _not_too_long(part: str, longest: int) -> list[str]:
    out = []
    while len(part) > longest:
        space = part.rfind(" ", longest // 2, longest)
        at = space + 1 if space > 0 else longest
        out.append(part[:at])
        part = part[at:]
    return [*out, part]
