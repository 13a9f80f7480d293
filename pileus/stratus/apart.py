"""Do the operations of requests in processes of their own: files come from strangers, and functions may leak, hang or
crash.
"""

import json
import os
import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pileus import errors
from pileus.errors import OperationFailed, PileusError
from pileus.stratus.request import StratusRequest
from pileus.worker.bare_process import BareProcess
from pileus.worker.child_process import ChildProcess, TaskFailed
from pileus.worker.forked import remove

MEMORY = 4 << 30
SECONDS = 3600.0
GRACE = 60
"""Seconds beyond a request's own, for the imports before the first."""
WORK = ".work"
"""Folder within that of the results, of the process alone; it is gone at the end."""
TOLD = "told"
"""File of the results that are made, a line each, in the folder WORK."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the operations of one request may use."""

    memory: int = MEMORY
    """Bytes beside those of the interpreter."""
    seconds: float = SECONDS
    """Of the clock, and of the processor."""


class Apart:
    """Does requests with the endpoints of some modules. Safe in several threads at once: each has a process.

    A process imports the modules once, and forks for each request. The fork reaches no network and no files but those
    of the request, the code, and its own folder; with its limits of memory and time.

    `names`: MODULE or MODULE:OBJECT, as `Endpoints.named` takes them. `most`: processes at once.
    """

    def __init__(self, names: Sequence[str], bounds: Bounds | None = None, most: int | None = None) -> None:
        self._bounds = bounds or Bounds()
        self._names, self._free = tuple(names), queue.LifoQueue[ChildProcess]()
        self._all = [self._process() for _ in range(most or os.cpu_count() or 1)]
        for one in reversed(self._all):
            self._free.put(one)

    def _process(self) -> ChildProcess:
        told = json.dumps({"names": self._names, "memory": self._bounds.memory, "seconds": self._bounds.seconds})
        seconds = self._bounds.seconds + GRACE
        return BareProcess("operations", "pileus.worker.operations_child", (told,), seconds=seconds)

    def operate(
        self,
        request: StratusRequest,
        files: Mapping[str, Path],
        folder: Path,
        tell: Callable[[str], None] | None = None,
        stopping: threading.Event | None = None,
    ) -> dict[str, Path]:
        """Do as `pileus.stratus.operate.operate`, in another process. A result is told within some tenths of a second;
        its file lies in `folder/WORK` then, and in `folder` at the end. One request at a time has a folder.

        Raises what that raises; OperationFailed also when the process died (kind `TaskDied`), took too long
        (`TaskTimedOut`) or needed too much memory (`MemoryError`); HandedBack soon after `stopping` is set.
        """
        folder.mkdir(parents=True, exist_ok=True)
        event = {
            "request": request.to_json(),
            "files": {name: str(path.resolve()) for name, path in files.items()},
            "folder": str(folder.resolve()),
        }
        heard = _Heard(folder / WORK / TOLD, tell)
        with self._one(stopping) as process:
            try:
                said = json.loads(process.run(event, stopping or threading.Event(), heard.look))
            except TaskFailed as error:
                wrong = {"type": error.kind, "message": error.message, "where": error.where, "kind": error.kind}
                raise _error(wrong) from error
            except BaseException:  # it goes on with what nobody waits for
                process.close()
                raise
            finally:
                if (folder / WORK).exists():  # the process was ended
                    remove(folder / WORK)
        if "wrong" in said:
            raise _error(said["wrong"])
        heard.all(said["told"])
        return {result: folder / f"{result}.nc" for result in said["made"]}

    @contextmanager
    def _one(self, stopping: threading.Event | None) -> Iterator[ChildProcess]:
        """Lend a process, when one is free. Raises HandedBack when `stopping` is set before."""
        while True:
            try:
                process = self._free.get(timeout=0.2)
                break
            except queue.Empty:
                if stopping is not None and stopping.is_set():
                    raise errors.HandedBack("told to stop") from None
        try:
            yield process
        finally:
            self._free.put(process)

    def close(self) -> None:
        """End all processes. No thread may be in `operate`."""
        for one in self._all:
            one.close()


class _Heard:
    """Tells each result once, as they come in a file."""

    def __init__(self, path: Path, tell: Callable[[str], None] | None) -> None:
        self._path, self._tell, self._count = path, tell, 0

    def look(self) -> None:
        """Tell what is new in the file."""
        if self._tell is None:
            return
        try:
            lines = self._path.read_text().split("\n")[:-1]
        except OSError:
            return
        self.all(lines)

    def all(self, results: Sequence[str]) -> None:
        """Tell those that were not told yet. `results`: from the first."""
        if self._tell is not None:
            for result in results[self._count :]:
                self._count += 1
                self._tell(result)


def _error(wrong: Mapping[str, Any]) -> PileusError:
    """Return the error that the process told of: one of ours, else OperationFailed of its kind."""
    kind = errors.BY_NAME.get(str(wrong["type"]), OperationFailed)
    if kind is not OperationFailed:
        return kind(wrong["message"], where=wrong["where"])
    return OperationFailed(wrong["message"], where=wrong["where"], kind=str(wrong["kind"]))
