"""The voice loop over a page's WebSocket: 20 ms frames of 16 kHz mono s16le in both directions (docs/protocol.md)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from agent.errors import StartError
from agent.voice import Voice, VoiceThread
from audio.devices import FrameQueue
from audio.errors import AudioError
from audio.frames import FRAME_BYTES, Frame
from audio.player import SILENCE
from backends.model import Language

if TYPE_CHECKING:
    from agent.composition import System
    from agent.composition_hearing import Ears

OpenVoice = Callable[[str, Language], Awaitable[Voice]]
MAX_VOICES: Final = 4
"""voice loops at a time; each keeps an engine busy"""
MAX_CHUNK: Final = 50 * FRAME_BYTES
"""a second of sound in one message"""
_OUT_FRAMES: Final = 250


class StreamMicrophone:
    """A microphone whose frames come from somewhere else; what is not taken in time is counted."""

    def __init__(self) -> None:
        self._frames = FrameQueue()

    @property
    def lost(self) -> int:
        return self._frames.lost

    def put(self, sound: bytes) -> None:
        self._frames.put(sound)

    def read(self, timeout_s: float) -> Frame | None:
        return self._frames.get(timeout_s)

    def close(self) -> None: ...


class VoiceStreams:
    """The engines all pages share, and how many use them."""

    def __init__(self, system: System, open_: OpenVoice | None = None) -> None:
        """`open_` lets tests bring voices of their own."""
        self.system = system
        self._streams: set[VoiceStream] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self._open = open_ or self._real
        self._ears: Ears | None = None

    async def open(self, session: str, language: Language) -> Voice:
        """A voice loop for a session. Raises `StartError`, `AudioError`."""
        return await self._open(session, language)

    @property
    def count(self) -> int:
        """Voices that are on, or being opened."""
        return len(self._streams)

    def add(self, stream: VoiceStream) -> None:
        self._streams.add(stream)

    def discard(self, stream: VoiceStream) -> None:
        self._streams.discard(stream)

    def closing(self, task: asyncio.Task[None]) -> None:
        """Keeps a task until it is done."""
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        await asyncio.gather(*self._closing, *(stream.close() for stream in list(self._streams)))
        if self._ears is not None:
            self._ears.close()

    async def _real(self, session: str, language: Language) -> Voice:
        from agent.composition_hearing import Ears
        from agent.composition_voice import open_voice, wake_word

        # Wake word and recordings are the driver's own.
        settings = replace(self.system.settings, driver=self.system.conversation.driver)
        if self._ears is None:
            self._ears = Ears(settings)
        wake = await asyncio.to_thread(wake_word, settings, self._ears, language)
        return await open_voice(settings, self.system, session, language, self._ears, wake=wake)


class VoiceStream:
    """One page that speaks and hears."""

    def __init__(self, streams: VoiceStreams, session: str, send: Callable[[bytes], Awaitable[None]]) -> None:
        self._streams, self._session, self._send = streams, session, send
        self._microphone = StreamMicrophone()
        self._voice: Voice | None = None
        self._running: VoiceThread | None = None
        self._out: asyncio.Queue[Frame] = asyncio.Queue(_OUT_FRAMES)
        self._sender: asyncio.Task[None] | None = None

    @property
    def is_open(self) -> bool:
        return self._voice is not None

    async def start(self, language: Language) -> str | None:
        """Opens the loop; returns why it cannot be, as one sentence."""
        streams = self._streams
        if streams.count >= MAX_VOICES:
            return "Too many are speaking already. Text works."
        streams.add(self)
        try:
            self._voice = await streams.open(self._session, language)
        except (StartError, AudioError) as error:
            return str(error)
        finally:
            if self._voice is None:
                streams.discard(self)
        loop = asyncio.get_running_loop()

        def out(frame: Frame) -> None:
            # A loop that has ended needs no sound any more.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._sound, frame)

        self._running = VoiceThread(self._voice, self._microphone, out=out)
        self._sender = asyncio.create_task(self._forward())
        self._running.start()
        return None

    def hear(self, sound: bytes) -> str | None:
        """Sound from the page; returns why it cannot be taken."""
        if self._voice is None:
            return "voice is not on"
        if not sound or len(sound) > MAX_CHUNK or len(sound) % 2:
            return "not 16-bit sound of at most a second"
        self._microphone.put(sound)
        return None

    def press(self, source: str) -> None:
        if self._voice is not None:
            self._voice.listener.press("talk_switch" if source == "talk_switch" else "button")

    def release(self) -> None:
        if self._voice is not None:
            self._voice.listener.release()

    def announce(self, text: str, language: Language) -> None:
        if self._voice is not None:
            self._voice.listener.announce(text, language)

    def close_soon(self) -> None:
        """Closes apart from the caller, who may be cancelled at any moment: the page has gone."""
        if self._voice is not None:
            self._streams.closing(asyncio.create_task(self.close()))

    async def close(self) -> None:
        voice, running, sender = self._voice, self._running, self._sender
        self._voice = self._running = self._sender = None
        if voice is None:
            return
        if running is not None:
            await asyncio.to_thread(running.close)
        if sender is not None:
            sender.cancel()
        await asyncio.to_thread(voice.close)
        self._streams.discard(self)

    def _sound(self, frame: Frame) -> None:
        # Silence is not sent: the page is silent by itself.
        if frame == SILENCE:
            return
        if self._out.full():
            # A page that does not take its sound loses the oldest of it, and never holds up the loop.
            self._out.get_nowait()
        self._out.put_nowait(frame)

    async def _forward(self) -> None:
        while True:
            await self._send(await self._out.get())
