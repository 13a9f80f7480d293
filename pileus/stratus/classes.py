"""Classes in the shape of Stratus's endpoints, as operations.

Such a class has `capabilities("epas")`, which names patterns of endpoints, `init` and `shutdown`. Its `request` takes a
request, inputs, `rid` and `cid`, and gives a handle of a task with `status`, `getResult` and `exception`; in place of
it there may be `createExecutable`, of which `execute` gives the result. What it imports is its own affair: nothing of
it is imported or replaced here.

An object is made, started and ended for each operation. `requestSpec["operation"]` is a list of that one operation,
`requestSpec["input"]` a list of the files that it reads, each a NetCDF file that is cut to its domain already;
`inputs` are the results of other operations.
"""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pileus.endpoint import Call, Endpoint
from pileus.errors import OperationFailed, UsageError

if TYPE_CHECKING:
    from xarray import Dataset

POLL_SECONDS = 0.01
ENDED = ("COMPLETED", "ERROR", "CANCELED")


@dataclass(frozen=True)
class Given:
    """A result that an object reads."""

    header: Mapping[str, Any]
    data: "list[Dataset]"

    def getDataset(self) -> "Dataset":  # noqa: N802  (the name that such classes call)
        """Return it."""
        return self.data[0]


class Anything:
    """Parameters that nobody describes: the object checks them."""

    def checked(self, given: Mapping[str, Any], at: str) -> dict[str, Any]:  # noqa: ARG002
        """Return them as they are."""
        return dict(given)

    def schema(self) -> dict[str, Any]:
        """Return nothing: not told."""
        return {}


class ClassEndpoint(Endpoint):
    """All operations of the endpoints that an object names with one pattern. `do` makes the object."""

    name = property(lambda self: self.pattern)
    inputs = (0, None)
    parameters = Anything()  # type: ignore[assignment]

    def call(self, asked: Call) -> Any:
        """Return what an object makes of one operation. Raises what it raises."""
        with tempfile.TemporaryDirectory() as folder, _object(self.do) as one:
            return _result(one, *_spec(asked, Path(folder))).load()


def endpoints_of_class(make: Callable[[], Any]) -> tuple[Endpoint, ...]:
    """Return the endpoints of a class: one for each pattern that an object of it names. Raises UsageError."""
    name = getattr(make, "__name__", str(make))
    with _object(make) as one:
        told = one.capabilities("epas")
    patterns = told.get("epas") if isinstance(told, Mapping) else told
    if not isinstance(patterns, list) or not patterns or not all(isinstance(one, str) for one in patterns):
        raise UsageError("capabilities('epas'): expected {'epas': [patterns of endpoints]}", where=name)
    return tuple(ClassEndpoint(pattern, "*", make) for pattern in patterns)


def is_class_of_stratus(value: object) -> bool:
    """Return whether it has the methods of such a class."""
    return isinstance(value, type) and all(
        callable(getattr(value, name, None)) for name in ("capabilities", "init", "shutdown")
    )


@contextmanager
def _object(make: Callable[[], Any]) -> Iterator[Any]:
    one = make()
    one.init()
    try:
        yield one
    finally:
        one.shutdown()


def _spec(asked: Call, folder: Path) -> tuple[dict[str, Any], list[Given]]:
    """Return the request of one operation, and the results that it reads."""
    operation = asked.operation
    sources, inputs = [], []
    for name, data in zip(operation.inputs, asked.datasets, strict=True):
        if name in asked.sources:
            path = folder / f"{name}.nc"
            data.to_netcdf(path, engine="h5netcdf")
            sources.append({"name": ":".join(filter(None, (asked.sources[name].variable, name))), "uri": str(path)})
        else:
            inputs.append(Given({"name": name}, [data]))
    told = {"name": operation.name, "input": ",".join(operation.inputs), "result": operation.result}
    keys = {f"{operation.epa}:{key}": value for key, value in asked.keys.items()}
    return {"operation": [{**told, **asked.parameters}], "input": sources, "domain": [], **keys}, inputs


def _result(one: Any, spec: dict[str, Any], inputs: list[Given]) -> "Dataset":
    import xarray

    names = {"rid": spec["operation"][0]["result"], "cid": "pileus"}
    if callable(getattr(one, "request", None)):
        result = _waited(one.request(spec, inputs, **names))
    else:
        result = one.createExecutable(spec, inputs, **names).execute()
    found = result.data
    found = list(found.values()) if isinstance(found, Mapping) else list(found)
    if not found:
        raise OperationFailed("its result holds no data set")
    sets = [part if isinstance(part, xarray.Dataset) else part.to_dataset() for part in found]
    return sets[0] if len(sets) == 1 else xarray.merge(sets)


def _waited(handle: Any) -> Any:
    """Return the result of a task when it has ended. Raises its error."""
    while (state := str(getattr(handle.status(), "name", handle.status())).upper()) not in ENDED:
        time.sleep(POLL_SECONDS)
    if state == "COMPLETED":
        return handle.getResult(block=True)
    error = handle.exception() if callable(getattr(handle, "exception", None)) else None
    raise error if isinstance(error, Exception) else OperationFailed(f"its task ended as {state} without an error")
