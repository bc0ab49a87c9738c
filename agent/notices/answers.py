"""What an answer to a notice means: whole short messages, as data (answers.yml)."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, cast, get_args

import yaml

from agent.notices.manager import Confinement
from backends.model import Language

MOST = 60
"""characters of an answer"""
Meaning = Literal["yes", "no", "later", "enough", "detail", "other_way", "go_there", "confine"]
MEANINGS: tuple[Meaning, ...] = get_args(Meaning)
_PUNCTUATION = re.compile(r"[。、．，,.!！?？…\s　]+")


@dataclass(frozen=True, slots=True)
class Answer:
    meaning: Meaning
    confinement: Confinement = field(default_factory=Confinement)


def _plain(words: str, language: Language) -> str:
    joint = "" if language == "ja" else " "
    return _PUNCTUATION.sub(joint, unicodedata.normalize("NFKC", words).lower()).strip()


@lru_cache(maxsize=1)
def _data() -> dict[str, Any]:
    data = yaml.safe_load(Path(__file__).with_name("answers.yml").read_text(encoding="utf-8"))
    for language in ("ja", "en"):
        data[language]["confine"].append(data["short_confine"][language])
        data[language] = {
            meaning: [re.compile(pattern) for pattern in patterns] for meaning, patterns in data[language].items()
        }
        commands = data["commands"][language]
        data["commands"][language] = {name: [re.compile(p) for p in rows] for name, rows in commands.items()}
    return cast(dict[str, Any], data)


@dataclass(frozen=True, slots=True)
class Command:
    """Agent+ itself is meant."""

    name: Literal["initialise", "pause", "resume", "switch_off", "switch_on", "less", "more"]
    kind: str = ""
    """class of notices that is switched"""


def command(words: str, language: Language) -> Command | None:
    """What a whole message wants of Agent+ itself; None for anything else."""
    text = _plain(words, language)
    if not text or len(text) > MOST:
        return None
    data = _data()
    for name, patterns in data["commands"][language].items():
        for pattern in patterns:
            if match := pattern.fullmatch(text):
                return Command(name, data["classes"].get(match.groupdict().get("class") or "", ""))
    return None


def read(words: str, language: Language) -> Answer | None:
    """The meaning of a whole message, None for anything that is not plainly an answer."""
    data = _data()
    text = _plain(words, language)
    if not text or len(text) > MOST:
        return None
    for meaning, patterns in data[language].items():
        for pattern in patterns:
            if match := pattern.fullmatch(text):
                if meaning != "confine":
                    return Answer(meaning)
                groups = match.groupdict()
                if not any(groups.values()):
                    continue
                days = data["days"].get(groups.get("days") or "", "all")
                part = data["part"].get(groups.get("part") or "", "all")
                return Answer("confine", Confinement(days, part))
    return None
