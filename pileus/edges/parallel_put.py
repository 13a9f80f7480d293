"""Write objects in parallel: a store answers each write slowly, and takes many at once."""

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
    """The threads of this process that write: a batch is too short to start some of its own."""
    return ThreadPoolExecutor(PARALLEL, thread_name_prefix="put")


class Batch:
    """Writes to `store`, several at once; leaving the block waits for all of them and raises the first failure."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._begun: list[Future[None]] = []

    def run(self, work: Callable[..., None], *arguments: Any) -> None:
        """Begin any other work on objects; it may not use a batch itself."""
        self._begun.append(_threads().submit(work, *arguments))

    def put(self, url: str, body: bytes, content_type: str = "application/octet-stream") -> None:
        """Begin to write one object."""
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
