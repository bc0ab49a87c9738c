"""What has been heard so far of an utterance, and its meaning computed before the utterance is over."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future

from agent.voice_ports import NOT_FOR_US
from audio.endpointing import Completeness


class Ahead:
    """The partial texts of one utterance after the other."""

    def __init__(self, meaning: Callable[[str], Future[str] | None], stable_frames: int) -> None:
        """`meaning` asks for the intent of a text; a text is asked about once it stayed for `stable_frames`."""
        self._ask, self._stable = meaning, stable_frames
        self._meanings: dict[str, str] = {}
        self._asking: dict[str, Future[str]] = {}
        self.partial = ""
        self.latest = ""
        """the last one that was not empty"""
        self._changed_at = 0

    def start(self, now: int) -> None:
        """Another utterance begins, at frame `now`."""
        self.partial = self.latest = ""
        self._changed_at = now
        self._asking.clear()

    def changed(self, partial: str, now: int) -> bool:
        """Takes the text so far; whether it is another one."""
        if partial == self.partial:
            return False
        self.partial, self._changed_at = partial, now
        self.latest = partial or self.latest
        return True

    def understood(self, now: int) -> bool:
        """Whether the meaning of the present text has just become known; asks for it when it is due."""
        text = self.partial
        if not text or text in self._meanings:
            return False
        if text not in self._asking:
            if now - self._changed_at >= self._stable and (asking := self._ask(text)) is not None:
                self._asking[text] = asking
            return False
        if not self._asking[text].done():
            return False
        asked = self._asking.pop(text)
        self._meanings[text] = "" if asked.exception() else asked.result()
        return True

    def meaning(self, text: str) -> str:
        """The intent of a text, "" when it is not known."""
        return self._meanings.get(text, "")

    def judge(self, text: str) -> Completeness:
        """Whether a text is a whole request, as far as is known by now."""
        meaning = self.meaning(text)
        return "complete" if meaning and meaning not in NOT_FOR_US else "unknown"

    def forget(self) -> None:
        """The conversation went on: what a text means may be another now."""
        self._meanings.clear()
        self._asking.clear()

    def pending(self) -> list[Future[str]]:
        return list(self._asking.values())
