"""The road ahead without a destination: which ways the drive may go on, and how likely a spot is passed."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest

from agent.prediction.model import Situation
from agent.prediction.onward import Fan, Onward, ahead_of, chances, voted
from agent.prediction.predictor import Predictor
from backends.errors import NotFound
from backends.model import Position, Route, RouteRequest
from simulator.vehicle import JAPAN
from tests.fakes_drive import HOME, WORK, ExpresswayRoads, GridRoads, at, trip_along

MORNING = datetime(2026, 5, 11, 8, tzinfo=JAPAN)


def along(*spots: Position) -> Situation:
    return Situation(MORNING, np.array([(p.latitude, p.longitude) for p in spots]))


async def commuter(roads: GridRoads) -> Predictor:
    predictor = Predictor()
    for day in range(15, 0, -1):
        for a, b, hours in ((HOME, WORK, 0), (WORK, HOME, 10)):
            route = (await roads.route(RouteRequest(a, b)))[0]
            predictor.learn(trip_along(route, MORNING - timedelta(days=day) + timedelta(hours=hours)))
    return predictor


async def test_nothing_is_said_before_the_drive_has_a_direction() -> None:
    assert await Onward(GridRoads()).ways(Predictor(), None, along(HOME, at(100, 0)), 90) == ()


async def test_on_an_expressway_the_road_is_certain_and_behind_its_exit_it_is_not() -> None:
    situation = along(HOME, at(1000, 0))
    onward = Onward(ExpresswayRoads(), Fan(most_routes=5))
    ways = await onward.ways(Predictor(), None, situation, 90)
    assert sum(way.p for way in ways) == pytest.approx(1.0)
    spots = [at(4000, 0), at(11500, 0), at(16000, 0), at(1000, 3000), at(500, 0)]
    p = chances(ways, spots, Predictor(), situation, onward.fan)
    assert p[0] == pytest.approx(1.0)
    assert p[1] == pytest.approx(1.0)
    assert p[2] < 0.6
    assert p[3] < 0.3
    assert p[4] == 0


async def test_a_destination_loses_credit_the_farther_round_one_has_come() -> None:
    roads = GridRoads()
    predictor, onward = await commuter(roads), Onward(roads, Fan(most_routes=9))
    there = along(HOME, *(at(x, 0) for x in range(100, 1600, 100)))
    ways = await onward.ways(predictor, predictor.predict(there), there, 90)
    towards = sum(way.p for way in ways if way.place is not None)
    away = along(*(Position(*p) for p in there.path.tolist()), *(at(1500, -y) for y in range(100, 1600, 100)))
    ways = await onward.ways(predictor, predictor.predict(away), away, 180)
    assert sum(way.p for way in ways if way.place is not None) < 0.6 * towards
    assert sum(way.p for way in ways) <= 1 + 1e-9


async def test_earlier_drives_vote_for_where_they_went_on_to() -> None:
    predictor = await commuter(GridRoads())
    votes, passed = voted(predictor, along(HOME, *(at(x, 0) for x in range(100, 2000, 100))),
                          np.array([(p.latitude, p.longitude) for p in (at(5000, 0), at(0, 3000))]))  # fmt: skip
    assert votes > 5
    assert passed[0] == pytest.approx(votes)
    assert passed[1] == 0
    assert voted(Predictor(), along(HOME, at(500, 0)), np.zeros((1, 2)))[0] == 0


async def test_without_a_map_there_are_no_ways() -> None:
    class NoRoads(GridRoads):
        async def route(self, request: RouteRequest) -> tuple[Route, ...]:
            raise NotFound("routes", "no map")

    assert await Onward(NoRoads()).ways(Predictor(), None, along(HOME, at(500, 0)), 90) == ()


def test_a_goal_ahead() -> None:
    goal = ahead_of(HOME, 90, 5000)
    assert goal.distance_to(at(5000, 0)) < 20
