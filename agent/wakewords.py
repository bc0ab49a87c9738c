"""Wake words as drivers type them: checked, kept per driver, made ready to be listened for."""

from __future__ import annotations

import json
import os
import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from rapidfuzz.distance import Levenshtein

from agent.errors import StartError
from agent.settings import PROJECT
from audio.ports import SpeechLanguage
from audio.wake_word import WakePhrase
from backends.readings import Readings, is_latin, reading_key, to_hiragana, to_katakana

Reading = Callable[[str], str]
"""how Japanese text sounds, in katakana"""
_EVERYDAY: Final = Path(__file__).with_name("everyday.yml")
_BETWEEN = re.compile(r"[\s、。,.!！?？・]+")
_SMALL = re.compile("[ァィゥェォャュョヮ]")
_VOWELS = re.compile(r"[aeiouy]+")
SIMILAR: Final = 0.75
"""likeness from which two phrases are taken for each other"""
# Syllables (English) or morae (Japanese, which are shorter).
LEAST: Final = {"ja": 4, "en": 3}
GOOD: Final = {"ja": 6, "en": 4}
MUCH: Final = {"ja": 16, "en": 9}
MOST: Final = {"ja": 24, "en": 14}
_SYLLABLE_S: Final = {"ja": 0.15, "en": 0.22}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to tell about a phrase: id and values of a sentence in nlu_data/responses."""

    sentence: str
    values: dict[str, Any]

    @property
    def refused(self) -> bool:
        return ".refused." in self.sentence


def tidy(text: str) -> str:
    """The phrase as it is kept: NFKC, one space or comma between words."""
    text = unicodedata.normalize("NFKC", text).strip()
    return " ".join(
        re.sub(r"\s*[、,。.!！?？・]+\s*", "、" if not is_latin(text) else ", ", text).strip("、, ").split()
    )


def language_of(phrase: str) -> SpeechLanguage:
    return "en" if is_latin(phrase) else "ja"


@lru_cache(maxsize=1)
def japanese_reading() -> Reading:
    """How Sudachi reads it; loaded when first needed."""
    readings = Readings()
    return lambda text: to_katakana(readings.reading(text))


def sound(phrase: str, language: SpeechLanguage, reading: Reading) -> str:
    """One spelling for how a phrase sounds, without what is between its words."""
    bare = _BETWEEN.sub("", phrase) if language == "ja" else " ".join(_BETWEEN.sub(" ", phrase).split())
    return reading_key(reading(bare)) if language == "ja" else bare.casefold()


def syllables(phrase: str, language: SpeechLanguage, reading: Reading) -> int:
    """Morae of a Japanese phrase, syllables of an English one."""
    if language == "ja":
        return len(_SMALL.sub("", sound(phrase, language, reading)))
    # A final e is silent, but no word is without a syllable.
    words = [re.sub(r"(?<=[^aeiouyl])e$", "", word) for word in sound(phrase, language, reading).split()]
    return sum(max(1, len(_VOWELS.findall(word))) for word in words)


def wake_phrase(phrase: str, language: SpeechLanguage, reading: Reading) -> WakePhrase:
    """What the spotter needs of a phrase."""
    seconds = 0.1 + _SYLLABLE_S[language] * syllables(phrase, language, reading)
    return WakePhrase(phrase, language, spellings(phrase, language, reading), seconds)


def spellings(phrase: str, language: SpeechLanguage, reading: Reading) -> tuple[str, ...]:
    """How a recognizer may write it, likeliest first."""
    words = [word for word in _BETWEEN.split(phrase) if word]
    if language == "en":
        first, rest = words[0][:1].upper() + words[0][1:], words[1:]
        titled = [first, *(word[:1].upper() + word[1:] for word in rest)]
        plain, called = " ".join([first, *rest]), f"{first}, {' '.join(titled[1:] if len(rest) == 1 else rest)}"
        forms = [called, plain, " ".join(titled)] if len(rest) < 2 else [plain, called, " ".join(titled)]
        forms += [f"{first} {' '.join(rest[:-1])}, {titled[-1]}"] if len(rest) > 1 else []
        forms = [" " + form.rstrip(", ") for form in forms]
    else:
        joined = "".join(words)
        forms = ["、".join(words), joined, " ".join(words)]
        if re.search(r"[\u3400-\u9fffA-Za-z]", joined):
            forms.append(reading(joined))
        elif len(words) == 1:
            forms.append(to_hiragana(joined) if joined == to_katakana(joined) else to_katakana(joined))
    return tuple(dict.fromkeys(forms))


def likeness_to(phrase: WakePhrase, reading: Reading) -> Callable[[str], float]:
    """How much of a text sounds like the phrase, 0 … 1: its best-matching stretch, anywhere in it."""
    wanted = sound(phrase.text, phrase.language, reading).replace(" ", "")

    def likeness(text: str) -> float:
        heard = sound(text, phrase.language, reading).replace(" ", "")
        size = len(wanted)
        stretches = (heard[i : i + size] for i in range(max(1, len(heard) - size + 1)))
        return max(Levenshtein.normalized_similarity(wanted, stretch) for stretch in stretches)

    return likeness


def check(
    phrase: str,
    language: SpeechLanguage,
    reading: Reading,
    *,
    commands: Iterable[str] = (),
    vocabulary: frozenset[str] = frozenset(),
    others: Iterable[str] = (),
) -> list[Finding]:
    """What speaks against a phrase, refusals first. `commands`: things drivers say; `vocabulary`: a streaming recognizer's words
    (empty: there is none); `others`: wake words of other drivers."""
    if not all(character.isalpha() or character in "ー 、,'’-" for character in phrase) or not any(
        map(str.isalpha, phrase)
    ):
        return [Finding("wakeword.refused.letters", {})]
    length = syllables(phrase, language, reading)
    if length < LEAST[language] or length > MOST[language]:
        return [Finding(f"wakeword.refused.{'short' if length < LEAST[language] else 'long'}", {"phrase": phrase})]
    found = []
    if length < GOOD[language] or length > MUCH[language]:
        found.append(Finding(f"wakeword.warning.{'short' if length < GOOD[language] else 'long'}", {}))
    own = sound(phrase, language, reading)

    def similar(other: str) -> bool:
        return Levenshtein.normalized_similarity(own, other) >= SIMILAR

    everyday = next((word for word in _everyday()[language] if similar(_everyday_sound(word, language))), None)
    if everyday is not None:
        found.append(Finding("wakeword.warning.everyday", {"other": everyday}))
    command = next((text for text in commands if _says(text, phrase, own, language, reading)), None)
    if command is not None:
        found.append(Finding("wakeword.warning.commands", {"other": command}))
    taken = next((o for o in others if similar(sound(o, language_of(o), reading))), None)
    if taken is not None:
        found.append(Finding("wakeword.warning.taken", {"other": taken}))
    unknown = [word for word in _BETWEEN.split(phrase) if word and word not in vocabulary] if vocabulary else []
    if unknown:
        found.append(Finding("wakeword.warning.vocabulary", {"words": " ".join(unknown)}))
    return found


def commands_of(language: SpeechLanguage) -> tuple[str, ...]:
    """What drivers say, as the dialogue model was taught it."""
    lines: list[str] = []
    for path in sorted((PROJECT / "nlu_data" / "nlu" / language).glob("*.yml")):
        if path.stem != "rejected":
            lines += [line.strip(" -") for line in path.read_text(encoding="utf-8").splitlines()]
    return tuple(
        re.sub(r"\[([^\]]*)\](?:\([^)]*\)|\{[^}]*\})", r"\1", line) for line in lines if line and ":" not in line
    )


def _says(text: str, phrase: str, own: str, language: SpeechLanguage, reading: Reading) -> bool:
    if language == "en":
        return f" {own} " in f" {' '.join(_BETWEEN.sub(' ', text).split()).casefold()} "
    bare = _BETWEEN.sub("", phrase)
    # Reading thousands of sentences would take seconds; the same word is written the same way, or in the other kana.
    return any(form in text for form in {bare, to_katakana(bare), to_hiragana(bare)})


def decoys(language: SpeechLanguage) -> tuple[str, ...]:
    """What a grammar may hear instead of the wake word, so that it need not hear the wake word."""
    return tuple(word for word in _everyday()[language])


@lru_cache(maxsize=1)
def _everyday() -> dict[SpeechLanguage, tuple[str, ...]]:
    import yaml

    table = yaml.safe_load(_EVERYDAY.read_text(encoding="utf-8"))
    return {language: tuple(words) for language, words in table.items()}


def _everyday_sound(word: str, language: SpeechLanguage) -> str:
    return reading_key(word) if language == "ja" else word


class WakeWordStore:
    """Each driver's own wake word, in a JSON file of the state folder."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def all(self) -> dict[str, str]:
        """Driver → phrase; a file that cannot be read counts as empty."""
        try:
            data = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return {str(k): v for k, v in data.items() if isinstance(v, str) and v} if isinstance(data, dict) else {}

    def get(self, driver: str) -> str | None:
        return self.all().get(driver)

    def put(self, driver: str, phrase: str) -> None:
        """Raises `StartError` when it cannot be written."""
        self._write({**self.all(), driver: phrase})

    def forget(self, driver: str) -> bool:
        """Back to the settings' wake word; whether there was one of the driver's own."""
        kept = self.all()
        had = kept.pop(driver, None) is not None
        if had:
            self._write(kept)
        return had

    def _write(self, data: dict[str, str]) -> None:
        part = self._path.with_name(f"{self._path.name}.{os.getpid()}.part")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps(data, ensure_ascii=False, indent=1), encoding="utf-8")
            part.replace(self._path)
        except OSError as error:
            raise StartError(f"The wake word cannot be kept: {self._path} ({error.strerror}).") from error
