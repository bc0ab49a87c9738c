"""The voice loop over the gateway's WebSocket, with scripted engines and the real conversation."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import WSMsgType, WSServerHandshakeError
from aiohttp.test_utils import TestClient, TestServer

from agent.composition import join, load_phrases, open_simulation
from agent.errors import StartError
from agent.listener import Listener
from agent.voice import ConversationTalk, SettledWork, Voice
from agent.voice_ports import Parts
from agent.web.gateway import Gateway
from agent.web.voice_stream import MAX_VOICES
from audio.endpointing import Endpointing
from audio.frames import FRAME_BYTES
from audio.player import Player
from backends.model import Language
from tests.fakes import FakeDialogue, reply
from tests.fakes_voice import (
    WORDS,
    ScriptedActivity,
    ScriptedRecognizer,
    ScriptedSynthesizer,
    ScriptedWake,
    silence,
    speech,
    wake,
)


class Page:
    """A page that hears and speaks."""

    def __init__(self, client: TestClient[Any, Any], gateway: Gateway, dialogue: FakeDialogue) -> None:
        self.client, self.gateway, self.dialogue = client, gateway, dialogue
        self.origin = f"http://127.0.0.1:{client.port}"
        self.got: list[dict[str, Any]] = []
        self.sound = b""

    def connect(self, path: str = "/ws") -> Any:
        return self.client.ws_connect(path, origin=self.origin)

    async def until(self, ws: Any, type_: str, **fields: Any) -> dict[str, Any]:
        """The next message like that; sound is collected meanwhile."""
        for _ in range(5000):
            message = await ws.receive(timeout=8)
            if message.type is WSMsgType.BINARY:
                assert len(message.data) == FRAME_BYTES
                self.sound += message.data
                continue
            data = message.json()
            self.got.append(data)
            if data["type"] == type_ and all(data.get(k) == v for k, v in fields.items()):
                return data
        raise AssertionError(type_)

    async def say(self, ws: Any, *parts: list[bytes]) -> None:
        for part in parts:
            for frame in part:
                await ws.send_bytes(frame)


@pytest.fixture
async def page(tmp_path: Path) -> AsyncIterator[Page]:
    from dataclasses import replace

    from agent import settings as settings_module

    settings = replace(settings_module.load(environment={"CONCIERGE_HOME": str(tmp_path)}))
    async with open_simulation(settings) as simulation:
        dialogue = FakeDialogue({"近くの駐車場": reply("三件あります。", context="done")})
        system = join(settings, simulation, dialogue, load_phrases())

        async def open_voice(session: str, language: Language) -> Voice:
            if language == "en":
                raise StartError("No whisper model is installed. Run: concierge models install whisper")
            player, work, synthesizer = Player(), SettledWork(), ScriptedSynthesizer(per_letter=0.1)
            talk = ConversationTalk(system.conversation, session, asyncio.get_running_loop())
            parts = Parts(
                ScriptedRecognizer(), ScriptedActivity(), synthesizer, player, talk, WORDS,
                lambda judge: Endpointing(judge, language), ScriptedWake(),
            )  # fmt: skip
            listener = Listener(session, parts, language=language, work=work, clock=time.perf_counter)
            return Voice(listener, player, work, synthesizer, lambda: None)

        gateway = Gateway(system, open_voice=open_voice)
        async with TestClient(TestServer(gateway.app(), host="127.0.0.1")) as client:
            yield Page(client, gateway, dialogue)
            await gateway.close()


async def test_spoken_to_over_the_socket_and_answered_with_sound(page: Page) -> None:
    async with page.connect() as ws:
        await ws.send_json({"type": "voice", "on": True, "language": "ja"})
        await page.until(ws, "voice_on")
        await page.say(ws, silence(0.2), wake(), silence(0.2), speech("近くの駐車場"), silence(1.2))
        await page.until(ws, "wake", source="wake_word")
        await page.until(ws, "recognised", taken="request")
        assert (await page.until(ws, "heard"))["text"] == "近くの駐車場"
        assert (await page.until(ws, "spoke"))["text"] == "三件あります。"
        await page.until(ws, "latency")
        await page.until(ws, "voice", state="idle")
        assert b"\x10\x10" * 150 in page.sound
        await ws.send_json({"type": "voice", "on": False})
        await page.until(ws, "voice_off")
        await ws.send_bytes(bytes(FRAME_BYTES))
        assert (await page.until(ws, "refused"))["reason"] == "voice is not on"


async def test_when_no_sound_comes_time_goes_on(page: Page) -> None:
    """A page that stops sending in the middle is asked again and the line is closed, as if it were silent."""
    async with page.connect() as ws:
        await ws.send_json({"type": "voice", "on": True, "language": "ja"})
        await page.until(ws, "voice_on")
        await ws.send_json({"type": "press", "source": "talk_switch"})
        await page.say(ws, speech("近くの駐車場"))
        await page.until(ws, "spoke")
        await page.until(ws, "voice", state="idle")


async def test_typed_while_the_voice_is_on_is_answered_aloud(page: Page) -> None:
    async with page.connect() as ws:
        await ws.send_json({"type": "voice", "on": True, "language": "ja"})
        await page.until(ws, "voice_on")
        await ws.send_json({"type": "say", "text": "近くの駐車場"})
        await page.until(ws, "speaking", text="三件あります。")


async def test_no_model_is_a_sentence_and_text_goes_on(page: Page) -> None:
    async with page.connect() as ws:
        await ws.send_json({"type": "voice", "on": True, "language": "en"})
        assert "models install" in (await page.until(ws, "refused"))["reason"]
        await page.until(ws, "voice_off")
        await ws.send_json({"type": "say", "text": "近くの駐車場"})
        assert (await page.until(ws, "spoke"))["text"] == "三件あります。"


@pytest.mark.parametrize("sound", [b"", b"x", bytes(64_000)])
async def test_what_is_no_sound_is_refused_and_the_line_stays(page: Page, sound: bytes) -> None:
    async with page.connect() as ws:
        await ws.send_json({"type": "voice", "on": True, "language": "ja"})
        await page.until(ws, "voice_on")
        await ws.send_bytes(sound)
        assert "16-bit" in (await page.until(ws, "refused"))["reason"]
        await ws.send_json({"type": "say", "text": "近くの駐車場"})
        await page.until(ws, "spoke")


async def test_pages_that_leave_give_their_voice_back(page: Page) -> None:
    import threading

    before = threading.active_count()
    for _ in range(MAX_VOICES + 1):
        async with page.connect() as ws:
            await ws.send_json({"type": "voice", "on": True, "language": "ja"})
            await page.until(ws, "voice_on")
        for _ in range(200):
            if page.gateway._voices.count == 0:
                break
            await asyncio.sleep(0.05)
        assert page.gateway._voices.count == 0
    loops = [
        t.name for t in threading.enumerate() if t.name.startswith(("voice loop", "recognizer", "speaker", "wake"))
    ]
    assert loops == [], f"{before} threads before"


async def test_too_many_voices_are_told(page: Page) -> None:
    import contextlib

    async with contextlib.AsyncExitStack() as stack:
        for _ in range(MAX_VOICES):
            ws = await stack.enter_async_context(page.connect())
            await ws.send_json({"type": "voice", "on": True, "language": "ja"})
            await page.until(ws, "voice_on")
        ws = await stack.enter_async_context(page.connect())
        await ws.send_json({"type": "voice", "on": True, "language": "ja"})
        assert "Too many" in (await page.until(ws, "refused"))["reason"]


async def test_sound_from_a_foreign_page_is_refused(page: Page) -> None:
    with pytest.raises(WSServerHandshakeError) as refused:
        await page.client.ws_connect("/ws", origin="http://evil.example")
    assert refused.value.status == 403
