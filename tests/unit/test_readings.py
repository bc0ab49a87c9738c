"""Names meet in any spelling."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.readings import (
    Readings,
    fold,
    is_kana,
    is_latin,
    kana_to_romaji,
    latin_key,
    reading_key,
    romaji_to_kana,
    to_hiragana,
    to_katakana,
)


@pytest.fixture(scope="module")
def readings() -> Readings:
    return Readings()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("渋谷駅", "渋谷 駅"),
        ("霞ヶ関", "霞が関"),
        ("霞ケ関", "霞ヶ関"),
        ("丸ノ内", "丸の内"),
        ("四ツ谷", "四ッ谷"),
        ("ＪＲ大阪駅", "jr 大阪駅"),
        ("澁谷", "渋谷"),
        ("新宿髙島屋", "新宿高島屋"),
        ("スターバックス・コーヒー", "スターバックス コーヒー"),
        ("ﾀｲﾑｽﾞ", "タイムズ"),
        ("コーヒ－", "コーヒー"),
        ("渋谷\u202e駅\x00", "渋谷駅"),
    ],
)
def test_spellings_of_one_name_fold_alike(one: str, other: str) -> None:
    assert fold(one) == fold(other)


def test_a_particle_after_kana_is_not_a_ke() -> None:
    assert fold("スカイツリーが近い") == "スカイツリーが近い"


@pytest.mark.parametrize(
    ("text", "kana"),
    [
        ("渋谷駅", "シブヤエキ"),
        ("しぶや えき", "シブヤエキ"),
        ("東京 タワー", "トウキョウタワー"),
        ("真和志", "マワシ"),
    ],
)
def test_reading(readings: Readings, text: str, kana: str) -> None:
    assert readings.reading(text) == kana


def test_one_key_for_kanji_kana_and_latin(readings: Readings) -> None:
    names = ["渋谷駅", "しぶやえき", "シブヤエキ", "渋谷 駅", "shibuya eki", "Shibuya-eki"]
    assert {readings.name_keys(name).reading for name in names} == {"シブヤエキ"}
    assert {readings.name_keys(name).latin for name in names} == {"shibuyaeki"}


@pytest.mark.parametrize(
    ("kana", "latin"),
    [
        ("トウキョウ", "Tōkyō"),
        ("トウキョウ", "tokyo"),
        ("シンバシ", "Shimbashi"),
        ("シンジュク", "Sinzyuku"),
        ("マッチャ", "matcha"),
        ("オオミヤ", "Ohmiya"),
        ("ジユウガオカ", "Jiyūgaoka"),
        ("ツ", "tu"),
        ("ニッポリ", "Nippori"),
        ("シンオオサカ", "Shin-Osaka"),
    ],
)
def test_latin_spellings_meet_the_kana(kana: str, latin: str) -> None:
    assert latin_key(kana_to_romaji(kana)) == latin_key(latin)


def test_long_vowels_have_one_key() -> None:
    assert reading_key("トーキョー") == reading_key("とうきょう") == reading_key("トオキョオ")
    assert reading_key("コーヒー") == reading_key("コオヒイ")
    assert reading_key("オオタ") != reading_key("オタ")


def test_english_is_no_japanese() -> None:
    assert romaji_to_kana("Starbucks") is None
    assert romaji_to_kana("") is None
    assert romaji_to_kana("ginza") == "ギンザ"


def test_scripts() -> None:
    assert is_latin("Tōkyō Tower 2")
    assert not is_latin("JR大阪")
    assert is_kana("しぶや えき")
    assert not is_kana("渋谷")


@given(st.text(max_size=60))
def test_folding_is_stable_and_has_no_spaces(text: str) -> None:
    folded = fold(text)
    assert not any(character.isspace() for character in folded)
    assert fold(folded) == folded


@given(st.text(alphabet=st.characters(min_codepoint=0x3041, max_codepoint=0x3096), max_size=30))
def test_kana_survives_the_way_there_and_back(text: str) -> None:
    assert to_hiragana(to_katakana(text)) == text


@given(st.text(max_size=60))
def test_no_text_breaks_the_keys(text: str) -> None:
    latin_key(text)
    reading_key(text)
    romaji_to_kana(text)
    kana_to_romaji(text)


def test_many_threads_share_one_dictionary(readings: Readings) -> None:
    names = ["渋谷駅", "東京タワー", "名古屋城", "大阪駅", "首里城"] * 40
    expected = [Readings().reading(name) for name in names[:5]]
    wrong: list[str] = []

    def work(offset: int) -> None:
        for i, name in enumerate(names):
            text = f"{name}{'　' * ((i + offset) % 7)}"
            if readings.reading(text) != expected[i % 5]:
                wrong.append(text)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
