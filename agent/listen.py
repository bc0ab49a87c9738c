"""`concierge listen`: hands-free dialogue through the computer's microphone and loudspeaker, with a view of what is heard.

The space bar is the talk key: pressed it listens, pressed again the utterance is over (terminals do not tell when a key is let go).
Without a recognizer, a microphone or a loudspeaker a sentence says what to do, and typing goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from agent.composition import System, announce
from agent.errors import StartError
from agent.events import (
    Event,
    Failed,
    Heard,
    Interrupted,
    Latency,
    Partial,
    Prompted,
    SoundLost,
    Speaking,
    VoiceState,
    said_unasked,
)
from agent.handoff_composition import open_system_with_desk
from agent.settings import Settings
from agent.voice import Voice, VoiceThread
from audio.errors import AudioError
from backends.model import Language

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

SESSION = "voice"
KEYS = {
    "ja": "スペース 話す／話し終わり　q 終わる",
    "en": "space  talk / done talking   q  leave",
}
STATES = {
    "ja": {
        "idle": "待っています",
        "listening": "聞いています",
        "thinking": "考えています",
        "speaking": "話しています",
        "call": "オペレーターと通話中",
    },
    "en": {
        "idle": "waiting",
        "listening": "listening",
        "thinking": "thinking",
        "speaking": "speaking",
        "call": "on the line with an operator",
    },
}


async def listen(settings: Settings, *, language: str | None = None) -> int:
    """Until q, Ctrl-C or the end of the input."""
    from rich.console import Console

    from agent.composition_hearing import Ears
    from agent.composition_voice import language_of, open_voice, wake_word

    console = Console(highlight=False, markup=False, soft_wrap=True)
    spoken = language_of(settings, language)
    ears = Ears(settings)
    try:
        async with contextlib.AsyncExitStack() as stack:
            desk_state = settings.state / "handoffs-voice.sqlite"
            system = await stack.enter_async_context(open_system_with_desk(settings, desk_state, console.print))
            try:
                wake = await asyncio.to_thread(wake_word, settings, ears, spoken)
                voice = await open_voice(settings, system, SESSION, spoken, ears, wake=wake)
            except (StartError, AudioError) as error:
                return await _typing(settings, system, console, spoken, "voice.no_recognizer", str(error))
            stack.push_async_callback(asyncio.to_thread, voice.close)
            view = View(system, console, spoken)
            devices = Devices(settings, voice, view)
            try:
                devices.open()
            except AudioError as error:
                return await _typing(settings, system, console, spoken, f"voice.{error.code}", str(error))
            stack.push_async_callback(asyncio.to_thread, devices.close)
            announcer = asyncio.create_task(announce(system, lambda: [SESSION]))
            stack.callback(announcer.cancel)
            system.stream.add_sink(_spoken_notices(voice))
            if system.line_sounds is not None:
                stack.callback(system.line_sounds.join(SESSION, voice))
            if wake is None:
                view.tell("voice.no_wake")
            with view:
                await _keys(voice)
            return 0
    finally:
        ears.close()


async def _typing(
    settings: Settings, system: System, console: Console, language: Language, key: str, detail: str
) -> int:
    """Says why there is no voice, and goes on in text."""
    from agent.chat import Chat

    console.print(system.phrases.say(language, key), style="bold yellow")
    console.print(detail, style="dim")
    return await Chat(system, console, SESSION, language).run(settings)


def _spoken_notices(voice: Voice) -> Any:
    def sink(event: Event) -> None:
        if (words := said_unasked(event)) is not None:
            voice.listener.announce(*words)

    return sink


class Devices:
    """Microphone and loudspeaker, opened again when they went away."""

    def __init__(self, settings: Settings, voice: Voice, view: View) -> None:
        self._settings, self._voice, self._view = settings, voice, view
        self._thread: VoiceThread | None = None
        self._speaker: Any = None

    def open(self) -> None:
        """Raises `AudioError` when there is no microphone at all; without a loudspeaker answers are only shown."""
        from audio.devices import Lasting, SoundDeviceMicrophone, rescan

        opened = False

        def microphone() -> Any:
            nonlocal opened
            if opened:
                rescan()
            made = SoundDeviceMicrophone(self._settings.microphone)
            if opened:
                # PortAudio was started anew: the loudspeaker's stream is of the old one.
                self._open_speaker()
            opened = True
            return made

        source = Lasting(microphone, self._changed)
        out = None if self._open_speaker() else lambda frame: None
        self._thread = VoiceThread(self._voice, source, out=out)
        self._thread.start()

    def close(self) -> None:
        if self._thread is not None:
            self._thread.close()
        if self._speaker is not None:
            self._speaker.close()

    def _open_speaker(self) -> bool:
        from audio.devices import SoundDeviceSpeaker

        if self._speaker is not None:
            self._speaker.close()
        try:
            self._speaker = SoundDeviceSpeaker(self._voice.player, self._settings.loudspeaker)
        except AudioError:
            self._speaker = None
            self._view.tell("voice.speaker_lost")
        return self._speaker is not None

    def _changed(self, error: AudioError | None) -> None:
        self._view.tell("voice.device_back" if error is None else f"voice.{error.code}")


class View:
    """What is going on, on the terminal: the state and what is being heard below, what was said above."""

    def __init__(self, system: System, console: Console, language: Language) -> None:
        self._system, self._console, self._language = system, console, language
        self._state, self._partial, self._note = "idle", "", ""
        self._lines: deque[tuple[str, str]] = deque(maxlen=200)
        self._live: Any = None
        self.lost = 0

    def __enter__(self) -> View:
        from rich.live import Live

        self._system.stream.add_sink(self.show)
        self._live = Live(self._bottom(), console=self._console, auto_refresh=False, transient=True)
        self._live.__enter__()
        for line in self._lines:
            self._console.print(*line[:1], style=line[1])
        return self

    def __exit__(self, *_: object) -> None:
        self._live.__exit__(None, None, None)

    def tell(self, key: str) -> None:
        """A sentence of ours about a device; from any thread."""
        self._print(self._system.phrases.say(self._language, key), "yellow")

    def show(self, event: Event) -> None:
        if isinstance(event, VoiceState):
            self._state = event.state
            if event.state != "listening":
                self._partial = ""
        elif isinstance(event, Partial):
            self._partial = event.text
        elif isinstance(event, Heard):
            self._print(f"› {event.text}", "white")
        elif isinstance(event, Speaking):
            self._print(f"  {event.text.strip()}", "bold cyan")
        elif isinstance(event, Interrupted):
            self._print("  …", "cyan")
        elif isinstance(event, Prompted):
            self._note = ""
        elif isinstance(event, Latency):
            self._note = f"{event.total_ms:.0f} ms"
        elif isinstance(event, SoundLost):
            self.lost += event.frames
            self._note = f"− {self.lost * 20} ms"
        elif isinstance(event, Failed):
            self._note = f"{event.stage}: {event.code}"
        else:
            return
        self._refresh()

    def _print(self, text: str, style: str) -> None:
        if self._live is None:
            self._lines.append((text, style))
        else:
            self._console.print(text, style=style)

    def _refresh(self) -> None:
        if self._live is not None:
            self._live.update(self._bottom(), refresh=True)

    def _bottom(self) -> RenderableType:
        from rich.text import Text

        mark = {"idle": "○", "listening": "●", "thinking": "…", "speaking": "▶", "call": "☎"}[self._state]
        line = Text(f"{mark} {STATES[self._language][self._state]}", style="bold green")
        line.append(f"  {self._partial}", style="italic")
        if self._note:
            line.append(f"   {self._note}", style="dim")
        line.append(f"\n{KEYS[self._language]}", style="dim")
        return line


async def _keys(voice: Voice) -> None:
    """Space talks, q leaves; also the end of the input and Ctrl-C."""
    loop = asyncio.get_running_loop()
    keys: asyncio.Queue[str] = asyncio.Queue()
    if not sys.stdin.isatty():
        # No keys: until the input ends.
        await asyncio.to_thread(sys.stdin.read)
        return
    with _key_by_key():
        loop.add_reader(sys.stdin.fileno(), lambda: keys.put_nowait(sys.stdin.read(1)))
        try:
            while True:
                key = await keys.get()
                if key in ("q", "Q", "\x04", ""):
                    return
                if key == " ":
                    voice.listener.press("talk_switch")
        finally:
            loop.remove_reader(sys.stdin.fileno())


@contextlib.contextmanager
def _key_by_key() -> Iterator[None]:
    import termios
    import tty

    before = termios.tcgetattr(sys.stdin.fileno())
    tty.setcbreak(sys.stdin.fileno())
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, before)
