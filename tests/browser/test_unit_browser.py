"""The head unit in a real browser: said, shown, touched, by keyboard; driving and stopped; in both languages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from agent.dialogue import DialogueReply
from agent.events import Handoff, OperatorSaid, Partial, Pushed, Speaking, VoiceState
from tests.browser_tools import BROWSER, HOSTILE, violations, watch
from tests.fakes import reply
from tests.web_front import Front, open_front

pytestmark = BROWSER

CAR = {"width": 1280, "height": 720}
PHONE = {"width": 390, "height": 844}
TEMPERATURE = "Vehicle.Cabin.HVAC.Station.Row1.Driver.Temperature"
FOUND = "渋谷のイタリアンは3件あります。1番、オステリア、約350メートル、評価4.5。2番、トラットリア、約1.2キロ。3番、ピッツェリア。どれにしますか。"


def place(number: int, **more: Any) -> dict[str, Any]:
    card = {
        "type": "place", "id": f"p{number}", "name": f"お店{number}", "name_en": f"Place {number}", "lat": 35.66, "lon": 139.7, "kind": "restaurant",
        "genres": ["italian"], "rating": 4.5, "price": "low", "parking": "paid", "address": "渋谷区1-1", "phone": "03-0000-0000",
        "distance_m": 350.0 * number, "demo": True, "hours": [[600, 1320]], "open": True, "closes": 1320,
        "parking_lot": {"own": True, "distance_m": 0, "fee_yen_per_hour": 400, "spaces": 20, "vacancy": "vacant", "vacancy_at": None},
    }  # fmt: skip
    return {**card, **more}


def with_cards(text: str, *cards: dict[str, Any], **kinds: Any) -> DialogueReply:
    made = reply(text, **kinds)
    made.payload["cards"].extend(cards)  # type: ignore[index]
    return made


SCRIPT = {
    "イタリアン": with_cards(FOUND, *(place(n) for n in (1, 2, 3)), context="offers_list", quick_replies=("1", "2", "3", "ほかの候補")),
    "2番目": with_cards("お店2ですね。目的地に設定しますか。", place(2), context="offers_one", quick_replies=("はい", "ほかの候補")),
    "number 2": with_cards("Place 2. Shall I set it?", place(2), context="offers_one", quick_replies=("yes",)),
    "天気": with_cards("晴れます。", {"type": "weather", "place": "箱根", "sky": "clear", "high_c": 21.0, "low_c": 12.0, "chance": 10, "issued_at": "2026-05-11T09:00:00+09:00"}),
}  # fmt: skip


class Stage:
    def __init__(self, front: Front, chromium: Any, stack: AsyncExitStack) -> None:
        self.front, self._chromium, self._stack = front, chromium, stack
        self.problems: list[str] = []
        self.page: Any = None

    async def open(self, *, language: str = "ja", viewport: dict[str, int] = CAR, **options: Any) -> Any:
        context = await self._chromium.new_context(
            viewport=viewport, locale="ja-JP" if language == "ja" else "en-GB", **options
        )
        self._stack.push_async_callback(context.close)
        self.page = page = await context.new_page()
        self.problems = watch(page)
        await page.goto(self.front.origin)
        await page.locator("#send:not([disabled])").wait_for()
        return page

    @property
    def session(self) -> str:
        return self.front.gateway.sessions()[-1]

    @property
    def now(self) -> Any:
        return self.front.gateway.system.simulation.clock()

    def emit(self, event: Any) -> None:
        self.front.gateway.system.stream.emit(event)

    def sense(self, path: str, value: Any) -> None:
        self.front.gateway.system.simulation.vehicle.sense(path, value)

    async def drive(self, kmh: float = 40.0) -> None:
        """The car moves, as far as the page is told."""
        self.sense("Vehicle.Speed", kmh)
        await self.page.locator("body.driving" if kmh else "body:not(.driving)").wait_for()

    async def say(self, text: str) -> None:
        await self.page.fill("#text", text)
        await self.page.click("#send")

    async def hears(self, text: str) -> None:
        await self.page.locator("#talk li", has_text=text).last.wait_for(timeout=5000)

    async def value(self, path: str) -> Any:
        return (await self.front.gateway.system.simulation.vehicle.get(path)).value


@pytest_asyncio.fixture(loop_scope="session")
async def stage(tmp_path: Path, chromium: Any) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        front = await stack.enter_async_context(open_front(tmp_path))
        front.dialogue.script.update(SCRIPT)
        made = Stage(front, chromium, stack)
        yield made
        assert made.problems == []


async def test_results_are_numbered_as_spoken_and_chosen_by_finger(stage: Stage) -> None:
    page = await stage.open()
    await stage.say("イタリアン")
    await stage.hears("渋谷のイタリアン")
    cards = page.locator(".cards .card")
    await cards.nth(2).wait_for()
    first = await cards.first.inner_text()
    for part in ("1", "お店1", "350 m", "★ 4.5", "22:00まで", "¥400/時", "空車"):
        assert part in first
    # What stands on the cards is not read twice: the numbers are no buttons of their own, the middle of the answer gives way.
    assert await page.locator("#replies button").all_inner_texts() == ["ほかの候補"]
    assert not await page.locator("#talk li.now .rest").first.is_visible()
    await cards.nth(1).locator("button").click()
    await stage.hears("お店2ですね")
    assert stage.front.dialogue.heard[-1][1] == "2番目"
    assert await cards.count() == 1
    await page.locator("#replies button", has_text="はい").click()
    await stage.hears("(はい)")


async def test_english_from_end_to_end(stage: Stage) -> None:
    page = await stage.open(language="en", viewport=PHONE, is_mobile=True, has_touch=True)
    assert await page.evaluate("document.documentElement.lang") == "en"
    await stage.say("イタリアン")
    await page.locator(".cards .card").nth(2).wait_for()
    text = await page.locator(".cards").inner_text()
    assert "Place 1" in text
    assert "until 22:00" in text
    await page.locator(".cards button").nth(1).tap()
    await stage.hears("Shall I set it?")
    await page.locator("#tab-climate").tap()
    await page.get_by_role("button", name="Temperature, Driver higher").tap()
    await page.locator(".zone.driver .temperature output", has_text="24.5°").wait_for()
    assert not await page.evaluate("document.documentElement.scrollWidth > innerWidth")


async def test_while_driving_three_items_large_and_no_keyboard(stage: Stage) -> None:
    page = await stage.open()
    await stage.say("イタリアン")
    await stage.hears("渋谷のイタリアン")
    await stage.say("天気")
    await stage.hears("晴れます")
    assert await page.locator("#talk li:visible").count() == 4
    await stage.drive()
    # One exchange and no more, nothing that scrolls, nothing to type into.
    assert await page.locator("#talk li:visible").count() == 2
    assert await page.locator("#say, #unit input:visible").first.is_hidden()
    size = await page.locator("#talk li.agent.now").evaluate("(e) => parseFloat(getComputedStyle(e).fontSize)")
    assert size >= 24
    assert await page.locator("#talk").evaluate("(e) => getComputedStyle(e).overflowY") == "hidden"
    for kind in range(5):
        await stage.front.gateway.system.conversation.notice(
            stage.session, "jam", "notice.arrived", data={"n": str(kind)}
        )
    await page.locator("#tab-notices").click()
    assert await page.locator(".notices li:visible").count() <= 3
    await page.locator("#tab-settings").click()
    await page.get_by_text("ほかの設定は停車中に").wait_for()
    assert not await page.locator("#wake-word").is_visible()
    await stage.drive(0)
    await page.locator("#wake-word").wait_for()
    await page.locator("#tab-talk").click()
    await page.locator("#text").wait_for()


async def test_the_clause_that_sounds_and_what_is_being_heard_are_shown(stage: Stage) -> None:
    page = await stage.open()
    await stage.say("イタリアン")
    await stage.hears("渋谷のイタリアン")
    session = stage.session
    stage.emit(Speaking(session, "2番、トラットリア、約1.2キロ。", "ja", 3, 5, 2.0))
    await page.locator("#talk .sounding", has_text="2番、トラットリア、約1.2キロ。").wait_for()
    assert await page.locator("#talk .sounding").inner_text() == "2番、トラットリア、約1.2キロ。"
    await stage.drive()
    assert await page.locator("#talk li.agent.now").inner_text() == "2番、トラットリア、約1.2キロ。"
    stage.emit(VoiceState(session, "listening", "button", 3.0))
    stage.emit(Partial(session, "二番目の", "ja", 3.5))
    await page.locator(".hearing", has_text="二番目の").wait_for()
    stage.emit(VoiceState(session, "idle", "done", 4.0))
    await page.locator(".hearing").wait_for(state="hidden")


async def test_climate_and_sound_by_finger_show_what_the_car_answers(stage: Stage) -> None:
    page = await stage.open()
    await page.locator("#tab-climate").click()
    for _ in range(2):
        await page.get_by_role("button", name="運転席の温度 下げる").click()
        await page.wait_for_function(
            "(n) => document.querySelector('.zone.driver .temperature output').textContent === n",
            arg=f"{23.5 - 0.5 * _:.1f}°",
        )
    assert await stage.value(TEMPERATURE) == 23.0
    await page.get_by_role("button", name="運転席の風量 上げる").click()
    await page.locator(".zone.driver .fan output", has_text="風量 4").wait_for()
    assert await stage.value("Vehicle.Cabin.HVAC.Station.Row1.Driver.FanSpeed") == 57
    await page.get_by_role("button", name="A/C").click()
    await page.locator(".switch[aria-pressed=false]", has_text="A/C").wait_for()
    # Turned by somebody else: the page follows.
    await stage.front.gateway.system.simulation.vehicle.set(TEMPERATURE, 28.0)
    await page.locator(".zone.driver .temperature output", has_text="28.0°").wait_for()
    assert await page.get_by_role("button", name="運転席の温度 上げる").is_disabled()
    await page.locator("#tab-audio").click()
    await page.get_by_role("button", name="AM", exact=True).click()
    await page.locator(".audio .title", has_text="デモAM").wait_for()
    await page.get_by_role("button", name="音量を上げる").click()
    await page.locator(".audio .volume output", has_text="35").wait_for()
    await page.get_by_role("button", name="一時停止").click()
    await page.get_by_role("button", name="再生").wait_for()
    assert await stage.value("Vehicle.Private.Media.PlaybackState") == "PAUSED"


async def test_a_notice_is_answered_by_a_button_and_stays_in_the_list(stage: Stage) -> None:
    page = await stage.open()
    await stage.front.gateway.system.conversation.notice(
        stage.session, "jam", "notice.arrived_name", data={"name": "環七通り"}
    )
    await page.locator(".notice-alert", has_text="環七通り").wait_for()
    assert await page.locator(".notice-alert button").all_inner_texts() == ["はい", "詳しく", "あとで", "もういい", ""]
    await page.locator(".notice-alert button", has_text="あとで").click()
    await stage.hears("(あとで)")
    assert stage.front.dialogue.heard[-1][1] == "あとで"
    await page.locator(".notice-alert").wait_for(state="hidden")
    await page.locator("#tab-notices").click()
    await page.locator(".notices li", has_text="環七通り").wait_for()


async def test_an_operator_has_the_line_and_sends_things(stage: Stage) -> None:
    page = await stage.open()
    session, now = stage.session, stage.now
    stage.emit(Handoff(session, "h1", "queued", "agent", "お呼びします。", "ja", now))
    await page.locator(".line-alert", has_text="呼び出しています").wait_for()
    stage.emit(
        Handoff(session, "h1", "accepted", "operator", "つながりました。", "ja", now + timedelta(seconds=1), "鈴木")
    )
    await page.locator(".line-alert", has_text="鈴木").wait_for()
    stage.emit(OperatorSaid(session, "h1", "m1", "何時がよろしいですか", "ja", "鈴木", now))
    await stage.hears("何時がよろしいですか")
    kinds: dict[str, dict[str, Any]] = {
        "destination": {"name": "すし処みなと", "address": "渋谷区1-1"},
        "phone": {"name": "予約係", "phone": "03-1111-2222"},
        "notice": {"text": "この先通行止めです"},
        "news": {"name": "見出し", "text": "本文"},
        "weather": {"name": "箱根の天気", "text": "雨"},
        "something_new": {"name": "まだ知らない種類"},
    }
    for number, (kind, data) in enumerate(kinds.items()):
        stage.emit(Pushed(session, "h1", f"x{number}", kind, data, "sent", "届きました。", "ja", now))
        await page.locator("#pushes", has_text=next(iter(data.values()))).wait_for()
        assert await page.locator("#pushes button").all_inner_texts() == ["受け取る", "受け取らない"]
    assert await page.locator("#pushes", has_text="まだ知らない種類").count() == 1
    stage.emit(
        Pushed(
            session, "h1", "x5", "something_new", {}, "accepted", "受け取りました。", "ja", now + timedelta(seconds=2)
        )
    )
    await page.locator("#pushes button").first.wait_for(state="hidden")
    stage.emit(
        Handoff(
            session, "h1", "returned", "agent", "エージェントに戻ります。", "ja", now + timedelta(seconds=9), "鈴木"
        )
    )
    await page.locator("#back").wait_for(state="hidden")


async def test_what_the_car_lacks_is_told_at_a_glance(stage: Stage) -> None:
    page = await stage.open()
    world = stage.front.gateway.system.simulation.world
    world.network_lost = True
    await page.locator(".warnings", has_text="未接続").wait_for()
    world.contract_cancelled = True
    await page.locator(".warnings", has_text="契約なし").wait_for()
    for path, text in (("Vehicle.ADAS.ABS.IsError", "警告灯"), ("Vehicle.Powertrain.FuelSystem.IsFuelLevelLow", "燃料残りわずか"),
                       ("Vehicle.Cabin.Door.Row1.DriverSide.IsOpen", "半ドア"), ("Vehicle.Chassis.Axle.Row1.Wheel.Left.Tire.IsPressureLow", "タイヤ")):  # fmt: skip
        stage.sense(path, True)
        await page.locator(".warnings", has_text=text).wait_for()
    stage.sense("Vehicle.Private.HMI.IsScreenOn", False)
    await page.get_by_role("button", name="画面をつける").click()
    await page.get_by_role("button", name="画面をつける").wait_for(state="hidden")
    await stage.front.gateway.system.simulation.vehicle.set("Vehicle.Private.HMI.IsDayNightAuto", False)
    await stage.front.gateway.system.simulation.vehicle.set("Vehicle.Cabin.Infotainment.HMI.DayNightMode", "DAY")
    await page.locator("html[data-light=day]").wait_for()


async def test_a_reload_and_a_cut_line_lose_nothing(stage: Stage) -> None:
    page = await stage.open()
    await stage.say("イタリアン")
    await stage.hears("渋谷のイタリアン")
    await stage.front.gateway.system.conversation.notice(
        stage.session, "arrived", "notice.arrived_name", data={"name": "東京タワー"}
    )
    await stage.hears("東京タワー")
    before = await page.locator("#talk li").all_inner_texts()
    await page.reload()
    await stage.hears("東京タワー")
    assert await page.locator("#talk li").all_inner_texts() == before
    assert await page.locator(".cards .card").count() == 3
    for socket in list(stage.front.gateway._sockets):
        await socket.close()
    await page.locator("#state", has_text="接続が切れました").wait_for()
    assert await page.locator("#send").is_disabled()
    await page.locator("#send:not([disabled])").wait_for()
    assert await page.locator("#talk li").all_inner_texts() == before
    await stage.say("天気")
    await stage.hears("晴れます")


async def test_by_keyboard_alone(stage: Stage) -> None:
    page = await stage.open()

    async def focused() -> str:
        return str(
            await page.evaluate(
                "(e => e === document.body ? '' : e.id || e.getAttribute('aria-label') || e.textContent)(document.activeElement)"
            )
        )

    async def tab_to(name: str) -> None:
        for _ in range(40):
            if await focused() == name:
                return
            await page.keyboard.press("Tab")
        raise AssertionError(f"{name} cannot be reached: {await focused()}")

    await tab_to("text")
    await page.keyboard.type("イタリアン")
    await page.keyboard.press("Enter")
    await stage.hears("渋谷のイタリアン")
    await page.locator(".cards button").nth(1).wait_for()
    for _ in range(40):
        if "お店2" in await focused() and await page.evaluate("Boolean(document.activeElement.closest('.cards'))"):
            break
        await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await stage.hears("お店2ですね")
    await tab_to("tab-talk")
    await page.keyboard.press("ArrowRight")
    assert await focused() == "tab-climate"
    await tab_to("運転席の温度 上げる")
    outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    await page.keyboard.press("Enter")
    await page.locator(".zone.driver .temperature output", has_text="24.5°").wait_for()
    await tab_to("tab-climate")
    await page.keyboard.press("End")
    assert await focused() == "tab-settings"
    await tab_to("language")
    await page.locator("#language").select_option("en")
    await page.get_by_role("tab", name="Settings").wait_for()
    await tab_to("wake-word")


async def busy(stage: Stage) -> None:
    """Results, and a notice that can be answered."""
    await stage.say("イタリアン")
    await stage.hears("渋谷のイタリアン")
    await stage.front.gateway.system.conversation.notice(
        stage.session, "jam", "notice.arrived_name", data={"name": "環七通り"}
    )
    await stage.page.locator(".notice-alert").wait_for()


@pytest.mark.parametrize("viewport", [PHONE, {"width": 1600, "height": 1000}], ids=["phone", "desktop"])
async def test_nothing_for_axe_to_find_at_other_sizes(stage: Stage, viewport: dict[str, int]) -> None:
    page = await stage.open(viewport=viewport)
    await busy(stage)
    found = await violations(page)
    assert not found, "\n".join(found)


async def test_nothing_for_axe_to_find(stage: Stage) -> None:
    page = await stage.open()
    await busy(stage)
    found = [f"talk {v}" for v in await violations(page)]
    vehicle = stage.front.gateway.system.simulation.vehicle
    await vehicle.set("Vehicle.Private.HMI.IsDayNightAuto", False)
    for mode, tabs in (
        ("DAY", ("talk", "climate", "audio", "notices", "settings")),
        ("NIGHT", ("climate", "audio", "settings")),
    ):
        await vehicle.set("Vehicle.Cabin.Infotainment.HMI.DayNightMode", mode)
        await page.locator(f"html[data-light={mode.lower()}]").wait_for()
        for tab in tabs:
            await page.locator(f"#tab-{tab}").click()
            found += [f"{mode} {tab} {v}" for v in await violations(page)]
    await page.locator("#tab-talk").click()
    await stage.drive()
    stage.emit(Handoff(stage.session, "h1", "accepted", "operator", "つながりました。", "ja", stage.now, "鈴木"))
    push = {"name": "予約係", "phone": "03"}
    stage.emit(Pushed(stage.session, "h1", "x", "phone", push, "sent", "届きました。", "ja", stage.now))
    await page.locator("#pushes button").first.wait_for()
    found += [f"driving {v}" for v in await violations(page)]
    assert not found, "\n".join(sorted(set(found)))


async def test_hostile_text_from_everywhere_is_shown_and_never_run(stage: Stage) -> None:
    page = await stage.open()
    cards = [
        place(
            1,
            name=HOSTILE,
            name_en=HOSTILE,
            address=HOSTILE,
            phone=HOSTILE,
            price=HOSTILE,
            parking=HOSTILE,
            rating=HOSTILE,
        ),
        place(2, name=HOSTILE),
        {"type": "news", "title": HOSTILE, "source": HOSTILE, "summary": HOSTILE},
        {
            "type": "weather",
            "place": HOSTILE,
            "sky": HOSTILE,
            "high_c": 1,
            "low_c": 1,
            "chance": HOSTILE,
            "issued_at": HOSTILE,
        },
        {"type": "traffic", "kind": HOSTILE, "road": HOSTILE, "road_en": HOSTILE, "delay_s": 60, "ahead_m": 100},
        {"type": "route", "name": HOSTILE, "distance_m": 1000, "duration_s": 60, "via": HOSTILE},
        {"type": "phone", "name": HOSTILE, "phone": HOSTILE},
        {
            "type": "learnt",
            "places": [{"name": HOSTILE, "words": HOSTILE}],
            "habits": [{"words": HOSTILE}],
            "taste": [],
        },
        {"type": HOSTILE, "name": HOSTILE},
    ]
    stage.front.dialogue.script["x"] = with_cards(HOSTILE, *cards, quick_replies=(HOSTILE,), intent=HOSTILE)
    await stage.say(HOSTILE)
    await stage.hears("window.ran=1")
    await stage.say("x")
    await page.locator(".cards .card").nth(7).wait_for()
    session, now = stage.session, stage.now
    vehicle = stage.front.gateway.system.simulation.vehicle
    for path in (
        "Vehicle.Cabin.Infotainment.Media.Played.Track",
        "Vehicle.Cabin.Infotainment.Media.Played.Artist",
        "Vehicle.Private.Media.Station",
    ):
        vehicle.publish(path, HOSTILE)
    await stage.front.gateway.system.conversation.notice(
        session, HOSTILE, "notice.arrived_name", data={"name": HOSTILE}
    )
    stage.emit(Partial(session, HOSTILE, "ja", 1.0))
    stage.emit(Speaking(session, HOSTILE, "ja", 1, 1, 1.0))
    stage.emit(Handoff(session, "h1", "accepted", "operator", HOSTILE, "ja", now, HOSTILE))
    stage.emit(OperatorSaid(session, "h1", "m1", HOSTILE, "ja", HOSTILE, now))
    for number, kind in enumerate(("destination", "place", "phone", "notice", "news", "weather", HOSTILE)):
        stage.emit(
            Pushed(
                session,
                "h1",
                f"x{number}",
                kind,
                dict.fromkeys(("name", "phone", "address", "text"), HOSTILE),
                "sent",
                HOSTILE,
                "ja",
                now,
            )
        )
    await page.locator("#pushes", has_text="window.ran=1").wait_for()
    for tab in ("audio", "notices", "climate", "settings", "talk"):
        await page.locator(f"#tab-{tab}").click()
    assert await page.evaluate("window.ran") is None
    assert await page.locator("img, iframe, script:not([src])").count() == 0
    assert "<script>" in await page.locator("#talk").inner_text()


async def test_the_first_useful_paint_comes_soon(stage: Stage) -> None:
    page = await stage.open()
    await page.reload()
    await page.locator("#send:not([disabled])").wait_for()
    await page.wait_for_function(
        "() => performance.getEntriesByName('useful').length && performance.getEntriesByName('first-contentful-paint').length"
    )
    took = await page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    ready = await page.evaluate("performance.getEntriesByName('useful')[0].startTime")
    print(f"\nfirst contentful paint {took:.0f} ms, head unit drawn {ready:.0f} ms")
    # The goal is 1.5 s; a busy machine gets four times as long.
    assert ready < 6000
