"""The task of a group, which may have been too large for its message."""

import json
from dataclasses import replace

from pileus.messages import GroupTask
from pileus.wiring import Edges


def fetch_task(edges: Edges, task: GroupTask) -> GroupTask:
    """Return the task. A task that was too large for its message is read from S3."""
    if task.url is None:
        return task
    whole = GroupTask.from_json(json.loads(edges.store.get(task.url)))
    return replace(whole, entry=task.entry)
