"""The lane before understanding: distress told in words is answered with Helpnet, whatever the dialogue is doing.

Works from phrases as data (nlu_data/safety/<language>.yml), without the dialogue model, the network or any state, in well
under a millisecond. A phrase counts in its clause only; guards take it back where it is denied, supposed, quoted, long past,
or where an accident is only asked about (that is traffic information). Where in doubt it speaks up: a needless hint at the
Helpnet button costs a sentence, a missed one may cost a life.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

from backends.model import Language

Kind = Literal["accident", "injury", "illness", "harassment", "help", "unwell"]

_CLAUSES = {
    # 「事故った、助けて」 are two clauses; 「。」 and 「!」 stay with the clause they end.
    "ja": re.compile(r"(?<=[。!?])|、|(?<=です)(?=が)|けど|けれど"),
    "en": re.compile(r"(?<=[.!?;])\s+|, (?=(?:but|and|so|please|help|call|i|we|my|he|she|there|someone)\b)|\bbut\b"),
}


class SafetyDataError(ValueError):
    """A phrase file is broken."""


@dataclass(frozen=True, slots=True)
class Distress:
    """What was recognised."""

    kind: Kind
    words: str
    """the words that did it, folded"""


@dataclass(frozen=True, slots=True)
class _Table:
    phrases: tuple[tuple[Kind, re.Pattern[str]], ...]
    before: tuple[re.Pattern[str], ...]
    after: tuple[re.Pattern[str], ...]
    anywhere: tuple[re.Pattern[str], ...]
    always: frozenset[str]


class Safety:
    """Recognises distress in Japanese and English; both tables are always looked at, because a driver in distress may fall
    back into the other language."""

    def __init__(self, tables: Mapping[Language, _Table]) -> None:
        self._tables = tables

    @classmethod
    def load(cls, folder: Path) -> Safety:
        """Reads `folder`/ja.yml and `folder`/en.yml. Raises `SafetyDataError` naming the file and the pattern."""
        return cls({language: _load(folder / f"{language}.yml") for language in get_args(Language)})

    def check(self, text: str) -> Distress | None:
        """The distress told in `text` (at most the first 2,000 characters are looked at), None when there is none."""
        for language, table in self._tables.items():
            folded = fold(text[:2000], language)
            if any(p.search(folded) for p in table.anywhere):
                continue
            found = _search(table, language, folded)
            if found is not None:
                return found
        return None


def fold(text: str, language: Language) -> str:
    """The form the patterns are written in."""
    text = unicodedata.normalize("NFKC", text).lower().replace("’", "'").replace("‘", "'")
    if language == "en":
        return re.sub(r"\s+", " ", text).strip()
    text = re.sub(r"\s+", "", text).replace("！", "!").replace("？", "?").replace(".", "。")
    # ァ…ヶ → ぁ…ゖ
    return "".join(chr(ord(c) - 0x60) if "ァ" <= c <= "ヶ" else c for c in text)


def _search(table: _Table, language: Language, folded: str) -> Distress | None:
    clauses = [c for c in _CLAUSES[language].split(folded) if c]
    for kind, pattern in table.phrases:
        for clause in clauses:
            for match in pattern.finditer(clause):
                if kind in table.always or not _guarded(table, clause, match):
                    return Distress(kind, match[0])
    return None


def _guarded(table: _Table, clause: str, match: re.Match[str]) -> bool:
    before, after = clause[: match.start()], clause[match.end() :]
    return any(p.search(before) for p in table.before) or any(p.search(after) for p in table.after)


def _load(path: Path) -> _Table:
    import yaml

    try:
        data: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
        kinds, guards = data["kinds"], data["guards"]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise SafetyDataError(f"{path.name}: {error}") from error
    if unknown := set(kinds) - set(get_args(Kind)):
        raise SafetyDataError(f"{path.name}: unknown kinds {sorted(unknown)}")

    def patterns(rows: list[str]) -> tuple[re.Pattern[str], ...]:
        try:
            return tuple(re.compile(row) for row in rows)
        except re.error as error:
            raise SafetyDataError(f"{path.name}: {error.pattern!r}: {error}") from error

    return _Table(
        tuple((cast(Kind, kind), pattern) for kind, rows in kinds.items() for pattern in patterns(rows)),
        patterns(guards["before"]),
        patterns(guards["after"]),
        patterns(guards["anywhere"]),
        frozenset(guards["always"]),
    )
