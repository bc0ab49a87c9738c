"""What operators say into the microphone, written down: one worker, a bounded queue, a recognizer behind a port.

Without a recognizer, or when it breaks, the transcript says that something was spoken and for how long: a gap that can be seen.
"""

from __future__ import annotations

import array
import asyncio
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Protocol

from agent.desk.errors import NotThere
from agent.desk.service import Service

log = logging.getLogger(__name__)

FRAMES_A_SECOND: Final = 50
LONGEST: Final = 20 * FRAMES_A_SECOND
"""frames after which speech is cut and written down, at its quietest place of the last `LOOK_BACK`"""
LOOK_BACK: Final = 4 * FRAMES_A_SECOND
SHORTEST: Final = 5
"""frames below which it was the button, not a word"""
WAITING: Final = 16
"""utterances that may wait for the recognizer"""
GAP: Final = {"ja": "（音声 {seconds:.1f} 秒、文字起こしなし）", "en": "({seconds:.1f} s of speech, not transcribed)"}


class Transcriber(Protocol):
    """Speech to text for the desk; called from one thread at a time."""

    def can(self, language: str) -> bool:
        """Whether that language can be written down here; quick."""

    def write_down(self, sound: bytes, language: str) -> tuple[str, float]:
        """Words and confidence (0 … 1) of 16 kHz mono s16le sound; no words where there are none. May raise anything."""


@dataclass(frozen=True, slots=True)
class Utterance:
    id: str
    handoff: str
    operator: str
    language: str
    at: datetime
    seconds: float
    sound: bytes
    note: Callable[..., None]


class Transcripts:
    """Writes utterances into the store, in the order they were spoken."""

    def __init__(self, service: Service, transcriber: Transcriber | None) -> None:
        self._service, self._transcriber = service, transcriber
        self._queue: asyncio.Queue[Utterance] = asyncio.Queue()
        self._worker: asyncio.Task[None] | None = None

    def can(self, language: str) -> bool:
        return self._transcriber is not None and self._transcriber.can(language)

    def add(self, utterance: Utterance) -> None:
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        # A recognizer that is too slow leaves gaps, not a memory full of sound.
        late = self._queue.qsize() >= WAITING
        self._queue.put_nowait(replace(utterance, sound=b"") if late else utterance)

    async def settled(self) -> None:
        """Waits until everything spoken so far is written down."""
        await self._queue.join()

    async def close(self) -> None:
        """Writes down what is waiting (as gaps, when it would take long), then ends."""
        if self._worker is None:
            return
        self._transcriber = None
        await self._queue.join()
        self._worker.cancel()
        await asyncio.gather(self._worker, return_exceptions=True)

    async def _work(self) -> None:
        while True:
            utterance = await self._queue.get()
            try:
                await self._one(utterance)
            except NotThere:
                # Erased while it was being written down: so are these words.
                pass
            except Exception:
                log.exception("what an operator said is not in the transcript")
            finally:
                self._queue.task_done()

    async def _one(self, utterance: Utterance) -> None:
        words = await self._words(utterance)
        if words is None:
            words = GAP[utterance.language].format(seconds=utterance.seconds), None
            utterance.note("untranscribed", seconds=round(utterance.seconds, 1))
        text, confidence = words
        if not text:
            return
        message = {
            "id": utterance.id, "speaker": "operator", "text": text, "language": utterance.language,
            "at": utterance.at.isoformat(timespec="seconds"), "confidence": confidence,
        }  # fmt: skip
        store = self._service.store
        await self._service.change(lambda db: store.heard(db, utterance.handoff, message, utterance.operator))

    async def _words(self, utterance: Utterance) -> tuple[str, float | None] | None:
        """What was said; None where it cannot be told."""
        transcriber = self._transcriber
        if transcriber is None or not utterance.sound or not transcriber.can(utterance.language):
            return None
        try:
            text, confidence = await asyncio.to_thread(transcriber.write_down, utterance.sound, utterance.language)
        except Exception:
            log.exception("the desk's recognizer broke")
            return None
        return text.strip(), round(min(1.0, max(0.0, confidence)), 3)


class Spoken:
    """What one end says, cut into utterances."""

    def __init__(
        self, transcripts: Transcripts, handoff: str, operator: str, language: Any, note: Callable[..., None]
    ) -> None:
        self._transcripts, self._handoff, self._operator, self._note = transcripts, handoff, operator, note
        self._language = "en" if language == "en" else "ja"
        self._frames: list[bytes] = []
        self._at = datetime.now().astimezone()
        # Ids of this connection's own: an utterance counts once, and no other has its id.
        self._prefix, self._count = f"spoken-{secrets.token_urlsafe(9)}", 0

    def frame(self, frame: bytes) -> None:
        if not self._frames:
            self._at = datetime.now().astimezone()
        self._frames.append(frame)
        if len(self._frames) >= LONGEST:
            cut = self._quietest()
            self._hand_over(self._frames[:cut])
            self._frames, self._at = self._frames[cut:], datetime.now().astimezone()

    def end(self) -> None:
        """The button was let go, or the line went."""
        frames, self._frames = self._frames, []
        self._hand_over(frames)

    def _hand_over(self, frames: list[bytes]) -> None:
        if len(frames) < SHORTEST:
            return
        self._count += 1
        self._transcripts.add(
            Utterance(
                f"{self._prefix}-{self._count}", self._handoff, self._operator, self._language, self._at,
                len(frames) / FRAMES_A_SECOND, b"".join(frames), self._note,
            )
        )  # fmt: skip

    def _quietest(self) -> int:
        start = len(self._frames) - LOOK_BACK
        return start + min(range(LOOK_BACK), key=lambda n: _loudness(self._frames[start + n]))


def _loudness(frame: bytes) -> int:
    return sum(abs(sample) for sample in array.array("h", frame))
