"""Which of the places read out a message points at."""

from __future__ import annotations

import pytest

from actions.pointing import point
from actions.skill import Entity
from backends.model import Language, Parking, Place, PlaceHit, Position

HERE = Position(35.65, 139.7)


def hit(
    name: str, english: str, distance: float, rating: float, price: str, parking: str | None, address: str
) -> PlaceHit:
    return PlaceHit(
        Place(
            name, name, HERE, "restaurant", ("italian",), name_en=english, city="渋谷区", address=address, rating=rating,
            price=price,  # type: ignore[arg-type]
            parking=Parking(parking) if parking else None,  # type: ignore[arg-type]
            has_parking=parking is not None,
        ),
        distance,
    )  # fmt: skip


HITS = (
    hit("オステリア 杉の子", "Osteria Suginoko", 400, 3.6, "low", None, "東京都渋谷区恵比寿1"),
    hit("ピッツェリア ルナ", "Pizzeria Luna", 900, 4.4, "middle", "paid", "東京都渋谷区代官山2"),
    hit("トラットリア 四ツ葉", "Trattoria Yotsuba", 2100, 3.9, "high", "free", "東京都渋谷区広尾3"),
)


@pytest.mark.parametrize(
    ("text", "language", "index"),
    [
        ("二番目で", "ja", 1),
        ("二番目じゃなくて最後の", "ja", 2),
        ("一番目でも三番目でもないやつ", "ja", 1),
        ("ルナってとこ", "ja", 1),
        ("四葉にしよう", "ja", 2),
        ("400メートルのとこ", "ja", 0),
        ("いちばん評価がいいの", "ja", 1),
        ("無料で停められるほう", "ja", 2),
        ("駐車場がないって言ってたほう", "ja", 0),
        ("高いほう", "ja", 2),
        ("suginoko please", "en", 0),
        ("the pizza place", "en", 1),
        ("not luna, the nearer of the others", "en", 0),
        ("neither the first nor the second, the other one", "en", 2),
        ("the one rated four point four", "en", 1),
        ("the most expensive one", "en", 2),
    ],
)
def test_one_is_meant(text: str, language: Language, index: int) -> None:
    found = point(text, language, HITS)
    assert found is not None
    assert found.index == index


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("どれも高そうだね、他には", "ja"),
        ("うーん", "ja"),
        ("グラシアにして", "ja"),
        ("which street is that", "en"),
        ("not the first one", "en"),
    ],
)
def test_nothing_certain_is_meant(text: str, language: Language) -> None:
    found = point(text, language, HITS)
    assert found is None or not found.plain


def test_a_wish_is_no_choice_without_words_that_take_one() -> None:
    wish = point("安いところがいい", "ja", HITS)
    assert wish is None or not wish.taken
    choice = point("安いほうで", "ja", HITS)
    assert choice is not None
    assert choice.taken


def test_a_part_of_town_is_found_in_the_address() -> None:
    found = point("広尾のほうで", "ja", HITS, [Entity("area", "広尾", text="広尾")])
    assert found is not None
    assert found.index == 2


def test_one_place_is_no_list() -> None:
    assert point("一番目", "ja", HITS[:1]) is None
