"""The entry of a project's task as a Lambda: the environment names the task."""

import json
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pileus.documents.task import TaskDefinition
from pileus.edges import cma
from pileus.edges.aws import Aws
from pileus.edges.store import S3Store
from pileus.task_folder import FOLDER, TaskFolder
from pileus.tasks.oversized import by_address


@cache
def definition() -> TaskDefinition:
    """Return the definition of the task."""
    return TaskFolder(Path(os.environ[FOLDER])).task(os.environ["PILEUS_TASK"]).definition


@cache
def task() -> Callable[..., Any]:
    """Return what calls the task: made at the first event, and kept while the Lambda is warm."""
    found = TaskFolder(Path(os.environ[FOLDER])).task(os.environ["PILEUS_TASK"])
    os.environ[cma.ROOT] = str(found.folder)  # not that of the package: this Lambda is this task's alone
    return found.caller(lambda: cma.of_environment(cma.schemas_in(found.folder)))


def handler(event: dict[str, Any], context: object) -> Any:
    """Do one event."""
    with TemporaryDirectory() as folder:
        answer = task()(event, Path(folder), context)
    if definition().calls == "payload":
        store, bucket = S3Store(Aws().s3), os.environ["PILEUS_INTERNAL"]
        return json.loads(by_address(store, bucket, json.dumps(answer)))
    return answer
