"""The desk's server: database, API, watch and webhooks, on loopback; in the concierge's process or in one of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from agent.desk import webhooks
from agent.desk.api import application
from agent.desk.database import Database
from agent.desk.service import Patience, Service
from agent.desk.sound import Sounds
from agent.desk.transcripts import Transcriber, Transcripts
from agent.errors import PortInUse, StartError
from agent.settings import Settings

CAR_KEY = "car"
"""the key of the concierge's own car"""


def database_url(settings: Settings) -> str:
    return settings.desk_database or f"sqlite:///{settings.state / 'desk.sqlite'}"


def car_secret(settings: Settings) -> str:
    """The secret the car of this data folder signs with; made at first use, readable by its owner alone."""
    path = settings.state / "desk-car.key"
    with contextlib.suppress(FileNotFoundError):
        return path.read_text(encoding="ascii").strip()
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(32))
    with contextlib.suppress(FileExistsError):
        # A link, not a rename: of two that start at once the first one's secret stays.
        os.link(part, path)
    part.unlink()
    return path.read_text(encoding="ascii").strip()


class DeskServer:
    """A desk that serves; `url` is its address."""

    def __init__(self, service: Service, sounds: Sounds, url: str) -> None:
        self.service, self.sounds, self.url = service, sounds, url

    @property
    def page(self) -> str:
        return f"{self.url}/desk"


@asynccontextmanager
async def open_database(url: str) -> AsyncIterator[Database]:
    """Raises `StartError` when it cannot be opened."""
    from alembic.util.exc import CommandError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        database = await Database.open(url)
    except (SQLAlchemyError, OSError, CommandError) as error:
        raise StartError(f"The desk's database cannot be opened ({type(error).__name__}).") from error
    try:
        yield database
    finally:
        database.close()


@asynccontextmanager
async def open_desk(
    url: str,
    *,
    port: int = 0,
    listener: socket.socket | None = None,
    patience: Patience | None = None,
    retention_days: int = 90,
    car: str | None = None,
    transcriber: Transcriber | None = None,
) -> AsyncIterator[DeskServer]:
    """A desk over the database at `url`, serving on loopback; `car` is the secret of its first client, `transcriber` writes
    down what operators say into the microphone (None: nobody does)."""
    listener = listener or bind(port)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(listener.close)
        database = await stack.enter_async_context(open_database(url))
        service = Service(database, patience=patience, retention_days=retention_days)
        if car is not None:
            secret = car
            await service.read(lambda db: _know(service, db, secret))
        await service.start()
        transcripts = Transcripts(service, transcriber)
        stack.push_async_callback(transcripts.close)
        sounds = Sounds(service, transcripts)
        runner = web.AppRunner(
            application(service, sounds), access_log=None, handle_signals=False, shutdown_timeout=0.2
        )
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        stack.callback(sounds.go_away)
        site = web.SockSite(runner, listener)
        await site.start()
        for task in (asyncio.create_task(service.watch()), asyncio.create_task(webhooks.deliver(service))):
            stack.push_async_callback(_cancelled, task)
        yield DeskServer(service, sounds, f"http://127.0.0.1:{listener.getsockname()[1]}")


def _know(service: Service, db: object, secret: str) -> None:
    known = service.accounts.client(db, CAR_KEY)
    if known is None or known.secret != secret:
        service.accounts.add_client(db, CAR_KEY, "car", secret)


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def bind(port: int) -> socket.socket:
    """A listening socket on loopback. Raises `PortInUse`."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(512)
    except OSError as error:
        listener.close()
        raise PortInUse(
            f"Port {port} of the Owner's Desk cannot be used ({error.strerror}): set desk_port to another."
        ) from error
    listener.setblocking(False)
    return listener


async def serve(settings: Settings, transcriber: Transcriber | None = None) -> int:
    """The desk alone, until Ctrl-C or SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with open_desk(
        database_url(settings),
        port=settings.desk_port,
        patience=Patience(answer_s=settings.desk_answer_s),
        retention_days=settings.desk_retention_days,
        car=car_secret(settings),
        transcriber=transcriber,
    ) as desk:
        print(f"The Owner's Desk listens: {desk.page}  (Ctrl-C ends it)", flush=True)
        await stop.wait()
    return 0
