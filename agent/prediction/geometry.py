"""Distances over many points at once. Points are arrays of shape (n, 2): latitude, longitude in degrees, WGS 84."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from backends.model import EARTH_RADIUS_M

Points = npt.NDArray[np.float64]
Vector = npt.NDArray[np.float64]

METRES_PER_DEGREE = math.radians(1) * EARTH_RADIUS_M


def distances(points: Any, latitude: float, longitude: float) -> Vector:
    """Great-circle metres from each point to one point."""
    lat1, lat2 = np.radians(points[..., 0]), math.radians(latitude)
    dlat, dlon = lat1 - lat2, np.radians(points[..., 1] - longitude)
    h = np.sin(dlat / 2) ** 2 + np.cos(lat1) * math.cos(lat2) * np.sin(dlon / 2) ** 2
    out: Vector = 2 * EARTH_RADIUS_M * np.arcsin(np.sqrt(np.minimum(1.0, h)))
    return out


def plane(points: Any, latitude: float, longitude: float) -> Points:
    """Metres east and north of a point, on the plane that touches the ground there."""
    scale = METRES_PER_DEGREE * math.cos(math.radians(latitude))
    out: Points = np.stack(
        ((points[..., 1] - longitude) * scale, (points[..., 0] - latitude) * METRES_PER_DEGREE), axis=-1
    )
    return out


def steps(points: Points) -> Vector:
    """Metres from each point to the next; shape (n - 1,)."""
    if len(points) < 2:
        return np.zeros(0)
    mean = np.radians((points[1:, 0] + points[:-1, 0]) / 2)
    north = np.diff(points[:, 0]) * METRES_PER_DEGREE
    east = np.diff(points[:, 1]) * METRES_PER_DEGREE * np.cos(mean)
    out: Vector = np.hypot(north, east)
    return out


def resample(points: Points, count: int) -> Points:
    """`count` points at even distances along the line, the first and the last among them."""
    along = np.concatenate(([0.0], np.cumsum(steps(points))))
    if along[-1] <= 0:
        return np.repeat(points[:1], count, axis=0)
    wanted = np.linspace(0.0, along[-1], count)
    out: Points = np.stack([np.interp(wanted, along, points[:, axis]) for axis in (0, 1)], axis=1)
    return out


def onto_lines(points: Points, lines: Points) -> tuple[Vector, Vector]:
    """Points (m, 2) against lines (t, g, 2), all in metres: (t, m) metres off each line, and (t, m) how far along it the
    nearest point lies, in segments."""
    a, b = lines[:, None, :-1], lines[:, None, 1:]
    ab = b - a
    ap = points[None, :, None] - a
    square = np.maximum((ab**2).sum(-1), 1e-9)
    share = np.clip((ap * ab).sum(-1) / square, 0.0, 1.0)
    off = np.hypot(*np.moveaxis(ap - share[..., None] * ab, -1, 0))
    nearest = off.argmin(-1)
    pick = nearest[..., None]
    return (
        np.take_along_axis(off, pick, -1)[..., 0],
        nearest + np.take_along_axis(share, pick, -1)[..., 0],
    )
