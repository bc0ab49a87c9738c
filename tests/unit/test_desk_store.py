"""The desk's store: states, compare-and-set, idempotence, archive, accounts, migrations."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.desk import tables as t
from agent.desk.accounts import Accounts, Caller, password_fits
from agent.desk.archive import Archive, as_csv, as_html, safe_cell
from agent.desk.database import connect, migrate
from agent.desk.document import kinds, pushed
from agent.desk.errors import Conflict, DeskError, NotThere, Refused, Unfit
from agent.desk.states import FINAL, STATES, WAYS
from agent.desk.store import Store
from tests import postgres
from tests.fakes_desk import packet


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 5, 11, 1, 0, tzinfo=timezone.utc)

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now


class Bench:
    """A store on a fresh database."""

    def __init__(self, url: str = "sqlite://") -> None:
        self.engine = connect(url)
        if url == "sqlite://":
            # Ten times as quick; that it comes to the same is a test of its own.
            t.META.create_all(self.engine)
        else:
            migrate(self.engine)
        self.clock = Clock()
        self.store, self.archive, self.accounts = Store(self.clock), Archive(self.clock), Accounts(self.clock)

    def do(self, job: Any) -> Any:
        with self.engine.begin() as db:
            return job(db)

    def submit(self, **kinds: Any) -> str:
        made = packet(**kinds)
        self.do(lambda db: self.store.submit(db, made, "car"))
        return str(made["id"])

    def active(self, operator: str = "suzuki") -> str:
        handoff = self.submit()
        self.do(lambda db: self.store.claim(db, handoff, operator))
        self.do(lambda db: self.store.activate(db, handoff))
        return handoff

    def say(self, handoff: str, text: str, operator: str | None = None, n: int = 1) -> Any:
        message = {
            "id": f"{handoff}-m{n}",
            "speaker": "operator" if operator else "driver",
            "text": text,
            "language": "ja",
            "at": "x",
        }
        return self.do(lambda db: self.store.say(db, handoff, message, author=operator, operator=operator))


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.engine.dispose()


def states(bench: Bench, handoff: str) -> list[str]:
    return [
        e["data"]["state"]
        for e in bench.do(lambda db: bench.store.events_after(db, 0, handoff))
        if e["type"] == "state"
    ]


def test_a_handoff_from_the_queue_back_to_the_agent(bench: Bench) -> None:
    handoff = bench.active()
    bench.say(handoff, "承知しました", "suzuki")
    bench.do(lambda db: bench.store.give_back(db, handoff, "suzuki", "19時に4名で予約済み"))
    assert states(bench, handoff) == ["requested", "queued", "accepted", "active", "returned"]
    whole = bench.do(lambda db: bench.store.whole(db, handoff))
    assert whole["note"] == "19時に4名で予約済み"
    assert [m["text"] for m in whole["messages"]] == [
        "渋谷で寿司",
        "3件あります。",
        "承知しました",
        "19時に4名で予約済み",
    ]


def test_the_same_packet_again_changes_nothing_another_is_refused(bench: Bench) -> None:
    made = packet()
    first = bench.do(lambda db: bench.store.submit(db, made, "car"))
    again = bench.do(lambda db: bench.store.submit(db, made, "car"))
    assert (first[1], again[1], first[0] == again[0]) == (True, False, True)
    other = packet("別の話", id=made["id"])
    with pytest.raises(Conflict):
        bench.do(lambda db: bench.store.submit(db, other, "car"))
    with pytest.raises(Conflict):
        bench.do(lambda db: bench.store.submit(db, made, "other-car"))


def test_a_second_claim_is_too_late_the_first_may_be_repeated(bench: Bench) -> None:
    handoff = bench.submit()
    bench.do(lambda db: bench.store.claim(db, handoff, "suzuki"))
    assert bench.do(lambda db: bench.store.claim(db, handoff, "suzuki"))["state"] == "accepted"
    with pytest.raises(Conflict):
        bench.do(lambda db: bench.store.claim(db, handoff, "sato"))
    assert states(bench, handoff) == ["requested", "queued", "accepted"]


def test_of_many_claims_at_once_one_wins(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'desk.sqlite'}"
    bench = Bench(url)
    handoff = bench.submit()
    # Connections of their own, as several desk processes have.
    engines = [connect(url) for _ in range(8)]

    def claim(number: int) -> bool:
        try:
            with engines[number].begin() as db:
                Store().claim(db, handoff, f"operator-{number}")
            return True
        except Conflict:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(claim, range(8))) == 1
    for engine in (*engines, bench.engine):
        engine.dispose()


STEPS = (
    "claim_a",
    "claim_b",
    "activate",
    "return_a",
    "return_b",
    "decline_a",
    "cancel",
    "drop",
    "no_answer",
    "hold",
    "say_a",
    "say_driver",
    "push",
    "call_again",
)


def step(bench: Bench, handoff: str, name: str, n: int) -> None:
    store = bench.store
    jobs = {
        "claim_a": lambda db: store.claim(db, handoff, "a"),
        "claim_b": lambda db: store.claim(db, handoff, "b"),
        "activate": lambda db: store.activate(db, handoff),
        "return_a": lambda db: store.give_back(db, handoff, "a", "済み"),
        "return_b": lambda db: store.give_back(db, handoff, "b", ""),
        "decline_a": lambda db: store.decline(db, handoff, "a", "no"),
        "cancel": lambda db: store.end_from_car(db, handoff, "cancelled", "driver"),
        "drop": lambda db: store.end_from_car(db, handoff, "dropped", "line"),
        "no_answer": lambda db: store.finish(db, handoff, "no_answer", by="desk"),
        "hold": lambda db: store.hold(db, handoff, "a", bool(n % 2)),
        "say_a": lambda db: store.say(
            db,
            handoff,
            {"id": f"{handoff}-{n}", "speaker": "operator", "text": "x", "at": "x"},
            author="a",
            operator="a",
        ),
        "say_driver": lambda db: store.say(
            db, handoff, {"id": f"{handoff}-{n}", "speaker": "driver", "text": "x", "at": "x"}, author=None
        ),
        "push": lambda db: store.push(db, handoff, "a", f"{handoff}-p{n}", "notice", {"text": "x"}),
        "call_again": lambda db: store.call_again(db, handoff, "operator_gone"),
    }
    bench.do(jobs[name])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(STEPS), max_size=12))
def test_whatever_is_tried_the_states_go_their_ways_and_end_once(bench: Bench, tried: list[str]) -> None:
    handoff = bench.submit()
    for n, name in enumerate(tried):
        try:
            step(bench, handoff, name, n)
        except DeskError:
            continue
    passed = states(bench, handoff)
    assert all(after in WAYS[before] for before, after in pairwise(passed))  # type: ignore[index]
    assert sum(state in FINAL for state in passed) <= 1
    row = bench.do(lambda db: bench.store.row(db, handoff))
    assert row.state == passed[-1]
    assert (row.ended_at is not None) == (row.state in FINAL)
    # Who speaks for the desk has claimed it; nobody who has not ever spoke.
    events = bench.do(lambda db: bench.store.events_after(db, 0, handoff))
    claimed = [e["data"]["operator"] for e in events if e["type"] == "state" and e["data"]["state"] == "accepted"]
    spoke = {e["data"]["author"] for e in events if e["type"] == "message" and e["data"]["speaker"] == "operator"} - {
        None
    }
    assert spoke <= set(claimed)


def test_every_state_leads_somewhere_or_is_an_end() -> None:
    assert set(WAYS) == set(STATES)
    assert {state for state in STATES if not WAYS[state]} == FINAL


def test_only_who_has_the_line_speaks(bench: Bench) -> None:
    handoff = bench.active("suzuki")
    with pytest.raises(Refused):
        bench.say(handoff, "わたしも", "sato")
    bench.do(lambda db: bench.store.join(db, handoff, "sato"))
    bench.say(handoff, "わたしも", "sato")
    bench.do(lambda db: bench.store.end_from_car(db, handoff, "cancelled", "driver"))
    with pytest.raises(Conflict):
        bench.say(handoff, "まだいますか", "suzuki", 2)
    # What the driver said before comes late and is kept.
    assert bench.say(handoff, "さようなら", n=3)[1]


def test_a_message_counts_once(bench: Bench) -> None:
    handoff = bench.active()
    assert [bench.say(handoff, "はい")[1], bench.say(handoff, "はい")[1]] == [True, False]


def test_what_is_said_to_the_desk_is_redacted_as_well(bench: Bench) -> None:
    handoff = bench.active()
    made, _ = bench.say(handoff, "カードは4242 4242 4242 4242です")
    assert made["text"] == "カードは[card_number]です"
    assert bench.do(lambda db: bench.archive.search(db, "4242")) == []


def test_a_push_lapses_when_the_talk_ends_and_is_answered_once(bench: Bench) -> None:
    handoff = bench.active()
    bench.do(lambda db: bench.store.push(db, handoff, "suzuki", "push-0001", "notice", {"text": "お知らせ"}))
    bench.do(lambda db: bench.store.push(db, handoff, "suzuki", "push-0002", "phone", {"name": "店", "phone": "03"}))
    bench.do(lambda db: bench.store.answer_push(db, handoff, "push-0001", "accepted", ""))
    assert bench.do(lambda db: bench.store.answer_push(db, handoff, "push-0001", "refused", ""))["state"] == "accepted"
    bench.do(lambda db: bench.store.give_back(db, handoff, "suzuki", ""))
    pushes = bench.do(lambda db: bench.store.whole(db, handoff))["pushes"]
    assert [p["state"] for p in pushes] == ["accepted", "lapsed"]


@pytest.mark.parametrize(
    ("kind", "data"),
    [("bomb", {}), ("notice", {}), ("notice", {"text": "x", "html": "<b>"}), ("destination", {"name": "x", "latitude": 99, "longitude": 0}),
     ("destination", {"name": "x", "latitude": True, "longitude": 0}), ("destination", {"name": ["x"], "latitude": 1, "longitude": 0}), ("phone", {"name": "x"}),
     ("news", {"summary": "x"}), ("news", {"title": "x" * 201}), ("news", {"title": "x", "link": "javascript:x"}), ("news", {"title": "x", "published": "yesterday"}),
     ("weather", {"place": "x"}), ("weather", {"place": "x", "sky": "green"}), ("weather", {"place": "x", "sky": "rain", "high_c": 99}),
     ("weather", {"place": "x", "sky": "rain", "chance": 101}), ("weather", {"place": "x", "sky": "rain", "day": "2026-05-11T10:00"}), ("notice", {"text": 5})],
)  # fmt: skip
def test_only_what_is_foreseen_is_pushed(kind: str, data: dict[str, Any]) -> None:
    with pytest.raises(Unfit):
        pushed(kind, data)


@pytest.mark.parametrize(
    ("kind", "data"),
    [("destination", {"name": "x", "latitude": 1, "longitude": 2, "place_id": ""}), ("place", {"name": "x", "latitude": 1, "longitude": 2, "note": None}),
     ("phone", {"name": "x", "phone": "03"}), ("notice", {"text": "<b>x</b>"}), ("news", {"title": "x", "summary": "y", "source": "z", "published": "2026-05-11T10:00:00+09:00"}),
     ("weather", {"place": "箱根", "sky": "rain", "day": "2026-05-12", "high_c": 18.5, "low_c": -1, "chance": 70, "latitude": 35.2, "longitude": 139.0})],
)  # fmt: skip
def test_what_is_foreseen_is_pushed_as_it_is(kind: str, data: dict[str, Any]) -> None:
    assert pushed(kind, data) == {key: value for key, value in data.items() if value not in (None, "")}


def test_each_kind_has_its_schema() -> None:
    from agent.desk.document import description

    assert set(description()["components"]["schemas"]["PushData"]["$defs"]) == set(kinds())


# ── lost operators ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_called_again_it_keeps_everything_and_comes_first(bench: Bench) -> None:
    handoff = bench.active("suzuki")
    bench.say(handoff, "7時でお願いします")
    bench.do(lambda db: bench.store.push(db, handoff, "suzuki", "push-0001", "notice", {"text": "x"}))
    later = bench.submit()
    bench.do(lambda db: bench.store.call_again(db, handoff, "operator_gone"))
    queue = bench.do(lambda db: bench.store.listed(db, ["queued"]))
    assert [(row["id"], row["calls"], row["operator"]) for row in queue] == [(handoff, 2, None), (later, 1, None)]
    assert bench.do(lambda db: bench.store.receipt(db, handoff))["position"] == 1
    with pytest.raises(Conflict):
        bench.say(handoff, "まだいます", "suzuki", 2)
    bench.do(lambda db: bench.store.claim(db, handoff, "sato"))
    bench.do(lambda db: bench.store.activate(db, handoff))
    whole = bench.do(lambda db: bench.store.whole(db, handoff))
    assert "7時でお願いします" in [m["text"] for m in whole["messages"]]
    assert [p["state"] for p in whole["pushes"]] == ["lapsed"]
    assert states(bench, handoff) == ["requested", "queued", "accepted", "active", "queued", "accepted", "active"]


# ── the archive ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("said", "sought", "found"),
    [
        ("渋谷で寿司を探して", "寿司", True), ("渋谷で寿司を探して", "渋谷", True), ("渋谷で寿司を探して", "谷で", True), ("渋谷で寿司を探して", "司寿", False),
        ("ラーメンが食べたい", "らーめん", True), ("ﾗｰﾒﾝ", "ラーメン", True), ("Ｂook a table", "book a TABLE", True), ("100%オフ", "100%", True),
        ("1000オフ", "100%", False), ("a_b", "a_b", True), ("aXb", "a_b", False), ("車", "車", True), ("寿司、渋谷で", "渋谷で寿司", False),
    ],
)  # fmt: skip
def test_words_of_two_characters_are_found(bench: Bench, said: str, sought: str, found: bool) -> None:
    bench.submit(text=said)
    lines = bench.do(lambda db: bench.archive.search(db, sought))
    assert bool(lines) == found
    if found:
        assert lines[0]["text"] == said


def test_search_is_by_driver_when_asked(bench: Bench) -> None:
    bench.submit(text="寿司", driver="owner")
    bench.submit(text="寿司", driver="guest")
    assert len(bench.do(lambda db: bench.archive.search(db, "寿司"))) == 2
    assert len(bench.do(lambda db: bench.archive.search(db, "寿司", driver="guest"))) == 1


def test_retention_removes_what_ended_long_ago_and_all_of_it(bench: Bench) -> None:
    old, open_ = bench.active(), bench.submit()
    bench.do(lambda db: bench.store.give_back(db, old, "suzuki", "済み"))
    bench.clock.now += timedelta(days=91)
    assert bench.do(lambda db: bench.archive.purge(db, 90)) == 1
    with pytest.raises(NotThere):
        bench.do(lambda db: bench.store.row(db, old))
    assert bench.do(lambda db: bench.store.row(db, open_)).state == "queued"
    assert left_of(bench, old) == 0


def test_erasure_leaves_nothing_of_a_driver(bench: Bench) -> None:
    mine, others = bench.submit(text="秘密の寿司", driver="owner"), bench.submit(text="他人の寿司", driver="guest")
    bench.say(mine, "もっと秘密")
    bench.do(lambda db: bench.accounts.note(db, Caller("suzuki", "operator"), "viewed", mine, "detail"))
    assert bench.do(lambda db: bench.archive.erase(db, "owner")) == 1
    assert left_of(bench, mine) == 0
    assert [line["handoff"] for line in bench.do(lambda db: bench.archive.search(db, "寿司"))] == [others]
    assert bench.do(lambda db: bench.archive.search(db, "秘密")) == []


def left_of(bench: Bench, handoff: str) -> int:
    def count(db: Any) -> int:
        tables = (t.events, t.messages, t.pushes)
        total = sum(db.execute(sa.select(sa.func.count()).where(x.c.handoff == handoff)).scalar() for x in tables)
        orphans = sa.select(sa.func.count()).where(t.grams.c.message.notin_(sa.select(t.messages.c.n)))
        return int(total + db.execute(orphans).scalar())

    return int(bench.do(count))


HOSTILE = [
    "=HYPERLINK(\"http://evil.example\",\"x\")", "+1+1", "-2+3", "@SUM(A1)", "\t=1+1", "\r=1", "＝1+1", "　=1+1", "\u00a0=1", "|cmd", "%0A=1",
    "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "</title><script>x</script>", "a\",=1+1,\"b", "a\n=1+1",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_no_cell_is_a_formula_and_no_text_is_markup(bench: Bench, text: str) -> None:
    import csv
    import io

    handoff = bench.submit(text=text, driver=text)
    whole = bench.do(lambda db: bench.store.whole(db, handoff))
    rows = list(csv.reader(io.StringIO(as_csv(whole).lstrip("\ufeff"), newline="")))
    for cell in (cell for row in rows for cell in row):
        assert cell[:1] not in tuple("=+-@＝＋－＠|%\t\r"), cell
        assert cell.lstrip(" \u3000\u00a0")[:1] not in tuple("=+@"), cell
    page = as_html(whole)
    assert "<script" not in page
    assert "<img" not in page
    assert page.count("</title>") == 1


def test_plain_cells_stay_as_they_are() -> None:
    assert safe_cell("渋谷で寿司") == "渋谷で寿司"
    assert safe_cell(None) == ""
    assert safe_cell(0.93) == "0.93"


# ── accounts ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_passwords_are_hashed_and_checked(bench: Bench) -> None:
    bench.do(lambda db: bench.accounts.add_user(db, "suzuki", "correct horse", "operator"))
    kept = bench.do(lambda db: bench.accounts.password_of(db, "suzuki"))
    assert kept.startswith("$argon2id$")
    assert password_fits(kept, "correct horse")
    assert not password_fits(kept, "wrong horse")
    assert not password_fits(None, "correct horse")


@pytest.mark.parametrize(
    ("name", "password", "role"),
    [
        ("", "long enough", "operator"),
        ("a:b", "long enough", "operator"),
        ("a", "short", "operator"),
        ("a", "long enough", "boss"),
    ],
)
def test_bad_accounts_are_refused(bench: Bench, name: str, password: str, role: str) -> None:
    with pytest.raises(Unfit):
        bench.do(lambda db: bench.accounts.add_user(db, name, password, role))


def test_a_session_ends_by_itself_and_with_a_new_password(bench: Bench) -> None:
    bench.do(lambda db: bench.accounts.add_user(db, "suzuki", "correct horse", "operator"))
    token, _ = bench.do(lambda db: bench.accounts.open_session(db, "suzuki"))
    assert bench.do(lambda db: bench.accounts.session(db, token, "")).role == "operator"
    bench.do(lambda db: bench.accounts.add_user(db, "suzuki", "another horse", "supervisor"))
    assert bench.do(lambda db: bench.accounts.session(db, token, "")) is None
    token, _ = bench.do(lambda db: bench.accounts.open_session(db, "suzuki"))
    bench.clock.now += timedelta(hours=13)
    assert bench.do(lambda db: bench.accounts.session(db, token, "")) is None


def test_a_nonce_is_good_once_and_forgotten_in_the_end(bench: Bench) -> None:
    bench.do(lambda db: bench.accounts.use_nonce(db, "car", "n1"))
    with pytest.raises(Conflict):
        bench.do(lambda db: bench.accounts.use_nonce(db, "car", "n1"))
    bench.do(lambda db: bench.accounts.use_nonce(db, "other", "n1"))
    bench.clock.now += timedelta(hours=1)
    bench.do(bench.accounts.forget_nonces)
    assert bench.do(lambda db: db.execute(sa.select(sa.func.count()).select_from(t.nonces)).scalar()) == 0


# ── migrations ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_migrations_make_the_tables_the_code_knows_and_go_back(tmp_path: Path) -> None:
    engine = connect(f"sqlite:///{tmp_path / 'desk.sqlite'}")
    migrate(engine)
    migrate(engine)
    assert differences(engine) == []
    migrate(engine, "base")
    assert set(sa.inspect(engine).get_table_names()) - {"sqlite_sequence"} == {"alembic_version"}
    engine.dispose()


def differences(engine: Any) -> list[Any]:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    own = {"include_object": lambda _, name, kind, *__: not (kind == "table" and name == "sqlite_sequence")}
    with engine.connect() as db:
        return list(compare_metadata(MigrationContext.configure(db, opts=own), t.META))


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    with postgres.cluster() as url:
        yield url


@pytest.mark.skipif(
    postgres.programs() is None and postgres.URL not in os.environ, reason="PostgreSQL is not installed"
)
def test_the_same_on_postgresql(postgres_url: str) -> None:
    bench = Bench(postgres_url)
    try:
        handoff = bench.active()
        bench.say(handoff, "渋谷で寿司を", "suzuki")
        spoken = {"id": "spoken-0001-1", "text": "寿司ですね", "language": "ja", "at": "x", "speaker": "operator"}
        assert bench.do(lambda db: bench.store.heard(db, handoff, spoken, "suzuki"))["spoken"] is True
        bench.do(lambda db: bench.store.call_again(db, handoff, "operator_gone"))
        bench.do(lambda db: bench.store.claim(db, handoff, "sato"))
        bench.do(lambda db: bench.store.activate(db, handoff))
        bench.do(lambda db: bench.store.give_back(db, handoff, "sato", "済み"))
        assert len(bench.do(lambda db: bench.archive.search(db, "寿司"))) == 3
        assert bench.do(bench.archive.statistics)["states"] == {"returned": 1}
        assert bench.do(lambda db: bench.archive.erase(db, "owner")) == 1
        assert left_of(bench, handoff) == 0
        assert differences(bench.engine) == []
    finally:
        migrate(bench.engine, "base")
        bench.engine.dispose()


@pytest.mark.skipif(
    postgres.programs() is None and postgres.URL not in os.environ, reason="PostgreSQL is not installed"
)
def test_of_many_claims_at_once_one_wins_on_postgresql_too(postgres_url: str) -> None:
    bench = Bench(postgres_url)
    try:
        handoff = bench.submit()

        def claim(number: int) -> bool:
            try:
                bench.do(lambda db: bench.store.claim(db, handoff, f"operator-{number}"))
                return True
            except Conflict:
                return False

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(claim, range(16))) == 1
    finally:
        migrate(bench.engine, "base")
        bench.engine.dispose()
