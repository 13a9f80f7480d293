"""Write objects in parallel: a store takes long for each write, but accepts many at once."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache
from types import TracebackType
from typing import Any, Self

from pileus.edges.store import Store

PARALLEL = 8
"""Writes of one process at once."""


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

    def run(self, work: Callable[..., None], *arguments: Any) -> None:
        """Start any other work on objects. That work may not use a batch."""
        self._begun.append(_threads().submit(work, *arguments))

    def put(self, url: str, body: bytes, content_type: str = "application/octet-stream") -> None:
        """Start to write one object."""
        self.run(self._store.put, url, body, content_type)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            for one in self._begun:
                one.cancel()
        wait(self._begun)
        if error is None:
            for one in self._begun:
                one.result()
