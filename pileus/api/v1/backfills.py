"""Backfills: plan, start, look, change."""

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from fastapi.concurrency import run_in_threadpool

from pileus.api.access import Operator, Reader, allow
from pileus.api.reach import Reach, Reached
from pileus.api.roles import Role
from pileus.api.v1.paging import Cursor, Limit
from pileus.client.answers import BackfillAnswer, Cell, Happening, Page, PlanAnswer
from pileus.client.asked import Again, NewBackfill, Span
from pileus.client.local.backfills import backfill_answer
from pileus.lifecycle.backfill import State

router = APIRouter(prefix="/backfills", tags=["backfills"])
READ = [allow(Role.read)]
OPERATE = [allow(Role.operate)]
Id = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,60}$", description="Id of a backfill.", examples=["viirs-2015"])]


@router.get("", dependencies=READ, summary="List backfills")
def list_backfills(
    reach: Reached,
    collection: Annotated[str | None, Query(max_length=200)] = None,
    state: Annotated[State | None, Query()] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[BackfillAnswer]:
    """Return backfills, newest first."""
    return reach.backfills.list(collection=collection, state=state, limit=limit, cursor=cursor)


@router.post("", summary="Start a backfill", status_code=HTTPStatus.CREATED)
def start(reach: Reached, response: Response, asked: NewBackfill, asks: Operator) -> BackfillAnswer:
    """Start the workflow for each point in time of a template's span."""
    started = reach.backfills.start(asked, by=asks.name, command="POST /v1/backfills")
    response.headers["Location"] = f"/v1/backfills/{started.id}"
    return started


@router.post("/plan", dependencies=OPERATE, summary="Plan a backfill")
def plan(reach: Reached, asked: Span) -> PlanAnswer:
    """Ask the provider and the index what a backfill would do to each partition, and why. Writes nothing."""
    return reach.backfills.plan(asked)


@router.get("/{id}", summary="Show a backfill", response_model=BackfillAnswer)
async def show(reach: Reached, id: Id, asks: Reader) -> Response:
    """Return its state, and its partitions by state. Many readers share one read of the index."""
    del asks
    found = reach.snapshots.fresh(id)
    if found is None:
        found = await run_in_threadpool(reach.snapshots.get, id)
    return Response(backfill_answer(found).model_dump_json(), media_type="application/json")


@router.get("/{id}/grid", dependencies=READ, summary="Show its points in time")
def grid(reach: Reached, id: Id) -> Sequence[Cell]:
    """Return all points in time in order, each with its worst state and its groups by state."""
    return reach.backfills.grid(id)


@router.get("/{id}/history", dependencies=READ, summary="Show what happened")
def history(reach: Reached, id: Id, limit: Limit = 100, cursor: Cursor = None) -> Page[Happening]:
    """Return what happened last to each partition, newest first."""
    return reach.backfills.history(id, limit=limit, cursor=cursor)


@router.post("/{id}/pause", dependencies=OPERATE, summary="Pause a backfill")
def pause(reach: Reached, id: Id) -> BackfillAnswer:
    """Stop it so that it can be resumed. Workers return their groups."""
    return _change(reach, id, reach.backfills.pause)


@router.post("/{id}/resume", dependencies=OPERATE, summary="Resume a backfill")
def resume(reach: Reached, id: Id) -> BackfillAnswer:
    """Continue a paused one."""
    return _change(reach, id, reach.backfills.resume)


@router.post("/{id}/cancel", dependencies=OPERATE, summary="Cancel a backfill")
def cancel(reach: Reached, id: Id) -> BackfillAnswer:
    """Stop it for good."""
    return _change(reach, id, reach.backfills.cancel)


@router.post("/{id}/retry", dependencies=OPERATE, summary="Retry partitions of a backfill")
def retry(reach: Reached, id: Id, again: Again) -> BackfillAnswer:
    """Run partitions of an ended one again: those that are needed, that failed, or those that are named."""
    return _change(reach, id, lambda id: reach.backfills.retry(id, again))


def _change(reach: Reach, id: str, change: Callable[[str], BackfillAnswer]) -> BackfillAnswer:
    """Do it, and answer what is true afterwards: a status that was read before is not given out again."""
    reach.snapshots.forget(id)
    try:
        return change(id)
    finally:
        reach.snapshots.forget(id)
