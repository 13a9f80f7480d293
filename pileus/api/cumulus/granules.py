"""Granules as Cumulus's API has them: list, show, and have something done with them."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path

from pileus.api.access import allow
from pileus.api.cumulus import states
from pileus.api.cumulus.errors import RESPONSES, CumulusRoute
from pileus.api.cumulus.lists import Listing, listed
from pileus.api.reach import Reach, Reached
from pileus.api.roles import Role
from pileus.errors import NotFound, UsageError
from pileus.granules.message import told_file
from pileus.granules.read import GranuleView

router = APIRouter(tags=["cumulus"], route_class=CumulusRoute, responses=RESPONSES)
READ, OPERATE = [allow(Role.read)], [allow(Role.operate)]
Id = Annotated[str, Path(min_length=1, max_length=1000)]
Given = Annotated[dict[str, Any], Body(description="As Cumulus has it.")]
ACTIONS = {"reingest": "reingest", "applyWorkflow": "apply-workflow", "move": "move"}
LISTED = {"ids", "granules", "workflowName", "meta", "collectionId", "queueUrl", "forceRemoveFromCmr"}
"""What the body of a bulk request may have. `queueUrl` and `forceRemoveFromCmr` are read and change nothing."""


@router.get("/granules", dependencies=READ, summary="List granules, as Cumulus does")
def granules(reach: Reached, asked: Listing) -> dict[str, Any]:
    """Return `{meta, results}`. With `collectionId` only that collection is read."""
    rows = rows_of(reach, asked.equals.get("collectionId"), asked.prefix)
    return listed(asked, reach.services.stack.stack, "granule", rows, "granuleId")


@router.get("/granules/{collection_id}/{id}", dependencies=READ, summary="Show a granule, as Cumulus does")
def show(reach: Reached, collection_id: Id, id: Id) -> dict[str, Any]:
    """Return it, with its files where they are kept."""
    name, version = _split(collection_id)
    return told(reach.granules.show(name, id, version))


@router.get("/granules/{id}", dependencies=READ, summary="Show a granule by its id alone, as Cumulus does")
def show_any(reach: Reached, id: Id) -> dict[str, Any]:
    """Return it. 400 where several collections have one of this id."""
    return told(_find(reach, id))


@router.patch("/granules/{collection_id}/{id}", dependencies=OPERATE, summary="Work on a granule, as Cumulus does")
def patch(reach: Reached, collection_id: Id, id: Id, given: Given) -> dict[str, Any]:
    """Take `{action: reingest | applyWorkflow | move}`, begin it, and return which asynchronous operation it is."""
    name, version = _split(collection_id)
    return _patched(reach, reach.granules.show(name, id, version), given)


@router.patch("/granules/{id}", dependencies=OPERATE, summary="Work on a granule by its id alone, as Cumulus does")
def patch_any(reach: Reached, id: Id, given: Given) -> dict[str, Any]:
    """Do as with the collection named."""
    return _patched(reach, _find(reach, id), given)


@router.delete("/granules/{collection_id}/{id}", dependencies=OPERATE, summary="Remove a granule, as Cumulus does")
def delete(reach: Reached, collection_id: Id, id: Id) -> dict[str, Any]:
    """Begin to remove its record and its files, and return which asynchronous operation it is."""
    name, version = _split(collection_id)
    return _deleted(reach, reach.granules.show(name, id, version))


@router.delete("/granules/{id}", dependencies=OPERATE, summary="Remove a granule by its id alone, as Cumulus does")
def delete_any(reach: Reached, id: Id) -> dict[str, Any]:
    """Do as with the collection named."""
    return _deleted(reach, _find(reach, id))


@router.post(
    "/granules/bulk", dependencies=OPERATE, status_code=HTTPStatus.ACCEPTED, summary="Apply a workflow to granules"
)
def bulk(reach: Reached, given: Given) -> dict[str, Any]:
    """Take `{workflowName, granules: [{granuleId, collectionId}]}`, or `ids` with `collectionId`."""
    more = {"workflow": given.get("workflowName"), "meta": given.get("meta", {})}
    return _begun(reach, "apply-workflow", given, "Bulk Granules", more)


@router.post(
    "/granules/bulkReingest", dependencies=OPERATE, status_code=HTTPStatus.ACCEPTED, summary="Reingest granules"
)
def bulk_reingest(reach: Reached, given: Given) -> dict[str, Any]:
    """Take `{granules: [{granuleId, collectionId}]}`, or `ids` with `collectionId`."""
    return _begun(reach, "reingest", given, "Bulk Granule Reingest", {})


@router.post("/granules/bulkDelete", dependencies=OPERATE, status_code=HTTPStatus.ACCEPTED, summary="Remove granules")
def bulk_delete(reach: Reached, given: Given) -> dict[str, Any]:
    """Take `{granules: [{granuleId, collectionId}]}`, or `ids` with `collectionId`."""
    return _begun(reach, "remove", given, "Bulk Granule Delete", {})


def rows_of(reach: Reach, collection_id: str | None, prefix: str = "") -> Iterator[dict[str, Any]]:
    """Yield granules in Cumulus's words. `collection_id`: only of this collection. `prefix`: how their ids begin."""
    for key, one in sorted(reach.documents.registry().collections.items()):
        if collection_id in (None, key):
            yield from map(told, reach.granules.all(one.name, one.version, begins=prefix))


