"""What a worker makes of a group's files beside statistics: one table that documents and the worker read.

A new task of the product is one file with a function and one line here, `register(WorkerTask(...))`; a project has its
own in tasks/ (`pileus.task_folder`). A collection asks for one by `meta.task.name`. Functions are named and not
imported, because some need heavy libraries.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from pileus.errors import UsageError
from pileus.models import Archive, Partition
from pileus.near import unknown
from pileus.stopping import Check


@dataclass(frozen=True, slots=True)
class Work:
    """A group's files, downloaded and verified, and where what is made of them goes."""

    partition: Partition
    archives: tuple[Archive, ...]
    parameters: Mapping[str, Any]
    """`meta.task.parameters` of the collection."""
    scratch: Path
    """A folder for files of the task's own; it is removed afterwards."""
    put: Callable[[str, bytes, str], None]
    """Write an output, by file name, bytes and content type. Readers see it with the group's other outputs."""
    check: Check
    """Call it now and then: it raises when the work should stop."""


@dataclass(frozen=True, slots=True)
class WorkerTask:
    """One task."""

    name: str
    """As collections name it."""
    function: str
    """`module:function`, called with a Work. What it raises fails the group."""
    version: str = "1"
    """Raised by whoever changes what it makes: every older result is then stale."""
    prepare: Callable[[Mapping[str, Any]], dict[str, Any]] = dict
    """Check its parameters, and add the defaults. Raises UsageError."""

    def run(self, work: Work) -> None:
        """Do the task."""
        resolve_name(self.function)(replace(work, parameters=self.prepare(work.parameters)))


REGISTERED: dict[str, WorkerTask] = {}
"""By name, in the order that messages list them."""
_project: dict[str, WorkerTask] = {}
"""Those of the project, by name."""


def register(task: WorkerTask) -> None:
    """Add a task. Raises UsageError when its name is taken."""
    if task.name in REGISTERED:
        raise UsageError(f"task {task.name!r} is there already: choose another name")
    REGISTERED[task.name] = task


def task_of(name: str) -> WorkerTask:
    """Return the task of this name. Raises UsageError with the near matches, or with what there is.

    >>> task_of("inventory").version
    '1'
    """
    there = registered()
    if name not in there:
        raise UsageError(unknown("task", name, there))
    return there[name]


def registered() -> dict[str, WorkerTask]:
    """Return all tasks, by name: those of the product, and those of the project."""
    return {**_project, **REGISTERED}


def bring(tasks: Iterable[WorkerTask]) -> None:
    """Make these the tasks of the project, in place of those before. Raises UsageError when one has a taken name."""
    found = {task.name: task for task in tasks}
    if taken := sorted(REGISTERED.keys() & found):
        raise UsageError(f"task {taken[0]!r} is one of Pileus: choose another name")
    _project.clear()
    _project.update(found)


register(WorkerTask("inventory", "pileus.tasks.inventory:inventory"))
