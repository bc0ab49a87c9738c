"""What is said unasked: the decision, the looking ahead, the answers, the policy file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from actions.phrases import Phrases
from agent.composition import NLU_DATA
from agent.notices import wording
from agent.notices.answers import read
from agent.notices.look import Ahead, Lookout, MealOffers
from agent.notices.manager import Confinement, NoticeManager
from agent.notices.model import CLASSES, Candidate, DriveMoment
from agent.notices.policy import Wishes, load_policy, parse_quiet
from agent.settings import NOTICE_CLASSES
from backends.errors import BackendUnavailable
from backends.model import Forecast, Position, Route, TrafficEvent
from simulator.vehicle import JAPAN, SimulatedClock
from simulator.world import SimulatedWorld
from tests.fakes_drive import HOME, WORK, GridRoads, WorldTraffic, WorldWeather, route_along
from tests.fakes_world import FewPlaces

NOW = datetime(2026, 5, 11, 8, 0, tzinfo=JAPAN)


def jam(key: str = "a", **changes: object) -> Candidate:
    base = Candidate("jam", key, 0.8, 1.0, 600, NOW + timedelta(minutes=30), "notice.jam")
    return replace(base, **changes)  # type: ignore[arg-type]


def moment(after_s: float = 0, **changes: object) -> DriveMoment:
    return replace(DriveMoment(NOW + timedelta(seconds=after_s), 50, False), **changes)  # type: ignore[arg-type]


def test_said_once_and_again_only_when_much_worse() -> None:
    manager = NoticeManager()
    assert manager.choose([jam()], moment()) is not None
    assert manager.choose([jam()], moment(600)) is None
    assert manager.choose([jam(delay_s=200.0)], moment(700)) is None
    assert manager.choose([jam(delay_s=400.0)], moment(800)) is not None


@pytest.mark.parametrize(
    "change",
    [
        {"relevance": 0.1}, {"confidence": 0.1}, {"ahead_s": 5.0}, {"ahead_s": 9000.0}, {"until": NOW},
        {"kind": "offer"}, {"kind": "destination"},
    ],
)  # fmt: skip
def test_not_worth_it_too_late_too_early_over_or_not_wished(change: dict[str, object]) -> None:
    assert NoticeManager().choose([jam(**change)], moment()) is None


@pytest.mark.parametrize("change", [{"engaged": True}, {"maneuver_s": 5.0}, {"workload": 0.9}])
def test_waits_for_a_free_moment(change: dict[str, object]) -> None:
    manager = NoticeManager()
    assert manager.choose([jam()], moment(**change)) is None
    assert manager.choose([jam()], moment(10)) is not None


def test_the_budget_holds_and_safety_has_one_more() -> None:
    manager = NoticeManager(Wishes(frequency="low"))
    said = [manager.choose([jam(str(n))], moment(n * 120)) for n in range(6)]
    assert sum(c is not None for c in said) == 2
    accident = jam("x", kind="accident")
    assert manager.choose([accident], moment(800)) is not None
    assert manager.choose([replace(accident, key="y")], moment(900)) is None
    assert manager.choose([jam("z", until=NOW + timedelta(hours=2))], moment(4000)) is not None


def test_two_notices_are_kept_apart() -> None:
    manager = NoticeManager()
    assert manager.choose([jam("a"), jam("b")], moment()) is not None
    assert manager.choose([jam("a"), jam("b")], moment(30)) is None
    assert manager.choose([jam("a"), jam("b")], moment(100)) is not None


def test_a_clock_that_is_put_back_does_not_silence_it() -> None:
    manager = NoticeManager()
    assert manager.choose([jam("a", until=NOW + timedelta(days=2))], moment(86_400)) is not None
    assert manager.choose([jam("b")], moment()) is not None
    assert manager.choose([jam("c")], moment(30)) is None


def test_the_weightier_one_first() -> None:
    chosen = NoticeManager().choose([jam("a", relevance=0.5), jam("b", relevance=0.9)], moment())
    assert chosen is not None
    assert chosen.key == "b"


def test_later_enough_and_confinement() -> None:
    manager = NoticeManager()
    first = manager.choose([jam()], moment())
    assert first is not None
    manager.feedback(first, "later", NOW)
    assert manager.choose([jam()], moment(300)) is None
    assert manager.choose([jam(until=NOW + timedelta(hours=1))], moment(650)) is not None
    manager.feedback(first, "enough", NOW)
    assert manager.choose([jam("new")], moment(1300)) is None
    manager.start_drive()
    assert manager.liking("jam") < 1
    for _ in range(6):
        manager.feedback(first, "enough", NOW)
    manager.start_drive()
    assert manager.choose([jam("newer", until=NOW + timedelta(hours=9))], moment(7200)) is None
    assert manager.liking("accident") == 1


@pytest.mark.parametrize(
    ("days", "part", "hour", "free", "said"),
    [
        ("weekdays", "morning", 8, False, True), ("weekdays", "morning", 8, True, False),
        ("weekdays", "morning", 18, False, False), ("weekends", "all", 8, True, True), ("all", "night", 2, False, True),
        ("all", "night", 12, False, False),
    ],
)  # fmt: skip
def test_confined_to_hours(days: str, part: str, hour: int, free: bool, said: bool) -> None:
    manager = NoticeManager()
    manager.confine("jam", Confinement(days, part))  # type: ignore[arg-type]
    again = NoticeManager()
    again.restore(manager.to_json())
    at = NOW.replace(hour=hour)
    found = again.choose([jam(until=at + timedelta(hours=1))], DriveMoment(at, 50, False), free_day=free)
    assert (found is not None) is said


def test_what_is_restored_from_anything_is_harmless() -> None:
    manager = NoticeManager()
    for data in (None, [], {"jam": 3}, {"nothing": {"liked": 1}}):
        manager.restore(data)
    assert manager.liking("jam") == 1


def test_quiet_hours_past_midnight_let_safety_through() -> None:
    manager = NoticeManager(Wishes(quiet=parse_quiet("22:00-06:00")))
    late = NOW.replace(hour=23, minute=30)
    at_night = DriveMoment(late, 50, False)
    assert manager.choose([jam(until=late + timedelta(hours=1))], at_night) is None
    assert manager.choose([jam(until=late + timedelta(hours=1), kind="accident")], at_night) is not None


def test_wishes_say_what_is_wrong() -> None:
    for classes, frequency, quiet in (("jams", "normal", ""), ("jam", "often", ""), ("jam", "normal", "late")):
        with pytest.raises(ValueError, match=r"jams|frequency|quiet"):
            Wishes.of(classes, frequency, quiet)
    changed = Wishes().changed({"classes": ["jam"], "quiet": "21:00-07:00"})
    assert changed.classes == ("jam",)
    assert Wishes().changed(changed.to_json()) == changed


def test_the_policy_file_and_the_settings_know_the_same_classes() -> None:
    assert set(load_policy().classes) == set(CLASSES) == set(NOTICE_CLASSES)


# ── answers ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("words", "language", "meaning"),
    [
        ("はい、お願いします。", "ja", "yes"), ("うん", "ja", "yes"), ("変えてください", "ja", "yes"), ("いいえ", "ja", "no"),
        ("このままでいいです", "ja", "no"), ("あとで", "ja", "later"), ("もういいよ", "ja", "enough"), ("詳しく", "ja", "detail"),
        ("他の道は？", "ja", "other_way"), ("そこを目的地に", "ja", "go_there"), ("平日の朝だけにして", "ja", "confine"),
        ("その話は平日の朝だけ", "ja", "confine"), ("Yes, please!", "en", "yes"), ("No thanks.", "en", "no"), ("later", "en", "later"),
        ("stop telling me that", "en", "enough"), ("Tell me more", "en", "detail"), ("Is there another route?", "en", "other_way"),
        ("take me there", "en", "go_there"), ("only on weekday mornings", "en", "confine"),
        ("渋谷でイタリアンを探して", "ja", None), ("暑い", "ja", None), ("はい、それと暖房をつけて", "ja", None), ("", "ja", None),
        ("what's the weather", "en", None), ("だけ", "ja", None), ("only", "en", None),
    ],
)  # fmt: skip
def test_answers(words: str, language: str, meaning: str | None) -> None:
    found = read(words, language)  # type: ignore[arg-type]
    assert (found.meaning if found else None) == meaning
    if meaning == "confine":
        assert found is not None
        assert found.confinement == Confinement("weekdays", "morning")


# ── looking ahead ───────────────────────────────────────────────────────────────────────────────────────────────────


class Outage:
    async def along(self, geometry: Sequence[Position], corridor_m: float = 150) -> tuple[TrafficEvent, ...]:
        raise BackendUnavailable("traffic")

    async def around(self, position: Position, radius_m: float) -> tuple[TrafficEvent, ...]:
        raise BackendUnavailable("traffic")

    async def forecast(self, place: str, position: Position, start: datetime, end: datetime) -> Forecast:
        raise BackendUnavailable("weather")


def world() -> SimulatedWorld:
    found = SimulatedWorld(1, SimulatedClock.frozen(NOW))
    found.force_weather("sunny")
    return found


def commute(**changes: object) -> Ahead:
    corner = Position(HOME.latitude, WORK.longitude)
    points = [
        Position(a.latitude + s / 30 * (b.latitude - a.latitude), a.longitude + s / 30 * (b.longitude - a.longitude))
        for a, b in ((HOME, corner), (corner, WORK))
        for s in range(31)
    ]
    route = route_along(list(dict.fromkeys(points)), turn=30)
    return replace(Ahead(route, 0.0, 1.0, WORK), **changes)  # type: ignore[arg-type]


def lookout(w: SimulatedWorld) -> Lookout:
    return Lookout(WorldTraffic(w), WorldWeather(w), GridRoads())


async def test_events_ahead_with_delay_and_a_detour_that_saves_time() -> None:
    w, ahead = world(), commute()
    w.place_on_route("accident", ahead.route.geometry, "環七通り", "Kannana", from_m=6000, delay_s=1200)
    w.place_on_route("jam", ahead.route.geometry, "甲州街道", from_m=11000, length_m=500, delay_s=120)
    found = {c.kind: c for c in await lookout(w).look(ahead, NOW)}
    accident = found["accident"]
    assert accident.detour is not None
    assert accident.detour.saves_s > 600
    assert accident.sentence == "notice.accident_detour"
    assert accident.values["en"]["road"] == "Kannana"
    assert found["jam"].relevance < 0.2
    assert abs(accident.ahead_s - 6000 / 11) < 60


async def test_what_lies_behind_is_not_told_and_a_jam_of_every_day_is_no_news() -> None:
    w, ahead = world(), commute(along_m=7000.0)
    w.place_on_route("accident", ahead.route.geometry, "環七通り", from_m=6000, delay_s=1200)
    assert await lookout(w).look(ahead, NOW) == []
    w = world()
    w.place_on_route("jam", ahead.route.geometry, "甲州街道", from_m=9000, length_m=500, delay_s=900)
    rest = commute().route.duration_s
    news = (await lookout(w).look(commute(), NOW))[0]
    usual = (await lookout(w).look(commute(usual_s=rest + 900), NOW))[0]
    assert news.relevance > 0.9
    assert usual.relevance < 0.1


async def test_rain_is_told_for_the_time_of_passing() -> None:
    asked: list[Position] = []

    class Changing(WorldWeather):
        async def forecast(self, place: str, position: Position, start: datetime, end: datetime) -> Forecast:
            asked.append(position)
            self.world.force_weather("snow" if position.longitude > HOME.longitude + 0.03 else "sunny")
            return await super().forecast(place, position, start, end)

    w = world()
    found = await Lookout(WorldTraffic(w), Changing(w), GridRoads()).look(commute(), NOW)
    assert [c.sentence for c in found] == ["notice.weather_snow"]
    assert found[0].ahead_s >= 600
    # Where one is going does not leave the car more exactly than to some kilometres.
    assert all(abs(p.latitude * 20 - round(p.latitude * 20)) < 1e-3 for p in asked)
    assert all(abs(p.longitude * 20 - round(p.longitude * 20)) < 1e-3 for p in asked)


async def test_backends_that_do_not_answer_leave_silence() -> None:
    assert await Lookout(Outage(), Outage(), GridRoads()).look(commute(), NOW) == []


async def test_offers_need_a_liking_and_a_meal_time() -> None:
    offers = MealOffers(FewPlaces())
    assert await offers.offers(commute(), NOW.replace(hour=12)) == []
    offers = MealOffers(FewPlaces(), ("ramen",))
    assert await offers.offers(commute(), NOW) == []


# ── words ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_sentence_exists_in_both_languages_and_takes_the_same_values() -> None:
    phrases = Phrases.load(NLU_DATA / "responses")
    ids = {i for i in phrases.ids("ja") if i.startswith(("notice.", "prediction.", "taste.", "profile."))}
    assert ids == {i for i in phrases.ids("en") if i.startswith(("notice.", "prediction.", "taste.", "profile."))}
    for kind in ("accident", "closure", "regulation", "jam"):
        assert {f"notice.{kind}", f"notice.{kind}_detour", f"notice.{kind}_way"} <= ids
    for severity in ("snow", "storm", "heavy_rain", "rain"):
        assert f"notice.weather_{severity}" in ids


def test_names_from_feeds_are_only_names() -> None:
    assert wording.safe("<b>環七\u202e\n{road}</b>") == "b環七 road/b"
    assert len(wording.safe("あ" * 500)) == wording.NAME_LIMIT
    assert wording.road("\u200b", "en") == "this road"


def test_routes_are_routes() -> None:
    assert isinstance(commute().route, Route)
