"""Conditions of a search and their polarity: wished, taken back, refused, replaced.

A word names a condition (a topic: 駐車場, the budget) or sets it (安め, 禁煙, a genre, a ward). What stands after it in Japanese, before or
after it in English, decides what becomes of it: 「駐車場は諦めます」 yields only `drop`, 「ラーメン以外」 the genre with role `exclude`,
「普通から安めに」 only the new value. The reach of such a cue ends at the clause; coordinated words (「駐車場とWi-Fiは」) share it.

Decisions where language leaves a choice: "not expensive", 「高くない」 → price low; "not too expensive", 「高すぎない」 → middle;
「有料でもいい」 → any with role `relaxed` (it replaces `free`; a bare 「駐車場」, any without role, does not); 「駐車場がない所」 → none; a comparative (「もっと安い」) sets the price band, 「一番安い」 sorts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from agent.nlu.values.folding import Folded, fold_kana, fold_plain, inside_katakana
from agent.nlu.values.lexicon import Lexicon
from agent.nlu.values.model import Found

CONDITIONS = frozenset(
    [
        "genre",
        "city",
        "area",
        "station",
        "prefecture",
        "price",
        "budget",
        "parking",
        "wifi",
        "on_site_restaurant",
        "rating_min",
        "distance_max",
        "open_at",
        "vacancy",
        "cards",
        "wheelchair",
        "child_friendly",
        "non_smoking",
        "private_room",
        "charging",
        "parking_within",
        "place_name",
        "kind",
        "where",
    ]
)
"""entities a cue can take back"""
_DROP_KEY = {
    "place_name": "name",
    "budget": "budget",
    "parking_within": "parking_within",
    "kind": "genre",
    "prefecture": "prefecture",
}
_EXCLUDABLE = frozenset({"genre", "city", "area", "station", "place_name", "prefecture"})
_FEE_KEYS = ("parking", "wifi")
_RELAXED = 4
"""priority of a fee that may be paid or not"""
_PLACES = frozenset({"area", "city", "station", "prefecture"})


@dataclass(slots=True)
class Mention:
    """A condition named or set in the text."""

    start: int
    end: int
    keys: tuple[str, ...]
    found: Found | None
    """None for a bare topic"""


@dataclass(frozen=True, slots=True)
class Cue:
    """Words that decide about a mention."""

    start: int
    end: int
    kind: str
    """drop, exclude, replaced"""
    side: str
    """left: the mention stands before the cue; right: after it"""
    any: bool = False
    """the cue says that any will do, not that none is needed"""


class Conditions:
    """The grammar of conditions over `conditions.yml`."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        self.topics: Lexicon[tuple[str, ...]] = Lexicon()
        topic_words: dict[str, list[str]] = {}
        for topic in table["topics"]:
            for language in ("ja", "en"):
                self.topics.add_all(topic[language], tuple(topic["keys"]))
                for key in topic["keys"]:
                    topic_words.setdefault(key, []).extend(topic[language])
        self._patterns: dict[str, list[tuple[str, Any, re.Pattern[str]]]] = {"ja": [], "en": []}
        for row in table["patterns"]:
            for language in ("ja", "en"):
                self._patterns[language].append((row["entity"], row["value"], _union(row[language])))
        self._fee = {
            language: {name: _union(table["fee"][name][language]) for name in ("free", "paid", "concession")}
            for language in ("ja", "en")
        }
        self._absent = {language: _union(table["absent"][language]) for language in ("ja", "en")}
        self._drop = {"ja": _union(table["drop"]["ja"])}
        self._drop_before, self._drop_after = _union(table["drop"]["en_before"]), _union(table["drop"]["en_after"])
        self._exclude_ja = _union(table["exclude"]["ja"])
        self._exclude_en = _union(table["exclude"]["en_before"])
        self._replaced_ja = _union(table["replaced"]["ja"])
        self._replaced_en = _union(table["replaced"]["en_before"])
        self.boundary = {language: re.compile(fold_kana(table["boundary"][language])) for language in ("ja", "en")}

    # ------------------------------------------------------------------ finding

    def find(self, folded: Folded, language: str) -> list[Found]:
        """Values the patterns set (not yet judged)."""
        found = []
        for entity, value, pattern in self._patterns[language]:
            match = pattern.search(folded.text)
            while match:
                cut = match.end() == match.start() or inside_katakana(folded, match.start(), match.end())
                if not cut:
                    found.append(Found(match.start(), match.end(), entity, value, priority=1))
                # A find that cuts a word may hide one that starts inside it.
                match = pattern.search(folded.text, match.start() + 1 if cut else match.end())
        return found

    def find_topics(self, folded: Folded) -> list[tuple[int, int, tuple[str, ...]]]:
        """Words naming a condition, longest first kept."""
        hits = sorted(self.topics.scan(folded), key=lambda hit: (hit[0] - hit[1], hit[0]))
        kept: list[tuple[int, int, tuple[str, ...]]] = []
        for start, end, keys in hits:
            if all(end <= s or e <= start for s, e, _ in kept):
                kept.append((start, end, keys))
        return sorted(kept)

    def fees(self, folded: Folded, language: str, nouns: Iterable[tuple[int, int, str]]) -> list[Found]:
        """Parking and Wi-Fi with what they may cost: free, paid, any, none. `nouns`: (start, end, parking or wifi)."""
        text = folded.text
        nouns = sorted(nouns)
        values: dict[tuple[int, int, str], tuple[str, int, int]] = {}
        for name in ("free", "paid"):
            for match in self._fee[language][name].finditer(text):
                if match.end() == match.start():
                    continue
                if name == "paid" and any(
                    m.start() <= match.start() and match.end() <= m.end()
                    for m in self._fee[language]["free"].finditer(text)
                ):
                    continue
                value: str = name
                concession = self._fee[language]["concession"].match(text, match.end())
                if name == "paid" and (concession or (language == "en" and _CONCEDED_EN.search(text[: match.start()]))):
                    value = "any"
                start, end = match.start(), match.end()
                if value == "any" and concession:
                    end = concession.end()
                targets = self._fee_targets(text, language, nouns, start, match.end())
                if not targets and value == "any":
                    # 「有料でも構わない」 with no noun: in a car it is the car park.
                    later = [n for n in nouns if n[0] >= match.end()]
                    if later:
                        targets = [later[0]]
                    else:
                        values[start, end, "parking"] = ("any", start, end)
                for noun in targets:
                    values[noun] = (value, min(start, noun[0]), max(end, noun[1]))
        found = []
        for noun in nouns:
            if noun in values:
                value, start, end = values[noun]
                crossing = [n for n in nouns if n != noun and start < n[1] and n[0] < end]
                if crossing:
                    # 「駐車場とWi-Fiが無料」: each keeps its own word.
                    start, end = noun[0], noun[1]
                # 「有料でもいい」 relaxes the fee; the words of taking back in it take nothing back.
                relaxed = value == "any"
                found.append(
                    Found(start, end, noun[2], value, "relaxed" if relaxed else None, _RELAXED if relaxed else 3)
                )
            else:
                absent = self._absent[language]
                no = absent.match(text, noun[1]) if language == "ja" else absent.search(text[: noun[0]].rstrip())
                if no:
                    start, end = min(noun[0], no.start()), max(noun[1], no.end())
                    found.append(Found(start, end, noun[2], "none", priority=3))
                else:
                    found.append(Found(noun[0], noun[1], noun[2], "any", priority=2))
        covered = {(f.entity) for f in found}
        for (start, end, entity), (value, _, _) in values.items():
            if (start, end, entity) not in nouns and entity not in covered:
                found.append(Found(start, end, entity, value, "relaxed", _RELAXED))
        return found

    def _fee_targets(
        self, text: str, language: str, nouns: list[tuple[int, int, str]], start: int, end: int
    ) -> list[tuple[int, int, str]]:
        left = [n for n in nouns if n[1] <= start]
        right = [n for n in nouns if n[0] >= end]
        boundary = self.boundary[language]
        left_gap = text[left[-1][1] : start] if left else None
        right_gap = text[end : right[0][0]] if right else None
        if language == "ja":
            close_left = left_gap is not None and re.fullmatch(
                r"(?:代|料金|の?利用(?:料金?|代)?|の?料金|の?使用料)?(?:が|は|も|を|で|の|に|って)?(?:、)?(?:両方|とも|どちらも|ともに|共に|全て|すべて|も|完全|完備で)*(?:が|は|も|を)?",
                left_gap,
            )
            direct_right = right_gap is not None and re.fullmatch(
                r"(?:の|な|で|にて)?(?:使|利用|停|止|駐|置|でき|出来|可能|な|られ|える|える|し|する|用|に|め|れ|る|ご|も|して)*(?:の)?",
                right_gap,
            )
            if close_left and left:
                return _coordinated(text, left, _JOIN_JA, backwards=True)
            if direct_right and right:
                return _coordinated(text, right, _JOIN_JA, backwards=False)
            if left_gap is not None and len(left_gap) <= 16 and not boundary.search(left_gap):
                return _coordinated(text, left, _JOIN_JA, backwards=True)
            if right_gap is not None and len(right_gap) <= 8 and not re.search(r"[がはを、。]", right_gap):
                return _coordinated(text, right, _JOIN_JA, backwards=False)
            return []
        if right_gap is not None and re.fullmatch(r" (?:\w+ )?", right_gap) and not boundary.search(right_gap):
            return _coordinated(text, right, _JOIN_EN, backwards=False)
        if left_gap is not None and len(left_gap) <= 30 and not boundary.search(left_gap):
            return _coordinated(text, left, _JOIN_EN, backwards=True)
        if right_gap is not None and len(right_gap) <= 16 and not boundary.search(right_gap):
            return _coordinated(text, right, _JOIN_EN, backwards=False)
        return []

    # ------------------------------------------------------------------ judging

    def judge(
        self, folded: Folded, language: str, found: list[Found], topics: list[tuple[int, int, tuple[str, ...]]]
    ) -> list[Found]:
        """The finds after polarity: values kept, `drop`s, roles."""
        text = folded.text
        mentions = [Mention(f.start, f.end, (f.entity,), f) for f in found if f.entity in CONDITIONS]
        for start, end, keys in topics:
            if not any(m.start < end and start < m.end for m in mentions):
                mentions.append(Mention(start, end, keys, None))
        mentions.sort(key=lambda m: (m.start, m.end))
        if not mentions:
            return self._without_mention(text, language, found)
        cues = [c for c in self._cues(text, language) if not inside_katakana(folded, c.start, c.end)]
        removed: set[int] = set()
        roles: dict[int, str] = {}
        drops: list[Found] = []
        bound_drop = False
        for cue in cues:
            targets = self._targets(text, language, mentions, cue, removed)
            if not targets and cue.kind == "drop":
                continue
            for mention in targets:
                if cue.kind == "exclude":
                    if mention.found and mention.found.entity in _EXCLUDABLE:
                        roles[id(mention.found)] = "exclude"
                    elif mention.found and mention.found.entity not in ("kind", "where"):
                        # What cannot be refused is not wished any longer: 「Wi-Fi以外の条件で」.
                        removed.add(id(mention.found))
                        drops.append(_drop(mention, cue))
                        bound_drop = True
                    continue
                bound_drop = True
                if (
                    language == "en"
                    and cue.kind == "drop"
                    and mention.found
                    and mention.found.entity in ("genre", "place_name")
                    and _UNWANTED_EN.match(text, cue.start)
                ):
                    roles[id(mention.found)] = "exclude"
                    continue
                if cue.kind == "replaced" and self._replaced_by(mentions, mention, cue):
                    if mention.found:
                        removed.add(id(mention.found))
                    continue
                if cue.kind == "replaced" and mention.found is None:
                    continue
                if (
                    cue.kind == "replaced"
                    and language == "en"
                    and mention.found
                    and mention.found.entity in _EXCLUDABLE
                ):
                    roles[id(mention.found)] = "exclude"
                    continue
                if mention.found:
                    removed.add(id(mention.found))
                drops.extend(_drops(mention, cue))
        kept = []
        for f in found:
            if id(f) in removed:
                continue
            if id(f) in roles:
                f = Found(f.start, f.end, f.entity, f.value, roles[id(f)], f.priority, f.layer)
            kept.append(f)
        # A condition named again as wished elsewhere in the message wins over its drop only if it stands later.
        unique: dict[Any, Found] = {}
        for drop in drops:
            unique.setdefault(drop.value, drop)
        result_drops = [
            d
            for d in unique.values()
            if not any(
                _DROP_KEY.get(k.entity, k.entity) == d.value
                and k.role in (None, "near")
                and k.start > d.start
                and k.entity != "kind"
                for k in kept
            )
        ]
        if not bound_drop:
            return self._without_mention(text, language, kept)
        return [*kept, *result_drops]

    def _without_mention(self, text: str, language: str, found: list[Found]) -> list[Found]:
        """「何でもいい」, "anywhere is fine" with nothing named: the genre or the place does not matter."""
        drops = []
        for value, pattern in _UNBOUND[language].items():
            match = pattern.search(text)
            if match is None:
                continue
            if value == "genre" and not any(f.entity == "genre" for f in found):
                drops.append(Found(match.start(), match.end(), "drop", "genre"))
            elif value == "area" and not any(f.entity in _PLACES for f in found):
                drops.append(Found(match.start(), match.end(), "drop", "area"))
            elif value == "all":
                drops.append(Found(match.start(), match.end(), "drop", "all"))
        return [*found, *drops]

    def _cues(self, text: str, language: str) -> list[Cue]:
        cues: list[Cue] = []
        if language == "ja":
            cues += [
                Cue(m.start(), m.end(), "drop", "left") for m in self._drop["ja"].finditer(text) if m.end() > m.start()
            ]
            others = [Cue(m.start(), m.end(), "replaced", "left") for m in self._replaced_ja.finditer(text)]
            others += [Cue(m.start(), m.end(), "exclude", "left") for m in self._exclude_ja.finditer(text)]
            cues += [c for c in others if not any(k.start < c.end and c.start < k.end for k in cues)]
            cues += [Cue(m.start(), m.end(), "drop", "right", True) for m in _PREFIX_JA.finditer(text)]
        else:
            cues += [Cue(m.start(), m.end(), "replaced", "right") for m in self._replaced_en.finditer(text)]
            excludes = [Cue(m.start(), m.end(), "exclude", "right") for m in self._exclude_en.finditer(text)]
            befores = [
                Cue(m.start(), m.end(), "drop", "right", m[0].startswith(("any", "what", "which")))
                for m in self._drop_before.finditer(text)
                if m.end() > m.start()
            ]
            afters = [Cue(m.start(), m.end(), "drop", "left") for m in self._drop_after.finditer(text)]
            for more in (befores, excludes, afters):
                for cue in more:
                    rivals = [c for c in cues if c.start < cue.end and cue.start < c.end]
                    if any(c.end - c.start >= cue.end - cue.start for c in rivals):
                        # "not a hotel but": `not` may refuse or replace; both are tried, the first that finds its mention wins.
                        if not all(c.kind == "replaced" for c in rivals) or cue.kind != "exclude":
                            continue
                    else:
                        cues = [c for c in cues if c not in rivals]
                    cues.append(cue)
        return sorted(cues, key=lambda c: (c.start, c.end))

    def _targets(self, text: str, language: str, mentions: list[Mention], cue: Cue, removed: set[int]) -> list[Mention]:
        boundary = self.boundary[language]
        join = _JOIN_EN if language == "en" else _JOIN_JA
        live = [m for m in mentions if not (m.found and id(m.found) in removed)]
        if language == "en":
            # "Skip all songs by …": English takes names back only by what they are replaced with.
            live = [m for m in live if m.keys != ("place_name",)]
        if cue.kind == "drop":
            relaxed = [m for m in live if m.found and m.found.priority == _RELAXED and m.found.entity in _FEE_KEYS]
            if any(m.start <= cue.start <= m.end + 2 or cue.start <= m.start < cue.end for m in relaxed):
                return []
        if cue.side == "left":
            before = [m for m in live if m.end <= cue.start + (1 if language == "ja" else 0)] or [
                m for m in live if m.start < cue.start < m.end and language == "ja"
            ]
            if not before:
                return []
            nearest = before[-1]
            gap = text[nearest.end : cue.start]
            limit = 3 if cue.kind in ("exclude", "replaced") and language == "ja" else 14 if language == "ja" else 30
            if cue.kind == "exclude" and language == "ja":
                if not re.fullmatch(
                    r"(?:の?(?:お店|店|料理|ところ|所|系|もの|やつ|類|屋さん|とか|など|だけ|は|が|も|を|で|に)){0,2}",
                    gap,
                ):
                    return []
            elif cue.kind == "replaced" and language == "ja":
                if not re.fullmatch(
                    r"(?:の?(?:お店|店|料理|ところ|所|系|もの|方|くらい|ぐらい|め|の|を|は|が|で|タイプ|たいぷ|エリア|えりあ|周辺|近く)){0,3}",
                    gap,
                ):
                    return []
            elif len(gap) > limit or self._blocks(gap, language):
                return []
            chosen = [nearest]
            # 「地区は東区、ジャンルは…」: a label right before a value belongs to it and is not coordinated.
            index = live.index(nearest)
            while index > 0 and join.fullmatch(text[live[index - 1].end : chosen[-1].start]):
                index -= 1
                chosen.append(live[index])
            while index > 0 and _labels(text, live[index - 1], nearest):
                # 「発寒駅が最寄り駅でなくても」, 「絶景というジャンルは」: the value and its label are one.
                index -= 1
                chosen.append(live[index])
            same = [m for m in live if m not in chosen and (m.start, m.end) == (nearest.start, nearest.end)]
            if nearest.keys == ("all",) and len(gap) <= limit and index > 0:
                label = live[index - 1]
                if re.fullmatch(r"の|という|といった", text[label.end : nearest.start]):
                    return [label]
            return [*chosen, *same]
        after = [m for m in live if m.start >= cue.end - 1]
        if not after:
            return []
        nearest = after[0]
        gap = text[cue.end : nearest.start]
        if language == "ja":
            if gap not in ("", "の"):
                return []
        elif (
            len(gap) > 24
            or boundary.search(gap)
            or (re.search(r",|\b(?:is|are|want|need|have|has|find|show)\b", gap) and cue.kind != "drop")
        ) or re.search(r"\b(?:but|near|want|find|show|then|any)\b|,", gap):
            return []
        if cue.kind in ("exclude", "replaced") and not re.fullmatch(
            r" ?(?:(?:an?|the|any|some|more|too|very|necessarily|in|near|at|with|another) )*", gap
        ):
            return []
        if text[cue.start : cue.end] == "any" and not _ANY_EN.search(text, cue.start):
            return []
        # "I don't need the hotel to have parking": the condition is meant, not its place.
        place = nearest.found is not None and nearest.found.entity == "kind" and len(after) > 1
        if place and _OF_PLACE_EN.fullmatch(text[nearest.end : after[1].start]):
            nearest = after[1]
        alone = [nearest, *(m for m in live if m is not nearest and (m.start, m.end) == (nearest.start, nearest.end))]
        chosen, joints = list(alone), ""
        index = live.index(nearest)
        while index + 1 < len(live) and join.fullmatch(joint := text[live[index].end : live[index + 1].start]):
            index += 1
            joints += joint
            if live[index] not in chosen:
                chosen.append(live[index])
        if cue.kind != "drop" and "," in joints and not re.search(r"\b(?:or|nor|and)\b", joints):
            # "not Wi-Fi, parking": the second is what is wished instead.
            return alone
        return chosen

    def _blocks(self, gap: str, language: str) -> bool:
        if self.boundary[language].search(gap):
            return True
        if language == "ja":
            # 「駐車場が無料で、どこでも」: a predicate of its own stands between.
            return bool(_PREDICATE_JA.search(gap))
        return bool(re.search(r",|\b(?:and|with|near)\b", gap)) and not re.match(r"^ ?(?:,|is|are)", gap)

    def _replaced_by(self, mentions: list[Mention], old: Mention, cue: Cue) -> bool:
        """Whether another value of the same condition is said besides."""
        for mention in mentions:
            if mention is old or mention.found is None or old.found is None:
                continue
            if (mention.start, mention.end) == (old.start, old.end):
                continue
            same = mention.found.entity == old.found.entity or {mention.found.entity, old.found.entity} <= _PLACES
            if same and (mention.found.value != old.found.value or old.found.entity == "kind"):
                return True
            if old.found.entity == "kind" and mention.found.entity == "genre":
                return True
        return False


