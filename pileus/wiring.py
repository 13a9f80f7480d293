"""The edges that an entry point works with, wired once: to a stack, or to a folder with no AWS at all."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pileus import keys
from pileus.documents import SecretRef
from pileus.edges.archives import Archives, ArchiveStore, StoreArchives
from pileus.edges.aws import Aws, Stack
from pileus.edges.budget_table import DynamoBudgetTable
from pileus.edges.connections import Connections, LocalConnections
from pileus.edges.dead_letters import DeadLetters
from pileus.edges.dynamo_index import DynamoIndex
from pileus.edges.ecs_tasks import AwsEcsTasks, EcsPlace, EcsTasks
from pileus.edges.index import Index, MemoryIndex
from pileus.edges.letters import KeptLetters, Letters, SqsLetters
from pileus.edges.message_sources import LambdaSources, MessageSources
from pileus.edges.queues import Queue, Queues, SqsQueues
from pileus.edges.reports import AwsReports, KeptReports, Reports
from pileus.edges.schedules import EventBridgeSchedules, Schedules
from pileus.edges.secrets import Secrets
from pileus.edges.shared_connections import SharedConnections
from pileus.edges.stac_items import HttpStacItems, NoStacItems, StacItems
from pileus.edges.store import FolderStore, S3Store, Store
from pileus.edges.topics import KeptTopics, SnsTopics, Topics
from pileus.edges.workflows import StepFunctions, Workflows
from pileus.endpoint_folder import folder_of, known
from pileus.models import Partition
from pileus.outputs.commit import Place
from pileus.stratus.endpoints import Endpoints
from pileus.task_folder import bring_tasks


@dataclass(frozen=True)
class Edges:
    """Everything outside the process."""

    stack: Stack
    store: Store
    index: Index
    secrets: Secrets
    connections: Connections
    archives: Archives
    reports: Reports
    letters: Letters = field(default_factory=KeptLetters)
    """Where messages go that could not start their workflow."""
    items: StacItems = field(default_factory=NoStacItems)
    """Where items go that payloads have made."""
    topics: Topics = field(default_factory=KeptTopics)
    """Where messages ask for an answer."""
    endpoints: Callable[[], Endpoints] = lambda: known(None)
    """Returns what operations workers do."""
    now: Callable[[], float] = time.time
    """Unix time."""

    def internal(self, key: str) -> str:
        return f"s3://{self.stack.internal}/{key}"

    def protected(self, key: str) -> str:
        return f"s3://{self.stack.protected}/{key}"

    def place(self, partition: Partition) -> Place:
        """Return where the objects of a partition are."""
        return Place(self.store, self.stack.internal, self.stack.protected, partition)


def wire(
    environ: Mapping[str, str], aws: Aws | None = None, stack: Stack | None = None, endpoints: Path | None = None
) -> Edges:
    """Edges to the stack that the environment names. Raises UsageError when it names none.

    `endpoints`: the folder of the project's; None: the environment may name it.
    """
    endpoints = endpoints or folder_of(environ)
    stack = stack or Stack.from_env(environ)
    aws = aws or Aws()
    bring_tasks(environ)
    store = S3Store(aws.s3)
    secrets = Secrets(secretsmanager=lambda: aws.secretsmanager, ssm=lambda: aws.ssm, environ=environ)
    return Edges(
        stack=stack,
        store=store,
        index=DynamoIndex(
            aws.dynamodb,
            partitions=stack.partitions,
            payloads=stack.payloads,
            backfills=stack.backfills,
            manifests=f"s3://{stack.protected}/{keys.MANIFESTS}/",
        ),
        secrets=secrets,
        connections=SharedConnections(DynamoBudgetTable(aws.dynamodb, stack.connections)),
        archives=ArchiveStore(aws.s3),
        reports=AwsReports(lambda: aws.sns, lambda: aws.events, topic=stack.topic, source=f"pileus.{stack.stack}"),
        letters=SqsLetters(
            lambda: aws.sqs,
            store,
            queue=stack.messages,
            dead=stack.messages_dead,
            folder=f"s3://{stack.internal}/messages/dead",
        ),
        topics=SnsTopics(lambda: aws.sns),
        endpoints=lambda: known(endpoints),
        items=_stac_items(stack, secrets),
    )


def _stac_items(stack: Stack, secrets: Secrets) -> StacItems:
    """Return the catalogue that the setting `stac_api` names."""
    if not stack.stac_api:
        return NoStacItems()
    told = json.loads(stack.stac_api)
    token = SecretRef(**told["token"]) if told.get("token") else None
    return HttpStacItems(told["url"], lambda: secrets.resolve(token, "stac_api.token") if token else None)


def wire_workflows(aws: Aws, stack: Stack) -> Workflows:
    return StepFunctions(lambda: aws.stepfunctions, stack.workflows)


def wire_schedules(aws: Aws, stack: Stack) -> Schedules:
    return EventBridgeSchedules(aws.scheduler, stack.stack, stack.schedule_role)


def wire_queues(aws: Aws, stack: Stack) -> Queues:
    return SqsQueues(aws.sqs, aws.stepfunctions, queues_of(stack))


def wire_task_queue(aws: Aws, stack: Stack, task: str) -> SqsQueues:
    """Return the queue of a task of the project, under the task's name. One message is received at a time."""
    return SqsQueues(aws.sqs, aws.stepfunctions, {task: Queue(*stack.task_queue(task))}, at_once=1)


def wire_containers(environ: Mapping[str, str], aws: Aws) -> EcsTasks | None:
    """Return the tasks of ECS that run the containers of a worker's task; None where they run on its own machine."""
    place = EcsPlace.from_env(environ)
    return AwsEcsTasks(aws.ecs, aws.logs, place) if place else None


def wire_dead_letters(aws: Aws, stack: Stack) -> DeadLetters:
    messages = {"messages": Queue(stack.messages, stack.messages_dead)} if stack.messages else {}
    return DeadLetters(aws.sqs, queues_of(stack) | messages)


def wire_sources(aws: Aws, stack: Stack) -> MessageSources:
    return LambdaSources(aws.lambda_, aws.sns, function=stack.starter, stack=stack.stack)


def queues_of(stack: Stack) -> dict[str, Queue]:
    """Return the queues of a stack, by queue."""
    return {
        "ingest": Queue(stack.ingest, stack.ingest_dead),
        "backfill": Queue(stack.backfill, stack.backfill_dead),
    }


def wire_folder(folder: Path, environ: Mapping[str, str]) -> Edges:
    """Edges to a folder: objects are files under it, the index lives in memory, nothing is queued."""
    names = {name: name for name in ("internal", "protected", "partitions", "backfills", "connections")}
    queues = dict.fromkeys(("ingest", "ingest_dead", "backfill", "backfill_dead", "topic"), "")
    stack = Stack(stack="folder", workflows="", visibility="120", deaths="3", **names, **queues)
    store = FolderStore(folder)
    return Edges(
        stack=stack,
        store=store,
        index=MemoryIndex(),
        secrets=Secrets(environ=environ),
        connections=LocalConnections(),
        archives=StoreArchives(store, store.written),
        reports=KeptReports(),
    )
