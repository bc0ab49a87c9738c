"""Drivers, taste, and the commands that show, export, pause and erase what was learnt."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from agent.cli import main
from agent.prediction.store import History
from agent.profile import GUEST, ProfileError, Profiles
from agent.taste import KeptTaste, Taste
from backends.model import Place, PlaceHit, Position
from simulator.vehicle import JAPAN
from tests.fakes_drive import HOME, WORK, route_along, trip_along

NOON = datetime(2026, 5, 11, 12, 0, tzinfo=JAPAN)


class Drawer:
    """A store in memory."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], object] = {}

    def get(self, driver: str, key: str) -> object:
        return self.rows.get((driver, key))

    def put(self, driver: str, key: str, value: object) -> None:
        self.rows[driver, key] = json.loads(json.dumps(value))


def restaurant(name: str, *genres: str, price: str = "middle", metres: float = 800, rating: float = 3.5) -> PlaceHit:
    place = Place(name, name, Position(35.7, 139.6), "restaurant", genres, price=price, rating=rating)  # type: ignore[arg-type]
    return PlaceHit(place, metres)


# ── drivers ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_owner_is_there_from_the_beginning_and_three_is_the_most() -> None:
    profiles = Profiles(Drawer())
    assert [p.role for p in profiles.all()] == ["owner"]
    profiles.add("ケン")
    profiles.add("Hana")
    with pytest.raises(ProfileError):
        profiles.add("Zoe")
    assert [p.role for p in profiles.all()] == ["owner", "driver", "driver"]


def test_recognised_by_key_or_telephone_otherwise_asked() -> None:
    profiles = Profiles(Drawer())
    assert profiles.recognise(None).profile is not None
    profiles.change("owner", keys=("key-1", "phone-1"))
    assert profiles.recognise("key-9").profile is None
    second = profiles.add("ケン", keys=["key-2"])
    for key, wanted in (("key-1", "owner"), ("phone-1", "owner"), ("key-2", second.id)):
        found = profiles.recognise(key).profile
        assert found is not None
        assert found.id == wanted
    unknown = profiles.recognise(None)
    assert unknown.profile is None
    assert len(unknown.choices) == 2


def test_changes_are_kept_and_checked() -> None:
    drawer = Drawer()
    profiles = Profiles(drawer)
    profiles.change("owner", language="en", wake_word="Hey Car", voice="f2", notices={"classes": ["jam"]})
    again = Profiles(drawer).get("owner")
    assert (again.language, again.wake_word, again.voice, again.notices) == (
        "en",
        "Hey Car",
        "f2",
        {"classes": ["jam"]},
    )
    for bad in ({"name": ""}, {"name": "x" * 99}, {"language": "fr"}, {"name": "a\nb"}):
        with pytest.raises(ProfileError):
            profiles.change("owner", **bad)
    with pytest.raises(ProfileError):
        profiles.get("nobody")
    assert not profiles.get(GUEST).learns


def test_removed_means_off_the_list_and_the_owner_starts_anew() -> None:
    profiles = Profiles(Drawer())
    second = profiles.add("ケン", keys=["k"])
    profiles.change("owner", keys=("a",))
    profiles.remove(second.id)
    assert [p.id for p in profiles.all()] == ["owner"]
    profiles.remove("owner")
    assert profiles.get("owner").keys == ()


def test_broken_rows_do_not_lose_the_others() -> None:
    drawer = Drawer()
    drawer.put(
        "_car", "profiles", [{"id": "owner", "name": "A", "role": "owner"}, {"id": "?", "name": ""}, 7, {"x": 1}]
    )
    assert [p.name for p in Profiles(drawer).all()] == ["A"]


# ── taste ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def learnt(times: int = 6) -> Taste:
    taste = Taste()
    for n in range(times):
        taste.note(restaurant(f"r{n}", "ramen", price="low"), [restaurant(f"f{n}", "french", price="high")], hour=12)
    return taste


def test_nobody_known_gets_the_usual_order() -> None:
    hits = [restaurant("a", "french"), restaurant("b", "ramen"), restaurant("c", "sushi")]
    assert [s.hit for s in Taste().rank(hits, hour=12)] == hits


def test_what_is_liked_comes_first_with_a_reason() -> None:
    hits = [restaurant("a", "french", price="high"), restaurant("b", "soba"), restaurant("c", "ramen", price="low")]
    ranked = learnt().rank(hits, hour=12)
    assert ranked[0].hit.place.name == "c"
    assert (ranked[0].reason, ranked[0].reason_value) in (("genre", "ramen"), ("price", ""))
    assert ranked[-1].hit.place.name == "a"


def test_every_third_list_holds_something_new() -> None:
    taste = learnt()
    hits = [restaurant(f"r{n}", "ramen", price="low") for n in range(5)] + [restaurant("new", "ethiopian")]
    lists = [[s.hit.place.name for s in taste.rank(hits, hour=12)[:3]] for _ in range(9)]
    assert [("new" in shown) for shown in lists] == [False, False, True] * 3


