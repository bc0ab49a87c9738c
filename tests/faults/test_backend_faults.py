"""Backends that fail in the middle of a conversation: a sentence in time, in the driver's language, and no after-effects."""

from __future__ import annotations

import asyncio
import shutil
import socket
import sqlite3
import threading
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from actions.skill import Skill
from agent.conversation import TurnResult
from backends.errors import BackendTimeout, BackendUnavailable, BadAnswer
from backends.model import Language
from tests.faults.breaking import PORTS, FaultySystem, assert_fails_well, assert_speaks

REQUESTS: dict[str, tuple[str, str]] = {
    "places": ("近くのカフェを探して", "find a cafe nearby"),
    "routes": ("東京タワーまで案内して", "navigate to Tokyo Tower"),
    "vehicle": ("エアコンを22度にして", "set the air conditioning to 22 degrees"),
    "weather": ("明日の東京の天気は", "what's the weather in Tokyo tomorrow"),
    "news": ("ニュースを聞かせて", "tell me the news"),
    "memory": ("自宅に帰りたい", "take me home"),
}
"""what asks each backend"""

BOTH = [("ja", 0), ("en", 1)]


def start(faulty: FaultySystem, port: str) -> str:
    """A conversation in which the request for `port` can work at all."""
    session = faulty.new_session()
    if port == "memory":
        faulty.register_home(session)
    return session


def say(faulty: FaultySystem, session: str, text: str, language: Language) -> TurnResult:
    return faulty.say(session, text, language, driver=session)


def assert_works(faulty: FaultySystem, session: str, text: str, language: Language) -> None:
    turn = say(faulty, session, text, language)
    assert_speaks(turn, language)
    assert turn.spoke.context != "apology", turn.spoke.text


# ── every port, every way of failing ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("language", "which"), BOTH)
@pytest.mark.parametrize("port", REQUESTS)
def test_a_backend_that_is_down_and_comes_back(faulty: FaultySystem, port: str, language: Language, which: int) -> None:
    session = start(faulty, port)
    text = REQUESTS[port][which]
    for fault in (
        BackendUnavailable(port, "secret: http://127.0.0.1:1/ refused"),
        BackendTimeout(port, "secret"),
        BadAnswer(port, "secret <html>"),
        RuntimeError("secret /tmp/x.py sqlite3.OperationalError"),
    ):
        with faulty.fault(port, fault):
            turn = say(faulty, session, text, language)
            assert_fails_well(turn, language)
            assert "secret" not in turn.spoke.text
    # No after-effects: the very next turn works.
    assert_works(faulty, session, text, language)


@pytest.mark.parametrize(
    ("port", "which"), [("places", 0), ("routes", 1), ("vehicle", 1), ("weather", 0), ("memory", 0)]
)
def test_a_backend_that_never_answers(
    faulty: FaultySystem, port: str, which: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if port != "places":
        # One waits the real time, the others less.
        monkeypatch.setattr(Skill, "deadline_s", 0.5)
    language: Language = "en" if which else "ja"
    session = start(faulty, port)
    with faulty.fault(port, "hang"):
        turn = say(faulty, session, REQUESTS[port][which], language)
        assert_fails_well(turn, language)
    assert_works(faulty, session, REQUESTS[port][which], language)


def test_all_at_once(faulty: FaultySystem) -> None:
    session = start(faulty, "memory")
    for port in PORTS:
        faulty.ports[port].fault = BackendUnavailable(port)
    for language, which in BOTH:
        for texts in REQUESTS.values():
            assert_fails_well(say(faulty, session, texts[which], language), language)
        # What needs nothing of the world goes on.
        assert_works(faulty, session, "ありがとう" if language == "ja" else "thank you", language)
    for port in PORTS:
        faulty.ports[port].fault = None
    for port, texts in REQUESTS.items():
        assert_works(faulty, session, texts[0], "ja"), port


def test_the_second_failure_in_a_row_offers_a_person(faulty: FaultySystem) -> None:
    session = start(faulty, "places")
    with faulty.fault("places", BackendUnavailable("places")):
        first = say(faulty, session, REQUESTS["places"][0], "ja").spoke.text
        second = say(faulty, session, REQUESTS["places"][0], "ja").spoke.text
    assert "0800-300-0365" not in first
    assert second.count("0800-300-0365") == 1


def test_distress_is_answered_whatever_is_broken(faulty: FaultySystem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Skill, "deadline_s", 1.0)
    session = start(faulty, "places")
    for port in PORTS:
        faulty.ports[port].fault = "hang"
    hanging = asyncio.run_coroutine_threadsafe(
        faulty.system.conversation.turn(session, "近くのカフェを探して"), faulty._loop
    )
    turn = say(faulty, session, "事故に遭った、助けて", "ja")
    assert "ヘルプネット" in turn.spoke.text
    assert turn.spoke.total_ms < 500
    assert not hanging.done()
    assert hanging.result(15).spoke.text


def test_a_search_outlives_its_backend(faulty: FaultySystem) -> None:
    """Conditions said before, during and after the failure are all in force."""
    session = faulty.new_session()
    say(faulty, session, "渋谷のイタリアン", "ja")
    before = faulty.slots(session)["search"]["conditions"]
    with faulty.fault("places", BackendUnavailable("places")):
        assert_fails_well(say(faulty, session, "駐車場ありで", "ja"), "ja")
    after = faulty.slots(session)["search"]["conditions"]
    assert {k: v for k, v in after.items() if k in before} == before
    turn = say(faulty, session, "駐車場ありで", "ja")
    assert turn.spoke.context != "apology"
    now = faulty.slots(session)["search"]["conditions"]
    assert {k: v for k, v in now.items() if k in before} == before
    assert len(now) > len(before)


# ── the real things, broken for real ────────────────────────────────────────────────────────────────────────────────


def break_by_removing(path: Any) -> None:
    path.unlink()


def break_by_truncating(path: Any) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 3)


