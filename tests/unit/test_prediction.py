"""The prediction: trips from positions, tracks from files, places, habits, calibration, the record on disk."""

from __future__ import annotations

import io
import itertools
import json
import math
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.prediction.calendar import day_kind
from agent.prediction.calibration import Calibration
from agent.prediction.errors import BadTrack, HistoryError
from agent.prediction.geometry import distances, onto_lines, resample
from agent.prediction.lines import predict_lines
from agent.prediction.model import Situation, Trip, local
from agent.prediction.places import PlaceBook
from agent.prediction.predictor import Predictor
from agent.prediction.route import likely_route
from agent.prediction.store import History
from agent.prediction.tracks import gpx, plt, read, split, trip_from_json
from agent.prediction.trips import TripRecorder
from backends.model import Position
from simulator.commuters import Commuter, population
from simulator.vehicle import JAPAN, offset

MIDDLE = Position(35.70, 139.60)
MONDAY = datetime(2026, 4, 6, 8, 0, tzinfo=JAPAN)


def spot(east_m: float, north_m: float) -> Position:
    return offset(MIDDLE, north_m, east_m)


HOME, WORK, GYM, NEW_HOME = spot(0, 0), spot(8000, 3000), spot(-2500, 4000), spot(-5000, -4000)


def trip(a: Position, b: Position, start: datetime, minutes: float = 20, points: int = 60) -> Trip:
    """East first, then north."""
    line = np.array([(a.latitude, a.longitude), (a.latitude, b.longitude), (b.latitude, b.longitude)])
    track = resample(line, points)
    return Trip(start, start + timedelta(minutes=minutes), track, np.linspace(0, minutes * 60, points))


def commute(predictor: Predictor, weeks: int, *, first: datetime = MONDAY, home: Position = HOME) -> datetime:
    """Workdays home → work → home, Wednesdays over the gym; returns the Monday after."""
    for day in range(weeks * 7):
        at = first + timedelta(days=day)
        if at.weekday() < 5:
            predictor.learn(trip(home, WORK, at + timedelta(minutes=3 * (day % 4))))
            evening = at.replace(hour=18, minute=day % 30)
            if at.weekday() == 2:
                predictor.learn(trip(WORK, GYM, evening))
                predictor.learn(trip(GYM, home, evening + timedelta(hours=2)))
            else:
                predictor.learn(trip(WORK, home, evening))
    return first + timedelta(days=weeks * 7)


def standing(at: Position, when: datetime) -> Situation:
    return Situation(when, np.array([[at.latitude, at.longitude]]))


def best(predictor: Predictor, situation: Situation) -> Position | None:
    found = predictor.predict(situation).best
    return found.position if found is not None else None


# ── trips ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def feed(recorder: TripRecorder, legs: list[tuple[Position, Position, float]], start: datetime) -> list[Trip]:
    """Legs of (from, to, seconds), a position every ten seconds."""
    found, at = [], start
    for a, b, seconds in legs:
        for n in range(round(seconds / 10)):
            share = (n + 1) / round(seconds / 10)
            here = Position(
                a.latitude + share * (b.latitude - a.latitude), a.longitude + share * (b.longitude - a.longitude)
            )
            at += timedelta(seconds=10)
            if done := recorder.feed(at, here):
                found.append(done)
    return found


def test_a_drive_begins_with_leaving_and_ends_with_staying() -> None:
    recorder = TripRecorder()
    found = feed(recorder, [(HOME, HOME, 900), (HOME, WORK, 1200), (WORK, WORK, 600)], MONDAY)
    assert len(found) == 1
    assert found[0].origin.distance_to(HOME) < 70
    assert found[0].destination.distance_to(WORK) < 110
    assert 1150 <= (found[0].end - found[0].start).total_seconds() <= 1260
    assert found[0].start - MONDAY >= timedelta(seconds=890)