_UNWANTED_EN = re.compile(r"(?:i |we )?(?:do not|don'?t) (?:really |actually )?(?:want|like|fancy|feel like)")
_OF_PLACE_EN = re.compile(r" (?:to have|that has|with|having|to offer|to be|to come with)(?: an?| the| its)? ")
_CONCEDED_EN = re.compile(
    r"\b(?:(?:don'?t|do not|wouldn'?t) mind|happy to|willing to|(?:ok|okay|fine|good) with|can|could|prepared to)(?: have to| having to)? $"
)
_JOIN_JA = re.compile(
    fold_kana(
        r"(?:、|・|や|と|とか|も|および|及び|または|か|とも|,|&|\+|・|かつ|だったり|、それと|、そして|にも|だとか|やら|/|、あと|に|の有無や|が無料で|も、)?(?:、)?"
    )
)
_JOIN_EN = re.compile(r" ?(?:,|and|or|and the|or the|nor|&|/|, and|, or|and a|or a)? ?(?:the |a |an )?")
_PREDICATE_JA = re.compile(
    fold_kana(
        r"あれば|あって|使えて|できて|利用(?:でき|出来)|無料|お願い|ほしい|欲しい|ください|下さい|探し|、.*、|がいい|が良い|でも.*で"
    )
)
_PREFIX_JA = re.compile(
    fold_kana(
        r"(?:どんな|どの|どういった|どのような|あらゆる|別の|違う|他の|ほかの|別な|異なる|全ての|すべての)(?=[^、。]{1,14}(?:でも|で(?:い|良|よ|構|大丈夫|結構)|に広げ))"
    )
)
_ANY_EN = re.compile(
    r"any (?:(?:type|kind|sort) of )?(?:genre|cuisine|area|price(?: range)?|prices|budget|station|district|neighbou?rhood|location|part of town|part of the city|cost|rating|type of food|kind of food|type of place|kind of place|food|restaurant|place|region|category|type|distance|hotel|shop|style of food)\b[^.?!]{0,30}(?:fine|ok|okay|good|works|do\b|alright|great|acceptable|$|please|[.!?])"
)
_UNBOUND = {
    "ja": {
        "all": re.compile(fold_kana(r"(?:条件|絞り込み)(?:は|を)?(?:全部|すべて|全て)?(?:なし(?:で|に)|外して|リセット|クリア|解除|取り消し|消して|なくして)|(?:全部|すべて|全て)(?:の条件)?(?:を)?(?:外して|リセット|クリア|取り消し|なしで)|最初から(?:探|やり直|検索)|条件(?:は|を)?(?:全部|すべて|全て)?(?:なし|忘れて)|白紙")),
        "genre": re.compile(fold_kana(r"(?:^|[、。はもので])(?:何|なん)でも(?:いい|良い|よい|構|かま|大丈夫|結構|ok|食べ)|(?:なに|何|どんな|どの|どういう)(?:料理|種類|お?店|食べ物|もの|ジャンル)(?:の(?:お?店|もの))?でも")),
        "area": re.compile(fold_kana(r"(?:どこ|何処|どの辺|どのあたり)でも(?:いい|良い|よい|構|かま|大丈夫|結構|ok|行け)")),
    },
    "en": {
        "all": re.compile(r"\b(?:(?:reset|clear|drop|remove|forget|ignore) (?:all|everything|all of (?:it|them)|the filters?|all (?:the )?(?:filters|conditions))|start (?:over|again|afresh|from scratch)|no (?:conditions|filters|preferences?|requirements) at all)\b"),
        "genre": re.compile(r"\b(?:anything(?: at all)?(?:(?: is|'s| would be| will be| sounds) (?:fine|ok|okay|good)| goes| works| will do|'ll do)|i(?:'ll| will) eat anything|i'?m not picky|any (?:food|cuisine|genre|kind) (?:is|will|works|would))\b"),
        "area": re.compile(r"\b(?:anywhere(?: at all)?(?: is|'s| would be| will be)? (?:fine|ok|okay|good|works|do|else is fine)|any (?:area|district|neighbou?rhood|location|part of town|part of the city|place) (?:is|will|works|would)|(?:it )?doesn'?t matter where|(?:don'?t|do not) (?:care|mind) where)\b"),
    },
}  # fmt: skip


