"""Which of the things that could be said is said now, if any. Pure: time comes in with each question.

Relevance × confidence × timing × liking must reach the policy's threshold; then the moment must be free (nobody speaks, no
manoeuvre, no high workload), the budget must have room, and it must not have been said before. Answers are learnt: 「あとで」 puts
one thing off, 「もういい」 silences a class for this drive and makes it rarer for good, 「平日の朝だけ」 confines it to such hours.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from agent.notices.model import Candidate, DriveMoment, NoticeClass
from agent.notices.policy import Policy, Wishes, load_policy

Feedback = Literal["taken", "heard", "later", "enough"]
HOURS: Mapping[str, tuple[float, float]] = {"morning": (5, 11), "day": (11, 17), "evening": (16, 24), "night": (20, 29)}
PRIOR = (3.0, 1.0)
"""a driver who has said nothing yet likes a class three to one"""


@dataclass(frozen=True, slots=True)
class Confinement:
    """「その話は平日の朝だけ」"""

    days: Literal["all", "weekdays", "weekends"] = "all"
    part: Literal["all", "morning", "day", "evening", "night"] = "all"

    def allows(self, at: datetime, free_day: bool) -> bool:
        if self.days != "all" and (self.days == "weekends") != free_day:
            return False
        if self.part == "all":
            return True
        begin, end = HOURS[self.part]
        hour = at.hour + at.minute / 60
        return begin <= hour < end or begin <= hour + 24 < end


@dataclass
class _Learnt:
    """What was learnt of one class."""

    liked: float = PRIOR[0]
    disliked: float = PRIOR[1]
    confined: Confinement = field(default_factory=Confinement)


class NoticeManager:
    """The notices of one driver; `start_drive` at each drive."""

    def __init__(self, wishes: Wishes | None = None, policy: Policy | None = None) -> None:
        self.wishes = wishes or Wishes()
        self.policy = policy or load_policy()
        self._learnt: dict[str, _Learnt] = {}
        self._said: dict[str, tuple[datetime, float]] = {}
        """key → when, and with what delay"""
        self._later: dict[str, datetime] = {}
        self._silenced: set[str] = set()
        self._times: deque[datetime] = deque(maxlen=64)

    # ── deciding ────────────────────────────────────────────────────────────────────────────────────────────────

    def start_drive(self) -> None:
        self._silenced.clear()
        self._later.clear()

    def choose(
        self, candidates: Iterable[Candidate], moment: DriveMoment, *, free_day: bool = False
    ) -> Candidate | None:
        """The one to be said now; it counts as said. None: nothing, or not now."""
        scored = [(self.score(c), c) for c in candidates if self._allowed(c, moment, free_day)]
        scored = [(score, c) for score, c in scored if score >= self.policy.threshold]
        for _, candidate in sorted(scored, key=lambda row: (-row[0], row[1].ahead_s, row[1].key)):
            if self._moment_is_free(candidate, moment) and self._affordable(candidate, moment):
                self._said[candidate.key] = (moment.now, candidate.delay_s)
                self._times.append(moment.now)
                return candidate
        return None

    def score(self, candidate: Candidate) -> float:
        """Relevance × confidence × timing × liking, 0 … 1."""
        timing = self.policy.classes[candidate.kind].timing(candidate.ahead_s)
        return candidate.relevance * candidate.confidence * timing * self.liking(candidate.kind)

    def liking(self, kind: NoticeClass) -> float:
        """0 … 1; a class nobody complained of has 1. Safety is not talked down below a half."""
        known = self._learnt.get(kind)
        if known is None:
            return 1.0
        share = (known.liked / (known.liked + known.disliked)) / (PRIOR[0] / sum(PRIOR))
        return max(0.5 if self.policy.classes[kind].safety else 0.0, min(1.0, share))

    def _allowed(self, candidate: Candidate, moment: DriveMoment, free_day: bool) -> bool:
        kind = candidate.kind
        safety = self.policy.classes[kind].safety
        if self.wishes.frequency == "off" or kind not in self.wishes.classes or kind in self._silenced:
            return False
        if self.wishes.is_quiet(moment.now) and not safety:
            return False
        if moment.now >= candidate.until or self._later.get(candidate.key, moment.now) > moment.now:
            return False
        known = self._learnt.get(kind)
        if known is not None and not known.confined.allows(moment.now, free_day):
            return False
        said = self._said.get(candidate.key)
        return said is None or candidate.delay_s - said[1] >= self.policy.again_delay_s

    def _moment_is_free(self, candidate: Candidate, moment: DriveMoment) -> bool:
        if moment.engaged or moment.workload > self.policy.workload:
            return False
        return moment.maneuver_s is None or moment.maneuver_s >= self.policy.maneuver_s

    def _affordable(self, candidate: Candidate, moment: DriveMoment) -> bool:
        safety = self.policy.classes[candidate.kind].safety
        # A clock that was put back does not make it silent until the old time comes again.
        while self._times and self._times[-1] > moment.now:
            self._times.pop()
        hour = moment.now - timedelta(hours=1)
        spent = sum(at > hour for at in self._times)
        apart = self.policy.apart_safety_s if safety else self.policy.apart_s
        if self._times and (moment.now - self._times[-1]).total_seconds() < apart:
            return False
        return spent < self.policy.hourly[self.wishes.frequency] + safety

    # ── learning ────────────────────────────────────────────────────────────────────────────────────────────────

    def feedback(self, candidate: Candidate, said: Feedback, now: datetime) -> None:
        """What the driver made of it."""
        learnt = self._learnt.setdefault(candidate.kind, _Learnt())
        if said == "later":
            self._later[candidate.key] = now + timedelta(seconds=self.policy.later_s)
            self._said.pop(candidate.key, None)
        elif said == "enough":
            learnt.disliked += 2.0
            self._silenced.add(candidate.kind)
        else:
            learnt.liked += 1.0 if said == "taken" else 0.2

    def confine(self, kind: NoticeClass, confinement: Confinement) -> None:
        """From now on only at such times. Closures and accidents keep to it as well: the driver has said so."""
        self._learnt.setdefault(kind, _Learnt()).confined = confinement

    # ── keeping ─────────────────────────────────────────────────────────────────────────────────────────────────

    def to_json(self) -> dict[str, Any]:
        return {
            kind: {
                "liked": round(known.liked, 2), "disliked": round(known.disliked, 2),
                "days": known.confined.days, "part": known.confined.part,
            }
            for kind, known in self._learnt.items()
        }  # fmt: skip

    def restore(self, data: Any) -> None:
        """Takes back what `to_json` gave; anything else is left out."""
        if not isinstance(data, Mapping):
            return
        for kind, row in data.items():
            if kind in self.policy.classes and isinstance(row, Mapping):
                self._learnt[kind] = _Learnt(
                    float(row.get("liked", PRIOR[0])),
                    float(row.get("disliked", PRIOR[1])),
                    Confinement(row.get("days", "all"), row.get("part", "all")),
                )
