"""Who may come in: by Host, by Origin, and beyond loopback by token; and what a browser is told not to do with the page.

The token leaves the address at once: the first visit (`/?token=…`) sets a cookie of it and goes on without. Programs send it as
`Authorization: Bearer …`; in the query (`/ws?token=…`) it is still taken from those that can send no header.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from agent.settings import Settings

LOOPBACK_NAMES: Final = frozenset({"127.0.0.1", "localhost", "::1"})
COOKIE_DAYS: Final = 30
_CSP = (
    "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self' {socket}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=(), display-capture=(), payment=(), usb=()",
}
_WRONG_TOKEN = (
    "この画面を開くには合言葉（token）が要ります。起動時に表示されたアドレスを開いてください。\n"
    "This page needs its token: open the address that was shown when the concierge was started.\n"
)


def cookie_name(port: int) -> str:
    """Cookies know no ports: two concierges on one machine keep theirs apart by name."""
    return f"concierge_{port}"


def cookie_value(token: str) -> str:
    """What the cookie holds: made of the token, so that it survives a restart and does not tell it."""
    return hmac.new(token.encode(), b"concierge page", hashlib.sha256).hexdigest()


def check(request: web.Request, settings: Settings, port: int) -> web.StreamResponse | None:
    """Raises an HTTP error for whom may not come in; returns a response for a first visit with the token."""
    host = _name_of(request.host)
    if settings.loopback and not settings.token and host not in LOOPBACK_NAMES:
        raise web.HTTPMisdirectedRequest(text="unknown host\n")
    socket = request.path == "/ws"
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != request.host:
        raise web.HTTPForbidden(text="foreign origin\n")
    if socket and origin is None and _is_browser(request):
        # A browser always names the page that opens a socket; who hides it is no program of ours.
        raise web.HTTPForbidden(text="no origin\n")
    if request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site") and not _is_visit(request):
        raise web.HTTPForbidden(text="asked by another page\n")
    if not settings.token or request.path == "/healthz" or request.path.startswith("/page/"):
        return None
    return _token(request, settings.token, port, socket)


def _token(request: web.Request, token: str, port: int, socket: bool) -> web.StreamResponse | None:
    name = cookie_name(port)
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and _same(bearer.strip(), token):
        return None
    given = request.query.get("token")
    if given is not None and _same(given, token):
        if socket:
            return None
        if request.path == "/":
            return _first_visit(request, name, cookie_value(token))
    if _same(request.cookies.get(name, ""), cookie_value(token)):
        return None
    raise web.HTTPUnauthorized(text=_WRONG_TOKEN, headers={"WWW-Authenticate": "Bearer"})


def _first_visit(request: web.Request, name: str, value: str) -> web.StreamResponse:
    """The cookie, and on to the page without the token in its address."""
    response = web.Response(status=303, headers={"Location": "/"})
    if request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site"):
        # From a link elsewhere a strict cookie does not go along a redirect; a page of our own that goes on takes it.
        response = web.Response(headers={"Refresh": "0; url=/"})
    response.set_cookie(
        name, value, max_age=COOKIE_DAYS * 86_400, path="/", httponly=True, samesite="Strict", secure=request.secure
    )
    return response


def harden(response: web.StreamResponse, host: str) -> None:
    """Tells the browser what this page never does."""
    response.headers.update(_HEADERS)
    response.headers["Content-Security-Policy"] = _CSP.format(socket=f"ws://{host} wss://{host}")


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())


def _name_of(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_browser(request: web.Request) -> bool:
    headers = request.headers
    return (
        any(name.lower().startswith("sec-fetch-") for name in headers)
        or headers.get("User-Agent", "").startswith("Mozilla/")
        or "Cookie" in headers
    )


def _is_visit(request: web.Request) -> bool:
    """Somebody follows a link to the page; nothing else is asked for from elsewhere."""
    return request.path == "/" and request.headers.get("Sec-Fetch-Mode") == "navigate"


class Allowance:
    """So many messages a second, and so many at once; `now` gives seconds."""

    def __init__(self, per_s: float, at_once: float, *, now: Callable[[], float] = time.monotonic) -> None:
        self._per_s, self._most, self._now = per_s, at_once, now
        self._left, self._at = at_once, now()
        self.refused = 0
        """since the sender was last calm"""

    def take(self) -> bool:
        now = self._now()
        self._left = min(self._most, self._left + (now - self._at) * self._per_s)
        self._at = now
        if self._left < 1:
            self.refused += 1
            return False
        if self._left > self._most / 2:
            self.refused = 0
        self._left -= 1
        return True
