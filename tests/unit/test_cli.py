"""The command line: quick help, one clear sentence and exit code for what is wrong."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent import cli, training
from agent import settings as settings_module
from agent.errors import ModelMissing, TrainingFailed

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str, home: Path, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "agent.cli", *arguments], capture_output=True, text=True, input=stdin, timeout=60, cwd=ROOT,
        env={**os.environ, "CONCIERGE_HOME": str(home), **environment},
    )  # fmt: skip


def test_help_names_every_command_and_loads_nothing_heavy(tmp_path: Path) -> None:
    code = "import sys, agent.cli as c\ntry: c.main(['--help'])\nexcept SystemExit: pass\n" + (
        "heavy = {'rasa', 'tensorflow', 'numpy', 'aiohttp', 'sudachipy', 'rich'} & set(sys.modules)\nassert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=30)
    assert done.returncode == 0, done.stderr
    for name in ("chat", "say", "parse", "replay", "train", "test", "doctor", "maps", "rasa", "actions", "version"):
        assert f"    {name} " in done.stdout


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "word"),
    [
        (("say", "hi"), {"CONCIERGE_PROT": "1"}, 2, "CONCIERGE_PROT"),
        (("--settings", "nowhere.toml", "say", "hi"), {}, 2, "nowhere.toml"),
        (("maps", "use", "atlantis"), {}, 1, "atlantis"),
        (("maps", "build", "nowhere.osm.pbf"), {}, 1, "nowhere.osm.pbf"),
        (("maps", "build", "README.md"), {}, 1, "README.md"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    tmp_path: Path, arguments: tuple[str, ...], environment: dict[str, str], code: int, word: str
) -> None:
    done = run(*arguments, home=tmp_path, **environment)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("concierge: ")
    assert word in last


def test_a_port_in_use_is_said_before_anything_slow(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        started = time.monotonic()
        done = run("--port", str(port), home=tmp_path)
    assert done.returncode == 5
    assert str(port) in done.stderr
    assert "Traceback" not in done.stderr
    assert time.monotonic() - started < 20


def test_a_surprise_is_one_sentence_and_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CONCIERGE_HOME", str(tmp_path))
    monkeypatch.setattr(cli, "_version", lambda *_: 1 / 0)
    assert cli.main(["version"]) == 70
    assert "Traceback" not in capsys.readouterr().err
    assert "ZeroDivisionError" in (tmp_path / "logs" / "crash.log").read_text(encoding="utf-8")


def test_no_map_is_said(tmp_path: Path) -> None:
    done = run("maps", "info", home=tmp_path)
    assert done.returncode == 1
    assert "concierge maps demo" in done.stdout


def test_a_missing_model_is_said(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="concierge train"):
        training.find_model(settings_module.load(environment={"CONCIERGE_HOME": str(tmp_path)}))


def test_the_fingerprint_changes_with_what_a_model_is_made_of(tmp_path: Path) -> None:
    data = tmp_path / "nlu_data"
    shutil.copytree(ROOT / "tests" / "data" / "tiny", data)
    first = training.fingerprint("e5", data)
    assert training.fingerprint("e5", data) == first
    (data / "responses").mkdir()
    (data / "responses" / "x.yml").write_text("a: b", encoding="utf-8")
    assert training.fingerprint("e5", data) == first, "sentences we say are no part of the model"
    (data / "nlu" / "more.yml").write_text('version: "3.1"', encoding="utf-8")
    assert training.fingerprint("e5", data) != first


def test_broken_training_data_is_one_sentence(tmp_path: Path) -> None:
    data = tmp_path / "nlu_data"
    shutil.copytree(ROOT / "tests" / "data" / "tiny", data)
    (data / "nlu" / "nlu.yml").write_text('version: "3.1"\nnlu:\n- intent: [broken', encoding="utf-8")
    settings = settings_module.load(environment={"CONCIERGE_HOME": str(tmp_path / "home")})
    with pytest.raises(TrainingFailed) as caught:
        training.train(settings, nlu_data=data)
    assert "nlu.yml" in str(caught.value)
    assert "Traceback" not in str(caught.value)
    assert not list(settings.models.glob("*.tar.gz"))


def test_a_map_is_made_listed_and_chosen(tmp_path: Path) -> None:
    from tests.unit.test_maps import write_streets

    extract = write_streets(tmp_path / "Sakura Town.osm.pbf")
    done = run("maps", "build", str(extract), home=tmp_path / "home")
    assert done.returncode == 0, done.stderr
    assert "sakura-town" in done.stdout
    listed = run("maps", "info", home=tmp_path / "home")
    assert "* sakura-town" in listed.stdout
    assert run("maps", "build", str(extract), "--name", "other", home=tmp_path / "home").returncode == 0
    assert run("maps", "use", "sakura-town", home=tmp_path / "home").returncode == 0
    assert "* sakura-town" in run("maps", "info", home=tmp_path / "home").stdout
    refused = run("maps", "build", str(tmp_path / "none.osm.pbf"), home=tmp_path / "home")
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
