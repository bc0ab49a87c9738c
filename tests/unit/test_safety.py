"""Distress told in words is recognised; talk about distress is not."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from agent.safety import Safety, SafetyDataError

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("CONCIERGE_SHARED") or ROOT.parent / "shared")

DISTRESS = {
    "accident": [
        "事故った", "ぶつけられた", "追突されました", "事故を起こしてしまいました", "人をはねてしまった", "電柱にぶつかった", "車が燃えてる",
        "事故です！", "ジコった", "エアバッグが開いた", "あの、さっきの、いや、事故っちゃったんだけど", "じこ を おこし ました",
        "I've had an accident", "we just crashed", "someone hit us", "I hit a pedestrian", "the car is on fire", "I was rear-ended",
        "there's been an accident here", "I had a car accident", "no wait, we've been in a crash",
    ],
    "injury": ["血が止まらない", "けがをした", "怪我人がいます", "I'm bleeding", "she broke her leg"],
    "illness": [
        "胸が苦しい", "息ができない", "意識がありません", "妻が倒れた", "子供がけいれんしてる", "胸が痛い", "I can't breathe", "my chest hurts",
        "my wife passed out", "I'm having a heart attack", "he is not breathing", "I think I'm having a stroke",
    ],
    "harassment": [
        "煽られてる", "後ろの車にあおり運転されてる", "知らない人に追いかけられてる", "窓を叩かれてる", "あおられて怖い",
        "a guy is tailgating me", "I'm being followed", "somebody is trying to run me off the road",
    ],
    "help": ["救急車を呼んで", "助けて！", "警察を呼んでください", "call an ambulance", "help!", "help me please", "call 911"],
    "unwell": ["気分が悪い", "吐きそう", "I don't feel well", "I feel dizzy"],
}  # fmt: skip
NOT_DISTRESS = [
    # asked about
    "事故の情報ある？", "この先に事故はありますか", "事故渋滞は？", "ルート上で事故は起きてる？", "事故で渋滞してる？", "事故があったら教えて",
    "accident on the route?", "is there an accident ahead", "any crashes on the highway", "traffic accidents near me",
    # denied
    "事故ってないよ", "事故には遭っていません", "胸が苦しくない", "nobody is hurt", "I'm not hurt", "I wasn't in an accident",
    # supposed
    "もし事故ったらどうすればいい？", "事故を起こしたらどこに電話するの", "あおり運転されたらどうする", "ぶつけられたら保険は使える？",
    "what if I have an accident", "what should I do if I crash",
    # quoted, played, long past
    "映画で人が倒れた", "胸が苦しいっていう曲をかけて", "煽り運転のニュース", "昨日事故った", "play I can't breathe", "I was in an accident last year",
    # near by in words
    "近くの病院を探して", "近くに警察署ある？", "死ぬほどお腹すいた", "助けてくれてありがとう", "事故に気をつけて", "暑い", "気分がいい",
    "find a hospital", "is there a police station nearby", "help", "what can you do", "can you help me find a restaurant",
    "what is the exchange rate for philippine pesos",
]  # fmt: skip


@pytest.fixture(scope="module")
def safety() -> Safety:
    return Safety.load(ROOT / "nlu_data" / "safety")


@pytest.mark.parametrize(("kind", "text"), [(k, t) for k, texts in DISTRESS.items() for t in texts])
def test_distress_is_recognised(safety: Safety, kind: str, text: str) -> None:
    found = safety.check(text)
    assert found is not None, text
    assert found.kind == kind


@pytest.mark.parametrize("text", NOT_DISTRESS)
def test_talk_about_it_is_not(safety: Safety, text: str) -> None:
    assert safety.check(text) is None


def test_quick_on_hostile_text(safety: Safety) -> None:
    started = time.perf_counter()
    for text in ("事故" * 5000, "my chest " * 2000, "a" * 10_000, "が" * 10_000, "((((" * 2000):
        safety.check(text)
    assert time.perf_counter() - started < 1.0


def test_broken_data_names_file_and_pattern(tmp_path: Path) -> None:
    for name in ("ja.yml", "en.yml"):
        (tmp_path / name).write_text(
            "kinds: {accident: ['(']}\nguards: {before: [], after: [], anywhere: [], always: []}", encoding="utf-8"
        )
    with pytest.raises(SafetyDataError, match=r"ja\.yml"):
        Safety.load(tmp_path)


def test_few_false_alarms_on_what_people_really_say(safety: Safety) -> None:
    """At most one in a thousand messages of people who were in no distress."""
    folder = SHARED / "evaluation"
    if not folder.is_dir():
        pytest.skip("the shared evaluation data is not here")
    texts: list[str] = []
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            texts += [row["text"]] if isinstance(row.get("text"), str) else []
    if not texts:
        pytest.skip("the shared evaluation data has no texts")
    alarms = [t for t in texts if safety.check(t) is not None]
    assert len(alarms) <= len(texts) / 1000, alarms[:10]
