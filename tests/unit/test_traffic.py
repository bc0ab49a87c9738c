"""Which events lie on a route, and the feed they come in."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.errors import BadAnswer
from backends.model import Position, TrafficEvent, TrafficKind
from backends.traffic import distance_to_line, match_along, parse_events
from tests.fakes_information import MORNING

ROUTE = tuple(Position(35.60 + i * 0.01, 139.70) for i in range(21))
"""north along a meridian, 22 km"""


def event(
    name: str, *points: tuple[float, float], kind: TrafficKind = "jam", length: float | None = None
) -> TrafficEvent:
    return TrafficEvent(
        name, kind, tuple(Position(a, b) for a, b in points), "国道1号", "Route 1", 600, length, MORNING
    )


def test_in_the_order_they_are_met() -> None:
    far, near = event("far", (35.75, 139.7003)), event("near", (35.65, 139.70))
    found = match_along(ROUTE, [far, near], 60)
    assert [m.event.id for m in found] == ["near", "far"]
    assert found[0].along_m == pytest.approx(5560, rel=0.01)
    assert found[1].off_m == pytest.approx(27, abs=3)


def test_other_side_crossing_and_parallel_roads_do_not_touch_the_route() -> None:
    assert not match_along(ROUTE, [event("opposite", (35.70, 139.70), (35.65, 139.70))], 60)
    assert not match_along(ROUTE, [event("crossing", (35.70, 139.67), (35.70, 139.73))], 60)
    assert not match_along(ROUTE, [event("parallel", (35.65, 139.702), (35.70, 139.702))], 60)
    assert match_along(ROUTE, [event("same", (35.65, 139.70), (35.70, 139.70))], 60)
    assert match_along(ROUTE, [event("leaves", (35.65, 139.70), (35.66, 139.70), (35.66, 139.75))], 60)


def test_what_lies_behind_is_left_out_but_not_the_jam_one_stands_in() -> None:
    behind, around = event("behind", (35.62, 139.70)), event("around", (35.64, 139.70), (35.66, 139.70), length=2200)
    assert [m.event.id for m in match_along(ROUTE, [behind, around], 60, from_m=5000)] == ["around"]


@given(st.integers(0, 20_000), st.integers(-400, 400))
def test_a_point_is_found_exactly_when_it_is_within_the_corridor(along: int, off: int) -> None:
    east = off / (111_195 * 0.8120)  # cosine of 35.7°
    found = match_along(ROUTE, [event("e", (35.60 + along / 111_195, 139.70 + east))], 150)
    if abs(abs(off) - 150) > 3:
        assert bool(found) == (abs(off) < 150)
    if found:
        assert found[0].along_m == pytest.approx(along, abs=2)


def test_short_routes() -> None:
    assert match_along(ROUTE[:1], [event("e", (35.6, 139.7))]) == ()
    assert distance_to_line(ROUTE[0], [ROUTE[1]]) == pytest.approx(ROUTE[0].distance_to(ROUTE[1]), rel=1e-3)


def test_a_broken_feature_is_left_out_and_a_broken_feed_is_an_error() -> None:
    good = {
        "type": "Feature", "id": "a", "geometry": {"type": "Point", "coordinates": [139.7, 35.6]},
        "properties": {
            "situationRecordType": "RoadOrCarriagewayOrLaneManagement",
            "roadOrCarriagewayOrLaneManagementType": "roadClosed",
            "situationRecordVersionTime": "2026-06-03T01:00:00Z", "roadName": {"ja": "国道1号<script>"},
            "delayTimeValue": 60,
        },
    }  # fmt: skip
    broken = [
        None, {}, {**good, "geometry": {"type": "Point", "coordinates": [1000, 35]}},
        {**good, "geometry": {"type": "LineString", "coordinates": []}}, {**good, "properties": {}},
        {**good, "properties": {**good["properties"], "delayTimeValue": "soon"}},  # type: ignore[dict-item]
        {**good, "properties": {**good["properties"], "situationRecordVersionTime": "2026-06-03T01:00:00"}},  # type: ignore[dict-item]
    ]  # fmt: skip
    (found,) = parse_events({"features": [*broken, good]}, MORNING, demo=False)
    assert (found.kind, found.road, found.delay_s) == ("closure", "国道1号script", 60)
    assert found.updated_at == MORNING - timedelta(minutes=20)
    for feed in (None, [], {"features": {}}, {}):
        with pytest.raises(BadAnswer):
            parse_events(feed, MORNING, demo=False)
