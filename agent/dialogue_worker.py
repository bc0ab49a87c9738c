"""The dialogue model: Rasa's agent with the actions in the same process, and the process that serves it.

`create_engine` builds it (used in a thread by tests and one-shot commands); `python -m agent.dialogue_worker` is the child
process the gateway supervises. Two things are done differently from Rasa's own server, both because they cost most of a
turn there: actions are called directly instead of over HTTP, and their answers are validated with a validator that is
built once (`jsonschema.validate` checks the schema itself again at every call). `concierge rasa` and `concierge actions`
run the stock form.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import hmac
import itertools
import json
import logging
import os
import signal
import sqlite3
import sys
import time
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import sqlalchemy
import sqlalchemy.event
import sqlalchemy.exc
import sqlalchemy.orm
import sqlalchemy.pool
from rasa.core.actions.action import Action, RemoteAction
from rasa.core.agent import Agent
from rasa.core.channels.channel import CollectingOutputChannel, OutputChannel, UserMessage
from rasa.core.nlg import NaturalLanguageGenerator
from rasa.core.policies.policy import PolicyPrediction
from rasa.core.processor import MessageProcessor
from rasa.core.tracker_store import InMemoryTrackerStore, SQLTrackerStore, TrackerStore
from rasa.shared.core.domain import Domain
from rasa.shared.core.trackers import DialogueStateTracker, EventVerbosity
from rasa.utils.endpoints import EndpointConfig
from rasa.utils.log_utils import configure_structlog
from rasa_sdk.executor import ActionExecutor

from actions.phrases import Phrases
from actions.skill import Skill, World, register
from agent.dialogue import STAGES, DialogueReply, Stages, Understanding, spend
from agent.errors import ModelMissing, StartError
from agent.forgetting import forget_conversations
from agent.rasa_shortcuts import StraightRunner, validate_answer
from backends.model import Language

log = logging.getLogger(__name__)


class LocalActions(EndpointConfig):  # type: ignore[misc]  # Rasa is untyped
    """An actions endpoint whose server is an executor in this process."""

    def __init__(self, executor: ActionExecutor) -> None:
        # The domain is not sent along: our actions do not read it, and serialising it costs more than they do.
        super().__init__(url="local:actions", enable_selective_domain=True)
        self._executor = executor

    async def request(self, *_: Any, **kwargs: Any) -> Any:
        """Runs the action named in `json["next_action"]` and returns its answer."""
        return await self._executor.run(kwargs["json"])


class LocalAction(RemoteAction):  # type: ignore[misc]
    """A custom action whose answer is checked the short way."""

    def _validate_action_result(self, result: Any) -> bool:
        validate_answer(result)
        return True

    def _action_call_format(self, tracker: DialogueStateTracker, domain: Domain) -> dict[str, Any]:
        """As Rasa's, but with the last user message as the only event: that and the slots are what our actions read."""
        state = tracker.current_state(EventVerbosity.NONE)
        state["events"] = [{"event": "user"}] * sum(1 for e in tracker.events if e.type_name == "user")
        return {"next_action": self.name(), "sender_id": tracker.sender_id, "tracker": state}


class Processor(MessageProcessor):  # type: ignore[misc]
    """Rasa's message processor with a stage clock, local actions and the conversation's context on each message."""

    async def turn(self, message: UserMessage) -> DialogueStateTracker:
        """Rasa's `handle_message`, returning the tracker."""
        tracker = await self.log_message(message, should_save_tracker=False)
        tracker = await self.run_action_extract_slots(message.output_channel, tracker)
        await self._run_prediction_loop(message.output_channel, tracker)
        started = time.perf_counter()
        await self.save_tracker(tracker)
        spend("store", (time.perf_counter() - started) * 1000)
        return tracker

    async def get_tracker(self, conversation_id: str) -> DialogueStateTracker:
        started = time.perf_counter()
        tracker = await super().get_tracker(conversation_id)
        spend("store", (time.perf_counter() - started) * 1000)
        return tracker

    async def _handle_message_with_tracker(self, message: UserMessage, tracker: DialogueStateTracker) -> None:
        metadata = dict(message.metadata or {})
        metadata.setdefault("context", tracker.get_slot("context") or "none")
        message.metadata = metadata
        await super()._handle_message_with_tracker(message, tracker)

    async def parse_message(self, *args: Any, **kwargs: Any) -> Any:
        started = time.perf_counter()
        try:
            return await super().parse_message(*args, **kwargs)
        finally:
            spend("understanding", (time.perf_counter() - started) * 1000)

    @staticmethod
    def _log_slots(tracker: DialogueStateTracker) -> None:
        """Rasa copies every slot for a debug line, three times a turn; we never print it."""

    def _predict_next_with_tracker(self, tracker: DialogueStateTracker) -> PolicyPrediction:
        started = time.perf_counter()
        try:
            return super()._predict_next_with_tracker(_recent(tracker))
        finally:
            spend("policy", (time.perf_counter() - started) * 1000)

    async def _run_action(
        self,
        action: Action,
        tracker: DialogueStateTracker,
        output_channel: OutputChannel,
        nlg: NaturalLanguageGenerator,
        prediction: PolicyPrediction,
    ) -> bool:
        if type(action) is not RemoteAction:
            return bool(await super()._run_action(action, tracker, output_channel, nlg, prediction))
        started = time.perf_counter()
        try:
            local = LocalAction(action.name(), self.action_endpoint)
            return bool(await super()._run_action(local, tracker, output_channel, nlg, prediction))
        finally:
            spend("action", (time.perf_counter() - started) * 1000)


