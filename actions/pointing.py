"""Which of the places just read out a message points at: by number, name, part of town, figure, quality, or by what it is not.

Understanding reads a sentence without the list in view, so 「井筒ってとこ」, "the one that isn't Gracia" or 「空いてて近いほう」 mean little to
it. Here the places are in view. A message is taken apart into what is refused and what is wished; each description picks some of
the places; what all of them leave is meant, if that is one. A wish that a whole new search could serve as well (「駐車場のあるところ」) is no
choice unless the words take one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import yaml

from actions.skill import Entity
from backends.model import Language, Place, PlaceHit

SHORTEST_KANA, SHORTEST = 3, 2
"""letters of a name that must be said; kana alone are many words' beginning"""
ALIKE_EN = 4
"""letters two English words must have in common from the first on"""
NEAR_FIGURE = 0.12
"""so far a figure said may be from the one read out, as a share"""
_KANA_ONLY = re.compile(r"[ぁ-んー]+")
_KATAKANA_WORD = re.compile(r"(?<![ァ-ヶー])[ァ-ヶー]{2,}(?![ァ-ヶー])")
_LATIN = re.compile(r"[a-z0-9]+(?:'[a-z]+)?")
_WORDS_EN: Final = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11,
    "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19,
    "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "a hundred": 100, "two hundred": 200, "three hundred": 300,
    "four hundred": 400, "five hundred": 500, "six hundred": 600, "seven hundred": 700, "eight hundred": 800, "zero": 0,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pointing:
    """What a message points at."""

    index: int
    """of the places, from 0"""
    plain: bool
    """by number, name, figure or refusal: words that mean nothing but one of these"""
    taken: bool
    """with words that take it"""
    named: bool = False
    """words of its name are said"""


@dataclass(frozen=True, slots=True)
class _Said:
    """Places that fit a part of a message."""

    fitting: frozenset[int]
    plain: bool
    named: bool = False


@dataclass(frozen=True)
class _Words:
    ordinals: tuple[tuple[int | None, re.Pattern[str]], ...]
    rest: re.Pattern[str]
    refused: tuple[re.Pattern[str], ...]
    taking: re.Pattern[str]
    taking_best: re.Pattern[str]
    most: re.Pattern[str]
    qualities: tuple[tuple[str, str, re.Pattern[str]], ...]
    filters: tuple[tuple[str, Any, re.Pattern[str]], ...]
    figures: tuple[tuple[str, float, re.Pattern[str]], ...]
    generic: frozenset[str]


@lru_cache(maxsize=1)
def _data() -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(Path(__file__).with_suffix(".yml").read_text(encoding="utf-8"))
    return data


@lru_cache(maxsize=2)
def _words(language: Language) -> _Words:
    data = _data()
    numbers = "|".join(sorted(_WORDS_EN, key=len, reverse=True))
    digit = "(?:zero|one|two|three|four|five|six|seven|eight|nine)"

    def compiled(pattern: str) -> re.Pattern[str]:
        return re.compile(pattern.replace("{words}", numbers).replace("{digit}", digit))

    return _Words(
        tuple((row.get("index"), compiled(row["pattern"])) for row in data["ordinals"][language]),
        compiled(data["rest"][language]),
        tuple(compiled(p) for p in data["refused"][language]),
        compiled(data["taking"][language]),
        compiled(data["taking_best"][language]),
        compiled(data["most"][language]),
        tuple((row["by"], row["order"], compiled(row["pattern"])) for row in data["qualities"][language]),
        tuple((row["has"], row.get("value"), compiled(row["pattern"])) for row in data["filters"][language]),
        tuple((row["of"], float(row["unit"]), compiled(row["pattern"])) for row in data["figures"][language]),
        frozenset(folded(word) for word in data["generic"][language]),
    )


def folded(text: str) -> str:
    """Small letters, katakana as hiragana, one letter for one where that is possible: positions stay."""
    out = []
    for character in text:
        plain = unicodedata.normalize("NFKC", character).lower()
        plain = plain if len(plain) == 1 else character
        code = ord(plain)
        plain = chr(code - 0x60) if 0x30A1 <= code <= 0x30F6 else plain
        out.append({"ゖ": "け", "ゕ": "か"}.get(plain, plain))
    return "".join(out)


