"""What the templates have for the tasks of a project: a service or a Lambda of the asked size, and least rights."""

import json
from pathlib import Path
from typing import Any

import pytest

from spec.support.own_project import write_tasks, write_workflow
from spec.support.synthesized import IMAGE, Stacks, assert_lint_finds_nothing, listed, synthesize, with_node

EC2 = {"worker_image": IMAGE}
FARGATE = EC2 | {"compute": "fargate"}
PLACES = {"reads": ["protected/stats/*", "s3://masks/v1/*"], "writes": ["internal/told/*"]}


def made(folder: Path, settings: dict[str, Any], *, nag: bool = False, **changes: dict[str, Any]) -> Stacks:
    write_tasks(folder, **changes)
    write_workflow(folder)
    return synthesize(settings, project=folder, nag=nag)


def service(stacks: Stacks, name: str) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """A service, its task definition and its container."""
    (found,) = (one for one in stacks.workers.all("AWS::ECS::Service").values() if one["ServiceName"] == name)
    definition = stacks.workers.resources[found["TaskDefinition"]["Ref"]]["Properties"]
    (container,) = definition["ContainerDefinitions"]
    return found, definition, container


def policy(stack: Any, part: str) -> list[dict[str, Any]]:
    """The statements of the roles whose logical id contains `part`."""
    return [one for one in stack.statements(part) if one["Effect"] == "Allow"]


def test_a_task_in_workers_is_a_service_of_its_own_size(tmp_path: Path) -> None:
    sizes = {"cpu": 512, "memory": 3072, "max_workers": 3, "environment": {"MODEL": "small"}}
    stacks = made(tmp_path, EC2, tell=sizes)
    _, definition, container = service(stacks, "pileus-task-tell")
    assert (container["Cpu"], container["Memory"]) == (512, 3072)
    assert container["Command"] == ["python", "-m", "pileus", "worker", "--task", "tell"]
    environment = {one["Name"]: one["Value"] for one in container["Environment"]}
    assert environment["MODEL"] == "small"
    assert environment["PILEUS_TASKS"] == "/opt/pileus/app/tasks"
    assert container["ReadonlyRootFilesystem"] is True
    assert definition["Family"] == "pileus-task-tell"
    groups, _, of_groups = service(stacks, "pileus-workers")
    assert "Command" not in of_groups
    assert (of_groups["Cpu"], of_groups["Memory"]) == (2048, 7168)
    targets = stacks.workers.all("AWS::ApplicationAutoScaling::ScalableTarget").values()
    assert sorted((one["MinCapacity"], one["MaxCapacity"]) for one in targets) == [(0, 3), (0, 4)]
    assert groups["CapacityProviderStrategy"] == service(stacks, "pileus-task-tell")[0]["CapacityProviderStrategy"]


def test_its_service_follows_its_own_queue(tmp_path: Path) -> None:
    stacks = made(tmp_path, EC2)
    names = {one.get("QueueName") for one in stacks.core.all("AWS::SQS::Queue").values()}
    assert {"pileus-task-tell", "pileus-task-tell-dead"} <= names
    assert not [name for name in names if "largest" in name or "count" in name]
    (alarm,) = (
        one
        for one in stacks.workers.all("AWS::CloudWatch::Alarm").values()
        if one["AlarmName"] == "pileus-task-tell-scaling-work"
    )
    assert "FILL(task_tell_waiting, 0) + FILL(task_tell_running, 0)" in json.dumps(alarm)
    assert {one["AlarmName"] for one in stacks.core.all("AWS::CloudWatch::Alarm").values()} >= {
        "pileus-Task-tell-Dead", "pileus-Task-tell-Age",
    }  # fmt: skip


def test_it_may_do_what_its_definition_says_and_no_more(tmp_path: Path) -> None:
    stacks = made(tmp_path, EC2, tell=PLACES)
    statements = policy(stacks.workers, "Tasktell")
    allowed = {action for one in statements for action in listed(one["Action"])}
    pulls = {"ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"}
    logs = {"logs:CreateLogStream", "logs:PutLogEvents", "ecr:GetAuthorizationToken"}
    assert allowed - pulls - logs == {
        "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:SendMessage",
        "states:SendTaskSuccess", "states:SendTaskFailure", "states:SendTaskHeartbeat",
        "s3:GetObject", "s3:ListBucket", "s3:PutObject",
    }  # fmt: skip
    told = json.dumps([one for one in statements if "s3:PutObject" in listed(one["Action"])])
    assert "/told/*" in told
    assert "/stats/*" not in told
    read = json.dumps([one for one in statements if "s3:GetObject" in listed(one["Action"])])
    assert "/stats/*" in read
    assert "arn:aws:s3:::masks/v1/*" in read
    tokens = json.dumps([one for one in statements if "states:SendTaskSuccess" in listed(one["Action"])])
    assert "TellToo" in tokens
    assert "DiscoverAndProcessGranules" not in tokens


