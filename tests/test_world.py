"""What a tester arranges is heard in the dialogue; and what was arranged and said is a test that can be played."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.scenarios import load
from tests.test_conversations import played_through

if TYPE_CHECKING:
    from agent.conversation import TurnResult
    from backends.model import Language
    from tests.conftest import RunningSystem


class Driver:
    def __init__(self, system: RunningSystem, language: Language = "ja") -> None:
        self.system, self.session, self.language = system, system.new_session(), language

    def do(self, do: str, **values: Any) -> None:
        async def act() -> None:
            self.system.system.simulation.controls.apply({"do": do, **values})

        self.system.run(act())

    def feeds_are_asked_anew(self) -> None:
        """What the centre said is kept for half a minute."""
        self.do("clock", advance_s=60)

    def say(self, text: str) -> TurnResult:
        turn = self.system.system.conversation.turn(self.session, text, language=self.language, driver=self.session)
        return self.system.run(turn)

    def hears(self, text: str) -> str:
        return self.say(text).spoke.text


@pytest.fixture
def driver(system: RunningSystem) -> Iterator[Driver]:
    yield Driver(system)
    system.new_session()


def test_the_clock_and_the_weather(driver: Driver) -> None:
    driver.do("clock", time="17:00")
    assert "17時" in driver.hears("いま何時？")
    driver.do("weather", scenario="snow")
    assert "雪" in driver.hears("今の天気は？")
    driver.do("weather", scenario="sunny")
    driver.feeds_are_asked_anew()
    assert "晴" in driver.hears("今の天気は？")


def test_without_a_connection_narrowing_works_and_the_weather_says_that_it_cannot(driver: Driver) -> None:
    driver.say("渋谷でイタリアン")
    driver.do("network", lost=True)
    turn = driver.say("駐車場は無料がいい")
    assert turn.spoke.context != "apology"
    assert "通信" in driver.hears("札幌の天気は？")
    driver.do("network", lost=False)
    assert "通信" not in driver.hears("札幌の天気は？")


def test_without_a_contract_the_agent_says_so_and_what_the_head_unit_can_do(driver: Driver) -> None:
    driver.do("contract", cancelled=True)
    assert "ナビの画面" in driver.hears("近くの駐車場")
    driver.do("equipment", unit="display_audio")
    assert "地図も" in driver.hears("近くの駐車場")
    english = Driver(driver.system, "en")
    english.do("contract", cancelled=True)
    english.do("equipment", unit="display_audio")
    assert "neither" in english.hears("find parking")
    english.do("reset")
    assert "contract" not in english.hears("find parking near here")


def test_a_display_audio_finds_only_what_is_near_without_a_connection(driver: Driver) -> None:
    """The demo map reaches to Hakone, 70 km away."""
    driver.do("network", lost=True)
    far, near = "箱根の温泉宿を探して", "渋谷でイタリアン"
    assert driver.say(far).spoke.context != "apology"
    driver.do("equipment", unit="display_audio")
    driver.say("リセット")
    assert "この近くだけ" in driver.hears(far)
    assert driver.say(near).spoke.context != "apology"
    driver.do("network", lost=False)
    assert driver.say(far).spoke.context != "apology"


def test_lamps_doors_tyres_fuel(driver: Driver) -> None:
    assert "ABS" not in driver.hears("警告灯ついてる？")
    driver.do("lamp", lamp="abs", on=True)
    assert "ABS" in driver.hears("警告灯ついてる？")
    driver.do("lamp", lamp="abs", on=False)
    driver.do("door", door="Row2.PassengerSide", open=True)
    assert "ドア" in driver.hears("ドアちゃんと閉まってる？")
    driver.do("tyre", wheel="Row1.Wheel.Left", loss_kpa=80)
    assert "左前" in driver.hears("タイヤの空気圧は？")
    driver.do("fuel", percent=7)
    assert "7" in driver.hears("ガソリンあとどれぐらい残ってる？")


def test_a_car_park_that_is_full(driver: Driver) -> None:
    found = driver.say("近くの駐車場を探して")
    place = next(card for card in found.spoke.cards if card["kind"] == "parking")
    driver.do("vacancy", place=place["id"], state="full", name=place["name"])
    driver.say("一番目")
    assert "満車" in driver.hears("空きはある？")
    driver.do("vacancy", place=place["id"], state="vacant")
    assert "満車" not in driver.hears("空きはある？")
    # 「空いてるところ」 is answered by what the centre says now.
    driver.do("vacancy", place=place["id"], state="full")
    driver.say("近くの駐車場を探して")
    free = driver.say("空いてるところがいい")
    assert free.spoke.cards
    assert place["id"] not in [card["id"] for card in free.spoke.cards]


def test_a_jam_on_the_route_ahead(driver: Driver) -> None:
    driver.say("東京駅まで行きたい")
    for _ in range(3):
        if driver.system.system.simulation.navigation.now()["guiding"]:
            break
        driver.say("はい")
    assert "1件" not in driver.hears("この先の道路状況は？")
    driver.do("road", kind="accident", ahead_m=500, delay_s=1200)
    driver.feeds_are_asked_anew()
    assert re.search(r"1件.*500メートル先.*事故", driver.hears("この先の道路状況は？"))
    driver.do("clear_road")
    driver.feeds_are_asked_anew()
    assert "1件" not in driver.hears("この先の道路状況は？")


# ── a recording is a test ───────────────────────────────────────────────────────────────────────────────────────────


def test_what_was_recorded_can_be_played_and_fails_when_it_is_altered(driver: Driver, tmp_path: Path) -> None:
    from agent.web.recording import Recorder

    driver.do("lamp", lamp="brake", on=True)
    recorder = driver.system.run(_recorder(Recorder, driver))
    driver.say("渋谷でイタリアン")
    driver.do("network", lost=True)
    driver.say("駐車場は無料がいい")
    driver.say("稚内の天気は？")
    driver.do("network", lost=False)
    driver.do("weather", scenario="rain")
    driver.say("警告灯ついてる？")
    driver.say("明日の天気は？")
    text = driver.system.run(recorder.finish())
    assert "渋谷でイタリアン" in text

    def played(name: str, content: str) -> list[str]:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "recorded.yml").write_text(content, encoding="utf-8")
        (scenario,) = load(folder)
        assert len(scenario.steps) == 5
        return played_through(scenario, driver.system)[0]

    assert played("as recorded", text) == []
    assert played("another condition", text.replace("parking: free", "parking: paid"))
    assert played("another function", text.replace("function: audio_vehicle_control", "function: climate"))
    # Without the control the answer is another: the weather can be told.
    assert "do: network, lost: true" in text
    assert played("with a connection", text.replace("do: network, lost: true", "do: network, lost: false"))


async def _recorder(make: Any, driver: Driver) -> Any:
    return make(driver.system.system, driver.session, "narrowing without a connection", lambda: None)
