"""Names meet by their sound."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.readings import Readings
from backends.sounds import STATION, SoundIndex, coarse, english_sounds, likeness, nearness, phonemes, sounds_of

NAMES = (
    "ヒノデエキ",
    "ヒロオエキ",
    "ハイジマエキ",
    "テンノウダイエキ",
    "エビスエキ",
    "エビナエキ",
    "サイタマシントシンエキ",
    "ナゴヤジョウ",
)
KANA = st.text(
    "アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワンガギグジズダバパーッャュョ",
    min_size=1,
    max_size=20,
)

_READINGS = Readings()


@pytest.fixture(scope="module")
def index() -> SoundIndex:
    return SoundIndex.build((i, sound) for i, name in enumerate(NAMES) for sound in sounds_of("", name, None))


@pytest.mark.parametrize(
    ("kana", "sound"),
    [
        ("シンジュクエキ", "SiNJukueki"), ("トウキョウ", "tokjo"), ("トーキョー", "tokjo"), ("ロッポンギ", "ropoNgi"), ("チバ", "Ciba"),
        ("ヴィーナスフォート", "binasufoto"), ("2コタマ", "nikotama"), ("・", ""),
    ],
)  # fmt: skip
def test_kana_as_phonemes(kana: str, sound: str) -> None:
    assert phonemes(kana) == sound


@pytest.mark.parametrize(
    ("heard", "name"),
    [
        ("ヒノテイキ", "ヒノデエキ"), ("テンノウダイヤキ", "テンノウダイエキ"), ("デンノウダイヤキ", "テンノウダイエキ"), ("エビスヤキ", "エビスエキ"), ("エビナ", "エビナエキ"),
        ("サイタマシントシーネキ", "サイタマシントシンエキ"), ("ナコヤショウ", "ナゴヤジョウ"),
    ],
)  # fmt: skip
def test_what_recognizers_make_of_a_name_leads_back_to_it(index: SoundIndex, heard: str, name: str) -> None:
    found = index.alike([phonemes(heard)])
    assert NAMES[found[0].owner] == name
    assert len(found) == 1 or found[0].score > found[1].score


def test_of_names_as_alike_the_nearer_comes_first() -> None:
    twins = SoundIndex.build([(0, phonemes("アカサカエキ")), (1, phonemes("アカサカエキ"))])
    for nearer in (0, 1):
        away = np.array([400_000.0, 400_000.0])
        away[nearer] = 3_000.0
        found = twins.alike([phonemes("アカサカヤキ")], metres=lambda owners, away=away: away[owners])
        assert [a.owner for a in found] == [nearer, 1 - nearer]
        assert found[0].likeness == found[1].likeness


def test_nearness_does_not_make_up_for_another_name() -> None:
    both = SoundIndex.build([(0, phonemes("キョウトエキ")), (1, phonemes("キョウバシエキ"))])
    away = np.array([370_000.0, 2_000.0])
    assert both.alike([phonemes("キョウトエキ")], metres=lambda owners: away[owners])[0].owner == 0


def test_only_what_is_allowed_is_named(index: SoundIndex) -> None:
    found = index.alike([phonemes("エビスエキ")], allowed=lambda owners: owners != NAMES.index("エビスエキ"))
    assert found
    assert all(NAMES[a.owner] != "エビスエキ" for a in found)


def test_another_reading_of_what_was_heard_finds_it_too_a_little_later_than_the_first(index: SoundIndex) -> None:
    (first,) = index.alike([phonemes("エビスエキ")], limit=1)
    (second,) = index.alike([phonemes("ケイビジュエキ"), phonemes("エビスエキ")], limit=1)
    assert first.owner == second.owner
    assert second.likeness < first.likeness == 1.0


def test_english_ears_agree_on_consonants_only() -> None:
    names = SoundIndex.build([(0, phonemes("シンジュク") + STATION), (1, phonemes("シンイミ") + STATION)])
    heard = english_sounds("shinjeke station")
    with_vowels, without = (names.alike(heard, vowels=vowels)[0] for vowels in (True, False))
    assert with_vowels.owner == without.owner == 0
    assert without.likeness > with_vowels.likeness


@settings(deadline=None)
@given(KANA, KANA)
def test_likeness_is_symmetric_and_whole_for_the_same(one: str, other: str) -> None:
    a, b = phonemes(one), phonemes(other)
    assert likeness(a, b) == pytest.approx(likeness(b, a))
    assert 0 <= likeness(a, b) <= 1
    assert likeness(a, a) == 1.0
    assert len(coarse(a)) <= len(a)


@settings(deadline=None)
@given(st.lists(KANA, min_size=1, max_size=20), KANA)
def test_a_name_that_is_there_comes_first(names: list[str], said: str) -> None:
    kept = [phonemes(name) for name in [*names, said]]
    found = SoundIndex.build(enumerate(kept)).alike([phonemes(said)])
    if len(coarse(phonemes(said))) >= 2:
        assert kept[found[0].owner] == phonemes(said)
    else:
        assert found == []


def test_nearness_grows_with_the_distance_and_is_nothing_where_none_is_known() -> None:
    assert nearness(None) == nearness(0) == 0
    assert 0 < nearness(5_000) < nearness(50_000) < nearness(500_000) < 0.3


@pytest.mark.parametrize(
    ("heard", "reading"),
    [("北朝駅", "キタアサエキ"), ("大木町駅", "オオギマチエキ"), ("アスカ山", "アスカヤマ"), ("戦学地駅", "センガクチエキ"), ("エビス 駅", "エビスエキ")],
)  # fmt: skip
def test_kanji_may_have_been_written_for_another_reading(heard: str, reading: str) -> None:
    said = _READINGS.spoken(heard)
    assert reading in said
    assert len(said) <= 16
    assert len(set(said)) == len(said)


@settings(deadline=None)
@given(st.text(max_size=60))
def test_anything_may_be_heard(text: str) -> None:
    sounds = [phonemes(kana) for kana in _READINGS.spoken(text)]
    assert 1 <= len(sounds) <= 16
    assert all(sound.isascii() for sound in [*sounds, *english_sounds(text)])
