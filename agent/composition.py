"""The composition root: builds the concrete things and joins them. Nothing else does.

Two halves that meet on loopback, in one process or in several:

    simulation (gateway)              engine (dialogue thread, or worker processes)
    vehicle, navigation → VISSv2  ←   VissVehicle, VissNavigation
    weather, news, roads → HTTP   ←   OpenMeteoWeather, RssNews, CentreTraffic
                                      places, routes, memory: files of the data folder
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import inspect
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from agent import training
from agent.composition_hearing import Ears as Ears
from agent.composition_hearing import wake_word_store as wake_word_store
from agent.conversation import Conversation, Line
from agent.dialogue import Dialogue, InThreadDialogue, spend
from agent.errors import StartError
from agent.events import EventStream
from agent.manner import MannerDialogue
from agent.safety import Safety, SafetyDataError
from agent.settings import PROJECT, Settings
from agent.several import SeveralRequests
from backends.model import Language, PlaceQuery, Position, RouteRequest

if TYPE_CHECKING:
    from actions.phrases import Phrases
    from actions.skill import World
    from agent.agentplus import AgentPlus
    from agent.car_map import CarMap
    from agent.dialogue_worker import Engine
    from agent.event_log import EventLog
    from agent.line_sound import LineSounds
    from agent.prediction.store import History
    from agent.voice_words import VoiceWords
    from agent.web.routes_offered import RoutesOffered
    from backends.ports import Preferences
    from simulator.centre import CentreServer
    from simulator.navigation import SimulatedNavigation
    from simulator.vehicle import SimulatedClock, SimulatedVehicle
    from simulator.viss_server import VissServer
    from simulator.world import SimulatedWorld

log = logging.getLogger(__name__)
T = TypeVar("T")

NLU_DATA = PROJECT / "nlu_data"
START = Position(35.6586, 139.7454)
"""where a new car stands: below Tokyo Tower"""
CENTRE_FRESH_S = 30.0
"""what the centre said is asked anew after so long: its world changes at a tester's word"""
Clock = Callable[[], datetime]


@dataclass(frozen=True)
class Addresses:
    """Where an engine finds the world; plain values, so that they can be sent to a worker process."""

    viss_url: str
    centre_url: str
    home: str
    profile: str = "e5"
    online: bool = False
    online_deadline_s: float = 1.5
    desk_phone: str = "0800-300-0365"
    memory_url: str = ""
    """SQLAlchemy URL of what drivers keep"""
    history_url: str = ""
    """SQLAlchemy URL of what Agent+ has learnt; empty: nothing is"""
    profiles_url: str = ""
    """and of the registered drivers"""
    tracker_db: str = ""
    """SQLite file of the conversations; empty: in memory"""


class _Timed:
    """A port whose calls go onto the stage clock as `backend`."""

    def __init__(self, port: Any) -> None:
        self._port = port

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._port, name)
        if inspect.iscoroutinefunction(attribute):

            async def call(*args: Any, **kwargs: Any) -> Any:
                started = time.perf_counter()
                try:
                    return await attribute(*args, **kwargs)
                finally:
                    spend("backend", (time.perf_counter() - started) * 1000)

            # Looked up once: the next access finds it in the instance.
            self.__dict__[name] = call
            return call
        return attribute


def timed(port: T) -> T:
    """The same port, with its time counted."""
    return cast(T, _Timed(port))


