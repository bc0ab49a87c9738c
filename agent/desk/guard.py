"""Who may do what: authentication, cross-origin and replay checks before any handler; what is refused is logged."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from urllib.parse import urlsplit

from aiohttp import web

from agent.desk.accounts import Caller
from agent.desk.errors import Conflict, DeskError
from agent.desk.service import Service
from backends.signing import KEY, BadSignature, verify

log = logging.getLogger(__name__)
SERVICE: web.AppKey[Service] = web.AppKey("service", Service)
COOKIE = "desk_session"
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self' {socket}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
ANYBODY = frozenset({"anonymous", "car", "connector", "operator", "supervisor"})


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        response = await handler(request)
    except DeskError as error:
        response = problem(error.status, error.code, str(error))
    except web.HTTPException as error:
        response = problem(error.status, "http", error.reason)
    except ConnectionError:
        raise
    except Exception:
        # The database is away, or something nobody foresaw: the caller may try again, the log has the trace.
        log.exception("%s %s broke", request.method, request.match_info.route.resource)
        response = problem(503, "unavailable")
    if not response.prepared:
        response.headers.update(HEADERS)
        # "self" is the page's own scheme; not every browser takes it for its WebSockets too.
        socket = f"ws://{request.host} wss://{request.host}" if _is_loopback(request) else ""
        response.headers["Content-Security-Policy"] = HEADERS["Content-Security-Policy"].format(socket=socket)
    return response


def allow(handler: Handler, roles: frozenset[str]) -> Handler:
    """`handler` for callers of these roles."""

    async def guarded(request: web.Request) -> web.StreamResponse:
        address = request.remote or ""
        if not _is_loopback(request):
            return await _refuse(request, Caller("?", "anonymous", address), 421, "unknown host")
        if (why := _foreign(request)) is not None:
            return await _refuse(request, Caller("?", "anonymous", address), 403, why)
        caller = await _caller(request, address)
        if isinstance(caller, web.Response):
            return caller
        if caller.role not in roles:
            status = 401 if caller.role == "anonymous" else 403
            return await _refuse(request, caller, status, "not logged in" if status == 401 else "role")
        if caller.person and not _is_from_its_page(request, caller):
            return await _refuse(request, caller, 403, "csrf")
        request["caller"] = caller
        return await handler(request)

    return guarded


def _is_from_its_page(request: web.Request, caller: Caller) -> bool:
    """Whether what a person asks for was asked by the page that knows the session's CSRF token. A browser's WebSocket takes no
    headers: the token is among its protocols, and there is always an origin."""
    if request.headers.get("Upgrade", "").lower() == "websocket":
        offered = [name.strip() for name in request.headers.get("Sec-WebSocket-Protocol", "").split(",")]
        return "Origin" in request.headers and caller.csrf in offered
    return request.method in ("GET", "HEAD") or request.headers.get("X-CSRF-Token") == caller.csrf


def _is_loopback(request: web.Request) -> bool:
    return request.host.rsplit(":", 1)[0] in LOOPBACK_NAMES


def problem(status: int, code: str, detail: str = "") -> web.Response:
    return web.json_response({"error": code, "detail": detail}, status=status)


def _foreign(request: web.Request) -> str | None:
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != request.host:
        return "foreign origin"
    site = request.headers.get("Sec-Fetch-Site")
    # A link to the page may be followed from anywhere; everything else comes from the page itself. The same host on another
    # port (the driver's page) counts as the same site, and shares its cookies.
    if site in ("cross-site", "same-site") and not (request.method == "GET" and request.path == "/desk"):
        return site
    return None


async def _caller(request: web.Request, address: str) -> Caller | web.Response:
    service = request.app[SERVICE]
    key = request.headers.get(KEY)
    if key is not None:
        return await _machine(request, key, address)
    token = request.cookies.get(COOKIE)
    if token:
        person = await service.read(lambda db: service.accounts.session(db, token, address))
        if person is not None:
            return person
    return Caller("?", "anonymous", address)


async def _machine(request: web.Request, key: str, address: str) -> Caller | web.Response:
    service = request.app[SERVICE]
    body = await request.read()
    unknown = Caller(key[:40], "anonymous", address)

    def check(db: object) -> Caller:
        client = service.accounts.client(db, key)
        if client is None:
            raise BadSignature("unknown key")
        nonce = verify(client.secret, request.method, request.path_qs, request.headers, body)
        service.accounts.use_nonce(db, key, nonce)
        return replace(unknown, role=client.role)

    try:
        return await service.read(check)
    except BadSignature as error:
        return await _refuse(request, unknown, 401, f"signature {error}")
    except Conflict:
        return await _refuse(request, unknown, 401, "replayed")


async def _refuse(request: web.Request, caller: Caller, status: int, why: str) -> web.Response:
    service = request.app[SERVICE]
    detail = f"{request.method} {request.path[:200]}: {why}"
    # A page without login asks once whether it has one: that is no attack.
    if not (status == 401 and request.path == "/api/v1/me"):
        await service.read(lambda db: service.accounts.note(db, caller, "refused", detail=detail))
    return problem(status, "refused", why)
