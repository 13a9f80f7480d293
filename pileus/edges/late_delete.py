"""Objects that nobody needs any more, deleted many at a time: a request for each would cost as much as writing it."""

import time
from contextlib import suppress

from pileus.edges.store import Store
from pileus.errors import StoreError

MANY = 150
"""Objects that are deleted together."""
SECONDS = 2.0
"""How long they stay at most, while `rest` is called now and then."""


class LateDelete:
    """Of one thread. What is not deleted when the process dies is garbage for whoever cleans up after it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._urls: list[str] = []
        self._since = 0.0

    def __call__(self, *urls: str) -> None:
        """Delete them soon."""
        self._since = self._since if self._urls else time.monotonic()
        self._urls += urls
        if len(self._urls) >= MANY:
            self.flush()

    def rest(self) -> None:
        """Delete what has waited for long enough. What cannot be deleted now is tried again."""
        if self._urls and time.monotonic() - self._since > SECONDS:
            self.flush()

    def flush(self) -> None:
        """Delete all of it now, or keep it for later where the store cannot be reached."""
        by_bucket: dict[str, list[str]] = {}
        for url in self._urls:
            by_bucket.setdefault(url.split("/")[2], []).append(url)
        with suppress(StoreError):
            for urls in by_bucket.values():
                self._store.delete(*urls)
            self._urls = []
