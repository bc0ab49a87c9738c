"""The sea of an extract: its pieces of coast closed along the map's edge.

OpenStreetMap draws the coast as ways with the land on their left and the sea on their right; the sea itself is nobody's
area. Pieces that meet are joined, islands close by themselves, and what leaves the map is led round its edge, the sea to the
right, to where the next piece comes in.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence

from backends.vector_tiles import Point, area

Box = tuple[int, int, int, int]
"""least x, least y, greatest x, greatest y; y runs to the south"""


def sea(coasts: Iterable[Sequence[Point]], box: Box) -> list[tuple[tuple[Point, ...], ...]]:
    """Areas of sea within the box: each an outer ring (clockwise on the screen) and the islands in it. () without a coast.

    A coast that ends inside the box, as in an extract cut through it, is left out: rather no sea than one over the land.
    """
    rings: list[list[Point]] = []
    entering: list[tuple[float, list[Point]]] = []
    for line in _joined(coasts):
        if line[0] == line[-1]:
            if all(box[0] <= x <= box[2] and box[1] <= y <= box[3] for x, y in line):
                rings.append(line[:-1])
                continue
            # Begun outside, so that no piece of it begins within.
            out = next(i for i, (x, y) in enumerate(line) if not (box[0] <= x <= box[2] and box[1] <= y <= box[3]))
            line = [*line[out:-1], *line[: out + 1]]
        for piece in _inside(line, box):
            if _edge(piece[0], box) is not None and _edge(piece[-1], box) is not None:
                entering.append((float(_edge(piece[0], box) or 0.0), piece))
    outer = list(_round_the_edge(entering, box))
    islands: list[list[Point]] = []
    for ring in rings:
        # Land on the left: an island runs counter-clockwise on the map, a lagoon's shore clockwise.
        (islands if area(ring) < 0 else outer).append(ring)
    if islands and not outer:
        outer = [[(box[0], box[1]), (box[2], box[1]), (box[2], box[3]), (box[0], box[3])]]
    return [
        (tuple(ring), *(tuple(island) for island in islands if _holds(ring, island[0]))) for ring in outer
    ]  # fmt: skip


def _joined(coasts: Iterable[Sequence[Point]]) -> list[list[Point]]:
    by_start: dict[Point, list[Point]] = {}
    for coast in coasts:
        if len(coast) >= 2:
            by_start.setdefault(coast[0], list(coast))
    whole: list[list[Point]] = []
    ends = {line[-1] for line in by_start.values()}
    # Lines nothing leads into come first; what is left then are rings.
    for start in [*(s for s in list(by_start) if s not in ends), *list(by_start)]:
        line = by_start.pop(start, None)
        if line is None:
            continue
        while line[-1] != line[0] and (after := by_start.pop(line[-1], None)) is not None:
            line += after[1:]
        whole.append(line)
    return whole


def _inside(line: Sequence[Point], box: Box) -> Iterator[list[Point]]:
    """The pieces of a line within the box (Liang–Barsky)."""
    piece: list[Point] = []
    for a, b in itertools.pairwise(line):
        begins, ends = 0.0, 1.0
        dx, dy = b[0] - a[0], b[1] - a[1]
        for step, room in ((-dx, a[0] - box[0]), (dx, box[2] - a[0]), (-dy, a[1] - box[1]), (dy, box[3] - a[1])):
            if step == 0:
                if room < 0:
                    ends = -1.0
            elif step < 0:
                begins = max(begins, room / step)
            else:
                ends = min(ends, room / step)
        if begins > ends:
            continue
        first = a if begins == 0 else _held(a[0] + begins * dx, a[1] + begins * dy, box)
        last = b if ends == 1 else _held(a[0] + ends * dx, a[1] + ends * dy, box)
        if begins > 0 or not piece:
            if len(piece) > 1:
                yield piece
            piece = [first]
        if last != piece[-1]:
            piece.append(last)
        if ends < 1:
            if len(piece) > 1:
                yield piece
            piece = []
    if len(piece) > 1:
        yield piece


def _held(x: float, y: float, box: Box) -> Point:
    return min(max(round(x), box[0]), box[2]), min(max(round(y), box[1]), box[3])


def _edge(point: Point, box: Box) -> float | None:
    """How far round the edge the point lies, clockwise on the screen from the north-west corner, 0 … 4; None inside."""
    left, top, right, bottom = box
    x, y = point
    if y == top:
        return (x - left) / (right - left)
    if x == right:
        return 1 + (y - top) / (bottom - top)
    if y == bottom:
        return 2 + (right - x) / (right - left)
    if x == left:
        return 3 + (bottom - y) / (bottom - top)
    return None


def _round_the_edge(entering: Sequence[tuple[float, list[Point]]], box: Box) -> Iterator[list[Point]]:
    """Each piece is followed to where it leaves; from there the edge is walked clockwise to where the next one enters."""
    left, top, right, bottom = box
    corners = ((0.0, (left, top)), (1.0, (right, top)), (2.0, (right, bottom)), (3.0, (left, bottom)))
    left_over = dict(enumerate(entering))
    while left_over:
        first = next(iter(left_over))
        at = first
        ring: list[Point] = []
        while True:
            _, piece = left_over.pop(at)
            ring += piece
            here = _edge(piece[-1], box) or 0.0
            waiting = {**left_over, first: entering[first]}
            at, gap = min(
                ((number, (begin - here) % 4) for number, (begin, _) in waiting.items()), key=lambda pair: pair[1]
            )
            ring += [corner for far, corner in sorted(((where - here) % 4, c) for where, c in corners) if 0 < far < gap]
            if at == first:
                break
        yield ring


def _holds(ring: Sequence[Point], point: Point) -> bool:
    x, y = point
    inside = False
    ax, ay = ring[-1]
    for bx, by in ring:
        if (ay > y) != (by > y) and x < ax + (y - ay) / (by - ay) * (bx - ax):
            inside = not inside
        ax, ay = bx, by
    return inside
