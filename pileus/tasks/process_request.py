"""ProcessRequest: do one run of a process, and write its rows and its result document."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pkgutil import resolve_name
from typing import Any

import pyarrow as pa

from pileus.errors import Conflict, HandedBack
from pileus.messages import Done, RequestTask
from pileus.outputs.tables import parquet_of
from pileus.processes import RegisteredProcess
from pileus.runs.record import output_url, read_input
from pileus.tasks.worker_state import TaskControl, WorkerState
from pileus.version import __version__
from pileus.wiring import Edges


@dataclass(frozen=True)
class RunContext:
    """What a process works with beside its inputs."""

    worker: WorkerState
    control: TaskControl
    key: str
    """Key of the run's subject; no other run is read in the same child of the cell."""


@dataclass(frozen=True, slots=True)
class Made:
    """What a process has made."""

    rows: pa.Table
    units: Mapping[str, str] = field(default_factory=dict)
    """Unit of each band of the rows; empty where it is not known."""
    notes: tuple[str, ...] = ()
    """Things a person should know, a line each."""
    downloaded: int = 0
    """Bytes."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Wall time by hop."""


def process_request(
    edges: Edges, event: Mapping[str, Any], worker: WorkerState, control: TaskControl | None = None
) -> dict[str, Any]:
    """Do one run, and write what it has made. Return the JSON of `messages.Done`.

    Running it twice writes the same objects. Raises what the process raises, DocumentError for inputs that are wrong by
    now, HandedBack soon after `control.cancelled` is set, and Conflict where the run was stopped.
    """
    control = control or TaskControl()
    task = RequestTask.from_json(event)
    process, inputs = read_input(edges, task.url)
    context = RunContext(worker, control, task.subject.key)
    made: Made = resolve_name(process.function)(edges, process.read(inputs), context)
    if control.cancelled.is_set():
        raise HandedBack("told to stop")
    if control.claimed and not control.claimed():
        raise Conflict("was stopped, or another worker has it", where=task.subject.key)
    seconds = round(sum(made.seconds.values()), 3)
    return Done(_write(edges, task, process, made), made.downloaded, seconds, dict(made.seconds)).to_json()


def _write(edges: Edges, task: RequestTask, process: RegisteredProcess, made: Made) -> str:
    """Write the rows, and then the result document. Return its address."""
    body = parquet_of(made.rows, {"pileus": process.id, "run": task.run_name}, made.units)
    url = output_url(edges, task.subject, task.run, "rows.parquet")
    edges.store.put(url, body, process.outputs["rows"].media_type)
    document = {
        "key": task.subject.key,
        "run": task.run,
        "process": process.id,
        "version": process.version,
        "rows": {
            "count": made.rows.num_rows,
            "columns": made.rows.column_names,
            "url": url,
            "size": len(body),
            "type": process.outputs["rows"].media_type,
        },
        "units": dict(made.units),
        "notes": list(made.notes),
        "seconds": {name: round(value, 4) for name, value in made.seconds.items()},
        "downloaded": made.downloaded,
        "finished": datetime.fromtimestamp(edges.now(), UTC).isoformat(timespec="seconds"),
        "code": __version__,
    }
    place = output_url(edges, task.subject, task.run, "result.json")
    edges.store.put(place, json.dumps(document).encode(), "application/json")
    return place
