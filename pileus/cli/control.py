"""pileus pause, resume, cancel, retry, logs: the life of a backfill in its user's hands."""

from typing import Annotated, Any, Literal

import typer

from pileus.cli import show
from pileus.cli.app import app
from pileus.cli.session import Session
from pileus.cli.watch import watch

Id = Annotated[str, typer.Argument(help="Backfill: `pileus backfills` lists them.")]
Json = Annotated[bool, typer.Option("--json", help="For machines.")]
HEARD_WITHIN = 2
"""Seconds after which every worker has heard of a stop."""
Wait = Annotated[bool, typer.Option("--wait", help="Watch it to its end.")]
SELECTS: dict[str, Literal["needed", "failed", "incomplete"]] = {
    "all": "needed",
    "failed": "failed",
    "waiting": "incomplete",
}


@app.command()
def pause(id: Id, json: Json = False) -> None:
    """Start nothing new; what runs is handed back within seconds. `pileus resume` goes on."""
    from pileus.backfills.control import pause as halt

    session = Session()
    _halted(halt(session.edges, session.workflows, id).to_json(), "paused", json)


@app.command()
def cancel(id: Id, json: Json = False) -> None:
    """Start nothing new, and stop what runs within seconds. `pileus retry` begins again."""
    from pileus.backfills.control import cancel as halt

    session = Session()
    _halted(halt(session.edges, session.workflows, id).to_json(), "cancelled", json)


def _halted(backfill: dict[str, Any], word: str, json: bool) -> None:
    if json:
        show.as_json(backfill | {"stops_within_seconds": HEARD_WITHIN})
    else:
        show.line(f"{backfill['id']} is {word}: nothing new starts; what is running stops within {HEARD_WITHIN} s")


@app.command()
def resume(id: Id, wait: Wait = False, json: Json = False) -> None:
    """Go on with a paused backfill: what has not succeeded is queued anew."""
    from pileus.backfills.control import resume as again

    session = Session()
    _started(session, again(session.edges, session.workflows, id).to_json(), wait, json)


@app.command()
def retry(
    id: Id,
    only: Annotated[
        Literal["failed", "waiting", "all"], typer.Option(help="What to run again; `all`: what is not up to date.")
    ] = "all",
    wait: Wait = False,
    json: Json = False,
) -> None:
    """Run an ended backfill again for what did not succeed; what is up to date is left alone."""
    from pileus.backfills.control import retry as again

    session = Session()
    _started(session, again(session.edges, session.workflows, id, SELECTS[only]).to_json(), wait, json)


def _started(session: Session, backfill: dict[str, Any], wait: bool, json: bool) -> None:
    if not json:
        show.line(f"{backfill['id']} is running, run {backfill['run']}")
    if wait:
        raise typer.Exit(watch(session, backfill["id"], json=json))
    if json:
        show.as_json(backfill)


@app.command()
def logs(
    id: Id,
    partition: Annotated[str, typer.Argument(help="Its key as `status --json` shows it, or PERIOD, or PERIOD/GROUP.")],
    json: Json = False,
) -> None:
    """Show what workers wrote about one partition of a backfill."""
    from pileus.backfills.status import find

    session = Session()
    backfill = find(session.edges, id)
    written = session.worker_logs
    lines = [line for key in _keys(session, backfill, partition) for line in written.lines(id, key)]
    if json:
        show.as_json(lines)
    elif not lines:
        show.line("no worker has written about it in this backfill")
    else:
        for line in lines:
            _show(line)


def _keys(session: Session, backfill: Any, text: str) -> list[str]:
    """The partitions that are meant. Raises UsageError when there is none."""
    from pileus.errors import UsageError
    from pileus.models import Partition

    briefs = session.edges.index.briefs(backfill.collection, backfill.version, backfill.first, backfill.last)
    known = [Partition(backfill.collection, backfill.version, brief.period, brief.group) for brief in briefs]
    keys = [p.key for p in known if text in (p.key, p.period, f"{p.period}/{p.group}")]
    if not keys:
        raise UsageError(f"backfill {backfill.id} has no partition {text!r}: expected PERIOD, PERIOD/GROUP or its key")
    return keys


def _show(line: dict[str, Any]) -> None:
    rest = {key: value for key, value in line.items() if key not in ("time", "level", "message", "partition")}
    trace = rest.pop("traceback", None)
    told = " ".join(f"{key}={value}" for key, value in rest.items())
    style = {"WARNING": "yellow", "ERROR": "red"}.get(line.get("level", ""), "")
    show.line(f"{line.get('time', '')} {line.get('level', '')} {line.get('message', '')} {told}", style=style)
    if trace:
        show.line(str(trace), style="dim")
