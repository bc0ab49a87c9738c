"""The gateway with a scripted dialogue model and a real Owner's Desk, in this process or (`python -m tests.desk_system`) in
one of its own that can be killed."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import web

from agent import settings as settings_module
from agent.composition import System, join, load_phrases, open_simulation
from agent.desk.server import DeskServer, open_desk
from agent.desk.service import Patience
from agent.dialogue import DialogueReply
from agent.handoff_composition import open_handoffs
from agent.handoff_state import Waits
from agent.web.gateway import Gateway
from agent.web.voice_stream import OpenVoice
from backends.desk import HttpDesk
from backends.model import Language
from tests.fakes import FakeDialogue, reply
from tests.fakes_desk import PASSWORD, SECRET

WANT = {
    "name": "handoff_request",
    "arguments": {"topic": "restaurant_booking", "fields": {"people": 4}, "left_open": ["budget"]},
    "ok": True,
}
CARD = {
    "type": "place",
    "id": "n1",
    "name": "すし処みなと",
    "lat": 35.6612,
    "lon": 139.7012,
    "phone": "03-0000-0000",
    "address": "渋谷区1-1",
}
WAITS = Waits(retry_s=0.1, notice_s=0.5, give_up_s=8, still_s=30, deliver_s=0.5)
LONG_S = 60.0
"""how long a test waits for what must come about, on however busy a machine"""
PATIENT_WAITS = replace(WAITS, give_up_s=10 * LONG_S, deliver_s=LONG_S)
PATIENCE = Patience(answer_s=30, take_s=20, notice_s=0.5, gone_s=8, tick_s=0.1, alive_s=0.3)

CALM = replace(PATIENCE, answer_s=10 * LONG_S, take_s=10 * LONG_S, gone_s=10 * LONG_S)
"""nothing ends by itself: tests that wait for that shorten one of them"""


class Script(FakeDialogue):
    """Answers a few lines as the real dialogue would."""

    async def turn(self, session: str, text: str, **kinds: Any) -> DialogueReply:
        if "予約" in text or "operator" in text:
            self.script[text] = reply("番号は0800-300-0365です。", intent="handoff", actions=(WANT,))
        elif "寿司" in text:
            found = reply("すし処みなとが見つかりました。どうですか。", context="offers_one")
            found.payload["cards"].append(CARD)  # type: ignore[index]
            self.script[text] = found
        return await super().turn(session, text, **kinds)


class Lag:
    """How much time passes, and how much of it this process did not get to run in."""

    passed = lost = 0.0

    async def __aenter__(self) -> Lag:
        self._began, self._ticking = time.monotonic(), asyncio.create_task(self._tick())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.passed = time.monotonic() - self._began
        self._ticking.cancel()

    async def _tick(self) -> None:
        while True:
            at = time.monotonic()
            await asyncio.sleep(0.05)
            # The others (browsers, servers in processes of their own) wait as long again.
            self.lost += 3 * max(0.0, time.monotonic() - at - 0.055)


@dataclass
class Front:
    gateway: Gateway
    url: str
    dialogue: FakeDialogue


def scripted_voices(system: System) -> OpenVoice:
    """Voices whose engines are scripted (tests/fakes_voice.py) over the real loop."""
    from agent.listener import Listener
    from agent.voice import ConversationTalk, SettledWork, Voice
    from agent.voice_ports import Parts
    from audio.endpointing import Endpointing
    from audio.player import Player
    from tests.fakes_voice import WORDS, ScriptedActivity, ScriptedRecognizer, ScriptedSynthesizer, ScriptedWake

    async def open_voice(session: str, language: Language) -> Voice:
        player, work, synthesizer = Player(), SettledWork(), ScriptedSynthesizer(per_letter=0.02)
        talk = ConversationTalk(system.conversation, session, asyncio.get_running_loop())
        parts = Parts(
            ScriptedRecognizer(), ScriptedActivity(), synthesizer, player, talk, WORDS,
            lambda judge: Endpointing(judge, language), ScriptedWake(),
        )  # fmt: skip
        listener = Listener(session, parts, language=language, work=work, clock=time.perf_counter)
        return Voice(listener, player, work, synthesizer, lambda: None)

    return open_voice


@asynccontextmanager
async def open_front(
    home: Path,
    desk_url: str,
    *,
    port: int = 0,
    waits: Waits = WAITS,
    voices: bool = False,
    silence_s: float = 1.5,
) -> AsyncIterator[Front]:
    """A gateway whose handoffs go to the desk at `desk_url`; `voices`: pages may speak, with scripted engines; `silence_s`: after
    which the desk counts as lost."""
    settings = settings_module.load(environment={"CONCIERGE_HOME": str(home)})
    async with contextlib.AsyncExitStack() as stack:
        simulation = await stack.enter_async_context(open_simulation(settings))
        dialogue = Script()
        system = join(settings, simulation, dialogue, load_phrases())
        desk = HttpDesk(desk_url, "car", SECRET, deadline_s=max(2.0, silence_s), silence_s=silence_s)
        stack.push_async_callback(desk.close)

        async def carry_out(kind: str, data: Any, language: Any) -> None:
            """There is no map in these tests: what was to be done is done."""

        await stack.enter_async_context(
            open_handoffs(system, desk, state=settings.state / "handoffs.sqlite", waits=waits, carry_out=carry_out)
        )
        gateway = Gateway(system, open_voice=scripted_voices(system) if voices else None)
        runner = web.AppRunner(gateway.app(), access_log=None, handle_signals=False, shutdown_timeout=0.1)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        stack.push_async_callback(gateway.close)
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        yield Front(gateway, f"http://127.0.0.1:{runner.addresses[0][1]}", dialogue)


async def add_people(desk: DeskServer, *names: str) -> None:
    accounts = desk.service.accounts
    for name in names:
        role = "supervisor" if name.startswith("boss") else "operator"
        await desk.service.read(partial(accounts.add_user, name=name, password=PASSWORD, role=role))


async def main(kind: str, home: Path, port: int, desk_url: str) -> None:
    """Serves until killed; prints its address."""
    async with contextlib.AsyncExitStack() as stack:
        if kind == "desk":
            url = f"sqlite:///{home / 'desk.sqlite'}"
            patience = replace(PATIENCE, gone_s=60, answer_s=90, take_s=60)
            desk = await stack.enter_async_context(open_desk(url, port=port, patience=patience, car=SECRET))
            if not await desk.service.read(desk.service.accounts.users):
                await add_people(desk, "suzuki")
            address = desk.url
        else:
            waits = replace(WAITS, give_up_s=60)
            address = (await stack.enter_async_context(open_front(home, desk_url, port=port, waits=waits))).url
        print(address, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]))
