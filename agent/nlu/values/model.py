"""What the readers of this room hand each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Found:
    """A value found in folded text."""

    start: int
    """index into `Folded.text`"""
    end: int
    entity: str
    value: Any
    role: str | None = None
    priority: int = 0
    """of two overlapping finds the higher one stays; among equals the longer, then the earlier"""
    layer: str = "value"
    """finds of different layers may overlap: what is asked about stands on the words of a condition"""

    @property
    def length(self) -> int:
        return self.end - self.start

    def overlaps(self, other: Found) -> bool:
        return self.start < other.end and other.start < self.end


def resolve(found: list[Found]) -> list[Found]:
    """The finds that stay, by position. Equal spans of one entity (several genres of one word) stay together."""
    kept: list[Found] = []
    for candidate in sorted(found, key=lambda f: (-f.priority, -f.length, f.start)):
        rivals = [k for k in kept if k.layer == candidate.layer and k.overlaps(candidate)]
        if all(
            (k.start, k.end, k.entity) == (candidate.start, candidate.end, candidate.entity)
            and k.value != candidate.value
            for k in rivals
        ):
            kept.append(candidate)
    return sorted(kept, key=lambda f: (f.start, f.end, f.entity, str(f.value)))
