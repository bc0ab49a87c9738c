"""The picture of a map: vector tiles for the page, made from the extract and kept in one MBTiles file.

`map_layers.yml` says what is drawn. Pieces of geometry are cut into tiles as they are read and laid aside in a scratch
database, then gathered tile by tile: memory holds one object and one tile, whatever the extract's size (and osmium's table
of node positions, 8 to 16 bytes a node).

https://github.com/mapbox/mbtiles-spec/blob/master/1.3/spec.md
"""

from __future__ import annotations

import gzip
import itertools
import json
import os
import sqlite3
import tempfile
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from backends import coastline
from backends.model import Position
from backends.vector_tiles import (
    DETAIL,
    EXTENT,
    LINE,
    POINT,
    POLYGON,
    Feature,
    Point,
    Shape,
    Value,
    area,
    cut,
    encode_tile,
    shifted,
    simplify,
    world,
)

FILE: Final = "map.mbtiles"
FIRST_ZOOM: Final = 5
LAYERS: Final = ("water", "green", "built", "building", "waterway", "rail", "road", "place", "spot")
"""as they lie in a tile"""
UNITS_A_PIXEL: Final = 8
"""a tile is shown 512 pixels wide"""
TOLERANCE: Final = 5.0
"""units a line may be off below the last zoom: half a pixel and a little"""
MARGIN_DEG: Final = 0.12
"""drawn beyond the bounds, so that the map does not end at its last road"""
NAME_LIMIT: Final = 80
BATCH: Final = 5_000
SHAPES: Final[Mapping[str, Shape]] = {"point": POINT, "line": LINE, "area": POLYGON}
_PLACE_RANK: Final = {"city": 30, "island": 40, "town": 45, "village": 60, "suburb": 65, "quarter": 80}
_SPOT_RANK: Final = {"airport": 20, "water": 40, "station": 50, "peak": 55, "sight": 60, "park": 65, "services": 70, "junction": 75}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rule:
    """A line of map_layers.yml."""

    layer: str
    shape: Shape
    areas: bool
    """points: an area counts by its middle"""
    key: str
    values: Mapping[str, str | None]
    zoom: Mapping[str, int]
    size: int

    def kind(self, value: str) -> str | None:
        return self.values.get(value, self.values.get("*"))


@cache
def rules() -> tuple[Rule, ...]:
    """What is drawn. Raises `ValueError`, `KeyError` for a broken table."""
    rows = yaml.safe_load(Path(__file__).with_name("map_layers.yml").read_text("utf-8"))
    made = []
    for row in rows:
        kinds = {kind for kind in row["values"].values() if kind}
        zoom = row["zoom"] if isinstance(row["zoom"], dict) else dict.fromkeys(kinds, row["zoom"])
        if row["layer"] not in LAYERS or not kinds <= zoom.keys():
            raise ValueError(f"map_layers.yml: {row}")
        made.append(
            Rule(row["layer"], SHAPES[row["shape"]], bool(row.get("areas")), row["key"], row["values"], zoom,
                 int(row.get("size", 0)))
        )  # fmt: skip
    return tuple(made)


def build_tiles(
    extract: Path,
    path: Path,
    *,
    name: str,
    attribution: str,
    bounds: tuple[Position, Position],
    progress: Callable[[float], None] = lambda part: None,
) -> int:
    """Writes the tiles of a sorted extract to `path`; how many. Raises `RuntimeError`, `OSError`, `sqlite3.Error`.

    `bounds`: south-west and north-east corner of what the map holds; the sea reaches as far.
    """
    with (
        tempfile.TemporaryDirectory(dir=path.parent) as scratch,
        _Scratch(Path(scratch) / "pieces.sqlite", _with_margin(bounds)) as pieces,
    ):
        exits: set[tuple[object, int, int]] = set()
        for done, made in enumerate(_objects(extract, bounds)):
            if _told_already(made, exits):
                continue
            pieces.add(made)
            if done % 20_000 == 0:
                progress(0.6 * (1 - 1 / (1 + done / 100_000)))
        progress(0.6)
        return _write(path, pieces, name, attribution, bounds, progress)


