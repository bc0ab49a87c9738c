"""`concierge models`, `wakeword`, `wake`, `transcribe`, `listen`, `converse`, `speak`, `privacy`: hearing and speaking."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from pathlib import Path

from agent.console import Command, help_of, lines_out, prepare, with_progress
from agent.errors import StartError
from agent.settings import Settings, check_home
from backends.model import Language


def add(command: Command) -> None:
    """The commands of hearing and speaking."""
    _model_commands(command)
    _wake_commands(command)
    _voice_commands(command)


def _model_commands(command: Command) -> None:
    models = command("models", lambda s, a: help_of(models), "speech models: list, install, verify")
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


def _wake_commands(command: Command) -> None:
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


def _voice_commands(command: Command) -> None:
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
    privacy = command("privacy", lambda s, a: help_of(privacy), "recordings of what was said: list, erase")
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


def _models_list(settings: Settings, _: argparse.Namespace) -> int:
    from agent.speech_models import list_models

    return list_models(settings)


def _models_install(settings: Settings, arguments: argparse.Namespace) -> int:
    from agent.speech_models import install_models

    check_home(settings)
    told: list[str] = []
    code: int = with_progress(
        lambda progress: install_models(
            settings, arguments.names, progress, told.append, again=arguments.again, accept_new=arguments.accept_new
        )
    )
    print(*told, sep="\n")
    return code


def _models_verify(settings: Settings, arguments: argparse.Namespace) -> int:
    from agent.speech_models import verify_models

    told: list[str] = []
    code: int = with_progress(lambda progress: verify_models(settings, arguments.names, progress, told.append))
    print(*told, sep="\n")
    return code


def _transcribe(settings: Settings, arguments: argparse.Namespace) -> int:
    from agent.composition import Ears
    from agent.transcribe import transcribe

    ears = Ears(settings, arguments.engine)
    try:
        return transcribe(arguments.files, ears.hearing(arguments.lang), ears.activity(), lines_out())
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
        return wake(arguments.files, ears.wake_word(phrase, language), lines_out())
    finally:
        ears.close()


def _listen(settings: Settings, arguments: argparse.Namespace) -> int:
    from agent.listen import listen

    prepare(settings)
    return asyncio.run(listen(settings, language=arguments.lang))


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
    prepare(settings)
    language = language_of(settings, arguments.lang)
    ears = Ears(settings, arguments.engine)

    async def run() -> int:
        async with open_system(settings, lasting=False) as system:
            wake = None if arguments.called else wake_word(settings, ears, language)
            voice = await open_voice(settings, system, "converse", language, ears, wake=wake)
            try:
                return await converse(
                    system, voice, sound, lines_out(), arguments.folder,
                    called=arguments.called, real_time=arguments.real_time,
                )  # fmt: skip
            finally:
                await asyncio.to_thread(voice.close)

    try:
        return asyncio.run(run())
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
            print(speak(synthesizer, arguments.text, language, arguments.out, play), file=lines_out())
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
