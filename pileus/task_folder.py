"""A folder of tasks: their definitions, their texts for people, and the code that they call.

Every process that needs a project's tasks reads them here: the command line from the project's tasks/, Lambdas, workers
and the cell from the folder that PILEUS_TASKS names.
"""

import importlib
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pileus.cirrus.calls import caller as payload_caller
from pileus.cirrus.calls import module_name
from pileus.cirrus.task_definition import read_definition
from pileus.cumulus.task import Adapter, run_cumulus_task
from pileus.documents import read
from pileus.documents.task import TaskDefinition
from pileus.errors import DocumentError, UsageError
from pileus.names import TASK_NAME
from pileus.product import CIRRUS_DEFINITION, DEFINITION
from pileus.worker_tasks import WorkerTask, bring

FOLDER = "PILEUS_TASKS"
"""Environment variable: the folder of the project's tasks."""
FOREIGN = Path(__file__).with_name("foreign")
"""Modules that tasks of other systems import by name; last on the path, so that they hide no installed one."""


@dataclass(frozen=True, slots=True)
class FolderTask:
    """One task of a folder."""

    name: str
    definition: TaskDefinition
    folder: Path
    file: str = DEFINITION
    """Name of the file of its definition."""

    @property
    def readme(self) -> str:
        """Return the task's README.md; empty where it has none."""
        path = self.folder / "README.md"
        return path.read_text(encoding="utf-8") if path.is_file() else ""

    @property
    def where(self) -> str:
        """Return the file of its definition, as messages name it."""
        return f"tasks/{self.name}/{self.file}"

    @property
    def python(self) -> str | None:
        """Return the path of its own interpreter; None where it has none."""
        return str(self.folder / self.definition.python) if self.definition.python else None

    @property
    def function(self) -> str:
        """Return MODULE:FUNCTION as it is imported here."""
        return f"{self.module_name()}:{self.definition.function.partition(':')[2]}"

    def code(self) -> Callable[..., Any]:
        """Return what the definition calls. Raises DocumentError when it cannot be imported or is not there."""
        module_name, _, name = self.definition.function.partition(":")
        offer_foreign_modules()
        try:
            found: Any = getattr(importlib.import_module(self.module_name()), name, None)
        except ImportError as exc:
            raise DocumentError(f"function: {module_name} cannot be imported: {exc}", where=self.where) from exc
        if not callable(found):
            raise DocumentError(f"function: {module_name} has no {name}", where=self.where)
        return found  # type: ignore[no-any-return]

    def module_name(self) -> str:
        """Return the name under which its module is imported, and make it importable."""
        if self.definition.calls == "payload" and str(self.folder) not in sys.path:
            sys.path.insert(0, str(self.folder))  # as in a Lambda of Cirrus
        return module_name(self.folder, self.definition.function.partition(":")[0])

    def caller(self, adapter: Callable[[], Adapter] | None = None) -> Callable[..., Any]:
        """Return a function of an event, a folder for files and a context (None), which calls the task and returns its
        answer.

        A class is made once, without arguments; its `handler` is called, else the object itself. A function that takes
        two arguments is called with the event and the context, as Lambda calls a handler; one that takes `workdir` gets
        the folder. `adapter`: makes the Cumulus Message Adapter, when a Cumulus message comes and the task's definition
        does not say that it reads these itself; without it every event is passed as it is. A payload of Cirrus is
        passed as `pileus.cirrus.calls` says.
        """
        code: Any = self.code()
        if self.definition.calls == "payload":
            do = payload_caller(code)
            return lambda payload, workdir, context=None: do(payload, workdir, True, context)
        if inspect.isclass(code):
            made = code()
            code = getattr(made, "handler", made)
            if not callable(code):
                raise DocumentError("function: the class has no handler", where=self.where)
        takes = inspect.signature(code).parameters
        second = len([one for one in takes.values() if one.default is one.empty and one.kind < one.VAR_POSITIONAL]) > 1

        def plain(event: Any, workdir: Path, context: object) -> Any:
            named = {"workdir": workdir} if "workdir" in takes else {}
            config = event.get("config") if isinstance(event, Mapping) else None
            if isinstance(config, Mapping):
                event = {**event, "config": self.definition.check_parameters(config)}
            return code(event, context, **named) if second and not named else code(event, **named)

        def call(event: Any, workdir: Path, context: object = None) -> Any:
            if adapter is None or self.definition.cma == "none":
                return plain(event, workdir, context)
            return run_cumulus_task(lambda told: plain(told, workdir, context), event, context, adapter)

        return call


class TaskFolder:
    """The tasks of a folder. Raises DocumentError for a definition that is wrong."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def tasks(self) -> dict[str, FolderTask]:
        """Return the tasks, by name."""
        return {one.name: one for one in self._read()}

    def task(self, name: str) -> FolderTask:
        """Return one task. Raises UsageError for a name that there is not."""
        found = self.tasks()
        if name not in found:
            raise UsageError(f"there is no task {name!r} in {self._folder}")
        return found[name]

    def _read(self) -> Iterator[FolderTask]:
        for name, files in sorted(definitions_in(self._folder).items()):
            where = f"tasks/{name}/{files[0].name}"
            if not TASK_NAME.fullmatch(name):
                raise DocumentError(f"the name does not match {TASK_NAME.pattern}", where=where)
            if len(files) > 1:
                raise DocumentError(f"the folder has a {files[1].name} too: one of them is enough", where=where)
            if (definition := self._definition(where, files[0])) is not None:
                yield FolderTask(name, definition, files[0].parent, files[0].name)

    def _definition(self, where: str, path: Path) -> TaskDefinition | None:
        if path.name == CIRRUS_DEFINITION:
            return read_definition(path, where)
        try:
            return read(TaskDefinition, path)
        except DocumentError as exc:
            raise DocumentError(exc.message, where=where) from exc


def definitions_in(folder: Path) -> dict[str, list[Path]]:
    """Return the files that define tasks in a folder of tasks, by the task's name."""
    found: dict[str, list[Path]] = {}
    for file in (DEFINITION, CIRRUS_DEFINITION):
        for path in folder.glob(f"*/{file}"):
            found.setdefault(path.parent.name, []).append(path)
    return found


def offer_foreign_modules() -> None:
    """Let tasks import `run_cumulus_task` and `cumulus_logger`, where nothing installed has these names."""
    if str(FOREIGN) not in sys.path:
        sys.path.append(str(FOREIGN))


def bring_tasks(environ: Mapping[str, str]) -> None:
    """Make the tasks of the folder that PILEUS_TASKS names known to collections, workers and the cell."""
    if environ.get(FOLDER):
        bring_group_tasks(TaskFolder(Path(environ[FOLDER])).tasks())


def bring_group_tasks(tasks: Mapping[str, FolderTask]) -> None:
    """Make those of the tasks that run within a group known under their names. Raises DocumentError."""
    within = [task for task in tasks.values() if task.definition.runs == "group"]
    try:
        bring(
            WorkerTask(one.name, one.function, one.definition.version, one.definition.check_parameters)
            for one in within
        )
    except UsageError as exc:
        raise DocumentError(exc.message, where="tasks") from exc
