"""What Agent+ has learnt, on the page: looked at, changed, erased, taken away (docs/protocol.md, "Agent+ on the page")."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Literal

from agent.agentplus import AgentPlus
from agent.agentplus.model import Answered
from agent.agentplus.requests import BadRequest
from agent.composition import System
from agent.prediction.errors import HistoryError
from backends.errors import BackendError
from backends.model import Language

log = logging.getLogger(__name__)

Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Work = Coroutine[Any, Any, None] | Literal[False] | None
PAGE_REQUESTS = frozenset({"set", "name", "driver", "add_driver", "rename_driver", "remove_driver", "erase"})
"""what the page may ask beside `show` and `export`"""
SETTABLE = frozenset({"paused", "frequency", "quiet", "class", "on", "days", "part"})


class AgentPlusMessages:
    """The messages `agentplus` of one open page."""

    def __init__(self, system: System, session: str, send: Send) -> None:
        self._system, self._session, self._send = system, session, send
        self._busy = asyncio.Lock()
        self.handlers: dict[str, Callable[[Mapping[str, Any]], Work]] = {"agentplus": self._take}

    def _take(self, message: Mapping[str, Any]) -> Work:
        do = message.get("do")
        if not isinstance(do, str) or do not in PAGE_REQUESTS | {"show", "export"}:
            return False
        return self._answer(do, message)

    async def _answer(self, do: str, message: Mapping[str, Any]) -> None:
        plus, language = self._system.plus, self._language(message)
        if plus is None:
            said = self._system.phrases.say(language, "agentplus.off")
            await self._send({"type": "agentplus", "do": do, "on": False, "said": said})
            return
        async with self._busy:
            try:
                if do == "export":
                    await self._send(await _export(plus))
                    return
                done = await _done(plus, do, message, language)
                picture = await plus.learnt.picture(language)
            except BadRequest as error:
                log.info("agentplus %s: %s", do, error)
                await self._refuse("agentplus.not_so", language)
                return
            except (BackendError, HistoryError) as error:
                log.warning("agentplus %s: %s", do, error)
                await self._refuse("agentplus.failed", language)
                return
        if done is not None and not done.ok:
            await self._send({"type": "refused", "reason": done.text})
            return
        await self._send({"type": "agentplus", "do": do, **picture, "said": done.text if done is not None else ""})

    def _language(self, message: Mapping[str, Any]) -> Language:
        wanted = message.get("language")
        if wanted in ("ja", "en"):
            return "en" if wanted == "en" else "ja"
        plus = self._system.plus
        if plus is not None:
            return plus.spoken(self._session)
        return "en" if self._system.settings.language == "en" else "ja"

    async def _refuse(self, key: str, language: Language) -> None:
        await self._send({"type": "refused", "reason": self._system.phrases.say(language, key)})


async def _done(plus: AgentPlus, do: str, message: Mapping[str, Any], language: Language) -> Answered | None:
    """Raises `BadRequest`. A page asks before it erases all: without `confirm` nothing is done."""
    if do == "show":
        return None
    if do == "set":
        wish = {key: message[key] for key in SETTABLE if key in message}
        if not wish:
            raise BadRequest("nothing to set")
        return await plus.perform({"do": "set", **wish}, language)
    if do == "erase" and message.get("all") is True:
        if message.get("confirm") is not True:
            raise BadRequest("not confirmed")
        return await plus.perform({"do": "initialise", "confirm": True}, language)
    if do == "remove_driver" and message.get("confirm") is not True:
        raise BadRequest("not confirmed")
    request = {key: value for key, value in message.items() if key not in ("type", "language")}
    return await plus.perform(request, language)


async def _export(plus: AgentPlus) -> dict[str, Any]:
    """Everything of the driver at the wheel; of a guest nothing."""
    profile = plus.profile
    document: dict[str, Any] = {"profile": profile.name, "role": profile.role}
    if profile.role != "guest":
        document |= await asyncio.to_thread(plus.history.everything, profile.id)
        kept = await plus.senses.memory.history(profile.id, limit=200)
        document["destinations"] = [
            {"name": s.name, "latitude": s.position.latitude, "longitude": s.position.longitude,
             "at": s.at.isoformat() if s.at is not None else None}
            for s in kept
        ]  # fmt: skip
        for label in ("home", "work"):
            if (saved := await plus.senses.memory.get(profile.id, label)) is not None:
                document[label] = {"latitude": saved.position.latitude, "longitude": saved.position.longitude}
    return {"type": "agentplus_export", "filename": f"agentplus-{profile.id}.json", "document": document}
