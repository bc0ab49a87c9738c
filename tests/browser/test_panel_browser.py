"""The tester's panel in a real browser: text, the world, the events, a recording; and a page that outlives its server."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import sys
import typing
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest_asyncio
from playwright.async_api import expect

from agent import events as events_module
from agent.events import Event, Latency, Pushed, Spoke
from backends.model import Maneuver, Route
from simulator.vehicle import offset
from tests.browser_tools import BROWSER, HOSTILE, violations, watch
from tests.fakes import MONDAY_MORNING, FakeDialogue, reply
from tests.fakes_web import WebFront, open_web
from tests.scenarios import load

pytestmark = BROWSER
expect.set_options(timeout=20_000)
SESSION = "panel-session-1"
TIMINGS = {"understanding": 12.5, "policy": 1.25, "action": 30.0, "backend": 20.0, "store": 2.0}
PARK = {"type": "place", "id": "park-1", "name": "中央駐車場", "kind": "parking", "parking": "paid"}


def dialogue() -> FakeDialogue:
    found = reply("2件あります。", context="offers_list", actions=({"name": "search", "ok": True},), timings=TIMINGS)

    async def answer() -> Any:
        # As long as its stages say, so that they can add up.
        await asyncio.sleep(0.07)
        return dataclasses.replace(found, payload={**found.payload, "cards": [PARK]})

    return FakeDialogue({"駐車場": answer})


class Tester:
    """A tester at a page."""

    __test__ = False

    def __init__(self, front: WebFront, page: Any) -> None:
        self.front, self.page, self.problems = front, page, watch(page)

    def at(self, selector: str, **which: Any) -> Any:
        return self.page.locator(selector, **which)

    async def open(self, url: str | None = None) -> None:
        await self.page.goto(url or self.front.url)
        await expect(self.at("#panel-line")).to_have_attribute("data-line", "open")

    async def say(self, text: str) -> None:
        await self.page.fill("#panel-text", text)
        await self.page.press("#panel-text", "Enter")

    async def tab(self, name: str) -> None:
        await self.page.click(f"#tab-{name}")
        await self.at(f"#sheet-{name}").wait_for()

    async def ready(self) -> None:
        await self.tab("world")
        await self.at("#world-network").wait_for()

    @property
    def world(self) -> dict[str, Any]:
        return self.front.system.simulation.controls.state()

    async def becomes(self, key: str, value: Any) -> None:
        """What the gateway knows of the world."""
        await holds(lambda: self.world[key] == value, f"{key} is {self.world[key]!r}, not {value!r}")


async def holds(condition: Callable[[], Any], what: str, seconds: float = 20.0) -> None:
    loop = asyncio.get_running_loop()
    ends = loop.time() + seconds
    while not condition():
        assert loop.time() < ends, what
        await asyncio.sleep(0.02)


@asynccontextmanager
async def page_of(
    chromium: Any, front: WebFront, *, width: int = 1600, height: int = 1000, **options: Any
) -> AsyncIterator[Tester]:
    context = await chromium.new_context(viewport={"width": width, "height": height}, locale="ja-JP", **options)
    try:
        page = await context.new_page()
        await page.add_init_script(
            f"sessionStorage.getItem('session') ?? sessionStorage.setItem('session', '{SESSION}')"
        )
        yield Tester(front, page)
    finally:
        await context.close()


@pytest_asyncio.fixture(loop_scope="session")
async def front(tmp_path: Path) -> AsyncIterator[WebFront]:
    async with open_web(tmp_path, dialogue=dialogue()) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def tester(chromium: Any, front: WebFront) -> AsyncIterator[Tester]:
    async with page_of(chromium, front) as made:
        await made.open()
        yield made
        assert made.problems == []


async def guide(front: WebFront) -> None:
    simulation = front.system.simulation
    line = tuple(offset(simulation.vehicle.position, north, 0) for north in (0, 5_000, 10_000))
    steps = (Maneuver("直進", line[0], 0, 10_000, 800, "start", "桜田通り"),)
    await simulation.navigation.set_route("王子", Route(line, 10_000, 800, steps), line[-1])


# ── text and events ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_was_said_and_how_long_it_took(tester: Tester, front: WebFront) -> None:
    await tester.say("駐車場")
    await expect(tester.at("#panel-talk li").last).to_have_text("2件あります。")
    # The bars add up to the whole.
    bars = tester.at("#sheet-chat tr[data-ms]")
    await expect(bars.first).to_be_visible()
    stages = {
        await bar.get_attribute("data-stage"): float(await bar.get_attribute("data-ms")) for bar in await bars.all()
    }
    assert {k: stages[k] for k in ("understanding", "policy", "backend", "store")} == {
        "understanding": 12.5, "policy": 1.25, "backend": 20.0, "store": 2.0,
    }  # fmt: skip
    # Backends are asked from within actions, and shown apart.
    assert stages["action"] == 10.0
    await tester.tab("events")
    row = tester.at(".p-event", has_text="spoke")
    await row.click()
    raw = await tester.at("#event-detail pre").inner_text()
    total = float(raw.split('"total_ms": ')[1].split(",")[0].split("\n")[0])
    shown = await tester.at("#event-detail tr[data-ms]").evaluate_all(
        "rows => rows.map((row) => Number(row.dataset.ms))"
    )
    assert abs(sum(shown) - total) < 0.5
    ends = await tester.at("#event-detail .p-stage").evaluate_all(
        "bars => bars.map((bar) => parseFloat(bar.style.marginInlineStart) + parseFloat(bar.style.inlineSize))"
    )
    assert 95 <= ends[-1] <= 101
    # Voice has a waterfall of its own.
    front.system.stream.emit(Latency(SESSION, 440, 300, 200, 60, 1_000, 3.0))
    await tester.at(".p-event", has_text="latency").click()
    assert await tester.at("#event-detail tr[data-ms]").count() == 4
    await tester.page.keyboard.press("Escape")


async def test_the_stream_is_filtered_and_walked_by_keyboard(tester: Tester) -> None:
    await tester.say("駐車場")
    await expect(tester.at("#panel-talk li")).to_have_count(2)
    await tester.tab("events")
    for kind in ("heard", "understood", "acted", "spoke"):
        await expect(tester.at(".p-event", has_text=kind)).to_have_count(1)
    await tester.at('.p-chip[data-type="heard"]').click()
    await expect(tester.at(".p-event", has_text="heard")).to_have_count(0)
    await expect(tester.at('.p-chip[data-type="heard"]')).to_have_attribute("aria-pressed", "false")
    await tester.at("#events").focus()
    for key, kind in (("Home", "understood"), ("ArrowDown", "acted"), ("End", "spoke")):
        await tester.page.keyboard.press(key)
        await expect(tester.at('.p-event[aria-selected="true"] b')).to_have_text(kind)
        assert f'"type": "{kind}"' in await tester.at("#event-detail pre").inner_text()
    await tester.page.keyboard.press("Escape")
    await expect(tester.at("#event-detail")).to_be_hidden()


async def test_five_thousand_events_do_not_slow_it(tester: Tester, front: WebFront) -> None:
    await tester.tab("events")
    devtools = await tester.page.context.new_cdp_session(tester.page)
    await devtools.send("Performance.enable")

    async def scripting() -> float:
        metrics = {m["name"]: m["value"] for m in (await devtools.send("Performance.getMetrics"))["metrics"]}
        return float(metrics["ScriptDuration"] + metrics["LayoutDuration"] + metrics["RecalcStyleDuration"])

    outbox = next(iter(front.gateway._connections))._outbox
    before = await scripting()
    for number in range(1_000):
        emit = front.system.stream.emit
        emit(events_module.Heard(SESSION, number, f"言葉 {number}", "ja", MONDAY_MORNING))
        emit(events_module.Understood(SESSION, number, "search_place", "destination_search", 0.9, ()))
        emit(events_module.Acted(SESSION, number, "search", {"total": number}, True))
        emit(Latency(SESSION, 440, 300, 200, 60, 1_000, float(number)))
        emit(Spoke(SESSION, number, f"答え {number}", "ja", "done", timings=TIMINGS, total_ms=65.75))
        # Only as fast as the page takes them: none is to be dropped.
        await asyncio.sleep(0)
        if len(outbox) > 300:
            await holds(lambda: len(outbox) < 50, "the page takes nothing", 30.0)
    for kind in ("heard", "understood", "acted", "latency", "spoke"):
        await expect(tester.at(f'.p-chip[data-type="{kind}"] small')).to_have_text("1000", timeout=30_000)
    assert outbox.lost == 0
    await expect(tester.at(".p-event").last).to_contain_text("999")
    spent = await scripting() - before
    # A millisecond an event would be felt; on this machine alone it is a fraction of that.
    assert spent < 5.0, f"{spent:.2f} s for 5,000 events"
    print(f"5,000 events: {spent:.2f} s of scripting, style and layout")
    # Only what is in sight exists.
    assert await tester.at(".p-event").count() < 80
    assert await tester.at("#panel-talk li").count() <= 200
    await tester.at("#events").focus()
    await tester.page.keyboard.press("Home")
    await expect(tester.at(".p-event").first).to_be_visible()
    await expect(tester.at('.p-event[aria-selected="true"]')).to_contain_text("言葉 0")
    # It still answers.
    await tester.tab("chat")
    await tester.say("駐車場")
    await expect(tester.at("#panel-talk li").last).to_have_text("2件あります。")


# ── the world ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_each_control_changes_the_world_and_is_shown(tester: Tester, front: WebFront) -> None:
    await tester.say("駐車場")
    await expect(tester.at("#panel-talk li")).to_have_count(2)
    await tester.ready()
    page = tester.page
    # line and head unit
    for box, key in (("network", "network_lost"), ("contract", "contract_cancelled")):
        await page.check(f"#world-{box}")
        await tester.becomes(key, True)
        await page.uncheck(f"#world-{box}")
        await tester.becomes(key, False)
    await page.uncheck("#world-news")
    await tester.becomes("news_on", False)
    await page.select_option("#world-equipment", "display_audio")
    await tester.becomes("equipment", "display_audio")
    # time
    await page.fill("#world-time", "19:30")
    await page.click("#world-set-time")
    await expect(tester.at("#world-clock")).to_contain_text("19:30")
    assert front.system.simulation.clock() == MONDAY_MORNING.replace(hour=19, minute=30)
    await page.click("#world-hour")
    await expect(tester.at("#world-clock")).to_contain_text("20:30")
    await page.click("#world-real")
    await expect(tester.at("#world-clock")).to_contain_text("10:00")
    await page.select_option("#drive", "10")
    await tester.becomes("rate", 10.0)
    await page.select_option("#drive", "0")
    await tester.becomes("rate", 0.0)
    # road: only where there is a route ahead
    await page.click("#world-jam")
    await expect(tester.at("#world-problem")).to_contain_text("ルート")
    await guide(front)
    await expect(tester.at("#world-route")).to_contain_text("10.0 km")
    for kind in ("jam", "accident", "closure"):
        await page.click(f"#world-{kind}")
        await expect(tester.at("#world-events li", has_text="桜田通り")).to_have_count(
            ("jam", "accident", "closure").index(kind) + 1
        )
    await expect(tester.at("#world-problem")).to_be_empty()
    await tester.at("#world-events li", has_text="事故").locator("button").click()
    await expect(tester.at("#world-events li")).to_have_count(2)
    assert [e.kind for e in front.system.simulation.world.events()] == ["jam", "closure"]
    await page.click("#world-clear-road")
    await expect(tester.at("#world-events li")).to_have_count(0)
    await page.click("#world-pass")
    await holds(lambda: front.system.simulation.vehicle.along > 1_000, "the car has not driven on")
    # weather
    await page.select_option("#world-weather", "snow")
    await expect(tester.at("#world-sky")).to_contain_text("雪")
    await page.select_option("#world-where", "沖縄県")
    await expect(tester.at("#world-weather")).to_have_value("")
    await page.select_option("#world-weather", "typhoon")
    await tester.becomes(
        "weather", [{"prefecture": None, "scenario": "snow"}, {"prefecture": "沖縄県", "scenario": "typhoon"}]
    )
    # the car
    for part, key, name in (
        ("lamp", "lamps", "abs"),
        ("door", "doors", "trunk"),
        ("seat", "seats", "Row1.PassengerSide"),
    ):
        await page.check(f'[id="world-{part}-{name}"]')
        await holds(lambda k=key, n=name: tester.world[k][n], f"{name} is not")
    await page.check('[id="world-tyre-Row1.Wheel.Left"]')
    await holds(lambda: tester.world["tyres"]["Row1.Wheel.Left"] > 0, "the tyre holds")
    await tester.at("#world-fuel").evaluate("field => { field.value = 9; field.dispatchEvent(new Event('change')); }")
    await tester.becomes("fuel_percent", 9)
    # car parks: those that were found
    field = tester.at('#world-parks li[data-id="park-1"] select')
    await field.select_option("full")
    await tester.becomes("vacancies", [{"place": "park-1", "name": "中央駐車場", "state": "full"}])
    # and everything back
    await page.click("#world-reset")
    await tester.becomes("equipment", "navi")
    for box in ("network", "contract"):
        await expect(tester.at(f"#world-{box}")).not_to_be_checked()
    await expect(tester.at("#world-news")).to_be_checked()
    await expect(tester.at('[id="world-lamp-abs"]')).not_to_be_checked()
    await expect(field).to_have_value("")
    # In English it is called otherwise, and is the same.
    await page.evaluate("localStorage.setItem('language', 'en')")
    await page.reload()
    await expect(tester.at("#tab-world")).to_have_text("World")
    await expect(tester.at("#sheet-world")).to_contain_text("no connection")
    await expect(tester.at("#sheet-world")).to_contain_text("the ABS lamp")


async def test_two_pages_on_one_car_agree(chromium: Any, tester: Tester, front: WebFront) -> None:
    await tester.ready()
    async with page_of(chromium, front) as other:
        await other.open()
        await other.ready()
        await tester.page.check("#world-network")
        await expect(other.at("#world-network")).to_be_checked()
        await other.page.select_option("#world-weather", "rain")
        await expect(tester.at("#world-weather")).to_have_value("rain")
        # One session: what is said here is seen there.
        await tester.tab("chat")
        await other.tab("chat")
        await tester.say("駐車場")
        await expect(other.at("#panel-talk li").last).to_have_text("2件あります。")
        assert other.problems == []


# ── the line ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_dead_server_is_shown_and_healed_and_the_session_goes_on(chromium: Any, tmp_path: Path) -> None:
    first = await Server.start(tmp_path, 0)
    second: Server | None = None
    context = await chromium.new_context(viewport={"width": 1600, "height": 1000}, locale="ja-JP")
    try:
        page = await context.new_page()
        problems = watch(page)
        await page.goto(first.url)
        line = page.locator("#panel-line")
        await expect(line).to_have_attribute("data-line", "open", timeout=15_000)
        await page.fill("#panel-text", "聞こえますか")
        await page.press("#panel-text", "Enter")
        await expect(page.locator("#panel-talk li").last).to_have_text("(聞こえますか)")
        session = await page.evaluate("sessionStorage.getItem('session')")
        await page.click("#tab-world")
        await page.locator("#world-network").check()
        await page.evaluate("() => { window.kept = 1; }")
        # The car's state is on disk before the machine dies.
        car = tmp_path / "state" / "car.json"
        await holds(lambda: car.is_file() and '"network_lost": true' in car.read_text(encoding="utf-8"), "not saved")
        first.kill()
        await expect(line).to_have_attribute("data-line", "lost")
        await expect(page.locator("#retry")).to_be_visible()
        await expect(page.locator("#panel-send")).to_be_disabled()
        second = await Server.start(tmp_path, first.port)
        # Nobody waits for the end of the pause.
        with contextlib.suppress(Exception):
            await page.locator("#retry").click(timeout=500)
        await expect(line).to_have_attribute("data-line", "open", timeout=20_000)
        assert await page.evaluate("window.kept") == 1
        assert await page.evaluate("sessionStorage.getItem('session')") == session
        await expect(page.locator("#world-network")).to_be_checked()
        await page.click("#tab-chat")
        await expect(page.locator("#panel-talk li")).to_have_count(2)
        await page.fill("#panel-text", "まだいますか")
        await page.press("#panel-text", "Enter")
        await expect(page.locator("#panel-talk li").last).to_have_text("(まだいますか)")
        await expect(page.locator("#panel-talk li")).to_have_count(4)
        # A page opened anew goes on with the session as well.
        await page.reload()
        await expect(page.locator("#panel-talk li").last).to_have_text("(まだいますか)")
        assert await page.evaluate("sessionStorage.getItem('session')") == session
        assert problems == []
    finally:
        await context.close()
        for server in (first, second):
            if server is not None:
                server.kill()


class Server:
    """A gateway in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self._process, self.url, self.port = process, url, int(url.rsplit(":", 1)[1])

    @classmethod
    async def start(cls, home: Path, port: int) -> Server:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.fakes_web", str(home), str(port), stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "CONCIERGE_HOME": str(home)},
        )  # fmt: skip
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), 60)
        return cls(process, line.decode().strip())

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()


