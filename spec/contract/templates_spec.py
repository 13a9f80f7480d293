"""What the templates promise, for every combination of settings that is allowed."""

import inspect
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from infra.settings import Settings
from pileus.worker.metrics import UNITS
from spec.support.synthesized import (
    IMAGE,
    SECRET,
    Template,
    assert_lint_finds_nothing,
    combinations,
    listed,
    named,
    synthesize,
    with_node,
)

ROOT = Path(__file__).resolve().parents[2]
EVERY = [pytest.param(settings, id=named(settings)) for settings in combinations()]
EC2 = {"worker_image": IMAGE}
FARGATE = {"worker_image": IMAGE, "compute": "fargate"}


@pytest.mark.parametrize("settings", EVERY)
def test_the_volume_reaches_the_containers(settings: dict[str, Any]) -> None:
    made = synthesize(settings | {"volume_size": 123})
    task = made.workers.one("AWS::ECS::TaskDefinition")
    if settings["compute"] == "fargate":
        assert task["EphemeralStorage"] == {"SizeInGiB": 123}
        assert task["Volumes"] == [{"Name": "scratch"}]
    else:
        launch = made.workers.one("AWS::EC2::LaunchTemplate")["LaunchTemplateData"]
        (data,) = (one for one in launch["BlockDeviceMappings"] if one["Ebs"]["VolumeSize"] == 123)
        assert data["Ebs"]["VolumeType"] == "gp3"
        script = launch["UserData"]["Fn::Base64"]
        assert f"mkfs.xfs {data['DeviceName']}\n" in script
        (source,) = (volume["Host"]["SourcePath"] for volume in task["Volumes"])
        assert re.search(rf"^mount .*{data['DeviceName']} {source}$", script, re.MULTILINE)
        assert all(
            one["Ebs"]["Encrypted"] and one["Ebs"]["DeleteOnTermination"] for one in launch["BlockDeviceMappings"]
        )
    (mount,) = task["ContainerDefinitions"][0]["MountPoints"]
    environ = {one["Name"]: one["Value"] for one in task["ContainerDefinitions"][0]["Environment"]}
    assert mount == {"ContainerPath": environ["PILEUS_SCRATCH"], "ReadOnly": False, "SourceVolume": "scratch"}


