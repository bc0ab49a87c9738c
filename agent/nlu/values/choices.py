"""Choosing among what was offered, and taking back what was just said.

A message may name a place in the list several times (「一番、あ、ごめん、二番」, "the first, uh sorry, the second"), say what it does not want
("not that one, the second") or choose by a quality (「高いほう」), which is no condition of a search. The rules that find ordinals and picks
are data (`choices.yml`); here it is settled which of them stay.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from agent.nlu.values.folding import fold_kana
from agent.nlu.values.model import Found

_FAMILIES: Mapping[str, str] = {
    "ordinal": "ordinal", "time": "time", "open_at": "open_at", "city": "locality", "area": "locality", "station": "locality",
    "prefecture": "locality", "place_name": "locality", "genre": "kind", "kind": "kind", "degrees": "degrees", "level": "level",
    "people": "people", "nights": "nights", "budget": "budget", "price": "price", "where": "where", "rating_min": "rating_min",
    "distance_max": "distance_max", "pick": "pick", "phone_number": "phone_number", "news_topic": "news_topic",
}  # fmt: skip
"""what a correction can replace by what: a station by a city, a genre by another kind of place"""
_CORRECTED = {
    "ja": re.compile(
        fold_kana(
            r"(?:じゃ|では|で)なく|じゃなかった|じゃない(?!か)|(?:^|[、。\sあえの])いや(?=[、。!\sちそま待や]|$)|いえ[、。]|違(?:う|った|い)|ちが(?:う|った)|ちゃう|間違|まちが|ごめん|すまん|すみません|やっぱ|訂正|もとい|というより|っていうより|ってより|待って|まって"
        )
    ),
    "en": re.compile(
        r"\b(?:sorry|i mean|i meant|no wait|wait|no|nope|rather|actually|make (?:it|that)|scratch that|hang on|hold on|oops|correction|not that)\b"
    ),
}
"""between two values of a family: the second is meant"""
_GAP = {"ja": 18, "en": 32}
_REFUSED_AFTER_JA = re.compile(
    fold_kana(
        r"(?:の?(?:やつ|お?店|ほう|方|とこ|ところ|の))?(?:じゃな(?:く|い)|ではな(?:く|い)|は(?:いや|嫌|だめ|ダメ|やめ|違|なし|無し)|以外)"
    )
)
_REFUSED_BEFORE_EN = re.compile(r"\b(?:not|isn't|never|except(?: for)?|instead of|rather than|anything but)(?: the)?$")
_COORDINATED = re.compile(fold_kana(r"[ 、,]*(?:と|か|や|・|または|もしくは|and|or|&|versus|vs)?[ 、,]*(?:the )?"))

_EQUIPMENT = ("parking", "wifi", "on_site_restaurant", "private_room", "charging", "wheelchair", "cards", "non_smoking", "child_friendly", "vacancy")  # fmt: skip
_SAID_JA = r"(?:って|と)(?:言|い|ゆ|聞|書|話|仰|おっしゃ|説明|紹介)(?:って|う|いて|いた|し|て|っ)*(?:い|お)?(?:た|まし|る|てた|うてた)*(?:た)?"
_ONE_JA = r"(?:ほう|方(?!が(?:い|良|よ)のですが)|やつ|の(?=に(?:し|す|決)|で(?!す(?:か|が))|を))"
_HAS_JA = re.compile(
    fold_kana(
        r"(?:の|が|も|は)?(?:る|い|える|られる|ある|あった|あります|有る|使え(?:る)?|利用できる|付いて(?:い)?る|ついて(?:い)?る|付き|つき|できる|入れる|ok|完備の?|無料の?|開いて(?:い)?る|やって(?:い)?る)?"
        rf"(?:の)?(?:{_SAID_JA}(?:{_ONE_JA}|とこ(?:ろ)?|所|お?店|ホテル|宿|の)|{_ONE_JA})"
    )
)
_IS_JA = re.compile(
    fold_kana(
        rf"(?:(?:の|が)?(?:ある|あった|有る)?{_SAID_JA}(?:{_ONE_JA}|とこ(?:ろ)?|お?店)|(?:の|が(?:ある|ついて(?:い)?る))(?:お?店の)?(?:ほう|方|やつ)(?=で|に(?:し|す|決)|が(?:いい|良い|よい)|を|、|。|$))"
    )
)
"""「イタリアンのほうで」 chooses, 「山のほう行く」 does not"""
_HAS_EN = re.compile(
    r"\b(?:(?:the|that) (?:one|option|place|restaurant|hotel|shop|choice)|one of (?:them|those|these)|which(?:ever)?(?: one| of (?:them|those|these))?(?= (?:has|have|takes|accepts|is|offers)\b))(?: you (?:said|mentioned))?(?: (?:that|which|where)(?:'s| is| was)?)?(?: (?:i|we|you) can)?(?: you (?:said|mentioned))?(?: (?:with|has|had|have|having|offers?|offering|got|is|accepts?|takes?|lets? (?:you|me|us)|said to have))?(?: (?:a|an|the|free|its own|some|own|on-site|still|fast|pay by|pay with))*$"
)
_STARTS_EN = re.compile(
    r"\b(?:the |that )(?:one|option|place) (?:that |which |where )?(?:with|has|had|takes|accepts|is open|stays open|open)\b"
)
_ONE_EN = re.compile(r"^ one\b(?! (?:of|star|hour|minute))")
_SORTED = {"distance": "distance", "price": "price", "rating": "rating", "parking_fee": "parking_fee"}
_NOT_ANY_EN = re.compile(r"(?:n't|\bnot|\bnone|\bnever|\bdont|\bwithout)\b(?! (?:mind|care|matter))[^.,;!?]*$")
_ASKED_ANY_EN = re.compile(r"\b(?:do|does|did|are|is|have|has|were|was|will|can)$")


def has_picks(text: str, language: str, found: list[Found]) -> list[Found]:
    """「駐車場があるって言ってたほう」, "the one with parking": a choice by what it has, not a condition."""
    result: list[Found] = []
    for f in found:
        what = _had(f)
        span = None if what is None else _span_of_choice(text, language, f)
        result.append(f if what is None or span is None else Found(*span, "pick", what))
    return result


def _had(f: Found) -> dict[str, Any] | None:
    """What a place has by a condition; None when the condition is no equipment of places or is refused."""
    if f.role not in (None, "near"):
        return None
    if f.entity in _EQUIPMENT and f.value not in (False, "none"):
        return {"has": f.entity, **({"value": f.value} if f.value in ("free", "paid") else {})}
    if f.entity == "open_at":
        return {"has": "open"}
    if f.entity == "genre":
        return {"has": "genre", "value": f.value}
    if f.entity == "kind" and f.value == "parking":
        return {"has": "parking"}
    return None


def _span_of_choice(text: str, language: str, f: Found) -> tuple[int, int] | None:
    if language == "ja":
        after = (_IS_JA if f.entity == "genre" else _HAS_JA).match(text, f.end)
        return (f.start, after.end()) if after and after.end() > f.end else None
    if f.entity == "genre" and not _ONE_EN.match(text[f.end :]):
        return None
    before = _HAS_EN.search(text[: f.start].rstrip())
    if before and f.entity != "genre":
        return before.start(), f.end
    if f.entity == "on_site_restaurant" and re.match(r"(?:hotel|inn|one|place) (?:with|that has)", text[f.start : f.end]) and text[: f.start].endswith(("the ", "that ")):  # fmt: skip
        return f.start, f.end
    if (starts := _STARTS_EN.search(text[f.start : f.end])) is not None:
        return f.start + starts.start(), f.end
    one = _ONE_EN.match(text[f.end :])
    if one and re.search(r"\b(?:the|that)(?: [a-z]+)?$", text[: f.start].rstrip()):
        return f.start, f.end + one.end()
    return None


def settle(text: str, language: str, found: list[Found]) -> list[Found]:
    """The finds after corrections and choices."""
    found = _corrected(text, language, found)
    if language == "ja":
        # 「そこじゃなくて二番目」
        found = [
            f for f in found if f.entity != "where" or f.value != "there" or not _REFUSED_AFTER_JA.match(text, f.end)
        ]
    found = _one_ordinal(text, language, found)
    return _picks_alone(text, language, found)


def _corrected(text: str, language: str, found: list[Found]) -> list[Found]:
    """Of two values with words of correction between them the later one is meant."""
    gone: set[int] = set()
    cue = _CORRECTED["en" if language == "en" else "ja"]
    by_family: dict[str, list[Found]] = {}
    for f in sorted(found, key=lambda f: (f.start, f.end)):
        family = _FAMILIES.get(f.entity)
        if family is not None and f.role in (None, "near", "relaxed"):
            by_family.setdefault(family, []).append(f)
    for members in by_family.values():
        for position, later in enumerate(members):
            for earlier in members[:position]:
                if earlier.end > later.start or id(earlier) in gone or later.start - earlier.end > _GAP[language]:
                    continue
                same = earlier.value == later.value and later.entity == earlier.entity and earlier.value is not None
                if not same and cue.search(text[earlier.end : later.start]):
                    gone.add(id(earlier))
    return [f for f in found if id(f) not in gone]


def _one_ordinal(text: str, language: str, found: list[Found]) -> list[Found]:
    """A place refused is none; of several the last one counts, unless they are named side by side."""
    ordinals = sorted((f for f in found if f.entity == "ordinal"), key=lambda f: f.start)
    if not ordinals:
        return found
    left = [
        f for f in ordinals
        if not (
            _REFUSED_AFTER_JA.match(text, f.end) if language == "ja" else _REFUSED_BEFORE_EN.search(text[: f.start].rstrip())
        )
    ]  # fmt: skip
    if len(left) > 1 and not _COORDINATED.fullmatch(text[left[-2].end : left[-1].start]):
        left = left[-1:]
    return [f for f in found if f.entity != "ordinal" or f in left]


def _picks_alone(text: str, language: str, found: list[Found]) -> list[Found]:
    """A choice by a quality takes the place of the condition made of the same words, and orders what is looked for."""
    picks = [f for f in found if f.entity == "pick"]
    if not picks:
        return found
    qualities = [p for p in picks if "any" not in p.value]
    if language == "en":
        picks = [p for p in picks if "any" not in p.value or not _no_choice(text, p)]
    if qualities:
        picks = [p for p in picks if "any" not in p.value]
    bys = {p.value.get("by") for p in qualities}
    seen: set[str] = set()
    sorts = {p.value["by"] for p in qualities if p.value.get("order") == "asc" or p.value.get("by") == "rating"}
    kept = []
    for f in found:
        if f.entity == "pick":
            if f in picks and str(f.value) not in seen:
                seen.add(str(f.value))
                kept.append(f)
            continue
        inside = any(p.start <= f.start and f.end <= p.end for p in qualities)
        if inside and f.entity in ("attribute", "direction", "price", "sort", "rating_min", "number", "where"):
            continue
        if "price" in bys and f.entity == "price":
            continue
        if f.entity == "sort" and any(
            _SORTED.get(str(by)) in (f.value, str(f.value).removesuffix("_desc")) for by in bys
        ):
            continue
        kept.append(f)
    for p in qualities:
        if p not in kept:
            continue
        if p.value.get("by") in sorts:
            # Where nothing was offered yet, the quality is the order in which to look: "take me to the nearest one".
            kept.append(Found(p.start, p.end, "sort", _SORTED[p.value["by"]], layer="sort"))
        elif p.value == {"by": "price", "order": "desc"}:
            kept.append(Found(p.start, p.end, "sort", "price_desc", layer="sort"))
    return kept


def _no_choice(text: str, pick: Found) -> bool:
    """ "don't fancy any of them", "do any of them have parking": nothing is left to us."""
    if not text[pick.start : pick.end].startswith("any"):
        return False
    before = text[: pick.start].rstrip()
    return bool(_NOT_ANY_EN.search(before) or _ASKED_ANY_EN.search(before))
