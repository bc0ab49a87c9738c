"""The voice loop's engines, scripted: frames carry what is in them, and time is counted in frames."""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from actions.phrases import Phrases
from agent.composition import NLU_DATA
from agent.events import Event, Speaking, VoiceState
from agent.listener import Listener, State
from agent.voice_ports import Answer, Limits, Parts
from agent.voice_words import VoiceWords, load
from audio.clauses import clauses
from audio.endpointing import Endpointing, Pauses
from audio.errors import EngineFailed, SynthesisFailed
from audio.frames import FRAME_BYTES, FRAME_S, Frame
from audio.player import SILENCE, Player
from audio.ports import Hypothesis, SpeechLanguage, Wake
from backends.model import Language

PHRASES = Phrases.load(NLU_DATA / "responses")
WORDS: Mapping[Language, VoiceWords] = {
    "ja": load(NLU_DATA / "voice", "ja"),
    "en": load(NLU_DATA / "voice", "en"),
}
WAKE = "ヘイレクサス"


# ── frames that carry what is in them ───────────────────────────────────────────────────────────────────────────────


def frame(**content: Any) -> Frame:
    """{"p": probability of speech, "add": letters spoken in it, "wake": phrase that ends with it, "own": share of own voice}"""
    return json.dumps(content, ensure_ascii=False).encode().ljust(FRAME_BYTES, b"\0") if content else bytes(FRAME_BYTES)


def content(frame: Frame) -> dict[str, Any]:
    text = frame.rstrip(b"\0")
    found: dict[str, Any] = json.loads(text) if text.startswith(b"{") else {}
    return found


def silence(seconds: float) -> list[Frame]:
    return [frame()] * round(seconds / FRAME_S)


def speech(text: str, *, per_letter: float = 0.1, probability: float = 0.95, **more: Any) -> list[Frame]:
    """Somebody says `text`; letters come with the frames in which they are said."""
    count = max(1, round(len(text) * per_letter / FRAME_S))
    said = 0
    out = []
    for n in range(1, count + 1):
        until = round(len(text) * n / count)
        out.append(frame(p=probability, add=text[said:until], **more))
        said = until
    return out


def wake(phrase: str = WAKE) -> list[Frame]:
    """The wake word; the spotter notices at its last frame (or later, as it is made)."""
    spoken = speech(phrase)
    return [*spoken[:-1], frame(**content(spoken[-1]), wake=phrase)]


# ── engines ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class ScriptedActivity:
    def __init__(self) -> None:
        self.broken = False

    def probability(self, frame: Frame) -> float:
        if self.broken:
            raise EngineFailed("vad", "It broke.")
        return float(content(frame).get("p", 0.0))

    def reset(self) -> None: ...


class ScriptedRecognizer:
    """Hears the letters of the frames it gets; `confidence` and `broken` as the test wants."""

    def __init__(self) -> None:
        self.confidence = 0.9
        self.broken: str | None = None
        """accept, finish: where it breaks"""
        self.partials = True
        self.takes_back = False
        """does not believe in the end what it had heard"""
        self.started = 0
        self._text = ""

    def start(self, *, phrases: Sequence[str] | None = None) -> None:
        self.started += 1
        self._text = ""

    def accept(self, frame: Frame) -> str | None:
        if self.broken == "accept":
            raise EngineFailed("recognizer", "It broke.")
        added = content(frame).get("add", "")
        self._text += added
        return self._text if added and self.partials else None

    def finish(self) -> Hypothesis:
        if self.broken == "finish":
            raise EngineFailed("recognizer", "It broke.")
        if self.takes_back:
            return Hypothesis("", 0.0)
        return Hypothesis(self._text, self.confidence if self._text else 0.0)

    def close(self) -> None: ...