def _recent(tracker: DialogueStateTracker, turns: int = 4) -> DialogueStateTracker:
    """The last turns of a tracker. Our rules look at the latest message; going through all of a long conversation again for
    each prediction would make every turn slower than the one before."""
    starts = [i for i, event in enumerate(tracker.events) if event.type_name == "user"]
    if len(starts) <= turns:
        return tracker
    # The action that was listening belongs to the message it heard.
    events = list(tracker.events)[max(0, starts[-turns] - 1) :]
    recent: DialogueStateTracker = tracker.init_copy()
    for event in events:
        recent.update(event)
    # Slots set longer ago count as well.
    for name, value in tracker.current_slot_values().items():
        recent.slots[name].value = value
    recent.followup_action = tracker.followup_action
    return recent


def set_aside_if_broken(path: Path) -> Path | None:
    """Moves a SQLite file that cannot be read out of the way, so that one broken file costs its own contents and not the
    start; returns its new name."""
    if not path.is_file():
        return None
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=2.0)) as db:
            if db.execute("PRAGMA quick_check(1)").fetchone() == ("ok",):
                return None
    except sqlite3.OperationalError:
        # Locked, or out of reach: not broken.
        return None
    except sqlite3.DatabaseError:
        pass
    aside = path.with_name(f"{path.name}.broken-{datetime.now():%Y%m%dT%H%M%S}")
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).replace(aside.with_name(aside.name + suffix))
    log.error("%s could not be read; set aside as %s", path.name, aside.name)
    return aside


