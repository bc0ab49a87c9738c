"""The sound between driver and operator through a serving desk: who may, what gets through, what is written down."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import WSMsgType, WSServerHandshakeError

from agent.desk.server import open_desk
from agent.desk.sound import ENDED, REPLACED, WAITING, End
from agent.desk.transcripts import LONGEST, Spoken
from backends.desk import SOUND_PROTOCOL
from backends.errors import BackendUnavailable, NotFound, Rejected
from backends.model import DeskSoundNote
from backends.signing import NONCE, SIGNATURE, sign
from tests.fakes_desk import SECRET, Operator
from tests.unit.test_desk_api import CALM, Desk, until

SIZE = 640


class ScriptedTranscriber:
    """Hears what is written into the sound; `broken` as the test wants."""

    def __init__(self) -> None:
        self.broken = False
        self.languages = {"ja", "en"}
        self.heard: list[bytes] = []

    def can(self, language: str) -> bool:
        return language in self.languages

    def write_down(self, sound: bytes, language: str) -> tuple[str, float]:
        self.heard.append(sound)
        if self.broken:
            raise RuntimeError("it broke")
        return sound.replace(b"\0", b"").decode(), 0.87


def frames(text: str, count: int = 10) -> list[bytes]:
    return [text.encode().ljust(SIZE, b"\0"), *[bytes(SIZE)] * (count - 1)]


class Phone:
    """One end of the sound at the operators' side."""

    def __init__(self, ws: Any) -> None:
        self.ws = ws
        self.sound: list[bytes] = []
        self.notes: list[dict[str, Any]] = []
        self.code: int | None = None
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for message in self.ws:
            if message.type is WSMsgType.BINARY:
                self.sound.append(message.data)
            else:
                self.notes.append(json.loads(message.data))
        self.code = self.ws.close_code

    def last(self, type_: str) -> dict[str, Any]:
        return next((note for note in reversed(self.notes) if note["type"] == type_), {})

    async def talk(self, *sound: bytes) -> None:
        await self.ws.send_json({"type": "talk", "on": True})
        for frame in sound:
            await self.ws.send_bytes(frame)
        await self.ws.send_json({"type": "talk", "on": False})