class ScriptedWake:
    """Notices `delay` frames after the phrase ended, as an engine that confirms does."""

    def __init__(self, delay: int = 0) -> None:
        self.broken = False
        self._delay = delay
        self._fed = 0
        self._pending: list[tuple[int, Wake]] = []

    def accept(self, frame: Frame) -> Wake | None:
        self._fed += 1
        if self.broken:
            raise EngineFailed("wake", "It broke.")
        phrase = content(frame).get("wake")
        if phrase:
            self._pending.append((self._fed + self._delay, Wake(phrase, 0.9, self._fed * FRAME_S)))
        if self._pending and self._pending[0][0] <= self._fed:
            return self._pending.pop(0)[1]
        return None

    def reset(self) -> None: ...


class ScriptedSynthesizer:
    """So many seconds of sound a letter; `broken` from a clause on."""

    def __init__(self, per_letter: float = 0.1) -> None:
        self.per_letter = per_letter
        self.broken: int | None = None
        """number of the clause (from 0) that cannot be made"""
        self.said: list[str] = []
        self.stopped = 0

    def speak(self, text: str, language: SpeechLanguage) -> Iterator[bytes]:
        self.said.append(text)
        for number, clause in enumerate(clauses(text, language)):
            if self.broken is not None and number >= self.broken:
                raise SynthesisFailed("speaker", "It broke.")
            yield b"\x10\x10" * (round(len(clause) * self.per_letter / FRAME_S) * FRAME_BYTES // 2)

    def stop(self) -> None:
        self.stopped += 1

    def close(self) -> None: ...


class ScriptedEcho:
    """Frames say themselves how much of them is the agent's own voice."""

    def clean(self, heard: Frame, played: Frame) -> tuple[Frame, float]:
        return heard, float(content(heard).get("own", 0.0))


class VirtualWork:
    """Does things at once, and lets it be known `delay` frames later where the result is of the type `slow`."""

    def __init__(self, slow: type = Hypothesis, delay: int = 0) -> None:
        self._slow, self.delay = slow, delay
        self._waiting: list[tuple[int, Future[Any], Any]] = []
        self._now = 0

    def submit(self, do: Callable[..., Any], /, *arguments: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            result: Any = do(*arguments)
        except Exception as error:
            result = error
        if self.delay and isinstance(result, (self._slow, Exception)):
            self._waiting.append((self._now + self.delay, future, result))
        else:
            _settle(future, result)
        return future

    def tick(self) -> None:
        self._now += 1
        due, self._waiting = (
            [w for w in self._waiting if w[0] <= self._now],
            [w for w in self._waiting if w[0] > self._now],
        )
        for _, future, result in due:
            _settle(future, result)


def _settle(future: Future[Any], result: Any) -> None:
    if isinstance(result, BaseException):
        future.set_exception(result)
    else:
        future.set_result(result)


class ScriptedTalk:
    """Answers from a script: text → (answer, context), an exception, or None for never."""

    def __init__(self, script: Mapping[str, Any] | None = None, delay: int = 2) -> None:
        self.script = dict(script or {})
        self.meanings: dict[str, str] = {}
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.alternatives: list[tuple[str, ...]] = []
        self.understood: list[str] = []
        self.events: list[Event] = []
        self.delay = delay
        self._waiting: list[tuple[int, Future[Answer], Any]] = []
        self._now = 0

    def ask(
        self, text: str, language: Language, metadata: Mapping[str, Any], alternatives: Sequence[str] = ()
    ) -> Future[Answer]:
        self.asked.append((text, dict(metadata)))
        self.alternatives.append(tuple(alternatives))
        future: Future[Answer] = Future()
        found = self.script.get(text, (f"「{text}」ですね。", "done"))
        if found is None:
            return future
        answer = found if isinstance(found, Exception) else Answer(found[0], language, found[1])
        self._waiting.append((self._now + self.delay, future, answer))
        return future

    def meaning(self, text: str, language: Language) -> Future[str] | None:
        self.understood.append(text)
        future: Future[str] = Future()
        future.set_result(self.meanings.get(text, ""))
        return future

    def expected(self, language: Language) -> Sequence[str]:
        return ()

    def say(self, language: Language, key: str) -> str:
        return PHRASES.say(language, key)

    def emit(self, event: Event) -> None:
        self.events.append(event)

    def tick(self) -> None:
        self._now += 1
        for due in [w for w in self._waiting if w[0] <= self._now]:
            self._waiting.remove(due)
            _settle(due[1], due[2])


# ── a line ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class Line:
    """A voice loop over scripted engines, in virtual time."""

    def __init__(
        self,
        script: Mapping[str, Any] | None = None,
        *,
        language: Language = "ja",
        wake_delay: int = 0,
        recognition: int = 2,
        limits: Limits | None = None,
        echo: bool = False,
        pauses: Pauses | None = None,
    ) -> None:
        self.activity, self.recognizer = ScriptedActivity(), ScriptedRecognizer()
        self.wake, self.synthesizer = ScriptedWake(wake_delay), ScriptedSynthesizer()
        self.player, self.talk = Player(), ScriptedTalk(script)
        self.works: dict[str, VirtualWork] = defaultdict(VirtualWork)
        self.works["recognizer"] = VirtualWork(Hypothesis, recognition)
        self.fed = 0
        self.played: list[Frame] = []
        self.listener = Listener(
            "line",
            Parts(
                self.recognizer,
                self.activity,
                self.synthesizer,
                self.player,
                self.talk,
                WORDS,
                lambda judge: Endpointing(judge, language, pauses),
                self.wake,
                ScriptedEcho() if echo else None,
            ),
            language=language,
            limits=limits or Limits(),
            work=lambda name: self.works[name],
            clock=lambda: self.fed * FRAME_S,
        )

    def hear(self, *parts: Iterable[Frame]) -> Line:
        for part in parts:
            for each in part:
                self.one(each)
        return self

    def one(self, each: Frame) -> None:
        self.fed += 1
        self.talk.tick()
        for work in self.works.values():
            work.tick()
        self.listener.frame(each)
        self.played.append(self.player.take())

    def echoing(self, seconds: float, *, delay_frames: int = 5, own: float | None = None) -> Line:
        """The microphone hears what is played, letter for letter, `delay_frames` later."""
        letters: deque[str] = deque([""] * delay_frames)
        clause, at = "", 0.0
        for _ in range(round(seconds / FRAME_S)):
            spoken = [e for e in self.talk.events if isinstance(e, Speaking)]
            if spoken and spoken[-1].text != clause:
                clause, at = spoken[-1].text, 0.0
            sounds = bool(self.played) and self.played[-1] != SILENCE
            before = round(at)
            at += (FRAME_S / self.synthesizer.per_letter) if sounds else 0.0
            letters.append(clause[before : round(at)] if sounds else "")
            heard = letters.popleft()
            more = {} if own is None else {"own": own}
            self.one(frame(p=0.9 if sounds or heard else 0.0, add=heard, **more))
        return self

    def until(self, state: State, *, seconds: float = 30.0) -> Line:
        """Silence until the loop is in `state`."""
        for _ in range(round(seconds / FRAME_S)):
            if self.listener.state is state:
                return self
            self.one(frame())
        raise AssertionError(f"still {self.listener.state} after {seconds} s")

    def sounding(self, clause: int = 1, *, seconds: float = 30.0) -> Line:
        """Silence until clause number `clause` (from 1) of the present answer sounds."""
        seen = len(self.talk.events)
        for _ in range(round(seconds / FRAME_S)):
            if any(isinstance(e, Speaking) and e.number == clause for e in self.talk.events[seen:]):
                return self
            self.one(frame())
        raise AssertionError(f"clause {clause} does not sound")

    def events(self, type_: str) -> list[Any]:
        return [e for e in self.talk.events if e.type == type_]

    @property
    def states(self) -> list[str]:
        return [e.state for e in self.talk.events if isinstance(e, VoiceState)]

    @property
    def asked(self) -> list[str]:
        return [text for text, _ in self.talk.asked]

    def silent_since(self) -> float:
        """Seconds of silence at the end of what was played."""
        count = 0
        for each in reversed(self.played):
            if each != SILENCE:
                break
            count += 1
        return count * FRAME_S
