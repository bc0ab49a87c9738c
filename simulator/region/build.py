"""Builds the demo region: facts → roads (OSM PBF) → Valhalla tiles, places, road lines."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import yaml

from backends.maps import Progress, build_map
from backends.model import RegionInfo
from simulator.region.facts import GREATER_TOKYO, Box, load_facts
from simulator.region.roads import SAGAMI_BAY, TOKYO_BAY, generate, write_pbf
from simulator.region.scenery import generate_scenery
from simulator.region.venues import generate_places, load_styles

NAME: Final = "demo"
NAME_JA: Final = "デモ地域（東京〜箱根）"
SEED: Final = 20
GENRES: Final = Path(__file__).parents[2] / "nlu_data" / "inventories" / "genres.yml"


def build_demo_region(
    data_dir: Path,
    progress: Progress = lambda step, done: None,
    *,
    box: Box = GREATER_TOKYO,
    name: str = NAME,
    genres: Path = GENRES,
) -> RegionInfo:
    """Builds the map `name` under `data_dir` and makes it the active one. Blocks; about half a minute. Raises `MapError`.

    `box`: a smaller part of the region (tests). `genres`: the inventory of kinds and genres.
    """
    progress("stations, roads and sights", 0.0)
    facts = load_facts(box)
    progress("laying roads", 0.1)
    network = generate(facts, SEED)
    places = list(generate_places(facts, network, load_styles(kinds_of_genres(genres).__getitem__), SEED))
    with tempfile.TemporaryDirectory() as scratch:
        pbf = Path(scratch) / f"{name}.osm.pbf"
        write_pbf(network, pbf, generate_scenery(facts, (TOKYO_BAY, SAGAMI_BAY), SEED))
        return build_map(
            pbf,
            data_dir,
            name=name,
            name_ja=NAME_JA,
            places=places,
            demo=True,
            progress=_second_part(progress, 0.2),
        )


def kinds_of_genres(inventory: Path) -> dict[str, str]:
    """Genre id → kind id."""
    genres = yaml.safe_load(inventory.read_text("utf-8"))["genres"]
    return {str(genre): str(entry["kind"]) for genre, entry in genres.items()}


def _second_part(progress: Progress, begins: float) -> Callable[[str, float], None]:
    return lambda step, done: progress(step, begins + (1 - begins) * done)
