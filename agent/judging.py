"""What is made of something heard: a request, or why it is none. Pure; the voice loop acts on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from agent.voice_ports import NOT_FOR_US
from agent.voice_words import VoiceWords

Taken = Literal["request", "nothing", "unsure", "own_voice", "backchannel", "aside", "hush", "wake_word"]
WAKE_LIKENESS: Final = 62.0
"""how like the wake phrase its sounds in a text must be, in percent: recognizers write names they do not know as they like"""
WAKE_WITHIN: Final = 20
"""sounds from the beginning of a text within which the wake phrase is looked for: what was kept from before it is short"""
OWN_SHARE: Final = 0.15
"""share of the agent's own voice in the sound below which it was somebody who repeats our words"""


@dataclass(frozen=True, slots=True)
class Situation:
    """Where it was heard."""

    called: bool
    """after the wake word or a button: whatever is said is meant for us"""
    wake_phrase: str
    into_an_answer: bool
    """while the agent spoke"""
    question_heard: bool
    """a question of the agent's has been heard, or is being asked right now"""
    said: str
    """the agent's own words of the last seconds"""
    own: float | None
    """share of the agent's own voice in the sound, 0 … 1; None when it is not known"""
    meaning: str
    """intent, as far as it is known already"""
    unsure: float
    """confidence below which it is asked for again"""


def judge(text: str, confidence: float, words: VoiceWords, situation: Situation) -> Taken:
    """`text` without the wake phrase."""
    if not text:
        return "wake_word" if situation.called and situation.wake_phrase else "nothing"
    if not situation.called and is_own(text, words, situation):
        return "own_voice"
    if situation.into_an_answer and (aside := _aside(text, words, situation)) is not None:
        return aside
    return "unsure" if confidence < situation.unsure else "request"


def is_own(text: str, words: VoiceWords, situation: Situation) -> bool:
    """Whether a text is the agent's own, heard back: the words match, and the sound does not say otherwise."""
    if not words.is_own(text, situation.said):
        return False
    return situation.own is None or situation.own >= OWN_SHARE


def _aside(text: str, words: VoiceWords, situation: Situation) -> Taken | None:
    """Said into an answer without wanting the word; None: it is wanted."""
    if situation.question_heard and words.is_answer(text):
        return None
    if words.is_hush(text):
        return "hush"
    if words.is_backchannel(text):
        return "backchannel"
    if words.is_short(text) and not words.is_command(text):
        return "aside"
    return "aside" if situation.meaning in NOT_FOR_US else None


def without_wake_phrase(text: str, phrase: str, words: VoiceWords) -> str:
    """The words after the wake phrase, however it was written down, and without what was said before it. A text that has no
    wake phrase in it stays as it is."""
    from rapidfuzz import fuzz

    wanted, whole = words.key(phrase).replace(" ", ""), words.key(text).replace(" ", "")
    if not wanted or not whole:
        return text
    if len(whole) < len(wanted):
        # Still being said.
        return "" if wanted.startswith(whole) else text
    beginning = whole[: len(wanted) + WAKE_WITHIN]
    found = fuzz.partial_ratio_alignment(wanted, beginning, score_cutoff=WAKE_LIKENESS)
    if found is None:
        return text
    tail = wanted[-4:]
    # The whole may be aligned a sound too far; where its last sounds fit best is where it ends.
    ends = range(max(len(tail), found.dest_end - 3), min(len(beginning), found.dest_end + 3) + 1)
    end = max(ends, key=lambda end: fuzz.ratio(tail, beginning[end - len(tail) : end]), default=found.dest_end)
    return text[_cut(text, end, words) :].lstrip(" 、。,.!?！？・")


def _cut(text: str, end: int, words: VoiceWords) -> int:
    """Where in the text its key's first `end` sounds are over, at the end of a word where words are written apart."""
    for cut in range(1, len(text) + 1):
        at_a_word = words.language == "ja" or not text[cut : cut + 1].isalnum()
        if at_a_word and len(words.key(text[:cut]).replace(" ", "")) >= end:
            return cut
    return len(text)
