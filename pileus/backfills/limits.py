"""What stops a run by itself: too many failed partitions, or groups that cost too much."""

from collections.abc import Callable
from dataclasses import replace

from pileus.backfills import record
from pileus.backfills.end import iso, keep, report_stop
from pileus.edges.index import change_backfill
from pileus.lifecycle.backfill import Backfill, backfill_of
from pileus.wiring import Edges


def count_failure(edges: Edges, run: str) -> None:
    """Count one more failed partition of the run. Stop the backfill when it has more failures than `max_failures`."""

    def step(now: Backfill) -> Backfill | None:
        if now.max_failures is None or not now.runs(run):
            return None
        counted = replace(now, failures=now.failures + 1)
        if counted.failures <= now.max_failures:
            return counted
        return _stopped(edges, counted, f"{counted.failures} partitions failed, {now.max_failures} are allowed")

    _limited(edges, run, step)


def admit(edges: Edges, backfill: Backfill, run: str, claim: str) -> Backfill | None:
    """Count one more group of the run that starts, and return the backfill as it is then; None when there is none.

    Stop the backfill when its groups would cost more than `--max-dollars`. Raises StoreError, also when too many
    workers begin at once. `claim`: of the group; S3 has it before it counts, for an index that is lost and rebuilt.
    """
    if backfill.spending is not None:
        record.note_admitted(edges, backfill.id, backfill.spending, claim)

    def step(now: Backfill) -> Backfill | None:
        if now.spending is None or not now.runs(run):
            return None
        if more := now.spending.admit():
            return replace(now, spending=more)
        return _stopped(edges, now, f"{now.spending}; the next group costs about {now.spending.group:.4g}")

    return _limited(edges, run, step) or edges.index.backfill(backfill_of(run))


def measure(edges: Edges, run: str, seconds: float) -> None:
    """Count what a group of the run cost, whose worker had it for `seconds`."""

    def step(now: Backfill) -> Backfill | None:
        if now.spending is None or not now.runs(run):
            return None
        return replace(now, spending=now.spending.measure(seconds))

    change_backfill(edges.index, backfill_of(run), step)


def _stopped(edges: Edges, backfill: Backfill, why: str) -> Backfill:
    return replace(backfill, state="failed", ended=iso(edges), problem=f"stopped: {why}", untold=True)


def _limited(edges: Edges, run: str, step: Callable[[Backfill], Backfill | None]) -> Backfill | None:
    """Store what `step` makes of the backfill, and return it. When that stops it, keep and tell that."""
    changed = change_backfill(edges.index, backfill_of(run), step)
    if changed is not None and changed.over:
        keep(edges, changed)
        report_stop(edges, changed)
    return changed
