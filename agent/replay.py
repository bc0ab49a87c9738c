"""`concierge replay`: dialogues in, a line a turn out, through the whole system (docs/lines.md).

In, a line a dialogue: {"dialogue_id", "lang", "turns": [text …]}. Out: {"dialogue_id", "turn", "function", "state", "actions",
"reply", "ms"}. Each dialogue has a session, a driver and a car of its own.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import Any, TextIO

from agent.composition import System, open_system, reported_state
from agent.parse import read_line, write_line
from agent.settings import Settings

log = logging.getLogger(__name__)


async def replay(settings: Settings, lines: Iterable[bytes], out: TextIO, *, until_turn: int | None = None) -> int:
    """Writes to `out` as it goes; 0 when every line could be read, otherwise 1."""
    problems = 0
    async with open_system(settings, lasting=False) as system:
        for number, line in enumerate(lines):
            if not line.strip():
                continue
            try:
                row = read_line(line)
                turns = row.get("turns")
                if not isinstance(turns, list) or not all(isinstance(t, str) for t in turns):
                    raise ValueError("no list of texts under 'turns'")
            except ValueError as error:
                problems += 1
                write_line(out, {"dialogue_id": None, "error": str(error)})
                continue
            last = len(turns) if until_turn is None else until_turn + 1
            name = row.get("dialogue_id")
            try:
                await _dialogue(system, f"replay-{number}", name, row.get("lang"), turns[:last], out)
            except OSError:
                # The reader has gone.
                raise
            except Exception as error:
                log.exception("a dialogue could not be replayed")
                problems += 1
                write_line(out, {"dialogue_id": name, "error": f"could not be gone on with: {type(error).__name__}"})
    return 1 if problems else 0


async def _dialogue(system: System, session: str, name: Any, lang: Any, turns: list[str], out: TextIO) -> None:
    system.simulation.restart()
    language = lang if lang in ("ja", "en") else None
    try:
        for index, text in enumerate(turns):
            started = time.perf_counter()
            turn = await system.conversation.turn(session, text, language=language, driver=session)
            ms = (time.perf_counter() - started) * 1000
            understood = turn.understood
            slots = turn.slots or await system.dialogue.slots(session)
            write_line(
                out,
                {
                    "dialogue_id": name,
                    "turn": index,
                    "function": understood.function if understood is not None else "chitchat_oos",
                    "intent": understood.intent if understood is not None else "",
                    "state": reported_state(slots, turn.spoke.language),
                    "actions": [{"name": a.name, "arguments": dict(a.arguments), "ok": a.ok} for a in turn.acted],
                    "reply": turn.spoke.text,
                    "ms": round(ms, 2),
                },
            )
    finally:
        await system.conversation.reset(session)
