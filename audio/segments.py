"""A long sound cut at its pauses into utterances an engine can take at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from audio.frames import FRAME_S, Frame
from audio.ports import VoiceActivity


def utterances(
    sound: Iterable[Frame],
    activity: VoiceActivity,
    *,
    begins: float = 0.4,
    stays: float = 0.25,
    before_s: float = 0.3,
    pause_s: float = 0.7,
    longest_s: float = 24.0,
) -> Iterator[list[Frame]]:
    """The stretches with speech in them, each with `before_s` of what came before and its last `pause_s` of silence. A stretch
    longer than `longest_s` is cut there."""
    activity.reset()
    before: deque[Frame] = deque(maxlen=round(before_s / FRAME_S))
    current: list[Frame] = []
    silent = 0
    for frame in sound:
        probability = activity.probability(frame)
        if not current:
            before.append(frame)
            if probability >= begins:
                current, silent = list(before), 0
                before.clear()
            continue
        current.append(frame)
        silent = 0 if probability >= stays else silent + 1
        if silent * FRAME_S >= pause_s or len(current) * FRAME_S >= longest_s:
            yield current
            current = []
    if current:
        yield current