def point(
    text: str, language: Language, hits: Sequence[PlaceHit], entities: Iterable[Entity] = (), sought: Iterable[str] = ()
) -> Pointing | None:
    """The place meant, None when the message points at none of `hits`, or at several. `sought`: kinds and genres of the search
    under way; their words alone point at nothing."""
    if len(hits) < 2:
        return None
    words = _words(language)
    entities = tuple(entities)
    plain_text = folded(text)
    everything = frozenset(range(len(hits)))
    refusals = [m.span("said") for pattern in words.refused for m in pattern.finditer(plain_text)]
    left, refused = everything, False
    for start, end in refusals:
        part = _Part(text, plain_text, start, end, language, hits, entities, frozenset(sought))
        for said in part.all():
            if said.fitting != everything:
                left, refused = left - said.fitting, True
    kept = _without(text, refusals)
    part = _Part(kept, folded(kept), 0, len(kept), language, hits, entities, frozenset(sought))
    taken = words.taking.search(plain_text) is not None
    return _meant(part, left, refused, taken, words)


def _meant(part: _Part, left: frozenset[int], refused: bool, taken: bool, words: _Words) -> Pointing | None:
    ordinals = part.ordinals()
    if ordinals:
        last = ordinals[-1]
        return Pointing(last, True, True)
    plain, named = refused, False
    for said in part.described():
        if both := left & said.fitting:
            plain = plain or (said.plain and both != left)
            named = named or (said.named and both != left)
            left = both
    if len(left) == 1 and (plain or left != frozenset(range(len(part.hits)))):
        return Pointing(
            next(iter(left)), plain, taken or (refused and words.rest.search(part.folded) is not None), named
        )
    if qualities := part.qualities():
        best = _best(part.hits, left, *qualities)
        if best is not None:
            best_taken = words.most.search(part.folded) and words.taking_best.search(part.folded)
            return Pointing(best, plain, taken or bool(best_taken), named)
    return None


def _without(text: str, spans: Iterable[tuple[int, int]]) -> str:
    letters = list(text)
    for start, end in spans:
        letters[start:end] = " " * (end - start)
    return "".join(letters)


