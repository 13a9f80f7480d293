"""Requests of Stratus on a stack without AWS: endpoints, and whoever does what the state machine would."""

import hashlib
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import xarray

from pileus.endpoint import endpoint
from pileus.graphs.record import value_url
from pileus.stratus.endpoints import Endpoints
from pileus.stratus.operate import operate
from pileus.tasks.advance_graph import advance_graph
from pileus.tasks.process_operations import process_operations
from pileus.tasks.worker_state import TaskControl, WorkerState
from pileus.wiring import Edges


@endpoint("xop*")
def add(*data: xarray.Dataset, number: float = 0) -> xarray.Dataset:
    """Add data sets, and a number."""
    whole = data[0]
    for one in data[1:]:
        whole = whole + one
    return whole + number


@endpoint("xop*")
def times(data: xarray.Dataset, *, number: float) -> xarray.Dataset:
    """Multiply by a number."""
    return data * number


@endpoint("xop*")
def fails(data: xarray.Dataset) -> xarray.Dataset:
    """Raise."""
    raise ValueError("as it was told to")


ENDPOINTS = Endpoints.of([add, times, fails])


def netcdf(*numbers: float) -> bytes:
    """Return a NetCDF4 file of one variable `a` over the dimension `x`."""
    data = xarray.Dataset({"a": ("x", list(numbers))})
    body = data.to_netcdf(engine="h5netcdf", format="NETCDF4")
    return bytes(body)


def numbers(body: bytes, variable: str = "a") -> list[float]:
    """Return what `netcdf` was given, or the values of another variable."""
    with xarray.open_dataset(io.BytesIO(body), engine="h5netcdf") as data:
        return [float(one) for one in data[variable].values.ravel()]


def uploaded(edges: Edges, body: bytes) -> str:
    """Return the address of an uploaded file."""
    sha256 = hashlib.sha256(body).hexdigest()
    edges.store.put(value_url(edges, sha256), body)
    return f"value:{sha256}"


def three_steps(uri: str) -> dict[str, Any]:
    """Return a request of three operations in a row: ((a + 1) * 10) + 5."""
    return {
        "input": [{"name": "a:v0", "uri": uri}],
        "operation": [
            {"name": "xop:add", "input": "v0", "number": 1, "result": "r1"},
            {"name": "xop:times", "input": "r1", "number": 10, "result": "r2"},
            {"name": "xop:add", "input": "r2", "number": 5, "result": "r3"},
        ],
    }


def messages(edges: Edges, task: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the messages of an execution, as its state machine sends them, and end its run."""
    told = {"more": True, "round": 0, "messages": []}
    while True:
        told = advance_graph(edges, {"config": {"task": dict(task), "round": told["round"]}})
        if not told["more"]:
            return
        yield from told["messages"]


def work(edges: Edges, message: Mapping[str, Any], scratch: Path, control: TaskControl | None = None) -> dict[str, Any]:
    """Do a message as a worker would, in this process."""
    state = WorkerState(scratch)
    try:
        return process_operations(
            edges, message, state, control or TaskControl(), lambda *asked: operate(ENDPOINTS, *asked)
        )
    finally:
        state.close()


def done(edges: Edges, task: Mapping[str, Any], scratch: Path) -> None:
    """Do a whole run."""
    for message in messages(edges, task):
        work(edges, message, scratch)
