"""pileus logs: what workers wrote about a partition."""

import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pileus.cli import show
from pileus.cli.app import app
from pileus.cli.backfill_change import Id
from pileus.cli.session import Session

if TYPE_CHECKING:
    from pileus.backfills.record import Outcome

EVERY = 0.5
"""Seconds between two looks with --follow."""


@app.command(epilog="Example: pileus logs viirs-2012 2015-01")
def logs(
    id: Id,
    partition: Annotated[str, typer.Argument(help="PERIOD, PERIOD/GROUP, or the key that `status --json` shows.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Print new lines until the partition ends.")] = False,
    json: show.Json = False,
) -> None:
    """Show what workers wrote about one partition of a backfill."""
    session = Session()
    if follow:
        _follow(session, id, partition)
        return
    told(_lines(session, id, _chosen(session, id, partition)), json, "no worker has written about it in this backfill")


def told(lines: list[dict[str, Any]], json: bool, none: str) -> None:
    """Print lines of a log. `none`: what is said where there are none."""
    if json:
        show.as_json(lines)
    elif not lines:
        show.line(none)
    else:
        for line in lines:
            _show(line)


def _follow(session: Session, id: str, partition: str) -> None:
    """Print lines as they are written, until none of the partitions is under way and the last line is printed."""
    seen = 0
    with suppress(KeyboardInterrupt):
        while True:
            chosen = _chosen(session, id, partition)
            lines = _lines(session, id, chosen)
            for line in lines[seen:]:
                _show(line)
            sys.stdout.flush()
            seen = len(lines)
            if all(one.state.ended for one in chosen):
                return
            time.sleep(EVERY)


def _lines(session: Session, id: str, chosen: "list[Outcome]") -> list[dict[str, Any]]:
    found = [line for one in chosen for line in session.client.backfills.logs(id, one.period, one.group)]
    return sorted(found, key=lambda line: str(line.get("time", "")))


def _chosen(session: Session, id: str, text: str) -> "list[Outcome]":
    """Return the partitions that `text` names. Raises UsageError when there is none."""
    from pileus.backfills.status import WHOLE_POINT
    from pileus.errors import UsageError

    found = session.client.backfills.status(id)
    chosen = [
        one
        for one in found.outcomes
        if text in (one.key(found.backfill), one.period, f"{one.period}/{one.group}") and one.group != WHOLE_POINT
    ]
    if not chosen:
        raise UsageError(f"backfill {id} has no partition {text!r}: expected PERIOD, PERIOD/GROUP or its key")
    return chosen


def _show(line: dict[str, Any]) -> None:
    rest = {key: value for key, value in line.items() if key not in ("time", "level", "message", "partition")}
    trace = rest.pop("traceback", None)
    told = " ".join(f"{key}={value}" for key, value in rest.items())
    style = {"WARNING": "yellow", "ERROR": "red"}.get(line.get("level", ""), "")
    show.line(f"{line.get('time', '')} {line.get('level', '')} {line.get('message', '')} {told}", style=style)
    if trace:
        show.line(str(trace), style="dim")
