"""Upkeep: reconcile, costs, dead letters."""

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import Field

from pileus.api.access import Operator, allow
from pileus.api.reach import Reached
from pileus.api.roles import Role
from pileus.api.v1.runs import told
from pileus.client.answers import BackfillAnswer
from pileus.client.asked import Asked, Name
from pileus.client.run_answers import RunAnswer
from pileus.client.upkeep_answers import DeadLetterAnswer, FindingAnswer, Reconciled
from pileus.lifecycle.backfill import Backfill

router = APIRouter(tags=["operations"])
Message = Annotated[str, Path(max_length=200, description="Id of a message.")]


class Compare(Asked):
    """What to reconcile."""

    collection: Name
    version: Name | None = None
    repair: Annotated[bool, Field(description="Repair the index, and run again what is missing.")] = False
    command: Annotated[str, Field(max_length=2000, description="What led to it, for people.")] = ""


@router.post("/reconcile", summary="Reconcile a collection")
def reconcile(reach: Reached, asked: Compare, asks: Operator) -> Reconciled:
    """Compare provider, objects, index and rows, and say, or repair, what is lost, missing, corrupt or undone."""
    operations = replace(reach.operations, by=asks.name)
    command = asked.command or "POST /v1/reconcile"
    found, begun = operations.reconcile(asked.collection, asked.version, mend=asked.repair, command=command)
    findings = [FindingAnswer.model_validate(one.to_json()) for one in found.findings]
    backfill = begun.id if begun else None
    return Reconciled(partitions=found.partitions, objects=found.objects, findings=findings, backfill=backfill)


@router.get("/costs/{collection}", dependencies=[allow(Role.read)], summary="Estimate the cost of a backfill")
def costs(
    reach: Reached,
    collection: Annotated[str, Path(max_length=200)],
    version: Annotated[str | None, Query(max_length=200)] = None,
    first: Annotated[str | None, Query(max_length=40)] = None,
    last: Annotated[str | None, Query(max_length=40)] = None,
) -> dict[str, Any]:
    """Return dollars and minutes on AWS with the settings of this server, by earlier groups where there are any."""
    return reach.operations.cost(collection, version, first, last).to_json()


@router.get("/dead-letters", dependencies=[allow(Role.read)], summary="List dead letters")
def dead_letters(reach: Reached) -> list[DeadLetterAnswer]:
    """Return the messages that no worker could deal with, oldest first."""
    return reach.operations.dead_letters()


@router.get("/dead-letters/{id}", dependencies=[allow(Role.read)], summary="Show a dead letter")
def dead_letter(reach: Reached, id: Message) -> dict[str, str]:
    """Return one as it was sent."""
    return {"id": id, "body": reach.operations.dead_letter(id)}


@router.post("/dead-letters/{id}/redrive", summary="Run a dead letter again")
def redrive(reach: Reached, id: Message, asks: Operator) -> BackfillAnswer | RunAnswer:
    """Run its partition again in a new backfill, or its request in a new run, and delete the message."""
    command = f"POST /v1/dead-letters/{id}/redrive"
    begun = replace(reach.operations, by=asks.name).redrive(id, command=command)
    return reach.snapshots.get(begun.id).answer if isinstance(begun, Backfill) else told(begun)