class Car:
    """The driver's end, by the adapter the car uses."""

    def __init__(self, desk: Desk, handoff: str) -> None:
        self.sound: list[bytes] = []
        self.notes: list[DeskSoundNote] = []
        self.error: BaseException | None = None
        self.opened = asyncio.Event()
        self._channel: Any = None
        self._stack = desk.stack
        self._task = asyncio.create_task(self._run(desk, handoff))

    async def _run(self, desk: Desk, handoff: str) -> None:
        try:
            async with desk.desk.sound(handoff) as self._channel:
                async for item in self._channel.received():
                    if isinstance(item, bytes):
                        self.sound.append(item)
                    else:
                        self.notes.append(item)
                        self.opened.set()
        except Exception as error:
            self.error = error
        finally:
            self.opened.set()

    async def say(self, *sound: bytes) -> None:
        for frame in sound:
            await self._channel.send(frame)

    def told(self, type_: str) -> list[Any]:
        return [dict(note.data) for note in self.notes if note.type == type_]

    async def hang_up(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def phone(desk: Desk, person: Operator, handoff: str, **changes: Any) -> Phone:
    protocols = changes.pop("protocols", (SOUND_PROTOCOL, person.csrf))
    headers = {"Origin": person.url, **changes}
    url = f"{desk.url}/api/v1/handoffs/{handoff}/sound"
    ws = await person.http.ws_connect(url, protocols=protocols, headers={k: v for k, v in headers.items() if v})
    made = Phone(ws)
    desk.stack.push_async_callback(ws.close)
    await until(lambda: made.last("state"))
    return made


async def car(desk: Desk, handoff: str) -> Car:
    made = Car(desk, handoff)
    desk.stack.push_async_callback(made.hang_up)
    await made.opened.wait()
    return made


@pytest.fixture
def transcriber() -> ScriptedTranscriber:
    return ScriptedTranscriber()


@pytest.fixture
async def desk(transcriber: ScriptedTranscriber) -> AsyncIterator[Desk]:
    async with AsyncExitStack() as stack:
        opened = open_desk("sqlite://", patience=CALM, car=SECRET, transcriber=transcriber)
        made = Desk(await stack.enter_async_context(opened), stack)
        await made.open()
        yield made


async def lines(desk: Desk, handoff: str) -> list[dict[str, Any]]:
    store = desk.server.service.store
    whole = await desk.server.service.read(lambda db: store.whole(db, handoff))
    return [m for m in whole["messages"] if m["speaker"] == "operator"]


async def settled(desk: Desk) -> None:
    await desk.server.sounds.transcripts.settled()


# ── two people ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_both_hear_each_other_sample_for_sample_and_the_words_are_written_down(
    desk: Desk, transcriber: ScriptedTranscriber
) -> None:
    suzuki = await desk.person("suzuki")
    handoff = await desk.active(suzuki)
    driver, operator = await car(desk, handoff), await phone(desk, suzuki, handoff)
    assert operator.last("ready") == {"type": "ready", "transcribed": True}
    await until(lambda: operator.last("state").get("car"))
    spoken = frames("七時で予約が取れました")
    await operator.talk(*spoken)
    await until(lambda: len(driver.sound) == len(spoken))
    assert driver.sound == spoken
    assert driver.told("talk") == [{"on": True, "operator": "suzuki"}, {"on": False, "operator": "suzuki"}]
    answer = frames("ありがとう", 12)
    await driver.say(*answer)
    await until(lambda: len(operator.sound) == len(answer))
    assert operator.sound == answer
    await settled(desk)
    assert transcriber.heard == [b"".join(spoken)]
    (line,) = await lines(desk, handoff)
    assert (line["text"], line["author"], line["confidence"], line["spoken"], line["language"]) == (
        "七時で予約が取れました", "suzuki", 0.87, True, "ja",
    )  # fmt: skip
    assert "sound" in {row["action"] for row in await desk.audit()}


async def test_only_while_the_button_is_pressed(desk: Desk) -> None:
    suzuki = await desk.person("suzuki")
    handoff = await desk.active(suzuki)
    driver, operator = await car(desk, handoff), await phone(desk, suzuki, handoff)
    await operator.ws.send_bytes(frames("独り言")[0])
    await operator.talk(*frames("はい", 6))
    await until(lambda: len(driver.sound) == 6)
    await operator.ws.send_bytes(frames("独り言")[0])
    await operator.talk(*frames("そうです", 6))
    await until(lambda: len(driver.sound) == 12)
    await settled(desk)
    assert [line["text"] for line in await lines(desk, handoff)] == ["はい", "そうです"]


async def test_a_supervisor_who_joined_speaks_and_hears_as_well(desk: Desk) -> None:
    suzuki, boss = await desk.person("suzuki"), await desk.person("boss", "supervisor")
    handoff = await desk.active(suzuki)
    with pytest.raises(WSServerHandshakeError):
        await phone(desk, boss, handoff)
    assert (await boss.call("POST", f"/api/v1/handoffs/{handoff}/join", {}))[0] == 200
    driver = await car(desk, handoff)
    first, second = await phone(desk, suzuki, handoff), await phone(desk, boss, handoff)
    await driver.say(*frames("二人とも", 5))
    await until(lambda: len(first.sound) == len(second.sound) == 5)
    await second.talk(*frames("責任者です", 5))
    await until(lambda: len(driver.sound) == 5)
    await until(lambda: driver.told("people")[-1] == {"count": 2})
    await settled(desk)
    assert [line["author"] for line in await lines(desk, handoff)] == ["boss"]


