"""Written Japanese as it is said: rules, table, and the kana the voice makes of it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio.clauses import LONGEST, clauses
from audio.japanese import PronunciationError, Pronunciations, pronunciations, romanised, spoken

SAID = [
    # numbers and counters
    ("22度にしました。", "ニジューニドニシマシタ。"),
    ("3件見つかりました。", "サンケンミツカリマシタ。"),
    ("13件", "ジューサンケン"),
    ("1件目", "イッケンメ"),
    ("3軒", "サンゲン"),
    ("4人で8本と10本", "ヨニンデハッポントジュッポン"),
    ("1つ、2つ", "ヒトツ、フタツ"),
    ("20台", "ニジューダイ"),
    ("評価は4.2です", "ヒョーカワヨンテンニデス"),
    ("★3.8", "ホシサンテンハチ"),
    ("国道246号", "コクドーニヒャクヨンジューロクゴー"),
    # times and dates
    ("19:30まで", "ジュークジサンジュップンマデ"),
    ("9:00〜18:00", "クジカラジューハチジ"),
    ("0:15", "レイジジューゴフン"),
    ("7時4分", "シチジヨンプン"),
    ("2026/5/11", "ニセンニジューロクネンゴガツジューイチニチ"),
    ("5/1(金)です", "ゴガツツイタチ、キンヨービ、デス"),
    ("5月11日月曜日", "ゴガツジューイチニチ、ゲツヨービ"),
    ("10〜15分", "ジューカラジューゴフン"),
    ("10-15分", "ジューカラジューゴフン"),
    # units
    ("気温は-2℃です", "キオンワマイナスニドデス"),
    ("+3℃", "プラスサンド"),
    ("30%", "サンジュッパーセント"),
    ("3.5km先", "サンテンゴキロサキ"),
    ("500m先", "ゴヒャクメートルサキ"),
    ("60km/h", "ジソクロクジュッキロ"),
    ("時速60km/h", "ジソクロクジュッキロ"),
    ("8m/s", "ビョーソクハチメートル"),
    ("50kWh", "ゴジュッキロワットジ"),
    ("3㎡", "サンヘーホーメートル"),
    # money
    ("1,500円", "センゴヒャクエン"),
    ("¥3,000以内", "サンゼンエンイナイ"),
    ("12,345,678円", "センニヒャクサンジューヨンマンゴセンロッピャクナナジューハチエン"),
    # telephone numbers
    ("0800-300-0365", "ゼロハチゼロゼロ、サンゼロゼロ、ゼロサンロクゴー"),
    ("03-1234-5678", "ゼロサン、イチニーサンヨン、ゴーロクナナハチ"),
    ("(03)1234-5678", "ゼロサン、イチニーサンヨン、ゴーロクナナハチ"),
    ("09012345678", "ゼロキューゼロ、イチニーサンヨン、ゴーロクナナハチ"),
    # addresses and floors
    ("道玄坂2-10-7", "ドーゲンザカニノジューノナナ"),
    ("道玄坂2-10", "ドーゲンザカニノジュー"),
    ("2丁目10番7号", "ニチョーメジューバンナナゴー"),
    ("B1階", "チカイッカイ"),
    ("3F", "サンガイ"),
    ("B2F", "チカニカイ"),
    # Latin words and letters
    ("ETCのゲート", "イーティーシーノゲート"),
    ("JR新宿駅", "ジェイアールシンジュクエキ"),
    ("海老名SA", "エビナサービスエリア"),
    ("Wi-Fiがあります", "ワイファイガアリマス"),
    ("No.3", "ナンバーサン"),
    ("Lexus", "レクサス"),
    ("ＥＮＥＯＳ", "エネオス"),
    ("XYZ店", "エックスワイゼットテン"),
    ("Roppongi", "ロッポンギ"),
    ("Toranomon", "トラノモン"),
    ("Shimbashi", "シンバシ"),
    ("Café de Paris", "カフェ、ド、パリス"),
    ("首都高3号渋谷線", "シュトコーサンゴーシブヤセン"),
    ("首都高速", "シュトコーソク"),
]


@pytest.mark.parametrize(("written", "kana"), SAID, ids=[w for w, _ in SAID])
def test_said_as(written: str, kana: str) -> None:
    """Through the real dictionary of the voice."""
    pyopenjtalk = pytest.importorskip("pyopenjtalk")
    assert pyopenjtalk.g2p(spoken(written), kana=True) == kana


def test_what_is_right_already_is_left_alone() -> None:
    for text in ("渋谷の近くにイタリアンがあります。", "そこへ行きますか?", "いいえ。", ""):
        assert spoken(text) == text


def test_every_word_of_the_table_is_found_whole_and_whatever_its_capitals() -> None:
    for word, said in pronunciations().words.items():
        if len(word) > 1 and not word.endswith("."):
            assert spoken(f"この{word}です") == f"この{said}です", word
    assert spoken("wi-fi") == "ワイファイ"
    assert "バー" not in spoken("Barbara")


def test_table_says_what_is_wrong() -> None:
    good = pronunciations()
    with pytest.raises(PronunciationError, match="km"):
        Pronunciations({"km": "キロ"}, {}, good.words, good.letters, good.digits, good.romaji, {}, {})
    with pytest.raises(PronunciationError):
        Pronunciations({}, {}, good.words, {}, good.digits, good.romaji, {}, {})


def test_romanised() -> None:
    assert romanised("Hakone") == "ハコネ"
    assert romanised("Nihonbashi") == "ニホンバシ"
    assert romanised("matcha") == "マッチャ"
    assert romanised("Gotemba") == "ゴテンバ"
    assert romanised("Smith") is None


@given(st.text(max_size=60))
def test_anything_can_be_said(text: str) -> None:
    said = spoken(text)
    assert not re.search("[A-Za-z]", said), "Latin letters are never left to the dictionary"


@given(st.text(alphabet="渋谷のカフェ、。！？abc, .4:〜\n", max_size=200), st.sampled_from(["ja", "en"]))
def test_clauses_lose_nothing(text: str, language: str) -> None:
    pieces = clauses(text, language)  # type: ignore[arg-type]
    assert "".join(pieces) == (text if text.strip() else "")
    assert all(piece.strip() or len(pieces) == 1 for piece in pieces[:1])


def test_first_clause_is_short_and_decimals_stay_whole() -> None:
    reply = (
        "渋谷駅の近くで、イタリアンが3件見つかりました。一番近いのは4.2のトラットリアで、歩いて5分です。行きますか？"
    )
    pieces = clauses(reply, "ja")
    assert pieces[0] == "渋谷駅の近くで、"
    assert pieces[-1] == "行きますか？"
    english = clauses("I found three places. The nearest, rated 4.2, is 1.5 km away. Shall we go?", "en")
    assert english[0] == "I found three places. "
    assert english[-1] == "Shall we go?"
    assert not any(piece.rstrip().endswith(("4.", "1.")) for piece in english)
    assert max(map(len, clauses("あ" * 300, "ja"))) <= LONGEST["ja"]
    assert clauses("はい。", "ja") == ["はい。"]