def break_by_garbage(path: Any) -> None:
    path.write_bytes(b"garbage" * 10_000)


def break_in_the_middle(path: Any) -> None:
    # The header still says SQLite; the pages behind it are noise.
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))


@pytest.mark.parametrize(
    "damage", [break_by_removing, break_by_truncating, break_by_garbage, break_in_the_middle], ids=lambda d: d.__name__
)
def test_the_file_of_places(faulty: FaultySystem, damage: Callable[[Any], None]) -> None:
    from backends.maps import current

    installed = current(faulty.home)
    assert installed is not None
    path = installed.places_path
    kept = path.with_name("kept.sqlite")
    session = faulty.new_session()
    assert_works(faulty, session, REQUESTS["places"][0], "ja")
    shutil.copyfile(path, kept)
    try:
        damage(path)
        for language, which in BOTH:
            assert_fails_well(say(faulty, session, REQUESTS["places"][which], language), language)
    finally:
        kept.replace(path)
    assert_works(faulty, session, REQUESTS["places"][1], "en")


@pytest.mark.parametrize(
    ("fault", "city", "topic"),
    # A city and a topic each: what was just heard is not asked for again.
    [("stopped", "札幌", "sports"), ("slow", "仙台", "business"), ("garbage", "新潟", "science"), ("html", "長野", "technology"),
     ("503", "金沢", "entertainment"), ("403", "大阪", "world"), ("drip", "広島", "local"), ("huge", "福岡", "general")],
)  # fmt: skip
def test_the_centre(faulty: FaultySystem, fault: str, city: str, topic: str) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if fault == "slow":
            await asyncio.sleep(30)
        if fault == "drip":
            response = web.StreamResponse()
            await response.prepare(request)
            for _ in range(300):
                await response.write(b" ")
                await asyncio.sleep(0.1)
            return response
        if fault == "garbage":
            return web.Response(body=b"\xff\x00{]" * 100, content_type="application/json")
        if fault == "html":
            return web.Response(text="<html>Sign in to the hotel network</html>", content_type="text/html")
        if fault == "huge":
            return web.Response(body=b"[" * 3_000_000, content_type="application/json")
        return web.Response(status=int(fault), text="Traceback (most recent call last)")

    session = faulty.new_session()
    with faulty.centre_down(None if fault == "stopped" else answer):
        assert_fails_well(say(faulty, session, f"明日の{city}の天気は", "ja"), "ja")
        if topic != "general":
            assert_fails_well(say(faulty, session, f"tell me the {topic} news", "en"), "en")
        # What does not need the centre goes on.
        assert_works(faulty, session, REQUESTS["vehicle"][0], "ja")
    assert_works(faulty, session, f"明日の{city}の天気は", "ja")
    assert_works(faulty, session, REQUESTS["news"][0], "ja")


def test_no_network_is_said(faulty: FaultySystem) -> None:
    session = faulty.new_session()
    faulty.system.simulation.world.network_lost = True
    for language, which in BOTH:
        turn = say(faulty, session, ("明日の名古屋の天気は", "what's the weather in Kyoto tomorrow")[which], language)
        assert_fails_well(turn, language)
        assert ("通信" if language == "ja" else "connection") in turn.spoke.text
    assert_works(faulty, session, REQUESTS["places"][0], "ja")
    faulty.system.simulation.world.network_lost = False
    assert_works(faulty, session, REQUESTS["weather"][0], "ja")


def test_the_car_is_gone_and_comes_back(faulty: FaultySystem) -> None:
    session = faulty.new_session()
    assert_works(faulty, session, REQUESTS["vehicle"][0], "ja")
    with faulty.car_down():
        for language, which in BOTH:
            assert_fails_well(say(faulty, session, REQUESTS["vehicle"][which], language), language)
    assert_works(faulty, session, REQUESTS["vehicle"][1], "en")


