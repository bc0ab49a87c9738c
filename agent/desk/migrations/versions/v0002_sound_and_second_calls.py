"""Lines that were spoken; handoffs that were called a second time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # SQLite adds columns with a default in place; copying a long archive for it would take its time.
    op.add_column("messages", sa.Column("spoken", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("handoffs", sa.Column("calls", sa.Integer, nullable=False, server_default="1"))


def downgrade() -> None:
    with op.batch_alter_table("messages") as table:
        table.drop_column("spoken")
    with op.batch_alter_table("handoffs") as table:
        table.drop_column("calls")
