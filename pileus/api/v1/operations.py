"""Upkeep: reconcile, costs, dead letters."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import Field

from pileus.api.access import Operator, allow
from pileus.api.reach import Reached
from pileus.api.roles import Role
from pileus.client.answers import BackfillAnswer, DeadLetterAnswer, FindingAnswer, Reconciled
from pileus.client.asked import Asked, Name

router = APIRouter(tags=["operations"])
Message = Annotated[str, Path(max_length=200, description="Id of a message.")]


class Compare(Asked):
    """What to reconcile."""

    collection: Name
    version: Name | None = None
    repair: Annotated[bool, Field(description="Repair the index, and run again what is missing.")] = False


@router.post("/reconcile", summary="Reconcile a collection")
def reconcile(reach: Reached, asked: Compare, asks: Operator) -> Reconciled:
    """Compare provider, objects, index and rows, and say, or repair, what is lost, missing, corrupt or undone."""
    found, begun = reach.operations.reconcile(
        asked.collection, asked.version, mend=asked.repair, by=asks.name, command="POST /v1/reconcile"
    )
    findings = [FindingAnswer(**one.to_json()) for one in found.findings]
    backfill = begun.id if begun else None
    return Reconciled(partitions=found.partitions, objects=found.objects, findings=findings, backfill=backfill)


@router.get("/costs/{collection}", dependencies=[allow(Role.read)], summary="Estimate the cost of a backfill")
def costs(
    request: Request,
    reach: Reached,
    collection: Annotated[str, Path(max_length=200)],
    version: Annotated[str | None, Query(max_length=200)] = None,
    first: Annotated[str | None, Query(max_length=40)] = None,
    last: Annotated[str | None, Query(max_length=40)] = None,
) -> dict[str, Any]:
    """Return dollars and minutes on AWS with the settings of this server, by earlier groups where there are any."""
    return reach.operations.cost(collection, version, first, last, request.app.state.settings.deployment).to_json()


@router.get("/dead-letters", dependencies=[allow(Role.read)], summary="List dead letters")
def dead_letters(reach: Reached) -> list[DeadLetterAnswer]:
    """Return the messages that no worker could deal with, oldest first."""
    return reach.operations.dead_letters()


@router.get("/dead-letters/{id}", dependencies=[allow(Role.read)], summary="Show a dead letter")
def dead_letter(reach: Reached, id: Message) -> dict[str, str]:
    """Return one as it was sent."""
    return {"id": id, "body": reach.operations.dead_letter(id).body}


@router.post("/dead-letters/{id}/redrive", summary="Run a dead letter again")
def redrive(reach: Reached, id: Message, asks: Operator) -> BackfillAnswer:
    """Run its partition again in a new backfill, and delete the message."""
    begun = reach.operations.redrive(id, by=asks.name, command=f"POST /v1/dead-letters/{id}/redrive")
    return reach.backfills.answer(begun.id)
