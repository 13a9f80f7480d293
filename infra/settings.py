"""Every setting of a deployment. `pileus synth` and `pileus deploy` take them from a JSON file or PILEUS_SETTINGS."""

import math
import re
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from pileus.cell.settings import SHARE
from pileus.deploy.api_settings import ApiSettings
from pileus.documents import SecretRef
from pileus.documents.task import is_fixed

FARGATE_MEMORY = {
    256: (512, 2048, 512),
    512: (1024, 4096, 1024),
    1024: (2048, 8192, 1024),
    2048: (4096, 16384, 1024),
    4096: (8192, 30720, 1024),
    8192: (16384, 61440, 4096),
    16384: (32768, 122880, 8192),
}
"""Least and most MiB by CPU units, and the step between them (AWS's table of task sizes)."""
FARGATE_DISK = (20, 200)
"""GiB of ephemeral storage that Fargate lets one choose; the least is what a task has unasked."""
INSTANCES = {
    "large": (2, 8),
    "xlarge": (4, 16),
    "2xlarge": (8, 32),
    "4xlarge": (16, 64),
    "8xlarge": (32, 128),
}
"""vCPU and GiB of the sizes of the m families, which we choose from."""
FAMILIES = {"x86_64": ("m5", "m6i", "m6a", "m7i", "m7a"), "arm64": ("m6g", "m7g", "m8g")}
RESERVED_MIB = 512
"""Memory of an instance that the operating system and the ECS agent need."""
STEPS = 20
"""Step adjustments that one scaling policy may have (a limit of Application Auto Scaling)."""
RETENTION = 14 * 24 * 3600
"""Seconds that SQS keeps a message: its most, and what our queues have."""
SECRET = re.compile(r"arn:aws[a-z-]*:(secretsmanager|ssm):[a-z0-9-]+:\d{12}:(secret:|parameter/)[^*?]+")
TOPIC = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]+")
MESSAGES = re.compile(
    rf"{TOPIC.pattern}|arn:aws[a-z-]*:(sqs:[a-z0-9-]+:\d{{12}}:|kinesis:[a-z0-9-]+:\d{{12}}:stream/)[A-Za-z0-9_.-]+"
)


class Bucket(BaseModel):
    """A bucket that is there already, under a key of the user's own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")
    """Name of the bucket. Example: `"archive-public"`."""
    type: str = Field("private", pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    """What the bucket is for, in words of Cumulus: `private`, `protected`, `public` and so on; kept. Example:
    `"public"`."""


class StacApi(BaseModel):
    """A STAC API that takes items."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(pattern=r"^https?://[^\s?#@]+$")
    """Address of its landing page. Example: `"https://stac.example.org"`."""
    token: SecretRef | None = None
    """Where its bearer token is kept; on AWS `secret_arns` names the secret too. Without it: it wants none. Example:
    `{"secretsmanager": "stac"}`."""


