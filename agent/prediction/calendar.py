"""Which days are alike: working days, Saturdays, Sundays and public holidays."""

from __future__ import annotations

from datetime import date, datetime
from functools import lru_cache
from typing import Literal

DayKind = Literal[0, 1, 2]
"""working day, Saturday, Sunday or public holiday"""
JAPAN = (24.0, 46.0, 122.0, 146.0)
"""south, north, west, east: where Japan's public holidays are looked at"""


def day_kind(at: datetime, latitude: float, longitude: float) -> DayKind:
    south, north, west, east = JAPAN
    in_japan = south <= latitude <= north and west <= longitude <= east
    if at.weekday() == 6 or (in_japan and is_holiday(at.date())):
        return 2
    return 1 if at.weekday() == 5 else 0


@lru_cache(maxsize=4096)
def is_holiday(day: date) -> bool:
    """Public holidays of Japan, and the days round New Year on which hardly anybody works."""
    import jpholiday

    return bool(jpholiday.is_holiday(day)) or (day.month, day.day) in {(12, 30), (12, 31), (1, 2), (1, 3)}
