"""pileus dead-letters: the messages in the dead-letter queues."""

import json as js
import sys
from datetime import UTC, datetime
from getpass import getuser
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pileus.cli import show
from pileus.cli.app import app
from pileus.cli.session import Session

if TYPE_CHECKING:
    from pileus.edges.dead_letters import DeadLetter
    from pileus.lifecycle.backfill import Backfill

dead = typer.Typer(help="Messages in the dead-letter queues.", no_args_is_help=True)
app.add_typer(dead, name="dead-letters")
Id = Annotated[str, typer.Argument(help="Message: `pileus dead-letters list` shows them.")]


@dead.command("list", epilog="Example: pileus dead-letters list")
def list_messages(json: show.Json = False) -> None:
    """List them, oldest first."""
    session = Session()
    found = session.dead_letters.all()
    if json:
        show.as_json([_facts(session, message) for message in found])
    elif not found:
        show.line("no dead letters")
    else:
        rows = [_facts(session, message) for message in found]
        columns = ("id", "queue", "sent", "backfill", "key", "why")
        show.table(columns, [[row[column] for column in columns] for row in rows])


def _facts(session: Session, message: "DeadLetter") -> dict[str, Any]:
    """Return what is known of a message. The reason of the failure comes from the index."""
    from pileus.subject import parse_subject

    why = None if message.key else "not a message of ours"
    entry = session.edges.index.entry(parse_subject(message.key)) if message.key else None
    if entry:
        why = str(entry.failure) if entry.failure else f"by now {entry.state}"
    return {
        "id": message.id,
        "queue": message.queue,
        "sent": datetime.fromtimestamp(message.sent, UTC).isoformat(timespec="seconds"),
        "backfill": message.backfill,
        "partition": message.partition,
        "key": message.key,
        "why": why,
    }


def _find(session: Session, id: str) -> "DeadLetter":
    from pileus.errors import UsageError

    for message in session.dead_letters.all():
        if message.id == id:
            return message
    raise UsageError(f"there is no dead letter {id!r}: `pileus dead-letters list` shows them")


@dead.command("show", epilog="Example: pileus dead-letters show MESSAGE_ID")
def show_message(id: Id, json: show.Json = False) -> None:
    """Show one as it was sent. With --json, what is not JSON is a JSON string."""
    body = _find(Session(), id).body
    try:
        show.as_json(js.loads(body))
    except js.JSONDecodeError:
        show.answer(json, body, body)


@dead.command(epilog="Example: pileus dead-letters redrive MESSAGE_ID")
def redrive(id: Id, json: show.Json = False) -> None:
    """Run the message's partition again, in a new backfill, or its request again, and delete the message.

    The message itself cannot be used again: no workflow waits for its answer any more.
    """
    from pileus import runs
    from pileus.errors import UsageError

    session = Session()
    message = _find(session, id)
    if message.request is not None:
        run = runs.rerun(session.edges, session.workflows, message.request)
        session.dead_letters.remove(id)
        show.answer(json, run.to_json(), f"{run.key} is {run.state}, run {run.number}")
        return
    if message.partition is None or message.backfill is None:
        raise UsageError(f"{id} is not a task of Pileus, so it stays: see `pileus dead-letters show`")
    started = _backfilled(session, message.partition, message.backfill)
    session.dead_letters.remove(id)
    show.answer(json, started.to_json(), started.id)


def _backfilled(session: Session, key: str, before: str) -> "Backfill":
    """Start a backfill of one partition, on the queue of the backfill before it, and return it."""
    from pileus.backfills.control import new_backfill, read_registry, start
    from pileus.backfills.status import find
    from pileus.models import Partition

    edges, partition = session.edges, Partition.parse(key)
    planned = new_backfill(
        read_registry(edges.store, session.stack),
        partition.collection,
        now=edges.now(),
        version=partition.version,
        first=partition.period,
        last=partition.period,
        onward=True,
        queue=find(edges, before).queue,
        started_by=getuser(),
        command=" ".join(["pileus", *sys.argv[1:]]),
    )
    return start(edges, session.workflows, planned)
