"""All backfills at once, as they change."""

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from pileus.api.access import allow
from pileus.api.reach import Reached
from pileus.api.roles import Role
from pileus.api.stream import of_all

router = APIRouter(tags=["events"])
NEWEST = 50
"""Backfills that are watched."""


@router.get(
    "/events",
    dependencies=[allow(Role.read)],
    summary="Watch all backfills",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}, "description": "Events `status`."}},
)
async def events(request: Request, reach: Reached) -> StreamingResponse:
    """Stream the summary of each of the newest backfills whenever it changes, as server-sent events."""

    def newest() -> list[str]:
        return [one.id for _, one in zip(range(NEWEST), reach.backfills.all(), strict=False)]

    streams = request.app.state.settings.streams
    return StreamingResponse(of_all(newest, reach.snapshots, streams=streams), media_type="text/event-stream")
