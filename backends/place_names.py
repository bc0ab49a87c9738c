"""The name search over a map's places: whole, in part, and by sound.

whole    the same spelling, reading or Latin as the name's own: one row of a table
part     the name holds what was said: lists of places by bigram, the rarest first, then the names themselves
sound    where neither finds a name that begins like what was said: the names that sound most like it (`sounds.py`), of names as alike the
         nearer; and where even those sound rather different, names that share their letters (a kanji right, its reading wrong)
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

from backends.model import MatchQuality
from backends.readings import NameKeys, Readings, is_latin, reading_key, romaji_to_kana
from backends.sounds import SoundIndex, english_sounds, phonemes

SPELLING, READING, LATIN = 0, 1, 2
Array: TypeAlias = Any
"""numpy array of numbers of places"""
NAME_CAP = 400
"""a search by name ranks and counts at most so many places, the nearest ones; without a name totals are exact"""
QUALITY_RANK: dict[MatchQuality, int] = {"exact": 0, "reading": 1, "part": 2, "fuzzy": 3, "attributes": 4}

_CANDIDATES = 2_500
_FEW, _MUCH_MORE = 300, 30
"""so few candidates, or bigrams of so many times as many places, are not worth another list: the names themselves are looked at"""
_FUZZY_CUTOFF = 62.0
_LEAST_ALIKE = 0.45
_SURELY_ALIKE = 0.7
"""a name that sounds so like what was said needs no look at its letters"""
_BEHIND = 0.1
"""what is so far behind the best is noise, not a second guess"""
_SPELT_LESS = 0.8
"""letters alone count for less than the sound"""


class Named(NamedTuple):
    """A place whose name fits."""

    n: int
    quality: MatchQuality
    score: float
    order: float = 0.0
    """of places of one quality the higher comes first, before their distance counts; it counts in here"""

    @property
    def rank(self) -> float:
        """What comes before what: exact, reading, parts, sounds; 0 first."""
        return QUALITY_RANK[self.quality] + (1.5 if self.quality == "part" and self.score < 0.7 else 0.0)


class PlaceNames:
    """The name search over one connection.

    `narrow` takes numbers of places and gives those worth looking at: the ones that satisfy the query's other conditions, the nearest
    `NAME_CAP` of them. `metres` and `allowed` are for arrays of numbers: how far away (None where nobody asks), and which satisfy the conditions.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        readings: Readings,
        sounds: SoundIndex,
        narrow: Callable[[Sequence[int] | Array], list[int]],
        metres: Callable[[Any], Any] | None,
        allowed: Callable[[Any], Any] | None,
    ) -> None:
        self._db, self._readings, self._sounds, self._narrow = db, readings, sounds, narrow
        self._metres, self._allowed = metres, allowed

    def find(self, text: str) -> dict[int, Named]:
        """Places by name: exact, by reading or in part; where no name begins like that, the ones that sound most like it."""
        text = text[:200]
        keys = self._readings.name_keys(text)
        if not any(keys):
            return {}
        found: dict[int, Named] = {}
        anywhere = False
        for key, what in self._whole(text, keys):
            quality: MatchQuality = "exact" if what == SPELLING else "reading"
            rows = self._db.execute("SELECT n FROM names WHERE key = ? AND what = ?", (key, what)).fetchall()
            anywhere = anywhere or bool(rows)
            for n in self._narrow([n for (n,) in rows]):
                found.setdefault(n, Named(n, quality, 1.0 if quality == "exact" else 0.95))
        for key, what in self._in_part(text, keys):
            numbers = self._holding(key)
            parts = {n: names for n, names in self._keys_of(self._narrow(numbers)).items() if key in names[what]}
            for n, names in parts.items():
                found.setdefault(n, _part(n, key, names[what], what))
            anywhere = (
                anywhere or bool(parts) or any(key in names[what] for names in self._keys_of(numbers[:300]).values())
            )
            if len(found) >= NAME_CAP // 2:
                break
        if any(named.rank < 3 for named in found.values()) or (anywhere and not found):
            return found
        for named in self._alike(text, keys):
            found.setdefault(named.n, named)
        return found

    def _whole(self, text: str, keys: NameKeys) -> Iterator[tuple[str, int]]:
        yield keys.folded, SPELLING
        if is_latin(text):
            yield keys.latin, LATIN
            kana = romaji_to_kana(text)
            if kana:
                yield reading_key(kana), READING
        elif keys.reading:
            yield keys.reading, READING

    def _in_part(self, text: str, keys: NameKeys) -> Iterator[tuple[str, int]]:
        if keys.folded:
            yield keys.folded, SPELLING
        if len(keys.reading) >= 3 and keys.reading != keys.folded:
            yield keys.reading, READING
        if len(keys.latin) >= 5 and is_latin(text):
            # What is said in kana or kanji has been looked for by its reading.
            yield keys.latin, LATIN

    def _holding(self, key: str) -> Array:
        """Numbers of places among whose keys are those bigrams: a few more than hold the key itself."""
        import numpy as np

        if len(key) == 1:
            rows = self._db.execute(
                "SELECT DISTINCT n FROM names WHERE key >= ? AND key < ? LIMIT ?",
                (key, key + "\U0010ffff", _CANDIDATES),
            )
            return np.array([n for (n,) in rows], dtype=np.int64)
        of_key = bigrams(key)
        counts = self._counts(of_key)
        if len(counts) < len(of_key):
            return np.zeros(0, dtype=np.int64)
        found = self._numbers(counts[0][0])
        for gram, places in counts[1:]:
            if len(found) <= _FEW or places > _MUCH_MORE * len(found):
                break
            more = self._numbers(gram)
            found = found[more[np.searchsorted(more, found).clip(max=len(more) - 1)] == found]
        return found

    def _counts(self, of: Iterable[str]) -> list[tuple[str, int]]:
        """The bigrams that occur at all, rarest first."""
        listed = sorted(of)[:400]
        return self._db.execute(
            f"SELECT gram, places FROM grams WHERE gram IN ({','.join('?' * len(listed))}) ORDER BY places, gram",
            listed,
        ).fetchall()

    def _numbers(self, gram: str) -> Array:
        """The places that have a bigram, in rising order."""
        import numpy as np

        (data,) = self._db.execute("SELECT numbers FROM grams WHERE gram = ?", (gram,)).fetchone()
        return np.frombuffer(data, dtype=np.int32)

    def _keys_of(self, numbers: Sequence[int]) -> dict[int, tuple[str, str, str]]:
        listed = ",".join(str(int(n)) for n in numbers)
        rows = self._db.execute(f"SELECT n, folded, reading, latin FROM keys WHERE n IN ({listed})")
        return {n: (folded, reading, latin) for n, folded, reading, latin in rows}

    # --- by sound ---

    def _alike(self, text: str, keys: NameKeys) -> list[Named]:
        sounds = english_sounds(text) if is_latin(text) else [phonemes(r) for r in self._readings.spoken(text)]
        alike = self._sounds.alike(
            sounds, metres=self._metres, allowed=self._allowed, limit=50, least=_LEAST_ALIKE, vowels=not is_latin(text)
        )  # fmt: skip
        out = [Named(a.owner, "fuzzy", round(a.likeness * 0.9, 4), a.score) for a in alike]
        if not alike or alike[0].likeness < _SURELY_ALIKE:
            known = {named.n for named in out}
            out += [named for named in self._spelt_alike(keys) if named.n not in known]
        best = max((named.order for named in out), default=0.0)
        return [named for named in out if named.order >= best - _BEHIND]

    def _spelt_alike(self, keys: NameKeys) -> list[Named]:
        """Names that share the query's rarest bigrams, ranked by edit distance of the spelling."""
        import numpy as np
        from rapidfuzz import fuzz

        read: list[Array] = []
        budget = _CANDIDATES
        for gram, places in self._counts(bigrams(keys.folded)):
            if read and places > budget:
                break
            read.append(self._numbers(gram)[:budget])
            budget -= places
        if not read:
            return []
        numbers, votes = np.unique(np.concatenate(read), return_counts=True)
        short = self._narrow(numbers[np.argsort(-votes, kind="stable")[:150]])
        scores = {n: fuzz.ratio(keys.folded, folded) for n, (folded, _, _) in self._keys_of(short).items()}
        return [
            Named(n, "fuzzy", round(score / 100 * 0.85, 4), score / 100 * _SPELT_LESS)
            for n, score in scores.items()
            if score >= _FUZZY_CUTOFF
        ]


def _part(n: int, key: str, name: str, what: int) -> Named:
    # A name that begins like this is likelier meant than one that has it somewhere.
    score = 0.6 + 0.2 * len(key) / len(name) + (0.1 if name.startswith(key) else 0.0) - 0.02 * what
    return Named(n, "part", score)


def bigrams(key: str) -> set[str]:
    """The bigrams of a key; of a single letter itself."""
    return {key[i : i + 2] for i in range(len(key) - 1)} or ({key} if key else set())


def quoted(gram: str) -> str:
    """A string of FTS5's query language that can only be a string."""
    return '"' + gram.replace('"', '""') + '"'
