"""pileus backfill: run history."""

import os
import sys
from getpass import getuser
from typing import TYPE_CHECKING, Annotated

import typer

from pileus.cli import complete, show
from pileus.cli.account import Settings
from pileus.cli.app import app
from pileus.cli.options import Collection, First, Last, Version
from pileus.cli.session import Session
from pileus.cli.watch import watch
from pileus.lifecycle.backfill import Order, Select

if TYPE_CHECKING:
    from pathlib import Path

    from pileus.lifecycle.spending import Spending
    from pileus.project.registry import Registry


@app.command(epilog="Example: pileus backfill viirs_template --from 2012-04 --wait")
def backfill(
    collection: Collection,
    first: First = None,
    last: Last = None,
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
    settings: Settings = None,
    workflow: Annotated[
        str | None, typer.Option(autocompletion=complete.workflows, help="Workflow, in place of the collection's.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it ends, with its progress.")] = False,
    json: show.Json = False,
) -> None:
    """Start the workflow for every point in time of a template's span, and print the backfill's id."""
    from pileus.backfills.begin import begin
    from pileus.backfills.control import new_backfill, read_registry

    session = Session()
    edges = session.edges
    registry = read_registry(edges.store, session.stack)
    planned = new_backfill(
        registry,
        collection,
        now=edges.now(),
        version=version,
        first=first,
        last=last,
        id=name,
        select=select,
        order=order,
        max_running=max_running,
        max_failures=max_failures,
        spending=_spending(session, registry, collection, version, max_dollars, settings),
        report_failures=report_failures,
        workflow=workflow,
        started_by=getuser(),
        command=" ".join(["pileus", *sys.argv[1:]]),
    )
    started = begin(edges, session.workflows, registry, planned)
    if not json:
        show.line(started.id)
    if wait:
        raise typer.Exit(watch(session, started.id, json=json))
    if json:
        show.as_json(started.to_json())


def _spending(
    session: Session,
    registry: "Registry",
    collection: str,
    version: str | None,
    most: float | None,
    settings: "Path | None",
) -> "Spending | None":
    """Return the limit `--max-dollars`, with the prices that the settings lead to; None where it is not given."""
    from pileus.deploy.figures import latest_manifests, read_prices, spending, work_of
    from pileus.deploy.synth import check_settings, read_settings

    if most is None:
        return None
    template = registry.collection(collection, version)
    limit = registry.provider_of(template).globalConnectionLimit
    work = work_of(latest_manifests(session.edges, template.name), points=0, groups=1, connections=limit)
    return spending(most, work, check_settings(read_settings(os.environ, settings)), read_prices())
