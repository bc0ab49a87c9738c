"""The states of a handoff and the ways between them.

requested → queued → accepted → active → returned
               │         │         ├──→ dropped      a side was gone for too long
               │         │         └──→ cancelled    "back to the agent"
               │         └──→ declined, cancelled, dropped
               └──→ declined, no_answer, cancelled, dropped
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import get_args

from backends.model import HandoffState

STATES: tuple[HandoffState, ...] = get_args(HandoffState)
FINAL: frozenset[HandoffState] = frozenset({"returned", "declined", "no_answer", "dropped", "cancelled"})
WAYS: Mapping[HandoffState, frozenset[HandoffState]] = MappingProxyType(
    {
        "requested": frozenset({"queued", "cancelled", "dropped"}),
        "queued": frozenset({"accepted", "declined", "no_answer", "cancelled", "dropped"}),
        "accepted": frozenset({"active", "queued", "declined", "cancelled", "dropped"}),
        "active": frozenset({"queued", "returned", "cancelled", "dropped"}),
        **{state: frozenset() for state in FINAL},
    }
)


def sources(target: HandoffState) -> tuple[HandoffState, ...]:
    """The states from which `target` may be entered."""
    return tuple(state for state in STATES if target in WAYS[state])
