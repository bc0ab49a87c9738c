"""How Japanese names sound, and one form for the many ways to write them.

A recognizer chooses the kanji itself, puts spaces between words and writes Latin as it likes. So names meet on keys:

    fold("霞ヶ関 ")            → "霞ケ関"       the same spelling
    Readings().reading("渋谷駅") → "シブヤエキ"    the same sound (Sudachi)
    reading_key("トーキョー")    → "トオキョオ"    the same sound, long vowels spelt one way
    latin_key("Tōkyō")        → "tokyo"       the same Latin, Hepburn without long vowels

`name_keys` gives all three of a name at once.
"""

from __future__ import annotations

import heapq
import itertools
import re
import threading
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

# Old and variant forms of kanji that are common in names, by the form newspapers use.
_OLD_KANJI = str.maketrans(
    "澤邊邉廣濱濵嶋嶌龍萬國齋齊櫻惠髙﨑栁彌瀧舘壽圓學會驛鐵藏禮檜冨槇鷗淵渕髮條關縣縄繩靜眞黑德瀨賴祿來號榮藝壱淺莊觀醫氣寳寶當嶽峯曾區圖澁團體聲變遙曻乘兒龜"
    "鹽縱壹拂應寫發晝",
    "沢辺辺広浜浜島島竜万国斎斉桜恵高崎柳弥滝館寿円学会駅鉄蔵礼桧富槙鴎渕渕髪条関県縄縄静真黒徳瀬頼禄来号栄芸一浅荘観医気宝宝当岳峰曽区図渋団体声変遥昇乗児亀"
    "塩縦一払応写発昼",
)
_SMALL_TO_BIG_IN_NAMES = str.maketrans("ヶヵ", "ケカ")
_KANJI = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff々〆"
_BETWEEN_KANJI_GA = re.compile(rf"(?<=[{_KANJI}])[がガけ](?=[{_KANJI}])")
_BETWEEN_KANJI_NO = re.compile(rf"(?<=[{_KANJI}])[ノ之乃](?=[{_KANJI}])")
_BETWEEN_KANJI_TSU = re.compile(rf"(?<=[{_KANJI}])[ッっつ](?=[{_KANJI}])")
_KANA_LONG = re.compile(r"(?<=[ァ-ヺぁ-ゖー])[〜~\-‐‑‒–—―−ｰ─━]")
_TO_KATAKANA = {code: code + 0x60 for code in range(0x3041, 0x3097)} | {0x309D: 0x30FD, 0x309E: 0x30FE}
_TO_HIRAGANA = {value: key for key, value in _TO_KATAKANA.items()}
_MACRONS = {
    ord(vowel): twice for vowel, twice in zip("ōūāēīôû", ("ou", "uu", "aa", "ee", "ii", "ou", "uu"), strict=True)
}
_PLAIN_JAPANESE = re.compile(r"[\u3041-\u3096\u30a1-\u30faー\u4e00-\u9fff]+")
_IS_KANA = re.compile(r"[ァ-ヺー]+")


def to_katakana(text: str) -> str:
    """Hiragana as katakana, the rest as it is; the length stays."""
    return text.translate(_TO_KATAKANA)


def to_hiragana(text: str) -> str:
    """Katakana as hiragana, the rest as it is; the length stays."""
    return text.translate(_TO_HIRAGANA)


def is_latin(text: str) -> bool:
    """Whether the text holds Latin letters and no Japanese ones."""
    letters = [character for character in text if character.isalpha()]
    return bool(letters) and all(character < "ɐ" or "Ḁ" <= character <= "ỿ" for character in letters)


def is_kana(text: str) -> bool:
    """Whether the text, spaces and dots aside, is kana only."""
    return bool(_IS_KANA.fullmatch(to_katakana(fold(text))))


def fold(text: str, *, katakana: bool = False) -> str:
    """One spelling for the same name: NFKC, lower case, no spaces, dots, quotes or control characters, one form of
    ヶ/ケ/が, ノ/の and of old kanji. With `katakana`, hiragana becomes katakana too."""
    return _fold(text[:400], katakana)


