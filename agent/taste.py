"""What a driver likes: learnt from places chosen and passed over, with a reason in words, and something new now and then.

Every trait of a place (genre, price, near or far, rating) at a time of day has counts of how often it was chosen and how often
passed over; a place's score is the sum of its traits' log-odds against the driver's own average. A driver nobody knows gets the
usual order.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from agent.errors import AgentError
from backends.errors import BackendUnavailable
from backends.model import Place, PlaceHit

log = logging.getLogger(__name__)

PRIOR = 2.0
"""choices' worth of belief that a trait does not matter"""
FADE = 0.995
"""what is left of a count one choice later"""
EXPLORE_EVERY = 3
"""lists: one in so many holds something new"""
WEIGHT = 1.0
POSITION = 0.25
"""what a place in the search's own order counts against taste, per rank"""
KNOWN = 0.2
"""a liking nearer to nothing than this is not spoken of"""
REASONS = ("again", "genre", "price", "near", "rating", "new")


@dataclass(frozen=True, slots=True)
class Suggestion:
    hit: PlaceHit
    score: float
    reason: str | None
    """one of `REASONS` (sentence `taste.why_…`)"""
    reason_value: str = ""
    """the genre"""


@dataclass
class Taste:
    """One driver's taste."""

    traits: dict[str, list[float]] = field(default_factory=dict)
    """trait → [chosen, passed over]"""
    never: list[str] = field(default_factory=list)
    """place ids not to be suggested again"""
    chosen: dict[str, float] = field(default_factory=dict)
    """place id → times chosen"""
    lists: int = 0
    """shown since the start"""

    # ── learning ────────────────────────────────────────────────────────────────────────────────────────────────

    def note(
        self, chosen: PlaceHit | None, passed: Iterable[PlaceHit] = (), *, hour: int, company: bool = False
    ) -> None:
        """One choice: what was taken, and what was offered beside it."""
        for counts in self.traits.values():
            counts[0] *= FADE
            counts[1] *= FADE
        if chosen is not None:
            self._count(chosen, 0, 1.0, hour, company)
            self.chosen[chosen.place.id] = self.chosen.get(chosen.place.id, 0.0) + 1.0
        for hit in passed:
            if chosen is None or hit.place.id != chosen.place.id:
                self._count(hit, 1, 0.5, hour, company)

    def reject(self, hit: PlaceHit, *, hour: int, company: bool = False) -> None:
        """「その店はもういい」: not again, and its traits a little less."""
        if hit.place.id not in self.never:
            self.never.append(hit.place.id)
        self._count(hit, 1, 1.0, hour, company)

    def forget(self, what: str) -> bool:
        """Erases a trait ("genre:ramen", "ramen") or a place id; whether there was one."""
        known_as = (what, f"genre:{what}")
        names = [t for t in self.traits if t in known_as or t.split("@")[0] in known_as or t.split(":")[-1] == what]
        for name in names:
            del self.traits[name]
        known = what in self.chosen or what in self.never
        self.chosen.pop(what, None)
        self.never = [place for place in self.never if place != what]
        return bool(names) or known

    def _count(self, hit: PlaceHit, column: int, weight: float, hour: int, company: bool) -> None:
        for trait in traits_of(hit, hour, company):
            self.traits.setdefault(trait, [0.0, 0.0])[column] += weight

    # ── using ───────────────────────────────────────────────────────────────────────────────────────────────────

    def rank(self, hits: Sequence[PlaceHit], *, hour: int, company: bool = False, page: int = 3) -> list[Suggestion]:
        """All of them for this driver, best first. On every third list the last of the first page is something the driver does
        not know yet."""
        hits = [hit for hit in hits if hit.place.id not in self.never]
        scored = sorted(
            (self._suggest(hit, rank, hour, company) for rank, hit in enumerate(hits)), key=lambda s: -s.score
        )
        self.lists += 1
        if not self.traits or self.lists % EXPLORE_EVERY or len(scored) <= page:
            return scored
        known = {t.split("@")[0] for t in self.traits}
        for n in range(page, len(scored)):
            if not {f"genre:{genre}" for genre in scored[n].hit.place.genres} & known:
                fresh = scored.pop(n)
                scored.insert(page - 1, Suggestion(fresh.hit, fresh.score, "new"))
                break
        return scored

    def _suggest(self, hit: PlaceHit, rank: int, hour: int, company: bool) -> Suggestion:
        parts = {trait: self.odds(trait) for trait in traits_of(hit, hour, company)}
        again = 0.3 * math.log1p(self.chosen.get(hit.place.id, 0.0))
        score = WEIGHT * sum(parts.values()) + again - POSITION * rank
        best = max(parts.items(), key=lambda item: item[1], default=("", 0.0))
        if again > max(0.2, best[1]):
            return Suggestion(hit, score, "again")
        if best[1] < 0.15:
            return Suggestion(hit, score, None)
        kind, _, value = best[0].split("@")[0].partition(":")
        return Suggestion(hit, score, {"far": None}.get(kind, kind), value if kind == "genre" else "")

    def odds(self, trait: str) -> float:
        """Log-odds of choosing something with this trait against the driver's average."""
        counts = self.traits.get(trait)
        if counts is None:
            return 0.0
        chosen = sum(c for t, (c, _) in self.traits.items() if t.split(":")[0] == trait.split(":")[0])
        passed = sum(p for t, (_, p) in self.traits.items() if t.split(":")[0] == trait.split(":")[0])
        average = (chosen + 1) / (chosen + passed + 2)
        mine = (counts[0] + PRIOR * average) / (counts[0] + counts[1] + PRIOR)
        return math.log(mine / (1 - mine)) - math.log(average / (1 - average))

    def likings(self) -> dict[str, float]:
        """Trait without its hour ("genre:ramen", "price:low") → −1 … 1, what is hardly known left out."""
        base: dict[str, list[float]] = {}
        for trait, counts in self.traits.items():
            sums = base.setdefault(trait.split("@")[0], [0.0, 0.0])
            sums[0] += counts[0]
            sums[1] += counts[1]
        out = {}
        for trait, (chosen, passed) in base.items():
            alike = [counts for other, counts in base.items() if other.partition(":")[0] == trait.partition(":")[0]]
            average = (sum(c for c, _ in alike) + 1) / (sum(c + p for c, p in alike) + 2)
            mine = (chosen + PRIOR * average) / (chosen + passed + PRIOR)
            # Chosen again and again is liked, whatever else is; where there is nothing beside it, the count alone tells.
            liking = math.tanh(math.log(mine / (1 - mine)) + 0.5 * math.log1p(chosen) - 0.5 * math.log1p(passed))
            if abs(liking) >= KNOWN and chosen + passed >= 1:
                out[trait] = liking
        return out

    def unnote(self, hit: PlaceHit) -> bool:
        """Takes back that a place was chosen, as far as it still counts; whether anything was known of it."""
        times = self.chosen.get(hit.place.id, 0.0)
        known = self.forget(hit.place.id)
        for base in {trait.split("@")[0] for trait in traits_of(hit, 12, False)}:
            left = times
            for trait in [t for t in self.traits if t.split("@")[0] == base]:
                counts = self.traits[trait]
                taken = min(left, counts[0])
                counts[0], left = counts[0] - taken, left - taken
                if max(counts) < 1e-6:
                    del self.traits[trait]
        return known

    def liked_genres(self, most: int = 3) -> tuple[str, ...]:
        rows: dict[str, float] = {}
        for trait, (chosen, passed) in self.traits.items():
            kind, _, value = trait.split("@")[0].partition(":")
            if kind == "genre" and chosen > passed:
                rows[value] = rows.get(value, 0.0) + chosen - passed
        return tuple(sorted(rows, key=lambda g: -rows[g]))[:most]

    # ── keeping ─────────────────────────────────────────────────────────────────────────────────────────────────

    def to_json(self) -> dict[str, Any]:
        return {
            "traits": {t: [round(c, 3), round(p, 3)] for t, (c, p) in self.traits.items()},
            "never": list(self.never),
            "chosen": self.chosen,
        }

    @classmethod
    def restore(cls, data: Any) -> Taste:
        """Takes back what `to_json` gave; anything else is a fresh taste."""
        if not isinstance(data, Mapping):
            return cls()
        try:
            return cls(
                {str(t): [float(c), float(p)] for t, (c, p) in data["traits"].items()},
                [str(p) for p in data["never"]],
                {str(k): float(v) for k, v in data["chosen"].items()},
            )
        except (AttributeError, KeyError, TypeError, ValueError):
            return cls()


