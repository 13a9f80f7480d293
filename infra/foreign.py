"""Tasks in images that have no Pileus in them, on ECS: a task definition for each, whose containers have no rights.

A worker of the task takes its payloads and runs the definition, once for each. It has no task role: what its containers
get and put, they do by addresses that the worker has signed, and the image's container is told none.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra import access
from infra.network import Network, log_group
from infra.settings import FARGATE_MEMORY, INSTANCES, RESERVED_MIB, Settings, asked_disk
from infra.shape import Instances, wrong_task
from infra.tasks import APP, OwnTask, repository_of
from pileus.documents.task import INPUT, OUTPUT, WORKDIR
from pileus.edges.ecs_tasks import BRING, TAKE, THEIRS, VARIABLE, EcsPlace
from pileus.worker.container_payloads import FILES, INSIDE, NOBODY, filled

OURS_MIB = 192
"""MiB of memory of each of our two containers; an answer has 64 at most."""
OURS_CPU = 32
"""CPU units of each of them on EC2."""
ROOT_GB = 30
"""GB of the root volume that the operating system and images need."""
TEMPORARY = "/tmp"
STOP_SECONDS = 2
"""Seconds that containers have to end: nothing of them is kept."""


class ForeignTask(Construct):
    """`place`: what the task's worker is told of it; `family`, `pulls`: its task definition and its execution role.

    Raises UsageError where the settings cannot give what the task asks for.
    """

    def __init__(
        self,
        scope: Construct,
        *,
        settings: Settings,
        task: OwnTask,
        cluster: ecs.Cluster,
        provider: str,
        network: Network,
    ) -> None:
        super().__init__(scope, "Foreign")
        self.cluster = cluster
        self.family = f"{settings.stack}-image-{task.name}"
        self.log_name = f"/pileus/{settings.stack}/image-{task.name}"
        self.logs = log_group(self, settings, self.log_name)
        self.pulls = iam.Role(self, "Pulls", assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com"))
        self.logs.grant_write(self.pulls)
        definition = self._definition(settings, task)
        fargate = settings.compute == "fargate"
        subnets = network.vpc.select_subnets(subnet_type=ec2.SubnetType.PUBLIC).subnet_ids if fargate else []
        groups = [network.group.security_group_id] if fargate else []
        self.place = EcsPlace(cluster.cluster_name, self.family, provider, self.log_name, tuple(subnets), tuple(groups))
        self.node.add_dependency(cluster)
        definition.node.add_dependency(self.pulls)

    def environment(self) -> dict[str, str]:
        """Return what tells the task's worker where its containers run."""
        told = {
            name: list(value) if isinstance(value, tuple) else value for name, value in self.place.to_json().items()
        }
        return {VARIABLE: Stack.of(self).to_json_string(told)}

    def _definition(self, settings: Settings, task: OwnTask) -> ecs.CfnTaskDefinition:
        cpu, memory = size_of(settings, task)
        fargate, disk = settings.compute == "fargate", asked_disk(settings.volume_size)
        return ecs.CfnTaskDefinition(
            self,
            "Definition",
            family=self.family,
            requires_compatibilities=["FARGATE" if fargate else "EC2"],
            network_mode="awsvpc" if fargate else "bridge",
            cpu=str(cpu) if fargate else None,
            memory=str(memory) if fargate else None,
            ephemeral_storage={"sizeInGiB": disk} if fargate and disk else None,
            runtime_platform={"cpuArchitecture": settings.architecture.upper(), "operatingSystemFamily": "LINUX"}
            if fargate
            else None,
            execution_role_arn=self.pulls.role_arn,
            volumes=[{"name": "payload"}, {"name": "temporary"}],
            container_definitions=[
                self._ours(settings, BRING, essential=False, user="0:0", mounts=("payload", "temporary")),
                self._theirs(settings, task),
                self._ours(settings, TAKE, essential=True, user=f"{NOBODY}:{NOBODY}", mounts=("payload",)),
            ],
        )

    def _ours(
        self, settings: Settings, name: str, *, essential: bool, user: str, mounts: Sequence[str]
    ) -> dict[str, Any]:
        """Return a container of ours. `bring` is root without any capability: a new volume is root's."""
        assert settings.worker_image  # the stack is made only where there is one
        after = [] if name == BRING else [{"containerName": BRING, "condition": "SUCCESS"}]
        return {
            **self._every(name, settings.worker_image, user, mounts),
            "command": ["python", "-m", "pileus.worker.payload_files", name],
            "workingDirectory": APP,
            "essential": essential,
            "dependsOn": after,
            "memory": OURS_MIB,
            **({"cpu": OURS_CPU} if settings.compute == "ec2" else {}),
        }

    def _theirs(self, settings: Settings, task: OwnTask) -> dict[str, Any]:
        """Return the image's container. On EC2 it has no network but where the task asks for it."""
        wanted = task.definition
        assert wanted.image  # it is checked with the command
        told = {"TMPDIR": f"{INSIDE}/tmp", "HOME": f"{INSIDE}/tmp", **wanted.environment}
        made = {
            **self._every(THEIRS, wanted.image, f"{NOBODY}:{NOBODY}", ("payload", "temporary")),
            "command": filled(wanted.command, dict(zip((INPUT, OUTPUT, WORKDIR), FILES, strict=True))),
            "environment": [{"name": name, "value": value} for name, value in told.items()],
            "essential": False,
            "dependsOn": [{"containerName": BRING, "condition": "SUCCESS"}],
            "memory": wanted.memory or 2048,
        }
        if settings.compute == "ec2":
            made |= {
                "cpu": wanted.cpu or 1024,
                "disableNetworking": not wanted.network,
                "dockerSecurityOptions": ["no-new-privileges"],
                "ulimits": [{"name": "core", "softLimit": 0, "hardLimit": 0}],
            }
            made["linuxParameters"] |= {"maxSwap": 0}
        return made

    def _every(self, name: str, image: str, user: str, mounts: Sequence[str]) -> dict[str, Any]:
        """Return what all containers have: a read-only root, no capability, and the volumes that they are given."""
        paths: Mapping[str, str] = {"payload": INSIDE, "temporary": TEMPORARY}
        return {
            "name": name,
            "image": self._image(image, name),
            "user": user,
            "readonlyRootFilesystem": True,
            "privileged": False,
            "stopTimeout": STOP_SECONDS,
            "linuxParameters": {"capabilities": {"drop": ["ALL"]}},
            "mountPoints": [{"sourceVolume": one, "containerPath": paths[one], "readOnly": False} for one in mounts],
            "logConfiguration": {
                "logDriver": "awslogs",
                "options": {
                    "awslogs-group": self.logs.log_group_name,
                    "awslogs-region": Stack.of(self).region,
                    "awslogs-stream-prefix": name,
                    "mode": "non-blocking",
                    "max-buffer-size": "4m",
                },
            },
        }

    def _image(self, address: str, name: str) -> str:
        """Return an image's address. One in this account's registry gets pull rights; any other must be public."""
        if ".dkr.ecr." not in address.partition("/")[0]:
            return address
        repository, tag = repository_of(Construct(self, f"Image-{name}"), address)
        repository.grant_pull(self.pulls)
        access.accept(self.pulls, "*", "ecr:GetAuthorizationToken takes no resource.")
        return repository.repository_uri_for_tag_or_digest(tag)


