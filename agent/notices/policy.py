"""The limits of speaking unasked: data (policy.yml) and what the driver has set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, time
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, cast, get_args

import yaml

from agent.notices.model import CLASSES, NoticeClass

Frequency = Literal["off", "low", "normal", "high"]
FREQUENCIES: tuple[Frequency, ...] = get_args(Frequency)
DEFAULT_CLASSES = ("accident", "closure", "regulation", "jam", "weather")
"""offers are opt-in; asking for the destination is, too"""


@dataclass(frozen=True, slots=True)
class ClassPolicy:
    safety: bool
    best_s: tuple[float, float]
    """said best when it is met within this span"""
    last_s: float
    """too late after this"""

    def timing(self, ahead_s: float) -> float:
        """0 … 1: how good a moment it is to say something that is met in `ahead_s`."""
        first, last = self.best_s
        if ahead_s < self.last_s:
            return 0.0
        if ahead_s < first:
            return 0.5 + 0.5 * (ahead_s - self.last_s) / max(1.0, first - self.last_s)
        return 1.0 if ahead_s <= last else max(0.0, 1.0 - (ahead_s - last) / last)


@dataclass(frozen=True, slots=True)
class Policy:
    threshold: float
    hourly: Mapping[str, float]
    apart_s: float
    apart_safety_s: float
    maneuver_s: float
    workload: float
    later_s: float
    again_delay_s: float
    answer_s: float
    classes: Mapping[str, ClassPolicy]


@lru_cache(maxsize=1)
def load_policy() -> Policy:
    """The file beside this one. Raises `ValueError` for a class too many or too few."""
    data = yaml.safe_load(Path(__file__).with_name("policy.yml").read_text(encoding="utf-8"))
    classes = {
        name: ClassPolicy(bool(row["safety"]), (float(row["best_s"][0]), float(row["best_s"][1])), float(row["last_s"]))
        for name, row in data.pop("classes").items()
    }
    if set(classes) != set(CLASSES):
        raise ValueError(f"policy.yml: classes {sorted(set(classes) ^ set(CLASSES))}")
    return Policy(classes=classes, **data)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the driver wants to hear: by settings file, page or voice."""

    classes: tuple[str, ...] = DEFAULT_CLASSES
    frequency: Frequency = "normal"
    quiet: tuple[time, time] | None = None
    """nothing but safety from … to (may go past midnight)"""

    @classmethod
    def of(cls, classes: str, frequency: str, quiet: str) -> Wishes:
        """From text: "accident,jam", "normal", "22:00-06:00" or "". Raises `ValueError` that says what is wrong."""
        names = tuple(name.strip() for name in classes.split(",") if name.strip())
        if unknown := [name for name in names if name not in CLASSES]:
            raise ValueError(f"unknown classes {', '.join(unknown)}; known: {', '.join(CLASSES)}")
        if frequency not in get_args(Frequency):
            raise ValueError(f"frequency must be one of {', '.join(get_args(Frequency))}")
        return cls(names, cast(Frequency, frequency), parse_quiet(quiet))

    def is_quiet(self, at: datetime) -> bool:
        if self.quiet is None:
            return False
        begin, end = self.quiet
        now = at.timetz().replace(tzinfo=None)
        return begin <= now < end if begin <= end else now >= begin or now < end

    def to_json(self) -> dict[str, Any]:
        quiet = "-".join(f"{t:%H:%M}" for t in self.quiet) if self.quiet else ""
        return {"classes": list(self.classes), "frequency": self.frequency, "quiet": quiet}

    def changed(self, data: Mapping[str, Any]) -> Wishes:
        """With what a driver's profile says otherwise. Raises `ValueError`."""
        new = Wishes.of(
            ",".join(data.get("classes", self.classes)), data.get("frequency", self.frequency), data.get("quiet", "")
        )
        return new if "quiet" in data else replace(new, quiet=self.quiet)


def parse_quiet(text: str) -> tuple[time, time] | None:
    if not text.strip():
        return None
    try:
        begin, end = (time.fromisoformat(part.strip()) for part in text.split("-"))
    except ValueError:
        raise ValueError(f"quiet hours are {text!r}, but must be like 22:00-06:00") from None
    return begin, end


def is_safety(kind: NoticeClass) -> bool:
    return load_policy().classes[kind].safety
