"""The car by voice: climate, sound, screen, questions about the car, and what is not done by voice.

A message is cut into clauses, each clause gives changes of devices ("passenger side, temperature, to 25"), each change is
tried against the limits the car itself names, set, and reported as the car confirmed it. What is left open (a value out of
limits) waits in the slot `pending`; what was changed last stays in `last_car`, for "a bit more" and "undo that".
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, cast

from actions.skill import Context, Done, Entity, Outcome, Skill, Turn
from backends.errors import BackendError, Rejected
from backends.model import Language, Signal, SignalSpec, SignalValue

SPEED = "Vehicle.Speed"
HVAC = "Vehicle.Cabin.HVAC"
HVAC_ON = "Vehicle.Private.HVAC.IsOn"
MEDIA = "Vehicle.Cabin.Infotainment.Media"
PRIVATE_MEDIA = "Vehicle.Private.Media"
HMI = "Vehicle.Cabin.Infotainment.HMI"
SEATS = "Vehicle.Cabin.Seat"
FUEL = "Vehicle.Powertrain.FuelSystem"
DOORS = "Vehicle.Cabin.Door"

ZONES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "driver": (("Row1", "Driver"),),
    "passenger": (("Row1", "Passenger"),),
    "rear": (("Row2", "Driver"), ("Row2", "Passenger")),
    "all": (("Row1", "Driver"), ("Row1", "Passenger"), ("Row2", "Driver"), ("Row2", "Passenger")),
}
DEFAULT_ZONE = "driver"
DRIVING_ITEMS = 3
"""how many things one spoken answer lists while driving"""
TALKED_OF_TURNS = 4
"""so many messages later, "lower" no longer means what was changed last"""
ROUTE_RESERVE = 1.15
"""the range must exceed the rest of the route by this much to be called enough"""
WHEELS = ("Row1.Wheel.Left", "Row1.Wheel.Right", "Row2.Wheel.Left", "Row2.Wheel.Right")
DOOR_PLACES = ("Row1.DriverSide", "Row1.PassengerSide", "Row2.DriverSide", "Row2.PassengerSide")

Unit = Literal["degrees", "stage", "percent", "number", "switch"]
Mode = Literal["to", "by", "on", "off", "max", "min"]
Size = Literal["small", "usual", "large"]


@dataclass(frozen=True, slots=True)
class Device:
    """Something a driver adjusts, in the words and steps a driver uses."""

    key: str
    path: str
    """VSS path; `{row}` and `{side}` where it exists once a zone"""
    unit: Unit
    steps: tuple[float, float, float] = (1, 1, 1)
    """a bit, as usual, a lot – in spoken units"""
    stages: int = 0
    """how many steps the percentage is spoken in"""
    sign: int = 1
    """-1: the negative half of the signal (ventilation of a heated seat)"""
    floor: float = 0
    """the lowest value "down" and "minimum" lead to; off is below it"""
    on: float = 1
    """what "on" means, in spoken units"""
    climate: bool = False
    """needs the climate control switched on"""

    @property
    def zoned(self) -> bool:
        return "{" in self.path

    def paths(self, zone: str) -> tuple[str, ...]:
        if not self.zoned:
            return (self.path,)
        return tuple(self.path.format(row=row, side=side) for row, side in ZONES[zone])

    def spoken(self, value: SignalValue) -> float:
        """A signal's value in spoken units."""
        if isinstance(value, bool):
            return float(value)
        number = float(value) * self.sign
        if self.stages:
            return max(0.0, float(round(number * self.stages / 100)))
        return number

    def signal(self, spoken: float) -> SignalValue:
        """The other way round."""
        if self.unit == "switch":
            return spoken > 0
        if self.stages:
            return self.sign * round(100 * spoken / self.stages)
        # A whole-number signal refuses "20.0" on the wire; 20 is right for both kinds.
        return int(spoken) if float(spoken).is_integer() else spoken

    def limits(self, spec: SignalSpec) -> tuple[float, float]:
        if self.unit == "switch":
            return 0.0, 1.0
        if self.stages:
            return 0.0, float(self.stages)
        return (
            spec.minimum if spec.minimum is not None else float("-inf"),
            spec.maximum if spec.maximum is not None else float("inf"),
        )


def _table(*devices: Device) -> Mapping[str, Device]:
    return {device.key: device for device in devices}


SEAT = SEATS + ".{row}.{side}Side.HeatingCooling"
DEVICES: Mapping[str, Device] = _table(
    Device("temperature", HVAC + ".Station.{row}.{side}.Temperature", "degrees", (0.5, 1, 2), climate=True),
    Device("fan", HVAC + ".Station.{row}.{side}.FanSpeed", "stage", (1, 1, 2), 7, floor=1, on=3, climate=True),
    Device("seat_heater", SEAT, "stage", (1, 1, 2), 3, on=3),
    Device("seat_ventilation", SEAT, "stage", (1, 1, 2), 3, sign=-1, on=3),
    Device("steering_heater", "Vehicle.Chassis.SteeringWheel.HeatingCooling", "stage", (1, 1, 2), 3, on=3),
    Device("power", HVAC_ON, "switch"),
    Device("ac", HVAC + ".IsAirConditioningActive", "switch", climate=True),
    Device("auto", "Vehicle.Private.HVAC.IsAutoActive", "switch", climate=True),
    Device("defrost_front", HVAC + ".IsFrontDefrosterActive", "switch"),
    Device("defrost_rear", HVAC + ".IsRearDefrosterActive", "switch"),
    Device("recirculation", HVAC + ".IsRecirculationActive", "switch"),
    Device("volume", MEDIA + ".Volume", "percent", (5, 10, 20)),
    Device("mute", PRIVATE_MEDIA + ".IsMuted", "switch"),
    Device("brightness", HMI + ".Brightness", "percent", (10, 20, 40)),
    Device("zoom", "Vehicle.Private.Navigation.MapZoom", "number", (1, 1, 3)),
    Device("screen", "Vehicle.Private.HMI.IsScreenOn", "switch"),
    Device("repeat", PRIVATE_MEDIA + ".IsRepeatActive", "switch"),
    Device("shuffle", PRIVATE_MEDIA + ".IsShuffleActive", "switch"),
)
SOURCES: Mapping[str, tuple[str, str]] = {
    "fm": ("FM", "NONE"), "am": ("AM", "NONE"), "dab": ("DAB", "NONE"), "tv": ("TV", "NONE"), "cd": ("CD", "NONE"),
    "usb": ("USB", "NONE"), "bluetooth": ("BLUETOOTH", "NONE"), "streaming": ("INTERNET", "MUSIC"),
    "podcast": ("INTERNET", "PODCAST"),
}  # fmt: skip
"""spoken source → VSS source and streaming service"""
TUNERS = ("FM", "AM", "DAB", "TV")

