"""A plain list of URLs in place of a folder."""

from collections.abc import Iterator
from urllib.parse import unquote, urljoin, urlsplit

from pileus.errors import NotAListing
from pileus.models import Listed, Problem, listed


def parse_url_list(text: bytes, url: str) -> Iterator[Listed | Problem]:
    """One URL a line, absolute or relative to the list's own; empty lines and `#` comments are left out.

    Raises NotAListing with the number of the first line that is no URL.

    >>> [file.name for file in parse_url_list(b"# tiles\\nhttps://x.org/a.tgz\\nb%20c.tgz\\n", "https://x.org/urls.txt")]
    ['a.tgz', 'b c.tgz']
    """
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith(b"#"):
            continue
        try:
            target = urljoin(url, line.decode("ascii"))
            name = unquote(urlsplit(target).path.rsplit("/", 1)[-1])
        except (UnicodeDecodeError, ValueError) as exc:
            raise NotAListing(f"line {number} is not a URL", where=url) from exc
        if b" " in line or b"<" in line or not name:
            raise NotAListing(f"line {number} is not the URL of a file", where=url)
        yield listed(name, target)
