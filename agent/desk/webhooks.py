"""Webhooks: every event to each call centre that wants it, signed, in order, until it is taken."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from agent.desk import tables as t
from agent.desk.service import Service
from backends.signing import sign

log = logging.getLogger(__name__)
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 60.0
DEADLINE_S = 5.0
BATCH = 50


async def deliver(service: Service) -> None:
    """Until cancelled: one task a client with a webhook; a client that is slow or down holds up nobody else."""
    tasks: dict[str, asyncio.Task[None]] = {}
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        try:
            while True:
                service.changed.clear()
                clients = await service.read(
                    lambda db: db.execute(t.clients.select().where(t.clients.c.webhook.isnot(None))).all()
                )
                for client in clients:
                    if client.key not in tasks or tasks[client.key].done():
                        tasks[client.key] = asyncio.create_task(_serve(service, session, client.key))
                # Looked again now and then: a task may have returned just before the event it should have sent.
                with contextlib.suppress(asyncio.TimeoutError, TimeoutError):
                    await asyncio.wait_for(service.changed.wait(), 1.0)
        finally:
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)


async def _serve(service: Service, session: aiohttp.ClientSession, key: str) -> None:
    """Sends what a client has not had; returns when there is nothing left."""
    pause = FIRST_PAUSE_S
    while True:
        client, events = await service.read(lambda db: _due(service, db, key))
        if client is None or not events:
            return
        for event in events:
            if not await _post(session, client, event):
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_S)
                break
            pause = FIRST_PAUSE_S
            seq = event["seq"]
            await service.read(
                lambda db, seq=seq: db.execute(  # type: ignore[misc]
                    t.clients.update().where(t.clients.c.key == key).values(webhook_seq=seq)
                )
            )


def _due(service: Service, db: Any, key: str) -> tuple[Any, list[dict[str, Any]]]:
    client = service.accounts.client(db, key)
    if client is None or not client.webhook:
        return None, []
    return client, service.store.events_after(db, client.webhook_seq, limit=BATCH)


async def _post(session: aiohttp.ClientSession, client: Any, event: dict[str, Any]) -> bool:
    body = json.dumps(event, ensure_ascii=False).encode()
    parts = urlsplit(client.webhook)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {**sign(client.key, client.secret, "POST", path, body), "Content-Type": "application/json"}
    try:
        async with session.post(
            client.webhook,
            data=body,
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=DEADLINE_S),
            allow_redirects=False,
        ) as response:
            if 200 <= response.status < 300:
                return True
            log.warning("webhook of %s answered %d", client.key, response.status)
    except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
        log.warning("webhook of %s: %s", client.key, type(error).__name__)
    return False