@lru_cache(maxsize=4096)
def _fold(text: str, katakana: bool) -> str:
    if not _PLAIN_JAPANESE.fullmatch(text):
        text = unicodedata.normalize("NFKC", text).casefold()
        text = _KANA_LONG.sub("ー", text)
        text = "".join(c for c in text if c == "ー" or unicodedata.category(c)[0] in "LNM")
        # A combining mark that found no letter to join tells nothing.
        text = "".join(c for c in text if unicodedata.category(c) != "Mn")
    text = text.translate(_OLD_KANJI).translate(_SMALL_TO_BIG_IN_NAMES)
    text = _BETWEEN_KANJI_GA.sub("ケ", text)
    text = _BETWEEN_KANJI_NO.sub("の", text)
    text = _BETWEEN_KANJI_TSU.sub("ツ", text)
    return to_katakana(text) if katakana else text


# --- kana and Latin -------------------------------------------------------------------------------------------------

_HEPBURN = {
    **dict(zip("アイウエオ", ("a", "i", "u", "e", "o"), strict=True)),
    **dict(zip("カキクケコ", ("ka", "ki", "ku", "ke", "ko"), strict=True)),
    **dict(zip("サシスセソ", ("sa", "shi", "su", "se", "so"), strict=True)),
    **dict(zip("タチツテト", ("ta", "chi", "tsu", "te", "to"), strict=True)),
    **dict(zip("ナニヌネノ", ("na", "ni", "nu", "ne", "no"), strict=True)),
    **dict(zip("ハヒフヘホ", ("ha", "hi", "fu", "he", "ho"), strict=True)),
    **dict(zip("マミムメモ", ("ma", "mi", "mu", "me", "mo"), strict=True)),
    **dict(zip("ヤユヨ", ("ya", "yu", "yo"), strict=True)),
    **dict(zip("ラリルレロ", ("ra", "ri", "ru", "re", "ro"), strict=True)),
    **dict(zip("ワヰヱヲン", ("wa", "i", "e", "o", "n"), strict=True)),
    **dict(zip("ガギグゲゴ", ("ga", "gi", "gu", "ge", "go"), strict=True)),
    **dict(zip("ザジズゼゾ", ("za", "ji", "zu", "ze", "zo"), strict=True)),
    **dict(zip("ダヂヅデド", ("da", "ji", "zu", "de", "do"), strict=True)),
    **dict(zip("バビブベボ", ("ba", "bi", "bu", "be", "bo"), strict=True)),
    **dict(zip("パピプペポ", ("pa", "pi", "pu", "pe", "po"), strict=True)),
    **dict(zip("ァィゥェォャュョヮ", ("a", "i", "u", "e", "o", "ya", "yu", "yo", "wa"), strict=True)),
    "ヴ": "vu",
}
_Y = {"キ": "ky", "ギ": "gy", "ニ": "ny", "ヒ": "hy", "ビ": "by", "ピ": "py", "ミ": "my", "リ": "ry"}
_SH = {"シ": "sh", "チ": "ch", "ジ": "j", "ヂ": "j"}
for _head, _sound in _Y.items():
    _HEPBURN |= {_head + small: _sound + vowel for small, vowel in zip("ャュョェ", "auoe", strict=True)}
for _head, _sound in _SH.items():
    _HEPBURN |= {_head + small: _sound + vowel for small, vowel in zip("ャュョェ", "auoe", strict=True)}
