"""Small real things that stand in for large ones."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from agent.dialogue import DialogueReply, Understanding
from backends.model import Language

JAPAN = timezone(timedelta(hours=9), "JST")
MONDAY_MORNING = datetime(2026, 5, 11, 10, 0, tzinfo=JAPAN)


class VirtualTime:
    """A time that stands until somebody moves it. `SimulatedClock(VirtualTime())` is a car's clock."""

    def __init__(self, now: datetime = MONDAY_MORNING) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class FakeDialogue:
    """A dialogue model that answers from a script: text → reply, exception, or a coroutine function."""

    def __init__(self, script: Mapping[str, Any] | None = None) -> None:
        self.script: dict[str, Any] = dict(script or {})
        self.heard: list[tuple[str, str, Language, dict[str, Any]]] = []
        self.forgotten: list[str] = []
        self.running = 0
        self.most_running = 0

    async def turn(
        self, session: str, text: str, *, language: Language, metadata: Mapping[str, Any] | None = None
    ) -> DialogueReply:
        self.heard.append((session, text, language, dict(metadata or {})))
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await asyncio.sleep(0)
            answer = self.script.get(text, reply(f"({text})"))
            if isinstance(answer, BaseException):
                raise answer
            if isinstance(answer, Callable):  # type: ignore[arg-type]
                answer = await answer()
            assert isinstance(answer, DialogueReply)
            return answer
        finally:
            self.running -= 1

    async def parse(self, text: str, *, language: Language, metadata: Mapping[str, Any] | None = None) -> Understanding:
        return Understanding("chitchat", 0.5, ())

    async def reset(self, session: str) -> None:
        self.forgotten.append(session)

    async def forget(self, driver: str) -> None:
        self.forgotten.append(f"driver {driver}")

    async def slots(self, session: str) -> Mapping[str, Any]:
        return {}

    async def close(self) -> None:
        return None


def reply(
    *texts: str,
    context: str = "gives_info",
    intent: str = "search_place",
    actions: tuple[dict[str, Any], ...] = (),
    quick_replies: tuple[str, ...] = (),
    timings: Mapping[str, float] | None = None,
) -> DialogueReply:
    payload = {"context": context, "actions": list(actions), "cards": [], "quick_replies": list(quick_replies)}
    return DialogueReply(texts, payload, Understanding(intent, 0.9, ()), {"context": context}, timings or {})
