"""A whole drive in a real browser on the real system: looked for, narrowed, chosen, set, seen on the map, driven, arrived."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser_tools import BROWSER, watch

if TYPE_CHECKING:
    from tests.conftest import RunningSystem

pytestmark = BROWSER
LOOK_MS = 60_000
WAY = "() => document.getElementById('map-room').view?.map.getLayer('route') && document.getElementById('map-room').view.map.queryRenderedFeatures({ layers: ['route'] }).length"


class Serving:
    """The page over the running system, in the system's own loop: map, arrivals, everything but a voice."""

    def __init__(self, running: RunningSystem) -> None:
        self._running = running

    def __enter__(self) -> Serving:
        self._running.new_session()
        self.url = self._running.run(self._serve())
        return self

    def __exit__(self, *_: object) -> None:
        self._running.run(self._stack.aclose())

    async def _serve(self) -> str:
        from aiohttp import web

        from agent.composition import announce
        from agent.composition_map import open_car_map
        from agent.web.gateway import Gateway

        system, self._stack = self._running.system, AsyncExitStack()
        await self._stack.enter_async_context(open_car_map(system, deadline_s=60))
        gateway = Gateway(system)
        arrivals = asyncio.create_task(announce(system, gateway.sessions))
        runner = web.AppRunner(gateway.app(), access_log=None, handle_signals=False, shutdown_timeout=0.1)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        self._stack.push_async_callback(gateway.close)
        self._stack.push_async_callback(system.simulation.vehicle.stop)
        self._stack.callback(arrivals.cancel)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"


@pytest.mark.parametrize(
    ("locale", "viewport", "search", "narrow", "yes", "arrived"),
    [
        ("ja-JP", {"width": 1280, "height": 720}, "近くのカフェを探して", "駐車場があるところがいい", "はい", "到着"),
        ("en-GB", {"width": 390, "height": 844}, "find a cafe nearby", "with parking please", "yes", "arrived"),
    ],
    ids=["ja-car", "en-phone"],
)
async def test_from_the_wish_to_the_arrival(
    running: RunningSystem, chromium: Any, locale: str, viewport: Any, search: str, narrow: str, yes: str, arrived: str
) -> None:
    async with AsyncExitStack() as stack:
        serving = await asyncio.to_thread(Serving(running).__enter__)
        stack.push_async_callback(asyncio.to_thread, serving.__exit__)
        context = await chromium.new_context(viewport=viewport, locale=locale, reduced_motion="reduce")
        stack.push_async_callback(context.close)
        page = await context.new_page()
        page.set_default_timeout(LOOK_MS)
        problems = watch(page)
        await page.goto(serving.url)
        await page.locator("#send:not([disabled])").wait_for()

        async def say(text: str) -> None:
            answers = await page.locator("#talk li.agent").count()
            await page.fill("#text", text)
            await page.click("#send")
            await page.locator("#talk li.agent").nth(answers).wait_for()

        await say(search)
        before = await page.locator(".cards .card").all_inner_texts()
        assert len(before) == 3
        await say(narrow)
        cards = await page.locator(".cards .card").all_inner_texts()
        assert 1 <= len(cards) <= 3
        assert all("P" in card for card in cards), cards
        if len(cards) > 1:
            await page.locator(".cards .card button").first.click()
            await page.wait_for_function("() => document.querySelectorAll('.cards .card').length === 1")
        await say(yes)
        navigation = running.system.simulation.navigation
        assert navigation.now()["guiding"]
        await page.locator("#map-room[data-ready]").wait_for()
        await (await page.wait_for_function(WAY, timeout=LOOK_MS)).json_value()
        await page.locator(".map-goal").wait_for()
        await page.click('.map-speeds [data-factor="60"]')
        await page.locator("body.driving").wait_for()
        # Nothing to type into while it moves.
        assert not await page.locator("#text").is_visible()
        await page.locator("#talk li, .alert", has_text=arrived).first.wait_for(timeout=120_000)
        await page.wait_for_function("() => !document.querySelector('.map-goal')")
        assert not navigation.now()["guiding"]
        assert problems == []
