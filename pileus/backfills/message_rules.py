"""Rules that fire with messages: the sources that hand messages to the stack match the registry."""

from pileus.cumulus.received import queue_arn
from pileus.documents import Rule
from pileus.documents.rule import MESSAGES
from pileus.edges.message_sources import MessageSources, Source
from pileus.project.registry import Registry
from pileus.wiring import Edges


def source_of(edges: Edges, rule: Rule) -> str:
    """Return the ARN of the queue, topic or stream of a rule. Raises UsageError for the URL of no queue."""
    value = rule.rule.value or ""
    return queue_arn(value, edges.stack.workflows.split(":")[3]) if rule.rule.type == "sqs" else value


def wanted(edges: Edges, registry: Registry) -> dict[str, Source]:
    """Return the sources of the registry's rules by ARN. One that several rules share is enabled while one of them is.

    A topic that no enabled rule has is not among them: a subscription is there or it is not.
    """
    found: dict[str, bool] = {}
    for rule in registry.rules.values():
        if rule.rule.type in MESSAGES:
            arn = source_of(edges, rule)
            found[arn] = found.get(arn, False) or rule.state == "ENABLED"
    sources = {arn: Source(arn, enabled) for arn, enabled in found.items()}
    return {arn: one for arn, one in sources.items() if one.enabled or one.service != "sns"}


def sync_sources(edges: Edges, sources: MessageSources, registry: Registry) -> list[tuple[str, str]]:
    """Create, change and delete sources until they match the registry's rules. Return what was done, by ARN: `created`,
    `updated` or `deleted`.
    """
    there, should = sources.all(), wanted(edges, registry)
    changes = []
    for arn, source in should.items():
        if there.get(arn) != source:
            sources.put(source)
            changes.append((arn, "updated" if arn in there else "created"))
    for arn in there.keys() - should.keys():
        sources.delete(arn)
        changes.append((arn, "deleted"))
    return changes
