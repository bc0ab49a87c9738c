"""Who may come in: operators with passwords and sessions, machines with signatures, and the log of who did what."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa

from agent.desk import tables as t
from agent.desk.database import shown, stored, utc_now
from agent.desk.errors import Conflict, Unfit
from agent.desk.prepared import Prepared, inserting
from backends.signing import WINDOW_S

Role = Literal["anonymous", "car", "connector", "operator", "supervisor"]
SESSION_HOURS = 12
FAILURES = 5
"""wrong passwords a name or an address may give within `FAILURES_WITHIN` before it has to wait"""
FAILURES_WITHIN = timedelta(minutes=5)
PASSWORD_LEAST = 10
_CLIENT = Prepared(t.clients.select().where(t.clients.c.key == sa.bindparam("wanted")))
_NONCE = inserting(t.nonces, "nonce", "at")
_NOTE = inserting(t.audit, "at", "actor", "role", "action", "handoff", "address", "detail")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks."""

    name: str
    role: Role
    address: str = ""
    csrf: str = ""

    @property
    def person(self) -> bool:
        return self.role in ("operator", "supervisor")


class Accounts:
    def __init__(self, now: Callable[[], datetime] = utc_now) -> None:
        self._now = now

    # ── people ──────────────────────────────────────────────────────────────────────────────────────────────────

    def add_user(self, db: Any, name: str, password: str, role: str) -> None:
        """A new operator or supervisor, or a new password and role for one. Raises `Unfit`."""
        if role not in ("operator", "supervisor"):
            raise Unfit("role must be operator or supervisor")
        if not name or len(name) > 40 or not name.isprintable() or ":" in name:
            raise Unfit("a name has 1 to 40 printable characters, no colon")
        if not PASSWORD_LEAST <= len(password) <= 200:
            raise Unfit(f"a password has at least {PASSWORD_LEAST} characters")
        db.execute(t.users.delete().where(t.users.c.name == name))
        db.execute(t.sessions.delete().where(t.sessions.c.user == name))
        db.execute(
            t.users.insert().values(
                name=name, password=hash_password(password), role=role, created_at=stored(self._now())
            )
        )

    def users(self, db: Any) -> list[dict[str, str]]:
        return [{"name": row.name, "role": row.role} for row in db.execute(t.users.select().order_by(t.users.c.name))]

    def password_of(self, db: Any, name: str) -> str | None:
        return db.execute(sa.select(t.users.c.password).where(t.users.c.name == name)).scalar()  # type: ignore[no-any-return]

    def must_wait(self, db: Any, name: str, address: str) -> bool:
        """Whether too many wrong passwords were given for this name or from this address."""
        since = stored(self._now() - FAILURES_WITHIN)
        failed = (t.audit.c.action == "login_failed") & (t.audit.c.at > since)
        count = sa.select(sa.func.count()).select_from(t.audit)
        by_name = db.execute(count.where(failed & (t.audit.c.actor == name))).scalar()
        by_address = db.execute(count.where(failed & (t.audit.c.address == address))).scalar()
        return bool(by_name >= FAILURES or by_address >= 4 * FAILURES)

    def open_session(self, db: Any, name: str) -> tuple[str, str]:
        """(token for the cookie, CSRF token)"""
        token, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(24)
        now = self._now()
        db.execute(t.sessions.delete().where(t.sessions.c.expires_at < stored(now)))
        db.execute(
            t.sessions.insert().values(
                token=_hashed(token), user=name, csrf=csrf, expires_at=stored(now + timedelta(hours=SESSION_HOURS))
            )
        )
        return token, csrf

    def session(self, db: Any, token: str, address: str) -> Caller | None:
        row = db.execute(
            sa.select(t.users.c.name, t.users.c.role, t.sessions.c.csrf)
            .join(t.users, t.users.c.name == t.sessions.c.user)
            .where(t.sessions.c.token == _hashed(token), t.sessions.c.expires_at > stored(self._now()))
        ).first()
        return Caller(row.name, row.role, address, row.csrf) if row is not None else None

    def close_session(self, db: Any, token: str) -> None:
        db.execute(t.sessions.delete().where(t.sessions.c.token == _hashed(token)))

    # ── machines ────────────────────────────────────────────────────────────────────────────────────────────────

    def add_client(self, db: Any, key: str, role: str, secret: str | None = None, webhook: str | None = None) -> str:
        """A car or a call centre; returns its secret. A known key gets the new secret and webhook."""
        if role not in ("car", "connector"):
            raise Unfit("role must be car or connector")
        if not key or len(key) > 40 or not key.isascii() or not key.replace("-", "").replace("_", "").isalnum():
            raise Unfit("a key has 1 to 40 letters, digits, - and _")
        secret = secret or secrets.token_urlsafe(32)
        last = int(db.execute(sa.select(sa.func.max(t.events.c.seq))).scalar() or 0)
        db.execute(t.clients.delete().where(t.clients.c.key == key))
        db.execute(
            t.clients.insert().values(key=key, secret=secret, role=role, webhook=webhook or None, webhook_seq=last)
        )
        return secret

    def client(self, db: Any, key: str) -> Any:
        return _CLIENT(db, wanted=key).first()

    def use_nonce(self, db: Any, key: str, nonce: str) -> None:
        """Raises `Conflict` for one seen before; the database remembers, so a restart does not forget."""
        try:
            _NONCE(db, nonce=f"{key}:{nonce}", at=stored(self._now()))
        except sa.exc.IntegrityError:
            raise Conflict("replayed") from None

    def forget_nonces(self, db: Any) -> None:
        db.execute(t.nonces.delete().where(t.nonces.c.at < stored(self._now() - timedelta(seconds=3 * WINDOW_S))))

    # ── the log ─────────────────────────────────────────────────────────────────────────────────────────────────

    def note(self, db: Any, caller: Caller, action: str, handoff: str | None = None, detail: str = "") -> None:
        _NOTE(
            db,
            at=stored(self._now()),
            actor=caller.name[:80],
            role=caller.role,
            action=action,
            handoff=handoff,
            address=caller.address[:80],
            detail=detail[:500] or None,
        )

    def audit(self, db: Any, limit: int = 500, handoff: str | None = None) -> list[dict[str, Any]]:
        """Newest first."""
        query = t.audit.select().order_by(t.audit.c.n.desc()).limit(limit)
        if handoff is not None:
            query = query.where(t.audit.c.handoff == handoff)
        keys = ("actor", "role", "action", "handoff", "address", "detail")
        return [{"at": shown(row.at), **{key: getattr(row, key) for key in keys}} for row in db.execute(query)]


def hash_password(password: str) -> str:
    from argon2 import PasswordHasher

    return PasswordHasher().hash(password)


_NOBODY: list[str] = []
"""the hash a wrong name is checked against, made at first use"""


def password_fits(kept: str | None, given: str) -> bool:
    """Takes as long for a name that does not exist (argon2; run it off the event loop)."""
    from argon2 import PasswordHasher
    from argon2.exceptions import Argon2Error, InvalidHashError

    if kept is None and not _NOBODY:
        _NOBODY.append(hash_password(secrets.token_urlsafe()))
    try:
        fits = PasswordHasher().verify(kept if kept is not None else _NOBODY[0], given)
    except (Argon2Error, InvalidHashError):
        return False
    return bool(fits) and kept is not None


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
