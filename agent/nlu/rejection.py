"""When to act on a message and when not: a calibrated confidence and a threshold for everything that does something.

Most of what is said in a car is not meant for it. The classifier has broad classes for that (`out_of_scope`, `human_talk`,
`chitchat`); this module decides what to do when it is not sure. Asking nothing of the car is the safe side, so only
functions that act need a minimum of probability.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from agent.nlu.functions import ACTING, INTENTS_OF, function_of

FloatArray = npt.NDArray[np.float64]

REJECTED: Final = INTENTS_OF["chitchat_oos"]
NOT_CAUGHT: Final = "nlu_fallback"
"""what is told to have been said unintelligibly, not as asking for something the car does not do"""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a message is taken for."""

    intent: str
    confidence: float
    """calibrated, 0 … 1: of the intent, or of "asks nothing of the car" when rejected"""
    rejected: str | None = None
    """the intent that was likeliest but not likely enough, None when nothing was rejected"""


@dataclass(frozen=True, slots=True)
class Rejection:
    """`temperature` makes confidences honest (fitted on templates and words never trained on); thresholds are probabilities."""

    temperature: float = 1.0
    act_above: float = 0.4
    """least probability of an acting function, summed over its intents"""
    act_above_unfamiliar: float = 0.6
    """the same for messages of which little has ever been seen"""
    act_above_answering: float = 0.3
    """the same for a message that answers what the system has just asked or offered: it is hardly for somebody else"""
    familiar_above: float = 0.35
    """share of a message's terms that must be known for it to be familiar, 0 … 1"""
    caught_above: float = 0.0
    """share of known terms below which what asks for nothing was not even language"""

    def __post_init__(self) -> None:
        if self.temperature <= 0:
            raise ValueError("the temperature must be positive")
        ascending = 0 <= self.act_above_answering <= self.act_above <= self.act_above_unfamiliar <= 1
        if not (ascending and 0 <= self.familiar_above <= 1):
            raise ValueError("thresholds are probabilities: answers need the least, unfamiliar messages the most")

    def probabilities(self, scores: FloatArray) -> FloatArray:
        """Calibrated probabilities of decision scores, shape (messages, intents) or (intents,)."""
        scaled = scores / self.temperature
        scaled = scaled - scaled.max(axis=-1, keepdims=True)
        exponentials = np.exp(scaled)
        return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True))

    def decide(
        self, intents: Sequence[str], probabilities: FloatArray, familiarity: float = 1.0, *, answering: bool = False
    ) -> Decision:
        """The intent to follow. The function is chosen first (its intents' probabilities together), then the intent in it.
        `answering`: the message follows a question or an offer of the system."""
        by_function: dict[str, float] = {}
        for intent, probability in zip(intents, probabilities, strict=True):
            function = function_of(intent)
            by_function[function] = by_function.get(function, 0.0) + float(probability)
        function = max(by_function, key=lambda f: by_function[f])
        best = Decision(*_best_of(intents, probabilities, function))
        needed = self._needed(familiarity, answering)
        if function in ACTING and by_function[function] < needed:
            present = [i for i in REJECTED if i in intents]
            if present:
                index = {intent: float(p) for intent, p in zip(intents, probabilities, strict=True)}
                best = Decision(max(present, key=lambda i: index[i]), 1.0 - by_function[function], rejected=best.intent)
        if best.intent in REJECTED and familiarity < self.caught_above:
            return replace(best, intent=NOT_CAUGHT)
        return best

    def _needed(self, familiarity: float, answering: bool) -> float:
        if answering:
            return self.act_above_answering
        return self.act_above if familiarity >= self.familiar_above else self.act_above_unfamiliar


def _best_of(intents: Sequence[str], probabilities: FloatArray, function: str) -> tuple[str, float]:
    return max(
        ((i, float(p)) for i, p in zip(intents, probabilities, strict=True) if function_of(i) == function),
        key=lambda pair: pair[1],
    )


def fit_temperature(scores: FloatArray, correct: Sequence[int]) -> float:
    """The temperature with the least negative log likelihood of the `correct` columns, searched on a fixed grid 0.3 … 4."""
    rows = np.arange(len(correct))
    losses: Mapping[float, float] = {
        t: float(-np.log(Rejection(temperature=t).probabilities(scores)[rows, np.asarray(correct)] + 1e-12).mean())
        for t in np.round(np.geomspace(0.3, 4.0, 40), 3)
    }
    return float(min(losses, key=lambda t: losses[t]))
