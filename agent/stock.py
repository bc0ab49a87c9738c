"""The stock form: Rasa's own server and a rasa_sdk actions server on our model and actions, as two processes.

`concierge actions` and `concierge rasa` together are an ordinary Rasa installation (nlu_data/endpoints.yml joins them), so
that Rasa's tools and a remote actions server stay usable. Both listen on loopback.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from typing import Any

from agent.errors import PortInUse, StartError
from agent.settings import PROJECT, Settings

NLU_DATA = PROJECT / "nlu_data"


def serve_rasa(settings: Settings, port: int, actions_url: str | None = None) -> int:
    """Replaces this process by `rasa run` on the trained model. `actions_url`: webhook of an actions server elsewhere than
    nlu_data/endpoints.yml has it. Raises `StartError`."""
    from agent.training import find_model

    model = find_model(settings)
    _check_port(port)
    endpoints = NLU_DATA / "endpoints.yml"
    if actions_url is not None:
        if not re.fullmatch(r"https?://[^\s\"'{}$]+", actions_url):
            raise StartError(f"{actions_url!r} is no address of an actions server (http://host:port/webhook).")
        endpoints = settings.state / "endpoints.yml"
        endpoints.write_text(f"action_endpoint:\n  url: {json.dumps(actions_url)}\n", encoding="utf-8")
    os.chdir(PROJECT)
    arguments = [
        sys.executable, "-m", "rasa", "run", "--model", str(model), "--endpoints", str(endpoints),
        "--credentials", str(NLU_DATA / "credentials.yml"), "--interface", "127.0.0.1", "--port", str(port),
        "--enable-api",
    ]  # fmt: skip
    if settings.token:
        arguments += ["--auth-token", settings.token]
    os.execv(sys.executable, arguments)


def serve_actions(settings: Settings, port: int) -> int:
    """Serves the actions on a simulated car until interrupted. Raises `StartError`."""
    _check_port(port)
    return asyncio.run(_actions(settings, port))


async def _actions(settings: Settings, port: int) -> int:
    from rasa_sdk.executor import ActionExecutor

    from agent.composition import addresses_of, load_phrases, open_simulation, open_world, register_actions

    async with open_simulation(settings, state=settings.state / "car.json") as simulation:
        addresses = addresses_of(settings, simulation, lasting=True)
        async with open_world(addresses, simulation.clock) as world:
            executor = ActionExecutor()
            register_actions(executor, world, load_phrases())
            runner = await start_webhook(executor, port)
            print(f"Actions: http://127.0.0.1:{port}/webhook ({len(executor.actions)} actions)", flush=True)
            try:
                await _until_signal()
            finally:
                await runner.cleanup()
    return 0


async def start_webhook(executor: Any, port: int) -> Any:
    """rasa_sdk's webhook (its request and answer formats) on our event loop, where the world's clients live; rasa_sdk's own
    server would find the actions by walking packages and build them without a world."""
    import zlib

    from aiohttp import web
    from rasa_sdk.interfaces import ActionExecutionRejection, ActionNotFoundException

    async def webhook(request: web.Request) -> web.Response:
        body = await request.read()
        # aiohttp undoes the compression of the transport itself; Rasa may also send a deflated body.
        if body[:1] == b"x":
            body = zlib.decompress(body)
        try:
            result = await executor.run(json.loads(body))
        except json.JSONDecodeError:
            return web.json_response({"error": "Invalid body request"}, status=400)
        except ActionExecutionRejection as error:
            return web.json_response({"error": error.message, "action_name": error.action_name}, status=400)
        except ActionNotFoundException as error:
            return web.json_response({"error": error.message, "action_name": error.action_name}, status=404)
        return web.json_response(result)

    async def health(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def actions(_: web.Request) -> web.Response:
        return web.json_response([{"name": name} for name in executor.actions])

    app = web.Application(client_max_size=16 * 2**20)
    app.add_routes([web.post("/webhook", webhook), web.get("/health", health), web.get("/actions", actions)])
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
    except OSError as error:
        await runner.cleanup()
        raise PortInUse(f"Port {port} is in use: choose another with --port.") from error
    return runner


async def _until_signal() -> None:
    import signal

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()


def _check_port(port: int) -> None:
    import socket

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise PortInUse(f"Port {port} is in use: choose another with --port.") from error
