"""Who may do what: every grant of Pileus's own roles in one place, each only what the code calls.

Missing objects must be told from forbidden ones (404, not 403), which S3 does only for those who may list.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from aws_cdk import Acknowledgment, Stack, Validations
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs

from infra.settings import Settings

if TYPE_CHECKING:
    from infra.core import Core

WILDCARD = "AwsSolutions::AwsSolutions-IAM5"
"""cdk-nag's rule against them."""
READ = ("dynamodb:GetItem",)
CHANGE = ("dynamodb:GetItem", "dynamodb:PutItem")
BUDGET = (*CHANGE, "dynamodb:DeleteItem", "dynamodb:Query")


def allow(role: iam.IGrantable, actions: Sequence[str], resources: Sequence[str], *, why: str = "") -> None:
    """One statement of the role's own policy. `why`: the reason for each `*` in the resources, never left out."""
    principal = cast(iam.Role, role.grant_principal)
    principal.add_to_principal_policy(iam.PolicyStatement(actions=list(actions), resources=list(resources)))
    wide = [shown for shown in (_shown(Stack.of(principal).resolve(arn)) for arn in resources) if "*" in shown]
    if wide and not why:
        raise ValueError(f"a wildcard needs a reason: {wide[0]}")
    for arn in wide:
        accept(role, arn, why)


def accept(role: iam.IGrantable, resource: str, why: str) -> None:
    """Write down the reason for a wildcard in a policy of the role."""
    principal = cast(iam.Role, role.grant_principal)
    Validations.of(principal).acknowledge(Acknowledgment(id=f"{WILDCARD}[Resource::{resource}]", reason=why))


def _shown(value: Any) -> str:
    """An ARN as cdk-nag writes it, with its references in angle brackets."""
    if isinstance(value, str):
        return value
    (kind, inside), *_ = value.items()
    if kind == "Fn::Join":
        return "".join(map(_shown, inside[1]))
    return f"<{'.'.join(inside) if isinstance(inside, list) else inside}>"


def allow_worker(role: iam.Role, settings: Settings, core: "Core") -> None:
    """Take groups from the queues, answer for them, read zones, write outputs."""
    queues = [queue.queue.queue_arn for queue in (core.ingest, core.backfill)]
    dead = [queue.dead.queue_arn for queue in (core.ingest, core.backfill)]
    allow(role, ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"], queues)
    # A message that was held often is posted anew; one that nobody can deal with goes to the dead letters.
    allow(role, ["sqs:SendMessage"], [*queues, *dead])
    allow(
        role,
        ["states:SendTaskSuccess", "states:SendTaskFailure", "states:SendTaskHeartbeat"],
        core.token_arns,
    )
    allow(role, CHANGE, [core.tables.partitions.table_arn])
    allow(role, BUDGET, [core.tables.connections.table_arn])
    # A worker that sees one failure too many ends the backfill, so that none starts another group meanwhile.
    allow(role, [*CHANGE, "dynamodb:ConditionCheckItem"], [core.tables.backfills.table_arn])
    reads = ("backfills/*", "zones/*", "indexes/*", "archives/*")
    allow_objects(role, core.internal, read=reads, write=("indexes/*", "backfills/*", "archives/*"))
    allow_objects(role, core.protected, read=("manifests/*", "archives/*"), write=("*",))
    allow_sources(role, settings)


def allow_generate(role: iam.IGrantable, core: "Core") -> None:
    """Read the registry, record the backfill, list its points in time."""
    allow(role, CHANGE, [core.tables.backfills.table_arn])
    allow_objects(role, core.internal, read=("registry.json", "backfills/*"), write=("backfills/*",))


def allow_discover(role: iam.IGrantable, settings: Settings, core: "Core") -> None:
    """List the provider, note what was decided for each group."""
    partitions = core.tables.partitions.table_arn
    allow(role, [*CHANGE, "dynamodb:BatchGetItem", "dynamodb:DeleteItem"], [partitions])
    allow(role, READ, [core.tables.backfills.table_arn])
    allow(role, BUDGET, [core.tables.connections.table_arn])
    allow_objects(role, core.internal, read=(), write=("backfills/*",))
    allow_sources(role, settings)


def allow_report(role: iam.IGrantable, core: "Core") -> None:
    """Note ends and failures."""
    allow(role, [*CHANGE, "dynamodb:Query", "dynamodb:Scan"], [core.tables.partitions.table_arn])
    allow(role, [*CHANGE, "dynamodb:Scan"], [core.tables.backfills.table_arn])
    allow_objects(role, core.internal, read=(), write=("backfills/*",))


def allow_workflow(role: iam.IGrantable, bucket: s3.IBucket) -> None:
    """Read a Map's items and write its results; both lie with the backfill."""
    allow_objects(role, bucket, read=("backfills/*", "map-runs/*"), write=("map-runs/*",))
    parts = ["s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
    allow(role, parts, [bucket.arn_for_objects("map-runs/*")], why="The results of one Map, named by its run.")


def allow_sending(role: iam.IGrantable, queues: Sequence[sqs.IQueue]) -> None:
    allow(role, ["sqs:SendMessage"], [queue.queue_arn for queue in queues])


def allow_objects(role: iam.IGrantable, bucket: s3.IBucket, *, read: Sequence[str], write: Sequence[str]) -> None:
    """Whole objects under the given keys of one bucket."""
    why = "Keys below the prefix are named by backfill, partition or content."
    if read:
        allow(role, ["s3:GetObject"], [bucket.arn_for_objects(key) for key in read], why=why)
        allow(role, ["s3:ListBucket"], [bucket.bucket_arn])
    allow(role, ["s3:PutObject"], [bucket.arn_for_objects(key) for key in write], why=why)


def allow_sources(role: iam.IGrantable, settings: Settings) -> None:
    """Providers' credentials by name, and the buckets that are themselves providers or hold zones."""
    secrets = [arn for arn in settings.secret_arns if ":secretsmanager:" in arn]
    parameters = [arn for arn in settings.secret_arns if ":ssm:" in arn]
    if secrets:
        allow(role, ["secretsmanager:GetSecretValue"], secrets)
    if parameters:
        allow(role, ["ssm:GetParameter"], parameters)
    if settings.read_buckets:
        arns = [f"arn:aws:s3:::{name}" for name in settings.read_buckets]
        allow(role, ["s3:ListBucket"], arns)
        allow(role, ["s3:GetObject"], [f"{arn}/*" for arn in arns], why="A provider's keys are its own.")
