"""StartFromMessage: a message of a queue, a topic or a stream starts the workflows of the rules that it belongs to; one
of the stack's queue of payloads, the workflow that it names.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pileus.backfills.control import read_registry
from pileus.cumulus.received import Delivery, deliveries, failed
from pileus.cumulus.start_document import patience, rules_of_message, rules_of_source
from pileus.documents import Rule
from pileus.edges.workflows import Workflows
from pileus.errors import PileusError
from pileus.lifecycle.partition import Failure
from pileus.project.registry import Registry
from pileus.runs.from_message import start_all
from pileus.runs.message_end import letter
from pileus.wiring import Edges

TRIES = 2
"""How often a message of a topic or a stream is tried before the stack's own queue gets it."""


def start_from_message(edges: Edges, workflows: Workflows, event: Mapping[str, Any]) -> dict[str, Any]:
    """Start what the messages of one event start. Return which of them their queue is to hand over again.

    1. A message that was dealt with leaves its queue: its run is recorded, and goes on by itself.
    2. A message that failed in a queue is handed over again; after its rule's `meta.retries`, if the same would fail
       once more, it goes to the dead letters with its reason.
    3. A message of a topic or a stream that failed twice goes to the stack's own queue, where 2 holds for it. So
       neither holds up what comes behind it.

    Within a workflow of Cumulus the event is the task's `input`. Raises UsageError for another event, StoreError when
    neither the stack nor its queue can be reached.
    """
    told = event["input"] if isinstance(event, Mapping) and "input" in event else event
    found = deliveries(told, edges.stack.messages, edges.stack.process)
    of_rules = any(one.message.kind != "payload" for one in found)
    registry = read_registry(edges.store, edges.stack) if of_rules else Registry({}, {}, {})
    return failed(one.item for one in found if not _Message(edges, workflows, registry, one).dealt_with())


@dataclass(frozen=True)
class _Message:
    """One message of an event."""

    edges: Edges
    workflows: Workflows
    registry: Registry
    delivery: Delivery

    def dealt_with(self) -> bool:
        """Return whether its source may forget it."""
        for _ in range(1 if self.delivery.queue else TRIES):
            error = self._started()
            if error is None:
                return True
        assert error is not None  # it was tried
        if not self.delivery.queue:
            self.edges.letters.fall_back(self.delivery.message.to_json())
            return True
        return self._given_up(error)

    def _started(self) -> PileusError | None:
        try:
            start_all(self.edges, self.workflows, self.registry, self.delivery.message)
        except PileusError as error:
            return error
        return None

    def _given_up(self, error: PileusError) -> bool:
        """Put a message aside that was tried often enough. Return whether it was; else its queue has it again."""
        rules = self._rules()
        retries, seconds = patience(rules)
        if self.delivery.message.kind == "payload":
            retries = 0  # what is wrong with it stays wrong
        if self.delivery.count <= retries or error.retryable:
            if seconds is not None:
                self.edges.letters.hide(self.delivery.queue, self.delivery.receipt, seconds)
            return False
        failure = Failure.of(error)
        self.edges.letters.put_aside(letter(self.delivery.message, failure, [rule.name for rule in rules]))
        return True

    def _rules(self) -> list[Rule]:
        """Return the rules that the message is for; all of its source where that cannot be read from it."""
        message = self.delivery.message
        rules = rules_of_source(self.registry.rules.values(), message.kind, message.arn)
        try:
            return rules_of_message(rules, message.message())
        except PileusError:
            return rules
