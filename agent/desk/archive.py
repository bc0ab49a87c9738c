"""What was said, afterwards: search, export, retention, erasure."""

from __future__ import annotations

import csv
import html
import io
import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from agent.desk import grams as words
from agent.desk import tables as t
from agent.desk.database import stored, utc_now
from agent.desk.states import FINAL

_PARTS = (t.events, t.pushes, t.messages)
"""tables with a column `handoff`"""


class Archive:
    def __init__(self, now: Callable[[], datetime] = utc_now) -> None:
        self._now = now

    def search(self, db: Any, text: str, *, driver: str | None = None, limit: int = 50) -> list[dict[str, Any]]:
        """Lines that contain `text` in any width, case and kana; newest first."""
        folded = words.fold(text)
        if not folded:
            return []
        query = (
            sa.select(t.messages, t.handoffs.c.driver, t.handoffs.c.state)
            .join(t.handoffs, t.handoffs.c.id == t.messages.c.handoff)
            .where(t.messages.c.folded.like(words.like(folded), escape="\\"))
        )
        pairs = words.grams(folded)
        if pairs:
            # The pairs narrow it down by index; LIKE then holds the order of the characters.
            with_all = (
                sa.select(t.grams.c.message)
                .where(t.grams.c.gram.in_(pairs))
                .group_by(t.grams.c.message)
                .having(sa.func.count() == len(pairs))
            )
            query = query.where(t.messages.c.n.in_(with_all))
        if driver is not None:
            query = query.where(t.handoffs.c.driver == driver)
        rows = db.execute(query.order_by(t.messages.c.n.desc()).limit(limit))
        keys = ("handoff", "at", "speaker", "author", "text", "language", "driver", "state")
        return [{key: getattr(row, key) for key in keys} for row in rows]

    def purge(self, db: Any, days: int) -> int:
        """Removes handoffs that ended more than `days` ago; how many."""
        until = stored(self._now() - timedelta(days=days))
        old = (t.handoffs.c.state.in_(FINAL)) & (t.handoffs.c.ended_at < until)
        ids = [row[0] for row in db.execute(sa.select(t.handoffs.c.id).where(old))]
        db.execute(t.audit.delete().where(t.audit.c.at < until))
        return self._remove(db, ids)

    def erase(self, db: Any, driver: str) -> int:
        """Removes everything about a driver; how many handoffs it was. Of open ones too: the caller ends them first."""
        ids = [row[0] for row in db.execute(sa.select(t.handoffs.c.id).where(t.handoffs.c.driver == driver))]
        return self._remove(db, ids)

    def open_of(self, db: Any, driver: str) -> list[str]:
        live = (t.handoffs.c.driver == driver) & t.handoffs.c.state.notin_(FINAL)
        return [row[0] for row in db.execute(sa.select(t.handoffs.c.id).where(live))]

    def statistics(self, db: Any) -> dict[str, Any]:
        """Counts by state and reason, waiting time, of what is kept."""
        by_state = dict(
            iter(db.execute(sa.select(t.handoffs.c.state, sa.func.count()).group_by(t.handoffs.c.state)).all())
        )
        by_reason = dict(
            iter(db.execute(sa.select(t.handoffs.c.reason, sa.func.count()).group_by(t.handoffs.c.reason)).all())
        )
        times = db.execute(
            sa.select(t.handoffs.c.queued_at, t.handoffs.c.accepted_at).where(t.handoffs.c.accepted_at.isnot(None))
        ).all()
        waits = sorted((accepted - queued).total_seconds() for queued, accepted in times)
        middle = waits[len(waits) // 2] if waits else None
        late = waits[min(len(waits) - 1, int(0.95 * len(waits)))] if waits else None
        return {"states": by_state, "reasons": by_reason, "wait_median_s": middle, "wait_p95_s": late}

    def _remove(self, db: Any, ids: list[str]) -> int:
        for start in range(0, len(ids), 200):
            some = ids[start : start + 200]
            lines = sa.select(t.messages.c.n).where(t.messages.c.handoff.in_(some))
            db.execute(t.grams.delete().where(t.grams.c.message.in_(lines)))
            for table in _PARTS:
                db.execute(table.delete().where(table.c.handoff.in_(some)))
            db.execute(t.audit.update().where(t.audit.c.handoff.in_(some)).values(detail=None))
            db.execute(t.handoffs.delete().where(t.handoffs.c.id.in_(some)))
        return len(ids)


# ── exports ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def as_json(handoff: Mapping[str, Any]) -> str:
    return json.dumps(handoff, ensure_ascii=False, indent=1)


def as_csv(handoff: Mapping[str, Any]) -> str:
    """One line of the talk a row, with a byte-order mark for spreadsheets; no cell is ever read as a formula."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(("handoff", "at", "speaker", "author", "language", "confidence", "text"))
    for line in handoff["messages"]:
        row = (
            handoff["id"],
            line["at"],
            line["speaker"],
            line["author"],
            line["language"],
            line["confidence"],
            line["text"],
        )
        writer.writerow([safe_cell(cell) for cell in row])
    return "\ufeff" + out.getvalue()


def safe_cell(value: Any) -> str:
    """A cell a spreadsheet shows as it is: what begins like a formula gets an apostrophe before it."""
    text = "" if value is None else str(value)
    # Spreadsheets look past leading white space and take full-width signs as well.
    start = text.lstrip(" \u3000\u00a0\t\r\n\ufeff\u200b")[:1]
    return f"'{text}" if start in tuple("=+-@＝＋－＠|%") or text[:1] in ("\t", "\r", "\n") else text


def facts(handoff: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What stands before the talk on paper: name and value."""
    packet = handoff["packet"]
    language = packet["driver"]["language"]
    items = [(item["name"], item["label"][language]) for item in (*packet["slots"], *packet["wish"]["fields"])]
    rejected = [("rejected", item["label"][language]) for item in packet["already_rejected"]]
    pairs = [
        ("id", handoff["id"]), ("state", handoff["state"]), ("reason", handoff["reason"]), ("created", handoff["created_at"]),
        ("accepted", handoff["accepted_at"]), ("ended", handoff["ended_at"]), ("operator", handoff["operator"]),
        ("driver", handoff["driver"]), ("plate", handoff["plate"]), ("summary", packet["summary"][language]), ("note", handoff["note"]),
        *items, *rejected,
    ]  # fmt: skip
    return [(str(name), str(value)) for name, value in pairs if value not in (None, "")]


def as_html(handoff: Mapping[str, Any]) -> str:
    """A page to print: text alone, no script, every value escaped."""
    e = html.escape
    table = "".join(f"<tr><th>{e(name)}</th><td>{e(value)}</td></tr>" for name, value in facts(handoff))
    lines = "".join(
        f"<tr><td>{e(m['at'])}</td><td>{e(m['speaker'])}{': ' + e(m['author']) if m['author'] else ''}</td><td>{e(m['text'])}</td></tr>"
        for m in handoff["messages"]
    )
    return (
        f'<!doctype html><html lang="{e(handoff["packet"]["driver"]["language"])}"><head><meta charset="utf-8"><title>{e(handoff["id"])}</title>'
        '<link rel="stylesheet" href="/desk/print.css"></head><body>'
        f"<h1>{e(handoff['id'])}</h1><table>{table}</table><table>{lines}</table></body></html>"
    )


def as_pdf(handoff: Mapping[str, Any]) -> bytes:
    """The same as a file (agent/desk/paper.py)."""
    from agent.desk import paper

    return paper.as_pdf(handoff, facts(handoff))
