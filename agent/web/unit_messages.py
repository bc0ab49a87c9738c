"""What the head unit's settings show and change beside Agent+: the wake word, recordings, what this machine can hear
(docs/protocol.md)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from agent.composition import System
from agent.errors import AgentError
from agent.profile import GUEST
from agent.recordings import Recordings
from agent.settings import Settings
from backends.model import Language

Send = Callable[[Mapping[str, Any]], Awaitable[None]]
LONGEST_PHRASE = 80


class UnitMessages:
    """One page's settings."""

    def __init__(self, system: System, session: str, send: Send) -> None:
        self._system, self._session, self._send = system, session, send
        self.handlers: dict[str, Callable[[Mapping[str, Any]], Any]] = {"unit": self._unit}

    def _unit(self, message: Mapping[str, Any]) -> Any:
        asked, wanted = message.get("do"), message.get("language")
        known = self._system.conversation.language_of(self._session)
        language: Language = wanted if wanted in ("ja", "en") else known or "ja"
        if asked == "show":
            return self._answer(language)
        if asked == "wake_word":
            phrase = message.get("phrase")
            return self._wake_word(phrase, language) if isinstance(phrase, str) else False
        if asked == "erase_recordings" and message.get("confirm") is True:
            return self._erase(language)
        return False

    def _settings(self) -> Settings:
        """The settings as they are for who drives."""
        return replace(self._system.settings, driver=self._system.conversation.driver)

    async def _answer(self, language: Language, said: str = "", changed: str = "") -> None:
        found = await asyncio.to_thread(_facts, self._settings())
        await self._send({"type": "unit", **found, "said": said, "changed": changed})

    async def _wake_word(self, phrase: str, language: Language) -> None:
        say = self._system.conversation.say
        if self._system.conversation.driver == GUEST:
            await self._answer(language, say(language, "profile.guest"))
            return
        try:
            key, values, changed = await asyncio.to_thread(_choose, self._settings(), phrase[:LONGEST_PHRASE])
        except AgentError:
            await self._answer(language, say(language, "conversation.error"))
            return
        said = [say(language, name, **v) for name, v in zip(key, values, strict=True)]
        await self._answer(language, ("" if language == "ja" else " ").join(said), "wake_word" if changed else "")

    async def _erase(self, language: Language) -> None:
        await asyncio.to_thread(Recordings(self._settings()).erase, self._settings().driver)
        await self._answer(language, self._system.conversation.say(language, "page.recordings_erased"), "recordings")


def _facts(settings: Settings) -> dict[str, Any]:
    from agent.composition_hearing import wake_word_store
    from agent.speech_models import store_of

    own = wake_word_store(settings).get(settings.driver)
    models = store_of(settings)
    whisper = models.best("whisper", "any") is not None
    kept = Recordings(settings).list(settings.driver)
    return {
        "wake_word": {"phrase": own or settings.wake_word, "own": own is not None, "usual": settings.wake_word},
        "hears": {language: whisper or models.best("vosk", language) is not None for language in ("ja", "en")},
        "wakes": whisper or any(models.best("vosk", language) is not None for language in ("ja", "en")),
        "recordings": {
            "on": settings.recordings,
            "count": len(kept),
            "seconds": round(sum(recording.seconds for recording in kept)),
        },
        "log_text": settings.log_text,
        "online": settings.online,
        "driver": settings.driver,
    }


def _choose(settings: Settings, phrase: str) -> tuple[list[str], list[dict[str, Any]], bool]:
    """Keeps a wake word, "" for the usual one; the sentences to say about it, and whether it was taken."""
    from agent.composition_hearing import Ears, wake_word_store
    from agent.wakewords import check, commands_of, japanese_reading, language_of, tidy

    store = wake_word_store(settings)
    if not phrase.strip():
        store.forget(settings.driver)
        return ["page.wake_word_reset"], [{"phrase": settings.wake_word}], True
    phrase = tidy(phrase)
    spoken = language_of(phrase)
    others = [text for name, text in store.all().items() if name != settings.driver]
    found = check(
        phrase, spoken, japanese_reading(), commands=commands_of(spoken),
        vocabulary=Ears(settings).vocabulary(spoken), others=others,
    )  # fmt: skip
    if refused := [finding for finding in found if finding.refused]:
        return [finding.sentence for finding in refused], [finding.values for finding in refused], False
    store.put(settings.driver, phrase)
    keys = ["wakeword.set", *(finding.sentence for finding in found)]
    return keys, [{"phrase": phrase}, *(finding.values for finding in found)], True
