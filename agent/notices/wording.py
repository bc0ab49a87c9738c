"""Figures and names in notices. Names come from feeds: what cannot be said is taken out."""

from __future__ import annotations

import unicodedata

from backends.model import Language

LANGUAGES: tuple[Language, ...] = ("ja", "en")
NAME_LIMIT = 40
"""characters of a name that is spoken"""


def distance(metres: float, language: Language) -> str:
    """500メートル, 2キロ; 500 metres, 2 kilometres."""
    if metres < 950:
        figure = max(100, round(metres / 100) * 100)
        return f"{figure}メートル" if language == "ja" else f"{figure} metres"
    km = round(metres / 1000)
    if language == "ja":
        return f"{km}キロ"
    return f"{km} kilometre{'s' * (km != 1)}"


def duration(seconds: float, language: Language) -> str:
    """12分, 1時間5分; 12 minutes, 1 hour 5 minutes; never less than a minute."""
    hours, minutes = divmod(max(1, round(seconds / 60)), 60)
    if language == "ja":
        return f"{hours}時間" * bool(hours) + f"{minutes}分" * bool(minutes or not hours)
    parts = [f"{hours} hour{'s' * (hours != 1)}"] * bool(hours)
    parts += [f"{minutes} minute{'s' * (minutes != 1)}"] * bool(minutes or not hours)
    return " ".join(parts)


def road(name: str, language: Language) -> str:
    """The road's name, or words for one without."""
    return safe(name) or ("この道" if language == "ja" else "this road")


def safe(text: str) -> str:
    """A name as it may be said and shown: letters, digits and plain punctuation, at most `NAME_LIMIT` characters."""
    text = " ".join(text.split())
    kept = "".join(c for c in text if c not in "<>{}[]\\`|" and unicodedata.category(c)[0] not in ("C",))
    return kept.strip()[:NAME_LIMIT]
