"""Makes the pictures of the page: `uv run python docs/pictures/make.py [--only NAME]`.

A real concierge on this checkout's model and map, with a state of its own, in Debian's Chromium. Takes two minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import os
import re
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp

from agent.settings import default_home

HERE = Path(__file__).parent
CHROMIUM = shutil.which("chromium")
GRAPHICS = ("--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
MOST_BYTES = 300_000
PATIENCE_MS = 120_000
CAR, DESKTOP, PHONE = (1280, 720), (1600, 1000), (390, 844)


class Scene:
    """A page to be brought into the state a picture shows."""

    def __init__(self, browser: Any, url: str) -> None:
        self._browser, self._url = browser, url

    async def open(self, size: tuple[int, int], language: str, *, panel: bool = False) -> None:
        width, height = size
        phone = size == PHONE
        self.context = await self._browser.new_context(
            viewport={"width": width, "height": height}, locale="ja-JP" if language == "ja" else "en-GB",
            reduced_motion="reduce", is_mobile=phone, has_touch=phone,
        )  # fmt: skip
        self.page = await self.context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        await self.page.add_init_script(
            f"localStorage.setItem('language', '{language}'); localStorage.setItem('panel', '{'open' if panel else 'folded'}')"
        )
        await self.page.goto(self._url)
        await self.page.locator("#send:not([disabled])").wait_for()

    async def world(self, **message: Any) -> None:
        """What a tester arranges."""
        async with aiohttp.ClientSession() as http, http.ws_connect(f"{self._url}/ws") as line:
            await line.send_json({"type": "world", **message})
            async for answer in line:
                if answer.json()["type"] in ("world_state", "refused"):
                    return

    async def say(self, text: str) -> None:
        before = await self.page.locator("#talk li.agent").count()
        await self.page.fill("#text", text)
        await self.page.click("#send")
        await self.page.wait_for_function("(n) => document.querySelectorAll('#talk li.agent').length > n", arg=before)

    async def settle(self) -> None:
        """The map has been drawn."""
        await self.page.wait_for_timeout(6000)

    async def take(self, name: str) -> None:
        from PIL import Image

        picture = Image.open(io.BytesIO(await self.page.screenshot())).convert("RGB")
        for colours in (256, 128, 64):
            picture.quantize(colours, dither=Image.Dither.NONE).save(HERE / f"{name}.png", optimize=True)
            if (HERE / f"{name}.png").stat().st_size <= MOST_BYTES:
                break
        print(f"{name}.png: {(HERE / f'{name}.png').stat().st_size / 1000:.0f} kB", flush=True)
        await self.context.close()


async def results(scene: Scene) -> None:
    """The whole page on a desktop: results numbered as spoken, the tester's panel."""
    await scene.world(do="clock", time="18:40")
    await scene.open(DESKTOP, "ja", panel=True)
    await scene.say("渋谷で駐車場のあるイタリアン")
    await scene.say("評価が高い順にして")
    await scene.settle()
    await scene.take("page")


async def guiding(scene: Scene) -> None:
    """The car display under way."""
    await scene.open(CAR, "ja")
    await scene.say("横浜でイタリアン")
    await scene.say("一番目にする")
    await scene.say("はい")
    await scene.page.locator(".trip:not([hidden])").wait_for()
    await scene.settle()
    await scene.world(do="clock", rate=1)
    await scene.page.locator("body.driving").wait_for()
    # The camera follows; a processor that draws needs a while for each of its steps.
    await scene.settle()
    await scene.settle()
    await scene.take("car-guiding")
    await scene.world(do="clock", rate=0)


async def climate(scene: Scene) -> None:
    """By day, in English: climate by zone."""
    await scene.world(do="clock", time="11:20")
    await scene.open(CAR, "en")
    await scene.say("I'm a bit cold")
    await scene.page.click("#tab-climate")
    await scene.settle()
    await scene.take("car-climate")


async def telephone(scene: Scene) -> None:
    await scene.open(PHONE, "en")
    await scene.say("find a ramen place near Shinjuku station")
    await scene.settle()
    await scene.take("phone")


SCENES: dict[str, Callable[[Scene], Awaitable[None]]] = {
    "page": results, "car-guiding": guiding, "car-climate": climate, "phone": telephone,
}  # fmt: skip


@contextlib.asynccontextmanager
async def concierge() -> AsyncIterator[str]:
    """A concierge with this checkout's model and map and a state of its own; its address."""
    home = default_home(os.environ)
    with tempfile.TemporaryDirectory() as folder:
        for part in home.iterdir():
            if part.name not in ("state", "logs", "concierge.toml"):
                (Path(folder) / part.name).symlink_to(part)
        own = {"CONCIERGE_HOME": folder, "CONCIERGE_PORT": "0", "CONCIERGE_DESK_PORT": "0", "CONCIERGE_ONLINE": "false"}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "agent.cli", env={**os.environ, **own}, stdout=asyncio.subprocess.PIPE
        )
        try:
            assert process.stdout is not None
            while line := (await process.stdout.readline()).decode():
                if found := re.search(r"http://[^/\s]+", line):
                    yield found[0]
                    break
            else:
                raise SystemExit("The concierge did not start.")
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()


async def main() -> None:
    from playwright.async_api import async_playwright

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=sorted(SCENES), action="append")
    parser.add_argument("--url", help="of a concierge that is running already")
    arguments = parser.parse_args()
    if CHROMIUM is None:
        raise SystemExit("Pictures are taken in Chromium: install the Debian package chromium.")
    async with contextlib.AsyncExitStack() as stack:
        url = arguments.url or await stack.enter_async_context(concierge())
        playwright = await stack.enter_async_context(async_playwright())
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(GRAPHICS))
        stack.push_async_callback(browser.close)
        for name in arguments.only or SCENES:
            await SCENES[name](Scene(browser, url))


if __name__ == "__main__":
    asyncio.run(main())
