"""What the template of the API's stack promises, and what its role may not do."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from pileus.api.lambda_handler import DEPLOYMENT, HOSTS, ROUTE, SIGN_IN
from pileus.api.sign_in import SignIn
from pileus.edges.cloudformation import Assembly
from spec.support.grants import ACCOUNT, REGION, Need, api_grants
from spec.support.synthesized import (
    IMAGE,
    SECRET,
    Template,
    assert_lint_finds_nothing,
    listed,
    synthesize,
    with_node,
)
from spec.support.synthesized import (
    SIGN_IN as COGNITO,
)

DIGEST = f"{IMAGE.rpartition(':')[0]}@sha256:{'5' * 64}"
BOTH = {"worker_image": IMAGE, "api": {"sign_in": COGNITO}}
SIGNED = {
    "worker_image": DIGEST,
    "api": {"signed": ["read"], "domain_names": ["pileus.example.org"], "endpoint": "off"},
}
GRAVITON = {"worker_image": IMAGE, "compute": "fargate", "architecture": "arm64", "api": {"sign_in": COGNITO}}
EVERY = [pytest.param(BOTH, id="both"), pytest.param(SIGNED, id="signed"), pytest.param(GRAVITON, id="arm64")]


def environment(api: Template) -> dict[str, Any]:
    found: dict[str, Any] = api.one("AWS::Lambda::Function")["Environment"]["Variables"]
    return found


def routes(api: Template) -> dict[str, str]:
    """How each route asks who comes, by its key."""
    return {one["RouteKey"]: one["AuthorizationType"] for one in api.all("AWS::ApiGatewayV2::Route").values()}


def test_there_is_a_stack_where_the_settings_have_an_api_and_an_image() -> None:
    assert Assembly(synthesize(BOTH).folder).stacks() == ["pileus-data", "pileus-core", "pileus-workers", "pileus-api"]
    for settings in ({"worker_image": IMAGE}, {"api": {}}):
        assert "pileus-api" not in Assembly(synthesize(settings).folder).stacks()


def test_what_is_signed_has_a_route_for_each_role_and_all_else_one_that_the_app_judges() -> None:
    prefixes = {f"ANY /signed/{role}/{{proxy+}}": "AWS_IAM" for role in ("read", "operate", "admin")}
    assert routes(synthesize(BOTH).api) == prefixes | {"$default": "NONE"}
    assert routes(synthesize(SIGNED).api) == {"ANY /signed/read/{proxy+}": "AWS_IAM", "$default": "NONE"}
    assert all(ROUTE.fullmatch(key) for key in prefixes), "the app reads the role from what the gateway calls it"


@pytest.mark.parametrize("settings", EVERY)
def test_the_gateway_alone_may_invoke_the_lambda(settings: dict[str, Any]) -> None:
    """Who else may could say in an event who asks."""
    permission = synthesize(settings).api.one("AWS::Lambda::Permission")
    assert (permission["Action"], permission["Principal"]) == ("lambda:InvokeFunction", "apigateway.amazonaws.com")
    source = permission["SourceArn"]["Fn::Join"][1]
    assert source[-2:] == [{"Ref": "Gateway"}, "/*/*"]
    for template in (synthesize(settings).core, synthesize(settings).workers):
        assert "pileus-Api" not in template.path.read_text()


@pytest.mark.parametrize("settings", EVERY)
def test_no_other_page_is_let_in_and_requests_are_bounded(settings: dict[str, Any]) -> None:
    api = synthesize(settings | {"api": settings["api"] | {"rate": 7, "burst": 9}}).api
    assert "CorsConfiguration" not in api.one("AWS::ApiGatewayV2::Api")
    limits = api.one("AWS::ApiGatewayV2::Stage")["DefaultRouteSettings"]
    assert (limits["ThrottlingRateLimit"], limits["ThrottlingBurstLimit"]) == (7, 9)


def test_the_name_that_aws_gives_it_can_be_shut() -> None:
    """And then only the domain names count, also for the app's check of Host."""
    for settings, off in ((BOTH, False), (SIGNED, True)):
        api = synthesize(settings).api
        assert api.one("AWS::ApiGatewayV2::Api")["DisableExecuteApiEndpoint"] is off
        assert ("execute-api" in json.dumps(environment(api)[HOSTS])) is not off
    assert environment(synthesize(SIGNED).api)[HOSTS] == "pileus.example.org"


