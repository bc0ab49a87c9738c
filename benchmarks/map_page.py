"""The page's map in a real browser: frames while it stands, drives and is zoomed, and what a frame costs the page's own thread.

    uv run python -m benchmarks.map_page [--data FOLDER] [--seconds N]

Wants a data folder with an installed map (the default one) and Debian's chromium. WebGL is drawn by the processor here
(SwiftShader): the rate of frames says something about this machine, the milliseconds of script per frame something about the
page. The floor, a page that asks for frames and does nothing, is measured in the same run. Budget: 16.7 ms a frame at 60 Hz,
of which script may take a quarter.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import shutil
import tempfile
from pathlib import Path
from typing import Any, cast

from aiohttp import web

from agent import settings as settings_module
from agent.composition import join, load_phrases, open_simulation
from agent.composition_map import open_car_map
from agent.dialogue import Dialogue
from agent.web.gateway import Gateway
from backends.model import Position, RouteRequest

ARGUMENTS = ("--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
COUNT = """(seconds) => new Promise((resolve) => {
  const gaps = []; let before = performance.now(); const end = before + seconds * 1000;
  const frame = (now) => { gaps.push(now - before); before = now; now < end ? requestAnimationFrame(frame) : resolve(gaps); };
  requestAnimationFrame(frame);
})"""


async def frames(page: Any, client: Any, seconds: float) -> str:
    """One row: frames a second, median and 95th percentile of their gaps, script and all main-thread time a frame."""

    async def spent() -> dict[str, float]:
        found = await client.send("Performance.getMetrics")
        return {row["name"]: row["value"] for row in found["metrics"]}

    before = await spent()
    gaps = sorted((await page.evaluate(COUNT, seconds))[1:])
    after = await spent()
    script = 1000 * (after["ScriptDuration"] - before["ScriptDuration"]) / len(gaps)
    tasks = 1000 * (after["TaskDuration"] - before["TaskDuration"]) / len(gaps)
    return (
        f"{1000 * len(gaps) / sum(gaps):.0f} | {gaps[len(gaps) // 2]:.1f} | {gaps[int(len(gaps) * 0.95)]:.1f} |"
        f" {script:.2f} | {tasks:.2f}"
    )


async def measure(home: Path, seconds: float) -> list[str]:
    from playwright.async_api import async_playwright

    table = [
        "| what | frames/s | p50 ms | p95 ms | script ms/frame | main thread ms/frame |",
        "|---|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as state:
        settings = settings_module.load(environment={"CONCIERGE_HOME": state})
        # The installed map, and nothing else of the folder.
        os.symlink(home / "maps", os.path.join(state, "maps"))
        async with open_simulation(settings) as simulation, async_playwright() as playwright:
            system = join(settings, simulation, cast(Dialogue, _Silent()), load_phrases())
            async with open_car_map(system):
                runner = web.AppRunner(Gateway(system).app(), access_log=None)
                await runner.setup()
                await web.TCPSite(runner, "127.0.0.1", 0).start()
                browser = await playwright.chromium.launch(
                    executable_path=shutil.which("chromium"), args=list(ARGUMENTS)
                )
                page = await browser.new_page(viewport={"width": 1280, "height": 720})
                client = await page.context.new_cdp_session(page)
                await client.send("Performance.enable")
                await page.goto("about:blank")
                table.append(f"| nothing (floor) | {await frames(page, client, seconds)} |")
                await page.goto(f"http://127.0.0.1:{runner.addresses[0][1]}/")
                await page.locator("#map-room[data-ready]").wait_for(timeout=60_000)
                await page.locator(".map-host[data-loaded]").wait_for(timeout=60_000)
                table.append(f"| the car stands | {await frames(page, client, seconds)} |")
                assert system.car_map is not None
                here = simulation.vehicle.position
                goal = Position(35.319, 139.5504)
                found = await system.car_map.roads.route(RouteRequest(here, goal))
                await simulation.navigation.set_route("鎌倉", found[0], goal)
                await page.locator(".map-goal").wait_for(timeout=60_000)
                table.append(f"| the whole route | {await frames(page, client, seconds)} |")
                for factor in (1, 10, 60):
                    simulation.vehicle.drive(factor)
                    await page.click(".map-follow")
                    table.append(f"| follows at {factor}× | {await frames(page, client, seconds)} |")
                simulation.vehicle.drive(0)
                await browser.close()
                await runner.cleanup()
    return table


class _Silent:
    """A dialogue model nobody speaks to."""

    async def _never(self, *_: object, **__: object) -> Any:
        raise AssertionError("spoken to")

    turn = parse = reset = slots = close = _never


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=settings_module.load().home)
    parser.add_argument("--seconds", type=float, default=8.0)
    options = parser.parse_args()
    table = asyncio.run(measure(options.data, options.seconds))
    print(f"{platform.machine()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, WebGL by SwiftShader\n")
    print("\n".join(table))


if __name__ == "__main__":
    main()