@asynccontextmanager
async def open_world(addresses: Addresses, clock: Clock) -> AsyncIterator[World]:
    """The world as the actions see it, in the running event loop."""
    from actions.skill import World
    from agent.prediction.store import History
    from backends.coverage import CachedArea, Coverage, CoveredNews, CoveredWeather
    from backends.gazetteer import JapanGazetteer
    from backends.http import open_session
    from backends.maps import current
    from backends.memory import SqlMemory
    from backends.navigation import VissNavigation
    from backends.news import FallbackNews, RssNews, centre_feeds
    from backends.parking import CentreParking, LivePlaces
    from backends.places import SqlitePlaces
    from backends.routes import ValhallaRoutes
    from backends.traffic import CentreTraffic
    from backends.vehicle import VissVehicle
    from backends.weather import FallbackWeather, OpenMeteoWeather

    home = Path(addresses.home)
    installed = current(home)
    # Without a map the adapters say so themselves, in the turn that asks them.
    folder = installed.folder if installed is not None else home / "maps" / "none"
    places = SqlitePlaces(folder / "places.sqlite")
    routes = ValhallaRoutes(folder / "tiles")
    vehicle = VissVehicle(addresses.viss_url)
    session = open_session()
    coverage = Coverage(vehicle)
    parking = CentreParking(addresses.centre_url, session, clock=clock)
    centre_weather = OpenMeteoWeather(addresses.centre_url, session, clock=clock, fresh_s=CENTRE_FRESH_S)
    online_weather = OpenMeteoWeather("https://api.open-meteo.com", session, addresses.online_deadline_s, clock=clock)
    centre_news = RssNews(centre_feeds(addresses.centre_url), session, clock=clock, fresh_s=CENTRE_FRESH_S)
    online_news = RssNews(_feeds(), session, addresses.online_deadline_s, clock=clock)
    memory = SqlMemory(addresses.memory_url)
    history = History(addresses.history_url) if addresses.history_url else None
    drivers = History(addresses.profiles_url) if addresses.history_url else None
    try:
        yield World(
            places=timed(CachedArea(LivePlaces(places, parking), coverage)),
            # The file the dialogue model reads as well: made once.
            gazetteer=JapanGazetteer.load(home),
            routes=timed(routes),
            vehicle=timed(vehicle),
            navigation=timed(VissNavigation(vehicle)),
            weather=timed(
                FallbackWeather(CoveredWeather(online_weather, coverage), centre_weather, online=addresses.online, clock=clock,
                                deadline_s=addresses.online_deadline_s)
            ),
            news=timed(
                FallbackNews(CoveredNews(online_news, coverage), centre_news, online=addresses.online, clock=clock,
                             deadline_s=addresses.online_deadline_s)
            ),
            traffic=timed(CentreTraffic(addresses.centre_url, session, clock=clock)),
            memory=timed(memory),
            clock=clock,
            desk_phone=addresses.desk_phone,
            taste=_taste(history, drivers) if history is not None and drivers is not None else None,
        )  # fmt: skip
    finally:
        for store in (history, drivers):
            if store is not None:
                store.close()
        await session.close()
        await vehicle.close()
        await routes.close()
        places.close()


def _taste(history: History, drivers: History) -> Preferences:
    """The taste of whoever has a profile and lets learn."""
    from agent.profile import ProfileError, Profiles
    from agent.taste import KeptTaste

    profiles = Profiles(drivers)

    def learns(driver: str) -> bool:
        try:
            return profiles.get(driver).learns
        except ProfileError:
            return False

    def known(driver: str) -> bool:
        try:
            return profiles.get(driver).role != "guest"
        except ProfileError:
            return False

    return KeptTaste(history, learns, known)


def _feeds() -> dict[str, dict[Any, str]]:
    """News feeds asked first when going online is allowed (nlu_data has none of this: they are addresses, not words)."""
    nhk = "https://www.nhk.or.jp/rss/news/cat{}.xml"
    bbc = "https://feeds.bbci.co.uk/news/{}rss.xml"
    japanese = {"general": 0, "local": 1, "science": 3, "world": 6, "business": 5, "sports": 7, "entertainment": 2}
    english = {"general": "", "world": "world/", "business": "business/", "technology": "technology/",
               "entertainment": "entertainment_and_arts/", "science": "science_and_environment/"}  # fmt: skip
    feeds: dict[str, dict[Any, str]] = {topic: {"ja": nhk.format(n)} for topic, n in japanese.items()}
    for topic, path in english.items():
        feeds.setdefault(topic, {})["en"] = bbc.format(path)
    return feeds


class OwnedEngine:
    """An engine together with the world it opened."""

    def __init__(self, engine: Engine, stack: contextlib.AsyncExitStack) -> None:
        self._engine, self._stack = engine, stack
        self.turn, self.parse, self.reset, self.slots = engine.turn, engine.parse, engine.reset, engine.slots
        self.forget = engine.forget

    async def close(self) -> None:
        await self._engine.close()
        await self._stack.aclose()


async def open_engine(
    model: Path, addresses: Addresses, clock: Clock, *, alter: Callable[[World], World] = lambda world: world
) -> Dialogue:
    """The engine in the running event loop; closing it closes its world. `alter` lets tests break parts of the world."""
    from actions import all_skills
    from agent.dialogue_worker import create_engine

    async with contextlib.AsyncExitStack() as stack:
        world = await stack.enter_async_context(open_world(addresses, clock))
        engine = await create_engine(
            model,
            all_skills(),
            alter(world),
            load_phrases(),
            Path(addresses.tracker_db) if addresses.tracker_db else None,
        )
        await _warm(world)
        return OwnedEngine(engine, stack.pop_all())
    raise AssertionError("unreachable")