def test_the_access_log_has_who_signed_and_neither_query_nor_headers() -> None:
    """A token may be in both."""
    api = synthesize(BOTH | {"log_days": 7}).api
    text = api.one("AWS::ApiGatewayV2::Stage")["AccessLogSettings"]["Format"]
    said = json.loads(text)
    assert said["signed"] == "$context.identity.userArn"
    assert "header" not in text.lower()
    assert "query" not in text.lower()
    assert {one["RetentionInDays"] for one in api.all("AWS::Logs::LogGroup").values()} == {7}


@pytest.mark.parametrize("settings", EVERY)
def test_the_lambda_runs_the_workers_image(settings: dict[str, Any]) -> None:
    api = synthesize(settings).api
    function = api.one("AWS::Lambda::Function")
    assert function["PackageType"] == "Image"
    assert function["Architectures"] == [settings.get("architecture", "x86_64")]
    image = function["ImageConfig"]
    assert image["Command"] == ["python", "-m", "awslambdaric", "pileus.api.lambda_handler.handler"]
    assert image["WorkingDirectory"] == "/opt/pileus/app", "the image's own belongs to another user"
    tag = settings["worker_image"].partition("pileus-worker")[2]
    assert function["Code"]["ImageUri"]["Fn::Join"][1][-1] == f"/pileus-worker{tag}"
    assert function["Timeout"] < 30, "for so long the gateway waits"
    assert environment(api)["TMPDIR"] == environment(api)["PILEUS_SCRATCH"] == "/tmp"


def test_it_gets_what_it_needs_to_know_and_no_secret() -> None:
    api = synthesize(BOTH | {"secret_arns": [SECRET], "max_workers": 3}).api
    known = environment(api)
    assert SignIn.model_validate_json(known[SIGN_IN]) == SignIn.model_validate(COGNITO)
    assert json.loads(known[DEPLOYMENT])["max_workers"] == 3
    assert SECRET not in json.dumps(known)
    assert {f"PILEUS_{name}" for name in ("INTERNAL", "PROTECTED", "WORKFLOWS", "SCHEDULE_ROLE")} <= set(known)
    assert environment(synthesize(SIGNED).api)[SIGN_IN] == ""
    assert len(json.dumps(known)) < 4096, "Lambda's limit"


def test_lambdas_of_this_stack_may_have_the_image() -> None:
    (statement,) = synthesize(BOTH).core.one("AWS::ECR::Repository")["RepositoryPolicyText"]["Statement"]
    assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}
    assert json.dumps(statement["Condition"]).count(":function:pileus-*") == 1


def test_a_person_is_told_when_it_fails_is_throttled_or_slow() -> None:
    api = synthesize(BOTH | {"api": {"slow_seconds": 2}}).api
    alarms = {one["AlarmName"].removeprefix("pileus-"): one for one in api.all("AWS::CloudWatch::Alarm").values()}
    assert set(alarms) == {"ApiFailures", "ApiErrors", "ApiThrottled", "ApiSlow"}
    assert all("Topic" in json.dumps(one["AlarmActions"]) for one in alarms.values())
    assert alarms["ApiSlow"]["Threshold"] == 2000


