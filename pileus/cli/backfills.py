"""pileus backfills: the list of all backfills."""

from pileus.cli import show
from pileus.cli.app import app
from pileus.cli.session import Session


@app.command(epilog="Example: pileus backfills --json")
def backfills(json: show.Json = False) -> None:
    """List all backfills, newest first."""
    found = list(Session().client.backfills.all())
    if json:
        show.as_json([backfill.to_json() for backfill in found])
    elif not found:
        show.line("no backfills yet: `pileus backfill COLLECTION` starts one")
    else:
        columns = ("id", "state", "collection", "from", "to", "run", "started", "by")
        show.table(
            columns,
            [(b.id, b.state, b.collection, b.first, b.last, b.run, b.started[:19], b.started_by) for b in found],
        )
