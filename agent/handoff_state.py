"""What is known of one open handoff on the car's side, and how long is waited for what."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from agent.events import Event
from backends.model import Language

Owner = Literal["agent", "operator"]
Command = Literal["back", "cancel", "accept", "refuse"]
FINAL = frozenset({"returned", "declined", "no_answer", "dropped", "cancelled"})
KEPT_EVENTS = 300
"""events of an open handoff shown again to a page that comes (back)"""
CarryOut = Callable[[str, Mapping[str, Any], Language], Awaitable[None]]
"""Does what was pushed (kind, data) in the car. Raises `BackendError`."""


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds."""

    retry_s: float = 0.5
    """between attempts to reach the desk"""
    notice_s: float = 1.0
    """connection lost until the driver is told"""
    give_up_s: float = 30.0
    """connection lost until the line goes back to the agent"""
    still_s: float = 15.0
    """between two sentences that it is still ringing"""
    deliver_s: float = 1.0
    """how long a turn waits to know whether its words arrived"""


@dataclass
class OpenHandoff:
    """One open handoff."""

    id: str
    session: str
    language: Language
    driver: str
    state: str = "requested"
    owner: Owner = "agent"
    operator: str | None = None
    seq: int = 0
    """last event of the desk that was dealt with"""
    known: int = 0
    """events up to here were already told before a restart"""
    lost_since: float | None = None
    told_lost: bool = False
    push: dict[str, Any] | None = None
    """what the operator sent and the driver has not answered"""
    focus: Mapping[str, Any] | None = None
    """the last place the driver took from the operator"""
    shown: list[Event] = field(default_factory=list)
    urgent_turn: int | None = None
    confidence: float | None = None
    """how sure the recognizer was of the words that come next"""
    listening: asyncio.Task[None] | None = None
    ringing: asyncio.Task[None] | None = None


def plain(value: Any) -> Any:
    """What came from the desk without characters that are no text (controls, bidi marks, lone surrogates): it is shown in
    terminals and pages and spoken."""
    if isinstance(value, str):
        text = "".join(" " if c in "\t\r\n\u2028\u2029" else c for c in value)
        return "".join(c for c in text if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Cn"))
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


def name_of(operator: str) -> str:
    """An operator's name as it is spoken: call centres put their own key before it."""
    return operator.rsplit(":", 1)[-1]
