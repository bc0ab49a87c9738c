"""The desk's REST API and event streams. Described in openapi.yml, which a test holds against `ROUTES`."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from aiohttp import web

from agent.desk import archive as archives
from agent.desk.accounts import Caller, password_fits
from agent.desk.document import description
from agent.desk.errors import NotThere, Refused, Unfit
from agent.desk.guard import ANYBODY, COOKIE, SERVICE, Handler, allow, guard, problem
from agent.desk.service import Service, fields
from agent.desk.sound import Sounds
from agent.desk.states import FINAL, STATES
from agent.desk.store import EVENTS_AT_ONCE, MAX_MESSAGE
from backends import packet as packets

PAGE = Path(__file__).with_name("page")
PHRASES = Path(__file__).with_name("canned.yml")
MAX_BODY = 1024 * 1024
CAR = frozenset({"car"})
PEOPLE = frozenset({"operator", "supervisor"})
DESK = PEOPLE | {"connector"}
SUPERVISOR = frozenset({"supervisor"})


def service_of(request: web.Request) -> Service:
    return request.app[SERVICE]


def caller_of(request: web.Request) -> Caller:
    caller: Caller = request["caller"]
    return caller


async def body_of(request: web.Request) -> Any:
    if request.content_type != "application/json":
        raise Unfit("content type must be application/json")
    try:
        # Not a number that is none, nor an endless one: comparisons with them are no checks.
        return json.loads(await request.read(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise Unfit("not JSON") from None


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


def answer(data: Any, status: int = 200) -> web.Response:
    return web.json_response(data, status=status, dumps=lambda d: json.dumps(d, ensure_ascii=False))


async def _done(request: web.Request, action: str, job: Any, status: int = 200, detail: str = "") -> web.Response:
    """Runs a step on the handoff of the path, with its line in the audit log, in one transaction."""
    service, caller, handoff = service_of(request), caller_of(request), request.match_info.get("id")

    def work(db: Any) -> Any:
        result = job(db)
        service.accounts.note(db, caller, action, handoff, detail)
        return result

    return answer(await service.change(work), status)


def _operator(request: web.Request, body: Mapping[str, Any] | None = None) -> str:
    """The name a step is done under: the operator's own; a call centre names its people, marked as its own."""
    caller = caller_of(request)
    if caller.person:
        return caller.name
    named = (body or {}).get("operator") or "operator"
    if not isinstance(named, str) or len(named) > 40:
        raise Unfit("operator")
    return f"{caller.name}:{named.replace(':', ' ')}"


# ── the car ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def submit(request: web.Request) -> web.Response:
    service, caller, packet = service_of(request), caller_of(request), await body_of(request)
    if (wrong := packets.problem_of(packet)) is not None:
        raise Unfit(wrong)

    def work(db: Any) -> tuple[dict[str, Any], bool]:
        made = service.store.submit(db, packet, caller.name)
        if made[1]:
            service.accounts.note(db, caller, "submit", packet["id"])
        return made

    receipt, new = await service.change(work)
    return answer(receipt, 201 if new else 200)


async def active(request: web.Request) -> web.Response:
    service, handoff = service_of(request), request.match_info["id"]
    return await _done(request, "active", lambda db: (_own(request, db), service.store.activate(db, handoff))[1])


async def end(request: web.Request) -> web.Response:
    service, handoff = service_of(request), request.match_info["id"]
    body = fields(await body_of(request), outcome=str, reason=str)

    def job(db: Any) -> dict[str, Any]:
        _own(request, db)
        return service.store.end_from_car(db, handoff, body["outcome"], body["reason"])

    return await _done(request, "end", job)


async def answer_push(request: web.Request) -> web.Response:
    service, handoff, push = service_of(request), request.match_info["id"], request.match_info["push"]
    body = fields(await body_of(request), state=str)

    def job(db: Any) -> dict[str, Any]:
        _own(request, db)
        return service.store.answer_push(db, handoff, push, body["state"], str(body.get("detail") or ""))

    return await _done(request, "push_answered", job)


