"""Rows of collections that many readers share: each is read once, however many ask."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

import pyarrow as pa

FRESH = 10.0
"""Seconds for which rows are kept before they are read again."""
KEPT = 8
"""Collections whose rows are kept."""


class Rows:
    """Keeps the last rows of each collection. For several threads; one at a time reads.

    `read`: returns all rows of a collection by its name.
    """

    def __init__(self, read: Callable[[str], pa.Table], clock: Callable[[], float] = time.monotonic) -> None:
        self._read, self._clock = read, clock
        self._seen: OrderedDict[str, tuple[float, pa.Table]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, collection: str) -> pa.Table:
        """Return rows that are fresh."""
        with self._lock:
            at, table = self._seen.get(collection, (float("-inf"), None))
            if table is None or self._clock() - at > FRESH:
                table = self._read(collection)
                self._seen[collection] = self._clock(), table
                self._seen.move_to_end(collection)
                while len(self._seen) > KEPT:
                    self._seen.popitem(last=False)
            return table
