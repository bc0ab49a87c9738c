"""The one event stream: what happened in a conversation, in order.

Pages, logs, metrics, `--json` and tests read the same events. One event is one JSON object (`to_json`), written as one line.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, TypeAlias

from backends.model import Language

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Heard:
    """The driver said (typed) something. `text` is the cleaned text everything after works with."""

    type: ClassVar[str] = "heard"
    session: str
    turn: int
    """number of the turn in this session, from 1"""
    text: str
    language: Language
    at: datetime
    """the car's time"""


@dataclass(frozen=True, slots=True)
class Understood:
    """What it was taken to mean."""

    type: ClassVar[str] = "understood"
    session: str
    turn: int
    intent: str
    function: str
    """one of the functions of docs/understanding-contract.md, or `safety`"""
    confidence: float
    entities: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Acted:
    """Something was done in the world, as the backend confirmed it."""

    type: ClassVar[str] = "acted"
    session: str
    turn: int
    name: str
    arguments: Mapping[str, Any]
    ok: bool


@dataclass(frozen=True, slots=True)
class Spoke:
    """What the driver hears. Closes the turn."""

    type: ClassVar[str] = "spoke"
    session: str
    turn: int
    text: str
    language: Language
    context: str
    """what the reply does (docs/understanding-contract.md)"""
    quick_replies: tuple[str, ...] = ()
    cards: tuple[Mapping[str, Any], ...] = ()
    timings: Mapping[str, float] = field(default_factory=dict)
    """milliseconds by stage: cleaning, safety, understanding, policy, action, backend, store, other; they add up to `total`"""
    total_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Notice:
    """Said without being asked: arrival, …"""

    type: ClassVar[str] = "notice"
    session: str
    kind: str
    text: str
    language: Language
    at: datetime
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failed:
    """Something went wrong; the driver heard a sentence about it (the `spoke` that follows)."""

    type: ClassVar[str] = "error"
    session: str
    turn: int
    stage: str
    code: str
    permanent: bool


@dataclass(frozen=True, slots=True)
class Relayed:
    """What the driver said went to the operator, who holds the line; the agent stays mute. Closes the turn."""

    type: ClassVar[str] = "relayed"
    session: str
    turn: int
    handoff: str
    delivered: bool
    """whether the desk has it; False: it follows when the connection is back"""


@dataclass(frozen=True, slots=True)
class Handoff:
    """Where a handoff stands; `text` is what the car says about it (empty: nothing is to be said)."""

    type: ClassVar[str] = "handoff"
    session: str
    id: str
    state: str
    """a state of the desk (docs/desk.md), or what happened within one: line_lost, line_back, operator_lost, operator_back,
    operator_changed, hold, unhold, waiting, queued_again"""
    owner: str
    """who holds the line from here on: agent or operator"""
    text: str
    language: Language
    at: datetime
    operator: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class OperatorSaid:
    """The operator's words, for the driver to hear."""

    type: ClassVar[str] = "operator"
    session: str
    handoff: str
    id: str
    text: str
    language: Language
    author: str | None
    at: datetime
    spoken: bool = False
    """said into a microphone and heard as sound already: shown, not said again"""


@dataclass(frozen=True, slots=True)
class LineSound:
    """The sound between the driver and the operator."""

    type: ClassVar[str] = "line_sound"
    session: str
    handoff: str
    state: str
    """on, off (words go on as text), talking and quiet (the operator), lost"""
    frames: int = 0
    """of `lost`: how many did not get through since it was last told"""