def test_a_red_light_and_a_jam_do_not_end_a_drive_and_parking_manoeuvres_are_none() -> None:
    half = spot(4000, 0)
    recorder = TripRecorder()
    found = feed(recorder, [(HOME, half, 400), (half, half, 200), (half, WORK, 700), (WORK, WORK, 400)], MONDAY)
    assert [t.destination.distance_to(WORK) < 110 for t in found] == [True]
    recorder = TripRecorder()
    assert feed(recorder, [(HOME, spot(90, 0), 60), (spot(90, 0), HOME, 60), (HOME, HOME, 600)], MONDAY) == []


def test_wild_positions_are_left_out_and_a_gap_ends_a_drive() -> None:
    recorder = TripRecorder()
    feed(recorder, [(HOME, spot(2000, 0), 300)], MONDAY)
    assert recorder.feed(MONDAY + timedelta(seconds=305), spot(400_000, 0)) is None
    assert recorder.feed(MONDAY + timedelta(seconds=1), HOME) is None
    ended = recorder.feed(MONDAY + timedelta(hours=5), spot(2500, 0))
    assert ended is not None
    assert ended.destination.distance_to(spot(2000, 0)) < 1


GPX = """<?xml version="1.0"?><gpx version="1.1" xmlns="http://www.topografix.com/GPX/1/1"><trk><trkseg>{}</trkseg></trk></gpx>"""