A_BIT = re.compile(
    r"ちょっと|少し|すこし|ちょい|やや|わずか|\b(?:a (?:little|bit|touch|tad|notch)|slightly|little bit)\b", re.I
)
A_LOT = re.compile(
    r"もっと|かなり|すごく|とても|めちゃ|だいぶ|ずっと|思いっきり|\b(?:a lot|way|much|really|very|far too|so)\b", re.I
)
MORE = re.compile(
    r"もう(?:少し|すこし|ちょっと|ちょい|一段|1段)|もっと|さらに|\b(?:more|again|further|another)\b", re.I
)
UNDO = re.compile(
    r"(?:元|もと|前|さっき)(?:の\S{0,6})?(?:に|へ)?戻|取り消|やっぱり?戻|\b(?:undo|revert|put (?:it|that) back|change (?:it|that) back|"
    r"(?:back|return) to (?:what|how|where) it was)\b",
    re.I,
)
QUESTION = re.compile(
    r"何度|なんど|いくつ|どのくらい|いくら|です?か[。？?]?$|\b(?:what|how)(?:'s| is| are)?\b.*\b(?:temperature|set|volume|loud)\b",
    re.I,
)
STRONGER = re.compile(r"強|\b(?:strong|harder)", re.I)
WEAKER = re.compile(r"弱|\b(?:weak|softer|gentl)", re.I)
STOP_WORDS = re.compile(r"解除|やめ|切っ|切り|止め|オフ|消し|\b(?:off|stop|no more|cancel|disable)\b", re.I)
NAMED: Mapping[str, re.Pattern[str]] = {
    "volume": re.compile(r"音量|ボリューム|\b(?:volume|music|radio)\b", re.I),
    "brightness": re.compile(r"明るさ|輝度|\bbrightness\b", re.I),
}
"""devices no entity names"""
PERCENT = re.compile(r"^\s*(?:%|％|パーセント|percent)", re.I)
ANY_MUSIC = re.compile(r"音楽|ミュージック|曲|\b(?:music|song|tune)s?\b", re.I)
CONNECTOR: Mapping[Language, re.Pattern[str]] = {
    "ja": re.compile(r"[、。,，！!]|それと|それから|あと|ついでに|そして|^\s*と\s*$|[てで]\s*$"),
    "en": re.compile(r"[,;.!]|\b(?:and|then|while|but|also|plus)\b", re.I),
}
FEELING_MODIFIES: Mapping[str, tuple[str, int]] = {
    "hot": ("temperature", -1), "cold": ("temperature", 1), "loud": ("volume", -1), "quiet": ("volume", 1),
    "dark": ("brightness", 1), "bright": ("brightness", -1),
}  # fmt: skip
FEELING_DEGREES: Mapping[Size, float] = {"small": 1, "usual": 2, "large": 3}
OF_THE_PLANNER = frozenset({
    "climate_device", "degrees", "level", "number", "direction", "zone", "feeling", "display_command", "audio_command",
})  # fmt: skip
DISPLAY_DEVICES = {"zoom_in": ("zoom", 1), "zoom_out": ("zoom", -1), "brightness": ("brightness", 0)}
COMMAND_DEVICES = ("repeat", "shuffle")


@dataclass(frozen=True, slots=True)
class Change:
    """One device, one zone, one thing to do with it."""

    device: str
    zone: str = DEFAULT_ZONE
    mode: Mode = "on"
    amount: float = 0
    """spoken units: the value for `to`, the signed difference for `by`"""
    zone_said: bool = False


Result = Literal[
    "set", "up", "down", "on", "off", "already", "at_high", "at_low", "limit_high", "limit_low", "too_high", "too_low"
]


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a change."""

    change: Change
    result: Result
    before: float
    after: float
    """spoken units, as the car reports it now"""
    low: float
    high: float
    confirmed: tuple[Signal, ...] = ()
    previous: tuple[tuple[str, SignalValue], ...] = ()
    """what the signals held before, for undo"""


@dataclass(slots=True)
class Clause:
    """A part of the message that speaks of one thing."""

    entities: list[Entity] = field(default_factory=list)
    text: str = ""
    """its words, up to where the neighbours begin"""

    def values(self, *types: str) -> list[Any]:
        return [e.value for e in self.entities if e.type in types]

    def one(self, kind: str) -> Any:
        return next((e.value for e in self.entities if e.type == kind), None)


@dataclass(slots=True)
class Answer:
    """What an action has to say so far."""

    sentences: list[str] = field(default_factory=list)
    done: list[Done] = field(default_factory=list)
    applied: list[Applied] = field(default_factory=list)
    pending: dict[str, Any] | None = None
    questions: list[str] = field(default_factory=list)


# ── understanding: entities → changes ───────────────────────────────────────────────────────────────────────────────


def clauses(turn: Turn) -> list[Clause]:
    """The message's entities in clauses, by the words between them and, in Japanese, by the order device – modifier."""
    found: list[Clause] = [Clause()]
    before: Entity | None = None
    modified = False
    for entity in sorted((e for e in turn.entities if e.type in OF_THE_PLANNER), key=lambda e: (e.start, e.end)):
        if before is not None:
            gap = turn.text[before.end : entity.start]
            starts_anew = CONNECTOR[turn.language].search(gap) is not None
            if turn.language == "ja" and modified and entity.type in ("climate_device", "zone") and gap.strip() != "の":
                starts_anew = True
            if starts_anew:
                found.append(Clause())
                modified = False
        found[-1].entities.append(entity)
        modified = modified or entity.type in ("degrees", "level", "number", "direction")
        before = entity
    found = [clause for clause in found if clause.entities]
    for index, clause in enumerate(found):
        begin = found[index - 1].entities[-1].end if index else 0
        end = found[index + 1].entities[0].start if index + 1 < len(found) else len(turn.text)
        clause.text = turn.text[begin:end]
    return found


