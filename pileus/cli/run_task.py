"""pileus run-task: any Lambda handler or worker task in this process, with no AWS at all."""

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pileus.cli import show
from pileus.cli.app import app
from pileus.cli.json_file import read_json
from pileus.product import CIRRUS_DEFINITION, DEFINITION

if TYPE_CHECKING:
    from types import ModuleType

    from pileus.cli.run_payload import PayloadTask
    from pileus.messages import PointTask
    from pileus.task_folder import FolderTask
    from pileus.wiring import Edges

Step = Callable[["Edges", Any], Any]


@app.command("run-task", epilog="Example: pileus run-task discover_granules --input event.json")
def run_task(
    name: Annotated[
        str,
        typer.Argument(
            help="A task of this project or of Pileus, a path to a handler.py or its folder, or MODULE:FUNCTION; "
            "MODULE:CLASS of stac-task."
        ),
    ],
    input: Annotated[Path, typer.Option("--input", help="Event, or payload of Cirrus: a JSON file.")],
    local: Annotated[
        bool, typer.Option("--local", help="Of a task of Cirrus: upload nothing, and keep its files in WORKDIR.")
    ] = False,
    workdir: Annotated[Path, typer.Option(help="Folder for the files of a task of Cirrus with --local.")] = Path(
        "local-output"
    ),
    folder: Annotated[Path, typer.Option(help="Folder in place of S3: s3://bucket/key is FOLDER/bucket/key.")] = Path(
        ".pileus/run-task"
    ),
    json: show.Json = True,  # noqa: ARG001 - the answer of a task is JSON; the option is there for those who ask for it
) -> None:
    """Run one step of the workflows in this process, on one event, and print its answer. For people who write steps.

    A handler takes the event and the context. If its module has a function `edges`, as the handlers of lambdas/ have,
    it works on FOLDER; any other handler works on what the environment names. A task of Cirrus runs in a process of its
    own, and works on what its payload names.
    """
    from pileus.wiring import wire_folder

    if (task := _payload_task(name)) is not None:
        return show.as_json(task.run(read_json(input), folder / "scratch", workdir if local else None))
    step = find_step(name, folder)
    event = read_json(input)
    edges = wire_folder(folder, os.environ)
    if isinstance(event, dict):
        _prepare(edges, event)
    return show.as_json(step(edges, event))


def _payload_task(name: str) -> "PayloadTask | None":
    """Return the task of Cirrus that a name stands for: MODULE:CLASS, or a folder, here or in tasks/ of the project."""
    from pileus.cli.run_payload import of_entry, of_folder

    if ":" in name:
        return of_entry(name)
    found = _own_folder(name)
    return of_folder(_task_of(found)) if found else None


def find_step(name: str, folder: Path) -> Step:
    """Return what runs a task, looked for in this order. Raises UsageError.

    1. MODULE:FUNCTION: a handler that can be imported from here.
    2. A path that ends in .py, or a folder with a handler.py.
    3. A folder with a task.json or a definition.yml, here or in tasks/ of the project.
    4. A folder of lambdas/, here or in the project.
    5. The tasks that come with Pileus.
    """
    from pileus.errors import UsageError
    from pileus.near import unknown
    from pileus.task_folder import definitions_in

    module, colon, function = name.partition(":")
    if colon:
        return _imported(module, function)
    path = Path(name)
    if (own := _own_folder(name)) is not None:
        return _own(own)
    found = [path] if path.suffix == ".py" else [path / "handler.py", _project() / "lambdas" / name / "handler.py"]
    for file in found:
        if file.is_file():
            return _of_file(file)
    tasks = _tasks(folder)
    if name not in tasks:
        files = _project().glob("lambdas/*/handler.py")
        there = {*tasks, *(file.parent.name for file in files), *definitions_in(_project() / "tasks")}
        raise UsageError(f"{unknown('task', name, there)}; also a path to a handler.py, or MODULE:FUNCTION")
    return tasks[name]


def _tasks(folder: Path) -> dict[str, Step]:
    """Return the tasks that come with Pileus."""
    from pileus.edges.aws import Aws
    from pileus.tasks.act_on_granules import act_on_granules
    from pileus.tasks.advance_graph import advance_graph
    from pileus.tasks.discover_granules import discover_granules
    from pileus.tasks.generate_collections import generate_collections
    from pileus.tasks.move_granules import move_granules
    from pileus.tasks.process_group import process_group
    from pileus.tasks.queue_granules import queue_granules
    from pileus.tasks.report_status import report_status
    from pileus.tasks.sync_granule import sync_granule
    from pileus.tasks.worker_state import WorkerState
    from pileus.wiring import wire_workflows

    def worked(edges: "Edges", event: Any) -> Any:
        with closing(WorkerState(folder / "scratch")) as state:
            return process_group(edges, event, state)

    def reported(edges: "Edges", event: Any) -> Any:
        return report_status(edges, wire_workflows(Aws(), edges.stack), event)

    def acted(edges: "Edges", event: Any) -> Any:
        return act_on_granules(edges, wire_workflows(Aws(), edges.stack), event)

    def queued(edges: "Edges", event: Any) -> Any:
        return queue_granules(edges, wire_workflows(Aws(), edges.stack), event)

    steps: dict[str, Step] = {
        "generate_collections": generate_collections,
        "discover_granules": discover_granules,
        "report_status": reported,
        "act_on_granules": acted,
        "advance_graph": advance_graph,
        "queue_granules": queued,
        "sync_granule": sync_granule,
        "move_granules": move_granules,
        "process_group": worked,
    }
    return {name: _wrapped(step) for name, step in steps.items()}