NAMES = {
    "dynamodb": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/",
    "sqs": f"arn:aws:sqs:{REGION}:{ACCOUNT}:",
    "states": f"arn:aws:states:{REGION}:{ACCOUNT}:",
    "s3": "arn:aws:s3:::",
    "logs": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:",
    "scheduler": f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule/",
    "secretsmanager": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:",
    "iam": f"arn:aws:iam::{ACCOUNT}:role/",
    "lambda": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:",
    "events": f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/",
    "sns": f"arn:aws:sns:{REGION}:{ACCOUNT}:",
    "ecs": f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/",
    "execute-api": f"arn:aws:execute-api:{REGION}:{ACCOUNT}:",
    "ecr": f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/",
}
INTERNAL, PROTECTED = (f"pileus-{name}-{ACCOUNT}-{REGION}" for name in ("internal", "protected"))
FORBIDDEN = [
    ("dynamodb:DeleteTable", "pileus-partitions"),
    ("dynamodb:DeleteItem", "pileus-backfills"),
    ("dynamodb:UpdateItem", "pileus-partitions"),
    ("dynamodb:PutItem", "pileus-connections"),
    ("dynamodb:GetItem", "other-partitions"),
    ("s3:PutObject", f"{INTERNAL}/indexes/x"),
    ("s3:PutObject", f"{INTERNAL}/staged/x"),
    ("s3:DeleteObject", f"{INTERNAL}/registry.json"),
    ("s3:DeleteObject", f"{INTERNAL}/backfills/x"),
    ("s3:DeleteBucket", PROTECTED),
    ("s3:PutBucketPolicy", PROTECTED),
    ("s3:GetObject", f"pileus-code-{ACCOUNT}-{REGION}/x"),
    ("s3:GetObject", f"pileus-logs-{ACCOUNT}-{REGION}/x"),
    ("s3:PutObject", "open-archive/x"),
    ("sqs:SendMessage", "pileus-ingest"),
    ("sqs:SendMessage", "pileus-backfill-dead"),
    ("sqs:ReceiveMessage", "pileus-backfill"),
    ("sqs:PurgeQueue", "pileus-backfill-dead"),
    ("states:StartExecution", "stateMachine:pileus-two-DiscoverAndProcessGranules"),
    ("states:StartExecution", "stateMachine:other"),
    ("states:StopExecution", "execution:pileus-two-DiscoverAndProcessGranules:x"),
    ("states:SendTaskSuccess", "stateMachine:pileus-DiscoverAndProcessGranules"),
    ("states:UpdateStateMachine", "stateMachine:pileus-DiscoverAndProcessGranules"),
    ("scheduler:CreateSchedule", "default/x"),
    ("scheduler:DeleteSchedule", "pileus-two/x"),
    ("iam:PassRole", "Admin"),
    ("iam:CreateRole", "pileus-schedules-us-east-1"),
    ("logs:FilterLogEvents", "/pileus/pileus/Api:*"),
    ("logs:DeleteLogGroup", "/pileus/pileus/workers:*"),
    ("secretsmanager:GetSecretValue", "another"),
    ("lambda:InvokeFunction", "pileus-Api"),
    ("lambda:UpdateFunctionCode", "pileus-Api"),
    ("events:PutEvents", "another"),
    ("sns:Subscribe", "pileus-reports"),
    ("sns:Publish", "pileus-alarms"),
    ("ecs:UpdateService", "pileus/pileus-workers"),
    ("execute-api:Invoke", "a/$default/GET/signed/admin/x"),
    ("ecr:PutImage", "pileus-worker"),
]


@pytest.mark.parametrize(("action", "name"), FORBIDDEN, ids=lambda value: str(value))
def test_the_role_may_not(action: str, name: str) -> None:
    need = Need(action, NAMES[action.partition(":")[0]] + name)
    assert not any(statement.allows(need) for statement in api_grants().by_role["pileus-Api"])


def test_what_is_forbidden_there_is_named_as_what_is_allowed() -> None:
    """So that the list above can fail: beside each of these stands something that the role may do."""
    allowed = [
        ("dynamodb:PutItem", "pileus-partitions"),
        ("s3:PutObject", f"{INTERNAL}/registry.json"),
        ("s3:DeleteObject", f"{PROTECTED}/clips/x"),
        ("sqs:ReceiveMessage", "pileus-backfill-dead"),
        ("states:StartExecution", "stateMachine:pileus-DiscoverAndProcessGranules"),
        ("states:StopExecution", "execution:pileus-DiscoverAndProcessGranules:x"),
        ("scheduler:DeleteSchedule", "pileus/x"),
        ("iam:PassRole", f"pileus-schedules-{REGION}"),
        ("logs:FilterLogEvents", "/pileus/pileus/workers:*"),
        ("events:PutEvents", "default"),
        ("sns:Publish", "pileus-reports"),
    ]
    mine = api_grants().by_role["pileus-Api"]
    for action, name in allowed:
        need = Need(action, NAMES[action.partition(":")[0]] + name)
        assert any(statement.allows(need) for statement in mine), need


