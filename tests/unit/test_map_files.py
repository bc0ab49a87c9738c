"""The installed map over HTTP: what is there, unchanged answers, hostile addresses, older maps."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from backends.maps import current
from backends.vector_tiles import DETAIL, EXTENT, world
from tests.map_town import CORNER, build_town
from tests.vector_tile_reader import read_tile
from tests.web_front import Front, open_front

pytestmark = pytest.mark.asyncio


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    build_town(home)
    return home


@pytest_asyncio.fixture
async def front(home: Path) -> AsyncIterator[Front]:
    async with open_front(home) as front:
        yield front


async def get(front: Front, path: str, **headers: str) -> tuple[int, bytes, Any]:
    """Without a browser's own unpacking."""
    async with front.client.get(path, headers=headers, auto_decompress=False) as response:  # type: ignore[call-arg]
        return response.status, await response.read(), response.headers


def tile_path() -> str:
    x, y = world(CORNER.longitude, CORNER.latitude)
    return f"/map/tiles/{DETAIL}/{x // EXTENT}/{y // EXTENT}"


async def test_what_map_is_installed(front: Front) -> None:
    status, body, headers = await get(front, "/map/info")
    info = json.loads(body)
    assert status == 200
    assert (info["installed"], info["name"], info["name_ja"], info["tiles"]) == (True, "town", "港町", True)
    assert info["attribution"] == "© OpenStreetMap contributors"
    west, south, east, north = info["bounds"]
    assert west < CORNER.longitude < east
    assert south < CORNER.latitude < north
    assert (
        "worker-src" in headers["Content-Security-Policy"] or "script-src 'self'" in headers["Content-Security-Policy"]
    )
    assert "unsafe" not in headers["Content-Security-Policy"]


async def test_a_tile_is_sent_packed_once_and_then_known(front: Front) -> None:
    status, body, headers = await get(front, tile_path(), **{"Accept-Encoding": "gzip, deflate"})
    assert (status, headers["Content-Encoding"]) == (200, "gzip")
    assert headers["Content-Type"] == "application/vnd.mapbox-vector-tile"
    assert read_tile(gzip.decompress(body))["road"].named(name="東西2条")
    status, plain, bare = await get(front, tile_path(), **{"Accept-Encoding": "identity"})
    assert status == 200
    assert "Content-Encoding" not in bare
    assert plain == gzip.decompress(body)
    status, nothing, _ = await get(front, tile_path(), **{"If-None-Match": headers["ETag"]})
    assert (status, nothing) == (304, b"")
    status, body, _ = await get(front, tile_path(), **{"If-None-Match": '"another"'})
    assert status == 200
    assert body


async def test_where_nothing_is_drawn_is_no_error(front: Front) -> None:
    assert (await get(front, f"/map/tiles/{DETAIL}/0/0"))[0] == 204


@pytest.mark.parametrize(
    "path",
    [
        "/map/tiles/15/0/0", "/map/tiles/4/0/0", "/map/tiles/14/16384/0", "/map/tiles/14/0/99999999999999999999",
        "/map/tiles/-1/0/0", "/map/tiles/14/1e3/0", "/map/tiles/14/0/0;DROP", "/map/tiles/%EF%BC%91%EF%BC%94/0/0", "/map/tiles/14/0/%00",
        "/map/tiles/..%2f..%2finfo.json/0/0", "/map/../agent/settings.py", "/map/%2e%2e/%2e%2e/etc/passwd", "/map/places.sqlite", "/map/",
    ],
)  # fmt: skip
async def test_hostile_addresses_find_nothing(front: Front, path: str) -> None:
    from yarl import URL

    async with front.client.get(URL(path, encoded=True)) as response:
        assert response.status == 404
        assert "Traceback" not in await response.text()


async def test_the_road_lines_are_there_for_who_cannot_draw_tiles(front: Front) -> None:
    status, body, headers = await get(front, "/map/roads", **{"Accept-Encoding": "gzip"})
    assert status == 200
    assert {f["properties"]["class"] for f in json.loads(gzip.decompress(body))["features"]} == {
        "motorway",
        "residential",
    }
    assert (await get(front, "/map/roads", **{"If-None-Match": headers["ETag"]}))[0] == 304


async def test_an_older_map_has_roads_alone_and_the_doctor_says_so(tmp_path: Path) -> None:
    from agent.doctor import _picture

    await asyncio.to_thread(build_town, tmp_path)
    installed = current(tmp_path)
    assert installed is not None
    assert _picture(installed).mark == "ok"
    installed.picture_path.unlink()
    assert _picture(installed).mark == "hint"
    assert "maps build" in _picture(installed).todo
    async with open_front(tmp_path) as front:
        assert json.loads((await get(front, "/map/info"))[1])["tiles"] is False
        assert (await get(front, tile_path()))[0] == 404
        assert (await get(front, "/map/roads"))[0] == 200


async def test_a_broken_tile_file_is_a_refusal_without_a_traceback(tmp_path: Path) -> None:
    await asyncio.to_thread(build_town, tmp_path)
    installed = current(tmp_path)
    assert installed is not None
    installed.picture_path.write_bytes(b"torn")
    async with open_front(tmp_path) as front:
        status, body, _ = await get(front, tile_path())
        assert (status, body) == (503, b"the tiles cannot be read")


async def test_without_a_map_it_says_so(tmp_path: Path) -> None:
    async with open_front(tmp_path) as front:
        assert json.loads((await get(front, "/map/info"))[1]) == {"installed": False}
        assert (await get(front, tile_path()))[0] == 404
        assert (await get(front, "/map/roads"))[0] == 404


async def test_a_token_is_asked_for_where_there_is_one(home: Path) -> None:
    async with open_front(home, token="secret") as front:
        assert (await get(front, "/map/info"))[0] == 401
        assert (await get(front, tile_path()))[0] == 401
        assert (await get(front, tile_path(), Authorization="Bearer secret"))[0] == 200


async def test_a_page_elsewhere_may_not_read_the_map(front: Front) -> None:
    assert (await get(front, "/map/info", Origin="http://evil.example"))[0] == 403
