"""A desk to test with: packets, a signing client, an operator with a session; and a desk without HTTP for the car's side."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timezone
from typing import Any

from aiohttp import ClientSession

from agent.desk.api import description
from backends import packet as p
from backends.errors import BackendUnavailable, Rejected
from backends.model import DeskEvent, DeskLine, DeskReceipt, DeskSoundNote
from backends.signing import sign
from tests.fakes import MONDAY_MORNING

SECRET = "car-secret-of-the-tests-0123456789"
PASSWORD = "correct horse battery"
_numbers = itertools.count(1)


def packet(text: str = "渋谷で寿司", *, driver: str = "owner", **changes: Any) -> dict[str, Any]:
    """A small sealed packet; `changes` are keys of its JSON."""
    at = MONDAY_MORNING
    made = p.HandoffPacket(
        id=f"ho-test-{next(_numbers):06d}",
        created_at=at,
        reason="operator",
        trigger="manual",
        test=True,
        vehicle=p.CarFacts("品川 300 あ 00-00", "SIMULATED00000001", "Simulated hybrid", "hybrid"),
        position=p.CarPosition(35.6586, 139.7454, at, True, 90.0, 42.0, (p.Point(35.658, 139.744, at),)),
        route=None,
        driver=p.DriverFacts(driver, "ja", "active"),
        summary=p.BothLanguages("オペレーターを希望", "Wants an operator"),
        intent="handoff",
        slots=(),
        already_asked=(p.Item("people", "4", p.BothLanguages("人数：4名", "People: 4")),),
        already_rejected=(),
        candidates=(p.Candidate("n1", "すし処", 35.66, 139.70, "03-0000-0000", "渋谷区", "shown"),),
        actions=(),
        wish=p.Wish("operator"),
        transcript=(p.Line(1, at, "driver", text, "ja", 0.93), p.Line(2, at, "agent", "3件あります。", "ja")),
        consent=p.Consent("request", at, True),
    )
    return p.seal({**made.to_json(), **changes})


class Machine:
    """A client that signs; every JSON answer is held against the OpenAPI document."""

    def __init__(self, url: str, http: ClientSession, key: str = "car", secret: str = SECRET) -> None:
        self.url, self.http, self.key, self.secret = url, http, key, secret

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        data = json.dumps(body, ensure_ascii=False).encode() if body is not None else b""
        signed = {**sign(self.key, self.secret, method, path, data), "Content-Type": "application/json", **headers}
        async with self.http.request(method, self.url + path, data=data, headers=signed) as response:
            return response.status, await checked(method, path, response)


class Operator:
    """A logged-in person."""

    def __init__(self, url: str, http: ClientSession) -> None:
        self.url, self.http, self.csrf = url, http, ""

    async def login(self, name: str, password: str = PASSWORD) -> int:
        status, answer = await self.call("POST", "/api/v1/login", {"name": name, "password": password})
        self.csrf = answer.get("csrf", "")
        return status

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        data = json.dumps(body, ensure_ascii=False).encode() if body is not None else None
        sent = {"Content-Type": "application/json", "X-CSRF-Token": self.csrf, "Origin": self.url, **headers}
        async with self.http.request(method, self.url + path, data=data, headers=sent) as response:
            return response.status, await checked(method, path, response)


async def checked(method: str, path: str, response: Any) -> Any:
    """The answer, valid by the document."""
    from jsonschema import Draft202012Validator, RefResolver

    if response.content_type != "application/json":
        return await response.text()
    answer = await response.json()
    document = description()
    template = next(t for t in sorted(document["paths"], key=len) if _fits(t, path.partition("?")[0]))
    responses = document["paths"][template].get(method.lower(), {}).get("responses")
    if responses is None:
        return answer
    found = responses.get(str(response.status)) or responses["default"]
    if "$ref" in found:
        found = document["components"]["responses"][found["$ref"].rsplit("/", 1)[1]]
    schema = found["content"]["application/json"]["schema"]
    Draft202012Validator(schema, resolver=RefResolver.from_schema(document)).validate(answer)
    return answer


def _fits(template: str, path: str) -> bool:
    parts, given = template.split("/"), path.split("/")
    return len(parts) == len(given) and all(a == b or a.startswith("{") for a, b in zip(parts, given, strict=True))


class FakeSound:
    """The sound of a handoff without a network."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.open = True
        self.free = asyncio.Event()
        """cleared: frames are not taken, and it does not break either"""
        self.free.set()
        self._far: asyncio.Queue[bytes | DeskSoundNote | None] = asyncio.Queue()

    async def send(self, frame: bytes) -> None:
        await self.free.wait()
        self.sent.append(frame)

    def speak(self, *items: bytes | DeskSoundNote) -> None:
        for item in items:
            self._far.put_nowait(item)

    def cut(self) -> None:
        self._far.put_nowait(None)

    async def received(self) -> AsyncIterator[bytes | DeskSoundNote]:
        while (item := await self._far.get()) is not None:
            yield item
        raise BackendUnavailable("desk", "the sound ended")


