"""What can go wrong with what was learnt.

PredictionError
├── BadTrack       a file of positions (or one line of it) cannot be read: the text says what is wrong with it
└── HistoryError   the database of drives cannot be used now
"""

from __future__ import annotations

from typing import ClassVar

from agent.errors import AgentError


class PredictionError(AgentError):
    code: ClassVar[str] = "prediction"


class BadTrack(PredictionError, ValueError):
    code = "bad_track"
    permanent = True


class HistoryError(PredictionError):
    code = "history"
