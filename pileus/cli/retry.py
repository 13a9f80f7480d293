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


@app.command(epilog="Example: pileus retry viirs-2012 2015-03 --only failed")
def retry(
    id: Id,
    partitions: Annotated[
        list[str] | None, typer.Argument(help="PERIOD or PERIOD/GROUP, several if need be; all if not given.")
    ] = None,
    only: Annotated[
        Literal["failed", "waiting", "all"], typer.Option(help="What to run again; `all`: what is not up to date.")
    ] = "all",
    wait: Wait = False,
    json: show.Json = False,
) -> None:
    """Run an ended backfill again for what did not succeed. What is up to date does not run."""
    session = Session()
    begun = session.client.backfills.retry(id, SELECTS[only], tuple(partitions or ()))
    started(session, begun.to_json(), wait, json)