def _coordinated(
    text: str, nouns: list[tuple[int, int, str]], join: re.Pattern[str], *, backwards: bool
) -> list[tuple[int, int, str]]:
    if backwards:
        chosen = [nouns[-1]]
        for noun in reversed(nouns[:-1]):
            if not join.fullmatch(text[noun[1] : chosen[-1][0]]):
                break
            chosen.append(noun)
        return chosen
    chosen = [nouns[0]]
    for noun in nouns[1:]:
        if not join.fullmatch(text[chosen[-1][1] : noun[0]]):
            break
        chosen.append(noun)
    return chosen


def _labels(text: str, value: Mention, topic: Mention) -> bool:
    """Whether `topic` names the condition that `value`, right before it, sets."""
    if topic.found is not None or value.found is None:
        return False
    keys = {"genre" if key == "kind" else key for key in value.keys}
    return bool(keys & set(topic.keys)) and bool(
        re.fullmatch(r"(?:が|の|は|って|と(?:いう|いった))?", text[value.end : topic.start])
    )


def _drops(mention: Mention, cue: Cue) -> list[Found]:
    start, end = min(mention.start, cue.start), max(mention.end, cue.end)
    # "any restaurant", 「どんなレストランでも」 leave the genre open.
    any_kind = cue.side == "right" and cue.any
    found = []
    for key in mention.keys:
        value = _DROP_KEY.get(key, key)
        if (
            key == "kind"
            and mention.found
            and mention.found.value == "restaurant"
            and mention.end - mention.start >= 5
            and not any_kind
        ):
            # 「レストランはなくてもいい」: the hotel needs none.
            value = "on_site_restaurant"
        elif key == "kind" and mention.found and mention.found.value in ("parking", "charging"):
            value = mention.found.value
        elif key == "budget":
            value = "price"
        found.append(Found(start, end, "drop", value))
    return found


def _drop(mention: Mention, cue: Cue) -> Found:
    return _drops(mention, cue)[0]


def _union(patterns: list[str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{fold_kana(pattern)})" for pattern in patterns))


def is_topic_word(word: str, conditions: Conditions) -> bool:
    """Whether a word only names a condition."""
    folded = fold_plain(word)
    return any(end - start == len(folded) for start, end, _ in conditions.topics.scan(_plain(folded)))


def _plain(text: str) -> Folded:
    return Folded(text, text, tuple(range(len(text))), tuple(range(1, len(text) + 1)))