@dataclass(frozen=True)
class _Part:
    """A stretch of a message, with the places in view."""

    text: str
    whole: str
    start: int
    end: int
    language: Language
    hits: Sequence[PlaceHit]
    entities: tuple[Entity, ...]
    sought: frozenset[str]

    @property
    def folded(self) -> str:
        return self.whole[self.start : self.end]

    def all(self) -> Iterator[_Said]:
        """Everything the stretch fits: for what is refused."""
        for index in self.ordinals():
            yield _Said(frozenset({index}), True)
        yield from self.described()
        for by, order in self.qualities():
            best = _best(self.hits, frozenset(range(len(self.hits))), (by, order))
            if best is not None:
                yield _Said(frozenset({best}), False)

    def ordinals(self) -> list[int]:
        """Indices of the places numbered, in the order said."""
        found: list[tuple[int, int]] = []
        count = len(self.hits)
        numerals = _data()["numerals"]
        for index, pattern in _words(self.language).ordinals:
            for match in pattern.finditer(self.folded):
                if index is None:
                    said = match["n"]
                    number = int(said) if said.isdigit() else int(numerals[said])
                elif index == 0:
                    number = (count + 1) // 2 if count % 2 else 2
                else:
                    number = index
                position = number - 1 if number > 0 else count + number
                if 0 <= position < count:
                    found.append((match.start(), position))
        return [position for _, position in sorted(found)]

    def described(self) -> Iterator[_Said]:
        """Names, parts of town, figures and what a place has."""
        yield from self._names()
        yield from self._towns()
        yield from self._figures()
        yield from self._filters()

    def qualities(self) -> list[tuple[str, str]]:
        """What the best is wished of, in the order said."""
        found = []
        for rank, (by, order, pattern) in enumerate(_words(self.language).qualities):
            if match := pattern.search(self.folded):
                found.append((match.start(), rank, match.end(), by, order))
        kept: list[tuple[str, str]] = []
        read_to = 0
        for start, _, end, by, order in sorted(found):
            # 「評価の高い」 is no price: what stands within a match read already is none of its own.
            if start >= read_to:
                kept.append((by, order))
                read_to = end
        return kept

    # ── names ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _names(self) -> Iterator[_Said]:
        covered = [self._covered(hit.place) for hit in self.hits]
        strong = [length for length, generic in covered if not generic]
        if strong and max(strong) > 0:
            best = max(strong)
            fitting = frozenset(i for i, (length, generic) in enumerate(covered) if not generic and length == best)
            if len(fitting) < len(self.hits):
                yield _Said(fitting, not self._named_by_kind, True)

    @property
    def _named_by_kind(self) -> bool:
        """Whether a kind of place is said, other than the one looked for: coffee, pizza. A word of a name that may be a wish."""
        return any(
            self._inside(e) and str(e.value) not in self.sought for e in self.entities if e.type in ("genre", "kind")
        )

    def _covered(self, place: Place) -> tuple[int, bool]:
        """How many letters of the stretch belong to the name, and whether they are only words for what it is."""
        if self.language == "en" or not re.search(r"[ぁ-ん一-鿿]", self.folded):
            return self._covered_en(place)
        rest, total = self._squeezed(), 0
        names = [n for n in (place.name, place.name_kana) if n]
        while True:
            piece = max((_common(rest, _squeeze(folded(name)), self._generic()) for name in names), key=len, default="")
            if not piece:
                break
            total += len(piece)
            rest = rest.replace(piece, "\n", 1)
        if not total:
            # A short word in katakana counts when it stands for itself: スパ.
            said = set(_KATAKANA_WORD.findall(self.text[self.start : self.end]))
            total = sum(len(word) for word in said & set(_KATAKANA_WORD.findall(place.name)))
        if not total:
            total = max((len(g) for g in self._genre_words() if _alike_latin(g, place)), default=0)
        return total, total == 0

    def _squeezed(self) -> str:
        return _squeeze(self.folded)

    def _generic(self) -> frozenset[str]:
        return _words("ja").generic

    def _genre_words(self) -> list[str]:
        """Words of the ids of genres said that are not what is searched anyway."""
        return [
            word
            for e in self.entities
            if e.type in ("genre", "kind") and str(e.value) not in self.sought and self._inside(e)
            for word in str(e.value).split("_")
        ]

    def _covered_en(self, place: Place) -> tuple[int, bool]:
        generic = _words("en").generic
        name = [w for w in _LATIN.findall(folded(place.name_en or "").replace("-", " ")) if w not in generic]
        said = [w for w in _LATIN.findall(self.folded.replace("-", " ")) if w not in generic]
        total = 0
        for word in said:
            bare = word.removesuffix("'s")
            if any(_alike(bare, n) for n in name):
                total += len(bare)
        if not total:
            total = max((len(g) for g in self._genre_words() if _alike_latin(g, place)), default=0)
        return total, total == 0

    # ── parts of town, figures, what a place has ────────────────────────────────────────────────────────────────────

    def _inside(self, entity: Entity) -> bool:
        """Whether the entity's words stand in this stretch."""
        return bool(entity.text) and folded(entity.text).strip() in self.folded

    def _towns(self) -> Iterator[_Said]:
        for entity in self.entities:
            if entity.type not in ("area", "city", "station", "prefecture") or not self._inside(entity):
                continue
            said = folded(str(entity.value)).rstrip("駅市区町村")
            fitting = frozenset(i for i, hit in enumerate(self.hits) if said and said in _where(hit.place))
            if fitting and len(fitting) < len(self.hits):
                yield _Said(fitting, False)

    def _figures(self) -> Iterator[_Said]:
        for of, unit, pattern in _words(self.language).figures:
            for match in pattern.finditer(self.folded):
                value = _number(match["x"]) * unit
                figures = [figure(hit, of) for hit in self.hits]
                near = [
                    (abs(f - value), i)
                    for i, f in enumerate(figures)
                    if f is not None and abs(f - value) <= max(NEAR_FIGURE * f, 0.01 if of == "rating" else 60)
                ]
                if near:
                    nearest = min(near)[0]
                    yield _Said(frozenset(i for distance, i in near if distance <= nearest + 1e-6), True)

    def _filters(self) -> Iterator[_Said]:
        seen: set[str] = set()
        for what, value, pattern in _words(self.language).filters:
            if what in seen or not pattern.search(self.folded):
                continue
            seen.add(what)
            fitting = frozenset(i for i, hit in enumerate(self.hits) if _has(hit.place, what, value))
            if what == "parking" and value == "any" and len(fitting) == len(self.hits):
                continue
            if fitting and len(fitting) < len(self.hits):
                yield _Said(fitting, False)


