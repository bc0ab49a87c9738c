"""Who holds the line: the agent, or an operator of the Owner's Desk.

`Handoffs` keeps one open handoff a session. The line changes hands in three places only: `_take` gives it to the operator who
accepted, `_called_again` gives it to the agent until another operator answers, `_close` (the one exit) gives it back for good,
whatever ended the handoff, and says what happened. Everything between is
driven by the desk's events, which come in order and more than once, and by an outbox that is emptied whenever the desk can
be reached. All state changes happen without awaiting in between, so that nothing can see the line without an owner.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Protocol, cast

from agent import push_words
from agent.events import (
    Event,
    EventStream,
    Handoff,
    Heard,
    OperatorSaid,
    Pushed,
    Recognised,
    Spoke,
    Understood,
)
from agent.handoff_state import FINAL, KEPT_EVENTS, CarryOut, Command, OpenHandoff, Owner, Waits, name_of, plain
from agent.handoff_store import HandoffStore, Outgoing
from agent.line_words import LineWords
from agent.packet import PacketMaker, Request
from agent.record import Records
from backends.errors import BackendError, BackendUnavailable
from backends.model import DeskEvent, DeskLine, Language
from backends.ports import Desk

log = logging.getLogger(__name__)


class Sentences(Protocol):
    def say(self, language: Language, key: str, /, *, turn: int = 0, **values: object) -> str: ...


class Handoffs:
    def __init__(
        self,
        desk: Desk,
        store: HandoffStore,
        records: Records,
        maker: PacketMaker,
        words: LineWords,
        sentences: Sentences,
        stream: EventStream,
        *,
        clock: Callable[[], datetime],
        carry_out: CarryOut,
        reachable: Callable[[], bool] = lambda: True,
        waits: Waits | None = None,
        phone: str = "0800-300-0365",
    ) -> None:
        """`reachable` says whether the car has a connection and a contract."""
        self._desk, self._store, self._records, self._maker = desk, store, records, maker
        self._words, self._sentences, self._stream, self._clock = words, sentences, stream, clock
        self._carry_out, self._reachable, self._waits, self._phone = carry_out, reachable, waits or Waits(), phone
        self._open: dict[str, OpenHandoff] = {}
        """by session"""
        self._wake = asyncio.Event()
        self._sender: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        stream.add_sink(self._forward)

    # ── asked by the conversation ───────────────────────────────────────────────────────────────────────────────

    def owner(self, session: str) -> Owner:
        """Who holds the line now; the agent where nothing else was agreed."""
        open_ = self._open.get(session)
        return open_.owner if open_ is not None else "agent"

    def is_open(self, session: str) -> bool:
        return session in self._open

    def handoff_of(self, session: str) -> str:
        open_ = self._open.get(session)
        return open_.id if open_ is not None else ""

    def owners(self, session: str) -> list[tuple[str, str, str]]:
        """Every change of the line's owner: (owner, why, time)."""
        return self._store.owners(session)

    def command(self, session: str, words: str) -> Command | None:
        """What these words want of the line; None when they are not about it."""
        open_ = self._open.get(session)
        if open_ is None:
            return None
        if self._words.says("back", words):
            return "back"
        if open_.owner == "agent":
            return "cancel" if self._words.says("cancel", words) else None
        if open_.push is not None:
            if self._words.says("accept", words):
                return "accept"
            if self._words.says("refuse", words):
                return "refuse"
        return None

    def wants_person(self, words: str) -> bool:
        """Whether a person is asked for in plain words: for when the dialogue model cannot be asked."""
        return self._words.says("person", words)

    def unwanted(self, words: str) -> bool:
        """Whether these words say that nobody is to be called."""
        return self._words.says("cancel", words)

    def known(self, session: str) -> dict[str, Any] | None:
        """What the agent knows of the last handoff that came to its end: operator, outcome, note, place taken over."""
        last = self._store.last_ended(session) if session not in self._open else None
        if last is None:
            return None
        facts = {
            "id": last.id,
            "outcome": last.state,
            "operator": last.operator,
            "note": last.note,
            "focus": last.focus,
        }
        return {key: value for key, value in facts.items() if value}

    def shown(self, session: str) -> list[Event]:
        """What a page that comes (back) has to show of the open handoff."""
        open_ = self._open.get(session)
        return list(open_.shown) if open_ is not None else []

    async def request(
        self, session: str, language: Language, slots: Mapping[str, Any], request: Request, *, driver: str
    ) -> bool:
        """Hands the conversation over to the desk's queue; False when it already is. Raises `BackendError` when the desk does
        not take it: then nothing is left open."""
        if session in self._open:
            return False
        packet = self._maker.make(self._records.of(session), slots, request, driver=driver, language=language)
        open_ = OpenHandoff(packet["id"], session, language, driver)
        self._store.begin(packet, session, self._clock())
        self._open[session] = open_
        try:
            if not self._reachable():
                raise BackendUnavailable("desk", "no connection")
            receipt = await self._desk.submit(packet)
        except BackendError as error:
            # It may have arrived all the same: the desk is told not to ring.
            self._tell(open_, "end", {"outcome": "dropped", "reason": "no_receipt"})
            self._close(open_, "dropped", f"not taken: {error.code}", quiet=True)
            raise
        except BaseException:
            self._tell(open_, "end", {"outcome": "dropped", "reason": "no_receipt"})
            self._close(open_, "dropped", "given up", quiet=True)
            raise
        if self._is_current(open_):
            self._received(open_, receipt.state)
            self._listen(open_)
        return True

    def cancel(self, session: str, *, quiet: bool = False) -> str:
        """The driver wants the agent back; returns the sentence that says so (`quiet`: the caller says it)."""
        open_ = self._open.get(session)
        if open_ is None:
            return ""
        self._tell(open_, "end", {"outcome": "cancelled", "reason": "driver"})
        return self._close(open_, "cancelled", "driver", quiet=quiet)

    async def answer_push(self, session: str, accept: bool, push: str | None = None) -> None:
        """The driver's answer to what the operator sent."""
        open_ = self._open.get(session)
        if open_ is None or open_.push is None or (push is not None and push != open_.push["id"]):
            return
        sent, open_.push = open_.push, None
        state, detail = "refused", ""
        if accept:
            state = "accepted"
            try:
                await self._carry_out(sent["kind"], sent["data"], open_.language)
            except BackendError as error:
                state, detail = "failed", error.code
            except Exception:
                log.exception("what the operator sent could not be done")
                state, detail = "failed", "error"
        if state == "accepted" and sent["kind"] in ("destination", "place"):
            data = sent["data"]
            open_.focus = {
                "id": data.get("place_id") or "",
                "name": data["name"],
                "lat": data["latitude"],
                "lon": data["longitude"],
            }
            self._store.update(open_.id, focus=open_.focus)
        self._tell(open_, "push", {"push": sent["id"], "state": state, "detail": detail})
        self._show_push(open_, sent, state)

    async def delivered(self, session: str) -> bool:
        """Whether everything said so far has reached the desk, waiting a moment for it."""
        handoff = self.handoff_of(session)
        until = time.monotonic() + self._waits.deliver_s
        while self._store.outgoing(1, handoff):
            if time.monotonic() > until:
                return False
            await asyncio.sleep(0.02)
        return True

    def away(self, session: str, gone: bool) -> None:
        """The driver's page went, or is there again: the operator is told."""
        open_ = self._open.get(session)
        if open_ is None:
            return
        key = "desk.page_gone" if gone else "desk.page_back"
        self._line(open_, "line", self._say(open_.language, key))

    # ── life ────────────────────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Takes up what was open when the concierge ended last. Call it in the running loop."""
        self._sender = asyncio.create_task(self._send())
        for kept in self._store.open_ones():
            open_ = OpenHandoff(kept.id, kept.session, cast(Language, kept.language), kept.driver, kept.state)
            open_.owner, open_.operator = cast(Owner, kept.owner), kept.operator
            open_.known, open_.focus = kept.seq, kept.focus
            self._open[open_.session] = open_
            self._listen(open_)

    def forget(self, driver: str) -> None:
        """Erases what is kept of a driver's ended handoffs, and what was said where none is open. Raises `sqlite3.DatabaseError`."""
        self._store.forget(driver)
        self._records.forget_all(keep=self._open)

    async def stop(self) -> None:
        """Ends the tasks; what is open stays open on disk."""
        tasks = [t for o in self._open.values() for t in (o.listening, o.ringing) if t is not None]
        tasks += [t for t in (self._sender, *self._tasks) if t is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._store.close()

    # ── the line changes hands ──────────────────────────────────────────────────────────────────────────────────

    def _take(self, open_: OpenHandoff, operator: str) -> None:
        """The operator gets the line."""
        open_.operator, open_.state = operator, "accepted"
        self._store.update(open_.id, operator=operator, state="accepted")
        if open_.owner != "operator":
            open_.owner = "operator"
            self._store.give_line(open_.session, open_.id, "operator", f"accepted by {operator}", self._clock())
            self._announce(open_, "accepted", "desk.accepted", operator=name_of(operator))
        # Told again after a restart in between: the desk counts it once.
        self._tell(open_, "active", {})

    def _called_again(self, open_: OpenHandoff) -> None:
        """The operator is lost for good and the desk calls another: until one answers, the agent has the line."""
        why = f"{open_.operator} is gone"
        open_.operator, open_.state = None, "queued"
        self._store.update(open_.id, operator=None, state="queued")
        if open_.push is not None:
            lapsed, open_.push = open_.push, None
            self._show_push(open_, lapsed, "lapsed")
        if open_.owner == "operator":
            open_.owner = "agent"
            self._store.give_line(open_.session, open_.id, "agent", why, self._clock())
        self._announce(open_, "queued_again", "desk.queued_again")
        if open_.ringing is None or open_.ringing.done():
            open_.ringing = asyncio.create_task(self._ring(open_))

    def _close(
        self, open_: OpenHandoff, outcome: str, why: str, *, note: str | None = None, quiet: bool = False
    ) -> str:
        """The one exit: the agent has the line again, the end is marked, and it is said what happened."""
        if not self._is_current(open_):
            return ""
        del self._open[open_.session]
        open_.state = outcome
        if open_.owner == "operator":
            open_.owner = "agent"
            self._store.give_line(open_.session, open_.id, "agent", f"{outcome}: {why}", self._clock())
        self._store.end(open_.id, outcome, self._clock(), note)
        for task in (open_.listening, open_.ringing):
            if task is not None and task is not asyncio.current_task():
                task.cancel()
        key = f"desk.{outcome}_note" if note else f"desk.{outcome}"
        if (outcome, why) == ("dropped", "operator_gone"):
            key = "desk.dropped_nobody"
        text = self._say(
            open_.language, key, phone=self._phone, note=note or "", operator=name_of(open_.operator or "")
        )
        self._show(
            open_,
            Handoff(
                open_.session, open_.id, outcome, "agent", "" if quiet else text, open_.language, self._clock(),
                name_of(open_.operator) if open_.operator else None, note,
            ),
        )  # fmt: skip
        return text

    def _is_current(self, open_: OpenHandoff) -> bool:
        return self._open.get(open_.session) is open_

    # ── the desk's events ───────────────────────────────────────────────────────────────────────────────────────

    def _listen(self, open_: OpenHandoff) -> None:
        open_.listening = asyncio.create_task(self._follow(open_))
        if open_.owner == "agent":
            open_.ringing = asyncio.create_task(self._ring(open_))

    async def _follow(self, open_: OpenHandoff) -> None:
        while self._is_current(open_):
            try:
                if not self._reachable():
                    raise BackendUnavailable("desk", "no connection")
                await self._submit_again(open_)
                async for event in self._desk.events(open_.id, open_.seq):
                    if not self._is_current(open_):
                        return
                    if not self._reachable():
                        raise BackendUnavailable("desk", "no connection")
                    self._connected(open_)
                    self._handle(open_, event)
            except BackendError as error:
                if error.permanent:
                    log.warning("the desk does not know the handoff: %s", error.code)
                    self._close(open_, "dropped", f"desk: {error.code}")
                    return
                self._disconnected(open_)
            except Exception:
                log.exception("an event of the desk broke")
                self._disconnected(open_)
            await asyncio.sleep(self._waits.retry_s)

    async def _submit_again(self, open_: OpenHandoff) -> None:
        """After a restart before the receipt: nobody knows whether the desk has the packet; by its id it counts once."""
        if open_.state != "requested":
            return
        packet = self._store.packet_of(open_.id)
        if packet is not None:
            self._received(open_, (await self._desk.submit(packet)).state)

    def _received(self, open_: OpenHandoff, state: str) -> None:
        open_.state = state
        self._store.update(open_.id, state=state, packet=None)

    def _connected(self, open_: OpenHandoff) -> None:
        open_.lost_since = None
        if open_.told_lost:
            open_.told_lost = False
            self._announce(open_, "line_back", "desk.line_back")
        self._wake.set()

    def _disconnected(self, open_: OpenHandoff) -> None:
        if not self._is_current(open_):
            return
        now = time.monotonic()
        open_.lost_since = open_.lost_since if open_.lost_since is not None else now
        away = now - open_.lost_since
        if away > self._waits.give_up_s:
            self._tell(open_, "end", {"outcome": "dropped", "reason": "connection"})
            self._close(open_, "dropped", "connection")
        elif away >= self._waits.notice_s and not open_.told_lost:
            open_.told_lost = True
            self._announce(open_, "line_lost", "desk.line_lost")

    def _handle(self, open_: OpenHandoff, event: DeskEvent) -> None:
        """One event of the desk, once."""
        if event.seq <= open_.seq:
            return
        told = event.seq <= open_.known
        open_.seq = event.seq
        data = plain(dict(event.data))
        if event.type == "state":
            self._state(open_, data, told)
        elif event.type == "message" and data.get("speaker") == "operator" and open_.owner == "operator":
            self._operator_said(open_, data, told)
        elif event.type == "push":
            self._push(open_, data, told)
        elif event.type == "hold" and not told:
            self._announce(
                open_, "hold" if data.get("on") else "unhold", "desk.hold" if data.get("on") else "desk.unhold"
            )
        elif event.type == "operator":
            self._operator(open_, data, told)
        if self._is_current(open_) and not told:
            self._store.update(open_.id, seq=event.seq)

    def _state(self, open_: OpenHandoff, data: Mapping[str, Any], told: bool) -> None:
        state = str(data.get("state"))
        if state == "accepted":
            operator = str(data.get("operator") or data.get("by") or "")
            if not told or open_.owner == "operator":
                self._take(open_, operator)
        elif state == "active":
            open_.state = "active"
            self._store.update(open_.id, state="active")
        elif state == "queued" and open_.operator is not None and not told:
            self._called_again(open_)
        elif state in FINAL:
            note = str(data["note"]) if data.get("note") else None
            self._close(open_, state, str(data.get("reason") or data.get("by") or ""), note=note)

    def _operator_said(self, open_: OpenHandoff, data: Mapping[str, Any], told: bool) -> None:
        said = OperatorSaid(
            open_.session, open_.id, str(data["id"]), str(data["text"]),
            "en" if data.get("language") == "en" else "ja", name_of(str(data.get("author") or "")), self._clock(),
            data.get("spoken") is True,
        )  # fmt: skip
        self._show(open_, said, emit=not told)

    def _operator(self, open_: OpenHandoff, data: Mapping[str, Any], told: bool) -> None:
        if told:
            return
        if data.get("transferred"):
            open_.operator = str(data.get("operator"))
            self._store.update(open_.id, operator=open_.operator)
            self._announce(open_, "operator_changed", "desk.operator_changed", operator=name_of(open_.operator))
        elif data.get("joined"):
            self._announce(open_, "operator_joined", "desk.operator_joined", operator=name_of(str(data["joined"])))
        elif open_.owner == "operator":
            key = "operator_back" if data.get("present") else "operator_lost"
            self._announce(open_, key, f"desk.{key}")

    def _push(self, open_: OpenHandoff, data: Mapping[str, Any], told: bool) -> None:
        if data.get("state") == "sent":
            push = {"id": str(data["id"]), "kind": str(data["kind"]), "data": dict(data.get("data") or {})}
            if not push_words.known(self._sentences, push, open_.language, self._clock()):
                # A desk that is newer than this car, or nonsense: the operator learns that it did not work.
                log.warning("the desk sent something unknown: %s", push["kind"])
                self._tell(open_, "push", {"push": push["id"], "state": "failed", "detail": "unknown"})
                return
            open_.push = push
            self._show_push(open_, push, "sent", emit=not told)
        elif open_.push is not None and open_.push["id"] == data.get("id"):
            open_.push = None

    def _show_push(self, open_: OpenHandoff, push: Mapping[str, Any], state: str, *, emit: bool = True) -> None:
        text = push_words.words(self._sentences, push, state, open_.language, self._clock())
        event = Pushed(
            open_.session, open_.id, push["id"], push["kind"], push["data"], state, text, open_.language, self._clock(),
            push_words.card(push) if state == "accepted" else None,
        )  # fmt: skip
        self._show(open_, event, emit=emit)

    async def _ring(self, open_: OpenHandoff) -> None:
        """While nobody answers, the driver hears now and then that it is still ringing."""
        while True:
            await asyncio.sleep(self._waits.still_s)
            if not self._is_current(open_) or open_.owner == "operator":
                return
            if not open_.told_lost:
                self._announce(open_, "waiting", "desk.waiting")

    # ── what is said and sent ───────────────────────────────────────────────────────────────────────────────────

    def _announce(self, open_: OpenHandoff, state: str, key: str, **values: object) -> None:
        text = self._say(open_.language, key, **values)
        operator = name_of(open_.operator) if open_.operator else None
        at = self._clock()
        self._show(open_, Handoff(open_.session, open_.id, state, open_.owner, text, open_.language, at, operator))

    def _show(self, open_: OpenHandoff, event: Event, *, emit: bool = True) -> None:
        open_.shown.append(event)
        del open_.shown[:-KEPT_EVENTS]
        if emit:
            self._stream.emit(event)

    def _say(self, language: Language, key: str, **values: object) -> str:
        return self._sentences.say(language, key, turn=0, **values)

    def _forward(self, event: Event) -> None:
        """Event sink: while a handoff is open, what driver and agent say goes to the desk as well."""
        open_ = self._open.get(event.session)
        if open_ is None:
            return
        if isinstance(event, Recognised):
            open_.confidence = event.confidence if event.taken == "request" else None
        elif isinstance(event, Heard) and event.text:
            open_.shown.append(event)
            confidence, open_.confidence = open_.confidence, None
            self._line(open_, "driver", event.text, at=event.at, confidence=confidence)
        elif isinstance(event, Understood) and event.function == "safety":
            open_.urgent_turn = event.turn
        elif isinstance(event, Spoke) and event.text:
            open_.shown.append(event)
            self._line(open_, "agent", event.text, urgent=event.turn == open_.urgent_turn)

    def _line(
        self,
        open_: OpenHandoff,
        speaker: str,
        text: str,
        *,
        at: datetime | None = None,
        urgent: bool = False,
        confidence: float | None = None,
    ) -> None:
        body = {
            "id": f"{open_.id}:{secrets.token_urlsafe(8)}",
            "speaker": speaker,
            "text": text[:2000],
            "language": open_.language,
            "at": (at or self._clock()).isoformat(),
            "urgent": urgent,
            "confidence": None if confidence is None else round(min(1.0, max(0.0, confidence)), 3),
        }
        self._tell(open_, "say", body)

    def _tell(self, open_: OpenHandoff, kind: str, body: Mapping[str, Any]) -> None:
        self._store.enqueue(open_.id, kind, body)
        self._wake.set()

    async def _send(self) -> None:
        """Empties the outbox in order, as long as the desk can be reached; until cancelled."""
        while True:
            self._wake.clear()
            waiting = self._store.outgoing()
            if not waiting:
                await self._wake.wait()
                continue
            blocked: set[str] = set()
            for item in waiting:
                # A line that cannot go holds back those behind it of the same handoff, no others.
                if item.handoff not in blocked and not await self._deliver(item):
                    blocked.add(item.handoff)
            if blocked:
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), self._waits.retry_s)
                await asyncio.sleep(min(0.1, self._waits.retry_s))

    async def _deliver(self, item: Outgoing) -> bool:
        """Sends one thing; True when it need not be sent again."""
        body = item.body
        try:
            if not self._reachable():
                return False
            if item.kind == "say":
                speaker = cast(Any, body["speaker"])
                line = DeskLine(
                    body["id"], speaker, body["text"], cast(Language, body["language"]),
                    datetime.fromisoformat(body["at"]), body.get("confidence"), bool(body["urgent"]),
                )  # fmt: skip
                await self._desk.say(item.handoff, line)
            elif item.kind == "active":
                await self._desk.take_line(item.handoff)
            elif item.kind == "end":
                await self._desk.end(item.handoff, body["outcome"], body["reason"])
            elif item.kind == "push":
                await self._desk.answer_push(item.handoff, body["push"], body["state"], body["detail"])
        except BackendError as error:
            if not error.permanent:
                return False
            log.warning("the desk does not take %s: %s", item.kind, error.code)
        except Exception:
            log.exception("something for the desk cannot be sent")
        self._store.sent(item.n)
        return True
