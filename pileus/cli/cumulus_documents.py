"""pileus import cumulus, pileus export cumulus: documents of Cumulus into a project and out of it."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pileus.cli import show
from pileus.cli.app import app
from pileus.cli.session import Session

if TYPE_CHECKING:
    from pileus.project.cumulus import Moved

importing = typer.Typer(help="Documents of other systems into the project.", no_args_is_help=True)
exporting = typer.Typer(help="The project's documents for other systems.", no_args_is_help=True)
app.add_typer(importing, name="import")
app.add_typer(exporting, name="export")
Replace = Annotated[bool, typer.Option("--replace", help="Write over documents of the same names that differ.")]


@importing.callback()
def _import_group() -> None:
    """Documents of other systems into the project."""


@exporting.callback()
def _export_group() -> None:
    """The project's documents for other systems."""


@importing.command("cumulus", epilog="Example: pileus import cumulus ../cumulus/example/data")
def import_cumulus(
    folder: Annotated[Path, typer.Argument(help="Folder with collections/, providers/, rules/ and workflows/.")],
    into: Annotated[Path | None, typer.Option(help="Project; the one of this folder if not given.")] = None,
    lenient: Annotated[bool, typer.Option("--lenient", help="Keep fields that Pileus does not know.")] = False,
    replace: Replace = False,
    json: show.Json = False,
) -> None:
    """Bring documents of NASA Cumulus into a project, all of them or none. What is wrong is told all at once."""
    from pileus.project.cumulus import import_documents

    project = into or Session().project.root
    _told(import_documents(folder, project, lenient=lenient, replace=replace), project, json=json)


@exporting.command("cumulus", epilog="Example: pileus export cumulus cumulus-documents")
def export_cumulus(
    folder: Annotated[Path, typer.Argument(help="Folder to write into.")],
    replace: Replace = False,
    json: show.Json = False,
) -> None:
    """Write the project's documents as NASA Cumulus has them: the inverse of `pileus import cumulus`."""
    from pileus.project.cumulus import export_documents

    _told(export_documents(Session().project.root, folder, replace=replace), folder, json=json)


def _told(moved: "Moved", place: Path, *, json: bool) -> None:
    """Print what was done, or all that is wrong. Exits with 2 where something is."""
    for note in moved.notes:
        show.errors.print(f"pileus: {note}", style="yellow", markup=False, soft_wrap=True)
    for wrong in moved.wrong:
        show.errors.print(f"pileus: {wrong}", style="red", markup=False, soft_wrap=True)
    if moved.wrong:
        show.errors.print("pileus: nothing was written", markup=False, soft_wrap=True)
        raise typer.Exit(2)
    if json:
        done = [{"kind": kind, "name": name, "change": change} for kind, name, change in moved.done]
        show.as_json({"place": str(place), "documents": done})
        return
    show.table(("kind", "name", "change"), moved.done)
    counts = Counter(change for _, _, change in moved.done)
    show.line(f"{place}: " + (", ".join(f"{count} {change}" for change, count in counts.items()) or "no documents"))