def told(one: GranuleView) -> dict[str, Any]:
    """Return a granule in Cumulus's words."""
    status, updated = states.of_granule(one.state), states.milliseconds(one.updated)
    value: dict[str, Any] = {
        "granuleId": one.id,
        "collectionId": f"{one.collection}___{one.version}",
        "status": status,
        "published": False,
        "files": [told_file(file) for file in one.files],
        "updatedAt": updated,
        "timestamp": updated,
    }
    return value | ({"error": {"Error": "Failed", "Cause": one.why}} if status == "failed" and one.why else {})


def _split(collection_id: str) -> tuple[str, str]:
    name, joined, version = collection_id.rpartition("___")
    if not joined or not name or not version:
        raise UsageError(f"{collection_id[:80]!r} is no collectionId: expected NAME___VERSION")
    return name, version


def _find(reach: Reach, id: str) -> GranuleView:
    found = []
    for one in reach.documents.registry().collections.values():
        try:
            found.append(reach.granules.show(one.name, id, one.version))
        except NotFound:
            continue
    if not found:
        raise NotFound("there is no such granule", where=id[:80])
    if len(found) > 1:
        there = ", ".join(f"{one.collection}___{one.version}" for one in found)
        raise UsageError(f"several collections have a granule {id!r}: name one of {there}")
    return found[0]


def _patched(reach: Reach, one: GranuleView, given: dict[str, Any]) -> dict[str, Any]:
    action = given.get("action")
    if action not in ACTIONS:
        raise UsageError(f"action {str(action)[:40]!r}: expected one of {', '.join(ACTIONS)}")
    more: dict[str, Any] = {}
    if action == "applyWorkflow":
        more = {"workflow": given.get("workflow"), "meta": given.get("meta", {})}
    elif action == "move":
        more = {"destinations": given.get("destinations", [])}
    run = _act(reach, ACTIONS[action], one.collection, one.version, [one.id], more)
    did = f"applyWorkflow {given.get('workflow')}" if action == "applyWorkflow" else action
    return {"granuleId": one.id, "action": did, "status": "SUCCESS", "asyncOperationId": run}


def _deleted(reach: Reach, one: GranuleView) -> dict[str, Any]:
    run = _act(reach, "remove", one.collection, one.version, [one.id], {})
    return {"detail": "Record deletion begun", "asyncOperationId": run}


def _begun(reach: Reach, action: str, given: dict[str, Any], kind: str, more: dict[str, Any]) -> dict[str, Any]:
    if unknown := sorted(set(given) - LISTED):
        raise UsageError(f"{', '.join(unknown)[:200]}: not read here; name the granules by granules or ids")
    pairs = list(_pairs(given))
    collections = {collection for collection, _ in pairs}
    if len(collections) != 1:
        raise UsageError("expected granules of one collection: one asynchronous operation is about one")
    name, version = _split(collections.pop())
    run = _act(reach, action, name, version, [id for _, id in pairs], more)
    return {"id": run, "status": "RUNNING", "operationType": kind, "description": f"{action} of {len(pairs)} granules"}


def _pairs(given: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield collection and id of each granule of a bulk request. Raises UsageError."""
    asked, ids = given.get("granules") or [], given.get("ids") or []
    if not isinstance(asked, list) or not isinstance(ids, list):
        raise UsageError("granules and ids are lists")
    for one in [*asked, *({"granuleId": id, "collectionId": given.get("collectionId")} for id in ids)]:
        value = one if isinstance(one, dict) else {"granuleId": one, "collectionId": given.get("collectionId")}
        collection, id = value.get("collectionId"), value.get("granuleId")
        if not isinstance(collection, str) or not isinstance(id, str):
            raise UsageError("expected of each granule its granuleId and its collectionId")
        yield collection, id


def _act(reach: Reach, action: str, name: str, version: str, ids: list[str], more: dict[str, Any]) -> str:
    """Begin it, and return the id of the asynchronous operation: that of the run."""
    wanted = {"action": action, "collection": name, "version": version, "ids": ids, **more}
    return reach.granules.act(wanted).key.partition("/")[2]
