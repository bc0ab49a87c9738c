"""Amounts: money, distances, people, nights, durations, degrees, levels, ordinals, ratings, telephone numbers, choices."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from agent.nlu.values.model import Found
from agent.nlu.values.numbers import NUMBER_EN, NUMBER_JA, parse_number, whole

WALKING_M_PER_MIN = 80
"""the speed Japanese property advertisements must use (Fair Competition Code on real estate)"""
DRIVING_M_PER_MIN = 500
"""30 km/h: town traffic"""
WALKING_DISTANCE_M = 800
"""what "within walking distance" means: ten minutes"""

_J = rf"(?P<n>{NUMBER_JA}|(?:ひと|ふた|いち|さん|よん|ろく|なな|しち|はち|きゅう|じゅう))"
_E = rf"(?P<n>{NUMBER_EN})"

Make = Callable[[re.Match[str]], "tuple[str, Any, str | None] | None"]


def _number(match: re.Match[str], group: str = "n") -> float | None:
    said = match.groupdict().get(group)
    return parse_number(said) if said else None


def _metres(value: float | None, unit: str) -> int | None:
    if value is None or value < 0:
        return None
    factor = {"m": 1, "k": 1000, "mi": 1609.344, "y": 0.9144, "ft": 0.3048, "b": 100}[unit]
    return round(value * factor)


def _distance_ja(match: re.Match[str]) -> tuple[str, Any, str | None] | None:
    unit = "k" if match["unit"].startswith(("k", "き", "㎞")) else "m"
    metres = _metres(_number(match), unit)
    return None if metres is None else ("distance_max", metres, None)


def _walk_ja(match: re.Match[str]) -> tuple[str, Any, str | None] | None:
    minutes = _number(match)
    if minutes is None:
        return None
    speed = DRIVING_M_PER_MIN if match["mode"].startswith(("車", "くるま")) else WALKING_M_PER_MIN
    return "distance_max", round(minutes * speed), None


def _distance_en(match: re.Match[str]) -> tuple[str, Any, str | None] | None:
    said = match["unit"]
    unit = "mi" if said.startswith("mi") else "k" if said.startswith("k") else "y" if said.startswith("y") else "ft" if said.startswith("f") else "b" if said.startswith("block") else "m"  # fmt: skip
    number = 0.5 if match["n"].startswith("half") else 1.0 if match["n"] in ("a", "an") else _number(match)
    metres = _metres(number, unit)
    return None if metres is None else ("distance_max", metres, None)


def _walk_en(match: re.Match[str]) -> tuple[str, Any, str | None] | None:
    minutes = _number(match)
    if minutes is None:
        return None
    speed = DRIVING_M_PER_MIN if re.search(r"driv|car", match[0]) else WALKING_M_PER_MIN
    return "distance_max", round(minutes * speed), None


def _budget(match: re.Match[str]) -> tuple[str, Any, str | None] | None:
    value = _number(match)
    if value is None:
        return None
    said = match[0]
    least = re.search(r"以上|より(?:上|高)|からの?|超え|\b(?:over|more than|at least|from|above)\b", said)
    currency = match.groupdict().get("cur") or ""
    if re.match(r"\$|dollar|buck|usd", currency):
        value *= 150
    return "budget", {"min_yen" if least else "max_yen": round(value)}, None


def _counted(entity: str) -> Make:
    def make(match: re.Match[str]) -> tuple[str, Any, str | None] | None:
        fixed = {
            "ひとり": 1,
            "一人": 1,
            "ふたり": 2,
            "二人": 2,
            "couple": 2,
            "just me": 1,
            "the two of us": 2,
            "two of us": 2,
        }
        for words, value in fixed.items():
            if match[0].startswith(words):
                return entity, value, None
        number = _number(match)
        return (entity, int(number), None) if number is not None and 0 < number < 1000 else None

    return make


def _duration(match: re.Match[str]) -> tuple[str, Any, str | None] | None:
    number = 0.5 if match["n"].startswith("half") else 1.0 if match["n"] in ("a", "an") else _number(match)
    if number is None:
        return None
    unit = match["unit"]
    factor = 3600 if unit.startswith(("時間", "hour", "hr")) else 60 if unit.startswith(("分", "min")) else 1 if unit.startswith(("秒", "sec")) else 86400  # fmt: skip
    seconds = number * factor
    if match.groupdict().get("half"):
        seconds += factor / 2
    extra = match.groupdict().get("extra")
    if extra:
        seconds += (parse_number(extra) or 0) * 60
    return "duration", round(seconds), None


_DOWN = re.compile(r"下|低|涼|冷|寒|cool|low|down|drop|decreas|reduc|colder|less|quieter|soft")


def _degrees(match: re.Match[str]) -> tuple[str, Any, str | None] | None:
    number = _number(match)
    if number is None:
        return None
    value: float = number
    said = match[0]
    if match.groupdict().get("unit", "") and match["unit"] and match["unit"].startswith(("f", "華")):
        relative = bool(match.groupdict().get("rel"))
        value = value * 5 / 9 if relative else (value - 32) * 5 / 9
        value = round(value * 2) / 2
    if match.groupdict().get("rel"):
        return "degrees", whole(-value if _DOWN.search(said) else value), "relative"
    return (
        "degrees",
        whole(-value if "マイナス" in said or "まいなす" in said or said.startswith("minus") else value),
        None,
    )


def _level(match: re.Match[str]) -> tuple[str, Any, str | None] | None:
    number = _number(match)
    if number is None:
        return None
    if match.groupdict().get("rel"):
        return "level", whole(-number if _DOWN.search(match[0]) else number), "relative"
    return "level", whole(number), None


def _ordinal(match: re.Match[str]) -> tuple[str, Any, str | None] | None:
    said = match[0]
    if re.search(r"最後|末尾|ラスト|らすと|\blast\b|final", said):
        return "ordinal", -1, None
    if re.search(r"最初|先頭|前者|はじめ|初め|\bfirst\b|former|1st", said):
        return "ordinal", 1, None
    if re.search(r"後者|latter", said):
        return "ordinal", 2, None
    if re.search(r"真ん中|middle one", said):
        return "ordinal", 2, None
    words = {
        "second": 2,
        "third": 3,
        "fourth": 4,
        "fifth": 5,
        "sixth": 6,
        "seventh": 7,
        "eighth": 8,
        "ninth": 9,
        "tenth": 10,
    }
    for word, value in words.items():
        if re.search(rf"\b{word}\b", said):
            return "ordinal", value, None
    kana = {"ひとつ": 1, "ふたつ": 2, "みっつ": 3, "よっつ": 4, "いつつ": 5}
    for word, value in kana.items():
        if word in said:
            return "ordinal", value, None
    number = _number(match)
    return ("ordinal", int(number), None) if number and 1 <= number <= 100 else None


_SPOKEN_DIGITS = {
    "ぜろ": "0", "れい": "0", "まる": "0", "いち": "1", "に": "2", "にー": "2", "さん": "3", "よん": "4", "し": "4", "ご": "5", "ごー": "5", "ろく": "6",
    "なな": "7", "しち": "7", "はち": "8", "きゅう": "9", "きゅー": "9", "く": "9", "零": "0", "〇": "0", "一": "1", "二": "2", "三": "3", "四": "4",
    "五": "5", "六": "6", "七": "7", "八": "8", "九": "9",
}  # fmt: skip
_SPOKEN_EN = {"zero": "0", "oh": "0", "o": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8", "nine": "9"}  # fmt: skip
_PHONE = re.compile(
    r"(?<![\d-])(?:\+81[- ]?|0)\d{1,4}[-‐ (.)]{0,2}\d{1,4}[- ().]{0,2}\d{3,4}(?![\d-])|(?<!\d)0\d{9,10}(?!\d)"
)
_PHONE_JA = re.compile(
    "(?:(?:" + "|".join(sorted(_SPOKEN_DIGITS, key=len, reverse=True)) + r"|\d)(?:の|-|、| )?){9,12}"
)
_PHONE_EN = re.compile(
    r"\b(?:(?:double )?(?:" + "|".join(sorted(_SPOKEN_EN, key=len, reverse=True)) + r"|\d)(?:[- ,]+|\b)){9,12}"
)


def _phones(text: str, language: str) -> list[Found]:
    found: list[Found] = []
    for match in _PHONE.finditer(text):
        digits = re.sub(r"\D", "", match[0])
        if match[0].startswith("+81"):
            digits = "0" + digits[2:]
        if 10 <= len(digits) <= 11:
            found.append(Found(match.start(), match.end(), "phone_number", digits, priority=9))
    table, pattern = (_SPOKEN_EN, _PHONE_EN) if language == "en" else (_SPOKEN_DIGITS, _PHONE_JA)
    words = "|".join(sorted(table, key=len, reverse=True))
    for match in pattern.finditer(text):
        digits = "".join(table.get(piece, piece) for piece in re.findall(rf"{words}|\d", match[0]))
        if digits.startswith("0") and 10 <= len(digits) <= 11:
            end = match.end() - (len(match[0]) - len(match[0].rstrip("の-、 ,")))
            found.append(Found(match.start(), end, "phone_number", digits, priority=8))
    return found


def _pick(by: str, order: str) -> Make:
    return lambda match: ("pick", {"by": by, "order": order}, None)


_RULES_JA: tuple[tuple[str, Make, int], ...] = (
    # (?:...) rules: pattern, what it makes, priority
    (
        rf"{_J}(?P<unit>キロ(?:メートル)?|km|㎞|メートル|m(?![a-z]))(?:圏内|以内|くらい|ぐらい|ほど|までの|まで|の(?:ところ|範囲|距離)|範囲|程度)".replace(
            "キロ", "きろ"
        ).replace("メートル", "めーとる"),
        _distance_ja,
        3,
    ),
    (rf"半径{_J}(?P<unit>きろ(?:めーとる)?|km|めーとる|m)(?:圏内|以内|の範囲)?", _distance_ja, 4),
    (
        rf"(?P<mode>徒歩|歩いて|車で|くるまで|歩き(?:で)?)(?:は|も|だいたい|大体)?{_J}分(?:ほど|くらい|ぐらい|程度)?(?:圏内|以内|の(?:ところ|範囲|場所)|で(?:行け|着け|いけ)る?)?",
        _walk_ja,
        4,
    ),
    (
        rf"{_J}分(?:以内|くらい|ぐらい|圏内)?で(?P<mode>歩|行)(?:いて)?(?:行|い)?け",
        lambda m: ("distance_max", round((_number(m) or 0) * WALKING_M_PER_MIN), None),
        4,
    ),
    (
        r"徒歩圏内?|歩いて(?:行|い)け|歩ける(?:距離|範囲)|徒歩で(?:行|い)け",
        lambda m: ("distance_max", WALKING_DISTANCE_M, None),
        2,
    ),
    (
        rf"(?:予算(?:は|が)?|(?:一|1|ひと)(?:人|り)(?:あたり)?、?|一人当たり|料金(?:は|が)?)?{_J}(?P<cur>円)(?:くらい|ぐらい|程度|ほど|前後)?(?:の予算)?(?:以内|以下|まで|未満|くらいまで|ぐらいまで|で(?:食べ|済)|を切|より(?:安|下)|以上|を?超え|くらい|ぐらい|台|前後|で)?",
        _budget,
        4,
    ),
    (
        r"(?:ひとり|一人|1人)(?=で|の|です|、|。|だ|なん|と|$|に|分|です|(?:くらい|様))|(?:ふたり|二人|2人)(?!目|前)",
        _counted("people"),
        3,
    ),
    (
        rf"{_J}(?:人(?!目|前|気|口|間|生|数|物|当|あたり)|名(?!前|所|物|古|店|産|称|作|目|様?分の)|名様|人様)",
        _counted("people"),
        3,
    ),
    (rf"{_J}(?:泊(?!ま)|晩)", _counted("nights"), 3),
    (
        rf"{_J}(?P<unit>時間)(?:(?P<half>半)|(?P<extra>\d{{1,2}}|[一二三四五]?十[一二三四五六七八九]?)分)?(?!営業|帯|以内に着|後|程前)(?:くらい|ぐらい|ほど|以内)?",
        _duration,
        2,
    ),
    (rf"{_J}(?P<unit>分|秒|日間)(?!の1|目)(?:間)?(?:くらい|ぐらい|ほど|以内)?", _duration, 1),
    (
        rf"(?:(?P<minus>まいなす))?{_J}(?:度|℃)(?:(?P<half>半))?(?=まで)?(?!目|と|も)(?:くらい|ほど)?(?P<rel>(?:だけ)?(?:、)?(?:温度(?:を|が)|設定(?:を)?|上|下|高|低|あげ|さげ|涼し|暖か|温か|冷や))(?!.{{0,3}}(?:に(?:上|下|し)))",
        _degrees,
        5,
    ),
    (
        rf"(?P<rel>あと|もう|さらに|プラス|ぷらす){_J}(?:度|℃)(?!目|と(?!か))(?:ほど|くらい)?[^。、探調検]{{0,6}}?(?:上|下|高|低|あげ|さげ|涼|暖|温|冷)",
        _degrees,
        6,
    ),
    (rf"(?:(?:まいなす))?{_J}(?:度(?!目|も|と(?!か)|以上ない)|℃)(?:に|まで|で)?", _degrees, 3),
    (
        rf"(?:音量|風量|ぼりゅーむ|れべる|明るさ|ふぁん|強さ)(?:を|は|の)?(?:れべる)?(?:を)?{_J}(?:%|ぱーせんと|段階|めもり|目盛り?|つ|れべる)?(?P<rel>(?:だけ)?(?:上げ|下げ|あげ|さげ|大き|小さ|強|弱))",
        _level,
        5,
    ),
    (
        rf"(?P<rel>あと|もう|さらに)?{_J}(?:段階|めもり|目盛り?)(?:だけ|ほど)?(?:上げ|下げ|あげ|さげ|大き|小さ|強|弱)?",
        lambda m: (
            "level",
            whole(-(_number(m) or 0) if re.search("下げ|さげ|小さ|弱", m[0]) else (_number(m) or 0)),
            "relative",
        ),
        4,
    ),
    (
        rf"(?:音量|風量|ぼりゅーむ|れべる|明るさ|ふぁん)(?:を|は|の)?(?:れべる)?(?:を)?{_J}(?:に|%|ぱーせんと|まで|$|で)",
        _level,
        4,
    ),
    (rf"{_J}(?:%|ぱーせんと)", _level, 2),
    (
        rf"(?:評価|評判|口こみ|星|れびゅー|点数|レート|★)(?:が|の|は|で)?(?:平均)?(?:星)?{_J}(?:つ星|つ|点|個)?(?:\.(?P<d>\d))?(?:以上|より上|くらい|より高)?",
        lambda m: (
            (
                "rating_min",
                whole(float(f"{m['n']}.{m['d']}") if m["d"] and m["n"].isdigit() else (_number(m) or 0)),
                None,
            )
            if (_number(m) or 9) <= 5
            else None
        ),
        4,
    ),
    (
        rf"{_J}(?:つ星|星|点)以上",
        lambda m: ("rating_min", whole(_number(m) or 0), None) if (_number(m) or 9) <= 5 else None,
        4,
    ),
    (
        r"(?:評価|評判|口こみ|れびゅー|星|くちこみ|点数)(?:の|が|も)?(?:とても|すごく|結構|わりと)?(?:高い|良い|いい|よい|高め|良さ|よさ|高く|良く)(?!順|方|ほう)|高評価|評判の(?:店|お店|ところ)",
        lambda m: ("rating_min", 4, None),
        2,
    ),
    (
        rf"(?:{_J}(?:番目|つ目|件目|軒目|個目|番(?!地|号|組|近|安|高|早|良|い|上|下|は|線|大|小|人|美|お|評|有|最|の(?:近|安|高))|ばんめ|人目|択目)|(?:ひとつ|ふたつ|みっつ|よっつ|いつつ)(?:目|め)(?!の)?|最後の?(?:の|やつ|もの|ところ|店|お店|ホテル|方)|最後のに|最後で|ラスト|らすと|最初の(?:の|やつ|もの|ところ|店|お店|ホテル|方|にし|で)?|前者|後者|先頭の|真ん中の|上から{_J.replace('?P<n>', '?:')}番目)(?:の(?:やつ|もの|ところ|お店|店|ホテル|方)?)?",
        _ordinal,
        4,
    ),
    (
        r"(?:一番|いちばん|最も|もっとも|より|もっと)?(?:距離(?:が|の)|ここから|場所が)?(?:近い|近く|近)(?:ほう|方|やつ|の(?=で|に|が|を|は|$|、|。)|もの|とこ|ところ|所|お店|店)(?:(?=で|に|が|を|は|$|、|。|へ|の))",
        _pick("distance", "asc"),
        3,
    ),
    (
        r"(?:一番|いちばん|最も|もっとも|より|もっと)?(?:遠い|離れた)(?:ほう|方|やつ|の(?=で|に|が|を|は|$|、|。))",
        _pick("distance", "desc"),
        3,
    ),
    (
        r"(?:一番|いちばん|最も|もっとも|より|もっと)?(?:値段(?:が|の)|料金(?:が|の)|価格(?:が|の))?(?:安い|リーズナブルな|りーずなぶるな|お得な|お安い|安めの)(?:ほう|方(?!が(?:いい|良い|よい)のですが)|やつ)",
        _pick("price", "asc"),
        5,
    ),
    (
        r"(?:一番|いちばん|最も|もっとも)(?:値段(?:が|の)|料金(?:が|の)|価格(?:が|の))?(?:安い|りーずなぶるな)(?:の(?=で|に|が|を|は|$|、|。)|ところ|とこ|お店|店|所)",
        _pick("price", "asc"),
        5,
    ),
    (
        r"(?:一番|いちばん|最も|もっとも|より)?(?:値段(?:が|の)|料金(?:が|の))?(?:高い|高級な|高めの)(?:ほう|方|やつ)",
        _pick("price", "desc"),
        5,
    ),
    (
        r"(?:一番|いちばん|最も|もっとも|より)?(?:評価|評判|口こみ|点数|人気|れびゅー|星)(?:の|が|も)?(?:一番|いちばん|最も)?(?:高い|良い|いい|よい|ある|高かった|多い)(?:ほう|方|やつ|の(?=で|に|が|を|は|$|、|。)|(?:ところ|とこ|所|お店|店|ホテル)(?=で|に))",
        _pick("rating", "desc"),
        5,
    ),
    (
        r"(?:一番|いちばん|最も|もっとも)(?:評価|評判|口こみ|点数|人気|れびゅー|星)(?:の|が|も)?(?:高い|良い|いい|よい|ある|高かった|多い)(?:の|やつ|ところ|とこ|所|お店|店|ホテル|ほう|方)?",
        _pick("rating", "desc"),
        4,
    ),
    (r"駐車(?:料金|場代|代|場)(?:が|の)(?:一番|より)?安い(?:ほう|方|やつ|の)", _pick("parking_fee", "asc"), 6),
    (
        r"(?:どれ|どちら|どっち|どこ|いずれ|適当に|おすすめの方|お任せ|おまかせ)(?:で(?:も)?(?:いい|良い|よい|構|大丈夫|結構)|で?(?:選んで|お願い)|します)",
        lambda m: ("pick", {"any": True}, None),
        1,
    ),
    (
        r"(?:どれか|どっちか|適当に)(?:一つ|ひとつ|1つ|1件|一件)?(?:選|お願い|決め)?",
        lambda m: ("pick", {"any": True}, None),
        1,
    ),
)

_RULES_EN: tuple[tuple[str, Make, int], ...] = (
    (
        rf"\b(?:within|under|less than|no more than|not more than|up to|inside|not farther than|no further than|at most|max(?:imum)?|in a|radius of)(?: about| a radius of)? (?P<n>half a|a|an|{NUMBER_EN})[ -]?(?P<unit>miles?|mi|kilomet(?:er|re)s?|km|k|met(?:er|re)s?|m|yards?|feet|blocks?)\b(?: radius)?",
        _distance_en,
        4,
    ),
    (
        rf"\b{_E}[ -]?(?P<unit>miles?|kilomet(?:er|re)s?|km|met(?:er|re)s?|blocks?)[ -](?:radius|range|or less|away or less|or closer|max)\b",
        _distance_en,
        4,
    ),
    (
        rf"\b(?:within |under |less than |about |up to )?(?:an? )?{_E}[ -]minute(?:s'?)?[ -](?:walk|drive|walking|driving|on foot|by car|by foot)(?:ing)?(?: distance)?\b",
        _walk_en,
        4,
    ),
    (
        rf"\b(?:within|under|less than|about) {_E} minutes(?:'s?)?(?: of)? (?:walk(?:ing)?|driv(?:e|ing)|on foot|by car|from here|away|of here)\b",
        _walk_en,
        4,
    ),
    (rf"\b{_E} minutes'? (?:walk|drive|on foot|by car|driv(?:e|ing))\b", _walk_en, 4),
    (
        r"\b(?:(?:within|in) walking distance|walking distance|walkable|in easy walk)\b",
        lambda m: ("distance_max", WALKING_DISTANCE_M, None),
        2,
    ),
    (
        rf"\b(?:(?:under|below|less than|no more than|not more than|up to|within|at most|max(?:imum)?(?: of)?|cheaper than|over|more than|at least|around|about|for)(?: about)? )?(?:(?:¥|yen ){NUMBER_EN.replace('(?:', '(?:')}|{_E} ?(?P<cur>yen|jpy|dollars?|bucks?|usd)\b)(?: or (?:less|under|below))?(?: (?:per|a) (?:person|head|night))?",
        _budget,
        4,
    ),
    (
        rf"(?:\b(?:under|below|less than|no more than|up to|within|at most|over|more than|at least|around|about|for) )?(?P<cur>[¥$]){_E}(?: or (?:less|under|below))?",
        _budget,
        4,
    ),
    (
        rf"\b(?:(?:for|table for|room for|there are|there'll be|party of|group of) )?(?P<n>{NUMBER_EN}) (?:people|persons?|guests?|adults|of us|diners|pax|passengers?|ladies|men)\b",
        _counted("people"),
        3,
    ),
    (
        r"\b(?:table|room|dinner|seats?|party|group|reservation|booking|lunch)s? (?:for|of) (?P<n>\d{1,2}|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)\b(?! ?(?:p\.?m|a\.?m|o'clock|:))",
        _counted("people"),
        3,
    ),
    (rf"\b(?P<n>{NUMBER_EN}|a) nights?\b", _counted("nights"), 3),
    (
        rf"\b(?P<n>half an?|an?|{NUMBER_EN})[ -]?(?P<unit>hours?|hrs?|minutes?|mins?|seconds?|secs?|days?)\b(?P<half> and a half)?",
        _duration,
        1,
    ),
    (
        rf"\b{_E} ?(?:degrees?|°)? ?(?P<unit>fahrenheit|f\b|celsius|c\b)?(?: degrees?)? ?(?P<rel>(?:warmer|hotter|cooler|colder|higher|lower|up|down|more|less))\b",
        lambda m: _degrees(m) if "degree" in m[0] or m["unit"] or re.search("warm|hot|cool|cold", m[0]) else None,
        5,
    ),
    (
        rf"\b(?P<rel>(?:up|down|raise|lower|increase|decrease|drop|reduce)(?: it| the (?:temperature|heat|ac|temp)| temperature)? by|(?:raise|lower|increase|decrease|drop|reduce) (?:it |the (?:temperature|temp) )?(?:by )?(?:another )?)(?: another)? ?{_E} ?(?:degrees?|°)(?P<unit> ?fahrenheit| ?celsius)?\b",
        _degrees,
        6,
    ),
    (rf"(?:\bminus )?{_E} ?(?:degrees?|°)(?: (?P<unit>fahrenheit|celsius|f\b|c\b))?", _degrees, 3),
    (
        rf"\b(?:temperature|temp|heat|ac|thermostat|heater|a/c|air conditioning|climate)(?: control)?(?: (?:in the car|for the driver|on my side))?(?: to| at) {_E}(?! ?%)(?P<unit>)",
        _degrees,
        3,
    ),
    (
        rf"\b(?:volume|fan(?: speed)?|brightness|level|blower|music|radio|it)(?: up| down)?(?: level)?(?: to| at)(?: level)? {_E}(?: ?(?:%|percent))?(?! ?degrees|°)",
        _level,
        4,
    ),
    (
        rf"\b(?P<rel>by) {_E} ?(?:%|percent|levels?|notch(?:es)?|steps?|points?)?\b(?! ?(?:degrees?|o'?clock|p\.?m|a\.?m|minutes?))",
        lambda m: (
            _level(m)
            and (
                "level",
                whole(-(_number(m) or 0) if _DOWN.search(m.string[: m.start()]) else (_number(m) or 0)),
                "relative",
            )
        ),
        2,
    ),
    (rf"\b(?:fan|volume|level) (?:speed |level )?{_E}\b", _level, 2),
    (rf"\b{_E} ?(?:%|percent)", _level, 2),
    (
        r"\b(?:(?:at least|minimum(?: of)?|more than|over|above|rated(?: at least| over| above)?|rating (?:of|over|above)(?: at least)?) )+(?P<n>[0-5](?:\.\d)?|one|two|three|four|five)(?: ?(?:stars?|or (?:more|higher|above|better)|and (?:up|above)|plus|\+))*",
        lambda m: ("rating_min", whole(_number(m) or 0), None) if re.search(r"star|rat", m[0]) else None,
        4,
    ),
    (
        r"\b(?P<n>[1-5](?:\.\d)?|one|two|three|four|five)[ -]?(?:stars?|star)?(?: or (?:more|higher|above|better|up)| and (?:up|above|over)|\+|plus)(?: stars?| rating)?",
        lambda m: ("rating_min", whole(_number(m) or 0), None) if re.search(r"star|rat", m.string) else None,
        3,
    ),
    (r"\b(?:four|4)[- ]stars?\b", lambda m: ("rating_min", 4, None), 2),
    (
        r"\b(?:(?:good|great|high|decent|excellent|positive|better) (?:reviews|ratings?|scores?)|(?:well|highly)[- ](?:rated|reviewed|regarded)|highly recommended|high[- ]rated|good[- ]rated)\b",
        lambda m: ("rating_min", 4, None),
        2,
    ),
    (
        r"\b(?:(?:the |option |number |choice |no\.? |item )+(?P<n>\d{1,2}|one|two|three|four|five|six|seven|eight|nine|ten)\b(?! ?(?:minutes?|hours?|degrees?|people|miles?|km|yen|with|that|near|closest|i |which|stars?|nights?|on the|in ))|(?:the )?(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|last|final|latter|former|1st|2nd|3rd|4th|5th|middle)(?: (?:one|option|choice|place|result|restaurant|hotel|on the list|suggestion|entry))\b|\b(?:the|number) (?:first|second|third|fourth|fifth|last|latter|former)\b(?= *(?:$|[,.!?]|please|sounds|looks|is|will|one|then))|^(?:first|second|third|last|the first|the second|the third|the last)(?: one)?(?: please)?[.!]?$)",
        lambda m: _ordinal_en(m),
        4,
    ),
    (
        r"\b(?:the )?(?:nearest|closest|closer|nearer|nearby)(?: (?:one|option|place|of (?:them|those|the (?:two|three))))\b|\b(?:the|whichever is|whichever's) (?:nearest|closest|closer|nearer)\b(?= *(?:$|[,.!?]|please|then))",
        _pick("distance", "asc"),
        6,
    ),
    (r"\b(?:the )?(?:farthest|furthest|further|farther)(?: (?:one|option))\b", _pick("distance", "desc"), 6),
    (
        r"\b(?:the )?(?:cheap(?:er|est)?|less expensive|least expensive|more affordable|lower priced)(?: (?:one|option|place|of (?:them|those|the (?:two|three))))\b|\b(?:the|whichever is|whichever's) (?:cheaper|cheapest|least expensive|less expensive)\b(?= *(?:$|[,.!?]|please|then))",
        _pick("price", "asc"),
        6,
    ),
    (
        r"\b(?:the )?(?:most expensive|more expensive|pricier|fancier|fanciest|priciest)(?: (?:one|option))\b",
        _pick("price", "desc"),
        6,
    ),
    (
        r"\b(?:the )?(?:(?:best|top|highest|higher|better)[- ]?(?:rated|reviewed|ranked|ratings?|reviews)|most popular)(?: (?:one|option|of (?:them|those)))\b|\b(?:the )?(?:one|option|place) with (?:the )?(?:best|highest|better|higher|most) (?:ratings?|reviews|stars|score)\b|\b(?:the|whichever is) (?:best|top|highest|better)[- ](?:rated|reviewed)\b(?= *(?:$|[,.!?]|please))",
        _pick("rating", "desc"),
        6,
    ),
    (r"\b(?:one|option|place) with (?:the )?(?:cheapest|cheaper|lowest) parking\b", _pick("parking_fee", "asc"), 7),
    (
        r"\b(?:either(?: one)?(?: is fine| works| will do)?|whichever(?: one)?(?: is fine)?|any of (?:them|those)|you (?:choose|pick|decide)|any one(?: is fine)?|surprise me|doesn't matter which)\b",
        lambda m: ("pick", {"any": True}, None),
        1,
    ),
)


def _ordinal_en(match: re.Match[str]) -> tuple[str, Any, str | None] | None:
    said = match[0]
    # "number two" counts; "the two" does only with a word of choosing.
    if match.group("n") and not re.search(r"option|number|choice|no\.?|item", said):
        return None
    return _ordinal(match)


def _compile(rules: tuple[tuple[str, Make, int], ...]) -> tuple[tuple[re.Pattern[str], Make, int], ...]:
    from agent.nlu.values.folding import fold_kana

    return tuple((re.compile(fold_kana(pattern)), make, priority) for pattern, make, priority in rules)


class Amounts:
    """Finds amounts in folded text."""

    def __init__(self) -> None:
        self._rules = {"ja": _compile(_RULES_JA), "en": _compile(_RULES_EN)}
        self._bare = {"ja": re.compile(NUMBER_JA), "en": re.compile(NUMBER_EN)}
        self._digits = re.compile(r"[\d〇零一二三四五六七八九十百千万億]")

    def find(self, text: str, language: str) -> list[Found]:
        found = _phones(text, language)
        for pattern, make, priority in self._rules[language]:
            for match in pattern.finditer(text):
                if match.end() == match.start():
                    continue
                made = make(match)
                if made is None:
                    continue
                entity, value, role = made
                start, end = match.span()
                if entity == "people" and language == "en" and match.groupdict().get("n"):
                    # "a private room for six people": the room is a condition of its own.
                    start = match.start("n")
                while end > start and text[end - 1] == " ":
                    end -= 1
                found.append(Found(start, end, entity, value, role, priority))
        return found

    def bare_numbers(self, text: str, language: str) -> list[Found]:
        """Numbers by themselves, for what nothing else took."""
        found = []
        for match in self._bare[language].finditer(text):
            value = parse_number(match[0])
            if value is None:
                continue
            if language == "ja" and not match[0][0].isascii():
                # 「一番」「三宮」: a kanji digit inside a word is no number.
                before = text[match.start() - 1] if match.start() else ""
                after = text[match.end()] if match.end() < len(text) else ""
                if "\u4e00" <= before <= "\u9fff" or "\u4e00" <= after <= "\u9fff":
                    continue
            found.append(Found(match.start(), match.end(), "number", whole(value), priority=-5))
        return found
