"""What is asked of Agent+ itself, by voice (actions/agentplus.py) or from the page (agent/web/agentplus_messages.py), and done here.

A request is JSON: `{"do": name, …}`. It ends in an `Answered`: a sentence in the driver's language, and what was done. What would
erase something is asked about first, unless `confirm` is true.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from agent.agentplus.learnt import card, listed
from agent.agentplus.model import Answered, Pending
from agent.notices import wording
from agent.notices.answers import MEANINGS, Answer
from agent.notices.manager import HOURS, Confinement
from agent.notices.model import CLASSES, Candidate, NoticeClass
from agent.notices.policy import FREQUENCIES, Frequency, Wishes, parse_quiet
from agent.prediction.errors import HistoryError
from agent.profile import GUEST, GUEST_PROFILE, NAME_LIMIT, Profile, ProfileError
from agent.taste import Taste
from backends.errors import BackendError
from backends.model import Language, SavedPlace

if TYPE_CHECKING:
    from agent.agentplus.service import AgentPlus
    from backends.readings import Readings

log = logging.getLogger(__name__)

DAYS = ("all", "weekdays", "weekends")
PARTS = ("all", *HOURS)
FOR_GUESTS: Final = frozenset({"answer", "driver", "who", "settings", "show", "predict"})
"""what somebody of whom nothing is kept may ask"""
WELL_KNOWN: Final = ("home", "work")

Handler = Callable[[Mapping[str, Any], Language], Awaitable[Answered]]


class BadRequest(ValueError):
    """Not a request of this kind."""


class Requests:
    """The requests of one car."""

    def __init__(self, plus: AgentPlus) -> None:
        self._plus = plus
        self._handlers: dict[str, Handler] = {
            "answer": self._answer, "pause": self._pause, "resume": self._resume, "initialise": self._initialise,
            "set": self._set, "settings": self._settings, "predict": self._predict, "show": self._show,
            "name": self._name, "driver": self._driver, "who": self._who, "add_driver": self._add_driver,
            "rename_driver": self._rename_driver, "remove_driver": self._remove_driver, "erase": self._erase,
            "erase_place": self._erase_place, "erase_drives": self._erase_drives,
        }  # fmt: skip

    async def perform(self, request: Mapping[str, Any], language: Language) -> Answered:
        """Does it; what cannot be done is said in the answer. Raises `BadRequest` for what is no request."""
        handler = self._handlers.get(str(request.get("do")))
        if handler is None:
            raise BadRequest(f"unknown: {request.get('do')!r}")
        if self._plus.profile.role == "guest" and request["do"] not in FOR_GUESTS:
            return self._said(language, "profile.guest_has_none", ok=False)
        try:
            return await handler(request, language)
        except ProfileError as error:
            log.warning("agentplus %s: %s", request["do"], error)
            return self._said(language, "agentplus.not_so", ok=False)
        except (BackendError, HistoryError) as error:
            log.warning("agentplus %s: %s", request["do"], error.code)
            return self._said(language, "agentplus.failed", ok=False)

    # ── learning ────────────────────────────────────────────────────────────────────────────────────────────────

    async def _answer(self, request: Mapping[str, Any], language: Language) -> Answered:
        meaning = request.get("meaning")
        if meaning not in MEANINGS:
            raise BadRequest(f"no answer: {meaning!r}")
        answer = Answer(meaning, _confinement(request))
        return await self._plus.replies.take(answer, language)

    async def _pause(self, request: Mapping[str, Any], language: Language) -> Answered:
        await self._plus.change_profile(paused=True)
        return self._said(language, "profile.paused", "agentplus_pause")

    async def _resume(self, request: Mapping[str, Any], language: Language) -> Answered:
        await self._plus.change_profile(paused=False)
        return self._said(language, "profile.resumed", "agentplus_resume")

    async def _initialise(self, request: Mapping[str, Any], language: Language) -> Answered:
        if request.get("confirm") is not True:
            return self._ask(language, "initialise", "profile.ask_erase")
        return await self.initialise(language)

    async def initialise(self, language: Language) -> Answered:
        """Everything learnt of the driver, and said by the driver, is erased."""
        try:
            await self._plus.initialise()
        except (BackendError, HistoryError, ProfileError) as error:
            log.warning("not everything could be erased: %s", error)
            return self._said(language, "profile.erase_failed", "agentplus_initialise", ok=False)
        return self._said(language, "profile.erased", "agentplus_initialise")

    # ── notices ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def _set(self, request: Mapping[str, Any], language: Language) -> Answered:
        """`paused`, `frequency` (also less, more), `quiet`, `classes` {class: on} (or `class` with `on`), `days` and `part` for them."""
        plus, said = self._plus, []
        wishes, switched = plus.manager.wishes, _switches(request)
        if isinstance(paused := request.get("paused"), bool):
            await plus.change_profile(paused=paused)
            said.append(self._say(language, "profile.paused" if paused else "profile.resumed"))
        if switched:
            wishes = _with(wishes, switched)
        if (frequency := request.get("frequency")) is not None:
            wishes = replace(wishes, frequency=_frequency(wishes.frequency, frequency))
        if (quiet := request.get("quiet")) is not None:
            try:
                wishes = replace(wishes, quiet=parse_quiet(str(quiet)))
            except ValueError as error:
                raise BadRequest(str(error)) from error
        if wishes != plus.manager.wishes:
            await plus.change_profile(notices=wishes.to_json())
        said += self._changes(request, switched, wishes, language)
        if "days" in request or "part" in request:
            kinds = [*switched] or list(_kinds(request))
            only = _confinement(request)
            for kind in kinds:
                plus.manager.confine(kind, only)
            await plus.keep()
            if kinds:
                names = listed([self._say(language, f"learnt.class_{kind}") for kind in kinds], language)
                when = plus.learnt.when(only, language)
                said.append(self._say(language, "settings.only" if when else "settings.always", names=names, when=when))
        if not said:
            return self._said(language, "settings.which", asks=True)
        text = ("" if language == "ja" else " ").join(said)
        return Answered(text, "notice_settings", arguments={**wishes.to_json(), "paused": plus.profile.paused})

    def _changes(
        self, request: Mapping[str, Any], switched: Mapping[NoticeClass, bool], wishes: Wishes, language: Language
    ) -> list[str]:
        """What the new wishes are, in words."""
        out = []
        confined = "days" in request or "part" in request
        for on in (True, False):
            names = [self._say(language, f"learnt.class_{kind}") for kind, wanted in switched.items() if wanted is on]
            if names and not (on and confined):
                key = "settings.on" if on else "settings.off"
                out.append(self._say(language, key, names=listed(names, language)))
        if request.get("frequency") is not None:
            out.append(self._say(language, f"settings.frequency_{wishes.frequency}"))
        if request.get("quiet") is not None:
            begin, end = (f"{t:%H:%M}" for t in wishes.quiet) if wishes.quiet else ("", "")
            key = "settings.quiet" if wishes.quiet else "settings.quiet_off"
            out.append(self._say(language, key, begin=begin, end=end))
        return out

    async def _settings(self, request: Mapping[str, Any], language: Language) -> Answered:
        return Answered(self._plus.learnt.settings(language))

    # ── what is known ───────────────────────────────────────────────────────────────────────────────────────────

    async def _predict(self, request: Mapping[str, Any], language: Language) -> Answered:
        if self._plus.profile.role == "guest":
            return self._said(language, "profile.guest_has_none")
        status = await self._plus.senses.navigation.status()
        if status.get("guiding"):
            name = wording.safe(str(status.get("name") or "")) or self._say(language, "notice.place_usual")
            return self._said(language, "predict.set", destination=name)
        return Answered(self._plus.learnt.expectation(language))

    async def _show(self, request: Mapping[str, Any], language: Language) -> Answered:
        if self._plus.profile.role == "guest":
            return self._said(language, "profile.guest_has_none")
        picture = await self._plus.learnt.picture(language)
        return Answered(await self._plus.learnt.words(language), cards=(card(picture),))

    # ── erasing ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def _erase(self, request: Mapping[str, Any], language: Language) -> Answered:
        """`item`: an id of the picture (docs/protocol.md)."""
        kind, _, rest = str(request.get("item") or "").partition(":")
        plus, driver = self._plus, self._plus.profile.id
        if kind == "place" and rest.isdigit() and int(rest) < len(plus.predictor.places):
            plus.predictor = await asyncio.to_thread(plus.history.erase_place, driver, int(rest))
        elif kind == "habit" and (match := re.fullmatch(r"(\d+)-(\d+)", rest)):
            plus.predictor = await asyncio.to_thread(plus.history.erase_drives, driver, int(match[1]), int(match[2]))
        elif kind == "drives" and (match := re.fullmatch(r"(\d+)-(\d+)", rest)):
            begin, end = (datetime.fromtimestamp(int(at), timezone.utc) for at in match.groups())
            plus.predictor = await asyncio.to_thread(plus.history.erase_between, driver, begin, end)
        elif kind in ("taste", "never"):
            taste = Taste.restore(await asyncio.to_thread(plus.history.get, driver, "taste"))
            if not taste.forget(rest):
                return self._said(language, "agentplus.not_there", ok=False)
            await asyncio.to_thread(plus.history.put, driver, "taste", taste.to_json())
            await asyncio.to_thread(plus.history.pack)
            plus.take_taste(taste)
        elif kind == "notice" and rest in CLASSES:
            plus.manager.forget(rest)
            await plus.keep()
            await asyncio.to_thread(plus.history.pack)
        else:
            return self._said(language, "agentplus.not_there", ok=False)
        await plus.changed()
        return self._said(language, "agentplus.forgotten", "agentplus_erase", arguments={"item": f"{kind}:{rest}"})

    async def _erase_place(self, request: Mapping[str, Any], language: Language) -> Answered:
        """`where` (home, work, here) or `name` of a learnt place: asked about first, as every drive to and from it goes with it."""
        place = await self._place(request, language)
        if place is None:
            return self._said(language, "agentplus.no_such_place", ok=False)
        name = self._plus.place_name(place, language)
        return self._ask(language, "erase", "agentplus.ask_erase_place", f"place:{place}", name=name)

    async def _erase_drives(self, request: Mapping[str, Any], language: Language) -> Answered:
        """`day`: so many days ago, None the last drive alone; asked about first."""
        starts = self._plus.predictor.habits.start
        day, now = request.get("day"), self._plus.clock()
        if isinstance(day, int):
            midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=day)
            begin, end = int(midnight.timestamp()), int((midnight + timedelta(days=1)).timestamp())
        else:
            begin = int(starts[-1]) if len(starts) else 0
            end = begin + 1
        count = int(((starts >= begin) & (starts < end)).sum())
        if not count:
            return self._said(language, "agentplus.no_such_drives", ok=False)
        return self._ask(language, "erase", "agentplus.ask_erase_drives", f"drives:{begin}-{end}", count=count)

    async def _place(self, request: Mapping[str, Any], language: Language) -> int | None:
        predictor, where, name = self._plus.predictor, request.get("where"), str(request.get("name") or "").casefold()
        places = predictor.places.places
        if where in WELL_KNOWN:
            named = next((p.id for p in places if p.name == where), None)
            return named if named is not None else predictor.home() if where == "home" else predictor.work()
        if where == "here" and (here := self._plus.last) is not None:
            return predictor.places.find(here.position.latitude, here.position.longitude)
        if not name:
            return None
        return next(
            (p.id for p in places if p.stops and self._plus.place_name(p.id, language).casefold() == name), None
        )

    async def _name(self, request: Mapping[str, Any], language: Language) -> Answered:
        """What a place is called; `home` and `work` make it that, for the driver's orders as well."""
        kind, _, rest = str(request.get("item") or "").partition(":")
        name = wording.safe(str(request.get("name") or ""))
        plus = self._plus
        if kind != "place" or not rest.isdigit() or int(rest) >= len(plus.predictor.places):
            return self._said(language, "agentplus.not_there", ok=False)
        place = plus.predictor.places.places[int(rest)]
        for other in plus.predictor.places.places:
            if name in WELL_KNOWN and other.name == name and other is not place:
                await asyncio.to_thread(plus.history.name_place, plus.profile.id, other.id, "")
                other.name = ""
        await asyncio.to_thread(plus.history.name_place, plus.profile.id, place.id, name)
        place.name = name
        if name in WELL_KNOWN:
            called = self._say(language, f"notice.place_{name}")
            await plus.senses.memory.put(plus.profile.id, SavedPlace(name, called, place.position))
        await plus.saved()
        return self._said(language, "agentplus.named", "agentplus_name", arguments={"item": f"place:{rest}"},
                          name=plus.place_name(place.id, language))  # fmt: skip

    # ── who drives ──────────────────────────────────────────────────────────────────────────────────────────────

    async def _who(self, request: Mapping[str, Any], language: Language) -> Answered:
        profile = self._plus.profile
        name = self._plus.learnt.driver_name(profile.id, profile.name, language)
        return self._said(language, "profile.is_guest" if profile.role == "guest" else "profile.is_driver", name=name)

    async def _driver(self, request: Mapping[str, Any], language: Language) -> Answered:
        """`id`, or `text` in which somebody is named."""
        profiles = await asyncio.to_thread(self._plus.profiles.all)
        wanted = request.get("id")
        found = next((p for p in profiles if p.id == wanted), GUEST_PROFILE if wanted == GUEST else None)
        if found is None and request.get("me") and len(profiles) == 1:
            found = profiles[0]
        if found is None and wanted is None:
            found = await asyncio.to_thread(named, str(request.get("text") or ""), profiles)
        if found is None and wanted is not None:
            return self._said(language, "agentplus.not_so", ok=False)
        if found is None:
            names = [self._plus.learnt.driver_name(p.id, p.name, language) for p in profiles]
            pending = self._question(language, "who", "profile.ask_who")
            self._plus.replies.pending = pending
            return self._said(language, "profile.not_registered", asks=True, names=listed(names, language))
        return await self.take_wheel(found, language)

    async def take_wheel(self, profile: Profile, language: Language) -> Answered:
        """Somebody says to be at the wheel. An unknown key may be theirs: that is asked."""
        plus = self._plus
        before = plus.profile
        await plus.take_wheel(profile)
        arguments = {"driver": profile.id}
        if profile.role == "guest":
            return self._said(language, "profile.guest", "agentplus_driver", arguments=arguments)
        name = plus.learnt.driver_name(profile.id, profile.name, language)
        known = any(plus.key in p.keys for p in plus.profiles.all())
        if plus.key and not known and before.id != profile.id:
            question = self._ask(language, "key", "profile.ask_key", profile.id, name=name)
            return replace(question, action="agentplus_driver", arguments=arguments)
        return self._said(language, "profile.greeting", "agentplus_driver", arguments=arguments, name=name)

    async def keep_key(self, driver: str, language: Language) -> Answered:
        """The key the car reports belongs to the driver from now on."""
        plus = self._plus
        profile = await asyncio.to_thread(plus.profiles.get, driver)
        if plus.key and plus.key not in profile.keys:
            plus.profile = await asyncio.to_thread(plus.profiles.change, driver, keys=(*profile.keys, plus.key))
            await plus.saved()
        return self._said(language, "profile.key_kept", "agentplus_key", arguments={"driver": driver})

    async def _add_driver(self, request: Mapping[str, Any], language: Language) -> Answered:
        name = wording.safe(str(request.get("name") or ""))[:NAME_LIMIT]
        if not name:
            return self._said(language, "profile.which_name", ok=False)
        profiles = await asyncio.to_thread(self._plus.profiles.all)
        if len(profiles) >= 3:
            return self._said(language, "profile.full", ok=False)
        if any(p.name.casefold() == name.casefold() for p in profiles):
            return self._said(language, "profile.exists", ok=False, name=name)
        new = await asyncio.to_thread(self._plus.profiles.add, name)
        return self._said(language, "profile.added", "agentplus_add_driver", arguments={"driver": new.id}, name=name)

    async def _rename_driver(self, request: Mapping[str, Any], language: Language) -> Answered:
        name = wording.safe(str(request.get("name") or ""))[:NAME_LIMIT]
        if not name:
            return self._said(language, "profile.which_name", ok=False)
        changed = await asyncio.to_thread(self._plus.profiles.change, str(request.get("id")), name=name)
        if changed.id == self._plus.profile.id:
            self._plus.profile = changed
        return self._said(language, "profile.renamed", "agentplus_rename_driver", arguments={"driver": changed.id},
                          name=name)  # fmt: skip

    async def _remove_driver(self, request: Mapping[str, Any], language: Language) -> Answered:
        """Off the list, with everything of theirs; the owner stays."""
        profile = await asyncio.to_thread(self._plus.profiles.get, str(request.get("id")))
        name = self._plus.learnt.driver_name(profile.id, profile.name, language)
        if profile.role != "driver":
            return self._said(language, "profile.owner_stays", ok=False)
        if request.get("confirm") is not True:
            return self._ask(language, "remove", "profile.ask_remove", profile.id, name=name)
        return await self.remove(profile, language)

    async def remove(self, profile: Profile, language: Language) -> Answered:
        plus, name = self._plus, wording.safe(profile.name)
        if plus.profile.id == profile.id:
            await plus.take_wheel(GUEST_PROFILE)
        await plus.erase(profile.id)
        await asyncio.to_thread(plus.profiles.remove, profile.id)
        await asyncio.to_thread(plus.profiles.pack)
        return self._said(language, "profile.removed", "agentplus_remove_driver", arguments={"driver": profile.id},
                          name=name)  # fmt: skip

    # ── words ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _say(self, language: Language, key: str, **values: object) -> str:
        return self._plus.voice.say(language, key, **values)

    def _said(
        self, language: Language, key: str, action: str = "", *, ok: bool = True, asks: bool = False,
        arguments: Mapping[str, Any] | None = None, **values: object,
    ) -> Answered:  # fmt: skip
        return Answered(self._say(language, key, **values), action, ok, arguments or {}, asks)

    def _ask(self, language: Language, question: str, key: str, subject: str = "", **values: object) -> Answered:
        """A question that yes and no answer."""
        pending = self._question(language, question, key, subject, **values)
        self._plus.replies.pending = pending
        return Answered(pending.text, asks=True)

    def _question(self, language: Language, question: str, key: str, subject: str = "", **values: object) -> Pending:
        now = self._plus.clock()
        candidate = Candidate("destination", f"ask:{question}", 1, 1, 0, now + timedelta(minutes=1), key)
        text = self._say(language, key, **{"names": "", **values})
        return Pending(candidate, now, None, question, subject=subject, text=text)


