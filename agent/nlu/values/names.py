"""Proper names of places nobody listed: by the words around them, by what they end with, by what kind of words they are made of.

Precision first: a genre, a condition or chatter must not become a name. A candidate needs a cue (「Xというところ」, 「Xに行きたい」, "take me to
X"), and inside a word that only a name has (a proper noun, an unknown word, a facility's suffix after something particular).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from agent.nlu.values.folding import Folded, fold_kana, fold_plain, is_kanji, is_katakana
from agent.nlu.values.lexicon import Lexicon
from agent.nlu.values.model import Found
from agent.nlu.values.tokens import Token

_QUOTES = re.compile(r"[「『\"“]([^「」『』\"“”]{2,40})[」』\"”]")
_NEAR_AFTER = re.compile(fold_kana(r"(?:の)?(?:近く|近辺|近所|周辺|付近|あたり|辺り|そば|界隈|まわり|周り)"))
_FILLERS_EN = re.compile(r"^(?:(?:um|uh|er|ok|okay|yes|well|so),? )+|,? (?:please|thanks|thank you)[.! ]*$")
_SKY = frozenset("星風森海空月花雪光夢虹雲鳥石湖")
"""what a name begins with before の: 「星の…」"""
_LANDSCAPE = frozenset("森丘里郷杜国湯街村泉庭島谷蔵駅道宿家館塔窓泉王神")
"""what a name goes on with after の"""
_INNER = frozenset("・()-&'ー ～〜!！.／/×☆★♪+＆’#@")


class Names:
    """The open-vocabulary reader over `names.yml`."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        ja, en = table["ja"], table["en"]
        self._suffixes = tuple(sorted({fold_plain(s) for s in ja["suffixes"]}, key=len, reverse=True))
        self._cues = [re.compile(fold_kana(cue)) for cue in ja["cues"]]
        self._lead = re.compile("|".join(fold_kana(lead) for lead in ja["lead"]))
        self._named = re.compile(
            f"(?:{self._lead.pattern})([^、。]{{2,30}}?)(?:という|っていう|といいます|って(?=お?店|ところ|所|ホテル))"
        )
        self._generic = frozenset(fold_plain(word) for word in ja["generic"])
        self._leading = tuple(sorted({fold_plain(w) for w in ja["leading"]}, key=len, reverse=True))
        self._en_cues = re.compile(r"\b(?:" + "|".join(en["cues"]) + r")(?= )")
        self._en_weak = frozenset(en["weak"])
        self._en_asked = re.compile(r"\b(?:" + "|".join(en["asked"]) + r")\b")
        self._en_stop = frozenset(en["stop"])
        self._en_words = frozenset(en["words"])
        self._en_generic = frozenset(en["generic"])
        self._brands: Lexicon[None] = Lexicon()
        for language in ("ja", "en"):
            self._brands.add_all(table["brands"][language], None)

    def find(self, folded: Folded, language: str, tokens: list[Token], taken: list[Found]) -> list[Found]:
        """Names in the text. `taken`: genres, conditions, localities found so far."""
        brands = self._branded(folded, language, tokens, taken)
        if language == "en":
            return [*brands, *self._english(folded, tokens, taken)]
        return [*brands, *self._japanese(folded, tokens, taken)]

    def _branded(self, folded: Folded, language: str, tokens: list[Token], taken: list[Found]) -> list[Found]:
        """Chains and sights everybody calls by name; one that is a genre by the same word stays that."""
        edges = {t.start for t in tokens} | {t.end for t in tokens}
        check = None if language == "en" else lambda start, end: start in edges and end in edges
        return [
            self._made(folded, start, end, 4)
            for start, end, _ in self._brands.scan(folded, check)
            if not any(f.start <= start and end <= f.end for f in taken)
        ]

    # ------------------------------------------------------------------ Japanese

    def _japanese(self, folded: Folded, tokens: list[Token], taken: list[Found]) -> list[Found]:
        text = folded.text
        found: list[Found] = []
        for match in _QUOTES.finditer(text):
            if self._is_name(folded, tokens, taken, match.start(1), match.end(1), quoted=True):
                found.append(self._made(folded, match.start(1), match.end(1), 5))
        ends: dict[int, tuple[bool, int]] = {}
        for strength, cue in enumerate(self._cues):
            for match in cue.finditer(text):
                strong = strength <= 2
                previous = ends.get(match.start())
                if previous is None or strong > previous[0]:
                    ends[match.start()] = (strong, match.end())
        for end, (strong, _) in sorted(ends.items()):
            start = self._start_of_name(folded, tokens, end, strong)
            if start is None or end - start < 2 or end - start > 40:
                continue
            if self._is_name(folded, tokens, taken, start, end, quoted=False, strong=strong):
                found.append(self._made(folded, start, end, 5 if strong else 4))
        for match in self._named.finditer(text):
            if "、" not in match[1] and match[1] not in self._generic:
                found.append(self._made(folded, match.start(1), match.end(1), 6))
        for match in self._lead.finditer(text):
            stop = self._end_of_name(tokens, text, match.end())
            if stop and self._is_name(folded, tokens, taken, match.end(), stop, quoted=False, strong=True):
                found.append(self._made(folded, match.end(), stop, 5))
        return found

    def _made(self, folded: Folded, start: int, end: int, priority: int) -> Found:
        near = _NEAR_AFTER.match(folded.text, end)
        return Found(start, end, "place_name", None, "near" if near else None, priority)

    def _start_of_name(self, folded: Folded, tokens: list[Token], end: int, strong: bool) -> int | None:
        text = folded.text
        index = next((i for i, t in enumerate(tokens) if t.end == end), None)
        if index is None:
            return None
        position = index
        start_index = index
        while position >= 0:
            token = tokens[position]
            said = token.surface
            if token.noun or said in _INNER or (token.pos in ("補助記号", "記号", "空白") and said in _INNER):
                if token.pos == "代名詞" and not (token.kanji and len(token.surface) == 1 and position < index):
                    break
                start_index = position
            elif said in ("の", "と", "ノ", "が", "な", "つ", "ヶ", "ケ") and position < index and position > 0:
                # A particle inside a name: only between name-like words, and only when the left one cannot stand for itself.
                if not self._binds(folded, tokens, position, end, strong):
                    break
            elif (
                position < index
                and token.pos in ("動詞", "形容詞", "副詞", "感動詞", "接続詞", "連体詞", "助動詞")
                and self._looks_name(token, tokens, position)
            ):
                start_index = position
            else:
                break
            position -= 1
        start = tokens[start_index].start
        if text[start:end].count("(") != text[start:end].count(")"):
            start = max(
                start,
                text.rfind(")", start, end) + 1
                if text[start:end].count(")") > text[start:end].count("(")
                else text.find("(", start, end) + 1,
            )
        while start < end and text[start] in " ・-、。.,":
            start += 1
        changed = True
        while changed:
            changed = False
            for word in self._leading:
                if (
                    text.startswith(word, start)
                    and start + len(word) < end
                    and self._token_edge(tokens, start + len(word))
                ):
                    start += len(word)
                    while start < end and text[start] in " 、の・は":
                        start += 1
                    changed = True
                    break
        return start if start < end else None

    @staticmethod
    def _token_edge(tokens: list[Token], at: int) -> bool:
        return any(token.start == at for token in tokens)

    @staticmethod
    def _looks_name(token: Token, tokens: list[Token], position: int) -> bool:
        """A word Sudachi takes for a verb or an adverb in the middle of a name: 「にし家」「たる善」."""
        before = tokens[position - 1] if position else None
        if before is not None and before.pos == "助詞":
            return False
        after = tokens[position + 1]
        return (
            token.pos in ("副詞", "感動詞", "接続詞")
            and len(token.surface) <= 3
            and after.noun
            and (before is None or before.surface in " 、。「")
        )

    def _binds(self, folded: Folded, tokens: list[Token], position: int, end: int, strong: bool) -> bool:
        if tokens[position].surface not in ("の", "ノ", "ヶ", "ケ", "が", "つ"):
            return False
        before, after = tokens[position - 1], tokens[position + 1]
        if not before.noun or before.pos == "代名詞" or fold_kana(before.surface) in self._generic:
            return False
        if tokens[position].surface in ("ヶ", "ケ", "が", "つ"):
            return before.proper and after.noun and tokens[position].surface in ("ヶ", "ケ")
        tail = folded.text[after.start : end]
        # 「京都の水族館」 is a wish, 「世界の大温泉」「森の謌」 a name: a place on the left never binds.
        if before.place or before.pos == "接尾辞":
            return False
        if after.surface in _LANDSCAPE and (strong or len(tail) > len(after.surface)) and not self._plain_tail(tail):
            # 「彫刻の森美術館」 is one name.
            return True
        if before.surface in _SKY and not self._plain_tail(tail) and any(tail.endswith(s) for s in self._suffixes):
            return True
        return (strong and not self._plain_tail(tail)) or (len(before.surface) == 1 and len(tail) <= 3 and before.kanji)

    def _plain_tail(self, tail: str) -> bool:
        return tail in self._generic or tail in self._suffixes

    @staticmethod
    def _end_of_name(tokens: list[Token], text: str, start: int) -> int | None:
        end = None
        for token in tokens:
            if token.start < start:
                continue
            if token.noun or token.surface in _INNER or (token.surface in ("の", "と") and end is not None):
                end = token.end
            elif token.pos == "助詞" and end is not None and token.surface in ("の", "と"):
                continue
            else:
                break
        if end is not None:
            while end > start and text[end - 1] in "のと ":
                end -= 1
        return end if end and end > start else None

    def _is_name(
        self,
        folded: Folded,
        tokens: list[Token],
        taken: list[Found],
        start: int,
        end: int,
        *,
        quoted: bool,
        strong: bool = False,
    ) -> bool:
        text = folded.text
        said = text[start:end].strip()
        if said in self._generic or not said or re.fullmatch(r"[\d\s.,:/()-]+", said):
            return False
        inside = [t for t in tokens if start <= t.start and t.end <= end]
        if not inside:
            return False
        covered = [False] * (end - start)
        places = [False] * (end - start)
        for f in taken:
            if f.start < end and start < f.end:
                for i in range(max(f.start, start), min(f.end, end)):
                    if f.entity in ("city", "prefecture", "area", "station"):
                        places[i - start] = True
                    elif f.entity in ("genre", "kind") or (f.start >= start and f.end <= end):
                        covered[i - start] = True
        # A name the values already explain is none: a city, a genre, a genre in a city.
        rest = [
            t for t in inside
            if not all(covered[i - start] or places[i - start] for i in range(t.start, t.end)) and t.noun and fold_kana(t.surface.lower()) not in self._generic
        ]  # fmt: skip
        if any(f.start <= start and f.end >= end and f.entity not in ("genre", "kind", "place_name") for f in taken):
            return False
        suffix = next((s for s in self._suffixes if said.endswith(s) and len(said) > len(s)), None)
        if not rest:
            # 「札幌ドーム」「京都水族館」: a place and a facility grown together; 「空港食堂という店」.
            if strong and suffix and len(inside) >= 2 and not any(f.start <= start and f.end >= end for f in taken):
                return True
            if suffix is None or not any(places) or any(text[i] in "のでに" for i in range(start, end)):
                return False
            first = said[: -len(suffix)]
            return not re.search(r"(?:市|区|町|村|県|府|駅|地区)$", first) and len(inside) >= 2
        proper = [t for t in rest if t.proper and not re.fullmatch(r"\d+", t.surface)]
        letters = sum(len(t.surface) for t in rest)
        if quoted:
            return letters >= 2
        katakana = [t for t in rest if len(t.surface) >= 3 and all(is_katakana(c) for c in t.surface)]
        latin = [t for t in rest if re.match(r"[A-Za-z]{2,}", t.surface)]
        if strong:
            return letters >= 2 and (bool(proper or katakana or latin or suffix) or letters >= 3)
        head = [t for t in rest if t.start < end - len(suffix)] if suffix else []
        if (
            head
            and len(inside) >= 2
            and (any(t in proper or t in katakana or t in latin for t in head) or len(said) - len(suffix or "") >= 2)
        ):
            # 「有名な水族館」 has no other noun; 「松坂屋美術館」 has.
            return True
        if proper and letters >= 2:
            return (
                any(len(t.surface) >= 2 for t in proper)
                and (len(rest) >= 2 or any(not t.place for t in proper))
                and letters >= 3
            )
        if katakana and len(katakana[0].surface) >= 4 and (len(rest) >= 2 or latin):
            return True
        return (
            bool(latin)
            and len(rest) >= 2
            and all(is_kanji(c) or c.isascii() or is_katakana(c) for c in said.replace(" ", ""))
        )

    # ------------------------------------------------------------------ English

    def _english(self, folded: Folded, tokens: list[Token], taken: list[Found]) -> list[Found]:
        text = folded.text
        found: list[Found] = []
        for match in _QUOTES.finditer(text):
            found.append(self._made(folded, match.start(1), match.end(1), 5))
        asked = self._en_asked.search(text) is not None
        only = [t for t in tokens if t.noun]
        if (bare := self._bare_place(text, tokens, taken)) is not None and not found:
            return [bare]
        if not taken and 2 <= len(only) <= 5 and not found:
            # The whole answer is a name: "San Francisco.", "Golden Gate Park please".
            named = [t for t in only if t.surface not in ("please", "thanks")]
            if (
                len(named) >= 2
                and all(t.proper for t in named)
                and not any(t.surface in self._en_generic or t.surface in self._en_stop for t in named)
            ):
                return [Found(named[0].start, named[-1].end, "place_name", None, priority=4)]
        capitals = not folded.wide.islower() and sum(t.proper for t in tokens) < max(3, len(tokens) * 0.7)
        for match in self._en_cues.finditer(text):
            cue = match[0].strip()
            span = self._english_span(folded, tokens, match.end(), taken, cue)
            if span is None:
                continue
            start, end = span
            words = [t for t in tokens if start <= t.start and t.end <= end]
            strange = [
                t for t in words
                if t.surface not in self._en_generic and t.surface not in self._en_words and t.surface not in self._en_stop
                and not any(f.start <= t.start and t.end <= f.end and f.entity not in ("place_name",) for f in taken) and t.noun and not t.surface.isdigit()
            ]  # fmt: skip
            title = (
                capitals and len(words) >= 2 and all(t.proper for t in words if t.surface not in ("of", "the", "and"))
            )
            if not strange and not title:
                continue
            # "in Boston" counts beside words of weather or traffic; "find …" only with a capital or a facility's word.
            weak = cue in self._en_weak and not (asked and strange and cue in ("in", "for", "at", "into"))
            particular = (capitals and any(t.proper for t in strange)) or any(
                t.surface in self._en_words for t in words
            )
            if weak and not particular:
                continue
            near = re.search(r"(?:near|close to|next to|around|by|beside)$", cue)
            found.append(Found(start, end, "place_name", None, "near" if near else None, 4))
        return found

    def _bare_place(self, text: str, tokens: list[Token], taken: list[Found]) -> Found | None:
        """The whole message is a name: "odawara castle", "uh the meiji shrine please"."""
        words = [t for t in tokens if t.noun and t.surface not in ("um", "uh", "er", "please", "thanks", "the", "to", "ok", "okay", "yes", "erm")]  # fmt: skip
        if not 2 <= len(words) <= 3 or re.search(r"[,.!?](?=.*[a-z])", _FILLERS_EN.sub("", text)):
            return None
        head, last = words[:-1], words[-1]
        if any(cue.start() <= head[0].start < cue.end() for cue in self._en_cues.finditer(text)):
            return None  # "navigate to …": what announces a name is no part of it
        if last.surface not in self._en_words or last.surface in ("restaurant", "hotel", "cafe", "café", "coffee", "food", "express", "care", "house", "parking", "bar", "pizza", "burger", "school", "hospital", "supermarket", "drive", "way", "lane"):  # fmt: skip
            return None
        plain = any(
            t.surface in self._en_generic or t.surface in self._en_stop or t.surface in self._en_words or t.surface.isdigit()
            for t in head
        )  # fmt: skip
        known = any(
            f.start < t.end and t.start < f.end and f.entity not in ("place_name", "city", "area") for f in taken for t in head
        )  # fmt: skip
        return None if plain or known else Found(head[0].start, last.end, "place_name", None, priority=6)

    def _english_span(
        self, folded: Folded, tokens: list[Token], start: int, taken: list[Found], cue: str
    ) -> tuple[int, int] | None:
        words = [t for t in tokens if t.start >= start]
        chosen: list[Token] = []
        for position, token in enumerate(words):
            if not token.noun:
                if token.surface in "&'-" and chosen:
                    continue
                break
            following = words[position + 1] if position + 1 < len(words) else None
            inner = token.surface == "and" and bool(chosen and chosen[-1].proper and following and following.proper)
            capital = token.surface in ("in", "on", "and", "at", "by") and token.proper
            if token.surface in self._en_stop and not inner and not capital:
                break
            if not chosen and token.surface in ("um", "uh", "er", "like", "erm"):
                continue
            if not chosen and token.surface in ("the", "a", "an", "some", "me", "us", "my", "our", "any"):
                # "a …" announces a kind of place, "my …" a person or an appointment.
                if token.surface in ("a", "an", "some", "any", "my", "our") and cue not in ("called", "named"):
                    return None
                continue
            if any(
                f.start <= token.start < f.end
                and f.entity in ("time", "where", "duration", "distance_max", "budget", "people")
                for f in taken
            ):
                break
            chosen.append(token)
            if len(chosen) >= 8:
                break
        while chosen and chosen[-1].surface in ("and", "&", "of", "the"):
            chosen.pop()
        if not chosen:
            return None
        return chosen[0].start, chosen[-1].end
