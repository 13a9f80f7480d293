"""pileus status: the state of each point in time of a backfill."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer

from pileus.cli import complete, show
from pileus.cli.app import app
from pileus.cli.session import Session
from pileus.cli.watch import follow
from pileus.models import State

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pileus.backfills.status import Status

LISTED = 50
"""Most partitions that are listed for one state."""
MOST_TIMED = 1000
"""Most partitions whose times `--timing --json` has."""


@app.command(epilog="Example: pileus status --watch")
def status(
    id: Annotated[
        str | None, typer.Argument(autocompletion=complete.backfills, help="Backfill; the newest if not given.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Refresh until it has ended.")] = False,
    html: Annotated[Path | None, typer.Option("--html", help="Write an HTML page that loads nothing else.")] = None,
    timing: Annotated[bool, typer.Option("--timing", help="Show where its time went, by step.")] = False,
    json: show.Json = False,
) -> None:
    """Show the state of every point in time as a grid, and why something failed or waits."""
    session = Session()
    backfills = session.client.backfills
    id = id or _newest(session)
    if watch:
        follow(session, id, quiet=json, above=_grid)
    if timing:
        _timing(session, id, json=json)
        return
    if json:
        show.as_json(backfills.status(id, whole=True, files=True).to_json())
    found = backfills.status(id, files=True) if html or not json else None
    if html and found:
        _write_page(session, found, html)
    elif found:
        _tell(found)


def _timing(session: Session, id: str, *, json: bool) -> None:
    from pileus.cli.timing import tell

    found = session.client.backfills.timing(id, limit=MOST_TIMED)
    if json:
        show.as_json(found.model_dump(mode="json"))
    else:
        tell(found)


def _newest(session: Session) -> str:
    from pileus.errors import UsageError

    newest = next((backfill.id for backfill in session.client.backfills.all()), None)
    if newest is None:
        raise UsageError("no backfills yet: `pileus backfill COLLECTION` starts one")
    return newest


def _grid(found: "Status") -> "RenderableType":
    """Return what the live part begins with: the grid, as far as it fits on a screen."""
    from rich.console import Group

    from pileus.cli.grid import grid, legend

    lines = grid(found).split("\n", allow_blank=True)
    shown = lines[: max(5, show.errors.height - 10)]
    return Group(f"{found.backfill.id}  {found.backfill.state}", *shown, legend(found))


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
        path.write_text(page(found, session.client.outputs.bucket, link, made=made))
    except OSError as exc:
        raise UsageError(f"cannot be written: {exc.strerror}", where=str(path)) from exc
    show.errors.print(f"wrote {path}", markup=False, soft_wrap=True)
