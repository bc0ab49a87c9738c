"""Vosk behind `Recognizer`: streaming, word by word; free, or bound to a grammar of phrases.

N-best and word confidences come from one pass: Vosk gives either, so a word's confidence is the share of the readings, weighted by their
likelihood, that have it where the best one has.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from audio.errors import EngineFailed
from audio.frames import RATE, Frame
from audio.ports import Hypothesis, SpeechLanguage, Word
from audio.text import normalise

UNKNOWN: Final = ("[unk]", "<unk>", "<UNK>", "<SPOKEN_NOISE>")
"""how models spell everything that is none of a grammar's phrases; without it every sound becomes some phrase"""
_SCALE: Final = 0.1
"""log-likelihoods of readings are this much too sure of themselves, as Kaldi's are: its own acoustic scale"""
_SAME_PLACE_S: Final = 0.15


class VoskModel:
    """A loaded model; recognizers share it. Loading takes a second and a few hundred megabytes."""

    def __init__(self, folder: Path) -> None:
        """`folder` has been verified (`ModelStore.path`). Raises `EngineFailed`."""
        import vosk

        vosk.SetLogLevel(-1)
        try:
            self._model: Any = vosk.Model(str(folder))
        except Exception as error:
            # Vosk raises a bare Exception for everything.
            raise EngineFailed("recognizer", f"The Vosk model in {folder} cannot be loaded: {error}.") from error
        self.folder = folder

    @property
    def loaded(self) -> Any:
        """Vosk's own model. Raises `EngineFailed` once closed."""
        if self._model is None:
            raise EngineFailed("recognizer", "The Vosk model has been unloaded.")
        return self._model

    def knows(self, word: str) -> bool:
        """Whether the model has the word in its vocabulary."""
        return bool(self.loaded.vosk_model_find_word(word) >= 0)

    @property
    def unknown(self) -> str | None:
        """The word for what is none of a grammar's phrases; None where the model has none."""
        return next((word for word in UNKNOWN if self.knows(word)), None)

    def close(self) -> None:
        """Lets the memory go; recognizers made from it must be closed before."""
        self._model = None


class VoskRecognizer:
    """`Recognizer` on a Vosk model. `alternatives`: how many readings are asked for."""

    def __init__(self, model: VoskModel, language: SpeechLanguage, *, alternatives: int = 5) -> None:
        self._model, self._language, self._alternatives = model, language, alternatives
        self._engine: Any = None
        self._partial = ""
        self._ended: list[dict[str, Any]] = []

    def start(self, *, phrases: Sequence[str] | None = None) -> None:
        """Begins an utterance; `phrases`: nothing else will be heard but these. Words of theirs must be spelt as
        the vocabulary has them; a phrase with a word it lacks is left out."""
        import vosk

        grammar = self.grammar(phrases) if phrases else None
        if grammar is None:
            self._engine = vosk.KaldiRecognizer(self._model.loaded, RATE)
        else:
            self._engine = vosk.KaldiRecognizer(self._model.loaded, RATE, json.dumps(grammar, ensure_ascii=False))
        self._engine.SetWords(True)
        self._engine.SetPartialWords(False)
        self._engine.SetMaxAlternatives(self._alternatives)
        self._partial, self._ended = "", []

    def grammar(self, phrases: Sequence[str]) -> list[str]:
        """The phrases the model can hear, and its word for everything else."""
        known = [
            p for p in dict.fromkeys(" ".join(p.split()) for p in phrases) if all(map(self._model.knows, p.split()))
        ]
        unknown = self._model.unknown
        return [*known, unknown] if unknown is not None else known

    def accept(self, frame: Frame) -> str | None:
        engine = self._running()
        # Whether Vosk thinks the utterance ended does not matter here: that is the endpointing's business. But what it
        # then has to say must not be lost, so it is taken together in `finish`.
        if engine.AcceptWaveform(frame):
            self._ended.append(json.loads(engine.Result()))
            text = self._so_far("")
        else:
            text = self._so_far(json.loads(engine.PartialResult()).get("partial", ""))
        if text == self._partial:
            return None
        self._partial = text
        return text

    def finish(self) -> Hypothesis:
        engine = self._running()
        parts = [*self._ended, json.loads(engine.FinalResult())]
        self._engine = None
        heard = [_reading(part, self._language) for part in parts]
        return _joined([h for h in heard if h.text], self._language)

    def close(self) -> None:
        """Ends the utterance without asking for its text; the model stays loaded."""
        self._engine = None
        self._ended = []

    def _running(self) -> Any:
        if self._engine is None:
            raise EngineFailed("recognizer", "No utterance has been started.")
        return self._engine

    def _so_far(self, partial: str) -> str:
        said = [_best_text(part) for part in self._ended]
        return normalise(" ".join([*said, partial]), self._language)


def _best_text(result: dict[str, Any]) -> str:
    readings = result.get("alternatives")
    return str(readings[0].get("text", "") if readings else result.get("text", ""))


def _reading(result: dict[str, Any], language: SpeechLanguage) -> Hypothesis:
    """A result of Vosk's, with or without alternatives, as a hypothesis."""
    readings = result.get("alternatives") or [result]
    weights = _shares([float(reading.get("confidence", 0.0)) for reading in readings])
    best = readings[0]
    words = tuple(
        Word(word["word"], word["start"], word["end"], _confidence(word, readings, weights))
        for word in best.get("result", ())
        if word["word"] not in UNKNOWN
    )
    texts = [normalise(str(reading.get("text", "")), language) for reading in readings]
    if not texts[0]:
        return Hypothesis("", 0.0)
    mean = sum(word.confidence for word in words) / len(words) if words else weights[0]
    others = tuple(dict.fromkeys(text for text in texts[1:] if text and text != texts[0]))
    return Hypothesis(texts[0], mean, words, others)


def _shares(likelihoods: Sequence[float]) -> list[float]:
    top = max(likelihoods)
    weights = [math.exp(_SCALE * (value - top)) for value in likelihoods]
    return [weight / sum(weights) for weight in weights]


def _confidence(word: dict[str, Any], readings: Sequence[dict[str, Any]], weights: Sequence[float]) -> float:
    if "conf" in word:
        return float(word["conf"])

    def has(reading: dict[str, Any]) -> bool:
        return any(
            other["word"] == word["word"] and abs(other["start"] - word["start"]) < _SAME_PLACE_S
            for other in reading.get("result", ())
        )

    return sum(weight for reading, weight in zip(readings, weights, strict=True) if has(reading))


def _joined(parts: Sequence[Hypothesis], language: SpeechLanguage) -> Hypothesis:
    """The parts of an utterance that Vosk ended on its own, as one."""
    if not parts:
        return Hypothesis("", 0.0)
    if len(parts) == 1:
        return parts[0]
    words = tuple(word for part in parts for word in part.words)
    text = normalise(" ".join(part.text for part in parts), language)
    # Other readings of the last part: earlier ones are settled.
    before = " ".join(part.text for part in parts[:-1])
    others = tuple(normalise(f"{before} {other}", language) for other in parts[-1].alternatives)
    return Hypothesis(text, min(part.confidence for part in parts), words, others)


@lru_cache(maxsize=4)
def vocabulary(folder: Path) -> frozenset[str]:
    """The words of a model, as it spells them (graph/words.txt of a small model)."""
    path = folder / "graph" / "words.txt"
    if not path.exists():
        return frozenset()
    lines = path.read_text(encoding="utf-8").splitlines()
    return frozenset(line.split()[0] for line in lines if line and line[0] not in "<#[!")