class KeptTrackerStore(SQLTrackerStore):  # type: ignore[misc]
    """Rasa's SQL tracker store that keeps recent trackers in memory, so that a turn does not read back its own history.

    Safe because a session belongs to one worker and its messages are worked on one after the other.
    """

    engine: Any

    def __init__(self, path: Path, *, kept: int = 200) -> None:
        set_aside_if_broken(path)
        self._path = path
        super().__init__(dialect="sqlite", db=str(path))
        self._kept: OrderedDict[str, DialogueStateTracker] = OrderedDict()
        self._limit = kept
        self._saved: dict[str, int] = {}

        def prepare(connection: Any, _: Any) -> None:
            # WAL with synchronous=NORMAL survives the crash of the process, and a commit costs no disk flush.
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute("PRAGMA busy_timeout=500")
            connection.execute("PRAGMA secure_delete=ON")

        # Rasa's engine opens and closes the file for every statement, and the last to close a WAL writes it back.
        self.engine.dispose()
        self.engine = sqlalchemy.create_engine(
            f"sqlite:///{path}", poolclass=sqlalchemy.pool.StaticPool, connect_args={"check_same_thread": False}
        )
        sqlalchemy.event.listen(self.engine, "connect", prepare)
        self.sessionmaker = sqlalchemy.orm.sessionmaker(bind=self.engine)

    def drop(self, sender_id: str) -> None:
        """Forgets the copy in memory (after a turn that did not end well)."""
        self._kept.pop(sender_id, None)
        self._saved.pop(sender_id, None)

    async def retrieve(self, sender_id: str) -> DialogueStateTracker | None:
        kept = self._kept.get(sender_id)
        return kept if kept is not None else await super().retrieve(sender_id)

    async def save(self, tracker: DialogueStateTracker) -> None:
        try:
            await self._write(tracker)
            self._saved[tracker.sender_id] = len(tracker.events)
        except sqlalchemy.exc.DatabaseError as error:
            # What was done in this turn is done: the driver hears so, and the next turn writes what is missing now.
            log.error("the conversation cannot be saved: %s", type(error.orig).__name__)
        self._kept[tracker.sender_id] = tracker
        self._kept.move_to_end(tracker.sender_id)
        while len(self._kept) > self._limit:
            forgotten, _ = self._kept.popitem(last=False)
            self._saved.pop(forgotten, None)

    async def _write(self, tracker: DialogueStateTracker) -> None:
        saved = self._saved.get(tracker.sender_id)
        if saved is None or tracker.sender_id not in self._kept:
            await super().save(tracker)
        else:
            # Rasa counts the stored rows and adds one object a row; a tracker that was kept knows what is new, and one
            # statement takes it.
            rows = [_row(tracker.sender_id, event.as_dict()) for event in itertools.islice(tracker.events, saved, None)]
            if rows:
                with self.engine.begin() as connection:
                    connection.execute(self.SQLEvent.__table__.insert(), rows)

    def close(self) -> None:
        self.engine.dispose()

    async def forget(self, driver: str) -> None:
        """Erases every turn of a driver; what is left of those conversations is read back from the file."""
        try:
            touched = await asyncio.to_thread(forget_conversations, self._path, driver)
        finally:
            for sender_id in [s for s, tracker in self._kept.items() if _spoke(tracker, driver)]:
                self.drop(sender_id)
        for sender_id in touched:
            self.drop(sender_id)

    async def erase(self, sender_id: str) -> None:
        """Deletes a conversation."""
        self.drop(sender_id)
        with self.session_scope() as session:
            session.query(self.SQLEvent).filter(self.SQLEvent.sender_id == sender_id).delete()
            session.commit()


def _spoke(tracker: DialogueStateTracker, driver: str) -> bool:
    """Whether a message of the driver's is in it."""
    return any(e.type_name == "user" and (e.metadata or {}).get("driver", "owner") == driver for e in tracker.events)


def _row(sender_id: str, data: dict[str, Any]) -> dict[str, Any]:
    """An event as Rasa's table `events` holds it."""
    return {
        "sender_id": sender_id,
        "type_name": data["event"],
        "timestamp": data.get("timestamp"),
        "intent_name": data.get("parse_data", {}).get("intent", {}).get("name"),
        "action_name": data.get("name"),
        "data": json.dumps(data),
    }


class KeptInMemory(InMemoryTrackerStore):  # type: ignore[misc]
    """Trackers in memory alone, not serialised between turns: for replaying and measuring."""

    def __init__(self) -> None:
        super().__init__(Domain.empty())
        self._trackers: dict[str, DialogueStateTracker] = {}

    def drop(self, sender_id: str) -> None:
        self._trackers.pop(sender_id, None)

    async def retrieve(self, sender_id: str) -> DialogueStateTracker | None:
        return self._trackers.get(sender_id)

    async def save(self, tracker: DialogueStateTracker) -> None:
        self._trackers[tracker.sender_id] = tracker

    async def erase(self, sender_id: str) -> None:
        self.drop(sender_id)

    async def forget(self, driver: str) -> None:
        for sender_id in [s for s, tracker in self._trackers.items() if _spoke(tracker, driver)]:
            self.drop(sender_id)

    def close(self) -> None:
        self._trackers.clear()


