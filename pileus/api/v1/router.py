"""All rooms of /v1."""

from typing import Any

from fastapi import APIRouter

from pileus.api.access import Reader
from pileus.api.v1 import backfills, documents, events, granules, operations, outputs, partitions, runs

router = APIRouter(prefix="/v1")
router.include_router(backfills.router)
router.include_router(partitions.router)
router.include_router(documents.router)
router.include_router(outputs.router)
router.include_router(operations.router)
router.include_router(events.router)
router.include_router(runs.router)
router.include_router(granules.router)


@router.get("/me", tags=["access"], summary="Who you are")
async def me(asks: Reader) -> dict[str, Any]:
    """Return name and role of who asks."""
    return {"name": asks.name, "role": asks.role.name}
