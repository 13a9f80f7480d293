"""The process in which somebody's handler does its events: `python -m pileus.worker.handler_process`.

The handler is called as Lambda calls it: with the event and a context, in the folder of its code, which is first on the
path and named by LAMBDA_TASK_ROOT.
"""

import importlib
import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from pileus.cumulus.task import run_cumulus_task
from pileus.edges import cma
from pileus.errors import UsageError
from pileus.task_context import TaskContext
from pileus.task_folder import offer_foreign_modules
from pileus.worker.child_process import ChildProcess, answer_events


@dataclass(frozen=True, slots=True)
class Handler:
    """A function of an event and a context, and what its context says."""

    folder: str
    """Folder of the code; modules are imported from here first."""
    module: str
    """Dotted name."""
    function: str
    name: str
    """For the context: the Lambda's."""
    arn: str = ""
    memory: int = 0
    activity: str = ""
    """ARN."""
    cma: Literal["wrap", "none"] = "wrap"
    """`wrap`: it gets `config` and `input` of Cumulus messages; `none`: every event as it is."""


def handler_of_lambda(folder: Path, handler: str) -> tuple[str, str, str]:
    """Return folder, module and function of a handler in Lambda's words.

    >>> handler_of_lambda(Path("code"), "src/tasks.sync.handler")
    ('code', 'src.tasks.sync', 'handler')
    """
    module, dot, function = handler.rpartition(".")
    if not dot:
        raise UsageError(f"handler {handler!r}: expected MODULE.FUNCTION")
    return str(folder), module.replace("/", "."), function


def handler_of_path(text: str) -> tuple[str, str, str]:
    """Return folder, module and function of `PATH:FUNCTION`, where PATH is a .py file. Raises UsageError."""
    path, colon, function = text.rpartition(":")
    if not colon or not Path(path).is_file():
        raise UsageError(f"handler {text!r}: expected PATH:FUNCTION, where PATH is a .py file")
    return str(Path(path).resolve().parent), Path(path).stem, function


class HandlerProcess(ChildProcess):
    """Does the events of a handler. `seconds`: the longest time of one; `environ`: the process's environment."""

    def __init__(self, handler: Handler, *, seconds: float, environ: Mapping[str, str]) -> None:
        environ = {**environ, cma.ROOT: handler.folder, "PYTHONPATH": _path(environ)}
        arguments = (json.dumps(asdict(handler)), str(seconds))
        super().__init__(handler.name, "pileus.worker.handler_process", arguments, seconds=seconds, environ=environ)


def _path(environ: Mapping[str, str]) -> str:
    """Return PYTHONPATH with Pileus in it: the process starts where this one does, and then moves."""
    here = str(Path(__file__).resolve().parents[2])
    return os.pathsep.join(dict.fromkeys([here, *filter(None, environ.get("PYTHONPATH", "").split(os.pathsep))]))


def main() -> None:
    """Do events until the worker closes its end."""
    from pileus.cell.confine import end_with

    told, seconds, worker, channel = sys.argv[1:]
    end_with(int(worker))
    handler = Handler(**json.loads(told))
    os.chdir(handler.folder)
    found: list[Callable[[Any, Any], Any]] = []

    def call(event: Any) -> Any:
        if not found:
            found.append(_imported(handler))
        more = {"activityArn": handler.activity}
        named = {"arn": handler.arn, "memory": handler.memory, "more": more}
        context = TaskContext(handler.name, seconds=float(seconds), **named)  # type: ignore[arg-type]
        if handler.cma == "none":
            return found[0](event, context)
        folder = Path(handler.folder)
        adapter = lambda: cma.of_environment(cma.schemas_in(folder))  # noqa: E731
        return run_cumulus_task(lambda nested: found[0](nested, context), event, context, adapter)

    answer_events(int(channel), call)


def _imported(handler: Handler) -> Callable[[Any, Any], Any]:
    """Return the function. Raises ImportError, and UsageError where the module has none."""
    sys.path.insert(0, handler.folder)
    offer_foreign_modules()
    found = getattr(importlib.import_module(handler.module), handler.function, None)
    if not callable(found):
        raise UsageError(f"{handler.module} has no function {handler.function}", where=handler.name)
    return found  # type: ignore[no-any-return]


if __name__ == "__main__":
    main()
