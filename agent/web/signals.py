"""The car's signals on a page: all of them at first, then what changes; and a finger that operates them (docs/protocol.md).

A finger asks the vehicle port as the voice does: what only key, switch or remote service may do is refused there, limits are
the car's, and what is shown is what the car then reports.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from agent.composition import System
from agent.web.shown import Shown
from backends.errors import BackendError, NotFound
from backends.model import Language, SignalValue
from backends.vehicle import Catalogue, load_catalogue

Send = Callable[[Mapping[str, Any]], Awaitable[None]]
AT_MOST_EVERY_S: Final = 0.1
"""changes in between go out together"""
LOOK_EVERY_S: Final = 0.5
"""how often it is looked whether the car still reaches its centre"""
NOT_SHOWN: Final = (
    # These change all the time and come with `car`.
    "Vehicle.Speed",
    "Vehicle.IsMoving",
    "Vehicle.TraveledDistance",
    "Vehicle.CurrentLocation.",
    "Vehicle.Private.Navigation.Route",
    "Vehicle.Private.Navigation.Status",
    "Vehicle.Private.Navigation.Event",
    "Vehicle.Cabin.Infotainment.Navigation.",
    # Who sits there is nobody's business on a page.
    "Vehicle.Occupant.",
    "Vehicle.VehicleIdentification.",
)


@lru_cache(maxsize=1)
def shown_signals() -> Catalogue:
    """The signals a page gets, by path."""
    return {path: entry for path, entry in load_catalogue().items() if not path.startswith(NOT_SHOWN)}


class Signals:
    """One page's view of the car's signals."""

    def __init__(self, system: System, session: str, send: Send, shown: Shown) -> None:
        self._system, self._session, self._send, self._shown = system, session, send, shown
        self._vehicle = system.simulation.vehicle
        self._known: dict[str, SignalValue] = {}
        self._changed: dict[str, SignalValue] = {}
        self._centre = "ok"
        self._wake = asyncio.Event()
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        self.handlers: dict[str, Callable[[Mapping[str, Any]], Any]] = {
            "signals": lambda _: self._begin(),
            "touch": self._touch,
            "shown": lambda _: self._told(),
        }

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._tasks = ()

    async def _told(self) -> None:
        await self._send({"type": "shown", "events": self._shown.of(self._session)})

    # ── what the car reports ────────────────────────────────────────────────────────────────────────────────────

    async def _begin(self) -> None:
        """The whole picture, and changes from now on."""
        if not self._tasks:
            self._tasks = (asyncio.create_task(self._collect()), asyncio.create_task(self._tell()))
        self._known = {path: _rounded((await self._vehicle.get(path)).value) for path in shown_signals()}
        self._centre = self._system.simulation.line()
        specs = {path: _spec(path) for path in shown_signals() if _spec(path)}
        await self._send({"type": "signals", "values": self._known, "specs": specs, "centre": self._centre})

    async def _collect(self) -> None:
        async for signal in self._vehicle.subscribe(list(shown_signals())):
            self._changed[signal.path] = _rounded(signal.value)
            self._wake.set()

    async def _tell(self) -> None:
        while True:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._wake.wait(), LOOK_EVERY_S)
            self._wake.clear()
            values = {path: value for path, value in self._changed.items() if self._known.get(path) != value}
            self._changed.clear()
            centre = self._system.simulation.line()
            if values or centre != self._centre:
                self._known |= values
                self._centre = centre
                await self._send({"type": "signal", "values": values, "centre": centre})
            await asyncio.sleep(AT_MOST_EVERY_S)

    # ── what a finger does ──────────────────────────────────────────────────────────────────────────────────────

    def _touch(self, message: Mapping[str, Any]) -> Any:
        path, value = message.get("path"), message.get("value")
        if not isinstance(path, str) or not isinstance(value, bool | int | float | str):
            return False
        wanted = message.get("language")
        known = self._system.conversation.language_of(self._session)
        return self._operate(path, value, wanted if wanted in ("ja", "en") else known or "ja")

    async def _operate(self, path: str, value: SignalValue, language: Language) -> None:
        answer: dict[str, Any] = {"type": "touched", "path": path, "ok": True, "text": ""}
        entry = shown_signals().get(path)
        try:
            if entry is None:
                raise NotFound("vehicle", path)
            answer["value"] = _rounded((await self._vehicle.set(path, value)).value)
        except BackendError as error:
            key = "page.touch_unknown" if isinstance(error, NotFound) else "page.touch_refused"
            name = getattr(entry, language, "")
            answer |= {"ok": False, "text": self._system.conversation.say(language, key, name=name)}
            with contextlib.suppress(BackendError):
                if entry is not None:
                    answer["value"] = _rounded((await self._vehicle.get(path)).value)
        await self._send(answer)


def _rounded(value: SignalValue) -> SignalValue:
    return round(value, 1) if isinstance(value, float) else value


def _spec(path: str) -> dict[str, Any]:
    """Unit and limits of what can be operated; {} for the rest."""
    entry = shown_signals()[path]
    if entry.access != "voice":
        return {}
    rows = dataclasses.asdict(entry.spec)
    return {key: rows[key] for key in ("unit", "minimum", "maximum", "step", "allowed") if rows[key] not in (None, ())}
