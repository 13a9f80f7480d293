"""pileus pause: stop a backfill so that it can go on."""

from pileus.cli import show
from pileus.cli.app import app
from pileus.cli.backfill_change import Id, halted
from pileus.cli.session import Session


@app.command(epilog="Example: pileus pause viirs-2012")
def pause(id: Id, json: show.Json = False) -> None:
    """Stop a backfill for a while: running groups stop within seconds. `pileus resume` continues it."""
    halted(Session().client.backfills.pause(id).to_json(), "paused", json)
