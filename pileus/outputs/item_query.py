"""What is asked of the index of items, and what it answers."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from pileus import keys
from pileus.errors import UsageError
from pileus.outputs.stac import item_id

if TYPE_CHECKING:
    from pileus.outputs.item_index import Items

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIELDS = ("id", "collection", "datetime", "start_datetime", "end_datetime")
"""What items can be sorted by."""


@dataclass(frozen=True, slots=True)
class Sort:
    """One field that items are sorted by, of FIELDS."""

    field: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """Items that meet all of these. None: any will do."""

    boxes: Sequence[tuple[float, float, float, float]] | None = None
    """West, south, east, north in degrees: the item touches one of them. One over the date line is two."""
    shape: Any = None
    """A shapely geometry in longitude and latitude, which the item's box touches."""
    first: int | None = None
    """Microseconds since 1970: the item ends at this moment or later."""
    last: int | None = None
    """Microseconds since 1970: the item begins at this moment or earlier."""
    ids: frozenset[str] | None = None
    collections: frozenset[str] | None = None
    sort: Sequence[Sort] = ()
    """Newest first where nothing is said."""
    limit: int = 10
    after: str | None = None
    """Key of the last item of the page before."""


@dataclass(frozen=True, slots=True)
class Found:
    """A page of items."""

    keys: Sequence[str]
    matched: int
    """Items of all pages."""
    more: bool
    """Whether a page comes after this one."""


def found(items: "Items", query: Query) -> Found:
    """Return a page of the items of an index that meet a query. Raises UsageError when `after` is not one of them."""
    rows = _sorted(items, items.newest[_meets(items, query)[items.newest]], query.sort)
    start = 0
    if query.after is not None:
        at = np.flatnonzero(rows == _row(items, query.after))
        if not len(at):
            raise UsageError("the token names an item that is gone, or not of this search: search without it")
        start = int(at[0]) + 1
    page = rows[start : start + query.limit]
    return Found([items.keys[row] for row in page], len(rows), start + len(page) < len(rows))


def _meets(items: "Items", query: Query) -> Any:
    """Return which rows meet a query, (n,) bool. What costs most is asked last."""
    fits = items.codes >= 0
    if query.collections is not None:
        codes = [code for code, name in enumerate(items.collections) if "-".join(name) in query.collections]
        fits &= np.isin(items.codes, codes)
    if query.ids is not None:
        named = np.zeros(len(fits), bool)
        named[[row for id in query.ids for row in items.rows(id)]] = True
        fits &= named
    if query.first is not None:
        fits &= items.spans[:, 1] >= query.first
    if query.last is not None:
        fits &= items.spans[:, 0] <= query.last
    if query.boxes is not None:
        fits &= np.logical_or.reduce([_touches(items.boxes, box) for box in query.boxes])
    if query.shape is not None:
        fits &= _touches(items.boxes, query.shape.bounds)
        rows = np.flatnonzero(fits)
        fits[rows] = _intersects(query.shape, items.boxes[rows])
    return fits


def _touches(boxes: Any, box: tuple[float, float, float, float]) -> Any:
    west, south, east, north = box
    return (boxes[:, 0] <= east) & (boxes[:, 2] >= west) & (boxes[:, 1] <= north) & (boxes[:, 3] >= south)


def _intersects(shape: Any, boxes: Any) -> Any:
    """Return which boxes touch a shape."""
    import shapely

    shapely.prepare(shape)
    return shapely.intersects(shape, shapely.box(*boxes.T))


def _sorted(items: "Items", rows: Any, sort: Sequence[Sort]) -> Any:
    """Return rows in the order that is asked for; those that are equal in it stay as they are."""
    for one in reversed(sort):
        values = _values(items, rows, one.field)
        rows = rows[np.argsort(-values if one.descending else values, kind="stable")]
    return rows


def _values(items: "Items", rows: Any, field: str) -> Any:
    if field == "id":
        ids = [item_id(keys.partition_of(items.keys[row])) for row in rows]
    elif field == "collection":
        ids = [items.collection(row) for row in rows]
    else:
        return items.spans[rows, 1 if field == "end_datetime" else 0]
    return np.unique(ids, return_inverse=True)[1] if ids else np.zeros(0, np.int64)


def _row(items: "Items", key: str) -> int | None:
    """Return the row of a key; None where there is none. Keys are in order."""
    at = bisect_left(items.keys, key)
    return at if at < len(items.keys) and items.keys[at] == key else None
