"""pileus synth, deploy, diff and destroy, against the embedded AWS in place of an account."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pileus.deploy.lambda_package import size_of
from pileus.edges.aws import Aws
from spec.servers import Site
from spec.support.stack import Project, project
from spec.support.synthesized import IMAGE

__all__ = ["project"]

NAME = "spec-deploy"
NO_ENGINE = {"DOCKER_HOST": "unix:///nowhere"}
"""With it no Docker engine answers, so that there are no images and no workers."""


@pytest.fixture
def account(aws: Site, project: Project) -> Aws:
    """An account, and a project with a settings file that deploys into it."""
    (project.path / "settings.json").write_text(json.dumps({"stack": NAME}))
    return Aws(aws.url)


def run(project: Project, account: Aws, *arguments: str, code: int = 0, **settings: Any) -> str:
    environ = {"AWS_ENDPOINT_URL": account.endpoint or "", "PILEUS_SETTINGS": json.dumps(settings)} | NO_ENGINE
    return project.pileus(*arguments, "--settings", "settings.json", code=code, env=environ)


def answer(project: Project, account: Aws, *arguments: str, **settings: Any) -> Any:
    """The JSON answer: what is told of the steps follows it on standard error."""
    return json.JSONDecoder().raw_decode(run(project, account, *arguments, "--json", **settings))[0]


def stacks(account: Aws) -> set[str]:
    found = account.cloudformation.describe_stacks()["Stacks"]
    return {
        one["StackName"] for one in found if one["StackName"].startswith(NAME) and "DELETE" not in one["StackStatus"]
    }


def test_a_deployment_from_nothing_to_nothing(account: Aws, project: Project) -> None:
    """One story, as each step stands on the last."""
    said = run(project, account, "diff")
    assert f"{NAME}-data: new stack" in said
    assert f"{NAME}-core: new stack" in said
    assert stacks(account) == set()

    foreseen = answer(project, account, "deploy", "--dry-run", "--populate")
    assert [one["new"] for one in foreseen["stacks"]] == [True, True]
    assert foreseen["populate"] == []
    assert stacks(account) == set()

    said = run(project, account, "deploy", code=2)  # nobody to ask, no --yes
    assert "--yes" in said
    assert stacks(account) == set()

    said = run(project, account, "deploy", "--yes")
    assert f"export PILEUS_STACK={NAME}" in said
    assert "so no workers" in said
    assert stacks(account) == {f"{NAME}-data", f"{NAME}-core"}
    assert run(project, account, "diff").count("no changes") == 2
    assert [one["changes"] for one in answer(project, account, "diff")] == [[], []]
    done = answer(project, account, "deploy", "--yes")
    assert done["stacks"] == answer(project, account, "diff")
    assert (done["stack"], done["image"], done["smoke_test"]) == (NAME, None, None)

    said = run(project, account, "diff", log_days=7)
    assert "LogGroup" in said
    foreseen = answer(project, account, "deploy", "--dry-run", log_days=7)
    assert {change["action"] for change in foreseen["stacks"][1]["changes"]} == {"Modify"}
    assert stacks(account) == {f"{NAME}-data", f"{NAME}-core"}

    bucket = f"{NAME}-protected-000000000000-us-east-1"
    account.s3.put_object(Bucket=bucket, Key="kept", Body=b"result")
    run(project, account, "destroy", code=2)
    assert answer(project, account, "destroy", "--yes") == {"removed": [f"{NAME}-core"]}
    assert stacks(account) == {f"{NAME}-data"}
    assert account.s3.get_object(Bucket=bucket, Key="kept")["Body"].read() == b"result"
    assert "there are no stacks" in run(project, account, "destroy", "--yes")


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"max_workers": 0}, "max_workers"),
        ({"compute": "lambda"}, "compute"),
        ({"volume_size": 10, "group_size": 12}, "volume_size"),
        ({"volume_size": 20, "group_size": 12}, "volume_size"),  # two workers on an instance
        ({"compute": "fargate", "volume_size": 201}, "volume_size"),
        ({"compute": "fargate", "worker_cpu": 3000}, "worker_cpu"),
        ({"compute": "fargate", "worker_memory": 1000}, "worker_memory"),
        ({"compute": "fargate", "instance_type": "m6i.large"}, "instance_type"),
        ({"architecture": "arm64", "instance_type": "m6i.large"}, "instance_type"),
        ({"instance_type": "t2.nano"}, "instance_type"),
        ({"worker_memory": 100_000}, "worker_memory"),
        ({"vpc_id": "vpc-12345678"}, "subnet_ids"),
        ({"subnet_ids": ["subnet-12345678"]}, "vpc_id"),
        ({"vpc_id": "vpc-12345678", "subnet_ids": ["subnet-1"]}, "subnet_ids"),
        ({"silence_seconds": 3600, "timeout_seconds": 60}, "silence_seconds"),
        ({"silence_seconds": 60, "visibility_seconds": 61, "group_seconds": 1}, "visibility_seconds"),
        ({"silence_seconds": 60_000}, "silence_seconds"),  # 40 x 40 groups of 600 s with 4 workers: 240,000 s
        ({"group_concurrency": 200, "max_workers": 1}, "silence_seconds"),
        ({"silence_seconds": 15 * 86_400}, "silence_seconds"),  # SQS keeps no message so long
        ({"group_memory": 6000}, "worker_memory"),  # three quarters of 7168 MiB
        ({"secret_arns": ["arn:aws:secretsmanager:eu-west-1:123456789012:secret:*"]}, "secret_arns"),
        ({"read_buckets": ["*"]}, "read_buckets"),
        ({"log_days": 8}, "log_days"),
        ({"stack": "Pileus"}, "stack"),
        ({"worker_image": "has spaces"}, "worker_image"),
        ({"worker_image": "example.org/pileus-worker:0.1.0"}, "worker_image"),
        ({"worker_image": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/pileus-worker:latest"}, "worker_image"),
        ({"colour": "red"}, "colour"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-",
)
def test_settings_that_cannot_be_are_refused_by_name(project: Project, settings: dict[str, Any], named: str) -> None:
    said = project.pileus("synth", code=2, env={"PILEUS_SETTINGS": json.dumps(settings)})
    assert said.startswith(f"pileus: settings: {named}")
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(("text", "named"), [("{", "not JSON: Expecting property name"), ("[]", "not a JSON object")])
def test_settings_must_be_a_json_object(project: Project, text: str, named: str) -> None:
    assert named in project.pileus("synth", code=2, env={"PILEUS_SETTINGS": text})


def test_a_settings_file_that_is_missing_is_named(project: Project) -> None:
    assert "nowhere.json" in project.pileus("synth", "--settings", "nowhere.json", code=2)


def test_without_an_account_a_deployment_says_so_and_a_dry_run_goes_on(project: Project, tmp_path: Path) -> None:
    nobody = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true"}
    nobody |= {"AWS_CONFIG_FILE": str(tmp_path / "none"), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none")}
    nobody |= {"AWS_DEFAULT_REGION": "us-east-1"}
    said = project.pileus("deploy", "--yes", code=2, env=nobody)
    assert "no AWS account answers" in said
    said = project.pileus("deploy", "--dry-run", "--populate", "--smoke-test", env=nobody | NO_ENGINE)
    for told in ("shows a first deployment", "pileus-data: new stack", "pileus-core: new stack", "synthetic month"):
        assert told in said


def test_lambda_packages_are_for_lambdas_platform_and_small(project: Project) -> None:
    for architecture, platform in (("x86_64", "x86_64"), ("arm64", "aarch64")):
        said = project.pileus("synth", env={"PILEUS_SETTINGS": json.dumps({"architecture": architecture})})
        assert "MB unzipped" in said
        core = project.path / said.split()[0]
        (package,) = (path for path in core.parent.glob("asset.*") if path.is_dir())
        assert size_of(package) < 50e6
        (compiled,) = package.glob("pydantic_core/*.so")
        assert platform in compiled.name
        assert "cpython-312" in compiled.name
        assert not list(package.glob("rasterio"))


IMPORTS = """
import importlib, sys
for name in ("generate_collections", "discover_granules", "report_status"):
    importlib.import_module(f"lambdas.{name}.handler")
