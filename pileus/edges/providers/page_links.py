"""The links and headings of a web page, in time that grows with its length, whatever is in it.

No tree is built, for a listing needs none: Python's own parser and libxml2's take minutes for a megabyte of tags
that do not close. The expressions here never go back (`++`, `*+`), and each byte is looked at a few times.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from pileus.errors import NotAListing

CHUNK = 1 << 20
LONGEST_TAG = 1 << 16
"""Bytes of a tag. A longer one is refused, so that no more of a page must be held."""
SHOWN = 1024
"""Bytes after a link, and in a heading, in which something is looked for."""
_MARK = re.compile(rb"<(?:(!--)|(script|style)(?=[\s/>])|(/?)(a|title|h1)(?=[\s/>]))", re.IGNORECASE)
_TAG = re.compile(rb"(?:[^>=]++|=\s*+(?:\"[^\"]*+\"|'[^']*+')?+)*+>")
_ATTRIBUTE = re.compile(rb"[\s/]*+([^\s/>=]++)(?:\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s>]++)))?+")
_ENDS = {
    b"!--": re.compile(rb"-->"),
    b"script": re.compile(rb"</script", re.I),
    b"style": re.compile(rb"</style", re.I),
}
_KEPT = max(len(b"</script"), len(b"<script "))
"""Bytes in which a mark that is cut by the end of a chunk may begin."""


@dataclass(frozen=True, slots=True)
class Link:
    """An anchor with an address."""

    href: bytes
    """As it is written, with its entities."""
    rest: bytes
    """What follows the anchor, tags too, up to the next one; at most SHOWN bytes."""
    cut: bool
    """Whether more followed."""


@dataclass(frozen=True, slots=True)
class Heading:
    """A title or the highest heading."""

    text: bytes
    """Up to the next link, heading or end; at most SHOWN bytes."""


class _Pages:
    """What came of a page so far, and a place in it."""

    def __init__(self, page: IO[bytes], begun: bytes) -> None:
        self._page, self.text, self.at = page, begun, 0

    def more(self) -> bool:
        """Read on, and forget what lies before the place. Return whether anything came."""
        block = self._page.read(CHUNK)
        self.text, self.at = self.text[self.at :] + block, 0
        return bool(block)


def marks(page: IO[bytes], begun: bytes, where: str) -> Iterator[Link | Heading]:
    """Yield links and headings in their order. `begun`: what of the page was read before. Raises NotAListing."""
    href: bytes | None = None
    rest: bytearray | None = None
    heading: bytearray | None = None
    for before, closing, name, tag in _tags(_Pages(page, begun), where):
        for shown in (rest, heading):
            if shown is not None and len(shown) <= SHOWN:
                shown += before[: SHOWN + 1]
                shown += b" " if name else b""
        if heading is not None and name:
            yield Heading(bytes(heading[:SHOWN]))
        if name:
            heading = bytearray() if name != b"a" and not closing else None
        if name == b"a" and not closing:
            if href is not None:
                yield _link(href, rest)
            href, rest = _href(tag), None
        elif name == b"a" and rest is None:
            rest = bytearray()
    if heading is not None:
        yield Heading(bytes(heading[:SHOWN]))
    if href is not None:
        yield _link(href, rest)


def _link(href: bytes, rest: bytearray | None) -> Link:
    """`rest`: None where the anchor was not closed."""
    return Link(href, bytes(rest[:SHOWN]), len(rest) > SHOWN) if rest is not None else Link(href, b"", cut=False)


def _tags(source: _Pages, where: str) -> Iterator[tuple[bytes, bool, bytes, bytes]]:
    """Yield what stands before a tag, whether the tag closes, its name, and its attributes; at the end no name."""
    while True:
        mark = _MARK.search(source.text, source.at)
        if mark is None:
            keep = max(source.at, len(source.text) - _KEPT)
            yield source.text[source.at : keep], False, b"", b""
            source.at = keep
            if source.more():
                continue
            yield source.text, False, b"", b""
            return
        before = source.text[source.at : mark.start()]
        source.at = mark.end()
        if skipped := mark[1] or mark[2]:
            yield before, False, b"", b""
            _skip(source, _ENDS[skipped.lower()])
            yield b"" if mark[1] else b"<", False, b"", b""  # what follows is the rest of a closing tag
            continue
        while (end := _TAG.match(source.text, source.at, source.at + LONGEST_TAG)) is None:
            if len(source.text) - source.at >= LONGEST_TAG:
                raise NotAListing(f"a tag of the page is longer than {LONGEST_TAG:,} bytes", where=where)
            if not source.more():
                return
        source.at = end.end()
        yield before, bool(mark[3]), mark[4].lower(), end[0][:-1]


def _skip(source: _Pages, end: re.Pattern[bytes]) -> None:
    """Go on after what ends a comment, a script or a style."""
    while (found := end.search(source.text, source.at)) is None:
        source.at = max(source.at, len(source.text) - _KEPT)
        if not source.more():
            source.at = len(source.text)
            return
    source.at = found.end()


def _href(tag: bytes) -> bytes | None:
    for name, *values in _ATTRIBUTE.findall(tag):
        if name.lower() == b"href":
            return b"".join(values)
    return None
