"""The voice in a real browser: what the microphone hears goes to the gateway, what the gateway says sounds; and what stands in the way."""

from __future__ import annotations

import asyncio
import base64
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from difflib import SequenceMatcher
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import pytest_asyncio

from agent.events import Held, Interrupted, Resumed
from agent.web.gateway import PAGE
from audio.frames import FRAME_BYTES
from tests.browser_tools import ARGUMENTS, BROWSER, CHROMIUM, watch
from tests.web_front import Front, open_front

if TYPE_CHECKING:
    from tests.conftest import RunningSystem

pytestmark = BROWSER
RATE = 16_000
LISTEN_IN = """
() => {
  // Everything a page sends to the loudspeaker goes through here as well.
  window.played = [];
  const connect = AudioNode.prototype.connect;
  AudioNode.prototype.connect = function (to, ...rest) {
    if (to instanceof AudioDestinationNode) {
      const tap = this.context.createScriptProcessor(512, 1, 1);
      tap.onaudioprocess = ({ inputBuffer }) => window.played.push(new Float32Array(inputBuffer.getChannelData(0)));
      connect.call(this, tap);
      connect.call(tap, to);
    }
    return connect.call(this, to, ...rest);
  };
}
""".strip().removeprefix("() => ")
TAKE = """
() => {
  const samples = Int16Array.from(played.flatMap((part) => [...part]), (x) => Math.max(-1, Math.min(1, x)) * 32767);
  const bytes = new Uint8Array(samples.buffer);
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}
"""


async def sound_of(page: Any) -> bytes:
    """What has been played so far: 16 kHz mono s16le."""
    return base64.b64decode(await page.evaluate(TAKE))


async def open_page(stack: AsyncExitStack, browser: Any, url: str, **options: Any) -> Any:
    context = await browser.new_context(viewport={"width": 1280, "height": 720}, reduced_motion="reduce", **options)
    stack.push_async_callback(context.close)
    page = await context.new_page()
    await page.add_init_script(LISTEN_IN)
    await page.goto(url)
    await page.locator("#send:not([disabled])").wait_for()
    return page


# ── the whole: spoken to, answered, heard back ──────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def ears(running: RunningSystem) -> Any:
    """Whisper base, as a user would install it; only what was said, no partial texts (they cost most of the time)."""
    from agent.composition_hearing import Ears
    from agent.speech_models import sources_of, store_of
    from audio.errors import ModelMissing
    from audio.fetching import install
    from audio.models import find

    settings = running.system.settings
    store, model = store_of(settings), find("faster-whisper-base")
    if not store.installed(model):
        try:
            install(store, model, sources_of(settings))
        except ModelMissing as error:
            pytest.skip(str(error))

    class FinalOnly(Ears):
        def recognizer(self, language: Any, *, partials: bool = True) -> Any:
            return super().recognizer(language, partials=False)

    made = FinalOnly(settings, "whisper")
    yield made
    made.close()


