"""Words that concern the line to the operator (nlu_data/line): looked for before understanding, without the dialogue model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from agent.safety import fold
from backends.model import Language

Word = Literal["back", "cancel", "accept", "refuse", "person", "correction"]


class LineDataError(ValueError):
    """A phrase file is broken."""


class LineWords:
    """Both languages are always looked at: who wants to get back may say so in either."""

    def __init__(self, tables: Mapping[Language, Mapping[str, tuple[re.Pattern[str], ...]]]) -> None:
        self._tables = tables

    @classmethod
    def load(cls, folder: Path) -> LineWords:
        """Reads `folder`/ja.yml and en.yml. Raises `LineDataError` naming the file."""
        import yaml

        tables: dict[Language, dict[str, tuple[re.Pattern[str], ...]]] = {}
        for language in get_args(Language):
            path = folder / f"{language}.yml"
            try:
                data: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
                tables[language] = {
                    word: tuple(re.compile(p) for p in ([data[word]] if isinstance(data[word], str) else data[word]))
                    for word in get_args(Word)
                }
            except (OSError, yaml.YAMLError, KeyError, TypeError, re.error) as error:
                raise LineDataError(f"{path.name}: {error}") from error
        return cls(tables)

    def says(self, word: Word, text: str) -> bool:
        """Whether `text` says it."""
        return any(
            pattern.search(folded)
            for language, table in self._tables.items()
            for folded in (fold(text[:500], language),)
            for pattern in table[word]
        )
