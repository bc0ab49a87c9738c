"""`concierge chat`: a conversation in the terminal, with line editing and history; piped lines work as well."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from agent.composition import System, announce, open_agentplus
from agent.conversation import TurnResult
from agent.events import Acted, Event, Handoff, Notice, OperatorSaid, Pushed, Relayed, Understood
from agent.handoff_composition import open_system_with_desk
from agent.settings import Settings
from backends.model import Language

if TYPE_CHECKING:
    from rich.console import Console

HELP = {
    "ja": "/why いまの理解　/car 車の状態　/drive 10x 走る（/drive 0 で止まる）　/time 車の時刻　/reset 会話を忘れる　/quit 終わる　数字だけで候補の返事を選ぶ",
    "en": "/why what was understood   /car the car's state   /drive 10x drive (/drive 0 stops)   /time the car's time   "
    "/reset forget the conversation   /quit leave   a number alone picks a quick reply",
}
CAR_SIGNALS = (
    "Vehicle.Speed",
    "Vehicle.CurrentLocation.Latitude",
    "Vehicle.CurrentLocation.Longitude",
    "Vehicle.CurrentLocation.Heading",
    "Vehicle.Powertrain.FuelSystem.RelativeLevel",
    "Vehicle.Powertrain.Range",
    "Vehicle.TraveledDistance",
    "Vehicle.Cabin.Infotainment.Media.Volume",
    "Vehicle.Cabin.Infotainment.Media.Played.Source",
    "Vehicle.Cabin.HVAC.Station.Row1.Driver.Temperature",
    "Vehicle.Cabin.HVAC.Station.Row1.Passenger.Temperature",
)


async def chat(settings: Settings, *, session: str, language: Language | None) -> int:
    """Until /quit or the end of the input."""
    from rich.console import Console

    # highlight off and text as Text: what drivers and places say is never read as markup.
    console = Console(highlight=False, markup=False, soft_wrap=True)

    def note(text: str) -> None:
        console.print(text, style="dim")

    async with open_system_with_desk(settings, settings.state / "handoffs-chat.sqlite", note) as system:
        return await Chat(system, console, session, language).run(settings)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


class Chat:
    """A conversation in a terminal."""

    def __init__(self, system: System, console: Console, session: str, language: Language | None) -> None:
        self._system, self._console, self._session, self._language = system, console, session, language
        self._last: TurnResult | None = None

    async def run(self, settings: Settings) -> int:
        self._system.stream.add_sink(self._unasked)
        async with contextlib.AsyncExitStack() as stack:
            unasked = [announce(self._system, lambda: [self._session])]
            if settings.agentplus:
                plus = await stack.enter_async_context(open_agentplus(self._system, lambda: [self._session]))
                unasked.append(plus.run())
            for work in unasked:
                stack.push_async_callback(_end, asyncio.create_task(work))
            self._console.print(HELP[self._language or "ja"], style="dim")
            async for line in _lines(settings, lambda: self._system.conversation.driver):
                if not await self._line(line.strip()):
                    break
        return 0

    async def _line(self, line: str) -> bool:
        """False: leave."""
        if not line:
            return True
        if line.startswith("/"):
            return await self._command(line)
        replies = self._last.spoke.quick_replies if self._last is not None else ()
        if line.isascii() and line.isdigit() and 1 <= int(line) <= len(replies):
            line = replies[int(line) - 1]
            self._console.print(f"> {line}", style="dim")
        turn = await self._system.conversation.turn(self._session, line, language=self._language)
        self._last = turn
        if isinstance(turn.events[-1], Relayed):
            mark = "→ Owner's Desk" if turn.events[-1].delivered else "→ Owner's Desk …"
            self._console.print(mark, style="dim")
            return True
        self._console.print(turn.spoke.text, style="bold cyan")
        if turn.spoke.quick_replies:
            numbered = "  ".join(f"{n} {text}" for n, text in enumerate(turn.spoke.quick_replies, 1))
            self._console.print(numbered, style="green")
        return True

    async def _command(self, line: str) -> bool:
        name, _, argument = line[1:].partition(" ")
        if name in ("quit", "exit", "q"):
            return False
        if name == "why":
            self._why()
        elif name == "car":
            self._car()
        elif name == "drive":
            self._drive(argument)
        elif name == "time":
            self._console.print(f"{self._system.simulation.clock():%Y-%m-%d %H:%M:%S %Z}", style="yellow")
        elif name == "reset":
            await self._system.conversation.reset(self._session)
            self._last = None
        else:
            language = self._language or self._system.conversation.language_of(self._session) or "ja"
            self._console.print(HELP[language], style="dim")
        return True

    def _why(self) -> None:
        if self._last is None:
            return
        for event in self._last.events:
            if isinstance(event, Understood):
                self._console.print(f"{event.function} · {event.intent} ({event.confidence:.2f})", style="yellow")
                for entity in event.entities:
                    role = f" [{entity['role']}]" if entity.get("role") else ""
                    self._console.print(f"  {entity['entity']}{role} = {entity.get('value')}", style="yellow")
            elif isinstance(event, Acted):
                mark = "done" if event.ok else "failed"
                self._console.print(f"  {mark}: {event.name} {dict(event.arguments)}", style="yellow")
        stages = "  ".join(f"{k} {v:.1f}" for k, v in self._last.spoke.timings.items() if v >= 0.05)
        self._console.print(f"  {self._last.spoke.total_ms:.1f} ms: {stages}", style="yellow")

    def _car(self) -> None:
        vehicle = self._system.simulation.vehicle
        for path in CAR_SIGNALS:
            with contextlib.suppress(Exception):
                spec = vehicle.catalogue[path].spec
                self._console.print(f"  {path} = {vehicle.read(path).value} {spec.unit or ''}", style="yellow")
        status = self._system.simulation.navigation.now()
        if status["guiding"]:
            text = f"  → {status['name']}: {status['remaining_m']:.0f} m, {status['eta']:%H:%M}"
            self._console.print(text, style="yellow")

    def _drive(self, argument: str) -> None:
        try:
            factor = float(argument.strip().lower().removesuffix("x") or 1)
            self._system.simulation.vehicle.drive(factor)
        except ValueError:
            self._console.print("/drive 0 … 600x", style="red")
            return
        self._console.print(f"  {factor:g}x", style="yellow")

    def _unasked(self, event: Event) -> None:
        if isinstance(event, OperatorSaid):
            self._console.print(f"{event.author or 'Operator'}: {event.text}", style="bold green")
        elif isinstance(event, (Notice, Handoff, Pushed)) and event.text:
            self._console.print(event.text, style="bold magenta")


async def _lines(settings: Settings, driver: Callable[[], str]) -> AsyncIterator[str]:
    """Lines of the terminal with editing and history, or of a pipe."""
    if not sys.stdin.isatty():
        while line := await asyncio.to_thread(sys.stdin.readline):
            yield line
        return
    from prompt_toolkit import PromptSession
    from prompt_toolkit.history import FileHistory
    from prompt_toolkit.patch_stdout import patch_stdout

    class Typed(FileHistory):
        """What a guest types is not kept."""

        def store_string(self, string: str) -> None:
            if driver() != "guest":
                super().store_string(string)

    settings.state.mkdir(parents=True, exist_ok=True)
    prompt: PromptSession[str] = PromptSession("› ", history=Typed(str(settings.state / "chat-history")))
    while True:
        try:
            with patch_stdout(raw=True):
                yield await prompt.prompt_async()
        except (EOFError, KeyboardInterrupt):
            return
