"""What can go wrong on the ground floor.

    BackendError
    ├── BackendUnavailable   not reachable, crashed, refused the connection (try again)
    ├── BackendTimeout       did not answer within the port's deadline (try again)
    ├── BadAnswer            answered, but not with what its protocol promises (try again)
    ├── NotFound             answered: there is no such place, signal, route (final)
    ├── NoMap                the position asked about lies outside every installed map (final)
    └── Rejected             answered: not allowed or out of the signal's limits (final)

`agent` turns any of these into the sentence a driver hears; the text of an error is for engineers.
"""

from __future__ import annotations

from typing import ClassVar


class BackendError(Exception):
    """A port could not do what it was asked."""

    code: ClassVar[str] = "error"
    """Short, stable, for logs and for choosing the spoken sentence."""
    permanent: ClassVar[bool] = False
    """True when asking again cannot help."""

    def __init__(self, stage: str, detail: str = "") -> None:
        """`stage` is the port: "places", "routes", "vehicle", "weather", "news", "traffic", …"""
        super().__init__(f"{stage}: {self.code}" + (f": {detail}" if detail else ""))
        self.stage = stage
        self.detail = detail


class BackendUnavailable(BackendError):
    code = "unavailable"


class BackendTimeout(BackendError):
    code = "timeout"


class BadAnswer(BackendError):
    code = "bad_answer"


class NotFound(BackendError):
    code = "not_found"
    permanent = True


class NoMap(BackendError):
    code = "no_map"
    permanent = True


class Rejected(BackendError):
    """The value or the operation is refused; `limit` says the nearest one that would be accepted, if any."""

    code = "rejected"
    permanent = True

    def __init__(self, stage: str, detail: str = "", limit: float | str | None = None) -> None:
        super().__init__(stage, detail)
        self.limit = limit
