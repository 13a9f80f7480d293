"""Runs that messages start: one for each rule that a message belongs to, however often it comes."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from pileus.cumulus.received import Kind, Received, collection_of
from pileus.cumulus.start_document import (
    rules_of_message,
    rules_of_source,
    run_id,
    start_document,
    workflow_of,
)
from pileus.documents import Rule
from pileus.edges.workflows import Workflows
from pileus.errors import Conflict, DocumentError, UsageError
from pileus.project.registry import Registry
from pileus.runs.control import start_workflow
from pileus.runs.executions import arn_of, place_of
from pileus.runs.payload_events import announce
from pileus.runs.payloads import process
from pileus.runs.record import input_url, read_document
from pileus.runs.view import Run
from pileus.subject import Execution
from pileus.wiring import Edges


def start_all(edges: Edges, workflows: Workflows, registry: Registry, received: Received) -> list[Run]:
    """Start the workflow of each enabled rule that a message belongs to, and return the runs. Handed over again, it
    starts nothing.

    Raises DocumentError for what is no JSON object or a wrong CNM, Unknown for a message that no rule takes or that
    names an unknown collection, and what `_start_one` raises. Runs of other rules may have been started then. A payload
    starts the workflow that it names, and raises what `process` does.
    """
    if received.kind == "payload":
        return [process(edges, workflows, _payload(edges, received)).run]
    rules = rules_of_source(registry.rules.values(), received.kind, received.arn)
    message = received.message()
    return [
        _start_one(edges, workflows, registry, rule, received, message) for rule in rules_of_message(rules, message)
    ]


def _payload(edges: Edges, received: Received) -> dict[str, Any]:
    try:
        return received.message()
    except DocumentError as exc:
        announce(edges, "RECORD_EXTRACT_FAILED", None, error=exc.message)
        raise


def _start_one(
    edges: Edges,
    workflows: Workflows,
    registry: Registry,
    rule: Rule,
    received: Received,
    message: Mapping[str, Any],
) -> Run:
    """Start the workflow of one rule with a message, and return the run; where it was started, that run.

    Raises what `start_workflow` raises, Unknown for a collection or provider that is not populated, and Conflict for a
    CNM whose identifier another CNM had.
    """
    subject = Execution(workflow_of(rule), run_id(rule, received, message))
    document = _document(edges, registry, rule, received, message, subject)
    try:
        return start_workflow(edges, workflows, subject.name, document, subject.id)
    except Conflict:
        # The documents may have been populated anew since, or another source has sent the same CNM.
        there = read_document(edges, input_url(edges, subject))
        if there.get("payload") != message:
            raise
        return start_workflow(edges, workflows, subject.name, there, subject.id)


def _document(
    edges: Edges, registry: Registry, rule: Rule, received: Received, message: Mapping[str, Any], subject: Execution
) -> dict[str, Any]:
    name, version = (rule.collection.name, rule.collection.version) if rule.collection else collection_of(message)
    collection = registry.collection(name, version) if name else None
    named = rule.provider or (collection.provider if collection else None)
    provider = registry.provider_named(named) if named else None
    return start_document(rule, received, message, place_of(edges, subject), collection, provider)


def start_by_hand(
    edges: Edges, workflows: Workflows, registry: Registry, rule: Rule, message: Mapping[str, Any] | None
) -> str:
    """Fire a rule of any state with a message that a person gives, and return the ARN of the execution. Without one a
    rule that fires by itself starts its workflow over its `payload`.

    A CNM that the rule has had starts nothing new. Raises UsageError for a rule that backfills, or that is given no
    message and fires with one; and what `_start_one` raises.
    """
    if registry.backfills(rule):
        raise UsageError(f"rule {rule.name} backfills a collection: it takes no message")
    fires = rule.rule.type
    kind: Kind = fires if fires == "sqs" or fires == "sns" or fires == "kinesis" else "rule"
    if message is None and kind != "rule":
        told = f"give one, `pileus rules run {rule.name} --message FILE`"
        raise UsageError(f"rule {rule.name} fires with a message: {told}")
    body = json.dumps(message if message is not None else rule.payload or {})
    source = rule.name if kind == "rule" else rule.rule.value or ""
    received = Received(kind, source, f"hand-{uuid4().hex}", body, edges.now())
    run = _start_one(edges, workflows, registry, rule, received, received.message())
    return arn_of(edges, Execution(workflow_of(rule), run.key.rpartition("/")[2]), run.number)
