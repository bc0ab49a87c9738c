"""How it speaks, changed by voice: 「もっとゆっくり話して」, "speak up"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

from agent.dialogue import Dialogue, DialogueReply, Understanding
from agent.voice_words import MannerChange, VoiceWords
from audio.speaker import STEP, Manner
from backends.model import Language


class Say(Protocol):
    def __call__(self, language: Language, key: str, /) -> str:
        """A sentence of ours."""


class HasManner(Protocol):
    """Something that speaks (`audio.speaker.WorkerSynthesizer`)."""

    manner: Manner


class MannerDialogue:
    """A `Dialogue` that answers 「もっとゆっくり話して」 and "speak up" itself, for sessions with a voice; all else goes on to the
    dialogue below."""

    def __init__(
        self,
        below: Dialogue,
        words: Mapping[Language, VoiceWords],
        say: Say,
    ) -> None:
        self._below, self.words, self._say = below, words, say
        self._voices: dict[str, HasManner] = {}
        self.parse, self.reset, self.slots, self.close = below.parse, below.reset, below.slots, below.close
        self.forget = below.forget

    def join(self, session: str, voice: HasManner) -> None:
        """`voice` speaks in a session from now on."""
        self._voices[session] = voice

    def leave(self, session: str) -> None:
        self._voices.pop(session, None)

    async def turn(
        self, session: str, text: str, *, language: Language, metadata: Mapping[str, Any] | None = None
    ) -> DialogueReply:
        voice = self._voices.get(session)
        change = self.words[language].manner_of(text) if voice is not None else None
        if voice is None or change is None:
            return await self._below.turn(session, text, language=language, metadata=metadata)
        before: Manner = voice.manner
        voice.manner = changed(before, change)
        key = f"voice.{change}" if voice.manner != before or change == "usual" else f"voice.{_LIMIT[change]}"
        arguments = {"rate": voice.manner.rate, "volume": voice.manner.volume}
        return DialogueReply(
            (self._say(language, key),),
            {
                "context": "done",
                "actions": [{"name": "set_voice", "arguments": arguments, "ok": voice.manner != before}],
                "cards": [],
                "quick_replies": [],
            },
            Understanding("audio_volume", 1.0, ()),
            await self._below.slots(session),
        )


_LIMIT: Final[dict[MannerChange, str]] = {
    "slower": "slowest", "faster": "fastest", "louder": "loudest", "softer": "softest", "usual": "usual"
}  # fmt: skip


def changed(manner: Manner, change: MannerChange) -> Manner:
    """A step into the wished direction, within the voice's limits."""
    if change == "usual":
        return Manner()
    steps = {"slower": (-1, 0), "faster": (1, 0), "louder": (0, 1), "softer": (0, -1)}
    rate, volume = steps[change]
    return manner.changed(rate=rate * STEP["rate"], volume=volume * STEP["volume"])
