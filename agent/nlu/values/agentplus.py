"""Values of what is said about Agent+ itself: which notices, when, what to forget, who drives. The forms are data (`agentplus.yml`)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.nlu.values.folding import Folded, fold_kana
from agent.nlu.values.model import Found

_FROM_JA = re.compile(fold_kana(r"^(?:以降|以後|から|を?(?:過|す)ぎ|より(?:後|あと)|[〜~～])"))
_UNTIL_JA = re.compile(fold_kana(r"^(?:まで|になるまで|前)"))
_FROM_EN = re.compile(r"\b(?:after|from|past|since|between|at) $")
_UNTIL_EN = re.compile(r"\b(?:until|till|before|to|and|by) $")
_NAME_NOT_JA = re.compile(
    fold_kana(
        r"^(?:運転|ドライバー|ゲスト|私|俺|僕|わたし|おれ|ぼく|誰|だれ|どなた|今日|今|これから|会社|家|はい|うん|いや|そう|ここ)"
    )
)
_EVENING_FROM, _EVENING_TO = 6, 11
"""a clock hour without morning or afternoon from which one wishes to be left alone is one of the evening"""
_HOW = ("notice_change", "notice_days", "notice_part")
EXCLUSIVE: tuple[tuple[str, ...], ...] = (
    # of several values of these, the first found in this order counts
    ("only", "less", "more", "off", "on"),
    ("initialise", "pause", "resume"),
    ("other_way", "go_there", "detail", "later", "enough"),
)


@dataclass(frozen=True, slots=True)
class _Row:
    entity: str
    value: str
    pattern: re.Pattern[str]
    needs: re.Pattern[str] | None


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(fold_kana(pattern))


class AgentPlus:
    """The grammar of `agentplus.yml`."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        self._rows = {language: list(self._rows_of(table, language)) for language in ("ja", "en")}
        quiet = table["quiet"]
        self._quiet = {language: _compiled(quiet[language]) for language in ("ja", "en")}
        self._quiet_off = {language: _compiled(quiet["off"][language]) for language in ("ja", "en")}
        self._parts: Mapping[str, Sequence[str]] = quiet["parts"]
        driver = table["driver"]
        self._driver = {
            language: {
                "words": _compiled(driver["words"][language]),
                "guest": _compiled(driver["guest"][language]),
                "self": _compiled(driver["self"][language]),
                "named": _compiled(driver["named"][language]),
            }
            for language in ("ja", "en")
        }
        self._relations = {
            language: [(name, _compiled(row[language])) for name, row in driver["relations"].items()]
            for language in ("ja", "en")
        }

    @staticmethod
    def _rows_of(table: Mapping[str, Any], language: str) -> Iterator[_Row]:
        for row in table["patterns"]:
            needed = table["needs"][row["needs"]] if "needs" in row else table["gates"].get(row["entity"])
            yield _Row(row["entity"], row["value"], _compiled(row[language]), needed and _compiled(needed[language]))

    def find(self, folded: Folded, language: str, times: Sequence[Found]) -> list[Found]:
        """The values, each entity a layer of its own and each value once."""
        text = folded.text
        found: dict[tuple[str, str], Found] = {}
        silent = self._quiet[language].search(text) is not None
        for row in self._rows[language]:
            met = (
                row.needs is None
                or row.needs.search(text)
                or (row.entity in _HOW and (silent or any(e == "notice_class" for e, _ in found)))
            )
            if not met:
                continue
            if (match := row.pattern.search(text)) is not None and match.end() > match.start():
                one = Found(match.start(), match.end(), row.entity, row.value, layer=row.entity)
                found.setdefault((row.entity, row.value), one)
        kept = _one_of_each(list(found.values()))
        kept += self._quiet_hours(text, language, times)
        kept += self._who(text, language)
        return kept

    def _quiet_hours(self, text: str, language: str, times: Sequence[Found]) -> list[Found]:
        if (off := self._quiet_off[language].search(text)) is not None:
            return [Found(off.start(), off.end(), "quiet_hours", "off", layer="quiet_hours")]
        words = self._quiet[language].search(text)
        if words is None:
            return []
        value: dict[str, str] = {}
        spans: list[Found] = []
        for found in sorted(times, key=lambda f: f.start):
            said = found.value if isinstance(found.value, Mapping) else {}
            for key, part in _bounds(text, language, found, said, bool(value)):
                value.setdefault(key, part)
                spans.append(found)
        if not value:
            for found in times:
                said = found.value if isinstance(found.value, Mapping) else {}
                if (limits := self._parts.get(str(said.get("part_of_day")))) is not None:
                    value = {"from": limits[0], "to": limits[1]}
                    spans = [found]
        if not value:
            return []
        start = min(words.start(), *(f.start for f in spans))
        end = max(words.end(), *(f.end for f in spans))
        return [Found(start, end, "quiet_hours", value, layer="quiet_hours")]

    def _who(self, text: str, language: str) -> list[Found]:
        forms = self._driver[language]
        about = forms["words"].search(text) is not None
        if about and (guest := forms["guest"].search(text)) is not None:
            return [Found(guest.start(), guest.end(), "driver", {"guest": True}, layer="driver")]
        if not about:
            return []
        for name, pattern in self._relations[language]:
            if (match := pattern.search(text)) is not None:
                return [Found(match.start(), match.end(), "driver", {"relation": name}, layer="driver")]
        for match in forms["named"].finditer(text):
            for group, said in match.groupdict().items():
                if said and not (language == "ja" and _NAME_NOT_JA.match(said)):
                    span = match.span(group)
                    return [Found(*span, "driver", None, layer="driver")]
        if (me := forms["self"].search(text)) is not None:
            return [Found(me.start(), me.end(), "driver", {"self": True}, layer="driver")]
        return []


def _one_of_each(found: list[Found]) -> list[Found]:
    values = {(f.entity, f.value) for f in found}
    kept = []
    for f in found:
        order = next((row for row in EXCLUSIVE if f.value in row), ())
        better = order[: order.index(f.value)] if f.value in order else ()
        if f.entity in ("notice_change", "agentplus_command", "notice_answer") and any(
            (f.entity, b) in values for b in better
        ):
            continue
        kept.append(f)
    return kept


def _bounds(text: str, language: str, found: Found, said: Mapping[str, Any], begun: bool) -> Iterator[tuple[str, str]]:
    """`from` and `to` of quiet hours as HH:MM, as one time value gives them."""
    until = said.get("until")
    if "hour" in said:
        before, after = text[: found.start], text[found.end :]
        if language == "ja":
            ends = _UNTIL_JA.match(after) is not None or (begun and not _FROM_JA.match(after))
        else:
            ends = _UNTIL_EN.search(before) is not None and (begun or not _FROM_EN.search(before))
        yield ("to" if ends else "from"), _clock(said, evening=not ends)
    if isinstance(until, Mapping) and "hour" in until:
        yield "to", _clock(until, evening=False)


def _clock(said: Mapping[str, Any], *, evening: bool) -> str:
    hour, minute = int(said["hour"]), int(said.get("minute") or 0)
    part = said.get("part_of_day")
    if evening and part is None and _EVENING_FROM <= hour <= _EVENING_TO:
        hour += 12
    return f"{hour % 24:02d}:{minute:02d}"
