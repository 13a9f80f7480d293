"""pileus backfill: run history."""

import sys
from typing import Annotated

import typer

from pileus.cli import complete, show
from pileus.cli.account import Settings
from pileus.cli.app import app
from pileus.cli.options import Collection, First, Last, Points, Provider, Version
from pileus.cli.session import Session
from pileus.cli.watch import watch
from pileus.lifecycle.backfill import Order, Select


@app.command(epilog="Example: pileus backfill viirs_template --from 2012-04 --wait")
def backfill(
    collection: Collection,
    first: First = None,
    last: Last = None,
    point: Points = None,
    version: Version = None,
    name: Annotated[str | None, typer.Option(help="Id of the backfill; generated if not given.")] = None,
    select: Annotated[Select, typer.Option(help="Which partitions to run.")] = "needed",
    order: Annotated[Order, typer.Option(help="Which point in time comes first.")] = "oldest",
    max_running: Annotated[int | None, typer.Option(min=1, help="Most groups that run at once.")] = None,
    max_failures: Annotated[int | None, typer.Option(min=0, help="Stop when more partitions than this failed.")] = None,
    max_dollars: Annotated[
        float | None, typer.Option(help="Start no more groups when those started cost this much, as estimated.")
    ] = None,
    report_failures: Annotated[
        bool, typer.Option("--report-failures", help="Tell the topic of each failed partition.")
    ] = False,
    provider: Provider = None,
    settings: Settings = None,
    workflow: Annotated[
        str | None, typer.Option(autocompletion=complete.workflows, help="Workflow, in place of the collection's.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it ends, with its progress.")] = False,
    json: show.Json = False,
) -> None:
    """Start the workflow for every point in time of a template's span, and print the backfill's id."""
    session = Session(settings=settings)
    started = session.client.backfills.start(
        collection,
        version=version,
        first=first,
        last=last,
        points=tuple(point or ()),
        id=name,
        select=select,
        provider=provider,
        order=order,
        max_running=max_running,
        max_failures=max_failures,
        max_dollars=max_dollars,
        report_failures=report_failures,
        workflow=workflow,
        command=" ".join(["pileus", *sys.argv[1:]]),
    )
    if not json:
        show.line(started.id)
    if wait:
        raise typer.Exit(watch(session, started.id, json=json))
    if json:
        show.as_json(started.to_json())
