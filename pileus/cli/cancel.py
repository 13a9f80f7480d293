"""pileus cancel: stop a backfill for good."""

from pileus.cli import show
from pileus.cli.app import app
from pileus.cli.backfill_change import Id, halted
from pileus.cli.session import Session


@app.command(epilog="Example: pileus cancel viirs-2012")
def cancel(id: Id, json: show.Json = False) -> None:
    """Stop a backfill for good: running groups stop within seconds. `pileus retry` starts it again."""
    halted(Session().client.backfills.cancel(id).to_json(), "cancelled", json)
