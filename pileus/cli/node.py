"""pileus node: nodes of Stratus: start one, check its settings, list what its nodes can do."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pileus.cli import show
from pileus.cli.app import app
from pileus.cli.node_keys import keys

if TYPE_CHECKING:
    from pileus.nodes.settings import Section
    from pileus.stratus.capability import Capability

node = typer.Typer(help="Nodes that do requests of Stratus.", no_args_is_help=True)
app.add_typer(node, name="node")
node.add_typer(keys, name="keys")
File = Annotated[Path, typer.Argument(metavar="FILE", help="Settings: .ini, .yaml or .json.")]
Folder = Annotated[Path | None, typer.Option(help="Folder of its requests and results, in place of the settings'.")]


@node.command(epilog="Example: pileus node start node.ini")
def start(file: File, folder: Folder = None) -> None:
    """Start a node, and serve until Ctrl-C. What had not ended when it was stopped goes on."""
    from pileus.nodes.serve import serve
    from pileus.nodes.settings import read_settings

    serve(read_settings(file), folder, show.line)
    show.line("stopped")


@node.command(epilog="Example: pileus node check node.ini")
def check(file: File, json: show.Json = False) -> None:
    """Read the settings, import what they name, and ask each node. The exit code is 1 where something is wrong."""
    from pileus.nodes.check import checked
    from pileus.nodes.settings import read_settings

    found = checked(read_settings(file))
    if json:
        show.as_json([{"node": one.node, "type": one.type, "ok": one.ok, "found": one.found} for one in found])
    for one in () if json else found:
        show.line(f"{'ok   ' if one.ok else 'wrong'}  {one.node} ({one.type}): {one.found}", "" if one.ok else "red")
    if not all(one.ok for one in found):
        raise typer.Exit(1)


@node.command("list", epilog="Example: pileus node list node.ini")
def list_nodes(file: File, json: show.Json = False) -> None:
    """List the nodes of the settings, and the operations of each."""
    from pileus.nodes.check import told
    from pileus.nodes.settings import read_settings

    found: list[tuple[Section, tuple[Capability, ...]]] = [*told(read_settings(file))]
    if json:
        rows = [
            {"node": section.name, "type": section.type, "operations": [one.to_json() for one in listed]}
            for section, listed in found
        ]
        show.as_json(rows)
        return
    show.table(
        ("node", "type", "operation", "what it does"),
        [(section.name, section.type, one.pattern, one.title) for section, listed in found for one in listed],
    )
