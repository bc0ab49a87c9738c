"""When an utterance has ended: after a pause that depends on what has been said so far.

Time is counted in frames. Whether the words are a complete request is not known here: a function that judges it is handed in.

    「エアコンつけて」        complete      short pause
    「渋谷で」            unknown       longer
    「ラーメンと、えーと」      open          longest: a list, a number or a word of thinking is going on
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal

from audio.frames import FRAME_S
from audio.ports import SpeechLanguage

Completeness = Literal["complete", "unknown", "open"]
Judge = Callable[[str], Completeness]
"""how far the words said so far are a whole request; called once for each new partial text"""
End = Literal["pause", "longest", "nothing"]
"""why it ended: the speaker paused; the utterance became too long; nothing was said at all"""
_OPEN_ENDS: Final = Path(__file__).with_name("open_ends.yml")


@dataclass(frozen=True, slots=True)
class Pauses:
    """Seconds."""

    complete: float = 0.44
    """of silence after a complete request"""
    unknown: float = 0.8
    """after words that may or may not be all"""
    open: float = 1.5
    """after words that are clearly not all: a list, a number, 「えーと」"""
    longest: float = 20.0
    """of an utterance, from its first word"""
    nothing: float = 7.0
    """of waiting for the first word"""

    def __post_init__(self) -> None:
        if not 0.1 <= self.complete <= self.unknown <= self.open <= self.longest <= 60 or self.nothing <= 0:
            raise ValueError("pauses must be 0.1 s ≤ complete ≤ unknown ≤ open ≤ longest ≤ 60 s, and nothing above 0")


class Endpointing:
    """Told every frame's probability of speech and every partial text; says when the utterance is over."""

    def __init__(
        self,
        judge: Judge,
        language: SpeechLanguage,
        pauses: Pauses | None = None,
        *,
        begins: float = 0.5,
        stays: float = 0.35,
        least_speech_s: float = 0.1,
    ) -> None:
        """Speech begins at a probability of `begins` and lasts while it stays above `stays`; less than `least_speech_s` of it is
        a knock, not a word."""
        self._judge, self._language, self._pauses = judge, language, pauses or Pauses()
        self._begins, self._stays, self._least = begins, stays, least_speech_s
        self.start()

    def start(self) -> None:
        """Begins anew, with nothing said."""
        self._frames = self._first = self._last = self._run = 0
        self._speaking = self._said = False
        self._completeness: Completeness = "unknown"

    @property
    def said(self) -> bool:
        """Whether anything was said."""
        return self._said

    @property
    def silence_s(self) -> float:
        """Seconds since the last speech (since the start when there was none)."""
        return (self._frames - self._last) * FRAME_S

    @property
    def wanted_s(self) -> float:
        """Seconds of silence that would end the utterance now."""
        return {"complete": self._pauses.complete, "unknown": self._pauses.unknown, "open": self._pauses.open}[
            self._completeness
        ]

    def accept(self, probability: float, partial: str | None = None) -> End | None:
        """Takes a frame; `partial`: the text so far, when it changed."""
        self._frames += 1
        if partial is not None:
            self._completeness = completeness(partial, self._language, self._judge)
        self._speaking = probability >= (self._stays if self._speaking else self._begins)
        if self._speaking:
            self._run += 1
            if self._run * FRAME_S >= self._least:
                if not self._said:
                    self._said, self._first = True, self._frames - self._run
                self._last = self._frames
        else:
            self._run = 0
        return self._ended()

    def _ended(self) -> End | None:
        if not self._said:
            return "nothing" if self._frames * FRAME_S >= self._pauses.nothing - 1e-9 else None
        if (self._frames - self._first) * FRAME_S >= self._pauses.longest - 1e-9:
            return "longest"
        return "pause" if not self._speaking and self.silence_s >= self.wanted_s - 1e-9 else None


def completeness(text: str, language: SpeechLanguage, judge: Judge) -> Completeness:
    """`judge`'s opinion, unless the words themselves say that more is to come."""
    if not text.strip():
        return "unknown"
    ends, words = _open_ends(), text.casefold()
    if ends[language].search(words):
        return "open"
    judged = judge(text)
    return "open" if judged != "complete" and ends[f"{language}_unless_complete"].search(words) else judged


@lru_cache(maxsize=1)
def _open_ends() -> dict[str, re.Pattern[str]]:
    import yaml

    table = yaml.safe_load(_OPEN_ENDS.read_text(encoding="utf-8"))
    ja, en = r"(?:{})[、。….,ー\s]*$", r"(?:^|[\s,])(?:{})[,….\s]*$"
    return {key: re.compile((ja if key.startswith("ja") else en).format("|".join(ends))) for key, ends in table.items()}
