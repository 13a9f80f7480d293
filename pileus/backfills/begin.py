"""Begin a backfill that was planned: what every face does when a person asks for one."""

import json

from pileus.backfills.control import start
from pileus.backfills.plan import plan
from pileus.backfills.record import order_url
from pileus.edges.workflows import Workflows
from pileus.errors import UsageError
from pileus.lifecycle.backfill import Backfill
from pileus.project.registry import Registry
from pileus.wiring import Edges


def begin(edges: Edges, workflows: Workflows, registry: Registry, planned: Backfill) -> Backfill:
    """Start a new backfill, and return it.

    With `order: smallest` all files are listed first, to learn their sizes. Raises UsageError when the stack has no
    such workflow, and NotNow when there is a backfill of its id.
    """
    if not workflows.exists(planned.workflow):
        raise UsageError(f"there is no workflow {planned.workflow!r} in this stack: `pileus up` or `deploy` adds it")
    if planned.order == "smallest" and edges.index.backfill(planned.id) is None:
        template = registry.collection(planned.collection, planned.version)
        found = plan(edges, template, registry.provider_of(template, planned.provider or None), planned)
        edges.store.put(order_url(edges, planned), json.dumps(found.periods).encode(), "application/json")
    return start(edges, workflows, planned)
