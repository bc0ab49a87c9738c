"""Signed calls: who sends them, unchanged, and once.

Every call of a machine to the desk's API, and every webhook of the desk, carries four headers:

    X-Desk-Key        who signs
    X-Desk-Timestamp  seconds since 1970
    X-Desk-Nonce      random, never used again
    X-Desk-Signature  v1=<hex HMAC-SHA256 of method, path with query, timestamp, nonce and the body's SHA-256, a line each>

A timestamp further off than `WINDOW_S`, and a nonce seen before, are refused.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping

WINDOW_S = 300
"""how far a timestamp may be off; nonces are remembered that long on either side"""
KEY, TIMESTAMP, NONCE, SIGNATURE = "X-Desk-Key", "X-Desk-Timestamp", "X-Desk-Nonce", "X-Desk-Signature"


class BadSignature(Exception):
    """The call is not what it says: `str(error)` is missing, stale or wrong."""


def signature(secret: str, method: str, path: str, timestamp: str, nonce: str, body: bytes) -> str:
    text = "\n".join((method.upper(), path, timestamp, nonce, hashlib.sha256(body).hexdigest()))
    return "v1=" + hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def sign(
    key: str, secret: str, method: str, path: str, body: bytes = b"", *, now: float | None = None
) -> dict[str, str]:
    """Headers of a call; `path` is the URL's path with its query."""
    timestamp, nonce = str(int(time.time() if now is None else now)), secrets.token_urlsafe(18)
    return {
        KEY: key,
        TIMESTAMP: timestamp,
        NONCE: nonce,
        SIGNATURE: signature(secret, method, path, timestamp, nonce, body),
    }


def verify(
    secret: str, method: str, path: str, headers: Mapping[str, str], body: bytes, *, now: float | None = None
) -> str:
    """The nonce of a call that is rightly signed; whether it was seen before is for the caller to look up. Raises
    `BadSignature`."""
    timestamp, nonce, given = (headers.get(name, "") for name in (TIMESTAMP, NONCE, SIGNATURE))
    if not (timestamp.isascii() and timestamp.isdigit() and 8 <= len(nonce) <= 64 and given):
        raise BadSignature("missing")
    if abs((time.time() if now is None else now) - int(timestamp)) > WINDOW_S:
        raise BadSignature("stale")
    if not hmac.compare_digest(signature(secret, method, path, timestamp, nonce, body).encode(), given.encode()):
        raise BadSignature("wrong")
    return nonce
