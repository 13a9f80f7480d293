"""Every grant of Pileus's own roles but the API's (api_access.py) and those of a project's tasks (task_access.py).
Each allows only what the code calls.

S3 answers 404 for a missing object only to roles that may list; to all others it answers 403. So roles that read may
list.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from aws_cdk import Acknowledgment, Stack, Validations
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs

from infra.settings import Settings
from pileus.backfills.control import TRIGGER
from pileus.cumulus.start_document import INGEST as INGEST_NAME
from pileus.documents.grouping import PAYLOADS as PAYLOADS_NAME
from pileus.documents.grouping import PIPELINE
from pileus.granules.bulk import WORKFLOW as BULK_NAME
from pileus.keys import FILES

if TYPE_CHECKING:
    from infra.core import Core

WILDCARD = "AwsSolutions::AwsSolutions-IAM5"
"""The rule of cdk-nag against wildcards."""
NAMED = "Executions are named as they start."
READ = ("dynamodb:GetItem",)
CHANGE = ("dynamodb:GetItem", "dynamodb:PutItem")
STAGED = "file-staging/*"
"""Where files of granules lie that a workflow has not moved yet."""
MESSAGES = "events/*"
"""Where the Cumulus Message Adapter keeps large parts of messages."""
PAYLOADS = "cirrus/*"
"""Payloads of Cirrus, and what came of them."""
BUDGET = (*CHANGE, "dynamodb:DeleteItem", "dynamodb:Query")


def allow(
    role: iam.IGrantable,
    actions: Sequence[str],
    resources: Sequence[str],
    *,
    why: str = "",
    only: Mapping[str, Any] | None = None,
) -> None:
    """Add one statement to the role's own policy. `why`: the reason for each `*` in the resources; it is required.
    `only`: its conditions.
    """
    principal = cast(iam.Role, role.grant_principal)
    principal.add_to_principal_policy(
        iam.PolicyStatement(actions=list(actions), resources=list(resources), conditions=only)
    )
    wide = [shown for shown in (_shown(Stack.of(principal).resolve(arn)) for arn in resources) if "*" in shown]
    if wide and not why:
        raise ValueError(f"a wildcard needs a reason: {wide[0]}")
    for arn in wide:
        accept(role, arn, why)


def accept(role: iam.IGrantable, resource: str, why: str) -> None:
    """Record the reason for a wildcard in a policy of the role."""
    principal = cast(iam.Role, role.grant_principal)
    Validations.of(principal).acknowledge(Acknowledgment(id=f"{WILDCARD}[Resource::{resource}]", reason=why))


def _shown(value: Any) -> str:
    """Return an ARN as cdk-nag writes it, with its references in angle brackets."""
    if isinstance(value, str):
        return value
    (kind, inside), *_ = value.items()
    if kind == "Fn::Join":
        return "".join(map(_shown, inside[1]))
    return f"<{'.'.join(inside) if isinstance(inside, list) else inside}>"


def allow_worker(role: iam.Role, settings: Settings, core: "Core") -> None:
    """Allow to take groups from the queues, answer for them, read zones and write outputs."""
    queues = [queue.queue.queue_arn for queue in (core.ingest, core.backfill)]
    dead = [queue.dead.queue_arn for queue in (core.ingest, core.backfill)]
    allow(role, ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"], queues)
    # A worker replaces a message that was received often, and moves one that failed to the dead-letter queue.
    allow(role, ["sqs:SendMessage"], [*queues, *dead])
    allow(
        role,
        ["states:SendTaskSuccess", "states:SendTaskFailure", "states:SendTaskHeartbeat"],
        core.token_arns,
    )
    allow(role, CHANGE, [core.tables.partitions.table_arn])
    allow(role, BUDGET, [core.tables.connections.table_arn])
    # The worker that counts one failure too many stops the backfill, so that no other starts a group.
    allow(role, CHANGE, [core.tables.backfills.table_arn])
    # A run of a process reads its input, and the collections and providers that this names.
    reads = ("backfills/*", "zones/*", "indexes/*", "runs/*", "registry.json", MESSAGES)
    writes = ("indexes/*", "backfills/*", "staged/*", "runs/*", MESSAGES)
    allow_objects(role, core.internal, read=reads, write=writes)
    allow_publishing(role, core)
    allow_sources(role, settings)
    allow_telling(role, settings, core)


def allow_telling(role: iam.IGrantable, settings: Settings, core: "Core") -> None:
    """Allow to tell what has failed or was stopped: to count its partitions, publish that, and put it on the bus."""
    # A span of very many years is read by a scan.
    allow(role, ["dynamodb:Query", "dynamodb:Scan"], [core.tables.partitions.table_arn])
    allow(role, ["sns:Publish"], [core.topic.topic_arn])
    bus = core.format_arn(service="events", resource="event-bus", resource_name="default")
    allow(role, ["events:PutEvents"], [bus], only={"StringEquals": {"events:source": f"pileus.{settings.stack}"}})


def allow_generate(role: iam.IGrantable, core: "Core") -> None:
    """Allow to read the registry, record the backfill and list its points in time."""
    allow(role, CHANGE, [core.tables.backfills.table_arn])
    noted = ("backfills/*", MESSAGES)
    allow_objects(role, core.internal, read=("registry.json", *noted), write=noted)


def allow_discover(role: iam.IGrantable, settings: Settings, core: "Core") -> None:
    """Allow to list the provider, and to record the decision about each group."""
    partitions = core.tables.partitions.table_arn
    allow(role, [*CHANGE, "dynamodb:BatchGetItem", "dynamodb:DeleteItem"], [partitions])
    allow(role, CHANGE, [core.tables.backfills.table_arn])  # a point that cannot be listed counts as a failure
    allow(role, BUDGET, [core.tables.connections.table_arn])
    # The archives of a smoke test lie with its backfill. Cumulus's task looks up provider and granules.
    noted = ("backfills/*", MESSAGES)
    allow_objects(role, core.internal, read=("registry.json", "granules/*", *noted), write=(*noted, "granules/*"))
    allow_sources(role, settings)
    allow_telling(role, settings, core)


def allow_start(role: iam.IGrantable, settings: Settings, core: "Core") -> None:
    """Allow to take messages from the sources that the settings name, to start runs of workflows with them, and to put
    aside what cannot start any.
    """
    allow(role, CHANGE, [core.tables.partitions.table_arn])
    told = ("executions/*", MESSAGES)
    allow_objects(role, core.internal, read=("registry.json", *told), write=(*told, "messages/*"))
    allow_payloads(role, core)
    machines = [core.workflow_arns[name][0] for name in (INGEST_NAME, *core.applied)]
    allow(role, ["states:StartExecution", "states:DescribeStateMachine"], machines)
    queues = [
        core.messages.queue.queue_arn,
        core.payloads.queue.queue_arn,
        *(arn for arn in settings.message_sources if ":sqs:" in arn),
    ]
    taking = ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes", "ChangeMessageVisibility")
    allow(role, [f"sqs:{verb}" for verb in taking], queues)
    allow(role, ["sqs:SendMessage"], [core.messages.queue.queue_arn, core.messages.dead.queue_arn])
    if streams := [arn for arn in settings.message_sources if ":kinesis:" in arn]:
        reading = ("DescribeStream", "DescribeStreamSummary", "GetRecords", "GetShardIterator", "ListShards")
        allow(role, [f"kinesis:{verb}" for verb in reading], streams)


def allow_queue_granules(role: iam.IGrantable, settings: Settings, core: "Core") -> None:
    """Allow to list the provider, to begin a backfill of what a message announces, and to record the decision about
    each group.
    """
    partitions = core.tables.partitions.table_arn
    allow(role, [*CHANGE, "dynamodb:BatchGetItem", "dynamodb:DeleteItem"], [partitions])
    allow(role, CHANGE, [core.tables.backfills.table_arn])
    allow(role, BUDGET, [core.tables.connections.table_arn])
    noted = ("backfills/*", "announced/*", "executions/*", "granules/*", MESSAGES)
    allow_objects(role, core.internal, read=("registry.json", *noted), write=noted)
    # A granule that a partition has kept files of is handed to a workflow.
    allow_objects(role, core.protected, read=("manifests/*",), write=())
    machines = [core.workflow_arns[name][0] for name in (INGEST_NAME, *core.applied)]
    allow(role, ["states:StartExecution", "states:DescribeStateMachine"], machines)
    allow_sources(role, settings)


def allow_sync(role: iam.IGrantable, settings: Settings, core: "Core") -> None:
    """Allow to fetch files of granules from providers, and to stage them in the internal bucket and in those that the
    settings name.
    """
    allow(role, BUDGET, [core.tables.connections.table_arn])
    kept = (STAGED, MESSAGES)
    allow_objects(role, core.internal, read=("registry.json", *kept), write=kept)
    for bucket in core.named:
        allow_objects(role, bucket, read=("*",), write=("*",))
    allow_sources(role, settings)


def allow_move(role: iam.IGrantable, core: "Core") -> None:
    """Allow to move staged files to where their collections keep them, and to tell the records of granules."""
    kept = (STAGED, "granules/*", MESSAGES)
    allow_objects(role, core.internal, read=("registry.json", *kept), write=kept, delete=(STAGED,))
    allow_objects(role, core.protected, read=("*",), write=("*",))
    for bucket in core.named:
        allow_objects(role, bucket, read=("*",), write=("*",), delete=("*",))


def allow_report(role: iam.IGrantable, settings: Settings, core: "Core") -> None:
    """Allow to record ends and failures."""
    allow(role, CHANGE, [core.tables.partitions.table_arn])
    allow(role, [*CHANGE, "dynamodb:Scan"], [core.tables.backfills.table_arn])
    kept = ("backfills/*", "runs/*", "executions/*", MESSAGES)
    # What a payload has put out is committed as the output of its partition.
    allow_objects(role, core.internal, read=kept, write=(*kept, "granules/*", "messages/*", "staged/*"))
    allow(role, ["sqs:SendMessage"], [core.messages.dead.queue_arn])
    if settings.response_topics:
        allow(role, ["sns:Publish"], list(settings.response_topics))
    runs = (BULK_NAME, INGEST_NAME, *core.applied)
    ended = [core.workflow_arns[name][1] for name in runs]  # what their runs have put out
    allow(role, ["states:DescribeExecution"], ended, why=NAMED)
    # A payload that has succeeded starts the next.
    allow_payloads(role, core)
    allow(role, ["sns:Publish"], [core.published.topic_arn])
    if settings.stac_api and settings.stac_api.token:
        allow_secrets(role, settings)
    following = [core.workflow_arns[name][0] for name in (INGEST_NAME, *core.applied)]
    allow(role, ["states:StartExecution", "states:DescribeStateMachine"], following)
    # The payload of a group is stopped with its backfill.
    stopped = [core.workflow_arns[name][1] for name in (INGEST_NAME, *core.applied)]
    allow(role, ["states:StopExecution"], stopped, why=NAMED)
    allow_publishing(role, core)
    allow_telling(role, settings, core)


def allow_advance(role: iam.IGrantable, core: "Core") -> None:
    """Allow to read what a run of a graph is about, to write what is to be done and what came of it, and to end it."""
    allow(role, CHANGE, [core.tables.partitions.table_arn])
    kept = ("runs/*", MESSAGES)
    allow_objects(role, core.internal, read=kept, write=kept, delete=("runs/*",))
    allow_objects(role, core.protected, read=(), write=("runs/*",))
    allow(role, ["s3:ListBucket"], [core.protected.bucket_arn])


def allow_payloads(role: iam.IGrantable, core: "Core") -> None:
    """Allow to keep payloads, and to tell what becomes of them."""
    allow(role, CHANGE, [core.tables.payloads.table_arn])
    allow_objects(role, core.internal, read=(PAYLOADS,), write=(PAYLOADS,))
    allow(role, ["sns:Publish"], [core.payload_events.topic_arn])


def allow_granules(role: iam.IGrantable, core: "Core") -> None:
    """Allow to look at granules, to start what processes them again, and to move and delete their files."""
    partitions, backfills = core.tables.partitions.table_arn, core.tables.backfills.table_arn
    allow(role, [*CHANGE, "dynamodb:BatchGetItem"], [partitions])
    allow(role, CHANGE, [backfills])
    writes = ("backfills/*", "executions/*", "granules/*", MESSAGES)
    allow_objects(role, core.internal, read=("registry.json", *writes), write=writes, delete=("granules/*",))
    files = tuple(f"{folder}/*" for folder in FILES)
    allow_objects(role, core.internal, read=files, write=files, delete=files)
    for bucket in (core.protected, *core.named):
        allow_objects(role, bucket, read=("*",), write=("*",), delete=("*",))
    trigger = core.workflow_arns[TRIGGER]
    points = [core.workflow_arns[name] for name in (PIPELINE, PAYLOADS_NAME)]  # of granules, and of their payloads
    applied = [core.workflow_arns[name] for name in core.applied]
    allow(role, ["states:StartExecution"], [trigger[0], *(machine for machine, _ in applied)])
    allow(role, ["states:DescribeStateMachine"], [machine for machine, _ in (*points, *applied)])
    allow(role, ["states:DescribeExecution"], [trigger[1], *(execution for _, execution in applied)], why=NAMED)
    # A backfill that somebody stopped before its execution was known.
    allow(role, ["states:ListExecutions"], [machine for machine, _ in points])
    allow(role, ["states:StopExecution"], [execution for _, execution in (trigger, *points)], why=NAMED)


def allow_publishing(role: iam.IGrantable, core: "Core") -> None:
    """Allow to publish what was committed, and to delete what that replaces: whoever ends a run does so for a worker
    that died between the two.
    """
    archives, staged = "archives/*", "staged/*"
    allow_objects(role, core.internal, read=(staged, archives), write=(archives,), delete=(staged,))
    for bucket in core.named:
        allow_objects(role, bucket, read=(archives,), write=(archives,))
    allow_objects(role, core.protected, read=("*",), write=("*",), delete=("*",))


def allow_workflow(role: iam.IGrantable, bucket: s3.IBucket) -> None:
    """Allow to read a Map's items and write its results; both lie with the backfill."""
    allow_objects(role, bucket, read=("backfills/*", "map-runs/*"), write=("map-runs/*",))
    parts = ["s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
    allow(role, parts, [bucket.arn_for_objects("map-runs/*")], why="The results of one Map, named by its run.")


def allow_sending(role: iam.IGrantable, queues: Sequence[sqs.IQueue]) -> None:
    allow(role, ["sqs:SendMessage"], [queue.queue_arn for queue in queues])


def allow_objects(
    role: iam.IGrantable, bucket: s3.IBucket, *, read: Sequence[str], write: Sequence[str], delete: Sequence[str] = ()
) -> None:
    """Allow to read, write and delete whole objects under the given keys of one bucket."""
    why = "Keys below the prefix are named by backfill, partition or content."
    if read:
        allow(role, ["s3:GetObject"], [bucket.arn_for_objects(key) for key in read], why=why)
        allow(role, ["s3:ListBucket"], [bucket.bucket_arn])
    if write:
        allow(role, ["s3:PutObject"], [bucket.arn_for_objects(key) for key in write], why=why)
    if delete:
        allow(role, ["s3:DeleteObject"], [bucket.arn_for_objects(key) for key in delete], why=why)


def allow_sources(role: iam.IGrantable, settings: Settings) -> None:
    """Allow the providers' credentials by name, and the buckets that are providers or have zones."""
    allow_secrets(role, settings)
    if settings.read_buckets:
        arns = [f"arn:aws:s3:::{name}" for name in settings.read_buckets]
        allow(role, ["s3:ListBucket"], arns)
        allow(role, ["s3:GetObject"], [f"{arn}/*" for arn in arns], why="The provider chooses the keys of its objects.")


def allow_secrets(role: iam.IGrantable, settings: Settings) -> None:
    """Allow the secrets that the settings name."""
    secrets = [arn for arn in settings.secret_arns if ":secretsmanager:" in arn]
    parameters = [arn for arn in settings.secret_arns if ":ssm:" in arn]
    if secrets:
        allow(role, ["secretsmanager:GetSecretValue"], secrets)
    if parameters:
        allow(role, ["ssm:GetParameter"], parameters)
