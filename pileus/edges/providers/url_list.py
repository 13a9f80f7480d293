"""A plain list of URLs in place of a folder."""

from collections.abc import Iterator
from urllib.parse import unquote, urljoin, urlsplit

from pileus.edges.providers.address import shown
from pileus.errors import NotAListing
from pileus.models import Listed, Problem, listed

LONGEST = 8192
"""Bytes of the longest line."""


def parse_url_list(text: bytes, url: str) -> Iterator[Listed | Problem]:
    """One URL a line, absolute or relative to the list's own; empty lines and `#` comments are left out.

    Raises NotAListing with the number of the first line that is no URL, or is longer than any.

    >>> [file.name for file in parse_url_list(b"# tiles\\nhttps://x.org/a.tgz\\nb%20c.tgz\\n", "https://x.org/urls.txt")]
    ['a.tgz', 'b c.tgz']
    """
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith(b"#"):
            continue
        if len(line) > LONGEST:
            raise NotAListing(f"line {number} is longer than {LONGEST:,} bytes", where=shown(url))
        try:
            target = urljoin(url, line.decode("ascii"))
            name = unquote(urlsplit(target).path.rsplit("/", 1)[-1])
        except (UnicodeDecodeError, ValueError) as exc:
            raise NotAListing(f"line {number} is not a URL", where=shown(url)) from exc
        if b" " in line or b"<" in line or not name:
            raise NotAListing(f"line {number} is not the URL of a file", where=shown(url))
        yield listed(name, target)
