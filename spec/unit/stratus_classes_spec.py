"""Classes in the original's shape. The package that they import is not to be had from a registry: the one here is made
after what such classes call, and is as incomplete as that.
"""

from pathlib import Path
from typing import Any

import pytest

from pileus.errors import OperationFailed, UsageError
from pileus.stratus.endpoints import Endpoints
from pileus.stratus.operate import operate
from spec.support.stratus import grid, read, request, saved

BASE = """
import abc, enum, threading
import xarray

class Status(enum.Enum):
    IDLE, EXECUTING, COMPLETED, CANCELED, ERROR = range(5)

class TaskResult:
    def __init__(self, header, data=None):
        self.header, self.data = header, data or []

    def getDataset(self):
        return xarray.merge(self.data)

class Endpoint:
    __metaclass__ = abc.ABCMeta

    def __init__(self, **kwargs):
        self.parms = kwargs
"""
EXECUTION = """
import threading
from stratus_endpoint.handler.base import Endpoint, Status, TaskResult

class Executable:
    def __init__(self, requestSpec, inputs=None, **kwargs):
        self.request, self.inputs, self.parms = requestSpec, inputs, kwargs

class Handle:
    def __init__(self, job):
        self._status, self._job, self._error, self._result = Status.EXECUTING, job, None, None
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        try:
            self._result = self._job.execute()
            self._status = Status.COMPLETED
        except Exception as error:
            self._error, self._status = error, Status.ERROR

    def status(self):
        return self._status

    def getResult(self, timeout=None, block=False):
        return self._result

    def exception(self):
        return self._error

class ExecEndpoint(Endpoint):
    def request(self, requestSpec, inputs=None, **kwargs):
        assert kwargs["rid"] and kwargs["cid"]
        return Handle(self.createExecutable(requestSpec, inputs, **kwargs))
"""
OPS = """
from stratus_endpoint.handler.base import TaskResult
from stratus_endpoint.handler.execution import Executable, ExecEndpoint
from typing import Dict, List
import xarray as xa

class OpsEndpoint(ExecEndpoint):
    def createExecutable(self, requestSpec: Dict, inputs: List[TaskResult] = None, **kwargs) -> Executable:
        return OpsExecutable(requestSpec, inputs, **kwargs)

    def init(self):
        print("started", file=open("/dev/null", "w"))

    def shutdown(self, **kwargs):
        return

    def capabilities(self, type: str, **kwargs) -> Dict:
        return dict(epas=["xop*"])

class OpsExecutable(Executable):
    def execute(self, **kwargs) -> TaskResult:
        operation = self.request["operation"][0]
        sets = [xa.open_dataset(one["uri"]) for one in self.request["input"]]
        sets += [one.getDataset() for one in self.inputs]
        name = operation["name"].split(":")[1]
        return TaskResult(kwargs, [getattr(one, name)(dim=operation["axis"]) for one in sets])
"""
BARE = """
class Result:
    def __init__(self, data):
        self.data = data

class Job:
    def __init__(self, inputs):
        self.inputs = inputs

    def execute(self):
        return Result([one.data[0] + 1 for one in self.inputs])

class BareEndpoint:
    def init(self): pass
    def shutdown(self): pass
    def capabilities(self, type): return {"epas": ["bare"]}
    def createExecutable(self, spec, inputs, **kwargs): return Job(inputs)
"""


@pytest.fixture
def endpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Endpoints:
    """Both classes, by name, as a node's settings name them."""
    folder = tmp_path / "code"
    (folder / "stratus_endpoint" / "handler").mkdir(parents=True)
    for name, text in (
        ("stratus_endpoint/__init__", ""),
        ("stratus_endpoint/handler/__init__", ""),
        ("stratus_endpoint/handler/base", BASE),
        ("stratus_endpoint/handler/execution", EXECUTION),
        ("ops_in_original_shape", OPS),
        ("bare_in_original_shape", BARE),
    ):
        (folder / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(folder)
    return Endpoints.named(["ops_in_original_shape:OpsEndpoint", "bare_in_original_shape:BareEndpoint"])


def done(endpoints: Endpoints, folder: Path, *operations: dict[str, Any]) -> Any:
    """The result of operations over `grid`."""
    made = operate(endpoints, request(*operations), {"v0": saved(grid(), folder / "v0.nc")}, folder / "out")
    return read(next(iter(made.values())))["tas"].values.tolist()


def test_it_names_its_endpoints(endpoints: Endpoints) -> None:
    assert [(one.pattern, one.parameters, one.inputs) for one in endpoints.capabilities()] == [
        ("xop*", {}, (0, None)),
        ("bare", {}, (0, None)),
    ]


def test_it_reads_files_and_results_of_others(endpoints: Endpoints, tmp_path: Path) -> None:
    first = {"name": "xop:mean", "input": "v0", "axis": "time"}
    assert done(endpoints, tmp_path, first) == [[5.5, 6.5, 7.5], [8.5, 9.5, 10.5], [11.5, 12.5, 13.5]]
    chained = [first, {"name": "bare:more", "input": "r1"}, {"name": "xop2:max", "input": "r2", "axis": ["lat", "lon"]}]
    assert done(endpoints, tmp_path, *chained) == 14.5


def test_what_it_raises_is_told(endpoints: Endpoints, tmp_path: Path) -> None:
    with pytest.raises(OperationFailed) as caught:
        done(endpoints, tmp_path, {"name": "xop:mean", "input": "v0"})
    assert (caught.value.kind, caught.value.where) == ("KeyError", "operation r1 (xop:mean)")


def test_no_result_is_an_error(endpoints: Endpoints, tmp_path: Path) -> None:
    with pytest.raises(OperationFailed, match="its result holds no data set"):
        done(endpoints, tmp_path, {"name": "bare:more", "input": "v0"})


def test_a_class_without_patterns_is_refused() -> None:
    class Silent:
        def init(self) -> None:
            pass

        def shutdown(self) -> None:
            pass

        def capabilities(self, kind: str) -> dict[str, str]:
            return {"epas": kind}

    with pytest.raises(UsageError, match=r"expected \{'epas': "):
        Endpoints.of([Silent])
