"""Workflows as Cumulus's API has them: those that the stack was deployed with, as they are in Step Functions."""

from typing import Annotated, Any

from fastapi import APIRouter, Path

from pileus.api.access import allow
from pileus.api.cumulus.errors import RESPONSES, CumulusRoute
from pileus.api.reach import Reach, Reached
from pileus.api.roles import Role
from pileus.errors import NotFound, NotNow

router = APIRouter(tags=["cumulus"], route_class=CumulusRoute, responses=RESPONSES)
READ = [allow(Role.read)]


@router.get("/workflows", dependencies=READ, summary="List workflows, as Cumulus does")
def workflows(reach: Reached) -> list[dict[str, Any]]:
    """Return name, ARN and definition of each, by name."""
    found = (_told(reach, name) for name in names_of(reach))
    return [one for one in found if one]


@router.get("/workflows/{name}", dependencies=READ, summary="Show a workflow, as Cumulus does")
def workflow(reach: Reached, name: Annotated[str, Path(max_length=80)]) -> dict[str, Any]:
    """Return its name, its ARN and its definition."""
    there = names_of(reach)
    found = _told(reach, name) if name in there else None
    if not found:
        raise NotFound(f"there is no such workflow: expected one of {', '.join(there)}", where=name)
    return found


def names_of(reach: Reach) -> list[str]:
    """Return the names of the stack's workflows. Raises NotNow where the stack was deployed before it told them."""
    if not reach.services.stack.workflow_names:
        raise NotNow("the stack was deployed before it told the names of its workflows: deploy it again")
    return reach.services.stack.workflow_names.split(",")


def _told(reach: Reach, name: str) -> dict[str, Any] | None:
    definition = reach.services.workflows.definition(name)
    if definition is None:
        return None
    return {"name": name, "arn": reach.services.stack.workflow_arn(name), "definition": definition}
