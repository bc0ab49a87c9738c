"""What the car's map may ask beyond the car itself: other roads, what happens on them, what Agent+ foresees.

Built by `agent/composition_map.py`; without one (no gateway of the whole) the map shows the car and its route alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from backends.model import Language, Position, Route
from backends.ports import Routes, Traffic


@dataclass(frozen=True, slots=True)
class Foreseen:
    """Where the driver is likely going, while no destination is set."""

    name: str
    position: Position
    route: Route
    p: float
    """0 … 1"""


@dataclass
class CarMap:
    """One car's map."""

    roads: Routes
    traffic: Traffic
    foreseen: Callable[[Language], Foreseen | None] = field(default=lambda _: None)
    name_of: Callable[[Position, Language], Awaitable[str]] | None = None
    """what a point of the map is called, by the place it lies at; "" when nothing is there"""
