"""Statements put together once do what SQLAlchemy's own do, on each kind of database."""

from __future__ import annotations

from datetime import datetime

import pytest
import sqlalchemy as sa

from agent.desk import tables as t
from agent.desk.database import connect
from agent.desk.prepared import Prepared, inserting

AT = datetime(2026, 5, 11, 1, 2, 3, 456000)


def test_times_and_truths_come_out_as_they_went_in() -> None:
    engine = connect("sqlite://")
    t.META.create_all(engine)
    add = inserting(t.users, "name", "password", "role", "created_at")
    with engine.begin() as db:
        add(db, name="a", password="'); DROP TABLE users; --", role="operator", created_at=AT)
        row = db.execute(t.users.select()).one()
        assert (row.name, row.password, row.created_at) == ("a", "'); DROP TABLE users; --", AT)
        by_time = Prepared(sa.select(t.users.c.name).where(t.users.c.created_at <= sa.bindparam("at", type_=sa.DateTime), t.users.c.role == "operator"))  # fmt: skip
        assert by_time(db, at=AT).scalar() == "a"
        assert by_time(db, at=datetime(2020, 1, 1)).scalar() is None
        with pytest.raises(sa.exc.IntegrityError):
            add(db, name="a", password="x", role="operator", created_at=AT)
    engine.dispose()


def test_each_kind_of_database_gets_its_own_words() -> None:
    from sqlalchemy.dialects import postgresql, sqlite

    class Db:
        def __init__(self, dialect: object) -> None:
            self.dialect = dialect
            self.asked: tuple[str, object] = ("", None)

        def exec_driver_sql(self, text: str, values: object) -> None:
            self.asked = (text, values)

    find = Prepared(sa.select(t.clients.c.secret).where(t.clients.c.key == sa.bindparam("key"), t.clients.c.role == "car"))  # fmt: skip
    one, other = Db(sqlite.dialect()), Db(postgresql.dialect())
    for db in (one, other, one):
        find(db, key="k")
    assert one.asked[1] == ("k", "car")
    assert other.asked[1] == {"key": "k", "role_1": "car"}
    assert "%(key)s" in other.asked[0]
