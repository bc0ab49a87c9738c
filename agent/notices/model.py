"""What may be said unasked, and the moment it would be said in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, get_args

from backends.model import Language, Position, Route

NoticeClass = Literal["accident", "closure", "regulation", "jam", "weather", "offer", "destination"]
CLASSES: tuple[NoticeClass, ...] = get_args(NoticeClass)


@dataclass(frozen=True, slots=True)
class Detour:
    """Another way, ready to be taken."""

    route: Route
    saves_s: float
    """against staying on the route, delays counted"""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something that could be said."""

    kind: NoticeClass
    key: str
    """the same thing has the same key: said once"""
    relevance: float
    """0 … 1: what it costs the driver not to know"""
    confidence: float
    """0 … 1: that it will be met at all (probability of the route × of the report)"""
    ahead_s: float
    """until it is met"""
    until: datetime
    """nothing to say after this"""
    sentence: str
    """id of the sentence, without language"""
    values: Mapping[Language, Mapping[str, str]] = field(default_factory=dict)
    """language → values of the sentence"""
    delay_s: float = 0.0
    """against the usual time"""
    detour: Detour | None = None
    place: Position | None = None
    """where it is, or what could be driven to"""
    place_name: str = ""


@dataclass(frozen=True, slots=True)
class DriveMoment:
    """How things stand in the car."""

    now: datetime
    speed_kmh: float
    engaged: bool
    """somebody is speaking, or has just spoken"""
    maneuver_s: float | None = None
    """until the next manoeuvre, None when none is near"""
    workload: float = 0.0
    """0 … 1: hard braking, turning, a junction"""