def size_of(settings: Settings, task: OwnTask) -> tuple[int, int]:
    """Return CPU units and MiB of a whole task of ECS: the image's container and ours. On Fargate, the smallest size
    that holds them. Raises UsageError where there is none.
    """
    wanted = task.definition
    cpu, memory = wanted.cpu or 1024, (wanted.memory or 2048) + 2 * OURS_MIB
    if settings.compute == "ec2":
        cpus, gib = INSTANCES[settings.instance.partition(".")[2]]
        if cpu + 2 * OURS_CPU > cpus * 1024 or memory > gib * 1024 - RESERVED_MIB:
            why = f"cpu {cpu} and memory {memory} ({2 * OURS_MIB} of it for files) do not fit on {settings.instance}"
            raise wrong_task(task, why)
        return cpu + 2 * OURS_CPU, memory
    if not wanted.network:
        why = "containers of one task share it on Fargate, so none can be kept from it: say true, or take compute ec2"
        raise wrong_task(task, f"network: {why}")
    for units, (least, most, step) in FARGATE_MEMORY.items():
        fitting = max(least, -(-memory // step) * step)
        if units >= cpu and fitting <= most:
            return units, fitting
    raise wrong_task(task, f"cpu {cpu} and memory {memory} do not fit on Fargate")


def foreign_instances(settings: Settings, tasks: Sequence[OwnTask]) -> Instances | None:
    """Return instances for images of others alone, so that these are never beside a worker, which has rights; None
    where there is no such task, or they run on Fargate.
    """
    if settings.compute != "ec2" or not tasks:
        return None
    cpus, gib = INSTANCES[settings.instance.partition(".")[2]]
    most = 0
    for task in tasks:
        cpu, memory = size_of(settings, task)
        fit = min(cpus * 1024 // cpu, (gib * 1024 - RESERVED_MIB) // memory)
        most += -(-task.definition.max_workers // fit)
    name = f"{settings.stack}-images"
    return Instances(name, name, settings.instance, 0, most, root=ROOT_GB + settings.volume_size)
