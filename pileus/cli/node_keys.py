"""pileus node keys: who may speak with nodes over ZeroMQ."""

from pathlib import Path
from typing import Annotated

import typer

from pileus.cli import show

keys = typer.Typer(help="Keys of nodes that speak ZeroMQ.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="Whose: up to 64 letters, digits and . _ -")]
Folder = Annotated[Path, typer.Option(help="The folder of keys that the settings name.")]
KEYS = Path("keys")


@keys.command(epilog="Example: pileus node keys new laptop")
def new(name: Name, folder: Folder = KEYS, json: show.Json = False) -> None:
    """Make a key. NAME.key is public: a node knows whoever has one in its folder. NAME.key_secret is for its owner."""
    from pileus.nodes.zeromq_keys import KeyFolder

    made = KeyFolder(folder).new(name)
    public = made.public.decode()
    told = {"name": name, "public": public, "folder": str(folder)}
    show.answer(json, told, f"made {folder / name}.key ({public}), which is public, and {folder / name}.key_secret")


@keys.command("list", epilog="Example: pileus node keys list")
def list_keys(folder: Folder = KEYS, json: show.Json = False) -> None:
    """List who is known."""
    from pileus.nodes.zeromq_keys import KeyFolder

    found = [
        {"name": one.name, "public": one.public.decode(), "secret_here": one.secret_here}
        for one in KeyFolder(folder).list()
    ]
    if json:
        show.as_json(found)
    elif not found:
        show.line(f"nobody has a key in {folder}: `pileus node keys new NAME` makes one")
    else:
        rows = [(one["name"], one["public"], "yes" if one["secret_here"] else "no") for one in found]
        show.table(("name", "public key", "secret key here"), rows)


@keys.command(epilog="Example: pileus node keys remove laptop")
def remove(name: Name, folder: Folder = KEYS, json: show.Json = False) -> None:
    """Delete a key. A node that runs gives its owner no answer from then on."""
    from pileus.nodes.zeromq_keys import KeyFolder

    KeyFolder(folder).remove(name)
    show.answer(json, {"removed": name}, f"{name} is a stranger now")
