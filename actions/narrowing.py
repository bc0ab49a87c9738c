"""The search state: which conditions are in force, and the operations that change them.

A turn is translated into operations (`from_turn`), operations are applied to the state (`apply`), the state becomes a query
(`to_query`) and a report (`report`). Nothing here talks to the world: what a name or "here" means on the ground is resolved by
`actions.search` and handed in as `Ground`.

The rules, which the property tests hold: a condition stays until it is replaced, dropped or undone; a search for another kind
of place drops the old kind's conditions but keeps the city being talked about; a new city replaces the area, the station and
the name that lay in the old one; `Undo` takes back everything one turn did.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, cast

from actions.inventory import Inventory
from actions.skill import Entity, Turn
from backends.model import Language, PlaceQuery, Position, SortKey

Value = Any
"""JSON: string, number, boolean, list of strings, or a time value (docs/understanding-contract.md)"""

PLACES_OF_WORLD = ("prefecture", "city", "area", "station", "near", "where")
"""conditions that say where"""
FLAGS = (
    "vacancy",
    "on_site_restaurant",
    "cards",
    "wheelchair",
    "child_friendly",
    "non_smoking",
    "private_room",
    "charging",
)
SIMPLE = ("price", "parking", "wifi", "parking_within", "rating_min", "distance_max", "open_at", *FLAGS)
"""entity type = condition"""
CONDITIONS = ("kind", "genre", *PLACES_OF_WORLD, "name", "phone", "budget_max", "budget_min", *SIMPLE)
EXCLUDABLE = ("genre", "city", "area", "station", "name")
SEARCH_INTENTS = frozenset({"search_place", "navigate_to", "add_waypoint"})
OPEN_CONTEXTS = frozenset({"asks_condition", "no_results", "offers_one", "offers_list", "asks_choice", "asks_place"})
"""the search is on the table: a sentence naming the same kind goes on with it"""
NEARBY = re.compile(
    r"近|付近|周辺|周り|まわり|辺|あたり|そば|最寄|\b(near\w*|around|close\w*|by|vicinity|area)\b", re.IGNORECASE
)
"""words that make a reference (ここ, そちら, うち) a place to search at"""
FREE_SPACES = re.compile(r"空い|空き|あいて")
REFERENCES = ("there", "candidate")
HISTORY = 8
"""turns that can be taken back"""
RELATIVES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "price": ("budget_max", "budget_min"),
        "budget": ("budget_max", "budget_min", "price"),
        "parking": ("parking_within", "vacancy"),
        "area": ("near",),
        "where": ("near", "distance_max"),
        "distance_max": ("parking_within",),
        "place_name": ("name",),
    }
)
"""what else goes when a condition is given up"""


@dataclass(frozen=True)
class SearchState:
    """Everything a search under way consists of."""

    conditions: Mapping[str, Value] = field(default_factory=dict)
    sort: str | None = None
    offset: int = 0
    excluded: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """condition → values not wanted"""
    shown: tuple[str, ...] = ()
    """ids of the candidates read out last, in that order"""
    rejected: tuple[str, ...] = ()
    """ids the driver did not want"""
    chosen: tuple[str, str] | None = None
    """(id, name) of the place chosen"""
    anchor: tuple[str, float, float] | None = None
    """(name, latitude, longitude) of what "there" was when it was said: the talk may have moved on since"""
    history: tuple[SearchState, ...] = ()
    """the states before this one, oldest first, each without its own history"""

    def to_json(self) -> dict[str, Any]:
        out: dict[str, Any] = {"conditions": dict(self.conditions)}
        if self.sort:
            out["sort"] = self.sort
        if self.offset:
            out["offset"] = self.offset
        if self.excluded:
            out["excluded"] = {k: list(v) for k, v in self.excluded.items()}
        if self.shown:
            out["shown"] = list(self.shown)
        if self.rejected:
            out["rejected"] = list(self.rejected)
        if self.chosen:
            out["chosen"] = list(self.chosen)
        if self.anchor:
            out["anchor"] = list(self.anchor)
        if self.history:
            out["history"] = [state.to_json() for state in self.history]
        return out

    @classmethod
    def from_json(cls, data: Mapping[str, Any] | None) -> SearchState:
        """The state kept in the slot `search`; anything absent is empty."""
        data = data or {}
        chosen, anchor = data.get("chosen"), data.get("anchor")
        return cls(
            dict(data.get("conditions") or {}),
            data.get("sort"),
            int(data.get("offset") or 0),
            {k: tuple(v) for k, v in (data.get("excluded") or {}).items()},
            tuple(data.get("shown") or ()),
            tuple(data.get("rejected") or ()),
            (str(chosen[0]), str(chosen[1])) if chosen else None,
            (str(anchor[0]), float(anchor[1]), float(anchor[2])) if anchor else None,
            tuple(cls.from_json(row) for row in data.get("history") or ()),
        )

    @property
    def kind(self) -> str | None:
        return cast("str | None", self.conditions.get("kind"))

    @property
    def empty(self) -> bool:
        return not self.conditions

    def wishes(self) -> dict[str, Value]:
        """The conditions that can be given up one by one: all but what is looked for and the city."""
        return {k: v for k, v in self.conditions.items() if k not in ("kind", "prefecture", "city")}


# --- operations -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Add:
    """A condition that was not in force."""

    condition: str
    value: Value


@dataclass(frozen=True, slots=True)
class Replace:
    """A condition in force gets another value."""

    condition: str
    value: Value


@dataclass(frozen=True, slots=True)
class Drop:
    condition: str


@dataclass(frozen=True, slots=True)
class Exclude:
    """Values of a condition that are not wanted; an equal value in force goes."""

    condition: str
    value: str


@dataclass(frozen=True, slots=True)
class Reject:
    """Candidates not wanted."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sort:
    by: str


