"""Which rules a message belongs to, under which id each starts its workflow, and over which Cumulus message."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from pileus.cumulus.cnm import is_cnm
from pileus.cumulus.message import Place, cumulus_message
from pileus.cumulus.received import Received, collection_of, is_queue
from pileus.documents import Collection, Provider, Rule
from pileus.documents.rule import MESSAGES
from pileus.errors import Unknown

RETRIES = 3
"""How often a message that failed is tried again where its rule does not say."""
PIPELINE = "DiscoverAndProcessGranules"
INGEST = "IngestGranules"


def workflow_of(rule: Rule) -> str:
    """Return the workflow that a message starts. The pipeline itself takes a point in time; IngestGranules is how a
    message enters it.
    """
    return INGEST if rule.workflow in (None, PIPELINE) else str(rule.workflow)


def is_source(rule: Rule, kind: str, arn: str) -> bool:
    """Return whether a rule fires with the messages of a source."""
    if kind == "rule":
        return rule.name == arn
    value = rule.rule.value or ""
    return rule.rule.type == kind and (is_queue(value, arn) if kind == "sqs" else value == arn)


def rules_of_source(rules: Iterable[Rule], kind: str, arn: str) -> list[Rule]:
    """Return the enabled rules that fire with the messages of a source, by name."""
    found = [rule for rule in rules if rule.state == "ENABLED" and is_source(rule, kind, arn)]
    return sorted(found, key=lambda rule: rule.name)


def rules_of_message(rules: Iterable[Rule], message: Mapping[str, Any]) -> list[Rule]:
    """Return those of a source's rules that a message belongs to. Raises Unknown where it belongs to none.

    1. A rule with a collection takes the messages that name it, and those that name none.
    2. A version that the message names is the rule's.
    3. A rule without a collection takes every message.
    """
    name, version = collection_of(message)
    found = [
        rule
        for rule in rules
        if rule.collection is None
        or (name in (None, rule.collection.name) and version in (None, rule.collection.version))
    ]
    if not found:
        named = f"collection {name!r}{f' version {version!r}' if version else ''}" if name else f"version {version!r}"
        raise Unknown(f"no enabled rule of this source takes {named if name or version else 'it'}")
    return found


def patience(rules: Iterable[Rule]) -> tuple[int, int | None]:
    """Return how often a message is tried again, and after how many seconds; None: after the queue's own. Of several
    rules the most counts.
    """
    found = list(rules)
    retries = max((RETRIES if one.meta.retries is None else one.meta.retries for one in found), default=RETRIES)
    waits = [one.meta.visibilityTimeout for one in found if one.meta.visibilityTimeout is not None]
    return retries, max(waits, default=None)


def run_id(rule: Rule, received: Received, message: Mapping[str, Any]) -> str:
    """Return the id of the run that a message starts by a rule: the same each time and wherever it is handed over.

    A CNM is known by its identifier, any other message by its source's id.
    """
    own = f"cnm {message['identifier']}" if is_cnm(message) else f"{received.arn} {received.id}"
    digest = hashlib.sha256(f"{rule.name}\n{own}".encode()).hexdigest()
    prefix = (rule.executionNamePrefix or "")[:20]
    return f"{prefix}-{digest[:19]}" if prefix else digest[:32]


def start_document(
    rule: Rule,
    received: Received,
    message: Mapping[str, Any],
    place: Place,
    collection: Collection | None,
    provider: Provider | None,
) -> dict[str, Any]:
    """Return the Cumulus message that the rule's workflow gets.

    All of it comes from the arguments, so that a message that is handed over again makes the same document.
    """
    source = {"type": received.kind, "arn": received.arn, "messageId": received.id, "sent": received.sent}
    return cumulus_message(
        place,
        collection,
        provider,
        message,
        meta=rule.meta.model_dump(mode="json", exclude_defaults=True),
        told={"eventSource": {"rule": rule.name, **source}},
        cumulus_meta={"workflow_start_time": round(received.sent * 1000)},
    )


def source_of(document: Mapping[str, Any]) -> tuple[str, Received] | None:
    """Return the rule and the message that a workflow was started for, of the document it got; None for any other
    document.
    """
    meta = document.get("meta")
    source = meta.get("eventSource") if isinstance(meta, Mapping) else None
    if not isinstance(source, Mapping) or source.get("type") not in (*MESSAGES, "rule") or "rule" not in source:
        return None
    body = json.dumps(document.get("payload"))
    kind, arn, id = (source[name] for name in ("type", "arn", "messageId"))
    return str(source["rule"]), Received(kind, str(arn), str(id), body, float(source.get("sent", 0)))
