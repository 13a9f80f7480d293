"""Directory index pages, as Apache, nginx, lighttpd and Python's http.server write them."""

import html
import re
from calendar import month_abbr
from collections.abc import Iterator
from typing import IO
from urllib.parse import unquote, urljoin, urlsplit

from pileus.edges.providers.address import shown
from pileus.errors import NotAListing
from pileus.models import Listed, Problem, listed

CHUNK = 1 << 20
PAGES = (".html", ".htm", ".php", ".asp", ".aspx", ".css", ".js", ".ico")
"""Files that any web page links to; alone they do not make it an index."""
_TITLE = re.compile(rb"<(?:title|h1)[^>]*>\s*(?:index of|directory listing|directory:|listing of)", re.I)
_ANCHOR = re.compile(
    rb"<a\s[^>]*?href\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s>]+))[^>]*>.*?</a\s*>(.*?)(?=<a[\s>]|\Z)", re.I | re.S
)
_TAGS = re.compile(rb"<[^>]*>")
_DATE = re.compile(
    r"\b(?:(?P<y>\d{4})-(?P<m>\d\d|[A-Z][a-z]{2})-(?P<d>\d\d)|(?P<D>\d\d)-(?P<M>[A-Z][a-z]{2})-(?P<Y>\d{4}))"
    r"[ T](?P<time>\d\d:\d\d(?::\d\d)?)"
)
"""2022-01-05 04:18 (Apache), 2022-Jan-05 04:18:07 (lighttpd), 05-Jan-2022 04:18 (nginx)."""
_MONTHS = {name: f"{number:02}" for number, name in enumerate(month_abbr)}
_PLAIN = re.compile(r"[\w.-]+")
"""A link that is just the name of a file in the same folder."""
_SIZE = re.compile(r"(?:^|\s)(\d+)\s*(?:B|bytes)?\s*$")


def parse_index_page(page: IO[bytes], url: str) -> Iterator[Listed | Problem]:
    """Yield the files that the page at `url` lists, in its order; a million need no more memory than one.

    A link counts when it leads to a file directly in the page's folder, whether it is written relative, absolute or
    with the host. The column of an icon and that of the name may both link: an entry is yielded once. Sizes such as
    `523M` are rounded and left out. Dates are as the server shows them, mostly in its local time.
    Raises NotAListing when the page neither calls itself an index nor links to any file but web pages.
    """
    folder = urljoin(url, ".")
    head = page.read(CHUNK)
    named = bool(_TITLE.search(head))
    files = 0
    held: Listed | None = None
    for href, rest in _anchors(page, head):
        found = _entry(href, rest, url, folder)
        if found is None:
            continue
        if isinstance(found, Problem):
            yield found
            continue
        if held is not None and held.url == found.url:
            held = Listed(found.name, found.url, held.size or found.size, held.modified or found.modified)
            continue
        if held is not None:
            yield held
        held = found
        files += not found.name.lower().endswith(PAGES)
        if not named and not files:
            held = None
    if held is not None:
        yield held
    if not named and not files:
        raise NotAListing("this page is not a directory index", where=shown(url))


def _anchors(page: IO[bytes], text: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield each link and the text after it, up to the next link."""
    while True:
        more = page.read(CHUNK)
        # The last link of the text so far may go on in what follows.
        cut = max(text.rfind(b"<a "), text.rfind(b"<A "), text.rfind(b"<a\n")) if more else len(text)
        for match in _ANCHOR.finditer(text, 0, cut if cut > 0 else 0):
            href = next(part for part in match.groups()[:3] if part is not None)
            yield html.unescape(href.decode("utf-8", "replace")), match[4]
        if not more:
            return
        text = text[max(cut, 0) :] + more


def _entry(href: str, rest: bytes, url: str, folder: str) -> Listed | Problem | None:
    if _PLAIN.fullmatch(href) and href.strip("."):
        return listed(href, folder + href, *_facts(rest))
    if href.startswith(("?", "#")) or href.endswith("/"):
        return None
    try:
        target = urljoin(url, href)
        split = urlsplit(target)
    except ValueError:
        return None
    place, _, last = target.rpartition("/")
    name = unquote(last)
    if split.query or split.fragment or unquote(place + "/") != unquote(folder) or name in ("", ".", ".."):
        return None
    return listed(name, target, *_facts(rest))


def _facts(rest: bytes) -> tuple[int | None, str | None]:
    """Return the exact size and the date, as ISO 8601, in what follows a link."""
    text = html.unescape(_TAGS.sub(b" ", rest).decode("utf-8", "replace"))
    match = _DATE.search(text)
    if match is None:
        return None, None
    year, month, day = match["y"] or match["Y"], match["m"] or match["M"], match["d"] or match["D"]
    size = _SIZE.search(text, match.end())
    modified = f"{year}-{_MONTHS.get(month, month)}-{day}T{match['time']}"
    return int(size[1]) if size else None, modified
