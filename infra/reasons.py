"""Rules that are not followed, each with its reason: of cdk-nag, by resource, and of checkov. access.py has those about
wildcards in grants.
"""

from collections.abc import Mapping

from aws_cdk import Acknowledgment, CfnResource, Stack, Validations

AWS_SOLUTIONS = "AwsSolutions::AwsSolutions-"
NIST = "NIST.800.53.R5::NIST.800.53.R5-"

REASONS: dict[str, dict[str, str]] = {
    "AWS::S3::Bucket": {
        AWS_SOLUTIONS + "S1": "It is the bucket that the access logs go to.",
        NIST + "S3BucketLoggingEnabled": "It is the bucket that the access logs go to.",
        NIST + "S3BucketVersioningEnabled": "Access logs are only ever added to.",
        NIST + "S3BucketReplicationEnabled": "All of it can be computed again from the provider's archive.",
        NIST + "S3DefaultEncryptionKMS": "Encrypted with S3's keys; the contents are public statistics, and a KMS "
        "key would cost a request for each object read.",
    },
    "AWS::DynamoDB::Table": {
        AWS_SOLUTIONS + "DDB3": "The index is rebuilt from S3 by `pileus reconcile`: S3 is the record.",
        NIST + "DynamoDBPITREnabled": "The index is rebuilt from S3 by `pileus reconcile`: S3 is the record.",
        NIST + "DynamoDBInBackupPlan": "The index is rebuilt from S3 by `pileus reconcile`: S3 is the record.",
    },
    "AWS::Lambda::Function": {
        AWS_SOLUTIONS + "L1": "3.12 is supported by AWS and by every package bundled here.",
        NIST + "LambdaConcurrency": "The workflows' MaxConcurrency bounds them; a reservation would take from the "
        "account's other functions.",
        NIST + "LambdaDLQ": "Called by workflows, which see and report every failure.",
        NIST + "LambdaInsideVPC": "It reaches a provider on the Internet; inside a VPC that would take a NAT gateway.",
    },
    "AWS::Logs::LogGroup": {
        NIST + "CloudWatchLogGroupEncrypted": "Encrypted with CloudWatch's keys; the logs hold names, sizes and "
        "times, and never a secret.",
    },
    "AWS::SNS::Topic": {
        NIST + "SNSEncryptedKMS": "CloudWatch cannot publish to a topic under AWS's own key; messages name "
        "partitions and hold no secret.",
    },
    "AWS::IAM::Policy": {
        NIST + "IAMNoInlinePolicy": "Each policy belongs to one role and lives and dies with it.",
    },
    "AWS::StepFunctions::StateMachine": {
        AWS_SOLUTIONS + "SF1": "Errors are logged; all events of ten thousand groups would cost more than the groups, "
        "and the index has their states.",
        AWS_SOLUTIONS + "SF2": "The index and the manifests have the time of every hop; X-Ray would need wildcards.",
    },
    "AWS::CloudWatch::Alarm": {
        NIST + "CloudWatchAlarmAction": "Its action is a scaling policy, set by a property override.",
    },
    "AWS::EC2::VPC": {
        NIST + "VPCDefaultSecurityGroupClosed": "Nothing uses the default group: workers have one that lets nothing "
        "in. Closing it takes a function with rights on all groups.",
    },
    "AWS::EC2::Subnet": {
        NIST + "VPCSubnetAutoAssignPublicIpDisabled": "Workers download from the Internet without a NAT gateway; "
        "their security group lets nothing in.",
    },
    "AWS::EC2::Route": {
        NIST + "VPCNoUnrestrictedRouteToIGW": "Providers are anywhere on the Internet; nothing listens in the subnet.",
    },
    "AWS::ECS::TaskDefinition": {
        AWS_SOLUTIONS + "ECS2": "The variables are names of queues, tables and buckets; secrets go by reference.",
    },
    "AWS::AutoScaling::AutoScalingGroup": {
        AWS_SOLUTIONS + "AS3": "ECS starts and ends instances with the queue; telling a person of each says nothing.",
        AWS_SOLUTIONS + "EC26": "Its volumes are encrypted in the launch template, which this rule does not find "
        "behind a policy of mixed instances.",
        NIST + "EC2IMDSv2Enabled": "Required in the launch template, which this rule does not find behind a policy "
        "of mixed instances.",
        NIST + "AutoScalingGroupELBHealthCheckRequired": "No load balancer: workers take work from queues.",
    },
    "AWS::AutoScaling::LaunchConfiguration": {
        NIST + "AutoScalingLaunchConfigPublicIpDisabled": "Workers download from the Internet without a NAT gateway.",
    },
}
"""Reason by type of resource and rule."""


API: dict[str, dict[str, str]] = {
    "AWS::Lambda::Function": {
        NIST + "LambdaConcurrency": "The gateway's throttling bounds it; a reservation would take from the account's "
        "other functions.",
        NIST + "LambdaDLQ": "Called by the gateway, which answers whoever asks.",
        NIST + "LambdaInsideVPC": "A plan asks a provider on the Internet; inside a VPC that would take a NAT gateway.",
    },
    "AWS::ApiGatewayV2::Route": {
        AWS_SOLUTIONS
        + "APIG4": "The app checks the token, and each of its routes names a role; a page, its health and "
        "its description are for all.",
    },
}
"""The same, where the stack of the API has other reasons."""

CHECKOV: dict[str, str] = {
    "CKV_AWS_18": "The bucket that the access logs go to has none itself.",
    "CKV_AWS_21": "Access logs are only ever added to.",
    "CKV_AWS_26": "CloudWatch cannot publish to a topic under AWS's own key; messages hold no secret.",
    "CKV_AWS_27": "Encrypted with SQS's own keys, which this rule does not count.",
    "CKV_AWS_28": "The index is rebuilt from S3 by `pileus reconcile`: S3 is the record.",
    "CKV_AWS_88": "Workers download from the Internet without a NAT gateway; their security group lets nothing in.",
    "CKV_AWS_115": "The workflows' MaxConcurrency bounds them, and the gateway's throttling the API's.",
    "CKV_AWS_116": "Called by workflows, which see and report every failure, and by a gateway, which answers.",
    "CKV_AWS_117": "A Lambda reaches a provider on the Internet; inside a VPC that would take a NAT gateway.",
    "CKV_AWS_119": "Encrypted with AWS's key; the index names partitions and holds no secret.",
    "CKV_AWS_136": "Encrypted with AES-256; images hold no secret.",
    "CKV_AWS_158": "Encrypted with CloudWatch's keys; logs hold names, sizes and times, and never a secret.",
    "CKV_AWS_173": "Encrypted with Lambda's key; the variables are names of queues, tables and buckets.",
}
"""Reason by rule of checkov."""


def give(stack: Stack, more: Mapping[str, Mapping[str, str]] | None = None) -> None:
    """Acknowledge the rules on each resource that they concern. `more`: reasons that replace those of REASONS."""
    reasons = {kind: {**REASONS.get(kind, {}), **(more or {}).get(kind, {})} for kind in {*REASONS, *(more or {})}}
    for construct in stack.node.find_all():
        if CfnResource.is_cfn_resource(construct):
            for rule, reason in reasons.get(construct.cfn_resource_type, {}).items():
                Validations.of(construct).acknowledge(Acknowledgment(id=rule, reason=reason))
