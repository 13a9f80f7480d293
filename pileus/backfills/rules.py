"""Rules: what starts work without a person. Schedules match the registry; a onetime rule fires once a content.

A firing backfills the rule's collection, where that is a template. Any other is a message of the stack's own queue,
which starts the rule's workflow as a message of any other source does.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from pileus.backfills.control import TRIGGER, read_registry
from pileus.backfills.message_rules import sync_sources
from pileus.cumulus.received import Received, queue_arn
from pileus.cumulus.start_document import run_id, workflow_of
from pileus.documents import Rule
from pileus.documents.rule import MESSAGES
from pileus.documents.schedule import Rate, parse
from pileus.edges.message_sources import MessageSources
from pileus.edges.schedules import Schedule, Schedules
from pileus.edges.workflows import Workflows
from pileus.errors import Conflict, NotFound, Unknown, UsageError
from pileus.project.registry import Registry
from pileus.wiring import Edges

Change = tuple[str, str]
"""Name of a rule, and what was done: `created`, `updated`, `deleted` or `started`."""


def input_of(registry: Registry, rule: Rule) -> dict[str, Any]:
    """Return what a firing of a rule says: the event that GenerateCollections receives, or the message with which a
    rule that backfills nothing starts its workflow. Raises UsageError for a rule that fires with messages.
    """
    if rule.rule.type in MESSAGES:
        raise UsageError(f"rule {rule.name} fires with messages of type {rule.rule.type} alone")
    if rule.collection is None or not registry.backfills(rule):
        return _message(rule).to_json()
    value = {
        "rule": rule.name,
        "collection": {"name": rule.collection.name, "version": rule.collection.version},
        "spanStart": rule.meta.spanStart,
        "spanEnd": rule.meta.spanEnd,
        "provider": rule.provider,
        "workflow": rule.workflow,
        "reportFailures": rule.meta.reportFailures or None,
    }
    return {key: item for key, item in value.items() if item is not None}


def schedule_of(edges: Edges, registry: Registry, rule: Rule) -> Schedule:
    """Return the schedule of a scheduled rule."""
    assert rule.rule.value is not None  # the document was checked
    return Schedule(
        rule.name,
        rule.rule.value,
        rule.rule.timezone,
        rule.state == "ENABLED",
        edges.stack.workflow_arn(TRIGGER) if registry.backfills(rule) else _queue(edges),
        input_of(registry, rule),
    )


def _queue(edges: Edges) -> str:
    """Return the ARN of the stack's own queue of messages."""
    return queue_arn(edges.stack.messages, edges.stack.workflows.split(":")[3])


def sync(edges: Edges, schedules: Schedules, registry: Registry) -> list[Change]:
    """Create, change and delete schedules until they match the registry's rules. Return what was done."""
    there = schedules.all()
    wanted = {
        rule.name: schedule_of(edges, registry, rule)
        for rule in registry.rules.values()
        if rule.rule.type == "scheduled"
    }
    changes: list[Change] = []
    for name, schedule in wanted.items():
        if there.get(name) == schedule:
            continue
        new = name not in there
        try:
            schedules.put(schedule, new=new)
        except Conflict:  # MiniStack lists a hundred schedules, and no second page
            schedules.put(schedule, new=False)
        changes.append((name, "created" if new else "updated"))
    for name in there.keys() - wanted.keys():
        schedules.delete(name)
        changes.append((name, "deleted"))
    return changes


def fire_onetime(edges: Edges, workflows: Workflows, registry: Registry) -> list[Change]:
    """Start each enabled onetime rule that has not fired with its present content. Return what was done."""
    changes: list[Change] = []
    for rule in _onetime(registry):
        text = _content(registry, rule)
        mark = edges.internal(f"rules/{rule.name}/fired.json")
        if _fired(edges, mark) == text:
            continue
        _fire(edges, workflows, registry, rule)
        edges.store.put(mark, text.encode(), "application/json")
        changes.append((rule.name, "started"))
    return changes


def fire_lost(edges: Edges, workflows: Workflows, registry: Registry) -> list[Change]:
    """Start each onetime rule again whose firing was lost with the engine, before what it starts was written to S3.

    Return what was done.
    """
    changes: list[Change] = []
    for rule in _onetime(registry):
        fired = _fired(edges, edges.internal(f"rules/{rule.name}/fired.json"))
        if fired == _content(registry, rule) and not any(edges.store.list(_begun(edges, registry, rule))):
            _fire(edges, workflows, registry, rule)
            changes.append((rule.name, "started"))
    return changes


def _onetime(registry: Registry) -> list[Rule]:
    return [rule for rule in registry.rules.values() if rule.rule.type == "onetime" and rule.state == "ENABLED"]


