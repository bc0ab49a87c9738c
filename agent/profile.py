"""Who drives (My Setting): up to three registered drivers, the owner first, and guests.

A driver is recognised by the key or telephone the car reports; where that says nothing the car asks. Language, wake word, voice
and everything learnt are kept apart. A guest leaves nothing.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Protocol, cast

from agent.errors import AgentError
from backends.model import Language

MOST = 3
OWNER = "owner"
GUEST = "guest"
CAR = "_car"
"""under this the list of drivers is kept"""
NAME_LIMIT = 40

Role = Literal["owner", "driver", "guest"]


class ProfileError(AgentError, ValueError):
    """Its text says what is wrong."""

    code = "profile"
    permanent = True


class Store(Protocol):
    """Where profiles are kept (`agent.prediction.store.History`)."""

    def get(self, driver: str, key: str) -> Any: ...

    def put(self, driver: str, key: str, value: Any) -> None: ...

    def pack(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Profile:
    id: str
    name: str
    role: Role = "driver"
    language: Language | None = None
    """None: by the words"""
    wake_word: str = ""
    """empty: the car's own"""
    voice: str = ""
    keys: tuple[str, ...] = ()
    """ids of the keys and telephones the car may report"""
    paused: bool = False
    """nothing is learnt"""
    notices: Mapping[str, Any] = field(default_factory=dict)
    """classes, frequency and quiet hours that differ from the settings"""
    asked: tuple[str, ...] = ()
    """questions asked once: home, work"""

    def __post_init__(self) -> None:
        if not self.name or len(self.name) > NAME_LIMIT or not self.name.isprintable():
            raise ProfileError(f"A driver's name must have 1 to {NAME_LIMIT} printable characters.")
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", self.id):
            raise ProfileError(f"{self.id!r} is no driver id.")
        if self.language not in (None, "ja", "en"):
            raise ProfileError("A driver's language must be ja or en.")

    @property
    def learns(self) -> bool:
        return self.role != "guest" and not self.paused


GUEST_PROFILE = Profile(GUEST, "ゲスト", "guest")


@dataclass(frozen=True, slots=True)
class Recognised:
    """Who the car thinks is driving."""

    profile: Profile | None
    """None: to be asked"""
    choices: tuple[Profile, ...] = ()


class Profiles:
    """The drivers of one car."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def all(self) -> tuple[Profile, ...]:
        """The owner first; a new car has an owner."""
        rows = self._store.get(CAR, "profiles")
        found = []
        for row in rows if isinstance(rows, Sequence) else ():
            try:
                row = dict(row)
                found.append(
                    Profile(**{**row, "keys": tuple(row.get("keys", ())), "asked": tuple(row.get("asked", ()))})
                )
            except (TypeError, ValueError):
                continue
        if not any(p.role == "owner" for p in found):
            found.insert(0, Profile(OWNER, "オーナー", "owner"))
        return tuple(sorted(found, key=lambda p: p.role != "owner"))

    def get(self, driver: str) -> Profile:
        """Raises `ProfileError` for an unknown id."""
        if driver == GUEST:
            return GUEST_PROFILE
        found = next((p for p in self.all() if p.id == driver or p.name == driver), None)
        if found is None:
            raise ProfileError(f"There is no driver {driver!r}: {', '.join(p.id for p in self.all())}.")
        return found

    def add(self, name: str, *, keys: Sequence[str] = (), language: Language | None = None) -> Profile:
        """Registers a driver. Raises `ProfileError` when there are three."""
        drivers = self.all()
        if len(drivers) >= MOST:
            raise ProfileError(f"{MOST} drivers at most can be registered.")
        new = Profile(f"driver-{secrets.token_hex(4)}", name, "driver", language, keys=tuple(keys))
        self._save((*drivers, new))
        return new

    def change(self, driver: str, **values: Any) -> Profile:
        """Changes a driver's profile. Raises `ProfileError`."""
        changed = replace(self.get(driver), **values)
        if changed.role == "guest":
            raise ProfileError("A guest has no profile.")
        self._save([changed if p.id == changed.id else p for p in self.all()])
        return changed

    def remove(self, driver: str) -> None:
        """Takes a driver off the list; the owner goes back to how a new car has it."""
        gone = self.get(driver).id
        # Without an owner in the list there is a fresh one (`all`).
        self._save([p for p in self.all() if p.id != gone])

    def pack(self) -> None:
        """Whatever was taken away is gone from the file as well."""
        self._store.pack()

    def recognise(self, key: str | None) -> Recognised:
        """By what the car reports. A known key decides; without one the only driver there is; otherwise it is asked."""
        drivers = self.all()
        if key:
            found = [p for p in drivers if key in p.keys]
            if len(found) == 1:
                return Recognised(found[0])
        if len(drivers) == 1 and not (key and drivers[0].keys):
            return Recognised(drivers[0])
        return Recognised(None, drivers)

    def _save(self, drivers: Sequence[Profile]) -> None:
        rows = [{k: list(v) if isinstance(v, tuple) else v for k, v in asdict(p).items()} for p in drivers]
        self._store.put(CAR, "profiles", cast(Any, rows))
