"""Two people in real browsers: the driver's page and the operators' page."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest_asyncio

from agent.desk.server import DeskServer, open_desk
from tests.browser_tools import BROWSER, HOSTILE, watch
from tests.desk_system import PATIENCE, Front, add_people, open_front
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

    async def hears(self, text: str, within_s: float = 5.0) -> None:
        await self.driver.locator("#talk li", has_text=text).last.wait_for(timeout=within_s * 1000)

    async def sees(self, text: str, where: str = "#talk li", within_s: float = 5.0) -> None:
        await self.operator.locator(where, has_text=text).last.wait_for(timeout=within_s * 1000)

    async def login(self, name: str = "suzuki") -> None:
        await self.operator.goto(f"{self.desk.url}/desk")
        await self.operator.fill("#name", name)
        await self.operator.fill("#password", PASSWORD)
        await self.operator.click("#enter")
        await self.operator.locator("#queue").wait_for()

    async def claim(self) -> None:
        await self.operator.locator("#queue .row.queued").first.click(timeout=5000)
        await self.operator.locator("#steps button.main").click(timeout=5000)
        await self.operator.locator("#composer").wait_for(timeout=5000)

    async def answer(self, text: str) -> None:
        await self.operator.fill("#text", text)
        await self.operator.click("#send")


@pytest_asyncio.fixture(loop_scope="session")
async def stage(tmp_path: Path, chromium: Any) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        desk = await stack.enter_async_context(open_desk("sqlite://", patience=PATIENCE, car=SECRET))
        await add_people(desk, "suzuki")
        front = await stack.enter_async_context(open_front(tmp_path, desk.url))
        contexts = [await chromium.new_context(viewport={"width": 1500, "height": 900}) for _ in range(2)]
        for context in contexts:
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
    await stage.driver.locator("#pushes button").nth(1).click(timeout=5000)
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
    await stage.operator.locator("#queue .row.queued").first.click(timeout=5000)
    await stage.operator.locator("#steps button", has_text="断る").click()
    await stage.hears("承れませんでした")
    stage.desk.service.patience = replace(PATIENCE, answer_s=0.5)
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
    closed = time.monotonic()
    await stage.hears("オペレーター側の接続が切れました")
    assert time.monotonic() - closed < 5
    # Back to the agent at any moment, here by touch.
    await stage.driver.locator("#back").click()
    await stage.hears("エージェントに戻りました")
    await stage.say("渋谷の天気")
    await stage.hears("(渋谷の天気)")


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
    await stage.driver.locator("#back").wait_for(timeout=3000)


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
