"""Pages of listings that would take long to read by an algorithm whose cost is more than the page's length."""

from contextlib import suppress
from io import BytesIO

from pileus.edges.providers.index_page import parse_index_page
from pileus.errors import NotAListing
from pileus.models import Listed, Problem

NAMED = b"<title>Index of /</title>"
PAGES = {
    "an anchor without end": b"<a ",
    "anchors in anchors": b"<a href=x.tgz>",
    "titles without end": b"<title",
    "titles in titles": b"<title>",
    "a title with spaces": b"<title " + b" " * 50_000 + b">",
    "attributes": b"<a " + b"b=c " * 10_000 + b">",
    "attributes that are named alike": b"<a " + b"href= " * 10_000 + b">",
    "equals signs": b"<a " + b"= " * 20_000 + b">",
    "quotes that cross": b"<a href=\"'>" + b"<a href='\">",
    "tags that do not close": b"<b>",
    "ends of what did not begin": b"<b>" * 5 + b"</i>" * 5,
    "brackets": b"<",
    "comments without end": b"<!--",
    "comments": b"<!-- -->",
    "scripts without end": b"<script>",
    "ends that are none": b"<script ></scrip",
    "entities": b"&amp;",
    "entities in a link": b'<a href="' + b"&#x26;" * 600 + b'">',
    "digits of an entity": b'<a href="&#' + b"9" * 4000 + b'">',
    "a size column of spaces": NAMED + b"<a href=x.tgz>x</a> 2022-01-05 04:18 1" + b" " * 2000,
    "a size column of brackets": NAMED + b"<a href=x.tgz>x</a> 2022-01-05 04:18 1" + b"<" * 2000,
    "half dates": NAMED + b"<a href=x.tgz>x</a>" + b"2022-01-" * 200,
    "folders above": b"<a href=" + b"../" * 1300 + b"x>",
    "bytes of no text": b"\xff\x00",
}
"""Pieces of a page, by what they are."""


def read_page(piece: bytes, size: int) -> None:
    """Read a page of that many bytes; it is refused, or all of it is what a listing may hold."""
    with suppress(NotAListing):
        found = parse_index_page(BytesIO(piece * (size // len(piece))), "http://x.org/a/")
        assert all(isinstance(entry, Listed | Problem) for entry in found)
