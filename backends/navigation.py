"""The head unit's navigation over the car's signals, and the form a guided route travels in.

`VissNavigation` is the `Navigation` port on top of any `Vehicle`: the route is set as one JSON document on
`Vehicle.Private.Navigation.Route`, the head unit reports on `…Status` and `…Event`. Geometry is an encoded polyline with six
decimals, the form Valhalla uses.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast

from backends.errors import BadAnswer
from backends.model import Maneuver, Position, Route
from backends.ports import Vehicle

ROUTE_PATH = "Vehicle.Private.Navigation.Route"
STATUS_PATH = "Vehicle.Private.Navigation.Status"
EVENT_PATH = "Vehicle.Private.Navigation.Event"

STAGE = "navigation"

EventKind = Literal["guidance_started", "maneuver_ahead", "waypoint_reached", "approaching", "arrived", "cancelled"]
EVENT_KINDS: tuple[EventKind, ...] = (
    "guidance_started", "maneuver_ahead", "waypoint_reached", "approaching", "arrived", "cancelled",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class NavigationEvent:
    """Something the head unit tells while guiding."""

    kind: EventKind
    name: str
    """the destination's name"""
    at: datetime
    distance_m: float = 0.0
    """to the manoeuvre or the destination"""
    instruction: str = ""
    """of the manoeuvre, in the route's language"""

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind, "name": self.name, "at": self.at.isoformat(),
            "distance_m": round(self.distance_m), "instruction": self.instruction,
        }  # fmt: skip

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> NavigationEvent:
        if document["kind"] not in EVENT_KINDS:
            raise ValueError(f"unknown event: {document['kind']}")
        return cls(
            cast(EventKind, document["kind"]), str(document["name"]), datetime.fromisoformat(document["at"]),
            float(document["distance_m"]), str(document["instruction"]),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Guidance:
    """What is being guided to."""

    name: str
    destination: Position
    route: Route
    waypoints: tuple[Position, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "destination": _point(self.destination),
            "waypoints": [_point(waypoint) for waypoint in self.waypoints],
            "route": route_to_json(self.route),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Guidance:
        """Raises `ValueError`, `KeyError` or `TypeError` for anything that is not such a document."""
        return cls(
            str(document["name"]),
            Position(*document["destination"]),
            route_from_json(document["route"]),
            tuple(Position(*waypoint) for waypoint in document["waypoints"]),
        )


def encode_polyline(points: Sequence[Position], decimals: int = 6) -> str:
    """Google's encoded polyline algorithm."""
    out: list[str] = []
    before = (0, 0)
    for point in points:
        now = (round(point.latitude * 10**decimals), round(point.longitude * 10**decimals))
        for delta in (now[0] - before[0], now[1] - before[1]):
            bits = ~(delta << 1) if delta < 0 else delta << 1
            while bits >= 0x20:
                out.append(chr((0x20 | (bits & 0x1F)) + 63))
                bits >>= 5
            out.append(chr(bits + 63))
        before = now
    return "".join(out)


def decode_polyline(text: str, decimals: int = 6) -> tuple[Position, ...]:
    """Raises `ValueError` for text that is not an encoded polyline."""
    values: list[int] = []
    bits = shift = 0
    for character in text:
        chunk = ord(character) - 63
        if not 0 <= chunk < 64 or shift > 40:
            raise ValueError("not an encoded polyline")
        bits |= (chunk & 0x1F) << shift
        shift += 5
        if chunk < 0x20:
            values.append(~(bits >> 1) if bits & 1 else bits >> 1)
            bits = shift = 0
    if shift or len(values) % 2:
        raise ValueError("an encoded polyline cut short")
    points: list[Position] = []
    latitude = longitude = 0
    for dlat, dlon in zip(values[::2], values[1::2], strict=True):
        latitude, longitude = latitude + dlat, longitude + dlon
        points.append(Position(latitude / 10**decimals, longitude / 10**decimals))
    return tuple(points)


def route_to_json(route: Route) -> dict[str, Any]:
    return {
        "geometry": encode_polyline(route.geometry),
        "distance_m": route.distance_m,
        "duration_s": route.duration_s,
        "has_toll": route.has_toll,
        "has_highway": route.has_highway,
        "via": route.via,
        "language": route.language,
        "maneuvers": [
            {
                "instruction": m.instruction, "position": _point(m.position), "begin_index": m.begin_index,
                "distance_m": m.distance_m, "duration_s": m.duration_s, "kind": m.kind, "street": m.street,
            }
            for m in route.maneuvers
        ],
    }  # fmt: skip


def route_from_json(document: Mapping[str, Any]) -> Route:
    """Raises `ValueError`, `KeyError` or `TypeError` for anything that is not a route."""
    return Route(
        geometry=decode_polyline(document["geometry"]),
        distance_m=float(document["distance_m"]),
        duration_s=float(document["duration_s"]),
        has_toll=bool(document["has_toll"]),
        has_highway=bool(document["has_highway"]),
        via=document["via"],
        language="en" if document["language"] == "en" else "ja",
        maneuvers=tuple(
            Maneuver(
                str(m["instruction"]), Position(*m["position"]), int(m["begin_index"]), float(m["distance_m"]),
                float(m["duration_s"]), str(m["kind"]), m["street"],
            )
            for m in document["maneuvers"]
        ),
    )  # fmt: skip


def _point(position: Position) -> list[float]:
    return [position.latitude, position.longitude]


def status_to_json(status: Mapping[str, object]) -> dict[str, Any]:
    """`Navigation.status()` without the route's geometry, which the page asks for apart."""
    document: dict[str, Any] = {"guiding": status["guiding"]}
    if status["guiding"]:
        route = cast(Route, status["route"])
        document |= {
            "name": status["name"],
            "destination": _point(cast(Position, status["destination"])),
            "remaining_m": status["remaining_m"],
            "remaining_s": status["remaining_s"],
            "eta": cast(datetime, status["eta"]).isoformat(),
            "via": route.via,
        }
    return document


class VissNavigation:
    """The `Navigation` port on the signals of a `Vehicle` (deadlines and errors are the vehicle's)."""

    def __init__(self, vehicle: Vehicle) -> None:
        self._vehicle = vehicle
        self._sent: tuple[str, Guidance] | None = None

    async def set_route(
        self, name: str, route: Route, destination: Position, waypoints: Sequence[Position] = ()
    ) -> None:
        guidance = Guidance(name, destination, route, tuple(waypoints))
        text = json.dumps(guidance.to_json(), ensure_ascii=False, separators=(",", ":"))
        reported = await self._vehicle.set(ROUTE_PATH, text)
        if reported.value != text:
            raise BadAnswer(STAGE, "the head unit did not take the route")
        self._sent = (text, guidance)

    async def cancel(self) -> bool:
        if (await self._vehicle.get(ROUTE_PATH)).value == "":
            return False
        await self._vehicle.set(ROUTE_PATH, "")
        return True

    async def status(self) -> Mapping[str, object]:
        state = _document((await self._vehicle.get(STATUS_PATH)).value)
        if not state.get("guiding"):
            return {"guiding": False}
        guidance = await self._guidance()
        try:
            return {
                "guiding": True,
                "name": guidance.name,
                "destination": guidance.destination,
                "waypoints": guidance.waypoints,
                "route": guidance.route,
                "remaining_m": float(state["remaining_m"]),
                "remaining_s": float(state["remaining_s"]),
                "eta": datetime.fromisoformat(state["eta"]),
            }
        except (KeyError, TypeError, ValueError) as error:
            raise BadAnswer(STAGE, f"status: {error!r}") from error

    async def events(self) -> AsyncIterator[NavigationEvent]:
        """What the head unit tells; ends when the connection does."""
        async for signal in self._vehicle.subscribe([EVENT_PATH]):
            document = _document(signal.value)
            if not document:
                continue
            try:
                event = NavigationEvent.from_json(document)
            except (KeyError, TypeError, ValueError) as error:
                raise BadAnswer(STAGE, f"event: {error!r}") from error
            yield event

    async def _guidance(self) -> Guidance:
        text = str((await self._vehicle.get(ROUTE_PATH)).value)
        if self._sent is None or self._sent[0] != text:
            try:
                self._sent = (text, Guidance.from_json(json.loads(text)))
            except (KeyError, TypeError, ValueError) as error:
                raise BadAnswer(STAGE, f"route: {error!r}") from error
        return self._sent[1]


def _document(value: object) -> dict[str, Any]:
    try:
        document = json.loads(str(value))
    except ValueError as error:
        raise BadAnswer(STAGE, "not JSON") from error
    if not isinstance(document, dict):
        raise BadAnswer(STAGE, "not a JSON object")
    return document
