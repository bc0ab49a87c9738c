"""Values of the other jobs: what to play, what the Owner's Desk is wanted for, what is asked about a place, what the climate is to do.

The forms are data (`jobs.yml`); what is to be played is the stretch between the words that announce it and those that end it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from agent.nlu.values.folding import Folded, fold_kana, fold_plain
from agent.nlu.values.model import Found
from agent.nlu.values.tokens import Token

_PLAY_EN = re.compile(
    r"\b(?P<cue>play|put on|stick on|throw on|listen to|queue up|hear|i fancy|i feel like|in the mood for|i'd like|let's have|give (?:me|us))\b(?: (?:me|us))?"
    r"(?: (?:some(?:thing)? by|anything by|songs? by|music by|some|a (?:bit|little) of|the song|the album|the track|a song by|that song|more))*"
    r"(?: the(?= (?:new|latest)\b)| a| my| our)? (?P<said>[^,.!?;]+?)"
    r"(?= (?:on|from|via|through) (?:spotify|bluetooth|my|the|apple|youtube|amazon|usb|cd)\b| (?:please|now|for (?:me|us)|loud|would you|if you|next|while|by the way|then|again|instead)\b|[,.!?;]|$)"
)
_PUT_ON_EN = re.compile(r"\bput (?:some |a bit of |the )?(?P<said>[a-z&' -]{2,30}) on\b")
_NOUN_EN = re.compile(
    r"\b(?:that|the|my|our|a)(?: (?:new|latest|old))? (?P<said>[\w' -]{2,40}? (?:album|songs?|track|playlist|single|soundtrack|mixtape))\b"
)
_SOME_EN = re.compile(r"^(?:how about |let's have |maybe |just )?(?:some|a (?:bit|little) of) (?P<said>[\w&' -]+?)(?= (?:please|if|would|then)\b|[,.!?]|$)")  # fmt: skip
_STRONG_EN = frozenset({"play", "listen to", "queue up"})
_CUE_JA = re.compile(
    fold_kana(
        r"(?P<noun>の(?:曲|歌|うた|音楽|ナンバー|新曲|アルバム))?(?:を|でも|が|とか|、)?(?P<verb>流し(?!た(?!い))|ながして|かけて|かけろ|かけよ|かけといて|再生|聴(?:きた|か|こう|きま)|聞(?:きたい|きたく|かせて)|ききた|プレイ(?!リスト))"
    )
)
_NOUN_JA = re.compile(fold_kana(r"(?P<noun>の(?:曲|歌|うた|新曲|アルバム|プレイリスト))(?=に(?:し|変)|が(?:いい|良|聴|聞)|を|お願|!|。|$|で(?:お|$))"))  # fmt: skip


def _once(found: list[Found]) -> list[Found]:
    """Each value once; a booking of a kind is no "other" one besides."""
    kinds = {f.value for f in found if f.entity == "handoff_topic"}
    first: dict[tuple[str, str], Found] = {}
    for f in found:
        if f.entity == "handoff_topic" and f.value == "other" and len(kinds) > 1:
            continue
        first.setdefault((f.entity, f.value), f)
    return list(first.values())


class Jobs:
    """The grammar of `jobs.yml`."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        self._patterns = {
            language: [(row["entity"], row["value"], re.compile(fold_kana(row[language]))) for row in table["patterns"]]
            for language in ("ja", "en")
        }
        media = table["media"]
        self._generic = {language: frozenset(fold_plain(w) for w in media["generic"][language]) for language in ("ja", "en")}  # fmt: skip
        # Katakana is kept apart from particles: the ハ of 「FMヨコハマ」 is no は.
        self._stations = {language: re.compile(media["stations"][language], re.IGNORECASE) for language in ("ja", "en")}
        styles = {language: sorted((fold_plain(w) for w in media["styles"][language]), key=len, reverse=True) for language in ("ja", "en")}  # fmt: skip
        self._styles_en = re.compile(r"\b(?:" + "|".join(map(re.escape, styles["en"])) + r")\b")
        self._styles_ja = re.compile("(?:" + "|".join(map(re.escape, styles["ja"])) + ")")

    def find(self, folded: Folded, language: str, tokens: list[Token]) -> list[Found]:
        """The values, each entity a layer of its own; `media_query` at most once, without a value: it is what was said."""
        found = [
            Found(m.start(), m.end(), entity, value, layer=entity)
            for entity, value, pattern in self._patterns[language]
            for m in pattern.finditer(folded.text)
            if m.end() > m.start()
        ]
        found = _once(found)
        span = self._media_en(folded.text) if language == "en" else self._media_ja(folded, tokens)
        if span is not None:
            found.append(Found(*span, "media_query", None, layer="media_query"))
        return found

    def _media_en(self, text: str) -> tuple[int, int] | None:
        if (station := self._stations["en"].search(text)) is not None:
            return station.span()
        for match in _PLAY_EN.finditer(text):
            said = match["said"]
            style = self._styles_en.search(said)
            if (style or match["cue"] in _STRONG_EN) and not self._empty_en(said):
                return (
                    (match.start("said") + style.start(), match.start("said") + style.end())
                    if style and match["cue"] not in _STRONG_EN
                    else match.span("said")
                )
        for pattern, needs_style in ((_PUT_ON_EN, True), (_NOUN_EN, False), (_SOME_EN, True)):
            named = pattern.search(text)
            if named is None or self._empty_en(named["said"]):
                continue
            if not needs_style or self._styles_en.search(named["said"]):
                return named.span("said")
        return None

    def _empty_en(self, said: str) -> bool:
        words = re.findall(r"[a-z0-9&'-]+", said)
        # "with me": a game is played, not a song.
        return "with" in words or all(w in self._generic["en"] for w in words)

    def _media_ja(self, folded: Folded, tokens: list[Token]) -> tuple[int, int] | None:
        text = folded.text
        if (station := self._stations["ja"].search(folded.wide)) is not None:
            return station.span()
        for cue in (*_CUE_JA.finditer(text), *_NOUN_JA.finditer(text)):
            start = self._noun_phrase_before(tokens, cue.start())
            if start is not None and not self._empty_ja(text[start : cue.start()]):
                return start, cue.start()
        if (
            style := self._styles_ja.fullmatch(re.sub(r"(?:が(?:ええ|いい|良い|よい)|を?お願い).*$", "", text))
        ) is not None:
            return style.span()
        return None

    def _empty_ja(self, said: str) -> bool:
        parts = [p for p in re.split(r"[の・ ]", said) if p]
        return all(p in self._generic["ja"] for p in parts) or parts[-1] in self._generic["ja"] - {"歌", "曲"}

    @staticmethod
    def _noun_phrase_before(tokens: list[Token], end: int) -> int | None:
        """Where the nouns that end at `end` start; の binds them (「お気に入りのプレイリスト」)."""
        start: int | None = None
        for token in reversed(tokens):
            if token.end > end:
                continue
            if token.end != (end if start is None else start):
                break
            binds = start is not None and (token.surface in ("の", "・", "&", "-", "'") or token.pos == "空白")
            if token.pos == "代名詞" or not (token.noun or binds):
                break
            start = token.start
        if start is None:
            return None
        first = next(t for t in tokens if t.start == start)
        return first.end if first.surface == "の" else start
