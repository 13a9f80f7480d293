"""pileus payload: look at a payload of Cirrus, with no stack and no AWS; and hand one to the stack."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pileus.cli import show
from pileus.cli.app import app
from pileus.cli.pairs import pairs

if TYPE_CHECKING:
    from pileus.cirrus.payload import Payload

payload = typer.Typer(help="Payloads of Cirrus.", no_args_is_help=True)
app.add_typer(payload, name="payload")
File = Annotated[Path, typer.Argument(metavar="FILE", help="A file; - for standard input.", allow_dash=True)]


@payload.command(epilog="Example: pileus payload process payload.json --wait")
def process(
    file: File,
    replace: Annotated[bool, typer.Option("--replace", help="Also where it has succeeded or is invalid.")] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until its run ends; the exit code is 1 unless it has succeeded.")
    ] = False,
    json: show.Json = False,
) -> None:
    """Start the workflow of a payload over it, where its state allows that, and print the key of its run."""
    from pileus.cli.json_file import read_json
    from pileus.cli.runs import told
    from pileus.cli.session import Session
    from pileus.errors import DocumentError
    from pileus.names import one_line

    value = read_json(file)
    if not isinstance(value, dict):
        raise DocumentError("expected a payload, an object with features and process", where=str(file))
    session = Session()
    found = session.client.runs.process(value, replace=replace)
    for warning in found.warnings:
        show.errors.print(f"warning: {warning}", markup=False, soft_wrap=True)
    if not found.started:
        again = "" if replace else "; `--replace` starts it again once it has ended"
        show.errors.print(one_line(f"not started: it is {found.run.state}{again}", 200), markup=False, soft_wrap=True)
    told(session, found.run, wait, json)


@payload.command("get-id", epilog="Example: pileus payload get-id payload.json")
def get_id(file: File, json: show.Json = False) -> None:
    """Print the id of a payload: its own, else the one that is made of its collections, workflow and items."""
    id = _read(file).id
    told = {"id": str(id), "collections": id.collections, "workflow": id.workflow, "itemids": id.id}
    show.answer(json, told, str(id))


@payload.command(epilog="Example: pileus payload validate payload.json")
def validate(file: File, json: show.Json = False) -> None:
    """Say whether a payload can be processed, with all that is wrong, or that is of an older form."""
    found = _read(file)
    lines = (f"warning: {warning}" for warning in found.warnings)
    show.answer(json, {"id": str(found.id), "warnings": list(found.warnings)}, f"valid: {found.id}", *lines)


@payload.command(epilog="Example: pileus payload template payload.json --var MONTH=2015-01")
def template(
    file: File,
    var: Annotated[
        list[str] | None, typer.Option("-x", "--var", metavar="NAME=VALUE", help="A variable; may be given again.")
    ] = None,
    silence_templating_errors: Annotated[
        bool, typer.Option("--silence-templating-errors", help="Leave a variable that is not given as it is.")
    ] = False,
    json: show.Json = True,  # noqa: ARG001 - a payload is JSON; the option is there for those who ask for it
) -> None:
    """Fill in the variables of a payload, ${NAME} or ${NAME?default}, and print it."""
    from pileus.cirrus.template import fill
    from pileus.cli.json_file import parsed, read_file

    text = read_file(file).decode("utf-8", "surrogateescape")  # JSON that is not UTF-8 is refused below
    show.as_json(parsed(fill(text, pairs("--var", var or ()), silent=silence_templating_errors), file))


@payload.command("next", epilog="Example: pileus payload next output.json")
def next_(
    file: File,
    json: show.Json = True,  # noqa: ARG001 - payloads are JSON; the option is there for those who ask for it
) -> None:
    """Print the list of payloads that follow one that has succeeded; standard error says what is not started."""
    from pileus.cirrus.chain import next_payloads

    found = next_payloads(_read(file).document)
    for why in found.nothing:
        show.errors.print(why, markup=False, soft_wrap=True)
    show.as_json(found.payloads)


def _read(file: Path) -> "Payload":
    from pileus.cirrus.payload import read_payload
    from pileus.cli.json_file import name_of, read_json

    return read_payload(read_json(file), name_of(file))
