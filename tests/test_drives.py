"""Drive scenarios (tests/drives/*.yml; docs/scenarios.md): Agent+ in a small town, in virtual time."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from backends.model import Position, Route, SavedPlace
from simulator.vehicle import JAPAN
from tests.fakes_drive import GYM, HOME, SHOP, WORK, Drive, ExpresswayRoads, GridRoads, at

FOLDER = Path(__file__).with_name("drives")
SPOTS = {
    "home": HOME,
    "work": WORK,
    "gym": GYM,
    "shop": SHOP,
    "far": at(-9000, -9000),
    "farther": at(-15000, 2000),
    "east": at(12000, 3000),
}
KEYS = {"name", "roads", "lang", "taught", "time", "drivers", "events", "kept", "steps"}
ROADS = {"streets": GridRoads, "expressway": ExpresswayRoads}
STEPS = {"stand", "drive", "guide", "until", "say", "means", "sit", "place", "note_files", "expect"}
SCENARIOS = [row for path in sorted(FOLDER.glob("*.yml")) for row in yaml.safe_load(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda row: row["name"])
async def test_drive(scenario: Mapping[str, Any], tmp_path: Path) -> None:
    assert set(scenario) <= KEYS
    begin = scenario.get("time") or datetime(2026, 5, 11, 7, 55)
    begin = begin if isinstance(begin, datetime) else datetime.fromisoformat(str(begin))
    play = Play(
        Drive(tmp_path, now=begin.replace(tzinfo=JAPAN), roads_given=ROADS[scenario.get("roads", "streets")]()),
        scenario,
    )
    try:
        await play.prepare()
        for number, step in enumerate(scenario["steps"]):
            assert set(step) <= STEPS
            await play.step(step)
            problems = await play.problems(step.get("expect") or {})
            assert not problems, (number, problems)
    finally:
        play.drive.close()


class Play:
    """One scenario being played."""

    def __init__(self, drive: Drive, scenario: Mapping[str, Any]) -> None:
        self.drive, self.scenario = drive, scenario
        self.ids = {"owner": "owner"}
        self.turn: Any = None
        self.files: dict[str, bytes] = {}

    async def prepare(self) -> None:
        drive, profiles = self.drive, self.drive.plus.profiles
        for name, key in (self.scenario.get("drivers") or {}).items():
            if name == "owner":
                profiles.change("owner", keys=(key,))
            else:
                self.ids[name] = profiles.add(name, keys=(key,)).id
        if lang := self.scenario.get("lang"):
            profiles.change("owner", language=lang)
        for driver, weeks in (self.scenario.get("taught") or {}).items():
            await drive.teach(self.ids[driver], weeks)
        self.ids |= {"guest": "guest"}
        for event in self.scenario.get("events") or ():
            values = dict(event)
            route = await self.way(*values.pop("way"))
            drive.world.place_on_route(values.pop("kind"), route.geometry, values.pop("road"), **values)
        if secret := self.scenario.get("kept"):
            await drive.memory.put("owner", SavedPlace("history", secret, WORK))
            drive.history.put("owner", "taste", {"traits": {f"genre:{secret}": [1.0, 0.0]}, "never": [], "chosen": {}})

    async def way(self, a: str, b: str) -> Route:
        return await self.drive.way(SPOTS[a], SPOTS[b])

    async def step(self, step: Mapping[str, Any]) -> None:
        drive = self.drive
        until = 1 if step.get("until") == "notice" else None
        if "sit" in step:
            drive.sit(step["sit"])
        if "place" in step:
            drive.vehicle.place(SPOTS[step["place"]])
        if "stand" in step:
            await drive.stand(step["stand"])
        if step.get("drive") == "further":
            await drive.on(until_notices=until)
        elif "drive" in step:
            await drive.go(await self.way(*step["drive"]), until_notices=until)
        if "guide" in step:
            await drive.navigation.set_route(step["guide"][1], await self.way(*step["guide"]), SPOTS[step["guide"][1]])
            await drive.on(until_notices=until)
        if "say" in step:
            self.turn = await drive.say(step["say"], step.get("means"))
        if step.get("note_files"):
            self.files = await asyncio.to_thread(contents, drive.folder)

    async def problems(self, expect: Mapping[str, Any]) -> list[str]:
        """What is not as expected, in words."""
        drive = self.drive
        said = [n for n in drive.notices if n.kind != "ask"]
        texts = " ".join(n.text for n in said)
        files = await asyncio.to_thread(contents, drive.folder)
        status = drive.navigation.now()
        checks: dict[str, Any] = {
            "notices": lambda v: [n.kind for n in said] == v,
            "notice_has": lambda v: all(re.search(p, texts) for p in v),
            "notice_lacks": lambda v: not any(re.search(p, texts) for p in v),
            "last_notice_has": lambda v: all(re.search(p, drive.notices[-1].text) for p in v),
            "reply_has": lambda v: all(re.search(p, self.turn.spoke.text) for p in v),
            "reply_lacks": lambda v: not any(re.search(p, self.turn.spoke.text) for p in v),
            "asks": lambda v: (self.turn.spoke.context == "asks_yesno") is v,
            "driver": lambda v: drive.plus.profile.id == self.ids.get(v, v),
            "paused": lambda v: drive.plus.profile.paused is v,
            "classes": lambda v: set(drive.plus.manager.wishes.classes) == set(v),
            "frequency": lambda v: drive.plus.manager.wishes.frequency == v,
            "quiet": lambda v: drive.plus.manager.wishes.to_json()["quiet"] == v,
            "forgotten": lambda v: v in drive.dialogue.forgotten,
            "actions": lambda v: [a.name for a in self.turn.acted if a.ok] == v,
            "guiding": lambda v: status["guiding"] is v,
            "at": lambda v: drive.vehicle.position.distance_to(SPOTS[v]) < 60,
            "away_from_events_m": lambda v: self.nearest(status["route"]) > v,
            "drives": lambda v: {d: len(drive.history.load(self.ids[d]).habits) for d in v} == v,
            "in_files": lambda v: all(any(s.encode() in data for data in files.values()) for s in v),
            "not_in_files": lambda v: not any(s.encode() in data for s in v for data in files.values()),
            "files_unchanged": lambda v: (files == self.files) is v,
        }
        reply = self.turn.spoke.text if self.turn is not None else ""
        return [
            f"{key}: {value!r}; said: {texts!r}; answered: {reply!r}"
            for key, value in expect.items()
            if not checks[key](value)
        ]

    def nearest(self, route: object) -> float:
        """Metres between the guided route and the nearest event."""
        assert isinstance(route, Route)
        spots: list[Position] = [e.geometry[0] for e in self.drive.world.events()]
        return min(p.distance_to(spot) for p in route.geometry for spot in spots)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}
