"""The desk's tables. `migrations/` makes them; a test holds the two together."""

from __future__ import annotations

import sqlalchemy as sa

META = sa.MetaData()

handoffs = sa.Table(
    "handoffs",
    META,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("client", sa.String(80), nullable=False),
    sa.Column("driver", sa.String(200), nullable=False, index=True),
    sa.Column("plate", sa.String(40)),
    sa.Column("reason", sa.String(40), nullable=False),
    sa.Column("language", sa.String(2), nullable=False),
    sa.Column("test", sa.Boolean, nullable=False),
    sa.Column("state", sa.String(20), nullable=False, index=True),
    sa.Column("operator", sa.String(80)),
    sa.Column("joined", sa.String(80)),
    sa.Column("hold", sa.Boolean, nullable=False),
    sa.Column("created_at", sa.DateTime, nullable=False),
    sa.Column("queued_at", sa.DateTime),
    sa.Column("accepted_at", sa.DateTime),
    sa.Column("active_at", sa.DateTime),
    sa.Column("ended_at", sa.DateTime, index=True),
    sa.Column("outcome_reason", sa.Text),
    sa.Column("note", sa.Text),
    sa.Column("packet", sa.Text, nullable=False),
    sa.Column("digest", sa.String(80), nullable=False),
    # How often it stood in the queue: again when its operator was lost.
    sa.Column("calls", sa.Integer, nullable=False, server_default="1"),
)
events = sa.Table(
    "desk_events",
    META,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("handoff", sa.String(64), nullable=False),
    sa.Column("at", sa.DateTime, nullable=False),
    sa.Column("type", sa.String(20), nullable=False),
    sa.Column("data", sa.Text, nullable=False),
    sa.Index("desk_events_of", "handoff", "seq"),
    # Without it SQLite gives the numbers of erased events away again.
    sqlite_autoincrement=True,
)
messages = sa.Table(
    "messages",
    META,
    sa.Column("n", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(140), nullable=False, unique=True),
    sa.Column("handoff", sa.String(64), nullable=False),
    sa.Column("at", sa.String(40), nullable=False),
    sa.Column("received_at", sa.DateTime, nullable=False),
    sa.Column("speaker", sa.String(10), nullable=False),
    sa.Column("author", sa.String(80)),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("folded", sa.Text, nullable=False),
    sa.Column("language", sa.String(2), nullable=False),
    sa.Column("confidence", sa.Float(53)),
    sa.Column("corrects", sa.Integer),
    sa.Column("urgent", sa.Boolean, nullable=False),
    sa.Column("before", sa.Boolean, nullable=False),
    # Said into a microphone of the desk, and heard by the driver as sound.
    sa.Column("spoken", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Index("messages_of", "handoff", "n"),
)
grams = sa.Table(
    "message_grams",
    META,
    sa.Column("gram", sa.String(2), primary_key=True),
    sa.Column("message", sa.Integer, primary_key=True),
    sa.Index("message_grams_of", "message"),
)
pushes = sa.Table(
    "pushes",
    META,
    sa.Column("id", sa.String(140), primary_key=True),
    sa.Column("handoff", sa.String(64), nullable=False, index=True),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("data", sa.Text, nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("detail", sa.Text),
    sa.Column("author", sa.String(80), nullable=False),
    sa.Column("at", sa.DateTime, nullable=False),
    sa.Column("answered_at", sa.DateTime),
)
users = sa.Table(
    "users",
    META,
    sa.Column("name", sa.String(80), primary_key=True),
    sa.Column("password", sa.String(200), nullable=False),
    sa.Column("role", sa.String(20), nullable=False),
    sa.Column("created_at", sa.DateTime, nullable=False),
)
sessions = sa.Table(
    "sessions",
    META,
    sa.Column("token", sa.String(64), primary_key=True),
    sa.Column("user", sa.String(80), nullable=False),
    sa.Column("csrf", sa.String(64), nullable=False),
    sa.Column("expires_at", sa.DateTime, nullable=False),
)
clients = sa.Table(
    "clients",
    META,
    sa.Column("key", sa.String(80), primary_key=True),
    sa.Column("secret", sa.String(120), nullable=False),
    sa.Column("role", sa.String(20), nullable=False),
    sa.Column("webhook", sa.Text),
    sa.Column("webhook_seq", sa.Integer, nullable=False),
)
nonces = sa.Table(
    "nonces",
    META,
    sa.Column("nonce", sa.String(160), primary_key=True),
    sa.Column("at", sa.DateTime, nullable=False, index=True),
)
audit = sa.Table(
    "audit",
    META,
    sa.Column("n", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("at", sa.DateTime, nullable=False, index=True),
    sa.Column("actor", sa.String(80), nullable=False),
    sa.Column("role", sa.String(20), nullable=False),
    sa.Column("action", sa.String(40), nullable=False),
    sa.Column("handoff", sa.String(64)),
    sa.Column("address", sa.String(80)),
    sa.Column("detail", sa.Text),
    sa.Index("audit_logins", "action", "actor", "at"),
    sqlite_autoincrement=True,
)
