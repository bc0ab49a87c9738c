"""Maps: from an OpenStreetMap extract to what the car drives and searches on.

    <data folder>/maps/current                text: the name of the active map
    <data folder>/maps/<name>/info.json       what it is (RegionInfo)
                              places.sqlite   the places (backends.places)
                              tiles/          Valhalla's routing tiles
                              valhalla.json   configuration for a `valhalla_service` on these tiles
                              road_names.json local road name → {"en": …}
                              map.mbtiles     vector tiles for the page's map (backends.map_tiles)
                              roads.geojson   road lines, ≤ 3 MB: what is drawn of a map without tiles

An extract without roads (some hold nodes only) makes a map that is searched but not driven on: `tiles/` stays empty.
A map appears under its name only when it is whole: it is built in a folder beside and renamed. Whatever is wrong with the
input ends as a `MapError`, a sentence for the person who asked for the map.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import shutil
import sqlite3
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final

from backends import map_tiles
from backends.model import Place, Position, RegionInfo
from backends.routes import ROAD_NAMES_FILE, valhalla_config

Progress = Callable[[str, float], None]
"""(what is being done, how much of the whole is done 0 … 1)"""

ROADS_LIMIT_BYTES: Final = 3_000_000
ROAD_CLASSES: Final = ("motorway", "trunk", "primary", "secondary", "tertiary", "unclassified", "residential")
"""The classes drawn, most important first; links count with their class, living streets as residential."""
TILES_DEADLINE_S: Final = 6 * 3600.0
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


class MapError(Exception):
    """The map could not be built or read; the text is a sentence for the person who asked."""


@dataclass(frozen=True, slots=True)
class InstalledMap:
    """A finished map on disk."""

    folder: Path
    info: RegionInfo

    @property
    def name(self) -> str:
        return self.info.name

    @property
    def places_path(self) -> Path:
        return self.folder / "places.sqlite"

    @property
    def tiles_path(self) -> Path:
        return self.folder / "tiles"

    @property
    def roads_path(self) -> Path:
        return self.folder / "roads.geojson"

    @property
    def picture_path(self) -> Path:
        """The vector tiles; maps built before there were any have none."""
        return self.folder / map_tiles.FILE


def installed(data_dir: Path) -> list[InstalledMap]:
    """The finished maps, by name. Folders that are no map are passed over."""
    root = data_dir / "maps"
    if not root.is_dir():
        return []
    found = (_read_map(folder) for folder in sorted(root.iterdir()) if _NAME.fullmatch(folder.name))
    return [installed_map for installed_map in found if installed_map is not None]


def current(data_dir: Path) -> InstalledMap | None:
    """The active map, None when there is none."""
    try:
        name = (data_dir / "maps" / "current").read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return _read_map(data_dir / "maps" / name) if _NAME.fullmatch(name) else None


def choose(data_dir: Path, name: str) -> InstalledMap:
    """Makes the map of that name the active one. Raises `MapError`."""
    chosen = _read_map(data_dir / "maps" / name) if _NAME.fullmatch(name) else None
    if chosen is None:
        raise MapError(f"There is no map called {name!r}.")
    _write_atomically(data_dir / "maps" / "current", name + "\n")
    return chosen


def build_map(
    pbf: Path,
    data_dir: Path,
    *,
    name: str,
    name_ja: str,
    places: Iterable[Place] | None = None,
    demo: bool = False,
    progress: Progress = lambda step, done: None,
) -> RegionInfo:
    """Builds the map `name` from an OSM extract and makes it the active one. Blocks; raises `MapError`.

    `pbf`: .osm.pbf, or any other OSM file (.osm, .osm.bz2 …); need not be sorted. `places`: the places to install; None
    takes those of the extract. A map of the same name is replaced once the new one is whole.
    """
    if not _NAME.fullmatch(name):
        raise MapError(f"A map's name is 1 to 64 of a-z, 0-9, - and _, beginning with a letter or digit; not {name!r}.")
    root = data_dir / "maps"
    try:
        root.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".building-{name}-", dir=root))
    except OSError as error:
        raise MapError(f"The data folder {data_dir} cannot be written: {error.strerror}.") from error
    try:
        info = _build_into(folder, root / name, pbf, name, name_ja, places, demo, progress)
        _replace_folder(folder, root / name)
        _write_atomically(root / "current", name + "\n")
    except OSError as error:
        raise MapError(f"The map could not be written: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    progress("done", 1.0)
    return info


def _build_into(
    folder: Path,
    final: Path,
    pbf: Path,
    name: str,
    name_ja: str,
    places: Iterable[Place] | None,
    demo: bool,
    progress: Progress,
) -> RegionInfo:
    progress("reading the extract", 0.0)
    extract = _sorted_extract(pbf, folder)
    progress("road lines", 0.1)
    roads = _read_roads(extract)
    south_west, north_east = roads.bounds() if roads else _node_bounds(extract)
    (folder / "roads.geojson").write_bytes(roads.geojson())
    (folder / ROAD_NAMES_FILE).write_text(
        json.dumps(roads.english, ensure_ascii=False, indent=0, sort_keys=True), encoding="utf-8"
    )
    progress("drawing the map", 0.2)
    _draw(
        extract,
        folder,
        name_ja,
        demo,
        (south_west, north_east),
        lambda part: progress("drawing the map", 0.2 + 0.2 * part),
    )
    progress("routing tiles", 0.4)
    (folder / "tiles").mkdir()
    if roads:
        _build_tiles(extract, folder, lambda part: progress("routing tiles", 0.4 + 0.3 * part))
    info = RegionInfo(
        name=name,
        name_ja=name_ja,
        south_west=south_west,
        north_east=north_east,
        places=0,
        built_at=datetime.now(timezone.utc).replace(microsecond=0),
        source="demo region" if demo else pbf.name,
        demo=demo,
    )
    progress("places", 0.7)
    info = replace(info, places=_build_places(folder, extract, places, info))
    if not roads and not info.places:
        raise MapError(f"There are neither roads nor places in {pbf.name}.")
    progress("finishing", 0.98)
    config = valhalla_config(folder / "tiles")
    config["mjolnir"]["tile_dir"] = str((final / "tiles").resolve())
    (folder / "valhalla.json").write_text(json.dumps(config, indent=1), encoding="utf-8")
    if extract != pbf:
        extract.unlink()
    # Last: a folder without it is no map.
    (folder / "info.json").write_text(_dump_info(info), encoding="utf-8")
    return info


def _draw(
    extract: Path,
    folder: Path,
    name: str,
    demo: bool,
    bounds: tuple[Position, Position],
    progress: Callable[[float], None],
) -> None:
    attribution = "Demo region" if demo else "© OpenStreetMap contributors"
    try:
        map_tiles.build_tiles(
            extract, folder / map_tiles.FILE, name=name, attribution=attribution, bounds=bounds, progress=progress
        )
    except (RuntimeError, ValueError, OverflowError, sqlite3.Error) as error:
        raise MapError(f"The map could not be drawn: {_one_line(error)}.") from error


def _build_places(folder: Path, extract: Path, places: Iterable[Place] | None, info: RegionInfo) -> int:
    from backends.places import build_places

    if places is None:
        from backends.osm_places import read_places

        places = read_places(extract)
    try:
        count = build_places(folder / "places.sqlite", places, info)
    except (RuntimeError, ValueError, sqlite3.Error) as error:
        raise MapError(f"The places could not be read: {error}.") from error
    return count


# --- the extract -------------------------------------------------------------------------------------------------


def _sorted_extract(pbf: Path, folder: Path) -> Path:
    """`pbf` itself when it is a sorted PBF, otherwise a sorted copy in `folder`. Raises `MapError`."""
    import osmium

    if not pbf.is_file():
        raise MapError(f"There is no file {pbf}.")
    if pbf.stat().st_size == 0:
        raise MapError(f"{pbf.name} is empty.")
    is_pbf = pbf.name.endswith(".pbf")
    try:
        if is_pbf and _is_sorted(pbf):
            return pbf
        copy = folder / "sorted.osm.pbf"
        reader = osmium.MergeInputReader()
        reader.add_file(str(pbf))
        with osmium.SimpleWriter(str(copy), header=_bare_header()) as writer:
            reader.apply(writer, simplify=True)
        return copy
    except (RuntimeError, ValueError, OverflowError, MemoryError) as error:
        raise MapError(f"{pbf.name} is not a readable OpenStreetMap file: {_one_line(error)}.") from error


def _bare_header() -> Any:
    import osmium

    header = osmium.io.Header()
    header.set("sorting", "Type_then_ID")
    return header


def _is_sorted(pbf: Path) -> bool:
    """Nodes, then ways, then relations, each by ascending id, none twice. Reads the whole file: headers lie."""
    import osmium

    ranks = {"n": 0, "w": 1, "r": 2}
    last = (-1, 0)
    for item in osmium.FileProcessor(str(pbf)):
        here = (ranks.get(item.type_str(), 3), item.id)
        if here <= last:
            return False
        last = here
    return True


# --- roads -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Road:
    road_class: str
    points: tuple[tuple[float, float], ...]
    """(longitude, latitude)"""
    properties: dict[str, str]


class _Roads:
    def __init__(self, roads: list[_Road], english: dict[str, dict[str, str]]) -> None:
        self._roads = roads
        self.english = english
        """names on roads and signs → {"en": …}"""

    def __bool__(self) -> bool:
        return bool(self._roads)

    def bounds(self) -> tuple[Position, Position]:
        longitudes = [x for road in self._roads for x, _ in road.points]
        latitudes = [y for road in self._roads for _, y in road.points]
        return Position(min(latitudes), min(longitudes)), Position(max(latitudes), max(longitudes))

    def geojson(self) -> bytes:
        """The lines as GeoJSON: coarser, then fewer, until they fit `ROADS_LIMIT_BYTES`."""
        features: list[bytes] = []
        for tolerance_m in (4.0, 10.0, 25.0, 60.0):
            features, whole = self._features(tolerance_m)
            if whole:
                break
        return b'{"type":"FeatureCollection","features":[\n' + b",\n".join(features) + b"\n]}\n"

    def _features(self, tolerance_m: float) -> tuple[list[bytes], bool]:
        features: list[bytes] = []
        size = 64
        for road_class in ROAD_CLASSES:
            encoded = [_feature(road, tolerance_m) for road in self._roads if road.road_class == road_class]
            added = sum(len(feature) + 2 for feature in encoded)
            if size + added > ROADS_LIMIT_BYTES:
                # The streets may be missing from a large map; the roads between towns may not.
                return features, road_class in ("unclassified", "residential")
            features += encoded
            size += added
        return features, True


def _feature(road: _Road, tolerance_m: float) -> bytes:
    line = [[round(x, 5), round(y, 5)] for x, y in simplify(road.points, tolerance_m)]
    feature = {
        "type": "Feature",
        "properties": {"class": road.road_class, **road.properties},
        "geometry": {"type": "LineString", "coordinates": line},
    }
    return json.dumps(feature, ensure_ascii=False, separators=(",", ":")).encode()


def simplify(points: Sequence[tuple[float, float]], tolerance_m: float) -> list[tuple[float, float]]:
    """Douglas–Peucker on (longitude, latitude) points: every dropped point lies within `tolerance_m` of the line."""
    if len(points) < 3:
        return list(points)
    lat_m = 111_195.0
    lon_m = lat_m * math.cos(math.radians(points[0][1]))
    keep = {0, len(points) - 1}
    stack = [(0, len(points) - 1)]
    while stack:
        first, last = stack.pop()
        ax, ay = points[first][0] * lon_m, points[first][1] * lat_m
        dx, dy = points[last][0] * lon_m - ax, points[last][1] * lat_m - ay
        square = dx * dx + dy * dy
        worst, at = tolerance_m, -1
        for index in range(first + 1, last):
            px, py = points[index][0] * lon_m - ax, points[index][1] * lat_m - ay
            part = min(1.0, max(0.0, (px * dx + py * dy) / square)) if square else 0.0
            off = math.hypot(px - part * dx, py - part * dy)
            if off > worst:
                worst, at = off, index
        if at >= 0:
            keep.add(at)
            stack += [(first, at), (at, last)]
    return [points[index] for index in sorted(keep)]


def _read_roads(extract: Path) -> _Roads:
    """Every drawn road of the extract. Raises `MapError`."""
    import osmium

    roads: list[_Road] = []
    english: dict[str, dict[str, str]] = {}
    try:
        # Ways, and the nodes that carry the names of exits.
        items = osmium.FileProcessor(str(extract)).with_locations().with_filter(osmium.filter.KeyFilter("highway"))
        for way in items:
            for key in ("name", "destination"):
                if key in way.tags and f"{key}:en" in way.tags:
                    english.setdefault(way.tags[key][:120], {"en": way.tags[f"{key}:en"][:120]})
            if not way.is_way():
                continue
            road_class = _road_class(way.tags.get("highway", ""))
            if road_class is None:
                continue
            points = tuple((node.lon, node.lat) for node in way.nodes if node.location.valid())
            if len(points) >= 2:
                roads.append(_Road(road_class, points, dict(_road_properties(way.tags))))
    except (RuntimeError, ValueError, OverflowError) as error:
        raise MapError(f"The extract is not a readable OpenStreetMap file: {_one_line(error)}.") from error
    return _Roads(roads, english)


def _node_bounds(extract: Path) -> tuple[Position, Position]:
    """Corners round every node, for an extract without roads. Raises `MapError`."""
    import osmium

    nodes = [node.location for node in osmium.FileProcessor(str(extract), osmium.osm.NODE) if node.location.valid()]
    if not nodes:
        raise MapError("There is nothing in the extract.")
    latitudes, longitudes = [node.lat for node in nodes], [node.lon for node in nodes]
    return Position(min(latitudes), min(longitudes)), Position(max(latitudes), max(longitudes))


def _road_class(highway: str) -> str | None:
    highway = highway.removesuffix("_link")
    if highway in ("living_street", "road"):
        return "residential"
    return highway if highway in ROAD_CLASSES else None


def _road_properties(tags: Any) -> Iterator[tuple[str, str]]:
    for key, tag in (("name", "name"), ("name_en", "name:en"), ("ref", "ref")):
        value = tags.get(tag)
        if value:
            yield key, str(value)[:120]


# --- routing tiles -----------------------------------------------------------------------------------------------

_TILE_STAGES: Final = (
    "Parsing ways",
    "Parsing relations",
    "Parsing nodes",
    "constructedges",
    "GraphBuilder",
    "GraphEnhancer",
    "HierarchyBuilder",
    "Creating shortcuts",
    "complex turn restrictions",
    "Validating",
    "Cleaning up",
)


def _build_tiles(extract: Path, folder: Path, progress: Callable[[float], None]) -> None:
    """Runs Valhalla's tile builder on the extract. Raises `MapError`."""
    folder = folder.resolve()
    tiles = folder / "tiles"
    config = valhalla_config(tiles)
    config["mjolnir"]["concurrency"] = os.cpu_count() or 1
    config["mjolnir"]["logging"] = {"type": "std_out", "color": False}
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        config_path = Path(scratch) / "valhalla.json"
        admins = Path(scratch) / "admins.sqlite"
        if _in_japan(extract) and _build_japan(config, config_path, admins, Path(scratch)):
            config["mjolnir"]["admin"] = str(admins)
        config_path.write_text(json.dumps(config), encoding="utf-8")
        lines = _run("valhalla_build_tiles", ["-c", str(config_path), str(extract.resolve())], Path(scratch), progress)
    if not any(tiles.rglob("*.gph")):
        reason = next((line for line in reversed(lines) if "ERROR" in line or "FATAL" in line), "no routable road")
        raise MapError(f"The routing tiles could not be built: {_one_line(reason)}.")


