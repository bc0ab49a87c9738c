"""Municipalities, wards, districts, stations: what the gazetteer finds in the text, in the contract's canonical forms.

Stations and wards are open classes here: 「尾頭橋駅」 is a station and 「手稲地区」 a district whether or not the gazetteer knows them.
"""

from __future__ import annotations

import re

from agent.nlu.values.folding import Folded, fold_kana
from agent.nlu.values.model import Found
from agent.nlu.values.tokens import Token
from backends.model import Locality
from backends.ports import Gazetteer

_NEAR_JA = re.compile(
    fold_kana(
        r"(?:駅)?(?:の|から)?(?:すぐ)?(?:近く|近辺|近所|近郊|近場|ちか(?:く|場)|周辺|付近|あたり|辺り|辺(?!野)|界隈|そば|側(?=で|の|に)|寄り(?!の?駅|道)|沿い|まわり|周り|近(?=い|で|の|$)|徒歩圏)"
    )
)
_NEAR_EN = re.compile(
    r"(?:near|close to|nearby|around|next to|by|beside|in the vicinity of|not far from|closest to|nearest(?: to)?) (?:the |to )?$"
)
_NEAR_AFTER_EN = re.compile(r" (?:area|vicinity|surroundings)\b")
_STATION_CUE_JA = re.compile(
    fold_kana(r"(?:最寄り?(?:の)?駅?|駅)(?:は|が|を|で|:|なら|として)?(?:、)?(?:できれば|やはり|やっぱり)?$")
)
_FACILITY = re.compile(
    r"..(?:公園|競技場|大学|城|神社|大社|神宮|天満宮|美術館|博物館|動物園|水族館|植物園|どーむ|たわー|空港|病院|体育館|球場|らんど|園地|こうえん)$"
)
_GENERIC_STATIONS = frozenset(
    [
        "最寄",
        "最寄り",
        "近く",
        "近辺",
        "どの",
        "この",
        "その",
        "あの",
        "次",
        "前",
        "各",
        "同",
        "始発",
        "終着",
        "道の",
        "主要",
        "他",
        "別",
        "隣",
        "両",
        "地下鉄",
        "鉄道",
        "jr",
        "私鉄",
        "電車",
        "新幹線",
        "近い",
        "最も近い",
        "同じ",
        "一番近い",
        "の",
        "何",
        "目的",
        "利用",
    ]
)
_AREA_TAIL = re.compile(fold_kana(r"(?:地区|エリア|方面|地域|界隈)"))
_AREA_CUE_JA = re.compile(fold_kana(r"(?:地区|エリア|区域|地域)(?:は|が|を)$"))
_NOT_AREAS = frozenset(
    [
        "観光",
        "同じ",
        "この",
        "その",
        "あの",
        "他",
        "別",
        "違う",
        "どの",
        "希望",
        "全",
        "近い",
        "周辺",
        "近隣",
        "商業",
        "歴史的",
        "歴史的な",
        "散策",
        "繁華",
        "市内",
        "対象",
        "ご希望",
        "該当",
        "中心",
        "サービス",
        "パーキング",
    ]
)


def find_localities(
    folded: Folded, original: str, language: str, gazetteer: Gazetteer | None, tokens: list[Token]
) -> list[Found]:
    """City, prefecture, area, station; landmarks the gazetteer knows as place_name."""
    text = folded.text
    found: list[Found] = []
    covered: list[tuple[int, int]] = []
    if gazetteer is not None:
        for start, end, candidates in gazetteer.scan(folded.wide):
            # The gazetteer reads the text before kana were folded: the same indexes.
            if not candidates or not 0 <= start < end <= len(text):
                continue
            read = _read(text, start, end, candidates, language)
            if read is not None:
                found.append(read)
                covered.append((start, end))
    if language == "ja":
        found += _open_stations(folded, original, tokens)
        found += _open_areas(folded, original, tokens, found)
    return [_with_role(text, f, language) for f in found]