class FakeDesk:
    """The desk as the car sees it, without HTTP: what happens is put in by the test."""

    def __init__(self) -> None:
        self.packets: dict[str, Mapping[str, Any]] = {}
        self.lines: list[tuple[str, DeskLine]] = []
        self.ends: list[tuple[str, str, str]] = []
        self.taken: list[str] = []
        self.answers: list[tuple[str, str, str]] = []
        self.history: dict[str, list[DeskEvent]] = {}
        self.down = False
        self.refuses = False
        self.repeats = False
        """True: every stream begins with the first event again"""
        self.sounds: dict[str, FakeSound] = {}
        """the last sound channel of a handoff"""
        self.opened = 0
        self._seq = itertools.count(1)
        self._changed: dict[str, asyncio.Event] = {}

    def happen(self, handoff: str, kind: str, /, **data: Any) -> None:
        self.history.setdefault(handoff, []).append(DeskEvent(next(self._seq), handoff, kind, data))
        self._wake()

    def cut(self) -> None:
        """The desk goes down: streams end, calls fail."""
        self.down = True
        self._wake()

    @asynccontextmanager
    async def sound(self, handoff: str) -> AsyncIterator[FakeSound]:
        await asyncio.sleep(0)
        self._up()
        self.opened += 1
        made = self.sounds[handoff] = FakeSound()
        try:
            yield made
        finally:
            made.open = False

    def _wake(self) -> None:
        for changed in self._changed.values():
            changed.set()

    def _up(self) -> None:
        if self.down:
            raise BackendUnavailable("desk", "down")

    def _receipt(self, handoff: str) -> DeskReceipt:
        states = [e.data["state"] for e in self.history[handoff] if e.type == "state"]
        return DeskReceipt(handoff, states[-1], 0, 1)  # type: ignore[arg-type]

    async def submit(self, packet: Mapping[str, object]) -> DeskReceipt:
        await asyncio.sleep(0)
        self._up()
        if self.refuses:
            raise Rejected("desk", "HTTP 422")
        p.check(packet)
        handoff = str(packet["id"])
        if handoff not in self.packets:
            self.packets[handoff] = packet
            self.happen(handoff, "state", state="queued", by="car")
        return self._receipt(handoff)

    async def take_line(self, handoff: str) -> DeskReceipt:
        self._up()
        if handoff not in self.taken:
            self.taken.append(handoff)
            self.happen(handoff, "state", state="active", by="car")
        return self._receipt(handoff)

    async def say(self, handoff: str, line: DeskLine) -> None:
        self._up()
        if line.id not in {known.id for _, known in self.lines}:
            self.lines.append((handoff, line))

    async def end(self, handoff: str, outcome: str, reason: str) -> DeskReceipt:
        self._up()
        self.ends.append((handoff, outcome, reason))
        return DeskReceipt(handoff, "cancelled", 0, 0)

    async def answer_push(self, handoff: str, push: str, state: str, detail: str = "") -> None:
        self._up()
        self.answers.append((push, state, detail))

    async def events(self, handoff: str, after: int) -> AsyncIterator[DeskEvent]:
        changed = self._changed.setdefault(handoff, asyncio.Event())
        after = 0 if self.repeats else after
        while True:
            self._up()
            changed.clear()
            for event in [e for e in self.history.get(handoff, []) if e.seq > after]:
                after = event.seq
                yield event
                self._up()
            await changed.wait()


def now() -> datetime:
    return datetime.now(timezone.utc)
