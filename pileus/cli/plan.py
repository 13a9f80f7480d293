"""pileus plan: what a backfill would do, and why, before anything is done."""

import os
from typing import TYPE_CHECKING, Annotated

import typer

from pileus.cli import show
from pileus.cli.account import Settings
from pileus.cli.app import app
from pileus.cli.options import Collection, First, Last, Version
from pileus.cli.session import Session
from pileus.lifecycle.backfill import Order, Select

if TYPE_CHECKING:
    from pileus.backfills.plan import Plan
    from pileus.deploy.cost import Estimate


@app.command(epilog="Example: pileus plan viirs_template --from 2012-04 --to 2018-05")
def plan(
    collection: Collection,
    first: First = None,
    last: Last = None,
    version: Version = None,
    select: Annotated[Select, typer.Option(help="Which partitions would run.")] = "needed",
    order: Annotated[Order, typer.Option(help="Which point in time would come first.")] = "oldest",
    settings: Settings = None,
    json: show.Json = False,
) -> None:
    """Ask the provider and the index what a backfill would do to each partition, and why. Writes nothing."""
    from pileus.backfills.control import new_backfill, read_registry
    from pileus.backfills.plan import plan
    from pileus.deploy.cost import estimate
    from pileus.deploy.figures import latest_manifests, read_prices, work_of
    from pileus.deploy.synth import check_settings, read_settings

    checked = check_settings(read_settings(os.environ, settings))
    session = Session()
    edges = session.edges
    registry = read_registry(edges.store, session.stack)
    wanted = new_backfill(
        registry, collection, now=edges.now(), version=version, first=first, last=last, select=select, order=order
    )
    template = registry.collection(collection, version)
    provider = registry.provider_of(template)
    found = plan(edges, template, provider, wanted)
    groups = len(found.running)
    work = work_of(
        latest_manifests(edges, template.name),
        points=len(wanted.periods),
        groups=groups,
        connections=provider.globalConnectionLimit,
        group_bytes=found.size / groups if found.size else None,
    )
    made = estimate(work, checked, read_prices())
    if json:
        value = found.to_json()
        value["totals"] |= {"dollars": made.dollars, "minutes": round(made.minutes, 1), "prices": made.prices}
        show.as_json(value)
    else:
        _tell(found, made, checked.max_workers)


def _tell(found: "Plan", made: "Estimate", workers: int) -> None:
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
    many = f"{workers} worker{'s' * (workers > 1)}"
    show.line(f"on AWS: {made.dollars:,.2f} dollars and {made.minutes:,.0f} minutes for {many}; see `pileus cost`")
    show.line(f"prices of {made.prices}")