_HEPBURN |= {
    **{"フ" + small: "f" + vowel for small, vowel in zip("ァィェォ", "aieo", strict=True)},
    **{"ヴ" + small: "v" + vowel for small, vowel in zip("ァィェォ", "aieo", strict=True)},
    **{"ウ" + small: "w" + vowel for small, vowel in zip("ィェォ", "ieo", strict=True)},
    **{"ツ" + small: "ts" + vowel for small, vowel in zip("ァィェォ", "aieo", strict=True)},
    **{"ク" + small: "kw" + vowel for small, vowel in zip("ァィェォ", "aieo", strict=True)},
    "ティ": "ti",
    "ディ": "di",
    "トゥ": "tu",
    "ドゥ": "du",
    "デュ": "dyu",
    "テュ": "tyu",
    "フュ": "fyu",
}
_ROMAJI = {
    sound: kana for kana, sound in reversed(list(_HEPBURN.items())) if kana not in "ァィゥェォャュョヮヰヱヲヂヅ"
}
_ROMAJI |= {
    "si": "シ", "ti": "チ", "tu": "ツ", "hu": "フ", "zi": "ジ", "di": "ヂ", "du": "ヅ", "wo": "ヲ", "dzu": "ヅ",
    "la": "ラ", "li": "リ", "lu": "ル", "le": "レ", "lo": "ロ", "ca": "カ", "cu": "ク", "co": "コ",
    "sya": "シャ", "syu": "シュ", "syo": "ショ", "tya": "チャ", "tyu": "チュ", "tyo": "チョ",
    "zya": "ジャ", "zyu": "ジュ", "zyo": "ジョ", "jya": "ジャ", "jyu": "ジュ", "jyo": "ジョ",
    "cya": "チャ", "cyu": "チュ", "cyo": "チョ", "va": "ヴァ", "vi": "ヴィ", "ve": "ヴェ", "vo": "ヴォ",
    "ja": "ジャ", "ju": "ジュ", "jo": "ジョ", "ji": "ジ", "zu": "ズ", "je": "ジェ",
    "yi": "イ", "ye": "イェ", "wi": "ウィ", "we": "ウェ",
}  # fmt: skip


def kana_to_romaji(kana: str, *, long_vowels: bool = False) -> str:
    """Hepburn in small letters without macrons: トウキョウ → "tokyo", with `long_vowels` "toukyou". Anything that is
    not kana stays as it is."""
    kana = to_katakana(kana)
    out: list[str] = []
    index, double = 0, False
    while index < len(kana):
        if kana[index] == "ッ":
            double, index = True, index + 1
            continue
        for length in (2, 1):
            sound = _HEPBURN.get(kana[index : index + length])
            if sound and len(kana[index : index + length]) == length:
                break
        else:
            length, sound = 1, ("" if kana[index] == "ー" else kana[index])
        if double and sound and sound[0] not in "aeioun":
            out.append("t" if sound.startswith("ch") else sound[0])
        double = False
        out.append(sound)
        index += length
    romaji = "".join(out)
    return romaji if long_vowels else re.sub(r"o[uo]+", "o", re.sub(r"uu+", "u", romaji))


def romaji_to_kana(text: str) -> str | None:
    """Katakana of Latin text read as Japanese ("shibuya eki" → シブヤエキ), None when it cannot be Japanese.
    Long vowels come out as written: "Tokyo" → トキョ, so compare by `latin_key` where length must not matter."""
    latin = unicodedata.normalize("NFKC", text).casefold()
    latin = latin.translate(_MACRONS)
    latin = re.sub(r"[\s\-_.・]+", "", latin)
    out: list[str] = []
    index = 0
    while index < len(latin):
        here = latin[index]
        if here in "'’":
            index += 1
            continue
        following = latin[index + 1] if index + 1 < len(latin) else ""
        if (here == following and here not in "aeioun") or (here == "t" and latin[index + 1 : index + 3] == "ch"):
            out.append("ッ")
            index += 1
            continue
        for length in (3, 2, 1):
            kana = _ROMAJI.get(latin[index : index + length])
            if kana:
                out.append(kana)
                index += length
                break
        else:
            if here in "nm" and (not following or following not in "aeiouy"):
                out.append("ン")
            elif here == "h" and out and out[-1][-1] in "オコソトノホモヨロゴゾドボポョ":
                out.append("ウ")
            else:
                return None
            index += 1
    return "".join(out) or None


_KUNREI = [
    (re.compile(pattern), repl)
    for pattern, repl in (
        (r"[^a-z0-9]+", ""),
        (r"jy", "j"),
        (r"sy(?=[auo])", "sh"),
        (r"(?:ty|cy)(?=[auo])", "ch"),
        (r"zy(?=[auo])", "j"),
        (r"(?<!t)si", "shi"),
        (r"ti", "chi"),
        (r"t+u", "tsu"),
        (r"(?<![sc])hu", "fu"),
        (r"zi|di", "ji"),
        (r"d[uz]u?(?=[a-z]|$)", "zu"),
        (r"tch", "cch"),
        (r"l", "r"),
        (r"m(?=[bpm])", "n"),
        (r"oh(?![aeiouy])", "o"),
        (r"o[ou]+", "o"),
        (r"uu+", "u"),
        (r"aa+", "a"),
        (r"ii+", "i"),
        (r"ee+", "e"),
    )
]


