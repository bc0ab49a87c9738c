"""The voice half of the composition root: builds the loop's engines and joins them to a conversation."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from agent.composition import Ears, System
from agent.listener import Listener
from agent.recordings import Recordings
from agent.settings import Settings
from agent.voice import ConversationTalk, SettledWork, Voice
from agent.voice_ports import Limits, Parts
from audio.endpointing import Endpointing, Pauses
from audio.errors import AudioError
from audio.player import Player
from audio.speaker import Manner, WorkerSynthesizer
from backends.model import Language

if TYPE_CHECKING:
    from agent.conversation import Conversation
    from audio.ports import WakeWord


def language_of(settings: Settings, wanted: str | None = None) -> Language:
    """What is listened for: as asked, as set, otherwise Japanese (a recognizer hears one language)."""
    return "en" if (wanted or settings.language) == "en" else "ja"


def open_synthesizer(settings: Settings) -> WorkerSynthesizer:
    return WorkerSynthesizer(
        manner=Manner(settings.speech_rate, settings.speech_volume), english=settings.english_voice
    )


async def open_voice(
    settings: Settings,
    system: System,
    session: str,
    language: Language,
    ears: Ears,
    *,
    wake: WakeWord | None = None,
    limits: Limits | None = None,
    synthesizer: WorkerSynthesizer | None = None,
) -> Voice:
    """A voice loop for a session of a running system; call in the event loop the system lives in. `synthesizer`: one that is
    running already. Raises `StartError`."""
    from audio.echo import AdaptiveEchoGuard

    player, work = Player(), SettledWork()
    if synthesizer is None:
        synthesizer = open_synthesizer(settings)
    pauses = Pauses(
        complete=settings.pause_complete_s,
        unknown=settings.pause_unknown_s,
        open=settings.pause_thinking_s,
        longest=settings.utterance_longest_s,
    )
    recognizer = await asyncio.to_thread(ears.recognizer, language)
    # Vosk would hear nothing but what it is told to expect; Whisper hears it the more readily.
    hints = system.manners.words if ears.engine(language) == "whisper" else None
    talk = ConversationTalk(system.conversation, session, asyncio.get_running_loop(), hints, ears.homophones().mend)
    parts = Parts(
        recognizer,
        ears.activity(),
        synthesizer,
        player,
        talk,
        system.manners.words,
        lambda judge: Endpointing(judge, language, pauses),
        wake,
        AdaptiveEchoGuard(),
        keep=keeper(settings, system.conversation) if settings.recordings else None,
    )
    listener = Listener(
        session, parts, language=language, limits=limits or Limits(), work=work, clock=time.perf_counter
    )
    system.manners.join(session, synthesizer)
    # Loaded while the first words are being said.
    threading.Thread(target=_warm, args=(synthesizer, language, system), name="voice warms up", daemon=True).start()

    def close() -> None:
        system.manners.leave(session)
        recognizer.close()

    return Voice(listener, player, work, synthesizer, close)


def keeper(settings: Settings, conversation: Conversation) -> Callable[[bytes], object]:
    """Keeps an utterance as whoever drives; a guest's is not kept."""
    recordings = Recordings(settings)

    def keep(sound: bytes) -> None:
        if conversation.driver != "guest":
            recordings.keep(conversation.driver, sound)

    return keep


def _warm(synthesizer: WorkerSynthesizer, language: Language, system: System) -> None:
    """Loads the voice, and makes what the loop says most."""
    with contextlib.suppress(AudioError):
        synthesizer.warm(language)
        keys = ("go_ahead", "reprompt", "not_heard", "late", "close")
        synthesizer.prepare([system.phrases.say(language, f"voice.{key}") for key in keys], language)


def wake_word(settings: Settings, ears: Ears, language: Language) -> WakeWord | None:
    """The spotter of the driver's wake word; None where this machine has no model for it. A phrase wakes in the language it is
    typed in, whatever is spoken afterwards."""
    from agent.composition import wake_word_store
    from agent.wakewords import language_of as language_of_phrase
    from agent.wakewords import tidy

    phrase = tidy(wake_word_store(settings).get(settings.driver) or settings.wake_word)
    return ears.wake_word(phrase, language_of_phrase(phrase)) if ears.can_wake else None


@contextlib.contextmanager
def through_loudspeaker(settings: Settings) -> Iterator[Callable[[bytes], None]]:
    """Something that plays sound, and has played it all at the end. Raises `AudioError`."""
    from audio.devices import SoundDeviceSpeaker

    player = Player()
    speaker = SoundDeviceSpeaker(player, settings.loudspeaker)
    try:
        yield player.play
        while player.pending and speaker.alive:
            time.sleep(0.05)
        time.sleep(0.2)
    finally:
        speaker.close()