@pytest.mark.parametrize(
    "fault",
    [{"silent": True}, {"drop": True}, {"garbage": "no JSON"}, {"garbage": "[" * 50_000}, {"garbage": '{"action": "get"}'},
     {"delay_s": 20.0}, {"error": ("500", "internal", "Traceback (most recent call last)")}],
    ids=lambda f: next(iter(f)),
)  # fmt: skip
def test_the_car_answers_strangely(faulty: FaultySystem, fault: dict[str, Any]) -> None:
    session = faulty.new_session()
    faults = faulty.system.simulation.viss.faults
    for key, value in fault.items():
        setattr(faults, key, value)
    try:
        assert_fails_well(say(faulty, session, REQUESTS["vehicle"][0], "ja"), "ja")
        # A destination needs the car; the answer says that it was not set.
        assert_fails_well(say(faulty, session, REQUESTS["routes"][1], "en"), "en")
    finally:
        for key in fault:
            setattr(faults, key, {"delay_s": 0.0, "silent": False, "drop": False}.get(key))
    assert not faulty.run(_guiding(faulty))
    assert_works(faulty, session, REQUESTS["vehicle"][0], "ja")


async def _guiding(faulty: FaultySystem) -> bool:
    return bool(faulty.system.simulation.navigation.now()["guiding"])


def test_a_port_where_somebody_else_listens(faulty: FaultySystem) -> None:
    """In place of the car, something that takes connections and says nothing."""
    session = faulty.new_session()
    with faulty.car_down(), socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        deaf.bind(("127.0.0.1", faulty.system.simulation.viss.port))
        deaf.listen()
        assert_fails_well(say(faulty, session, REQUESTS["vehicle"][1], "en"), "en")
    assert_works(faulty, session, REQUESTS["vehicle"][1], "en")


class Locked:
    """A SQLite file that another process keeps to itself."""

    def __init__(self, path: Any) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)

    def __enter__(self) -> None:
        self._db.execute("PRAGMA busy_timeout=5000")
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, *_: object) -> None:
        self._db.execute("ROLLBACK")
        self._db.close()


def test_saved_places_that_are_locked(faulty: FaultySystem) -> None:
    session = faulty.new_session()
    path = faulty.system.settings.state / "memory.sqlite"
    assert say(faulty, session, "自宅に帰りたい", "ja").spoke.context == "asks_yesno"
    with Locked(path):
        # Reading is still possible; registering is not, and is not said to be.
        assert_fails_well(say(faulty, session, "はい", "ja"), "ja")
    assert say(faulty, session, "自宅に帰りたい", "ja").spoke.context == "asks_yesno"
    assert_works(faulty, session, "はい", "ja")


def test_saved_places_that_are_broken_cost_themselves_alone(faulty: FaultySystem) -> None:
    session = start(faulty, "memory")
    path = faulty.system.settings.state / "memory.sqlite"
    memory = faulty.ports["memory"]._port._port
    memory._engine.dispose()
    path.write_bytes(b"garbage" * 2000)
    turn = say(faulty, session, REQUESTS["memory"][0], "ja")
    assert_speaks(turn, "ja")
    assert list(path.parent.glob("memory.sqlite.broken-*"))
    faulty.register_home(session)
    assert_works(faulty, session, REQUESTS["memory"][0], "ja")


def test_a_conversation_store_that_is_locked_for_a_while(faulty: FaultySystem) -> None:
    """Turns are answered all the same, and what was said meanwhile is in the file afterwards."""
    session = faulty.new_session()
    say(faulty, session, "渋谷のイタリアン", "ja")
    path = faulty.system.settings.state / "conversations.sqlite"

    def stored() -> int:
        with sqlite3.connect(path) as db:
            (count,) = db.execute(
                "SELECT count(*) FROM events WHERE sender_id = ? AND type_name = 'user'", (session,)
            ).fetchone()
        return int(count)

    assert stored() == 1
    with Locked(path):
        assert_works(faulty, session, "駐車場ありで", "ja")
        assert_works(faulty, session, "安い順に", "ja")
        assert stored() == 1
    assert_works(faulty, session, "ありがとう", "ja")
    assert stored() == 4


def test_an_engine_thread_that_is_blocked(faulty: FaultySystem, monkeypatch: pytest.MonkeyPatch) -> None:
    """Something that holds up the whole dialogue thread: the driver still hears a sentence in time."""
    monkeypatch.setattr(faulty.system.conversation, "_deadline_s", 1.0)
    session = faulty.new_session()
    let_go = threading.Event()

    async def block() -> None:
        let_go.wait(30)

    dialogue: Any = faulty.system.dialogue
    stuck = asyncio.run_coroutine_threadsafe(dialogue.run(block), faulty._loop)
    try:
        turn = say(faulty, session, "近くのカフェを探して", "ja")
        assert_fails_well(turn, "ja", within_s=1.0)
    finally:
        let_go.set()
    stuck.result(5)
    monkeypatch.undo()
    assert_works(faulty, session, "近くのカフェを探して", "ja")
