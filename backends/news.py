"""News: RSS 2.0 feeds by topic and language, and one source after another.

Feeds come from outside: what leaves this file is plain text of bounded length. Document types and entities are refused
(defusedxml), tags, scripts, control and direction characters are dropped, links other than http(s) are not kept.
"""

from __future__ import annotations

import asyncio
import hashlib
import html
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from backends import http
from backends.errors import BackendError, BackendTimeout, BackendUnavailable, BadAnswer, NotFound
from backends.model import Headline, Language
from backends.ports import News

STAGE = "news"
TOPICS = ("general", "sports", "business", "technology", "entertainment", "world", "local", "science")
VALIDITY = timedelta(hours=24)
"""Headlines older than this are called old when they are read."""
MAX_ITEMS = 50
MAX_TITLE = 160
MAX_SUMMARY = 600
MAX_FEED_BYTES = 1_000_000

Feeds = Mapping[str, Mapping[Language, str]]


def local_clock() -> datetime:
    """The machine's own time with its zone."""
    return datetime.now().astimezone()


class RssNews:
    """The feeds of one publisher or of the centre."""

    def __init__(
        self,
        feeds: Feeds,
        session: aiohttp.ClientSession,
        deadline_s: float = 2.0,
        *,
        clock: Callable[[], datetime] = local_clock,
        fresh_s: float = 300,
        stale_s: float = 86_400,
    ) -> None:
        """`feeds`: topic → language → URL."""
        self._feeds = feeds
        self._session = session
        self._deadline_s = deadline_s
        self._clock = clock
        self._fresh = timedelta(seconds=fresh_s)
        self._stale = timedelta(seconds=stale_s)
        self._kept: dict[str, tuple[datetime, tuple[Headline, ...]]] = {}

    async def headlines(self, topic: str, language: Language, limit: int = 10) -> tuple[Headline, ...]:
        url = self._feeds.get(topic, {}).get(language)
        if url is None:
            raise NotFound(STAGE, "no feed for this topic and language")
        now = self._clock()
        kept = self._kept.get(url)
        if kept is not None and timedelta() <= now - kept[0] < self._fresh:
            return kept[1][:limit]
        try:
            answer = await http.get(
                self._session, url, stage=STAGE, deadline_s=self._deadline_s, max_bytes=MAX_FEED_BYTES
            )
            # A megabyte of XML takes tens of milliseconds: not on the loop that serves the driver.
            items = await asyncio.to_thread(
                parse_rss, answer.body, topic=topic, language=language, now=now, demo=answer.demo
            )
        except (BackendUnavailable, BackendTimeout, BadAnswer):
            if kept is not None and timedelta() <= now - kept[0] < self._stale:
                return kept[1][:limit]
            raise
        self._kept[url] = (now, items)
        return items[:limit]


def parse_rss(body: bytes, *, topic: str, language: Language, now: datetime, demo: bool) -> tuple[Headline, ...]:
    """The items of an RSS 2.0 document, newest first, as plain text. Raises `BadAnswer`."""
    from defusedxml import ElementTree
    from defusedxml.common import DefusedXmlException

    try:
        root = ElementTree.fromstring(body, forbid_dtd=True)
    except (ElementTree.ParseError, DefusedXmlException, ValueError, LookupError, RecursionError) as error:
        raise BadAnswer(STAGE, f"not RSS: {type(error).__name__}") from error
    channel = root.find("channel") if root.tag == "rss" else None
    if channel is None:
        raise BadAnswer(STAGE, "not RSS 2.0")
    source = plain_text(_text(channel, "title"), 60) or "RSS"
    since = _date(_text(channel, "lastBuildDate")) or _date(_text(channel, "pubDate")) or now
    items: dict[str, Headline] = {}
    for element in channel.findall("item")[:MAX_ITEMS]:
        title = plain_text(_text(element, "title"), MAX_TITLE)
        summary = plain_text(_text(element, "description"), MAX_SUMMARY)
        if not (title or summary):
            continue
        link = _web_link(_text(element, "link"))
        # A feed's own id may be anything of any length; a digest of it is not.
        own = _text(element, "guid") or link or title
        identity = hashlib.sha256(own.encode("utf-8", "replace")).hexdigest()[:16]
        published = min(_date(_text(element, "pubDate")) or since, now)
        items.setdefault(
            identity,
            Headline(identity, title or summary[:MAX_TITLE], summary, topic, published, source, link, language, demo),
        )
    return tuple(sorted(items.values(), key=lambda h: h.published, reverse=True))


