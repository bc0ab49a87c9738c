"""Mapbox Vector Tiles, version 2.1: geometry cut into tiles, and a tile's bytes.

Everything happens on whole numbers: a position becomes a point of a square world of `EXTENT << DETAIL` units a side, and a
zoom below `DETAIL` only shifts it right. The wire format is a dozen lines of protobuf, so no library is asked for it (the one
at hand is pinned by TensorFlow).

https://github.com/mapbox/vector-tile-spec/tree/master/2.1
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

EXTENT: Final = 4096
"""units a tile's side has"""
BUFFER: Final = 96
"""units drawn beyond each side, so that no line ends at a seam"""
DETAIL: Final = 14
"""the zoom whose tiles hold everything; beyond it they are magnified"""

Point: TypeAlias = tuple[int, int]
Shape: TypeAlias = Literal[1, 2, 3]
"""point, line, polygon, as the format numbers them"""
POINT: Final[Shape] = 1
LINE: Final[Shape] = 2
POLYGON: Final[Shape] = 3
Value: TypeAlias = str | int
Tile: TypeAlias = tuple[int, int, int]
"""zoom, column, row from the north"""
MERCATOR_LIMIT: Final = 85.051129


@dataclass(frozen=True, slots=True)
class Feature:
    """One thing of a layer, in a tile's own units (y to the south)."""

    shape: Shape
    parts: tuple[tuple[Point, ...], ...]
    """points; lines; or rings, each open, outer ones clockwise on the screen and followed by their holes"""
    tags: tuple[tuple[str, Value], ...]


def world(longitude: float, latitude: float) -> Point:
    """A position as a point of the world at `DETAIL`."""
    side = EXTENT << DETAIL
    sine = math.sin(math.radians(max(-MERCATOR_LIMIT, min(MERCATOR_LIMIT, latitude))))
    y = 0.5 - math.log((1 + sine) / (1 - sine)) / (4 * math.pi)
    return round((longitude + 180) / 360 * side), round(y * side)


def shifted(points: Sequence[Point], zooms: int) -> list[Point]:
    """The points in the units of so many zooms further out, neighbours that fall together once."""
    moved: list[Point] = []
    for x, y in points:
        point = (x >> zooms, y >> zooms)
        if not moved or moved[-1] != point:
            moved.append(point)
    return moved


def simplify(points: Sequence[Point], tolerance: float) -> list[Point]:
    """Douglas–Peucker: every point dropped lies within `tolerance` units of the line that is left."""
    if len(points) < 3 or tolerance <= 0:
        return list(points)
    square: float = tolerance * tolerance
    keep = bytearray(len(points))
    keep[0] = keep[-1] = 1
    stack = [(0, len(points) - 1)]
    while stack:
        first, last = stack.pop()
        (ax, ay), (bx, by) = points[first], points[last]
        dx, dy = bx - ax, by - ay
        length = dx * dx + dy * dy
        worst, found = square, -1
        for index in range(first + 1, last):
            px, py = points[index][0] - ax, points[index][1] - ay
            part = (px * dx + py * dy) / length if length else 0.0
            part = 0.0 if part < 0 else 1.0 if part > 1 else part
            off = (px - part * dx) ** 2 + (py - part * dy) ** 2
            if off > worst:
                worst, found = off, index
        if found >= 0:
            keep[found] = 1
            stack += [(first, found), (found, last)]
    return [point for point, kept in zip(points, keep, strict=True) if kept]


def area(ring: Sequence[Point]) -> float:
    """Signed area of an open ring, positive when it runs clockwise on the screen."""
    total = 0
    x0, y0 = ring[-1]
    for x1, y1 in ring:
        total += x0 * y1 - x1 * y0
        x0, y0 = x1, y1
    return total / 2


