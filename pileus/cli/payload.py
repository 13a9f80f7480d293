"""pileus payload: look at a payload of Cirrus, with no stack and no AWS."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pileus.cli import show
from pileus.cli.app import app

if TYPE_CHECKING:
    from pileus.cirrus.payload import Payload

payload = typer.Typer(help="Payloads of Cirrus.", no_args_is_help=True)
app.add_typer(payload, name="payload")
File = Annotated[Path, typer.Argument(metavar="FILE", help="A file; - for standard input.", allow_dash=True)]


@payload.command("get-id", epilog="Example: pileus payload get-id payload.json")
def get_id(file: File, json: show.Json = False) -> None:
    """Print the id of a payload: its own, else the one that is made of its collections, workflow and items."""
    from dataclasses import asdict

    found = _read(file)
    show.answer(json, {"id": str(found.id), **asdict(found.id)}, str(found.id))


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
    show.as_json(parsed(fill(text, _variables(var or ()), silent=silence_templating_errors), file))


@payload.command("next", epilog="Example: pileus payload next output.json")
def next_(
    file: File,
    json: show.Json = True,  # noqa: ARG001 - payloads are JSON; the option is there for those who ask for it
) -> None:
    """Print the payloads that follow one that has succeeded, as a list. What is not started is said on standard error."""
    from pileus.cirrus.chain import next_payloads

    found = next_payloads(_read(file).document)
    for why in found.nothing:
        show.errors.print(why, markup=False, soft_wrap=True)
    show.as_json(found.payloads)


def _read(file: Path) -> "Payload":
    from pileus.cirrus.payload import read_payload
    from pileus.cli.json_file import name_of, read_json

    return read_payload(read_json(file), name_of(file))


def _variables(given: "list[str] | tuple[str, ...]") -> dict[str, str]:
    from pileus.errors import UsageError

    found = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not (name and equals):
            raise UsageError(f"--var {one[:60]!r}: expected NAME=VALUE")
        found[name] = value
    return found