def _wrapped(step: Step) -> Step:
    """Return a step that takes Cumulus messages as well."""
    from pileus.cumulus.task import run_cumulus_task
    from pileus.edges.cma import Cma

    def wrapped(edges: "Edges", event: Any) -> Any:
        return run_cumulus_task(lambda told: step(edges, told), event, None, lambda: Cma(edges.store))

    return wrapped


def _own(folder: Path) -> Step:
    """Return what runs a task of the project. Raises UsageError for one that runs within a group."""
    from pileus.edges.cma import ROOT, Cma, schemas_in
    from pileus.errors import UsageError

    task = _task_of(folder)
    if task.definition.runs == "group":
        raise UsageError("runs within a group: name it in a collection's meta.task", where=f"task {task.name}")
    os.environ[ROOT] = str(task.folder)

    def step(edges: "Edges", event: Any) -> Any:
        call = task.caller(lambda: Cma(edges.store, schemas_in(task.folder)))
        with TemporaryDirectory() as work:
            return call(event, Path(work))

    return step


def _own_folder(name: str) -> Path | None:
    """Return the folder of a task with a definition; None where there is none."""
    for place in (Path(name), _project() / "tasks" / name):
        if any((place / file).is_file() for file in (DEFINITION, CIRRUS_DEFINITION)):
            return place.resolve()
    return None


def _task_of(folder: Path) -> "FolderTask":
    from pileus.task_folder import TaskFolder

    return TaskFolder(folder.parent).task(folder.name)


def _project() -> Path:
    from pileus.errors import UsageError
    from pileus.project.folder import find_project

    try:
        return find_project(Path.cwd()).root
    except UsageError:
        return Path()


def _of_file(path: Path) -> Step:
    """Return what runs the function `handler` of a file."""
    from pileus.product import run_file

    folder = path.resolve().parent
    sys.path.insert(0, str(folder))
    return _handled(run_file(path, f"pileus_task_{folder.name}"), "handler", str(path))


def _imported(name: str, function: str) -> Step:
    """Return what runs a function of a module that can be imported from the current folder."""
    from pileus.cli.run_payload import import_here

    return _handled(import_here(name), function, name)


def _handled(module: "ModuleType", function: str, where: str) -> Step:
    from pileus.errors import UsageError

    handler = getattr(module, function, None)
    if not callable(handler):
        raise UsageError(f"has no function {function}", where=where)

    def step(edges: "Edges", event: Any) -> Any:
        if hasattr(module, "edges"):
            setattr(module, "edges", lambda: edges)  # noqa: B010 - a module of the user's own
        return handler(event, None)

    return step


def _prepare(edges: "Edges", event: dict[str, Any]) -> None:
    """Write into the folder what the event refers to: the documents of this project, and a running backfill."""
    from datetime import UTC, datetime

    from pileus.errors import UsageError
    from pileus.project.folder import find_project
    from pileus.project.populate import populate, validate

    try:
        project = find_project(Path.cwd())
    except UsageError:
        pass  # the event may contain all that it needs
    else:
        registry, zones = validate(project, datetime.now(UTC).date())
        populate(edges.store, edges.stack.internal, registry, zones)
        _put_zones(edges, event, zones)
    if task := _point_task(event):
        _put_point(edges, task)


def _point_task(event: dict[str, Any]) -> "PointTask | None":
    """Return the point in time that an event is about; other events are about none."""
    from pileus.errors import UsageError
    from pileus.messages import PointTask

    try:
        return PointTask.from_json(event["config"])
    except (UsageError, LookupError, TypeError):
        return None


def _put_point(edges: "Edges", task: "PointTask") -> None:
    """Write what a point in time needs: its backfill, as running, and the documents that its run has in common."""
    from pileus.backfills.control import read_registry
    from pileus.lifecycle.backfill import Backfill
    from pileus.messages import RunDocuments
    from pileus.periods import parse_period

    version = str(task.collection.get("version", "001"))
    if task.documents:
        registry = read_registry(edges.store, edges.stack)
        template = registry.collection(task.template)
        edges.store.put(task.documents, RunDocuments(template, registry.provider_of(template)).to_bytes())
        version = template.version
    unit = str(parse_period(task.period).unit)
    edges.index.put_backfill(
        Backfill(task.backfill, task.template, version, task.period, task.period, unit, run=task.run)
    )


def _put_zones(edges: "Edges", event: dict[str, Any], zones: Mapping[str, bytes]) -> None:
    """Write the project's zones where the event, which may come from a real stack, expects them."""
    try:
        url = str(event["config"]["collection"]["meta"]["process"]["zones"])
    except (LookupError, TypeError):
        return
    for key, body in zones.items():
        if url.startswith("s3://") and url.endswith(f"/{key}"):
            edges.store.put(url, body)