async def test_on_hold_nobody_hears_anybody(desk: Desk) -> None:
    suzuki = await desk.person("suzuki")
    handoff = await desk.active(suzuki)
    driver, operator = await car(desk, handoff), await phone(desk, suzuki, handoff)
    await suzuki.call("POST", f"/api/v1/handoffs/{handoff}/hold", {"on": True})
    await until(lambda: operator.last("state").get("hold"))
    await operator.talk(*frames("社内で", 6))
    await driver.say(*frames("聞こえる？", 6))
    await suzuki.call("POST", f"/api/v1/handoffs/{handoff}/hold", {"on": False})
    await until(lambda: operator.last("state").get("open"))
    await operator.talk(*frames("お待たせ", 6))
    await driver.say(*frames("はい", 7))
    await until(lambda: len(driver.sound) == 6 and len(operator.sound) == 7)
    await settled(desk)
    assert [line["text"] for line in await lines(desk, handoff)] == ["お待たせ"]


async def test_a_call_centre_speaks_over_its_own_connection(desk: Desk) -> None:
    accounts = desk.server.service.accounts
    await desk.server.service.read(
        lambda db: accounts.add_client(db, "centre", "connector", "centre-secret-0123456789")
    )
    handoff = await desk.submit()
    path = f"/api/v1/handoffs/{handoff}/sound?operator=tanaka"

    async def call(path: str, body: Any) -> int:
        data = json.dumps(body).encode()
        signed = {**sign("centre", "centre-secret-0123456789", "POST", path, data), "Content-Type": "application/json"}
        async with desk.http.post(desk.url + path, data=data, headers=signed) as response:
            return response.status

    assert await call(f"/api/v1/handoffs/{handoff}/claim", {"operator": "tanaka"}) == 200
    await desk.car.call("POST", f"/api/v1/handoffs/{handoff}/active", {})
    driver = await car(desk, handoff)
    signed = sign("centre", "centre-secret-0123456789", "GET", path)
    ws = await desk.http.ws_connect(desk.url + path, headers=signed, protocols=(SOUND_PROTOCOL,))
    centre = Phone(ws)
    await centre.talk(*frames("センターです", 6))
    await until(lambda: len(driver.sound) == 6)
    await settled(desk)
    assert [line["author"] for line in await lines(desk, handoff)] == ["centre:tanaka"]
    await ws.close()


# ── who may not ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_who_has_no_business_there_is_refused_and_logged(desk: Desk) -> None:
    suzuki, sato = await desk.person("suzuki"), await desk.person("sato")
    handoff = await desk.active(suzuki)
    waiting = await desk.submit()
    path = f"/api/v1/handoffs/{handoff}/sound"

    async def refused(who: Operator, handoff: str = handoff, **changes: Any) -> int:
        with pytest.raises(WSServerHandshakeError) as error:
            await phone(desk, who, handoff, **changes)
        return error.value.status

    assert await refused(sato) == 403
    assert await refused(suzuki, waiting) == 409
    assert await refused(suzuki, "ho-nothing-there") == 404
    assert await refused(suzuki, Origin="http://evil.example") == 403
    assert await refused(suzuki, Origin="") == 403
    assert await refused(suzuki, protocols=(SOUND_PROTOCOL,)) == 403
    assert await refused(suzuki, protocols=(SOUND_PROTOCOL, sato.csrf)) == 403
    anonymous = Operator(desk.url, desk.http)
    anonymous.csrf = "x"
    assert await refused(anonymous) == 401
    signed = sign("car", SECRET, "GET", path)
    for wrong in ({**signed, SIGNATURE: "v1=00"}, {**signed, NONCE: "a-nonce-nobody-signed"}):
        with pytest.raises(WSServerHandshakeError) as error:
            await desk.http.ws_connect(desk.url + path, headers=wrong)
        assert error.value.status == 401
    ws = await desk.http.ws_connect(desk.url + path, headers=signed)
    await ws.close()
    with pytest.raises(WSServerHandshakeError) as error:
        await desk.http.ws_connect(desk.url + path, headers=signed)
    assert error.value.status == 401
    details = [row["detail"] for row in await desk.audit() if row["action"] == "refused"]
    assert sum("csrf" in detail for detail in details) == 3
    assert any("replayed" in detail for detail in details)
    assert any("foreign origin" in detail for detail in details)
    status, _ = await suzuki.call("GET", path)
    assert status == 422


