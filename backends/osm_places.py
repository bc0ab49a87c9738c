"""Places out of any OpenStreetMap extract (.osm.pbf): named amenities, shops, sights, stations, car parks.

Which tags make which kind and genre stands in `osm_kinds.yml`. What a tag does not say stays None: OpenStreetMap knows
no ratings, prices or vacancy. Data: © OpenStreetMap contributors, ODbL.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from backends.errors import BackendUnavailable
from backends.model import OpeningHours, Parking, Place, Position
from backends.readings import fold, to_katakana

_STAGE = "places"
_YES = frozenset({"yes", "designated", "only", "limited"})
_KEYS = ("amenity", "shop", "tourism", "leisure", "historic", "railway", "public_transport", "aeroway", "highway", "natural", "man_made", "office")  # fmt: skip


def read_places(pbf: Path) -> Iterator[Place]:
    """Every place of the extract; nodes as they are, areas by their middle. `id` is the OSM one: n123, w123, r123.

    Areas are held in memory while their corners are looked up (about 1 GB for a region of Japan). Raises
    `BackendUnavailable` when the file is missing or no OSM file."""
    if not pbf.is_file():
        raise BackendUnavailable(_STAGE, f"{pbf.name}: no such file")
    import osmium

    kinds = _kinds()
    stations: list[tuple[Position, str]] = []
    out: list[Place] = []
    try:
        reader = osmium.FileProcessor(str(pbf)).with_locations().with_areas()
        for thing in reader:
            if thing.is_way() or thing.is_relation():
                continue  # closed ways and multipolygons come again as areas
            tags = {tag.k: tag.v for tag in thing.tags}
            if not any(key in tags for key in _KEYS):
                continue
            position = _position(thing)
            if position is None:
                continue
            place = place_of_tags(_id(thing), position, tags, kinds)
            if place is None:
                continue
            if place.kind == "station":
                stations.append((position, place.name))
            out.append(place)
    except RuntimeError as error:
        raise BackendUnavailable(_STAGE, f"{pbf.name}: {error}") from error
    yield from _with_stations(_once(out), stations)


def _id(thing: Any) -> str:
    if thing.is_area():
        return f"{'w' if thing.from_way() else 'r'}{thing.orig_id()}"
    return f"n{thing.id}"


def _position(thing: Any) -> Position | None:
    try:
        if not thing.is_area():
            return Position(thing.location.lat, thing.location.lon)
        lats, lons = [], []
        for ring in thing.outer_rings():
            for node in ring:
                if node.location.valid():
                    lats.append(node.location.lat)
                    lons.append(node.location.lon)
        if not lats:
            return None
        return Position((min(lats) + max(lats)) / 2, (min(lons) + max(lons)) / 2)
    except (ValueError, RuntimeError):
        return None


def _once(places: list[Place]) -> Iterator[Place]:
    """The same thing drawn twice (a point inside its own outline) is kept once, the fuller of the two."""
    by_cell: dict[tuple[str, str, int, int], list[Place]] = {}
    for place in sorted(places, key=_fullness, reverse=True):
        cell = (
            place.kind,
            fold(place.name),
            round(place.position.latitude * 500),
            round(place.position.longitude * 500),
        )
        near = [other for dlat in (-1, 0, 1) for dlon in (-1, 0, 1)
                for other in by_cell.get((cell[0], cell[1], cell[2] + dlat, cell[3] + dlon), ())]  # fmt: skip
        limit = {"station": 300, "parking": 5, "charging": 5, "toilet": 5}.get(place.kind, 60)
        if any(other.position.distance_to(place.position) < limit for other in near):
            continue
        by_cell.setdefault(cell, []).append(place)
        yield place


def _fullness(place: Place) -> int:
    return sum(getattr(place, name) is not None for name in Place.__dataclass_fields__)


def _with_stations(places: Iterator[Place], stations: list[tuple[Position, str]]) -> Iterator[Place]:
    """The nearest station within 1.5 km, for places that are none."""
    from dataclasses import replace

    grid: dict[tuple[int, int], list[tuple[Position, str]]] = {}
    for position, name in stations:
        grid.setdefault((int(position.latitude * 50), int(position.longitude * 50)), []).append((position, name))
    for place in places:
        if place.kind != "station" and grid:
            row, column = int(place.position.latitude * 50), int(place.position.longitude * 50)
            near = [(place.position.distance_to(position), name) for dr in (-1, 0, 1) for dc in (-1, 0, 1)
                    for position, name in grid.get((row + dr, column + dc), ())]  # fmt: skip
            if near and min(near)[0] <= 1_500:
                place = replace(place, nearest_station=min(near)[1])
        yield place


# --- one feature ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kinds:
    """`osm_kinds.yml`, ready to be asked."""

    exact: Mapping[tuple[str, str], tuple[int, str | None, tuple[str, ...]]]
    any_value: Mapping[str, tuple[int, str | None, tuple[str, ...]]]
    religions: Mapping[str, str]
    cuisines: Mapping[str, tuple[str, ...]]
    nameless: Mapping[str, Mapping[str, str]]

    def of(self, tags: Mapping[str, str]) -> tuple[str, tuple[str, ...]] | None:
        """Kind and genres of a feature, None when it is no place of ours."""
        found = [
            rule
            for key in _KEYS
            if key in tags
            for rule in (self.exact.get((key, tags[key])), self.any_value.get(key))
            if rule is not None
        ]
        if not found:
            return None
        _, kind, genres = min(found, key=lambda rule: rule[0])
        if kind is None:
            return None
        if tags.get("amenity") == "place_of_worship":
            religion = self.religions.get(tags.get("religion", ""))
            return kind, (religion,) if religion else ()
        if kind == "restaurant":
            cuisine = [
                g for value in re.split(r"[;,]", tags.get("cuisine", "")) for g in self.cuisines.get(value.strip(), ())
            ]
            return kind, tuple(dict.fromkeys([*cuisine, *genres]))
        if kind == "hotel" and ("旅館" in tags.get("name", "") or tags.get("hotel") == "ryokan"):
            return kind, ("ryokan", *genres)
        return kind, genres


@lru_cache(maxsize=1)
def _kinds() -> Kinds:
    import yaml

    data = yaml.safe_load((Path(__file__).parent / "osm_kinds.yml").read_text(encoding="utf-8"))
    exact: dict[tuple[str, str], tuple[int, str | None, tuple[str, ...]]] = {}
    any_value: dict[str, tuple[int, str | None, tuple[str, ...]]] = {}
    for order, (key, value, kind, genres) in enumerate(data["features"]):
        if value == "*":
            any_value.setdefault(key, (order, kind, tuple(genres)))
        else:
            exact.setdefault((key, value), (order, kind, tuple(genres)))
    cuisines = {value: tuple(genres) for value, genres in data["cuisines"].items()}
    return Kinds(exact, any_value, data["religions"], cuisines, data["nameless"])


def place_of_tags(
    place_id: str, position: Position, tags: Mapping[str, str], kinds: Kinds | None = None
) -> Place | None:
    """The place a tagged feature stands for; None when it is of no kind of ours, private, or has no name."""
    kinds = kinds or _kinds()
    kind_genres = kinds.of(tags)
    if kind_genres is None or tags.get("access") in ("private", "no") or tags.get("disused") == "yes":
        return None
    kind, genres = kind_genres
    name, name_en = _names(tags)
    if not name:
        operator = tags.get("brand") or tags.get("operator")
        common = kinds.nameless.get(kind)
        if common is None:
            return None
        name = f"{_clean(operator)} {common['ja']}" if operator else common["ja"]
        name_en = name_en or common["en"]
    kana = tags.get("name:ja_kana") or tags.get("name:ja-Hira") or tags.get("name:ja-Kana") or tags.get("name:ja_hira")
    parking, has_parking = _parking(kind, tags)
    return Place(
        id=place_id,
        name=name,
        position=position,
        kind=kind,
        genres=genres,
        name_kana=to_katakana(_clean(kana)) if kana else None,
        name_en=name_en,
        prefecture=_clean(tags.get("addr:province") or tags.get("addr:state")) or None,
        city=_clean(tags.get("addr:city")) or None,
        address=_address(tags),
        phone=_phone(tags),
        hours=parse_opening_hours(tags.get("opening_hours", "")),
        parking=parking,
        has_parking=has_parking,
        wifi=_wifi(tags),
        cards=_cards(tags),
        wheelchair=_flag(tags.get("wheelchair")),
        child_friendly=_flag(tags.get("kids_area") or tags.get("highchair") or tags.get("changing_table")),
        non_smoking={"no": True, "outside": True, "isolated": False, "separated": False, "yes": False, "dedicated": False}.get(
            tags.get("smoking", "")
        ),
        on_site_restaurant=_flag(tags.get("restaurant")) if kind in ("hotel", "rest_area") else None,
        charging_kw=_kilowatt(tags),
    )  # fmt: skip


def _clean(text: str | None) -> str:
    """Text from outside on one line, without control characters, at most 120 letters."""
    text = unicodedata.normalize("NFC", text or "")
    return " ".join("".join(c if unicodedata.category(c)[0] != "C" else " " for c in text).split())[:120]


def _names(tags: Mapping[str, str]) -> tuple[str, str | None]:
    name = _clean(tags.get("name:ja") or tags.get("name") or tags.get("brand:ja"))
    english = _clean(tags.get("name:en") or tags.get("brand:en")) or None
    branch = _clean(tags.get("branch:ja") or tags.get("branch"))
    if name and branch and branch not in name:
        name = f"{name} {branch}"
    if (
        name
        and tags.get("railway") in ("station", "halt")
        and re.search(r"[\u3040-\u9fff]$", name)
        and not name.endswith("駅")
    ):
        name += "駅"
    return name, english


def _flag(value: str | None) -> bool | None:
    if value is None:
        return None
    return True if value in _YES else False if value == "no" else None


def _wifi(tags: Mapping[str, str]) -> Literal["free", "paid", "none"] | None:
    access, fee = tags.get("internet_access"), tags.get("internet_access:fee")
    if access == "no":
        return "none"
    if access in ("wlan", "yes", "wifi") and fee is not None:
        return "free" if fee in ("no", "customers") else "paid"
    return None


def _cards(tags: Mapping[str, str]) -> bool | None:
    values = [v for k, v in tags.items() if k in ("payment:credit_cards", "payment:cards", "payment:visa", "payment:mastercard", "payment:jcb")]  # fmt: skip
    return True if any(v in _YES for v in values) else False if "no" in values else None


def _parking(kind: str, tags: Mapping[str, str]) -> tuple[Parking | None, bool | None]:
    if kind != "parking":
        return None, {"yes": True, "no": False}.get(tags.get("parking", ""))
    fee = tags.get("fee")
    if fee is None:
        return None, None
    capacity = tags.get("capacity", "")
    return Parking(
        "free" if fee == "no" else "paid",
        spaces=int(capacity) if capacity.isascii() and capacity.isdigit() and len(capacity) < 6 else None,
    ), True


def _kilowatt(tags: Mapping[str, str]) -> float | None:
    powers = [
        re.fullmatch(r"([0-9]{1,4}(?:\.[0-9]+)?) ?kW", v)
        for k, v in tags.items()
        if k.startswith("socket:") and k.endswith(":output")
    ]
    return max((float(m.group(1)) for m in powers if m), default=None)


def _phone(tags: Mapping[str, str]) -> str | None:
    text = (tags.get("phone") or tags.get("contact:phone") or "").split(";")[0].strip()
    text = re.sub(r"^\+81[ \-]?\(?0?\)?", "0", unicodedata.normalize("NFKC", text))
    text = re.sub(r"[^0-9+\-]", "-", text).strip("-")
    return re.sub(r"-+", "-", text)[:24] if sum(c.isdigit() for c in text) >= 5 else None


def _address(tags: Mapping[str, str]) -> str | None:
    if tags.get("addr:full"):
        return _clean(tags["addr:full"])
    ja = [
        tags.get("addr:" + part)
        for part in ("province", "city", "suburb", "quarter", "neighbourhood", "block_number", "housenumber")
    ]
    if any(tags.get("addr:" + part) for part in ("quarter", "neighbourhood", "block_number")):
        head = "".join(_clean(part) for part in ja[:5] if part)
        tail = "-".join(_clean(part) for part in ja[5:] if part)
        return (head + tail) or None
    if tags.get("addr:street"):
        return ", ".join(part for part in (_clean(f"{tags['addr:street']} {tags.get('addr:housenumber', '')}"), _clean(tags.get("addr:city"))) if part)  # fmt: skip
    return None


# --- opening hours ----------------------------------------------------------------------------------------------------

_DAYS = {"Mo": 0, "Tu": 1, "We": 2, "Th": 3, "Fr": 4, "Sa": 5, "Su": 6, "PH": 7}
_DAY_ITEM = r"(?:Mo|Tu|We|Th|Fr|Sa|Su|PH)(?:-(?:Mo|Tu|We|Th|Fr|Sa|Su))?"
_RULE = re.compile(
    rf"(?P<days>{_DAY_ITEM}(?:,\s*{_DAY_ITEM})*)?:?\s*(?P<times>off|OFF|Off|closed|24/7|[0-9:,\-\s+]+)?$"
)
_SPAN = re.compile(r"(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})\+?$")


def parse_opening_hours(text: str) -> OpeningHours | None:
    """The common part of OSM's opening_hours: `24/7`, `Mo-Fr 11:00-14:00,17:00-23:00; Sa,Su,PH 11:00-25:00; We off`.

    Later rules replace the days they name. Public holidays not named are like Sundays. Months, weeks of the month,
    sunrise, comments and whatever else is not understood give None: no hours rather than wrong ones.
    """
    text = unicodedata.normalize("NFKC", text).strip()
    if not text or len(text) > 300:
        return None
    week: list[tuple[tuple[int, int], ...] | None] = [None] * 8
    # "Mo-Fr 9:00-12:00, Sa 9:00-11:00" is two rules; "Mo,Tu 9:00-12:00,13:00-15:00" is one.
    for rule in re.split(
        rf";|,\s*(?={_DAY_ITEM}(?:,{_DAY_ITEM})*\s+[0-9o])(?<=[0-9],)|(?<=[0-9]),\s+(?=[MTWFSP])", text
    ):
        rule = rule.strip()
        if not rule:
            continue
        if rule == "24/7":
            week = [((0, 1440),)] * 8
            continue
        match = _RULE.match(rule)
        if match is None or not (match.group("days") or match.group("times")):
            return None
        spans = _spans((match.group("times") or "").strip().lower())
        if spans is None:
            return None
        for day in _days(match.group("days")):
            week[day] = spans
    if all(spans is None for spans in week):
        return None
    if week[7] is None:
        week[7] = week[6] if week[6] is not None else ()
    try:
        return OpeningHours(tuple(spans or () for spans in week))
    except ValueError:
        return None


def _days(text: str | None) -> list[int]:
    if not text:
        return list(range(8))
    days: list[int] = []
    for item in re.split(r",\s*", text):
        first, _, last = item.partition("-")
        if not last:
            days.append(_DAYS[first])
        elif first != "PH":
            day = _DAYS[first]
            days.append(day)
            while day != _DAYS[last]:
                day = (day + 1) % 7
                days.append(day)
    return days


def _spans(text: str) -> tuple[tuple[int, int], ...] | None:
    if text in ("off", "closed"):
        return ()
    if text == "24/7" or not text:
        return ((0, 1440),)
    spans = []
    for part in re.split(r"\s*,\s*", text):
        match = _SPAN.match(part.replace(" ", ""))
        if match is None:
            return None
        opens = int(match.group(1)) * 60 + int(match.group(2))
        closes = int(match.group(3)) * 60 + int(match.group(4))
        if closes <= opens:
            closes += 1440
        if opens >= 1440 or closes > 2880:
            return None
        spans.append((opens, closes))
    return tuple(spans)
