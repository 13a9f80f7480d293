"""The workers stack: containers on ECS that take groups from the queues. AWS only."""

from typing import Any

from aws_cdk import CfnOutput, Duration, RemovalPolicy, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra import access, reasons
from infra.alarms import NAMESPACE, running_workers
from infra.core import Core
from infra.machines import SCRATCH, Machines
from infra.network import Network, retention
from infra.scaling import Scaling
from infra.settings import Settings


class Worker(Construct):
    """The task definition: one container with its own rights only, which can write only to its scratch mount."""

    def __init__(self, scope: Construct, *, settings: Settings, core: Core) -> None:
        super().__init__(scope, "Worker")
        self.logs = logs.LogGroup(
            self,
            "Logs",
            log_group_name=f"/pileus/{settings.stack}/workers",
            retention=retention(settings),
            removal_policy=RemovalPolicy.DESTROY,
        )
        self.role = iam.Role(
            self, "Role", assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com"), description="What a worker may do"
        )
        access.allow_worker(self.role, settings, core)
        self.definition = self._definition(settings)
        self.definition.add_volume(name="scratch", **_scratch(settings))
        self.container = self._container(settings, core)
        pulls = self.definition.obtain_execution_role()
        access.accept(pulls, "*", "ecr:GetAuthorizationToken takes no resource.")
        self.container.add_mount_points(
            ecs.MountPoint(source_volume="scratch", container_path=SCRATCH, read_only=False)
        )

    def _definition(self, settings: Settings) -> ecs.TaskDefinition:
        ec2_ = settings.compute == "ec2"
        return ecs.TaskDefinition(
            self,
            "Definition",
            family=f"{settings.stack}-worker",
            compatibility=ecs.Compatibility.EC2 if ec2_ else ecs.Compatibility.FARGATE,
            # In bridge mode a container uses the instance's public address; in awsvpc mode it would have none.
            network_mode=ecs.NetworkMode.BRIDGE if ec2_ else ecs.NetworkMode.AWS_VPC,
            cpu=None if ec2_ else str(settings.worker_cpu),
            memory_mib=None if ec2_ else str(settings.worker_memory),
            ephemeral_storage_gib=None if ec2_ else settings.volume_size,
            runtime_platform=None
            if ec2_
            else ecs.RuntimePlatform(
                cpu_architecture=ecs.CpuArchitecture.of(settings.architecture.upper()),
                operating_system_family=ecs.OperatingSystemFamily.LINUX,
            ),
            task_role=self.role,
        )

    def _container(self, settings: Settings, core: Core) -> ecs.ContainerDefinition:
        return self.definition.add_container(
            "worker",
            image=_image(self, settings),
            cpu=settings.worker_cpu,
            memory_limit_mib=settings.worker_memory,
            environment=core.names
            | {
                "AWS_DEFAULT_REGION": Stack.of(self).region,
                "PILEUS_SCRATCH": SCRATCH,
                "PILEUS_METRICS": NAMESPACE,
                "PILEUS_PROTECT_MINUTES": str(settings.timeout_seconds // 60),
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


def _image(scope: Construct, settings: Settings) -> ecs.ContainerImage:
    """Return the image. One in this account's registry gets pull rights; any other must be public."""
    address = settings.worker_image
    assert address  # the stack is made only where there is one
    host, _, rest = address.partition("/")
    if ".dkr.ecr." not in host:
        return ecs.ContainerImage.from_registry(address)
    name, _, tag = rest.partition("@" if "@" in rest else ":")
    repository = ecr.Repository.from_repository_name(scope, "Repository", name)
    return ecs.ContainerImage.from_ecr_repository(repository, tag or "latest")


class Workers(Stack):
    """Names, connections and grants; the parts are constructs."""

    def __init__(self, scope: Construct, *, settings: Settings, core: Core, **kwargs: Any) -> None:
        super().__init__(scope, f"{settings.stack}-workers", **kwargs)
        self.network = Network(self, settings=settings)
        self.cluster = ecs.Cluster(
            self,
            "Cluster",
            cluster_name=settings.stack,
            vpc=self.network.vpc,
            container_insights_v2=ecs.ContainerInsights.ENABLED,
        )
        self.worker = Worker(self, settings=settings, core=core)
        provider = self._provider(settings)
        self.service = self._service(settings, provider)
        self._allow_protection()
        self.scaling = Scaling(self, settings=settings, core=core, service=self.service, cluster=self.cluster)
        core.alarms.alarm(
            "WorkersAtMaximum",
            running_workers(settings, "Minimum"),
            settings.max_workers,
            "All workers have been busy for six hours: raise max_workers, if the provider lets in more.",
            periods=72,
        )
        reasons.give(self)
        CfnOutput(self, "PileusCluster", value=self.cluster.cluster_name)
        CfnOutput(self, "PileusService", value=self.service.attr_name)

    def _provider(self, settings: Settings) -> str:
        """Return the name of the capacity provider that the service uses, after associating it with the cluster."""
        fargate = "FARGATE_SPOT" if settings.spot else "FARGATE"
        if settings.compute == "ec2":
            self.machines = Machines(self, settings=settings, network=self.network, cluster=self.cluster)
            provider, named = self.machines.provider.ref, [self.machines.provider.ref]
        else:
            provider, named = fargate, ["FARGATE", "FARGATE_SPOT"]
        self.association = ecs.CfnClusterCapacityProviderAssociations(
            self,
            "Capacity",
            cluster=self.cluster.cluster_name,
            capacity_providers=named,
            default_capacity_provider_strategy=[
                ecs.CfnClusterCapacityProviderAssociations.CapacityProviderStrategyProperty(
                    capacity_provider=provider, weight=1
                )
            ],
        )
        return provider

    def _service(self, settings: Settings, provider: str) -> ecs.CfnService:
        """Return the service. The scaling policies set `desired_count`, so that a deployment does not reset it."""
        strategy = ecs.CfnService.CapacityProviderStrategyItemProperty(capacity_provider=provider, weight=1)
        service = ecs.CfnService(
            self,
            "Service",
            service_name=f"{settings.stack}-workers",
            cluster=self.cluster.cluster_arn,
            task_definition=self.worker.definition.task_definition_arn,
            capacity_provider_strategy=[strategy],
            deployment_configuration=ecs.CfnService.DeploymentConfigurationProperty(
                minimum_healthy_percent=0,
                maximum_percent=100,
                deployment_circuit_breaker=ecs.CfnService.DeploymentCircuitBreakerProperty(enable=True, rollback=True),
            ),
            enable_ecs_managed_tags=True,
            propagate_tags="SERVICE",
            enable_execute_command=False,
            **(_fargate_network(self.network) if settings.compute == "fargate" else _spread()),  # type: ignore[arg-type]
        )
        service.node.add_dependency(self.association, self.worker.role)
        return service

    def _allow_protection(self) -> None:
        """Allow a worker to protect its task from scale-in while it has a group."""
        tasks = self.format_arn(service="ecs", resource="task", resource_name=f"{self.cluster.cluster_name}/*")
        actions = ["ecs:UpdateTaskProtection", "ecs:GetTaskProtection"]
        access.allow(self.worker.role, actions, [tasks], why="Tasks of this cluster, which ECS names.")


def _fargate_network(network: Network) -> dict[str, Any]:
    return {
        "network_configuration": ecs.CfnService.NetworkConfigurationProperty(
            awsvpc_configuration=ecs.CfnService.AwsVpcConfigurationProperty(
                subnets=network.vpc.select_subnets(subnet_type=ec2.SubnetType.PUBLIC).subnet_ids,
                security_groups=[network.group.security_group_id],
                assign_public_ip="ENABLED",
            )
        )
    }


def _spread() -> dict[str, Any]:
    """Return options that fill one instance before the next is started, to use fewer instance-hours."""
    return {"placement_strategies": [ecs.CfnService.PlacementStrategyProperty(type="binpack", field="MEMORY")]}
