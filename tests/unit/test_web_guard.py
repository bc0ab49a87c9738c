"""Who may come in at the gateway, what its pages are told not to do, and what a page cannot do to it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse, CookieJar, WSServerHandshakeError

from agent.events import Notice
from agent.web.guard import Allowance, cookie_name, cookie_value
from agent.web.outbox import Outbox
from tests.fakes import MONDAY_MORNING
from tests.fakes_web import WebFront, open_web, until

TOKEN = "a-token-nobody-guesses"
BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64)",
    "Sec-Fetch-Site": "same-origin",
    "Sec-Fetch-Mode": "websocket",
}


async def refused(session: ClientSession, front: WebFront, path: str = "/ws", **headers: str) -> int:
    try:
        async with session.ws_connect(f"{front.url}{path}", headers=headers) as ws:
            await until(ws, "welcome")
    except WSServerHandshakeError as error:
        return error.status
    return 0


async def test_a_socket_is_for_the_page_and_for_programs(tmp_path: Path) -> None:
    async with open_web(tmp_path) as front, ClientSession() as session:
        assert await refused(session, front) == 0
        assert await refused(session, front, Origin=front.url) == 0
        assert await refused(session, front, **BROWSER, Origin=front.url) == 0
        for origin in ("http://evil.example", "null", "http://127.0.0.1:1", "file://", f"{front.url}.evil.example", ""):
            assert await refused(session, front, Origin=origin) == 403, origin
        # A browser that names no page, whatever gives it away.
        for name, value in BROWSER.items():
            assert await refused(session, front, **{name: value}) == 403, name
        assert await refused(session, front, Cookie="a=b") == 403
        for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", "[::1", "localhost@evil.example"):
            assert await refused(session, front, Host=host) in (400, 421), host


async def test_other_pages_cannot_fetch_from_it(tmp_path: Path) -> None:
    async with open_web(tmp_path) as front, ClientSession() as session:

        async def get(path: str, **headers: str) -> int:
            async with session.get(f"{front.url}{path}", headers=headers) as response:
                return response.status

        for site in ("cross-site", "same-site"):
            for path in ("/page/app.js", "/healthz", "/"):
                assert await get(path, **{"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors"}) == 403
        # Somebody who follows a link may come.
        assert await get("/", **{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}) == 200


async def test_the_token_leaves_the_address(tmp_path: Path) -> None:
    async with open_web(tmp_path, token=TOKEN) as front, ClientSession(cookie_jar=CookieJar(unsafe=True)) as session:
        async with session.get(front.url) as response:
            assert response.status == 401
            text = await response.text()
            assert "合言葉" in text
            assert "token" in text
        async with session.get(f"{front.url}/?token=wrong") as response:
            assert response.status == 401
            assert "Set-Cookie" not in response.headers
        async with session.get(f"{front.url}/?token={TOKEN}", allow_redirects=False) as response:
            assert (response.status, response.headers["Location"]) == (303, "/")
            cookie = response.headers["Set-Cookie"]
            assert all(part in cookie for part in ("HttpOnly", "SameSite=Strict", "Path=/"))
            assert TOKEN not in cookie
        # The cookie is kept by the session: the page opens, and so does its socket, which says where it comes from.
        async with session.get(front.url) as response:
            assert response.status == 200
        assert await refused(session, front, Origin=front.url) == 0
        assert await refused(session, front) == 403
        assert await refused(session, front, Origin="http://evil.example") == 403


async def test_a_link_from_elsewhere_takes_the_cookie_along(tmp_path: Path) -> None:
    async with open_web(tmp_path, token=TOKEN) as front, ClientSession() as session:
        headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
        async with session.get(f"{front.url}/?token={TOKEN}", headers=headers, allow_redirects=False) as response:
            assert (response.status, response.headers["Refresh"]) == (200, "0; url=/")
            assert "Set-Cookie" in response.headers


async def test_programs_show_the_token_in_a_header(tmp_path: Path) -> None:
    async with open_web(tmp_path, token=TOKEN) as front, ClientSession() as session:
        assert await refused(session, front) == 401
        assert await refused(session, front, Authorization=f"Bearer {TOKEN}") == 0
        assert await refused(session, front, Authorization=f"bearer {TOKEN}") == 0
        assert await refused(session, front, Authorization=f"Basic {TOKEN}") == 401
        assert await refused(session, front, Authorization="Bearer ") == 401
        assert await refused(session, front, f"/ws?token={TOKEN}") == 0
        assert await refused(session, front, "/ws?token=") == 401
        # Another concierge's cookie, an old token's, the token itself for a cookie.
        for name, value in (
            (cookie_name(front.port + 1), cookie_value(TOKEN)),
            (cookie_name(front.port), cookie_value("the token before")),
            (cookie_name(front.port), TOKEN),
        ):
            assert await refused(session, front, Origin=front.url, Cookie=f"{name}={value}") == 401
        async with session.get(f"{front.url}/healthz") as response:
            assert response.status == 200


async def test_what_the_browser_is_told(tmp_path: Path) -> None:
    async with open_web(tmp_path, token=TOKEN) as front, ClientSession() as session:
        for path, headers in (
            ("/", {"Authorization": f"Bearer {TOKEN}"}),
            ("/page/app.js", {}),
            ("/", {}),
            ("/nothing", {}),
        ):
            async with session.get(f"{front.url}{path}", headers=headers) as response:
                policy = response.headers["Content-Security-Policy"]
                assert "default-src 'none'" in policy
                assert "script-src 'self';" in policy
                assert "unsafe" not in policy
                assert f"ws://127.0.0.1:{front.port}" in policy
                assert response.headers["X-Content-Type-Options"] == "nosniff"
                assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"
                assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
                assert "microphone=(self)" in response.headers["Permissions-Policy"]
                assert "camera=()" in response.headers["Permissions-Policy"]
                assert response.headers["Referrer-Policy"] == "no-referrer"


# ── what a page cannot do ───────────────────────────────────────────────────────────────────────────────────────────


def test_an_allowance_counts_seconds() -> None:
    now = 0.0
    allowance = Allowance(2, 3, now=lambda: now)
    assert [allowance.take() for _ in range(4)] == [True, True, True, False]
    now = 0.6
    assert [allowance.take() for _ in range(2)] == [True, False]
    # What gets through between two that do not is no calm.
    assert allowance.refused == 2
    now = 1000.0
    assert [allowance.take() for _ in range(4)] == [True, True, True, False]
    assert allowance.refused == 1


async def test_a_flood_is_refused_once_and_then_ends(tmp_path: Path) -> None:
    async with open_web(tmp_path) as front, ClientSession() as session, session.ws_connect(f"{front.url}/ws") as ws:
        await until(ws, "welcome")
        flood = asyncio.create_task(_flood(ws))
        reasons: list[str] = []
        while not ws.closed:
            message = await ws.receive(timeout=30)
            if message.type.name == "TEXT":
                reasons.append(json.loads(message.data)["reason"])
        flood.cancel()
        assert ws.close_code == 1008
        assert reasons.count("too many messages") == 1
        # The next one that comes finds everything in order.
        async with session.ws_connect(f"{front.url}/ws") as again:
            await until(again, "welcome")


async def _flood(ws: ClientWebSocketResponse) -> None:
    """Many more than are allowed, as fast as the line takes them."""
    with contextlib.suppress(ConnectionError):
        for _ in range(1_500):
            await ws.send_str('{"type": "nonsense"}')


async def test_a_message_without_end_closes_the_line(tmp_path: Path) -> None:
    async with open_web(tmp_path) as front, ClientSession() as session, session.ws_connect(f"{front.url}/ws") as ws:
        await until(ws, "welcome")
        await ws.send_str(json.dumps({"type": "say", "text": "あ" * 1_200_000}))
        while not ws.closed:
            await ws.receive(timeout=30)
        assert ws.close_code == 1009


async def test_a_page_that_does_not_read_costs_no_memory_and_is_told_what_it_missed(tmp_path: Path) -> None:
    async with open_web(tmp_path) as front:
        reader, writer = await _open_slow(front)
        for number in range(30_000):
            text = f"{number} " + "あ" * 300
            front.system.stream.emit(Notice("slow-page-1", "arrived", text, "ja", MONDAY_MORNING))
            if number % 200 == 0:
                await asyncio.sleep(0)
        outbox = next(iter(front.gateway._connections))._outbox
        assert len(outbox) <= 1_000
        assert len(outbox._waiting) <= 2_001
        assert outbox.lost > 20_000
        # It reads again: the newest is there, and then word that something is missing.
        messages = await _read_until(reader, "resync")
        assert messages[-2]["text"].startswith("29999 ")
        lost = sum(m["lost"] for m in messages if m["type"] == "resync")
        assert lost == outbox.lost
        assert lost + sum(m["type"] == "notice" for m in messages) == 30_000
        writer.close()


async def _open_slow(front: WebFront) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A WebSocket by hand, so that nothing reads it in the background."""
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 * 1024)
    line.setblocking(False)
    await asyncio.get_running_loop().sock_connect(line, ("127.0.0.1", front.port))
    reader, writer = await asyncio.open_connection(sock=line, limit=4096)
    writer.write(
        f"GET /ws?session=slow-page-1 HTTP/1.1\r\nHost: 127.0.0.1:{front.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    await reader.readuntil(b"\r\n\r\n")
    return reader, writer


async def _read_until(reader: asyncio.StreamReader, kind: str) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    while not messages or messages[-1]["type"] != kind:
        head = await asyncio.wait_for(reader.readexactly(2), 30)
        length = head[1] & 127
        if length == 126:
            length = int.from_bytes(await reader.readexactly(2), "big")
        elif length == 127:
            length = int.from_bytes(await reader.readexactly(8), "big")
        body = await reader.readexactly(length)
        if head[0] & 15 == 1:
            messages.append(json.loads(body))
    return messages


async def test_states_replace_what_of_them_still_waits() -> None:
    outbox = Outbox(max_messages=10)
    for number in range(10_000):
        outbox.put({"type": "car", "number": number})
    outbox.put({"type": "spoke", "text": os.urandom(4).hex()})
    assert len(outbox) == 2
    assert len(outbox._waiting) <= 21
    assert outbox.lost == 0
    sent: list[dict[str, Any]] = []

    async def send(text: str) -> None:
        sent.append(json.loads(text))

    running = asyncio.create_task(outbox.run(send))
    await asyncio.sleep(0)
    running.cancel()
    assert [m["type"] for m in sent] == ["car", "spoke"]
    assert sent[0]["number"] == 9_999


async def test_what_is_too_much_is_dropped_oldest_first() -> None:
    outbox = Outbox(max_messages=1_000, max_characters=1_000)
    for number in range(50):
        outbox.put({"type": "notice", "number": number, "text": "x" * 100})
    assert outbox.characters <= 1_000
    # One that is larger than everything is sent all the same.
    outbox.put({"type": "notice", "text": "y" * 5_000})
    assert len(outbox) == 1
    assert outbox.lost == 50
