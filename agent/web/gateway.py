"""The gateway: serves the page and its WebSocket, supervises the dialogue workers, hosts the simulated car.

The protocol is described in docs/protocol.md. Only the page itself may connect: the Host and Origin headers are checked (a
page elsewhere, or a name that resolves here, is refused), and beyond loopback a token is asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import hashlib
import json
import logging
import logging.handlers
import re
import secrets
import signal
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import lru_cache
from pathlib import Path

from aiohttp import web

from agent import training
from agent.composition import (
    System,
    addresses_of,
    announce,
    join,
    load_phrases,
    load_safety,
    open_agentplus,
    open_simulation,
    tell_clock,
    worker_config,
)
from agent.composition_map import foresee, open_car_map
from agent.dialogue import RemoteDialogue
from agent.errors import PortInUse
from agent.events import PERSONAL, Event, to_json
from agent.handoff_composition import open_handoffs, open_own_desk
from agent.settings import Settings
from agent.supervisor import Worker
from agent.web import guard
from agent.web.connection import Connection
from agent.web.map_files import MapFiles
from agent.web.shown import Shown
from agent.web.voice_stream import OpenVoice, VoiceStreams
from agent.web.world_messages import WorldRoom

log = logging.getLogger(__name__)

PAGE = Path(__file__).with_name("page")
_TEXT = {
    ".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css", ".json": "application/json", ".svg": "image/svg+xml",
}  # fmt: skip
MAX_MESSAGE_BYTES = 1024 * 1024
"""what is too long for a turn is still read, so that the driver hears so; beyond this the line is closed (1009)"""
MAX_CONNECTIONS = 64
KERNEL_BUFFER_BYTES = 128 * 1024
"""a second and more of sound; beyond it a page reads too slowly"""
SAVE_EVERY_S = 10.0
_SESSION = re.compile(r"[A-Za-z0-9_-]{8,64}")


class Gateway:
    """The web application over one system."""

    def __init__(self, system: System, workers: tuple[Worker, ...] = (), open_voice: OpenVoice | None = None) -> None:
        self.system = system
        self._workers = workers
        self._sessions: Counter[str] = Counter()
        """sessions with an open page, and how many pages"""
        self._sockets: set[web.WebSocketResponse] = set()
        self._connections: set[Connection] = set()
        self._voices = VoiceStreams(system, open_voice)
        self._shown = Shown(system.stream)
        self._worlds = WorldRoom(system)
        self._files = frozenset(p.relative_to(PAGE).as_posix() for p in PAGE.rglob("*") if p.is_file())
        self.port = system.settings.port
        self.desk_page = ""
        """address of the operators' page; empty without a desk"""

    def sessions(self) -> list[str]:
        return list(self._sessions)

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._guard], client_max_size=MAX_MESSAGE_BYTES)
        app.router.add_get("/healthz", self._health)
        app.router.add_get("/ws", self._socket)
        app.router.add_get("/", self._page)
        app.router.add_get("/page/{name:.+}", self._file)
        app.router.add_routes(MapFiles(self.system.settings.home).routes())
        return app

    async def close(self) -> None:
        for socket_ in list(self._sockets):
            await socket_.close(code=1001, message=b"going away")
        await self._voices.close()
        self._worlds.close()

    # ── who may come in ─────────────────────────────────────────────────────────────────────────────────────────

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        try:
            response = guard.check(request, self.system.settings, self.port)
            if response is None:
                response = await handler(request)
        except web.HTTPException as error:
            guard.harden(error, request.host)
            raise
        if not response.prepared:
            guard.harden(response, request.host)
        return response

    # ── pages ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def _health(self, _: web.Request) -> web.Response:
        """200 when turns can be answered, 503 while a dialogue worker is down."""
        up = [worker.url is not None for worker in self._workers]
        body = {
            "status": "ok" if all(up) else "starting",
            "workers": up,
            "restarts": [w.restarts for w in self._workers],
        }
        return web.json_response(body, status=200 if all(up) else 503)

    async def _page(self, _: web.Request) -> web.FileResponse:
        return web.FileResponse(PAGE / "index.html")

    async def _file(self, request: web.Request) -> web.StreamResponse:
        if request.match_info["name"] not in self._files:
            raise web.HTTPNotFound(text="no such file")
        return _sent(request, PAGE / request.match_info["name"])

    # ── the stream ──────────────────────────────────────────────────────────────────────────────────────────────

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        if len(self._sockets) >= MAX_CONNECTIONS:
            raise web.HTTPServiceUnavailable(text="too many connections")
        given = request.query.get("session", "")
        session = given if _SESSION.fullmatch(given) else secrets.token_urlsafe(16)
        ws = web.WebSocketResponse(heartbeat=20.0, max_msg_size=MAX_MESSAGE_BYTES)
        await ws.prepare(request)
        keep_short(request.transport)
        self._sockets.add(ws)
        self._sessions[session] += 1
        handoffs = self.system.conversation.handoffs
        if handoffs is not None and self._sessions[session] == 1:
            handoffs.away(session, False)
        connection = Connection(self.system, ws, session, self._voices, self._shown, self._worlds)
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)
            self._sockets.discard(ws)
            self._sessions[session] -= 1
            if not self._sessions[session]:
                del self._sessions[session]
                if handoffs is not None:
                    handoffs.away(session, True)
        return ws


def keep_short(transport: asyncio.BaseTransport | None) -> None:
    """What waits for a slow page waits here, where old states are replaced by new ones, and not in the kernel."""
    line = transport.get_extra_info("socket") if transport is not None else None
    if line is not None:
        with contextlib.suppress(OSError):
            line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BUFFER_BYTES)