@dataclass(frozen=True, slots=True)
class Pushed:
    """Something the operator sent to the car, or what became of it."""

    type: ClassVar[str] = "push"
    session: str
    handoff: str
    id: str
    kind: str
    """destination, place, phone, notice, news, weather"""
    data: Mapping[str, Any]
    state: str
    """sent, accepted, refused, failed, lapsed"""
    text: str
    """what the car says about it"""
    language: Language
    at: datetime
    card: Mapping[str, Any] | None = None
    """of something that was taken: what is shown of it, as a card of an answer"""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What a driver said is gone: who shows it clears it."""

    type: ClassVar[str] = "forgotten"
    session: str
    driver: str


# ── the voice loop; `time` is seconds of sound since it started ─────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Woke:
    """The agent was called."""

    type: ClassVar[str] = "wake"
    session: str
    source: str
    """wake_word, button, talk_switch"""
    phrase: str
    score: float
    """0 … 1"""
    time: float


@dataclass(frozen=True, slots=True)
class VoiceState:
    """The loop went over to another state."""

    type: ClassVar[str] = "voice"
    session: str
    state: str
    """idle, listening, thinking, speaking, call"""
    reason: str
    time: float


@dataclass(frozen=True, slots=True)
class Partial:
    """What has been heard of an utterance so far; each one replaces the one before."""

    type: ClassVar[str] = "partial"
    session: str
    text: str
    language: Language
    time: float


@dataclass(frozen=True, slots=True)
class Recognised:
    """An utterance as it was heard, and what was made of it. Only `taken` ones become a turn (`heard` follows)."""

    type: ClassVar[str] = "recognised"
    session: str
    text: str
    language: Language
    confidence: float
    taken: str
    """request; or why not: nothing, unsure, own_voice, backchannel, aside, wake_word"""
    time: float
    alternatives: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Speaking:
    """A clause of an answer begins to sound."""

    type: ClassVar[str] = "speaking"
    session: str
    text: str
    language: Language
    number: int
    """from 1"""
    of: int
    time: float


@dataclass(frozen=True, slots=True)
class Held:
    """Somebody speaks into an answer: it stops sounding until it is known whether it was meant."""

    type: ClassVar[str] = "held"
    session: str
    after_ms: float
    """from the first frame of that speech"""
    time: float


@dataclass(frozen=True, slots=True)
class Resumed:
    """It was not meant; the answer goes on."""

    type: ClassVar[str] = "resumed"
    session: str
    reason: str
    """as `Recognised.taken`"""
    time: float


@dataclass(frozen=True, slots=True)
class Interrupted:
    """An answer ended before its end."""

    type: ClassVar[str] = "interrupted"
    session: str
    reason: str
    """barge_in, wake_word, button, talk_switch"""
    heard: str
    unheard: str
    """what the driver did not get to hear"""
    time: float


@dataclass(frozen=True, slots=True)
class Prompted:
    """The loop said something of its own: asked again, closed the line, told of a trouble."""

    type: ClassVar[str] = "prompt"
    session: str
    key: str
    text: str
    language: Language
    time: float


@dataclass(frozen=True, slots=True)
class Latency:
    """From the driver's last word to the first sound of the answer, in milliseconds; the parts add up to `total_ms`."""

    type: ClassVar[str] = "latency"
    session: str
    end_of_speech_ms: float
    recognition_ms: float
    dialogue_ms: float
    first_audio_ms: float
    total_ms: float
    time: float


@dataclass(frozen=True, slots=True)
class SoundLost:
    """Frames that were recorded and never looked at."""

    type: ClassVar[str] = "sound_lost"
    session: str
    frames: int
    """since the event of this type before"""
    time: float


VoiceEvent: TypeAlias = (
    Woke | VoiceState | Partial | Recognised | Speaking | Held | Resumed | Interrupted | Prompted | Latency | SoundLost
)
Event: TypeAlias = (
    Heard
    | Understood
    | Acted
    | Spoke
    | Notice
    | Failed
    | Relayed
    | Handoff
    | OperatorSaid
    | LineSound
    | Pushed
    | Forgotten
    | VoiceEvent
)


def said_unasked(event: Event) -> tuple[str, Language] | None:
    """What a voice has to say for an event that answers nobody: a notice, the desk's words and what it sent; None: nothing."""
    if isinstance(event, OperatorSaid) and event.spoken:
        return None
    if isinstance(event, Notice | Handoff | OperatorSaid | Pushed) and event.text.strip():
        return event.text, event.language
    return None


PERSONAL = frozenset(
    {
        "text",
        "entities",
        "arguments",
        "cards",
        "quick_replies",
        "data",
        "heard",
        "unheard",
        "alternatives",
        "note",
        "card",
    }
)
"""fields that hold what people said or were told; left out of the log unless it is switched on"""


def to_json(event: Event) -> dict[str, Any]:
    """The event as JSON-able dict with its `type` first."""
    out: dict[str, Any] = {"type": event.type}
    for item in dataclasses.fields(event):
        out[item.name] = _plain(getattr(event, item.name))
    return out


def to_line(event: Event) -> str:
    return json.dumps(to_json(event), ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value


class EventStream:
    """Hands every event to every listener, in order. A slow listener loses its oldest events, counted, never blocks a turn."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []
        self._sinks: list[Callable[[Event], None]] = []

    def emit(self, event: Event) -> None:
        for sink in self._sinks:
            try:
                sink(event)
            except Exception:
                log.exception("an event sink broke")
        for listener in self._listeners:
            listener.put(event)

    def add_sink(self, sink: Callable[[Event], None]) -> None:
        """`sink` is called at once for every event (logs, metrics); it must be quick."""
        self._sinks.append(sink)

    def listen(self, session: str | None = None, *, limit: int = 1000) -> Listener:
        """Events of one session, or of all. Use as a context manager and iterate."""
        return Listener(self, session, limit)

    def _add(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def _remove(self, listener: Listener) -> None:
        self._listeners.remove(listener)


class Listener:
    """A bounded queue of events."""

    def __init__(self, stream: EventStream, session: str | None, limit: int) -> None:
        self._stream = stream
        self._session = session
        self._queue: deque[Event] = deque(maxlen=limit)
        self._wake = asyncio.Event()
        self.lost = 0
        """events dropped because nobody read them in time"""

    def put(self, event: Event) -> None:
        if self._session is not None and event.session != self._session:
            return
        if len(self._queue) == self._queue.maxlen:
            self.lost += 1
        self._queue.append(event)
        self._wake.set()

    def __enter__(self) -> Listener:
        self._stream._add(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._stream._remove(self)

    async def __aiter__(self) -> AsyncIterator[Event]:
        while True:
            while self._queue:
                yield self._queue.popleft()
            self._wake.clear()
            if not self._queue:
                await self._wake.wait()
