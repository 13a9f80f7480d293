"""Where the workers are: a VPC with public subnets and no NAT, or the one that the settings name."""

from aws_cdk import Fn, RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.settings import Settings


class Network(Construct):
    """`vpc`, `subnets` and a `group` that lets nothing in.

    A NAT gateway would cost more by the gigabyte than the work: workers have public addresses, with no way in, and
    reach S3 and DynamoDB by gateway endpoints, which are free. In a given VPC the endpoints are its owner's matter.
    """

    def __init__(self, scope: Construct, *, settings: Settings) -> None:
        super().__init__(scope, "Network")
        self.vpc = self._given(settings) if settings.vpc_id else self._made(settings)
        self.subnets = ec2.SubnetSelection(subnet_type=ec2.SubnetType.PUBLIC)
        self.group = ec2.SecurityGroup(
            self, "Workers", vpc=self.vpc, description="Workers reach providers and AWS; nothing reaches them"
        )

    def _given(self, settings: Settings) -> ec2.IVpc:
        assert settings.vpc_id  # asked for only then
        subnets = list(settings.subnet_ids)
        return ec2.Vpc.from_vpc_attributes(
            self,
            "Vpc",
            vpc_id=settings.vpc_id,
            availability_zones=[Fn.select(0, Fn.get_azs())] * len(subnets),
            public_subnet_ids=subnets,
        )

    def _made(self, settings: Settings) -> ec2.Vpc:
        vpc = ec2.Vpc(
            self,
            "Vpc",
            vpc_name=settings.stack,
            max_azs=2,
            nat_gateways=0,
            subnet_configuration=[
                ec2.SubnetConfiguration(
                    name="workers", subnet_type=ec2.SubnetType.PUBLIC, cidr_mask=20, map_public_ip_on_launch=True
                )
            ],
            gateway_endpoints={
                "S3": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.S3),
                "DynamoDb": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.DYNAMODB),
            },
        )
        self._flow_logs(vpc, settings)
        return vpc

    def _flow_logs(self, vpc: ec2.Vpc, settings: Settings) -> None:
        """Log only refused traffic: accepted traffic is the archive itself, and would fill the log."""
        group = log_group(self, settings, f"/pileus/{settings.stack}/flow", id="FlowLogs")
        role = iam.Role(self, "FlowRole", assumed_by=iam.ServicePrincipal("vpc-flow-logs.amazonaws.com"))
        vpc.add_flow_log(
            "Refused",
            destination=ec2.FlowLogDestination.to_cloud_watch_logs(group, role),
            traffic_type=ec2.FlowLogTrafficType.REJECT,
        )


def log_group(scope: Construct, settings: Settings, name: str, *, id: str = "Logs") -> logs.LogGroup:
    """Add a log group that is kept as long as the settings say, and goes with its stack."""
    return logs.LogGroup(
        scope, id, log_group_name=name, retention=_retention(settings), removal_policy=RemovalPolicy.DESTROY
    )


def _retention(settings: Settings) -> logs.RetentionDays:
    """Return CDK's name for a number of days."""
    names = {
        1: "ONE_DAY",
        3: "THREE_DAYS",
        5: "FIVE_DAYS",
        7: "ONE_WEEK",
        14: "TWO_WEEKS",
        30: "ONE_MONTH",
        60: "TWO_MONTHS",
        90: "THREE_MONTHS",
        120: "FOUR_MONTHS",
        150: "FIVE_MONTHS",
        180: "SIX_MONTHS",
        365: "ONE_YEAR",
    }
    days: logs.RetentionDays = getattr(logs.RetentionDays, names[settings.log_days])
    return days
