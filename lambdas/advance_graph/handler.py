"""The Lambda's entry: the environment names the stack, one call does the work."""

import os
from functools import cache
from typing import Any

from pileus.cumulus.task import run_cumulus_task
from pileus.edges.cma import Cma
from pileus.tasks.advance_graph import advance_graph
from pileus.wiring import Edges, wire


@cache
def edges() -> Edges:
    """Return the edges: made at the first event, and kept while the Lambda is warm."""
    return wire(os.environ)


def handler(event: dict[str, Any], context: object) -> Any:
    """See `pileus.tasks.advance_graph`."""

    def task(told: Any) -> Any:
        return advance_graph(edges(), told)

    return run_cumulus_task(task, event, context, lambda: Cma(edges().store))