def test_not_that_place_again_and_forget() -> None:
    taste = learnt()
    disliked = restaurant("r1", "ramen", price="low")
    taste.reject(disliked, hour=12)
    assert "r1" not in [s.hit.place.id for s in taste.rank([disliked, restaurant("x", "soba")], hour=12)]
    assert taste.liked_genres() == ("ramen",)
    assert taste.forget("ramen")
    assert not taste.forget("ramen")
    assert taste.liked_genres() == ()
    assert taste.forget("r1")
    assert taste.never == []


def test_taste_survives_a_round_trip_and_rubbish() -> None:
    taste = learnt()
    again = Taste.restore(json.loads(json.dumps(taste.to_json())))
    hits = [restaurant("a", "french"), restaurant("c", "ramen", price="low")]
    assert [s.hit for s in again.rank(hits, hour=12)] == [s.hit for s in taste.rank(hits, hour=12)]
    for rubbish in (None, 3, {}, {"traits": 1, "never": 2, "chosen": 3}):
        assert Taste.restore(rubbish).traits == {}


def test_kept_taste_orders_and_says_why_and_a_guest_leaves_nothing() -> None:
    drawer = Drawer()
    port = KeptTaste(drawer, learns=lambda driver: driver != GUEST)
    french, ramen = restaurant("a", "french", price="high"), restaurant("b", "ramen", price="low")
    for _ in range(5):
        port.note("owner", ramen, [french], NOON)
        port.note(GUEST, ramen, [french], NOON)
    hits, why = port.order("owner", [french, ramen], NOON)
    assert [h.place.name for h in hits] == ["b", "a"]
    assert why is not None
    assert port.order(GUEST, [french, ramen], NOON) == ((french, ramen), None)
    assert {driver for driver, _ in drawer.rows} == {"owner"}


# ── commands ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CONCIERGE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CONCIERGE_KEEP_POSITIONS_DAYS", "3650")
    return tmp_path / "home"


def tracks(path: Path, days: int = 12) -> Path:
    """A fortnight of commuting as JSON lines."""
    rows = []
    for day in range(days):
        for a, b, hour in ((HOME, WORK, 8), (WORK, HOME, 18)):
            trip = trip_along(route_along([a, b]), NOON.replace(hour=hour) - timedelta(days=days - day))
            points = [
                [(trip.start + timedelta(seconds=float(s))).isoformat(), float(x), float(y)]
                for s, (x, y) in zip(trip.seconds, trip.track, strict=True)
            ]
            rows.append(json.dumps({"id": len(rows), "user": "x", "points": points}))
    path.write_text("\n".join(rows), encoding="utf-8")
    return path


def test_import_show_export_pause_and_erase(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", "import", str(tracks(tmp_path / "t.jsonl"))]) == 0
    assert "24 drives imported" in capsys.readouterr().out
    assert main(["profile", "import", str(tmp_path / "t.jsonl")]) == 0
    assert "24 older" in capsys.readouterr().out
    assert main(["profile", "show"]) == 0
    shown = capsys.readouterr().out
    assert "24 drives, 2 places" in shown
    assert "home?" in shown
    assert main(["profile", "export", "--out", str(tmp_path / "e.json")]) == 0
    exported = json.loads((tmp_path / "e.json").read_text(encoding="utf-8"))
    assert len(exported["drives"]) == 24
    assert exported["drives"][0]["geometry"]
    assert main(["profile", "pause"]) == 0
    assert main(["profile", "list"]) == 0
    assert "learning paused" in capsys.readouterr().out
    assert main(["profile", "pause", "--resume"]) == 0
    assert main(["profile", "erase", "--place", "0"]) == 0
    assert main(["profile", "erase"]) == 0
    history = History(f"sqlite:///{home / 'state' / 'agentplus.sqlite'}")
    assert len(history.load("owner").habits) == 0
    history.close()


@pytest.mark.parametrize(
    "arguments",
    [
        ["show", "nobody"], ["erase", "--place", "99"], ["erase", "--taste", "ramen"], ["import", "missing.gpx"],
        ["import", "pyproject.toml"],
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said_in_a_sentence(
    home: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert main(["profile", *arguments]) == 1
    said = capsys.readouterr().err.strip().splitlines()
    assert said[-1].startswith("concierge: ")
    assert "Traceback" not in "".join(said)


def test_predict_reads_and_writes_lines(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(tracks(tmp_path / "t.jsonl", days=3))]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(rows) == 24
    assert set(rows[-1]) == {"id", "seen", "destinations", "abstain", "route"}
    assert rows[-1]["destinations"][0]["p"] > 0.3
    assert rows[-1]["route"]
    assert not (home / "state" / "agentplus.sqlite").exists()
