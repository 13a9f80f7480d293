"""ProcessOperations: do some operations of a request, and keep what each makes in the bucket."""

import os
import shutil
import stat
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from pileus.errors import OperationFailed
from pileus.graphs import record
from pileus.graphs.inputs import Inputs
from pileus.messages import PartTask
from pileus.runs.record import input_url
from pileus.stratus.addresses import GIVEN
from pileus.stratus.graph import Graph, part_of
from pileus.stratus.request import StratusRequest
from pileus.tasks.worker_state import TaskControl, WorkerState
from pileus.wiring import Edges

RESERVE = 2 << 30
"""Bytes of the scratch volume that are reserved, since nobody knows before what operations make; at most a quarter."""
WORK = ".work"
"""Folder in which results lie while operations go on: that of `pileus.stratus.apart`."""
BLOCK = 1 << 20
Operate = Callable[[StratusRequest, Mapping[str, Path], Path, Callable[[str], None], threading.Event], Any]
"""Does a request: takes it, a file for each input by id, the folder in which it leaves `RESULT.nc` of each output, a
function that it calls with each result when it is made, and a flag that stops it."""


def process_operations(
    edges: Edges, event: Mapping[str, Any], worker: WorkerState, control: TaskControl, operate: Operate
) -> dict[str, Any]:
    """Do a message of a graph, and keep each result as soon as it is made. Return how many were made: those that an
    earlier worker has kept are not made again.

    Raises what operations raise, DocumentError for a request that is wrong by now, HandedBack soon after
    `control.cancelled` is set.
    """
    task = PartTask.from_json(event)
    graph = _graph(edges, task, worker)
    message = record.read_plan(edges, task.url)[task.round][task.part]
    left = [one for one in message if not record.is_made(edges, _url(edges, task, graph, one))]
    if not left:
        return {"made": 0, "downloaded": 0}
    request = _request(graph, left)
    given = {
        id: _url(edges, task, graph, one.uri.removeprefix(GIVEN))
        for id, one in request.inputs.items()
        if one.uri.startswith(GIVEN)
    }
    inputs = Inputs.found(edges, request, given)
    size = min(RESERVE, worker.volume.usage().most // 4) + inputs.size
    with worker.volume.reserved(size, cancelled=control.cancelled) as scratch:
        files, downloaded = inputs.fetch(scratch / "inputs", worker, control)
        made = scratch / "results"
        made.mkdir()

        def keep(result: str) -> None:
            with _own_copy(made, result, scratch / "kept.nc") as path:
                edges.archives.put(path, _url(edges, task, graph, result))

        operate(request, files, made, keep, control.cancelled)
    return {"made": len(left), "downloaded": downloaded}


def _graph(edges: Edges, task: PartTask, worker: WorkerState) -> Graph:
    """Return the graph of a run. A request may have been deleted and another have its id: the mark tells."""
    key = f"{task.subject.key} {edges.store.mark(input_url(edges, task.subject))[1]}"
    if worker.graph is None or worker.graph[0] != key:
        worker.graph = key, record.graph_at(edges, task.subject)
    return worker.graph[1]


@contextmanager
def _own_copy(folder: Path, result: str, path: Path) -> Iterator[Path]:
    """Lend a result: a copy, for as long as operations go on they may change their own file. Raises OperationFailed for
    what is no file: a function may have put a link to another there.
    """
    if (folder / f"{result}.nc").exists():
        yield folder / f"{result}.nc"
        return
    try:
        number = os.open(folder / WORK / f"{result}.nc", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as exc:
        raise OperationFailed(f"its result cannot be read: {exc.strerror}", where=f"operation {result}") from exc
    with os.fdopen(number, "rb") as source:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise OperationFailed("its result is no file", where=f"operation {result}")
        with path.open("wb") as target:
            shutil.copyfileobj(source, target, BLOCK)
    try:
        yield path
    finally:
        path.unlink()


def _request(graph: Graph, left: list[str]) -> StratusRequest:
    """Return what is to be done as a request of its own, of which every result is wanted."""
    part = part_of(graph, "", left, graph.readers())
    return replace(part.request, rid="", outputs=tuple(left))


def _url(edges: Edges, task: PartTask, graph: Graph, result: str) -> str:
    return record.result_url(edges, task.subject, task.run, result, graph.outputs)
