"""How alike two names sound to a recognizer, and the most alike of very many.

A recognizer that does not know a name writes words that sound like it: 日の出駅 comes back as 日の定期, 天王台駅 as 天能大焼き. Kana are too
coarse to measure that by: エキ and ヤキ differ in one consonant, not in half of their letters. So names are spelt as phonemes, one letter
each, in two ways:

    phonemes("シンジュクエキ") → "SiNJukueki"   what is heard; long vowels and ッ, which recognizers lose first, left out
    coarse(...)              → "sinsukueki"   voicing, palatalisation and nasals levelled too: what they mix up

and two names are as alike as the mean of the edit similarities of both. `SoundIndex` holds many names and finds the most alike of them:
first by shared trigrams of the coarse spelling, then by that similarity, less a little for every doubling of the distance.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from math import log10
from typing import Any, NamedTuple, TypeAlias

from backends.readings import is_latin, kana_to_romaji, reading_key

Array: TypeAlias = Any
"""numpy array"""

FAR = 0.12
"""how much a tenfold distance counts against a name: as much as a tenth of its sound"""
NEAR_M = 5_000
"""within so many metres nearness hardly matters"""
READ_OTHERWISE = 0.03
"""what a name loses that fits only another reading of what was heard than the likeliest"""

_DIGITS = {"0": "ゼロ", "1": "イチ", "2": "ニ", "3": "サン", "4": "ヨン", "5": "ゴ", "6": "ロク", "7": "ナナ", "8": "ハチ", "9": "キュウ"}  # fmt: skip
_SPELT = tuple(
    (re.compile(pattern), letter)
    for pattern, letter in (
        ("sh", "S"), ("t?ch", "C"), ("ts", "T"), ("v", "b"), ("l", "r"),
        (r"([kgnhbpmr])y(?=[auoe])", r"\1j"), (r"n(?![aiueoj])", "N"), (r"[^a-zA-Z]", ""), (r"(.)\1+", r"\1"),
    )
)  # fmt: skip
_ENGLISH = tuple(
    (re.compile(pattern), letter)
    for pattern, letter in (
        (r"tion\b", "Son"), ("ph", "f"), ("th", "s"), ("ck", "k"), (r"c(?=[eiy])", "s"), (r"c(?!h)", "k"), ("qu?", "k"),
        ("x", "ks"), ("ee|ea", "i"), ("oo|ou", "u"), ("aw|au", "o"), (r"ay\b|ai", "e"), (r"y\b", "i"), (r"(?<=[^aiueo ])e\b", ""), ("wh", "w"),
    )
)  # fmt: skip
_COARSE = str.maketrans(
    {"g": "k", "z": "s", "S": "s", "J": "s", "j": "", "C": "t", "T": "t", "d": "t", "b": "h", "p": "h", "f": "h", "m": "n",
     "N": "n", "w": "", "y": ""}
)  # fmt: skip
STATION = "staSon"
"""the word as the letters here spell it"""
_VOWELS = re.compile(rb"[aiueo]+")
_TWICE = re.compile(r"(.)\1+")
_SMALL = frozenset("ァィゥェォャュョ")
_GRAM = 3
_ALPHABET = " ^$aiueokstnhr"
_CODE = {letter: number for number, letter in enumerate(_ALPHABET)}
_GRAMS = len(_ALPHABET) ** _GRAM
_READ = 100_000
"""postings read for one search, the rarest trigrams first"""
_SHORT = 400
"""names compared letter by letter"""


def _of_kana() -> dict[str, str]:
    """Each kana, alone and with a small one after it, as phonemes."""
    big = [chr(code) for code in range(ord("ァ"), ord("ヺ") + 1)]
    table = {}
    for kana in (*big, *(one + small for one in big for small in "ァィゥェォャュョ")):
        sound = kana_to_romaji(kana, long_vowels=True).replace("j", "J")
        for pattern, letter in _SPELT:
            sound = pattern.sub(letter, sound)
        table[kana] = sound
    return {**table, "ッ": "", "ー": "", "ン": "N"}


@lru_cache(maxsize=1)
def _table() -> dict[str, str]:
    table = _of_kana()
    for digit, kana in _DIGITS.items():
        table[digit] = "".join(table[k] for k in kana)
    return table


@lru_cache(maxsize=8192)
def phonemes(kana: str) -> str:
    """Kana as phonemes, one letter each: digits are read out, what is not kana is left out."""
    table, key = _table(), reading_key(kana)
    out, index = [], 0
    while index < len(key):
        sound = table.get(key[index : index + 2]) if key[index + 1 : index + 2] in _SMALL else None
        index += 1 if sound is None else 2
        out.append(sound if sound is not None else table.get(key[index - 1], ""))
    return _TWICE.sub(r"\1", "".join(out))


@lru_cache(maxsize=8192)
def english_phonemes(text: str) -> str:
    """Latin text, English or romanised, as the same letters, roughly as English is spelt."""
    text = text.casefold().replace("j", "J")
    for pattern, letter in (*_ENGLISH, *_SPELT):
        text = pattern.sub(letter, text)
    return text


def english_sounds(text: str) -> list[str]:
    """What Latin text may sound like: as English is spelt, and letter by letter as names from Japan are."""
    plain = text.casefold().replace("j", "J").replace("station", STATION)
    for pattern, letter in _SPELT:
        plain = pattern.sub(letter, plain)
    return list(dict.fromkeys((english_phonemes(text), plain)))


@lru_cache(maxsize=8192)
def coarse(sound: str) -> str:
    """Phonemes without what recognizers mix up: voicing, palatalisation, one nasal for another."""
    return _TWICE.sub(r"\1", sound.translate(_COARSE))


def likeness(one: str, other: str) -> float:
    """0 … 1: how alike two phoneme strings sound."""
    from rapidfuzz.distance import Levenshtein

    fine = Levenshtein.normalized_similarity(one, other)
    return float(fine + Levenshtein.normalized_similarity(coarse(one), coarse(other))) / 2


def _grams(sound: str) -> set[int]:
    """The trigrams of a coarse sound with its ends, as numbers."""
    codes = [_CODE["^"], *(_CODE.get(c, 0) for c in sound), _CODE["$"]]
    size = len(_ALPHABET)
    return {(a * size + b) * size + c for a, b, c in zip(codes, codes[1:], codes[2:], strict=False)}


def nearness(metres: float | None) -> float:
    """What a distance takes away from a likeness; nothing when it is not known."""
    return 0.0 if metres is None else FAR * log10(1 + metres / NEAR_M)


class Alike(NamedTuple):
    """A name that sounds like the one asked for."""

    owner: int
    """number its caller filed it under"""
    likeness: float
    """0 … 1"""
    score: float
    """likeness less what the distance takes away"""


class SoundIndex:
    """Names by their sound, read-only; safe to share between threads. Made by `build`, kept as plain arrays (`arrays`)."""

    def __init__(self, arrays: Mapping[str, Array], level: Callable[[str], str] = coarse) -> None:
        self.arrays, self._level = arrays, level
        self._owner, self._length = arrays["owner"], arrays["length"]
        self._starts, self._postings = arrays["starts"], arrays["postings"]
        self._blobs = {which: arrays[which].tobytes() for which in ("fine", "coarse")}

    def __len__(self) -> int:
        return len(self._owner)

    @classmethod
    def build(cls, sounds: Iterable[tuple[int, str]]) -> SoundIndex:
        """Of (owner, phonemes) pairs; an owner may have several sounds."""
        builder = SoundIndexBuilder()
        for owner, sound in sounds:
            builder.add(owner, sound)
        return cls(builder.arrays())

    def alike(
        self,
        sounds: Iterable[str],
        *,
        metres: Array = None,
        allowed: Array = None,
        limit: int = 20,
        least: float = 0.5,
        vowels: bool = True,
    ) -> list[Alike]:
        """The names most like any of `sounds` (likeliest first), best first, at most one entry an owner and none below `least`.

        `metres(owners)`: how far each is away, so that of names as alike the nearer comes first. `allowed(owners)`: which may be
        named at all. Both get and give arrays. Without `vowels` a third of the likeness is that of the consonants alone: English speakers
        and recognizers agree on no vowel of a Japanese name.
        """
        import numpy as np

        said = {sound.encode("ascii"): self._level(sound) for sound in sounds}
        said = {sound: level for sound, level in said.items() if len(level) >= 2}
        entries, near = self._shortlist(list(said.values()), metres, allowed)
        if not len(entries):
            return []
        likeness = (_compared(list(said), self._texts("fine", entries))
                    + _compared([level.encode("ascii") for level in said.values()], self._texts("coarse", entries))) / 2  # fmt: skip
        if not vowels:
            bare = _compared(
                _skeletons(level.encode("ascii") for level in said.values()), _skeletons(self._texts("coarse", entries))
            )
            likeness = (2 * likeness + bare) / 3
        likeness = (likeness - READ_OTHERWISE * (np.arange(len(said)) > 0)[:, None]).max(axis=0)
        score = likeness - near
        best: dict[int, Alike] = {}
        for i in np.argsort(-score, kind="stable")[: 4 * limit]:
            if likeness[i] >= least:
                owner = int(self._owner[entries[i]])
                best.setdefault(owner, Alike(owner, float(likeness[i]), float(score[i])))
        return list(best.values())[:limit]

    def _texts(self, which: str, entries: Array) -> list[bytes]:
        text, at = self._blobs[which], self.arrays[f"{which}_at"]
        return [text[a:b] for a, b in zip(at[entries].tolist(), at[entries + 1].tolist(), strict=True)]

    def _shortlist(self, levels: Sequence[str], metres: Array, allowed: Array) -> tuple[Array, Array]:
        """Entries that share trigrams with `levels`, and what their distance takes away."""
        import numpy as np

        grams = set().union(*map(_grams, levels)) if levels else set()
        lists = [self._postings[self._starts[g] : self._starts[g + 1]] for g in grams]
        lists = sorted((found for found in lists if len(found)), key=len)
        votes = np.zeros(len(self._owner), dtype=np.uint8)
        read: list[Array] = []
        left = _READ
        for found in lists:
            if read and len(found) > left:
                break
            votes[found] += 1
            read.append(found)
            left -= len(found)
        if not read:
            return np.zeros(0, dtype=np.int64), np.zeros(0)
        touched = np.concatenate(read)
        least_shared = 1 if len(touched) < 4_000 else 2 if len(touched) < 40_000 else 3
        touched = np.unique(touched[votes[touched] >= least_shared]).astype(np.int64)
        if allowed is not None and len(touched):
            touched = touched[allowed(self._owner[touched])]
        share = 2 * votes[touched] / (self._length[touched] + float(min(len(read), len(_grams(levels[0])))))
        near = np.zeros(len(touched))
        if metres is not None and len(touched):
            near = FAR * np.log10(1 + metres(self._owner[touched]) / NEAR_M)
        if len(touched) > _SHORT:
            kept = np.argpartition(near - share, _SHORT)[:_SHORT]
            touched, near = touched[kept], near[kept]
        return touched, near


def _skeletons(levels: Iterable[bytes]) -> list[bytes]:
    return [_VOWELS.sub(b"a", level) for level in levels]


def _compared(said: Sequence[bytes], names: Sequence[bytes]) -> Array:
    from rapidfuzz import process
    from rapidfuzz.distance import Levenshtein

    return process.cdist(said, names, scorer=Levenshtein.normalized_similarity)


class SoundIndexBuilder:
    """Collects names and their sounds; about 15 µs and 100 bytes a sound."""

    def __init__(self) -> None:
        self._owners, self._lengths = array("i"), array("B")
        self._fine: list[str] = []
        self._coarse: list[str] = []
        self._entries, self._grams = array("i"), array("i")

    def add(self, owner: int, sound: str) -> None:
        """Files `owner` under a phoneme string."""
        level = coarse(sound)
        if len(level) < 2:
            return
        grams = _grams(level)
        self._entries.extend([len(self._owners)] * len(grams))
        self._grams.extend(grams)
        self._lengths.append(min(255, len(grams)))
        self._owners.append(owner)
        self._fine.append(sound)
        self._coarse.append(level)

    def arrays(self) -> dict[str, Array]:
        """What `SoundIndex` reads."""
        import numpy as np

        gram = np.array(self._grams, dtype=np.int32)
        order = np.argsort(gram, kind="stable")
        out = {
            "owner": np.array(self._owners, dtype=np.int32),
            "length": np.array(self._lengths, dtype=np.uint8),
            "starts": np.searchsorted(gram[order], np.arange(_GRAMS + 1)).astype(np.int32),
            "postings": np.array(self._entries, dtype=np.int32)[order],
        }
        for name, texts in (("fine", self._fine), ("coarse", self._coarse)):
            out[name] = np.frombuffer("".join(texts).encode("ascii"), dtype=np.uint8)
            out[f"{name}_at"] = np.cumsum([0, *map(len, texts)], dtype=np.int32)
        return out


def sounds_of(name: str, kana: str | None, name_en: str | None) -> list[str]:
    """The sounds a name may be said with: Japanese, without 駅 too, and English where that is another."""
    said = []
    if kana:
        said.append(phonemes(kana))
        if kana.endswith("エキ") and len(kana) > 4:
            said.append(phonemes(kana[:-2]))
            said.append(said[-1] + STATION)
    for text in (name_en, name):
        if text and is_latin(text):
            said.append(english_phonemes(text))
    return [sound for sound in dict.fromkeys(said) if len(sound) >= 2]