async def test_what_was_missed_is_asked_for_anew(tester: Tester, front: WebFront) -> None:
    await tester.ready()
    connection = next(iter(front.gateway._connections))
    connection._outbox.missed(7)
    front.system.simulation.vehicle.sense("Vehicle.ADAS.ABS.IsError", True)
    await expect(tester.at('[id="world-lamp-abs"]')).to_be_checked()
    await tester.tab("events")
    await expect(tester.at(".p-event", has_text="resync")).to_contain_text("−7")
    # Everything is asked for anew.
    await expect(tester.at('.p-chip[data-type="world_options"] small')).to_have_text("2")


async def test_the_token_leaves_the_address(chromium: Any, tmp_path: Path) -> None:
    async with (
        open_web(tmp_path, dialogue=dialogue(), token="a-token-nobody-guesses") as front,
        page_of(chromium, front) as tester,
    ):
        response = await tester.page.goto(front.url)
        assert response.status == 401
        await tester.open(f"{front.url}/?token=a-token-nobody-guesses")
        assert tester.page.url == f"{front.url}/"
        assert await tester.page.evaluate("document.cookie") == ""
        await tester.say("駐車場")
        await expect(tester.at("#panel-talk li").last).to_have_text("2件あります。")
        await tester.page.reload()
        await expect(tester.at("#panel-line")).to_have_attribute("data-line", "open")


