"""The data stack: the buckets. It outlives the other stacks, which only know the buckets by name."""

from typing import Any

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra import reasons
from infra.settings import Settings


def bucket_name(scope: Construct, settings: Settings, name: str) -> str:
    """Return the name of the bucket `internal` (what the pipeline needs), `protected` (what users read) or `logs`."""
    return f"{settings.stack}-{name}-{Stack.of(scope).account}-{Stack.of(scope).region}"


class Data(Stack):
    """The buckets. `pileus destroy` never removes them."""

    def __init__(self, scope: Construct, *, settings: Settings, **kwargs: Any) -> None:
        super().__init__(scope, f"{settings.stack}-data", termination_protection=not settings.embedded, **kwargs)
        self.logs = None if settings.embedded else self._logs(settings)
        self.internal = self._bucket(settings, "internal", _passing())
        self.protected = self._bucket(settings, "protected", _lasting())
        if not settings.embedded:
            reasons.give(self)

    def _bucket(self, settings: Settings, name: str, rules: list[s3.LifecycleRule]) -> s3.Bucket:
        return s3.Bucket(
            self,
            name.title(),
            bucket_name=bucket_name(self, settings, name),
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            versioned=not settings.embedded,
            lifecycle_rules=[] if settings.embedded else rules,
            server_access_logs_bucket=self.logs,
            server_access_logs_prefix=f"{name}/" if self.logs else None,
            removal_policy=RemovalPolicy.RETAIN,
        )

    def _logs(self, settings: Settings) -> s3.Bucket:
        """Add the bucket for access logs, which are kept for a year."""
        return s3.Bucket(
            self,
            "Logs",
            bucket_name=bucket_name(self, settings, "logs"),
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            lifecycle_rules=[s3.LifecycleRule(id="year", expiration=Duration.days(365))],
            removal_policy=RemovalPolicy.RETAIN,
        )


def _lasting() -> list[s3.LifecycleRule]:
    """Return rules that keep objects, and delete replaced versions after three months."""
    return [
        s3.LifecycleRule(
            id="overwritten",
            noncurrent_version_expiration=Duration.days(90),
            abort_incomplete_multipart_upload_after=Duration.days(7),
        )
    ]


def _passing() -> list[s3.LifecycleRule]:
    """Return rules that delete what Distributed Maps wrote, and replaced versions, after a month; all else stays.

    The API deletes uploaded files ten days after their last use; the rule is for stacks that nobody asks any more.
    """
    return [
        s3.LifecycleRule(id="maps", prefix="map-runs/", expiration=Duration.days(30)),
        s3.LifecycleRule(id="uploads", prefix="runs/values/", expiration=Duration.days(90)),
        s3.LifecycleRule(id="payloads", prefix="cirrus/tmp/", expiration=Duration.days(10)),
        s3.LifecycleRule(
            id="overwritten",
            noncurrent_version_expiration=Duration.days(30),
            abort_incomplete_multipart_upload_after=Duration.days(7),
        ),
    ]