@pytest.mark.parametrize("settings", EVERY)
def test_a_volume_holds_a_group_for_each_worker_that_shares_it(settings: dict[str, Any]) -> None:
    """Workers that fit on an instance, by processor and memory, times what a group needs; a Fargate task is alone."""
    workers = synthesize(settings | {"group_size": 70, "volume_size": 150}).workers
    task = workers.one("AWS::ECS::TaskDefinition")
    (container,) = task["ContainerDefinitions"]
    if settings["compute"] == "fargate":
        assert task["EphemeralStorage"]["SizeInGiB"] >= 70
        assert workers.all("AWS::EC2::LaunchTemplate") == {}, "no instance, so no disk that tasks share"
        return
    cpus, gibibytes = 4, 16  # of an xlarge of the m families
    side_by_side = min(cpus * 1024 // container["Cpu"], gibibytes * 1024 // container["Memory"])
    assert side_by_side * 70 <= 150


@pytest.mark.parametrize("settings", EVERY)
def test_the_container_has_no_rights(settings: dict[str, Any]) -> None:
    (container,) = synthesize(settings).workers.one("AWS::ECS::TaskDefinition")["ContainerDefinitions"]
    assert container["ReadonlyRootFilesystem"] is True
    assert container["User"] == "10001:10001"
    assert container["Privileged"] is False
    assert container["LinuxParameters"]["Capabilities"] == {"Drop": ["ALL"]}
    assert container["StopTimeout"] == 60
    assert "Secrets" not in container


@pytest.mark.parametrize("settings", EVERY)
def test_there_is_no_nat_and_nothing_is_let_in(settings: dict[str, Any]) -> None:
    workers = synthesize(settings).workers
    assert not workers.all("AWS::EC2::NatGateway")
    assert "SecurityGroupIngress" not in workers.one("AWS::EC2::SecurityGroup")
    assert not workers.all("AWS::EC2::SecurityGroupIngress")
    endpoints = [str(one["ServiceName"]) for one in workers.all("AWS::EC2::VPCEndpoint").values()]
    if "vpc_id" in settings:
        assert endpoints == []
    else:
        assert {".s3" in text or ".dynamodb" in text for text in endpoints} == {True}
        assert len(endpoints) == 2


@pytest.mark.parametrize("settings", EVERY)
def test_workers_scale_from_0_to_the_maximum_and_back(settings: dict[str, Any]) -> None:
    workers = synthesize(settings | {"max_workers": 30}).workers
    target = workers.one("AWS::ApplicationAutoScaling::ScalableTarget")
    assert (target["MinCapacity"], target["MaxCapacity"]) == (0, 30)
    work, idle = (
        next(
            one
            for one in workers.all("AWS::ApplicationAutoScaling::ScalingPolicy").values()
            if name in one["PolicyName"]
        )
        for name in ("-work", "-idle")
    )
    steps = work["StepScalingPolicyConfiguration"]["StepAdjustments"]
    assert steps[0]["ScalingAdjustment"] == 1
    assert steps[-1]["ScalingAdjustment"] == 30
    assert len(steps) <= 20
    assert all(a["MetricIntervalUpperBound"] == b["MetricIntervalLowerBound"] for a, b in itertools.pairwise(steps))
    assert idle["StepScalingPolicyConfiguration"]["StepAdjustments"] == [
        {"MetricIntervalUpperBound": 0, "ScalingAdjustment": 0}
    ]
    assert "DesiredCount" not in workers.one("AWS::ECS::Service")
    if settings["compute"] == "ec2":
        group = workers.one("AWS::AutoScaling::AutoScalingGroup")
        assert (group["MinSize"], group["MaxSize"]) == ("0", "15")  # two workers on an instance
        provider = workers.one("AWS::ECS::CapacityProvider")["AutoScalingGroupProvider"]
        assert provider["ManagedTerminationProtection"] == provider["ManagedDraining"] == "ENABLED"


@pytest.mark.parametrize("settings", EVERY)
def test_spot_and_graviton_are_one_setting_each(settings: dict[str, Any]) -> None:
    workers = synthesize(settings).workers
    text = workers.path.read_text()
    if settings["compute"] == "fargate":
        platform = workers.one("AWS::ECS::TaskDefinition")["RuntimePlatform"]
        assert platform["CpuArchitecture"] == settings["architecture"].upper()
        (strategy,) = workers.one("AWS::ECS::Service")["CapacityProviderStrategy"]
        assert strategy["CapacityProvider"] == ("FARGATE_SPOT" if settings["spot"] else "FARGATE")
    else:
        launch = workers.one("AWS::EC2::LaunchTemplate")["LaunchTemplateData"]
        assert launch["InstanceType"] == ("m7g.xlarge" if settings["architecture"] == "arm64" else "m6i.xlarge")
        assert ("arm64" in str(launch["ImageId"])) == (settings["architecture"] == "arm64")
        assert ("MixedInstancesPolicy" in text) == settings["spot"]
        assert launch["MetadataOptions"] == {"HttpPutResponseHopLimit": 1, "HttpTokens": "required"}
    core = synthesize(settings).core
    assert {one["Architectures"][0] for one in core.all("AWS::Lambda::Function").values()} == {settings["architecture"]}


@pytest.mark.parametrize("settings", EVERY)
def test_logs_are_kept_for_the_days_that_were_set(settings: dict[str, Any]) -> None:
    made = synthesize(settings | {"log_days": 7})
    groups = [*made.core.all("AWS::Logs::LogGroup").values(), *made.workers.all("AWS::Logs::LogGroup").values()]
    assert len(groups) >= 6
    assert {group["RetentionInDays"] for group in groups} == {7}


@pytest.mark.parametrize("settings", [EC2, FARGATE], ids=["ec2", "fargate"])
def test_a_worker_answers_for_this_stacks_groups_only(settings: dict[str, Any]) -> None:
    (answers,) = (
        statement
        for statement in synthesize(settings).workers.statements("WorkerRole")
        if "states:SendTaskSuccess" in statement["Action"]
    )
    assert sorted(answers["Action"]) == ["states:SendTaskFailure", "states:SendTaskHeartbeat", "states:SendTaskSuccess"]
    ends = sorted(arn["Fn::Join"][1][-1] for arn in answers["Resource"])
    assert ends == [
        ":stateMachine:pileus-DiscoverAndProcessGranules",
        ":stateMachine:pileus-DiscoverAndProcessGranules/EachGroup",
        ":stateMachine:pileus-IngestGranules",
        ":stateMachine:pileus-IngestGranules/EachGroup",
        ":stateMachine:pileus-RunGraph",
        ":stateMachine:pileus-RunProcess",
    ]


def test_an_execution_that_ends_without_a_report_is_told_of_backfills_and_of_runs() -> None:
    rules = {
        one["Name"]: one["EventPattern"]["detail"]
        for one in synthesize(EC2).core.all("AWS::Events::Rule").values()
        if one["EventPattern"].get("source") == ["aws.states"]
    }
    machines = {name: sorted(arn["Ref"][:10] for arn in pattern["stateMachineArn"]) for name, pattern in rules.items()}
    assert machines == {
        "pileus-stopped": ["GenerateCo", "RunGraphMa", "RunProcess"],
        "pileus-ended": ["BulkGranul", "IngestGran"],
    }
    stopped = ["ABORTED", "FAILED", "TIMED_OUT"]
    assert rules["pileus-stopped"]["status"] == stopped
    assert sorted(rules["pileus-ended"]["status"]) == sorted([*stopped, "SUCCEEDED"])


def test_a_worker_reads_inputs_of_runs_and_the_registry_and_writes_no_documents() -> None:
    statements = synthesize(EC2).workers.statements("WorkerRole")

    def keys(action: str) -> set[str]:
        found = [one for one in statements if action in listed(one["Action"])]
        return {arn["Fn::Join"][1][-1].lstrip("/") for one in found for arn in listed(one["Resource"])}

    assert {"runs/*", "registry.json"} <= keys("s3:GetObject")
    assert "runs/*" in keys("s3:PutObject")
    assert "registry.json" not in keys("s3:PutObject")


def test_the_label_in_that_grant_is_the_maps() -> None:
    workflow = json.loads(
        re.sub(r"\$\{\w+\}", "1", (ROOT / "infra/workflows/DiscoverAndProcessGranules.asl.json").read_text())
    )
    assert workflow["States"]["EachGroup"]["Label"] == "EachGroup"


@pytest.mark.parametrize("settings", [EC2, FARGATE], ids=["ec2", "fargate"])
def test_no_role_may_do_everything_or_on_everything(settings: dict[str, Any]) -> None:
    """`*` alone stands only where AWS knows no narrower: log delivery, registry tokens, the agent's calls."""
    made = synthesize(settings | {"secret_arns": [SECRET]})
    allowed = {
        "ecr:GetAuthorizationToken",
        "ecs:DiscoverPollEndpoint",
        "logs:CreateLogDelivery",
        "logs:DeleteLogDelivery",
        "logs:DescribeLogGroups",
        "logs:DescribeResourcePolicies",
        "logs:GetLogDelivery",
        "logs:ListLogDeliveries",
        "logs:PutResourcePolicy",
        "logs:UpdateLogDelivery",
    }
    for statement in [*made.core.statements(), *made.workers.statements()]:
        actions = listed(statement["Action"])
        assert not [action for action in actions if "*" in action]
        if "*" in listed(statement["Resource"]):
            held = statement.get("Condition", {}).get("ArnEquals", {})
            assert set(actions) <= allowed or "ecs:cluster" in held, actions


def test_who_tells_may_publish_on_the_topic_and_put_this_stacks_events_on_one_bus() -> None:
    """Two Lambdas and the workers: who generates points in time tells nothing, nor who takes messages."""
    made = synthesize(EC2)
    for template, roles in ((made.core, 2), (made.workers, 1)):
        events = [one for one in template.statements() if "events:PutEvents" in listed(one["Action"])]
        published = [one for one in template.statements() if "sns:Publish" in listed(one["Action"])]
        topics = [one for one in published if "Reports" in json.dumps(one["Resource"])]
        assert len(events) == len(topics) == roles
        for one in events:
            assert one["Condition"] == {"StringEquals": {"events:source": "pileus.pileus"}}
            assert json.dumps(one["Resource"]).count("event-bus/default") == 1


def test_secrets_are_granted_by_name_and_only_where_named() -> None:
    def grants(template: Template) -> list[Any]:
        return [one for one in template.statements() if "secretsmanager:GetSecretValue" in listed(one["Action"])]

    without, with_ = synthesize(EC2), synthesize(EC2 | {"secret_arns": [SECRET]})
    assert grants(without.core) == grants(without.workers) == []
    assert [one["Resource"] for one in [*grants(with_.core), *grants(with_.workers)]] == [SECRET] * 4


MESSAGES = [
    "arn:aws:sqs:eu-west-1:123456789012:notes",
    "arn:aws:sns:eu-west-1:123456789012:notes",
    "arn:aws:kinesis:eu-west-1:123456789012:stream/notes",
]


def test_messages_are_taken_from_the_sources_that_are_named_and_from_no_other() -> None:
    def reached(**settings: Any) -> set[str]:
        statements = synthesize(EC2 | settings).core.statements("StartFromMessageRole")
        given = [arn for one in statements for arn in listed(one["Resource"])]
        return {arn for arn in given if isinstance(arn, str)}

    assert reached() == set()
    assert reached(message_sources=MESSAGES) == {MESSAGES[0], MESSAGES[2]}, "a topic calls the Lambda by itself"


def test_responses_are_published_on_the_topics_that_are_named() -> None:
    topic = "arn:aws:sns:eu-west-1:123456789012:responses"
    statements = synthesize(EC2 | {"response_topics": [topic]}).core.statements("ReportStatusRole")
    assert topic in [arn for one in statements if "sns:Publish" in one["Action"] for arn in listed(one["Resource"])]


def test_the_lambda_of_messages_takes_no_longer_than_a_queue_hides_a_message() -> None:
    core = synthesize(EC2).core
    (started,) = (
        one for one in core.all("AWS::Lambda::Function").values() if one["FunctionName"] == "pileus-StartFromMessage"
    )
    assert started["Timeout"] <= 30, "the usual time of a queue; Lambda refuses a source with less"
    mappings = core.all("AWS::Lambda::EventSourceMapping").values()
    assert [one["FunctionResponseTypes"] for one in mappings] == [["ReportBatchItemFailures"]] * 2, "and of payloads"


def test_buckets_are_private_encrypted_versioned_and_survive() -> None:
    data = synthesize(EC2).data
    for name, bucket in data.all("AWS::S3::Bucket").items():
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        assert bucket["BucketEncryption"]
        assert bucket["LifecycleConfiguration"]["Rules"]
        assert bucket.get("VersioningConfiguration") == ({"Status": "Enabled"} if "Logs" not in name else None)
        assert data.resources[name]["DeletionPolicy"] == "Retain"
    for policy in data.all("AWS::S3::BucketPolicy").values():
        denied = [one for one in policy["PolicyDocument"]["Statement"] if one["Effect"] == "Deny"]
        assert {"aws:SecureTransport": "false"} in [one["Condition"]["Bool"] for one in denied]


def test_what_passes_is_deleted_from_the_internal_bucket_by_its_prefix() -> None:
    buckets = synthesize(EC2).data.all("AWS::S3::Bucket")
    (internal,) = (one for name, one in buckets.items() if name.startswith("Internal"))
    days = {
        rule["Prefix"]: rule["ExpirationInDays"]
        for rule in internal["LifecycleConfiguration"]["Rules"]
        if "ExpirationInDays" in rule
    }
    assert days == {"map-runs/": 30, "cirrus/tmp/": 10, "runs/values/": 90}


def test_a_person_is_told_of_what_goes_wrong() -> None:
    core = synthesize(EC2 | {"alarm_email": "someone@example.org"}).core
    names = {one["AlarmName"].removeprefix("pileus-") for one in core.all("AWS::CloudWatch::Alarm").values()}
    assert names >= {
        "IngestDead",
        "BackfillDead",
        "IngestAge",
        "BackfillAge",
        "FailedPartitions",
        "Disk",
        "WorkersAtMaximum",
    }
    assert all(one["AlarmActions"] for one in core.all("AWS::CloudWatch::Alarm").values())
    assert core.one("AWS::SNS::Subscription")["Endpoint"] == "someone@example.org"
    page = json.dumps(core.one("AWS::CloudWatch::Dashboard"))
    for metric in ("BytesDownloaded", "PartitionsFailed", "ScratchFreeShare", "RunningTaskCount", "Seconds"):
        assert metric in page


def test_alarms_and_dashboard_watch_metrics_that_workers_write() -> None:
    core = synthesize(EC2).core
    alarms = {one["MetricName"] for one in core.all("AWS::CloudWatch::Alarm").values() if one["Namespace"] == "Pileus"}
    assert alarms == {"PartitionsFailed", "ScratchFreeShare"}
    page = json.dumps(core.one("AWS::CloudWatch::Dashboard")).replace("\\", "")
    shown = set(re.findall(r'"Pileus","(\w+)"', page))
    assert shown >= {"BytesDownloaded", "Seconds"}
    assert alarms | shown <= set(UNITS)


@pytest.mark.parametrize("settings", [EC2 | {"spot": True}, EC2, FARGATE], ids=["spot", "ec2", "fargate"])
def test_cdk_nag_finds_nothing_without_a_reason(settings: dict[str, Any]) -> None:
    synthesize(settings | {"secret_arns": [SECRET], "alarm_email": "someone@example.org"}, nag=True)


def test_a_wildcard_without_a_reason_is_refused() -> None:
    with_node()
    from aws_cdk import App, Stack
    from aws_cdk import aws_iam as iam

    from infra import access

    role = iam.Role(Stack(App(), "s"), "r", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    with pytest.raises(ValueError, match="a wildcard needs a reason"):
        access.allow(role, ["s3:GetObject"], ["arn:aws:s3:::bucket/*"])


def test_checkov_finds_nothing_without_a_reason(tmp_path: Path) -> None:
    """And each reason is of a rule that finds something."""
    program = shutil.which("checkov", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if program is None:
        pytest.skip("checkov is not installed here; it wants another boto3: `pipx install checkov`")
    from infra.reasons import CHECKOV

    for name, settings in (("ec2", EC2 | {"api": {}}), ("fargate", FARGATE)):
        for path in synthesize(settings).folder.glob("*.template.json"):
            shutil.copy(path, tmp_path / f"{name}-{path.name}")
    command = [program, "--directory", str(tmp_path), "--framework", "cloudformation", "--output", "json", "--compact"]
    done = subprocess.run(command, capture_output=True, text=True)
    found = json.loads(done.stdout)["results"]
    assert len(found["passed_checks"]) > 100, done.stderr
    assert {one["check_id"] for one in found["failed_checks"]} == set(CHECKOV)


def test_cfn_lint_finds_nothing() -> None:
    """But W3005, about dependencies that CDK writes down twice. The same templates are not linted twice."""
    folders = [synthesize(settings).folder for settings in (EC2, EC2 | {"spot": True}, FARGATE)]
    paths = [path for folder in folders for path in sorted(folder.glob("*.template.json"))]
    assert len(paths) == 9
    assert_lint_finds_nothing(paths)


@pytest.mark.parametrize("most", [1, 2, 7, 19, 20, 21, 22, 40, 100, 400])
@pytest.mark.parametrize("groups", [1, 2, 50])
def test_the_ladder_has_a_rung_for_each_worker_or_twenty(most: int, groups: int) -> None:
    """CDK is asked for twenty at most; each rung is higher than the last, and begins where that one's groups end."""
    with_node()
    from infra.scaling import ladder

    rungs = ladder(most, groups)
    starts, workers = zip(*rungs, strict=True)
    assert len(rungs) == min(most, 20)
    assert (starts[0], workers[0], workers[-1]) == (1, 1, most)
    assert list(workers) == sorted(set(workers))
    assert all(start == before * groups + 1 for before, start in zip(workers, starts[1:], strict=False))


def test_settings_tell_how_long_a_group_may_wait() -> None:
    """40 points x 40 groups of 600 s with 4 workers: the last one begins after 400 x 600 s."""
    from infra.settings import Settings

    assert Settings().longest_wait == 400 * 600
    assert Settings(max_workers=7, group_concurrency=1, group_seconds=10).longest_wait == 6 * 10


def test_the_most_workers_renew_their_connections_within_what_dynamodb_takes() -> None:
    """One write for each worker in a third of a lease, all under one provider's key; half is left for slots."""
    from infra.settings import Settings
    from pileus.edges.shared_connections import SharedConnections

    (most,) = (one.le for one in Settings.model_fields["max_workers"].metadata if hasattr(one, "le"))
    lease = inspect.signature(SharedConnections).parameters["seconds"].default
    writes_of_one_key = 1000
    assert most / (lease / 3) <= writes_of_one_key / 2


def test_workers_may_keep_archives_in_the_users_own_buckets_and_no_more() -> None:
    """And every entry point is told which bucket a key stands for."""
    buckets = {"public": {"name": "archive-public", "type": "public"}, "shared": {"name": "archive-public"}}
    made = synthesize(EC2 | {"buckets": buckets})
    mine = {
        (action, json.dumps(resource).rpartition("archive-public")[2].strip('"]}'))
        for statement in made.workers.statements()
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
        if "archive-public" in json.dumps(resource)
    }
    assert mine == {("s3:GetObject", "/archives/*"), ("s3:PutObject", "/archives/*"), ("s3:ListBucket", "")}
    task = made.workers.one("AWS::ECS::TaskDefinition")
    environ = {one["Name"]: one["Value"] for one in task["ContainerDefinitions"][0]["Environment"]}
    assert json.loads(environ["PILEUS_BUCKETS"])["shared"] == {"name": "archive-public", "type": "private"}


@pytest.mark.parametrize("settings", EVERY)
def test_workers_of_groups_know_the_collector_of_their_traces(settings: dict[str, Any]) -> None:
    told = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector.internal:4318", "OTEL_SERVICE_NAME": "nights"}
    task = synthesize(settings | {"worker_environment": told}).workers.one("AWS::ECS::TaskDefinition")
    environ = {one["Name"]: one["Value"] for one in task["ContainerDefinitions"][0]["Environment"]}
    assert environ.items() >= told.items()


@pytest.mark.parametrize("name", ["PATH", "PILEUS_SCRATCH", "AWS_ENDPOINT_URL", "otel_x"])
def test_no_other_variable_of_a_worker_can_be_set(name: str) -> None:
    with pytest.raises(ValueError, match="worker_environment"):
        Settings(worker_environment={name: "x"})
