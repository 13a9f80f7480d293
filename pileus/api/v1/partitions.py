"""Partitions of a backfill: lists, one with its files and outputs, its log."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import AfterValidator

from pileus.api.access import allow
from pileus.api.reach import Reached
from pileus.api.roles import Role
from pileus.api.v1.backfills import Id
from pileus.api.v1.paging import Cursor, Limit
from pileus.client.answers import Page, PartitionAnswer, PartitionDetail
from pileus.client.local.partitions import logs_of, partition_of
from pileus.client.paging import page
from pileus.models import State, unsafe

router = APIRouter(prefix="/backfills/{id}/partitions", tags=["partitions"], dependencies=[allow(Role.read)])
Period = Annotated[str, Path(max_length=40, description="Point in time, ISO 8601.", examples=["2015-03"])]
Group = Annotated[
    str, Path(max_length=1000, description="Group, as keys write it: percent-encoded."), AfterValidator(unsafe)
]


@router.get("", summary="List partitions")
def list_partitions(
    reach: Reached,
    id: Id,
    state: Annotated[State | None, Query()] = None,
    period: Annotated[str | None, Query(max_length=40)] = None,
    text: Annotated[str | None, Query(max_length=200, description="Part of the key or of the reason.")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[PartitionAnswer]:
    """Return partitions in order of time."""
    found, wanted = reach.snapshots.get(id).status, (text or "").casefold()
    chosen = (
        one
        for one in found.outcomes
        if state in (None, one.state)
        and period in (None, one.period)
        and (not wanted or wanted in f"{one.period}/{one.group} {one.why}".casefold())
    )
    return page(
        chosen,
        lambda one: f"{one.period}/{one.group}",
        lambda one: PartitionAnswer.of(found.backfill, one),
        limit=limit,
        cursor=cursor,
    )


@router.get("/{period}/{group}", summary="Show a partition")
def show(reach: Reached, id: Id, period: Period, group: Group) -> PartitionDetail:
    """Return its files with sizes and sources, its attempts and reasons, its manifest and outputs."""
    return partition_of(reach.services, reach.snapshots.get(id).status, period, group)


@router.get("/{period}/{group}/logs", summary="Read the log of a partition")
def logs(reach: Reached, id: Id, period: Period, group: Group) -> list[dict[str, Any]]:
    """Return what workers wrote about it in any run of the backfill, oldest first."""
    return logs_of(reach.services, reach.snapshots.get(id).status, period, group)
