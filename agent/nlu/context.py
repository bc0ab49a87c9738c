"""What the system did just before the message: the context kind, given or worked out from what was said.

The dialogue knows the kind and passes it as metadata `context`. When only the system's words are known (`context_text`:
another assistant, a human agent, a log), the kind is worked out here from the form of the last question or statement.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any, Final

CONTEXT_KINDS: Final = (
    "none",
    "greeting",
    "asks_condition",
    "no_results",
    "offers_one",
    "offers_list",
    "asks_choice",
    "asks_place",
    "asks_date",
    "asks_yesno",
    "asks_slot",
    "gives_info",
    "done",
    "apology",
    "notice",
)

ANSWERED: Final = frozenset(
    {
        "asks_condition",
        "no_results",
        "offers_one",
        "offers_list",
        "asks_choice",
        "asks_place",
        "asks_date",
        "asks_slot",
        "notice",
    }
)
"""kinds after which the driver is expected to say what is wished"""

CONTEXT_GROUPS: Final[Mapping[str, str]] = {
    "none": "start",
    "greeting": "start",
    "asks_condition": "asks_condition",
    "no_results": "no_results",
    "offers_one": "offers",
    "offers_list": "offers",
    "asks_choice": "offers",
    "asks_place": "asks_value",
    "asks_date": "asks_value",
    "asks_slot": "asks_value",
    "asks_yesno": "asks_yesno",
    "gives_info": "after",
    "done": "after",
    "apology": "start",
    "notice": "notice",
}
"""Coarser groups, for features that combine the context with words."""

_LONGEST_READ = 400
"""characters of the system's words that are looked at, from the end"""

_JA_QUESTION = r"(?:か|ください|下さい|ませ|ね)[。？?!！\s」]*$"

# Tried in order; the first that matches wins. The order goes from what is said unmistakably to what is said by default.
_JA: Final = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        (
            "no_results",
            r"見つか(?:り|って(?:い|おり))ま?せん|見つけられません|見当たり(?:ません|ませんで)|ヒット(?:し|いたし)ません|該当(?:する|なし)?[^。]{0,24}(?:ありません|ございません|おりません|ないよう|なし)"
            r"|(?:条件|お店|店舗|施設|候補|ところ|所|場所|もの|スポット)[^。]{0,14}(?:ありません|ございません(?!か)|おりません|ないよう|なさそう|無いよう)|案内(?:が|は|できる[^。]{0,8})?(?:でき|出来)(?:かね|ません|ない)"
            r"|お?探し(?:することが|が)?(?:でき|出来)(?:ません|ませんで|かね)|(?:^|[^\d０-９])[0０零]件|申し訳[^。]*。?\s*(?:ございません。)?\s*(?:ありません|ございません)(?:でした)?。?$",
        ),
        (
            "offers_one",
            r"(?<![望件求件算格帯区ルア付程数間点])(?:は|など|なんて)(?:、)?(?:いかが|どう)(?:でしょう|です|ですか|でしょうか)",
        ),
        (
            "greeting",
            r"(?:ほか|他|その他|以上)(?:に|にも|で)?[^。]{0,12}(?:用件|お?手伝|案内|お?調べ|お困り|お?探し(?:のもの)?|何か|なにか|できること|ご用|よろしい|大丈夫)[^。]{0,24}(?:か|ください|下さい)|(?:どのような|どういった|何か|なにか)(?:ご用|用件|お?手伝い|こと(?:で|を))"
            r"|何をお手伝い|いかが(?:なさい|致し|いたし)ましたか|お手伝い(?:でき|いた)|ご用件",
        ),
        (
            "asks_date",
            r"(?:日にち|日付|日程|何日|何月|いつ|お日にち|チェックイン日|ご利用日)[^。]{0,26}" + _JA_QUESTION,
        ),
        (
            "asks_slot",
            r"(?:人数|何名|何人|何泊|泊数|何時|お?時間|出発(?:地|場所|点)|乗車|お名前|到着(?:地|場所)|車種|ご連絡先|電話番号を)[^。]{0,30}"
            + _JA_QUESTION,
        ),
        (
            "asks_condition",
            r"(?:条件|希望|要望|ジャンル|予算|こだわり|好み|お好き|価格帯|絞り?込)[^。]{0,40}" + _JA_QUESTION,
        ),
        (
            "asks_condition",
            r"件[^。]{0,30}(?:。|が|けど|ので)[^。]{0,40}(?:か|ください|下さい)|(?:どのような|どういった|どんな)(?:お店|店|所|ところ|施設|場所|ホテル|感じ)",
        ),
        ("asks_choice", r"(?:どちら|どれ|どの(?:お店|施設|ホテル|場所))(?:に|が|を|の)[^。]{0,20}" + _JA_QUESTION),
        ("asks_place", r"(?:どちら|どこ|エリア|地区|地域|場所|住所|方面|行き先|目的地)[^。]{0,26}" + _JA_QUESTION),
        (
            "done",
            r"予約番号|(?:完了|設定|変更|手配|登録|中止|キャンセル|予約)(?:いた|致|でき|出来|し|が)[^。]{0,8}(?:しました|ました|です)|承りました|成功(?:し|いた)",
        ),
        (
            "asks_yesno",
            r"(?:よろしい|宜しい|いいです|しましょう|いたしましょう|致しましょう|なさいます|ご予約され|行かれ|しますか|されますか)[^。]{0,12}"
            + _JA_QUESTION,
        ),
        (
            "offers_list",
            r"(?:、|，|・|\n|や|と)[^。]{2,60}(?:など|等|以上|の?[0-9０-９二三]+(?:件|つ))|[1１一]番|[①②③]|候補",
        ),
        (
            "offers_one",
            r"いかが|どうでしょう|見つかりました|おすすめ|お勧め|お薦め|(?:という|って)(?:お店|ところ|所|場所|施設|ホテル|旅館)?[^。]{0,10}(?:ございます|あります)|ご紹介",
        ),
        ("apology", r"聞き取れ|わかりませんでした|分かりません|申し訳|すみません|恐れ入りますが|もう一度"),
        (
            "greeting",
            r"(?:こんにちは|おはよう|こんばんは|ようこそ|かしこまりました|承知(?:いた|し))[^。]{0,12}[。！!]?$|お待ちください",
        ),
    )
)

