"""pileus deploy, diff and destroy with the stack of the API, against the embedded AWS in place of an account."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pileus.edges.aws import Aws
from spec.support.account import account_of
from spec.support.stack import Project, project
from spec.support.synthesized import SIGN_IN

__all__ = ["project"]

NAME = "spec-api"
IMAGE = "000000000000.dkr.ecr.us-east-1.amazonaws.com/spec-api-worker:1"
SETTINGS = {"stack": NAME, "worker_image": IMAGE, "compute": "fargate", "api": {"sign_in": SIGN_IN}}


@pytest.fixture
def account(tmp_path: Path, project: Project) -> Iterator[Aws]:
    """An account, and a project with a settings file that deploys into it."""
    pytest.importorskip("ministack", reason="the extra `embedded` is not installed")
    (project.path / "settings.json").write_text(json.dumps(SETTINGS))
    with account_of(tmp_path) as site:
        yield Aws(site.url)


def run(project: Project, account: Aws, *arguments: str, **settings: Any) -> str:
    environ = {"AWS_ENDPOINT_URL": account.endpoint or "", "PILEUS_SETTINGS": json.dumps(settings)}
    environ |= {"DOCKER_HOST": "unix:///nowhere"}  # no engine answers
    return project.pileus(*arguments, "--settings", "settings.json", env=environ)


def test_the_api_is_deployed_after_the_workers_told_of_and_destroyed_before_them(
    account: Aws, project: Project
) -> None:
    said = run(project, account, "deploy", "--yes", "--no-smoke-test")
    places = [said.index(f"{NAME}-{stack}: done") for stack in ("data", "core", "workers", "api")]
    assert places == sorted(places)
    (api,) = account.unguarded("apigatewayv2").get_apis()["Items"]  # type: ignore[attr-defined]
    assert f"the API is at https://{api['ApiId']}.execute-api.us-east-1." in said

    assert run(project, account, "diff").count("no changes") == 4
    assert "the API is at https://" in run(project, account, "deploy", "--yes", "--no-smoke-test")
    changed = run(project, account, "diff", api={"sign_in": SIGN_IN, "rate": 7})
    assert changed.count("no changes") == 3
    assert "AWS::ApiGatewayV2::Stage" in changed

    said = run(project, account, "destroy", "--yes")
    places = [said.index(f"{NAME}-{stack}: removed") for stack in ("api", "workers", "core")]
    assert places == sorted(places)
    assert account.unguarded("apigatewayv2").get_apis()["Items"] == []  # type: ignore[attr-defined]


def test_without_an_image_it_is_said_that_there_is_no_api(account: Aws, project: Project) -> None:
    (project.path / "settings.json").write_text(json.dumps(SETTINGS | {"worker_image": None}))
    said = run(project, account, "deploy", "--dry-run")
    assert "so no workers and no API" in said
    assert f"{NAME}-api" not in said