_PLACE_AFTER_JA = re.compile(
    r"駅|市|区|町|の|で(?!き)|に(?!し)|へ|まで|から|を|は|が|あたり|辺|周|近|方面|、|。|[ !?]|$"
)


def _read(text: str, start: int, end: int, candidates: tuple[Locality, ...], language: str) -> Found | None:
    said = text[start:end]
    if (
        language == "ja"
        and end - start <= 3
        and re.fullmatch("[ぁ-ん]+", said)
        and not _PLACE_AFTER_JA.match(text, end)
    ):
        # 「なんばしよっと」 is no Namba.
        return None
    kinds = [c.kind for c in candidates]
    best = candidates[0]
    # The suffix said decides; 「最寄りは小禄」 means the station.
    if said.endswith("駅") or said.endswith("station") or said.endswith("えき"):
        best = next((c for c in candidates if c.kind == "station"), best)
    elif (language == "ja" and _STATION_CUE_JA.search(text[:start]) and "station" in kinds) or (
        language == "ja"
        and re.match(fold_kana(r"が?(?:最寄|駅)"), text[end:])
        and "station" in kinds
        and not said.endswith("区")
    ):
        best = next(c for c in candidates if c.kind == "station")
    elif language == "ja" and _AREA_TAIL.match(text, end):
        best = next((c for c in candidates if c.kind in ("ward", "town")), best)
    elif best.kind == "city" and best.name.endswith("村") and not said.endswith(("村", "village")):
        # 「上野」 is where the trains stop, not a mountain village of the name.
        elsewhere = next((c for c in candidates if c.kind == "station" and c.city != best.name), None)
        if elsewhere is not None:
            best = next((c for c in candidates if c.kind in ("ward", "town") and c.city == elsewhere.city), elsewhere)
    elif best.kind == "prefecture" and not said.endswith(("都", "道", "府", "県", "prefecture")):
        best = next((c for c in candidates if c.kind == "city"), best)
    elif best.kind == "station" and _FACILITY.search(said):
        # 「代々木公園」 by itself is the park, not the station named after it.
        return Found(start, end, "place_name", None, priority=4)
    entity, value = canonical(best)
    if entity == "place_name" and (end - start) < 2:
        return None
    if (
        language == "ja"
        and best.kind == "city"
        and re.match("市", text[end : end + 1] or "")
        and not re.match("市(?:場|内|民|立|街|役|営)", text[end:])
    ):
        end += 1
    if language == "ja" and best.kind in ("ward", "town"):
        tail = _AREA_TAIL.match(text, end)
        end = tail.end() if tail else end
    return Found(start, end, entity, value if entity != "place_name" else None, priority=4)


def canonical(locality: Locality) -> tuple[str, str]:
    """The entity and the value of a locality by the contract: 札幌, 板橋区, 小禄駅, 北海道."""
    name = locality.name
    if locality.kind == "prefecture":
        return "prefecture", name
    if locality.kind == "city":
        return "city", name[:-1] if name.endswith("市") and len(name) > 2 else name
    if locality.kind in ("ward", "town"):
        return "area", name
    if locality.kind == "station":
        return "station", name
    return "place_name", name


def _open_stations(folded: Folded, original: str, tokens: list[Token]) -> list[Found]:
    """Nouns before 駅, whether listed or not."""
    text, found = folded.text, []
    for match in re.finditer(r"駅(?![長弁舎員伝馬ビ前店]|びる|から徒歩|の近くの?の?$)", text):
        start = _nouns_before(text, tokens, match.start())
        if start is None:
            continue
        name = folded.wide[start : match.start()]
        if name.lower() in _GENERIC_STATIONS or not name or len(name) > 24:
            continue
        if re.fullmatch(r"[\d一二三四五六七八九十]+", name) or name.startswith(("最寄", "近く", "近辺")):
            continue
        found.append(
            Found(start, match.end(), "station", _as_said(folded, original, start, match.start()) + "駅", priority=4)
        )
    return found


