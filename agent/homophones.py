"""Words of ours where a recognizer wrote others that sound the same.

A recognizer picks the kanji itself: お見せ for お店, 止まれる for 泊まれる, オテラ for お寺, エビス駅 for 恵比寿駅. What the training data never says
(a word, or a few words one of which it does not know) and what sounds exactly like words it does say is written as those. Only the
same sounds count (long vowels and ッ, which are lost first, left out): words that merely sound alike are not touched, measured that
made more wrong than right (docs/voice.md).
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from backends.readings import Readings
from backends.sounds import phonemes

_SHORTEST: Final = 5
"""sounds: shorter ones are too often something else"""
_OFTEN: Final = 2
"""times the training data says it"""
_LONGEST: Final = 4
"""words put together"""
_CONTENT: Final = frozenset({"名詞", "動詞", "形容詞", "形状詞", "副詞", "接頭辞", "接尾辞"})
_LETTERS: Final = re.compile(r"[ぁ-んァ-ヶ一-龠]")
_MARKED: Final = re.compile(r"\[([^\]]*)\](?:\([^)]*\)|\{[^}]*\})")


class _Word(NamedTuple):
    begin: int
    end: int
    surface: str
    content: bool


class Homophones:
    """The words of a training set by their sound. Building it takes about a second."""

    def __init__(self, lines: Iterable[tuple[str, bool]], readings: Readings | None = None) -> None:
        """`lines`: texts, and whether they ask something of the car; the words of others are known, and nothing is made into
        them."""
        self._readings = readings or Readings()
        self._known: Counter[str] = Counter()
        wanted: Counter[str] = Counter()
        for text, asks in lines:
            words = self._words(text)
            self._known.update(word.surface for word in words)
            if asks:
                wanted.update(_phrases(text, words))
        self._by_sound = {
            sound: phrase
            for phrase, count in sorted(wanted.items(), key=lambda each: (each[1], each[0]))
            if count >= _OFTEN and len(sound := self._sound(phrase)) >= _SHORTEST
        }

    def mend(self, text: str) -> str:
        """The text with its unknown words as known ones of the same sound; as it is where there are none."""
        words, out, at = self._words(text), [], 0
        while at < len(words):
            found = next(
                (
                    (end, known)
                    for end in range(min(at + _LONGEST, len(words)), at, -1)
                    if (known := self._same_sound(text, words[at:end])) is not None
                ),
                None,
            )
            end, known = found if found is not None else (at + 1, words[at].surface)
            out.append(known)
            at = end
        return "".join(out)

    def _same_sound(self, text: str, words: Sequence[_Word]) -> str | None:
        if all(self._known[word.surface] for word in words) or not all(_LETTERS.search(word.surface) for word in words):
            return None
        span = text[words[0].begin : words[-1].end]
        known = self._by_sound.get(self._sound(span))
        return known if known != span else None

    def _sound(self, text: str) -> str:
        return phonemes(self._readings.reading(text))

    def _words(self, text: str) -> list[_Word]:
        return [
            _Word(begin, end, text[begin:end], part_of_speech[0] in _CONTENT)
            for begin, end, part_of_speech, _ in self._readings.tokens(text)
        ]


def _phrases(text: str, words: Sequence[_Word]) -> Iterator[str]:
    """The words that mean something, alone and up to three in a row."""
    for first, word in enumerate(words):
        for last in range(first, min(first + 3, len(words))):
            if not words[last].content:
                break
            yield text[word.begin : words[last].end]


def training_lines(nlu_data: Path) -> Iterator[tuple[str, bool]]:
    """The Japanese training sentences without their marks, and whether they ask something of the car."""
    import yaml

    for path in sorted((nlu_data / "nlu" / "ja").glob("*.yml")):
        # The pure Python loader would take half a minute.
        data = yaml.load(path.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        for block in data["nlu"]:
            for example in block.get("examples", ()):
                text = example["text"] if isinstance(example, dict) else example
                yield _MARKED.sub(r"\1", text).strip(), "intent" in block and path.stem != "rejected"


class HomophonesSoon:
    """`Homophones` built in a thread of their own: until they are there, texts stay as they are."""

    def __init__(self, nlu_data: Path) -> None:
        self._built: Homophones | None = None
        threading.Thread(target=self._build, args=(nlu_data,), name="homophones", daemon=True).start()

    def _build(self, nlu_data: Path) -> None:
        self._built = Homophones(training_lines(nlu_data))

    def mend(self, text: str) -> str:
        return self._built.mend(text) if self._built is not None else text
