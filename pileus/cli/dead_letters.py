"""pileus dead-letters: the messages in the dead-letter queues."""

import json as js
import sys
from typing import Annotated

import typer

from pileus.cli import show
from pileus.cli.app import app
from pileus.cli.session import Session
from pileus.lifecycle.backfill import Backfill

dead = typer.Typer(help="Messages in the dead-letter queues.", no_args_is_help=True)
app.add_typer(dead, name="dead-letters")
Id = Annotated[str, typer.Argument(help="Message: `pileus dead-letters list` shows them.")]


@dead.command("list", epilog="Example: pileus dead-letters list")
def list_messages(json: show.Json = False) -> None:
    """List them, oldest first."""
    found = [message.model_dump() for message in Session().client.operations.dead_letters()]
    if json:
        show.as_json(found)
    elif not found:
        show.line("no dead letters")
    else:
        columns = ("id", "queue", "sent", "backfill", "key", "why")
        show.table(columns, [[row[column] for column in columns] for row in found])


@dead.command("show", epilog="Example: pileus dead-letters show MESSAGE_ID")
def show_message(id: Id, json: show.Json = False) -> None:
    """Show one as it was sent. With --json, what is not JSON is a JSON string."""
    body = Session().client.operations.dead_letter(id)
    try:
        show.as_json(js.loads(body))
    except js.JSONDecodeError:
        show.answer(json, body, body)


@dead.command(epilog="Example: pileus dead-letters redrive MESSAGE_ID")
def redrive(id: Id, json: show.Json = False) -> None:
    """Run the message's partition again, in a new backfill, or its request again, and delete the message.

    The message itself cannot be used again: no workflow waits for its answer any more.
    """
    begun = Session().client.operations.redrive(id, command=" ".join(["pileus", *sys.argv[1:]]))
    told = begun.id if isinstance(begun, Backfill) else f"{begun.key} is {begun.state}, run {begun.number}"
    show.answer(json, begun.to_json(), told)
