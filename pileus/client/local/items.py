"""The STAC items of a stack: collections, search, and what an item's assets hold."""

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from threading import Lock
from typing import Any

import numpy as np

from pileus.client.paging import write_cursor
from pileus.client.services import Services
from pileus.documents import Collection
from pileus.edges.store import load
from pileus.errors import NotFound, Unknown
from pileus.outputs.item_index import ItemIndex, Items
from pileus.outputs.item_query import EPOCH, Query
from pileus.project.registry import Registry

PARALLEL = 8
"""Items of a page that are read in parallel."""
PART = 4 * 1024 * 1024
"""Bytes of an object that are read at once."""
SIGNED_SECONDS = 300
Json = dict[str, Any]


@dataclass(frozen=True)
class ItemPage:
    """Some of the items that were asked for."""

    items: Sequence[Json]
    matched: int
    """Items of all pages."""
    next: str | None
    """Token of the page after this one; None at the end."""


@dataclass(frozen=True)
class AssetFile:
    """An object that an item names."""

    url: str
    type: str
    """Media type."""
    size: int
    """Bytes."""
    mark: str
    """Changes with the bytes."""


class LocalItems:
    """Items in the stack that these services reach. For several threads."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self._made: ItemIndex | None = None
        self._making = Lock()

    @property
    def index(self) -> ItemIndex:
        """Return the index of the published bucket; it is made when it is first asked for."""
        with self._making:
            if self._made is None:
                edges = self.services.edges
                self._made = ItemIndex(edges.store, edges.stack.protected)
            return self._made

    def collections(self) -> Sequence[Json]:
        """Return the STAC collections that have items, without links, by id."""
        items, documents = self.index.items(), self._documents()
        there = [code for code in range(len(items.collections)) if (items.codes == code).any()]
        told = [_collection(items, code, documents) for code in there]
        return sorted(told, key=lambda one: str(one["id"]))

    def collection(self, id: str) -> Json:
        """Return a STAC collection, without links. Raises Unknown."""
        items = self.index.items()
        for code in range(len(items.collections)):
            if "-".join(items.collections[code]) == id and (items.codes == code).any():
                return _collection(items, code, self._documents())
        raise Unknown(f"there is no collection {id!r} with items")

    def item(self, collection: str, id: str) -> Json:
        """Return an item as it is in the bucket. Raises Unknown."""
        items = self.index.items()
        row = items.row(collection, id)
        found = None if row is None else self._read(items.keys[row])
        if found is None:
            raise Unknown(f"collection {collection!r} has no item {id!r}")
        return found

    def search(self, query: Query) -> ItemPage:
        """Return a page of items. Raises UsageError for a token that is wrong."""
        page = self.index.items().find(query)
        with ThreadPoolExecutor(PARALLEL) as pool:
            read = [one for one in pool.map(self._read, page.keys) if one is not None]
        return ItemPage(read, page.matched, write_cursor(page.keys[-1]) if page.more else None)

    def asset(self, collection: str, id: str, name: str) -> AssetFile:
        """Return where an asset of an item is. Raises Unknown."""
        told = self.item(collection, id)["assets"].get(name)
        url = told["alternate"]["s3"]["href"] if told else ""
        if not url.startswith(self.services.edges.protected("")):
            raise Unknown(f"item {id!r} has no asset {name!r}")
        try:
            size, mark = self.services.edges.store.mark(url)
        except NotFound as error:
            raise Unknown(f"the object of asset {name!r} is gone", where=url) from error
        return AssetFile(url, str(told.get("type", "application/octet-stream")), size, mark)

    def parts(self, asset: AssetFile, start: int, stop: int) -> Iterator[bytes]:
        """Yield the bytes from `start` up to `stop`, which is not included. Raises Conflict if they have changed."""
        for first in range(start, stop, PART):
            yield self.services.edges.store.part(asset.url, first, min(first + PART, stop), asset.mark)

    def signed(self, asset: AssetFile) -> str | None:
        """Return an address at which anybody can read an asset for some minutes; None where the store has none."""
        return self.services.edges.store.signed(asset.url, SIGNED_SECONDS)

    def _read(self, key: str) -> Json | None:
        """Return the item of a key; None for one that has gone since the index was read."""
        edges = self.services.edges
        try:
            found: Json = load(edges.store, edges.protected(key), json.loads)
        except NotFound:
            return None
        return found

    def _documents(self) -> Mapping[tuple[str, str], Collection]:
        """Return what is populated by name and version; outputs stay when their documents are removed."""
        edges = self.services.edges
        try:
            found = load(edges.store, edges.internal("registry.json"), Registry.from_json)
        except NotFound:
            return {}
        return {(one.name, one.version): one for one in found.collections.values()}


def _collection(items: Items, code: int, documents: Mapping[tuple[str, str], Collection]) -> Json:
    from pileus.outputs.catalog import described

    name, rows = items.collections[code], items.codes == code
    boxes, spans = items.boxes[rows], items.spans[rows]
    box = [*boxes[:, :2].min(axis=0).tolist(), *boxes[:, 2:].max(axis=0).tolist()]
    interval = _stamp(spans[:, 0].min()), _stamp(spans[:, 1].max())
    return described(*name, box, interval, documents.get(name))


def _stamp(moment: np.int64) -> str:
    return (EPOCH + timedelta(microseconds=int(moment))).strftime("%Y-%m-%dT%H:%M:%SZ")
