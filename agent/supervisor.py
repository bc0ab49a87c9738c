"""Keeps a dialogue worker process alive: starts it, asks for its health, restarts it with growing pauses, ends it.

The worker ends with its parent in every case: it reads the parent's pipe until it closes, and the kernel signals it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp

from agent.errors import ModelMissing, StartError

log = logging.getLogger(__name__)


class Worker:
    """One supervised worker. `url` is None while it is down."""

    def __init__(
        self,
        config: Mapping[str, Any],
        *,
        log_file: Path,
        command: tuple[str, ...] = (sys.executable, "-m", "agent.dialogue_worker"),
        start_deadline_s: float = 120.0,
        health_every_s: float = 5.0,
        pauses_s: tuple[float, ...] = (0.2, 1.0, 3.0, 10.0, 30.0),
    ) -> None:
        """`config` goes to the worker's standard input and must hold `token`; its standard error goes to `log_file`."""
        self._config = dict(config)
        self._log_file = log_file
        self._command = command
        self._start_deadline_s = start_deadline_s
        self._health_every_s = health_every_s
        self._pauses_s = pauses_s
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._url: str | None = None
        self.restarts = 0
        """how often it had to be started again"""

    @property
    def url(self) -> str | None:
        return self._url

    @property
    def token(self) -> str:
        return str(self._config["token"])

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    async def start(self) -> None:
        """Returns when the worker answers. Raises `StartError`."""
        await self._spawn()
        self._task = asyncio.create_task(self._watch(), name="dialogue worker's supervisor")

    async def stop(self) -> None:
        """Ends the worker: asked first, killed after five seconds."""
        self._stopping = True
        self._url = None
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._end()

    async def _spawn(self) -> None:
        try:
            self._log_file.parent.mkdir(parents=True, exist_ok=True)
            with self._log_file.open("ab") as errors:
                self._process = await asyncio.create_subprocess_exec(
                    *self._command,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=errors,
                    env=dict(os.environ),
                    # Its own group: Ctrl-C at the terminal goes to the parent, which ends it in order.
                    start_new_session=True,
                )
        except OSError as error:
            # No memory, no processes left, no room for the log: to be tried again like any other failure.
            raise StartError(f"The dialogue worker could not be started: {error.strerror}.") from error
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(self._config).encode() + b"\n")
            await process.stdin.drain()
            line = await asyncio.wait_for(process.stdout.readline(), self._start_deadline_s)
            answer = json.loads(line or b'{"error": "it ended without a word"}')
        except (OSError, ValueError, asyncio.TimeoutError) as error:
            await self._end()
            raise StartError(f"The dialogue worker did not start: {error!r}. Its log: {self._log_file}") from error
        except asyncio.CancelledError:
            await self._end()
            raise
        if "port" not in answer:
            await self._end()
            if "sentence" in answer:
                kind = ModelMissing if answer.get("code") == ModelMissing.code else StartError
                raise kind(str(answer["sentence"]))
            raise StartError(f"The dialogue worker did not start: {answer.get('error')}. Its log: {self._log_file}")
        self._url = f"http://127.0.0.1:{answer['port']}"

    async def _watch(self) -> None:
        attempt = 0
        while not self._stopping:
            lived = asyncio.get_running_loop().time()
            await self._until_it_fails()
            self._url = None
            await self._end()
            if asyncio.get_running_loop().time() - lived > 60:
                attempt = 0
            pause = self._pauses_s[min(attempt, len(self._pauses_s) - 1)]
            attempt += 1
            log.warning("the dialogue worker ended; starting it again in %.1f s", pause)
            await asyncio.sleep(pause)
            self.restarts += 1
            try:
                await self._spawn()
            except StartError as error:
                log.error("%s", error)

    async def _until_it_fails(self) -> None:
        """Returns when the process has ended, or does not answer three times in a row."""
        if self._process is None or self._url is None:
            return
        ended = asyncio.create_task(self._process.wait())
        misses = 0
        try:
            async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {self.token}"}) as client:
                while misses < 3:
                    done, _ = await asyncio.wait({ended}, timeout=self._health_every_s)
                    if done:
                        return
                    try:
                        timeout = aiohttp.ClientTimeout(total=self._health_every_s)
                        async with client.get(f"{self._url}/health", timeout=timeout) as answer:
                            misses = 0 if answer.status == 200 else misses + 1
                    except (aiohttp.ClientError, asyncio.TimeoutError):
                        misses += 1
        finally:
            ended.cancel()

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        if process.stdin is not None:
            process.stdin.close()
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 5.0)
        except asyncio.TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
