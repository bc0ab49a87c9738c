"""What the desk answers when it does not do what it was asked.

DeskError
├── NotThere     no such handoff, push or user (404)
├── Conflict     the state does not allow it, somebody else was first, or an id is taken by something else (409)
├── Refused      not allowed for who asks (403)
└── Unfit        what was sent cannot be used (422)
"""

from __future__ import annotations

from typing import ClassVar


class DeskError(Exception):
    status: ClassVar[int] = 500
    code: ClassVar[str] = "error"


class NotThere(DeskError):
    status = 404
    code = "not_found"


class Conflict(DeskError):
    status = 409
    code = "conflict"


class Refused(DeskError):
    status = 403
    code = "refused"


class Unfit(DeskError):
    status = 422
    code = "unfit"