def cut(
    shape: Shape, parts: Sequence[Sequence[Point]], zoom: int, within: tuple[int, int, int, int] | None = None
) -> Iterator[tuple[Tile, tuple[tuple[Point, ...], ...]]]:
    """The tiles a shape touches at that zoom, each with its part in the tile's own units.

    `parts` are in the units of the zoom; `within`: the first column and row and the last ones there is to be anything in.
    The area is halved again and again, so that a sea of a thousand tiles is not cut a thousand times.
    """
    xs = [x for part in parts for x, _ in part]
    ys = [y for part in parts for _, y in part]
    if not xs:
        return
    last = (1 << zoom) - 1
    first_column, first_row, last_column, last_row = within or (0, 0, last, last)
    box = (
        max(first_column, (min(xs) - BUFFER) // EXTENT), max(first_row, (min(ys) - BUFFER) // EXTENT),
        min(last_column, (max(xs) + BUFFER) // EXTENT), min(last_row, (max(ys) + BUFFER) // EXTENT),
    )  # fmt: skip
    stack: list[tuple[tuple[int, int, int, int], list[list[Point]]]] = [(box, [list(part) for part in parts])]
    while stack:
        (left, top, right, bottom), pieces = stack.pop()
        if not pieces or left > right or top > bottom:
            continue
        for axis, low, high in ((0, left, right), (1, top, bottom)):
            pieces = _between(shape, pieces, axis, low * EXTENT - BUFFER, (high + 1) * EXTENT + BUFFER)
        if not pieces:
            continue
        if (left, top) == (right, bottom):
            x, y = left * EXTENT, top * EXTENT
            yield (zoom, left, top), tuple(tuple((px - x, py - y) for px, py in piece) for piece in pieces)
        elif right - left >= bottom - top:
            middle = (left + right) // 2
            stack += [((left, top, middle, bottom), pieces), ((middle + 1, top, right, bottom), pieces)]
        else:
            middle = (top + bottom) // 2
            stack += [((left, top, right, middle), pieces), ((left, middle + 1, right, bottom), pieces)]


def _between(shape: Shape, parts: list[list[Point]], axis: int, low: int, high: int) -> list[list[Point]]:
    kept: list[list[Point]] = []
    for part in parts:
        values = [point[axis] for point in part]
        least, most = min(values), max(values)
        if least > high or most < low:
            continue
        if least >= low and most <= high:
            kept.append(part)
        elif shape == POINT:
            kept.extend([point] for point in part if low <= point[axis] <= high)
        elif shape == LINE:
            kept.extend(_clip_line(part, axis, low, high))
        else:
            ring = _clip_ring(_clip_ring(part, axis, low, 1), axis, high, -1)
            if len(ring) >= 3:
                kept.append(ring)
    return kept


def _crossing(a: Point, b: Point, axis: int, limit: int) -> Point:
    """Where the line from a to b meets the limit of one axis. Always worked out from the lesser end, so that both
    neighbours of a seam get the same point."""
    if b < a:
        a, b = b, a
    part = (limit - a[axis]) / (b[axis] - a[axis])
    other = 1 - axis
    crossed = round(a[other] + part * (b[other] - a[other]))
    return (limit, crossed) if axis == 0 else (crossed, limit)


def _clip_line(line: Sequence[Point], axis: int, low: int, high: int) -> Iterator[list[Point]]:
    piece: list[Point] = []
    for a, b in itertools.pairwise(line):
        va, vb = a[axis], b[axis]
        if (va < low and vb < low) or (va > high and vb > high):
            continue
        start = a if low <= va <= high else _crossing(a, b, axis, low if va < low else high)
        end = b if low <= vb <= high else _crossing(a, b, axis, low if vb < low else high)
        if not piece:
            piece = [start]
        if end != piece[-1]:
            piece.append(end)
        if not low <= vb <= high:
            if len(piece) > 1:
                yield piece
            piece = []
    if len(piece) > 1:
        yield piece


def _clip_ring(ring: Sequence[Point], axis: int, limit: int, side: int) -> list[Point]:
    """Sutherland–Hodgman against one line; `side` 1 keeps what is not below the limit, −1 what is not above."""
    kept: list[Point] = []
    if not ring:
        return kept
    before = ring[-1]
    was_in = (before[axis] - limit) * side >= 0
    for point in ring:
        is_in = (point[axis] - limit) * side >= 0
        if is_in != was_in:
            kept.append(_crossing(before, point, axis, limit))
        if is_in:
            kept.append(point)
        before, was_in = point, is_in
    return kept


# --- a tile's bytes ----------------------------------------------------------------------------------------------


def encode_tile(layers: Mapping[str, Sequence[Feature]]) -> bytes:
    """The tile as the format has it; layers and features in the order given, empty layers left out."""
    return b"".join(_field(3, _layer(name, features)) for name, features in layers.items() if features)


def _layer(name: str, features: Sequence[Feature]) -> bytes:
    keys: dict[str, int] = {}
    values: dict[Value, int] = {}
    body = bytearray()
    for feature in features:
        marks: list[int] = []
        for key, value in feature.tags:
            marks += (keys.setdefault(key, len(keys)), values.setdefault(value, len(values)))
        message = _field(2, _packed(marks)) if marks else b""
        message += _varint(3 << 3) + _varint(feature.shape) + _field(4, _packed(_commands(feature)))
        body += _field(2, message)
    head = _varint(15 << 3) + _varint(2) + _field(1, name.encode())
    tail = b"".join(_field(3, key.encode()) for key in keys) + b"".join(_field(4, _value(v)) for v in values)
    return head + bytes(body) + tail + _varint(5 << 3) + _varint(EXTENT)


def _commands(feature: Feature) -> list[int]:
    out: list[int] = []
    x = y = 0

    def step(point: Point) -> None:
        nonlocal x, y
        for delta in (point[0] - x, point[1] - y):
            out.append((delta << 1) ^ (delta >> 63))
        x, y = point

    if feature.shape == POINT:
        points = [part[0] for part in feature.parts]
        out.append(len(points) << 3 | 1)
        for point in points:
            step(point)
        return out
    for part in feature.parts:
        out.append(1 << 3 | 1)
        step(part[0])
        out.append((len(part) - 1) << 3 | 2)
        for point in part[1:]:
            step(point)
        if feature.shape == POLYGON:
            out.append(1 << 3 | 7)
    return out


def _value(value: Value) -> bytes:
    if isinstance(value, str):
        return _field(1, value.encode())
    # Unsigned: nothing counted here is below zero.
    return _varint(5 << 3) + _varint(value)


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _packed(numbers: Sequence[int]) -> bytes:
    out = bytearray()
    for number in numbers:
        while number > 0x7F:
            out.append(number & 0x7F | 0x80)
            number >>= 7
        out.append(number)
    return bytes(out)


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content
