"""The voice loop joined to the conversation, and run: from a microphone, a sound file, or a stream of frames."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from agent.conversation import Conversation
from agent.errors import AgentError
from agent.events import Event
from agent.listener import Listener, State
from agent.recognizer_thread import thread
from agent.voice_ports import Answer
from agent.voice_words import VoiceWords
from audio.devices import Microphone
from audio.frames import FRAME_S, Frame
from audio.player import SILENCE, Player
from backends.model import Language

log = logging.getLogger(__name__)

CLEAR: Final = 0.6
"""confidence from which a meaning may end an utterance sooner, and is believed to be what was said"""
NO_REQUEST: Final = "chitchat_oos"
"""the function of what asks nothing of the car"""


class ConversationTalk:
    """`agent.voice_ports.Talk` over a conversation that lives in an event loop; called from the voice loop's thread."""

    def __init__(
        self,
        conversation: Conversation,
        session: str,
        loop: asyncio.AbstractEventLoop,
        words: Mapping[Language, VoiceWords] | None = None,
    ) -> None:
        """`words`: where the recognizer can be told what is likely, the words it is told."""
        self._conversation, self._session, self._loop = conversation, session, loop
        self._words = words
        self._context = "none"
        self._names: tuple[str, ...] = ()

    def ask(
        self, text: str, language: Language, metadata: Mapping[str, Any], alternatives: Sequence[str] = ()
    ) -> Future[Answer]:
        async def turn() -> Answer:
            meant = await self._clearest(text, language, alternatives)
            spoke = (
                await self._conversation.turn(
                    self._session, meant, language=language, metadata={"voice": True, **metadata}
                )
            ).spoke
            self._context = spoke.context
            self._names = tuple(str(card["name"]) for card in spoke.cards[:3] if card.get("name"))
            return Answer(spoke.text, spoke.language, spoke.context)

        return asyncio.run_coroutine_threadsafe(turn(), self._loop)

    async def _clearest(self, text: str, language: Language, alternatives: Sequence[str]) -> str:
        """What was heard; or, when that makes no sense here, the likeliest other reading that does. An operator gets the former."""
        if not alternatives or self._conversation.owner(self._session) != "agent" or await self._clear(text, language):
            return text
        for other in alternatives:
            if await self._clear(other, language):
                return other
        return text

    async def _clear(self, text: str, language: Language) -> bool:
        try:
            understood = await self._conversation.parse(text, language, self._context)
        except AgentError:
            # The turn itself says what is wrong.
            return True
        return understood.confidence >= CLEAR and self._conversation.function_of(understood.intent) != NO_REQUEST

    def meaning(self, text: str, language: Language) -> Future[str] | None:
        async def parse() -> str:
            understood = await self._conversation.parse(text, language, self._context)
            return understood.intent if understood.confidence >= CLEAR else ""

        return asyncio.run_coroutine_threadsafe(parse(), self._loop)

    def expected(self, language: Language) -> Sequence[str]:
        if self._words is None:
            return ()
        table = self._words[language].expected
        return (*table.get(self._context, ()), *self._names, *table.get("any", ()))

    def say(self, language: Language, key: str) -> str:
        return self._conversation.say(language, key)

    def emit(self, event: Event) -> None:
        # After the end nobody listens any more.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._conversation.stream.emit, event)


# ── running ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class SettledWork:
    """Makes threads for slow things and can wait until none is busy: sound from a file then takes no longer than the engines."""

    def __init__(self) -> None:
        self._threads: list[ThreadPoolExecutor] = []
        self._open: dict[str, set[Future[Any]]] = {}
        self._lock = threading.Lock()

    def __call__(self, name: str) -> _Counted:
        executor = thread(name)
        self._threads.append(executor)
        self._open[name] = set()
        return _Counted(executor, self._open[name], self._lock)

    def settle(self, *names: str, timeout_s: float = 600.0) -> None:
        """Returns when what was handed in under these names is done. Raises `TimeoutError`."""
        deadline = time.monotonic() + timeout_s
        for name in names:
            while True:
                with self._lock:
                    waiting = next(iter(self._open[name]), None)
                if waiting is None:
                    break
                waiting.exception(max(0.001, deadline - time.monotonic()))
                time.sleep(0)

    def close(self) -> None:
        for executor in self._threads:
            executor.shutdown(wait=True, cancel_futures=True)


class _Counted:
    def __init__(self, executor: ThreadPoolExecutor, open_: set[Future[Any]], lock: threading.Lock) -> None:
        self._executor, self._open, self._lock = executor, open_, lock

    def submit(self, do: Callable[..., Any], /, *arguments: Any) -> Future[Any]:
        future = self._executor.submit(do, *arguments)
        with self._lock:
            self._open.add(future)
        future.add_done_callback(self._done)
        return future

    def _done(self, future: Future[Any]) -> None:
        with self._lock:
            self._open.discard(future)


@dataclass
class Voice:
    """A voice loop with everything that belongs to it."""

    listener: Listener
    player: Player
    work: SettledWork
    synthesizer: Any
    close_engines: Callable[[], None]

    def step(self, frame: Frame) -> Frame:
        """A frame in, a frame out."""
        self.listener.frame(frame)
        return self.player.take()

    def settled_step(self, frame: Frame) -> Frame:
        """The same, with everything slow waited for: time stands still meanwhile."""
        self.listener.frame(frame)
        self.work.settle("recognizer", "wake word")
        if self.listener.state in (State.LISTENING, State.THINKING):
            self.listener.wait(30.0)
        if self.listener.state is State.SPEAKING:
            self.listener.wait_for_sound(30.0)
        return self.player.take()

    def close(self) -> None:
        self.listener.close()
        self.synthesizer.close()
        self.work.close()
        self.close_engines()


class VoiceThread:
    """Runs a voice loop on a microphone until it is closed. The microphone is the clock; while it is gone, time goes on."""

    def __init__(self, voice: Voice, microphone: Microphone, *, out: Callable[[Frame], None] | None = None) -> None:
        """`out` gets each frame to be played; None: a loudspeaker takes them itself."""
        self._voice, self._microphone, self._out = voice, microphone, out
        self._ended = threading.Event()
        self._lost = 0
        self._thread = threading.Thread(target=self._run, name="voice loop", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._ended.set()
        self._thread.join(10.0)
        self._microphone.close()

    def _run(self) -> None:
        last = time.monotonic()
        while not self._ended.is_set():
            frame = self._microphone.read(0.06)
            now = time.monotonic()
            if frame is None:
                # Nothing comes: the loop goes on in silence, so that nobody waits for ever.
                missing = int((now - last) / FRAME_S)
                for _ in range(min(missing, 10)):
                    self._one(SILENCE)
                last = now if missing else last
                continue
            last = now
            self._one(frame)

    def _one(self, frame: Frame) -> None:
        lost = self._microphone.lost
        if lost != self._lost:
            self._voice.listener.lost(lost - self._lost)
            self._lost = lost
        self._voice.listener.frame(frame)
        if self._out is not None:
            self._out(self._voice.player.take())
