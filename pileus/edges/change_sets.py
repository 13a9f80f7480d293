"""What a deployment would change, shown before anything is changed; and carrying it out."""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pileus.edges.aws import Aws
from pileus.edges.cloudformation import CAPABILITIES, Assembly, describe, reason, settled, upload, upload_object
from pileus.errors import StoreError, UsageError

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Change:
    """One resource."""

    action: str
    """`Add`, `Modify` or `Remove`."""
    kind: str
    """Its type, such as AWS::SQS::Queue."""
    name: str
    """Logical id."""
    replaced: bool = False
    """Whether the resource is made anew and the old one goes."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What would happen to one stack. `change_set`: its ARN; None for a stack that is not there yet."""

    stack: str
    changes: tuple[Change, ...]
    change_set: str | None = None


def propose(aws: Aws, assembly: Assembly, stack: str) -> Proposal:
    """Compare a synthesized stack with the deployed one, by a change set, which `discard` removes without a trace.

    For a stack that is not there everything is added, and nothing is sent to AWS. Raises UsageError for a stack that
    must be removed first.
    """
    found = describe(aws, stack)
    if found is None:
        resources = assembly.resources(stack)
        return Proposal(stack, tuple(Change("Add", made["Type"], name) for name, made in sorted(resources.items())))
    status = found["StackStatus"]
    if status in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED", "REVIEW_IN_PROGRESS"):
        why = f"is {status}, which cannot be updated: `pileus destroy` removes what is left of it"
        raise UsageError(why, where=stack)
    if _deployed(aws, stack) == json.loads(assembly.template(stack)):
        return Proposal(stack, ())
    url = _template(aws, assembly, stack)
    name = f"pileus-{round(time.time() * 1000)}"
    made = aws.cloudformation.create_change_set(
        StackName=stack, ChangeSetName=name, TemplateURL=url, Capabilities=CAPABILITIES
    )
    return Proposal(stack, _changes(aws, made["Id"], stack), made["Id"])


def carry_out(aws: Aws, assembly: Assembly, proposal: Proposal, tell: Tell) -> dict[str, str]:
    """Create or update the stack and wait for it; its outputs. Raises StoreError with CloudFormation's reason."""
    if proposal.change_set is None:
        url = _template(aws, assembly, proposal.stack)
        aws.cloudformation.create_stack(StackName=proposal.stack, TemplateURL=url, Capabilities=CAPABILITIES)
    elif proposal.changes:
        aws.cloudformation.execute_change_set(ChangeSetName=proposal.change_set)
    else:
        discard(aws, proposal)
    stack = settled(aws, proposal.stack, tell)
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", ())}


def discard(aws: Aws, proposal: Proposal) -> None:
    """Forget a change set; the stack stays as it is."""
    if proposal.change_set:
        aws.cloudformation.delete_change_set(ChangeSetName=proposal.change_set)


def remove(aws: Aws, stack: str, tell: Tell) -> None:
    """Delete a stack and wait until it is gone. Raises StoreError with CloudFormation's reason."""
    aws.cloudformation.delete_stack(StackName=stack)
    pause = 0.05
    while (found := describe(aws, stack)) and found["StackStatus"] != "DELETE_COMPLETE":
        if found["StackStatus"].endswith("_FAILED"):
            raise StoreError(f"ended {found['StackStatus']}: {reason(aws, stack)}", where=stack)
        tell(found["StackStatus"])
        time.sleep(pause)
        pause = min(pause * 1.5, 5)


def _deployed(aws: Aws, stack: str) -> Any:
    body: Any = aws.cloudformation.get_template(StackName=stack)["TemplateBody"]
    return json.loads(body) if isinstance(body, str) else body


def _template(aws: Aws, assembly: Assembly, stack: str) -> str:
    """Send the stack's assets and its template, which can be too large for a request; the template's address."""
    bucket = upload(aws, assembly, stack)
    body = assembly.template(stack).encode()
    return upload_object(aws, bucket, f"templates/{hashlib.sha256(body).hexdigest()}.json", body)


def _changes(aws: Aws, change_set: str, stack: str) -> tuple[Change, ...]:
    pause = 0.05
    while (found := aws.cloudformation.describe_change_set(ChangeSetName=change_set))["Status"] in (
        "CREATE_PENDING",
        "CREATE_IN_PROGRESS",
    ):
        time.sleep(pause)
        pause = min(pause * 1.5, 5)
    if found["Status"] == "FAILED":
        why = found.get("StatusReason", "")
        if "didn't contain changes" in why or "No updates" in why:
            return ()
        raise StoreError(f"CloudFormation refused: {why}", where=stack)
    pages = aws.cloudformation.get_paginator("describe_change_set").paginate(ChangeSetName=change_set)
    return tuple(_change(one["ResourceChange"]) for page in pages for one in page["Changes"])


def _change(value: Any) -> Change:
    replaced = value.get("Replacement") in ("True", "Conditional")
    return Change(value["Action"], value["ResourceType"], value["LogicalResourceId"], replaced)