def _told_already(drawn: Drawn, exits: set[tuple[object, int, int]]) -> bool:
    """An exit is a node on each carriageway and ramp: its name is written once for about a kilometre round."""
    if drawn.layer != LAYERS.index("spot") or drawn.tags[0][1] != "junction":
        return False
    name, (x, y) = drawn.tags[1][1], drawn.parts[0][0]
    cell = (x // (EXTENT // 2), y // (EXTENT // 2))
    known = any((name, cell[0] + i, cell[1] + j) in exits for i in (-1, 0, 1) for j in (-1, 0, 1))
    exits.add((name, *cell))
    return known


def _with_margin(bounds: tuple[Position, Position]) -> tuple[Point, Point]:
    low, high = bounds
    return (
        world(low.longitude - MARGIN_DEG, min(85.0, high.latitude + MARGIN_DEG)),
        world(high.longitude + MARGIN_DEG, max(-85.0, low.latitude - MARGIN_DEG)),
    )


# --- what there is to draw ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Drawn:
    """One object to be drawn, in world units."""

    layer: int
    shape: Shape
    parts: tuple[tuple[Point, ...], ...]
    tags: tuple[tuple[str, Value], ...]
    first_zoom: int
    size: int = 0
    """pixels an area must cover"""


def _objects(extract: Path, bounds: tuple[Position, Position]) -> Iterator[Drawn]:
    import osmium

    keys = sorted({rule.key for rule in rules()})
    wanted = osmium.filter.KeyFilter(*keys)
    coasts: list[tuple[Point, ...]] = []
    for item in osmium.FileProcessor(str(extract)).with_areas(wanted).with_filter(wanted):
        kind = item.type_str()
        if kind == "w":
            if item.tags.get("natural") == "coastline":
                coasts.append(_line(item.nodes))
            yield from _of(item.tags, LINE, lambda: (_line(item.nodes),), False)  # noqa: B023 – used at once
        elif kind == "n":
            yield from _of(item.tags, POINT, lambda: ((world(item.location.lon, item.location.lat),),), False)  # noqa: B023
        elif kind == "a":
            for outer in item.outer_rings():
                rings = _rings(outer, item.inner_rings(outer))
                if rings:
                    yield from _of(item.tags, POLYGON, lambda: rings, False)  # noqa: B023
                    yield from _of(item.tags, POINT, lambda: ((_middle(rings[0]),),), True)  # noqa: B023
    yield from _sea(coasts, bounds)


def _of(
    tags: Mapping[str, str], shape: Shape, geometry: Callable[[], tuple[tuple[Point, ...], ...]], from_area: bool
) -> Iterator[Drawn]:
    """What the rules make of an object; a point of an area's only where the rule says so."""
    for rule in rules():
        value = tags.get(rule.key)
        if value is None or rule.shape != shape or (from_area and not rule.areas):
            continue
        kind = rule.kind(value)
        if kind is None:
            continue
        described = tuple(_describe(rule.layer, kind, tags))
        if rule.layer in ("place", "spot") and not any(key == "name" for key, _ in described):
            return
        parts = geometry()
        if shape != POINT and any(len(part) < 2 for part in parts):
            return
        yield Drawn(LAYERS.index(rule.layer), shape, parts, described, _first_zoom(rule, kind, tags), rule.size)
        return


def _first_zoom(rule: Rule, kind: str, tags: Mapping[str, str]) -> int:
    zoom = rule.zoom[kind]
    if rule.layer == "place" and kind in ("city", "town"):
        people = _whole(tags.get("population"))
        return zoom if people >= 400_000 else zoom + 2 if people >= 120_000 or kind == "town" else zoom + 3
    if rule.layer == "rail" and tags.get("service"):
        return 13
    return zoom


def _describe(layer: str, kind: str, tags: Mapping[str, str]) -> Iterator[tuple[str, Value]]:
    yield "kind", kind
    if layer in ("building", "built", "rail") or (layer == "green" and kind != "park"):
        if layer == "rail" and tags.get("tunnel") == "yes":
            yield "tunnel", 1
        return
    name = _text(tags.get("name")) or _text(tags.get("name:en"))
    if name:
        yield "name", name
        for key, tag in (("name_en", "name:en"), ("name_ja", "name:ja")):
            other = _text(tags.get(tag))
            if other and other != name:
                yield key, other
    if layer == "road":
        if ref := _text(tags.get("ref")):
            yield "ref", ref.split(";")[0][:8]
        for key in ("tunnel", "bridge"):
            if tags.get(key) not in (None, "no"):
                yield key, 1
    elif layer == "place":
        yield "rank", _PLACE_RANK.get(kind, 90) - min(25, _whole(tags.get("population")) // 40_000)
    elif layer == "spot":
        yield "rank", _SPOT_RANK.get(kind, 90)


def _text(value: str | None) -> str:
    """A name as it is written on the map: printable, and of a length that can be read."""
    return "".join(c for c in value if c.isprintable())[:NAME_LIMIT].strip() if value else ""


def _whole(value: str | None) -> int:
    return int(value) if value is not None and value.isascii() and value.isdigit() and len(value) < 10 else 0


def _line(nodes: Any) -> tuple[Point, ...]:
    return tuple(world(node.lon, node.lat) for node in nodes if node.location.valid())


def _rings(outer: Any, inner: Any) -> tuple[tuple[Point, ...], ...]:
    """Open rings, the outer one clockwise on the screen, its holes the other way."""
    rings = []
    for at, nodes in enumerate([outer, *inner]):
        ring = _line(nodes)[:-1]
        if len(ring) < 3:
            if at == 0:
                return ()
            continue
        clockwise = area(ring) > 0
        rings.append(ring if clockwise == (at == 0) else ring[::-1])
    return tuple(rings)


def _middle(ring: Sequence[Point]) -> Point:
    """The centroid of an area, or of its corners where it is bent round it."""
    double = 2 * area(ring)
    if not double:
        return ring[0]
    cx = cy = 0.0
    x0, y0 = ring[-1]
    ox, oy = ring[0]
    for x1, y1 in ring:
        cross = (x0 - ox) * (y1 - oy) - (x1 - ox) * (y0 - oy)
        cx += (x0 + x1 - 2 * ox) * cross
        cy += (y0 + y1 - 2 * oy) * cross
        x0, y0 = x1, y1
    return ox + round(cx / (3 * double)), oy + round(cy / (3 * double))


def _sea(coasts: Sequence[Sequence[Point]], bounds: tuple[Position, Position]) -> Iterator[Drawn]:
    if not coasts:
        return
    (west, north), (east, south) = _with_margin(bounds)
    for rings in coastline.sea(coasts, (west, north, east, south)):
        yield Drawn(LAYERS.index("water"), POLYGON, rings, (("kind", "sea"),), FIRST_ZOOM, 6)


# --- pieces, laid aside by tile ----------------------------------------------------------------------------------


class _Scratch:
    """Pieces of geometry in a database that is thrown away: written in any order, read tile by tile."""

    def __init__(self, path: Path, bounds: tuple[Point, Point]) -> None:
        """`bounds`: north-west and south-east corner of what is kept, in world units."""
        (self._west, self._north), (self._east, self._south) = bounds
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.executescript(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-32000; PRAGMA temp_store=FILE;"
            "CREATE TABLE tag (id INTEGER PRIMARY KEY, text TEXT UNIQUE);"
            "CREATE TABLE piece (tile INTEGER, layer INTEGER, shape INTEGER, tags INTEGER, sizes BLOB, points BLOB);"
            "BEGIN"
        )
        self._rows: list[tuple[int, int, int, int, bytes, bytes]] = []
        self._tags: dict[str, int] = {}

    def __enter__(self) -> _Scratch:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def add(self, drawn: Drawn) -> None:
        tags = self._tag(json.dumps(drawn.tags, ensure_ascii=False, separators=(",", ":")))
        parts = [list(part) for part in drawn.parts]
        # From the last zoom up: each one simplifies what the one below it left.
        for zoom in range(DETAIL, max(FIRST_ZOOM, drawn.first_zoom) - 1, -1):
            parts = _at_zoom(drawn, parts, zoom)
            if not parts:
                break
            for (_, column, row), pieces in cut(drawn.shape, parts, zoom, self._within(zoom)):
                sizes = array("i", [len(piece) for piece in pieces])
                points = array("i", itertools.chain.from_iterable(itertools.chain.from_iterable(pieces)))
                key = (zoom << 40) | (column << 20) | row
                self._rows.append((key, drawn.layer, drawn.shape, tags, sizes.tobytes(), points.tobytes()))
        if len(self._rows) >= BATCH:
            self._flush()

    def _within(self, zoom: int) -> tuple[int, int, int, int]:
        shift = DETAIL - zoom
        return tuple((edge >> shift) // EXTENT for edge in (self._west, self._north, self._east, self._south))  # type: ignore[return-value]

    def tiles(self) -> Iterator[tuple[int, int, int, dict[str, list[Feature]]]]:
        """(zoom, column, row, features by layer), in order."""
        self._flush()
        self._database.execute("COMMIT")
        rows = self._database.execute(
            "SELECT piece.tile, piece.layer, piece.shape, tag.text, piece.sizes, piece.points FROM piece"
            " JOIN tag ON tag.id = piece.tags ORDER BY piece.tile, piece.layer, piece.rowid"
        )
        for key, group in itertools.groupby(rows, key=lambda row: int(row[0])):
            layers: dict[str, dict[tuple[str, Shape], list[tuple[Point, ...]]]] = {}
            for _, layer, shape, text, sizes, points in group:
                # What is alike in all but its place is one feature: half the bytes, and road names run on over seams.
                alike = layers.setdefault(LAYERS[layer], {}).setdefault((text, shape), [])
                alike += _unpacked(sizes, points)
            features = {
                layer: [Feature(shape, tuple(parts), tuple(map(tuple, json.loads(text))))
                        for (text, shape), parts in alike.items()]
                for layer, alike in layers.items()
            }  # fmt: skip
            yield key >> 40, (key >> 20) & 0xFFFFF, key & 0xFFFFF, features

    def _tag(self, text: str) -> int:
        known = self._tags.get(text)
        if known is None:
            if len(self._tags) > 200_000:
                self._tags.clear()
            self._database.execute("INSERT OR IGNORE INTO tag (text) VALUES (?)", (text,))
            known = int(self._database.execute("SELECT id FROM tag WHERE text = ?", (text,)).fetchone()[0])
            self._tags[text] = known
        return known

    def _flush(self) -> None:
        self._database.executemany("INSERT INTO piece VALUES (?, ?, ?, ?, ?, ?)", self._rows)
        self._rows.clear()


def _at_zoom(drawn: Drawn, parts: Sequence[Sequence[Point]], zoom: int) -> list[list[Point]]:
    """The parts of the zoom below (at `DETAIL`: of the world) as this zoom draws them; [] when too small to be seen."""
    shift, tolerance = (0, 1.0) if zoom == DETAIL else (1, TOLERANCE)
    if drawn.shape == POINT:
        return [shifted(part, shift) for part in parts]
    kept: list[list[Point]] = []
    for number, part in enumerate(parts):
        if drawn.shape == LINE:
            line = simplify(shifted(part, shift), tolerance)
            if len(line) >= 2:
                kept.append(line)
            continue
        ring = simplify(shifted((*part, part[0]), shift), tolerance)[:-1]
        if len(ring) < 3 or abs(area(ring)) < drawn.size * UNITS_A_PIXEL**2:
            if number == 0:
                return []
            continue
        kept.append(ring)
    return kept


def _unpacked(sizes: bytes, points: bytes) -> Iterator[tuple[Point, ...]]:
    lengths, numbers = array("i"), array("i")
    lengths.frombytes(sizes)
    numbers.frombytes(points)
    pairs = list(zip(numbers[::2], numbers[1::2], strict=True))
    at = 0
    for length in lengths:
        yield tuple(pairs[at : at + length])
        at += length


# --- the file ----------------------------------------------------------------------------------------------------


def _write(
    path: Path,
    pieces: _Scratch,
    name: str,
    attribution: str,
    bounds: tuple[Position, Position],
    progress: Callable[[float], None],
) -> int:
    low, high = bounds
    layers: list[dict[str, Any]] = [{"id": layer, "fields": {}} for layer in LAYERS]
    metadata = {
        "name": name, "format": "pbf", "type": "baselayer", "version": "1", "attribution": attribution,
        "minzoom": str(FIRST_ZOOM), "maxzoom": str(DETAIL),
        "bounds": f"{low.longitude:.5f},{low.latitude:.5f},{high.longitude:.5f},{high.latitude:.5f}",
        "json": json.dumps({"vector_layers": layers}),
    }  # fmt: skip
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    database = sqlite3.connect(part, isolation_level=None)
    try:
        database.executescript(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
            "CREATE TABLE metadata (name TEXT, value TEXT);"
            "CREATE TABLE tiles (zoom_level INTEGER, tile_column INTEGER, tile_row INTEGER, tile_data BLOB);"
            "CREATE UNIQUE INDEX tile_index ON tiles (zoom_level, tile_column, tile_row); BEGIN"
        )
        database.executemany("INSERT INTO metadata VALUES (?, ?)", metadata.items())
        count = 0
        for zoom, column, row, layers_of in pieces.tiles():
            data = gzip.compress(encode_tile({layer: layers_of.get(layer, ()) for layer in LAYERS}), 6, mtime=0)
            # MBTiles count rows from the south.
            database.execute("INSERT INTO tiles VALUES (?, ?, ?, ?)", (zoom, column, (1 << zoom) - 1 - row, data))
            count += 1
            if count % 500 == 0:
                progress(0.6 + 0.4 * (1 - 1 / (1 + count / 5_000)))
        database.execute("COMMIT")
    finally:
        database.close()
    os.replace(part, path)
    return count


class TileFile:
    """An MBTiles file, read only. Each call opens what it needs for itself, so any thread may call."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def metadata(self) -> dict[str, str]:
        """Raises `sqlite3.Error` for a file that is none."""
        with _reading(self._path) as database:
            return {str(name): str(value) for name, value in database.execute("SELECT name, value FROM metadata")}

    def tile(self, zoom: int, column: int, row: int) -> bytes | None:
        """A tile's gzipped bytes, row counted from the north; None where there is nothing. Raises `sqlite3.Error`."""
        with _reading(self._path) as database:
            found = database.execute(
                "SELECT tile_data FROM tiles WHERE zoom_level = ? AND tile_column = ? AND tile_row = ?",
                (zoom, column, (1 << zoom) - 1 - row),
            ).fetchone()
        return bytes(found[0]) if found else None


class _reading:
    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> sqlite3.Connection:
        self._database = sqlite3.connect(f"file:{self._path}?mode=ro&immutable=1", uri=True)
        return self._database

    def __exit__(self, *_: object) -> None:
        self._database.close()
