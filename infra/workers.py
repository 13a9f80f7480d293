"""The workers stack: services of containers on ECS, each taking from its queues. AWS only."""

from dataclasses import replace
from typing import Any

from aws_cdk import CfnOutput, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from constructs import Construct

from infra import access, reasons, task_access
from infra.alarms import running_workers
from infra.core import Core
from infra.foreign import ForeignTask, foreign_instances
from infra.machines import Machines
from infra.network import Network
from infra.scaling import Scaling
from infra.settings import Settings
from infra.shape import Instances, Shape, shape_of_groups, shape_of_task, shared_instances
from infra.tasks import OwnTask
from infra.worker import Worker


class Workers(Stack):
    """Names, connections and grants; the parts are constructs. Raises UsageError for a task that does not fit."""

    def __init__(self, scope: Construct, *, settings: Settings, core: Core, **kwargs: Any) -> None:
        super().__init__(scope, f"{settings.stack}-workers", **kwargs)
        self.settings, self.core = settings, core
        self.network = Network(self, settings=settings)
        self.cluster = ecs.Cluster(
            self,
            "Cluster",
            cluster_name=settings.stack,
            vpc=self.network.vpc,
            container_insights_v2=ecs.ContainerInsights.ENABLED,
        )
        tasks = {name: task for name, task in core.tasks.items() if task.queue}
        shapes = {name: shape_of_task(settings, task) for name, task in tasks.items()}
        images = foreign_instances(settings, [task for task in tasks.values() if task.definition.foreign])
        own = [*(one.own for one in shapes.values() if one.own), *([images] if images else [])]
        providers = self._providers([shared_instances(settings), *own])
        self.worker = Worker(self, settings=settings, core=core, shape=(groups := shape_of_groups(settings, core)))
        access.allow_worker(self.worker.role, settings, core)
        self.service = self._service(self, groups, self.worker, providers[None])
        for name, shape in shapes.items():
            inside, foreign = Construct(self, f"Task-{name}"), None
            if tasks[name].definition.foreign:
                foreign = self._foreign(inside, tasks[name], providers[images.provider if images else None])
                shape = replace(shape, environment={**shape.environment, **foreign.environment()})
            worker = Worker(inside, settings=settings, core=core, shape=shape)
            task_access.allow_task_worker(worker.role, tasks[name], core)
            if foreign:
                task_access.allow_images(worker.role, foreign, core)
            self._service(inside, shape, worker, providers[shape.own.provider if shape.own else None])
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
        CfnOutput(self, "PileusImage", value=settings.worker_image or "")

    def _foreign(self, scope: Construct, task: OwnTask, provider: str) -> ForeignTask:
        made = ForeignTask(
            scope, settings=self.settings, task=task, cluster=self.cluster, provider=provider, network=self.network
        )
        made.node.add_dependency(self.association)
        return made

    def _providers(self, every: list[Instances]) -> dict[str | None, str]:
        """Return the capacity provider of each kind of instances, by its name, after associating them with the cluster;
        under None, the one that services share.
        """
        fargate = "FARGATE_SPOT" if self.settings.spot else "FARGATE"
        found: dict[str | None, str] = {None: fargate}
        if self.settings.compute == "ec2":
            for number, kind in enumerate(every):
                scope = Construct(self, f"Machines-{kind.name}") if number else self
                made = Machines(
                    scope, settings=self.settings, network=self.network, cluster=self.cluster, instances=kind
                )
                found[kind.provider if number else None] = made.provider.ref
        self.association = ecs.CfnClusterCapacityProviderAssociations(
            self,
            "Capacity",
            cluster=self.cluster.cluster_name,
            capacity_providers=list(found.values()) if self.settings.compute == "ec2" else ["FARGATE", "FARGATE_SPOT"],
            default_capacity_provider_strategy=[
                ecs.CfnClusterCapacityProviderAssociations.CapacityProviderStrategyProperty(
                    capacity_provider=found[None], weight=1
                )
            ],
        )
        return found

    def _service(self, scope: Construct, shape: Shape, worker: Worker, provider: str) -> ecs.CfnService:
        """Return a service, which follows its queues. The scaling policies set `desired_count`, so that a deployment
        does not reset it.
        """
        settings = self.settings
        strategy = ecs.CfnService.CapacityProviderStrategyItemProperty(capacity_provider=provider, weight=1)
        service = ecs.CfnService(
            scope,
            "Service",
            service_name=f"{settings.stack}-{shape.name}",
            cluster=self.cluster.cluster_arn,
            task_definition=worker.definition.task_definition_arn,
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
        service.node.add_dependency(self.association, worker.role)
        if shape.name == "workers":
            self._allow_protection(worker)
        Scaling(scope, settings=settings, shape=shape, service=service, cluster=self.cluster)
        return service

    def _allow_protection(self, worker: Worker) -> None:
        """Allow a worker to protect its task from scale-in while it has a group."""
        tasks = self.format_arn(service="ecs", resource="task", resource_name=f"{self.cluster.cluster_name}/*")
        actions = ["ecs:UpdateTaskProtection", "ecs:GetTaskProtection"]
        access.allow(worker.role, actions, [tasks], why="Tasks of this cluster, which ECS names.")


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
