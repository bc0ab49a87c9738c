"""A wake word that is nothing but typed text.

Whether a phrase was said is asked of a recognizer that knows the language: how likely are the phrase's own tokens, were this sound
the phrase (`WhisperModel.likelihood`). Nothing is trained or recorded, the speaker does not matter, and it is far more certain than
comparing what the recognizer would have written on its own, which for a made-up name is different every time.

    voice activity  →  windows that begin where speech began  →  one spelling (cheap)  →  all spellings, and the
    (every frame)      and hold about one phrase                 far off: done            recognizer's own reading where unsure

Time is counted in frames.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from audio.frames import FRAME_S, RATE, Frame
from audio.ports import SpeechLanguage, VoiceActivity, Wake
from audio.wav import Samples, to_samples

Likeness = Callable[[str], float]
"""how much a text sounds like the phrase, 0 … 1; handed in, for readings are not this room's business"""
LEAD_S: Final = 0.25
"""seconds of sound before its beginning was noticed"""
PAUSE_INSIDE_S: Final = 0.5
"""seconds a speaker may pause inside the phrase, at a comma"""
COOLDOWN_S: Final = 1.5
_STEEPNESS: Final = 2.0


class Scorer(Protocol):
    """What judges a window: `audio.whisper_recognizer.WhisperScorer`."""

    def quick(self, samples: Samples) -> float:
        """Score of the likeliest-written spelling: a mean log-probability."""

    def full(self) -> float:
        """The same for all spellings, of the sound last given to `quick`."""

    def end(self) -> float:
        """Seconds from the beginning of that sound at which the phrase ends."""

    def reading(self) -> str:
        """What the recognizer itself would write for that sound."""


@dataclass(frozen=True, slots=True)
class WakePhrase:
    """A wake word ready to be listened for."""

    text: str
    """as typed"""
    language: SpeechLanguage
    spellings: tuple[str, ...]
    """ways a recognizer may write it, the likeliest first"""
    seconds: float
    """about how long it takes to say"""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Of scores: mean log-probabilities (`audio.whisper_recognizer.Likelihood.score`)."""

    look: float = -4.8
    """of one spelling: below it the others are not tried"""
    unsure: float = -3.2
    """above it the phrase was said, if the recognizer's own reading resembles it"""
    sure: float = -2.65
    """above it the phrase was said"""
    likeness: float = 0.6
    """of the reading to the phrase"""


THRESHOLDS: Final[dict[SpeechLanguage, Thresholds]] = {
    "ja": Thresholds(),
    # English spelling tells less of the sound than kana do.
    "en": Thresholds(likeness=0.5),
}


class TypedWakeWord:
    """`WakeWord` for a `WakePhrase`."""

    def __init__(
        self,
        phrase: WakePhrase,
        scorer: Scorer,
        activity: VoiceActivity,
        likeness: Likeness,
        thresholds: Thresholds | None = None,
        *,
        begins: float = 0.4,
        stays: float = 0.25,
        every_s: float = 0.5,
    ) -> None:
        """`begins`, `stays`: probabilities of speech; `every_s`: how often a window is judged while speech goes on and on."""
        self._phrase, self._scorer, self._activity, self._likeness = phrase, scorer, activity, likeness
        self._thresholds = thresholds or THRESHOLDS[phrase.language]
        self._begins, self._stays = begins, stays
        self._hop = round(every_s / FRAME_S)
        self._looks = frozenset(round(phrase.seconds * share / FRAME_S) for share in (0.95, 1.45))
        self._shortest = round(0.6 * phrase.seconds / FRAME_S)
        self._longest = round((1.45 * phrase.seconds + PAUSE_INSIDE_S) / FRAME_S)
        self._window = round((1.3 * phrase.seconds + 0.4) / FRAME_S)
        self._lead = round(LEAD_S / FRAME_S)
        self._ring: deque[Frame] = deque(maxlen=self._longest + self._lead)
        self._fed = 0
        self.judged: deque[tuple[float, float, str]] = deque(maxlen=1000)
        """of the latest windows that were looked at closely: time, score and reading; for measurements"""
        self.reset()

    def reset(self) -> None:
        """Forgets the sound so far; time goes on."""
        self._activity.reset()
        self._ring.clear()
        self._speaking = False
        self._quiet = 10**6
        """frames without speech"""
        self._onsets: list[int] = []
        """frames at which speech began, the latest last; older ones than a phrase lasts are dropped"""
        self._judged_at = 0
        self._length_s = 0.0
        self._cool_until = 0

    def accept(self, frame: Frame) -> Wake | None:
        self._fed += 1
        self._ring.append(frame)
        starts = self._due(self._activity.probability(frame))
        if self._fed < self._cool_until:
            return None
        for start in starts:
            score = self._judge(self._fed - start + self._lead)
            if score is not None:
                self._cool_until = self._fed + round(COOLDOWN_S / FRAME_S)
                end = self._fed * FRAME_S - self._length_s + self._scorer.end()
                return Wake(self._phrase.text, self._between(score), end)
        return None

    def _due(self, probability: float) -> list[int]:
        """The frames from which windows that end here are to be judged; mostly none."""
        self._onsets = [start for start in self._onsets if self._fed - start <= self._longest]
        if probability >= (self._stays if self._speaking else self._begins):
            if not self._speaking:
                # A short gap may be inside the phrase, or between something else and it: both are tried.
                self._onsets.append(self._fed)
            self._speaking, self._quiet = True, 0
        else:
            self._quiet += 1
            # Gaps shorter than this are inside words.
            if self._speaking and self._quiet * FRAME_S >= 0.16:
                self._speaking = False
                return [start for start in self._onsets if self._fed - start - self._quiet >= self._shortest]
        if not self._speaking:
            return []
        if not self._onsets and self._fed - self._judged_at >= self._hop:
            return [self._fed - self._window]
        return [start for start in self._onsets if self._fed - start in self._looks]

    def _judge(self, frames: int) -> float | None:
        """The score when the phrase was said in the last `frames`."""
        self._judged_at = self._fed
        samples = to_samples(b"".join(list(self._ring)[-frames:]))
        self._length_s = len(samples) / RATE
        limits = self._thresholds
        score = self._scorer.quick(samples)
        if score < limits.look:
            return None
        score = max(score, self._scorer.full())
        if score < limits.unsure:
            return None
        reading = "" if score >= limits.sure else self._scorer.reading()
        self.judged.append((self._fed * FRAME_S, score, reading))
        sure = score >= limits.sure or self._likeness(reading) >= limits.likeness
        return score if sure else None

    def _between(self, score: float) -> float:
        middle = self._thresholds.unsure
        return 1 / (1 + math.exp(-_STEEPNESS * (score - middle)))


def confirmation(
    phrase: WakePhrase, scorer: Scorer, likeness: Likeness, thresholds: Thresholds | None = None
) -> Callable[[Samples], float]:
    """The judgement of a window on its own, 0 … 1 and from 0.5 on a yes: for a spotter that has a suspicion of its own."""
    limits = thresholds or THRESHOLDS[phrase.language]
    length = round((1.45 * phrase.seconds + PAUSE_INSIDE_S + LEAD_S) * RATE)

    def judge(samples: Samples) -> float:
        score = max(scorer.quick(samples[-length:]), scorer.full())
        if score < limits.unsure or (score < limits.sure and likeness(scorer.reading()) < limits.likeness):
            return 0.0
        return 1 / (1 + math.exp(-_STEEPNESS * (score - limits.unsure)))

    return judge
