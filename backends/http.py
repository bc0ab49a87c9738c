"""A small client for the centre's and other people's servers: one GET, bounded in time, size and redirects.

Every failure becomes a `BackendError` of the port that asked:

    no connection, connection lost, 5xx, 429 → BackendUnavailable      no answer in time → BackendTimeout
    too large, not JSON, odd status          → BadAnswer               401, 402, 403     → Rejected
    404, 410                                 → NotFound
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from backends.errors import BackendTimeout, BackendUnavailable, BadAnswer, NotFound, Rejected

MAX_BYTES = 2_000_000
"""No forecast or feed we ask for is near this size."""
DEMO_HEADER = "X-Demo"
"""`true` on every answer of the simulated centre"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said."""

    body: bytes
    headers: Mapping[str, str]
    """names in lower case"""

    @property
    def demo(self) -> bool:
        return self.headers.get(DEMO_HEADER.lower(), "").lower() == "true"


def open_session() -> aiohttp.ClientSession:
    """A session for the adapters of one event loop; whoever opens it closes it. Call it inside the loop."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=16, ttl_dns_cache=300),
        headers={"User-Agent": "voice-concierge/0.1"},
        cookie_jar=aiohttp.DummyCookieJar(),
        # Each request brings its own deadline; the session's own of 300 s would never be of use to a driver.
        timeout=aiohttp.ClientTimeout(total=30),
    )


async def get(
    session: aiohttp.ClientSession,
    url: str,
    *,
    stage: str,
    deadline_s: float,
    params: Mapping[str, str] | None = None,
    max_bytes: int = MAX_BYTES,
) -> Answer:
    """The body of `url`. Ends within `deadline_s` seconds, reads at most `max_bytes`. Raises `BackendError`s of `stage`."""
    try:
        # One deadline round everything: connecting, redirects and a body that drips.
        return await asyncio.wait_for(_get(session, url, stage, params, max_bytes), deadline_s)
    except (TimeoutError, asyncio.TimeoutError) as error:
        raise BackendTimeout(stage, f"no answer within {deadline_s:g} s") from error
    except aiohttp.ClientPayloadError as error:
        raise BackendUnavailable(stage, "connection lost while reading") from error
    except (aiohttp.InvalidURL, aiohttp.TooManyRedirects, aiohttp.ClientResponseError) as error:
        raise BadAnswer(stage, type(error).__name__) from error
    except (aiohttp.ClientError, OSError) as error:
        raise BackendUnavailable(stage, type(error).__name__) from error


async def _get(
    session: aiohttp.ClientSession, url: str, stage: str, params: Mapping[str, str] | None, max_bytes: int
) -> Answer:
    async with session.get(url, params=params, max_redirects=3) as response:
        if response.status in (401, 402, 403):
            raise Rejected(stage, f"HTTP {response.status}")
        if response.status in (404, 410):
            raise NotFound(stage, f"HTTP {response.status}")
        if response.status >= 500 or response.status == 429:
            raise BackendUnavailable(stage, f"HTTP {response.status}")
        if response.status != 200:
            raise BadAnswer(stage, f"HTTP {response.status}")
        if (response.content_length or 0) > max_bytes:
            raise BadAnswer(stage, "too large")
        body = bytearray()
        # Counted while reading: the length a server announces is only its word, and gzip grows.
        async for chunk in response.content.iter_chunked(65_536):
            body += chunk
            if len(body) > max_bytes:
                raise BadAnswer(stage, "too large")
        return Answer(bytes(body), {k.lower(): v for k, v in response.headers.items()})


def parse_json(answer: Answer, stage: str) -> Any:
    """The answer as JSON. Raises `BadAnswer`."""
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError) as error:
        raise BadAnswer(stage, "not JSON") from error
