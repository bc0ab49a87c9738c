"""Names as recognizers and keyboards spoil them, for `benchmarks.names`: one kind of damage each, the same for the same seed."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

from backends.readings import Readings, to_hiragana

_VOICED = dict(zip("カキクケコサシスセソタチツテトハヒフヘホ", "ガギグゲゴザジズゼゾダヂヅデドバビブベボ", strict=True))
_UNVOICED = {voiced: plain for plain, voiced in _VOICED.items()} | dict(zip("パピプペポ", "ハヒフヘホ", strict=True))
_KANA = "アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワン"
_SMALL = "ァィゥェォャュョッー"
_O_ROW, _U_ROW = "オコソトノホモヨロゴゾドボポョ", "ウクスツヌフムユルグズヅブプュ"

Damage = Callable[[str, str, random.Random], str]
"""(name, its katakana, dice) → what is written instead; the name itself when this damage cannot befall it"""


class Homophones:
    """Words of one reading, taken from the names of the country: オオ → 大, 王, 尾生."""

    def __init__(self, names: Iterable[str], readings: Readings) -> None:
        self._readings = readings
        found: dict[str, set[str]] = defaultdict(set)
        for name in names:
            for start, end, part, reading in readings.tokens(name):
                surface = name[start:end]
                if part[0] in ("名詞", "接尾辞", "接頭辞") and reading and re.fullmatch(r"[\u4e00-\u9fff々]+", surface):
                    found[reading].add(surface)
        self._words = {reading: sorted(words) for reading, words in found.items() if len(words) > 1}

    def other_kanji(self, name: str, kana: str, dice: random.Random) -> str:
        """One or two words of the name written with other kanji of the same reading, as a recognizer does that knows the sound only."""
        words = [(name[start:end], reading) for start, end, _, reading in self._readings.tokens(name)]
        if "".join(reading for _, reading in words) != kana:
            return name
        places = [i for i, (surface, reading) in enumerate(words) if set(self._words.get(reading, ())) - {surface}]
        for i in dice.sample(places, min(2, len(places))):
            surface, reading = words[i]
            words[i] = (dice.choice([w for w in self._words[reading] if w != surface]), reading)
        return "".join(surface for surface, _ in words)


def katakana(name: str, kana: str, dice: random.Random) -> str:
    return kana


def hiragana(name: str, kana: str, dice: random.Random) -> str:
    return to_hiragana(kana)


def long_vowel_lost(name: str, kana: str, dice: random.Random) -> str:
    places = [
        i for i in range(1, len(kana))
        if kana[i] == "ー" or (kana[i] in "ウオ" and kana[i - 1] in _O_ROW) or (kana[i] == "ウ" and kana[i - 1] in _U_ROW)
    ]  # fmt: skip
    return _without(kana, dice.choice(places)) if places else name


def small_tsu_lost(name: str, kana: str, dice: random.Random) -> str:
    return kana.replace("ッ", "", 1) if "ッ" in kana else name


def voicing(name: str, kana: str, dice: random.Random) -> str:
    places = [i for i, c in enumerate(kana) if c in _VOICED or c in _UNVOICED]
    if not places:
        return name
    at = dice.choice(places)
    return kana[:at] + (_VOICED.get(kana[at]) or _UNVOICED[kana[at]]) + kana[at + 1 :]


def kana_lost(name: str, kana: str, dice: random.Random) -> str:
    return _without(kana, dice.randrange(len(kana))) if len(kana) >= 4 else name


def kana_other(name: str, kana: str, dice: random.Random) -> str:
    places = [i for i, c in enumerate(kana) if c not in _SMALL]
    if len(kana) < 4:
        return name
    at = dice.choice(places)
    return kana[:at] + dice.choice([k for k in _KANA if k != kana[at]]) + kana[at + 1 :]


def _without(text: str, at: int) -> str:
    return text[:at] + text[at + 1 :]


def spaces(readings: Readings) -> Damage:
    def spaced(name: str, kana: str, dice: random.Random) -> str:
        return " ".join(name[start:end] for start, end, _, _ in readings.tokens(name))

    return spaced


def shortened(readings: Readings, *, first: bool) -> Damage:
    """Long names as people say them: 三鷹の森ジブリ美術館 as ジブリ美術館; stations, of which the short name is often another's, are left."""

    def short(name: str, kana: str, dice: random.Random) -> str:
        words = [name[start:end] for start, end, _, _ in readings.tokens(name)]
        if name.endswith("駅") or len(words) < 3:
            return name
        rest = "".join(words[1:] if first else words[:-1]).strip("のノ・ ")
        return rest if len(rest) >= 4 else name

    return short


def japanese(names: Iterable[str], readings: Readings) -> Mapping[str, Damage]:
    """Every kind of damage a Japanese name may take."""
    return {
        "katakana": katakana, "hiragana": hiragana, "other kanji of the sound": Homophones(names, readings).other_kanji,
        "spaces between words": spaces(readings), "a long vowel lost": long_vowel_lost, "a small ッ lost": small_tsu_lost,
        "voiced for unvoiced": voicing, "one kana lost": kana_lost, "one kana another": kana_other,
        "the first word left out": shortened(readings, first=True), "the last word left out": shortened(readings, first=False),
    }  # fmt: skip


# --- English --------------------------------------------------------------------------------------------------------------


def lower_case(name: str, kana: str, dice: random.Random) -> str:
    return name.lower()


def no_hyphen(name: str, kana: str, dice: random.Random) -> str:
    return name.replace("-", "")


def with_long_vowels(name: str, kana: str, dice: random.Random) -> str:
    """Tokyo as Toukyou: an o or u that is long in the kana written as such."""
    return re.sub(r"(?<=[kstnhmyrgzdbpj])o(?=[a-z])", "ou", name, count=1)


def other_romanisation(name: str, kana: str, dice: random.Random) -> str:
    out = name
    for hepburn, other in (
        ("ju", "jyu"),
        ("jo", "jyo"),
        ("ja", "jya"),
        ("shi", "si"),
        ("chi", "ti"),
        ("tsu", "tu"),
        ("fu", "hu"),
        ("ji", "zi"),
    ):
        out = out.replace(hepburn, other)
    return out


def typo(name: str, kana: str, dice: random.Random) -> str:
    at = dice.randrange(1, max(2, len(name) - 1))
    match dice.randrange(3):
        case 0:
            return _without(name, at)
        case 1:
            return name[:at] + dice.choice("abcdefghijklmnopqrstuvwxyz") + name[at + 1 :]
        case _:
            return name[: at - 1] + name[at : at + 1] + name[at - 1 : at] + name[at + 1 :]


ENGLISH: Mapping[str, Damage] = {
    "lower case": lower_case, "no hyphen": no_hyphen, "long vowels written": with_long_vowels,
    "other romanisation": other_romanisation, "a slip of the finger": typo,
}  # fmt: skip

__all__ = ["ENGLISH", "Damage", "Homophones", "japanese"]
