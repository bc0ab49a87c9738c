"""What the dialogue can do: one flat file per skill."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from actions.skill import Skill

SKILL_FILES = ("search", "place_info", "route", "answers", "handoff", "car", "information", "agentplus")


def all_skills() -> tuple[type[Skill], ...]:
    """Every action of the dialogue. Imported here and not before, so that a phrase can be read without the world."""
    found: list[type[Skill]] = []
    for name in SKILL_FILES:
        found += import_module(f"actions.{name}").SKILLS
    names = [skill.action_name for skill in found]
    if doubled := {n for n in names if names.count(n) > 1}:
        raise ValueError(f"two skills of one name: {sorted(doubled)}")
    return tuple(found)


def skill_of(action_name: str) -> type[Skill]:
    """The skill of a name. Raises `KeyError`."""
    return {skill.action_name: skill for skill in all_skills()}[action_name]
