"""The ports of the ground floor: what the middle floor may ask of the world.

Each port has its adapters in a file of its own (places.py, routes.py, vehicle.py, weather.py, news.py, traffic.py,
gazetteer.py, memory.py, desk.py). Every coroutine here ends by the adapter's own deadline, with a value or a `BackendError`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from backends.model import (
    DeskEvent,
    DeskLine,
    DeskReceipt,
    DeskSoundNote,
    Forecast,
    Headline,
    Language,
    Locality,
    LocalityKind,
    Place,
    PlaceHit,
    PlacePage,
    PlaceQuery,
    Position,
    RegionInfo,
    Route,
    RouteRequest,
    SavedPlace,
    Signal,
    SignalSpec,
    SignalValue,
    TrafficEvent,
)


class Places(Protocol):
    """The places of the installed map."""

    async def search(self, query: PlaceQuery) -> PlacePage:
        """The page `query.offset`/`query.limit` of the places satisfying every condition, and how many there are."""

    async def find(self, name: str, *, near: Position | None = None, limit: int = 5) -> tuple[PlaceHit, ...]:
        """Places called `name` in any spelling (kanji, kana, Latin, with recognizer errors), best first."""

    async def get(self, place_id: str) -> Place:
        """Raises `NotFound`."""

    async def info(self) -> RegionInfo | None:
        """The installed map, None when there is none."""

    async def count_without(self, query: PlaceQuery) -> Mapping[str, int]:
        """For each condition in force, by its field's name, how many places there are when it alone is dropped: what
        to suggest when a search finds nothing."""


class Gazetteer(Protocol):
    """Names of municipalities, districts and stations of the whole country; in memory, so not a coroutine."""

    def lookup(self, name: str, *, near: Position | None = None) -> tuple[Locality, ...]:
        """Localities of that name (suffix optional, any spelling, exact reading), likeliest first."""

    def alike(
        self, name: str, *, near: Position | None = None, kinds: Collection[LocalityKind] | None = None, limit: int = 5
    ) -> tuple[tuple[Locality, float, float], ...]:
        """Localities whose names sound like `name`, likeliest first: (locality, likeness 0 … 1, likeness less what the distance
        takes away)."""

    def scan(self, text: str) -> tuple[tuple[int, int, tuple[Locality, ...]], ...]:
        """Longest non-overlapping mentions in `text`: (start, end, candidates likeliest first)."""


class Routes(Protocol):
    async def route(self, request: RouteRequest) -> tuple[Route, ...]:
        """The best route and up to `request.alternatives` others, best first. Raises `NoMap`, `NotFound`."""


class Vehicle(Protocol):
    """The car's signals by VSS path."""

    async def get(self, path: str) -> Signal:
        """Raises `NotFound` for a path the car does not have."""

    async def set(self, path: str, value: SignalValue) -> Signal:
        """Sets an actuator and returns what the car then reports. Raises `Rejected` when out of limits."""

    async def spec(self, path: str) -> SignalSpec:
        """Limits, unit and type of a signal. Raises `NotFound`."""

    def subscribe(self, paths: Sequence[str]) -> AsyncIterator[Signal]:
        """Changes of these signals as they come; ends when the connection does."""


class Navigation(Protocol):
    """The head unit's navigation: what guides the car."""

    async def set_route(
        self, name: str, route: Route, destination: Position, waypoints: Sequence[Position] = ()
    ) -> None:
        """Starts guidance; returns once the head unit has confirmed it."""

    async def cancel(self) -> bool:
        """Ends guidance. False when there was none."""

    async def status(self) -> Mapping[str, object]:
        """`guiding` (bool) and, while guiding, `name`, `destination` (Position), `waypoints`, `route` (Route),
        `remaining_m`, `remaining_s`, `eta` (datetime)."""


class Weather(Protocol):
    async def forecast(self, place: str, position: Position, start: datetime, end: datetime) -> Forecast:
        """The weather over [start, end) there. Raises `NotFound` beyond the forecast's horizon."""


