"""Words of a message: Sudachi for Japanese, spaces and apostrophes for English; and which language it is.

Recognizers put spaces between Japanese words; they are taken out before Sudachi looks at the sentence, and every token
still points into the text as it was received.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from rasa.engine.graph import ExecutionContext
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.tokenizers.tokenizer import Token, Tokenizer
from rasa.shared.nlu.training_data.message import Message

from backends.model import Language

LONGEST_ANALYSED: Final = 1_000
"""characters of a message that are analysed; what follows is not understood (nobody says it in one breath)"""

_JAPANESE = re.compile(r"[぀-ヿ㐀-䶿一-鿿ｦ-ﾟ々〆]")
_LATIN_RUN = re.compile(r"[A-Za-z][A-Za-z'’\-]*|\d+(?:[.:/,]\d+)*")
_ENGLISH = re.compile(r"\d+(?:[.:/,]\d+)*|[^\W\d_]+(?:['’][^\W\d_]+)?|[^\w\s]|_", re.UNICODE)


@dataclass(frozen=True, slots=True)
class Word:
    """One word of an analysed message."""

    surface: str
    start: int
    """index into the text as received"""
    end: int
    normalized: str
    """Sudachi's normalised form (お寿司 → 御寿司, 美味い → 美味しい), lower-cased; for English the word, lower-cased"""
    dictionary: str
    """dictionary form, lower-cased"""
    reading: str
    """katakana; empty for English"""
    pos: tuple[str, ...]
    """Sudachi's part of speech, six levels; (`word`,), (`number`,) or (`mark`,) for English"""


def language_of(text: str, metadata: Mapping[str, Any] | None = None) -> Language:
    """`language` of the metadata when given, else by script: one Japanese character makes it Japanese."""
    if metadata:
        example = metadata.get("example")
        source = example if isinstance(example, Mapping) else metadata
        given = source.get("language") or source.get("lang")
        if given in ("ja", "en"):
            return cast(Language, given)
    return "ja" if _JAPANESE.search(text[:LONGEST_ANALYSED]) else "en"


def without_inner_spaces(text: str) -> tuple[str, list[int]]:
    """`text` without the spaces that touch Japanese characters, and for each kept character its index in `text`.

    Spaces between Latin words stay ("東京 Sky Tree 近く" → "東京Sky Tree近く").
    """
    kept: list[str] = []
    places: list[int] = []
    for index, char in enumerate(text):
        if char.isspace():
            before = text[:index].rstrip()[-1:]
            after = text[index:].lstrip()[:1]
            if not before or not after or _JAPANESE.match(before) or _JAPANESE.match(after):
                continue
            char = " "
        kept.append(char)
        places.append(index)
    return "".join(kept), places


class WordReader:
    """Splits text into words. Loading Sudachi's dictionary takes about 0.1 s; one reader serves one thread."""

    def __init__(self) -> None:
        from sudachipy import Dictionary, SplitMode

        self._sudachi = Dictionary(dict="small").tokenizer()
        self._mode = SplitMode.A

    def words(self, text: str, language: Language) -> list[Word]:
        """The words of `text`, in order, white space left out."""
        text = text[:LONGEST_ANALYSED]
        return list(self._japanese(text) if language == "ja" else self._english(text))

    def _japanese(self, text: str) -> Iterator[Word]:
        joined, places = without_inner_spaces(text)
        at = 0
        for match in _LATIN_RUN.finditer(joined):
            yield from self._sudachi_words(joined, at, match.start(), places)
            run = match.group()
            folded = unicodedata.normalize("NFKC", run).lower()
            kind = "数詞" if run[0].isdigit() else "普通名詞"
            yield Word(
                run,
                places[match.start()],
                places[match.end() - 1] + 1,
                folded,
                folded,
                "",
                ("名詞", kind, "*", "*", "*", "*"),
            )
            at = match.end()
        yield from self._sudachi_words(joined, at, len(joined), places)

    def _sudachi_words(self, joined: str, begin: int, end: int, places: list[int]) -> Iterator[Word]:
        if begin >= end:
            return
        for morpheme in self._sudachi.tokenize(joined[begin:end], self._mode):
            surface = morpheme.surface()
            if not surface.strip():
                continue
            first, last = begin + morpheme.begin(), begin + morpheme.end()
            yield Word(
                surface,
                places[first],
                places[last - 1] + 1,
                morpheme.normalized_form().lower(),
                morpheme.dictionary_form().lower(),
                morpheme.reading_form(),
                tuple(morpheme.part_of_speech()),
            )

    @staticmethod
    def _english(text: str) -> Iterator[Word]:
        for match in _ENGLISH.finditer(text):
            surface = match.group()
            folded = unicodedata.normalize("NFKC", surface).lower().replace("’", "'")
            kind = "number" if surface[0].isdigit() else "word" if surface[0].isalpha() else "mark"
            yield Word(surface, match.start(), match.end(), folded, folded, "", (kind,))


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.MESSAGE_TOKENIZER, is_trainable=False)
class SudachiTokenizer(Tokenizer):  # type: ignore[misc]
    """Rasa tokenizer for Japanese and English; token data: `pos`, `normalized`, `reading`. Sets `language` on the message."""

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        return {"intent_tokenization_flag": False, "intent_split_symbol": "_", "token_pattern": None}

    @staticmethod
    def required_packages() -> list[str]:
        return ["sudachipy", "sudachidict_small"]

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__({**self.get_default_config(), **config})
        self._reader = WordReader()

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> SudachiTokenizer:
        return cls(config)

    def tokenize(self, message: Message, attribute: str) -> list[Token]:
        text = message.get(attribute)
        language = language_of(text, message.get("metadata"))
        if attribute == "text":
            message.set("language", language)
        return [
            Token(
                word.surface,
                word.start,
                word.end,
                data={"pos": "-".join(word.pos[:4]), "normalized": word.normalized, "reading": word.reading},
                lemma=word.dictionary,
            )
            for word in self._reader.words(text, language)
        ]