def changes(turn: Turn) -> list[Change]:
    """Every change the message asks for, in its order, none twice."""
    parts = clauses(turn)
    for index, clause in enumerate(parts):
        # "the temperature and the fan up": a device without a word of its own takes its neighbour's.
        if clause.values("climate_device") and not clause.values("degrees", "level", "number", "direction", "feeling"):
            following = parts[index + 1] if index + 1 < len(parts) else None
            if following is not None and following.values("climate_device"):
                clause.entities += [e for e in following.entities if e.type == "direction"]
    zones = [e.value for clause in parts for e in clause.entities if e.type == "zone" and e.value in ZONES]
    wanted: list[Change] = []
    reasons: list[Change] = []
    carried: str | None = None
    for clause in parts:
        in_clause = [zone for zone in clause.values("zone") if zone in ZONES]
        chosen = in_clause or (zones if len(set(zones)) == 1 else [])
        explicit, felt = _of_clause(turn, clause, carried)
        for target, source in ((wanted, explicit), (reasons, felt)):
            for change in source:
                device = DEVICES[change.device]
                kept = _kept_zone(turn, clause, change) if target is wanted and not chosen else None
                for zone in dict.fromkeys(chosen) if chosen and device.zoned else (kept or DEFAULT_ZONE,):
                    target.append(
                        replace(change, zone=zone, zone_said=device.zoned and (bool(chosen) or kept is not None))
                    )
        carried = explicit[-1].device if explicit else carried
    # "It's hot, set it to 22": what is felt is only the reason when the message says what to do about it.
    touched = {DEVICES[change.device].climate for change in wanted}
    wanted += [change for change in reasons if DEVICES[change.device].climate not in touched]
    return list(dict.fromkeys(wanted))


def _of_clause(turn: Turn, clause: Clause, carried: str | None) -> tuple[list[Change], list[Change]]:
    """Changes said outright, and changes that follow from how it feels; zones are put in afterwards."""
    size: Size = "small" if A_BIT.search(clause.text) else "large" if A_LOT.search(clause.text) else "usual"
    direction = clause.one("direction")
    feeling = clause.one("feeling")
    devices = [d for d in clause.values("climate_device") if d == "off" or d in DEVICES]
    if "off" in devices and len(devices) > 1:
        devices.remove("off")
        direction = "off"
    devices += [name for name, _ in map(DISPLAY_DEVICES.__getitem__, _displays(clause))]
    devices += [command for command in clause.values("audio_command") if command in COMMAND_DEVICES]
    explicit = [_degrees(e, direction, feeling) for e in clause.entities if e.type == "degrees" and _number(e.value)]
    if explicit:
        devices = [
            d for d in devices if d not in ("temperature", "off") and not (d in ("ac", "auto") and direction is None)
        ]
    levels = [e for e in clause.entities if e.type in ("level", "number") and _number(e.value)]
    if not devices and not explicit and (levels or direction is not None):
        named = next((device for device, words in NAMED.items() if words.search(clause.text)), None)
        devices = [named or _default_device(turn, carried, direction)]
    for name in devices:
        explicit += _device_change(turn, clause, name, levels, direction, feeling, size)
    for command in clause.values("audio_command"):
        if command in ("mute", "unmute"):
            explicit.append(Change("mute", mode="on" if command == "mute" else "off"))
    if devices or explicit:
        return explicit, []
    return [], _felt(clause, feeling, size)


def _displays(clause: Clause) -> list[str]:
    return [command for command in clause.values("display_command") if command in DISPLAY_DEVICES]


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _degrees(entity: Entity, direction: str | None, feeling: str | None) -> Change:
    value = float(entity.value)
    if entity.role != "relative":
        return Change("temperature", mode="to", amount=value)
    if value > 0 and (direction in ("down", "min", "off") or (direction is None and feeling == "hot")):
        value = -value
    return Change("temperature", mode="by", amount=value)


def _default_device(turn: Turn, carried: str | None, direction: str | None) -> str:
    """What "up", "down" or a bare number mean when no device was named."""
    if carried is not None:
        return carried
    last = _last_device(turn)
    kin = {"climate": "temperature", "audio_volume": "volume", "audio_track": "volume", "audio_source": "volume"}
    usual = kin.get(turn.intent, "brightness")
    if turn.intent == "climate" and direction in ("off", "on"):
        return "power"
    if turn.intent == "climate" and (STRONGER.search(turn.text) or WEAKER.search(turn.text)):
        return last if last in ("seat_heater", "seat_ventilation", "steering_heater") else "fan"
    if last is not None and MORE.search(turn.text) and _domain(last) == _domain(usual):
        return last
    return usual


def _domain(device: str) -> str:
    if device in ("volume", "mute", "repeat", "shuffle"):
        return "audio"
    return "display" if device in ("brightness", "zoom", "screen") else "climate"


def _device_change(
    turn: Turn,
    clause: Clause,
    name: str,
    levels: Sequence[Entity],
    direction: str | None,
    feeling: str | None,
    size: Size,
) -> list[Change]:
    if name == "off":
        return [Change("power", mode="off")]
    device = DEVICES[name]
    if name == "ac" and (direction in ("up", "down", "max") or feeling in ("hot", "cold")):
        # "Turn the AC down", 「エアコンが寒い」 speak of what comes out of it.
        return [] if direction is None and feeling is None else _as_temperature(direction, feeling, size)
    if device.unit == "switch":
        off = direction in ("off", "down", "min") or (name in COMMAND_DEVICES and STOP_WORDS.search(turn.text))
        return [Change(name, mode="off" if off else "on")]
    if name == "volume" and direction in ("on", "off") and not levels:
        return [Change("mute", mode="off" if direction == "on" else "on")]
    if name == "zoom":
        sign = next((DISPLAY_DEVICES[c][1] for c in _displays(clause)), 1)
        if direction in ("max", "min"):
            return [Change(name, mode="max" if sign > 0 else "min")]
        return [Change(name, mode="by", amount=sign * _step(device, size))]
    if levels:
        return [_level(turn, device, levels[0], direction)]
    if direction in ("on", "off", "max", "min"):
        if name == "temperature" and direction in ("on", "off"):
            return [Change("power", mode=cast(Mode, direction))]
        return [Change(name, mode=cast(Mode, direction))]
    sign = {"up": 1, "down": -1}.get(direction or "", 0)
    if not sign and STRONGER.search(turn.text):
        sign = 1
    elif not sign and WEAKER.search(turn.text):
        sign = -1
    if not sign and feeling is not None:
        sign = _feeling_sign(name, feeling)
    if sign:
        return [Change(name, mode="by", amount=sign * _step(device, size))]
    if name in ("seat_heater", "seat_ventilation", "steering_heater"):
        return [Change(name, mode="on")]
    return []