@lru_cache(maxsize=4096)
def latin_key(text: str) -> str:
    """One form of Latin spellings of Japanese: no macrons, long vowels short, Hepburn for Kunrei, n before b/m/p;
    "Shimbashi", "sinbashi", "Shin-bashi" → "shinbashi". English words go through the same rules on both sides."""
    text = unicodedata.normalize("NFKD", text[:400]).casefold()
    text = "".join(c for c in text if not unicodedata.combining(c))
    for pattern, replacement in _KUNREI:
        text = pattern.sub(replacement, text)
    return text


_VOWEL = {
    **dict.fromkeys("アカサタナハマヤラワガザダバパァャヮ", "ア"),
    **dict.fromkeys("イキシチニヒミリギジヂビピィ", "イ"),
    **dict.fromkeys("ウクスツヌフムユルグズヅブプヴゥュ", "ウ"),
    **dict.fromkeys("エケセテネヘメレゲゼデベペェ", "エ"),
    **dict.fromkeys("オコソトノホモヨロヲゴゾドボポォョ", "オ"),
}


@lru_cache(maxsize=8192)
def reading_key(kana: str) -> str:
    """Katakana with every long vowel spelt one way and ヂヅヲヰヱ as they sound: トーキョー = トウキョウ =
    とうきょう → トオキョオ. Characters other than kana stay."""
    kana = fold(kana, katakana=True).translate(str.maketrans("ヂヅヲヰヱ", "ジズオイエ"))
    out: list[str] = []
    for character in kana:
        vowel = _VOWEL.get(out[-1]) if out else None
        if character == "ー":
            if vowel:
                out.append(vowel)
        elif (character == "ウ" and vowel == "オ") or (character == "イ" and vowel == "エ"):
            out.append(vowel or character)
        else:
            out.append(character)
    return "".join(out)


class NameKeys(NamedTuple):
    """The keys under which a name is filed."""

    folded: str
    """the spelling"""
    reading: str
    """the sound in kana; empty for a name in Latin that cannot be Japanese"""
    latin: str
    """the sound in Latin, long vowels short"""