# ── a recording ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_session_is_recorded_and_saved(tester: Tester, tmp_path: Path) -> None:
    await tester.ready()
    await tester.page.fill("#record-name", "満車の 駐車場!")
    await tester.page.click("#record")
    await expect(tester.at("#record")).to_have_attribute("aria-pressed", "true")
    await tester.page.check("#world-network")
    await tester.tab("chat")
    await tester.say("駐車場")
    await expect(tester.at("#record-count")).to_contain_text("発話1・操作1")
    async with tester.page.expect_download() as saved:
        await tester.page.click("#record")
    download = await saved.value
    assert download.suggested_filename == "満車の_駐車場.yml"
    (tmp_path / "saved").mkdir()
    await download.save_as(tmp_path / "saved" / "recorded.yml")
    (scenario,) = load(tmp_path / "saved")
    (step,) = scenario.steps
    assert (scenario.name, step.say, step.world) == ("満車の 駐車場!", "駐車場", ({"do": "network", "lost": True},))
    assert dict(step.expect) == {"function": "destination_search", "context": "offers_list", "actions": ["search"]}
    await expect(tester.at("#record")).to_have_attribute("aria-pressed", "false")


# ── keyboard, narrow screens ────────────────────────────────────────────────────────────────────────────────────────


async def test_by_keyboard_and_folded_away_in_the_car(chromium: Any, front: WebFront) -> None:
    for width, height in ((1280, 720), (390, 844)):
        async with page_of(chromium, front, width=width, height=height) as tester:
            await tester.page.goto(front.url)
            await expect(tester.at("#panel-line")).to_have_attribute("data-line", "open")
            await expect(tester.at("#panel")).to_be_hidden()
            await tester.page.keyboard.press("Alt+Digit2")
            await expect(tester.at("#sheet-world")).to_be_visible()
            await expect(tester.at("#tab-world")).to_be_focused()
            await tester.page.keyboard.press("ArrowRight")
            await expect(tester.at("#sheet-events")).to_be_visible()
            await tester.page.keyboard.press("Alt+Digit1")
            await expect(tester.at("#panel-text")).to_be_focused()
            await tester.page.keyboard.type("駐車場")
            await tester.page.keyboard.press("Enter")
            await expect(tester.at("#panel-talk li").last).to_have_text("2件あります。")
            await tester.page.keyboard.press("ArrowUp")
            await expect(tester.at("#panel-text")).to_have_value("駐車場")
            await tester.page.keyboard.press("Alt+KeyR")
            await expect(tester.at("#record")).to_have_attribute("aria-pressed", "true")
            await tester.page.keyboard.press("Alt+KeyR")
            await expect(tester.at("#record")).to_have_attribute("aria-pressed", "false")
            await tester.page.keyboard.press("Alt+Digit0")
            await expect(tester.at("#panel")).to_be_hidden()
            # Nothing sticks out to the side.
            assert await tester.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            assert tester.problems == []


