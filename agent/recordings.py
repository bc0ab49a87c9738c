"""Utterances kept as sound: off unless the setting `recordings` is on; by driver, listed and erased with `concierge privacy`."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from agent.settings import Settings


@dataclass(frozen=True, slots=True)
class Recording:
    driver: str
    path: Path
    at: datetime
    """when it was kept, by the computer's clock"""
    seconds: float


class Recordings:
    """The folder `state/recordings`, one folder a driver."""

    def __init__(self, settings: Settings) -> None:
        self._folder = settings.state / "recordings"

    def keep(self, driver: str, sound: bytes) -> Path:
        """Writes an utterance (16 kHz mono s16le); readable for the owner of the account only."""
        from audio.wav import write_wav

        folder = self._folder / _safe(driver)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / f"{datetime.now():%Y%m%d-%H%M%S-%f}.wav"
        path.touch(mode=0o600)
        write_wav(path, sound)
        return path

    def list(self, driver: str | None = None) -> list[Recording]:
        """Oldest first; `driver` None: everybody's."""
        out = []
        for path in sorted(self._folder.glob("*/*.wav")):
            if driver is None or path.parent.name == _safe(driver):
                stat = path.stat()
                at = datetime.fromtimestamp(stat.st_mtime)
                out.append(Recording(path.parent.name, path, at, max(0, stat.st_size - 44) / 32_000))
        return sorted(out, key=lambda recording: recording.path.name)

    def erase(self, driver: str | None = None) -> int:
        """Erases a driver's recordings, or everybody's; returns how many there were."""
        count = len(self.list(driver))
        folder = self._folder if driver is None else self._folder / _safe(driver)
        shutil.rmtree(folder, ignore_errors=True)
        return count


def _safe(driver: str) -> str:
    """A name for a folder, whatever the driver is called; different names stay different."""
    return re.sub(r"[^A-Za-z0-9_-]", lambda m: f"~{ord(m[0]):x}~", driver) or "~"
