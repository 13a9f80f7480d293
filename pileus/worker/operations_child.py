"""The process in which requests are done: `python -m pileus.worker.operations_child`, which forks for each.

It leaves the network before it imports anything, imports the endpoints once, and does by hand what is only done once in
a process: so that a fork costs some milliseconds.
"""

import gc
import json
import os
import stat
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from pileus.cell.confine import Limits, allow_seconds, code_folders, confine, leave_network
from pileus.errors import OperationFailed, PileusError
from pileus.raster.gdal import harden
from pileus.stratus.apart import TOLD, WORK
from pileus.worker.child_process import answer_events
from pileus.worker.forked import Fork, begin, forked, remove

OPEN = ("/dev/null",)


def main() -> None:
    """Do requests until the parent closes its end."""
    told, parent, channel = json.loads(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    begin(parent)
    if why := leave_network():
        sys.stderr.write(f"operations: {why}\n")
    harden(os.environ)
    work: list[Work] = []

    def call(event: Any) -> Any:
        if not work:
            work.append(Work(told["names"], told["memory"], told["seconds"]))
        return work[0].do(event)

    answer_events(channel, call)


class Work:
    """Endpoints, and the bounds of each request."""

    def __init__(self, names: list[str], memory: int, seconds: float) -> None:
        from pileus.stratus.endpoints import BUILTIN, Endpoints

        self._memory, self._seconds = memory, seconds
        self._endpoints = Endpoints.named(names)
        self._readable = [*code_folders(), *_code_of(names)]
        _warm()
        if any(name.startswith(BUILTIN) for name in names):
            _warm_zonal()
        gc.collect()
        gc.freeze()

    def do(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Return which results were made and which outputs lie in the folder; or what was wrong."""
        folder = Path(event["folder"])
        work = folder / WORK
        if work.exists():
            remove(work)
        work.mkdir(mode=0o700)
        try:
            files = {name: Path(path) for name, path in event["files"].items()}
            said: dict[str, Any] = forked(
                Fork(
                    "operations",
                    lambda: self._prepare(list(files.values()), work),
                    lambda: self._done(event["request"], files, work),
                    self._seconds,
                    self._memory,
                ),
                folder,
                lambda output: sys.stderr.buffer.write(output),
            )
            for result in said.get("made", ()):
                _take(work / f"{result}.nc", folder / f"{result}.nc")
            return said
        finally:
            remove(work)

    def _prepare(self, files: list[Path], work: Path) -> None:
        os.chdir(work)
        os.environ |= {"TMPDIR": str(work), "CPL_TMPDIR": str(work), "XDG_CACHE_HOME": str(work), "PWD": str(work)}
        tempfile.tempdir = str(work)
        limits = Limits(self._memory, int(self._seconds))
        missing = confine(limits, [*self._readable, *files], [work, *map(Path, OPEN)], os.getppid())
        allow_seconds(limits.seconds)
        for why in missing:
            sys.stderr.write(f"operations: {why}\n")

    def _done(self, request: Mapping[str, Any], files: Mapping[str, Path], work: Path) -> dict[str, Any]:
        from pileus.stratus.operate import operate
        from pileus.stratus.request import StratusRequest

        told: list[str] = []
        with (work / TOLD).open("w", buffering=1) as lines:

            def tell(result: str) -> None:
                told.append(result)
                lines.write(f"{result}\n")

            try:
                made = operate(self._endpoints, StratusRequest.from_json(request), files, work, tell)
            except PileusError as error:
                kind = error.kind if isinstance(error, OperationFailed) else ""
                wrong = {"type": type(error).__name__, "message": error.message, "where": error.where, "kind": kind}
                return {"wrong": wrong}
        return {"made": list(made), "told": told}


def _take(made: Path, path: Path) -> None:
    """Move a result to where it belongs. Raises OperationFailed for what is no file: a function may have changed it."""
    if not stat.S_ISREG(made.lstat().st_mode):
        raise OperationFailed("its result is no file")
    made.replace(path)


def _warm() -> None:
    """Do once what imports code or fills tables at its first time: write a small file, and read it."""
    import numpy as np
    from xarray import Dataset

    import pileus.stratus.operate  # noqa: F401
    from pileus.stratus.domain import cut
    from pileus.stratus.netcdf import plain, write
    from pileus.stratus.open_dataset import open_dataset
    from pileus.stratus.request import Axis, Domain

    data = Dataset(
        {"v": (("time", "lat"), np.ones((2, 2), np.float32))},
        {"time": np.array(["2000-01-01", "2000-01-02"], "M8[ns]"), "lat": [0.0, 1.0]},
    )
    domain = Domain("d", {"time": Axis("2000", "2001", "timestamps"), "lat": Axis(0, 1, "values")})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "warm.nc"
        write(plain(data, "warm"), path, "warm")
        with open_dataset(path, "warm") as opened:
            cut(opened, domain, "warm").mean("time").load()


def _warm_zonal() -> None:
    """Compile what our own statistics of zones need; no fork can write machine code for the next one."""
    import numba.core.caching

    import pileus.stratus.zones  # noqa: F401
    from pileus.cell.server import keep_no_code
    from pileus.zonal.warm import warm

    warm()
    keep_no_code(numba.core.caching.Cache)


def _code_of(names: list[str]) -> list[Path]:
    """Return the files of the modules of endpoints, and those of code that lie beside them."""
    found: list[Path] = []
    for name in names:
        module = sys.modules.get(name.partition(":")[0].partition(".")[0])
        if isinstance(module, ModuleType) and module.__file__:
            beside = Path(module.__file__).resolve().parent
            packages = [one.parent for one in beside.glob("*/__init__.py")]
            found += [beside] if module.__file__.endswith("__init__.py") else [*beside.glob("*.py"), *packages]
    return found


if __name__ == "__main__":
    main()