async def test_nothing_for_axe_to_find(tester: Tester) -> None:
    await tester.say("駐車場")
    await expect(tester.at("#panel-talk li")).to_have_count(2)
    found: list[str] = []
    for name in ("chat", "world", "events"):
        await tester.tab(name)
        if name == "events":
            await tester.at(".p-event", has_text="spoke").click()
        if name == "world":
            # Controls are named a frame after they are made.
            await expect(tester.at("#world-set-time")).not_to_be_empty()
        found += [f"{name}: {problem}" for problem in await violations(tester.page)]
    assert not found, "\n".join(found)


# ── hostile text ────────────────────────────────────────────────────────────────────────────────────────────────────


def hostile_events() -> Iterator[Event]:
    """Every kind of event with hostile text in every field that takes text."""
    for kind in typing.get_args(events_module.Event):
        types = typing.get_type_hints(kind)
        yield kind(**{item.name: _hostile(item.name, types[item.name]) for item in dataclasses.fields(kind)})


def _hostile(name: str, wanted: Any) -> Any:
    if name == "session":
        return SESSION
    if name == "language":
        return "ja"
    if wanted is datetime:
        return MONDAY_MORNING
    if wanted is bool:
        return True
    if wanted in (int, float):
        return 1
    origin = typing.get_origin(wanted)
    if origin is tuple:
        row = {
            "entity": HOSTILE,
            "value": HOSTILE,
            "type": "place",
            "id": HOSTILE,
            "name": HOSTILE,
            "kind": "parking",
            "parking": HOSTILE,
        }
        return (row,) if name in ("entities", "cards") else (HOSTILE,)
    if origin is not None and issubclass(origin, Mapping) if isinstance(origin, type) else False:
        return {HOSTILE: 1.0} if name == "timings" else {HOSTILE: HOSTILE, "name": HOSTILE, "phone": HOSTILE}
    return HOSTILE


