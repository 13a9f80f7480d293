"""pileus doctor beside the embedded AWS, and as a command."""

import json
import socket
from collections.abc import Iterator

import pytest

from pileus.deploy.doctor import disk, quota
from pileus.edges.aws import Aws
from spec.servers import Site, free_port
from spec.support.stack import Project, project

__all__ = ["project"]


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_quota_that_cannot_be_read_is_unknown_and_no_failure(aws: Site) -> None:
    assert quota(Aws(aws.url), "ec2", "L-1", "vCPUs", 8).ok is None


def test_the_command_ends_1_where_something_is_amiss(aws: Site, project: Project, listening: int) -> None:
    document = {"id": "site", "protocol": "http", "host": "127.0.0.1", "port": listening}
    project.document("data/providers/site.json", document)
    environ = {"AWS_ENDPOINT_URL": aws.url}
    said = project.pileus("doctor", env=environ, code=None)
    assert "provider site" in said
    project.document("data/providers/site.json", document | {"port": free_port()})
    said = project.pileus("doctor", "--json", env=environ, code=1)
    (site,) = (check for check in json.loads(said) if check["name"] == "provider site")
    assert site["ok"] is False
    assert site["advice"]


def test_missing_credentials_are_no_failure_for_those_who_do_not_deploy(project: Project, listening: int) -> None:
    document = {"id": "site", "protocol": "http", "host": "127.0.0.1", "port": listening}
    project.document("data/providers/site.json", document)
    full = 1 if disk(project.path).ok is False else 0
    said = project.pileus("doctor", "--json", env={"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, code=full)
    checks = json.loads(said)
    (account,) = (check for check in checks if check["name"] == "AWS credentials")
    assert account["ok"] is False
    assert account["deployment_only"] is True
    own = ("disk", "prices")  # they depend on the machine and on the day
    amiss = [check["name"] for check in checks if check["ok"] is False and check["name"] not in own]
    assert amiss == ["AWS credentials"]
