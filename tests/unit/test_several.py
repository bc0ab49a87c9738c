"""Several requests in one sentence: where it is cut, what stays one, what is taken back, and the one answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from agent.dialogue import DialogueReply, Understanding
from agent.errors import DialogueUnavailable
from agent.nlu.functions import function_of
from agent.several import Request, SeveralRequests, pieces, requests_of, together
from backends.model import Language

SURE = 0.95


class Understood:
    """A dialogue model that knows what each piece means, and remembers what it was asked."""

    def __init__(
        self, meanings: Mapping[str, tuple[str, list[str]]], replies: Mapping[str, DialogueReply] | None = None
    ) -> None:
        self.meanings, self.replies = meanings, replies or {}
        self.turns: list[tuple[str, Mapping[str, Any]]] = []

    async def parse(self, text: str, *, language: Language, metadata: Mapping[str, Any] | None = None) -> Understanding:
        intent, entities = self.meanings.get(text, ("search_place", ["genre"]))
        return Understanding(intent, SURE, tuple({"entity": e, "value": "x", "start": 0, "end": 1} for e in entities))

    async def turn(
        self, session: str, text: str, *, language: Language, metadata: Mapping[str, Any] | None = None
    ) -> DialogueReply:
        self.turns.append((text, metadata or {}))
        answer = self.replies.get(text)
        if answer is None:
            raise DialogueUnavailable("gone")
        return answer

    async def slots(self, session: str) -> Mapping[str, Any]:
        return {}

    async def reset(self, session: str) -> None: ...

    async def forget(self, driver: str) -> None: ...

    async def close(self) -> None: ...


def answered(text: str, context: str = "done", pending: Any = None) -> DialogueReply:
    slots = {"pending": pending} if pending else {}
    payload = {
        "context": context,
        "actions": [{"name": text, "arguments": {}, "ok": True}],
        "cards": [],
        "quick_replies": [],
    }
    return DialogueReply((text,), payload, Understanding("climate", SURE, ()), slots)


AC, FIND = "エアコンを22度にして", "渋谷でイタリアンを探して"
MEANINGS = {
    AC: ("climate", ["degrees"]),
    FIND: ("search_place", ["genre", "area"]),
    "駐車場があるところがいい": ("narrow", ["parking"]),
}


@pytest.mark.parametrize(
    ("text", "language", "cut"),
    [
        (f"{FIND}、あと{AC}", "ja", [FIND, AC]),
        ("turn it up and find me some petrol", "en", ["turn it up", "find me some petrol"]),
        ("寒いから暖房つけて", "ja", ["寒いから暖房つけて"]),
        ("find a cafe", "en", ["find a cafe"]),
        ("set it to 25, no wait, never mind", "en", ["set it to 25", "no wait, never mind"]),
    ],
)
def test_where_it_may_be_cut(text: str, language: Language, cut: list[str]) -> None:
    assert [text[s:e].strip(" 、,") for s, e in pieces(text, language)] == cut


async def test_two_requests_are_told_apart() -> None:
    found = await requests_of(Understood(MEANINGS), function_of, f"{FIND}、あと{AC}", "ja")
    assert [(r.text, r.start, r.understanding.intent) for r in found] == [
        (FIND, 0, "search_place"),
        (AC, 15, "climate"),
    ]


@pytest.mark.parametrize(
    "text", [f"{FIND}、あと駐車場があるところがいい", f"{AC}、あと{AC}", f"{FIND}、イタリアンじゃなくて和食で"]
)
async def test_what_only_goes_on_is_one_request(text: str) -> None:
    assert await requests_of(Understood(MEANINGS), function_of, text, "ja") == []


async def test_both_are_done_and_said_with_the_question_last() -> None:
    model = Understood(
        MEANINGS,
        {
            FIND: answered("どちらにしますか。", "offers_list", {"kind": "list"}),
            AC: answered("22度にしました。", "offers_list"),
        },
    )
    reply = await SeveralRequests(model, function_of, _say).turn("s", f"{FIND}、あと{AC}", language="ja")
    assert reply.texts == ("22度にしました。", "どちらにしますか。")
    assert [a["name"] for a in reply.payload["actions"]] == ["どちらにしますか。", "22度にしました。"]
    assert reply.payload["context"] == "offers_list"
    assert len(reply.others) == 1
    held = model.turns[1][1]["held"]
    assert held == {"pending": {"kind": "list"}, "context": "offers_list", "said": "どちらにしますか。"}


async def test_one_taken_back_is_not_done() -> None:
    model = Understood(MEANINGS, {FIND: answered("どちらにしますか。", "offers_list")})
    await SeveralRequests(model, function_of, _say).turn(
        "s", f"{FIND}、あと{AC}、あ、エアコンはやっぱりいいや", language="ja"
    )
    assert [text for text, _ in model.turns] == [FIND]


async def test_all_taken_back_is_a_cancellation() -> None:
    model = Understood(MEANINGS, {"やっぱりいい": answered("わかりました。")})
    await SeveralRequests(model, function_of, _say).turn("s", f"{AC}、やっぱりいい", language="ja")
    assert [text for text, _ in model.turns] == ["やっぱりいい"]


async def test_a_second_that_fails_leaves_the_first_said() -> None:
    model = Understood(MEANINGS, {FIND: answered("見つかりました。")})
    reply = await SeveralRequests(model, function_of, _say).turn("s", f"{FIND}、あと{AC}", language="ja")
    assert reply.texts == ("見つかりました。", "conversation.second_failed")


def test_a_question_of_the_second_is_the_one_left_open() -> None:
    second = answered("どちらへ？", "asks_place")
    reply = together(answered("22度にしました。"), second, Request("x", 3, second.understanding))
    assert (reply.texts, reply.payload["context"]) == (("22度にしました。", "どちらへ？"), "asks_place")


def _say(language: Language, key: str, /) -> str:
    return key
