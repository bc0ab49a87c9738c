"""An operator with a real browser and a (fake) microphone, and a driver's page by its protocol: both hear each other."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import pytest_asyncio
from aiohttp import ClientSession, WSMsgType

from agent.desk.server import open_desk
from audio.frames import FRAME_BYTES, RATE
from audio.voices import openjtalk
from audio.wav import to_samples, write_wav
from tests.desk_system import CALM, LONG_S, PATIENT_WAITS, add_people, open_front
from tests.fakes_desk import PASSWORD, SECRET
from tests.fakes_voice import silence, speech

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine"),
    pytest.mark.asyncio(loop_scope="module"),
]
SAID = "お待たせいたしました。オーナーズデスクの鈴木です。七時で予約が取れました。"


class HearsLoudness:
    """A recognizer that tells speech from silence, and knows what was said."""

    def __init__(self) -> None:
        self.sound = b""

    def can(self, language: str) -> bool:
        return language == "ja"

    def write_down(self, sound: bytes, language: str) -> tuple[str, float]:
        self.sound += sound
        return (SAID if np.abs(to_samples(sound)).max() > 0.02 else ""), 0.9


class Driver:
    """The driver's page, as docs/protocol.md describes it."""

    def __init__(self, ws: Any) -> None:
        self.ws = ws
        self.got: list[dict[str, Any]] = []
        self.sound = b""
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for message in self.ws:
            if message.type is WSMsgType.BINARY:
                self.sound += message.data
            else:
                self.got.append(json.loads(message.data))

    async def until(self, type_: str, **fields: Any) -> dict[str, Any]:
        def there() -> Any:
            return next((m for m in self.got if m["type"] == type_ and fields.items() <= m.items()), None)

        await until(there, lambda: f"{type_} {fields} in {[m['type'] for m in self.got]}")
        found: dict[str, Any] = there()
        return found


async def until(true: Callable[[], Any], otherwise: Callable[[], str] = lambda: "did not come about") -> None:
    for _ in range(int(LONG_S / 0.02)):
        if true():
            return
        await asyncio.sleep(0.02)
    raise AssertionError(otherwise())


