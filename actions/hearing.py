"""Names that were not written as they are: what the recognizer made of a place, taken back to the place.

「日の定期までお願い」 names no place, 日の出駅 sounds like it. `mended` looks at turns that name a goal nobody knows: what stands before
"take me to …" and its like is held against the names of the map and of the country by sound, near ones first. What sounds alike enough
replaces what was heard, so that the reply says the real name; what leaves a doubt is asked about.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from actions.ground import car_position
from actions.skill import Entity, Turn, World
from backends.model import Language, Locality, Place, Position
from backends.sounds import nearness

NAME_TYPES = ("place_name", "station", "area", "city", "prefecture")
SURE, CLEARLY_FIRST = 0.72, 0.05
"""so alike (0 … 1) and so far before the second, that nobody is asked"""
POSSIBLE = 0.5
"""less alike than this it is no guess to make"""
SURELY_MORE = 0.75
"""so alike the whole of the words must be to a name, where a name that is known was understood in a part of them"""
LONGEST = 24
"""letters: longer goals are sentences about something else"""
PROBABLE = 0.62
"""less alike than this the words of a sentence in which nothing was recognized are no name"""
EXPLAINED = 0.7
"""the share of the goal's letters that must belong to words that were understood"""
MISREAD = ("number", "genre", "kind", "direction", "where", "feeling", "duration", "time")
"""what may be read into the letters of a misheard name"""
ASKED = 3
SAME_PLACE_M = 1_500
"""a station on the map and the same in the gazetteer lie within this"""
UNCOVERED = 0.5
"""how much it counts against a reading of the sentence that it leaves the whole goal unexplained"""

_REST = r"[^、。]{0,12}$"
_GOAL_JA = tuple(
    re.compile(pattern + _REST)
    for pattern in (
        r"^(.+?)(?:を|の|お|は|に)?目的.{0,2}?[にへと]",
        r"^(.+?)(?:まで|まて)(?:の(?:道|ルート)を?|を|は|へ|に|、|に?い)*(?:お?(?:願|ねが)い?|おねがい|ねがい|案内|ナビ|連れて|行|い[きこっ])",
        r"^(.+?)(?:[へえ絵]ね?|を|が|に|の|まで)?、?(?:案内|[あや]んない|ナビ)",
        r"^(.+?)[にへ](?:行|生|い)(?:きた|こう|って|きま)",
        r"^(.+?)[にへ](?:寄|よ)(?:り|って)",
        r"^(.+?)(?:まで|まて)[、。!?！？]*$",
    )
)
_NEAR_JA = re.compile(r"^(.+?)の?(?:近く|近所|付近|周辺|そば)(?:で|の|に|、|を)[^、。]{0,16}$")
_GOAL_EN = re.compile(
    r"^.*?\b(?:(?:take|bring|drive|get) (?:me|us) (?:to|two|time|there)?|navigat\w* (?:me )?(?:to|the)?|(?:go|drive|head|route|directions?|way) (?:to|two)|"
    r"want to (?:go )?(?:to)?|guide me to|set (?:the )?destination to)\s+(.+)$",
    re.IGNORECASE,
)
_NEAR_EN = re.compile(
    r"^.*?\b(?:near|close to|around|next to|parking (?:near|there|their|the))\s+(?!by\b|me\b|here\b|to\b|there\b)(.+)$",
    re.IGNORECASE,
)
_FIRST_WORDS = re.compile(
    r"^(?:(?:えー?っ?と|あの[ー、]|すみません|じゃあ|今から|これから|the |a |um |uh |please )[、, ]*|(?:はい|では|じゃ|ねえ|次は)[、, ]+)+", re.IGNORECASE
)  # fmt: skip
_POINTS = re.compile(
    r"[こそあど](?:こ|の|ちら|っち|の辺|のへん)?|今|いま|現在地|うち|家|自宅|会社|目的地|一番|この先|it|there|here|this|that|me|us|home|work",
    re.IGNORECASE,
)
"""words for a place that are no name: 「この近くの」"""
_PAUSE = re.compile(r"[。!?！？\n]|、.{4,}")
_LAST_WORDS = re.compile(r"(?:[,.!?。！？、 ]| please| thanks| thank you| for me)+$", re.IGNORECASE)


