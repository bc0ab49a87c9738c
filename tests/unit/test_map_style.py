"""The look of the map is a table: its colours exist in both palettes, its layers name what the tiles hold."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from agent.web.gateway import PAGE
from backends.map_tiles import LAYERS, rules

STYLE = json.loads((PAGE / "map" / "style.json").read_text(encoding="utf-8"))
GROUPS = ("ground", "bare", "over", "names")


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_every_colour_is_in_both_palettes_and_none_is_left_over() -> None:
    night, day = STYLE["palettes"]["night"], STYLE["palettes"]["day"]
    assert night.keys() == day.keys()
    assert all(re.fullmatch("#[0-9a-f]{6}", colour) for colour in (*night.values(), *day.values()))
    used = {text[1:] for group in GROUPS for text in strings(STYLE[group]) if text.startswith("$")}
    assert used - {"name"} <= night.keys()
    # The shield's ground is painted into its picture.
    assert night.keys() - used == {"shield"}


def test_layers_draw_what_the_tiles_hold() -> None:
    kinds = {kind for rule in rules() for kind in rule.values.values() if kind} | {"sea"}
    for layer in (*STYLE["ground"][1:], *STYLE["names"]):
        assert layer["source-layer"] in LAYERS
        asked = layer.get("filter", [])
        if asked[:2] == ["match", ["get", "kind"]]:
            assert {kind.removesuffix("_link") for kind in asked[2]} <= kinds, layer["id"]
    ids = [layer["id"] for group in ("ground", "over", "names") for layer in STYLE[group]]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("light", ["night", "day"])
def test_names_and_the_way_can_be_read(light: str) -> None:
    palette = STYLE["palettes"][light]
    for text in ("label", "soft", "road", "waterLabel", "greenLabel"):
        assert contrast(palette[text], palette["halo"]) >= 4.5, text
    for ground in ("land", "built", "water", "wood"):
        assert contrast(palette["route"], palette[ground]) >= 2.4
    assert contrast(palette["route"], palette["other"]) >= 1.2