class Settings(BaseModel):
    """Defaults suit an account; the embedded stack overrides a few."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stack: str = Field("pileus", pattern=r"^[a-z][a-z0-9-]{0,24}$")
    """Prefix of the names of all stacks and resources. Example: `"pileus"`."""
    embedded: bool = False
    """Whether it all runs on one machine, where Lambdas use the packages that are installed there. `pileus up` sets
    it. Example: `true`."""
    point_concurrency: int = Field(40, ge=1, le=1000)
    """Points in time under way at once in one backfill. Fewer keep closer to its order; more look for work faster.
    Example: `40`."""
    group_concurrency: int = Field(40, ge=1, le=1000)
    """Groups of one point in time under way at once. Example: `40`."""
    visibility_seconds: int = Field(120, ge=5, le=43200)
    """Seconds without a sign of life after which a worker has lost its partition. Example: `120`."""
    deaths: int = Field(3, ge=1, le=100)
    """Workers that may die on a group before it fails and its message goes to the dead letters. Example: `3`."""
    silence_seconds: int = Field(RETENTION, ge=60, le=RETENTION)
    """Longest time that a group may wait in its queue; then it fails. Workers send heartbeats, so that their work may
    take longer. Example: `1209600`."""
    timeout_seconds: int = Field(2 * RETENTION, ge=60, le=365 * 24 * 3600)
    """Longest time for one group, waiting included. Example: `2419200`."""
    log_days: Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365] = 30
    """Days that logs are kept. Example: `30`."""

    worker_image: str | None = Field(None, pattern=r"^[a-z0-9][a-zA-Z0-9._/:@-]+$")
    """Address of the worker's image. Without it: `pileus deploy` builds one, where Docker answers, and pushes it; else
    there is no workers stack, and the workers run elsewhere. A tag will do in this account's own registry, whose tags
    never change; any other image is named by its digest, `@sha256:...`. Example:
    `"123456789012.dkr.ecr.us-east-1.amazonaws.com/pileus-worker:0.1.0"`."""
    compute: Literal["ec2", "fargate"] = "ec2"
    """Where workers run: `ec2`, instances whose volume the workers of one instance share, or `fargate`. Example:
    `"fargate"`."""
    architecture: Literal["x86_64", "arm64"] = "x86_64"
    """Architecture of the image, the instances and the Lambdas. Example: `"arm64"`."""
    spot: bool = False
    """Whether workers are cheaper ones that AWS may take back with two minutes' notice; their groups are then handed
    back. Example: `true`."""
    instance_type: str | None = None
    """EC2 only: type of the instances. Without it: m6i.xlarge, or m7g.xlarge for arm64. Example: `"m7g.2xlarge"`."""
    max_workers: int = Field(4, ge=1, le=400)
    """Most worker containers at once; the fewest is 0. Example: `4`."""
    groups_per_worker: int = Field(2, ge=1, le=1000)
    """Groups waiting or under way for which one more worker is started. Example: `2`."""
    idle_minutes: int = Field(10, ge=1, le=60)
    """Minutes without any group after which all workers stop. Example: `10`."""
    worker_cpu: int = Field(2048, ge=256, le=16384)
    """CPU units of one worker; 1024 are one vCPU. Example: `2048`."""
    worker_memory: int = Field(7168, ge=512, le=122880)
    """MiB of memory of one worker. Example: `7168`."""
    worker_environment: dict[Annotated[str, Field(pattern=r"^OTEL_[A-Z0-9_]+$")], str] = {}
    """Variables of OpenTelemetry for the workers of groups, above all their collector. The account's users can read
    them: no secrets. Example: `{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector.internal:4318"}`."""
    volume_size: int = Field(20, ge=1, le=16384)
    """GB of scratch: of the volume that the workers of one instance share, or of one Fargate task (20 to 200). Groups
    of archives are measured while they arrive; more is needed where files are kept or cannot be read so. Example:
    `150`."""
    group_size: float = Field(2, gt=0)
    """GB of scratch that the largest group needs: nothing where archives are measured while they arrive; for six tiles
    of 0.7 GB that are kept, 12. Example: `12`."""
    group_seconds: int = Field(600, ge=1, le=86_400)
    """Seconds that a worker needs for the largest group; from it follows how long a group may have to wait. Example:
    `600`."""
    group_memory: int = Field(4096, ge=64)
    """MiB of memory that the largest group needs while it is measured. Example: `4096`."""
    stop_seconds: int = Field(60, ge=10, le=120)
    """Seconds that a worker has to return its group to the queue before it is killed. Example: `60`."""

    vpc_id: str | None = Field(None, pattern=r"^vpc-([0-9a-f]{8}|[0-9a-f]{17})$")
    """Network that the workers go into. Without it: one is made, without NAT. Example: `"vpc-0123456789abcdef0"`."""
    subnet_ids: tuple[str, ...] = ()
    """Subnets of `vpc_id` for the workers: public, with gateway endpoints for S3 and DynamoDB. Example:
    `["subnet-0123456789abcdef0"]`."""
    secret_arns: tuple[str, ...] = ()
    """Secrets (Secrets Manager or SSM parameters) that hold the providers' credentials, which workers may read.
    Example: `["arn:aws:secretsmanager:us-east-1:123456789012:secret:eog-AbCdEf"]`."""
    read_buckets: tuple[str, ...] = ()
    """Buckets that are providers themselves, or hold zones, which workers may read. Example: `["noaa-goes16"]`."""
    buckets: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,128}$")], Bucket] = {}
    """Buckets that kept archives go to, by the key that `files[].bucket` of a collection names. `internal` and
    `protected` are the stack's own, unless they are named here. The buckets are there already; `pileus up` makes them.
    Example: `{"public": {"name": "archive-public", "type": "public"}}`."""
    message_sources: tuple[str, ...] = ()
    """ARNs of the queues, topics and streams whose messages rules of type `sqs`, `sns` and `kinesis` may take. Example:
    `["arn:aws:sqs:us-east-1:123456789012:notifications"]`."""
    response_topics: tuple[str, ...] = ()
    """ARNs of the topics that a rule's `meta.cnmResponse` may name, beside the stack's own. Example:
    `["arn:aws:sns:us-east-1:123456789012:cnm-responses"]`."""
    stac_api: StacApi | None = None
    """Catalogue of others that the items go into which payloads of Cirrus have made: a STAC API with the transaction
    extension. Without it: none. Example: `{"url": "https://stac.example.org", "token": {"secretsmanager": "stac"}}`."""
    alarm_email: str | None = Field(None, pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")
    """Address that is written to when an alarm goes off. Without it: the topic of alarms has no subscriber. Example:
    `"you@example.org"`."""

    api: ApiSettings | None = None
    """The HTTP API. Without it: none. It needs a worker's image, in this account's registry. Example: `{"signed":
    ["read", "operate"]}`."""

    @property
    def instance(self) -> str:
        """Return the instance type of the workers on EC2."""
        return self.instance_type or ("m6i.xlarge" if self.architecture == "x86_64" else "m7g.xlarge")

    @property
    def workers_per_instance(self) -> int:
        """Return how many workers fit by CPU and memory; 0 when none does. On Fargate each has its own machine."""
        if self.compute == "fargate":
            return 1
        cpus, memory = INSTANCES[self.instance.partition(".")[2]]
        return min(cpus * 1024 // self.worker_cpu, (memory * 1024 - RESERVED_MIB) // self.worker_memory)

    @property
    def longest_wait(self) -> int:
        """Return the seconds for which the last of all groups that may be queued at once waits, all workers busy."""
        return math.ceil(self.point_concurrency * self.group_concurrency / self.max_workers) * self.group_seconds

    @property
    def max_instances(self) -> int:
        """Return the most instances at once; on Fargate, the most tasks."""
        return math.ceil(self.max_workers / self.workers_per_instance)

    @property
    def max_vcpus(self) -> float:
        """Return the most processors at once."""
        if self.compute == "fargate":
            return self.max_workers * self.worker_cpu / 1024
        return self.max_instances * INSTANCES[self.instance.partition(".")[2]][0]

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.worker_image and not is_fixed(self.worker_image):
            raise wrong(
                "worker_image", "names an image that may change: expected `@sha256:...`, or a tag in this account's ECR"
            )
        if self.api and self.worker_image and ".dkr.ecr." not in self.worker_image.partition("/")[0]:
            raise wrong("worker_image", "is in no registry of AWS: the API's Lambda takes images from there alone")
        if self.compute == "ec2":
            self._check_instance()
        else:
            self._check_fargate()
        workers = min(self.workers_per_instance, self.max_workers)
        if self.volume_size < self.group_size * workers:
            raise wrong(
                "volume_size",
                f"{self.volume_size} GB cannot hold the groups of {workers} workers at {self.group_size:g} GB each",
            )
        if self.group_memory > self.worker_memory * SHARE:
            raise wrong(
                "worker_memory",
                f"{self.worker_memory} MiB cannot hold a group of {self.group_memory} MiB (group_memory): "
                f"{SHARE:.0%} of it is for measuring",
            )
        if bool(self.vpc_id) != bool(self.subnet_ids):
            raise wrong("subnet_ids" if self.vpc_id else "vpc_id", "vpc_id and subnet_ids go together")
        self._check_times()
        for arn in self.secret_arns:
            if not SECRET.fullmatch(arn):
                raise wrong("secret_arns", f"{arn!r} names no secret or parameter")
        for subnet in self.subnet_ids:
            if not re.fullmatch(r"subnet-([0-9a-f]{8}|[0-9a-f]{17})", subnet):
                raise wrong("subnet_ids", f"{subnet!r} is no subnet")

        self._check_messages()
        for name in self.read_buckets:
            if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", name):
                raise wrong("read_buckets", f"{name!r} is no name of a bucket")
        return self

    def _check_messages(self) -> None:
        for setting in ("message_sources", "response_topics"):
            for arn in getattr(self, setting):
                if not (MESSAGES if setting == "message_sources" else TOPIC).fullmatch(arn):
                    expected = "queue, topic or stream" if setting == "message_sources" else "topic"
                    raise wrong(setting, f"{arn!r} is the ARN of no {expected}")

    def _check_times(self) -> None:
        if self.silence_seconds > self.timeout_seconds:
            raise wrong("silence_seconds", f"{self.silence_seconds} is longer than timeout_seconds")
        if self.visibility_seconds > self.silence_seconds:
            raise wrong(
                "visibility_seconds", "is longer than silence_seconds: heartbeats, three in it, would be too late"
            )
        if self.longest_wait > self.silence_seconds:
            raise wrong(
                "silence_seconds",
                f"{self.silence_seconds} is shorter than a group may wait: {self.longest_wait} s, for "
                f"{self.point_concurrency} x {self.group_concurrency} groups of {self.group_seconds} s with "
                f"{self.max_workers} workers; lower group_concurrency, or raise max_workers",
            )

    def _check_instance(self) -> None:
        family, _, size = self.instance.partition(".")
        families = FAMILIES[self.architecture]
        if family not in families or size not in INSTANCES:
            raise wrong(
                "instance_type",
                f"{self.instance!r} is none for {self.architecture}: expected one of {', '.join(families)} "
                f"with .{', .'.join(INSTANCES)}",
            )
        if not self.workers_per_instance:
            raise wrong("worker_memory", f"no worker of this size fits on {self.instance}")

    def _check_fargate(self) -> None:
        if self.instance_type is not None:
            raise wrong("instance_type", "Fargate has no instances: leave it out")
        if self.worker_cpu not in FARGATE_MEMORY:
            raise wrong("worker_cpu", f"Fargate has {', '.join(map(str, FARGATE_MEMORY))}, not {self.worker_cpu}")
        least, most, step = FARGATE_MEMORY[self.worker_cpu]
        if not least <= self.worker_memory <= most or self.worker_memory % step:
            raise wrong("worker_memory", f"with worker_cpu {self.worker_cpu}: {least} to {most} in steps of {step}")
        low, high = FARGATE_DISK
        if not low <= self.volume_size <= high:
            raise wrong("volume_size", f"Fargate has {low} to {high} GB")


def asked_disk(gigabytes: int) -> int | None:
    """Return the GiB of ephemeral storage to ask Fargate for; None where a task has as much unasked."""
    return gigabytes if gigabytes > FARGATE_DISK[0] else None


def wrong(setting: str, why: str) -> PydanticCustomError:
    """A setting that contradicts another."""
    return PydanticCustomError("settings", "{setting}: {why}", {"setting": setting, "why": why})


def explain(error: ValidationError) -> str:
    """Return one line that names the setting.

    >>> try:
    ...     Settings(max_workers=0)
    ... except ValidationError as error:
    ...     explain(error)
    'max_workers: Input should be greater than or equal to 1'
    """
    first = error.errors(include_url=False)[0]
    place = ".".join(map(str, first["loc"]))
    return f"{place}: {first['msg']}" if place else first["msg"]