def _sent(request: web.Request, path: Path) -> web.StreamResponse:
    """A file of the page: text as small as it gets, and not again while the browser's copy is the same."""
    if path.suffix not in _TEXT or "gzip" not in request.headers.get("Accept-Encoding", ""):
        return web.FileResponse(path)
    body, etag = _packed(path, path.stat().st_mtime_ns)
    headers = {"Content-Encoding": "gzip", "Vary": "Accept-Encoding", "ETag": f'"{etag}"'}
    if any(known.value == etag for known in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, headers=headers, content_type=_TEXT[path.suffix], charset="utf-8")


@lru_cache(maxsize=256)
def _packed(path: Path, _changed: int) -> tuple[bytes, str]:
    body = gzip.compress(path.read_bytes(), 6, mtime=0)
    return body, hashlib.sha256(body).hexdigest()[:32]


# ── bringing everything up ──────────────────────────────────────────────────────────────────────────────────────────


@asynccontextmanager
async def open_gateway(settings: Settings) -> AsyncIterator[Gateway]:
    """Everything up: simulated car, centre, dialogue workers, page. Raises `StartError`."""
    model = training.find_model(settings)
    phrases, safety = load_phrases(), load_safety()
    listener = bind(settings)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(listener.close)
        state = settings.state / "car.json"
        simulation = await stack.enter_async_context(open_simulation(settings, state=state))
        addresses = addresses_of(settings, simulation, lasting=True)
        workers = tuple(
            Worker(
                worker_config(addresses, model, secrets.token_urlsafe(24), settings.turn_deadline_s),
                log_file=settings.home / "logs" / f"worker-{number}.log",
            )
            for number in range(settings.workers)
        )
        for worker in workers:
            stack.push_async_callback(worker.stop)
        await asyncio.gather(*(worker.start() for worker in workers))
        dialogue = RemoteDialogue(workers, deadline_s=settings.turn_deadline_s, clock=lambda: tell_clock(simulation))
        stack.push_async_callback(dialogue.close)
        system = join(settings, simulation, dialogue, phrases, safety)
        system.stream.add_sink(_event_log(settings))
        desk, desk_page = await stack.enter_async_context(open_own_desk(settings, lambda text: log.warning("%s", text)))
        await stack.enter_async_context(open_handoffs(system, desk, state=settings.state / "handoffs.sqlite"))
        await stack.enter_async_context(open_car_map(system))
        gateway = Gateway(system, workers)
        gateway.desk_page = desk_page
        runner = web.AppRunner(gateway.app(), access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        stack.push_async_callback(gateway.close)
        await web.SockSite(runner, listener).start()
        gateway.port = listener.getsockname()[1]
        tasks = [announce(system, gateway.sessions), _save(system, state)]
        if settings.agentplus:
            plus = await stack.enter_async_context(open_agentplus(system, gateway.sessions))
            foresee(system, plus)
            tasks.append(plus.run())
        for task in tasks:
            stack.callback(asyncio.create_task(task).cancel)
        yield gateway


async def run(settings: Settings) -> int:
    """Serves until Ctrl-C or SIGTERM; ends every process it started."""
    import sys

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    print("Starting the dialogue model (about 15 s) …", file=sys.stderr, flush=True)
    serving = asyncio.Event()
    opening = asyncio.create_task(_serve(settings, stop, serving))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({opening, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if stop.is_set() and not serving.is_set():
        # Stopped while it starts: nobody waits for the engine to be ready first.
        opening.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await opening
    return 0


async def _serve(settings: Settings, stop: asyncio.Event, serving: asyncio.Event) -> None:
    async with open_gateway(settings) as gateway:
        serving.set()
        host = settings.host if settings.host not in ("0.0.0.0", "::") else socket.gethostname()
        token = f"?token={settings.token}" if settings.token else ""
        print(f"The concierge listens: http://{host}:{gateway.port}/{token}  (Ctrl-C ends it)", flush=True)
        print(f"The Owner's Desk: {gateway.desk_page}  (operators: concierge desk adduser NAME)", flush=True)
        await stop.wait()


def bind(settings: Settings) -> socket.socket:
    """The listening socket, taken before anything slow is started. Raises `PortInUse`."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise PortInUse(
            f"Port {settings.port} on {settings.host} cannot be used ({error.strerror}): choose another with --port."
        ) from error
    listener.setblocking(False)
    return listener


async def _save(system: System, state: Path) -> None:
    """Keeps the car's state on disk, so that a crash loses seconds."""
    while True:
        await asyncio.sleep(SAVE_EVERY_S)
        try:
            system.simulation.save(state)
        except OSError as error:
            log.warning("the car's state cannot be saved: %s", error)


def _event_log(settings: Settings) -> Callable[[Event], None]:
    """Writes events to logs/events.jsonl (five files of 2 MB); without `log_text` what was said is left out."""
    path = settings.home / "logs" / "events.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = logging.getLogger("concierge.events")
    writer.propagate = False
    writer.setLevel(logging.INFO)
    for old in list(writer.handlers):
        writer.removeHandler(old)
    handler = logging.handlers.RotatingFileHandler(
        path, maxBytes=2_000_000, backupCount=4, encoding="utf-8", delay=True
    )
    handler.setFormatter(logging.Formatter("%(message)s"))
    writer.addHandler(handler)

    def sink(event: Event) -> None:
        row = to_json(event)
        if not settings.log_text:
            row = {k: v for k, v in row.items() if k not in PERSONAL}
        writer.info(json.dumps(row, ensure_ascii=False))

    return sink
