"""Drives with Agent+, in virtual time: what is said unasked, and what answers do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from agent.notices.policy import Wishes
from tests.fakes_drive import HOME, WORK, Drive, at


@pytest.fixture
def drive(tmp_path: Path) -> Iterator[Drive]:
    drive = Drive(tmp_path)
    yield drive
    drive.close()


async def test_the_drive_is_learnt_and_survives_a_restart(drive: Drive) -> None:
    await drive.stand(60)
    await drive.go(await drive.way(HOME, WORK))
    await drive.stand(400)
    known = drive.history.load("owner")
    assert len(known.habits) == 1
    assert known.places.places[known.habits.destination[0]].position.distance_to(WORK) < 100


@pytest.mark.parametrize(
    ("words", "repeats"), [("もういい", 0), ("あとで", 1), ("その話は休日だけにして", 0), ("詳しく", 0)]
)
async def test_answers_are_learnt(drive: Drive, words: str, repeats: int) -> None:
    await drive.teach("owner")
    route = await drive.way(HOME, WORK)
    drive.world.place_on_route("jam", route.geometry, "環七通り", from_m=11000, length_m=900, delay_s=800)
    drive.world.place_on_route("jam", route.geometry, "甲州街道", from_m=12000, length_m=900, delay_s=790)
    await drive.stand(60)
    await drive.go(route, until_notices=1)
    first = drive.notices[0].text
    turn = await drive.say(words)
    assert turn.spoke.text
    assert turn.spoke.context != "apology"
    drive.world.clear_event("sim-2")
    await drive.on()
    again = [n for n in drive.notices[1:] if n.kind == "jam" and "環七" in n.text]
    assert ("環七" in first) or again
    assert len(again) == repeats


async def test_quiet_hours_switches_and_frequency(tmp_path: Path) -> None:
    for wishes in (
        Wishes.of("accident", "normal", ""),
        Wishes.of("jam", "off", ""),
        Wishes.of("jam", "normal", "07:00-09:00"),
    ):
        drive = Drive(tmp_path, wishes=wishes)
        route = await drive.way(HOME, WORK)
        drive.world.place_on_route("jam", route.geometry, "環七通り", from_m=6000, length_m=900, delay_s=1000)
        await drive.navigation.set_route("会社", route, WORK)
        await drive.on()
        assert drive.notices == [], wishes
        drive.close()


async def test_not_into_a_turn_of_the_conversation(drive: Drive) -> None:
    route = await drive.way(HOME, WORK)
    drive.world.place_on_route("accident", route.geometry, "環七通り", from_m=3000, delay_s=1200)
    await drive.navigation.set_route("会社", route, WORK)
    spoken: list[datetime] = []
    drive.conversation.stream.add_sink(lambda e: spoken.append(drive.clock()) if e.type == "spoke" else None)
    for _ in range(20):
        await drive.say("ただいま会話の途中ですので少し待っていてくださいとても長い文です")
        await drive.on(most_s=2)
    assert drive.notices == []
    await drive.on(most_s=60)
    assert [n.kind for n in drive.notices] == ["accident"]
    assert drive.notices[0].at - spoken[-1] >= timedelta(seconds=1.5)


async def test_home_is_guessed_asked_once_and_remembered(drive: Drive) -> None:
    await drive.teach("owner")
    drive.vehicle.place(WORK)
    drive.clock.advance(10 * 3600)
    await drive.stand(60)
    await drive.go(await drive.way(WORK, HOME))
    drive.vehicle.publish("Vehicle.LowVoltageSystemState", "OFF")
    await drive.stand(3600)
    assert drive.notices == []
    drive.vehicle.publish("Vehicle.LowVoltageSystemState", "ON")
    await drive.stand(30)
    assert [n.kind for n in drive.notices] == ["ask"]
    turn = await drive.say("はい")
    assert [a.name for a in turn.acted] == ["remember"]
    kept = await drive.memory.get("owner", "home")
    assert kept is not None
    assert kept.position.distance_to(HOME) < 150
    assert "home" in drive.plus.profile.asked


async def test_who_wants_to_be_asked_is_asked_where_to(tmp_path: Path) -> None:
    drive = Drive(tmp_path, wishes=Wishes.of("destination", "normal", ""))
    await drive.teach("owner")
    await drive.stand(60)
    assert [n.kind for n in drive.notices] == ["destination"]
    assert drive.notices[0].text.endswith("会社ですか。")
    turn = await drive.say("はい")
    assert [a.name for a in turn.acted] == ["set_route"]
    assert drive.navigation.now()["destination"].distance_to(WORK) < 150  # type: ignore[attr-defined]
    drive.close()


async def test_what_is_erased_elsewhere_is_forgotten_here_at_once(drive: Drive) -> None:
    await drive.teach("owner")
    await drive.stand(60)
    assert len(drive.plus.predictor.habits) > 20
    drive.history.erase("owner")
    await drive.stand(60)
    assert len(drive.plus.predictor.habits) == 0


async def test_learning_is_paused_and_resumed_by_voice(drive: Drive) -> None:
    await drive.stand(30)
    assert (await drive.say("学習を止めて")).acted[0].name == "agentplus_pause"
    await drive.go(await drive.way(HOME, at(2000, 0)))
    await drive.stand(400)
    assert len(drive.history.load("owner").habits) == 0
    assert (await drive.say("Resume learning.")).acted[0].name == "agentplus_resume"
    await drive.go(await drive.way(at(2000, 0), HOME))
    await drive.stand(400)
    assert len(drive.history.load("owner").habits) == 1


async def test_a_record_that_breaks_on_the_way_is_begun_anew_with_what_is_known(drive: Drive) -> None:
    await drive.teach("owner")
    await drive.stand(60)
    await drive.go(await drive.way(HOME, WORK))
    (drive.folder / "agentplus.sqlite").write_bytes(b"not a database " * 4000)
    await drive.stand(400)
    assert drive.history.set_aside is not None
    await drive.stand(60)
    assert "history" in [n.kind for n in drive.notices]
    assert len(drive.history.load("owner").habits) > 30


async def test_classes_and_frequency_are_switched_by_voice_and_kept(drive: Drive) -> None:
    await drive.stand(30)
    assert (await drive.say("渋滞のお知らせはいらない")).acted[0].arguments["classes"] == [
        "accident", "closure", "regulation", "weather",
    ]  # fmt: skip
    assert "offer" in (await drive.say("おすすめのお知らせをして")).acted[0].arguments["classes"]
    assert (await drive.say("Fewer notices, please.")).acted[0].arguments["frequency"] == "low"
    route = await drive.way(HOME, WORK)
    drive.world.place_on_route("jam", route.geometry, "環七通り", from_m=6000, length_m=900, delay_s=1000)
    await drive.navigation.set_route("会社", route, WORK)
    await drive.on(most_s=400)
    assert drive.notices == []
    kept = drive.plus.profiles.get("owner").notices
    assert kept["frequency"] == "low"
    assert "jam" not in kept["classes"]


async def test_who_drives_is_asked_as_soon_as_somebody_listens(drive: Drive) -> None:
    drive.plus.profiles.change("owner", keys=("key-a",))
    drive.plus.profiles.add("Ken", keys=("phone-b",))
    listening: list[str] = []
    drive.plus._sessions = lambda: listening
    drive.sit("key-of-nobody")
    await drive.plus.begin()
    assert not drive.notices
    await drive.stand(30)
    assert not drive.notices
    listening.append(drive.session)
    await drive.stand(90)
    assert [n.kind for n in drive.notices] == ["who"]
