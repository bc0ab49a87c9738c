"""The settings: frozen, validated, from a TOML file and `CONCIERGE_*` environment variables (docs/settings.md).

The environment wins over the file, the file over the defaults. An unknown key or a bad value is a `SettingsError` whose text
says which one, and what is allowed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal, cast, get_args, get_origin, get_type_hints

from agent.errors import SettingsError, StartError
from backends.model import Equipment

Profile = Literal["e5", "sparse"]
LanguageChoice = Literal["auto", "ja", "en"]
RecognizerChoice = Literal["auto", "vosk", "whisper"]
NoticeFrequency = Literal["off", "low", "normal", "high"]
NOTICE_CLASSES = ("accident", "closure", "regulation", "jam", "weather", "offer", "destination")

PROJECT = Path(__file__).resolve().parent.parent
"""the checkout (or the folder the packages are installed in)"""


_QUIET = r"|(?:[01]\d|2[0-3]):[0-5]\d-(?:[01]\d|2[0-3]):[0-5]\d"


@dataclass(frozen=True)
class Settings:
    """Everything that can be set. `home` is not in the file: the file lies in it."""

    home: Path
    """data folder: models, maps, state"""
    profile: Annotated[
        Profile, "how sentences are turned into features: `e5` (meaning) or `sparse` (letters; faster)"
    ] = "e5"
    language: Annotated[LanguageChoice, "`ja`, `en`, or `auto`: by the script of each message, then as before"] = "auto"
    host: Annotated[str, "address the page is served on; anything but loopback needs `token`"] = "127.0.0.1"
    port: Annotated[int, "port the page is served on, 0 for a free one"] = 8765
    token: Annotated[
        str,
        "secret that lets in (first visit: `/?token=…`; programs: `Authorization: Bearer …`); empty only on loopback",
    ] = ""
    workers: Annotated[int, "dialogue worker processes, 1 to 8"] = 1
    online: Annotated[
        bool, "ask Open-Meteo, JMA and news feeds first; otherwise (or without answer) the simulated centre"
    ] = True
    online_deadline_s: Annotated[float, "seconds an online source may take"] = 1.5
    turn_deadline_s: Annotated[float, "seconds until the driver hears a sentence, whatever happens"] = 5.0
    driver: Annotated[str, "driver whose home, work and history are used"] = "owner"
    contract: Annotated[bool, "whether the car's G-Link contract is in force"] = True
    equipment: Annotated[
        Equipment,
        "the head unit: `navi` (a navigation unit of its own, or Display Audio Plus) or `display_audio` (lives on the connection)",
    ] = "navi"
    connected: Annotated[bool, "whether the car starts with a mobile connection"] = True
    log_text: Annotated[bool, "write what drivers say into the event log (personal data)"] = False
    agentplus: Annotated[bool, "whether the car learns drives and speaks up unasked (Agent+)"] = True
    notices: Annotated[
        NoticeFrequency, "how much is said unasked: `off`, `low`, `normal`, `high` (2, 4, 8 times an hour at most)"
    ] = "normal"
    notice_classes: Annotated[
        str, "what is said unasked, of `accident`, `closure`, `regulation`, `jam`, `weather`, `offer`"
    ] = "accident,closure,regulation,jam,weather"
    quiet_hours: Annotated[str, "when only accidents and closures are told, like `22:00-06:00`"] = ""
    keep_positions_days: Annotated[int, "days the course of a drive is kept, 0 to 3650; its ends and times stay"] = 90
    desk_phone: Annotated[str, "telephone number of the Owner's Desk"] = "0800-300-0365"
    desk_port: Annotated[int, "port of the Owner's Desk on loopback, 0 for a free one"] = 8766
    desk_url: Annotated[str, "address of an Owner's Desk that runs elsewhere; empty: `concierge` starts its own"] = ""
    desk_client: Annotated[str, "key this car signs with at the Owner's Desk"] = "car"
    desk_secret: Annotated[str, "secret of that key; empty: the data folder's own, made at first use"] = ""
    desk_database: Annotated[
        str, "SQLAlchemy URL of the Owner's Desk (SQLite or PostgreSQL); empty: a file of the data folder"
    ] = ""
    desk_answer_s: Annotated[float, "seconds until a call nobody at the Owner's Desk answers is given up"] = 90.0
    desk_retention_days: Annotated[int, "days the Owner's Desk keeps what was said"] = 90

    models_folder: Annotated[
        str, "folder asked first for speech models: unpacked, as archives or as wheels (empty: none)"
    ] = ""
    recognizer: Annotated[
        RecognizerChoice, "what hears: `vosk`, `whisper`, or `auto`: Vosk where a model of the language is installed"
    ] = "auto"
    wake_word: Annotated[str, "wake word of drivers who chose none of their own"] = "ヘイ、レクサス"
    pause_complete_s: Annotated[float, "seconds of silence that end a complete request"] = 0.44
    pause_unknown_s: Annotated[float, "seconds of silence that end words that may not be all"] = 0.8
    pause_thinking_s: Annotated[float, "seconds of silence allowed for thinking: after a list, a number, えーと"] = 1.5
    utterance_longest_s: Annotated[float, "seconds an utterance may last"] = 20.0

    microphone: Annotated[str, "part of the name of the microphone (empty: the system's own)"] = ""
    loudspeaker: Annotated[str, "part of the name of the loudspeaker (empty: the system's own)"] = ""
    english_voice: Annotated[str, "an espeak-ng voice, or the path of a Piper voice (.onnx)"] = "en-gb"
    speech_rate: Annotated[float, "how fast it speaks, 0.5 to 2; changed by voice as well"] = 1.0
    speech_volume: Annotated[float, "how loud it speaks, 0.1 to 1; changed by voice as well"] = 0.8
    recordings: Annotated[bool, "keep what is said as sound (personal data; `concierge privacy` lists and erases)"] = (
        False
    )

    def __post_init__(self) -> None:
        def check(key: str, good: bool, wanted: str) -> None:
            if not good:
                raise SettingsError(f"Setting {key} is {getattr(self, key)!r}, but must be {wanted}.")

        check("profile", self.profile in get_args(Profile), "e5 or sparse")
        check("language", self.language in get_args(LanguageChoice), "auto, ja or en")
        check("equipment", self.equipment in get_args(Equipment), "navi or display_audio")
        check("port", 0 <= self.port <= 65535, "0 to 65535")
        check("workers", 1 <= self.workers <= 8, "1 to 8")
        check("online_deadline_s", 0.1 <= self.online_deadline_s <= 10, "0.1 to 10")
        check("turn_deadline_s", 0.5 <= self.turn_deadline_s <= 60, "0.5 to 60")
        check("recognizer", self.recognizer in get_args(RecognizerChoice), "auto, vosk or whisper")
        check("wake_word", 0 < len(self.wake_word.strip()) <= 40, "1 to 40 characters")
        check("pause_complete_s", 0.1 <= self.pause_complete_s <= self.pause_unknown_s, "0.1 to pause_unknown_s")
        check("pause_unknown_s", self.pause_unknown_s <= self.pause_thinking_s, "at most pause_thinking_s")
        check("pause_thinking_s", self.pause_thinking_s <= self.utterance_longest_s, "at most utterance_longest_s")
        check("utterance_longest_s", self.utterance_longest_s <= 29, "at most 29")
        check("speech_rate", 0.5 <= self.speech_rate <= 2, "0.5 to 2")
        check("speech_volume", 0.1 <= self.speech_volume <= 1, "0.1 to 1")
        check("notices", self.notices in get_args(NoticeFrequency), "off, low, normal or high")
        classes = {name.strip() for name in self.notice_classes.split(",") if name.strip()}
        check("notice_classes", classes <= set(NOTICE_CLASSES), f"some of {', '.join(NOTICE_CLASSES)}")
        check("quiet_hours", re.fullmatch(_QUIET, self.quiet_hours) is not None, "empty or like 22:00-06:00")
        check("keep_positions_days", 0 <= self.keep_positions_days <= 3650, "0 to 3650")
        check("desk_port", 0 <= self.desk_port <= 65535, "0 to 65535")
        check("desk_url", not self.desk_url or self.desk_url.startswith(("http://", "https://")), "an http address")
        check("desk_answer_s", 5 <= self.desk_answer_s <= 3600, "5 to 3600")
        check("desk_retention_days", 1 <= self.desk_retention_days <= 3650, "1 to 3650")
        if not self.loopback and not self.token:
            raise SettingsError(f"Setting host is {self.host!r}, which others can reach: set token as well.")

    @property
    def loopback(self) -> bool:
        return self.host in ("127.0.0.1", "::1", "localhost")

    @property
    def models(self) -> Path:
        return self.home / "models"

    @property
    def maps(self) -> Path:
        return self.home / "maps"

    @property
    def state(self) -> Path:
        return self.home / "state"


def default_home(environment: Mapping[str, str], project: Path = PROJECT) -> Path:
    """`$CONCIERGE_HOME`; in a checkout `.concierge` at its root; otherwise the XDG data folder."""
    if environment.get("CONCIERGE_HOME"):
        return Path(environment["CONCIERGE_HOME"]).expanduser().resolve()
    if (project / "pyproject.toml").exists():
        return project / ".concierge"
    share = environment.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(share) / "concierge"


def load(
    path: Path | None = None,
    environment: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Settings:
    """The settings from `path` (default: concierge.toml in the data folder, if there), environment and `overrides`
    (command line; None means not given). Raises `SettingsError`."""
    environment = os.environ if environment is None else environment
    home = default_home(environment)
    values: dict[str, Any] = {}
    if path is not None and not path.exists():
        raise SettingsError(f"There is no settings file {path}.")
    file = path or home / "concierge.toml"
    if file.exists():
        values.update(_from_file(file))
    values.update(_from_environment(environment))
    values.update({k: v for k, v in (overrides or {}).items() if v is not None})
    return Settings(home=home, **values)


def keys() -> dict[str, type]:
    """Every key of the file with its type."""
    hints = get_type_hints(Settings)
    return {
        f.name: str if get_origin(hints[f.name]) is Literal else hints[f.name]
        for f in fields(Settings)
        if f.name != "home"
    }


def table() -> str:
    """The settings as a Markdown table: docs/settings.md holds exactly this."""
    rows = ["| key | environment | default | meaning |", "|---|---|---|---|"]
    hints = get_type_hints(Settings, include_extras=True)
    for item in fields(Settings):
        if item.name == "home":
            continue
        about = hints[item.name].__metadata__[0]
        default = str(item.default).lower() if isinstance(item.default, bool) else item.default
        shown = f"`{default}`" if default != "" else "(empty)"
        rows.append(f"| `{item.name}` | `CONCIERGE_{item.name.upper()}` | {shown} | {about} |")
    return "\n".join(rows) + "\n"


def _from_file(path: Path) -> dict[str, Any]:
    import tomli

    try:
        data = tomli.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomli.TOMLDecodeError) as error:
        raise SettingsError(f"The settings file {path} cannot be read: {error}.") from error
    known = keys()
    for key, value in data.items():
        if key not in known:
            raise SettingsError(f"The settings file {path} has an unknown key {key!r}. Known: {', '.join(known)}.")
        wanted = known[key]
        fits = isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool))
        if not fits and not (wanted is float and type(value) is int):
            raise SettingsError(f"The settings file {path}: {key} is {value!r}, but must be {_name(wanted)}.")
    return {k: float(v) if known[k] is float else v for k, v in data.items()}


_ELSEWHERE = frozenset({"CONCIERGE_HOME", "CONCIERGE_SHARED"})
"""variables with our prefix that are not settings"""


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    known = keys()
    out: dict[str, Any] = {}
    for name, text in environment.items():
        if not name.startswith("CONCIERGE_") or name in _ELSEWHERE or name.startswith("CONCIERGE_INTERNAL_"):
            continue
        key = name.removeprefix("CONCIERGE_").lower()
        if key not in known:
            raise SettingsError(f"Environment variable {name} is not a setting. Known: {', '.join(known)}.")
        out[key] = _parse(name, text, known[key])
    return out


def _parse(name: str, text: str, wanted: type) -> Any:
    if wanted is bool:
        try:
            return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[text.lower()]
        except KeyError:
            raise SettingsError(f"Environment variable {name} is {text!r}, but must be true or false.") from None
    try:
        return cast(Any, wanted)(text)
    except ValueError:
        raise SettingsError(f"Environment variable {name} is {text!r}, but must be {_name(wanted)}.") from None


def _name(wanted: type) -> str:
    return {bool: "true or false", int: "a whole number", float: "a number", str: "text"}[wanted]


def check_home(settings: Settings) -> None:
    """Makes the data folder's parts that everything writes to. Raises `StartError` where that is not allowed."""
    for folder in (settings.home, settings.state, settings.home / "logs"):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = error.strerror
        else:
            if os.access(folder, os.W_OK | os.X_OK):
                continue
            reason = "no permission"
        raise StartError(
            f"The data folder {settings.home} cannot be written ({folder.name}: {reason}). "
            "Give the right to, or name another one in CONCIERGE_HOME."
        )
