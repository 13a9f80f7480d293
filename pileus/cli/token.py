"""pileus token: who may use the HTTP API of this project's stack."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pileus.cli import show
from pileus.cli.app import app
from pileus.cli.session import Session

if TYPE_CHECKING:
    from pileus.api.roles import TokenFile

token = typer.Typer(help="Tokens of the HTTP API.", no_args_is_help=True)
app.add_typer(token, name="token")
Folder = Annotated[Path | None, typer.Option(help="Folder of a node, in place of this project's stack.")]
Name = Annotated[str, typer.Argument(help="Who gets it: up to 60 letters, digits and . _ - @")]


def _file(folder: Path | None) -> "TokenFile":
    from pileus.api.roles import TokenFile

    return TokenFile((folder or Session().home.path) / "tokens.json")


@token.command(epilog="Example: pileus token add anna --role operate")
def add(
    name: Name,
    role: Annotated[Literal["read", "operate", "admin"], typer.Option(help="What they may do.")] = "read",
    folder: Folder = None,
    json: show.Json = False,
) -> None:
    """Make a token, and print it. It is shown this once: only its hash is kept."""
    from pileus.api.roles import Role

    if folder:
        folder.mkdir(parents=True, exist_ok=True)  # the node may not have begun yet
    made = _file(folder).add(name, Role[role])
    show.answer(json, {"name": name, "role": role, "token": made}, made)


@token.command("list", epilog="Example: pileus token list")
def list_tokens(folder: Folder = None, json: show.Json = False) -> None:
    """List who has a token, and their role."""
    found = [{"name": one.name, "role": one.role.name} for one in _file(folder).holders()]
    if json:
        show.as_json(found)
    elif not found:
        show.line("nobody has a token: `pileus token add NAME --role operate` makes one")
    else:
        show.table(("name", "role"), [(one["name"], one["role"]) for one in found])


@token.command(epilog="Example: pileus token remove anna")
def remove(name: Name, folder: Folder = None, json: show.Json = False) -> None:
    """Make a token worthless, at once."""
    _file(folder).remove(name)
    show.answer(json, {"removed": name}, f"the token of {name} is worthless now")
