"""Every grant of the tasks of a project: of their Lambdas and their workers."""

from typing import TYPE_CHECKING

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam

from infra import access
from pileus.documents.task import TaskDefinition
from pileus.edges.ecs_tasks import THEIRS
from pileus.worker.ecs_containers import FOLDER as CONTAINERS

if TYPE_CHECKING:
    from infra.core import Core
    from infra.foreign import ForeignTask
    from infra.tasks import OwnTask

OVERSIZED = "cirrus/tmp/oversized/*"
"""Answers that are too large for a step."""


def allow_task_worker(role: iam.Role, task: "OwnTask", core: "Core") -> None:
    """Allow a worker of a project's task to take its events, to answer for them, and what its definition names."""
    assert task.queue  # it runs in workers
    queue, dead = task.queue.queue.queue_arn, task.queue.dead.queue_arn
    access.allow(role, ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"], [queue])
    access.allow(role, ["sqs:SendMessage"], [queue, dead])
    if task.token_arns:
        access.allow(
            role, ["states:SendTaskSuccess", "states:SendTaskFailure", "states:SendTaskHeartbeat"], task.token_arns
        )
    allow_definition(role, core, task.definition)


def allow_images(role: iam.Role, foreign: "ForeignTask", core: "Core") -> None:
    """Allow a worker to run the task of ECS that runs its image, to look at it, to stop it, and to read what the image
    prints; and to sign addresses of its payload and its answer, which are objects that it may get and put.
    """
    stack, cluster = Stack.of(foreign), foreign.cluster
    here = {"ArnEquals": {"ecs:cluster": cluster.cluster_arn}}
    revisions = stack.format_arn(service="ecs", resource="task-definition", resource_name=f"{foreign.family}:*")
    access.allow(role, ["ecs:RunTask"], [revisions], why="Revisions are numbered as they are made.", only=here)
    tasks = stack.format_arn(service="ecs", resource="task", resource_name=f"{cluster.cluster_name}/*")
    access.allow(role, ["ecs:DescribeTasks", "ecs:StopTask"], [tasks], why="ECS names tasks as they start.", only=here)
    to_ecs = {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
    access.allow(role, ["iam:PassRole"], [foreign.pulls.role_arn], only=to_ecs)
    streams = stack.format_arn(
        service="logs",
        resource="log-group",
        resource_name=f"{foreign.log_name}:log-stream:{THEIRS}/*",
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )
    access.allow(role, ["logs:GetLogEvents"], [streams], why="A stream is named by its task.")
    access.allow_objects(role, core.internal, read=(), write=(f"{CONTAINERS}/*",))


def allow_definition(role: iam.IGrantable, core: "Core", definition: TaskDefinition) -> None:
    """Allow the objects that a task's definition names: `internal/KEY`, `protected/KEY` or `s3://BUCKET/KEY`; and to a
    task of Cirrus the payloads that are handed on by their address.
    """
    if definition.calls == "payload":
        access.allow_objects(role, core.internal, read=(access.PAYLOADS,), write=(OVERSIZED,))
    reads, writes, why = definition.reads, definition.writes, "The task's definition names these keys."
    if reads:
        access.allow(role, ["s3:GetObject"], [_object_arn(core, place) for place in reads], why=why)
        access.allow(role, ["s3:ListBucket"], sorted({_object_arn(core, place).partition("/")[0] for place in reads}))
    if writes:
        access.allow(role, ["s3:PutObject"], [_object_arn(core, place) for place in writes], why=why)


def _object_arn(core: "Core", place: str) -> str:
    if place.startswith("s3://"):
        return f"arn:aws:s3:::{place.removeprefix('s3://')}"
    bucket, _, key = place.partition("/")
    return {"internal": core.internal, "protected": core.protected}[bucket].arn_for_objects(key)
