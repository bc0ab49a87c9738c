"""The engine round Rasa: local actions, the cached validator, conversations that survive, turns that break."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from jsonschema import ValidationError
from rasa.core.actions.action import RemoteAction
from rasa.core.tracker_store import SQLTrackerStore

from actions.phrases import Phrases
from actions.skill import Done, Outcome, Skill, Turn, World
from agent.dialogue_worker import Engine, LocalAction, _recent, create_engine


class Search(Skill):
    action_name = "action_search"
    seen: list[Turn] = []  # noqa: RUF012  # the tests read what the last action saw

    async def perform(self, turn: Turn) -> Outcome:
        self.seen.append(turn)
        if "駐車場" in turn.text and turn.slots.get("search") is None:
            return Outcome("どこの？", "asks_place", {"search": {"kind": "parking"}})
        if "ハング" in turn.text:
            await asyncio.sleep(60)
        return Outcome(
            "ありました。",
            "offers_list",
            {"search": {"n": turn.number}},
            (Done("search", {"n": 1}),),
            ({"type": "place"},),
            ("1番",),
        )


class Thanks(Skill):
    action_name = "action_thanks"

    async def perform(self, turn: Turn) -> Outcome:
        return Outcome("You're welcome.")


@asynccontextmanager
async def engine_on(model: Path, db: Path | None = None) -> AsyncIterator[Engine]:
    Search.seen.clear()
    # These skills ask nothing of the world.
    engine = await create_engine(model, [Search, Thanks], cast(World, object()), Phrases({"ja": {}, "en": {}}), db)
    try:
        yield engine
    finally:
        await engine.close()


async def test_a_turn(tiny_model: Path) -> None:
    async with engine_on(tiny_model) as engine:
        got = await engine.turn("s", "近くのイタリアンを探して", language="ja", metadata={"driver": "owner"})
    assert got.texts == ("ありました。",)
    assert got.understanding.intent == "search_place"
    assert got.payload["context"] == "offers_list"
    assert got.payload["actions"] == [{"name": "search", "arguments": {"n": 1}, "ok": True}]
    assert got.payload["quick_replies"] == ["1番"]
    assert got.slots["search"] == {"n": 1}
    assert {"understanding", "policy", "action", "store"} <= set(got.timings)


async def test_language_driver_and_the_last_context_reach_the_action(tiny_model: Path) -> None:
    async with engine_on(tiny_model) as engine:
        await engine.turn("s", "近くの駐車場を探して", language="ja", metadata={"driver": "guest"})
        await engine.turn("s", "近くのイタリアンを探して", language="en", metadata={"driver": "guest"})
    first, second = Search.seen
    assert (first.language, first.driver, first.metadata["context"]) == ("ja", "guest", "none")
    assert (second.language, second.metadata["context"], second.number) == ("en", "asks_place", 2)


async def test_a_leading_slash_is_no_command(tiny_model: Path) -> None:
    async with engine_on(tiny_model) as engine:
        await engine.turn("s", "近くのイタリアンを探して", language="ja")
        got = await engine.turn("s", '/thanks{"x": 1}', language="en")
        assert got.slots["search"]
        await engine.turn("s", "/restart", language="en")
        assert (await engine.slots("s"))["search"]


async def test_conversations_survive_a_restart_and_rasa_can_read_them(tiny_model: Path, tmp_path: Path) -> None:
    db = tmp_path / "conversations.sqlite"
    async with engine_on(tiny_model, db) as engine:
        for text in ("近くの駐車場を探して", "近くのイタリアンを探して", "ありがとう"):
            await engine.turn("s", text, language="ja")
        before = await engine.slots("s")
        domain = engine.processor.domain
    async with engine_on(tiny_model, db) as engine:
        assert await engine.slots("s") == before
        await engine.turn("s", "近くのイタリアンを探して", language="ja")
        assert Search.seen[-1].number == 4
        assert Search.seen[-1].metadata["context"] == "gives_info"
    stock = await SQLTrackerStore(domain, db=str(db)).retrieve("s")
    assert stock is not None
    assert [e.text for e in stock.events if e.type_name == "user"] == [
        "近くの駐車場を探して", "近くのイタリアンを探して", "ありがとう", "近くのイタリアンを探して",
    ]  # fmt: skip


async def test_a_broken_off_turn_leaves_nothing_half(tiny_model: Path, tmp_path: Path) -> None:
    async with engine_on(tiny_model, tmp_path / "c.sqlite") as engine:
        await engine.turn("s", "近くのイタリアンを探して", language="ja")
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(engine.turn("s", "ハング 近くの駐車場を探して", language="ja"), 0.2)
        got = await engine.turn("s", "近くのイタリアンを探して", language="ja")
        assert got.texts == ("ありました。",)
        assert Search.seen[-1].number == 2


async def test_messages_of_one_session_are_worked_on_in_order(tiny_model: Path) -> None:
    async with engine_on(tiny_model) as engine:
        await asyncio.gather(*(engine.turn("s", "近くのイタリアンを探して", language="ja") for _ in range(5)))
        await asyncio.gather(*(engine.turn(f"s{n}", "近くのイタリアンを探して", language="ja") for n in range(3)))
    assert [t.number for t in Search.seen] == [1, 2, 3, 4, 5, 1, 1, 1]


async def test_reset_forgets(tiny_model: Path, tmp_path: Path) -> None:
    async with engine_on(tiny_model, tmp_path / "c.sqlite") as engine:
        await engine.turn("s", "近くのイタリアンを探して", language="ja")
        await engine.reset("s")
        assert await engine.slots("s") == {}
        await engine.turn("s", "近くのイタリアンを探して", language="ja")
        assert Search.seen[-1].number == 1


async def test_rules_decide_the_same_on_the_last_turns(tiny_model: Path) -> None:
    async with engine_on(tiny_model) as engine:
        for n in range(8):
            await engine.turn("s", "ありがとう" if n % 2 else "近くのイタリアンを探して", language="ja")
        tracker = await engine.processor.tracker_store.retrieve("s")
        short = _recent(tracker)
        assert len(short.events) < len(tracker.events) / 1.5
        assert short.current_slot_values() == tracker.current_slot_values()
        stock = super(type(engine.processor), engine.processor)._predict_next_with_tracker
        assert stock(short).probabilities == stock(tracker).probabilities


ANSWERS: list[Any] = [
    {"events": [], "responses": []},
    {"events": [{"event": "slot", "name": "x", "value": 1, "timestamp": None}], "responses": [{"text": "a"}]},
    {},
    {"events": [{"event": "slot", "value": 1}], "responses": []},
    {"events": [{"event": "nothing known"}], "responses": []},
    {"events": {}, "responses": []},
    {"events": [], "responses": ["text"]},
    {"events": [{"name": "x"}]},
    {"events": [{"event": "slot", "name": "x", "value": None, "timestamp": "now"}], "responses": []},
    {"events": [{"event": "slot", "name": "x", "value": [], "metadata": {"a": 1}}], "responses": []},
    {"events": [{"event": "slot", "name": "x", "value": [], "metadata": [1]}], "responses": []},
    {"events": [{"event": "slot", "name": 1, "value": []}], "responses": []},
    {"events": [{"event": "followup", "name": "action_listen"}], "responses": []},
    {"events": None, "responses": []},
    [],
    None,
]


@pytest.mark.parametrize("answer", ANSWERS, ids=range(len(ANSWERS)))
def test_the_short_validator_judges_as_rasas_own(answer: Any) -> None:
    def judge(action: RemoteAction) -> bool:
        try:
            return bool(action._validate_action_result(answer))
        except ValidationError:
            return False

    assert judge(LocalAction("a", None)) == judge(RemoteAction("a", None))


async def test_the_straight_runner_gives_what_rasas_own_gives(tiny_model: Path) -> None:
    from rasa.core.channels.channel import UserMessage
    from rasa.core.processor import MessageProcessor

    async with engine_on(tiny_model) as engine:
        processor = engine.processor
        straight = processor.graph_runner
        _, _, dask = MessageProcessor._load_model(tiny_model)
        await engine.turn("s", "近くのイタリアンを探して", language="ja")
        tracker = await processor.tracker_store.retrieve("s")

        def answers(runner: Any) -> tuple[Any, Any]:
            message = UserMessage("ありがとう", None, "s", metadata={"language": "ja"})
            (parsed,) = runner.run(
                inputs={"__message__": [message], "__tracker__": None}, targets=[processor.model_metadata.nlu_target]
            ).values()
            (predicted,) = runner.run(
                inputs={"__tracker__": tracker}, targets=[processor.model_metadata.core_target]
            ).values()
            return parsed[0].as_dict(only_output_properties=True), predicted.probabilities

        assert type(straight) is not type(dask)
        assert answers(straight) == answers(dask)
