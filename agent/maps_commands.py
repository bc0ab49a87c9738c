"""`concierge maps …`: made, listed, chosen."""

from __future__ import annotations

import argparse
from pathlib import Path

from agent.console import Command, help_of, with_progress
from agent.errors import StartError
from agent.settings import Settings, check_home


def add(command: Command) -> None:
    """The commands below `concierge maps`."""
    maps = command("maps", lambda s, a: help_of(maps), "maps: build, info, demo, use")
    maps_commands = maps.add_subparsers(title="commands", metavar="")
    build = maps_commands.add_parser("build", help="make a map from an OpenStreetMap extract")
    build.add_argument("file", type=Path, help="FILE.osm.pbf")
    build.add_argument("--name", help="name of the map (default: the file's)")
    build.set_defaults(handler=_maps_build)
    info = maps_commands.add_parser("info", help="the installed maps")
    info.set_defaults(handler=_maps_info)
    demo = maps_commands.add_parser("demo", help="build the demo region")
    demo.set_defaults(handler=_maps_demo)
    use = maps_commands.add_parser("use", help="make an installed map the active one")
    use.add_argument("name")
    use.set_defaults(handler=_maps_use)


def _maps_build(settings: Settings, arguments: argparse.Namespace) -> int:
    import re

    from backends.maps import MapError, build_map, choose

    check_home(settings)
    file: Path = arguments.file
    name = arguments.name or re.sub(r"[^a-z0-9_-]+", "-", file.name.lower().removesuffix(".pbf").removesuffix(".osm"))
    try:
        made = with_progress(
            lambda progress: build_map(
                file, settings.home, name=name, name_ja=arguments.name or name, progress=progress
            )
        )
        choose(settings.home, name)
    except MapError as error:
        raise StartError(str(error)) from error
    print(f"Map {made.name}: {made.places:,} places. It is the active map now.")
    return 0


def _maps_info(settings: Settings, _: argparse.Namespace) -> int:
    from backends.maps import current, installed

    active = current(settings.home)
    maps = installed(settings.home)
    for each in maps:
        info = each.info
        mark = "*" if active is not None and each.name == active.name else " "
        kind = "demo data" if info.demo else info.source
        print(
            f"{mark} {info.name}  {info.name_ja}  {info.places:,} places  built {info.built_at:%Y-%m-%d %H:%M}  {kind}"
        )
    if not maps:
        print("No map is installed. Build the demo region with: concierge maps demo")
    return 0 if maps else 1


def _maps_demo(settings: Settings, _: argparse.Namespace) -> int:
    from agent.composition import build_demo
    from backends.maps import MapError

    check_home(settings)
    try:
        with_progress(lambda progress: build_demo(settings, progress))
    except MapError as error:
        raise StartError(str(error)) from error
    return _maps_info(settings, _)


def _maps_use(settings: Settings, arguments: argparse.Namespace) -> int:
    from backends.maps import MapError, choose

    try:
        choose(settings.home, arguments.name)
    except MapError as error:
        raise StartError(str(error)) from error
    return _maps_info(settings, arguments)
