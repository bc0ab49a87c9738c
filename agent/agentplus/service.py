"""Agent+ in the running car: follows the drive, learns it, looks ahead, speaks up once, takes the answer.

`step()` is called every second or so of the car's time (by `run`, or by a test in virtual time). Nothing here reads a clock of its
own, talks to Rasa, or waits for the driver. A backend that does not answer is asked again at the next look.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from agent.agentplus.learnt import Learnt
from agent.agentplus.model import Course, Pending, Senses, Snapshot, Voice
from agent.agentplus.replies import Replies
from agent.errors import AgentError
from agent.notices import wording
from agent.notices.look import Ahead, Lookout, MealOffers, Onwards
from agent.notices.manager import NoticeManager
from agent.notices.model import Candidate, DriveMoment
from agent.notices.policy import Wishes
from agent.prediction.calendar import day_kind
from agent.prediction.errors import HistoryError
from agent.prediction.model import Prediction, Situation, Trip
from agent.prediction.onward import Onward, Way, chances
from agent.prediction.predictor import Predictor
from agent.prediction.route import road_to
from agent.prediction.store import History
from agent.prediction.trips import TripRecorder
from agent.profile import GUEST, GUEST_PROFILE, Profile, ProfileError, Profiles, Recognised
from agent.taste import Taste
from backends.errors import BackendError
from backends.model import Language, Position, Route
from backends.routes import RouteLine

log = logging.getLogger(__name__)

LOOK_S = 30.0
PREDICT_S = 60.0
OFF_ROUTE_M = 250.0
ACROSS_M = 400.0
"""driven on so far, a prediction is made anew"""
STEP_S = 1.0
SHOWN_M, SOON_S = 400.0, 60.0
"""driven less than this, of a predicted road only what is met within so many seconds is told"""
SURELY = 0.8
SURE_REACH_M, SURE_STEP_M = 8_000.0, 200.0
"""the road ahead is shown as far as it is as sure as that"""
NAMES_KEPT = 200
"""earlier destinations whose names are looked at"""
SAME_SPOT_M = 150.0
Forget = Callable[[str], Awaitable[None]]
"""erases what is kept of a driver. Raises `AgentError`, `BackendError`"""
SIGNALS = {
    "latitude": "Vehicle.CurrentLocation.Latitude",
    "longitude": "Vehicle.CurrentLocation.Longitude",
    "heading": "Vehicle.CurrentLocation.Heading",
    "speed": "Vehicle.Speed",
    "ignition": "Vehicle.LowVoltageSystemState",
    "key": "Vehicle.Occupant.Row1.DriverSide.Identifier.Subject",
}
ON = frozenset({"ON", "START"})


class AgentPlus:
    """One car's Agent+."""

    def __init__(
        self,
        senses: Senses,
        history: History,
        profiles: Profiles,
        voice: Voice,
        *,
        clock: Callable[[], datetime],
        sessions: Callable[[], Sequence[str]],
        wishes: Wishes | None = None,
        keep_days: int = 90,
        language: Language = "ja",
        default_driver: str = "",
        label: Callable[[str, Language], str] = lambda genre, _: genre,
        elsewhere: Forget | None = None,
    ) -> None:
        """`language`: of somebody who has said nothing yet. `default_driver`: id used when the car reports no key; empty: the
        profiles decide. `label`: what a genre is called. `elsewhere` erases what is kept of a driver in other rooms
        (conversations, recordings, logs)."""
        self.senses, self.history, self.voice = senses, history, voice
        self.clock, self._sessions = clock, sessions
        self._wishes = wishes or Wishes()
        self.keep_days = keep_days
        self.label = label
        self._elsewhere = elsewhere
        self.language: Language = language
        self._default_driver = default_driver
        self.profiles = profiles
        self.profile: Profile = GUEST_PROFILE
        self.predictor = Predictor()
        self.manager = NoticeManager(self._wishes)
        self.taste = Taste()
        self.prediction: Prediction | None = None
        self._recorder = TripRecorder()
        self._lookout = Lookout(senses.traffic, senses.weather, senses.roads, senses.places)
        self._onward = Onward(senses.roads)
        self.ways: tuple[Way, ...] = ()
        """the ways the drive may go on, as they were looked at last"""
        self.road_ahead = True
        """whether the road is looked at where the destination is not known"""
        self.last: Snapshot | None = None
        self.key: str | None = None
        """what the car reports of the key or telephone, None before the first look"""
        self._to_ask = False
        self._unasked: tuple[Profile, ...] = ()
        """drivers to ask about as soon as somebody listens"""
        self._candidates: list[Candidate] = []
        self._looked: datetime | None = None
        self._ahead: Ahead | None = None
        self._version: tuple[Any, ...] = ()
        self._aside: Path | None = None
        self._predicted: tuple[datetime, Position] | None = None
        self._road: tuple[int, Route] | None = None
        self._names: dict[int, str] = {}
        """learnt place → what the driver once called a destination there"""
        self.learnt = Learnt(self)
        self.replies = Replies(self)
        self.answer, self.perform = self.replies.answer, self.replies.requests.perform
        self._course: Course | None = None

    @property
    def ahead(self) -> Ahead | None:
        """The road that will be driven, set or foreseen, as of the last look."""
        return self._ahead

    # ── the drive ───────────────────────────────────────────────────────────────────────────────────────────────

    async def run(self, pause: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Steps until cancelled."""
        while True:
            try:
                await self.step()
            except Exception:
                # Whatever broke, the drive goes on; the log has the trace.
                log.exception("Agent+ stumbled")
            await pause(STEP_S)

    async def begin(self) -> None:
        """Who drives, before anything is said or asked."""
        if (snapshot := await self._snapshot(self.clock())) is not None:
            await self._recognise(snapshot.key)

    async def step(self) -> None:
        """One look at the car, and what follows from it."""
        now = self.clock()
        snapshot = await self._snapshot(now)
        if snapshot is None:
            return
        await self._recognise(snapshot.key)
        if self._unasked and self._sessions():
            await self._ask_who(self._unasked)
        await self._tell_set_aside()
        before, self.last = self.last, snapshot
        was_driving = self._recorder.driving
        trip = self._recorder.feed(now, snapshot.position)
        if trip is None and before is not None and before.ignition and not snapshot.ignition:
            trip = self._recorder.finish()
        if not was_driving and self._recorder.driving:
            self.manager.start_drive()
            self.replies.latest = None
            await self._taste_anew()
            self._forget_road()
        if trip is not None:
            await self._arrived(trip)
            # Switched off, the driver is getting out: asked when back.
            self._to_ask = not snapshot.ignition
            if snapshot.ignition:
                await self._ask_once()
            return
        if not snapshot.ignition:
            return
        if self._to_ask:
            self._to_ask = False
            await self._ask_once()
        if self._looked is None or (now - self._looked).total_seconds() >= LOOK_S:
            self._looked = now
            await self._follow_changes()
            self._ahead = await self._find_ahead(snapshot, now)
            self._candidates = await self._lookout.look(self._ahead, now) if self._ahead is not None else []
            if self._ahead is not None and self._ahead.predicted and not self._recorder.driving:
                self._candidates.append(self._where_to(self._ahead, now))
        if self._ahead is not None and self._candidates:
            moment = self._moment(before, snapshot, now, self._ahead)
            await self._consider(moment, now)

    async def _snapshot(self, now: datetime) -> Snapshot | None:
        try:
            values = {}
            for name, path in SIGNALS.items():
                values[name] = (await self.senses.car.get(path)).value
            position = Position(float(values["latitude"]), float(values["longitude"]))
        except (BackendError, ValueError):
            return None
        return Snapshot(
            now, position, float(values["heading"]), float(values["speed"]), str(values["ignition"]) in ON,
            str(values["key"]),
        )  # fmt: skip

    async def _consider(self, moment: DriveMoment, now: datetime) -> None:
        assert self._looked is not None
        passed = (now - self._looked).total_seconds()
        aged = [replace(c, ahead_s=max(0.0, c.ahead_s - passed)) for c in self._candidates]
        if self._ahead is not None and self._ahead.predicted and not self._shown():
            # A few hundred metres tell much: what can wait for them waits.
            aged = [c for c in aged if c.kind == "destination" or c.ahead_s < SOON_S]
        assert self.last is not None
        free = day_kind(now, self.last.position.latitude, self.last.position.longitude) > 0
        chosen = self.manager.choose(aged, moment, free_day=free)
        if chosen is not None:
            await self._speak(chosen, self._ahead, now)

    def _shown(self) -> bool:
        """Whether the drive has shown where it heads."""
        path = self._recorder.path
        return self._recorder.driving and len(path) > 1 and self._driven_m() >= SHOWN_M

    def _driven_m(self) -> float:
        assert self.last is not None
        return self._situation(self.last.at, self.last.position).driven_m

    def _moment(self, before: Snapshot | None, at: Snapshot, now: datetime, ahead: Ahead | None) -> DriveMoment:
        workload = 0.0
        if before is not None and (passed := (at.at - before.at).total_seconds()) > 0:
            turned = abs((at.heading - before.heading + 180) % 360 - 180) / passed if at.speed_kmh > 5 else 0.0
            braked = max(0.0, before.speed_kmh - at.speed_kmh) / 3.6 / passed
            workload = min(1.0, turned / 20 + braked / 4)
        engaged = any(self.voice.engaged(session, now) for session in self._sessions())
        maneuver = self._course_of(ahead.route).maneuver_s(at) if ahead is not None else None
        return DriveMoment(now, at.speed_kmh, engaged, maneuver, workload)

    def _course_of(self, route: Route) -> Course:
        if self._course is None or self._course.route is not route:
            self._course = Course(route)
        return self._course

    # ── where it goes ───────────────────────────────────────────────────────────────────────────────────────────

    async def _find_ahead(self, at: Snapshot, now: datetime) -> Ahead | None:
        """The set route, else the predicted one."""
        try:
            status = await self.senses.navigation.status()
        except BackendError:
            return None
        if status.get("guiding"):
            route, goal = status["route"], status["destination"]
            assert isinstance(route, Route)
            assert isinstance(goal, Position)
            along, _ = RouteLine(route).project(at.position)
            usual = self._usual_s(self.predictor.places.find(goal.latitude, goal.longitude), at)
            return Ahead(route, along, 1.0, goal, wording.safe(str(status.get("name") or "")), usual_s=usual)
        return await self._foreseen_ahead(at, now)

    async def _foreseen_ahead(self, at: Snapshot, now: datetime) -> Ahead | None:
        """The predicted road; where the destination is not known, the road one goes on by."""
        situation = self._situation(now, at.position)
        if self._predicted is None or self._stale(now, at.position):
            self._predicted = (now, at.position)
            # Of a guest nothing is known: there is only the road.
            self.prediction = self.predictor.predict(situation)
        prediction = self.prediction
        self.ways = ()
        if self._recorder.driving and self.road_ahead:
            self.ways = await self._onward.ways(
                self.predictor, prediction, situation, at.heading, self.spoken()
            )  # fmt: skip
        if prediction is not None and not prediction.abstain and prediction.best is not None:
            sure = next((way.p for way in self.ways if way.place == prediction.best.place), prediction.best.p)
            if not self.ways or sure >= self.predictor.tuning.speak:
                return await self._predicted_ahead(at, situation, prediction, min(sure, prediction.best.p))
        self._road = None
        return self._onward_ahead(at, situation)

    def _onward_ahead(self, at: Snapshot, situation: Situation) -> Ahead | None:
        if not self.ways:
            return None
        best, ways, fan = self.ways[0], self.ways, self._onward.fan
        along, _ = RouteLine(best.route).project(at.position)

        def chance(spots: Sequence[Position]) -> Sequence[float]:
            return [float(p) for p in chances(ways, spots, self.predictor, situation, fan)]

        onward = Onwards(at.position, tuple(way.route for way in ways), chance)
        return Ahead(best.route, along, best.p, best.route.geometry[-1], onward=onward)

    async def _predicted_ahead(
        self, at: Snapshot, situation: Situation, prediction: Prediction, confidence: float
    ) -> Ahead | None:
        best = prediction.best
        assert best is not None
        if self._road is None or self._road[0] != best.place or self._left(self._road[1], at.position):
            found = await road_to(
                self.senses.roads, self.predictor, best.place, situation, language=self.spoken(), heading=at.heading
            )
            if not found:
                self._road = None
                return None
            self._road = (best.place, found[0])
        route = self._road[1]
        along, _ = RouteLine(route).project(at.position)
        return Ahead(
            route, along, confidence, best.position, self.place_name(best.place, self.spoken()), True,
            {lang: self.why(prediction, lang) for lang in wording.LANGUAGES}, self._usual_s(best.place, at),
        )  # fmt: skip

    def _where_to(self, ahead: Ahead, now: datetime) -> Candidate:
        """「会社ですか」 before the drive, for who wants to be asked."""
        values = {
            lang: {"reason": (ahead.reason or {}).get(lang, ""), "destination": ahead.name}
            for lang in wording.LANGUAGES
        }
        key = f"destination:{now:%Y%m%d%H}"
        return Candidate(
            "destination", key, 0.6, ahead.confidence, 0.0, now + timedelta(minutes=5), "notice.destination", values
        )

    def _situation(self, now: datetime, here: Position) -> Situation:
        path = self._recorder.path
        if not self._recorder.driving or not path:
            return Situation(now, np.array([[here.latitude, here.longitude]]))
        return Situation(path[0][0], np.array([point[1:] for point in path]))

    def _stale(self, now: datetime, here: Position) -> bool:
        assert self._predicted is not None
        made, where = self._predicted
        return (now - made).total_seconds() >= PREDICT_S or where.distance_to(here) >= ACROSS_M

    def _left(self, route: Route, here: Position) -> bool:
        return RouteLine(route).project(here)[1] > OFF_ROUTE_M

    def _usual_s(self, place: int | None, at: Snapshot) -> float | None:
        """Median of earlier drives from about here to the place at about this hour, for what is left of it."""
        if place is None or not self._recorder.path:
            return None
        origin = self.predictor.places.find(*self._recorder.path[0][1:])
        habits = self.predictor.habits
        if origin is None or not len(habits):
            return None
        mine = (habits.destination == place) & (habits.origin == origin)
        if mine.sum() < 3:
            return None
        gone = (at.at - self._recorder.path[0][0]).total_seconds() if self._recorder.driving else 0.0
        return max(60.0, float(np.median(habits.seconds[mine][-20:])) - gone)

    def _forget_road(self) -> None:
        self._predicted, self._road, self.prediction, self._looked, self._candidates = None, None, None, None, []
        self.ways = ()
        self._onward.forget()

    # ── learning ────────────────────────────────────────────────────────────────────────────────────────────────

    async def _arrived(self, trip: Trip) -> None:
        self._forget_road()
        if not self.profile.learns:
            if self.profile.role == "guest":
                await self._leave_nothing()
            return
        try:
            await asyncio.to_thread(self._save, trip)
            await asyncio.to_thread(self.history.fade, self.keep_days)
            await self._learn_names()
        except HistoryError as error:
            log.warning("a drive could not be saved: %s", error)
            return
        self._version = await self._version_now()
        self.predictor.habits.fade((self.clock() - timedelta(days=self.keep_days)).timestamp())

    def _save(self, trip: Trip) -> None:
        try:
            self.history.learn(self.profile.id, self.predictor, trip)
        except HistoryError:
            # A file that broke was set aside; what is known in memory begins the new one.
            self.history.save(self.profile.id, self.predictor)

    async def _ask_once(self) -> None:
        """Home and work are guessed, and asked about one time."""
        if not self.profile.learns or not len(self.predictor.habits):
            return
        here = self.predictor.habits.destination[-1]
        for label, place in (("home", self.predictor.home()), ("work", self.predictor.work())):
            if place is None or place != here or label in self.profile.asked:
                continue
            try:
                if await self.senses.memory.get(self.profile.id, label) is not None:
                    continue
            except BackendError:
                return
            self.profile = self.profiles.change(self.profile.id, asked=(*self.profile.asked, label))
            self._version = await self._version_now()
            now = self.clock()
            question = Candidate(
                "destination", f"ask:{label}", 1, 1, 0, now + timedelta(minutes=5), f"notice.ask_{label}"
            )
            said = self.voice.say(self.spoken(), question.sentence)
            for session in self._sessions():
                await self.voice.notice(session, "ask", question.sentence)
            self.replies.pending = Pending(question, now, None, label, int(place), text=said)
            return

    async def _leave_nothing(self) -> None:
        """What a guest said, set and was told is gone."""
        try:
            await self.senses.memory.forget(GUEST)
            if self._elsewhere is not None:
                await self._elsewhere(GUEST)
        except (BackendError, AgentError) as error:
            log.warning("what a guest left could not be erased: %s", error)

    # ── who drives ──────────────────────────────────────────────────────────────────────────────────────────────

    async def _recognise(self, key: str) -> None:
        if key == self.key:
            return
        found = self.profiles.recognise(key or None)
        if not key and (usual := next((p for p in self.profiles.all() if p.id == self._default_driver), None)):
            found = Recognised(usual)
        self.key, self._unasked = key, ()
        if found.profile is not None:
            await self.take_wheel(found.profile)
            return
        await self.take_wheel(GUEST_PROFILE)
        self._unasked = found.choices
        if self._sessions():
            await self._ask_who(found.choices)

    async def _ask_who(self, drivers: Sequence[Profile]) -> None:
        now, said, self._unasked = self.clock(), "", ()
        for session in self._sessions():
            language = self.spoken(session)
            names = ("、" if language == "ja" else ", ").join(
                self.learnt.driver_name(p.id, p.name, language) for p in drivers
            )
            said = self.voice.say(language, "profile.ask_who", names=names)
            await self.voice.notice(session, "who", "profile.ask_who", data={"names": names})
        question = Candidate("destination", "ask:who", 1, 1, 0, now + timedelta(minutes=5), "profile.ask_who")
        self.replies.pending = Pending(question, now, None, "who", text=said)

    async def take_wheel(self, profile: Profile) -> None:
        """Somebody else drives: everything learnt is theirs from now on."""
        if profile == self.profile and len(self.predictor.habits):
            return
        if self.profile.role == "guest":
            await self._leave_nothing()
        await self.keep()
        self.profile = profile
        self._recorder, self.replies.pending, self.replies.latest = TripRecorder(), None, None
        self._forget_road()
        self.predictor, self.manager, self.taste = Predictor(), NoticeManager(self._wishes), Taste()
        self._names = {}
        if profile.role != "guest":
            try:
                await asyncio.to_thread(self._load, profile)
            except HistoryError as error:
                log.warning("the record of drives cannot be read: %s", error)
        await self._learn_names()
        self.take_taste(self.taste)
        self.voice.drive(profile.id, profile.language)

    async def _taste_anew(self) -> None:
        """Choices are noted where the dialogue runs: looked up at the beginning of a drive."""
        if self.profile.role == "guest":
            return
        try:
            self.take_taste(Taste.restore(await asyncio.to_thread(self.history.get, self.profile.id, "taste")))
        except HistoryError as error:
            log.warning("taste cannot be read: %s", error)

    def take_taste(self, taste: Taste) -> None:
        """What the driver likes, for offers on the way."""
        self.taste = taste
        places = self.senses.places
        self._lookout = Lookout(
            self.senses.traffic, self.senses.weather, self.senses.roads, places,
            MealOffers(places, taste.liked_genres()) if places is not None else None,
        )  # fmt: skip

    async def _learn_names(self) -> None:
        """Where a destination was set by name, the place learnt there has that name."""
        if self.profile.role == "guest":
            return
        try:
            kept = await self.senses.memory.history(self.profile.id, limit=NAMES_KEPT)
        except BackendError:
            return
        self._names = {}
        for saved in kept:
            found = self.predictor.places.find(saved.position.latitude, saved.position.longitude, SAME_SPOT_M)
            if found is not None:
                self._names.setdefault(found, saved.name)

    async def change_profile(self, **values: Any) -> None:
        """Changes what is set for the driver, here and in the record."""
        self.profile = await asyncio.to_thread(self.profiles.change, self.profile.id, **values)
        await self.saved()
        self.manager.wishes = self._wishes.changed(self.profile.notices)

    async def changed(self) -> None:
        """The record was changed here: what follows from it is worked out anew."""
        await self.saved()
        self._forget_road()
        await self._learn_names()

    def look_again(self) -> None:
        """The road ahead has changed."""
        self._looked = None

    async def saved(self) -> None:
        """What was changed just now was changed here."""
        self._version = await self._version_now()

    async def _version_now(self) -> tuple[Any, ...]:
        try:
            return await asyncio.to_thread(self.history.version, self.profile.id)
        except HistoryError:
            return self._version

    async def _follow_changes(self) -> None:
        """What somebody erased, imported or paused elsewhere (`concierge profile …`) holds here at once."""
        if self.profile.role == "guest":
            return
        version = await self._version_now()
        try:
            profile = await asyncio.to_thread(self.profiles.get, self.profile.id)
            if self.history.set_aside != self._aside:
                # The file broke and was set aside: what is known in memory begins the new one.
                self._aside = self.history.set_aside
                await asyncio.to_thread(self.history.save, profile.id, self.predictor)
                self._version = await self._version_now()
            elif version != self._version or profile != self.profile:
                if self._elsewhere is not None and not version[0] and len(self.predictor.habits):
                    # Initialised elsewhere: what was said is gone here as well.
                    await self._elsewhere(profile.id)
                self.profile = profile
                await asyncio.to_thread(self._load, profile)
                await self._learn_names()
                self.take_taste(self.taste)
                self._forget_road()
                self._looked = self.clock()
        except (ProfileError, HistoryError) as error:
            log.warning("the record of drives cannot be read: %s", error)
            await self.take_wheel(GUEST_PROFILE)

    def _load(self, profile: Profile) -> None:
        self._version = self.history.version(profile.id)
        self._aside = self.history.set_aside
        self.predictor = self.history.load(profile.id)
        try:
            self.manager.wishes = self._wishes.changed(profile.notices)
        except ValueError as error:
            log.warning("%s's wishes for notices are left out: %s", profile.id, error)
        self.manager.restore(self.history.get(profile.id, "notices"))
        self.taste = Taste.restore(self.history.get(profile.id, "taste"))

    async def keep(self) -> None:
        if self.profile.learns:
            try:
                await asyncio.to_thread(self.history.put, self.profile.id, "notices", self.manager.to_json() or None)
            except HistoryError as error:
                log.warning("what was learnt of notices could not be saved: %s", error)

    async def _tell_set_aside(self) -> None:
        if self.history.set_aside is not None and not self.history.told:
            self.history.told = True
            for session in self._sessions():
                await self.voice.notice(session, "history", "notice.history_set_aside")

    async def erase(self, driver: str) -> None:
        """Erases everything learnt of a driver, and said by the driver. Raises `BackendError`, `HistoryError`, `AgentError`."""
        await asyncio.to_thread(self.history.erase, driver)
        await self.senses.memory.forget(driver)
        if self._elsewhere is not None:
            await self._elsewhere(driver)

    async def initialise(self) -> None:
        """エージェント＋の初期化. Raises as `erase` does."""
        await self.erase(self.profile.id)
        if self.profile.role != "guest":
            self.profile = await asyncio.to_thread(
                self.profiles.change, self.profile.id, asked=(), notices={}, paused=False
            )
            self._version = await self._version_now()
        self._recorder, self.replies.pending, self.replies.latest = TripRecorder(), None, None
        self.predictor, self.manager, self._names = Predictor(), NoticeManager(self._wishes), {}
        self.take_taste(Taste())
        self._forget_road()

    # ── speaking ─────────────────────────────────────────────────────────────────────────────

    async def _speak(self, chosen: Candidate, ahead: Ahead | None, now: datetime) -> None:
        said = ""
        for session in self._sessions():
            language = self.spoken(session)
            values = dict(chosen.values.get(language, {}))
            key = chosen.sentence
            if ahead is not None and ahead.predicted and chosen.kind != "destination":
                notice = self.voice.say(language, key, **values)
                reason = (ahead.reason or {}).get(language, "")
                key, values = "notice.towards", {"reason": reason, "destination": ahead.name, "notice": notice}
            told = await self.voice.notice(session, chosen.kind, key, data=values)
            said = str(getattr(told, "text", ""))
        self.replies.pending = self.replies.latest = Pending(chosen, now, ahead, text=said)

    # ── words ───────────────────────────────────────────────────────────────────────────────────────────────────

    def spoken(self, session: str | None = None) -> Language:
        known = self.voice.language_of(session) if session is not None else None
        return self.profile.language or known or self.language

    def place_name(self, place: int, language: Language) -> str:
        """What a learnt place is called."""
        label = self.predictor.places.places[place].name
        if label in ("home", "work"):
            return self.voice.say(language, f"notice.place_{label}")
        if not label and place == self.predictor.home():
            return self.voice.say(language, "notice.place_home")
        if not label and place == self.predictor.work():
            return self.voice.say(language, "notice.place_work")
        return wording.safe(label or self._names.get(place, "")) or self.voice.say(language, "notice.place_usual")

    def foreseen(self) -> Prediction | None:
        """Where the drive goes as far as is known now; None where nothing can be."""
        if self.last is None or self.profile.role == "guest":
            return None
        return self.predictor.predict(self._situation(self.clock(), self.last.position))

    def predicted_route(self) -> Route | None:
        """The road to the likeliest destination, as it was last looked at."""
        return self._road[1] if self._road is not None else None

    def sure_stretch(self, language: Language) -> dict[str, Any] | None:
        """The road that is driven on in all likelihood, whatever the destination: its course, length and probability."""
        if not self.ways or self.last is None or self._ahead is None or not self._recorder.driving:
            return None
        route, here = self.ways[0].route, self.last.position
        line = RouteLine(route)
        along, _ = line.project(here)
        reach = min(SURE_REACH_M, line.remaining_at(along)[0])
        spots = [line.position_at(along + metres) for metres in np.arange(0.0, reach, SURE_STEP_M)]
        situation = self._situation(self.clock(), here)
        p = chances(self.ways, spots, self.predictor, situation, self._onward.fan)
        unsure = np.flatnonzero(p < SURELY)
        count = int(unsure[0]) if len(unsure) else len(spots)
        if count < 2:
            return None
        return {
            "name": wording.safe(route.via or ""), "p": round(float(p[:count].min()), 3),
            "metres": round((count - 1) * SURE_STEP_M),
            "line": [[round(s.latitude, 5), round(s.longitude, 5)] for s in spots[:count]],
        }  # fmt: skip

    def open_notice(self, session: str) -> Mapping[str, Any] | None:
        """What words said now may answer: `kind`, and whether it `asks` for a yes or no; None: nothing."""
        pending = self.replies.open(self.clock())
        if pending is None:
            return None
        return {
            "kind": pending.question or pending.candidate.kind,
            "asks": pending.asks,
            "question": bool(pending.question),
        }

    def why(self, prediction: Prediction, language: Language) -> str:
        """The reason for the first guess, as the beginning of a sentence."""
        if prediction.reason is None:
            return ""
        values = dict(prediction.reason_values)
        if "weekday" in values:
            values["weekday"] = self.voice.say(language, f"prediction.weekday_{values['weekday']}")
        return self.voice.say(language, f"prediction.why_{prediction.reason}", **values)