def _text(element: Any, tag: str) -> str:
    child = element.find(tag)
    # Feeds that forget to escape their HTML leave elements inside the text: all text counts, whatever it is wrapped in.
    return "" if child is None else "".join(child.itertext()).strip()


def _date(text: str) -> datetime | None:
    """An RFC 822 date; one without a zone counts as UTC, as RFC 5322 says of "-0000"."""
    try:
        found = parsedate_to_datetime(text[:64])
        found = found if found.tzinfo else found.replace(tzinfo=timezone.utc)
        found.utctimetuple()  # overflows for dates at the ends of the calendar
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return found


def _web_link(text: str) -> str | None:
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    plain = text.isprintable() and " " not in text and len(text) <= 2000
    return text if plain and parts.scheme in ("http", "https") and parts.netloc else None


class _Stripper(HTMLParser):
    """Collects the text between tags, except inside elements whose text is not for reading."""

    _SKIPPED = frozenset({"script", "style", "template", "iframe", "object", "noscript", "svg", "math", "head"})
    _BREAKS = frozenset({"br", "p", "div", "li", "tr", "td", "h1", "h2", "h3", "h4"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._skipping = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self._SKIPPED:
            self._skipping += 1
        elif tag in self._BREAKS:
            self.parts.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._SKIPPED:
            self._skipping = max(0, self._skipping - 1)

    def handle_data(self, data: str) -> None:
        if not self._skipping:
            self.parts.append(data)


_SPACE = re.compile(r"\s+")
_TAG = re.compile(r"<[^<>]{0,2000}>")


def plain_text(markup: str, limit: int) -> str:
    """Readable text of at most `limit` characters: no tags, no entities, no control or direction characters."""
    text = _strip(markup[: limit * 40])
    # "&amp;lt;b&amp;gt;": escaped twice by careless publishers, so looked at once more.
    text = _TAG.sub(" ", html.unescape(text))
    text = "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in text)
    text = "".join(c for c in text if unicodedata.category(c) not in ("Cf", "Cs", "Co", "Cn"))
    text = _SPACE.sub(" ", text.replace("<", "").replace(">", "")).strip()
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _strip(markup: str) -> str:
    stripper = _Stripper()
    try:
        stripper.feed(markup)
        stripper.close()
    except (AssertionError, ValueError):  # html.parser on malformed declarations
        return _TAG.sub(" ", markup)
    return "".join(stripper.parts)


class FallbackNews:
    """Asks `first` within a short deadline when going online is allowed, else or on failure `second`."""

    def __init__(
        self,
        first: News,
        second: News,
        *,
        online: bool,
        clock: Callable[[], datetime] = local_clock,
        deadline_s: float = 1.2,
        retry_after_s: float = 60.0,
    ) -> None:
        self._first = first
        self._second = second
        self._online = online
        self._clock = clock
        self._deadline_s = deadline_s
        self._retry_after = timedelta(seconds=retry_after_s)
        self._failed_at: datetime | None = None

    async def headlines(self, topic: str, language: Language, limit: int = 10) -> tuple[Headline, ...]:
        resting = self._failed_at is not None and timedelta() <= self._clock() - self._failed_at < self._retry_after
        if self._online and not resting:
            try:
                items = await asyncio.wait_for(self._first.headlines(topic, language, limit), self._deadline_s)
                self._failed_at = None
                return items
            except NotFound:
                pass  # this publisher has no such feed: the second may
            except (BackendError, TimeoutError, asyncio.TimeoutError):
                self._failed_at = self._clock()
        return await self._second.headlines(topic, language, limit)


def centre_feeds(base_url: str, topics: Sequence[str] = TOPICS) -> dict[str, dict[Language, str]]:
    """Where the centre publishes its feeds: {base}/rss/{language}/{topic}.xml."""
    base = base_url.rstrip("/")
    return {t: {"ja": f"{base}/rss/ja/{t}.xml", "en": f"{base}/rss/en/{t}.xml"} for t in topics}
