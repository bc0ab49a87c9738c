"""The few words the voice loop itself knows (nlu_data/voice): あいづち, words that interrupt, answers, how to speak; and telling
the agent's own words from the driver's."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from backends.model import Language

MannerChange = Literal["slower", "faster", "louder", "softer", "usual"]
OWN_LEAST: Final[dict[Language, int]] = {"ja": 4, "en": 7}
"""sounds (kana, letters) an echo must have to be told from a word of the driver's"""
OWN_LIKENESS: Final = 78.0
"""how much of what was heard must be found in what was said, in percent: recognizers mishear echoes"""


class VoiceWordsError(ValueError):
    """A file of nlu_data/voice is broken; its text names file and key."""


@dataclass(frozen=True)
class VoiceWords:
    """The words of one language."""

    language: Language
    key: Callable[[str], str]
    """one form for the ways to write the same sound"""
    backchannels: frozenset[str]
    commands: frozenset[str]
    hush: frozenset[str]
    answers: frozenset[str]
    manner: tuple[tuple[MannerChange, re.Pattern[str]], ...]
    expected: Mapping[str, tuple[str, ...]]
    """words that are likely, by what the agent did last (`any`: always)"""

    def is_backchannel(self, text: str) -> bool:
        return self.key(text) in self.backchannels

    def is_command(self, text: str) -> bool:
        return self.key(text) in self.commands

    def is_hush(self, text: str) -> bool:
        """Wants it to be silent, and nothing else."""
        return self.key(text) in self.hush

    def is_answer(self, text: str) -> bool:
        return self.key(text) in self.answers

    def may_become_backchannel(self, partial: str) -> bool:
        """Whether a text still growing may end as an あいづち."""
        key = self.key(partial)
        return any(word.startswith(key) for word in self.backchannels)

    def is_short(self, text: str) -> bool:
        """A word or two: too little to interrupt with, unless it is a command."""
        return len(self.key(text)) <= 5 if self.language == "ja" else len(text.split()) <= 2

    def manner_of(self, text: str) -> MannerChange | None:
        """How the driver wants to be spoken to, when the whole utterance says so."""
        plain = _plain(text)
        if self.language == "ja":
            plain = plain.replace(" ", "")
        return next((change for change, pattern in self.manner if pattern.fullmatch(plain)), None)

    def is_own(self, heard: str, said: str) -> bool:
        """Whether `heard` is (a piece of) `said`, misheard a little."""
        from rapidfuzz import fuzz

        ours, theirs = self.key(said).replace(" ", ""), self.key(heard).replace(" ", "")
        if len(theirs) < OWN_LEAST[self.language] or len(theirs) > 1.3 * len(ours) + 2:
            return False
        return float(fuzz.partial_ratio(theirs, ours)) >= OWN_LIKENESS


def load(folder: Path, language: Language, reading: Callable[[str], str] | None = None) -> VoiceWords:
    """Reads `folder`/ja.yml or en.yml. `reading` gives the kana of a Japanese text. Raises `VoiceWordsError`."""
    import yaml

    path = folder / f"{language}.yml"
    try:
        rows = yaml.safe_load(path.read_text(encoding="utf-8"))
        key = _japanese_key(reading) if language == "ja" else _plain
        manner = tuple(
            (change, re.compile(pattern)) for change, patterns in rows["manner"].items() for pattern in patterns
        )
        lists = {name: _words(path, name, rows[name], key) for name in ("backchannels", "commands", "hush", "answers")}
        expected = {context: tuple(map(str, words)) for context, words in rows["expected"].items()}
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError, re.error) as error:
        raise VoiceWordsError(f"{path.name}: {error!r}") from error
    if unknown := {change for change, _ in manner} - {"slower", "faster", "louder", "softer", "usual"}:
        raise VoiceWordsError(f"{path.name}: unknown under manner: {sorted(unknown)}")
    return VoiceWords(language, key, manner=manner, expected=expected, **lists)


def _words(path: Path, name: str, words: Sequence[Any], key: Callable[[str], str]) -> frozenset[str]:
    if not words or not all(isinstance(word, str) for word in words):
        # YAML takes yes, no and on for truth values unless they are quoted.
        raise VoiceWordsError(f"{path.name}: {name}: not all of them are texts")
    return frozenset(key(word) for word in words)


def _plain(text: str) -> str:
    """Lower case, composed, without marks, single spaces; hyphens are spaces."""
    text = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    text = re.sub(r"[-‐–—]", " ", text)
    text = "".join(c for c in text if c in " '" or unicodedata.category(c)[0] in "LNM")
    return " ".join(text.split())


def _japanese_key(reading: Callable[[str], str] | None) -> Callable[[str], str]:
    from functools import lru_cache

    from backends.readings import Readings, reading_key

    read = reading or Readings().reading

    @lru_cache(maxsize=2048)
    def key(text: str) -> str:
        plain = _plain(text).replace(" ", "")
        return reading_key(read(plain)).replace("ッ", "") if plain else ""

    return key