class Engine:
    """A `Dialogue` on Rasa, in the calling event loop."""

    def __init__(self, agent: Agent, store: KeptTrackerStore | KeptInMemory) -> None:
        self._agent = agent
        self._store = store
        self._locks: dict[str, asyncio.Lock] = {}

    @property
    def processor(self) -> Processor:
        return cast(Processor, self._agent.processor)

    async def turn(
        self, session: str, text: str, *, language: Language, metadata: Mapping[str, Any] | None = None
    ) -> DialogueReply:
        # Rasa's own lock store polls once a second; one lock a session does the same at once.
        lock = self._locks.setdefault(session, asyncio.Lock())
        async with lock:
            stages: Stages = {}
            token = STAGES.set(stages)
            channel = CollectingOutputChannel()
            message = UserMessage(
                harmless(text),
                channel,
                session,
                input_channel="concierge",
                metadata={**(metadata or {}), "language": language},
            )
            try:
                tracker = await self.processor.turn(message)
            except BaseException:
                self._store.drop(session)
                raise
            finally:
                STAGES.reset(token)
        if not getattr(lock, "_waiters", None):
            self._locks.pop(session, None)
        return _reply(channel.messages, tracker, stages)

    async def parse(self, text: str, *, language: Language, metadata: Mapping[str, Any] | None = None) -> Understanding:
        message = UserMessage(
            harmless(text),
            None,
            "parse",
            input_channel="concierge",
            metadata={**(metadata or {}), "language": language},
        )
        return _understanding(await self.processor.parse_message(message))

    async def reset(self, session: str) -> None:
        await self._store.erase(session)

    async def forget(self, driver: str) -> None:
        # Not while a turn is under way whose end would be written after it.
        async with contextlib.AsyncExitStack() as stack:
            for lock in list(self._locks.values()):
                await stack.enter_async_context(lock)
            await self._store.forget(driver)

    async def slots(self, session: str) -> Mapping[str, Any]:
        tracker = await self._store.retrieve(session)
        return _slots(tracker) if tracker is not None else {}

    async def warm(self) -> None:
        """Understands one message in each language, so that the first driver does not wait for what is loaded on first use."""
        await self.parse("ありがとう", language="ja")
        await self.parse("thank you", language="en")

    async def close(self) -> None:
        self._store.close()


def harmless(text: str) -> str:
    """A leading "/" is Rasa's own way of sending an intent instead of words; from a driver it is only a character."""
    return "／" + text[1:] if text.startswith("/") else text


def _understanding(parsed: Mapping[str, Any]) -> Understanding:
    intent = parsed.get("intent") or {}
    keys = ("entity", "value", "role", "start", "end", "extractor")
    return Understanding(
        intent.get("name") or "",
        float(intent.get("confidence") or 0.0),
        tuple({k: e[k] for k in keys if e.get(k) is not None} for e in parsed.get("entities") or ()),
    )


def _slots(tracker: DialogueStateTracker) -> dict[str, Any]:
    return {k: v for k, v in tracker.current_slot_values().items() if v is not None}


def _reply(messages: Iterable[Mapping[str, Any]], tracker: DialogueStateTracker, stages: Stages) -> DialogueReply:
    texts: list[str] = []
    payload: dict[str, Any] = {"context": "none", "actions": [], "cards": [], "quick_replies": []}
    for message in messages:
        if message.get("text"):
            texts.append(message["text"])
        custom = message.get("custom") or {}
        payload["context"] = custom.get("context", payload["context"])
        for key in ("actions", "cards", "quick_replies"):
            payload[key] = [*payload[key], *custom.get(key, [])]
    latest = tracker.latest_message
    parsed = latest.parse_data if latest is not None else {}
    understanding = _understanding(parsed)
    # Where the dialogue read the message otherwise than the model did (「明日は？」 after the weather), its reading counts.
    meant = next((m["custom"]["intent"] for m in messages if (m.get("custom") or {}).get("intent")), None)
    if meant is not None:
        understanding = replace(understanding, intent=meant)
    return DialogueReply(tuple(texts), payload, understanding, _slots(tracker), stages)


def quiet_logs() -> None:
    """Rasa's debug and info lines contain what drivers say: only warnings pass."""
    with contextlib.redirect_stdout(None):
        configure_structlog(logging.WARNING)
    for name in ("rasa", "rasa_sdk", "matplotlib", "sanic", "apscheduler"):
        logging.getLogger(name).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module=r"(rasa|tensorflow|keras|sanic|pkg_resources|jax|sqlalchemy)\b.*")


