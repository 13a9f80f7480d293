"""Compiled zone indexes kept in the object store, so that many workers compile once."""

from pileus.edges.store import Store
from pileus.errors import NotFound


class StoreZoneIndexCache:
    """A ZoneIndexCache in objects whose address begins with `prefix`."""

    def __init__(self, store: Store, prefix: str) -> None:
        self._store = store
        self._prefix = prefix

    def get(self, key: str) -> bytes | None:
        try:
            return self._store.get(f"{self._prefix}{key}")
        except NotFound:
            return None

    def put(self, key: str, value: bytes) -> None:
        self._store.put(f"{self._prefix}{key}", value)
