"""What an open conversation has on its screen: kept in memory, so that a page that comes anew shows it again."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Any

from agent.events import Event, EventStream, Handoff, Heard, Notice, OperatorSaid, Pushed, Spoke, to_json

EVENTS = 80
"""last events of a session"""
SESSIONS = 64


class Shown:
    """The last events of each session that are shown in words."""

    def __init__(self, stream: EventStream) -> None:
        self._kept: OrderedDict[str, deque[dict[str, Any]]] = OrderedDict()
        stream.add_sink(self._keep)

    def of(self, session: str) -> list[dict[str, Any]]:
        """Oldest first, as they went over the wire."""
        return list(self._kept.get(session, ()))

    def forget(self, session: str) -> None:
        self._kept.pop(session, None)

    def _keep(self, event: Event) -> None:
        if not isinstance(event, Heard | Spoke | Notice | Handoff | OperatorSaid | Pushed):
            return
        self._kept.setdefault(event.session, deque(maxlen=EVENTS)).append(to_json(event))
        self._kept.move_to_end(event.session)
        while len(self._kept) > SESSIONS:
            self._kept.popitem(last=False)
