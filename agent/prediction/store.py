"""What was learnt of each driver, in a database: drives, places, the record the prediction judges itself by.

SQLite by default, PostgreSQL by URL (SQLAlchemy). Erased means gone: SQLite overwrites what is deleted (`secure_delete`) and the
file is packed anew after an erasure. A file that cannot be read is set aside under another name and a new one begun.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np

from agent.prediction.errors import HistoryError
from agent.prediction.habits import SHAPE, columns
from agent.prediction.model import Trip
from agent.prediction.places import LearntPlace
from agent.prediction.predictor import Predictor

log = logging.getLogger(__name__)

STATE_KEY = "prediction"
"""row of `learnt` that holds calibration and trust"""


@dataclass(frozen=True, slots=True)
class Erased:
    """How much an erasure removed."""

    drives: int
    places: int
    other: int


class History:
    """Drives and places of every driver. Calls are short and synchronous; one at a time."""

    def __init__(self, url: str, *, now: Callable[[], datetime] | None = None) -> None:
        """`url`: "sqlite:///…/agentplus.sqlite", "sqlite://" (memory), "postgresql://…"; opened at first use."""
        self._url = url
        self._now = now or (lambda: datetime.now(timezone.utc))
        self._lock = threading.RLock()
        self._engine: Any = None
        self._tables: Any = None
        self.set_aside: Path | None = None
        """where an unreadable file was moved to, for somebody to be told"""
        self.told = False
        """whether the driver has heard of it"""

    # ── the prediction ──────────────────────────────────────────────────────────────────────────────────────────

    def load(self, driver: str) -> Predictor:
        """The predictor as it was saved: nothing is learnt anew. Raises `HistoryError`."""
        with self._begin() as db:
            drives, places = self._tables.drives, self._tables.places
            predictor = Predictor()
            for row in db.execute(places.select().where(places.c.driver == driver).order_by(places.c.id)):
                heirs = {int(heir): float(weight) for heir, weight in json.loads(row.heirs).items()}
                predictor.places.restore(
                    LearntPlace(row.id, row.latitude, row.longitude, row.visits, row.stops, row.doubt, heirs, row.name)
                )
            names = columns()
            wanted = [drives.c[name] for name in names] + [drives.c.shape]
            query = drives.select().with_only_columns(*wanted).where(drives.c.driver == driver).order_by(drives.c.n)
            for row in db.execute(query):
                shape = np.frombuffer(row.shape, np.float32).reshape(SHAPE, 2) if row.shape else None
                predictor.habits.restore(dict(zip(names, row, strict=False)), shape)
            self._restore_state(predictor, self._get(db, driver, STATE_KEY))
        return predictor

    def learn(self, driver: str, predictor: Predictor, trip: Trip) -> int:
        """The predictor learns a drive and it is saved, whole or not at all; returns the place it ended at."""
        before = [_changing(p) for p in predictor.places.places]
        place = predictor.learn(trip)
        with self._begin() as db:
            row, shape = predictor.habits.row(-1)
            db.execute(self._tables.drives.insert().values(driver=driver, shape=_blob(shape), **row))
            changed = [p for p in predictor.places.places if p.id >= len(before) or _changing(p) != before[p.id]]
            self._put_places(db, driver, changed)
            self._put(db, driver, STATE_KEY, _state(predictor))
        return place

    def save(self, driver: str, predictor: Predictor) -> None:
        """Writes everything of a driver's prediction anew (after an import or an erasure)."""
        with self._begin() as db:
            for table in (self._tables.drives, self._tables.places):
                db.execute(table.delete().where(table.c.driver == driver))
            rows = []
            for n in range(len(predictor.habits)):
                row, shape = predictor.habits.row(n)
                rows.append({"driver": driver, "shape": _blob(shape), **row})
            if rows:
                db.execute(self._tables.drives.insert(), rows)
            self._put_places(db, driver, predictor.places.places)
            self._put(db, driver, STATE_KEY, _state(predictor))

    def name_place(self, driver: str, place: int, name: str) -> None:
        places = self._tables_of().places
        with self._begin() as db:
            db.execute(places.update().where((places.c.driver == driver) & (places.c.id == place)).values(name=name))

    def fade(self, keep_days: int) -> int:
        """Forgets the geometry of drives older than the setting says; returns how many."""
        before = (self._now() - timedelta(days=keep_days)).timestamp()
        with self._begin() as db:
            drives = self._tables.drives
            old = (drives.c.end < before) & drives.c.shape.isnot(None)
            count = int(db.execute(drives.update().where(old).values(shape=None)).rowcount)
        if count:
            self.pack()
        return count

    def erase_place(self, driver: str, place: int) -> Predictor:
        """Erases a place with every drive to or from it; returns what is left. Other places' ids move up."""
        left = without(self.load(driver), place)
        self.save(driver, left)
        self.pack()
        return left

    def erase_drives(self, driver: str, origin: int, destination: int) -> Predictor:
        """Erases the drives from one place to another; returns what is left. A place nothing leads to any more goes with them."""
        left = without_drives(self.load(driver), origin, destination)
        self.save(driver, left)
        self.pack()
        return left

    def erase_between(self, driver: str, begin: datetime, end: datetime) -> Predictor:
        """Erases the drives that began within [begin, end); returns what is left."""
        predictor = self.load(driver)
        start = predictor.habits.start
        left = _left(predictor, (start < begin.timestamp()) | (start >= end.timestamp()), None)
        self.save(driver, left)
        self.pack()
        return left

    def erase(self, driver: str) -> Erased:
        """Erases everything of a driver."""
        with self._begin() as db:
            counts = [
                int(db.execute(table.delete().where(table.c.driver == driver)).rowcount)
                for table in (self._tables.drives, self._tables.places, self._tables.learnt)
            ]
        self.pack()
        return Erased(*counts)

    def version(self, driver: str) -> tuple[Any, ...]:
        """Changes when the record of a driver is changed, by whomever."""
        import sqlalchemy as sa

        with self._begin() as db:
            drives = self._tables.drives
            query = sa.select(sa.func.count(), sa.func.max(drives.c.n)).where(drives.c.driver == driver)
            return tuple(db.execute(query).one())

    # ── small things that are learnt ────────────────────────────────────────────────────────────────────────────

    def get(self, driver: str, key: str) -> Any:
        """A JSON value kept under a key, None when there is none."""
        with self._begin() as db:
            return self._get(db, driver, key)

    def put(self, driver: str, key: str, value: Any) -> None:
        """Keeps a JSON value; None erases it."""
        with self._begin() as db:
            self._put(db, driver, key, value)

    def everything(self, driver: str) -> dict[str, Any]:
        """All that is kept of a driver, as JSON: what `concierge profile export` writes."""
        with self._begin() as db:
            tables = self._tables
            out: dict[str, Any] = {"driver": driver}
            for name, table in (("places", tables.places), ("drives", tables.drives)):
                rows = []
                for row in db.execute(table.select().where(table.c.driver == driver)):
                    values = {k: v for k, v in row._mapping.items() if k not in ("driver", "shape", "n")}
                    if name == "drives":
                        for key in ("start", "end"):
                            values[key] = datetime.fromtimestamp(values[key], timezone.utc).isoformat()
                        shape = np.frombuffer(row.shape, np.float32).reshape(-1, 2) if row.shape else np.zeros((0, 2))
                        values["geometry"] = [[round(float(a), 6), round(float(b), 6)] for a, b in shape]
                    rows.append(values)
                out[name] = rows
            learnt = tables.learnt
            for row in db.execute(learnt.select().where(learnt.c.driver == driver)):
                out[row.key] = json.loads(row.value)
        return out

    def close(self) -> None:
        with self._lock:
            if self._engine is not None:
                self._engine.dispose()
                self._engine = None

    # ── inside ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _put_places(self, db: Any, driver: str, places: list[LearntPlace]) -> None:
        table = self._tables.places
        for p in places:
            values = {
                "latitude": p.latitude, "longitude": p.longitude, "visits": p.visits, "stops": p.stops,
                "doubt": p.doubt, "heirs": json.dumps(p.heirs), "name": p.name,
            }  # fmt: skip
            mine = (table.c.driver == driver) & (table.c.id == p.id)
            if not db.execute(table.update().where(mine).values(**values)).rowcount:
                db.execute(table.insert().values(driver=driver, id=p.id, **values))

    def _get(self, db: Any, driver: str, key: str) -> Any:
        learnt = self._tables.learnt
        row = db.execute(learnt.select().where((learnt.c.driver == driver) & (learnt.c.key == key))).first()
        return json.loads(row.value) if row is not None else None

    def _put(self, db: Any, driver: str, key: str, value: Any) -> None:
        learnt = self._tables.learnt
        mine = (learnt.c.driver == driver) & (learnt.c.key == key)
        db.execute(learnt.delete().where(mine))
        if value is not None:
            db.execute(learnt.insert().values(driver=driver, key=key, value=json.dumps(value, ensure_ascii=False)))

    def _restore_state(self, predictor: Predictor, state: Any) -> None:
        if not isinstance(state, Mapping):
            return
        predictor.calibration.restore([[(float(p), bool(hit)) for p, hit in seen] for seen in state["outcomes"]])
        predictor.trust = np.array(state["trust"], dtype=np.float64)
        predictor.road_trust = np.array(state["road_trust"], dtype=np.float64)

    @contextmanager
    def _begin(self) -> Iterator[Any]:
        """A transaction. Raises `HistoryError`; an unreadable file is set aside, and what was asked is asked again by the
        caller's next call on the new one."""
        from sqlalchemy.exc import DatabaseError, SQLAlchemyError

        with self._lock:
            try:
                self._check()
                with self._open().begin() as db:
                    yield db
            except DatabaseError as error:
                if self._unreadable(error):
                    self._put_aside()
                raise HistoryError(type(error).__name__) from error
            except (SQLAlchemyError, OSError, ValueError, KeyError, TypeError) as error:
                raise HistoryError(type(error).__name__) from error

    def _check(self) -> None:
        """At the first opening: is the file whole? A broken one is set aside before anything is asked of it."""
        from sqlalchemy.exc import DatabaseError

        if self._engine is not None:
            return
        try:
            with self._open().connect() as db:
                if self._url.startswith("sqlite") and db.exec_driver_sql("PRAGMA quick_check").scalar() != "ok":
                    self._put_aside()
        except DatabaseError as error:
            if not self._unreadable(error):
                raise
            self._put_aside()

    def _tables_of(self) -> Any:
        self._open()
        return self._tables

    def _open(self) -> Any:
        if self._engine is None:
            self._engine = self._connect()
        return self._engine

    def _connect(self) -> Any:
        import sqlalchemy as sa

        from agent.prediction.schema import tables

        path = self._path()
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        sqlite = self._url.startswith("sqlite")
        options: dict[str, Any] = {}
        if path is None and sqlite:
            options["poolclass"] = sa.pool.StaticPool
        if sqlite:
            options["connect_args"] = {"check_same_thread": False, "timeout": 2.0}
        engine = sa.create_engine(self._url, future=True, **options)
        if sqlite:
            sa.event.listen(engine, "connect", _overwrite)

        meta, self._tables = tables()
        try:
            meta.create_all(engine)
        except Exception:
            engine.dispose()
            raise
        return engine

    def pack(self) -> None:
        """SQLite's file anew, without the room of what was erased."""
        if self._url.startswith("sqlite"):
            with self._lock, self._open().connect().execution_options(isolation_level="AUTOCOMMIT") as db:
                db.exec_driver_sql("VACUUM")

    def _path(self) -> Path | None:
        if not self._url.startswith("sqlite:///") or self._url == "sqlite:///:memory:":
            return None
        return Path(self._url.removeprefix("sqlite:///").partition("?")[0])

    def _unreadable(self, error: Exception) -> bool:
        said = str(getattr(error, "orig", error)).lower()
        return self._path() is not None and any(w in said for w in ("malformed", "not a database", "corrupt"))

    def _put_aside(self) -> None:
        self.close()
        path = self._path()
        if path is None or not path.exists():
            return
        aside = path.with_name(f"{path.name}.broken-{self._now():%Y%m%dT%H%M%S}")
        path.replace(aside)
        self.set_aside = aside
        log.warning("%s could not be read; set aside as %s, and a new one begun", path.name, aside.name)


