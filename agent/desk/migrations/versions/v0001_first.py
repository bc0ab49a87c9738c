"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "handoffs",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("client", sa.String(80), nullable=False),
        sa.Column("driver", sa.String(200), nullable=False),
        sa.Column("plate", sa.String(40)),
        sa.Column("reason", sa.String(40), nullable=False),
        sa.Column("language", sa.String(2), nullable=False),
        sa.Column("test", sa.Boolean, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("operator", sa.String(80)),
        sa.Column("joined", sa.String(80)),
        sa.Column("hold", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("queued_at", sa.DateTime),
        sa.Column("accepted_at", sa.DateTime),
        sa.Column("active_at", sa.DateTime),
        sa.Column("ended_at", sa.DateTime),
        sa.Column("outcome_reason", sa.Text),
        sa.Column("note", sa.Text),
        sa.Column("packet", sa.Text, nullable=False),
        sa.Column("digest", sa.String(80), nullable=False),
    )
    for column in ("driver", "state", "ended_at"):
        op.create_index(f"ix_handoffs_{column}", "handoffs", [column])
    op.create_table(
        "desk_events",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("handoff", sa.String(64), nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("type", sa.String(20), nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("desk_events_of", "desk_events", ["handoff", "seq"])
    op.create_table(
        "messages",
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
    )
    op.create_index("messages_of", "messages", ["handoff", "n"])
    op.create_table(
        "message_grams",
        sa.Column("gram", sa.String(2), primary_key=True),
        sa.Column("message", sa.Integer, primary_key=True),
    )
    op.create_index("message_grams_of", "message_grams", ["message"])
    op.create_table(
        "pushes",
        sa.Column("id", sa.String(140), primary_key=True),
        sa.Column("handoff", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("detail", sa.Text),
        sa.Column("author", sa.String(80), nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("answered_at", sa.DateTime),
    )
    op.create_index("ix_pushes_handoff", "pushes", ["handoff"])
    op.create_table(
        "users",
        sa.Column("name", sa.String(80), primary_key=True),
        sa.Column("password", sa.String(200), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "sessions",
        sa.Column("token", sa.String(64), primary_key=True),
        sa.Column("user", sa.String(80), nullable=False),
        sa.Column("csrf", sa.String(64), nullable=False),
        sa.Column("expires_at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "clients",
        sa.Column("key", sa.String(80), primary_key=True),
        sa.Column("secret", sa.String(120), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("webhook", sa.Text),
        sa.Column("webhook_seq", sa.Integer, nullable=False),
    )
    op.create_table(
        "nonces",
        sa.Column("nonce", sa.String(160), primary_key=True),
        sa.Column("at", sa.DateTime, nullable=False),
    )
    op.create_index("ix_nonces_at", "nonces", ["at"])
    op.create_table(
        "audit",
        sa.Column("n", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("action", sa.String(40), nullable=False),
        sa.Column("handoff", sa.String(64)),
        sa.Column("address", sa.String(80)),
        sa.Column("detail", sa.Text),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_at", "audit", ["at"])
    op.create_index("audit_logins", "audit", ["action", "actor", "at"])


def downgrade() -> None:
    for name in (
        "audit", "nonces", "clients", "sessions", "users", "pushes", "message_grams", "messages", "desk_events", "handoffs",
    ):  # fmt: skip
        op.drop_table(name)
