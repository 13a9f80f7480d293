"""pileus retry: run an ended backfill again."""

from typing import Annotated, Literal

import typer

from pileus.cli import show
from pileus.cli.app import app
from pileus.cli.backfill_change import Id, Wait, started
from pileus.cli.session import Session

SELECTS: dict[str, Literal["needed", "failed", "incomplete"]] = {
    "all": "needed",
    "failed": "failed",
    "waiting": "incomplete",
}


@app.command(epilog="Example: pileus retry viirs-2012 --only failed")
def retry(
    id: Id,
    only: Annotated[
        Literal["failed", "waiting", "all"], typer.Option(help="What to run again; `all`: what is not up to date.")
    ] = "all",
    wait: Wait = False,
    json: show.Json = False,
) -> None:
    """Run an ended backfill again for what did not succeed. What is up to date does not run."""
    from pileus.backfills.control import retry as again

    session = Session()
    started(session, again(session.edges, session.workflows, id, SELECTS[only]).to_json(), wait, json)
