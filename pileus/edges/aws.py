"""The stack that this process works with, and the boto3 clients to reach it."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache, cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any

from pileus.edges.aws_errors import guard, translate
from pileus.errors import DocumentError, UsageError
from pileus.near import unknown
from pileus.version import __version__

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_scheduler import EventBridgeSchedulerClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_service_quotas import ServiceQuotasClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_stepfunctions import SFNClient
    from mypy_boto3_sts import STSClient


@dataclass(frozen=True, slots=True)
class Stack:
    """Names of the resources that the core stack made."""

    stack: str
    internal: str
    """Bucket."""
    protected: str
    """Bucket."""
    partitions: str
    """Table."""
    backfills: str
    """Table."""
    connections: str
    """Table."""
    ingest: str
    """Queue address."""
    ingest_dead: str
    backfill: str
    """Queue address."""
    backfill_dead: str
    topic: str
    """ARN."""
    workflows: str
    """ARN of a state machine, less its name: it begins with the stack's."""
    visibility: str
    """Seconds without a heartbeat after which a worker loses its partition."""
    deaths: str
    """How many workers in a row may die while they work on a group; then it fails."""
    schedule_role: str = ""
    """ARN."""
    buckets: str = ""
    """The setting `buckets` as JSON: name and type of each bucket by its key; empty where there are none."""
    messages: str = ""
    """Queue address: of messages of topics and streams that could not start their workflow at once."""
    messages_dead: str = ""
    """Queue address: of messages that could not start theirs at all, or whose run has failed."""
    workflow_names: str = ""
    """Names of the workflows with commas between them. The Lambdas and workers of the stack are not told them, but the
    API is.
    """

    process: str = ""
    """Queue address: of payloads of Cirrus that are to be processed."""
    payloads: str = ""
    """Table: of payloads of Cirrus, with its schema."""
    publish: str = ""
    """ARN of the topic on which items are published that payloads have made."""
    stac_api: str = ""
    """The setting `stac_api` as JSON; empty where there is none."""
    payload_events: str = ""
    """ARN of the topic on which is told what becomes of payloads."""

    @property
    def starter(self) -> str:
        """ARN of the Lambda that messages start workflows through."""
        head, _, _ = self.workflows.partition(":stateMachine:")
        return f"{head.replace(':states:', ':lambda:', 1)}:function:{self.stack}-StartFromMessage"

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Stack":
        """Return the stack that the environment of a Lambda or worker names. Raises UsageError when it names none."""
        names = {one.name: f"PILEUS_{one.name.upper()}" for one in fields(cls)}
        if "PILEUS_INTERNAL" not in environ:
            raise UsageError(
                "this process knows no stack: expected PILEUS_INTERNAL and the other names in the environment"
            )
        return cls(**{name: environ[key] for name, key in names.items() if key in environ})

    @classmethod
    def from_outputs(cls, outputs: Mapping[str, str]) -> "Stack":
        """Return the stack from the outputs of its CloudFormation stack."""
        names = {one.name: "Pileus" + one.name.title().replace("_", "") for one in fields(cls)}
        return cls(**{name: outputs[key] for name, key in names.items() if key in outputs})

    def to_env(self) -> dict[str, str]:
        """Return the environment that `from_env` reads."""
        return {f"PILEUS_{one.name.upper()}": getattr(self, one.name) for one in fields(self)}

    def workflow_arn(self, name: str) -> str:
        return f"{self.workflows}{name}"

    @property
    def bucket_map(self) -> dict[str, dict[str, str]]:
        """Return name and type of each bucket by the key that `files[].bucket` names, the stack's own among them."""
        own = {"internal": self.internal, "protected": self.protected}
        named: dict[str, dict[str, str]] = json.loads(self.buckets or "{}")
        return {key: {"name": name, "type": key} for key, name in own.items()} | named

    def bucket(self, key: str) -> str:
        """Return the name of the bucket of a key. Raises DocumentError with near keys."""
        if key not in self.bucket_map:
            raise DocumentError(unknown("bucket", key, self.bucket_map))
        return self.bucket_map[key]["name"]

    def queue_url(self, name: str) -> str:
        """Queue address of the queue `ingest` or `backfill`."""
        return self.ingest if name == "ingest" else self.backfill

    def task_queue(self, task: str) -> tuple[str, str]:
        """Return the queue addresses of a task of the project: its own, and that of its dead letters."""
        beside = f"{self.backfill.rpartition('/')[0]}/{self.stack}-task-{task}"
        return beside, f"{beside}-dead"


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key of AWS, its secret, and the token of its session."""

    key: str
    secret: str = field(repr=False)
    token: str = field(repr=False)

    def to_env(self) -> dict[str, str]:
        """Return the environment variables that AWS's libraries read."""
        return {
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_SESSION_TOKEN": self.token,
            "AWS_REGION": EMBEDDED_REGION,
        }


EMBEDDED_REGION = "us-east-1"


