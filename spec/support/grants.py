"""What roles may do, as the synthesized policies say, and what they do, as their calls say: to be compared.

Calls are those that `spec/support/recorded` wrote down. A policy's resources are resolved to the ARNs of a stack called
`pileus` in the account of the embedded AWS.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from spec.support.synthesized import IMAGE, SECRET, Template, listed, synthesize

ACCOUNT, REGION = "000000000000", "us-east-1"
API = {"signed": ["read"]}
SETTINGS = {
    "worker_image": IMAGE,
    "secret_arns": [SECRET],
    "read_buckets": ["open-archive"],
    "message_sources": [f"arn:aws:sqs:{REGION}:{ACCOUNT}:spec-grants"],
    "response_topics": [f"arn:aws:sns:{REGION}:{ACCOUNT}:spec-grants"],
}
BATCHES = {"DeleteMessageBatch": "DeleteMessage", "ChangeMessageVisibilityBatch": "ChangeMessageVisibility"}
S3 = {
    "HeadBucket": "ListBucket",
    "HeadObject": "GetObject",
    "ListObjectsV2": "ListBucket",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "CompleteMultipartUpload": "PutObject",
    "DeleteObjects": "DeleteObject",
}
TRANSACTIONS = {
    "Put": "PutItem",
    "ConditionCheck": "ConditionCheckItem",
    "Delete": "DeleteItem",
    "Update": "UpdateItem",
}
PREFIXES = {"stepfunctions": "states", "scheduler": "scheduler", "logs": "logs"}


@dataclass(frozen=True, order=True)
class Need:
    """What one call needs: an action on a resource; `*` where a token of Step Functions says which."""

    action: str
    resource: str


@dataclass(frozen=True)
class Statement:
    """A granted statement, with its patterns."""

    actions: tuple[str, ...]
    resources: tuple[str, ...]

    def allows(self, need: Need) -> bool:
        return any(_matches(action, need.action) for action in self.actions) and (
            need.resource == "*" or any(_matches(resource, need.resource) for resource in self.resources)
        )


def _matches(pattern: str, text: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), text, re.DOTALL) is not None


def needs(call: Mapping[str, Any]) -> Iterator[Need]:
    """What a recorded call needs in a stack called `pileus`."""
    for need in _needs(call):
        yield Need(need.action, need.resource.replace(f"{call['stack']}-", "pileus-", 1))


def _needs(call: Mapping[str, Any]) -> Iterator[Need]:
    """As AWS's service authorization reference says for the call's operation."""
    service, operation, given = call["service"], call["operation"], call["given"]
    if service == "dynamodb":
        yield from _of_dynamodb(operation, given)
    elif service == "s3":
        yield from _of_s3(operation, given)
    elif service == "sqs":
        name = given["QueueUrl"].rpartition("/")[2]
        yield Need(f"sqs:{BATCHES.get(operation, operation)}", f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}")
    elif service == "sns":
        yield Need(f"sns:{operation.removesuffix('Batch')}", given["TopicArn"])
    elif service == "secretsmanager":
        yield Need(f"secretsmanager:{operation}", given["SecretId"])
    elif service == "ssm":
        yield Need(f"ssm:{operation}", f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/{given['Name'].lstrip('/')}")
    elif service == "events":
        for entry in given["Entries"]:
            bus = entry.get("EventBusName", "default")
            yield Need("events:PutEvents", f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/{bus}")
    elif service == "ecs" and operation in ("RunTask", "DescribeTasks", "StopTask"):
        definition = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/{given.get('taskDefinition')}:1"
        for resource in given.get("tasks") or [given.get("task", definition)]:
            yield Need(f"ecs:{operation}", resource)
    elif service == "logs" and operation == "GetLogEvents":
        stream = f"log-group:{given['logGroupName']}:log-stream:{given['logStreamName']}"
        yield Need("logs:GetLogEvents", f"arn:aws:logs:{REGION}:{ACCOUNT}:{stream}")
    else:
        yield Need(f"{PREFIXES.get(service, service)}:{operation}", "*")


def _of_dynamodb(operation: str, given: Mapping[str, Any]) -> Iterator[Need]:
    def table(name: str) -> str:
        return f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{name}"

    if operation == "TransactWriteItems":
        for item in given["TransactItems"]:
            for kind, of in item.items():
                yield Need(f"dynamodb:{TRANSACTIONS[kind]}", table(of["TableName"]))
    elif "RequestItems" in given:
        for name in given["RequestItems"]:
            yield Need(f"dynamodb:{operation}", table(name))
    else:
        index = f"/index/{given['IndexName']}" if "IndexName" in given else ""
        yield Need(f"dynamodb:{operation}", table(given["TableName"]) + index)


def _of_s3(operation: str, given: Mapping[str, Any]) -> Iterator[Need]:
    bucket = f"arn:aws:s3:::{given['Bucket']}"
    if operation in ("CopyObject", "UploadPartCopy"):
        source = given["CopySource"]
        yield Need("s3:GetObject", f"arn:aws:s3:::{source['Bucket']}/{source['Key']}")
        yield Need("s3:PutObject", f"{bucket}/{given['Key']}")
    elif operation == "DeleteObjects":
        for one in given["Delete"]["Objects"]:
            yield Need("s3:DeleteObject", f"{bucket}/{one['Key']}")
    else:
        action = S3.get(operation, operation)
        yield Need(f"s3:{action}", bucket if action == "ListBucket" else f"{bucket}/{given['Key']}")


@dataclass(frozen=True)
class Grants:
    """The policies of a stack, by the role as calls name it."""

    core: Template
    workers: Template
    api: Template | None = None
    """Where the API's policies count too."""

    @cached_property
    def by_role(self) -> dict[str, tuple[Statement, ...]]:
        found = {
            one["FunctionName"]: tuple(self._statements(template, one["Role"]["Fn::GetAtt"][0]))
            for template in filter(None, (self.core, self.api))
            for one in template.all("AWS::Lambda::Function").values()
        }
        return found | {"worker": self.of("WorkerRole")}

    def of(self, role: str) -> tuple[Statement, ...]:
        """Those of the role of the workers stack whose logical id begins so."""
        (name,) = (name for name in self.workers.all("AWS::IAM::Role") if name.startswith(role))
        return tuple(self._statements(self.workers, name))

    def _statements(self, template: Template, role: str) -> Iterator[Statement]:
        for policy in template.policies.values():
            if {"Ref": role} in policy.get("Roles", ()):
                for one in policy["PolicyDocument"]["Statement"]:
                    assert one["Effect"] == "Allow"
                    resources = [self._shown(template, value) for value in listed(one["Resource"])]
                    yield Statement(tuple(listed(one["Action"])), tuple(resources))

    def _shown(self, template: Template, value: Any) -> str:
        """A value of a template as the text that it becomes."""
        if isinstance(value, str):
            return value
        ((kind, inside),) = value.items()
        if kind == "Fn::Join":
            return str(inside[0].join(self._shown(template, part) for part in inside[1]))
        if kind == "Ref":
            known = {"AWS::AccountId": ACCOUNT, "AWS::Region": REGION, "AWS::Partition": "aws"}
            return known.get(inside) or self._named(template, inside)[0]
        if kind == "Fn::ImportValue":
            return self._exported(inside)
        assert kind == "Fn::GetAtt", kind
        return self._named(template, inside[0])[1]

    def _exported(self, name: str) -> str:
        outputs = json.loads(self.core.path.read_text())["Outputs"].values()
        (value,) = (one["Value"] for one in outputs if one.get("Export", {}).get("Name") == name)
        return self._shown(self.core, value)

    def _named(self, template: Template, logical: str) -> tuple[str, str]:
        """What `Ref` and the attribute `Arn` of a resource come to."""
        resource = template.resources[logical]
        kind, made = resource["Type"], resource.get("Properties", {})
        name = next((self._shown(template, made[key]) for key in NAMES if key in made), logical)
        if kind == "AWS::SNS::Topic":
            name = f"arn:aws:sns:{REGION}:{ACCOUNT}:{name}"
        return name, ARNS.get(kind, "arn:aws:other:::{name}").format(name=name)


