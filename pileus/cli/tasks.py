"""pileus tasks: what workflows and collections may name, where each runs, and its text for people."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pileus.cli import complete, show
from pileus.cli.app import app

if TYPE_CHECKING:
    from pileus.documents.task import TaskDefinition
    from pileus.task_folder import FolderTask

tasks = typer.Typer(help="Tasks of workflows and workers.", no_args_is_help=True)
app.add_typer(tasks, name="tasks")
shown = typer.Typer(help="Tasks, in Cirrus's words.", no_args_is_help=True)
app.add_typer(shown, name="show")
NEEDS = ("cpu", "memory", "gpu", "instance_type", "volume", "timeout", "max_workers", "image")


@tasks.command("list", epilog="Example: pileus tasks list")
def list_tasks(json: show.Json = False) -> None:
    """List the tasks of Pileus and of this project, where each runs, and which workflows and collections name it."""
    from pileus.project.folder import find_project

    project = find_project(Path.cwd())
    registry, _ = project.registry()
    own, workflows = project.own_tasks(), project.workflows()
    named: dict[str, set[str]] = {}
    for workflow in workflows.values():
        for name in workflow.tasks:
            named.setdefault(name, set()).add(workflow.name)
    for collection in registry.collections.values():
        if collection.meta.task:
            named.setdefault(collection.meta.task.name, set()).add(collection.name)
    columns = ("task", "of", "runs", "named by", "what it does")
    rows = [
        (name, "project" if name in own else "Pileus", _where(one.definition), sorted(named.get(name, ())), one)
        for name, one in sorted({**_product(), **own}.items())
    ]
    if json:
        told = [(*row[:4], row[4].definition.description) for row in rows]
        show.as_json([dict(zip(columns, row, strict=True)) for row in told])
    else:
        show.table(columns, [(*row[:3], ", ".join(row[3]), row[4].definition.description) for row in rows])


@tasks.command("show", epilog="Example: pileus tasks show process_group")
def show_task(
    name: Annotated[str, typer.Argument(autocompletion=complete.tasks, help="Task.")], json: show.Json = False
) -> None:
    """Show where a task runs, what it needs and may be told, and its README."""
    _show(name, json)


@shown.command("task", epilog="Example: pileus show task process_group readme")
def show_part(
    name: Annotated[str, typer.Argument(autocompletion=complete.tasks, help="Task.")],
    part: Annotated[str | None, typer.Argument(help="`readme`: that alone.")] = None,
    json: show.Json = False,
) -> None:
    """Show a task as `pileus tasks show` does, or its README alone."""
    from pileus.errors import UsageError

    if part not in (None, "readme"):
        raise UsageError(f"{part[:60]!r}: expected nothing, or readme")
    _show(name, json, readme=part == "readme")


def _show(name: str, json: bool, *, readme: bool = False) -> None:
    from pileus.errors import UsageError
    from pileus.near import unknown
    from pileus.project.folder import find_project

    there = {**_product(), **find_project(Path.cwd()).own_tasks()}
    if name not in there:
        raise UsageError(unknown("task", name, there))
    found = there[name]
    if readme:
        show.answer(json, {"task": name, "readme": found.readme}, found.readme.rstrip())
    elif json:
        told: dict[str, Any] = found.definition.model_dump(mode="json", exclude_defaults=True)
        show.as_json({"task": name, **told, "readme": found.readme})
    else:
        _tell(found)


def _tell(found: "FolderTask") -> None:
    definition = found.definition
    show.line(f"{found.name}: {definition.description}", style="bold")
    does = f"calls {definition.function}" if definition.function else f"runs the image {definition.image}"
    show.line(f"runs {_where(definition)}; {does}")
    needs = {name: getattr(definition, name) for name in NEEDS}
    given = [f"{name} {value}" for name, value in needs.items() if value and definition.runs != "group"]
    if given:
        show.line(", ".join(given))
    if definition.parameters:
        rows = [
            (name, one.type, "required" if one.required else _shown(one.default), one.description)
            for name, one in definition.parameters.items()
        ]
        show.table(("parameter", "type", "default", "what it does"), rows)
    if found.readme:
        show.line("")
        show.line(found.readme.rstrip())


def _where(definition: "TaskDefinition") -> str:
    return {"worker": "in workers", "lambda": "as a Lambda", "group": "within a group"}[definition.runs]


def _shown(value: Any) -> str:
    return "" if value is None else str(value)


def _product() -> "dict[str, FolderTask]":
    from pileus.project.folder import product_tasks

    return product_tasks()
