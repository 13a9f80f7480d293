"""The task definition of one service: one container with its own rights only, which can write only to its scratch
mount.
"""

from typing import Any

from aws_cdk import Duration, Stack
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra import access
from infra.alarms import NAMESPACE
from infra.core import Core
from infra.machines import SCRATCH
from infra.network import log_group
from infra.settings import Settings, asked_disk
from infra.shape import Shape
from infra.tasks import repository_of


class Worker(Construct):
    """`role`: what the worker may do; whoever makes it grants that."""

    def __init__(self, scope: Construct, *, settings: Settings, core: Core, shape: Shape) -> None:
        super().__init__(scope, "Worker")
        self.logs = log_group(self, settings, f"/pileus/{settings.stack}/{shape.name}")
        self.role = iam.Role(
            self, "Role", assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com"), description="What a worker may do"
        )
        self.definition = self._definition(settings, shape)
        self.definition.add_volume(name="scratch", **_scratch(settings))
        self.container = self._container(settings, core, shape)
        pulls = self.definition.obtain_execution_role()
        access.accept(pulls, "*", "ecr:GetAuthorizationToken takes no resource.")
        self.container.add_mount_points(
            ecs.MountPoint(source_volume="scratch", container_path=SCRATCH, read_only=False)
        )

    def _definition(self, settings: Settings, shape: Shape) -> ecs.TaskDefinition:
        ec2_ = settings.compute == "ec2"
        return ecs.TaskDefinition(
            self,
            "Definition",
            family=f"{settings.stack}-{shape.name.removesuffix('s')}",
            compatibility=ecs.Compatibility.EC2 if ec2_ else ecs.Compatibility.FARGATE,
            # In bridge mode a container uses the instance's public address; in awsvpc mode it would have none.
            network_mode=ecs.NetworkMode.BRIDGE if ec2_ else ecs.NetworkMode.AWS_VPC,
            cpu=None if ec2_ else str(shape.cpu),
            memory_mib=None if ec2_ else str(shape.memory),
            ephemeral_storage_gib=None if ec2_ else asked_disk(shape.disk),
            runtime_platform=None
            if ec2_
            else ecs.RuntimePlatform(
                cpu_architecture=ecs.CpuArchitecture.of(settings.architecture.upper()),
                operating_system_family=ecs.OperatingSystemFamily.LINUX,
            ),
            task_role=self.role,
        )

    def _container(self, settings: Settings, core: Core, shape: Shape) -> ecs.ContainerDefinition:
        return self.definition.add_container(
            "worker",
            image=_image(self, shape.image),
            cpu=shape.cpu,
            memory_limit_mib=shape.memory,
            gpu_count=shape.gpu or None,
            command=list(shape.command) or None,
            environment={
                **core.names,
                "AWS_DEFAULT_REGION": Stack.of(self).region,
                "PILEUS_SCRATCH": SCRATCH,
                "PILEUS_METRICS": NAMESPACE,
                "PILEUS_PROTECT_MINUTES": str(settings.timeout_seconds // 60),
                **shape.environment,
            },
            logging=ecs.LogDrivers.aws_logs(stream_prefix="worker", log_group=self.logs),
            user="10001:10001",
            readonly_root_filesystem=True,
            privileged=False,
            stop_timeout=Duration.seconds(settings.stop_seconds),
            linux_parameters=_no_rights(self, settings),
            health_check=ecs.HealthCheck(
                command=["CMD", "python", "-m", "pileus.worker.health_check"],
                interval=Duration.seconds(60),
                timeout=Duration.seconds(20),
                start_period=Duration.seconds(120),
                retries=3,
            ),
        )


def _scratch(settings: Settings) -> dict[str, Any]:
    return {"host": ecs.Host(source_path=SCRATCH)} if settings.compute == "ec2" else {}


def _no_rights(scope: Construct, settings: Settings) -> ecs.LinuxParameters:
    parameters = ecs.LinuxParameters(
        scope, "Linux", **({"init_process_enabled": False} if settings.compute == "ec2" else {})
    )
    parameters.drop_capabilities(ecs.Capability.ALL)
    return parameters


def _image(scope: Construct, address: str) -> ecs.ContainerImage:
    """Return the image. One in this account's registry gets pull rights; any other must be public."""
    if ".dkr.ecr." not in address.partition("/")[0]:
        return ecs.ContainerImage.from_registry(address)
    return ecs.ContainerImage.from_ecr_repository(*repository_of(scope, address))