@dataclass(frozen=True, slots=True)
class NextPage:
    size: int = 3


@dataclass(frozen=True, slots=True)
class Choose:
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Undo:
    """Takes back what the last turn did."""


@dataclass(frozen=True, slots=True)
class Reset:
    """A new search: everything goes but the conditions named."""

    keep: tuple[str, ...] = ()


Operation = Add | Replace | Drop | Exclude | Reject | Sort | NextPage | Choose | Undo | Reset


def apply(state: SearchState, operations: Iterable[Operation]) -> SearchState:
    """The state after one turn's operations; they are taken back together by one `Undo`."""
    operations = tuple(operations)
    now = state
    for operation in operations:
        if isinstance(operation, Undo):
            now = replace(now.history[-1], history=now.history[:-1]) if now.history else now
        else:
            now = _step(now, operation)
    if any(isinstance(o, Undo) for o in operations) or _same(now, state):
        return now
    return replace(now, history=(*state.history, replace(state, history=()))[-HISTORY:])


def _same(a: SearchState, b: SearchState) -> bool:
    return replace(a, history=()) == replace(b, history=())


def _step(state: SearchState, operation: Operation) -> SearchState:
    conditions = dict(state.conditions)
    excluded = dict(state.excluded)
    match operation:
        case Add(condition, value) | Replace(condition, value):
            conditions[condition] = value
            wanted = set(value) if isinstance(value, list) else {value} if isinstance(value, str) else set()
            if condition in excluded:
                excluded = _without(excluded, condition, wanted)
            return replace(state, conditions=conditions, excluded=excluded, offset=0, chosen=None)
        case Drop(condition):
            conditions.pop(condition, None)
            return replace(state, conditions=conditions, offset=0, chosen=None)
        case Exclude(condition, value):
            held = conditions.get(condition)
            if isinstance(held, list) and value in held:
                left = [v for v in held if v != value]
                conditions = {**conditions, condition: left} if left else _less(conditions, condition)
            elif held == value:
                conditions = _less(conditions, condition)
            excluded[condition] = tuple(dict.fromkeys((*excluded.get(condition, ()), value)))
            return replace(state, conditions=conditions, excluded=excluded, offset=0, chosen=None)
        case Reject(ids):
            return replace(state, rejected=tuple(dict.fromkeys((*state.rejected, *ids))), chosen=None)
        case Sort(by):
            return replace(state, sort=by, offset=0, chosen=None)
        case NextPage(size):
            return replace(state, offset=state.offset + size, chosen=None)
        case Choose(place_id, name):
            return replace(state, chosen=(place_id, name))
        case Reset(keep):
            return SearchState({k: v for k, v in conditions.items() if k in keep}, history=state.history)
        case Undo():
            return state


