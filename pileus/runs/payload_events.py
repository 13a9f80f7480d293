"""Tells subscribers what becomes of payloads."""

from typing import Any

from pileus.cirrus.events import Name, event_of
from pileus.cirrus.states import cirrus_state
from pileus.lifecycle.partition import Entry
from pileus.models import State
from pileus.runs.record import input_of
from pileus.subject import PayloadId
from pileus.wiring import Edges


def announce(edges: Edges, name: Name, payload: PayloadId | None, **told: Any) -> None:
    """Publish an event; see `event_of` for what it may tell. Without a topic nothing is done."""
    if edges.stack.payload_events:
        message, attributes = event_of(name, payload, edges.now(), **told)
        edges.topics.publish(edges.stack.payload_events, message, attributes)


def announce_entry(edges: Edges, name: Name, entry: Entry) -> None:
    """Publish an event about a payload as its entry says it is."""
    subject = entry.subject
    assert isinstance(subject, PayloadId)
    told: dict[str, Any] = {"input": input_of(edges, entry), "execution": entry.extra["executions"][-1]}
    if entry.state is State.succeeded:
        told["output"] = entry.manifest
    if entry.failure:
        told["error"] = str(entry.failure)
    announce(edges, name, subject, **told)


def announce_skipped(edges: Edges, entry: Entry) -> None:
    """Publish that a payload was handed in whose state allowed no run."""
    already: dict[str, Name] = {
        "INVALID": "ALREADY_INVALID",
        "PROCESSING": "ALREADY_PROCESSING",
        "CLAIMED": "ALREADY_CLAIMED",
        "SUCCEEDED": "ALREADY_SUCCEEDED",
    }
    if name := already.get(cirrus_state(entry)):
        announce_entry(edges, name, entry)


def announce_end(edges: Edges, entry: Entry, *, timed_out: bool = False) -> None:
    """Publish the end of a payload's run."""
    ends: dict[str, Name] = {
        "SUCCEEDED": "SUCCEEDED",
        "INVALID": "INVALID",
        "ABORTED": "ABORTED",
        "FAILED": "TIMED_OUT" if timed_out else "FAILED",
    }
    announce_entry(edges, ends[cirrus_state(entry)], entry)
