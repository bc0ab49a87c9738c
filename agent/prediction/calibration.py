"""Probabilities that mean what they say: a straight line in log-odds, learnt from how earlier guesses came true.

One line for the guess before the drive begins, one for guesses on the way. The prior is "as the model says"; old outcomes fade.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from agent.prediction.geometry import Vector

KEPT = 200
"""outcomes a stage remembers"""
PRIOR = (1.0, 4.0)
"""precision of the prior on shift and on slope − 1"""


class Calibration:
    def __init__(self) -> None:
        self._seen: tuple[deque[tuple[float, bool]], ...] = (deque(maxlen=KEPT), deque(maxlen=KEPT))
        self.lines: list[tuple[float, float]] = [(0.0, 1.0), (0.0, 1.0)]
        """shift and slope in log-odds, by stage (0: before the drive, 1: on the way)"""

    def learn(self, stage: int, p: float, hit: bool) -> None:
        """Notes that a guess of the uncalibrated probability `p` came true or not."""
        self._seen[stage].append((p, hit))
        self._fit(stage)

    def apply(self, stage: int, p: Vector) -> Vector:
        """The calibrated probabilities of ranked guesses; they never sum up to more than 1."""
        shift, slope = self.lines[stage]
        if not len(p):
            return p
        first = _sigmoid(shift + slope * _logit(p[:1]))[0]
        # The others share what is left as before.
        rest = p[1:] * ((1 - first) / max(1e-9, 1 - p[0]))
        out: Vector = np.concatenate(([first], np.minimum(rest, first)))
        return out

    def outcomes(self) -> list[list[tuple[float, bool]]]:
        return [list(seen) for seen in self._seen]

    def restore(self, outcomes: list[list[tuple[float, bool]]]) -> None:
        for stage, seen in enumerate(outcomes[:2]):
            self._seen[stage].extend(seen)
            self._fit(stage)

    def _fit(self, stage: int) -> None:
        """Two Newton steps from where the line stood: one outcome more moves it little."""
        seen = self._seen[stage]
        x = _logit(np.array([p for p, _ in seen]))
        y = np.array([float(hit) for _, hit in seen])
        weight = 0.5 ** (np.arange(len(seen))[::-1] / (KEPT / 2))
        theta = np.array(self.lines[stage])
        design = np.stack((np.ones_like(x), x), axis=1)
        for _ in range(2):
            p = _sigmoid(design @ theta)
            gradient = design.T @ (weight * (y - p)) - np.array(PRIOR) * (theta - (0.0, 1.0))
            curve = (design * (weight * p * (1 - p))[:, None]).T @ design + np.diag(PRIOR)
            theta = theta + np.linalg.solve(curve, gradient)
        shift, slope = theta
        self.lines[stage] = (float(np.clip(shift, -2.0, 2.0)), float(np.clip(slope, 0.3, 2.5)))


def _logit(p: Vector) -> Vector:
    clipped = np.clip(p, 0.005, 0.995)
    out: Vector = np.log(clipped / (1 - clipped))
    return out


def _sigmoid(x: Vector) -> Vector:
    out: Vector = 1 / (1 + np.exp(-x))
    return out
