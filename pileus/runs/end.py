"""The end of runs that no worker will end: the workflow gave one up, or its execution was stopped."""

from typing import Any

from pileus import lifecycle
from pileus.edges.index import change
from pileus.lifecycle.backfill import run_name
from pileus.lifecycle.partition import Entry, Failure
from pileus.runs.record import keep
from pileus.subject import Request
from pileus.wiring import Edges


def fail(edges: Edges, subject: Request, number: int, failure: Failure) -> Entry | None:
    """Fail a run, whoever has it. Return its entry as it is stored then, None where there is none.

    A run that has ended, or was begun again, stays as it is.
    """
    run = run_name(subject.key, number)
    change(edges.index, subject, lambda stored: lifecycle.give_up(stored, run, failure, now=edges.now()))
    return _kept(edges, subject)


def execution_ended(edges: Edges, subject: Request, number: int, status: str, why: Failure | None) -> dict[str, Any]:
    """End a run whose execution was stopped (`ABORTED`), failed or timed out in Step Functions. Return the JSON of its
    state.
    """
    if status == "ABORTED":
        run, reason = run_name(subject.key, number), "its execution was stopped in Step Functions"
        change(edges.index, subject, lambda stored: lifecycle.stop(stored, run, reason, now=edges.now()))
        return told(subject, _kept(edges, subject))
    failure = why or Failure("ExecutionEnded", f"its execution ended {status}")
    return told(subject, fail(edges, subject, number, failure))


def told(subject: Request, entry: Entry | None) -> dict[str, Any]:
    """Return the JSON of a run's state."""
    return {"run": subject.key, "state": str(entry.state) if entry else "unknown"}


def _kept(edges: Edges, subject: Request) -> Entry | None:
    entry = edges.index.entry(subject)
    if entry is not None:
        keep(edges, subject)
    return entry
