"""Text to speech in a worker process: clause by clause, the next one made while the first plays; killed when it hangs.

`WorkerSynthesizer` is the `audio.ports.Synthesizer` of the car. One sentence at a time; `stop` may come from any thread.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from audio.clauses import clauses
from audio.errors import NoVoice, SynthesisFailed
from audio.ports import SpeechLanguage

log = logging.getLogger(__name__)

RATES: Final = (0.5, 2.0)
"""slowest and fastest, as a multiple of the voice's own speed"""
VOLUMES: Final = (0.1, 1.0)
REMEMBERED: Final = 100
"""clauses whose sound is kept"""
REMEMBERED_BYTES: Final = 128_000
"""four seconds; longer ones are not kept"""
STEP: Final = {"rate": 0.2, "volume": 0.25}
"""what "slower" or "louder" changes"""


@dataclass(frozen=True)
class Manner:
    """How it speaks."""

    rate: float = 1.0
    volume: float = 0.8

    def __post_init__(self) -> None:
        for name, value, (low, high) in (("rate", self.rate, RATES), ("volume", self.volume, VOLUMES)):
            if not low <= value <= high:
                raise ValueError(f"{name} is {value}, but must be {low} to {high}")

    def changed(self, *, rate: float = 0.0, volume: float = 0.0) -> Manner:
        """With `rate` and `volume` added, within their limits."""

        def within(value: float, limits: tuple[float, float]) -> float:
            return round(min(limits[1], max(limits[0], value)), 3)

        return Manner(within(self.rate + rate, RATES), within(self.volume + volume, VOLUMES))


class WorkerSynthesizer:
    """Speaks through a worker process (`audio.speech_worker`), which is started on first use and again when it died."""

    def __init__(
        self,
        *,
        manner: Manner = Manner(),
        english: str = "en-gb",
        deadline_s: float = 10.0,
        start_s: float = 20.0,
        command: Sequence[str] | None = None,
    ) -> None:
        """`english`: an espeak-ng voice or the path of a Piper voice. `deadline_s`: longest time for one clause, `start_s` longer for a
        worker that has just been started. `command` lets tests run another worker."""
        self.manner = manner
        self.restarts = 0
        """workers that died or were killed while they were needed"""
        self._command = [*(command or (sys.executable, "-m", "audio.speech_worker"))] + ([] if command else [english])
        self._deadline_s, self._start_s = deadline_s, start_s
        self._lock = threading.Lock()
        self._worker: _Worker | None = None
        self._generation = 0
        self._made: OrderedDict[tuple[str, SpeechLanguage, Manner], bytes] = OrderedDict()

    def warm(self, *languages: SpeechLanguage) -> None:
        """Loads the engines ahead, so that the first answer is not late. Raises `SynthesisFailed`."""
        for language in languages:
            self.prepare(["はい。" if language == "ja" else "Yes."], language)

    def prepare(self, texts: Iterable[str], language: SpeechLanguage) -> None:
        """Makes sentences ahead that will be wanted; gives way to `speak` at any moment. Raises `SynthesisFailed`."""
        for clause in (clause for text in texts for clause in clauses(text, language)):
            answer = self._submit(clause, language).wait(self._deadline_s + self._start_s)
            if isinstance(answer, bytes):
                self._remember(clause, language, answer)
            elif answer is not None and "error" in answer:
                raise SynthesisFailed("speaker", str(answer["error"]))
            else:
                return

    def speak(self, text: str, language: SpeechLanguage) -> Iterator[bytes]:
        """A piece of 16 kHz mono s16le for each of `audio.clauses.clauses(text, language)`. Ends early after `stop`.

        Raises `SynthesisFailed` when a clause cannot be made (a second worker was tried), `NoVoice` without an engine."""
        pieces = clauses(text, language)
        self.stop()
        generation = self._generation
        waiting: deque[tuple[str, _Job]] = deque()
        for clause in pieces:
            # One ahead: it is made while the one before plays.
            waiting.append((clause, self._submit(clause, language)))
            if len(waiting) == 2 and (sound := self._await(*waiting.popleft(), language, generation)) is not None:
                yield sound
            if self._generation != generation:
                return
        while waiting:
            sound = self._await(*waiting.popleft(), language, generation)
            if sound is None:
                return
            yield sound

    def stop(self) -> None:
        with self._lock:
            self._generation += 1
            worker = self._worker
        if worker is not None:
            worker.forget()

    def close(self) -> None:
        self.stop()
        with self._lock:
            worker, self._worker = self._worker, None
        if worker is not None:
            worker.end()

    # ── one clause ──────────────────────────────────────────────────────────────────────────────────────────────

    def _submit(self, clause: str, language: SpeechLanguage) -> _Job:
        manner = self.manner
        if (known := self._made.get((clause, language, manner))) is not None:
            self._made.move_to_end((clause, language, manner))
            return _Job.done(known)
        return self._running().submit(
            {"text": clause, "language": language, "rate": manner.rate, "volume": manner.volume}
        )

    def _await(self, clause: str, job: _Job, language: SpeechLanguage, generation: int) -> bytes | None:
        """The clause's sound, None after `stop`. A worker that died or hangs is replaced once."""
        for last in (False, True):
            answer = job.wait(
                self._deadline_s if job.worker is None or job.worker.answered else self._deadline_s + self._start_s
            )
            if self._generation != generation:
                return None
            if isinstance(answer, bytes):
                self._remember(clause, language, answer)
                return answer
            if answer is not None and answer.get("permanent"):
                raise NoVoice("speaker", str(answer["error"]))
            if answer is not None and "error" in answer:
                raise SynthesisFailed("speaker", str(answer["error"]))
            if job.worker is not None:
                self._replace(job.worker, "hangs" if answer is None else "died")
            if last:
                break
            job = self._submit(clause, language)
        raise SynthesisFailed("speaker", "The speech worker does not answer.")

    def _remember(self, clause: str, language: SpeechLanguage, sound: bytes) -> None:
        """Short clauses come again: confirmations, questions, the loop's own sentences. They sound at once then."""
        if len(sound) <= REMEMBERED_BYTES:
            self._made[clause, language, self.manner] = sound
            while len(self._made) > REMEMBERED:
                self._made.popitem(last=False)

    def _running(self) -> _Worker:
        with self._lock:
            worker = self._worker
        if worker is not None and not worker.alive:
            self._replace(worker, "died")
        with self._lock:
            if self._worker is None:
                self._worker = _Worker(self._command)
            return self._worker

    def _replace(self, worker: _Worker, why: str) -> None:
        with self._lock:
            if self._worker is not worker:
                # Replaced already, by the clause before.
                return
            self._worker = None
            self.restarts += 1
        log.warning("the speech worker %s; another is started", why)
        worker.end()