class Answering:
    """A gateway over the running system, in the system's own loop."""

    def __init__(self, running: RunningSystem, ears: Any) -> None:
        self._running, self._ears = running, ears

    def __enter__(self) -> Answering:
        from agent.web.gateway import Gateway

        self._gateway = Gateway(self._running.system, open_voice=self._open)
        self._running.new_session()
        self.url = self._running.run(self._serve())
        return self

    def __exit__(self, *_: object) -> None:
        self._running.run(self._gateway.close())
        self._running.run(self._runner.cleanup())

    async def _serve(self) -> str:
        from aiohttp import web

        self._runner = web.AppRunner(self._gateway.app(), access_log=None, handle_signals=False, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _open(self, session: str, language: Any) -> Any:
        from agent.composition_voice import open_voice
        from agent.voice_ports import Limits

        system = self._running.system
        # A busy machine may take its time.
        patient = Limits(recognition=120.0, answer=120.0, speaking=120.0, thinking_earcon=30.0)
        return await open_voice(system.settings, system, session, language, self._ears, limits=patient)


def said(text: str, language: str) -> bytes:
    """A driver's voice, other than the agent's: 16 kHz mono s16le."""
    from audio.voices import espeak, levelled, openjtalk

    render = openjtalk(3.0) if language == "ja" else espeak("en-us", pitch=40)
    return levelled(render(text, 0.95), 0.8)


@pytest.mark.parametrize(
    ("language", "words"),
    [("ja", "エアコンを二十二度にして"), ("en", "set the temperature to twenty two degrees")],
    ids=["ja", "en"],
)
async def test_spoken_to_and_answered(
    language: str, words: str, running: RunningSystem, ears: Any, tmp_path: Path
) -> None:
    from playwright.async_api import async_playwright

    from audio.wav import write_wav

    if language == "en" and shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed (see .ci/packages.txt)")
    wav = tmp_path / "driver.wav"
    write_wav(wav, bytes(RATE) + said(words, language) + bytes(60 * 2 * RATE))
    fake = (
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={wav}%noloop",
    )
    async with AsyncExitStack() as stack:
        # Its own loop serves the page; this one drives the browser.
        answering = await asyncio.to_thread(Answering(running, ears).__enter__)
        stack.push_async_callback(asyncio.to_thread, answering.__exit__)
        playwright = await stack.enter_async_context(async_playwright())
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=[*ARGUMENTS, *fake])
        stack.push_async_callback(browser.close)
        page = await open_page(stack, browser, answering.url, locale="ja-JP" if language == "ja" else "en-GB")
        problems = watch(page)
        await page.locator("#orb").click()
        # The driver speaks at once, while the engines are still being loaded: nothing of it is lost.
        await page.locator("#talk li.agent").first.wait_for(timeout=120_000)
        heard = await page.locator("#talk li.driver").first.inner_text()
        answer = await page.locator("#talk li.agent").first.inner_text()
        # The recognizer writes numbers as digits and mishears a word now and then; what counts is what was made of it.
        assert likeness(heard, words) > 0.35, (heard, answer)
        assert "22" in answer
        await page.locator('[data-phase="speaking"]').wait_for(timeout=60_000)
        await page.locator('[data-phase="ready"], [data-phase="listening"]').first.wait_for(timeout=120_000)
        await page.wait_for_function(
            "() => played.slice(-20).every((part) => part.every((x) => Math.abs(x) < 0.01))", timeout=60_000
        )
        sound = await sound_of(page)
        assert problems == []
    level = np.abs(np.frombuffer(sound, np.int16).astype(np.float32))
    assert level.max() > 1000, "the page has sounded"
    understood = await asyncio.to_thread(recognised, ears, sound, language)
    assert likeness(understood, answer) > 0.5, (understood, answer)


def recognised(ears: Any, sound: bytes, language: Any) -> str:
    from agent.transcribe import hear

    return hear(sound, ears.recognizer(language), ears.activity(), language)


def likeness(one: str, other: str) -> float:
    """Of how they sound: a recognizer chooses its kanji itself."""
    from agent.wakewords import japanese_reading

    reading = japanese_reading()
    return SequenceMatcher(None, reading(one), reading(other)).ratio()


# ── the parts ───────────────────────────────────────────────────────────────────────────────────────────────────────


class FakeVoice:
    """A voice loop that takes note of what it is told, and sounds when the test says so."""

    def __init__(self) -> None:
        self.listener = self
        self.player = self
        self.synthesizer = self
        self.heard: list[bytes] = []
        self.asked: list[str] = []
        self.to_play: list[bytes] = []

    def frame(self, frame: bytes) -> None:
        self.heard.append(frame)

    def take(self) -> bytes:
        return self.to_play.pop(0) if self.to_play else bytes(FRAME_BYTES)

    def press(self, source: str) -> None:
        self.asked.append(source)

    def release(self) -> None:
        self.asked.append("release")

    def announce(self, text: str, language: str) -> None:
        self.asked.append(text)

    def lost(self, frames: int) -> None: ...

    def close(self) -> None: ...