SAME_SPELLING = 1.06
"""the likeness of a name written in its own kanji: more than the same sound"""
LITTLE_KNOWN, NO_STATION_SAID = 0.2, 0.04
"""what a district nobody outside knows loses, and a station whose 駅 was not said"""
_STATION = re.compile(r"駅|えき|エキ|\bstation\b", re.IGNORECASE)
_KANJI = re.compile(r"[\u4e00-\u9fff々]")


@dataclass(frozen=True, slots=True)
class Meant:
    """A place that may have been meant."""

    name: str
    position: Position
    likeness: float
    """0 … 1: how alike its name sounds"""
    score: float
    """likeness less what its distance and what it leaves unexplained take away"""
    place: Place | None = None
    locality: Locality | None = None
    whole: bool = False
    """it sounds like all of the words where the goal stands"""

    def entity(self, role: str | None, text: str) -> Entity:
        """The entity that names it without doubt."""
        if self.place is not None and self.place.kind != "station":
            return Entity("place_name", self.place.name, role, text=text)
        kind = "station" if self.place is not None or self.locality is None else self.locality.kind
        type_ = {"station": "station", "city": "city", "ward": "area", "town": "area", "prefecture": "prefecture"}.get(
            kind
        )
        name = self.name.removesuffix("市") if type_ == "city" and len(self.name) > 2 else self.name
        return Entity(type_ or "place_name", name, role, text=text)


@dataclass(frozen=True, slots=True)
class Mended:
    """A turn with the names put right."""

    turn: Turn
    rivals: tuple[Meant, ...] = ()
    """places it may have meant, when that has to be asked"""


@dataclass(frozen=True, slots=True)
class Goal:
    """What a sentence says of where to go."""

    text: str
    near: bool
    """looked for is something near it"""


def goal_of(text: str, language: Language) -> Goal | None:
    """The words that stand where a goal stands, as they were heard; None when the sentence has no such place."""
    text = unicodedata.normalize("NFKC", text).strip()
    if language == "ja":
        text = "".join(text.split())
    text = _LAST_WORDS.sub("", _FIRST_WORDS.sub("", text))
    near = (_NEAR_JA if language == "ja" else _NEAR_EN).match(text)
    if near and _POINTS.fullmatch(near[1].strip()):
        return None
    if near:
        return Goal(_trimmed(near[1]), True)
    for frame in _GOAL_JA if language == "ja" else (_GOAL_EN,):
        found = frame.match(text)
        if found and _trimmed(found[1]):
            return Goal(_trimmed(found[1]), False)
    return None


def _trimmed(text: str) -> str:
    return _LAST_WORDS.sub("", _FIRST_WORDS.sub("", text.strip()))


async def mended(world: World, turn: Turn) -> Mended:
    """The turn with a goal nobody knows under that name put right by its sound; as it was when there is nothing to mend."""
    goal = goal_of(turn.text, turn.language)
    if goal is None and turn.slots.get("context") == "asks_place":
        goal = Goal(_trimmed(turn.text), False)
    if (
        goal is None
        or len(goal.text) > LONGEST
        or _PAUSE.search(goal.text)
        or turn.all("ordinal", "pick", "phone_number")
    ):
        return Mended(turn)
    named = [e for e in turn.entities if e.type in NAME_TYPES and e.role != "exclude"]
    explained = sum(len(e.text) for e in turn.entities if e.text and e.text in goal.text)
    unexplained = explained < EXPLAINED * len(goal.text)
    car = await car_position(world)
    known = bool(named) and all([await _known(world, e, car) for e in named])
    if not unexplained and (known or not named):
        return Mended(turn)
    found = [m for m in await meant(world, turn, car) if m.likeness >= POSSIBLE]
    if known:
        # 「有明テニスの…」 with half of it misheard is not Ariake; 「札幌に旅行」 is Sapporo.
        found = [m for m in found if m.whole and m.likeness >= SURELY_MORE]
    if not found or (not named and found[0].likeness < PROBABLE):
        return Mended(turn)
    if any(_bare(found[0].name) == _bare(str(e.value)) for e in named):
        return Mended(turn)
    if sure(found) or (goal.near and found[0].likeness >= PROBABLE):
        return Mended(_with(turn, found[0], named, goal))
    close = [m for m in found[:ASKED] if m.score > found[0].score - CLEARLY_FIRST * 2]
    return Mended(turn, tuple(close))


def _bare(name: str) -> str:
    return name.rstrip("駅市区町村県")