async def _warm(world: World) -> None:
    """Opens what is opened on first use; what fails here says so in the turn that needs it."""
    from actions import inventory

    await asyncio.gather(
        asyncio.to_thread(inventory.load),
        world.places.search(PlaceQuery(near=START, radius_m=1000, limit=1)),
        world.routes.route(RouteRequest(START, Position(START.latitude + 0.005, START.longitude))),
        world.vehicle.get("Vehicle.Speed"),
        return_exceptions=True,
    )


def load_phrases() -> Phrases:
    """Our sentences. Raises `StartError`."""
    from actions.phrases import PhraseError, Phrases

    try:
        return Phrases.load(NLU_DATA / "responses")
    except (PhraseError, OSError) as error:
        raise StartError(f"The sentences in nlu_data/responses cannot be read: {error}.") from error


def load_safety() -> Safety:
    """The phrases of distress. Raises `StartError`."""
    try:
        return Safety.load(NLU_DATA / "safety")
    except SafetyDataError as error:
        raise StartError(f"The phrases in nlu_data/safety cannot be read: {error}.") from error


def load_voice_words() -> Mapping[Language, VoiceWords]:
    """The words the voice loop itself knows. Raises `StartError`."""
    from agent import voice_words

    try:
        return {language: voice_words.load(NLU_DATA / "voice", language) for language in ("ja", "en")}
    except voice_words.VoiceWordsError as error:
        raise StartError(f"The words in nlu_data/voice cannot be read: {error}.") from error


# ── the simulation ──────────────────────────────────────────────────────────────────────────────────────────────────


