"""Lists as Cumulus has them: `{meta, results}`. Rows are looked at one after the other, and so many at most.

A list is right or refused: where there are more rows than are looked at, `meta.count` is how many were found so far and
`meta.more` says so; a page that these rows do not fill, and an order of all of them, are refused.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cmp_to_key
from heapq import nsmallest
from itertools import chain, islice
from typing import Any

from pileus.api.cumulus.asked import Asked, Row, Table, at
from pileus.errors import UsageError

LOOKED = 5000
"""Rows that are looked at for one list."""
CHUNK = 250
"""Rows that are read at once."""
Read = Callable[[Sequence[Row]], Iterable[Row]]
"""Returns rows whole, by what is known of each; those that are gone are left out."""


class _Bounded:
    """The first rows of a list."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = iter(rows)
        self.more = False
        """Whether there are others, once these were looked at."""

    def __iter__(self) -> Iterator[Row]:
        yield from islice(self._rows, LOOKED)
        self.more = next(self._rows, None) is not None


def listed(asked: Asked, stack: str, table: Table, rows: Iterable[Row], read: Read = iter) -> dict[str, Any]:
    """Return a list. `rows`: what is known of each, in the order of the stack. Raises UsageError."""
    bounded, begin, end = _Bounded(rows), (asked.page - 1) * asked.limit, asked.page * asked.limit
    shown: list[Row] = []
    count = 0

    def counted() -> Iterator[Row]:
        nonlocal count
        for row in _matching(asked, table, bounded, read):
            count += 1
            yield row

    if asked.sort:
        shown = nsmallest(min(end, LOOKED), counted(), key=cmp_to_key(_order(asked)))[begin:]
    else:
        shown = [row for row in counted() if begin < count <= end]
    if bounded.more and not asked.count_only and (asked.sort or len(shown) < asked.limit):
        raise UsageError(_too_many("for this page"))
    if not asked.uses(table.name) - table.known:
        shown = [*read(shown)]
    meta = {"name": "cumulus-api", "stack": stack, "table": table.word, "limit": asked.limit, "page": asked.page}
    meta |= {"count": count} | ({"more": True} if bounded.more else {})
    return {"meta": meta, "results": [] if asked.count_only else [_cut(asked, row) for row in shown]}


def matching(asked: Asked, table: Table, rows: Iterable[Row], read: Read = iter) -> Iterator[Row]:
    """Yield all rows of a list, whole. Raises UsageError, at the end, where there are more than are looked at."""
    bounded = _Bounded(rows)
    found = _matching(asked, table, bounded, read)
    if asked.uses(table.name) <= table.known:
        found = chain.from_iterable(map(read, _chunks(found)))
    yield from found
    if bounded.more:
        raise UsageError(_too_many("to count all"))


def _matching(asked: Asked, table: Table, rows: Iterable[Row], read: Read) -> Iterator[Row]:
    """Yield the rows of a list: as they are known where that is enough to tell, else whole."""
    if asked.uses(table.name) - table.known:
        rows = chain.from_iterable(map(read, _chunks(rows)))
    return (row for row in rows if asked.keeps(row, table.name))


def _chunks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Yield the rows, so many at once."""
    left = iter(rows)
    while chunk := [*islice(left, CHUNK)]:
        yield chunk


def _too_many(why: str) -> str:
    narrow = "name a collectionId, a type or a longer prefix, or read page by page under /v1"
    return f"there are more than {LOOKED:,} rows to look at {why}: {narrow}"


def _order(asked: Asked) -> Callable[[Row, Row], int]:
    def compare(one: Row, other: Row) -> int:
        for field, descending in asked.sort:
            a, b = _sortable(at(one, field)), _sortable(at(other, field))
            if a != b:
                return 1 if (a > b) != descending else -1
        return 0

    return compare


def _sortable(value: Any) -> tuple[int, float, str]:
    """Return what values of a field are ordered by: first those that are not there, then numbers, then words."""
    if isinstance(value, int | float):
        return 1, float(value), ""
    return (0, 0.0, "") if value is None else (2, 0.0, str(value))


def _cut(asked: Asked, row: Row) -> dict[str, Any]:
    if not asked.fields:
        return dict(row)
    heads = dict.fromkeys(field.partition(".")[0] for field in asked.fields)
    return {name: row[name] for name in heads if name in row}