def _run(
    program: str, arguments: list[str], folder: Path, progress: Callable[[float], None] = lambda part: None
) -> list[str]:
    """Runs one of Valhalla's programs in `folder`, where it leaves its reports; its output's last lines. Raises `MapError`."""
    import valhalla

    binary = Path(valhalla.__file__).parent / "bin" / program
    lines: list[str] = []
    try:
        process = subprocess.Popen(
            [str(binary), *arguments],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise MapError(f"{program} could not be started: {error.strerror}.") from error
    killer = threading.Timer(TILES_DEADLINE_S, process.kill)
    killer.daemon = True
    killer.start()
    try:
        assert process.stdout is not None
        for line in process.stdout:
            lines = [*lines[-40:], line.rstrip()]
            for at, stage in enumerate(_TILE_STAGES):
                if stage in line:
                    progress((at + 1) / len(_TILE_STAGES))
        code = process.wait()
    finally:
        killer.cancel()
        if process.poll() is None:
            process.kill()
            process.wait()
    if code != 0:
        reason = next((line for line in reversed(lines) if "ERROR" in line or "FATAL" in line), f"exit code {code}")
        raise MapError(f"The routing tiles could not be built: {_one_line(reason)}.")
    return lines


_JAPAN: Final = (
    (122.5, 23.5), (131.8, 29.5), (143.5, 33.0), (154.5, 24.0), (154.5, 43.2), (145.9, 43.5), (145.4, 44.4),
    (142.0, 45.8), (140.5, 45.6), (135.5, 38.0), (132.0, 36.6), (129.7, 34.9), (129.0, 34.9), (128.0, 32.8), (122.5, 25.5),
)  # fmt: skip
"""A coarse outline, (longitude, latitude), that leaves Japan's neighbours outside."""


def _in_japan(extract: Path) -> bool:
    import osmium

    box = osmium.io.Reader(str(extract), osmium.osm.osm_entity_bits.NOTHING).header().box()
    if box.valid():
        longitude = (box.bottom_left.lon + box.top_right.lon) / 2
        latitude = (box.bottom_left.lat + box.top_right.lat) / 2
        return _inside(longitude, latitude, _JAPAN)
    for node in osmium.FileProcessor(str(extract), osmium.osm.NODE):
        return _inside(node.lon, node.lat, _JAPAN)
    return False


def _inside(x: float, y: float, ring: Sequence[tuple[float, float]]) -> bool:
    """Even-odd rule."""
    inside = False
    for (ax, ay), (bx, by) in zip(ring, (*ring[1:], ring[0]), strict=True):
        if (ay > y) != (by > y) and x < ax + (y - ay) / (by - ay) * (bx - ax):
            inside = not inside
    return inside


def _build_japan(config: dict[str, Any], config_path: Path, admins: Path, scratch: Path) -> bool:
    """Valhalla learns from a database of countries that Japan drives on the left; an extract seldom holds its border."""
    import osmium
    from osmium.osm.mutable import Node, Relation, Way

    border = scratch / "japan.osm.pbf"
    with osmium.SimpleWriter(str(border)) as writer:
        for number, location in enumerate(_JAPAN, 1):
            writer.add_node(Node(id=number, version=1, location=location))
        ring = [*range(1, len(_JAPAN) + 1), 1]
        writer.add_way(Way(id=1, version=1, nodes=ring))
        tags = {
            "type": "boundary",
            "boundary": "administrative",
            "admin_level": "2",
            "name": "日本",
            "name:en": "Japan",
        }
        tags |= {"ISO3166-1": "JP", "ISO3166-1:alpha2": "JP"}
        writer.add_relation(Relation(id=1, version=1, members=[("w", 1, "outer")], tags=tags))
    config_path.write_text(json.dumps(config | {"mjolnir": config["mjolnir"] | {"admin": str(admins)}}), "utf-8")
    try:
        _run("valhalla_build_admins", ["-c", str(config_path), str(border)], scratch)
    except MapError:
        return False  # guidance is then as for a country that drives on the right
    return admins.is_file()


# --- files -------------------------------------------------------------------------------------------------------


def _dump_info(info: RegionInfo) -> str:
    fields = {
        "name": info.name,
        "name_ja": info.name_ja,
        "south_west": [info.south_west.latitude, info.south_west.longitude],
        "north_east": [info.north_east.latitude, info.north_east.longitude],
        "places": info.places,
        "built_at": info.built_at.isoformat(),
        "source": info.source,
        "demo": info.demo,
    }
    return json.dumps(fields, ensure_ascii=False, indent=1) + "\n"


def _read_map(folder: Path) -> InstalledMap | None:
    try:
        fields = json.loads((folder / "info.json").read_text("utf-8"))
        info = RegionInfo(
            name=str(fields["name"]),
            name_ja=str(fields["name_ja"]),
            south_west=Position(*map(float, fields["south_west"])),
            north_east=Position(*map(float, fields["north_east"])),
            places=int(fields["places"]),
            built_at=datetime.fromisoformat(fields["built_at"]),
            source=str(fields["source"]),
            demo=bool(fields["demo"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return InstalledMap(folder, info) if info.name == folder.name else None


def _replace_folder(new: Path, final: Path) -> None:
    """Puts `new` in `final`'s place; what was there goes last, so that a crash leaves one of the two."""
    new.chmod(0o755)
    old = new.with_name(new.name.replace(".building-", ".old-"))
    if final.exists():
        final.rename(old)
    try:
        new.rename(final)
    except OSError:
        if old.exists():
            old.rename(final)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _write_atomically(path: Path, text: str) -> None:
    handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(scratch, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(scratch)
        raise


def _one_line(error: object) -> str:
    return " ".join(str(error).split())[:200].rstrip(".")
