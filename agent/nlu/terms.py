"""Text → terms: what of a message the classifier looks at, as plain strings (no Rasa here, so that it can be read alone).

People put thanks, "I see" and greetings before what they want (「ありがとうございます。あと、当日の天気も」). The *focus* is the message
without such an opening; when nothing else remains, the opening is the message.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

from backends.model import Language

LONGEST_FOCUS: Final = 160
"""characters kept of a longer message, from its end: the last sentence usually decides"""

_OPENING_JA: Final = re.compile(
    r"^(?:(?:はい|ええ|うん|いえ|あ|あー|ああ|えっと|えーと|ええと|えー|あの|あのー|んー|うーん|まあ|そうですね|そうか|そっか|すみません|わぁ|おお|へえ|ほう|なんか|ねえ)[、,。！!ー～…\s]+"
    r"|(?:本当に|どうも|ご?丁寧に|色々と?|いろいろと?|大変|お?調べ(?:て|頂き|いただき)+|ご?予約|ご?手配|ご案内|早速|教えて(?:くれて|いただき|頂き))*[、,]?(?:の)?(?:ありがとう(?:ございま(?:す|した))?|助かりま(?:す|した)|有難う(?:ございま(?:す|した))?|感謝します|どうもです|どうも)[ねよ]?[。！!、,～…\s]+"
    r"|(?:はい|なるほど|えっ)?[、,]?(?:わかりました|分かりました|わかった|分かった|了解(?:です|しました|いたしました)?|承知(?:しました|いたしました|です)?|なるほど(?:です)?(?:ね)?|そう(?:なん)?(?:です|なの|だ)?(?:か|ね|よね)?|いいですね|良いですね|よさそうですね|良さそうですね|良かったです|よかったです|大丈夫です|オッケーです|OKです|かしこまりました|残念です(?:ね)?|こんにちは|こんばんは|おはようございます|はじめまして|お世話になります|お願いします|確認しました|メモしました)[。！!、,～…\s]+)"
)
_OPENING_EN: Final = re.compile(
    r"^(?:(?:thanks|thank you|thank you so much|thanks a lot|thank you very much|great|perfect|awesome|ok|okay|cool|good|nice|all right|alright|yes|yeah|sure|excellent|hey|hi|hello|hey car|hi car|car|well|um|uh|so|oh|hmm|hey lexus|please|wonderful|got it|i see|sounds good)\b[\s,.!:;\-]+)"
)


def normalized(text: str, language: Language) -> str:
    """NFKC, lower case, no control characters; Japanese without spaces, English with single ones and plain apostrophes."""
    text = unicodedata.normalize("NFKC", text)
    text = "".join(" " if c.isspace() else c for c in text if c.isspace() or unicodedata.category(c)[0] != "C")
    text = text.lower().replace("’", "'").replace("‘", "'")
    if language == "ja":
        from agent.nlu.tokenizer import without_inner_spaces

        return without_inner_spaces(text)[0].strip()
    return re.sub(r"\s+", " ", text).strip()


def focus(text: str, language: Language) -> str:
    """`text` (normalised) without its opening of thanks and acknowledgements; at most `LONGEST_FOCUS` characters from the end."""
    rest = text
    opening = _OPENING_JA if language == "ja" else _OPENING_EN
    for _ in range(6):
        match = opening.match(rest)
        if match is None or not rest[match.end() :].strip(" 。、,.!！?？"):
            break
        rest = rest[match.end() :].lstrip()
    if len(rest) > LONGEST_FOCUS:
        rest = rest[-LONGEST_FOCUS:]
        cut = re.search(r"[。.!?！？\s]", rest[:40])
        rest = rest[cut.end() :] if cut else rest
    return re.sub(r"[。.!！\s]+$", "", rest) or rest


def masked(words: Sequence[tuple[str, tuple[str, ...]]]) -> list[str]:
    """Words (normalised form, part of speech) with proper names and numbers replaced by their class: 〈place〉 〈name〉 〈number〉."""
    out: list[str] = []
    for form, pos in words:
        kind = form
        if pos[0] == "number" or "数詞" in pos[1:2]:
            kind = "〈number〉"
        elif pos[0] == "名詞" and pos[1:2] == ("固有名詞",):
            kind = "〈place〉" if pos[2] == "地名" else "〈person〉" if pos[2] == "人名" else "〈name〉"
        elif pos[0] in ("補助記号", "mark", "空白"):
            kind = "？" if form in ("?", "？") else ""
        if kind and not (kind.startswith("〈") and out[-1:] == [kind]):
            out.append(kind)
    return out


def _grams(items: Sequence[str], longest: int, join: str) -> Iterable[str]:
    for size in range(1, longest + 1):
        for start in range(len(items) - size + 1):
            yield join.join(items[start : start + size])


def char_terms(text: str, language: Language) -> list[str]:
    """Character n-grams: 1 … 5 for Japanese, 2 … 5 within words and their edges for English."""
    text = re.sub(r"\d+", "0", re.sub(r"[。、,.!！?？「」『』\"()]+", " ", text)).strip()
    if language == "ja":
        return ["c:" + g for g in _grams("^" + text.replace(" ", "") + "$", 5, "")]
    out: list[str] = []
    for word in text.split():
        out += ["c:" + g for g in _grams(f" {word} ", 5, "") if len(g) > 1]
    return out


def word_terms(masked_words: Sequence[str], longest: int = 3) -> list[str]:
    """n-grams of masked words, with the message's edges."""
    return ["w:" + g for g in _grams(["^", *masked_words, "$"], longest, " ") if g not in ("^", "$")]


def context_terms(masked_words: Sequence[str], group: str, kind: str) -> list[str]:
    """What was said together with what it answers: words and word pairs in each context group."""
    grams = _grams(["^", *masked_words, "$"], 2, " ")
    return [f"k:{kind}", f"g:{group}"] + [f"g:{group}|{g}" for g in grams if g not in ("^", "$")]
