"""The Lambda's entry: the environment names the stack, one call does the work."""

import os
from functools import cache
from typing import Any

from pileus.cumulus.task import run_cumulus_task
from pileus.edges.aws import Aws
from pileus.edges.cma import Cma
from pileus.edges.workflows import Workflows
from pileus.tasks.queue_granules import queue_granules
from pileus.wiring import Edges, wire, wire_workflows


@cache
def edges() -> Edges:
    """Return the edges: made at the first event, and kept while the Lambda is warm."""
    return wire(os.environ)


@cache
def workflows() -> Workflows:
    """Return the executions of the stack's workflows."""
    return wire_workflows(Aws(), edges().stack)


def handler(event: dict[str, Any], context: object) -> Any:
    """See `pileus.tasks.queue_granules`."""

    def task(told: Any) -> Any:
        return queue_granules(edges(), workflows(), told)

    return run_cumulus_task(task, event, context, lambda: Cma(edges().store))
