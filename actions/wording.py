"""How figures and places are put into words: distances, times, lists, what tells places apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from actions.phrases import Phrases
from backends.model import Language, Place, PlaceHit


def distance(metres: float, language: Language) -> str:
    """約350メートル, 約1.2キロ, 約15キロ; 350 m, 1.2 km, 15 km."""
    if metres < 950:
        rounded = max(50, round(metres / 50) * 50)
        return f"約{rounded}メートル" if language == "ja" else f"{rounded} m"
    km = metres / 1000
    figure = f"{km:.1f}".removesuffix(".0") if km < 9.95 else f"{km:.0f}"
    return f"約{figure}キロ" if language == "ja" else f"{figure} km"


def duration(seconds: float, language: Language) -> str:
    """12分, 1時間5分; 12 minutes, 1 hour 5 minutes. Never less than a minute."""
    minutes = max(1, round(seconds / 60))
    hours, rest = divmod(minutes, 60)
    if language == "ja":
        return f"{hours}時間" * bool(hours) + (f"{rest}分" if rest or not hours else "")
    parts = [f"{hours} hour{'s' * (hours != 1)}"] * bool(hours)
    parts += [f"{rest} minute{'s' * (rest != 1)}"] * bool(rest or not hours)
    return " ".join(parts)


def clock(at: datetime, language: Language) -> str:
    """15時5分, 15時; 3:05 pm. To the nearest minute."""
    at += timedelta(seconds=30)
    if language == "ja":
        return f"{at.hour}時{at.minute}分" if at.minute else f"{at.hour}時"
    return f"{at.hour % 12 or 12}:{at.minute:02d} {'am' if at.hour < 12 else 'pm'}"


def minute_of_day(minute: int, language: Language) -> str:
    """A time of opening hours, minutes after midnight up to 2880: 22時, 翌2時; 10 pm, 2 am."""
    hour, rest = divmod(minute, 60)
    if language == "ja":
        after = "翌" if hour >= 24 and minute > 1440 else ""
        shown = 24 if minute == 1440 else hour % 24 if hour >= 24 else hour
        return f"{after}{shown}時" + (f"{rest}分" if rest else "")
    figure = f"{hour % 12 or 12}" + (f":{rest:02d}" if rest else "")
    return "midnight" if minute == 1440 else f"{figure} {'am' if hour % 24 < 12 else 'pm'}"


def name_of(place: Place, language: Language) -> str:
    return (place.name_en or place.name) if language == "en" else place.name


def listed(items: Sequence[str], language: Language, *, last: str = "and") -> str:
    """A、B、C; A, B and C; with `last` empty A, B, C."""
    if language == "ja" or len(items) < 2 or not last:
        return ("、" if language == "ja" else ", ").join(items)
    return f"{', '.join(items[:-1])} {last} {items[-1]}"


UNCOUNTED = frozenset({"fashion", "nature", "amusement", "ryokan", "glamping and camping"})
COUNTED_FOOD = frozenset({"café", "bakery", "bar", "buffet", "family restaurant", "hotel restaurant"})


def sought(label: str, kind: str | None) -> str:
    """An English label of a kind or genre as the thing looked for: hotels, car parks, Italian restaurants, ramen."""
    if kind == "restaurant" and label not in COUNTED_FOOD and label != "restaurant":
        # Cuisines are adjectives and begin with a capital; dishes stand for the places that serve them.
        return f"{label} restaurants" if label[:1].isupper() else label
    if label in UNCOUNTED or label.endswith("s"):
        return label
    if label.endswith("y") and label[-2:-1] not in "aeiou":
        return f"{label[:-1]}ies"
    return f"{label}es" if label.endswith(("sh", "ch", "x")) else f"{label}s"


TELLING = ("distance", "open", "vacancy", "fee", "rating", "price", "parking", "charging")
"""what is said of a candidate, most telling first"""


def details(hit: PlaceHit, phrases: Phrases, language: Language, at: datetime) -> dict[str, str]:
    """Everything short that can be said of a candidate, by what it is about (`TELLING`)."""
    place = hit.place
    said: dict[str, str] = {}

    def put(key: str, phrase: str, **values: str) -> None:
        said[key] = phrases.say(language, f"detail.{phrase}", turn=0, **values)

    if hit.detour_m is not None:
        put("distance", "detour", distance=distance(hit.detour_m, language))
    elif hit.distance_m is not None:
        put("distance", "distance", distance=distance(hit.distance_m, language))
    if place.hours is not None and place.hours.closes_at(at) is None:
        put("open", "closed_now")
    if place.kind == "parking":
        _car_park(place, put)
    if place.rating is not None:
        put("rating", "rating", rating=f"{place.rating:.1f}")
    if place.price is not None:
        put("price", f"price_{place.price}")
    if place.kind != "parking":
        if place.parking is not None:
            put("parking", f"parking_{place.parking.fee}" if place.parking.own else "parking_near")
        elif place.has_parking is not None:
            put("parking", "parking_any" if place.has_parking else "parking_none")
    if place.charging_kw is not None:
        put("charging", "charging", kw=f"{place.charging_kw:.0f}")
    return said


def _car_park(place: Place, put: Callable[..., None]) -> None:
    parking = place.parking
    if parking is None:
        return
    if parking.vacancy is not None:
        put("vacancy", f"vacancy_{parking.vacancy}")
    if parking.fee == "free":
        put("fee", "fee_free")
    elif parking.fee_yen_per_hour is not None:
        put("fee", "fee_hour", yen=f"{parking.fee_yen_per_hour:,}")


def telling_apart(
    hits: Sequence[PlaceHit], phrases: Phrases, language: Language, at: datetime, most: int
) -> list[list[str]]:
    """For each candidate, at most `most` details, of those that differ between them (all of them for a single one)."""
    rows: list[Mapping[str, str]] = [details(hit, phrases, language, at) for hit in hits]
    keys = dict.fromkeys(key for key in TELLING if any(key in row for row in rows))
    if len(rows) > 1:
        keys = dict.fromkeys(k for k in keys if len({row.get(k) for row in rows}) > 1)
    return [[row[k] for k in keys if k in row][:most] for row in rows]
