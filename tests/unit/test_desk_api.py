"""The desk's API on a real port: who may come in, what is logged, streams, webhooks, the page."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import ClientSession, CookieJar, web

from agent.desk.api import PAGE, ROUTES, description
from agent.desk.server import DeskServer, open_desk
from agent.desk.service import Patience
from backends.desk import HttpDesk
from backends.errors import BadAnswer, NotFound, Rejected
from backends.model import DeskEvent, DeskLine
from backends.signing import NONCE, SIGNATURE, TIMESTAMP, sign, verify
from tests.fakes_desk import PASSWORD, SECRET, Machine, Operator, now, packet

CALM = Patience(answer_s=60, take_s=60, notice_s=30, gone_s=60, tick_s=0.05, alive_s=0.1)
QUICK = Patience(answer_s=60, take_s=60, notice_s=0.15, gone_s=0.6, tick_s=0.05, alive_s=0.1)
"""for what happens when a side goes away"""


class Desk:
    """A serving desk with a car, an operator, a second one and a supervisor."""

    def __init__(self, server: DeskServer, stack: contextlib.AsyncExitStack) -> None:
        self.server, self.stack, self.url = server, stack, server.url

    async def open(self) -> None:
        self.http = await self.stack.enter_async_context(ClientSession(cookie_jar=CookieJar(unsafe=True)))
        self.car = Machine(self.url, self.http)
        self.desk = HttpDesk(self.url, "car", SECRET)
        self.stack.push_async_callback(self.desk.close)

    async def person(self, name: str, role: str = "operator") -> Operator:
        from agent.desk import tables as t

        accounts = self.server.service.accounts

        def add(db: Any) -> None:
            # One hash for all: argon2 is slow on purpose.
            if not _HASH:
                accounts.add_user(db, name, PASSWORD, role)
                _HASH.append(accounts.password_of(db, name))
            else:
                db.execute(
                    t.users.insert().values(
                        name=name, password=_HASH[0], role=role, created_at=now().replace(tzinfo=None)
                    )
                )

        await self.server.service.read(add)
        http = await self.stack.enter_async_context(ClientSession(cookie_jar=CookieJar(unsafe=True)))
        person = Operator(self.url, http)
        assert await person.login(name) == 200
        return person

    async def submit(self, text: str = "渋谷で寿司", **kinds: Any) -> str:
        made = packet(text, **kinds)
        status, _ = await self.car.call("POST", "/api/v1/handoffs", made)
        assert status == 201
        return str(made["id"])

    async def active(self, person: Operator) -> str:
        handoff = await self.submit()
        assert (await person.call("POST", f"/api/v1/handoffs/{handoff}/claim", {}))[0] == 200
        assert (await self.car.call("POST", f"/api/v1/handoffs/{handoff}/active", {}))[0] == 200
        return handoff

    async def audit(self) -> list[dict[str, Any]]:
        accounts = self.server.service.accounts
        return await self.server.service.read(lambda db: accounts.audit(db))


_HASH: list[str] = []


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(open_desk("sqlite://", patience=CALM, car=SECRET))
        made = Desk(server, stack)
        await made.open()
        yield made


async def until(true: Callable[[], Any], seconds: float = 5.0) -> None:
    for _ in range(int(seconds / 0.02)):
        if true():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("did not come about")


# ── the document ────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_document_describes_every_route_and_no_other(desk: Desk) -> None:
    served = {(method.lower(), path) for method, path, _, _ in ROUTES}
    async with desk.http.get(f"{desk.url}/api/v1/openapi.json") as response:
        document = await response.json()
    described = {
        (m, path) for path, item in document["paths"].items() for m in item if m in ("get", "post", "delete", "put")
    }
    assert described == served
    assert document == description()


def test_every_reference_of_the_document_leads_somewhere() -> None:
    document = description()
    for reference in re.findall(r'"\$ref": "([^"]+)"', json.dumps(document)):
        if reference.startswith("#/"):
            node: Any = document
            for part in reference[2:].split("/"):
                node = node[part]
        else:
            assert any(path == reference for _, path, _, _ in ROUTES), reference
    for path, item in document["paths"].items():
        named = set(re.findall(r"\{(\w+)\}", path))
        given = {p.get("name") or p["$ref"].rsplit("/", 1)[1] for p in item.get("parameters", ())}
        assert named <= given, path


# ── the way of a handoff ────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_handoff_over_http_both_ways(desk: Desk) -> None:
    suzuki = await desk.person("suzuki")
    made = packet()
    receipt = await desk.desk.submit(made)
    assert (receipt.state, receipt.position) == ("queued", 1)
    assert (await desk.desk.submit(made)).id == receipt.id
    one = f"/api/v1/handoffs/{receipt.id}"
    assert [h["id"] for h in (await suzuki.call("GET", "/api/v1/handoffs"))[1]["handoffs"]] == [receipt.id]
    heard: list[DeskEvent] = []

    async def listen() -> None:
        async for event in desk.desk.events(receipt.id, receipt.seq):
            heard.append(event)

    listening = asyncio.create_task(listen())
    assert (await suzuki.call("POST", f"{one}/claim", {}))[1]["state"] == "accepted"
    assert (await desk.desk.take_line(receipt.id)).state == "active"
    assert (
        await suzuki.call("POST", f"{one}/messages", {"id": "op-message-1", "text": "承知しました", "language": "ja"})
    )[0] == 201
    assert (
        await suzuki.call("POST", f"{one}/messages", {"id": "op-message-1", "text": "承知しました", "language": "ja"})
    )[0] == 200
    await desk.desk.say(receipt.id, DeskLine("car-message-1", "driver", "お願いします", "ja", now(), 0.8))
    place = {"name": "すし処", "latitude": 35.66, "longitude": 139.7}
    assert (await suzuki.call("POST", f"{one}/pushes", {"id": "push-00001", "kind": "destination", "data": place}))[
        0
    ] == 201
    await desk.desk.answer_push(receipt.id, "push-00001", "accepted")
    await suzuki.call("POST", f"{one}/hold", {"on": True})
    assert (await suzuki.call("POST", f"{one}/return", {"note": "予約済み"}))[1]["state"] == "returned"
    await until(lambda: any(e.data.get("state") == "returned" for e in heard))
    listening.cancel()
    kinds = [e.type for e in heard if e.seq]
    assert kinds == ["state", "state", "message", "message", "push", "push", "hold", "state"]
    assert [e.seq for e in heard if e.seq] == sorted({e.seq for e in heard if e.seq})
    whole = (await suzuki.call("GET", one))[1]
    assert [m["text"] for m in whole["messages"]][2:] == ["承知しました", "お願いします", "予約済み"]
    assert whole["pushes"][0]["state"] == "accepted"
    assert {"submit", "claim", "active", "viewed", "push", "hold", "return", "login"} <= {
        row["action"] for row in await desk.audit()
    }


async def test_a_stream_goes_on_where_it_stopped(desk: Desk) -> None:
    suzuki = await desk.person("suzuki")
    handoff = await desk.active(suzuki)
    first: list[int] = []
    async for event in desk.desk.events(handoff, 0):
        first.append(event.seq)
        if len(first) == 2:
            break
    rest: list[int] = []
    async for event in desk.desk.events(handoff, first[-1]):
        if event.seq:
            rest.append(event.seq)
        elif len(rest) >= 2:
            break
    assert not set(first) & set(rest)
    assert len(rest) >= 2


async def test_the_second_claim_gets_409(desk: Desk) -> None:
    people = [await desk.person(name) for name in ("a-san", "b-san")]
    handoff = await desk.submit()
    answers = await asyncio.gather(*(p.call("POST", f"/api/v1/handoffs/{handoff}/claim", {}) for p in people))
    assert sorted(status for status, _ in answers) == [200, 409]


async def test_nobody_answers(desk: Desk) -> None:
    handoff = await desk.submit()
    service = desk.server.service
    service.patience = Patience(answer_s=0.1, notice_s=0.1, gone_s=30, tick_s=0.05, alive_s=0.1)
    states: list[str] = []
    async for event in desk.desk.events(handoff, 0):
        if event.type == "state":
            states.append(str(event.data["state"]))
        if states[-1:] == ["no_answer"]:
            break
    assert states == ["requested", "queued", "no_answer"]


async def test_a_closed_page_is_told_and_then_ends_the_talk(desk: Desk) -> None:
    suzuki = await desk.person("suzuki")
    desk.server.service.patience = QUICK
    stream = await suzuki.http.get(f"{desk.url}/api/v1/events?after=0")
    handoff = await desk.active(suzuki)
    heard: list[DeskEvent] = []

    async def listen() -> None:
        async for event in desk.desk.events(handoff, 0):
            heard.append(event)

    listening = asyncio.create_task(listen())
    await asyncio.sleep(0.4)
    assert not [e for e in heard if e.type == "operator"]
    stream.close()
    await until(lambda: any(e.type == "operator" and e.data["present"] is False for e in heard))
    again = await suzuki.http.get(f"{desk.url}/api/v1/events?after=0")
    await until(lambda: any(e.type == "operator" and e.data["present"] is True for e in heard))
    again.close()
    # For good: another operator is called, who finds everything that was said.
    await until(lambda: [e.data.get("reason") for e in heard if e.type == "state"][-1] == "operator_gone")
    assert heard[-1].data["state"] == "queued"
    sato = await desk.person("sato")
    present = await sato.http.get(f"{desk.url}/api/v1/events?after=0")
    assert (await sato.call("POST", f"/api/v1/handoffs/{handoff}/claim", {}))[0] == 200
    assert (await suzuki.call("POST", f"/api/v1/handoffs/{handoff}/return", {"note": ""}))[0] == 403
    assert (await desk.car.call("POST", f"/api/v1/handoffs/{handoff}/active", {}))[0] == 200
    await asyncio.sleep(0.3)
    status, whole = await sato.call("GET", f"/api/v1/handoffs/{handoff}")
    assert (status, whole["state"], whole["operator"], whole["calls"]) == (200, "active", "sato", 2)
    present.close()
    listening.cancel()


async def test_called_again_and_nobody_comes_it_is_dropped(desk: Desk) -> None:
    suzuki, service = await desk.person("suzuki"), desk.server.service
    handoff = await desk.active(suzuki)
    service.patience = Patience(answer_s=0.3, notice_s=0.05, gone_s=0.1, tick_s=0.05, alive_s=0.1)
    seen: list[DeskEvent] = []
    async for event in desk.desk.events(handoff, 0):
        seen += [event] if event.type == "state" else []
        if seen and seen[-1].data["state"] == "dropped":
            break
    assert [e.data["state"] for e in seen] == ["requested", "queued", "accepted", "active", "queued", "dropped"]
    assert [e.data.get("reason") for e in seen[-2:]] == ["operator_gone", "operator_gone"]


async def test_a_call_of_a_car_that_went_away_is_dropped(desk: Desk) -> None:
    service = desk.server.service
    service.patience = QUICK
    handoff = await desk.submit()
    for _ in range(250):
        receipt = await service.read(lambda db: service.store.receipt(db, handoff))
        if receipt["state"] == "dropped":
            break
        await asyncio.sleep(0.02)
    assert receipt["state"] == "dropped"


# ── who may not ─────────────────────────────────────────────────────────────────────────────────────────────────────


PROTECTED = [(method, path) for method, path, _, roles in ROUTES if "anonymous" not in roles]


async def test_without_login_or_signature_nothing_is_to_be_had(desk: Desk) -> None:
    handoff = await desk.submit("秘密の話")
    for method, path in PROTECTED:
        url = desk.url + path.format(id=handoff, push="x", driver="owner")
        async with desk.http.request(method, url, json={} if method == "POST" else None) as response:
            assert response.status == 401, path
            assert "秘密" not in await response.text()
    refused = [row for row in await desk.audit() if row["action"] == "refused"]
    assert len(refused) >= len(PROTECTED) - 1


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda h: {**h, SIGNATURE: "v1=" + "0" * 64}, "wrong"), (lambda h: {**h, NONCE: "another-nonce"}, "wrong"),
        (lambda h: {**h, TIMESTAMP: str(int(h[TIMESTAMP]) + 1)}, "wrong"), (lambda h: {**h, TIMESTAMP: "1"}, "stale"),
        (lambda h: {k: v for k, v in h.items() if k != SIGNATURE}, "missing"), (lambda h: {**h, "X-Desk-Key": "nobody"}, "unknown key"),
    ],
)  # fmt: skip
async def test_a_call_that_was_tampered_with_is_refused_and_logged(
    desk: Desk, change: Callable[..., dict[str, str]], why: str
) -> None:
    data = json.dumps(packet(), ensure_ascii=False).encode()
    headers = change(sign("car", SECRET, "POST", "/api/v1/handoffs", data))
    async with desk.http.post(
        f"{desk.url}/api/v1/handoffs", data=data, headers={**headers, "Content-Type": "application/json"}
    ) as r:
        assert r.status == 401
    assert any(why in (row["detail"] or "") for row in await desk.audit())


async def test_a_body_that_was_changed_and_a_call_sent_again_are_refused(desk: Desk) -> None:
    data = json.dumps(packet(), ensure_ascii=False).encode()
    headers = {**sign("car", SECRET, "POST", "/api/v1/handoffs", data), "Content-Type": "application/json"}
    async with desk.http.post(f"{desk.url}/api/v1/handoffs", data=data + b" ", headers=headers) as response:
        assert response.status == 401
    async with desk.http.post(f"{desk.url}/api/v1/handoffs", data=data, headers=headers) as response:
        assert response.status == 201
    async with desk.http.post(f"{desk.url}/api/v1/handoffs", data=data, headers=headers) as response:
        assert response.status == 401
    assert any("replayed" in (row["detail"] or "") for row in await desk.audit())


async def test_foreign_pages_are_refused(desk: Desk) -> None:
    suzuki = await desk.person("suzuki")
    handoff = await desk.submit()
    one = f"/api/v1/handoffs/{handoff}/claim"
    for headers, status in (
        ({"Origin": "http://evil.example"}, 403), ({"Origin": "null"}, 403), ({"Sec-Fetch-Site": "cross-site"}, 403), ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"X-CSRF-Token": "wrong"}, 403), ({"X-CSRF-Token": ""}, 403), ({"Host": "evil.example"}, 421),
    ):  # fmt: skip
        assert (await suzuki.call("POST", one, {}, **headers))[0] == status, headers
    # A form of another page cannot say application/json.
    assert (await suzuki.call("POST", one, {}, **{"Content-Type": "text/plain"}))[0] == 422
    assert (await suzuki.call("POST", one, {}))[0] == 200
    assert len([row for row in await desk.audit() if row["action"] == "refused"]) == 7


async def test_each_role_has_its_own_doors(desk: Desk) -> None:
    suzuki, boss = await desk.person("suzuki"), await desk.person("boss-san", "supervisor")
    handoff = await desk.active(suzuki)
    one = f"/api/v1/handoffs/{handoff}"
    for path in (f"{one}/transfer", f"{one}/join"):
        assert (await suzuki.call("POST", path, {"to": "boss-san"}))[0] == 403
    for path in ("/api/v1/audit", "/api/v1/statistics", "/api/v1/users"):
        assert (await suzuki.call("GET", path))[0] == 403
        assert (await boss.call("GET", path))[0] == 200
    assert (await suzuki.call("DELETE", "/api/v1/drivers/owner"))[0] == 403
    assert (await desk.car.call("POST", f"{one}/claim", {}))[0] == 403
    assert (await suzuki.call("POST", f"{one}/active", {}))[0] == 403
    assert (await boss.call("POST", f"{one}/messages", {"id": "boss-message", "text": "x"}))[0] == 403
    assert (await boss.call("POST", f"{one}/join", {}))[0] == 200
    assert (await boss.call("POST", f"{one}/messages", {"id": "boss-message", "text": "わたしも聞いています"}))[
        0
    ] == 201
    assert (await boss.call("POST", f"{one}/transfer", {"to": "boss-san"}))[0] == 200
    assert (await suzuki.call("POST", f"{one}/return", {"note": ""}))[0] == 403
    assert (await boss.call("POST", f"{one}/return", {"note": ""}))[0] == 200


async def test_a_car_sees_its_own_alone(desk: Desk) -> None:
    handoff = await desk.submit()
    secret = await desk.server.service.read(lambda db: desk.server.service.accounts.add_client(db, "car-2", "car"))
    other = Machine(desk.url, desk.http, "car-2", secret)
    for method, path in (("GET", ""), ("GET", "/events"), ("POST", "/active")):
        assert (await other.call(method, f"/api/v1/handoffs/{handoff}{path}", {} if method == "POST" else None))[
            0
        ] == 404
    assert (await other.call("DELETE", "/api/v1/drivers/owner"))[0] == 403
    assert (await desk.car.call("DELETE", "/api/v1/drivers/owner"))[1] == {"erased": 1}
    with pytest.raises(NotFound):
        await HttpDesk(desk.url, "car", SECRET).take_line(handoff)


async def test_passwords_cannot_be_tried_on_and_on(desk: Desk) -> None:
    await desk.person("suzuki")
    stranger = Operator(
        desk.url, await desk.stack.enter_async_context(ClientSession(cookie_jar=CookieJar(unsafe=True)))
    )
    assert [await stranger.login("suzuki", f"wrong-{n}") for n in range(5)] == [401] * 5
    assert await stranger.login("suzuki", PASSWORD) == 429
    actions = [row["action"] for row in await desk.audit()]
    assert (actions.count("login_failed"), actions.count("login_blocked")) == (5, 1)


async def test_logged_out_is_out_and_the_cookie_is_out_of_reach(desk: Desk) -> None:
    suzuki = await desk.person("suzuki")
    cookie = next(iter(suzuki.http.cookie_jar))
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Strict")
    assert (await suzuki.call("POST", "/api/v1/logout", {}))[0] == 200
    suzuki.http.cookie_jar.update_cookies({"desk_session": cookie.value})
    assert (await suzuki.call("GET", "/api/v1/handoffs"))[0] == 401


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b"null", b"[" * 5000, b'{"id": 3, "text": "x"}', b'{"id": "12345678"}', b'{"id": "12345678", "text": "  "}',
             b'{"id": "short", "text": "x"}', b'{"id": "12345678", "text": "x", "at": "now"}', b'{"id": "12345678", "text": "x", "language": "de"}']
)  # fmt: skip
async def test_what_is_no_message_is_refused(desk: Desk, body: bytes) -> None:
    suzuki = await desk.person("suzuki")
    handoff = await desk.active(suzuki)
    headers = {"Content-Type": "application/json", "X-CSRF-Token": suzuki.csrf}
    async with suzuki.http.post(
        f"{desk.url}/api/v1/handoffs/{handoff}/messages", data=body, headers=headers
    ) as response:
        assert response.status == 422


async def test_a_packet_that_was_changed_is_refused(desk: Desk) -> None:
    changed = packet()
    changed["summary"] = {"ja": "偽", "en": "fake"}
    assert (await desk.car.call("POST", "/api/v1/handoffs", changed))[0] == 422
    with pytest.raises(BadAnswer):
        # The car's side checks as well: it does not even send it.
        await desk.desk.submit(changed)


async def test_what_the_desk_does_not_take_is_final_for_the_car(desk: Desk) -> None:
    handoff = await desk.submit()
    with pytest.raises(Rejected):
        await desk.desk.end(handoff, "returned", "a car cannot return")
    with pytest.raises(NotFound):
        await desk.desk.take_line("ho-nobody-knows")


# ── exports, page ───────────────────────────────────────────────────────────────────────────────────────────────────


async def test_exports_are_files_and_logged(desk: Desk) -> None:
    suzuki = await desk.person("suzuki")
    handoff = await desk.submit("<script>alert(1)</script>=1+1")
    for form, kind in (
        ("json", "application/json"),
        ("csv", "text/csv"),
        ("html", "text/html"),
        ("pdf", "application/pdf"),
    ):
        async with suzuki.http.get(f"{desk.url}/api/v1/handoffs/{handoff}/export?format={form}") as response:
            assert (response.status, response.content_type) == (200, kind)
            assert "default-src 'none'" in response.headers["Content-Security-Policy"]
            if form == "html":
                assert "<script>" not in await response.text()
            if form == "pdf":
                assert (await response.read()).startswith(b"%PDF-")
    assert {"export_json", "export_csv", "export_html", "export_pdf"} <= {row["action"] for row in await desk.audit()}
    assert (await suzuki.call("GET", f"/api/v1/handoffs/{handoff}/export?format=exe"))[0] == 422


async def test_what_was_said_is_found(desk: Desk) -> None:
    suzuki = await desk.person("suzuki")
    await desk.submit("箱根で温泉に入りたい")
    lines = (await suzuki.call("GET", "/api/v1/search?q=温泉"))[1]["lines"]
    assert [line["text"] for line in lines] == ["箱根で温泉に入りたい"]
    assert (await suzuki.call("GET", "/api/v1/search?q=%20"))[0] == 422


async def test_the_page_is_strict(desk: Desk) -> None:
    async with desk.http.get(f"{desk.url}/desk") as response:
        policy, body = response.headers["Content-Security-Policy"], await response.text()
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script>|style=| on\w+=", body)
    for path in PAGE.glob("*.js"):
        source = path.read_text(encoding="utf-8")
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|\.style\b", source
        ), path.name
        async with desk.http.get(f"{desk.url}/desk/{path.name}") as response:
            assert response.status == 200
            assert "javascript" in response.content_type
    for name in ("..%2fapi.py", "%2e%2e/api.py", "nothing.js"):
        async with desk.http.get(f"{desk.url}/desk/{name}") as response:
            assert response.status == 404


def test_the_page_says_the_same_in_both_languages() -> None:
    source = (PAGE / "words.js").read_text(encoding="utf-8")
    ja, en = source.split("  en: {")
    keys = [set(re.findall(r"(\w+): [\"{]", part)) for part in (ja, en)]
    assert keys[0] - {"ja"} == keys[1]


# ── call centres ────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_webhooks_are_signed_in_order_and_sent_until_taken(desk: Desk) -> None:
    got: list[tuple[dict[str, str], bytes]] = []
    failures = 2

    async def take(request: web.Request) -> web.Response:
        nonlocal failures
        if failures:
            failures -= 1
            return web.Response(status=500)
        got.append((dict(request.headers), await request.read()))
        return web.Response()

    app = web.Application()
    app.router.add_post("/hook", take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook?tenant=1"
    service = desk.server.service
    secret = await service.read(lambda db: service.accounts.add_client(db, "centre", "connector", webhook=url))
    handoff = await desk.submit()
    await until(lambda: len(got) >= 2, 8)
    for headers, body in got:
        verify(secret, "POST", "/hook?tenant=1", headers, body)
    events = [json.loads(body) for _, body in got]
    assert [e["data"]["state"] for e in events[:2]] == ["requested", "queued"]
    centre = Machine(desk.url, desk.http, "centre", secret)
    assert (await centre.call("POST", f"/api/v1/handoffs/{handoff}/claim", {"operator": "tanaka"}))[0] == 200
    await until(lambda: len(got) >= 3)
    assert json.loads(got[2][1])["data"]["operator"] == "centre:tanaka"
    await runner.cleanup()
