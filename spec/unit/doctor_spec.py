"""pileus doctor: what is amiss, and what to do about it."""

import socket
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from infra.settings import Settings
from pileus.deploy import doctor
from pileus.deploy.doctor import Check, disk, docker, prices, quota, quotas, reachable
from pileus.documents import Provider
from pileus.edges.aws import Aws
from spec.servers import free_port


class Quotas:
    """Stands for the service's client, which the embedded AWS does not have."""

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.asked: list[tuple[str, str]] = []

    def get_service_quota(self, ServiceCode: str, QuotaCode: str) -> dict[str, Any]:  # noqa: N803 - boto3's names
        self.asked.append((ServiceCode, QuotaCode))
        return {"Quota": {"Value": self.limit}}


@pytest.fixture
def account() -> Aws:
    return Aws("http://127.0.0.1:9")


def allow(account: Aws, limit: float) -> Quotas:
    client = Quotas(limit)
    account.__dict__["quotas"] = client
    return client


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def provider(port: int, host: str = "127.0.0.1") -> Provider:
    return Provider(id="p", protocol="http", host=host, port=port)


def test_a_quota_that_is_enough_is_fine(account: Aws) -> None:
    allow(account, 100)
    assert quota(account, "ec2", "L-1", "vCPUs", 8) == Check(
        "vCPUs", True, "100 allowed, 8 wanted at most", "lower max_workers, or ask AWS to raise quota L-1 of ec2"
    )


def test_a_quota_that_is_too_small_says_what_to_do(account: Aws) -> None:
    allow(account, 5)
    check = quota(account, "ec2", "L-1", "vCPUs", 8)
    assert check.ok is False
    assert "max_workers" in check.advice


def test_the_quotas_asked_for_are_those_of_the_settings(account: Aws) -> None:
    client = allow(account, 1000)
    checks = quotas(account, Settings(max_workers=4))  # two instances of four processors, 150 + 30 GB each
    assert [check.found for check in checks] == [
        "1000 allowed, 8 wanted at most",
        "1000 allowed, 40 wanted at most",
        "1000 allowed, 0.0976562 wanted at most",
    ]
    client.asked.clear()
    quotas(account, Settings(compute="fargate", spot=True))
    assert client.asked == [("fargate", "L-36FBB829"), ("lambda", "L-B99A9384")]


def test_a_provider_that_answers_is_fine(listening: int) -> None:
    assert reachable(provider(listening)).ok is True


def test_a_provider_that_does_not_answer_is_amiss() -> None:
    port = free_port()
    check = reachable(provider(port))
    assert check.ok is False
    assert f"127.0.0.1:{port}" in check.found


def test_a_host_with_a_scheme_is_understood(listening: int) -> None:
    assert reachable(provider(listening, "http://127.0.0.1")).ok is True


def test_a_folder_as_provider_must_be_there(tmp_path: Path) -> None:
    there, missing = (Provider(id="f", protocol="file", host=str(path)) for path in (tmp_path, tmp_path / "no"))
    assert reachable(there).ok is True
    assert reachable(missing).ok is False


def test_disk_is_looked_at_where_the_project_is(tmp_path: Path) -> None:
    assert str(tmp_path) in disk(tmp_path).found


def test_without_docker_only_containers_are_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    check = docker(Settings())
    assert check.ok is None
    assert "pileus images" in check.advice


def test_a_docker_engine_that_does_not_answer_is_no_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "docker"
    program.write_text("#!/bin/sh\necho 'Cannot connect to the Docker daemon' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    check = docker(Settings())
    assert (check.ok, check.found) == (None, "its engine does not answer")
    assert "dockerd" in check.advice


def test_what_the_cell_lacks_is_said_and_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor.cell().found
    monkeypatch.setattr(doctor, "lacking", lambda: ["no Landlock: not there"])
    assert (doctor.cell().ok, doctor.cell().found) == (None, "no Landlock: not there")
    monkeypatch.setattr(doctor, "lacking", lambda: [])
    assert doctor.cell().ok is True


@pytest.mark.parametrize(("day", "ok"), [(date(2026, 6, 1), True), (date(2026, 6, 2), False)])
def test_prices_older_than_a_year_are_named_and_fail_no_backfill(day: date, ok: bool) -> None:
    table = {"date": "2025-06-01", "region": "us-east-1", "source": "list prices"}
    check = prices(table, day)
    assert (check.ok, check.deployment_only) == (ok, True)
    assert check.found == f"{365 if ok else 366} days old: 2025-06-01, us-east-1: list prices"
    assert "data/prices.json" in check.advice