def _less(conditions: Mapping[str, Value], key: str) -> dict[str, Value]:
    return {k: v for k, v in conditions.items() if k != key}


def _without(excluded: Mapping[str, tuple[str, ...]], key: str, wanted: set[str]) -> dict[str, tuple[str, ...]]:
    left = tuple(v for v in excluded.get(key, ()) if v not in wanted)
    return {**_less(excluded, key), **({key: left} if left else {})}


# --- from what was said -----------------------------------------------------------------------------------------------


def from_turn(
    turn: Turn, state: SearchState, inventory: Inventory, trip: Mapping[str, Any] | None = None
) -> tuple[Operation, ...]:
    """The operations a turn means for the search. `trip`: the city mentioned before there was a search."""
    said = conditions_of(turn, state, inventory)
    operations: list[Operation] = []
    base = dict(state.conditions)
    if _starts_anew(turn, state, said):
        keep = ("prefecture", "city") if not _elsewhere(turn, said) else ()
        operations.append(Reset(keep))
        base = {k: v for k, v in base.items() if k in keep}
    if _needs_ground(said, base, turn) and trip and trip.get("city"):
        operations += [Add(k, trip[k]) for k in ("prefecture", "city") if trip.get(k)]
        base |= {k: trip[k] for k in ("prefecture", "city") if trip.get(k)}
    context = turn.metadata.get("context") or turn.slots.get("context")
    for gone in _swept(said, base, narrows=turn.intent == "narrow" and context != "no_results"):
        operations.append(Drop(gone))
        base.pop(gone)
    dropped = _drops(turn, base, said)
    operations += [Drop(condition) for condition in dropped]
    for condition in dropped:
        base.pop(condition, None)
    for condition, value in said.items():
        if condition not in base:
            operations.append(Add(condition, value))
        elif base[condition] != value:
            operations.append(Replace(condition, value))
    operations += _exclusions(turn, state)
    if (order := turn.first("sort")) is not None:
        operations.append(Sort(str(order)))
    return tuple(operations)


def conditions_of(turn: Turn, state: SearchState, inventory: Inventory) -> dict[str, Value]:
    """The conditions a turn names, by the names of `CONDITIONS`."""
    said: dict[str, Value] = {}
    kind = _kind(turn, state)
    genres = list(turn.all("genre"))
    if genres:
        kind, said["genre"] = _kind_and_genres(genres, kind, state.kind, turn.language, inventory)
    if kind is not None:
        said["kind"] = kind
    for type_ in ("prefecture", "city", "area", "station"):
        found = turn.all(type_) or turn.all(type_, role="near")
        if found:
            # The one said last counts: 「渋谷、いや恵比寿で」.
            said[type_] = found[-1].value
    if (where := _where(turn, state, kind)) is not None:
        said["where"] = where
    if (near := turn.first("place_name", role="near")) is not None:
        said["near"] = near
    if names := turn.all("place_name"):
        said["name"] = names[-1].value
    if (phone := turn.first("phone_number")) is not None:
        said["phone"] = str(phone)
    budget = turn.first("budget")
    if isinstance(budget, Mapping):
        said |= {f"budget_{k.split('_')[0]}": v for k, v in budget.items() if k in ("max_yen", "min_yen")}
    # 「福岡三越には駐車場がありますか」 asks about that place and wishes for nothing.
    asked = {e.value for e in turn.all("attribute")} if turn.all("place_name", "ordinal") else set()
    for type_ in SIMPLE:
        if type_ not in asked and (found := turn.all(type_)):
            said[type_] = found[-1].value
    if said.get("open_at") == "now" and (kind or state.kind) == "parking" and FREE_SPACES.search(turn.text):
        # 「空いてるところ」 of a car park means its spaces.
        said.pop("open_at")
        said["vacancy"] = True
    for type_ in ("parking", "wifi"):
        held = state.conditions.get(type_)
        if turn.all(type_, role="relaxed"):
            # 「有料でもいい」: any will do where only the free one would.
            said.setdefault(type_, "any")
        elif said.get(type_) == "any" and held in ("free", "paid"):
            # 「駐車場があって」 said beside 無料 takes nothing back.
            said[type_] = held
    if said.get("kind") == "parking" and said.get("parking") == "any":
        said.pop("parking")
    if said.get("city") == said.get("area"):
        said.pop("area", None)
    return said


