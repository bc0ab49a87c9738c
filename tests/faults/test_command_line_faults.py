"""The command line with bad input and bad surroundings: an answer or an error line, the right exit code, never a traceback."""

from __future__ import annotations

import ctypes
import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.faults.breaking import ROOT, environment, own_home, until

CONCIERGE = (sys.executable, "-m", "agent.cli")
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1


def concierge(
    *arguments: str,
    home: Path,
    given: bytes = b"",
    timeout: float = 120,
    cwd: Path = ROOT,
    unprivileged: bool = False,
    **more: str,
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*CONCIERGE, *arguments],
        input=given,
        capture_output=True,
        timeout=timeout,
        cwd=cwd,
        env=environment(home, **more),
        preexec_fn=_give_up_reading_everything if unprivileged else None,
    )


def _give_up_reading_everything() -> None:
    # Permissions do not hold for root; without this capability, they do.
    ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE)


def assert_refused(done: subprocess.CompletedProcess[bytes], code: int, *words: str) -> None:
    """One sentence on standard error, nothing on standard output, the exit code."""
    said = done.stderr.decode()
    assert done.returncode == code, said
    assert "Traceback" not in said
    assert 'File "' not in said
    assert done.stdout == b""
    told = [line for line in said.splitlines() if line.startswith("concierge: ")]
    assert len(told) == 1, said
    assert said.splitlines()[-1] == told[0], said
    for word in words:
        assert word in told[0]


