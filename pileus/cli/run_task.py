"""pileus run-task: any Lambda handler or worker task in this process, with no AWS at all."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from pileus.cli import show
from pileus.cli.app import app


@app.command("run-task", epilog="Example: pileus run-task discover_granules --input event.json")
def run_task(
    name: Annotated[
        str, typer.Argument(help="generate_collections, discover_granules, report_status or process_group.")
    ],
    input: Annotated[Path, typer.Option("--input", help="Event: JSON with config and input.")],
    folder: Annotated[Path, typer.Option(help="Stands for S3: s3://bucket/key is FOLDER/bucket/key.")] = Path(
        ".pileus/run-task"
    ),
) -> None:
    """Run one step of the workflows here, on one event, and print its answer. For people who write steps."""
    import json

    from pileus.errors import DocumentError, UsageError
    from pileus.wiring import wire_folder

    steps = _steps(folder)
    if name not in steps:
        raise UsageError(f"unknown task {name!r}: expected {', '.join(steps)}")
    try:
        event = json.loads(input.read_text())
    except (OSError, json.JSONDecodeError) as exc:
        raise DocumentError(f"cannot be read as JSON: {exc}", where=str(input)) from exc
    edges = wire_folder(folder, os.environ)
    _prepare(edges, event)
    show.as_json(steps[name](edges, event))


def _steps(folder: Path) -> dict[str, Callable[..., Any]]:
    from pileus.tasks.discover_granules import discover_granules
    from pileus.tasks.generate_collections import generate_collections
    from pileus.tasks.process_group import Workbench, process_group
    from pileus.tasks.report_status import report_status

    return {
        "generate_collections": generate_collections,
        "discover_granules": discover_granules,
        "report_status": report_status,
        "process_group": lambda edges, event: process_group(edges, event, Workbench(folder / "scratch")),
    }


def _prepare(edges: Any, event: dict[str, Any]) -> None:
    """Put what the event refers to in the folder: the documents of this project, and a backfill that runs."""
    from datetime import UTC, datetime

    from pileus.errors import Conflict, UsageError
    from pileus.lifecycle.backfill import Backfill
    from pileus.project.folder import find_project
    from pileus.project.populate import populate, validate

    try:
        project = find_project(Path.cwd())
    except UsageError:
        pass  # an event can carry all it needs
    else:
        registry, zones = validate(project, datetime.now(UTC).date())
        populate(edges.store, edges.stack.internal, registry, zones)
        _lay_out(edges, event, zones)
    config = event.get("config", {})
    if "backfill" in config and "period" in config:
        collection = config["collection"]
        backfill = Backfill(
            config["backfill"],
            config["template"],
            collection.get("version", "001"),
            config["period"],
            config["period"],
            "month",
            run=config["run"],
        )
        try:
            edges.index.put_backfill(backfill)
        except Conflict as exc:
            raise UsageError("the index of a folder is empty at its start") from exc


def _lay_out(edges: Any, event: dict[str, Any], zones: Mapping[str, bytes]) -> None:
    """Put the project's zones where the event, which may come from a real stack, has them."""
    collection = event.get("config", {}).get("collection", {})
    url = collection.get("meta", {}).get("process", {}).get("zones", "")
    for key, body in zones.items():
        if url.startswith("s3://") and url.endswith(f"/{key}"):
            edges.store.put(url, body)