NAMES = (
    "TableName",
    "QueueName",
    "TopicName",
    "FunctionName",
    "StateMachineName",
    "BucketName",
    "LogGroupName",
    "ClusterName",
    "RoleName",
)
ARNS = {
    "AWS::DynamoDB::Table": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{{name}}",
    "AWS::SQS::Queue": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{{name}}",
    "AWS::Lambda::Function": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{{name}}",
    "AWS::StepFunctions::StateMachine": f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{{name}}",
    "AWS::Logs::LogGroup": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{{name}}:*",
    "AWS::IAM::Role": f"arn:aws:iam::{ACCOUNT}:role/{{name}}",
    "AWS::ECS::Cluster": f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{{name}}",
}


def grants(buckets: Mapping[str, Any] | None = None, **settings: Any) -> Grants:
    """The policies of the deployed stack. `buckets`: as the setting; None: none. `settings`: in place of SETTINGS."""
    made = synthesize(SETTINGS | settings | ({"buckets": buckets} if buckets else {}))
    return Grants(made.core, made.workers)


def api_grants() -> Grants:
    """The same, with the API."""
    made = synthesize(SETTINGS | {"api": API})
    return Grants(made.core, made.workers, made.api)


def recording(folder: Path) -> dict[str, str]:
    """The environment of processes that write down their calls in a folder."""
    code = os.pathsep.join(filter(None, (str(Path(__file__).parent / "recorded"), os.environ.get("PYTHONPATH"))))
    return {"PYTHONPATH": code, "PILEUS_CALLS": str(folder)}


def calls(folder: Path) -> Iterator[dict[str, Any]]:
    """The calls that processes wrote down."""
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text().splitlines():
            yield json.loads(line)


def ungranted(found: Iterable[Mapping[str, Any]], granted: Grants) -> list[str]:
    """Calls without a grant, each role, action and resource once, as text."""
    missing = {
        f"{call['role']}: {need.action} on {need.resource}"
        for call in found
        if call["role"] in granted.by_role
        for need in needs(call)
        if not any(statement.allows(need) for statement in granted.by_role[call["role"]])
    }
    return sorted(missing)


def unused(found: Iterable[Mapping[str, Any]], granted: Grants) -> list[str]:
    """Grants that no call needed: each role, action and resource of a policy."""
    by_role: dict[str, set[Need]] = {}
    for call in found:
        by_role.setdefault(call["role"], set()).update(needs(call))
    return sorted(
        f"{role}: {action} on {resource}"
        for role, statements in granted.by_role.items()
        for statement in statements
        for action in statement.actions
        for resource in statement.resources
        if not any(Statement((action,), (resource,)).allows(need) for need in by_role.get(role, ()))
    )
