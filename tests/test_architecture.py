"""Who may import whom (docs/rooms.md)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("agent", "actions", "audio", "backends", "simulator")
ALLOWED: dict[str, set[str]] = {
    "audio": set(),
    "backends": set(),
    "actions": {"backends"},
    "simulator": {"backends"},
    "agent": {"backends", "audio"},
}
COMPOSITION = {"agent/cli.py", "agent/composition.py", "agent/handoff_composition.py"}
"""the composition root: may import every room"""
WORKER = {"agent/dialogue.py", "agent/dialogue_worker.py", "agent/rasa_shortcuts.py"}
"""the dialogue worker: registers the actions, knows Rasa and rasa_sdk"""
RASA_TOOLS = {"agent/training.py", "agent/stock.py"}
"""train, test and serve with Rasa's own programs"""


def modules(path: Path) -> set[str]:
    """Every module named in an import statement of the file, wherever it stands."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add(node.module or "")
    return names


def files() -> list[Path]:
    return [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]


@pytest.mark.parametrize("path", files(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_only_go_down(path: Path) -> None:
    name = path.relative_to(ROOT).as_posix()
    room = name.split("/")[0]
    tops = {module.split(".")[0] for module in modules(path)}
    allowed = ALLOWED[room] | {room}
    if name in COMPOSITION:
        allowed |= set(ROOMS)
    if name in WORKER:
        allowed |= {"actions"}
    assert tops & set(ROOMS) <= allowed, f"{name} imports {sorted((tops & set(ROOMS)) - allowed)}"
    assert not tops & {"tests", "benchmarks"}
    knows_rasa = name.startswith("agent/nlu/") or name in WORKER | COMPOSITION | RASA_TOOLS
    assert "rasa" not in tops or knows_rasa, f"{name} imports rasa"
    assert "rasa_sdk" not in tops or room == "actions" or name in WORKER | COMPOSITION | RASA_TOOLS


def test_actions_is_flat() -> None:
    assert not [p for p in (ROOT / "actions").iterdir() if p.is_dir() and p.name != "__pycache__"]


def test_top_level_names() -> None:
    for name in ("pyproject.toml", "README.md", "agent", "nlu_data", "actions", "audio", "tests"):
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize("path", sorted((ROOT / "agent" / "desk").rglob("*.py")), ids=lambda p: p.name)
def test_the_desk_shares_nothing_with_the_conversation(path: Path) -> None:
    own = {m for m in modules(path) if m.startswith("agent") and not m.startswith("agent.desk")}
    assert own <= {"agent.errors", "agent.settings"}, path
