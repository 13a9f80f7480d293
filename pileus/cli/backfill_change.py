"""Options and answers of the commands that change a backfill: pause, cancel, resume, retry."""

from typing import Annotated, Any

import typer

from pileus.cli import complete, show
from pileus.cli.session import Session
from pileus.cli.watch import watch

Id = Annotated[str, typer.Argument(autocompletion=complete.backfills, help="Backfill: `pileus backfills` lists them.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until it ends, with its progress.")]
HEARD_WITHIN = 2
"""Seconds after which every worker has seen a stop."""


def halted(backfill: dict[str, Any], word: str, json: bool) -> None:
    """Print that a backfill was stopped, as a line or as JSON."""
    if json:
        show.as_json(backfill | {"stops_within_seconds": HEARD_WITHIN})
    else:
        show.line(f"{backfill['id']} is {word}: nothing new starts; what is running stops within {HEARD_WITHIN} s")


def started(session: Session, backfill: dict[str, Any], wait: bool, json: bool) -> None:
    """Print that a backfill runs. With `wait`, show its progress to the end, and exit with its code."""
    if not json:
        show.line(f"{backfill['id']} is running, run {backfill['run']}")
    if wait:
        raise typer.Exit(watch(session, backfill["id"], json=json))
    if json:
        show.as_json(backfill)
