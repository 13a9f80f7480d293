"""pileus reconcile: compare provider, objects, index and rows, and repair what differs."""

import sys
from getpass import getuser
from typing import TYPE_CHECKING, Annotated

import typer

from pileus.cli import show
from pileus.cli.app import app
from pileus.cli.options import Collection, Version
from pileus.cli.session import Session
from pileus.cli.watch import follow, summary

if TYPE_CHECKING:
    from pileus.backfills.reconcile import Reconciliation
    from pileus.project.registry import Registry

LISTED = 200


@app.command(epilog="Example: pileus reconcile viirs_template --repair")
def reconcile(
    collection: Collection,
    repair: Annotated[bool, typer.Option("--repair", help="Repair the index, and queue what is missing.")] = False,
    version: Version = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the repair ends, with its progress.")] = False,
    json: show.Json = False,
) -> None:
    """Find what is lost, missing, corrupt, orphaned or undone. Exits with 1 when it finds something and does not repair
    it.
    """
    from pileus.backfills.control import new_backfill, read_registry
    from pileus.backfills.reconcile import reconcile
    from pileus.backfills.reconcile import repair as repair_index

    session = Session()
    edges = session.edges
    registry = read_registry(edges.store, session.stack)
    template = registry.collection(collection, version)
    whole = new_backfill(registry, collection, now=edges.now(), version=version)
    found = reconcile(edges, template, registry.provider_of(template), whole)
    started = None
    if repair and (periods := repair_index(edges, template, found)):
        started = _start(session, registry, collection, template.version, periods)
    if not json:
        _tell(found)
        if started:
            show.line(f"{started} runs {len(found.rerun)} partitions again")
    ended = follow(session, started) if started and wait else None
    if json:
        show.as_json(found.to_json() | {"backfill": started, "state": ended.backfill.state if ended else None})
    elif ended:
        summary(ended)
    if ended:
        raise typer.Exit(0 if ended.backfill.state == "succeeded" else 1)
    raise typer.Exit(1 if found.findings and not repair else 0)


def _start(session: Session, registry: "Registry", collection: str, version: str, periods: list[str]) -> str:
    """Start a backfill over the periods for what is missing there, and return its id."""
    from pileus.backfills.control import new_backfill, start

    planned = new_backfill(
        registry,
        collection,
        now=session.edges.now(),
        version=version,
        first=periods[0],
        last=periods[-1],
        onward=True,
        select="missing",
        started_by=getuser(),
        command=" ".join(["pileus", *sys.argv[1:]]),
    )
    return start(session.edges, session.workflows, planned).id


def _tell(found: "Reconciliation") -> None:
    rows = [(f.kind, f.partition, f.detail) for f in found.findings[:LISTED]]
    if rows:
        show.table(("what", "partition", "detail"), rows)
    if len(found.findings) > LISTED:
        show.line(f"and {len(found.findings) - LISTED} more: --json shows all")
    verdict = f"{len(found.findings)} findings" if found.findings else "all agree"
    show.line(f"{found.partitions} partitions, {found.objects} objects: {verdict}", style="bold")