def _kind(turn: Turn, state: SearchState) -> str | None:
    """The kind of place said. 「駐車場のあるイタリアン」 is no car park, 「食事のできるホテル」 no restaurant: what stands beside it as
    a condition of something else does not count, of several the one under way, else the head of the phrase."""
    kinds = [str(e.value) for e in turn.all("kind")]
    if kinds and _another_place(turn):
        # 「そこの近くの駐車場」 is a place of its own, not a wish for the one at hand.
        return kinds[-1 if turn.language == "ja" else 0]
    others = len(set(kinds)) > 1 or bool(turn.all("genre")) or (turn.intent == "narrow" and state.kind is not None)
    for equipment in ("parking", "charging"):
        # In a new search 「停められる駐車場は」 names what is looked for, twice over.
        named = (turn.intent == "narrow" and turn.all(equipment)) or any(e.value == equipment for e in turn.all("drop"))
        if state.kind != equipment and (others or named):
            kinds = [k for k in kinds if k != equipment]
    if not kinds:
        return None
    if state.kind in kinds and turn.intent == "narrow":
        return state.kind
    return kinds[-1 if turn.language == "ja" else 0]


def _another_place(turn: Turn) -> bool:
    """Whether something near what was offered, or near the destination, is looked for, in a sentence with one kind of place."""
    where = turn.first("where") or turn.first("where", role="near")
    one = len({e.value for e in turn.all("kind")}) == 1 and not turn.all("genre")
    return one and where in (*REFERENCES, "destination") and NEARBY.search(turn.text) is not None


def _where(turn: Turn, state: SearchState, kind: str | None) -> str | None:
    """The part of the world a reference means for the search: 「そちらの近く」 does, 「そちらは安いですか」 does not."""
    found = turn.all("where") or turn.all("where", role="near")
    if not found:
        return None
    entity = found[-1]
    where = str(entity.value)
    new_kind = (turn.intent in SEARCH_INTENTS or _another_place(turn)) and kind is not None and kind != state.kind
    around = turn.text[max(0, entity.start - 9) : entity.end + 4] if entity.end else f"{entity.text} {turn.text}"
    if where in ("along_route", "destination") or new_kind or NEARBY.search(around):
        return where
    return None


def _kind_and_genres(
    genres: list[Entity], kind: str | None, current: str | None, language: Language, inventory: Inventory
) -> tuple[str | None, list[str]]:
    """Which kind of place the genres mean, and the genres as that kind has them.

    「温泉のある旅館」, "an inn with a hot spring": the head of the phrase says the kind, in Japanese the last word, in English
    the first; a kind said outright or under way comes before.
    """
    if kind is None:
        owners = [inventory.kind_of.get(str(g.value)) for g in genres]
        readable = current is not None and any(inventory.within(current, str(g.value), g.text) for g in genres)
        head = owners[-1 if language == "ja" else 0]
        kind = current if current in owners or (readable and head != current) else head
    fitting = [inventory.within(kind, str(g.value), g.text) for g in genres] if kind else []
    known = [g for g in fitting if g is not None]
    return kind, list(dict.fromkeys(known or [str(g.value) for g in genres]))


