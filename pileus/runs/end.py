"""The end of runs that no worker will end: the workflow gave one up, or its execution has ended."""

import json
from typing import Any

from pileus import lifecycle
from pileus.edges.index import change
from pileus.edges.workflows import Workflows
from pileus.granules.note import note_message
from pileus.lifecycle.backfill import run_name
from pileus.lifecycle.partition import Entry, Failure
from pileus.runs.message_end import tell_end
from pileus.runs.owned import End, failed, finished
from pileus.runs.payload_end import end_payload
from pileus.runs.record import keep, output_url
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
    edges: Edges, workflows: Workflows, subject: Asked, number: int, entry: Entry | None, end: End
) -> dict[str, Any]:
    """End a run whose execution has ended. Return the JSON of its state. The success of a request is told by its
    worker, or by AdvanceGraph.

    `entry`: that of the subject, where it was just read.
    """
    if isinstance(subject, PayloadId):
        return told(subject, end_payload(edges, workflows, entry or edges.index.entry(subject), number, end))
    ended = _ended(edges, subject, number, end)
    if isinstance(subject, Execution) and ended and ended.number == number:
        tell_end(edges, subject, ended)
    return told(subject, ended)


def _ended(edges: Edges, subject: Asked, number: int, end: End) -> Entry | None:
    if end.status == "SUCCEEDED":
        return _succeed(edges, subject, number, end.output or "null")
    run = run_name(subject.key, number)
    change(edges.index, subject, lambda stored: failed(edges, stored, run, end))
    return _kept(edges, subject)


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
        return finished(edges, stored, url)

    change(edges.index, subject, step)
    return _kept(edges, subject)


def succeed(edges: Edges, subject: Asked, number: int, url: str) -> Entry | None:
    """End a run that its execution owns as succeeded, with the result document at this address. Return its entry as it
    is stored then. A run that has ended, or was begun again, stays as it is.
    """
    run = run_name(subject.key, number)

    def step(stored: Entry | None) -> Entry | None:
        return finished(edges, stored, url) if stored and stored.run == run and not stored.state.ended else None

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
