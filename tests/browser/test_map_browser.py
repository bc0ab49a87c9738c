"""The map in a real browser: drawn, driven, touched. WebGL by software; a small town's real tiles and roads."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from agent.car_map import Foreseen
from agent.composition import System
from agent.composition_map import open_car_map
from backends.model import Position, RouteRequest
from simulator.vehicle import JAPAN, SimulatedClock
from tests.browser_tools import BROWSER, HOSTILE, watch
from tests.fakes import FakeDialogue, reply
from tests.map_town import CORNER, FAR, STEP, build_town
from tests.web_front import Front, open_front

pytestmark = BROWSER
LOOK_MS = 30_000
FOUND = [
    ("c1", "トラットリア青葉", "Trattoria Aoba", 3, 3),
    ("c2", "イル・ポルト", "Il Porto", 6, 8),
    ("c3", HOSTILE, HOSTILE, 9, 4),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    build_town(home)
    return home


class Stage:
    """One page and the car behind it."""

    def __init__(self, front: Front, page: Any, problems: list[str]) -> None:
        self.front, self.page, self.problems = front, page, problems

    @property
    def system(self) -> System:
        return self.front.gateway.system

    @property
    def dialogue(self) -> FakeDialogue:
        return self.front.dialogue

    async def guide(self) -> None:
        car_map = self.system.car_map
        assert car_map is not None
        found = await car_map.roads.route(RouteRequest(self.system.simulation.vehicle.position, FAR))
        await self.system.simulation.navigation.set_route("喫茶みなと", found[0], FAR)

    async def until(self, script: str, argument: Any = None) -> Any:
        """Waits for something to be true in the page."""
        return await (await self.page.wait_for_function(script, arg=argument, timeout=LOOK_MS)).json_value()

    async def car(self) -> Position:
        longitude, latitude = (await self.page.get_attribute(".map-host", "data-car")).split(",")
        return Position(float(latitude), float(longitude))


@pytest_asyncio.fixture(loop_scope="session")
async def stage(home: Path, chromium: Any, request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    """`request.param`: options of the browser's context, `hour` of the car's clock, `query` of the page."""
    options = {"hour": 21, "query": "", "locale": "ja-JP", **getattr(request, "param", {})}
    hour, query = options.pop("hour"), options.pop("query")
    async with AsyncExitStack() as stack:
        clock = SimulatedClock(lambda: datetime(2026, 11, 26, hour, 5, tzinfo=JAPAN))
        front = await stack.enter_async_context(open_front(home, clock=clock))
        await stack.enter_async_context(open_car_map(front.gateway.system, deadline_s=60))
        front.gateway.system.simulation.vehicle.place(CORNER, 90)
        context = await chromium.new_context(
            viewport={"width": 1280, "height": 720}, reduced_motion="reduce", **options
        )
        stack.push_async_callback(context.close)
        page = await context.new_page()
        made = Stage(front, page, watch(page))
        await page.goto(f"{front.origin}/{query}")
        await page.locator("#map-room[data-ready]").wait_for(timeout=LOOK_MS)
        yield made
        assert made.problems == []
        assert await page.evaluate("window.ran") is None


def probe(layer: str) -> str:
    """How many features of a layer are drawn on the screen."""
    return f"() => document.getElementById('map-room').view.map.getLayer('{layer}') && document.getElementById('map-room').view.map.queryRenderedFeatures({{ layers: ['{layer}'] }}).length"


async def test_the_town_is_drawn_with_names(stage: Stage) -> None:
    await stage.until("() => document.querySelector('.map-host').dataset.loaded")
    assert await stage.page.get_attribute("#map-room", "data-map") == "gl"
    assert await stage.until(probe("street")) > 5
    # Names are drawn without any server of glyphs.
    names = await stage.until(
        "() => { const found = document.getElementById('map-room').view.map.queryRenderedFeatures({ layers: ['road-name'] }).map((f) => f.properties.name); return found.length && found; }"
    )
    assert any("条" in name or "丁目" in name for name in names)
    assert abs((await stage.car()).distance_to(CORNER)) < 1


async def test_the_way_is_drawn_and_driven_to_its_end(stage: Stage) -> None:
    await stage.guide()
    await stage.until(probe("route"))
    await stage.page.locator(".map-goal").wait_for()
    assert await stage.page.locator(".map-turn strong").inner_text() != ""
    before = await stage.car()
    await stage.page.click('.map-speeds [data-factor="60"]')
    await stage.page.locator('.map-speeds [data-factor="60"][aria-pressed="true"]').wait_for()
    await stage.until(
        "([lon, lat]) => { const [x, y] = document.querySelector('.map-host').dataset.car.split(',').map(Number); return Math.hypot(x - lon, y - lat) > 0.004; }",
        [before.longitude, before.latitude],
    )
    # What lies behind the car is no longer drawn as the way.
    await stage.until(
        "() => !document.querySelector('.map-goal') && !document.querySelector('.map-turn:not([hidden])')"
    )
    await stage.until(
        "([lon, lat]) => { const [x, y] = document.querySelector('.map-host').dataset.car.split(',').map(Number); return Math.hypot(x - lon, y - lat) < 0.0006; }",
        [FAR.longitude, FAR.latitude],
    )
    assert await stage.page.evaluate(probe("route")) == 0


async def test_another_way_is_chosen_by_its_label(stage: Stage) -> None:
    await stage.guide()
    chip = stage.page.locator(".map-chip")
    await chip.first.wait_for(timeout=LOOK_MS)
    assert "分" in await chip.first.inner_text()
    assert await stage.until(probe("other-routes"))
    was = stage.system.simulation.navigation.now()["route"]
    chosen = await chip.first.get_attribute("data-route")
    await chip.first.click()
    await stage.until("(id) => !document.querySelector(`.map-chip[data-route='${id}']`)", chosen)
    assert stage.system.simulation.navigation.now()["route"] is not was


async def test_results_are_numbered_as_spoken_and_a_tap_says_the_number(stage: Stage) -> None:
    found = reply("3件見つかりました。", context="offers_list")
    found.payload["cards"].extend(  # type: ignore[attr-defined]
        {"type": "place", "id": id_, "name": name, "name_en": english, "lat": CORNER.latitude + i * STEP, "lon": CORNER.longitude + j * STEP}
        for id_, name, english, i, j in FOUND
    )  # fmt: skip
    stage.dialogue.script["イタリアン"] = found
    await stage.page.fill("#text", "イタリアン")
    await stage.page.click("#send")
    pins = stage.page.locator(".map-pin")
    await pins.nth(2).wait_for(timeout=LOOK_MS)
    assert [
        (await pin.locator("b").inner_text(), await pin.locator("span").inner_text()) for pin in await pins.all()
    ] == [(str(number), name) for number, (_, name, *_) in enumerate(FOUND, 1)]
    # All of them, and the car, are in sight beside the head unit.
    unit = await stage.page.locator("#unit").bounding_box()
    for pin in await pins.all():
        box = await pin.bounding_box()
        assert box["x"] + box["width"] / 2 > unit["x"] + unit["width"]
        assert box["x"] + box["width"] / 2 < 1280
        assert box["y"] > 0
    await pins.nth(1).press("Enter")
    await stage.until("() => [...document.querySelectorAll('#talk *')].some((e) => e.textContent.includes('二番目'))")
    assert stage.dialogue.heard[-1][1] == "二番目"


async def test_the_car_is_dragged_and_a_point_is_chosen_by_hand(stage: Stage) -> None:
    simulation = stage.system.simulation
    await stage.until("() => document.querySelector('.map-host').dataset.loaded")
    box = await stage.page.locator(".map-car").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    mouse = stage.page.mouse
    await mouse.move(x, y)
    await mouse.down()
    await mouse.move(x + 60, y - 120, steps=4)
    await mouse.up()
    await stage.until(
        "([lon, lat]) => { const [x, y] = document.querySelector('.map-host').dataset.car.split(',').map(Number); return Math.hypot(x - lon, y - lat) > 0.0005; }",
        [CORNER.longitude, CORNER.latitude],
    )
    assert simulation.vehicle.position.distance_to(CORNER) > 50
    # A point: what can be done there, by mouse; closed by Escape; by keyboard at the middle.
    await mouse.click(900, 250)
    menu = stage.page.locator(".map-menu")
    await menu.wait_for()
    assert await menu.locator("button").all_inner_texts() == ["ここへ行く", "ここに車を置く"]
    await stage.page.keyboard.press("Escape")
    await menu.wait_for(state="hidden")
    await mouse.click(900, 250)
    await menu.locator("button").first.click()
    await stage.page.locator(".map-goal").wait_for(timeout=LOOK_MS)
    assert simulation.navigation.now()["guiding"]


async def test_the_keyboard_turns_zooms_and_opens_the_menu(stage: Stage) -> None:
    await stage.until("() => document.querySelector('.map-host').dataset.loaded")
    await stage.page.locator(".maplibregl-canvas").focus()
    zoom = await stage.page.evaluate("document.getElementById('map-room').view.map.getZoom()")
    await stage.page.keyboard.press("+")
    await stage.until("(z) => document.getElementById('map-room').view.map.getZoom() > z + 0.5", zoom)
    assert await stage.page.evaluate("document.getElementById('map-room').view.map.getBearing()") != 0
    await stage.page.keyboard.press("n")
    await stage.until(
        "() => document.getElementById('map-room').view.map.getBearing() === 0 && document.getElementById('map-room').view.map.getPitch() === 0"
    )
    await stage.page.keyboard.press("m")
    await stage.page.locator(".map-menu button:focus").wait_for()
    await stage.page.keyboard.press("ArrowDown")
    assert await stage.page.evaluate("document.activeElement.textContent") == "ここに車を置く"
    await stage.page.keyboard.press("Escape")
    await stage.page.locator(".map-menu").wait_for(state="hidden")


async def test_traffic_has_shapes_words_and_a_line(stage: Stage) -> None:
    await stage.guide()
    world, route = stage.system.simulation.world, stage.system.simulation.navigation.now()["route"].geometry  # type: ignore[attr-defined]
    world.place_on_route("jam", route, "港高速", "Port Expressway", from_m=600, length_m=800, delay_s=600)
    world.place_on_route("closure", route, HOSTILE[:50], from_m=1700)
    jam = stage.page.locator('.map-sign[data-kind="jam"]')
    stage.system.simulation.clock.advance(5)
    await jam.wait_for(timeout=LOOK_MS)
    assert await stage.until(probe("traffic"))
    shapes = await stage.page.eval_on_selector_all(
        ".map-sign svg path:first-child", "all => all.map((p) => p.getAttribute('d'))"
    )
    assert len(set(shapes)) == 2
    assert await jam.get_attribute("aria-label") == "渋滞 · 港高速 · 10分の遅れ"
    await jam.press("Enter")
    await stage.page.locator(".map-notice", has_text="港高速").wait_for()


async def test_what_is_foreseen_is_dashed_with_its_likelihood(stage: Stage) -> None:
    car_map = stage.system.car_map
    assert car_map is not None
    found = await car_map.roads.route(RouteRequest(CORNER, FAR))
    car_map.foreseen = lambda language: Foreseen("会社" if language == "ja" else "work", FAR, found[0], 0.72)
    await stage.page.locator(".map-guess").wait_for(state="attached", timeout=LOOK_MS)
    assert await stage.page.locator(".map-guess").inner_text() in ("会社\n72%", "会社72%")
    assert (
        await stage.page.evaluate(
            "document.getElementById('map-room').view.map.getPaintProperty('predicted', 'line-dasharray').length"
        )
        == 2
    )


@pytest.mark.parametrize("stage", [{"hour": 12, "locale": "en-US"}], indirect=True)
async def test_by_day_in_english_and_back_to_night_in_japanese(stage: Stage) -> None:
    await stage.until("() => document.querySelector('.map-host').dataset.loaded")
    await stage.until("() => document.querySelector('.map-host').dataset.palette === 'day'")
    land = "document.getElementById('map-room').view.map.getPaintProperty('land', 'background-color')"
    bright = await stage.page.evaluate(land)
    assert await stage.page.get_attribute(".map-follow", "aria-label") == "Follow the car"
    assert "name_en" in str(
        await stage.page.evaluate(
            "document.getElementById('map-room').view.map.getLayoutProperty('place-name', 'text-field')"
        )
    )
    stage.system.simulation.clock.advance(9 * 3600)
    await stage.until("() => document.querySelector('.map-host').dataset.palette === 'night'")
    assert await stage.page.evaluate(land) != bright
    await stage.page.evaluate(
        "document.getElementById('map-room').view.store.dispatch({ type: '@language', language: 'ja' })"
    )
    await stage.page.locator('.map-follow[aria-label="車を追う"]').wait_for()
    assert "name_en" not in str(
        await stage.page.evaluate(
            "document.getElementById('map-room').view.map.getLayoutProperty('place-name', 'text-field')"
        )
    )


@pytest.mark.parametrize("stage", [{"query": "?flat"}], indirect=True)
async def test_without_webgl_a_plain_drawing_and_a_sentence(stage: Stage) -> None:
    page = stage.page
    assert await page.get_attribute("#map-room", "data-map") == "flat"
    await page.locator(".map-notice", has_text="簡単な図").wait_for()
    colours = """() => { const c = document.querySelector('.map-flat'); const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
      const seen = new Set(); for (let i = 0; i < d.length; i += 4) seen.add(`${d[i]},${d[i + 1]},${d[i + 2]}`); return seen; }"""
    route = "() => (" + colours + ")().has('127,216,201')"
    await stage.guide()
    await stage.until(route)
    assert (
        await page.evaluate(
            "async () => performance.getEntriesByName(location.origin + '/page/vendor/maplibre-gl/maplibre-gl.mjs').length"
        )
        == 0
    )


async def test_between_two_pushes_the_car_goes_on_evenly(stage: Stage) -> None:
    """In a time of its own: pushes every 200 ms, a picture every 16, round a corner at 60 times real time."""
    seen = await stage.page.evaluate(
        """async () => {
          const { Motion } = await import('/page/map/motion.js');
          const { Track, metres } = await import('/page/map/geo.js');
          const line = [[139.6, 35.6], [139.62, 35.6], [139.62, 35.62]];
          const track = new Track(line);
          const motion = new Motion();
          motion.follow(line);
          const out = [];
          for (let ms = 0; ms <= 6000; ms += 16) {
            if (ms % 208 === 0) {
              const along = Math.min(track.length, ms * 0.9);
              const [longitude, latitude] = track.at(along);
              motion.push({ longitude, latitude, heading: 0, guiding: true, along_m: along, at_ms: ms }, ms);
              motion.push({ longitude, latitude, heading: 0, guiding: true, along_m: along, at_ms: ms }, ms + 5);
            }
            motion.step(ms);
            out.push({ along: motion.shown.along, off: metres(motion.shown.at, track.at(motion.shown.along)), heading: motion.shown.heading });
          }
          return { out, length: track.length };
        }"""
    )
    along = [row["along"] for row in seen["out"]]
    steps = [b - a for a, b in itertools.pairwise(along)][30:]
    assert min(steps) >= 0
    # At 0.9 m a millisecond a picture is 14.4 m; none is left out and none is a leap.
    moving = steps[: along.index(max(along)) - 31]
    assert max(moving) < 25
    assert sorted(moving)[len(moving) // 10] > 5
    assert max(row["off"] for row in seen["out"]) < 0.01
    assert along[-1] == pytest.approx(seen["length"], abs=1)
    assert {round(row["heading"]) for row in seen["out"][60:]} >= {90}


async def test_it_is_loaded_after_the_first_paint(stage: Stage) -> None:
    times = await stage.page.evaluate(
        """() => ({ paint: performance.getEntriesByName('first-paint')[0]?.startTime ?? 0,
          engine: performance.getEntriesByType('resource').find((r) => r.name.includes('maplibre-gl.mjs')).startTime })"""
    )
    assert 0 < times["paint"] <= times["engine"]
