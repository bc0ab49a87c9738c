"""The commands of the README do what it says."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = [
    line.strip()
    for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("    ") and re.match(r"\s+(make|uv run|echo|printf)\b", line)
]
CONCIERGE = f"{sys.executable} -m agent.cli"


def shell(command: str, home: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    command = command.replace("uv run concierge", CONCIERGE)
    environment = {**os.environ, "CONCIERGE_HOME": str(home), "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, shell=True, cwd=folder, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )


def test_there_are_commands() -> None:
    assert "make run" in COMMANDS
    assert "make test" in COMMANDS
    assert "uv run concierge" in COMMANDS


@pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine")
@pytest.mark.parametrize(("target", "does"), [("run", "run --frozen concierge"), ("test", "run --frozen pytest")])
def test_make_is_thin(target: str, does: str) -> None:
    done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert does in done.stdout


ONE_SHOT = [c for c in COMMANDS if "concierge " in c and not re.search(r"concierge (chat|rasa|actions)|PBF|pbf", c)]


@pytest.mark.parametrize("command", ONE_SHOT)
def test_command_answers(command: str, concierge_home: Path, tmp_path: Path) -> None:
    done = shell(command, concierge_home, tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip()
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize("command", [c for c in COMMANDS if "concierge chat" in c])
def test_chat_talks(command: str, concierge_home: Path, tmp_path: Path) -> None:
    english = "--lang en" in command
    done = shell(
        f"printf '%s\\n' '{'hello' if english else 'こんにちは'}' /car /quit | {command}", concierge_home, tmp_path
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(done.stdout.strip().splitlines()) >= 3


def test_everything_comes_up_and_goes(concierge_home: Path, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "CONCIERGE_HOME": str(concierge_home), "CONCIERGE_PORT": str(port)}
    process = subprocess.Popen(
        [sys.executable, "-m", "agent.cli"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, bufsize=1,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        line = ""
        for line in process.stdout:
            if "http://" in line:
                break
        assert f"http://127.0.0.1:{port}" in line
    finally:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode in (0, 130)
    assert "Traceback" not in errors
