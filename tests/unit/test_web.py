"""The gateway: who may come in, the protocol, nothing of what is said becomes markup."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, WSServerHandshakeError

from agent.web.gateway import PAGE
from tests.web_front import Front, open_front


@pytest.fixture
async def front(tmp_path: Path) -> AsyncIterator[Front]:
    async with open_front(tmp_path) as made:
        yield made


async def test_a_turn_over_the_socket(front: Front) -> None:
    got = await front.talk({"type": "say", "text": "hello"})
    assert [m["type"] for m in got] == ["welcome", "heard", "understood", "spoke"]
    assert got[-1]["text"] == "Hi."
    assert got[-1]["quick_replies"] == ["yes"]
    assert got[0]["protocol"] == 1


async def test_a_session_is_gone_on_with_and_strange_names_are_not_taken(front: Front) -> None:
    first = (await front.talk({"type": "say", "text": "hello"}))[0]["session"]
    again = await front.talk({"type": "say", "text": "hello"}, path=f"/ws?session={first}")
    assert again[0]["session"] == first
    assert again[-1]["turn"] == 2
    odd = await front.talk({"type": "say", "text": "hello"}, path="/ws?session=../../etc")
    assert odd[0]["session"] not in ("../../etc", first)


async def test_the_language_is_set(front: Front) -> None:
    await front.talk({"type": "language", "language": "ja"}, {"type": "say", "text": "hello"})
    assert front.dialogue.heard[-1][2] == "ja"


@pytest.mark.parametrize(
    "text", ["{", "[]", "null", '"say"', '{"type": "say"}', '{"type": "drive", "factor": "fast"}', '{"type": "say", "text": 3}',
             '{"type": "drive", "factor": 1e9}', "[" * 5000]
)  # fmt: skip
async def test_what_is_no_message_is_refused_and_the_line_stays_open(front: Front, text: str) -> None:
    async with front.client.ws_connect("/ws", origin=front.origin) as ws:
        assert (await ws.receive_json(timeout=3))["type"] == "welcome"
        await ws.send_str(text)
        assert (await ws.receive_json(timeout=3))["type"] == "refused"
        await ws.send_json({"type": "car"})
        assert (await ws.receive_json(timeout=3))["type"] == "car"


async def test_sound_is_refused_for_now(front: Front) -> None:
    async with front.client.ws_connect("/ws", origin=front.origin) as ws:
        await ws.receive_json(timeout=3)
        await ws.send_bytes(b"\0" * 640)
        assert (await ws.receive_json(timeout=3))["type"] == "refused"


async def test_a_foreign_page_is_refused(front: Front) -> None:
    for headers, status in (
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "evil.example"}, 421),
    ):
        response = await front.client.get("/", headers=headers)
        assert response.status == status
    with pytest.raises(WSServerHandshakeError):
        await front.client.ws_connect("/ws", origin="http://evil.example")


async def test_with_a_token_only_who_has_it(tmp_path: Path) -> None:
    async with open_front(tmp_path, token="secret-token") as front:
        assert (await front.client.get("/")).status == 401
        assert (await front.client.get("/?token=wrong")).status == 401
        assert (await front.client.get("/?token=secret-token")).status == 200
        assert (await front.client.get("/healthz")).status == 200
        with pytest.raises(WSServerHandshakeError):
            await front.client.ws_connect("/ws")


async def test_the_page_is_strict(front: Front) -> None:
    response = await front.client.get("/")
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    body = await response.text()
    assert "<script>" not in body
    assert "style=" not in body
    assert " onclick" not in body
    for name in re.findall(r'(?:src|href)="/page/([^"]+)"', body):
        assert (await front.client.get(f"/page/{name}")).status == 200, name
    for name in ("nothing.js", "unit", "unit/", "..%2fgateway.py", "%2e%2e/gateway.py", "unit/../../gateway.py"):
        assert (await front.client.get(f"/page/{name}")).status == 404, name


def own_scripts() -> list[Path]:
    """The page's scripts, what others wrote left out."""
    return [path for path in sorted(PAGE.rglob("*.js")) if "vendor" not in path.relative_to(PAGE).parts]


def test_text_never_becomes_markup_or_code() -> None:
    assert len(own_scripts()) > 5
    for path in own_scripts():
        text = path.read_text(encoding="utf-8")
        for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "DOMParser", "createContextualFragment",
                    "setHTML", "srcdoc", "eval(", "new Function", "javascript:", ".setHTMLUnsafe"):  # fmt: skip
            assert way not in text, f"{path.relative_to(PAGE)}: {way}"
        assert not re.search(r"""(?:import|from)\s*\(?\s*["'](?:https?:)?//""", text), f"{path}: fetched from elsewhere"


async def test_the_pages_own_scripts_are_small_on_the_way(front: Front) -> None:
    sent = 0
    for path in own_scripts():
        url = f"{front.origin}/page/{path.relative_to(PAGE).as_posix()}"
        async with (
            ClientSession(auto_decompress=False) as browser,
            browser.get(url, headers={"Accept-Encoding": "gzip"}) as response,
        ):
            assert response.headers["Content-Encoding"] == "gzip"
            assert response.headers["Content-Type"].startswith("text/javascript")
            body = await response.read()
            assert gzip.decompress(body) == path.read_bytes()
            sent += len(body)
            again = {"Accept-Encoding": "gzip", "If-None-Match": response.headers["ETag"]}
        async with ClientSession() as browser, browser.get(url, headers=again) as response:
            assert response.status == 304
    assert sent <= 150_000
    # Written out as well: what a reader has to go through.
    assert sum(path.stat().st_size for path in own_scripts()) <= 150_000


def test_the_words_of_both_languages_are_the_same_ones() -> None:
    tables = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (PAGE / "words").glob("*.json")}
    assert set(tables) == {"ja", "en"}

    def shape(words: Any) -> Any:
        if isinstance(words, dict):
            return {key: shape(value) for key, value in words.items()}
        if isinstance(words, list):
            return len(words)
        assert isinstance(words, str)
        assert words
        return sorted(re.findall(r"\{\w+\}", words))

    assert shape(tables["ja"]) == shape(tables["en"])