def named(text: str, profiles: tuple[Profile, ...]) -> Profile | None:
    """Who is named in the words: a registered driver by spelling or sound, the owner, or a guest; None: nobody, or several."""
    from backends.readings import fold, latin_key, reading_key

    words = fold(text).casefold()
    found = [p for p in profiles if _stands_in(p.name, text, words)]
    if not found:
        # 「ケンです」 for Ken, "it's Hana" for はな.
        sound, latin = reading_key(_readings().reading(text)), latin_key(text)
        keys = [(p, _readings().name_keys(p.name)) for p in profiles if len(p.name) > 1]
        found = [p for p, key in keys if (key[1] and key[1] in sound) or (len(key.latin) > 2 and key.latin in latin)]
    if len(found) == 1:
        return found[0]
    if not found and _GUEST.search(text.lower()):
        return GUEST_PROFILE
    if not found and _OWNER.search(text.lower()):
        return next((p for p in profiles if p.role == "owner"), None)
    return None


def _stands_in(name: str, text: str, words: str) -> bool:
    """Whether a name stands in a text as it is spelt; one in Latin letters as a word of its own."""
    from backends.readings import fold

    if name.isascii():
        return re.search(rf"(?<![a-z]){re.escape(name.lower())}(?![a-z])", text.lower()) is not None
    return fold(name).casefold() in words