class Readings:
    """Readings through Sudachi (mode A, small dictionary). The dictionary (115 MB on disk, 0.1 s) is opened at first
    use; one instance serves every thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tokenizer: Any = None
        self._dictionary: Any = None

    def _open(self) -> Any:
        if self._tokenizer is None:
            from sudachipy import Dictionary, SplitMode

            self._dictionary = Dictionary(dict="small")
            self._tokenizer = self._dictionary.tokenizer(SplitMode.A)
        return self._tokenizer

    def tokens(self, text: str) -> tuple[tuple[int, int, tuple[str, ...], str], ...]:
        """(start, end, part of speech, reading in katakana) of each word; spaces are words of their own."""
        with self._lock:  # a Sudachi tokenizer is not made for two threads at once
            return tuple(
                (m.begin(), m.end(), m.part_of_speech(), m.reading_form()) for m in self._open().tokenize(text)
            )

    def reading(self, text: str) -> str:
        """Katakana of the text as it is read aloud. Kana is taken as written; spaces (recognizers put them between
        words) part words and then go; Latin and digits stay, folded."""
        return _reading(self, text[:400])

    def spoken(self, text: str, limit: int = 16) -> tuple[str, ...]:
        """Katakana of the text as it may have been said, likeliest first. Recognizers write whatever kanji have the sound: 北朝駅
        for 北朝霞, 上大き for ウエダエキ. So beside the reading in context stand those with one or two words, or the kanji of a word,
        read another way."""
        return _spoken(self, text[:100], limit)

    def _others(self, surface: str) -> list[str]:
        """Other readings of a word with kanji: its own ones, then those of its kanji one by one."""
        if not _HAS_KANJI.search(surface):
            return []
        own = self._listed(surface)
        single: list[str] = []
        if 1 < len(surface) <= 4:
            each = [self._listed(c)[:3] or [to_katakana(c)] for c in surface]
            single = ["".join(parts) for parts in itertools.product(*each)][:9]
        return list(dict.fromkeys([*own[:4], *single]))

    def _listed(self, surface: str) -> list[str]:
        """The readings of a word in the dictionary, the commonest first."""
        with self._lock:
            self._open()
            found = [(m.reading_form(), m.part_of_speech()) for m in self._dictionary.lookup(surface)]
        # Given names (広: ヒロシ) say nothing about how kanji in names of places are read.
        return list(dict.fromkeys(reading for reading, part in found if reading and part[3] != "名"))

    def name_keys(self, name: str, *, kana: str | None = None, name_en: str | None = None) -> NameKeys:
        """The keys of a name; `kana` and `name_en` where they are known are believed more than the dictionary."""
        folded = fold(name)
        if kana:
            key = reading_key(kana)
        elif is_latin(name):
            key = reading_key(romaji_to_kana(name) or "")
        else:
            key = reading_key(self.reading(name))
        latin = latin_key(name_en or (name if is_latin(name) else kana_to_romaji(kana or self.reading(name))))
        return NameKeys(folded, key, latin)


_HAS_KANJI = re.compile(f"[{_KANJI}]")


@lru_cache(maxsize=2048)
def _spoken(readings: Readings, text: str, limit: int) -> tuple[str, ...]:
    first = _reading(readings, text)
    plain = "".join(unicodedata.normalize("NFKC", text).split()).translate(_OLD_KANJI)
    if not _HAS_KANJI.search(plain):
        return (first,)
    words: list[list[str]] = []
    for start, end, part_of_speech, reading in readings.tokens(plain):
        surface = plain[start:end]
        if part_of_speech[0] in ("空白", "補助記号"):
            continue
        said = reading if reading and not _KATAKANA_OR_LATIN.fullmatch(to_katakana(surface)) else to_katakana(surface)
        words.append(list(dict.fromkeys([said, *readings._others(surface)])))
    return tuple(dict.fromkeys([first, *_combined(words, limit)]))[:limit]


def _combined(words: Sequence[Sequence[str]], limit: int) -> list[str]:
    """The words' first readings joined, then with one taken from further down their lists, then two …"""
    out: list[str] = []
    waiting, seen = [(0, (0,) * len(words))], {(0,) * len(words)}
    while waiting and len(out) < limit:
        cost, chosen = heapq.heappop(waiting)
        out.append(fold("".join(word[i] for word, i in zip(words, chosen, strict=True)), katakana=True))
        for at, word in enumerate(words):
            if chosen[at] + 1 < len(word):
                following = (*chosen[:at], chosen[at] + 1, *chosen[at + 1 :])
                if following not in seen:
                    seen.add(following)
                    heapq.heappush(waiting, (cost + 1, following))
    return out


_KATAKANA_OR_LATIN = re.compile(r"[ァ-ヺーA-Za-z0-9]+")


@lru_cache(maxsize=8192)
def _reading(readings: Readings, text: str) -> str:
    text = unicodedata.normalize("NFKC", text)
    text = "".join(" " if c.isspace() else c for c in text if c.isspace() or unicodedata.category(c)[0] != "C")
    text = _KANA_LONG.sub("ー", text).translate(_OLD_KANJI)
    text = re.sub(r"(?<=[\u3041-\u30ff\u4e00-\u9fff])[・·](?=[\u3041-\u30ff\u4e00-\u9fff])", " ", text)
    if _KATAKANA_OR_LATIN.fullmatch(to_katakana(text.replace(" ", ""))):
        return fold(text, katakana=True)
    out: list[str] = []
    for start, end, part_of_speech, reading in readings.tokens(text):
        surface = to_katakana(text[start:end])
        if part_of_speech[0] in ("空白", "補助記号"):
            continue
        written = _KATAKANA_OR_LATIN.fullmatch(surface)
        out.append(surface if written or not reading else reading)
    return fold("".join(out), katakana=True)
