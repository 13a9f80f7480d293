"""A worker of a task in somebody's image, as on AWS: from a workflow's message to the answer of its token, by ECS."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.request import Request, urlopen

import pytest
from botocore.exceptions import ClientError

from pileus.cli.worker import work_on
from pileus.edges.aws import Aws, Stack
from pileus.edges.ecs_tasks import VARIABLE
from pileus.task_folder import FOLDER
from spec.servers import Site
from spec.support.cirrus_tasks import PAYLOAD
from spec.support.ecs_agent import EcsAgent
from spec.support.ecs_payloads import BUCKET, PLACE, Ecs
from spec.support.engine import engine, image
from spec.support.stranger import DERIVED, RUN_HARM, built, defined

__all__ = ["built", "engine", "image"]
STACK = "ecs-worker"
CALLS = {
    "AmazonEC2ContainerServiceV20141113.RunTask": EcsAgent.run_task,
    "AmazonEC2ContainerServiceV20141113.DescribeTasks": EcsAgent.describe_tasks,
    "AmazonEC2ContainerServiceV20141113.StopTask": EcsAgent.stop_task,
    "Logs_20140328.GetLogEvents": EcsAgent.get_log_events,
}
"""What the agent answers; all else is for the embedded AWS."""


@contextmanager
def endpoint(site: Site, agent: EcsAgent) -> Iterator[str]:
    """The address of an AWS whose ECS is the agent."""

    class Handler(BaseHTTPRequestHandler):
        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            call = CALLS.get(self.headers.get("X-Amz-Target", ""))
            status = 200
            if call:
                try:
                    answer = json.dumps(call(agent, **json.loads(body))).encode()
                except ClientError as error:
                    status, answer = 400, json.dumps({"__type": error.response["Error"]["Code"]}).encode()
            else:
                asked = Request(f"{site.url}{self.path}", body or None, dict(self.headers), method=self.command)
                with urlopen(asked, timeout=60) as answered:
                    answer = answered.read()
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = do_PUT = _pass_on

        def log_message(self, format: str, *args: Any) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class Deployed:
    """A stack with one such task and a workflow that sends it a payload."""

    def __init__(self, aws: Aws, folder: Path, command: list[str]) -> None:
        self.aws, self.told = aws, defined(command, timeout=60)
        (folder / "tasks/theirs").mkdir(parents=True)
        (folder / "tasks/theirs/task.json").write_text(json.dumps(self.told))
        urls = [aws.sqs.create_queue(QueueName=f"{STACK}-{name}")["QueueUrl"] for name in (
            "backfill", "task-theirs", "task-theirs-dead")]  # fmt: skip
        names = {name: name for name in ("protected", "partitions", "connections", "ingest", "ingest_dead", "topic")}
        stack = Stack(
            STACK, BUCKET, backfill=urls[0], backfill_dead="d", backfills="b", workflows="", visibility="3", deaths="3",
            **names,
        )  # fmt: skip
        place = {VARIABLE: json.dumps(PLACE.to_json()), FOLDER: str(folder / "tasks")}
        self.environ = {**stack.to_env(), **place, "PILEUS_SCRATCH": str(folder / "scratch")}
        told = {"token.$": "$$.Task.Token", "task": {"task": "theirs", "event.$": "$"}}
        state = {
            "Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken", "End": True,
            "Parameters": {"QueueUrl": urls[1], "MessageBody": told},
        }  # fmt: skip
        machine = {"StartAt": "Do", "States": {"Do": state}}
        self.machine = aws.stepfunctions.create_state_machine(
            name=f"{STACK}-{folder.name}", definition=json.dumps(machine), roleArn="arn:aws:iam::000000000000:role/r"
        )["stateMachineArn"]

    def start(self, payload: Any) -> str:
        """Start an execution, and return its ARN when its message is there."""
        made = self.aws.stepfunctions.start_execution(stateMachineArn=self.machine, input=json.dumps(payload))
        url = self.aws.sqs.get_queue_url(QueueName=f"{STACK}-task-theirs")["QueueUrl"]
        while self.aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])[
            "Attributes"
        ]["ApproximateNumberOfMessages"] == "0":  # fmt: skip
            time.sleep(0.1)
        return made["executionArn"]

    def ended(self, execution: str) -> Any:
        while (told := self.aws.stepfunctions.describe_execution(executionArn=execution))["status"] == "RUNNING":
            time.sleep(0.1)
        return told


@pytest.mark.parametrize(
    ("command", "payload", "status"),
    [(DERIVED, PAYLOAD, "SUCCEEDED"), (RUN_HARM, {**PAYLOAD, "do": "exits"}, "FAILED")],
    ids=["good", "bad"],
)
def test_a_payload_of_a_workflow_is_done_by_ecs_and_its_token_answered(
    built: None,
    image: str,
    aws: Site,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: list[str],
    payload: Any,
    status: str,
) -> None:
    here = Aws(aws.url)
    here.s3.create_bucket(Bucket=BUCKET)
    deployed = Deployed(here, tmp_path, command)
    agent = Ecs(tmp_path, here, image).agent(deployed.told)
    with endpoint(aws, agent) as url:
        for name, value in {**deployed.environ, "AWS_ENDPOINT_URL": url}.items():
            monkeypatch.setenv(name, value)
        execution = deployed.start(payload)
        work_on("theirs", until_idle=True)
    agent.close()
    told = deployed.ended(execution)
    assert told["status"] == status
    if status == "SUCCEEDED":
        assert json.loads(told["output"])["features"][0]["id"] == "a-fast"
    else:
        assert (told["error"], "ended with status 3" in told["cause"]) == ("TaskDied", True)
    assert len(agent.requests) == 1
    assert agent.left() == []
