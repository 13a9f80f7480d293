"""CloudFormation change sets: show what a deployment would change, and carry it out."""

import json
import time
from dataclasses import asdict, dataclass
from typing import Any

from pileus.edges.aws import Aws
from pileus.edges.cloudformation import (
    CAPABILITIES,
    Assembly,
    deployed,
    describe,
    outputs,
    template_url,
    wait_until,
)
from pileus.errors import StoreError, UsageError


@dataclass(frozen=True, slots=True)
class Change:
    """The change of one resource."""

    action: str
    """`Add`, `Modify` or `Remove`."""
    kind: str
    """Its type, such as AWS::SQS::Queue."""
    name: str
    """Logical id."""
    replaced: bool = False
    """Whether a new resource replaces the old one."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """The changes of one stack. `change_set`: its ARN, or the stack's where they were only foreseen; None for a stack
    that does not exist yet.
    """

    stack: str
    changes: tuple[Change, ...]
    change_set: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the changes as JSON. The change set is left out: it is deleted by then."""
        return {
            "stack": self.stack,
            "new": self.change_set is None and bool(self.changes),
            "changes": [asdict(change) for change in self.changes],
        }


def propose(aws: Aws, assembly: Assembly, stack: str) -> Proposal:
    """Compare a synthesized stack with the deployed one by a change set. `discard` deletes the change set.

    A stack that does not exist is all additions, and nothing is sent to AWS. Raises UsageError for a stack that must be
    removed first.
    """
    found = describe(aws, stack)
    if found is None:
        return all_new(assembly, stack)
    status = found["StackStatus"]
    if status in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED", "REVIEW_IN_PROGRESS"):
        why = f"is {status}, which cannot be updated: `pileus destroy` removes what is left of it"
        raise UsageError(why, where=stack)
    if _deployed(aws, stack) == json.loads(assembly.template(stack)):
        return Proposal(stack, ())
    url = template_url(aws, assembly, stack)
    name = f"pileus-{round(time.time() * 1000)}"
    made = aws.cloudformation.create_change_set(
        StackName=stack, ChangeSetName=name, TemplateURL=url, Capabilities=CAPABILITIES
    )
    return Proposal(stack, _changes(aws, made["Id"], stack), made["Id"])


def foresee(aws: Aws, assembly: Assembly, stack: str) -> Proposal:
    """Compare a synthesized stack with the deployed one by their templates, and send nothing to AWS.

    Which resources will be replaced only a change set says. Raises StoreError when AWS cannot be reached.
    """
    wanted = assembly.resources(stack)
    found = describe(aws, stack)
    before = _deployed(aws, stack).get("Resources", {}) if found else {}
    changes = []
    for name in sorted({*wanted, *before}):
        if wanted.get(name) != before.get(name):
            action = "Add" if name not in before else "Modify" if name in wanted else "Remove"
            changes.append(Change(action, (wanted.get(name) or before[name])["Type"], name))
    return Proposal(stack, tuple(changes), found and found["StackId"])


def all_new(assembly: Assembly, stack: str) -> Proposal:
    """Return the proposal for a stack that does not exist."""
    resources = assembly.resources(stack)
    return Proposal(stack, tuple(Change("Add", made["Type"], name) for name, made in sorted(resources.items())))


def carry_out(aws: Aws, assembly: Assembly, proposal: Proposal) -> dict[str, str]:
    """Create or update the stack, wait for it, and return its outputs.

    Raises StoreError with CloudFormation's reason.
    """
    if proposal.change_set is None:
        url = template_url(aws, assembly, proposal.stack)
        aws.cloudformation.create_stack(StackName=proposal.stack, TemplateURL=url, Capabilities=CAPABILITIES)
        return deployed(aws, proposal.stack, "stack_create_complete")
    if not proposal.changes:
        discard(aws, proposal)
        return outputs(aws, proposal.stack) or {}
    aws.cloudformation.execute_change_set(ChangeSetName=proposal.change_set)
    return deployed(aws, proposal.stack, "stack_update_complete")


def discard(aws: Aws, proposal: Proposal) -> None:
    """Delete a change set. The stack does not change."""
    if proposal.change_set:
        aws.cloudformation.delete_change_set(ChangeSetName=proposal.change_set)


def remove(aws: Aws, stack: str) -> None:
    """Delete a stack and wait until it is gone. Raises StoreError with CloudFormation's reason."""
    aws.cloudformation.delete_stack(StackName=stack)
    wait_until(aws, "stack_delete_complete", stack)


def _deployed(aws: Aws, stack: str) -> Any:
    body: Any = aws.cloudformation.get_template(StackName=stack)["TemplateBody"]
    return json.loads(body) if isinstance(body, str) else body


def _changes(aws: Aws, change_set: str, stack: str) -> tuple[Change, ...]:
    try:
        wait_until(aws, "change_set_create_complete", stack, ChangeSetName=change_set)
    except StoreError as exc:
        if "didn't contain changes" in exc.message or "No updates" in exc.message:
            return ()
        raise
    pages = aws.cloudformation.get_paginator("describe_change_set").paginate(ChangeSetName=change_set)
    return tuple(_change(one["ResourceChange"]) for page in pages for one in page["Changes"])


def _change(value: Any) -> Change:
    replaced = value.get("Replacement") in ("True", "Conditional")
    return Change(value["Action"], value["ResourceType"], value["LogicalResourceId"], replaced)