def _fire(edges: Edges, workflows: Workflows, registry: Registry, rule: Rule) -> None:
    """Let a onetime rule begin. What it starts is one thing for one content, however often it is told."""
    if registry.backfills(rule):
        workflows.start(TRIGGER, _firing(registry, rule), input_of(registry, rule))
    else:
        edges.letters.fall_back(replace(_message(rule), id=_firing(registry, rule), sent=edges.now()).to_json())


def _begun(edges: Edges, registry: Registry, rule: Rule) -> str:
    """Return the address of the first object that a onetime rule's firing writes, or that of its folder."""
    if registry.backfills(rule):
        return edges.internal(f"backfills/{backfill_id(rule.name, _firing(registry, rule))}/backfill.json")
    message = replace(_message(rule), id=_firing(registry, rule))
    return edges.internal(f"executions/{workflow_of(rule)}/{run_id(rule, message, rule.payload or {})}/")


def _message(rule: Rule) -> Received:
    """Return the message with which a rule that backfills nothing starts its workflow."""
    return Received("rule", rule.name, "", json.dumps(rule.payload or {}))


def backfill_id(rule: str, execution: str) -> str:
    """Return the id of the backfill that a rule's execution of this name begins.

    >>> backfill_id("monthly night lights", "monthly-0a1b2c3d4e5f")
    'monthly-night-lights-0a1b2c3d4e5f'
    """
    return f"{re.sub('[^A-Za-z0-9_-]', '-', rule)[:47]}-{execution[-12:]}"


def _firing(registry: Registry, rule: Rule) -> str:
    """Return the name of a onetime rule's execution, which comes from its content: a second start is the same one."""
    return f"{rule.name}-{hashlib.sha256(_content(registry, rule).encode()).hexdigest()[:12]}"


def _content(registry: Registry, rule: Rule) -> str:
    """Return what a onetime rule says of its firing: as long as that stays, it fires once."""
    if registry.backfills(rule):
        return json.dumps(input_of(registry, rule), sort_keys=True)
    named = rule.collection.model_dump() if rule.collection else None
    told = {"workflow": rule.workflow, "provider": rule.provider, "meta": rule.meta.model_dump(), "collection": named}
    return json.dumps(input_of(registry, rule) | told, sort_keys=True)


def _fired(edges: Edges, mark: str) -> str | None:
    try:
        return edges.store.get(mark).decode()
    except NotFound:
        return None


def apply(
    edges: Edges, workflows: Workflows, schedules: Schedules, sources: MessageSources, registry: Registry
) -> list[Change]:
    """Update the schedules and the sources of messages, and start the onetime rules, as `populate` does; return what
    was done. A source is named by its ARN.
    """
    kept = [*sync(edges, schedules, registry), *sync_sources(edges, sources, registry)]
    return [*kept, *fire_onetime(edges, workflows, registry)]


def switch(
    edges: Edges, workflows: Workflows, schedules: Schedules, sources: MessageSources, name: str, *, enabled: bool
) -> list[Change]:
    """Let a rule fire, or stop it; return what was done. Backfills that it started go on. Raises Unknown."""
    registry = read_registry(edges.store, edges.stack)
    rule = find(registry, name).model_copy(update={"state": "ENABLED" if enabled else "DISABLED"})
    changed = Registry(registry.collections, registry.providers, {**registry.rules, name: rule})
    edges.store.put(edges.internal("registry.json"), changed.to_json(), "application/json")
    return apply(edges, workflows, schedules, sources, changed)


def run(edges: Edges, workflows: Workflows, registry: Registry, rule: Rule) -> str:
    """Fire a rule now, in any state. Return the ARN of the execution."""
    moment = datetime.fromtimestamp(edges.now(), UTC)
    return workflows.start(TRIGGER, f"{rule.name[:60]}-{moment:%d%H%M%S%f}", input_of(registry, rule))


def find(registry: Registry, name: str) -> Rule:
    """Return the rule of this name. Raises Unknown, which names the rules that exist."""
    if name not in registry.rules:
        known = ", ".join(sorted(registry.rules)) or "none is populated"
        raise Unknown(f"there is no rule {name!r}: expected one of {known}")
    return registry.rules[name]


def firings(rule: Rule, schedules: Schedules, now: datetime) -> Iterator[datetime]:
    """Yield the times in UTC after `now` at which the rule fires; none for a disabled or a onetime rule."""
    if rule.rule.type != "scheduled" or rule.state != "ENABLED" or rule.rule.value is None:
        return
    when = parse(rule.rule.value)
    if isinstance(when, Rate):
        yield from when.after(now, schedules.made(rule.name))
    else:
        yield from when.after(now, ZoneInfo(rule.rule.timezone))
