"""Dead letters as Cumulus's API has them: run them again. Those of Pileus wait in queues, and in no archive."""

import json
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Body

from pileus.api.access import Operator
from pileus.api.cumulus.errors import RESPONSES, CumulusRoute
from pileus.api.reach import Reached
from pileus.errors import PileusError, UsageError
from pileus.lifecycle.backfill import Backfill

router = APIRouter(tags=["cumulus"], route_class=CumulusRoute, responses=RESPONSES)
MOST = 20
"""Dead letters that one request runs again, so that it is answered in time."""
PATH = "/deadLetterArchive/recoverCumulusMessages"


@router.post(PATH, summary="Run dead letters again, as Cumulus does")
def recover(reach: Reached, asks: Operator, given: Annotated[dict[str, Any] | None, Body()] = None) -> dict[str, Any]:
    """Run the oldest dead letters again, 20 at most, and return what each led to: all at once, so that there is no
    asynchronous operation to ask after.
    """
    if given:
        raise UsageError(f"{', '.join(given)[:200]}: not read: dead letters wait in the stack's queues; send no body")
    found = replace(reach.operations, by=asks.name).redrive_all(MOST, command=f"POST /cumulus{PATH}")
    output = [{"id": id, **_came_of(it)} for id, it in found]
    again = sum("error" not in one for one in output)
    return {
        "status": "SUCCEEDED",
        "operationType": "Dead-Letter Processing",
        "description": f"{again} of {len(output)} dead letters run again",
        "output": json.dumps(output),
    }


def _came_of(it: Any) -> dict[str, str]:
    if isinstance(it, PileusError):
        return {"error": f"{type(it).__name__}: {it}"}
    return {"backfill": it.id} if isinstance(it, Backfill) else {"run": it.key}
