"""What the agent says: sentences as data (nlu_data/responses/<language>/*.yml), filled and chosen here.

A file maps ids to one sentence or to a list of variants with the same meaning:

    search.found_one: "{name}が見つかりました。"
    smalltalk.thanks: ["どういたしまして。", "お役に立ててよかったです。"]

Placeholders are plain `{name}`; values are inserted as text and never interpreted again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import yaml

from backends.model import Language

_PLACEHOLDER = re.compile(r"\{(\w+)\}")


class PhraseError(ValueError):
    """A phrase file is broken, or a sentence is asked for that does not exist or lacks a value."""


class Phrases:
    """The sentences of both languages."""

    def __init__(self, tables: Mapping[Language, Mapping[str, tuple[str, ...]]]) -> None:
        self._tables = tables

    @classmethod
    def load(cls, folder: Path) -> Phrases:
        """Reads `folder`/ja/*.yml and `folder`/en/*.yml. Raises `PhraseError` naming file and id."""
        tables: dict[Language, dict[str, tuple[str, ...]]] = {"ja": {}, "en": {}}
        for language, table in tables.items():
            for path in sorted((folder / language).glob("*.yml")):
                try:
                    rows = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
                except yaml.YAMLError as error:
                    raise PhraseError(f"{path.name}: {error}") from error
                for key, value in rows.items():
                    variants = (value,) if isinstance(value, str) else tuple(value)
                    if key in table or not variants or not all(isinstance(v, str) and v for v in variants):
                        raise PhraseError(f"{language}/{path.name}: {key}: doubled, empty or not a sentence")
                    table[key] = variants
        return cls(tables)

    def ids(self, language: Language) -> frozenset[str]:
        return frozenset(self._tables[language])

    def variants(self, language: Language, key: str) -> tuple[str, ...]:
        try:
            return self._tables[language][key]
        except KeyError:
            raise PhraseError(f"no sentence {key!r} in {language}") from None

    def say(self, language: Language, key: str, /, *, turn: int = 0, **values: object) -> str:
        """The sentence `key` with its placeholders filled; `turn` picks among the variants, so that it is repeatable."""
        variants = self.variants(language, key)

        def fill(match: re.Match[str]) -> str:
            if match[1] not in values:
                raise PhraseError(f"{language}: {key}: no value for {match[1]}")
            return str(values[match[1]])

        return _PLACEHOLDER.sub(fill, variants[turn % len(variants)])
