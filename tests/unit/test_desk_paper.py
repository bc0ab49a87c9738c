"""Transcripts as PDF: what is read from the file again is what was said, and nothing in it is more than text."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.desk.archive import as_pdf
from agent.desk.paper import ENCODING, _breadth, _has, _wrapped, plain
from tests.unit.test_desk_store import HOSTILE, Bench

SAID = [
    "渋谷で駐車場のあるイタリアンを4人で予約したいのですが、予算は一人5,000円くらいです。",
    "「トラットリア青山」はいかがでしょうか？ 徒歩３分、駐車場（無料）もございます。",
    "ﾊﾝｶｸもＡＢＣも①②③も髙﨑さんも、㈱も℃も％も〒150-0001も。",
    'I would like a table for four at seven, please: not "too" noisy & under $50 (each).',
    "A" * 300,
    "あ" * 500,
]


def written(bench: Bench, *lines: str, **packet: Any) -> bytes:
    handoff = bench.submit(**packet)
    bench.do(lambda db: bench.store.claim(db, handoff, "suzuki"))
    bench.do(lambda db: bench.store.activate(db, handoff))
    for number, text in enumerate(lines):
        bench.say(handoff, text, "suzuki" if number % 2 else None, number)
    return as_pdf(bench.do(lambda db: bench.store.whole(db, handoff)))


def read(pdf: bytes) -> str:
    """The text of the file, without the white space of its lines."""
    from pdfminer.high_level import extract_text

    text = "".join(extract_text(io.BytesIO(pdf)).split())
    # The reader knows one character for each glyph; these share theirs.
    return text.translate({0x2BC: "’", 0x2BB: "‘"})


@pytest.fixture
def bench() -> Any:
    made = Bench()
    yield made
    made.engine.dispose()


def test_what_is_read_again_is_what_was_said(bench: Bench) -> None:
    text = read(written(bench, *SAID))
    for said in SAID:
        assert "".join(said.split()) in text, said
    for fact in ("suzuki", "owner", "summary", "driver"):
        assert fact in text


def test_a_long_talk_goes_over_many_pages_and_nothing_is_lost(bench: Bench) -> None:
    from pdfminer.pdfpage import PDFPage

    lines = [f"{number}番目の言葉です。" for number in range(150)]
    pdf = written(bench, *lines)
    text = read(pdf)
    assert all(line in text for line in lines)
    assert len(list(PDFPage.get_pages(io.BytesIO(pdf)))) > 3


@pytest.mark.parametrize("text", [*HOSTILE, "<a href='http://evil.example'>x</a><img src='/etc/passwd'/>", ") Tj ET /JS (app.alert(1)) endstream endobj", "\\) <</S/JavaScript>>"])  # fmt: skip
def test_hostile_text_is_text(bench: Bench, text: str) -> None:
    from pdfminer.pdfdocument import PDFDocument
    from pdfminer.pdfparser import PDFParser
    from pdfminer.pdftypes import PDFStream, resolve1
    from pdfminer.psparser import LIT

    pdf = written(bench, text, driver=text)
    shown = "".join(plain(text).split())
    assert shown in read(pdf)
    document = PDFDocument(PDFParser(io.BytesIO(pdf)))
    # No object of the file does anything: no action, no script, no link, no file that comes along.
    seen = 0
    for xref in document.xrefs:
        for number in xref.get_objids():
            found = resolve1(document.getobj(number))
            attributes = found.attrs if isinstance(found, PDFStream) else found
            if isinstance(attributes, dict):
                seen += 1
                assert not {"JS", "JavaScript", "AA", "OpenAction", "URI", "Launch", "EmbeddedFiles", "Annots"} & set(attributes)  # fmt: skip
                assert attributes.get("S") not in (LIT("JavaScript"), LIT("URI"), LIT("Launch"))
    assert seen > 4


@pytest.mark.parametrize(
    ("text", "shown"),
    [("寿司🍣", "寿司[U+1F363]"), ("\u202eabc", "[U+202E]abc"), ("한국", "[U+D55C][U+AD6D]"), ("a\x00b", "a[U+0000]b"), ("café", "café"), ("𠮷野家", "[U+20BB7]野家")],
)  # fmt: skip
def test_a_character_the_fonts_do_not_have_is_written_as_its_number(bench: Bench, text: str, shown: str) -> None:
    assert plain(text) == shown
    assert shown in read(written(bench, text))


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("あ漢、。」x y-ABC\n"), max_size=120), st.floats(40, 300))
def test_lines_fit_and_put_together_are_the_text(text: str, width: float) -> None:
    lines = list(_wrapped(text, width))
    assert re.sub(r"\s", "", "".join(lines)) == re.sub(r"\s", "", text)
    # A mark that may not begin a line hangs over; a few in a row do so together.
    for line in lines:
        body = line.rstrip("、。」 ")
        assert sum(map(_breadth, body)) <= width or len(body) == 1 or line[len(body) :]


def test_english_is_broken_between_words() -> None:
    lines = list(_wrapped("I would like a table for four at seven", 80))
    assert len(lines) > 2
    assert " ".join(line.strip() for line in lines) == "I would like a table for four at seven"


def test_what_counts_as_there_is_in_the_fonts() -> None:
    """Held against the table of the characters' numbers that PDF readers use."""
    from pdfminer.cmapdb import CMapDB

    table = CMapDB.get_cmap(ENCODING)
    there = [chr(code) for code in range(0x20, 0x30000, 7) if _has(chr(code))]
    assert len(there) > 1500
    assert [c for c in there if not any(table.decode(c.encode("utf-16-be")))] == []
