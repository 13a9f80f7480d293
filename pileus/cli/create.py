"""pileus create: a task, a feeder or a workflow to start from."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pileus.cli import show
from pileus.cli.app import app

if TYPE_CHECKING:
    from pileus.project.folder import Project

create = typer.Typer(help="Write a task, a feeder or a workflow that works.", no_args_is_help=True)
app.add_typer(create, name="create")
Name = Annotated[str, typer.Argument(help="Name.")]
Description = Annotated[str, typer.Argument(help="What it does, in one sentence.")]


@create.command(epilog='Example: pileus create task cloud-mask "Mask clouds."')
def task(name: Name, description: Description, json: show.Json = False) -> None:
    """Write tasks/NAME: a class of stac-task, its definition, its README, an example payload and a spec that passes."""
    from pileus.project.skeleton import write_task

    _create(write_task, name, description, json, f"pileus run-task {name} --input tasks/{name}/payload.json --local")


@create.command(epilog='Example: pileus create feeder days "A payload for each day."')
def feeder(name: Name, description: Description, json: show.Json = False) -> None:
    """Write feeders/NAME: a function that yields payloads, its definition, its README and a spec that passes."""
    from pileus.project.skeleton import write_feeder

    _create(write_feeder, name, description, json)


@create.command(epilog='Example: pileus create workflow publish "Publish the items."')
def workflow(name: Name, description: Description, json: show.Json = False) -> None:
    """Write workflows/NAME.asl.json: a state machine, its text for people and a spec that passes."""
    from pileus.project.skeleton import write_workflow

    _create(write_workflow, name, description, json, f"pileus workflows show {name}")


def _create(
    write: "Callable[[Project, str, str], list[Path]]", name: str, description: str, json: bool, *then: str
) -> None:
    from pileus.errors import UsageError
    from pileus.project.folder import find_project

    project = find_project(Path.cwd())
    try:
        paths = [str(path.relative_to(project.root)) for path in write(project, name, description)]
    except OSError as exc:
        raise UsageError(f"cannot be written: {exc.strerror}", where=exc.filename or str(project.root)) from exc
    (spec,) = [path for path in paths if path.endswith("_spec.py")]
    lines = [f"wrote {path}" for path in paths]
    show.answer(json, {"written": paths}, *lines, "Next:", *(f"  {line}" for line in (*then, f"pytest {spec}")))