def without(predictor: Predictor, place: int) -> Predictor:
    """A predictor that never knew a place: its drives are gone, and so is what was concluded from them."""
    habits = predictor.habits
    return _left(predictor, (habits.origin != place) & (habits.destination != place), place)


def without_drives(predictor: Predictor, origin: int, destination: int) -> Predictor:
    """A predictor that never saw the drives from one place to another."""
    habits = predictor.habits
    return _left(predictor, (habits.origin != origin) | (habits.destination != destination), None)


def _left(predictor: Predictor, stay: Any, gone: int | None) -> Predictor:
    """The predictor with the drives that `stay` (n,), their places, and without the place `gone`."""
    habits, count = predictor.habits, len(predictor.places)
    visits = np.bincount(habits.destination[stay], minlength=count)
    stops = visits + np.bincount(habits.origin[stay], minlength=count)
    # Places somebody has named stay, whatever happened to the drives.
    kept = [p for p in predictor.places.places if p.id != gone and (stops[p.id] or p.name)]
    moved = {old.id: n for n, old in enumerate(kept)}
    left = Predictor(predictor.tuning)
    for old in kept:
        heirs = {moved[heir]: weight for heir, weight in old.heirs.items() if heir in moved}
        left.places.restore(
            LearntPlace(
                moved[old.id], old.latitude, old.longitude, int(visits[old.id]), int(stops[old.id]), old.doubt, heirs,
                old.name,
            )
        )  # fmt: skip
    for n in np.flatnonzero(stay):
        row, shape = habits.row(int(n))
        left.habits.restore({**row, "origin": moved[row["origin"]], "destination": moved[row["destination"]]}, shape)
    left.calibration.restore(predictor.calibration.outcomes())
    return left


def _changing(place: LearntPlace) -> tuple[Any, ...]:
    """What of a place a drive may change."""
    return place.latitude, place.longitude, place.doubt, dict(place.heirs)


def _state(predictor: Predictor) -> dict[str, Any]:
    return {
        "outcomes": [[[round(p, 4), int(hit)] for p, hit in seen] for seen in predictor.calibration.outcomes()],
        "trust": [round(float(v), 4) for v in predictor.trust],
        "road_trust": [round(float(v), 4) for v in predictor.road_trust],
    }


def _overwrite(connection: Any, _: Any) -> None:
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("PRAGMA synchronous = NORMAL")


def _blob(shape: Any) -> bytes | None:
    return None if shape is None else bytes(np.asarray(shape, np.float32).tobytes())
