"""Write objects in parallel: a store answers each write slowly, and takes many at once."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

from pileus.edges.store import Store


class Batch:
    """Writes to `store`, several at once; leaving the block waits for all of them and raises the first failure."""

    def __init__(self, store: Store, *, parallel: int = 4) -> None:
        self._store = store
        self._pool = ThreadPoolExecutor(parallel, thread_name_prefix="put")
        self._puts: list[Future[None]] = []

    def run(self, work: Callable[..., None], *arguments: Any) -> None:
        """Begin any other work on objects."""
        self._puts.append(self._pool.submit(work, *arguments))

    def put(self, url: str, body: bytes, content_type: str = "application/octet-stream") -> None:
        """Begin to write one object."""
        self._puts.append(self._pool.submit(self._store.put, url, body, content_type))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=error is not None)
        if error is None:
            for put in self._puts:
                put.result()
