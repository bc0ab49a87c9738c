"""End of speech in virtual time: every pause is counted in frames."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from audio.endpointing import Completeness, End, Endpointing, Pauses, completeness
from audio.frames import FRAME_S


def judge(text: str) -> Completeness:
    return "complete" if text.endswith(("つけて", "off", "寒いんだけど", "skip this one")) else "unknown"


def run(endpointing: Endpointing, script: Sequence[tuple[float, float, str | None]]) -> tuple[float, End] | None:
    """`script`: seconds, probability, the partial text that arrives with the first of them. Seconds to the end, and why."""
    endpointing.start()
    frames = 0
    for seconds, probability, partial in script:
        for n in range(round(seconds / FRAME_S)):
            frames += 1
            end = endpointing.accept(probability, partial if n == 0 else None)
            if end is not None:
                return round(frames * FRAME_S, 2), end
    return None


@pytest.mark.parametrize(
    ("text", "pause"),
    [
        ("エアコンつけて", 0.44),
        ("渋谷で", 0.8),
        ("ラーメンと", 1.5),
        ("渋谷で、えーと", 1.5),
        ("番号は03", 1.5),
        ("あのー", 1.5),
        ("もっと", 0.8),
        ("寒いんだけど", 0.44),
        ("渋谷に行きたいんだけど", 1.5),
        (None, 0.8),
    ],
)
def test_the_pause_depends_on_what_was_said(text: str | None, pause: float) -> None:
    end = run(Endpointing(judge, "ja"), [(0.5, 0.0, None), (1.0, 0.9, text), (5, 0.0, None)])
    assert end == (round(1.5 + pause, 2), "pause")


@pytest.mark.parametrize(
    ("text", "pause"),
    [
        ("turn it off", 0.44),
        ("find coffee and", 1.5),
        ("it is um", 1.5),
        ("the band", 0.8),
        ("skip this one", 0.44),
        ("five one", 1.5),
    ],
)
def test_english(text: str, pause: float) -> None:
    assert run(Endpointing(judge, "en"), [(1.0, 0.9, text), (5, 0.0, None)]) == (round(1.0 + pause, 2), "pause")


def test_the_text_may_arrive_in_the_pause() -> None:
    script = [(1.0, 0.9, "エアコン"), (0.3, 0.0, None), (5.0, 0.0, "エアコンつけて")]
    assert run(Endpointing(judge, "ja"), script) == (1.44, "pause")


def test_going_on_begins_the_pause_anew() -> None:
    script = [(0.6, 0.9, "渋谷で"), (0.7, 0.1, None), (0.6, 0.9, "渋谷でエアコンつけて"), (5, 0.1, None)]
    assert run(Endpointing(judge, "ja"), script) == (2.34, "pause")


def test_a_knock_is_no_word() -> None:
    assert run(Endpointing(judge, "ja"), [(0.06, 0.9, None), (20, 0.0, None)]) == (7.0, "nothing")


def test_a_knock_in_the_pause_does_not_prolong_it() -> None:
    script = [(1.0, 0.9, "エアコンつけて"), (0.2, 0.0, None), (0.06, 0.9, None), (5, 0.0, None)]
    assert run(Endpointing(judge, "ja"), script) == (1.44, "pause")


def test_speech_may_fade_without_breaking_off() -> None:
    assert run(Endpointing(judge, "ja"), [(0.5, 0.9, None), (2.0, 0.4, None), (5, 0.1, None)]) == (3.3, "pause")


def test_who_never_stops_is_stopped() -> None:
    assert run(Endpointing(judge, "ja"), [(1.0, 0.0, None), (60, 0.9, None)]) == (21.0, "longest")


def test_pauses_can_be_set_and_make_sense() -> None:
    patient = Pauses(complete=1.0, unknown=2.0, open=4.0)
    assert run(Endpointing(judge, "ja", patient), [(1.0, 0.9, "ラーメンと"), (9, 0.0, None)]) == (5.0, "pause")
    with pytest.raises(ValueError, match="pauses"):
        Pauses(complete=2.0, unknown=1.0)


def test_each_new_text_is_judged_once() -> None:
    asked: list[str] = []
    endpointing = Endpointing(lambda text: asked.append(text) or "unknown", "ja")  # type: ignore[func-returns-value]
    run(endpointing, [(0.4, 0.9, "渋谷"), (0.4, 0.9, "渋谷で"), (0.4, 0.9, None)])
    assert asked == ["渋谷", "渋谷で"]
    assert completeness("  ", "ja", judge) == "unknown"
