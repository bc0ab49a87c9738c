"""What can go wrong on the top floor.

AgentError
├── DialogueUnavailable   the dialogue worker is down, starting or crashed in mid-turn (try again)
├── DialogueTimeout       no decision within the turn's deadline (try again)
└── StartError            the concierge cannot start: one sentence for the person at the keyboard, and an exit code
    ├── SettingsError     the settings file or an environment variable is wrong
    ├── ModelMissing      no trained model for this nlu_data
    ├── TrainingFailed    nlu_data is broken
    └── PortInUse         something else listens there
"""

from __future__ import annotations

from typing import ClassVar


class AgentError(Exception):
    """Something the top floor could not do."""

    code: ClassVar[str] = "error"
    """Short, stable, for events and for choosing the spoken sentence."""
    permanent: ClassVar[bool] = False
    """True when asking again cannot help."""


class DialogueUnavailable(AgentError):
    code = "dialogue_unavailable"


class DialogueTimeout(AgentError):
    code = "timeout"


class StartError(AgentError):
    """Its text is a whole sentence that says what to do."""

    code = "start"
    permanent = True
    exit_code: ClassVar[int] = 1


class SettingsError(StartError):
    code = "settings"
    exit_code = 2


class ModelMissing(StartError):
    code = "model_missing"
    exit_code = 3


class TrainingFailed(StartError):
    code = "training_failed"
    exit_code = 4


class PortInUse(StartError):
    code = "port_in_use"
    exit_code = 5