class Stage:
    def __init__(self, front: Front, chromium: Any, stack: AsyncExitStack) -> None:
        self.front, self.voices = front, list[FakeVoice]()
        self._chromium, self._stack = chromium, stack
        self.gate = asyncio.Event()
        self.gate.set()

        async def open_(session: str, language: Any) -> Any:
            await self.gate.wait()
            self.voices.append(FakeVoice())
            return self.voices[-1]

        front.gateway._voices._open = open_

    async def open(self, *, granted: bool = True, **options: Any) -> Any:
        permissions = {"permissions": ["microphone"]} if granted else {}
        page = await open_page(self._stack, self._chromium, self.front.origin, locale="ja-JP", **permissions, **options)
        self.problems = watch(page)
        return page

    @property
    def voice(self) -> FakeVoice:
        return self.voices[-1]

    def emit(self, event: Any) -> None:
        self.front.gateway.system.stream.emit(event)

    @property
    def session(self) -> str:
        return self.front.gateway.sessions()[-1]


@pytest_asyncio.fixture(loop_scope="session")
async def stage(tmp_path: Path, chromium: Any) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        made = Stage(await stack.enter_async_context(open_front(tmp_path)), chromium, stack)
        yield made
        assert made.problems == []


async def until(true: Any, seconds: float = 20.0) -> None:
    for _ in range(round(seconds / 0.02)):
        if true():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come")


async def phase(page: Any, name: str) -> None:
    await page.locator(f'[data-phase="{name}"]').wait_for(timeout=20_000)


async def test_the_microphone_arrives_and_what_was_said_early_is_not_lost(stage: Stage) -> None:
    page = await stage.open()
    stage.gate.clear()
    await page.locator("#orb").click()
    await phase(page, "starting")
    # A second of the fake microphone's beeps while the engines are still being loaded.
    await page.wait_for_timeout(1000)
    stage.gate.set()
    await phase(page, "ready")
    await until(lambda: len(stage.voice.heard) > 60)
    assert stage.voice.asked == ["button"]
    assert {len(frame) for frame in stage.voice.heard} == {FRAME_BYTES}
    level = np.abs(np.frombuffer(b"".join(stage.voice.heard), np.int16))
    assert level.max() > 500, "the beeps of Chromium's own microphone"


async def test_a_tap_calls_held_it_is_let_go_and_the_space_bar_is_the_talk_switch(stage: Stage) -> None:
    page = await stage.open()
    orb = page.locator("#orb")
    await orb.click()
    await phase(page, "ready")
    await until(lambda: stage.voice.asked == ["button"])
    await orb.click(delay=500)
    await until(lambda: stage.voice.asked == ["button", "button", "release"])
    await orb.press("Enter")
    await until(lambda: len(stage.voice.asked) == 4)
    await page.locator("#tab-talk").focus()
    await page.evaluate("document.activeElement.blur()")
    await page.keyboard.press(" ")
    await until(lambda: stage.voice.asked[-1] == "talk_switch")
    # In the text field a space is a space.
    await page.locator("#text").fill("a")
    await page.keyboard.press(" ")
    assert await page.locator("#text").input_value() == "a "
    assert len(stage.voice.asked) == 5
    # Typed while the voice is on: answered aloud as well.
    await page.keyboard.press("Enter")
    await until(lambda: stage.voice.asked[-1] == "(a)")
    await page.locator("#tab-settings").click()
    await page.get_by_role("switch", name="マイク").click()
    await phase(page, "off")


def loud(sound: bytes) -> float:
    """Seconds in which something sounds."""
    return float(np.count_nonzero(np.abs(np.frombuffer(sound, np.int16)) > 3000)) / RATE


