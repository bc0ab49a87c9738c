"""Nothing is asked twice: whole conversations on the real model, handed over; what was said must be in the packet."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from agent.handoff_composition import open_handoffs
from tests.conftest import RunningSystem
from tests.fakes_desk import FakeDesk

SCRIPTS: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parent / "data" / "desk_handoffs.yml").read_text(encoding="utf-8")
)


class Handed:
    """The running system with a desk of its own."""

    def __init__(self, running: RunningSystem) -> None:
        self.running, self.desk = running, FakeDesk()

    def open(self) -> None:
        async def open_() -> None:
            self.context = open_handoffs(self.running.system, self.desk, state=None)
            self.handoffs = await self.context.__aenter__()

        self.running.run(open_())

    def close(self) -> None:
        self.running.run(self.context.__aexit__(None, None, None))

    def play(self, script: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[str]]:
        """The packet, and what the driver said."""
        session = self.running.new_session()
        conversation = self.running.system.conversation

        async def talk() -> Mapping[str, Any]:
            replies = []
            for text in script["turns"]:
                turn = await conversation.turn(session, text, language=script["lang"], driver=session)
                replies.append(turn.spoke.text)
                await asyncio.sleep(0)
            assert self.handoffs.is_open(session), replies
            packet = self.desk.packets[self.handoffs.handoff_of(session)]
            self.handoffs.cancel(session)
            return packet

        return self.running.run(talk()), list(script["turns"])


@pytest.fixture(scope="module")
def handed(running: RunningSystem) -> Iterator[Handed]:
    made = Handed(running)
    made.open()
    yield made
    made.close()


def labels(packet: Mapping[str, Any]) -> str:
    rows = (*packet["slots"], *packet["already_asked"], *packet["already_rejected"], *packet["wish"]["fields"])
    return "\n".join(f"{row['label']['ja']}\n{row['label']['en']}" for row in rows)


def missing(script: Mapping[str, Any], packet: Mapping[str, Any]) -> list[str]:
    """What the dialogue contained and the packet does not."""
    shown = labels(packet)
    out = [item for item in script.get("known", ()) if not re.search(item, shown, re.IGNORECASE)]
    fields = {item["name"]: item["value"] for item in packet["wish"]["fields"]}
    for name, value in (script.get("fields") or {}).items():
        if name not in fields or (value is not True and fields[name] != str(value).lower()):
            out.append(f"{name}={value}, but {fields.get(name)}")
    if script.get("shown") and not packet["candidates"]:
        out.append("candidates")
    said = [line["text"] for line in packet["transcript"] if line["speaker"] == "driver"]
    out += [f"「{text}」" for text in script["turns"] if text not in said]
    return out


@pytest.mark.parametrize("number", range(len(SCRIPTS)), ids=lambda n: f"{SCRIPTS[n]['lang']}-{n}")
def test_what_was_said_is_in_the_packet(handed: Handed, number: int) -> None:
    script = SCRIPTS[number]
    packet, _ = handed.play(script)
    assert missing(script, packet) == [], labels(packet)
    assert packet["summary"]["ja"]
    assert packet["summary"]["en"]
    # An operator who reads English finds no Japanese label, whatever the driver spoke.
    assert not re.search(
        r"[ぁ-ん]", " ".join(row["label"]["en"].split(":")[0] for row in (*packet["slots"], *packet["wish"]["fields"]))
    )


def test_there_are_enough_of_them() -> None:
    assert len(SCRIPTS) >= 30
    assert {script["lang"] for script in SCRIPTS} == {"ja", "en"}


def test_the_test_can_fail(handed: Handed) -> None:
    packet, _ = handed.play(SCRIPTS[0])
    assert missing({**SCRIPTS[0], "known": ["ステーキ"], "fields": {"people": 3}}, packet) == [
        "ステーキ",
        "people=3, but None",
    ]
