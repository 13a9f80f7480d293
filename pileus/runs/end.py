"""The end of runs that no worker will end: the workflow gave one up, or its execution has ended."""

import json
from dataclasses import replace
from typing import Any

from pileus import lifecycle
from pileus.edges.index import change
from pileus.granules.note import note_message
from pileus.lifecycle.backfill import run_name
from pileus.lifecycle.partition import Entry, Failure
from pileus.models import State
from pileus.runs.executions import arn_of
from pileus.runs.message_end import tell_end
from pileus.runs.record import keep, output_url
from pileus.subject import Asked, Execution
from pileus.wiring import Edges


def began(edges: Edges, subject: Execution, number: int) -> Entry | None:
    """Give the run of a workflow to its execution, which was started. Return its entry where that changed it."""

    def step(stored: Entry | None) -> Entry | None:
        return _taken(edges, stored, subject, number) if stored and stored.state is State.queued else None

    return change(edges.index, subject, step)


def _taken(edges: Edges, stored: Entry, subject: Execution, number: int) -> Entry | None:
    """Return the entry with the execution as its owner, which has no lease: Step Functions tells when it ends."""
    arn, now = arn_of(edges, subject, number), edges.now()
    taken = lifecycle.claim(stored, run_name(subject.key, number), arn, arn, lease=0, now=now)
    return replace(taken, extra={"started": now} | taken.extra) if taken else None


def fail(edges: Edges, subject: Asked, number: int, failure: Failure) -> Entry | None:
    """Fail a run, whoever has it. Return its entry as it is stored then, None where there is none.

    A run that has ended, or was begun again, stays as it is.
    """
    run = run_name(subject.key, number)
    change(edges.index, subject, lambda stored: lifecycle.give_up(stored, run, failure, now=edges.now()))
    return _kept(edges, subject)


def execution_ended(
    edges: Edges, subject: Asked, number: int, status: str, why: Failure | None, output: str | None = None
) -> dict[str, Any]:
    """End a run whose execution has ended in Step Functions: `ABORTED`, `FAILED`, `TIMED_OUT`, or `SUCCEEDED` with its
    output as JSON. Return the JSON of its state. The success of a request is told by its worker.
    """
    entry = _ended(edges, subject, number, status, why, output)
    if isinstance(subject, Execution) and entry and entry.number == number:
        tell_end(edges, subject, entry)
    return told(subject, entry)


def _ended(
    edges: Edges, subject: Asked, number: int, status: str, why: Failure | None, output: str | None
) -> Entry | None:
    if status == "SUCCEEDED":
        return _succeed(edges, subject, number, output or "null")
    if status == "ABORTED":
        run, reason = run_name(subject.key, number), "its execution was stopped in Step Functions"
        change(edges.index, subject, lambda stored: lifecycle.stop(stored, run, reason, now=edges.now()))
        return _kept(edges, subject)
    return fail(edges, subject, number, why or Failure("ExecutionEnded", f"its execution ended {status}"))


def _succeed(edges: Edges, subject: Asked, number: int, output: str) -> Entry | None:
    """Keep what the execution of a workflow put out, write down the granules in it, and end its run."""
    if not isinstance(subject, Execution):
        return edges.index.entry(subject)
    run, url = run_name(subject.key, number), output_url(edges, subject, number, "result.json")

    def step(stored: Entry | None) -> Entry | None:
        if stored is None or stored.run != run or stored.state.ended:
            return None
        edges.store.put(url, output.encode(), "application/json")
        note_message(edges, subject.key, json.loads(output))
        taken = stored if stored.state is State.running else _taken(edges, stored, subject, number)
        now = edges.now()
        seconds = round(now - taken.extra["started"], 3) if taken else 0.0
        return taken and lifecycle.finish(
            taken, arn_of(edges, subject, number), State.succeeded, now=now, manifest=url, seconds=seconds
        )

    change(edges.index, subject, step)
    return _kept(edges, subject)


def told(subject: Asked, entry: Entry | None) -> dict[str, Any]:
    """Return the JSON of a run's state."""
    return {"run": subject.key, "state": str(entry.state) if entry else "unknown"}


def _kept(edges: Edges, subject: Asked) -> Entry | None:
    entry = edges.index.entry(subject)
    if entry is not None:
        keep(edges, subject)
    return entry
