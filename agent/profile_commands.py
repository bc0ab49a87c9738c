"""`concierge profile …`: what is known of each driver, in words; exported, paused, erased, imported."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from agent.composition import history_url, profiles_url
from agent.errors import StartError
from agent.prediction.errors import BadTrack, HistoryError
from agent.prediction.predictor import Predictor
from agent.prediction.store import History
from agent.prediction.tracks import read
from agent.profile import Profile, ProfileError, Profiles
from agent.settings import Settings
from agent.taste import Taste

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
PLACES_SHOWN = 20


@contextmanager
def opened(settings: Settings) -> Iterator[tuple[History, Profiles]]:
    """The record and the profiles. Raises `StartError` for what goes wrong within."""
    history, drivers = History(history_url(settings)), History(profiles_url(settings))
    try:
        yield history, Profiles(drivers)
        if history.set_aside is not None:
            raise StartError(
                f"The record of drives was damaged; it is kept as {history.set_aside.name}, a new one was begun."
            )
    except ProfileError as error:
        raise StartError(str(error)) from error
    except BadTrack as error:
        raise StartError(f"{error}.") from error
    except HistoryError as error:
        raise StartError(f"The record of drives cannot be used ({error}). Try again.") from error
    finally:
        history.close()
        drivers.close()


def list_profiles(settings: Settings, out: TextIO) -> int:
    with opened(settings) as (history, profiles):
        for profile in profiles.all():
            drives = len(history.load(profile.id).habits)
            paused = ", learning paused" if profile.paused else ""
            keys = f", keys {', '.join(profile.keys)}" if profile.keys else ""
            print(f"{profile.id}  {profile.name}  ({profile.role}, {drives} drives{keys}{paused})", file=out)
    return 0


def show(settings: Settings, driver: str, out: TextIO) -> int:
    """Everything learnt, in words."""
    with opened(settings) as (history, profiles):
        profile = profiles.get(driver)
        predictor = history.load(profile.id)
        _head(profile, predictor, out)
        for line in described(predictor):
            print(line, file=out)
        taste = Taste.restore(history.get(profile.id, "taste"))
        if liked := taste.liked_genres():
            print(f"Likes: {', '.join(liked)}", file=out)
        if taste.never:
            print(f"Not to be suggested: {', '.join(taste.never)}", file=out)
        for kind, row in (history.get(profile.id, "notices") or {}).items():
            only = " ".join(v for v in (row.get("days"), row.get("part")) if v and v != "all")
            print(
                f"Notices of {kind}: liking {row['liked']:.1f} to {row['disliked']:.1f}{', only ' + only if only else ''}",
                file=out,
            )
    return 0


def described(predictor: Predictor) -> Iterator[str]:
    """The learnt places, most visited first: number, where, how often and when."""
    home, work = predictor.home(), predictor.work()
    habits = predictor.habits
    for place in sorted(predictor.places.places, key=lambda p: -p.visits)[:PLACES_SHOWN]:
        if not place.visits:
            continue
        mine = habits.destination == place.id
        name = place.name or ("home?" if place.id == home else "work?" if place.id == work else "")
        hours = sorted(int(h) for h in habits.hour[mine])
        days = [WEEKDAYS[d] for d in sorted({int(d) for d in habits.weekday[mine]})]
        when = f"{', '.join(days)}; mostly left for at {hours[len(hours) // 2]}:00" if hours else ""
        yield f"{place.id:4d}  {place.latitude:.5f}, {place.longitude:.5f}  {place.visits} visits  {name:6} {when}"


def export(settings: Settings, driver: str, file: Path | None, out: TextIO) -> int:
    """Everything of a driver as JSON."""
    with opened(settings) as (history, profiles):
        profile = profiles.get(driver)
        text = json.dumps({"profile": profile.name, **history.everything(profile.id)}, ensure_ascii=False, indent=1)
        if file is None:
            print(text, file=out)
        else:
            try:
                file.write_text(text, encoding="utf-8")
            except OSError as error:
                raise StartError(f"{file} cannot be written: {error.strerror}.") from error
            print(f"Written: {file}", file=out)
    return 0


def pause(settings: Settings, driver: str, resume: bool, out: TextIO) -> int:
    with opened(settings) as (_, profiles):
        profile = profiles.change(driver if driver else "owner", paused=not resume)
        print(f"{profile.name}: learning {'goes on' if resume else 'is paused'}.", file=out)
    return 0


def erase(settings: Settings, driver: str, place: int | None, taste: str | None, out: TextIO) -> int:
    """One place, one thing of taste, or everything."""
    with opened(settings) as (history, profiles):
        profile = profiles.get(driver)
        if taste is not None:
            known = Taste.restore(history.get(profile.id, "taste"))
            if not known.forget(taste):
                raise StartError(f"Nothing is known of {taste!r}.")
            history.put(profile.id, "taste", known.to_json())
            history.pack()
            print(f"Forgotten: {taste}", file=out)
        elif place is not None:
            if not 0 <= place < len(history.load(profile.id).places):
                raise StartError(f"There is no place {place}; `concierge profile show {driver}` lists them.")
            history.erase_place(profile.id, place)
            print(f"Place {place} and the drives to and from it are erased.", file=out)
        else:
            gone = history.erase(profile.id)
            asyncio.run(_forget_places(settings, profile))
            _forget_words(settings, profile)
            if profile.role == "owner":
                profiles.change(profile.id, asked=(), notices={}, paused=False)
            else:
                profiles.remove(profile.id)
            history.pack()
            profiles.pack()
            print(f"Erased: {gone.drives} drives, {gone.places} places, and everything concluded from them.", file=out)
    return 0


async def _forget_places(settings: Settings, profile: Profile) -> None:
    """Home, work and earlier destinations, which stand in a file of their own."""
    from backends.errors import BackendError
    from backends.memory import SqlMemory

    memory = SqlMemory(f"sqlite:///{settings.state / 'memory.sqlite'}")
    try:
        await memory.forget(profile.id)
    except BackendError as error:
        raise StartError(f"Home, work and earlier destinations could not be erased ({error}). Try again.") from error
    finally:
        memory.close()


def _forget_words(settings: Settings, profile: Profile) -> None:
    """What the driver said: conversations, recordings, the log, ended handoffs."""
    from agent.forgetting import ForgettingError, forget_conversations, forget_files, forget_handoffs

    try:
        forget_conversations(settings.state / "conversations.sqlite", profile.id)
        for name in ("handoffs.sqlite", "handoffs-chat.sqlite"):
            forget_handoffs(settings.state / name, profile.id)
        forget_files(settings, profile.id)
    except ForgettingError as error:
        raise StartError(f"Not everything that was said could be erased: {error}. Try again.") from error


def import_tracks(
    settings: Settings, driver: str, files: list[Path], progress: Callable[[str, float], None], out: TextIO
) -> int:
    """Recorded tracks become drives. They must be newer than what is known, or come into an empty record in any order."""
    with opened(settings) as (history, profiles):
        profile = profiles.get(driver)
        predictor = history.load(profile.id)
        trips = []
        for number, file in enumerate(files):
            progress(file.name, number / max(1, len(files)))
            trips += [trip for trip in read(file) if trip.is_drive]
        trips.sort(key=lambda trip: trip.start)
        latest = float(predictor.habits.end.max()) if len(predictor.habits) else 0.0
        fresh = [trip for trip in trips if trip.start.timestamp() >= latest]
        for trip in fresh:
            predictor.learn(trip)
        history.save(profile.id, predictor)
        history.fade(settings.keep_positions_days)
        old = len(trips) - len(fresh)
        print(
            f"{len(fresh)} drives imported" + (f", {old} older than the record left out" if old else "") + ".", file=out
        )
    return 0


def _head(profile: Profile, predictor: Predictor, out: TextIO) -> None:
    language = {"ja": "Japanese", "en": "English", None: "by the words"}[profile.language]
    state = "paused" if profile.paused else "learning"
    print(f"{profile.name} ({profile.role}): language {language}, {state}.", file=out)
    print(f"{len(predictor.habits)} drives, {sum(p.visits > 0 for p in predictor.places.places)} places.", file=out)


def add(settings: Settings, name: str, keys: list[str], language: str | None, out: TextIO) -> int:
    with opened(settings) as (_, profiles):
        new = profiles.add(name, keys=keys, language=language)  # type: ignore[arg-type]
        print(f"{new.name} is registered as {new.id}.", file=out)
    return 0
