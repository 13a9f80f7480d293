"""Nodes for specs: functions of xarray in the process of the spec, which may die once, or wait."""

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import xarray

from pileus.errors import HandedBack
from pileus.nodes.node import NodeLost
from pileus.stratus.capability import Capability
from pileus.stratus.graph import graph_of
from pileus.stratus.request import StratusRequest

OPS: dict[str, Callable[..., xarray.Dataset]] = {
    "sum": lambda *inputs: sum(inputs[1:], inputs[0]),
    "twice": lambda *inputs: inputs[0] * 2,
    "less": lambda *inputs: inputs[0] - inputs[-1] + 1,
}


def values(path: Path, *numbers: float) -> Path:
    """Write a NetCDF4 file with the variable `v` along `x`, and return its path."""
    xarray.Dataset({"v": ("x", list(numbers))}).to_netcdf(path, engine="h5netcdf")
    return path


def read(path: Path) -> list[float]:
    """Return the values of `v`."""
    with xarray.open_dataset(path, engine="h5netcdf") as data:
        return [float(one) for one in data["v"].values]


class HandNode:
    """Does operations of some endpoints with the functions of OPS."""

    def __init__(self, name: str, epas: Sequence[str], *, dies: int = 0, error: Exception | None = None) -> None:
        self.name, self.asked = name, list[str]()
        self._epas, self._dies, self._error, self._lock = epas, dies, error, threading.Lock()

    def capabilities(self, _via: Sequence[str] = (), /) -> tuple[Capability, ...]:
        """See Node."""
        return tuple(Capability(f"{epa}:{op}", inputs=(1, None)) for epa in self._epas for op in OPS)

    def run(
        self, request: StratusRequest, given: Mapping[str, Path], folder: Path, stopping: threading.Event
    ) -> Mapping[str, Path]:
        """See Node. The first `dies` times the node dies when all is done and before anybody has heard of it."""
        with self._lock:
            self.asked.append(request.rid)
            dies, self._dies = self._dies > 0, self._dies - 1
        if self._error:
            raise self._error
        made = {id: xarray.load_dataset(path, engine="h5netcdf") for id, path in given.items()}
        for result, operation in graph_of(request).operations.items():
            made[result] = OPS[operation.op](*(made[one] for one in operation.inputs))
        files = {output: folder / f"{output}.nc" for output in request.outputs}
        for output, path in files.items():
            made[output].to_netcdf(path, engine="h5netcdf")
        if dies:
            raise NodeLost("gone")
        return files

    def close(self) -> None:
        """See Node."""


class WaitingNode(HandNode):
    """Begins, and waits to be stopped."""

    def __init__(self, name: str, epas: Sequence[str]) -> None:
        super().__init__(name, epas)
        self.begun = threading.Event()

    def run(
        self, request: StratusRequest, given: Mapping[str, Path], folder: Path, stopping: threading.Event
    ) -> Mapping[str, Path]:
        """See Node."""
        self.begun.set()
        stopping.wait(60)
        raise HandedBack("told to stop")
