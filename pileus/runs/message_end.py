"""What is told of a message that could not start its workflow, or whose run has ended: a dead letter of a failure, and
the CNM response that its rule asks for.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pileus.cumulus.cnm import is_cnm, response
from pileus.cumulus.received import Received
from pileus.cumulus.start_document import source_of
from pileus.errors import NotFound
from pileus.lifecycle.partition import Entry, Failure
from pileus.models import State
from pileus.runs.record import folder, input_url, read_document
from pileus.subject import Execution
from pileus.wiring import Edges


def letter(received: Received, failure: Failure, rules: Iterable[str], run: str | None = None) -> dict[str, Any]:
    """Return the dead letter of a message. `rules`: names of those it was for; `run`: key of the run that failed."""
    reason = {"type": failure.type, "message": failure.message, "where": failure.where}
    told = {"reason": reason, "rules": list(rules), "message": received.to_json()}
    return told | ({"run": run} if run else {})


def tell_end(edges: Edges, subject: Execution, entry: Entry | None) -> None:
    """Tell the end of a run that a message started. Of any other run, and of one that goes on, nothing.

    It is told again only where whoever told it died before that was noted.
    """
    if entry is None or not entry.state.ended:
        return
    document = read_document(edges, input_url(edges, subject))
    started = source_of(document)
    if started is None or _is_told(edges, subject, entry):
        return
    rule, received = started
    good = entry.state is State.succeeded
    failure = None if good else entry.failure or Failure("Cancelled", entry.reason or "its run was cancelled")
    if failure:
        edges.letters.put_aside(letter(received, failure, [rule], subject.key))
    responded = _respond(edges, document, received, failure)
    if failure or responded:
        body = json.dumps({"state": str(entry.state), "run": entry.run}).encode()
        edges.store.put(_told_url(edges, subject, entry), body, "application/json")


def _respond(edges: Edges, document: Mapping[str, Any], received: Received, failure: Failure | None) -> bool:
    """Publish the CNM response, where it is asked for. Return whether it is."""
    asked, message = document["meta"].get("cnmResponse"), document["payload"]
    if asked in (None, False) or not is_cnm(message):
        return False
    told = response(message, received=received.sent, completed=edges.now(), failure=failure)
    topic = asked.get("topic") if isinstance(asked, Mapping) else None
    edges.topics.publish(str(topic or edges.stack.topic), told, {"response": told["response"]["status"]})
    return True


def _told_url(edges: Edges, subject: Execution, entry: Entry) -> str:
    return edges.internal(f"{folder(subject)}/told-{entry.number}.json")


def _is_told(edges: Edges, subject: Execution, entry: Entry) -> bool:
    try:
        edges.store.get(_told_url(edges, subject, entry))
    except NotFound:
        return False
    return True
