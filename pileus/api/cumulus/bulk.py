"""Work on many granules as Cumulus's API has it. Each answer names the asynchronous operation that does it."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Body

from pileus.api.access import allow
from pileus.api.cumulus.errors import RESPONSES, CumulusRoute
from pileus.api.cumulus.granules import act
from pileus.api.cumulus.named import pairs_of
from pileus.api.cumulus.operations import TYPES
from pileus.api.reach import Reach, Reached
from pileus.api.roles import Role
from pileus.errors import UsageError

router = APIRouter(tags=["cumulus"], route_class=CumulusRoute, responses=RESPONSES)
OPERATE, BEGUN = [allow(Role.operate)], HTTPStatus.ACCEPTED
Given = Annotated[dict[str, Any], Body(description="As Cumulus has it.")]
NAMING = ("granules", "ids", "collectionId", "query", "index")


@router.post("/granules/bulk", dependencies=OPERATE, status_code=BEGUN, summary="Apply a workflow to granules")
def bulk(reach: Reached, given: Given) -> dict[str, Any]:
    """Take `{workflowName, meta, granules: [{granuleId, collectionId}]}`, or `ids` with `collectionId`."""
    if not isinstance(given.get("workflowName"), str):
        raise UsageError("workflowName: required")
    more = {"workflow": given["workflowName"]} | ({"meta": given["meta"]} if "meta" in given else {})
    return _begun(reach, "apply-workflow", given, ("workflowName", "meta"), more)


@router.post("/granules/bulkReingest", dependencies=OPERATE, status_code=BEGUN, summary="Reingest granules")
def bulk_reingest(reach: Reached, given: Given) -> dict[str, Any]:
    """Take `{granules: [{granuleId, collectionId}]}`, or `ids` with `collectionId`."""
    return _begun(reach, "reingest", given, (), {})


@router.post("/granules/bulkDelete", dependencies=OPERATE, status_code=BEGUN, summary="Remove granules")
def bulk_delete(reach: Reached, given: Given) -> dict[str, Any]:
    """Take `{granules: [{granuleId, collectionId}]}`, or `ids` with `collectionId`. `forceRemoveFromCmr` changes
    nothing: no granule of Pileus is in the CMR.
    """
    return _begun(reach, "remove", given, ("forceRemoveFromCmr",), {})


def _begun(
    reach: Reach, action: str, given: dict[str, Any], takes: tuple[str, ...], more: dict[str, Any]
) -> dict[str, Any]:
    if others := sorted(set(given) - {*NAMING, *takes}):
        raise UsageError(f"{', '.join(others)[:200]}: not read here; expected {', '.join(('granules', *takes))}")
    pairs = pairs_of(given)
    collections = {collection for collection, _ in pairs}
    if len(collections) != 1:
        raise UsageError("expected granules of one collection: one asynchronous operation is about one")
    run = act(reach, action, collections.pop(), [id for _, id in pairs], more)
    what = f"{action} of {len(pairs):,} granules"
    return {"id": run, "status": "RUNNING", "operationType": TYPES[action], "description": what}