def _starts_anew(turn: Turn, state: SearchState, said: Mapping[str, Value]) -> bool:
    """Whether the turn opens a search instead of going on with the one under way."""
    if state.empty:
        return False
    kind = said.get("kind")
    if kind is not None and state.kind is not None and kind != state.kind:
        return True
    if turn.intent not in SEARCH_INTENTS or not {"kind", "genre", "name", "phone"} & said.keys():
        return False
    if turn.intent != "search_place" and "name" in said:
        return True
    if state.kind is None and "name" not in state.conditions:
        return False
    if state.kind is None and kind is not None and "name" not in said:
        return True
    context = turn.metadata.get("context") or turn.slots.get("context")
    if context not in OPEN_CONTEXTS:
        return True
    if "name" in said and kind is None and context in ("offers_list", "offers_one"):
        return True
    # Both what and where are said again: a whole new request, whatever was on the table.
    what = "genre" in said or ("kind" in said and "genre" not in state.conditions)
    held = {k: state.conditions[k] for k in PLACES_OF_WORLD if k in state.conditions}
    return what and any(k in said and held.get(k) not in (None, said[k]) for k in PLACES_OF_WORLD)


def _elsewhere(turn: Turn, said: Mapping[str, Value]) -> bool:
    """Whether the turn has nothing to do with the city being talked about: it says where itself, wants to be taken to a place
    by name, or to stop on the way."""
    if said.get("where") not in (None, *REFERENCES) or "near" in said or turn.intent == "add_waypoint":
        return True
    return turn.intent == "navigate_to" and "name" in said


def _needs_ground(said: Mapping[str, Value], base: Mapping[str, Value], turn: Turn) -> bool:
    """Whether a city mentioned before the search is the one meant: a search that says no place of its own."""
    if turn.intent not in SEARCH_INTENTS | {"narrow"} or "phone" in said or _elsewhere(turn, said):
        return False
    held = {"prefecture", "city", "where", "near"}
    return not held & said.keys() and not held & base.keys()


def _swept(said: Mapping[str, Value], base: Mapping[str, Value], *, narrows: bool = False) -> tuple[str, ...]:
    """Conditions in force that the new ones make meaningless."""
    gone: set[str] = set()
    if "where" in said or "near" in said:
        gone |= {"area", "station", "where", "near"}
        if said.get("where") not in REFERENCES:
            # Near what was offered is in the same city; anywhere else need not be.
            gone |= {"prefecture", "city"}
    if "city" in said and base.get("city") not in (None, said["city"]):
        gone |= {"prefecture", "area", "station", "near", "where", "name"}
    if "prefecture" in said and base.get("prefecture") not in (None, said["prefecture"]):
        gone |= {"city", "area", "station", "near", "where", "name"}
    if {"city", "area", "station", "prefecture"} & said.keys():
        gone |= {"where", "near"}
    if "name" not in said and "genre" in said and base.get("kind") in (None, said.get("kind")):
        # 「スターバックス」 … 「じゃあ普通のカフェでいい」: the name was what stood in the way.
        gone.add("name")
    wishes = {"budget_max", "budget_min", *SIMPLE} & said.keys()
    if "genre" not in said and "kind" in said and not (narrows and wishes):
        # 「（展望台はなかった。）ほかの観光名所は」: the wider word takes the genre back; in 「Wi-Fiのある宿」 after a list it
        # is only what the wish hangs on.
        gone.add("genre")
    if "phone" not in said and {"genre", "kind", "name"} & said.keys():
        gone.add("phone")
    return tuple(c for c in CONDITIONS if c in gone and c in base and c not in said)


