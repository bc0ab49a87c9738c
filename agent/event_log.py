"""The event log: logs/events.jsonl, one line an event (five files of 2 MB)."""

from __future__ import annotations

import json
import logging
import logging.handlers
from collections.abc import Callable

from agent.events import PERSONAL, Event, to_json
from agent.forgetting import forget_log
from agent.settings import Settings

MOST_BYTES = 2_000_000
FILES = 4
"""earlier files that are kept"""
GUEST = "guest"


class EventLog:
    """A sink for events. Without `log_text` what was said is left out; of a guest it always is."""

    def __init__(self, settings: Settings, driver: Callable[[], str]) -> None:
        """`driver`: id of who drives now; stands in every row that holds words, so that they can be found again and erased."""
        self._settings, self._driver = settings, driver
        self._folder = settings.home / "logs"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._handler = logging.handlers.RotatingFileHandler(
            self._folder / "events.jsonl", maxBytes=MOST_BYTES, backupCount=FILES, encoding="utf-8", delay=True
        )
        self._handler.setFormatter(logging.Formatter("%(message)s"))

    def write(self, event: Event) -> None:
        row = to_json(event)
        driver = self._driver()
        if not self._settings.log_text or driver == GUEST:
            row = {k: v for k, v in row.items() if k not in PERSONAL}
        else:
            row["driver"] = driver
        line = json.dumps(row, ensure_ascii=False)
        self._handler.emit(logging.LogRecord("concierge.events", logging.INFO, "", 0, line, None, None))

    def forget(self, driver: str) -> None:
        """Takes a driver's words out of every file. Raises `ForgettingError`."""
        self._handler.acquire()
        try:
            # Opened again with the next event.
            self._handler.close()
            forget_log(self._folder, driver)
        finally:
            self._handler.release()

    def close(self) -> None:
        self._handler.close()