async def test_what_comes_sounds_and_spoken_into_it_stops_at_once(stage: Stage) -> None:
    page = await stage.open()
    await page.locator("#orb").click()
    await phase(page, "ready")
    tone = [np.full(320, 8000, np.int16).tobytes()] * 1000
    stage.voice.to_play.extend(tone)
    await page.wait_for_function("() => played.filter((part) => part[0] > 0.1).length > 15", timeout=30_000)
    # The driver speaks into it: the gateway stops sending, and what the page has buffered stops too.
    kept, stage.voice.to_play = stage.voice.to_play, []
    stage.emit(Held(stage.session, 120.0, 1.0))
    before = loud(await sound_of(page))
    await page.wait_for_function(
        "() => played.slice(-12).every((part) => part.every((x) => Math.abs(x) < 0.01))", timeout=30_000
    )
    assert loud(await sound_of(page)) - before < 0.2
    # It was not meant: it goes on where it was.
    stage.voice.to_play = kept[:100]
    stage.emit(Resumed(stage.session, "backchannel", 2.0))
    await page.wait_for_function("() => played.slice(-4).every((part) => part[0] > 0.1)", timeout=30_000)
    stage.voice.to_play = []
    stage.emit(Interrupted(stage.session, "barge_in", "", "", 3.0))
    before = loud(await sound_of(page))
    await page.wait_for_function(
        "() => played.slice(-12).every((part) => part.every((x) => Math.abs(x) < 0.01))", timeout=30_000
    )
    assert loud(await sound_of(page)) - before < 0.2


async def test_the_microphone_is_brought_to_16_khz_without_folding(stage: Stage) -> None:
    page = await stage.open()
    frames = await page.evaluate(
        """async () => {
          const context = new OfflineAudioContext(1, 96000, 48000);
          await context.audioWorklet.addModule("/page/voice/microphone-worklet.js");
          const node = new AudioWorkletNode(context, "microphone", { numberOfOutputs: 1 });
          node.connect(context.destination);
          for (const [frequency, gain] of [[440, 0.4], [11000, 0.4]]) {
            const tone = new OscillatorNode(context, { frequency });
            tone.connect(new GainNode(context, { gain })).connect(node);
            tone.start();
          }
          const frames = [];
          node.port.onmessage = ({ data }) => frames.push([...new Int16Array(data.frame)]);
          await context.startRendering();
          await new Promise((done) => setTimeout(done, 200));
          return frames;
        }"""
    )
    sound = np.array(frames[5:], np.float64).ravel()
    assert len(frames) >= 98
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    frequencies = np.fft.rfftfreq(len(sound), 1 / RATE)
    peak = frequencies[int(spectrum.argmax())]
    assert abs(peak - 440) < 2
    folded = spectrum[np.abs(frequencies - 5000) < 50].max()
    assert 20 * np.log10(folded / spectrum.max()) < -40
    assert 0.36 < np.abs(sound).max() / 32767 < 0.44


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ("NotAllowedError", "マイクが許可されていません"), ("NotFoundError", "マイクが見つかりません"), ("NotReadableError", "ほかで使われています"),
        ("insecure", "localhost か https"), ("no model", "モデルがまだ入っていません"),
    ],
)  # fmt: skip
async def test_what_stands_in_the_way_is_said_and_text_goes_on(stage: Stage, what: str, sentence: str) -> None:
    page = await stage.open(granted=what not in ("NotAllowedError",))
    if what == "no model":
        from agent.errors import StartError

        async def none(session: str, language: Any) -> Any:
            raise StartError("No whisper model is installed. Run: concierge models install whisper")

        stage.front.gateway._voices._open = none
    elif what == "insecure":
        await page.evaluate("Object.defineProperty(window, 'isSecureContext', { value: false })")
    elif what != "NotAllowedError":
        await page.evaluate(
            "(name) => { navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', name); }; }",
            what,
        )
    await page.locator("#orb").click()
    await page.locator("#state", has_text=sentence).wait_for(timeout=20_000)
    await page.fill("#text", "hello")
    await page.click("#send")
    await page.locator("#talk li", has_text="Hi.").wait_for()
    # Another try is a click away.
    assert await page.locator("#orb").is_enabled()


async def test_the_worklets_load_nothing() -> None:
    for path in (PAGE / "voice").glob("*-worklet.js"):
        assert "import" not in path.read_text(encoding="utf-8")
