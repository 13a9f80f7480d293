"""What the API's Lambda may do: whatever people and machines may by the API."""

from typing import TYPE_CHECKING

from aws_cdk import ArnFormat
from aws_cdk import aws_iam as iam

from infra.access import (
    CHANGE,
    NAMED,
    allow,
    allow_objects,
    allow_payloads,
    allow_publishing,
    allow_sources,
    allow_telling,
)
from infra.settings import Settings
from pileus.cirrus.rows import BY_CHANGE, BY_STATE

if TYPE_CHECKING:
    from infra.core import Core


def allow_api(role: iam.IGrantable, settings: Settings, core: "Core") -> None:
    """Allow what people and machines may do by the API: look at all, start and stop, change documents and rules."""
    allow(role, [*CHANGE, "dynamodb:BatchGetItem", "dynamodb:DeleteItem"], [core.tables.partitions.table_arn])
    allow(role, [*CHANGE, "dynamodb:Scan"], [core.tables.backfills.table_arn])
    payloads = core.tables.payloads.table_arn
    allow(role, ["dynamodb:Query"], [payloads])
    allow(role, ["dynamodb:Query"], [f"{payloads}/index/{name}" for name in (BY_CHANGE, BY_STATE)])
    writes = ("registry.json", "backfills/*", "rules/*", "runs/*", "executions/*", "granules/*", "zones/*")
    deleted = ("runs/*",)  # with a request of Stratus
    allow_objects(role, core.internal, read=writes, write=writes, delete=deleted)
    allow_payloads(role, core)
    allow(role, ["sns:Publish"], [core.published.topic_arn])  # of a run that had ended, and nobody was told
    allow_publishing(role, core)
    allow_sources(role, settings)
    allow_telling(role, settings, core)
    _allow_workflows(role, core)
    _allow_schedules(role, settings, core)
    _allow_message_sources(role, settings, core)
    dead = [queue.dead.queue_arn for queue in (core.ingest, core.backfill, core.messages)]
    allow(role, ["sqs:ReceiveMessage", "sqs:ChangeMessageVisibility", "sqs:DeleteMessage"], dead)
    logs = core.format_arn(
        service="logs",
        resource="log-group",
        resource_name=f"/pileus/{settings.stack}/workers:*",
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )
    allow(role, ["logs:FilterLogEvents"], [logs], why="The streams of the workers' log group, which ECS names.")


def _allow_workflows(role: iam.IGrantable, core: "Core") -> None:
    """Allow to start, watch and stop executions of this stack's workflows."""
    machines = [machine for machine, _ in core.workflow_arns.values()]
    executions = [execution for _, execution in core.workflow_arns.values()]
    allow(role, ["states:StartExecution", "states:DescribeStateMachine", "states:ListExecutions"], machines)
    looks = ["states:DescribeExecution", "states:GetExecutionHistory"]
    allow(role, [*looks, "states:StopExecution"], executions, why=NAMED)


def _allow_schedules(role: iam.IGrantable, settings: Settings, core: "Core") -> None:
    """Allow to change the schedules of rules, which start this stack's workflow with the role that core made."""
    mine = core.format_arn(service="scheduler", resource="schedule", resource_name=f"{settings.stack}/*")
    actions = [f"scheduler:{verb}Schedule" for verb in ("Create", "Delete", "Get", "Update")]
    allow(role, actions, [mine], why="A schedule has the name of its rule.")
    allow(role, ["scheduler:ListSchedules"], ["*"], why="ListSchedules takes no resource.")
    to_scheduler = {"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}}
    allow(role, ["iam:PassRole"], [core.schedule_role.role_arn], only=to_scheduler)


def _allow_message_sources(role: iam.IGrantable, settings: Settings, core: "Core") -> None:
    """Allow to connect the sources of rules with StartFromMessage, and to tell what runs that it started came to."""
    function = core.format_arn(
        service="lambda",
        resource="function",
        resource_name=f"{settings.stack}-StartFromMessage",
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )
    allow(role, ["lambda:AddPermission", "lambda:GetPolicy", "lambda:RemovePermission"], [function])
    mine = {"ArnEquals": {"lambda:FunctionArn": function}}
    why = "A mapping has no name before it is made; its function is the condition."
    allow(role, ["lambda:CreateEventSourceMapping"], ["*"], why=why, only=mine)
    allow(role, ["lambda:ListEventSourceMappings"], ["*"], why="ListEventSourceMappings takes no resource.")
    mappings = core.format_arn(
        service="lambda",
        resource="event-source-mapping",
        resource_name="*",
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )
    why = "Lambda names the mappings of rules."
    changing = ["lambda:DeleteEventSourceMapping", "lambda:UpdateEventSourceMapping"]
    allow(role, changing, [mappings], why=why, only=mine)
    allow(role, ["lambda:ListTags", "lambda:TagResource"], [mappings], why=why)
    if topics := [arn for arn in settings.message_sources if ":sns:" in arn]:
        allow(role, ["sns:ListSubscriptionsByTopic", "sns:Subscribe", "sns:Unsubscribe"], topics)
    allow(role, ["sqs:SendMessage"], [core.messages.queue.queue_arn, core.messages.dead.queue_arn])
    if settings.response_topics:
        allow(role, ["sns:Publish"], list(settings.response_topics))