def _as_temperature(direction: str | None, feeling: str | None, size: Size) -> list[Change]:
    if direction == "max":
        return [Change("fan", mode="max")]
    sign = {"up": 1, "down": -1}.get(direction or "") or (-1 if feeling == "hot" else 1)
    return [Change("temperature", mode="by", amount=sign * _step(DEVICES["temperature"], size))]


def _feeling_sign(name: str, feeling: str) -> int:
    if name == "temperature":
        return {"hot": -1, "cold": 1}.get(feeling, 0)
    if name in ("seat_heater", "steering_heater"):
        return {"hot": -1, "cold": 1}.get(feeling, 0)
    if name == "fan":
        return {"hot": 1, "stuffy": 1, "cold": -1, "loud": -1}.get(feeling, 0)
    if name == "seat_ventilation":
        return {"hot": 1, "cold": -1}.get(feeling, 0)
    target, sign = FEELING_MODIFIES.get(feeling, ("", 0))
    return sign if target == name else 0


def _felt(clause: Clause, feeling: str | None, size: Size) -> list[Change]:
    if feeling == "stuffy":
        return [Change("recirculation", mode="off")]
    if feeling == "fogged":
        return [Change("defrost_rear" if "rear" in clause.values("zone") else "defrost_front", mode="on")]
    name, sign = FEELING_MODIFIES.get(feeling or "", ("", 0))
    if not name:
        return []
    amount = FEELING_DEGREES[size] if name == "temperature" else _step(DEVICES[name], size)
    return [Change(name, mode="by", amount=sign * amount)]


def _step(device: Device, size: Size) -> float:
    return device.steps[("small", "usual", "large").index(size)]


def _level(turn: Turn, device: Device, entity: Entity, direction: str | None) -> Change:
    """An absolute or relative level; a percentage of a device with stages is turned into the nearest stage."""
    value = float(entity.value)
    if device.stages and (value > 10 or "%" in entity.text or PERCENT.search(turn.text[entity.end : entity.end + 8])):
        value = value if value > 100 or value < 0 else float(round(value * device.stages / 100))
    if entity.role == "relative":
        sign = -1 if direction == "down" and value > 0 else 1
        return Change(device.key, mode="by", amount=sign * value)
    return Change(device.key, mode="to", amount=value)


def _last(turn: Turn) -> list[Mapping[str, Any]]:
    """The changes kept in `last_car`; the slot may hold anything, so it is looked through."""
    slot = turn.slots.get("last_car")
    rows = slot.get("changes") if isinstance(slot, dict) else None
    if not isinstance(rows, list):
        return []
    return [row for row in rows if isinstance(row, dict) and row.get("device") in DEVICES and row.get("zone") in ZONES]


def _fresh(turn: Turn) -> Mapping[str, Any] | None:
    """The last change, while it is still what the talk is about."""
    rows = _last(turn)
    if not rows:
        return None
    then = turn.slots["last_car"].get("turn")
    return rows[-1] if isinstance(then, int) and turn.number - then <= TALKED_OF_TURNS else None


def _last_device(turn: Turn) -> str | None:
    row = _fresh(turn)
    return str(row["device"]) if row is not None and DEVICES[str(row["device"])].unit != "switch" else None


def _kept_zone(turn: Turn, clause: Clause, change: Change) -> str | None:
    """ "A bit lower" after "passenger side 23 degrees" is about the passenger's side."""
    row = _fresh(turn)
    if row is None or not row.get("zone_said") or row["device"] != change.device or change.mode == "to":
        return None
    return None if clause.values("climate_device") else str(row["zone"])


# ── the skills ──────────────────────────────────────────────────────────────────────────────────────────────────────


