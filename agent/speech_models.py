"""`concierge models`: which speech models there are, getting them, and whether they are still the published ones."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from agent.errors import StartError
from agent.settings import PROJECT, Settings
from audio.errors import AudioError, ModelBroken, ModelMissing
from audio.fetching import Sources, install
from audio.models import Model, ModelStore, Progress, find

Tell = Callable[[str], None]


def store_of(settings: Settings) -> ModelStore:
    return ModelStore(settings.models / "speech")


def sources_of(settings: Settings, environment: Mapping[str, str] = os.environ) -> Sources:
    """Where `settings` allows models to come from."""
    return Sources(
        folder=Path(settings.models_folder).expanduser() if settings.models_folder else None,
        official=settings.online,
        installers=installers(environment),
    )


def installers(environment: Mapping[str, str]) -> tuple[tuple[str, ...], ...]:
    """The ways to ask the package index on this machine: the uv that started us, another one, pip."""
    named = (environment.get("UV", ""), shutil.which("uv", path=environment.get("PATH")) or "")
    own = str(PROJECT / ".cache" / "uv" / "bin" / "uv")
    found = [(path, "pip") for path in dict.fromkeys((*named, own)) if path and os.access(path, os.X_OK)]
    pip = [(sys.executable, "-m", "pip")] if find_spec("pip") is not None else []
    return (*found, *pip)


def list_models(settings: Settings) -> int:
    """Prints the table of models. 0, whatever is installed."""
    from rich.console import Console
    from rich.table import Table

    store = store_of(settings)
    table = Table(title="Speech models", title_justify="left")
    for column in ("", "name", "what", "size", "licence", "from"):
        table.add_column(column, overflow="fold")
    for model in store.models:
        mark = "installed" if store.installed(model) else ("" if not model.first else "first start")
        table.add_row(mark, model.name, model.about, f"{model.size / 1e6:,.0f} MB", model.licence, _origins(model))
    Console(width=None if sys.stdout.isatty() else 140).print(table)
    return 0


def _origins(model: Model) -> str:
    official = [model.archive.url] if model.archive is not None else []
    return ", ".join([*official, *(f"package {p.distribution} {p.version}" for p in model.packages)])


def install_models(
    settings: Settings, names: Sequence[str], progress: Progress, tell: Tell, *, again: bool, accept_new: bool
) -> int:
    """Installs the named models (none named: those of the first start). 1 when one could not be had; what a source did not
    give is told in a sentence. Raises `StartError` for a name nobody knows."""
    store, sources = store_of(settings), sources_of(settings)
    wanted = [_find(name, store) for name in names] or [model for model in store.models if model.first]
    missing = 0
    for model in wanted:
        if store.installed(model) and not again and not store.faults(model, store.folder / model.name, progress):
            tell(f"{model.name} is installed and verified.")
            continue
        reasons: list[str] = []
        try:
            install(store, model, sources, progress, reasons.append, accept_new)
            tell(" ".join([f"{model.name} is installed and verified.", *reasons]))
        except AudioError as error:
            tell(str(error))
            missing += 1
        except OSError as error:
            raise StartError(f"{store.folder} cannot be written: {error.strerror or error}.") from error
    tell(hearing(settings))
    return 1 if missing else 0


def verify_models(settings: Settings, names: Sequence[str], progress: Progress, tell: Tell) -> int:
    """Hashes every file of the named (or all installed) models. 1 when something is wrong, or a named one is not there."""
    store = store_of(settings)
    wanted = [_find(name, store) for name in names] or [m for m in store.models if store.installed(m)]
    wrong = 0
    for model in wanted:
        if not store.installed(model):
            tell(f"{model.name} is not installed.")
            wrong += 1
            continue
        faults = store.faults(model, store.folder / model.name, progress)
        wrong += bool(faults)
        tell(f"{model.name}: {'; '.join(faults)}." if faults else f"{model.name}: every file is the published one.")
    if not wanted:
        tell("No speech model is installed. Run: concierge models install")
    return 1 if wrong else 0


def ensure_models(settings: Settings, progress: Progress, tell: Tell) -> None:
    """First start: installs what can be had, says what works, and never stands in the way of text. Later starts leave what is
    missing to `concierge models install`, so that an unreachable address is waited for once."""
    store = store_of(settings)
    if store.folder.exists():
        return
    if not settings.online and not settings.models_folder:
        tell(f"{hearing(settings)} Without going online no model is fetched; concierge models install does so.")
        return
    try:
        install_models(settings, (), progress, tell, again=False, accept_new=False)
    except StartError as error:
        tell(f"{error} Text works without speech models.")


def hearing(settings: Settings) -> str:
    """What can be heard with the models that are there, in a sentence."""
    store = store_of(settings)
    streaming = [language for language in ("ja", "en") if store.best("vosk", language) is not None]
    whisper = store.best("whisper", "any") is not None
    names = {"ja": "Japanese", "en": "English"}
    if streaming and whisper:
        return f"Speech: {' and '.join(names[x] for x in streaming)} word by word (Vosk), everything by Whisper."
    if streaming:
        return f"Speech: {' and '.join(names[x] for x in streaming)} by Vosk."
    if whisper:
        return "Speech: Japanese and English by Whisper; no Vosk model is there."
    return "Speech is not heard: no model is installed. Text works."


def _find(name: str, store: ModelStore) -> Model:
    try:
        return find(name, store.models)
    except (ModelMissing, ModelBroken) as error:
        raise StartError(str(error)) from error
