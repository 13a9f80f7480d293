"""pileus token: who may use the HTTP API of this project's stack."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pileus.cli import show
from pileus.cli.app import app
from pileus.cli.session import Session

if TYPE_CHECKING:
    from pileus.api.roles import TokenFile

token = typer.Typer(help="Tokens of the HTTP API.", no_args_is_help=True)
app.add_typer(token, name="token")
Name = Annotated[str, typer.Argument(help="Who gets it: up to 60 letters, digits and . _ - @")]


def _file() -> "TokenFile":
    from pileus.api.roles import TokenFile

    return TokenFile(Session().home.path / "tokens.json")


@token.command(epilog="Example: pileus token add anna --role operate")
def add(
    name: Name,
    role: Annotated[Literal["read", "operate", "admin"], typer.Option(help="What they may do.")] = "read",
    json: show.Json = False,
) -> None:
    """Make a token, and print it. It is shown this once: only its hash is kept."""
    from pileus.api.roles import Role

    made = _file().add(name, Role[role])
    show.answer(json, {"name": name, "role": role, "token": made}, made)


@token.command("list", epilog="Example: pileus token list")
def list_tokens(json: show.Json = False) -> None:
    """List who has a token, and their role."""
    found = [{"name": one.name, "role": one.role.name} for one in _file().holders()]
    if json:
        show.as_json(found)
    elif not found:
        show.line("nobody has a token: `pileus token add NAME --role operate` makes one")
    else:
        show.table(("name", "role"), [(one["name"], one["role"]) for one in found])


@token.command(epilog="Example: pileus token remove anna")
def remove(name: Name, json: show.Json = False) -> None:
    """Make a token worthless, at once."""
    _file().remove(name)
    show.answer(json, {"removed": name}, f"the token of {name} is worthless now")
