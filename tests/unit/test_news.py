"""Feeds from strangers become plain text."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.errors import BackendTimeout, BackendUnavailable, BadAnswer, NotFound
from backends.model import Headline, Language
from backends.news import FallbackNews, parse_rss, plain_text
from tests.fakes_information import MORNING, ScriptedNews, VirtualClock


def feed(*items: str, head: str = "<title>T</title>") -> bytes:
    return f'<?xml version="1.0"?><rss version="2.0"><channel>{head}{"".join(items)}</channel></rss>'.encode()


def read(body: bytes) -> tuple[Headline, ...]:
    return parse_rss(body, topic="general", language="ja", now=MORNING, demo=False)


def test_dates_order_and_limits() -> None:
    items = read(
        feed(
            "<item><title>old</title><pubDate>Tue, 02 Jun 2026 23:00:00 GMT</pubDate></item>",
            "<item><title>new</title><pubDate>Wed, 03 Jun 2026 10:00:00 +0900</pubDate></item>",
            "<item><title>future</title><pubDate>Wed, 03 Jun 2099 10:00:00 +0900</pubDate></item>",
            "<item><title>undated</title><pubDate>yesterday-ish</pubDate></item>",
            "<item><title> </title><description></description></item>",
            head="<title>Paper</title><lastBuildDate>Mon, 01 Jun 2026 00:00:00 GMT</lastBuildDate>",
        )
    )
    assert [h.title for h in items] == ["future", "new", "old", "undated"]
    assert items[0].published == MORNING, "nothing is younger than now"
    assert items[2].published == datetime(2026, 6, 2, 23, tzinfo=timezone.utc)
    assert items[3].published == datetime(2026, 6, 1, tzinfo=timezone.utc)
    assert {h.source for h in items} == {"Paper"}
    assert len(read(feed(*(f"<item><title>{i}</title></item>" for i in range(500))))) == 50


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>Rain &amp; wind</p><p>tomorrow</p>", "Rain & wind tomorrow"),
        ("a<script>alert(1)</script>b<style>p{}</style>c", "abc"),
        ("<img src=x onerror=alert(1)>Hi", "Hi"),
        ("&lt;b&gt;bold&lt;/b&gt; move", "bold move"),
        ("&amp;lt;script&amp;gt;x", "x"),
        ("evil\u202etxt\x00\x07 ok\u2028!", "eviltxt ok !"),
        ("<!--secret-->seen", "seen"),
        ("一行目<br/>二行目", "一行目 二行目"),
    ],
)
def test_markup_becomes_text(markup: str, text: str) -> None:
    assert plain_text(markup, 200).replace("  ", " ") == text


@given(st.text(alphabet=st.sampled_from("<>&;/!-[]\"'= scriptbo\x00\u202e天"), max_size=300))
def test_no_markup_survives(markup: str) -> None:
    text = plain_text(markup, 80)
    assert len(text) <= 80
    assert "<" not in text
    assert ">" not in text
    assert "\x00" not in text
    assert "\u202e" not in text


def test_cdata_html_links_and_ids() -> None:
    items = read(
        feed(
            "<item><title><![CDATA[<b>Big</b>]]></title><link>javascript:alert(1)</link><guid>x</guid></item>",
            "<item><title>A</title><link>https://example.org/a</link></item>",
            "<item><title>A again</title><guid>x</guid></item>",
        )
    )
    assert [(h.title, h.link) for h in items] == [("Big", None), ("A", "https://example.org/a")]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>not a feed</html>",
        b"<rss><channel><item>",
        b'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><rss version="2.0"><channel><title>&b;</title></channel></rss>',
        b'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY f SYSTEM "file:///etc/passwd">]><rss version="2.0"><channel><title>&f;</title></channel></rss>',
        b'<?xml version="1.0" encoding="no-such-code"?><rss/>',
        b"\xff\xfe<\x00r",
    ],
)
def test_what_is_no_feed_is_refused(body: bytes) -> None:
    with pytest.raises(BadAnswer):
        read(body)


async def test_fallback_is_asked_when_the_first_fails_and_the_first_rests() -> None:
    clock = VirtualClock()

    class Failing(ScriptedNews):
        async def headlines(self, topic: str, language: Language, limit: int = 10) -> tuple[Headline, ...]:
            self.asked.append((topic, language))
            raise BackendUnavailable("news")

    first, second = Failing(), ScriptedNews(read(feed("<item><title>local</title></item>")))
    news = FallbackNews(first, second, online=True, clock=clock)
    for _ in range(3):
        assert (await news.headlines("general", "ja"))[0].title == "local"
    assert len(first.asked) == 1, "a lost network costs one deadline, not one a turn"
    clock.advance(minutes=2)
    await news.headlines("general", "ja")
    assert len(first.asked) == 2

    offline = Failing()
    await FallbackNews(offline, second, online=False, clock=clock).headlines("general", "ja")
    assert not offline.asked, "going online was not allowed"


async def test_both_failing_is_an_error() -> None:
    class Broken(ScriptedNews):
        async def headlines(self, topic: str, language: Language, limit: int = 10) -> tuple[Headline, ...]:
            raise NotFound("news") if topic == "local" else BackendTimeout("news")

    news = FallbackNews(Broken(), Broken(), online=True, clock=VirtualClock())
    with pytest.raises(NotFound):
        await news.headlines("local", "ja")
    with pytest.raises(BackendTimeout):
        await news.headlines("general", "ja")
