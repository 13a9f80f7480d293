"""Watching a backfill: a live progress bar, then a summary."""

import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pileus.cli import show
from pileus.models import State

if TYPE_CHECKING:
    from pileus.backfills.status import Status
    from pileus.cli.session import Session

PAUSE = 0.4
"""Seconds between two reads of the index."""
SETTLE_EVERY = 10
"""Reads of the index between two requests to Step Functions."""
PATIENCE = 120
"""Seconds for which the stack may be unreachable."""


def watch(session: "Session", id: str, *, json: bool) -> int:
    """Show progress until the backfill ends, then the summary. Return the exit code: 0 where it succeeded, else 1."""
    found = follow(session, id)
    if json:
        from pileus.backfills.status import status

        show.as_json(status(session.edges, id, whole=True).to_json())
    else:
        summary(found)
    return 0 if found.backfill.state == "succeeded" else 1


def follow(session: "Session", id: str) -> "Status":
    """Show progress on standard error until the backfill ends. Return its last status."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=show.errors, disable=not sys.stderr.isatty(), transient=True) as progress:
        months = progress.add_task("points in time", total=None, note="")
        groups = progress.add_task("groups", total=None, note="")
        for found in statuses(session, id):
            done, total = found.periods
            ended = sum(one.state.ended for one in found.outcomes)
            bytes_ = f"{show.size(found.bytes_done)} of {show.size(found.bytes_wanted)}"
            progress.update(months, completed=done, total=total, note="")
            progress.update(groups, completed=ended, total=len(found.outcomes), note=bytes_)
    return found


def statuses(session: "Session", id: str) -> "Iterator[Status]":
    """Yield statuses until the backfill is over, the last one included. Goes on when the stack restarts."""
    from pileus.backfills.control import settle
    from pileus.backfills.status import status
    from pileus.errors import StoreError

    seen, lost = 0, None
    while True:
        began = time.monotonic()
        try:
            found = status(session.edges, id)
            if seen % SETTLE_EVERY == SETTLE_EVERY - 1:
                settle(session.edges, session.workflows, found.backfill)
            lost = None
        except StoreError:
            lost = lost or time.monotonic()
            if time.monotonic() - lost > PATIENCE:
                raise
        else:
            yield found
            if found.backfill.over:
                return
        seen += 1
        time.sleep(max(PAUSE, 9 * (time.monotonic() - began)))  # reading takes at most a tenth of the time


def summary(found: "Status") -> None:
    """Print the outcome of a backfill, and every partition that needs attention."""
    backfill, counts = found.backfill, found.counts
    told = ", ".join(f"{count} {state}" for state in State if (count := counts[state]))
    show.line(f"{backfill.id}  {backfill.state}: {told}", style="bold")
    if backfill.problem:
        show.line(backfill.problem, style="red")
    if set(counts) == {State.skipped}:
        show.line(f"nothing to do: all {len(found.outcomes)} partitions are up to date")
    elif found.bytes_done:
        show.line(f"{show.size(found.bytes_done)} downloaded")
    for state in (State.failed, State.waiting, State.running):
        rows = [one for one in found.outcomes if one.state is state]
        for one in rows[:50]:
            show.line(f"  {state}  {one.period}  {one.group}  {one.why}", style=_STYLE[state])
        if len(rows) > 50:
            show.line(f"  and {len(rows) - 50} more {state}: --json shows all")


_STYLE = {State.failed: "red", State.waiting: "yellow", State.running: "cyan"}