def traits_of(hit: PlaceHit, hour: int, company: bool) -> list[str]:
    """What a place is, for taste: "genre:ramen@noon", "price:low@alone", "near:2", "rating:high"."""
    place: Place = hit.place
    part = "noon" if 10 <= hour < 15 else "evening" if 17 <= hour < 23 else "other"
    out = [f"genre:{genre}@{part}" for genre in place.genres]
    if place.price is not None:
        out.append(f"price:{place.price}@{'company' if company else 'alone'}")
    if hit.distance_m is not None:
        out.append("near:near" if hit.distance_m < 1500 else "far:far")
    if place.rating is not None and place.rating >= 4:
        out.append("rating:high")
    return out


class Cupboard(Protocol):
    """Where tastes are kept (`agent.prediction.store.History`)."""

    def get(self, driver: str, key: str) -> Any: ...

    def put(self, driver: str, key: str, value: Any) -> None: ...

    def pack(self) -> None: ...


class KeptTaste:
    """The `Preferences` port on what is kept of each driver. A guest's choices, and a paused driver's, are not noted."""

    def __init__(
        self, cupboard: Cupboard, learns: Callable[[str], bool], known: Callable[[str], bool] | None = None
    ) -> None:
        """`learns`: whether something may be noted of a driver; `known`: whether it is one of the drivers, learning or not."""
        self._cupboard, self._learns, self._known = cupboard, learns, known or learns
        self._lists: dict[str, int] = {}

    def order(
        self, driver: str, hits: Sequence[PlaceHit], at: datetime
    ) -> tuple[tuple[PlaceHit, ...], tuple[str, str] | None]:
        try:
            taste = self._taste(driver)
            taste.lists = self._lists.get(driver, 0)
            ranked = taste.rank(hits, hour=at.hour)
            self._lists[driver] = taste.lists
        except AgentError as error:
            log.warning("taste cannot be read: %s", error)
            return tuple(hits), None
        ordered = tuple(s.hit for s in ranked)
        first = ranked[0] if ranked else None
        moved = first is not None and bool(hits) and first.hit is not hits[0] and first.reason is not None
        return ordered, (first.reason or "", first.reason_value) if first is not None and moved else None

    def note(self, driver: str, chosen: PlaceHit | None, passed: Sequence[PlaceHit], at: datetime) -> None:
        try:
            if not self._learns(driver):
                return
            taste = self._taste(driver)
            taste.note(chosen, passed, hour=at.hour)
            self._cupboard.put(driver, "taste", taste.to_json())
        except AgentError as error:
            log.warning("a choice could not be noted: %s", error)

    def never(self, driver: str) -> frozenset[str]:
        try:
            return frozenset(self._taste(driver).never)
        except AgentError as error:
            log.warning("taste cannot be read: %s", error)
            return frozenset()

    def reject(self, driver: str, hit: PlaceHit, at: datetime) -> bool:
        """Raises `BackendUnavailable`: what the driver wishes and cannot be kept is said, not swallowed."""
        if not self._known(driver):
            return False
        with _unavailable():
            taste = self._taste(driver)
            taste.reject(hit, hour=at.hour)
            self._cupboard.put(driver, "taste", taste.to_json())
        return True

    def forget(self, driver: str, what: str, hit: PlaceHit | None = None) -> bool | None:
        """Gone from the file as well. Raises `BackendUnavailable`."""
        if not self._known(driver):
            return None
        with _unavailable():
            taste = self._taste(driver)
            known = bool(taste.traits or taste.never or taste.chosen)
            if not what:
                taste = Taste()
            else:
                known = taste.unnote(hit) if hit is not None else taste.forget(what)
            if known:
                self._cupboard.put(driver, "taste", taste.to_json())
                self._cupboard.pack()
        return known

    def _taste(self, driver: str) -> Taste:
        return Taste.restore(self._cupboard.get(driver, "taste"))


@contextmanager
def _unavailable() -> Iterator[None]:
    try:
        yield
    except AgentError as error:
        raise BackendUnavailable("memory", error.code) from error
