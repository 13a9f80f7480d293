"""What follows a payload that has succeeded: its items are published, and the next processes are started."""

import json
from collections.abc import Mapping
from typing import Any

from pileus.cirrus.chain import next_payloads
from pileus.cirrus.publication import attributes_of
from pileus.edges.workflows import Workflows
from pileus.errors import DocumentError, UsageError
from pileus.runs.payloads import fetched, process
from pileus.wiring import Edges


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
