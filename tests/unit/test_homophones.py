"""Words of ours where a recognizer wrote others that sound the same."""

from __future__ import annotations

from itertools import islice

import pytest

from agent.homophones import Homophones, HomophonesSoon, training_lines
from agent.settings import PROJECT
from backends.readings import Readings

READINGS = Readings()
LINES = [
    *[("上野駅の近くにある喫茶店に入りたい", True)] * 2,
    *[("泊まれるお寺のお店を探して", True)] * 2,
    *[("駐車料金はいくら", True)] * 2,
    *[("シャッフルにして", True)] * 2,
    ("恵比寿駅まで", True),
    *[("広報を読んだ", False)] * 3,
    *[("会場が止まる", False)] * 3,
]


@pytest.fixture(scope="module")
def homophones() -> Homophones:
    return Homophones(LINES, READINGS)


@pytest.mark.parametrize(
    ("heard", "mended"),
    [
        ("上野駅の近くにあるキッサテンに入りたい", "上野駅の近くにある喫茶店に入りたい"),
        ("中車領金はいくら", "駐車料金はいくら"),
        ("シャフルにして", "シャッフルにして"),
        ("オテラ、止まれる", "お寺、泊まれる"),
        # What the data knows stays, as do marks, numbers and Latin letters between the words.
        ("喫茶店は？ 3つ ABC", "喫茶店は？ 3つ ABC"),
        ("会場が止まる", "会場が止まる"),
        # Said once in the data, or by people who asked nothing: nothing is made into it.
        ("エビスエキまで", "エビスエキまで"),
        ("こうほうを読んだ", "こうほうを読んだ"),
        # Alike is not the same.
        ("キッサテイ", "キッサテイ"),
        ("", ""),
    ],
)
def test_only_the_unknown_and_only_the_same_sound(homophones: Homophones, heard: str, mended: str) -> None:
    assert homophones.mend(heard) == mended


def test_what_the_training_data_says_is_left_alone() -> None:
    lines = list(islice(training_lines(PROJECT / "nlu_data"), 0, None, 7))
    homophones = Homophones(lines, READINGS)
    assert {asks for _, asks in lines} == {True, False}
    changed = [text for text, _ in lines if homophones.mend(text) != text]
    assert changed == []


def test_until_it_is_built_texts_stay_as_they_are(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HomophonesSoon, "_build", lambda self, nlu_data: None)
    assert HomophonesSoon(PROJECT / "nlu_data").mend("キッサテン") == "キッサテン"
