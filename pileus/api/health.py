"""Public: whether the server answers, and where to go from here."""

from typing import Any

from fastapi import APIRouter

from pileus.version import __version__

router = APIRouter(tags=["public"])


@router.get("/health", summary="Whether the server answers")
async def health() -> dict[str, Any]:
    """Return the version. Asks nothing of the stack."""
    return {"status": "ok", "version": __version__}