class _Job:
    """A clause on its way through the worker."""

    def __init__(self, worker: _Worker | None) -> None:
        """`worker` None: it needs none."""
        self.worker = worker
        self._done = threading.Event()
        self._answer: bytes | dict[str, Any] | None = None

    @classmethod
    def done(cls, sound: bytes) -> _Job:
        job = cls(None)
        job.settle(sound)
        return job

    def wait(self, seconds: float) -> bytes | dict[str, Any] | None:
        """The sound; {"error", …}; {} when the worker died; None when it took too long."""
        self._done.wait(seconds)
        return self._answer

    def settle(self, answer: bytes | dict[str, Any]) -> None:
        self._answer = answer
        self._done.set()


class _Worker:
    """One worker process and the thread that reads from it."""

    def __init__(self, command: Sequence[str]) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            raise SynthesisFailed("speaker", f"The speech worker cannot be started: {error.strerror}.") from error
        self.alive = True
        self.answered = False
        """whether it has made anything yet: its start takes a while"""
        self._numbers = itertools.count(1)
        self._jobs: dict[int, _Job] = {}
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._reader = threading.Thread(target=self._read, name="speech worker", daemon=True)
        self._reader.start()

    def submit(self, job: dict[str, Any]) -> _Job:
        entry = _Job(self)
        with self._lock:
            number = next(self._numbers)
            self._jobs[number] = entry
        line = json.dumps({"id": number, **job}, ensure_ascii=False).encode() + b"\n"
        assert self._process.stdin is not None
        try:
            with self._writing:
                self._process.stdin.write(line)
                self._process.stdin.flush()
        except (OSError, ValueError):
            entry.settle({})
        return entry

    def forget(self) -> None:
        """Nobody waits any more for what is under way; it is thrown away when it comes."""
        with self._lock:
            jobs, self._jobs = list(self._jobs.values()), {}
        for job in jobs:
            job.settle({})

    def end(self) -> None:
        """Kills the process and what it started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._reader.join(5.0)
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()

    def _read(self) -> None:
        out = self._process.stdout
        assert out is not None
        with contextlib.suppress(OSError, ValueError):
            while line := out.readline():
                head = json.loads(line)
                body = out.read(head["bytes"]) if "bytes" in head else b""
                with self._lock:
                    job = self._jobs.pop(head["id"], None)
                self.answered = True
                if job is not None:
                    job.settle(body if "bytes" in head else head)
        self.alive = False
        self.forget()


def duration(sound: bytes) -> float:
    """Seconds of 16 kHz mono s16le."""
    return len(sound) / 32_000
