"""Backfills: plan, start, look, change."""

from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from pileus.api.access import Operator, Reader, allow
from pileus.api.reach import Reach, Reached
from pileus.api.roles import Role
from pileus.api.stream import current, of_backfill
from pileus.api.v1.paging import Cursor, Limit
from pileus.backfills.status import to_record
from pileus.backfills.timing import SHOWN
from pileus.client.answers import BackfillAnswer, Cell, Happening, Page, PlanAnswer
from pileus.client.asked import Again, NewBackfill, Span
from pileus.client.paging import page
from pileus.client.timing_answers import TimingAnswer
from pileus.lifecycle.backfill import Backfill, State

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
    every = reach.backfills.all(collection=collection, state=state)
    return page(
        every,
        lambda one: one.id,
        lambda one: reach.snapshots.get(one.id).answer,
        limit=limit,
        cursor=cursor,
    )


@router.post("", summary="Start a backfill", status_code=HTTPStatus.CREATED)
def start(reach: Reached, response: Response, asked: NewBackfill, asks: Operator) -> BackfillAnswer:
    """Start the workflow for each point in time of a template's span."""
    rules: dict[str, Any] = asked.model_dump() | {"points": tuple(asked.points)}
    rules["command"] = asked.command or "POST /v1/backfills"
    started = replace(reach.backfills, by=asks.name).start(**rules)
    response.headers["Location"] = f"/v1/backfills/{started.id}"
    return reach.snapshots.get(started.id).answer


@router.post("/plan", dependencies=OPERATE, summary="Plan a backfill")
def plan(reach: Reached, asked: Span) -> PlanAnswer:
    """Ask the provider and the index what a backfill would do to each partition, and why. Writes nothing."""
    return PlanAnswer.model_validate(
        reach.backfills.plan(**asked.model_dump() | {"points": tuple(asked.points)}).to_json()
    )


@router.get("/{id}", summary="Show a backfill", response_model=BackfillAnswer)
async def show(reach: Reached, id: Id, asks: Reader) -> Response:
    """Return its state, and its partitions by state. Many readers share one read of the index."""
    del asks
    found = await current(reach.snapshots, id)
    return Response(found.summary, media_type="application/json")


@router.get(
    "/{id}/events",
    dependencies=READ,
    summary="Watch a backfill",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}, "description": "Events `status` and `change`."}},
)
async def events(request: Request, reach: Reached, id: Id) -> StreamingResponse:
    """Stream its summary whenever it changes, and each change of a partition, as server-sent events."""
    await current(reach.snapshots, id)
    streams = request.app.state.settings.streams
    return StreamingResponse(of_backfill(reach.snapshots, id, streams=streams), media_type="text/event-stream")


@router.get("/{id}/grid", dependencies=READ, summary="Show its points in time")
def grid(reach: Reached, id: Id) -> list[Cell]:
    """Return all points in time in order, each with its worst state and its groups by state."""
    cells = reach.snapshots.get(id).status.cells
    return [Cell(period=cell.period, state=cell.state, groups=dict(cell.counts)) for cell in cells]


@router.get("/{id}/status", dependencies=READ, summary="Read all of a backfill", response_model=dict[str, Any])
def whole(
    reach: Reached,
    id: Id,
    whole: Annotated[bool, Query(description="With all details of each partition.")] = False,
    files: Annotated[bool, Query(description="With the files that grouping set aside.")] = False,
) -> Response:
    """Return the backfill and a row for each partition: period, group, state, why, bytes, bytes here, details."""
    shared = not (whole or files)
    found = reach.snapshots.get(id).status if shared else reach.backfills.status(id, whole=whole, files=files)
    return Response(to_record(found), media_type="application/json")


@router.get("/{id}/history", dependencies=READ, summary="Show what happened")
def history(reach: Reached, id: Id, limit: Limit = 100, cursor: Cursor = None) -> Page[Happening]:
    """Return what happened last to each partition, newest first."""
    found = reach.backfills.history(id)
    return page(found, lambda one: f"{one.time} {one.period}/{one.group}", lambda one: one, limit=limit, cursor=cursor)


@router.get("/{id}/timing", dependencies=READ, summary="Show where its time went")
def timing(
    reach: Reached,
    id: Id,
    limit: Annotated[int, Query(ge=0, le=1000, description="Most partitions that are told, the slowest.")] = SHOWN,
) -> TimingAnswer:
    """Return seconds and bytes by step, the slowest partitions with theirs, and how many were in which step when."""
    return reach.backfills.timing(id, limit=limit)


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
    return _change(reach, id, lambda id: reach.backfills.retry(id, again.select, tuple(again.only)))


def _change(reach: Reach, id: str, change: Callable[[str], Backfill]) -> BackfillAnswer:
    """Do it, and answer what is true afterwards: a status that was read before is not given out again."""
    try:
        change(id)
    finally:
        reach.snapshots.forget(id)
    return reach.snapshots.get(id).answer
