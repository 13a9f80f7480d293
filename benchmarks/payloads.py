"""What a payload of Cirrus costs beside its work: 1,000 through a workflow of two tasks, by Pileus and by cirrus-geo.

Starts the embedded stack with a workflow whose two tasks hand on what they get. Ours: payloads into the stack's queue,
which its Lambdas take. The peer's: cirrus-geo 2.0.0's own functions `process` and `update-state`, on the same engine,
with a table, a bucket and queues of their own, over a state machine of the same definition. They run in one process
that polls, with no call of a Lambda between: so the peer is measured better than it would be. Both ways end when the
state table says that all have succeeded. They alternate. Prints one JSON line: medians of milliseconds a payload, and
their ratio.

    python benchmarks/payloads.py [--payloads 1000] [--rounds 3]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pileus.edges.aws import Aws
from pileus.embedded.home import Home, Running
from spec.support.cirrus import cirrus_python

ROOT = Path(__file__).resolve().parent.parent
PEER = Path(__file__).with_name("peers") / "cirrus_lambdas.py"
WORKFLOW = "bench"
LONGEST = 600
"""Seconds after which a round has failed."""
STEPS = {
    "StartAt": "One",
    "States": {
        "One": {"Type": "Task", "Resource": "pileus:task:same", "Next": "Two"},
        "Two": {"Type": "Task", "Resource": "pileus:task:same", "End": True},
    },
}
SAME = '''"""Hand on what came."""


def handler(event, context):
    return event
'''


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--payloads", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    times: dict[str, list[float]] = {"ours": [], "peer": []}
    with tempfile.TemporaryDirectory() as folder, stack(Path(folder)) as running, Peer(running) as peer:
        ours, table = running.stack["PILEUS_PROCESS"], running.stack["PILEUS_PAYLOADS"]
        timed(running.aws, ours, table, "warm", 20)
        timed(running.aws, peer.queue, peer.table, "warm", 20)
        for number in range(arguments.rounds):
            for name, queue, rows in (("ours", ours, table), ("peer", peer.queue, peer.table)):
                taken = timed(running.aws, queue, rows, f"round{number}", arguments.payloads)
                times[name].append(taken / arguments.payloads * 1000)
    medians = {name: statistics.median(each) for name, each in times.items()}
    told = {
        "case": "payloads",
        "payloads": arguments.payloads,
        "ours_ms": round(medians["ours"], 2),
        "peer_ms": round(medians["peer"], 2),
        "ratio": round(medians["peer"] / medians["ours"], 2),
        "rounds": {name: [round(one, 2) for one in each] for name, each in times.items()},
    }
    print(json.dumps(told))


@contextmanager
def stack(project: Path) -> Iterator[Running]:
    """The embedded stack of a project with the workflow."""
    task = project / "tasks/same"
    task.mkdir(parents=True)
    (task / "task.py").write_text(SAME)
    told = {"description": "Hand on.", "runs": "lambda", "function": "task:handler"}
    (task / "task.json").write_text(json.dumps(told))
    (project / "workflows").mkdir()
    (project / f"workflows/{WORKFLOW}.asl.json").write_text(json.dumps(STEPS))
    pileus(project, "up", "--detach", "--workers", "0")
    try:
        found = Home(project).running()
        assert found is not None
        yield found
    finally:
        pileus(project, "down")


def pileus(project: Path, *arguments: str) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pileus", *arguments]
    subprocess.run(command, cwd=project, env=environment, check=True, capture_output=True, timeout=300)


class Peer:
    """cirrus-geo's two functions in a process of their own, and what they need on the engine."""

    table, bucket, prefix = "peer-state", "peer-payloads", "peer-"

    def __init__(self, running: Running) -> None:
        self._running, self._aws = running, running.aws
        self.queue, self._ends = (
            self._aws.sqs.create_queue(QueueName=f"peer-{n}")["QueueUrl"] for n in ("process", "ends")
        )
        self._aws.s3.create_bucket(Bucket=self.bucket)
        self._make_table()
        machine = self._make_machine()
        self._tell_ends(machine)

    def _make_table(self) -> None:
        keys = {"HASH": "collections_workflow", "RANGE": "itemids"}
        names = (*keys.values(), "state_updated", "updated")

        def schema(last: str) -> list[Any]:
            return [
                {"AttributeName": keys["HASH"], "KeyType": "HASH"},
                {"AttributeName": last, "KeyType": "RANGE"},
            ]

        self._aws.dynamodb.create_table(
            TableName=self.table,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
            KeySchema=schema(keys["RANGE"]),
            LocalSecondaryIndexes=[
                {"IndexName": name, "KeySchema": schema(name), "Projection": {"ProjectionType": "ALL"}}
                for name in ("state_updated", "updated")
            ],
        )

    def _make_machine(self) -> str:
        """Make a state machine of the definition that ours has."""
        functions = self._aws.stepfunctions
        there = functions.describe_state_machine(stateMachineArn=f"{self._running.stack['PILEUS_WORKFLOWS']}{WORKFLOW}")
        made = functions.create_state_machine(
            name=f"{self.prefix}{WORKFLOW}", definition=there["definition"], roleArn=there["roleArn"]
        )
        return made["stateMachineArn"]

    def _tell_ends(self, machine: str) -> None:
        """Have the ends of its executions put into a queue."""
        pattern = {
            "source": ["aws.states"],
            "detail-type": ["Step Functions Execution Status Change"],
            "detail": {"stateMachineArn": [machine], "status": ["SUCCEEDED", "FAILED", "ABORTED", "TIMED_OUT"]},
        }
        arn = self._aws.sqs.get_queue_attributes(QueueUrl=self._ends, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        self._aws.events.put_rule(Name="peer-ends", EventPattern=json.dumps(pattern))
        self._aws.events.put_targets(Rule="peer-ends", Targets=[{"Id": "queue", "Arn": arn}])
        self._machines = machine.removesuffix(WORKFLOW)

    def __enter__(self) -> "Peer":
        aws = {"AWS_ENDPOINT_URL": self._running.endpoint, **self._running.credentials.to_env()}
        told = {
            "CIRRUS_STATE_DB": self.table,
            "CIRRUS_PAYLOAD_BUCKET": self.bucket,
            "CIRRUS_BASE_WORKFLOW_ARN": self._machines,
            "CIRRUS_LOG_LEVEL": "ERROR",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        command = [str(cirrus_python()), "-P", "-W", "ignore", str(PEER), self.queue, self._ends]
        self._process = subprocess.Popen(command, env=os.environ | aws | told)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(30)


def timed(aws: Aws, queue: str, table: str, tag: str, count: int) -> float:
    """Seconds from the first payload in the queue until the table says that all have succeeded."""
    collection = f"{tag}{count}"
    began = time.perf_counter()
    for first in range(0, count, 10):
        entries = [
            {"Id": str(number), "MessageBody": json.dumps(payload(collection, number))}
            for number in range(first, min(first + 10, count))
        ]
        aws.sqs.send_message_batch(QueueUrl=queue, Entries=entries)
    while succeeded(aws, table, f"{collection}_{WORKFLOW}") < count:
        assert time.perf_counter() - began < LONGEST, f"{collection}: not all in {LONGEST} s"
        time.sleep(0.2)
    return time.perf_counter() - began


def payload(collection: str, number: int) -> dict[str, Any]:
    item = {"type": "Feature", "id": f"{number:05}", "collection": collection, "properties": {}}
    return {"type": "FeatureCollection", "features": [item], "process": [{"workflow": WORKFLOW}]}


def succeeded(aws: Aws, table: str, key: str) -> int:
    """Count what has succeeded. By conditions, not an expression: the engine would parse that for each item, and the
    count would take a third of its time.
    """
    wanted: Any = {"collections_workflow": ("EQ", key), "state_updated": ("BEGINS_WITH", "SUCCEEDED")}
    conditions = {
        name: {"ComparisonOperator": operator, "AttributeValueList": [{"S": value}]}
        for name, (operator, value) in wanted.items()
    }
    found = aws.dynamodb.query(TableName=table, IndexName="state_updated", KeyConditions=conditions, Select="COUNT")
    return found["Count"]


if __name__ == "__main__":
    main()
