"""What the templates have for a task in somebody's image: a definition without rights, and a worker that runs it."""

import json
from pathlib import Path
from typing import Any

import pytest

from pileus.edges.ecs_tasks import VARIABLE, EcsPlace
from spec.support.synthesized import IMAGE, Stacks, Template, assert_lint_finds_nothing, listed, synthesize, with_node

EC2 = {"worker_image": IMAGE}
FARGATE = EC2 | {"compute": "fargate"}
THEIRS = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/mask:1.2"
PUBLIC = f"example.org/mask@sha256:{'0' * 64}"
NETWORK = {"network": True}
COMMAND = ["run", "{input}", "--output={output}", "{workdir}"]
FOREIGN = {"description": "x", "runs": "worker", "calls": "payload", "image": THEIRS, "command": COMMAND}
TELL = {"StartAt": "Tell", "States": {"Tell": {"Type": "Task", "Resource": "pileus:task:mask", "End": True}}}
KINDS = [pytest.param(EC2, {}, id="ec2"), pytest.param(FARGATE, NETWORK, id="fargate")]


def project(folder: Path, **more: Any) -> Path:
    """A project with a task in somebody's image, and a workflow that names it."""
    (folder / "tasks/mask").mkdir(parents=True)
    (folder / "tasks/mask/task.json").write_text(json.dumps(FOREIGN | more))
    (folder / "workflows").mkdir()
    (folder / "workflows/Mask.asl.json").write_text(json.dumps(TELL))
    return folder


def made(folder: Path, settings: dict[str, Any], *, nag: bool = False, **more: Any) -> Stacks:
    return synthesize(settings, project=project(folder, **more), nag=nag)


def definition(workers: Template, family: str = "pileus-image-mask") -> dict[str, Any]:
    (found,) = (one for one in workers.all("AWS::ECS::TaskDefinition").values() if one["Family"] == family)
    return found


def containers(workers: Template) -> dict[str, dict[str, Any]]:
    return {one["Name"]: one for one in definition(workers)["ContainerDefinitions"]}


def place(workers: Template) -> EcsPlace:
    """What the task's worker is told of where its containers run; references are by logical id."""
    (container,) = definition(workers, "pileus-task-mask")["ContainerDefinitions"]
    (value,) = (one["Value"] for one in container["Environment"] if one["Name"] == VARIABLE)
    shown = value if isinstance(value, str) else "".join(map(reference, value["Fn::Join"][1]))
    made = EcsPlace.from_env({VARIABLE: shown})
    assert made
    return made


def reference(part: Any) -> str:
    return part if isinstance(part, str) else str(part.get("Ref") or part["Fn::GetAtt"][0])


@pytest.mark.parametrize(("settings", "more"), KINDS)
def test_no_container_of_it_has_a_right_of_aws(tmp_path: Path, settings: dict[str, Any], more: dict[str, Any]) -> None:
    """Without a role there is no endpoint of credentials; nothing of the stack is in their environment."""
    workers = made(tmp_path, settings, environment={"MODEL": "small"}, **more).workers
    assert "TaskRoleArn" not in definition(workers)
    found = containers(workers)
    assert list(found) == ["bring", "task", "take"]
    told = {name: {one["Name"]: one["Value"] for one in each.get("Environment", ())} for name, each in found.items()}
    assert told == {
        "bring": {},
        "task": {"TMPDIR": "/payload/tmp", "HOME": "/payload/tmp", "MODEL": "small"},
        "take": {},
    }
    assert not any(one.keys() & {"Secrets", "EnvironmentFiles", "PortMappings"} for one in found.values())


@pytest.mark.parametrize(("settings", "more"), KINDS)
def test_its_containers_run_one_after_the_other_over_one_volume(
    tmp_path: Path, settings: dict[str, Any], more: dict[str, Any]
) -> None:
    workers = made(tmp_path, settings, **more).workers
    found = containers(workers)
    brought = [{"Condition": "SUCCESS", "ContainerName": "bring"}]
    assert [one.get("DependsOn", []) for one in found.values()] == [[], brought, brought]
    assert [one["Essential"] for one in found.values()] == [False, False, True]
    assert definition(workers)["Volumes"] == [{"Name": "payload"}, {"Name": "temporary"}]
    mounted = [{one["SourceVolume"]: one["ContainerPath"] for one in each["MountPoints"]} for each in found.values()]
    both = {"payload": "/payload", "temporary": "/tmp"}
    assert mounted == [both, both, {"payload": "/payload"}]
    assert found["task"]["Command"] == ["run", "/payload/input.json", "--output=/payload/output.json", "/payload/work"]
    assert [found[name]["Command"][-1] for name in ("bring", "take")] == ["bring", "take"]


