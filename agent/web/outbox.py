"""What waits to be sent to one page: bounded, however slowly the page reads.

States of which only the latest counts replace what of them still waits. When too much waits, the oldest is dropped and counted,
and once it has caught up the page is told so (`resync`), that it may ask for everything anew.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

MAX_MESSAGES: Final = 1_000
MAX_CHARACTERS: Final = 4 * 2**20
LATEST: Final = frozenset({"car", "route", "traffic", "prediction", "world_state", "recording"})
"""messages that each say everything anew"""


class Outbox:
    """Messages in order, at most `max_messages` and `max_characters` of them."""

    def __init__(self, *, max_messages: int = MAX_MESSAGES, max_characters: int = MAX_CHARACTERS) -> None:
        self._max_messages, self._max_characters = max_messages, max_characters
        self._waiting: deque[_Entry] = deque()
        self._latest: dict[str, _Entry] = {}
        self._count = self._characters = 0
        self._wake = asyncio.Event()
        self._untold = 0
        self.lost = 0
        """messages dropped since the page came"""

    def __len__(self) -> int:
        return self._count

    @property
    def characters(self) -> int:
        """waiting"""
        return self._characters

    def put(self, message: Mapping[str, Any]) -> None:
        kind = str(message.get("type"))
        entry = _Entry(kind, json.dumps(message, ensure_ascii=False))
        if kind in LATEST:
            if (old := self._latest.get(kind)) is not None:
                self._empty(old)
            self._latest[kind] = entry
        self._waiting.append(entry)
        self._count += 1
        self._characters += len(entry.text)
        while self._count > self._max_messages or (self._characters > self._max_characters and self._count > 1):
            oldest = self._waiting.popleft()
            if oldest.text:
                self._empty(oldest)
                self.missed(1)
        if len(self._waiting) > 2 * self._max_messages:
            self._waiting = deque(entry for entry in self._waiting if entry.text)
        self._wake.set()

    def missed(self, count: int) -> None:
        """So many messages never got here."""
        self.lost += count
        self._untold += count

    async def run(self, send: Callable[[str], Awaitable[None]]) -> None:
        """Sends what comes, until cancelled; one at a time, each as soon as the line takes it."""
        while True:
            while self._waiting:
                entry = self._waiting.popleft()
                if entry.text:
                    text = entry.text
                    self._empty(entry)
                    await send(text)
            if self._untold:
                # Told once the page has caught up: what it asks for then is not lost again at once.
                count, self._untold = self._untold, 0
                await send(json.dumps({"type": "resync", "lost": count}))
                continue
            self._wake.clear()
            await self._wake.wait()

    def _empty(self, entry: _Entry) -> None:
        """Takes an entry out of the count; an emptied one is passed over."""
        self._count -= 1
        self._characters -= len(entry.text)
        entry.text = ""
        if self._latest.get(entry.kind) is entry:
            del self._latest[entry.kind]


class _Entry:
    __slots__ = ("kind", "text")

    def __init__(self, kind: str, text: str) -> None:
        self.kind, self.text = kind, text
