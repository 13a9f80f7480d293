"""Do the operations of a request in this process."""

import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

from xarray import Dataset

from pileus.endpoint import Call
from pileus.errors import DocumentError, HandedBack, OperationFailed, PileusError
from pileus.near import unknown
from pileus.stratus.addresses import GIVEN
from pileus.stratus.domain import cut
from pileus.stratus.endpoints import Endpoints
from pileus.stratus.graph import Graph, graph_of
from pileus.stratus.netcdf import plain, write
from pileus.stratus.open_dataset import open_dataset
from pileus.stratus.request import Input, Operation, StratusRequest

IN_MEMORY = 512 << 20
"""Bytes of results that are kept in memory at one time. What does not fit waits in a file."""


def operate(
    endpoints: Endpoints,
    request: StratusRequest,
    files: Mapping[str, Path],
    folder: Path,
    tell: Callable[[str], None] | None = None,
    stopping: threading.Event | None = None,
) -> dict[str, Path]:
    """Do all operations of a request, and return the NetCDF4 file `folder/RESULT.nc` of each of its outputs.

    `files`: a file for each input, by its id. `tell`: called with each result when it is made. Each operation comes
    after all that it needs; a result is kept until its last reader has run.

    Raises DocumentError for what is wrong with the request or its inputs, OperationFailed for what a function raises,
    HandedBack between two operations once `stopping` is set.
    """
    graph = graph_of(request)
    endpoints.check(graph)
    if missing := [name for name in _inputs(graph) if name not in files]:
        raise DocumentError(f"input {', '.join(missing)}: there is no file of it")
    folder.mkdir(parents=True, exist_ok=True)
    made: dict[str, Path] = {}
    places = {one.result: f"operation[{number}]" for number, one in enumerate(request.operations)}
    with Shelf(graph, files, folder) as shelf:
        for result in graph.operations:
            if stopping is not None and stopping.is_set():
                raise HandedBack("told to stop", where=request.rid or None)
            data = _done(endpoints, graph, result, places[result], shelf)
            if result in graph.outputs:
                made[result] = folder / f"{result}.nc"
                write(data, made[result], _what(graph.operations[result]))
            shelf.put(result, data)
            if tell is not None:
                tell(result)
    return {result: made[result] for result in graph.outputs}


def _what(operation: Operation) -> str:
    return f"operation {operation.result} ({operation.name})"


def _inputs(graph: Graph) -> dict[str, None]:
    """Return the inputs that operations read, in this order."""
    read = (name for one in graph.operations.values() for name in one.inputs)
    return dict.fromkeys(name for name in read if name not in graph.operations)


def _done(endpoints: Endpoints, graph: Graph, result: str, at: str, shelf: "Shelf") -> Dataset:
    """Return what one operation makes."""
    operation = graph.operations[result]
    what, request = _what(operation), graph.request
    found = endpoints.function(operation)
    parameters = found.parameters.checked(operation.parameters, at)
    try:
        datasets = [shelf.get(name) for name in operation.inputs]
        asked = Call(operation, datasets, parameters, request.keys.get(operation.epa, {}), _sources(request, operation))
        data = plain(found.call(asked), what)
        if operation.domain:
            data = cut(data, request.domains[operation.domain], what)
        return data.load()
    except DocumentError as error:
        known = error.message.startswith((what, "input "))
        raise DocumentError(error.message if known else f"{what}: {error.message}") from error
    except PileusError:
        raise
    except MemoryError as error:
        raise OperationFailed("needs more memory than there is", where=what, kind="MemoryError") from error
    except Exception as error:
        raise OperationFailed(f"{type(error).__name__}: {error}", where=what, kind=type(error).__name__) from error


def _sources(request: StratusRequest, operation: Operation) -> dict[str, Input]:
    """Return those of its inputs that are no results of operations, here or in another part."""
    found = {name: request.inputs[name] for name in operation.inputs if name in request.inputs}
    return {name: one for name, one in found.items() if not one.uri.startswith(GIVEN)}


class Shelf:
    """The data sets that operations read: inputs are opened at their first reader, and all are let go after their last.

    Use it as a context.
    """

    def __init__(self, graph: Graph, files: Mapping[str, Path], folder: Path) -> None:
        self._graph, self._files, self._folder = graph, files, folder
        self._left: dict[str, int] = {}
        for operation in graph.operations.values():
            for name in operation.inputs:
                self._left[name] = self._left.get(name, 0) + 1
        self._kept: dict[str, Dataset] = {}
        self._closing: dict[str, ExitStack] = {}
        self._bytes: dict[str, int] = {}
        self._held = 0

    def __enter__(self) -> "Shelf":
        return self

    def __exit__(self, *_: object) -> None:
        for name in [*self._closing]:
            self._let_go(name)

    def get(self, name: str) -> Dataset:
        """Return a data set for one of its readers. Raises DocumentError for an input that cannot be read."""
        if name not in self._kept:
            self._open(name, self._files[name])
        # What one function does to the values is not for the next one to see.
        return self._kept[name].copy(deep=name in self._bytes and self._left[name] > 1)

    def put(self, name: str, data: Dataset) -> None:
        """Keep a result, if somebody reads it, and let go what its operation was the last to read."""
        for read in self._graph.operations[name].inputs:
            self._left[read] -= 1
            if not self._left[read]:
                self._let_go(read)
        if not self._left.get(name):
            return
        if self._held + data.nbytes <= IN_MEMORY:
            self._kept[name], self._bytes[name] = data, data.nbytes
            self._held += data.nbytes
            return
        operation = self._graph.operations[name]
        path = self._folder / f"{name}.nc"
        if name not in self._graph.outputs:
            path = self._folder / f".{name}.waiting.nc"
            write(data, path, _what(operation))
        self._open(name, path)
        if name not in self._graph.outputs:
            self._closing[name].callback(path.unlink, missing_ok=True)

    def _open(self, name: str, path: Path) -> None:
        closing = self._closing[name] = ExitStack()
        data = closing.enter_context(open_dataset(path, f"input {name}"))
        asked = self._graph.request.inputs.get(name)
        if asked is not None and asked.variable:
            if asked.variable not in data.variables:
                raise DocumentError(f"input {name}: {unknown('variable', asked.variable, map(str, data.data_vars))}")
            data = data[[asked.variable]]
        if asked is not None and asked.domain:
            data = cut(data, self._graph.request.domains[asked.domain], f"input {name}")
        self._kept[name] = data

    def _let_go(self, name: str) -> None:
        self._kept.pop(name, None)
        self._held -= self._bytes.pop(name, 0)
        if closing := self._closing.pop(name, None):
            closing.close()