def test_tracks_from_gpx_plt_and_json_lines(tmp_path: Path) -> None:
    start = datetime(2026, 4, 6, 0, 0, tzinfo=timezone.utc)
    rows = [(start + timedelta(seconds=10 * n), 35.70, 139.60 + 0.001 * n) for n in range(60)]
    text = GPX.format(
        "".join(f'<trkpt lat="{a}" lon="{b}"><time>{t:%Y-%m-%dT%H:%M:%SZ}</time></trkpt>' for t, a, b in rows)
    )
    from_gpx = list(split(gpx(text.encode())))
    lines = "\n".join(["header"] * 6 + [f"{a},{b},0,492,39744.1,{t:%Y-%m-%d},{t:%H:%M:%S}" for t, a, b in rows])
    from_plt = list(split(plt(lines.encode())))
    for found in (from_gpx, from_plt):
        assert len(found) == 1
        assert found[0].start.hour == 9  # nine hours ahead of UTC at this longitude
        assert found[0].destination.distance_to(Position(35.70, 139.659)) < 1
    row = {"id": 1, "user": "a", "points": [[t.isoformat(), a, b] for t, a, b in rows]}
    (tmp_path / "x.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    assert len(list(read(tmp_path / "x.jsonl"))) == 1


@pytest.mark.parametrize(
    "row",
    [
        None, [], {}, {"points": []}, {"points": [["2026-01-01", 1, 2]]}, {"points": [["x", 1, 2], ["y", 1, 2]]},
        {"points": [["2026-01-02", 1, 2], ["2026-01-01", 1, 2]]}, {"points": [["2026-01-01", 91, 2], ["2026-01-02", 1, 2]]},
        {"points": [["2026-01-01", math.nan, 2], ["2026-01-02", 1, 2]]}, {"points": [1, 2]}, {"points": [[], []]},
        {"points": [["9999-12-31T23:59:59", 1, 2], ["9999-12-31T23:59:59", 1, 179]]},
    ],
)  # fmt: skip
def test_broken_trips_are_named(row: object) -> None:
    with pytest.raises(BadTrack):
        trip_from_json(row)


def test_an_xml_bomb_is_refused() -> None:
    bomb = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><gpx>&b;</gpx>'
    with pytest.raises(BadTrack):
        gpx(bomb)


# ── predicting ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_weekday_hour_and_place_tell_the_destination() -> None:
    predictor = Predictor()
    monday = commute(predictor, 7)
    morning = best(predictor, standing(HOME, monday))
    assert morning is not None
    assert morning.distance_to(WORK) < 100
    tuesday = predictor.predict(standing(WORK, monday + timedelta(days=1, hours=10)))
    assert tuesday.best is not None
    assert tuesday.best.position.distance_to(HOME) < 100
    wednesday = predictor.predict(standing(WORK, monday + timedelta(days=2, hours=10)))
    assert wednesday.best is not None
    assert wednesday.best.position.distance_to(GYM) < 100
    assert wednesday.reason == "same_weekday"
    assert not tuesday.abstain
    assert sum(g.p for g in tuesday.guesses) + tuesday.p_new <= 1 + 1e-6


def test_the_road_taken_overrules_the_hour() -> None:
    predictor = Predictor()
    monday = commute(predictor, 4)
    to_gym = trip(WORK, GYM, monday + timedelta(hours=10))
    seen = Situation(to_gym.start, to_gym.track[:30])
    to_home = trip(WORK, HOME, monday + timedelta(hours=10))
    also = Situation(to_home.start, to_home.track[:50])
    assert predictor.predict(seen).guesses != predictor.predict(also).guesses
    home = best(predictor, also)
    assert home is not None
    assert home.distance_to(HOME) < 100


def test_silent_without_a_record_and_at_a_new_place() -> None:
    predictor = Predictor()
    nothing = predictor.predict(standing(HOME, MONDAY))
    assert nothing.abstain
    assert nothing.guesses == ()
    commute(predictor, 3)
    strange = predictor.predict(standing(spot(-30_000, -30_000), MONDAY + timedelta(days=33, hours=15.5)))
    assert strange.abstain


def test_a_new_home_is_learnt_within_ten_days() -> None:
    predictor = Predictor()
    monday = commute(predictor, 10)
    hits = []
    for day in range(14):
        at = monday + timedelta(days=day)
        if at.weekday() >= 5:
            continue
        evening = standing(WORK, at.replace(hour=18, minute=10))
        found = best(predictor, evening)
        if at.weekday() != 2:
            hits.append((day, found is not None and found.distance_to(NEW_HOME) < 100))
        predictor.learn(trip(NEW_HOME, WORK, at))
        predictor.learn(trip(WORK, NEW_HOME, at.replace(hour=18, minute=12)))
    assert not hits[0][1]
    assert all(hit for day, hit in hits if day >= 8)


def test_home_and_work_are_guessed_after_some_days_only() -> None:
    predictor = Predictor()
    assert predictor.home() is None
    commute(predictor, 3)
    home, work = predictor.home(), predictor.work()
    assert home is not None
    assert work is not None
    assert predictor.places.places[home].position.distance_to(HOME) < 100
    assert predictor.places.places[work].position.distance_to(WORK) < 100


def test_the_likely_route_is_what_is_left_of_the_usual_road() -> None:
    predictor = Predictor()
    monday = commute(predictor, 2)
    on_the_way = trip(HOME, WORK, monday)
    situation = Situation(monday, on_the_way.track[:25])
    work = predictor.places.find(WORK.latitude, WORK.longitude)
    assert work is not None
    route = likely_route(predictor, work, situation)
    assert route[0].distance_to(Position(*map(float, on_the_way.track[24]))) < 1
    assert route[-1].distance_to(WORK) < 50
    corner = spot(8000, 0)
    assert min(p.distance_to(corner) for p in route) < 400
    assert likely_route(predictor, work, standing(spot(0, -9000), monday)) == ()


def test_public_holidays_of_japan_count_as_days_off_in_japan_only() -> None:
    children = datetime(2026, 5, 5, 9, tzinfo=JAPAN)
    assert day_kind(children, 35.7, 139.6) == 2
    assert day_kind(children, 48.1, 11.6) == 0
    assert day_kind(datetime(2026, 5, 9, 9, tzinfo=JAPAN), 35.7, 139.6) == 1


def test_utc_is_told_by_the_sun_and_zones_are_kept() -> None:
    assert local(datetime(2026, 1, 1, 0, tzinfo=timezone.utc), 139.6).hour == 9
    assert local(datetime(2026, 1, 1, 7, tzinfo=JAPAN), 0.0).hour == 7


def test_calibration_learns_overconfidence() -> None:
    calibration = Calibration()
    for n in range(200):
        calibration.learn(0, 0.9, n % 2 == 0)
    told = calibration.apply(0, np.array([0.9, 0.05]))
    assert 0.45 <= told[0] <= 0.62
    assert told.sum() <= 1
    assert calibration.apply(1, np.array([0.9]))[0] == pytest.approx(0.9, abs=1e-6)


@given(st.lists(st.tuples(st.floats(-0.05, 0.05), st.floats(-0.05, 0.05)), min_size=1, max_size=30))
@settings(max_examples=30, deadline=None)
def test_places_count_every_stop_once_and_are_found_again(stops: list[tuple[float, float]]) -> None:
    book = PlaceBook()
    for north, east in stops:
        book.stop(35 + north, 139 + east, arrived=True)
    assert sum(p.visits for p in book.places) == len(stops)
    assert [p.id for p in book.places] == list(range(len(book)))


def test_points_onto_lines() -> None:
    off, along = onto_lines(np.array([[5.0, 3.0]]), np.array([[[0.0, 0.0], [10.0, 0.0], [10.0, 10.0]]]))
    assert off[0, 0] == pytest.approx(3.0)
    assert along[0, 0] == pytest.approx(0.5)


# ── the record ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_was_learnt_is_loaded_not_learnt_anew(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.sqlite'}"
    history, live = History(url), Predictor()
    for day in range(8):
        at = MONDAY + timedelta(days=day)
        history.learn("owner", live, trip(HOME, WORK, at))
        history.learn("owner", live, trip(WORK, HOME, at.replace(hour=18)))
    history.close()
    again = History(url).load("owner")
    situation = standing(HOME, MONDAY + timedelta(days=9))
    for a, b in zip(live.predict(situation).guesses, again.predict(situation).guesses, strict=True):
        assert (a.place, a.p) == (b.place, pytest.approx(b.p, abs=0.01))
    assert again.trust == pytest.approx(live.trust, abs=1e-3)


def test_drivers_do_not_see_each_other(tmp_path: Path) -> None:
    history = History(f"sqlite:///{tmp_path / 'a.sqlite'}")
    history.learn("owner", history.load("owner"), trip(HOME, WORK, MONDAY))
    assert len(history.load("other").habits) == 0
    history.close()


def test_an_erased_place_takes_its_drives_along(tmp_path: Path) -> None:
    history, predictor = History(f"sqlite:///{tmp_path / 'a.sqlite'}"), Predictor()
    monday = commute(predictor, 3)
    history.save("owner", predictor)
    gym = predictor.places.find(GYM.latitude, GYM.longitude)
    assert gym is not None
    left = history.erase_place("owner", gym)
    assert left.places.find(GYM.latitude, GYM.longitude) is None
    assert len(left.habits) == len(predictor.habits) - 6
    again = history.load("owner")
    found = best(again, standing(HOME, monday))
    assert found is not None
    assert found.distance_to(WORK) < 100
    history.close()


def test_initialised_means_gone_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    history, predictor = History(f"sqlite:///{path}"), Predictor()
    commute(predictor, 3)
    history.save("owner", predictor)
    history.name_place("owner", 0, "VERYSECRETNAME")
    row, shape = predictor.habits.row(5)
    assert shape is not None
    tell_tale = [b"VERYSECRETNAME", np.float32(shape).tobytes()[:64], np.array([row["origin_lat"]], ">f8").tobytes()]
    assert all(mark in path.read_bytes() for mark in tell_tale)
    history.erase("owner")
    history.close()
    for file in tmp_path.iterdir():
        assert not [mark for mark in tell_tale if mark in file.read_bytes()], file.name


def test_raw_positions_are_kept_no_longer_than_set(tmp_path: Path) -> None:
    now = MONDAY + timedelta(days=40)
    history, predictor = History(f"sqlite:///{tmp_path / 'a.sqlite'}", now=lambda: now), Predictor()
    predictor.learn(trip(spot(333, 777), WORK, MONDAY - timedelta(days=2)))
    commute(predictor, 4)
    history.save("owner", predictor)
    shape = predictor.habits.row(0)[1]
    assert shape is not None
    assert history.fade(30) > 0
    left = history.load("owner")
    assert 0 < left.habits.shaped.sum() < len(left.habits) == len(predictor.habits)
    assert np.float32(shape).tobytes()[:64] not in (tmp_path / "a.sqlite").read_bytes()
    history.close()


@pytest.mark.parametrize("damage", [b"this is no database, only a very long text " * 300, None], ids=["text", "torn"])
def test_a_corrupt_history_is_set_aside(tmp_path: Path, damage: bytes | None) -> None:
    path = tmp_path / "a.sqlite"
    history, predictor = History(f"sqlite:///{path}"), Predictor()
    commute(predictor, 3)
    history.save("owner", predictor)
    history.close()
    data = bytearray(path.read_bytes())
    if damage is None:
        data[4096:20480] = b"\xff" * 16384
    path.write_bytes(damage if damage is not None else bytes(data))
    history = History(f"sqlite:///{path}")
    assert len(history.load("owner").habits) == 0
    assert history.set_aside is not None
    assert history.set_aside.exists()
    history.learn("owner", history.load("owner"), trip(HOME, WORK, MONDAY))
    history.close()


def test_a_folder_that_cannot_be_written_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(HistoryError):
        History(f"sqlite:///{tmp_path / 'file' / 'a.sqlite'}").load("owner")


# ── lines ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def line(identity: object, user: str, drive: Trip) -> bytes:
    points = [
        [(drive.start + timedelta(seconds=float(s))).isoformat(), float(a), float(b)]
        for s, (a, b) in zip(drive.seconds, drive.track, strict=True)
    ]
    return json.dumps({"id": identity, "user": user, "points": points}).encode() + b"\n"


def test_lines_in_order_four_a_trip_and_broken_ones_named() -> None:
    drives = [trip(HOME, WORK, MONDAY + timedelta(days=d)) for d in range(4)]
    lines = [
        line(0, "a", drives[0]),
        b"{nope\n",
        b"\n",
        line(1, "a", drives[1]),
        b'{"id": 7}\n',
        b"\xff\n",
        line(2, "b", drives[2]),
    ]
    out = io.StringIO()
    assert predict_lines(lines, out) == 1
    rows = [json.loads(text) for text in out.getvalue().splitlines()]
    assert [r["id"] for r in rows] == [0] * 4 + [None] + [1] * 4 + [7, None] + [2] * 4
    assert [r["seen"] for r in rows if "seen" in r] == [0.0, 0.1, 0.2, 0.5] * 3
    assert all("error" in r for r in rows if "seen" not in r)
    assert all(r["abstain"] and not r["destinations"] for r in rows if r["id"] in (0, 2))
    known = next(r for r in rows if r["id"] == 1)
    assert Position(known["destinations"][0]["lat"], known["destinations"][0]["lon"]).distance_to(WORK) < 200


def test_lines_out_of_order_do_not_know_the_future() -> None:
    early, late = trip(HOME, WORK, MONDAY), trip(HOME, GYM, MONDAY + timedelta(days=1))
    out = io.StringIO()
    predict_lines([line("late", "a", late), line("early", "a", early)], out)
    rows = [json.loads(text) for text in out.getvalue().splitlines()]
    assert all(not r["destinations"] for r in rows if r["id"] == "early")


# ── people ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_commuters_are_the_same_for_the_same_seed() -> None:
    first, again, other = (list(Commuter("office", seed, days=20).drives()) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert all(a.end <= b.start for a, b in itertools.pairwise(first))
    assert len(population(1)) == 10


def test_a_commuter_is_foreseen_after_some_weeks() -> None:
    predictor, hits, probabilities = Predictor(), [], []
    for number, drive in enumerate(Commuter("office", 5, days=60).drives()):
        known = Trip(
            drive.start, drive.end, np.array([(p.latitude, p.longitude) for p in drive.points]), np.array(drive.seconds)
        )
        if number > 60 and drive.purpose != "new":
            found = predictor.predict(Situation(known.start, known.track[: len(known.track) // 5])).best
            assert found is not None
            hits.append(distances(known.track[-1:], found.position.latitude, found.position.longitude)[0] < 300)
            probabilities.append(found.p)
        predictor.learn(known)
    assert np.mean(hits) > 0.8
    assert abs(np.mean(hits) - np.mean(probabilities)) < 0.1
