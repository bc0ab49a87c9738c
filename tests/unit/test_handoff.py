"""Who holds the line: taken, given back in one place, the agent mute in between, and nothing lost on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actions.phrases import Phrases
from agent.conversation import Conversation
from agent.dialogue import DialogueReply
from agent.errors import DialogueUnavailable
from agent.events import Acted, Event, EventStream, Handoff, Heard, Notice, OperatorSaid, Pushed, Relayed, Spoke
from agent.handoff import Handoffs
from agent.handoff_state import Waits
from agent.handoff_store import HandoffStore
from agent.line_words import LineWords
from agent.nlu.functions import function_of
from agent.packet import Car, PacketMaker
from agent.record import Records
from agent.safety import Safety
from backends.errors import BackendUnavailable
from backends.model import Language
from backends.packet import CarFacts
from tests.fakes import FakeDialogue, VirtualTime, reply
from tests.fakes_desk import FakeDesk

NLU_DATA = Path(__file__).resolve().parents[2] / "nlu_data"
PHRASES = Phrases.load(NLU_DATA / "responses")
SAFETY = Safety.load(NLU_DATA / "safety")
WORDS = LineWords.load(NLU_DATA / "line")
WANT = {"name": "handoff_request", "arguments": {"topic": "operator", "fields": {}, "left_open": []}, "ok": True}
QUICK = Waits(retry_s=0.01, notice_s=0.03, give_up_s=0.3, still_s=60, deliver_s=0.2)


def asks_for_a_person() -> DialogueReply:
    return reply("番号は0800-300-0365です。", intent="handoff", actions=(WANT,))


class Car1:
    """A conversation, its line, and a desk the test plays."""

    def __init__(self, state: Path | None = None, desk: FakeDesk | None = None, waits: Waits = QUICK) -> None:
        self.desk = desk or FakeDesk()
        self.time = VirtualTime()
        self.stream = EventStream()
        self.events: list[Event] = []
        self.done: list[tuple[str, Mapping[str, Any]]] = []
        self.connected = True
        self.broken = False
        self.dialogue = FakeDialogue({"人と話したい": asks_for_a_person(), "person please": asks_for_a_person()})
        records = Records(lambda text: WORDS.says("correction", text), self.time)
        self.stream.add_sink(records.take)
        self.stream.add_sink(self.events.append)
        car = Car(CarFacts("品川", "V", "M", "hybrid"), None, None)
        self.handoffs = Handoffs(
            self.desk, HandoffStore(state), records, PacketMaker(PHRASES, lambda slots, _: dict(slots.get("report") or {}), lambda: car, self.time),
            WORDS, PHRASES, self.stream, clock=self.time, carry_out=self.carry_out, reachable=lambda: self.connected, waits=waits,
        )  # fmt: skip
        self.talk = Conversation(
            self.dialogue, PHRASES, SAFETY, function_of=function_of, clock=self.time, stream=self.stream, deadline_s=2.0, handoffs=self.handoffs
        )  # fmt: skip

    async def carry_out(self, kind: str, data: Mapping[str, Any], language: Language) -> None:
        if self.broken:
            raise BackendUnavailable("vehicle", "down")
        self.done.append((kind, data))

    @property
    def handoff(self) -> str:
        return next(reversed(self.desk.packets))

    async def say(self, text: str) -> Any:
        return await self.talk.turn("s", text)

    async def request(self) -> str:
        await self.say("人と話したい")
        return self.handoff

    async def active(self, operator: str = "suzuki") -> str:
        handoff = await self.request()
        self.desk.happen(handoff, "state", state="accepted", operator=operator, by=operator)
        await self.until(lambda: self.talk.owner("s") == "operator" and handoff in self.desk.taken)
        return handoff

    def operator_says(self, text: str, n: int = 1) -> None:
        self.desk.happen(
            self.handoff, "message", id=f"m{n}", speaker="operator", author="suzuki", text=text, language="ja"
        )

    async def until(self, true: Callable[[], Any], seconds: float = 3.0) -> None:
        for _ in range(int(seconds / 0.005)):
            if true():
                return
            await asyncio.sleep(0.005)
        raise AssertionError([type(e).__name__ for e in self.events[-5:]])

    def told(self) -> list[str]:
        return [e.state for e in self.events if isinstance(e, Handoff)]

    def owners(self) -> list[str]:
        return [owner for owner, _, _ in self.handoffs.owners("s")]


@pytest.fixture
async def car() -> AsyncIterator[Car1]:
    made = Car1()
    made.handoffs.start()
    yield made
    await made.handoffs.stop()


# ── there and back ──────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_person_is_called_and_the_agent_goes_on_until_one_answers(car: Car1) -> None:
    turn = await car.say("人と話したい")
    assert turn.spoke.text == PHRASES.say("ja", "desk.requested")
    assert "記録" in turn.spoke.text
    assert [(a.name, a.ok) for a in turn.acted] == [("handoff_request", True)]
    assert (await car.say("渋谷の天気")).spoke.text == "(渋谷の天気)"
    await car.until(lambda: len(car.desk.lines) >= 3)
    assert [line.text for _, line in car.desk.lines] == [turn.spoke.text, "渋谷の天気", "(渋谷の天気)"]
    assert [line["text"] for line in car.desk.packets[car.handoff]["transcript"]] == ["人と話したい"]  # type: ignore[union-attr]


async def test_while_a_person_holds_the_line_the_agent_is_mute(car: Car1) -> None:
    await car.active()
    assert [e.text for e in car.events if isinstance(e, Handoff)] == [
        PHRASES.say("ja", "desk.accepted", operator="suzuki")
    ]
    heard = len(car.dialogue.heard)
    turn = await car.say("4人でお願いします")
    assert [type(e) for e in turn.events] == [Heard, Relayed]
    assert turn.events[-1].delivered
    assert turn.spoke.text == ""
    assert len(car.dialogue.heard) == heard
    await car.talk.notice("s", "arrived", "notice.arrived")
    assert not [e for e in car.events if isinstance(e, Notice)]
    car.operator_says("承知しました")
    await car.until(lambda: [e.text for e in car.events if isinstance(e, OperatorSaid)] == ["承知しました"])
    assert car.desk.lines[-1][1].text == "4人でお願いします"


async def test_given_back_with_a_note_the_agent_knows(car: Car1) -> None:
    handoff = await car.active()
    car.desk.happen(handoff, "state", state="returned", by="suzuki", note="19時に予約済み")
    await car.until(lambda: car.talk.owner("s") == "agent")
    assert car.told() == ["accepted", "returned"]
    assert "19時に予約済み" in car.events[-1].text  # type: ignore[union-attr]
    await car.say("何時だっけ")
    desk = car.dialogue.heard[-1][3]["desk"]
    assert (desk["note"], desk["operator"], desk["outcome"], desk["fresh"]) == (
        "19時に予約済み",
        "suzuki",
        "returned",
        True,
    )
    await car.say("それから")
    assert car.dialogue.heard[-1][3]["desk"]["fresh"] is False
    assert car.owners() == ["operator", "agent"]


async def test_nothing_of_the_operators_text_steers_a_terminal(car: Car1) -> None:
    handoff = await car.active("su\x1b]0;zuki")
    car.operator_says("\x1b[2J\u202eはい\u0007\nどうぞ\ud800")
    car.desk.happen(handoff, "push", id="p1", kind="notice", data={"text": "\x1b[31m赤"}, state="sent")
    car.desk.happen(handoff, "state", state="returned", by="x", note="済み\x1b[0m")
    await car.until(lambda: car.talk.owner("s") == "agent")
    texts = "".join(
        str(getattr(e, "text", "")) + str(getattr(e, "note", "")) + str(getattr(e, "operator", "")) for e in car.events
    )
    assert "はい どうぞ" in texts
    assert not any(ord(c) < 32 or c in "\u202e\ud800\x7f" for c in texts)


@pytest.mark.parametrize("outcome", ["declined", "no_answer", "dropped"])
async def test_however_it_ends_it_is_said_and_the_agent_is_back(car: Car1, outcome: str) -> None:
    handoff = await car.request()
    car.desk.happen(handoff, "state", state=outcome, by="desk")
    await car.until(lambda: car.told() == [outcome])
    assert "0800-300-0365" in car.events[-1].text  # type: ignore[union-attr]
    assert (await car.say("渋谷の天気")).spoke.text == "(渋谷の天気)"
    # And it can be asked for again.
    assert await car.request() != handoff


@pytest.mark.parametrize(
    "words",
    [
        "エージェントに戻して",
        "車のエージェントに代わって",
        "オペレーターとの会話を終わります",
        "back to the agent please",
        "hang up",
    ],
)
async def test_the_driver_gets_the_agent_back_at_any_moment(car: Car1, words: str) -> None:
    handoff = await car.active()
    turn = await car.say(words)
    # In the language the handoff was asked for in.
    assert turn.spoke.text == PHRASES.say("ja", "desk.cancelled")
    assert car.talk.owner("s") == "agent"
    await car.until(lambda: car.desk.ends == [(handoff, "cancelled", "driver")])
    assert (await car.say("渋谷の天気")).spoke.text == "(渋谷の天気)"


@pytest.mark.parametrize(
    ("words", "command"),
    [("オペレーターはもういい", "cancel"), ("やっぱりオペレーターはいらない", "cancel"), ("呼び出しをやめて", "cancel"), ("cancel the operator", "cancel"),
     ("never mind the operator", "cancel"), ("もういいや", None), ("エアコンを止めて", None), ("今日はもういい天気だね", None), ("cancel the route", None),
     ("家に帰る道は", None), ("車に戻ってきた", None)],
)  # fmt: skip
async def test_words_about_the_line_while_it_rings(car: Car1, words: str, command: str | None) -> None:
    await car.request()
    if words != "車に戻ってきた":
        assert car.handoffs.command("s", words) == command


async def test_distress_is_answered_first_and_the_operator_hears_of_it(car: Car1) -> None:
    await car.active()
    turn = await car.say("事故った、助けて")
    assert "ヘルプネット" in turn.spoke.text
    assert car.talk.owner("s") == "operator"
    await car.until(lambda: any(line.urgent for _, line in car.desk.lines))


async def test_an_answer_that_comes_after_the_person_is_not_spoken_into_the_talk(car: Car1) -> None:
    handoff = await car.request()
    release = asyncio.Event()

    async def slow() -> DialogueReply:
        await release.wait()
        return reply("遅い答え", actions=({"name": "set_signal", "arguments": {}, "ok": True},))

    car.dialogue.script["遅い"] = slow
    hanging = asyncio.create_task(car.say("遅い"))
    await asyncio.sleep(0.02)
    car.desk.happen(handoff, "state", state="accepted", operator="suzuki")
    await car.until(lambda: car.talk.owner("s") == "operator")
    release.set()
    turn = await hanging
    assert isinstance(turn.events[-1], Relayed)
    assert [e for e in turn.events if isinstance(e, Acted)]
    assert "遅い答え" not in [e.text for e in car.events if isinstance(e, Spoke)]


async def test_with_the_desk_down_the_number_is_said_and_the_desk_does_not_ring_later(car: Car1) -> None:
    car.desk.cut()
    turn = await car.say("人と話したい")
    assert turn.spoke.text == PHRASES.say("ja", "desk.unreachable", phone="0800-300-0365")
    assert [(a.name, a.ok) for a in turn.acted] == [("handoff_request", False)]
    assert not car.handoffs.is_open("s")
    car.desk.down = False
    await car.until(lambda: [e[1:] for e in car.desk.ends] == [("dropped", "no_receipt")])


async def test_a_person_can_be_had_without_the_dialogue_model(car: Car1) -> None:
    car.dialogue.script["オペレーターにつないで"] = DialogueUnavailable("down")
    turn = await car.say("オペレーターにつないで")
    assert turn.spoke.text == PHRASES.say("ja", "desk.requested")
    assert car.handoffs.is_open("s")


async def test_asking_twice_calls_once(car: Car1) -> None:
    handoff = await car.request()
    turn = await car.say("人と話したい")
    assert turn.spoke.text == PHRASES.say("ja", "desk.waiting")
    assert list(car.desk.packets) == [handoff]


async def test_nobody_is_called_who_is_not_wanted(car: Car1) -> None:
    car.dialogue.script["オペレーターはもういい"] = asks_for_a_person()
    turn = await car.say("オペレーターはもういい")
    assert turn.spoke.text == PHRASES.say("ja", "answer.all_right")
    assert turn.acted == ()
    assert car.desk.packets == {}


async def test_no_contract_and_no_network_call_nobody(car: Car1) -> None:
    car.connected = False
    turn = await car.say("人と話したい")
    assert "0800-300-0365" in turn.spoke.text
    assert car.desk.packets == {}


# ── the operator is lost ────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_lost_operator_is_replaced_by_the_next_and_the_agent_works_in_between(car: Car1) -> None:
    handoff = await car.active("suzuki")
    car.desk.happen(handoff, "push", id="p1", kind="notice", data={"text": "x"}, state="sent")
    car.desk.happen(handoff, "operator", operator="suzuki", present=False)
    await car.until(lambda: car.told()[-1] == "operator_lost")
    car.desk.happen(handoff, "state", state="queued", by="desk", reason="operator_gone")
    await car.until(lambda: car.told()[-1] == "queued_again")
    assert car.talk.owner("s") == "agent"
    assert [e.text for e in car.events if isinstance(e, Handoff)][-1] == PHRASES.say("ja", "desk.queued_again")
    assert [e.state for e in car.events if isinstance(e, Pushed)] == ["sent", "lapsed"]
    assert (await car.say("渋谷の天気")).spoke.text == "(渋谷の天気)"
    car.desk.happen(handoff, "state", state="accepted", operator="sato", by="sato")
    await car.until(lambda: car.talk.owner("s") == "operator")
    assert [e.operator for e in car.events if isinstance(e, Handoff)][-1] == "sato"
    turn = await car.say("七時です")
    assert isinstance(turn.events[-1], Relayed)
    assert car.owners() == ["operator", "agent", "operator"]
    car.desk.happen(handoff, "state", state="returned", by="sato", note="")
    await car.until(lambda: car.talk.owner("s") == "agent")
    assert car.owners() == ["operator", "agent", "operator", "agent"]


async def test_with_no_operator_left_it_is_said_and_the_line_is_the_agents(car: Car1) -> None:
    handoff = await car.active()
    car.desk.happen(handoff, "state", state="queued", by="desk", reason="operator_gone")
    car.desk.happen(handoff, "state", state="dropped", by="desk", reason="operator_gone")
    await car.until(lambda: not car.handoffs.is_open("s"))
    assert car.events[-1].text == PHRASES.say("ja", "desk.dropped_nobody", phone="0800-300-0365")  # type: ignore[union-attr]
    assert car.owners() == ["operator", "agent"]


async def test_while_another_is_called_the_driver_may_give_it_up(car: Car1) -> None:
    handoff = await car.active()
    car.desk.happen(handoff, "state", state="queued", by="desk", reason="operator_gone")
    await car.until(lambda: car.talk.owner("s") == "agent")
    await car.say("オペレーターはもういい")
    assert not car.handoffs.is_open("s")
    await car.until(lambda: (handoff, "cancelled", "driver") in car.desk.ends)


@pytest.mark.parametrize("when", ["waiting", "taken again"])
async def test_the_power_goes_while_another_is_called(tmp_path: Path, when: str) -> None:
    desk, file = FakeDesk(), tmp_path / "handoffs.sqlite"
    first = Car1(file, desk)
    first.handoffs.start()
    handoff = await first.active("suzuki")
    desk.happen(handoff, "state", state="queued", by="desk", reason="operator_gone")
    await first.until(lambda: first.talk.owner("s") == "agent")
    if when == "taken again":
        desk.happen(handoff, "state", state="accepted", operator="sato", by="sato")
        await first.until(lambda: first.talk.owner("s") == "operator")
    kill(first)
    second = Car1(file, desk)
    second.handoffs.start()
    if when == "waiting":
        await asyncio.sleep(0.05)
        assert second.talk.owner("s") == "agent"
        assert "queued_again" not in second.told()
        desk.happen(handoff, "state", state="accepted", operator="sato", by="sato")
    await second.until(lambda: second.talk.owner("s") == "operator")
    assert second.owners() == ["operator", "agent", "operator"]
    await second.handoffs.stop()


# ── what is sent to the car ─────────────────────────────────────────────────────────────────────────────────────────

PLACE = {"name": "すし処", "latitude": 35.66, "longitude": 139.7}


@pytest.mark.parametrize(
    ("words", "state", "done"), [("はい", "accepted", 1), ("お願いします", "accepted", 1), ("いいえ", "refused", 0)]
)
async def test_a_destination_is_taken_or_left_by_word(car: Car1, words: str, state: str, done: int) -> None:
    handoff = await car.active()
    car.desk.happen(handoff, "push", id="p1", kind="destination", data=PLACE, state="sent")
    await car.until(lambda: any(isinstance(e, Pushed) for e in car.events))
    assert "すし処" in car.events[-1].text  # type: ignore[union-attr]
    turn = await car.say(words)
    assert isinstance(turn.events[-1], Relayed)
    assert len(car.done) == done
    await car.until(lambda: car.desk.answers == [("p1", state, "")])
    car.desk.happen(handoff, "state", state="returned", by="suzuki", note="")
    await car.until(lambda: car.talk.owner("s") == "agent")
    await car.say("そこの駐車場は")
    focus = (car.dialogue.heard[-1][3].get("desk") or {}).get("focus")
    assert (focus or {}).get("name") == ("すし処" if done else None)


NEWS = {"title": "東名 海老名JCTで事故", "summary": "上り線が通行止めです。迂回は保土ヶ谷から。", "source": "道路情報"}
WEATHER = {"place": "箱根", "sky": "rain", "day": "2026-05-12", "high_c": 18, "low_c": -1, "chance": 70}


@pytest.mark.parametrize(
    ("kind", "data", "asked", "said"),
    [
        ("news", NEWS, "「東名 海老名JCTで事故」が届きました", "東名 海老名JCTで事故。上り線が通行止めです。道路情報の記事でした。"),
        ("weather", WEATHER, "箱根の天気が届きました", "明日の箱根は雨、最高18度、最低マイナス1度、降水確率70％です。"),
        ("weather", {"place": "箱根", "sky": "clear"}, "箱根の天気が届きました", "いまの箱根は晴れです。"),
        ("news", {"title": "速報！"}, "「速報！」", "速報！"),
    ],
)  # fmt: skip
async def test_a_card_is_taken_by_word_then_said_and_shown(
    car: Car1, kind: str, data: dict[str, Any], asked: str, said: str
) -> None:
    handoff = await car.active()
    car.desk.happen(handoff, "push", id="p1", kind=kind, data=data, state="sent")
    await car.until(lambda: any(isinstance(e, Pushed) for e in car.events))
    (sent,) = [e for e in car.events if isinstance(e, Pushed)]
    assert asked in sent.text
    assert sent.card is None
    await car.say("はい")
    await car.until(lambda: car.desk.answers == [("p1", "accepted", "")])
    taken = [e for e in car.events if isinstance(e, Pushed)][-1]
    assert taken.text == said
    assert taken.card is not None
    assert {k: v for k, v in taken.card.items() if k in ("type", "title", "place", "sky", "high_c")} == {
        "type": kind, **{k: data.get(k) for k in (("title",) if kind == "news" else ("place", "sky", "high_c"))}
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["news", "weather"])
async def test_a_card_is_refused_by_touch(car: Car1, kind: str) -> None:
    handoff = await car.active()
    data = NEWS if kind == "news" else WEATHER
    car.desk.happen(handoff, "push", id="p1", kind=kind, data=data, state="sent")
    await car.until(lambda: any(isinstance(e, Pushed) for e in car.events))
    await car.handoffs.answer_push("s", False, "p1")
    await car.until(lambda: car.desk.answers == [("p1", "refused", "")])
    assert [e.card for e in car.events if isinstance(e, Pushed)] == [None, None]


@pytest.mark.parametrize(
    ("kind", "data"), [("hologram", {}), ("weather", {"place": "x", "sky": "green"}), ("news", {}), ("destination", {})]
)
async def test_what_the_car_does_not_know_fails_at_once_and_the_talk_goes_on(
    car: Car1, kind: str, data: dict[str, Any]
) -> None:
    handoff = await car.active()
    car.desk.happen(handoff, "push", id="p1", kind=kind, data=data, state="sent")
    await car.until(lambda: car.desk.answers == [("p1", "failed", "unknown")])
    assert car.told() == ["accepted"]
    assert isinstance((await car.say("はい")).events[-1], Relayed)


@pytest.mark.parametrize(
    ("text", "first"),
    [("One. Two.", "One."), ("3.5 km of jam", "3.5 km of jam"), ("一つ目。二つ目。", "一つ目。"), ("", ""), ("あ" * 300, "あ" * 119 + "…")],
)  # fmt: skip
def test_the_first_sentence_is_what_is_spoken(text: str, first: str) -> None:
    from agent.push_words import _first_sentence

    assert _first_sentence(text) == first


async def test_by_touch_as_well_once_and_the_right_one(car: Car1) -> None:
    handoff = await car.active()
    car.desk.happen(handoff, "push", id="p1", kind="notice", data={"text": "通行止め"}, state="sent")
    await car.until(lambda: any(isinstance(e, Pushed) for e in car.events))
    await car.handoffs.answer_push("s", True, "another")
    assert car.done == []
    await asyncio.gather(*(car.handoffs.answer_push("s", True, "p1") for _ in range(3)))
    assert len(car.done) == 1


async def test_what_cannot_be_set_is_told_to_both(car: Car1) -> None:
    car.broken = True
    handoff = await car.active()
    car.desk.happen(handoff, "push", id="p1", kind="destination", data=PLACE, state="sent")
    await car.until(lambda: any(isinstance(e, Pushed) for e in car.events))
    await car.say("はい")
    await car.until(lambda: car.desk.answers == [("p1", "failed", "unavailable")])
    assert [e.state for e in car.events if isinstance(e, Pushed)] == ["sent", "failed"]


# ── lost and found ──────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_lost_desk_is_told_and_what_was_said_arrives_when_it_is_back(car: Car1) -> None:
    handoff = await car.active()
    car.desk.cut()
    turn = await car.say("もしもし")
    assert turn.events[-1].delivered is False
    await car.until(lambda: "line_lost" in car.told())
    assert car.talk.owner("s") == "operator"
    car.desk.down = False
    car.desk.happen(handoff, "message", id="m9", speaker="operator", author="suzuki", text="聞こえます", language="ja")
    await car.until(lambda: "line_back" in car.told() and [e for e in car.events if isinstance(e, OperatorSaid)])
    await car.until(lambda: car.desk.lines and car.desk.lines[-1][1].text == "もしもし")


async def test_events_that_come_again_are_told_once(car: Car1) -> None:
    car.desk.repeats = True
    await car.active()
    car.operator_says("一度だけ")
    await car.until(lambda: [e for e in car.events if isinstance(e, OperatorSaid)])
    car.desk.cut()
    await car.until(lambda: "line_lost" in car.told())
    car.desk.down = False
    car.operator_says("その次", 2)
    await car.until(lambda: "その次" in [e.text for e in car.events if isinstance(e, OperatorSaid)])
    assert [e.text for e in car.events if isinstance(e, OperatorSaid)] == ["一度だけ", "その次"]
    assert car.told().count("accepted") == 1


async def test_a_desk_lost_for_good_gives_the_line_back(car: Car1) -> None:
    handoff = await car.active()
    car.desk.cut()
    await car.until(lambda: car.talk.owner("s") == "agent")
    assert car.told() == ["accepted", "line_lost", "dropped"]
    assert (await car.say("渋谷の天気")).spoke.text == "(渋谷の天気)"
    car.desk.down = False
    await car.until(lambda: (handoff, "dropped", "connection") in car.desk.ends)


async def test_the_cars_own_network_gone_and_back(car: Car1) -> None:
    handoff = await car.active()
    car.connected = False
    car.desk.happen(handoff, "hold", on=True)
    await car.until(lambda: "line_lost" in car.told())
    await car.say("聞こえますか")
    car.connected = True
    await car.until(lambda: car.told()[-2:] == ["line_back", "hold"])
    await car.until(lambda: car.desk.lines[-1][1].text == "聞こえますか")


@pytest.mark.parametrize("state", ["requested", "queued", "accepted", "active", "returned"])
async def test_the_power_goes_at_every_state_and_nothing_is_lost(tmp_path: Path, state: str) -> None:
    """Nothing of the first car is ended in order: its tasks are cut off, its file stays as it is."""
    desk, file = FakeDesk(), tmp_path / "handoffs.sqlite"
    first = Car1(file, desk)
    first.handoffs.start()
    if state == "requested":
        desk_submit, hang = desk.submit, asyncio.Event()

        async def never(packet: Mapping[str, object]) -> Any:
            await hang.wait()

        desk.submit = never  # type: ignore[method-assign]
        asking = asyncio.create_task(first.say("人と話したい"))
        await first.until(lambda: first.handoffs.is_open("s"))
        desk.submit = desk_submit  # type: ignore[method-assign]
        kill(first)
        asking.cancel()
    elif state == "queued":
        await first.request()
        kill(first)
    elif state == "accepted":
        handoff = await first.request()
        # The desk has accepted; the car learns of it only after its restart.
        first.connected = False
        desk.happen(handoff, "state", state="accepted", operator="suzuki")
        await asyncio.sleep(0.02)
        kill(first)
    else:
        await first.active()
        first.operator_says("一言目")
        await first.until(lambda: [e for e in first.events if isinstance(e, OperatorSaid)])
        kill(first)
        if state == "returned":
            desk.happen(first.handoff, "state", state="returned", by="suzuki", note="済み")
    second = Car1(file, desk)
    second.handoffs.start()
    if state in ("requested", "queued"):
        await second.until(lambda: bool(desk.packets))
        desk.happen(second.handoff, "state", state="accepted", operator="suzuki")
    if state != "returned":
        await second.until(lambda: second.talk.owner("s") == "operator" and second.handoff in desk.taken)
        second.operator_says("二言目", 2)
        await second.until(lambda: "二言目" in [e.text for e in second.events if isinstance(e, OperatorSaid)])
        # Not said a second time, but shown to a page that comes back.
        assert "一言目" not in [e.text for e in second.events if isinstance(e, OperatorSaid)]
        shown = [e.text for e in second.handoffs.shown("s") if isinstance(e, OperatorSaid)]
        assert shown == (["一言目", "二言目"] if state == "active" else ["二言目"])
        assert second.owners() == ["operator"]
        desk.happen(second.handoff, "state", state="returned", by="suzuki", note="済み")
    await second.until(lambda: second.talk.owner("s") == "agent" and not second.handoffs.is_open("s"))
    assert second.owners() == ["operator", "agent"]
    assert second.handoffs.known("s")["note"] == "済み"  # type: ignore[index]
    await second.handoffs.stop()


def kill(car: Car1) -> None:
    """As `kill -9`: tasks gone at once, no goodbye, nothing written any more."""
    for open_ in car.handoffs._open.values():
        for task in (open_.listening, open_.ringing):
            if task is not None:
                task.cancel()
    assert car.handoffs._sender is not None
    car.handoffs._sender.cancel()
    car.handoffs._store.close()


# ── every interleaving ──────────────────────────────────────────────────────────────────────────────────────────────

MOVES = (
    "say", "say_slow", "finish_slow", "person", "distress", "back", "accept", "active", "message", "returned", "declined", "dropped", "no_answer", "push",
    "yes", "no", "cut", "up", "notice", "settle", "touch_back", "operator_gone",
)  # fmt: skip


BEGINNINGS = (
    (),
    ("person", "settle"),
    ("person", "settle", "accept", "settle"),
    ("say_slow", "person", "settle", "accept"),
    ("person", "settle", "accept", "settle", "operator_gone", "settle"),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(BEGINNINGS), st.lists(st.sampled_from(MOVES), min_size=4, max_size=25))
def test_exactly_one_owner_and_a_mute_agent_whatever_comes_in_between(
    begins: tuple[str, ...], moves: list[str]
) -> None:
    asyncio.run(play([*begins, *moves]))


async def play(moves: list[str]) -> None:
    car = Car1(waits=Waits(retry_s=0.001, notice_s=0.0, give_up_s=5, still_s=60, deliver_s=0.002))
    car.handoffs.start()
    recorded: list[tuple[str, Event]] = []
    car.stream.add_sink(lambda event: recorded.append((car.talk.owner("s"), event)))
    release = asyncio.Event()

    async def slow() -> DialogueReply:
        await release.wait()
        return reply("遅い答え")

    car.dialogue.script["遅い"] = slow
    turns: list[asyncio.Task[Any]] = []
    says = {
        "say": "渋谷の天気",
        "say_slow": "遅い",
        "person": "人と話したい",
        "distress": "事故った、助けて",
        "back": "エージェントに戻して",
        "yes": "はい",
        "no": "いいえ",
    }
    for n, move in enumerate(moves):
        handoff = car.handoff if car.desk.packets else None
        if move in says:
            turns.append(asyncio.create_task(car.say(says[move])))
        elif move == "finish_slow":
            release.set()
        elif move == "notice":
            await car.talk.notice("s", "arrived", "notice.arrived")
        elif move == "cut":
            car.desk.cut()
        elif move == "up":
            car.desk.down = False
        elif move == "touch_back":
            car.handoffs.cancel("s")
        elif move == "settle":
            await asyncio.sleep(0.004)
        elif handoff is not None:
            if move == "message":
                car.desk.happen(handoff, "message", id=f"m{n}", speaker="operator", text="はい、どうぞ", language="ja")
            elif move == "push":
                car.desk.happen(handoff, "push", id=f"p{n}", kind="notice", data={"text": "x"}, state="sent")
            elif move == "operator_gone":
                car.desk.happen(handoff, "state", state="queued", by="desk", reason="operator_gone")
            elif move == "accept":
                car.desk.happen(handoff, "state", state="accepted", operator="suzuki")
            else:
                car.desk.happen(handoff, "state", state=move, by="desk")
        await asyncio.sleep(0)
    release.set()
    car.desk.down = False
    results = await asyncio.gather(*turns)
    await asyncio.sleep(0.01)
    history = [owner for owner, _, _ in car.handoffs.owners("s")]
    # One owner at a time: the line only ever changes hands, agent → operator → agent …
    assert history == ["operator" if n % 2 == 0 else "agent" for n in range(len(history))]
    assert car.talk.owner("s") == (history[-1] if history else "agent")
    for owner, event in recorded:
        if isinstance(event, (Spoke, Notice)) and event.text:
            safety = isinstance(event, Spoke) and "ヘルプネット" in event.text
            assert owner == "agent" or safety, event
        if isinstance(event, OperatorSaid):
            assert owner == "operator", event
    # Every turn came to its end, and nobody was left without a word or a relayed one.
    for result in results:
        assert isinstance(result.events[-1], (Spoke, Relayed))
        assert isinstance(result.events[-1], Relayed) or result.spoke.text
    # Every handoff that ended was said to have ended, once.
    ended = [
        e.id
        for e in car.events
        if isinstance(e, Handoff) and e.state in ("returned", "declined", "no_answer", "dropped", "cancelled")
    ]
    assert len(ended) == len(set(ended))
    await car.handoffs.stop()


# ── words ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("language", ["ja", "en"])
def test_both_languages_know_the_same_sentences_with_the_same_values(language: Language) -> None:
    import re

    def values(lang: Language, key: str) -> set[str]:
        return {v for variant in PHRASES.variants(lang, key) for v in re.findall(r"\{(\w+)\}", variant)}

    keys = {k for k in PHRASES.ids(language) if k.startswith("desk.")}
    assert keys == {k for k in PHRASES.ids("ja") if k.startswith("desk.")}
    for key in keys:
        assert values("ja", key) == values("en", key), key


@pytest.mark.parametrize("language", ["ja", "en"])
def test_what_is_said_on_the_road_is_short(language: Language) -> None:
    import re

    for key in PHRASES.ids(language):
        if key.startswith("desk.") and not re.match(
            r"desk\.(item|asked|rejected|reason|field|condition|value|unit)", key
        ):
            longest = max(len(re.sub(r"\{\w+\}", "", v)) for v in PHRASES.variants(language, key))
            assert longest <= (90 if language == "ja" else 160), key
