"""What is done at the desk's database by hand: operators and clients (`concierge desk`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from agent.desk.accounts import Accounts, Caller
from agent.desk.archive import Archive
from agent.desk.errors import DeskError
from agent.desk.server import database_url, open_database
from agent.desk.store import Store
from agent.errors import StartError
from agent.settings import Settings

T = TypeVar("T")
_HERE = Caller("console", "supervisor")


async def add_user(settings: Settings, name: str, role: str, password: str) -> int:
    """Raises `StartError` when name or password will not do."""
    accounts = Accounts()

    def add(db: Any) -> None:
        accounts.add_user(db, name, password, role)
        accounts.note(db, _HERE, "adduser", detail=f"{name}: {role}")

    await _do(settings, add)
    return 0


async def add_client(settings: Settings, key: str, role: str, webhook: str | None) -> str:
    """The client's secret. Raises `StartError`."""
    if webhook is not None and (urlsplit(webhook).scheme not in ("http", "https") or not urlsplit(webhook).netloc):
        raise StartError("The webhook must be an http or https address.")
    accounts = Accounts()

    def add(db: Any) -> str:
        accounts.note(db, _HERE, "addclient", detail=f"{key}: {role}")
        return accounts.add_client(db, key, role, webhook=webhook)

    return await _do(settings, add)


async def users(settings: Settings) -> list[dict[str, str]]:
    accounts = Accounts()
    return await _do(settings, accounts.users)


async def erase(settings: Settings, driver: str) -> int:
    """Removes everything the desk keeps about a driver; returns how many handoffs it was."""
    accounts, archive, store = Accounts(), Archive(), Store()

    def remove(db: Any) -> int:
        for handoff in archive.open_of(db, driver):
            store.finish(db, handoff, "cancelled", by="console", reason="erased")
        removed = archive.erase(db, driver)
        accounts.note(db, _HERE, "erase", detail=f"{removed} handoffs")
        return removed

    return await _do(settings, remove)


async def _do(settings: Settings, job: Callable[[Any], T]) -> T:
    async with open_database(database_url(settings)) as database:
        try:
            return await database.run(job)
        except DeskError as error:
            raise StartError(f"The desk does not take that: {error}.") from error