async def create_engine(
    model: Path,
    skills: Iterable[type[Skill]],
    world: World | None,
    phrases: Phrases,
    tracker_db: Path | None,
) -> Engine:
    """Loads the trained `model` with `skills` acting on `world` (None: for parsing alone, without skills); conversations are
    kept in `tracker_db`, None in memory."""
    quiet_logs()
    executor = ActionExecutor()
    if world is not None:
        register(executor, skills, world, phrases)
    store: TrackerStore = KeptTrackerStore(tracker_db) if tracker_db is not None else KeptInMemory()
    agent = Agent(tracker_store=store, action_endpoint=LocalActions(executor))
    try:
        agent.processor = Processor(
            model_path=model,
            tracker_store=store,
            lock_store=agent.lock_store,
            action_endpoint=agent.action_endpoint,
            generator=agent.nlg,
        )
    except Exception as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        raise ModelMissing(
            f"The dialogue model {model.name} cannot be loaded ({type(cause).__name__}: {str(cause)[:200]}). "
            "Train it again with: concierge train --force"
        ) from error
    agent.processor.graph_runner = StraightRunner(agent.processor.graph_runner)
    agent.domain = agent.processor.domain
    store.domain = agent.domain
    engine = Engine(agent, store)
    await engine.warm()
    return engine


# ── the worker process ──────────────────────────────────────────────────────────────────────────────────────────────


async def serve(config: Mapping[str, Any], announce: Callable[[Mapping[str, Any]], None]) -> None:
    """Serves the engine on a free loopback port until standard input ends (the parent is gone) or a signal comes."""
    from aiohttp import web

    from agent.composition import Addresses, ToldClock, open_engine
    from agent.dialogue import InThreadDialogue, reply_to_json, understanding_to_json

    clock = ToldClock(datetime.now().astimezone())
    addresses = Addresses(**config["addresses"])
    dialogue = InThreadDialogue(lambda: open_engine(Path(config["model"]), addresses, clock))
    await dialogue.start()
    deadline = float(config["deadline_s"])

    @web.middleware
    async def guard(request: web.Request, handler: Any) -> web.StreamResponse:
        given = request.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {config['token']}".encode()):
            return web.json_response({"error": "unauthorized"}, status=401)
        try:
            return cast(web.StreamResponse, await asyncio.wait_for(handler(request), deadline))
        except (TimeoutError, asyncio.TimeoutError):
            return web.json_response({"error": "timeout"}, status=504)

    async def body(request: web.Request) -> dict[str, Any]:
        data: dict[str, Any] = await request.json()
        clock.tell(data.get("clock") or {})
        return data

    async def turn(request: web.Request) -> web.Response:
        data = await body(request)
        reply = await dialogue.turn(data["session"], data["text"], language=data["language"], metadata=data["metadata"])
        return web.json_response(reply_to_json(reply))

    async def parse(request: web.Request) -> web.Response:
        data = await body(request)
        understanding = await dialogue.parse(data["text"], language=data["language"], metadata=data["metadata"])
        return web.json_response(understanding_to_json(understanding))

    async def reset(request: web.Request) -> web.Response:
        await dialogue.reset((await body(request))["session"])
        return web.json_response({})

    async def forget(request: web.Request) -> web.Response:
        await dialogue.forget((await body(request))["driver"])
        return web.json_response({})

    async def slots(request: web.Request) -> web.Response:
        return web.json_response({"slots": dict(await dialogue.slots((await body(request))["session"]))})

    async def health(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    app = web.Application(middlewares=[guard])
    app.add_routes(
        [
            web.post("/turn", turn),
            web.post("/parse", parse),
            web.post("/reset", reset),
            web.post("/forget", forget),
            web.post("/slots", slots),
            web.get("/health", health),
        ]
    )
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    announce({"port": runner.addresses[0][1]})
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    lifeline = loop.run_in_executor(None, sys.stdin.buffer.read)
    lifeline.add_done_callback(lambda _: stop.set())
    await stop.wait()
    await runner.cleanup()
    await dialogue.close()


def main() -> int:
    """Reads one line of JSON (`agent.composition.worker_config`) from standard input, writes one line {"port": …} to
    standard output when ready; everything the engines print goes to standard error."""
    with contextlib.suppress(OSError, AttributeError):
        # The kernel ends this process with its parent, even when that is killed.
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)
    real = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    warnings.showwarning = lambda *_, **__: None
    config = json.loads(sys.stdin.buffer.readline())

    def announce(answer: Mapping[str, Any]) -> None:
        real.write(json.dumps(answer) + "\n")

    try:
        asyncio.run(serve(config, announce))
    except StartError as error:
        announce({"sentence": str(error), "code": error.code})
        return 1
    except Exception as error:
        log.exception("the dialogue worker cannot start")
        announce({"error": f"{type(error).__name__}: {error}"})
        return 1
    # The thread that reads standard input cannot be interrupted: leave without waiting for it.
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
