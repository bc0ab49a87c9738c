"""Speaking into an answer: how soon it stops, and how often it stops for nothing. Real voices, noise, echo, voice activity and echo guard.

    python -m benchmarks.interruptions [--each 20] [--echo -10] [--snr 10]

The agent (its own Japanese voice) reads a list; into it somebody says a request, an あいづち, a passenger's word, or nobody says
anything. The loudspeaker is heard back by the microphone (110 ms late, with reflections of a cabin). What was said is known to the
recognizer here, letter by letter as it is said: measured is the loop, not the recognizer. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from agent.listener import Listener, State
from agent.voice_ports import Parts
from audio.clauses import clauses
from audio.endpointing import Endpointing
from audio.frames import FRAME_BYTES, FRAME_S, FRAME_SAMPLES, RATE, frames
from audio.noise import car_noise
from audio.player import SILENCE, Player
from audio.ports import Hypothesis, SpeechLanguage
from benchmarks.spoken import noise_alone
from tests.fakes_voice import WORDS, ScriptedTalk, VirtualWork

REPLY = (
    "渋谷駅の近くで、三件見つかりました。一件目はトラットリア青山、歩いて五分、評価は四点二です。"
    "二件目はバール神南、歩いて八分、駐車場があります。三件目はリストランテ松濤、少し高めですが、静かです。"
)
SAID = {
    "request": ("やっぱり横浜の中華にして", "もっと安いところはありますか", "駐車場のあるところがいいです", "ちょっと待って", "それより天気を教えて"),
    "あいづち": ("はい", "うん", "へえ", "なるほど", "うんうん", "そうなんだ"),
    "passenger": ("あつい", "ねえ見て", "かわいい", "おなかすいた"),
    "nobody": ("",),
}  # fmt: skip


class Told:
    """A recognizer that is told what is being said, letter by letter."""

    def __init__(self) -> None:
        self.letters: list[str] = []
        """of each frame fed, as the cabin makes them"""
        self._text = ""

    def start(self, *, phrases: Sequence[str] | None = None) -> None:
        self._text = ""

    def accept(self, frame: bytes) -> str | None:
        # The loop cleans frames, so they are known by their place only: the newest one is meant.
        added = self.letters.pop(0) if self.letters else ""
        self._text += added
        return self._text if added else None

    def finish(self) -> Hypothesis:
        return Hypothesis(self._text, 0.9 if self._text else 0.0)

    def close(self) -> None: ...


class Recorded:
    """The agent's voice, made beforehand."""

    def __init__(self, sounds: dict[str, bytes]) -> None:
        self._sounds = sounds

    def speak(self, text: str, language: SpeechLanguage) -> Iterator[bytes]:
        for clause in clauses(text, language):
            yield self._sounds.get(clause, bytes(FRAME_BYTES * 50))

    def stop(self) -> None: ...

    def close(self) -> None: ...


class Cabin:
    """Loudspeaker, microphone, noise, people."""

    def __init__(self, sounds: dict[str, bytes], *, echo_db: float, snr: float, seed: int) -> None:
        from audio.echo import AdaptiveEchoGuard
        from audio.vad import SileroActivity

        self.player, self.talk, self.recognizer = Player(), ScriptedTalk({"一覧": (REPLY, "gives_info")}), Told()
        self.works: dict[str, VirtualWork] = defaultdict(VirtualWork)
        self.works["recognizer"] = VirtualWork(Hypothesis, 5)
        self.played: list[bytes] = []
        self.fed = 0
        parts = Parts(
            self.recognizer, SileroActivity(), Recorded(sounds), self.player, self.talk, WORDS,
            lambda judge: Endpointing(judge, "ja"), None, AdaptiveEchoGuard(),
        )  # fmt: skip
        self.listener = Listener("cabin", parts, work=lambda name: self.works[name], clock=lambda: self.fed * FRAME_S)
        self._gain = 10 ** (echo_db / 20)
        dice = np.random.default_rng(seed)
        delay = round(0.11 * RATE)
        self._way = np.zeros(delay + 900)
        self._way[delay] = 1.0
        self._way[delay + 1 :] = dice.standard_normal(899) * np.exp(-np.arange(899) / 250) * 0.06
        self._past = np.zeros(len(self._way) + FRAME_SAMPLES)
        self._noise = np.frombuffer(noise_alone(car_noise(30, seed), snr), "<i2").astype(float)
        self._spoken: list[str] = []

    def frame(self, driver: bytes = SILENCE, letters: str = "") -> None:
        """20 ms: what somebody says (with the letters of it), what is heard of the loudspeaker, noise."""
        played = np.frombuffer(self.played[-1] if self.played else SILENCE, "<i2").astype(float)
        self._past = np.concatenate([self._past[FRAME_SAMPLES:], played])
        echo = np.convolve(self._past, self._way, "valid")[-FRAME_SAMPLES:] * self._gain
        at = self.fed * FRAME_SAMPLES % (len(self._noise) - FRAME_SAMPLES)
        heard = np.frombuffer(driver, "<i2") + echo + self._noise[at : at + FRAME_SAMPLES]
        self._spoken.append(letters)
        self._tell()
        self.fed += 1
        self.talk.tick()
        for work in self.works.values():
            work.tick()
        self.listener.frame(np.clip(heard, -32768, 32767).astype("<i2").tobytes())
        self.played.append(self.player.take())

    def _tell(self) -> None:
        # When the loop begins to hear an utterance it gives what it kept from before: those letters count as well.
        hearing = self.listener.state is State.LISTENING or self.listener._held_at is not None
        self.recognizer.letters = [self._spoken[-1]] if hearing else []
        if not hearing:
            self.recognizer.letters = ["".join(self._spoken[-18:])]

    def say(self, text: str, sound: bytes) -> None:
        pieces = list(frames(sound))
        said = 0
        for n, piece in enumerate(pieces, 1):
            until = round(len(text) * n / len(pieces))
            self.frame(piece, text[said:until])
            said = until

    def quiet(self, seconds: float) -> None:
        for _ in range(round(seconds / FRAME_S)):
            self.frame()

    def ask(self) -> None:
        """The agent begins to read its list."""
        self.listener.announce(REPLY, "ja")
        for _ in range(200):
            self.frame()
            if self.player.spoken > 0:
                return


