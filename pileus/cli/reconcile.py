"""pileus reconcile: compare provider, objects, index and rows, and repair what differs."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from pileus.cli import show
from pileus.cli.app import app
from pileus.cli.options import Collection, Version
from pileus.cli.session import Session
from pileus.cli.watch import follow, summary

if TYPE_CHECKING:
    from pileus.backfills.reconcile import Reconciliation

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
    session = Session()
    command = " ".join(["pileus", *sys.argv[1:]])
    found, begun = session.client.operations.reconcile(collection, version, mend=repair, command=command)
    started = begun.id if begun else None
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


def _tell(found: "Reconciliation") -> None:
    rows = [(f.kind, f.partition, f.detail) for f in found.findings[:LISTED]]
    if rows:
        show.table(("what", "partition", "detail"), rows)
    if len(found.findings) > LISTED:
        show.line(f"and {len(found.findings) - LISTED} more: --json shows all")
    verdict = f"{len(found.findings)} findings" if found.findings else "all agree"
    show.line(f"{found.partitions} partitions, {found.objects} objects: {verdict}", style="bold")
