"""The handoffs the desk keeps: one transaction a step, the step guarded by the state it needs (compare-and-set).

Every method takes the open connection (`Database.run`), changes the tables and appends events; the caller publishes what
`Store.fresh` returns after the commit. Nothing else writes `handoffs.state`, and `_move` is the only place that does here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from agent.desk import grams as words
from agent.desk import tables as t
from agent.desk.database import shown, stored, utc_now
from agent.desk.document import pushed
from agent.desk.errors import Conflict, NotThere, Refused, Unfit
from agent.desk.prepared import Prepared, inserting
from agent.desk.states import FINAL, sources
from backends.model import HandoffState
from backends.redaction import redact

MAX_MESSAGE = 2_000
"""characters of one message"""
EVENTS_AT_ONCE = 500
_WHERE = Prepared(
    sa.select(
        t.handoffs.c.state,
        sa.select(sa.func.max(t.events.c.seq)).where(t.events.c.handoff == sa.bindparam("id")).scalar_subquery(),
    ).where(t.handoffs.c.id == sa.bindparam("id"))
)
"""state of a handoff and its last event"""
_POSITION = Prepared(
    sa.select(sa.func.count())
    .select_from(t.handoffs)
    .where(
        t.handoffs.c.state == "queued",
        t.handoffs.c.created_at
        <= sa.select(t.handoffs.c.created_at).where(t.handoffs.c.id == sa.bindparam("id")).scalar_subquery(),
    )
)
_CLAIM = Prepared(
    t.handoffs.update()
    .where(t.handoffs.c.id == sa.bindparam("claimed"), t.handoffs.c.state == "queued")
    .values(
        state="accepted",
        operator=sa.bindparam("operator"),
        accepted_at=sa.bindparam("accepted_at", type_=t.handoffs.c.accepted_at.type),
    )
)
_HOLDER = Prepared(sa.select(t.handoffs.c.state, t.handoffs.c.operator).where(t.handoffs.c.id == sa.bindparam("id")))
_EVENTS = (
    t.events.select()
    .where(t.events.c.seq > sa.bindparam("after"))
    .order_by(t.events.c.seq)
    .limit(sa.bindparam("most", type_=sa.Integer))
)
_EVENTS_OF = _EVENTS.where(t.events.c.handoff == sa.bindparam("of"))
_EVENT = inserting(t.events, "handoff", "at", "type", "data")


class Store:
    def __init__(self, now: Callable[[], datetime] = utc_now) -> None:
        self._now = now

    # ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────

    def row(self, db: Any, handoff: str) -> Any:
        """Raises `NotThere`."""
        found = db.execute(t.handoffs.select().where(t.handoffs.c.id == handoff)).first()
        if found is None:
            raise NotThere(handoff)
        return found

    def receipt(self, db: Any, handoff: str) -> dict[str, Any]:
        found = _WHERE(db, id=handoff).first()
        if found is None:
            raise NotThere(handoff)
        state, last = found
        position = int(_POSITION(db, id=handoff).scalar()) if state == "queued" else 0
        return {"id": handoff, "state": state, "seq": int(last or 0), "position": position}

    def listed(self, db: Any, states: Sequence[str], limit: int = 200) -> list[dict[str, Any]]:
        """Handoffs in these states, those that wait longest first."""
        query = t.handoffs.select().where(t.handoffs.c.state.in_(states))
        order = t.handoffs.c.created_at if not set(states) & FINAL else t.handoffs.c.ended_at.desc()
        return [brief(row, self._now()) for row in db.execute(query.order_by(order).limit(limit))]

    def whole(self, db: Any, handoff: str) -> dict[str, Any]:
        """Everything about one handoff: packet, messages, pushes, history."""
        row = self.row(db, handoff)
        said = db.execute(t.messages.select().where(t.messages.c.handoff == handoff).order_by(t.messages.c.n))
        sent = db.execute(t.pushes.select().where(t.pushes.c.handoff == handoff).order_by(t.pushes.c.at))
        history = db.execute(
            t.events.select()
            .where(t.events.c.handoff == handoff, t.events.c.type.in_(("state", "operator")))
            .order_by(t.events.c.seq)
        )
        return {
            **brief(row, self._now()),
            "packet": json.loads(row.packet),
            "messages": [message_json(m) for m in said],
            "pushes": [push_json(p) for p in sent],
            "history": [event_json(e) for e in history],
            "seq": self.receipt(db, handoff)["seq"],
        }

    def events_after(
        self, db: Any, after: int, handoff: str | None = None, limit: int = EVENTS_AT_ONCE
    ) -> list[dict[str, Any]]:
        query = _EVENTS if handoff is None else _EVENTS_OF
        values = {"after": after, "most": limit, **({} if handoff is None else {"of": handoff})}
        return [event_json(row) for row in db.execute(query, values)]

    def last_event(self, db: Any) -> int:
        return int(db.execute(sa.select(sa.func.max(t.events.c.seq))).scalar() or 0)

    # ── the car's steps ─────────────────────────────────────────────────────────────────────────────────────────

    def submit(self, db: Any, packet: Mapping[str, Any], client: str) -> tuple[dict[str, Any], bool]:
        """Takes a checked packet into the queue; the same packet again changes nothing. (receipt, whether it is new)"""
        handoff = str(packet["id"])
        known = db.execute(t.handoffs.select().where(t.handoffs.c.id == handoff)).first()
        if known is not None:
            if known.digest != packet["digest"] or known.client != client:
                raise Conflict("another packet has this id")
            return self.receipt(db, handoff), False
        now = stored(self._now())
        db.execute(
            t.handoffs.insert().values(
                id=handoff,
                client=client,
                driver=packet["driver"]["id"],
                plate=packet["vehicle"]["plate"],
                reason=packet["reason"],
                language=packet["driver"]["language"],
                test=packet["test"],
                state="requested",
                hold=False,
                created_at=now,
                packet=json.dumps(packet, ensure_ascii=False),
                digest=packet["digest"],
            )
        )
        self._event(db, handoff, "state", {"state": "requested", "by": client})
        for line in packet["transcript"]:
            self._add_message(
                db,
                handoff,
                {**line, "id": f"{handoff}:{line['n']}"},
                author=None,
                before=True,
            )
        self._move(db, handoff, "queued", by=client, queued_at=now)
        return self.receipt(db, handoff), True

    def activate(self, db: Any, handoff: str) -> dict[str, Any]:
        """The car has given the line to the operator."""
        row = self.row(db, handoff)
        if row.state != "active":
            self._move(db, handoff, "active", by="car", active_at=stored(self._now()))
        return self.receipt(db, handoff)

    def end_from_car(self, db: Any, handoff: str, outcome: str, reason: str) -> dict[str, Any]:
        """The driver or the car ends it. What has ended stays as it ended."""
        if outcome not in ("cancelled", "dropped"):
            raise Unfit("outcome")
        row = self.row(db, handoff)
        if row.state not in FINAL:
            self.finish(db, handoff, "cancelled" if outcome == "cancelled" else "dropped", by="car", reason=reason)
        return self.receipt(db, handoff)

    # ── the operator's steps ────────────────────────────────────────────────────────────────────────────────────

    def claim(self, db: Any, handoff: str, operator: str) -> dict[str, Any]:
        """First come, first served: raises `Conflict` when somebody else was quicker or it is not waiting any more. Repeated by
        the one who has it, it changes nothing."""
        changed = _CLAIM(db, claimed=handoff, operator=operator, accepted_at=stored(self._now())).rowcount
        if changed == 1:
            self._event(db, handoff, "state", {"state": "accepted", "by": operator, "operator": operator})
            return self.receipt(db, handoff)
        holder = _HOLDER(db, id=handoff).first()
        if holder is None:
            raise NotThere(handoff)
        if holder.operator == operator and holder.state in ("accepted", "active"):
            return self.receipt(db, handoff)
        raise Conflict(str(holder.state))

    def decline(self, db: Any, handoff: str, operator: str, reason: str) -> dict[str, Any]:
        row = self.row(db, handoff)
        if row.state == "accepted":
            self._owned(row, operator)
        self.finish(db, handoff, "declined", by=operator, reason=reason)
        return self.receipt(db, handoff)

    def call_again(self, db: Any, handoff: str, reason: str) -> None:
        """The operator is lost: back into the queue, before those that came later, with everything that was said."""
        self._lapse(db, handoff)
        self._move(
            db, handoff, "queued", by="desk", reason=reason, queued_at=stored(self._now()), operator=None, joined=None,
            hold=False, accepted_at=None, active_at=None, calls=t.handoffs.c.calls + 1,
        )  # fmt: skip

    def give_back(self, db: Any, handoff: str, operator: str, note: str) -> dict[str, Any]:
        row = self._owned(self.row(db, handoff), operator)
        if row.state != "active":
            raise Conflict(row.state)
        self.finish(db, handoff, "returned", by=operator, note=redact(note)[0][:MAX_MESSAGE])
        return self.receipt(db, handoff)

    def hold(self, db: Any, handoff: str, operator: str, on: bool) -> dict[str, Any]:
        row = self._owned(self.row(db, handoff), operator)
        if row.state != "active":
            raise Conflict(row.state)
        if bool(row.hold) != on:
            db.execute(t.handoffs.update().where(t.handoffs.c.id == handoff).values(hold=on))
            self._event(db, handoff, "hold", {"on": on, "operator": operator})
        return self.receipt(db, handoff)

    def transfer(self, db: Any, handoff: str, supervisor: str, to: str) -> dict[str, Any]:
        """Another operator gets an accepted or active handoff."""
        if db.execute(t.users.select().where(t.users.c.name == to)).first() is None:
            raise NotThere(to)
        changed = db.execute(
            t.handoffs.update()
            .where(t.handoffs.c.id == handoff, t.handoffs.c.state.in_(("accepted", "active")))
            .values(operator=to, joined=None, hold=False)
        ).rowcount
        if changed != 1:
            raise Conflict(self.row(db, handoff).state)
        self._event(db, handoff, "operator", {"operator": to, "by": supervisor, "present": True, "transferred": True})
        return self.receipt(db, handoff)

    def join(self, db: Any, handoff: str, supervisor: str) -> dict[str, Any]:
        """A supervisor may speak as well from now on."""
        changed = db.execute(
            t.handoffs.update()
            .where(t.handoffs.c.id == handoff, t.handoffs.c.state == "active")
            .values(joined=supervisor)
        ).rowcount
        if changed != 1:
            raise Conflict(self.row(db, handoff).state)
        self._event(db, handoff, "operator", {"joined": supervisor})
        return self.receipt(db, handoff)

    def push(
        self, db: Any, handoff: str, operator: str, push: str, kind: str, data: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Something sent to the car; the same id again changes nothing."""
        row = self._owned(self.row(db, handoff), operator)
        if row.state != "active":
            raise Conflict(row.state)
        cleaned = pushed(kind, data)
        known = db.execute(t.pushes.select().where(t.pushes.c.id == push)).first()
        if known is not None:
            if known.handoff != handoff or json.loads(known.data) != cleaned:
                raise Conflict("another push has this id")
            return push_json(known)
        db.execute(
            t.pushes.insert().values(
                id=push,
                handoff=handoff,
                kind=kind,
                data=json.dumps(cleaned, ensure_ascii=False),
                state="sent",
                author=operator,
                at=stored(self._now()),
            )
        )
        made = push_json(db.execute(t.pushes.select().where(t.pushes.c.id == push)).first())
        self._event(db, handoff, "push", made)
        return made

    def answer_push(self, db: Any, handoff: str, push: str, state: str, detail: str) -> dict[str, Any]:
        """What became of it in the car; the first answer counts."""
        if state not in ("accepted", "refused", "failed"):
            raise Unfit("state")
        changed = db.execute(
            t.pushes.update()
            .where(t.pushes.c.id == push, t.pushes.c.handoff == handoff, t.pushes.c.state == "sent")
            .values(state=state, detail=detail[:500], answered_at=stored(self._now()))
        ).rowcount
        row = db.execute(t.pushes.select().where(t.pushes.c.id == push, t.pushes.c.handoff == handoff)).first()
        if row is None:
            raise NotThere(push)
        made = push_json(row)
        if changed == 1:
            self._event(db, handoff, "push", made)
        return made

    # ── both ────────────────────────────────────────────────────────────────────────────────────────────────────

    def say(
        self, db: Any, handoff: str, message: Mapping[str, Any], *, author: str | None, operator: str | None = None
    ) -> tuple[dict[str, Any], bool]:
        """One line. From an operator only with the line in hand; from the car also when it comes late. (message, new?)"""
        row = self.row(db, handoff)
        if operator is not None:
            if row.state != "active":
                raise Conflict(row.state)
            if operator not in (row.operator, row.joined):
                raise Refused("another operator has the line")
        known = db.execute(t.messages.select().where(t.messages.c.id == message["id"])).first()
        if known is not None:
            if known.handoff != handoff:
                raise Conflict("another message has this id")
            return message_json(known), False
        made = self._add_message(db, handoff, message, author=author, before=False)
        self._event(db, handoff, "message", made)
        return made, True

    def heard(self, db: Any, handoff: str, message: Mapping[str, Any], operator: str) -> dict[str, Any] | None:
        """What an operator said into the microphone, written down a little later: kept also when the talk has ended meanwhile;
        None when it was kept already. Whether the operator had the line is asked when the sound comes."""
        self.row(db, handoff)
        if db.execute(t.messages.select().where(t.messages.c.id == message["id"])).first() is not None:
            return None
        made = self._add_message(db, handoff, {**message, "spoken": True}, author=operator, before=False)
        self._event(db, handoff, "message", made)
        return made

    def presence(self, db: Any, handoff: str, who: str, present: bool) -> None:
        """A side's line was lost or is there again; `who`: operator or car."""
        row = self.row(db, handoff)
        if row.state in FINAL:
            return
        data = {"present": present, **({"operator": row.operator} if who == "operator" else {})}
        self._event(db, handoff, who, data)

    def finish(
        self,
        db: Any,
        handoff: str,
        outcome: HandoffState,
        *,
        by: str,
        reason: str = "",
        note: str | None = None,
    ) -> None:
        """The one way out: every end of a handoff goes through here."""
        extra: dict[str, Any] = {"ended_at": stored(self._now()), "outcome_reason": reason[:500], "hold": False}
        if note:
            text = {"id": f"{handoff}:note", "speaker": "operator", "text": note, "language": "ja",
                    "at": self._now().isoformat(timespec="seconds")}  # fmt: skip
            self._add_message(db, handoff, text, author=by, before=False)
        self._lapse(db, handoff)
        self._move(db, handoff, outcome, by=by, reason=reason, note=note, **extra)

    def _lapse(self, db: Any, handoff: str) -> None:
        """What was sent to the car and not answered is withdrawn."""
        db.execute(
            t.pushes.update()
            .where(t.pushes.c.handoff == handoff, t.pushes.c.state == "sent")
            .values(state="lapsed", answered_at=stored(self._now()))
        )

    # ── inside ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _move(
        self,
        db: Any,
        handoff: str,
        to: HandoffState,
        *,
        by: str,
        reason: str = "",
        note: str | None = None,
        **columns: Any,
    ) -> None:
        changed = db.execute(
            t.handoffs.update()
            .where(t.handoffs.c.id == handoff, t.handoffs.c.state.in_(sources(to)))
            .values(state=to, **({"note": note} if note is not None else {}), **columns)
        ).rowcount
        if changed != 1:
            raise Conflict(self.row(db, handoff).state)
        data: dict[str, Any] = {"state": to, "by": by}
        if reason:
            data["reason"] = reason
        if note is not None:
            data["note"] = note
        self._event(db, handoff, "state", data)

    def _owned(self, row: Any, operator: str) -> Any:
        if row.operator != operator:
            if row.state in FINAL or row.operator is None:
                raise Conflict(row.state)
            raise Refused("another operator has it")
        return row

    def _event(self, db: Any, handoff: str, kind: str, data: Mapping[str, Any]) -> None:
        _EVENT(db, handoff=handoff, at=stored(self._now()), type=kind, data=json.dumps(data, ensure_ascii=False))

    def _add_message(
        self, db: Any, handoff: str, message: Mapping[str, Any], *, author: str | None, before: bool
    ) -> dict[str, Any]:
        # The packet was redacted by the car; what is said afterwards is redacted here.
        text = str(message["text"]) if before else redact(str(message["text"]))[0]
        folded = words.fold(text)
        values = {
            "id": str(message["id"]),
            "handoff": handoff,
            "at": str(message["at"]),
            "received_at": stored(self._now()),
            "speaker": str(message["speaker"]),
            "author": author,
            "text": text[:MAX_MESSAGE] if not before else text,
            "folded": folded,
            "language": "en" if message.get("language") == "en" else "ja",
            "confidence": message.get("confidence"),
            "corrects": message.get("corrects"),
            "urgent": bool(message.get("urgent", False)),
            "before": before,
            "spoken": bool(message.get("spoken", False)),
        }
        number = db.execute(t.messages.insert().values(**values)).inserted_primary_key[0]
        pairs = [{"gram": gram, "message": number} for gram in words.grams(folded)]
        if pairs:
            db.execute(t.grams.insert(), pairs)
        return message_json(values)


