"""The Lambda's entry: the environment names the stack, one call does the work."""

import os
from functools import cache
from typing import Any

from pileus.tasks.queue_granules import queue_granules
from pileus.wiring import Edges, wire


@cache
def edges() -> Edges:
    """Return the edges: made at the first event, and kept while the Lambda is warm."""
    return wire(os.environ)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """See `pileus.tasks.queue_granules`."""
    del context
    return queue_granules(edges(), event)
