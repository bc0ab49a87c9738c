"""`concierge predict`: trips in, predictions out (docs/agent-plus.md).

In, a line a trip: {"id", "user", "points": [[time, latitude, longitude], …]}. Out, four lines a trip, in the same order: {"id",
"seen", "destinations": [{"lat", "lon", "p"}, …], "abstain", "route": [[lat, lon], …]}. A trip is predicted from the same user's
trips that had ended before it began. A line that cannot be read gives {"id", "error"} and the run goes on.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TextIO

from agent.prediction.model import Prediction, Situation, Trip
from agent.prediction.predictor import Predictor
from agent.prediction.route import likely_route
from agent.prediction.tracks import trip_from_json

SHARES = (0.0, 0.1, 0.2, 0.5)
MAX_BYTES = 50_000_000
"""of one line"""


@dataclass
class _Driver:
    predictor: Predictor = field(default_factory=Predictor)
    trips: list[Trip] = field(default_factory=list)
    """in the order they came"""
    in_order: bool = True
    """whether the predictor has learnt all of them"""

    def before(self, trip: Trip) -> Predictor:
        """What was known when the trip began: lines may come out of order."""
        if self.in_order and all(known.end <= trip.start for known in self.trips[-1:]):
            return self.predictor
        known = Predictor()
        for earlier in sorted((t for t in self.trips if t.end <= trip.start), key=lambda t: t.end):
            known.learn(earlier)
        return known

    def learn(self, trip: Trip) -> None:
        if self.trips and trip.start < self.trips[-1].end:
            self.in_order = False
        self.trips.append(trip)
        if self.in_order:
            self.predictor.learn(trip)


def predict_lines(lines: Iterable[bytes], out: TextIO) -> int:
    """Writes to `out` as it goes; 0 when every line could be read, otherwise 1."""
    drivers: defaultdict[str, _Driver] = defaultdict(_Driver)
    problems = 0
    for line in lines:
        if not line.strip():
            continue
        identity: Any = None
        try:
            row = _read(line)
            identity = row.get("id")
            user = json.dumps(row.get("user"), default=str)
            trip = trip_from_json(row)
        except (ValueError, RecursionError) as error:
            problems += 1
            _write(out, {"id": identity, "error": str(error) or type(error).__name__})
            continue
        driver = drivers[user]
        known = driver.before(trip)
        for share in SHARES:
            path = trip.track[: max(1, round(share * len(trip.track)))]
            situation = Situation(trip.start, path)
            _write(out, _answer(identity, share, known, known.predict(situation), situation))
        driver.learn(trip)
    return 1 if problems else 0


def _answer(
    identity: Any, share: float, predictor: Predictor, prediction: Prediction, situation: Situation
) -> dict[str, Any]:
    route = likely_route(predictor, prediction.best.place, situation) if prediction.best is not None else ()
    return {
        "id": identity,
        "seen": share,
        "destinations": [
            {"lat": round(g.position.latitude, 6), "lon": round(g.position.longitude, 6), "p": round(g.p, 4)}
            for g in prediction.guesses
        ],
        "abstain": prediction.abstain,
        "route": [[round(p.latitude, 6), round(p.longitude, 6)] for p in route],
    }


def _read(line: bytes) -> dict[str, Any]:
    """Raises `ValueError`."""
    if len(line) > MAX_BYTES:
        raise ValueError(f"a line of more than {MAX_BYTES // 1_000_000} MB")
    try:
        row = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ValueError("not UTF-8") from error
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from error
    if not isinstance(row, dict):
        raise ValueError("not a JSON object")
    return row


def _write(out: TextIO, row: Mapping[str, Any]) -> None:
    try:
        text = json.dumps(row, ensure_ascii=False)
    except (RecursionError, ValueError):
        text = json.dumps({"id": None, "error": "nested too deeply"})
    out.write(text.encode("utf-8", "backslashreplace").decode("utf-8") + "\n")
    out.flush()
