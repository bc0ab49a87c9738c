"""Goals that were misheard are put right, asked about, or left alone."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from actions.hearing import Goal, goal_of, meant, mended
from actions.skill import Entity, Turn
from backends.model import Locality, Place, PlaceHit, Position
from backends.readings import Readings
from backends.sounds import SoundIndex, likeness, nearness, phonemes
from tests.fakes_world import FewLocalities, ParkedCar

TOKYO = Position(35.68, 139.76)
STATIONS = tuple(
    Locality(f"{name}駅", "station", kana, Position(35.6 + i / 50, 139.7), prefecture="東京都", city="東京")
    for i, (name, kana) in enumerate(
        [
            ("日の出", "ヒノデ"),
            ("有明", "アリアケ"),
            ("有明テニスの森", "アリアケテニスノモリ"),
            ("恵比寿", "エビス"),
            ("西巣鴨", "ニシスガモ"),
            ("北巣鴨", "キタスガモ"),
        ]
    )
)
CITY = Locality("札幌市", "city", "サッポロ", Position(43.06, 141.35), prefecture="北海道")
TWINS = tuple(
    Locality("赤坂駅", "station", "アカサカ", Position(35.67 + d, 139.73), city=c)
    for d, c in ((0.0, "東京"), (0.3, "埼玉"))
)
GARDEN = Place("lm-1", "小石川植物園", Position(35.72, 139.745), "sight", name_kana="コイシカワショクブツエン")


READINGS = Readings()


class SoundingLocalities(FewLocalities):
    """Gazetteer: a few names, found by the real measure of how alike they sound."""

    def alike(self, name: str, *, near: Position | None = None, kinds: Any = None, limit: int = 5) -> Any:
        said = [phonemes(kana) for kana in READINGS.spoken(name)]
        found = []
        for row in self.rows:
            like = max(likeness(s, phonemes(k)) for s in said for k in (row.reading, row.reading + "エキ"))
            found.append((row, like, like - nearness(near.distance_to(row.position) if near else None)))
        return tuple(sorted(found, key=lambda f: -f[2])[:limit])


class OneGarden:
    """Places: one, found by the real measure."""

    async def find(self, name: str, *, near: Position | None = None, limit: int = 5) -> tuple[PlaceHit, ...]:
        index = SoundIndex.build([(0, phonemes(GARDEN.name_kana or ""))])
        if name == GARDEN.name:
            return (PlaceHit(GARDEN, 4_000.0, "exact"),)
        found = index.alike([phonemes(kana) for kana in READINGS.spoken(name)])
        return tuple(PlaceHit(GARDEN, 4_000.0, "fuzzy", a.likeness * 0.9) for a in found)


@pytest.fixture
def world() -> Any:
    return SimpleNamespace(
        places=OneGarden(), gazetteer=SoundingLocalities((*STATIONS, CITY, *TWINS)), vehicle=ParkedCar(TOKYO)
    )


def a_turn(text: str, *entities: tuple[str, str], language: Any = "ja", **slots: Any) -> Turn:
    made = tuple(Entity(t, v, text=v if v in text else "") for t, v in entities)
    return Turn(text, "navigate_to", 1.0, made, language, "owner", slots, 1, {})


@pytest.mark.parametrize(
    ("text", "language", "goal"),
    [
        ("日の定期までお願い。", "ja", Goal("日の定期", False)),
        ("えーと、はいじまえきまてお願い", "ja", Goal("はいじまえき", False)),
        ("北越しが焼きを目的地にして", "ja", Goal("北越しが焼き", False)),
        ("岡田美術館の目的地にして", "ja", Goal("岡田美術館", False)),
        ("大森町駅案内して", "ja", Goal("大森町駅", False)),
        ("サガミを使え木に生きたい", "ja", Goal("サガミを使え木", False)),
        ("うち際 駅の近くで中車場を探して", "ja", Goal("うち際駅", True)),
        ("take me to Shimoyama Gachis Station.", "en", Goal("Shimoyama Gachis Station", False)),
        ("find parking near Kishibagen station", "en", Goal("Kishibagen station", True)),
        ("エアコンをつけて", "ja", None),
        ("具体的にいくらくらいかかるかわかりますか", "ja", None),
        ("札幌に行くのですが、そのあたりで泊まれるところを探しています", "ja", None),
        ("what is nearby", "en", None),
        ("theaters near me", "en", None),
    ],
)
def test_where_the_goal_stands(text: str, language: Any, goal: Goal | None) -> None:
    assert goal_of(text, language) == goal


@pytest.mark.parametrize(
    ("turn", "name"),
    [
        (a_turn("日の定期までお願い"), "日の出駅"),
        (a_turn("ありあけてに数の盛り焼きを目的地にして", ("station", "有明駅"), ("where", "destination")), "有明テニスの森駅"),
        (a_turn("エビスやきまでお願い", ("station", "エビスやき")), "恵比寿駅"),
        (a_turn("小石川食物園へ案内して", ("genre", "restaurant")), "小石川植物園"),
    ],
)  # fmt: skip
async def test_a_misheard_goal_is_taken_for_what_it_sounds_like(world: Any, turn: Turn, name: str) -> None:
    result = await mended(world, turn)
    assert not result.rivals
    named = [e for e in result.turn.entities if e.type in ("station", "place_name")]
    assert [e.value for e in named] == [name]


async def test_a_name_alone_is_a_goal_only_after_the_question_for_one(world: Any) -> None:
    alone = a_turn("日の定期")
    assert (await mended(world, alone)).turn is alone
    asked = await mended(world, replace(alone, slots={"context": "asks_place"}))
    assert asked.turn.first("station") == "日の出駅"


async def test_what_is_near_keeps_its_role(world: Any) -> None:
    result = await mended(world, a_turn("日の定期の近くで駐車場を探して", ("kind", "parking")))
    assert result.turn.first("station", role="near") == "日の出駅"
    assert result.turn.first("kind") == "parking"


async def test_two_that_sound_as_likely_are_asked_about(world: Any) -> None:
    result = await mended(world, a_turn("イスガモエキまでお願い"))
    assert {m.name for m in result.rivals} == {"西巣鴨駅", "北巣鴨駅"}


@pytest.mark.parametrize(
    "turn",
    [
        a_turn("恵比寿駅までお願い", ("station", "恵比寿駅")),
        a_turn("札幌に旅行に行きたい", ("city", "札幌")),
        a_turn("温泉に行きたい", ("genre", "onsen")),
        a_turn("ラーメンまでお願い", ("genre", "ramen")),
        a_turn("ご予約までお願い"),
        a_turn("寒い"),
        a_turn("二番目までお願い", ("ordinal", "2")),
        a_turn("小石川植物園に行きたい", ("place_name", "小石川植物園")),
    ],
)
async def test_what_was_understood_or_is_no_place_stays(world: Any, turn: Turn) -> None:
    result = await mended(world, turn)
    assert result.turn is turn
    assert not result.rivals


async def test_of_two_stations_of_one_name_the_nearer_comes_first(world: Any) -> None:
    found = await meant(world, a_turn("赤坂駅までお願い", ("station", "赤坂駅")), TOKYO)
    assert [m.locality.city for m in found[:2] if m.locality] == ["東京", "埼玉"]
