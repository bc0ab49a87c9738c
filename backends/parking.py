"""How full car parks are: asked of the centre, and laid over what the map knows of them.

    GET {base}/parking/v1/vacancy?ids=a,b  →  {"time": "…", "vacancy": {"a": "vacant", "b": "full"}}

Only car parks the map has a vacancy of are asked for. What the centre said last is said on with its time while it cannot be
reached; what it never said is unknown, whatever the map was built with.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal, cast

import aiohttp

from backends import http
from backends.errors import BackendError, BadAnswer
from backends.model import Place, PlaceHit, PlacePage, PlaceQuery, Position, RegionInfo
from backends.ports import Places

STAGE: Final = "parking"
MAX_IDS: Final = 200
"""asked for at once"""
MAX_KEPT: Final = 2_000
_STATES: Final = ("vacant", "crowded", "full")


@dataclass(frozen=True, slots=True)
class Vacancy:
    state: Literal["vacant", "crowded", "full"]
    at: datetime


class CentreParking:
    """The centre's vacancies."""

    def __init__(
        self, base_url: str, session: aiohttp.ClientSession, deadline_s: float = 0.8, *, clock: Callable[[], datetime]
    ) -> None:
        self._url = base_url.rstrip("/") + "/parking/v1/vacancy"
        self._session, self._deadline_s, self._clock = session, deadline_s, clock
        self._kept: OrderedDict[str, Vacancy] = OrderedDict()

    async def vacancies(self, ids: Iterable[str]) -> Mapping[str, Vacancy]:
        """What is known of these car parks, at most `MAX_IDS` of them; never raises for a centre that does not answer."""
        wanted = list(dict.fromkeys(ids))[:MAX_IDS]
        if not wanted:
            return {}
        try:
            answer = await http.get(
                self._session, self._url, stage=STAGE, deadline_s=self._deadline_s, params={"ids": ",".join(wanted)}
            )
            self._keep(http.parse_json(answer, STAGE), wanted)
        except BackendError:
            pass
        return {i: self._kept[i] for i in wanted if i in self._kept}

    def _keep(self, data: Any, wanted: list[str]) -> None:
        try:
            at = datetime.fromisoformat(data["time"])
            said = {i: data["vacancy"].get(i) for i in wanted}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadAnswer(STAGE, "not a list of vacancies") from error
        if at.tzinfo is None:
            raise BadAnswer(STAGE, "a time without a zone")
        # A centre ahead of the car's clock does not make news of tomorrow.
        at = min(at, self._clock())
        for place, state in said.items():
            if isinstance(state, str) and state in _STATES:
                self._kept[place] = Vacancy(cast(Any, state), at)
                self._kept.move_to_end(place)
        while len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)


class LivePlaces:
    """Places whose car parks are as full as the centre says."""

    def __init__(self, places: Places, parking: CentreParking) -> None:
        self._places, self._parking = places, parking

    async def search(self, query: PlaceQuery) -> PlacePage:
        if query.vacancy is None:
            page = await self._places.search(query)
            return replace(page, hits=await self._filled(page.hits))
        # Which are full the map cannot know: the nearest ones are looked through.
        page = await self._places.search(replace(query, vacancy=None, offset=0, limit=MAX_IDS))
        hits = tuple(hit for hit in await self._filled(page.hits) if _has_room(hit.place) is query.vacancy)
        return PlacePage(hits[query.offset : query.offset + query.limit], len(hits))

    async def find(self, name: str, *, near: Position | None = None, limit: int = 5) -> tuple[PlaceHit, ...]:
        return await self._filled(await self._places.find(name, near=near, limit=limit))

    async def get(self, place_id: str) -> Place:
        place = await self._places.get(place_id)
        if not _is_told(place):
            return place
        return _with(place, (await self._parking.vacancies([place.id])).get(place.id))

    async def info(self) -> RegionInfo | None:
        return await self._places.info()

    async def count_without(self, query: PlaceQuery) -> Mapping[str, int]:
        return await self._places.count_without(query)

    async def _filled(self, hits: tuple[PlaceHit, ...]) -> tuple[PlaceHit, ...]:
        told = [hit.place.id for hit in hits if _is_told(hit.place)]
        if not told:
            return hits
        known = await self._parking.vacancies(told)
        return tuple(
            replace(hit, place=_with(hit.place, known.get(hit.place.id))) if _is_told(hit.place) else hit
            for hit in hits
        )


def _is_told(place: Place) -> bool:
    """Whether the centre tells how full its car park is."""
    return place.parking is not None and place.parking.vacancy is not None


def _has_room(place: Place) -> bool | None:
    vacancy = place.parking.vacancy if place.parking is not None else None
    return None if vacancy is None else vacancy != "full"


def _with(place: Place, vacancy: Vacancy | None) -> Place:
    assert place.parking is not None
    state, at = (vacancy.state, vacancy.at) if vacancy is not None else (None, None)
    return replace(place, parking=replace(place.parking, vacancy=state, vacancy_at=at))
