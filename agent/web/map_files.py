"""The installed map for the page: `GET /map/info`, `/map/tiles/ZOOM/COLUMN/ROW`, `/map/roads` (docs/page.md).

Which map is the active one is looked up at every `/map/info`; tiles and roads name the map's edition in their query, so that a
map built anew meanwhile is never mixed with the old one. Tiles lie gzipped in the file and are sent as they lie.
"""

from __future__ import annotations

import asyncio
import gzip
import logging
import re
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from backends.map_tiles import FIRST_ZOOM, MARGIN_DEG, TileFile
from backends.maps import InstalledMap, current
from backends.vector_tiles import DETAIL

log = logging.getLogger(__name__)

_NUMBER: Final = re.compile(r"[0-9]{1,7}")
TILE_TYPE: Final = "application/vnd.mapbox-vector-tile"


@dataclass(frozen=True, slots=True)
class _Map:
    installed: InstalledMap
    edition: str
    """changes with every map built"""
    has_tiles: bool


class MapFiles:
    """The map of one data folder."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._roads: tuple[str, bytes] | None = None

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/map/info", self._info),
            web.get("/map/tiles/{zoom}/{column}/{row}", self._tile),
            web.get("/map/roads", self._road_lines),
        ]

    # ── what there is ───────────────────────────────────────────────────────────────────────────────────────────

    async def _info(self, request: web.Request) -> web.StreamResponse:
        found = await asyncio.to_thread(self._find)
        if found is None:
            return web.json_response({"installed": False})
        info = found.installed.info
        low, high = info.south_west, info.north_east
        body: dict[str, Any] = {
            "installed": True, "name": info.name, "name_ja": info.name_ja, "demo": info.demo, "edition": found.edition,
            "bounds": [low.longitude, low.latitude, high.longitude, high.latitude], "margin": MARGIN_DEG,
            "tiles": found.has_tiles, "first_zoom": FIRST_ZOOM, "last_zoom": DETAIL,
            "attribution": "" if info.demo else "© OpenStreetMap contributors",
        }  # fmt: skip
        return web.json_response(body)

    async def _tile(self, request: web.Request) -> web.StreamResponse:
        numbers = [request.match_info[name] for name in ("zoom", "column", "row")]
        if not all(_NUMBER.fullmatch(number) for number in numbers):
            raise web.HTTPNotFound(text="no such tile")
        zoom, column, row = map(int, numbers)
        if not (FIRST_ZOOM <= zoom <= DETAIL and column < 1 << zoom and row < 1 << zoom):
            raise web.HTTPNotFound(text="no such tile")
        found = await asyncio.to_thread(self._find)
        if found is None or not found.has_tiles:
            raise web.HTTPNotFound(text="no tiles")
        tag = f"{found.edition}-{zoom}-{column}-{row}"
        if _known(request, tag):
            return _unchanged(tag)
        try:
            data = await asyncio.to_thread(TileFile(found.installed.picture_path).tile, zoom, column, row)
        except sqlite3.Error as error:
            log.warning("the map's tiles cannot be read: %s", error)
            raise web.HTTPServiceUnavailable(text="the tiles cannot be read") from error
        if data is None:
            # Nothing drawn there: no mistake of the page's.
            return web.Response(status=204, headers={"ETag": f'"{tag}"'})
        return _packed(request, data, TILE_TYPE, tag)

    async def _road_lines(self, request: web.Request) -> web.StreamResponse:
        """The road lines, for a map without tiles and a page without WebGL."""
        found = await asyncio.to_thread(self._find)
        if found is None:
            raise web.HTTPNotFound(text="no map")
        tag = f"{found.edition}-roads"
        if _known(request, tag):
            return _unchanged(tag)
        if self._roads is None or self._roads[0] != tag:
            try:
                self._roads = (tag, await asyncio.to_thread(_zipped, found.installed.roads_path))
            except OSError as error:
                raise web.HTTPNotFound(text="no roads") from error
        return _packed(request, self._roads[1], "application/geo+json", tag)

    def _find(self) -> _Map | None:
        installed = current(self._home)
        if installed is None:
            return None
        picture = installed.picture_path
        try:
            stat = picture.stat()
            edition, has_tiles = f"{stat.st_mtime_ns:x}{stat.st_size:x}", True
        except OSError:
            edition, has_tiles = f"{installed.info.built_at.timestamp():.0f}", False
        return _Map(installed, f"{installed.name}-{edition}", has_tiles)


def _zipped(path: Path) -> bytes:
    return gzip.compress(path.read_bytes(), 6, mtime=0)


def _known(request: web.Request, tag: str) -> bool:
    return any(known.value in (tag, "*") for known in request.if_none_match or ())


def _unchanged(tag: str) -> web.Response:
    return web.Response(status=304, headers={"ETag": f'"{tag}"'})


def _packed(request: web.Request, data: bytes, content_type: str, tag: str) -> web.Response:
    """Gzipped data as it lies; unpacked for who cannot read it so."""
    headers = {"ETag": f'"{tag}"', "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        headers["Content-Encoding"] = "gzip"
    else:
        data = gzip.decompress(data)
    return web.Response(body=data, content_type=content_type, headers=headers)
