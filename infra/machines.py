"""Instances for the workers: an Auto Scaling group whose volume is shared by the workers of one instance."""

from aws_cdk import Tags
from aws_cdk import aws_autoscaling as autoscaling
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra import access
from infra.network import Network
from infra.settings import FAMILIES, Settings
from infra.shape import Instances
from pileus.worker.container_payloads import PROCESSES

DEVICE = "/dev/sdf"
"""Device of the scratch volume on the instance."""
SCRATCH = "/scratch"
"""Where it is mounted, on the instance and in the containers."""
WORKER_USER = 10001
"""User id in the image."""
OURS_PROCESSES = 64
"""Processes and threads of our containers beside that of an image."""


class Machines(Construct):
    """`provider`: capacity that follows the number of tasks; no instance without a task."""

    def __init__(
        self, scope: Construct, *, settings: Settings, network: Network, cluster: ecs.Cluster, instances: Instances
    ) -> None:
        super().__init__(scope, "Machines")
        self.instances = instances
        self.role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"))
        self._let_the_agent_work(cluster)
        self.template = self._launch_template(settings, network)
        self.group = self._scaling_group(settings, network)
        self.provider = ecs.CfnCapacityProvider(
            self,
            "Provider",
            name=instances.provider,
            auto_scaling_group_provider=ecs.CfnCapacityProvider.AutoScalingGroupProviderProperty(
                auto_scaling_group_arn=self.group.auto_scaling_group_name,
                managed_scaling=ecs.CfnCapacityProvider.ManagedScalingProperty(
                    status="ENABLED",
                    target_capacity=100,
                    minimum_scaling_step_size=1,
                    maximum_scaling_step_size=min(instances.most, 10000),
                    instance_warmup_period=120,
                ),
                managed_termination_protection="ENABLED",
                managed_draining="ENABLED",
            ),
        )

    def _let_the_agent_work(self, cluster: ecs.Cluster) -> None:
        """Grant what the ECS agent needs, on this cluster only; AWS's managed policy is broader."""
        register = ["ecs:RegisterContainerInstance", "ecs:DeregisterContainerInstance"]
        access.allow(self.role, register, [cluster.cluster_arn])
        work = iam.PolicyStatement(
            actions=[
                "ecs:Poll",
                "ecs:StartTelemetrySession",
                "ecs:SubmitAttachmentStateChanges",
                "ecs:SubmitContainerStateChange",
                "ecs:SubmitTaskStateChange",
                "ecs:UpdateContainerInstancesState",
            ],
            resources=["*"],
            conditions={"ArnEquals": {"ecs:cluster": cluster.cluster_arn}},
        )
        self.role.add_to_policy(work)
        why = "Instances have no name before they register: the condition holds them to this cluster."
        access.allow(
            self.role, ["ecs:DiscoverPollEndpoint"], ["*"], why=f"{why} DiscoverPollEndpoint takes no resource."
        )

    def _launch_template(self, settings: Settings, network: Network) -> ec2.LaunchTemplate:
        plain = ecs.AmiHardwareType.ARM if settings.architecture == "arm64" else ecs.AmiHardwareType.STANDARD
        hardware = ecs.AmiHardwareType.GPU if self.instances.gpu else plain
        return ec2.LaunchTemplate(
            self,
            "Template",
            launch_template_name=self.instances.name,
            machine_image=ecs.EcsOptimizedImage.amazon_linux2023(hardware),
            instance_type=ec2.InstanceType(self.instances.type),
            security_group=network.group,
            role=self.role,
            require_imdsv2=True,
            # One hop: the instance's own credentials are out of reach for containers behind the bridge.
            http_put_response_hop_limit=1,
            associate_public_ip_address=True,
            detailed_monitoring=True,
            block_devices=[_volume("/dev/xvda", self.instances.root), *self._scratch()],
            user_data=_user_data(settings, self.instances),
        )

    def _scratch(self) -> list[ec2.BlockDevice]:
        return [_volume(DEVICE, self.instances.volume)] if self.instances.volume else []

    def _scaling_group(self, settings: Settings, network: Network) -> autoscaling.AutoScalingGroup:
        if settings.spot:
            launch = {"mixed_instances_policy": self._spot(settings)}
        else:
            launch = {"launch_template": self.template}
        group = autoscaling.AutoScalingGroup(
            self,
            "Group",
            auto_scaling_group_name=self.instances.name,
            vpc=network.vpc,
            vpc_subnets=network.subnets,
            min_capacity=0,
            max_capacity=self.instances.most,
            new_instances_protected_from_scale_in=True,  # ECS takes it off where no task runs
            **launch,  # type: ignore[arg-type]
        )
        Tags.of(group).add("AmazonECSManaged", "true", apply_to_launched_instances=True)
        Tags.of(group).add("Name", f"{settings.stack}-worker")
        return group

    def _spot(self, settings: Settings) -> autoscaling.MixedInstancesPolicy:
        """Return a policy with all instance families of the architecture: more choices have fewer interruptions."""
        family, _, size = self.instances.type.partition(".")
        alike = FAMILIES[settings.architecture]
        kinds = [f"{one}.{size}" for one in (alike if family in alike else [family])]
        return autoscaling.MixedInstancesPolicy(
            launch_template=self.template,
            launch_template_overrides=[
                autoscaling.LaunchTemplateOverrides(instance_type=ec2.InstanceType(kind)) for kind in kinds
            ],
            instances_distribution=autoscaling.InstancesDistribution(
                on_demand_percentage_above_base_capacity=0,
                spot_allocation_strategy=autoscaling.SpotAllocationStrategy.PRICE_CAPACITY_OPTIMIZED,
            ),
        )


def _volume(device: str, gigabytes: int) -> ec2.BlockDevice:
    return ec2.BlockDevice(
        device_name=device,
        volume=ec2.BlockDeviceVolume.ebs(
            gigabytes, volume_type=ec2.EbsDeviceVolumeType.GP3, encrypted=True, delete_on_termination=True
        ),
    )


def _user_data(settings: Settings, instances: Instances) -> ec2.UserData:
    """Return commands that mount the scratch volume and join the cluster; the agent starts after them."""
    data = ec2.UserData.for_linux()
    data.add_commands("set -euo pipefail")
    if instances.volume:
        data.add_commands(
            f"until [ -b {DEVICE} ]; do sleep 1; done",
            f"mkfs.xfs {DEVICE}",
            f"mkdir -p {SCRATCH}",
            f"mount -o noatime,nodev,nosuid,noexec {DEVICE} {SCRATCH}",
            f"chown {WORKER_USER}:{WORKER_USER} {SCRATCH} && chmod 0750 {SCRATCH}",
        )
    configured = [
        f"ECS_CLUSTER={settings.stack}",
        "ECS_ENABLE_SPOT_INSTANCE_DRAINING=true",
        f"ECS_CONTAINER_STOP_TIMEOUT={settings.stop_seconds}s",
        "ECS_DISABLE_PRIVILEGED=true",
    ]
    if not instances.volume:  # images of others: what they leave lies on the root volume
        configured += [f"ECS_TASK_PIDS_LIMIT={PROCESSES + OURS_PROCESSES}", "ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION=2m"]
    if instances.gpu:
        configured.append("ECS_ENABLE_GPU_SUPPORT=true")
    data.add_commands(*(f"echo {one} >> /etc/ecs/ecs.config" for one in configured))
    return data
