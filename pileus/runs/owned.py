"""Runs that their execution owns, without a lease: Step Functions tells when it ends."""

from dataclasses import dataclass, replace
from typing import Any

from pileus import lifecycle
from pileus.edges.index import change
from pileus.lifecycle.partition import Entry, Failure
from pileus.models import State
from pileus.runs.executions import arn_of_entry
from pileus.subject import Asked
from pileus.wiring import Edges


@dataclass(frozen=True, slots=True)
class End:
    """How an execution has ended in Step Functions."""

    status: str
    """`SUCCEEDED`, `FAILED`, `TIMED_OUT` or `ABORTED`."""
    why: Failure | None = None
    """Of a failure, where it was told."""
    output: str | None = None
    """JSON, of a success."""


def began(edges: Edges, queued: Entry, **facts: Any) -> Entry | None:
    """Give a run to its execution, which was started. Return its entry where that changed it.

    `queued`: as it was just read or stored. `facts`: what its `extra` has then, too.
    """
    assert isinstance(queued.subject, Asked)

    def step(stored: Entry | None) -> Entry | None:
        if stored is None or stored.state is not State.queued:
            return None
        owned = taken(edges, stored, queued.run)
        return replace(owned, extra=owned.extra | facts) if owned else None

    return change(edges.index, queued.subject, step, queued)


def taken(edges: Edges, stored: Entry, run: str) -> Entry | None:
    """Return the entry with the execution as its owner; None where it is of another run."""
    if stored.run != run:
        return None
    arn, now = arn_of_entry(edges, stored), edges.now()
    owned = lifecycle.claim(stored, run, arn, arn, lease=0, now=now)
    return replace(owned, extra={"started": now} | owned.extra) if owned else None


def failed(edges: Edges, stored: Entry | None, run: str, end: End) -> Entry | None:
    """Return the entry of a run whose execution has not succeeded."""
    if end.status == "ABORTED":
        return lifecycle.stop(stored, run, "its execution was stopped in Step Functions", now=edges.now())
    failure = end.why or Failure("ExecutionEnded", f"its execution ended {end.status}")
    return lifecycle.give_up(stored, run, failure, now=edges.now())


def finished(edges: Edges, stored: Entry, url: str, reason: str = "") -> Entry | None:
    """Return the entry of a run that its execution owns as it succeeds with the result at this address."""
    owned = stored if stored.state is State.running else taken(edges, stored, stored.run)
    if owned is None:
        return None
    now, token = edges.now(), arn_of_entry(edges, owned)
    seconds = round(now - owned.extra["started"], 3)
    return lifecycle.finish(owned, token, State.succeeded, now=now, manifest=url, seconds=seconds, reason=reason)