@pytest.mark.parametrize("settings", EVERY)
def test_a_star_alone_stands_where_aws_knows_no_narrower(settings: dict[str, Any]) -> None:
    for statement in synthesize(settings | {"secret_arns": [SECRET]}).api.statements():
        actions = listed(statement["Action"])
        assert not [action for action in actions if "*" in action]
        if "*" in listed(statement["Resource"]):
            assert actions in (
                ["scheduler:ListSchedules"],
                ["lambda:ListEventSourceMappings"],
                ["lambda:CreateEventSourceMapping"],
            )
            made = "lambda:CreateEventSourceMapping" in actions
            assert ("lambda:FunctionArn" in str(statement.get("Condition"))) == made, "for one Lambda only"


def test_a_role_is_passed_to_the_scheduler_only_and_events_are_this_stacks() -> None:
    by_action = {listed(one["Action"])[0]: one for one in synthesize(BOTH).api.statements()}
    passing = {"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}}
    assert by_action["iam:PassRole"]["Condition"] == passing
    assert by_action["events:PutEvents"]["Condition"] == {"StringEquals": {"events:source": "pileus.pileus"}}


@pytest.mark.parametrize("settings", EVERY)
def test_cdk_nag_finds_nothing_without_a_reason(settings: dict[str, Any]) -> None:
    synthesize(settings | {"secret_arns": [SECRET], "alarm_email": "someone@example.org"}, nag=True)


def test_cdk_nag_looks_at_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """Without the reason for the open route it refuses."""
    with_node()
    from infra import app, reasons
    from infra.settings import Settings

    monkeypatch.delitem(reasons.API, "AWS::ApiGatewayV2::Route")
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "empty.py").touch()
    made = app.make(Settings.model_validate(BOTH), code=str(tmp_path / "code"), nag=True, out=str(tmp_path / "out"))
    with pytest.raises(Exception, match=r"[Vv]alidation"):
        made.synth()


def test_cfn_lint_finds_nothing() -> None:
    paths = [path for one in (BOTH, SIGNED, GRAVITON) for path in synthesize(one).folder.glob("*.template.json")]
    assert len(paths) == 12
    assert_lint_finds_nothing(sorted(paths))


WRONG = [
    ({"rate": 0}, "api.rate"),
    ({"signed": ["owner"]}, "api.signed"),
    ({"signed": []}, "nobody could ask"),
    ({"endpoint": "off"}, "expected domain_names"),
    ({"domain_names": ["https://pileus.example.org"]}, "no name of a host"),
    ({"sign_in": COGNITO | {"issuer": "http://issuer.example.org"}}, "api.sign_in.issuer"),
    ({"sign_in": COGNITO | {"algorithms": ["HS256"]}}, "api.sign_in.algorithms"),
    ({"sign_in": COGNITO | {"algorithms": ["none"]}}, "api.sign_in.algorithms"),
    ({"sign_in": COGNITO | {"groups": {"x": "owner"}}}, "api.sign_in.groups"),
    ({"sign_in": COGNITO | {"groups": {}}}, "api.sign_in.groups"),
    ({"sign_in": COGNITO | {"audience": []}}, "api.sign_in.audience"),
    ({"sign_in": COGNITO | {"audience": [""]}}, "an audience is empty"),
    ({"cors": ["*"]}, "api.cors"),
]


@pytest.mark.parametrize(("api", "named"), WRONG, ids=lambda value: value if isinstance(value, str) else "-")
def test_settings_that_cannot_be_are_refused_by_name(api: dict[str, Any], named: str) -> None:
    from infra.settings import Settings, explain

    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({"api": api})
    assert named in explain(caught.value)


def test_a_lambda_takes_images_of_aws_alone() -> None:
    from infra.settings import Settings, explain

    elsewhere = {"worker_image": f"example.org/worker@sha256:{'5' * 64}", "api": {}}
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate(elsewhere)
    assert explain(caught.value).startswith("worker_image: ")