def likeness(heard: bytes, said: bytes) -> float:
    """How alike the loudness of two sounds is over time, at the best place: 0 … 1."""

    def envelope(pcm: bytes) -> npt.NDArray[np.float64]:
        samples = to_samples(pcm[: len(pcm) // 640 * 640]).reshape(-1, 320).astype(np.float64)
        return np.sqrt((samples**2).mean(axis=1))

    long, short = envelope(said), envelope(heard)
    if len(short) > len(long):
        long, short = short, long
    places = [long[n : n + len(short)] for n in range(len(long) - len(short) + 1)]
    return float(max(np.corrcoef(place, short)[0, 1] for place in places if place.std() > 0))


@pytest_asyncio.fixture(loop_scope="module")
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as made:
        yield made


async def test_operator_and_driver_talk(tmp_path: Path, stack: AsyncExitStack) -> None:
    from playwright.async_api import async_playwright

    said = openjtalk()(SAID, 1.0)
    write_wav(tmp_path / "operator.wav", bytes(RATE) + said + bytes(RATE))
    ears = HearsLoudness()
    desk = await stack.enter_async_context(open_desk("sqlite://", patience=CALM, car=SECRET, transcriber=ears))
    await add_people(desk, "suzuki")
    front = await stack.enter_async_context(
        open_front(tmp_path, desk.url, voices=True, waits=PATIENT_WAITS, silence_s=LONG_S / 2)
    )
    playwright = await stack.enter_async_context(async_playwright())
    browser = await playwright.chromium.launch(
        executable_path=CHROMIUM,
        args=["--no-sandbox", "--disable-gpu", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
              f"--use-file-for-fake-audio-capture={tmp_path / 'operator.wav'}",
              "--autoplay-policy=no-user-gesture-required"],
    )  # fmt: skip
    stack.push_async_callback(browser.close)
    page = await browser.new_page(viewport={"width": 1500, "height": 900})
    page.set_default_timeout(LONG_S * 1000)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda m: problems.append(m.text) if m.type == "error" and "401" not in m.text else None)
    received: list[bytes] = []
    page.on("websocket", lambda ws: ws.on("framereceived", lambda data: received.append(data) if isinstance(data, bytes) else None))  # fmt: skip

    http = await stack.enter_async_context(ClientSession())
    ws = await stack.enter_async_context(http.ws_connect(front.url.replace("http", "ws") + "/ws?session=driver-1"))
    driver = Driver(ws)
    await ws.send_json({"type": "voice", "on": True, "language": "ja"})
    await driver.until("voice_on")
    await ws.send_json({"type": "say", "text": "予約して"})

    await page.goto(f"{desk.url}/desk")
    await page.fill("#name", "suzuki")
    await page.fill("#password", PASSWORD)
    await page.click("#enter")
    await page.locator("#queue .row.queued").first.click()
    await page.locator("#steps button.main").click()
    await driver.until("handoff", state="accepted")
    await driver.until("voice", state="call")
    await driver.until("line_sound", state="on")
    await page.locator("#talk-button:enabled").wait_for()

    # The operator holds the key and speaks; the car plays it, the transcript has the words.
    await page.keyboard.down("F2")
    await page.locator("#talk-button.talking").wait_for()
    await driver.until("line_sound", state="talking")
    await until(lambda: len(driver.sound) > 4 * RATE * 2, lambda: f"{len(driver.sound)} bytes of sound")
    await page.wait_for_function("() => document.getElementById('mine-level').value > 0.02")
    await page.keyboard.up("F2")
    await driver.until("line_sound", state="quiet")
    line = await driver.until("operator", text=SAID)
    assert line["spoken"] is True
    shown = page.locator("#talk li.operator", has_text=SAID)
    await shown.wait_for()
    assert "音声" in await shown.inner_text()
    # Fake microphones repeat their file; browsers take out noise and even out loudness.
    twice = said + bytes(2 * RATE) + said
    assert likeness(ears.sound, twice) > 0.6
    # The car plays what was sent but for what came faster than it can be played.
    assert likeness(driver.sound, twice) > 0.6
    assert not any(m["type"] == "speaking" and m["text"] in SAID for m in driver.got)

    # The driver speaks; the operator hears every frame and reads the words.
    received.clear()
    words = speech("七時でお願いします", per_letter=0.2)
    for frame in [*words, *silence(1.2)]:
        await ws.send_bytes(frame)
        await asyncio.sleep(0.005)
    await driver.until("heard", text="七時でお願いします")
    await page.locator("#talk li.driver", has_text="七時でお願いします").wait_for()
    await until(lambda: len([f for f in received if f in words]) == len(words), lambda: f"{len(received)} frames")
    assert [f for f in received if f in words] == words
    assert {len(f) for f in received} == {FRAME_BYTES}
    heard = "() => Number(document.getElementById('driver-level').value)"
    for _ in range(200):
        await ws.send_bytes(words[0])
        if await page.evaluate(heard) > 0.01:
            break
        await asyncio.sleep(0.02)
    assert await page.evaluate(heard) > 0.01

    # Back: neither hears the other any more.
    await page.fill("#note", "19時に予約済み")
    await page.click("#give-back")
    await driver.until("line_sound", state="off")
    await driver.until("voice", state="idle", reason="agent")
    before = len(received)
    for frame in words:
        await ws.send_bytes(frame)
    await asyncio.sleep(0.2)
    assert len(received) == before
    assert await page.locator("#composer").is_hidden()
    assert problems == []


async def test_without_a_microphone_typed_words_go_on_and_the_page_says_why(
    tmp_path: Path, stack: AsyncExitStack
) -> None:
    from playwright.async_api import async_playwright

    desk = await stack.enter_async_context(open_desk("sqlite://", patience=CALM, car=SECRET))
    await add_people(desk, "suzuki")
    front = await stack.enter_async_context(
        open_front(tmp_path, desk.url, voices=True, waits=PATIENT_WAITS, silence_s=LONG_S / 2)
    )
    playwright = await stack.enter_async_context(async_playwright())
    # No fake device: the machine of the tests has no microphone, and nobody may be asked for one.
    browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
    stack.push_async_callback(browser.close)
    page = await browser.new_page(viewport={"width": 1500, "height": 900})
    page.set_default_timeout(LONG_S * 1000)
    http = await stack.enter_async_context(ClientSession())
    ws = await stack.enter_async_context(http.ws_connect(front.url.replace("http", "ws") + "/ws?session=driver-1"))
    driver = Driver(ws)
    await ws.send_json({"type": "say", "text": "予約して"})
    await page.goto(f"{desk.url}/desk")
    await page.fill("#name", "suzuki")
    await page.fill("#password", PASSWORD)
    await page.click("#enter")
    await page.locator("#queue .row.queued").first.click()
    await page.locator("#steps button.main").click()
    await page.locator("#sound-note", has_text="車の音声はつながっていません").wait_for()
    await page.locator("#sound-note", has_text="認識モデルがありません").wait_for()
    await page.locator("#talk-button:enabled").wait_for()
    await page.locator("#talk-button").click(delay=50)
    await page.locator("#sound-note", has_text="文字で続けられます").wait_for()
    await page.fill("#text", "文字でご案内します")
    await page.click("#send")
    assert (await driver.until("operator", text="文字でご案内します"))["spoken"] is False
