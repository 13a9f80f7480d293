"""Delete objects in batches: a request for each would cost as much as its write."""

import logging
import time

from pileus.edges.store import Store
from pileus.errors import StoreError

log = logging.getLogger("pileus.worker")
MANY = 150
"""Objects in one batch."""
SECONDS = 2.0
"""Seconds that an object waits at most, if `rest` is called regularly."""


class LateDelete:
    """Collects objects of one bucket and deletes them in batches. For one thread.

    When the process dies, the rest stays: the next cleaning of the prefix deletes it.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._urls: list[str] = []
        self._since = 0.0

    def __call__(self, *urls: str) -> None:
        """Delete the objects with the next batch."""
        self._since = self._since if self._urls else time.monotonic()
        self._urls += urls
        if len(self._urls) >= MANY:
            self.flush()

    def rest(self) -> None:
        """Delete the batch if it has waited long enough. What cannot be deleted now is tried again."""
        if self._urls and time.monotonic() - self._since > SECONDS:
            self.flush()

    def flush(self) -> None:
        """Delete all of it now. What cannot be deleted stays for the next try, and the end of the run deletes it."""
        try:
            self._store.delete(*self._urls)
            self._urls = []
        except StoreError as error:
            if not error.retryable:
                log.warning("staged objects cannot be deleted", extra={"error": str(error)})
