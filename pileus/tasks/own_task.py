"""The entry of a project's task as a Lambda: the environment names the task."""

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pileus.edges import cma
from pileus.task_folder import FOLDER, TaskFolder


@cache
def task() -> Callable[..., Any]:
    """Return what calls the task: made at the first event, and kept while the Lambda is warm."""
    found = TaskFolder(Path(os.environ[FOLDER])).task(os.environ["PILEUS_TASK"])
    os.environ[cma.ROOT] = str(found.folder)  # not that of the package: this Lambda is this task's alone
    return found.caller(lambda: cma.of_environment(cma.schemas_in(found.folder)))


def handler(event: dict[str, Any], context: object) -> Any:
    """Do one event."""
    with TemporaryDirectory() as folder:
        return task()(event, Path(folder), context)
