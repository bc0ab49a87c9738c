"""Whether it is light outside: where the sun stands, to about a hundredth of a degree.

After the low-precision formulae of the Astronomical Almanac, as NOAA's solar calculator uses them.
"""

from __future__ import annotations

import math
from datetime import datetime, timezone
from typing import Final, Literal

from backends.model import Position

Light = Literal["day", "night"]
LAMPS_DEG: Final = -2.0
"""the sun so far below the horizon: lamps are on, and a bright picture dazzles"""


def sun_elevation(at: datetime, place: Position) -> float:
    """Degrees the sun's middle stands above the horizon (below: negative), without the air's bending. `at` has its zone."""
    days = (at.astimezone(timezone.utc) - datetime(2000, 1, 1, 12, tzinfo=timezone.utc)).total_seconds() / 86_400
    mean = math.radians((357.529 + 0.98560028 * days) % 360)
    longitude = math.radians((280.459 + 0.98564736 * days + 1.915 * math.sin(mean) + 0.020 * math.sin(2 * mean)) % 360)
    tilt = math.radians(23.439 - 0.00000036 * days)
    ascension = math.atan2(math.cos(tilt) * math.sin(longitude), math.cos(longitude))
    declination = math.asin(math.sin(tilt) * math.sin(longitude))
    sidereal = math.radians((280.46062 + 360.98564737 * days + place.longitude) % 360)
    north = math.radians(place.latitude)
    height = math.sin(north) * math.sin(declination)
    height += math.cos(north) * math.cos(declination) * math.cos(sidereal - ascension)
    return math.degrees(math.asin(max(-1.0, min(1.0, height))))


def light(at: datetime, place: Position) -> Light:
    """How the screen is to look there and then."""
    return "day" if sun_elevation(at, place) > LAMPS_DEG else "night"