_BETWEEN_KANJI = re.compile(r"(?<=[一-鿿])[っつけ](?=[一-鿿])")


def _squeeze(text: str) -> str:
    """Without what is written or left out as one likes: 四ツ谷 and 四谷."""
    return _BETWEEN_KANJI.sub("", "".join(text.split()).replace("・", ""))


def _common(said: str, name: str, generic: frozenset[str]) -> str:
    """The longest stretch both have, long enough to point at something."""
    for length in range(min(len(said), len(name)), SHORTEST - 1, -1):
        for start in range(len(name) - length + 1):
            piece = name[start : start + length]
            if piece not in said or piece in generic or "\n" in piece:
                continue
            if _KANA_ONLY.fullmatch(piece) and length < SHORTEST_KANA:
                continue
            if any(piece in word for word in generic):
                continue
            return piece
    return ""


def _alike(said: str, word: str) -> bool:
    """Whether an English word said is (nearly) a word of a name: pizza, pizzeria."""
    if len(said) < 3:
        return False
    if said == word:
        return True
    common = 0
    for a, b in zip(said, word, strict=False):
        if a != b:
            break
        common += 1
    return common >= ALIKE_EN and common >= 0.7 * min(len(said), len(word))


def _alike_latin(said: str, place: Place) -> bool:
    return any(_alike(said, w) for w in _LATIN.findall(folded(place.name_en or "")))


def _where(place: Place) -> str:
    return folded(" ".join(p for p in (place.name, place.city, place.address, place.nearest_station) if p))


def _number(said: str) -> float:
    if " point " in said:
        whole, part = said.split(" point ")
        return _WORDS_EN[whole] + _WORDS_EN[part] / 10
    return float(_WORDS_EN[said]) if said in _WORDS_EN else float(said)


def figure(hit: PlaceHit, of: str) -> float | None:
    """What places are compared by, in metres, stars, kilowatts or yen; None where it is not known."""
    place = hit.place
    match of:
        case "distance":
            return hit.distance_m if hit.detour_m is None else hit.detour_m
        case "rating":
            return place.rating
        case "charging":
            return place.charging_kw
        case "parking_fee":
            fee = place.parking
            return None if fee is None else 0.0 if fee.fee == "free" else float(fee.fee_yen_per_hour or 500)
        case "price":
            if place.kind == "parking":
                return figure(hit, "parking_fee")
            if place.budget_yen is not None:
                return float(place.budget_yen)
            return {"low": 1500.0, "middle": 3000.0, "high": 4500.0}.get(place.price or "")
    return None


def _has(place: Place, what: str, value: Any) -> bool:
    match what:
        case "parking":
            if value == "none":
                return place.has_parking is False
            if place.parking is None:
                return bool(place.has_parking) and value == "any"
            return bool(value == "any" or place.parking.fee == value)
        case "full" | "vacant":
            state = place.parking.vacancy if place.parking else None
            return state is not None and (state == "full") == (what == "full")
        case "middle":
            return place.price == "middle"
    return False


def _best(hits: Sequence[PlaceHit], among: Iterable[int], *qualities: tuple[str, str]) -> int | None:
    """The best by a quality; by several the one whose places in their orders add up to least (「安くて評価も高い」)."""
    among = sorted(among)
    sums = dict.fromkeys(among, 0)
    known = False
    for by, order in qualities:
        sign = -1.0 if order == "desc" else 1.0
        figures = {i: sign * found for i in among if (found := figure(hits[i], by)) is not None}
        known = known or bool(figures)
        for i in among:
            # What is not known of a place counts as worse than all that is.
            sums[i] += sum(f < figures[i] for f in figures.values()) if i in figures else len(among)
    return min(among, key=lambda i: (sums[i], i)) if known and among else None
