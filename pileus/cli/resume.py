"""pileus resume: go on with a paused backfill."""

from pileus.cli import show
from pileus.cli.app import app
from pileus.cli.backfill_change import Id, Wait, started
from pileus.cli.session import Session


@app.command(epilog="Example: pileus resume viirs-2012 --wait")
def resume(id: Id, wait: Wait = False, json: show.Json = False) -> None:
    """Continue a paused backfill: queue what has not succeeded."""
    session = Session()
    started(session, session.client.backfills.resume(id).to_json(), wait, json)