@lru_cache(maxsize=1)
def _readings() -> Readings:
    from backends.readings import Readings

    return Readings()


_GUEST = re.compile(r"ゲスト|お客|\bguest\b|\bvisitor\b")
_OWNER = re.compile(r"オーナー|所有者|\bowner\b")


def _confinement(request: Mapping[str, Any]) -> Confinement:
    days: Any = request.get("days") or "all"
    part: Any = request.get("part") or "all"
    if days not in DAYS or part not in PARTS:
        raise BadRequest(f"days {days!r}, part {part!r}")
    return Confinement(days, part)


def _kinds(request: Mapping[str, Any]) -> tuple[NoticeClass, ...]:
    """The classes a confinement is about."""
    kinds = request.get("kinds") or ([request["class"]] if "class" in request else [])
    if unknown := [kind for kind in kinds if kind not in CLASSES]:
        raise BadRequest(f"classes {unknown!r}")
    return tuple(kinds)


def _switches(request: Mapping[str, Any]) -> dict[NoticeClass, bool]:
    """class → on."""
    given = dict(request.get("classes") or {})
    if "class" in request and isinstance(request.get("on"), bool):
        given[request["class"]] = request["on"]
    if unknown := [kind for kind, on in given.items() if kind not in CLASSES or not isinstance(on, bool)]:
        raise BadRequest(f"classes {unknown!r}")
    return given


def _with(wishes: Wishes, switched: Mapping[NoticeClass, bool]) -> Wishes:
    wanted = {kind: kind in wishes.classes for kind in CLASSES} | dict(switched)
    return replace(wishes, classes=tuple(kind for kind in CLASSES if wanted[kind]))


def _frequency(now: Frequency, wanted: object) -> Frequency:
    """A frequency, or a step from the present one: `less` never goes down to nothing."""
    if wanted in ("less", "more"):
        place = FREQUENCIES.index(now) + (1 if wanted == "more" else -1)
        return FREQUENCIES[max(1, min(len(FREQUENCIES) - 1, place))]
    if wanted not in FREQUENCIES:
        raise BadRequest(f"frequency {wanted!r}")
    return wanted
