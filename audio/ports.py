"""What the voice loop asks of its engines. Concrete ones are built by the composition root; tests use scripted ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from audio.frames import Frame

SpeechLanguage = Literal["ja", "en"]


@dataclass(frozen=True, slots=True)
class Word:
    """A recognised word."""

    text: str
    start: float
    """seconds from the first frame of the utterance"""
    end: float
    confidence: float
    """0 … 1"""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What was heard, as one reading of it."""

    text: str
    confidence: float
    """0 … 1; 0 when nothing was heard"""
    words: tuple[Word, ...] = ()
    alternatives: tuple[str, ...] = ()
    """other readings, likeliest first"""


class Recognizer(Protocol):
    """Speech to text, one utterance at a time; called from one thread."""

    def start(self, *, phrases: Sequence[str] | None = None) -> None:
        """Begins an utterance; `phrases`: what may be expected (a grammar or a prompt, as the engine can)."""

    def accept(self, frame: Frame) -> str | None:
        """Takes the next frame; returns the partial text when it changed, None otherwise."""

    def finish(self) -> Hypothesis:
        """Ends the utterance."""

    def close(self) -> None: ...


class VoiceActivity(Protocol):
    """Tells speech from everything else."""

    def probability(self, frame: Frame) -> float:
        """Probability of speech in the latest window, 0 … 1."""

    def reset(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Wake:
    """The wake word was heard."""

    phrase: str
    score: float
    """0 … 1"""
    end: float
    """seconds from the first frame fed to the last frame of the phrase"""


class WakeWord(Protocol):
    """A spotter for one typed phrase; fed every frame."""

    def accept(self, frame: Frame) -> Wake | None: ...

    def reset(self) -> None: ...


class Synthesizer(Protocol):
    """Text to speech, clause by clause."""

    def speak(self, text: str, language: SpeechLanguage) -> Iterator[bytes]:
        """16 kHz mono s16le sound, one piece a clause, the first as soon as it is made."""

    def stop(self) -> None:
        """Ends what is being synthesised; safe from any thread."""

    def close(self) -> None: ...
