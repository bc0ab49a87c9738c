"""The car's side of the sound to an operator: begins and ends with the line, and is opened again as long as that lasts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from agent.events import EventStream, Handoff, LineSound
from agent.line_sound import WAITING, LineSounds
from audio.frames import FRAME_BYTES
from backends.model import DeskSoundNote
from tests.fakes import MONDAY_MORNING
from tests.fakes_desk import FakeDesk

FRAME = b"\x01\x02" * (FRAME_BYTES // 2)


class FakeVoice:
    def __init__(self) -> None:
        self.out: Callable[[bytes], None] | None = None
        self.heard: list[bytes] = []
        self.calls: list[bool] = []

    def call(self, out: Callable[[bytes], None] | None) -> None:
        self.out = out
        self.calls.append(out is not None)

    def hear(self, frame: bytes) -> None:
        self.heard.append(frame)


class Stage:
    """A line the test holds, a desk it plays."""

    def __init__(self) -> None:
        self.desk, self.stream = FakeDesk(), EventStream()
        self.holder: dict[str, str] = {}
        """session → handoff, where an operator holds the line"""
        self.told: list[tuple[str, int]] = []
        self.stream.add_sink(
            lambda event: self.told.append((event.state, event.frames)) if isinstance(event, LineSound) else None
        )
        self.sounds = LineSounds(self.desk, self, self.stream, retry_s=0.01)

    def owner(self, session: str) -> Any:
        return "operator" if session in self.holder else "agent"

    def handoff_of(self, session: str) -> str:
        return self.holder.get(session, "")

    def give(self, handoff: str | None, session: str = "s") -> None:
        if handoff is None:
            self.holder.pop(session, None)
        else:
            self.holder[session] = handoff
        self.stream.emit(Handoff(session, handoff or "h", "accepted", self.owner(session), "", "ja", MONDAY_MORNING))

    async def until(self, true: Callable[[], Any]) -> None:
        for _ in range(2000):
            if true():
                return
            await asyncio.sleep(0.005)
        raise AssertionError(self.told)

    @property
    def channel(self) -> Any:
        return self.desk.sounds[next(reversed(self.desk.sounds))]


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    made = Stage()
    yield made
    await made.sounds.close()


async def test_the_sound_begins_with_the_line_and_ends_with_it(stage: Stage) -> None:
    voice = FakeVoice()
    stage.sounds.join("s", voice)
    await asyncio.sleep(0.02)
    assert (voice.calls, stage.desk.opened) == ([], 0)
    stage.give("h1")
    await stage.until(lambda: stage.told == [("on", 0)])
    assert voice.out is not None
    voice.out(FRAME)
    await stage.until(lambda: stage.channel.sent == [FRAME])
    stage.channel.speak(
        DeskSoundNote("talk", {"on": True, "operator": "suzuki"}), FRAME, DeskSoundNote("talk", {"on": False})
    )
    await stage.until(lambda: voice.heard == [FRAME])
    out = voice.out
    stage.give(None)
    assert voice.calls == [True, False]
    await stage.until(lambda: not stage.channel.open)
    # Not a frame more, whatever the microphone's thread still had in hand.
    out(FRAME)
    await asyncio.sleep(0.02)
    assert stage.channel.sent == [FRAME]
    assert stage.told == [("on", 0), ("talking", 0), ("quiet", 0), ("off", 0)]


async def test_a_voice_that_comes_later_joins_the_talk_and_takes_it_from_an_older_one(stage: Stage) -> None:
    stage.give("h1")
    first, second = FakeVoice(), FakeVoice()
    stage.sounds.join("s", first)
    await stage.until(lambda: stage.desk.opened == 1)
    leave = stage.sounds.join("s", second)
    await stage.until(lambda: stage.desk.opened == 2)
    assert (first.calls, second.calls) == ([True, False], [True])
    leave()
    await stage.until(lambda: stage.desk.opened == 3)
    assert (first.calls, second.calls) == ([True, False, True], [True, False])
    assert [e for e in stage.told if e[0] in ("on", "off")][-1] == ("on", 0)


async def test_a_lost_channel_is_opened_again_and_nothing_old_is_sent(stage: Stage) -> None:
    voice = FakeVoice()
    stage.sounds.join("s", voice)
    stage.give("h1")
    await stage.until(lambda: stage.told == [("on", 0)])
    stage.desk.down = True
    stage.channel.cut()
    await stage.until(lambda: ("off", 0) in stage.told)
    assert voice.out is not None
    for _ in range(WAITING + 30):
        voice.out(FRAME)
    await asyncio.sleep(0.02)
    stage.desk.down = False
    await stage.until(lambda: stage.told.count(("on", 0)) == 2)
    fresh = bytes(FRAME_BYTES)
    voice.out(fresh)
    await stage.until(lambda: bool(stage.channel.sent))
    assert stage.channel.sent == [fresh]
    stage.give(None)
    await stage.until(lambda: stage.told[-1] == ("off", 0))
    assert sum(frames for state, frames in stage.told if state == "lost") == WAITING + 30


async def test_a_desk_that_takes_nothing_holds_up_nobody_and_fills_no_memory(stage: Stage) -> None:
    voice = FakeVoice()
    stage.sounds.join("s", voice)
    stage.give("h1")
    await stage.until(lambda: stage.told == [("on", 0)])
    stage.channel.free.clear()
    assert voice.out is not None
    for _ in range(10 * WAITING):
        voice.out(FRAME)
    await asyncio.sleep(0.02)
    lost = sum(frames for state, frames in stage.told if state == "lost")
    assert 9 * WAITING - WAITING <= lost <= 9 * WAITING
    stage.channel.free.set()
    await stage.until(lambda: len(stage.channel.sent) >= WAITING)
    assert len(stage.channel.sent) <= WAITING + 1


async def test_another_handoff_gets_a_channel_of_its_own(stage: Stage) -> None:
    voice = FakeVoice()
    stage.sounds.join("s", voice)
    for handoff in ("h1", "h2"):
        stage.give(handoff)
        await stage.until(lambda handoff=handoff: handoff in stage.desk.sounds)  # type: ignore[misc]
        stage.give(None)
    assert voice.calls == [True, False, True, False]


async def test_nothing_is_left_running_at_the_end(stage: Stage) -> None:
    voice = FakeVoice()
    stage.sounds.join("s", voice)
    stage.give("h1")
    await stage.until(lambda: stage.desk.opened == 1)
    await stage.sounds.close()
    assert voice.calls == [True, False]
    assert not stage.channel.open
