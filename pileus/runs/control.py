"""Start, stop and repeat runs of requests and of workflows."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pkgutil import resolve_name
from typing import Any
from uuid import uuid4

from pileus import lifecycle
from pileus.edges.index import change
from pileus.edges.workflows import Workflows
from pileus.errors import Conflict, DamagedObject, UsageError
from pileus.lifecycle.backfill import run_name
from pileus.lifecycle.explain import explain
from pileus.lifecycle.partition import Entry
from pileus.models import State
from pileus.processes import process_of
from pileus.runs import executions, record
from pileus.runs.end import execution_ended
from pileus.runs.owned import End, began
from pileus.runs.payload_events import announce_end
from pileus.runs.payloads import again, begun
from pileus.runs.read import find_entry
from pileus.runs.view import Run, view
from pileus.subject import Asked, Execution, PayloadId, Request, parse_subject
from pileus.wiring import Edges

EVENT_SECONDS = 10
"""In which the event about the end of an execution comes."""


def start(edges: Edges, workflows: Workflows, process: str, inputs: Mapping[str, Any], id: str | None = None) -> Run:
    """Start a run of a process, and return it. With an id that has a run with the same inputs, return that one.

    `inputs`: as the process describes them. `id`: up to 40 letters, digits, `_` and `-`; None: one is made. Raises
    UsageError for an unknown process or an id that is none, DocumentError for inputs that are wrong, with the path of
    each, and Conflict where the id has a run with other inputs.
    """
    told = process_of(process)
    subject = Request(told.id, id if id is not None else _new_id(edges))
    document = {"process": told.id, "version": told.version, "inputs": told.checked(inputs)}
    facts = resolve_name(told.check)(edges, told.read(inputs)) if told.check else {}
    return _started(edges, workflows, subject, document, facts)


def start_workflow(
    edges: Edges, workflows: Workflows, workflow: str, document: Mapping[str, Any], id: str | None = None
) -> Run:
    """Start a run of a workflow of the stack over a document, and return it. With an id that has a run with the same
    document, return that one.

    `document`: what the execution gets, as it is; up to 256 KiB. `id`: as for `start`. Raises UsageError for a workflow
    that takes no document, or a document that is too large; Unknown where the stack has no such workflow; and Conflict
    where the id has a run with another document.
    """
    subject = Execution(workflow, id if id is not None else _new_id(edges))
    executions.check(workflows, workflow, len(json.dumps(document).encode()))
    return _started(edges, workflows, subject, document)


def _started(
    edges: Edges,
    workflows: Workflows,
    subject: Asked,
    document: Mapping[str, Any],
    facts: Mapping[str, Any] | None = None,
) -> Run:
    record.write_input(edges, subject, document)
    wanted = _wanted(edges, subject, 1, facts)

    def step(stored: Entry | None) -> Entry | None:
        return None if stored else lifecycle.queue(None, wanted, now=edges.now(), live=False)

    entry = change(edges.index, subject, step) or find_entry(edges, subject.key)
    return _begun(edges, workflows, entry, subject, document)


def rerun(edges: Edges, workflows: Workflows, key: str) -> Run:
    """Run what has ended again, with the same inputs, and return the new run.

    Raises NotFound where there is no such run, Conflict while it goes on, UsageError for a partition.
    """
    subject = _asked(key, "rerun", "`pileus retry` runs it again with its backfill")
    if isinstance(subject, PayloadId):
        return again(edges, workflows, subject)
    before = find_entry(edges, subject.key)
    if not before.state.ended:
        raise Conflict(f"is {before.state}: only a run that has ended is run again", where=key)
    wanted = _wanted(edges, subject, before.number + 1, before.extra.get("facts"))

    def step(stored: Entry | None) -> Entry | None:
        return (
            None if stored and stored.run == wanted.run else lifecycle.queue(stored, wanted, now=edges.now(), live=True)
        )

    entry = change(edges.index, subject, step) or find_entry(edges, subject.key)
    return _begun(edges, workflows, entry, subject)


def stop(edges: Edges, workflows: Workflows, key: str, reason: str = "stopped by its user") -> Run:
    """Cancel a run at once, and return it. A worker that has it stops within two seconds.

    Called again, it stops what an earlier call left running. Raises NotFound where there is no such run, Conflict where
    it has succeeded or failed, UsageError for a partition.
    """
    subject = _asked(key, "stopped", "`pileus pause` and `pileus cancel` stop its backfill")

    def step(stored: Entry | None) -> Entry | None:
        return lifecycle.stop(stored, stored.run, reason, now=edges.now()) if stored else None

    stopped = change(edges.index, subject, step)
    entry = stopped or find_entry(edges, subject.key)
    if entry.state is not State.cancelled:
        raise Conflict(f"is {entry.state}: only a run that goes on can be stopped", where=key)
    if stopped and isinstance(subject, PayloadId):
        announce_end(edges, stopped)
    record.keep(edges, subject)
    executions.end(edges, workflows, entry, reason)
    return view(edges, entry)


def settle(edges: Edges, workflows: Workflows, key: str) -> Run:
    """Correct a run whose start or end nobody recorded, and return it as it is afterwards; of a partition as it is.

    1. Its starter died before the execution began: begin it.
    2. Its execution has ended, and nobody recorded that: end the run. That of a payload is left to its event for some
       seconds, so that not both publish what it has made.

    Raises as `find` does.
    """
    entry, subject = find_entry(edges, key), parse_subject(key)
    if not isinstance(subject, Asked) or entry.state.ended:
        return view(edges, entry)
    found = executions.outcome(edges, workflows, entry)
    if found.status == "GONE":
        return _begun(edges, workflows, entry, subject)
    if found.status == "RUNNING" and executions.owns(subject):
        began(edges, entry)
    elif isinstance(subject, PayloadId) and found.ended is not None and edges.now() - found.ended < EVENT_SECONDS:
        return view(edges, entry)
    elif found.status in ("ABORTED", "FAILED", "TIMED_OUT", "SUCCEEDED"):
        why = explain({"Error": found.error, "Cause": found.cause}) if found.error else None
        execution_ended(edges, workflows, subject, entry.number, entry, End(found.status, why, found.output))
    return view(edges, find_entry(edges, key))


def recover(edges: Edges, workflows: Workflows, tell: Callable[[str], None]) -> None:
    """Fill an empty index with what was asked for, by its copies in S3. What had not ended is run again.

    Tells what it did, line by line.
    """
    for url in record.kept(edges):
        try:
            entry = record.read_entry(edges, url)
        except DamagedObject as exc:
            tell(f"left out: {exc}")
            continue
        if isinstance(subject := entry.subject, Asked):
            _recover(edges, workflows, entry, subject, tell)


def _recover(edges: Edges, workflows: Workflows, entry: Entry, subject: Asked, tell: Callable[[str], None]) -> None:
    """Put a subject into the index. Where its execution was lost with the engine, its next run is queued."""
    if isinstance(subject, PayloadId):
        _recover_payload(edges, workflows, entry, tell)
        return
    if not entry.state.ended and (made := record.result_of(edges, subject, entry.number)):
        entry = replace(entry, state=State.succeeded, manifest=made)  # the worker could not record that
    if not entry.state.ended:
        wanted = replace(_wanted(edges, subject, entry.number + 1), extra=entry.extra)
        entry = lifecycle.queue(None, wanted, now=edges.now(), live=False) or entry
    try:
        entry = edges.index.put(entry)
    except Conflict:
        return  # somebody has started it since
    if entry.state is State.queued:
        tell(f"going on with run {subject.key}")
        _begun(edges, workflows, entry, subject)


def _recover_payload(edges: Edges, workflows: Workflows, entry: Entry, tell: Callable[[str], None]) -> None:
    """Put a payload into the index. One whose execution was lost with the engine is processed again."""
    if lost := not entry.state.ended:
        stopped = lifecycle.stop(entry, entry.run, "its execution was lost with the engine", now=edges.now())
        entry = stopped or entry
    try:
        edges.index.put(entry)
    except Conflict:
        return  # somebody has handed it in since
    assert isinstance(entry.subject, PayloadId)
    if lost:
        tell(f"going on with run {entry.subject.key}")
        again(edges, workflows, entry.subject)


def _begun(
    edges: Edges, workflows: Workflows, entry: Entry, subject: Asked, document: Mapping[str, Any] | None = None
) -> Run:
    """Start the execution of a run that is queued, unless it was started, and return the run. `document`: its input
    document, where it was written just before.
    """
    if entry.state is State.queued and isinstance(subject, PayloadId):
        entry = begun(edges, workflows, entry)
    elif entry.state is State.queued:
        executions.begin(edges, workflows, entry, subject, document)
        if executions.owns(subject):
            entry = began(edges, entry) or find_entry(edges, subject.key)
        record.keep(edges, subject)
    return view(edges, entry)


def _wanted(edges: Edges, subject: Asked, number: int, facts: Mapping[str, Any] | None = None) -> Entry:
    extra = {"created": edges.now()} | ({"facts": dict(facts)} if facts else {})
    return Entry(subject, State.planned, run_name(subject.key, number), extra=extra)


def _asked(key: str, word: str, instead: str) -> Asked:
    subject = parse_subject(key)
    if not isinstance(subject, Asked):
        raise UsageError(f"a partition cannot be {word} alone: {instead}", where=key)
    return subject


def _new_id(edges: Edges) -> str:
    """Return an id that was never used; those of later runs come later in the order of the index."""
    return f"{datetime.fromtimestamp(edges.now(), UTC):%Y%m%dT%H%M%S}-{uuid4().hex[:12]}"
