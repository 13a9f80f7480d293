"""The end of runs that no worker will end: the workflow gave one up, or its execution has ended."""

import json
from typing import Any

from pileus import lifecycle
from pileus.edges.index import change
from pileus.edges.workflows import Workflows
from pileus.errors import DocumentError
from pileus.granules.note import note_message
from pileus.lifecycle.backfill import run_name
from pileus.lifecycle.partition import Entry, Failure
from pileus.models import State
from pileus.runs.executions import arn_of_entry
from pileus.runs.message_end import tell_end
from pileus.runs.owned import taken
from pileus.runs.payload_end import follow
from pileus.runs.payload_events import announce_end
from pileus.runs.record import execution_url, keep, output_url
from pileus.subject import Asked, Execution, PayloadId
from pileus.wiring import Edges


def fail(edges: Edges, subject: Asked, number: int, failure: Failure) -> Entry | None:
    """Fail a run, whoever has it. Return its entry as it is stored then, None where there is none.

    A run that has ended, or was begun again, stays as it is.
    """
    run = run_name(subject.key, number)
    change(edges.index, subject, lambda stored: lifecycle.give_up(stored, run, failure, now=edges.now()))
    return _kept(edges, subject)


def execution_ended(
    edges: Edges,
    workflows: Workflows,
    subject: Asked,
    number: int,
    status: str,
    why: Failure | None,
    output: str | None = None,
) -> dict[str, Any]:
    """End a run whose execution has ended in Step Functions: `ABORTED`, `FAILED`, `TIMED_OUT`, or `SUCCEEDED` with its
    output as JSON. Return the JSON of its state. The success of a request is told by its worker.
    """
    before = edges.index.entry(subject) if isinstance(subject, PayloadId) else None
    entry = _ended(edges, workflows, subject, number, status, why, output)
    if before and entry and entry.number == number and entry.state.ended and not before.state.ended:
        announce_end(edges, entry, timed_out=status == "TIMED_OUT")
    if isinstance(subject, Execution) and entry and entry.number == number:
        tell_end(edges, subject, entry)
    return told(subject, entry)


def _ended(
    edges: Edges,
    workflows: Workflows,
    subject: Asked,
    number: int,
    status: str,
    why: Failure | None,
    output: str | None,
) -> Entry | None:
    if status == "SUCCEEDED" and isinstance(subject, PayloadId):
        return _succeed_payload(edges, workflows, subject, number, output or "null")
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
        return _finished(edges, stored, url)

    change(edges.index, subject, step)
    return _kept(edges, subject)


def _succeed_payload(edges: Edges, workflows: Workflows, subject: PayloadId, number: int, output: str) -> Entry | None:
    """Keep what the execution of a payload put out, hand it on, and end its run: in this order, so that one that has
    succeeded was handed on.
    """
    run, stored = run_name(subject.key, number), edges.index.entry(subject)
    if stored is None or stored.run != run or stored.state.ended:
        return stored
    try:
        body, nothing = follow(edges, workflows, output)
    except DocumentError as exc:
        return fail(edges, subject, number, Failure(type(exc).__name__, exc.message, exc.where))
    url = execution_url(edges, subject, arn_of_entry(edges, stored), "output.json")
    edges.store.put(url, body, "application/json")

    def step(stored: Entry | None) -> Entry | None:
        if stored is None or stored.run != run or stored.state.ended:
            return None
        return _finished(edges, stored, url, "; ".join(nothing))

    change(edges.index, subject, step)
    return _kept(edges, subject)


def _finished(edges: Edges, stored: Entry, url: str, reason: str = "") -> Entry | None:
    """Return the entry of a run that its execution owns as it succeeds with the result at this address."""
    owned = stored if stored.state is State.running else taken(edges, stored, stored.run)
    if owned is None:
        return None
    now, token = edges.now(), arn_of_entry(edges, owned)
    seconds = round(now - owned.extra["started"], 3)
    return lifecycle.finish(owned, token, State.succeeded, now=now, manifest=url, seconds=seconds, reason=reason)


def told(subject: Asked, entry: Entry | None) -> dict[str, Any]:
    """Return the JSON of a run's state."""
    return {"run": subject.key, "state": str(entry.state) if entry else "unknown"}


def _kept(edges: Edges, subject: Asked) -> Entry | None:
    entry = edges.index.entry(subject)
    if entry is not None:
        keep(edges, subject)
    return entry
