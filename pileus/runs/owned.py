"""Runs that their execution owns, without a lease: Step Functions tells when it ends."""

from dataclasses import replace

from pileus import lifecycle
from pileus.edges.index import change
from pileus.lifecycle.partition import Entry
from pileus.models import State
from pileus.runs.executions import arn_of_entry
from pileus.subject import Asked
from pileus.wiring import Edges


def began(edges: Edges, queued: Entry) -> Entry | None:
    """Give a run to its execution, which was started. Return its entry where that changed it."""
    assert isinstance(queued.subject, Asked)

    def step(stored: Entry | None) -> Entry | None:
        return taken(edges, stored, queued.run) if stored and stored.state is State.queued else None

    return change(edges.index, queued.subject, step)


def taken(edges: Edges, stored: Entry, run: str) -> Entry | None:
    """Return the entry with the execution as its owner; None where it is of another run."""
    if stored.run != run:
        return None
    arn, now = arn_of_entry(edges, stored), edges.now()
    owned = lifecycle.claim(stored, run, arn, arn, lease=0, now=now)
    return replace(owned, extra={"started": now} | owned.extra) if owned else None
