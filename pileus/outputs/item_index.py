"""Which STAC items there are, where and when: an index in memory, built from the bucket, for searching them.

An item takes about 200 bytes here. What was read once is read again only when its object has another mark.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from pileus import keys
from pileus.edges.store import UNREADABLE, Store
from pileus.errors import NotFound, NotNow
from pileus.models import Partition
from pileus.outputs.item_query import EPOCH, Found, Query, found
from pileus.outputs.stac import collection_id, item_id

MOST = 500_000
"""Items of an index; about 100 MB."""
PARALLEL = 32
"""Items that are read in parallel."""
AT_ONCE = 1000
"""Items that are held while they are read."""
FRESH = 5.0
"""Seconds for which an index is fresh, or ten times as long as looking for changes took."""
NONE = -1
"""Code of the collection of an object that is no item."""


class Items:
    """An index. Rows are in order of the items' keys."""

    def __init__(self, keys: Sequence[str], marks: Any, collections: Sequence[tuple[str, str]], rows: "Rows") -> None:
        self.keys, self.marks = keys, marks
        self.collections = collections
        """Name and version of each collection."""
        self.boxes, self.spans, self.codes, self.hashes = rows.boxes, rows.spans, rows.codes, rows.hashes
        self.newest = np.argsort(-self.spans[:, 0], kind="stable")
        """Rows by their first moment, newest first."""
        self._by_hash = np.argsort(self.hashes, kind="stable")

    def find(self, query: Query) -> Found:
        """Return the keys of a page of the items that a query asks for. Raises UsageError for a token that is wrong."""
        return found(self, query)

    def row(self, collection: str, id: str) -> int | None:
        """Return the row of an item; None where there is none."""
        rows = (row for row in self.rows(id) if self.collection(row) == collection)
        return next(rows, None)

    def rows(self, id: str) -> list[int]:
        """Return the rows of the items with an id, of any collection."""
        wanted, rows = hash(id), []
        for row in self._by_hash[np.searchsorted(self.hashes, wanted, sorter=self._by_hash) :]:
            if self.hashes[row] != wanted:
                break
            if self.codes[row] != NONE and item_id(keys.partition_of(self.keys[row])) == id:
                rows.append(int(row))
        return rows

    def collection(self, row: int) -> str:
        """Return the id of the collection of a row."""
        return "-".join(self.collections[self.codes[row]])


class Rows:
    """What is kept of `n` items beside their keys."""

    def __init__(self, n: int) -> None:
        self.boxes = np.zeros((n, 4))
        """West, south, east, north in degrees."""
        self.spans = np.zeros((n, 2), np.int64)
        """First and last moment in microseconds since 1970."""
        self.codes = np.full(n, NONE, np.int32)
        """Place of the item's collection in the list of collections; NONE for an object that is no item."""
        self.hashes = np.zeros(n, np.int64)
        """Hashes of the items' ids."""


class ItemIndex:
    """Keeps the index of a bucket's items. For several threads."""

    def __init__(self, store: Store, bucket: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._root, self._clock = store, f"s3://{bucket}/", clock
        self._items: Items | None = None
        self._until = 0.0
        self._reading = threading.Lock()

    def items(self) -> Items:
        """Return the index. It is brought up to date when it is not fresh; meanwhile others get the one before.

        Raises NotNow when there are more than MOST items.
        """
        if self._items is not None and self._clock() < self._until:
            return self._items
        if not self._reading.acquire(blocking=self._items is None):
            assert self._items is not None
            return self._items
        try:
            if self._items is None or self._clock() >= self._until:
                began = self._clock()
                self._items = self._again(self._items or Items([], np.zeros(0, np.int64), (), Rows(0)))
                self._until = self._clock() + max(FRESH, 10 * (self._clock() - began))
            return self._items
        finally:
            self._reading.release()

    def _again(self, old: Items) -> Items:
        """Return the index of what is in the bucket now. Listing and index are in the same order: they are merged."""
        names, marks, before, at = list[str](), list[int](), list[int](), 0
        for url, mark in self._store.marks(f"{self._root}{keys.ITEMS}/"):
            key = url.removeprefix(self._root)
            if not key.endswith(".json") or key.count("/") != 4:
                continue
            if len(names) == MOST:
                raise NotNow(f"there are more than {MOST:,} items: too many for this server to search")
            while at < len(old.keys) and old.keys[at] < key:
                at += 1
            same = at < len(old.keys) and old.keys[at] == key and old.marks[at] == hash(mark)
            names.append(key)
            marks.append(hash(mark))
            before.append(at if same else -1)
        if len(names) == len(old.keys) and -1 not in before:
            return old
        return self._merged(old, names, np.array(marks, np.int64), np.array(before, np.int64))

    def _merged(self, old: Items, names: Sequence[str], marks: Any, before: Any) -> Items:
        made, kept = Rows(len(names)), before >= 0
        for column in ("boxes", "spans", "codes", "hashes"):
            getattr(made, column)[kept] = getattr(old, column)[before[kept]]
        collections = {name: code for code, name in enumerate(old.collections)}
        new = np.flatnonzero(~kept).tolist()
        for row, item in zip(new, self._all([names[row] for row in new]), strict=True):
            if item is not None:
                name = item.partition.collection, item.partition.version
                made.codes[row] = collections.setdefault(name, len(collections))
                made.hashes[row] = hash(item_id(item.partition))
                made.boxes[row], made.spans[row] = item.box, item.span
        return Items(names, marks, tuple(collections), made)

    def _all(self, names: Sequence[str]) -> "Iterator[_Item | None]":
        """Yield what is kept of each item, in this order. Few are held at once."""
        with ThreadPoolExecutor(PARALLEL) as pool:
            for start in range(0, len(names), AT_ONCE):
                yield from pool.map(self._read, names[start : start + AT_ONCE])

    def _read(self, key: str) -> "_Item | None":
        """Return what the index keeps of an item; None for one that is gone or damaged: `pileus reconcile` says so."""
        try:
            return _item(key, self._store.get(self._root + key))
        except (NotFound, *UNREADABLE):
            return None


@dataclass(frozen=True, slots=True)
class _Item:
    partition: Partition
    box: tuple[float, float, float, float]
    span: tuple[int, int]


def _item(key: str, body: bytes) -> _Item:
    value = json.loads(body)
    partition = keys.partition_of(key)
    if (value["id"], value["collection"]) != (item_id(partition), collection_id(partition)):
        raise ValueError("the item is of another partition")
    west, south, east, north = map(float, value["bbox"])
    told = value["properties"]
    return _Item(
        partition, (west, south, east, north), (_moment(told["start_datetime"]), _moment(told["end_datetime"]))
    )


def _moment(text: str) -> int:
    return (datetime.fromisoformat(text) - EPOCH) // timedelta(microseconds=1)
