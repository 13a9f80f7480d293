"""Tasks of ECS that run images, with the embedded AWS: what is asked of ECS, and what is made of its answers."""

import uuid
from dataclasses import replace
from typing import Any

import pytest

from pileus.edges.aws import Aws
from pileus.edges.ecs_tasks import AwsEcsTasks, EcsPlace
from pileus.errors import StoreError, Unavailable
from spec.servers import Site

NAME = "ecs-tasks-spec"
PLACE = EcsPlace(NAME, NAME, "FARGATE", f"/{NAME}")


@pytest.fixture
def ecs(aws: Site) -> Aws:
    made = Aws(aws.url)
    made.ecs.create_cluster(clusterName=NAME)
    containers: list[Any] = [
        {"name": name, "image": "none.invalid/none:1", "memory": 64} for name in ("bring", "task", "take")
    ]
    made.ecs.register_task_definition(family=NAME, containerDefinitions=containers)
    return made


def tasks(aws: Aws, **changes: Any) -> AwsEcsTasks:
    return AwsEcsTasks(aws.ecs, aws.logs, replace(PLACE, **changes))


def test_a_task_is_started_with_variables_of_our_containers_alone(ecs: Aws) -> None:
    task = tasks(ecs).start({"PILEUS_TICKET": "https://x"}, uuid.uuid4().hex)
    (found,) = ecs.ecs.describe_tasks(cluster=NAME, tasks=[task])["tasks"]
    told = [{"name": "PILEUS_TICKET", "value": "https://x"}]
    assert found["overrides"]["containerOverrides"] == [
        {"name": "bring", "environment": told}, {"name": "take", "environment": told},
    ]  # fmt: skip
    assert found["taskDefinitionArn"].rpartition("/")[2].startswith(f"{NAME}:")


def test_a_task_that_was_stopped_is_stopped_and_may_be_stopped_again(ecs: Aws) -> None:
    made = tasks(ecs)
    task = made.start({}, uuid.uuid4().hex)
    for _ in range(2):
        made.stop(task, "it took too long")
    state = made.look(task)
    assert (state.stopped, state.started) == (True, True)
    assert state.code in ("UserInitiated", "TaskFailedToStart")  # where there is Docker, it looks for the image at once
    assert state.containers is not None
    assert state.containers.keys() == {"bring", "task", "take"}
    assert state.of("none").status is None


def test_on_fargate_a_task_has_a_network_and_on_ec2_it_fills_an_instance(ecs: Aws) -> None:
    asked = list[dict[str, Any]]()

    class Client:
        def run_task(self, **wanted: Any) -> Any:
            asked.append(wanted)
            return {"tasks": [], "failures": [{"reason": "RESOURCE:MEMORY"}]}

    made = AwsEcsTasks(Client(), ecs.logs, replace(PLACE, subnets=("subnet-1",), groups=("sg-1",)))  # type: ignore[arg-type]
    with pytest.raises(Unavailable, match="ECS has no room for it now: RESOURCE:MEMORY"):
        made.start({}, "t")
    with pytest.raises(Unavailable):
        AwsEcsTasks(Client(), ecs.logs, PLACE).start({}, "t")  # type: ignore[arg-type]
    wanted, other = asked
    assert "placementStrategy" not in wanted  # Fargate refuses one
    assert other["placementStrategy"] == [{"type": "binpack", "field": "memory"}]
    assert "networkConfiguration" not in other
    assert wanted["networkConfiguration"]["awsvpcConfiguration"] == {
        "subnets": ["subnet-1"], "securityGroups": ["sg-1"], "assignPublicIp": "ENABLED",
    }  # fmt: skip


def test_what_ecs_does_not_know_is_a_refusal(ecs: Aws) -> None:
    with pytest.raises(StoreError, match="ECS refused"):
        tasks(ecs, family="no-such-family").start({}, uuid.uuid4().hex)
    with pytest.raises(StoreError, match="ECS does not know this task any more"):
        tasks(ecs).look(f"arn:aws:ecs:us-east-1:000000000000:task/{NAME}/{uuid.uuid4().hex}")


def test_what_the_image_has_printed_comes_from_its_stream(ecs: Aws) -> None:
    made, task = tasks(ecs), f"arn:aws:ecs:us-east-1:000000000000:task/{NAME}/{uuid.uuid4().hex}"
    group, stream = PLACE.logs, f"task/task/{task.rpartition('/')[2]}"
    ecs.logs.create_log_group(logGroupName=group)
    assert made.printed(task) == b""
    ecs.logs.create_log_stream(logGroupName=group, logStreamName=stream)
    events = [{"timestamp": 1_800_000_000_000 + n, "message": f"line {n}"} for n in range(3)]
    ecs.logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)
    assert made.printed(task) == b"line 0\nline 1\nline 2\n"
