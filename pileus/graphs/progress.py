"""Where requests stand, as every face tells it."""

from collections.abc import Iterator

from pileus.errors import BY_NAME, NotFound, OperationFailed, PileusError, UsageError
from pileus.graphs import record
from pileus.lifecycle.partition import Entry, Failure
from pileus.models import State
from pileus.stratus.service import Progress
from pileus.subject import Request
from pileus.wiring import Edges

READ = 100
"""Entries that are read at once."""
MOST_READ = 5000
"""Entries that are read for one list."""


def subject_of(rid: str) -> Request:
    """Return the subject of a request. Raises NotFound for what no request can be named."""
    try:
        return Request(record.PROCESS, rid)
    except UsageError as error:
        raise NotFound("there is no such request", where=rid[:80]) from error


def entry_of(edges: Edges, rid: str) -> Entry:
    """Return the entry of a request. Raises NotFound."""
    entry = edges.index.entry(subject_of(rid))
    if entry is None:
        raise NotFound("there is no such request", where=rid)
    return entry


def progress_of(edges: Edges, entry: Entry) -> Progress:
    """Return where a request stands."""
    subject, facts = entry.subject, entry.extra.get("facts", {})
    assert isinstance(subject, Request)
    operations = int(facts.get("operations", 0))
    outputs = facts.get("outputs")
    if outputs is None:  # they are many
        outputs = record.graph_at(edges, subject).outputs
    done = operations if entry.state is State.succeeded else 0
    if entry.state in (State.running, State.failed, State.cancelled):
        done = len(record.sizes(edges, subject, entry.number))
    return Progress(
        rid=subject.id,
        cid=str(facts.get("cid", "")),
        state=entry.state,
        outputs=tuple(outputs),
        done=done,
        operations=operations,
        why=str(entry.failure) if entry.failure else entry.reason,
    )


def latest(edges: Edges, cid: str, limit: int) -> Iterator[Progress]:
    """Yield the latest requests, the newest first. `cid`: of whom; empty: of all."""
    scope, after, read, found = Request(record.PROCESS, "x").scope, "", 0, 0
    while read < MOST_READ and found < limit:
        entries = edges.index.listing(scope, limit=READ, after=after, backwards=True)
        for entry in entries:
            after = entry.subject.item
            if found < limit and (not cid or entry.extra.get("facts", {}).get("cid") == cid):
                found += 1
                yield progress_of(edges, entry)
        if len(entries) < READ:
            return
        read += READ


def error_of(failure: Failure) -> PileusError:
    """Return the error that a request has failed with.

    >>> error_of(Failure("DocumentError", "is wrong")), error_of(Failure("ValueError", "no", "r1"))
    (DocumentError('is wrong'), OperationFailed('no'))
    """
    kind = BY_NAME.get(failure.type, OperationFailed)
    if kind is not OperationFailed:
        return kind(failure.message, where=failure.where)
    return OperationFailed(failure.message, where=failure.where, kind=failure.type)
