"""Statements that are put together once. Most of the time of a short statement goes into building and keying it anew, not into
the database; those every call needs are kept in their database's own words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa


class Prepared:
    """One statement with `sa.bindparam`s. Rows come as the driver gives them: no types of SQLAlchemy on the way back."""

    def __init__(self, statement: Any) -> None:
        self._statement = statement
        self._made: dict[str, _Made] = {}
        """by dialect"""

    def __call__(self, db: Any, **values: Any) -> Any:
        """Executes it on the open connection."""
        made = self._made.get(db.dialect.name) or self._make(db.dialect, values)
        ready = dict(made.constants)
        for name, value in values.items():
            processor = made.processors.get(name)
            ready[name] = value if processor is None else processor(value)
        return db.exec_driver_sql(made.text, ready if made.order is None else tuple(ready[name] for name in made.order))

    def _make(self, dialect: Any, values: dict[str, Any]) -> _Made:
        compiled = self._statement.compile(dialect=dialect, column_keys=list(values))
        processors = {}
        for bound, name in compiled.bind_names.items():
            # As SQLAlchemy itself would: a time as SQLite's text, a truth as a number.
            processor = bound.type.dialect_impl(dialect).bind_processor(dialect)
            if processor is not None:
                processors[name] = processor
        constants = {
            name: processors[name](value) if name in processors else value
            for name, value in compiled.params.items()
            if name not in values
        }
        order = tuple(compiled.positiontup) if compiled.positional else None
        made = self._made[dialect.name] = _Made(str(compiled), order, processors, constants)
        return made


@dataclass(frozen=True, slots=True)
class _Made:
    """A statement in the words of one kind of database."""

    text: str
    order: tuple[str, ...] | None
    """of the parameters; None: they go by name"""
    processors: Mapping[str, Callable[[Any], Any]]
    """what makes a value ready for the driver"""
    constants: Mapping[str, Any]


def inserting(table: sa.Table, *columns: str) -> Prepared:
    """A row with these columns."""
    return Prepared(table.insert().values({name: sa.bindparam(name, type_=table.c[name].type) for name in columns}))
