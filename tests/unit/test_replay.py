"""`parse` and `replay`: order, formats, bad lines."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agent import parse as parse_module
from agent import replay as replay_module
from agent import settings as settings_module
from agent.composition import join, load_phrases, open_simulation
from agent.settings import Settings
from tests.fakes import FakeDialogue, reply

SEARCH = {"conditions": {"kind": "parking", "parking": "free"}, "sort": "distance"}


class Searching(FakeDialogue):
    """A dialogue model whose search is under way."""

    async def turn(self, session: str, text: str, **rest: Any) -> Any:
        answer = await super().turn(session, text, **rest)
        return type(answer)(answer.texts, answer.payload, answer.understanding, {"search": SEARCH}, {})


@pytest.fixture
def dialogue(monkeypatch: pytest.MonkeyPatch) -> FakeDialogue:
    fake = Searching(
        {"探して": reply("あります。", actions=({"name": "search", "arguments": {"kind": "parking"}, "ok": True},))}
    )

    @asynccontextmanager
    async def system(settings: Settings, **_: Any) -> AsyncIterator[Any]:
        async with open_simulation(settings) as simulation:
            yield join(settings, simulation, fake, load_phrases())

    @asynccontextmanager
    async def parser(_: Settings) -> AsyncIterator[Any]:
        yield fake

    monkeypatch.setattr(replay_module, "open_system", system)
    monkeypatch.setattr(parse_module, "open_parser", parser)
    return fake


def settings(tmp_path: Path) -> Settings:
    return settings_module.load(environment={"CONCIERGE_HOME": str(tmp_path)})


async def run(work: Any, tmp_path: Path, *lines: Any, **rest: Any) -> tuple[int, list[dict[str, Any]]]:
    out = io.StringIO()
    rows = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    code = await work(settings(tmp_path), rows, out, **rest)
    return code, [json.loads(line) for line in out.getvalue().splitlines()]


async def test_replay_writes_a_line_a_turn(dialogue: FakeDialogue, tmp_path: Path) -> None:
    code, out = await run(
        replay_module.replay, tmp_path,
        {"dialogue_id": "d1", "lang": "ja", "turns": ["探して", "はい", "事故った"]},
        {"dialogue_id": 2, "lang": "en", "turns": ["hello"]},
    )  # fmt: skip
    assert code == 0
    assert [(r["dialogue_id"], r["turn"]) for r in out] == [("d1", 0), ("d1", 1), ("d1", 2), (2, 0)]
    assert out[0]["function"] == "destination_search"
    assert out[0]["state"] == {"kind": "parking", "parking": "free", "sort": "distance"}
    assert out[0]["actions"] == [{"name": "search", "arguments": {"kind": "parking"}, "ok": True}]
    assert out[0]["reply"] == "あります。"
    assert out[0]["ms"] > 0
    assert out[2]["function"] == "safety"
    sessions = [h[0] for h in dialogue.heard]
    assert sessions[0] == sessions[1] != sessions[-1]
    assert len({h[3]["driver"] for h in dialogue.heard}) == 2
    assert len(dialogue.forgotten) == 2


async def test_until_turn_and_bad_lines(dialogue: FakeDialogue, tmp_path: Path) -> None:
    code, out = await run(
        replay_module.replay, tmp_path, b"{", {"dialogue_id": "x"}, {"dialogue_id": "d", "turns": ["a", "b", "c"]}, b"\n",
        until_turn=1,
    )  # fmt: skip
    assert code == 1
    assert ["error" in r for r in out] == [True, True, False, False]
    assert [r["turn"] for r in out[2:]] == [0, 1]


async def test_parse_keeps_order_and_goes_on_after_bad_lines(dialogue: FakeDialogue, tmp_path: Path) -> None:
    code, out = await run(
        parse_module.parse, tmp_path,
        {"id": 1, "text": "hello", "lang": "en"}, b"nonsense", [1], {"id": 2}, {"id": 3, "text": "事故った", "lang": "ja"},
        {"id": 4, "text": ""}, {"id": 5, "text": "\ud800"}, {"id": 6, "text": "あ" * 10_000}, b"\xff",
    )  # fmt: skip
    assert code == 1
    assert [r["id"] for r in out] == [1, None, None, None, 3, 4, 5, 6, None]
    assert (out[0]["intent"], out[0]["function"]) == ("chitchat", "chitchat_oos")
    assert (out[4]["intent"], out[4]["function"]) == ("emergency", "handoff")
    assert [("error" in r) for r in out] == [False, True, True, True, False, False, False, True, True]
