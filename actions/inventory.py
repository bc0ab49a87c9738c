"""Names of the kinds and genres of places, read from nlu_data/inventories/genres.yml.

The file maps ids to `{kind, label: {ja, en}, forms: {ja, en}}`; understanding reads it too (agent/nlu).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from backends.model import Language

GENRES_FILE = Path(__file__).resolve().parent.parent / "nlu_data" / "inventories" / "genres.yml"


@dataclass(frozen=True)
class Inventory:
    """Kinds and genres with their labels."""

    kind_of: Mapping[str, str] = field(default_factory=dict)
    """genre id → kind id"""
    genre_labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """genre id → language → label"""
    kind_labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    siblings: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """(kind, words) → genre id: which genre of that kind the words name"""

    def genre_label(self, genre: str, language: Language) -> str:
        return self.genre_labels.get(genre, {}).get(language) or genre.replace("_", " ")

    def kind_label(self, kind: str, language: Language) -> str:
        return self.kind_labels.get(kind, {}).get(language) or kind.replace("_", " ")

    def genres_label(self, genres: Iterable[str], language: Language) -> str:
        return ("・" if language == "ja" else ", ").join(self.genre_label(g, language) for g in genres)

    def within(self, kind: str, genre: str, words: str) -> str | None:
        """The genre of `kind` that `words` may also mean (「温泉」 is a sight and a kind of hotel), None when there is none."""
        if self.kind_of.get(genre) == kind:
            return genre
        return self.siblings.get((kind, words.strip().lower()))

    def genre_named(self, text: str, kind: str = "restaurant") -> str | None:
        """The genre of a kind that the text names; of several the one with the longest words."""
        text = text.lower()
        found = [
            (len(words), genre)
            for (of, words), genre in self.siblings.items()
            if of == kind and words in text and (not words.isascii() or re.search(rf"\b{re.escape(words)}s?\b", text))
        ]
        return max(found)[1] if found else None


@lru_cache(maxsize=4)
def load(path: Path = GENRES_FILE) -> Inventory:
    """Reads the inventory; an absent file gives an empty one (labels are then the ids)."""
    if not path.exists():
        return Inventory()
    # The C loader where there is one: the file is large and the first turn waits for it.
    data = yaml.load(path.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader)) or {}
    genres: Mapping[str, Mapping[str, Any]] = data.get("genres") or {}
    siblings: dict[tuple[str, str], str] = {}
    for genre, row in genres.items():
        for words in _words(row):
            siblings.setdefault((str(row["kind"]), words.strip().lower()), genre)
    return Inventory(
        {genre: str(row["kind"]) for genre, row in genres.items()},
        {genre: dict(row.get("label") or {}) for genre, row in genres.items()},
        {kind: dict(row.get("label") or {}) for kind, row in (data.get("kinds") or {}).items()},
        siblings,
    )


def _words(row: Mapping[str, Any]) -> Iterable[str]:
    yield from (row.get("label") or {}).values()
    for forms in (row.get("forms") or {}).values():
        yield from (str(form) for form in forms)
