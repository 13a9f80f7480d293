"""pileus deploy, all of it: from an empty account to a stack that a smoke test passes, with an image of its own.

The image is a tiny one, and the worker a process with the environment that the task definition gives to containers.
The soak spec takes the worker's own image, and runs it from the registry.
"""

import json
import os
import subprocess
import sys
import threading
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pileus.deploy.registry import Repository
from pileus.deploy.registry import engine as client
from pileus.edges.aws import Aws
from pileus.errors import Denied, UsageError
from spec.servers import Site
from spec.support.account import account_of
from spec.support.engine import docker, engine, image
from spec.support.registry import PASSWORD, USER, registry
from spec.support.stack import Project, project

__all__ = ["engine", "image", "project", "registry"]

LOGIN = {"username": USER, "password": PASSWORD}
NAME = "spec-whole"


@pytest.fixture(scope="module")
def tiny(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An image of one file."""
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY file /\n")
    (folder / "file").write_text(str(folder))
    name = "pileus-spec-tiny:1"
    subprocess.run(
        ["docker", "build", "-q", "-t", name, str(folder)],
        check=True,
        capture_output=True,
        env=os.environ | {"DOCKER_BUILDKIT": "0"},
    )
    yield name
    docker("image", "rm", "--force", name)


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Site]:
    pytest.importorskip("ministack", reason="the extra `embedded` is not installed")
    with account_of(tmp_path) as site:
        yield site


def stored(registry: str, path: str) -> Any:
    """What the registry itself says."""
    request = urllib.request.Request(f"http://{registry}/v2/{path}")
    request.add_header("Authorization", "Basic " + b64encode(f"{USER}:{PASSWORD}".encode()).decode())
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def test_an_image_is_pushed_once_and_named_by_its_digest(registry: str, tiny: str) -> None:
    repository = Repository(f"{registry}/one", LOGIN, client())
    assert repository.digest("1") is None
    digest = repository.push(tiny, "1")
    assert digest.startswith("sha256:")
    assert repository.digest("1") == digest
    assert stored(registry, "one/tags/list") == {"name": "one", "tags": ["1"]}
    assert f"{registry}/one" not in docker("images", "--format", "{{.Repository}}"), (
        "nothing of it stays on this machine"
    )
    # A tag that is there is left alone, whatever the image.
    assert repository.push("no-such-image-anywhere:1", "1") == digest


def test_what_cannot_be_pushed_is_told(registry: str, tiny: str) -> None:
    with pytest.raises(Denied):
        Repository(f"{registry}/two", {"username": USER, "password": "wrong"}, client()).push(tiny, "1")
    with pytest.raises(UsageError, match="pileus images"):
        Repository(f"{registry}/two", LOGIN, client()).push("no-such-image-anywhere:1", "1")


def test_an_image_that_contradicts_the_settings_is_refused(tiny: str, project: Project) -> None:
    made = client().version()["Arch"]
    other = "x86_64" if made == "arm64" else "arm64"
    fixed = f"example.org/x@sha256:{'0' * 64}"
    for settings, why in (
        ({"architecture": other}, f"is for {made}, and the setting architecture is {other}"),
        ({"worker_image": fixed}, "leave one out"),
    ):
        environ = {"PILEUS_SETTINGS": json.dumps(settings), "AWS_EC2_METADATA_DISABLED": "true"}
        assert why in project.pileus("deploy", "--image", tiny, "--dry-run", code=2, env=environ)


def deploy(project: Project, environ: dict[str, str], *arguments: str, code: int = 0) -> Any:
    said = project.pileus("deploy", *arguments, "--json", code=code, env=environ)
    return json.JSONDecoder().raw_decode(said)[0]


def container(aws: Aws) -> Any:
    """The container of the deployed task definition; None before there is one."""
    arns = aws.ecs.list_task_definitions(familyPrefix=f"{NAME}-worker")["taskDefinitionArns"]
    if not arns:
        return None
    definition = aws.ecs.describe_task_definition(taskDefinition=arns[-1])["taskDefinition"]
    return definition["containerDefinitions"][0]


Start = Callable[[Project, dict[str, str], str], "subprocess.Popen[bytes]"]
"""Starts a worker of a project, with an environment and an image."""


def as_process(project: Project, given: dict[str, str], image: str) -> "subprocess.Popen[bytes]":
    scratch = project.path / "scratch"
    scratch.mkdir()
    environ = project.environ(given | {"PILEUS_SCRATCH": str(scratch)})
    with (project.path / "worker.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "pileus", "worker"], cwd=project.path, env=environ, stdout=log, stderr=log
        )


def as_container(project: Project, given: dict[str, str], image: str) -> "subprocess.Popen[bytes]":
    """From the image that the task definition names, pulled from the registry, as ECS would start it."""
    scratch = project.path / "scratch"
    scratch.mkdir(mode=0o777)
    scratch.chmod(0o1777)
    client().images.pull(image, auth_config=LOGIN)
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    options = [f"--env={name}={value}" for name, value in (given | keys).items()]
    options += ["--network=host", "--read-only", "--cap-drop=ALL", "--user=10001:10001", f"--volume={scratch}:/scratch"]
    with (project.path / "worker.log").open("wb") as log:
        return subprocess.Popen(["docker", "run", "--rm", *options, image], stdout=log, stderr=log)


@contextmanager
def worker(project: Project, aws: Aws, start: Start) -> Iterator[None]:
    """A worker that begins when the workers stack has been deployed, with the environment of its task definition."""
    ended = threading.Event()

    def begin() -> "subprocess.Popen[bytes] | None":
        while not ended.wait(0.5):
            if found := container(aws):
                given = {one["name"]: one["value"] for one in found["environment"]}
                return start(project, given | {"AWS_ENDPOINT_URL": aws.endpoint or ""}, found["image"])
        return None

    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(begin)
        try:
            yield
        finally:
            ended.set()
            if process := starting.result():
                process.terminate()
                process.wait(30)


def left_of_the_test(aws: Aws) -> list[str]:
    """Objects and items that name a smoke test."""
    buckets = [f"{NAME}-{part}-000000000000-us-east-1" for part in ("internal", "protected")]
    listed = [one["Key"] for bucket in buckets for one in aws.s3.list_objects_v2(Bucket=bucket).get("Contents", ())]
    tables = [f"{NAME}-{name}" for name in ("partitions", "backfills", "connections")]
    items = [str(one) for table in tables for one in aws.dynamodb.scan(TableName=table)["Items"]]
    return [one for one in (*listed, *items) if "smoke-test" in one]


def test_from_an_empty_account_to_a_stack_that_works(account: Site, registry: str, tiny: str, project: Project) -> None:
    deploys_and_works(account, registry, tiny, project, as_process)


@pytest.mark.soak
def test_the_workers_own_image_takes_the_whole_path(
    account: Site, registry: str, image: str, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spec.support.stack.SECONDS", 1800)  # a gigabyte is pushed
    deploys_and_works(account, registry, image, project, as_container)


def deploys_and_works(account: Site, registry: str, image: str, project: Project, start: Start) -> None:
    """One story, as each step stands on the last."""
    aws = Aws(account.url)
    environ = {"AWS_ENDPOINT_URL": account.url, "PILEUS_REGISTRY": registry}
    environ["PILEUS_SETTINGS"] = json.dumps({"stack": NAME, "compute": "fargate"})
    project.document("data/providers/site.json", {"id": "site", "protocol": "file", "host": str(project.path)})
    options = ("--image", image, "--populate", "--yes")

    foreseen = deploy(project, environ, *options, "--dry-run")
    assert [one["stack"] for one in foreseen["stacks"]] == [f"{NAME}-{part}" for part in ("data", "core", "workers")]
    assert foreseen["image"]["source"] == "local"
    assert foreseen["smoke_test"] == {"seconds": 1200}
    assert aws.cloudformation.describe_stacks()["Stacks"] == []
    assert aws.s3.list_buckets()["Buckets"] == []
    assert "address" not in foreseen["image"], "it is not in the registry yet"

    with worker(project, aws, start):
        done = deploy(project, environ, *options, "--minutes", "4")
    assert done["stacks"] == foreseen["stacks"]
    digest = done["image"]["address"].rpartition("@")[2]
    assert done["image"]["address"] == f"{registry}/{NAME}-worker@{digest}"
    assert foreseen["image"]["tag"] in stored(registry, f"{NAME}-worker/tags/list")["tags"]
    assert container(aws)["image"] == done["image"]["address"]
    assert done["smoke_test"]["problems"] == []
    assert done["populate"] == foreseen["populate"] != []
    assert left_of_the_test(aws) == []

    again = deploy(project, environ, *options)
    assert again["image"] == done["image"]
    assert [one["changes"] for one in again["stacks"]] == [[], [], []]
    assert again["smoke_test"] is None, "nothing has changed"
    assert {one["change"] for one in again["populate"]} == {"unchanged"}

    without = deploy(project, environ, "--no-images", "--yes")
    assert without["image"] == {"address": done["image"]["address"], "source": "deployed"}
    assert [one["changes"] for one in without["stacks"]] == [[], [], []]
    said = project.pileus("diff", env=environ | {"DOCKER_HOST": "unix:///nowhere"})
    assert said.count("no changes") == 3
