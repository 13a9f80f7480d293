"""Granules as Cumulus's API has them: list, show, and have something done with one of them."""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path

from pileus.api.access import allow
from pileus.api.cumulus import rest, states
from pileus.api.cumulus.asked import Asked, Row, Table, asked_of
from pileus.api.cumulus.errors import RESPONSES, CumulusRoute
from pileus.api.cumulus.lists import listed
from pileus.api.cumulus.named import named, read, split
from pileus.api.reach import Reach, Reached
from pileus.api.roles import Role
from pileus.errors import UsageError
from pileus.granules.message import told_file
from pileus.granules.read import GranuleView

router = APIRouter(tags=["cumulus"], route_class=CumulusRoute, responses=RESPONSES)
READ, OPERATE = [allow(Role.read)], [allow(Role.operate)]
KNOWN = frozenset({"granuleId", "collectionId"})
TABLE = Table(
    "granule", "granuleId", KNOWN | {"status", "published", "files", "updatedAt", "timestamp", "error"}, KNOWN
)
WITH_COLLECTION = f"/granules/{{collection_id}}/{{id:{rest.NAME}}}"
Id = Annotated[str, Path(min_length=1, max_length=1000)]
Given = Annotated[dict[str, Any], Body(description="As Cumulus has it.")]
ACTIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "reingest": ("reingest", ()),
    "applyWorkflow": ("apply-workflow", ("workflow", "meta")),
    "move": ("move", ("destinations",)),
}
"""Of each action of a PATCH: what Pileus calls it, and what else the body may have."""


@router.get("/granules", dependencies=READ, summary="List granules, as Cumulus does")
def granules(reach: Reached, asked: Annotated[Asked, asked_of(TABLE)]) -> dict[str, Any]:
    """Return `{meta, results}`. With `collectionId` only that collection is looked at."""
    return listed(asked, reach.services.stack.stack, TABLE, known(reach, asked), partial(whole, reach))


@router.get(WITH_COLLECTION, dependencies=READ, summary="Show a granule, as Cumulus does")
def show(reach: Reached, collection_id: Id, id: Id) -> dict[str, Any]:
    """Return it, with its files where they are kept."""
    name, version = split(collection_id)
    return told(reach.granules.show(name, id, version))


@router.get("/granules/{id}", dependencies=READ, summary="Show a granule by its id alone, as Cumulus does")
def show_any(reach: Reached, id: Id) -> dict[str, Any]:
    """Return it. 400 where several collections have one of this id."""
    return told(named(reach, id))


@router.patch(WITH_COLLECTION, dependencies=OPERATE, summary="Work on a granule, as Cumulus does")
def patch(reach: Reached, collection_id: Id, id: Id, given: Given) -> dict[str, Any]:
    """Take `{action: reingest | applyWorkflow | move}`, begin it, and return which asynchronous operation it is."""
    name, version = split(collection_id)
    return _patched(reach, reach.granules.show(name, id, version), given)


@router.patch("/granules/{id}", dependencies=OPERATE, summary="Work on a granule by its id alone, as Cumulus does")
def patch_any(reach: Reached, id: Id, given: Given) -> dict[str, Any]:
    """Do as with the collection named."""
    return _patched(reach, named(reach, id), given)


@router.delete(WITH_COLLECTION, dependencies=OPERATE, summary="Remove a granule, as Cumulus does")
def delete(reach: Reached, collection_id: Id, id: Id) -> dict[str, Any]:
    """Begin to remove its record and its files, and return which asynchronous operation it is."""
    name, version = split(collection_id)
    return _deleted(reach, reach.granules.show(name, id, version))


@router.delete("/granules/{id}", dependencies=OPERATE, summary="Remove a granule by its id alone, as Cumulus does")
def delete_any(reach: Reached, id: Id) -> dict[str, Any]:
    """Do as with the collection named."""
    return _deleted(reach, named(reach, id))


def known(reach: Reach, asked: Asked) -> Iterator[Row]:
    """Yield what is known of each granule that may be of a list, before its record is read."""
    for key, one in sorted(reach.documents.registry().collections.items()):
        if asked.may_keep(collectionId=key):
            for id in reach.granules.ids(one.name, one.version, begins=asked.prefix):
                yield {"granuleId": id, "collectionId": key}


def whole(reach: Reach, rows: Iterable[Row]) -> list[Row]:
    """Return granules in Cumulus's words, by what is known of each."""
    return [told(one) for one in read(reach, ((row["collectionId"], row["granuleId"]) for row in rows))]


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


def act(reach: Reach, action: str, collection_id: str, ids: list[str], more: dict[str, Any]) -> str:
    """Begin to do something with granules of a collection. Return the id of the asynchronous operation: of the run."""
    name, version = split(collection_id)
    wanted = {"action": action, "collection": name, "version": version, "ids": ids, **more}
    return reach.granules.act(wanted).key.partition("/")[2]


def _patched(reach: Reach, one: GranuleView, given: dict[str, Any]) -> dict[str, Any]:
    action = given.get("action")
    if not isinstance(action, str) or action not in ACTIONS:
        raise UsageError(f"action {str(action)[:40]!r}: expected one of {', '.join(ACTIONS)}")
    ours, takes = ACTIONS[action]
    if others := sorted(set(given) - {"action", *takes}):
        raise UsageError(f"{', '.join(others)[:200]}: {action} takes {', '.join(takes) or 'nothing else'}")
    more = {name: given[name] for name in takes if name in given}
    run = act(reach, ours, f"{one.collection}___{one.version}", [one.id], more)
    did = f"{action} {given['workflow']}" if "workflow" in takes else action
    return {"granuleId": one.id, "action": did, "status": "SUCCESS", "asyncOperationId": run}


def _deleted(reach: Reach, one: GranuleView) -> dict[str, Any]:
    run = act(reach, "remove", f"{one.collection}___{one.version}", [one.id], {})
    return {"detail": "Record deletion begun", "asyncOperationId": run}
