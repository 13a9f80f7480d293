"""What a worker has done, for Prometheus: served at an address of its own, with the extra metrics."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from pileus.errors import UsageError
from pileus.lifecycle.partition import Entry
from pileus.timing import Timing

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

log = logging.getLogger("pileus.worker")
MISSING = "metrics for Prometheus need the extra metrics: pip install 'pileus[metrics]'"
TRIED = 16
"""Ports that are tried, from the one that was asked for: several workers of one host each take the next."""
BUCKETS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000, 10_000)
"""Seconds."""


class WorkerMetrics:
    """Counts the partitions of one worker. `free_share`: returns the free share of the scratch volume, 0 to 1."""

    def __init__(self, free_share: Callable[[], float]) -> None:
        """Raises UsageError without the extra."""
        try:
            from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
        except ImportError as exc:
            raise UsageError(MISSING) from exc
        self.registry: CollectorRegistry = CollectorRegistry()
        registry = self.registry
        self._ended = Counter(
            "pileus_worker_partitions", "Partitions that have ended, by state.", ["state"], registry=registry
        )
        self._seconds = Histogram(
            "pileus_worker_step_seconds",
            "Seconds of a partition in each step.",
            ["step"],
            buckets=BUCKETS,
            registry=registry,
        )
        self._bytes = Counter("pileus_worker_step_bytes", "Bytes that a step has moved.", ["step"], registry=registry)
        share = Gauge("pileus_worker_scratch_free_ratio", "Free share of the scratch volume.", registry=registry)
        share.set_function(free_share)

    def ended(self, entry: Entry) -> None:
        """Count a partition that has ended."""
        self._ended.labels(str(entry.state)).inc()
        timing = Timing.from_json(entry.timing)
        for name, hop in timing.hops.items() if timing else ():
            self._seconds.labels(name).observe(hop.seconds)
            if hop.bytes:
                self._bytes.labels(name).inc(hop.bytes)


@contextmanager
def served(registry: "CollectorRegistry", place: str) -> Iterator[int]:
    """Answer /metrics at `place`, HOST:PORT, until the block ends. Yield the port: the first that is free.

    Raises UsageError for a place that is none, or where no port is free.
    """
    from prometheus_client import start_http_server

    host, _, number = place.rpartition(":")
    if not host or not number.isdecimal():
        raise UsageError("names no place for metrics: expected HOST:PORT, such as 127.0.0.1:9464", where=place)
    for port in range(int(number), int(number) + TRIED):
        with suppress(OSError, OverflowError):
            server, thread = start_http_server(port, host, registry)
            break
    else:
        raise UsageError(f"none of the {TRIED} ports from it is free", where=place)
    log.info("metrics at http://%s:%s/metrics", host, server.server_port)
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
