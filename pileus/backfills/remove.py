"""Remove a backfill of a collection of its own, with all that it wrote, as if it had never run."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from pileus.backfills.control import cancel, settle
from pileus.edges.store import delete_all
from pileus.edges.workflows import Workflows
from pileus.errors import Conflict, UsageError
from pileus.granules.record import FOLDER as GRANULES
from pileus.lifecycle.backfill import Backfill
from pileus.models import safe
from pileus.outputs.commit import STAGED
from pileus.outputs.read import objects
from pileus.wiring import Edges

T = TypeVar("T")
SECONDS = 180.0
"""How long to wait for workers to let go: longer than the lease of one that died."""
PAUSE = 1.0
TRIES = 100
SWEEPS = 3
"""How often the backfill's own objects are deleted again once its record is gone."""


def remove(
    edges: Edges,
    workflows: Workflows,
    backfill: Backfill,
    *,
    seconds: float = SECONDS,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Cancel the backfill if it runs, wait until nothing works on it, and delete all of its collection and itself.

    The collection must be no other backfill's. Return False when something still worked on it after `seconds`; what
    that writes later stays. The record in the index goes last, so that a removal that was interrupted can be repeated.
    """
    quiet = _is_quiet(edges, workflows, backfill.id, clock() + seconds, clock, sleep)
    found = [url for url, _ in objects(edges.store, edges.stack.protected, backfill.collection)]
    name = safe(backfill.collection)
    for prefix in (f"{STAGED}/{name}/", f"{GRANULES}/{name}/", f"backfills/{backfill.id}/"):
        found += [url for url, _ in edges.store.list(edges.internal(prefix))]
    delete_all(edges.store, found)
    for entry in list(edges.index.entries(backfill.collection, backfill.version, backfill.first, backfill.last)):
        _retried(lambda entry=entry: edges.index.entry(entry.partition), edges.index.remove)  # type: ignore[misc]
    _retried(lambda: edges.index.backfill(backfill.id), edges.index.remove_backfill)
    for _ in range(SWEEPS):  # a Lambda that had read the record before may just write its copy
        sleep(PAUSE)
        delete_all(edges.store, [url for url, _ in edges.store.list(edges.internal(f"backfills/{backfill.id}/"))])
    return quiet


def _is_quiet(
    edges: Edges,
    workflows: Workflows,
    id: str,
    until: float,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> bool:
    """Wait until the backfill has ended, its record is written and its report is told; False when that takes longer."""
    while (now := edges.index.backfill(id)) is not None:
        if now.state in ("running", "paused"):
            with suppress(UsageError):  # it has ended since
                cancel(edges, workflows, id)
        now = settle(edges, workflows, edges.index.backfill(id) or now)
        runs = now.execution is not None and workflows.status(now.execution) == "RUNNING"
        if now.closed and not now.untold and not runs:
            break
        if clock() > until:
            return False
        sleep(PAUSE)
    return True


def _retried(read: Callable[[], T | None], remove: Callable[[T], None]) -> None:
    """Remove what `read` returns, though others change it."""
    for _ in range(TRIES):
        stored = read()
        if stored is None:
            return
        with suppress(Conflict):
            remove(stored)