def rows(out: bytes) -> list[dict[str, Any]]:
    def no_constants(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    return [json.loads(line, parse_constant=no_constants) for line in out.decode("utf-8").splitlines()]


# ── starting in bad surroundings ────────────────────────────────────────────────────────────────────────────────────


def test_an_unknown_settings_key(tmp_path: Path) -> None:
    (tmp_path / "concierge.toml").write_text('language = "ja"\nvolume = 11\n', encoding="utf-8")
    assert_refused(concierge(home=tmp_path), 2, "volume", "concierge.toml")


@pytest.mark.parametrize(
    ("text", "word"),
    [('port = "high"', "port"), ("port = 700000", "port"), ("= 3", "concierge.toml"), ('language = "fr"', "language"),
     ('host = "0.0.0.0"', "token"), ("\udcff\udcfe", "concierge.toml")],
)  # fmt: skip
def test_a_settings_file_that_makes_no_sense(tmp_path: Path, text: str, word: str) -> None:
    (tmp_path / "concierge.toml").write_text(text, encoding="utf-8", errors="surrogateescape")
    # The environment would win over the file.
    assert_refused(concierge(home=tmp_path, CONCIERGE_PORT=""), 2, word)


def test_an_unknown_variable(tmp_path: Path) -> None:
    assert_refused(concierge("doctor", home=tmp_path, CONCIERGE_VOLUME="11"), 2, "CONCIERGE_VOLUME")


def test_a_settings_file_that_is_not_there(tmp_path: Path) -> None:
    assert_refused(concierge("--settings", "no/such.toml", home=tmp_path), 2, "no/such.toml")


def test_a_port_in_use(faulty_home: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        for command in (("--port", port), ("rasa", "--port", port), ("actions", "--port", port)):
            assert_refused(concierge(*command, home=faulty_home), 5, port, "--port")


def test_a_host_that_is_not_here(faulty_home: Path) -> None:
    assert_refused(concierge("--host", "192.0.2.1", "--token", "x", "--port", "0", home=faulty_home), 5, "192.0.2.1")


@pytest.mark.parametrize("command", [(), ("train",), ("say", "こんにちは"), ("maps", "demo"), ("actions",)])
def test_a_data_folder_that_cannot_be_written(tmp_path: Path, command: tuple[str, ...]) -> None:
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o555)
    done = concierge(*command, home=home, unprivileged=True)
    assert_refused(done, 1, str(home))


def test_a_data_folder_that_is_a_file(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.write_text("", encoding="utf-8")
    assert_refused(concierge(home=home), 1, str(home))


def test_an_input_file_that_is_not_there(faulty_home: Path) -> None:
    for command in ("parse", "replay"):
        assert_refused(concierge(command, "no/such.jsonl", home=faulty_home), 1, "no/such.jsonl")


def test_a_map_that_cannot_be_built(tmp_path: Path) -> None:
    broken = tmp_path / "x.osm.pbf"
    broken.write_bytes(b"\0" * 5000)
    assert_refused(_quietly(concierge("maps", "build", str(broken), home=tmp_path / "home")), 1)
    assert_refused(concierge("maps", "use", "../../etc", home=tmp_path / "home"), 1, "../../etc")


def _quietly(done: subprocess.CompletedProcess[bytes]) -> subprocess.CompletedProcess[bytes]:
    """Without the lines of progress before the end."""
    lines = [line for line in done.stderr.splitlines(keepends=True) if not line.startswith(b"  ") and b"%" not in line]
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout, b"".join(lines))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the program, whose data may be broken."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in ("agent", "actions", "audio", "backends", "simulator", "nlu_data"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


@pytest.fixture
def small_checkout(checkout: Path, tmp_path: Path) -> Path:
    """With little to train on, so that it does not take long."""
    copy = tmp_path / "checkout"
    shutil.copytree(checkout, copy)
    for file in (copy / "nlu_data" / "nlu").rglob("*.yml"):
        if file.name != "control.yml":
            file.unlink()
    return copy


@pytest.mark.parametrize(
    ("file", "text", "word"),
    [
        ("nlu/ja/broken.yml", "version: '3.1'\nnlu:\n- intent: x\n  examples: [oh: {", "broken.yml"),
    ],
)  # fmt: skip
def test_training_data_that_is_broken(
    small_checkout: Path, concierge_home: Path, tmp_path: Path, file: str, text: str, word: str
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "maps").symlink_to(concierge_home / "maps")
    (small_checkout / "nlu_data" / file).write_text(text, encoding="utf-8")
    done = concierge(home=home, cwd=small_checkout)
    assert_refused(_quietly(done), 4, word)
    assert list((home / "models").glob("*")) == []


@pytest.mark.parametrize("file", ["responses/ja/broken.yml", "safety/en.yml"])
def test_sentences_that_are_broken(checkout: Path, faulty_home: Path, file: str) -> None:
    path = checkout / "nlu_data" / file
    before = path.read_bytes() if path.exists() else None
    path.write_text("a: [", encoding="utf-8")
    try:
        done = concierge("say", "hello", home=faulty_home, cwd=checkout)
    finally:
        path.write_bytes(before) if before is not None else path.unlink()
    assert_refused(_quietly(done), 1, path.name)


def test_a_model_that_is_broken(tmp_path: Path, concierge_home: Path) -> None:
    home = own_home(tmp_path / "home", concierge_home)
    (home / "models").unlink()
    (home / "models").mkdir()
    from agent import settings as settings_module
    from agent.training import model_path

    model_path(settings_module.load(environment=environment(home))).write_bytes(b"half a mod")
    done = concierge("--port", "0", home=home)
    assert_refused(_without(done, "Starting"), 3, "concierge train --force")


def _without(done: subprocess.CompletedProcess[bytes], start: str) -> subprocess.CompletedProcess[bytes]:
    lines = [line for line in done.stderr.splitlines(keepends=True) if not line.startswith(start.encode())]
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout, b"".join(lines))


