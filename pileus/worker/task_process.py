"""The process in which a task of the project does its events: `python -m pileus.worker.task_process`."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pileus.edges import cma
from pileus.task_context import TaskContext
from pileus.task_folder import TaskFolder
from pileus.worker.child_process import ChildProcess, answer_events


class TaskProcess(ChildProcess):
    """Does the events of one task. `folder`: that of all tasks; `scratch`: where the task may write."""

    def __init__(self, folder: Path, name: str, scratch: Path, *, seconds: float) -> None:
        arguments = (str(folder), name, str(scratch), str(seconds))
        super().__init__(name, "pileus.worker.task_process", arguments, seconds=seconds)


def main() -> None:
    """Do events until the worker closes its end."""
    from pileus.cell.confine import end_with

    folder, name, scratch, seconds, worker, channel = sys.argv[1:]
    end_with(int(worker))
    made: list[Callable[..., Any]] = []

    def call(event: Any) -> Any:
        if not made:
            made.append(_caller(Path(folder), name))
        with TemporaryDirectory(dir=scratch, prefix=f"{name}-") as work:
            return made[0](event, Path(work), TaskContext(name, seconds=float(seconds)))

    answer_events(int(channel), call)


def _caller(folder: Path, name: str) -> Callable[..., Any]:
    """Return what calls the task."""
    task = TaskFolder(folder).task(name)
    os.environ[cma.ROOT] = str(task.folder)
    return task.caller(lambda: cma.of_environment(cma.schemas_in(task.folder)))


if __name__ == "__main__":
    main()
