"""The files of the page, made from the stack when the page asks for them."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from pileus.backfills.control import read_registry
from pileus.backfills.status import status, status_of
from pileus.dashboard import data
from pileus.errors import NotFound, PileusError, UsageError
from pileus.models import safe
from pileus.outputs.read import collections, read_stats
from pileus.outputs.series import newest, zones_of
from pileus.wiring import Edges

FRESH = 15.0
"""Seconds for which rows are kept before they are read again."""


@dataclass
class _Seen:
    """A collection as it was at the last read."""

    read: float
    """Monotonic time."""
    table: pa.Table
    entry: dict[str, Any]
    """In the index."""
    values: dict[str, Any] = field(default_factory=dict)
    """Value files by path."""


class PageFiles:
    """Files of the page by their path. For several threads; one at a time reads rows, which are kept."""

    def __init__(self, edges: Edges, *, live: bool, pictures: str) -> None:
        self._edges, self._live, self._pictures = edges, live, pictures
        self._lock = threading.Lock()
        self._seen: dict[str, _Seen] = {}
        self._shapes: dict[str, dict[str, Any]] = {}

    def get(self, path: str) -> Any:
        """Return the JSON value of a path such as `data/index.json`. Raises NotFound."""
        match path.removesuffix(".json").split("/"):
            case ["data", "index"]:
                return self.index()
            case ["data", "backfills"]:
                return self.backfills()
            case ["data", "backfills", key]:
                return data.backfill_json(status(self._edges, self._backfill(key), whole=True))
            case ["data", key, "zones"]:
                name = self._name(key)
                return data.zones_json(self.rows(name), self.shapes(name))
            case ["data", key, "pictures"]:
                seen = self._look(self._name(key))
                zones, version = list(zones_of(seen.table)), seen.entry["version"]
                bucket = self._edges.stack.protected
                return data.pictures_json(self._edges.store, bucket, seen.entry["name"], version, zones)
            case ["data", key, _, _]:
                return self._values(path, self._name(key))
        raise NotFound("there is no such file", where=path)

    def _name(self, key: str) -> str:
        for name in self.names():
            if safe(name) == key:
                return name
        raise NotFound("there is no such collection", where=key)

    def _backfill(self, key: str) -> str:
        for backfill in self._edges.index.backfills():
            if safe(backfill.id) == key:
                return backfill.id
        raise NotFound("there is no such backfill", where=key)

    def names(self) -> list[str]:
        """Return the collections that have rows."""
        return collections(self._edges.store, self._edges.stack.protected)

    def _look(self, name: str) -> _Seen:
        """Return the collection, read again when it is not fresh."""
        with self._lock:
            seen = self._seen.get(name)
            if seen is None or time.monotonic() - seen.read > FRESH:
                table = newest(read_stats(self._edges.store, self._edges.stack.protected, name))
                if not table.num_rows:
                    raise NotFound("there are no rows of this collection", where=name)
                entries = self._edges.index.entries(name, table["version"][0].as_py(), "0000", "9999")
                seen = self._seen[name] = _Seen(time.monotonic(), table, data.index_entry(name, table, entries))
            return seen

    def rows(self, name: str) -> pa.Table:
        """Return all rows of the newest version of a collection."""
        return self._look(name).table

    def index(self) -> Any:
        """Return all collections that have rows."""
        found = [self._look(name).entry for name in self.names()]
        return data.index_json(found, now=self._edges.now(), live=self._live, pictures=self._pictures)

    def _values(self, path: str, name: str) -> Any:
        seen = self._look(name)
        if path not in seen.values:
            for found, band, stat in data.value_files(seen.entry):
                if found == path:
                    seen.values[path] = data.values_json(seen.table, band, stat, seen.entry["periods"])
        if path not in seen.values:
            raise NotFound("there is no such statistic", where=path)
        return seen.values[path]

    def shapes(self, name: str) -> dict[str, Any]:
        """Return the GeoJSON geometry by zone; empty where the zones of the collection are not populated or damaged."""
        from pileus.outputs.shapes import geojson  # GDAL is heavy, and a server should start at once
        from pileus.zonal.zones import read_zones

        try:
            rules = read_registry(self._edges.store, self._edges.stack).collection(name).meta.process
        except UsageError:  # the outputs stay when their documents are removed
            return {}
        if rules is None:
            return {}
        key = f"{rules.zones} {rules.zone_id}"
        if key not in self._shapes:
            try:
                zones = read_zones(self._edges.store.get(rules.zones), zone_id=rules.zone_id, where=rules.zones)
            except PileusError:  # the map is empty then; the numbers are complete
                return {}
            self._shapes[key] = geojson(zones, detail=data.DETAIL)
        return self._shapes[key]

    def backfills(self) -> list[dict[str, Any]]:
        """Return all backfills, newest first."""
        return [data.backfill_summary(status_of(self._edges, one)) for one in self._edges.index.backfills()]

    def everything(self) -> Iterator[tuple[str, bytes]]:
        """Yield path and bytes of every file, for an export."""
        index = self.index()
        yield "data/index.json", compact(index)
        yield "data/backfills.json", compact(self.backfills())
        for backfill in self._edges.index.backfills():
            yield f"data/backfills/{safe(backfill.id)}.json", compact(self.get(f"data/backfills/{safe(backfill.id)}"))
        for entry in index["collections"]:
            for name in ("zones", "pictures"):
                path = f"data/{entry['key']}/{name}.json"
                yield path, compact(self.get(path))
            for path, _, _ in data.value_files(entry):
                yield path, compact(self.get(path))


def compact(value: Any) -> bytes:
    """Return JSON without optional spaces."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