def _drops(turn: Turn, base: Mapping[str, Value], said: Mapping[str, Value]) -> tuple[str, ...]:
    """The conditions given up; one that is named anew in the same breath is replaced, not dropped."""
    out: list[str] = []
    for entity in turn.all("drop"):
        key = str(entity.value)
        if key == "all":
            out += [k for k in base if k not in ("kind", "city", "prefecture")]
            continue
        key = {"place_name": "name", "budget": "budget_max"}.get(key, key)
        if key in base:
            out.append(key)
        out += [k for k in RELATIVES.get(str(entity.value), ()) if k in base and (k != "near" or key not in base)]
    return tuple(k for k in dict.fromkeys(out) if k not in said)


def _exclusions(turn: Turn, state: SearchState) -> list[Operation]:
    out: list[Operation] = []
    for entity in turn.entities:
        if entity.role != "exclude":
            continue
        condition = "name" if entity.type == "place_name" else entity.type
        if condition in EXCLUDABLE:
            out.append(Exclude(condition, str(entity.value)))
    return out


# --- to a query and to words ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ground:
    """What the places named by a search are on the ground."""

    near: Position | None = None
    """from where distances are measured"""
    radius_m: int | None = None
    along: tuple[Position, ...] | None = None
    prefecture: str | None = None
    city: str | None = None
    area: str | None = None
    station: str | None = None
    open_at: datetime | None = None


def to_query(state: SearchState, ground: Ground, *, limit: int = 3) -> PlaceQuery:
    """The question to the places. `ground`: the search's places resolved to positions and municipalities."""
    held = state.conditions
    parking_within = held.get("parking_within")
    return PlaceQuery(
        text=held.get("name"),
        kind=held.get("kind"),
        genres=tuple(held.get("genre") or ()),
        exclude_genres=state.excluded.get("genre", ()),
        exclude_ids=state.rejected,
        phone=held.get("phone"),
        near=ground.near,
        radius_m=ground.radius_m,
        along=ground.along,
        prefecture=ground.prefecture,
        city=ground.city,
        area=ground.area,
        station=ground.station,
        price=held.get("price"),
        budget_max_yen=held.get("budget_max"),
        parking=held.get("parking") or ("any" if parking_within is not None else None),
        parking_within_m=parking_within,
        vacancy=held.get("vacancy"),
        wifi=held.get("wifi"),
        on_site_restaurant=held.get("on_site_restaurant"),
        rating_min=held.get("rating_min"),
        open_at=ground.open_at,
        cards=held.get("cards"),
        wheelchair=held.get("wheelchair"),
        child_friendly=held.get("child_friendly"),
        non_smoking=held.get("non_smoking"),
        private_room=held.get("private_room"),
        charging=held.get("charging"),
        sort=_order(state, ground),
        offset=state.offset,
        limit=limit,
    )


def _order(state: SearchState, ground: Ground) -> SortKey:
    if state.sort is None:
        return "detour" if ground.along else "relevance"
    return "parking_fee" if state.kind == "parking" and state.sort == "price" else cast(SortKey, state.sort)


def report(state: SearchState, language: Language, inventory: Inventory) -> dict[str, Any]:
    """The conditions in force as `concierge replay` writes them; a key that is not in force is absent."""
    out: dict[str, Any] = {k: state.conditions[k] for k in CONDITIONS if k in state.conditions and k != "phone"}
    if "genre" in out:
        out["genre"] = inventory.genres_label(out["genre"], language)
    if "phone" in state.conditions:
        out["phone"] = state.conditions["phone"]
    if state.sort:
        out["sort"] = state.sort
    if state.chosen:
        out["chosen"] = state.chosen[1]
    return out


def entity_conditions(entities: Iterable[Entity]) -> frozenset[str]:
    """Entity types among `entities` that are conditions of a search."""
    return frozenset(e.type for e in entities) & frozenset(
        (*CONDITIONS, "budget", "place_name", "phone_number", "drop")
    )