@pytest.mark.parametrize(("settings", "more"), KINDS)
def test_its_containers_can_write_nowhere_else_and_have_no_capability(
    tmp_path: Path, settings: dict[str, Any], more: dict[str, Any]
) -> None:
    found = containers(made(tmp_path, settings, memory=1024, **more).workers)
    for one in found.values():
        assert one["ReadonlyRootFilesystem"] is True
        assert one["Privileged"] is False
        assert one["LinuxParameters"]["Capabilities"] == {"Drop": ["ALL"]}
    assert {name: one["User"] for name, one in found.items()} == {
        "bring": "0:0", "task": "65534:65534", "take": "65534:65534",
    }  # fmt: skip
    assert found["task"]["Memory"] == 1024


@pytest.mark.parametrize("network", [False, True])
def test_on_ec2_its_container_has_no_network_unless_it_asks_for_it(tmp_path: Path, network: bool) -> None:
    workers = made(tmp_path, EC2, network=network).workers
    assert definition(workers)["NetworkMode"] == "bridge"
    found = containers(workers)
    assert found["task"]["DisableNetworking"] is not network
    assert not any(found[name].get("DisableNetworking") for name in ("bring", "take"))
    assert found["task"]["DockerSecurityOptions"] == ["no-new-privileges"]
    assert found["task"]["LinuxParameters"]["MaxSwap"] == 0


def test_on_fargate_a_task_without_network_is_refused_before_anything_is_deployed(tmp_path: Path) -> None:
    """Its containers share the network of ours, so that it cannot be kept from it."""
    with pytest.raises(refused(), match=r"tasks/mask/task.json: network: containers of one task share it on Fargate"):
        making(tmp_path, FARGATE)


@pytest.mark.parametrize(
    ("settings", "more", "why"),
    [
        (EC2, {"memory": 16_000}, "memory 16384 .384 of it for files. do not fit on m6i.xlarge"),
        (FARGATE, NETWORK | {"memory": 130_000}, "memory 130384 do not fit on Fargate"),
    ],
)
def test_a_size_that_there_is_not_is_refused(
    tmp_path: Path, settings: dict[str, Any], more: dict[str, Any], why: str
) -> None:
    with pytest.raises(refused(), match=why):
        making(tmp_path, settings, **more)


def refused() -> type[Exception]:
    with_node()
    from pileus.errors import UsageError

    return UsageError


def making(folder: Path, settings: dict[str, Any], **more: Any) -> None:
    """Make the stacks, and do not write their templates."""
    from infra.app import make
    from infra.settings import Settings

    (folder / "code").mkdir()
    make(Settings(**settings), code=str(folder / "code"), tasks=project(folder, **more) / "tasks")


def test_on_fargate_its_task_has_the_smallest_size_that_holds_it_and_ours(tmp_path: Path) -> None:
    found = definition(made(tmp_path, FARGATE | {"volume_size": 150}, **NETWORK, cpu=512, memory=4096).workers)
    assert (found["Cpu"], found["Memory"]) == ("1024", "5120")  # with 512 units there are 4096 MiB at most
    assert found["EphemeralStorage"] == {"SizeInGiB": 150}
    assert found["NetworkMode"] == "awsvpc"


def test_its_worker_is_small_and_knows_where_its_containers_run(tmp_path: Path) -> None:
    stacks = made(tmp_path, EC2, max_workers=3, memory=8192)
    (container,) = definition(stacks.workers, "pileus-task-mask")["ContainerDefinitions"]
    assert (container["Cpu"], container["Memory"]) == (256, 512)
    assert container["Command"] == ["python", "-m", "pileus", "worker", "--task", "mask"]
    told = place(stacks.workers)
    assert (told.family, told.logs) == ("pileus-image-mask", "/pileus/pileus/image-mask")
    assert told.cluster in stacks.workers.all("AWS::ECS::Cluster")
    assert (told.subnets, told.groups) == ((), ())
    targets = stacks.workers.all("AWS::ApplicationAutoScaling::ScalableTarget").values()
    assert sorted((one["MinCapacity"], one["MaxCapacity"]) for one in targets) == [(0, 3), (0, 4)]


def test_on_fargate_its_worker_knows_subnets_and_a_group(tmp_path: Path) -> None:
    workers = made(tmp_path, FARGATE, **NETWORK).workers
    told = place(workers)
    assert told.provider == "FARGATE"
    assert set(told.subnets) == workers.all("AWS::EC2::Subnet").keys()
    assert set(told.groups) == workers.all("AWS::EC2::SecurityGroup").keys()