# ── ending ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_training_ends_with_its_parent(concierge_home: Path, tmp_path: Path, number: signal.Signals) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "maps").symlink_to(concierge_home / "maps")
    process = subprocess.Popen(
        [*CONCIERGE, "train", "--force"], cwd=ROOT, env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )  # fmt: skip
    try:
        children = until(lambda: psutil.Process(process.pid).children(recursive=True), what="a training process")
        time.sleep(0.7)
        process.send_signal(number)
        _, said = process.communicate(timeout=20)
        assert b"Traceback" not in said, said.decode()
        until(lambda: not any(alive(child) for child in children), 20, "the end of the training process")
    finally:
        process.kill()
    assert list((home / "models").glob("*.tar.gz")) == []


def alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


# ── JSON lines ──────────────────────────────────────────────────────────────────────────────────────────────────────

GOOD = {"id": "good", "text": "渋谷のカフェ", "lang": "ja"}
BAD_LINES: Mapping[str, bytes] = {
    "broken": b'{"id": 1, "text": "x"',
    "two on a line": b'{"id": 1, "text": "x"} {"id": 2, "text": "y"}',
    "not UTF-8": b'{"id": 1, "text": "\xff\xfe"}',
    "UTF-16": '{"id": 1, "text": "x"}'.encode("utf-16"),
    "a list": b"[1, 2]",
    "a number": b"42",
    "nothing": b"null",
    "no text": b'{"id": 1}',
    "text is a number": b'{"id": 1, "text": 5}',
    "text is nothing": b'{"id": 1, "text": null}',
    "text is a list": b'{"id": 1, "text": ["x"]}',
    "deep": b"[" * 100_000,
    "deep, closed": b'{"id": ' + b"[" * 900 + b"]" * 900 + b', "text": 3}',
    "too long": json.dumps({"id": 1, "text": "あ" * 10_000}).encode(),
    "far too long": json.dumps({"id": 1, "text": "a" * 3_000_000}).encode(),
    "a number of 10,000 digits": b'{"id": ' + b"9" * 10_000 + b', "text": "x"}',
    "not a number": b'{"id": NaN, "text": "x"}',
    "infinity": b'{"id": -Infinity, "text": "x"}',
    "NUL": b"\x00\x00",
}
ODD_LINES: Mapping[str, bytes] = {
    "empty": b'{"id": 1, "text": "", "lang": "ja"}',
    "blank": '{"id": 1, "text": " \u3000\\t\\n"}'.encode(),
    "NUL": b'{"id": 1, "text": "\\u0000", "lang": "en"}',
    "controls": b'{"id": 1, "text": "\\u0000\\u0007\\u001b[31m caf\xc3\xa9 \\u202e\\u200b", "lang": "en"}',
    "lone surrogate": b'{"id": 1, "text": "caf\\ud800e", "lang": "en"}',
    "only a surrogate": b'{"id": 1, "text": "\\udfff", "lang": "ja"}',
    "surrogate elsewhere": b'{"id": "\\ud800", "text": "coffee", "lang": "en", "context": "\\udc00 which one?"}',
    "emoji": '{"id": 1, "text": "👨‍👩‍👧‍👦🏳️‍🌈", "lang": "ja"}'.encode(),
    "SQL": b'{"id": 1, "text": "\'; DROP TABLE places;--", "lang": "en"}',
    "HTML": b'{"id": 1, "text": "<img src=x onerror=alert(1)>", "lang": "en"}',
    "engine command": b'{"id": 1, "text": "/restart", "lang": "en"}',
    "4,000": json.dumps({"id": 1, "text": "渋谷の" * 1333, "lang": "ja"}).encode(),
    "odd language": b'{"id": 1, "text": "coffee", "lang": ["ja"]}',
    "odd context": b'{"id": 1, "text": "coffee", "lang": "en", "context": {"a": 1}}',
    "long context": json.dumps({"id": 1, "text": "yes", "lang": "en", "context": "shall I? " * 20_000}).encode(),
    "id of any kind": b'{"id": {"a": [1, null, "x"]}, "text": "coffee", "lang": "en"}',
    "no id": b'{"text": "coffee", "lang": "en"}',
    "with a BOM": b'\xef\xbb\xbf{"id": 1, "text": "coffee", "lang": "en"}',
    "Windows line end": b'{"id": 1, "text": "coffee", "lang": "en"}\r',
}


