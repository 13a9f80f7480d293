"""pileus status: the state of each point in time of a backfill."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer

from pileus.cli import complete, show
from pileus.cli.app import app
from pileus.cli.session import Session
from pileus.cli.watch import statuses
from pileus.models import State

if TYPE_CHECKING:
    from pileus.backfills.status import Status

LISTED = 50
"""Most partitions that are listed for one state."""


@app.command(epilog="Example: pileus status --watch")
def status(
    id: Annotated[
        str | None, typer.Argument(autocompletion=complete.backfills, help="Backfill; the newest if not given.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Refresh until it has ended.")] = False,
    html: Annotated[Path | None, typer.Option("--html", help="Write an HTML page that loads nothing else.")] = None,
    json: show.Json = False,
) -> None:
    """Show the state of every point in time as a grid, and why something failed or waits."""
    session = Session()
    id = id or _newest(session)
    found = _watched(session, id, quiet=json) if watch else _settled(session, id)
    if html:
        _write_page(session, found, html)
    if json:
        from pileus.backfills.status import status as whole

        show.as_json(whole(session.edges, id, whole=True, files=True).to_json())
    elif not html:
        _tell(found)


def _newest(session: Session) -> str:
    from pileus.errors import UsageError

    newest = next((backfill.id for backfill in session.edges.index.backfills()), None)
    if newest is None:
        raise UsageError("no backfills yet: `pileus backfill COLLECTION` starts one")
    return newest


def _settled(session: Session, id: str) -> "Status":
    """Return the backfill as it is now. If its execution ended and nobody recorded it, end it first."""
    from pileus.backfills.control import settle
    from pileus.backfills.status import find, status

    settle(session.edges, session.workflows, find(session.edges, id))
    return status(session.edges, id, files=True)


def _watched(session: Session, id: str, *, quiet: bool) -> "Status":
    """Return the last status, when the backfill is over; until then show each one in a terminal."""
    from rich.console import Group
    from rich.live import Live

    from pileus.cli.grid import grid, legend

    with Live(console=show.errors, auto_refresh=False, transient=True) as live:
        for found in statuses(session, id):
            if show.errors.is_terminal and not quiet:
                live.update(Group(f"{id}  {found.backfill.state}", grid(found), legend(found)), refresh=True)
    return found


def _tell(found: "Status") -> None:
    from pileus.cli.grid import STYLES, grid, legend

    backfill = found.backfill
    show.line(f"{backfill.id}  {backfill.state}", style="bold")
    if backfill.problem:
        show.line(backfill.problem, style="red")
    show.console.print(grid(found))
    show.console.print(legend(found))
    if found.bytes_done:
        show.line(f"{show.size(found.bytes_done)} downloaded")
    if backfill.spending:
        show.line(f"{backfill.spending}, estimated for AWS")
    show.set_aside(found.files)
    trouble = list(found.trouble)
    for state in (State.failed, State.waiting, State.running):
        mine = [one for one in trouble if one.state is state]
        for one in mine[:LISTED]:
            show.line(f"  {state}  {one.period}  {one.group}  {one.why}", style=STYLES[state])
        if len(mine) > LISTED:
            show.line(f"  and {len(mine) - LISTED} more {state}: --json shows all")


def _write_page(session: Session, found: "Status", path: Path) -> None:
    from pileus.backfills.status_page import page
    from pileus.edges.store import split
    from pileus.errors import UsageError

    def link(url: str) -> str:
        bucket, key = split(url)
        if session.aws.endpoint:
            return f"{session.aws.endpoint}/{bucket}/{quote(key)}"
        return f"https://console.aws.amazon.com/s3/object/{bucket}?prefix={quote(key)}"

    made = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        path.write_text(page(found, session.stack.protected, link, made=made))
    except OSError as exc:
        raise UsageError(f"cannot be written: {exc.strerror}", where=str(path)) from exc
    show.errors.print(f"wrote {path}", markup=False, soft_wrap=True)
