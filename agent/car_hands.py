"""What an operator sends to the car, done there: a destination is set as if the driver had set it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from backends.errors import BackendUnavailable, NotFound
from backends.model import Language, Position, RouteRequest
from backends.ports import Navigation, Routes


class CarHands:
    def __init__(
        self, routes: Routes, navigation: Navigation, position: Callable[[], Awaitable[Position | None]]
    ) -> None:
        self._routes, self._navigation, self._position = routes, navigation, position

    async def carry_out(self, kind: str, data: Mapping[str, Any], language: Language) -> None:
        """Returns once the head unit has confirmed it; places, numbers and notices are only shown. Raises `BackendError`."""
        if kind != "destination":
            return
        here = await self._position()
        if here is None:
            raise BackendUnavailable("vehicle", "position unknown")
        goal = Position(float(data["latitude"]), float(data["longitude"]))
        found = await self._routes.route(replace(RouteRequest(here, goal), language=language))
        if not found:
            raise NotFound("routes")
        await self._navigation.set_route(str(data["name"]), found[0], goal)
