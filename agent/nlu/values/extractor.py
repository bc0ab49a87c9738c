"""Everything a message says, as entities of docs/understanding-contract.md.

Reading goes in steps that share one folded text: words of the inventories, amounts and times, localities, names; then overlaps are
resolved (priority, then length); then polarity decides what is wished, taken back or refused.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from agent.nlu.values import choices
from agent.nlu.values.agentplus import AgentPlus
from agent.nlu.values.amounts import Amounts
from agent.nlu.values.conditions import Conditions
from agent.nlu.values.folding import Folded, fold, fold_kana, language_of
from agent.nlu.values.inventory import Inventory, InventoryError, load_inventory, read_yaml
from agent.nlu.values.jobs import Jobs
from agent.nlu.values.lexicon import Lexicon
from agent.nlu.values.model import Found, resolve
from agent.nlu.values.names import Names
from agent.nlu.values.places import find_localities
from agent.nlu.values.times import find_times
from agent.nlu.values.tokens import Token, Tokens, english
from backends.ports import Gazetteer

Entity = dict[str, Any]
"""`entity`, `start`, `end` (index the text as received), `value` (JSON), optional `role`"""

DEFAULT_FOLDER = Path(__file__).resolve().parents[3] / "nlu_data" / "inventories"

_OPEN_JA = re.compile(
    fold_kana(
        r"(?:頃|ごろ)?(?:に|で|も|でも|まで|以降も|は|から|とか|以降|過ぎても|すぎても|ても|まででも)?(?:まだ|ちゃんと)?(?:、)?(?:開い|あい|空い|営業|やって|オープン|利用でき|入れる|入れ|食べられ|食べれ)(?:て(?:い)?(?:る|そう|た|ない)|し(?:て(?:い)?(?:る|た)|中)|る|中)?"
    )
)
_OPEN_EN_BEFORE = re.compile(
    r"\b(?:open|opened|opens|serving|stays? open|still open|be open|closes? after|not closed)(?: (?:at|on|until|till|past|after|from|by|for|around|about|as late as|this|during|it))*(?: the)? *$"
)
_OPEN_EN_AFTER = re.compile(r" *(?:is|are)? *(?:hours )?open\b")
_FIXED_OPEN = {
    "ja": (
        (re.compile(fold_kana(r"(?:24時間|二十四時間|終日)(?:ずっと)?(?:営業|オープン|開い|やって|空い|利用)?(?:し)?(?:て(?:い)?る|中)?")), {"hour": 3}),
        (re.compile(fold_kana(r"(?:遅く|おそく|夜遅く)まで(?:営業|やって|開い|空い|あい|オープン)?(?:し)?(?:て(?:い)?る)?")), {"hour": 23}),
        (re.compile(fold_kana(r"深夜(?:まで|も|でも|に)?(?:営業|やって|開い|空い|あい|オープン)(?:し)?(?:て(?:い)?る)?")), {"hour": 1}),
        (re.compile(fold_kana(r"(?:早朝|朝早く)(?:から|も|でも|に)?(?:営業|やって|開い|空い|あい|オープン)(?:し)?(?:て(?:い)?る)?")), {"hour": 6}),
        (re.compile(fold_kana(r"(?:今|いま|現在|ただいま|この時間|今の時間|今から|これから)(?:でも|も|に|すぐ|まだ|で|は|、)*(?:開い|あい|空い|営業|やって|入れ|行け|オープン|食べられ)(?:し)?(?:て(?:い)?(?:る|そう)|中|る)?")), "now"),
        (re.compile(fold_kana(r"(?:開いて(?:い)?る|営業中の|営業して(?:い)?る|やって(?:い)?る|空いて(?:い)?る)(?=お?店|ところ|所|とこ|レストラン|ガソリンスタンド|コンビニ|病院|スーパー|カフェ|薬局)(?!.{0,4}駐車)")), "now"),
        (re.compile(fold_kana(r"(?:着|到着し)(?:く|いた|た|する)?(?:頃|ころ|ごろ|時|とき|時間)?(?:に|には|にも|でも)?(?:まだ)?(?:も)?(?:開い|あい|空い|営業|やって|オープン)(?:し)?(?:て(?:い)?る)?")), "arrival"),
    ),
    "en": (
        (re.compile(r"\b(?:open |opens? )?(?:24 hours(?: a day)?|24[-/]7|twenty[- ]four hours|around the clock|all night(?: long)?|24[- ]hour|24 hrs|twenty[- ]four[- ]hour)(?: open)?\b"), {"hour": 3}),
        (re.compile(r"\b(?:open(?:s)? (?:really |pretty |very |until |till )?late(?: at night)?|open until late|late[- ]night|stays? open late|open later)\b"), {"hour": 23}),
        (re.compile(r"\bopen(?:s)? (?:really |pretty |very )?early\b"), {"hour": 6}),
        (re.compile(r"\b(?:(?:still |currently |presently )?open (?:right now|now|at the moment|currently|at this (?:time|hour)|already)|(?:still|currently|presently) open|now open|open(?= (?:restaurants?|places?|shops?|stores?|ones?|pharmac|gas)))\b"), "now"),
        (re.compile(r"\b(?:(?:still )?open (?:when|by the time|once|at the time|before) (?:i|we)(?: get there| arrive|'?ll arrive|'?ll get there|'?ll be there| get to| reach| are there)?(?: there)?|open (?:at|on|upon) (?:my |our )?arrival)\b"), "arrival"),
    ),
}  # fmt: skip
_PARKING_FROM_JA = re.compile(fold_kana(r"駐車場(?:まで|から|が|は)?(?:の距離が?)?(?:、)?$"))
_KIND_BEFORE_JA = re.compile(
    fold_kana(
        r"(?:近く|周辺|この辺|付近|近所|あたり|最寄り|一番近い|いちばん近い|空いて(?:い)?る|安い|大きな|広い|途中|近い)(?:の|に|で|にある|から)?(?:無料の|有料の|安い)?$"
    )
)
_KIND_AFTER_JA = re.compile(
    fold_kana(
        r"(?:を|は)?(?:、)?(?:探|さが|検索|案内|教え|見つけ|に(?:行|寄|入|止|停|案内|向)|まで|へ(?:行|案内)|に(?:お願い)|を(?:お願い|目的地)|$|どこ|ない[?。かで]|[?。]$|って(?:どこ|近くに|この))"
    )
)
_COND_AFTER_JA = re.compile(
    fold_kana(
        r"(?:が|の|は|も|を)?(?:無料で|有料で|ちゃんと|きちんと|広い|広く)?(?:ある|あり|あって|あれば|あった|有|付|つき|つい|完備|利用|使|停め|止め|必要|欲し|ほし|は?な(?:く|し|い)|無|要|併設|隣接|込み|いる|いり)"
    )
)
_KIND_EN = re.compile(
    r"(?:find|show|search|looking for|look for|need|get|nearest|closest|cheapest|to (?:the |a )?|where is|where's|any|available|public|navigate)(?: me| us)?(?: to)?(?: some| any| an?| the)?(?: (?:free|cheap|good|nearby|nearest|closest|paid|available|covered|underground|safe|open))*$"
)
_COND_EN = re.compile(
    r"(?:with|has|have|having|offers?|offering|include|includes|including|where|and|plus|also|provides?|must have|that's got|got|of|without|also|there(?:'s| is|s)|free|want|need|like|is|be|or)(?: (?:its|their|own|a|some|any|free|paid|customer|good|enough|an|on-site|onsite|on site|the|place to|ample|plenty of|lots of|complimentary|available|to have|at least))*$"
)
_FALSE_THERE = re.compile(r"(?:\b(?:is|are|was|were|isn't|aren't|would|will|hi|hello|hey|if) |^)$")
_SPOT_JA = re.compile(fold_kana(r"(?:でき)?る?(?:ところ|とこ|所|場所|スペース)(?!は|も)"))
_CAR_PARK_JA = re.compile(fold_kana(r"(?:コイン|時間貸し?|立体|月極)(?:パーキング|駐車場)|駐車したい"))
_WISH_JA = re.compile(
    fold_kana(r"(?:め)?(?:し)?(?:たい|よう|とき(?:たい)?|ておきたい|られるとこ(?:ろ)?(?:ある|ない|探|どこ))")
)
_INSTEAD_JA = re.compile(fold_kana(r"(?:じゃ|では|で)なく(?:て)?、?$"))
_NEARBY_EN = re.compile(r"^ (?:near|close|around|round|at|in|by|here|nearby|anywhere|somewhere)\b")
_ASKED = {"parking": "parking", "wifi": "wifi", "cards": "cards", "wheelchair": "wheelchair", "charging": "charging", "on_site_restaurant": "on_site_restaurant", "vacancy": "vacancy"}  # fmt: skip
_ASKED_JA = re.compile(
    fold_kana(
        r"(?:は|が|も|って|とか)?(?:無料で|ちゃんと)?(?:利用(?:は)?)?(?:あり(?:ます|そう)|ある(?!ところ|所|お?店|と|ほう|方|ので|場所)|ござい|使え(?:ます|る)|ついて(?:い)?(?:ます|る)|付いて(?:い)?(?:ます|る)|用意され|でき(?:ます|る)|(?:ん)?です|何台|いくら|の有無|どう)(?:でしょう|ん|の|です|ます|よう)*(?:か(?:ね|な)?|の|よね)?(?:[?。]|$|(?<=か)|(?<=か[ねな]))"
    )
)
_ASKED_EN = re.compile(
    r"\b(?:does|do|did|is|are|has|have|can|will) (?:it|they|there|this|that|the \w+|i|we|you)(?: (?:have|offer|take|accept|provide|got|get|use|be))?(?: (?:any|an?|the|free|paid|its own|their own|good))* *$"
)


class ValueReader:
    """Reads messages with one set of inventories. Immutable after construction; safe to share between threads."""

    def __init__(self, folder: Path = DEFAULT_FOLDER) -> None:
        """Reads the inventories in `folder`; raises `InventoryError`."""
        self.inventory: Inventory = load_inventory(folder)
        self.conditions = Conditions(read_yaml(folder / "conditions.yml"))
        self.names = Names(read_yaml(folder / "names.yml"))
        self.amounts = Amounts(read_yaml(folder / "amounts.yml"), read_yaml(folder / "choices.yml"))
        self.jobs = Jobs(read_yaml(folder / "jobs.yml"))
        self.agentplus = AgentPlus(read_yaml(folder / "agentplus.yml"))
        self.tokens = Tokens()
        closed = read_yaml(folder / "closed.yml")
        if not isinstance(closed, dict):
            raise InventoryError(f"{folder / 'closed.yml'}: expected a table of entities")
        # Forms keep their own spelling (not the folded one): word boundaries depend on it.
        self._places: Lexicon[tuple[str, Any]] = Lexicon()
        seen: set[tuple[str, str, str]] = set()
        for found_in, entity in ((self.inventory.genres, "genre"), (self.inventory.kinds, "kind")):
            for entry in found_in.values():
                for forms in entry.forms.values():
                    for form in forms:
                        if entry in self.inventory.find(form) and (form, entity, entry.id) not in seen:
                            seen.add((form, entity, entry.id))
                            self._places.add(form, (entity, entry.id))
        self._closed: Lexicon[tuple[str, Any]] = Lexicon()
        for entity, values in closed.items():
            for value, languages in values.items():
                for forms in languages.values():
                    self._closed.add_all(forms, (entity, value))

    def read(self, text: str, language: str | None = None, gazetteer: Gazetteer | None = None) -> list[Entity]:
        """The entities of a message, by position. Never raises on a `str`; only its first `MAX_CHARACTERS` are read."""
        folded = fold(text)
        if not folded.text.strip():
            return []
        language = language_of(text, language)
        tokens = self.tokens.japanese(folded) if language == "ja" else english(folded)
        found = self._find(folded, text, language, gazetteer, tokens)
        return [_entity(folded, text, f) for f in found if f.end > f.start]

    # ------------------------------------------------------------------ steps

    def _find(
        self, folded: Folded, original: str, language: str, gazetteer: Gazetteer | None, tokens: list[Token]
    ) -> list[Found]:
        edges = {t.start for t in tokens} | {t.end for t in tokens}

        def boundary(start: int, end: int) -> bool:
            return start in edges and end in edges

        check = boundary if language == "ja" else None
        places = [Found(s, e, entity, value) for s, e, (entity, value) in self._places.scan(folded, check)]
        places = _without_false_words(folded.text, places, language)
        localities = find_localities(folded, original, language, gazetteer, tokens)
        amounts = self.amounts.find(folded.text, language)
        times = find_times(folded.text, language)
        times = self._open(folded.text, language, times)
        amounts = _parking_distance(folded.text, amounts)
        set_by_words = self.conditions.find(folded, language)
        topics = self.conditions.find_topics(folded)
        nouns = [(s, e, keys[0]) for s, e, keys in topics if keys[0] in ("parking", "wifi")]
        fees = self.conditions.fees(folded, language, nouns)
        fees, kinds = self._parking_kind(folded.text, language, fees, places)
        values = resolve([*amounts, *times, *set_by_words, *localities])
        names = self.names.find(folded, language, tokens, [*values, *places, *fees, *topics_as_found(topics)])
        # A name takes the genre inside it (「イオン板橋ショッピングセンター」); a condition inside it goes as well.
        names = [n for n in resolve(names) if not self._explained(n, values)]
        first = resolve([*names, *values, *[f for f in localities if f not in values]])
        first = [f for f in first if f in names or f in values]
        # "a bed for the night" is a place, its night no time.
        first = [
            f for f in first if f.entity != "time" or not any(p.start <= f.start and f.end <= p.end for p in places)
        ]
        rest = [f for f in resolve([*places]) if not any(f.overlaps(k) and not _coexist(f, k) for k in first)]
        fees = [f for f in fees if not any(n.overlaps(f) for n in names)]
        kinds = [k for k in kinds if not any(n.overlaps(k) for n in names)]
        rest = [f for f in rest if not any(f.overlaps(k) for k in fees) and not any(f.overlaps(k) for k in kinds)]
        judged_in = [*first, *rest, *kinds, *fees]
        topics = [t for t in topics if not any(n.start < t[1] and t[0] < n.end for n in names)]
        judged = self.conditions.judge(folded, language, judged_in, topics)
        judged = choices.has_picks(folded.text, language, judged)
        closed = self._closed_words(folded, check, tokens, judged)
        judged = _settle_with_closed(judged, closed)
        numbers = [
            n for n in self.amounts.bare_numbers(folded.text, language)
            if not any(n.overlaps(k) for k in [*judged, *closed]) and not _pronoun(folded.text, n)
        ]  # fmt: skip
        everything = [*judged, *closed, *numbers, *_asked(folded.text, language, judged, closed)]
        everything = choices.settle(folded.text, language, everything)
        everything += self.agentplus.find(folded, language, find_times(folded.text, language))
        return sorted(everything, key=lambda f: (f.start, f.end, f.entity, str(f.value)))

    def _open(self, text: str, language: str, times: list[Found]) -> list[Found]:
        result: list[Found] = []
        fixed: list[Found] = []
        starts = {f.start for f in times if {"hour", "weekday", "part_of_day"} & set(f.value)}
        said = {f.end for f in times if {"hour", "weekday", "part_of_day", "until", "special"} & set(f.value)}
        for pattern, value in _FIXED_OPEN[language]:
            for m in pattern.finditer(text):
                # 「夜10時に開いている店」, "still open at ten" is open at ten, not now.
                later = language == "en" and value == "now" and any(0 <= start - m.end() <= 7 for start in starts)
                if not later and not any(end <= m.start() <= end + 3 for end in said):
                    fixed.append(Found(m.start(), m.end(), "open_at", value, priority=6))
        fixed = resolve(fixed)
        for found in times:
            if any(f.overlaps(found) for f in fixed):
                continue
            if language == "ja":
                after = _OPEN_JA.match(text, found.end)
                if after and after.end() > found.end:
                    result.append(Found(found.start, after.end(), "open_at", _open_value(found.value), priority=5))
                    continue
            else:
                before = _OPEN_EN_BEFORE.search(text[: found.start])
                after = _OPEN_EN_AFTER.match(text, found.end)
                if before:
                    result.append(Found(before.start(), found.end, "open_at", _open_value(found.value), priority=5))
                    continue
                if after and found.value.get("special") == "now":
                    result.append(Found(found.start, after.end(), "open_at", "now", priority=5))
                    continue
            result.append(Found(found.start, found.end, "time", found.value, found.role, 3))
        return [*fixed, *result]

    def _parking_kind(
        self, text: str, language: str, fees: list[Found], places: list[Found]
    ) -> tuple[list[Found], list[Found]]:
        """Whether a car park is looked for (kind) or wished at another place (condition)."""
        kept: list[Found] = []
        kinds: list[Found] = []
        others = [
            p for p in places
            if p.value not in ("parking", "station") and not any(p.start < f.end and f.start < p.end for f in fees)
        ]  # fmt: skip
        for fee in fees:
            if fee.entity != "parking" or fee.value == "none":
                kept.append(fee)
                continue
            before, end = text[: fee.start], fee.end
            here = wanted = False
            if language == "ja":
                spot = _SPOT_JA.match(text, end)
                end = spot.end() if spot else end
                after = text[end:]
                said = text[fee.start : end]
                itself = _CAR_PARK_JA.search(before[-5:] + said)
                condition = bool(_COND_AFTER_JA.match(after) or _INSTEAD_JA.search(before)) or said.startswith(
                    "駐車でき"
                )
                wanted = bool(_KIND_AFTER_JA.match(after)) and not said.endswith(("無料", "ただ"))
                if (_WISH_JA.match(after) or itself or (spot and wanted)) and not others:
                    # 「車を停めたい」, 「コインパーキングある？」: what is looked for is the car park.
                    condition, wanted = False, True
                here = bool(_KIND_BEFORE_JA.search(before))
                kind = (wanted and not condition) or (
                    here
                    and (
                        not condition
                        or re.match(fold_kana("は?(?:ある|あり)|って|が?(?:ある|あり)(?:ます)?(?:か|\\?|$)"), after)
                        is not None
                    )
                )
            else:
                noun = re.search(
                    r"lot|garage|car ?park|place to park|somewhere to park|spot|space", text[fee.start : fee.end]
                )
                after = text[end:]
                condition = bool(_COND_EN.search(before.rstrip())) and not (
                    (noun or _NEARBY_EN.match(after))
                    and re.search(
                        r"(?:need|want|like|there(?:'s| is)|is there|are there|got)(?: (?!with\b|has\b|have\b|having\b|that\b|where\b|needs?\b)\w+)*$",
                        before.rstrip(),
                    )
                    and (not re.search(r"is there|are there|got", before) or _NEARBY_EN.match(after))
                )
                looked = re.search(r"\b(?:is|are) there(?: any| some| a)?$", before.rstrip()) and _NEARBY_EN.match(
                    after
                )
                wanted = (
                    bool(_KIND_EN.search(before.rstrip()))
                    or bool(looked)
                    or bool(
                        noun and re.match(r"^(?: near| close| around| round| at| in| by| here|$|[.?!]| please)", after)
                    )
                )
                kind = (wanted and not condition) or (
                    before.strip() in ("", "a", "the", "free", "some", "cheap", "parking")
                    and not others
                    and not re.match(
                        r" (?:is|isn|doesn|and|or|would|please|that|should|must|not|too|as|available|matters|costs?)\b",
                        after,
                    )
                    and bool(noun or _NEARBY_EN.match(after) or before.strip() in ("free", "cheap", "some"))
                )
            beside = any(
                (abs(o.start - fee.end) < 12 or abs(fee.start - o.end) < 8)
                and (o.entity == "genre" or o.value != "parking")
                for o in others
            )
            if kind and (not beside or (language == "ja" and here and wanted)):
                kinds.append(Found(fee.start, end, "kind", "parking", priority=3))
                if fee.value in ("free", "paid"):
                    kept.append(fee)
            else:
                kept.append(fee)
        return kept, kinds

    @staticmethod
    def _explained(name: Found, values: list[Found]) -> bool:
        """A station or a ward found with its own suffix is no open name."""
        return any(
            v.start <= name.start
            and name.end <= v.end
            and v.entity in ("city", "area", "station", "prefecture", "time", "people", "phone_number", "budget")
            for v in values
        )

    def _closed_words(self, folded: Folded, check: Any, tokens: list[Token], judged: list[Found]) -> list[Found]:
        by_entity: dict[str, list[Found]] = {}
        for start, end, (entity, value) in self._closed.scan(folded, check, single=True):
            by_entity.setdefault(entity, []).append(Found(start, end, entity, value, layer=entity))
        language_en = check is None
        for f in self.jobs.find(folded, "en" if language_en else "ja", tokens):
            known = by_entity.setdefault(f.entity, [])
            if f.entity == "handoff_topic" and f.value == "other" and known:
                continue
            if all(k.value != f.value or k.overlaps(f) for k in known):
                known.append(f)
        names = [f for f in judged if f.entity in ("place_name", "station", "city", "area")]
        found: list[Found] = []
        for finds in by_entity.values():
            for f in resolve(finds):
                if any(n.start <= f.start and f.end <= n.end for n in names) and f.entity != "attribute":
                    continue
                if language_en and f.entity == "direction" and not _is_direction(folded.text, f):
                    continue
                if _part_of_another(folded.text, f, judged):
                    continue
                if (
                    f.entity == "where"
                    and _FALSE_THERE.search(folded.text[: f.start])
                    and folded.text[f.start : f.end] == "there"
                ):
                    continue
                found.append(f)
        return found


_ONE_ALONE = re.compile(r"(?:(?:um|uh|er|okay|ok|yes|yeah|so|well|hmm|maybe|just)[, ]+)*one(?:,? please)?[ .!]*")


def _pronoun(text: str, number: Found) -> bool:
    """ "that one", "one with a view": no number, unless it is the whole answer."""
    if text[number.start : number.end] != "one" or _ONE_ALONE.fullmatch(text.strip()):
        return False
    return not re.search(r"\b(?:up|down|by|to|number|level) $", text[: number.start])


_NO_HOME_JA = re.compile(fold_kana(r"(?:その|この|の|ない|今|いま|候補|なか)$"))
_HOLDERS = frozenset({"price", "genre", "kind", "rating_min", "budget", "distance_max", "sort", "pick", "drop", "wifi", "parking", "ordinal"})  # fmt: skip
_ANOTHERS_JA = re.compile(fold_kana(r"(?:友達|友人|友|彼氏?|彼女|おばあちゃん|おじいちゃん|祖父|祖母|祖父母|知り合い|同僚|先輩|後輩|妹|弟|兄|姉|さん|ちゃん|くん|君|娘|息子|あいつ|人)の$"))  # fmt: skip
_WORKPLACE_EN = re.compile(r"(?:^|\b(?:to|at|from|for|near|my|the|around|via|by|past)) ?$")
_OBLIGED_EN = re.compile(r"\b(?:have|has|need|needs|want|wants|got|able|going|supposed|ought|used|how|how do i) to $")


def _part_of_another(text: str, f: Found, judged: list[Found]) -> bool:
    """Words of a longer find that mean nothing by themselves: "hot" of "hot spring", 「高く」 of 「高くない」, "hours" of "two hours"."""
    said = text[f.start : f.end]
    holders = [j for j in judged if j.start <= f.start and f.end <= j.end and j.length > f.length]
    if f.entity in ("direction", "feeling", "vehicle_item") and any(j.entity in _HOLDERS for j in holders):
        return True
    if f.entity == "attribute" and any(j.entity in ("time", "duration") for j in holders):
        return True
    if f.entity == "where":
        if any(j.entity in ("genre", "kind") for j in holders):
            return True
        if said == "うち" and _NO_HOME_JA.search(text[: f.start]):
            return True
        if said == "家" and _ANOTHERS_JA.search(text[: f.start]):
            return True
        if said == "work":
            before = text[: f.start]
            return not _WORKPLACE_EN.search(before) or bool(_OBLIGED_EN.search(before))
    return False


_TURNS = re.compile(
    r"\b(?:turn|switch|put|crank|go|bring|set|pump|keep|bump|dial|volume|temp|temperature|heat|heater|fan|ac|a/c|radio|music|sound|light|lights|bass|defrost|defroster|seat|air|it|wipers)\b"
)


def _is_direction(text: str, found: Found) -> bool:
    """English directions are little words with other uses: "on Sunday", "pull up a recipe"."""
    said = text[found.start : found.end]
    if said not in (
        "on",
        "off",
        "up",
        "down",
        "more",
        "less",
        "start",
        "stop",
        "higher",
        "lower",
        "full",
        "kill",
        "all",
    ):
        return True
    if not _TURNS.search(text[: found.start] if said in ("on", "off", "up", "down", "higher", "lower") else text):
        return False
    after = text[found.end :]
    if said == "on":
        return not re.match(
            r" (?:\d|the \d|(?:the |my )?(?:passenger|driver|rear|back|left|right)|monday|tuesday|wednesday|thursday|friday|saturday|sunday|my (?:way|route|calendar)|route|our)",
            after,
        )
    return True


def _asked(text: str, language: str, judged: list[Found], closed: list[Found]) -> list[Found]:
    """「駐車場はありますか」, "do they have Wi-Fi": a condition that is also a question. Which of both, the intent decides."""
    found = []
    for f in judged:
        if f.entity not in _ASKED or any(c.entity == "attribute" and c.overlaps(f) for c in closed):
            continue
        asked = (
            _ASKED_JA.match(text, f.end)
            if language == "ja"
            else _ASKED_EN.search(text[: f.start]) or re.match(r"^is there (?:\w+ )?$", text[: f.start])
        )
        if asked:
            found.append(Found(f.start, f.end, "attribute", _ASKED[f.entity], layer="attribute"))
    return found


def topics_as_found(topics: list[tuple[int, int, tuple[str, ...]]]) -> list[Found]:
    return [Found(s, e, keys[0], None) for s, e, keys in topics]


def _coexist(place: Found, other: Found) -> bool:
    """「ホテルレストラン」 stays a genre beside a condition made of the same words; a sorted wish keeps its noun."""
    return (
        other.entity in ("sort", "pick", "open_at", "price", "rating_min", "vacancy")
        and place.length < other.length
        and place.entity in ("kind", "genre")
        and other.entity in ("sort", "pick", "open_at")
    )


_PARK_VERB_EN = re.compile(
    r"\b(?:can|could|to|i|we|you|'ll|should|may|might|must|let me|gonna|wanna|please|and) $(?<!next to )(?<!close to )(?<!me to )(?<!us to )(?<!go to )(?<!way to )"
)
_FALSE_JA = {
    "soba": re.compile(
        fold_kana(r"^(?:に(?:ある|お|住|い|あっ|は|も)|で(?![すお])|まで|の(?:駐|店|ホテル|カフェ)|へ|から|にいる)")
    ),
}


def _without_false_words(text: str, places: list[Found], language: str) -> list[Found]:
    """Homonyms: 「駅のそばに」 is no noodle shop, 「観光で」 no wish for sights, "at home" no place to look for."""
    kept = []
    for f in places:
        said, after, before = text[f.start : f.end], text[f.end :], text[: f.start]
        if language == "ja":
            if said == "そば" and (re.search(r"[のぐ]$|すぐ$", before) or _FALSE_JA["soba"].match(after)):
                continue
            if f.entity == "kind" and f.value == "station":
                continue
            if said in ("観光", "食事", "宿泊", "れじゃー", "買い物", "旅行") and re.match(
                fold_kana(
                    r"(?:に(?:来|行こ|行く予|つい)|で(?:来|き|行|訪)|中|代|客|費|料|券|先で|後|前|の(?:予定|計画|際|時|後|前|予約|相談))"
                ),
                after,
            ):
                continue
            if said in (
                "体験",
                "自然",
                "島",
                "川",
                "池",
                "森",
                "山",
                "海",
                "庭",
                "船",
                "像",
                "橋",
                "塔",
                "運動",
                "すぽーつ",
                "本",
                "服",
                "薬",
                "展望",
            ) and re.match(fold_kana(r"(?:に(?:感|思|な)|した(?:く|い)?)"), after):
                continue
        else:
            if (
                f.entity == "kind"
                and f.value == "station"
                and not re.search(r"train|railway|subway|metro|bus|underground", said)
            ):
                continue
            if said in (
                "gas",
                "services",
                "food",
                "view",
                "art",
                "film",
                "movies",
                "golf",
                "sports",
                "concert",
                "event",
                "port",
                "sweet",
                "pool",
                "books",
                "flowers",
                "fish",
                "chicken",
                "beef",
                "meat",
                "bar",
                "garage",
                "port",
                "circuit",
                "grill",
                "ribs",
                "american",
                "western",
                "german",
                "russian",
                "french",
                "spanish",
                "activity",
                "alcohol",
                "hobby",
                "medicine",
                "landmark",
            ) and re.search(r"(?:play|playing|listen to|news|weather|about|learn|speak|song|music) (?:\w+ )?$", before):
                continue
            if said in ("parking",):
                continue
            if said.endswith("cash") and re.search(
                r"\b(?:do|will|would|should|did) (?:i|we|you) (?:have to )?$", before
            ):
                continue
            if said == "park" and f.entity == "genre" and _PARK_VERB_EN.search(before):
                continue
        kept.append(f)
    return kept


def _parking_distance(text: str, amounts: list[Found]) -> list[Found]:
    """A distance said of the car park is `parking_within`."""
    result = []
    for f in amounts:
        if f.entity == "distance_max":
            before, after = text[: f.start], text[f.end :]
            if _PARKING_FROM_JA.search(before) or re.match(
                fold_kana(r"(?:に|の|で)?(?:歩ける)?駐車(?:場|でき)"), after
            ):
                result.append(Found(f.start, f.end, "parking_within", f.value, f.role, f.priority))
                continue
            if re.search(
                r"\b(?:parking|park)(?: (?:lot|garage|space|spot))?(?: (?:that(?:'s| is)|is|should be))? $", before
            ) or re.match(r" (?:of|from|to) (?:a |the )?(?:parking|car park)", after):
                result.append(Found(f.start, f.end, "parking_within", f.value, f.role, f.priority))
                continue
        result.append(f)
    return result


def _open_value(value: dict[str, Any]) -> Any:
    if value.get("special") in ("now", "arrival"):
        return value["special"]
    if "until" in value:
        return value["until"] if value["until"].get("special") != "closing" else "now"
    if value.get("minutes_from_now") == 0:
        return "now"
    return value


_OTHER_JOBS = frozenset({"audio_command", "audio_source", "display_command", "weather_item", "news_topic", "route_option", "climate_device", "vehicle_item", "handoff_topic", "media_query"})  # fmt: skip


def _settle_with_closed(judged: list[Found], closed: list[Found]) -> list[Found]:
    """Words inside the longer words of other jobs are nothing of their own: スポーツニュース is no sport."""
    sources = [c for c in closed if c.entity in _OTHER_JOBS]
    asked_fee = [c for c in closed if c.entity == "attribute" and c.value == "parking_fee"]
    kept = []
    for f in judged:
        if f.entity in ("price", "sort", "genre", "kind") and any(
            c.start <= f.start and f.end <= c.end and c.length > f.length for c in sources
        ):
            continue
        if (
            f.entity == "pick"
            and f.value == {"any": True}
            and any(d.entity == "drop" and d.overlaps(f) for d in judged)
        ):
            continue
        if f.entity == "place_name" and any(c.entity == "media_query" and c.overlaps(f) for c in closed):
            continue
        # "is it expensive there?" asks as well.
        if f.entity == "price" and any(c.entity == "attribute" and c.value == "price" and c.start <= f.start and f.end <= c.end for c in closed):  # fmt: skip
            continue
        # 「駐車料金はいくら」 asks; it wishes nothing.
        if f.entity == "parking" and f.value == "any" and f.role is None and any(c.overlaps(f) for c in asked_fee):
            continue
        kept.append(f)
    return kept


def _entity(folded: Folded, original: str, found: Found) -> Entity:
    start, end = folded.span(found.start, found.end)
    value = found.value
    if found.entity in ("place_name", "media_query") and value is None:
        value = original[start:end].strip()
    if found.entity == "driver" and value is None:
        value = {"name": original[start:end].strip()}
    entity: Entity = {"entity": found.entity, "start": start, "end": end, "value": value}
    if found.role is not None:
        entity["role"] = found.role
    return entity


@lru_cache(maxsize=4)
def reader(folder: Path = DEFAULT_FOLDER) -> ValueReader:
    """The reader of a folder of inventories, made once."""
    return ValueReader(folder)


def extract(text: str, language: str | None = None, gazetteer: Gazetteer | None = None) -> list[Entity]:
    """The entities of `text` (contract of docs/understanding-contract.md) with the project's own inventories."""
    return reader().read(text, language, gazetteer)