def test_without_places_it_may_touch_no_object(tmp_path: Path) -> None:
    allowed = {action for one in policy(made(tmp_path, EC2).workers, "Tasktell") for action in listed(one["Action"])}
    assert not [action for action in allowed if action.startswith(("s3:", "dynamodb:"))]


def test_a_workflow_may_use_the_tasks_that_it_names_only(tmp_path: Path) -> None:
    stacks = made(tmp_path, EC2)
    mine = json.dumps(policy(stacks.core, "TellToo"))
    others = json.dumps(policy(stacks.core, "DiscoverAndProcessGranules"))
    queues = stacks.core.all("AWS::SQS::Queue").items()
    queue = next(name for name, one in queues if one.get("QueueName") == "pileus-task-tell")
    function = next(name for name in stacks.core.all("AWS::Lambda::Function") if name.startswith("Taskcount"))
    assert queue in mine
    assert function in mine
    assert queue not in others
    assert function not in others


LOGS = {
    "logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:DescribeResourcePolicies", "logs:DescribeLogGroups",
}  # fmt: skip
RUNS = {"states:StartExecution", "states:DescribeExecution", "states:StopExecution"}
ITEMS = {"s3:GetObject", "s3:ListBucket", "s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"}
RULE = {"events:PutTargets", "events:PutRule", "events:DescribeRule"}


@pytest.mark.parametrize(
    ("name", "does"),
    [
        ("GenerateCollectionsTriggerWorkflows", {"lambda:InvokeFunction"} | RUNS | ITEMS | RULE),
        ("DiscoverAndProcessGranules", {"lambda:InvokeFunction", "sqs:SendMessage"} | RUNS | ITEMS),
        ("RunProcess", {"lambda:InvokeFunction", "sqs:SendMessage"}),
        ("RunGraph", {"lambda:InvokeFunction", "sqs:SendMessage"}),
        ("TellToo", {"lambda:InvokeFunction", "sqs:SendMessage"} | RUNS | ITEMS),
        ("OnlyTell", {"sqs:SendMessage"}),
    ],
)
def test_a_workflow_may_do_what_its_states_do_and_no_more(tmp_path: Path, name: str, does: set[str]) -> None:
    only = {"StartAt": "Tell", "States": {"Tell": {"Type": "Task", "Resource": "pileus:task:tell", "End": True}}}
    (tmp_path / "workflows").mkdir()
    (tmp_path / "workflows/OnlyTell.asl.json").write_text(json.dumps(only))
    allowed = {action for one in policy(made(tmp_path, EC2).core, f"{name}Machine") for action in listed(one["Action"])}
    assert allowed - LOGS == does


def test_a_task_as_a_lambda_has_its_size(tmp_path: Path) -> None:
    stacks = made(tmp_path, EC2, count={"memory": 1024, "timeout": 60, "volume": 2, "environment": {"MODEL": "x"}})
    (found,) = (
        one for one in stacks.core.all("AWS::Lambda::Function").values() if one["FunctionName"] == "pileus-task-count"
    )
    assert (found["MemorySize"], found["Timeout"], found["EphemeralStorage"]) == (1024, 60, {"Size": 2048})
    environment = found["Environment"]["Variables"]
    assert (environment["PILEUS_TASK"], environment["PILEUS_TASKS"], environment["MODEL"]) == (
        "count", "/var/task/tasks", "x",
    )  # fmt: skip


def test_a_task_may_have_an_image_of_its_own_in_both(tmp_path: Path) -> None:
    image = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/masks:1.2"
    stacks = made(tmp_path, EC2, tell={"image": image}, count={"image": image})
    assert "masks:1.2" in json.dumps(service(stacks, "pileus-task-tell")[2]["Image"])
    (found,) = (
        one for one in stacks.core.all("AWS::Lambda::Function").values() if one["FunctionName"] == "pileus-task-count"
    )
    assert found["PackageType"] == "Image"
    assert found["ImageConfig"]["Command"][-1] == "pileus.tasks.own_task.handler"


