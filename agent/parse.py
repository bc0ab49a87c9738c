"""`concierge parse`: JSON lines in, what each sentence means out (docs/lines.md).

In: {"id", "text", "lang", "context"?}. Out, in the same order: {"id", "intent", "confidence", "entities", "function"}, and
"requests" when the sentence holds several. A line that cannot be read gives {"id"?, "error"} and the run goes on.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TextIO

from agent.composition import load_safety, open_parser
from agent.conversation import clean, detect, parse_metadata
from agent.dialogue import Dialogue, Understanding
from agent.safety import Safety
from agent.settings import Settings
from agent.several import requests_of

log = logging.getLogger(__name__)

MAX_CHARACTERS = 4_000


async def parse(settings: Settings, lines: Iterable[bytes], out: TextIO) -> int:
    """Reads `lines`, writes to `out` as it goes; 0 when every line could be read, otherwise 1."""
    from agent.nlu.functions import function_of

    safety = load_safety()
    problems = 0
    async with open_parser(settings) as dialogue:
        for line in lines:
            if not line.strip():
                continue
            answer = await _one(line, dialogue, safety, function_of)
            problems += "error" in answer
            if "intent" in answer:
                answer["function"] = "handoff" if answer["intent"] == "emergency" else function_of(answer["intent"])
            write_line(out, answer)
    return 1 if problems else 0


async def _one(
    line: bytes, dialogue: Dialogue, safety: Safety, function_of: Callable[[str | None], str]
) -> dict[str, Any]:
    try:
        row = read_line(line, "text")
    except ValueError as error:
        return {"id": None, "error": str(error)}
    identity: dict[str, Any] = {"id": row.get("id")}
    text = row["text"]
    if len(text) > MAX_CHARACTERS:
        return {**identity, "error": f"text is longer than {MAX_CHARACTERS} characters"}
    if safety.check(text) is not None:
        return {**identity, "intent": "emergency", "confidence": 1.0, "entities": []}
    if not clean(text):
        return {**identity, "intent": "", "confidence": 0.0, "entities": []}
    language = row["lang"] if row.get("lang") in ("ja", "en") else detect(text, None)
    context = row.get("context")
    try:
        told = parse_metadata(context if isinstance(context, str) else None)
        understanding = await dialogue.parse(text, language=language, metadata=told)
        parts = await requests_of(dialogue, function_of, text, language, told)
    except Exception as error:
        # One sentence the engines stumble over does not take the thousands after it along.
        log.exception("a line could not be parsed")
        return {**identity, "error": f"could not be understood: {type(error).__name__}"}
    answer = {**identity, **_meaning(understanding)}
    if parts:
        answer["requests"] = [
            {
                "text": part.text,
                "start": part.start,
                **_meaning(part.understanding),
                "function": function_of(part.understanding.intent),
            }
            for part in parts
        ]
    return answer


def _meaning(understanding: Understanding) -> dict[str, Any]:
    return {
        "intent": understanding.intent,
        "confidence": round(understanding.confidence, 4),
        "entities": [dict(e) for e in understanding.entities],
    }


def read_line(line: bytes, *needed: str) -> dict[str, Any]:
    """One JSON object with text under each `needed` key. Raises `ValueError` that says what is wrong."""
    try:
        row = json.loads(line.decode("utf-8-sig"), parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise ValueError("not UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from error
    if not isinstance(row, dict):
        raise ValueError("not a JSON object")
    for key in needed:
        if not isinstance(row.get(key), str):
            raise ValueError(f"no text under {key!r}")
    for key, value in row.items():
        if key in ("text", "context") and isinstance(value, str):
            # Lone surrogates can be written in JSON but not in UTF-8.
            row[key] = value.encode("utf-8", "replace").decode("utf-8")
    return row


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def write_line(out: TextIO, row: Mapping[str, Any]) -> None:
    """Writes one line of JSON, whatever is in it: a lone surrogate of an `id` goes out escaped, as it came in."""
    try:
        text = json.dumps(row, ensure_ascii=False)
    except RecursionError:
        text = json.dumps({"id": None, "error": "nested too deeply"})
    out.write(text.encode("utf-8", "backslashreplace").decode("utf-8") + "\n")
    out.flush()
