"""Where to? A Bayesian answer from one driver's own drives.

    p(place | now) ∝ habit(place) × alive(place) × road(path so far | place)

- *habit*: counts of earlier drives, fading with age, in contexts from wide to narrow (expectation.py).
- *alive*: a place that was likely several times and was not driven to has been given up (Bayes' rule on "the habit has ended"),
  and the place gone to instead takes over its role. This is what copes with moving house and new jobs within days, where
  fading alone takes weeks.
- *road*: how well the path so far leads there (roads.py).

Which view of habit and which witness of the road is believed, and how a probability is to be read (calibration.py), the
driver's own record decides, drive by drive.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agent.prediction.calibration import Calibration
from agent.prediction.expectation import BELIEF, VIEWS, Contexts, Living, nights, views
from agent.prediction.geometry import Vector, distances
from agent.prediction.habits import Habits, Moment
from agent.prediction.model import Guess, Prediction, ReasonKey, Situation, Trip
from agent.prediction.places import JOIN_M, PlaceBook
from agent.prediction.roads import witnesses
from agent.prediction.tuning import Tuning

ON_THE_WAY = 0.25
"""share of a drive after which the guess is scored"""
HIT_M = 1.25 * JOIN_M
STRANGE_M = 500.0
"""farther from every learnt place, the car stands somewhere new"""
ROAD_TELLS_M = 500.0
EXPECTED = 0.3
"""from this chance on, going elsewhere tells who may have taken over"""


class Predictor:
    """Learns one driver's drives as they come, oldest first. Not thread-safe."""

    def __init__(self, tuning: Tuning | None = None) -> None:
        self.tuning = tuning or Tuning()
        self.places = PlaceBook()
        self.habits = Habits()
        self.calibration = Calibration()
        self.trust = np.zeros(VIEWS)
        """record of the views of habit, in log-likelihood"""
        self.road_trust = np.zeros(2)
        """record of the witnesses of the road (direction, earlier roads)"""

    # ── learning ────────────────────────────────────────────────────────────────────────────────────────────────

    def learn(self, trip: Trip) -> int:
        """Takes a finished drive in; returns the id of the place it ended at."""
        before = self._weigh(Situation(trip.start, trip.track[:1]))
        under_way = self._weigh(Situation(trip.start, trip.track[: max(1, int(len(trip.track) * ON_THE_WAY))]))
        faithful = self._faithful(before)
        origin, _ = self.places.stop(*map(float, trip.track[0]), arrived=False)
        destination, first = self.places.stop(*map(float, trip.track[-1]), arrived=True)
        if before is not None and under_way is not None:
            self._score(trip, before, under_way)
            self._judge(-1 if first else destination, before, under_way)
            self._doubt(faithful, destination)
        self.habits.add(trip, origin, destination, first)
        return destination

    def _score(self, trip: Trip, *stages: _Weights) -> None:
        """How the guesses for this drive did: what calibrates the next ones."""
        for stage, weights in enumerate(stages):
            if len(weights.ranked):
                best = self.places.places[weights.ranked[0]]
                hit = distances(trip.track[-1:], best.latitude, best.longitude)[0] <= HIT_M
                self.calibration.learn(stage, float(weights.p[0]), bool(hit))

    def _judge(self, outcome: int, before: _Weights, under_way: _Weights) -> None:
        """Which views and witnesses saw it coming. `outcome`: place id, −1 for a new place."""
        if outcome >= before.views.shape[1] - 1:
            outcome = -1
        forget = self.tuning.forget
        self.trust = forget * self.trust + np.log(np.maximum(before.views[:, outcome], 1e-3))
        if outcome >= 0 and under_way.seen:
            self.road_trust = forget * self.road_trust + np.log(np.maximum(under_way.witnesses[:, outcome], 1e-2))

    def _faithful(self, weights: _Weights | None) -> Vector:
        """Chance of each place as if no habit ever ended."""
        if weights is None:
            return np.zeros(0)
        count = len(self.places)
        contexts = Contexts.of(self.habits, weights.now, weights.here, np.zeros(count), self.tuning)
        every = views(
            self.habits, count, contexts, Living(np.ones(count)), weights.now, weights.away, self.tuning
        )  # fmt: skip
        out: Vector = (_share(BELIEF + self.trust) @ every)[:-1]
        return out

    def _doubt(self, faithful: Vector, destination: int) -> None:
        """`faithful`: chances the places had as if no habit ever ended."""
        for place in np.flatnonzero(faithful > 0.02):
            known = self.places.places[place]
            known.doubt -= float(np.log1p(-min(0.9, faithful[place])))
            if faithful[place] > EXPECTED:
                known.heirs[destination] = known.heirs.get(destination, 0.0) + float(faithful[place])
        self.places.places[destination].doubt = 0.0
        self.places.places[destination].heirs.clear()

    def _living(self) -> Living:
        places = self.places.places
        doubt = np.minimum(50.0, np.array([place.doubt for place in places]))
        alive = 1 / (1 + self.tuning.given_up * np.expm1(doubt))
        heirs = []
        for place in places:
            if alive[place.id] < 0.9 and place.heirs:
                total = sum(place.heirs.values()) + 1.0
                heirs += [(place.id, heir, weight / total) for heir, weight in place.heirs.items()]
        return Living(alive, tuple(heirs))

    # ── predicting ──────────────────────────────────────────────────────────────────────────────────────────────

    def predict(self, situation: Situation, *, limit: int = 5) -> Prediction:
        """Where this drive goes; before it begins, `situation.path` is the one point the car stands at."""
        weights = self._weigh(situation)
        if weights is None or not len(weights.ranked):
            return Prediction((), 1.0, True)
        p = self.calibration.apply(int(weights.seen), weights.p)
        guesses = tuple(
            Guess(int(place), self.places.places[place].position, float(chance))
            for place, chance in zip(weights.ranked[:limit], p[:limit], strict=True)
        )
        reason, values = self._reason(guesses[0].place, weights)
        # Nothing is said at a place one does not know, until the road has told something.
        lost = weights.away.min() > STRANGE_M and situation.driven_m < ROAD_TELLS_M
        abstain = lost or guesses[0].p < self.tuning.speak
        return Prediction(guesses, max(0.0, 1.0 - float(p.sum())), bool(abstain), reason, values)

    def home(self) -> int | None:
        """The place where the car mostly spends the night, None as long as that is open (fewer than three nights)."""
        if not len(self.habits):
            return None
        spent = nights(self.habits, len(self.places), np.ones(len(self.habits)), _never())
        recent = nights(self.habits, len(self.places), 0.5 ** (np.arange(len(self.habits))[::-1] / 60.0), _never())
        best = int(recent.argmax())
        return best if spent[best] >= 3 and recent[best] > 0.5 * recent.sum() else None

    def work(self) -> int | None:
        """The place most driven to on working days that is not home, None as long as no place has half of those drives."""
        if (home := self.home()) is None:
            return None
        counted = (self.habits.kind == 0) & (self.habits.destination != home)
        weights = counted * 0.5 ** (np.arange(len(self.habits))[::-1] / 60.0)
        visits = np.bincount(self.habits.destination, counted, len(self.places))
        recent = np.bincount(self.habits.destination, weights, len(self.places))
        best = int(recent.argmax())
        return best if visits[best] >= 4 and recent[best] > 0.5 * recent.sum() else None

    def _weigh(self, situation: Situation) -> _Weights | None:
        if not len(self.habits):
            return None
        here = situation.path[0]
        now = Moment.of(situation.start, *here)
        living, at = self._living(), self.places.find(*map(float, here))
        role = np.zeros(len(self.places))
        for place, heir, share in living.heirs:
            if heir == at:
                role[place] = share * (1 - living.alive[place])
        contexts = Contexts.of(self.habits, now, here, role, self.tuning)
        away = distances(self.places.centres, *here)
        seen = len(situation.path) > 1
        all_views = views(self.habits, len(self.places), contexts, living, now, away, self.tuning)
        mixed = _share(BELIEF + self.trust) @ all_views
        habit, new = mixed[:-1], float(mixed[-1])
        direction, same_road, evidence = witnesses(
            situation, self.habits, contexts, self.places.centres, at, self.tuning
        )
        known = evidence / (evidence + 0.5)
        believed = _share(self.road_trust)[1] * known
        road = (1 - believed) * direction + believed * same_road
        joint = habit * road
        p = joint / (joint.sum() + new)
        order = np.argsort(-p, kind="stable")
        order = order[p[order] > 1e-4]
        # What each witness alone would have said; where no road is known, the second one says what the first does.
        ratios = np.stack((direction, (1 - known) * direction + known * same_road))
        alone = habit * ratios
        alone /= alone.sum(axis=1, keepdims=True) + new
        return _Weights(order, p[order], habit, all_views, alone, road, contexts, now, here, away, seen)

    def _reason(self, place: int, weights: _Weights) -> tuple[ReasonKey | None, dict[str, str]]:
        """What spoke most for the first guess."""
        mine = self.habits.destination == place
        contexts, now = weights.contexts, weights.now
        if not mine.any():
            return None, {}

        def share(context: Vector) -> float:
            total = float(context.sum())
            return float(context[mine].sum()) / total if total > 0.5 else 0.0

        if weights.road[place] > 2.0 and weights.habit[place] < 0.5:
            return "same_road", {}
        by_time, by_origin, often = share(contexts.then), share(contexts.origin), share(contexts.all)
        if by_time > 0 and by_time >= max(by_origin, often):
            if now.kind == 0 and mine.sum() >= 3 and (self.habits.weekday[mine] == now.weekday).mean() > 0.8:
                return "same_weekday", {"weekday": str(now.weekday), "hour": str(int(now.hour))}
            return ("weekday_time" if now.kind == 0 else "weekend_time"), {"hour": str(int(now.hour))}
        return ("from_here" if by_origin >= often else "often"), {}


@dataclass(frozen=True, slots=True)
class _Weights:
    ranked: Vector
    """place ids, likeliest first"""
    p: Vector
    habit: Vector
    """(places,) chance of each by habit alone"""
    views: Vector
    """(VIEWS, places + 1)"""
    witnesses: Vector
    """(2, places): chance of each place as each witness alone sees it"""
    road: Vector
    contexts: Contexts
    now: Moment
    here: Vector
    away: Vector
    """metres to each place from where the drive began"""
    seen: bool
    """whether anything was driven yet"""


def _share(record: Vector) -> Vector:
    weights = np.exp(record - record.max())
    out: Vector = weights / weights.sum()
    return out


def _never() -> Moment:
    return Moment(0.0, 0.0, -1, 0, 0)
