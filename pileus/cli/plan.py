"""pileus plan: what a backfill would do, and why, before anything is done."""

from typing import TYPE_CHECKING, Annotated

import typer

from pileus.cli import show
from pileus.cli.account import Settings
from pileus.cli.app import app
from pileus.cli.options import Collection, First, Last, Points, Provider, Version
from pileus.cli.session import Session
from pileus.lifecycle.backfill import Order, Select

if TYPE_CHECKING:
    from pileus.client.forecast import Forecast


@app.command(epilog="Example: pileus plan viirs_template --from 2012-04 --to 2018-05")
def plan(
    collection: Collection,
    first: First = None,
    last: Last = None,
    point: Points = None,
    version: Version = None,
    select: Annotated[Select, typer.Option(help="Which partitions would run.")] = "needed",
    order: Annotated[Order, typer.Option(help="Which point in time would come first.")] = "oldest",
    provider: Provider = None,
    settings: Settings = None,
    json: show.Json = False,
) -> None:
    """Ask the provider and the index what a backfill would do to each partition, and why. Writes nothing."""
    session = Session(settings=settings)
    found = session.client.backfills.plan(
        collection,
        version=version,
        first=first,
        last=last,
        points=tuple(point or ()),
        select=select,
        order=order,
        provider=provider,
    )
    if json:
        show.as_json(found.to_json())
    else:
        _tell(found)


def _tell(made: "Forecast") -> None:
    found = made.plan
    rows = [
        (row.partition.period, row.partition.group, row.action, row.reason, row.files, show.size(row.size))
        for row in found.rows
    ]
    show.table(("period", "group", "action", "why", "files", "size"), rows)
    show.set_aside(found.files)
    actions = ", ".join(f"{count} {action}" for action, count in found.actions.most_common())
    files = sum(row.files for row in found.running)
    scratch = max((row.scratch for row in found.running), default=0)
    show.line(f"{len(found.rows)} partitions: {actions}", style="bold")
    show.line(f"{files} files, {show.size(found.size)} to download; scratch for one group {show.size(scratch)}")
    if found.minutes is None:
        show.line("time: unknown, nothing of this collection has been done yet")
    else:
        show.line(
            f"time: {show.seconds(found.minutes * 60)} for one worker, at {show.size(found.speed or 0)}/s as measured"
        )
    many = f"{made.workers} worker{'s' * (made.workers > 1)}"
    show.line(f"on AWS: {made.dollars:,.2f} dollars and {made.minutes:,.0f} minutes for {many}; see `pileus cost`")
    show.line(f"prices of {made.prices}")