class Simulation:
    """The simulated car and the world round it, served on loopback."""

    def __init__(
        self,
        clock: SimulatedClock,
        vehicle: SimulatedVehicle,
        navigation: SimulatedNavigation,
        world: SimulatedWorld,
        viss: VissServer,
        centre: CentreServer,
    ) -> None:
        from simulator.controls import Controls

        self.clock, self.vehicle, self.navigation = clock, vehicle, navigation
        self.world, self.viss, self.centre = world, viss, centre
        self.controls = Controls(clock, vehicle, navigation, world)

    def line(self) -> Line:
        """Whether the centre can be reached and may be used."""
        if self.world.contract_cancelled:
            return "no_contract"
        return "no_connection" if self.world.network_lost else "ok"

    def restart(self, position: Position = START) -> None:
        """Back to a car that stands still with no destination."""
        self.vehicle.follow(None)
        self.vehicle.place(position)

    def save(self, path: Path) -> None:
        state = {
            "vehicle": self.vehicle.export_state(),
            "navigation": self.navigation.export_state(),
            "world": self.world.export_state(),
            "ahead_s": self.clock.ahead_s,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        part.write_text(json.dumps(state, ensure_ascii=False), encoding="utf-8")
        part.replace(path)

    def load(self, path: Path) -> None:
        """Takes up the state saved at `path`; a broken file is left alone and the car starts anew."""
        try:
            state = json.loads(path.read_text(encoding="utf-8"))
            # The clock first: what is taken up is stamped with the car's time.
            self.clock.ahead_s = float(state.get("ahead_s", 0.0))
            self.vehicle.import_state(state["vehicle"])
            self.navigation.import_state(state["navigation"])
            if "world" in state:
                self.world.import_state(state["world"])
        except FileNotFoundError:
            return
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            log.warning("the car's saved state cannot be read: %r", error)


@asynccontextmanager
async def open_simulation(
    settings: Settings, *, clock: SimulatedClock | None = None, state: Path | None = None, seed: int = 1
) -> AsyncIterator[Simulation]:
    """Starts the simulated car (taking up `state`, and saving it there at the end) and the centre."""
    from simulator.centre import CentreServer
    from simulator.navigation import SimulatedNavigation
    from simulator.vehicle import SimulatedClock, SimulatedVehicle
    from simulator.viss_server import VissServer
    from simulator.world import SimulatedWorld

    clock = clock or SimulatedClock()
    vehicle = SimulatedVehicle(clock, position=_start(settings))
    world = SimulatedWorld(seed, clock)
    world.equipment = settings.equipment
    simulation = Simulation(
        clock, vehicle, SimulatedNavigation(vehicle), world, VissServer(vehicle), CentreServer(world)
    )
    if state is not None:
        simulation.load(state)
        if not _on_map(settings, vehicle.position):
            # Another map was chosen since: a car that stands off it would find nothing.
            simulation.restart(_start(settings))
    # The settings say how the car starts; what was arranged before holds where they say nothing.
    world.network_lost = world.network_lost or not settings.connected
    world.contract_cancelled = world.contract_cancelled or not settings.contract
    async with simulation.viss, simulation.centre:
        try:
            yield simulation
        finally:
            await vehicle.stop()
            if state is not None:
                simulation.save(state)


def _on_map(settings: Settings, position: Position) -> bool:
    """Whether the installed map has the position; without a map there is nothing to be off."""
    from backends.maps import current

    installed = current(settings.home)
    return installed is None or installed.info.contains(position)


def _start(settings: Settings) -> Position:
    """Below Tokyo Tower, or in the middle of the installed map when that lies elsewhere."""
    from backends.maps import current

    installed = current(settings.home)
    if installed is None or installed.info.contains(START):
        return START
    low, high = installed.info.south_west, installed.info.north_east
    return Position((low.latitude + high.latitude) / 2, (low.longitude + high.longitude) / 2)


# ── the whole ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class System:
    """Everything up and joined."""

    settings: Settings
    conversation: Conversation
    dialogue: Dialogue
    simulation: Simulation
    stream: EventStream
    phrases: Phrases
    manners: MannerDialogue
    """takes wishes about how it speaks, for sessions with a voice"""
    line_sounds: LineSounds | None = None
    """the sound to operators; None without a desk"""
    plus: AgentPlus | None = None
    """while Agent+ follows the car"""
    event_log: EventLog | None = None
    """where events are written, when they are"""
    car_map: CarMap | None = None
    """what the page's map asks, while it is open (agent/composition_map.py)"""
    routes_offered: RoutesOffered | None = None
    """the ways to the destination as the pages offer them"""


def addresses_of(settings: Settings, simulation: Simulation, *, lasting: bool) -> Addresses:
    """`lasting`: conversations and memories in files; otherwise gone with the process."""
    settings.state.mkdir(parents=True, exist_ok=True)
    return Addresses(
        viss_url=simulation.viss.url,
        centre_url=simulation.centre.base_url,
        home=str(settings.home),
        profile=settings.profile,
        online=settings.online,
        online_deadline_s=settings.online_deadline_s,
        desk_phone=settings.desk_phone,
        history_url=history_url(settings) if lasting and settings.agentplus else "",
        profiles_url=profiles_url(settings),
        memory_url=f"sqlite:///{settings.state / 'memory.sqlite'}" if lasting else "sqlite://",
        tracker_db=str(settings.state / "conversations.sqlite") if lasting else "",
    )


def join(
    settings: Settings, simulation: Simulation, dialogue: Dialogue, phrases: Phrases, safety: Safety | None = None
) -> System:
    """A conversation over a dialogue model and a simulation; `safety` None: as in nlu_data."""
    from agent.nlu.functions import function_of

    stream = EventStream()
    several = SeveralRequests(dialogue, function_of, phrases.say)
    manners = MannerDialogue(several, load_voice_words(), phrases.say)
    conversation = Conversation(
        manners,
        phrases,
        safety or load_safety(),
        function_of=function_of,
        clock=simulation.clock,
        stream=stream,
        deadline_s=settings.turn_deadline_s,
        language=None if settings.language == "auto" else settings.language,
        driver=settings.driver,
        desk_phone=settings.desk_phone,
        line=simulation.line,
        equipment=lambda: simulation.world.equipment,
    )
    return System(settings, conversation, dialogue, simulation, stream, phrases, manners)


@asynccontextmanager
async def open_system(
    settings: Settings,
    *,
    lasting: bool,
    clock: SimulatedClock | None = None,
    alter: Callable[[World], World] = lambda world: world,
) -> AsyncIterator[System]:
    """Everything in this process, the dialogue model in a thread of its own. Raises `StartError`."""
    model = training.find_model(settings)
    # What is quickly read first: a broken file is told before the engine is loaded.
    phrases, safety = load_phrases(), load_safety()
    state = settings.state / "car.json" if lasting else None
    async with open_simulation(settings, clock=clock, state=state) as simulation:
        addresses = addresses_of(settings, simulation, lasting=lasting)
        dialogue = InThreadDialogue(lambda: open_engine(model, addresses, simulation.clock, alter=alter))
        await dialogue.start()
        try:
            yield join(settings, simulation, dialogue, phrases, safety)
        finally:
            await dialogue.close()


def announcement(kind: str, name: str) -> str | None:
    """The sentence for something the head unit tells while guiding, None for what is not said aloud here."""
    if kind == "arrived":
        return "notice.arrived_name" if name else "notice.arrived"
    return {"approaching": "notice.approaching", "waypoint_reached": "notice.waypoint_reached"}.get(kind)


async def announce(system: System, sessions: Callable[[], list[str]]) -> None:
    """Tells the listening sessions what the head unit reports; runs until cancelled."""
    async for event in system.simulation.navigation.events():
        key = announcement(event.kind, event.name)
        if key is None:
            continue
        for session in sessions():
            await system.conversation.notice(session, event.kind, key, data={"name": event.name})


@asynccontextmanager
async def open_agentplus(
    system: System, sessions: Callable[[], list[str]], *, lasting: bool = True
) -> AsyncIterator[AgentPlus]:
    """Agent+ over a system that is up: it follows the simulated car and speaks into the listening sessions. Not `lasting`: what it
    learns goes with the process."""
    from actions import inventory
    from agent.agentplus import AgentPlus, Senses
    from agent.notices.policy import Wishes
    from agent.prediction.store import History
    from agent.profile import Profiles
    from backends.http import open_session
    from backends.maps import current
    from backends.memory import SqlMemory
    from backends.places import SqlitePlaces
    from backends.routes import ValhallaRoutes
    from backends.traffic import CentreTraffic
    from backends.weather import OpenMeteoWeather

    settings, simulation = system.settings, system.simulation
    installed = current(settings.home)
    folder = installed.folder if installed is not None else settings.maps / "none"
    places, roads = SqlitePlaces(folder / "places.sqlite"), ValhallaRoutes(folder / "tiles")
    session = open_session()
    memory = SqlMemory(f"sqlite:///{settings.state / 'memory.sqlite'}" if lasting else "sqlite://")
    history = History(history_url(settings) if lasting else "sqlite://")
    drivers = History(profiles_url(settings) if lasting else "sqlite://")
    clock = simulation.clock
    plus = AgentPlus(
        Senses(
            simulation.vehicle,
            simulation.navigation,
            CentreTraffic(simulation.centre.base_url, session, clock=clock),
            OpenMeteoWeather(simulation.centre.base_url, session, clock=clock),
            roads,
            memory,
            places,
        ),
        history,
        Profiles(drivers),
        system.conversation,
        clock=clock,
        sessions=sessions,
        wishes=Wishes.of(settings.notice_classes, settings.notices, settings.quiet_hours),
        keep_days=settings.keep_positions_days,
        language="en" if settings.language == "en" else "ja",
        default_driver=settings.driver,
        label=lambda genre, language: inventory.load().genre_label(genre, language),
        elsewhere=elsewhere(system) if lasting else system.conversation.forget,
    )
    system.conversation.companion = system.plus = plus
    try:
        await plus.begin()
        yield plus
    finally:
        system.conversation.companion = system.plus = None
        await session.close()
        await roads.close()
        places.close()
        memory.close()
        history.close()
        drivers.close()


def elsewhere(system: System) -> Callable[[str], Awaitable[None]]:
    """What erases all that is kept of a driver beside what Agent+ learnt: words in conversations, logs, recordings, handoffs."""
    from agent.forgetting import forget_files

    async def forget(driver: str) -> None:
        await system.conversation.forget(driver)
        if system.event_log is not None and driver != "guest":
            await asyncio.to_thread(system.event_log.forget, driver)
        await asyncio.to_thread(forget_files, system.settings, driver)

    return forget


def history_url(settings: Settings) -> str:
    """SQLAlchemy URL of what Agent+ has learnt."""
    return f"sqlite:///{settings.state / 'agentplus.sqlite'}"


def profiles_url(settings: Settings) -> str:
    """SQLAlchemy URL of the registered drivers: a file of its own, which outlives a broken history."""
    return f"sqlite:///{settings.state / 'profiles.sqlite'}"


def map_is_ready(settings: Settings) -> bool:
    """Whether a map is installed; a demo map must be one that the present program would build."""
    from backends.maps import current

    installed = current(settings.home)
    if installed is None:
        return False
    if not installed.info.demo:
        return True
    try:
        return _demo_stamp(settings).read_text(encoding="utf-8") == _demo_fingerprint()
    except OSError:
        return False


def ensure_map(settings: Settings, progress: training.Progress) -> float:
    """Builds the demo map when no map is installed, or when the demo map is of an earlier program; returns the seconds it took
    (0 when nothing was to do)."""
    if map_is_ready(settings):
        return 0.0
    return build_demo(settings, progress)


def build_demo(settings: Settings, progress: training.Progress) -> float:
    """Builds the demo map and makes it the active one; returns the seconds it took. Raises `MapError`."""
    from simulator.region.build import build_demo_region

    started = time.monotonic()
    build_demo_region(settings.home, progress)
    _demo_stamp(settings).write_text(_demo_fingerprint(), encoding="utf-8")
    return time.monotonic() - started


def _demo_stamp(settings: Settings) -> Path:
    return settings.maps / "demo.fingerprint"


_MAP_BUILDERS = (
    "maps.py",
    "map_tiles.py",
    "map_layers.yml",
    "vector_tiles.py",
    "coastline.py",
    "places.py",
    "place_names.py",
    "osm_places.py",
    "readings.py",
    "sounds.py",
    "routes.py",
)


def _demo_fingerprint() -> str:
    """Of what the demo map is made of: the region's facts and the builders."""
    backends = PROJECT / "backends"
    sources = [backends / name for name in _MAP_BUILDERS]
    sources += sorted(p for p in (PROJECT / "simulator" / "region").iterdir() if p.is_file())
    sources.append(NLU_DATA / "inventories" / "genres.yml")
    digest = hashlib.sha256()
    for path in sources:
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


class ToldClock:
    """The car's time in another process, as told with each message: `now` then, going on at `rate`."""

    def __init__(self, now: datetime) -> None:
        self._told, self._at, self._rate = now, time.monotonic(), 1.0

    def __call__(self) -> datetime:
        return self._told + timedelta(seconds=(time.monotonic() - self._at) * self._rate)

    def tell(self, clock: Mapping[str, Any]) -> None:
        if clock.get("now"):
            self._told, self._at = datetime.fromisoformat(clock["now"]), time.monotonic()
            self._rate = float(clock.get("rate", 1.0))


def tell_clock(simulation: Simulation) -> dict[str, Any]:
    """What `ToldClock.tell` takes."""
    return {"now": simulation.clock().isoformat(), "rate": max(1.0, simulation.vehicle.factor)}


def worker_config(addresses: Addresses, model: Path, token: str, deadline_s: float) -> dict[str, Any]:
    """What a worker process reads from its standard input."""
    return {"addresses": asdict(addresses), "model": str(model), "token": token, "deadline_s": deadline_s}


@asynccontextmanager
async def open_parser(settings: Settings) -> AsyncIterator[Dialogue]:
    """The model for understanding alone: no world, no actions. Raises `StartError`."""
    model = training.find_model(settings)

    async def create() -> Dialogue:
        from agent.dialogue_worker import create_engine

        return await create_engine(model, (), None, load_phrases(), None)

    dialogue = InThreadDialogue(create)
    await dialogue.start()
    try:
        yield dialogue
    finally:
        await dialogue.close()


def reported_state(slots: Mapping[str, Any], language: Language) -> dict[str, Any]:
    """What is in force after a turn, as `concierge replay` writes it: the search's conditions, and under `weather` the place
    and time of a weather question."""
    from actions import inventory, narrowing

    state = narrowing.report(narrowing.SearchState.from_json(slots.get("search")), language, inventory.load())
    weather = slots.get("weather")
    if weather:
        known = ("prefecture", "city", "area", "station", "place_name", "name_spoken", "where", "item")
        shown = {key: weather[key] for key in known if weather.get(key)}
        time_value = weather.get("time")
        if isinstance(time_value, Mapping):
            shown |= {k: v for k, v in time_value.items() if v is not None}
        state["weather"] = shown
    return state


def register_actions(executor: Any, world: World, phrases: Phrases) -> None:
    """Every action of ours with a rasa_sdk executor."""
    from actions import all_skills
    from actions.skill import register

    register(executor, all_skills(), world, phrases)
