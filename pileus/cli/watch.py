"""Watching a backfill: what happens as it happens, how fast, how long it may take; then a summary.

In a terminal a live part shows how far it is, and failures and retries scroll by above it. Where nobody sits at a
terminal each thing that happens is a line on standard error.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

import typer

from pileus.cli import show
from pileus.models import State

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pileus.backfills.events import Event
    from pileus.backfills.progress import Progress
    from pileus.backfills.status import Status
    from pileus.cli.session import Session

PAUSE = 0.4
"""Seconds between two looks."""
PATIENCE = 120
"""Seconds for which the stack may be unreachable."""
SOME = 6
"""Points in time that run now and are named."""
INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""
ENDS = ("succeeded", "skipped", "failed", "waiting", "cancelled")
STYLES = {"failed": "red", "retried": "yellow", "waiting": "yellow", "cancelled": "magenta"}


def watch(session: "Session", id: str, *, json: bool) -> int:
    """Show what happens until the backfill ends, then the summary. Return the exit code: 0 where it succeeded, else 1.

    Ctrl-C ends the watching alone, and says so.
    """
    found = follow(session, id, quiet=json)
    if json:
        show.as_json(session.client.backfills.status(id, whole=True).to_json())
    else:
        summary(found)
    return 0 if found.backfill.state == "succeeded" else 1


def follow(
    session: "Session", id: str, *, quiet: bool = False, above: "Callable[[Status], RenderableType] | None" = None
) -> "Status":
    """Show what happens until the backfill is over. Return its last status.

    `quiet`: show nothing; `above`: makes what the live part begins with.
    """
    from pileus.backfills.events import changes
    from pileus.backfills.progress import Pace

    before, pace = None, Pace()
    with _going_on(id), _shown(above, quiet=quiet) as tell:
        for found in statuses(session, id):
            tell(found, changes(before, found), pace.progress(time.monotonic(), found))
            before = found
    return found


@contextmanager
def _going_on(id: str) -> Iterator[None]:
    """On Ctrl-C say that the backfill goes on, and how to come back."""
    try:
        yield
    except KeyboardInterrupt:
        show.errors.print(
            f"{id} goes on: `pileus status {id} --watch` shows it again, `pileus pause {id}` stops it for a while",
            markup=False,
            soft_wrap=True,
        )
        raise typer.Exit(INTERRUPTED) from None


Tell = Callable[["Status", "list[Event]", "Progress"], None]


@contextmanager
def _shown(above: "Callable[[Status], RenderableType] | None", *, quiet: bool) -> Iterator[Tell]:
    """Yield what shows a status: in a terminal a live part, else lines."""
    if quiet or not sys.stderr.isatty():
        kinds = () if quiet else (*ENDS, "retried", "run", "backfill")
        yield lambda _, events, __: _lines(events, kinds)
        return
    from rich.live import Live

    with Live(console=show.errors, auto_refresh=False, transient=True) as live:

        def tell(found: "Status", events: "list[Event]", progress: "Progress") -> None:
            _lines(events, ("failed", "retried", "backfill"))
            live.update(_part(found, progress, above), refresh=True)

        yield tell


def _lines(events: "list[Event]", kinds: tuple[str, ...]) -> None:
    """Print a line for each event of these kinds."""
    for one in events:
        if one.kind in kinds:
            at = datetime.now().astimezone().strftime("%H:%M:%S")
            told = "  ".join(filter(None, (at, one.kind, one.period, one.group, one.text)))
            show.errors.print(told, style=STYLES.get(one.kind, ""), markup=False, soft_wrap=True)
    sys.stderr.flush()


def _part(
    found: "Status", progress: "Progress", above: "Callable[[Status], RenderableType] | None"
) -> "RenderableType":
    """Return the live part: a bar of points in time, one of partitions, and a line of what runs and how fast."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    done, total = found.periods
    rows = Table.grid(padding=(0, 1))
    bytes_ = f"{show.size(found.bytes_done)} of {show.size(found.bytes_wanted)}"
    for name, now, whole, note in (
        ("points in time", done, total, ""),
        ("groups", progress.ended, progress.total, bytes_),
    ):
        rows.add_row(name, ProgressBar(total=max(whole, 1), completed=now, width=40), f"{now}/{whole}", note)
    return Group(*([above(found)] if above else []), rows, Text(pace_line(progress), style="dim"))


def pace_line(progress: "Progress") -> str:
    """Return what runs now, how fast it goes and how long it may take, as far as it is known.

    >>> from pileus.backfills.progress import Progress
    >>> pace_line(Progress(3, 10, ("2015-04", "2015-05"), 3.0, 6e6, 140.0))
    'running 2015-04, 2015-05; 3.0 groups and 6.0 MB a minute; about 2 min 20 s left'
    """
    some = ", ".join(progress.running[:SOME])
    more = f" and {len(progress.running) - SOME} more" if len(progress.running) > SOME else ""
    parts = [f"running {some}{more}"] if some else []
    if progress.per_minute is not None:
        moved = f" and {show.size(progress.bytes_per_minute)}" if progress.bytes_per_minute else ""
        parts.append(f"{progress.per_minute:,.1f} groups{moved} a minute")
    if progress.seconds_left is not None:
        parts.append(f"about {show.seconds(progress.seconds_left)} left")
    return "; ".join(parts)


def statuses(session: "Session", id: str) -> "Iterator[Status]":
    """Yield statuses until the backfill is over, the last one included. Goes on when the stack restarts."""
    from pileus.errors import StoreError, Unreachable

    lost = None
    while True:
        began = time.monotonic()
        try:
            found = session.client.backfills.status(id)
            lost = None
        except (StoreError, Unreachable):
            lost = lost or time.monotonic()
            if time.monotonic() - lost > PATIENCE:
                raise
        else:
            yield found
            if found.backfill.over:
                return
        time.sleep(max(PAUSE, 9 * (time.monotonic() - began)))  # looking takes at most a tenth of the time


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
