"""The Lambda's entry: the environment names the stack, one call does the work."""

import os
from functools import cache
from typing import Any

from pileus.cumulus.task import run_cumulus_task
from pileus.edges.aws import Aws
from pileus.edges.cma import Cma
from pileus.edges.workflows import Workflows
from pileus.tasks.start_from_message import start_from_message
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
    """See `pileus.tasks.start_from_message`."""

    def task(told: Any) -> Any:
        return start_from_message(edges(), workflows(), told)

    return run_cumulus_task(task, event, context, lambda: Cma(edges().store))
