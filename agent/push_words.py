"""What an operator sent to the car, in words and as a card: asked about, then said and shown once the driver took it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from backends.model import Language, Position
from backends.times import Span, spoken

SPOKEN: Final = 120
"""characters of a text that are said; the card shows all of it"""
_SENTENCE_ENDS: Final = "。！？!?\n"


class Sentences(Protocol):
    def say(self, language: Language, key: str, /, *, turn: int = 0, **values: object) -> str: ...


def words(sentences: Sentences, push: Mapping[str, Any], state: str, language: Language, now: datetime) -> str:
    """What the car says about it; `state`: sent, accepted, refused, failed, lapsed."""
    kind, data = push["kind"], push["data"]
    if state == "accepted" and kind in ("news", "weather"):
        return _news(sentences, data, language) if kind == "news" else _weather(sentences, data, language, now)
    key = f"desk.push_{kind}" if state == "sent" else f"desk.push_{state}"
    name = data.get("name") or data.get("title") or data.get("place") or ""
    return sentences.say(
        language, key, name=str(name)[:SPOKEN], text=data.get("text") or "", phone=data.get("phone") or ""
    )


def known(sentences: Sentences, push: Mapping[str, Any], language: Language, now: datetime) -> bool:
    """Whether this car has words for it, whatever becomes of it."""
    try:
        for state in ("sent", "accepted"):
            words(sentences, push, state, language, now)
        card(push)
        if push["kind"] in ("destination", "place"):
            Position(float(push["data"]["latitude"]), float(push["data"]["longitude"]))
            return bool(push["data"]["name"])
    except (LookupError, ValueError, TypeError):
        return False
    return True


def card(push: Mapping[str, Any]) -> dict[str, Any] | None:
    """What is shown of something that was taken, in the shape of the cards of answers (docs/protocol.md); None for what has
    no card."""
    kind, data, pushed = push["kind"], push["data"], push["id"]
    if kind == "news":
        return {"type": "news", "id": pushed, "title": data["title"], "summary": data.get("summary") or "",
                "published": data.get("published"), "source": data.get("source") or "", "link": "", "demo": False}  # fmt: skip
    if kind == "weather":
        day = data.get("day")
        return {
            "type": "weather", "place": data["place"], "lat": data.get("latitude"), "lon": data.get("longitude"),
            "from": f"{day}T00:00:00" if day else None, "to": f"{day}T23:59:59" if day else None, "code": None,
            "sky": data["sky"], "high_c": data.get("high_c"), "low_c": data.get("low_c"), "chance": data.get("chance"),
            "wind_ms": None, "issued_at": None, "source": data.get("source") or "", "demo": False,
        }  # fmt: skip
    if kind == "place":
        return {"type": "place", "id": data.get("place_id") or pushed, "name": data["name"], "lat": data["latitude"],
                "lon": data["longitude"], "address": data.get("address"), "phone": data.get("phone")}  # fmt: skip
    if kind == "phone":
        return {"type": "phone", "name": data["name"], "phone": data["phone"]}
    return None


def _news(sentences: Sentences, data: Mapping[str, Any], language: Language) -> str:
    parts = [_closed(str(data["title"])[:SPOKEN], language)]
    summary = _first_sentence(str(data.get("summary") or ""))
    parts += [_closed(summary, language)] if summary else []
    if data.get("source"):
        parts.append(sentences.say(language, "news.source", source=data["source"]))
    return ("" if language == "ja" else " ").join(parts)


def _weather(sentences: Sentences, data: Mapping[str, Any], language: Language, now: datetime) -> str:
    what = [sentences.say(language, f"weather.sky.{data['sky']}")]
    high, low = (_degrees(data.get(key), language) for key in ("high_c", "low_c"))
    if high and low:
        what.append(sentences.say(language, "weather.high_low", high=high, low=low))
    elif high:
        what.append(sentences.say(language, "weather.high", high=high))
    elif low:
        what.append(sentences.say(language, "weather.low", low=low))
    if data.get("chance") is not None:
        what.append(sentences.say(language, "weather.chance", percent=round(float(data["chance"]))))
    said = ("、" if language == "ja" else ", ").join(what)
    day = _day(data.get("day"), language, now)
    if day is None:
        return sentences.say(language, "weather.now", place=data["place"], what=said)
    when = day if language == "ja" else day[:1].upper() + day[1:]
    return sentences.say(language, "weather.general", when=when, place=data["place"], what=said)


def _degrees(value: Any, language: Language) -> str:
    if value is None:
        return ""
    whole = round(float(value))
    if language == "ja":
        return f"マイナス{-whole}度" if whole < 0 else f"{whole}度"
    return f"minus {-whole}" if whole < 0 else str(whole)


def _day(day: Any, language: Language, now: datetime) -> str | None:
    try:
        start = datetime.fromisoformat(str(day)).replace(tzinfo=now.tzinfo)
    except ValueError:
        return None
    return spoken(Span(start, start + timedelta(days=1), "day"), now, language)


def _first_sentence(text: str) -> str:
    text = text.strip()
    ends = [place for mark in _SENTENCE_ENDS if (place := text.find(mark)) >= 0]
    # A dot ends an English sentence, not a number or an abbreviation.
    ends += [text.find(". ")] if ". " in text else []
    whole = text[: min(ends) + 1] if ends else text
    return (whole if len(whole) <= SPOKEN else f"{whole[: SPOKEN - 1]}…").strip()


def _closed(text: str, language: Language) -> str:
    return text if text.endswith((*"。！？!?….",)) else f"{text}{'。' if language == 'ja' else '.'}"
