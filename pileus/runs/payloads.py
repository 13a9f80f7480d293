"""Payloads of Cirrus: each is carried out by the workflow that it names, and what it makes is handed on."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import uuid4

from pileus import lifecycle
from pileus.cirrus.ids import execution_name
from pileus.cirrus.payload import Payload, address_of, id_of, read_payload
from pileus.cirrus.states import INVALID, cirrus_state, may_start
from pileus.edges.index import change
from pileus.edges.store import split
from pileus.edges.workflows import Workflows, execution_arn
from pileus.errors import Conflict, DocumentError, Unknown, UsageError
from pileus.keys import is_own
from pileus.lifecycle.backfill import run_name
from pileus.lifecycle.partition import Entry, Failure
from pileus.models import State
from pileus.runs import executions, record
from pileus.runs.owned import began
from pileus.runs.payload_events import announce, announce_end, announce_entry, announce_skipped
from pileus.runs.read import find_entry
from pileus.runs.view import Run, view
from pileus.strict_json import parse_json
from pileus.subject import PayloadId
from pileus.wiring import Edges

KEPT_INVALID = "cirrus/tmp/invalid"
"""Folder of what is no payload and has no id."""


@dataclass(frozen=True, slots=True)
class Processed:
    """What came of handing in one payload."""

    run: Run
    """Its latest run."""
    started: bool
    """Whether a run was begun for it, or one that was claimed goes on; else its state did not allow one."""
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {"run": self.run.to_json(), "started": self.started, "warnings": list(self.warnings)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Processed":
        return cls(Run.from_json(value["run"]), value["started"], tuple(value["warnings"]))


def process(edges: Edges, workflows: Workflows, value: object, *, replace: bool = False) -> Processed:
    """Start the workflow of a payload over it, where its state allows that. Whoever hands it in at the same time starts
    the same execution.

    `value`: the payload as JSON, or `{"url": ...}`, an address in S3 where it lies. `replace`: also where it has
    succeeded or is invalid, as the `replace` of its first process does.

    A payload that is wrong is kept with the reason, under its id where it has one, and raises DocumentError; one whose
    workflow the stack does not have has failed, and raises Unknown. Raises NotFound for an address with nothing.
    """
    value = fetched(edges, value)
    try:
        payload = read_payload(value)
    except DocumentError as exc:
        _keep_invalid(edges, value, exc)
        raise
    try:
        executions.check(workflows, payload.definition.workflow, 0)
    except UsageError as exc:
        _refuse(edges, payload.id, payload.document, Failure(type(exc).__name__, exc.message))
        raise
    entry, started = _queued(edges, payload, replace=replace)
    if started:
        document = _write_input(edges, entry, payload.document)
        announce_entry(edges, "CLAIMED_PROCESSING", entry)
        entry = _begun(edges, workflows, entry, document)
    else:
        announce_skipped(edges, entry)
    return Processed(view(edges, entry), started, payload.warnings)


def fetched(edges: Edges, value: object) -> object:
    """Return a payload that was handed in by its address. Raises UsageError for one that is not in S3, NotFound where
    there is nothing, DocumentError for what is no JSON.
    """
    url = address_of(value)
    if url is None:
        return value
    if not url.startswith("s3://"):
        raise UsageError("expected a payload or its address in S3, s3://BUCKET/KEY", where=url[:200])
    bucket, key = split(url)
    if bucket in (edges.stack.internal, edges.stack.protected) and is_own(key) and not key.startswith("cirrus/"):
        raise UsageError("is the stack's own, and no payload", where=url[:200])
    body = edges.store.get(url)
    try:
        return parse_json(body.decode())
    except ValueError as exc:
        raise DocumentError(f"is no JSON: {exc}", where=url) from exc


def begun(edges: Edges, workflows: Workflows, entry: Entry, document: Mapping[str, Any] | None = None) -> Entry:
    """Start the execution of a payload that is queued, and return its entry then. `document`: the payload, where it is
    at hand.
    """
    subject = entry.subject
    assert isinstance(subject, PayloadId)
    copy = record.keep_stored(edges, entry)
    executions.begin(edges, workflows, entry, subject, document)
    if processing := began(edges, entry, **{record.COPY: copy}):
        announce_entry(edges, "STARTED_PROCESSING", processing)
    return processing or find_entry(edges, subject.key)


def _begun(edges: Edges, workflows: Workflows, entry: Entry, document: Mapping[str, Any]) -> Entry:
    """Do as `begun`. Where the workflow was removed since it was last seen, the run has failed."""
    try:
        return begun(edges, workflows, entry, document)
    except Unknown as exc:
        failure = Failure(type(exc).__name__, exc.message)
        step = partial(lifecycle.give_up, run=entry.run, failure=failure, now=edges.now())
        if failed := change(edges.index, entry.subject, step, entry):
            record.keep_stored(edges, failed)
            announce_end(edges, failed)
        raise


def again(edges: Edges, workflows: Workflows, subject: PayloadId) -> Run:
    """Process the latest payload of an id once more, whatever came of it, and return its run. Raises NotFound, and
    Conflict while it goes on.
    """
    entry = find_entry(edges, subject.key)
    if not entry.state.ended:
        raise Conflict(f"is {cirrus_state(entry)}: only what has ended is run again", where=subject.key)
    document = record.read_document(edges, record.input_of(edges, entry))
    return process(edges, workflows, document, replace=True).run


def _queued(edges: Edges, payload: Payload, *, replace: bool) -> tuple[Entry, bool]:
    """Claim the payload where its state allows it. Return its entry, and whether its execution is to be started: one
    that was claimed, and whose starter may have died, too.
    """
    replace = replace or payload.definition.replace
    step = _Queue(edges, payload.id, payload.definition.workflow, replace)
    entry = change(edges.index, payload.id, step) or find_entry(edges, payload.id.key)
    return entry, entry.state is State.queued


@dataclass(frozen=True, slots=True)
class _Queue:
    """The step of an entry to its next run."""

    edges: Edges
    subject: PayloadId
    workflow: str
    replace: bool

    def __call__(self, stored: Entry | None) -> Entry | None:
        if not may_start(stored, replace=self.replace):
            return None
        wanted = self.wanted(stored)
        return lifecycle.queue(stored, wanted, now=self.edges.now(), live=False)

    def wanted(self, stored: Entry | None) -> Entry:
        """Return the entry of the next run, planned, with the executions of those before and its own."""
        before = list(stored.extra.get("executions", ())) if stored else []
        arn = execution_arn(self.edges.stack.workflow_arn(self.workflow), execution_name(self.subject, before))
        number = stored.number + 1 if stored else 1
        now = self.edges.now()
        first = stored.extra.get("first", stored.extra.get("created", now)) if stored else now
        extra = {"created": now, "first": first, "executions": [*before, arn]}
        if stored and record.COPY in stored.extra:
            extra[record.COPY] = stored.extra[record.COPY]
        return Entry(self.subject, State.planned, run_name(self.subject.key, number), extra=extra)


def _write_input(edges: Edges, entry: Entry, document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Write the payload of a run, unless somebody who handed it in at the same time has. Return the one that is
    there.
    """
    url = record.input_of(edges, entry)
    try:
        edges.store.swap(url, json.dumps(document).encode(), None, "application/json")
    except Conflict:
        return record.read_document(edges, url)
    return document