def agent_voice() -> dict[str, bytes]:
    from audio.voices import levelled, openjtalk

    say = openjtalk()
    return {clause: levelled(say(clause, 1.0), 0.8) + bytes(6400) for clause in clauses(REPLY, "ja")}


def driver_voice(text: str, dice: random.Random) -> bytes:
    from audio.voices import levelled
    from audio.wav import to_pcm
    from benchmarks.voices import voices

    return levelled(to_pcm(voices("ja")["openjtalk"](text, dice)), 0.8)


def one(
    kind: str, text: str, sounds: dict[str, bytes], dice: random.Random, echo_db: float, snr: float
) -> dict[str, Any]:
    """A reply with something said into it; what came of it."""
    cabin = Cabin(sounds, echo_db=echo_db, snr=snr, seed=dice.randrange(10**6))
    cabin.quiet(1.0)
    # The first words teach the echo guard the cabin; they are part of what is measured for "nobody" only.
    cabin.ask()
    cabin.quiet(dice.uniform(2.5, 5.0))
    before = len(cabin.talk.events)
    at = len(cabin.played)
    if text:
        cabin.say(text, driver_voice(text, dice))
    cabin.quiet(2.5 if text else 6.0)
    events = cabin.talk.events[before:] if text else cabin.talk.events
    kinds = [event.type for event in events]
    sounding = cabin.played[at:]
    stop = next((n for n in range(len(sounding)) if all(f == SILENCE for f in sounding[n : n + 10])), None)
    return {
        "held": kinds.count("held"),
        "interrupted": "interrupted" in kinds,
        "stop_ms": None if stop is None or kind != "request" else stop * FRAME_S * 1000,
    }


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--each", type=int, default=20, help="times for each kind")
    parser.add_argument(
        "--echo", type=float, default=-10.0, help="dB of the loudspeaker at the microphone, to the agent's own level"
    )
    parser.add_argument("--snr", type=float, default=10.0, help="dB of a driver over the noise")
    arguments = parser.parse_args(argv)
    dice, sounds = random.Random(7), agent_voice()
    print(f"echo {arguments.echo:g} dB, noise {arguments.snr:g} dB below the driver\n")
    print("| into the answer | times | interrupted | held | stops after, ms p50 / p95 |")
    print("|---|---|---|---|---|")
    for kind, texts in SAID.items():
        rows = [
            one(kind, texts[n % len(texts)], sounds, dice, arguments.echo, arguments.snr) for n in range(arguments.each)
        ]
        stops = sorted(row["stop_ms"] for row in rows if row["stop_ms"] is not None)
        times = f"{stops[len(stops) // 2]:.0f} / {stops[int(0.95 * (len(stops) - 1))]:.0f}" if stops else "–"
        print(
            f"| {kind} | {len(rows)} | {sum(r['interrupted'] for r in rows)} | {sum(r['held'] for r in rows)} | {times} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