async def test_hostile_text_is_shown_and_never_run(tester: Tester, front: WebFront) -> None:
    await tester.ready()
    simulation = front.system.simulation
    for event in hostile_events():
        if isinstance(event, Pushed):
            event = dataclasses.replace(event, state="sent", kind="notice")
        front.system.stream.emit(event)
    simulation.controls.apply({"do": "vacancy", "place": HOSTILE, "state": "full", "name": HOSTILE})
    line = [[35.66, 139.74], [35.67, 139.75]]
    simulation.controls.apply({"do": "road", "kind": "jam", "line": line, "road": HOSTILE[:100]})
    await expect(tester.at("#world-events li")).to_contain_text("<img")
    await expect(tester.at("#world-parks li").first).to_contain_text("<img")
    # What the page itself sends comes back refused, in the words of who sent it.
    await tester.page.fill("#record-name", HOSTILE[:80])
    await tester.page.click("#record")
    await expect(tester.at("#record")).to_have_attribute("aria-pressed", "true")
    await tester.page.click("#record")
    await tester.tab("chat")
    await tester.say(HOSTILE)
    await expect(tester.at("#panel-talk li").last).to_contain_text("<script>")
    await tester.tab("events")
    rows = tester.at(".p-event")
    await expect(rows.first).to_be_visible()
    await tester.at("#events").focus()
    await tester.page.keyboard.press("Home")
    for _ in range(45):
        await tester.page.keyboard.press("ArrowDown")
    await expect(tester.at("#event-detail pre")).to_be_visible()
    assert await tester.page.evaluate("() => window.ran") is None
    assert await tester.at("img, #panel script, iframe").count() == 0
