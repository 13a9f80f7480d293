"""Dollars and minutes of a backfill, with numbers that can be checked by head."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.settings import Settings
from pileus.deploy.cost import STARTING, Estimate, Work, estimate, minutes_of
from spec.support.stack import ROOT, Project, project

__all__ = ["project"]

PRICES = json.loads((ROOT / "data/prices.json").read_text())
YEAR = Work(12, 12, 3e9, 30e6, 20, 1e6, connections=10)
"""Twelve groups: 100 s of download and 20 s of work each."""


def lines(made: Estimate, item: str) -> list[float]:
    return [line.dollars for line in made.lines if line.item.startswith(item)]


def test_one_worker_takes_the_sum_of_its_groups() -> None:
    assert minutes_of(YEAR, 1) == 12 * (100 + 20) / 60


def test_workers_beyond_the_providers_connections_do_not_help() -> None:
    by_provider = 12 * 100 / (10 / 6) / 60
    assert minutes_of(YEAR, 4) == minutes_of(YEAR, 100) == pytest.approx(by_provider)


@given(st.integers(1, 50), st.integers(1, 50))
def test_more_workers_are_never_slower(few: int, more: int) -> None:
    assert minutes_of(YEAR, few + more) <= minutes_of(YEAR, few)


def test_instances_are_paid_from_their_start_to_the_end_of_the_idle_minutes() -> None:
    settings = Settings(max_workers=2)  # both on one m6i.xlarge
    made = estimate(YEAR, settings, PRICES)
    hours = (made.minutes * 60 + STARTING) / 3600 + 10 / 60
    assert lines(made, "EC2") == [pytest.approx(hours * 0.192)]
    assert lines(made, "EBS") == [pytest.approx(hours * (20 + 30) / 730 * 0.08)]


def test_transitions_are_counted_by_point_and_group() -> None:
    (line,) = (line for line in estimate(YEAR, Settings(), PRICES).lines if line.item == "Step Functions")
    assert line.quantity == 6 + 12 * 6 + 12 * 1


def test_fargate_is_paid_by_processor_memory_and_disk() -> None:
    made = estimate(YEAR, Settings(compute="fargate", max_workers=1, volume_size=120), PRICES)
    cpu, memory, disk = lines(made, "Fargate")
    hours = (made.minutes * 60 + STARTING) / 3600 + 10 / 60
    assert cpu == pytest.approx(hours * 2 * 0.04048)
    assert memory == pytest.approx(hours * 7 * 0.004445)
    assert disk == pytest.approx(hours * 100 * 0.000111)


def test_spot_and_graviton_cost_less() -> None:
    regular, spot, graviton = (
        sum(lines(estimate(YEAR, Settings(**changes), PRICES), "EC2"))  # type: ignore[arg-type]
        for changes in ({}, {"spot": True}, {"architecture": "arm64"})
    )
    assert spot == pytest.approx(0.4 * regular)
    assert graviton < regular


def test_nothing_to_do_costs_next_to_nothing() -> None:
    none = Work(0, 0, 3e9, 30e6, 20, 1e6, connections=10)
    made = estimate(none, Settings(), PRICES)
    assert made.minutes == 0
    assert made.dollars < 0.01


def test_the_machines_that_are_always_on_cost_more() -> None:
    made = estimate(YEAR, Settings(), PRICES)
    assert made.always_on_month == pytest.approx(3 * (0.1856 * 730 + 150 * 0.1))
    assert made.dollars < made.always_on_month / 100


@pytest.mark.parametrize("compute", ["ec2", "fargate"])
@pytest.mark.parametrize("architecture", ["x86_64", "arm64"])
@pytest.mark.parametrize("spot", [False, True])
def test_every_kind_of_worker_has_a_price(compute: Any, architecture: Any, spot: bool) -> None:
    assert estimate(YEAR, Settings(compute=compute, architecture=architecture, spot=spot), PRICES).dollars > 0


def test_every_instance_family_that_may_be_chosen_has_a_price() -> None:
    from infra.settings import FAMILIES

    assert {family for families in FAMILIES.values() for family in families} == set(PRICES["ec2"]["xlarge_hour"])


def test_the_command_counts_points_and_names_its_prices(project: Project) -> None:
    stage(project)
    said = project.pileus("cost", "real", "--from", "2015-01", "--to", "2015-12")
    assert "for 12 groups" in said
    assert PRICES["date"] in said
    made = project.json("cost", "real", "--group-bytes", "6e9", "--speed", "1e6")
    assert made["minutes"] > 12 * 6000 / 60 / 2
    assert made["measured_groups"] == 0


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["nowhere"], "nowhere"),
        (["real", "--speed", "0"], "--speed"),
        (["real", "--group-bytes", "-1"], "--group-bytes"),
        (["real", "--from", "2020-01"], "202001"),
    ],
)
def test_bad_input_is_named(project: Project, arguments: list[str], named: str) -> None:
    stage(project)
    assert named in project.pileus("cost", *arguments, code=2)


def stage(project: Project) -> None:
    provider = {"id": "site", "protocol": "http", "host": "127.0.0.1", "globalConnectionLimit": 10}
    project.document("data/providers/site.json", provider)
    project.collection("real", "201501", "201512", zones="s3://bucket/zones.geojson")