async def test_another_car_does_not_hear_and_errors_are_the_ports(desk: Desk) -> None:
    from backends.desk import HttpDesk

    accounts = desk.server.service.accounts
    await desk.server.service.read(lambda db: accounts.add_client(db, "other", "car", "other-secret-0123456789"))
    suzuki = await desk.person("suzuki")
    handoff, waiting = await desk.active(suzuki), await desk.submit()
    other = HttpDesk(desk.url, "other", "other-secret-0123456789")
    desk.stack.push_async_callback(other.close)
    nobody = HttpDesk("http://127.0.0.1:9", "car", SECRET)
    desk.stack.push_async_callback(nobody.close)
    for port, which, error in ((other, handoff, NotFound), (desk.desk, waiting, Rejected), (nobody, handoff, BackendUnavailable)):  # fmt: skip
        with pytest.raises(error):
            async with port.sound(which):
                pass


async def test_frames_that_are_none_end_the_connection(desk: Desk) -> None:
    suzuki = await desk.person("suzuki")
    operator = await phone(desk, suzuki, await desk.active(suzuki))
    await operator.ws.send_str('{"type": "nonsense"}')
    await operator.ws.send_str("[" * 30_000)
    await until(lambda: [n["type"] for n in operator.notes].count("refused") == 1)
    await operator.ws.send_bytes(b"too short")
    await until(lambda: operator.code is not None)
    assert operator.code == 1003


# ── coming and going ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("ends", ["return", "cancel", "transfer", "erase"])
async def test_the_sound_ends_with_the_line(desk: Desk, ends: str) -> None:
    suzuki, boss = await desk.person("suzuki"), await desk.person("boss", "supervisor")
    handoff = await desk.active(suzuki)
    driver, operator = await car(desk, handoff), await phone(desk, suzuki, handoff)
    # The last words before the end are kept, although they are written down after it.
    await operator.ws.send_json({"type": "talk", "on": True})
    for frame in frames("失礼します", 6):
        await operator.ws.send_bytes(frame)
    await until(lambda: len(driver.sound) == 6)
    if ends == "return":
        await suzuki.call("POST", f"/api/v1/handoffs/{handoff}/return", {"note": ""})
    elif ends == "cancel":
        await desk.car.call("POST", f"/api/v1/handoffs/{handoff}/end", {"outcome": "cancelled", "reason": "driver"})
    elif ends == "transfer":
        await boss.call("POST", f"/api/v1/handoffs/{handoff}/transfer", {"to": "boss"})
    else:
        await boss.call("DELETE", "/api/v1/drivers/owner")
    await until(lambda: operator.code is not None)
    assert operator.code == ENDED
    await settled(desk)
    if ends == "transfer":
        assert driver.error is None
        assert driver.told("people")[-1] == {"count": 0}
    else:
        await until(lambda: driver.error is not None)
        assert isinstance(driver.error, BackendUnavailable)
    if ends == "erase":
        assert await desk.server.service.read(lambda db: desk.server.service.archive.search(db, "失礼します")) == []
    else:
        assert [line["text"] for line in await lines(desk, handoff)] == ["失礼します"]


async def test_opened_twice_it_is_heard_once(desk: Desk) -> None:
    suzuki = await desk.person("suzuki")
    handoff = await desk.active(suzuki)
    first_car, first = await car(desk, handoff), await phone(desk, suzuki, handoff)
    second_car, second = await car(desk, handoff), await phone(desk, suzuki, handoff)
    await until(lambda: first.code == REPLACED and first_car.error is not None)
    await second.talk(*frames("一度だけ", 6))
    await second_car.say(*frames("はい", 5))
    await until(lambda: len(second_car.sound) == 6 and len(second.sound) == 5)
    assert (first_car.sound, first.sound) == ([], [])
    await settled(desk)
    assert [line["text"] for line in await lines(desk, handoff)] == ["一度だけ"]


