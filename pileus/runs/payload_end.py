"""The end of a payload's run. After a success its items are published and its next processes started."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from pileus.cirrus.chain import next_payloads
from pileus.cirrus.publication import attributes_of
from pileus.edges.index import change
from pileus.edges.workflows import Workflows
from pileus.errors import DocumentError, UsageError
from pileus.lifecycle.partition import Entry, Failure
from pileus.runs import record
from pileus.runs.executions import arn_of_entry
from pileus.runs.owned import End, failed, finished
from pileus.runs.payload_events import announce_end
from pileus.runs.payloads import fetched, process
from pileus.subject import PayloadId
from pileus.wiring import Edges


def end_payload(edges: Edges, workflows: Workflows, entry: Entry | None, number: int, end: End) -> Entry | None:
    """End a payload's run whose execution has ended, and tell so. Return its entry then, None where there is none.

    `entry`: as it was just read. What has succeeded was handed on before that.
    """
    if entry is None or entry.number != number:
        return entry
    subject, run = entry.subject, entry.run
    assert isinstance(subject, PayloadId)
    if entry.state.ended:
        record.keep(edges, subject)  # who ended it may have died before that
        return entry
    step = _handed_on(edges, workflows, entry, end.output or "null") if end.status == "SUCCEEDED" else None
    ended = change(edges.index, subject, step or (lambda stored: failed(edges, stored, run, end)), entry)
    if ended is None:
        return edges.index.entry(subject)
    record.keep_stored(edges, ended)
    announce_end(edges, ended, timed_out=end.status == "TIMED_OUT")
    return ended


def _handed_on(edges: Edges, workflows: Workflows, entry: Entry, output: str) -> Callable[[Entry | None], Entry | None]:
    """Hand on what the execution of a payload has put out, and return the step to the end of its run."""
    run = entry.run
    try:
        body, nothing = follow(edges, workflows, output)
    except DocumentError as exc:
        wrong = End("FAILED", Failure.of(exc))
        return lambda stored: failed(edges, stored, run, wrong)
    assert isinstance(entry.subject, PayloadId)
    url = record.execution_url(edges, entry.subject, arn_of_entry(edges, entry), "output.json")
    edges.store.put(url, body, "application/json")

    def step(stored: Entry | None) -> Entry | None:
        if stored is None or stored.run != run or stored.state.ended:
            return None
        return finished(edges, stored, url, "; ".join(nothing))

    return step


def follow(edges: Edges, workflows: Workflows, output: str) -> tuple[bytes, tuple[str, ...]]:
    """Publish the items of what an execution has put out, to the topic and the catalogue of the settings, and start the
    processes that come next.

    `output`: JSON of a payload, or of its address. Return the payload as JSON, to be kept, and a sentence for each
    process that started nothing. Done again after a crash, it publishes again, and starts no process that has succeeded
    or goes on. Raises DocumentError where it is no payload, or a next one is wrong.
    """
    document = fetched(edges, json.loads(output))
    if not isinstance(document, Mapping):
        raise DocumentError(f"the workflow put out {str(document)[:60]!r}, and no payload")
    _publish(edges, document)
    chained, nothing = next_payloads(document), []
    for payload in chained.payloads:
        try:
            found = process(edges, workflows, payload)
        except UsageError as exc:
            nothing.append(f"process[1]: {exc.message}")
            continue
        if not found.started:
            nothing.append(f"{found.run.key} is {found.run.state}, so it was not started again")
    return json.dumps(document).encode(), (*chained.nothing, *nothing)


def _publish(edges: Edges, document: Mapping[str, Any]) -> None:
    items = document.get("features")
    for item in items if isinstance(items, list) else ():
        if not isinstance(item, Mapping):
            continue
        edges.items.put(item)
        if edges.stack.publish:
            edges.topics.publish(edges.stack.publish, item, attributes_of(item))
