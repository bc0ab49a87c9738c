"""Two people in real browsers: the driver's page and the operators' page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest_asyncio

from agent.desk.server import DeskServer, open_desk
from tests.browser_tools import BROWSER, HOSTILE, watch
from tests.desk_system import CALM, LONG_S, PATIENT_WAITS, Front, Lag, add_people, open_front
from tests.fakes_desk import PASSWORD, SECRET

pytestmark = BROWSER


class Stage:
    """Both pages of one talk."""

    def __init__(self, front: Front, desk: DeskServer, driver: Any, operator: Any, browser: Any) -> None:
        self.front, self.desk, self.driver, self.operator, self.browser = front, desk, driver, operator, browser
        self._problems = [watch(page) for page in (driver, operator)]
        for page in (driver, operator):
            page.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept("満席のため")))

    @property
    def problems(self) -> list[str]:
        return [problem for page in self._problems for problem in page]

    async def say(self, text: str) -> None:
        await self.driver.fill("#text", text)
        await self.driver.click("#send")

    async def hears(self, text: str) -> None:
        await self.driver.locator("#talk li", has_text=text).last.wait_for()

    async def sees(self, text: str, where: str = "#talk li") -> None:
        await self.operator.locator(where, has_text=text).last.wait_for()

    async def login(self, name: str = "suzuki") -> None:
        await self.operator.goto(f"{self.desk.url}/desk")
        await self.operator.fill("#name", name)
        await self.operator.fill("#password", PASSWORD)
        await self.operator.click("#enter")
        await self.operator.locator("#queue").wait_for()

    async def claim(self) -> None:
        await self.operator.locator("#queue .row.queued").first.click()
        await self.operator.locator("#steps button.main").click()
        await self.operator.locator("#composer").wait_for()

    async def answer(self, text: str) -> None:
        await self.operator.fill("#text", text)
        await self.operator.click("#send")


@pytest_asyncio.fixture(loop_scope="session")
async def stage(tmp_path: Path, chromium: Any) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        desk = await stack.enter_async_context(open_desk("sqlite://", patience=CALM, car=SECRET))
        await add_people(desk, "suzuki", "sato")
        front = await stack.enter_async_context(
            open_front(tmp_path, desk.url, waits=PATIENT_WAITS, silence_s=LONG_S / 2)
        )
        contexts = [await chromium.new_context(viewport={"width": 1500, "height": 900}) for _ in range(2)]
        for context in contexts:
            context.set_default_timeout(LONG_S * 1000)
            stack.push_async_callback(context.close)
        driver, operator = [await context.new_page() for context in contexts]
        made = Stage(front, desk, driver, operator, chromium)
        await driver.goto(front.url)
        await driver.locator("#send:not([disabled])").wait_for()
        yield made
        assert made.problems == []


async def test_a_talk_from_the_call_to_the_note(stage: Stage) -> None:
    await stage.login()
    await stage.say("渋谷で寿司を食べたい")
    await stage.hears("すし処みなと")
    await stage.say("4人で予約して")
    await stage.hears("オーナーズデスクをお呼びします")
    await stage.claim()
    # The driver hears who is there; the operator sees everything at a glance.
    await stage.hears("suzukiにつながりました")
    for text, where in (("お店の予約", ".reason"), ("人数：4名", ".known"), ("予算：お任せ", ".known"), ("すし処みなと", ".candidates"), ("品川 300", "dl"),
                        ("渋谷で寿司を食べたい", "#talk li")):  # fmt: skip
        await stage.sees(text, where)
    assert await stage.operator.locator("svg.map .car").count() == 1
    await stage.answer("何時がよろしいですか")
    await stage.hears("何時がよろしいですか")
    heard = len(stage.front.dialogue.heard)
    await stage.say("7時でお願いします")
    await stage.sees("7時でお願いします")
    assert len(stage.front.dialogue.heard) == heard
    # A destination is sent, taken by word, and the operator sees it.
    await stage.operator.fill("#push-name", "すし処みなと")
    await stage.operator.fill("#push-where", "35.6612, 139.7012")
    await stage.operator.click("#push-send")
    await stage.hears("目的地「すし処みなと」が届きました")
    await stage.say("はい")
    await stage.sees("受け取り済み", ".push.accepted")
    # Another by touch.
    await stage.operator.select_option("#push-kind", "notice")
    await stage.operator.fill("#push-name", "この先通行止めです")
    await stage.operator.click("#push-send")
    await stage.driver.locator("#pushes button").nth(1).click()
    await stage.sees("断られた", ".push.refused")
    await stage.operator.fill("#note", "19時に4名で予約済み")
    await stage.operator.click("#give-back")
    await stage.hears("19時に4名で予約済み")
    await stage.say("何時だっけ")
    await stage.hears("(何時だっけ)")
    assert stage.front.dialogue.heard[-1][3]["desk"]["note"] == "19時に4名で予約済み"
    await stage.operator.fill("#q", "寿司")
    await stage.operator.press("#q", "Enter")
    await stage.sees("渋谷で寿司を食べたい", "#packet .row")


async def test_declined_and_no_answer_are_said(stage: Stage) -> None:
    await stage.login()
    await stage.say("予約して")
    await stage.operator.locator("#queue .row.queued").first.click()
    await stage.operator.locator("#steps button", has_text="断る").click()
    await stage.hears("承れませんでした")
    stage.desk.service.patience = replace(CALM, answer_s=0.5)
    await stage.say("もう一度予約して")
    await stage.hears("出られませんでした")
    await stage.say("渋谷の天気")
    await stage.hears("(渋谷の天気)")


async def test_a_closed_page_of_the_operator_leaves_nobody_in_silence(stage: Stage) -> None:
    await stage.login()
    await stage.say("予約して")
    await stage.claim()
    await stage.hears("suzukiにつながりました")
    await stage.operator.close()
    async with Lag() as lag:
        await stage.hears("オペレーター側の接続が切れました")
    # On a machine that is free it is told in time; what this process had to wait for the machine does not count.
    assert lag.passed - lag.lost < 5
    # Back to the agent at any moment, here by touch.
    await stage.driver.locator("#back").click()
    await stage.hears("エージェントに戻りました")
    await stage.say("渋谷の天気")
    await stage.hears("(渋谷の天気)")


async def test_a_lost_operator_is_replaced_by_another_who_has_everything(stage: Stage) -> None:
    await stage.login()
    await stage.say("予約して")
    await stage.claim()
    await stage.hears("suzukiにつながりました")
    await stage.answer("少々お待ちください")
    await stage.hears("少々お待ちください")
    stage.desk.service.patience = replace(CALM, gone_s=0.8)
    context = stage.operator.context
    await stage.operator.close()
    await stage.hears("ほかのオペレーターをお呼びしています")
    # The agent works meanwhile.
    await stage.say("渋谷の天気")
    await stage.hears("(渋谷の天気)")
    stage.desk.service.patience = CALM
    await context.clear_cookies()
    stage.operator = await context.new_page()
    await stage.login("sato")
    await stage.sees("呼び直し中", "#queue .row.queued")
    await stage.claim()
    await stage.hears("satoにつながりました")
    await stage.sees("少々お待ちください")
    await stage.answer("代わりました")
    await stage.hears("代わりました")
    handoffs = stage.front.gateway.system.conversation.handoffs
    assert handoffs is not None
    (session,) = stage.front.gateway.sessions()
    assert [owner for owner, _, _ in handoffs.owners(session)] == ["operator", "agent", "operator"]


async def test_cards_are_sent_taken_and_seen(stage: Stage) -> None:
    await stage.login()
    await stage.say("予約して")
    await stage.claim()
    await stage.operator.select_option("#push-kind", "news")
    await stage.operator.fill("#push-name", "東名で事故")
    await stage.operator.fill("#push-more", "上り線が通行止めです。<b>迂回</b>してください。")
    await stage.operator.click("#push-send")
    await stage.hears("ニュース「東名で事故」が届きました")
    await stage.say("はい")
    await stage.hears("東名で事故。上り線が通行止めです。")
    await stage.sees("受け取り済み", ".push.accepted")
    await stage.operator.select_option("#push-kind", "weather")
    await stage.operator.fill("#push-name", "箱根")
    await stage.operator.select_option("#push-sky", "rain")
    await stage.operator.fill("#push-high", "18")
    await stage.operator.fill("#push-chance", "70")
    await stage.operator.click("#push-send")
    await stage.hears("箱根の天気が届きました")
    await stage.driver.locator("#pushes button").first.click()
    await stage.hears("いまの箱根は雨、最高18度、降水確率70％です。")
    await stage.sees("箱根 · 雨 · 18 ℃", ".push.accepted")


async def test_the_drivers_network_goes_and_comes_back(stage: Stage) -> None:
    await stage.login()
    await stage.say("予約して")
    await stage.claim()
    await stage.hears("suzukiにつながりました")
    await stage.driver.evaluate("() => { window.kept = 1; }")
    # The page's line is cut; what is said meanwhile is there when it is back.
    for socket in list(stage.front.gateway._sockets):
        await socket.close()
    await stage.answer("聞こえますか")
    await stage.sees("運転者の画面との接続が切れました")
    await stage.hears("聞こえますか")
    assert await stage.driver.evaluate("() => window.kept") == 1
    assert await stage.driver.locator("#talk li", has_text="聞こえますか").count() == 1
    # A page opened anew shows the talk as well, and who holds the line.
    await stage.driver.reload()
    await stage.hears("聞こえますか")
    await stage.driver.locator("#back").wait_for()


async def test_hostile_text_is_shown_and_never_run(stage: Stage) -> None:
    await stage.login()
    await stage.say(HOSTILE)
    await stage.say(f"予約して {HOSTILE}")
    await stage.claim()
    await stage.answer(HOSTILE)
    await stage.hears("window.ran=1")
    await stage.say(HOSTILE)
    for kind in ("notice", "phone"):
        await stage.operator.select_option("#push-kind", kind)
        await stage.operator.fill("#push-name", HOSTILE)
        if kind == "phone":
            await stage.operator.fill("#push-phone", "<b>1</b>")
        await stage.operator.click("#push-send")
    await stage.sees("<script>", "#pushed p")
    handoff = await stage.operator.locator("#queue .row").first.get_attribute("data-id")
    await stage.operator.fill("#note", HOSTILE)
    await stage.operator.click("#give-back")
    await stage.sees(HOSTILE[:20], "#packet, #talk")
    await stage.hears("伝言です")
    printed = await stage.operator.context.new_page()
    await printed.goto(f"{stage.desk.url}/api/v1/handoffs/{handoff}/export?format=html")
    assert "<script>window.ran" in await printed.inner_text("body")
    for page in (stage.driver, stage.operator, printed):
        assert await page.evaluate("() => window.ran") is None
        assert await page.locator("img").count() == 0