async def test_either_side_may_go_and_come_back(desk: Desk) -> None:
    suzuki = await desk.person("suzuki")
    handoff = await desk.active(suzuki)
    driver, operator = await car(desk, handoff), await phone(desk, suzuki, handoff)
    await driver.hang_up()
    await until(lambda: operator.last("state").get("car") is False)
    await operator.talk(*frames("もしもし", 6))
    driver = await car(desk, handoff)
    await until(lambda: operator.last("state").get("car") is True)
    # What was said into nothing is in the transcript, and not played late.
    assert driver.sound == []
    await operator.ws.close()
    await until(lambda: driver.told("people")[-1] == {"count": 0})
    operator = await phone(desk, suzuki, handoff)
    await operator.talk(*frames("戻りました", 6))
    await until(lambda: len(driver.sound) == 6)
    await settled(desk)
    assert [line["text"] for line in await lines(desk, handoff)] == ["もしもし", "戻りました"]


async def test_an_end_that_takes_nothing_loses_the_oldest_and_it_is_counted() -> None:
    from agent.desk.accounts import Caller

    class Sink:
        def __init__(self) -> None:
            self.got: list[Any] = []

        async def send_bytes(self, data: bytes) -> None:
            self.got.append(data)

        async def send_str(self, data: str) -> None:
            self.got.append(json.loads(data))

    end, sink = End(Caller("suzuki", "operator"), "suzuki"), Sink()
    for number in range(3 * WAITING):
        end.frame(bytes([number]) * SIZE)
    end.close(ENDED, b"")
    await end.send(sink)  # type: ignore[arg-type]
    sound = [data[0] for data in sink.got if isinstance(data, bytes)]
    assert sound == list(range(2 * WAITING, 3 * WAITING))
    assert end.lost == 2 * WAITING
    assert sum(n["frames"] for n in sink.got if isinstance(n, dict) and n["type"] == "lost") == 2 * WAITING


# ── words ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("why", ["no model", "broken"])
async def test_without_a_recognizer_sound_still_flows_and_the_gap_is_seen(
    desk: Desk, transcriber: ScriptedTranscriber, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    if why == "broken":
        transcriber.broken = True
    else:
        transcriber.languages = set()
    suzuki = await desk.person("suzuki")
    handoff = await desk.active(suzuki)
    driver, operator = await car(desk, handoff), await phone(desk, suzuki, handoff)
    assert operator.last("ready")["transcribed"] is (why == "broken")
    await operator.talk(*frames("もしもし", 60))
    await until(lambda: len(driver.sound) == 60)
    await settled(desk)
    assert [(line["text"], line["confidence"]) for line in await lines(desk, handoff)] == [
        ("（音声 1.2 秒、文字起こしなし）", None)
    ]
    await until(lambda: operator.last("untranscribed") == {"type": "untranscribed", "seconds": 1.2})


async def test_card_numbers_that_are_spoken_are_not_kept(desk: Desk) -> None:
    suzuki = await desk.person("suzuki")
    handoff = await desk.active(suzuki)
    await (await phone(desk, suzuki, handoff)).talk(*frames("4242 4242 4242 4242", 6))
    # The sound may be read after the answer to an earlier message: the line is waited for.
    for _ in range(200):
        await settled(desk)
        if await lines(desk, handoff):
            break
        await asyncio.sleep(0.02)
    assert [line["text"] for line in await lines(desk, handoff)] == ["[card_number]"]


def test_a_press_is_no_word_and_long_speech_is_cut_where_it_is_quiet() -> None:
    class Taken:
        def __init__(self) -> None:
            self.got: list[Any] = []

        def add(self, utterance: Any) -> None:
            self.got.append(utterance)

    taken = Taken()
    spoken = Spoken(taken, "h", "suzuki", "ja", lambda *_, **__: None)  # type: ignore[arg-type]
    spoken.frame(bytes(SIZE))
    spoken.end()
    assert taken.got == []
    loud, quiet = b"\x00\x20" * (SIZE // 2), b"\x01\x00" * (SIZE // 2)
    pause = LONGEST - 70
    for number in range(LONGEST + 40):
        spoken.frame(quiet if number == pause else loud)
    spoken.end()
    assert [u.sound.count(quiet) for u in taken.got] == [0, 1]
    assert [len(u.sound) // SIZE for u in taken.got] == [pause, LONGEST + 40 - pause]
    assert len({u.id for u in taken.got}) == 2
