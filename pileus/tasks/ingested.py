"""The end of what a message announced: the partitions that it led to, or why one of them failed."""

from typing import Any

from pileus.backfills.end import end
from pileus.backfills.record import Outcome, closed
from pileus.backfills.status import find
from pileus.models import State
from pileus.wiring import Edges


def ingested(edges: Edges, id: str, run: int) -> dict[str, Any]:
    """End the backfill that IngestGranules began. Return its partitions, each with its state and manifest, and
    `failure` where one has failed or was cancelled.
    """
    told, backfill = end(edges, id, run), find(edges, id)
    record = closed(edges, id, run)
    found = record.outcomes if record else []
    bad = next((one for one in found if one.state in (State.failed, State.cancelled)), None)
    partitions = [
        {
            "partition": one.key(backfill),
            "state": str(one.state),
            "why": one.why,
            "manifest": one.details.get("manifest"),
        }
        for one in found
    ]
    return {**told, "partitions": partitions} | ({"failure": _failure(bad)} if bad else {})


def _failure(one: Outcome) -> dict[str, str]:
    """Return type and message of what a partition failed with, as a state of Step Functions can give them on."""
    kind = (one.details.get("failure") or {}).get("type", "Cancelled" if one.state is State.cancelled else "Failed")
    return {"type": str(kind), "message": one.why or f"{one.group} is {one.state}"}