def test_parse_answers_every_line(faulty_home: Path) -> None:
    good = json.dumps(GOOD, ensure_ascii=False).encode()
    lines = [good, *BAD_LINES.values(), b"", b"   ", *ODD_LINES.values(), good]
    # The last line has no end, and the terminal is not one for UTF-8.
    done = concierge("parse", home=faulty_home, given=b"\n".join(lines), PYTHONIOENCODING="ascii", LC_ALL="C")
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    out = rows(done.stdout)
    assert len(out) == len(BAD_LINES) + len(ODD_LINES) + 2
    assert done.returncode == 1
    assert out[0] == out[-1]
    assert out[0]["function"] == "destination_search"
    for name, row in zip(BAD_LINES, out[1:], strict=False):
        assert row.get("error"), (name, row)
        assert "intent" not in row
        assert len(row["error"]) < 300, name
    for name, row in zip(ODD_LINES, out[1 + len(BAD_LINES) :], strict=False):
        assert "error" not in row, (name, row)
        assert row["function"], name
        assert 0 <= row["confidence"] <= 1
    named = dict(zip(ODD_LINES, out[1 + len(BAD_LINES) :], strict=False))
    assert named["id of any kind"]["id"] == {"a": [1, None, "x"]}
    assert not named["SQL"]["entities"]


def test_replay_answers_every_line(faulty_home: Path) -> None:
    def dialogue(*turns: Any, name: Any = "d", **more: Any) -> bytes:
        return json.dumps({"dialogue_id": name, "lang": "ja", "turns": turns, **more}).encode()

    good = dialogue("渋谷のイタリアン", "駐車場ありで", name="good")
    bad = [
        b"{", b"[]", b"null", b"\xff", b'{"dialogue_id": 1}', dialogue(1, 2), dialogue(["x"]), dialogue(None), b"[" * 100_000,
        b'{"dialogue_id": 1, "turns": "x"}', b'{"dialogue_id": NaN, "turns": ["x"]}',
    ]  # fmt: skip
    odd = [
        dialogue("", "  ", "\x00", "😀", "\ud800", "あ" * 10_000, "渋谷のカフェ", name="\ud800"),
        dialogue(
            "<script>alert(1)</script>", "'; DROP TABLE places;--", "{0.__class__}", "**1番**", "/restart", name=None
        ),
        dialogue("渋谷のカフェ", lang=7),
        b'{"dialogue_id": 5, "turns": []}',
    ]
    given = b"\n".join([good, *bad, *odd, good])
    done = concierge("replay", home=faulty_home, given=given, PYTHONIOENCODING="ascii", LC_ALL="C")
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    out = rows(done.stdout)
    assert done.returncode == 1
    errors = [row for row in out if "error" in row]
    assert len(errors) == len(bad)
    turns = [row for row in out if "error" not in row]
    assert len(turns) == 2 + 7 + 5 + 1 + 2
    assert all(row["reply"].strip() for row in turns)
    assert all(row["state"] == {} and row["actions"] == [] for row in turns[2:8])
    # Nothing is left over: the first and the last dialogue are the same to the letter.
    first, last = ([{k: v for k, v in row.items() if k != "ms"} for row in part] for part in (turns[:2], turns[-2:]))
    assert first == last
    assert first[1]["state"]["parking"]


@pytest.mark.parametrize(
    "text", ["$(touch {home}/pwned) `id` {0.__class__} \udcff😀\x1b[31m" + "a" * 100_000], ids=["hostile"]
)
def test_one_turn_of_anything(faulty_home: Path, text: str) -> None:
    done = concierge("say", "--session", "bad\udcff", "--", text.replace("{home}", str(faulty_home)), home=faulty_home)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode().strip()
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    assert not (faulty_home / "pwned").exists()
