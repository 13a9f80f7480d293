"""pileus logs: what workers wrote about a partition."""

from typing import Annotated, Any

import typer

from pileus.cli import show
from pileus.cli.app import app
from pileus.cli.backfill_change import Id
from pileus.cli.session import Session


@app.command(epilog="Example: pileus logs viirs-2012 2015-01")
def logs(
    id: Id,
    partition: Annotated[str, typer.Argument(help="PERIOD, PERIOD/GROUP, or the key that `status --json` shows.")],
    json: show.Json = False,
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
    """Return the keys of the partitions that `text` names. Raises UsageError when there is none."""
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
