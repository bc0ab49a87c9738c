"""What Agent+ has learnt, on the page: the messages of docs/protocol.md and what they do."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from agent import settings as settings_module
from agent.composition import System
from agent.web.agentplus_messages import AgentPlusMessages
from backends.model import SavedPlace
from tests.fakes_drive import GYM, HOME, WORK, Drive, sentences
from tests.unit.test_web import open_front

DOCS = Path(__file__).resolve().parents[2] / "docs" / "protocol.md"


class Page:
    """A page of a car with three known weeks."""

    def __init__(self, drive: Drive, *, on: bool = True) -> None:
        settings = settings_module.load(environment={"CONCIERGE_HOME": str(drive.folder)})
        self.drive, self.got = drive, []
        system = SimpleNamespace(plus=drive.plus if on else None, phrases=sentences(), settings=settings)
        self._messages = AgentPlusMessages(cast(System, system), drive.session, self._take)
        self.got: list[dict[str, Any]] = []

    async def _take(self, message: Mapping[str, Any]) -> None:
        self.got.append(json.loads(json.dumps(message, ensure_ascii=False)))

    async def ask(self, do: str, **fields: Any) -> dict[str, Any]:
        """The one answer to a message."""
        before = len(self.got)
        work = self._messages.handlers["agentplus"]({"type": "agentplus", "do": do, **fields})
        assert work, f"{do} is no message"
        await work
        assert len(self.got) == before + 1
        return self.got[-1]


@pytest.fixture
async def page(tmp_path: Path) -> AsyncIterator[Page]:
    drive = Drive(tmp_path)
    await drive.teach("owner")
    drive.history.put(
        "owner", "taste", {"traits": {"genre:ramen@noon": [6, 1], "price:high@alone": [0, 4], "price:low@alone": [4, 0]},
                           "never": ["p12"], "chosen": {}},
    )  # fmt: skip
    await drive.memory.put("owner", SavedPlace("history", "<b>ジム</b>{x}", GYM))
    await drive.stand(60)
    yield Page(drive)
    drive.close()


async def test_the_whole_picture(page: Page) -> None:
    got = await page.ask("show")
    assert (got["type"], got["do"], got["on"], got["said"]) == ("agentplus", "show", True, "")
    assert got["driver"]["drives"] == 36
    home, work = got["places"][0], got["places"][1]
    assert {home["name"], work["name"]} == {"ご自宅", "会社"}
    assert abs(home["latitude"] - HOME.latitude) < 0.002 or abs(work["latitude"] - HOME.latitude) < 0.002
    assert not home["confirmed"]
    top = got["habits"][0]
    assert top["count"] == 15
    assert "平日の" in top["words"]
    assert len(top["line"]) > 10
    assert got["taste"][0]["id"] in ("taste:genre:ramen", "taste:price:low")
    assert got["taste"][-1]["id"] in ("never:p12", "taste:price:high")
    assert got["prediction"]["destinations"][0]["name"] == "会社"
    assert not got["prediction"]["abstain"]
    assert [c["class"] for c in got["notices"]["classes"] if c["on"]] == [
        "accident", "closure", "regulation", "jam", "weather",
    ]  # fmt: skip
    english = await page.ask("show", language="en")
    assert {p["name"] for p in english["places"][:2]} == {"home", "work"}


async def test_the_shapes_are_the_documented_ones(page: Page) -> None:
    text = DOCS.read_text(encoding="utf-8")
    block = re.search(r'\n    (\{"type": "agentplus", "do": "show".*?"keep_positions_days": 90\})', text, re.DOTALL)
    assert block is not None
    documented = json.loads(re.sub(r", …|…", "", block[1]))
    got = await page.ask("show")
    assert set(documented) == set(got)
    for key in ("driver", "notices", "prediction"):
        assert set(documented[key]) == set(got[key]), key
    for key in ("places", "habits", "taste", "drivers"):
        assert set(documented[key][0]) == set(got[key][0]), key
    assert set(documented["notices"]["classes"][0]) == set(got["notices"]["classes"][0])
    assert set(documented["prediction"]["destinations"][0]) == set(got["prediction"]["destinations"][0])


async def test_names_are_people_s_and_harmless(page: Page) -> None:
    await page.drive.go(await page.drive.way(HOME, GYM))
    await page.drive.stand(400)
    got = await page.ask("show")
    names = [p["name"] for p in got["places"]]
    assert "bジム/bx" in names
    assert not [n for n in names if "<" in n or "{" in n]


async def test_settings_are_set_and_survive(page: Page) -> None:
    got = await page.ask("set", **{"class": "jam", "on": False})
    assert "jam" not in [c["class"] for c in got["notices"]["classes"] if c["on"]]
    assert "渋滞" in got["said"]
    await page.ask("set", frequency="high", quiet="22:00-06:00")
    await page.ask("set", **{"class": "weather", "days": "weekdays", "part": "morning"})
    got = await page.ask("set", paused=True)
    assert (got["notices"]["frequency"], got["notices"]["quiet"]) == ("high", "22:00-06:00")
    assert got["driver"]["paused"]
    weather = next(c for c in got["notices"]["classes"] if c["class"] == "weather")
    assert (weather["days"], weather["part"]) == ("weekdays", "morning")
    assert page.drive.plus.profiles.get("owner").paused


REFUSED: list[dict[str, Any]] = [
        {"do": "set"}, {"do": "set", "class": "ufo", "on": True}, {"do": "set", "frequency": "always"},
        {"do": "set", "quiet": "late"}, {"do": "set", "class": "jam", "part": "noonish"}, {"do": "erase", "all": True},
        {"do": "remove_driver", "id": "owner"}, {"do": "erase", "item": "place:99"}, {"do": "erase", "item": 3},
        {"do": "erase", "item": "habit:x-y"}, {"do": "name", "item": "place:99", "name": "x"},
        {"do": "driver", "id": "nobody"}, {"do": "add_driver", "name": " "}, {"do": "rename_driver", "id": "x", "name": "y"},
]  # fmt: skip


async def test_what_cannot_be_done_is_refused_with_a_sentence(page: Page) -> None:
    before = page.drive.history.everything("owner")
    for fields in REFUSED:
        got = await page.ask(**fields)
        assert got["type"] == "refused", fields
        assert re.search(r"[ぁ-ん]", got["reason"])
    assert page.drive.history.everything("owner") == before


async def test_what_is_no_message_is_told_to_the_connection(page: Page) -> None:
    for message in ({}, {"do": "explode"}, {"do": 3}, {"do": None}):
        assert page._messages.handlers["agentplus"]({"type": "agentplus", **message}) is False


async def test_a_habit_and_a_place_are_erased_and_gone(page: Page) -> None:
    got = await page.ask("show")
    shop = next(p for p in got["places"] if p["visits"] == 3)
    habit = next(h for h in got["habits"] if h["to"] == shop["id"])
    got = await page.ask("erase", item=habit["id"])
    assert got["driver"]["drives"] == 33
    assert habit["id"] not in [h["id"] for h in got["habits"]]
    left = next(p for p in got["places"] if abs(p["latitude"] - shop["latitude"]) < 1e-3)
    assert left["visits"] == 0
    got = await page.ask("erase", item=left["id"])
    assert got["driver"]["drives"] == 30
    assert len(page.drive.history.load("owner").habits) == 30
    assert not [p for p in got["places"] if abs(p["latitude"] - shop["latitude"]) < 1e-3]


async def test_taste_and_what_notices_taught_are_erased(page: Page) -> None:
    got = await page.ask("erase", item="taste:genre:ramen")
    assert "taste:genre:ramen" not in [row["id"] for row in got["taste"]]
    got = await page.ask("erase", item="never:p12")
    assert "never:p12" not in [row["id"] for row in got["taste"]]
    await page.ask("set", **{"class": "weather", "days": "weekdays"})
    got = await page.ask("erase", item="notice:weather")
    assert next(c["days"] for c in got["notices"]["classes"] if c["class"] == "weather") == "all"


async def test_all_is_erased_only_when_confirmed(page: Page) -> None:
    got = await page.ask("erase", all=True, confirm=True)
    assert got["driver"]["drives"] == 0
    assert (got["places"], got["habits"], got["taste"], got["prediction"]) == ([], [], [], None)
    data = b"".join(p.read_bytes() for p in page.drive.folder.iterdir() if p.is_file())
    assert b"genre:ramen" not in data
    assert "ジム".encode() not in data
    assert page.drive.dialogue.forgotten[-1] == "driver owner"


async def test_export_is_everything(page: Page) -> None:
    got = await page.ask("export")
    assert (got["type"], got["filename"]) == ("agentplus_export", "agentplus-owner.json")
    document = got["document"]
    assert len(document["drives"]) == 36
    assert document["drives"][0]["geometry"]
    assert document["taste"]["never"] == ["p12"]
    assert document["destinations"][0]["name"] == "<b>ジム</b>{x}"


async def test_a_place_is_named_and_work_is_said_to_be_work(page: Page) -> None:
    got = await page.ask("show")
    work = next(p for p in got["places"] if p["role"] == "work")
    got = await page.ask("name", item=work["id"], name="work")
    assert next(p for p in got["places"] if p["id"] == work["id"])["confirmed"]
    saved = await page.drive.memory.get("owner", "work")
    assert saved is not None
    assert saved.position.distance_to(WORK) < 200
    got = await page.ask("name", item=work["id"], name="アトリエ")
    named = next(p for p in got["places"] if p["id"] == work["id"])
    assert (named["name"], named["role"]) == ("アトリエ", "named")
    assert page.drive.history.load("owner").places.places[int(work["id"][6:])].name == "アトリエ"


async def test_drivers_are_added_take_the_wheel_and_leave_nothing_when_removed(page: Page) -> None:
    got = await page.ask("add_driver", name="Ken")
    ken = next(d for d in got["drivers"] if d["name"] == "Ken")
    assert (await page.ask("add_driver", name="ken"))["type"] == "refused"
    await page.ask("add_driver", name="はな")
    assert (await page.ask("add_driver", name="まこと"))["type"] == "refused"
    got = await page.ask("rename_driver", id=ken["id"], name="ケント")
    assert "ケント" in [d["name"] for d in got["drivers"]]
    got = await page.ask("driver", id=ken["id"])
    assert (got["driver"]["id"], got["driver"]["drives"], got["places"]) == (ken["id"], 0, [])
    await page.drive.go(await page.drive.way(HOME, GYM))
    await page.drive.stand(400)
    assert (await page.ask("show"))["driver"]["drives"] == 1
    got = await page.ask("remove_driver", id=ken["id"], confirm=True)
    assert got["driver"]["role"] == "guest"
    assert ken["id"] not in [d["id"] for d in got["drivers"]]
    data = b"".join(p.read_bytes() for p in page.drive.folder.iterdir() if p.is_file())
    assert ken["id"].encode() not in data
    assert "ケント".encode() not in data


async def test_a_guest_has_nothing_and_may_do_nothing_but_leave_the_wheel(page: Page) -> None:
    got = await page.ask("driver", id="guest")
    assert (got["driver"]["role"], got["places"], got["habits"], got["taste"]) == ("guest", [], [], [])
    for fields in (
        {"do": "erase", "all": True, "confirm": True},
        {"do": "set", "paused": True},
        {"do": "add_driver", "name": "x"},
    ):
        assert (await page.ask(**fields))["type"] == "refused"
    exported = (await page.ask("export"))["document"]
    assert set(exported) == {"profile", "role"}
    assert (await page.ask("driver", id="owner"))["driver"]["drives"] == 36


async def test_switched_off_it_says_so(page: Page) -> None:
    off = Page(page.drive, on=False)
    got = await off.ask("show")
    assert (got["on"], set(got)) == (False, {"type", "do", "on", "said"})
    assert got["said"]


async def test_over_the_socket(tmp_path: Path) -> None:
    async with open_front(tmp_path) as front:
        got = await front.talk({"type": "agentplus", "do": "show", "language": "en"}, until="agentplus")
        assert got[-1]["on"] is False
        got = await front.talk({"type": "agentplus", "do": "explode"}, until="refused")
        assert got[-1]["reason"] == "unknown message"