def _own(request: web.Request, db: Any) -> Any:
    """A car sees and does what is its own alone."""
    row = service_of(request).store.row(db, request.match_info["id"])
    caller = caller_of(request)
    if caller.role == "car" and row.client != caller.name:
        raise NotThere(row.id)
    return row


# ── operators and call centres ──────────────────────────────────────────────────────────────────────────────────────


async def queue(request: web.Request) -> web.Response:
    wanted = request.query.get("state", "queued,accepted,active").split(",")
    if unknown := set(wanted) - set(STATES):
        raise Unfit(f"state: {', '.join(sorted(unknown))}")
    service = service_of(request)

    def job(db: Any) -> dict[str, Any]:
        return {"handoffs": service.store.listed(db, wanted), "seq": service.store.last_event(db)}

    return answer(await service.read(job))


async def whole(request: web.Request) -> web.Response:
    service, handoff = service_of(request), request.match_info["id"]

    def job(db: Any) -> dict[str, Any]:
        _own(request, db)
        return service.store.whole(db, handoff)

    return await _done(request, "viewed", job)


async def claim(request: web.Request) -> web.Response:
    service, handoff = service_of(request), request.match_info["id"]
    operator = _operator(request, await body_of(request))
    return await _done(request, "claim", lambda db: service.store.claim(db, handoff, operator), detail=operator)


async def decline(request: web.Request) -> web.Response:
    service, handoff = service_of(request), request.match_info["id"]
    body = fields(await body_of(request), reason=str)
    operator = _operator(request, body)
    return await _done(request, "decline", lambda db: service.store.decline(db, handoff, operator, body["reason"]))


async def give_back(request: web.Request) -> web.Response:
    service, handoff = service_of(request), request.match_info["id"]
    body = fields(await body_of(request), note=str)
    operator = _operator(request, body)
    return await _done(request, "return", lambda db: service.store.give_back(db, handoff, operator, body["note"]))


async def hold(request: web.Request) -> web.Response:
    service, handoff = service_of(request), request.match_info["id"]
    body = fields(await body_of(request), on=bool)
    operator = _operator(request, body)
    return await _done(request, "hold", lambda db: service.store.hold(db, handoff, operator, body["on"]))


async def push(request: web.Request) -> web.Response:
    service, handoff = service_of(request), request.match_info["id"]
    body = fields(await body_of(request), id=str, kind=str, data=Mapping)
    operator, push_id = _operator(request, body), _id(body["id"])
    return await _done(
        request,
        "push",
        lambda db: service.store.push(db, handoff, operator, push_id, body["kind"], body["data"]),
        status=201,
    )


async def say(request: web.Request) -> web.Response:
    """A line: of the driver from the car, of the operator from everybody else."""
    service, handoff, caller = service_of(request), request.match_info["id"], caller_of(request)
    body = fields(await body_of(request), id=str, text=str)
    message = _message(body, caller)
    operator = None if caller.role == "car" else _operator(request, body)

    def job(db: Any) -> tuple[dict[str, Any], bool]:
        _own(request, db)
        return service.store.say(db, handoff, message, author=operator, operator=operator)

    made, new = await service.change(job)
    return answer(made, 201 if new else 200)


