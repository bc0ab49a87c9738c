"""`concierge desk`: operators and clients by hand; the whole desk in a process of its own."""

from __future__ import annotations

import io
import json
import os
import signal
import stat
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from agent import cli
from agent import settings as settings_module
from agent.desk.server import car_secret

ROOT = Path(__file__).resolve().parents[2]


def run(monkeypatch: pytest.MonkeyPatch, home: Path, *arguments: str, typed: str = "") -> int:
    monkeypatch.setenv("CONCIERGE_HOME", str(home))
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    return cli.main(["desk", *arguments])


def test_operators_are_added_with_a_password_from_the_pipe(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, tmp_path, "adduser", "suzuki", typed="long enough password\n") == 0
    assert run(monkeypatch, tmp_path, "adduser", "boss", "--role", "supervisor", typed="long enough password\n") == 0
    assert run(monkeypatch, tmp_path, "users") == 0
    out = capsys.readouterr()
    assert out.out.splitlines()[-2:] == ["boss  supervisor", "suzuki  operator"]
    assert "long enough" not in out.out + out.err
    assert b"long enough" not in (tmp_path / "state" / "desk.sqlite").read_bytes()
    # Too short: one sentence, no trace, nobody added.
    assert run(monkeypatch, tmp_path, "adduser", "sato", typed="short\n") == 1
    assert "at least 10 characters" in capsys.readouterr().err


def test_clients_get_a_secret_and_a_sound_webhook(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, tmp_path, "addclient", "centre", "--webhook", "https://centre.example/hook") == 0
    assert len(capsys.readouterr().out.strip()) >= 40
    assert run(monkeypatch, tmp_path, "addclient", "centre", "--webhook", "file:///etc/passwd") == 1
    assert run(monkeypatch, tmp_path, "erase", "owner") == 0
    assert "0 handoffs removed." in capsys.readouterr().out


def test_the_cars_secret_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    settings = settings_module.load(environment={"CONCIERGE_HOME": str(tmp_path)})
    secret = car_secret(settings)
    assert car_secret(settings) == secret
    assert stat.S_IMODE((settings.state / "desk-car.key").stat().st_mode) == 0o600


def test_a_desk_alone_serves_and_ends_in_order(tmp_path: Path) -> None:
    environment = {**os.environ, "CONCIERGE_HOME": str(tmp_path), "CONCIERGE_DESK_PORT": "0"}
    process = subprocess.Popen(
        [sys.executable, "-m", "agent.cli", "desk", "serve"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment
    )  # fmt: skip
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split("listens: ")[1].split("/desk")[0]
        with urllib.request.urlopen(f"{url}/healthz", timeout=10) as response:
            assert json.load(response)["status"] == "ok"
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "Traceback" not in errors
