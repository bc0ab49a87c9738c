"""The handoff packet: schema, digest, redaction, signatures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends import packet as p
from backends.errors import BadAnswer
from backends.redaction import luhn, redact, redact_all
from backends.signing import BadSignature, sign, verify
from tests.fakes_desk import packet

CARD = "4242 4242 4242 4242"


def test_a_packet_keeps_its_digest_through_json() -> None:
    sealed = packet("「こんにちは」 <b>&\u2028")
    again = json.loads(json.dumps(sealed, ensure_ascii=True))
    p.check(again)
    assert again == sealed


@pytest.mark.parametrize(
    "changes",
    [
        {"reason": "because"}, {"version": "2.0"}, {"id": "../../etc"}, {"created_at": "yesterday"}, {"unknown": 1},
        {"position": {"latitude": 91}}, {"driver": {"id": "x", "language": "de", "contract": "active"}}, {"summary": {"ja": "x"}},
        {"transcript": [{"n": 0}]}, {"test": "no"},
    ],
)  # fmt: skip
def test_what_does_not_fit_the_schema_is_refused_by_both_sides(changes: dict[str, Any]) -> None:
    with pytest.raises(BadAnswer):
        packet(**changes)


@pytest.mark.parametrize("key", sorted(packet()))
def test_a_change_anywhere_breaks_the_digest(key: str) -> None:
    sealed = packet()
    tampered = {**sealed, key: packet("ほかの話", driver="somebody")[key]}
    if tampered == sealed:
        tampered = {**sealed, "summary": {**sealed["summary"], "ja": "偽の要約"}}
    assert p.problem_of(tampered) is not None


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        (f"カードは{CARD}です", {"card_number": 1}),
        ("カードは４２４２－４２４２－４２４２－４２４２", {"card_number": 1}),
        ("四二四二四二四二四二四二四二四二で払います", {"card_number": 1}),
        ("my card is 3782 822463 10005 thanks", {"card_number": 1}),
        ("3枚 4242424242424242 と 5555555555554444", {"card_number": 2}),
        ("暗証番号は4649です", {"secret": 1}),
        ("パスワードはhimitsu123です", {"secret": 1}),
        ("my PIN is 9876", {"secret": 1}),
        ("the password is correct-horse", {"secret": 1}),
        ("セキュリティコードは123です", {"secret": 1}),
        ("マイナンバーは1234 5678 9012です", {"my_number": 1}),
        ("電話は090-1234-5678です", {}),
        ("call 0800-300-0365 or +81 3-1234-5678", {}),
        ("暗証番号を忘れました", {}),
        ("暗証番号って何ですか", {}),
        ("4242 4242 4242 4241は違う番号", {}),
        ("渋谷で2026年5月11日19時に4名", {}),
    ],
)
def test_secrets_and_card_numbers_go_and_nothing_else(text: str, kinds: dict[str, int]) -> None:
    out, found = redact(text)
    assert dict(found) == kinds
    assert (out == text) == (not kinds)
    for secret in ("4242 4242", "４２４２", "四二四二", "4649", "himitsu", "9876", "correct-horse", "9012"):
        if kinds:
            assert secret not in out


@given(st.integers(10**12, 10**18 - 1), st.sampled_from(["", " ", "-", "・"]), st.integers(1, 6))
def test_every_number_that_passes_the_check_is_taken_out(body: int, between: str, every: int) -> None:
    digits = next(str(body) + str(d) for d in range(10) if luhn(str(body) + str(d)))
    if len(set(digits)) == 1:
        return
    groups = [digits[i : i + every] for i in range(0, len(digits), every)]
    out, found = redact(f"番号 {between.join(groups)} です")
    assert found["card_number"] >= 1
    assert digits not in out.replace(between, "") if between else digits not in out


def test_redaction_says_where() -> None:
    out, notes = redact_all({"transcript": [{"text": "はい"}, {"text": f"番号は{CARD}"}], "n": 3})
    assert notes == [("/transcript/1/text", "card_number", 1)]
    assert out["transcript"][1]["text"] == "番号は[card_number]"


def test_a_signed_call_is_taken_once_unchanged_and_in_time() -> None:
    body = '{"a": "あ"}'.encode()
    headers = sign("car", "secret", "POST", "/api?x=1", body, now=1000)
    assert verify("secret", "POST", "/api?x=1", headers, body, now=1100) == headers["X-Desk-Nonce"]
    for method, path, sent, secret, at in (
        ("POST", "/api?x=1", body + b" ", "secret", 1000), ("POST", "/api?x=2", body, "secret", 1000), ("GET", "/api?x=1", body, "secret", 1000),
        ("POST", "/api?x=1", body, "other", 1000), ("POST", "/api?x=1", body, "secret", 1301), ("POST", "/api?x=1", body, "secret", 699),
    ):  # fmt: skip
        with pytest.raises(BadSignature):
            verify(secret, method, path, headers, sent, now=at)
    with pytest.raises(BadSignature):
        verify("secret", "POST", "/api?x=1", {**headers, "X-Desk-Nonce": headers["X-Desk-Nonce"] + "x"}, body, now=1000)
    with pytest.raises(BadSignature):
        verify("secret", "GET", "/", {}, b"")


def test_the_schema_file_is_a_schema_and_closed() -> None:
    schema = json.loads(Path(p.SCHEMA_FILE).read_text(encoding="utf-8"))
    assert schema["additionalProperties"] is False
    assert schema["properties"]["reason"]["enum"] == list(p.REASONS)
