"""What is written, as it is said in Japanese: numbers, times, dates, money, units, telephone numbers, addresses, Latin words.

`spoken` turns a sentence of a reply into text the voice's own dictionary reads rightly; the exceptions are data
(`pronunciation_ja.yml`). Nothing is ever left out: what no rule knows goes on as it is.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TABLE: Final = Path(__file__).with_name("pronunciation_ja.yml")
_NUMBER: Final = r"\d+(?:\.\d+)?"
_LATIN: Final = r"A-Za-zÀ-ÖØ-öø-ÿ"
_WEEKDAYS: Final = "月火水木金土日"
_ADDRESS: Final = re.compile(r"(?<=[一-龥々ぁ-んァ-ヶー])(\d{1,4})-(\d{1,4})(?:-(\d{1,5}))?(?![\d-])")
_PHONE: Final = re.compile(r"(?<![\d-])\(?(0\d{1,4})[-()]{1,2}(\d{1,4})[-)](\d{3,4})(?![\d-])")


class PronunciationError(ValueError):
    """The table of pronunciations is broken."""


@dataclass(frozen=True)
class Pronunciations:
    """The table (`pronunciation_ja.yml`)."""

    units: Mapping[str, str]
    counters: Mapping[str, str]
    words: Mapping[str, str]
    letters: Mapping[str, str]
    digits: Mapping[str, str]
    romaji: Mapping[str, str]
    sounds: Mapping[str, str]
    consonants: Mapping[str, str]

    def __post_init__(self) -> None:
        bad = [k for k, v in self.units.items() if "{n}" not in v]
        bad += [
            k
            for table in (self.letters, self.digits, self.romaji, self.consonants)
            for k, v in table.items()
            if not _kana(v)
        ]
        if bad or not self.words or set(self.digits) != set("0123456789") or len(self.letters) != 26:
            raise PronunciationError(
                f"pronunciations: wrong or missing: {', '.join(bad) or 'letters, digits or words'}"
            )


@functools.cache
def pronunciations() -> Pronunciations:
    """The shipped table, read once. Raises `PronunciationError`."""
    import yaml

    rows = yaml.safe_load(_TABLE.read_text(encoding="utf-8"))
    try:
        return Pronunciations(**{name: {str(k): str(v) for k, v in table.items()} for name, table in rows.items()})
    except (TypeError, AttributeError) as error:
        raise PronunciationError(f"pronunciations: {error}") from error


def spoken(text: str) -> str:
    """`text` (one sentence or several) as it is to be read aloud."""
    text = unicodedata.normalize("NFKC", text.replace("㎡", "m2").replace("²", "2").replace("㎢", "km2"))
    text = re.sub("[‐‑‒–—−﹣]", "-", text)
    for rule in (_addresses_of_pages, _phones, _dates, _clock, _money, _floors, _places, _ranges, _signs):
        text = rule(text)
    return _marks(_words(_counters(_units(text))))


# ── rules ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _addresses_of_pages(text: str) -> str:
    return re.sub(r"https?://(?:www\.)?|(?<=[\w])/(?=\s|$)", "", text)


def _phones(text: str) -> str:
    """0800-300-0365 → ゼロハチゼロゼロ、サンゼロゼロ、…"""
    digits = pronunciations().digits

    def say(match: re.Match[str]) -> str:
        return "、".join("".join(digits[d] for d in group) for group in match.groups())

    text = _PHONE.sub(say, text)
    return re.sub(r"(?<![\d-])(0[5789]0\d{8}|0120\d{6}|0800\d{7})(?!\d)", lambda m: _in_fours(m[1], digits), text)


def _in_fours(number: str, digits: Mapping[str, str]) -> str:
    head = 4 if number.startswith(("0120", "0800")) else 3
    rest = number[head:]
    parts = [number[:head], *(rest[i : i + 4] for i in range(0, len(rest), 4))]
    return "、".join("".join(digits[d] for d in part) for part in parts)


def _dates(text: str) -> str:
    """2026/5/11, 2026-05-11, 5/11(月) → 5月11日、月曜日."""
    text = re.sub(
        r"(?<!\d)(\d{4})[-/](\d{1,2})[-/](\d{1,2})(?!\d)", lambda m: f"{m[1]}年{int(m[2])}月{int(m[3])}日", text
    )
    text = re.sub(
        r"(?<![\d/])(1[0-2]|0?[1-9])/(3[01]|[12]\d|0?[1-9])(?![\d/])", lambda m: f"{int(m[1])}月{int(m[2])}日", text
    )
    text = re.sub(rf"(?<=日)\s*\(([{_WEEKDAYS}])(?:曜日?)?\)", r"、\1曜日、", text)
    # 「11日月曜日」 is taken for a month without the pause.
    return re.sub(rf"(?<=\d日)(?=[{_WEEKDAYS}]曜)", "、", text)


def _clock(text: str) -> str:
    """19:30 → 19時30分, 9:00 → 9時."""

    def say(match: re.Match[str]) -> str:
        minute = int(match[2])
        return f"{int(match[1])}時" + (f"{minute}分" if minute else "")

    return re.sub(r"(?<![\d:.])([0-2]?\d):([0-5]\d)(?::[0-5]\d)?(?![\d:])", say, text)


def _money(text: str) -> str:
    text = re.sub(r"(?<![\d,])\d{1,3}(?:,\d{3})+(?!\d)", lambda m: m[0].replace(",", ""), text)
    text = re.sub(rf"[¥\\]\s?({_NUMBER})(?:円)?", r"\1円", text)
    return re.sub(rf"\$\s?({_NUMBER})", r"\1ドル", text)


def _floors(text: str) -> str:
    """B1階, B1F → 地下1階."""
    return re.sub(rf"(?<![{_LATIN}\d])B(\d)(?:階|F(?![{_LATIN}]))", r"地下\1階", text)


def _places(text: str) -> str:
    """道玄坂2-10-7 → 道玄坂2の10の7."""
    return _ADDRESS.sub(lambda m: "の".join(g for g in m.groups() if g), text)


def _ranges(text: str) -> str:
    """10〜15分, 9時〜18時, 東京〜箱根 → から; at the end of a word it only draws it out."""
    text = re.sub(r"\s*[~〜～]\s*", "〜", text)
    text = re.sub(r"(?<=\d)-(?=\d)", "から", text)
    text = re.sub(r"(?<=[\d一-龥々ァ-ヶー度%CmLtgh])〜(?=[\d一-龥々ァ-ヶ¥])", "から", text)
    text = re.sub(r"(?<=[\d時分円])〜", "から", text)
    return text.replace("〜", "ー")


def _signs(text: str) -> str:
    text = re.sub(r"(?<![A-Za-z0-9)])-(?=\d)", "マイナス", text)
    text = re.sub(r"\+(?=\d)", "プラス", text)
    text = re.sub(r"±(?=\d)", "プラスマイナス", text)
    text = re.sub(r"[★☆](?=\d)", "星", text)
    return text.replace("&", "アンド").replace("@", "アット").replace("=", "イコール").replace("×", "かける")


def _units(text: str) -> str:
    def say(match: re.Match[str]) -> str:
        written = match[0][len(match[1]) :].strip()
        said = pronunciations().units[written].replace("{n}", match[1])
        before = text[: match.start()]
        for prefix in ("時速", "秒速", "1時間に", "一時間に"):
            if before.endswith(prefix) and said.startswith(("時速", "秒速", "一時間に")):
                return said.removeprefix("時速").removeprefix("秒速").removeprefix("一時間に")
        return said

    return _unit_pattern().sub(say, text)


def _counters(text: str) -> str:
    for written, said in pronunciations().counters.items():
        # 3件 in 13件 as well, but not 0時 in 10時.
        before = r"(?<![\d.])" if written[0] == "0" else r"(?<!\.)"
        text = re.sub(before + re.escape(written), said, text)
    return text


def _words(text: str) -> str:
    """Latin words by the table, as romanised Japanese, or spelled; Japanese words of the table."""
    table = _folded_words()
    text = _word_pattern().sub(lambda m: table[m[0].casefold().strip()], text)
    return re.sub(rf"[{_LATIN}]+(?:['’][{_LATIN}]+)*", lambda m: _latin(m[0]), text)


def _latin(word: str) -> str:
    plain = unicodedata.normalize("NFD", word)
    plain = "".join(c for c in plain if c.isascii() and c.isalpha())
    if not plain:
        return word
    if len(plain) > 3 or (len(plain) == 3 and not plain.isupper()):
        said = romanised(plain) or _approximate(plain)
        if said is not None:
            return said
    return "".join(pronunciations().letters[c] for c in plain.upper())


def romanised(word: str) -> str | None:
    """Kana of a romanised Japanese word (Roppongi → ロッポンギ), None when it is not one."""
    table, rest, out = pronunciations().romaji, word.casefold(), ""
    while rest:
        if len(rest) > 1 and rest[0] == rest[1] and rest[0] not in "aiueomn":
            out, rest = out + "ッ", rest[1:]
            continue
        if rest.startswith("tch"):
            out, rest = out + "ッ", rest[1:]
            continue
        size = next((n for n in (3, 2, 1) if rest[:n] in table), 0)
        if size:
            out, rest = out + table[rest[:size]], rest[size:]
        elif (
            rest[0] in "nm"
            and (len(rest) == 1 or rest[1] not in "aiueoy")
            and (rest[0] == "n" or rest[1:2] in ("b", "p", "m"))
        ):
            out, rest = out + "ン", rest[1:].removeprefix("'")
        else:
            return None
    return out


def _approximate(word: str) -> str | None:
    """A guess at a foreign word (Paris → パリス), None when it has no vowels to say."""
    table, rest = pronunciations(), word.casefold()
    if not re.search("[aeiouy]", rest):
        return None
    if len(rest) > 3 and re.search("[aeiouy].*[^aeiouy]e$", rest):
        rest = rest[:-1]
    for written, sound in table.sounds.items():
        rest = rest.replace(written, sound) if written not in ("c", "y") else _outside(rest, written, sound)
    out = ""
    while rest:
        if len(rest) > 1 and rest[0] == rest[1] and rest[0] not in "aiueo":
            rest = rest[1:]
            continue
        size = next((n for n in (3, 2, 1) if rest[:n] in table.romaji), 0)
        if size:
            out, rest = out + table.romaji[rest[:size]], rest[size:]
        elif rest[0] == "n":
            out, rest = out + "ン", rest[1:]
        else:
            size = next((n for n in (2, 1) if rest[:n] in table.consonants), 0)
            out, rest = out + table.consonants.get(rest[:size], ""), rest[max(1, size) :]
    return out or None


def _outside(word: str, letter: str, sound: str) -> str:
    """`letter` by its sound where it is not part of ch, or of a syllable with y."""
    if letter == "c":
        return re.sub("c(?!h)", sound, word)
    return re.sub("y(?![aiueo])", sound, word)


def _marks(text: str) -> str:
    """Marks that are not said become pauses."""
    text = re.sub(r"\s*[()\[\]{}【】<>|;:…]+\s*", "、", text)
    text = re.sub(r"(?<=[^\s])\s*/\s*(?=[^\s])", "、", text)
    text = re.sub(r"(?<=[ぁ-んァ-ヶー一-龥]) (?=[ぁ-んァ-ヶー一-龥])", "、", text)
    text = re.sub(r"、+(?=[、。!?])|^、+", "", text)
    return re.sub(r"、{2,}", "、", text).strip()


# ── what the rules are made of ──────────────────────────────────────────────────────────────────────────────────────


@functools.cache
def _unit_pattern() -> re.Pattern[str]:
    names = sorted(pronunciations().units, key=len, reverse=True)
    alternatives = "|".join(re.escape(name) for name in names)
    return re.compile(rf"(?<![{_LATIN}\d.])({_NUMBER})\s?(?:{alternatives})(?![{_LATIN}\d/])")


@functools.cache
def _folded_words() -> Mapping[str, str]:
    return {word.casefold(): said for word, said in pronunciations().words.items()}


@functools.cache
def _word_pattern() -> re.Pattern[str]:
    def one(word: str) -> str:
        quoted = re.escape(word)
        # A word of one letter is a word only in a line of Latin words ("Table for a Day").
        if len(word) == 1 and word.isascii():
            return rf"(?<=[{_LATIN}] ){quoted}(?= [{_LATIN}])"
        if word.endswith("."):
            return rf"(?<![{_LATIN}]){quoted}\s?(?=\d)"
        return rf"(?<![{_LATIN}]){quoted}(?![{_LATIN}])" if word[0].isascii() else quoted

    words = sorted(pronunciations().words, key=len, reverse=True)
    return re.compile("|".join(one(word) for word in words), re.IGNORECASE)


def _kana(text: str) -> bool:
    return bool(re.fullmatch("[ァ-ヶー]+", text))
