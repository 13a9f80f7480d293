"""All routes under /cumulus."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path

from pileus.api.access import allow
from pileus.api.cumulus import bulk, documents, executions, granules, letters, operations, stats, undone, workflows
from pileus.api.cumulus.errors import RESPONSES, CumulusRoute
from pileus.api.reach import Reached
from pileus.api.roles import Role
from pileus.project.schemas import schema
from pileus.version import __version__

READ = [allow(Role.read)]
API = "v1"
"""The version of Cumulus's API whose shapes these are."""
about = APIRouter(tags=["cumulus"], route_class=CumulusRoute, responses=RESPONSES)


@about.get("/version", dependencies=READ, summary="Show the version, as Cumulus does")
def version() -> dict[str, str]:
    """Return the version of the API's shapes, and that of Pileus."""
    return {"response_version": API, "api_version": __version__}


@about.get("/instanceMeta", dependencies=READ, summary="Show which stack it is, as Cumulus does")
def instance(reach: Reached) -> dict[str, Any]:
    """Return the name of the stack. There is no CMR to name."""
    return {"cumulus": {"stackName": reach.services.stack.stack}}


@about.get("/schemas/{type}", dependencies=READ, summary="Show the schema of a kind of document")
def document_schema(type: Annotated[Literal["collection", "provider", "rule"], Path()]) -> dict[str, Any]:
    """Return the JSON Schema of Pileus's own documents of this kind."""
    return schema(type)


router = APIRouter(prefix="/cumulus")
_WORK = (bulk.router, granules.router, executions.router, operations.router, letters.router)
for _room in (undone.router, about, documents.router, workflows.router, *_WORK, stats.router, undone.last):
    router.include_router(_room)
