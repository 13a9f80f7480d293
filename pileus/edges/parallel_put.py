"""Write objects in parallel: a store takes long for each write, but accepts many at once."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache
from types import TracebackType
from typing import Any, Self

from pileus.edges.store import Store
from pileus.errors import StoreError

PARALLEL = 8
"""Writes of one process at once."""
PATIENCE = 60.0
"""Seconds for which an object is written again while the store cannot be reached, or has too much to do."""


@cache
def _threads() -> ThreadPoolExecutor:
    """Return the writing threads of this process. Batches share them, because starting threads takes longer than a
    batch.
    """
    return ThreadPoolExecutor(PARALLEL, thread_name_prefix="put")


class Batch:
    """Writes to `store` in parallel. Leaving the block waits for all of them and raises the first failure."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._begun: list[Future[None]] = []
        self._over = threading.Event()

    def run(self, work: Callable[..., None], *arguments: Any) -> None:
        """Start any other work on objects. That work may not use a batch."""
        self._begun.append(_threads().submit(work, *arguments))

    def put(self, url: str, body: bytes, content_type: str = "application/octet-stream") -> None:
        """Start to write one object. What has been made is not made again because the store is away for a minute."""
        self.run(self._put, url, body, content_type)

    def _put(self, url: str, body: bytes, content_type: str) -> None:
        until, pause = time.monotonic() + PATIENCE, 1.0
        while True:
            try:
                return self._store.put(url, body, content_type)
            except StoreError as error:
                if not error.retryable or time.monotonic() + pause > until or self._over.wait(pause):
                    raise
            pause *= 2

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._over.set()
            for one in self._begun:
                one.cancel()
        wait(self._begun)
        if error is None:
            for one in self._begun:
                one.result()