class CarSkill(Skill):
    """What the car's skills share: applying changes, saying them, undoing them."""

    pending_kinds: ClassVar[tuple[str, ...]] = ("set_signal",)
    """what `resolve_pending` can settle"""
    asks: ClassVar[str] = "car.ask.climate"
    """said when the message names nothing to do"""

    async def perform(self, turn: Turn) -> Outcome:
        if UNDO.search(turn.text) and _last(turn):
            undone = await self.undo(turn)
            if undone is not None:
                return undone
        answer = Answer()
        await self._more(turn, answer)
        wanted = changes(turn) or self._again(turn)
        await self._apply_all(turn, wanted, answer)
        if not answer.sentences:
            return Outcome(self.say(turn, self.asks), context="asks_slot")
        return self._outcome(turn, answer)

    async def _more(self, turn: Turn, answer: Answer) -> None:
        """What a skill does besides adjusting devices."""

    async def resolve_pending(self, turn: Turn, pending: Mapping[str, Any], yes: bool) -> Outcome:
        """Settles an offer of ours after yes or no."""
        if not yes:
            return Outcome(self.say(turn, "car.declined"), context="done")
        device, zone, value = pending.get("device"), pending.get("zone"), pending.get("value")
        if (
            pending.get("kind") not in self.pending_kinds
            or device not in DEVICES
            or zone not in ZONES
            or not _number(value)
        ):
            return Outcome(self.say(turn, self.asks), context="asks_slot")
        answer = Answer()
        change = Change(str(device), str(zone), "to", float(cast(float, value)), bool(pending.get("zone_said")))
        await self._apply_all(turn, [change], answer)
        return self._outcome(turn, answer)

    async def undo(self, turn: Turn) -> Outcome | None:
        """Puts back what `last_car` says was changed last; None when there is nothing."""
        rows = _last(turn)
        settings = [
            (row, path, value)
            for row in reversed(rows)
            for path, value in row.get("previous") or ()
            if isinstance(path, str) and path.startswith("Vehicle.") and isinstance(value, bool | int | float | str)
        ]
        if not settings:
            return None
        answer = Answer()
        for row, path, value in settings:
            signal = await self.world.vehicle.set(path, value)
            answer.done.append(_done(signal))
            device = DEVICES[str(row["device"])]
            what = self._what(turn, device, str(row["zone"]), bool(row.get("zone_said")))
            answer.sentences.append(
                self._phrase(
                    turn, device.key, "undone", **what, value=self._value(turn, device, device.spoken(signal.value))
                )
            )
        answer.sentences = list(dict.fromkeys(answer.sentences))
        return replace(self._outcome(turn, answer), slots={"last_car": None})

    # ── applying ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _again(self, turn: Turn) -> list[Change]:
        """ "A bit more": the last change once more, by a small step."""
        row = _fresh(turn)
        if row is None or not (MORE.search(turn.text) or A_BIT.search(turn.text)):
            return []
        device = DEVICES[str(row["device"])]
        before, after = row.get("before"), row.get("after")
        if device.unit == "switch" or not (_number(before) and _number(after)) or before == after:
            return []
        size: Size = "small" if A_BIT.search(turn.text) else "usual"
        sign = 1 if cast(float, after) > cast(float, before) else -1
        sign = 1 if STRONGER.search(turn.text) else -1 if WEAKER.search(turn.text) else sign
        return [Change(device.key, str(row["zone"]), "by", sign * _step(device, size), bool(row.get("zone_said")))]

    async def _apply_all(self, turn: Turn, wanted: Sequence[Change], answer: Answer) -> None:
        """Applies the changes in order. Raises the first error only when nothing at all could be said."""
        failures: list[tuple[Change, BackendError]] = []
        if any(_needs_power(change) for change in wanted) and not any(c.device == "power" for c in wanted):
            wanted = [*await self._power(), *wanted]
        for change in wanted:
            try:
                self._report(turn, await self._apply(change), answer)
            except BackendError as error:
                failures.append((change, error))
        if failures and not answer.sentences and not isinstance(failures[0][1], Rejected):
            raise failures[0][1]
        for change, failure in failures:
            device = DEVICES[change.device]
            what = self._what(turn, device, change.zone, change.zone_said)
            answer.sentences.append(self.say(turn, "car.failed", **what))
            answer.done.append(Done("set_signal", {"path": device.paths(change.zone)[0], "code": failure.code}, False))

    async def _power(self) -> list[Change]:
        """Switches the climate control on when something that needs it is asked for and it is off."""
        on = await self.world.vehicle.get(HVAC_ON)
        return [] if on.value else [Change("power", mode="on")]

    async def _apply(self, change: Change) -> Applied:
        device = DEVICES[change.device]
        paths = device.paths(change.zone)
        vehicle = self.world.vehicle
        low, high = device.limits(await vehicle.spec(paths[0]))
        previous = [(path, (await vehicle.get(path)).value) for path in paths]
        before = device.spoken(previous[0][1])
        target, result = _target(device, change, before, low, high)
        if target is None:
            return Applied(change, result, before, before, low, high)
        value = device.signal(target)
        if all(held == value for _, held in previous):
            return Applied(change, "already" if result in ("set", "on", "off") else result, before, before, low, high)
        confirmed = [await vehicle.set(path, value) for path in paths]
        after = device.spoken(confirmed[0].value)
        return Applied(change, result, before, after, low, high, tuple(confirmed), tuple(previous))

    # ── saying ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _report(self, turn: Turn, applied: Applied, answer: Answer) -> None:
        device = DEVICES[applied.change.device]
        what = self._what(turn, device, applied.change.zone, applied.change.zone_said)
        values = {
            "value": self._value(turn, device, applied.after),
            "before": self._value(turn, device, applied.before),
            "low": self._value(turn, device, max(applied.low, device.floor)),
            "high": self._value(turn, device, applied.high),
        }
        already_off = applied.result == "already" and applied.after == 0 and device.unit == "stage"
        key = "already_off" if already_off else applied.result
        sentence = self._phrase(turn, device.key, key, **what, **values)
        if applied.result in ("too_high", "too_low"):
            answer.questions.append(sentence)
            answer.pending = {
                "kind": "set_signal",
                "device": device.key,
                "zone": applied.change.zone,
                "zone_said": applied.change.zone_said,
                "path": device.paths(applied.change.zone)[0],
                "value": applied.high if applied.result == "too_high" else max(applied.low, device.floor),
            }
        answer.sentences.append(sentence)
        answer.done += [_done(signal) for signal in applied.confirmed]
        if applied.result in ("too_high", "too_low"):
            path, asked = device.paths(applied.change.zone)[0], applied.change.amount
            answer.done.append(Done("set_signal", {"path": path, "asked": asked, "code": "out_of_range"}, False))
        answer.applied.append(applied)

    def _phrase(self, turn: Turn, device: str, result: str, /, **values: object) -> str:
        """The sentence for this device, or the general one."""
        own = f"car.{device}.{result}"
        return self.say(turn, own if own in self.phrases.ids(turn.language) else f"car.{result}", **values)

    def _what(self, turn: Turn, device: Device, zone: str, said: bool) -> dict[str, str]:
        """The device's name, with its zone when the driver named one, also with a capital for English sentences."""
        name = self.say(turn, f"car.name.{device.key}")
        if device.zoned and said:
            name = self.say(turn, "car.in_zone", name=name, zone=self.say(turn, f"car.zone.{zone}"))
        return {"what": name, "What": name[:1].upper() + name[1:]}

    def _value(self, turn: Turn, device: Device, value: float) -> str:
        if device.unit == "switch":
            return self.say(turn, "car.value.on" if value else "car.value.off")
        if device.unit == "stage" and value == 0:
            return self.say(turn, "car.value.off")
        if device.unit == "stage" and device.stages == 3:
            return self.say(turn, f"car.stage.{min(3, max(1, round(value)))}")
        return self.say(turn, f"car.unit.{device.unit}", n=_plain(value))

    def _outcome(self, turn: Turn, answer: Answer) -> Outcome:
        slots: dict[str, Any] = {}
        changed = [a for a in answer.applied if a.confirmed]
        if changed:
            slots["last_car"] = {"changes": [_remembered(a) for a in changed], "turn": turn.number}
        context: Context = "done"
        if answer.pending is not None:
            slots["pending"] = answer.pending
            context = "asks_yesno"
            # The question comes last, so that the driver can answer it.
            answer.sentences = [s for s in answer.sentences if s not in answer.questions] + answer.questions[-1:]
        signals = {d.arguments["path"]: d.arguments["value"] for d in answer.done if d.ok and "value" in d.arguments}
        cards = ({"type": "car", "signals": signals},) if signals else ()
        replies = (self.say(turn, "car.reply.yes"), self.say(turn, "car.reply.no")) if answer.pending else ()
        return Outcome(_joined(turn.language, answer.sentences), context, slots, tuple(answer.done), cards, replies)

    async def _driving(self) -> bool:
        """Whether the car moves; a car that does not say counts as moving."""
        try:
            return float((await self.world.vehicle.get(SPEED)).value) > 0
        except BackendError:
            return True


