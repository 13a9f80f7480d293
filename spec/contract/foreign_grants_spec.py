"""Grants equal calls, for the worker of a task in somebody's image: it goes through all that it does on AWS."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from pileus.documents import parse_value
from pileus.documents.task import TaskDefinition
from pileus.edges.aws import Aws
from pileus.edges.ecs_tasks import AwsEcsTasks, EcsPlace, EndedContainer, TaskState
from pileus.edges.store import S3Store
from pileus.errors import HandedBack
from pileus.worker.child_process import TaskFailed
from pileus.worker.ecs_containers import EcsContainers
from pileus.worker.payload_files import NO_ANSWER
from spec.servers import Site
from spec.support.grants import ACCOUNT, REGION, Grants, Need, Statement, needs
from spec.support.stranger import RUN_HARM, defined
from spec.support.synthesized import IMAGE, synthesize

INTERNAL = f"pileus-internal-{ACCOUNT}-{REGION}"
PLACE = EcsPlace("pileus", "pileus-image-mask", "pileus-images", "/pileus/pileus/image-mask")
NOT_CALLED_HERE = ("sqs:", "states:")
"""What every worker does with messages and tokens; spec/stack/grants_spec.py has it."""
NOT_BY_BOTO3 = {
    "iam:PassRole": "ECS asks for it when a task is run whose definition has an execution role.",
    "s3:ListBucket": "Without it S3 answers 403, not 404, for an object that is not there.",
}
OVERSIZED = "cirrus/tmp/oversized/*"
"""Where the worker of every task of Cirrus puts answers that are too large for a step."""


class Looked(AwsEcsTasks):
    """Looks at tasks of the embedded ECS, and tells how one would have ended that has run."""

    ended: TaskState | None = None

    def look(self, task: str) -> TaskState:
        found = super().look(task)
        return self.ended or (TaskState("RUNNING") if found.stopped else found)


@pytest.fixture
def done(aws: Site) -> set[Need]:
    """What the calls of a worker need that has run a payload, stopped one, and read why one has failed."""
    here, found = Aws(aws.url), set[Need]()

    def record(params: Any, model: Any, **_: Any) -> None:
        service = {"states": "stepfunctions"}.get(model.service_model.service_name, model.service_model.service_name)
        found.update(needs({"service": service, "operation": model.name, "given": params, "stack": "pileus"}))

    here.s3.create_bucket(Bucket=INTERNAL)
    here.ecs.create_cluster(clusterName="pileus")
    containers: list[Any] = [
        {"name": name, "image": "none.invalid/none:1", "memory": 64} for name in ("bring", "task", "take")
    ]
    here.ecs.register_task_definition(family=PLACE.family, containerDefinitions=containers)
    for client in (here.ecs, here.logs, here.s3):
        client.meta.events.register("provide-client-params", record)
    tasks, store = Looked(here.ecs, here.logs, PLACE), S3Store(here.s3)
    definition = parse_value(TaskDefinition, defined(RUN_HARM), "task.json")
    does = EcsContainers("mask", definition, tasks, store, INTERNAL, memory=128, poll=0.2)
    stop = threading.Event()
    threading.Timer(1, stop.set).start()
    with pytest.raises(HandedBack):
        does.run(b"{}", stop)
    tasks.ended = TaskState("STOPPED", containers={"task": EndedContainer(1), "take": EndedContainer(NO_ANSWER)})
    with pytest.raises(TaskFailed, match="ended with status 1"):
        does.run(b"{}", threading.Event())
    room = f"s3://{INTERNAL}/cirrus/tmp/containers/x"
    store.put(f"{room}/output.json", b"{}")  # by a signed address, which is good for what its signer may do
    assert store.get(f"{room}/output.json") == b"{}"
    return found


def test_every_call_is_granted_and_every_grant_is_called(done: set[Need], tmp_path: Path) -> None:
    (tmp_path / "tasks/mask").mkdir(parents=True)
    (tmp_path / "tasks/mask/task.json").write_text(json.dumps(defined(RUN_HARM)))
    stacks = synthesize({"worker_image": IMAGE}, project=tmp_path)
    granted = Grants(stacks.core, stacks.workers).of("TaskmaskWorkerRole")
    assert {one.action for one in done} >= {"ecs:RunTask", "ecs:DescribeTasks", "ecs:StopTask", "logs:GetLogEvents"}
    missing = [need for need in done if not any(one.allows(need) for one in granted)]
    assert missing == []
    unused = {
        (action, resource)
        for one in granted
        for action in one.actions
        for resource in one.resources
        if not any(Statement((action,), (resource,)).allows(need) for need in done)
        if not action.startswith(NOT_CALLED_HERE) and action not in NOT_BY_BOTO3
    }
    assert unused == {("s3:PutObject", f"arn:aws:s3:::{INTERNAL}/{OVERSIZED}")}