class Aws:
    """Clients of AWS, each made at its first use.

    `endpoint`: address of the embedded AWS; None: boto3 reads it from the environment. `credentials`: the embedded
    AWS's; None: those of the environment. `region`: None for the environment's. `patience`: seconds for an answer.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        credentials: Credentials | None = None,
        *,
        connections: int = 20,
        region: str | None = None,
        patience: float = 60,
    ) -> None:
        self.endpoint = endpoint or os.environ.get("AWS_ENDPOINT_URL")
        self._credentials = credentials
        self._connections = connections
        self._region, self._patience = region, patience
        self._making = Lock()

    def _client(self, service: str) -> object:
        """Return a client whose calls raise only our errors. Raises StoreError where no region is set."""
        from botocore.exceptions import BotoCoreError

        try:
            return guard(self.unguarded(service))
        except BotoCoreError as exc:
            raise translate(exc, service) from exc

    def unguarded(self, service: str) -> object:
        """Return a client that raises boto3's own errors, for parts of boto3 that expect them."""
        from botocore.config import Config
        from botocore.handlers import add_expect_header

        config = Config(
            max_pool_connections=self._connections,
            user_agent=f"pileus/{__version__}",  # botocore would build this value for every call
            parameter_validation=False,  # mypy and the services check the parameters
            read_timeout=self._patience,
            retries={"mode": "standard", "max_attempts": 5},
            s3={"addressing_style": "path"} if self.endpoint else {},
        )
        named = self._region or os.environ.get("AWS_REGION")  # Lambda's name; boto3 has another
        chosen: dict[str, Any] = {"region_name": named}
        if self.endpoint:
            mine = self._credentials
            chosen = {
                "aws_access_key_id": mine.key if mine else os.environ.get("AWS_ACCESS_KEY_ID", "test"),
                "aws_secret_access_key": mine.secret if mine else os.environ.get("AWS_SECRET_ACCESS_KEY", "test"),
                "aws_session_token": mine.token if mine else os.environ.get("AWS_SESSION_TOKEN"),
                "region_name": named or os.environ.get("AWS_DEFAULT_REGION", EMBEDDED_REGION),
            }
        with self._making:  # a session makes one client at a time
            made = self._session.create_client(service, endpoint_url=self.endpoint, config=config, **chosen)
        # Without `Expect: 100-continue`: it costs a round trip for every object.
        made.meta.events.unregister("before-call.s3", add_expect_header)
        client: object = made
        return client

    @cached_property
    def _session(self) -> Any:
        """Return a session whose clients of S3 have boto3's `upload_file`."""
        from boto3.s3.inject import inject_s3_transfer_methods

        session = new_session()
        session.register("creating-client-class.s3", inject_s3_transfer_methods)
        return session

    @cached_property
    def s3(self) -> "S3Client":
        return self._client("s3")  # type: ignore[return-value]

    @cached_property
    def dynamodb(self) -> "DynamoDBClient":
        return self._client("dynamodb")  # type: ignore[return-value]

    @cached_property
    def ecs(self) -> "ECSClient":
        return self._client("ecs")  # type: ignore[return-value]

    @cached_property
    def ecr(self) -> Any:
        return self._client("ecr")

    @cached_property
    def sqs(self) -> "SQSClient":
        return self._client("sqs")  # type: ignore[return-value]

    @cached_property
    def sns(self) -> "SNSClient":
        return self._client("sns")  # type: ignore[return-value]

    @cached_property
    def events(self) -> Any:
        return self._client("events")

    @cached_property
    def stepfunctions(self) -> "SFNClient":
        return self._client("stepfunctions")  # type: ignore[return-value]

    @cached_property
    def lambda_(self) -> "LambdaClient":
        return self._client("lambda")  # type: ignore[return-value]

    @cached_property
    def scheduler(self) -> "EventBridgeSchedulerClient":
        return self._client("scheduler")  # type: ignore[return-value]

    @cached_property
    def logs(self) -> Any:
        return self._client("logs")

    @cached_property
    def cloudformation(self) -> "CloudFormationClient":
        return self._client("cloudformation")  # type: ignore[return-value]

    @cached_property
    def secretsmanager(self) -> "SecretsManagerClient":
        return self._client("secretsmanager")  # type: ignore[return-value]

    @cached_property
    def ssm(self) -> "SSMClient":
        return self._client("ssm")  # type: ignore[return-value]

    @cached_property
    def quotas(self) -> "ServiceQuotasClient":
        return self._client("service-quotas")  # type: ignore[return-value]

    @cached_property
    def sts(self) -> "STSClient":
        return self._client("sts")  # type: ignore[return-value]


def new_session() -> Any:
    """Return a session of botocore, which makes clients. All of this process read its definitions of services once."""
    import botocore.session

    session: Any = botocore.session.get_session()
    session.register_component("data_loader", _definitions(session.get_config_variable("data_path")))
    return session


@cache
def _definitions(data_path: str | None) -> Any:
    """Return what reads the definitions, and keeps them. `data_path`: the user's folder of more."""
    from botocore.loaders import create_loader

    return create_loader(data_path)
