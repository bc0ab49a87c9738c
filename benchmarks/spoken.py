"""Scenario files played as sound, end to end: driver's voice, noise, wake word or talk switch, recognizer, dialogue, spoken answer.

    python -m benchmarks.spoken [--lang ja] [--files search_ja,car_ja] [--snr 10] [--wake] [--part 1/4] [--out FILE]

Each line of a scenario is said by a voice that is not the agent's, with the noise of a car, and heard by the engine this machine has
(`concierge models install`). A scenario passes when everything expected of it holds that holds for the same lines as text. The driver
presses the talk switch, or with --wake calls the agent by name, whenever the line is not open. Failures are listed by cause; with --out
results are kept (JSON lines) and a later run goes on. `--table FILE` prints the table of a results file.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from agent import settings as settings_module
from agent.events import Acted, Event, Failed, Heard, Latency, Recognised, Spoke, Understood, Woke
from agent.listener import State
from audio.frames import frames
from audio.noise import car_noise, mix
from audio.player import SILENCE
from benchmarks.voices import voices
from tests.conftest import RunningSystem
from tests.scenarios import Outcome, Scenario, Step, load, problems
from tests.test_conversations import arrange, play

T = TypeVar("T")
ROOT = Path(__file__).resolve().parent.parent
SCENARIOS = ROOT / "tests" / "conversations"
WAKE = {"ja": "ヘイ、レクサス", "en": "ヘイ、レクサス"}


@dataclass
class Line:
    """One line of the driver, as it went."""

    said: str
    heard: str = ""
    taken: str = ""
    """what was made of it (`Recognised.taken`); "" when nothing was recognised"""
    wrong: list[str] = field(default_factory=list)
    wrong_as_text: list[str] = field(default_factory=list)
    woke: bool = True
    latency: dict[str, float] = field(default_factory=dict)


class Driver:
    """Says lines to a voice loop and looks at what comes of them."""

    def __init__(self, running: RunningSystem, voice: Any, language: str, snr: float, seed: int, *, wake: bool) -> None:
        self.events: list[Event] = []
        self._running, self._voice, self._language, self._snr, self._wake = running, voice, language, snr, wake
        self._dice = random.Random(seed)
        self._seed = seed
        self._speaks = self._dice.choice(sorted(voices(language).items()))[1]
        running.system.stream.add_sink(self.events.append)

    def close(self) -> None:
        self._running.system.stream._sinks.remove(self.events.append)

    def say(self, text: str) -> Line:
        """One line, from the first sound to the first sound of the answer."""
        line, start = Line(text), len(self.events)
        if self._voice.listener.state is not State.LISTENING:
            line.woke = self._call()
        # Nobody speaks at the very moment the line opens.
        self._hear(bytes(12_800) + self._sound(text) + bytes(32_000))
        self._until(State.SPEAKING)
        recognised = [e for e in self.events[start:] if isinstance(e, Recognised)]
        if recognised:
            line.heard, line.taken = recognised[-1].text, recognised[-1].taken
        for event in self.events[start:]:
            if isinstance(event, Latency):
                line.latency = {
                    "end_of_speech": event.end_of_speech_ms,
                    "recognition": event.recognition_ms,
                    "dialogue": event.dialogue_ms,
                    "first_audio": event.first_audio_ms,
                }
        return line

    def outcome(self, start: int, slots: Any) -> Outcome:
        from agent.composition import reported_state

        events = self.events[start:]
        spoke = next((e for e in reversed(events) if isinstance(e, Spoke)), None)
        understood = next((e for e in reversed(events) if isinstance(e, Understood)), None)
        return Outcome(
            function=understood.function if understood else "",
            intent=understood.intent if understood else "",
            context=spoke.context if spoke else "",
            reply=spoke.text if spoke else "",
            state=reported_state(slots, spoke.language if spoke else "ja"),
            actions=tuple(e.name if e.ok else f"!{e.name}" for e in events if isinstance(e, Acted)),
            events=tuple(e.type for e in events if isinstance(e, (Heard, Understood, Acted, Spoke, Failed))),
            ms=0.0,
        )

    def _call(self) -> bool:
        if not self._wake:
            self._voice.listener.press("talk_switch")
            self._hear(bytes(9_600))
            return True
        start = len(self.events)
        self._hear(bytes(16_000) + self._sound(WAKE[self._language], "ja") + bytes(40_000))
        if any(isinstance(e, Woke) for e in self.events[start:]):
            return True
        self._voice.listener.press("talk_switch")
        self._hear(bytes(9_600))
        return False

    def _sound(self, text: str, language: str | None = None) -> bytes:
        from audio.voices import levelled
        from audio.wav import to_pcm

        speaks = self._speaks if language in (None, self._language) else voices(language)["openjtalk"]
        return levelled(to_pcm(speaks(text, self._dice)), 0.8)

    def _hear(self, sound: bytes) -> None:
        for frame in frames(self._noisy(sound)):
            self._voice.settled_step(frame)

    def _noisy(self, sound: bytes) -> bytes:
        self._seed += 1
        noise = car_noise(len(sound) / 32_000, self._seed)
        if any(sound):
            return mix(sound, noise, self._snr)
        return noise_alone(noise, self._snr)

    def _until(self, state: State, seconds: float = 20.0) -> None:
        for _ in range(round(seconds / 0.02)):
            if self._voice.listener.state is state:
                break
            self._voice.settled_step(SILENCE)
        self._voice.settled_step(SILENCE)
        self._running.run(_nothing())


def noise_alone(noise: bytes, snr: float) -> bytes:
    """The noise as loud as under speech of the usual level."""
    import numpy as np

    from audio.noise import LEVEL
    from audio.voices import LEVEL as SPEECH

    scale = SPEECH * 0.8 / LEVEL / 10 ** (snr / 20)
    return bytes(np.clip(np.frombuffer(noise, "<i2") * scale, -32768, 32767).astype("<i2").tobytes())


async def _delivered(running: RunningSystem) -> None:
    from agent.composition import START

    running.system.simulation.restart(START)
    running.system.simulation.vehicle.reset(START)


async def _nothing() -> None:
    """Lets the events through that are on their way into the loop."""
    import asyncio

    await asyncio.sleep(0.02)


def play_spoken(
    scenario: Scenario, running: RunningSystem, tools: Any, *, snr: float, wake: bool, seed: int
) -> list[Line]:
    """Every line of a scenario, spoken; beside it what the same lines come to as text."""
    text_session = running.new_session()
    running.run(_delivered(running))
    arrange(scenario, running)
    as_text: list[list[str]] = []
    before: Outcome | None = None
    for step in scenario.steps:
        got = play(step, scenario, running, text_session)
        as_text.append(problems(without_time(step), got, before))
        before = got
    session = running.new_session()
    # A car that has not heard the lines yet.
    running.run(_delivered(running))
    arrange(scenario, running)
    language = "en" if scenario.lang == "en" else "ja"
    voice = tools.open(session, language, wake)
    driver = Driver(running, voice, language, snr, seed, wake=wake)
    lines: list[Line] = []
    before = None
    try:
        for step, text_problems in zip(scenario.steps, as_text, strict=True):
            if step.drive:
                running.time.advance(step.drive)
                running.system.simulation.vehicle.step(step.drive)
            start = len(driver.events)
            line = driver.say(step.say)
            slots = running.run(running.system.dialogue.slots(session))
            got = driver.outcome(start, slots)
            line.wrong = problems(without_time(step), got, before)
            line.wrong_as_text = text_problems
            before = got
            lines.append(line)
            if voice.listener.state is State.SPEAKING:
                # The driver does not wait for the end of the answer.
                voice.listener.press("talk_switch")
                voice.settled_step(SILENCE)
    finally:
        driver.close()
        tools.close(voice, session)
    return lines


def without_time(step: Step) -> Step:
    from dataclasses import replace

    return replace(step, within_ms=None)


class Patient(RunningSystem):
    """The system on a machine that is busy with other things."""

    def run(self, coroutine: Coroutine[Any, Any, T], timeout: float = 600.0) -> T:
        return super().run(coroutine, timeout)


class Tools:
    """Engines shared by all scenarios."""

    def __init__(self, running: RunningSystem, engine: str | None, *, keep_partials: bool = False) -> None:
        from agent.composition_hearing import Ears
        from agent.composition_voice import open_synthesizer

        self._running, self._settings = running, running.system.settings

        class FinalOnly(Ears):
            """Partial texts cost most of the time here and change no result."""

            def recognizer(self, language: Any, *, partials: bool = True) -> Any:
                return super().recognizer(language, partials=partials and keep_partials)

        self.ears = FinalOnly(self._settings, engine)
        self.synthesizer = open_synthesizer(self._settings)

    def open(self, session: str, language: Any, wake: bool) -> Any:
        from agent.composition_voice import open_voice, wake_word

        async def build() -> Any:
            spotter = wake_word(self._settings, self.ears, language) if wake else None
            system = self._running.system
            return await open_voice(
                self._settings, system, session, language, self.ears, wake=spotter, synthesizer=self.synthesizer
            )

        return self._running.run(build(), timeout=120.0)

    def close(self, voice: Any, session: str) -> None:
        voice.listener.close()
        voice.work.close()
        voice.close_engines()


def cause(line: Line) -> str:
    """Why a line did not come to what it comes to as text."""
    if not line.woke:
        return "wake word missed"
    if not line.taken or line.taken == "nothing":
        return "nothing heard"
    if line.taken != "request":
        return f"taken for {line.taken}"
    if loosely(line.heard) == loosely(line.said):
        return "heard right, understood otherwise"
    if loosely(line.said).startswith(loosely(line.heard)) or len(line.heard) < 0.6 * len(line.said):
        return "cut short"
    return "misheard"


def loosely(text: str) -> str:
    import re
    import unicodedata

    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", text).casefold())


def passes(lines: Sequence[Line]) -> bool:
    """Everything that holds as text holds spoken."""
    return all(not (set(line.wrong) - set(line.wrong_as_text)) or bool(line.wrong_as_text) for line in lines)


def run(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    settings = settings_module.load(overrides={"online": False, "turn_deadline_s": 60.0})
    chosen = list(choose(load(SCENARIOS), arguments))
    done = {row["id"] for row in read(arguments.out)}
    running = Patient(settings)
    running.start()
    tools = Tools(running, arguments.engine, keep_partials=arguments.partials)
    rows = []
    try:
        for number, scenario in enumerate(chosen):
            if scenario.id in done:
                continue
            started = time.monotonic()
            lines = play_spoken(
                scenario, running, tools, snr=arguments.snr, wake=arguments.wake, seed=sum(map(ord, scenario.id))
            )
            row = {
                "id": scenario.id,
                "lang": scenario.lang or "ja",
                "passes": passes(lines),
                "lines": [vars(line) for line in lines],
                "s": round(time.monotonic() - started, 1),
            }
            rows.append(row)
            print(
                f"{number + 1}/{len(chosen)} {'ok ' if row['passes'] else 'NO '} {scenario.id} {row['s']} s",
                file=sys.stderr,
            )
            if arguments.out is not None:
                with arguments.out.open("a", encoding="utf-8") as out:
                    out.write(json.dumps(row, ensure_ascii=False) + "\n")
            if arguments.minutes and time.monotonic() - BEGAN > arguments.minutes * 60:
                break
    finally:
        tools.synthesizer.close()
        tools.ears.close()
        running.stop()
    return rows


def choose(scenarios: Sequence[Scenario], arguments: argparse.Namespace) -> Iterator[Scenario]:
    part, of = (int(n) for n in arguments.part.split("/"))
    files = set(arguments.files.split(",")) if arguments.files else None
    # Sound cannot carry what only letters can; without a language the recognizer cannot be chosen.
    fit = [s for s in scenarios if s.lang in ("ja", "en") and s.file not in ("hostile",)]
    fit = [s for s in fit if (files is None or s.file in files) and arguments.lang in (None, s.lang)]
    for number, scenario in enumerate(fit):
        if number % of == part - 1:
            yield scenario


def read(path: Path | None) -> list[dict[str, Any]]:
    if path is None or not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def table(rows: Sequence[dict[str, Any]]) -> str:
    out = ["| language | scenarios | as text | lines | lines heard word for word |", "|---|---|---|---|---|"]
    for language in sorted({row["lang"] for row in rows}):
        own = [row for row in rows if row["lang"] == language]
        lines = [line for row in own for line in row["lines"]]
        good = sum(row["passes"] for row in own)
        exact = sum(loosely(line["heard"]) == loosely(line["said"]) for line in lines)
        out.append(
            f"| {language} | {len(own)} | {good} ({good / len(own):.0%}) | {len(lines)} | {exact / len(lines):.0%} |"
        )
    causes: Counter[str] = Counter()
    for row in rows:
        if not row["passes"]:
            bad = [Line(**line) for line in row["lines"]]
            first = next(line for line in bad if set(line.wrong) - set(line.wrong_as_text) and not line.wrong_as_text)
            causes[cause(first)] += 1
    out += ["", "| cause of failure (the first line that went wrong) | scenarios |", "|---|---|"]
    out += [f"| {name} | {count} |" for name, count in causes.most_common()]
    return "\n".join([*out, "", *latencies(rows)])


def latencies(rows: Sequence[dict[str, Any]]) -> list[str]:
    measured = [line["latency"] for row in rows for line in row["lines"] if line["latency"]]
    if not measured:
        return []
    stages = ("end_of_speech", "recognition", "dialogue", "first_audio")
    out = [f"| last word → first sound, ms ({len(measured)} answers) | p50 | p95 |", "|---|---|---|"]
    for stage in (*stages, "total"):
        values = sorted(sum(m.values()) if stage == "total" else m[stage] for m in measured)
        out.append(f"| {stage} | {values[len(values) // 2]:.0f} | {values[int(0.95 * (len(values) - 1))]:.0f} |")
    return out


BEGAN = time.monotonic()


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--lang", choices=("ja", "en"))
    parser.add_argument("--files", help="names of scenario files, with commas")
    parser.add_argument("--snr", type=float, default=10.0, help="dB")
    parser.add_argument("--wake", action="store_true", help="calls it by name instead of pressing the talk switch")
    parser.add_argument("--engine", choices=("vosk", "whisper"))
    parser.add_argument("--partials", action="store_true", help="partial texts as in the car (slow)")
    parser.add_argument("--part", default="1/1", metavar="K/N")
    parser.add_argument("--minutes", type=float, default=0.0, help="stops after so long")
    parser.add_argument("--out", type=Path, help="results, one JSON line a scenario; those in it are not run again")
    parser.add_argument("--table", type=Path, help="prints the table of a results file and runs nothing")
    arguments = parser.parse_args(argv)
    before = read(arguments.out)
    rows = read(arguments.table) if arguments.table else [*before, *run(arguments)]
    print(table(rows))


if __name__ == "__main__":
    main()
