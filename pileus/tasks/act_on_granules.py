"""ActOnGranules: do the next granules of a bulk run."""

from collections.abc import Mapping
from typing import Any

from pileus.documents import parse_value
from pileus.edges.workflows import Workflows
from pileus.granules import bulk
from pileus.granules.wanted import Wanted
from pileus.messages import part, text
from pileus.wiring import Edges


def act_on_granules(edges: Edges, workflows: Workflows, event: Mapping[str, Any]) -> dict[str, Any]:
    """Do one step. `config`: the wish, as `granules.wanted.Wanted` has it; `id`: of the run; `before`: what the step
    before returned. Return what `granules.bulk.step` does.
    """
    wanted = parse_value(Wanted, part(event, "config"), "granules")
    return bulk.step(edges, workflows, text(event, "id"), wanted, part(event, "before"))