class News(Protocol):
    async def headlines(self, topic: str, language: Language, limit: int = 10) -> tuple[Headline, ...]:
        """Newest first. `topic`: general, sports, business, technology, entertainment, world, local, science."""


class Traffic(Protocol):
    async def along(self, geometry: Sequence[Position], corridor_m: float = 150) -> tuple[TrafficEvent, ...]:
        """Events touching the line, in the order they are met."""

    async def around(self, position: Position, radius_m: float) -> tuple[TrafficEvent, ...]:
        """Events near a point, nearest first."""


class Preferences(Protocol):
    """What a driver likes, learnt from what was chosen and passed over. Reads and
    writes a file, so called in a thread; a driver nobody knows gets the order that came in."""

    def order(
        self, driver: str, hits: Sequence[PlaceHit], at: datetime
    ) -> tuple[tuple[PlaceHit, ...], tuple[str, str] | None]:
        """The same hits, best for this driver first, without those not to be suggested again; and why the first one has
        moved there: (sentence `taste.why_…`, genre)."""

    def note(self, driver: str, chosen: PlaceHit | None, passed: Sequence[PlaceHit], at: datetime) -> None:
        """One choice: what was taken (None: nothing), and what had been offered beside it."""

    def never(self, driver: str) -> frozenset[str]:
        """Ids of the places not to be suggested again."""

    def reject(self, driver: str, hit: PlaceHit, at: datetime) -> bool:
        """Not that place again, and its like a little less. False: nothing is kept of this driver."""

    def forget(self, driver: str, what: str, hit: PlaceHit | None = None) -> bool | None:
        """Erases what is known of a place (its id, with the `hit`), of a trait ("genre:ramen"), or with "" everything. False:
        nothing was known; None: nothing is kept of this driver."""


class Memory(Protocol):
    """What a driver keeps: home, work, favourites, earlier destinations. Per driver id."""

    async def get(self, driver: str, label: str) -> SavedPlace | None:
        """`label`: home or work."""

    async def put(self, driver: str, place: SavedPlace) -> None: ...

    async def history(self, driver: str, limit: int = 10) -> tuple[SavedPlace, ...]:
        """Destinations set before, newest first."""

    async def forget(self, driver: str, label: str | None = None) -> int:
        """Erases one label or everything; returns how many rows went."""


class DeskSound(Protocol):
    """The sound of one handoff: 20 ms frames of 16 kHz mono s16le (640 bytes) in both directions, as they are spoken."""

    async def send(self, frame: bytes) -> None:
        """A frame of the driver. Raises `BackendError` when the line is gone."""

    def received(self) -> AsyncIterator[bytes | DeskSoundNote]:
        """The operator's frames, and what is told beside them. Ends with a `BackendError` when the line does."""


class Desk(Protocol):
    """The Owner's Desk as the car sees it. Every call may be repeated: ids make it count once."""

    async def submit(self, packet: Mapping[str, object]) -> DeskReceipt:
        """Hands a sealed packet over. Raises `Rejected` when the desk does not take it."""

    async def take_line(self, handoff: str) -> DeskReceipt:
        """The car has given the line to the operator who accepted."""

    async def say(self, handoff: str, line: DeskLine) -> None:
        """One line of the driver (or of the agent, while nobody has accepted yet)."""

    async def end(self, handoff: str, outcome: str, reason: str) -> DeskReceipt:
        """The car ends it: `cancelled` (by the driver) or `dropped` (connection lost for too long). What is ended stays
        ended: the receipt says how."""

    async def answer_push(self, handoff: str, push: str, state: str, detail: str = "") -> None:
        """What became of something pushed to the car: accepted, refused or failed."""

    def events(self, handoff: str, after: int) -> AsyncIterator[DeskEvent]:
        """What happens at the desk, from the event after `after` on, with a sign of life every few seconds. Ends with a
        `BackendError` when the connection does."""

    def sound(self, handoff: str) -> AbstractAsyncContextManager[DeskSound]:
        """The sound of a handoff whose line an operator holds; a second one of the same car takes the place of the first.
        Raises `BackendError`, `Rejected` when nobody holds the line."""