def _needs_power(change: Change) -> bool:
    return (
        DEVICES[change.device].climate
        and change.mode not in ("off",)
        and not (change.mode == "to" and change.amount == 0)
    )


def _target(device: Device, change: Change, before: float, low: float, high: float) -> tuple[float | None, Result]:
    """The value to set, in spoken units, and what the outcome is called; None sets nothing."""
    floor = max(low, device.floor)
    if change.mode == "max":
        return high, ("at_high" if before >= high else "set")
    if change.mode == "min":
        return floor, ("at_low" if before <= floor else "set")
    if change.mode == "on":
        return (before, "already") if before > 0 else (min(high, device.on), "on")
    if change.mode == "off":
        return low, "off"
    if change.mode == "to":
        if change.amount > high:
            return None, "too_high"
        if change.amount < low:
            return None, "too_low"
        result: Result = "off" if device.unit == "stage" and change.amount == 0 else "set"
        return change.amount, result
    target = before + change.amount
    if change.amount > 0:
        if before >= high:
            return None, "at_high"
        return (high, "limit_high") if target > high else (target, "up")
    if before <= floor:
        return None, "at_low"
    return (
        (floor, "limit_low")
        if target < floor
        else (target, "off" if device.unit == "stage" and target == 0 else "down")
    )


def _remembered(applied: Applied) -> dict[str, Any]:
    return {
        "device": applied.change.device,
        "zone": applied.change.zone,
        "zone_said": applied.change.zone_said,
        "before": applied.before,
        "after": applied.after,
        "previous": [[path, value] for path, value in applied.previous],
    }


def _done(signal: Signal) -> Done:
    return Done("set_signal", {"path": signal.path, "value": signal.value})


