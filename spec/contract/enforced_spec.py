"""One month on an engine that enforces IAM: each Lambda and the worker with the rights of its own role, and no more.

The engine is moto's server. It asks for the exact object of a call to S3 (for the bucket, where several are deleted),
and of other services for the action on any resource: their statements are widened to `*` here, and
`spec/support/grants.py` compares their resources. It computes signatures of keys with `=` and `~` otherwise than AWS:
they are not compared.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import boto3
import pytest
from moto import settings as moto_settings
from moto.iam.access_control import IAMRequestBase
from moto.server import ThreadedMotoServer

from pileus.backfills.control import new_backfill, record_started
from pileus.edges.aws import Aws, Credentials, Stack
from pileus.errors import Denied
from pileus.project.folder import Project
from pileus.project.populate import populate, validate
from pileus.tasks.discover_granules import discover_granules
from pileus.tasks.generate_collections import generate_collections
from pileus.tasks.process_group import process_group
from pileus.tasks.report_status import report_status
from pileus.tasks.worker_state import WorkerState
from pileus.wiring import Edges, wire, wire_queues
from pileus.worker.loop import Worker
from spec.support import tiny
from spec.support.grants import ACCOUNT, REGION, Grants, Statement, grants
from spec.support.runs import Executions

ADMIN = Credentials("admin", "admin", "admin")
LAMBDA = {"Service": "lambda.amazonaws.com"}
VERSION = "2012-10-17"
TRUST = {"Version": VERSION, "Statement": [{"Effect": "Allow", "Principal": LAMBDA, "Action": "sts:AssumeRole"}]}
KEYS = {"partitions": ("collection", "partition"), "backfills": ("id",), "connections": ("provider", "lease")}
BATCHED = ("sns:Publish", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility")
"""Of these AWS allows the batch as well; moto asks for the batch's own name."""
QUEUES = ("ingest", "ingest_dead", "backfill", "backfill_dead")


@dataclass
class Account:
    """The engine, and the stack in it."""

    url: str
    stack: Stack
    roles: dict[str, Credentials]

    def edges(self, role: str) -> Edges:
        """The edges of a process that has this role."""
        return wire({}, self.aws(role), self.stack)

    def aws(self, role: str) -> Aws:
        return Aws(self.url, self.roles[role])

    @property
    def all(self) -> Edges:
        """The edges of the account's owner."""
        return wire({}, Aws(self.url, ADMIN), self.stack)


@contextmanager
def unenforced() -> Iterator[None]:
    """What the account's owner does, and what AWS itself does."""
    before = moto_settings.INITIAL_NO_AUTH_ACTION_COUNT
    moto_settings.INITIAL_NO_AUTH_ACTION_COUNT = float("inf")
    try:
        yield
    finally:
        moto_settings.INITIAL_NO_AUTH_ACTION_COUNT = before


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Account]]:
    """Make an account with the stack's resources and roles; `without` leaves an action of one role out."""
    monkeypatch.setattr(IAMRequestBase, "check_signature", lambda self: None)
    monkeypatch.setattr(moto_settings, "INITIAL_NO_AUTH_ACTION_COUNT", 0)
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()

    def make(without: tuple[str, str] = ("", "")) -> Account:
        url = f"http://{host}:{port}"
        urlopen(Request(f"{url}/moto-api/reset", method="POST"), timeout=10).close()
        with unenforced():
            return made(url, grants(), without)

    yield make
    server.stop()


def made(url: str, granted: Grants, without: tuple[str, str]) -> Account:
    clients: dict[str, Any] = {}

    def client(service: str) -> Any:
        keys = {"aws_access_key_id": "admin", "aws_secret_access_key": "admin"}
        clients.setdefault(service, boto3.client(service, endpoint_url=url, region_name=REGION, **keys))
        return clients[service]

    buckets = {name: f"pileus-{name}-{ACCOUNT}-{REGION}" for name in ("internal", "protected")}
    for bucket in buckets.values():
        client("s3").create_bucket(Bucket=bucket)
    for name, key in KEYS.items():
        client("dynamodb").create_table(
            TableName=f"pileus-{name}",
            KeySchema=[{"AttributeName": one, "KeyType": ("HASH", "RANGE")[place]} for place, one in enumerate(key)],
            AttributeDefinitions=[{"AttributeName": one, "AttributeType": "S"} for one in key],
            BillingMode="PAY_PER_REQUEST",
        )
    queues = {name: client("sqs").create_queue(QueueName=f"pileus-{name}")["QueueUrl"] for name in QUEUES}
    topic = client("sns").create_topic(Name="pileus-reports")["TopicArn"]
    machines = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:pileus-"
    tables = {name: f"pileus-{name}" for name in KEYS}
    stack = Stack("pileus", **buckets, **tables, **queues, topic=topic, workflows=machines, visibility="30", deaths="3")
    roles = {}
    for role, statements in granted.by_role.items():
        name = f"role-{role}"
        arn = client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
        made = [as_json(each, [one for one in each.actions if (role, one) != without]) for each in statements]
        document = {"Version": VERSION, "Statement": [one for one in made if one["Action"]]}
        client("iam").put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=json.dumps(document))
        lent = client("sts").assume_role(RoleArn=arn, RoleSessionName="spec")["Credentials"]
        roles[role] = Credentials(lent["AccessKeyId"], lent["SecretAccessKey"], lent["SessionToken"])
    return Account(url, stack, roles)