def _message(body: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
    text = body["text"].strip()
    if not text or len(text) > MAX_MESSAGE:
        raise Unfit("text")
    car = caller.role == "car"
    speaker = body.get("speaker") if car else "operator"
    if speaker not in (("driver", "agent", "line") if car else ("operator",)):
        raise Unfit("speaker")
    confidence = body.get("confidence")
    if confidence is not None and not (isinstance(confidence, (int, float)) and 0 <= confidence <= 1):
        raise Unfit("confidence")
    at = body.get("at") or datetime.now().astimezone().isoformat(timespec="seconds")
    try:
        at = datetime.fromisoformat(str(at)).isoformat(timespec="seconds")
    except ValueError:
        raise Unfit("at") from None
    language = body.get("language") or "ja"
    if language not in ("ja", "en"):
        raise Unfit("language")
    return {
        "id": _id(body["id"]), "speaker": speaker, "text": text, "language": language, "at": at,
        "confidence": confidence, "urgent": body.get("urgent") is True,
    }  # fmt: skip


def _id(text: str) -> str:
    if not 8 <= len(text) <= 130 or not text.isascii() or not text.isprintable():
        raise Unfit("id")
    return text


# ── supervisors ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def transfer(request: web.Request) -> web.Response:
    service, handoff, caller = service_of(request), request.match_info["id"], caller_of(request)
    body = fields(await body_of(request), to=str)
    return await _done(
        request, "transfer", lambda db: service.store.transfer(db, handoff, caller.name, body["to"]), detail=body["to"]
    )


async def join(request: web.Request) -> web.Response:
    service, handoff, caller = service_of(request), request.match_info["id"], caller_of(request)
    return await _done(request, "join", lambda db: service.store.join(db, handoff, caller.name))


async def statistics(request: web.Request) -> web.Response:
    service = service_of(request)
    return answer(await service.read(service.archive.statistics))


async def audit(request: web.Request) -> web.Response:
    service = service_of(request)
    handoff = request.query.get("handoff")
    return answer({"audit": await service.read(lambda db: service.accounts.audit(db, handoff=handoff))})


async def users(request: web.Request) -> web.Response:
    service = service_of(request)
    return answer({"users": await service.read(service.accounts.users)})


async def erase(request: web.Request) -> web.Response:
    """Everything about a driver; a car may do it for its own drivers alone."""
    service, caller, driver = service_of(request), caller_of(request), request.match_info["driver"]
    if caller.role == "car":
        from agent.desk import tables as t

        foreign = t.handoffs.select().where(t.handoffs.c.driver == driver, t.handoffs.c.client != caller.name)
        if await service.read(lambda db: db.execute(foreign).first()) is not None:
            raise Refused("another car's driver")
    removed = await service.erase(driver, caller.name)
    await service.read(lambda db: service.accounts.note(db, caller, "erase", detail=f"{removed} handoffs"))
    return answer({"erased": removed})


# ── the archive ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def search(request: web.Request) -> web.Response:
    service, caller, text = service_of(request), caller_of(request), request.query.get("q", "")
    if not text.strip() or len(text) > 200:
        raise Unfit("q")

    def job(db: Any) -> dict[str, Any]:
        service.accounts.note(db, caller, "search")
        return {"lines": service.archive.search(db, text, driver=request.query.get("driver"))}

    return answer(await service.read(job))


async def export(request: web.Request) -> web.Response:
    service, caller, handoff = service_of(request), caller_of(request), request.match_info["id"]
    form = request.query.get("format", "json")
    forms: Mapping[str, tuple[Callable[[Mapping[str, Any]], str | bytes], str]] = {
        "json": (archives.as_json, "application/json"),
        "csv": (archives.as_csv, "text/csv"),
        "html": (archives.as_html, "text/html"),
        "pdf": (archives.as_pdf, "application/pdf"),
    }
    if form not in forms:
        raise Unfit("format is json, csv, html or pdf")

    def job(db: Any) -> dict[str, Any]:
        service.accounts.note(db, caller, f"export_{form}", handoff)
        return service.store.whole(db, handoff)

    write, kind = forms[form]
    # A long talk takes a while to be set.
    written = await asyncio.to_thread(write, await service.read(job))
    if isinstance(written, bytes):
        response = web.Response(body=written, content_type=kind)
    else:
        response = web.Response(text=written, content_type=kind, charset="utf-8")
    if form != "html":
        response.headers["Content-Disposition"] = f'attachment; filename="handoff.{form}"'
    return response


# ── streams ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def stream_one(request: web.Request) -> web.StreamResponse:
    service, caller, handoff = service_of(request), caller_of(request), request.match_info["id"]
    await service.read(lambda db: _own(request, db))
    present = service.hub.present(service.hub.cars, handoff) if caller.role == "car" else contextlib.nullcontext()
    with present:
        return await _stream(request, handoff)


async def stream_all(request: web.Request) -> web.StreamResponse:
    service, caller = service_of(request), caller_of(request)
    present = service.hub.present(service.hub.people, caller.name) if caller.person else contextlib.nullcontext()
    with present:
        return await _stream(request, None)


async def _stream(request: web.Request, handoff: str | None) -> web.StreamResponse:
    service = service_of(request)
    given = request.headers.get("Last-Event-ID") or request.query.get("after", "0")
    if not (given.isascii() and given.isdigit() and len(given) < 16):
        raise Unfit("after")
    last = int(given)
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    response.headers["X-Content-Type-Options"] = "nosniff"
    with service.hub.read(handoff) as reader, contextlib.suppress(ConnectionError):
        await response.prepare(request)
        # What happened before is read after listening has begun: nothing falls in between, doubles are left out.
        more = True
        while more:
            missed = await service.read(partial(service.store.events_after, after=last, handoff=handoff))
            more = len(missed) == EVENTS_AT_ONCE
            for one in missed:
                last = await _send(response, one, last)
        await response.write(b": alive\n\n")
        while request.transport is not None and not request.transport.is_closing():
            try:
                event = await reader.next(service.patience.alive_s)
            except (asyncio.TimeoutError, TimeoutError):
                await response.write(b": alive\n\n")
                continue
            last = await _send(response, event, last)
    return response


async def _send(response: web.StreamResponse, event: Mapping[str, Any], last: int) -> int:
    if event["seq"] > last:
        data = json.dumps(event, ensure_ascii=False)
        await response.write(f"id: {event['seq']}\ndata: {data}\n\n".encode())
    return max(last, int(event["seq"]))


async def sound(request: web.Request) -> web.StreamResponse:
    """The sound of a handoff, both ways, over a WebSocket."""
    service, caller, handoff = service_of(request), caller_of(request), request.match_info["id"]
    if request.headers.get("Upgrade", "").lower() != "websocket":
        raise Unfit("a WebSocket")
    name = caller.name if caller.role == "car" else _operator(request, request.query)

    def job(db: Any) -> None:
        _own(request, db)
        service.accounts.note(db, caller, "sound", handoff, name)

    await service.read(job)
    return await request.app[SOUNDS].serve(request, handoff, caller, name)


# ── coming in ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def login(request: web.Request) -> web.Response:
    service = service_of(request)
    body = fields(await body_of(request), name=str, password=str)
    name, address = body["name"][:40], request.remote or ""
    caller = Caller(name, "anonymous", address)
    if await service.read(lambda db: service.accounts.must_wait(db, name, address)):
        await service.read(lambda db: service.accounts.note(db, caller, "login_blocked"))
        return problem(429, "wait", "too many wrong passwords")
    kept = await service.read(lambda db: service.accounts.password_of(db, name))
    fits = await asyncio.get_running_loop().run_in_executor(None, password_fits, kept, body["password"][:200])
    if not fits:
        await service.read(lambda db: service.accounts.note(db, caller, "login_failed"))
        return problem(401, "refused", "name or password")

    def enter(db: Any) -> tuple[str, Caller]:
        token, _ = service.accounts.open_session(db, name)
        who = service.accounts.session(db, token, address)
        assert who is not None
        service.accounts.note(db, who, "login")
        return token, who

    token, who = await service.change(enter)
    response = answer({"name": who.name, "role": who.role, "csrf": who.csrf})
    response.set_cookie(COOKIE, token, httponly=True, samesite="Strict", path="/", secure=request.secure)
    return response


async def logout(request: web.Request) -> web.Response:
    service, token = service_of(request), request.cookies.get(COOKIE, "")

    def leave(db: Any) -> None:
        service.accounts.close_session(db, token)
        service.accounts.note(db, caller_of(request), "logout")

    await service.change(leave)
    response = answer({})
    response.del_cookie(COOKIE, path="/")
    return response


async def me(request: web.Request) -> web.Response:
    caller = caller_of(request)
    return answer({"name": caller.name, "role": caller.role, "csrf": caller.csrf})


async def phrases(_: web.Request) -> web.Response:
    return answer(_canned())


async def openapi(_: web.Request) -> web.Response:
    return answer(description())


async def packet_schema(_: web.Request) -> web.Response:
    return answer(packets.schema())


async def health(request: web.Request) -> web.Response:
    service = service_of(request)
    return answer({"status": "ok", "seq": await service.read(service.store.last_event)})


async def page(_: web.Request) -> web.StreamResponse:
    return web.FileResponse(PAGE / "index.html")


async def page_file(request: web.Request) -> web.StreamResponse:
    name = request.match_info["name"]
    if name not in {p.name for p in PAGE.iterdir() if p.is_file()}:
        raise NotThere(name)
    return web.FileResponse(PAGE / name)


@lru_cache(maxsize=1)
def _canned() -> dict[str, Any]:
    import yaml

    loaded: dict[str, Any] = yaml.safe_load(PHRASES.read_text(encoding="utf-8"))
    return loaded


_ONE = "/api/v1/handoffs/{id}"
ROUTES: tuple[tuple[str, str, Handler, frozenset[str]], ...] = (
    ("POST", "/api/v1/handoffs", submit, CAR),
    ("GET", "/api/v1/handoffs", queue, DESK),
    ("GET", _ONE, whole, DESK | CAR),
    ("GET", f"{_ONE}/events", stream_one, DESK | CAR),
    ("GET", f"{_ONE}/sound", sound, DESK | CAR),
    ("POST", f"{_ONE}/active", active, CAR),
    ("POST", f"{_ONE}/end", end, CAR),
    ("POST", f"{_ONE}/messages", say, DESK | CAR),
    ("POST", f"{_ONE}/pushes", push, DESK),
    ("POST", f"{_ONE}/pushes/{{push}}/answer", answer_push, CAR),
    ("POST", f"{_ONE}/claim", claim, DESK),
    ("POST", f"{_ONE}/decline", decline, DESK),
    ("POST", f"{_ONE}/return", give_back, DESK),
    ("POST", f"{_ONE}/hold", hold, DESK),
    ("POST", f"{_ONE}/transfer", transfer, SUPERVISOR),
    ("POST", f"{_ONE}/join", join, SUPERVISOR),
    ("GET", f"{_ONE}/export", export, PEOPLE),
    ("GET", "/api/v1/events", stream_all, DESK),
    ("GET", "/api/v1/search", search, PEOPLE),
    ("GET", "/api/v1/statistics", statistics, SUPERVISOR),
    ("GET", "/api/v1/audit", audit, SUPERVISOR),
    ("GET", "/api/v1/users", users, SUPERVISOR),
    ("DELETE", "/api/v1/drivers/{driver}", erase, SUPERVISOR | CAR),
    ("GET", "/api/v1/phrases", phrases, PEOPLE),
    ("GET", "/api/v1/me", me, PEOPLE),
    ("POST", "/api/v1/login", login, ANYBODY),
    ("POST", "/api/v1/logout", logout, PEOPLE),
    ("GET", "/api/v1/openapi.json", openapi, ANYBODY),
    ("GET", "/api/v1/packet.schema.json", packet_schema, ANYBODY),
    ("GET", "/healthz", health, ANYBODY),
    ("GET", "/desk", page, ANYBODY),
    ("GET", "/desk/{name}", page_file, ANYBODY),
)
FINAL_STATES = ",".join(state for state in STATES if state in FINAL)


SOUNDS: web.AppKey[Sounds] = web.AppKey("sounds", Sounds)


def application(service: Service, sounds: Sounds) -> web.Application:
    app = web.Application(middlewares=[guard], client_max_size=MAX_BODY)
    app[SERVICE] = service
    app[SOUNDS] = sounds
    for method, path, handler, roles in ROUTES:
        app.router.add_route(method, path, allow(handler, roles))
    return app
