"""Tables of what was learnt."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from agent.prediction.habits import columns


def tables() -> tuple[Any, Any]:
    """(metadata, the tables by name): drives, places, learnt, profiles."""
    import sqlalchemy as sa

    meta = sa.MetaData()
    kinds = {"int": sa.Integer, "float": sa.Float(53), "bool": sa.Boolean}
    drives = sa.Table(
        "drives",
        meta,
        sa.Column("n", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("driver", sa.String(200), nullable=False, index=True),
        *(sa.Column(name, kinds[kind], nullable=False) for name, kind in columns().items()),
        sa.Column("shape", sa.LargeBinary),
    )
    places = sa.Table(
        "places",
        meta,
        sa.Column("driver", sa.String(200), primary_key=True),
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("latitude", sa.Float(53), nullable=False),
        sa.Column("longitude", sa.Float(53), nullable=False),
        sa.Column("visits", sa.Integer, nullable=False),
        sa.Column("stops", sa.Integer, nullable=False),
        sa.Column("doubt", sa.Float(53), nullable=False),
        sa.Column("heirs", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
    )
    learnt = sa.Table(
        "learnt",
        meta,
        sa.Column("driver", sa.String(200), primary_key=True),
        sa.Column("key", sa.String(40), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    return meta, SimpleNamespace(drives=drives, places=places, learnt=learnt)
