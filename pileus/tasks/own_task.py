"""The entry of a project's task as a Lambda: the environment names the task."""

import os
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pileus.task_folder import FOLDER, TaskFolder


@cache
def task() -> Callable[[Mapping[str, Any], Path], Any]:
    """Return what calls the task: made at the first event, and kept while the Lambda is warm."""
    return TaskFolder(Path(os.environ[FOLDER])).task(os.environ["PILEUS_TASK"]).caller()


def handler(event: dict[str, Any], context: object) -> Any:
    """Do one event."""
    del context
    with TemporaryDirectory() as folder:
        return task()(event, Path(folder))
