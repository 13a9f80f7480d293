"""One contract for every edge to AWS: where nobody answers, each of its methods says Unavailable, and nothing raw."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pileus.edges
from pileus.documents import SecretRef
from pileus.edges.activities import SfnActivities
from pileus.edges.archives import ArchiveStore, Kept
from pileus.edges.aws import Aws
from pileus.edges.budget import Holder
from pileus.edges.budget_table import DynamoBudgetTable
from pileus.edges.dead_letters import DeadLetters
from pileus.edges.dynamo_index import DynamoIndex
from pileus.edges.ecs_tasks import AwsEcsTasks, EcsPlace
from pileus.edges.functions import FunctionCode, LambdaFunctions
from pileus.edges.index import PayloadQuery
from pileus.edges.letters import SqsLetters
from pileus.edges.logs import CloudWatchLogs
from pileus.edges.message_sources import LambdaSources, Source
from pileus.edges.queues import Message, Queue, SqsQueues
from pileus.edges.reports import AwsReports
from pileus.edges.schedules import EventBridgeSchedules, Schedule
from pileus.edges.secrets import Secrets
from pileus.edges.store import S3Store
from pileus.edges.topics import SnsTopics
from pileus.edges.workflows import StepFunctions
from pileus.errors import Unavailable
from pileus.lifecycle.backfill import Backfill
from pileus.lifecycle.partition import Entry, Failure
from pileus.lifecycle.report import of_run
from pileus.models import Partition, State
from spec.servers import free_port

URL = "s3://bucket/key"
PARTITION = Partition("viirs", "001", "2015-01", "g")
ENTRY = Entry(PARTITION, State.queued, "b/1")
BACKFILL = Backfill("b", "viirs", "001", "2015-01", "2015-12", "month")
REPORT = of_run(BACKFILL, {}, now="2015-01-01")
MESSAGE = Message("backfill", "receipt", "{}", "token", {})
SCHEDULE = Schedule("s", "rate(1 day)", "UTC", True, "arn", {})
HOLDER = Holder("w", frozenset({1}), 1, "tag", False)
FILE = Path(__file__)
ACTIVITY = "arn:aws:states:us-east-1:000000000000:activity:a"
SOURCE = "arn:aws:sqs:us-east-1:000000000000:q"
FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:f"
SPAN = ("viirs", "001", "2014-01", "2015-12")

MAKES: dict[type, Callable[[Aws], Any]] = {
    ArchiveStore: lambda aws: ArchiveStore(aws.s3),
    CloudWatchLogs: lambda aws: CloudWatchLogs(aws.logs, "group"),
    DeadLetters: lambda aws: DeadLetters(aws.sqs, dict.fromkeys(("ingest", "backfill"), queue(aws))),
    DynamoBudgetTable: lambda aws: DynamoBudgetTable(aws.dynamodb, "connections"),
    DynamoIndex: lambda aws: DynamoIndex(
        aws.dynamodb, partitions="partitions", payloads="payloads", backfills="backfills"
    ),
    AwsEcsTasks: lambda aws: AwsEcsTasks(aws.ecs, aws.logs, EcsPlace("c", "f", "p", "l")),
    EventBridgeSchedules: lambda aws: EventBridgeSchedules(aws.scheduler, "group", "role"),
    LambdaSources: lambda aws: LambdaSources(aws.lambda_, aws.sns, function=FUNCTION, stack="pileus"),
    S3Store: lambda aws: S3Store(aws.s3),
    SnsTopics: lambda aws: SnsTopics(lambda: aws.sns),
    SqsLetters: lambda aws: SqsLetters(
        lambda: aws.sqs,
        S3Store(aws.s3),
        queue=queue(aws).url,
        dead=queue(aws).dead_url,
        folder="s3://internal/messages",
    ),
    SfnActivities: lambda aws: SfnActivities(aws.stepfunctions, ACTIVITY, "w"),
    LambdaFunctions: lambda aws: LambdaFunctions(aws.lambda_),
    Secrets: lambda aws: Secrets(environ={}, secretsmanager=lambda: aws.secretsmanager, ssm=lambda: aws.ssm),
    AwsReports: lambda aws: AwsReports(
        lambda: aws.sns, lambda: aws.events, topic="arn:aws:sns:us-east-1:000000000000:topic", source="pileus.x"
    ),
    SqsQueues: lambda aws: SqsQueues(aws.sqs, aws.stepfunctions, {"ingest": queue(aws), "backfill": queue(aws)}),
    StepFunctions: lambda aws: StepFunctions(
        lambda: aws.stepfunctions, "arn:aws:states:us-east-1:000000000000:stateMachine:"
    ),
}
CALLS: dict[tuple[type, str], Callable[[Any], object]] = {
    (ArchiveStore, "weigh"): lambda edge: edge.weigh(FILE, URL, "replace"),
    (ArchiveStore, "put"): lambda edge: edge.put(FILE, URL),
    (ArchiveStore, "written"): lambda edge: edge.written(URL),
    (ArchiveStore, "stage"): lambda edge: edge.stage(FILE, URL, Kept(URL, 1, "", "written")),
    (CloudWatchLogs, "lines"): lambda edge: list(edge.lines("b", PARTITION.key)),
    (DeadLetters, "all"): lambda edge: edge.all(),
    (DeadLetters, "remove"): lambda edge: edge.remove("id"),
    (DynamoBudgetTable, "holders"): lambda edge: edge.holders("p"),
    (DynamoBudgetTable, "put"): lambda edge: edge.put("p", HOLDER, {None}),
    (DynamoBudgetTable, "remove"): lambda edge: edge.remove("p", "w", {"tag"}),
    (DynamoBudgetTable, "take"): lambda edge: edge.take("p", 1, "w", "token"),
    (DynamoBudgetTable, "free"): lambda edge: edge.free("p", 1, worker="w"),
    (DynamoIndex, "entry"): lambda edge: edge.entry(PARTITION),
    (DynamoIndex, "several"): lambda edge: edge.several([PARTITION]),
    (DynamoIndex, "entries"): lambda edge: list(edge.entries(*SPAN)),
    (DynamoIndex, "briefs"): lambda edge: list(edge.briefs("viirs", "001", "0000", "9999")),
    (DynamoIndex, "payloads"): lambda edge: edge.payloads(PayloadQuery("payload:viirs_publish"), limit=1),
    (DynamoIndex, "count_payloads"): lambda edge: edge.count_payloads(PayloadQuery("payload:viirs_publish"), limit=1),
    (DynamoIndex, "listing"): lambda edge: edge.listing("viirs/001/2015", limit=1),
    (DynamoIndex, "put"): lambda edge: edge.put(ENTRY),
    (DynamoIndex, "remove"): lambda edge: edge.remove(ENTRY),
    (DynamoIndex, "backfill"): lambda edge: edge.backfill("b"),
    (DynamoIndex, "backfills"): lambda edge: list(edge.backfills()),
    (DynamoIndex, "remove_backfill"): lambda edge: edge.remove_backfill(BACKFILL),
    (DynamoIndex, "put_backfill"): lambda edge: edge.put_backfill(BACKFILL),
    (AwsEcsTasks, "start"): lambda edge: edge.start({}, "token"),
    (AwsEcsTasks, "look"): lambda edge: edge.look("arn:aws:ecs:us-east-1:000000000000:task/c/1"),
    (AwsEcsTasks, "stop"): lambda edge: edge.stop("arn:aws:ecs:us-east-1:000000000000:task/c/1", "why"),
    (AwsEcsTasks, "printed"): lambda edge: edge.printed("arn:aws:ecs:us-east-1:000000000000:task/c/1"),
    (EventBridgeSchedules, "all"): lambda edge: edge.all(),
    (EventBridgeSchedules, "made"): lambda edge: edge.made("s"),
    (EventBridgeSchedules, "put"): lambda edge: edge.put(SCHEDULE, new=True),
    (EventBridgeSchedules, "delete"): lambda edge: edge.delete("s"),
    (LambdaSources, "all"): lambda edge: edge.all(),
    (LambdaSources, "put"): lambda edge: edge.put(Source(SOURCE, True)),
    (LambdaSources, "delete"): lambda edge: edge.delete(SOURCE),
    (SnsTopics, "publish"): lambda edge: edge.publish("arn:aws:sns:us-east-1:000000000000:t", {}, {}),
    (SqsLetters, "put_aside"): lambda edge: edge.put_aside({}),
    (SqsLetters, "fall_back"): lambda edge: edge.fall_back({}),
    (SqsLetters, "hide"): lambda edge: edge.hide(SOURCE, "receipt", 1),
    (S3Store, "get"): lambda edge: edge.get(URL),
    (S3Store, "put"): lambda edge: edge.put(URL, b""),
    (S3Store, "tagged"): lambda edge: edge.tagged(URL),
    (S3Store, "swap"): lambda edge: edge.swap(URL, b"", None),
    (S3Store, "copy"): lambda edge: edge.copy(URL, URL),
    (S3Store, "drop"): lambda edge: edge.drop(URL, "tag"),
    (S3Store, "list"): lambda edge: list(edge.list(URL)),
    (S3Store, "delete"): lambda edge: edge.delete(URL),
    (S3Store, "marks"): lambda edge: list(edge.marks(URL)),
    (S3Store, "mark"): lambda edge: edge.mark(URL),
    (S3Store, "part"): lambda edge: edge.part(URL, 0, 1, "tag"),
    (Secrets, "resolve"): lambda edge: edge.resolve(SecretRef(secretsmanager="s"), "where"),
    (AwsReports, "tell"): lambda edge: edge.tell([REPORT]),
    (SfnActivities, "take"): lambda edge: edge.take(),
    (SfnActivities, "beat"): lambda edge: edge.beat("token"),
    (SfnActivities, "succeed"): lambda edge: edge.succeed("token", "{}"),
    (SfnActivities, "fail"): lambda edge: edge.fail("token", Failure("Corrupt", "cut")),
    (LambdaFunctions, "code"): lambda edge: edge.code("arn:aws:lambda:us-east-1:000000000000:function:f"),
    (LambdaFunctions, "download"): lambda edge: edge.download(
        FunctionCode("arn", "f", "m.f", "", f"http://127.0.0.1:{free_port()}/f.zip", 128), Path("/dev/null")
    ),
    (SqsQueues, "receive"): lambda edge: edge.receive("backfill", 0),
    (SqsQueues, "hold"): lambda edge: edge.hold(MESSAGE, 1),
    (SqsQueues, "keep"): lambda edge: edge.keep(MESSAGE, 1),
    (SqsQueues, "bury"): lambda edge: edge.bury(MESSAGE),
    (SqsQueues, "beat"): lambda edge: edge.beat(MESSAGE),
    (SqsQueues, "fail"): lambda edge: edge.fail(MESSAGE, Failure("Corrupt", "cut")),
    (StepFunctions, "start"): lambda edge: edge.start("workflow", "name", {}),
    (SqsQueues, "post_anew"): lambda edge: edge.post_anew(MESSAGE),
    (StepFunctions, "exists"): lambda edge: edge.exists("workflow"),
    (StepFunctions, "definition"): lambda edge: edge.definition("workflow"),
    (StepFunctions, "status"): lambda edge: edge.status("execution"),
    (StepFunctions, "outcome"): lambda edge: edge.outcome("execution"),
    (StepFunctions, "history"): lambda edge: edge.history("execution"),
    (StepFunctions, "stop"): lambda edge: edge.stop("execution", "cause"),
    (StepFunctions, "running"): lambda edge: list(edge.running("workflow", "b-")),
}
LATER = {(SqsQueues, "delete"), (SqsQueues, "succeed"), (SqsQueues, "succeed_with"), (SqsQueues, "settle")}
"""These put off what they cannot do now: the message comes again, and is answered again."""
ASKS_NOBODY = {(Secrets, "forget"), (S3Store, "signed")}


def queue(aws: Aws) -> Queue:
    return Queue(f"{aws.endpoint}/000000000000/q", f"{aws.endpoint}/000000000000/dead")


def edges() -> Iterator[type]:
    """Every class of pileus.edges that is given a client of AWS."""
    for found in pkgutil.iter_modules(pileus.edges.__path__, "pileus.edges."):
        module = importlib.import_module(found.name)
        for _, kind in inspect.getmembers(module, inspect.isclass):
            if kind.__module__ == module.__name__ and "__init__" in vars(kind):
                parameters = inspect.signature(kind).parameters
                told = " ".join(f"{name} {one.annotation}" for name, one in parameters.items())
                if "client" in told.lower():
                    yield kind


def methods(kind: type) -> set[str]:
    return {name for name, _ in inspect.getmembers(kind, callable) if not name.startswith("_")}


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> Aws:
    """Clients of a port that is closed, which try once."""
    monkeypatch.setattr("botocore.retries.standard.StandardRetryConditions.is_retryable", lambda *_: False)
    return Aws(f"http://127.0.0.1:{free_port()}")


def test_every_edge_and_every_method_of_it_is_asked_here() -> None:
    assert set(edges()) == set(MAKES)
    asked = {*CALLS, *LATER, *ASKS_NOBODY}
    assert asked == {(kind, name) for kind in MAKES for name in methods(kind)}


@pytest.mark.parametrize(("kind", "name"), CALLS, ids=lambda value: getattr(value, "__name__", value))
def test_where_nobody_answers_it_says_so(kind: type, name: str, nowhere: Aws) -> None:
    with pytest.raises(Unavailable) as caught:
        CALLS[kind, name](MAKES[kind](nowhere))
    assert caught.value.where, "and what it asked for"
    assert "cannot be reached" in caught.value.message


@pytest.mark.parametrize(("kind", "name"), sorted(LATER, key=str), ids=lambda value: getattr(value, "__name__", value))
def test_what_can_wait_is_put_off(kind: type, name: str, nowhere: Aws) -> None:
    edge = MAKES[kind](nowhere)
    for _ in range(25):
        edge.delete(MESSAGE)
        edge.succeed(MESSAGE, {})
    edge.settle()
