"""Pages of a list by opaque cursors. A cursor names the last item that was sent, so pages stay right while others are
added before it.
"""

import base64
import binascii
import json
from collections.abc import Callable, Iterable
from typing import TypeVar

from pileus.client.answers import Page
from pileus.errors import UsageError

T = TypeVar("T")
A = TypeVar("A")
MOST = 1000
"""Items of a page, at most."""


def page(
    items: Iterable[T], key: Callable[[T], str], answer: Callable[[T], A], *, limit: int, cursor: str | None
) -> "Page[A]":
    """Return up to `limit` items that come after the cursor. `items` are in order, and `key` is of one item alone.

    Raises UsageError for a cursor that this function did not make.
    """
    after, chosen, found = read_cursor(cursor), list[T](), cursor is None
    for item in items:
        if not found:
            found = key(item) == after
            continue
        if len(chosen) == limit:
            return Page(items=[answer(one) for one in chosen], next=write_cursor(key(chosen[-1])))
        chosen.append(item)
    if not found:
        raise UsageError("the cursor names an item that is gone: begin without one")
    return Page(items=[answer(one) for one in chosen])


def write_cursor(key: str) -> str:
    """Return the cursor of a key; `read_cursor` is its inverse.

    >>> read_cursor(write_cursor("2015-03/20150301"))
    '2015-03/20150301'
    """
    return base64.urlsafe_b64encode(json.dumps([key]).encode()).decode().rstrip("=")


def read_cursor(cursor: str | None) -> str:
    """Return the key that a cursor names; empty without one. Raises UsageError."""
    if cursor is None:
        return ""
    try:
        value = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        value = None
    if not (isinstance(value, list) and len(value) == 1 and isinstance(value[0], str)):
        raise UsageError("not a cursor that this server has made")
    return value[0]