for name in ("http", "file", "ftp", "sftp", "s3"):
    importlib.import_module(f"pileus.edges.providers.{name}")
files = [getattr(module, "__file__", None) or "" for module in list(sys.modules.values())]
print(*sorted({file.removeprefix(sys.argv[1]).split("/")[1] for file in files if file.startswith(sys.argv[1])}))
"""
RUNTIME = {"boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3"}
"""What Lambda's runtime brings."""
IF_THERE = {"_brotli", "_distutils_hack", "brotli", "certifi", "yaml"}
"""Used by botocore, invoke and urllib3 where they are installed, and done without where they are not."""


def test_lambda_packages_hold_all_that_the_handlers_import(project: Project) -> None:
    said = project.pileus("synth")
    (package,) = (path for path in (project.path / said.split()[0]).parent.glob("asset.*") if path.is_dir())
    site = str(Path(pytest.importorskip("pydantic").__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS, site], capture_output=True, text=True, check=True, cwd=project.path
    )
    imported = {name.split(".")[0] for name in done.stdout.split()} - RUNTIME - IF_THERE
    there = {path.name.split(".")[0] for path in package.iterdir()}
    assert "pydantic" in imported
    assert imported <= there


def test_the_workers_stack_needs_an_image(project: Project) -> None:
    assert "workers" not in project.pileus("synth")
    assert "pileus-workers.template.json" in project.pileus(
        "synth", env={"PILEUS_SETTINGS": json.dumps({"worker_image": IMAGE})}
    )
