"""What the voice loop is made of and what it asks of the rest: the conversation, the engines, its limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from agent.events import Event
from agent.several import ASKS
from agent.voice_words import VoiceWords
from audio.endpointing import Completeness, Endpointing
from audio.frames import FRAME_S, Frame
from audio.player import Player
from audio.ports import Recognizer, Synthesizer, VoiceActivity, WakeWord
from backends.model import Language

Source = Literal["wake_word", "button", "talk_switch"]
OPEN_CONTEXTS: Final = ASKS | {"greeting", "apology"}
"""what an answer does when the driver is to speak next: the line stays open without the wake word"""
NOT_FOR_US: Final = frozenset({"human_talk"})
"""intents of people who talk to each other"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the conversation answered."""

    text: str
    language: Language
    context: str
    """what it does (docs/understanding-contract.md)"""


class Talk(Protocol):
    """The conversation, as the loop sees it. Futures end by the turn's deadline."""

    def ask(
        self, text: str, language: Language, metadata: Mapping[str, Any], alternatives: Sequence[str] = ()
    ) -> Future[Answer]:
        """A turn. `alternatives`: other readings of what was heard, likeliest first."""

    def meaning(self, text: str, language: Language) -> Future[str] | None:
        """The intent alone, nothing remembered or done; "" when it is not clear. None when it cannot be told ahead."""

    def expected(self, language: Language) -> Sequence[str]:
        """Words that are likely now, for recognizers that can use them; empty for those that would hear nothing else."""

    def say(self, language: Language, key: str) -> str:
        """A sentence of ours."""

    def emit(self, event: Event) -> None:
        """Onto the event stream."""


class EchoGuard(Protocol):
    """Takes the agent's own voice out of what the microphone hears."""

    def clean(self, heard: Frame, played: Frame) -> tuple[Frame, float]:
        """The frame without it, and how much of the frame was the agent's own voice, 0 … 1."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds, unless it says otherwise."""

    pre_roll: float = 4.0
    """sound kept from before the wake word was noticed"""
    wake_back: float = 1.8
    """sound from before the end of the wake word, the wake word itself among it"""
    press_roll: float = 0.3
    """sound kept from before a button was pressed"""
    stable: float = 0.12
    """a partial text that stays so long is understood ahead"""
    thinking_earcon: float = 1.2
    """after which it says that it works on it, and again each time"""
    recognition: float = 8.0
    answer: float = 8.0
    """longest a conversation's turn may take; its own deadline comes first"""
    speaking: float = 12.0
    """longest an answer may not sound at all"""
    onset: int = 6
    """frames of speech, of the last `onset_of`, that hold an answer"""
    onset_of: int = 8
    meant: float = 0.7
    """speech so long into an answer is meant for us, whatever the words are"""
    short_pause: float = 0.3
    """silence after which a shorter sound into an answer is judged"""
    judged: float = 3.0
    """longest an answer is held"""
    speech: float = 0.5
    """probability from which a frame counts as speech"""
    own: float = 0.5
    """share of the agent's own voice from which a frame does not"""
    own_wake: float = 2.0
    """after the agent's own words, the wake word among them is the agent's"""
    unsure: float = 0.25
    """confidence below which the driver is asked to say it again"""

    @staticmethod
    def frames(seconds: float) -> int:
        return max(1, round(seconds / FRAME_S))


@dataclass(frozen=True)
class Parts:
    """What a loop is made of."""

    recognizer: Recognizer
    activity: VoiceActivity
    synthesizer: Synthesizer
    player: Player
    talk: Talk
    words: Mapping[Language, VoiceWords]
    endpointing: Callable[[Callable[[str], Completeness]], Endpointing]
    wake: WakeWord | None = None
    echo: EchoGuard | None = None
    keep: Callable[[bytes], object] | None = None
    """gets the sound of each utterance, where recordings are on"""
