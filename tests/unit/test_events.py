"""The event stream: order, listeners, JSON lines."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timezone

from agent.events import EventStream, Handoff, Heard, Notice, OperatorSaid, Spoke, said_unasked, to_json, to_line

AT = datetime(2026, 5, 11, 10, 0, tzinfo=timezone.utc)


def heard(session: str, turn: int) -> Heard:
    return Heard(session, turn, "はい", "ja", AT)


async def test_a_listener_gets_its_session_in_order() -> None:
    stream = EventStream()
    with stream.listen("a") as events:
        for n in range(3):
            stream.emit(heard("b", n))
            stream.emit(heard("a", n))
        got = []
        async for event in events:
            got.append(event.turn)  # type: ignore[union-attr]
            if len(got) == 3:
                break
    assert got == [0, 1, 2]


async def test_a_listener_wakes_up() -> None:
    stream = EventStream()
    with stream.listen() as events:
        waiting = asyncio.create_task(anext(aiter(events)))
        await asyncio.sleep(0)
        stream.emit(heard("a", 7))
        assert (await asyncio.wait_for(waiting, 1)).turn == 7  # type: ignore[union-attr]


async def test_a_slow_listener_loses_the_oldest_counted() -> None:
    stream = EventStream()
    with stream.listen(limit=2) as events:
        for n in range(5):
            stream.emit(heard("a", n))
        assert events.lost == 3
        assert (await anext(aiter(events))).turn == 3  # type: ignore[union-attr]
    stream.emit(heard("a", 9))


def test_a_broken_sink_does_not_stop_the_others() -> None:
    stream, got = EventStream(), []

    def broken(_: object) -> None:
        raise RuntimeError

    stream.add_sink(broken)
    stream.add_sink(got.append)
    stream.emit(heard("a", 1))
    assert len(got) == 1


def test_json() -> None:
    event = Spoke("s", 1, "<b>はい</b>", "ja", "done", ("a",), ({"type": "place"},), {"action": 1.23456}, 2.0)
    row = json.loads(to_line(event))
    assert row == to_json(event)
    assert row["type"] == "spoke"
    assert row["timings"] == {"action": 1.235}
    assert to_json(heard("s", 1))["at"] == "2026-05-11T10:00:00+00:00"
    assert "\n" not in to_line(Heard("s", 1, "a\nb", "en", AT))


def test_what_a_voice_says_unasked() -> None:
    notice = Notice("a", "arrived", "着きました。", "ja", AT, {})
    operator = OperatorSaid("a", "h", "1", "Good evening.", "en", "Sato", AT)
    silent = Handoff("a", "h", "queued", "agent", "", "ja", AT)
    assert said_unasked(notice) == ("着きました。", "ja")
    assert said_unasked(operator) == ("Good evening.", "en")
    assert said_unasked(silent) is None
    assert said_unasked(heard("a", 1)) is None