def test_a_task_that_asks_for_a_gpu_has_instances_of_its_own(tmp_path: Path) -> None:
    stacks = made(tmp_path, EC2, tell={"gpu": 1, "instance_type": "g5.xlarge", "volume": 80, "max_workers": 2})
    found, _, container = service(stacks, "pileus-task-tell")
    assert container["ResourceRequirements"] == [{"Type": "GPU", "Value": "1"}]
    shared = service(stacks, "pileus-workers")[0]
    assert found["CapacityProviderStrategy"] != shared["CapacityProviderStrategy"]
    templates = stacks.workers.all("AWS::EC2::LaunchTemplate").values()
    (mine,) = (one for one in templates if one["LaunchTemplateName"] == "pileus-task-tell")
    data = mine["LaunchTemplateData"]
    assert data["InstanceType"] == "g5.xlarge"
    assert [one["Ebs"]["VolumeSize"] for one in data["BlockDeviceMappings"]] == [30, 80]
    assert "linux2023gpu" in data["ImageId"]["Ref"]
    assert "ECS_ENABLE_GPU_SUPPORT=true" in data["UserData"]["Fn::Base64"]
    groups = {
        one["AutoScalingGroupName"]: one for one in stacks.workers.all("AWS::AutoScaling::AutoScalingGroup").values()
    }
    assert groups["pileus-task-tell"]["MaxSize"] == "2"
    capacity = stacks.workers.one("AWS::ECS::ClusterCapacityProviderAssociations")["CapacityProviders"]
    assert len(capacity) == 2


def test_on_fargate_a_task_has_its_own_disk(tmp_path: Path) -> None:
    _, definition, _ = service(made(tmp_path, FARGATE, tell={"volume": 90}), "pileus-task-tell")
    assert definition["EphemeralStorage"] == {"SizeInGiB": 90}
    assert (definition["Cpu"], definition["Memory"]) == ("1024", "2048")


@pytest.mark.parametrize(
    ("settings", "sizes", "why"),
    [
        (FARGATE, {"gpu": 1, "instance_type": "g5.xlarge"}, "gpu and instance_type need compute ec2"),
        (FARGATE, {"cpu": 3000}, "cpu: Fargate has 256, 512, 1024, 2048, 4096, 8192, 16384, not 3000"),
        (FARGATE, {"memory": 2500}, "memory: with cpu 1024, Fargate has 2048 to 8192 in steps of 1024"),
        (FARGATE, {"volume": 300}, "volume: Fargate has 20 to 200 GB"),
        (EC2, {"memory": 20_000}, "cpu 1024 and memory 20000 do not fit on m6i.xlarge"),
    ],
)
def test_a_size_that_there_is_not_is_refused(
    tmp_path: Path, settings: dict[str, Any], sizes: dict[str, Any], why: str
) -> None:
    with_node()
    from infra.app import make
    from infra.settings import Settings
    from pileus.errors import UsageError

    (tmp_path / "code").mkdir()
    with pytest.raises(UsageError) as told:
        make(Settings(**settings), code=str(tmp_path / "code"), tasks=write_tasks(tmp_path, tell=sizes))
    assert str(told.value).startswith(f"tasks/tell/task.json: {why}")


@pytest.mark.parametrize("settings", [EC2 | {"spot": True}, FARGATE], ids=["spot", "fargate"])
def test_cdk_nag_finds_nothing_without_a_reason(tmp_path: Path, settings: dict[str, Any]) -> None:
    own = {} if settings.get("compute") else {"gpu": 1, "instance_type": "g5.xlarge"}
    made(tmp_path, settings, nag=True, tell=PLACES | own, count=PLACES)


def test_cfn_lint_finds_nothing(tmp_path: Path) -> None:
    own = {"gpu": 1, "instance_type": "g5.xlarge", "volume": 80}
    folders = [made(tmp_path, EC2, tell=PLACES | own).folder, made(tmp_path, FARGATE, tell=PLACES).folder]
    paths = [path for folder in folders for path in sorted(folder.glob("*.template.json"))]
    assert len(paths) == 6
    assert_lint_finds_nothing(paths)