def _plain(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else f"{value:g}"


def _joined(language: Language, sentences: Iterable[str]) -> str:
    """Several sentences as one breath: 「…25度にし、風量を4にしました。」, "… is 25 degrees, and the fan is at 4."."""
    parts = list(dict.fromkeys(sentences))
    if language == "ja":
        for index, part in enumerate(parts[:-1]):
            if part.endswith("ました。") and parts[index + 1].endswith("ました。"):
                parts[index] = part.removesuffix("ました。") + "、"
        return "".join(parts)
    text = ""
    for index, part in enumerate(parts):
        plain = index > 0 and text.endswith(".") and part.endswith(".") and "?" not in part and ". " not in part
        if plain and ", and " not in text:
            lower = part if part.startswith(("I ", "I'")) else part[:1].lower() + part[1:]
            text = f"{text[:-1]}, and {lower}"
        else:
            text += (" " if text else "") + part
    return text


class Climate(CarSkill):
    """Temperature, fan, seats, defrosters."""

    action_name = "action_climate"
    asks = "car.ask.climate"

    async def _more(self, turn: Turn, answer: Answer) -> None:
        asked = turn.all("climate_device")
        plain = not turn.all("degrees", "level", "number", "direction", "feeling") and not turn.all(
            "degrees", role="relative"
        )
        if plain and QUESTION.search(turn.text) and all(e.value == "temperature" for e in asked):
            zone = turn.first("zone")
            device = DEVICES["temperature"]
            zone = zone if zone in ZONES else DEFAULT_ZONE
            signal = await self.world.vehicle.get(device.paths(zone)[0])
            what = self._what(turn, device, zone, turn.first("zone") is not None)
            answer.sentences.append(
                self.say(turn, "car.is_set", **what, value=self._value(turn, device, device.spoken(signal.value)))
            )


class Volume(CarSkill):
    """Louder, quieter, mute."""

    action_name = "action_audio_volume"
    asks = "car.ask.volume"


class Display(CarSkill):
    """The head unit's map and screen."""

    action_name = "action_display"
    asks = "car.ask.display"

    async def _more(self, turn: Turn, answer: Answer) -> None:
        commands = [e.value for e in turn.all("display_command")]
        for command in dict.fromkeys(commands):
            settings = DISPLAY_COMMANDS.get(command)
            if settings is None:
                continue
            for path, value in settings:
                answer.done.append(_done(await self.world.vehicle.set(path, value)))
            answer.sentences.append(self.say(turn, f"car.display.{command}"))


DISPLAY_COMMANDS: Mapping[str, tuple[tuple[str, SignalValue], ...]] = {
    "north_up": (("Vehicle.Private.Navigation.MapOrientation", "NORTH_UP"),),
    "heading_up": (("Vehicle.Private.Navigation.MapOrientation", "HEADING_UP"),),
    "day": ((HMI + ".DayNightMode", "DAY"),),
    "night": ((HMI + ".DayNightMode", "NIGHT"),),
    "auto": (("Vehicle.Private.HMI.IsDayNightAuto", True),),
    "show_map": (("Vehicle.Private.HMI.IsScreenOn", True),),
    "screen_off": (("Vehicle.Private.HMI.IsScreenOn", False),),
}


class Source(CarSkill):
    """Radio, streaming, a song, an artist."""

    action_name = "action_audio_source"
    asks = "car.ask.source"

    async def _more(self, turn: Turn, answer: Answer) -> None:
        source, query = turn.first("audio_source"), turn.first("media_query")
        if source not in SOURCES:
            source = None
        if source is None and query is None:
            await _track_commands(self, turn, answer)
            if answer.sentences or not ANY_MUSIC.search(turn.text):
                return
            source = "streaming"
        vehicle = self.world.vehicle
        if source is None:
            source = "streaming"
        wanted, service = SOURCES[source]
        playing = await vehicle.set(MEDIA + ".Played.Source", wanted)
        answer.done.append(_done(playing))
        if service != "NONE":
            answer.done.append(_done(await vehicle.set(PRIVATE_MEDIA + ".Service", service)))
        if query is not None:
            answer.done.append(_done(await vehicle.set(PRIVATE_MEDIA + ".Query", str(query))))
        heard = await _heard(self, turn)
        key = "car.source.playing" if query is not None and heard else "car.source.switched"
        if wanted == "TV" and await self._driving():
            key = "car.source.tv_driving"
        name = self.say(turn, f"car.source.{source}")
        answer.sentences.append(self.say(turn, key, source=name, Source=name[:1].upper() + name[1:], title=heard))


class Tracks(CarSkill):
    """Next, previous, pause, play, repeat, shuffle."""

    action_name = "action_audio_track"
    asks = "car.ask.track"

    async def _more(self, turn: Turn, answer: Answer) -> None:
        await _track_commands(self, turn, answer)


async def _track_commands(skill: CarSkill, turn: Turn, answer: Answer) -> None:
    vehicle = skill.world.vehicle
    for command in dict.fromkeys(e.value for e in turn.all("audio_command")):
        if command in ("next", "previous"):
            action = "SKIP_FORWARD" if command == "next" else "SKIP_BACKWARD"
            answer.done.append(_done(await vehicle.set(MEDIA + ".Action", action)))
            heard = await _heard(skill, turn)
            answer.sentences.append(
                skill.say(turn, f"car.track.{command}" if heard else "car.track.skipped", title=heard)
            )
        elif command in ("play", "pause", "stop"):
            state = {"play": "PLAYING", "pause": "PAUSED", "stop": "STOPPED"}[command]
            answer.done.append(_done(await vehicle.set(PRIVATE_MEDIA + ".PlaybackState", state)))
            answer.sentences.append(skill.say(turn, f"car.track.{command}", title=await _heard(skill, turn)))


async def _heard(skill: CarSkill, turn: Turn) -> str:
    """What the head unit says is playing: the station, or title and artist; empty when it does not say."""
    vehicle = skill.world.vehicle
    source = (await vehicle.get(MEDIA + ".Played.Source")).value
    if source in TUNERS:
        return str((await vehicle.get(PRIVATE_MEDIA + ".Station")).value)
    title = str((await vehicle.get(MEDIA + ".Played.Track")).value)
    artist = str((await vehicle.get(MEDIA + ".Played.Artist")).value)
    return skill.say(turn, "car.title_artist", title=title, artist=artist) if title and artist else title


class AskVehicle(CarSkill):
    """Questions about the car itself."""

    action_name = "action_ask_vehicle"

    async def perform(self, turn: Turn) -> Outcome:
        driving = await self._driving()
        items = list(dict.fromkeys(e.value for e in turn.all("vehicle_item")))
        answers: Mapping[str, Callable[[Turn, bool], Awaitable[str]]] = {
            "fuel": self._fuel, "range": self._range, "tyre_pressure": self._tyres, "battery": self._battery,
            "oil": self._oil, "door": self._doors, "lock": self._locks, "window": self._windows,
            "sunroof": self._sunroof, "trunk": self._trunk, "lights": self._lights, "odometer": self._odometer,
            "speed": self._speed, "warning_lamp": self._lamps, "start": self._engine,
        }  # fmt: skip
        known = [item for item in items if item in answers] or ["fuel", "range", "warning_lamp"]
        if "fuel" in known and "range" in known:
            known.remove("fuel")
        if driving:
            known = known[:DRIVING_ITEMS]
        sentences = [await answers[item](turn, driving) for item in known]
        separator = "" if turn.language == "ja" else " "
        return Outcome(
            separator.join(sentences),
            context="gives_info",
            done=tuple(Done("read_signal", {"item": item}) for item in known),
            cards=({"type": "car", "items": known},),
        )

    async def _get(self, path: str) -> SignalValue:
        return (await self.world.vehicle.get(path)).value

    async def _electric(self) -> bool:
        return await self._get("Vehicle.Powertrain.Type") == "ELECTRIC"

    async def _reach_km(self) -> int:
        return round(float(await self._get("Vehicle.Powertrain.Range")) / 1000)

    async def _fuel(self, turn: Turn, driving: bool) -> str:
        km = await self._reach_km()
        if await self._electric():
            percent = round(float(await self._get("Vehicle.Powertrain.TractionBattery.StateOfCharge.Displayed")))
            return self.say(turn, "car.tell.charge", percent=percent, km=km)
        percent = round(float(await self._get(FUEL + ".RelativeLevel")))
        low = bool(await self._get(FUEL + ".IsFuelLevelLow"))
        return self.say(turn, "car.tell.fuel_low" if low else "car.tell.fuel", percent=percent, km=km)

    async def _range(self, turn: Turn, driving: bool) -> str:
        km = await self._reach_km()
        try:
            status = await self.world.navigation.status()
        except BackendError:
            status = {"guiding": False}
        if not status.get("guiding"):
            return self.say(turn, "car.tell.range", km=km)
        rest = float(cast(float, status["remaining_m"])) / 1000
        if km >= rest * ROUTE_RESERVE:
            key = "car.tell.range_enough"
        else:
            electric = await self._electric()
            key = "car.tell.range_tight" if km >= rest else "car.tell.range_short"
            key += ".electric" if electric else ""
        return self.say(turn, key, km=km, rest=round(rest) if rest >= 1 else _plain(round(rest, 1)))

    async def _tyres(self, turn: Turn, driving: bool) -> str:
        pressures: dict[str, int] = {}
        low: list[str] = []
        for wheel in WHEELS:
            base = f"Vehicle.Chassis.Axle.{wheel}.Tire"
            pressures[wheel] = round(float(await self._get(base + ".Pressure")))
            if await self._get(base + ".IsPressureLow"):
                low.append(wheel)
        names = {wheel: self.say(turn, f"car.wheel.{wheel}") for wheel in WHEELS}
        if low:
            listed = self._list(turn, [self.say(turn, "car.tell.tyre", wheel=names[w], kpa=pressures[w]) for w in low])
            return self.say(turn, "car.tell.tyres_low", tyres=listed)
        if driving or len(set(pressures.values())) == 1:
            return self.say(turn, "car.tell.tyres_good", kpa=min(pressures.values()))
        listed = self._list(turn, [self.say(turn, "car.tell.tyre", wheel=names[w], kpa=pressures[w]) for w in WHEELS])
        return self.say(turn, "car.tell.tyres", tyres=listed)

    async def _battery(self, turn: Turn, driving: bool) -> str:
        if await self._electric():
            return await self._fuel(turn, driving)
        percent = round(float(await self._get("Vehicle.Powertrain.TractionBattery.StateOfCharge.Displayed")))
        volts = round(float(await self._get("Vehicle.LowVoltageBattery.CurrentVoltage")), 1)
        return self.say(turn, "car.tell.battery", percent=percent, volts=volts)

    async def _oil(self, turn: Turn, driving: bool) -> str:
        if await self._electric():
            return self.say(turn, "car.tell.no_oil")
        level = str(await self._get("Vehicle.Powertrain.CombustionEngine.EngineOil.Level"))
        key = "low" if level in ("LOW", "CRITICALLY_LOW") else "high" if "HIGH" in level else "good"
        return self.say(turn, f"car.tell.oil_{key}")

    async def _doors(self, turn: Turn, driving: bool) -> str:
        opened = [
            self.say(turn, f"car.door.{place}") for place in DOOR_PLACES if await self._get(f"{DOORS}.{place}.IsOpen")
        ]
        for path, name in (("Vehicle.Body.Trunk.Rear.IsOpen", "trunk"), ("Vehicle.Body.Hood.IsOpen", "hood")):
            if await self._get(path):
                opened.append(self.say(turn, f"car.door.{name}"))
        if not opened:
            return self.say(turn, "car.tell.doors_closed")
        return self._are(turn, "car.tell.doors_open", opened)

    async def _locks(self, turn: Turn, driving: bool) -> str:
        free = [
            self.say(turn, f"car.door.{place}")
            for place in DOOR_PLACES
            if not await self._get(f"{DOORS}.{place}.IsLocked")
        ]
        if not free:
            return self.say(turn, "car.tell.locked")
        if len(free) == len(DOOR_PLACES):
            return self.say(turn, "car.tell.all_unlocked")
        return self._are(turn, "car.tell.unlocked", free)

    async def _windows(self, turn: Turn, driving: bool) -> str:
        opened = [
            self.say(turn, f"car.window.{place}")
            for place in DOOR_PLACES
            if float(await self._get(f"{DOORS}.{place}.Window.Position")) > 0
        ]
        if not opened:
            return self.say(turn, "car.tell.windows_closed")
        return self._are(turn, "car.tell.windows_open", opened)

    async def _sunroof(self, turn: Turn, driving: bool) -> str:
        is_open = float(await self._get("Vehicle.Cabin.Sunroof.Position")) != 0
        return self.say(turn, "car.tell.sunroof_open" if is_open else "car.tell.sunroof_closed")

    async def _trunk(self, turn: Turn, driving: bool) -> str:
        is_open = await self._get("Vehicle.Body.Trunk.Rear.IsOpen")
        return self.say(turn, "car.tell.trunk_open" if is_open else "car.tell.trunk_closed")

    async def _lights(self, turn: Turn, driving: bool) -> str:
        lit = [
            self.say(turn, f"car.light.{name}")
            for path, name in (
                ("Vehicle.Body.Lights.Beam.Low.IsOn", "low_beam"),
                ("Vehicle.Body.Lights.Beam.High.IsOn", "high_beam"),
                ("Vehicle.Body.Lights.Hazard.IsSignaling", "hazard"),
            )
            if await self._get(path)
        ]
        if lit:
            return self._are(turn, "car.tell.lights_on", lit)
        automatic = await self._get("Vehicle.Body.Lights.LightSwitch") == "AUTO"
        return self.say(turn, "car.tell.lights_auto" if automatic else "car.tell.lights_off")

    async def _odometer(self, turn: Turn, driving: bool) -> str:
        km = int(float(await self._get("Vehicle.TraveledDistance")) / 1000)
        return self.say(turn, "car.tell.odometer", km=f"{km:,}" if turn.language == "en" else km)

    async def _speed(self, turn: Turn, driving: bool) -> str:
        speed = round(float(await self._get(SPEED)))
        return self.say(turn, "car.tell.speed" if speed else "car.tell.standing", speed=speed)

    async def _engine(self, turn: Turn, driving: bool) -> str:
        state = await self._get("Vehicle.LowVoltageSystemState")
        return self.say(turn, "car.tell.started" if state in ("ON", "START") else "car.tell.not_started")

    async def _lamps(self, turn: Turn, driving: bool) -> str:
        lit = [
            self.say(turn, f"car.lamp.{name}")
            for name, path in LAMPS
            if await self._get(path) is True
        ]  # fmt: skip
        for wheel in WHEELS:
            if await self._get(f"Vehicle.Chassis.Axle.{wheel}.Tire.IsPressureLow"):
                lit.append(self.say(turn, "car.lamp.tyre"))
                break
        if str(await self._get("Vehicle.Powertrain.CombustionEngine.EngineOil.Level")) in ("LOW", "CRITICALLY_LOW"):
            lit.append(self.say(turn, "car.lamp.oil"))
        if not lit:
            return self.say(turn, "car.tell.lamps_none")
        return self._are(turn, "car.tell.lamps", lit[:DRIVING_ITEMS] if driving else lit)

    def _are(self, turn: Turn, key: str, things: Sequence[str]) -> str:
        """`key` for one thing, `key`.many for several; both exist in each language."""
        listed = self._list(turn, things)
        text = listed[:1].upper() + listed[1:]
        return self.say(turn, key + (".many" if len(things) > 1 else ""), things=listed, Things=text)

    def _list(self, turn: Turn, things: Sequence[str]) -> str:
        if turn.language == "ja":
            return "、".join(things)
        return ", ".join(things[:-1]) + (" and " if len(things) > 1 else "") + things[-1]


LAMPS: tuple[tuple[str, str], ...] = (
    ("brake", "Vehicle.Chassis.Axle.Row1.Wheel.Left.Brake.IsFluidLevelLow"),
    ("abs", "Vehicle.ADAS.ABS.IsError"),
    ("esc", "Vehicle.ADAS.ESC.IsError"),
    ("fuel", FUEL + ".IsFuelLevelLow"),
    ("washer", "Vehicle.Body.Windshield.Front.WasherFluid.IsLevelLow"),
)
"""most urgent first"""


class VehicleRefused(CarSkill):
    """Locks, start, windows: not by voice, and where it is done instead."""

    action_name = "action_vehicle_refused"

    async def perform(self, turn: Turn) -> Outcome:
        items = list(dict.fromkeys(e.value for e in turn.all("vehicle_item")))
        known = [item for item in items if f"car.refused.{item}" in self.phrases.ids(turn.language)] or ["other"]
        text = ("" if turn.language == "ja" else " ").join(self.say(turn, f"car.refused.{item}") for item in known[:2])
        # Refusing is no failure to understand: it does not count towards the offer of a person.
        refused = tuple(Done("refuse", {"item": item}, False) for item in known[:2])
        return Outcome(text, context="apology", slots={"failures": 0}, done=refused)


SKILLS: tuple[type[Skill], ...] = (Source, Volume, Tracks, Display, Climate, AskVehicle, VehicleRefused)