def _open_areas(folded: Folded, original: str, tokens: list[Token], known: list[Found]) -> list[Found]:
    text, found = folded.text, []
    for match in re.finditer(
        fold_kana(r"(?:地区|(?<!サービス)(?<!パーキング)エリア|区(?![内間役民別切画立域民]))"), text
    ):
        if any(k.start < match.end() and match.start() < k.end for k in known):
            continue
        start = _nouns_before(text, tokens, match.start())
        if start is None or match.start() - start > 8:
            continue
        name = folded.wide[start : match.start()]
        if (
            len(name) < 1
            or name in _NOT_AREAS
            or re.match(r"(?:観光|歴史|散策|同|全|各|何|どの|この)", name)
            or name.endswith(("サービス", "パーキング"))
        ):
            continue
        if not any(token.proper for token in tokens if start <= token.start < match.start()) and match[0] != "区":
            continue
        suffix = "区" if match[0] == "区" else ""
        found.append(Found(start, match.end(), "area", name + suffix, priority=4))
    for match in re.finditer(
        fold_kana(r"(?:地区|(?<!サービス)(?<!パーキング)エリア|地域)(?:は|が|を|としては)(?=[一-龯])"), text
    ):
        end = match.end()
        for token in tokens:
            if token.start == end and token.noun and (token.proper or token.kanji):
                end = token.end
        if end > match.end() and not any(k.start < end and match.end() < k.end for k in known):
            name = folded.wide[match.end() : end]
            if (
                2 <= len(name) <= 8
                and re.match(fold_kana(r"(?:で|が|に|を|の|だ|周辺|付近|あたり|$)"), text[end:])
                and name not in _NOT_AREAS
                and not re.match("(?:特|希望|指定|限定|考慮|市内|同|変|別|問|気|何|絞|広|全|無|未|駅)", name)
            ):
                found.append(Found(match.end(), end, "area", name, priority=3))
    return found


def _as_said(folded: Folded, original: str, start: int, end: int) -> str:
    """A name no list knows keeps its own width; spaces a recognizer put in go."""
    first, last = folded.span(start, end)
    return "".join(original[first:last].split())


def _proper(tokens: list[Token], start: int, end: int) -> bool:
    return any(token.proper for token in tokens if start <= token.start and token.end <= end)


def _nouns_before(text: str, tokens: list[Token], end: int) -> int | None:
    """Where the run of name-like tokens that ends at `end` starts."""
    start: int | None = None
    position = end
    for token in reversed(tokens):
        if token.start >= end:
            continue
        if token.end != position and not (token.end > position >= token.start):
            break
        if token.end > position:
            # 「駅」 lies inside a token (渋谷駅 as one word).
            start = position = token.start
            continue
        if (
            text[token.start : token.end] in ("・", "(", ")", "（", "）", "ヶ", "ケ", "ノ", "の", "ー")
            and start is not None
        ):
            if text[token.start : token.end] == "の" and not _inner_no(tokens, token):
                break
            position = token.start
            continue
        if not token.noun or token.generic:
            if text[token.start : token.end] == ")":
                position = token.start
                start = position
                continue
            break
        start = position = token.start
    return start


def _inner_no(tokens: list[Token], particle: Token) -> bool:
    """「丸の内駅」 has its の inside; 「札幌の駅」 has not: only one-character neighbours bind."""
    before = next((t for t in tokens if t.end == particle.start), None)
    after = next((t for t in tokens if t.start == particle.end), None)
    return before is not None and after is not None and before.end - before.start == 1 and after.end - after.start == 1


def _with_role(text: str, found: Found, language: str) -> Found:
    if found.role is not None:
        return found
    if language == "ja":
        near = _NEAR_JA.match(text, found.end)
        if near and near.end() > found.end:
            return Found(found.start, found.end, found.entity, found.value, "near", found.priority)
    elif _NEAR_EN.search(text[: found.start]) or _NEAR_AFTER_EN.match(text, found.end):
        return Found(found.start, found.end, found.entity, found.value, "near", found.priority)
    return found