_EN: Final = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        (
            "no_results",
            r"\b(?:no (?!traffic|problem|car|road)(?:matching|such|results?|places?|\w+ (?:match|found))|(?:could ?n[o']?t|can ?n[o']?t|cannot|did ?n[o']?t|unable to) (?:be )?(?:find|locate|found)|nothing (?:matches|found|fits|like that)|(?:aren't|are not|isn't|is not) any (?!traffic)|there (?:are|is) no (?!traffic|car|road))",
        ),
        (
            "greeting",
            r"\b(?:(?:any ?thing|something|what) else|(?:can|may|could) i (?:help|assist|do)|how (?:can|may) i|what can i do|need (?:any )?(?:more|further) help|help you with)\b",
        ),
        ("asks_date", r"\b(?:what|which|for what|on which) (?:date|day|days|time frame)\b[^.]*\?|\bwhen\b[^.]*\?"),
        (
            "asks_slot",
            r"\b(?:how many (?:people|guests|nights)|what time|which time|how long|for what time|party size|whose name|which person|with (?:whom|who)|whom?)\b[^.]*\?",
        ),
        (
            "asks_condition",
            r"\b(?:any (?:preference|wishes|requirement)|preferences?|what (?:kind|type|sort|price|cuisine)|price range|narrow|do you (?:prefer|want something)|are you looking for|in mind)\b[^.]*\?",
        ),
        (
            "asks_place",
            r"\b(?:what|which|for what|in which|for which) (?:city|cities|town|location|area|place|state|address)\b[^.]*|\b(?:where|location|city)\b[^.]*\?",
        ),
        (
            "asks_choice",
            r"\b(?:which (?:one|of)|do you (?:want|prefer|mean)\b[^.?]* or|would you (?:like|prefer)\b[^.?]* or|[^.?]{3,} or [^.?]{3,}\?)",
        ),
        (
            "asks_yesno",
            r"\b(?:would you like|do you want|shall i|should i|want me to|may i|is that (?:ok|right|correct)|are you sure|correct|right|ok(?:ay)?)\b[^.]*\?|\blike (?:me to|to)\b[^.]*\?",
        ),
        (
            "done",
            r"\b(?:sett?ing|set|i(?:'ve| have)|navigating|navigation|route|routing|on (?:your|our) way|directions?|reminder|appointment|i(?:'ll| will)|sent|showing|displaying|done|scheduled|booked|turned|changed)\b[^.]*\b(?:now|set|screen|navigat\w+|for you|map|way|done|to \w+|scheduled|booked|calendar)\b|\b(?:en route|here we go|you got it|my pleasure|you(?:'re| are) welcome|drive safe\w*|no problem)\b",
        ),
        (
            "offers_list",
            r"\b(?:there are|i (?:have|found|see)|options?)\b[^.]*\b(?:two|three|four|several|few|some|and|\d)\b",
        ),
        (
            "offers_one",
            r"\b(?:there(?:'s| is)|nearest|closest|how about|i (?:found|have|recommend)|recommend|(?:is|are) located|located at|is (?:at|\d+ (?:miles?|km|minutes?))|miles? away|is nearby|have a)\b",
        ),
        ("apology", r"\b(?:sorry|apolog\w*|did ?n[o']?t (?:catch|understand)|don't understand)\b"),
    )
)


_WEATHER: Final = re.compile(
    r"天気|天候|気温|予報|\b(?:weather|forecast|temperature|rain|snow|hot|cold|warm|cloudy|degrees)\b"
)


def _is_japanese(text: str) -> bool:
    return re.search(r"[぀-ヿ㐀-鿿]", text) is not None


def context_kind_of(context_text: str) -> str:
    """The context kind of what the system said last, ja or en, in its own words; `none` for nothing."""
    text = unicodedata.normalize("NFKC", context_text)[-_LONGEST_READ:].strip()
    if not text:
        return "none"
    if _is_japanese(text):
        rules, last = _JA, text
    else:
        rules, last = _EN, text.lower().replace("’", "'")
    for kind, pattern in rules:
        if pattern.search(last):
            # A question back about the weather asks for what is missing of a forecast, place or day.
            return "asks_date" if kind == "asks_place" and _WEATHER.search(last) else kind
    return "gives_info"


def context_of(metadata: Mapping[str, Any] | None) -> str:
    """The context kind of a message's metadata: `context` when it is a known kind, else worked out from `context_text`."""
    if not metadata:
        return "none"
    # Training examples carry their metadata one level down (Rasa's reader keeps the intent's and the example's apart).
    example = metadata.get("example")
    source = example if isinstance(example, Mapping) else metadata
    kind = source.get("context")
    if isinstance(kind, str) and kind in CONTEXT_KINDS:
        return kind
    said = source.get("context_text")
    return context_kind_of(said) if isinstance(said, str) else "none"
