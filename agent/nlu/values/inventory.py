"""The inventory of kinds and genres of places: ids, labels and surface forms (nlu_data/inventories/genres.yml)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import yaml

from agent.nlu.values.folding import fold_plain

Language = Literal["ja", "en"]
LANGUAGES: tuple[Language, ...] = ("ja", "en")


class InventoryError(ValueError):
    """An inventory file is missing or does not keep its schema; the message names the file and the entry."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A kind or a genre."""

    id: str
    kind: str
    """of a kind: its own id"""
    label: Mapping[str, str]
    """by language"""
    forms: Mapping[str, tuple[str, ...]]
    """by language, as written in the file; the label and English plurals are added"""


@dataclass(frozen=True)
class Inventory:
    """Kinds and genres by id."""

    kinds: Mapping[str, Entry]
    genres: Mapping[str, Entry]
    surfaces: Mapping[str, tuple[Entry, ...]] = field(repr=False)
    """folded surface form → the entries it stands for (genres before kinds are left out: a form of both means the genre)"""

    def label(self, id: str, language: str) -> str:
        """The label of a genre or kind; raises KeyError for an unknown id."""
        entry = self.genres.get(id) or self.kinds[id]
        return entry.label["en" if language == "en" else "ja"]

    def labels(self, ids: tuple[str, ...] | list[str], language: str) -> str:
        """Several labels as one text, joined with ・ or ", "."""
        return (", " if language == "en" else "・").join(self.label(id, language) for id in ids)

    def kind_of(self, genre: str) -> str:
        """The kind a genre belongs to; raises KeyError."""
        return self.genres[genre].kind

    def find(self, form: str) -> tuple[Entry, ...]:
        """Entries a surface form stands for, in any spelling; empty when unknown."""
        return self.surfaces.get(fold_plain(form.strip()), ())


@lru_cache(maxsize=1)
def _loader() -> Any:
    """YAML whose on, off, yes and no are words, as in YAML 1.2: here they are forms of English."""
    base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    resolvers = {
        first: [(tag, pattern) for tag, pattern in rows if tag != "tag:yaml.org,2002:bool"]
        for first, rows in base.yaml_implicit_resolvers.items()
    }
    loader: Any = type("WordLoader", (base,), {"yaml_implicit_resolvers": resolvers})
    loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))
    return loader


def read_yaml(path: Path) -> Any:
    """The content of a YAML file; raises `InventoryError` when it cannot be read."""
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_loader())
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise InventoryError(f"{path}: {error}") from error


def load_inventory(folder: Path) -> Inventory:
    """Reads `folder`/genres.yml and checks it. Raises `InventoryError`."""
    path = folder / "genres.yml"
    raw = read_yaml(path)
    if not isinstance(raw, dict) or set(raw) != {"kinds", "genres"}:
        raise InventoryError(f"{path}: expected the two tables 'kinds' and 'genres'")
    kinds = {id: _entry(path, id, id, body) for id, body in raw["kinds"].items()}
    genres: dict[str, Entry] = {}
    for id, body in raw["genres"].items():
        if id in kinds:
            raise InventoryError(f"{path}: '{id}' is a kind and a genre")
        kind: Any = body.get("kind") if isinstance(body, dict) else None
        if kind not in kinds:
            raise InventoryError(f"{path}: genre '{id}' has unknown kind {kind!r}")
        genres[id] = _entry(path, id, kind, {k: v for k, v in body.items() if k != "kind"})
    surfaces: dict[str, tuple[Entry, ...]] = {}
    for entry in genres.values():
        for form in {fold_plain(form) for forms in entry.forms.values() for form in forms}:
            surfaces[form] = (*surfaces.get(form, ()), entry)
    for entry in kinds.values():
        for form in {fold_plain(form) for forms in entry.forms.values() for form in forms}:
            # A word that is both (「薬局」) keeps its kind when the genre belongs to another kind: pharmacies are not shops here.
            if form not in surfaces or all(found.kind != entry.id for found in surfaces[form]):
                surfaces[form] = (entry,)
    return Inventory(kinds, genres, surfaces)


def _entry(path: Path, id: str, kind: str, body: Any) -> Entry:
    where = f"{path}: '{id}'"
    if not isinstance(body, dict) or set(body) != {"label", "forms"}:
        raise InventoryError(f"{where}: expected label and forms")
    label, forms = body["label"], body["forms"]
    for table in (label, forms):
        if not isinstance(table, dict) or set(table) != set(LANGUAGES):
            raise InventoryError(f"{where}: label and forms need ja and en")
    if not all(isinstance(text, str) and text for text in label.values()):
        raise InventoryError(f"{where}: labels must be text")
    for listed in forms.values():
        if not isinstance(listed, list) or not all(isinstance(form, str) and form.strip() for form in listed):
            raise InventoryError(f"{where}: forms must be lists of text")
    # 「その他」 and "other" are labels, not words for a place.
    labels = {"ja": [], "en": []} if id == "other" else {"ja": [label["ja"]], "en": [label["en"]]}
    english = {*labels["en"], *forms["en"]}
    return Entry(
        id,
        kind,
        dict(label),
        {
            "ja": tuple(dict.fromkeys((*labels["ja"], *forms["ja"]))),
            "en": tuple(sorted(english | {plural(form) for form in english})),
        },
    )


def plural(form: str) -> str:
    """The regular English plural of a surface form."""
    if form.endswith(("s", "'s", "ing")):
        return form
    if form.endswith("y") and form[-2:-1] not in "aeiou":
        return form[:-1] + "ies"
    if form.endswith(("ch", "sh", "x", "z")):
        return form + "es"
    return form + "s"
