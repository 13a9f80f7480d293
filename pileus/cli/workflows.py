"""pileus workflows: the state machines of the stack, and how their states follow one another."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pileus.cli import complete, show
from pileus.cli.app import app

if TYPE_CHECKING:
    from pileus.project.workflow_definition import Definition

workflows = typer.Typer(help="Workflows that points in time go through.", no_args_is_help=True)
app.add_typer(workflows, name="workflows")
Name = Annotated[str, typer.Argument(autocompletion=complete.workflows, help="Workflow.")]


@workflows.command("list", epilog="Example: pileus workflows list")
def list_workflows(json: show.Json = False) -> None:
    """List the workflows of Pileus and of this project, and the collections that name each."""
    from pileus.project.folder import find_project

    project = find_project(Path.cwd())
    registry, _ = project.registry()
    own, found = project.own_workflows(), project.workflows()
    by = {
        name: sorted(
            {one.name for one in registry.collections.values() if one.workflow == name}
            | {one.name for one in registry.rules.values() if one.workflow == name}
        )
        for name in found
    }
    rows = [
        (name, "project" if name in own else "Pileus", len(one.steps), ", ".join(by[name]), one.comment)
        for name, one in sorted(found.items())
    ]
    columns = ("workflow", "of", "states", "named by", "what it does")
    if json:
        show.as_json([dict(zip(columns, row, strict=True)) | {"named by": by[row[0]]} for row in rows])
    else:
        show.table(columns, rows)


@workflows.command("show", epilog="Example: pileus workflows show DiscoverAndProcessGranules")
def show_workflow(name: Name, json: show.Json = False) -> None:
    """Show the states of a workflow, what each does and what follows."""
    found = _find(name)
    if json:
        show.as_json({"workflow": name, "comment": found.comment, "states": [asdict(step) for step in found.steps]})
        return
    rows = [
        (
            "  " * step.depth + step.name,
            step.type,
            step.what,
            "; ".join(f"{to} ({when})" if when else to for to, when in step.to) or ("end" if step.last else ""),
        )
        for step in found.steps
    ]
    show.table(("state", "type", "does", "then"), rows, title=found.comment or None)


@workflows.command(epilog="Example: pileus workflows graph DiscoverAndProcessGranules -o workflow.svg")
def graph(
    name: Name,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="File for the picture: .svg, or .mmd for Mermaid.")
    ] = None,
    json: show.Json = False,
) -> None:
    """Draw the states of a workflow: into a file as a picture, else as a Mermaid diagram to standard output."""
    from pileus.errors import UsageError
    from pileus.project.workflow_picture import to_mermaid, to_svg

    found = _find(name)
    if out is None:
        drawing = to_mermaid(found)
        if json:
            show.as_json({"mermaid": drawing})
        else:
            print(drawing, end="")
        return
    drawn = {".svg": to_svg, ".mmd": to_mermaid}.get(out.suffix)
    if drawn is None:
        raise UsageError("expected a name that ends with .svg or .mmd", where=str(out))
    try:
        out.write_text(drawn(found), encoding="utf-8")
    except OSError as exc:
        raise UsageError(f"cannot be written: {exc.strerror}", where=str(out)) from exc
    show.answer(json, {"wrote": str(out)}, f"wrote {out}")


def _find(name: str) -> "Definition":
    from pileus.errors import UsageError
    from pileus.near import unknown
    from pileus.project.folder import find_project

    found = find_project(Path.cwd()).workflows()
    if name not in found:
        raise UsageError(unknown("workflow", name, found))
    return found[name]