def as_json(statement: Statement, actions: list[str]) -> dict[str, Any]:
    """A statement as IAM has it, with these of its actions; only S3's resources stay as they are."""
    objects = all(action.startswith("s3:") for action in actions)
    batches = [f"{action}Batch" for action in actions if action in BATCHED]
    buckets = {name.partition("/")[0] for name in statement.resources} if "s3:DeleteObject" in actions else ()
    resources = [*statement.resources, *buckets] if objects else "*"
    return {"Effect": "Allow", "Action": [*actions, *batches], "Resource": resources}


@dataclass
class Folder:
    """A project folder, as `tiny` writes documents into one."""

    path: Path

    def document(self, name: str, value: Any) -> None:
        place = self.path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(value))


def one_month(account: Account, folder: Path) -> Any:
    """Take one month from its template to its report, each step with its own role; the backfill at the end."""
    kept: Any = Folder(folder)
    tiny.collection(kept, "tiny", "201501", "201501")
    tiny.publish(kept, "tiny", "201501")
    with unenforced():
        registry, zones = validate(Project(folder), date(2026, 1, 1))
        populate(account.all.store, account.stack.internal, registry, zones)
        backfill = record_started(account.all, new_backfill(registry, "tiny", now=account.all.now(), id="one"))
    listed = generate_collections(
        account.edges("pileus-GenerateCollections"), {"config": {}, "input": {"backfill": backfill.id}}
    )
    assert listed["count"] == 1
    with unenforced():  # Step Functions reads the points
        (item,) = json.loads(account.all.store.get(f"s3://{listed['points']['bucket']}/{listed['points']['key']}"))
    found = discover_granules(account.edges("pileus-DiscoverGranules"), {"config": item["config"], "input": None})
    assert found["count"] == 1, found
    with unenforced():  # and sends the group to its queue
        (group,) = found["items"]
        body = json.dumps({"token": "token", "task": group["task"]})
        Aws(account.url, ADMIN).sqs.send_message(QueueUrl=group["queue"], MessageBody=body)
    work(account, folder / "scratch")
    told = {"config": {"event": "ended", "backfill": backfill.id, "run": 1}, "input": {}}
    report_status(account.edges("pileus-ReportStatus"), Executions(), told)
    with unenforced():
        return account.all.index.backfill("one")


def work(account: Account, scratch: Path) -> None:
    """The worker, until its queues are empty."""
    edges = account.edges("worker")
    with closing(WorkerState(scratch)) as state:
        worker = Worker(
            edges,
            wire_queues(account.aws("worker"), account.stack),
            lambda event, control: process_group(edges, event, state, control),
            name="w",
        )
        assert worker.run(wait_seconds=0, until_idle=True) == 1


def test_a_month_goes_through_with_the_rights_of_each_role(account: Callable[..., Account], tmp_path: Path) -> None:
    own = account()
    ended = one_month(own, tmp_path)
    assert (ended.state, ended.closed, ended.untold) == ("succeeded", True, False)
    with unenforced():
        assert [url for url, _ in own.all.store.list(own.all.protected("stats/"))]
        assert not list(own.all.store.list(own.all.internal("staged/")))


@pytest.mark.parametrize(
    ("role", "action", "comes_to"),
    [
        ("pileus-GenerateCollections", "s3:PutObject", "denied"),
        ("pileus-DiscoverGranules", "dynamodb:BatchGetItem", "denied"),
        ("worker", "s3:PutObject", "failed"),
        ("pileus-ReportStatus", "dynamodb:Query", "denied"),
    ],
)
def test_without_one_of_them_it_does_not(
    account: Callable[..., Account], tmp_path: Path, role: str, action: str, comes_to: str
) -> None:
    """The engine does refuse: else the spec above would show nothing."""
    own = account((role, action))
    try:
        came_to = one_month(own, tmp_path).state
    except Denied:
        came_to = "denied"
    assert came_to == comes_to
