"""Settings: file, environment, defaults; unknown keys and bad values are sentences."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent import settings as s
from agent.errors import SettingsError

ROOT = Path(__file__).resolve().parents[2]


def load(tmp_path: Path, text: str = "", **environment: str) -> s.Settings:
    (tmp_path / "concierge.toml").write_text(text, encoding="utf-8")
    return s.load(environment={"CONCIERGE_HOME": str(tmp_path), **environment})


def test_environment_wins_over_file_over_default(tmp_path: Path) -> None:
    settings = load(tmp_path, 'port = 9000\nprofile = "sparse"\nturn_deadline_s = 3', CONCIERGE_PORT="9100")
    assert (settings.port, settings.profile, settings.turn_deadline_s) == (9100, "sparse", 3.0)
    assert settings.language == "auto"


def test_command_line_wins_and_none_is_not_given(tmp_path: Path) -> None:
    settings = s.load(environment={"CONCIERGE_HOME": str(tmp_path)}, overrides={"port": 1234, "profile": None})
    assert (settings.port, settings.profile) == (1234, "e5")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("prot = 1", "prot"),
        ('port = "x"', "whole number"),
        ("port = true", "whole number"),
        ("port = 70000", "65535"),
        ('profile = "best"', "e5 or sparse"),
        ("port =", "cannot be read"),
        ('host = "0.0.0.0"', "token"),
    ],
)
def test_a_bad_file_is_a_sentence(tmp_path: Path, text: str, word: str) -> None:
    with pytest.raises(SettingsError, match=word):
        load(tmp_path, text)


def test_a_bad_variable_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="CONCIERGE_PROT"):
        load(tmp_path, CONCIERGE_PROT="1")
    with pytest.raises(SettingsError, match="true or false"):
        load(tmp_path, CONCIERGE_ONLINE="maybe")


def test_a_missing_file_that_was_asked_for(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.toml"):
        s.load(tmp_path / "nowhere.toml", environment={"CONCIERGE_HOME": str(tmp_path)})


def test_home() -> None:
    assert s.default_home({"CONCIERGE_HOME": "/x"}) == Path("/x")
    assert s.default_home({}) == ROOT / ".concierge"
    assert s.default_home({"XDG_DATA_HOME": "/share"}, Path("/nowhere")) == Path("/share/concierge")


def test_beyond_loopback_a_token_is_enough(tmp_path: Path) -> None:
    assert not load(tmp_path, 'host = "0.0.0.0"\ntoken = "secret"').loopback


def test_the_page_of_settings_is_this_table() -> None:
    assert s.table() in (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
