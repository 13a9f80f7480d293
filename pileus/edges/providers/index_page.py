"""Directory index pages, as Apache, nginx, lighttpd and Python's http.server write them."""

import html
import re
from calendar import month_abbr
from collections.abc import Iterator
from io import BytesIO
from typing import IO
from urllib.parse import unquote, urljoin, urlsplit

from pileus.edges.providers.address import shown
from pileus.edges.providers.listing_limits import number_of
from pileus.edges.providers.page_links import Heading, Link, marks
from pileus.errors import NotAListing
from pileus.models import Listed, Problem, listed
from pileus.names import shown_name

HEAD = 1 << 20
"""Bytes in which a page says that it is an index."""
LONGEST_LINK = 4096
"""Bytes of the longest link that can lead to a file."""
PAGES = (".html", ".htm", ".php", ".asp", ".aspx", ".css", ".js", ".ico")
"""Files that any web page links to; alone they do not make it an index."""
TITLES = ("index of", "directory listing", "directory:", "listing of")
_DATE = re.compile(
    r"\b(?:(?P<y>\d{4})-(?P<m>\d\d|[A-Z][a-z]{2})-(?P<d>\d\d)|(?P<D>\d\d)-(?P<M>[A-Z][a-z]{2})-(?P<Y>\d{4}))"
    r"[ T](?P<time>\d\d:\d\d(?::\d\d)?)",
    re.ASCII,
)
"""2022-01-05 04:18 (Apache), 2022-Jan-05 04:18:07 (lighttpd), 05-Jan-2022 04:18 (nginx)."""
_MONTHS = {name: f"{number:02}" for number, name in enumerate(month_abbr) if name}
_PLAIN = re.compile(r"[\w.-]+")
"""A link that is just the name of a file in the same folder."""


def parse_index_page(page: IO[bytes], url: str) -> Iterator[Listed | Problem]:
    """Yield the files that the page at `url` lists, in its order; a million need no more memory than one.

    A link counts when it leads to a file directly in the page's folder, whether it is written relative, absolute or
    with the host. The column of an icon and that of the name may both link: an entry is yielded once. Sizes such as
    `523M` are rounded and left out. Dates are as the server shows them, mostly in its local time.
    Raises NotAListing when the page neither calls itself an index nor links to any file but web pages.
    """
    folder = urljoin(url, ".")
    head = page.read(HEAD)
    named = any(_is_title(mark) for mark in marks(BytesIO(head), b"", shown(url)))
    files = 0
    held: Listed | None = None
    for mark in marks(page, head, shown(url)):
        found = _entry(mark, url, folder) if isinstance(mark, Link) else None
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


def _is_title(mark: Link | Heading) -> bool:
    return isinstance(mark, Heading) and mark.text.decode("utf-8", "replace").lstrip().lower().startswith(TITLES)


def _entry(link: Link, url: str, folder: str) -> Listed | Problem | None:
    if len(link.href) > LONGEST_LINK:
        name = shown_name(link.href[:200].decode("utf-8", "replace"))
        return Problem("unsafe", name, f"set aside: its link is longer than {LONGEST_LINK:,} bytes")
    href = html.unescape(link.href.decode("utf-8", "replace"))
    if _PLAIN.fullmatch(href) and href.strip("."):
        return listed(href, folder + href, *_facts(link))
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
    return listed(name, target, *_facts(link))


def _facts(link: Link) -> tuple[int | None, str | None]:
    """Return the exact size and the date, as ISO 8601, in what follows a link."""
    # Each piece after a `<` is the rest of a tag, and the text behind it.
    first, *pieces = link.rest.split(b"<")
    plain = b" ".join([first, *(piece.partition(b">")[2] for piece in pieces)])
    text = html.unescape(plain.decode("utf-8", "replace"))
    match = _DATE.search(text)
    if match is None:
        return None, None
    year, month, day = match["y"] or match["Y"], match["m"] or match["M"], match["d"] or match["D"]
    month = _MONTHS.get(month, month)
    modified = f"{year}-{month}-{day}T{match['time']}" if month.isdecimal() else None
    return None if link.cut else _size(text[match.end() :]), modified


def _size(text: str) -> int | None:
    """Return the number that a text ends with, if it counts bytes.

    >>> _size(" 268804 "), _size("12 bytes"), _size("7B"), _size("0.3M"), _size("12 K")
    (268804, 12, 7, None, None)
    """
    words = text.split()[-2:]
    if len(words) > 1 and words[-1] in ("B", "bytes"):
        words.pop()
    return number_of(words[-1].removesuffix("bytes").removesuffix("B")) if words else None