def sure(found: Sequence[Meant]) -> bool:
    """Whether the first is what was said, or so much likelier than the next that nobody need be asked."""
    second = found[1].score if len(found) > 1 else 0.0
    return found[0].likeness >= SURE and found[0].score - second >= CLEARLY_FIRST


async def _known(world: World, entity: Entity, car: Position | None) -> bool:
    """Whether a place or a locality bears the name."""
    name = str(entity.value)
    if world.gazetteer.lookup(name, near=car):
        return True
    hits = await world.places.find(name, near=car, limit=1)
    return bool(hits) and hits[0].match in ("exact", "reading", "part")


def _with(turn: Turn, found: Meant, named: Sequence[Entity], goal: Goal) -> Turn:
    """The turn as if the place had been said by its name; what was read inside the misheard words goes."""
    inside = goal.text
    role = "near" if goal.near or any(e.role == "near" for e in named) else None
    kept = [e for e in turn.entities if e not in named and not (e.type in MISREAD and e.text and e.text in inside)]
    return replace(turn, entities=(*kept, found.entity(role, inside)))


async def meant(world: World, turn: Turn, car: Position | None) -> tuple[Meant, ...]:
    """The places the turn may mean as its goal, likeliest first; empty when it names none."""
    goal = goal_of(turn.text, turn.language)
    named = [e for e in turn.entities if e.type in NAME_TYPES and e.role != "exclude"]
    whole = goal.text if goal is not None else _trimmed(turn.text)
    said = list(
        dict.fromkeys(
            [whole, *(t for e in named for t in (e.text, str(e.value)) if t), *_shorter(whole, turn.language)]
        )
    )
    found: list[Meant] = []
    for text in said:
        missing = UNCOVERED * max(0.0, 1 - len(text) / len(whole)) if whole else 0.0
        found += [replace(m, score=m.score - missing, whole=text == whole) for m in await called(world, text, car)]
    return _distinct(found)


def _shorter(text: str, language: Language) -> list[str]:
    """The goal without what may belong to the frame: a particle heard as a letter of the name, what was said before a pause."""
    if language == "en":
        words = text.split()
        return [" ".join(words[i:]) for i in range(1, min(3, len(words) - 1))]
    after_pause = re.split("[、。]", text)[-1]
    return [
        t for t in (after_pause, text[:-1] if len(text) > 3 and text[-1] in "えへ絵を江恵にがの" else "") if len(t) > 1
    ]


async def called(world: World, name: str, car: Position | None, limit: int = 6) -> list[Meant]:
    """Places and localities called so, or nearly; likeliest first."""
    found = []
    station = _STATION.search(name) is not None
    for hit in await world.places.find(name, near=car, limit=limit):
        likeness = {"exact": SAME_SPELLING, "reading": 1.0, "part": hit.score}.get(hit.match, hit.score / 0.9)
        found.append(
            Meant(hit.place.name, hit.place.position, likeness, likeness - nearness(hit.distance_m), hit.place)
        )
    spelt = world.gazetteer.lookup(name, near=car)[:limit]
    for locality in spelt:
        likeness = SAME_SPELLING if _KANJI.search(name) and name.rstrip("駅市区町村") in locality.name else 1.0
        if locality.kind == "town" and not locality.population:
            likeness -= LITTLE_KNOWN
        elif locality.kind == "station" and not station:
            likeness -= NO_STATION_SAID
        away = None if car is None else car.distance_to(locality.position)
        found.append(Meant(locality.name, locality.position, likeness, likeness - nearness(away), None, locality))
    if not any(m.likeness >= 1 for m in found):
        for locality, likeness, score in world.gazetteer.alike(name, near=car, limit=limit):
            found.append(Meant(locality.name, locality.position, likeness, score, None, locality))
    return sorted(found, key=lambda m: -m.score)


def _distinct(found: Iterable[Meant]) -> tuple[Meant, ...]:
    """Best first, each place once: the map's own entry of a station stands for the gazetteer's."""
    kept: list[Meant] = []
    for one in sorted(found, key=lambda m: -m.score):
        twin = next((i for i, k in enumerate(kept) if _same(k, one)), None)
        if twin is None:
            kept.append(one)
        elif kept[twin].place is None and one.place is not None:
            kept[twin] = replace(one, likeness=kept[twin].likeness, score=kept[twin].score)
    return tuple(kept)


def _same(one: Meant, other: Meant) -> bool:
    return one.name == other.name and one.position.distance_to(other.position) < SAME_PLACE_M
