"""The OpenAPI document (openapi.yml), and what it says of the things that are sent to a car."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from agent.desk.errors import Unfit

OPENAPI = Path(__file__).with_name("openapi.yml")


@lru_cache(maxsize=1)
def description() -> dict[str, Any]:
    """The OpenAPI document."""
    import yaml

    loaded: dict[str, Any] = yaml.safe_load(OPENAPI.read_text(encoding="utf-8"))
    return loaded


def kinds() -> tuple[str, ...]:
    """What can be sent to a car."""
    return tuple(description()["components"]["schemas"]["PushKind"]["enum"])


@lru_cache(maxsize=16)
def _validator(kind: str) -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(description()["components"]["schemas"]["PushData"]["$defs"][kind])


def pushed(kind: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """What is to be sent to a car, checked; fields that are empty are left out. Raises `Unfit`, which names the field."""
    if kind not in kinds():
        raise Unfit("kind")
    given = {key: value for key, value in data.items() if value is not None and value != ""}
    for error in sorted(_validator(kind).iter_errors(given), key=lambda e: list(e.path)):
        unknown = sorted(set(given) - set(error.schema.get("properties", {}))) if not error.path else []
        missing = [name for name in error.schema.get("required", ()) if name not in given] if not error.path else []
        raise Unfit(", ".join(map(str, [*error.path, *missing, *unknown])) or "data")
    return given