def test_on_ec2_its_containers_are_never_beside_a_worker(tmp_path: Path) -> None:
    """They have instances of their own, with no scratch volume of ours, and a limit of processes."""
    workers = made(tmp_path, EC2, max_workers=5, memory=7000).workers
    templates = {one["LaunchTemplateName"]: one["LaunchTemplateData"] for one in workers.all(
        "AWS::EC2::LaunchTemplate").values()}  # fmt: skip
    assert templates.keys() == {"pileus-workers", "pileus-images"}
    mine = templates["pileus-images"]
    assert [(one["DeviceName"], one["Ebs"]["VolumeSize"]) for one in mine["BlockDeviceMappings"]] == [
        ("/dev/xvda", 50),
    ]  # fmt: skip
    assert mine["MetadataOptions"]["HttpPutResponseHopLimit"] == 1
    script = mine["UserData"]["Fn::Base64"]
    assert "ECS_TASK_PIDS_LIMIT=576" in script
    assert "mkfs" not in script
    assert "ECS_TASK_PIDS_LIMIT" not in templates["pileus-workers"]["UserData"]["Fn::Base64"]
    groups = {one["AutoScalingGroupName"]: one for one in workers.all("AWS::AutoScaling::AutoScalingGroup").values()}
    assert groups["pileus-images"]["MaxSize"] == "3"  # two of 7384 MiB on an instance of 15872
    (provider,) = (
        name for name, one in workers.all("AWS::ECS::CapacityProvider").items() if one["Name"] == "pileus-images"
    )
    assert provider == place(workers).provider
    services = workers.all("AWS::ECS::Service").values()
    assert provider not in json.dumps([one["CapacityProviderStrategy"] for one in services])


def test_its_worker_may_run_look_at_and_stop_its_own_definition_and_no_more(tmp_path: Path) -> None:
    stacks = made(tmp_path, EC2)
    statements = [one for one in stacks.workers.statements("TaskmaskWorkerRole") if one["Effect"] == "Allow"]
    allowed = {action: one for one in statements for action in listed(one["Action"])}
    assert allowed.keys() == {
        "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:SendMessage",
        "states:SendTaskSuccess", "states:SendTaskFailure", "states:SendTaskHeartbeat",
        "s3:GetObject", "s3:ListBucket", "s3:PutObject",
        "ecs:RunTask", "ecs:DescribeTasks", "ecs:StopTask", "iam:PassRole", "logs:GetLogEvents",
    }  # fmt: skip
    assert "task-definition/pileus-image-mask:*" in json.dumps(allowed["ecs:RunTask"]["Resource"])
    for action in ("ecs:RunTask", "ecs:DescribeTasks", "ecs:StopTask"):
        assert "ecs:cluster" in allowed[action]["Condition"]["ArnEquals"]
    passed = allowed["iam:PassRole"]
    assert passed["Condition"] == {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
    (role,) = (name for name in stacks.workers.all("AWS::IAM::Role") if "ForeignPulls" in name)
    assert passed["Resource"]["Fn::GetAtt"] == [role, "Arn"]
    assert "log-group:/pileus/pileus/image-mask:log-stream:task/*" in json.dumps(
        allowed["logs:GetLogEvents"]["Resource"]
    )
    written = json.dumps([one["Resource"] for one in statements if "s3:PutObject" in listed(one["Action"])])
    assert "/cirrus/tmp/containers/*" in written


@pytest.mark.parametrize(
    ("image", "pulls"),
    [(THEIRS, {"pileus-worker", "mask"}), (PUBLIC, {"pileus-worker"})],
    ids=["registry", "public"],
)
def test_its_execution_role_may_pull_its_images_and_write_its_log(tmp_path: Path, image: str, pulls: set[str]) -> None:
    statements = made(tmp_path, EC2, image=image).workers.statements("ForeignPulls")
    allowed = {action for one in statements for action in listed(one["Action"])}
    layers = {"ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"}
    assert allowed == layers | {"ecr:GetAuthorizationToken", "logs:CreateLogStream", "logs:PutLogEvents"}
    told = json.dumps([one["Resource"] for one in statements if "ecr:BatchGetImage" in listed(one["Action"])])
    assert {name for name in ("pileus-worker", "mask") if f"repository/{name}" in told} == pulls


@pytest.mark.parametrize(
    ("settings", "more"),
    [pytest.param(EC2 | {"spot": True}, {}, id="spot"), pytest.param(FARGATE, NETWORK, id="fargate")],
)
def test_cdk_nag_finds_nothing_without_a_reason(tmp_path: Path, settings: dict[str, Any], more: dict[str, Any]) -> None:
    made(tmp_path, settings, nag=True, **more)


def test_cfn_lint_finds_nothing(tmp_path: Path) -> None:
    folders = [made(tmp_path / "a", EC2).folder, made(tmp_path / "b", FARGATE, **NETWORK).folder]
    assert_lint_finds_nothing([folder / "pileus-workers.template.json" for folder in folders])