def brief(row: Any, now: datetime) -> dict[str, Any]:
    """One handoff as a line of the queue."""
    waited_until = row.accepted_at or row.ended_at or stored(now)
    packet = json.loads(row.packet)
    return {
        "id": row.id,
        "state": row.state,
        "reason": row.reason,
        "language": row.language,
        "test": bool(row.test),
        "driver": row.driver,
        "plate": row.plate,
        "summary": packet["summary"],
        "operator": row.operator,
        "joined": row.joined,
        "hold": bool(row.hold),
        "created_at": shown(row.created_at),
        "queued_at": shown(row.queued_at),
        "calls": row.calls,
        "accepted_at": shown(row.accepted_at),
        "active_at": shown(row.active_at),
        "ended_at": shown(row.ended_at),
        "waited_s": max(0.0, round((waited_until - (row.queued_at or row.created_at)).total_seconds(), 1)),
        "outcome_reason": row.outcome_reason,
        "note": row.note,
    }


def message_json(row: Any) -> dict[str, Any]:
    keys = (
        "id",
        "handoff",
        "at",
        "speaker",
        "author",
        "text",
        "language",
        "confidence",
        "corrects",
        "urgent",
        "before",
        "spoken",
    )
    if isinstance(row, Mapping):
        return {key: row[key] for key in keys}
    out = {key: getattr(row, key) for key in keys}
    return {**out, **{key: bool(out[key]) for key in ("urgent", "before", "spoken")}}


def push_json(row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "handoff": row.handoff,
        "kind": row.kind,
        "data": json.loads(row.data),
        "state": row.state,
        "detail": row.detail,
        "author": row.author,
        "at": shown(row.at),
        "answered_at": shown(row.answered_at),
    }


def event_json(row: Any) -> dict[str, Any]:
    return {
        "seq": row.seq,
        "handoff": row.handoff,
        "type": row.type,
        "data": json.loads(row.data),
        "at": shown(row.at),
    }
