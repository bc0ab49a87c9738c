"""The handoff packet: everything a person who takes over has to know, so that nothing is asked twice.

After the minimum set of data of EN 15722, extended by the dialogue. Frozen dataclasses here, the same as JSON Schema in
handoff_packet.schema.json; both sides of the desk's API validate against the schema and check the digest. A packet is made
once, redacted (backends/redaction.py), and never changed: what is said later follows as messages.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

from backends.errors import BadAnswer
from backends.model import Language

VERSION = "1.0"
"""major.minor; a desk refuses another major"""
SCHEMA_FILE = Path(__file__).with_name("handoff_packet.schema.json")

Reason = Literal[
    "operator", "failures", "restaurant_booking", "hotel_booking", "rental_car", "flight", "taxi", "roadside", "call", "other",
]  # fmt: skip
REASONS: tuple[str, ...] = get_args(Reason)
CandidateStatus = Literal["shown", "rejected", "chosen"]
Speaker = Literal["driver", "agent", "operator", "line"]
"""`line`: what the car itself says about the connection"""


@dataclass(frozen=True, slots=True)
class Point:
    latitude: float
    longitude: float
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CarPosition:
    latitude: float
    longitude: float
    at: datetime
    trusted: bool
    """False: the car doubts it (EN 15722 positionCanBeTrusted)"""
    heading: float | None
    """degrees, 0 = north, clockwise"""
    speed_kmh: float | None
    earlier: tuple[Point, ...] = ()
    """at most two positions before this one, newest first"""


@dataclass(frozen=True, slots=True)
class CarFacts:
    plate: str | None
    vin: str | None
    model: str | None
    drive: str | None
    """how it is driven: hybrid, petrol, battery …"""
    warning_lamps: tuple[str, ...] = ()
    """VSS paths of the warnings that are on"""
    occupants: int | None = None


@dataclass(frozen=True, slots=True)
class RouteFacts:
    destination: str
    latitude: float | None
    longitude: float | None
    remaining_m: float | None
    remaining_s: float | None
    eta: datetime | None


@dataclass(frozen=True, slots=True)
class DriverFacts:
    id: str
    language: Language
    contract: Literal["active", "cancelled", "unknown"]


@dataclass(frozen=True, slots=True)
class BothLanguages:
    ja: str
    en: str


@dataclass(frozen=True, slots=True)
class Item:
    """One thing known: a condition, a booking detail, an answered question; not to be asked again."""

    name: str
    """condition or field: genre, people, budget …; `question` for a question of the agent's"""
    value: str
    """as data, or the driver's own words"""
    label: BothLanguages
    """what an operator reads: 「人数: 4名」"""


@dataclass(frozen=True, slots=True)
class Candidate:
    id: str
    name: str
    latitude: float | None
    longitude: float | None
    phone: str | None
    address: str | None
    status: CandidateStatus


@dataclass(frozen=True, slots=True)
class ActionDone:
    name: str
    arguments: str
    """JSON"""
    ok: bool
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Wish:
    """What the desk is asked for: the topic, what was collected, and what the driver left open."""

    topic: Reason
    fields: tuple[Item, ...] = ()
    left_open: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the transcript."""

    n: int
    at: datetime
    speaker: Speaker
    text: str
    language: Language
    confidence: float | None = None
    """0 … 1, of the understanding (driver's lines)"""
    corrects: int | None = None
    """the driver's earlier line this one corrects"""


@dataclass(frozen=True, slots=True)
class Redaction:
    where: str
    """JSON path of the text"""
    kind: str
    """card_number, secret, my_number"""
    count: int


@dataclass(frozen=True, slots=True)
class Consent:
    basis: Literal["request", "offer"]
    """the driver asked for a person, or said yes to the offer of one"""
    at: datetime
    recording_notice: bool
    """whether it is said that the talk is handed over and recorded"""


@dataclass(frozen=True, slots=True)
class HandoffPacket:
    """Made by `agent.packet`; `digest` is filled by `seal`."""

    id: str
    created_at: datetime
    reason: Reason
    trigger: Literal["manual", "automatic"]
    """asked for by the driver, or offered by the agent"""
    test: bool
    """True: no real car, nothing is to be booked"""
    vehicle: CarFacts
    position: CarPosition | None
    route: RouteFacts | None
    driver: DriverFacts
    summary: BothLanguages
    """one line, computed"""
    intent: str | None
    slots: tuple[Item, ...]
    """conditions in force"""
    already_asked: tuple[Item, ...]
    already_rejected: tuple[Item, ...]
    candidates: tuple[Candidate, ...]
    actions: tuple[ActionDone, ...]
    wish: Wish
    transcript: tuple[Line, ...]
    consent: Consent
    redactions: tuple[Redaction, ...] = ()
    version: str = VERSION
    extra: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Without digest; see `seal`."""
        return {k: v for k, v in _plain(self).items() if k != "extra" or v}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(v) for v in value]
    return value


def canonical(packet: Mapping[str, Any]) -> bytes:
    """The packet as canonical JSON without its digest: keys sorted, no white space, UTF-8."""
    bare = {k: v for k, v in packet.items() if k != "digest"}
    return json.dumps(bare, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def digest_of(packet: Mapping[str, Any]) -> str:
    return "sha256:" + hashlib.sha256(canonical(packet)).hexdigest()


def seal(packet: Mapping[str, Any]) -> dict[str, Any]:
    """The packet with its digest. Raises `BadAnswer` when it is not a valid packet."""
    sealed = {**packet, "digest": digest_of(packet)}
    check(sealed)
    return sealed


def check(packet: Any) -> None:
    """Raises `BadAnswer` unless `packet` is a packet of our major version, valid by the schema, its digest right."""
    problem = problem_of(packet)
    if problem is not None:
        raise BadAnswer("desk", problem)


def problem_of(packet: Any) -> str | None:
    """What is wrong with a packet, in words for engineers; None when nothing is."""
    if isinstance(packet, Mapping) and str(packet.get("version", "")).split(".")[0] != VERSION.split(".")[0]:
        return f"version {packet.get('version')!r} is not {VERSION.split('.')[0]}.x"
    error = next(iter(_validator().iter_errors(packet)), None)
    if error is not None:
        # The message of the library quotes the value, which may be personal: the place is enough.
        return f"{'/'.join(str(p) for p in error.absolute_path) or 'packet'}: {error.validator}"
    if digest_of(packet) != packet["digest"]:
        return "digest"
    return None


@lru_cache(maxsize=1)
def schema() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    return loaded


@lru_cache(maxsize=1)
def _validator() -> Any:
    from jsonschema import Draft202012Validator, FormatChecker

    Draft202012Validator.check_schema(schema())
    return Draft202012Validator(schema(), format_checker=FormatChecker())
