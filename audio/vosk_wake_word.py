"""The wake word by a Vosk grammar, where a Vosk model has its words: the phrase, decoys that sound alike, and everything else.

The grammar costs next to nothing (0.7 % of a core in the published measurement of the small Japanese model). Its partial results fire
falsely and its final ones do not, but come a second late. So a partial result is only a suspicion: it is put to a second judge
(`confirm`, Whisper's likelihood of the same window); without one, the final result is waited for.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

from audio.errors import EngineFailed
from audio.frames import FRAME_S, RATE, Frame
from audio.ports import VoiceActivity, Wake
from audio.vosk_recognizer import VoskModel
from audio.wake_word import COOLDOWN_S, LEAD_S, PAUSE_INSIDE_S
from audio.wav import Samples, to_samples

Confirm = Callable[[Samples], float]
"""score of a window, 0 … 1; from 0.5 on the phrase was said"""
_PAUSE_S: Final = PAUSE_INSIDE_S
_LONGEST_S: Final = 6.0
"""seconds of unbroken speech after which the grammar begins anew"""


def in_vocabulary(phrase: str, knows: Callable[[str], bool]) -> tuple[str, ...] | None:
    """The words of a phrase as a vocabulary has them: as typed between its commas and spaces, or cut into the longest known pieces.
    None where that cannot be done."""
    found: list[str] = []
    for part in phrase.replace("、", " ").replace(",", " ").split():
        while part:
            size = next((n for n in range(len(part), 0, -1) if knows(part[:n]) or knows(part[:n].casefold())), 0)
            # Single letters would spell anything.
            if size == 0 or (size == 1 and len(part) > 1):
                return None
            found.append(part[:size] if knows(part[:size]) else part[:size].casefold())
            part = part[size:]
    return tuple(found) or None


class VoskWakeWord:
    """`WakeWord` by grammar."""

    def __init__(
        self,
        text: str,
        words: Sequence[str],
        model: VoskModel,
        activity: VoiceActivity,
        *,
        decoys: Sequence[str] = (),
        confirm: Confirm | None = None,
        threshold: float = 0.4,
    ) -> None:
        """`words`: the phrase in the model's vocabulary (`in_vocabulary`); `decoys`: phrases of its words that are not it. Raises
        `EngineFailed` where the model lacks a word."""
        missing = [word for word in words if not model.knows(word)]
        if missing or not words:
            raise EngineFailed("wake", f"The Vosk model does not know {' '.join(missing) or 'an empty phrase'}.")
        self._text, self._words, self._model, self._activity = text, list(words), model, activity
        self._confirm, self._threshold = confirm, threshold
        known = [d for d in decoys if all(map(model.knows, d.split())) and d.split() != self._words]
        self._grammar = [" ".join(self._words), *known, *([model.unknown] if model.unknown else [])]
        self._ring: deque[Frame] = deque(maxlen=round(3.0 / FRAME_S))
        self._fed = 0
        self.reset()

    def reset(self) -> None:
        self._activity.reset()
        self._ring.clear()
        self._engine: Any = None
        self._quiet = self._heard = 0
        self._suspected = False
        self._cool_until = 0

    def accept(self, frame: Frame) -> Wake | None:
        self._fed += 1
        self._ring.append(frame)
        speaking = self._activity.probability(frame) >= self._threshold
        self._quiet = 0 if speaking else self._quiet + 1
        if self._engine is None:
            if speaking and self._fed >= self._cool_until:
                self._begin()
            return None
        self._heard += 1
        self._engine.AcceptWaveform(frame)
        over = self._quiet * FRAME_S >= _PAUSE_S or self._heard * FRAME_S >= _LONGEST_S
        return self._end() if over else self._suspect()

    def _begin(self) -> None:
        import vosk

        self._engine = vosk.KaldiRecognizer(self._model.loaded, RATE, json.dumps(self._grammar, ensure_ascii=False))
        self._heard, self._suspected = 0, False
        for frame in list(self._ring)[-round(LEAD_S / FRAME_S) - 1 :]:
            self._engine.AcceptWaveform(frame)

    def _suspect(self) -> Wake | None:
        """A partial result that ends with the phrase, put to the second judge once."""
        if self._confirm is None or self._suspected or self._heard % 5:
            return None
        said = json.loads(self._engine.PartialResult()).get("partial", "").split()
        if said[-len(self._words) :] != self._words:
            return None
        self._suspected = True
        return self._judged(self._confirm)

    def _end(self) -> Wake | None:
        result = json.loads(self._engine.FinalResult()).get("text", "").split()
        self._engine = None
        size = len(self._words)
        if not any(result[n : n + size] == self._words for n in range(len(result) - size + 1)):
            return None
        return self._judged(self._confirm or (lambda _: 1.0))

    def _judged(self, judge: Confirm) -> Wake | None:
        score = judge(to_samples(b"".join(self._ring)))
        if score < 0.5:
            return None
        self._engine = None
        self._cool_until = self._fed + round(COOLDOWN_S / FRAME_S)
        return Wake(self._text, score, self._fed * FRAME_S)