def _refuse(edges: Edges, subject: PayloadId, document: Mapping[str, Any], failure: Failure) -> None:
    """Write down that a payload has failed before it could start, and keep it. One that goes on stays as it is."""

    def step(stored: Entry | None) -> Entry | None:
        if stored is not None and not stored.state.ended:
            return None
        wanted = _Queue(edges, subject, subject.workflow, replace=True).wanted(stored)
        return lifecycle.fail(stored, wanted, failure, now=edges.now(), live=False)

    entry = change(edges.index, subject, step)
    if entry is not None:
        _write_input(edges, entry, document)
        record.keep_stored(edges, entry)
        announce_end(edges, entry)


def _keep_invalid(edges: Edges, value: object, error: DocumentError) -> None:
    """Keep what is no payload: under its id, where it can be told, and else with the reason among what has none."""
    try:
        subject = id_of(value)
    except DocumentError:
        told = json.dumps({"reason": error.message, "payload": value}).encode()
        url = edges.internal(f"{KEPT_INVALID}/{uuid4().hex}.json")
        edges.store.put(url, told, "application/json")
        announce(edges, "NOT_A_PROCESS_PAYLOAD", None, input=url, error=error.message)
        return
    document = value if isinstance(value, Mapping) else {}
    _refuse(edges, subject, document, Failure(INVALID, error.message))
